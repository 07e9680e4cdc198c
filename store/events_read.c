/* events_read.c: events out of their columns. The format stands in events.h; all of it is hostile.
 */
#include <stdlib.h>

#include "store/events_priv.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

struct event_reader {
    struct mc_span column[MC_EV_COLUMN_COUNT];
    struct mc_event_model *model; /* owned */
    int has_ns, bad;
    int64_t us;
    uint32_t top_string; /* the highest string id of any event */
};

static void take_string(struct event_reader *r, uint32_t id)
{
    r->top_string = id > r->top_string ? id : r->top_string;
}

static uint32_t take_u32(struct event_reader *r, int column)
{
    uint64_t v = mc_take_varint(&r->column[column]);
    r->bad |= v > UINT32_MAX;
    return (uint32_t)v;
}

/* base + the next z difference, which must be a u32. */
static uint32_t take_step(struct event_reader *r, int column, uint32_t base)
{
    int64_t v = mc_wrap_add(base, mc_take_zigzag(&r->column[column]));
    r->bad |= v < 0 || v > UINT32_MAX;
    return (uint32_t)v;
}

static uint64_t take_or_same(struct event_reader *r, int column, uint64_t last)
{
    uint64_t v = mc_take_varint(&r->column[column]);
    if (v == 0)
        return last;
    if (v == UINT64_MAX)
        return (UINT64_MAX - 1) | (mc_take_byte(&r->column[column]) & 1);
    return v - 1;
}

static uint32_t take_rest(struct event_reader *r)
{
    uint64_t rest = r->has_ns ? mc_take_varint(&r->column[MC_EV_NS]) : 0;
    r->bad |= rest > 999;
    return (uint32_t)rest;
}

static void take_raw(struct event_reader *r, struct mc_event *e)
{
    e->type = mc_take_byte(&r->column[MC_EV_RAWS]);
    e->state = mc_take_byte(&r->column[MC_EV_RAWS]);
    e->status = (uint16_t)mc_take_varint(&r->column[MC_EV_RAWS]);
    e->stream_id = take_u32(r, MC_EV_RAWS);
    e->conn_id = mc_take_varint(&r->column[MC_EV_RAWS]);
    e->method = take_u32(r, MC_EV_RAWS);
    e->detail = take_u32(r, MC_EV_RAWS);
    take_string(r, e->method);
    take_string(r, e->detail);
    e->owner = take_u32(r, MC_EV_RAWS);
    e->port = take_u32(r, MC_EV_RAWS);
    e->bytes_in = mc_take_varint(&r->column[MC_EV_RAWS]);
    e->bytes_out = mc_take_varint(&r->column[MC_EV_RAWS]);
    e->dur_ns = mc_take_varint(&r->column[MC_EV_RAWS]);
    e->arena_bytes = take_u32(r, MC_EV_RAWS);
    e->reserved = take_u32(r, MC_EV_RAWS);
}

MC_EV_INLINE void take_time(struct event_reader *r, struct mc_event *e)
{
    int64_t step = mc_take_byte(&r->column[MC_EV_TIME]);
    if (step == 255)
        step = mc_take_zigzag(&r->column[MC_EV_FAR]);
    r->us = mc_wrap_add(r->us, step);
    r->bad |= r->us > INT64_MAX / 1000 - 1 || r->us < INT64_MIN / 1000 + 1;
    e->ts = r->bad ? 0 : r->us * 1000 + take_rest(r);
}

/* A connection that the slice has not told of yet. */
static uint32_t take_new_conn(struct event_reader *r)
{
    struct mc_event_model *m = r->model;
    uint64_t id = m->top_conn + 1 + (uint64_t)mc_take_zigzag(&r->column[MC_EV_FAR]);
    if (mc_event_model_find(m, id) == UINT32_MAX)
        return mc_event_model_open(m, id);
    r->bad = 1;
    return UINT32_MAX;
}

MC_EV_INLINE uint32_t take_conn(struct event_reader *r)
{
    struct mc_event_model *m = r->model;
    uint64_t code = mc_take_varint(&r->column[MC_EV_CONNS]);
    if (code == 0) {
        r->bad |= m->last_slot == UINT32_MAX;
        return m->last_slot;
    }
    if (code == 1)
        return take_new_conn(r);
    if (code - 2 >= m->slot_count || !m->conns[code - 2].is_open) {
        r->bad = 1; /* no such connection, or one that was closed */
        return UINT32_MAX;
    }
    return (uint32_t)(code - 2);
}

