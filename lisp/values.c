/* values.c: making and comparing values.
 *
 * Text is UTF-8; a string knows its length in characters, so ASCII is indexed directly and other
 * text from the place that was looked up last.
 */
#include <stdlib.h>

#include "lisp/number_priv.h"

scm_value scm_cons(struct scm_vm *vm, scm_value car, scm_value cdr)
{
    struct scm_cell *cell;
    if (SCM_UNLIKELY(vm->bump == vm->bump_end)) {
        scm_push_root(vm, &car);
        scm_push_root(vm, &cdr);
        cell = scm_alloc_slow(vm, SCM_T_PAIR);
        scm_pop_root(vm, 2);
        if (!cell)
            return SCM_NIL;
    } else {
        cell = scm_alloc(vm, SCM_T_PAIR);
    }
    cell->a = car;
    cell->b = cdr;
    return scm_from_cell(cell);
}

scm_value scm_flonum(struct scm_vm *vm, double x)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_FLONUM);
    if (!cell)
        return SCM_FALSE;
    memcpy(&cell->a, &x, sizeof x);
    return scm_from_cell(cell);
}

scm_value scm_real(struct scm_vm *vm, double x)
{
    return scm_flonum(vm, x);
}

scm_value scm_integer(int64_t n)
{
    return scm_fixnum(n);
}

scm_value scm_box(struct scm_vm *vm, scm_value v)
{
    scm_push_root(vm, &v);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_BOX);
    scm_pop_root(vm, 1);
    if (!cell)
        return SCM_FALSE;
    cell->a = v;
    return scm_from_cell(cell);
}

scm_value scm_make_items(struct scm_vm *vm, enum scm_type type, size_t count, scm_value fill)
{
    scm_value *items = NULL;
    if (count > UINT32_MAX)
        return scm_no_memory(vm, SIZE_MAX / 2);
    scm_push_root(vm, &fill);
    struct scm_cell *cell = scm_alloc(vm, (uint8_t)type);
    if (!cell) {
        scm_pop_root(vm, 1);
        return SCM_FALSE;
    }
    cell->a = (scm_value)(uintptr_t)&cell->b;
    if (count > 2) {
        scm_value v = scm_from_cell(cell);
        scm_push_root(vm, &v);
        items = scm_payload(vm, count * sizeof *items);
        scm_pop_root(vm, 1);
        if (!items) {
            scm_pop_root(vm, 1);
            return scm_no_memory(vm, count * sizeof *items);
        }
        cell->a = (scm_value)(uintptr_t)items;
    }
    scm_pop_root(vm, 1);
    items = scm_ptr(cell->a);
    for (size_t i = 0; i < count; i++)
        items[i] = fill;
    cell->aux = (uint32_t)count;
    return scm_from_cell(cell);
}

scm_value scm_make_vector(struct scm_vm *vm, size_t count, scm_value fill)
{
    return scm_make_items(vm, SCM_T_VECTOR, count, fill);
}

scm_value scm_make_values(struct scm_vm *vm, int count, const scm_value *values)
{
    scm_value v = scm_make_items(vm, SCM_T_VALUES, (size_t)count, SCM_FALSE);
    if (scm_is(v, SCM_T_VALUES) && count)
        memcpy(scm_items(v), values, (size_t)count * sizeof *values);
    return v;
}

scm_value scm_make_bytes(struct scm_vm *vm, size_t count)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_BYTEVECTOR);
    if (!cell)
        return SCM_FALSE;
    cell->a = cell->b = 0;
    scm_value v = scm_from_cell(cell);
    scm_push_root(vm, &v);
    void *payload = scm_payload(vm, count);
    scm_pop_root(vm, 1);
    if (!payload)
        return scm_no_memory(vm, count);
    cell->a = (scm_value)(uintptr_t)payload;
    cell->b = count;
    return v;
}

scm_value scm_bytevector(struct scm_vm *vm, const uint8_t *bytes, size_t count)
{
    scm_value v = scm_make_bytes(vm, count);
    if (scm_is_bytevector(v) && count)
        memcpy(scm_ptr(scm_cell(v)->a), bytes, count);
    return v;
}

scm_value scm_make_text(struct scm_vm *vm, size_t text_bytes, size_t char_count)
{
    if (text_bytes >= UINT32_MAX)
        return scm_no_memory(vm, text_bytes);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_STRING);
    if (!cell)
        return SCM_FALSE;
    cell->a = cell->b = cell->c = 0;
    scm_value v = scm_from_cell(cell);
    scm_push_root(vm, &v);
    struct scm_text *text = scm_payload(vm, sizeof *text + text_bytes);
    scm_pop_root(vm, 1);
    if (!text)
        return scm_no_memory(vm, text_bytes);
    text->room_bytes = text_bytes;
    text->at_char = text->at_byte = 0;
    cell->a = (scm_value)(uintptr_t)text;
    cell->b = text_bytes;
    cell->c = char_count;
    return v;
}

