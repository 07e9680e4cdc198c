/* sql_columns.c: the columns of each virtual table's row, given to SQLite. */
#include <stdio.h>

#include "store/sql_rows_priv.h"

static const struct mc_source *source_of_map(const struct mc_frame *f, uint32_t map_idx)
{
    return &f->schema->sources[f->maps[map_idx].source_idx];
}

static void put_text(sqlite3_context *context, const char *text)
{
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void put_value(sqlite3_context *context, int64_t value)
{
    if (value != MC_VALUE_NONE)
        sqlite3_result_int64(context, value);
}

static void put_letter(sqlite3_context *context, uint8_t letter)
{
    char text[2] = {(char)letter, 0};
    sqlite3_result_text(context, text, 1, SQLITE_TRANSIENT);
}

static void sample_column(struct mc_sql_rows *s, int column, sqlite3_context *context)
{
    const struct mc_sql_column *c = &s->table->columns[column];
    const struct mc_sql_entry *e = &s->entries[s->entry - 1];
    const int64_t *values = e->values[column];
    char text[1200];
    switch (c->what) {
    case MC_SQL_SOURCE:
        /* A schema's name stays where it is as long as the reader. */
        if (e->field < 0 || e->source->kind != MC_KIND_HISTOGRAM) {
            sqlite3_result_text(context, e->source->name, e->name_bytes, SQLITE_STATIC);
            return;
        }
        snprintf(text, sizeof text, "%s.%s", e->source->name,
                 mc_kind_field_name(e->source->kind, (uint32_t)e->field));
        put_text(context, text);
        return;
    case MC_SQL_SLOTS:
        sqlite3_result_int64(context, e->source->slot_count);
        return;
    case MC_SQL_CAPACITY:
        sqlite3_result_int64(context, (int64_t)e->source->capacity_bytes);
        return;
    case MC_SQL_FREE:
        if (values && values[s->frame_idx] != MC_VALUE_NONE)
            sqlite3_result_int64(context, (int64_t)e->source->slot_count - values[s->frame_idx]);
        return;
    default:
        if (values)
            put_value(context, values[s->frame_idx]);
    }
}

/* An address, with its port where there is one. */
static void put_peer(sqlite3_context *context, const char *address, uint32_t port)
{
    char text[600];
    snprintf(text, sizeof text, port ? "%s:%u" : "%s", address, port);
    put_text(context, text);
}

static void detail_column(const struct mc_event *e, const struct mc_schema *schema,
                          sqlite3_context *context)
{
    const char *detail = mc_schema_string(schema, e->detail);
    char text[600];
    if (e->type == MC_EVENT_ACCEPT) {
        put_peer(context, detail, e->port);
        return;
    }
    if (e->type == MC_EVENT_REQUEST || e->type == MC_EVENT_RESPONSE)
        snprintf(text, sizeof text, "%s%s%s", mc_schema_string(schema, e->method),
                 mc_schema_string(schema, e->method)[0] ? " " : "", detail);
    else if (e->type == MC_EVENT_STATE)
        snprintf(text, sizeof text, "%c", e->state);
    else
        snprintf(text, sizeof text, "%s", detail);
    put_text(context, text);
}

static void event_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    const struct mc_event *e = s->event;
    const struct mc_schema *schema = &s->schema->schema;
    int has_dur = e->type == MC_EVENT_TLS || e->type == MC_EVENT_RESPONSE;
    int has_bytes = e->type == MC_EVENT_RESPONSE || e->type == MC_EVENT_CLOSE;
    switch (number) {
    case 0:
        sqlite3_result_text(context, mc_sql_event_name(e->type), -1, SQLITE_STATIC);
        return;
    case MC_SQL_EVENT_CONN:
        sqlite3_result_int64(context, (int64_t)e->conn_id);
        return;
    case 2:
        sqlite3_result_int64(context, e->stream_id);
        return;
    case 3:
        if (has_dur)
            sqlite3_result_int64(context, (int64_t)e->dur_ns);
        return;
    case 4:
        if (e->type == MC_EVENT_RESPONSE)
            sqlite3_result_int64(context, e->status);
        return;
    case 5:
    case 6:
        if (has_bytes)
            sqlite3_result_int64(context, (int64_t)(number == 5 ? e->bytes_in : e->bytes_out));
        return;
    case 7:
        detail_column(e, schema, context);
        return;
    case MC_SQL_EVENT_BEGIN:
        sqlite3_result_int64(context, mc_event_begin_ts(e));
        return;
    default:
        if (e->type == MC_EVENT_ACCEPT)
            put_text(context, mc_schema_string(schema, e->owner));
    }
}

static void gc_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    const struct mc_event *e = s->event;
    const struct mc_schema *schema = &s->schema->schema;
    switch (number) {
    case 0:
        sqlite3_result_int64(context, (int64_t)e->dur_ns);
        return;
    case 1:
        if (e->owner < schema->source_count)
            put_text(context, schema->sources[e->owner].name);
        return;
    case 2:
        put_text(context, mc_schema_string(schema, e->detail));
        return;
    default:
        sqlite3_result_int64(context, (int64_t)(number == 3 ? e->bytes_in : e->bytes_out));
    }
}

/* An owner of 0 is no one: NULL; so is connection 0. */
static void holder_column(const struct mc_schema *schema, uint16_t owner, uint64_t conn_id,
                          int is_owner, sqlite3_context *context)
{
    if (is_owner && owner)
        put_text(context, mc_schema_string(schema, owner));
    else if (!is_owner && conn_id)
        sqlite3_result_int64(context, (int64_t)conn_id);
}

