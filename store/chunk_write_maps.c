/* chunk_write_maps.c: the slot maps of a row, in one leg or more. The format stands in
 * trace_format.h.
 */
#include "store/chunk_priv.h"
#include "tracer/error.h"
#include "tracer/grow.h"

static int add_map(struct mc_chunk_writer *w, const struct mc_map_state *before)
{
    uint32_t room = w->map_room;
    struct mc_chunk_map *maps = mc_grown(w->maps, w->map_count, &w->map_room, sizeof *maps);
    if (!maps)
        return MC_ENOMEM;
    memset(maps + room, 0, (w->map_room - room) * sizeof *maps);
    w->maps = maps;
    struct mc_chunk_map *m = &w->maps[w->map_count++];
    for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++)
        mc_buf_forget(&m->column[c]);
    m->source_idx = before->map.source_idx;
    m->first_frame = w->frame_count;
    m->next_from = w->frame_count;
    /* Maps that a tail goes on with begin with its first frame; their keys stand in an older one.
     */
    m->has_key = w->map_count > w->keyed_map_count;
    return 0;
}

static int raw_maps(struct mc_chunk_writer *w, struct mc_buf *raw)
{
    int failed = 0;
    mc_put_varint(raw, w->map_count);
    for (uint32_t i = 0; i < w->map_count; i++) {
        const struct mc_chunk_map *m = &w->maps[i];
        const struct mc_source *source = &w->schema->sources[m->source_idx];
        mc_put_varint(raw, m->source_idx);
        mc_put_varint(raw, m->first_frame);
        mc_put_varint(raw, source->slot_count);
        mc_put_varint(raw, source->flags & MC_SOURCE_HAS_OWNERS);
        mc_put_varint(raw, (uint64_t)m->has_key);
        for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++)
            mc_put_varint(raw, m->column[c].count);
    }
    for (uint32_t i = 0; i < w->map_count; i++) {
        for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++) {
            failed |= w->maps[i].column[c].failed;
            mc_buf_add(raw, w->maps[i].column[c].bytes, w->maps[i].column[c].count);
        }
    }
    return failed || raw->failed ? MC_ENOMEM : 0;
}

int mc_chunk_end_leg(struct mc_chunk_writer *w)
{
    struct mc_buf *raw = mc_chunk_raw(w);
    uint32_t leg = w->leg_count - 1;
    uint32_t number = leg ? MC_PART_LEGS + leg - 1 : MC_PART_MAPS;
    int rc = raw_maps(w, raw);
    if (rc == 0)
        rc = mc_chunk_put_part(w->packer, mc_pack, number, raw, &w->legs, &w->leg_parts[leg]);
    mc_chunk_raw_trim(w);
    return rc;
}

/* The maps begin anew with the frame that comes, each with a key. */
static int begin_leg(struct mc_chunk_writer *w)
{
    int rc = mc_chunk_end_leg(w);
    if (rc < 0)
        return rc;
    w->leg_first[w->leg_count++] = w->frame_count;
    w->leg_cost = w->map_count = w->keyed_map_count = 0;
    return 0;
}

/* A slice of events that is full ends; a row that goes along begins with what comes. */
static int begin_events(struct mc_chunk_writer *w)
{
    if (w->along && !w->frame_count) {
        mc_follow_set_mark(&w->along->follow, w->along->frame_count);
        mc_event_writer_set_mark(&w->along->events);
    }
    return mc_chunk_writer_slice_full(w) ? mc_chunk_end_slice(w) : 0;
}

int mc_chunk_writer_frame_begin(struct mc_chunk_writer *w, const struct mc_maps *before)
{
    if (w->leg_cost >= MC_LEG_ROLL &&
        w->frame_count - w->leg_first[w->leg_count - 1] >= MC_LEG_FRAMES &&
        w->leg_count < MC_LEG_COUNT) {
        int rc = begin_leg(w);
        if (rc < 0)
            return rc;
    }
    int rc = begin_events(w);
    if (rc < 0)
        return rc;
    while (w->map_count < before->count) {
        const struct mc_map_state *m = &before->maps[w->map_count];
        rc = add_map(w, m);
        if (rc < 0)
            return rc;
        struct mc_chunk_map *to = &w->maps[w->map_count - 1];
        if (to->has_key)
            mc_map_put_key(m, &to->column[MC_MAP_KEY]);
    }
    return 0;
}

int mc_chunk_writer_ops(struct mc_chunk_writer *w, uint32_t map_idx, const struct mc_map_ops *ops,
                        size_t change_count)
{
    struct mc_chunk_map *m = &w->maps[map_idx];
    mc_put_varint(&m->column[MC_MAP_RUNS],
                  (w->frame_count - m->next_from) * 2 + (uint64_t)(ops->is_extra != 0));
    m->next_from = w->frame_count;
    int failed = 0;
    for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++) {
        mc_buf_add(&m->column[c], ops->column[c].bytes, ops->column[c].count);
        failed |= m->column[c].failed;
    }
    uint64_t cost = ops->run_count + change_count / 4;
    w->roll_cost += cost;
    w->leg_cost += cost;
    return failed ? MC_ENOMEM : 0;
}
