/* cursor.c: walks a run's frames, forwards and backwards, and makes each as it was written.
 *
 * The numbers of a row are decoded at once; slot maps are rolled from frame to frame
 * (cursor_maps.c).
 */
#include <stdlib.h>

#include "store/cursor_priv.h"
#include "tracer/error.h"

int mc_cursor_open(struct mc_reader *r, int64_t run_id, struct mc_cursor **out)
{
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc < 0)
        return rc;
    struct mc_cursor *c = calloc(1, sizeof *c);
    if (!c)
        return MC_ENOMEM;
    c->reader = r;
    c->run_id = run_id;
    c->ts = INT64_MIN;
    /* Maps of hundreds of KB, which the last cursor on this run had: as if that one sought anew. */
    if (r->spare_maps_run == run_id) {
        c->maps = r->spare_maps;
        memset(&r->spare_maps, 0, sizeof r->spare_maps);
    }
    *out = c;
    return 0;
}

void mc_cursor_leave_out(struct mc_cursor *c, unsigned parts)
{
    c->left_out = parts;
}

void mc_cursor_bound_events(struct mc_cursor *c, uint32_t event_max)
{
    c->event_max = event_max;
}

uint64_t mc_cursor_events_left_out(const struct mc_cursor *c)
{
    return c->events_left_out;
}

/* Make `row` (may be NULL) the current one; it is taken. */
static void set_row(struct mc_cursor *c, struct mc_row *row)
{
    mc_cursor_maps_drop(c);
    mc_row_close(c->row);
    c->row = row;
    if (row)
        row->chunk.slice.event_max = c->event_max;
}

/* Leave the maps to the next cursor, unless they are large. */
static void spare_maps(struct mc_cursor *c)
{
    struct mc_reader *r = c->reader;
    uint64_t slots = 0;
    for (uint32_t i = 0; i < c->maps.count; i++)
        slots += c->maps.maps[i].map.slot_count;
    if (!slots || slots > MC_SPARE_SLOTS)
        return;
    mc_maps_fini(&r->spare_maps);
    r->spare_maps = c->maps;
    r->spare_maps_run = c->run_id;
    memset(&c->maps, 0, sizeof c->maps);
}

void mc_cursor_close(struct mc_cursor *c)
{
    if (!c)
        return;
    set_row(c, NULL);
    spare_maps(c);
    mc_cursor_maps_fini(c);
    mc_buf_fini(&c->gaps);
    free(c->values);
    free(c);
}

/* ---- the frame ------------------------------------------------------------------------------ */

static int fill_values(struct mc_cursor *c, uint32_t frame_idx)
{
    struct mc_chunk *chunk = &c->row->chunk;
    uint32_t n = c->schema.value_count, known = chunk->info.value_count;
    uint32_t need = n > known ? n : known;
    if (need > c->value_room) {
        int64_t *values = realloc(c->values, (need + 64u) * sizeof *values);
        if (!values)
            return MC_ENOMEM;
        c->values = values;
        c->value_room = need + 64u;
    }
    for (uint32_t v = known; v < n; v++)
        c->values[v] = MC_VALUE_NONE;
    return mc_chunk_frame_numbers(chunk, frame_idx, c->values);
}

static int fill_gaps(struct mc_cursor *c, uint32_t frame_idx, const struct mc_gap *hole)
{
    size_t count;
    const struct mc_gap *gaps = mc_chunk_gaps(&c->row->chunk, frame_idx, &count);
    c->gaps.count = 0;
    if (hole && hole->reason[0])
        mc_buf_add(&c->gaps, hole, sizeof *hole);
    mc_buf_add(&c->gaps, gaps, count * sizeof *gaps);
    if (!c->gaps.failed)
        return 0;
    mc_buf_fini(&c->gaps);
    return MC_ENOMEM;
}

