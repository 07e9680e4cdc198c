/* chunk.h: frames into the parts of a row (chunk or tail), and out again.
 *
 * Format: head and parts as in trace_format.h. Knows nothing of SQLite.
 */
#ifndef MC_CHUNK_H
#define MC_CHUNK_H

#include "store/event_index.h"
#include "store/events.h"
#include "store/follow.h"
#include "store/maps.h"
#include "store/numbers.h"
#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/frame.h"

/* What a row says of itself. */
struct mc_chunk_part {
    uint32_t number;
    uint64_t stored_bytes, raw_bytes, checksum;
};
struct mc_chunk_head {
    int64_t run_id, first_ts, last_ts, prev_ts;
    uint32_t frame_count, codec, flags;
    uint32_t source_count, string_count, value_count, map_count;
    uint64_t event_count;
    uint32_t part_count;
    struct mc_chunk_part parts[MC_PART_COUNT];
    uint32_t leg_count; /* of its maps: 1 or more */
    uint32_t leg_first[MC_LEG_COUNT];
};

/* The checksum of a row's columns and blobs. */
uint64_t mc_chunk_sum(int64_t run_id, int64_t first_ts, int64_t last_ts, int64_t frame_count,
                      int64_t codec, const void *head, size_t head_bytes, const void *summary,
                      size_t summary_bytes);

/* ---- writing -------------------------------------------------------------------------------- */

struct mc_chunk_map {
    uint32_t source_idx, first_frame;
    int has_key;
    uint64_t next_from; /* frame steps count from here */
    struct mc_buf column[MC_MAP_COLUMN_COUNT];
};

/* Frames of one row that is being made. */
struct mc_chunk_writer {
    uint32_t room;                  /* frames */
    const struct mc_schema *schema; /* borrowed */
    struct mc_packer *packer;       /* borrowed */
    /* Borrowed; set by the caller, once: the writer of a longer row that takes the same frames,
     * each before this one does. Events and buckets are encoded there, and shared. Or NULL. */
    struct mc_chunk_writer *along;
    int64_t prev_ts;
    uint32_t flags, frame_count, source_count, string_count, value_count;
    int64_t *ts;            /* owned */
    int64_t *cells;         /* owned; value-major */
    uint64_t cell_room;     /* values that cells has room for */
    uint32_t *source_first; /* owned */
    uint32_t source_room;
    struct mc_chunk_map *maps; /* owned */
    uint32_t map_count, map_room;
    uint32_t keyed_map_count; /* of the first maps: their keys stand in a row before */
    struct mc_buf gaps;
    struct mc_follow follow;
    uint32_t gap_count;
    struct mc_event_writer events;
    int is_burst;  /* the last frame had so many events that its slice ends with it */
    int has_index; /* set by the caller, once: rows of this writer have an event index */
    struct mc_event_index_maker index;
    struct mc_buf raw;    /* of the part that is being made; its memory is kept */
    struct mc_buf slices; /* finished ones, packed */
    struct mc_chunk_part slice_parts[MC_SLICE_COUNT + 1];
    uint32_t slice_count;
    uint64_t event_count;
    uint64_t roll_cost; /* of the maps: runs, and a quarter of the slot changes */
    uint64_t leg_cost;  /* of those in the leg that is open */
    struct mc_buf legs; /* finished ones, packed */
    struct mc_chunk_part leg_parts[MC_LEG_COUNT];
    uint32_t leg_first[MC_LEG_COUNT];
    uint32_t leg_count; /* with the open one */
};

int mc_chunk_writer_init(struct mc_chunk_writer *w, uint32_t room, struct mc_packer *packer);
void mc_chunk_writer_fini(struct mc_chunk_writer *w);
/* Begin a row. prev_ts: INT64_MIN when there is no frame before it. flags: enum mc_head_flags. */
void mc_chunk_writer_begin(struct mc_chunk_writer *w, const struct mc_schema *schema,
                           int64_t prev_ts, uint32_t flags);
/* A row that has to end before a frame of `value_count` values can be added. */
int mc_chunk_writer_full(const struct mc_chunk_writer *w, uint32_t value_count);
/* The next frame begins a slice of events: a row that goes along has to end before it. */
int mc_chunk_writer_slice_full(const struct mc_chunk_writer *w);
/* One frame: begin (maps as they are before it), then the ops of each map that changes, then end
 * with everything else. 0 or MC_ENOMEM, after which the row can only be begun anew. */
int mc_chunk_writer_frame_begin(struct mc_chunk_writer *w, const struct mc_maps *before);
int mc_chunk_writer_ops(struct mc_chunk_writer *w, uint32_t map_idx, const struct mc_map_ops *ops,
                        size_t change_count);
int mc_chunk_writer_frame_end(struct mc_chunk_writer *w, const struct mc_frame *frame);

/* A finished row: what goes into its columns. Parts stand in `body` one after the other. */
struct mc_chunk_row {
    struct mc_chunk_head info;
    struct mc_buf head, summary, body; /* owned */
    uint64_t checksum;
};
/* Finish; with_summary for chunks. The writer must be begun anew afterwards. */
int mc_chunk_writer_end(struct mc_chunk_writer *w, int64_t run_id, int with_summary,
                        struct mc_chunk_row *row);
void mc_chunk_row_fini(struct mc_chunk_row *row);

