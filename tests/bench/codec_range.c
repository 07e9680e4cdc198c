/* codec_range.c: an adaptive binary range coder in zstd's place, on the very columns that the store
 * makes: about what is left to gain by entropy coding. Too slow to decode for a trace.
 *
 * Each column takes the cheapest of four models: bytes with none, one or two bytes before them as
 * context, and numbers as their length in bits (after the last number's) and then their bits. The
 * coder is that of LZMA (G. N. N. Martin, "Range encoding", 1979); probabilities start quick and
 * slow down with what they have seen. Models are forgotten at each column.
 */
#include <stdlib.h>

#include "store/events.h"
#include "tests/bench/codec.h"

struct bit {
    uint16_t p; /* of a 0, by 65536 */
    uint16_t seen;
};

struct coder {
    uint64_t low;
    uint32_t range;
    uint64_t byte_count;
};

static void coder_init(struct coder *c)
{
    *c = (struct coder){.range = UINT32_MAX};
}

/* Only the count of bytes is of interest, so carries need not be carried. */
static void code(struct coder *c, struct bit *b, int bit)
{
    uint32_t bound = (uint32_t)((uint64_t)c->range * b->p >> 16);
    bound = bound < 1 ? 1 : bound >= c->range ? c->range - 1 : bound;
    if (bit) {
        c->low += bound;
        c->range -= bound;
    } else {
        c->range = bound;
    }
    int rate = b->seen < 4 ? 2 : b->seen < 12 ? 3 : b->seen < 40 ? 4 : b->seen < 200 ? 5 : 6;
    if (bit)
        b->p = (uint16_t)(b->p - (b->p >> rate));
    else
        b->p = (uint16_t)(b->p + ((65535 - b->p) >> rate));
    b->seen = (uint16_t)(b->seen + (b->seen < 1000));
    while (c->range < 1u << 24) {
        c->range <<= 8;
        c->low <<= 8;
        c->byte_count++;
    }
}

static void forget(struct bit *bits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bits[i] = (struct bit){32768, 0};
}

static void code_byte(struct coder *c, struct bit *tree, uint8_t byte)
{
    unsigned node = 1;
    for (int i = 7; i >= 0; i--) {
        int bit = byte >> i & 1;
        code(c, &tree[node], bit);
        node = node * 2 + (unsigned)bit;
    }
}

#define CONTEXTS 4096u
static struct bit *trees; /* CONTEXTS trees of 256 */

/* Bytes after `order` bytes before them. */
static uint64_t bytes_cost(const uint8_t *bytes, size_t count, int order)
{
    struct coder c;
    coder_init(&c);
    forget(trees, (size_t)256 << (order == 0 ? 0 : order == 1 ? 8 : 12));
    uint32_t context = 0;
    for (size_t i = 0; i < count; i++) {
        code_byte(&c, trees + (size_t)context * 256, bytes[i]);
        context = order == 0   ? 0
                  : order == 1 ? bytes[i]
                               : (context << 6 ^ bytes[i]) & (CONTEXTS - 1);
    }
    return c.byte_count + 4;
}

/* Numbers by their length in bits. */
static uint64_t numbers_cost(const uint64_t *numbers, size_t count)
{
    static struct bit lengths[65][128], bits[65][64][8];
    struct coder c;
    coder_init(&c);
    forget(&lengths[0][0], 65 * 128);
    forget(&bits[0][0][0], 65 * 64 * 8);
    unsigned last = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned length = numbers[i] ? 64 - (unsigned)__builtin_clzll(numbers[i]) : 0, node = 1;
        for (int k = 6; k >= 0; k--) {
            int bit = length >> k & 1;
            code(&c, &lengths[last][node], bit);
            node = node * 2 + (unsigned)bit;
        }
        unsigned top = 0;
        for (int k = (int)length - 2; k >= 0; k--) {
            int bit = numbers[i] >> k & 1;
            code(&c, &bits[length][k][top & 7], bit);
            top = (int)length - 2 - k < 2 ? (top << 1 | (unsigned)bit | 4) & 7 : 0;
        }
        last = length;
    }
    return c.byte_count + 4;
}

/* The cheapest of the models of bytes; a column of nothing costs nothing. */
static uint64_t best_cost(const uint8_t *bytes, size_t count)
{
    uint64_t best = count < 4 ? count : UINT64_MAX;
    for (int order = 0; count >= 4 && order <= (count < 300 ? 0 : count < 20000 ? 1 : 2); order++) {
        uint64_t cost = bytes_cost(bytes, count, order);
        best = cost < best ? cost : best;
    }
    return best < count ? best : count;
}

/* A column of varints also as numbers. */
static uint64_t varints_cost(const uint8_t *bytes, size_t count)
{
    uint64_t best = best_cost(bytes, count);
    uint64_t *numbers = malloc((count + 1) * sizeof *numbers);
    struct mc_span s = {bytes, bytes + count, 0};
    size_t n = 0;
    while (numbers && s.at < s.end && !s.failed)
        numbers[n++] = mc_take_varint(&s);
    if (numbers && !s.failed && n) {
        uint64_t cost = numbers_cost(numbers, n);
        best = cost < best ? cost : best;
    }
    free(numbers);
    return best;
}

