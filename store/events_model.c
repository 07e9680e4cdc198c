/* events_model.c: what is known of connections and routes within a slice of events. */
#include <stdlib.h>
#include <string.h>

#include "store/events_priv.h"

#define HASH_COUNT (MC_EV_SLOTS * 2) /* a power of two, at most half full */

struct mc_event_model *mc_event_model_new(void)
{
    struct mc_event_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    /* Only the hash is looked at before it is written to. */
    m->conns = malloc(MC_EV_SLOTS * sizeof *m->conns);
    m->free_slots = malloc(MC_EV_SLOTS * sizeof *m->free_slots);
    m->hash = calloc(HASH_COUNT, sizeof *m->hash);
    m->routes = malloc(MC_EV_ROUTES_MAX * sizeof *m->routes);
    if (!m->conns || !m->free_slots || !m->hash || !m->routes) {
        mc_event_model_free(m);
        return NULL;
    }
    return m;
}

void mc_event_model_free(struct mc_event_model *m)
{
    if (!m)
        return;
    free(m->conns);
    free(m->free_slots);
    free(m->hash);
    free(m->routes);
    free(m);
}

static void forget_conns(struct mc_event_model *m)
{
    if (m->slot_count)
        memset(m->hash, 0, HASH_COUNT * sizeof *m->hash);
    m->slot_count = m->free_count = 0;
    m->last_slot = UINT32_MAX;
}

void mc_event_model_reset(struct mc_event_model *m)
{
    forget_conns(m);
    m->top_conn = 0;
    m->route_count = 0;
    memset(m->last_detail, 0, sizeof m->last_detail);
    memset(m->last_owner, 0, sizeof m->last_owner);
    m->last_port = 0;
}

static uint32_t hash_of(uint64_t conn_id)
{
    return (uint32_t)(conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (HASH_COUNT - 1);
}

uint32_t mc_event_model_find(const struct mc_event_model *m, uint64_t conn_id)
{
    for (uint32_t h = hash_of(conn_id); m->hash[h]; h = (h + 1) & (HASH_COUNT - 1)) {
        if (m->conns[m->hash[h] - 1].conn_id == conn_id)
            return m->hash[h] - 1;
    }
    return UINT32_MAX;
}

uint32_t mc_event_model_open(struct mc_event_model *m, uint64_t conn_id)
{
    if (!m->free_count && m->slot_count == MC_EV_SLOTS)
        forget_conns(m);
    uint32_t slot = m->free_count ? m->free_slots[--m->free_count] : m->slot_count++;
    mc_event_model_place(m, slot, conn_id);
    if (conn_id > m->top_conn)
        m->top_conn = conn_id;
    return slot;
}

void mc_event_model_place(struct mc_event_model *m, uint32_t slot, uint64_t conn_id)
{
    m->conns[slot] =
        (struct mc_event_conn){.conn_id = conn_id, .last_route = UINT32_MAX, .is_open = 1};
    uint32_t h = hash_of(conn_id);
    while (m->hash[h])
        h = (h + 1) & (HASH_COUNT - 1);
    m->hash[h] = slot + 1;
}

/* What stood behind it in the hash moves up (Knuth 6.4, algorithm R). */
void mc_event_model_close(struct mc_event_model *m, uint32_t slot)
{
    uint32_t h = hash_of(m->conns[slot].conn_id);
    while (m->hash[h] != slot + 1)
        h = (h + 1) & (HASH_COUNT - 1);
    uint32_t hole = h;
    for (;;) {
        h = (h + 1) & (HASH_COUNT - 1);
        if (!m->hash[h])
            break;
        uint32_t home = hash_of(m->conns[m->hash[h] - 1].conn_id);
        if (((h - home) & (HASH_COUNT - 1)) >= ((h - hole) & (HASH_COUNT - 1))) {
            m->hash[hole] = m->hash[h];
            hole = h;
        }
    }
    m->hash[hole] = 0;
    m->conns[slot].is_open = 0;
    m->free_slots[m->free_count++] = slot;
    if (m->last_slot == slot)
        m->last_slot = UINT32_MAX;
}

uint32_t mc_event_model_route(const struct mc_event_model *m, uint32_t method, uint32_t detail)
{
    for (uint32_t i = 0; i < m->route_count; i++) {
        if (m->routes[i].detail == detail && m->routes[i].method == method)
            return i;
    }
    return UINT32_MAX;
}

uint32_t mc_event_model_add_route(struct mc_event_model *m, uint32_t method, uint32_t detail)
{
    uint32_t i = m->route_count < MC_EV_ROUTES_MAX ? m->route_count++ : MC_EV_ROUTES_MAX - 1;
    m->routes[i] = (struct mc_event_route){.method = method, .detail = detail};
    return i;
}
