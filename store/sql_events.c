/* sql_events.c: rows of events and collections.
 *
 * Events stand in frames by their time, but a trace need not be from our sampler, and a late one
 * may stand in a later frame: when they are wanted in order, they wait in a window until no earlier
 * one (going backwards: no later one) can come.
 */
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

const char *mc_sql_event_name(int type)
{
    const char *name = mc_event_name(type);
    return name ? name : "unknown";
}

static int is_begin(const struct mc_sql_rows *s, const struct mc_sql_bound *b)
{
    return s->table->columns[b->column].field == MC_SQL_EVENT_BEGIN;
}

static int wanted(const struct mc_sql_rows *s, const struct mc_event *e)
{
    if (e->ts < s->filter.ts.min || e->ts > s->filter.ts.max ||
        !(s->event_types & mc_event_types_of(e->type)))
        return 0;
    for (int i = 0; i < s->filter.bound_count; i++) {
        const struct mc_sql_bound *b = &s->filter.bounds[i];
        int64_t v = is_begin(s, b) ? mc_event_begin_ts(e) : (int64_t)e->conn_id;
        if (v < b->span.min || v > b->span.max)
            return 0;
    }
    return 1;
}

/* Nothing begins after it is told of. */
void mc_sql_narrow_events(struct mc_sql_rows *s)
{
    for (int i = 0; i < s->filter.bound_count; i++) {
        const struct mc_sql_bound *b = &s->filter.bounds[i];
        if (is_begin(s, b) && b->span.min > s->filter.ts.min)
            s->filter.ts.min = b->span.min;
    }
}

int mc_sql_events_may_match(struct mc_sql_rows *s, int *out)
{
    struct mc_event_index index;
    int rc = mc_chunk_event_index(&s->row->chunk, &index);
    *out = 1;
    if (rc)
        return rc == MC_END || mc_row_is_damage(rc) ? 0 : rc;
    for (int i = 0; i < s->filter.bound_count; i++) {
        const struct mc_sql_bound *b = &s->filter.bounds[i];
        *out &= is_begin(s, b) ? index.earliest_ts <= b->span.max
                               : mc_event_index_has(&index, b->span.min, b->span.max);
    }
    mc_event_index_free(&index);
    return 0;
}

/* The types that the table has and the filter lets through. */
static uint32_t wanted_types(const struct mc_sql_rows *s)
{
    uint32_t types = 0;
    for (int type = 0; type <= MC_EVENT_COUNT; type++) {
        if ((type == MC_EVENT_GC) == (s->table->sort == MC_SQL_GCS) &&
            (!s->filter.source || strcmp(s->filter.source, mc_sql_event_name(type)) == 0))
            types |= mc_event_types_of(type);
    }
    return types;
}

void mc_sql_begin_events(struct mc_sql_rows *s)
{
    s->event_types = wanted_types(s);
    s->window.count = s->window_at = 0;
    s->events = NULL;
    s->event_count = s->event_idx = 0;
}

/* Have the events of the next frame in s->events. */
static int load_frame(struct mc_sql_rows *s)
{
    for (;;) {
        int rc = s->row ? mc_sql_next_frame(s) : MC_END;
        if (rc == 0) {
            rc = mc_row_events(s->row, s->frame_idx, s->event_types, &s->events, &s->event_count);
            s->frame = s->row->chunk.ts[s->frame_idx];
            s->event_idx = 0;
        }
        if (rc == 0)
            return 0;
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        s->event_count = 0;
        rc = mc_sql_load_row(s);
        if (rc)
            return rc;
    }
}

/* Frame by frame, as they stand there. */
static int next_unordered(struct mc_sql_rows *s)
{
    for (;;) {
        while (s->event_idx < s->event_count) {
            s->event = &s->events[s->event_idx++];
            s->place = s->event_idx;
            s->ts = s->event->ts;
            if (wanted(s, s->event))
                return 0;
        }
        int rc = load_frame(s);
        if (rc)
            return rc;
    }
}

/* ---- in order ---------------------------------------------------------------------------------
 */

static int by_ts(const void *a, const void *b)
{
    const struct mc_sql_event *x = a, *y = b;
    return x->event.ts < y->event.ts ? -1 : x->event.ts > y->event.ts;
}

static int by_ts_down(const void *a, const void *b)
{
    return by_ts(b, a);
}

/* Whether the first event that waits may go: what is still to come is all behind it. */
static int is_due(const struct mc_sql_rows *s, const struct mc_event *e)
{
    const struct mc_chunk *c = &s->row->chunk;
    if (!s->filter.ts_desc)
        return e->ts <= s->frame - MC_SQL_LATE_NS;
    int64_t before = s->frame_idx                 ? c->ts[s->frame_idx - 1]
                     : c->info.prev_ts < s->frame ? c->info.prev_ts
                                                  : INT64_MIN;
    return e->ts >= before;
}

/* The events of the frame join those that wait. */
static int fill_window(struct mc_sql_rows *s)
{
    size_t given = s->window_at * sizeof(struct mc_sql_event);
    if (given)
        memmove(s->window.bytes, s->window.bytes + given, s->window.count - given);
    s->window.count -= given;
    s->window_at = 0;
    int sorted = 1, desc = s->filter.ts_desc;
    for (size_t i = 0; i < s->event_count; i++) {
        size_t at = desc ? s->event_count - 1 - i : i;
        struct mc_sql_event e = {s->events[at], s->frame, at + 1};
        if (!wanted(s, &e.event))
            continue;
        size_t count = s->window.count / sizeof e;
        const struct mc_sql_event *all = (const struct mc_sql_event *)s->window.bytes;
        int64_t last = count ? all[count - 1].event.ts : e.event.ts;
        if (desc ? last < e.event.ts : last > e.event.ts)
            sorted = 0;
        mc_buf_add(&s->window, &e, sizeof e);
    }
    s->event_idx = s->event_count;
    if (s->window.failed) {
        mc_buf_fini(&s->window);
        return MC_ENOMEM;
    }
    if (!sorted)
        qsort(s->window.bytes, s->window.count / sizeof(struct mc_sql_event),
              sizeof(struct mc_sql_event), desc ? by_ts_down : by_ts);
    return 0;
}

static int next_ordered(struct mc_sql_rows *s)
{
    for (;;) {
        const struct mc_sql_event *first =
            (const struct mc_sql_event *)(void *)s->window.bytes + s->window_at;
        int waits = (s->window_at + 1) * sizeof *first <= s->window.count;
        /* Without a row nothing is to come. */
        if (waits && (!s->row || is_due(s, &first->event))) {
            s->window_at++;
            s->event = &first->event;
            s->place = first->place;
            s->ts = first->event.ts;
            return 0;
        }
        if (!s->row && s->begun)
            return MC_END;
        int rc = load_frame(s);
        if (rc == 0)
            rc = fill_window(s);
        if (rc < 0)
            return rc;
        if (rc == MC_END && s->window_at * sizeof *first == s->window.count)
            return MC_END;
    }
}

int mc_sql_next_event(struct mc_sql_rows *s)
{
    return s->filter.in_order ? next_ordered(s) : next_unordered(s);
}
