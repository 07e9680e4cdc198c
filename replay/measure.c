/* measure.c: what was scanned of a run, as its measures.
 *
 * Each measure is one number for the run, and where the run has bins for it also a series over
 * time and the interval that the series' own noise leaves (stats.h). A statistic of single frames
 * (p99) takes its interval from the same statistic of the bins, moved to where the number is.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/measure_priv.h"
#include "tracer/error.h"

#define SEED UINT64_C(0x6d656d63616d)
#define SLOPE_POINTS 60u
#define HOUR_NS 3600e9

/* What a measure's value may be by itself, without any difference between the programs.
 *
 * A machine that has no time for the recorder has none for the program, and a request has to wait
 * for it some WAITS times. Meanwhile as many slots are held as requests come. And pools are seen in
 * whole slots ten times a second: a periodic load beats with that. */
#define WAITS 2
#define SLOTS_GRAIN 2.0
#define BYTES_GRAIN 0.001 /* of the capacity */
#define PROCESS_GRAIN_BYTES                                                                        \
    1048576.0 /* the allocator's and the kernel's, who else shares pages                           \
               */
static double time_grain(const struct mc_maker *m, const char *stat)
{
    double above = strcmp(stat, "p50") == 0   ? 0.50
                   : strcmp(stat, "p95") == 0 ? 0.05
                   : strcmp(stat, "p99") == 0 ? 0.01
                                              : 0.4;
    double late_ns = mc_bucket_quantile(m->scan->late_buckets, 1 - above / WAITS);
    return isnan(late_ns) ? 0 : late_ns;
}

static double level_grain(const struct mc_maker *m, const char *stat, const char *unit)
{
    double seconds = (double)(m->scan->to - m->scan->from) / 1e9;
    switch (m->source->kind) {
    case MC_KIND_SLAB:
    case MC_KIND_CONNECTIONS:
    case MC_KIND_OWNER:
        return SLOTS_GRAIN + m->out->request_count / seconds * time_grain(m, stat) / 1e9;
    case MC_KIND_ARENA:
    case MC_KIND_HEAP:
        return BYTES_GRAIN * (double)m->source->capacity_bytes;
    case MC_KIND_PROCESS:
        return strcmp(unit, "bytes") == 0 ? PROCESS_GRAIN_BYTES : 0;
    default:
        return 0;
    }
}

/* ---- one measure --------------------------------------------------------------------------------
 */

__attribute__((format(printf, 6, 7))) struct mc_measure *mc_maker_add(struct mc_maker *m,
                                                                      const char *stat,
                                                                      const char *unit,
                                                                      int direction, double value,
                                                                      const char *what, ...)
{
    struct mc_run_measures *o = m->out;
    if (o->measure_count == o->measure_room) {
        size_t room = o->measure_room ? o->measure_room * 2 : 128;
        struct mc_measure *more = realloc(o->measures, room * sizeof *more);
        if (!more) {
            m->failed = 1;
            return NULL;
        }
        o->measures = more;
        o->measure_room = room;
    }
    char text[128], *key;
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    if (asprintf(&key, "%s/%s/%s", mc_kind_name(m->source->kind), m->source->name, text) < 0) {
        m->failed = 1;
        return NULL;
    }
    struct mc_measure *made = &o->measures[o->measure_count++];
    *made = (struct mc_measure){.key = key, .stat = stat, .direction = direction, .value = value};
    snprintf(made->unit, sizeof made->unit, "%s", unit);
    made->is_time =
        strcmp(unit, "ns") == 0 || strncmp(text, "cpu", 3) == 0 || strncmp(text, "time in", 7) == 0;
    if (strcmp(unit, "ns") == 0 && strncmp(text, "cpu", 3) != 0)
        made->grain = time_grain(m, stat);
    return made;
}

