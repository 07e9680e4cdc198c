/* test_stats.c: small examples by hand, and simulated runs: how often alike ones are called
 * different, and different ones found, for samples of any autocorrelation. */
#include "replay/stats.h"

#include <math.h>
#include <stdlib.h>

#include "tests/unit/check.h"
#include "tracer/frame.h"

static int near(double got, double want)
{
    return fabs(got - want) <= 1e-9 * (1 + fabs(want));
}

static uint64_t seed = 1;

/* About normal, mean 0, variance 1: the sum of 12 uniform ones. */
static double noise(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += mc_random_unit(&seed);
    return sum;
}

/* A stationary autoregression of variance 1. */
static void simulate(double *x, size_t count, double phi, double mean)
{
    double at = noise(), step = sqrt(1 - phi * phi);
    for (size_t i = 0; i < count; i++) {
        x[i] = mean + at;
        at = phi * at + step * noise();
    }
}

/* ---- by hand ------------------------------------------------------------------------------------
 */

static void quantiles(void)
{
    double x[] = {9, 1, 8, 2, 7, 3, 6, 4, 5};
    CHECK(near(mc_quantile(x, 9, 0.5), 5));
    CHECK(near(mc_quantile(x, 9, 0), 1));
    CHECK(near(mc_quantile(x, 9, 1), 9));
    CHECK(near(mc_quantile(x, 9, 0.25), 3));
    CHECK(near(mc_quantile(x, 9, 0.3), 3.4));
    CHECK(isnan(mc_quantile(x, 0, 0.5)));
    double same[] = {2, 2, 2, 2};
    CHECK(near(mc_quantile(same, 4, 0.99), 2));
    for (int round = 0; round < 200; round++) { /* against sorting */
        double a[50], sorted[50];
        for (int i = 0; i < 50; i++)
            a[i] = sorted[i] = floor(mc_random_unit(&seed) * 20);
        for (int i = 0; i < 50; i++)
            for (int j = i + 1; j < 50; j++)
                if (sorted[j] < sorted[i]) {
                    double t = sorted[i];
                    sorted[i] = sorted[j];
                    sorted[j] = t;
                }
        CHECK(near(mc_quantile(a, 50, 1.0 / 49 * (round % 50)), sorted[round % 50]));
    }
}

static void buckets(void)
{
    uint64_t counts[MC_BUCKET_COUNT] = {0};
    CHECK(isnan(mc_bucket_quantile(counts, 0.5)));
    counts[mc_bucket_of(5)] = 99;
    counts[mc_bucket_of(1000000)] = 1;
    CHECK(near(mc_bucket_quantile(counts, 0.5), 5));
    CHECK(near(mc_bucket_quantile(counts, 0.99), 5));
    CHECK(near(mc_bucket_quantile(counts, 1), (double)mc_bucket_top(mc_bucket_of(1000000))));
    double p995 = mc_bucket_quantile(counts, 0.995);
    CHECK(p995 > 900000 && p995 < 1000000);
}

static void permutation(void)
{
    double a[] = {1, 2, 3}, b[] = {4, 5, 6}, c[] = {1, 2, 3};
    CHECK(near(mc_permutation_p(a, 3, b, 3, 1), 2.0 / 20));
    CHECK(near(mc_permutation_p(a, 3, c, 3, 1), 1));
    CHECK(near(mc_permutation_least_p(5, 5), 2.0 / 252));
    CHECK(near(mc_permutation_least_p(5, 6), 1.0 / 462));
    double d[] = {1, 2, 3, 4, 10},
           e[] = {5, 6, 7, 8, 9}; /* 35 against 20: by counting, 24 of 252 */
    double p = mc_permutation_p(d, 5, e, 5, 1);
    CHECK(p > 0.05 && p < 0.2);
    double big[40], other[40];
    for (int i = 0; i < 40; i++) {
        big[i] = i % 7;
        other[i] = i % 7 + 50;
    }
    CHECK(near(mc_permutation_p(big, 40, other, 40, 1), 1e-4)); /* drawn, never 0 */
    CHECK(near(mc_permutation_p(big, 40, other, 40, 1), mc_permutation_p(big, 40, other, 40, 1)));
    CHECK(near(mc_permutation_p(a, 0, b, 3, 1), 1));
}

