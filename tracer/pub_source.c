/* pub_source.c: registration of sources, and the updates of all but slabs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/frame.h"
#include "tracer/pub_priv.h"
#include "tracer/pub_source.h"

static int text_is_good(const char *text, size_t least, size_t most)
{
    size_t bytes = text ? strnlen(text, most + 1) : 0;
    if (bytes < least || bytes > most)
        return 0;
    for (size_t i = 0; i < bytes; i++) {
        if (!mc_segment_state_ok((unsigned char)text[i]))
            return 0;
    }
    return 1;
}

int mc_pub_source_begin(struct mc_tracer *t, const char *name, const char *unit)
{
    if (!t || !mc_pub_is_ours(t->generation) || !text_is_good(name, 1, 63) ||
        (unit && !text_is_good(unit, 0, 15))) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&t->lock);
    struct mc_pub_source *known = t->sources;
    while (known && strcmp(known->name, name) != 0)
        known = known->next;
    if (known || t->source_count >= MC_SEGMENT_SOURCE_ROOM) {
        pthread_mutex_unlock(&t->lock);
        errno = known ? EEXIST : ENOSPC;
        return -1;
    }
    return 0;
}

/* Take memory for a span of the file, now. 0 or -1 with errno. */
static int commit(struct mc_tracer *t, uint64_t off, uint64_t bytes)
{
    int failed = posix_fallocate(t->fd, (off_t)off, (off_t)bytes);
    if (failed)
        errno = failed;
    return failed ? -1 : 0;
}

uint64_t mc_pub_source_pool(struct mc_tracer *t, uint64_t bytes)
{
    uint64_t off = t->pool_next, wanted = (bytes + 63) & ~UINT64_C(63);
    if (wanted > t->segment_bytes - off) {
        errno = ENOSPC;
        return 0;
    }
    if (commit(t, off, wanted) != 0)
        return 0;
    t->pool_next += wanted;
    return off;
}

struct mc_segment_cell *mc_pub_source_end(struct mc_tracer *t, struct mc_pub_source *source,
                                          const char *name, const char *unit,
                                          struct mc_segment_source *descriptor)
{
    uint32_t idx = t->source_count;
    uint64_t cell_off = t->layout.cells_off + (uint64_t)idx * sizeof(struct mc_segment_cell);
    uint64_t off = t->layout.sources_off + (uint64_t)idx * sizeof *descriptor;
    if (commit(t, cell_off, sizeof(struct mc_segment_cell)) != 0 ||
        commit(t, off, sizeof *descriptor) != 0)
        return NULL;
    memcpy(source->name, name, strlen(name) + 1);
    memcpy(descriptor->name, name, strlen(name) + 1);
    if (unit)
        memcpy(descriptor->unit, unit, strlen(unit) + 1);
    memcpy(t->base + off, descriptor, sizeof *descriptor);
    source->next = t->sources;
    t->sources = source;
    t->source_count++;
    MC_PUT(&t->live->source_count, t->source_count);
    return (struct mc_segment_cell *)(t->base + cell_off);
}

/* Register a source that has nothing but its cell, and a histogram's buckets. */
static void *register_plain(struct mc_tracer *t, int kind, const char *name, const char *unit,
                            uint64_t capacity_bytes)
{
    struct mc_segment_source descriptor = {.kind = (uint32_t)kind,
                                           .capacity_bytes = capacity_bytes};
    struct mc_segment_cell *cell = NULL;
    if (mc_pub_source_begin(t, name, unit) != 0)
        return NULL;
    struct mc_pub_plain *p = calloc(1, sizeof *p);
    if (!p)
        goto unlock;
    p->generation = t->generation;
    p->source_idx = t->source_count;
    p->tracer = t;
    if (kind == MC_KIND_HISTOGRAM) {
        descriptor.buckets_off = mc_pub_source_pool(t, MC_SEGMENT_BUCKETS * sizeof(uint64_t));
        if (!descriptor.buckets_off)
            goto unlock;
        p->buckets = (uint64_t *)(t->base + descriptor.buckets_off);
    }
    p->cell = cell = mc_pub_source_end(t, &p->source, name, unit, &descriptor);
unlock:
    pthread_mutex_unlock(&t->lock);
    if (!cell) {
        free(p);
        return NULL;
    }
    return p;
}

