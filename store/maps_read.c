/* maps_read.c: slot maps out of their columns. The format stands in maps.h; all of it is hostile.
 */
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

/* When the map's next changes come: reads the frame step of the runs column. */
static void read_next_frame(struct mc_map_reader *r, uint64_t from)
{
    struct mc_span *runs = &r->column[MC_MAP_RUNS];
    if (runs->at == runs->end) {
        r->next_frame = UINT64_MAX;
        return;
    }
    uint64_t step = mc_take_varint(runs);
    r->is_extra = step & 1;
    step >>= 1;
    r->next_frame = step > UINT32_MAX ? UINT64_MAX - 1 : from + step;
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
                        uint32_t frame_count, struct mc_map_reader *r,
                        uint64_t sizes[MC_MAP_COLUMN_COUNT])
{
    uint64_t source_idx = mc_take_varint(s), first = mc_take_varint(s);
    uint64_t slot_count = mc_take_varint(s), has_owners = mc_take_varint(s);
    uint64_t has_key = mc_take_varint(s);
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        sizes[i] = mc_take_varint(s);
    const struct mc_source *source = source_of_map(schema, source_idx, map_idx);
    if (s->failed || !source || source->slot_count != slot_count || first >= frame_count ||
        has_owners != (source->flags & MC_SOURCE_HAS_OWNERS) || has_key > 1 || (first && !has_key))
        return MC_ECORRUPT;
    r->source_idx = (uint32_t)source_idx;
    r->first_frame = (uint32_t)first;
    r->has_key = (int)has_key;
    return 0;
}

int mc_maps_part_parse(struct mc_maps_part *out, const struct mc_schema *schema, uint32_t map_count,
                       uint32_t frame_count, const struct mc_buf *raw)
{
    struct mc_span s = {raw->bytes, raw->bytes + raw->count, 0};
    struct mc_maps_part p = {.count = map_count};
    /* A map's head takes at least 11 bytes, so the part's length bounds the count. */
    if (mc_take_varint(&s) != map_count || s.failed || (uint64_t)map_count * 11 > raw->count)
        return MC_ECORRUPT;
    p.readers = calloc(map_count + 1, sizeof *p.readers);
    uint64_t(*sizes)[MC_MAP_COLUMN_COUNT] = calloc(map_count + 1, sizeof *sizes);
    int rc = p.readers && sizes ? 0 : MC_ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < map_count; i++)
        rc = parse_reader(&s, schema, i, frame_count, &p.readers[i], sizes[i]);
    for (uint32_t i = 0; rc == 0 && i < map_count; i++) {
        for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++)
            p.readers[i].column[c] = mc_take_span(&s, sizes[i][c]);
        read_next_frame(&p.readers[i], p.readers[i].first_frame);
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

static int valid_state(uint8_t state)
{
    return state > ' ' - 1 && state < 0x7f && state != '"' && state != '\\';
}