static uint64_t column_cost(const struct mc_column *c)
{
    uint32_t rows = (uint32_t)(c->width ? mc_column_plane_bytes(c) / c->width : 0);
    uint64_t *numbers = malloc((rows + 1u) * sizeof *numbers);
    for (uint32_t i = 0; numbers && i < rows; i++) {
        numbers[i] = 0;
        for (uint32_t w = 0; w < c->width; w++)
            numbers[i] |= (uint64_t)c->planes[(size_t)w * rows + i] << 8 * w;
    }
    uint64_t as_numbers = rows && numbers ? numbers_cost(numbers, rows) : 0, as_bytes = 0;
    for (uint32_t w = 0; w < c->width; w++)
        as_bytes += best_cost(c->planes + (size_t)w * rows, rows);
    free(numbers);
    return as_bytes < as_numbers ? as_bytes : as_numbers;
}

static uint64_t numbers_part_cost(struct codec_bench *b, int kind, const struct mc_buf *raw)
{
    struct mc_buf copy = {0};
    struct mc_numbers n;
    mc_buf_add(&copy, raw->bytes, raw->count);
    if (mc_numbers_parse(&n, kind, b->chunk.schema, b->chunk.frame_count, &copy) < 0)
        return raw->count;
    uint64_t cost = 0, plane_bytes = 0;
    for (uint32_t i = 0; i < n.source_count * n.field_count; i++) {
        uint64_t one = column_cost(&n.columns[i]);
        b->field_bytes[kind][i / n.source_count] += (double)one;
        cost += one;
        plane_bytes += mc_column_plane_bytes(&n.columns[i]);
    }
    cost += best_cost(raw->bytes, raw->count - plane_bytes); /* the heads */
    mc_numbers_fini(&n);
    return cost;
}

static uint64_t frames_part_cost(const struct codec_bench *b, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw);
    struct mc_column c;
    if (mc_column_parse(&s, b->chunk.frame_count, &c) < 0)
        return raw->count;
    c.planes = s.at;
    return column_cost(&c) + raw->count - mc_column_plane_bytes(&c);
}

/* Parts that are columns behind each other: `head_count` varints, then the byte counts of `columns`
 * columns, `times` over, then the columns. */
static uint64_t columns_cost(const struct mc_buf *raw, int head_count, int columns, uint64_t times,
                             int map_heads)
{
    struct mc_span s = mc_span_of(raw);
    for (int i = 0; i < head_count; i++)
        mc_take_varint(&s);
    uint64_t counts[1024], cost = 0, n = 0;
    for (uint64_t t = 0; t < times; t++) {
        for (int i = 0; i < map_heads; i++)
            mc_take_varint(&s);
        for (int i = 0; i < columns && n < 1024; i++)
            counts[n++] = mc_take_varint(&s);
    }
    cost += best_cost(raw->bytes, (size_t)(s.at - raw->bytes));
    for (uint64_t i = 0; i < n; i++) {
        struct mc_span column = mc_take_span(&s, counts[i]);
        cost += varints_cost(column.at, (size_t)(column.end - column.at));
    }
    return s.failed || s.at != s.end ? raw->count : cost;
}

void codec_range(struct codec_bench *b, uint32_t part_number, const struct mc_buf *raw)
{
    static const char name[] = "an adaptive range coder on the store's columns";
    if (!trees)
        trees = malloc((size_t)CONTEXTS * 256 * sizeof *trees);
    if (!trees)
        return;
    double began = codec_clock();
    uint64_t cost = 0;
    enum codec_what what = CODEC_ROWS;
    if (codec_is_maps(part_number)) {
        what = CODEC_CHANGES;
        struct mc_span s = mc_span_of(raw);
        cost = columns_cost(raw, 1, MC_MAP_COLUMN_COUNT, mc_take_varint(&s), 5);
    } else if (part_number >= MC_PART_EVENTS) {
        what = CODEC_EVENTS;
        cost = columns_cost(raw, 5, MC_EV_COLUMN_COUNT, 1, 0);
    } else if (part_number >= MC_PART_NUMBERS) {
        what = CODEC_VALUES;
        cost = numbers_part_cost(b, (int)(part_number - MC_PART_NUMBERS), raw);
    } else if (part_number == MC_PART_FRAMES) {
        what = CODEC_VALUES;
        cost = frames_part_cost(b, raw);
    } else {
        cost = best_cost(raw->bytes, raw->count);
    }
    double seconds = codec_clock() - began;
    if (what != CODEC_ROWS)
        codec_add(b, what, name, (double)cost, seconds);
    codec_add(b, CODEC_ROWS, name, (double)cost, seconds);
}
