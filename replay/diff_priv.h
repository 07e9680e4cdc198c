/* diff_priv.h: what the parts of a comparison share. */
#ifndef MC_DIFF_PRIV_H
#define MC_DIFF_PRIV_H

#include "replay/diff.h"

/* The numbers of one measure. */
struct mc_diff_pair {
    double *values[2]; /* borrowed; by run, NAN where there is none; side B's lie behind side A's */
    size_t counts[2];  /* of those that are there */
    const struct mc_measure *first[2]; /* NULL: all of a side have none of it */
    double low[2], high[2];            /* hull of the runs' intervals */
    int has_interval[2], is_short[2];
    double whole, grain;
};
/* diff_judge.c. Take in a run's measure; 0 when its value is not known. */
int mc_diff_pair_add(struct mc_diff_pair *p, const struct mc_measure *m, size_t side,
                     size_t run_idx);
/* Take in that of `closes` closes of a run none was of this kind. */
void mc_diff_pair_add_none(struct mc_diff_pair *p, double closes, size_t side, size_t run_idx);
/* Judge a row that is not tested. */
void mc_diff_judge_pair(struct mc_diff_row *row, const struct mc_diff_pair *p,
                        double min_effect_pct);

/* The tested measures, in the rows' order. */
struct mc_diff_tests {
    double *values, *least; /* owned; as in struct mc_permutation */
    size_t count, room;
};
/* Keep a measure for the tests, or judge its row where nothing moved. 0 or MC_ENOMEM. */
int mc_diff_tests_add(struct mc_diff_tests *t, struct mc_diff_row *row,
                      const struct mc_diff_pair *p, const size_t runs[2], double min_effect_pct);
/* The tested rows' verdicts, before the rows are ranked. 0 or MC_ENOMEM. */
int mc_diff_judge_tested(struct mc_diff *d, const struct mc_diff_tests *t);
void mc_diff_tests_fini(struct mc_diff_tests *t);

/* diff_leaks.c: gather the runs' leaks. 0 or MC_ENOMEM. */
int mc_diff_collect_leaks(struct mc_diff *d);

/* diff_moment.c: fill in when the two series differ most, and since when they do. */
void mc_diff_find_moment(const struct mc_diff *d, struct mc_diff_row *row);

/* diff_notes.c: tell what limits the answer. */
void mc_diff_notes(struct mc_diff *d);

/* "a.db run 3" into `out`. */
void mc_diff_run_name(const struct mc_run_measures *m, struct mc_buf *out);
/* What a row's measure is called: "tcp_buffers used p99". */
void mc_diff_row_name(const struct mc_diff_row *row, struct mc_buf *out);
/* The percentage as text: "+12.5 %", "new". */
void mc_diff_pct(double pct, struct mc_buf *out);
/* How many measures have which verdict. */
void mc_diff_counts(const struct mc_diff *d, struct mc_buf *out);
/* The answer in one line, and what kind of answer it is in another. */
void mc_diff_headline(const struct mc_diff *d, struct mc_buf *out);
void mc_diff_basis(const struct mc_diff *d, struct mc_buf *out);
/* One leak in one line. */
void mc_diff_leak_line(const struct mc_diff *d, const struct mc_diff_leak *leak,
                       struct mc_buf *out);

#endif
