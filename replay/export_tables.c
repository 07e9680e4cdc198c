/* export_tables.c: frames, events, marks and gaps as rows of the tables that SQL shows. */
#include <stdio.h>
#include <string.h>

#include "replay/export_priv.h"

/* Room for a histogram's name with its field, and for a method with its route. */
#define TEXT_BYTES 1200

struct rows {
    struct mc_export *x;
    mc_export_row_fn fn;
    struct mc_export_row row;
    char text[TEXT_BYTES]; /* what a cell shows that is no string of the schema */
};

static const char *const columns[] = {
#define X(id, text, names) names,
    MC_EXPORT_TABLES(X)
#undef X
};

const char *mc_export_column_name(enum mc_export_table table, unsigned column_idx,
                                  size_t *name_bytes)
{
    const char *at = columns[table];
    for (; column_idx > 0; column_idx--) {
        at = strchr(at, ',');
        if (!at)
            return NULL;
        at++;
    }
    *name_bytes = strcspn(at, ",");
    return at;
}

static int is_wanted(const struct rows *r, enum mc_export_table table)
{
    return (r->x->opts->tables >> table & 1) != 0;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static void add_number(struct rows *r, int64_t number)
{
    r->row.cells[r->row.cell_count++] = (struct mc_export_cell){MC_CELL_NUMBER, number, NULL};
}

static void add_none(struct rows *r)
{
    r->row.cells[r->row.cell_count++] = (struct mc_export_cell){0};
}

/* A number where there can be none. */
static void add_value(struct rows *r, int64_t value)
{
    if (value == MC_VALUE_NONE)
        add_none(r);
    else
        add_number(r, value);
}

static void add_text(struct rows *r, const char *text)
{
    r->row.cells[r->row.cell_count++] = (struct mc_export_cell){MC_CELL_TEXT, 0, text};
}

static void begin(struct rows *r, enum mc_export_table table, int64_t ts)
{
    r->row.table = table;
    r->row.cell_count = 0;
    add_number(r, r->x->info.run_id);
    add_number(r, ts);
}

static int end(struct rows *r)
{
    return r->fn(r->x, &r->row);
}

/* ---- samples -------------------------------------------------------------------------------- */

static int add_sample(struct rows *r, const struct mc_frame *frame, const struct mc_source *s)
{
#define VALUE(kind, field) values[MC_FIELD(kind, field)]
    const int64_t *values = frame->values + s->value_idx;
    int64_t used;
    switch (s->kind) {
    case MC_KIND_SLAB:
        used = VALUE(SLAB, USED);
        begin(r, MC_EXPORT_POOL_SAMPLE, frame->ts);
        add_text(r, s->name);
        add_value(r, used);
        add_value(r, used == MC_VALUE_NONE ? used : (int64_t)s->slot_count - used);
        add_number(r, s->slot_count);
        add_value(r, VALUE(SLAB, HIGH_WATER));
        add_value(r, VALUE(SLAB, ALLOCS));
        add_value(r, VALUE(SLAB, FREES));
        add_value(r, VALUE(SLAB, OVERFLOW));
        return end(r);
    case MC_KIND_ARENA:
        begin(r, MC_EXPORT_ARENA_SAMPLE, frame->ts);
        add_text(r, s->name);
        add_value(r, VALUE(ARENA, USED));
        add_number(r, (int64_t)s->capacity_bytes);
        add_value(r, VALUE(ARENA, HIGH_WATER));
        add_value(r, VALUE(ARENA, OVERFLOW));
        return end(r);
    case MC_KIND_HEAP:
        begin(r, MC_EXPORT_HEAP_SAMPLE, frame->ts);
        add_text(r, s->name);
        add_value(r, VALUE(HEAP, USED));
        add_number(r, (int64_t)s->capacity_bytes);
        add_value(r, VALUE(HEAP, PEAK));
        add_value(r, VALUE(HEAP, THRESHOLD));
        add_value(r, VALUE(HEAP, GC_COUNT));
        return end(r);
    case MC_KIND_PROCESS:
        begin(r, MC_EXPORT_PROCESS_SAMPLE, frame->ts);
        add_value(r, VALUE(PROCESS, RSS));
        add_value(r, VALUE(PROCESS, PSS));
        add_value(r, VALUE(PROCESS, ANON));
        add_value(r, VALUE(PROCESS, FILE));
        add_value(r, VALUE(PROCESS, SHMEM));
        add_value(r, VALUE(PROCESS, MINOR_FAULTS));
        add_value(r, VALUE(PROCESS, MAJOR_FAULTS));
        add_value(r, VALUE(PROCESS, CPU_USER));
        add_value(r, VALUE(PROCESS, CPU_SYSTEM));
        add_value(r, VALUE(PROCESS, FDS));
        return end(r);
    default:
        return 0;
    }
#undef VALUE
}

/* A counter or gauge by its name, a histogram as name.field. */
static int add_metric(struct rows *r, const struct mc_frame *frame, const struct mc_source *s)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < s->value_count; i++) {
        begin(r, MC_EXPORT_METRIC_SAMPLE, frame->ts);
        if (s->kind == MC_KIND_HISTOGRAM) {
            snprintf(r->text, sizeof r->text, "%s.%s", s->name, mc_kind_field_name(s->kind, i));
            add_text(r, r->text);
        } else {
            add_text(r, s->name);
        }
        add_value(r, frame->values[s->value_idx + i]);
        rc = end(r);
    }
    return rc;
}

