/* sse.h: one event stream to one client: pieces of text from a source, squeezed where the client
 * takes zstd, pulled by the HTTP server as its peer reads.
 *
 * Owns:    the compressor. Holds no text: a piece stays with its source until it is sent.
 * Threads: the loop's.
 */
#ifndef MC_SSE_H
#define MC_SSE_H

#include "server/http.h"
#include "server/sse_zstd.h"

struct mc_sse_source {
    /* The next piece of text: 1 with *bytes and *count, valid until the next call; 0: nothing now,
     * mc_sse_wake will be called; -1: the stream is over. */
    int (*next)(void *arg, const uint8_t **bytes, size_t *count);
    /* The stream is over or its client has gone, exactly once. The mc_sse is finished already. */
    void (*closed)(void *arg);
};

struct mc_sse {
    struct mc_http_request *req; /* borrowed; NULL once closed */
    const struct mc_sse_source *source;
    void *arg;
    struct mc_squeeze *zstd; /* owned; NULL: as it is */
    const uint8_t *piece;    /* borrowed from the source: what is left of its piece */
    size_t piece_bytes;
    int pending; /* the compressor holds output back */
    int unflushed;
    int opening;
    int ended; /* the source has nothing more; the last bytes are on their way */
};

/* Whether the client takes zstd, so that its stream will be squeezed. */
int mc_sse_packs(const struct mc_http_request *req);
/* Answer `req` with an event stream. After 0 `closed` will be called; after a negative code the
 * request has been answered with an error, and `closed` is not called. */
int mc_sse_open(struct mc_sse *s, struct mc_http_request *req, const struct mc_sse_source *source,
                void *arg);
/* There is something to send. May call the source, and close the stream, before it returns. */
void mc_sse_wake(struct mc_sse *s);

#endif
