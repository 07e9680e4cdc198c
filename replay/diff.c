/* diff.c: the measures of two sides, paired, judged and ranked.
 *
 * A measure is paired by its key, "kind/source/what", and its statistic. What only one side has is
 * told in a note and not compared.
 */
#include "replay/diff.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "tracer/error.h"

#define SEED UINT64_C(0x64696666)
#define GRID 120u
/* An interval of 95 % that is made half as wide again and still keeps clear of the other's, as wide
 * again: about 4 standard errors, so that some hundred measures do not give a false one by chance.
 */
#define CLEAR 1.5
/* A series that is worth fewer independent values than this says nothing about a whole run. */
#define EFFECTIVE_LEAST 10.0

const char *mc_verdict_name(enum mc_verdict verdict)
{
    static const char *const names[] = {"worse", "better", "cannot tell", "same"};
    return names[verdict];
}

const char *mc_align_name(enum mc_align align)
{
    static const char *const names[] = {"clock", "first-request", "requests", "mark"};
    return names[align];
}

void mc_diff_note(struct mc_diff *d, const char *format, ...)
{
    if (d->note_count == d->note_room) {
        size_t room = d->note_room ? d->note_room * 2 : 16;
        char **more = realloc(d->notes, room * sizeof *more);
        if (!more)
            return;
        d->notes = more;
        d->note_room = room;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&d->notes[d->note_count], format, args) >= 0)
        d->note_count++;
    va_end(args);
}

/* ---- pairing ------------------------------------------------------------------------------------
 */

/* A measure of some run of some side, in a list that is sorted by key and statistic. */
struct place {
    const struct mc_measure *measure;
    size_t side, run_idx, order;
};

static int same_measure(const struct mc_measure *x, const struct mc_measure *y)
{
    int d = strcmp(x->key, y->key);
    return d ? d : strcmp(x->stat, y->stat);
}

static int by_measure(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int d = same_measure(x->measure, y->measure);
    if (d)
        return d;
    if (x->side != y->side)
        return x->side < y->side ? -1 : 1;
    if (x->run_idx != y->run_idx)
        return x->run_idx < y->run_idx ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int list_places(const struct mc_diff_side *sides, struct place **out, size_t *count)
{
    size_t n = 0;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s].run_count; i++)
            n += sides[s].runs[i].measure_count;
    struct place *all = malloc((n + 1) * sizeof *all);
    if (!all)
        return MC_ENOMEM;
    n = 0;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s].run_count; i++)
            for (size_t k = 0; k < sides[s].runs[i].measure_count; k++)
                all[n++] = (struct place){&sides[s].runs[i].measures[k], s, i, k};
    qsort(all, n, sizeof *all, by_measure);
    *out = all;
    *count = n;
    return 0;
}

/* ---- one measure --------------------------------------------------------------------------------
 */

/* The numbers of one measure: values of each side, one per run. */
struct pair {
    double *values[2];
    size_t counts[2];
    const struct mc_measure *first[2];
    double low[2], high[2]; /* hull of the runs' intervals */
    int has_interval[2], is_short[2];
    double whole;
};

static void add_to_pair(struct pair *p, const struct place *at)
{
    const struct mc_measure *m = at->measure;
    size_t s = at->side;
    if (isnan(m->value))
        return;
    if (!p->counts[s]) {
        p->first[s] = m;
        p->low[s] = INFINITY;
        p->high[s] = -INFINITY;
        p->has_interval[s] = 1;
    }
    p->values[s][p->counts[s]++] = m->value;
    p->has_interval[s] &= m->has_interval;
    if (m->has_interval) {
        p->low[s] = fmin(p->low[s], m->interval.low);
        p->high[s] = fmax(p->high[s], m->interval.high);
        p->is_short[s] |=
            m->interval.low < m->interval.high && m->interval.effective < EFFECTIVE_LEAST;
    }
    if (m->whole > p->whole)
        p->whole = m->whole;
}

static int is_large(const struct mc_diff_row *row, double min_effect_pct)
{
    return row->delta != 0 && fabs(row->pct) >= min_effect_pct;
}

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
    if (row->verdict == MC_VERDICT_CANNOT_TELL)
        row->why = "changed; neither way is worse";
}

