/* sql_priv.h: the tables of DESIGN.md as virtual tables over the rows of a trace.
 *
 * A table is a description (sql_tables.c), an iterator of one of a few sorts (sql_rows.c) and the
 * plumbing that SQLite wants (sql_module.c). sql_plan.c says what is pushed down, sql_scan.c puts
 * the rows of several runs in order. Threads: as the connection's.
 */
#ifndef MC_SQL_PRIV_H
#define MC_SQL_PRIV_H

#include "store/reader_priv.h"

/* What a column shows. */
enum mc_sql_what {
    MC_SQL_RUN,
    MC_SQL_TS,
    MC_SQL_SOURCE,   /* the source's name; of an event its type */
    MC_SQL_FIELD,    /* the number `field` of the source */
    MC_SQL_FREE,     /* a slab's slots that are not used */
    MC_SQL_SLOTS,    /* slot_count */
    MC_SQL_CAPACITY, /* capacity_bytes */
    MC_SQL_OTHER     /* `field` is the iterator's own number */
};

struct mc_sql_column {
    const char *name, *type;
    enum mc_sql_what what;
    int field;
};

enum mc_sql_sort {
    MC_SQL_SAMPLES,
    MC_SQL_METRICS,
    MC_SQL_EVENTS,
    MC_SQL_GCS,
    MC_SQL_CHANGES,
    MC_SQL_STATES,
    MC_SQL_LIFETIMES,
    MC_SQL_CONNS,
    MC_SQL_SUMMARIES,
    MC_SQL_HOLES
};

/* Numbers of an event that are pushed down: `field` of its columns. */
enum { MC_SQL_EVENT_CONN = 1, MC_SQL_EVENT_BEGIN = 9 };

#define MC_SQL_COLUMNS_MAX 16

struct mc_sql_table {
    const char *name;
    enum mc_sql_sort sort;
    int kind; /* of the sources, where the sort asks for one */
    struct mc_sql_column columns[MC_SQL_COLUMNS_MAX];
};
extern const struct mc_sql_table mc_sql_tables[];
extern const size_t mc_sql_table_count;
/* Statements that make the views; each is run on its own. */
extern const char *const mc_sql_views[];
extern const size_t mc_sql_view_count;

/* ---- what a query asks of a table ------------------------------------------------------------ */

/* A span of integers, both ends included; empty when min > max. */
struct mc_sql_span {
    int64_t min, max;
};

/* What the values of a column of numbers must be; missing ones never are. */
struct mc_sql_bound {
    int column;
    struct mc_sql_span span;
};
#define MC_SQL_BOUNDS_MAX 8

/* In which order rows come. */
enum mc_sql_order {
    MC_SQL_BY_RUN,    /* run, then ts */
    MC_SQL_BY_TS,     /* ts alone: runs merged */
    MC_SQL_BY_SOURCE, /* source, then run, then ts */
    MC_SQL_BY_RUN_SOURCE
};
/* Most runs that are merged, and sources that are walked one after the other: past these, sorting
 * is cheaper (each walk decompresses each chunk). */
#define MC_SQL_MERGED_RUNS 16
#define MC_SQL_WALKED_SOURCES 32

struct mc_sql_filter {
    struct mc_sql_span run_id, ts;
    const char *source; /* borrowed; of events their type; NULL: all */
    struct mc_sql_bound bounds[MC_SQL_BOUNDS_MAX];
    int bound_count;
    uint32_t columns; /* a bit for each column that is used */
    enum mc_sql_order order;
    int in_order; /* events: by ts, and not only by frame */
    int run_desc, ts_desc, source_desc;
    int64_t row_limit; /* INT64_MAX: none */
};

/* Let `to` be a copy of `from`, and its source one that *source owns, which frees the one before.
 * 0, or MC_ENOMEM: nothing has changed. */
int mc_sql_filter_copy(struct mc_sql_filter *to, char **source, const struct mc_sql_filter *from);