void mc_maker_keep_series(struct mc_maker *m, struct mc_measure *measure)
{
    uint32_t n = m->scan->bin_count;
    if (!measure)
        return;
    measure->series = malloc((n + 1) * sizeof *measure->series);
    if (!measure->series) {
        m->failed = 1;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        measure->series[i] = (float)m->series[i];
}

void mc_maker_interval(struct mc_maker *m, struct mc_measure *measure, const double *series,
                       size_t count, enum mc_statistic statistic)
{
    size_t n = 0;
    if (!measure || !m->opts->intervals || isnan(measure->value))
        return;
    double *dense = malloc((count + 1) * sizeof *dense), least = INFINITY, most = -INFINITY;
    if (!dense) {
        m->failed = 1;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (isnan(series[i]))
            continue;
        dense[n++] = series[i];
        least = fmin(least, series[i]);
        most = fmax(most, series[i]);
    }
    struct mc_interval made = {.low = measure->value, .high = measure->value};
    if (n >= 8 && least < most) {
        m->failed |= mc_bootstrap_interval(dense, n, statistic, SEED, &made) != 0;
        double centre = statistic == MC_STATISTIC_MEAN
                            ? mc_mean(dense, n)
                            : mc_quantile(dense, n, statistic == MC_STATISTIC_P50 ? 0.5 : 0.99);
        made.low += measure->value - centre;
        made.high += measure->value - centre;
        if (least >= 0 && made.low < 0)
            made.low = 0;
    }
    measure->has_interval = n >= 8;
    made.effective = least < most ? made.effective : (double)n;
    measure->interval = made;
    free(dense);
}

void mc_maker_finish(struct mc_maker *m, struct mc_measure *measure, enum mc_statistic statistic)
{
    mc_maker_keep_series(m, measure);
    mc_maker_interval(m, measure, m->series, m->scan->bin_count, statistic);
}

/* ---- levels -------------------------------------------------------------------------------------
 */

enum bin_part { BIN_MEAN, BIN_MAX };

static void series_of(struct mc_maker *m, uint32_t value_idx, enum bin_part part)
{
    const struct mc_scan_bin *bins = mc_scan_bins(m->scan, value_idx);
    for (uint32_t i = 0; i < m->scan->bin_count; i++)
        m->series[i] = !bins[i].count     ? NAN
                       : part == BIN_MEAN ? bins[i].sum / bins[i].count
                                          : (double)bins[i].max;
}

/* What a place in a value's histogram is as a value: levels are centred on it. */
static double level_value(const struct mc_scan_value *v, double place)
{
    double range = (double)v->largest - (double)v->least;
    double level = place == floor(place) && place > 0 ? place - 1 : floor(place);
    double value = (double)v->least + range * level / (MC_SCAN_LEVELS - 1);
    return range < MC_SCAN_LEVELS ? floor(value + 0.5) : value;
}

static void sum_segments(const uint32_t *counts, size_t bin_count, uint64_t *sum)
{
    memset(sum, 0, bin_count * sizeof *sum);
    for (size_t s = 0; s < MC_SCAN_SEGMENTS; s++)
        for (size_t i = 0; i < bin_count; i++)
            sum[i] += counts[s * bin_count + i];
}

/* A quantile's interval. A level may stay at one value, in most frames or all: then the interval
 * has no width; what sampling does to it is its grain. */
static void put_interval(struct mc_maker *m, struct mc_measure *measure, double low, double high)
{
    if (!measure || !m->opts->intervals || m->scan->bin_count < 2 * MC_SCAN_SEGMENTS)
        return;
    measure->has_interval = 1;
    measure->interval =
        (struct mc_interval){fmin(low, measure->value), fmax(high, measure->value),
                             MC_SCAN_SEGMENTS, m->scan->bin_count / MC_SCAN_SEGMENTS};
}

/* A quantile that lies on a steep part of its distribution is another one in the next run, however
 * alike the runs are: its interval reaches over the ranks beside it, a tenth of all about the
 * median, half of what is above it at the tail. */
static double rank_beside(double q, int side)
{
    double reach = fmin(0.05, (1 - q) / 2);
    return q + (side ? reach : -reach);
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
    sum_segments(v->levels, MC_SCAN_LEVELS, sum);
    if (m->opts->intervals && v->min < v->max)
        m->failed |= mc_bootstrap_histogram(v->levels, MC_SCAN_SEGMENTS, MC_SCAN_LEVELS, quantiles,
                                            2, SEED, places) != 0;
    for (int i = 0; i < 2; i++) {
        double value = level_value(v, mc_histogram_quantile(sum, MC_SCAN_LEVELS, quantiles[i]));
        struct mc_measure *made =
            mc_maker_add(m, i ? "p99" : "p50", unit, direction, value, "%s", what);
        if (made)
            made->grain = level_grain(m, made->stat, unit);
        series_of(m, idx, i ? BIN_MAX : BIN_MEAN);
        mc_maker_keep_series(m, made);
        if (v->min == v->max) {
            put_interval(m, made, value, value);
            continue;
        }
        for (int side = 0; side < 2; side++) {
            double beside =
                mc_histogram_quantile(sum, MC_SCAN_LEVELS, rank_beside(quantiles[i], side));
            double *place = &places[2 * i + side];
            *place = side ? fmax(*place, beside) : fmin(*place, beside);
        }
        put_interval(m, made, level_value(v, places[2 * i]), level_value(v, places[2 * i + 1]));
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
    series_of(m, idx, BIN_MEAN);
    struct mc_measure *made = mc_maker_add(m, "mean", unit, direction, mean, "%s", what);
    if (made)
        made->grain = level_grain(m, made->stat, unit);
    mc_maker_finish(m, made, MC_STATISTIC_MEAN);
    add_slope(m, per_hour(unit), direction, mean, what);
    add_level_quantiles(m, idx, unit, direction, what);
    series_of(m, idx, BIN_MAX);
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

/* ---- rates --------------------------------------------------------------------------------------
 */

double mc_maker_growth(const struct mc_maker *m, uint32_t value_idx)
{
    const struct mc_scan_value *v = &m->scan->values[value_idx];
    return v->count && v->last > v->first ? (double)v->last - (double)v->first : 0;
}

void mc_maker_growth_series(const struct mc_maker *m, uint32_t value_idx, double *to, int more)
{
    const struct mc_scan_bin *bins = mc_scan_bins(m->scan, value_idx);
    double last = (double)m->scan->values[value_idx].first;
    for (uint32_t i = 0; i < m->scan->bin_count; i++) {
        double grown = NAN;
        if (bins[i].count) {
            grown = (double)bins[i].last - last;
            last = (double)bins[i].last;
        }
        if (!more)
            to[i] = grown;
        else if (!isnan(grown))
            to[i] = isnan(to[i]) ? grown : to[i] + grown;
    }
}

static double bin_seconds(const struct mc_maker *m)
{
    return (double)(m->scan->to - m->scan->from) / 1e9 / m->scan->bin_count;
}

void mc_maker_per_second(struct mc_maker *m, double factor)
{
    uint32_t empty = 0;
    for (uint32_t i = 0; i < m->scan->bin_count; i++) {
        if (isnan(m->series[i])) {
            empty++;
            continue;
        }
        m->series[i] *= factor / (bin_seconds(m) * (1 + empty));
        empty = 0;
    }
}

void mc_maker_rate(struct mc_maker *m, uint32_t field, const char *unit, double factor,
                   int direction)
{
    uint32_t idx = m->source->value_idx + field;
    double seconds = (double)(m->scan->to - m->scan->from) / 1e9;
    if (!m->scan->values[idx].count)
        return;
    mc_maker_growth_series(m, idx, m->series, 0);
    mc_maker_per_second(m, factor);
    mc_maker_finish(m,
                    mc_maker_add(m, "rate", unit, direction,
                                 mc_maker_growth(m, idx) * factor / seconds, "%s",
                                 mc_kind_field_name(m->source->kind, field)),
                    MC_STATISTIC_MEAN);
}

void mc_maker_finish_ratio(struct mc_maker *m, struct mc_measure *measure, double factor)
{
    double over = 0, under = 0, *noise = m->collected;
    size_t n = m->scan->bin_count, known = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(m->series[i]) || isnan(m->work[i]))
            continue;
        over += m->series[i];
        under += m->work[i];
        known++;
    }
    double ratio = under > 0 ? over / under : 0, mean = known ? under / (double)known : 1;
    for (size_t i = 0; i < n; i++) {
        noise[i] = factor * (ratio + (m->series[i] - ratio * m->work[i]) / mean);
        m->series[i] = m->work[i] > 0 ? factor * m->series[i] / m->work[i] : NAN;
    }
    mc_maker_keep_series(m, measure);
    mc_maker_interval(m, measure, noise, n, MC_STATISTIC_MEAN);
}

/* One field of a source for each of another. */
void mc_maker_ratio(struct mc_maker *m, uint32_t field, uint32_t per_field, double factor,
                    const char *unit, int direction, const char *what)
{
    uint32_t idx = m->source->value_idx + field, per = m->source->value_idx + per_field;
    if (mc_maker_growth(m, per) <= 0)
        return;
    mc_maker_growth_series(m, idx, m->series, 0);
    mc_maker_growth_series(m, per, m->work, 0);
    double value = factor * mc_maker_growth(m, idx) / mc_maker_growth(m, per);
    mc_maker_finish_ratio(m, mc_maker_add(m, "mean", unit, direction, value, "%s", what), factor);
}

/* ---- histograms ---------------------------------------------------------------------------------
 */

/* p50 to p99 and max of a route or a histogram. */
void mc_maker_quantiles(struct mc_maker *m, const char *what, const char *unit, int direction)
{
    static const char *const stats[] = {"p50", "p95", "p99", "max"};
    static const double quantiles[] = {0.50, 0.95, 0.99, 1};
    static const uint32_t fields[2][4] = {
        {MC_FIELD(ROUTE, P50), MC_FIELD(ROUTE, P95), MC_FIELD(ROUTE, P99), MC_FIELD(ROUTE, MAX)},
        {MC_FIELD(HISTOGRAM, P50), MC_FIELD(HISTOGRAM, P95), MC_FIELD(HISTOGRAM, P99),
         MC_FIELD(HISTOGRAM, MAX)}};
    const uint32_t *counts = m->scan->buckets[m->source->source_idx];
    uint64_t sum[MC_BUCKET_COUNT];
    double places[6] = {0};
    if (!counts)
        return;
    sum_segments(counts, MC_BUCKET_COUNT, sum);
    if (m->opts->intervals)
        m->failed |= mc_bootstrap_histogram(counts, MC_SCAN_SEGMENTS, MC_BUCKET_COUNT, quantiles, 3,
                                            SEED, places) != 0;
    for (int i = 0; i < 4; i++) {
        struct mc_measure *made = mc_maker_add(m, stats[i], unit, direction,
                                               mc_bucket_quantile(sum, quantiles[i]), "%s", what);
        series_of(m, m->source->value_idx + fields[m->source->kind == MC_KIND_HISTOGRAM][i],
                  BIN_MEAN);
        mc_maker_keep_series(m, made);
        if (i == 3)
            continue;
        for (int side = 0; side < 2; side++) {
            double beside =
                mc_histogram_quantile(sum, MC_BUCKET_COUNT, rank_beside(quantiles[i], side));
            double *place = &places[2 * i + side];
            *place = side ? fmax(*place, beside) : fmin(*place, beside);
        }
        put_interval(m, made, mc_bucket_value(places[2 * i]), mc_bucket_value(places[2 * i + 1]));
    }
}

/* ---- the run ------------------------------------------------------------------------------------
 */

/* Requests of all routes: per bin, since `from`, in all, and when the first one was. */
static void count_requests(struct mc_maker *m)
{
    const struct mc_run_scan *s = m->scan;
    double sum = 0;
    for (uint32_t i = 0; i < s->bin_count; i++)
        m->requests[i] = NAN;
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        if (source->kind != MC_KIND_ROUTE)
            continue;
        mc_maker_growth_series(m, source->value_idx + MC_FIELD(ROUTE, REQUESTS), m->requests, 1);
        m->out->request_count += mc_maker_growth(m, source->value_idx + MC_FIELD(ROUTE, REQUESTS));
    }
    m->out->first_request_ts = INT64_MAX;
    for (uint32_t i = 0; i < s->bin_count; i++) {
        sum += isnan(m->requests[i]) ? 0 : m->requests[i];
        m->out->requests[i] = (float)sum;
        if (sum > 0 && m->out->first_request_ts == INT64_MAX)
            m->out->first_request_ts = mc_scan_bin_ts(s, i);
    }
}

