/* cursor.c: walks a run's frames, forwards and backwards, and makes each as it was written.
 *
 * The numbers of a row are decoded at once; slot maps are rolled forward frame by frame from the
 * row's key (or, for a tail that goes on, from the key of the tail that began it). Going backwards
 * leaves a copy of the maps every SNAPSHOT_FRAMES, so that a step back rolls over a few frames
 * only.
 */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "tracer/error.h"

#define SNAPSHOT_FRAMES 32u
#define SNAPSHOT_COUNT (MC_MAX_FRAMES / SNAPSHOT_FRAMES + 1)

/* Where the maps stand: after frame `frame_idx` of a row, or nowhere (row_id 0). */
struct map_place {
    int is_tail;
    int64_t row_id;
    uint32_t frame_idx;
    int64_t ts; /* of that frame */
};

struct snapshot {
    uint32_t frame_idx;
    struct mc_maps maps;
    struct mc_map_reader *readers; /* owned */
};

struct mc_cursor {
    struct mc_reader *reader; /* borrowed */
    int64_t run_id;
    struct mc_row *row; /* owned; the row it stands in, or NULL */
    uint32_t frame_idx;
    int64_t ts; /* of the frame it stands on; INT64_MIN before the first */
    struct mc_maps maps;
    struct map_place place;
    struct mc_map_reader *readers; /* owned; positions in the row's maps part */
    uint32_t reader_count;
    struct snapshot *snapshots; /* owned; of the row, by frame */
    uint32_t snapshot_count;
    struct mc_maps before; /* the maps before a hole */
    struct mc_buf scratch, changes, gaps;
    int64_t *values; /* owned */
    uint32_t value_room;
    struct mc_schema schema; /* a view as of the frame */
    struct mc_frame frame;
};

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
    *out = c;
    return 0;
}

static void drop_snapshots(struct mc_cursor *c)
{
    for (uint32_t i = 0; i < c->snapshot_count; i++) {
        mc_maps_fini(&c->snapshots[i].maps);
        free(c->snapshots[i].readers);
    }
    free(c->snapshots);
    c->snapshots = NULL;
    c->snapshot_count = 0;
}

/* Make `row` (may be NULL) the current one; it is taken. */
static void set_row(struct mc_cursor *c, struct mc_row *row)
{
    drop_snapshots(c);
    mc_row_close(c->row);
    c->row = row;
    free(c->readers);
    c->readers = NULL;
    c->reader_count = 0;
}

