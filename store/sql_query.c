/* sql_query.c: one read-only statement over a trace, with limits: for people and for strangers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/plain.h"
#include "store/sql_priv.h"
#include "tracer/error.h"

/* Virtual machine steps between looks at the clock. One step can be a call of a function on the
 * longest texts: LIKE takes about 0.1 s then, everything else less. */
#define PROGRESS_STEPS 16
#define VALUE_BYTES_MAX (64 << 20)          /* of a text or blob */
#define VALUE_BYTES_MAX_LIMITED (256 << 10) /* the same where time is limited */
#define LIKE_BYTES_MAX 250

/* What a query may call. Left out: printf and format (a width makes gigabytes), zeroblob and
 * randomblob (the same), load_extension, and everything that looks outside the file. */
static const char *const functions[] = {
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "avg",
    "ceil",
    "ceiling",
    "changes",
    "char",
    "coalesce",
    "cos",
    "count",
    "cume_dist",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "percentile",
    "pi",
    "pow",
    "power",
    "quote",
    "radians",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sqrt",
    "sqlite_version",
    "strftime",
    "substr",
    "substring",
    "sum",
    "tan",
    "time",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
    "->",
    "->>",
};

struct guard {
    int64_t deadline_ns;     /* CLOCK_MONOTONIC; 0: none */
    int64_t cpu_deadline_ns; /* CLOCK_THREAD_CPUTIME_ID */
    int64_t soonest_ns;      /* CLOCK_MONOTONIC: before it the above can't have come */
    int64_t memory_bytes, memory_start;
    const atomic_int *gone; /* borrowed */
    const char *denied;     /* what the authorizer refused; static */
    const char *limit;      /* which limit stopped the query; static */
    char function[64];
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *db,
                     const char *inner)
{
    (void)a;
    (void)db;
    (void)inner;
    struct guard *g = arg;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        for (size_t i = 0; b && i < sizeof functions / sizeof functions[0]; i++) {
            if (sqlite3_stricmp(functions[i], b) == 0)
                return SQLITE_OK;
        }
        snprintf(g->function, sizeof g->function, "the function %s", b ? b : "");
        g->denied = g->function;
        return SQLITE_DENY;
    case SQLITE_PRAGMA:
        g->denied = "PRAGMA";
        return SQLITE_DENY;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        g->denied = "another database";
        return SQLITE_DENY;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        g->denied = "a transaction";
        return SQLITE_DENY;
    default:
        g->denied = "to change anything";
        return SQLITE_DENY;
    }
}

/* The query's own time can't be up before the clock's is, which is the cheaper one to read. */
static int time_is_up(const struct guard *g)
{
    if (!g->deadline_ns)
        return 0;
    int64_t now = now_ns(CLOCK_MONOTONIC);
    return now >= g->soonest_ns &&
           (now >= g->deadline_ns || now_ns(CLOCK_THREAD_CPUTIME_ID) >= g->cpu_deadline_ns);
}

static int progress(void *arg)
{
    struct guard *g = arg;
    if (g->gone && atomic_load(g->gone))
        g->limit = "caller's";
    else if (time_is_up(g))
        g->limit = "time";
    else if (g->memory_bytes && sqlite3_memory_used() - g->memory_start > g->memory_bytes)
        g->limit = "memory";
    return g->limit != NULL;
}

/* Have SQLite connect to every table now, once for the connection's life: connecting declares the
 * table's columns, which an authorizer sees as a CREATE TABLE. A statement that does not compile
 * (slot_state without its arguments) has connected all the same. */
static void connect_tables(sqlite3 *db)
{
    for (size_t i = 0; i <= mc_sql_table_count + MC_PLAIN_COUNT; i++) {
        char sql[64];
        sqlite3_stmt *stmt = NULL;
        snprintf(sql, sizeof sql, "SELECT 1 FROM \"%s\"",
                 i < MC_PLAIN_COUNT                        ? mc_sql_plain_names[i]
                 : i < MC_PLAIN_COUNT + mc_sql_table_count ? mc_sql_tables[i - MC_PLAIN_COUNT].name
                                                           : "json_each");
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
        sqlite3_finalize(stmt);
    }
}

