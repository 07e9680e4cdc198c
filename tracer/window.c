/* window.c: sliding windows of bucket counts. */
#include "tracer/window.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/grow.h"

void mc_windows_init(struct mc_windows *w, uint32_t tick_count)
{
    memset(w, 0, sizeof *w);
    if (tick_count > MC_WINDOW_TICKS_MAX)
        tick_count = MC_WINDOW_TICKS_MAX;
    w->tick_count = tick_count ? tick_count : 1;
}

void mc_windows_fini(struct mc_windows *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        free(w->all[i]);
    for (uint32_t i = 0; i < MC_WINDOW_TICKS_MAX; i++)
        free(w->history[i].adds);
    free(w->all);
    free(w->adds);
    memset(w, 0, sizeof *w);
}

struct mc_window *mc_windows_new(struct mc_windows *w, uint32_t source_idx)
{
    struct mc_window **all = mc_grown(w->all, w->count, &w->room, sizeof *all);
    if (!all)
        return NULL;
    w->all = all;
    struct mc_window *one = calloc(1, sizeof *one);
    if (!one)
        return NULL;
    one->source_idx = source_idx;
    one->p50 = one->p95 = one->p99 = one->p9999 = one->max = MC_VALUE_NONE;
    w->all[w->count++] = one;
    return one;
}

void mc_window_add(struct mc_window *one, uint32_t bucket_idx, uint64_t count)
{
    one->tick[bucket_idx] += count;
    one->is_touched = 1;
}

/* Make room for one more add. 0 or MC_ENOMEM. */
static int grow(struct mc_bucket_add **adds, size_t count, uint32_t *room)
{
    struct mc_bucket_add *moved = mc_grown(*adds, count, room, sizeof *moved);
    if (!moved)
        return MC_ENOMEM;
    *adds = moved;
    return 0;
}

/* Take the counts of the oldest tick out of the sums. */
static void expire(struct mc_windows *w)
{
    struct mc_bucket_add *adds = w->history[w->tick_idx].adds;
    for (size_t i = 0; i < w->history[w->tick_idx].count; i++) {
        struct mc_window *one = w->all[adds[i].source_idx];
        one->sum[adds[i].bucket_idx] -= adds[i].count;
        one->total -= adds[i].count;
        one->is_stale = 1;
    }
    w->history[w->tick_idx].count = 0;
}

/* Move one window's counts of this tick into the sums, the history and the frame's list. */
static int collect(struct mc_windows *w, uint32_t window_idx)
{
    struct mc_window *one = w->all[window_idx];
    for (uint32_t b = 0; b < MC_BUCKET_COUNT; b++) {
        uint64_t count = one->tick[b];
        if (!count)
            continue;
        if (grow(&w->adds, w->add_count, &w->add_room) != 0 ||
            grow(&w->history[w->tick_idx].adds, w->history[w->tick_idx].count,
                 &w->history[w->tick_idx].room) != 0)
            return MC_ENOMEM;
        w->adds[w->add_count++] = (struct mc_bucket_add){one->source_idx, b, count};
        w->history[w->tick_idx].adds[w->history[w->tick_idx].count++] =
            (struct mc_bucket_add){window_idx, b, count};
        one->sum[b] += count;
        one->total += count;
        one->tick[b] = 0;
    }
    one->is_touched = 0;
    one->is_stale = 1;
    return 0;
}

/* The largest value of the bucket that holds the rank-th of the window's values. */
static void renew_percentiles(struct mc_window *one)
{
    static const uint32_t parts[4] = {5000, 9500, 9900, 9999}; /* of 10,000 */
    int64_t *to[4] = {&one->p50, &one->p95, &one->p99, &one->p9999};
    one->is_stale = 0;
    one->p50 = one->p95 = one->p99 = one->p9999 = one->max = MC_VALUE_NONE;
    uint64_t seen = 0;
    uint32_t next = 0;
    for (uint32_t b = 0; b < MC_BUCKET_COUNT && one->total; b++) {
        if (!one->sum[b])
            continue;
        seen += one->sum[b];
        one->max = (int64_t)mc_bucket_top(b);
        while (next < 4 &&
               seen >= (uint64_t)(((unsigned __int128)one->total * parts[next] + 9999) / 10000))
            *to[next++] = one->max;
    }
}

int mc_windows_tick(struct mc_windows *w)
{
    w->add_count = 0;
    expire(w);
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->all[i]->is_touched && collect(w, i) != 0)
            return MC_ENOMEM;
    }
    w->tick_idx = (w->tick_idx + 1) % w->tick_count;
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->all[i]->is_stale)
            renew_percentiles(w->all[i]);
    }
    return 0;
}
