/* maps.c: the state of slot maps, and a frame's changes as columns. The format stands in maps.h. */
#include "store/maps.h"

#include <stdlib.h>

#include "store/maps_priv.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

/* ---- state ---------------------------------------------------------------------------------- */

static void map_state_fini(struct mc_map_state *m)
{
    free(m->map.states);
    free(m->map.owners);
    free(m->map.conns);
    free(m->used);
    free(m->used_in);
    memset(m, 0, sizeof *m);
}

void mc_maps_fini(struct mc_maps *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        map_state_fini(&m->maps[i]);
    free(m->maps);
    free(m->views);
    memset(m, 0, sizeof *m);
}

static int maps_room(struct mc_maps *m, uint32_t count)
{
    if (count <= m->room)
        return 0;
    uint32_t room = m->room ? m->room * 2 : 16;
    while (room < count)
        room *= 2;
    struct mc_map_state *maps = realloc(m->maps, room * sizeof *maps);
    if (!maps)
        return MC_ENOMEM;
    m->maps = maps;
    struct mc_map *views = realloc(m->views, room * sizeof *views);
    if (!views)
        return MC_ENOMEM;
    m->views = views;
    m->room = room;
    return 0;
}

static uint32_t word_count(uint32_t slot_count)
{
    return (slot_count + 63) / 64;
}

static uint32_t block_count(uint32_t slot_count)
{
    return (slot_count + MC_MAP_BLOCK - 1) / MC_MAP_BLOCK;
}

static int map_state_init(struct mc_map_state *m, uint32_t source_idx, uint32_t slot_count,
                          int has_owners)
{
    memset(m, 0, sizeof *m);
    size_t n = slot_count ? slot_count : 1;
    m->map.source_idx = source_idx;
    m->map.slot_count = slot_count;
    m->map.states = malloc(n);
    m->used = calloc(word_count(slot_count) + 1, sizeof *m->used);
    m->used_in = calloc(block_count(slot_count) + 1, sizeof *m->used_in);
    if (has_owners) {
        m->map.owners = calloc(n, sizeof *m->map.owners);
        m->map.conns = calloc(n, sizeof *m->map.conns);
    }
    if (!m->map.states || !m->used || !m->used_in ||
        (has_owners && (!m->map.owners || !m->map.conns))) {
        map_state_fini(m);
        return MC_ENOMEM;
    }
    memset(m->map.states, MC_STATE_FREE, n);
    return 0;
}

int mc_maps_add(struct mc_maps *m, const struct mc_source *source)
{
    uint64_t slots = source->slot_count;
    for (uint32_t i = 0; i < m->count; i++)
        slots += m->maps[i].map.slot_count;
    if (slots > MC_MAX_SLOTS)
        return MC_ELIMIT;
    int rc = maps_room(m, m->count + 1);
    if (rc == 0)
        rc = map_state_init(&m->maps[m->count], source->source_idx, source->slot_count,
                            (source->flags & MC_SOURCE_HAS_OWNERS) != 0);
    if (rc < 0)
        return rc;
    m->views[m->count] = m->maps[m->count].map;
    m->count++;
    return 0;
}

int mc_maps_copy(struct mc_maps *to, const struct mc_maps *from)
{
    while (to->count > from->count)
        map_state_fini(&to->maps[--to->count]);
    int rc = maps_room(to, from->count);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct mc_map_state *f = &from->maps[i];
        struct mc_map_state *t = &to->maps[i];
        uint32_t n = f->map.slot_count;
        if (i >= to->count) {
            rc = map_state_init(t, f->map.source_idx, n, f->map.owners != NULL);
            if (rc < 0)
                return rc;
            to->count = i + 1;
            to->views[i] = t->map;
        }
        memcpy(t->map.states, f->map.states, n);
        if (f->map.owners) {
            memcpy(t->map.owners, f->map.owners, n * sizeof *t->map.owners);
            memcpy(t->map.conns, f->map.conns, n * sizeof *t->map.conns);
        }
        memcpy(t->used, f->used, word_count(n) * sizeof *t->used);
        memcpy(t->used_in, f->used_in, block_count(n) * sizeof *t->used_in);
        t->last_conn = f->last_conn;
    }
    return 0;
}