/* The example of Benjamini and Hochberg 1995, section 3.1: at 0.05 the first four. */
static void false_discovery(void)
{
    static const double p[] = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                               0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
    double adjusted[15];
    CHECK_INT(mc_false_discovery(p, 15, adjusted), 0);
    for (int i = 0; i < 15; i++)
        CHECK_INT(adjusted[i] <= 0.05, i < 4);
    CHECK(near(adjusted[0], 0.0015));
    CHECK(near(adjusted[3], 0.0095 * 15 / 4));
    CHECK(near(adjusted[14], 1));
    CHECK_INT(mc_false_discovery(p, 0, adjusted), 0);
}

static void slopes(void)
{
    double x[] = {0, 1, 2, 3, 4, 5}, y[] = {1, 3, 5, 7, 9, 100}, bad[] = {1, 1, 1, 1, 1, 1};
    struct mc_slope s;
    CHECK_INT(mc_theil_sen(x, y, 6, &s), 0);
    CHECK(near(s.slope, 2)); /* the outlier does not move it */
    CHECK(s.low <= 2 && s.high >= 2);
    CHECK_INT(mc_theil_sen(x, bad, 6, &s), 0);
    CHECK(near(s.slope, 0) && near(s.low, 0) && near(s.high, 0));
    CHECK(mc_theil_sen(x, y, 2, &s) != 0);
    CHECK(mc_theil_sen(bad, y, 6, &s) != 0); /* all at one x */
}

static void regression(void)
{
    double x[40 * 3], y[40], b[3];
    for (size_t i = 0; i < 40; i++) {
        for (size_t c = 0; c < 3; c++)
            x[i * 3 + c] = floor(mc_random_unit(&seed) * 100);
        y[i] = 2 * x[i * 3] + 0.5 * x[i * 3 + 2] + noise();
    }
    CHECK_INT(mc_nonnegative_fit(x, y, 40, 3, b), 0);
    CHECK(fabs(b[0] - 2) < 0.05 && fabs(b[1]) < 0.05 && fabs(b[2] - 0.5) < 0.05);
    for (size_t i = 0; i < 40; i++)
        y[i] = -x[i * 3];
    CHECK_INT(mc_nonnegative_fit(x, y, 40, 3, b), 0);
    CHECK(b[0] == 0 && b[1] == 0 && b[2] == 0);
}

static void block_lengths(void)
{
    double x[600], sum[3] = {0};
    static const double phis[] = {0, 0.7, 0.95};
    for (int i = 0; i < 3; i++) {
        for (int round = 0; round < 20; round++) {
            simulate(x, 600, phis[i], 0);
            sum[i] += (double)mc_block_length(x, 600) / 20;
        }
    }
    CHECK(sum[0] < 8 && sum[1] > sum[0] && sum[2] > 1.5 * sum[1]);
    double still[50] = {0};
    CHECK_INT(mc_block_length(still, 50), 1);
}

/* ---- simulated
 * ----------------------------------------------------------------------------------- */

enum { RUNS = 5, SAMPLES = 120, MEASURES = 10 };

/* The p of `measures` measures of 5 runs a side, of which the first `shifted` differ by `shift`
 * standard deviations between runs. */
static void simulate_comparison(double phi, int shifted, double shift, double *p)
{
    double x[SAMPLES], sides[2][RUNS];
    double spread = 1; /* between runs, on top of what the samples leave */
    for (int m = 0; m < MEASURES; m++) {
        for (int side = 0; side < 2; side++) {
            for (int r = 0; r < RUNS; r++) {
                simulate(x, SAMPLES, phi, 100 + spread * noise());
                sides[side][r] = mc_mean(x, SAMPLES);
            }
        }
        /* What the mean of a run of such samples varies by. */
        double within = phi < 1 ? sqrt((1 + phi) / (1 - phi) / SAMPLES) : 1;
        within = within > 1 ? 1 : within;
        for (int r = 0; r < RUNS && m < shifted; r++)
            sides[1][r] += shift * sqrt(spread * spread + within * within);
        p[m] = mc_permutation_p(sides[0], RUNS, sides[1], RUNS, 7);
    }
}

/* Alike runs: single measures are called different in 5 % +- 1, any of ten after the correction in
 * at most 6 %. */
