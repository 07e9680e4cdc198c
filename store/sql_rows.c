/* sql_rows.c: the iterator behind a virtual table, over one run: the rows of the file one after the
 * other, in the order of time or against it, and of each only the frames that are asked for.
 *
 * Damaged rows are passed over; damaged_span tells of them. A tail that is sealed while it is read
 * comes back as a part of its chunk: frames that were given are not given again.
 */
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

int mc_sql_is_event(const struct mc_sql_table *t)
{
    return t->sort == MC_SQL_EVENTS || t->sort == MC_SQL_GCS || t->sort == MC_SQL_CONNS;
}

static int64_t later(int64_t ts, int64_t by_ns)
{
    return ts > INT64_MAX - by_ns ? INT64_MAX : ts + by_ns;
}

/* The last ts that a frame can have and still be asked for, or come before one that is. */
static int64_t last_frame_ts(const struct mc_sql_rows *s)
{
    return mc_sql_is_event(s->table) ? later(s->filter.ts.max, MC_SQL_LATE_NS) : s->filter.ts.max;
}

/* ---- finding ----------------------------------------------------------------------------------
 */

static int find_forward(struct mc_sql_rows *s, struct mc_row_ref *ref)
{
    int64_t after = s->filter.ts.min == INT64_MIN ? INT64_MIN : s->filter.ts.min - 1;
    if (s->begun) {
        after = s->ref.last_ts;
        if (after >= last_frame_ts(s) && after != INT64_MAX)
            return MC_END;
    }
    int rc = mc_row_next(s->reader, s->run_id, after, ref);
    /* An event stands in the first frame behind it, however far that is. */
    if (rc == 0 && !mc_sql_is_event(s->table) && ref->first_ts > s->filter.ts.max &&
        ref->first_ts <= ref->last_ts)
        return MC_END;
    return rc;
}

