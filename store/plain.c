/* plain.c: checksums and copies of the plain tables' rows: made, and mended. */
#include "store/plain.h"

#include <stdio.h>
#include <string.h>

#include "store/pack.h"
#include "store/plain_priv.h"
#include "store/writer_priv.h"
#include "tracer/error.h"

const struct mc_plain_table mc_plain_tables[MC_PLAIN_COUNT] = {
    {"run",
     "0",
     "0",
     "run_id=?1 AND ?2=0",
     "run_id",
     11,
     {{"run_id", "INTEGER"},
      {"label", "TEXT"},
      {"host", "TEXT"},
      {"pid", "INTEGER"},
      {"program", "TEXT"},
      {"build", "TEXT"},
      {"start_wall_ns", "INTEGER"},
      {"end_ts", "INTEGER"},
      {"exit", "TEXT"},
      {"interval_ns", "INTEGER"},
      {"config", "TEXT"}}},
    {"source",
     "0",
     "source_id",
     "run_id=?1 AND source_id=?2",
     "run_id,source_id",
     8,
     {{"run_id", "INTEGER"},
      {"source_id", "INTEGER"},
      {"kind", "TEXT"},
      {"name", "TEXT"},
      {"unit", "TEXT"},
      {"slot_count", "INTEGER"},
      {"slot_bytes", "INTEGER"},
      {"capacity_bytes", "INTEGER"}}},
    {"mark",
     "ts",
     "rowid",
     "run_id=?1 AND rowid=?2",
     "run_id,ts,rowid",
     5,
     {{"run_id", "INTEGER"},
      {"ts", "INTEGER"},
      {"dur", "INTEGER"},
      {"label", "TEXT"},
      {"author", "TEXT"}}},
    {"gap",
     "ts",
     "rowid",
     "run_id=?1 AND rowid=?2",
     "run_id,ts,rowid",
     5,
     {{"run_id", "INTEGER"},
      {"ts", "INTEGER"},
      {"dur", "INTEGER"},
      {"reason", "TEXT"},
      {"lost", "INTEGER"}}},
};

enum put { PUT_NULL, PUT_NUMBER, PUT_TEXT };

/* ---- a row as bytes ------------------------------------------------------------------------- */

void mc_plain_put(sqlite3_stmt *stmt, int first_column, int column_count, struct mc_buf *out)
{
    for (int i = first_column; i < first_column + column_count; i++) {
        int type = sqlite3_column_type(stmt, i);
        if (type == SQLITE_NULL) {
            mc_put_byte(out, PUT_NULL);
        } else if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
            mc_put_byte(out, PUT_NUMBER);
            mc_put_zigzag(out, sqlite3_column_int64(stmt, i));
        } else {
            const void *text = sqlite3_column_text(stmt, i);
            size_t text_bytes = (size_t)sqlite3_column_bytes(stmt, i);
            if (!text && sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM) {
                out->failed = 1;
                return;
            }
            mc_put_byte(out, PUT_TEXT);
            mc_put_varint(out, text_bytes);
            mc_buf_add(out, text, text_bytes);
        }
    }
}

static int take_value(struct mc_span *s, struct mc_plain_value *v)
{
    *v = (struct mc_plain_value){.type = SQLITE_NULL};
    switch (mc_take_byte(s)) {
    case PUT_NULL:
        return s->failed ? MC_ECORRUPT : 0;
    case PUT_NUMBER:
        v->type = SQLITE_INTEGER;
        v->number = mc_take_zigzag(s);
        return s->failed ? MC_ECORRUPT : 0;
    case PUT_TEXT:
        v->type = SQLITE_TEXT;
        v->text_bytes = mc_take_varint(s);
        v->text = (const char *)mc_span_take(s, v->text_bytes);
        return v->text ? 0 : MC_ECORRUPT;
    default:
        return MC_ECORRUPT;
    }
}