MC_EV_INLINE uint32_t take_route(struct event_reader *r, struct mc_event *e, uint32_t expected)
{
    struct mc_event_model *m = r->model;
    uint64_t code = mc_take_varint(&r->column[MC_EV_ROUTES]);
    if (code == 1) {
        e->method = take_u32(r, MC_EV_FAR);
        e->detail = take_u32(r, MC_EV_FAR);
        take_string(r, e->method);
        take_string(r, e->detail);
        return mc_event_model_add_route(m, e->method, e->detail);
    }
    uint64_t i = code ? code - 2 : expected;
    if (i >= m->route_count) {
        r->bad = 1;
        return UINT32_MAX;
    }
    e->method = m->routes[i].method;
    e->detail = m->routes[i].detail;
    return (uint32_t)i;
}

MC_EV_INLINE void take_response(struct event_reader *r, struct mc_event *e, uint32_t route_idx)
{
    const struct mc_event_route *route = &r->model->routes[route_idx];
    int64_t status = mc_wrap_add(route->status, mc_take_zigzag(&r->column[MC_EV_STATUS]));
    r->bad |= status < 0 || status > UINT16_MAX;
    e->status = (uint16_t)status;
    e->bytes_in = take_or_same(r, MC_EV_IN, route->bytes_in);
    e->bytes_out = take_or_same(r, MC_EV_OUT, route->bytes_out);
    e->arena_bytes = take_step(r, MC_EV_ARENA, route->arena_bytes);
}

MC_EV_INLINE void take_dur(struct event_reader *r, struct mc_event *e,
                           const struct mc_flight *flight)
{
    uint32_t rest = take_rest(r);
    int64_t us = mc_take_zigzag(&r->column[MC_EV_DURS]);
    if (flight)
        us = mc_wrap_add(us, mc_wrap_sub(r->us, flight->us));
    r->bad |= us < 0 || us > INT64_MAX / 1000 - 1;
    e->dur_ns = r->bad ? 0 : (uint64_t)us * 1000 + rest;
}

/* The fields of an event of `type`, which is e's. */
MC_EV_INLINE void take_fields(struct event_reader *r, struct mc_event *e, int type)
{
    struct mc_event_model *m = r->model;
    uint32_t slot = take_conn(r), route_idx = UINT32_MAX, flight = 0;
    if (r->bad)
        return;
    struct mc_event_conn *c = &m->conns[slot];
    unsigned fields = mc_event_fields(type);
    const struct mc_flight *request = NULL;
    e->conn_id = c->conn_id;
    if (fields & MC_EVF_STREAM)
        e->stream_id =
            mc_event_expect_stream(c, type) + (uint32_t)mc_take_zigzag(&r->column[MC_EV_STREAMS]);
    if (type == MC_EVENT_RESPONSE) {
        flight = mc_event_flight(c, e->stream_id);
        request = flight < c->flight_count ? &c->flight[flight] : NULL;
    }
    if (fields & MC_EVF_ROUTE)
        route_idx = take_route(r, e, request ? request->route_idx : c->last_route);
    if (r->bad)
        return;
    if (fields & MC_EVF_RESPONSE)
        take_response(r, e, route_idx);
    if (fields & MC_EVF_DUR)
        take_dur(r, e, request);
    if (fields & MC_EVF_DETAIL) {
        e->detail = take_step(r, MC_EV_DETAILS, m->last_detail[type]);
        take_string(r, e->detail);
    }
    if (fields & MC_EVF_OWNER)
        e->owner = take_step(r, MC_EV_OWNERS, m->last_owner[type]);
    if (fields & MC_EVF_PORT)
        e->port = take_step(r, MC_EV_OWNERS, m->last_port);
    if (fields & MC_EVF_BYTES) {
        e->bytes_in = mc_take_varint(&r->column[MC_EV_BYTES]);
        e->bytes_out = mc_take_varint(&r->column[MC_EV_BYTES]);
    }
    if (fields & MC_EVF_STATE)
        e->state = mc_take_byte(&r->column[MC_EV_STATES]);
    if (!r->bad)
        mc_event_model_after(m, slot, e, type, r->us, route_idx, flight);
}

static void take_event(struct event_reader *r, struct mc_event *e)
{
#define TAKE(type) take_fields(r, e, type)
    MC_EV_BY_TYPE(e->type, TAKE)
#undef TAKE
}

