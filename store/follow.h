/* follow.h: what histograms, routes and owners counted in each frame, less what follows from the
 * frame's own response events.
 *
 * A route's buckets are those of its responses' durations, and an owner's are those of its
 * connections' responses: both sides work them out from the events, and what is stored is the
 * difference, mostly nothing.
 *
 * Format: MC_PART_FOLLOWS of trace_format.h:
 *   n routes of (method, detail, source_idx + 1; 0: no source is known), in order of their first
 *   response; source_idx + 1 of the owner that is followed (0: none) and the first frame in which
 *   it is; then byte counts of four columns, then these:
 *   frames   2 * adds, + 1 when they stand as they are
 *   sources  z source steps       buckets   z bucket steps, from 0 at each new source
 *   counts   what to add to the expected count: z, or as it is
 * Expected of a route: a bucket for each response of its method and detail that has a status and a
 * duration and is at most a second older than the frame. Expected of the followed owner: those of
 * all such responses, less what the other owners counted.
 */
#ifndef MC_FOLLOW_H
#define MC_FOLLOW_H

#include "tracer/buf.h"
#include "tracer/frame.h"

#define MC_FOLLOW_ROUTES 64u /* to a part; responses of others are only expected of the owner */
#define MC_FOLLOW_COLUMNS 4

struct mc_follow_route {
    uint32_t method, detail;
    uint32_t source_idx; /* UINT32_MAX: none */
    uint32_t row;        /* its counts; UINT32_MAX: none */
};

/* Counts by bucket of one source, while a frame is worked out. */
struct mc_follow_row {
    uint32_t source_idx;
    int64_t *counts; /* owned; MC_BUCKET_COUNT, all 0 between frames */
    uint64_t touched[(MC_BUCKET_COUNT + 63) / 64];
};

struct mc_follow {
    struct mc_follow_route routes[MC_FOLLOW_ROUTES];
    uint32_t route_count, owner_source, owner_from;
    struct mc_follow_row rows[MC_FOLLOW_ROUTES + 1]; /* the last one is the followed owner's */
    uint32_t row_count;
    uint32_t order[MC_FOLLOW_ROUTES];        /* rows by source */
    struct mc_buf expected;                  /* owned; struct mc_follow_add of the frame */
    int any;                                 /* writing: there is something to tell */
    struct mc_buf column[MC_FOLLOW_COLUMNS]; /* owned; writing */
    size_t mark[MC_FOLLOW_COLUMNS];          /* writing: where the columns were, */
    uint32_t mark_frame;                     /* before that frame */
    struct mc_buf stored, adds;              /* owned; reading */
    uint32_t *starts;                        /* owned; reading: where each frame's begin */
    uint8_t *as_is; /* owned; reading: frames whose adds stand as they are */
};

void mc_follow_init(struct mc_follow *f);
void mc_follow_fini(struct mc_follow *f);

/* ---- writing ---- */

/* Forget all: a part begins. */
void mc_follow_begin(struct mc_follow *f);
/* Add what frame `frame_idx` counted. 0 or MC_ENOMEM. */
int mc_follow_put(struct mc_follow *f, uint32_t frame_idx, const struct mc_frame *frame);
/* Append the raw part; nothing when no frame counted anything. 0 or MC_ENOMEM. */
int mc_follow_end(const struct mc_follow *f, struct mc_buf *raw);
/* The frames from `frame_idx`, which comes next, are also those of a part of their own. */
void mc_follow_set_mark(struct mc_follow *f, uint32_t frame_idx);
/* Append that part; it has the routes of this one. 0 or MC_ENOMEM. */
int mc_follow_end_mark(const struct mc_follow *f, struct mc_buf *raw);

/* ---- reading ---- */

/* Parse a part; `f` is initialised. Sources are checked against the first source_count of schema.
 * MC_ECORRUPT, MC_ENOMEM. */
int mc_follow_parse(struct mc_follow *f, const struct mc_schema *schema, uint32_t source_count,
                    uint32_t frame_count, const struct mc_buf *raw);
/* What frame `frame_idx` counted, given its ts and its events. Borrowed until the next call.
 * MC_ECORRUPT, MC_ENOMEM. */
int mc_follow_get(struct mc_follow *f, const struct mc_schema *schema, uint32_t frame_idx,
                  int64_t ts, const struct mc_event *events, size_t event_count,
                  const struct mc_bucket_add **adds, size_t *add_count);

#endif
