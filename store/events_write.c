/* events_write.c: events into columns. The format stands in events.h.
 *
 * Room for a batch of events is made in all columns at once, and then each number is written
 * without looking: an event is some ten numbers, nearly all of a byte, and looking was half of its
 * cost.
 */
#include <stdlib.h>

#include "store/events_priv.h"
#include "store/pack.h"
#include "tracer/error.h"

#define BATCH_EVENTS 256u
#define VARINT_BYTES 10u

/* The most bytes that one event adds to each column. */
static const uint8_t event_bytes[MC_EV_COLUMN_COUNT] = {
    [MC_EV_TYPES] = 1,
    [MC_EV_TIME] = 1,
    [MC_EV_FAR] = 4 * VARINT_BYTES, /* a time, a connection, a method, a detail */
    [MC_EV_NS] = 2 * VARINT_BYTES,
    [MC_EV_CONNS] = VARINT_BYTES,
    [MC_EV_STREAMS] = VARINT_BYTES,
    [MC_EV_ROUTES] = VARINT_BYTES,
    [MC_EV_STATUS] = VARINT_BYTES,
    [MC_EV_IN] = VARINT_BYTES + 1,
    [MC_EV_OUT] = VARINT_BYTES + 1,
    [MC_EV_ARENA] = VARINT_BYTES,
    [MC_EV_DURS] = VARINT_BYTES,
    [MC_EV_DETAILS] = VARINT_BYTES,
    [MC_EV_OWNERS] = 2 * VARINT_BYTES,
    [MC_EV_BYTES] = 2 * VARINT_BYTES,
    [MC_EV_STATES] = 1,
    [MC_EV_RAWS] = 2 + 12 * VARINT_BYTES,
};

/* Into column `c`, in which there is room. */
MC_EV_INLINE void put_byte(struct mc_event_writer *w, int c, uint8_t v)
{
    *w->at[c]++ = v;
}

MC_EV_INLINE void put_varint(struct mc_event_writer *w, int c, uint64_t v)
{
    uint8_t *at = w->at[c];
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    w->at[c] = at;
}

MC_EV_INLINE void put_zigzag(struct mc_event_writer *w, int c, int64_t v)
{
    put_varint(w, c, mc_zigzag(v));
}

int mc_event_writer_init(struct mc_event_writer *w)
{
    memset(w, 0, sizeof *w);
    w->model = mc_event_model_new();
    return w->model ? 0 : MC_ENOMEM;
}

void mc_event_writer_fini(struct mc_event_writer *w)
{
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        mc_buf_fini(&w->column[i]);
    mc_event_key_fini(&w->key);
    mc_event_model_free(w->model);
    memset(w, 0, sizeof *w);
}

void mc_event_writer_begin(struct mc_event_writer *w, uint32_t first_frame)
{
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        w->column[i].count = 0;
    mc_event_model_reset(w->model);
    w->first_frame = first_frame;
    w->frame_count = 0;
    w->event_count = 0;
    w->base_us = w->last_us = 0;
    w->any_ns = 0;
    w->mark = (struct mc_event_mark){0};
}

/* Whether all fields that the type does not use are 0, as they should be. */
MC_EV_INLINE int fits_type(const struct mc_event *e, int type)
{
    if (type >= MC_EVENT_COUNT)
        return 0;
    unsigned f = mc_event_fields(type);
    uint64_t unused = e->reserved;
    if (!(f & MC_EVF_STREAM))
        unused |= e->stream_id;
    if (!(f & MC_EVF_ROUTE))
        unused |= e->method;
    if (!(f & (MC_EVF_ROUTE | MC_EVF_DETAIL)))
        unused |= e->detail;
    if (!(f & MC_EVF_OWNER))
        unused |= e->owner;
    if (!(f & MC_EVF_PORT))
        unused |= e->port;
    if (!(f & (MC_EVF_RESPONSE | MC_EVF_BYTES)))
        unused |= e->bytes_in | e->bytes_out;
    if (!(f & MC_EVF_RESPONSE))
        unused |= (uint64_t)e->status | e->arena_bytes;
    if (!(f & MC_EVF_DUR))
        unused |= e->dur_ns;
    if (!(f & MC_EVF_STATE))
        unused |= e->state;
    return !unused && e->dur_ns <= INT64_MAX / 2;
}

static void put_raw(struct mc_event_writer *w, const struct mc_event *e)
{
    put_byte(w, MC_EV_RAWS, e->type);
    put_byte(w, MC_EV_RAWS, e->state);
    const uint64_t fields[] = {e->status,    e->stream_id, e->conn_id,     e->method,
                               e->detail,    e->owner,     e->port,        e->bytes_in,
                               e->bytes_out, e->dur_ns,    e->arena_bytes, e->reserved};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        put_varint(w, MC_EV_RAWS, fields[i]);
}

