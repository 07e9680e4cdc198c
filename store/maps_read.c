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
    struct mc_span s = mc_span_of(raw);
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

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* Which bytes are no states, or `never`. */
static inline sixteen bad_states(sixteen v, uint8_t never)
{
    return (sixteen)((v < ' ') | (v >= 0x7f) | (v == '"') | (v == '\\') | (v == never));
}

/* Whether all states are valid, and none is `never` (0: no more is asked). A byte at a time, this
 * was a third of a scan. */
static int all_valid(const uint8_t *states, size_t count, uint8_t never)
{
    sixteen bad = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        sixteen v;
        memcpy(&v, states + i, sizeof v);
        bad |= bad_states(v, never);
    }
    uint64_t halves[2];
    memcpy(halves, &bad, sizeof halves);
    int good = !(halves[0] | halves[1]);
    for (; i < count; i++)
        good &= valid_state(states[i]) && states[i] != never;
    return good;
}

static int read_key(struct mc_map_state *m, struct mc_span *key)
{
    uint32_t n = m->map.slot_count;
    const uint8_t *states = mc_span_take(key, n);
    if (!states)
        return MC_ECORRUPT;
    if (!all_valid(states, n, 0))
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
        uint32_t in = mc_bits_count(word);
        if (in < gap) {
            gap -= in;
            at = (at / 64 + 1) * 64;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(mc_bits_drop(word, (uint32_t)gap - 1)) + 1;
        break;
    }
    *slot = at;
    return 0;
}

/* The bits from slot *at on of the first word that has any, where *at is moved to; 0 at the end of
 * the map. */
static uint64_t next_word(const struct mc_map_state *m, int class, uint32_t *at)
{
    if (*at >= m->map.slot_count)
        return 0;
    uint32_t w = *at / 64, last = (m->map.slot_count - 1) / 64;
    uint64_t bits = domain_word(m, class, w) >> *at % 64 << *at % 64;
    if (bits || w == last)
        return bits;
    uint64_t none = class == MC_CLASS_ALLOCATED ? UINT64_MAX : 0;
    for (w++; w < last && m->used[w] == none;)
        w++;
    *at = w * 64;
    return domain_word(m, class, w);
}

/* What is read of one map's frame, while it is read. Arrays are written at once; the bits of
 * `used`, which ranks are counted on, only when all classes are through. */
struct step {
    struct mc_map_reader *reader;
    struct mc_map_state *m;
    struct mc_buf *flips;   /* struct flip */
    struct mc_buf *changes; /* struct mc_slot_change, or NULL when nobody wants them */
    struct mc_buf *undo;    /* records of mc_map_keep_word, or NULL */
    uint32_t map_idx;
    int class, owner_rule, conn_rule;
};

struct flip {
    uint32_t word_idx;
    uint64_t bits;
};

/* Room for `count` more changes, which are to be filled in; *to NULL when nobody wants them. */
static int more_changes(struct step *s, uint32_t count, struct mc_slot_change **to)
{
    *to = NULL;
    if (!s->changes)
        return 0;
    *to = (void *)mc_buf_reserve(s->changes, count * sizeof **to);
    if (!*to)
        return MC_ENOMEM;
    s->changes->count += count * sizeof **to;
    return 0;
}

/* The same as take_bits for a map without owners: the states are set, run by run of neighbours,
 * nothing else. from: the new states, which are valid, or NULL for slots that are freed. */
static int take_states(struct step *s, uint32_t word_idx, uint64_t bits, uint32_t count,
                       const uint8_t *from)
{
    uint8_t *states = s->m->map.states + (size_t)word_idx * 64;
    struct mc_slot_change *to;
    int rc = more_changes(s, count, &to);
    while (rc == 0 && bits) {
        uint32_t at = (uint32_t)__builtin_ctzll(bits);
        uint64_t rest = ~(bits >> at);
        uint32_t run = rest ? (uint32_t)__builtin_ctzll(rest) : 64;
        for (uint32_t i = 0; to && i < run; i++)
            *to++ = (struct mc_slot_change){s->map_idx,
                                            word_idx * 64 + at + i,
                                            states[at + i],
                                            from ? from[i] : MC_STATE_FREE,
                                            0,
                                            0};
        if (run < 8) { /* a call costs more */
            for (uint32_t i = 0; i < run; i++)
                states[at + i] = from ? from[i] : MC_STATE_FREE;
        } else if (from) {
            memcpy(states + at, from, run);
        } else {
            memset(states + at, MC_STATE_FREE, run);
        }
        from = from ? from + run : NULL;
        bits &= at + run < 64 ? UINT64_MAX << (at + run) : 0;
    }
    return rc;
}

