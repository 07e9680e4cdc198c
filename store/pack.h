/* pack.h: checksums, zstd, and varints read fast: what every codec of the store stands on. */
#ifndef MC_PACK_H
#define MC_PACK_H

#include <endian.h>
#include <string.h>

#include "tracer/buf.h"

/* XXH64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
uint64_t mc_sum64(const void *bytes, size_t count, uint64_t seed);

/* A zstd compressor and decompressor with their memory kept; one user at a time. */
struct mc_packer;
int mc_packer_new(struct mc_packer **out);
void mc_packer_free(struct mc_packer *p);

/* Append raw[0..count) compressed to `out`. 0 or MC_ENOMEM. */
int mc_pack(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out);
/* The same in fewer bytes and more time, for what is packed once a minute and is not large. */
int mc_pack_small(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out);
/* Replace the content of `out` by the raw_bytes that packed[0..count) holds. The caller has bounded
 * raw_bytes. MC_ECORRUPT when it is no zstd frame of exactly that length; MC_ENOMEM. */
int mc_unpack(struct mc_packer *p, const uint8_t *packed, size_t count, size_t raw_bytes,
              struct mc_buf *out);

/* mc_span_varint with the one-byte case inline. */
static inline uint64_t mc_take_varint(struct mc_span *s)
{
    if (s->at < s->end && *s->at < 0x80)
        return *s->at++;
    return mc_span_varint(s);
}

static inline int64_t mc_unzigzag(uint64_t z)
{
    return (int64_t)(z >> 1 ^ (0 - (z & 1)));
}

static inline uint64_t mc_zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t mc_take_zigzag(struct mc_span *s)
{
    return mc_unzigzag(mc_take_varint(s));
}

/* a + b and a - b that wrap: differences of hostile or extreme numbers. */
static inline int64_t mc_wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t mc_wrap_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* Append a varint, fast. */
static inline void mc_put_varint(struct mc_buf *b, uint64_t v)
{
    if (v < 0x80 && b->count < b->room && !b->failed)
        b->bytes[b->count++] = (uint8_t)v;
    else
        mc_buf_add_varint(b, v);
}

static inline void mc_put_zigzag(struct mc_buf *b, int64_t v)
{
    mc_put_varint(b, mc_zigzag(v));
}

static inline void mc_put_byte(struct mc_buf *b, uint8_t v)
{
    if (b->count < b->room && !b->failed)
        b->bytes[b->count++] = v;
    else
        mc_buf_add(b, &v, 1);
}

static inline uint8_t mc_take_byte(struct mc_span *s)
{
    if (s->at < s->end)
        return *s->at++;
    s->failed = 1;
    return 0;
}

/* le64. */
static inline void mc_put_u64(struct mc_buf *b, uint64_t v)
{
    v = htole64(v);
    mc_buf_add(b, &v, sizeof v);
}

static inline uint64_t mc_load_u64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

/* A text as its length and its bytes. */
static inline void mc_put_text(struct mc_buf *b, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    mc_put_varint(b, length);
    mc_buf_add(b, text, length);
}

/* The content of a buffer, to be read. */
static inline struct mc_span mc_span_of(const struct mc_buf *b)
{
    static const uint8_t nothing[1];
    struct mc_span s = {b->count ? b->bytes : nothing, NULL, 0};
    s.end = s.at + b->count;
    return s;
}

/* Begin to read `count` bytes of `s` as a span of their own; failed when it is shorter. */
static inline struct mc_span mc_take_span(struct mc_span *s, uint64_t count)
{
    struct mc_span part = {s->at, s->at, 0};
    if (s->failed || count > (uint64_t)(s->end - s->at)) {
        s->failed = part.failed = 1;
        return part;
    }
    part.end = s->at += count;
    return part;
}

#endif