/* Bytes that are not UTF-8 become U+FFFD, so that every string in the heap is well-formed. */
static scm_value repaired(struct scm_vm *vm, const char *text, size_t text_bytes)
{
    size_t at = 0, to = 0;
    uint32_t cp;
    if (text_bytes > SIZE_MAX / 4)
        return scm_no_memory(vm, text_bytes);
    scm_value v = scm_make_text(vm, text_bytes * 3, 0);
    if (!scm_is_string(v))
        return v;
    char *out = scm_text_of(v)->bytes;
    size_t chars = 0;
    while (at < text_bytes) {
        at += (size_t)scm_utf8_get(text + at, text_bytes - at, &cp);
        to += (size_t)scm_utf8_put(out + to, cp);
        chars++;
    }
    scm_cell(v)->b = to;
    scm_cell(v)->c = chars;
    return v;
}

scm_value scm_string(struct scm_vm *vm, const char *text, size_t text_bytes)
{
    if (!scm_utf8_valid(text, text_bytes))
        return repaired(vm, text, text_bytes);
    scm_value v = scm_make_text(vm, text_bytes, scm_utf8_count(text, text_bytes));
    if (scm_is_string(v) && text_bytes)
        memcpy(scm_text_of(v)->bytes, text, text_bytes);
    return v;
}

/* ---- symbols -------------------------------------------------------------------------------- */

static uint64_t hash_bytes(const char *bytes, size_t count)
{
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < count; i++)
        h = (h ^ (uint8_t)bytes[i]) * 1099511628211ull;
    return h ^ h >> 29;
}

static int grow_symbols(struct scm_vm *vm)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < vm->symbol_room; i++)
        live += vm->symbols[i] && vm->symbols[i] != SCM_ABSENT;
    uint32_t room = 1024;
    while (room < live * 3)
        room *= 2;
    scm_value *table = calloc(room, sizeof *table);
    if (!table)
        return MC_ENOMEM;
    for (uint32_t i = 0; i < vm->symbol_room; i++) {
        scm_value s = vm->symbols[i];
        if (!s || s == SCM_ABSENT)
            continue;
        uint32_t at = (uint32_t)scm_cell(s)->c & (room - 1);
        while (table[at])
            at = (at + 1) & (room - 1);
        table[at] = s;
    }
    free(vm->symbols);
    vm->symbols = table;
    vm->symbol_room = room;
    vm->symbol_count = live;
    return 0;
}

scm_value scm_intern(struct scm_vm *vm, const char *name, size_t name_bytes)
{
    uint64_t hash = hash_bytes(name, name_bytes);
    if (vm->symbol_room) {
        uint32_t at = (uint32_t)hash & (vm->symbol_room - 1);
        for (; vm->symbols[at]; at = (at + 1) & (vm->symbol_room - 1)) {
            scm_value s = vm->symbols[at];
            if (s != SCM_ABSENT && scm_cell(s)->c == hash && scm_cell(s)->b == name_bytes &&
                memcmp(scm_ptr(scm_cell(s)->a), name, name_bytes) == 0)
                return s;
        }
    }
    struct scm_cell *cell = scm_alloc(vm, SCM_T_SYMBOL);
    if (!cell)
        return SCM_FALSE;
    cell->a = cell->b = cell->c = 0;
    scm_value v = scm_from_cell(cell);
    scm_push_root(vm, &v);
    char *bytes = scm_payload(vm, name_bytes);
    scm_pop_root(vm, 1);
    if (!bytes)
        return scm_no_memory(vm, name_bytes);
    memcpy(bytes, name, name_bytes);
    cell->a = (scm_value)(uintptr_t)bytes;
    cell->b = name_bytes;
    cell->c = hash;
    if ((vm->symbol_count + 1) * 2 > vm->symbol_room && grow_symbols(vm))
        return scm_no_memory(vm, sizeof(scm_value) * vm->symbol_room);
    uint32_t at = (uint32_t)hash & (vm->symbol_room - 1);
    while (vm->symbols[at])
        at = (at + 1) & (vm->symbol_room - 1);
    vm->symbols[at] = v;
    vm->symbol_count++;
    return v;
}

scm_value scm_symbol(struct scm_vm *vm, const char *name)
{
    return scm_intern(vm, name, strlen(name));
}

/* ---- lists ---------------------------------------------------------------------------------- */

scm_value scm_list_reverse(scm_value list)
{
    scm_value done = SCM_NIL;
    while (scm_is_pair(list)) {
        scm_value next = scm_cell(list)->b;
        scm_cell(list)->b = done;
        done = list;
        list = next;
    }
    return done;
}

int64_t scm_list_length(scm_value list)
{
    int64_t count = 0;
    scm_value slow = list;
    while (scm_is_pair(list)) {
        list = scm_cell(list)->b;
        count++;
        if ((count & 1) == 0) {
            slow = scm_cell(slow)->b;
            if (slow == list)
                return -1;
        }
    }
    return list == SCM_NIL ? count : -1;
}

