/* app_json.c: see app_json.h. Both directions walk with a stack of their own. */
#include "server/app_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/text.h"

/* ---- writing --------------------------------------------------------------------------------- */

enum container { AS_OBJECT, AS_LIST, AS_VECTOR };

struct open_value {
    enum container kind;
    scm_value at; /* the next pair, or the vector */
    size_t idx;   /* elements written so far */
};

static int is_name(scm_value v)
{
    return scm_is_string(v) || scm_is_symbol(v);
}

static int is_symbol_named(scm_value v, const char *name)
{
    if (!scm_is_symbol(v))
        return 0;
    size_t bytes;
    const char *text = scm_text(v, &bytes);
    return bytes == strlen(name) && memcmp(text, name, bytes) == 0;
}

/* What a list is written as; -1 for one that is circular (the hare meets it) or improper. */
static int list_kind(scm_value list, const char **why)
{
    scm_value hare = list;
    int is_object = list != SCM_NIL;
    for (; scm_is_pair(list); list = scm_cdr(list)) {
        scm_value element = scm_car(list);
        is_object &= scm_is_pair(element) && is_name(scm_car(element));
        for (int i = 0; i < 2 && scm_is_pair(hare); i++)
            hare = scm_cdr(hare);
        *why = "is circular";
        if (scm_is_pair(hare) && hare == list)
            return -1;
    }
    *why = "has a pair in it that begins with no name and is no list";
    return list != SCM_NIL ? -1 : is_object ? AS_OBJECT : AS_LIST;
}

static void write_real(double x, struct mc_buf *out)
{
    char text[40];
    if (!isfinite(x)) {
        mc_buf_add_str(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    mc_buf_add_str(out, text);
}

/* Write what is no container; 0 when `v` is one. */
static int write_atom(scm_value v, struct mc_buf *out)
{
    if (v == SCM_TRUE || v == SCM_FALSE) {
        mc_buf_add_str(out, v == SCM_TRUE ? "true" : "false");
    } else if (scm_integer_text(v, out)) {
        return 1;
    } else if (scm_is_real(v)) {
        write_real(scm_real_get(v), out);
    } else if (is_symbol_named(v, "null")) {
        mc_buf_add_str(out, "null");
    } else if (is_name(v)) {
        size_t bytes;
        const char *text = scm_text(v, &bytes);
        mc_buf_add_json(out, text, bytes);
    } else {
        return 0;
    }
    return 1;
}

/* Step to the next element of the innermost container: *element, or close it (returns 0). */
static int next_element(struct open_value *top, struct mc_buf *out, scm_value *element)
{
    int is_at_end =
        top->kind == AS_VECTOR ? top->idx == scm_vector_length(top->at) : !scm_is_pair(top->at);
    if (is_at_end) {
        mc_buf_add_char(out, top->kind == AS_OBJECT ? '}' : ']');
        return 0;
    }
    if (top->idx > 0)
        mc_buf_add_char(out, ',');
    if (top->kind == AS_VECTOR) {
        *element = scm_vector_get(top->at, top->idx);
    } else {
        *element = scm_car(top->at);
        top->at = scm_cdr(top->at);
    }
    top->idx++;
    if (top->kind == AS_OBJECT) {
        size_t bytes;
        const char *name = scm_text(scm_car(*element), &bytes);
        mc_buf_add_json(out, name, bytes);
        mc_buf_add_char(out, ':');
        *element = scm_cdr(*element);
    }
    return 1;
}

int mc_json_write(scm_value value, struct mc_buf *out, const char **why, scm_value *culprit)
{
    struct open_value stack[MC_JSON_DEPTH_MAX];
    size_t depth = 0, start = out->count;
    scm_value v = value;
    do {
        if (!write_atom(v, out)) {
            int is_list = v == SCM_NIL || scm_is_pair(v);
            if (!is_list && !scm_is_vector(v)) {
                *culprit = v;
                *why = "has no JSON";
                return MC_EINVAL;
            }
            if (depth == MC_JSON_DEPTH_MAX) {
                *why = "is nested more than 100 deep";
                return MC_ELIMIT;
            }
            int kind = is_list ? list_kind(v, why) : AS_VECTOR;
            if (kind < 0)
                return MC_EINVAL;
            mc_buf_add_char(out, kind == AS_OBJECT ? '{' : '[');
            stack[depth++] = (struct open_value){.kind = (enum container)kind, .at = v};
        }
        while (depth > 0 && !next_element(&stack[depth - 1], out, &v))
            depth--;
        if (out->failed || out->count - start > MC_JSON_BYTES_MAX) {
            *why = out->failed ? "does not fit into memory" : "is past 64 MiB of text";
            return MC_ELIMIT;
        }
    } while (depth > 0);
    return 0;
}

/* ---- parsing --------------------------------------------------------------------------------- */

int mc_json_makers_init(struct scm_vm *vm, struct mc_json_makers *out, struct scm_error *err)
{
    static const char list[] = "(lambda (l) (reverse l))";
    static const char vector[] = "(lambda (l) (list->vector (reverse l)))";
    scm_value v;
    int rc = scm_eval_text(vm, "json-parse", list, sizeof(list) - 1, &v, err);
    if (rc != 0)
        return rc;
    out->list = scm_ref(vm, v);
    rc = scm_eval_text(vm, "json-parse", vector, sizeof(vector) - 1, &v, err);
    if (rc != 0)
        return rc;
    out->vector = scm_ref(vm, v);
    return 0;
}

struct parser {
    struct scm_vm *vm;
    const struct mc_json_makers *makers;
    const char *text, *at, *end;
    const char *fault;      /* NULL while all is well */
    struct mc_buf *scratch; /* borrowed: a string while it is unescaped */
    /* Containers that are open: what they hold, reversed, and the name that waits for its value. */
    scm_value items[MC_JSON_DEPTH_MAX], keys[MC_JSON_DEPTH_MAX];
    char kinds[MC_JSON_DEPTH_MAX]; /* '[' or '{' */
    int depth;
};

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && strchr(" \t\r\n", *p->at) != NULL && *p->at != '\0')
        p->at++;
}

