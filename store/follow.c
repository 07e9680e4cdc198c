/* follow.c: bucket counts less what follows from response events. The format stands in follow.h. */
#include "store/follow.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/pack.h"
#include "tracer/error.h"

#define SECOND_NS INT64_C(1000000000)
#define OWNER_ROW MC_FOLLOW_ROUTES
#define WORDS (sizeof((struct mc_follow_row *)0)->touched / sizeof(uint64_t))

/* An add whose count may be below 0: one that is expected, or a difference to it. */
struct mc_follow_add {
    uint32_t source_idx, bucket_idx;
    int64_t count;
};

void mc_follow_init(struct mc_follow *f)
{
    memset(f, 0, sizeof *f);
    f->owner_source = UINT32_MAX;
}

void mc_follow_fini(struct mc_follow *f)
{
    for (uint32_t i = 0; i <= OWNER_ROW; i++)
        free(f->rows[i].counts);
    mc_buf_fini(&f->expected);
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++)
        mc_buf_fini(&f->column[i]);
    mc_buf_fini(&f->stored);
    mc_buf_fini(&f->adds);
    free(f->starts);
    free(f->as_is);
    memset(f, 0, sizeof *f);
}

/* ---- what is expected ------------------------------------------------------------------------ */

static int init_row(struct mc_follow_row *row, uint32_t source_idx)
{
    row->source_idx = source_idx;
    if (!row->counts)
        row->counts = calloc(MC_BUCKET_COUNT, sizeof *row->counts);
    return row->counts ? 0 : MC_ENOMEM;
}

/* The row of a route's source, made when there is none. */
static int row_of(struct mc_follow *f, uint32_t source_idx, uint32_t *out)
{
    uint32_t at = 0;
    while (at < f->row_count && f->rows[f->order[at]].source_idx < source_idx)
        at++;
    if (at < f->row_count && f->rows[f->order[at]].source_idx == source_idx) {
        *out = f->order[at];
        return 0;
    }
    int rc = init_row(&f->rows[f->row_count], source_idx);
    if (rc < 0)
        return rc;
    memmove(&f->order[at + 1], &f->order[at], (f->row_count - at) * sizeof f->order[0]);
    f->order[at] = *out = f->row_count++;
    return 0;
}

static int add_route(struct mc_follow *f, uint32_t method, uint32_t detail, uint32_t source_idx)
{
    struct mc_follow_route r = {method, detail, source_idx, UINT32_MAX};
    int rc = source_idx == UINT32_MAX ? 0 : row_of(f, source_idx, &r.row);
    if (rc == 0)
        f->routes[f->route_count++] = r;
    return rc;
}

static const struct mc_follow_route *find_route(const struct mc_follow *f, const struct mc_event *e)
{
    for (uint32_t i = 0; i < f->route_count; i++) {
        if (f->routes[i].detail == e->detail && f->routes[i].method == e->method)
            return &f->routes[i];
    }
    return NULL;
}

static int is_counted(const struct mc_event *e, int64_t ts)
{
    return e->type == MC_EVENT_RESPONSE && e->status && e->dur_ns &&
           e->ts >= mc_wrap_sub(ts, SECOND_NS);
}

static void count(struct mc_follow_row *row, uint32_t bucket_idx, int64_t by)
{
    row->counts[bucket_idx] = mc_wrap_add(row->counts[bucket_idx], by);
    row->touched[bucket_idx / 64] |= UINT64_C(1) << bucket_idx % 64;
}

/* Count the frame's responses into the rows. */
static void count_events(struct mc_follow *f, uint32_t frame_idx, int64_t ts,
                         const struct mc_event *events, size_t event_count)
{
    int has_owner = f->owner_source != UINT32_MAX && frame_idx >= f->owner_from;
    for (size_t i = 0; i < event_count; i++) {
        if (!is_counted(&events[i], ts))
            continue;
        uint32_t bucket_idx = mc_bucket_of(events[i].dur_ns);
        const struct mc_follow_route *r = find_route(f, &events[i]);
        if (r && r->row != UINT32_MAX)
            count(&f->rows[r->row], bucket_idx, 1);
        if (has_owner)
            count(&f->rows[OWNER_ROW], bucket_idx, 1);
    }
}

