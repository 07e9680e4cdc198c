/* leak_route.c: which route a leak goes with.
 *
 * What is asked first tells most: who holds the slots that are kept (leak_held.c), what each step
 * of the level goes with (leak_fit.c), and last what the floors, up to 60 of a run, go with where
 * the rates rise and fall apart from each other.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/leak_priv.h"
#include "replay/least_squares.h"
#include "tracer/error.h"

#define SHARE_LEAST 0.5
#define NEEDED_F 11.0 /* of 1 and some 10 to 60 degrees of freedom: p about 0.002 */

/* ---- by floors ----------------------------------------------------------------------------------
 */

/* Requests of a route up to a moment: between the ends of bins they are taken as spread evenly. */
static double requests_until(const struct mc_run_scan *s, uint32_t value_idx, int64_t ts)
{
    const struct mc_scan_bin *bins = mc_scan_bins(s, value_idx);
    double last = (double)s->values[value_idx].first, last_end = 0;
    double place = (double)(ts - s->from) / (double)(s->to - s->from) * s->bin_count;
    for (uint32_t i = 0; i < s->bin_count; i++) {
        if (!bins[i].count)
            continue;
        double next = (double)bins[i].last, end = (double)i + 1;
        if (end >= place)
            return place <= last_end ? last
                                     : last + (next - last) * (place - last_end) / (end - last_end);
        last = next;
        last_end = end;
    }
    return last;
}

/* Requests of each route between floors, row by row of f->count - 1, and what the floor grew. */
static void request_rows(const struct mc_run_scan *s, const struct mc_floors *f,
                         const struct mc_leak_routes *routes, double *x, double *y)
{
    size_t count = routes->count;
    for (size_t w = 0; w + 1 < f->count; w++)
        y[w] = f->low[w + 1] - f->low[w];
    for (size_t r = 0; r < count; r++) {
        uint32_t value = routes->of[r]->value_idx + MC_FIELD(ROUTE, REQUESTS);
        double before = requests_until(s, value, f->ts[0]);
        for (size_t w = 0; w + 1 < f->count; w++) {
            double until = requests_until(s, value, f->ts[w + 1]);
            x[w * count + r] = until - before;
            before = until;
        }
    }
}

/* Sum of squares that a fit leaves. */
static double squares_left(const double *x, const double *y, size_t rows, size_t count,
                           const double *b)
{
    double sum = 0;
    for (size_t w = 0; w < rows; w++) {
        double left = y[w];
        for (size_t r = 0; r < count; r++)
            left -= b[r] * x[w * count + r];
        sum += left * left;
    }
    return sum;
}

/* Whether the growth can't be told as well by the other routes' requests: what a fit without this
 * one leaves, by an F test. Routes whose rates go up and down together can't be told apart, and the
 * best of them would be named by chance. */
static int is_needed(const double *x, const double *y, size_t rows, size_t count, size_t route,
                     double with, double *others)
{
    double b[MC_LEAK_ROUTES];
    size_t fitted = 0;
    for (size_t r = 0; r < count; r++) {
        double sum = 0;
        for (size_t w = 0; w < rows; w++)
            sum += x[w * count + r];
        fitted += sum > 0;
    }
    for (size_t w = 0; w < rows; w++)
        for (size_t r = 0; r < count; r++)
            others[w * count + r] = r == route ? 0 : x[w * count + r];
    if (rows <= fitted || mc_nonnegative_fit(others, y, rows, count, b) != 0)
        return 0;
    double without = squares_left(others, y, rows, count, b);
    return without - with > NEEDED_F * with / (double)(rows - fitted);
}

/* The route whose requests go with most of the growth, by non-negative regression, and its share;
 * MC_LEAK_ROUTES for none. */
static int by_floors(const struct mc_run_scan *s, const struct mc_floors *f,
                     const struct mc_leak_routes *routes, size_t *route, double *share)
{
    size_t rows = f->count - 1, best = 0, count = routes->count;
    double *x = malloc((2 * rows * MC_LEAK_ROUTES + rows) * sizeof *x), b[MC_LEAK_ROUTES] = {0};
    if (!x)
        return MC_ENOMEM;
    double *others = x + rows * MC_LEAK_ROUTES, *y = others + rows * MC_LEAK_ROUTES;
    request_rows(s, f, routes, x, y);
    double grown = f->low[f->count - 1] - f->low[0], best_share = 0;
    int rc = count ? mc_nonnegative_fit(x, y, rows, count, b) : 0;
    for (size_t r = 0; rc == 0 && r < count; r++) {
        double sum = 0;
        for (size_t w = 0; w < rows; w++)
            sum += x[w * count + r];
        if (b[r] * sum / grown > best_share) {
            best_share = b[r] * sum / grown;
            best = r;
        }
    }
    *route = MC_LEAK_ROUTES;
    if (rc == 0 && best_share >= SHARE_LEAST &&
        is_needed(x, y, rows, count, best, squares_left(x, y, rows, count, b), others)) {
        *route = best;
        *share = fmin(1, best_share);
    }
    free(x);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------
 */

/* Of a route, between the first floor and the last. */
static double requests_between(const struct mc_run_scan *s, const struct mc_floors *f,
                               const struct mc_source *route)
{
    uint32_t value_idx = route->value_idx + MC_FIELD(ROUTE, REQUESTS);
    return requests_until(s, value_idx, f->ts[f->count - 1]) -
           requests_until(s, value_idx, f->ts[0]);
}

static int name_route(const struct mc_run_scan *s, const struct mc_leak_routes *routes,
                      const struct mc_leak_level *level, struct mc_leak *leak)
{
    struct mc_leak_share part = {NAN, NAN, NAN, NAN};
    size_t route = mc_leak_held_route(&level->held, &part.share);
    enum mc_leak_evidence by = MC_LEAK_BY_HOLDERS;
    int rc = 0;
    if (route == MC_LEAK_ROUTES) {
        by = MC_LEAK_BY_STEPS;
        rc = mc_leak_trail_route(&level->trail, routes->count, &route, &part);
    }
    if (rc == 0 && route == MC_LEAK_ROUTES) {
        by = MC_LEAK_BY_FLOORS;
        part.low = part.high = part.per_request = NAN;
        rc = by_floors(s, &level->floors, routes, &route, &part.share);
    }
    if (rc || route == MC_LEAK_ROUTES)
        return rc;
    double requests = requests_between(s, &level->floors, routes->of[route]);
    leak->route = strdup(routes->of[route]->name);
    leak->route_by = by;
    leak->route_share = part.share;
    leak->route_share_low = part.low;
    leak->route_share_high = part.high;
    int is_own = !level->pool || level->pool == level->source;
    leak->route_per_request = is_own && !isnan(part.per_request) ? part.per_request
                              : requests > 0 ? part.share * level->grown / requests
                                             : NAN;
    return leak->route ? 0 : MC_ENOMEM;
}

int mc_leak_name_routes(const struct mc_run_scan *s, const struct mc_leak_routes *routes,
                        const struct mc_leak_level *levels, struct mc_leak *leaks, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = name_route(s, routes, &levels[i], &leaks[i]);
    return rc;
}
