/* pack.c: XXH64, and zstd with its contexts kept. */
#include "store/pack.h"

#include <stdlib.h>
#include <zstd.h>

#include "tracer/error.h"

/* What the levels gain and cost is in README.md. */
#define PACK_LEVEL_FAST 3
#define PACK_LEVEL_SMALL 12
#define PACK_WINDOW_LOG 20

static const uint64_t prime_1 = UINT64_C(0x9E3779B185EBCA87);
static const uint64_t prime_2 = UINT64_C(0xC2B2AE3D27D4EB4F);
static const uint64_t prime_3 = UINT64_C(0x165667B19E3779F9);
static const uint64_t prime_4 = UINT64_C(0x85EBCA77C2B2AE63);
static const uint64_t prime_5 = UINT64_C(0x27D4EB2F165667C5);

static uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static uint64_t stripe(uint64_t lane, uint64_t input)
{
    return rotate(lane + input * prime_2, 31) * prime_1;
}

static uint64_t load_u32(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
}

uint64_t mc_sum64(const void *bytes, size_t count, uint64_t seed)
{
    const uint8_t *at = bytes;
    size_t left = count;
    uint64_t sum = seed + prime_5;
    if (left >= 32) {
        uint64_t lane[4] = {seed + prime_1 + prime_2, seed + prime_2, seed, seed - prime_1};
        for (; left >= 32; at += 32, left -= 32) {
            for (int i = 0; i < 4; i++)
                lane[i] = stripe(lane[i], mc_load_u64(at + 8 * i));
        }
        sum = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
        for (int i = 0; i < 4; i++)
            sum = (sum ^ stripe(0, lane[i])) * prime_1 + prime_4;
    }
    sum += count;
    for (; left >= 8; at += 8, left -= 8)
        sum = rotate(sum ^ stripe(0, mc_load_u64(at)), 27) * prime_1 + prime_4;
    if (left >= 4) {
        sum = rotate(sum ^ load_u32(at) * prime_1, 23) * prime_2 + prime_3;
        at += 4;
        left -= 4;
    }
    for (; left; at++, left--)
        sum = rotate(sum ^ *at * prime_5, 11) * prime_1;
    sum = (sum ^ sum >> 33) * prime_2;
    sum = (sum ^ sum >> 29) * prime_3;
    return sum ^ sum >> 32;
}

struct mc_packer {
    ZSTD_CCtx *compressor;   /* owned */
    ZSTD_DCtx *decompressor; /* owned */
};

int mc_packer_new(struct mc_packer **out)
{
    struct mc_packer *p = calloc(1, sizeof *p);
    if (!p)
        return MC_ENOMEM;
    p->compressor = ZSTD_createCCtx();
    p->decompressor = ZSTD_createDCtx();
    if (!p->compressor || !p->decompressor) {
        mc_packer_free(p);
        return MC_ENOMEM;
    }
    ZSTD_CCtx_setParameter(p->compressor, ZSTD_c_windowLog, PACK_WINDOW_LOG);
    /* The row's own checksum covers the content, and its head the length. */
    ZSTD_CCtx_setParameter(p->compressor, ZSTD_c_checksumFlag, 0);
    ZSTD_CCtx_setParameter(p->compressor, ZSTD_c_contentSizeFlag, 0);
    *out = p;
    return 0;
}

void mc_packer_free(struct mc_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->compressor);
    ZSTD_freeDCtx(p->decompressor);
    free(p);
}

static int pack(struct mc_packer *p, int level, const void *raw, size_t count, struct mc_buf *out)
{
    size_t bound = ZSTD_compressBound(count);
    uint8_t *at = mc_buf_reserve(out, bound);
    if (!at)
        return MC_ENOMEM;
    ZSTD_CCtx_setParameter(p->compressor, ZSTD_c_compressionLevel, level);
    size_t packed = ZSTD_compress2(p->compressor, at, bound, raw, count);
    if (ZSTD_isError(packed))
        return MC_ENOMEM;
    out->count += packed;
    return 0;
}

int mc_pack(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out)
{
    return pack(p, PACK_LEVEL_FAST, raw, count, out);
}

int mc_pack_small(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out)
{
    return pack(p, PACK_LEVEL_SMALL, raw, count, out);
}

int mc_unpack(struct mc_packer *p, const uint8_t *packed, size_t count, size_t raw_bytes,
              struct mc_buf *out)
{
    out->count = 0;
    if (!mc_buf_reserve(out, raw_bytes + 1))
        return MC_ENOMEM;
    size_t got = ZSTD_decompressDCtx(p->decompressor, out->bytes, raw_bytes, packed, count);
    if (ZSTD_isError(got) || got != raw_bytes)
        return MC_ECORRUPT;
    out->count = raw_bytes;
    return 0;
}
