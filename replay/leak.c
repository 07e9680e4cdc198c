/* leak.c: what only grows, and which route it grows with.
 *
 * A level that goes up and down says nothing by its mean: what matters is what is left at its lows,
 * for a collected heap right after each collection. The span is cut into windows, each as long as
 * some collections; a window's floor is its least value. A leak is a floor whose slope (Theil-Sen)
 * is surely above 0, in the second half too (a cache that has filled, a program that has warmed up
 * stops growing), which hardly ever falls, and which has grown by more than 5 % of where it began.
 */
#include "replay/leak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/run_scan_priv.h"
#include "tracer/error.h"

#define WINDOWS_MAX 60u
#define WINDOWS_MIN 8u
#define COLLECTIONS_A_WINDOW 2.0
#define GROWTH_LEAST 0.05
#define RISING_LEAST 0.7 /* of the pairs of windows, the later one is the higher (Kendall) */
#define SHARE_LEAST 0.5
#define HOUR_NS 3600e9
/* The kernel's figures of a process rise while it warms up: pages are touched for the first time,
 * the allocator's arenas fill. */
#define PROCESS_SPAN_NS INT64_C(300000000000)
#define PROCESS_GROWTH_BYTES 1048576.0

struct floors {
    size_t count;
    double hours[WINDOWS_MAX], low[WINDOWS_MAX];
    uint32_t end_bin[WINDOWS_MAX]; /* one past the window's last */
    int64_t ts[WINDOWS_MAX];
};

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

/* ---- floors -------------------------------------------------------------------------------------
 */

/* How many windows: each long enough for some collections of the busiest heap. */
static uint32_t window_count(const struct mc_run_scan *s)
{
    double collections = 0;
    uint32_t windows = s->bin_count / 4 < WINDOWS_MAX ? s->bin_count / 4 : WINDOWS_MAX;
    for (size_t i = 0; i < s->heap_count; i++) {
        uint32_t value =
            s->schema.sources[s->heaps[i].source_idx].value_idx + MC_FIELD(HEAP, GC_COUNT);
        const struct mc_scan_value *v = &s->values[value];
        if (v->count)
            collections = fmax(collections, (double)v->last - (double)v->first);
    }
    if (collections >= 1 && collections / COLLECTIONS_A_WINDOW < windows)
        windows = (uint32_t)(collections / COLLECTIONS_A_WINDOW);
    return windows;
}

static void find_floors(const struct mc_run_scan *s, uint32_t value_idx, uint32_t windows,
                        struct floors *f)
{
    const struct mc_scan_bin *bins = mc_scan_bins(s, value_idx);
    f->count = 0;
    for (uint32_t w = 0; w < windows; w++) {
        uint32_t at = w * s->bin_count / windows, end = (w + 1) * s->bin_count / windows, low = end;
        for (uint32_t i = at; i < end; i++)
            if (bins[i].count && (low == end || bins[i].min < bins[low].min))
                low = i;
        if (low == end)
            continue;
        f->ts[f->count] = mc_scan_bin_ts(s, low);
        f->hours[f->count] = (double)(f->ts[f->count] - s->from) / HOUR_NS;
        f->low[f->count] = (double)bins[low].min;
        f->end_bin[f->count++] = end;
    }
}

/* Of all pairs of windows, how many rise less how many fall (Kendall's tau a). */
static double rising_part(const struct floors *f)
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

static int is_leak(const struct floors *f, struct mc_slope *slope)
{
    struct mc_slope late;
    size_t n = f->count, half = n / 2;
    double grown = f->low[n - 1] - f->low[0];
    if (mc_theil_sen(f->hours, f->low, n, slope) != 0 || slope->low <= 0)
        return 0;
    if (mc_theil_sen(f->hours + half, f->low + half, n - half, &late) != 0 || late.slope <= 0)
        return 0;
    /* At least half as fast as over all, or it is levelling off. */
    if (late.slope < slope->slope / 2 || rising_part(f) < RISING_LEAST)
        return 0;
    return grown > GROWTH_LEAST * fabs(f->low[0]) && grown >= 4;
}

/* ---- which route --------------------------------------------------------------------------------
 */

