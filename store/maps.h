/* maps.h: slot maps: their state, and their changes as columns.
 *
 * Format: MC_PART_MAPS of trace_format.h, a map's columns:
 *   key     states; then, with owners: owners' low bytes, high bytes; conns, each a z difference to
 *           the last one that is not 0 (0 stays 0: coded 0, others 1 + zigzag); z last conn.
 *           The state before the map's first frame in this part.
 *   runs    for each frame with changes: 2 * frames since the last such one (the first: since the
 *           map's first frame), + 1 when the frame stands in extra; else for each class of changes
 *           (allocated: from free; freed: to free; changed: between others): 0, or
 *           9 * n + 3 * owner rule + conn rule, then n runs of (gap, length) over the slots that
 *           could change so: the free ones for allocated, the used ones for freed and changed, as
 *           of before the frame. An allocator that takes the lowest free slots is one run.
 *   states  letters of the allocated and of the changed
 *   owners  string ids, where the class's rule says that they are listed
 *   conns   z differences to the last conn listed, likewise
 *   extra   frames that fit no class (a free slot that stays free, changes out of order): each n
 *           of (slot, state, owner, z conn difference)
 * A rule of 0: owners and conns are 0; 1: unchanged; 2: listed.
 */
#ifndef MC_MAPS_H
#define MC_MAPS_H

#include "tracer/buf.h"
#include "tracer/frame.h"

enum mc_map_column {
    MC_MAP_KEY,
    MC_MAP_RUNS,
    MC_MAP_STATES,
    MC_MAP_OWNERS,
    MC_MAP_CONNS,
    MC_MAP_EXTRA,
    MC_MAP_COLUMN_COUNT
};

/* A map as encoder and decoder both keep it. */
struct mc_map_state {
    struct mc_map map; /* owned arrays */
    uint64_t *used;    /* owned; a bit for each slot that is not free */
    uint32_t *used_in; /* owned; used slots in each block of 4,096 */
    uint64_t last_conn;
};

struct mc_maps {
    struct mc_map_state *maps; /* owned */
    struct mc_map *views;      /* owned; what a frame's maps points to */
    uint32_t count, room;
};

void mc_maps_fini(struct mc_maps *m);
/* Append a map of all free slots. 0, MC_ENOMEM, MC_ELIMIT past MC_MAX_SLOTS. */
int mc_maps_add(struct mc_maps *m, const struct mc_source *source);
/* Deep copy; `to` is initialised (or zero). */
int mc_maps_copy(struct mc_maps *to, const struct mc_maps *from);
/* Set one slot. */
void mc_map_set(struct mc_map_state *m, uint32_t slot_idx, uint8_t state, uint16_t owner,
                uint64_t conn_id);
/* Recompute what is derived, after the arrays were written directly. */
void mc_map_recount(struct mc_map_state *m);

/* ---- writing ---- */

/* The ops of one frame for one map: appended to columns, the same for a tail and for a chunk. */
struct mc_map_ops {
    struct mc_buf column[MC_MAP_COLUMN_COUNT];
    int is_extra;
    uint32_t run_count; /* of all classes; of extra: of changes */
    struct mc_buf scratch, words;
};
/* Whether a frame's changes name slots that exist, map by map. */
int mc_maps_fit(const struct mc_maps *maps, const struct mc_slot_change *changes, size_t count);
/* Where the changes of the map that changes[first] is of end; they fit. */
size_t mc_changes_end(const struct mc_slot_change *changes, size_t count, size_t first);
void mc_map_ops_fini(struct mc_map_ops *ops);
/* Replace `ops` by those of changes[0..count), all of this map, and apply them to it. */
int mc_map_ops_make(struct mc_map_ops *ops, struct mc_map_state *m,
                    const struct mc_slot_change *changes, size_t count);
/* Append the key of a map. */
void mc_map_put_key(const struct mc_map_state *m, struct mc_buf *key);

/* ---- reading ---- */

struct mc_map_reader {
    uint32_t source_idx, first_frame;
    int has_key, is_extra;
    struct mc_span column[MC_MAP_COLUMN_COUNT];
    uint64_t next_frame; /* that has changes; UINT64_MAX: none */
    /* Of the states column: letters before `checked` are valid; those between the two are alike. */
    const uint8_t *checked, *alike, *alike_end;
};

/* The maps part of a chunk or tail, parsed; `raw` must live as long. */
struct mc_maps_part {
    struct mc_map_reader *readers; /* owned; one per map, in map order */
    uint32_t count;
};
/* At most map_count maps, which begin with frames [first_frame, end_frame). MC_ECORRUPT, MC_ENOMEM.
 */
int mc_maps_part_parse(struct mc_maps_part *p, const struct mc_schema *schema, uint32_t map_count,
                       uint32_t first_frame, uint32_t end_frame, const struct mc_buf *raw);
void mc_maps_part_fini(struct mc_maps_part *p);
/* Bring into being the maps that begin with frame f of the part, as they were before it.
 * MC_ECORRUPT, MC_ENOMEM. */
int mc_maps_begin(struct mc_map_reader *readers, uint32_t reader_count,
                  const struct mc_schema *schema, uint32_t frame_idx, struct mc_maps *maps);
/* What a step reads and writes. */
struct mc_maps_roll {
    struct mc_map_reader *readers; /* borrowed: the position, a copy of the part's */
    uint32_t reader_count;
    struct mc_maps *maps;   /* borrowed */
    struct mc_buf *scratch; /* borrowed: any buffer */
    struct mc_buf *changes; /* borrowed: struct mc_slot_change are appended; or NULL */
    struct mc_buf *undo;    /* borrowed: what mc_maps_take_back needs is appended; or NULL */
};
/* After mc_maps_begin: bring the maps to the state after frame f of the part; frames must come in
 * order from 0. MC_ECORRUPT, MC_ENOMEM. */
int mc_maps_step(const struct mc_maps_roll *roll, uint32_t frame_idx);
/* Take `maps` back by what steps appended to undo[0..count), but for their last_conn: reading on
 * from here needs a copy of the maps as they were then. */
void mc_maps_take_back(struct mc_maps *maps, const uint8_t *undo, size_t count);

#endif
