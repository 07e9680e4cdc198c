/* plain_walk.c: the rows of a plain table, each beside its copy.
 *
 * Both are walked in the order of their key, run, ts and row_id, and met like the halves of a merge
 * sort. A key that is damaged is out of order, or meets nothing; whatever is given, or told as
 * damaged, is above what was given before, so that no row comes twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/plain_priv.h"
#include "tracer/error.h"

/* One of the two tables. */
struct side {
    sqlite3_stmt *stmt;      /* owned; NULL: at its end */
    struct mc_plain_row row; /* its key */
    int is_whole;
    int is_damaged; /* the table could not be read to its end */
    struct mc_buf body;
};

struct mc_plain_walk {
    sqlite3 *db; /* borrowed */
    enum mc_plain_kind kind;
    int has_copies; /* the file is of a version that has them */
    struct side rows, copies;
    struct mc_buf body;        /* of the row that was given */
    struct mc_plain_row row;   /* the same */
    struct mc_plain_row given; /* the newest key that was, once has_given */
    int has_given;
};

static int by_key(const struct mc_plain_row *a, const struct mc_plain_row *b)
{
    if (a->run_id != b->run_id)
        return a->run_id < b->run_id ? -1 : 1;
    if (a->ts != b->ts)
        return a->ts < b->ts ? -1 : 1;
    return a->row_id < b->row_id ? -1 : a->row_id > b->row_id;
}

/* ---- one side ------------------------------------------------------------------------------- */

static void end_side(struct side *s)
{
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
}

/* The columns of both: run_id, ts, row_id, checksum, then those of the row or the copy's body. */
static int take_row(const struct mc_plain_walk *w, struct side *s, int is_copy)
{
    s->row.run_id = sqlite3_column_int64(s->stmt, 0);
    s->row.ts = sqlite3_column_int64(s->stmt, 1);
    s->row.row_id = sqlite3_column_int64(s->stmt, 2);
    s->body.count = 0;
    if (is_copy)
        mc_buf_add(&s->body, sqlite3_column_blob(s->stmt, 4),
                   (size_t)sqlite3_column_bytes(s->stmt, 4));
    else
        mc_plain_put(s->stmt, 4, mc_plain_tables[w->kind].column_count, &s->body);
    if (s->body.failed)
        return MC_ENOMEM;
    s->is_whole =
        !w->has_copies || ((uint64_t)sqlite3_column_int64(s->stmt, 3) ==
                               mc_plain_sum(w->kind, &s->row, s->body.bytes, s->body.count) &&
                           sqlite3_column_type(s->stmt, 3) == SQLITE_INTEGER);
    return 0;
}

