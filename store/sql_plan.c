/* sql_plan.c: what of a query the virtual tables do themselves: constraints, order, limit.
 *
 * A plan is words, "run_id=? AND ts>=? AND pool=? ORDER BY ts DESC LIMIT ? READS ts, used": one
 * term for each argument, in argv's order. EXPLAIN QUERY PLAN shows them, and the filter is made by
 * reading them back. Terms that are pushed down hold exactly as SQLite would compare, so that it
 * need not look again; those where it might (a source compared with something that is no text) it
 * checks itself.
 */
#include <string.h>

#include "store/sql_plan_priv.h"
#include "tracer/error.h"

/* SQLite of before 3.38 has no sqlite3_vtab_in and the like, nor LIMIT as a constraint. */
static int is_new(void)
{
    return sqlite3_libversion_number() >= 3038000;
}

/* ---- which constraints ------------------------------------------------------------------------
 */

static int is_number(enum mc_sql_what what)
{
    return what == MC_SQL_FIELD || what == MC_SQL_FREE || what == MC_SQL_SLOTS ||
           what == MC_SQL_CAPACITY;
}

/* The text of an operator that can be pushed down for this column; NULL: it can't. */
static const char *pushed(const struct mc_sql_table *t, const struct sqlite3_index_constraint *c)
{
    if (c->iColumn < 0)
        return NULL;
    const struct mc_sql_column *column = &t->columns[c->iColumn];
    int text = column->what == MC_SQL_SOURCE;
    int number = column->what == MC_SQL_RUN || column->what == MC_SQL_TS ||
                 is_number(column->what) ||
                 (t->sort == MC_SQL_METRICS && column->what == MC_SQL_OTHER) ||
                 (t->sort == MC_SQL_EVENTS && column->what == MC_SQL_OTHER &&
                  (column->field == MC_SQL_EVENT_CONN || column->field == MC_SQL_EVENT_BEGIN));
    /* A table-valued function has arguments, not spans. */
    int only_equal = text || t->sort == MC_SQL_STATES;
    for (int i = 0; (text || number) && i < MC_SQL_OP_COUNT; i++) {
        if (mc_sql_ops[i].op == c->op && (!only_equal || c->op == SQLITE_INDEX_CONSTRAINT_EQ))
            return mc_sql_ops[i].text;
    }
    return NULL;
}

static int is_bound(const struct mc_sql_table *t, int column)
{
    enum mc_sql_what what = t->columns[column].what;
    return what != MC_SQL_RUN && what != MC_SQL_TS && what != MC_SQL_SOURCE;
}

/* Whether a list of numbers, or of types of events, would be a scan of the same rows for each. */
static int is_scan_each(const struct mc_sql_table *t, int column)
{
    return is_bound(t, column) ||
           (t->sort == MC_SQL_EVENTS && t->columns[column].what == MC_SQL_SOURCE);
}

/* Whether it is known now that a source is compared with a text, so that strcmp is all there is. */
static int is_text_constant(sqlite3_index_info *info, int i)
{
    sqlite3_value *value = NULL;
    return is_new() && sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK && value &&
           sqlite3_value_type(value) == SQLITE_TEXT;
}

/* What best_index finds out on the way. */
struct plan {
    const struct mc_sql_table *t;
    sqlite3_index_info *info;
    sqlite3_str *text;
    int argc, all_exact, bound_count;
    int run_fixed, ts_fixed, source_fixed; /* by = */
    double rows;
};

static void narrow(struct plan *p, int column, unsigned char op)
{
    int equal = op == SQLITE_INDEX_CONSTRAINT_EQ;
    switch (p->t->columns[column].what) {
    case MC_SQL_RUN:
        p->run_fixed |= equal;
        p->rows /= equal ? 4 : 2;
        return;
    case MC_SQL_TS:
        p->ts_fixed |= equal;
        p->rows /= equal ? 50000 : 8;
        return;
    case MC_SQL_SOURCE:
        p->source_fixed |= equal;
        /* Events of any type are read in about the same time: two types are not two scans. */
        p->rows /= p->t->sort == MC_SQL_EVENTS ? 2 : 8;
        return;
    default:
        /* Few chunks have a connection's events. */
        p->rows /= p->t->sort == MC_SQL_EVENTS && equal ? 50 : 2;
    }
}