/* Append a row's counts to the expected ones; it is all 0 again. */
static void take_row(struct mc_follow *f, struct mc_follow_row *row)
{
    for (size_t w = 0; w < WORDS; w++) {
        for (uint64_t bits = row->touched[w]; bits; bits &= bits - 1) {
            uint32_t bucket_idx = (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct mc_follow_add a = {row->source_idx, bucket_idx, row->counts[bucket_idx]};
            row->counts[bucket_idx] = 0;
            if (a.count)
                mc_buf_add(&f->expected, &a, sizeof a);
        }
        row->touched[w] = 0;
    }
}

/* All rows into the list of what is expected, by source and bucket. */
static void take_rows(struct mc_follow *f)
{
    int owner_due = f->owner_source != UINT32_MAX;
    f->expected.count = 0;
    for (uint32_t i = 0; i < f->row_count; i++) {
        struct mc_follow_row *row = &f->rows[f->order[i]];
        if (owner_due && f->owner_source < row->source_idx) {
            take_row(f, &f->rows[OWNER_ROW]);
            owner_due = 0;
        }
        take_row(f, row);
    }
    if (owner_due)
        take_row(f, &f->rows[OWNER_ROW]);
}

static int comes_before(const struct mc_follow_add *a, uint32_t source_idx, uint32_t bucket_idx)
{
    return a->source_idx < source_idx ||
           (a->source_idx == source_idx && a->bucket_idx < bucket_idx);
}

/* ---- writing --------------------------------------------------------------------------------- */

void mc_follow_begin(struct mc_follow *f)
{
    f->route_count = f->row_count = 0;
    f->owner_source = UINT32_MAX;
    f->any = 0;
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++) {
        f->column[i].count = 0;
        f->column[i].failed = 0;
    }
}

/* The source of a route, by the name that the sampler gives it. */
static uint32_t source_of(const struct mc_schema *schema, uint32_t method, uint32_t detail)
{
    const char *first = mc_schema_string(schema, method);
    const char *second = mc_schema_string(schema, detail);
    char name[520];
    snprintf(name, sizeof name, "%s%s%s", first, *first && *second ? " " : "", second);
    const struct mc_source *source = mc_schema_find(schema, MC_KIND_ROUTE, name);
    return source ? source->source_idx : UINT32_MAX;
}

/* Get to know the routes of the frame's responses, and an owner. */
static int learn(struct mc_follow *f, uint32_t frame_idx, const struct mc_frame *frame)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < frame->event_count; i++) {
        const struct mc_event *e = &frame->events[i];
        if (is_counted(e, frame->ts) && f->route_count < MC_FOLLOW_ROUTES && !find_route(f, e))
            rc = add_route(f, e->method, e->detail, source_of(frame->schema, e->method, e->detail));
    }
    for (size_t i = 0; rc == 0 && f->owner_source == UINT32_MAX && i < frame->bucket_count; i++) {
        uint32_t source_idx = frame->buckets[i].source_idx;
        if (frame->schema->sources[source_idx].kind != MC_KIND_OWNER)
            continue;
        rc = init_row(&f->rows[OWNER_ROW], source_idx);
        f->owner_source = source_idx;
        f->owner_from = frame_idx;
    }
    return rc;
}

/* Whether the adds are in order and can be told as differences. */
static int is_orderly(const struct mc_frame *frame)
{
    for (size_t i = 0; i < frame->bucket_count; i++) {
        const struct mc_bucket_add *b = &frame->buckets[i];
        if (!b->count || b->count > INT64_MAX / 2 || b->bucket_idx >= MC_BUCKET_COUNT ||
            b->source_idx >= frame->schema->source_count)
            return 0;
        if (i && (b[-1].source_idx > b->source_idx ||
                  (b[-1].source_idx == b->source_idx && b[-1].bucket_idx >= b->bucket_idx)))
            return 0;
    }
    return 1;
}

/* Where the columns of a frame stand. */
struct place {
    uint32_t source_idx, bucket_idx;
};

