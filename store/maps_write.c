/* maps_write.c: a frame's changes of a map as columns. The format stands in maps.h.
 *
 * A change is looked at once, to set its bits in the word of its 64 slots. Classes, runs and what
 * is between them are worked out of words: a heap's changes are thousands a frame, side by side.
 */
#include "store/maps.h"

#include "store/maps_priv.h"
#include "store/pack.h"
#include "tracer/error.h"

/* ---- a frame's changes ---------------------------------------------------------------------- */

int mc_maps_fit(const struct mc_maps *maps, const struct mc_slot_change *changes, size_t count)
{
    const struct mc_slot_change *c = changes, *end = changes + count;
    for (uint32_t next_map = 0; c < end;) {
        uint32_t map_idx = c->map_idx, most = 0;
        if (map_idx >= maps->count || map_idx < next_map)
            return 0;
        for (; c < end && c->map_idx == map_idx; c++)
            most = c->slot_idx > most ? c->slot_idx : most;
        if (most >= maps->maps[map_idx].map.slot_count)
            return 0;
        next_map = map_idx + 1;
    }
    return 1;
}

size_t mc_changes_end(const struct mc_slot_change *changes, size_t count, size_t first)
{
    size_t low = first, high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (changes[middle].map_idx == changes[first].map_idx)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* ---- the ops of a map ----------------------------------------------------------------------- */

/* What happens to the 64 slots of a word. */
struct mc_map_word {
    uint32_t word_idx;
    uint64_t class_bits[MC_CLASS_COUNT];
};

/* What the changes of a class have in common. */
struct class_sum {
    size_t count;
    uint64_t owners, conns;               /* all bits that are set in any */
    uint64_t owner_changes, conn_changes; /* that differ from before in any */
};

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

/* ---- which change is of which class --------------------------------------------------------- */

static uint8_t *put_letters(const struct mc_slot_change *c, const struct mc_slot_change *end,
                            uint8_t *to)
{
    for (; c < end; c++)
        *to++ = c->state;
    return to;
}

/* The same of a word of which some slots are used: allocated ones, changed ones. */
static void put_two_letters(const struct mc_slot_change *c, const struct mc_slot_change *end,
                            uint64_t was, uint8_t *letters[2])
{
    uint8_t *allocated = letters[0], *changed = letters[1];
    for (; c < end; c++) {
        uint64_t is_used = c->state != MC_STATE_FREE, was_used = was >> c->slot_idx % 64 & 1;
        *allocated = *changed = c->state;
        allocated += !was_used;
        changed += was_used & is_used;
    }
    letters[0] = allocated;
    letters[1] = changed;
}

/* The changes of one word from `c` on, before `end`, each in its class; letters of allocated and of
 * changed slots are appended to *letters[0] and [1]. Returns the change after them, or NULL when
 * they are not what the classes can say: in order, one a slot, and each a change of use or state.
 */
static const struct mc_slot_change *take_word(const struct mc_map_state *m,
                                              const struct mc_slot_change *c,
                                              const struct mc_slot_change *end,
                                              struct mc_map_word *w, uint8_t *letters[2])
{
    uint64_t was = m->used[w->word_idx], touched = 0, is = 0;
    uint32_t first_slot = w->word_idx * 64, next = first_slot;
    const struct mc_slot_change *first = c;
    for (; c < end && c->slot_idx - first_slot < 64; c++) {
        if (c->slot_idx < next)
            return NULL;
        next = c->slot_idx + 1;
        touched |= UINT64_C(1) << c->slot_idx % 64;
        is |= (uint64_t)(c->state != MC_STATE_FREE) << c->slot_idx % 64;
    }
    if (touched & ~was & ~is)
        return NULL;
    if (!(touched & was))
        letters[0] = put_letters(first, c, letters[0]);
    else if (touched & ~was || is)
        put_two_letters(first, c, was, letters);
    w->class_bits[MC_CLASS_ALLOCATED] = is & ~was;
    w->class_bits[MC_CLASS_FREED] = touched & ~is;
    w->class_bits[MC_CLASS_CHANGED] = is & was;
    return c;
}

/* Class by class, word by word. 1; 0: the changes do not fit the classes; or MC_ENOMEM. */
static int classify(struct mc_map_ops *ops, const struct mc_map_state *m,
                    const struct mc_slot_change *c, size_t count)
{
    struct mc_buf *states = &ops->column[MC_MAP_STATES];
    const struct mc_slot_change *end = c + count;
    size_t room = (m->map.slot_count + 63u) / 64;
    ops->words.count = ops->scratch.count = 0;
    /* A letter is written where the next one stands, whether it is kept or not. */
    uint8_t *first[2] = {mc_buf_reserve(states, count + 1),
                         mc_buf_reserve(&ops->scratch, count + 1)};
    struct mc_map_word *w =
        (void *)mc_buf_reserve(&ops->words, (count < room ? count : room) * sizeof *w);
    if (!first[0] || !first[1] || !w)
        return MC_ENOMEM;
    uint8_t *letters[2] = {first[0], first[1]};
    uint32_t word_count = 0;
    while (c < end) {
        uint32_t word_idx = c->slot_idx / 64;
        if (word_count && word_idx <= w[word_count - 1].word_idx)
            return 0;
        w[word_count].word_idx = word_idx;
        c = take_word(m, c, end, &w[word_count++], letters);
        if (!c)
            return 0;
    }
    ops->words.count = word_count * sizeof *w;
    states->count += (size_t)(letters[0] - first[0]);
    mc_buf_add(states, first[1], (size_t)(letters[1] - first[1]));
    return 1;
}

static enum mc_change_class class_of(const struct mc_map_state *m, const struct mc_slot_change *c)
{
    if (m->map.states[c->slot_idx] == MC_STATE_FREE)
        return MC_CLASS_ALLOCATED;
    return c->state == MC_STATE_FREE ? MC_CLASS_FREED : MC_CLASS_CHANGED;
}

/* Owners and conns of changes that fit the classes. */
static void sum_owners(const struct mc_map_state *m, const struct mc_slot_change *c, size_t count,
                       struct class_sum sums[MC_CLASS_COUNT])
{
    const struct mc_map *map = &m->map;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = c[i].slot_idx;
        struct class_sum *sum = &sums[class_of(m, &c[i])];
        sum->owners |= c[i].owner;
        sum->conns |= c[i].conn_id;
        sum->owner_changes |= c[i].owner ^ (map->owners ? map->owners[slot] : 0u);
        sum->conn_changes |= c[i].conn_id ^ (map->conns ? map->conns[slot] : 0u);
    }
}

