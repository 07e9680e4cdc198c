/* events_read.c: events out of their columns. The format stands in events.h; all of it is hostile.
 */
#include <stdlib.h>

#include "store/events_priv.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

struct mc_event_reader {
    struct mc_span column[MC_EV_COLUMN_COUNT];
    struct mc_event_model *model; /* owned */
    int has_ns, bad;
    int64_t us;
    uint32_t top_string; /* the highest string id of any event */
};

static void take_string(struct mc_event_reader *r, uint32_t id)
{
    r->top_string = id > r->top_string ? id : r->top_string;
}

static uint32_t take_u32(struct mc_event_reader *r, int column)
{
    uint64_t v = mc_take_varint(&r->column[column]);
    r->bad |= v > UINT32_MAX;
    return (uint32_t)v;
}

/* base + the next z difference, which must be a u32. */
static uint32_t take_step(struct mc_event_reader *r, int column, uint32_t base)
{
    int64_t v = mc_wrap_add(base, mc_take_zigzag(&r->column[column]));
    r->bad |= v < 0 || v > UINT32_MAX;
    return (uint32_t)v;
}

static uint64_t take_or_same(struct mc_event_reader *r, int column, uint64_t last)
{
    uint64_t v = mc_take_varint(&r->column[column]);
    if (v == 0)
        return last;
    if (v == UINT64_MAX)
        return (UINT64_MAX - 1) | (mc_take_byte(&r->column[column]) & 1);
    return v - 1;
}

static uint32_t take_rest(struct mc_event_reader *r)
{
    uint64_t rest = r->has_ns ? mc_take_varint(&r->column[MC_EV_NS]) : 0;
    r->bad |= rest > 999;
    return (uint32_t)rest;
}

static void take_raw(struct mc_event_reader *r, struct mc_event *e)
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

MC_EV_INLINE void take_time(struct mc_event_reader *r, struct mc_event *e)
{
    int64_t step = mc_take_byte(&r->column[MC_EV_TIME]);
    if (step == 255)
        step = mc_take_zigzag(&r->column[MC_EV_FAR]);
    r->us = mc_wrap_add(r->us, step);
    r->bad |= r->us > INT64_MAX / 1000 - 1 || r->us < INT64_MIN / 1000 + 1;
    e->ts = r->bad ? 0 : r->us * 1000 + take_rest(r);
}

/* A connection that the slice has not told of yet. */
static uint32_t take_new_conn(struct mc_event_reader *r)
{
    struct mc_event_model *m = r->model;
    uint64_t id = m->top_conn + 1 + (uint64_t)mc_take_zigzag(&r->column[MC_EV_FAR]);
    if (mc_event_model_find(m, id) == UINT32_MAX)
        return mc_event_model_open(m, id);
    r->bad = 1;
    return UINT32_MAX;
}

MC_EV_INLINE uint32_t take_conn(struct mc_event_reader *r)
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

MC_EV_INLINE uint32_t take_route(struct mc_event_reader *r, struct mc_event *e, uint32_t expected)
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

MC_EV_INLINE void take_response(struct mc_event_reader *r, struct mc_event *e, uint32_t route_idx)
{
    const struct mc_event_route *route = &r->model->routes[route_idx];
    int64_t status = mc_wrap_add(route->status, mc_take_zigzag(&r->column[MC_EV_STATUS]));
    r->bad |= status < 0 || status > UINT16_MAX;
    e->status = (uint16_t)status;
    e->bytes_in = take_or_same(r, MC_EV_IN, route->bytes_in);
    e->bytes_out = take_or_same(r, MC_EV_OUT, route->bytes_out);
    e->arena_bytes = take_step(r, MC_EV_ARENA, route->arena_bytes);
}