/* The rows of one table; its sources are those of one kind, but for metrics. */
static int add_sources(struct rows *r, const struct mc_frame *frame, enum mc_export_table table,
                       int kind)
{
    if (!is_wanted(r, table))
        return 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < frame->schema->source_count; i++) {
        const struct mc_source *s = &frame->schema->sources[i];
        if (s->kind == kind)
            rc = table == MC_EXPORT_METRIC_SAMPLE ? add_metric(r, frame, s)
                                                  : add_sample(r, frame, s);
    }
    return rc;
}

/* An owner of 0 is no one, connection 0 none. */
static int add_changes(struct rows *r, const struct mc_frame *frame)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < frame->change_count; i++) {
        const struct mc_slot_change *c = &frame->changes[i];
        char states[4] = {(char)c->old_state, 0, (char)c->state, 0};
        begin(r, MC_EXPORT_SLOT_CHANGE, frame->ts);
        add_text(r, frame->schema->sources[frame->maps[c->map_idx].source_idx].name);
        add_number(r, c->slot_idx);
        add_text(r, states);
        add_text(r, states + 2);
        if (c->owner)
            add_text(r, mc_schema_string(frame->schema, c->owner));
        else
            add_none(r);
        if (c->conn_id)
            add_number(r, (int64_t)c->conn_id);
        else
            add_none(r);
        rc = end(r);
    }
    return rc;
}

static int on_frame(void *arg, const struct mc_frame *frame)
{
    static const struct {
        enum mc_export_table table;
        int kind;
    } samples[] = {
        {MC_EXPORT_POOL_SAMPLE, MC_KIND_SLAB},      {MC_EXPORT_ARENA_SAMPLE, MC_KIND_ARENA},
        {MC_EXPORT_HEAP_SAMPLE, MC_KIND_HEAP},      {MC_EXPORT_METRIC_SAMPLE, MC_KIND_COUNTER},
        {MC_EXPORT_METRIC_SAMPLE, MC_KIND_GAUGE},   {MC_EXPORT_METRIC_SAMPLE, MC_KIND_HISTOGRAM},
        {MC_EXPORT_PROCESS_SAMPLE, MC_KIND_PROCESS}};
    struct rows *r = arg;
    int rc = is_wanted(r, MC_EXPORT_SLOT_CHANGE) ? add_changes(r, frame) : 0;
    for (size_t i = 0; rc == 0 && i < sizeof samples / sizeof samples[0]; i++)
        rc = add_sources(r, frame, samples[i].table, samples[i].kind);
    return rc;
}

/* ---- events, marks, gaps -------------------------------------------------------------------- */

