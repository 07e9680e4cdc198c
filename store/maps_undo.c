/* maps_undo.c: what steps of slot maps replace, kept so that they can be taken back.
 *
 * Format: a record for each word of 64 slots that a step writes to, in the order of writing: with
 *         owners, the conns and owners; the states; the struct kept, which is read first, as
 *         records are taken back from the newest. All of a word's slots, though few may change:
 *         copying them is cheaper than telling which.
 */
#include <string.h>

#include "store/maps_priv.h"
#include "tracer/error.h"

#define WORD_SLOTS 64u

struct kept {
    uint32_t map_idx, word_idx;
    uint64_t used;
};

static size_t owner_bytes(const struct mc_map_state *m)
{
    return m->map.owners ? WORD_SLOTS * (sizeof *m->map.owners + sizeof *m->map.conns) : 0;
}

int mc_map_keep_word(const struct mc_map_state *m, uint32_t map_idx, uint32_t word_idx,
                     struct mc_buf *undo)
{
    const struct mc_map *map = &m->map;
    size_t bytes = owner_bytes(m) + WORD_SLOTS + sizeof(struct kept);
    uint8_t *to = mc_buf_reserve(undo, bytes);
    if (!to)
        return MC_ENOMEM;
    undo->count += bytes;
    uint32_t first = word_idx * WORD_SLOTS, left = map->slot_count - first;
    uint32_t count = left < WORD_SLOTS ? left : WORD_SLOTS;
    if (map->owners) {
        memcpy(to, map->conns + first, count * sizeof *map->conns);
        to += WORD_SLOTS * sizeof *map->conns;
        memcpy(to, map->owners + first, count * sizeof *map->owners);
        to += WORD_SLOTS * sizeof *map->owners;
    }
    if (count == WORD_SLOTS)
        memcpy(to, map->states + first, WORD_SLOTS); /* a few moves instead of a call */
    else
        memcpy(to, map->states + first, count);
    *(struct kept *)(void *)(to + WORD_SLOTS) = (struct kept){map_idx, word_idx, m->used[word_idx]};
    return 0;
}

void mc_maps_take_back(struct mc_maps *maps, const uint8_t *undo, size_t count)
{
    const uint8_t *at = undo + count;
    while (at > undo) {
        at -= sizeof(struct kept);
        const struct kept *k = (const void *)at;
        struct mc_map_state *m = &maps->maps[k->map_idx];
        uint32_t first = k->word_idx * WORD_SLOTS, left = m->map.slot_count - first;
        uint32_t slots = left < WORD_SLOTS ? left : WORD_SLOTS;
        m->used_in[first / MC_MAP_BLOCK] +=
            mc_bits_count(k->used) - mc_bits_count(m->used[k->word_idx]);
        m->used[k->word_idx] = k->used;
        at -= WORD_SLOTS;
        memcpy(m->map.states + first, at, slots);
        if (m->map.owners) {
            at -= WORD_SLOTS * sizeof *m->map.owners;
            memcpy(m->map.owners + first, at, slots * sizeof *m->map.owners);
            at -= WORD_SLOTS * sizeof *m->map.conns;
            memcpy(m->map.conns + first, at, slots * sizeof *m->map.conns);
        }
    }
}