static void take_constraint(struct plan *p, int i)
{
    const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
    const char *op = pushed(p->t, c);
    int in = is_new() && op && sqlite3_vtab_in(p->info, i, -1);
    if (!op || !c->usable || (in && is_scan_each(p->t, c->iColumn)) ||
        (is_bound(p->t, c->iColumn) && p->bound_count == MC_SQL_BOUNDS_MAX) ||
        sqlite3_stricmp(sqlite3_vtab_collation(p->info, i), "BINARY") != 0) {
        p->all_exact = 0;
        return;
    }
    const struct mc_sql_column *column = &p->t->columns[c->iColumn];
    int exact = column->what != MC_SQL_SOURCE || p->t->sort == MC_SQL_STATES ||
                is_text_constant(p->info, i);
    sqlite3_str_appendf(p->text, "%s%.*s%s?", p->argc ? " AND " : "",
                        (int)mc_sql_name_bytes(column), column->name, op);
    p->info->aConstraintUsage[i].argvIndex = ++p->argc;
    p->info->aConstraintUsage[i].omit = (unsigned char)exact;
    p->all_exact &= exact && !in;
    p->bound_count += is_bound(p->t, c->iColumn);
    narrow(p, c->iColumn, c->op);
}

/* All arguments of a table-valued function are there, once and usable. */
static int has_arguments(const struct mc_sql_table *t, const sqlite3_index_info *info)
{
    int seen = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        if (!c->usable || !pushed(t, c))
            continue;
        enum mc_sql_what what = t->columns[c->iColumn].what;
        seen |= what == MC_SQL_RUN ? 1 : what == MC_SQL_SOURCE ? 2 : what == MC_SQL_TS ? 4 : 0;
    }
    return seen == 7;
}

/* ---- which order ------------------------------------------------------------------------------
 */

static enum mc_sql_what what_of(const struct mc_sql_table *t, int column)
{
    return column < 0 ? MC_SQL_OTHER : t->columns[column].what;
}

/* Whether few enough sources are there to walk them one by one. */
static int few_sources(const struct mc_sql_table *t, struct mc_reader *r)
{
    struct mc_buf runs = {0};
    int few = t->sort == MC_SQL_SAMPLES || t->sort == MC_SQL_METRICS;
    if (mc_sql_runs(r, &(struct mc_sql_span){INT64_MIN, INT64_MAX}, &runs) < 0 ||
        runs.count / sizeof(int64_t) > MC_SQL_MERGED_RUNS)
        few = 0;
    for (size_t i = 0; few && i < runs.count / sizeof(int64_t); i++) {
        struct mc_run_schema *schema;
        few = mc_reader_run_schema(r, ((const int64_t *)runs.bytes)[i], &schema) == 0 &&
              mc_sql_source_count(t, &schema->schema) <= MC_SQL_WALKED_SOURCES;
    }
    mc_buf_fini(&runs);
    return few;
}

static int few_runs(struct mc_reader *r)
{
    struct mc_buf runs = {0};
    int rc = mc_sql_runs(r, &(struct mc_sql_span){INT64_MIN, INT64_MAX}, &runs);
    size_t count = runs.count / sizeof(int64_t);
    mc_buf_fini(&runs);
    return rc == 0 && count <= MC_SQL_MERGED_RUNS;
}

/* The terms of ORDER BY (or GROUP BY, DISTINCT) that are not the same for all rows, as the columns
 * they are: at most three of run, source and ts, each once. 0: something else is among them. */
static int order_terms(const struct plan *p, enum mc_sql_what what[3], int desc[3], int *count)
{
    *count = 0;
    for (int i = 0; i < p->info->nOrderBy; i++) {
        enum mc_sql_what w = what_of(p->t, p->info->aOrderBy[i].iColumn);
        if ((w == MC_SQL_RUN && p->run_fixed) || (w == MC_SQL_SOURCE && p->source_fixed) ||
            (w == MC_SQL_TS && p->ts_fixed))
            continue;
        if (w != MC_SQL_RUN && w != MC_SQL_SOURCE && w != MC_SQL_TS)
            return 0;
        for (int k = 0; k < *count; k++) {
            if (what[k] == w)
                return 0;
        }
        what[*count] = w;
        desc[(*count)++] = p->info->aOrderBy[i].desc;
    }
    return 1;
}

/* Which of the orders that we can walk in is asked for; -1: none. */
static int order_of(const struct plan *p, struct mc_reader *r, const enum mc_sql_what *what,
                    int count)
{
    int at = 0, run = 0, source = 0;
    if (at < count && what[at] == MC_SQL_RUN)
        run = ++at;
    if (at < count && what[at] == MC_SQL_SOURCE)
        source = ++at;
    if (!run && at < count && what[at] == MC_SQL_RUN)
        run = ++at;
    int ts = at < count && what[at] == MC_SQL_TS;
    if (at + ts != count)
        return -1;
    if (source)
        return (ts && !run && !p->run_fixed) || !few_sources(p->t, r) ? -1
               : run == 1 || p->run_fixed                             ? MC_SQL_BY_RUN_SOURCE
                                                                      : MC_SQL_BY_SOURCE;
    if (ts && !run && !p->run_fixed)
        return few_runs(r) ? MC_SQL_BY_TS : -1;
    return MC_SQL_BY_RUN;
}

