/* events_priv.h: the model of a slice of events that its writer and its reader share.
 *
 * Everything here is part of the format: both sides must come to the same predictions.
 */
#ifndef MC_EVENTS_PRIV_H
#define MC_EVENTS_PRIV_H

#include "store/events.h"

#define MC_EV_RAW 255      /* a type: an event with fields that its type does not use */
#define MC_EV_FLAG_NS 1    /* a slice's flag: the ns column is there */
#define MC_EV_FLAG_KEY 2   /* a slice's flag: it has a key */
#define MC_EV_SLOTS 16384u /* open connections that the model can hold */
#define MC_EV_ROUTES_MAX 1024u
#define MC_EV_FLIGHT 8u /* requests in flight that it keeps for a connection */

/* Which fields a type has, beyond conn_id. */
enum mc_event_field {
    MC_EVF_STREAM = 1,
    MC_EVF_ROUTE = 2,    /* method and detail as a pair */
    MC_EVF_RESPONSE = 4, /* status, bytes_in, bytes_out, arena_bytes by route */
    MC_EVF_DETAIL = 8,
    MC_EVF_OWNER = 16,
    MC_EVF_PORT = 32,
    MC_EVF_BYTES = 64,
    MC_EVF_DUR = 128,
    MC_EVF_STATE = 256,
};
static inline unsigned mc_event_fields(int type)
{
    static const unsigned fields[MC_EVENT_COUNT] = {
        [MC_EVENT_ACCEPT] = MC_EVF_DETAIL | MC_EVF_OWNER | MC_EVF_PORT,
        [MC_EVENT_TLS] = MC_EVF_DETAIL | MC_EVF_DUR,
        [MC_EVENT_STREAM_OPEN] = MC_EVF_STREAM,
        [MC_EVENT_REQUEST] = MC_EVF_STREAM | MC_EVF_ROUTE,
        [MC_EVENT_RESPONSE] = MC_EVF_STREAM | MC_EVF_ROUTE | MC_EVF_RESPONSE | MC_EVF_DUR,
        [MC_EVENT_STREAM_CLOSE] = MC_EVF_STREAM | MC_EVF_DETAIL,
        [MC_EVENT_STATE] = MC_EVF_STATE,
        [MC_EVENT_OVERFLOW] = MC_EVF_STREAM | MC_EVF_DETAIL,
        [MC_EVENT_ERROR] = MC_EVF_STREAM | MC_EVF_DETAIL,
        [MC_EVENT_CLOSE] = MC_EVF_DETAIL | MC_EVF_BYTES,
        [MC_EVENT_GC] = MC_EVF_DETAIL | MC_EVF_OWNER | MC_EVF_BYTES | MC_EVF_DUR,
    };
    return type >= 0 && type < MC_EVENT_COUNT ? fields[type] : 0;
}

/* The code for events of a type, which the compiler can be given once for each type that comes
 * often: what the type does not have drops out of it. That halves the cost of an event, both ways.
 */
#define MC_EV_BY_TYPE(type, call)                                                                  \
    switch (type) {                                                                                \
    case MC_EVENT_STREAM_OPEN:                                                                     \
        call(MC_EVENT_STREAM_OPEN);                                                                \
        break;                                                                                     \
    case MC_EVENT_REQUEST:                                                                         \
        call(MC_EVENT_REQUEST);                                                                    \
        break;                                                                                     \
    case MC_EVENT_RESPONSE:                                                                        \
        call(MC_EVENT_RESPONSE);                                                                   \
        break;                                                                                     \
    case MC_EVENT_STREAM_CLOSE:                                                                    \
        call(MC_EVENT_STREAM_CLOSE);                                                               \
        break;                                                                                     \
    case MC_EVENT_OVERFLOW:                                                                        \
        call(MC_EVENT_OVERFLOW);                                                                   \
        break;                                                                                     \
    default:                                                                                       \
        call(type);                                                                                \
    }
#define MC_EV_INLINE static inline __attribute__((always_inline))

struct mc_flight {
    uint32_t stream_id, route_idx;
    int64_t us;
};

struct mc_event_conn {
    uint64_t conn_id;
    uint32_t last_stream, last_route;
    uint32_t flight_count;
    int is_open;
    uint32_t stamp; /* a mark's, whose key has no need of it: see events_key.c */
    struct mc_flight flight[MC_EV_FLIGHT]; /* oldest first */
};

struct mc_event_route {
    uint32_t method, detail, arena_bytes;
    uint16_t status;
    uint64_t bytes_in, bytes_out;
};

struct mc_event_model {
    struct mc_event_conn *conns; /* owned; by slot */
    uint32_t *free_slots;        /* owned; a stack */
    uint32_t *hash;              /* owned; slot + 1, by conn_id; open addressing */
    uint32_t slot_count, free_count;
    uint32_t last_slot; /* of the last event */
    uint64_t top_conn;
    struct mc_event_route *routes; /* owned */
    uint32_t route_count;
    uint32_t last_detail[MC_EVENT_COUNT], last_owner[MC_EVENT_COUNT];
    uint32_t last_port;
};

