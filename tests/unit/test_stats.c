/* test_stats.c: small examples by hand, and simulated runs: how often alike ones are called
 * different, and different ones found, for samples of any autocorrelation. */
#include "replay/least_squares.h"
#include "replay/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff.h"
#include "replay/permutation.h"
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

/* The p of one measure. */
static double one_p(const double *a, size_t a_count, const double *b, size_t b_count)
{
    double values[80], least = 0, p = -1, family = -1;
    memcpy(values, a, a_count * sizeof *a);
    memcpy(values + a_count, b, b_count * sizeof *b);
    struct mc_permutation in = {values, &least, 1, a_count, b_count, 1};
    CHECK_INT(mc_permutation_test(&in, &p, &family), 0);
    CHECK(near(p, family)); /* alone, it stands out as its difference does */
    return p;
}

static void permutation(void)
{
    double a[] = {1, 2, 3}, b[] = {4, 5, 6}, c[] = {1, 2, 3};
    CHECK(near(one_p(a, 3, b, 3), 2.0 / 20));
    CHECK(near(one_p(a, 3, c, 3), 1));
    CHECK(near(mc_permutation_least_p(5, 5), 2.0 / 252));
    CHECK(near(mc_permutation_least_p(5, 6), 1.0 / 462));
    double d[] = {1, 2, 3, 4, 10},
           e[] = {5, 6, 7, 8, 9}; /* 35 against 20: by counting, 24 of 252 */
    double p = one_p(d, 5, e, 5);
    CHECK(p > 0.05 && p < 0.2);
    double big[40], other[40];
    for (int i = 0; i < 40; i++) {
        big[i] = i % 7;
        other[i] = i % 7 + 50;
    }
    CHECK(near(one_p(big, 40, other, 40), 1e-4)); /* drawn, never 0 */
    CHECK(near(one_p(a, 0, b, 3), 1));
}

/* Three measures, 3 runs a side, by hand: of 20 labellings only the true one and its mirror image
 * make the first stand out by more than 10 standard deviations. The second, alike, is 1: it never
 * stands out. The third is missing in some runs and below its least effect. */
