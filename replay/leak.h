/* leak.h: what only grows: pools, heaps and figures of the process whose floor rises to the end.
 *
 * Threads: none of its own.
 */
#ifndef MC_LEAK_H
#define MC_LEAK_H

#include <stdint.h>

#include "replay/stats.h"

struct mc_run_scan;

struct mc_leak {
    char *source;     /* owned; "slab/lval/used" */
    const char *unit; /* static; "slots" or "bytes", "" for a count */
    double per_hour, per_hour_low, per_hour_high;
    double per_1000_requests; /* NAN: no requests */
    double floor_first, floor_last;
    double capacity;      /* 0: no bound */
    double full_in_hours; /* from the span's end, at this slope; NAN: no bound */
    int64_t since_ts;     /* the first floor of the growth */
    char *route;          /* owned; the route that it goes with, or NULL */
    double route_share;   /* of the growth, 0 to 1 */
    double route_per_request;
};

/* Find them. *out is malloc'd; free each with mc_leak_fini, then *out. 0 or MC_ENOMEM. */
int mc_leak_find(const struct mc_run_scan *scan, struct mc_leak **out, size_t *count);
void mc_leak_fini(struct mc_leak *leak);

#endif
