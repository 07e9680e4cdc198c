/* leak.c: what only grows.
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
    return 0;
}

struct found {
    struct mc_leak *leaks;
    struct mc_leak_level *levels;
    size_t count;
};

static int add_leak(const struct mc_run_scan *s, const struct mc_source *source, size_t level,
                    struct found *out)
{
    struct mc_leak_level made = {.source = source,
                                 .value_idx = source->value_idx + levels[level].field};
    struct mc_slope slope;
    mc_floors_find(s, source, made.value_idx, &made.floors);
    if (source->kind == MC_KIND_PROCESS && s->to - s->from < PROCESS_SPAN_NS)
        return 0;
    if (made.floors.count < WINDOWS_MIN || !is_leak(&made.floors, &slope))
        return 0;
    made.grown = grown_by(&made.floors, &slope);
    made.pool = source->kind == MC_KIND_SLAB   ? source
                : source->kind == MC_KIND_HEAP ? mc_floors_pool_of(s, source)
                                               : NULL;
    if (source->kind == MC_KIND_PROCESS && levels[level].unit[0] &&
        made.grown < PROCESS_GROWTH_BYTES)
        return 0;
    struct mc_leak *more = realloc(out->leaks, (out->count + 1) * sizeof *more);
    if (more)
        out->leaks = more;
    struct mc_leak_level *more_levels =
        realloc(out->levels, (out->count + 1) * sizeof *more_levels);
    if (more_levels)
        out->levels = more_levels;
    if (!more || !more_levels)
        return MC_ENOMEM;
    out->leaks[out->count] = (struct mc_leak){.unit = levels[level].unit};
    out->levels[out->count] = made;
    return fill_leak(s, source, levels[level].field, &made.floors, &slope,
                     &out->leaks[out->count++]);
}

int mc_leak_find(const struct mc_run_scan *s, struct mc_reader *r,
                 const struct mc_measure_options *opts, struct mc_leak **out, size_t *out_count)
{
    struct found found = {0};
    struct mc_leak_routes routes;
    int rc = 0;
    for (uint32_t i = 0; i < s->schema.source_count && rc == 0; i++)
        for (size_t l = 0; l < sizeof levels / sizeof levels[0] && rc == 0; l++)
            if (levels[l].kind == s->schema.sources[i].kind)
                rc = add_leak(s, &s->schema.sources[i], l, &found);
    mc_leak_routes_find(s, &routes);
    if (rc == 0 && found.count && routes.count)
        rc = mc_leak_read(s, r, opts, &routes, found.levels, found.count);
    if (rc == 0 && routes.count)
        rc = mc_leak_name_routes(s, &routes, found.levels, found.leaks, found.count);
    for (size_t i = 0; i < found.count; i++)
        mc_leak_level_fini(&found.levels[i]);
    free(found.levels);
    if (rc) {
        while (found.count)
            mc_leak_fini(&found.leaks[--found.count]);
        free(found.leaks);
        return rc;
    }
    *out = found.leaks;
    *out_count = found.count;
    return 0;
}

const char *mc_leak_evidence_name(enum mc_leak_evidence by)
{
    static const char *const names[] = {"holders", "steps", "floors"};
    return names[by];
}

void mc_leak_fini(struct mc_leak *leak)
{
    free(leak->source);
    free(leak->route);
}
