/* maps.c: the state of slot maps, and a frame's changes as columns. The format stands in maps.h. */
#include "store/maps.h"

#include <stdlib.h>

#include "store/maps_priv.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

/* ---- state ---------------------------------------------------------------------------------- */

static void map_state_fini(struct mc_map_state *m)
{
    free(m->map.states);
    free(m->map.owners);
    free(m->map.conns);
    free(m->used);
    free(m->used_in);
    memset(m, 0, sizeof *m);
}

void mc_maps_fini(struct mc_maps *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        map_state_fini(&m->maps[i]);
    free(m->maps);
    free(m->views);
    memset(m, 0, sizeof *m);
}

static int maps_room(struct mc_maps *m, uint32_t count)
{
    if (count <= m->room)
        return 0;
    uint32_t room = m->room ? m->room * 2 : 16;
    while (room < count)
        room *= 2;
    struct mc_map_state *maps = realloc(m->maps, room * sizeof *maps);
    if (!maps)
        return MC_ENOMEM;
    m->maps = maps;
    struct mc_map *views = realloc(m->views, room * sizeof *views);
    if (!views)
        return MC_ENOMEM;
    m->views = views;
    m->room = room;
    return 0;
}

static uint32_t word_count(uint32_t slot_count)
{
    return (slot_count + 63) / 64;
}

static uint32_t block_count(uint32_t slot_count)
{
    return (slot_count + MC_MAP_BLOCK - 1) / MC_MAP_BLOCK;
}

static int map_state_init(struct mc_map_state *m, uint32_t source_idx, uint32_t slot_count,
                          int has_owners)
{
    memset(m, 0, sizeof *m);
    size_t n = slot_count ? slot_count : 1;
    m->map.source_idx = source_idx;
    m->map.slot_count = slot_count;
    m->map.states = malloc(n);
    m->used = calloc(word_count(slot_count) + 1, sizeof *m->used);
    m->used_in = calloc(block_count(slot_count) + 1, sizeof *m->used_in);
    if (has_owners) {
        m->map.owners = calloc(n, sizeof *m->map.owners);
        m->map.conns = calloc(n, sizeof *m->map.conns);
    }
    if (!m->map.states || !m->used || !m->used_in ||
        (has_owners && (!m->map.owners || !m->map.conns))) {
        map_state_fini(m);
        return MC_ENOMEM;
    }
    memset(m->map.states, MC_STATE_FREE, n);
    return 0;
}

int mc_maps_add(struct mc_maps *m, const struct mc_source *source)
{
    uint64_t slots = source->slot_count;
    for (uint32_t i = 0; i < m->count; i++)
        slots += m->maps[i].map.slot_count;
    if (slots > MC_MAX_SLOTS)
        return MC_ELIMIT;
    int rc = maps_room(m, m->count + 1);
    if (rc == 0)
        rc = map_state_init(&m->maps[m->count], source->source_idx, source->slot_count,
                            (source->flags & MC_SOURCE_HAS_OWNERS) != 0);
    if (rc < 0)
        return rc;
    m->views[m->count] = m->maps[m->count].map;
    m->count++;
    return 0;
}

int mc_maps_copy(struct mc_maps *to, const struct mc_maps *from)
{
    while (to->count > from->count)
        map_state_fini(&to->maps[--to->count]);
    int rc = maps_room(to, from->count);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct mc_map_state *f = &from->maps[i];
        struct mc_map_state *t = &to->maps[i];
        uint32_t n = f->map.slot_count;
        if (i >= to->count) {
            rc = map_state_init(t, f->map.source_idx, n, f->map.owners != NULL);
            if (rc < 0)
                return rc;
            to->count = i + 1;
            to->views[i] = t->map;
        }
        memcpy(t->map.states, f->map.states, n);
        if (f->map.owners) {
            memcpy(t->map.owners, f->map.owners, n * sizeof *t->map.owners);
            memcpy(t->map.conns, f->map.conns, n * sizeof *t->map.conns);
        }
        memcpy(t->used, f->used, word_count(n) * sizeof *t->used);
        memcpy(t->used_in, f->used_in, block_count(n) * sizeof *t->used_in);
        t->last_conn = f->last_conn;
    }
    return 0;
}

void mc_map_set(struct mc_map_state *m, uint32_t slot_idx, uint8_t state, uint16_t owner,
                uint64_t conn_id)
{
    int was = m->map.states[slot_idx] != MC_STATE_FREE, is = state != MC_STATE_FREE;
    m->map.states[slot_idx] = state;
    if (was != is) {
        m->used[slot_idx / 64] ^= UINT64_C(1) << slot_idx % 64;
        m->used_in[slot_idx / MC_MAP_BLOCK] += is ? 1u : UINT32_MAX;
    }
    if (m->map.owners) {
        m->map.owners[slot_idx] = owner;
        m->map.conns[slot_idx] = conn_id;
    }
}

void mc_map_recount(struct mc_map_state *m)
{
    uint32_t n = m->map.slot_count;
    memset(m->used_in, 0, block_count(n) * sizeof *m->used_in);
    for (uint32_t w = 0; w < word_count(n); w++) {
        const uint8_t *states = m->map.states + (size_t)w * 64;
        uint32_t left = n - w * 64;
        uint64_t bits = left < 64 ? 0 : mc_letters_other(states, MC_STATE_FREE);
        for (uint32_t i = 0; left < 64 && i < left; i++)
            bits |= (uint64_t)(states[i] != MC_STATE_FREE) << i;
        m->used[w] = bits;
        m->used_in[w * 64 / MC_MAP_BLOCK] += mc_bits_count(bits);
    }
}

void mc_map_put_key(const struct mc_map_state *m, struct mc_buf *key)
{
    uint32_t n = m->map.slot_count;
    mc_buf_add(key, m->map.states, n);
    if (m->map.owners) {
        for (uint32_t i = 0; i < n; i++)
            mc_put_byte(key, (uint8_t)m->map.owners[i]);
        for (uint32_t i = 0; i < n; i++)
            mc_put_byte(key, (uint8_t)(m->map.owners[i] >> 8));
        uint64_t last = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t conn = m->map.conns[i];
            if (!conn) {
                mc_put_varint(key, 0);
                continue;
            }
            uint64_t z = mc_zigzag((int64_t)(conn - last));
            /* 1 + zigzag does not fit for the one difference that zigzags to all ones: UINT64_MAX
             * stands for it and for its neighbour's place, told apart by a byte. */
            if (z >= UINT64_MAX - 1) {
                mc_put_varint(key, UINT64_MAX);
                mc_put_byte(key, (uint8_t)(z & 1));
            } else {
                mc_put_varint(key, z + 1);
            }
            last = conn;
        }
    }
    mc_put_zigzag(key, (int64_t)m->last_conn);
}
