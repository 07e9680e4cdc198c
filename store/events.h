/* events.h: connection and request events as columns by meaning.
 *
 * Format: a slice (part MC_PART_EVENTS + n): first frame, frame count, event count, z base (µs of
 *         the first event), flags, a key (flag) as its byte count and its bytes, then the byte
 *         counts of MC_EV_COLUMN_COUNT columns and the columns. Writer and reader keep the same
 *         model (events_priv.h) of what is known so far in the slice: open connections, requests
 *         in flight, the routes and their last responses; a number that the model predicts is
 *         stored as 0.
 *
 *   counts   events of each frame          types    a byte each; MC_EV_RAW: all fields stand in raw
 *   time     µs since the last event: a byte, or 255 and a z number in `far`
 *   ns       ts % 1000, dur_ns % 1000; absent (flag) where all are 0, the default clock
 *   conns    0: as the last event; 1: a new one, z difference to the highest + 1 in `far`;
 *            n + 2: the n-th open connection
 *   streams  z difference to the stream that the model expects
 *   routes   0: as expected (a response: that of its request); 1: a new pair of method and route,
 *            in `far`; n + 2: the n-th pair
 *   status, in, out, arena   responses: z difference to the last of the route (status, arena);
 *            0: as the last of the route, else 1 + the number (in, out; one escape byte at the top)
 *   durs     µs; of a response to a known request: z difference to the time since it
 *   details  z difference to the last detail of the type    owners, ports   likewise
 *   bytes    in and out of close and gc    states   a byte each
 *
 *         The key, of slices in tail rows: what the model knew before the slice, so that a tail row
 *         has the chunk's own columns, encoded once. base is the µs of the last event before it.
 *   highest connection, 1 + the last event's place (0: none), places in use, last port; for each
 *   type its last detail, last owner; n routes of: method, detail, status, arena, in, out; n
 *   connections that the slice comes back to: place, id, last stream, 1 + last route (0: none),
 *   n requests in flight of (stream, route, z µs before base); n free places that it gives away,
 *   in that order
 */
#ifndef MC_EVENTS_H
#define MC_EVENTS_H

#include "tracer/buf.h"
#include "tracer/frame.h"

enum mc_event_column {
    MC_EV_COUNTS,
    MC_EV_TYPES,
    MC_EV_TIME,
    MC_EV_FAR,
    MC_EV_NS,
    MC_EV_CONNS,
    MC_EV_STREAMS,
    MC_EV_ROUTES,
    MC_EV_STATUS,
    MC_EV_IN,
    MC_EV_OUT,
    MC_EV_ARENA,
    MC_EV_DURS,
    MC_EV_DETAILS,
    MC_EV_OWNERS,
    MC_EV_BYTES,
    MC_EV_STATES,
    MC_EV_RAWS,
    MC_EV_COLUMN_COUNT
};

struct mc_event_model;

/* ---- writing ---- */

/* What is known of the events before a mark, of which a key is made. */
struct mc_event_key {
    struct mc_buf head, conns, places;
    uint32_t conn_count, place_count;
    uint32_t places_left; /* free places of before the mark that are still free */
    uint32_t stamp;       /* connections with it are in the key, or of after the mark */
    int64_t base_us;
};

/* Where a writer was. */
struct mc_event_mark {
    size_t column[MC_EV_COLUMN_COUNT];
    uint32_t frame_count;
    uint64_t event_count;
};

struct mc_event_writer {
    struct mc_buf column[MC_EV_COLUMN_COUNT];
    uint8_t *at[MC_EV_COLUMN_COUNT]; /* borrowed: where each column goes on, within a batch */
    struct mc_event_model *model;    /* owned */
    uint32_t first_frame, frame_count;
    uint64_t event_count;
    int64_t base_us, last_us;
    int any_ns;
    struct mc_event_mark mark;
    struct mc_event_key key; /* of the mark; owned */
};

int mc_event_writer_init(struct mc_event_writer *w);
void mc_event_writer_fini(struct mc_event_writer *w);
/* Begin a slice whose first frame is `first_frame` of the chunk. */
void mc_event_writer_begin(struct mc_event_writer *w, uint32_t first_frame);
/* Add the events of the next frame. */
void mc_event_writer_frame(struct mc_event_writer *w, const struct mc_event *events, size_t count);
/* Append the slice's raw bytes. 0 or MC_ENOMEM. */
int mc_event_writer_end(struct mc_event_writer *w, struct mc_buf *raw);
/* From here on events are also those of a slice of their own, until the next mark or the end of
 * this one. */
void mc_event_writer_set_mark(struct mc_event_writer *w);
/* Append the raw bytes of the slice that begins at the mark, with frame 0. 0 or MC_ENOMEM. */
int mc_event_writer_end_mark(const struct mc_event_writer *w, struct mc_buf *raw);

/* ---- reading ---- */

/* Some types of events: a bit each, and one for all that is no type. */
#define MC_EVENT_TYPES_ALL UINT32_MAX
static inline uint32_t mc_event_types_of(int type)
{
    return 1u << (type < MC_EVENT_COUNT ? type : 31);
}

struct mc_event_reader;

/* Where a frame's events begin: among all of the slice, and among those that are asked for. */
struct mc_event_start {
    uint32_t all, asked;
};

/* A slice that is being read. Events are decoded when their frame is asked for, and those of a few
 * frames are kept: going forward takes little memory, and all of it stays in the cache. Whoever
 * goes back has all up to there decoded once more and kept, so that the rest of the way costs
 * nothing. What is more than event_max of a frame is passed over, and that only when a later frame
 * of the slice is asked for. */
struct mc_event_slice {
    uint32_t first_frame, frame_count;
    uint32_t types;                 /* that there are; may say more */
    struct mc_buf raw;              /* owned: what mc_event_slice_open reads */
    struct mc_event_reader *reader; /* owned: how far it is decoded */
    struct mc_event_start *starts;  /* owned; frame_count + 1: where each frame's events begin */
    uint32_t start_room;
    uint32_t event_max;  /* that a frame is asked for, set before the slice is opened; 0: all */
    uint32_t rest_count; /* of the newest decoded frame: not asked for, and not decoded yet */
    uint32_t kept_first, kept_end; /* frames whose events are there, counted from first_frame */
    struct mc_event *events;       /* owned */
    uint64_t event_room;
};

/* Begin to read the slice whose bytes are in s->raw; what is there of a slice read before, its
 * memory is used again. MC_ECORRUPT, MC_ENOMEM: it can only be opened anew. */
int mc_event_slice_open(struct mc_event_slice *s, uint32_t chunk_frames);
/* The events of one frame, counted from first_frame, at most event_max; valid until the next call.
 * No event has a string at or past string_count. MC_ECORRUPT, MC_ENOMEM: as above. */
int mc_event_slice_frame(struct mc_event_slice *s, uint32_t frame_idx, uint32_t string_count,
                         const struct mc_event **events, size_t *count);
/* How many events the frame has beyond event_max. */
uint32_t mc_event_slice_left_out(const struct mc_event_slice *s, uint32_t frame_idx);
/* Whether any event has been decoded. */
int mc_event_slice_is_begun(const struct mc_event_slice *s);
/* Let go of memory that is more than what most slices need, and of event_max. */
void mc_event_slice_trim(struct mc_event_slice *s);
void mc_event_slice_fini(struct mc_event_slice *s);

#endif
