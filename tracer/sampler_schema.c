/* sampler_schema.c: strings and sources of the segment into the schema, each checked. */
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/grow.h"
#include "tracer/memcam.h"
#include "tracer/sampler_priv.h"
#include "tracer/text.h"

/* Slots of all slabs together: what a hostile segment may make us allocate, 13 bytes each. */
#define SLOTS_MAX (UINT64_C(1) << 26)

static int no_memory(struct mc_sampler *s)
{
    return mc_attach_fail(&s->attach, MC_ENOMEM, "out of memory");
}

/* Take in entries [ids->count, count) of a string table. */
static int read_table(struct mc_sampler *s, struct mc_string_ids *ids, uint64_t table_off,
                      uint32_t count)
{
    uint8_t entries[32][MC_SEGMENT_STRING_BYTES];
    if (count > ids->room) {
        uint32_t room = count > ids->room * 2 ? count : ids->room * 2;
        uint32_t *moved = realloc(ids->ids, room * sizeof *moved);
        if (!moved)
            return no_memory(s);
        ids->ids = moved;
        ids->room = room;
    }
    while (ids->count < count) {
        uint32_t batch = count - ids->count < 32 ? count - ids->count : 32;
        int code =
            mc_attach_read(&s->attach, table_off + (uint64_t)ids->count * MC_SEGMENT_STRING_BYTES,
                           entries, batch * MC_SEGMENT_STRING_BYTES);
        if (code)
            return code;
        for (uint32_t i = 0; i < batch; i++) {
            uint32_t schema_id = s->schema.string_count;
            code = mc_schema_add_string(&s->schema, (const char *)entries[i] + 1, entries[i][0]);
            if (code == MC_ENOMEM)
                return no_memory(s);
            ids->ids[ids->count++] = code ? 1 : schema_id;
        }
    }
    return 0;
}

/* Ids 0 and 1 are the same on both sides. */
static int begin_table(struct mc_string_ids *ids)
{
    if (ids->count >= 2)
        return 0;
    ids->ids = malloc(16 * sizeof *ids->ids);
    if (!ids->ids)
        return MC_ENOMEM;
    ids->room = 16;
    ids->ids[0] = 0;
    ids->ids[1] = 1;
    ids->count = 2;
    return 0;
}

int mc_sampler_read_strings(struct mc_sampler *s)
{
    const struct mc_segment_head *head = &s->attach.head;
    uint32_t name_count = s->attach.live.string_count, peer_count = s->attach.live.peer_count;
    if (begin_table(&s->names) != 0 || begin_table(&s->peers) != 0)
        return no_memory(s);
    if (name_count > head->string_room || peer_count > head->peer_room ||
        (name_count < s->names.count && s->names.count > 2) ||
        (peer_count < s->peers.count && s->peers.count > 2))
        return mc_attach_fail(&s->attach, MC_ECORRUPT,
                              "%.140s: the string tables are damaged; restart the program",
                              s->attach.path);
    int code = read_table(s, &s->names, s->attach.layout.names_off, name_count);
    if (!code)
        code = read_table(s, &s->peers, s->attach.layout.peers_off, peer_count);
    return code;
}

/* Whether [off, off + bytes) lies in the segment's pool, aligned. */
static int in_pool(const struct mc_sampler *s, uint64_t off, uint64_t bytes)
{
    uint64_t end = s->attach.head.segment_bytes;
    return off >= s->attach.layout.pool_off && off <= end && bytes <= end - off && off % 8 == 0;
}

static int descriptor_is_good(const struct mc_sampler *s, const struct mc_segment_source *d)
{
    if (d->kind == MC_KIND_SLAB) {
        uint64_t slots = d->slot_count;
        return slots && slots <= SLOTS_MAX - s->slots_known && in_pool(s, d->states_off, slots) &&
               in_pool(s, d->names_off, MC_SEGMENT_STATE_NAMES * 32) &&
               !d->owners_off == !d->conns_off &&
               (!d->owners_off ||
                (in_pool(s, d->owners_off, slots * 2) && in_pool(s, d->conns_off, slots * 8)));
    }
    if (d->kind == MC_KIND_HISTOGRAM)
        return in_pool(s, d->buckets_off, MC_SEGMENT_BUCKETS * 8);
    return d->kind <= MC_KIND_GAUGE;
}

static int add_map(struct mc_sampler *s, const struct mc_segment_source *d, uint32_t source_idx)
{
    struct mc_slot_map *maps = mc_grown(s->maps, s->map_count, &s->map_room, sizeof *maps);
    if (!maps)
        return MC_ENOMEM;
    s->maps = maps;
    int code = mc_slot_map_init(&s->maps[s->map_count], d, source_idx);
    if (code)
        return code;
    s->map_count++;
    s->slots_known += d->slot_count;
    return 0;
}

static uint64_t at_most_int64(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : value;
}

