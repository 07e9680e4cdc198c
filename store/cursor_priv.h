/* cursor_priv.h: what a cursor keeps. */
#ifndef MC_CURSOR_PRIV_H
#define MC_CURSOR_PRIV_H

#include "store/reader_priv.h"

/* Going back, the maps are copied every so many frames, and so many frames kept to be taken back.
 */
#define MC_BLOCK_FRAMES 32u
#define MC_SNAPSHOT_COUNT (MC_MAX_FRAMES / MC_BLOCK_FRAMES + 1)

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

/* What consecutive frames of the row replaced, so that they can be taken back, and their changes
 * where somebody wants them. */
struct block {
    uint32_t from, count;                /* frames; count 0: nothing kept */
    struct mc_buf changes, undo;         /* struct mc_slot_change, mc_maps_roll's; by frame */
    size_t change_ends[MC_BLOCK_FRAMES]; /* of each frame, in bytes */
    size_t undo_ends[MC_BLOCK_FRAMES];
};

struct mc_cursor {
    struct mc_reader *reader; /* borrowed */
    int64_t run_id;
    unsigned left_out;  /* enum mc_cursor_parts */
    uint32_t event_max; /* of a frame; 0: all */
    uint64_t events_left_out;
    struct mc_row *row; /* owned; the row it stands in, or NULL */
    uint32_t frame_idx;
    int64_t ts; /* of the frame it stands on; INT64_MIN before the first */
    struct mc_maps maps;
    struct map_place place;
    uint32_t leg_idx;              /* of the row's maps, that all of these belong to: */
    struct mc_map_reader *readers; /* owned; positions in the leg's maps part */
    struct snapshot *snapshots;    /* owned; of the leg, by frame */
    uint32_t snapshot_count;
    struct block block;
    struct mc_maps before;                      /* the maps before a hole */
    const struct mc_slot_change *frame_changes; /* borrowed from changes, or from the block */
    size_t frame_change_bytes;
    struct mc_buf scratch, changes, gaps;
    int64_t *values; /* owned */
    uint32_t value_room;
    struct mc_schema schema; /* a view as of the frame */
    struct mc_frame frame;
};

/* Bring the maps, with the changes of the frame, to frame `to` of the current row. Going back,
 * snapshots are taken on the way, and the last frames' changes are kept. 0, MC_END or a code. */
int mc_cursor_maps_roll(struct mc_cursor *c, uint32_t to, int backwards);
/* The frame's changes become those against the maps in `before`, instead of those written. */
int mc_cursor_maps_diff(struct mc_cursor *c);
/* Forget what is known of the current row, which is about to go. */
void mc_cursor_maps_drop(struct mc_cursor *c);
void mc_cursor_maps_fini(struct mc_cursor *c);

#endif
