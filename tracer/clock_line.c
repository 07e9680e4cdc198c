/* clock_line.c: piecewise linear time. */
#include "tracer/clock_line.h"

#include <string.h>
#include <time.h>

#include "tracer/pub_priv.h"

static void set_slope(struct mc_clock_line *l, uint64_t ticks, int64_t ns)
{
    if (ticks)
        l->ns_per_tick_q56 = (uint64_t)(((unsigned __int128)(uint64_t)ns << 56) / ticks);
}

/* The machine has been started anew since the program wrote: its clocks don't join ours. Only the
 * speed of the counter can be had, by watching it for a moment; and the wall clock says when the
 * line ends at the latest. */
static void join_older_boot(struct mc_clock_line *l, int64_t start_wall_ns)
{
    uint64_t first_ticks, last_ticks;
    int64_t first_ns, last_ns;
    struct timespec wall, moment = {.tv_nsec = 20000000};
    mc_pub_clock_pair(l->clock, &first_ticks, &first_ns);
    nanosleep(&moment, NULL);
    mc_pub_clock_pair(l->clock, &last_ticks, &last_ns);
    set_slope(l, last_ticks - first_ticks, last_ns - first_ns);
    l->to_ticks = UINT64_MAX;
    clock_gettime(CLOCK_REALTIME, &wall);
    int64_t wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    l->to_ns = wall_ns > start_wall_ns ? wall_ns - start_wall_ns : 0;
}

void mc_clock_line_init(struct mc_clock_line *l, const struct mc_segment_head *head)
{
    uint64_t ticks = 0;
    int64_t mono_ns = 0;
    memset(l, 0, sizeof *l);
    l->clock = head->clock;
    l->start_mono_ns = head->start_mono_ns;
    l->from_ticks = l->to_ticks = head->start_ticks;
    mc_pub_clock_pair(l->clock, &ticks, &mono_ns);
    if (ticks < head->start_ticks || mono_ns < head->start_mono_ns)
        join_older_boot(l, head->start_wall_ns);
}

int64_t mc_clock_line_advance(struct mc_clock_line *l)
{
    uint64_t ticks = 0;
    int64_t mono_ns = 0;
    if (l->to_ticks == UINT64_MAX)
        return l->to_ns;
    mc_pub_clock_pair(l->clock, &ticks, &mono_ns);
    int64_t ns = mono_ns - l->start_mono_ns;
    if (ns <= l->to_ns)
        return l->to_ns;
    l->from_ticks = l->to_ticks;
    l->from_ns = l->to_ns;
    if (ticks <= l->to_ticks) /* the machine slept, and its counter began anew */
        l->from_ticks = 0;
    l->to_ticks = ticks;
    l->to_ns = ns;
    set_slope(l, l->to_ticks - l->from_ticks, l->to_ns - l->from_ns);
    return ns;
}

int64_t mc_clock_line_ns(const struct mc_clock_line *l, uint64_t ticks)
{
    if (ticks <= l->from_ticks)
        return l->from_ns;
    if (ticks >= l->to_ticks)
        return l->to_ns;
    unsigned __int128 ns = (unsigned __int128)(ticks - l->from_ticks) * l->ns_per_tick_q56 >> 56;
    uint64_t span_ns = (uint64_t)(l->to_ns - l->from_ns);
    return ns > span_ns ? l->to_ns : l->from_ns + (int64_t)ns;
}
