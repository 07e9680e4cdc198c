/* cursor_maps.c: the slot maps of a cursor, brought from frame to frame, forwards and backwards.
 *
 * Maps are rolled forward frame by frame from the row's key (or, for a tail that goes on, from the
 * key of the tail that began it). Going backwards leaves a copy of the maps every MC_BLOCK_FRAMES;
 * a block of so many frames is rolled forwards once and what it replaces is kept, and each step
 * back then takes back one frame.
 */
#include <stdlib.h>

#include "store/cursor_priv.h"
#include "tracer/error.h"

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

void mc_cursor_maps_drop(struct mc_cursor *c)
{
    drop_snapshots(c);
    c->block.count = 0;
    free(c->readers);
    c->readers = NULL;
}

void mc_cursor_maps_fini(struct mc_cursor *c)
{
    mc_cursor_maps_drop(c);
    mc_maps_fini(&c->maps);
    mc_maps_fini(&c->before);
    mc_buf_fini(&c->block.changes);
    mc_buf_fini(&c->block.undo);
    mc_buf_fini(&c->scratch);
    mc_buf_fini(&c->changes);
}

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
    if (part->count)
        memcpy(readers, part->readers, part->count * sizeof *readers);
    free(*out);
    *out = readers;
    return 0;
}

/* Roll the maps over frames [from, to] of a row; the changes of the last one go to `changes`, and
 * what is needed to go back over it to `undo`, unless they are NULL. */
static int roll(struct mc_cursor *c, struct mc_row *row, struct mc_map_reader *readers,
                uint32_t from, uint32_t to, struct mc_buf *changes, struct mc_buf *undo)
{
    struct mc_maps_roll r = {.readers = readers,
                             .reader_count = row->chunk.maps.count,
                             .maps = &c->maps,
                             .scratch = &c->scratch};
    int rc = 0;
    for (uint32_t f = from; rc == 0 && f <= to; f++) {
        r.changes = f == to ? changes : NULL;
        r.undo = f == to ? undo : NULL;
        c->changes.count = 0;
        rc = mc_maps_begin(readers, r.reader_count, row->chunk.schema, f, &c->maps);
        if (rc == 0)
            rc = mc_maps_step(&r, f);
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
            rc = roll(c, tail, readers, 0, tail->chunk.info.frame_count - 1, NULL, NULL);
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
        c->snapshots = calloc(MC_SNAPSHOT_COUNT, sizeof *c->snapshots);
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

/* ---- back ----------------------------------------------------------------------------------- */

/* Roll over frames [from, to], at most MC_BLOCK_FRAMES of them, and keep what it takes to go back,
 * with the frames' changes where they are wanted. */
static int roll_block(struct mc_cursor *c, uint32_t from, uint32_t to, int want_changes)
{
    struct block *b = &c->block;
    b->count = 0;
    b->from = from;
    b->changes.count = b->undo.count = 0;
    for (uint32_t f = from; f <= to; f++) {
        int rc = roll(c, c->row, c->readers, f, f, want_changes ? &b->changes : NULL, &b->undo);
        if (rc < 0) {
            b->count = 0;
            mc_buf_fini(&b->changes);
            mc_buf_fini(&b->undo);
            return rc;
        }
        b->change_ends[b->count] = b->changes.count;
        b->undo_ends[b->count++] = b->undo.count;
    }
    return 0;
}

/* The changes of a frame that the block keeps. */
static void show_block_changes(struct mc_cursor *c, uint32_t frame_idx)
{
    const struct block *b = &c->block;
    uint32_t i = frame_idx - b->from;
    size_t first = i ? b->change_ends[i - 1] : 0;
    c->frame_changes = (const struct mc_slot_change *)(void *)(b->changes.bytes + first);
    c->frame_change_bytes = b->change_ends[i] - first;
}

/* Bring the maps back to frame `to` of the row by what the block keeps. 0 when it does not. */
static int step_back(struct mc_cursor *c, uint32_t to)
{
    struct block *b = &c->block;
    uint32_t at = c->place.frame_idx;
    if (!b->count || !place_is(c, c->row) || to < b->from || to >= at || at >= b->from + b->count)
        return 0;
    for (uint32_t i = 0; i < c->maps.count; i++) {
        if (c->row->chunk.maps.readers[i].first_frame > to)
            return 0; /* a map that was not there yet */
    }
    size_t first = b->undo_ends[to - b->from];
    if (b->undo.bytes)
        mc_maps_take_back(&c->maps, b->undo.bytes + first, b->undo_ends[at - b->from] - first);
    c->place.frame_idx = to;
    c->place.ts = c->row->chunk.ts[to];
    /* Where to read on from here is not known: going forwards begins at a snapshot. */
    free(c->readers);
    c->readers = NULL;
    show_block_changes(c, to);
    return 1;
}

/* Bring the maps, with the changes of the frame, to frame `to` of the current row. Going back,
 * snapshots are taken on the way, and the last frames' changes are kept. */
int mc_cursor_maps_roll(struct mc_cursor *c, uint32_t to, int backwards)
{
    struct mc_row *row = c->row;
    int rc = mc_chunk_maps(&row->chunk);
    if (rc < 0)
        return rc;
    if (backwards && step_back(c, to))
        return 0;
    uint32_t from;
    struct mc_buf *wanted = c->left_out & MC_CURSOR_CHANGES ? NULL : &c->changes;
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
        if (backwards && from / MC_BLOCK_FRAMES != to / MC_BLOCK_FRAMES)
            stop = from / MC_BLOCK_FRAMES * MC_BLOCK_FRAMES + MC_BLOCK_FRAMES - 1;
        rc = backwards && stop == to
                 ? roll_block(c, from, to, wanted != NULL)
                 : roll(c, row, c->readers, from, stop, stop == to ? wanted : NULL, NULL);
        if (rc == 0 && stop != to &&
            (!c->snapshot_count || c->snapshots[c->snapshot_count - 1].frame_idx < stop))
            rc = add_snapshot(c, stop);
        from = stop + 1;
    }
    if (rc == 0 && backwards) {
        show_block_changes(c, to);
        return 0;
    }
    c->frame_changes = (const struct mc_slot_change *)c->changes.bytes;
    c->frame_change_bytes = c->changes.count;
    return rc;
}

/* Changes of the frame against the maps in c->before, instead of those that were written. */
int mc_cursor_maps_diff(struct mc_cursor *c)
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
    c->frame_changes = (const struct mc_slot_change *)c->changes.bytes;
    c->frame_change_bytes = c->changes.count;
    if (!c->changes.failed)
        return 0;
    mc_buf_fini(&c->changes);
    return MC_ENOMEM;
}
