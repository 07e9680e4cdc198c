/* diff_judge.c: whether a measure's two sides differ: by tests where there are runs enough, else by
 * the intervals that the runs' own noise leaves.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "replay/permutation.h"
#include "tracer/error.h"

#define SEED UINT64_C(0x64696666)
/* An interval of 95 % that is made half as wide again and still keeps clear of the other's, as wide
 * again: about 4 standard errors, so that some hundred measures do not give a false one by chance.
 */
#define CLEAR 1.5
/* A series that is worth fewer independent values than this says nothing about a whole run. */
#define EFFECTIVE_LEAST 10.0

static enum mc_verdict verdict_of(const struct mc_diff_row *row)
{
    if (!row->like->direction)
        return MC_VERDICT_CANNOT_TELL;
    return (row->delta > 0) == (row->like->direction > 0) ? MC_VERDICT_WORSE : MC_VERDICT_BETTER;
}

static void judge_clear(struct mc_diff_row *row)
{
    row->changed = 1;
    row->verdict = verdict_of(row);
    row->why = row->verdict == MC_VERDICT_CANNOT_TELL ? "changed; neither way is worse" : "";
}

static int is_large(const struct mc_diff_row *row, double min_effect_pct)
{
    return row->delta != 0 && fabs(row->pct) >= min_effect_pct;
}

static int lies_within(const struct mc_diff_row *row, double min_effect_pct)
{
    double most = row->whole * min_effect_pct / 100;
    return row->has_interval && row->low >= -most && row->high <= most;
}

/* ---- without a test -----------------------------------------------------------------------------
 */

void mc_diff_judge_pair(struct mc_diff_row *row, const struct mc_diff_pair *p,
                        double min_effect_pct)
{
    row->verdict = MC_VERDICT_CANNOT_TELL;
    if (!p->has_interval[0] || !p->has_interval[1]) {
        row->why = row->delta == 0 ? "" : "no interval for this statistic of one run";
        if (row->delta == 0)
            row->verdict = MC_VERDICT_SAME;
        return;
    }
    double a_down = row->a - p->low[0], a_up = p->high[0] - row->a;
    double b_down = row->b - p->low[1], b_up = p->high[1] - row->b;
    row->has_interval = 1;
    row->low = row->delta - hypot(b_down, a_up); /* Zou and Donner 2008 */
    row->high = row->delta + hypot(b_up, a_down);
    double reach = row->delta > 0 ? a_up + b_down : a_down + b_up;
    if (p->is_short[0] || p->is_short[1])
        row->why = "too few independent stretches in the run";
    else if (lies_within(row, min_effect_pct))
        row->verdict = MC_VERDICT_SAME;
    else if (!is_large(row, min_effect_pct))
        row->why = "the interval reaches past the least effect";
    else if (row->like->is_time && !is_large(row, MC_DIFF_TIME_PCT))
        row->why = "times differ by so much between runs of one program";
    else if (fabs(row->delta) < p->grain)
        row->why = row->like->is_time ? "no more than the machine's stalls can make"
                                      : "no more than how it is sampled can make";
    else if (fabs(row->delta) > CLEAR * reach)
        judge_clear(row);
    else
        row->why = "within the noise of the runs";
}

/* A run's value with its interval; `effective`: independent values that it is out of. */
static void pair_take(struct mc_diff_pair *p, double value, const struct mc_interval *interval,
                      size_t side, size_t run_idx)
{
    if (!p->counts[side]) {
        p->low[side] = INFINITY;
        p->high[side] = -INFINITY;
        p->has_interval[side] = 1;
    }
    p->values[side][run_idx] = value;
    p->counts[side]++;
    p->has_interval[side] &= interval != NULL;
    if (!interval)
        return;
    p->low[side] = fmin(p->low[side], interval->low);
    p->high[side] = fmax(p->high[side], interval->high);
    p->is_short[side] |= interval->low < interval->high && interval->effective < EFFECTIVE_LEAST;
}

int mc_diff_pair_add(struct mc_diff_pair *p, const struct mc_measure *m, size_t side,
                     size_t run_idx)
{
    if (isnan(m->value))
        return 0;
    pair_take(p, m->value, m->has_interval ? &m->interval : NULL, side, run_idx);
    if (!p->first[side])
        p->first[side] = m;
    p->whole = fmax(p->whole, m->whole);
    p->grain = fmax(p->grain, m->grain);
    return 1;
}

