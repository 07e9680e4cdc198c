/* leak_priv.h: what is left at the lows of a level that goes up and down. */
#ifndef MC_LEAK_PRIV_H
#define MC_LEAK_PRIV_H

#include "replay/run_scan_priv.h"

#define MC_FLOORS_MAX 60u

struct mc_floors {
    size_t count;
    double hours[MC_FLOORS_MAX], low[MC_FLOORS_MAX]; /* hours since the span began */
    int64_t ts[MC_FLOORS_MAX];
};

/* The floors of a source's value: the least of each stretch of time, or, of a heap that collects
 * and of a pool that rises and falls with it, what each collection has left. None (count 0) for one
 * that has not collected: how much of it lives can't be told. */
void mc_floors_find(const struct mc_run_scan *s, const struct mc_source *source, uint32_t value_idx,
                    struct mc_floors *out);

#endif