void mc_cursor_close(struct mc_cursor *c)
{
    if (!c)
        return;
    set_row(c, NULL);
    mc_maps_fini(&c->maps);
    mc_maps_fini(&c->before);
    mc_buf_fini(&c->scratch);
    mc_buf_fini(&c->changes);
    mc_buf_fini(&c->gaps);
    free(c->values);
    free(c);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static int place_is(const struct mc_cursor *c, const struct mc_row *row)
{
    return c->place.row_id == row->ref.row_id && c->place.is_tail == row->ref.is_tail;
}

/* A fresh position at the start of the row's maps part. */
static int copy_readers(const struct mc_maps_part *part, struct mc_map_reader **out)
{
    struct mc_map_reader *readers = malloc((part->count + 1) * sizeof *readers);
    if (!readers)
        return MC_ENOMEM;
    memcpy(readers, part->readers, part->count * sizeof *readers);
    free(*out);
    *out = readers;
    return 0;
}

/* Roll the maps over frames [from, to] of a row; the changes of the last one are kept. */
static int roll(struct mc_cursor *c, struct mc_row *row, struct mc_map_reader *readers,
                uint32_t from, uint32_t to)
{
    int rc = 0;
    for (uint32_t f = from; rc == 0 && f <= to; f++) {
        c->changes.count = 0;
        rc = mc_maps_begin(readers, row->chunk.maps.count, row->chunk.schema, f, &c->maps);
        if (rc == 0)
            rc = mc_maps_step(readers, row->chunk.maps.count, f, &c->maps, &c->scratch,
                              f == to ? &c->changes : NULL);
    }
    if (rc < 0)
        c->place.row_id = 0;
    else
        c->place = (struct map_place){row->ref.is_tail, row->ref.row_id, to, row->chunk.ts[to]};
    if (c->scratch.failed || c->changes.failed) {
        mc_buf_fini(&c->scratch);
        mc_buf_fini(&c->changes);
    }
    return rc;
}

/* Bring the maps to the end of the tail before `row`, through the tail that has the key. */
static int roll_tails_before(struct mc_cursor *c, const struct mc_row *row)
{
    int64_t want = row->chunk.info.prev_ts;
    struct mc_row_ref ref = row->ref;
    struct mc_chunk_head head;
    /* Back to where the maps stand, or to the key. */
    for (;;) {
        int rc = mc_row_prev(c->reader, c->run_id, ref.first_ts, &ref);
        if (rc == 0)
            rc = ref.is_tail ? mc_row_head(c->reader, &ref, &head, NULL) : MC_ECORRUPT;
        if (rc)
            return rc < 0 ? rc : MC_ECORRUPT;
        if (c->place.is_tail && c->place.row_id == ref.row_id && c->place.ts == ref.last_ts)
            break;
        if (!(head.flags & MC_HEAD_GOES_ON)) {
            c->place.row_id = 0;
            break;
        }
    }
    /* And forward again. */
    while (c->place.row_id == 0 || c->place.ts != want) {
        int rc = c->place.row_id ? mc_row_next(c->reader, c->run_id, c->place.ts, &ref) : 0;
        if (rc || !ref.is_tail || ref.last_ts > want)
            return rc < 0 ? rc : MC_ECORRUPT;
        struct mc_row *tail;
        rc = mc_row_open(c->reader, &ref, 0, &tail);
        if (rc)
            return rc;
        rc = mc_chunk_maps(&tail->chunk);
        if (rc == 0 && tail->chunk.info.prev_ts != c->place.ts && c->place.row_id)
            rc = MC_ECORRUPT;
        struct mc_map_reader *readers = NULL;
        if (rc == 0)
            rc = copy_readers(&tail->chunk.maps, &readers);
        if (rc == 0)
            rc = roll(c, tail, readers, 0, tail->chunk.info.frame_count - 1);
        free(readers);
        mc_row_close(tail);
        if (rc)
            return rc;
    }
    return 0;
}

static int add_snapshot(struct mc_cursor *c, uint32_t frame_idx)
{
    if (!c->snapshots) {
        c->snapshots = calloc(SNAPSHOT_COUNT, sizeof *c->snapshots);
        if (!c->snapshots)
            return MC_ENOMEM;
    }
    struct snapshot *s = &c->snapshots[c->snapshot_count];
    int rc = mc_maps_copy(&s->maps, &c->maps);
    struct mc_maps_part part = {c->readers, c->row->chunk.maps.count};
    if (rc == 0)
        rc = copy_readers(&part, &s->readers);
    if (rc < 0) {
        mc_maps_fini(&s->maps);
        return rc;
    }
    s->frame_idx = frame_idx;
    c->snapshot_count++;
    return 0;
}

/* Bring the maps, with the changes of the frame, to frame `to` of the current row. Going back,
 * snapshots are taken on the way. */
static int roll_to(struct mc_cursor *c, uint32_t to, int backwards)
{
    struct mc_row *row = c->row;
    int rc = mc_chunk_maps(&row->chunk);
    if (rc < 0)
        return rc;
    uint32_t from;
    if (place_is(c, row) && c->readers && c->place.frame_idx < to) {
        from = c->place.frame_idx + 1;
    } else {
        /* The newest snapshot before `to`: `to` itself must be rolled, for its changes. */
        uint32_t n = c->snapshot_count;
        while (n && c->snapshots[n - 1].frame_idx >= to)
            n--;
        if (n) {
            const struct snapshot *s = &c->snapshots[n - 1];
            struct mc_maps_part part = {s->readers, row->chunk.maps.count};
            rc = mc_maps_copy(&c->maps, &s->maps);
            if (rc == 0)
                rc = copy_readers(&part, &c->readers);
            from = s->frame_idx + 1;
        } else {
            if (row->chunk.info.flags & MC_HEAD_GOES_ON)
                rc = roll_tails_before(c, row);
            else
                mc_maps_fini(&c->maps);
            if (rc == 0)
                rc = copy_readers(&row->chunk.maps, &c->readers);
            from = 0;
        }
    }
    while (rc == 0 && from <= to) {
        uint32_t stop = to;
        if (backwards && from / SNAPSHOT_FRAMES != to / SNAPSHOT_FRAMES)
            stop = from / SNAPSHOT_FRAMES * SNAPSHOT_FRAMES + SNAPSHOT_FRAMES - 1;
        rc = roll(c, row, c->readers, from, stop);
        if (rc == 0 && stop != to &&
            (!c->snapshot_count || c->snapshots[c->snapshot_count - 1].frame_idx < stop))
            rc = add_snapshot(c, stop);
        from = stop + 1;
    }
    return rc;
}

/* Changes of the frame against the maps in c->before, instead of those that were written. */
static int diff_before(struct mc_cursor *c)
{
    c->changes.count = 0;
    for (uint32_t i = 0; i < c->maps.count; i++) {
        const struct mc_map *now = &c->maps.maps[i].map;
        const struct mc_map *was = i < c->before.count ? &c->before.maps[i].map : NULL;
        for (uint32_t s = 0; s < now->slot_count; s++) {
            uint8_t old_state = was ? was->states[s] : (uint8_t)'.';
            uint16_t owner = now->owners ? now->owners[s] : 0;
            uint64_t conn_id = now->conns ? now->conns[s] : 0;
            if (old_state == now->states[s] && owner == (was && was->owners ? was->owners[s] : 0) &&
                conn_id == (was && was->conns ? was->conns[s] : 0))
                continue;
            struct mc_slot_change change = {i, s, old_state, now->states[s], owner, conn_id};
            mc_buf_add(&c->changes, &change, sizeof change);
        }
    }
    if (!c->changes.failed)
        return 0;
    mc_buf_fini(&c->changes);
    return MC_ENOMEM;
}

/* ---- the frame ------------------------------------------------------------------------------ */

static int fill_values(struct mc_cursor *c, uint32_t frame_idx)
{
    struct mc_chunk *chunk = &c->row->chunk;
    uint32_t n = c->schema.value_count;
    if (n > c->value_room) {
        int64_t *values = realloc(c->values, (n + 64u) * sizeof *values);
        if (!values)
            return MC_ENOMEM;
        c->values = values;
        c->value_room = n + 64u;
    }
    uint32_t known = n < chunk->info.value_count ? n : chunk->info.value_count;
    for (uint32_t v = 0; v < known; v++)
        c->values[v] = chunk->cells[(size_t)v * chunk->info.frame_count + frame_idx];
    for (uint32_t v = known; v < n; v++)
        c->values[v] = MC_VALUE_NONE;
    return 0;
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
    int rc = 0;
    mc_run_schema_view(c->row->schema, chunk->ts[frame_idx], &c->schema);
    /* Frames are missing between the place of the maps and this one: tell changes against them. */
    int diff = hole && c->place.row_id && c->place.ts == c->ts &&
               (hole->reason[0] || chunk->info.flags & MC_HEAD_HOLE) && frame_idx == 0;
    if (diff)
        rc = mc_maps_copy(&c->before, &c->maps);
    if (rc == 0)
        rc = mc_chunk_cells(chunk);
    if (rc == 0)
        rc = mc_chunk_buckets(chunk);
    if (rc == 0)
        rc = roll_to(c, frame_idx, backwards);
    if (rc == 0 && diff)
        rc = diff_before(c);
    if (rc == 0)
        rc = fill_values(c, frame_idx);
    if (rc == 0)
        rc = fill_gaps(c, frame_idx, hole);
    struct mc_frame *f = &c->frame;
    if (rc == 0)
        rc = mc_row_events(c->row, frame_idx, &f->events, &f->event_count);
    if (rc == 0)
        rc = mc_chunk_frame_buckets(chunk, frame_idx, f->events, f->event_count, &f->buckets,
                                    &f->bucket_count);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < c->maps.count; i++)
        c->maps.views[i] = c->maps.maps[i].map;
    f->ts = c->ts = chunk->ts[frame_idx];
    f->schema = &c->schema;
    f->values = c->values;
    f->maps = c->maps.views;
    f->changes = (const struct mc_slot_change *)c->changes.bytes;
    f->change_count = c->changes.count / sizeof *f->changes;
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

int mc_cursor_prev(struct mc_cursor *c, const struct mc_frame **out)
{
    if (c->ts == INT64_MIN)
        return MC_END;
    if (c->row && c->row->chunk.ts[c->frame_idx] == c->ts && c->frame_idx > 0) {
        int rc = make_frame(c, c->frame_idx - 1, NULL, 1, out);
        if (rc == 0 || (rc < 0 && !mc_row_is_damage(rc)))
            return rc;
    }
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

int mc_cursor_seek(struct mc_cursor *c, int64_t ts, const struct mc_frame **out)
{
    const struct mc_chunk *chunk = c->row ? &c->row->chunk : NULL;
    if (chunk && ts >= chunk->ts[0] && ts <= chunk->ts[chunk->info.frame_count - 1]) {
        int rc = make_frame(c, mc_chunk_frame_at(chunk, ts), NULL, 0, out);
        if (rc <= 0 && !mc_row_is_damage(rc))
            return rc;
    }
    struct mc_row_ref ref;
    int rc = mc_row_next(c->reader, c->run_id, ts == INT64_MIN ? ts : ts - 1, &ref);
    if (rc == 0 && ref.first_ts <= ts) {
        struct mc_row *row;
        rc = mc_row_open(c->reader, &ref, 0, &row);
        if (rc == 0) {
            set_row(c, row);
            rc = make_frame(c, mc_chunk_frame_at(&row->chunk, ts), NULL, 0, out);
            if (rc == 0)
                return 0;
            set_row(c, NULL);
        }
    }
    if (rc < 0 && !mc_row_is_damage(rc))
        return rc;
    rc = prev_row(c, ts == INT64_MAX ? ts : ts + 1, 0, out);
    if (rc != MC_END)
        return rc;
    c->ts = INT64_MIN;
    return next_row(c, INT64_MIN, (struct mc_gap){0}, out);
}
