/* sampler.h: reads a traced program's segment and the kernel's view of it, and makes frames.
 *
 * Owns:    the segment's descriptor, private copies of all that is published.
 * Threads: one thread per sampler. No call blocks on the traced program.
 * Never:   trusts the segment: every offset, count and length is checked, and all text is cleaned.
 *          It is read with pread and never mapped, so that a file cut off under the reader is a
 *          short read and no SIGBUS.
 */
#ifndef MC_SAMPLER_H
#define MC_SAMPLER_H

#include "tracer/frame.h"

struct mc_sampler;

struct mc_sampler_options {
    int64_t interval_ns; /* default 100 ms: only written into the run's info; the caller ticks */
    int event_clock_ns;  /* keep events' ns instead of quantising to µs */
};

/* A published program, as `memcam ls` shows it. Strings inline, cleaned. */
struct mc_program {
    char name[64];
    char path[512]; /* of the segment */
    int64_t pid;
    int64_t start_wall_ns;
    int alive; /* the process exists and is the one that made the segment */
};

/* List the segments in `dir` (NULL: the default directory), newest first. *out is malloc'd, the
 * caller frees it. 0, or a negative code; a missing directory is an empty list. Files that are
 * no segments are passed over. */
int mc_program_list(const char *dir, struct mc_program **out, size_t *count);

/* The default directory of segments, as mc_tracer_open chooses it. 0 or MC_ENOENT. */
int mc_segment_dir(char *buf, size_t buf_bytes);

/* Attach to the segment at `path`. Fails with MC_ENOENT, MC_EPERM, MC_EFORMAT (not a segment, or
 * another version), MC_ECORRUPT, MC_ENOMEM; `why` (may be NULL) gets one line that says what, where
 * and what to do. */
int mc_sampler_open(const char *path, const struct mc_sampler_options *opts,
                    struct mc_sampler **out, char *why, size_t why_bytes);
void mc_sampler_close(struct mc_sampler *s);

/* The run as the segment tells it (label, host, pid, program, build, start_wall_ns, interval_ns);
 * run_id 0, exit NULL. Borrowed until close. */
const struct mc_run_info *mc_sampler_info(const struct mc_sampler *s);

/* ns since the run began, now. */
int64_t mc_sampler_now(const struct mc_sampler *s);

/* Move new events from the rings into the sampler, so that a busy program does not overwrite them
 * between ticks. Returns how full the fullest ring was, in percent (100: events were lost), or a
 * negative code. The caller calls it more often when this is high. */
int mc_sampler_drain(struct mc_sampler *s);

/* Take one sample. *out is borrowed until the next call. `late_ns`: how much later than due this
 * tick runs, for the recorder's own figures. Returns 0; MC_END when the program has closed its
 * tracer or its process is gone (this last frame is still good: it has the last events); or
 * MC_ECORRUPT or MC_ENOMEM, with one line in mc_sampler_why, when it can't go on: so it stays. */
int mc_sampler_tick(struct mc_sampler *s, int64_t late_ns, const struct mc_frame **out);
const char *mc_sampler_why(const struct mc_sampler *s);

/* Add a gap that the recorder itself knows of; it goes into the next frame. Copied. */
int mc_sampler_gap(struct mc_sampler *s, const struct mc_gap *gap);

#endif
