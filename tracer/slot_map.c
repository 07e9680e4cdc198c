/* slot_map.c: reads slot maps in parts that stay in the cache, and compares blocks at a time. */
#include "tracer/slot_map.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/memcam.h"

#define PART_SLOTS 32768u /* read at once: 32 KB of states, 352 KB with owners and holders */
#define BLOCK_SLOTS 256u  /* compared at once */

static uint8_t clean_state(uint8_t state)
{
    return mc_segment_state_ok(state) ? state : '?';
}

int mc_slot_map_init(struct mc_slot_map *m, const struct mc_segment_source *d, uint32_t source_idx)
{
    memset(m, 0, sizeof *m);
    m->age_source_idx = UINT32_MAX;
    m->map.source_idx = source_idx;
    m->map.slot_count = d->slot_count;
    m->states_off = d->states_off;
    m->owners_off = d->owners_off;
    m->conns_off = d->conns_off;
    m->map.states = malloc(d->slot_count);
    if (!m->map.states)
        return MC_ENOMEM;
    memset(m->map.states, MC_SLOT_FREE, d->slot_count);
    if (!d->owners_off)
        return 0;
    m->map.owners = calloc(d->slot_count, sizeof *m->map.owners);
    m->map.conns = calloc(d->slot_count, sizeof *m->map.conns);
    m->raw_owners = calloc(d->slot_count, sizeof *m->raw_owners);
    if (!m->map.owners || !m->map.conns || !m->raw_owners) {
        mc_slot_map_fini(m);
        return MC_ENOMEM;
    }
    return 0;
}

void mc_slot_map_fini(struct mc_slot_map *m)
{
    free(m->map.states);
    free(m->map.owners);
    free(m->map.conns);
    free(m->raw_owners);
    memset(m, 0, sizeof *m);
}

int mc_slot_reader_init(struct mc_slot_reader *r)
{
    memset(r, 0, sizeof *r);
    r->states = malloc(PART_SLOTS);
    r->owners = malloc(PART_SLOTS * sizeof *r->owners);
    r->conns = malloc(PART_SLOTS * sizeof *r->conns);
    if (!r->states || !r->owners || !r->conns) {
        mc_slot_reader_fini(r);
        return MC_ENOMEM;
    }
    return 0;
}

void mc_slot_reader_fini(struct mc_slot_reader *r)
{
    free(r->states);
    free(r->owners);
    free(r->conns);
    free(r->changes);
    memset(r, 0, sizeof *r);
}

/* Room for `more` changes. 0 or MC_ENOMEM. */
static int make_room(struct mc_slot_reader *r, size_t more)
{
    size_t room = r->change_room ? r->change_room : 1024;
    while (room < r->change_count + more)
        room *= 2;
    if (room == r->change_room)
        return 0;
    struct mc_slot_change *changes = realloc(r->changes, room * sizeof *changes);
    if (!changes)
        return MC_ENOMEM;
    r->changes = changes;
    r->change_room = room;
    return 0;
}

/* Take in slot `slot`, which is `i` in the part just read, if it differs. There is room. */
static inline void take_slot(struct mc_slot_map *m, struct mc_slot_reader *r, uint32_t map_idx,
                             uint32_t slot, uint32_t i)
{
    uint8_t old = m->map.states[slot], state = clean_state(r->states[i]);
    int differs = old != state;
    uint16_t owner = 0;
    uint64_t conn_id = 0;
    if (m->map.owners) {
        owner = r->owners[i];
        conn_id = r->conns[i];
        differs |= m->raw_owners[slot] != owner || m->map.conns[slot] != conn_id;
        m->raw_owners[slot] = owner;
        m->map.conns[slot] = conn_id;
    }
    if (!differs)
        return;
    m->map.states[slot] = state;
    m->used_count += (uint32_t)(state != MC_SLOT_FREE) - (uint32_t)(old != MC_SLOT_FREE);
    r->changes[r->change_count++] = (struct mc_slot_change){.map_idx = map_idx,
                                                            .slot_idx = slot,
                                                            .old_state = old,
                                                            .state = state,
                                                            .owner = owner,
                                                            .conn_id = conn_id};
}

static int block_differs(const struct mc_slot_map *m, const struct mc_slot_reader *r, uint32_t slot,
                         uint32_t i, uint32_t count)
{
    if (memcmp(m->map.states + slot, r->states + i, count) != 0)
        return 1;
    return m->map.owners && (memcmp(m->raw_owners + slot, r->owners + i, count * 2) != 0 ||
                             memcmp(m->map.conns + slot, r->conns + i, count * 8) != 0);
}

static int read_part(struct mc_slot_map *m, struct mc_slot_reader *r, struct mc_attach *a,
                     uint32_t from, uint32_t count)
{
    int code = mc_attach_read(a, m->states_off + from, r->states, count);
    if (!code && m->map.owners)
        code = mc_attach_read(a, m->owners_off + (uint64_t)from * 2, r->owners, count * 2);
    if (!code && m->map.owners)
        code = mc_attach_read(a, m->conns_off + (uint64_t)from * 8, r->conns, (size_t)count * 8);
    return code;
}

int mc_slot_map_read(struct mc_slot_map *m, uint32_t map_idx, struct mc_slot_reader *r,
                     struct mc_attach *a)
{
    for (uint32_t from = 0; from < m->map.slot_count; from += PART_SLOTS) {
        uint32_t count = m->map.slot_count - from;
        count = count < PART_SLOTS ? count : PART_SLOTS;
        int code = read_part(m, r, a, from, count);
        if (code)
            return code;
        for (uint32_t i = 0; i < count; i += BLOCK_SLOTS) {
            uint32_t block = count - i < BLOCK_SLOTS ? count - i : BLOCK_SLOTS;
            if (!block_differs(m, r, from + i, i, block))
                continue;
            if (make_room(r, block) != 0)
                return mc_attach_fail(a, MC_ENOMEM, "out of memory");
            for (uint32_t k = i; k < i + block; k++)
                take_slot(m, r, map_idx, from + k, k);
        }
    }
    return 0;
}

void mc_slot_map_name_owners(struct mc_slot_map *m, struct mc_slot_reader *r, size_t first_change,
                             size_t end_change, const struct mc_string_ids *names)
{
    if (!m->map.owners)
        return;
    for (size_t i = first_change; i < end_change; i++) {
        struct mc_slot_change *change = &r->changes[i];
        uint32_t owner = mc_string_ids_get(names, change->owner);
        change->owner = (uint16_t)(owner > UINT16_MAX ? 1 : owner);
        m->map.owners[change->slot_idx] = change->owner;
    }
}
