/* stats.c: quantiles, block bootstrap, Theil-Sen, and their helpers; each method names its source
 * in stats.h. */
#include "replay/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/frame.h"

#define BOOTSTRAP_DRAWS 200
#define Z95 1.959964

uint64_t mc_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double mc_random_unit(uint64_t *state)
{
    return (double)(mc_random_next(state) >> 11) * 0x1p-53;
}

size_t mc_random_below(uint64_t *state, size_t count)
{
    return (size_t)(((unsigned __int128)mc_random_next(state) * count) >> 64);
}

/* ---- order and mean ---------------------------------------------------------------------------
 */

double mc_mean(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    return count ? sum / (double)count : NAN;
}

/* Put the k-th smallest at x[k], no larger ones before it and no smaller ones behind (Hoare 1961).
 */
static double select_kth(double *x, size_t count, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)count - 1, want = (ptrdiff_t)k;
    while (low < high) {
        double pivot = x[want];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (pivot < x[j])
                j--;
            if (i > j)
                break;
            double t = x[i];
            x[i++] = x[j];
            x[j--] = t;
        }
        if (j < want)
            low = i;
        if (want < i)
            high = j;
    }
    return x[k];
}

double mc_quantile(double *x, size_t count, double q)
{
    if (!count)
        return NAN;
    double at = q * (double)(count - 1);
    size_t k = (size_t)at;
    double low = select_kth(x, count, k);
    if (k + 1 == count || at <= (double)k)
        return low;
    double high = x[k + 1];
    for (size_t i = k + 2; i < count; i++)
        high = x[i] < high ? x[i] : high;
    return low + (at - (double)k) * (high - low);
}

double mc_histogram_quantile(const uint64_t *counts, size_t bin_count, double q)
{
    uint64_t total = 0, seen = 0;
    size_t last = 0;
    for (size_t i = 0; i < bin_count; i++)
        total += counts[i];
    if (!total)
        return NAN;
    double wanted = q * (double)total;
    for (size_t i = 0; i < bin_count; i++) {
        if (!counts[i])
            continue;
        if ((double)(seen + counts[i]) >= wanted)
            return (double)i + fmax(0, wanted - (double)seen) / (double)counts[i];
        seen += counts[i];
        last = i;
    }
    return (double)last + 1;
}

double mc_bucket_value(double place)
{
    if (isnan(place))
        return NAN;
    uint32_t bucket = place >= MC_BUCKET_COUNT ? MC_BUCKET_COUNT - 1 : (uint32_t)place;
    if (bucket && place == bucket) /* the end of the bucket before */
        return (double)mc_bucket_top(bucket - 1);
    double low = bucket ? (double)mc_bucket_top(bucket - 1) + 1 : 0;
    return low + ((double)mc_bucket_top(bucket) - low) * (place - bucket);
}

double mc_bucket_quantile(const uint64_t *counts, double q)
{
    return mc_bucket_value(mc_histogram_quantile(counts, MC_BUCKET_COUNT, q));
}

/* ---- Welch's interval --------------------------------------------------------------------------
 */

