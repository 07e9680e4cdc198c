/* reader.c: text to data, each pair knowing its place.
 *
 * Owns:   nothing: frames of unfinished lists lie on the machine's stack, four slots each.
 * Format: a pair from the reader has its file in aux and in c its own place (low 32 bits) and its
 *         car's (high 32), line << 12 | column. Columns count characters and begin at 1.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lisp/reader_priv.h"

enum frame_kind { F_LIST, F_VECTOR, F_BYTES, F_PREFIX, F_COMMENT, F_LABEL };
enum list_state { L_ITEMS, L_DOT, L_DONE };

/* A frame's four slots: kind and state and place, head, last pair (or prefix symbol), label. */
#define FRAME_SLOTS 4

void scm_reader_init(struct scm_reader *r, struct scm_vm *vm, const char *name, const char *text,
                     size_t text_bytes, struct scm_error *err)
{
    *r = (struct scm_reader){.vm = vm, .text = text, .at = text, .end = text + text_bytes};
    r->file = scm_file_id(vm, name);
    r->line = r->column = 1;
    r->err = err;
    if (text_bytes >= 2 && text[0] == '#' && text[1] == '!' && text_bytes > 2 &&
        (text[2] == '/' || text[2] == ' ')) {
        while (r->at < r->end && *r->at != '\n')
            r->at++;
    }
}
/* ---- frames --------------------------------------------------------------------------------- */

static scm_value *top_frame(struct reading *g)
{
    return g->r->vm->sp > g->base ? g->r->vm->sp - FRAME_SLOTS : NULL;
}

static enum frame_kind frame_kind(const scm_value *f)
{
    return (enum frame_kind)(scm_fixnum_get(f[0]) & 15);
}

static enum list_state frame_state(const scm_value *f)
{
    return (enum list_state)(scm_fixnum_get(f[0]) >> 4 & 15);
}

static uint32_t frame_place(const scm_value *f)
{
    return (uint32_t)(scm_fixnum_get(f[0]) >> 8);
}

static void frame_set(scm_value *f, enum frame_kind kind, enum list_state state, uint32_t at)
{
    f[0] = scm_fixnum((int64_t)at << 8 | (int64_t)state << 4 | (int64_t)kind);
}

static int frame_push(struct reading *g, enum frame_kind kind, uint32_t at, scm_value extra)
{
    struct scm_vm *vm = g->r->vm;
    if (scm_stack_room(vm, FRAME_SLOTS + 64))
        return scm_lex_fail(g->r, at, "nested deeper than memory allows");
    frame_set(vm->sp, kind, L_ITEMS, at);
    vm->sp[1] = SCM_NIL;
    vm->sp[2] = extra;
    vm->sp[3] = SCM_FALSE;
    vm->sp += FRAME_SLOTS;
    return 0;
}

/* ---- datum labels --------------------------------------------------------------------------- */

static int is_placeholder(scm_value v)
{
    return (v & 0xff) == 0x56;
}

static scm_value placeholder(uint32_t label)
{
    return (scm_value)label << 8 | 0x56;
}

static int note_fixup(struct reading *g, scm_value where, uint32_t idx, scm_value v)
{
    if (g->fixup_count == g->fixup_room) {
        size_t room = g->fixup_room ? g->fixup_room * 2 : 16;
        struct fixup *more = realloc(g->fixups, room * sizeof *more);
        if (!more)
            return scm_lex_no_memory(g->r);
        g->fixups = more;
        g->fixup_room = room;
    }
    g->fixups[g->fixup_count++] = (struct fixup){where, idx, (uint32_t)(v >> 8)};
    return 0;
}

static void apply_fixups(struct reading *g, uint32_t label, scm_value v)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->fixup_count; i++) {
        struct fixup f = g->fixups[i];
        if (f.label != label) {
            g->fixups[kept++] = f;
        } else if (f.idx >= 2) {
            scm_items(f.where)[f.idx - 2] = v;
        } else if (f.idx == 1) {
            scm_cell(f.where)->b = v;
        } else {
            scm_cell(f.where)->a = v;
        }
    }
    g->fixup_count = kept;
}

/* The label's entry: its number, and its value or SCM_ABSENT while its datum is being read. */
static scm_value *label_entry(struct reading *g, uint32_t label, int make)
{
    for (size_t i = 0; i < g->label_count; i++) {
        if (g->labels[i * 2] == label)
            return &g->labels[i * 2];
    }
    if (!make)
        return NULL;
    if (g->label_count == g->label_room) {
        size_t room = g->label_room ? g->label_room * 2 : 8;
        scm_value *more = realloc(g->labels, room * 2 * sizeof *more);
        if (!more)
            return NULL;
        g->labels = more;
        g->label_room = room;
    }
    scm_value *entry = &g->labels[g->label_count++ * 2];
    entry[0] = label;
    entry[1] = SCM_ABSENT;
    return entry;
}