struct mc_event_model *mc_event_model_new(void);
void mc_event_model_free(struct mc_event_model *m);
void mc_event_model_reset(struct mc_event_model *m);
/* The slot of a connection, or UINT32_MAX. */
uint32_t mc_event_model_find(const struct mc_event_model *m, uint64_t conn_id);
/* Give an unknown connection a slot; forgets all others when there is no more room. */
uint32_t mc_event_model_open(struct mc_event_model *m, uint64_t conn_id);
/* Give it that slot, which is free and within slot_count. */
void mc_event_model_place(struct mc_event_model *m, uint32_t slot, uint64_t conn_id);
/* The index of a pair, or UINT32_MAX. */
uint32_t mc_event_model_route(const struct mc_event_model *m, uint32_t method, uint32_t detail);
/* Add a pair; past the last place the last one is used again. */
uint32_t mc_event_model_add_route(struct mc_event_model *m, uint32_t method, uint32_t detail);
/* Take a connection out. */
void mc_event_model_close(struct mc_event_model *m, uint32_t slot);

/* Begin a key of what is known now; base_us: of the last event. */
void mc_event_key_begin(struct mc_event_key *k, const struct mc_event_model *m, int64_t base_us);
/* A connection without the key's stamp is about to be used: keep what is known of it. */
void mc_event_key_conn(struct mc_event_key *k, struct mc_event_model *m, uint32_t slot);
/* A connection is about to be opened. */
void mc_event_key_place(struct mc_event_key *k, const struct mc_event_model *m);
/* Append the key. 0 or MC_ENOMEM. */
int mc_event_key_put(const struct mc_event_key *k, struct mc_buf *raw);
void mc_event_key_fini(struct mc_event_key *k);
/* Make what a key says known to a model that was reset; *top_string is raised to the highest string
 * of its routes. MC_ECORRUPT: the model must be reset. */
int mc_event_key_take(struct mc_event_model *m, struct mc_span key, int64_t base_us,
                      uint32_t *top_string);

/* The stream that an event of this type is expected on. */
MC_EV_INLINE uint32_t mc_event_expect_stream(const struct mc_event_conn *c, int type)
{
    if (type == MC_EVENT_STREAM_OPEN)
        return c->last_stream + 2;
    if (type == MC_EVENT_RESPONSE && c->flight_count)
        return c->flight[0].stream_id;
    return c->last_stream;
}

/* Where the request that a response on this stream answers stands in flight; flight_count: none. */
MC_EV_INLINE uint32_t mc_event_flight(const struct mc_event_conn *c, uint32_t stream_id)
{
    uint32_t i = 0;
    while (i < c->flight_count && c->flight[i].stream_id != stream_id)
        i++;
    return i;
}

MC_EV_INLINE void mc_event_drop_flight(struct mc_event_conn *c, uint32_t i)
{
    for (c->flight_count--; i < c->flight_count; i++)
        c->flight[i] = c->flight[i + 1];
}

/* What is known after an event of `type`; route_idx where the type has one, flight that of its
 * request. */
MC_EV_INLINE void mc_event_model_after(struct mc_event_model *m, uint32_t slot,
                                       const struct mc_event *e, int type, int64_t us,
                                       uint32_t route_idx, uint32_t flight)
{
    struct mc_event_conn *c = &m->conns[slot];
    m->last_slot = slot;
    if (mc_event_fields(type) & MC_EVF_STREAM)
        c->last_stream = e->stream_id;
    if (mc_event_fields(type) & MC_EVF_DETAIL)
        m->last_detail[type] = e->detail;
    if (mc_event_fields(type) & MC_EVF_OWNER)
        m->last_owner[type] = e->owner;
    if (type == MC_EVENT_ACCEPT)
        m->last_port = e->port;
    if (type == MC_EVENT_REQUEST) {
        if (c->flight_count == MC_EV_FLIGHT)
            mc_event_drop_flight(c, 0);
        c->flight[c->flight_count++] = (struct mc_flight){e->stream_id, route_idx, us};
        c->last_route = route_idx;
    } else if (type == MC_EVENT_RESPONSE) {
        if (flight < c->flight_count)
            mc_event_drop_flight(c, flight);
        struct mc_event_route *r = &m->routes[route_idx];
        r->status = e->status;
        r->bytes_in = e->bytes_in;
        r->bytes_out = e->bytes_out;
        r->arena_bytes = e->arena_bytes;
    } else if (type == MC_EVENT_CLOSE) {
        mc_event_model_close(m, slot);
    }
}

/* floor(ns / 1000) and the rest, 0 to 999. */
static inline int64_t mc_event_us(int64_t ns, uint32_t *rest)
{
    int64_t us = ns / 1000, left = ns % 1000;
    if (left < 0) {
        left += 1000;
        us--;
    }
    *rest = (uint32_t)left;
    return us;
}

#endif
