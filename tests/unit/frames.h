/* frames.h: synthetic runs for tests and benchmarks: a schema that grows, and frames to keep.
 *
 * A frame that was made here owns all it points to and has a schema of its own, cut to what was
 * known at its tick, so that a test may walk over them in any order.
 */
#ifndef MC_TEST_FRAMES_H
#define MC_TEST_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/frame.h"
#include "tracer/memcam.h"

static uint64_t frames_seed = 88172645463325252u;

/* xorshift64: the same numbers in every run of a test. */
static inline uint64_t frames_random(uint64_t below)
{
    frames_seed ^= frames_seed << 13;
    frames_seed ^= frames_seed >> 7;
    frames_seed ^= frames_seed << 17;
    return below ? frames_seed % below : frames_seed;
}

static inline void frames_add_source(struct mc_schema *s, int kind, const char *name,
                                     uint32_t slot_count, uint32_t flags)
{
    struct mc_source source = {.kind = kind,
                               .name = (char *)(uintptr_t)name,
                               .unit = (char *)(uintptr_t) "",
                               .slot_count = slot_count,
                               .slot_bytes = slot_count ? 64 : 0,
                               .capacity_bytes = 1u << 20,
                               .flags = flags};
    if (mc_schema_add_source(s, &source) != 0)
        abort();
}

/* A frame with all values unknown and all slots free, or like `last` where that has them. The
 * schema's own arrays are borrowed. */
static inline struct mc_frame *frames_new(const struct mc_schema *schema,
                                          const struct mc_frame *last, int64_t ts)
{
    struct mc_frame *f = calloc(1, sizeof *f);
    struct mc_schema *cut = malloc(sizeof *cut);
    int64_t *values = malloc((schema->value_count + 1) * sizeof *values);
    struct mc_map *maps = calloc(schema->map_count + 1, sizeof *maps);
    if (!f || !cut || !values || !maps)
        abort();
    *cut = *schema;
    for (uint32_t i = 0; i < schema->value_count; i++)
        values[i] = last && i < last->schema->value_count ? last->values[i] : MC_VALUE_NONE;
    for (uint32_t i = 0; i < schema->source_count; i++) {
        const struct mc_source *source = &schema->sources[i];
        if (source->kind != MC_KIND_SLAB)
            continue;
        struct mc_map *map = &maps[source->map_idx];
        size_t slots = source->slot_count;
        const struct mc_map *old =
            last && source->map_idx < last->schema->map_count ? &last->maps[source->map_idx] : NULL;
        map->source_idx = i;
        map->slot_count = source->slot_count;
        map->states = malloc(slots + 1);
        memset(map->states, MC_SLOT_FREE, slots);
        if (old)
            memcpy(map->states, old->states, slots);
        if (source->flags & MC_SOURCE_HAS_OWNERS) {
            map->owners = calloc(slots + 1, sizeof *map->owners);
            map->conns = calloc(slots + 1, sizeof *map->conns);
            if (old) {
                memcpy(map->owners, old->owners, slots * sizeof *map->owners);
                memcpy(map->conns, old->conns, slots * sizeof *map->conns);
            }
        }
    }
    *f = (struct mc_frame){.ts = ts, .schema = cut, .values = values, .maps = maps};
    return f;
}

/* Free a frame; its schema's sources and strings belong to the schema that it was made from. */
static inline void frames_free(struct mc_frame *f)
{
    for (uint32_t i = 0; i < f->schema->map_count; i++) {
        free(f->maps[i].states);
        free(f->maps[i].owners);
        free(f->maps[i].conns);
    }
    free((void *)(uintptr_t)f->maps);
    free((void *)(uintptr_t)f->values);
    free((void *)(uintptr_t)f->events);
    free((void *)(uintptr_t)f->gaps);
    free((void *)(uintptr_t)f->schema);
    free(f);
}

/* The value of a field, to set. */
static inline int64_t *frames_value(const struct mc_frame *f, uint32_t source_idx,
                                    uint32_t field_idx)
{
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    return &values[f->schema->sources[source_idx].value_idx + field_idx];
}

#endif