/* #n= or #n#. 1 when it gave a value, 0 when a frame was pushed, or negative. */
static int read_label(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r), label = 0;
    scm_lex_advance(r);
    while (scm_lex_peek(r) >= '0' && scm_lex_peek(r) <= '9') {
        label = label * 10 + (uint32_t)(scm_lex_advance(r) - '0');
        if (label > 10000)
            return scm_lex_fail(r, start, "a datum label above 10000");
    }
    int c = scm_lex_peek(r);
    if (c != '=' && c != '#')
        return scm_lex_fail(r, start, "# and digits must be followed by = or #");
    scm_lex_advance(r);
    scm_value *entry = label_entry(g, label, c == '=');
    if (c == '=') {
        if (!entry)
            return scm_lex_no_memory(r);
        entry[1] = SCM_ABSENT;
        return frame_push(g, F_LABEL, start, scm_fixnum(label));
    }
    if (!entry)
        return scm_lex_fail(r, start, "#%u# stands before #%u=", label, label);
    *out = entry[1] == SCM_ABSENT ? placeholder(label) : entry[1];
    return 1;
}

/* ---- putting a datum into the frame that waits for it ---------------------------------------- */

static int add_item(struct reading *g, scm_value *f, scm_value v, uint32_t at)
{
    struct scm_vm *vm = g->r->vm;
    scm_value pair = scm_cons(vm, v, SCM_NIL);
    if (!scm_is_pair(pair))
        return scm_lex_no_memory(g->r);
    struct scm_cell *cell = scm_cell(pair);
    cell->flags = SCM_POSITIONED;
    cell->aux = g->r->file;
    cell->c = (scm_value)at << 32 | (f[1] == SCM_NIL ? frame_place(f) : at);
    if (f[1] == SCM_NIL)
        f[1] = pair;
    else
        scm_cell(f[2])->b = pair;
    f[2] = pair;
    return is_placeholder(v) ? note_fixup(g, pair, 0, v) : 0;
}

static int add_tail(struct reading *g, scm_value *f, scm_value v)
{
    scm_cell(f[2])->b = v;
    frame_set(f, F_LIST, L_DONE, frame_place(f));
    return is_placeholder(v) ? note_fixup(g, f[2], 1, v) : 0;
}

static scm_value wrap_prefix(struct reading *g, scm_value symbol, scm_value v, uint32_t at)
{
    struct scm_vm *vm = g->r->vm;
    scm_value rest = scm_cons(vm, v, SCM_NIL);
    scm_value whole = scm_cons(vm, symbol, rest);
    if (!scm_is_pair(whole) || !scm_is_pair(rest))
        return SCM_NIL;
    scm_cell(whole)->flags = scm_cell(rest)->flags = SCM_POSITIONED;
    scm_cell(whole)->aux = scm_cell(rest)->aux = g->r->file;
    scm_cell(whole)->c = scm_cell(rest)->c = (scm_value)at << 32 | at;
    return whole;
}

/* Hand a finished datum upwards. 1: it is the result; 0: more is needed; negative: failed. */
static int deliver(struct reading *g, scm_value v, uint32_t at, scm_value *out)
{
    struct scm_vm *vm = g->r->vm;
    for (;;) {
        scm_value *f = top_frame(g);
        if (!f) {
            g->r->datum_pos = (scm_pos)g->r->file << 32 | at;
            *out = v;
            return 1;
        }
        switch (frame_kind(f)) {
        case F_COMMENT:
            vm->sp -= FRAME_SLOTS;
            return 0;
        case F_PREFIX:
            at = frame_place(f);
            vm->acc = v; /* rooted there while the pairs are made */
            v = wrap_prefix(g, f[2], v, at);
            if (v == SCM_NIL)
                return scm_lex_no_memory(g->r);
            if (is_placeholder(vm->acc) && note_fixup(g, scm_cdr(v), 0, vm->acc))
                return MC_ENOMEM;
            vm->sp -= FRAME_SLOTS;
            continue;
        case F_LABEL: {
            uint32_t label = (uint32_t)scm_fixnum_get(f[2]);
            if (v == placeholder(label))
                return scm_lex_fail(g->r, frame_place(f), "#%u= names itself", label);
            label_entry(g, label, 1)[1] = v;
            apply_fixups(g, label, v);
            at = frame_place(f);
            vm->sp -= FRAME_SLOTS;
            continue;
        }
        default:
            break;
        }
        if (frame_state(f) == L_DONE)
            return scm_lex_fail(g->r, at, "one datum only may follow the dot");
        int code = frame_state(f) == L_DOT ? add_tail(g, f, v) : add_item(g, f, v, at);
        return code;
    }
}