/* ---- equality ------------------------------------------------------------------------------- */

int scm_eqv(scm_value a, scm_value b)
{
    if (a == b)
        return 1;
    if (scm_is_flonum(a) && scm_is_flonum(b))
        return scm_cell(a)->a == scm_cell(b)->a;
    if (scm_is_bignum(a) && scm_is_bignum(b))
        return scm_int_compare(a, b) == 0;
    if (scm_is_ratio(a) && scm_is_ratio(b))
        return scm_eqv(scm_cell(a)->a, scm_cell(b)->a) && scm_eqv(scm_cell(a)->b, scm_cell(b)->b);
    return scm_is(a, SCM_T_STRING) && scm_is(b, SCM_T_STRING) && scm_cell(a)->b == 0 &&
           scm_cell(b)->b == 0;
}

/* Pairs of objects that have been compared, or are being compared: only filled for large or
 * circular structures. */
struct seen {
    scm_value (*table)[2];
    size_t count, room;
};

static int seen_before(struct seen *s, scm_value a, scm_value b)
{
    if (s->count * 2 >= s->room) {
        struct seen bigger = {calloc(s->room ? s->room * 2 : 1024, sizeof *s->table), 0,
                              s->room ? s->room * 2 : 1024};
        if (!bigger.table)
            return 0;
        for (size_t i = 0; i < s->room; i++) {
            if (s->table[i][0])
                seen_before(&bigger, s->table[i][0], s->table[i][1]);
        }
        free(s->table);
        *s = bigger;
    }
    size_t at = (size_t)((a >> 5) * 0x9e3779b97f4a7c15ull ^ (b >> 5) * 0xc2b2ae3d27d4eb4full);
    for (at = (at ^ at >> 31) & (s->room - 1); s->table[at][0]; at = (at + 1) & (s->room - 1)) {
        if (s->table[at][0] == a && s->table[at][1] == b)
            return 1;
    }
    s->table[at][0] = a;
    s->table[at][1] = b;
    s->count++;
    return 0;
}

static int equal_leaf(scm_value a, scm_value b)
{
    if (scm_eqv(a, b))
        return 1;
    if (!scm_is_cell(a) || !scm_is_cell(b) || scm_cell(a)->type != scm_cell(b)->type)
        return 0;
    const struct scm_cell *x = scm_cell(a), *y = scm_cell(b);
    if (x->type == SCM_T_STRING)
        return x->b == y->b &&
               memcmp(scm_text_of(a)->bytes, scm_text_of(b)->bytes, (size_t)x->b) == 0;
    if (x->type == SCM_T_BYTEVECTOR)
        return x->b == y->b && memcmp(scm_ptr(x->a), scm_ptr(y->a), (size_t)x->b) == 0;
    if (x->type == SCM_T_PAIR)
        return 2;
    if (x->type == SCM_T_VECTOR)
        return x->aux == y->aux ? 2 : 0;
    return 0;
}

/* The work list lies on the machine's stack, which no input can overflow unseen. */
int scm_equal(struct scm_vm *vm, scm_value a, scm_value b)
{
    scm_value *base = vm->sp;
    struct seen seen = {NULL, 0, 0};
    size_t walked = 0; /* items looked at */
    int same = 1;
    *vm->sp++ = a;
    *vm->sp++ = b;
    while (same && vm->sp > base) {
        b = *--vm->sp;
        a = *--vm->sp;
        for (;;) {
            int leaf = equal_leaf(a, b);
            if (leaf != 2) {
                same = leaf;
                break;
            }
            if (walked > 100000 && seen_before(&seen, a, b))
                break;
            size_t count = scm_is_pair(a) ? 1 : scm_count(a);
            walked += count + 1;
            if (scm_stack_room(vm, count * 2 + 16)) {
                same = 0; /* deeper than memory allows: not known to be equal */
                break;
            }
            if (!scm_is_pair(a)) {
                for (size_t i = count; i-- > 0;) {
                    *vm->sp++ = scm_items(a)[i];
                    *vm->sp++ = scm_items(b)[i];
                }
                break;
            }
            *vm->sp++ = scm_cell(a)->b;
            *vm->sp++ = scm_cell(b)->b;
            a = scm_cell(a)->a;
            b = scm_cell(b)->a;
        }
    }
    vm->sp = base;
    free(seen.table);
    scm_work(vm, walked);
    return same;
}

const char *scm_type_name(scm_value v)
{
    if (scm_is_fixnum(v))
        return "integer";
    if (scm_is_char(v))
        return "character";
    if (!scm_is_cell(v))
        return "constant";
    switch (scm_cell(v)->type) {
#define X(id, letter, name)                                                                        \
    case letter:                                                                                   \
        return name;
        SCM_TYPES(X)
#undef X
    default:
        return "unknown";
    }
}
