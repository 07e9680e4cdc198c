/* feed.h: a recorded run's stream as pieces of text: a player, its reader, and the clock.
 *
 * A stream that keeps up with its clock is played on the loop, a frame at a time. One for which
 * more is due at once (speed=max, or a client that was away) can be played ahead: while a piece is
 * sent, the next one is made on the thread pool. That pays where the loop has more to do with a
 * piece than to send it, to compress it, or where many frames are read for one that is sent: the
 * demo's load at max with zstd goes 1.3 times as fast. To make plain text on one core and send it
 * on the other takes a third more CPU for both than one core does, and is no faster.
 *
 * Owns:    the player, a borrowed reader, one timer, two pieces of text: the one that is handed out
 *          and the one ahead of it. A client that does not read costs these, and no worker.
 * Threads: the loop's. The player is used by one thread at a time: a worker has it from when it
 *          begins until the loop has heard of its end; a worker that has not begun when the loop
 *          wants the next piece is passed over. A feed that is closed meanwhile is freed when its
 *          worker has ended, which takes one piece, or MC_FEED_SLICE_NS.
 * Bounds:  a burst of work on the loop ends after MC_FEED_SLICE_NS or MC_FEED_SLICE_BYTES, so that
 *          the loop gets its turn; work on the pool after one piece, so that others get theirs.
 */
#ifndef MC_FEED_H
#define MC_FEED_H

#include <uv.h>

#include "replay/player.h"
#include "server/traces.h"

#define MC_FEED_SLICE_NS 5000000
#define MC_FEED_SLICE_BYTES (256u << 10)
#define MC_FEEDS_MAX 256 /* at a time: each has a reader, which takes two descriptors */
#define MC_FEED_PIECE_BYTES (32u << 10)
#define MC_FEED_AHEAD_BYTES (256u << 10)

struct mc_dashboard;
struct mc_feed;

/* wake(arg) is called when mc_feed_next may have something. is_packed: the text will be compressed
 * on the loop. Codes as mc_reader_open and mc_player_open; MC_ELIMIT when MC_FEEDS_MAX are open. */
int mc_feed_open(struct mc_dashboard *d, struct mc_trace_file *file,
                 const struct mc_player_options *opts, int is_packed, void (*wake)(void *arg),
                 void *arg, struct mc_feed **out);
/* 1 with the next piece, valid until the next call; 0: nothing now, wake comes; -1: it is over. */
int mc_feed_next(struct mc_feed *f, const uint8_t **bytes, size_t *count);
/* The ts of the last frame handed out; INT64_MIN before the first. */
int64_t mc_feed_ts(const struct mc_feed *f);
void mc_feed_close(struct mc_feed *f);

#endif
