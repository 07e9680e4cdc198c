/* export_priv.h: what the formats of an export share: the walk through a run, and the way out. */
#ifndef MC_EXPORT_PRIV_H
#define MC_EXPORT_PRIV_H

#include "replay/export.h"

struct mc_export {
    const struct mc_export_options *opts; /* borrowed */
    struct mc_reader *reader;             /* borrowed */
    struct mc_run_info info;              /* owned */
    int64_t from, to;  /* the span that is asked for; `to` not behind the newest frame's */
    int64_t last_ts;   /* the newest frame when the export began; INT64_MIN: there is none */
    int64_t begin_ts;  /* where frames begin in the span */
    struct mc_buf out; /* owned; what has not been written yet */
    int percent;       /* told last */
};

/* Hand on what is in x->out when it is much. Call after each row. 0, the callback's code, or
 * MC_ENOMEM. */
int mc_export_step(struct mc_export *x);
/* Tell how far it is: at `ts` in pass pass_idx of pass_count through the span. */
void mc_export_progress(struct mc_export *x, int64_t ts, uint32_t pass_idx, uint32_t pass_count);

/* ---- the walk: all that is in the span, in the order of time -------------------------------- */

/* Called for each thing; NULL: not wanted. A non-zero return stops the walk. They must not call the
 * reader: the schema would move. */
struct mc_export_visit {
    void *arg;
    int (*gap)(void *arg, const struct mc_gap *gap);
    int (*mark)(void *arg, const struct mc_mark *mark);
    int (*event)(void *arg, const struct mc_schema *schema, const struct mc_event *event);
    int (*frame)(void *arg, const struct mc_frame *frame);
};
/* Of one time: gaps, marks, events, then the frame. */
int mc_export_walk(struct mc_export *x, const struct mc_export_visit *visit);

/* ---- rows: the tables of SQL ---------------------------------------------------------------- */

#define MC_EXPORT_COLUMNS_MAX 12

enum mc_export_cell_type { MC_CELL_NONE, MC_CELL_NUMBER, MC_CELL_TEXT };

struct mc_export_cell {
    enum mc_export_cell_type type;
    int64_t number;
    const char *text; /* borrowed, as long as the row */
};

struct mc_export_row {
    enum mc_export_table table;
    unsigned cell_count;
    struct mc_export_cell cells[MC_EXPORT_COLUMNS_MAX];
};

typedef int (*mc_export_row_fn)(struct mc_export *x, const struct mc_export_row *row);
/* Call `fn` for each row of the tables of opts, in the order of time. */
int mc_export_rows(struct mc_export *x, mc_export_row_fn fn);
/* The name of a table's column; NULL past its last. Static. */
const char *mc_export_column_name(enum mc_export_table table, unsigned column_idx,
                                  size_t *name_bytes);
/* "GET /item/:id", "10.0.0.7:51234", "A": an event's detail as SQL shows it, as a C string. */
void mc_export_event_detail(const struct mc_schema *schema, const struct mc_event *event,
                            char *text, size_t text_bytes);

/* ---- the formats ---------------------------------------------------------------------------- */

int mc_export_csv(struct mc_export *x);
int mc_export_jsonl(struct mc_export *x);
int mc_export_openmetrics(struct mc_export *x);
int mc_export_perfetto(struct mc_export *x);

#endif
