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

void mc_map_recount(struct mc_map_state *m)
{
    uint32_t n = m->map.slot_count;
    memset(m->used_in, 0, block_count(n) * sizeof *m->used_in);
    for (uint32_t w = 0; w < word_count(n); w++) {
        const uint8_t *states = m->map.states + (size_t)w * 64;
        uint32_t left = n - w * 64 < 64 ? n - w * 64 : 64;
        uint64_t bits = 0;
        for (uint32_t i = 0; i < left; i++)
            bits |= (uint64_t)(states[i] != MC_STATE_FREE) << i;
        m->used[w] = bits;
        m->used_in[w * 64 / MC_MAP_BLOCK] += mc_bits_count(bits);
    }
}

/* ---- ops ------------------------------------------------------------------------------------ */

/* Used slots in [from, to). */
static uint32_t count_used(const struct mc_map_state *m, uint32_t from, uint32_t to)
{
    uint32_t used = 0;
    while (from < to && from % 64) {
        used += (uint32_t)(m->used[from / 64] >> from % 64 & 1);
        from++;
    }
    while (from + 64 <= to) {
        if (from % MC_MAP_BLOCK == 0 && from + MC_MAP_BLOCK <= to) {
            used += m->used_in[from / MC_MAP_BLOCK];
            from += MC_MAP_BLOCK;
        } else {
            used += mc_bits_count(m->used[from / 64]);
            from += 64;
        }
    }
    if (from < to)
        used += mc_bits_count(m->used[from / 64] & ((UINT64_C(1) << (to - from)) - 1));
    return used;
}

static int class_of(const struct mc_map_state *m, const struct mc_slot_change *c)
{
    int was = m->map.states[c->slot_idx] != MC_STATE_FREE, is = c->state != MC_STATE_FREE;
    if (!was)
        return is ? MC_CLASS_ALLOCATED : -1;
    return is ? MC_CLASS_CHANGED : MC_CLASS_FREED;
}

/* Whether the changes are what the three classes can say: in order, one per slot. */
static int fits_classes(const struct mc_map_state *m, const struct mc_slot_change *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((i && c[i].slot_idx <= c[i - 1].slot_idx) || class_of(m, &c[i]) < 0)
            return 0;
    }
    return 1;
}

struct class_rules {
    int owner, conn;
};

static struct class_rules rules_of(const struct mc_map_state *m, const struct mc_slot_change *c,
                                   const uint8_t *classes, size_t count, int class)
{
    int owner_zero = 1, owner_same = 1, conn_zero = 1, conn_same = 1;
    for (size_t i = 0; i < count; i++) {
        if (classes[i] != class)
            continue;
        uint32_t slot = c[i].slot_idx;
        owner_zero &= c[i].owner == 0;
        conn_zero &= c[i].conn_id == 0;
        owner_same &= c[i].owner == (m->map.owners ? m->map.owners[slot] : 0);
        conn_same &= c[i].conn_id == (m->map.conns ? m->map.conns[slot] : 0);
    }
    return (struct class_rules){owner_zero   ? MC_RULE_ZERO
                                : owner_same ? MC_RULE_SAME
                                             : MC_RULE_LISTED,
                                conn_zero   ? MC_RULE_ZERO
                                : conn_same ? MC_RULE_SAME
                                            : MC_RULE_LISTED};
}

/* Append the runs of one class over its domain to `scratch`; returns how many. */
static uint32_t make_runs(const struct mc_map_state *m, const struct mc_slot_change *c,
                          const uint8_t *classes, size_t count, int class, struct mc_buf *scratch)
{
    uint32_t run_count = 0, end = 0, length = 0, gap = 0;
    for (size_t i = 0; i < count; i++) {
        if (classes[i] != class)
            continue;
        uint32_t slot = c[i].slot_idx, between = 0;
        if (slot != end) {
            between = count_used(m, end, slot);
            if (class == MC_CLASS_ALLOCATED)
                between = slot - end - between;
        }
        if (length && between == 0) {
            length++;
        } else {
            if (length) {
                mc_put_varint(scratch, gap);
                mc_put_varint(scratch, length);
                run_count++;
            }
            gap = between;
            length = 1;
        }
        end = slot + 1;
    }
    if (length) {
        mc_put_varint(scratch, gap);
        mc_put_varint(scratch, length);
        run_count++;
    }
    return run_count;
}

static void make_class(struct mc_map_ops *ops, struct mc_map_state *m,
                       const struct mc_slot_change *c, const uint8_t *classes, size_t count,
                       int class)
{
    struct mc_buf *col = ops->column;
    ops->scratch.count = 0;
    uint32_t run_count = make_runs(m, c, classes, count, class, &ops->scratch);
    ops->run_count += run_count;
    if (!run_count) {
        mc_put_varint(&col[MC_MAP_RUNS], 0);
        return;
    }
    struct class_rules rules = rules_of(m, c, classes, count, class);
    mc_put_varint(&col[MC_MAP_RUNS],
                  (uint64_t)run_count * 9 + (uint64_t)(rules.owner * 3 + rules.conn));
    mc_buf_add(&col[MC_MAP_RUNS], ops->scratch.bytes, ops->scratch.count);
    for (size_t i = 0; i < count; i++) {
        if (classes[i] != class)
            continue;
        if (class != MC_CLASS_FREED)
            mc_put_byte(&col[MC_MAP_STATES], c[i].state);
        if (rules.owner == MC_RULE_LISTED)
            mc_put_varint(&col[MC_MAP_OWNERS], c[i].owner);
        if (rules.conn == MC_RULE_LISTED) {
            mc_put_zigzag(&col[MC_MAP_CONNS], (int64_t)(c[i].conn_id - m->last_conn));
            m->last_conn = c[i].conn_id;
        }
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
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        ops->column[i].count = 0;
    ops->is_extra = !fits_classes(m, changes, count);
    ops->run_count = 0;
    if (ops->is_extra) {
        ops->run_count = (uint32_t)count;
        make_extra(ops, m, changes, count);
    } else {
        ops->classes.count = 0;
        uint8_t *classes = mc_buf_reserve(&ops->classes, count + 1);
        if (!classes)
            return MC_ENOMEM;
        for (size_t i = 0; i < count; i++)
            classes[i] = (uint8_t)class_of(m, &changes[i]);
        for (int class = 0; class < MC_CLASS_COUNT; class ++)
            make_class(ops, m, changes, classes, count, class);
    }
    for (size_t i = 0; i < count; i++)
        mc_map_set(m, changes[i].slot_idx, changes[i].state, changes[i].owner, changes[i].conn_id);
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