int mc_plain_get(enum mc_plain_kind kind, const struct mc_buf *body, struct mc_plain_row *row)
{
    struct mc_span s = mc_span_of(body);
    int rc = 0;
    for (int i = 0; rc == 0 && i < mc_plain_tables[kind].column_count; i++)
        rc = take_value(&s, &row->values[i]);
    return rc == 0 && s.at != s.end ? MC_ECORRUPT : rc;
}

uint64_t mc_plain_sum(enum mc_plain_kind kind, const struct mc_plain_row *row, const void *body,
                      size_t body_bytes)
{
    return mc_chunk_sum(kind, row->run_id, row->ts, row->row_id, 0, body, body_bytes, NULL, 0);
}

size_t mc_plain_columns(enum mc_plain_kind kind, char *sql, size_t sql_bytes)
{
    const struct mc_plain_table *t = &mc_plain_tables[kind];
    size_t at = 0;
    for (int i = 0; i < t->column_count; i++)
        at += (size_t)snprintf(sql + at, sql_bytes - at, ",%s", t->columns[i].name);
    return at;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int put_sum(sqlite3 *db, enum mc_plain_kind kind, const struct mc_plain_row *row,
                   uint64_t sum)
{
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE main.%s SET checksum=?3 WHERE %s", mc_plain_tables[kind].name,
             mc_plain_tables[kind].where);
    const struct mc_bind binds[] = {MC_INT(row->run_id), MC_INT(row->row_id), MC_INT(sum)};
    return mc_sink_run(db, sql, binds, 3);
}

static int put_copy(sqlite3 *db, enum mc_plain_kind kind, const struct mc_plain_row *row,
                    uint64_t sum, const struct mc_buf *body)
{
    const struct mc_bind binds[] = {MC_INT(kind),        MC_INT(row->run_id), MC_INT(row->ts),
                                    MC_INT(row->row_id), MC_INT(sum),         MC_BLOB(body)};
    return mc_sink_run(db, "INSERT OR REPLACE INTO main.row_copy VALUES (?1,?2,?3,?4,?5,?6)", binds,
                       6);
}

/* Read a row's ts, and its columns as bytes. MC_END: it is not there. */
static int read_row(sqlite3 *db, enum mc_plain_kind kind, struct mc_plain_row *row,
                    struct mc_buf *body)
{
    const struct mc_plain_table *t = &mc_plain_tables[kind];
    char sql[512];
    size_t at = (size_t)snprintf(sql, sizeof sql, "SELECT %s", t->ts);
    at += mc_plain_columns(kind, sql + at, sizeof sql - at);
    snprintf(sql + at, sizeof sql - at, " FROM main.%s WHERE %s", t->name, t->where);
    sqlite3_stmt *stmt;
    int rc = mc_file_statement(db, sql, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, row->run_id);
    sqlite3_bind_int64(stmt, 2, row->row_id);
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW) {
        row->ts = sqlite3_column_int64(stmt, 0);
        mc_plain_put(stmt, 1, t->column_count, body);
        rc = body->failed ? MC_ENOMEM : 0;
    } else {
        rc = step == SQLITE_DONE ? MC_END : mc_file_error(db, step);
    }
    mc_file_keep(stmt);
    return rc;
}

int mc_plain_seal(sqlite3 *db, enum mc_plain_kind kind, int64_t run_id, int64_t row_id)
{
    struct mc_plain_row row = {.run_id = run_id, .row_id = row_id};
    struct mc_buf body = {0};
    int rc = read_row(db, kind, &row, &body);
    if (rc == 0) {
        uint64_t sum = mc_plain_sum(kind, &row, body.bytes, body.count);
        rc = put_sum(db, kind, &row, sum);
        if (rc == 0)
            rc = put_copy(db, kind, &row, sum, &body);
    }
    mc_buf_fini(&body);
    return rc == MC_END ? 0 : rc;
}

int mc_plain_forget(sqlite3 *db, enum mc_plain_kind kind, int64_t run_id, int64_t row_id)
{
    const struct mc_bind binds[] = {MC_INT(kind), MC_INT(run_id), MC_INT(row_id)};
    return mc_sink_run(db, "DELETE FROM main.row_copy WHERE kind=?1 AND run_id=?2 AND row_id=?3",
                       binds, 3);
}

