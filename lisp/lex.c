/* lex.c: the reader's characters: blanks and comments, strings, symbols, characters, numbers. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/reader_priv.h"

uint32_t scm_lex_place(const struct scm_reader *r)
{
    return r->line << 12 | (r->column < 4095 ? r->column : 4095);
}

int scm_lex_fail(struct scm_reader *r, uint32_t at, const char *format, ...)
{
    char where[320], message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    scm_where(r->vm, (scm_pos)r->file << 32 | at, where, sizeof where);
    return scm_error_set(r->err, MC_EFORMAT, "read", where, "%s", message);
}

/* ---- blanks and comments -------------------------------------------------------------------- */

static int skip_block(struct reading *g)
{
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r);
    int depth = 0;
    do {
        if (r->end - r->at < 2) {
            g->incomplete = 1;
            return scm_lex_fail(r, start, "the comment #| that begins here has no |#");
        }
        if (r->at[0] == '#' && r->at[1] == '|') {
            depth++;
            scm_lex_advance(r);
        } else if (r->at[0] == '|' && r->at[1] == '#') {
            depth--;
            scm_lex_advance(r);
        }
        scm_lex_advance(r);
    } while (depth > 0);
    return 0;
}

int scm_lex_blank(struct reading *g)
{
    struct scm_reader *r = g->r;
    for (;;) {
        int c = scm_lex_peek(r);
        if (c == ';') {
            while (r->at < r->end && *r->at != '\n')
                scm_lex_advance(r);
        } else if (c == '#' && r->end - r->at > 1 && r->at[1] == '|') {
            int code = skip_block(g);
            if (code)
                return code;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            scm_lex_advance(r);
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
    while (scm_lex_peek(r) != ';') {
        int c = scm_lex_peek(r);
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0 || c < 0 || ++digits > 8)
            return scm_lex_fail(r, start, "\\x takes hexadecimal digits and a semicolon: \\x41;");
        cp = cp << 4 | (uint32_t)d;
        scm_lex_advance(r);
    }
    scm_lex_advance(r);
    if (!digits || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return scm_lex_fail(r, start, "\\x%x; is not a character", cp);
    mc_buf_add(out, utf8, (size_t)scm_utf8_put(utf8, cp));
    return 0;
}

/* Backslash, blanks, newline, blanks: nothing. */
static int line_continuation(struct scm_reader *r)
{
    while (scm_lex_peek(r) == ' ' || scm_lex_peek(r) == '\t')
        scm_lex_advance(r);
    if (scm_lex_peek(r) == '\r')
        scm_lex_advance(r);
    if (scm_lex_peek(r) != '\n')
        return -1;
    scm_lex_advance(r);
    while (scm_lex_peek(r) == ' ' || scm_lex_peek(r) == '\t')
        scm_lex_advance(r);
    return 0;
}

static int read_escape(struct reading *g, struct mc_buf *out)
{
    static const char from[] = "abtnr\"\\|", to[] = "\a\b\t\n\r\"\\|";
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r);
    int c = scm_lex_peek(r);
    if (c == 'x' || c == 'X') {
        scm_lex_advance(r);
        return hex_escape(g, out, start);
    }
    const char *known = c > 0 ? strchr(from, c) : NULL;
    if (known) {
        scm_lex_advance(r);
        mc_buf_add_char(out, to[known - from]);
        return 0;
    }
    if (c >= 0 && line_continuation(r) == 0)
        return 0;
    if (c < 0)
        return 0; /* the string has no end: said by the caller */
    return scm_lex_fail(r, start, "unknown escape in a string: \\%c", c < 32 || c > 126 ? '?' : c);
}

/* What stands between two quotes or bars. */
static int read_quoted(struct reading *g, char quote, struct mc_buf *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r);
    scm_lex_advance(r);
    for (;;) {
        int c = scm_lex_peek(r);
        if (c == -1) {
            g->incomplete = 1;
            return scm_lex_fail(r, start, "the %s that begins here has no end: %c is missing",
                                quote == '"' ? "string" : "symbol", quote);
        }
        scm_lex_advance(r);
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

int scm_lex_no_memory(struct scm_reader *r)
{
    return scm_error_set(r->err, MC_ENOMEM, "memory", "", "out of memory while reading");
}

int scm_lex_string(struct reading *g, scm_value *out)
{
    struct mc_buf text = {0};
    uint32_t start = scm_lex_place(g->r);
    int code = read_quoted(g, '"', &text);
    if (!code && text.failed)
        code = scm_lex_no_memory(g->r);
    if (!code && !scm_utf8_valid((const char *)text.bytes, text.count))
        code = scm_lex_fail(g->r, start, "a string with bytes that are not UTF-8");
    if (!code)
        *out = scm_string(g->r->vm, (const char *)text.bytes, text.count);
    mc_buf_fini(&text);
    return code;
}

void scm_lex_fold(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] + 32);
    }
}

int scm_lex_token(struct reading *g, struct mc_buf *out, int *had_bars)
{
    struct scm_reader *r = g->r;
    *had_bars = 0;
    while (!scm_lex_is_delimiter(scm_lex_peek(r))) {
        if (scm_lex_peek(r) == '|') {
            *had_bars = 1;
            int code = read_quoted(g, '|', out);
            if (code)
                return code;
            continue;
        }
        int c = scm_lex_advance(r);
        mc_buf_add_char(out, (char)(r->fold_case && c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    return out->failed ? scm_lex_no_memory(r) : 0;
}

int scm_lex_atom(struct reading *g, scm_value *out)
{
    struct mc_buf token = {0};
    uint32_t start = scm_lex_place(g->r);
    int had_bars;
    int code = scm_lex_token(g, &token, &had_bars);
    const char *text = (const char *)token.bytes, *why = NULL;
    if (code)
        goto out;
    if (!had_bars) {
        int number = scm_number_parse(g->r->vm, text, token.count, 10, out, &why);
        if (number < 0)
            code = scm_lex_fail(g->r, start, "%.*s is %s",
                                (int)(token.count < 60 ? token.count : 60), text, why);
        if (number)
            goto out;
    }
    if (!scm_utf8_valid(text, token.count)) {
        code = scm_lex_fail(g->r, start, "bytes that are not UTF-8");
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

int scm_lex_char(struct reading *g, scm_value *out)
{
    struct scm_reader *r = g->r;
    uint32_t start = scm_lex_place(r), cp;
    scm_lex_advance(r);
    scm_lex_advance(r);
    if (r->at == r->end) {
        g->incomplete = 1;
        return scm_lex_fail(r, start, "#\\ has no character behind it");
    }
    const char *first = r->at;
    do {
        scm_lex_advance(r);
    } while (r->at < r->end && ((uint8_t)*r->at & 0xc0) == 0x80);
    while (!scm_lex_is_delimiter(scm_lex_peek(r)) && scm_lex_peek(r) != '|')
        scm_lex_advance(r);
    size_t count = (size_t)(r->at - first);
    if (scm_utf8_get(first, count, &cp) != (int)count && !char_by_name(first, count, &cp))
        return scm_lex_fail(r, start, "unknown character name #\\%.*s",
                            (int)(count < 40 ? count : 40), first);
    *out = scm_char(cp);
    return 0;
}