static void alike_runs(void)
{
    static const double phis[] = {0, 0.9, 0.99};
    for (int i = 0; i < 3; i++) {
        enum { TRIALS = 500 };
        int single = 0, any = 0;
        for (int t = 0; t < TRIALS; t++) {
            double p[MEASURES], adjusted[MEASURES];
            simulate_comparison(phis[i], 0, 0, p);
            mc_false_discovery(p, MEASURES, adjusted);
            int found = 0;
            for (int m = 0; m < MEASURES; m++) {
                single += p[m] <= 0.05;
                found |= adjusted[m] <= 0.05;
            }
            any += found;
        }
        double rate = (double)single / (TRIALS * MEASURES), family = (double)any / TRIALS;
        printf("     alike, phi %.2f: %.1f %% of measures, %.1f %% of comparisons\n", phis[i],
               100 * rate, 100 * family);
        CHECK(rate >= 0.038 && rate <= 0.06);
        CHECK(family <= 0.06);
    }
}

/* Three of ten measures differ by 4 standard deviations between runs: found in 80 % and more, and
 * of what is found at most 6 % is false. */
static void different_runs(void)
{
    static const double phis[] = {0, 0.9, 0.99};
    for (int i = 0; i < 3; i++) {
        enum { TRIALS = 300, SHIFTED = 3 };
        double found = 0, false_part = 0;
        for (int t = 0; t < TRIALS; t++) {
            double p[MEASURES], adjusted[MEASURES];
            int right = 0, wrong = 0;
            simulate_comparison(phis[i], SHIFTED, 4, p);
            mc_false_discovery(p, MEASURES, adjusted);
            for (int m = 0; m < MEASURES; m++) {
                right += m < SHIFTED && adjusted[m] <= 0.05;
                wrong += m >= SHIFTED && adjusted[m] <= 0.05;
            }
            found += right;
            false_part += right + wrong ? (double)wrong / (right + wrong) : 0;
        }
        double power = found / (TRIALS * SHIFTED), rate = false_part / TRIALS;
        printf("     different, phi %.2f: power %.1f %%, false discoveries %.1f %%\n", phis[i],
               100 * power, 100 * rate);
        CHECK(power >= 0.80);
        CHECK(rate <= 0.06);
    }
}

/* One pair of alike runs: the intervals, half as wide again, hardly ever keep clear of each other,
 * and what there is to be known of a run's mean lies within its interval. */
static void single_pairs(void)
{
    enum { TRIALS = 400, BINS = 240 };
    static const double phis[] = {0, 0.5, 0.9, 0.97, 0.99};
    for (int i = 0; i < 5; i++) {
        int clear = 0, told = 0, inside = 0;
        for (int t = 0; t < TRIALS; t++) {
            double x[BINS], mean[2];
            struct mc_interval v[2];
            for (int s = 0; s < 2; s++) {
                simulate(x, BINS, phis[i], 10);
                mean[s] = mc_mean(x, BINS);
                CHECK_INT(mc_bootstrap_interval(x, BINS, MC_STATISTIC_MEAN, 1, &v[s]), 0);
            }
            int low = mean[0] < mean[1] ? 0 : 1;
            double reach = v[low].high - mean[low] + mean[1 - low] - v[1 - low].low;
            int enough = v[0].effective >= 10 && v[1].effective >= 10;
            told += enough;
            clear += enough && mean[1 - low] - mean[low] > 1.5 * reach;
            inside += v[0].low <= 10 && v[0].high >= 10;
        }
        printf("     pairs, phi %.2f: %.1f %% clear, %.0f %% could be told, %.0f %% covered\n",
               phis[i], 100.0 * clear / TRIALS, 100.0 * told / TRIALS, 100.0 * inside / TRIALS);
        CHECK(clear <= TRIALS * 6 / 100);
        CHECK(phis[i] > 0.9 || inside >= TRIALS * 90 / 100);
    }
}

int main(void)
{
    RUN(quantiles);
    RUN(buckets);
    RUN(permutation);
    RUN(false_discovery);
    RUN(slopes);
    RUN(regression);
    RUN(block_lengths);
    RUN(alike_runs);
    RUN(different_runs);
    RUN(single_pairs);
    return CHECK_DONE();
}
