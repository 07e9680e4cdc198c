/* export_perfetto.c: a run as a trace for ui.perfetto.dev.
 *
 * Format: the JSON object form of Chrome's Trace Event Format, which Perfetto's importer takes:
 *         {"displayTimeUnit":"ms","traceEvents":[…]}, ts and dur in µs with three decimals,
 *         counted from the run's begin. Slices of one thread (tid) of a process (pid) must nest.
 *
 *   pid 1  the program: counters ("C", told when they change); thread 1 marks and gaps, thread 2
 *          overflows, one thread for each heap with its collections ("X")
 *   pid 2  connections: a thread is a lane (export_lanes.h), which holds a connection ("B" at its
 *          accept, "E" at its close) and within it its requests ("X") and errors ("i")
 *   pid 3  requests that overlap another one of their connection, or reach out of it
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/export_lanes.h"
#include "replay/export_priv.h"
#include "replay/metrics.h"
#include "tracer/error.h"

enum { PID_PROGRAM = 1, PID_CONNECTIONS, PID_REQUESTS };
enum { TID_MARKS = 1, TID_OVERFLOWS, TID_HEAPS = 100 }; /* + source_idx */

struct perfetto {
    struct mc_export *x;
    struct mc_lanes connections, requests;
    uint32_t named[PID_REQUESTS + 1]; /* lanes that have been given their names */
    int64_t *told;                    /* owned; by value_idx: what a counter was last */
    int64_t *heap_ends;               /* owned; by source_idx: where its last collection ended */
    uint8_t *heap_named;              /* owned; by source_idx */
    uint8_t *twins;                   /* owned; by source_idx, twin_count of them */
    uint32_t twin_count;
    uint32_t value_room, source_room;
    int64_t newest_ts; /* of a frame */
    int is_begun;
};

/* ---- events as JSON ------------------------------------------------------------------------- */