/* Make the frame at frame_idx of the current row. hole: what is missing before it, or NULL. */
static int make_frame(struct mc_cursor *c, uint32_t frame_idx, const struct mc_gap *hole,
                      int backwards, const struct mc_frame **out)
{
    struct mc_chunk *chunk = &c->row->chunk;
    int events_wanted = !(c->left_out & MC_CURSOR_EVENTS);
    int buckets_wanted = events_wanted && !c->event_max && !(c->left_out & MC_CURSOR_BUCKETS);
    int rc = 0;
    mc_run_schema_view(c->row->schema, chunk->ts[frame_idx], &c->schema);
    /* Frames are missing between the place of the maps and this one: tell changes against them. */
    int diff = hole && !(c->left_out & MC_CURSOR_CHANGES) && c->place.row_id &&
               c->place.ts == c->ts && (hole->reason[0] || chunk->info.flags & MC_HEAD_HOLE) &&
               frame_idx == 0;
    if (diff)
        rc = mc_maps_copy(&c->before, &c->maps);
    if (rc == 0)
        rc = fill_values(c, frame_idx);
    if (rc == 0 && buckets_wanted)
        rc = mc_chunk_buckets(chunk);
    if (rc == 0)
        rc = mc_cursor_maps_roll(c, frame_idx, backwards);
    if (rc == 0 && c->maps.count < c->schema.map_count)
        rc = MC_ECORRUPT; /* a map that the schema has, and the part begins later */
    if (rc == 0 && diff)
        rc = mc_cursor_maps_diff(c);
    if (rc == 0)
        rc = fill_gaps(c, frame_idx, hole);
    struct mc_frame *f = &c->frame;
    f->bucket_count = 0;
    if (rc == 0 && events_wanted)
        rc = mc_row_events(c->row, frame_idx, MC_EVENT_TYPES_ALL, &f->events, &f->event_count);
    if (rc == 0 && buckets_wanted)
        rc = mc_chunk_frame_buckets(chunk, frame_idx, f->events, f->event_count, &f->buckets,
                                    &f->bucket_count);
    if (rc)
        return rc;
    c->events_left_out = events_wanted ? mc_chunk_events_left_out(chunk, frame_idx) : 0;
    for (uint32_t i = 0; i < c->maps.count; i++)
        c->maps.views[i] = c->maps.maps[i].map;
    f->ts = c->ts = chunk->ts[frame_idx];
    f->schema = &c->schema;
    f->values = c->values;
    f->maps = c->maps.views;
    f->changes = c->frame_changes;
    f->change_count = c->frame_change_bytes / sizeof *f->changes;
    if (c->left_out & MC_CURSOR_CHANGES)
        f->change_count = 0;
    f->gaps = (const struct mc_gap *)c->gaps.bytes;
    f->gap_count = c->gaps.count / sizeof *f->gaps;
    c->frame_idx = frame_idx;
    *out = f;
    return 0;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* What is missing grows by a damaged row, or by what was found missing after it. */
static void widen(struct mc_gap *hole, int64_t from, int64_t to, uint64_t lost)
{
    if (!hole->reason[0]) {
        strcpy(hole->reason, "damaged");
        hole->ts = from;
    }
    if (to > hole->ts + hole->dur_ns)
        hole->dur_ns = to - hole->ts;
    hole->lost += lost;
}

/* Open the next good row with frames after `ts`, and make the frame that follows it. `hole` is what
 * is known to be missing before it. */
static int next_row(struct mc_cursor *c, int64_t ts, struct mc_gap hole,
                    const struct mc_frame **out)
{
    struct mc_row_walk walk;
    mc_row_walk_init(&walk, c->reader, c->run_id, ts, INT64_MAX);
    walk.last_ts = walk.seen_ts = ts;
    for (;;) {
        struct mc_row *row;
        int rc = mc_row_walk_next(&walk, &row);
        if (rc)
            return rc;
        if (walk.hole.reason[0])
            widen(&hole, walk.hole.ts, walk.hole.ts + walk.hole.dur_ns, walk.hole.lost);
        set_row(c, row);
        /* A tail that was sealed meanwhile has frames up to `ts` in its chunk. */
        uint32_t f = 0;
        while (f < row->chunk.info.frame_count && row->chunk.ts[f] <= ts)
            f++;
        if (f == row->chunk.info.frame_count)
            continue;
        rc = make_frame(c, f, &hole, 0, out);
        if (rc == 0)
            return 0;
        if (rc == MC_END)
            walk.last_ts = ts; /* it has gone, perhaps into a chunk: look again */
        else if (mc_row_is_damage(rc))
            widen(&hole, row->chunk.ts[f], row->ref.last_ts, row->chunk.info.frame_count - f);
        set_row(c, NULL);
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
    }
}

int mc_cursor_next(struct mc_cursor *c, const struct mc_frame **out)
{
    struct mc_gap hole = {0};
    int64_t after = c->ts;
    if (c->row && c->frame_idx + 1 < c->row->chunk.info.frame_count &&
        c->row->chunk.ts[c->frame_idx] == c->ts) {
        struct mc_row *row = c->row;
        uint32_t f = c->frame_idx + 1;
        int rc = make_frame(c, f, NULL, 0, out);
        if (rc == 0 || (rc < 0 && !mc_row_is_damage(rc)))
            return rc;
        if (rc < 0) {
            after = row->ref.last_ts;
            widen(&hole, row->chunk.ts[f], after, row->chunk.info.frame_count - f);
        }
        set_row(c, NULL);
    }
    return next_row(c, after, hole, out);
}

/* Stand on the last frame of the newest good row below `ts`. */
static int prev_row(struct mc_cursor *c, int64_t ts, int backwards, const struct mc_frame **out)
{
    for (;;) {
        struct mc_row_ref ref;
        struct mc_row *row;
        int rc = mc_row_prev(c->reader, c->run_id, ts, &ref);
        if (rc)
            return rc;
        rc = mc_row_open(c->reader, &ref, 0, &row);
        if (rc == MC_END)
            continue;
        if (rc == 0) {
            set_row(c, row);
            rc = make_frame(c, row->chunk.info.frame_count - 1, NULL, backwards, out);
            if (rc == 0)
                return 0;
            set_row(c, NULL);
        }
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        ts = ref.last_ts;
    }
}

/* The tails before the one that the cursor stands in may have become a chunk meanwhile, with its
 * own frames at the end: stand in that, on the newest frame below `ts`. MC_END: they have not. */
static int prev_in_sealed(struct mc_cursor *c, int64_t ts, const struct mc_frame **out)
{
    struct mc_row_ref ref;
    struct mc_row *row;
    int rc =
        c->row && c->row->ref.is_tail ? mc_row_next(c->reader, c->run_id, ts - 1, &ref) : MC_END;
    if (rc == 0 && (ref.is_tail || ref.first_ts >= ts))
        rc = MC_END;
    if (rc == 0)
        rc = mc_row_open(c->reader, &ref, 0, &row);
    if (rc)
        return mc_row_is_damage(rc) ? MC_END : rc;
    set_row(c, row);
    rc = make_frame(c, mc_chunk_frame_at(&row->chunk, ts - 1), NULL, 1, out);
    if (rc)
        set_row(c, NULL);
    return mc_row_is_damage(rc) ? MC_END : rc;
}

int mc_cursor_prev(struct mc_cursor *c, const struct mc_frame **out)
{
    if (c->ts == INT64_MIN)
        return MC_END;
    if (c->row && c->row->chunk.ts[c->frame_idx] == c->ts && c->frame_idx > 0) {
        int rc = make_frame(c, c->frame_idx - 1, NULL, 1, out);
        if (rc == 0 || (rc < 0 && !mc_row_is_damage(rc)))
            return rc;
    }
    int sealed = prev_in_sealed(c, c->ts, out);
    if (sealed != MC_END)
        return sealed;
    int64_t at = c->row && c->row->chunk.ts[0] < c->ts ? c->row->chunk.ts[0] : c->ts;
    const struct mc_frame *f;
    int64_t stood = c->ts;
    int rc = prev_row(c, at, 1, &f);
    if (rc == 0)
        *out = f;
    else if (rc == MC_END)
        c->ts = stood; /* the row was let go; the frame that follows is still found by its ts */
    return rc;
}

/* Stand on the newest frame up to `ts` of the good row that has it between its first and its last.
 * MC_END: there is none. */
static int seek_in_row(struct mc_cursor *c, int64_t ts, const struct mc_frame **out)
{
    for (int64_t at = ts == INT64_MIN ? ts : ts - 1;;) {
        struct mc_row_ref ref;
        struct mc_row *row;
        int rc = mc_row_next(c->reader, c->run_id, at, &ref);
        if (rc)
            return rc;
        if (ref.first_ts > ts && ref.last_ts >= ref.first_ts)
            return MC_END;
        rc = mc_row_open(c->reader, &ref, 0, &row);
        if (rc == MC_END)
            continue; /* sealed or dropped meanwhile: look again */
        if (rc == 0) {
            set_row(c, row);
            rc = make_frame(c, mc_chunk_frame_at(&row->chunk, ts), NULL, 0, out);
            if (rc == 0)
                return 0;
            set_row(c, NULL);
        }
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        at = rc == MC_END ? at : ref.last_ts;
    }
}

int mc_cursor_seek(struct mc_cursor *c, int64_t ts, const struct mc_frame **out)
{
    const struct mc_chunk *chunk = c->row ? &c->row->chunk : NULL;
    if (chunk && ts >= chunk->ts[0] && ts <= chunk->ts[chunk->info.frame_count - 1]) {
        int rc = make_frame(c, mc_chunk_frame_at(chunk, ts), NULL, 0, out);
        if (rc <= 0 && !mc_row_is_damage(rc))
            return rc;
    }
    int rc = seek_in_row(c, ts, out);
    if (rc != MC_END)
        return rc;
    rc = prev_row(c, ts == INT64_MAX ? ts : ts + 1, 0, out);
    if (rc != MC_END)
        return rc;
    c->ts = INT64_MIN;
    return next_row(c, INT64_MIN, (struct mc_gap){0}, out);
}
