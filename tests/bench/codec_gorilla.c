/* codec_gorilla.c: Gorilla: each value the XOR with the one before it, as doubles, bit by bit.
 *
 * Format: Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015,
 *         4.1.2. The times are left out, which is kinder to it.
 */
#include "tests/bench/codec.h"

/* Bits that one series of doubles takes. */
static uint64_t series_bits(const int64_t *values, uint32_t count)
{
    uint64_t bits = 64, last = 0;
    int have_window = 0, window_zeros = 0, window_bits = 0;
    for (uint32_t i = 0; i < count; i++) {
        double number = values[i] == MC_VALUE_NONE ? 0 : (double)values[i];
        uint64_t v, x;
        memcpy(&v, &number, sizeof v);
        x = v ^ last;
        last = v;
        if (!i)
            continue;
        if (!x) {
            bits += 1;
            continue;
        }
        int before = __builtin_clzll(x), behind = __builtin_ctzll(x);
        before = before > 31 ? 31 : before; /* five bits say it */
        if (have_window && before >= window_zeros && behind >= 64 - window_zeros - window_bits) {
            bits += 2 + (uint64_t)window_bits;
            continue;
        }
        have_window = 1;
        window_zeros = before;
        window_bits = 64 - before - behind;
        bits += 2 + 5 + 6 + (uint64_t)window_bits;
    }
    return bits;
}

void codec_gorilla(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    uint64_t bits = 0, prometheus_bits = 0;
    double began = codec_clock();
    for (uint32_t v = 0; v < c->schema->value_count; v++)
        bits += series_bits(codec_values(c, v), c->frame_count);
    double seconds = codec_clock() - began;
    codec_add(b, CODEC_VALUES, "Gorilla, 600 samples", (double)bits / 8, seconds);
    for (uint32_t v = 0; v < c->schema->value_count; v++) {
        for (uint32_t f = 0; f < c->frame_count; f += 120) {
            uint32_t count = c->frame_count - f < 120 ? c->frame_count - f : 120;
            prometheus_bits += series_bits(codec_values(c, v) + f, count);
        }
    }
    codec_add(b, CODEC_VALUES, "Gorilla, 120 samples as in Prometheus", (double)prometheus_bits / 8,
              0);
}