/* ns as µs with three decimals. */
static void add_us(struct mc_buf *out, uint64_t ns)
{
    mc_buf_printf(out, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

static void add_string(struct mc_buf *out, const char *key, const char *text)
{
    mc_buf_add_str(out, key);
    mc_buf_add_json(out, text, strlen(text));
}

/* {"ph":"X","pid":1,"tid":1,"ts":5.000,"name":"…": the members that all events have. */
static struct mc_buf *begin(struct perfetto *p, char phase, int pid, uint32_t tid, int64_t ts,
                            const char *name)
{
    struct mc_buf *out = &p->x->out;
    mc_buf_add_str(out, p->is_begun ? ",\n" : "\n");
    p->is_begun = 1;
    mc_buf_printf(out, "{\"ph\":\"%c\",\"pid\":%d,\"tid\":%u,\"ts\":%s", phase, pid, tid,
                  ts < 0 ? "-" : "");
    add_us(out, ts < 0 ? -(uint64_t)ts : (uint64_t)ts);
    add_string(out, ",\"name\":", name);
    return out;
}

/* The same for a slice, up to and with the brace of its args. */
static struct mc_buf *begin_slice(struct perfetto *p, int pid, uint32_t tid, int64_t begin_ts,
                                  int64_t end_ts, const char *name)
{
    struct mc_buf *out = begin(p, 'X', pid, tid, begin_ts, name);
    mc_buf_add_str(out, ",\"dur\":");
    add_us(out, (uint64_t)end_ts - (uint64_t)begin_ts);
    mc_buf_add_str(out, ",\"args\":{");
    return out;
}

static int end_args(struct perfetto *p)
{
    mc_buf_add_str(&p->x->out, "}}");
    return mc_export_step(p->x);
}

/* The name of a process or thread, and its place among the others. */
static void name_track(struct perfetto *p, int pid, uint32_t tid, const char *what,
                       const char *name)
{
    char event[32];
    snprintf(event, sizeof event, "%s_name", what);
    struct mc_buf *out = begin(p, 'M', pid, tid, 0, event);
    add_string(out, ",\"args\":{\"name\":", name);
    mc_buf_add_str(out, "}}");
    snprintf(event, sizeof event, "%s_sort_index", what);
    out = begin(p, 'M', pid, tid, 0, event);
    mc_buf_printf(out, ",\"args\":{\"sort_index\":%u}}", *what == 'p' ? (uint32_t)pid : tid);
}

/* Lanes are threads from 1 on. */
static uint32_t name_lane(struct perfetto *p, int pid, uint32_t lane_idx)
{
    while (p->named[pid] <= lane_idx) {
        char name[48];
        uint32_t tid = ++p->named[pid];
        snprintf(name, sizeof name, pid == PID_CONNECTIONS ? "connection lane %u" : "requests %u",
                 tid);
        if (tid == 1)
            name_track(p, pid, 0, "process",
                       pid == PID_CONNECTIONS ? "connections" : "requests side by side");
        name_track(p, pid, tid, "thread", name);
    }
    return lane_idx + 1;
}

/* Follow a schema that has grown: room for what is kept by source and by value. */
static int grow(struct perfetto *p, const struct mc_schema *schema)
{
    if (schema->value_count > p->value_room) {
        uint32_t room = schema->value_count * 2;
        int64_t *told = realloc(p->told, room * sizeof *told);
        if (!told)
            return MC_ENOMEM;
        p->told = told;
        while (p->value_room < room)
            p->told[p->value_room++] = MC_VALUE_NONE;
    }
    if (schema->source_count > p->source_room) {
        uint32_t room = schema->source_count * 2;
        int64_t *ends = realloc(p->heap_ends, room * sizeof *ends);
        if (ends)
            p->heap_ends = ends;
        uint8_t *named = ends ? realloc(p->heap_named, room) : NULL;
        if (!named)
            return MC_ENOMEM;
        p->heap_named = named;
        for (; p->source_room < room; p->source_room++) {
            p->heap_ends[p->source_room] = INT64_MIN;
            p->heap_named[p->source_room] = 0;
        }
    }
    if (schema->source_count != p->twin_count) {
        uint8_t *twins;
        int rc = mc_metric_twins(schema, &twins);
        if (rc)
            return rc;
        free(p->twins);
        p->twins = twins;
        p->twin_count = schema->source_count;
    }
    return 0;
}

/* ---- counters ------------------------------------------------------------------------------- */

static const struct {
    int kind;
    unsigned field_idx;
    const char *prefix; /* of the source's name; NULL: the name is not shown */
} counters[] = {
    {MC_KIND_SLAB, MC_FIELD(SLAB, USED), "pool "},
    {MC_KIND_ARENA, MC_FIELD(ARENA, USED), "arena "},
    {MC_KIND_HEAP, MC_FIELD(HEAP, USED), "heap "},
    {MC_KIND_GAUGE, MC_FIELD(GAUGE, VALUE), "gauge "},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, RSS), NULL},
    {MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, OPEN), NULL},
};

static int add_counter(struct perfetto *p, const struct mc_source *source, size_t counter,
                       int64_t ts, int64_t value)
{
    const char *prefix = counters[counter].prefix;
    char name[1100], number[32] = "";
    if (p->twins[source->source_idx])
        snprintf(number, sizeof number, " (source %u)", source->source_idx);
    snprintf(name, sizeof name, "%s%s%s", prefix ? prefix : "",
             prefix ? source->name : mc_kind_name(source->kind), number);
    struct mc_buf *out = begin(p, 'C', PID_PROGRAM, 0, ts, name);
    mc_buf_printf(out, ",\"args\":{\"%s\":%" PRId64,
                  mc_kind_field_name(source->kind, counters[counter].field_idx), value);
    return end_args(p);
}

/* Tell the counters that differ from what was told last; all of them when is_last. */
static int add_counters(struct perfetto *p, const struct mc_schema *schema, int64_t ts,
                        const int64_t *values, int is_last)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < schema->source_count; i++) {
        const struct mc_source *source = &schema->sources[i];
        for (size_t c = 0; c < sizeof counters / sizeof counters[0]; c++) {
            if (counters[c].kind != source->kind)
                continue;
            uint32_t at = source->value_idx + counters[c].field_idx;
            if (values[at] == MC_VALUE_NONE || (!is_last && values[at] == p->told[at]))
                continue;
            p->told[at] = values[at];
            rc = add_counter(p, source, c, ts, values[at]);
        }
    }
    return rc;
}

/* ---- connections and requests --------------------------------------------------------------- */

