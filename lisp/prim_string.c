/* prim_string.c: strings: UTF-8 inside, indexed by character.
 *
 * What a primitive builds byte by byte is staged in the current arena.
 */
#include <stdlib.h>

#include "lisp/op.h"
#include "lisp/prim_priv.h"

static const char *bytes_of(scm_value s)
{
    return scm_text_of(s)->bytes;
}
static size_t count_of(scm_value s)
{
    return (size_t)scm_cell(s)->b;
}
static size_t chars_of(scm_value s)
{
    return (size_t)scm_cell(s)->c;
}

SCM_PRIM(p_stringp)
{
    return scm_bool(scm_is_string(argv[0]));
}
SCM_PRIM(p_length)
{
    return scm_is_string(argv[0]) ? scm_fixnum((int64_t)chars_of(argv[0]))
                                  : scm_wrong(vm, "string-length", "a string", argv[0]);
}

int scm_range(struct scm_vm *vm, const char *who, int argc, const scm_value *argv, size_t count,
              size_t *from, size_t *to)
{
    *from = 0;
    *to = count;
    for (int i = 0; i < argc && i < 2; i++) {
        int64_t at = scm_is_fixnum(argv[i]) ? scm_fixnum_get(argv[i]) : -1;
        if (at < 0 || (size_t)at > count) {
            scm_wrong_index(vm, who, argv[i], count);
            return -1;
        }
        *(i ? to : from) = (size_t)at;
    }
    if (*from > *to) {
        scm_fail(vm, "%s: the start %zu lies behind the end %zu", who, *from, *to);
        return -1;
    }
    return 0;
}

static int slice(struct scm_vm *vm, const char *who, int argc, const scm_value *argv, size_t *from,
                 size_t *to)
{
    if (!scm_is_string(argv[0])) {
        scm_wrong(vm, who, "a string", argv[0]);
        return -1;
    }
    return scm_range(vm, who, argc - 1, argv + 1, chars_of(argv[0]), from, to);
}

static scm_value substring(struct scm_vm *vm, scm_value s, size_t from, size_t to)
{
    size_t start = scm_text_offset(s, from), end = scm_text_offset(s, to);
    scm_value v = scm_make_text(vm, end - start, to - from);
    if (scm_is_string(v))
        memcpy(scm_text_of(v)->bytes, bytes_of(s) + start, end - start);
    return v;
}
static scm_value copy(struct scm_vm *vm, const char *who, int argc, const scm_value *argv)
{
    size_t from, to;
    if (slice(vm, who, argc, argv, &from, &to))
        return SCM_FAILED;
    return substring(vm, argv[0], from, to);
}
SCM_PRIM(p_copy)
{
    return copy(vm, "string-copy", argc, argv);
}
SCM_PRIM(p_substring)
{
    return copy(vm, "substring", argc, argv);
}

static int fill_char(char *out, size_t count, uint32_t cp)
{
    char one[4];
    int width = scm_utf8_put(one, cp);
    if (width == 1) {
        memset(out, one[0], count);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * (size_t)width, one, (size_t)width);
    return width;
}
SCM_PRIM(p_make)
{
    int64_t count = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    char one[4];
    if (count < 0)
        return scm_wrong(vm, "make-string", "a length", argv[0]);
    if (argc > 1 && !scm_is_char(argv[1]))
        return scm_wrong(vm, "make-string", "a character", argv[1]);
    uint32_t cp = argc > 1 ? scm_char_get(argv[1]) : ' ';
    if (count > UINT32_MAX / 4)
        return scm_no_memory(vm, (size_t)count);
    size_t width = (size_t)scm_utf8_put(one, cp);
    scm_value v = scm_make_text(vm, (size_t)count * width, (size_t)count);
    if (scm_is_string(v))
        fill_char(scm_text_of(v)->bytes, (size_t)count, cp);
    return v;
}
SCM_PRIM(p_string)
{
    size_t total = 0;
    char one[4];
    for (int i = 0; i < argc; i++) {
        if (!scm_is_char(argv[i]))
            return scm_wrong(vm, "string", "a character", argv[i]);
        total += (size_t)scm_utf8_put(one, scm_char_get(argv[i]));
    }
    scm_value v = scm_make_text(vm, total, (size_t)argc);
    char *out = scm_is_string(v) ? scm_text_of(v)->bytes : NULL;
    for (int i = 0; out && i < argc; i++)
        out += scm_utf8_put(out, scm_char_get(argv[i]));
    return v;
}
SCM_PRIM(p_append)
{
    size_t total = 0, chars = 0;
    for (int i = 0; i < argc; i++) {
        if (!scm_is_string(argv[i]))
            return scm_wrong(vm, "string-append", "a string", argv[i]);
        total += count_of(argv[i]);
        chars += chars_of(argv[i]);
    }
    scm_value v = scm_make_text(vm, total, chars);
    char *out = scm_is_string(v) ? scm_text_of(v)->bytes : NULL;
    for (int i = 0; out && i < argc; i++) {
        memcpy(out, bytes_of(argv[i]), count_of(argv[i]));
        out += count_of(argv[i]);
    }
    return v;
}

