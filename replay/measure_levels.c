/* measure_levels.c: the measures of a value that goes up and down. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/measure_priv.h"
#include "tracer/error.h"

#define SLOPE_POINTS 60u
#define PROCESS_SLOPE_NS                                                                           \
    INT64_C(300000000000) /* of less, the kernel's figures are all warming up */
#define HOUR_NS 3600e9
/* What a level may be by itself, without any difference between the programs: as many slots as
 * requests come are held while the machine stalls, and pools are seen in whole slots ten times a
 * second, which a periodic load beats with. */
#define SLOTS_GRAIN 2.0
#define BYTES_GRAIN 0.001 /* of the capacity */
#define PROCESS_GRAIN_BYTES                                                                        \
    1048576.0 /* the allocator's and the kernel's, who else shares pages                           \
               */

static double level_grain(const struct mc_maker *m, const char *stat, const char *unit)
{
    double seconds = (double)(m->scan->to - m->scan->from) / 1e9;
    switch (m->source->kind) {
    case MC_KIND_SLAB:
    case MC_KIND_CONNECTIONS:
    case MC_KIND_OWNER:
        return SLOTS_GRAIN + m->out->request_count / seconds * mc_maker_time_grain(m, stat) / 1e9;
    case MC_KIND_ARENA:
    case MC_KIND_HEAP:
        return BYTES_GRAIN * (double)m->source->capacity_bytes;
    case MC_KIND_PROCESS:
        return strcmp(unit, "bytes") == 0 ? PROCESS_GRAIN_BYTES : 0;
    default:
        return 0;
    }
}

/* What a place in a value's histogram is as a value: levels are centred on it. */
static double level_value(const struct mc_scan_value *v, double place)
{
    double range = (double)v->largest - (double)v->least;
    double level = place == floor(place) && place > 0 ? place - 1 : floor(place);
    double value = (double)v->least + range * level / (MC_SCAN_LEVELS - 1);
    return range < MC_SCAN_LEVELS ? floor(value + 0.5) : value;
}

/* Whether the span is all beginning: what a level does in it says nothing about a run. */
static int is_brief(const struct mc_maker *m)
{
    return m->scan->to - m->scan->from < INT64_C(10000000000);
}

/* p50 and p99 of a level. */
static void add_level_quantiles(struct mc_maker *m, uint32_t idx, const char *unit, int direction,
                                const char *what)
{
    static const double quantiles[] = {0.5, 0.99};
    const struct mc_scan_value *v = &m->scan->values[idx];
    uint64_t sum[MC_SCAN_LEVELS];
    double places[4] = {0};
    mc_maker_sum_segments(v->levels, MC_SCAN_LEVELS, sum);
    if (m->opts->intervals && v->min < v->max)
        m->failed |= mc_bootstrap_histogram(v->levels, MC_SCAN_SEGMENTS, MC_SCAN_LEVELS, quantiles,
                                            2, MC_MAKER_SEED, places) != 0;
    for (int i = 0; i < 2; i++) {
        double value = level_value(v, mc_histogram_quantile(sum, MC_SCAN_LEVELS, quantiles[i]));
        struct mc_measure *made =
            mc_maker_add(m, i ? "p99" : "p50", unit, direction, value, "%s", what);
        if (made)
            made->grain = level_grain(m, made->stat, unit);
        mc_maker_series_of(m, idx, i ? MC_BIN_MAX : MC_BIN_MEAN);
        mc_maker_keep_series(m, made);
        if (v->min == v->max) {
            mc_maker_put_interval(m, made, value, value);
            continue;
        }
        for (int side = 0; side < 2; side++) {
            double beside = mc_histogram_quantile(sum, MC_SCAN_LEVELS,
                                                  mc_maker_rank_beside(quantiles[i], side));
            double *place = &places[2 * i + side];
            *place = side ? fmax(*place, beside) : fmin(*place, beside);
        }
        mc_maker_put_interval(m, made, level_value(v, places[2 * i]),
                              level_value(v, places[2 * i + 1]));
        if (made && is_brief(m))
            made->interval.effective = 1;
    }
}