/* Give a connection a lane, and begin its slice: accept is NULL where it came before the span, or
 * before the recording. *out is NULL when no lane is left. */
static int begin_connection(struct perfetto *p, const struct mc_schema *schema, uint64_t conn_id,
                            int64_t begin_ts, const struct mc_event *accept, struct mc_lane **out)
{
    struct mc_lane *lane = conn_id ? mc_lanes_take(&p->connections, conn_id, begin_ts) : NULL;
    *out = lane;
    if (!lane)
        return 0;
    uint32_t tid = name_lane(p, PID_CONNECTIONS, (uint32_t)(lane - p->connections.lanes));
    struct mc_buf *json = begin(p, 'B', PID_CONNECTIONS, tid, begin_ts, "connection");
    mc_buf_printf(json, ",\"args\":{\"conn_id\":%" PRIu64, conn_id);
    if (accept) {
        char peer[300];
        mc_export_event_detail(schema, accept, peer, sizeof peer);
        add_string(json, ",\"peer\":", peer);
        add_string(json, ",\"owner\":", mc_schema_string(schema, accept->owner));
    }
    return end_args(p);
}

/* End a connection's slice at its close, or at end_ts where close is NULL. */
static int end_connection(struct perfetto *p, struct mc_lane *lane, const struct mc_schema *schema,
                          int64_t end_ts, const struct mc_event *close)
{
    uint32_t idx = (uint32_t)(lane - p->connections.lanes);
    if (lane->end_ts < end_ts)
        lane->end_ts = end_ts;
    struct mc_buf *out = begin(p, 'E', PID_CONNECTIONS, idx + 1, lane->end_ts, "connection");
    add_string(out, ",\"args\":{\"reason\":",
               close ? mc_schema_string(schema, close->detail) : "not closed");
    if (close)
        mc_buf_printf(out, ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64, close->bytes_in,
                      close->bytes_out);
    mc_lanes_give(&p->connections, lane);
    return end_args(p);
}

/* Where a slice of a connection goes: its lane when it fits behind what is on that, else one of
 * those that are shared. */
static int place_slice(struct perfetto *p, const struct mc_schema *schema, const struct mc_event *e,
                       int64_t *begin_ts, int *pid, uint32_t *tid)
{
    int64_t end_ts = e->ts;
    struct mc_lane *lane = mc_lanes_find(&p->connections, e->conn_id);
    int rc = lane ? 0 : begin_connection(p, schema, e->conn_id, *begin_ts, NULL, &lane);
    if (rc)
        return rc;
    if (lane && lane->end_ts <= *begin_ts) {
        lane->end_ts = end_ts;
        *pid = PID_CONNECTIONS;
        *tid = name_lane(p, PID_CONNECTIONS, (uint32_t)(lane - p->connections.lanes));
        return 0;
    }
    uint32_t idx = mc_lanes_share(&p->requests, begin_ts, end_ts);
    if (idx == UINT32_MAX)
        return MC_ENOMEM;
    *pid = PID_REQUESTS;
    *tid = name_lane(p, PID_REQUESTS, idx);
    return 0;
}

/* When what an event ends began; of wild numbers, the event's own time. */
static int64_t begin_of(const struct mc_event *e)
{
    if (e->dur_ns > INT64_MAX / 2 || e->ts < INT64_MIN / 2)
        return e->ts;
    return e->ts - (int64_t)e->dur_ns;
}

static int add_request(struct perfetto *p, const struct mc_schema *schema, const struct mc_event *e)
{
    int64_t begin_ts = begin_of(e);
    int pid;
    uint32_t tid;
    int rc = place_slice(p, schema, e, &begin_ts, &pid, &tid);
    if (rc)
        return rc;
    char name[600];
    mc_export_event_detail(schema, e, name, sizeof name);
    struct mc_buf *out = begin_slice(p, pid, tid, begin_ts, e->ts, name);
    add_string(out, "\"method\":", mc_schema_string(schema, e->method));
    add_string(out, ",\"route\":", mc_schema_string(schema, e->detail));
    mc_buf_printf(out,
                  ",\"status\":%u,\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
                  ",\"conn_id\":%" PRIu64 ",\"stream_id\":%u,\"arena_bytes\":%u",
                  e->status, e->bytes_in, e->bytes_out, e->conn_id, e->stream_id, e->arena_bytes);
    return end_args(p);
}