MC_EV_INLINE void put_time(struct mc_event_writer *w, const struct mc_event *e)
{
    uint32_t rest;
    int64_t us = mc_event_us(e->ts, &rest);
    if (!w->event_count)
        w->base_us = w->last_us = us;
    int64_t step = us - w->last_us;
    if (step >= 0 && step < 255) {
        put_byte(w, MC_EV_TIME, (uint8_t)step);
    } else {
        put_byte(w, MC_EV_TIME, 255);
        put_zigzag(w, MC_EV_FAR, step);
    }
    put_varint(w, MC_EV_NS, rest);
    w->any_ns |= rest != 0;
    w->last_us = us;
}

/* A connection that the slice has not told of yet. */
static uint32_t put_new_conn(struct mc_event_writer *w, uint64_t conn_id)
{
    put_byte(w, MC_EV_CONNS, 1);
    put_zigzag(w, MC_EV_FAR, (int64_t)(conn_id - w->model->top_conn - 1));
    mc_event_key_place(&w->key, w->model);
    uint32_t slot = mc_event_model_open(w->model, conn_id);
    w->model->conns[slot].stamp = w->key.stamp;
    return slot;
}

MC_EV_INLINE uint32_t put_conn(struct mc_event_writer *w, const struct mc_event *e)
{
    struct mc_event_model *m = w->model;
    uint32_t slot = m->last_slot;
    if (slot != UINT32_MAX && m->conns[slot].conn_id == e->conn_id) {
        put_byte(w, MC_EV_CONNS, 0);
    } else {
        slot = mc_event_model_find(m, e->conn_id);
        if (slot == UINT32_MAX)
            return put_new_conn(w, e->conn_id);
        put_varint(w, MC_EV_CONNS, (uint64_t)slot + 2);
    }
    if (m->conns[slot].stamp != w->key.stamp)
        mc_event_key_conn(&w->key, m, slot);
    return slot;
}

MC_EV_INLINE uint32_t put_route(struct mc_event_writer *w, const struct mc_event *e,
                                uint32_t expected)
{
    struct mc_event_model *m = w->model;
    if (expected < m->route_count && m->routes[expected].method == e->method &&
        m->routes[expected].detail == e->detail) {
        put_byte(w, MC_EV_ROUTES, 0);
        return expected;
    }
    uint32_t i = mc_event_model_route(m, e->method, e->detail);
    if (i != UINT32_MAX) {
        put_varint(w, MC_EV_ROUTES, (uint64_t)i + 2);
        return i;
    }
    put_byte(w, MC_EV_ROUTES, 1);
    put_varint(w, MC_EV_FAR, e->method);
    put_varint(w, MC_EV_FAR, e->detail);
    return mc_event_model_add_route(m, e->method, e->detail);
}

/* 0: as last time; else 1 + v, where the two values at the top share an escape. */
MC_EV_INLINE void put_or_same(struct mc_event_writer *w, int c, uint64_t v, uint64_t last)
{
    if (v == last) {
        put_byte(w, c, 0);
    } else if (v >= UINT64_MAX - 1) {
        put_varint(w, c, UINT64_MAX);
        put_byte(w, c, (uint8_t)(v & 1));
    } else {
        put_varint(w, c, v + 1);
    }
}

MC_EV_INLINE void put_response(struct mc_event_writer *w, const struct mc_event *e,
                               uint32_t route_idx)
{
    const struct mc_event_route *r = &w->model->routes[route_idx];
    put_zigzag(w, MC_EV_STATUS, (int64_t)e->status - r->status);
    put_or_same(w, MC_EV_IN, e->bytes_in, r->bytes_in);
    put_or_same(w, MC_EV_OUT, e->bytes_out, r->bytes_out);
    put_zigzag(w, MC_EV_ARENA, (int64_t)e->arena_bytes - (int64_t)r->arena_bytes);
}

/* The fields of an event of `type`, which is e's. */
MC_EV_INLINE void put_fields(struct mc_event_writer *w, const struct mc_event *e, int type)
{
    struct mc_event_model *m = w->model;
    uint32_t slot = put_conn(w, e), route_idx = UINT32_MAX, flight = 0;
    struct mc_event_conn *c = &m->conns[slot];
    unsigned fields = mc_event_fields(type);
    const struct mc_flight *request = NULL;
    if (fields & MC_EVF_STREAM)
        put_zigzag(w, MC_EV_STREAMS, (int32_t)(e->stream_id - mc_event_expect_stream(c, type)));
    if (type == MC_EVENT_RESPONSE) {
        flight = mc_event_flight(c, e->stream_id);
        request = flight < c->flight_count ? &c->flight[flight] : NULL;
    }
    if (fields & MC_EVF_ROUTE)
        route_idx = put_route(w, e, request ? request->route_idx : c->last_route);
    if (fields & MC_EVF_RESPONSE)
        put_response(w, e, route_idx);
    if (fields & MC_EVF_DUR) {
        uint32_t rest;
        int64_t us = mc_event_us((int64_t)e->dur_ns, &rest);
        put_varint(w, MC_EV_NS, rest);
        w->any_ns |= rest != 0;
        put_zigzag(w, MC_EV_DURS, request ? us - (w->last_us - request->us) : us);
    }
    if (fields & MC_EVF_DETAIL)
        put_zigzag(w, MC_EV_DETAILS, (int64_t)e->detail - (int64_t)m->last_detail[type]);
    if (fields & MC_EVF_OWNER)
        put_zigzag(w, MC_EV_OWNERS, (int64_t)e->owner - (int64_t)m->last_owner[type]);
    if (fields & MC_EVF_PORT)
        put_zigzag(w, MC_EV_OWNERS, (int64_t)e->port - (int64_t)m->last_port);
    if (fields & MC_EVF_BYTES) {
        put_varint(w, MC_EV_BYTES, e->bytes_in);
        put_varint(w, MC_EV_BYTES, e->bytes_out);
    }
    if (fields & MC_EVF_STATE)
        put_byte(w, MC_EV_STATES, e->state);
    mc_event_model_after(m, slot, e, type, w->last_us, route_idx, flight);
}