static int lies_within(const struct mc_diff_row *row, double whole, double min_effect_pct)
{
    double most = whole * min_effect_pct / 100;
    return row->has_interval && row->low >= -most && row->high <= most;
}

/* No test: what the noise within the runs leaves. */
static void judge_untested(struct mc_diff_row *row, const struct pair *p, double min_effect_pct)
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
    else if (lies_within(row, p->whole, min_effect_pct))
        row->verdict = MC_VERDICT_SAME;
    else if (!is_large(row, min_effect_pct))
        row->why = "the interval reaches past the least effect";
    else if (row->like->is_time && !is_large(row, MC_DIFF_TIME_PCT))
        row->why = "times differ by so much between runs of one program";
    else if (fabs(row->delta) > CLEAR * reach)
        judge_clear(row);
    else
        row->why = "within the noise of the runs";
}

/* Everything stays within the least effect, whichever run belongs to which side: nothing to test.
 * Blind to the sides, so that the tests of the other measures stay valid (Bourgon et al. 2010). */
static int is_still(const struct pair *p, double min_effect_pct)
{
    double least = INFINITY, most = -INFINITY, sum = 0;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < p->counts[s]; i++) {
            least = fmin(least, p->values[s][i]);
            most = fmax(most, p->values[s][i]);
            sum += fabs(p->values[s][i]);
        }
    }
    double whole = p->whole > 0 ? p->whole : sum / (double)(p->counts[0] + p->counts[1]);
    return most - least < whole * min_effect_pct / 100 || most <= least;
}

static void test_row(struct mc_diff_row *row, const struct pair *p, double min_effect_pct)
{
    row->has_interval = 1;
    mc_welch_interval(p->values[0], p->counts[0], p->values[1], p->counts[1], &row->low,
                      &row->high);
    row->is_tested = !is_still(p, min_effect_pct);
    row->p = row->adjusted_p = 1;
    if (row->is_tested)
        row->p = mc_permutation_p(p->values[0], p->counts[0], p->values[1], p->counts[1], SEED);
    else
        row->verdict = MC_VERDICT_SAME;
}

static void make_row(struct mc_diff *d, const struct pair *p, struct mc_diff_row *row)
{
    *row = (struct mc_diff_row){.like = p->first[0],
                                .a = mc_mean(p->values[0], p->counts[0]),
                                .b = mc_mean(p->values[1], p->counts[1]),
                                .why = "",
                                .verdict = MC_VERDICT_CANNOT_TELL,
                                .a_series = p->first[0]->series,
                                .b_series = p->first[1]->series,
                                .at_a = INT64_MIN,
                                .at_b = INT64_MIN,
                                .since_a = INT64_MIN,
                                .since_b = INT64_MIN};
    row->delta = row->b - row->a;
    double whole = p->whole > 0 ? p->whole : fabs(row->a);
    struct pair with_whole = *p;
    with_whole.whole = whole;
    row->pct = row->delta == 0 ? 0
               : whole > 0     ? 100 * row->delta / whole
                               : copysign(INFINITY, row->delta);
    if (p->counts[0] >= MC_DIFF_TEST_RUNS && p->counts[1] >= MC_DIFF_TEST_RUNS)
        test_row(row, p, d->min_effect_pct);
    else
        judge_untested(row, &with_whole, d->min_effect_pct);
}

/* ---- all measures -------------------------------------------------------------------------------
 */

/* The tested rows' verdicts, once all p are known. */
static int judge_tested(struct mc_diff *d)
{
    double *p = malloc(2 * (d->row_count + 1) * sizeof *p);
    size_t n = 0, at = 0;
    if (!p)
        return MC_ENOMEM;
    double *adjusted = p + d->row_count;
    for (size_t i = 0; i < d->row_count; i++)
        if (d->rows[i].is_tested)
            p[n++] = d->rows[i].p;
    int rc = mc_false_discovery(p, n, adjusted);
    for (size_t i = 0; rc == 0 && i < d->row_count; i++) {
        struct mc_diff_row *row = &d->rows[i];
        if (!row->is_tested)
            continue;
        row->adjusted_p = adjusted[at++];
        double whole =
            row->delta != 0 && isfinite(row->pct) ? 100 * row->delta / row->pct : fabs(row->a);
        if (row->adjusted_p <= MC_DIFF_RATE && is_large(row, d->min_effect_pct))
            judge_clear(row);
        else if (row->adjusted_p <= MC_DIFF_RATE || lies_within(row, whole, d->min_effect_pct))
            row->verdict = MC_VERDICT_SAME;
        else
            row->why = row->p <= MC_DIFF_RATE
                           ? "the test can't tell it from chance among so many measures"
                           : "the test can't tell it from chance";
    }
    free(p);
    return rc;
}

