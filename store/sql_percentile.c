/* sql_percentile.c: percentile(value, p): the p-th percentile, p from 0 to 100, of the values that
 * are not NULL; between two of them, in proportion. As in SQLite's own extension of that name.
 *
 * Its memory is SQLite's, so that a query's limit of memory holds for it.
 */
#include <stdlib.h>

#include "store/sql_priv.h"

struct values {
    double *all; /* owned */
    sqlite3_int64 count, room;
    double p;
    int has_p;
};

static void fail(sqlite3_context *context, struct values *v, const char *why)
{
    sqlite3_result_error(context, why, -1);
    sqlite3_free(v->all);
    *v = (struct values){.room = -1};
}

static void add(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct values *v = sqlite3_aggregate_context(context, sizeof *v);
    if (!v) {
        sqlite3_result_error_nomem(context);
        return;
    }
    int p_type = sqlite3_value_numeric_type(argv[1]), type = sqlite3_value_type(argv[0]);
    double p = sqlite3_value_double(argv[1]);
    if (v->room < 0)
        return; /* failed before */
    if ((p_type != SQLITE_INTEGER && p_type != SQLITE_FLOAT) || !(p >= 0 && p <= 100) ||
        (v->has_p && p < v->p) || (v->has_p && p > v->p)) {
        fail(context, v, "percentile(value, p): p is one number from 0 to 100");
        return;
    }
    v->p = p;
    v->has_p = 1;
    if (type == SQLITE_NULL)
        return;
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
        fail(context, v, "percentile(value, p): a value is not a number");
        return;
    }
    if (v->count == v->room) {
        sqlite3_int64 room = v->room ? v->room * 2 : 64;
        double *all = sqlite3_realloc64(v->all, (sqlite3_uint64)room * sizeof *all);
        if (!all) {
            fail(context, v, "");
            sqlite3_result_error_nomem(context);
            return;
        }
        v->all = all;
        v->room = room;
    }
    v->all[v->count++] = sqlite3_value_double(argv[0]);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void finish(sqlite3_context *context)
{
    struct values *v = sqlite3_aggregate_context(context, 0);
    if (!v || !v->count)
        return;
    qsort(v->all, (size_t)v->count, sizeof *v->all, by_value);
    double place = v->p / 100 * (double)(v->count - 1);
    sqlite3_int64 below = (sqlite3_int64)place;
    double result = v->all[below];
    if (below + 1 < v->count)
        result += (v->all[below + 1] - v->all[below]) * (place - (double)below);
    sqlite3_result_double(context, result);
    sqlite3_free(v->all);
    v->all = NULL;
}

int mc_sql_register_percentile(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "percentile", 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                      NULL, add, finish, NULL);
}
