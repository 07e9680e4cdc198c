/* diff_priv.h: what the parts of a comparison share. */
#ifndef MC_DIFF_PRIV_H
#define MC_DIFF_PRIV_H

#include "replay/diff.h"

/* diff_notes.c: tell what limits the answer. */
void mc_diff_notes(struct mc_diff *d);

/* "a.db run 3" into `out`. */
void mc_diff_run_name(const struct mc_run_measures *m, struct mc_buf *out);
/* What a row's measure is called: "tcp_buffers used p99". */
void mc_diff_row_name(const struct mc_diff_row *row, struct mc_buf *out);
/* The percentage as text: "+12.5 %", "new". */
void mc_diff_pct(double pct, struct mc_buf *out);
/* The answer in one line, and what kind of answer it is in another. */
void mc_diff_headline(const struct mc_diff *d, struct mc_buf *out);
void mc_diff_basis(const struct mc_diff *d, struct mc_buf *out);
/* One leak in one line. */
void mc_diff_leak_line(const struct mc_diff *d, const struct mc_diff_leak *leak,
                       struct mc_buf *out);

#endif