/* SQLite's xBestIndex: which constraints, which order and which limit are done here. idxStr says it
 * in words, which EXPLAIN QUERY PLAN shows and mc_sql_plan_filter reads back. */
int mc_sql_plan(const struct mc_sql_table *t, struct mc_reader *r, sqlite3_index_info *info);
/* The filter that a plan makes of its arguments; its source borrows from argv. 0, or MC_ENOMEM.
 * A filter that nothing can meet has an empty span. */
int mc_sql_plan_filter(const struct mc_sql_table *t, int idx_num, const char *idx_str, int argc,
                       sqlite3_value **argv, struct mc_sql_filter *out);

/* ---- rows -------------------------------------------------------------------------------------
 */

/* The rows of one run, in its order of time or against it; filter->run_id is not looked at. */
struct mc_sql_rows;
int mc_sql_rows_open(struct mc_reader *r, const struct mc_sql_table *table, int64_t run_id,
                     const struct mc_sql_filter *filter, struct mc_sql_rows **out);
void mc_sql_rows_close(struct mc_sql_rows *rows);
/* Begin anew with another filter of the same plan, keeping what was decoded when it serves again:
 * the inner table of a join asks for one instant after the other. */
int mc_sql_rows_restart(struct mc_sql_rows *rows, const struct mc_sql_filter *filter);
/* Go to the next row (the first one after open). 0, MC_END, or a code. */
int mc_sql_rows_next(struct mc_sql_rows *rows);
int64_t mc_sql_rows_ts(const struct mc_sql_rows *rows);
/* Give a column of the row to SQLite. */
void mc_sql_rows_column(struct mc_sql_rows *rows, int column, sqlite3_context *context);
/* A number that is this row's alone, and the same in every scan: SQLite tells rows that answer
 * several arms of an OR apart by it. */
int64_t mc_sql_rows_id(const struct mc_sql_rows *rows);

/* How many sources (metrics, where a histogram has several) of a run a table shows; and their
 * names, appended as char * that the caller frees. 0 or MC_ENOMEM. */
size_t mc_sql_source_count(const struct mc_sql_table *table, const struct mc_schema *schema);
int mc_sql_source_names(const struct mc_sql_table *table, const struct mc_schema *schema,
                        struct mc_buf *names);

/* The rows of all runs that a filter wants, in its order. */
struct mc_sql_scan;
int mc_sql_scan_new(struct mc_reader *r, const struct mc_sql_table *table,
                    struct mc_sql_scan **out);
void mc_sql_scan_free(struct mc_sql_scan *scan);
/* Begin, or begin anew; copies the filter, and the source that it names. */
int mc_sql_scan_start(struct mc_sql_scan *scan, const struct mc_sql_filter *filter);
/* Go to the next row; its rows, borrowed until the next call, in *out. 0, MC_END, or a code. */
int mc_sql_scan_next(struct mc_sql_scan *scan, struct mc_sql_rows **out);

/* The file's runs in a span of run ids, appended as int64_t, by run id. 0 or a code. */
int mc_sql_runs(struct mc_reader *r, const struct mc_sql_span *run_ids, struct mc_buf *out);

/* Register all tables and make the views on `db`; they read through `r`, which stays the caller's
 * unless `take` says that it goes with the connection. */
int mc_sql_register(sqlite3 *db, struct mc_reader *r, int take);

/* The plain tables' whole rows, as virtual tables of these names: sql_plain.c. A SQLite code. */
extern const char *const mc_sql_plain_names[];
int mc_sql_register_plain(sqlite3 *db);

/* Put functions in SQLite's place whose one call could take minutes: sql_functions.c. */
int mc_sql_bound_functions(sqlite3 *db);

/* The aggregate percentile(value, p). A SQLite code. */
int mc_sql_register_percentile(sqlite3 *db);

#endif
