/* codec_ftdc.c: MongoDB's diagnostic data: a reference sample and the deltas of each metric.
 *
 * Format: as in mongo/src/mongo/db/ftdc: a reference document, here every value as a BSON int64
 *         with its name; metric and sample counts; then metric after metric the unsigned deltas
 *         between samples as varints, where a run of zeros is a zero and its length - 1, which goes
 *         on over metrics. All of it through zlib. A new metric ends a chunk there; here it is 0
 *         until it is known, which is kinder to it.
 */
#include <stdlib.h>
#if __has_include(<zlib.h>)
#include <zlib.h>
#define HAVE_ZLIB 1
#endif

#include "tests/bench/codec.h"

static int64_t number(int64_t v)
{
    return v == MC_VALUE_NONE ? 0 : v;
}

static void put_reference(const struct codec_chunk *c, uint32_t first, struct mc_buf *raw)
{
    for (uint32_t s = 0; s < c->schema->source_count; s++) {
        const struct mc_source *source = &c->schema->sources[s];
        mc_put_byte(raw, 3); /* a document */
        mc_buf_add_str(raw, source->name);
        mc_buf_add(raw, "\0\0\0\0\0", 5);
        for (uint32_t i = 0; i < source->value_count; i++) {
            mc_put_byte(raw, 18); /* an int64 */
            mc_buf_add_str(raw, mc_kind_field_name(source->kind, i));
            mc_put_byte(raw, 0);
            mc_put_u64(raw, (uint64_t)number(codec_values(c, source->value_idx + i)[first]));
        }
        mc_put_byte(raw, 0);
    }
}

static void put_chunk(const struct codec_chunk *c, uint32_t first, uint32_t end, struct mc_buf *raw)
{
    raw->count = 0;
    put_reference(c, first, raw);
    mc_put_u64(raw, (uint64_t)c->ts[first]);
    mc_put_varint(raw, c->schema->value_count + 1);
    mc_put_varint(raw, end - first - 1);
    uint64_t zeros = 0;
    for (uint32_t v = 0; v <= c->schema->value_count; v++) {
        const int64_t *values = v ? codec_values(c, v - 1) : c->ts;
        for (uint32_t f = first + 1; f < end; f++) {
            uint64_t delta = (uint64_t)number(values[f]) - (uint64_t)number(values[f - 1]);
            if (!delta) {
                zeros++;
                continue;
            }
            if (zeros) {
                mc_put_byte(raw, 0);
                mc_put_varint(raw, zeros - 1);
            }
            zeros = 0;
            mc_put_varint(raw, delta);
        }
    }
    if (zeros) {
        mc_put_byte(raw, 0);
        mc_put_varint(raw, zeros - 1);
    }
}

static double zlib_bytes(const struct mc_buf *raw)
{
#ifdef HAVE_ZLIB
    uLongf count = compressBound((uLong)raw->count);
    Bytef *to = malloc(count);
    if (!to || compress(to, &count, raw->bytes, (uLong)raw->count) != Z_OK)
        count = 0;
    free(to);
    return (double)count;
#else
    (void)raw;
    return 0;
#endif
}

void codec_ftdc(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    struct mc_buf raw = {0};
    for (uint32_t samples = 300; samples <= 600; samples *= 2) {
        double zlib = 0, zstd = 0, began = codec_clock(), zlib_seconds = 0;
        for (uint32_t first = 0; first < c->frame_count; first += samples) {
            uint32_t end = first + samples < c->frame_count ? first + samples : c->frame_count;
            put_chunk(c, first, end, &raw);
            zstd += (double)codec_zstd(b, &raw);
            double before = codec_clock();
            zlib += zlib_bytes(&raw);
            zlib_seconds += codec_clock() - before;
        }
        double zstd_seconds = codec_clock() - began - zlib_seconds;
        if (zlib > 0)
            codec_add(b, CODEC_VALUES,
                      samples == 300 ? "FTDC, 300 samples, zlib" : "FTDC, 600 samples, zlib", zlib,
                      zlib_seconds);
        codec_add(b, CODEC_VALUES,
                  samples == 300 ? "FTDC, 300 samples, zstd-3" : "FTDC, 600 samples, zstd-3", zstd,
                  zstd_seconds);
    }
    mc_buf_fini(&raw);
}
