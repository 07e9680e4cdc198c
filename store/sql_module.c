/* sql_module.c: the virtual table module that all tables share: what is pushed down, and how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql_priv.h"
#include "tracer/error.h"

/* What the tables of one connection share. */
struct module {
    struct mc_reader *reader; /* owned when `owned` */
    int owned, ref_count, open_count;
};

/* What one registered table is made of. */
struct entry {
    struct module *module;
    const struct mc_sql_table *table;
};

struct vtab {
    sqlite3_vtab base;
    const struct entry *entry;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct mc_sql_rows *rows; /* owned */
    char *source;             /* owned */
    int at_end;
    sqlite3_int64 rowid;
};

static void entry_free(void *arg)
{
    struct entry *e = arg;
    if (--e->module->ref_count == 0) {
        if (e->module->owned)
            mc_reader_close(e->module->reader);
        free(e->module);
    }
    free(e);
}

static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    const struct entry *e = aux;
    char sql[1024];
    size_t at = (size_t)snprintf(sql, sizeof sql, "CREATE TABLE x(");
    for (int i = 0; i < MC_SQL_COLUMNS_MAX && e->table->columns[i].name; i++) {
        const struct mc_sql_column *c = &e->table->columns[i];
        const char *hidden = strstr(c->name, " HIDDEN");
        int name_bytes = hidden ? (int)(hidden - c->name) : (int)strlen(c->name);
        at += (size_t)snprintf(sql + at, sizeof sql - at, "%s\"%.*s\" %s%s", i ? "," : "",
                               name_bytes, c->name, c->type, hidden ? " HIDDEN" : "");
    }
    snprintf(sql + at, sizeof sql - at, ")");
    int rc = sqlite3_declare_vtab(db, sql);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    struct vtab *v = calloc(1, sizeof *v);
    if (!v)
        return SQLITE_NOMEM;
    v->entry = e;
    *out = &v->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base)
{
    free(base);
    return SQLITE_OK;
}

/* ---- the plan ------------------------------------------------------------------------------- */

/* idxNum: which constraints stand in argv, in this order. */
enum plan { PLAN_RUN = 1, PLAN_FROM = 2, PLAN_TO = 4, PLAN_SOURCE = 8 };

static int plan_of(enum mc_sql_what what, unsigned char op)
{
    int eq = op == SQLITE_INDEX_CONSTRAINT_EQ;
    switch (what) {
    case MC_SQL_RUN:
        return eq ? PLAN_RUN : 0;
    case MC_SQL_SOURCE:
        return eq ? PLAN_SOURCE : 0;
    case MC_SQL_TS:
        if (op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT)
            return PLAN_FROM;
        if (op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT)
            return PLAN_TO;
        return eq ? PLAN_FROM | PLAN_TO : 0;
    default:
        return 0;
    }
}

/* The one constraint that does a part of the plan; -1: none. *unusable: there is one, but not in
 * this order of the join. */
static int find_constraint(const struct mc_sql_table *t, const sqlite3_index_info *info, int part,
                           int *unusable)
{
    for (int i = 0; i < info->nConstraint; i++) {
        int column = info->aConstraint[i].iColumn;
        if (column < 0 || !(plan_of(t->columns[column].what, info->aConstraint[i].op) & part))
            continue;
        if (info->aConstraint[i].usable)
            return i;
        *unusable = 1;
    }
    return -1;
}

/* Rows come by run, then ts: an ORDER BY of that needs no sorting. Events can be late in their
 * frame, so theirs do. */
static int is_sorted(const struct mc_sql_table *t, const sqlite3_index_info *info, int plan)
{
    if (t->sort == MC_SQL_EVENTS || t->sort == MC_SQL_GCS || t->sort == MC_SQL_STATES)
        return 0;
    int at = 0;
    for (; at < info->nOrderBy && !info->aOrderBy[at].desc; at++) {
        int column = info->aOrderBy[at].iColumn;
        enum mc_sql_what what = column < 0 ? MC_SQL_OTHER : t->columns[column].what;
        if (what == MC_SQL_TS && (plan & PLAN_RUN || at == 1))
            return at == info->nOrderBy - 1;
        if (what != MC_SQL_RUN)
            return 0;
    }
    return info->nOrderBy > 0 && at == info->nOrderBy;
}

static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct mc_sql_table *t = ((const struct vtab *)base)->entry->table;
    int plan = 0, argc = 0, unusable = 0;
    for (int part = PLAN_RUN; part <= PLAN_SOURCE; part <<= 1) {
        int i = find_constraint(t, info, part, &unusable);
        /* One constraint can be both ends of a time span: its value is then passed for FROM. */
        if (i < 0 || info->aConstraintUsage[i].argvIndex)
            continue;
        int both = part == PLAN_FROM && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ;
        info->aConstraintUsage[i].argvIndex = ++argc;
        plan |= part | (both ? PLAN_TO << 4 : 0);
    }
    if (t->sort == MC_SQL_STATES) {
        /* A table-valued function: all three arguments, or there is no plan. */
        if (!(plan & PLAN_RUN && plan & PLAN_SOURCE && plan & PLAN_FROM))
            return SQLITE_CONSTRAINT;
        for (int i = 0; i < info->nConstraint; i++)
            info->aConstraintUsage[i].omit = info->aConstraintUsage[i].argvIndex > 0;
    }
    double rows = 5e6;
    rows /= plan & PLAN_RUN ? 4 : 1;
    rows /= plan & PLAN_SOURCE ? 8 : 1;
    rows /= plan & PLAN_FROM ? 8 : 1;
    rows /= plan & (PLAN_TO | PLAN_TO << 4) ? 8 : 1;
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = rows * 2;
    info->orderByConsumed = is_sorted(t, info, plan);
    info->idxNum = plan;
    info->idxStr = sqlite3_mprintf("%llx", (unsigned long long)info->colUsed);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- the cursor ----------------------------------------------------------------------------- */

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    struct cursor *c = calloc(1, sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    ((struct vtab *)base)->entry->module->open_count++;
    *out = &c->base;
    return SQLITE_OK;
}