static int open_query_db(struct mc_reader *r, char *why, size_t why_bytes)
{
    if (r->query_db)
        return 0;
    sqlite3 *db;
    int rc = mc_reader_open_db(r->path, &db, why, why_bytes);
    if (rc < 0)
        return rc;
    rc = mc_sql_register(db, r, 0);
    if (rc == 0)
        rc = mc_sql_bound_functions(db);
    if (rc == 0)
        rc = mc_file_exec(db, "PRAGMA query_only=1");
    if (rc < 0) {
        mc_file_why(rc, why, why_bytes, "%s: the tables could not be made: %s", r->path,
                    sqlite3_errmsg(db));
        sqlite3_close(db);
        return rc;
    }
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 65536);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 100);
    sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 50);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 500);
    sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 100000);
    sqlite3_limit(db, SQLITE_LIMIT_FUNCTION_ARG, 50);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LIKE_BYTES_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    connect_tables(db);
    r->query_db = db;
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static const char *blob_text(sqlite3_stmt *stmt, int column, struct mc_buf *hex)
{
    const uint8_t *bytes = sqlite3_column_blob(stmt, column);
    int count = sqlite3_column_bytes(stmt, column);
    size_t at = hex->count;
    uint8_t *to = mc_buf_reserve(hex, (size_t)count * 2 + 1);
    if (!to)
        return NULL;
    for (int i = 0; i < count; i++) {
        to[2 * i] = (uint8_t) "0123456789abcdef"[bytes[i] >> 4];
        to[2 * i + 1] = (uint8_t) "0123456789abcdef"[bytes[i] & 15];
    }
    to[2 * count] = 0;
    hex->count += (size_t)count * 2 + 1;
    return (const char *)hex->bytes + at;
}

struct output {
    sqlite3_stmt *stmt;
    mc_query_fn fn;
    void *arg;
    int column_count;
    const char **text; /* owned */
    int *type;         /* owned */
    struct mc_buf hex;
};

static int give_names(struct output *o)
{
    for (int i = 0; i < o->column_count; i++)
        o->text[i] = sqlite3_column_name(o->stmt, i);
    struct mc_query_row row = {o->column_count, o->text, NULL};
    return o->fn(o->arg, &row);
}

static int give_row(struct output *o)
{
    /* Blobs' texts stand in one buffer: first make room for all of them, so that none moves. */
    size_t room = 0;
    for (int i = 0; i < o->column_count; i++) {
        o->type[i] = sqlite3_column_type(o->stmt, i);
        if (o->type[i] == SQLITE_BLOB)
            room += (size_t)sqlite3_column_bytes(o->stmt, i) * 2 + 1;
    }
    o->hex.count = 0;
    if (room && !mc_buf_reserve(&o->hex, room))
        return MC_ENOMEM;
    for (int i = 0; i < o->column_count; i++) {
        if (o->type[i] == SQLITE_BLOB)
            o->text[i] = blob_text(o->stmt, i, &o->hex);
        else if (o->type[i] == SQLITE_NULL)
            o->text[i] = NULL;
        else
            o->text[i] = (const char *)sqlite3_column_text(o->stmt, i);
        if (!o->text[i] && o->type[i] != SQLITE_NULL)
            return MC_ENOMEM;
    }
    struct mc_query_row row = {o->column_count, o->text, o->type};
    return o->fn(o->arg, &row);
}

/* Step through; *step is SQLite's last word, the return the caller's (or MC_ENOMEM). */
static int give_all(struct output *o, int64_t row_limit, int *truncated, int *step)
{
    int64_t rows = 0;
    int rc = give_names(o);
    *step = SQLITE_DONE;
    while (rc == 0 && (*step = sqlite3_step(o->stmt)) == SQLITE_ROW) {
        if (row_limit && rows == row_limit) {
            *truncated = 1;
            *step = SQLITE_DONE;
            break;
        }
        rows++;
        rc = give_row(o);
    }
    return rc;
}

/* ---- the query ------------------------------------------------------------------------------ */

