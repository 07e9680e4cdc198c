/* frame_copy.c: keep the newest frame of a run. */
#include "server/frame_copy.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

int mc_frame_copy_init(struct mc_frame_copy *c)
{
    memset(c, 0, sizeof *c);
    return mc_schema_init(&c->schema);
}

static void free_maps(struct mc_frame_copy *c)
{
    for (size_t i = 0; i < c->map_count; i++) {
        free(c->maps[i].states);
        free(c->maps[i].owners);
        free(c->maps[i].conns);
    }
    free(c->maps);
    c->maps = NULL;
    c->map_count = 0;
}

void mc_frame_copy_fini(struct mc_frame_copy *c)
{
    free_maps(c);
    free(c->values);
    free(c->events);
    free(c->gaps);
    mc_schema_fini(&c->schema);
    memset(c, 0, sizeof *c);
}

/* Grow *array, of elements of element_bytes, to hold count. */
static int grow(void **array, size_t *room, size_t count, size_t element_bytes)
{
    if (count <= *room)
        return 0;
    size_t wanted = count + count / 2;
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown)
        return MC_ENOMEM;
    *array = grown;
    *room = wanted;
    return 0;
}

int mc_schema_follow(struct mc_schema *mine, const struct mc_schema *from)
{
    int code = 0;
    for (uint32_t i = mine->string_count; i < from->string_count && !code; i++)
        code = mc_schema_add_string(mine, from->strings[i], strlen(from->strings[i]));
    for (uint32_t i = 0; i < mine->source_count && !code; i++) {
        /* Letters may be named after their slab was registered. */
        struct mc_source *source = &mine->sources[i];
        const struct mc_source *now = &from->sources[i];
        if (source->state_count == now->state_count)
            continue;
        struct mc_state_name *states = malloc((now->state_count + 1) * sizeof *states);
        if (!states)
            return MC_ENOMEM;
        memcpy(states, now->states, now->state_count * sizeof *states);
        free(source->states);
        source->states = states;
        source->state_count = now->state_count;
    }
    for (uint32_t i = mine->source_count; i < from->source_count && !code; i++)
        code = mc_schema_add_source(mine, &from->sources[i]);
    return code;
}

static int copy_map(struct mc_map *to, const struct mc_map *from)
{
    size_t slots = from->slot_count ? from->slot_count : 1;
    to->source_idx = from->source_idx;
    to->slot_count = from->slot_count;
    to->states = malloc(slots);
    to->owners = from->owners ? malloc(slots * sizeof *to->owners) : NULL;
    to->conns = from->conns ? malloc(slots * sizeof *to->conns) : NULL;
    if (!to->states || (from->owners && !to->owners) || (from->conns && !to->conns))
        return MC_ENOMEM;
    memcpy(to->states, from->states, from->slot_count);
    if (to->owners)
        memcpy(to->owners, from->owners, from->slot_count * sizeof *to->owners);
    if (to->conns)
        memcpy(to->conns, from->conns, from->slot_count * sizeof *to->conns);
    return 0;
}

static int copy_maps(struct mc_frame_copy *c, const struct mc_frame *frame)
{
    free_maps(c);
    size_t count = frame->schema->map_count;
    c->maps = calloc(count ? count : 1, sizeof *c->maps);
    if (!c->maps)
        return MC_ENOMEM;
    c->map_count = count;
    for (size_t i = 0; i < count; i++) {
        int code = copy_map(&c->maps[i], &frame->maps[i]);
        if (code)
            return code;
    }
    return 0;
}

static void change_maps(struct mc_frame_copy *c, const struct mc_frame *frame)
{
    for (size_t i = 0; i < frame->change_count; i++) {
        const struct mc_slot_change *change = &frame->changes[i];
        struct mc_map *map = &c->maps[change->map_idx];
        map->states[change->slot_idx] = change->state;
        if (map->owners)
            map->owners[change->slot_idx] = change->owner;
        if (map->conns)
            map->conns[change->slot_idx] = change->conn_id;
    }
}

int mc_frame_copy_take(struct mc_frame_copy *c, const struct mc_frame *frame)
{
    const struct mc_schema *schema = frame->schema;
    int whole = !c->valid || c->map_count != schema->map_count;
    c->valid = 0;
    int code = mc_schema_follow(&c->schema, schema);
    if (!code)
        code = grow((void **)&c->values, &c->value_room, schema->value_count, sizeof *c->values);
    if (!code)
        code = grow((void **)&c->events, &c->event_room, frame->event_count, sizeof *c->events);
    if (!code)
        code = grow((void **)&c->gaps, &c->gap_room, frame->gap_count, sizeof *c->gaps);
    if (!code && whole)
        code = copy_maps(c, frame);
    if (code)
        return code;
    if (!whole)
        change_maps(c, frame);
    if (schema->value_count)
        memcpy(c->values, frame->values, schema->value_count * sizeof *c->values);
    if (frame->event_count)
        memcpy(c->events, frame->events, frame->event_count * sizeof *c->events);
    if (frame->gap_count)
        memcpy(c->gaps, frame->gaps, frame->gap_count * sizeof *c->gaps);
    c->frame = (struct mc_frame){.ts = frame->ts,
                                 .schema = &c->schema,
                                 .values = c->values,
                                 .maps = c->maps,
                                 .events = c->events,
                                 .gaps = c->gaps,
                                 .event_count = frame->event_count,
                                 .gap_count = frame->gap_count};
    c->valid = 1;
    return 0;
}
