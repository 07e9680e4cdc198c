/* buf.c: a growing byte buffer; JSON strings and varints into it and out of a span. */
#include "tracer/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/text.h"

void mc_buf_fini(struct mc_buf *b)
{
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

uint8_t *mc_buf_grow(struct mc_buf *b, size_t more)
{
    if (b->failed)
        return NULL;
    size_t room = b->room ? b->room : 256;
    while (room - b->count < more) {
        if (room > SIZE_MAX / 2) {
            b->failed = 1;
            return NULL;
        }
        room *= 2;
    }
    uint8_t *bytes = realloc(b->bytes, room);
    if (!bytes) {
        b->failed = 1;
        return NULL;
    }
    b->bytes = bytes;
    b->room = room;
    return bytes + b->count;
}

/* "00" to "99". */
static const char two_digits[] = "00010203040506070809101112131415161718192021222324"
                                 "25262728293031323334353637383940414243444546474849"
                                 "50515253545556575859606162636465666768697071727374"
                                 "75767778798081828384858687888990919293949596979899";

#define DIGITS_INLINE static inline __attribute__((always_inline))

/* A number below 100, without a leading zero. */
DIGITS_INLINE uint8_t *write_two(uint8_t *at, uint32_t value)
{
    if (value >= 10) {
        memcpy(at, two_digits + value * 2, 2);
        return at + 2;
    }
    *at = (uint8_t)('0' + value);
    return at + 1;
}

uint8_t *mc_write_eight(uint8_t *at, uint32_t value)
{
    uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = fours * 10486 >> 20 & UINT64_C(0x7f0000007f);
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = twos * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    uint64_t digits = htole64(tens | (twos - tens * 10) << 8 | UINT64_C(0x3030303030303030));
    memcpy(at, &digits, sizeof digits);
    return at + sizeof digits;
}

/* A number from 10,000 up to 10^8. */
static uint8_t *write_middle(uint8_t *at, uint32_t value)
{
    uint32_t high = value / 10000, low = value % 10000;
    if (high >= 100) {
        at = write_two(at, high / 100);
        memcpy(at, two_digits + high % 100 * 2, 2);
        at += 2;
    } else {
        at = write_two(at, high);
    }
    memcpy(at, two_digits + low / 100 * 2, 2);
    memcpy(at + 2, two_digits + low % 100 * 2, 2);
    return at + 4;
}

uint8_t *mc_write_digits(uint8_t *at, uint64_t value)
{
    if (value < 100)
        return write_two(at, (uint32_t)value);
    if (value < 10000) {
        at = write_two(at, (uint32_t)value / 100);
        memcpy(at, two_digits + value % 100 * 2, 2);
        return at + 2;
    }
    if (value < 100000000)
        return write_middle(at, (uint32_t)value);
    at = mc_write_digits(at, value / 100000000);
    return mc_write_eight(at, (uint32_t)(value % 100000000));
}

void mc_buf_add_u64(struct mc_buf *b, uint64_t value)
{
    uint8_t *at = mc_buf_reserve(b, MC_DIGITS_MAX);
    if (at)
        b->count += (size_t)(mc_write_digits(at, value) - at);
}

void mc_buf_add_i64(struct mc_buf *b, int64_t value)
{
    if (value < 0)
        mc_buf_add_char(b, '-');
    mc_buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void mc_buf_printf(struct mc_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (wanted < 0) {
        b->failed = 1;
        return;
    }
    char *at = (char *)mc_buf_reserve(b, (size_t)wanted + 1);
    if (!at)
        return;
    va_start(args, format);
    vsnprintf(at, (size_t)wanted + 1, format, args);
    va_end(args);
    b->count += (size_t)wanted;
}

/* Append one character of a JSON string; at[0..bytes) is valid UTF-8 for it. */
static void add_json_char(struct mc_buf *b, const uint8_t *at, size_t bytes)
{
    static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    uint8_t c = at[0];
    if (bytes == 1 && (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == 0x7f)) {
        for (const char *e = short_escapes; *e; e += 2) {
            if ((uint8_t)e[0] == c) {
                mc_buf_add_char(b, '\\');
                mc_buf_add_char(b, e[1]);
                return;
            }
        }
        mc_buf_printf(b, "\\u%04x", c);
    } else if (bytes == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9)) {
        mc_buf_add_str(b, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
    } else {
        mc_buf_add(b, at, bytes);
    }
}

/* Characters that stand in a JSON string as they are. */
static const uint8_t is_plain[256] = {
    [' '] = 1, ['!'] = 1, ['#' ... ';'] = 1, ['=' ... '['] = 1, [']' ... '~'] = 1,
};

void mc_buf_add_json(struct mc_buf *b, const char *text, size_t text_bytes)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + text_bytes;
    mc_buf_add_char(b, '"');
    while (at < end) {
        uint8_t *to = mc_buf_reserve(b, (size_t)(end - at));
        if (!to)
            return;
        const uint8_t *from = at;
        while (at < end && is_plain[*at])
            *to++ = *at++;
        b->count += (size_t)(at - from);
        if (at == end)
            break;
        size_t bytes = mc_utf8_char_bytes(at, (size_t)(end - at));
        if (bytes) {
            add_json_char(b, at, bytes);
            at += bytes;
        } else {
            mc_buf_add_str(b, "\xef\xbf\xbd");
            at++;
        }
    }
    mc_buf_add_char(b, '"');
}

void mc_buf_add_varint(struct mc_buf *b, uint64_t value)
{
    uint8_t *at = mc_buf_reserve(b, 10);
    if (!at)
        return;
    size_t count = 0;
    while (value >= 0x80) {
        at[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[count++] = (uint8_t)value;
    b->count += count;
}

void mc_buf_add_zigzag(struct mc_buf *b, int64_t value)
{
    mc_buf_add_varint(b, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

uint64_t mc_span_varint(struct mc_span *s)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (s->at == s->end)
            break;
        uint8_t byte = *s->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    s->failed = 1;
    s->at = s->end;
    return 0;
}

int64_t mc_span_zigzag(struct mc_span *s)
{
    uint64_t value = mc_span_varint(s);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

const uint8_t *mc_span_take(struct mc_span *s, size_t count)
{
    if (s->failed || (size_t)(s->end - s->at) < count) {
        s->failed = 1;
        s->at = s->end;
        return NULL;
    }
    const uint8_t *at = s->at;
    s->at += count;
    return at;
}
