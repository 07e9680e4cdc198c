/* maps_read.c: a maps part out of its bytes, and the keys that maps begin with. The format stands
 * in maps.h; all of it is hostile. Frames are read by maps_step.c. */
#include <stdlib.h>

#include "store/maps.h"
#include "store/maps_priv.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

void mc_maps_part_fini(struct mc_maps_part *p)
{
    free(p->readers);
    memset(p, 0, sizeof *p);
}

static const struct mc_source *source_of_map(const struct mc_schema *schema, uint64_t source_idx,
                                             uint32_t map_idx)
{
    if (source_idx >= schema->source_count)
        return NULL;
    const struct mc_source *source = &schema->sources[source_idx];
    return source->map_idx == map_idx ? source : NULL;
}

static int parse_reader(struct mc_span *s, const struct mc_schema *schema, uint32_t map_idx,
                        uint32_t first_frame, uint32_t end_frame, struct mc_map_reader *r,
                        uint64_t sizes[MC_MAP_COLUMN_COUNT])
{
    uint64_t source_idx = mc_take_varint(s), first = mc_take_varint(s);
    uint64_t slot_count = mc_take_varint(s), has_owners = mc_take_varint(s);
    uint64_t has_key = mc_take_varint(s);
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        sizes[i] = mc_take_varint(s);
    const struct mc_source *source = source_of_map(schema, source_idx, map_idx);
    if (s->failed || !source || source->slot_count != slot_count || first < first_frame ||
        first >= end_frame || has_owners != (source->flags & MC_SOURCE_HAS_OWNERS) || has_key > 1 ||
        (first && !has_key))
        return MC_ECORRUPT;
    r->source_idx = (uint32_t)source_idx;
    r->first_frame = (uint32_t)first;
    r->has_key = (int)has_key;
    return 0;
}

int mc_maps_part_parse(struct mc_maps_part *out, const struct mc_schema *schema, uint32_t map_count,
                       uint32_t first_frame, uint32_t end_frame, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw);
    struct mc_maps_part p = {0};
    uint64_t count = mc_take_varint(&s);
    /* A map's head takes at least 11 bytes, so the part's length bounds the count. */
    if (s.failed || count > map_count || count * 11 > raw->count)
        return MC_ECORRUPT;
    p.count = map_count = (uint32_t)count;
    p.readers = calloc(map_count + 1, sizeof *p.readers);
    uint64_t(*sizes)[MC_MAP_COLUMN_COUNT] = calloc(map_count + 1, sizeof *sizes);
    int rc = p.readers && sizes ? 0 : MC_ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < map_count; i++)
        rc = parse_reader(&s, schema, i, first_frame, end_frame, &p.readers[i], sizes[i]);
    for (uint32_t i = 0; rc == 0 && i < map_count; i++) {
        for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++)
            p.readers[i].column[c] = mc_take_span(&s, sizes[i][c]);
        p.readers[i].checked = p.readers[i].column[MC_MAP_STATES].at;
        mc_map_next_frame(&p.readers[i], p.readers[i].first_frame);
    }
    free(sizes);
    if (rc == 0 && (s.failed || s.at != s.end))
        rc = MC_ECORRUPT;
    if (rc < 0) {
        free(p.readers);
        return rc;
    }
    *out = p;
    return 0;
}

static int read_key(struct mc_map_state *m, struct mc_span *key)
{
    uint32_t n = m->map.slot_count;
    const uint8_t *states = mc_span_take(key, n);
    if (!states)
        return MC_ECORRUPT;
    if (!mc_letters_are_valid(states, n, 0))
        return MC_ECORRUPT;
    memcpy(m->map.states, states, n);
    if (m->map.owners) {
        const uint8_t *low = mc_span_take(key, n), *high = mc_span_take(key, n);
        if (!low || !high)
            return MC_ECORRUPT;
        uint64_t last = 0;
        for (uint32_t i = 0; i < n; i++) {
            m->map.owners[i] = (uint16_t)(low[i] | high[i] << 8);
            uint64_t z = mc_take_varint(key);
            if (z == UINT64_MAX)
                z = (UINT64_MAX - 1) | (mc_take_byte(key) & 1);
            else if (z)
                z--;
            else {
                m->map.conns[i] = 0;
                continue;
            }
            last += (uint64_t)mc_unzigzag(z);
            m->map.conns[i] = last;
        }
    }
    m->last_conn = (uint64_t)mc_take_zigzag(key);
    mc_map_recount(m);
    return key->failed ? MC_ECORRUPT : 0;
}

int mc_maps_begin(struct mc_map_reader *readers, uint32_t reader_count,
                  const struct mc_schema *schema, uint32_t frame_idx, struct mc_maps *maps)
{
    for (uint32_t i = 0; i < reader_count; i++) {
        struct mc_map_reader *r = &readers[i];
        if (frame_idx < r->first_frame)
            break; /* maps come into being in order */
        int rc = 0;
        if (i >= maps->count)
            rc = i == maps->count && r->has_key ? mc_maps_add(maps, &schema->sources[r->source_idx])
                                                : MC_ECORRUPT;
        if (rc == 0 && r->has_key && frame_idx == r->first_frame)
            rc = read_key(&maps->maps[i], &r->column[MC_MAP_KEY]);
        if (rc < 0)
            return rc;
    }
    return 0;
}