/* ---- closing -------------------------------------------------------------------------------- */

static int finish_vector(struct reading *g, scm_value *f, scm_value *out)
{
    size_t count = (size_t)scm_list_length(f[1]), i = 0;
    scm_value v = scm_make_vector(g->r->vm, count, SCM_FALSE);
    if (!scm_is_vector(v))
        return scm_lex_no_memory(g->r);
    for (scm_value at = f[1]; at != SCM_NIL; at = scm_cdr(at), i++) {
        scm_items(v)[i] = scm_car(at);
        if (is_placeholder(scm_car(at))) {
            int code = note_fixup(g, v, (uint32_t)i + 2, scm_car(at));
            if (code)
                return code;
        }
    }
    scm_cell(v)->flags = SCM_POSITIONED;
    *out = v;
    return 0;
}

static int finish_bytes(struct reading *g, scm_value *f, scm_value *out)
{
    size_t count = (size_t)scm_list_length(f[1]), i = 0;
    scm_value v = scm_make_bytes(g->r->vm, count);
    if (!scm_is_bytevector(v))
        return scm_lex_no_memory(g->r);
    uint8_t *bytes = scm_ptr(scm_cell(v)->a);
    for (scm_value at = f[1]; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value item = scm_car(at);
        if (!scm_is_fixnum(item) || scm_fixnum_get(item) < 0 || scm_fixnum_get(item) > 255)
            return scm_lex_fail(g->r, (uint32_t)(scm_cell(at)->c >> 32),
                                "a bytevector holds integers from 0 to 255");
        bytes[i++] = (uint8_t)scm_fixnum_get(item);
    }
    *out = v;
    return 0;
}

static int close_frame(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t here = scm_lex_place(r);
    scm_value *f = top_frame(g), v;
    int code = 0;
    scm_lex_advance(r);
    if (!f || frame_kind(f) == F_PREFIX || frame_kind(f) == F_COMMENT || frame_kind(f) == F_LABEL)
        return f ? scm_lex_fail(r, here, "a datum is missing before )")
                 : scm_lex_fail(r, here, "there is no ( for this )");
    if (frame_state(f) == L_DOT)
        return scm_lex_fail(r, here, "a datum is missing after the dot");
    v = f[1];
    if (frame_kind(f) == F_VECTOR)
        code = finish_vector(g, f, &v);
    else if (frame_kind(f) == F_BYTES)
        code = finish_bytes(g, f, &v);
    if (code)
        return code;
    uint32_t at = frame_place(f);
    r->vm->sp -= FRAME_SLOTS;
    return deliver(g, v, at, out);
}

static int read_dot(struct reading *g)
{
    struct scm_reader *r = g->r;
    uint32_t here = scm_lex_place(r);
    scm_value *f = top_frame(g);
    scm_lex_advance(r);
    if (!f || frame_kind(f) != F_LIST || f[1] == SCM_NIL || frame_state(f) != L_ITEMS)
        return scm_lex_fail(r, here, "a dot that stands in no list, or at its beginning");
    frame_set(f, F_LIST, L_DOT, frame_place(f));
    return 0;
}

/* ---- # -------------------------------------------------------------------------------------- */

static int read_directive(struct reading *g)
{
    struct mc_buf token = {0};
    uint32_t start = scm_lex_place(g->r);
    int had_bars;
    int code = scm_lex_token(g, &token, &had_bars);
    if (!code && token.count == 11 && memcmp(token.bytes, "#!fold-case", 11) == 0)
        g->r->fold_case = 1;
    else if (!code && token.count == 14 && memcmp(token.bytes, "#!no-fold-case", 14) == 0)
        g->r->fold_case = 0;
    else if (!code)
        code = scm_lex_fail(g->r, start, "unknown directive %.*s",
                            (int)(token.count < 40 ? token.count : 40), (const char *)token.bytes);
    mc_buf_fini(&token);
    return code;
}

/* #t, #f, #true, #false, and numbers with a prefix. */
static int read_hash_token(struct reading *g, scm_value *out)
{
    struct mc_buf token = {0};
    uint32_t start = scm_lex_place(g->r);
    const char *why = NULL;
    int had_bars;
    int code = scm_lex_token(g, &token, &had_bars);
    if (code)
        goto out;
    char *text = (char *)token.bytes;
    size_t count = token.count;
    int number = scm_number_parse(g->r->vm, text, count, 10, out, &why);
    if (number <= 0) {
        scm_lex_fold(text, count);
        if ((count == 2 && text[1] == 't') || (count == 5 && memcmp(text, "#true", 5) == 0))
            *out = SCM_TRUE;
        else if ((count == 2 && text[1] == 'f') || (count == 6 && memcmp(text, "#false", 6) == 0))
            *out = SCM_FALSE;
        else
            code = scm_lex_fail(g->r, start, number < 0 ? "%.*s is %s" : "unknown syntax %.*s%s",
                                (int)(count < 60 ? count : 60), text, why ? why : "");
    }
out:
    mc_buf_fini(&token);
    return code;
}