static int add_handshake(struct perfetto *p, const struct mc_schema *schema,
                         const struct mc_event *e)
{
    int64_t begin_ts = begin_of(e);
    int pid;
    uint32_t tid;
    int rc = place_slice(p, schema, e, &begin_ts, &pid, &tid);
    if (rc)
        return rc;
    struct mc_buf *out = begin_slice(p, pid, tid, begin_ts, e->ts, "tls");
    add_string(out, "\"protocol\":", mc_schema_string(schema, e->detail));
    mc_buf_printf(out, ",\"conn_id\":%" PRIu64, e->conn_id);
    return end_args(p);
}

static int add_accept(struct perfetto *p, const struct mc_schema *schema, const struct mc_event *e)
{
    struct mc_lane *lane = mc_lanes_find(&p->connections, e->conn_id);
    /* The same number again: the first one's close was lost. */
    int rc = lane ? end_connection(p, lane, schema, e->ts, NULL) : 0;
    return rc ? rc : begin_connection(p, schema, e->conn_id, e->ts, e, &lane);
}

/* An instant: overflows on their own thread, errors on their connection's lane where it has one. */
static int add_instant(struct perfetto *p, const struct mc_schema *schema, const struct mc_event *e)
{
    struct mc_lane *lane =
        e->type == MC_EVENT_ERROR ? mc_lanes_find(&p->connections, e->conn_id) : NULL;
    uint32_t tid = lane ? name_lane(p, PID_CONNECTIONS, (uint32_t)(lane - p->connections.lanes))
                        : TID_OVERFLOWS;
    struct mc_buf *out = begin(p, 'i', lane ? PID_CONNECTIONS : PID_PROGRAM, tid, e->ts,
                               e->type == MC_EVENT_ERROR ? "error" : "overflow");
    add_string(out,
               e->type == MC_EVENT_ERROR ? ",\"s\":\"t\",\"args\":{\"reason\":"
                                         : ",\"s\":\"t\",\"args\":{\"pool\":",
               mc_schema_string(schema, e->detail));
    mc_buf_printf(out, ",\"conn_id\":%" PRIu64 ",\"stream_id\":%u", e->conn_id, e->stream_id);
    return end_args(p);
}

/* ---- collections ---------------------------------------------------------------------------- */

static int add_collection(struct perfetto *p, const struct mc_schema *schema,
                          const struct mc_event *e)
{
    if (e->owner >= schema->source_count)
        return 0;
    uint32_t tid = TID_HEAPS + e->owner;
    if (!p->heap_named[e->owner]) {
        char name[1100];
        snprintf(name, sizeof name, "collections of %s", schema->sources[e->owner].name);
        name_track(p, PID_PROGRAM, tid, "thread", name);
        p->heap_named[e->owner] = 1;
    }
    int64_t begin_ts = begin_of(e);
    if (begin_ts < p->heap_ends[e->owner])
        begin_ts = p->heap_ends[e->owner];
    begin_ts = begin_ts < e->ts ? begin_ts : e->ts;
    p->heap_ends[e->owner] = e->ts;
    struct mc_buf *out =
        begin_slice(p, PID_PROGRAM, tid, begin_ts, e->ts, mc_schema_string(schema, e->detail));
    mc_buf_printf(out, "\"before_bytes\":%" PRIu64 ",\"after_bytes\":%" PRIu64, e->bytes_in,
                  e->bytes_out);
    return end_args(p);
}

/* ---- the walk ------------------------------------------------------------------------------- */

static int on_event(void *arg, const struct mc_schema *schema, const struct mc_event *e)
{
    struct perfetto *p = arg;
    struct mc_lane *lane;
    int rc = grow(p, schema);
    if (rc)
        return rc;
    switch (e->type) {
    case MC_EVENT_ACCEPT:
        return add_accept(p, schema, e);
    case MC_EVENT_TLS:
        return add_handshake(p, schema, e);
    case MC_EVENT_RESPONSE:
        return add_request(p, schema, e);
    case MC_EVENT_OVERFLOW:
    case MC_EVENT_ERROR:
        return add_instant(p, schema, e);
    case MC_EVENT_CLOSE:
        lane = mc_lanes_find(&p->connections, e->conn_id);
        return lane ? end_connection(p, lane, schema, e->ts, e) : 0;
    case MC_EVENT_GC:
        return add_collection(p, schema, e);
    default:
        return 0;
    }
}