/* A map has no order of time, and lifetimes are known at their end. */
static int has_order(const struct mc_sql_table *t)
{
    return t->sort != MC_SQL_STATES && t->sort != MC_SQL_LIFETIMES && t->sort != MC_SQL_CONNS;
}

/* Summaries are made going forwards. */
static int is_forward_only(const struct mc_sql_table *t)
{
    return t->sort == MC_SQL_SUMMARIES || t->sort == MC_SQL_HOLES;
}

static int plan_order(struct plan *p, struct mc_reader *r)
{
    enum mc_sql_what what[3];
    int desc[3] = {0}, count;
    if (!p->info->nOrderBy || !has_order(p->t) || !order_terms(p, what, desc, &count))
        return 0;
    int order = order_of(p, r, what, count), bits = 0;
    if (order < 0)
        return 0;
    for (int i = 0; i < count; i++) {
        if (desc[i])
            bits |= what[i] == MC_SQL_RUN  ? MC_SQL_PLAN_RUN_DESC
                    : what[i] == MC_SQL_TS ? MC_SQL_PLAN_TS_DESC
                                           : MC_SQL_PLAN_SOURCE_DESC;
        bits |= what[i] == MC_SQL_TS ? MC_SQL_PLAN_IN_ORDER : 0;
    }
    if (bits & MC_SQL_PLAN_TS_DESC && is_forward_only(p->t))
        return 0;
    for (int i = 0; i < p->info->nOrderBy; i++) {
        const struct mc_sql_column *c = &p->t->columns[p->info->aOrderBy[i].iColumn];
        sqlite3_str_appendf(p->text, "%s%.*s%s",
                            i         ? ", "
                            : p->argc ? " ORDER BY "
                                      : "ORDER BY ",
                            (int)mc_sql_name_bytes(c), c->name,
                            p->info->aOrderBy[i].desc ? " DESC" : "");
    }
    p->info->orderByConsumed = 1;
    return bits | order << MC_SQL_PLAN_ORDER_SHIFT;
}

/* ---- LIMIT, and the columns -------------------------------------------------------------------
 */

/* A limit holds here only when nothing is left for SQLite to drop or to sort, nor to skip. */
static void plan_limit(struct plan *p, int limit)
{
    if (limit < 0 || !p->all_exact || (p->info->nOrderBy && !p->info->orderByConsumed))
        return;
    p->info->aConstraintUsage[limit].argvIndex = ++p->argc;
    p->info->aConstraintUsage[limit].omit = 1;
    sqlite3_str_appendf(p->text, "%sLIMIT ?", sqlite3_str_length(p->text) ? " " : "");
}

static void name_columns(struct plan *p, uint32_t columns)
{
    const char *before = sqlite3_str_length(p->text) ? " READS " : "READS ";
    for (int i = 0; i < MC_SQL_COLUMNS_MAX && p->t->columns[i].name; i++) {
        if (!(columns >> i & 1))
            continue;
        const struct mc_sql_column *c = &p->t->columns[i];
        sqlite3_str_appendf(p->text, "%s%.*s", before, (int)mc_sql_name_bytes(c), c->name);
        before = ", ";
    }
    if (!columns)
        sqlite3_str_appendf(p->text, "%sno column", before);
}

int mc_sql_plan(const struct mc_sql_table *t, struct mc_reader *r, sqlite3_index_info *info)
{
    struct plan p = {.t = t, .info = info, .all_exact = 1, .rows = 5e6};
    if (t->sort == MC_SQL_STATES) {
        /* All three arguments, or there is no plan. */
        if (!has_arguments(t, info))
            return SQLITE_CONSTRAINT;
        p.rows = 5e8; /* its arguments divide this down to a map */
    }
    p.text = sqlite3_str_new(NULL);
    int limit = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        if (is_new() && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT)
            limit = i;
        else
            take_constraint(&p, i); /* OFFSET is none of ours, and so leaves LIMIT to SQLite too */
    }
    uint32_t columns = (uint32_t)info->colUsed & MC_SQL_PLAN_COLUMNS;
    info->idxNum = (int)columns | plan_order(&p, r);
    plan_limit(&p, limit);
    name_columns(&p, columns);
    info->estimatedRows = p.rows < 1 ? 1 : (sqlite3_int64)p.rows;
    info->estimatedCost = p.rows * 2 + 500; /* a chunk is opened even for a single row */
    info->idxStr = sqlite3_str_finish(p.text);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}
