/* column.c: one column of numbers, in and out. The format stands in column.h. */
#include "store/column.h"

#include <stdlib.h>

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

/* ---- transforms ------------------------------------------------------------------------------
 *
 * Counts of pages, whole microseconds, clock ticks: numbers of one column often share a divisor.
 * It is taken out first: u[i] = (v[i] - v[0]) / divisor. Which transform of u is the smallest is
 * told by the entropy of its byte planes, which is near what zstd makes of them. */

enum shape { SHAPE_DELTA, SHAPE_DELTA2, SHAPE_LEVEL, SHAPE_LINE, SHAPE_COUNT };

/* A transform of a column: rows of zigzag numbers. */
struct shaped {
    enum shape shape;
    int64_t base, step; /* in units of the divisor, from v[0] */
    uint64_t all;       /* all bits that are set in any row */
    uint32_t row_count;
};

static uint64_t common_divisor(const int64_t *v, uint32_t count)
{
    uint64_t divisor = 0;
    for (uint32_t i = 1; i < count && divisor != 1; i++) {
        int64_t step = mc_wrap_sub(v[i], v[i - 1]);
        uint64_t rest = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
        if (rest > INT64_MAX / 4)
            return 1; /* sums of steps could wrap, and then the division would not come out */
        while (rest) {
            uint64_t next = divisor ? divisor % rest : 0;
            divisor = rest;
            rest = next;
        }
    }
    return divisor ? divisor : 1;
}

/* The number that would be at place n if they were sorted (Hoare, Algorithm 65: Find); reorders
 * them. Three in the middle are looked at, so that columns that rise, as most do, are quick. */
static int64_t nth_smallest(int64_t *v, uint32_t count, uint32_t n)
{
    int64_t low = 0, high = (int64_t)count - 1;
    while (low < high) {
        int64_t a = v[low], b = v[low + (high - low) / 2], c = v[high];
        int64_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                int64_t swap = v[i];
                v[i++] = v[j];
                v[j--] = swap;
            }
        }
        if (j < (int64_t)n)
            low = i;
        if (i > (int64_t)n)
            high = j;
    }
    return v[n];
}

/* The level that most rows are near; `rows` is scratch. */
static int64_t median(const int64_t *u, uint32_t count, int64_t step, int64_t *rows)
{
    for (uint32_t i = 0; i < count; i++)
        rows[i] = mc_wrap_sub(u[i], (int64_t)((uint64_t)step * i));
    return nth_smallest(rows, count, count / 2);
}

/* Transform u into rows. */
static struct shaped shape_rows(const int64_t *u, uint32_t count, enum shape shape, int64_t *rows)
{
    struct shaped s = {.shape = shape};
    uint32_t skip = shape == SHAPE_DELTA ? 1 : shape == SHAPE_DELTA2 ? 2 : 0;
    if (shape == SHAPE_DELTA2)
        s.step = mc_wrap_sub(u[1], u[0]);
    if (shape == SHAPE_LINE)
        s.step = mc_wrap_sub(u[count - 1], u[0]) / (int64_t)(count - 1);
    if (!skip)
        s.base = median(u, count, s.step, rows);
    s.row_count = count - skip;
    for (uint32_t i = skip; i < count; i++) {
        int64_t d;
        if (shape == SHAPE_DELTA)
            d = mc_wrap_sub(u[i], u[i - 1]);
        else if (shape == SHAPE_DELTA2)
            d = mc_wrap_sub(mc_wrap_sub(u[i], u[i - 1]), mc_wrap_sub(u[i - 1], u[i - 2]));
        else
            d = mc_wrap_sub(u[i], (int64_t)((uint64_t)s.base + (uint64_t)s.step * i));
        rows[i - skip] = (int64_t)mc_zigzag(d);
        s.all |= mc_zigzag(d);
    }
    return s;
}

/* n * log2(n), with 16 bits behind the point. */
static uint64_t n_log_n(uint32_t n)
{
    if (n < 2)
        return 0;
    uint32_t whole = 31u - (uint32_t)__builtin_clz(n);
    /* log2 between powers of two: a straight line is at most 0.09 bits off. */
    uint64_t part = ((uint64_t)n << 16 >> whole) - 65536;
    return n * (((uint64_t)whole << 16) + part);
}

