/* plain.h: rows of the plain tables (run, source, mark, gap): each under a checksum, with a copy.
 *
 * Format: checksum and row_copy in trace_format.h. A row and its copy stand in trees of pages of
 *         their own, so that no one damage takes both.
 */
#ifndef MC_PLAIN_H
#define MC_PLAIN_H

#include "store/file.h"
#include "tracer/buf.h"

enum mc_plain_kind { MC_PLAIN_RUN, MC_PLAIN_SOURCE, MC_PLAIN_MARK, MC_PLAIN_GAP, MC_PLAIN_COUNT };

#define MC_PLAIN_COLUMNS_MAX 11
#define MC_PLAIN_RUN_END_TS 7 /* the column */

struct mc_plain_table {
    const char *name;
    const char *ts, *row_id; /* what they are in SQL */
    const char *where;       /* finds a row by ?1, its run_id, and ?2, its row_id */
    const char *order;       /* by run, ts, row_id */
    int column_count;
    struct {
        const char *name, *type;
    } columns[MC_PLAIN_COLUMNS_MAX]; /* without the checksum; run_id is the first */
};
extern const struct mc_plain_table mc_plain_tables[MC_PLAIN_COUNT];

/* ---- writing -------------------------------------------------------------------------------- */

/* Give a row that was inserted or changed its checksum and its copy; in the same transaction. A row
 * that is not there is no error. */
int mc_plain_seal(sqlite3 *db, enum mc_plain_kind kind, int64_t run_id, int64_t row_id);
/* Before a row is deleted, or gets another ts: its copy goes. */
int mc_plain_forget(sqlite3 *db, enum mc_plain_kind kind, int64_t run_id, int64_t row_id);
/* Seal all rows, of a file of before there were checksums. */
int mc_plain_seal_all(sqlite3 *db);
/* Put what is whole in place of what is damaged: rows from their copies, and copies from their
 * rows. What cannot be read is left as it is. */
int mc_plain_mend(sqlite3 *db);

/* ---- reading -------------------------------------------------------------------------------- */

struct mc_plain_value {
    int type; /* SQLITE_INTEGER, SQLITE_TEXT or SQLITE_NULL */
    int64_t number;
    const char *text; /* borrowed from the walk; text_bytes of it, no NUL */
    size_t text_bytes;
};

/* Which rows: both ends included. ts of runs and sources is 0. */
struct mc_plain_range {
    int64_t run_min, run_max, ts_min, ts_max;
};
#define MC_PLAIN_ALL ((struct mc_plain_range){INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX})

enum mc_plain_state { MC_PLAIN_WHOLE, MC_PLAIN_DAMAGED, MC_PLAIN_MISSING };

/* Where the walk stands. */
struct mc_plain_row {
    int64_t run_id, ts, row_id;
    enum mc_plain_state row, copy;
    struct mc_plain_value values[MC_PLAIN_COLUMNS_MAX];
};

static inline int mc_plain_row_is_whole(const struct mc_plain_row *row)
{
    return row->row == MC_PLAIN_WHOLE || row->copy == MC_PLAIN_WHOLE;
}

/* Walk a table's rows by run, ts, row_id. 0 or a code. */
struct mc_plain_walk;
int mc_plain_walk_open(sqlite3 *db, enum mc_plain_kind kind, const struct mc_plain_range *range,
                       struct mc_plain_walk **out);
void mc_plain_walk_close(struct mc_plain_walk *w);
/* The next row that is whole, or whose copy is; borrowed until the next call. 0, MC_END, or a code:
 * MC_ECORRUPT when neither table can be read on. */
int mc_plain_walk_next(struct mc_plain_walk *w, const struct mc_plain_row **out);
/* The same, with those that are neither: these have no values. */
int mc_plain_walk_step(struct mc_plain_walk *w, const struct mc_plain_row **out);

/* At its end: one of the two tables, which the walk did without, could not be read to its own. */
int mc_plain_walk_is_cut(const struct mc_plain_walk *w);

#endif
