/* measure_histograms.c: quantiles out of histograms that there is one of for each segment of time.
 */
#include <math.h>
#include <string.h>

#include "replay/measure_priv.h"

void mc_maker_sum_segments(const uint32_t *counts, size_t bin_count, uint64_t *sum)
{
    memset(sum, 0, bin_count * sizeof *sum);
    for (size_t s = 0; s < MC_SCAN_SEGMENTS; s++)
        for (size_t i = 0; i < bin_count; i++)
            sum[i] += counts[s * bin_count + i];
}

void mc_maker_put_interval(struct mc_maker *m, struct mc_measure *measure, double low, double high)
{
    if (!measure || !m->opts->intervals || m->scan->bin_count < 2 * MC_SCAN_SEGMENTS)
        return;
    measure->has_interval = 1;
    measure->interval =
        (struct mc_interval){fmin(low, measure->value), fmax(high, measure->value),
                             MC_SCAN_SEGMENTS, m->scan->bin_count / MC_SCAN_SEGMENTS};
}

double mc_maker_rank_beside(double q, int side)
{
    double reach = fmin(0.05, (1 - q) / 2);
    return q + (side ? reach : -reach);
}

/* How many segments have anything. */
static double filled_segments(const uint32_t *counts)
{
    double filled = 0;
    for (size_t s = 0; s < MC_SCAN_SEGMENTS; s++) {
        int is_any = 0;
        for (size_t i = 0; i < MC_BUCKET_COUNT; i++)
            is_any |= counts[s * MC_BUCKET_COUNT + i] > 0;
        filled += is_any;
    }
    return filled;
}

void mc_maker_histogram(struct mc_maker *m, const struct mc_maker_histogram *h)
{
    static const char *const stats[] = {"p50", "p95", "p99", "max"};
    static const double quantiles[] = {0.50, 0.95, 0.99, 1};
    uint64_t sum[MC_BUCKET_COUNT];
    double places[6] = {0};
    mc_maker_sum_segments(h->counts, MC_BUCKET_COUNT, sum);
    if (m->opts->intervals)
        m->failed |= mc_bootstrap_histogram(h->counts, MC_SCAN_SEGMENTS, MC_BUCKET_COUNT, quantiles,
                                            3, MC_MAKER_SEED, places) != 0;
    for (int i = 0; i < 4; i++) {
        double value = mc_bucket_quantile(sum, quantiles[i]);
        if (isnan(value) || (!h->fields && i % 2))
            continue;
        struct mc_measure *made =
            mc_maker_add(m, stats[i], h->unit, h->direction, value, "%s", h->what);
        if (h->fields) {
            mc_maker_series_of(m, m->source->value_idx + h->fields[i], MC_BIN_MEAN);
            mc_maker_keep_series(m, made);
        }
        if (i == 3)
            continue;
        for (int side = 0; side < 2; side++) {
            double beside = mc_histogram_quantile(sum, MC_BUCKET_COUNT,
                                                  mc_maker_rank_beside(quantiles[i], side));
            double *place = &places[2 * i + side];
            *place = side ? fmax(*place, beside) : fmin(*place, beside);
        }
        mc_maker_put_interval(m, made, mc_bucket_value(places[2 * i]),
                              mc_bucket_value(places[2 * i + 1]));
        if (made && !h->fields)
            made->interval.effective = filled_segments(h->counts);
    }
}

void mc_maker_quantiles(struct mc_maker *m, const char *what, const char *unit, int direction)
{
    static const uint32_t fields[2][4] = {
        {MC_FIELD(ROUTE, P50), MC_FIELD(ROUTE, P95), MC_FIELD(ROUTE, P99), MC_FIELD(ROUTE, MAX)},
        {MC_FIELD(HISTOGRAM, P50), MC_FIELD(HISTOGRAM, P95), MC_FIELD(HISTOGRAM, P99),
         MC_FIELD(HISTOGRAM, MAX)}};
    struct mc_maker_histogram h = {.counts = m->scan->buckets[m->source->source_idx],
                                   .what = what,
                                   .unit = unit,
                                   .direction = direction,
                                   .fields = fields[m->source->kind == MC_KIND_HISTOGRAM]};
    if (h.counts)
        mc_maker_histogram(m, &h);
}
