/* pub_slab.c: slabs: one letter, owner and holder per slot, and counts.
 *
 * Threads: any thread may change any slot; changes of one and the same slot are ordered by the
 *          program's own allocator. Each change adds to exactly one counter, so that it costs one
 *          atomic read-modify-write, or none with MC_SLAB_ONE_THREAD.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/frame.h"
#include "tracer/pub_priv.h"
#include "tracer/pub_source.h"

/* Take the slab's maps from the pool and make all slots free. 0 or -1 with errno. */
static int take_maps(struct mc_tracer *t, struct mc_slab *s, struct mc_segment_source *d)
{
    uint64_t slots = s->slot_count;
    uint64_t bytes = ((slots + 63) & ~UINT64_C(63)) + MC_SEGMENT_STATE_NAMES * 32;
    uint64_t owner_bytes = 0;
    if (!(s->flags & MC_SLAB_STATES_ONLY)) {
        owner_bytes = (slots * 2 + 63) & ~UINT64_C(63);
        bytes += owner_bytes + slots * 8;
    }
    uint64_t off = mc_pub_source_pool(t, bytes);
    if (!off)
        return -1;
    d->names_off = off;
    d->states_off = off + MC_SEGMENT_STATE_NAMES * 32;
    s->names = t->base + d->names_off;
    s->states = t->base + d->states_off;
    memset(s->states, MC_SLOT_FREE, slots);
    if (owner_bytes) {
        d->owners_off = d->states_off + ((slots + 63) & ~UINT64_C(63));
        d->conns_off = d->owners_off + owner_bytes;
        s->owners = (uint16_t *)(t->base + d->owners_off);
        s->conns = (uint64_t *)(t->base + d->conns_off);
    }
    return 0;
}

struct mc_slab *mc_slab_register_flags(struct mc_tracer *t, const char *name, size_t slot_bytes,
                                       uint32_t slot_count, unsigned flags)
{
    if (slot_bytes == 0 || slot_count == 0 || slot_count > MC_SEGMENT_SLOTS_MAX) {
        errno = EINVAL;
        return NULL;
    }
    if (mc_pub_source_begin(t, name, NULL) != 0)
        return NULL;
    struct mc_segment_source descriptor = {.kind = MC_KIND_SLAB,
                                           .flags =
                                               flags & (MC_SLAB_STATES_ONLY | MC_SLAB_ONE_THREAD),
                                           .slot_count = slot_count,
                                           .slot_bytes = slot_bytes,
                                           .capacity_bytes = (uint64_t)slot_bytes * slot_count};
    struct mc_segment_cell *cell = NULL;
    struct mc_slab *s = calloc(1, sizeof *s);
    if (s) {
        s->generation = t->generation;
        s->slot_count = slot_count;
        s->flags = descriptor.flags;
        s->tracer = t;
        if (take_maps(t, s, &descriptor) == 0)
            s->cell = cell = mc_pub_source_end(t, &s->source, name, NULL, &descriptor);
    }
    pthread_mutex_unlock(&t->lock);
    if (!cell) {
        free(s);
        return NULL;
    }
    return s;
}

struct mc_slab *mc_slab_register(struct mc_tracer *t, const char *name, size_t slot_bytes,
                                 uint32_t slot_count)
{
    return mc_slab_register_flags(t, name, slot_bytes, slot_count, 0);
}

void mc_slab_state_name(struct mc_slab *s, char state, const char *name)
{
    if (!s || !name || !mc_pub_is_ours(s->generation) || !mc_segment_state_ok(state))
        return;
    struct mc_tracer *t = s->tracer;
    pthread_mutex_lock(&t->lock);
    if (s->name_count < MC_SEGMENT_STATE_NAMES) {
        uint8_t *entry = s->names + (size_t)s->name_count * 32;
        size_t bytes = strnlen(name, 30);
        memcpy(entry + 1, name, bytes);
        entry[0] = (uint8_t)state;
        s->name_count++;
        MC_PUT(&s->cell->slab.state_names, s->name_count);
    }
    pthread_mutex_unlock(&t->lock);
}

static void count_ignored(struct mc_slab *s)
{
    MC_ADD_SHARED(&s->tracer->live->slots_ignored, 1);
}

/* A slot is in use that was free. Counts are of two words, so that `used` may be seen one too high
 * for a moment when another thread frees: hence the clamp. */
static inline void raise_high_water(struct mc_slab *s, uint64_t allocs)
{
    struct mc_segment_cell *cell = s->cell;
    uint64_t used = allocs - MC_PEEK(&cell->slab.frees), most = MC_PEEK(&cell->slab.high_water);
    if (used > s->slot_count)
        used = s->slot_count;
    if (s->flags & MC_SLAB_ONE_THREAD) {
        if (used > most)
            MC_PUT(&cell->slab.high_water, used);
        return;
    }
    while (used > most && !__atomic_compare_exchange_n(&cell->slab.high_water, &most, used, 1,
                                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

void mc_slot_set(struct mc_slab *s, uint32_t slot_idx, int state, uint32_t owner, uint64_t conn_id)
{
    if (!s || !mc_pub_is_ours(s->generation))
        return;
    if (slot_idx >= s->slot_count || !mc_segment_state_ok(state)) {
        count_ignored(s);
        return;
    }
    if (s->owners) {
        MC_PUT(&s->owners[slot_idx], (uint16_t)(owner > UINT16_MAX ? MC_STRING_OTHER : owner));
        MC_PUT(&s->conns[slot_idx], conn_id);
    }
    uint8_t old = MC_PEEK(&s->states[slot_idx]);
    MC_PUT(&s->states[slot_idx], (uint8_t)state);
    struct mc_segment_cell *cell = s->cell;
    uint64_t *counter = &cell->slab.moves;
    if ((old == MC_SLOT_FREE) != (state == MC_SLOT_FREE))
        counter = state == MC_SLOT_FREE ? &cell->slab.frees : &cell->slab.allocs;
    uint64_t count;
    if (s->flags & MC_SLAB_ONE_THREAD) {
        count = MC_PEEK(counter) + 1;
        MC_PUT(counter, count);
    } else {
        count = MC_ADD_SHARED(counter, 1) + 1;
    }
    if (counter == &cell->slab.allocs)
        raise_high_water(s, count);
}

void mc_slab_overflow(struct mc_slab *s)
{
    if (s && mc_pub_is_ours(s->generation))
        MC_ADD_SHARED(&s->cell->slab.overflow, 1);
}
