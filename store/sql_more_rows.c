/* sql_more_rows.c: the iterators that need more than one row: slots and summaries; and all columns.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

/* ---- slots ---------------------------------------------------------------------------------- */

static const struct mc_source *source_of_map(const struct mc_frame *f, uint32_t map_idx)
{
    return &f->schema->sources[f->maps[map_idx].source_idx];
}

int mc_sql_next_change(struct mc_sql_rows *s)
{
    for (;;) {
        while (s->frame && s->slot_at < s->frame->change_count) {
            const struct mc_slot_change *c = &s->frame->changes[s->slot_at++];
            if (s->filter.source &&
                strcmp(s->filter.source, source_of_map(s->frame, c->map_idx)->name) != 0)
                continue;
            s->slot_map = c->map_idx;
            s->ts = s->frame->ts;
            return 0;
        }
        /* The first frame at or after `from`: seek stands before it, or on it. */
        int rc;
        if (!s->slot_begun) {
            s->slot_begun = 1;
            rc = mc_cursor_seek(s->cursor, s->filter.from, &s->frame);
            if (rc == 0 && s->frame->ts < s->filter.from)
                rc = mc_cursor_next(s->cursor, &s->frame);
        } else {
            rc = mc_cursor_next(s->cursor, &s->frame);
        }
        s->slot_at = 0;
        if (rc == 0 && s->frame->ts > s->filter.to)
            rc = MC_END;
        if (rc) {
            s->frame = NULL;
            return rc;
        }
    }
}

int mc_sql_next_state(struct mc_sql_rows *s)
{
    if (!s->slot_begun) {
        s->slot_begun = 1;
        int rc = mc_cursor_seek(s->cursor, s->filter.from, &s->frame);
        if (rc || s->frame->ts > s->filter.from)
            return rc < 0 ? rc : MC_END; /* before the first frame there is no map */
        s->slot_map = UINT32_MAX;
        for (uint32_t i = 0; i < s->frame->schema->map_count; i++) {
            if (strcmp(source_of_map(s->frame, i)->name, s->filter.source) == 0)
                s->slot_map = i;
        }
        s->slot_at = SIZE_MAX;
        s->ts = s->filter.from;
    }
    if (s->slot_map == UINT32_MAX || ++s->slot_at >= s->frame->maps[s->slot_map].slot_count)
        return MC_END;
    return 0;
}

/* ---- summaries ------------------------------------------------------------------------------ */

static const struct mc_source *source_of_value(const struct mc_schema *s, uint32_t value_idx)
{
    uint32_t low = 0, high = s->source_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->sources[middle].value_idx <= value_idx)
            low = middle;
        else
            high = middle;
    }
    return &s->sources[low];
}

static int make_sums(struct mc_sql_rows *s, uint32_t count)
{
    if (count <= s->sum_count)
        return 0;
    struct mc_sql_sum *sums = calloc((size_t)count * 2, sizeof *sums);
    if (!sums)
        return MC_ENOMEM;
    if (s->sum_count) {
        memcpy(sums, s->sums, s->sum_count * sizeof *sums);
        memcpy(sums + count, s->done, s->sum_count * sizeof *sums);
    }
    free(s->sums);
    s->sums = sums;
    s->done = sums + count;
    s->sum_count = count;
    return 0;
}

/* The second is over: its figures become the ones that are handed out. */
static void end_second(struct mc_sql_rows *s)
{
    memcpy(s->done, s->sums, s->sum_count * sizeof *s->sums);
    memset(s->sums, 0, s->sum_count * sizeof *s->sums);
    s->done_second = s->sum_second;
    s->sum_at = 0;
    s->sums_due = s->sum_second != INT64_MIN;
}

static void add_frame(struct mc_sql_rows *s)
{
    const struct mc_chunk *c = &s->row->chunk;
    for (uint32_t v = 0; v < c->info.value_count; v++) {
        int64_t value = c->cells[(size_t)v * c->info.frame_count + s->frame_idx];
        struct mc_sql_sum *sum = &s->sums[v];
        if (value == MC_VALUE_NONE)
            continue;
        if (!sum->count || value < sum->min)
            sum->min = value;
        if (!sum->count || value > sum->max)
            sum->max = value;
        sum->sum += (double)value;
        sum->last = value;
        sum->count++;
    }
    s->frame_idx++;
}

static int next_due(struct mc_sql_rows *s, const struct mc_schema *schema)
{
    while (s->sums_due && s->sum_at < s->sum_count) {
        uint32_t v = s->sum_at++;
        if (!s->done[v].count ||
            (s->filter.source && strcmp(source_of_value(schema, v)->name, s->filter.source) != 0))
            continue;
        s->ts = s->done_second * 1000000000;
        return 1;
    }
    s->sums_due = 0;
    return 0;
}

static int64_t second_of(int64_t ts)
{
    return ts / 1000000000 - (ts % 1000000000 < 0);
}