static int step_side(const struct mc_plain_walk *w, struct side *s)
{
    if (!s->stmt)
        return 0;
    int step = sqlite3_step(s->stmt);
    if (step == SQLITE_ROW)
        return take_row(w, s, s == &w->copies);
    end_side(s);
    int rc = mc_file_error(w->db, step);
    if (rc != MC_ECORRUPT)
        return rc;
    s->is_damaged = 1; /* the other one may still tell */
    return 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

static int has_copies(sqlite3 *db, int *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(db,
                             "SELECT 1 FROM main.sqlite_schema WHERE type='table' AND "
                             "name='row_copy'",
                             &stmt);
    if (rc < 0)
        return rc;
    int step = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    *out = step == SQLITE_ROW;
    return mc_file_error(db, step);
}

/* SQL that is satisfied by the range: ?1 to ?4. A single run is asked for by its number, so that
 * the index serves ts too. */
static int prepare_side(struct mc_plain_walk *w, const struct mc_plain_range *range, int is_copy,
                        struct side *s)
{
    const struct mc_plain_table *t = &mc_plain_tables[w->kind];
    const char *ts = is_copy ? "ts" : t->ts, *row_id = is_copy ? "row_id" : t->row_id;
    char sql[640];
    size_t at = (size_t)snprintf(sql, sizeof sql, "SELECT run_id,%s,%s,%s", ts, row_id,
                                 w->has_copies ? "checksum" : "NULL");
    if (is_copy)
        at += (size_t)snprintf(sql + at, sizeof sql - at, ",body FROM main.row_copy");
    else {
        at += mc_plain_columns(w->kind, sql + at, sizeof sql - at);
        at += (size_t)snprintf(sql + at, sizeof sql - at, " FROM main.%s", t->name);
    }
    at += (size_t)snprintf(
        sql + at, sizeof sql - at, " WHERE %s%s AND %s BETWEEN ?3 AND ?4",
        is_copy ? "kind=?5 AND " : "",
        range->run_min == range->run_max ? "run_id=?1" : "run_id BETWEEN ?1 AND ?2", ts);
    snprintf(sql + at, sizeof sql - at, " ORDER BY %s", is_copy ? "run_id,ts,row_id" : t->order);
    int rc = mc_file_prepare(w->db, sql, &s->stmt);
    if (rc < 0)
        return rc;
    const int64_t bounds[] = {range->run_min, range->run_max, range->ts_min, range->ts_max};
    for (int i = 0; i < 4; i++)
        sqlite3_bind_int64(s->stmt, i + 1, bounds[i]);
    sqlite3_bind_int64(s->stmt, 5, w->kind);
    return 0;
}

int mc_plain_walk_open(sqlite3 *db, enum mc_plain_kind kind, const struct mc_plain_range *range,
                       struct mc_plain_walk **out)
{
    struct mc_plain_walk *w = calloc(1, sizeof *w);
    if (!w)
        return MC_ENOMEM;
    w->db = db;
    w->kind = kind;
    int rc = has_copies(db, &w->has_copies);
    if (rc == 0)
        rc = prepare_side(w, range, 0, &w->rows);
    if (rc == 0 && w->has_copies)
        rc = prepare_side(w, range, 1, &w->copies);
    if (rc == 0)
        rc = step_side(w, &w->rows);
    if (rc == 0)
        rc = step_side(w, &w->copies);
    if (rc < 0) {
        mc_plain_walk_close(w);
        return rc;
    }
    *out = w;
    return 0;
}

void mc_plain_walk_close(struct mc_plain_walk *w)
{
    if (!w)
        return;
    end_side(&w->rows);
    end_side(&w->copies);
    mc_buf_fini(&w->rows.body);
    mc_buf_fini(&w->copies.body);
    mc_buf_fini(&w->body);
    free(w);
}

/* Take what stands at the smaller of the two keys, and step past it. */
static int meet(struct mc_plain_walk *w)
{
    int cmp = !w->rows.stmt ? 1 : !w->copies.stmt ? -1 : by_key(&w->rows.row, &w->copies.row);
    struct side *row = cmp <= 0 ? &w->rows : NULL, *copy = cmp >= 0 ? &w->copies : NULL;
    const struct side *key = row ? row : copy;
    struct side *whole = row && row->is_whole ? row : copy && copy->is_whole ? copy : NULL;
    w->row.run_id = key->row.run_id;
    w->row.ts = key->row.ts;
    w->row.row_id = key->row.row_id;
    w->row.row = !row ? MC_PLAIN_MISSING : row->is_whole ? MC_PLAIN_WHOLE : MC_PLAIN_DAMAGED;
    w->row.copy = !copy ? MC_PLAIN_MISSING : copy->is_whole ? MC_PLAIN_WHOLE : MC_PLAIN_DAMAGED;
    if (whole) {
        struct mc_buf taken = whole->body;
        whole->body = w->body;
        w->body = taken;
        if (mc_plain_get(w->kind, &w->body, &w->row) < 0)
            w->row.row = w->row.copy = MC_PLAIN_DAMAGED; /* a stranger's */
    }
    int rc = row ? step_side(w, row) : 0;
    return rc == 0 && copy ? step_side(w, copy) : rc;
}

int mc_plain_walk_step(struct mc_plain_walk *w, const struct mc_plain_row **out)
{
    for (;;) {
        if (!w->rows.stmt && !w->copies.stmt)
            return w->rows.is_damaged && (w->copies.is_damaged || !w->has_copies) ? MC_ECORRUPT
                                                                                  : MC_END;
        int rc = meet(w);
        if (rc < 0)
            return rc;
        if (mc_plain_row_is_whole(&w->row)) {
            if (w->has_given && by_key(&w->row, &w->given) <= 0)
                continue;
            w->given = w->row;
            w->has_given = 1;
        }
        *out = &w->row;
        return 0;
    }
}

int mc_plain_walk_next(struct mc_plain_walk *w, const struct mc_plain_row **out)
{
    const struct mc_plain_row *row;
    int rc;
    do {
        rc = mc_plain_walk_step(w, &row);
    } while (rc == 0 && !mc_plain_row_is_whole(row));
    if (rc == 0)
        *out = row;
    return rc;
}

int mc_plain_walk_is_cut(const struct mc_plain_walk *w)
{
    return w->rows.is_damaged || w->copies.is_damaged;
}