static int copy_pools(const struct mc_run_scan *s, struct mc_run_measures *out)
{
    out->pools = calloc(s->schema.map_count + 1u, sizeof *out->pools);
    if (!out->pools)
        return MC_ENOMEM;
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        if (source->kind != MC_KIND_SLAB)
            continue;
        struct mc_measured_pool *pool = &out->pools[out->pool_count];
        pool->name = strdup(source->name);
        if (!pool->name)
            return MC_ENOMEM;
        pool->slot_count = source->slot_count;
        pool->slot_bytes = source->slot_bytes;
        out->pool_count++;
    }
    return 0;
}

static int make_measures(const struct mc_run_scan *s, const struct mc_measure_options *opts,
                         struct mc_run_measures *out)
{
    struct mc_maker m = {.scan = s, .opts = opts, .out = out};
    size_t n = s->bin_count;
    double *arrays = malloc((3 * n + MC_SCAN_COLLECTIONS) * sizeof *arrays);
    out->requests = malloc((n + 1) * sizeof *out->requests);
    if (!arrays || !out->requests) {
        free(arrays);
        return MC_ENOMEM;
    }
    m.series = arrays;
    m.work = arrays + n;
    m.requests = arrays + 2 * n;
    m.collected = arrays + 3 * n;
    out->bin_count = s->bin_count;
    count_requests(&m);
    for (uint32_t i = 0; i < s->schema.source_count && !m.failed; i++) {
        m.source = &s->schema.sources[i];
        mc_maker_source(&m);
    }
    free(arrays);
    return m.failed ? MC_ENOMEM : 0;
}

