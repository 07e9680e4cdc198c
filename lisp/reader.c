/* reader.c: text to data, each pair knowing its place.
 *
 * Owns:   nothing: frames of unfinished lists lie on the machine's stack, four slots each.
 * Format: a pair from the reader has its file in aux and in c its own place (low 32 bits) and its
 *         car's (high 32), line << 12 | column. Columns count characters and begin at 1.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/scm_priv.h"

enum frame_kind { F_LIST, F_VECTOR, F_BYTES, F_PREFIX, F_COMMENT, F_LABEL };
enum list_state { L_ITEMS, L_DOT, L_DONE };

/* A frame's four slots: kind and state and place, head, last pair (or prefix symbol), label. */
#define FRAME_SLOTS 4

struct fixup {
    scm_value where; /* pair or vector; reachable from a frame */
    uint32_t idx;    /* 0 car, 1 cdr; of a vector: item + 2 */
    uint32_t label;
};

struct reading {
    struct scm_reader *r;
    scm_value *base;
    scm_value *labels;    /* owned: number, value */
    struct fixup *fixups; /* owned */
    size_t label_count, label_room, fixup_count, fixup_room;
    int incomplete;
};

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

static uint32_t place(const struct scm_reader *r)
{
    return r->line << 12 | (r->column < 4095 ? r->column : 4095);
}

static int fail_at(struct scm_reader *r, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail_at(struct scm_reader *r, uint32_t at, const char *format, ...)
{
    char where[320], message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    scm_where(r->vm, (scm_pos)r->file << 32 | at, where, sizeof where);
    return scm_error_set(r->err, MC_EFORMAT, "read", where, "%s", message);
}

static int advance(struct scm_reader *r)
{
    char c = *r->at++;
    if (c == '\n') {
        r->line++;
        r->column = 1;
    } else if (((uint8_t)c & 0xc0) != 0x80) {
        r->column++;
    }
    return (uint8_t)c;
}

static int peek(const struct scm_reader *r)
{
    return r->at < r->end ? (uint8_t)*r->at : -1;
}

static int is_delimiter(int c)
{
    return c == -1 || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '(' ||
           c == ')' || c == '"' || c == ';' || c == '\'' || c == '`' || c == ',';
}

/* ---- blanks and comments -------------------------------------------------------------------- */

static int skip_block(struct reading *g)
{
    struct scm_reader *r = g->r;
    uint32_t start = place(r);
    int depth = 0;
    do {
        if (r->end - r->at < 2) {
            g->incomplete = 1;
            return fail_at(r, start, "the comment #| that begins here has no |#");
        }
        if (r->at[0] == '#' && r->at[1] == '|') {
            depth++;
            advance(r);
        } else if (r->at[0] == '|' && r->at[1] == '#') {
            depth--;
            advance(r);
        }
        advance(r);
    } while (depth > 0);
    return 0;
}

static int skip_blank(struct reading *g)
{
    struct scm_reader *r = g->r;
    for (;;) {
        int c = peek(r);
        if (c == ';') {
            while (r->at < r->end && *r->at != '\n')
                advance(r);
        } else if (c == '#' && r->end - r->at > 1 && r->at[1] == '|') {
            int code = skip_block(g);
            if (code)
                return code;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            advance(r);
        } else {
            return 0;
        }
    }
}

/* ---- strings, symbols, characters, numbers -------------------------------------------------- */

static int hex_escape(struct reading *g, struct mc_buf *out, uint32_t start)
{
    struct scm_reader *r = g->r;
    uint32_t cp = 0;
    int digits = 0;
    char utf8[4];
    while (peek(r) != ';') {
        int c = peek(r);
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0 || c < 0 || ++digits > 8)
            return fail_at(r, start, "\\x takes hexadecimal digits and a semicolon: \\x41;");
        cp = cp << 4 | (uint32_t)d;
        advance(r);
    }
    advance(r);
    if (!digits || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return fail_at(r, start, "\\x%x; is not a character", cp);
    mc_buf_add(out, utf8, (size_t)scm_utf8_put(utf8, cp));
    return 0;
}

/* Backslash, blanks, newline, blanks: nothing. */
static int line_continuation(struct scm_reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t')
        advance(r);
    if (peek(r) == '\r')
        advance(r);
    if (peek(r) != '\n')
        return -1;
    advance(r);
    while (peek(r) == ' ' || peek(r) == '\t')
        advance(r);
    return 0;
}

static int read_escape(struct reading *g, struct mc_buf *out)
{
    static const char from[] = "abtnr\"\\|", to[] = "\a\b\t\n\r\"\\|";
    struct scm_reader *r = g->r;
    uint32_t start = place(r);
    int c = peek(r);
    if (c == 'x' || c == 'X') {
        advance(r);
        return hex_escape(g, out, start);
    }
    const char *known = c > 0 ? strchr(from, c) : NULL;
    if (known) {
        advance(r);
        mc_buf_add_char(out, to[known - from]);
        return 0;
    }
    if (c >= 0 && line_continuation(r) == 0)
        return 0;
    if (c < 0)
        return 0; /* the string has no end: said by the caller */
    return fail_at(r, start, "unknown escape in a string: \\%c", c < 32 || c > 126 ? '?' : c);
}

/* What stands between two quotes or bars. */
static int read_quoted(struct reading *g, char quote, struct mc_buf *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = place(r);
    advance(r);
    for (;;) {
        int c = peek(r);
        if (c == -1) {
            g->incomplete = 1;
            return fail_at(r, start, "the %s that begins here has no end: %c is missing",
                           quote == '"' ? "string" : "symbol", quote);
        }
        advance(r);
        if (c == quote)
            return 0;
        if (c == '\\') {
            int code = read_escape(g, out);
            if (code)
                return code;
        } else {
            mc_buf_add_char(out, (char)c);
        }
    }
}

static int no_memory(struct scm_reader *r)
{
    return scm_error_set(r->err, MC_ENOMEM, "memory", "", "out of memory while reading");
}

static int read_string(struct reading *g, scm_value *out)
{
    struct mc_buf text = {0};
    int code = read_quoted(g, '"', &text);
    if (!code && text.failed)
        code = no_memory(g->r);
    if (!code)
        *out = scm_string(g->r->vm, (const char *)text.bytes, text.count);
    mc_buf_fini(&text);
    return code;
}

static void fold(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] + 32);
    }
}