static int take_char(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at >= p->end || *p->at != c)
        return 0;
    p->at++;
    return 1;
}

static int take_word(struct parser *p, const char *word)
{
    size_t bytes = strlen(word);
    if ((size_t)(p->end - p->at) < bytes || memcmp(p->at, word, bytes) != 0)
        return 0;
    p->at += bytes;
    return 1;
}

/* Four hexadecimal digits; -1 when they are not there. */
static long take_hex4(struct parser *p)
{
    long value = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        char c = p->at < p->end ? *p->at : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void add_utf8(struct mc_buf *b, long cp)
{
    if (cp < 0x80) {
        mc_buf_add_char(b, (char)cp);
    } else if (cp < 0x800) {
        mc_buf_add_char(b, (char)(0xc0 | cp >> 6));
        mc_buf_add_char(b, (char)(0x80 | (cp & 0x3f)));
    } else if (cp < 0x10000) {
        mc_buf_add_char(b, (char)(0xe0 | cp >> 12));
        mc_buf_add_char(b, (char)(0x80 | (cp >> 6 & 0x3f)));
        mc_buf_add_char(b, (char)(0x80 | (cp & 0x3f)));
    } else {
        mc_buf_add_char(b, (char)(0xf0 | cp >> 18));
        mc_buf_add_char(b, (char)(0x80 | (cp >> 12 & 0x3f)));
        mc_buf_add_char(b, (char)(0x80 | (cp >> 6 & 0x3f)));
        mc_buf_add_char(b, (char)(0x80 | (cp & 0x3f)));
    }
}

/* Behind "\u": one character, of one or two escapes; a lone surrogate becomes U+FFFD. */
static void take_unicode(struct parser *p)
{
    long cp = take_hex4(p);
    if (cp < 0) {
        p->fault = "\\u needs four hexadecimal digits";
        return;
    }
    if (cp >= 0xd800 && cp < 0xdc00 && take_word(p, "\\u")) {
        long low = take_hex4(p);
        if (low < 0)
            p->fault = "\\u needs four hexadecimal digits";
        if (low >= 0xdc00 && low < 0xe000) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        } else {
            add_utf8(p->scratch, 0xfffd);
            cp = low;
        }
    }
    add_utf8(p->scratch, cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp);
}

static void take_escape(struct parser *p)
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    char c = p->at < p->end ? *p->at++ : '\0';
    const char *found = c != '\0' ? strchr(letters, c) : NULL;
    if (found != NULL)
        mc_buf_add_char(p->scratch, means[found - letters]);
    else if (c == 'u')
        take_unicode(p);
    else
        p->fault = "unknown escape in a string";
}

/* A string, its opening quote taken. */
static scm_value take_string(struct parser *p)
{
    p->scratch->count = 0;
    while (p->fault == NULL) {
        if (p->at >= p->end) {
            p->fault = "a string is not closed";
            break;
        }
        char c = *p->at;
        size_t bytes = mc_utf8_char_bytes((const uint8_t *)p->at, (size_t)(p->end - p->at));
        if ((unsigned char)c < 0x20) {
            p->fault = "a control character in a string";
        } else if (bytes == 0) {
            p->fault = "not UTF-8";
        } else if (c == '"') {
            p->at++;
            break;
        } else if (c == '\\') {
            p->at++;
            take_escape(p);
        } else {
            mc_buf_add(p->scratch, p->at, bytes);
            p->at += bytes;
        }
    }
    if (p->scratch->failed)
        p->fault = "out of memory";
    if (p->fault != NULL)
        return SCM_NIL;
    return scm_string(p->vm, p->scratch->count > 0 ? (const char *)p->scratch->bytes : "",
                      p->scratch->count);
}

static size_t digits_count(const char *at, const char *end)
{
    size_t count = 0;
    while (at + count < end && at[count] >= '0' && at[count] <= '9')
        count++;
    return count;
}