/* About how many bits entropy coding makes of the planes of the rows, by 65536. */
static uint64_t weigh_rows(const int64_t *rows, uint32_t count, uint64_t all)
{
    uint64_t bits = 0;
    for (uint32_t shift = 0; shift < 64 && all >> shift; shift += 8) {
        uint16_t seen[256] = {0};
        for (uint32_t i = 0; i < count; i++)
            seen[(uint64_t)rows[i] >> shift & 255]++;
        bits += n_log_n(count);
        for (int i = 0; i < 256; i++)
            bits -= n_log_n(seen[i]);
    }
    return bits;
}

static void put_planes(const int64_t *rows, const struct shaped *s, uint32_t width,
                       struct mc_buf *planes)
{
    uint8_t *at = mc_buf_reserve(planes, (size_t)s->row_count * width);
    if (!at)
        return;
    for (uint32_t w = 0; w < width; w++) {
        for (uint32_t i = 0; i < s->row_count; i++)
            *at++ = (uint8_t)((uint64_t)rows[i] >> 8 * w);
    }
    planes->count += (size_t)s->row_count * width;
}

/* Put u, which is not all 0, in its smallest shape. Returns the mode's bits. `rows` has 2 * count
 * places. */
static uint8_t put_smallest(const int64_t *u, uint32_t count, int64_t first, uint64_t divisor,
                            int64_t *rows, struct mc_buf *head, struct mc_buf *planes)
{
    int64_t *best_rows = rows, *rows_now = rows + count;
    struct shaped best = {0};
    uint64_t best_bits = UINT64_MAX;
    for (enum shape k = SHAPE_DELTA; k < SHAPE_COUNT; k++) {
        if (count < 3 && k != SHAPE_DELTA)
            break;
        struct shaped now = shape_rows(u, count, k, rows_now);
        uint64_t bits = weigh_rows(rows_now, now.row_count, now.all);
        if (bits < best_bits) {
            best = now;
            best_bits = bits;
            int64_t *swap = best_rows;
            best_rows = rows_now;
            rows_now = swap;
        }
    }
    uint8_t mode = MC_COLUMN_DELTA;
    if (best.shape == SHAPE_DELTA2)
        mode = MC_COLUMN_DELTA2;
    else if (best.shape != SHAPE_DELTA)
        mode = MC_COLUMN_DELTA | MC_COLUMN_LINE;
    mc_put_zigzag(head, mc_wrap_add(first, (int64_t)((uint64_t)best.base * divisor)));
    if (best.shape != SHAPE_DELTA)
        mc_put_zigzag(head, (int64_t)((uint64_t)best.step * divisor));
    uint32_t width = (bits_of(best.all) + 7) / 8;
    mc_put_byte(head, (uint8_t)width);
    put_planes(best_rows, &best, width, planes);
    return mode;
}

void mc_column_put(int64_t *v, uint32_t count, int64_t *scratch, struct mc_buf *head,
                   struct mc_buf *planes)
{
    size_t mode_at = head->count;
    mc_put_byte(head, 0);
    uint8_t mode = put_nulls(v, count, head) ? MC_COLUMN_NULLS : 0;
    if (all_bucket_tops(v, count)) {
        mode |= MC_COLUMN_BUCKETS;
        for (uint32_t i = 0; i < count; i++)
            v[i] = mc_bucket_of((uint64_t)v[i]);
    }
    uint32_t same = 1;
    while (same < count && v[same] == v[0])
        same++;
    if (same == count) {
        mc_put_zigzag(head, v[0]);
    } else {
        uint64_t divisor = common_divisor(v, count);
        int64_t first = v[0];
        if (divisor > 1) {
            mode |= MC_COLUMN_DIVIDED;
            mc_put_varint(head, divisor);
        }
        for (uint32_t i = 0; i < count; i++)
            v[i] = mc_wrap_sub(v[i], first) / (int64_t)divisor;
        mode |= put_smallest(v, count, first, divisor, scratch, head, planes);
    }
    if (!head->failed)
        head->bytes[mode_at] = mode;
}