void mc_map_set(struct mc_map_state *m, uint32_t slot_idx, uint8_t state, uint16_t owner,
                uint64_t conn_id)
{
    int was = m->map.states[slot_idx] != MC_STATE_FREE, is = state != MC_STATE_FREE;
    m->map.states[slot_idx] = state;
    if (was != is) {
        m->used[slot_idx / 64] ^= UINT64_C(1) << slot_idx % 64;
        m->used_in[slot_idx / MC_MAP_BLOCK] += is ? 1u : UINT32_MAX;
    }
    if (m->map.owners) {
        m->map.owners[slot_idx] = owner;
        m->map.conns[slot_idx] = conn_id;
    }
}

/* A bit for each of 8 states that is not free: the top bits of the bytes that are not 0, gathered
 * by a multiplication. */
static uint64_t used_of_eight(const uint8_t *states)
{
    uint64_t v = mc_load_u64(states) ^ UINT64_C(0x0101010101010101) * MC_STATE_FREE;
    uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t tops = (((v & low) + low) | v) & ~low;
    return (tops >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

void mc_map_recount(struct mc_map_state *m)
{
    uint32_t n = m->map.slot_count;
    memset(m->used_in, 0, block_count(n) * sizeof *m->used_in);
    for (uint32_t w = 0; w < word_count(n); w++) {
        const uint8_t *states = m->map.states + (size_t)w * 64;
        uint32_t left = n - w * 64 < 64 ? n - w * 64 : 64, i = 0;
        uint64_t bits = 0;
        for (; i + 8 <= left; i += 8)
            bits |= used_of_eight(states + i) << i;
        for (; i < left; i++)
            bits |= (uint64_t)(states[i] != MC_STATE_FREE) << i;
        m->used[w] = bits;
        m->used_in[w * 64 / MC_MAP_BLOCK] += mc_bits_count(bits);
    }
}

/* ---- ops ------------------------------------------------------------------------------------ */

/* Used slots in [from, to). */
static uint32_t count_used(const struct mc_map_state *m, uint32_t from, uint32_t to)
{
    uint64_t head = m->used[from / 64] >> from % 64 << from % 64;
    uint64_t tail_mask = to % 64 ? ~(UINT64_MAX << to % 64) : 0;
    if (from / 64 == to / 64)
        return mc_bits_count(head & tail_mask);
    uint32_t used = mc_bits_count(head);
    for (from = (from / 64 + 1) * 64; from + 64 <= to;) {
        if (from % MC_MAP_BLOCK == 0 && from + MC_MAP_BLOCK <= to) {
            used += m->used_in[from / MC_MAP_BLOCK];
            from += MC_MAP_BLOCK;
        } else {
            used += mc_bits_count(m->used[from / 64]);
            from += 64;
        }
    }
    return tail_mask ? used + mc_bits_count(m->used[to / 64] & tail_mask) : used;
}

/* What the changes of a class have in common. */
struct class_sum {
    size_t count;
    uint64_t owners, conns;               /* all bits that are set in any */
    uint64_t owner_changes, conn_changes; /* that differ from before in any */
};

static int class_of(uint8_t was, uint8_t is)
{
    if (was == MC_STATE_FREE)
        return is == MC_STATE_FREE ? -1 : MC_CLASS_ALLOCATED;
    return is == MC_STATE_FREE ? MC_CLASS_FREED : MC_CLASS_CHANGED;
}

/* Class by class, unless the changes are not what the classes can say: in order, one per slot, and
 * each one of them. Returns whether they are. */
static int classify(const struct mc_map_state *m, const struct mc_slot_change *c, size_t count,
                    uint8_t *classes, struct class_sum sums[MC_CLASS_COUNT])
{
    const struct mc_map *map = &m->map;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = c[i].slot_idx;
        int class = class_of(map->states[slot], c[i].state);
        if (class < 0 || (i && slot <= c[i - 1].slot_idx))
            return 0;
        classes[i] = (uint8_t) class;
        struct class_sum *sum = &sums[class];
        sum->count++;
        sum->owners |= c[i].owner;
        sum->conns |= c[i].conn_id;
        sum->owner_changes |= c[i].owner ^ (map->owners ? map->owners[slot] : 0u);
        sum->conn_changes |= c[i].conn_id ^ (map->conns ? map->conns[slot] : 0u);
    }
    return 1;
}

/* The same of a map without owners, where no change has an owner or a conn: nearly all of a heap's.
 * -1: one has. */
static int classify_states(const struct mc_map_state *m, const struct mc_slot_change *c,
                           size_t count, uint8_t *classes, struct class_sum sums[MC_CLASS_COUNT])
{
    const uint8_t *states = m->map.states;
    size_t counts[MC_CLASS_COUNT] = {0};
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = c[i].slot_idx;
        int was_free = states[slot] == MC_STATE_FREE, is_free = c[i].state == MC_STATE_FREE;
        if ((was_free & is_free) || (i && slot <= c[i - 1].slot_idx))
            return 0;
        int class = was_free ? MC_CLASS_ALLOCATED : is_free ? MC_CLASS_FREED : MC_CLASS_CHANGED;
        classes[i] = (uint8_t) class;
        counts[class]++;
        any |= c[i].owner | c[i].conn_id;
    }
    for (int k = 0; k < MC_CLASS_COUNT; k++)
        sums[k].count = counts[k];
    return any ? -1 : 1;
}