static int on_frame(void *arg, const struct mc_frame *frame)
{
    struct perfetto *p = arg;
    int rc = grow(p, frame->schema);
    p->newest_ts = frame->ts;
    return rc ? rc : add_counters(p, frame->schema, frame->ts, frame->values, 0);
}

static int on_mark(void *arg, const struct mc_mark *mark)
{
    struct perfetto *p = arg;
    struct mc_buf *out = begin(p, 'i', PID_PROGRAM, TID_MARKS, mark->ts, mark->label);
    add_string(out, ",\"s\":\"g\",\"args\":{\"author\":", mark->author);
    mc_buf_printf(out, ",\"dur_ns\":%" PRId64, mark->dur_ns);
    return end_args(p);
}

static int on_gap(void *arg, const struct mc_gap *gap)
{
    struct perfetto *p = arg;
    char name[48];
    snprintf(name, sizeof name, "gap: %.24s", gap->reason);
    struct mc_buf *out = begin(p, 'i', PID_PROGRAM, TID_MARKS, gap->ts, name);
    mc_buf_printf(out, ",\"s\":\"p\",\"args\":{\"dur_ns\":%" PRId64 ",\"lost\":%" PRIu64,
                  gap->dur_ns, gap->lost);
    return end_args(p);
}

/* Connections that are open, and where the counters end. */
static int finish(struct perfetto *p)
{
    const struct mc_schema *schema;
    if (p->x->last_ts == INT64_MIN)
        return 0;
    int rc = mc_reader_schema(p->x->reader, p->x->info.run_id, INT64_MAX, &schema);
    int64_t end_ts = p->newest_ts;
    for (uint32_t i = 0; rc == 0 && i < p->connections.count; i++) {
        struct mc_lane *lane = &p->connections.lanes[i];
        if (lane->conn_id)
            rc = end_connection(p, lane, schema, end_ts, NULL);
    }
    if (rc == 0)
        rc = grow(p, schema);
    return rc || end_ts == INT64_MIN ? rc : add_counters(p, schema, end_ts, p->told, 1);
}

/* Who it is; run, label and host stand beside the events. */
static void add_head(struct perfetto *p)
{
    const struct mc_run_info *info = &p->x->info;
    struct mc_buf *out = &p->x->out;
    mc_buf_add_str(out, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"recorder\":\"memcam\"");
    add_string(out, ",\"label\":", info->label ? info->label : "");
    add_string(out, ",\"host\":", info->host ? info->host : "");
    mc_buf_printf(out, ",\"run_id\":%" PRId64 ",\"start_wall_ns\":\"%" PRId64 "\"", info->run_id,
                  info->start_wall_ns);
    mc_buf_add_str(out, "},\"traceEvents\":[");
    char name[300];
    snprintf(name, sizeof name, "%.255s (pid %" PRId64 ")", info->program ? info->program : "",
             info->pid);
    name_track(p, PID_PROGRAM, 0, "process", name);
    name_track(p, PID_PROGRAM, TID_MARKS, "thread", "marks and gaps");
    name_track(p, PID_PROGRAM, TID_OVERFLOWS, "thread", "overflows");
}

int mc_export_perfetto(struct mc_export *x)
{
    struct perfetto p = {.x = x, .newest_ts = INT64_MIN};
    const struct mc_export_visit visit = {
        .arg = &p, .gap = on_gap, .mark = on_mark, .event = on_event, .frame = on_frame};
    int rc = mc_lanes_init(&p.connections);
    if (rc == 0)
        rc = mc_lanes_init(&p.requests);
    if (rc == 0) {
        add_head(&p);
        rc = mc_export_walk(x, &visit);
    }
    if (rc == 0)
        rc = finish(&p);
    mc_buf_add_str(&x->out, "\n]}\n");
    free(p.told);
    free(p.heap_ends);
    free(p.heap_named);
    free(p.twins);
    mc_lanes_fini(&p.connections);
    mc_lanes_fini(&p.requests);
    return rc;
}
