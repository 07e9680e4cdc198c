/* events_key.c: what a slice that goes on from earlier events must know of them. The format stands
 * in events.h.
 *
 * Of connections it tells those that the slice comes back to, as they were before it, and of free
 * places those that it gives away: each is kept when that happens.
 */
#include "store/events_priv.h"
#include "store/pack.h"
#include "tracer/error.h"

/* ---- writing -------------------------------------------------------------------------------- */

void mc_event_key_begin(struct mc_event_key *k, const struct mc_event_model *m, int64_t base_us)
{
    struct mc_buf *to = &k->head;
    mc_buf_forget(to);
    mc_buf_forget(&k->conns);
    mc_buf_forget(&k->places);
    k->conn_count = k->place_count = 0;
    k->places_left = m->free_count;
    k->base_us = base_us;
    k->stamp = k->stamp == UINT32_MAX ? 1 : k->stamp + 1;
    mc_put_varint(to, m->top_conn);
    mc_put_varint(to, (uint32_t)(m->last_slot + 1));
    mc_put_varint(to, m->slot_count);
    mc_put_varint(to, m->last_port);
    for (int type = 0; type < MC_EVENT_COUNT; type++) {
        mc_put_varint(to, m->last_detail[type]);
        mc_put_varint(to, m->last_owner[type]);
    }
    mc_put_varint(to, m->route_count);
    for (uint32_t i = 0; i < m->route_count; i++) {
        const struct mc_event_route *r = &m->routes[i];
        mc_put_varint(to, r->method);
        mc_put_varint(to, r->detail);
        mc_put_varint(to, r->status);
        mc_put_varint(to, r->arena_bytes);
        mc_put_varint(to, r->bytes_in);
        mc_put_varint(to, r->bytes_out);
    }
}

void mc_event_key_conn(struct mc_event_key *k, struct mc_event_model *m, uint32_t slot)
{
    struct mc_event_conn *c = &m->conns[slot];
    struct mc_buf *to = &k->conns;
    mc_put_varint(to, slot);
    mc_put_varint(to, c->conn_id);
    mc_put_varint(to, c->last_stream);
    mc_put_varint(to, (uint32_t)(c->last_route + 1));
    mc_put_varint(to, c->flight_count);
    for (uint32_t i = 0; i < c->flight_count; i++) {
        mc_put_varint(to, c->flight[i].stream_id);
        mc_put_varint(to, c->flight[i].route_idx);
        mc_put_zigzag(to, mc_wrap_sub(k->base_us, c->flight[i].us));
    }
    c->stamp = k->stamp;
    k->conn_count++;
}

void mc_event_key_place(struct mc_event_key *k, const struct mc_event_model *m)
{
    if (!m->free_count || m->free_count > k->places_left)
        return;
    mc_put_varint(&k->places, m->free_slots[m->free_count - 1]);
    k->place_count++;
    k->places_left = m->free_count - 1;
}

int mc_event_key_put(const struct mc_event_key *k, struct mc_buf *raw)
{
    mc_buf_add(raw, k->head.bytes, k->head.count);
    mc_put_varint(raw, k->conn_count);
    mc_buf_add(raw, k->conns.bytes, k->conns.count);
    mc_put_varint(raw, k->place_count);
    mc_buf_add(raw, k->places.bytes, k->places.count);
    return k->head.failed || k->conns.failed || k->places.failed || raw->failed ? MC_ENOMEM : 0;
}

void mc_event_key_fini(struct mc_event_key *k)
{
    mc_buf_fini(&k->head);
    mc_buf_fini(&k->conns);
    mc_buf_fini(&k->places);
}

/* ---- reading -------------------------------------------------------------------------------- */

static uint32_t take_u32(struct mc_span *s, uint32_t most)
{
    uint64_t v = mc_take_varint(s);
    s->failed |= v > most;
    return s->failed ? 0 : (uint32_t)v;
}

