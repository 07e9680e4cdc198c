/* json.h: a small JSON parser, RFC 7396 merge, and comparison, for tests: shares nothing with the
 * program, so that it can judge what the program writes.
 *
 * Strict: duplicate members, control characters, bad escapes, bad UTF-8 and anything behind the
 * value are errors. Numbers are kept as their text.
 */
#ifndef MC_TEST_JSON_H
#define MC_TEST_JSON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    char *text; /* owned; number or string, NUL-terminated */
    size_t text_bytes;
    struct json **items; /* owned; of an array or object */
    char **keys;         /* owned; of an object */
    size_t count, room;
};

struct json_parser {
    const uint8_t *at, *end;
    int depth;
};

static inline void json_free(struct json *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->count; i++) {
        json_free(j->items[i]);
        if (j->keys)
            free(j->keys[i]);
    }
    free(j->items);
    free(j->keys);
    free(j->text);
    free(j);
}

static inline struct json *json_new(enum json_type type)
{
    struct json *j = calloc(1, sizeof *j);
    if (!j)
        abort();
    j->type = type;
    return j;
}

static inline void json_push(struct json *j, char *key, struct json *item)
{
    if (j->count == j->room) {
        j->room = j->room ? j->room * 2 : 8;
        j->items = realloc(j->items, j->room * sizeof *j->items);
        if (j->type == JSON_OBJECT)
            j->keys = realloc(j->keys, j->room * sizeof *j->keys);
        if (!j->items)
            abort();
    }
    if (j->type == JSON_OBJECT)
        j->keys[j->count] = key;
    j->items[j->count++] = item;
}

static inline size_t json_index(const struct json *j, const char *key)
{
    if (j && j->type == JSON_OBJECT) {
        for (size_t i = 0; i < j->count; i++) {
            if (strcmp(j->keys[i], key) == 0)
                return i;
        }
    }
    return SIZE_MAX;
}

/* The member at a path of keys ("pools", "a", NULL), or NULL. */
__attribute__((sentinel)) static inline const struct json *json_get(const struct json *j, ...)
{
    __builtin_va_list keys;
    __builtin_va_start(keys, j);
    for (const char *key; j && (key = __builtin_va_arg(keys, const char *));) {
        size_t i = json_index(j, key);
        j = i == SIZE_MAX ? NULL : j->items[i];
    }
    __builtin_va_end(keys);
    return j;
}

static inline void json_space(struct json_parser *p)
{
    while (p->at < p->end && strchr(" \t\r\n", *p->at) && *p->at)
        p->at++;
}

static inline int json_hex4(struct json_parser *p, uint32_t *out)
{
    uint32_t value = 0;
    if (p->end - p->at < 4)
        return 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdefABCDEF", *d = strchr(digits, *p->at++);
        if (!d || !*d)
            return 0;
        uint32_t digit = (uint32_t)(d - digits);
        value = value * 16 + (digit > 15 ? digit - 6 : digit);
    }
    *out = value;
    return 1;
}

static inline size_t json_put_utf8(char *to, uint32_t c)
{
    if (c < 0x80)
        return to[0] = (char)c, 1;
    if (c < 0x800)
        return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
               to[2] = (char)(0x80 | (c & 63)), 3;
    return to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63)),
           to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63)), 4;
}

/* Bytes of the valid UTF-8 character at `at`, or 0. */
static inline size_t json_utf8(const uint8_t *at, const uint8_t *end)
{
    if (at[0] < 0x80)
        return 1;
    size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || (size_t)(end - at) < bytes)
        return 0;
    uint32_t c = at[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (at[i] & 63u);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : bytes;
}