static int explain(struct mc_reader *r, const struct guard *g, int step, char *why,
                   size_t why_bytes)
{
    if (g->limit)
        return mc_file_why(MC_ELIMIT, why, why_bytes,
                           "the query was stopped: its %s limit was reached", g->limit);
    if (g->denied)
        return mc_file_why(MC_EDENIED, why, why_bytes,
                           "not allowed in a query: %s; a trace can only be read", g->denied);
    static const char not_a_table[] = "cannot modify "; /* a view, or a virtual table */
    if (strncmp(sqlite3_errmsg(r->query_db), not_a_table, sizeof not_a_table - 1) == 0)
        return mc_file_why(MC_EDENIED, why, why_bytes,
                           "not allowed in a query: to change anything; a trace can only be read");
    int code = mc_file_error(r->query_db, step);
    if (code == MC_EIO && (step & 0xff) != SQLITE_IOERR)
        code = MC_ESQL;
    return mc_file_why(code, why, why_bytes, "%s", sqlite3_errmsg(r->query_db));
}

static int only_space(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == 0;
}

static int run_query(struct mc_reader *r, const char *sql, int64_t row_limit, struct output *o,
                     struct guard *g, int *truncated, char *why, size_t why_bytes)
{
    const char *rest = "";
    int step = sqlite3_prepare_v2(r->query_db, sql, -1, &o->stmt, &rest);
    if (step != SQLITE_OK)
        return explain(r, g, step, why, why_bytes);
    if (!o->stmt)
        return mc_file_why(MC_ESQL, why, why_bytes, "the query is empty; give one SELECT");
    if (!only_space(rest))
        return mc_file_why(MC_ESQL, why, why_bytes, "one statement at a time; leave out: %.60s",
                           rest);
    if (!sqlite3_stmt_readonly(o->stmt))
        return mc_file_why(MC_EDENIED, why, why_bytes, "a trace can only be read; give a SELECT");
    o->column_count = sqlite3_column_count(o->stmt);
    o->text = calloc((size_t)o->column_count + 1, sizeof *o->text);
    o->type = calloc((size_t)o->column_count + 1, sizeof *o->type);
    if (!o->text || !o->type)
        return mc_file_why(MC_ENOMEM, why, why_bytes, "out of memory");
    int rc = give_all(o, row_limit, truncated, &step);
    if (rc)
        return rc;
    return step == SQLITE_DONE ? 0 : explain(r, g, step, why, why_bytes);
}

/* While a query runs, its guard stops it; with NULL none does. */
static void set_guard(struct mc_reader *r, struct guard *g, int is_limited)
{
    struct guard *stopper = is_limited ? g : NULL;
    sqlite3_set_authorizer(r->query_db, g ? authorize : NULL, g);
    sqlite3_progress_handler(r->query_db, PROGRESS_STEPS, stopper ? progress : NULL, stopper);
    r->stop = stopper ? progress : NULL;
    r->stop_arg = stopper;
}

int mc_reader_query(struct mc_reader *r, const char *sql, const struct mc_query_limits *limits,
                    mc_query_fn fn, void *arg, int *truncated, char *why, size_t why_bytes)
{
    int rc = open_query_db(r, why, why_bytes);
    if (rc < 0)
        return rc;
    struct mc_query_limits none = {0};
    if (!limits)
        limits = &none;
    struct guard g = {.memory_bytes = limits->memory_bytes,
                      .memory_start = sqlite3_memory_used(),
                      .gone = limits->gone};
    if (limits->time_ms) {
        g.cpu_deadline_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) + limits->time_ms * 1000000;
        g.soonest_ns = now_ns(CLOCK_MONOTONIC) + limits->time_ms * 1000000;
        g.deadline_ns = g.soonest_ns + (MC_QUERY_WALL_TIMES - 1) * limits->time_ms * 1000000;
    }
    int is_limited = limits->time_ms || limits->memory_bytes;
    sqlite3_limit(r->query_db, SQLITE_LIMIT_LENGTH,
                  is_limited ? VALUE_BYTES_MAX_LIMITED : VALUE_BYTES_MAX);
    set_guard(r, &g, is_limited || limits->gone);
    struct output o = {.fn = fn, .arg = arg};
    int cut = 0;
    rc = run_query(r, sql, limits->rows, &o, &g, &cut, why, why_bytes);
    sqlite3_finalize(o.stmt);
    free(o.text);
    free(o.type);
    mc_buf_fini(&o.hex);
    set_guard(r, NULL, 0);
    if (rc == 0 && truncated)
        *truncated = cut;
    return rc;
}
