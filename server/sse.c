/* sse.c: pull text from a source, through zstd where the client takes it. */
#include "server/sse.h"

#include <string.h>

#include "server/answer.h"
#include "server/params.h"

/* The first text of each stream: how long an EventSource waits before it connects again. */
static const uint8_t greeting[] = "retry: 1000\n\n";

/* Have a piece to send: 1, or what the source says. */
static int have_piece(struct mc_sse *s)
{
    while (!s->piece_bytes) {
        int got = s->source->next(s->arg, &s->piece, &s->piece_bytes);
        if (got != 1) {
            s->piece_bytes = 0;
            return got;
        }
    }
    return 1;
}

static long read_plain(struct mc_sse *s, uint8_t *buf, size_t room_bytes)
{
    size_t made = 0;
    while (made < room_bytes) {
        int got = have_piece(s);
        if (got < 0 && !made)
            return MC_HTTP_STREAM_END;
        if (got != 1)
            break;
        size_t part = s->piece_bytes < room_bytes - made ? s->piece_bytes : room_bytes - made;
        memcpy(buf + made, s->piece, part);
        s->piece += part;
        s->piece_bytes -= part;
        made += part;
    }
    return (long)made;
}

/* Text goes in as long as there is some and room is left; when there is no more for now, what the
 * compressor holds is flushed out. */
static long read_squeezed(struct mc_sse *s, uint8_t *buf, size_t room_bytes)
{
    size_t made = 0;
    while (made < room_bytes) {
        enum mc_squeeze_how how = MC_SQUEEZE_FLUSH;
        if (s->ended && !s->pending)
            break;
        if (s->ended) {
            how = MC_SQUEEZE_END;
        } else if (!s->pending) {
            int got = have_piece(s);
            if (got == 0 && !s->unflushed)
                break;
            if (got < 0)
                s->ended = 1;
            how = got == 1 ? MC_SQUEEZE_MORE : got < 0 ? MC_SQUEEZE_END : MC_SQUEEZE_FLUSH;
        }
        const uint8_t *none = NULL;
        size_t none_bytes = 0;
        int more = how == MC_SQUEEZE_MORE;
        long out =
            mc_squeeze_step(s->zstd, more ? &s->piece : &none, more ? &s->piece_bytes : &none_bytes,
                            buf + made, room_bytes - made, how, &s->pending);
        if (out < 0)
            return MC_HTTP_STREAM_END;
        made += (size_t)out;
        if (more)
            s->pending = 0; /* what is left of the piece says so itself */
        s->unflushed = more;
    }
    return made ? (long)made : s->ended ? MC_HTTP_STREAM_END : 0;
}

static long sse_read(void *arg, uint8_t *buf, size_t room_bytes)
{
    struct mc_sse *s = arg;
    return s->zstd ? read_squeezed(s, buf, room_bytes) : read_plain(s, buf, room_bytes);
}

static void sse_closed(void *arg)
{
    struct mc_sse *s = arg;
    s->req = NULL;
    mc_squeeze_free(s->zstd);
    s->zstd = NULL;
    if (!s->opening)
        s->source->closed(s->arg);
}

int mc_sse_packs(const struct mc_http_request *req)
{
    return mc_param_accepts(mc_http_header(req, "accept-encoding"), "zstd");
}

int mc_sse_open(struct mc_sse *s, struct mc_http_request *req, const struct mc_sse_source *source,
                void *arg)
{
    static const struct mc_http_stream_ops ops = {sse_read, sse_closed};
    struct mc_http_header headers[4];
    size_t count = 0;
    *s = (struct mc_sse){.req = req, .source = source, .arg = arg};
    s->piece = greeting;
    s->piece_bytes = sizeof greeting - 1;
    headers[count++] = (struct mc_http_header){"content-type", "text/event-stream"};
    headers[count++] = (struct mc_http_header){"cache-control", "no-store"};
    headers[count++] = (struct mc_http_header){"vary", "accept-encoding"};
    if (mc_sse_packs(req))
        s->zstd = mc_squeeze_new(); /* without memory for it the text goes as it is */
    if (s->zstd)
        headers[count++] = (struct mc_http_header){"content-encoding", "zstd"};
    s->opening = 1; /* the source is not told of an end before this returns */
    int code = mc_http_respond_stream(req, 200, headers, count, &ops, s);
    s->opening = 0;
    if (code) {
        mc_squeeze_free(s->zstd);
        s->zstd = NULL;
        s->req = NULL;
    } else if (!s->req) {
        source->closed(arg);
    }
    return code;
}

void mc_sse_wake(struct mc_sse *s)
{
    if (s->req)
        mc_http_stream_resume(s->req);
}