void mc_export_event_detail(const struct mc_schema *schema, const struct mc_event *e, char *text,
                            size_t text_bytes)
{
    const char *detail = mc_schema_string(schema, e->detail);
    if (e->type == MC_EVENT_REQUEST || e->type == MC_EVENT_RESPONSE)
        snprintf(text, text_bytes, "%s %s", mc_schema_string(schema, e->method), detail);
    else if (e->type == MC_EVENT_ACCEPT && e->port)
        snprintf(text, text_bytes, "%s:%u", detail, e->port);
    else if (e->type == MC_EVENT_STATE)
        snprintf(text, text_bytes, "%c", e->state);
    else
        snprintf(text, text_bytes, "%s", detail);
}

static int add_collection(struct rows *r, const struct mc_schema *schema, const struct mc_event *e)
{
    if (!is_wanted(r, MC_EXPORT_GC_EVENT))
        return 0;
    begin(r, MC_EXPORT_GC_EVENT, e->ts);
    add_number(r, (int64_t)e->dur_ns);
    if (e->owner < schema->source_count)
        add_text(r, schema->sources[e->owner].name);
    else
        add_none(r);
    add_text(r, mc_schema_string(schema, e->detail));
    add_number(r, (int64_t)e->bytes_in);
    add_number(r, (int64_t)e->bytes_out);
    return end(r);
}

static int on_event(void *arg, const struct mc_schema *schema, const struct mc_event *e)
{
    struct rows *r = arg;
    if (e->type == MC_EVENT_GC)
        return add_collection(r, schema, e);
    if (!is_wanted(r, MC_EXPORT_EVENT))
        return 0;
    int is_response = e->type == MC_EVENT_RESPONSE;
    int has_bytes = is_response || e->type == MC_EVENT_CLOSE;
    const char *type = mc_event_name(e->type);
    begin(r, MC_EXPORT_EVENT, e->ts);
    add_text(r, type ? type : "unknown");
    add_number(r, (int64_t)e->conn_id);
    add_number(r, e->stream_id);
    add_value(r, is_response || e->type == MC_EVENT_TLS ? (int64_t)e->dur_ns : MC_VALUE_NONE);
    add_value(r, is_response ? e->status : MC_VALUE_NONE);
    add_value(r, has_bytes ? (int64_t)e->bytes_in : MC_VALUE_NONE);
    add_value(r, has_bytes ? (int64_t)e->bytes_out : MC_VALUE_NONE);
    mc_export_event_detail(schema, e, r->text, sizeof r->text);
    add_text(r, r->text);
    return end(r);
}

static int on_mark(void *arg, const struct mc_mark *mark)
{
    struct rows *r = arg;
    begin(r, MC_EXPORT_MARK, mark->ts);
    add_number(r, mark->dur_ns);
    add_text(r, mark->label);
    add_text(r, mark->author);
    return end(r);
}

static int on_gap(void *arg, const struct mc_gap *gap)
{
    struct rows *r = arg;
    begin(r, MC_EXPORT_GAP, gap->ts);
    add_number(r, gap->dur_ns);
    add_text(r, gap->reason);
    add_number(r, (int64_t)gap->lost);
    return end(r);
}

int mc_export_rows(struct mc_export *x, mc_export_row_fn fn)
{
    struct rows r = {.x = x, .fn = fn};
    unsigned tables = x->opts->tables;
    unsigned events = 1u << MC_EXPORT_EVENT | 1u << MC_EXPORT_GC_EVENT;
    unsigned others = 1u << MC_EXPORT_MARK | 1u << MC_EXPORT_GAP;
    struct mc_export_visit visit = {
        .arg = &r,
        .gap = is_wanted(&r, MC_EXPORT_GAP) ? on_gap : NULL,
        .mark = is_wanted(&r, MC_EXPORT_MARK) ? on_mark : NULL,
        .event = tables & events ? on_event : NULL,
        .frame = tables & ~(events | others) ? on_frame : NULL,
    };
    return mc_export_walk(x, &visit);
}