static int copy_info(struct mc_reader *r, int64_t run_id, struct mc_run_info *out)
{
    struct mc_run_info *infos;
    size_t count;
    int rc = mc_reader_runs(r, &infos, &count);
    if (rc)
        return rc;
    rc = MC_ENORUN;
    for (size_t i = 0; i < count; i++) {
        if (infos[i].run_id == run_id)
            rc = mc_run_info_copy(out, &infos[i]);
        mc_run_info_fini(&infos[i]);
    }
    free(infos);
    return rc;
}

int mc_run_measure(struct mc_reader *r, const struct mc_measure_options *opts,
                   struct mc_run_measures *out)
{
    struct mc_run_scan scan;
    struct mc_run_measures made = {0};
    int rc = mc_run_scan(r, opts, &scan);
    if (rc)
        return rc;
    rc = copy_info(r, opts->run_id, &made.info);
    if (rc == 0)
        rc = mc_reader_span(r, opts->run_id, &made.run_first, &made.run_last);
    made.from = scan.from;
    made.to = scan.to;
    made.is_exact = scan.is_exact;
    made.frame_count = scan.frame_count;
    made.gap_count = scan.gap_count;
    made.gap_ns = scan.gap_ns;
    made.lost_count = scan.lost_count;
    made.damaged_count = scan.damaged_count;
    made.silent_ns = scan.silent_ns;
    double late_ns = mc_bucket_quantile(scan.late_buckets, 0.9);
    made.late_ns = isnan(late_ns) ? 0 : (int64_t)late_ns;
    made.sampled_event_part = fmin(1, (double)scan.event_ns / (double)(scan.to - scan.from));
    if (rc == 0)
        rc = make_measures(&scan, opts, &made);
    if (rc == 0)
        rc = copy_pools(&scan, &made);
    if (rc == 0)
        rc = mc_leak_find(&scan, r, opts, &made.leaks, &made.leak_count);
    mc_run_scan_fini(&scan);
    if (rc) {
        mc_run_measures_fini(&made);
        return rc;
    }
    *out = made;
    return 0;
}

