/* test_store_strangers.c: statements that want time and memory, and files whose schema is a trap.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/store_trace.h"
#include "tracer/error.h"

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int keep_row(void *arg, const struct mc_query_row *row)
{
    for (int i = 0; row->type && i < row->column_count; i++) {
        mc_buf_add_str(arg, row->text[i] ? row->text[i] : "NULL");
        mc_buf_add_char(arg, '|');
    }
    return 0;
}

/* ---- calls that take as long as the longest texts make them -------------------------------- */

/* b.s: 262,143 times 'a'; n.i: 1, 2, 3… without end. */
#define LONG_TEXTS                                                                                 \
    "WITH RECURSIVE a(x, s) AS (SELECT 1, 'a' UNION ALL SELECT x+1, s||s FROM a WHERE x<18), "     \
    "b AS (SELECT s||substr(s,1,131071) AS s FROM a WHERE x=18), "                                 \
    "n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "

static void long_calls_are_stopped(void)
{
    static const char *const calls[] = {
        "sum(s LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%b')",
        "sum(s LIKE '%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')",
        "sum(s GLOB '*a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b')",
        "sum(s GLOB '*[a-z][a-z][a-z][a-z][a-z][a-z][a-z][a-z][a-z][a-z][a-z][a-z]b')",
        "sum(instr(s, substr(s,1,100000)||'b'))",
        "sum(length(replace(s, substr(s,1,100000)||'b', '')))",
        "sum(length(replace(s, 'a', 'a')))",
        "sum(length(trim(s, substr(s,1,250))))",
        "sum(length(trim(s, s)))",
        "sum(length(ltrim('b'||s, 'x'||s)))",
        "sum(length(upper(lower(upper(lower(s))))))",
        "sum(json_valid(replace(s, 'a', '[')))",
        "sum(json_valid('['||replace(substr(s,1,100000), 'a', '1,')||'1]'))",
        "sum(length(hex(hex(hex(s)))))",
        "sum(length(strftime(replace(substr(s,1,100000), 'a', '%s'), 'now')))",
        "max(s||i)",
        "count(DISTINCT s||i)",
        "group_concat(s)",
    };
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    struct mc_query_limits limits = {.rows = 100, .time_ms = 100, .memory_bytes = 64 << 20};
    int64_t longest = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char sql[1200], why[256] = "";
        snprintf(sql, sizeof sql, LONG_TEXTS "SELECT %s FROM b, n", calls[i]);
        struct mc_buf out = {0};
        int64_t start = cpu_ns();
        int rc = mc_reader_query(r, sql, &limits, keep_row, &out, NULL, why, sizeof why);
        int64_t took = cpu_ns() - start;
        longest = took > longest ? took : longest;
        if (rc != MC_ELIMIT || took > 1500000000)
            fprintf(stderr, "%s: %s in %.2f s\n", calls[i], mc_strerror(rc), (double)took / 1e9);
        CHECK_INT(rc, MC_ELIMIT);
        CHECK(took < 1500000000);
        mc_buf_fini(&out);
    }
    printf("     the longest took %.2f s of 0.10\n", (double)longest / 1e9);
    mc_reader_close(r);
}

/* A table that reads on and on for a row that is not there. */
static void scans_without_a_row_are_stopped(void)
{
    struct mc_reader *r;
    char why[256] = "";
    struct mc_buf out = {0};
    struct mc_query_limits limits = {.time_ms = 1, .memory_bytes = 64 << 20};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    int rc = mc_reader_query(r,
                             "SELECT count(*) FROM event a JOIN slot_change b WHERE "
                             "b.pool='nowhere' OR a.detail='nothing'",
                             &limits, keep_row, &out, NULL, why, sizeof why);
    CHECK_INT(rc, MC_ELIMIT);
    CHECK(strstr(why, "time limit") != NULL);
    mc_buf_fini(&out);
    /* And the reader is good for the next one. */
    CHECK_INT(mc_reader_query(r, "SELECT count(*) FROM process_sample", NULL, keep_row, &out, NULL,
                              why, sizeof why),
              0);
    mc_buf_add_char(&out, 0);
    CHECK_STR((char *)out.bytes, "60|");
    mc_buf_fini(&out);
    mc_reader_close(r);
}

/* ---- the functions that stand in for SQLite's ------------------------------------------------ */

static void random_text(char *to, size_t room)
{
    static const char *const letters[] = {"a", "a", "b", " ", "\xc3\xa9", "\xe2\x82\xac", "ab"};
    size_t at = 0;
    for (int n = rand() % 9; n > 0 && at + 4 < room; n--)
        at += (size_t)snprintf(to + at, room - at, "%s",
                               letters[(size_t)rand() % (sizeof letters / sizeof letters[0])]);
    to[at] = 0;
}