void mc_column_put_linear(int64_t constant, uint8_t mode, struct mc_buf *head)
{
    mc_put_byte(head, MC_COLUMN_LINEAR | mode);
    mc_put_zigzag(head, constant);
}

int mc_column_parse(struct mc_span *head, uint32_t count, struct mc_column *out)
{
    struct mc_column c = {.count = count};
    c.mode = mc_take_byte(head);
    c.divisor = 1;
    if (c.mode & ~MC_COLUMN_MODES)
        return MC_ECORRUPT;
    if (c.mode & MC_COLUMN_NULLS) {
        uint64_t runs = mc_take_varint(head);
        c.null_runs = (uint32_t)runs;
        c.nulls = mc_take_span(head, mc_take_varint(head));
        if (runs > count)
            return MC_ECORRUPT;
    }
    uint32_t transform = c.mode & MC_COLUMN_TRANSFORM;
    if (c.mode & MC_COLUMN_DIVIDED) {
        c.divisor = mc_take_varint(head);
        if (c.divisor < 2 || (transform != MC_COLUMN_DELTA && transform != MC_COLUMN_DELTA2))
            return MC_ECORRUPT;
    }
    c.first = mc_take_zigzag(head);
    if (c.mode & MC_COLUMN_LINE && transform != MC_COLUMN_DELTA)
        return MC_ECORRUPT;
    if (transform == MC_COLUMN_DELTA2 || c.mode & MC_COLUMN_LINE)
        c.step = mc_take_zigzag(head);
    if (transform == MC_COLUMN_DELTA || transform == MC_COLUMN_DELTA2)
        c.width = mc_take_byte(head);
    if (head->failed || c.width > 8 || count < 1 || (transform == MC_COLUMN_DELTA2 && count < 2) ||
        (transform == MC_COLUMN_LINEAR && (c.mode & ~MC_COLUMN_TOTAL) != MC_COLUMN_LINEAR) ||
        (c.mode & MC_COLUMN_TOTAL && transform != MC_COLUMN_LINEAR))
        return MC_ECORRUPT;
    *out = c;
    return 0;
}

static uint32_t rows_of(const struct mc_column *c)
{
    if (c->mode & MC_COLUMN_LINE)
        return c->count;
    return (c->mode & MC_COLUMN_TRANSFORM) == MC_COLUMN_DELTA2 ? c->count - 2 : c->count - 1;
}

uint64_t mc_column_plane_bytes(const struct mc_column *c)
{
    return (uint64_t)c->width * rows_of(c);
}

/* A row of the planes: a zigzag difference in units of the divisor. `width` is a constant where
 * this is inlined. */
static inline __attribute__((always_inline)) uint64_t row_at(const uint8_t *p, size_t rows,
                                                             uint32_t i, uint32_t width)
{
    uint64_t z = 0;
    for (uint32_t w = 0; w < width; w++)
        z |= (uint64_t)p[w * rows + i] << 8 * w;
    return (uint64_t)mc_unzigzag(z);
}

/* Put MC_VALUE_NONE where numbers are missing; values[0] is that at place `from`. */
static int get_nulls(const struct mc_column *c, int64_t *values, uint32_t from, uint32_t count)
{
    struct mc_span runs = c->nulls;
    uint32_t at = 0;
    for (uint32_t r = 0; r < c->null_runs; r++) {
        uint64_t run = mc_take_varint(&runs);
        if (runs.failed || run > c->count - at)
            return MC_ECORRUPT;
        for (uint64_t i = 0; (r & 1) && i < run; i++) {
            if (at + i >= from && at + i < (uint64_t)from + count)
                values[at + i - from] = MC_VALUE_NONE;
        }
        at += (uint32_t)run;
    }
    return at == c->count ? 0 : MC_ECORRUPT;
}