static void put_place(struct mc_follow *f, struct place *p, uint32_t source_idx,
                      uint32_t bucket_idx)
{
    if (source_idx != p->source_idx)
        p->bucket_idx = 0;
    mc_put_zigzag(&f->column[1], (int64_t)source_idx - (int64_t)p->source_idx);
    mc_put_zigzag(&f->column[2], (int64_t)bucket_idx - (int64_t)p->bucket_idx);
    *p = (struct place){source_idx, bucket_idx};
}

static void put_as_is(struct mc_follow *f, const struct mc_frame *frame)
{
    struct place p = {0, 0};
    mc_put_varint(&f->column[0], frame->bucket_count * 2 + 1);
    for (size_t i = 0; i < frame->bucket_count; i++) {
        put_place(f, &p, frame->buckets[i].source_idx, frame->buckets[i].bucket_idx);
        mc_put_varint(&f->column[3], frame->buckets[i].count);
    }
}

/* The difference of what was counted and what was expected: both lists are in order. */
static void put_differences(struct mc_follow *f, const struct mc_frame *frame)
{
    const struct mc_follow_add *e = (const void *)f->expected.bytes;
    const struct mc_follow_add *end = e + f->expected.count / sizeof *e;
    const struct mc_bucket_add *b = frame->buckets, *last = b + frame->bucket_count;
    struct place p = {0, 0};
    uint64_t n = 0;
    while (e < end || b < last) {
        struct mc_follow_add d;
        if (b == last || (e < end && comes_before(e, b->source_idx, b->bucket_idx))) {
            d = (struct mc_follow_add){e->source_idx, e->bucket_idx, -e->count};
            e++;
        } else {
            d = (struct mc_follow_add){b->source_idx, b->bucket_idx, (int64_t)b->count};
            if (e < end && e->source_idx == b->source_idx && e->bucket_idx == b->bucket_idx)
                d.count -= e++->count;
            b++;
        }
        if (!d.count)
            continue;
        put_place(f, &p, d.source_idx, d.bucket_idx);
        mc_put_zigzag(&f->column[3], d.count);
        n++;
    }
    mc_put_varint(&f->column[0], n * 2);
}

int mc_follow_put(struct mc_follow *f, uint32_t frame_idx, const struct mc_frame *frame)
{
    if (!is_orderly(frame)) {
        f->any = 1;
        put_as_is(f, frame);
        return 0;
    }
    int rc = learn(f, frame_idx, frame);
    if (rc < 0)
        return rc;
    count_events(f, frame_idx, frame->ts, frame->events, frame->event_count);
    for (size_t i = 0; f->owner_source != UINT32_MAX && i < frame->bucket_count; i++) {
        const struct mc_bucket_add *b = &frame->buckets[i];
        if (b->source_idx != f->owner_source &&
            frame->schema->sources[b->source_idx].kind == MC_KIND_OWNER)
            count(&f->rows[OWNER_ROW], b->bucket_idx, -(int64_t)b->count);
    }
    take_rows(f);
    f->any |= f->expected.count || frame->bucket_count;
    put_differences(f, frame);
    return f->expected.failed ? MC_ENOMEM : 0;
}

/* The part of the frames from `frame_idx` on, whose columns begin at `from`. */
static int put_part(const struct mc_follow *f, const size_t from[MC_FOLLOW_COLUMNS],
                    uint32_t frame_idx, struct mc_buf *raw)
{
    if (!f->any)
        return 0;
    mc_put_varint(raw, f->route_count);
    for (uint32_t i = 0; i < f->route_count; i++) {
        mc_put_varint(raw, f->routes[i].method);
        mc_put_varint(raw, f->routes[i].detail);
        mc_put_varint(raw, (uint32_t)(f->routes[i].source_idx + 1));
    }
    int has_owner = f->owner_source != UINT32_MAX;
    mc_put_varint(raw, (uint32_t)(f->owner_source + 1));
    mc_put_varint(raw, has_owner && f->owner_from > frame_idx ? f->owner_from - frame_idx : 0);
    int failed = 0;
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++)
        mc_put_varint(raw, f->column[i].count - from[i]);
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++) {
        failed |= f->column[i].failed;
        if (f->column[i].count > from[i])
            mc_buf_add(raw, f->column[i].bytes + from[i], f->column[i].count - from[i]);
    }
    return failed || raw->failed ? MC_ENOMEM : 0;
}

