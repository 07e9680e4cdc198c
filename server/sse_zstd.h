/* sse_zstd.h: zstd for streams, flushed when there is nothing more to send for now, and for whole
 * answers.
 *
 * Format:  one zstd frame per stream, window 2^MC_SSE_WINDOW_LOG, no checksum (TLS and TCP have
 *          theirs). A small window keeps the memory of a client small.
 */
#ifndef MC_SSE_ZSTD_H
#define MC_SSE_ZSTD_H

#include <stddef.h>
#include <stdint.h>

#include "tracer/buf.h"

#define MC_SSE_WINDOW_LOG 16

struct mc_squeeze;

/* NULL when there is no memory. */
struct mc_squeeze *mc_squeeze_new(void);
void mc_squeeze_free(struct mc_squeeze *z);

enum mc_squeeze_how {
    MC_SQUEEZE_MORE,  /* more input follows at once */
    MC_SQUEEZE_FLUSH, /* nothing follows for now: what has come must reach the client */
    MC_SQUEEZE_END    /* nothing follows ever */
};
/* Take input from *in (moved on) and write to out. Returns how many bytes were written, -1 on an
 * error. *pending: output is still held back for lack of room; call again with room. */
long mc_squeeze_step(struct mc_squeeze *z, const uint8_t **in, size_t *in_bytes, uint8_t *out,
                     size_t room_bytes, enum mc_squeeze_how how, int *pending);
/* The memory that one stream's compressor takes. */
size_t mc_squeeze_memory_bytes(const struct mc_squeeze *z);

/* Compress a whole answer into `out`. Returns 0, or MC_ENOMEM. */
int mc_squeeze_all(const void *bytes, size_t count, int level, struct mc_buf *out);

#endif