void mc_run_measures_fini(struct mc_run_measures *m)
{
    for (size_t i = 0; i < m->measure_count; i++) {
        free(m->measures[i].key);
        free(m->measures[i].series);
    }
    for (size_t i = 0; i < m->pool_count; i++)
        free(m->pools[i].name);
    for (size_t i = 0; i < m->leak_count; i++)
        mc_leak_fini(&m->leaks[i]);
    mc_run_info_fini(&m->info);
    free(m->path);
    free(m->measures);
    free(m->pools);
    free(m->leaks);
    free(m->requests);
    memset(m, 0, sizeof *m);
}

/* ---- the first request
 * --------------------------------------------------------------------------- */

static int64_t requests_of(const struct mc_frame *f)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < f->schema->source_count; i++) {
        const struct mc_source *source = &f->schema->sources[i];
        int64_t value = f->values[source->value_idx];
        if (source->kind == MC_KIND_ROUTE && value != MC_VALUE_NONE)
            sum += value;
    }
    return sum;
}

int mc_run_first_request(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to, int64_t *ts)
{
    struct mc_cursor *cursor;
    const struct mc_frame *f;
    int rc = mc_cursor_open(r, run_id, &cursor);
    if (rc)
        return rc;
    mc_cursor_leave_out(cursor, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
    rc = mc_cursor_seek(cursor, from, &f);
    int64_t before = rc == 0 && f->ts < from ? requests_of(f) : 0;
    while (rc == 0 && (f->ts < from || requests_of(f) <= before)) {
        rc = mc_cursor_next(cursor, &f);
        if (rc == 0 && f->ts >= to)
            rc = MC_END;
    }
    if (rc == 0)
        *ts = f->ts;
    mc_cursor_close(cursor);
    return rc;
}
