/* permutation.c: relabelled runs, and the p of each measure and of the family. */
#include "replay/permutation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/stats.h"
#include "tracer/error.h"

#define LABELLINGS_MAX 20000
#define LABELLINGS_DRAWN 9999

/* ---- labellings ---------------------------------------------------------------------------------
 */

/* n over k, or more than LABELLINGS_MAX. */
static double choose(size_t n, size_t k)
{
    double count = 1;
    for (size_t i = 1; i <= k && count <= LABELLINGS_MAX; i++)
        count = count * (double)(n - k + i) / (double)i;
    return count;
}

/* Which runs are side A's: picks[0 .. a_count). The first labelling is the true one. */
struct labelling {
    size_t *picks; /* owned; run_count, each run once while they are drawn */
    size_t a_count, run_count;
    int draws; /* still to come; -1: all are tried, in order */
    uint64_t seed;
};

static int labelling_init(struct labelling *l, const struct mc_permutation *in)
{
    size_t n = in->a_count + in->b_count;
    *l = (struct labelling){malloc((n + 1) * sizeof *l->picks), in->a_count, n, -1, in->seed};
    if (!l->picks)
        return MC_ENOMEM;
    for (size_t i = 0; i < n; i++)
        l->picks[i] = i;
    if (choose(n, in->a_count) > LABELLINGS_MAX)
        l->draws = LABELLINGS_DRAWN;
    return 0;
}

/* Step on; 0 behind the last one. */
static int labelling_next(struct labelling *l)
{
    size_t i = l->a_count;
    if (l->draws == 0)
        return 0;
    if (l->draws > 0) {
        l->draws--;
        for (i = 0; i < l->a_count; i++) {
            size_t j = i + mc_random_below(&l->seed, l->run_count - i), t = l->picks[i];
            l->picks[i] = l->picks[j];
            l->picks[j] = t;
        }
        return 1;
    }
    while (i > 0 && l->picks[i - 1] == l->run_count - l->a_count + i - 1)
        i--;
    if (i == 0)
        return 0;
    l->picks[i - 1]++;
    for (; i < l->a_count; i++)
        l->picks[i] = l->picks[i - 1] + 1;
    return 1;
}

/* ---- what a labelling gives ---------------------------------------------------------------------
 */

struct test {
    const struct mc_permutation *in;
    size_t run_count;
    double *values, *present;   /* about the measure's mean, 0 for none; 1 where there is one */
    double *counts, *squares;   /* per measure */
    double *differs, *stands;   /* of this labelling: difference of means, and over its spread */
    double *seen, *seen_stands; /* of the true one */
    double *extreme, *family;   /* how many labellings so far were as large */
    size_t *order;              /* of measures, what stands out most first */
};

static void test_fini(struct test *t)
{
    free(t->values);
    free(t->order);
}

static int test_init(struct test *t, const struct mc_permutation *in)
{
    size_t m = in->measure_count, n = in->a_count + in->b_count;
    *t = (struct test){.in = in, .run_count = n};
    t->values = calloc(2 * m * n + 8 * m + 1, sizeof *t->values);
    t->order = malloc((m + 1) * sizeof *t->order);
    if (!t->values || !t->order) {
        test_fini(t);
        return MC_ENOMEM;
    }
    double **parts[] = {&t->counts, &t->squares,     &t->differs, &t->stands,
                        &t->seen,   &t->seen_stands, &t->extreme, &t->family};
    t->present = t->values + m * n;
    for (size_t i = 0; i < 8; i++)
        *parts[i] = t->present + m * n + i * m;
    for (size_t k = 0; k < m; k++) {
        const double *from = in->values + k * n;
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            t->present[k * n + i] = !isnan(from[i]);
            sum += isnan(from[i]) ? 0 : from[i];
            t->counts[k] += !isnan(from[i]);
        }
        for (size_t i = 0; i < n; i++) {
            double v = isnan(from[i]) ? 0 : from[i] - sum / t->counts[k];
            t->values[k * n + i] = v;
            t->squares[k] += v * v;
        }
    }
    return 0;
}