static int read_key(struct mc_map_state *m, struct mc_span *key)
{
    uint32_t n = m->map.slot_count;
    const uint8_t *states = mc_span_take(key, n);
    if (!states)
        return MC_ECORRUPT;
    for (uint32_t i = 0; i < n; i++) {
        if (!valid_state(states[i]))
            return MC_ECORRUPT;
    }
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

/* ---- a frame -------------------------------------------------------------------------------- */

/* The bits of the slots a class can happen to, in one word. */
static uint64_t domain_word(const struct mc_map_state *m, int class, uint32_t word_idx)
{
    uint64_t used = m->used[word_idx];
    if (class != MC_CLASS_ALLOCATED)
        return used;
    uint32_t left = m->map.slot_count - word_idx * 64;
    return left >= 64 ? ~used : ~used & ((UINT64_C(1) << left) - 1);
}

/* Move *slot past `gap` slots of the class's domain. 0, or MC_ECORRUPT at the end of the map. */
static int domain_skip(const struct mc_map_state *m, int class, uint32_t *slot, uint64_t gap)
{
    uint32_t n = m->map.slot_count, at = *slot;
    while (gap) {
        if (at >= n)
            return MC_ECORRUPT;
        if (at % MC_MAP_BLOCK == 0 && at + MC_MAP_BLOCK <= n) {
            uint32_t in = m->used_in[at / MC_MAP_BLOCK];
            if (class == MC_CLASS_ALLOCATED)
                in = MC_MAP_BLOCK - in;
            if (in < gap) {
                gap -= in;
                at += MC_MAP_BLOCK;
                continue;
            }
        }
        uint64_t word = domain_word(m, class, at / 64) >> at % 64;
        uint32_t in = (uint32_t)__builtin_popcountll(word);
        if (in < gap) {
            gap -= in;
            at = (at / 64 + 1) * 64;
            continue;
        }
        while (--gap)
            word &= word - 1;
        at += (uint32_t)__builtin_ctzll(word) + 1;
    }
    *slot = at;
    return 0;
}

/* Append the `length` next slots of the domain to `out` as changes. */
static int domain_take(const struct mc_map_state *m, int class, uint32_t *slot, uint64_t length,
                       struct mc_buf *out)
{
    uint32_t n = m->map.slot_count, at = *slot;
    if (length > n)
        return MC_ECORRUPT;
    struct mc_slot_change *to = (void *)mc_buf_reserve(out, length * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    out->count += length * sizeof *to;
    while (length) {
        if (at >= n)
            return MC_ECORRUPT;
        uint64_t word = domain_word(m, class, at / 64) >> at % 64;
        if (!word) {
            at = (at / 64 + 1) * 64;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(word);
        to++->slot_idx = at++;
        length--;
    }
    *slot = at;
    return 0;
}

static int read_class(struct mc_map_reader *r, struct mc_map_state *m, int class,
                      struct mc_buf *out)
{
    struct mc_span *runs = &r->column[MC_MAP_RUNS];
    uint64_t head = mc_take_varint(runs);
    if (!head)
        return 0;
    uint64_t run_count = head / 9;
    int owner_rule = (int)(head % 9 / 3), conn_rule = (int)(head % 3);
    size_t first = out->count;
    uint32_t slot = 0;
    for (uint64_t i = 0; i < run_count; i++) {
        uint64_t gap = mc_take_varint(runs), length = mc_take_varint(runs);
        if (runs->failed || !length)
            return MC_ECORRUPT;
        int rc = domain_skip(m, class, &slot, gap);
        if (rc == 0)
            rc = domain_take(m, class, &slot, length, out);
        if (rc < 0)
            return rc;
    }
    struct mc_slot_change *c = (void *)(out->bytes + first);
    struct mc_slot_change *end = (void *)(out->bytes + out->count);
    uint64_t conn = m->last_conn;
    for (; c < end; c++) {
        uint32_t at = c->slot_idx;
        c->map_idx = 0;
        c->old_state = m->map.states[at];
        c->state = MC_STATE_FREE;
        if (class != MC_CLASS_FREED) {
            c->state = mc_take_byte(&r->column[MC_MAP_STATES]);
            if (!valid_state(c->state) || c->state == MC_STATE_FREE)
                return MC_ECORRUPT;
        }
        c->owner = 0;
        if (owner_rule == MC_RULE_SAME)
            c->owner = m->map.owners ? m->map.owners[at] : 0;
        else if (owner_rule == MC_RULE_LISTED)
            c->owner = (uint16_t)mc_take_varint(&r->column[MC_MAP_OWNERS]);
        c->conn_id = 0;
        if (conn_rule == MC_RULE_SAME)
            c->conn_id = m->map.conns ? m->map.conns[at] : 0;
        else if (conn_rule == MC_RULE_LISTED)
            c->conn_id = conn += (uint64_t)mc_take_zigzag(&r->column[MC_MAP_CONNS]);
    }
    m->last_conn = conn;
    return 0;
}

static int read_extra(struct mc_map_reader *r, struct mc_map_state *m, struct mc_buf *out)
{
    struct mc_span *s = &r->column[MC_MAP_EXTRA];
    uint64_t count = mc_take_varint(s);
    if (count > (uint64_t)(s->end - s->at) / 4)
        return MC_ECORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t slot = mc_take_varint(s);
        struct mc_slot_change c = {.state = mc_take_byte(s)};
        c.owner = (uint16_t)mc_take_varint(s);
        c.conn_id = m->last_conn += (uint64_t)mc_take_zigzag(s);
        if (s->failed || slot >= m->map.slot_count || !valid_state(c.state))
            return MC_ECORRUPT;
        c.slot_idx = (uint32_t)slot;
        c.old_state = m->map.states[slot];
        mc_map_set(m, c.slot_idx, c.state, c.owner, c.conn_id);
        mc_buf_add(out, &c, sizeof c);
    }
    return out->failed ? MC_ENOMEM : 0;
}

/* Append the three lists, each in slot order, as one in slot order. */
static int merge(const struct mc_slot_change *all, const size_t starts[MC_CLASS_COUNT + 1],
                 uint32_t map_idx, struct mc_buf *changes)
{
    size_t at[MC_CLASS_COUNT], count = starts[MC_CLASS_COUNT];
    for (int k = 0; k < MC_CLASS_COUNT; k++)
        at[k] = starts[k];
    struct mc_slot_change *to = (void *)mc_buf_reserve(changes, count * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int best = -1;
        for (int k = 0; k < MC_CLASS_COUNT; k++) {
            if (at[k] < starts[k + 1] && (best < 0 || all[at[k]].slot_idx < all[at[best]].slot_idx))
                best = k;
        }
        to[i] = all[at[best]++];
        to[i].map_idx = map_idx;
    }
    changes->count += count * sizeof *to;
    return 0;
}

/* The changes of one map at this frame: read, applied, appended. */
static int step_map(struct mc_map_reader *r, struct mc_map_state *m, uint32_t map_idx,
                    uint32_t frame_idx, struct mc_buf *scratch, struct mc_buf *changes)
{
    size_t starts[MC_CLASS_COUNT + 1] = {0};
    scratch->count = 0;
    int rc = 0;
    if (r->is_extra) {
        rc = read_extra(r, m, scratch);
        starts[1] = starts[2] = starts[3] = scratch->count / sizeof(struct mc_slot_change);
    } else {
        for (int class = 0; rc == 0 && class < MC_CLASS_COUNT; class ++) {
            rc = read_class(r, m, class, scratch);
            starts[class + 1] = scratch->count / sizeof(struct mc_slot_change);
        }
    }
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++) {
        if (r->column[i].failed)
            rc = rc < 0 ? rc : MC_ECORRUPT;
    }
    if (rc < 0)
        return rc;
    const struct mc_slot_change *all = (void *)scratch->bytes;
    if (!r->is_extra) {
        for (size_t i = 0; i < starts[MC_CLASS_COUNT]; i++)
            mc_map_set(m, all[i].slot_idx, all[i].state, all[i].owner, all[i].conn_id);
    }
    if (changes && starts[MC_CLASS_COUNT])
        rc = merge(all, starts, map_idx, changes);
    read_next_frame(r, (uint64_t)frame_idx);
    if (r->next_frame != UINT64_MAX && r->next_frame <= frame_idx)
        return MC_ECORRUPT;
    return rc;
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

int mc_maps_step(struct mc_map_reader *readers, uint32_t reader_count, uint32_t frame_idx,
                 struct mc_maps *maps, struct mc_buf *scratch, struct mc_buf *changes)
{
    for (uint32_t i = 0; i < reader_count; i++) {
        if (readers[i].next_frame != frame_idx)
            continue;
        int rc = i < maps->count
                     ? step_map(&readers[i], &maps->maps[i], i, frame_idx, scratch, changes)
                     : MC_ECORRUPT;
        if (rc < 0)
            return rc;
    }
    return 0;
}