static int make_rows(struct mc_diff *d)
{
    struct place *all;
    size_t count;
    int rc = list_places(d->sides, &all, &count);
    if (rc)
        return rc;
    size_t runs[2] = {d->sides[0].run_count, d->sides[1].run_count};
    double *values = malloc((runs[0] + runs[1] + 1) * sizeof *values);
    d->rows = malloc((count + 1) * sizeof *d->rows);
    rc = values && d->rows ? 0 : MC_ENOMEM;
    for (size_t at = 0; rc == 0 && at < count;) {
        struct pair p = {.values = {values, values + runs[0]}};
        size_t end = at, last_run[2] = {SIZE_MAX, SIZE_MAX};
        for (; end < count && same_measure(all[at].measure, all[end].measure) == 0; end++) {
            /* Two sources of one name in a run: the first one counts. */
            if (last_run[all[end].side] == all[end].run_idx)
                continue;
            last_run[all[end].side] = all[end].run_idx;
            add_to_pair(&p, &all[end]);
        }
        if (p.counts[0] && p.counts[1])
            make_row(d, &p, &d->rows[d->row_count++]);
        at = end;
    }
    free(values);
    free(all);
    return rc ? rc : judge_tested(d);
}

static int rank_of(const struct mc_diff_row *row)
{
    if (row->verdict == MC_VERDICT_CANNOT_TELL)
        return row->changed ? 2 : 3;
    return row->verdict == MC_VERDICT_SAME ? 4 : (int)row->verdict;
}

static int by_rank(const void *a, const void *b)
{
    const struct mc_diff_row *x = a, *y = b;
    int rank = rank_of(x) - rank_of(y);
    if (rank)
        return rank;
    double ex = isinf(x->pct) ? 1e300 : fabs(x->pct), ey = isinf(y->pct) ? 1e300 : fabs(y->pct);
    if (ex != ey)
        return ex > ey ? -1 : 1;
    return same_measure(x->like, y->like);
}

/* ---- when
 * ---------------------------------------------------------------------------------------- */

/* The bin of a run at a place of the shared span. */
static uint32_t bin_at_part(const struct mc_diff *d, size_t side, double part)
{
    const struct mc_run_measures *m = &d->sides[side].runs[0], *o = &d->sides[1 - side].runs[0];
    uint32_t n = m->bin_count;
    if (d->align == MC_ALIGN_REQUESTS && m->request_count > 0 && o->request_count > 0) {
        double wanted = part * fmin(m->request_count, o->request_count);
        uint32_t bin = 0;
        while (bin + 1 < n && (double)m->requests[bin] < wanted)
            bin++;
        return bin;
    }
    double shared = fmin((double)(m->to - m->from), (double)(o->to - o->from));
    uint32_t bin = (uint32_t)(part * shared / (double)(m->to - m->from) * n);
    return bin < n ? bin : n - 1;
}

int64_t mc_diff_place(const struct mc_diff *d, size_t side, double part)
{
    const struct mc_run_measures *m = &d->sides[side].runs[0];
    double width = (double)(m->to - m->from) / m->bin_count;
    return m->from + (int64_t)(width * (bin_at_part(d, side, part) + 0.5));
}

