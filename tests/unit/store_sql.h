/* store_sql.h: answers of a trace's tables and of plain tables as one text each, and compared. */
#ifndef MC_TEST_STORE_SQL_H
#define MC_TEST_STORE_SQL_H

#include <sqlite3.h>

#include "tests/unit/store_trace.h"

static sqlite3 *plain; /* the same rows, in ordinary tables */

static inline void sql_add_cell(struct mc_buf *out, const char *text, int is_last)
{
    mc_buf_add_str(out, text ? text : "NULL");
    mc_buf_add_char(out, is_last ? '\n' : '|');
}

/* A mc_query_fn: append a row of cells to the struct mc_buf. */
static inline int sql_add_row(void *arg, const struct mc_query_row *row)
{
    for (int i = 0; row->type && i < row->column_count; i++)
        sql_add_cell(arg, row->text[i], i + 1 == row->column_count);
    return 0;
}

/* What a trace answers, NUL-terminated, in place of what `out` held. */
static inline void sql_ask(struct mc_reader *r, const char *sql, struct mc_buf *out)
{
    char why[256] = "";
    out->count = 0;
    CHECK_INT(mc_reader_query(r, sql, NULL, sql_add_row, out, NULL, why, sizeof why), 0);
    if (why[0])
        fprintf(stderr, "%s: %s\n", sql, why);
    mc_buf_add_char(out, 0);
}

/* What the plain tables answer, likewise. */
static inline void sql_ask_plain(const char *sql, struct mc_buf *out)
{
    sqlite3_stmt *stmt = NULL;
    out->count = 0;
    CHECK_INT(sqlite3_prepare_v2(plain, sql, -1, &stmt, NULL), SQLITE_OK);
    if (!stmt)
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(plain));
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        int n = sqlite3_column_count(stmt);
        for (int i = 0; i < n; i++)
            sql_add_cell(out, (const char *)sqlite3_column_text(stmt, i), i + 1 == n);
    }
    sqlite3_finalize(stmt);
    mc_buf_add_char(out, 0);
}

/* Both answers are to be the same, each to its own query. Returns how long they are. */
static inline size_t sql_same_as(struct mc_reader *r, const char *sql, const char *plain_sql)
{
    struct mc_buf a = {0}, b = {0};
    sql_ask(r, sql, &a);
    sql_ask_plain(plain_sql, &b);
    int same = strcmp((char *)a.bytes, (char *)b.bytes) == 0;
    if (!same)
        fprintf(stderr, "%s\n got %.300s\nwant %.300s\n", sql, (char *)a.bytes, (char *)b.bytes);
    CHECK(same);
    size_t bytes = a.count;
    mc_buf_fini(&a);
    mc_buf_fini(&b);
    return bytes;
}

static inline void sql_same(struct mc_reader *r, const char *sql)
{
    sql_same_as(r, sql, sql);
}

#endif
