/* measure_maker.c: one measure: its number, its series, the interval that the series leaves it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/measure_priv.h"
#include "tracer/error.h"
#include "tracer/grow.h"

/* A machine that has no time for the recorder has none for the program, and a request has to wait
 * for it some WAITS times. */
#define WAITS 2

double mc_maker_time_grain(const struct mc_maker *m, const char *stat)
{
    double above = strcmp(stat, "p50") == 0   ? 0.50
                   : strcmp(stat, "p95") == 0 ? 0.05
                   : strcmp(stat, "p99") == 0 ? 0.01
                                              : 0.4;
    double late_ns = mc_bucket_quantile(m->scan->late_buckets, 1 - above / WAITS);
    return isnan(late_ns) ? 0 : late_ns;
}

void mc_maker_series_of(struct mc_maker *m, uint32_t value_idx, enum mc_bin_part part)
{
    const struct mc_scan_bin *bins = mc_scan_bins(m->scan, value_idx);
    for (uint32_t i = 0; i < m->scan->bin_count; i++)
        m->series[i] = !bins[i].count        ? NAN
                       : part == MC_BIN_MEAN ? bins[i].sum / bins[i].count
                                             : (double)bins[i].max;
}

__attribute__((format(printf, 6, 7))) struct mc_measure *mc_maker_add(struct mc_maker *m,
                                                                      const char *stat,
                                                                      const char *unit,
                                                                      int direction, double value,
                                                                      const char *what, ...)
{
    struct mc_run_measures *o = m->out;
    struct mc_measure *more =
        mc_grown(o->measures, o->measure_count, &o->measure_room, sizeof *more);
    if (!more) {
        m->failed = 1;
        return NULL;
    }
    o->measures = more;
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
        made->grain = mc_maker_time_grain(m, stat);
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
        m->failed |= mc_bootstrap_interval(dense, n, statistic, MC_MAKER_SEED, &made) != 0;
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