MC_EV_INLINE void take_dur(struct mc_event_reader *r, struct mc_event *e,
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
MC_EV_INLINE void take_fields(struct mc_event_reader *r, struct mc_event *e, int type)
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

static void take_event(struct mc_event_reader *r, struct mc_event *e)
{
#define TAKE(type) take_fields(r, e, type)
    MC_EV_BY_TYPE(e->type, TAKE)
#undef TAKE
}

/* ---- a slice -------------------------------------------------------------------------------- */

/* Forward, events are dropped when more than these are there: few enough to stay in the cache. */
#define KEPT_EVENTS 1024u

/* Frames' counts into starts; they must add up. */
static int read_starts(struct mc_event_slice *s, struct mc_span counts, uint64_t event_count)
{
    uint64_t at = 0;
    uint32_t asked = 0, most = s->event_max ? s->event_max : UINT32_MAX;
    if (s->frame_count >= s->start_room) {
        free(s->starts);
        s->start_room = 0;
        s->starts = malloc((s->frame_count + 1) * sizeof *s->starts);
        if (!s->starts)
            return MC_ENOMEM;
        s->start_room = s->frame_count + 1;
    }
    for (uint32_t f = 0; f < s->frame_count; f++) {
        s->starts[f] = (struct mc_event_start){(uint32_t)at, asked};
        uint64_t count = mc_take_varint(&counts);
        if (count > event_count - at)
            return MC_ECORRUPT;
        at += count;
        asked += count < most ? (uint32_t)count : most;
    }
    s->starts[s->frame_count] = (struct mc_event_start){(uint32_t)at, asked};
    return at == event_count && !counts.failed ? 0 : MC_ECORRUPT;
}

/* Which types the column has: all, where a type's own field or no type stands. */
static uint32_t types_of(struct mc_span column)
{
    uint32_t types = 0;
    for (const uint8_t *at = column.at; at < column.end; at++)
        types |= *at < MC_EVENT_COUNT ? mc_event_types_of(*at) : MC_EVENT_TYPES_ALL;
    return types;
}

/* What stands at a slice's head, and where its columns are. */
struct slice_head {
    uint64_t first, frame_count, event_count, flags;
    int64_t base_us;
    struct mc_span key; /* empty: none */
    struct mc_span column[MC_EV_COLUMN_COUNT];
};

static int read_head(const struct mc_event_slice *slice, struct slice_head *h)
{
    struct mc_span s = mc_span_of(&slice->raw);
    uint64_t sizes[MC_EV_COLUMN_COUNT];
    h->first = mc_take_varint(&s);
    h->frame_count = mc_take_varint(&s);
    h->event_count = mc_take_varint(&s);
    h->base_us = mc_take_zigzag(&s);
    h->flags = mc_take_varint(&s);
    h->key = mc_take_span(&s, h->flags & MC_EV_FLAG_KEY ? mc_take_varint(&s) : 0);
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        sizes[i] = mc_take_varint(&s);
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        h->column[i] = mc_take_span(&s, sizes[i]);
    /* Every event has a byte in `types`, so the part's length bounds the count. */
    return s.failed || s.at != s.end || h->event_count != sizes[MC_EV_TYPES] ||
                   h->event_count > MC_MAX_EVENTS
               ? MC_ECORRUPT
               : 0;
}

/* Stand before the first event. */
static int rewind_slice(struct mc_event_slice *s)
{
    struct slice_head h;
    if (!s->reader)
        s->reader = calloc(1, sizeof *s->reader);
    if (!s->reader)
        return MC_ENOMEM;
    struct mc_event_reader *r = s->reader;
    if (!r->model)
        r->model = mc_event_model_new();
    if (!r->model)
        return MC_ENOMEM;
    int rc = read_head(s, &h);
    if (rc < 0)
        return rc;
    mc_event_model_reset(r->model);
    memcpy(r->column, h.column, sizeof r->column);
    r->us = h.base_us;
    r->has_ns = (h.flags & MC_EV_FLAG_NS) != 0;
    r->bad = 0;
    r->top_string = 0;
    s->kept_first = s->kept_end = s->rest_count = 0;
    if (h.flags & MC_EV_FLAG_KEY)
        rc = mc_event_key_take(r->model, h.key, r->us, &r->top_string);
    return rc;
}

int mc_event_slice_open(struct mc_event_slice *s, uint32_t chunk_frames)
{
    struct slice_head h;
    s->frame_count = s->kept_first = s->kept_end = 0;
    int rc = read_head(s, &h);
    if (rc < 0)
        return rc;
    if (h.first >= chunk_frames || h.frame_count > chunk_frames - h.first)
        return MC_ECORRUPT;
    s->first_frame = (uint32_t)h.first;
    s->frame_count = (uint32_t)h.frame_count;
    s->types = types_of(h.column[MC_EV_TYPES]);
    rc = read_starts(s, h.column[MC_EV_COUNTS], h.event_count);
    if (rc < 0)
        s->frame_count = 0;
    return rc;
}

/* The kept events of frames [from, end): how many there are. */
static uint32_t asked_count(const struct mc_event_slice *s, uint32_t from, uint32_t end)
{
    return s->starts[end].asked - s->starts[from].asked;
}

/* Room for the events of frames [kept_first, end). */
static int make_room(struct mc_event_slice *s, uint32_t end)
{
    uint64_t wanted = asked_count(s, s->kept_first, end);
    if (wanted <= s->event_room)
        return 0;
    uint64_t room = s->event_room ? s->event_room : KEPT_EVENTS;
    while (room < wanted)
        room *= 2;
    struct mc_event *events = realloc(s->events, room * sizeof *events);
    if (!events)
        return MC_ENOMEM;
    s->events = events;
    s->event_room = room;
    return 0;
}

/* Decode the next events, each to `e` (step 0), or one behind the other (step 1). */
static int read_events(struct mc_event_reader *r, struct mc_event *e, uint32_t count, int step)
{
    for (uint32_t i = 0; i < count; i++, e += step) {
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

/* Decode the next frame's events behind those that are there. */
static int read_frame(struct mc_event_slice *s, uint32_t string_count)
{
    struct mc_event_reader *r = s->reader;
    struct mc_event passed_over, *e = s->events + asked_count(s, s->kept_first, s->kept_end);
    const struct mc_event_start *start = &s->starts[s->kept_end];
    uint32_t count = start[1].asked - start[0].asked;
    int rc = read_events(r, &passed_over, s->rest_count, 0);
    if (rc == 0)
        rc = read_events(r, e, count, 1);
    if (rc == 0 && count && r->top_string >= string_count)
        rc = MC_ECORRUPT;
    if (rc < 0)
        return rc;
    s->rest_count = start[1].all - start[0].all - count;
    s->kept_end++;
    return 0;
}

/* Keep none but the newest frame, which a step back may want, when there is no room for more. */
static void drop_old(struct mc_event_slice *s, uint32_t end)
{
    if (asked_count(s, s->kept_first, end) <= KEPT_EVENTS || s->kept_end == s->kept_first)
        return;
    uint32_t newest = s->kept_end - 1;
    memmove(s->events, s->events + asked_count(s, s->kept_first, newest),
            asked_count(s, newest, s->kept_end) * sizeof *s->events);
    s->kept_first = newest;
}

int mc_event_slice_frame(struct mc_event_slice *s, uint32_t frame_idx, uint32_t string_count,
                         const struct mc_event **events, size_t *count)
{
    int is_begun = mc_event_slice_is_begun(s);
    /* Whoever asks for the last frame first, or goes back, goes on back. */
    int keep = is_begun ? frame_idx < s->kept_first : frame_idx + 1 == s->frame_count;
    int rc = !is_begun || keep ? rewind_slice(s) : 0;
    while (rc == 0 && s->kept_end <= frame_idx) {
        if (!keep)
            drop_old(s, s->kept_end + 1);
        rc = make_room(s, s->kept_end + 1);
        if (rc == 0)
            rc = read_frame(s, string_count);
    }
    if (rc < 0) {
        s->frame_count = s->kept_first = s->kept_end = 0;
        return rc;
    }
    *events = s->events + asked_count(s, s->kept_first, frame_idx);
    *count = asked_count(s, frame_idx, frame_idx + 1);
    return 0;
}

uint32_t mc_event_slice_left_out(const struct mc_event_slice *s, uint32_t frame_idx)
{
    return s->starts[frame_idx + 1].all - s->starts[frame_idx].all -
           asked_count(s, frame_idx, frame_idx + 1);
}

int mc_event_slice_is_begun(const struct mc_event_slice *s)
{
    return s->kept_end > 0;
}

void mc_event_slice_trim(struct mc_event_slice *s)
{
    s->event_max = 0;
    s->frame_count = s->kept_first = s->kept_end = 0;
    if (s->event_room > 2 * KEPT_EVENTS) {
        free(s->events);
        s->events = NULL;
        s->event_room = 0;
    }
    if (s->raw.room > 16 * MC_SLICE_EVENTS)
        mc_buf_fini(&s->raw);
}

void mc_event_slice_fini(struct mc_event_slice *s)
{
    if (s->reader)
        mc_event_model_free(s->reader->model);
    free(s->reader);
    mc_buf_fini(&s->raw);
    free(s->events);
    free(s->starts);
    memset(s, 0, sizeof *s);
}
