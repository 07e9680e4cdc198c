/* player.h: play a recorded run: from, to, speed, resume.
 *
 * Has no clock and no event loop: the caller says what time it is, and is told when to come back.
 * Threads: one thread per player. Reads the trace; never waits for anything else.
 */
#ifndef MC_PLAYER_H
#define MC_PLAYER_H

#include "replay/stream.h"

struct mc_player;

struct mc_player_options {
    int64_t run_id;
    int64_t from; /* ts to begin at: the first event is the keyframe of the frame at or before */
    int64_t to;   /* ts of the last frame to send; INT64_MAX: to the end */
    double speed; /* run seconds per second; 0: as fast as it is read ("max"); below 0: back */
    int coalesce; /* merge frames so that at most rate_max a second are sent */
    int rate_max; /* 1 to 60; 0: 60 */
    int resume;   /* the client has the document of `from` (Last-Event-ID): send what follows,
                     no keyframe */
    uint32_t event_max; /* as in struct mc_stream_options */
    int follow;         /* at the end of a run that is still written, wait for more */
};

/* speed: any finite number; else MC_EINVAL. MC_ENORUN. The reader is borrowed. */
int mc_player_open(struct mc_reader *r, const struct mc_player_options *opts,
                   struct mc_player **out);
void mc_player_close(struct mc_player *p);

/* Append to `out` the stream's events that are due at now_ns (any monotonic clock), stopping after
 * the frame that brings `out` past room_bytes. *wake_ns is when to call again (now_ns or earlier:
 * as soon as there is room). A caller that was away gets the newest due state, not a flood, unless
 * coalesce is off. Returns 0, MC_END when all has been sent (an `end` event is the last), or a
 * negative code. */
int mc_player_next(struct mc_player *p, int64_t now_ns, size_t room_bytes, struct mc_buf *out,
                   int64_t *wake_ns);

/* The ts of the last frame that was sent; INT64_MIN before the first. */
int64_t mc_player_ts(const struct mc_player *p);

#endif
