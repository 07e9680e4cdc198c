/* sql_plan.c: what of a query the virtual tables do themselves: constraints, order, limit.
 *
 * A plan is words, "run_id=? AND ts>=? AND pool=? ORDER BY ts DESC LIMIT ? READS ts, used": one
 * term for each argument, in argv's order. EXPLAIN QUERY PLAN shows them, and the filter is made by
 * reading them back. Terms that are pushed down hold exactly as SQLite would compare, so that it
 * need not look again; those where it might (a source compared with something that is no text) it
 * checks itself.
 */
#include <math.h>
#include <string.h>

#include "store/sql_priv.h"
#include "tracer/error.h"

/* idxNum: the used columns, and above them the order. */
enum plan_bits {
    PLAN_COLUMNS = (1 << MC_SQL_COLUMNS_MAX) - 1,
    PLAN_ORDER_SHIFT = MC_SQL_COLUMNS_MAX, /* two bits */
    PLAN_RUN_DESC = 1 << 18,
    PLAN_TS_DESC = 1 << 19,
    PLAN_SOURCE_DESC = 1 << 20,
    PLAN_IN_ORDER = 1 << 21
};

static const struct {
    unsigned char op;
    char text[3];
} ops[] = {
    {SQLITE_INDEX_CONSTRAINT_GE, ">="}, {SQLITE_INDEX_CONSTRAINT_LE, "<="},
    {SQLITE_INDEX_CONSTRAINT_GT, ">"},  {SQLITE_INDEX_CONSTRAINT_LT, "<"},
    {SQLITE_INDEX_CONSTRAINT_EQ, "="},
};
enum { OP_COUNT = sizeof ops / sizeof ops[0] };

static size_t name_bytes(const struct mc_sql_column *c)
{
    return strcspn(c->name, " "); /* "… HIDDEN" */
}

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
    for (int i = 0; (text || number) && i < OP_COUNT; i++) {
        if (ops[i].op == c->op && (!only_equal || c->op == SQLITE_INDEX_CONSTRAINT_EQ))
            return ops[i].text;
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
    sqlite3_str_appendf(p->text, "%s%.*s%s?", p->argc ? " AND " : "", (int)name_bytes(column),
                        column->name, op);
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
            bits |= what[i] == MC_SQL_RUN  ? PLAN_RUN_DESC
                    : what[i] == MC_SQL_TS ? PLAN_TS_DESC
                                           : PLAN_SOURCE_DESC;
        bits |= what[i] == MC_SQL_TS ? PLAN_IN_ORDER : 0;
    }
    if (bits & PLAN_TS_DESC && is_forward_only(p->t))
        return 0;
    for (int i = 0; i < p->info->nOrderBy; i++) {
        const struct mc_sql_column *c = &p->t->columns[p->info->aOrderBy[i].iColumn];
        sqlite3_str_appendf(p->text, "%s%.*s%s",
                            i         ? ", "
                            : p->argc ? " ORDER BY "
                                      : "ORDER BY ",
                            (int)name_bytes(c), c->name, p->info->aOrderBy[i].desc ? " DESC" : "");
    }
    p->info->orderByConsumed = 1;
    return bits | order << PLAN_ORDER_SHIFT;
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
        sqlite3_str_appendf(p->text, "%s%.*s", before, (int)name_bytes(c), c->name);
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
    uint32_t columns = (uint32_t)info->colUsed & PLAN_COLUMNS;
    info->idxNum = (int)columns | plan_order(&p, r);
    plan_limit(&p, limit);
    name_columns(&p, columns);
    info->estimatedRows = p.rows < 1 ? 1 : (sqlite3_int64)p.rows;
    info->estimatedCost = p.rows * 2 + 500; /* a chunk is opened even for a single row */
    info->idxStr = sqlite3_str_finish(p.text);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- the filter -------------------------------------------------------------------------------
 */

static const struct mc_sql_span nothing = {1, 0};

static void meet(struct mc_sql_span *span, struct mc_sql_span with)
{
    span->min = with.min > span->min ? with.min : span->min;
    span->max = with.max < span->max ? with.max : span->max;
}

static struct mc_sql_span span_of_integer(unsigned char op, int64_t v)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return (struct mc_sql_span){v, v};
    case SQLITE_INDEX_CONSTRAINT_GT:
        return v == INT64_MAX ? nothing : (struct mc_sql_span){v + 1, INT64_MAX};
    case SQLITE_INDEX_CONSTRAINT_GE:
        return (struct mc_sql_span){v, INT64_MAX};
    case SQLITE_INDEX_CONSTRAINT_LT:
        return v == INT64_MIN ? nothing : (struct mc_sql_span){INT64_MIN, v - 1};
    default:
        return (struct mc_sql_span){INT64_MIN, v};
    }
}

/* The integers above, or below, all others: text and blobs compare so, and reals past the ends. */
static struct mc_sql_span span_of_end(unsigned char op, int is_above)
{
    int greater = op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE;
    if (op == SQLITE_INDEX_CONSTRAINT_EQ || greater == is_above)
        return nothing;
    return (struct mc_sql_span){INT64_MIN, INT64_MAX};
}

