/* stats.h: the few statistics that a comparison of runs needs, each with its source.
 *
 * Threads: no state but the caller's. All that is drawn at random comes from a seed, so that the
 *          same data give the same answer.
 */
#ifndef MC_STATS_H
#define MC_STATS_H

#include <stddef.h>
#include <stdint.h>

/* A generator of its own (splitmix64): set it to any seed. */
uint64_t mc_random_next(uint64_t *state);
/* 0 <= x < 1. */
double mc_random_unit(uint64_t *state);
/* 0 <= i < count. */
size_t mc_random_below(uint64_t *state, size_t count);

double mc_mean(const double *x, size_t count);
/* Quantile q (0 to 1) by linear interpolation between order statistics (Hyndman and Fan 1996, type
 * 7). Reorders x. NAN for none. */
double mc_quantile(double *x, size_t count, double q);
/* The place in a histogram at which q of all counts are reached, in bins from its begin: 3.25 is a
 * quarter into bin 3. NAN when all counts are 0. */
double mc_histogram_quantile(const uint64_t *counts, size_t bin_count, double q);
/* That of a value in buckets of mc_bucket_of (MC_BUCKET_COUNT of them). */
double mc_bucket_quantile(const uint64_t *counts, double q);
/* What a place in such buckets is as a value. */
double mc_bucket_value(double place);

/* The 95 % interval of the difference mean(b) - mean(a), Welch 1947; both sides need 2 or more. */
void mc_welch_interval(const double *a, size_t a_count, const double *b, size_t b_count,
                       double *low, double *high);

/* The quantile of Student's t that the normal's z corresponds to: Cornish and Fisher's expansion
 * (Abramowitz and Stegun 26.7.5). freedom 5 or more. */
double mc_student(double z, double freedom);

/* Autocorrelation at lag 1, 0 for a constant series. */
double mc_autocorrelation(const double *x, size_t count);
/* The block length that suits a series' autocorrelation: Politis and White 2004, with the
 * correction of Patton, Politis and White 2009. 1 to count / 3. */
size_t mc_block_length(const double *x, size_t count);

enum mc_statistic { MC_STATISTIC_MEAN, MC_STATISTIC_P50, MC_STATISTIC_P99 };
struct mc_interval {
    double low, high; /* 95 % */
    double effective; /* how many independent values the series is worth */
    size_t block_length;
};
/* The interval of a statistic of a stationary series by the circular block bootstrap (Politis and
 * Romano 1992, and 1994 for the choice among block bootstraps), never narrower than what a first
 * order autoregression of the same lag-1 correlation would have: a block can't be long enough when
 * the series is hardly longer than its memory. 0 or MC_ENOMEM. */
int mc_bootstrap_interval(const double *x, size_t count, enum mc_statistic statistic, uint64_t seed,
                          struct mc_interval *out);

/* The interval of quantiles of a stationary series of which there is one histogram per segment of
 * time: whole segments are resampled. places: quantile_count times low and high, as
 * mc_histogram_quantile gives them. 0 or MC_ENOMEM. */
int mc_bootstrap_histogram(const uint32_t *counts, size_t segment_count, size_t bin_count,
                           const double *quantiles, size_t quantile_count, uint64_t seed,
                           double *places);

/* Slope of y over x: the median of the slopes of all pairs (Theil 1950), with the 95 % interval of
 * Sen 1968; its rank variance is widened for autocorrelated residuals as Yue and Wang 2004 do.
 * x rises. count 3 or more, at most MC_THEIL_SEN_MAX. 0, MC_EINVAL or MC_ENOMEM. */
#define MC_THEIL_SEN_MAX 512u
struct mc_slope {
    double slope, low, high;
};
int mc_theil_sen(const double *x, const double *y, size_t count, struct mc_slope *out);

#endif
