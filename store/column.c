/* column.c: one column of numbers, in and out. The format stands in column.h. */
#include "store/column.h"

#include "store/pack.h"
#include "tracer/error.h"
#include "tracer/frame.h"

static uint32_t bits_of(uint64_t v)
{
    return v ? 64u - (uint32_t)__builtin_clzll(v) : 0;
}

/* Replace missing numbers by their neighbours; append the runs that tell which they were. */
static int put_nulls(int64_t *values, uint32_t count, struct mc_buf *head)
{
    uint32_t first = 0;
    while (first < count && values[first] == MC_VALUE_NONE)
        first++;
    if (first == count) {
        /* Nothing but missing: a CONST of MC_VALUE_NONE says it without runs. */
        return 0;
    }
    uint32_t missing = 0;
    for (uint32_t i = first; i < count; i++)
        missing += values[i] == MC_VALUE_NONE;
    if (!missing && !first)
        return 0;
    struct mc_buf runs = {0};
    uint32_t run_count = 0;
    for (uint32_t i = 0; i < count; run_count++) {
        int want_missing = run_count & 1;
        uint32_t start = i;
        while (i < count && (values[i] == MC_VALUE_NONE) == want_missing)
            i++;
        mc_put_varint(&runs, i - start);
    }
    mc_put_varint(head, run_count);
    mc_put_varint(head, runs.count);
    mc_buf_add(head, runs.bytes, runs.count);
    head->failed |= runs.failed;
    mc_buf_fini(&runs);
    int64_t last = values[first];
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == MC_VALUE_NONE)
            values[i] = last;
        last = values[i];
    }
    return 1;
}

/* Percentiles and maxima of histograms take few values: those of the buckets. */
static int all_bucket_tops(const int64_t *values, uint32_t count)
{
    int big = 0; /* below 32 the index is the value, and nothing is gained */
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] < 0)
            return 0;
        if (i && values[i] == values[i - 1])
            continue;
        if (mc_bucket_top(mc_bucket_of((uint64_t)values[i])) != (uint64_t)values[i])
            return 0;
        big |= values[i] > 31;
    }
    return big;
}

/* What the differences cost in bits, roughly; the better transform is the smaller. */
static void weigh(const int64_t *v, uint32_t count, uint64_t *delta_bits, uint64_t *delta2_bits)
{
    uint64_t one = 0, two = 0;
    int64_t last_step = 0;
    for (uint32_t i = 1; i < count; i++) {
        int64_t step = mc_wrap_sub(v[i], v[i - 1]);
        one += bits_of(mc_zigzag(step));
        if (i > 1)
            two += bits_of(mc_zigzag(mc_wrap_sub(step, last_step)));
        last_step = step;
    }
    *delta_bits = one;
    *delta2_bits = two;
}

void mc_column_put(int64_t *v, uint32_t count, struct mc_buf *head, struct mc_buf *planes)
{
    size_t mode_at = head->count;
    mc_put_byte(head, 0);
    uint8_t mode = put_nulls(v, count, head) ? MC_COLUMN_NULLS : 0;
    if (all_bucket_tops(v, count)) {
        mode |= MC_COLUMN_BUCKETS;
        for (uint32_t i = 0; i < count; i++)
            v[i] = mc_bucket_of((uint64_t)v[i]);
    }
    uint64_t one, two;
    weigh(v, count, &one, &two);
    mc_put_zigzag(head, v[0]);
    if (one != 0) {
        int second = count > 2 && two < one;
        mode |= second ? MC_COLUMN_DELTA2 : MC_COLUMN_DELTA;
        uint32_t skip = second ? 2 : 1;
        uint64_t all = 0;
        for (uint32_t i = count - 1; i >= skip; i--) {
            int64_t step = mc_wrap_sub(v[i], v[i - 1]);
            if (second)
                step = mc_wrap_sub(step, mc_wrap_sub(v[i - 1], v[i - 2]));
            v[i] = (int64_t)mc_zigzag(step);
            all |= (uint64_t)v[i];
        }
        if (second)
            mc_put_zigzag(head, mc_wrap_sub(v[1], v[0]));
        uint32_t width = (bits_of(all) + 7) / 8;
        mc_put_byte(head, (uint8_t)width);
        uint32_t rows = count - skip;
        uint8_t *at = mc_buf_reserve(planes, (size_t)rows * width);
        if (at) {
            for (uint32_t w = 0; w < width; w++) {
                for (uint32_t i = 0; i < rows; i++)
                    *at++ = (uint8_t)((uint64_t)v[skip + i] >> 8 * w);
            }
            planes->count += (size_t)rows * width;
        }
    }
    if (!head->failed)
        head->bytes[mode_at] = mode;
}

