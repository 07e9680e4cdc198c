/* sql_priv.h: the tables of DESIGN.md as virtual tables over the rows of a trace.
 *
 * A table is a description (sql_tables.c), an iterator of one of a few sorts (sql_rows.c) and the
 * plumbing that SQLite wants (sql_module.c).
 * Threads: as the connection's.
 */
#ifndef MC_SQL_PRIV_H
#define MC_SQL_PRIV_H

#include "store/reader_priv.h"

/* What a column shows. */
enum mc_sql_what {
    MC_SQL_RUN,
    MC_SQL_TS,
    MC_SQL_SOURCE,   /* the source's name */
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
    MC_SQL_SUMMARIES,
    MC_SQL_HOLES
};

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

/* What a query asks of a table. */
struct mc_sql_filter {
    int64_t run_id;     /* 0: all */
    int64_t from, to;   /* ts, both ends included */
    const char *source; /* owned by the iterator's owner; NULL: all */
    uint64_t columns;   /* a bit for each column that is used */
};

/* An iterator over the rows of one table. */
struct mc_sql_rows;
int mc_sql_rows_open(struct mc_reader *r, const struct mc_sql_table *table,
                     const struct mc_sql_filter *filter, struct mc_sql_rows **out);
void mc_sql_rows_close(struct mc_sql_rows *rows);
/* Go to the next row (the first one after open). 0, MC_END, or a code. */
int mc_sql_rows_next(struct mc_sql_rows *rows);
/* Give a column of the row to SQLite. */
void mc_sql_rows_column(struct mc_sql_rows *rows, int column, sqlite3_context *context);

/* Register all tables and make the views on `db`; they read through `r`, which stays the caller's
 * unless `take` says that it goes with the connection. */
int mc_sql_register(sqlite3 *db, struct mc_reader *r, int take);

/* Put functions in SQLite's place whose one call could take minutes: sql_functions.c. */
int mc_sql_bound_functions(sqlite3 *db);

#endif