static scm_value take_number(struct parser *p)
{
    const char *at = p->at;
    int is_real = 0;
    at += at < p->end && *at == '-';
    size_t digits = digits_count(at, p->end);
    int ok = digits > 0 && (digits == 1 || *at != '0');
    at += digits;
    if (ok && at < p->end && *at == '.') {
        is_real = 1;
        digits = digits_count(++at, p->end);
        ok = digits > 0;
        at += digits;
    }
    if (ok && at < p->end && (*at == 'e' || *at == 'E')) {
        is_real = 1;
        at++;
        at += at < p->end && (*at == '+' || *at == '-');
        digits = digits_count(at, p->end);
        ok = digits > 0;
        at += digits;
    }
    size_t bytes = (size_t)(at - p->at);
    char text[400];
    if (!ok || bytes >= sizeof(text)) {
        p->fault = ok ? "a number is too long" : "not a JSON value";
        return SCM_NIL;
    }
    memcpy(text, p->at, bytes);
    text[bytes] = '\0';
    p->at = at;
    if (!is_real)
        return scm_integer_parse(p->vm, text, bytes);
    return scm_real(p->vm, strtod(text, NULL));
}

static void open_container(struct parser *p, char kind)
{
    if (p->depth == MC_JSON_DEPTH_MAX) {
        p->fault = "nested more than 100 deep";
        return;
    }
    p->kinds[p->depth] = kind;
    p->items[p->depth] = p->keys[p->depth] = SCM_NIL;
    scm_push_root(p->vm, &p->items[p->depth]);
    scm_push_root(p->vm, &p->keys[p->depth]);
    p->depth++;
}

/* The innermost container is complete: its value. */
static scm_value close_container(struct parser *p)
{
    int top = --p->depth;
    uint32_t maker = p->kinds[top] == '[' ? p->makers->vector : p->makers->list;
    scm_value value = SCM_NIL;
    struct scm_error err;
    if (scm_call(p->vm, scm_ref_get(p->vm, maker), 1, &p->items[top], &value, &err) != 0)
        p->fault = "out of memory";
    scm_pop_root(p->vm, 2);
    return value;
}

/* The name of an object's next member. */
static void take_key(struct parser *p)
{
    if (!take_char(p, '"')) {
        p->fault = "a member's name is missing";
        return;
    }
    p->keys[p->depth - 1] = take_string(p);
    if (p->fault == NULL && !take_char(p, ':'))
        p->fault = "a : is missing behind a member's name";
}

/* Begin a value: returns 1 with an atom or empty container in *v, 0 when a container was opened. */
static int take_value(struct parser *p, scm_value *v)
{
    skip_blanks(p);
    char c = p->at < p->end ? *p->at : '\0';
    if (c == '[' || c == '{') {
        p->at++;
        open_container(p, c);
        if (p->fault != NULL)
            return 1;
        if (take_char(p, c == '[' ? ']' : '}')) {
            *v = close_container(p);
            return 1;
        }
        if (c == '{')
            take_key(p);
        return 0;
    }
    if (c == '"') {
        p->at++;
        *v = take_string(p);
    } else if (take_word(p, "true")) {
        *v = SCM_TRUE;
    } else if (take_word(p, "false")) {
        *v = SCM_FALSE;
    } else if (take_word(p, "null")) {
        *v = scm_symbol(p->vm, "null");
    } else if (p->at >= p->end) {
        p->fault = "a value is missing";
    } else {
        *v = take_number(p);
    }
    return 1;
}

/* Put a complete value into the innermost container and go on to its next element, or close it:
 * returns 1 with the container as the complete value in *v. */
static int put_value(struct parser *p, scm_value *v)
{
    int top = p->depth - 1;
    scm_value element = *v;
    if (p->kinds[top] == '{')
        element = scm_cons(p->vm, p->keys[top], element);
    p->items[top] = scm_cons(p->vm, element, p->items[top]);
    if (take_char(p, ',')) {
        if (p->kinds[top] == '{')
            take_key(p);
        return 0;
    }
    if (!take_char(p, p->kinds[top] == '[' ? ']' : '}')) {
        p->fault = p->kinds[top] == '[' ? "a , or ] is missing" : "a , or } is missing";
        return 0;
    }
    *v = close_container(p);
    return 1;
}

scm_value mc_json_parse(struct scm_vm *vm, const struct mc_json_makers *makers, const char *text,
                        size_t text_bytes, struct mc_buf *scratch)
{
    struct parser p = {.vm = vm,
                       .makers = makers,
                       .text = text,
                       .at = text,
                       .end = text + text_bytes,
                       .scratch = scratch};
    scm_value v = SCM_NIL;
    int is_complete = 0;
    while (p.fault == NULL && !(is_complete && p.depth == 0))
        is_complete = is_complete ? put_value(&p, &v) : take_value(&p, &v);
    skip_blanks(&p);
    if (p.fault == NULL && p.at != p.end)
        p.fault = "more text behind the value";
    scm_pop_root(vm, 2 * p.depth);
    if (p.fault == NULL)
        return v;
    size_t line = 1, column = 1;
    for (const char *at = text; at < p.at && at < p.end; at++) {
        column = *at == '\n' ? 1 : column + 1;
        line += *at == '\n';
    }
    return scm_fail(vm, "json-parse: line %zu, column %zu: %s", line, column, p.fault);
}