/* The slots of a word that the class takes: from columns into the map, and into the changes. */
static int take_bits(struct step *s, uint32_t word_idx, uint64_t bits, uint32_t count,
                     const uint8_t *from)
{
    struct mc_map_state *m = s->m;
    struct mc_span *column = s->reader->column;
    struct mc_slot_change *to;
    int rc = more_changes(s, count, &to);
    for (; rc == 0 && bits; bits &= bits - 1) {
        uint32_t at = word_idx * 64 + (uint32_t)__builtin_ctzll(bits);
        struct mc_slot_change c = {s->map_idx, at, m->map.states[at], MC_STATE_FREE, 0, 0};
        if (from)
            c.state = *from++;
        m->map.states[at] = c.state;
        if (s->owner_rule == MC_RULE_LISTED)
            c.owner = (uint16_t)mc_take_varint(&column[MC_MAP_OWNERS]);
        else if (s->owner_rule == MC_RULE_SAME && m->map.owners)
            c.owner = m->map.owners[at];
        if (s->conn_rule == MC_RULE_LISTED)
            c.conn_id = m->last_conn += (uint64_t)mc_take_zigzag(&column[MC_MAP_CONNS]);
        else if (s->conn_rule == MC_RULE_SAME && m->map.conns)
            c.conn_id = m->map.conns[at];
        if (m->map.owners) {
            m->map.owners[at] = c.owner;
            m->map.conns[at] = c.conn_id;
        }
        if (to)
            *to++ = c;
    }
    return rc;
}

static int take_word(struct step *s, uint32_t word_idx, uint64_t bits, uint32_t count,
                     const uint8_t *from)
{
    int rc = s->undo ? mc_map_keep_word(s->m, s->map_idx, word_idx, s->undo) : 0;
    if (rc == 0 && s->class != MC_CLASS_CHANGED) {
        struct flip *flip = (void *)mc_buf_reserve(s->flips, sizeof *flip);
        if (!flip)
            return MC_ENOMEM;
        *flip = (struct flip){word_idx, bits};
        s->flips->count += sizeof *flip;
    }
    if (rc < 0)
        return rc;
    if (!s->m->map.owners && s->owner_rule != MC_RULE_LISTED && s->conn_rule != MC_RULE_LISTED)
        return take_states(s, word_idx, bits, count, from);
    return take_bits(s, word_idx, bits, count, from);
}

/* Take the `length` next slots of the domain from *slot on. */
static int take_run(struct step *s, uint32_t *slot, uint64_t length)
{
    uint32_t n = s->m->map.slot_count, at = *slot;
    const uint8_t *from = NULL;
    if (length > n)
        return MC_ECORRUPT;
    if (s->class != MC_CLASS_FREED) {
        from = mc_span_take(&s->reader->column[MC_MAP_STATES], length);
        if (!from || !all_valid(from, length, MC_STATE_FREE))
            return MC_ECORRUPT;
    }
    while (length) {
        uint64_t bits = next_word(s->m, s->class, &at);
        if (!bits)
            return MC_ECORRUPT;
        uint32_t next = (at / 64 + 1) * 64, in = mc_bits_count(bits);
        if (in > length) {
            uint64_t rest = mc_bits_drop(bits, (uint32_t)length);
            next = at / 64 * 64 + (uint32_t)__builtin_ctzll(rest);
            bits ^= rest;
            in = (uint32_t)length;
        }
        int rc = take_word(s, at / 64, bits, in, from);
        if (rc < 0)
            return rc;
        from = from ? from + in : NULL;
        length -= in;
        at = next;
    }
    *slot = at;
    return 0;
}