/* As read_label: 1 a value, 0 a frame was pushed or nothing is there, negative failed. */
static int read_hash(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r);
    int next = r->end - r->at > 1 ? (uint8_t)r->at[1] : -1, code;
    if (next == '(') {
        scm_lex_advance(r);
        scm_lex_advance(r);
        return frame_push(g, F_VECTOR, start, SCM_FALSE);
    }
    if (next == ';') {
        scm_lex_advance(r);
        scm_lex_advance(r);
        return frame_push(g, F_COMMENT, start, SCM_FALSE);
    }
    if (next == '\\') {
        code = scm_lex_char(g, out);
        return code ? code : 1;
    }
    if (next == '!')
        return read_directive(g);
    if (next >= '0' && next <= '9')
        return read_label(g, out);
    if ((next == 'u' || next == 'U') && r->end - r->at > 3 && r->at[2] == '8' && r->at[3] == '(') {
        for (int i = 0; i < 4; i++)
            scm_lex_advance(r);
        return frame_push(g, F_BYTES, start, SCM_FALSE);
    }
    code = read_hash_token(g, out);
    return code ? code : 1;
}

static int read_prefix(struct reading *g, const char *name, int count)
{
    uint32_t start = scm_lex_place(g->r);
    while (count-- > 0)
        scm_lex_advance(g->r);
    scm_value symbol = scm_symbol(g->r->vm, name);
    return frame_push(g, F_PREFIX, start, symbol);
}

static int is_dot(const struct scm_reader *r)
{
    return *r->at == '.' && scm_lex_is_delimiter(r->end - r->at > 1 ? (uint8_t)r->at[1] : -1);
}

/* One step: an opening, a closing or an atom. */
static int step(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t at = scm_lex_place(r);
    scm_value v = SCM_FALSE;
    int code = 1;
    switch (scm_lex_peek(r)) {
    case '(':
        scm_lex_advance(r);
        return frame_push(g, F_LIST, at, SCM_NIL);
    case ')':
        return close_frame(g, out);
    case '\'':
        return read_prefix(g, "quote", 1);
    case '`':
        return read_prefix(g, "quasiquote", 1);
    case ',':
        if (r->end - r->at > 1 && r->at[1] == '@')
            return read_prefix(g, "unquote-splicing", 2);
        return read_prefix(g, "unquote", 1);
    case '"':
        code = scm_lex_string(g, &v);
        break;
    case '#':
        code = read_hash(g, &v);
        if (code != 1)
            return code;
        code = 0;
        break;
    case '[':
    case ']':
    case '{':
    case '}':
        return scm_lex_fail(r, at, "%c is reserved; use parentheses", scm_lex_peek(r));
    default:
        if (is_dot(r))
            return read_dot(g);
        code = scm_lex_atom(g, &v);
        break;
    }
    return code ? code : deliver(g, v, at, out);
}

static int unfinished(struct reading *g)
{
    scm_value *f = top_frame(g);
    static const char *const what[] = {"( that opens",    "#( that opens",
                                       "#u8( that opens", "quote that stands",
                                       "#; that stands",  "datum label that stands"};
    g->incomplete = 1;
    return scm_lex_fail(g->r, frame_place(f), "the %s here is never %s", what[frame_kind(f)],
                        frame_kind(f) <= F_BYTES ? "closed" : "followed by a datum");
}

int scm_read(struct scm_reader *r, scm_value *out, int *incomplete)
{
    struct reading g = {.r = r, .base = r->vm->sp};
    scm_value v = SCM_EOF;
    int code;
    do {
        code = scm_lex_blank(&g);
        if (code)
            break;
        if (r->at == r->end) {
            code = g.base == r->vm->sp ? 1 : unfinished(&g);
            break;
        }
        code = step(&g, &v);
        if (code >= 0 && r->vm->out_of_cells) {
            r->vm->acc = v;
            scm_collect(r->vm);
            if (r->vm->cell_count - r->vm->used_count <= r->vm->reserve_count)
                code = scm_lex_no_memory(r);
            else
                r->vm->out_of_cells = 0;
        }
    } while (code == 0);
    r->vm->sp = g.base;
    free(g.labels);
    free(g.fixups);
    if (incomplete)
        *incomplete = g.incomplete;
    if (code < 0)
        return code;
    *out = v;
    return 0;
}