static int find_backward(struct mc_sql_rows *s, struct mc_row_ref *ref)
{
    if (!s->begun) {
        int rc = mc_row_next(s->reader, s->run_id, last_frame_ts(s), ref);
        return rc == MC_END ? mc_row_prev(s->reader, s->run_id, INT64_MAX, ref) : rc;
    }
    int64_t before = s->has_seen && s->seen_ts < s->ref.last_ts ? s->seen_ts : s->ref.last_ts;
    if (before <= s->filter.ts.min)
        return MC_END;
    /* The tails before one that was read may have become a chunk, that one's frames included. */
    if (s->ref.is_tail) {
        int rc = mc_row_next(s->reader, s->run_id, before - 1, ref);
        if (rc < 0 || (rc == 0 && !ref->is_tail && ref->first_ts < before))
            return rc;
    }
    return mc_row_prev(s->reader, s->run_id, before, ref);
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static void drop_row(struct mc_sql_rows *s)
{
    if (s->row) {
        const struct mc_chunk *c = &s->row->chunk;
        s->seen_ts = s->filter.ts_desc ? c->ts[0] : c->ts[c->info.frame_count - 1];
        s->has_seen = 1;
    }
    mc_row_close(s->row);
    s->row = NULL;
    free(s->summary);
    s->summary = NULL;
    s->entry_count = 0;
}

/* Which frames of the row can hold what is asked for. */
static void bound_frames(struct mc_sql_rows *s)
{
    const struct mc_chunk *c = &s->row->chunk;
    int64_t from = s->filter.ts.min, to = last_frame_ts(s);
    uint32_t begin = 0, end = c->info.frame_count;
    int desc = s->filter.ts_desc;
    while (begin < end &&
           (c->ts[begin] < from || (s->has_seen && !desc && c->ts[begin] <= s->seen_ts)))
        begin++;
    if (mc_sql_is_event(s->table)) {
        /* A frame holds what happened since the one before it. */
        while (end > begin + 1 && c->ts[end - 2] > to)
            end--;
        if (end == begin + 1 && begin == 0 && c->info.prev_ts < c->ts[0] && c->info.prev_ts > to)
            end--;
    } else {
        while (end > begin && c->ts[end - 1] > to)
            end--;
    }
    while (desc && s->has_seen && end > begin && c->ts[end - 1] >= s->seen_ts)
        end--;
    s->frame_begin = begin;
    s->frame_end = end;
    s->entry = UINT32_MAX;
    s->event_idx = s->event_count = 0;
}

int mc_sql_next_frame(struct mc_sql_rows *s)
{
    if (s->frame_begin >= s->frame_end)
        return MC_END;
    s->frame_idx = s->filter.ts_desc ? --s->frame_end : s->frame_begin++;
    return 0;
}

/* Whether the chunk's summary shows that none of its values is within the bounds. */
static int prune(struct mc_sql_rows *s, int *skip)
{
    *skip = 0;
    if (!s->filter.bound_count || s->ref.is_tail || mc_sql_is_event(s->table))
        return 0;
    struct mc_chunk_head *head = malloc(sizeof *head);
    int rc = head ? mc_row_head(s->reader, &s->ref, head, &s->summary) : MC_ENOMEM;
    if (rc == 0 && s->summary) {
        s->summary_count = head->value_count;
        *skip = !mc_sql_may_match(s, head);
    }
    free(head);
    if (*skip) {
        s->reader->counts.pruned++;
        free(s->summary);
        s->summary = NULL;
    }
    return rc;
}

static int open_row(struct mc_sql_rows *s, int *skip)
{
    int rc = prune(s, skip);
    if (rc || *skip)
        return rc;
    rc = mc_row_open(s->reader, &s->ref, 0, &s->row);
    if (rc)
        return rc;
    bound_frames(s);
    *skip = s->frame_begin == s->frame_end;
    if (!*skip && mc_sql_is_event(s->table) && s->filter.bound_count) {
        int may_match;
        rc = mc_sql_events_may_match(s, &may_match);
        *skip = rc == 0 && !may_match;
        s->reader->counts.pruned += (uint64_t)*skip;
    }
    if (*skip || rc)
        return rc;
    if (s->table->sort == MC_SQL_SAMPLES || s->table->sort == MC_SQL_METRICS)
        return mc_sql_load_samples(s);
    return s->table->sort == MC_SQL_SUMMARIES ? mc_chunk_cells(&s->row->chunk) : 0;
}

int mc_sql_load_row(struct mc_sql_rows *s)
{
    for (;;) {
        struct mc_row_ref ref;
        int skip;
        drop_row(s);
        int rc = s->filter.ts_desc ? find_backward(s, &ref) : find_forward(s, &ref);
        if (rc)
            return rc;
        struct mc_row_ref was = s->ref;
        int had_begun = s->begun;
        s->ref = ref;
        s->begun = 1;
        rc = open_row(s, &skip);
        if (rc == 0 && !skip)
            return 0;
        if (rc == MC_END) { /* sealed or dropped meanwhile: look again */
            drop_row(s);
            s->ref = was;
            s->begun = had_begun;
        } else if (rc < 0 && !mc_row_is_damage(rc)) {
            return rc;
        }
    }
}

/* ---- one run's rows ---------------------------------------------------------------------------
 */

static int open_cursor(struct mc_sql_rows *s)
{
    int rc = mc_cursor_open(s->reader, s->run_id, &s->cursor);
    if (rc == 0)
        mc_cursor_leave_out(s->cursor, s->table->sort == MC_SQL_STATES
                                           ? MC_CURSOR_EVENTS | MC_CURSOR_CHANGES
                                           : MC_CURSOR_EVENTS);
    return rc;
}

static int begin(struct mc_sql_rows *s)
{
    s->sum_at = s->sums_due = 0;
    s->sum_second = INT64_MIN;
    s->sums_over = 0;
    s->slot_begun = 0;
    s->map_frame = NULL;
    mc_sql_begin_events(s);
    switch (s->table->sort) {
    case MC_SQL_LIFETIMES: {
        int rc = mc_sql_begin_lifetimes(s);
        return rc || s->cursor ? rc : open_cursor(s);
    }
    case MC_SQL_CONNS:
        return mc_sql_begin_conns(s);
    case MC_SQL_CHANGES:
    case MC_SQL_STATES:
        return s->cursor ? 0 : open_cursor(s);
    case MC_SQL_HOLES:
        s->holes.count = s->hole_at = 0;
        return mc_reader_holes(s->reader, s->run_id, s->filter.ts.min, later(s->filter.ts.max, 1),
                               &s->holes);
    default:
        return 0;
    }
}

static int take_filter(struct mc_sql_rows *s, const struct mc_sql_filter *filter)
{
    int rc = mc_sql_filter_copy(&s->filter, &s->source, filter);
    if (rc < 0)
        return rc;
    s->asked = filter->ts;
    if (s->table->sort == MC_SQL_LIFETIMES) {
        s->filter.ts.max = INT64_MAX; /* a life ends when it ends */
    } else if (s->table->sort == MC_SQL_SUMMARIES) {
        /* A second's row stands at its start, and is made of the frames up to the next second. */
        s->filter.ts.max = later(filter->ts.max, 999999999);
    } else if (s->table->sort == MC_SQL_EVENTS) {
        mc_sql_narrow_events(s);
    }
    return 0;
}

int mc_sql_rows_open(struct mc_reader *r, const struct mc_sql_table *table, int64_t run_id,
                     const struct mc_sql_filter *filter, struct mc_sql_rows **out)
{
    struct mc_sql_rows *s = calloc(1, sizeof *s);
    if (!s)
        return MC_ENOMEM;
    s->reader = r;
    s->table = table;
    s->run_id = run_id;
    int rc = take_filter(s, filter);
    if (rc == 0)
        rc = mc_reader_run_schema(r, run_id, &s->schema);
    if (rc == 0)
        rc = begin(s);
    if (rc < 0) {
        mc_sql_rows_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void mc_sql_rows_close(struct mc_sql_rows *s)
{
    if (!s)
        return;
    drop_row(s);
    mc_cursor_close(s->cursor);
    mc_sql_lifetimes_free(s->lifetimes);
    mc_sql_conns_free(s->conns);
    mc_buf_fini(&s->holes);
    mc_buf_fini(&s->window);
    free(s->sums);
    free(s->source);
    free(s->entries);
    free(s->cells);
    free(s);
}

static int same_source(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int mc_sql_rows_restart(struct mc_sql_rows *s, const struct mc_sql_filter *filter)
{
    const struct mc_chunk *c = s->row ? &s->row->chunk : NULL;
    int sorted_otherwise = filter->ts_desc != s->filter.ts_desc;
    int samples = s->table->sort == MC_SQL_SAMPLES || s->table->sort == MC_SQL_METRICS;
    /* The loaded row holds the whole span: nothing needs to be looked for. */
    int holds = c && !filter->bound_count && !s->filter.bound_count && !sorted_otherwise &&
                (samples || mc_sql_is_event(s->table)) && filter->columns == s->filter.columns &&
                filter->ts.min > c->info.prev_ts && filter->ts.min >= c->ts[0] &&
                later(filter->ts.max, mc_sql_is_event(s->table) ? MC_SQL_LATE_NS : 0) <
                    c->ts[c->info.frame_count - 1];
    int reload = samples && !same_source(filter->source, s->filter.source);
    if (!holds)
        drop_row(s);
    int rc = take_filter(s, filter);
    s->has_seen = 0;
    s->begun = holds;
    if (rc == 0)
        rc = begin(s);
    if (rc || !holds)
        return rc;
    bound_frames(s);
    s->entry_count = reload ? 0 : s->entry_count;
    rc = reload ? mc_sql_load_samples(s) : 0;
    if (!mc_row_is_damage(rc) && rc != MC_END)
        return rc;
    drop_row(s); /* what another source needs is damaged, or has gone: look again */
    s->has_seen = s->begun = 0;
    return 0;
}

static int next_hole(struct mc_sql_rows *s)
{
    do {
        if ((s->hole_at + 1) * sizeof s->hole > s->holes.count)
            return MC_END;
        s->hole = ((const struct mc_gap *)s->holes.bytes)[s->hole_at++];
    } while (s->hole.ts < s->asked.min || s->hole.ts > s->asked.max);
    s->ts = s->frame = s->hole.ts;
    s->place = s->hole_at;
    return 0;
}

int mc_sql_rows_next(struct mc_sql_rows *s)
{
    switch (s->table->sort) {
    case MC_SQL_SAMPLES:
    case MC_SQL_METRICS:
        return mc_sql_next_sample(s);
    case MC_SQL_EVENTS:
    case MC_SQL_GCS:
        return mc_sql_next_event(s);
    case MC_SQL_CHANGES:
        return mc_sql_next_change(s);
    case MC_SQL_STATES:
        return mc_sql_next_state(s);
    case MC_SQL_LIFETIMES:
        return mc_sql_next_lifetime(s);
    case MC_SQL_CONNS:
        return mc_sql_next_conn(s);
    case MC_SQL_SUMMARIES:
        return mc_sql_next_summary(s);
    default:
        return next_hole(s);
    }
}

int64_t mc_sql_rows_ts(const struct mc_sql_rows *s)
{
    return s->ts;
}

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): one bit in changes half of those out. */
static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

int64_t mc_sql_rows_id(const struct mc_sql_rows *s)
{
    return (int64_t)mix(
        mix((uint64_t)s->run_id * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)s->frame) +
        s->place * UINT64_C(0x9e3779b97f4a7c15));
}