/* ---- changing ------------------------------------------------------------------------------- */

/* Replace bytes [start, end) of s by `count` others; the number of characters is the caller's. */
static int splice(struct scm_vm *vm, scm_value s, size_t start, size_t end, const char *with,
                  size_t count)
{
    struct scm_text *old = scm_text_of(s), *text = old;
    size_t total = count_of(s) - (end - start) + count;
    if (total > old->room_bytes) {
        size_t room = total + total / 4;
        text = scm_payload(vm, sizeof *text + room);
        if (!text)
            return -1;
        text->room_bytes = room;
        memcpy(text->bytes, old->bytes, start);
    }
    memmove(text->bytes + start + count, old->bytes + end, count_of(s) - end);
    memcpy(text->bytes + start, with, count);
    if (text != old) {
        scm_cell(s)->a = (scm_value)(uintptr_t)text;
        scm_payload_free(vm, old, sizeof *old + old->room_bytes);
    }
    text->at_char = text->at_byte = 0;
    scm_cell(s)->b = total;
    return 0;
}
SCM_PRIM(p_set)
{
    char one[4];
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string-set!", "a string", argv[0]);
    if (!scm_is_char(argv[2]))
        return scm_wrong(vm, "string-set!", "a character", argv[2]);
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) >= chars_of(argv[0]))
        return scm_wrong_index(vm, "string-set!", argv[1], chars_of(argv[0]));
    size_t idx = (size_t)scm_fixnum_get(argv[1]);
    size_t start = scm_text_offset(argv[0], idx);
    size_t end = scm_text_offset(argv[0], idx + 1);
    size_t width = (size_t)scm_utf8_put(one, scm_char_get(argv[2]));
    if (splice(vm, argv[0], start, end, one, width))
        return scm_no_memory(vm, count_of(argv[0]) + 4);
    return SCM_VOID;
}
SCM_PRIM(p_fill)
{
    size_t from, to;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string-fill!", "a string", argv[0]);
    if (!scm_is_char(argv[1]))
        return scm_wrong(vm, "string-fill!", "a character", argv[1]);
    if (scm_range(vm, "string-fill!", argc - 2, argv + 2, chars_of(argv[0]), &from, &to))
        return SCM_FAILED;
    struct scm_arena_mark mark = scm_arena_mark(vm);
    char *with = scm_temp(vm, (to - from) * 4 + 1);
    if (!with)
        return scm_no_memory(vm, (to - from) * 4);
    size_t width = (size_t)fill_char(with, to - from, scm_char_get(argv[1]));
    int code = splice(vm, argv[0], scm_text_offset(argv[0], from), scm_text_offset(argv[0], to),
                      with, (to - from) * width);
    scm_arena_release(vm, mark);
    return code ? scm_no_memory(vm, (to - from) * 4) : SCM_VOID;
}
SCM_PRIM(p_copy_to)
{
    size_t from, to;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string-copy!", "a string", argv[0]);
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) > chars_of(argv[0]))
        return scm_wrong_index(vm, "string-copy!", argv[1], chars_of(argv[0]));
    if (slice(vm, "string-copy!", argc - 2, argv + 2, &from, &to))
        return SCM_FAILED;
    size_t at = (size_t)scm_fixnum_get(argv[1]);
    if (to - from > chars_of(argv[0]) - at)
        return scm_fail(vm, "string-copy!: %zu characters do not fit from index %zu of %zu",
                        to - from, at, chars_of(argv[0]));
    struct scm_arena_mark mark = scm_arena_mark(vm);
    size_t start = scm_text_offset(argv[2], from), end = scm_text_offset(argv[2], to);
    char *with = scm_temp(vm, end - start + 1);
    if (!with)
        return scm_no_memory(vm, end - start);
    memcpy(with, bytes_of(argv[2]) + start, end - start);
    size_t first = scm_text_offset(argv[0], at), last = scm_text_offset(argv[0], at + to - from);
    int code = splice(vm, argv[0], first, last, with, end - start);
    scm_arena_release(vm, mark);
    return code ? scm_no_memory(vm, end - start) : SCM_VOID;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static int order(scm_value a, scm_value b, int fold)
{
    size_t i = 0, j = 0;
    if (!fold) { /* the order of UTF-8 is the order of code points */
        size_t least = count_of(a) < count_of(b) ? count_of(a) : count_of(b);
        int o = memcmp(bytes_of(a), bytes_of(b), least);
        return o ? o : count_of(a) < count_of(b) ? -1 : count_of(a) > count_of(b);
    }
    while (i < count_of(a) && j < count_of(b)) {
        uint32_t x, y;
        i += (size_t)scm_utf8_get(bytes_of(a) + i, count_of(a) - i, &x);
        j += (size_t)scm_utf8_get(bytes_of(b) + j, count_of(b) - j, &y);
        x = scm_char_case(scm_char_case(x, 1), 0);
        y = scm_char_case(scm_char_case(y, 1), 0);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return i < count_of(a) ? 1 : j < count_of(b) ? -1 : 0;
}
static scm_value compare(struct scm_vm *vm, const char *who, int how, int fold, int argc,
                         const scm_value *argv)
{
    int result = 1;
    for (int i = 0; i < argc; i++) {
        if (!scm_is_string(argv[i]))
            return scm_wrong(vm, who, "a string", argv[i]);
        if (i) {
            int o = order(argv[i - 1], argv[i], fold);
            result &= (how & (o < 0 ? 1 : o == 0 ? 2 : 4)) != 0;
        }
    }
    return scm_bool(result);
}
#define X(name, text, how, fold)                                                                   \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return compare(vm, text, how, fold, argc, argv);                                           \
    }
