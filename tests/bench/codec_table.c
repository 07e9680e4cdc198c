/* codec_table.c: the same rows in plain SQLite tables, without an index. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/codec.h"

static sqlite3 *db;
static sqlite3_stmt *samples[MC_KIND_COUNT], *change, *event;

static void run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
}

static sqlite3_stmt *table(const char *name, uint32_t column_count)
{
    struct mc_buf sql = {0};
    sqlite3_stmt *stmt;
    mc_buf_printf(&sql, "CREATE TABLE %s (c0", name);
    for (uint32_t i = 1; i < column_count; i++)
        mc_buf_printf(&sql, ", c%u", i);
    mc_buf_add(&sql, ")", 2);
    run((const char *)sql.bytes);
    sql.count = 0;
    mc_buf_printf(&sql, "INSERT INTO %s VALUES (?", name);
    for (uint32_t i = 1; i < column_count; i++)
        mc_buf_add_str(&sql, ",?");
    mc_buf_add(&sql, ")", 2);
    if (sqlite3_prepare_v2(db, (const char *)sql.bytes, -1, &stmt, NULL) != SQLITE_OK)
        exit(1);
    mc_buf_fini(&sql);
    return stmt;
}

void codec_table_begin(struct codec_bench *b)
{
    (void)b;
    if (sqlite3_open("", &db) != SQLITE_OK) /* a temporary file */
        exit(1);
    run("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN");
    for (int kind = 0; kind < MC_KIND_COUNT; kind++) {
        char name[40];
        snprintf(name, sizeof name, "sample_%s", mc_kind_name(kind));
        samples[kind] = table(name, 2 + mc_kind_field_count(kind));
    }
    change = table("slot_change", 6);
    event = table("event", 13);
}

static void insert(sqlite3_stmt *stmt, const int64_t *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == MC_VALUE_NONE)
            sqlite3_bind_null(stmt, (int)i + 1);
        else
            sqlite3_bind_int64(stmt, (int)i + 1, values[i]);
    }
    sqlite3_step(stmt);
    sqlite3_reset(stmt);
}

static void insert_event(const struct mc_event *e)
{
    const int64_t row[] = {e->ts,
                           e->type,
                           (int64_t)e->conn_id,
                           e->stream_id,
                           e->status,
                           e->method,
                           e->detail,
                           e->owner,
                           e->port,
                           (int64_t)e->bytes_in,
                           (int64_t)e->bytes_out,
                           (int64_t)e->dur_ns,
                           e->arena_bytes};
    insert(event, row, 13);
}

static int64_t page_bytes(const char *like)
{
    sqlite3_stmt *stmt;
    int64_t bytes = 0;
    if (sqlite3_prepare_v2(db, "SELECT sum(pgsize) FROM dbstat WHERE name LIKE ?1", -1, &stmt,
                           NULL) == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, like, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            bytes = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
    }
    return bytes;
}

void codec_table(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    for (uint32_t f = 0; f < c->frame_count; f += CODEC_FRAMES_TO_ONE) {
        for (uint32_t s = 0; s < c->schema->source_count; s++) {
            const struct mc_source *source = &c->schema->sources[s];
            int64_t row[64] = {c->ts[f], s};
            for (uint32_t i = 0; i < source->value_count; i++)
                row[2 + i] = codec_values(c, source->value_idx + i)[f];
            insert(samples[source->kind], row, 2 + source->value_count);
        }
        for (uint32_t i = c->change_starts[f]; i < c->change_starts[f + 1]; i++) {
            const struct mc_slot_change *k = &codec_change_list(c)[i];
            const int64_t row[] = {c->ts[f], k->map_idx, k->slot_idx,
                                   k->state, k->owner,   (int64_t)k->conn_id};
            insert(change, row, 6);
        }
        for (uint32_t i = c->event_starts[f]; i < c->event_starts[f + 1]; i++)
            insert_event(&codec_event_list(c)[i]);
    }
}

void codec_table_end(struct codec_bench *b)
{
    static const char name[] = "a plain SQLite table, no index";
    run("COMMIT");
    double values = (double)page_bytes("sample_%") * CODEC_FRAMES_TO_ONE;
    double changes = (double)page_bytes("slot_change") * CODEC_FRAMES_TO_ONE;
    double events = (double)page_bytes("event") * CODEC_FRAMES_TO_ONE;
    codec_add(b, CODEC_VALUES, name, values, 0);
    codec_add(b, CODEC_CHANGES, name, changes, 0);
    codec_add(b, CODEC_EVENTS, name, events, 0);
    codec_add(b, CODEC_ROWS, name, values + changes + events, 0);
    for (int kind = 0; kind < MC_KIND_COUNT; kind++)
        sqlite3_finalize(samples[kind]);
    sqlite3_finalize(change);
    sqlite3_finalize(event);
    sqlite3_close(db);
}