/* ---- all rows ------------------------------------------------------------------------------- */

/* The run_id and row_id of every row of a table, appended to `out`. */
static int list_rows(sqlite3 *db, enum mc_plain_kind kind, struct mc_buf *out)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT run_id, %s FROM main.%s", mc_plain_tables[kind].row_id,
             mc_plain_tables[kind].name);
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(db, sql, &stmt), step;
    if (rc < 0)
        return rc;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t ids[2] = {sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
        mc_buf_add(out, ids, sizeof ids);
    }
    sqlite3_finalize(stmt);
    return out->failed ? MC_ENOMEM : mc_file_error(db, step);
}

int mc_plain_seal_all(sqlite3 *db)
{
    int rc = 0;
    for (enum mc_plain_kind kind = 0; rc == 0 && kind < MC_PLAIN_COUNT; kind++) {
        struct mc_buf rows = {0};
        rc = list_rows(db, kind, &rows);
        const int64_t *ids = (const int64_t *)rows.bytes;
        for (size_t i = 0; rc == 0 && i + 1 < rows.count / sizeof *ids; i += 2)
            rc = mc_plain_seal(db, kind, ids[i], ids[i + 1]);
        mc_buf_fini(&rows);
    }
    return rc;
}

/* Write a row as its copy has it. */
static int restore_row(sqlite3 *db, enum mc_plain_kind kind, const struct mc_plain_row *row)
{
    const struct mc_plain_table *t = &mc_plain_tables[kind];
    int has_rowid = strcmp(t->row_id, "rowid") == 0;
    char sql[512];
    size_t at =
        (size_t)snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO main.%s (checksum", t->name);
    at += mc_plain_columns(kind, sql + at, sizeof sql - at);
    at += (size_t)snprintf(sql + at, sizeof sql - at, "%s) VALUES (0", has_rowid ? ",rowid" : "");
    struct mc_bind binds[MC_PLAIN_COLUMNS_MAX + 1];
    int count = t->column_count;
    for (int i = 0; i < count; i++) {
        const struct mc_plain_value *v = &row->values[i];
        binds[i] = (struct mc_bind){v->type, v->number, v->text, v->text_bytes};
    }
    if (has_rowid)
        binds[count++] = MC_INT(row->row_id);
    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(sql + at, sizeof sql - at, ",?%d", i + 1);
    snprintf(sql + at, sizeof sql - at, ")");
    return mc_sink_run(db, sql, binds, count);
}

/* Seal, and restore where need be, the rows that one of the two tells of. */
static int mend(sqlite3 *db, enum mc_plain_kind kind)
{
    struct mc_plain_walk *w;
    const struct mc_plain_row *row;
    const struct mc_plain_range all = MC_PLAIN_ALL;
    int rc = mc_plain_walk_open(db, kind, &all, &w);
    if (rc < 0)
        return rc;
    while ((rc = mc_plain_walk_next(w, &row)) == 0) {
        if (row->row == MC_PLAIN_WHOLE && row->copy == MC_PLAIN_WHOLE)
            continue;
        if (row->row != MC_PLAIN_WHOLE)
            rc = restore_row(db, kind, row);
        if (rc == 0)
            rc = mc_plain_seal(db, kind, row->run_id, row->row_id);
        if (rc < 0)
            break;
    }
    mc_plain_walk_close(w);
    return rc == MC_END ? 0 : rc;
}

int mc_plain_mend(sqlite3 *db)
{
    int rc = mc_file_begin(db);
    for (enum mc_plain_kind kind = 0; rc == 0 && kind < MC_PLAIN_COUNT; kind++)
        rc = mend(db, kind);
    rc = mc_file_end(db, rc);
    /* Readers do without, and so does the writer: what is damaged stays told apart. */
    return rc == MC_ECORRUPT || rc == MC_ENOSPC ? 0 : rc;
}
