/* json_read.c: a strict reader of flat JSON objects (RFC 8259). */
#include "server/json_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

struct reader {
    const uint8_t *start, *at, *end;
    char *room; /* where the next decoded string goes */
    char *why;
    size_t why_bytes;
};

static int refuse(struct reader *r, const char *what)
{
    snprintf(r->why, r->why_bytes, "%s at byte %zu of the body", what, (size_t)(r->at - r->start));
    return MC_EINVAL;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static int take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != (uint8_t)c)
        return 0;
    r->at++;
    return 1;
}

/* Four hexadecimal digits; -1 when they are not there. */
static long hex4(struct reader *r)
{
    long value = 0;
    if (r->end - r->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *r->at++;
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

static char *put_utf8(char *to, long code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | (code >> 6));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

/* The length of the valid UTF-8 sequence at `at` (RFC 3629), 0 when it is not valid. */
static int utf8_length(const uint8_t *at, const uint8_t *end)
{
    uint8_t c = at[0];
    int length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : 4;
    if (c >= 0x80 && (c < 0xC2 || c > 0xF4))
        return 0;
    if (end - at < length)
        return 0;
    for (int i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && at[1] < 0xA0) || (c == 0xED && at[1] > 0x9F) || (c == 0xF0 && at[1] < 0x90) ||
        (c == 0xF4 && at[1] > 0x8F))
        return 0;
    return length;
}

/* One escape, its backslash already taken. Returns 0 or MC_EINVAL. */
static int read_escape(struct reader *r, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return refuse(r, "a string without its end");
    uint8_t c = *r->at++;
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        *(*to)++ = into[found - from];
        return 0;
    }
    if (c != 'u')
        return refuse(r, "an unknown escape");
    long code = hex4(r);
    if (code >= 0xD800 && code < 0xDC00) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
            return refuse(r, "half a surrogate pair");
        r->at += 2;
        long low = hex4(r);
        if (low < 0xDC00 || low > 0xDFFF)
            return refuse(r, "half a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return refuse(r, "half a surrogate pair");
    }
    if (code <= 0)
        return refuse(r, code ? "a \\u without four hexadecimal digits" : "a NUL in a string");
    *to = put_utf8(*to, code);
    return 0;
}

/* A string, its opening quote already taken, decoded into the room with a NUL behind it: it never
 * takes more bytes than it had with its quotes. */
static int read_string(struct reader *r, const char **text, size_t *text_bytes)
{
    char *start = r->room, *to = start;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\') {
            r->at++;
            int code = read_escape(r, &to);
            if (code)
                return code;
            continue;
        }
        if (*r->at < 0x20)
            return refuse(r, "a control character in a string");
        int length = utf8_length(r->at, r->end);
        if (!length)
            return refuse(r, "text that is not UTF-8");
        memcpy(to, r->at, (size_t)length);
        to += length;
        r->at += length;
    }
    if (r->at == r->end)
        return refuse(r, "a string without its end");
    r->at++;
    *to = 0;
    *text = start;
    *text_bytes = (size_t)(to - start);
    r->room = to + 1;
    return 0;
}

static size_t skip_digits(struct reader *r)
{
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return (size_t)(r->at - start);
}

/* A number as RFC 8259 section 6 writes it; at most 64 characters. */
static int read_number(struct reader *r, struct mc_json_field *f)
{
    const uint8_t *start = r->at;
    char text[65];
    int whole = 1;
    if (r->at < r->end && *r->at == '-')
        r->at++;
    const uint8_t *digits = r->at;
    size_t count = skip_digits(r);
    if (count == 0 || (count > 1 && *digits == '0'))
        return refuse(r, "no number");
    if (r->at < r->end && *r->at == '.') {
        whole = 0;
        r->at++;
        if (!skip_digits(r))
            return refuse(r, "no digit behind the point");
    }
    if (r->at < r->end && (*r->at | 0x20) == 'e') {
        whole = 0;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (!skip_digits(r))
            return refuse(r, "no digit in the exponent");
    }
    size_t bytes = (size_t)(r->at - start);
    if (bytes >= sizeof text)
        return refuse(r, "a number of more than 64 characters");
    memcpy(text, start, bytes);
    text[bytes] = 0;
    errno = 0;
    f->integer = whole ? strtoll(text, NULL, 10) : 0;
    f->type = whole && !errno ? MC_JSON_INTEGER : MC_JSON_NUMBER;
    return 0;
}

static int take_word(struct reader *r, const char *word)
{
    size_t count = strlen(word);
    if ((size_t)(r->end - r->at) < count || memcmp(r->at, word, count) != 0)
        return 0;
    r->at += count;
    return 1;
}

static int read_value(struct reader *r, struct mc_json_field *f)
{
    skip_space(r);
    if (r->at == r->end)
        return refuse(r, "a member without a value");
    if (*r->at == '"') {
        r->at++;
        f->type = MC_JSON_STRING;
        return read_string(r, &f->text, &f->text_bytes);
    }
    if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
        return read_number(r, f);
    if (*r->at == '{' || *r->at == '[')
        return refuse(r, "a nested value, where only text and numbers are known,");
    f->type = MC_JSON_BOOL;
    f->integer = 1;
    if (take_word(r, "true"))
        return 0;
    f->integer = 0;
    if (take_word(r, "false"))
        return 0;
    f->type = MC_JSON_NULL;
    if (take_word(r, "null"))
        return 0;
    return refuse(r, "no JSON value");
}

static int read_member(struct reader *r, struct mc_json_field *fields, size_t field_count)
{
    const char *name = NULL;
    size_t name_bytes = 0;
    if (!take(r, '"'))
        return refuse(r, "no member name");
    int code = read_string(r, &name, &name_bytes);
    if (code)
        return code;
    if (!take(r, ':'))
        return refuse(r, "no ':' behind a member name");
    for (size_t i = 0; i < field_count; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (fields[i].type != MC_JSON_ABSENT)
            return refuse(r, "a member that was there before");
        return read_value(r, &fields[i]);
    }
    snprintf(r->why, r->why_bytes, "unknown member \"%.60s\"", name);
    return MC_EINVAL;
}

int mc_json_read(const uint8_t *bytes, size_t count, struct mc_json_field *fields,
                 size_t field_count, char *room, char *why, size_t why_bytes)
{
    struct reader r = {.start = bytes,
                       .at = bytes,
                       .end = bytes + count,
                       .room = room,
                       .why = why,
                       .why_bytes = why_bytes};
    for (size_t i = 0; i < field_count; i++) {
        fields[i].type = MC_JSON_ABSENT;
        fields[i].integer = 0;
        fields[i].text = NULL;
        fields[i].text_bytes = 0;
    }
    if (!take(&r, '{'))
        return refuse(&r, "no JSON object");
    if (!take(&r, '}')) {
        do {
            int code = read_member(&r, fields, field_count);
            if (code)
                return code;
        } while (take(&r, ','));
        if (!take(&r, '}'))
            return refuse(&r, "no ',' or '}'");
    }
    skip_space(&r);
    if (r.at != r.end)
        return refuse(&r, "more behind the object");
    return 0;
}
