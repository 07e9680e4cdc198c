/* envelope.c: the least and the most of values over equal slices of a span.
 *
 * A chunk that lies within one slice is answered by its summary. One that an edge goes through is
 * looked at after those, and only for what its summary would still change in a slice it touches; of
 * it only the asked columns are decoded.
 */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "tracer/error.h"
#include "tracer/grow.h"

/* The frames of a row that are in one slice. */
struct cut {
    uint32_t slice, first, end;
};

struct envelope {
    struct mc_reader *reader; /* borrowed */
    int64_t run_id, from, to;
    const uint32_t *value_idx; /* borrowed */
    uint32_t value_count, slice_count;
    int64_t *min, *max; /* borrowed; value-major */
    struct mc_buf late; /* struct mc_row_ref of the chunks that edges go through */
    struct cut *cuts;   /* owned; of the row that is looked at */
    uint32_t cut_count, cut_room;
};

static uint32_t slice_at(const struct envelope *e, int64_t ts)
{
    return (uint32_t)((unsigned __int128)((uint64_t)ts - (uint64_t)e->from) * e->slice_count /
                      ((uint64_t)e->to - (uint64_t)e->from));
}

/* The first ts behind a slice. */
static int64_t end_of_slice(const struct envelope *e, uint32_t slice)
{
    unsigned __int128 span = (uint64_t)e->to - (uint64_t)e->from;
    unsigned __int128 end = (span * (slice + 1u) + e->slice_count - 1) / e->slice_count;
    return (int64_t)((uint64_t)e->from + (uint64_t)end);
}

static void widen(struct envelope *e, uint32_t value, uint32_t slice, int64_t min, int64_t max)
{
    size_t at = (size_t)value * e->slice_count + slice;
    if (min == MC_VALUE_NONE)
        return;
    if (e->min[at] == MC_VALUE_NONE || min < e->min[at])
        e->min[at] = min;
    if (e->max[at] == MC_VALUE_NONE || max > e->max[at])
        e->max[at] = max;
}

static int is_within(const struct envelope *e, const struct mc_row_ref *ref)
{
    return !ref->is_tail && ref->first_ts >= e->from && ref->last_ts < e->to &&
           ref->first_ts <= ref->last_ts;
}

/* The whole row is in one slice: its summary answers. */
static int add_summary(struct envelope *e, const struct mc_row_ref *ref)
{
    struct mc_chunk_head *head = malloc(sizeof *head);
    struct mc_value_summary *summary = NULL;
    int rc = head ? mc_row_head(e->reader, ref, head, &summary) : MC_ENOMEM;
    for (uint32_t v = 0; rc == 0 && v < e->value_count; v++) {
        uint32_t i = e->value_idx[v];
        if (i < head->value_count)
            widen(e, v, slice_at(e, ref->first_ts), summary[i].min, summary[i].max);
    }
    free(summary);
    free(head);
    return rc;
}

/* ---- rows that edges go through -------------------------------------------------------------- */

static int cut_row(struct envelope *e, const struct mc_chunk *c)
{
    uint32_t frames = c->info.frame_count, f = 0;
    e->cut_count = 0;
    while (f < frames && c->ts[f] < e->from)
        f++;
    while (f < frames && c->ts[f] < e->to) {
        struct cut *cuts = mc_grown(e->cuts, e->cut_count, &e->cut_room, sizeof *cuts);
        if (!cuts)
            return MC_ENOMEM;
        e->cuts = cuts;
        struct cut *cut = &cuts[e->cut_count++];
        *cut = (struct cut){slice_at(e, c->ts[f]), f, f};
        int64_t end_ts = end_of_slice(e, cut->slice);
        while (f < frames && c->ts[f] < end_ts)
            f++;
        cut->end = f;
    }
    return 0;
}

/* Whether every slice that the row touches has been as low and as high as the row ever is. */
static int is_known(const struct envelope *e, uint32_t value, const struct mc_value_summary *s)
{
    if (s->min == MC_VALUE_NONE)
        return 1;
    for (uint32_t i = 0; i < e->cut_count; i++) {
        size_t at = (size_t)value * e->slice_count + e->cuts[i].slice;
        if (e->min[at] == MC_VALUE_NONE || e->min[at] > s->min || e->max[at] < s->max)
            return 0;
    }
    return 1;
}

/* One number in all frames from the source's first on. */
static void add_same(struct envelope *e, uint32_t value, uint32_t first_frame, int64_t number)
{
    for (uint32_t i = 0; i < e->cut_count; i++) {
        if (e->cuts[i].end > first_frame)
            widen(e, value, e->cuts[i].slice, number, number);
    }
}