static struct mc_sql_span span_of_real(unsigned char op, double v)
{
    if (v >= 9223372036854775808.0)
        return span_of_end(op, 1);
    if (v < -9223372036854775808.0)
        return span_of_end(op, 0);
    double down = floor(v);
    if (down == v)
        return span_of_integer(op, (int64_t)v);
    if (op == SQLITE_INDEX_CONSTRAINT_EQ)
        return nothing;
    /* Between two integers: above it is above the lower one, below it is up to that one. */
    int greater = op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE;
    return span_of_integer(greater ? SQLITE_INDEX_CONSTRAINT_GT : SQLITE_INDEX_CONSTRAINT_LE,
                           (int64_t)down);
}

/* The integers that a comparison with `value` lets through, compared as a column of affinity
 * INTEGER is: text that is a number counts as that number. */
static struct mc_sql_span span_of(unsigned char op, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    if (type == SQLITE_TEXT)
        type = sqlite3_value_numeric_type(value);
    switch (type) {
    case SQLITE_NULL:
        return nothing;
    case SQLITE_INTEGER:
        return span_of_integer(op, sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return span_of_real(op, sqlite3_value_double(value));
    default:
        return span_of_end(op, 1);
    }
}

/* The moment of slot_state: between two nanoseconds it is still the earlier one's. */
static struct mc_sql_span span_of_moment(sqlite3_value *value)
{
    struct mc_sql_span s = span_of(SQLITE_INDEX_CONSTRAINT_LE, value);
    return s.min > s.max ? s : (struct mc_sql_span){s.max, s.max};
}

/* Read "column op ?" at *text, and step over it. 0 when there is no such term. */
static int take_term(const struct mc_sql_table *t, const char **text, int *column,
                     unsigned char *op)
{
    const char *at = *text;
    if (strncmp(at, " AND ", 5) == 0)
        at += 5;
    for (int i = 0; i < MC_SQL_COLUMNS_MAX && t->columns[i].name; i++) {
        size_t n = name_bytes(&t->columns[i]);
        if (strncmp(at, t->columns[i].name, n) != 0)
            continue;
        for (int k = 0; k < OP_COUNT; k++) {
            size_t m = strlen(ops[k].text);
            if (strncmp(at + n, ops[k].text, m) != 0 || at[n + m] != '?')
                continue;
            *column = i;
            *op = ops[k].op;
            *text = at + n + m + 1;
            return 1;
        }
    }
    return 0;
}

static int filter_source(const struct mc_sql_table *t, struct mc_sql_filter *f,
                         sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL)
        f->ts = nothing;
    if (type == SQLITE_NULL || (type != SQLITE_TEXT && t->sort != MC_SQL_STATES))
        return 0; /* SQLite compares each row itself, by rules of its own */
    const char *name = (const char *)sqlite3_value_text(value);
    if (!name)
        return MC_ENOMEM;
    if (f->source && strcmp(f->source, name) != 0)
        f->ts = nothing;
    f->source = name;
    return 0;
}

static void filter_bound(struct mc_sql_filter *f, int column, struct mc_sql_span span)
{
    struct mc_sql_bound *b = f->bounds;
    while (b < f->bounds + f->bound_count && b->column != column)
        b++;
    if (b == f->bounds + f->bound_count) {
        *b = (struct mc_sql_bound){column, {INT64_MIN, INT64_MAX}};
        f->bound_count++;
    }
    meet(&b->span, span);
    if (b->span.min > b->span.max)
        f->ts = nothing;
}

int mc_sql_plan_filter(const struct mc_sql_table *t, int idx_num, const char *idx_str, int argc,
                       sqlite3_value **argv, struct mc_sql_filter *out)
{
    struct mc_sql_filter f = {
        .run_id = {INT64_MIN, INT64_MAX},
        .ts = {INT64_MIN, INT64_MAX},
        .columns = (uint32_t)idx_num & PLAN_COLUMNS,
        .order = (enum mc_sql_order)(idx_num >> PLAN_ORDER_SHIFT & 3),
        .in_order = (idx_num & PLAN_IN_ORDER) != 0,
        .run_desc = (idx_num & PLAN_RUN_DESC) != 0,
        .ts_desc = (idx_num & PLAN_TS_DESC) != 0,
        .source_desc = (idx_num & PLAN_SOURCE_DESC) != 0,
        .row_limit = INT64_MAX,
    };
    int column, at = 0, rc = 0;
    unsigned char op;
    for (; rc == 0 && at < argc && take_term(t, &idx_str, &column, &op); at++) {
        switch (t->columns[column].what) {
        case MC_SQL_RUN:
            meet(&f.run_id, span_of(op, argv[at]));
            break;
        case MC_SQL_TS:
            meet(&f.ts,
                 t->sort == MC_SQL_STATES ? span_of_moment(argv[at]) : span_of(op, argv[at]));
            break;
        case MC_SQL_SOURCE:
            rc = filter_source(t, &f, argv[at]);
            break;
        default:
            filter_bound(&f, column, span_of(op, argv[at]));
        }
    }
    if (at < argc) { /* LIMIT; a negative one is none */
        int64_t limit = sqlite3_value_int64(argv[at]);
        f.row_limit = limit < 0 ? INT64_MAX : limit;
    }
    if (rc == 0)
        *out = f;
    return rc;
}
