/* holes.c: what of a run is damaged or gone, found by the checksums alone: nothing is decoded. */
#include <stdlib.h>
#include <string.h>

#include "store/pack.h"
#include "store/plain.h"
#include "store/reader_priv.h"
#include "tracer/error.h"

/* ---- chunks that were found whole ----------------------------------------------------------- */

#define SEEN_ROOM_FIRST 256u

/* A number for a chunk as it is: its id, and what its parts' checksums must be. Never 0. */
static uint64_t key_of(int64_t chunk_id, const struct mc_chunk_head *head)
{
    uint64_t key = (uint64_t)chunk_id;
    for (uint32_t i = 0; i < head->part_count; i++)
        key = mc_sum64(&head->parts[i].checksum, sizeof head->parts[i].checksum, key);
    return key ? key : 1;
}

static uint64_t *place_of(uint64_t *keys, uint32_t room, uint64_t key)
{
    uint32_t i = (uint32_t)key & (room - 1);
    while (keys[i] && keys[i] != key)
        i = (i + 1) & (room - 1);
    return &keys[i];
}

static int is_seen(const struct mc_seen *seen, uint64_t key)
{
    return seen->room && *place_of(seen->keys, seen->room, key) == key;
}

/* Remember a chunk; without memory it is looked at again. */
static void see(struct mc_seen *seen, uint64_t key)
{
    if (seen->count * 2 >= seen->room) {
        uint32_t room = seen->room ? seen->room * 2 : SEEN_ROOM_FIRST;
        uint64_t *keys = calloc(room, sizeof *keys);
        if (!keys)
            return;
        for (uint32_t i = 0; i < seen->room; i++) {
            if (seen->keys[i])
                *place_of(keys, room, seen->keys[i]) = seen->keys[i];
        }
        free(seen->keys);
        seen->keys = keys;
        seen->room = room;
    }
    *place_of(seen->keys, seen->room, key) = key;
    seen->count++;
}

void mc_reader_forget_whole(struct mc_reader *r)
{
    free(r->whole.keys);
    memset(&r->whole, 0, sizeof r->whole);
}

int mc_row_sums(struct mc_reader *r, const struct mc_row_ref *ref, struct mc_chunk_head *head)
{
    int rc = mc_row_head(r, ref, head, NULL);
    if (rc < 0 || rc == MC_END)
        return rc;
    uint64_t key = ref->is_tail ? 0 : key_of(ref->row_id, head);
    if (key && is_seen(&r->whole, key))
        return 0;
    rc = mc_row_parts_check(r, ref, head);
    if (rc == 0 && key)
        see(&r->whole, key);
    return rc;
}

/* ---- holes ---------------------------------------------------------------------------------- */

int mc_gap_add(struct mc_buf *out, const struct mc_gap *g, int64_t from, int64_t to)
{
    int64_t end = mc_wrap_add(g->ts, g->dur_ns);
    if (g->ts < to && (end > from || g->ts >= from))
        mc_buf_add(out, g, sizeof *g);
    return out->failed ? MC_ENOMEM : 0;
}

int mc_reader_end_of_run(struct mc_reader *r, int64_t run_id, int64_t *out)
{
    const struct mc_plain_range range = {run_id, run_id, INT64_MIN, INT64_MAX};
    struct mc_plain_walk *w;
    const struct mc_plain_row *row;
    int rc = mc_plain_walk_open(r->db, MC_PLAIN_RUN, &range, &w);
    if (rc < 0)
        return rc;
    rc = mc_plain_walk_next(w, &row);
    *out = rc == 0 ? row->values[MC_PLAIN_RUN_END_TS].number : INT64_MIN;
    mc_plain_walk_close(w);
    return rc == MC_END ? 0 : rc;
}

int mc_reader_holes(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                    struct mc_buf *out)
{
    struct mc_row_walk walk;
    int64_t end_ts; /* read first: rows that come meanwhile are behind it */
    int rc = mc_reader_end_of_run(r, run_id, &end_ts);
    if (rc < 0)
        return rc;
    mc_row_walk_init(&walk, r, run_id, from, to);
    walk.sums_only = 1;
    do {
        rc = mc_row_walk_next(&walk, NULL);
        if (rc >= 0 && walk.hole.reason[0] && mc_gap_add(out, &walk.hole, from, to) < 0)
            rc = MC_ENOMEM;
    } while (rc == 0);
    if (rc < 0)
        return rc;
    /* The newest rows are not even there any more. */
    if (walk.at_end && walk.seen_ts != INT64_MIN && walk.last_ts < end_ts) {
        struct mc_gap g = {walk.seen_ts, end_ts - walk.seen_ts, 0, "damaged"};
        rc = mc_gap_add(out, &g, from, to);
    }
    return rc < 0 ? rc : 0;
}