/* Requests of each route between floors, row by row of f->count - 1, and what the floor grew. */
static size_t request_rows(const struct mc_run_scan *s, const struct floors *f, double *x,
                           double *y, const struct mc_source **routes, size_t route_room)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->schema.source_count && count < route_room; i++)
        if (s->schema.sources[i].kind == MC_KIND_ROUTE)
            routes[count++] = &s->schema.sources[i];
    for (size_t w = 0; w + 1 < f->count; w++)
        y[w] = f->low[w + 1] - f->low[w];
    for (size_t r = 0; r < count; r++) {
        uint32_t value = routes[r]->value_idx + MC_FIELD(ROUTE, REQUESTS);
        const struct mc_scan_bin *bins = mc_scan_bins(s, value);
        double last = (double)s->values[value].first, before = last;
        for (size_t w = 0, bin = 0; w < f->count; w++) {
            uint32_t end = (uint32_t)((double)(f->ts[w] - s->from) / (double)(s->to - s->from) *
                                      s->bin_count) +
                           1;
            for (; bin < end && bin < s->bin_count; bin++)
                last = bins[bin].count ? (double)bins[bin].last : last;
            if (w > 0)
                x[(w - 1) * count + r] = last - before;
            before = last;
        }
    }
    return count;
}

/* The route whose requests go with most of the growth, by non-negative regression, and whether that
 * holds for most halves of the windows too. */
static int blame_route(const struct mc_run_scan *s, const struct floors *f, struct mc_leak *leak)
{
    enum { ROUTES = 64, ROUNDS = 40 };
    const struct mc_source *routes[ROUTES];
    size_t rows = f->count - 1;
    double *x = malloc(2 * (rows * ROUTES + rows) * sizeof *x), b[ROUTES];
    if (!x)
        return MC_ENOMEM;
    double *y = x + rows * ROUTES, *part_x = y + rows, *part_y = part_x + rows * ROUTES;
    size_t count = request_rows(s, f, x, y, routes, ROUTES), best = 0;
    double grown = f->low[f->count - 1] - f->low[0], best_share = 0, best_b = 0;
    int rc = count ? mc_nonnegative_fit(x, y, rows, count, b) : 0;
    for (size_t r = 0; rc == 0 && r < count; r++) {
        double sum = 0;
        for (size_t w = 0; w < rows; w++)
            sum += x[w * count + r];
        if (b[r] * sum / grown > best_share) {
            best_share = b[r] * sum / grown;
            best_b = b[r];
            best = r;
        }
    }
    int agree = 0;
    uint64_t seed = 1;
    for (int round = 0; rc == 0 && best_share >= SHARE_LEAST && round < ROUNDS; round++) {
        double share[ROUTES] = {0}, total = 0;
        for (size_t w = 0; w < rows; w++) {
            size_t from = (size_t)(mc_random_unit(&seed) * (double)rows);
            memcpy(part_x + w * count, x + from * count, count * sizeof *x);
            part_y[w] = y[from];
        }
        rc = mc_nonnegative_fit(part_x, part_y, rows, count, b);
        for (size_t w = 0; w < rows; w++)
            for (size_t r = 0; r < count; r++) {
                share[r] += b[r] * part_x[w * count + r];
                total += b[r] * part_x[w * count + r];
            }
        agree += total > 0 && share[best] / total >= SHARE_LEAST;
    }
    if (rc == 0 && best_share >= SHARE_LEAST && agree >= ROUNDS * 8 / 10) {
        leak->route = strdup(routes[best]->name);
        leak->route_share = fmin(1, best_share);
        leak->route_per_request = best_b;
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
                     const struct floors *f, const struct mc_slope *slope, struct mc_leak *leak)
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
                    uint32_t windows, struct mc_leak **leaks, size_t *count)
{
    struct floors f;
    struct mc_slope slope;
    find_floors(s, source->value_idx + levels[level].field, windows, &f);
    if (source->kind == MC_KIND_PROCESS && s->to - s->from < PROCESS_SPAN_NS)
        return 0;
    if (f.count < WINDOWS_MIN || !is_leak(&f, &slope))
        return 0;
    if (source->kind == MC_KIND_PROCESS && levels[level].unit[0] &&
        f.low[f.count - 1] - f.low[0] < PROCESS_GROWTH_BYTES)
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
    uint32_t windows = window_count(s);
    for (uint32_t i = 0; i < s->schema.source_count && rc == 0 && windows >= WINDOWS_MIN; i++)
        for (size_t l = 0; l < sizeof levels / sizeof levels[0] && rc == 0; l++)
            if (levels[l].kind == s->schema.sources[i].kind)
                rc = add_leak(s, &s->schema.sources[i], l, windows, &leaks, &count);
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
