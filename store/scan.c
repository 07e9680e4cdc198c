/* scan.c: events, gaps, envelopes and single numbers over a span of a run. */
#include <stdlib.h>
#include <string.h>

#include "store/plain.h"
#include "store/reader_priv.h"
#include "tracer/error.h"

/* ---- events --------------------------------------------------------------------------------- */

struct event_scan {
    int64_t from, to;
    uint64_t conn_id;
    mc_event_fn fn;
    void *arg;
};

static int scan_frame(const struct event_scan *s, struct mc_row *row, uint32_t frame_idx,
                      const struct mc_schema *schema)
{
    const struct mc_event *events;
    size_t count;
    int rc = mc_row_events(row, frame_idx, MC_EVENT_TYPES_ALL, &events, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct mc_event *e = &events[i];
        if (e->ts >= s->from && e->ts < s->to && (!s->conn_id || e->conn_id == s->conn_id))
            rc = s->fn(s->arg, schema, e);
    }
    return rc;
}

int mc_reader_events(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                     uint64_t conn_id, mc_event_fn fn, void *arg)
{
    struct event_scan scan = {from, to, conn_id, fn, arg};
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc < 0)
        return rc;
    /* An event stands in the first frame at or after it; rings that were read late can hold older
     * ones, so that frames up to LATE_NS behind `to` are looked at too. */
    enum { LATE_NS = 2000000000 };
    struct mc_row_walk walk;
    mc_row_walk_init(&walk, r, run_id, from, to < INT64_MAX - LATE_NS ? to + LATE_NS : INT64_MAX);
    for (;;) {
        struct mc_row *row;
        rc = mc_row_walk_next(&walk, &row);
        if (rc)
            return rc == MC_END ? 0 : rc;
        struct mc_schema view;
        for (uint32_t f = 0; rc == 0 && f < row->chunk.info.frame_count; f++) {
            if (row->chunk.ts[f] < from || row->chunk.ts[f] >= walk.to)
                continue;
            mc_run_schema_view(schema, row->chunk.ts[f], &view);
            rc = scan_frame(&scan, row, f, &view);
        }
        mc_row_close(row);
        if (rc && !(rc == MC_END || mc_row_is_damage(rc)))
            return rc;
        rc = mc_reader_run_schema(r, run_id, &schema);
        if (rc < 0)
            return rc;
    }
}

/* ---- gaps ----------------------------------------------------------------------------------- */

static int stored_gaps(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                       struct mc_buf *out)
{
    struct mc_plain_walk *walk;
    const struct mc_plain_row *row;
    const struct mc_plain_range range = {run_id, run_id, INT64_MIN, to};
    int rc = mc_plain_walk_open(r->db, MC_PLAIN_GAP, &range, &walk);
    if (rc < 0)
        return rc;
    while (rc == 0 && (rc = mc_plain_walk_next(walk, &row)) == 0) {
        const struct mc_plain_value *reason = &row->values[3];
        struct mc_gap g = {row->ts, row->values[2].number, (uint64_t)row->values[4].number, {0}};
        size_t n = reason->text ? strnlen(reason->text, reason->text_bytes) : 0;
        if (n)
            memcpy(g.reason, reason->text, n < sizeof g.reason ? n : sizeof g.reason - 1);
        rc = mc_gap_add(out, &g, from, to);
    }
    mc_plain_walk_close(walk);
    return rc == MC_END ? 0 : rc;
}

