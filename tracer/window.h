/* window.h: bucket counts per tick and over the last second, and percentiles of them.
 *
 * A histogram, a route and an owner each have a window. Threads: one per object.
 */
#ifndef MC_WINDOW_H
#define MC_WINDOW_H

#include "tracer/frame.h"

#define MC_WINDOW_TICKS_MAX 100u

struct mc_window {
    uint32_t source_idx;
    int is_touched;                    /* counts were added in this tick */
    int is_stale;                      /* `sum` has changed since the percentiles were made */
    uint64_t total;                    /* of sum */
    int64_t p50, p95, p99, p9999, max; /* MC_VALUE_NONE while total is 0 */
    uint64_t tick[MC_BUCKET_COUNT];    /* of this tick */
    uint64_t sum[MC_BUCKET_COUNT];     /* of the newest ticks */
};

struct mc_windows {
    struct mc_window **all; /* owned, each too; by source_idx, which rises */
    uint32_t count, room;
    /* The adds of the newest ticks, a ring of lists; owned. window_idx stands in source_idx. */
    struct {
        struct mc_bucket_add *adds;
        size_t count;
        uint32_t room;
    } history[MC_WINDOW_TICKS_MAX];
    uint32_t tick_count, tick_idx;
    struct mc_bucket_add *adds; /* owned: this tick's, for the frame */
    size_t add_count;
    uint32_t add_room;
};

/* tick_count: ticks to a second, 1 to MC_WINDOW_TICKS_MAX. */
void mc_windows_init(struct mc_windows *w, uint32_t tick_count);
void mc_windows_fini(struct mc_windows *w);
/* A window for that source, borrowed, or NULL when memory is short. */
struct mc_window *mc_windows_new(struct mc_windows *w, uint32_t source_idx);
/* Count values of a bucket in this tick. */
void mc_window_add(struct mc_window *one, uint32_t bucket_idx, uint64_t count);
/* End the tick: make w->adds, move the windows on, renew percentiles. 0 or MC_ENOMEM. */
int mc_windows_tick(struct mc_windows *w);

#endif