SCM_COMPARISONS(X, "string")
#undef X

enum casing { DOWN, UP, FOLD };

/* One character in another case: one or two, for the two that depend on more than themselves. Sharp
 * s has no capital of one letter, and a sigma at a word's end looks otherwise. */
static size_t recase_char(char *out, uint32_t cp, enum casing how, int ends_word)
{
    if (cp == 0xdf && how != DOWN) {
        memcpy(out, how == UP ? "SS" : "ss", 2);
        return 2;
    }
    if (cp == 0x3a3 && how == DOWN && ends_word)
        cp = 0x3c2;
    else
        cp = scm_char_case(cp, how == UP);
    return (size_t)scm_utf8_put(out, cp);
}

static scm_value recase(struct scm_vm *vm, const char *who, scm_value s, enum casing how)
{
    if (!scm_is_string(s))
        return scm_wrong(vm, who, "a string", s);
    struct scm_arena_mark mark = scm_arena_mark(vm);
    char *out = scm_temp(vm, count_of(s) * 2 + 4);
    size_t to = 0;
    int after_letter = 0;
    if (!out)
        return scm_no_memory(vm, count_of(s) * 2);
    for (size_t at = 0; at < count_of(s);) {
        uint32_t cp, next = 0;
        at += (size_t)scm_utf8_get(bytes_of(s) + at, count_of(s) - at, &cp);
        if (cp == 0x3a3 && at < count_of(s))
            scm_utf8_get(bytes_of(s) + at, count_of(s) - at, &next);
        to += recase_char(out + to, cp, how, after_letter && !scm_char_is_letter(next));
        after_letter = scm_char_is_letter(cp);
    }
    scm_value v = scm_string(vm, out, to);
    scm_arena_release(vm, mark);
    return v;
}
SCM_PRIM(p_upcase)
{
    return recase(vm, "string-upcase", argv[0], UP);
}
SCM_PRIM(p_downcase)
{
    return recase(vm, "string-downcase", argv[0], DOWN);
}
SCM_PRIM(p_foldcase)
{
    return recase(vm, "string-foldcase", argv[0], FOLD);
}