static void functions_answer_as_sqlites(void)
{
    static const char *const forms[] = {
        "instr('%1$s','%2$s')",
        "replace('%1$s','%2$s','%3$s')",
        "trim('%1$s','%2$s')",
        "ltrim('%1$s','%2$s')",
        "rtrim('%1$s','%2$s')",
        "trim('%1$s')",
        "instr(CAST('%1$s' AS BLOB),CAST('%2$s' AS BLOB))",
        "typeof(instr(NULL,'%2$s'))",
        "typeof(trim(NULL))||replace('%1$s',12,'%3$s')",
        "rtrim(12.50,'0%2$s')",
    };
    sqlite3 *db;
    struct mc_reader *r;
    CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    srand(7);
    for (int i = 0; i < 200; i++) {
        char a[64], b[64], c[64], form[300], sql[320];
        random_text(a, sizeof a);
        random_text(b, sizeof b);
        random_text(c, sizeof c);
        snprintf(form, sizeof form, forms[(size_t)i % (sizeof forms / sizeof forms[0])], a, b, c);
        snprintf(sql, sizeof sql, "SELECT %s", form);
        sqlite3_stmt *stmt = NULL;
        CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
        CHECK_INT(sqlite3_step(stmt), SQLITE_ROW);
        char want[200];
        snprintf(want, sizeof want, "%s|", (const char *)sqlite3_column_text(stmt, 0));
        struct mc_buf out = {0};
        CHECK_INT(mc_reader_query(r, sql, NULL, keep_row, &out, NULL, NULL, 0), 0);
        mc_buf_add_char(&out, 0);
        if (strcmp((char *)out.bytes, want) != 0)
            fprintf(stderr, "%s\n", sql);
        CHECK_STR((char *)out.bytes, want);
        mc_buf_fini(&out);
        sqlite3_finalize(stmt);
    }
    mc_reader_close(r);
    sqlite3_close(db);
}

/* ---- a schema that runs by itself ------------------------------------------------------------ */

static void foreign_schemas_are_refused(void)
{
    static const struct gen_options tiny = {
        .seed = 1, .lisp_slots = 50, .conn_slots = 10, .requests = 1};
    static const char *const traps[] = {
        "CREATE TRIGGER gap_added AFTER INSERT ON gap BEGIN DELETE FROM run; END",
        "CREATE VIEW conn AS SELECT printf('%.*c', 9000, 'x') AS conn_id",
        "CREATE VIEW event AS SELECT 1 AS ts",
        "CREATE TABLE pool_sample (run_id, ts, pool, used)",
        "CREATE TABLE notes (a CHECK (length(printf('%.*c', 9000, 'x')) > 0))",
        "CREATE TABLE notes (a, b AS (printf('%.*c', 9000, 'x')))",
        "CREATE INDEX slow ON run (printf('%.*c', 9000, 'x'))",
        "CREATE VIRTUAL TABLE words USING fts5(a)",
        "DROP INDEX gap_ts",
        "DROP TABLE tail",
        "ALTER TABLE gap ADD COLUMN more TEXT DEFAULT 'x'",
        "ALTER TABLE mark RENAME COLUMN label TO lable",
    };
    for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++) {
        trace_write(&tiny, 4, 2, 2, 1);
        sqlite3 *db;
        struct mc_reader *r;
        struct mc_writer *w;
        char why[256] = "";
        CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
        CHECK_INT(sqlite3_exec(db, traps[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        int64_t start = cpu_ns(), findings;
        if (mc_reader_open(trace_path, &r, why, sizeof why) != MC_EFORMAT)
            fprintf(stderr, "taken: %s\n", traps[i]);
        CHECK(strstr(why, "its tables are not those of a trace") != NULL);
        CHECK_INT(mc_writer_open(trace_path, NULL, &w, why, sizeof why), MC_EFORMAT);
        CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), MC_EFORMAT);
        CHECK_INT(mc_trace_mark(trace_path, 1, 0, 0, "x", "me", NULL), MC_EFORMAT);
        CHECK(cpu_ns() - start < 500000000);
    }
    /* What ANALYZE leaves is harmless. */
    trace_write(&tiny, 4, 2, 2, 1);
    sqlite3 *db;
    struct mc_reader *r;
    CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "ANALYZE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    mc_reader_close(r);
}

int main(void)
{
    trace_name("strangers");
    trace_write(&trace_busy, 60, 20, 10, 1);
    RUN(long_calls_are_stopped);
    RUN(scans_without_a_row_are_stopped);
    RUN(functions_answer_as_sqlites);
    RUN(foreign_schemas_are_refused);
    trace_remove();
    return CHECK_DONE();
}