void mc_diff_pair_add_none(struct mc_diff_pair *p, double closes, size_t side, size_t run_idx)
{
    /* Of n none: at 95 % no more than 3 in n (Hanley and Lippman-Hand 1983). */
    struct mc_interval interval = {0, fmin(100, 300 / closes), closes, 1};
    pair_take(p, 0, &interval, side, run_idx);
}

/* ---- tests --------------------------------------------------------------------------------------
 */

/* What 100 % is, whichever run belongs to which side. */
static double blind_whole(const struct mc_diff_pair *p, const double *values, size_t run_count)
{
    double sum = 0;
    for (size_t i = 0; i < run_count; i++)
        sum += isnan(values[i]) ? 0 : fabs(values[i]);
    return p->whole > 0 ? p->whole : sum / (double)(p->counts[0] + p->counts[1]);
}

/* Whether everything stays within the least effect. Such measures are not tested; the choice is
 * blind to the sides, so that the tests of the others stay valid (Bourgon et al. 2010). */
static int is_still(const double *values, size_t run_count, double effect)
{
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < run_count; i++) {
        if (isnan(values[i]))
            continue;
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    return most - least < effect || most <= least;
}

/* The values of one side, without those that are missing. */
static size_t pack(const double *values, size_t count, double *to)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            to[n++] = values[i];
    return n;
}

static int tests_grow(struct mc_diff_tests *t, size_t run_count)
{
    if (t->count < t->room)
        return 0;
    size_t room = t->room ? t->room * 2 : 64;
    double *values = realloc(t->values, room * run_count * sizeof *values);
    if (values)
        t->values = values;
    double *least = realloc(t->least, room * sizeof *least);
    if (least)
        t->least = least;
    if (!values || !least)
        return MC_ENOMEM;
    t->room = room;
    return 0;
}

int mc_diff_tests_add(struct mc_diff_tests *t, struct mc_diff_row *row,
                      const struct mc_diff_pair *p, const size_t runs[2], double min_effect_pct)
{
    size_t run_count = runs[0] + runs[1];
    double effect = blind_whole(p, p->values[0], run_count) * min_effect_pct / 100;
    double *packed = malloc((run_count + 1) * sizeof *packed);
    if (!packed || tests_grow(t, run_count)) {
        free(packed);
        return MC_ENOMEM;
    }
    size_t a = pack(p->values[0], runs[0], packed), b = pack(p->values[1], runs[1], packed + a);
    row->has_interval = 1;
    mc_welch_interval(packed, a, packed + a, b, &row->low, &row->high);
    free(packed);
    row->p = row->adjusted_p = row->family_p = 1;
    row->is_tested = !is_still(p->values[0], run_count, effect);
    if (!row->is_tested) {
        row->verdict = MC_VERDICT_SAME;
        return 0;
    }
    memcpy(t->values + t->count * run_count, p->values[0], run_count * sizeof *t->values);
    t->least[t->count++] = effect;
    return 0;
}

static void judge_tested(struct mc_diff_row *row, double min_effect_pct)
{
    int is_told = row->adjusted_p <= MC_DIFF_RATE_BH || row->family_p <= MC_DIFF_RATE_FAMILY;
    if (is_told && is_large(row, min_effect_pct))
        judge_clear(row);
    else if (is_told || lies_within(row, min_effect_pct))
        row->verdict = MC_VERDICT_SAME;
    else
        row->why = row->p <= MC_DIFF_RATE
                       ? "the test can't tell it from chance among so many measures"
                       : "the test can't tell it from chance";
}

int mc_diff_judge_tested(struct mc_diff *d, const struct mc_diff_tests *t)
{
    double *p = malloc(3 * (t->count + 1) * sizeof *p);
    if (!p)
        return MC_ENOMEM;
    double *family = p + t->count, *adjusted = family + t->count;
    const struct mc_permutation in = {.values = t->values,
                                      .least = t->least,
                                      .measure_count = t->count,
                                      .a_count = d->sides[0].run_count,
                                      .b_count = d->sides[1].run_count,
                                      .seed = SEED};
    int rc = mc_permutation_test(&in, p, family);
    if (rc == 0)
        rc = mc_false_discovery(p, t->count, adjusted);
    size_t at = 0;
    for (size_t i = 0; rc == 0 && i < d->row_count; i++) {
        struct mc_diff_row *row = &d->rows[i];
        if (!row->is_tested)
            continue;
        row->p = p[at];
        row->family_p = family[at];
        row->adjusted_p = adjusted[at++];
        judge_tested(row, d->min_effect_pct);
    }
    free(p);
    return rc;
}

void mc_diff_tests_fini(struct mc_diff_tests *t)
{
    free(t->values);
    free(t->least);
}
