/* sql_module.c: the virtual table module that all tables share. */
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
    struct mc_sql_scan *scan; /* owned */
    struct mc_sql_rows *rows; /* borrowed from the scan: the row; NULL at the end */
};

/* A host closes its connection only when no statement is left on it. */
static void idle(const struct module *m)
{
    if (m->open_count == 0 && m->owned)
        mc_reader_idle(m->reader);
}

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

static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct entry *e = ((const struct vtab *)base)->entry;
    int rc = mc_sql_plan(e->table, e->module->reader, info);
    idle(e->module);
    return rc;
}

/* ---- the cursor ----------------------------------------------------------------------------- */

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    const struct entry *e = ((const struct vtab *)base)->entry;
    struct cursor *c = calloc(1, sizeof *c);
    if (!c || mc_sql_scan_new(e->module->reader, e->table, &c->scan) < 0) {
        free(c);
        return SQLITE_NOMEM;
    }
    e->module->open_count++;
    *out = &c->base;
    return SQLITE_OK;
}

static int table_close(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    struct module *m = ((const struct vtab *)base->pVtab)->entry->module;
    mc_sql_scan_free(c->scan);
    free(c);
    m->open_count--;
    idle(m);
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
    int rc = mc_sql_scan_next(c->scan, &c->rows);
    if (rc)
        c->rows = NULL;
    return rc < 0 ? fail(c, rc) : SQLITE_OK;
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                        sqlite3_value **argv)
{
    struct cursor *c = (struct cursor *)base;
    const struct entry *e = ((const struct vtab *)base->pVtab)->entry;
    struct mc_sql_filter f;
    int rc = mc_sql_plan_filter(e->table, plan, text ? text : "", argc, argv, &f);
    if (rc == 0)
        rc = mc_sql_scan_start(c->scan, &f);
    return rc < 0 ? fail(c, rc) : table_next(base);
}

static int table_eof(sqlite3_vtab_cursor *base)
{
    return ((struct cursor *)base)->rows == NULL;
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    mc_sql_rows_column(((struct cursor *)base)->rows, column, context);
    return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = mc_sql_rows_id(((struct cursor *)base)->rows);
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
    int rc = mc_sql_register_percentile(db);
    if (rc == SQLITE_OK)
        rc = mc_sql_register_plain(db);
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
