/* sql_plain.c: the plain tables as virtual ones, of which the views run, source, mark and gap are
 * made: whole rows only, from their copies where need be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/plain.h"
#include "store/sql_priv.h"
#include "tracer/error.h"

const char *const mc_sql_plain_names[MC_PLAIN_COUNT] = {
    [MC_PLAIN_RUN] = "whole_run",
    [MC_PLAIN_SOURCE] = "whole_source",
    [MC_PLAIN_MARK] = "whole_mark",
    [MC_PLAIN_GAP] = "whole_gap",
};

struct vtab {
    sqlite3_vtab base;
    sqlite3 *db; /* borrowed: the connection's own, whose main the file is */
    enum mc_plain_kind kind;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct mc_plain_walk *walk;     /* owned */
    const struct mc_plain_row *row; /* borrowed from the walk; NULL at the end */
    int64_t row_number;
};

static int plain_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    const char *const *name = aux;
    enum mc_plain_kind kind = (enum mc_plain_kind)(name - mc_sql_plain_names);
    const struct mc_plain_table *t = &mc_plain_tables[kind];
    char sql[512];
    size_t at = (size_t)snprintf(sql, sizeof sql, "CREATE TABLE x(");
    for (int i = 0; i < t->column_count; i++)
        at += (size_t)snprintf(sql + at, sizeof sql - at, "%s%s %s", i ? "," : "",
                               t->columns[i].name, t->columns[i].type);
    snprintf(sql + at, sizeof sql - at, ")");
    int rc = sqlite3_declare_vtab(db, sql);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    struct vtab *v = calloc(1, sizeof *v);
    if (!v)
        return SQLITE_NOMEM;
    v->db = db;
    v->kind = kind;
    *out = &v->base;
    return SQLITE_OK;
}

static int plain_disconnect(sqlite3_vtab *base)
{
    free(base);
    return SQLITE_OK;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

/* Bounds of run_id, and of ts where the table has one; SQLite looks at them again, so that what is
 * given may be more. The plan has two characters for each: r or t, and =, < or >. */
static int plain_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct vtab *v = (const struct vtab *)base;
    char plan[64];
    int count = 0;
    info->estimatedCost = 1e5;
    info->estimatedRows = 1000;
    for (int i = 0; i < info->nConstraint && count < 16; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        int is_ts = c->iColumn == 1 && v->kind >= MC_PLAIN_MARK;
        int is_below = c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE;
        int is_above = c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE;
        int is_equal = c->op == SQLITE_INDEX_CONSTRAINT_EQ;
        if (!c->usable || !(c->iColumn == 0 || is_ts) || !(is_below || is_above || is_equal))
            continue;
        plan[2 * count] = is_ts ? 't' : 'r';
        plan[2 * count + 1] = is_equal ? '=' : is_below ? '<' : '>';
        info->aConstraintUsage[i].argvIndex = ++count;
        info->estimatedCost /= is_equal ? 20 : 3;
        info->estimatedRows = info->estimatedRows / (is_equal ? 10 : 2) + 1;
    }
    plan[2 * count] = 0;
    info->idxStr = sqlite3_mprintf("%s", plan);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static void narrow(struct mc_plain_range *range, char column, char op, sqlite3_value *value)
{
    if (sqlite3_value_type(value) != SQLITE_INTEGER)
        return;
    int64_t number = sqlite3_value_int64(value);
    int64_t *min = column == 'r' ? &range->run_min : &range->ts_min;
    int64_t *max = column == 'r' ? &range->run_max : &range->ts_max;
    if (op != '<' && number > *min)
        *min = number;
    if (op != '>' && number < *max)
        *max = number;
}

/* ---- the cursor ----------------------------------------------------------------------------- */

static int plain_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    struct cursor *c = calloc(1, sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    *out = &c->base;
    return SQLITE_OK;
}

static int plain_close(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    mc_plain_walk_close(c->walk);
    free(c);
    return SQLITE_OK;
}

static int fail(struct cursor *c, int code)
{
    if (code == MC_ENOMEM)
        return SQLITE_NOMEM;
    sqlite3_vtab *v = c->base.pVtab;
    sqlite3_free(v->zErrMsg);
    v->zErrMsg = sqlite3_mprintf("the trace can't be read: %s", mc_strerror(code));
    return SQLITE_ERROR;
}

static int plain_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    int rc = mc_plain_walk_next(c->walk, &c->row);
    c->row_number++;
    if (rc == 0)
        return SQLITE_OK;
    c->row = NULL;
    return rc < 0 ? fail(c, rc) : SQLITE_OK;
}

static int plain_filter(sqlite3_vtab_cursor *base, int plan_number, const char *plan, int argc,
                        sqlite3_value **argv)
{
    (void)plan_number;
    struct cursor *c = (struct cursor *)base;
    const struct vtab *v = (const struct vtab *)base->pVtab;
    struct mc_plain_range range = MC_PLAIN_ALL;
    for (int i = 0; i < argc; i++)
        narrow(&range, plan[2 * i], plan[2 * i + 1], argv[i]);
    mc_plain_walk_close(c->walk);
    c->walk = NULL;
    c->row = NULL;
    c->row_number = 0;
    int rc = mc_plain_walk_open(v->db, v->kind, &range, &c->walk);
    return rc < 0 ? fail(c, rc) : plain_next(base);
}

static int plain_eof(sqlite3_vtab_cursor *base)
{
    return ((struct cursor *)base)->row == NULL;
}

static int plain_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct mc_plain_value *v = &((struct cursor *)base)->row->values[column];
    if (v->type == SQLITE_INTEGER)
        sqlite3_result_int64(context, v->number);
    else if (v->type == SQLITE_TEXT)
        sqlite3_result_text64(context, v->text, v->text_bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    return SQLITE_OK;
}

static int plain_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((struct cursor *)base)->row_number;
    return SQLITE_OK;
}

static const sqlite3_module plain_methods = {
    .iVersion = 1,
    .xConnect = plain_connect, /* no xCreate: as those of sql_module.c */
    .xBestIndex = plain_best_index,
    .xDisconnect = plain_disconnect,
    .xOpen = plain_open,
    .xClose = plain_close,
    .xFilter = plain_filter,
    .xNext = plain_next,
    .xEof = plain_eof,
    .xColumn = plain_column,
    .xRowid = plain_rowid,
};

int mc_sql_register_plain(sqlite3 *db)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < MC_PLAIN_COUNT; i++)
        rc = sqlite3_create_module_v2(db, mc_sql_plain_names[i], &plain_methods,
                                      (void *)&mc_sql_plain_names[i], NULL);
    return rc;
}
