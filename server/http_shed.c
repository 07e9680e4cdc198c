/* http_shed.c: refuse a connection when `handles` is empty: a few spare handles, outside the slab,
 * take it, wait for its first bytes, say 503 in its protocol as far as that is cheap, and close.
 *
 * When the spares are all taken the oldest is closed; until that has happened the kernel's backlog
 * holds the rest.
 */
#include <string.h>

#include "server/http_priv.h"

/* An empty SETTINGS, and GOAWAY with ENHANCE_YOUR_CALM. */
static const uint8_t h2_refusal[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7,
                                     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11};

static void on_closed(uv_handle_t *handle)
{
    struct mc_shed_conn *x = handle->data;
    struct mc_http_server *s = x->server;
    x->used = 0;
    mc_server_handle_closed(s);
    if (s->accept_waits && !s->closing) {
        s->accept_waits = 0;
        mc_server_accept(s);
    }
}

static void shed_close(struct mc_shed_conn *x)
{
    if (!x->used || x->closing)
        return;
    x->closing = 1;
    mc_event_close(x->server->o.tracer, x->conn_id, x->server->str.limit, 0, 0);
    uv_close((uv_handle_t *)&x->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct mc_shed_conn *x = handle->data;
    (void)suggested;
    *buf = uv_buf_init((char *)x->server->read_scratch, MC_OUT_BYTES);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    if (status < 0)
        shed_close(req->data);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct mc_shed_conn *x = stream->data;
    struct mc_http_server *s = x->server;
    if (nread == 0 || (nread > 0 && x->answered))
        return;
    if (nread < 0 || buf->base[0] == 0x16 || s->o.require_tls) {
        shed_close(x);
        return;
    }
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)mc_shed_h1, (unsigned)strlen(mc_shed_h1));
    if (nread >= 3 && memcmp(buf->base, "PRI", 3) == 0)
        out = uv_buf_init((char *)(uintptr_t)h2_refusal, sizeof h2_refusal);
    x->answered = 1;
    if (uv_try_write(stream, &out, 1) < 0) {
        shed_close(x);
        return;
    }
    x->shutdown_req.data = x;
    if (uv_shutdown(&x->shutdown_req, stream, on_shutdown) < 0)
        shed_close(x);
}

int mc_shed_accept(struct mc_http_server *s)
{
    struct mc_shed_conn *x = NULL, *oldest = NULL;
    for (uint32_t i = 0; i < MC_SHED_SPARES && !x; i++) {
        struct mc_shed_conn *at = &s->shed[i];
        if (!at->used)
            x = at;
        else if (!at->closing && (!oldest || at->since_ms < oldest->since_ms))
            oldest = at;
    }
    if (!x) {
        if (oldest)
            shed_close(oldest);
        return -1;
    }
    memset(x, 0, sizeof *x);
    x->server = s;
    x->used = 1;
    x->since_ms = uv_now(s->loop);
    uv_tcp_init(s->loop, &x->tcp);
    s->open_handles++;
    x->tcp.data = x;
    x->conn_id = mc_conn_next_id();
    int accepted = uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&x->tcp) == 0;
    char peer[64];
    mc_server_peer(&x->tcp, peer, sizeof peer);
    mc_event_accept_on(s->o.tracer, x->conn_id, s->owner, peer);
    mc_event_overflow(s->o.tracer, x->conn_id, 0, s->conns.name);
    mc_request_shed(s, x->conn_id, 0);
    if (!accepted || uv_read_start((uv_stream_t *)&x->tcp, on_alloc, on_read) < 0)
        shed_close(x);
    return 0;
}

void mc_shed_sweep(struct mc_http_server *s, uint64_t now_ms)
{
    for (uint32_t i = 0; i < MC_SHED_SPARES; i++)
        if (s->shed[i].used && now_ms - s->shed[i].since_ms > MC_LINGER_MS)
            shed_close(&s->shed[i]);
}

void mc_shed_close_all(struct mc_http_server *s)
{
    for (uint32_t i = 0; i < MC_SHED_SPARES; i++)
        shed_close(&s->shed[i]);
}