static uint32_t take_string(struct mc_span *s, uint32_t *top_string)
{
    uint32_t id = take_u32(s, UINT32_MAX);
    *top_string = id > *top_string ? id : *top_string;
    return id;
}

static void take_head(struct mc_event_model *m, struct mc_span *s, uint32_t *top_string)
{
    m->top_conn = mc_take_varint(s);
    m->last_slot = take_u32(s, MC_EV_SLOTS) - 1;
    m->slot_count = take_u32(s, MC_EV_SLOTS);
    m->last_port = take_u32(s, UINT32_MAX);
    for (int type = 0; type < MC_EVENT_COUNT; type++) {
        m->last_detail[type] = take_u32(s, UINT32_MAX);
        m->last_owner[type] = take_u32(s, UINT32_MAX);
    }
    m->route_count = take_u32(s, MC_EV_ROUTES_MAX);
    for (uint32_t i = 0; i < m->route_count; i++) {
        struct mc_event_route *r = &m->routes[i];
        r->method = take_string(s, top_string);
        r->detail = take_string(s, top_string);
        r->status = (uint16_t)take_u32(s, UINT16_MAX);
        r->arena_bytes = take_u32(s, UINT32_MAX);
        r->bytes_in = mc_take_varint(s);
        r->bytes_out = mc_take_varint(s);
    }
}

/* A connection into its place, which must be one, and free. */
static void take_conn(struct mc_event_model *m, struct mc_span *s, int64_t base_us)
{
    uint32_t slot = take_u32(s, MC_EV_SLOTS);
    uint64_t conn_id = mc_take_varint(s);
    s->failed |= slot >= m->slot_count || m->conns[slot].is_open ||
                 mc_event_model_find(m, conn_id) != UINT32_MAX;
    if (s->failed)
        return;
    mc_event_model_place(m, slot, conn_id);
    struct mc_event_conn *c = &m->conns[slot];
    c->last_stream = take_u32(s, UINT32_MAX);
    c->last_route = take_u32(s, MC_EV_ROUTES_MAX) - 1;
    c->flight_count = take_u32(s, MC_EV_FLIGHT);
    for (uint32_t i = 0; i < c->flight_count; i++) {
        c->flight[i].stream_id = take_u32(s, UINT32_MAX);
        c->flight[i].route_idx = take_u32(s, MC_EV_ROUTES_MAX);
        c->flight[i].us = mc_wrap_sub(base_us, mc_take_zigzag(s));
    }
}

/* The free places in the order in which they are given away; the stamp tells of those that were. */
static void take_places(struct mc_event_model *m, struct mc_span *s)
{
    uint32_t count = take_u32(s, m->slot_count);
    for (uint32_t i = 0; i < count && !s->failed; i++) {
        uint32_t slot = take_u32(s, MC_EV_SLOTS);
        s->failed |= slot >= m->slot_count || m->conns[slot].is_open || m->conns[slot].stamp;
        if (s->failed)
            return;
        m->conns[slot].stamp = 1;
        m->free_slots[count - 1 - i] = slot;
    }
    m->free_count = s->failed ? 0 : count;
}

int mc_event_key_take(struct mc_event_model *m, struct mc_span s, int64_t base_us,
                      uint32_t *top_string)
{
    take_head(m, &s, top_string);
    for (uint32_t i = 0; i < m->slot_count; i++) {
        m->conns[i].is_open = 0;
        m->conns[i].stamp = 0;
    }
    uint32_t conn_count = take_u32(&s, m->slot_count);
    for (uint32_t i = 0; i < conn_count && !s.failed; i++)
        take_conn(m, &s, base_us);
    take_places(m, &s);
    /* That of the last event is only told where the slice goes on with it. */
    if (m->last_slot != UINT32_MAX &&
        (m->last_slot >= m->slot_count || !m->conns[m->last_slot].is_open))
        m->last_slot = UINT32_MAX;
    return s.failed || s.at != s.end ? MC_ECORRUPT : 0;
}
