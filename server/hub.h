/* hub.h: the live run, sent to all who watch it: each tick's text is made once and shared.
 *
 * A *group* is the watchers that asked for the same `events=`: they get the same bytes. It keeps
 * the text of the recent ticks (MC_HUB_KEEP_NS, at most MC_HUB_KEEP_BYTES in all groups), each a
 * block; a watcher is a place in that list and holds on to the one block that it is sending. One
 * that falls behind the list, or by more than MC_HUB_LAG_BYTES, goes on with a keyframe of the
 * newest frame. A group without watchers is kept for MC_HUB_LINGER_NS, for those who come back, and
 * then nothing is made any more.
 *
 * Threads: the loop's.
 */
#ifndef MC_HUB_H
#define MC_HUB_H

#include "replay/stream.h"
#include "server/frame_copy.h"

#define MC_HUB_KEEP_NS INT64_C(30000000000)
#define MC_HUB_LINGER_NS INT64_C(10000000000)
#define MC_HUB_KEEP_BYTES (8u << 20)
#define MC_HUB_KEEP_BLOCKS 4096u
#define MC_HUB_LAG_BYTES (256u << 10)
#define MC_HUB_GROUPS 8u
#define MC_HUB_MARKS 64u

struct mc_hub;
struct mc_hub_group;

/* Text of one tick, shared and counted. */
struct mc_block {
    unsigned refs;
    int64_t ts, prev_ts; /* the frame that it leads to, and the one that it stands on */
    uint64_t end_off;    /* bytes of its group up to its end */
    size_t count;
    uint8_t bytes[];
};
void mc_block_unref(struct mc_block *b);

/* One who watches; part of a larger struct, linked into its group. */
struct mc_watcher {
    struct mc_hub_group *group; /* NULL: not watching */
    struct mc_watcher *prev, *next;
    void (*wake)(struct mc_watcher *w); /* there may be something; it may leave, or free itself */
    uint64_t seq;                       /* of the block to send next */
    uint64_t lag_bytes;                 /* how far it may be behind */
    int wants_keyframe;
    int waits; /* reads the store first: it holds no place yet */
};

int mc_hub_new(struct mc_hub **out);
/* No watcher may be left. */
void mc_hub_free(struct mc_hub *hub);

/* The run, NULL when none is live; and its newest frame, NULL before the first. Borrowed. */
const struct mc_run_info *mc_hub_run(const struct mc_hub *hub);
const struct mc_frame *mc_hub_newest(const struct mc_hub *hub);
/* The ts of the run's first frame; INT64_MIN before it. */
int64_t mc_hub_first_ts(const struct mc_hub *hub);
/* The newest frame's ts <= ts, as far back as the hub remembers (some 50 s); INT64_MIN past that.
 */
int64_t mc_hub_ts_before(const struct mc_hub *hub, int64_t ts);
/* Watchers, of all groups and runs. */
size_t mc_hub_watchers(const struct mc_hub *hub);

/* A run begins, ticks, ends. */
int mc_hub_begin(struct mc_hub *hub, const struct mc_run_info *info);
void mc_hub_frame(struct mc_hub *hub, const struct mc_frame *frame);
void mc_hub_end(struct mc_hub *hub, int64_t end_ts, const char *exit);
/* A mark of the live run: sent with the next tick. */
void mc_hub_mark(struct mc_hub *hub, const struct mc_mark *mark);
/* A mark of the live run is now another one, or gone (dur_ns below 0): also sent with the next
 * tick.
 */
void mc_hub_mark_edit(struct mc_hub *hub, const struct mc_mark *mark);
/* The newest marks, and those gone (dur_ns below 0), which the file may not have yet. */
size_t mc_hub_marks(const struct mc_hub *hub, const struct mc_mark **marks);

/* Watch the live run with that `events=`. `after` is the ts that the client has (Last-Event-ID), or
 * INT64_MIN. Returns 0; MC_END when the client must first be brought up from the store (w->waits is
 * set, call mc_hub_catch_up until it says so); MC_ENORUN; MC_ELIMIT when too many different
 * `events=` are in use; MC_ENOMEM. */
int mc_hub_watch(struct mc_hub *hub, struct mc_watcher *w, uint32_t event_max, int64_t after);
/* A watcher that waits has been sent all up to and with the frame `ts`: 1 when the blocks go on
 * from there (it waits no longer), else 0. */
int mc_hub_catch_up(struct mc_watcher *w, int64_t ts);
/* Give up waiting: go on with a keyframe. */
void mc_hub_skip(struct mc_watcher *w);
/* The next block: 1 and *out with a reference, 0 when there is none now, -1 after the run's end. */
int mc_hub_next(struct mc_watcher *w, struct mc_block **out);
void mc_hub_leave(struct mc_watcher *w);

/* The document of the newest frame, as JSON, or without its slot maps. MC_END before the first. */
int mc_hub_document(struct mc_hub *hub, int is_numbers, struct mc_buf *out);

#endif
