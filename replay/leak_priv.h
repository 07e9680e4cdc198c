/* leak_priv.h: what the parts that look for leaks share: floors, and the second reading that
 * follows what grows request by request. */
#ifndef MC_LEAK_PRIV_H
#define MC_LEAK_PRIV_H

#include "replay/leak.h"
#include "replay/run_scan_priv.h"

#define MC_FLOORS_MAX 60u
#define MC_LEAK_ROUTES 64u
#define MC_LEAK_POINTS 2049u

/* What is left at the lows of a level that goes up and down. */
struct mc_floors {
    size_t count;
    double hours[MC_FLOORS_MAX], low[MC_FLOORS_MAX]; /* hours since the span began */
    int64_t ts[MC_FLOORS_MAX];
    uint32_t heap_source; /* whose collections they are taken after; UINT32_MAX: by time */
};

/* leak_floors.c. The floors of a source's value: the least of each stretch of time, or, of a heap
 * that collects and of a pool that rises and falls with it, what each collection has left. None
 * (count 0) for one that has not collected: how much of it lives can't be told. */
void mc_floors_find(const struct mc_run_scan *s, const struct mc_source *source, uint32_t value_idx,
                    struct mc_floors *out);

/* leak_floors.c. The pool that a heap's objects come from, the one that goes with it best, or NULL.
 */
const struct mc_source *mc_floors_pool_of(const struct mc_run_scan *s,
                                          const struct mc_source *heap);

struct mc_leak_point {
    int64_t ts;
    double level;
    int is_broken; /* something is missing between the point before and this one */
};

/* A level, and the requests of each route until then, moment by moment: at each frame, or for a
 * heap at each collection. Of a long reading every second, fourth, … moment is kept. */
struct mc_leak_trail {
    size_t count;
    uint32_t stride, skip;
    int is_broken;                /* before the next point */
    struct mc_leak_point *points; /* owned; room for MC_LEAK_POINTS; NULL: not followed */
    uint32_t *ended;              /* owned; points x MC_LEAK_ROUTES: responses */
    int32_t *open;                /* owned, alike: requests without a response yet */
};

/* A pool's slots: since when each is taken, and for which route where it has a holder. */
struct mc_leak_slot {
    uint64_t conn_id;
    int64_t since;  /* INT64_MAX: free, or taken before the reading */
    uint32_t route; /* MC_LEAK_ROUTES: not known */
};
struct mc_leak_held {
    uint32_t slot_count;
    struct mc_leak_slot *slots; /* owned; NULL: no pool */
    int has_holders;
    int is_collected; /* a slot that has another letter has been taken anew */
    uint64_t taken[MC_LEAK_ROUTES + 1], kept[MC_LEAK_ROUTES + 1]; /* the last: for no known route */
};

/* One that grows. */
struct mc_leak_level {
    const struct mc_source *source; /* borrowed from the scan */
    const struct mc_source *pool;   /* alike: itself, or of a heap where its objects are; or NULL */
    uint32_t value_idx;
    double grown; /* over the span */
    struct mc_floors floors;
    int64_t collected_ts; /* the last collection that a reading has seen; INT64_MIN: none */
    struct mc_leak_trail
        trail; /* with a pool: how many of the slots that are kept were taken by then */
    struct mc_leak_held held;
};

/* The routes of a scan, the same in all that follows them. */
struct mc_leak_routes {
    const struct mc_source *of[MC_LEAK_ROUTES]; /* borrowed */
    size_t count;
};
void mc_leak_routes_find(const struct mc_run_scan *s, struct mc_leak_routes *out);

/* leak_reading.c. Read the run's frames once more, the last half hour at most, and fill in the
 * trail, and with a pool `held`, of each level. 0, MC_ENOMEM, MC_EGONE by opts->stop
 * or what the reader says. The caller frees by mc_leak_level_fini, after an error too. */
int mc_leak_read(const struct mc_run_scan *s, struct mc_reader *r,
                 const struct mc_measure_options *opts, const struct mc_leak_routes *routes,
                 struct mc_leak_level *levels, size_t level_count);
void mc_leak_level_fini(struct mc_leak_level *level);

/* leak_held.c. Follow a pool's slots, from the map of the reading's first frame on. `route_of` a
 * holder: index, MC_LEAK_ROUTES: not known. init: 0 or MC_ENOMEM. */
typedef uint32_t (*mc_leak_route_fn)(const void *arg, uint64_t conn_id, const char *owner);
int mc_leak_held_init(struct mc_leak_held *h, const struct mc_map *map, int is_collected);
void mc_leak_held_frame(struct mc_leak_held *h, const struct mc_frame *f, uint32_t map_idx,
                        mc_leak_route_fn route_of, const void *arg);
/* After the last frame: count what is kept of what was taken before `until`, and write into the
 * trail, which ends there, how many of those were taken by each of its points. */
void mc_leak_held_end(struct mc_leak_held *h, int64_t until, struct mc_leak_trail *t);
/* The route that the kept slots are held for, or MC_LEAK_ROUTES when that can't be told. share: of
 * the kept slots of which the route is known. */
size_t mc_leak_held_route(const struct mc_leak_held *h, double *share);

/* leak_fit.c. The route whose requests surely go with more than half of the growth along a trail,
 * or MC_LEAK_ROUTES. share: of the growth, with its interval. *route is written in any case. 0 or
 * MC_ENOMEM. */
struct mc_leak_share {
    double share, low, high;
    double per_request; /* of what the trail counts; NAN: not known */
};
int mc_leak_trail_route(const struct mc_leak_trail *t, size_t route_count, size_t *route,
                        struct mc_leak_share *share);

/* leak_route.c. Name the route of each leak where one can be named. 0 or MC_ENOMEM. */
int mc_leak_name_routes(const struct mc_run_scan *s, const struct mc_leak_routes *routes,
                        const struct mc_leak_level *levels, struct mc_leak *leaks, size_t count);

#endif