/* Frames' counts into starts; they must add up. */
static int read_starts(struct event_reader *r, struct mc_event_slice *s, uint64_t event_count)
{
    uint64_t at = 0;
    for (uint32_t f = 0; f < s->frame_count; f++) {
        s->starts[f] = (uint32_t)at;
        at += mc_take_varint(&r->column[MC_EV_COUNTS]);
        if (at > event_count)
            return MC_ECORRUPT;
    }
    s->starts[s->frame_count] = (uint32_t)at;
    return at == event_count ? 0 : MC_ECORRUPT;
}

static int read_events(struct event_reader *r, struct mc_event_slice *s, uint64_t event_count)
{
    for (uint64_t i = 0; i < event_count; i++) {
        struct mc_event *e = &s->events[i];
        *e = (struct mc_event){0};
        take_time(r, e);
        e->type = mc_take_byte(&r->column[MC_EV_TYPES]);
        if (e->type == MC_EV_RAW)
            take_raw(r, e);
        else if (e->type < MC_EVENT_COUNT)
            take_event(r, e);
        else
            r->bad = 1;
        if (r->bad)
            return MC_ECORRUPT;
    }
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++) {
        if (r->column[i].failed)
            return MC_ECORRUPT;
    }
    return 0;
}

/* Room for the events and the frames' starts; what was in it is lost. */
static int make_room(struct mc_event_slice *s, uint64_t event_count)
{
    if (event_count >= s->event_room) {
        free(s->events);
        s->events = malloc((event_count + 1) * sizeof *s->events);
        s->event_room = s->events ? event_count + 1 : 0;
    }
    free(s->starts);
    s->starts = malloc((s->frame_count + 1) * sizeof *s->starts);
    return s->events && s->starts ? 0 : MC_ENOMEM;
}

/* Which types the column has: all, where a type's own field or no type stands. */
static uint32_t types_of(struct mc_span column)
{
    uint32_t types = 0;
    for (const uint8_t *at = column.at; at < column.end; at++)
        types |= *at < MC_EVENT_COUNT ? mc_event_types_of(*at) : MC_EVENT_TYPES_ALL;
    return types;
}

int mc_event_slice_read(struct mc_event_slice *out, const struct mc_buf *raw, uint32_t chunk_frames,
                        uint32_t types)
{
    struct mc_span s = mc_span_of(raw);
    struct event_reader r = {0};
    struct mc_event_slice slice = *out;
    memset(out, 0, sizeof *out);
    uint64_t first = mc_take_varint(&s), frame_count = mc_take_varint(&s);
    uint64_t event_count = mc_take_varint(&s), sizes[MC_EV_COLUMN_COUNT];
    r.us = mc_take_zigzag(&s);
    r.has_ns = mc_take_varint(&s) & MC_EV_FLAG_NS;
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        sizes[i] = mc_take_varint(&s);
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        r.column[i] = mc_take_span(&s, sizes[i]);
    /* Every event has a byte in `types`, so the part's length bounds the count. */
    if (s.failed || s.at != s.end || event_count != sizes[MC_EV_TYPES] ||
        event_count > MC_MAX_EVENTS || first >= chunk_frames ||
        frame_count > chunk_frames - first) {
        mc_event_slice_fini(&slice);
        return MC_ECORRUPT;
    }
    slice.first_frame = (uint32_t)first;
    slice.frame_count = (uint32_t)frame_count;
    slice.types = types_of(r.column[MC_EV_TYPES]);
    slice.is_decoded = (slice.types & types) != 0;
    if (!slice.is_decoded) {
        *out = slice;
        return 0;
    }
    int rc = make_room(&slice, event_count);
    r.model = mc_event_model_new();
    if (!r.model)
        rc = MC_ENOMEM;
    if (rc == 0) {
        mc_event_model_reset(r.model);
        rc = read_starts(&r, &slice, event_count);
    }
    if (rc == 0)
        rc = read_events(&r, &slice, event_count);
    slice.top_string = r.top_string;
    mc_event_model_free(r.model);
    if (rc < 0) {
        mc_event_slice_fini(&slice);
        return rc;
    }
    *out = slice;
    return 0;
}

void mc_event_slice_fini(struct mc_event_slice *s)
{
    free(s->events);
    free(s->starts);
    memset(s, 0, sizeof *s);
}
