/* sql_more_rows.c: the iterators that need more than one row of the file: slots and summaries. */
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

/* ---- slots ---------------------------------------------------------------------------------- */

static const struct mc_source *source_of_map(const struct mc_frame *f, uint32_t map_idx)
{
    return &f->schema->sources[f->maps[map_idx].source_idx];
}

int mc_sql_next_map_frame(struct mc_sql_rows *s)
{
    int desc = s->filter.ts_desc, rc;
    const struct mc_frame *f = NULL;
    if (s->slot_begun) {
        rc = desc ? mc_cursor_prev(s->cursor, &f) : mc_cursor_next(s->cursor, &f);
    } else {
        /* The first frame at or after `from`, or the last one up to `to`: a seek stands before the
         * one, and on the other unless there is none. */
        s->slot_begun = 1;
        rc = mc_cursor_seek(s->cursor, desc ? s->filter.ts.max : s->filter.ts.min, &f);
        if (rc == 0 && !desc && f->ts < s->filter.ts.min)
            rc = mc_cursor_next(s->cursor, &f);
    }
    if (rc == 0 && (f->ts > s->filter.ts.max || f->ts < s->filter.ts.min))
        rc = MC_END;
    s->map_frame = rc == 0 ? f : NULL;
    return rc;
}

int mc_sql_next_change(struct mc_sql_rows *s)
{
    for (;;) {
        while (s->map_frame && s->slot_at < s->map_frame->change_count) {
            const struct mc_slot_change *c = &s->map_frame->changes[s->slot_at++];
            if (s->source && strcmp(s->source, source_of_map(s->map_frame, c->map_idx)->name) != 0)
                continue;
            s->slot_map = c->map_idx;
            s->place = s->slot_at;
            return 0;
        }
        int rc = mc_sql_next_map_frame(s);
        if (rc)
            return rc;
        s->slot_at = 0;
        s->ts = s->frame = s->map_frame->ts;
    }
}

int mc_sql_next_state(struct mc_sql_rows *s)
{
    if (!s->slot_begun) {
        s->slot_begun = 1;
        int rc = mc_cursor_seek(s->cursor, s->filter.ts.min, &s->map_frame);
        if (rc || s->map_frame->ts > s->filter.ts.min) {
            s->map_frame = NULL;
            return rc < 0 ? rc : MC_END; /* before the first frame there is no map */
        }
        s->slot_map = UINT32_MAX;
        for (uint32_t i = 0; i < s->map_frame->schema->map_count; i++) {
            if (strcmp(source_of_map(s->map_frame, i)->name, s->source) == 0)
                s->slot_map = i;
        }
        s->slot_at = SIZE_MAX;
        s->ts = s->frame = s->filter.ts.min;
    }
    if (!s->map_frame || s->slot_map == UINT32_MAX ||
        ++s->slot_at >= s->map_frame->maps[s->slot_map].slot_count)
        return MC_END;
    s->place = s->slot_map + ((uint64_t)s->slot_at << 32);
    return 0;
}

/* ---- summaries ------------------------------------------------------------------------------ */

static int make_sums(struct mc_sql_rows *s, uint32_t count)
{
    if (count <= s->sum_count)
        return 0;
    struct mc_sql_sum *sums = calloc((size_t)count * 2, sizeof *sums);
    if (!sums)
        return MC_ENOMEM;
    if (s->sum_count) {
        memcpy(sums, s->sums, s->sum_count * sizeof *sums);
        memcpy(sums + count, s->done, s->sum_count * sizeof *sums);
    }
    free(s->sums);
    s->sums = sums;
    s->done = sums + count;
    s->sum_count = count;
    return 0;
}

/* The second is over: its figures become the ones that are handed out. */
static void end_second(struct mc_sql_rows *s)
{
    if (s->sum_count) { /* there is no value in a run without sources */
        memcpy(s->done, s->sums, s->sum_count * sizeof *s->sums);
        memset(s->sums, 0, s->sum_count * sizeof *s->sums);
    }
    s->done_second = s->sum_second;
    s->sum_at = 0;
    s->sums_due = s->sum_second != INT64_MIN;
}

static void add_frame(struct mc_sql_rows *s)
{
    const struct mc_chunk *c = &s->row->chunk;
    for (uint32_t v = 0; v < c->info.value_count; v++) {
        int64_t value = c->cells[(size_t)v * c->info.frame_count + s->frame_idx];
        struct mc_sql_sum *sum = &s->sums[v];
        if (value == MC_VALUE_NONE)
            continue;
        if (!sum->count || value < sum->min)
            sum->min = value;
        if (!sum->count || value > sum->max)
            sum->max = value;
        sum->sum += (double)value;
        sum->last = value;
        sum->count++;
    }
}

static int next_due(struct mc_sql_rows *s)
{
    const struct mc_schema *schema = &s->schema->schema;
    int64_t ts = s->sums_due ? s->done_second * 1000000000 : 0;
    if (ts < s->asked.min || ts > s->asked.max)
        s->sums_due = 0;
    while (s->sums_due && s->sum_at < s->sum_count) {
        uint32_t v = s->sum_at++;
        if (!s->done[v].count ||
            (s->source && strcmp(mc_schema_source_of_value(schema, v)->name, s->source) != 0))
            continue;
        s->ts = s->frame = ts;
        s->place = v;
        return 1;
    }
    s->sums_due = 0;
    return 0;
}

static int64_t second_of(int64_t ts)
{
    return ts / 1000000000 - (ts % 1000000000 < 0);
}

int mc_sql_next_summary(struct mc_sql_rows *s)
{
    for (;;) {
        if (next_due(s))
            return 0;
        if (s->row && s->frame_begin < s->frame_end) {
            int64_t second = second_of(s->row->chunk.ts[s->frame_begin]);
            if (second != s->sum_second) {
                end_second(s);
                s->sum_second = second;
            } else {
                mc_sql_next_frame(s);
                add_frame(s);
            }
            continue;
        }
        if (s->sums_over)
            return MC_END;
        int rc = mc_sql_load_row(s);
        if (rc < 0)
            return rc;
        if (rc == MC_END) {
            end_second(s); /* the last one, perhaps of less than a second */
            s->sums_over = 1;
            continue;
        }
        rc = make_sums(s, s->row->chunk.info.value_count);
        if (rc < 0)
            return rc;
    }
}
