/* sse_zstd.c: zstd for streams and answers. */
#define ZSTD_STATIC_LINKING_ONLY
#include "server/sse_zstd.h"

#include <stdlib.h>
#include <zstd.h>

#include "tracer/error.h"

/* Measured on the deltas of a 20,000-slot map of which a fortieth changes each tick, 21.8 KB a
 * frame: level 1, window 2^15: 3,311 bytes a frame, 249 KB of memory level 1, window 2^16: 1,505
 * bytes, 473 KB, 34 us level 1, window 2^17: 1,542 bytes, 921 KB, 35 us level 3, window 2^16: 1,561
 * bytes, 729 KB, 30 us A window of more than two frames is what counts. */
#define STREAM_LEVEL 1
#define STREAM_HASH_LOG 12

struct mc_squeeze {
    ZSTD_CCtx *context; /* owned */
};

struct mc_squeeze *mc_squeeze_new(void)
{
    struct mc_squeeze *z = malloc(sizeof *z);
    if (!z)
        return NULL;
    z->context = ZSTD_createCCtx();
    if (!z->context) {
        free(z);
        return NULL;
    }
    ZSTD_CCtx_setParameter(z->context, ZSTD_c_compressionLevel, STREAM_LEVEL);
    ZSTD_CCtx_setParameter(z->context, ZSTD_c_windowLog, MC_SSE_WINDOW_LOG);
    ZSTD_CCtx_setParameter(z->context, ZSTD_c_hashLog, STREAM_HASH_LOG);
    return z;
}

void mc_squeeze_free(struct mc_squeeze *z)
{
    if (!z)
        return;
    ZSTD_freeCCtx(z->context);
    free(z);
}

long mc_squeeze_step(struct mc_squeeze *z, const uint8_t **in, size_t *in_bytes, uint8_t *out,
                     size_t room_bytes, enum mc_squeeze_how how, int *pending)
{
    static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer input = {*in, *in_bytes, 0};
    ZSTD_outBuffer output = {out, room_bytes, 0};
    size_t left;
    do {
        left = ZSTD_compressStream2(z->context, &output, &input, directives[how]);
        if (ZSTD_isError(left))
            return -1;
    } while (output.pos < output.size &&
             (how == MC_SQUEEZE_MORE ? input.pos < input.size : left != 0));
    *in += input.pos;
    *in_bytes -= input.pos;
    *pending = how == MC_SQUEEZE_MORE ? *in_bytes != 0 : left != 0;
    return (long)output.pos;
}

size_t mc_squeeze_memory_bytes(const struct mc_squeeze *z)
{
    return ZSTD_sizeof_CCtx(z->context);
}

int mc_squeeze_all(const void *bytes, size_t count, int level, struct mc_buf *out)
{
    size_t bound = ZSTD_compressBound(count);
    uint8_t *to = mc_buf_reserve(out, bound);
    if (!to)
        return MC_ENOMEM;
    size_t made = ZSTD_compress(to, bound, bytes, count, level);
    if (ZSTD_isError(made))
        return MC_ENOMEM;
    out->count += made;
    return 0;
}
