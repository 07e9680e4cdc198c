/* sql_filter.c: a plan of sql_plan.c and its arguments, as the spans that a scan is to have. */
#include <math.h>

#include "store/sql_plan_priv.h"
#include "tracer/error.h"

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
        size_t n = mc_sql_name_bytes(&t->columns[i]);
        if (strncmp(at, t->columns[i].name, n) != 0)
            continue;
        for (int k = 0; k < MC_SQL_OP_COUNT; k++) {
            size_t m = strlen(mc_sql_ops[k].text);
            if (strncmp(at + n, mc_sql_ops[k].text, m) != 0 || at[n + m] != '?')
                continue;
            *column = i;
            *op = mc_sql_ops[k].op;
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
        .columns = (uint32_t)idx_num & MC_SQL_PLAN_COLUMNS,
        .order = (enum mc_sql_order)(idx_num >> MC_SQL_PLAN_ORDER_SHIFT & 3),
        .in_order = (idx_num & MC_SQL_PLAN_IN_ORDER) != 0,
        .run_desc = (idx_num & MC_SQL_PLAN_RUN_DESC) != 0,
        .ts_desc = (idx_num & MC_SQL_PLAN_TS_DESC) != 0,
        .source_desc = (idx_num & MC_SQL_PLAN_SOURCE_DESC) != 0,
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
