/* http_conn.c: a connection: reads, finds out the protocol, drives input and output, ends.
 *
 * All work happens in mc_conn_run, which is entered from the read and write callbacks, or for a
 * marked connection before the loop waits. Output is serialised into the server's scratch and
 * offered to the socket at once; only what it doesn't take is kept, in buffers from tcp_buffers.
 * While such a rest waits nothing more is serialised: that bounds what a slow reader costs.
 */
#include <stdlib.h>
#include <string.h>

#include "server/http_priv.h"

#define H2_PREFACE "PRI"
#define BACKPRESSURE_FRAMES 1000u

static void update_reading(struct mc_http_conn *c);

/* ---- the trace ------------------------------------------------------------------------------ */

uint64_t mc_conn_next_id(void)
{
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void mc_conn_set_state(struct mc_http_conn *c, int state)
{
    if (c->state == state)
        return;
    c->state = state;
    mc_pool_set(&c->server->conns, c, state, c->id);
    mc_event_state(c->server->o.tracer, c->id, state);
}

void mc_conn_error(struct mc_http_conn *c, uint32_t stream_id, const char *reason)
{
    mc_event_error(c->server->o.tracer, c->id, stream_id, reason);
}

void mc_conn_overflow(struct mc_http_conn *c, uint32_t stream_id, const struct mc_pool *p)
{
    mc_event_overflow(c->server->o.tracer, c->id, stream_id, p->name);
}

/* ---- ending --------------------------------------------------------------------------------- */

static void give_buffer(struct mc_http_conn *c)
{
    if (c->rbuf)
        mc_pool_give(&c->server->buffers, c->rbuf);
    c->rbuf = c->in = NULL;
    c->in_pos = c->in_end = 0;
}

static void give_output(struct mc_http_conn *c)
{
    for (uint32_t i = 0; i < c->out_count; i++)
        mc_pool_give(&c->server->buffers, c->out[i]);
    c->out_count = 0;
    free(c->out_spill);
    c->out_spill = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct mc_http_conn *c = handle->data;
    struct mc_http_server *s = c->server;
    give_output(c);
    give_buffer(c);
    mc_h2_close(c);
    mc_tls_close(c);
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->open = c->next;
    for (struct mc_http_conn **at = &s->dirty; c->dirty && *at; at = &(*at)->dirty_next)
        if (*at == c) {
            *at = c->dirty_next;
            break;
        }
    c->magic = 0;
    mc_pool_give(&s->conns, c);
    mc_server_conn_freed(s);
    mc_server_handle_closed(s);
}

static void end_requests(struct mc_http_conn *c, uint32_t reason)
{
    while (c->requests)
        mc_request_end(c->requests, 0, reason);
    while (c->sent)
        mc_request_end(c->sent, 0, reason);
}

void mc_conn_close(struct mc_http_conn *c, uint32_t reason)
{
    struct mc_http_server *s = c->server;
    if (c->closing)
        return;
    if (c->running) { /* protocol code is on the stack: at the end of the run */
        if (!c->doomed)
            c->doom_reason = reason;
        c->doomed = 1;
        return;
    }
    c->closing = 1;
    mc_conn_set_state(c, MC_SLOT_CLOSING);
    end_requests(c, reason == s->str.shutdown ? reason : s->str.gone);
    mc_event_close(s->o.tracer, c->id, reason, c->bytes_in, c->bytes_out);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void mc_conn_finish(struct mc_http_conn *c, uint32_t reason)
{
    if (c->finish)
        return;
    c->finish = 1;
    c->close_reason = reason;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct mc_http_conn *c = req->data;
    if (status < 0 && status != UV_ECANCELED)
        mc_conn_close(c, c->close_reason);
}

/* All is sent. Shut down our side, and drop what the peer still sends for a moment: a close with
 * unread input would reset the connection, and the peer might never see the answer. */
static void linger(struct mc_http_conn *c)
{
    c->lingering = 1;
    c->proto = MC_PROTO_DRAIN;
    c->linger_ms = uv_now(c->server->loop);
    mc_conn_set_state(c, MC_SLOT_CLOSING);
    give_buffer(c);
    c->shutdown_req.data = c;
    if (c->peer_eof || uv_shutdown(&c->shutdown_req, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
        mc_conn_close(c, c->close_reason);
}

/* ---- output --------------------------------------------------------------------------------- */

static void release_sent(struct mc_http_conn *c)
{
    if (c->sent)
        c->server->sent_ns = uv_hrtime(); /* one look at the clock for all that went out together */
    while (c->sent)
        mc_request_end(c->sent, 1, c->server->str.done);
}

static void on_written(uv_write_t *req, int status)
{
    struct mc_http_conn *c = req->data;
    c->writing = 0;
    give_output(c);
    if (c->closing)
        return;
    if (status < 0) {
        mc_conn_close(c, c->server->str.reset);
        return;
    }
    c->last_ms = uv_now(c->server->loop);
    release_sent(c);
    mc_conn_run(c);
}

/* Keep what the socket did not take, and wait for it. */
static void write_rest(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    struct mc_http_server *s = c->server;
    uv_buf_t bufs[MC_OUT_BUFFERS + 1];
    uint32_t n = 0;
    while (count) {
        uint8_t *slot = NULL;
        size_t piece = count < MC_BUFFER_BYTES ? count : MC_BUFFER_BYTES;
        if (c->out_count < MC_OUT_BUFFERS)
            slot = mc_pool_take(&s->buffers, MC_SLOT_ACTIVE, c->id);
        if (slot) {
            c->out[c->out_count++] = slot;
        } else {
            piece = count;
            slot = c->out_spill = malloc(count);
            mc_conn_overflow(c, 0, &s->buffers);
            if (!slot) {
                mc_conn_close(c, s->str.limit);
                return;
            }
        }
        memcpy(slot, bytes, piece);
        bufs[n++] = uv_buf_init((char *)slot, (unsigned)piece);
        bytes += piece;
        count -= piece;
    }
    c->writing = 1;
    c->write_req.data = c;
    if (uv_write(&c->write_req, (uv_stream_t *)&c->tcp, bufs, n, on_written) < 0) {
        c->writing = 0;
        mc_conn_close(c, s->str.reset);
    }
}

static void write_out(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    struct mc_http_server *s = c->server;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)count);
    c->bytes_out += count;
    mc_counter_add(s->bytes_out, count);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0) {
        mc_conn_close(c, s->str.reset);
        return;
    }
    c->last_ms = uv_now(s->loop);
    if ((size_t)sent < count)
        write_rest(c, bytes + sent, count - (size_t)sent);
    else
        release_sent(c);
}

static size_t protocol_fill(struct mc_http_conn *c, uint8_t *to, size_t limit)
{
    if (c->proto == MC_PROTO_H1)
        return mc_h1_fill(c, to, limit);
    return c->proto == MC_PROTO_H2 ? mc_h2_fill(c, to, limit) : 0;
}

/* ---- input ---------------------------------------------------------------------------------- */

/* The first bytes decide. 0: known now, or finished; -1: more bytes are needed. */
static int detect(struct mc_http_conn *c)
{
    const uint8_t *first = c->in + c->in_pos;
    size_t count = c->in_end - c->in_pos;
    struct mc_http_server *s = c->server;
    if (memcmp(first, H2_PREFACE, count < 3 ? count : 3) == 0) {
        if (count < 3)
            return -1;
        c->proto = MC_PROTO_H2;
    } else {
        c->proto = MC_PROTO_H1;
    }
    if (s->o.require_tls) {
        mc_conn_error(c, 0, "clear text on a port that speaks TLS alone");
        if (c->proto == MC_PROTO_H1) {
            c->canned = mc_clear_text_h1;
        } else {
            mc_conn_finish(c, s->str.protocol_error);
            c->proto = MC_PROTO_DRAIN;
        }
    } else if (c->proto == MC_PROTO_H2 && mc_h2_open(c) < 0) {
        mc_conn_close(c, s->str.limit);
    }
    return 0;
}

static void protocol_input(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    if (c->in_pos < c->in_end && c->proto == MC_PROTO_DETECT && !c->ssl) {
        if (c->in[c->in_pos] == 0x16) {
            if (mc_tls_open(c) < 0)
                mc_conn_close(c, s->str.limit);
        } else if (detect(c) < 0) {
            return;
        }
    }
    if (c->ssl) {
        if (!c->writing) /* it may write: an alert, a ticket */
            mc_tls_input(c);
        return;
    }
    if (c->in_pos == c->in_end)
        return;
    if (c->finish || c->proto == MC_PROTO_DRAIN) {
        c->in_pos = c->in_end;
    } else if (c->proto == MC_PROTO_H1) {
        c->in_pos += (uint32_t)mc_h1_input(c, c->in + c->in_pos, c->in_end - c->in_pos);
    } else if (c->proto == MC_PROTO_H2) {
        mc_h2_input(c, c->in + c->in_pos, c->in_end - c->in_pos);
        c->in_pos = c->in_end;
    }
}

/* ---- the run -------------------------------------------------------------------------------- */

/* Take input and serialise until nothing moves or the scratch is full, then write. Returns whether
 * to come again. */
static int run_once(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    size_t limit = s->buffers.free_count < MC_OUT_BUFFERS ? MC_OUT_STARVED_BYTES : MC_OUT_BYTES;
    size_t n = 0, piece = 0;
    s->cipher_out_bytes = 0;
    do {
        protocol_input(c);
        if (c->doomed || c->writing)
            break;
        piece = n < limit ? protocol_fill(c, s->plain_out + n, limit - n) : 0;
        n += piece;
    } while (piece && n < limit && !c->doomed);
    if (c->doomed)
        return 0;
    const uint8_t *out = s->plain_out;
    if (c->ssl) {
        if (n && mc_tls_seal(c, s->plain_out, n) < 0)
            return 0;
        if (c->finish && !c->writing && n < limit)
            mc_tls_bye(c);
        out = s->cipher_out;
        n = s->cipher_out_bytes;
    }
    if (n)
        write_out(c, out, n);
    return n && !c->writing && !c->doomed;
}

/* What a run leaves behind: an end, or the wish to read on. */
static void settle(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    if (c->doomed) {
        mc_conn_close(c, c->doom_reason);
        return;
    }
    if (c->h2 && mc_h2_is_over(c))
        mc_conn_finish(c, s->closing ? s->str.shutdown : s->str.done);
    if (c->finish && !c->writing && !c->lingering)
        linger(c);
    if (c->closing)
        return;
    if (c->in_pos == c->in_end) {
        c->in_pos = c->in_end = 0;
    } else if (c->in != c->rbuf) {
        mc_conn_overflow(c, 0, &s->buffers); /* the rest of the input has no place to wait */
        mc_conn_close(c, s->str.limit);
        return;
    }
    if (c->in != c->rbuf)
        c->in = NULL;
    c->starved = 0;
    update_reading(c);
}

void mc_conn_run(struct mc_http_conn *c)
{
    if (c->running || c->closing)
        return;
    c->running = 1;
    while (run_once(c))
        ;
    c->running = 0;
    settle(c);
}

void mc_conn_mark(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    if (c->running || c->dirty || c->closing)
        return;
    c->dirty = 1;
    c->dirty_next = s->dirty;
    s->dirty = c;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct mc_http_conn *c = handle->data;
    struct mc_http_server *s = c->server;
    (void)suggested;
    if (c->proto == MC_PROTO_DRAIN) {
        *buf = uv_buf_init((char *)s->read_scratch, MC_OUT_BYTES);
        return;
    }
    if (!c->rbuf) {
        c->rbuf = mc_pool_take(&s->buffers, MC_SLOT_ACTIVE, c->id);
        if (!c->rbuf) {
            mc_conn_overflow(c, 0, &s->buffers);
            c->starved = 1;
        }
        c->in = c->rbuf ? c->rbuf : s->read_scratch;
        c->in_pos = c->in_end = 0;
    }
    *buf = uv_buf_init((char *)c->in + c->in_end, MC_BUFFER_BYTES - c->in_end);
}

/* The peer has sent its last byte. Answers on their way are finished; a stream, or a handler that
 * asked to be told, is not kept up for a peer that has probably left. */
static void on_eof(struct mc_http_conn *c)
{
    struct mc_http_request *r = c->h1_request;
    c->peer_eof = 1;
    update_reading(c);
    if (c->proto == MC_PROTO_H1 && r && r->phase != MC_REQ_RECEIVING && !r->streaming && !r->gone &&
        !c->finish) {
        r->close = 1;
        return;
    }
    if (c->proto == MC_PROTO_H1 && c->writing && !c->h1_request && !c->lingering) {
        mc_conn_finish(c, c->server->str.peer_closed);
        return;
    }
    mc_conn_close(c, c->lingering ? c->close_reason : c->server->str.peer_closed);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct mc_http_conn *c = stream->data;
    struct mc_http_server *s = c->server;
    (void)buf;
    if (nread == 0)
        return;
    if (nread < 0) {
        if (nread == UV_EOF)
            on_eof(c);
        else
            mc_conn_close(c, s->str.reset);
        return;
    }
    c->bytes_in += (uint64_t)nread;
    mc_counter_add(s->bytes_in, (uint64_t)nread);
    if (c->proto == MC_PROTO_DRAIN)
        return;
    c->read_ms = c->last_ms = uv_now(s->loop);
    c->in_end += (uint32_t)nread;
    mc_conn_run(c);
}

static void update_reading(struct mc_http_conn *c)
{
    int want = !c->peer_eof && c->in_end < MC_BUFFER_BYTES;
    if (c->h2 && c->writing && nghttp2_session_get_outbound_queue_size(c->h2) > BACKPRESSURE_FRAMES)
        want = 0;
    if (want == c->reading || c->closing)
        return;
    c->reading = (uint8_t)want;
    if (want)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void mc_conn_accepted(struct mc_http_conn *c)
{
    c->tcp.data = c;
    update_reading(c);
}

/* ---- time ----------------------------------------------------------------------------------- */

/* A request that has been half here for too long, or an answer that the peer does not take. */
static void sweep_requests(struct mc_http_conn *c, uint64_t now_ms)
{
    struct mc_http_server *s = c->server;
    uint64_t most = s->o.idle_timeout_ms;
    for (struct mc_http_request *r = c->requests, *next; r && !c->closing; r = next) {
        next = r->next;
        if (r->phase == MC_REQ_RECEIVING) {
            uint64_t since = r->body_bytes ? r->progress_ms : r->begun_ms;
            if (now_ms - since <= most && now_ms - r->begun_ms <= 10 * most)
                continue;
            mc_conn_error(c, r->stream_id, "half a request");
            r->close = 1;
            if (c->h2 && !r->method[0]) {
                mc_conn_close(c, s->str.idle_timeout);
                return;
            }
            mc_http_respond_error(r, 408, NULL, "the rest of the request did not come in time");
        } else if (r->phase == MC_REQ_ANSWERED && !r->streaming && now_ms - r->progress_ms > most) {
            mc_conn_close(c, s->str.idle_timeout);
            return;
        }
    }
}

void mc_conn_sweep(struct mc_http_conn *c, uint64_t now_ms)
{
    struct mc_http_server *s = c->server;
    uint64_t most = s->o.idle_timeout_ms;
    if (c->closing)
        return;
    if (c->lingering) {
        if (now_ms - c->linger_ms > MC_LINGER_MS)
            mc_conn_close(c, c->close_reason);
        return;
    }
    if (c->state == MC_SLOT_CONNECTING) {
        if (now_ms - c->accepted_ms > (most < 10000 ? most : 10000))
            mc_conn_close(c, s->str.idle_timeout);
        return;
    }
    if (c->rbuf && c->in_pos == c->in_end && now_ms - c->read_ms >= MC_SWEEP_MS)
        give_buffer(c);
    if (c->request_count) {
        sweep_requests(c, now_ms);
        return;
    }
    if (now_ms - c->last_ms < MC_SWEEP_MS)
        return;
    if (!c->writing && !c->sent)
        mc_conn_set_state(c, MC_SLOT_IDLE);
    if (now_ms - c->last_ms <= most)
        return;
    if (c->h2 && !c->writing) {
        mc_h2_goaway(c, NGHTTP2_NO_ERROR);
        mc_conn_finish(c, s->str.idle_timeout);
        mc_conn_mark(c);
    } else {
        mc_conn_close(c, s->str.idle_timeout);
    }
}
