/* leak.h: what only grows: pools, heaps and figures of the process whose floor rises to the end.
 *
 * Threads: none of its own.
 */
#ifndef MC_LEAK_H
#define MC_LEAK_H

#include <stdint.h>

#include "replay/stats.h"

struct mc_measure_options;
struct mc_reader;
struct mc_run_scan;

/* What a leak's route is known by. */
enum mc_leak_evidence {
    MC_LEAK_BY_HOLDERS, /* the connections that hold the slots kept were served that route */
    MC_LEAK_BY_STEPS,   /* regression, frame by frame or collection by collection */
    MC_LEAK_BY_FLOORS   /* regression on up to 60 floors */
};

/* "holders", "steps", "floors". Static. */
const char *mc_leak_evidence_name(enum mc_leak_evidence by);

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
    enum mc_leak_evidence route_by;
    double route_share;                       /* of the growth, or of the slots kept; 1 is all */
    double route_share_low, route_share_high; /* by steps: surely; else NAN */
    double route_per_request;
};

/* Find them in what was scanned by `opts`, and read the run once more, the last half hour at most,
 * for the routes of those that are found. *out is malloc'd; free each with mc_leak_fini, then *out.
 * 0, MC_ENOMEM, MC_EGONE by opts->stop, or what the reader says. */
int mc_leak_find(const struct mc_run_scan *scan, struct mc_reader *r,
                 const struct mc_measure_options *opts, struct mc_leak **out, size_t *count);
void mc_leak_fini(struct mc_leak *leak);

#endif
