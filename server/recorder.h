/* recorder.h: one run of one traced program: samples it on schedule, into the trace and the
 * dashboard.
 *
 * Owns:    the sampler, its timers on the loop.
 * Threads: all on the loop's thread.
 */
#ifndef MC_RECORDER_H
#define MC_RECORDER_H

#include <uv.h>

#include "server/dashboard.h"
#include "store/trace.h"

struct mc_recorder;

struct mc_recorder_options {
    uv_loop_t *loop;
    struct mc_writer *writer;       /* borrowed */
    struct mc_dashboard *dashboard; /* borrowed */
    int64_t interval_ns;
    int event_clock_ns;
    const char *label;  /* in place of the program's own; NULL: leave it. Copied */
    const char *config; /* a JSON object for the run's row. Copied */
    /* Called once, from the loop, when there is nothing more to sample: MC_END (the program has
     * closed its tracer or is gone) or MC_ECORRUPT (told on stderr). Then mc_recorder_close. */
    void (*stopped)(void *arg, int code);
    void *arg;
};

/* Attach to a segment and begin its run, or go on with it after another recorder's end (a gap
 * "recorder away" spans what is missing). 0, or a negative code with one line in `why`. */
int mc_recorder_open(const char *segment_path, const struct mc_recorder_options *opts,
                     struct mc_recorder **out, char *why, size_t why_bytes);

const struct mc_run_info *mc_recorder_info(const struct mc_recorder *r); /* borrowed */

/* Take a last sample where there is one to take, end the run in the trace and the dashboard, and
 * free. `exit` as in struct mc_run_info. Blocks until the trace is durable. Returns how many frames
 * it has recorded. */
int64_t mc_recorder_close(struct mc_recorder *r, const char *exit);

#endif