void mc_column_put_linear(int64_t constant, struct mc_buf *head)
{
    mc_put_byte(head, MC_COLUMN_LINEAR);
    mc_put_zigzag(head, constant);
}

int mc_column_parse(struct mc_span *head, uint32_t count, struct mc_column *out)
{
    struct mc_column c = {.count = count};
    c.mode = mc_take_byte(head);
    if (c.mode & ~15)
        return MC_ECORRUPT;
    if (c.mode & MC_COLUMN_NULLS) {
        uint64_t runs = mc_take_varint(head);
        c.null_runs = (uint32_t)runs;
        c.nulls = mc_take_span(head, mc_take_varint(head));
        if (runs > count)
            return MC_ECORRUPT;
    }
    c.first = mc_take_zigzag(head);
    uint32_t transform = c.mode & MC_COLUMN_TRANSFORM;
    if (transform == MC_COLUMN_DELTA2)
        c.step = mc_take_zigzag(head);
    if (transform == MC_COLUMN_DELTA || transform == MC_COLUMN_DELTA2)
        c.width = mc_take_byte(head);
    if (head->failed || c.width > 8 || count < 1 || (transform == MC_COLUMN_DELTA2 && count < 2) ||
        (transform == MC_COLUMN_LINEAR && c.mode != MC_COLUMN_LINEAR))
        return MC_ECORRUPT;
    *out = c;
    return 0;
}

static uint32_t rows_of(const struct mc_column *c)
{
    return (c->mode & MC_COLUMN_TRANSFORM) == MC_COLUMN_DELTA2 ? c->count - 2 : c->count - 1;
}

uint64_t mc_column_plane_bytes(const struct mc_column *c)
{
    return (uint64_t)c->width * rows_of(c);
}

static void join_planes(const struct mc_column *c, int64_t *to)
{
    uint32_t rows = rows_of(c);
    const uint8_t *p = c->planes;
    switch (c->width) {
    case 0:
        for (uint32_t i = 0; i < rows; i++)
            to[i] = 0;
        return;
    case 1:
        for (uint32_t i = 0; i < rows; i++)
            to[i] = p[i];
        return;
    case 2:
        for (uint32_t i = 0; i < rows; i++)
            to[i] = p[i] | p[rows + i] << 8;
        return;
    default:
        for (uint32_t i = 0; i < rows; i++) {
            uint64_t v = 0;
            for (uint32_t w = 0; w < c->width; w++)
                v |= (uint64_t)p[(size_t)w * rows + i] << 8 * w;
            to[i] = (int64_t)v;
        }
    }
}

static int get_nulls(const struct mc_column *c, int64_t *values)
{
    struct mc_span runs = c->nulls;
    uint32_t at = 0;
    for (uint32_t r = 0; r < c->null_runs; r++) {
        uint64_t run = mc_take_varint(&runs);
        if (runs.failed || run > c->count - at)
            return MC_ECORRUPT;
        for (uint64_t i = 0; (r & 1) && i < run; i++)
            values[at + i] = MC_VALUE_NONE;
        at += (uint32_t)run;
    }
    return at == c->count ? 0 : MC_ECORRUPT;
}

int mc_column_get(const struct mc_column *c, int64_t *values)
{
    uint32_t n = c->count;
    values[0] = c->first;
    switch (c->mode & MC_COLUMN_TRANSFORM) {
    case MC_COLUMN_CONST:
        for (uint32_t i = 1; i < n; i++)
            values[i] = c->first;
        break;
    case MC_COLUMN_DELTA:
        join_planes(c, values + 1);
        for (uint32_t i = 1; i < n; i++)
            values[i] = mc_wrap_add(values[i - 1], mc_unzigzag((uint64_t)values[i]));
        break;
    case MC_COLUMN_DELTA2: {
        int64_t step = c->step;
        values[1] = mc_wrap_add(c->first, step);
        join_planes(c, values + 2);
        for (uint32_t i = 2; i < n; i++) {
            step = mc_wrap_add(step, mc_unzigzag((uint64_t)values[i]));
            values[i] = mc_wrap_add(values[i - 1], step);
        }
        break;
    }
    default:
        return MC_ECORRUPT;
    }
    if (c->mode & MC_COLUMN_BUCKETS) {
        for (uint32_t i = 0; i < n; i++) {
            if ((uint64_t)values[i] >= MC_BUCKET_COUNT)
                return MC_ECORRUPT;
            values[i] = (int64_t)mc_bucket_top((uint32_t)values[i]);
        }
    }
    return c->mode & MC_COLUMN_NULLS ? get_nulls(c, values) : 0;
}