int mc_follow_end(const struct mc_follow *f, struct mc_buf *raw)
{
    static const size_t start[MC_FOLLOW_COLUMNS];
    return put_part(f, start, 0, raw);
}

void mc_follow_set_mark(struct mc_follow *f, uint32_t frame_idx)
{
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++)
        f->mark[i] = f->column[i].count;
    f->mark_frame = frame_idx;
}

int mc_follow_end_mark(const struct mc_follow *f, struct mc_buf *raw)
{
    return put_part(f, f->mark, f->mark_frame, raw);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The 1-based number of a source of that kind; 0 gives UINT32_MAX. */
static int take_source(struct mc_span *s, const struct mc_schema *schema, uint32_t source_count,
                       int kind, uint32_t *out)
{
    uint64_t number = mc_take_varint(s);
    if (s->failed || number > source_count || (number && schema->sources[number - 1].kind != kind))
        return MC_ECORRUPT;
    *out = (uint32_t)number - 1;
    return 0;
}

static int parse_head(struct mc_follow *f, const struct mc_schema *schema, uint32_t source_count,
                      uint32_t frame_count, struct mc_span *s)
{
    uint64_t route_count = mc_take_varint(s);
    int rc = s->failed || route_count > MC_FOLLOW_ROUTES ? MC_ECORRUPT : 0;
    for (uint64_t i = 0; rc == 0 && i < route_count; i++) {
        uint64_t method = mc_take_varint(s), detail = mc_take_varint(s);
        uint32_t source_idx = 0;
        rc = take_source(s, schema, source_count, MC_KIND_ROUTE, &source_idx);
        if (rc == 0 && (method > UINT32_MAX || detail > UINT32_MAX))
            rc = MC_ECORRUPT;
        if (rc == 0)
            rc = add_route(f, (uint32_t)method, (uint32_t)detail, source_idx);
    }
    if (rc == 0)
        rc = take_source(s, schema, source_count, MC_KIND_OWNER, &f->owner_source);
    uint64_t from = mc_take_varint(s);
    if (rc == 0 && (s->failed || from >= frame_count))
        rc = MC_ECORRUPT;
    f->owner_from = (uint32_t)from;
    return rc < 0 || f->owner_source == UINT32_MAX ? rc
                                                   : init_row(&f->rows[OWNER_ROW], f->owner_source);
}

/* The adds of all frames into f->stored. */
static int parse_adds(struct mc_follow *f, uint32_t source_count, uint32_t frame_count,
                      struct mc_span column[MC_FOLLOW_COLUMNS], uint64_t most)
{
    uint64_t total = 0;
    for (uint32_t frame = 0; frame < frame_count; frame++) {
        uint64_t head = mc_take_varint(&column[0]), count_now = head / 2;
        int64_t source_idx = 0, bucket_idx = 0;
        struct mc_follow_add last = {0, 0, 0};
        if (count_now > most - total)
            return MC_ECORRUPT;
        f->as_is[frame] = head & 1;
        for (uint64_t i = 0; i < count_now; i++) {
            int64_t step = mc_take_zigzag(&column[1]);
            if (step)
                bucket_idx = 0;
            source_idx = mc_wrap_add(source_idx, step);
            bucket_idx = mc_wrap_add(bucket_idx, mc_take_zigzag(&column[2]));
            if (source_idx < 0 || source_idx >= source_count || bucket_idx < 0 ||
                bucket_idx >= MC_BUCKET_COUNT)
                return MC_ECORRUPT;
            const struct mc_follow_add a = {(uint32_t)source_idx, (uint32_t)bucket_idx,
                                            head & 1 ? (int64_t)mc_take_varint(&column[3])
                                                     : mc_take_zigzag(&column[3])};
            if (i && !(head & 1) && !comes_before(&last, a.source_idx, a.bucket_idx))
                return MC_ECORRUPT;
            last = a;
            mc_buf_add(&f->stored, &a, sizeof a);
        }
        total += count_now;
        f->starts[frame + 1] = (uint32_t)total;
    }
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++) {
        if (column[i].failed)
            return MC_ECORRUPT;
    }
    return f->stored.failed ? MC_ENOMEM : 0;
}

