/* buf.h: a growing byte buffer, for text and for encoders.
 *
 * A failed allocation marks the buffer and every later append does nothing: check once, at the end.
 */
#ifndef MC_BUF_H
#define MC_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mc_buf {
    uint8_t *bytes; /* owned; not NUL-terminated */
    size_t count;   /* in use */
    size_t room;
    int failed; /* an allocation did not succeed: the content is incomplete */
};

void mc_buf_fini(struct mc_buf *b);
/* Empty, with its memory kept, as if no allocation had failed. */
static inline void mc_buf_forget(struct mc_buf *b)
{
    b->count = 0;
    b->failed = 0;
}

/* mc_buf_reserve where there is not enough room yet. */
uint8_t *mc_buf_grow(struct mc_buf *b, size_t more);

/* These are inline: text and columns are written a few bytes at a time, and the calls were a third
 * of what that cost. */

/* Make room for `more` bytes behind count and return where they go, or NULL (failed is set). */
static inline uint8_t *mc_buf_reserve(struct mc_buf *b, size_t more)
{
    if (more <= b->room - b->count && !b->failed && b->bytes)
        return b->bytes + b->count;
    return mc_buf_grow(b, more);
}

static inline void mc_buf_add(struct mc_buf *b, const void *bytes, size_t count)
{
    uint8_t *at = count ? mc_buf_reserve(b, count) : NULL;
    if (!at)
        return;
    memcpy(at, bytes, count);
    b->count += count;
}

static inline void mc_buf_add_str(struct mc_buf *b, const char *text)
{
    mc_buf_add(b, text, strlen(text));
}

static inline void mc_buf_add_char(struct mc_buf *b, char c)
{
    uint8_t *at = mc_buf_reserve(b, 1);
    if (!at)
        return;
    *at = (uint8_t)c;
    b->count++;
}

/* Write a number in decimal, at most MC_DIGITS_MAX bytes; returns where it ends. */
#define MC_DIGITS_MAX 20
uint8_t *mc_write_digits(uint8_t *at, uint64_t value);
/* A number below 10^8 as eight digits. */
uint8_t *mc_write_eight(uint8_t *at, uint32_t value);
void mc_buf_add_u64(struct mc_buf *b, uint64_t value); /* decimal */
void mc_buf_add_i64(struct mc_buf *b, int64_t value);  /* decimal */
void mc_buf_printf(struct mc_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes. Escapes what RFC 8259 section 7 demands, and '<', U+2028, U+2029;
 * bytes that are not UTF-8 become U+FFFD. */
void mc_buf_add_json(struct mc_buf *b, const char *text, size_t text_bytes);
/* LEB128, and zigzag LEB128. */
void mc_buf_add_varint(struct mc_buf *b, uint64_t value);
void mc_buf_add_zigzag(struct mc_buf *b, int64_t value);

/* The other direction: read from a span of hostile bytes. Past its end, or on a varint longer than
 * ten bytes, `failed` is set and 0 comes back. */
struct mc_span {
    const uint8_t *at, *end; /* borrowed */
    int failed;
};
uint64_t mc_span_varint(struct mc_span *s);
int64_t mc_span_zigzag(struct mc_span *s);
const uint8_t *mc_span_take(struct mc_span *s, size_t count); /* NULL when short */

#endif