int mc_sql_next_summary(struct mc_sql_rows *s, int (*load_row)(struct mc_sql_rows *))
{
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(s->reader, s->run_id, &schema);
    if (rc < 0)
        return rc;
    if (s->sum_second == INT64_MIN && s->walk.from != INT64_MIN) {
        /* A second's row stands at its start: frames before `from` belong to it or are not asked.
         */
        s->walk.last_ts = s->walk.from - 1;
    }
    for (;;) {
        if (next_due(s, &schema->schema))
            return 0;
        if (s->row && s->frame_idx < s->frame_end) {
            int64_t second = second_of(s->row->chunk.ts[s->frame_idx]);
            if (second != s->sum_second) {
                end_second(s);
                s->sum_second = second;
            } else {
                add_frame(s);
            }
            continue;
        }
        if (s->walk.to == INT64_MIN)
            return MC_END;
        rc = load_row(s);
        if (rc < 0)
            return rc;
        if (rc == MC_END) {
            end_second(s); /* the last one, perhaps of less than a second */
            s->walk.to = INT64_MIN;
            continue;
        }
        rc = make_sums(s, s->row->chunk.info.value_count);
        if (rc < 0)
            return rc;
    }
}

/* ---- columns -------------------------------------------------------------------------------- */

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

static void sample_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                          sqlite3_context *context)
{
    const struct mc_sql_entry *e = &s->entries[s->entry];
    int field = c->what == MC_SQL_OTHER ? e->field : c->field;
    const int64_t *values = e->values[field];
    switch (c->what) {
    case MC_SQL_SOURCE:
        /* A schema's name stays where it is as long as the reader. */
        if (e->field < 0)
            sqlite3_result_text(context, e->source->name, -1, SQLITE_STATIC);
        else
            put_text(context, e->name);
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

static void detail_column(const struct mc_event *e, const struct mc_schema *schema,
                          sqlite3_context *context)
{
    const char *detail = mc_schema_string(schema, e->detail);
    char text[600];
    if (e->type == MC_EVENT_REQUEST || e->type == MC_EVENT_RESPONSE)
        snprintf(text, sizeof text, "%s %s", mc_schema_string(schema, e->method), detail);
    else if (e->type == MC_EVENT_ACCEPT && e->port)
        snprintf(text, sizeof text, "%s:%u", detail, e->port);
    else if (e->type == MC_EVENT_STATE)
        snprintf(text, sizeof text, "%c", e->state);
    else
        snprintf(text, sizeof text, "%s", detail);
    put_text(context, text);
}

static void event_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    const struct mc_event *e = &s->event;
    const struct mc_schema *schema = s->row->chunk.schema;
    int has_dur = e->type == MC_EVENT_TLS || e->type == MC_EVENT_RESPONSE;
    int has_bytes = e->type == MC_EVENT_RESPONSE || e->type == MC_EVENT_CLOSE;
    switch (number) {
    case 0:
        put_text(context, mc_event_name(e->type) ? mc_event_name(e->type) : "unknown");
        return;
    case 1:
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
    default:
        if (e->type == MC_EVENT_ACCEPT)
            put_text(context, mc_schema_string(schema, e->owner));
    }
}

static void gc_column(struct mc_sql_rows *s, int number, sqlite3_context *context)
{
    const struct mc_event *e = &s->event;
    const struct mc_schema *schema = s->row->chunk.schema;
    switch (number) {
    case 0:
        sqlite3_result_int64(context, (int64_t)e->dur_ns);
        return;
    case 1:
        if (e->owner < s->row->chunk.info.source_count)
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
    const struct mc_slot_change *change = &s->frame->changes[s->slot_at - 1];
    if (c->what == MC_SQL_SOURCE)
        put_text(context, source_of_map(s->frame, s->slot_map)->name);
    else if (c->field == 0)
        sqlite3_result_int64(context, change->slot_idx);
    else if (c->field == 1)
        put_letter(context, change->old_state);
    else if (c->field == 2)
        put_letter(context, change->state);
    else
        holder_column(s->frame->schema, change->owner, change->conn_id, c->field == 3, context);
}

static void state_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                         sqlite3_context *context)
{
    const struct mc_map *m = &s->frame->maps[s->slot_map];
    if (c->what == MC_SQL_SOURCE)
        put_text(context, s->filter.source);
    else if (c->field == 0)
        sqlite3_result_int64(context, (int64_t)s->slot_at);
    else if (c->field == 1)
        put_letter(context, m->states[s->slot_at]);
    else if (m->owners)
        holder_column(s->frame->schema, m->owners[s->slot_at], m->conns[s->slot_at], c->field == 2,
                      context);
}

static void summary_column(struct mc_sql_rows *s, const struct mc_sql_column *c,
                           sqlite3_context *context)
{
    struct mc_run_schema *schema;
    if (mc_reader_run_schema(s->reader, s->run_id, &schema) < 0) {
        sqlite3_result_error_nomem(context);
        return;
    }
    uint32_t v = s->sum_at - 1;
    const struct mc_sql_sum *sum = &s->done[v];
    const struct mc_source *source = source_of_value(&schema->schema, v);
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
        sample_column(s, c, context);
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
    case MC_SQL_SUMMARIES:
        summary_column(s, c, context);
        return;
    case MC_SQL_HOLES:
        hole_column(s, c->field, context);
        return;
    }
}
