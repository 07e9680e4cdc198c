/* sql_samples.c: rows of numbers: each source of a frame is a row, or each metric. Of a chunk, only
 * the columns that the query names are decoded, and of those only the sources that can match. */
#include <stdio.h>
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"
#include "tracer/grow.h"

/* metric_sample: counters and gauges by their name, histograms as name.field. */
static int is_metric(int kind)
{
    return kind == MC_KIND_COUNTER || kind == MC_KIND_GAUGE || kind == MC_KIND_HISTOGRAM;
}

static int shows(const struct mc_sql_table *t, int kind)
{
    return t->sort == MC_SQL_SAMPLES ? kind == t->kind : is_metric(kind);
}

/* A source's rows: one, or one for each field. */
static int field_count(const struct mc_sql_table *t, const struct mc_source *source)
{
    return t->sort == MC_SQL_SAMPLES ? 1 : (int)mc_kind_field_count(source->kind);
}

/* 0 when it does not fit. */
static size_t name_of(const struct mc_source *source, int field, char *text, size_t room)
{
    int dotted = field >= 0 && source->kind == MC_KIND_HISTOGRAM;
    int n = snprintf(text, room, "%s%s%s", source->name, dotted ? "." : "",
                     dotted ? mc_kind_field_name(source->kind, (uint32_t)field) : "");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

size_t mc_sql_source_count(const struct mc_sql_table *t, const struct mc_schema *schema)
{
    size_t count = 0;
    for (uint32_t i = 0; i < schema->source_count; i++)
        count +=
            shows(t, schema->sources[i].kind) ? (size_t)field_count(t, &schema->sources[i]) : 0;
    return count;
}

int mc_sql_source_names(const struct mc_sql_table *t, const struct mc_schema *schema,
                        struct mc_buf *names)
{
    for (uint32_t i = 0; i < schema->source_count; i++) {
        const struct mc_source *source = &schema->sources[i];
        for (int f = 0; shows(t, source->kind) && f < field_count(t, source); f++) {
            char text[1200];
            name_of(source, t->sort == MC_SQL_SAMPLES ? -1 : f, text, sizeof text);
            char *copy = strdup(text);
            if (copy)
                mc_buf_add(names, &copy, sizeof copy);
            if (!copy || names->failed) {
                free(copy);
                return MC_ENOMEM;
            }
        }
    }
    return 0;
}

static int wanted(const struct mc_sql_rows *s, const struct mc_source *source, int field)
{
    char text[1200];
    if (!s->source)
        return 1;
    if (field < 0)
        return strcmp(s->source, source->name) == 0;
    name_of(source, field, text, sizeof text);
    return strcmp(s->source, text) == 0;
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

static int within(struct mc_sql_span span, int64_t v)
{
    return v >= span.min && v <= span.max;
}

/* Whether a source's own figures, which never change, are within a bound. */
static int bound_holds(const struct mc_source *source, const struct mc_sql_column *c,
                       struct mc_sql_span span)
{
    if (c->what == MC_SQL_SLOTS)
        return within(span, source->slot_count);
    if (c->what == MC_SQL_CAPACITY)
        return within(span, (int64_t)source->capacity_bytes);
    return 1;
}

/* Whether any value between min and max, as the column shows it, is within a bound. */
static int bound_meets(const struct mc_source *source, const struct mc_sql_column *c,
                       struct mc_sql_span span, int64_t min, int64_t max)
{
    if (min == MC_VALUE_NONE)
        return 0;
    if (c->what == MC_SQL_FREE) {
        int64_t most = (int64_t)source->slot_count - min, least = (int64_t)source->slot_count - max;
        min = least;
        max = most;
    }
    return max >= span.min && min <= span.max;
}

/* Whether a source can have a row within the bounds, as far as its chunk's summary tells. */
static int source_may_match(const struct mc_sql_rows *s, const struct mc_source *source, int field)
{
    for (int i = 0; i < s->filter.bound_count; i++) {
        const struct mc_sql_bound *b = &s->filter.bounds[i];
        const struct mc_sql_column *c = &s->table->columns[b->column];
        if (!bound_holds(source, c, b->span))
            return 0;
        uint32_t v = source->value_idx + (uint32_t)(field >= 0 ? field : c->field);
        if (c->what == MC_SQL_SLOTS || c->what == MC_SQL_CAPACITY || !s->summary ||
            v >= s->summary_count)
            continue;
        if (!bound_meets(source, c, b->span, s->summary[v].min, s->summary[v].max))
            return 0;
    }
    return 1;
}

int mc_sql_may_match(const struct mc_sql_rows *s, const struct mc_chunk_head *head)
{
    const struct mc_schema *schema = &s->schema->schema;
    for (uint32_t i = 0; i < head->source_count && i < schema->source_count; i++) {
        const struct mc_source *source = &schema->sources[i];
        for (int f = 0; shows(s->table, source->kind) && f < field_count(s->table, source); f++) {
            int field = s->table->sort == MC_SQL_SAMPLES ? -1 : f;
            if (wanted(s, source, field) && source_may_match(s, source, field))
                return 1;
        }
    }
    return 0;
}

static int row_matches(const struct mc_sql_rows *s, const struct mc_sql_entry *e)
{
    for (int i = 0; i < s->filter.bound_count; i++) {
        const struct mc_sql_bound *b = &s->filter.bounds[i];
        const struct mc_sql_column *c = &s->table->columns[b->column];
        const int64_t *values = e->values[b->column];
        if (c->what == MC_SQL_SLOTS || c->what == MC_SQL_CAPACITY)
            continue; /* seen to when the chunk was loaded */
        int64_t v = values ? values[s->frame_idx] : MC_VALUE_NONE;
        if (!bound_meets(e->source, c, b->span, v, v))
            return 0;
    }
    return 1;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static int add_entry(struct mc_sql_rows *s, const struct mc_source *source, uint32_t number,
                     int field)
{
    if (!wanted(s, source, field) || !source_may_match(s, source, field))
        return 0;
    struct mc_sql_entry *entries =
        mc_grown(s->entries, s->entry_count, &s->entry_room, sizeof *entries);
    if (!entries)
        return MC_ENOMEM;
    s->entries = entries;
    s->entries[s->entry_count++] =
        (struct mc_sql_entry){source,
                              number,
                              s->row->chunk.numbers[source->kind].sources[number].first_frame,
                              field,
                              (int)strlen(source->name),
                              {NULL}};
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

/* The field whose values a column needs; -1: none, or it was not asked for. */
static int field_of(const struct mc_sql_rows *s, const struct mc_sql_entry *e, int column)
{
    const struct mc_sql_column *c = &s->table->columns[column];
    if (!(s->filter.columns >> column & 1))
        return -1;
    if (c->what == MC_SQL_FIELD || c->what == MC_SQL_FREE)
        return c->field;
    return c->what == MC_SQL_OTHER && e->field >= 0 ? e->field : -1;
}

/* Decode a column of an entry to `at`; or take the values from a column that has them already. */
static int decode_column(struct mc_sql_rows *s, struct mc_sql_entry *e, int column, int64_t **at)
{
    int field = field_of(s, e, column);
    struct mc_chunk *c = &s->row->chunk;
    for (int other = 0; other < column; other++) {
        if (e->values[other] && field_of(s, e, other) == field)
            e->values[column] = e->values[other];
    }
    if (e->values[column])
        return 0;
    int rc =
        mc_numbers_get(&c->numbers[e->source->kind], e->number, (uint32_t)field, *at, s->cells);
    s->reader->counts.columns++;
    e->values[column] = *at;
    *at += c->info.frame_count;
    return rc;
}

/* Decode the fields that the query names. */
static int decode_entries(struct mc_sql_rows *s)
{
    uint32_t frames = s->row->chunk.info.frame_count;
    size_t need = frames; /* scratch */
    for (uint32_t i = 0; i < s->entry_count; i++) {
        for (int column = 0; column < MC_SQL_COLUMNS_MAX; column++)
            need += field_of(s, &s->entries[i], column) >= 0 ? frames : 0;
    }
    if (need > s->cell_room) {
        free(s->cells);
        s->cells = malloc(need * sizeof *s->cells);
        s->cell_room = s->cells ? need : 0;
        if (!s->cells)
            return MC_ENOMEM;
    }
    int64_t *at = s->cells + frames;
    int rc = 0;
    for (uint32_t i = 0; i < s->entry_count; i++) {
        for (int column = 0; rc == 0 && column < MC_SQL_COLUMNS_MAX; column++) {
            if (field_of(s, &s->entries[i], column) >= 0)
                rc = decode_column(s, &s->entries[i], column, &at);
        }
    }
    return rc;
}

int mc_sql_load_samples(struct mc_sql_rows *s)
{
    int rc = 0;
    s->entry_count = 0;
    for (int kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++) {
        if (shows(s->table, kind))
            rc = add_entries(s, kind);
    }
    return rc < 0 ? rc : decode_entries(s);
}

/* ---- rows -------------------------------------------------------------------------------------
 */

int mc_sql_next_sample(struct mc_sql_rows *s)
{
    for (;;) {
        while (s->entry < s->entry_count) { /* none without a row */
            const struct mc_sql_entry *e = &s->entries[s->entry++];
            if (e->first_frame > s->frame_idx || (s->filter.bound_count && !row_matches(s, e)))
                continue;
            s->place = e->source->value_idx + (e->field > 0 ? (uint64_t)e->field : 0);
            return 0;
        }
        while (!s->row || mc_sql_next_frame(s) == MC_END) {
            int rc = mc_sql_load_row(s);
            if (rc)
                return rc;
        }
        s->ts = s->frame = s->row->chunk.ts[s->frame_idx];
        s->entry = 0;
    }
}