static int rule_of(uint64_t bits, uint64_t changes)
{
    return !bits ? MC_RULE_ZERO : !changes ? MC_RULE_SAME : MC_RULE_LISTED;
}

static void make_class(struct mc_map_ops *ops, struct mc_map_state *m,
                       const struct mc_slot_change *c, const uint8_t *classes, size_t count,
                       int class, const struct class_sum *sum)
{
    struct mc_buf *col = ops->column, *runs = &ops->scratch;
    uint32_t run_count = 0, end = 0, length = 0, gap = 0;
    int owner_rule = rule_of(sum->owners, sum->owner_changes);
    int conn_rule = rule_of(sum->conns, sum->conn_changes);
    runs->count = 0;
    uint8_t *letter = class == MC_CLASS_FREED || !sum->count
                          ? NULL
                          : mc_buf_reserve(&col[MC_MAP_STATES], sum->count);
    if (letter)
        col[MC_MAP_STATES].count += sum->count;
    for (size_t i = 0; sum->count && i < count; i++) {
        if (classes[i] != class)
            continue;
        uint32_t slot = c[i].slot_idx, between = 0;
        if (slot != end) {
            between = count_used(m, end, slot);
            if (class == MC_CLASS_ALLOCATED)
                between = slot - end - between;
        }
        if (length && between) {
            mc_put_varint(runs, gap);
            mc_put_varint(runs, length);
            run_count++;
            length = 0;
        }
        if (!length)
            gap = between;
        length++;
        end = slot + 1;
        if (letter)
            *letter++ = c[i].state;
        if (owner_rule == MC_RULE_LISTED)
            mc_put_varint(&col[MC_MAP_OWNERS], c[i].owner);
        if (conn_rule == MC_RULE_LISTED) {
            mc_put_zigzag(&col[MC_MAP_CONNS], (int64_t)(c[i].conn_id - m->last_conn));
            m->last_conn = c[i].conn_id;
        }
    }
    if (!length) {
        mc_put_varint(&col[MC_MAP_RUNS], 0);
        return;
    }
    mc_put_varint(runs, gap);
    mc_put_varint(runs, length);
    ops->run_count += ++run_count;
    mc_put_varint(&col[MC_MAP_RUNS],
                  (uint64_t)run_count * 9 + (uint64_t)(owner_rule * 3 + conn_rule));
    mc_buf_add(&col[MC_MAP_RUNS], runs->bytes, runs->count);
}

