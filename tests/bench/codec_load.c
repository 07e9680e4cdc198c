/* codec_load.c: the frames of a chunk into the open, and into the store's own encoder. */
#include <stdlib.h>

#include "tests/bench/codec.h"
#include "tracer/error.h"

static int grow_values(struct codec_chunk *c, uint32_t value_count)
{
    if (value_count <= c->value_room)
        return 0;
    uint32_t room = value_count + 64;
    int64_t *values = realloc(c->values, (size_t)room * CODEC_FRAMES * sizeof *values);
    if (!values)
        return MC_ENOMEM;
    for (size_t i = (size_t)c->value_room * CODEC_FRAMES; i < (size_t)room * CODEC_FRAMES; i++)
        values[i] = MC_VALUE_NONE;
    c->values = values;
    c->value_room = room;
    return 0;
}

/* Maps that begin with this frame count as if they had always been as it leaves them. */
static int add_maps(struct mc_maps *maps, const struct mc_frame *f)
{
    for (uint32_t i = maps->count; i < f->schema->map_count; i++) {
        const struct mc_map *from = &f->maps[i];
        int rc = mc_maps_add(maps, &f->schema->sources[from->source_idx]);
        if (rc < 0)
            return rc;
        struct mc_map_state *to = &maps->maps[i];
        memcpy(to->map.states, from->states, from->slot_count);
        if (to->map.owners) {
            memcpy(to->map.owners, from->owners, from->slot_count * sizeof *from->owners);
            memcpy(to->map.conns, from->conns, from->slot_count * sizeof *from->conns);
        }
        mc_map_recount(to);
    }
    return 0;
}

static int add_changes(struct codec_chunk *c, const struct mc_frame *f, uint32_t known_maps)
{
    int rc = 0;
    for (size_t i = 0, end; rc == 0 && i < f->change_count; i = end) {
        uint32_t map_idx = f->changes[i].map_idx;
        for (end = i; end < f->change_count && f->changes[end].map_idx == map_idx;)
            end++;
        if (map_idx >= known_maps)
            continue;
        mc_buf_add(&c->changes, f->changes + i, (end - i) * sizeof *f->changes);
        rc = mc_map_ops_make(&c->ops, &c->after.maps[map_idx], f->changes + i, end - i);
        if (rc == 0)
            rc = mc_chunk_writer_ops(&c->writer, map_idx, &c->ops, end - i);
    }
    return rc;
}

int codec_chunk_add(struct codec_chunk *c, const struct mc_frame *f)
{
    uint32_t at = c->frame_count, known_maps = c->after.count;
    int rc = add_maps(&c->after, f);
    if (rc == 0 && (at == 0 || known_maps < c->after.count))
        rc = at == 0 ? mc_maps_copy(&c->before, &c->after) : add_maps(&c->before, f);
    if (rc == 0)
        rc = grow_values(c, f->schema->value_count);
    if (rc < 0)
        return rc;
    double began = codec_clock();
    if (at == 0)
        mc_chunk_writer_begin(&c->writer, f->schema, INT64_MIN, 0);
    c->writer.schema = f->schema;
    rc = mc_chunk_writer_frame_begin(&c->writer, &c->after);
    if (rc == 0)
        rc = add_changes(c, f, known_maps);
    if (rc == 0)
        rc = mc_chunk_writer_frame_end(&c->writer, f);
    c->encode_seconds += codec_clock() - began;
    c->schema = f->schema;
    c->ts[at] = f->ts;
    for (uint32_t v = 0; v < f->schema->value_count; v++)
        c->values[(size_t)v * CODEC_FRAMES + at] = f->values[v];
    mc_buf_add(&c->events, f->events, f->event_count * sizeof *f->events);
    c->frame_count++;
    c->change_starts[at + 1] = (uint32_t)(c->changes.count / sizeof *f->changes);
    c->event_starts[at + 1] = (uint32_t)(c->events.count / sizeof *f->events);
    return rc < 0 ? rc : c->changes.failed || c->events.failed ? MC_ENOMEM : 0;
}

void codec_chunk_next(struct codec_chunk *c)
{
    c->frame_count = 0;
    c->changes.count = c->events.count = 0;
    c->encode_seconds = 0;
    for (size_t i = 0; i < (size_t)c->value_room * CODEC_FRAMES; i++)
        c->values[i] = MC_VALUE_NONE;
}

void codec_chunk_fini(struct codec_chunk *c)
{
    free(c->values);
    mc_maps_fini(&c->before);
    mc_maps_fini(&c->after);
    mc_buf_fini(&c->changes);
    mc_buf_fini(&c->events);
    mc_chunk_writer_fini(&c->writer);
    mc_map_ops_fini(&c->ops);
}
