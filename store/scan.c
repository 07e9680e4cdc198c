/* scan.c: events, gaps and single numbers over a span of a run. */
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
            *rc = mc_chunk_value(c, value_idx[v], to, values + (size_t)value_count * frames);
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

/* The next row and its numbers, as one state of the file. */
static int next_values(struct mc_row_walk *walk, const uint32_t *value_idx, uint32_t value_count,
                       struct mc_row **row, int64_t **values, int *rc)
{
    int end = mc_reader_begin(walk->reader);
    if (end == 0) {
        end = mc_row_walk_next(walk, row);
        if (end == 0)
            *values = row_values(*row, value_idx, value_count, rc);
        mc_reader_end(walk->reader);
    }
    return end;
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
        int64_t *values;
        int end = next_values(&walk, value_idx, value_count, &row, &values, &rc);
        if (end)
            return end == MC_END ? 0 : end;
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