/* The map as it is after changes that fit the classes; a word of `used` is written once. */
static void apply_classes(struct mc_map_state *m, const struct mc_slot_change *c,
                          const uint8_t *classes, size_t count)
{
    for (size_t i = 0; i < count;) {
        uint32_t word_idx = c[i].slot_idx / 64;
        uint64_t was = m->used[word_idx], is = was;
        for (; i < count && c[i].slot_idx / 64 == word_idx; i++) {
            m->map.states[c[i].slot_idx] = c[i].state;
            is ^= (uint64_t)(classes[i] != MC_CLASS_CHANGED) << c[i].slot_idx % 64;
        }
        m->used[word_idx] = is;
        m->used_in[word_idx * 64 / MC_MAP_BLOCK] += mc_bits_count(is) - mc_bits_count(was);
    }
    for (size_t i = 0; m->map.owners && i < count; i++) {
        m->map.owners[c[i].slot_idx] = c[i].owner;
        m->map.conns[c[i].slot_idx] = c[i].conn_id;
    }
}

static void make_extra(struct mc_map_ops *ops, struct mc_map_state *m,
                       const struct mc_slot_change *c, size_t count)
{
    struct mc_buf *extra = &ops->column[MC_MAP_EXTRA];
    mc_put_varint(extra, count);
    for (size_t i = 0; i < count; i++) {
        mc_put_varint(extra, c[i].slot_idx);
        mc_put_byte(extra, c[i].state);
        mc_put_varint(extra, c[i].owner);
        mc_put_zigzag(extra, (int64_t)(c[i].conn_id - m->last_conn));
        m->last_conn = c[i].conn_id;
        mc_map_set(m, c[i].slot_idx, c[i].state, c[i].owner, c[i].conn_id);
    }
}

void mc_map_ops_fini(struct mc_map_ops *ops)
{
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        mc_buf_fini(&ops->column[i]);
    mc_buf_fini(&ops->scratch);
    mc_buf_fini(&ops->classes);
}

int mc_map_ops_make(struct mc_map_ops *ops, struct mc_map_state *m,
                    const struct mc_slot_change *changes, size_t count)
{
    struct class_sum sums[MC_CLASS_COUNT] = {{0}};
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        ops->column[i].count = 0;
    ops->run_count = 0;
    ops->classes.count = 0;
    uint8_t *classes = mc_buf_reserve(&ops->classes, count + 1);
    if (!classes)
        return MC_ENOMEM;
    int fits = m->map.owners ? -1 : classify_states(m, changes, count, classes, sums);
    if (fits < 0) {
        memset(sums, 0, sizeof sums);
        fits = classify(m, changes, count, classes, sums);
    }
    ops->is_extra = !fits;
    if (ops->is_extra) {
        ops->run_count = (uint32_t)count;
        make_extra(ops, m, changes, count);
    } else {
        for (int class = 0; class < MC_CLASS_COUNT; class ++)
            make_class(ops, m, changes, classes, count, class, &sums[class]);
        apply_classes(m, changes, classes, count);
    }
    int failed = ops->scratch.failed;
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        failed |= ops->column[i].failed;
    return failed ? MC_ENOMEM : 0;
}

void mc_map_put_key(const struct mc_map_state *m, struct mc_buf *key)
{
    uint32_t n = m->map.slot_count;
    mc_buf_add(key, m->map.states, n);
    if (m->map.owners) {
        for (uint32_t i = 0; i < n; i++)
            mc_put_byte(key, (uint8_t)m->map.owners[i]);
        for (uint32_t i = 0; i < n; i++)
            mc_put_byte(key, (uint8_t)(m->map.owners[i] >> 8));
        uint64_t last = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t conn = m->map.conns[i];
            if (!conn) {
                mc_put_varint(key, 0);
                continue;
            }
            uint64_t z = mc_zigzag((int64_t)(conn - last));
            /* 1 + zigzag does not fit for the one difference that zigzags to all ones: UINT64_MAX
             * stands for it and for its neighbour's place, told apart by a byte. */
            if (z >= UINT64_MAX - 1) {
                mc_put_varint(key, UINT64_MAX);
                mc_put_byte(key, (uint8_t)(z & 1));
            } else {
                mc_put_varint(key, z + 1);
            }
            last = conn;
        }
    }
    mc_put_zigzag(key, (int64_t)m->last_conn);
}