/* An event by its type, or as it is when it has fields that its type does not use. */
MC_EV_INLINE void put_typed(struct mc_event_writer *w, const struct mc_event *e, int type)
{
    if (fits_type(e, type)) {
        put_byte(w, MC_EV_TYPES, (uint8_t)type);
        put_fields(w, e, type);
    } else {
        put_byte(w, MC_EV_TYPES, MC_EV_RAW);
        put_raw(w, e);
    }
}

static void put_event(struct mc_event_writer *w, const struct mc_event *e)
{
#define PUT(type) put_typed(w, e, type)
    MC_EV_BY_TYPE(e->type, PUT)
#undef PUT
}

/* Room for a batch in every column; 0 without memory, which its column tells at the end. */
static int begin_batch(struct mc_event_writer *w, size_t count)
{
    for (int c = 0; c < MC_EV_COLUMN_COUNT; c++) {
        w->at[c] = mc_buf_reserve(&w->column[c], count * event_bytes[c] + 1);
        if (!w->at[c])
            return 0;
    }
    return 1;
}

static void end_batch(struct mc_event_writer *w)
{
    for (int c = 0; c < MC_EV_COLUMN_COUNT; c++)
        w->column[c].count = (size_t)(w->at[c] - w->column[c].bytes);
}

void mc_event_writer_frame(struct mc_event_writer *w, const struct mc_event *events, size_t count)
{
    mc_put_varint(&w->column[MC_EV_COUNTS], count);
    for (size_t i = 0; i < count;) {
        size_t end = count - i > BATCH_EVENTS ? i + BATCH_EVENTS : count;
        if (!begin_batch(w, end - i))
            return;
        for (; i < end; i++) {
            put_time(w, &events[i]);
            put_event(w, &events[i]);
            w->event_count++;
        }
        end_batch(w);
    }
    w->frame_count++;
}

/* The events since `from` as a slice, with `key` before them if it has one. */
static int put_slice(const struct mc_event_writer *w, const struct mc_event_mark *from,
                     uint32_t first_frame, const struct mc_buf *key, struct mc_buf *raw)
{
    mc_put_varint(raw, first_frame);
    mc_put_varint(raw, w->frame_count - from->frame_count);
    mc_put_varint(raw, w->event_count - from->event_count);
    mc_put_zigzag(raw, from->event_count ? w->key.base_us : w->base_us);
    mc_put_varint(raw, (w->any_ns ? MC_EV_FLAG_NS : 0) | (key->count ? MC_EV_FLAG_KEY : 0));
    if (key->count) {
        mc_put_varint(raw, key->count);
        mc_buf_add(raw, key->bytes, key->count);
    }
    size_t counts[MC_EV_COLUMN_COUNT];
    int failed = key->failed;
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++) {
        int is_left_out = i == MC_EV_NS && !w->any_ns;
        counts[i] = is_left_out ? 0 : w->column[i].count - from->column[i];
        failed |= w->column[i].failed;
        mc_put_varint(raw, counts[i]);
    }
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        if (counts[i])
            mc_buf_add(raw, w->column[i].bytes + from->column[i], counts[i]);
    return failed || raw->failed ? MC_ENOMEM : 0;
}

int mc_event_writer_end(struct mc_event_writer *w, struct mc_buf *raw)
{
    static const struct mc_event_mark start;
    static const struct mc_buf no_key;
    return put_slice(w, &start, w->first_frame, &no_key, raw);
}

void mc_event_writer_set_mark(struct mc_event_writer *w)
{
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        w->mark.column[i] = w->column[i].count;
    w->mark.frame_count = w->frame_count;
    w->mark.event_count = w->event_count;
    mc_event_key_begin(&w->key, w->model, w->last_us);
}

int mc_event_writer_end_mark(const struct mc_event_writer *w, struct mc_buf *raw)
{
    struct mc_buf key = {0};
    int rc = w->mark.event_count ? mc_event_key_put(&w->key, &key) : 0;
    if (rc == 0)
        rc = put_slice(w, &w->mark, 0, &key, raw);
    mc_buf_fini(&key);
    return rc;
}
