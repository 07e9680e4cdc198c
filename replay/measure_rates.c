/* measure_rates.c: the measures of a value that counts up, and of one for each of another. */
#include <math.h>

#include "replay/measure_priv.h"

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
