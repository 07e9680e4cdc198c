/* feed.h: a recorded run's stream as pieces of text: a player, its reader, and the clock.
 *
 * Owns:    the player, a borrowed reader, one timer.
 * Threads: the loop's. A burst of work ends after MC_FEED_SLICE_NS or MC_FEED_SLICE_BYTES, so that
 *          the loop gets its turn.
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

struct mc_dashboard;
struct mc_feed;

/* wake(arg) is called when mc_feed_next may have something. Codes as mc_reader_open and
 * mc_player_open; MC_ELIMIT when MC_FEEDS_MAX are open. */
int mc_feed_open(struct mc_dashboard *d, struct mc_trace_file *file,
                 const struct mc_player_options *opts, void (*wake)(void *arg), void *arg,
                 struct mc_feed **out);
/* 1 with the next piece, valid until the next call; 0: nothing now, wake comes; -1: it is over. */
int mc_feed_next(struct mc_feed *f, const uint8_t **bytes, size_t *count);
/* The ts of the last frame handed out; INT64_MIN before the first. */
int64_t mc_feed_ts(const struct mc_feed *f);
void mc_feed_close(struct mc_feed *f);

#endif
