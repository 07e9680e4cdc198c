/* maps_step.c: slot maps from frame to frame, by the columns of their part. The format stands in
 * maps.h; all of it is hostile.
 *
 * A class's runs are read word by word: what they take of 64 slots is put together and then written
 * at once. This is most of what a seek costs.
 */
#include <stdlib.h>

#include "store/maps.h"
#include "store/maps_priv.h"
#include "store/pack.h"
#include "tracer/error.h"

#define BLOCK_WORDS (MC_MAP_BLOCK / 64)
#define CHECK_BYTES 256u /* letters looked at together, at least */
#define ALIKE_BYTES 4096 /* and at most, where they are alike */

void mc_map_next_frame(struct mc_map_reader *r, uint64_t from)
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

/* The bits of the slots a class can happen to, in one word. */
static uint64_t domain_word(const struct mc_map_state *m, int class, uint32_t word_idx)
{
    uint64_t used = m->used[word_idx];
    if (class != MC_CLASS_ALLOCATED)
        return used;
    uint32_t left = m->map.slot_count - word_idx * 64;
    return left >= 64 ? ~used : ~used & ((UINT64_C(1) << left) - 1);
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
    /* The word that the class has come to. */
    uint32_t word_idx, word_count; /* of all; word_idx == word_count: at the end of the map */
    uint32_t left_count;           /* bits of left */
    uint64_t left;                 /* slots of the domain that are still ahead in it */
    uint32_t taken_count;          /* bits of taken */
    uint64_t taken;                /* slots that runs have taken */
    const uint8_t *letters;        /* the first one's new state; NULL where slots are freed */
};

struct flip {
    uint32_t word_idx, used_more; /* used slots, more than before: wraps when fewer */
    uint64_t bits;
};

/* ---- a word --------------------------------------------------------------------------------- */

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

/* Tell of the slots of a word that change their state alone. */
static int tell_states(struct step *s)
{
    const uint8_t *states = s->m->map.states, *letters = s->letters;
    struct mc_slot_change *to;
    int rc = more_changes(s, s->taken_count, &to);
    for (uint64_t bits = to ? s->taken : 0; bits; bits &= bits - 1) {
        uint32_t at = s->word_idx * 64 + (uint32_t)__builtin_ctzll(bits);
        *to++ = (struct mc_slot_change){
            s->map_idx, at, states[at], letters ? *letters++ : MC_STATE_FREE, 0, 0};
    }
    return rc;
}

/* Whether the word's new states are all the same. */
static int are_alike(const struct step *s)
{
    const struct mc_map_reader *r = s->reader;
    return !s->letters || s->taken_count == 1 ||
           (s->letters >= r->alike && s->letters + s->taken_count <= r->alike_end);
}

/* Set the states of the word's slots, of a map without owners. */
static void set_states(const struct step *s)
{
    uint8_t *states = s->m->map.states + (size_t)s->word_idx * 64;
    const uint8_t *letters = s->letters;
    int is_whole = s->m->map.slot_count - s->word_idx * 64 >= 64;
    if (is_whole && s->taken_count > 8 && are_alike(s)) {
        mc_letters_set(states, s->taken, letters ? *letters : MC_STATE_FREE);
    } else if (s->taken == UINT64_MAX) {
        memcpy(states, letters, 64);
    } else {
        for (uint64_t bits = s->taken; bits; bits &= bits - 1)
            states[__builtin_ctzll(bits)] = letters ? *letters++ : MC_STATE_FREE;
    }
}