static int by_ts(const void *a, const void *b)
{
    const struct mc_gap *x = a, *y = b;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

int mc_reader_gaps(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                   struct mc_gap **out, size_t *count)
{
    struct mc_buf gaps = {0};
    int rc = stored_gaps(r, run_id, from, to, &gaps);
    if (rc == 0)
        rc = mc_reader_holes(r, run_id, from, to, &gaps);
    if (rc == 0 && !mc_buf_reserve(&gaps, 1))
        rc = MC_ENOMEM;
    if (rc < 0) {
        mc_buf_fini(&gaps);
        return rc;
    }
    *out = (struct mc_gap *)gaps.bytes;
    *count = gaps.count / sizeof **out;
    qsort(*out, *count, sizeof **out, by_ts);
    return 0;
}

/* ---- envelope ------------------------------------------------------------------------------- */

struct envelope {
    int64_t from, to;
    const uint32_t *value_idx;
    uint32_t value_count, bucket_count;
    int64_t *min, *max;
};

static uint32_t bucket_at(const struct envelope *e, int64_t ts)
{
    return (uint32_t)((unsigned __int128)(uint64_t)(ts - e->from) * e->bucket_count /
                      (uint64_t)(e->to - e->from));
}

static void widen(struct envelope *e, uint32_t value, uint32_t bucket, int64_t min, int64_t max)
{
    size_t at = (size_t)value * e->bucket_count + bucket;
    if (min == MC_VALUE_NONE)
        return;
    if (e->min[at] == MC_VALUE_NONE || min < e->min[at])
        e->min[at] = min;
    if (e->max[at] == MC_VALUE_NONE || max > e->max[at])
        e->max[at] = max;
}

/* The whole row falls into one bucket: its summary answers. */
static int add_summary(struct envelope *e, struct mc_reader *r, const struct mc_row_ref *ref)
{
    struct mc_chunk_head *head = malloc(sizeof *head);
    struct mc_value_summary *summary = NULL;
    int rc = head ? mc_row_head(r, ref, head, &summary) : MC_ENOMEM;
    if (rc == 0) {
        uint32_t bucket = bucket_at(e, ref->first_ts);
        for (uint32_t v = 0; v < e->value_count; v++) {
            uint32_t i = e->value_idx[v];
            if (i < head->value_count)
                widen(e, v, bucket, summary[i].min, summary[i].max);
        }
    }
    free(summary);
    free(head);
    return rc;
}

/* Decode one value of a row into values[0..frame_count). */
static int decode_value(struct mc_chunk *c, uint32_t value_idx, int64_t *values, int64_t *scratch)
{
    const struct mc_source *source = mc_schema_source_of_value(c->schema, value_idx);
    int rc = mc_chunk_numbers(c, source->kind);
    if (rc < 0)
        return rc;
    const struct mc_numbers *n = &c->numbers[source->kind];
    for (uint32_t i = 0; i < n->source_count; i++) {
        if (n->sources[i].source_idx == source->source_idx)
            return mc_numbers_get(n, i, value_idx - source->value_idx, values, scratch);
    }
    return MC_ECORRUPT;
}

static int add_frames(struct envelope *e, struct mc_row *row)
{
    struct mc_chunk *c = &row->chunk;
    uint32_t frames = c->info.frame_count;
    int64_t *values = malloc(2 * frames * sizeof *values);
    int rc = values ? 0 : MC_ENOMEM;
    for (uint32_t v = 0; rc == 0 && v < e->value_count; v++) {
        if (e->value_idx[v] >= c->info.value_count)
            continue;
        rc = decode_value(c, e->value_idx[v], values, values + frames);
        for (uint32_t f = 0; rc == 0 && f < frames; f++) {
            if (c->ts[f] >= e->from && c->ts[f] < e->to)
                widen(e, v, bucket_at(e, c->ts[f]), values[f], values[f]);
        }
    }
    free(values);
    return rc;
}

static int add_row(struct envelope *e, struct mc_reader *r, const struct mc_row_ref *ref)
{
    if (!ref->is_tail && ref->first_ts >= e->from && ref->last_ts < e->to &&
        ref->first_ts <= ref->last_ts && bucket_at(e, ref->first_ts) == bucket_at(e, ref->last_ts))
        return add_summary(e, r, ref);
    struct mc_row *row;
    int rc = mc_row_open(r, ref, 0, &row);
    if (rc)
        return rc;
    rc = add_frames(e, row);
    mc_row_close(row);
    return rc;
}

int mc_reader_envelope(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                       const uint32_t *value_idx, uint32_t value_count, uint32_t bucket_count,
                       int64_t *min, int64_t *max)
{
    struct envelope e = {from, to, value_idx, value_count, bucket_count, min, max};
    struct mc_run_schema *schema;
    if (to <= from || !bucket_count)
        return MC_EINVAL;
    int rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < (size_t)value_count * bucket_count; i++)
        min[i] = max[i] = MC_VALUE_NONE;
    int64_t at = from == INT64_MIN ? from : from - 1;
    for (;;) {
        struct mc_row_ref ref;
        rc = mc_row_next(r, run_id, at, &ref);
        if (rc)
            return rc == MC_END ? 0 : rc;
        if (ref.first_ts >= to && ref.last_ts >= ref.first_ts)
            return 0;
        rc = add_row(&e, r, &ref);
        if (rc == MC_END)
            continue; /* sealed or dropped meanwhile: look again */
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        at = ref.last_ts;
    }
}

/* ---- single numbers ------------------------------------------------------------------------- */

/* The wanted numbers of a row, value-major, with room behind them for a frame's; free with free().
 * NULL and *rc when it can't be. */
static int64_t *row_values(struct mc_row *row, const uint32_t *value_idx, uint32_t value_count,
                           int *rc)
{
    struct mc_chunk *c = &row->chunk;
    uint32_t frames = c->info.frame_count;
    size_t cell_count = ((size_t)value_count + 1) * frames;
    int64_t *values = malloc((cell_count + value_count) * sizeof *values);
    *rc = values ? 0 : MC_ENOMEM;
    for (uint32_t v = 0; *rc == 0 && v < value_count; v++) {
        int64_t *to = values + (size_t)v * frames;
        if (value_idx[v] < c->info.value_count) {
            *rc = decode_value(c, value_idx[v], to, values + (size_t)value_count * frames);
            continue;
        }
        for (uint32_t f = 0; f < frames; f++)
            to[f] = MC_VALUE_NONE;
    }
    if (*rc == 0)
        return values;
    free(values);
    return NULL;
}

static int tell_values(const struct mc_row *row, int64_t from, int64_t to, int64_t *values,
                       uint32_t value_count, mc_values_fn fn, void *arg)
{
    uint32_t frames = row->chunk.info.frame_count;
    int64_t *of_frame = values + ((size_t)value_count + 1) * frames;
    int rc = 0;
    for (uint32_t f = 0; rc == 0 && f < frames; f++) {
        int64_t ts = row->chunk.ts[f];
        if (ts < from || ts >= to)
            continue;
        for (uint32_t v = 0; v < value_count; v++)
            of_frame[v] = values[(size_t)v * frames + f];
        rc = fn(arg, ts, of_frame);
    }
    return rc;
}

int mc_reader_values(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                     const uint32_t *value_idx, uint32_t value_count, mc_values_fn fn, void *arg)
{
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc < 0)
        return rc;
    struct mc_row_walk walk;
    mc_row_walk_init(&walk, r, run_id, from, to);
    for (;;) {
        struct mc_row *row;
        rc = mc_row_walk_next(&walk, &row);
        if (rc)
            return rc == MC_END ? 0 : rc;
        int64_t *values = row_values(row, value_idx, value_count, &rc);
        int told = values ? tell_values(row, from, to, values, value_count, fn, arg) : 0;
        free(values);
        mc_row_close(row);
        if (told)
            return told;
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        /* A tail that is sealed meanwhile comes again as the start of its chunk. */
        from = walk.last_ts < INT64_MAX ? walk.last_ts + 1 : INT64_MAX;
    }
}