static int read_class(struct step *s, int class)
{
    struct mc_span *runs = &s->reader->column[MC_MAP_RUNS];
    uint64_t head = mc_take_varint(runs), run_count = head / 9;
    uint32_t slot = 0;
    s->class = class;
    s->owner_rule = (int)(head % 9 / 3);
    s->conn_rule = (int)(head % 3);
    for (uint64_t i = 0; i < run_count; i++) {
        uint64_t gap = mc_take_varint(runs), length = mc_take_varint(runs);
        if (runs->failed || !length)
            return MC_ECORRUPT;
        int rc = domain_skip(s->m, class, &slot, gap);
        if (rc == 0)
            rc = take_run(s, &slot, length);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void apply_flips(struct mc_map_state *m, const struct mc_buf *flips)
{
    const struct flip *f = (const void *)flips->bytes;
    for (size_t i = 0; i < flips->count / sizeof *f; i++) {
        uint32_t count = mc_bits_count(f[i].bits);
        int was_used = (m->used[f[i].word_idx] & f[i].bits) != 0;
        m->used[f[i].word_idx] ^= f[i].bits;
        m->used_in[f[i].word_idx / (MC_MAP_BLOCK / 64)] += was_used ? 0 - count : count;
    }
}

static int read_extra(struct step *s)
{
    struct mc_span *extra = &s->reader->column[MC_MAP_EXTRA];
    struct mc_map_state *m = s->m;
    uint64_t count = mc_take_varint(extra);
    if (count > (uint64_t)(extra->end - extra->at) / 4)
        return MC_ECORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t slot = mc_take_varint(extra);
        struct mc_slot_change c = {.map_idx = s->map_idx, .state = mc_take_byte(extra)};
        c.owner = (uint16_t)mc_take_varint(extra);
        c.conn_id = m->last_conn += (uint64_t)mc_take_zigzag(extra);
        if (extra->failed || slot >= m->map.slot_count || !valid_state(c.state))
            return MC_ECORRUPT;
        c.slot_idx = (uint32_t)slot;
        c.old_state = m->map.states[slot];
        int rc = s->undo ? mc_map_keep_word(m, s->map_idx, c.slot_idx / 64, s->undo) : 0;
        if (rc < 0)
            return rc;
        mc_map_set(m, c.slot_idx, c.state, c.owner, c.conn_id);
        if (s->changes)
            mc_buf_add(s->changes, &c, sizeof c);
    }
    return s->changes && s->changes->failed ? MC_ENOMEM : 0;
}

static int by_slot(const void *a, const void *b)
{
    const struct mc_slot_change *x = a, *y = b;
    return x->slot_idx < y->slot_idx ? -1 : x->slot_idx > y->slot_idx;
}

/* The lists of the classes, each in slot order, become one. */
static int merge(struct mc_buf *changes, const size_t starts[MC_CLASS_COUNT + 1],
                 struct mc_buf *scratch)
{
    int lists = 0;
    for (int k = 0; k < MC_CLASS_COUNT; k++)
        lists += starts[k + 1] > starts[k];
    if (lists < 2)
        return 0;
    struct mc_slot_change *all = (void *)changes->bytes;
    size_t first = starts[0], end = starts[MC_CLASS_COUNT];
    if (end - first < 32) {
        qsort(all + first, end - first, sizeof *all, by_slot);
        return 0;
    }
    scratch->count = 0;
    struct mc_slot_change *copy = (void *)mc_buf_reserve(scratch, (end - first) * sizeof *copy);
    if (!copy)
        return MC_ENOMEM;
    memcpy(copy, all + first, (end - first) * sizeof *copy);
    /* Of the list with the lowest slot, all up to the next list's lowest: runs are long. */
    const struct mc_slot_change *at[MC_CLASS_COUNT], *ends[MC_CLASS_COUNT];
    for (int k = 0; k < MC_CLASS_COUNT; k++) {
        at[k] = copy + (starts[k] - first);
        ends[k] = copy + (starts[k + 1] - first);
    }
    for (struct mc_slot_change *to = all + first; to < all + end;) {
        int best = 0;
        uint32_t low = UINT32_MAX, next = UINT32_MAX;
        for (int k = 0; k < MC_CLASS_COUNT; k++) {
            uint32_t slot = at[k] < ends[k] ? at[k]->slot_idx : UINT32_MAX;
            if (slot < low) {
                next = low;
                low = slot;
                best = k;
            } else if (slot < next) {
                next = slot;
            }
        }
        const struct mc_slot_change *from = at[best], *stop = ends[best];
        do
            *to++ = *from++;
        while (from < stop && from->slot_idx < next);
        at[best] = from;
    }
    return 0;
}

/* The changes of one map at this frame: read, applied, appended. */
static int step_map(const struct mc_maps_roll *roll, uint32_t map_idx, uint32_t frame_idx)
{
    struct mc_map_reader *r = &roll->readers[map_idx];
    struct mc_buf *changes = roll->changes;
    size_t starts[MC_CLASS_COUNT + 1] = {0};
    struct step s = {.reader = r,
                     .m = &roll->maps->maps[map_idx],
                     .flips = roll->scratch,
                     .changes = changes,
                     .undo = roll->undo,
                     .map_idx = map_idx};
    s.flips->count = 0;
    int rc = 0;
    if (r->is_extra) {
        rc = read_extra(&s);
    } else {
        for (int class = 0; rc == 0 && class < MC_CLASS_COUNT; class ++) {
            starts[class] = changes ? changes->count / sizeof(struct mc_slot_change) : 0;
            rc = read_class(&s, class);
        }
        starts[MC_CLASS_COUNT] = changes ? changes->count / sizeof(struct mc_slot_change) : 0;
    }
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++) {
        if (r->column[i].failed)
            rc = rc < 0 ? rc : MC_ECORRUPT;
    }
    if (rc < 0)
        return rc;
    if (!r->is_extra) {
        apply_flips(s.m, s.flips);
        if (changes)
            rc = merge(changes, starts, roll->scratch);
    }
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

int mc_maps_step(const struct mc_maps_roll *roll, uint32_t frame_idx)
{
    for (uint32_t i = 0; i < roll->reader_count; i++) {
        if (roll->readers[i].next_frame != frame_idx)
            continue;
        int rc = i < roll->maps->count ? step_map(roll, i, frame_idx) : MC_ECORRUPT;
        if (rc < 0)
            return rc;
    }
    return 0;
}
