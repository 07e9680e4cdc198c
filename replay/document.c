/* document.c: what was sent of a run last, so that the next document can be the patch to it.
 *
 * Owns: the remembered document: a copy of a frame's values, states and owners.
 */
#include "replay/document_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

/* Slabs that the new frame no longer has: their owners are out of view. */
static void drop_vanished_owners(struct mc_doc *d, uint32_t now_count)
{
    const struct mc_name_list *pools = &d->names.sections[MC_SECTION_POOLS];
    for (uint32_t i = pools->count; i > 0 && pools->idx[i - 1] >= now_count; i--) {
        const struct mc_name *name = &d->names.names[pools->idx[i - 1]];
        struct mc_doc_map *map = &d->maps[name->map_idx];
        if (pools->idx[i - 1] < d->source_count && map->owners)
            mc_legend_drop(&d->legend, map->owners, name->slot_count);
    }
}

/* Room to remember one slab. */
static int reserve_map(struct mc_doc *d, const struct mc_source *source)
{
    struct mc_doc_map *map = &d->maps[source->map_idx];
    if (!map->states)
        map->states = malloc(source->slot_count ? source->slot_count : 1);
    if (!map->owners && (source->flags & MC_SOURCE_HAS_OWNERS))
        map->owners = malloc(source->slot_count ? source->slot_count * sizeof *map->owners : 1);
    if (!map->states || (!map->owners && (source->flags & MC_SOURCE_HAS_OWNERS)))
        return MC_ENOMEM;
    return 0;
}

/* Name all sources of the frame's schema and make room to remember it, so that nothing but `out`
 * can fail later. */
static int reserve(struct mc_doc *d, const struct mc_schema *schema)
{
    int code = mc_names_grow(&d->names, schema);
    if (code)
        return code;
    if (schema->value_count > d->value_room) {
        int64_t *values = realloc(d->values, schema->value_count * sizeof *values);
        if (!values)
            return MC_ENOMEM;
        d->values = values;
        d->value_room = schema->value_count;
    }
    if (schema->map_count > d->map_room) {
        struct mc_doc_map *maps = realloc(d->maps, schema->map_count * sizeof *maps);
        if (!maps)
            return MC_ENOMEM;
        memset(maps + d->map_room, 0, (schema->map_count - d->map_room) * sizeof *maps);
        d->maps = maps;
        d->map_room = schema->map_count;
    }
    for (uint32_t i = 0; !code && i < schema->source_count; i++) {
        if (schema->sources[i].kind == MC_KIND_SLAB)
            code = reserve_map(d, &schema->sources[i]);
    }
    return code;
}

/* Whether each slab of the frame has the map that its schema tells of. */
static int maps_are_whole(const struct mc_frame *frame)
{
    for (uint32_t i = 0; i < frame->schema->source_count; i++) {
        const struct mc_source *source = &frame->schema->sources[i];
        if (source->kind != MC_KIND_SLAB)
            continue;
        const struct mc_map *map = &frame->maps[source->map_idx];
        if (map->slot_count != source->slot_count || (map->slot_count && !map->states) ||
            ((source->flags & MC_SOURCE_HAS_OWNERS) && map->slot_count && !map->owners))
            return 0;
    }
    return 1;
}

static int write_frame(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out,
                       int whole, int is_numbers)
{
    if (!maps_are_whole(frame))
        return MC_EINVAL;
    int code = reserve(d, frame->schema);
    if (code)
        return code;
    size_t start = out->count;
    uint32_t now_count = frame->schema->source_count;
    struct mc_doc_job job = {d, frame, out, whole, whole ? 0 : d->source_count, is_numbers};
    if (!whole)
        drop_vanished_owners(d, now_count);
    mc_doc_write(&job);
    if (out->failed) {
        out->count = start;
        d->sent = 0;
        return MC_ENOMEM;
    }
    if (frame->schema->value_count)
        memcpy(d->values, frame->values, frame->schema->value_count * sizeof *d->values);
    d->source_count = now_count;
    d->sent = !is_numbers;
    return 0;
}

/* Forget all, the names and the room too. */
static void clear(struct mc_doc *d)
{
    for (uint32_t i = 0; i < d->map_room; i++) {
        free(d->maps[i].states);
        free(d->maps[i].owners);
    }
    free(d->maps);
    free(d->values);
    mc_names_fini(&d->names);
    mc_legend_fini(&d->legend);
    uint32_t run_sources = d->run_source_count, run_states = d->run_state_count;
    memset(d, 0, sizeof *d);
    d->run_source_count = run_sources;
    d->run_state_count = run_states;
}

int mc_doc_new(struct mc_doc **out)
{
    struct mc_doc *d = calloc(1, sizeof *d);
    if (!d)
        return MC_ENOMEM;
    *out = d;
    return 0;
}

void mc_doc_free(struct mc_doc *d)
{
    if (!d)
        return;
    clear(d);
    free(d);
}

int mc_doc_keyframe(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out)
{
    clear(d);
    int code = mc_legend_init(&d->legend);
    return code ? code : write_frame(d, frame, out, 1, 0);
}

int mc_doc_numbers(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out)
{
    clear(d);
    int code = mc_legend_init(&d->legend);
    return code ? code : write_frame(d, frame, out, 1, 1);
}

int mc_doc_delta(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out)
{
    if (!d->sent || !mc_names_match(&d->names, frame->schema))
        return MC_EINVAL;
    return write_frame(d, frame, out, 0, 0);
}

void mc_doc_reset(struct mc_doc *d)
{
    d->sent = 0;
    d->run_source_count = d->run_state_count = 0;
}