static void change_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                          sqlite3_context *context)
{
    const struct mc_slot_change *change = &s->map_frame->changes[s->slot_at - 1];
    if (c->what == MC_SQL_SOURCE)
        put_text(context, source_of_map(s->map_frame, s->slot_map)->name);
    else if (c->field == 0)
        sqlite3_result_int64(context, change->slot_idx);
    else if (c->field == 1)
        put_letter(context, change->old_state);
    else if (c->field == 2)
        put_letter(context, change->state);
    else
        holder_column(s->map_frame->schema, change->owner, change->conn_id, c->field == 3, context);
}

static void state_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                         sqlite3_context *context)
{
    const struct mc_map *m = &s->map_frame->maps[s->slot_map];
    if (c->what == MC_SQL_SOURCE)
        put_text(context, s->source);
    else if (c->field == 0)
        sqlite3_result_int64(context, (int64_t)s->slot_at);
    else if (c->field == 1)
        put_letter(context, m->states[s->slot_at]);
    else if (m->owners)
        holder_column(s->map_frame->schema, m->owners[s->slot_at], m->conns[s->slot_at],
                      c->field == 2, context);
}

static void life_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                        sqlite3_context *context)
{
    const struct mc_sql_life *life = mc_sql_life(s);
    if (c->what == MC_SQL_SOURCE)
        sqlite3_result_text(context, life->pool, -1, SQLITE_STATIC);
    else if (c->field == 0)
        put_value(context, life->end_ts == MC_VALUE_NONE ? MC_VALUE_NONE : life->end_ts - s->ts);
    else if (c->field == 1)
        sqlite3_result_int64(context, life->slot_idx);
    else
        holder_column(&s->schema->schema, life->owner, life->conn_id, c->field == 2, context);
}

static void conn_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    const struct mc_sql_conn *c = mc_sql_conn(s);
    const struct mc_schema *schema = &s->schema->schema;
    int opened = c->ts != MC_VALUE_NONE, closed = c->close_ts != MC_VALUE_NONE;
    const int64_t numbers[] = {(int64_t)c->conn_id,
                               c->ts,
                               opened && closed ? c->close_ts - c->ts : MC_VALUE_NONE,
                               0,
                               0,
                               (int64_t)c->requests,
                               (int64_t)c->errors,
                               (int64_t)c->bytes_in,
                               (int64_t)c->bytes_out,
                               c->first_ts,
                               c->last_ts};
    switch (number) {
    case 3:
        if (opened)
            put_peer(context, mc_schema_string(schema, c->peer), c->port);
        return;
    case 4:
        if (opened)
            put_text(context, mc_schema_string(schema, c->owner));
        return;
    case 11:
        if (closed)
            put_text(context, mc_schema_string(schema, c->reason));
        return;
    default:
        put_value(context, numbers[number]);
    }
}

static void summary_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                           sqlite3_context *context)
{
    uint32_t v = s->sum_at - 1;
    const struct mc_sql_sum *sum = &s->done[v];
    const struct mc_source *source = mc_schema_source_of_value(&s->schema->schema, v);
    if (c->what == MC_SQL_SOURCE)
        put_text(context, source->name);
    else if (c->field == 0)
        put_text(context, mc_kind_field_name(source->kind, v - source->value_idx));
    else if (c->field == 3)
        sqlite3_result_double(context, sum->sum / sum->count);
    else if (c->field == 5)
        put_text(context, mc_kind_name(source->kind));
    else
        sqlite3_result_int64(context, c->field == 1   ? sum->min
                                      : c->field == 2 ? sum->max
                                                      : sum->last);
}

static void hole_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    if (number == 1)
        put_text(context, s->hole.reason);
    else
        sqlite3_result_int64(context, number == 0 ? s->hole.dur_ns : (int64_t)s->hole.lost);
}

void mc_sql_rows_column(struct mc_sql_rows *s, int column, sqlite3_context *context)
{
    const struct mc_sql_column *c = &s->table->columns[column];
    if (s->table->sort == MC_SQL_SAMPLES && c->what == MC_SQL_FIELD) { /* what is asked most */
        const int64_t *values = s->entries[s->entry - 1].values[column];
        if (values)
            put_value(context, values[s->frame_idx]);
        return;
    }
    if (c->what == MC_SQL_RUN) {
        sqlite3_result_int64(context, s->run_id);
        return;
    }
    if (c->what == MC_SQL_TS) {
        sqlite3_result_int64(context, s->ts);
        return;
    }
    switch (s->table->sort) {
    case MC_SQL_SAMPLES:
    case MC_SQL_METRICS:
        sample_column(s, column, context);
        return;
    case MC_SQL_EVENTS:
        event_column(s, c->field, context);
        return;
    case MC_SQL_GCS:
        gc_column(s, c->field, context);
        return;
    case MC_SQL_CHANGES:
        change_column(s, c, context);
        return;
    case MC_SQL_STATES:
        state_column(s, c, context);
        return;
    case MC_SQL_LIFETIMES:
        life_column(s, c, context);
        return;
    case MC_SQL_CONNS:
        conn_column(s, c->field, context);
        return;
    case MC_SQL_SUMMARIES:
        summary_column(s, c, context);
        return;
    case MC_SQL_HOLES:
        hole_column(s, c->field, context);
        return;
    }
}