static void family(void)
{
    double values[] = {1, 2, 3, 101, 102, 103, 5, 7, 6, 6, 5, 7, 1, NAN, 1, 2, 2, NAN};
    double least[] = {0, 0, 2}, p[3], family_p[3];
    struct mc_permutation in = {values, least, 3, 3, 3, 1};
    CHECK_INT(mc_permutation_test(&in, p, family_p), 0);
    CHECK(near(p[0], 0.1) && near(family_p[0], 0.1));
    CHECK(near(p[1], 1) && near(family_p[1], 1));
    CHECK(p[2] > 0 && p[2] <= 1 && near(family_p[2], 1));
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

enum { RUNS = 5, SAMPLES = 120, MEASURES_MAX = 100 };

/* What is compared, and what came out: what is called different as diff_judge.c calls it. */
struct simulation {
    double phi;    /* of the samples within a run */
    double shared; /* part of the runs' variance that all measures have in common */
    int measures, shifted;
    double shift; /* of these, in standard deviations between runs */
    int trials;
    double single, any, power, false_part; /* parts of 1 */
};

/* One comparison of 5 runs a side. */
static void simulate_comparison(const struct simulation *s, double *p, int *told)
{
    double x[SAMPLES], common[2 * RUNS], values[MEASURES_MAX * 2 * RUNS];
    double least[MEASURES_MAX], adjusted[MEASURES_MAX], family_p[MEASURES_MAX];
    /* What the mean of a run of such samples varies by, on top of what runs vary by. */
    double within = fmin(1, sqrt((1 + s->phi) / (1 - s->phi) / SAMPLES));
    for (int r = 0; r < 2 * RUNS; r++)
        common[r] = sqrt(s->shared) * noise();
    for (int m = 0; m < s->measures; m++) {
        least[m] = 0.5; /* of about 100 */
        for (int r = 0; r < 2 * RUNS; r++) {
            double *v = &values[m * 2 * RUNS + r];
            simulate(x, SAMPLES, s->phi, 100 + common[r] + sqrt(1 - s->shared) * noise());
            *v = mc_mean(x, SAMPLES);
            if (r >= RUNS && m < s->shifted)
                *v += s->shift * sqrt(1 + within * within);
        }
    }
    struct mc_permutation in = {values, least, (size_t)s->measures, RUNS, RUNS, 7};
    CHECK_INT(mc_permutation_test(&in, p, family_p), 0);
    CHECK_INT(mc_false_discovery(p, (size_t)s->measures, adjusted), 0);
    for (int m = 0; m < s->measures; m++)
        told[m] = adjusted[m] <= MC_DIFF_RATE_BH || family_p[m] <= MC_DIFF_RATE_FAMILY;
}

static void run_simulation(struct simulation *s)
{
    for (int t = 0; t < s->trials; t++) {
        double p[MEASURES_MAX];
        int told[MEASURES_MAX], right = 0, wrong = 0;
        simulate_comparison(s, p, told);
        for (int m = 0; m < s->measures; m++) {
            s->single += (double)(p[m] <= 0.05) / s->measures / s->trials;
            right += m < s->shifted && told[m];
            wrong += m >= s->shifted && told[m];
        }
        s->any += (double)(wrong > 0) / s->trials;
        s->power += s->shifted ? (double)right / s->shifted / s->trials : 0;
        s->false_part += right + wrong ? (double)wrong / (right + wrong) / s->trials : 0;
    }
}

/* Alike runs: single measures are called different in 5 % +- 1, any of them after both corrections
 * in at most 6 % of comparisons. */
static void alike_runs(void)
{
    static const double phis[] = {0, 0.9, 0.99};
    for (int i = 0; i < 3; i++) {
        struct simulation s = {.phi = phis[i], .measures = 10, .trials = 500};
        run_simulation(&s);
        printf("     alike, 10 measures, phi %.2f: %.1f %% of measures, %.1f %% of comparisons\n",
               s.phi, 100 * s.single, 100 * s.any);
        CHECK(s.single >= 0.038 && s.single <= 0.06);
        CHECK(s.any <= 0.06);
    }
    for (int shared = 0; shared < 2; shared++) {
        struct simulation s = {
            .phi = 0.9, .shared = 0.7 * shared, .measures = MEASURES_MAX, .trials = 120};
        run_simulation(&s);
        printf("     alike, 100 measures, %.0f %% in common: %.1f %% of comparisons\n",
               100 * s.shared, 100 * s.any);
        CHECK(s.any <= 0.06);
    }
}

/* Measures that differ are found in 80 % and more, and of what is found at most 6 % is false: three
 * of ten by 4 standard deviations between runs, and one alone of a hundred by 8. */
static void different_runs(void)
{
    static const double phis[] = {0, 0.9, 0.99};
    for (int i = 0; i < 6; i++) {
        struct simulation s = {.phi = phis[i % 3],
                               .measures = i < 3 ? 10 : MEASURES_MAX,
                               .shifted = i < 3 ? 3 : 1,
                               .shift = i < 3 ? 3.3 : 5,
                               .trials = i < 3 ? 300 : 80};
        run_simulation(&s);
        printf("     %d of %d differ by %.0f, phi %.2f: power %.1f %%, false discoveries %.1f %%\n",
               s.shifted, s.measures, s.shift, s.phi, 100 * s.power, 100 * s.false_part);
        CHECK(s.power >= 0.80);
        CHECK(s.false_part <= 0.06);
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
    RUN(family);
    RUN(false_discovery);
    RUN(slopes);
    RUN(regression);
    RUN(block_lengths);
    RUN(alike_runs);
    RUN(different_runs);
    RUN(single_pairs);
    return CHECK_DONE();
}