static int add_source(struct mc_sampler *s, struct mc_segment_source *d)
{
    d->name[sizeof d->name - 1] = 0;
    d->unit[sizeof d->unit - 1] = 0;
    struct mc_source like = {.kind = (int)d->kind, .name = d->name, .unit = d->unit};
    struct mc_sampled_source one = {.kind = (int)d->kind,
                                    .source_idx = s->schema.source_count,
                                    .map_idx = s->schema.map_count,
                                    .names_off = d->names_off,
                                    .buckets_off = d->buckets_off};
    if (d->kind == MC_KIND_SLAB) {
        like.slot_count = d->slot_count;
        like.slot_bytes = at_most_int64(d->slot_bytes);
        like.flags = d->owners_off ? MC_SOURCE_HAS_OWNERS : 0;
    }
    like.capacity_bytes = at_most_int64(d->capacity_bytes);
    if (d->kind == MC_KIND_HISTOGRAM) {
        one.buckets = calloc(MC_SEGMENT_BUCKETS, sizeof *one.buckets);
        one.window = one.buckets ? mc_windows_new(&s->windows, one.source_idx) : NULL;
        if (!one.window) {
            free(one.buckets);
            return MC_ENOMEM;
        }
    }
    int code = d->kind == MC_KIND_SLAB ? add_map(s, d, one.source_idx) : 0;
    if (!code)
        code = mc_schema_add_source(&s->schema, &like);
    if (code) {
        free(one.buckets);
        return code;
    }
    s->sources[s->source_count++] = one;
    return 0;
}

/* State names may come after the slab: take in those that are new. */
static int read_state_names(struct mc_sampler *s, struct mc_sampled_source *one, uint64_t count)
{
    uint8_t entries[MC_SEGMENT_STATE_NAMES][32];
    struct mc_source *source = &s->schema.sources[one->source_idx];
    if (count > MC_SEGMENT_STATE_NAMES)
        count = MC_SEGMENT_STATE_NAMES;
    if (count <= one->names_read)
        return 0;
    int code = mc_attach_read(&s->attach, one->names_off, entries, count * 32);
    if (code)
        return code;
    struct mc_state_name *states = realloc(source->states, count * sizeof *states);
    if (!states)
        return no_memory(s);
    source->states = states;
    for (; one->names_read < count; one->names_read++) {
        const uint8_t *entry = entries[one->names_read];
        struct mc_state_name *name = &states[source->state_count];
        if (!mc_segment_state_ok(entry[0]))
            continue;
        name->letter = (char)entry[0];
        mc_text_clean(name->name, sizeof name->name, (const char *)entry + 1, 31);
        source->state_count++;
    }
    return 0;
}

/* Descriptors of sources [source_count, count), then their cells. */
static int read_new_sources(struct mc_sampler *s, uint32_t count)
{
    if (count > s->source_room) {
        uint32_t room = count > s->source_room * 2 ? count : s->source_room * 2;
        struct mc_sampled_source *sources = realloc(s->sources, room * sizeof *sources);
        if (!sources)
            return no_memory(s);
        s->sources = sources;
        s->source_room = room;
    }
    while (s->source_count < count) {
        struct mc_segment_source d;
        uint32_t idx = s->source_count;
        int code = mc_attach_read(
            &s->attach, s->attach.layout.sources_off + (uint64_t)idx * sizeof d, &d, sizeof d);
        if (code)
            return code;
        if (!descriptor_is_good(s, &d))
            return mc_attach_fail(&s->attach, MC_ECORRUPT,
                                  "%.140s: source %u is damaged; restart the program",
                                  s->attach.path, idx);
        code = add_source(s, &d);
        if (code)
            return mc_attach_fail(&s->attach, code, "source %u: %s", idx, mc_strerror(code));
    }
    return mc_attach_refresh(&s->attach, s->source_count);
}

int mc_sampler_read_sources(struct mc_sampler *s)
{
    uint32_t count = s->attach.live.source_count;
    if (count > s->attach.head.source_room || count < s->source_count)
        return mc_attach_fail(&s->attach, MC_ECORRUPT,
                              "%.140s: the count of sources is damaged; restart the program",
                              s->attach.path);
    int code = count > s->source_count ? read_new_sources(s, count) : 0;
    for (uint32_t i = 0; i < s->source_count && !code; i++) {
        if (s->sources[i].kind == MC_KIND_SLAB)
            code = read_state_names(s, &s->sources[i],
                                    mc_attach_cell(&s->attach, i)->slab.state_names);
    }
    return code;
}

void mc_sampler_free_sources(struct mc_sampler *s)
{
    for (uint32_t i = 0; i < s->source_count; i++)
        free(s->sources[i].buckets);
    for (uint32_t i = 0; i < s->map_count; i++)
        mc_slot_map_fini(&s->maps[i]);
    free(s->sources);
    free(s->maps);
    free(s->names.ids);
    free(s->peers.ids);
}
