/* leak.c: what only grows, and which route it grows with.
 *
 * A level that goes up and down says nothing by its mean: what matters is what is left at its lows,
 * its floors (leak_floors.c). A leak is a floor whose slope (Theil-Sen) is surely above 0, in the
 * second half too (a cache that has filled, a program that has warmed up stops growing), which
 * hardly ever falls, and which has grown by more than 5 % of what it is.
 */
#include "replay/leak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/leak_priv.h"
#include "tracer/error.h"

#define WINDOWS_MIN 8u
#define GROWTH_LEAST 0.05
#define RISING_LEAST 0.7 /* of the pairs of windows, the later one is the higher (Kendall) */
#define SHARE_LEAST 0.5
#define ROUTES 64u
#define NEEDED_F 11.0 /* of 1 and some 10 to 60 degrees of freedom: p about 0.002 */
#define HOUR_NS 3600e9
/* The kernel's figures of a process rise while it warms up: pages are touched for the first time,
 * the allocator's arenas fill. */
#define PROCESS_SPAN_NS INT64_C(300000000000)
#define PROCESS_GROWTH_BYTES 1048576.0

static const struct {
    int kind;
    uint32_t field;
    const char *unit;
} levels[] = {
    {MC_KIND_SLAB, MC_FIELD(SLAB, USED), "slots"},
    {MC_KIND_ARENA, MC_FIELD(ARENA, USED), "bytes"},
    {MC_KIND_HEAP, MC_FIELD(HEAP, USED), "bytes"},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, ANON), "bytes"},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, RSS), "bytes"},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, FDS), ""},
};

/* ---- what only grows ----------------------------------------------------------------------------
 */

/* Of all pairs of windows, how many rise less how many fall (Kendall's tau a). */
static double rising_part(const struct mc_floors *f)
{
    double rising = 0, pairs = 0;
    for (size_t i = 0; i < f->count; i++) {
        for (size_t j = i + 1; j < f->count; j++) {
            rising += (f->low[j] > f->low[i]) - (f->low[j] < f->low[i]);
            pairs++;
        }
    }
    return pairs > 0 ? rising / pairs : 0;
}

/* By the slope: the first and the last floor may be those of a start and an end. */
static double grown_by(const struct mc_floors *f, const struct mc_slope *slope)
{
    return slope->slope * (f->hours[f->count - 1] - f->hours[0]);
}

static double median_floor(const struct mc_floors *f)
{
    double low[MC_FLOORS_MAX];
    memcpy(low, f->low, f->count * sizeof *low);
    return fabs(mc_quantile(low, f->count, 0.5));
}

static int is_leak(const struct mc_floors *f, struct mc_slope *slope)
{
    struct mc_slope late;
    size_t n = f->count, half = n / 2;
    if (mc_theil_sen(f->hours, f->low, n, slope) != 0 || slope->low <= 0)
        return 0;
    if (mc_theil_sen(f->hours + half, f->low + half, n - half, &late) != 0 || late.slope <= 0)
        return 0;
    /* At least half as fast as over all, or it is levelling off. */
    if (late.slope < slope->slope / 2 || rising_part(f) < RISING_LEAST)
        return 0;
    return grown_by(f, slope) > GROWTH_LEAST * median_floor(f) && grown_by(f, slope) >= 4;
}

/* ---- which route --------------------------------------------------------------------------------
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
static size_t request_rows(const struct mc_run_scan *s, const struct mc_floors *f, double *x,
                           double *y, const struct mc_source **routes)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->schema.source_count && count < ROUTES; i++)
        if (s->schema.sources[i].kind == MC_KIND_ROUTE)
            routes[count++] = &s->schema.sources[i];
    for (size_t w = 0; w + 1 < f->count; w++)
        y[w] = f->low[w + 1] - f->low[w];
    for (size_t r = 0; r < count; r++) {
        uint32_t value = routes[r]->value_idx + MC_FIELD(ROUTE, REQUESTS);
        double before = requests_until(s, value, f->ts[0]);
        for (size_t w = 0; w + 1 < f->count; w++) {
            double until = requests_until(s, value, f->ts[w + 1]);
            x[w * count + r] = until - before;
            before = until;
        }
    }
    return count;
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
    double b[ROUTES];
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

/* The route whose requests go with most of the growth, by non-negative regression. */
static int blame_route(const struct mc_run_scan *s, const struct mc_floors *f, struct mc_leak *leak)
{
    const struct mc_source *routes[ROUTES];
    size_t rows = f->count - 1, best = 0;
    double *x = malloc((2 * rows * ROUTES + rows) * sizeof *x), b[ROUTES] = {0};
    if (!x)
        return MC_ENOMEM;
    double *others = x + rows * ROUTES, *y = others + rows * ROUTES;
    size_t count = request_rows(s, f, x, y, routes);
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
    if (rc == 0 && best_share >= SHARE_LEAST &&
        is_needed(x, y, rows, count, best, squares_left(x, y, rows, count, b), others)) {
        leak->route = strdup(routes[best]->name);
        leak->route_share = fmin(1, best_share);
        leak->route_per_request = b[best];
        rc = leak->route ? 0 : MC_ENOMEM;
    }
    free(x);
    return rc;
}