/* Points of the series for a slope: at most SLOPE_POINTS means of neighbours. */
static void add_slope(struct mc_maker *m, const char *unit, int direction, double mean,
                      const char *what)
{
    double x[SLOPE_POINTS], y[SLOPE_POINTS],
        hours = (double)(m->scan->to - m->scan->from) / HOUR_NS;
    uint32_t bins = m->scan->bin_count, group = (bins + SLOPE_POINTS - 1) / SLOPE_POINTS;
    size_t n = 0;
    if (m->source->kind == MC_KIND_PROCESS && m->scan->to - m->scan->from < PROCESS_SLOPE_NS)
        return;
    for (uint32_t at = 0; at < bins; at += group) {
        double sum = 0, ts = 0;
        uint32_t seen = 0;
        for (uint32_t i = at; i < at + group && i < bins; i++) {
            if (isnan(m->series[i]))
                continue;
            sum += m->series[i];
            ts += (double)(mc_scan_bin_ts(m->scan, i) - m->scan->from) / HOUR_NS;
            seen++;
        }
        if (seen) {
            x[n] = ts / seen;
            y[n++] = sum / seen;
        }
    }
    struct mc_slope slope;
    if (n < 8 || mc_theil_sen(x, y, n, &slope) != 0)
        return;
    struct mc_measure *made = mc_maker_add(m, "slope", unit, direction, slope.slope, "%s", what);
    if (!made)
        return;
    made->whole = hours > 0 ? fabs(mean) / hours : 0;
    made->has_interval = 1;
    made->interval = (struct mc_interval){slope.low, slope.high, is_brief(m) ? 1 : (double)n, 1};
}

static const char *per_hour(const char *unit)
{
    return strcmp(unit, "bytes") == 0   ? "bytes/h"
           : strcmp(unit, "slots") == 0 ? "slots/h"
           : strcmp(unit, "ns") == 0    ? "ns/h"
                                        : "/h";
}

void mc_maker_level(struct mc_maker *m, uint32_t field, const char *unit, int direction)
{
    uint32_t idx = m->source->value_idx + field;
    const struct mc_scan_value *v = &m->scan->values[idx];
    const char *what = mc_kind_field_name(m->source->kind, field);
    if (!v->count || !v->levels)
        return;
    double mean = v->sum / (double)v->count, n = (double)v->count;
    mc_maker_series_of(m, idx, MC_BIN_MEAN);
    struct mc_measure *made = mc_maker_add(m, "mean", unit, direction, mean, "%s", what);
    if (made)
        made->grain = level_grain(m, made->stat, unit);
    mc_maker_finish(m, made, MC_STATISTIC_MEAN);
    add_slope(m, per_hour(unit), direction, mean, what);
    add_level_quantiles(m, idx, unit, direction, what);
    mc_maker_series_of(m, idx, MC_BIN_MAX);
    struct mc_measure *max = mc_maker_add(m, "max", unit, direction, (double)v->max, "%s", what);
    mc_maker_keep_series(m, max);
    if (max)
        max->grain = level_grain(m, "p99", unit);
    if (max && v->min == v->max && m->scan->bin_count >= 2 * MC_SCAN_SEGMENTS) {
        max->has_interval = 1;
        max->interval = (struct mc_interval){max->value, max->value, n, 1};
    }
    if (v->above_80_from == INT64_MAX)
        return;
    for (int i = 0; i < 2; i++) {
        int64_t limit = i ? v->above_95_from : v->above_80_from;
        const struct mc_scan_bin *bins = mc_scan_bins(m->scan, idx);
        for (uint32_t b = 0; b < m->scan->bin_count; b++)
            m->series[b] = !bins[b].count ? NAN : bins[b].max >= limit ? 100 : 0;
        double part = 100 * (double)(i ? v->above_95 : v->above_80) / n;
        made = mc_maker_add(m, i ? "time above 95 %" : "time above 80 %", "%", direction, part,
                            "%s", what);
        if (made)
            made->whole = 100;
        mc_maker_finish(m, made, MC_STATISTIC_MEAN);
    }
}
