/* diff.c: the measures of two sides, paired, judged and ranked.
 *
 * A measure is paired by its key, "kind/source/what", and its statistic. What only one side has is
 * told in a note and not compared; but a reason for which no connection closed was the reason of 0
 * %.
 */
#include "replay/diff.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "tracer/error.h"
#include "tracer/grow.h"

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
    char **more = mc_grown(d->notes, d->note_count, &d->note_room, sizeof *more);
    if (!more)
        return;
    d->notes = more;
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

/* ---- all measures -------------------------------------------------------------------------------
 */

/* The mean of what is there. */
static double known_mean(const double *values, size_t count)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        sum += isnan(values[i]) ? 0 : values[i];
        known += isnan(values[i]) ? 0 : 1;
    }
    return known ? sum / (double)known : NAN;
}

static int make_row(struct mc_diff *d, const struct mc_diff_pair *p, struct mc_diff_tests *tests)
{
    size_t runs[2] = {d->sides[0].run_count, d->sides[1].run_count};
    struct mc_diff_row *row = &d->rows[d->row_count++];
    *row = (struct mc_diff_row){.like = p->first[0] ? p->first[0] : p->first[1],
                                .a = known_mean(p->values[0], runs[0]),
                                .b = known_mean(p->values[1], runs[1]),
                                .why = "",
                                .verdict = MC_VERDICT_CANNOT_TELL,
                                .a_series = p->first[0] ? p->first[0]->series : NULL,
                                .b_series = p->first[1] ? p->first[1]->series : NULL,
                                .at_a = INT64_MIN,
                                .at_b = INT64_MIN,
                                .since_a = INT64_MIN,
                                .since_b = INT64_MIN};
    row->delta = row->b - row->a;
    row->whole = p->whole > 0 ? p->whole : fabs(row->a);
    row->pct = row->delta == 0  ? 0
               : row->whole > 0 ? 100 * row->delta / row->whole
                                : copysign(INFINITY, row->delta);
    if (p->counts[0] >= MC_DIFF_TEST_RUNS && p->counts[1] >= MC_DIFF_TEST_RUNS)
        return mc_diff_tests_add(tests, row, p, runs, d->min_effect_pct);
    mc_diff_judge_pair(row, p, d->min_effect_pct);
    return 0;
}

/* One measure, of which the places up to the one returned are. */
static size_t fill_pair(const struct place *all, size_t at, size_t count, struct mc_diff_pair *p)
{
    size_t end = at, last_run[2] = {SIZE_MAX, SIZE_MAX};
    for (; end < count && same_measure(all[at].measure, all[end].measure) == 0; end++) {
        /* Two sources of one name in a run: the first one counts. */
        if (last_run[all[end].side] == all[end].run_idx)
            continue;
        last_run[all[end].side] = all[end].run_idx;
        mc_diff_pair_add(p, all[end].measure, all[end].side, all[end].run_idx);
    }
    return end;
}

/* The runs that have closes, but none for this reason. */
static void fill_none(const struct mc_diff *d, struct mc_diff_pair *p)
{
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < d->sides[s].run_count; i++)
            if (isnan(p->values[s][i]) && d->sides[s].runs[i].close_count > 0)
                mc_diff_pair_add_none(p, d->sides[s].runs[i].close_count, s, i);
}

static int make_rows(struct mc_diff *d)
{
    struct place *all;
    size_t count;
    int rc = list_places(d->sides, &all, &count);
    if (rc)
        return rc;
    size_t a_count = d->sides[0].run_count, run_count = a_count + d->sides[1].run_count;
    double *values = malloc((run_count + 1) * sizeof *values);
    struct mc_diff_tests tests = {0};
    d->rows = malloc((count + 1) * sizeof *d->rows);
    rc = values && d->rows ? 0 : MC_ENOMEM;
    for (size_t at = 0; rc == 0 && at < count;) {
        struct mc_diff_pair p = {.values = {values, values + a_count}};
        for (size_t i = 0; i < run_count; i++)
            values[i] = NAN;
        const struct mc_measure *like = all[at].measure;
        at = fill_pair(all, at, count, &p);
        if (like->is_part_of_closes)
            fill_none(d, &p);
        if (p.counts[0] && p.counts[1])
            rc = make_row(d, &p, &tests);
    }
    if (rc == 0)
        rc = mc_diff_judge_tested(d, &tests);
    mc_diff_tests_fini(&tests);
    free(values);
    free(all);
    return rc;
}

static int rank_of(const struct mc_diff_row *row)
{
    if (row->verdict == MC_VERDICT_CANNOT_TELL)
        return row->changed ? 2 : 3;
    return row->verdict == MC_VERDICT_SAME ? 4 : (int)row->verdict;
}

/* A route's own figure tells more than the server's, which is the same when there is one route. */
static int is_of_route(const struct mc_diff_row *row)
{
    return strncmp(row->like->key, "route/", strlen("route/")) == 0;
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
    if (is_of_route(x) != is_of_route(y))
        return is_of_route(x) ? -1 : 1;
    return same_measure(x->like, y->like);
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
        rc = mc_diff_collect_leaks(&d);
    if (rc) {
        mc_diff_fini(&d);
        return rc;
    }
    qsort(d.rows, d.row_count, sizeof *d.rows, by_rank);
    for (size_t i = 0; i < d.row_count; i++) {
        d.counts[d.rows[i].verdict]++;
        d.changed_count += d.rows[i].verdict == MC_VERDICT_CANNOT_TELL && d.rows[i].changed;
        mc_diff_find_moment(&d, &d.rows[i]);
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