/* ---- reading -------------------------------------------------------------------------------- */

/* Parse a head blob against its row's columns, which are in `info` already (run_id, first_ts,
 * last_ts, frame_count, codec). Checks the row's checksum first. MC_ECORRUPT. */
int mc_chunk_head_parse(struct mc_chunk_head *info, uint64_t checksum, const void *head,
                        size_t head_bytes, const void *summary, size_t summary_bytes);

/* The per-value figures of a chunk. */
struct mc_value_summary {
    int64_t min, max, mean, last;
};
/* Decode a summary of value_count values into out. MC_ECORRUPT, MC_ENOMEM. */
int mc_summary_read(struct mc_packer *p, const void *summary, size_t summary_bytes,
                    uint32_t value_count, struct mc_value_summary *out);

/* Where a row's parts come from: *bytes is borrowed until the next call. 0 or a code. */
typedef int (*mc_part_fn)(void *arg, const struct mc_chunk_part *part, uint64_t offset,
                          const uint8_t **bytes);

/* A row that is being read; parts are fetched and decoded when asked for. */
struct mc_chunk {
    struct mc_chunk_head info;
    const struct mc_schema *schema; /* borrowed; at least what the head counts */
    struct mc_packer *packer;       /* borrowed */
    mc_part_fn fetch;
    void *fetch_arg;
    int64_t *ts;                              /* owned; frame_count */
    struct mc_gap *gaps;                      /* owned */
    uint32_t *gap_starts;                     /* owned; frame_count + 1 */
    struct mc_numbers numbers[MC_KIND_COUNT]; /* kind loaded when field_count is not 0 */
    int64_t *cells;   /* owned; value-major, when mc_chunk_cells was called */
    int is_frame_had; /* the numbers of one, before cells were */
    int buckets_loaded, has_follow;
    int is_damaged;   /* a part was not as its checksum says */
    uint32_t leg_idx; /* of the leg that is loaded; UINT32_MAX none */
    struct mc_buf maps_raw;
    struct mc_maps_part maps;      /* the leg's */
    struct mc_bucket_add *buckets; /* owned; of version 1 */
    uint32_t *bucket_starts;       /* owned; of version 1 */
    struct mc_follow follow;
    uint32_t slice_number; /* of the slice that is loaded; UINT32_MAX none */
    struct mc_event_slice slice;
    uint64_t slices_decoded;
    uint32_t slice_first[MC_SLICE_COUNT + 1]; /* first frames; UINT32_MAX not known yet */
};

/* Begin to read a row whose head was parsed: loads the frames part. Codes as above. */
int mc_chunk_open(struct mc_chunk *c, const struct mc_chunk_head *info,
                  const struct mc_schema *schema, struct mc_packer *packer, mc_part_fn fetch,
                  void *fetch_arg);
void mc_chunk_fini(struct mc_chunk *c);
/* Load the parts; each is a no-op when it is there already. */
int mc_chunk_numbers(struct mc_chunk *c,
                     int kind);         /* columns of one kind; 0 also when it has none */
int mc_chunk_cells(struct mc_chunk *c); /* all numbers, decoded into cells */
/* The numbers of one frame into values[0..value_count): the first time only these are decoded, as
 * nobody may want another frame's. */
int mc_chunk_frame_numbers(struct mc_chunk *c, uint32_t frame_idx, int64_t *values);
/* Where one value's column is, its part loaded: that of a source of *numbers, and the field. The
 * head counts the value. 0 or a code. */
int mc_chunk_column(struct mc_chunk *c, uint32_t value_idx, const struct mc_numbers **numbers,
                    uint32_t *source, uint32_t *field_idx);
/* Decode one value that the head counts into values[0..frame_count); `scratch` has as many places.
 */
int mc_chunk_value(struct mc_chunk *c, uint32_t value_idx, int64_t *values, int64_t *scratch);
/* The leg that has the frame; it replaces another, whose readers end with it. */
int mc_chunk_maps(struct mc_chunk *c, uint32_t frame_idx);
/* Which leg has the frame. */
uint32_t mc_chunk_leg_at(const struct mc_chunk *c, uint32_t frame_idx);
int mc_chunk_buckets(struct mc_chunk *c);
/* What a frame counted, given its events; after mc_chunk_buckets. Borrowed until the next call. */
int mc_chunk_frame_buckets(struct mc_chunk *c, uint32_t frame_idx, const struct mc_event *events,
                           size_t event_count, const struct mc_bucket_add **adds,
                           size_t *add_count);
/* What the events are about. MC_END: the row does not tell. The caller frees it. */
int mc_chunk_event_index(struct mc_chunk *c, struct mc_event_index *out);
/* The events of one frame, at most slice.event_max; perhaps none, where it has none of `types`. */
int mc_chunk_events(struct mc_chunk *c, uint32_t frame_idx, uint32_t types,
                    const struct mc_event **events, size_t *count);
/* How many more it has, once it was asked for them. */
uint64_t mc_chunk_events_left_out(const struct mc_chunk *c, uint32_t frame_idx);
/* The newest frame with ts <= ts; 0 when ts is before the first. */
uint32_t mc_chunk_frame_at(const struct mc_chunk *c, int64_t ts);
/* The gaps of a frame. */
const struct mc_gap *mc_chunk_gaps(const struct mc_chunk *c, uint32_t frame_idx, size_t *count);

#endif