static inline int json_escape(struct json_parser *p, char *to, size_t *count)
{
    static const char from[] = "\"\\/bfnrt", become[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return 0;
    uint8_t c = *p->at++;
    const char *found = strchr(from, c);
    if (c && found) {
        to[(*count)++] = become[found - from];
        return 1;
    }
    uint32_t code, low;
    if (c != 'u' || !json_hex4(p, &code) || (code >= 0xdc00 && code < 0xe000))
        return 0;
    if (code >= 0xd800 && code < 0xdc00) {
        if (p->end - p->at < 6 || *p->at++ != '\\' || *p->at++ != 'u' || !json_hex4(p, &low) ||
            low < 0xdc00 || low >= 0xe000)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *count += json_put_utf8(to + *count, code);
    return 1;
}

/* A string, behind its opening quote; NULL when it is bad. */
static inline char *json_string(struct json_parser *p, size_t *out_count)
{
    const uint8_t *quote = p->at; /* room for what stands before it: no escape is shorter than what
                                     it means */
    while (quote < p->end && *quote != '"')
        quote += *quote == '\\' && p->end - quote > 1 ? 2 : 1;
    char *to = malloc((size_t)(quote - p->at) + 8);
    size_t count = 0;
    int good = to != NULL;
    while (good && p->at < p->end && *p->at != '"') {
        if (*p->at == '\\') {
            p->at++;
            good = json_escape(p, to, &count);
            continue;
        }
        size_t bytes = *p->at < 0x20 ? 0 : json_utf8(p->at, p->end);
        good = bytes != 0;
        memcpy(to + count, p->at, bytes);
        count += bytes;
        p->at += bytes;
    }
    if (!good || p->at == p->end) {
        free(to);
        return NULL;
    }
    p->at++;
    to[count] = 0;
    *out_count = count;
    return to;
}

static inline struct json *json_value(struct json_parser *p);

static inline struct json *json_members(struct json_parser *p, enum json_type type)
{
    struct json *j = json_new(type);
    uint8_t close = type == JSON_OBJECT ? '}' : ']';
    json_space(p);
    if (p->at < p->end && *p->at == close)
        return p->at++, j;
    for (;;) {
        char *key = NULL;
        size_t bytes;
        json_space(p);
        if (type == JSON_OBJECT) {
            if (p->at == p->end || *p->at++ != '"' || !(key = json_string(p, &bytes)))
                break;
            json_space(p);
            if (json_index(j, key) != SIZE_MAX || p->at == p->end || *p->at++ != ':') {
                free(key);
                break;
            }
        }
        struct json *item = json_value(p);
        if (!item) {
            free(key);
            break;
        }
        json_push(j, key, item);
        json_space(p);
        if (p->at < p->end && *p->at == close)
            return p->at++, j;
        if (p->at == p->end || *p->at++ != ',')
            break;
    }
    json_free(j);
    return NULL;
}

static inline struct json *json_number(struct json_parser *p)
{
    const uint8_t *start = p->at, *digits;
    if (*p->at == '-')
        p->at++;
    digits = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    if (p->at == digits || (*digits == '0' && p->at - digits > 1))
        return NULL;
    while (p->at < p->end && *p->at && strchr("+-.eE0123456789", *p->at))
        p->at++;
    struct json *j = json_new(JSON_NUMBER);
    j->text_bytes = (size_t)(p->at - start);
    j->text = strndup((const char *)start, j->text_bytes);
    return j;
}

static inline struct json *json_value(struct json_parser *p)
{
    static const char *const words[] = {"null", "false", "true"};
    struct json *j = NULL;
    json_space(p);
    if (p->at == p->end || ++p->depth > 64)
        return NULL;
    for (int i = 0; i < 3; i++) {
        size_t bytes = strlen(words[i]);
        if ((size_t)(p->end - p->at) >= bytes && memcmp(p->at, words[i], bytes) == 0) {
            p->at += bytes;
            p->depth--;
            return json_new((enum json_type)i);
        }
    }
    if (*p->at == '"') {
        size_t bytes;
        p->at++;
        char *text = json_string(p, &bytes);
        if (text) {
            j = json_new(JSON_STRING);
            j->text = text;
            j->text_bytes = bytes;
        }
    } else if (*p->at == '{' || *p->at == '[') {
        j = json_members(p, *p->at++ == '{' ? JSON_OBJECT : JSON_ARRAY);
    } else {
        j = json_number(p);
    }
    p->depth--;
    return j;
}

/* Parse all of a text; NULL when it is not JSON. */
static inline struct json *json_parse(const void *text, size_t bytes)
{
    struct json_parser p = {text, (const uint8_t *)text + bytes, 0};
    struct json *j = json_value(&p);
    json_space(&p);
    if (j && p.at != p.end) {
        json_free(j);
        return NULL;
    }
    return j;
}

static inline struct json *json_copy(const struct json *from)
{
    struct json *j = json_new(from->type);
    if (from->text) {
        j->text = malloc(from->text_bytes + 1);
        memcpy(j->text, from->text, from->text_bytes + 1);
        j->text_bytes = from->text_bytes;
    }
    for (size_t i = 0; i < from->count; i++)
        json_push(j, from->keys ? strdup(from->keys[i]) : NULL, json_copy(from->items[i]));
    return j;
}

/* RFC 7396, section 2. Takes the target, returns what became of it. */
static inline struct json *json_merge(struct json *target, const struct json *patch)
{
    if (patch->type != JSON_OBJECT) {
        json_free(target);
        return json_copy(patch);
    }
    if (!target || target->type != JSON_OBJECT) {
        json_free(target);
        target = json_new(JSON_OBJECT);
    }
    for (size_t i = 0; i < patch->count; i++) {
        size_t at = json_index(target, patch->keys[i]);
        if (patch->items[i]->type != JSON_NULL) {
            if (at == SIZE_MAX)
                json_push(target, strdup(patch->keys[i]), json_merge(NULL, patch->items[i]));
            else
                target->items[at] = json_merge(target->items[at], patch->items[i]);
        } else if (at != SIZE_MAX) {
            free(target->keys[at]);
            json_free(target->items[at]);
            target->count--;
            target->keys[at] = target->keys[target->count];
            target->items[at] = target->items[target->count];
        }
    }
    return target;
}

/* Equal, whatever the order of members. */
static inline int json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b || a->type != b->type || a->count != b->count || a->text_bytes != b->text_bytes ||
        (a->text && memcmp(a->text, b->text, a->text_bytes) != 0))
        return 0;
    for (size_t i = 0; i < a->count; i++) {
        size_t at = i;
        if (a->type == JSON_OBJECT && strcmp(a->keys[i], b->keys[i]) != 0)
            at = json_index(b, a->keys[i]);
        if (at == SIZE_MAX || !json_equal(a->items[i], b->items[at]))
            return 0;
    }
    return 1;
}

#endif