/* ---- the leaks ----------------------------------------------------------------------------------
 */

double mc_scan_requests(const struct mc_run_scan *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        const struct mc_scan_value *v = &s->values[source->value_idx + MC_FIELD(ROUTE, REQUESTS)];
        if (source->kind == MC_KIND_ROUTE && v->count)
            sum += (double)v->last - (double)v->first;
    }
    return sum;
}

static int fill_leak(const struct mc_run_scan *s, const struct mc_source *source, uint32_t field,
                     const struct mc_floors *f, const struct mc_slope *slope, struct mc_leak *leak)
{
    double requests = mc_scan_requests(s);
    double hours = (double)(s->to - s->from) / HOUR_NS;
    leak->per_hour = slope->slope;
    leak->per_hour_low = slope->low;
    leak->per_hour_high = slope->high;
    leak->per_1000_requests = requests > 0 ? slope->slope * hours / requests * 1000 : NAN;
    leak->floor_first = f->low[0];
    leak->floor_last = f->low[f->count - 1];
    leak->since_ts = f->ts[0];
    leak->capacity = source->kind == MC_KIND_SLAB ? source->slot_count
                     : source->kind == MC_KIND_ARENA || source->kind == MC_KIND_HEAP
                         ? (double)source->capacity_bytes
                         : 0;
    leak->full_in_hours = leak->capacity > leak->floor_last
                              ? (leak->capacity - leak->floor_last) / slope->slope
                              : NAN;
    if (asprintf(&leak->source, "%s/%s/%s", mc_kind_name(source->kind), source->name,
                 mc_kind_field_name(source->kind, field)) < 0) {
        leak->source = NULL;
        return MC_ENOMEM;
    }
    return blame_route(s, f, leak);
}

static int add_leak(const struct mc_run_scan *s, const struct mc_source *source, size_t level,
                    struct mc_leak **leaks, size_t *count)
{
    struct mc_floors f;
    struct mc_slope slope;
    mc_floors_find(s, source, source->value_idx + levels[level].field, &f);
    if (source->kind == MC_KIND_PROCESS && s->to - s->from < PROCESS_SPAN_NS)
        return 0;
    if (f.count < WINDOWS_MIN || !is_leak(&f, &slope))
        return 0;
    if (source->kind == MC_KIND_PROCESS && levels[level].unit[0] &&
        grown_by(&f, &slope) < PROCESS_GROWTH_BYTES)
        return 0;
    struct mc_leak *more = realloc(*leaks, (*count + 1) * sizeof *more);
    if (!more)
        return MC_ENOMEM;
    *leaks = more;
    more[*count] = (struct mc_leak){.unit = levels[level].unit};
    return fill_leak(s, source, levels[level].field, &f, &slope, &more[(*count)++]);
}

int mc_leak_find(const struct mc_run_scan *s, struct mc_leak **out, size_t *out_count)
{
    struct mc_leak *leaks = NULL;
    size_t count = 0;
    int rc = 0;
    for (uint32_t i = 0; i < s->schema.source_count && rc == 0; i++)
        for (size_t l = 0; l < sizeof levels / sizeof levels[0] && rc == 0; l++)
            if (levels[l].kind == s->schema.sources[i].kind)
                rc = add_leak(s, &s->schema.sources[i], l, &leaks, &count);
    if (rc) {
        while (count)
            mc_leak_fini(&leaks[--count]);
        free(leaks);
        return rc;
    }
    *out = leaks;
    *out_count = count;
    return 0;
}

void mc_leak_fini(struct mc_leak *leak)
{
    free(leak->source);
    free(leak->route);
}