static inline __attribute__((always_inline)) void get_rows(const struct mc_column *c,
                                                           int64_t *values, uint32_t width,
                                                           uint64_t divisor)
{
    const uint8_t *p = c->planes;
    size_t rows = rows_of(c);
    uint64_t at = (uint64_t)c->first, step = (uint64_t)c->step;
    uint32_t count = c->count;
    if (c->mode & MC_COLUMN_LINE) {
        for (uint32_t i = 0; i < count; i++, at += step)
            values[i] = (int64_t)(at + row_at(p, rows, i, width) * divisor);
    } else if ((c->mode & MC_COLUMN_TRANSFORM) == MC_COLUMN_DELTA) {
        values[0] = c->first;
        for (uint32_t i = 1; i < count; i++)
            values[i] = (int64_t)(at += row_at(p, rows, i - 1, width) * divisor);
    } else {
        values[0] = c->first;
        values[1] = (int64_t)(at += step);
        for (uint32_t i = 2; i < count; i++) {
            step += row_at(p, rows, i - 2, width) * divisor;
            values[i] = (int64_t)(at += step);
        }
    }
}

static int get_bucket_tops(int64_t *values, uint32_t count)
{
    int64_t bucket = 0, top = (int64_t)mc_bucket_top(0);
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] != bucket) {
            bucket = values[i];
            if ((uint64_t)bucket >= MC_BUCKET_COUNT)
                return MC_ECORRUPT;
            top = (int64_t)mc_bucket_top((uint32_t)bucket);
        }
        values[i] = top;
    }
    return 0;
}

int mc_column_get(const struct mc_column *c, int64_t *values)
{
    uint32_t transform = c->mode & MC_COLUMN_TRANSFORM;
    if (transform == MC_COLUMN_LINEAR)
        return MC_ECORRUPT;
    if (transform == MC_COLUMN_CONST) {
        for (uint32_t i = 0; i < c->count; i++)
            values[i] = c->first;
    } else {
        /* Most are of one byte or two, and have no divisor. */
        if (c->width == 1 && c->divisor == 1)
            get_rows(c, values, 1, 1);
        else if (c->width == 1)
            get_rows(c, values, 1, c->divisor);
        else if (c->width == 2)
            get_rows(c, values, 2, c->divisor);
        else
            get_rows(c, values, c->width, c->divisor);
    }
    int rc = c->mode & MC_COLUMN_BUCKETS ? get_bucket_tops(values, c->count) : 0;
    return rc == 0 && c->mode & MC_COLUMN_NULLS ? get_nulls(c, values, 0, c->count) : rc;
}

static inline __attribute__((always_inline)) int64_t sum_rows(const struct mc_column *c, uint32_t n,
                                                              uint32_t width)
{
    const uint8_t *p = c->planes;
    size_t rows = rows_of(c);
    uint64_t at = (uint64_t)c->first, step = (uint64_t)c->step, sum = 0;
    if (c->mode & MC_COLUMN_LINE)
        return (int64_t)(at + step * n + row_at(p, rows, n, width) * c->divisor);
    if ((c->mode & MC_COLUMN_TRANSFORM) == MC_COLUMN_DELTA) {
        for (uint32_t i = 0; i < n; i++)
            sum += row_at(p, rows, i, width);
    } else {
        at += step * n;
        for (uint32_t i = 0; i + 1 < n; i++)
            sum += row_at(p, rows, i, width) * (n - 1 - i);
    }
    return (int64_t)(at + sum * c->divisor);
}

int mc_column_at(const struct mc_column *c, uint32_t i, int64_t *value)
{
    uint32_t transform = c->mode & MC_COLUMN_TRANSFORM;
    int64_t v = c->first;
    if (transform == MC_COLUMN_LINEAR)
        return MC_ECORRUPT;
    if (transform != MC_COLUMN_CONST)
        v = c->width == 1   ? sum_rows(c, i, 1)
            : c->width == 2 ? sum_rows(c, i, 2)
                            : sum_rows(c, i, c->width);
    int rc = c->mode & MC_COLUMN_BUCKETS ? get_bucket_tops(&v, 1) : 0;
    if (rc == 0 && c->mode & MC_COLUMN_NULLS)
        rc = get_nulls(c, &v, i, 1);
    if (rc == 0)
        *value = v;
    return rc;
}