/* Whether any change has an owner or a conn: nearly none of a map without owners has. */
static int has_owners(const struct mc_slot_change *c, size_t count)
{
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= c[i].owner | c[i].conn_id;
    return any != 0;
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* Runs of a class, over the slots that it can happen to. */
struct run {
    const struct mc_map_state *map;
    struct mc_buf *to;
    int is_of_free;       /* those slots are the free ones */
    uint32_t end;         /* the slots before it are told */
    uint32_t gap, length; /* of the run that is open; length 0: none */
    uint32_t run_count;
};

/* Slots in [r->end, slot) that the class can happen to; `able` are those of the slot's word. */
static uint32_t count_between(const struct run *r, uint32_t slot, uint64_t able)
{
    if (r->end == slot)
        return 0;
    if (r->end / 64 == slot / 64)
        return mc_bits_count(able >> r->end % 64 << r->end % 64 & ~(UINT64_MAX << slot % 64));
    uint32_t used = count_used(r->map, r->end, slot);
    return r->is_of_free ? slot - r->end - used : used;
}

static void end_run(struct run *r)
{
    if (!r->length)
        return;
    mc_put_varint(r->to, r->gap);
    mc_put_varint(r->to, r->length);
    r->run_count++;
    r->length = 0;
}

/* The class's changes in a word: from one to the next slot that could change so and does not. */
static void add_word(struct run *r, uint32_t word_idx, uint64_t bits)
{
    uint64_t used = r->map->used[word_idx], able = r->is_of_free ? ~used : used;
    while (bits) {
        uint32_t first = (uint32_t)__builtin_ctzll(bits), slot = word_idx * 64 + first;
        uint32_t between = count_between(r, slot, able);
        if (between)
            end_run(r);
        if (!r->length)
            r->gap = between;
        uint64_t others = able & ~bits & UINT64_MAX << first;
        uint64_t run = others ? bits & ((others & (0 - others)) - 1) : bits;
        r->length += mc_bits_count(run);
        r->end = others ? word_idx * 64 + (uint32_t)__builtin_ctzll(others) : (word_idx + 1) * 64;
        bits ^= run;
    }
}

static int rule_of(uint64_t bits, uint64_t changes)
{
    return !bits ? MC_RULE_ZERO : !changes ? MC_RULE_SAME : MC_RULE_LISTED;
}

static void put_runs(struct mc_map_ops *ops, const struct mc_map_state *m,
                     enum mc_change_class class, int owner_rule, int conn_rule)
{
    struct run r = {m, &ops->scratch, class == MC_CLASS_ALLOCATED, 0, 0, 0, 0};
    struct mc_buf *runs = &ops->column[MC_MAP_RUNS];
    const struct mc_map_word *w = (const void *)ops->words.bytes;
    size_t word_count = ops->words.count / sizeof *w;
    ops->scratch.count = 0;
    for (size_t i = 0; i < word_count; i++)
        add_word(&r, w[i].word_idx, w[i].class_bits[class]);
    end_run(&r);
    ops->run_count += r.run_count;
    mc_put_varint(
        runs, r.run_count ? (uint64_t)r.run_count * 9 + (uint64_t)(owner_rule * 3 + conn_rule) : 0);
    mc_buf_add(runs, ops->scratch.bytes, ops->scratch.count);
}

static void list_owners(struct mc_map_ops *ops, struct mc_map_state *m,
                        const struct mc_slot_change *c, size_t count, enum mc_change_class class,
                        int owner_rule, int conn_rule)
{
    if (owner_rule != MC_RULE_LISTED && conn_rule != MC_RULE_LISTED)
        return;
    for (size_t i = 0; i < count; i++) {
        if (class_of(m, &c[i]) != class)
            continue;
        if (owner_rule == MC_RULE_LISTED)
            mc_put_varint(&ops->column[MC_MAP_OWNERS], c[i].owner);
        if (conn_rule == MC_RULE_LISTED) {
            mc_put_zigzag(&ops->column[MC_MAP_CONNS], (int64_t)(c[i].conn_id - m->last_conn));
            m->last_conn = c[i].conn_id;
        }
    }
}

static void put_classes(struct mc_map_ops *ops, struct mc_map_state *m,
                        const struct mc_slot_change *c, size_t count)
{
    struct class_sum sums[MC_CLASS_COUNT] = {{0}};
    if (m->map.owners || has_owners(c, count))
        sum_owners(m, c, count, sums);
    for (enum mc_change_class class = 0; class < MC_CLASS_COUNT; class ++) {
        int owner_rule = rule_of(sums[class].owners, sums[class].owner_changes);
        int conn_rule = rule_of(sums[class].conns, sums[class].conn_changes);
        put_runs(ops, m, class, owner_rule, conn_rule);
        list_owners(ops, m, c, count, class, owner_rule, conn_rule);
    }
}

/* ---- a frame -------------------------------------------------------------------------------- */

/* The map as it is after changes that fit the classes. */
static void apply_classes(struct mc_map_ops *ops, struct mc_map_state *m,
                          const struct mc_slot_change *c, size_t count)
{
    const struct mc_map_word *w = (const void *)ops->words.bytes;
    for (size_t i = 0; i < ops->words.count / sizeof *w; i++) {
        uint64_t allocated = w[i].class_bits[MC_CLASS_ALLOCATED];
        uint64_t freed = w[i].class_bits[MC_CLASS_FREED];
        m->used[w[i].word_idx] ^= allocated | freed;
        m->used_in[w[i].word_idx * 64 / MC_MAP_BLOCK] +=
            mc_bits_count(allocated) - mc_bits_count(freed);
    }
    for (size_t i = 0; i < count; i++)
        m->map.states[c[i].slot_idx] = c[i].state;
    for (size_t i = 0; m->map.owners && i < count; i++) {
        m->map.owners[c[i].slot_idx] = c[i].owner;
        m->map.conns[c[i].slot_idx] = c[i].conn_id;
    }
}

static void put_extra(struct mc_map_ops *ops, struct mc_map_state *m,
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
    mc_buf_fini(&ops->words);
}

int mc_map_ops_make(struct mc_map_ops *ops, struct mc_map_state *m,
                    const struct mc_slot_change *changes, size_t count)
{
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        ops->column[i].count = 0;
    ops->run_count = 0;
    int fits = classify(ops, m, changes, count);
    if (fits < 0)
        return fits;
    ops->is_extra = !fits;
    if (ops->is_extra) {
        ops->run_count = (uint32_t)count;
        put_extra(ops, m, changes, count);
    } else {
        put_classes(ops, m, changes, count);
        apply_classes(ops, m, changes, count);
    }
    int failed = ops->scratch.failed;
    for (int i = 0; i < MC_MAP_COLUMN_COUNT; i++)
        failed |= ops->column[i].failed;
    return failed ? MC_ENOMEM : 0;
}