/* ---- lists, vectors, bytes ------------------------------------------------------------------ */

SCM_PRIM(p_to_list)
{
    size_t from, to;
    if (slice(vm, "string->list", argc, argv, &from, &to))
        return SCM_FAILED;
    scm_value list = SCM_NIL;
    size_t start = scm_text_offset(argv[0], from), at = scm_text_offset(argv[0], to);
    while (at > start) {
        uint32_t cp;
        size_t end = at--;
        while (((uint8_t)bytes_of(argv[0])[at] & 0xc0) == 0x80)
            at--;
        scm_utf8_get(bytes_of(argv[0]) + at, end - at, &cp);
        list = scm_cons(vm, scm_char(cp), list);
    }
    return list;
}
SCM_PRIM(p_from_list)
{
    int64_t count = scm_list_length(argv[0]);
    size_t total = 0;
    char one[4];
    if (count < 0)
        return scm_wrong(vm, "list->string", "a list of characters", argv[0]);
    for (scm_value at = argv[0]; scm_is_pair(at); at = scm_cdr(at)) {
        if (!scm_is_char(scm_car(at)))
            return scm_wrong(vm, "list->string", "a character", scm_car(at));
        total += (size_t)scm_utf8_put(one, scm_char_get(scm_car(at)));
    }
    scm_value v = scm_make_text(vm, total, (size_t)count);
    char *out = scm_is_string(v) ? scm_text_of(v)->bytes : NULL;
    for (scm_value at = argv[0]; out && scm_is_pair(at); at = scm_cdr(at))
        out += scm_utf8_put(out, scm_char_get(scm_car(at)));
    return v;
}
SCM_PRIM(p_to_vector)
{
    size_t from, to;
    if (slice(vm, "string->vector", argc, argv, &from, &to))
        return SCM_FAILED;
    scm_value v = scm_make_vector(vm, to - from, SCM_FALSE);
    size_t at = scm_text_offset(argv[0], from);
    for (size_t i = 0; scm_is_vector(v) && i < to - from; i++) {
        uint32_t cp;
        at += (size_t)scm_utf8_get(bytes_of(argv[0]) + at, count_of(argv[0]) - at, &cp);
        scm_items(v)[i] = scm_char(cp);
    }
    return v;
}
SCM_PRIM(p_from_vector)
{
    size_t from, to, total = 0;
    char one[4];
    if (!scm_is_vector(argv[0]))
        return scm_wrong(vm, "vector->string", "a vector", argv[0]);
    if (scm_range(vm, "vector->string", argc - 1, argv + 1, scm_count(argv[0]), &from, &to))
        return SCM_FAILED;
    for (size_t i = from; i < to; i++) {
        if (!scm_is_char(scm_items(argv[0])[i]))
            return scm_wrong(vm, "vector->string", "a character", scm_items(argv[0])[i]);
        total += (size_t)scm_utf8_put(one, scm_char_get(scm_items(argv[0])[i]));
    }
    scm_value v = scm_make_text(vm, total, to - from);
    char *out = scm_is_string(v) ? scm_text_of(v)->bytes : NULL;
    for (size_t i = from; out && i < to; i++)
        out += scm_utf8_put(out, scm_char_get(scm_items(argv[0])[i]));
    return v;
}
SCM_PRIM(p_to_utf8)
{
    size_t from, to;
    if (slice(vm, "string->utf8", argc, argv, &from, &to))
        return SCM_FAILED;
    size_t start = scm_text_offset(argv[0], from), end = scm_text_offset(argv[0], to);
    scm_value v = scm_make_bytes(vm, end - start);
    if (scm_is_bytevector(v))
        memcpy(scm_ptr(scm_cell(v)->a), bytes_of(argv[0]) + start, end - start);
    return v;
}
SCM_PRIM(p_from_utf8)
{
    size_t from, to, count;
    if (!scm_is_bytevector(argv[0]))
        return scm_wrong(vm, "utf8->string", "a bytevector", argv[0]);
    const char *bytes = (const char *)scm_bytes(argv[0], &count);
    if (scm_range(vm, "utf8->string", argc - 1, argv + 1, count, &from, &to))
        return SCM_FAILED;
    return scm_string(vm, bytes + from, to - from);
}