/* Fill in t->differs and t->stands. */
static void try_labelling(struct test *t, const struct labelling *l)
{
    size_t n = t->run_count;
    for (size_t k = 0; k < t->in->measure_count; k++) {
        const double *values = t->values + k * n, *present = t->present + k * n;
        double sum = 0, a = 0, least = t->in->least[k];
        for (size_t i = 0; i < l->a_count; i++) {
            sum += values[l->picks[i]];
            a += present[l->picks[i]];
        }
        double b = t->counts[k] - a;
        t->differs[k] = t->stands[k] = 0;
        if (a <= 0 || b <= 0)
            continue;
        double d = fabs(sum / a + sum / b); /* the other side's sum is -sum */
        double within = fmax(t->squares[k] - a * b / (a + b) * d * d, 0) / fmax(a + b - 2, 1);
        t->differs[k] = d;
        if (d > 0 && d >= least)
            t->stands[k] = d / sqrt(within + least * least + 1e-18 * t->squares[k]);
    }
}

/* Rounding must not make a labelling less extreme than its mirror image. */
static int reaches(double value, double seen)
{
    return value >= seen * (1 - 1e-9);
}

static void count_labelling(struct test *t)
{
    double most = 0;
    for (size_t i = t->in->measure_count; i-- > 0;) {
        size_t k = t->order[i];
        most = fmax(most, t->stands[k]);
        t->family[k] += reaches(most, t->seen_stands[k]);
        t->extreme[k] += t->differs[k] >= t->seen[k] - 1e-9 * (t->seen[k] + sqrt(t->squares[k]));
    }
}

static void order_measures(struct test *t)
{
    size_t m = t->in->measure_count;
    memcpy(t->seen, t->differs, m * sizeof *t->seen);
    memcpy(t->seen_stands, t->stands, m * sizeof *t->seen_stands);
    for (size_t k = 0; k < m; k++) {
        size_t at = k;
        for (; at > 0 && t->seen_stands[t->order[at - 1]] < t->seen_stands[k]; at--)
            t->order[at] = t->order[at - 1];
        t->order[at] = k;
    }
}

int mc_permutation_test(const struct mc_permutation *in, double *p, double *family_p)
{
    struct labelling l;
    struct test t;
    double labellings = 0, least = 0;
    for (size_t k = 0; k < in->measure_count; k++)
        p[k] = family_p[k] = 1;
    if (!in->a_count || !in->b_count || !in->measure_count)
        return 0;
    int rc = labelling_init(&l, in);
    if (rc)
        return rc;
    rc = test_init(&t, in);
    if (rc) {
        free(l.picks);
        return rc;
    }
    try_labelling(&t, &l);
    order_measures(&t);
    do {
        try_labelling(&t, &l);
        count_labelling(&t);
        labellings++;
    } while (labelling_next(&l));
    for (size_t i = 0; i < in->measure_count; i++) {
        size_t k = t.order[i];
        p[k] = t.extreme[k] / labellings;
        /* None is surer than one that stands out more. */
        least = family_p[k] = fmax(least, t.family[k] / labellings);
    }
    test_fini(&t);
    free(l.picks);
    return 0;
}

double mc_permutation_least_p(size_t a_count, size_t b_count)
{
    if (!a_count || !b_count)
        return 1;
    double labellings = choose(a_count + b_count, a_count);
    if (labellings > LABELLINGS_MAX)
        return 1.0 / (LABELLINGS_DRAWN + 1);
    return (a_count == b_count ? 2 : 1) / labellings;
}

/* ---- false discovery rate -----------------------------------------------------------------------
 */

struct ranked {
    double p;
    size_t idx;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->p < y->p ? -1 : x->p > y->p;
}

int mc_false_discovery(const double *p, size_t count, double *adjusted)
{
    struct ranked *ranked = malloc((count + 1) * sizeof *ranked);
    if (!ranked)
        return MC_ENOMEM;
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){p[i], i};
    qsort(ranked, count, sizeof *ranked, by_p);
    double least = 1;
    for (size_t i = count; i-- > 0;) {
        double q = ranked[i].p * (double)count / (double)(i + 1);
        least = q < least ? q : least;
        adjusted[ranked[i].idx] = least;
    }
    free(ranked);
    return 0;
}