static void drop_rows(struct cursor *c)
{
    mc_sql_rows_close(c->rows);
    c->rows = NULL;
    free(c->source);
    c->source = NULL;
}

static int table_close(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    struct module *m = ((const struct vtab *)base->pVtab)->entry->module;
    drop_rows(c);
    free(c);
    /* A host closes its connection only when no statement is left on it. */
    if (--m->open_count == 0 && m->owned)
        mc_reader_idle(m->reader);
    return SQLITE_OK;
}

static int fail(struct cursor *c, int code)
{
    struct mc_reader *r = ((const struct vtab *)c->base.pVtab)->entry->module->reader;
    if (code == MC_ENOMEM)
        return SQLITE_NOMEM;
    sqlite3_free(c->base.pVtab->zErrMsg);
    c->base.pVtab->zErrMsg = sqlite3_mprintf("the trace can't be read: %s (%s)", mc_strerror(code),
                                             sqlite3_errmsg(r->db));
    return SQLITE_ERROR;
}

static int table_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    int rc = mc_sql_rows_next(c->rows);
    c->at_end = rc != 0;
    c->rowid++;
    return rc < 0 ? fail(c, rc) : SQLITE_OK;
}

/* The largest integer <= v, or the smallest >= v: SQL compares ts with reals too. */
static int64_t bound_of(sqlite3_value *value, int up)
{
    if (sqlite3_value_type(value) != SQLITE_FLOAT)
        return sqlite3_value_int64(value);
    double v = sqlite3_value_double(value);
    if (v >= 9.2e18)
        return INT64_MAX;
    if (v <= -9.2e18)
        return INT64_MIN;
    return (int64_t)v + (up ? 1 : -1); /* wide by one: SQLite checks each row itself */
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                        sqlite3_value **argv)
{
    struct cursor *c = (struct cursor *)base;
    const struct entry *e = ((const struct vtab *)base->pVtab)->entry;
    struct mc_sql_filter f = {0, INT64_MIN, INT64_MAX, NULL, strtoull(text ? text : "", NULL, 16)};
    int at = 0, empty = 0;
    drop_rows(c);
    for (int i = 0; i < argc; i++)
        empty |= sqlite3_value_type(argv[i]) == SQLITE_NULL;
    if (plan & PLAN_RUN && at < argc) {
        f.run_id = sqlite3_value_int64(argv[at++]);
        empty |= f.run_id == 0;
    }
    if (plan & PLAN_FROM && at < argc) {
        /* A ts that is text compares above every number, so that only numbers can be pushed down.
         */
        int type = sqlite3_value_numeric_type(argv[at]);
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
            f.from = bound_of(argv[at], 0);
            if (plan & PLAN_TO << 4)
                f.to = bound_of(argv[at], 1);
        }
        at++;
    }
    if (plan & PLAN_TO && at < argc) {
        int type = sqlite3_value_numeric_type(argv[at]);
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT)
            f.to = bound_of(argv[at], 1);
        at++;
    }
    if (plan & PLAN_SOURCE && at < argc) {
        const char *name = (const char *)sqlite3_value_text(argv[at++]);
        c->source = strdup(name ? name : "");
        if (!c->source)
            return SQLITE_NOMEM;
        f.source = c->source;
    }
    c->at_end = 1;
    c->rowid = 0;
    if (empty || f.from > f.to)
        return SQLITE_OK;
    int rc = mc_sql_rows_open(e->module->reader, e->table, &f, &c->rows);
    return rc < 0 ? fail(c, rc) : table_next(base);
}

static int table_eof(sqlite3_vtab_cursor *base)
{
    return ((struct cursor *)base)->at_end;
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    mc_sql_rows_column(((struct cursor *)base)->rows, column, context);
    return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((struct cursor *)base)->rowid;
    return SQLITE_OK;
}

static const sqlite3_module module_methods = {
    .iVersion = 1,
    .xConnect = table_connect, /* no xCreate: the tables are just there, and cannot be made */
    .xBestIndex = table_best_index,
    .xDisconnect = table_disconnect,
    .xOpen = table_open,
    .xClose = table_close,
    .xFilter = table_filter,
    .xNext = table_next,
    .xEof = table_eof,
    .xColumn = table_column,
    .xRowid = table_rowid,
};

int mc_sql_register(sqlite3 *db, struct mc_reader *r, int take)
{
    struct module *m = calloc(1, sizeof *m);
    if (!m)
        return MC_ENOMEM;
    m->reader = r;
    m->ref_count = 1; /* ours, while we register */
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < mc_sql_table_count; i++) {
        struct entry *e = calloc(1, sizeof *e);
        if (!e) {
            rc = SQLITE_NOMEM;
            break;
        }
        *e = (struct entry){m, &mc_sql_tables[i]};
        m->ref_count++;
        rc = sqlite3_create_module_v2(db, e->table->name, &module_methods, e, entry_free);
    }
    for (size_t i = 0; rc == SQLITE_OK && i < mc_sql_view_count; i++)
        rc = sqlite3_exec(db, mc_sql_views[i], NULL, NULL, NULL);
    /* The reader goes with the connection only when all went well; else it stays the caller's. */
    m->owned = take && rc == SQLITE_OK;
    if (--m->ref_count == 0)
        free(m);
    return mc_file_error(db, rc);
}