/* The slots of a word with all that they have: from columns into the map, and told. */
static int set_slots(struct step *s)
{
    struct mc_map_state *m = s->m;
    struct mc_span *column = s->reader->column;
    const uint8_t *letters = s->letters;
    struct mc_slot_change *to;
    int rc = more_changes(s, s->taken_count, &to);
    for (uint64_t bits = s->taken; rc == 0 && bits; bits &= bits - 1) {
        uint32_t at = s->word_idx * 64 + (uint32_t)__builtin_ctzll(bits);
        struct mc_slot_change c = {s->map_idx, at, m->map.states[at], MC_STATE_FREE, 0, 0};
        if (letters)
            c.state = *letters++;
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

/* Write what runs have taken of the word. */
static int end_word(struct step *s)
{
    if (!s->taken)
        return 0;
    int rc = s->undo ? mc_map_keep_word(s->m, s->map_idx, s->word_idx, s->undo) : 0;
    if (rc == 0 && s->class != MC_CLASS_CHANGED) {
        struct flip *flip = (void *)mc_buf_reserve(s->flips, sizeof *flip);
        if (!flip)
            return MC_ENOMEM;
        uint32_t more = s->class == MC_CLASS_FREED ? 0 - s->taken_count : s->taken_count;
        *flip = (struct flip){s->word_idx, more, s->taken};
        s->flips->count += sizeof *flip;
    }
    if (rc < 0)
        return rc;
    if (s->m->map.owners || s->owner_rule == MC_RULE_LISTED || s->conn_rule == MC_RULE_LISTED) {
        rc = set_slots(s);
    } else {
        rc = s->changes ? tell_states(s) : 0;
        set_states(s);
    }
    s->taken = s->taken_count = 0;
    return rc;
}

/* Go on to the word; past the last one there is nothing left. */
static inline void begin_word(struct step *s, uint32_t word_idx)
{
    s->word_idx = word_idx;
    s->left = word_idx < s->word_count ? domain_word(s->m, s->class, word_idx) : 0;
    s->left_count = mc_bits_count(s->left);
}

/* ---- a run ---------------------------------------------------------------------------------- */

/* Go past `gap` slots of the class's domain. 0, or MC_ECORRUPT at the end of the map. */
static int skip(struct step *s, uint64_t gap)
{
    while (s->left_count <= gap) {
        gap -= s->left_count;
        int rc = end_word(s);
        if (rc < 0)
            return rc;
        uint32_t at = s->word_idx + 1;
        for (; at % BLOCK_WORDS == 0 && at + BLOCK_WORDS <= s->word_count; at += BLOCK_WORDS) {
            if ((at + BLOCK_WORDS) * 64 > s->m->map.slot_count)
                break;
            uint32_t in = s->m->used_in[at / BLOCK_WORDS];
            if (s->class == MC_CLASS_ALLOCATED)
                in = MC_MAP_BLOCK - in;
            if (in > gap)
                break;
            gap -= in;
        }
        if (at >= s->word_count)
            return MC_ECORRUPT;
        begin_word(s, at);
    }
    if (gap) {
        s->left = mc_bits_drop(s->left, (uint32_t)gap);
        s->left_count -= (uint32_t)gap;
    }
    return 0;
}

/* Check the letters of a run, `from` to `end`, and those behind them: many are looked at together.
 * Where they are alike that is remembered. */
static int check_letters(struct mc_map_reader *r, const uint8_t *end)
{
    const uint8_t *column_end = r->column[MC_MAP_STATES].end;
    while (r->checked < end) {
        const uint8_t *from = r->checked;
        const uint8_t *far = column_end - from > ALIKE_BYTES ? from + ALIKE_BYTES : column_end;
        const uint8_t *alike = mc_letters_alike(from, far);
        if (alike - from >= 32) {
            if (!mc_letters_are_valid(from, 1, MC_STATE_FREE))
                return MC_ECORRUPT;
            if (r->alike_end != from || r->alike_end == r->alike || *r->alike != *from)
                r->alike = from;
            r->alike_end = r->checked = alike;
            continue;
        }
        const uint8_t *stop = column_end - from > CHECK_BYTES ? from + CHECK_BYTES : column_end;
        if (!mc_letters_are_valid(from, (size_t)(stop - from), MC_STATE_FREE))
            return MC_ECORRUPT;
        r->checked = stop;
    }
    return 0;
}

/* Take the `length` next slots of the domain. */
static int take(struct step *s, uint64_t length)
{
    const uint8_t *letters = NULL;
    if (s->class != MC_CLASS_FREED) {
        letters = mc_span_take(&s->reader->column[MC_MAP_STATES], length);
        if (!letters)
            return MC_ECORRUPT;
        if (letters + length > s->reader->checked) {
            int rc = check_letters(s->reader, letters + length);
            if (rc < 0)
                return rc;
        }
    }
    for (;;) {
        if (s->left && !s->taken)
            s->letters = letters;
        if (s->left_count > length) {
            uint64_t rest = mc_bits_drop(s->left, (uint32_t)length);
            s->taken |= s->left ^ rest;
            s->taken_count += (uint32_t)length;
            s->left = rest;
            s->left_count -= (uint32_t)length;
            return 0;
        }
        length -= s->left_count;
        letters = letters ? letters + s->left_count : NULL;
        s->taken |= s->left;
        s->taken_count += s->left_count;
        s->left = s->left_count = 0;
        if (!length)
            return 0;
        int rc = end_word(s);
        if (rc < 0)
            return rc;
        uint64_t none = s->class == MC_CLASS_ALLOCATED ? UINT64_MAX : 0;
        uint32_t at = s->word_idx + 1;
        while (at < s->word_count && s->m->used[at] == none)
            at++;
        if (at >= s->word_count)
            return MC_ECORRUPT;
        begin_word(s, at);
    }
}

static int read_class(struct step *s, int class)
{
    struct mc_span *runs = &s->reader->column[MC_MAP_RUNS];
    uint64_t head = mc_take_varint(runs), run_count = head / 9;
    if (!run_count)
        return 0;
    s->class = class;
    s->owner_rule = (int)(head % 9 / 3);
    s->conn_rule = (int)(head % 3);
    begin_word(s, 0);
    for (uint64_t i = 0; i < run_count; i++) {
        uint64_t gap = mc_take_varint(runs), length = mc_take_varint(runs);
        if (runs->failed || !length)
            return MC_ECORRUPT;
        int rc = skip(s, gap);
        if (rc == 0)
            rc = take(s, length);
        if (rc < 0)
            return rc;
    }
    return end_word(s);
}

static void apply_flips(struct mc_map_state *m, const struct mc_buf *flips)
{
    const struct flip *f = (const void *)flips->bytes;
    for (size_t i = 0; i < flips->count / sizeof *f; i++) {
        m->used[f[i].word_idx] ^= f[i].bits;
        m->used_in[f[i].word_idx / BLOCK_WORDS] += f[i].used_more;
    }
}

/* ---- a frame -------------------------------------------------------------------------------- */

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
        if (extra->failed || slot >= m->map.slot_count || !mc_letters_are_valid(&c.state, 1, 0))
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
    s.word_count = (s.m->map.slot_count + 63) / 64;
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
    mc_map_next_frame(r, (uint64_t)frame_idx);
    if (r->next_frame != UINT64_MAX && r->next_frame <= frame_idx)
        return MC_ECORRUPT;
    return rc;
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