/* ---- searching ------------------------------------------------------------------------------ */

/* (string-contains text part): the index of the first place, or #f */
SCM_PRIM(p_contains)
{
    if (!scm_is_string(argv[0]) || !scm_is_string(argv[1]))
        return scm_wrong(vm, "string-contains", "a string",
                         scm_is_string(argv[0]) ? argv[1] : argv[0]);
    if (count_of(argv[1]) == 0)
        return scm_fixnum(0);
    const char *at =
        memmem(bytes_of(argv[0]), count_of(argv[0]), bytes_of(argv[1]), count_of(argv[1]));
    if (!at)
        return SCM_FALSE;
    return scm_fixnum((int64_t)scm_utf8_count(bytes_of(argv[0]), (size_t)(at - bytes_of(argv[0]))));
}

static scm_value string_ref(struct scm_vm *vm, const scm_value *argv)
{
    uint32_t cp;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string-ref", "a string", argv[0]);
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) >= chars_of(argv[0]))
        return scm_wrong_index(vm, "string-ref", argv[1], chars_of(argv[0]));
    size_t at = scm_text_offset(argv[0], (size_t)scm_fixnum_get(argv[1]));
    scm_utf8_get(bytes_of(argv[0]) + at, count_of(argv[0]) - at, &cp);
    return scm_char(cp);
}
SCM_PRIM(p_ref)
{
    return string_ref(vm, argv);
}

const struct scm_prim_def scm_prims_string[] = {
    {"string?", p_stringp, 1, 1, 0, 0},
    {"string-length", p_length, 1, 1, 0, 0},
    {"string-ref", p_ref, 2, 2, SCM_OP_STRING_REF, 0},
    {"string-set!", p_set, 3, 3, 0, 0},
    {"make-string", p_make, 1, 2, 0, 0},
    {"string", p_string, 0, -1, 0, 0},
    {"string-append", p_append, 0, -1, 0, 0},
    {"string-copy", p_copy, 1, 3, 0, 0},
    {"substring", p_substring, 2, 3, 0, 0},
    {"string-fill!", p_fill, 2, 4, 0, 0},
    {"string-copy!", p_copy_to, 3, 5, 0, 0},
#define X(name, text, how, fold) {text, name, 1, -1, 0, 0},
    SCM_COMPARISONS(X, "string")
#undef X
        {"string-upcase", p_upcase, 1, 1, 0, 0},
    {"string-downcase", p_downcase, 1, 1, 0, 0},
    {"string-foldcase", p_foldcase, 1, 1, 0, 0},
    {"string->list", p_to_list, 1, 3, 0, 0},
    {"list->string", p_from_list, 1, 1, 0, 0},
    {"string->vector", p_to_vector, 1, 3, 0, 0},
    {"vector->string", p_from_vector, 1, 3, 0, 0},
    {"string->utf8", p_to_utf8, 1, 3, 0, 0},
    {"utf8->string", p_from_utf8, 1, 3, 0, 0},
    {"string-contains", p_contains, 2, 2, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
