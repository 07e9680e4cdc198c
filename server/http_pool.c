/* http_pool.c: a slab of equal slots, taken and given back, each change published to the tracer.
 *
 * The memory is mapped at once and touched when a slot is first used. The free list is a stack, so
 * that a quiet server stays within the same few slots; the content of a free slot is poisoned
 * under ASan.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/http_priv.h"
#include "server/poison.h"
#include "tracer/error.h"

int mc_pool_init(struct mc_pool *p, struct mc_tracer *t, const char *owner, const char *name,
                 size_t slot_bytes, uint32_t count)
{
    memset(p, 0, sizeof *p);
    p->slot_bytes = (slot_bytes + 63) & ~(size_t)63;
    p->count = p->free_count = count;
    p->base = mmap(NULL, p->slot_bytes * count, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p->base == MAP_FAILED) {
        p->base = NULL;
        return MC_ENOMEM;
    }
    p->free_idx = malloc(count * sizeof *p->free_idx);
    if (!p->free_idx) {
        mc_pool_fini(p);
        return MC_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        p->free_idx[i] = count - 1 - i;
    MC_POISON(p->base, p->slot_bytes * count);
    p->owner = mc_string_id(t, owner);
    p->name = mc_string_id(t, name);
    p->slab = mc_slab_register_flags(t, name, p->slot_bytes, count, MC_SLAB_ONE_THREAD);
    if (!p->slab && t) { /* a second server of the same program: its pools bear its name */
        char own[63];
        if ((size_t)snprintf(own, sizeof own, "%s_%s", owner, name) < sizeof own)
            p->slab = mc_slab_register_flags(t, own, p->slot_bytes, count, MC_SLAB_ONE_THREAD);
    }
    return 0;
}

void mc_pool_fini(struct mc_pool *p)
{
    if (p->base) {
        MC_UNPOISON(p->base, p->slot_bytes * p->count);
        munmap(p->base, p->slot_bytes * p->count);
    }
    free(p->free_idx);
    memset(p, 0, sizeof *p);
}

void *mc_pool_take(struct mc_pool *p, int state, uint64_t conn_id)
{
    if (p->free_count == 0) {
        mc_slab_overflow(p->slab);
        return NULL;
    }
    uint32_t idx = p->free_idx[--p->free_count];
    uint8_t *slot = p->base + idx * p->slot_bytes;
    MC_UNPOISON(slot, p->slot_bytes);
    mc_slot_set(p->slab, idx, state, p->owner, conn_id);
    return slot;
}

static uint32_t index_of(const struct mc_pool *p, const void *slot)
{
    return (uint32_t)((size_t)((const uint8_t *)slot - p->base) / p->slot_bytes);
}

void mc_pool_give(struct mc_pool *p, void *slot)
{
    uint32_t idx = index_of(p, slot);
    mc_slot_set(p->slab, idx, MC_SLOT_FREE, 0, 0);
    MC_POISON(slot, p->slot_bytes);
    p->free_idx[p->free_count++] = idx;
}

void mc_pool_set(struct mc_pool *p, void *slot, int state, uint64_t conn_id)
{
    mc_slot_set(p->slab, index_of(p, slot), state, p->owner, conn_id);
}
