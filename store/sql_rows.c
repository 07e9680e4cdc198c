/* sql_rows.c: the iterators behind the virtual tables: samples, events, slots, summaries, holes.
 *
 * All but those of slots walk the rows of a run (mc_row_walk) and decode, of each, only the parts
 * and columns that the query names. Damaged rows are passed over; damaged_span tells of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

/* ---- runs ----------------------------------------------------------------------------------- */

static int list_runs(struct mc_sql_rows *s)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(s->reader->db,
                             "SELECT run_id FROM main.run WHERE ?1=0 OR run_id=?1 "
                             "ORDER BY run_id",
                             &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, s->filter.run_id);
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t run_id = sqlite3_column_int64(stmt, 0);
        mc_buf_add(&s->runs, &run_id, sizeof run_id);
    }
    sqlite3_finalize(stmt);
    return s->runs.failed ? MC_ENOMEM : mc_file_error(s->reader->db, step);
}

int mc_sql_rows_open(struct mc_reader *r, const struct mc_sql_table *table,
                     const struct mc_sql_filter *filter, struct mc_sql_rows **out)
{
    struct mc_sql_rows *s = calloc(1, sizeof *s);
    if (!s)
        return MC_ENOMEM;
    s->reader = r;
    s->table = table;
    s->filter = *filter;
    int rc = list_runs(s);
    if (rc < 0) {
        mc_sql_rows_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void drop_row(struct mc_sql_rows *s)
{
    mc_row_close(s->row);
    s->row = NULL;
    s->entry_count = 0;
}

static void drop_run(struct mc_sql_rows *s)
{
    drop_row(s);
    mc_cursor_close(s->cursor);
    s->cursor = NULL;
    free(s->sums);
    s->sums = NULL;
    s->sum_count = 0;
    s->run_id = 0;
}

void mc_sql_rows_close(struct mc_sql_rows *s)
{
    if (!s)
        return;
    drop_run(s);
    mc_buf_fini(&s->runs);
    mc_buf_fini(&s->holes);
    free(s->entries);
    free(s->cells);
    free(s);
}

/* ---- samples -------------------------------------------------------------------------------- */

static int wanted(const struct mc_sql_rows *s, const char *name)
{
    return !s->filter.source || strcmp(s->filter.source, name) == 0;
}

/* metric_sample: counters and gauges by their name, histograms as name.field. */
static int is_metric(int kind)
{
    return kind == MC_KIND_COUNTER || kind == MC_KIND_GAUGE || kind == MC_KIND_HISTOGRAM;
}

static int add_entry(struct mc_sql_rows *s, const struct mc_source *source, uint32_t number,
                     int field)
{
    if (s->entry_count == s->entry_room) {
        uint32_t room = s->entry_room ? s->entry_room * 2 : 32;
        struct mc_sql_entry *entries = realloc(s->entries, room * sizeof *entries);
        if (!entries)
            return MC_ENOMEM;
        s->entries = entries;
        s->entry_room = room;
    }
    struct mc_sql_entry *e = &s->entries[s->entry_count];
    *e = (struct mc_sql_entry){
        source, number, s->row->chunk.numbers[source->kind].sources[number].first_frame,
        field,  "",     {NULL}};
    snprintf(e->name, sizeof e->name, "%s%s%s", source->name,
             source->kind == MC_KIND_HISTOGRAM && field >= 0 ? "." : "",
             source->kind == MC_KIND_HISTOGRAM && field >= 0
                 ? mc_kind_field_name(source->kind, (uint32_t)field)
                 : "");
    s->entry_count += (uint32_t)wanted(s, e->name);
    return 0;
}

static int add_entries(struct mc_sql_rows *s, int kind)
{
    struct mc_chunk *c = &s->row->chunk;
    int rc = mc_chunk_numbers(c, kind);
    const struct mc_numbers *n = &c->numbers[kind];
    for (uint32_t i = 0; rc == 0 && i < n->source_count; i++) {
        const struct mc_source *source = &c->schema->sources[n->sources[i].source_idx];
        if (s->table->sort == MC_SQL_SAMPLES)
            rc = add_entry(s, source, i, -1);
        for (uint32_t f = 0; rc == 0 && s->table->sort == MC_SQL_METRICS && f < n->field_count; f++)
            rc = add_entry(s, source, i, (int)f);
    }
    return rc;
}

/* Decode the fields that the query names. */
static int decode_entries(struct mc_sql_rows *s)
{
    struct mc_chunk *c = &s->row->chunk;
    uint32_t frames = c->info.frame_count;
    size_t need = frames;
    for (int pass = 0; pass < 2; pass++) {
        int64_t *at = s->cells ? s->cells + frames : NULL;
        for (uint32_t i = 0; i < s->entry_count; i++) {
            struct mc_sql_entry *e = &s->entries[i];
            for (int col = 0; col < MC_SQL_COLUMNS_MAX && s->table->columns[col].name; col++) {
                const struct mc_sql_column *column = &s->table->columns[col];
                int field = e->field >= 0 ? e->field : column->field;
                int number = column->what == MC_SQL_FIELD || column->what == MC_SQL_FREE ||
                             (column->what == MC_SQL_OTHER && e->field >= 0);
                if (!number || !(s->filter.columns >> col & 1) || e->values[field])
                    continue;
                if (pass == 0) {
                    need += frames;
                    continue;
                }
                int rc = mc_numbers_get(&c->numbers[e->source->kind], e->number, (uint32_t)field,
                                        at, s->cells);
                if (rc < 0)
                    return rc;
                e->values[field] = at;
                at += frames;
            }
        }
        if (pass == 0 && need > s->cell_room) {
            free(s->cells);
            s->cells = malloc(need * sizeof *s->cells);
            s->cell_room = s->cells ? need : 0;
            if (!s->cells)
                return MC_ENOMEM;
        }
    }
    return 0;
}

static int load_samples(struct mc_sql_rows *s)
{
    int rc = 0;
    s->entry_count = 0;
    if (s->table->sort == MC_SQL_SAMPLES) {
        rc = add_entries(s, s->table->kind);
    } else {
        for (int kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++) {
            if (is_metric(kind))
                rc = add_entries(s, kind);
        }
    }
    return rc < 0 ? rc : decode_entries(s);
}

static int next_sample(struct mc_sql_rows *s)
{
    struct mc_chunk *c = &s->row->chunk;
    for (; s->frame_idx < s->frame_end; s->frame_idx++, s->entry = UINT32_MAX) {
        while (++s->entry < s->entry_count) {
            if (s->entries[s->entry].first_frame <= s->frame_idx) {
                s->ts = c->ts[s->frame_idx];
                return 0;
            }
        }
    }
    return MC_END;
}

/* ---- events --------------------------------------------------------------------------------- */

static int next_event(struct mc_sql_rows *s)
{
    for (;;) {
        while (s->event_idx < s->event_count) {
            const struct mc_event *e = &s->events[s->event_idx++];
            if (e->ts < s->filter.from || e->ts > s->filter.to ||
                (e->type == MC_EVENT_GC) != (s->table->sort == MC_SQL_GCS))
                continue;
            s->event = *e;
            s->ts = e->ts;
            return 0;
        }
        if (s->frame_idx >= s->frame_end)
            return MC_END;
        int rc = mc_row_events(s->row, s->frame_idx++, &s->events, &s->event_count);
        s->event_idx = 0;
        if (rc)
            return rc;
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Which frames of the row can hold what is asked for. Events can be in frames behind their time. */
static void bound_frames(struct mc_sql_rows *s)
{
    const struct mc_chunk *c = &s->row->chunk;
    int events = s->table->sort == MC_SQL_EVENTS || s->table->sort == MC_SQL_GCS;
    int64_t to = s->filter.to;
    if (events)
        to = to < INT64_MAX - MC_SQL_LATE_NS ? to + MC_SQL_LATE_NS : INT64_MAX;
    uint32_t from = 0, end = c->info.frame_count;
    while (from < end && c->ts[from] < s->filter.from)
        from++;
    while (end > from && c->ts[end - 1] > to)
        end--;
    s->frame_idx = from;
    s->frame_end = end;
    s->entry = UINT32_MAX;
    s->event_idx = s->event_count = 0;
}

/* The next row of the run, loaded. */
static int load_row(struct mc_sql_rows *s)
{
    for (;;) {
        drop_row(s);
        int rc = mc_row_walk_next(&s->walk, &s->row);
        if (rc)
            return rc;
        bound_frames(s);
        if (s->table->sort == MC_SQL_SAMPLES || s->table->sort == MC_SQL_METRICS)
            rc = load_samples(s);
        else if (s->table->sort == MC_SQL_SUMMARIES)
            rc = mc_chunk_cells(&s->row->chunk);
        if (rc == 0)
            return 0;
        if (!mc_row_is_damage(rc) && rc != MC_END)
            return rc;
    }
}

static int begin_run(struct mc_sql_rows *s)
{
    int64_t to = s->filter.to;
    if (to < INT64_MAX - MC_SQL_LATE_NS)
        to += MC_SQL_LATE_NS;
    mc_row_walk_init(&s->walk, s->reader, s->run_id, s->filter.from, to);
    s->sum_at = 0;
    s->sum_second = INT64_MIN;
    s->sums_due = 0;
    s->slot_begun = 0;
    switch (s->table->sort) {
    case MC_SQL_CHANGES:
    case MC_SQL_STATES:
        return mc_cursor_open(s->reader, s->run_id, &s->cursor);
    case MC_SQL_HOLES:
        s->holes.count = s->hole_at = 0;
        return mc_reader_holes(s->reader, s->run_id, s->filter.from,
                               s->filter.to < INT64_MAX ? s->filter.to + 1 : INT64_MAX, &s->holes);
    default:
        return 0;
    }
}

static int next_in_row(struct mc_sql_rows *s)
{
    switch (s->table->sort) {
    case MC_SQL_SAMPLES:
    case MC_SQL_METRICS:
        return next_sample(s);
    default:
        return next_event(s);
    }
}

static int next_in_run(struct mc_sql_rows *s)
{
    switch (s->table->sort) {
    case MC_SQL_CHANGES:
        return mc_sql_next_change(s);
    case MC_SQL_STATES:
        return mc_sql_next_state(s);
    case MC_SQL_SUMMARIES:
        return mc_sql_next_summary(s, load_row);
    case MC_SQL_HOLES:
        if ((s->hole_at + 1) * sizeof s->hole > s->holes.count)
            return MC_END;
        s->hole = ((const struct mc_gap *)s->holes.bytes)[s->hole_at++];
        s->ts = s->hole.ts;
        return 0;
    default:
        break;
    }
    for (;;) {
        int rc = s->row ? next_in_row(s) : MC_END;
        if (rc == 0)
            return 0;
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        rc = load_row(s);
        if (rc)
            return rc;
    }
}

int mc_sql_rows_next(struct mc_sql_rows *s)
{
    for (;;) {
        if (!s->run_id) {
            if ((s->run_at + 1) * sizeof s->run_id > s->runs.count)
                return MC_END;
            s->run_id = ((const int64_t *)s->runs.bytes)[s->run_at++];
            int rc = begin_run(s);
            if (rc < 0)
                return rc;
        }
        int rc = next_in_run(s);
        if (rc <= 0)
            return rc;
        drop_run(s);
    }
}