static inline int is_usable(const void *object)
{
    return object && mc_pub_is_ours(((const struct mc_pub_plain *)object)->generation);
}

static inline void raise_to(uint64_t *at, uint64_t value)
{
    if (value > MC_PEEK(at))
        MC_PUT(at, value);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

struct mc_arena *mc_arena_register(struct mc_tracer *t, const char *name, size_t capacity_bytes)
{
    return capacity_bytes ? register_plain(t, MC_KIND_ARENA, name, NULL, capacity_bytes) : NULL;
}

void mc_arena_set(struct mc_arena *a, size_t used_bytes)
{
    if (!is_usable(a))
        return;
    struct mc_segment_cell *cell = a->plain.cell;
    MC_PUT(&cell->arena.used_bytes, used_bytes);
    raise_to(&cell->arena.high_water_bytes, used_bytes);
}

void mc_arena_reset(struct mc_arena *a)
{
    if (!is_usable(a))
        return;
    MC_PUT(&a->plain.cell->arena.used_bytes, 0);
    MC_ADD_SHARED(&a->plain.cell->arena.resets, 1);
}

void mc_arena_overflow(struct mc_arena *a)
{
    if (is_usable(a))
        MC_ADD_SHARED(&a->plain.cell->arena.overflow, 1);
}

/* ---- heaps ----------------------------------------------------------------------------------- */

struct mc_heap *mc_heap_register(struct mc_tracer *t, const char *name, size_t capacity_bytes)
{
    return capacity_bytes ? register_plain(t, MC_KIND_HEAP, name, NULL, capacity_bytes) : NULL;
}

void mc_heap_set(struct mc_heap *h, size_t used_bytes, size_t threshold_bytes)
{
    if (!is_usable(h))
        return;
    struct mc_segment_cell *cell = h->plain.cell;
    MC_PUT(&cell->heap.used_bytes, used_bytes);
    MC_PUT(&cell->heap.threshold_bytes, threshold_bytes);
    raise_to(&cell->heap.peak_bytes, used_bytes);
}

void mc_heap_collected(struct mc_heap *h, const char *kind, uint64_t dur_ns, size_t before_bytes,
                       size_t after_bytes)
{
    if (!is_usable(h))
        return;
    struct mc_segment_cell *cell = h->plain.cell;
    raise_to(&cell->heap.peak_bytes, before_bytes);
    MC_PUT(&cell->heap.used_bytes, after_bytes);
    MC_ADD_SHARED(&cell->heap.gc_count, 1);
    mc_pub_event_gc(h->plain.tracer, h->plain.source_idx, kind, dur_ns, before_bytes, after_bytes);
}

/* ---- named numbers --------------------------------------------------------------------------- */

struct mc_counter *mc_counter_register(struct mc_tracer *t, const char *name, const char *unit)
{
    return register_plain(t, MC_KIND_COUNTER, name, unit, 0);
}

void mc_counter_add(struct mc_counter *c, uint64_t count)
{
    if (is_usable(c))
        MC_ADD_SHARED(&c->plain.cell->number.value, count);
}

struct mc_gauge *mc_gauge_register(struct mc_tracer *t, const char *name, const char *unit)
{
    return register_plain(t, MC_KIND_GAUGE, name, unit, 0);
}

void mc_gauge_set(struct mc_gauge *g, int64_t value)
{
    if (is_usable(g))
        MC_PUT(&g->plain.cell->number.value, (uint64_t)value);
}

struct mc_histogram *mc_histogram_register(struct mc_tracer *t, const char *name, const char *unit)
{
    return register_plain(t, MC_KIND_HISTOGRAM, name, unit, 0);
}

/* The same as mc_bucket_of, which is on the recorder's side of the library's border. */
static inline uint32_t bucket_of(uint64_t value)
{
    if (value < 16)
        return (uint32_t)value;
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(value);
    uint32_t idx = (exponent - 3) * 16 + (uint32_t)((value >> (exponent - 4)) & 15);
    return idx < MC_SEGMENT_BUCKETS ? idx : MC_SEGMENT_BUCKETS - 1;
}

void mc_histogram_record(struct mc_histogram *h, uint64_t value)
{
    if (!is_usable(h))
        return;
    MC_ADD_SHARED(&h->plain.buckets[bucket_of(value)], 1);
    MC_ADD_SHARED(&h->plain.cell->histogram.sum_and_count, value + 1);
}