double mc_student(double z, double freedom)
{
    double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

/* The 97.5 % quantile, by exact values where the expansion is poor. */
static double student_975(double freedom)
{
    static const double small[] = {12.7062, 12.7062, 4.3027, 3.1824, 2.7764, 2.5706};
    if (freedom >= 5)
        return mc_student(Z95, freedom);
    size_t i = freedom < 1 ? 1 : (size_t)freedom;
    double part = freedom < 1 ? 0 : freedom - (double)i;
    return small[i] + part * (small[i + 1] - small[i]);
}

static double variance(const double *x, size_t count)
{
    double mean = mc_mean(x, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return count > 1 ? sum / (double)(count - 1) : 0;
}

void mc_welch_interval(const double *a, size_t a_count, const double *b, size_t b_count,
                       double *low, double *high)
{
    double delta = mc_mean(b, b_count) - mc_mean(a, a_count);
    double va = variance(a, a_count) / (double)a_count, vb = variance(b, b_count) / (double)b_count;
    double half = 0;
    if (va + vb > 0) {
        double freedom = (va + vb) * (va + vb) /
                         (va * va / (double)(a_count - 1) + vb * vb / (double)(b_count - 1));
        half = student_975(freedom) * sqrt(va + vb);
    }
    *low = delta - half;
    *high = delta + half;
}

/* ---- block bootstrap ---------------------------------------------------------------------------
 */

/* Sum of products at a lag, about the mean, over count. */
static double autocovariance(const double *x, size_t count, double mean, size_t lag)
{
    double sum = 0;
    for (size_t i = lag; i < count; i++)
        sum += (x[i] - mean) * (x[i - lag] - mean);
    return sum / (double)count;
}

double mc_autocorrelation(const double *x, size_t count)
{
    double mean = mc_mean(x, count), zero = autocovariance(x, count, mean, 0);
    return count > 2 && zero > 0 ? autocovariance(x, count, mean, 1) / zero : 0;
}

size_t mc_block_length(const double *x, size_t count)
{
    double n = (double)count, mean = mc_mean(x, count), zero = autocovariance(x, count, mean, 0);
    size_t most = count / 3;
    if (count < 9 || zero <= 0)
        return 1;
    /* The lag past which the correlations are none: five in a row within their band. */
    double band = 2 * sqrt(log10(n) / n);
    size_t lags = most < 3 * (size_t)ceil(sqrt(n)) ? most : 3 * (size_t)ceil(sqrt(n));
    size_t quiet = 0, lag = 1;
    for (; lag <= lags && quiet < 5; lag++)
        quiet = fabs(autocovariance(x, count, mean, lag) / zero) < band ? quiet + 1 : 0;
    size_t memory = lag - 1 - quiet, window = memory ? 2 * memory : 1;
    double spread = 0, long_run = zero;
    for (size_t k = 1; k <= window && k < count; k++) {
        double at = (double)k / (double)window, r = autocovariance(x, count, mean, k);
        double taper = at <= 0.5 ? 1 : 2 * (1 - at);
        spread += 2 * taper * (double)k * r;
        long_run += 2 * taper * r;
    }
    double d = 4.0 / 3.0 * long_run * long_run; /* of the circular bootstrap */
    double length = d > 0 ? cbrt(2 * spread * spread / d * n) : 1;
    size_t block = length < 1 ? 1 : (size_t)ceil(length);
    return block < most ? block : most;
}

/* One resampled series into `to`, of blocks that begin anywhere and run on in a circle. */
static void resample(const double *x, size_t count, size_t block, uint64_t *seed, double *to)
{
    for (size_t i = 0; i < count;) {
        size_t at = mc_random_below(seed, count);
        for (size_t k = 0; k < block && i < count; k++) {
            to[i++] = x[at++];
            at = at == count ? 0 : at;
        }
    }
}

static double statistic_of(double *x, size_t count, enum mc_statistic statistic)
{
    if (statistic == MC_STATISTIC_MEAN)
        return mc_mean(x, count);
    return mc_quantile(x, count, statistic == MC_STATISTIC_P50 ? 0.5 : 0.99);
}

/* Half the interval of the mean by the means of BATCHES stretches (Schmeiser 1982): sees what is
 * slower than any block. */
static double batch_half(const double *x, size_t count)
{
    enum { BATCHES = 12 };
    double means[BATCHES];
    if (count < 2 * BATCHES)
        return 0;
    for (size_t i = 0; i < BATCHES; i++) {
        size_t from = i * count / BATCHES, to = (i + 1) * count / BATCHES;
        means[i] = mc_mean(x + from, to - from);
    }
    return student_975(BATCHES - 1) * sqrt(variance(means, BATCHES) / BATCHES);
}

int mc_bootstrap_interval(const double *x, size_t count, enum mc_statistic statistic, uint64_t seed,
                          struct mc_interval *out)
{
    double *work = malloc((count + 1) * sizeof *work), drawn[BOOTSTRAP_DRAWS];
    if (!work)
        return MC_ENOMEM;
    struct mc_interval made = {.block_length = mc_block_length(x, count)};
    memcpy(work, x, count * sizeof *work);
    double point = statistic_of(work, count, statistic), rho = mc_autocorrelation(x, count);
    for (int i = 0; i < BOOTSTRAP_DRAWS; i++) {
        resample(x, count, made.block_length, &seed, work);
        drawn[i] = statistic_of(work, count, statistic);
    }
    free(work);
    made.low = mc_quantile(drawn, BOOTSTRAP_DRAWS, 0.025);
    made.high = mc_quantile(drawn, BOOTSTRAP_DRAWS, 0.975);
    /* The lag-1 correlation of a short series comes out too small by about (1 + 4 rho) / n
     * (Kendall 1954). */
    rho += (1 + 4 * rho) / (double)(count ? count : 1);
    rho = rho < 0 ? 0 : rho > 0.999 ? 0.999 : rho;
    made.effective = (double)count * (1 - rho) / (1 + rho);
    if (statistic == MC_STATISTIC_MEAN && made.effective > 0) {
        double half = fmax(Z95 * sqrt(variance(x, count) / made.effective), batch_half(x, count));
        made.low = point - half < made.low ? point - half : made.low;
        made.high = point + half > made.high ? point + half : made.high;
    }
    *out = made;
    return 0;
}

int mc_bootstrap_histogram(const uint32_t *counts, size_t segment_count, size_t bin_count,
                           const double *quantiles, size_t quantile_count, uint64_t seed,
                           double *places)
{
    uint64_t *sum = malloc((bin_count + 1) * sizeof *sum);
    double *drawn = malloc((quantile_count * BOOTSTRAP_DRAWS + 1) * sizeof *drawn);
    int rc = sum && drawn ? 0 : MC_ENOMEM;
    size_t low = 0, high = 0; /* only there is anything */
    for (size_t i = 0; i < segment_count * bin_count; i++) {
        size_t bin = i % bin_count;
        if (!counts[i])
            continue;
        low = high ? (bin < low ? bin : low) : bin;
        high = bin >= high ? bin + 1 : high;
    }
    for (int d = 0; rc == 0 && d < BOOTSTRAP_DRAWS; d++) {
        memset(sum, 0, bin_count * sizeof *sum);
        for (size_t s = 0; s < segment_count; s++) {
            const uint32_t *from = counts + mc_random_below(&seed, segment_count) * bin_count;
            for (size_t i = low; i < high; i++)
                sum[i] += from[i];
        }
        for (size_t q = 0; q < quantile_count; q++) {
            double place = mc_histogram_quantile(sum + low, high - low, quantiles[q]);
            drawn[q * BOOTSTRAP_DRAWS + (size_t)d] =
                isnan(place) ? (double)low : place + (double)low;
        }
    }
    for (size_t q = 0; rc == 0 && q < quantile_count; q++) {
        places[2 * q] = mc_quantile(drawn + q * BOOTSTRAP_DRAWS, BOOTSTRAP_DRAWS, 0.025);
        places[2 * q + 1] = mc_quantile(drawn + q * BOOTSTRAP_DRAWS, BOOTSTRAP_DRAWS, 0.975);
    }
    free(drawn);
    free(sum);
    return rc;
}

/* ---- slope --------------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int mc_theil_sen(const double *x, const double *y, size_t count, struct mc_slope *out)
{
    if (count < 3 || count > MC_THEIL_SEN_MAX)
        return MC_EINVAL;
    size_t pairs = count * (count - 1) / 2, n = 0;
    double *slopes = malloc((pairs + count) * sizeof *slopes);
    if (!slopes)
        return MC_ENOMEM;
    double *rest = slopes + pairs;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (x[j] > x[i])
                slopes[n++] = (y[j] - y[i]) / (x[j] - x[i]);
    if (n < 3) {
        free(slopes);
        return MC_EINVAL;
    }
    qsort(slopes, n, sizeof *slopes, by_value);
    double slope = n % 2 ? slopes[n / 2] : (slopes[n / 2 - 1] + slopes[n / 2]) / 2;
    for (size_t i = 0; i < count; i++)
        rest[i] = y[i] - slope * x[i];
    double rho = mc_autocorrelation(rest, count), c = (double)count;
    rho = rho < 0 ? 0 : rho > 0.98 ? 0.98 : rho;
    double width = Z95 * sqrt(c * (c - 1) * (2 * c + 5) / 18 * (1 + rho) / (1 - rho));
    double low = ((double)n - width) / 2, high = ((double)n + width) / 2;
    size_t low_idx = low < 0 ? 0 : (size_t)low;
    size_t high_idx = high >= (double)n ? n - 1 : (size_t)ceil(high);
    *out = (struct mc_slope){slope, slopes[low_idx], slopes[high_idx < n ? high_idx : n - 1]};
    free(slopes);
    return 0;
}
