/* clock_line.h: event ticks to ns of the run.
 *
 * Both clocks are read together when the program opens its tracer and at every sample; between two
 * such pairs time is a straight line. So events agree with CLOCK_MONOTONIC at every sample, and
 * the counter's frequency need not be known.
 */
#ifndef MC_CLOCK_LINE_H
#define MC_CLOCK_LINE_H

#include "tracer/segment.h"

struct mc_clock_line {
    uint32_t clock;
    int64_t start_mono_ns;
    uint64_t from_ticks, to_ticks;
    int64_t from_ns, to_ns;   /* since the run began */
    uint64_t ns_per_tick_q56; /* fixed point, 56 bits behind the point */
};

void mc_clock_line_init(struct mc_clock_line *l, const struct mc_segment_head *head);
/* Read the clocks: the line now runs from the last pair to this one. Returns ns since the run
 * began; never less than the last time. */
int64_t mc_clock_line_advance(struct mc_clock_line *l);
/* Ticks on the line as ns; those before or behind it as its ends. */
int64_t mc_clock_line_ns(const struct mc_clock_line *l, uint64_t ticks);

#endif