/* A token up to a delimiter, bars within it taken literally. */
static int read_token(struct reading *g, struct mc_buf *out, int *had_bars)
{
    struct scm_reader *r = g->r;
    *had_bars = 0;
    while (!is_delimiter(peek(r))) {
        if (peek(r) == '|') {
            *had_bars = 1;
            int code = read_quoted(g, '|', out);
            if (code)
                return code;
            continue;
        }
        int c = advance(r);
        mc_buf_add_char(out, (char)(r->fold_case && c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    return out->failed ? no_memory(r) : 0;
}

static int read_atom(struct reading *g, scm_value *out)
{
    struct mc_buf token = {0};
    uint32_t start = place(g->r);
    int had_bars;
    int code = read_token(g, &token, &had_bars);
    const char *text = (const char *)token.bytes, *why = NULL;
    if (code)
        goto out;
    if (!had_bars) {
        int number = scm_number_parse(g->r->vm, text, token.count, 10, out, &why);
        if (number < 0)
            code = fail_at(g->r, start, "%.*s is %s", (int)(token.count < 60 ? token.count : 60),
                           text, why);
        if (number)
            goto out;
    }
    if (!scm_utf8_valid(text, token.count)) {
        code = fail_at(g->r, start, "bytes that are not UTF-8");
        goto out;
    }
    *out = scm_intern(g->r->vm, text ? text : "", token.count);
out:
    mc_buf_fini(&token);
    return code;
}

static int char_by_name(const char *text, size_t count, uint32_t *cp)
{
    static const struct {
        const char *name;
        uint32_t cp;
    } names[] = {{"alarm", 7},    {"backspace", 8}, {"delete", 127},  {"escape", 27},
                 {"newline", 10}, {"null", 0},      {"return", 13},   {"space", 32},
                 {"tab", 9},      {"nul", 0},       {"linefeed", 10}, {"altmode", 27}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == count && strncasecmp(names[i].name, text, count) == 0) {
            *cp = names[i].cp;
            return 1;
        }
    }
    if ((text[0] == 'x' || text[0] == 'X') && count > 1 && count < 9) {
        char hex[10], *stop;
        memcpy(hex, text + 1, count - 1);
        hex[count - 1] = 0;
        unsigned long value = strtoul(hex, &stop, 16);
        if (!*stop && strspn(hex, "0123456789abcdefABCDEF") == count - 1 && value <= 0x10ffff &&
            !(value >= 0xd800 && value < 0xe000)) {
            *cp = (uint32_t)value;
            return 1;
        }
    }
    return 0;
}

static int read_char(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = place(r), cp;
    advance(r);
    advance(r);
    if (r->at == r->end) {
        g->incomplete = 1;
        return fail_at(r, start, "#\\ has no character behind it");
    }
    const char *first = r->at;
    do {
        advance(r);
    } while (r->at < r->end && ((uint8_t)*r->at & 0xc0) == 0x80);
    while (!is_delimiter(peek(r)) && peek(r) != '|')
        advance(r);
    size_t count = (size_t)(r->at - first);
    if (scm_utf8_get(first, count, &cp) != (int)count && !char_by_name(first, count, &cp))
        return fail_at(r, start, "unknown character name #\\%.*s", (int)(count < 40 ? count : 40),
                       first);
    *out = scm_char(cp);
    return 0;
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
        return fail_at(g->r, at, "nested deeper than memory allows");
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
            return no_memory(g->r);
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
    uint32_t start = place(r), label = 0;
    advance(r);
    while (peek(r) >= '0' && peek(r) <= '9') {
        label = label * 10 + (uint32_t)(advance(r) - '0');
        if (label > 10000)
            return fail_at(r, start, "a datum label above 10000");
    }
    int c = peek(r);
    if (c != '=' && c != '#')
        return fail_at(r, start, "# and digits must be followed by = or #");
    advance(r);
    scm_value *entry = label_entry(g, label, c == '=');
    if (c == '=') {
        if (!entry)
            return no_memory(r);
        entry[1] = SCM_ABSENT;
        return frame_push(g, F_LABEL, start, scm_fixnum(label));
    }
    if (!entry)
        return fail_at(r, start, "#%u# stands before #%u=", label, label);
    *out = entry[1] == SCM_ABSENT ? placeholder(label) : entry[1];
    return 1;
}

/* ---- putting a datum into the frame that waits for it ---------------------------------------- */

static int add_item(struct reading *g, scm_value *f, scm_value v, uint32_t at)
{
    struct scm_vm *vm = g->r->vm;
    scm_value pair = scm_cons(vm, v, SCM_NIL);
    if (!scm_is_pair(pair))
        return no_memory(g->r);
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
                return no_memory(g->r);
            if (is_placeholder(vm->acc) && note_fixup(g, scm_cdr(v), 0, vm->acc))
                return MC_ENOMEM;
            vm->sp -= FRAME_SLOTS;
            continue;
        case F_LABEL: {
            uint32_t label = (uint32_t)scm_fixnum_get(f[2]);
            if (v == placeholder(label))
                return fail_at(g->r, frame_place(f), "#%u= names itself", label);
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
            return fail_at(g->r, at, "one datum only may follow the dot");
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
        return no_memory(g->r);
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
        return no_memory(g->r);
    uint8_t *bytes = scm_ptr(scm_cell(v)->a);
    for (scm_value at = f[1]; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value item = scm_car(at);
        if (!scm_is_fixnum(item) || scm_fixnum_get(item) < 0 || scm_fixnum_get(item) > 255)
            return fail_at(g->r, (uint32_t)(scm_cell(at)->c >> 32),
                           "a bytevector holds integers from 0 to 255");
        bytes[i++] = (uint8_t)scm_fixnum_get(item);
    }
    *out = v;
    return 0;
}

static int close_frame(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t here = place(r);
    scm_value *f = top_frame(g), v;
    int code = 0;
    advance(r);
    if (!f || frame_kind(f) == F_PREFIX || frame_kind(f) == F_COMMENT || frame_kind(f) == F_LABEL)
        return f ? fail_at(r, here, "a datum is missing before )")
                 : fail_at(r, here, "there is no ( for this )");
    if (frame_state(f) == L_DOT)
        return fail_at(r, here, "a datum is missing after the dot");
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
    uint32_t here = place(r);
    scm_value *f = top_frame(g);
    advance(r);
    if (!f || frame_kind(f) != F_LIST || f[1] == SCM_NIL || frame_state(f) != L_ITEMS)
        return fail_at(r, here, "a dot that stands in no list, or at its beginning");
    frame_set(f, F_LIST, L_DOT, frame_place(f));
    return 0;
}

/* ---- # -------------------------------------------------------------------------------------- */

static int read_directive(struct reading *g)
{
    struct mc_buf token = {0};
    uint32_t start = place(g->r);
    int had_bars;
    int code = read_token(g, &token, &had_bars);
    if (!code && token.count == 11 && memcmp(token.bytes, "#!fold-case", 11) == 0)
        g->r->fold_case = 1;
    else if (!code && token.count == 14 && memcmp(token.bytes, "#!no-fold-case", 14) == 0)
        g->r->fold_case = 0;
    else if (!code)
        code = fail_at(g->r, start, "unknown directive %.*s",
                       (int)(token.count < 40 ? token.count : 40), (const char *)token.bytes);
    mc_buf_fini(&token);
    return code;
}

/* #t, #f, #true, #false, and numbers with a prefix. */
static int read_hash_token(struct reading *g, scm_value *out)
{
    struct mc_buf token = {0};
    uint32_t start = place(g->r);
    const char *why = NULL;
    int had_bars;
    int code = read_token(g, &token, &had_bars);
    if (code)
        goto out;
    char *text = (char *)token.bytes;
    size_t count = token.count;
    int number = scm_number_parse(g->r->vm, text, count, 10, out, &why);
    if (number <= 0) {
        fold(text, count);
        if ((count == 2 && text[1] == 't') || (count == 5 && memcmp(text, "#true", 5) == 0))
            *out = SCM_TRUE;
        else if ((count == 2 && text[1] == 'f') || (count == 6 && memcmp(text, "#false", 6) == 0))
            *out = SCM_FALSE;
        else
            code = fail_at(g->r, start, number < 0 ? "%.*s is %s" : "unknown syntax %.*s%s",
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
    uint32_t start = place(r);
    int next = r->end - r->at > 1 ? (uint8_t)r->at[1] : -1, code;
    if (next == '(') {
        advance(r);
        advance(r);
        return frame_push(g, F_VECTOR, start, SCM_FALSE);
    }
    if (next == ';') {
        advance(r);
        advance(r);
        return frame_push(g, F_COMMENT, start, SCM_FALSE);
    }
    if (next == '\\') {
        code = read_char(g, out);
        return code ? code : 1;
    }
    if (next == '!')
        return read_directive(g);
    if (next >= '0' && next <= '9')
        return read_label(g, out);
    if ((next == 'u' || next == 'U') && r->end - r->at > 3 && r->at[2] == '8' && r->at[3] == '(') {
        for (int i = 0; i < 4; i++)
            advance(r);
        return frame_push(g, F_BYTES, start, SCM_FALSE);
    }
    code = read_hash_token(g, out);
    return code ? code : 1;
}

static int read_prefix(struct reading *g, const char *name, int count)
{
    uint32_t start = place(g->r);
    while (count-- > 0)
        advance(g->r);
    scm_value symbol = scm_symbol(g->r->vm, name);
    return frame_push(g, F_PREFIX, start, symbol);
}

static int is_dot(const struct scm_reader *r)
{
    return *r->at == '.' && is_delimiter(r->end - r->at > 1 ? (uint8_t)r->at[1] : -1);
}

/* One step: an opening, a closing or an atom. */
static int step(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t at = place(r);
    scm_value v = SCM_FALSE;
    int code = 1;
    switch (peek(r)) {
    case '(':
        advance(r);
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
        code = read_string(g, &v);
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
        return fail_at(r, at, "%c is reserved; use parentheses", peek(r));
    default:
        if (is_dot(r))
            return read_dot(g);
        code = read_atom(g, &v);
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
    return fail_at(g->r, frame_place(f), "the %s here is never %s", what[frame_kind(f)],
                   frame_kind(f) <= F_BYTES ? "closed" : "followed by a datum");
}

int scm_read(struct scm_reader *r, scm_value *out, int *incomplete)
{
    struct reading g = {.r = r, .base = r->vm->sp};
    scm_value v = SCM_EOF;
    int code;
    do {
        code = skip_blank(&g);
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
                code = no_memory(r);
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