/* Fill in when the two series differ most, and since when they do. */
static void find_moment(const struct mc_diff *d, struct mc_diff_row *row)
{
    double differs[GRID], most = 0;
    size_t best = SIZE_MAX, since = GRID, against = 0;
    if (!row->a_series || !row->b_series || row->delta == 0)
        return;
    double sign = row->delta > 0 ? 1 : -1;
    for (size_t i = 0; i < GRID; i++) {
        double part = ((double)i + 0.5) / GRID;
        differs[i] = sign * ((double)row->b_series[bin_at_part(d, 1, part)] -
                             (double)row->a_series[bin_at_part(d, 0, part)]);
        if (differs[i] > most) {
            most = differs[i];
            best = i;
        }
    }
    if (best == SIZE_MAX)
        return;
    row->at_a = mc_diff_place(d, 0, ((double)best + 0.5) / GRID);
    row->at_b = mc_diff_place(d, 1, ((double)best + 0.5) / GRID);
    /* Back from the end, as long as nearly all differ by a good part of the whole difference. */
    for (size_t i = GRID; i-- > 0;) {
        if (isnan(differs[i]))
            continue;
        against += differs[i] < fabs(row->delta) / 4;
        if (against > 1 + (GRID - i) / 10)
            break;
        if (differs[i] >= fabs(row->delta) / 4)
            since = i;
    }
    if (since >= GRID / 20 && since + GRID / 20 < GRID) {
        row->since_a = mc_diff_place(d, 0, ((double)since + 0.5) / GRID);
        row->since_b = mc_diff_place(d, 1, ((double)since + 0.5) / GRID);
    }
}

/* ---- leaks
 * --------------------------------------------------------------------------------------- */

static struct mc_diff_leak *known_leak(struct mc_diff *d, size_t side, const char *source)
{
    for (size_t i = 0; i < d->leak_count; i++)
        if (d->leaks[i].side == side && strcmp(d->leaks[i].leak->source, source) == 0)
            return &d->leaks[i];
    return NULL;
}

static int collect_leaks(struct mc_diff *d)
{
    size_t most = 1;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < d->sides[s].run_count; i++)
            most += d->sides[s].runs[i].leak_count;
    d->leaks = calloc(most, sizeof *d->leaks);
    if (!d->leaks)
        return MC_ENOMEM;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < d->sides[s].run_count; i++) {
            const struct mc_run_measures *m = &d->sides[s].runs[i];
            for (size_t k = 0; k < m->leak_count; k++) {
                struct mc_diff_leak *known = known_leak(d, s, m->leaks[k].source);
                if (known)
                    known->runs++;
                else
                    d->leaks[d->leak_count++] = (struct mc_diff_leak){&m->leaks[k], s, i, 1, 0};
            }
        }
    }
    for (size_t i = 0; i < d->leak_count; i++)
        d->leaks[i].is_new = !known_leak(d, 1 - d->leaks[i].side, d->leaks[i].leak->source);
    return 0;
}

/* ---- the whole
 * ------------------------------------------------------------------------------------ */

int mc_diff_make(const struct mc_diff_side *a, const struct mc_diff_side *b,
                 const struct mc_diff_options *opts, struct mc_diff *out)
{
    struct mc_diff d = {.sides = {*a, *b},
                        .align = opts->align,
                        .min_effect_pct = opts->min_effect_pct,
                        .is_test =
                            a->run_count >= MC_DIFF_TEST_RUNS && b->run_count >= MC_DIFF_TEST_RUNS};
    int rc = make_rows(&d);
    if (rc == 0 && !d.row_count)
        rc = MC_EINVAL;
    if (rc == 0)
        rc = collect_leaks(&d);
    if (rc) {
        mc_diff_fini(&d);
        return rc;
    }
    qsort(d.rows, d.row_count, sizeof *d.rows, by_rank);
    for (size_t i = 0; i < d.row_count; i++) {
        d.counts[d.rows[i].verdict]++;
        d.changed_count += d.rows[i].verdict == MC_VERDICT_CANNOT_TELL && d.rows[i].changed;
        find_moment(&d, &d.rows[i]);
    }
    d.is_different = d.counts[MC_VERDICT_WORSE] + d.counts[MC_VERDICT_BETTER] > 0;
    for (size_t i = 0; i < d.leak_count; i++)
        d.is_different |= d.leaks[i].side == 1 && d.leaks[i].is_new;
    mc_diff_notes(&d);
    *out = d;
    return 0;
}

void mc_diff_fini(struct mc_diff *d)
{
    for (size_t i = 0; i < d->note_count; i++)
        free(d->notes[i]);
    free(d->notes);
    free(d->rows);
    free(d->leaks);
    memset(d, 0, sizeof *d);
}