int mc_follow_parse(struct mc_follow *f, const struct mc_schema *schema, uint32_t source_count,
                    uint32_t frame_count, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw), column[MC_FOLLOW_COLUMNS];
    uint64_t sizes[MC_FOLLOW_COLUMNS];
    int rc = parse_head(f, schema, source_count, frame_count, &s);
    if (rc < 0)
        return rc;
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++)
        sizes[i] = mc_take_varint(&s);
    for (int i = 0; i < MC_FOLLOW_COLUMNS; i++)
        column[i] = mc_take_span(&s, sizes[i]);
    if (s.failed || s.at != s.end)
        return MC_ECORRUPT;
    f->starts = calloc(frame_count + 1u, sizeof *f->starts);
    f->as_is = calloc(frame_count, 1);
    if (!f->starts || !f->as_is)
        return MC_ENOMEM;
    /* Each add has at least a byte in each of its columns. */
    return parse_adds(f, source_count, frame_count, column, sizes[3]);
}

static int add_out(struct mc_follow *f, const struct mc_follow_add *a, int64_t more)
{
    int64_t sum = mc_wrap_add(a->count, more);
    if (sum < 0)
        return MC_ECORRUPT;
    const struct mc_bucket_add b = {a->source_idx, a->bucket_idx, (uint64_t)sum};
    if (sum)
        mc_buf_add(&f->adds, &b, sizeof b);
    return 0;
}

/* Expected and stored adds, both in order, into one list. */
static int merge(struct mc_follow *f, const struct mc_follow_add *d,
                 const struct mc_follow_add *last)
{
    const struct mc_follow_add *e = (const void *)f->expected.bytes;
    const struct mc_follow_add *end = e + f->expected.count / sizeof *e;
    int rc = 0;
    while (rc == 0 && (e < end || d < last)) {
        if (d == last || (e < end && comes_before(e, d->source_idx, d->bucket_idx))) {
            rc = add_out(f, e++, 0);
        } else if (e < end && e->source_idx == d->source_idx && e->bucket_idx == d->bucket_idx) {
            rc = add_out(f, d++, e++->count);
        } else {
            rc = add_out(f, d++, 0);
        }
    }
    return rc;
}

int mc_follow_get(struct mc_follow *f, const struct mc_schema *schema, uint32_t frame_idx,
                  int64_t ts, const struct mc_event *events, size_t event_count,
                  const struct mc_bucket_add **adds, size_t *add_count)
{
    const struct mc_follow_add *all = (const void *)f->stored.bytes;
    const struct mc_follow_add *d = all ? all + f->starts[frame_idx] : NULL;
    const struct mc_follow_add *last = all ? all + f->starts[frame_idx + 1] : NULL;
    int rc = 0;
    f->expected.count = f->adds.count = 0;
    if (f->as_is[frame_idx]) {
        for (; d < last; d++) {
            const struct mc_bucket_add b = {d->source_idx, d->bucket_idx, (uint64_t)d->count};
            mc_buf_add(&f->adds, &b, sizeof b);
        }
    } else {
        count_events(f, frame_idx, ts, events, event_count);
        for (const struct mc_follow_add *o = d;
             f->owner_source != UINT32_MAX && frame_idx >= f->owner_from && o < last; o++) {
            if (o->source_idx != f->owner_source &&
                schema->sources[o->source_idx].kind == MC_KIND_OWNER)
                count(&f->rows[OWNER_ROW], o->bucket_idx, -o->count);
        }
        take_rows(f);
        rc = merge(f, d, last);
    }
    if (rc == 0 && (f->adds.failed || f->expected.failed))
        rc = MC_ENOMEM;
    *adds = (const void *)f->adds.bytes;
    *add_count = f->adds.count / sizeof **adds;
    return rc;
}