static void add_numbers(struct envelope *e, uint32_t value, const int64_t *numbers)
{
    for (uint32_t i = 0; i < e->cut_count; i++) {
        const struct cut *cut = &e->cuts[i];
        /* A missing number is the least of all, and one less than that the most. */
        int64_t max = MC_VALUE_NONE, min_less_one = INT64_MAX;
        for (uint32_t f = cut->first; f < cut->end; f++) {
            int64_t less_one = mc_wrap_sub(numbers[f], 1);
            max = numbers[f] > max ? numbers[f] : max;
            min_less_one = less_one < min_less_one ? less_one : min_less_one;
        }
        widen(e, value, cut->slice, mc_wrap_add(min_less_one, 1), max);
    }
}

static int add_row(struct envelope *e, struct mc_row *row)
{
    struct mc_chunk *c = &row->chunk;
    uint32_t frames = c->info.frame_count;
    int64_t *numbers = malloc(2 * frames * sizeof *numbers);
    int rc = numbers ? cut_row(e, c) : MC_ENOMEM;
    for (uint32_t v = 0; rc == 0 && v < e->value_count; v++) {
        uint32_t value_idx = e->value_idx[v];
        if (value_idx >= c->info.value_count ||
            (row->summary && is_known(e, v, &row->summary[value_idx])))
            continue;
        const struct mc_numbers *n;
        uint32_t i, field_idx;
        int64_t same;
        rc = mc_chunk_column(c, value_idx, &n, &i, &field_idx);
        if (rc == 0 && mc_numbers_same(n, i, field_idx, &same)) {
            add_same(e, v, n->sources[i].first_frame, same);
        } else if (rc == 0) {
            rc = mc_numbers_get(n, i, field_idx, numbers, numbers + frames);
            if (rc == 0)
                add_numbers(e, v, numbers);
        }
    }
    free(numbers);
    return rc;
}

static int open_and_add(struct envelope *e, const struct mc_row_ref *ref)
{
    struct mc_row *row;
    int rc = mc_row_open(e->reader, ref, !ref->is_tail, &row);
    if (rc)
        return rc;
    rc = add_row(e, row);
    mc_row_close(row);
    return rc;
}

/* ---- all rows ------------------------------------------------------------------------------- */

/* The next row after *at; MC_END behind the last. */
static int take_next(struct envelope *e, int64_t *at)
{
    struct mc_row_ref ref;
    int rc = mc_row_next(e->reader, e->run_id, *at, &ref);
    if (rc == 0 && ref.first_ts >= e->to && ref.last_ts >= ref.first_ts)
        rc = MC_END;
    if (rc)
        return rc;
    if (!is_within(e, &ref)) {
        rc = open_and_add(e, &ref);
    } else if (slice_at(e, ref.first_ts) == slice_at(e, ref.last_ts)) {
        rc = add_summary(e, &ref);
    } else {
        mc_buf_add(&e->late, &ref, sizeof ref);
        rc = e->late.failed ? MC_ENOMEM : 0;
    }
    if (rc == MC_END)
        return 0; /* sealed or dropped meanwhile: look again */
    *at = ref.last_ts;
    return mc_row_is_damage(rc) ? 0 : rc;
}

/* The chunks that were put off. Every other one first: what is then known of the slices on both
 * sides may be all that those between them could tell. */
static int take_late(struct envelope *e)
{
    const struct mc_row_ref *refs = (const struct mc_row_ref *)(void *)e->late.bytes;
    size_t count = e->late.count / sizeof *refs;
    for (size_t odd = 0; odd < 2; odd++) {
        for (size_t i = odd; i < count; i += 2) {
            int rc = mc_reader_begin(e->reader);
            if (rc == 0) {
                rc = open_and_add(e, &refs[i]);
                mc_reader_end(e->reader);
            }
            if (rc < 0 && !mc_row_is_damage(rc))
                return rc;
        }
    }
    return 0;
}

int mc_reader_envelope(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                       const uint32_t *value_idx, uint32_t value_count, uint32_t slice_count,
                       int64_t *min, int64_t *max)
{
    struct envelope e = {.reader = r,
                         .run_id = run_id,
                         .from = from,
                         .to = to,
                         .value_idx = value_idx,
                         .value_count = value_count,
                         .slice_count = slice_count,
                         .min = min,
                         .max = max};
    struct mc_run_schema *schema;
    if (to <= from || !slice_count)
        return MC_EINVAL;
    int rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < (size_t)value_count * slice_count; i++)
        min[i] = max[i] = MC_VALUE_NONE;
    int64_t at = from == INT64_MIN ? from : from - 1;
    while (rc == 0) {
        rc = mc_reader_begin(r);
        if (rc == 0) {
            rc = take_next(&e, &at);
            mc_reader_end(r);
        }
    }
    if (rc == MC_END)
        rc = take_late(&e);
    mc_buf_fini(&e.late);
    free(e.cuts);
    return rc;
}
