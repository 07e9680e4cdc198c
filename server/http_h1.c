/* http_h1.c: HTTP/1.1 on a connection: one request at a time, the next ones wait in the input.
 */
#include <stdio.h>
#include <string.h>

#include "server/http_priv.h"

/* A chunk's size is always four hexadecimal digits: its head can be written after its data. */
#define CHUNK_HEAD_BYTES 6u
#define CHUNK_OVERHEAD_BYTES (CHUNK_HEAD_BYTES + 2u + 5u) /* CRLF, and the last chunk */
#define CHUNK_MIN_BYTES 1024u

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* ---- input ---------------------------------------------------------------------------------- */

int mc_h1_wants_input(const struct mc_http_conn *c)
{
    if (c->finish || c->canned)
        return 0;
    return !c->h1_request || c->h1_request->phase == MC_REQ_RECEIVING;
}

static int begin(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    struct mc_http_request *r = mc_request_new(c, ++c->h1_count);
    if (!r) {
        mc_request_shed(s, c->id, c->h1_count);
        c->canned = mc_shed_h1;
        return -1;
    }
    uint32_t left = r->arena_room_bytes - r->arena_used_bytes;
    char *head = (char *)r + r->arena_used_bytes;
    if (left < s->o.header_max_bytes)
        head = mc_http_alloc(r, s->o.header_max_bytes);
    if (!head) {
        mc_request_end(r, 0, s->str.limit);
        c->canned = mc_shed_h1;
        return -1;
    }
    mc_h1_init(&c->h1, head, s->o.header_max_bytes);
    c->h1_request = r;
    return 0;
}

static void bad(struct mc_http_conn *c, int status, const char *detail)
{
    struct mc_http_request *r = c->h1_request;
    mc_conn_error(c, r->stream_id, detail);
    r->close = 1;
    mc_http_respond_error(r, status, NULL, detail);
}

/* The head is parsed: its strings lie in the arena already; keep it, and list the fields. */
static void head_done(struct mc_http_conn *c)
{
    struct mc_h1 *p = &c->h1;
    struct mc_http_request *r = c->h1_request;
    if (p->head == (char *)r + r->arena_used_bytes) {
        r->arena_used_bytes += p->head_bytes;
        c->server->arena_bytes_in_use += p->head_bytes;
    }
    r->headers = mc_http_alloc(r, (p->field_count + 1) * sizeof *r->headers);
    if (!r->headers) {
        bad(c, 503, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < p->field_count; i++)
        r->headers[i] = (struct mc_http_header){p->fields[i].name, p->fields[i].value};
    r->header_count = r->header_room = p->field_count;
    r->method = p->method;
    r->target = p->target;
    r->http10 = p->version_minor == 0;
    r->close = !p->keep_alive;
    r->body_due = p->chunked ? UINT64_MAX : p->length;
    mc_h1_body_begin(p);
    /* An early answer leaves a body unread: what follows it can't be a request. */
    r->close |= p->state != MC_H1_DONE;
    if (mc_request_begin(r))
        return;
    r->close = !p->keep_alive;
    if (p->state == MC_H1_DONE)
        mc_request_dispatch(r);
    else
        c->continue_due = (uint8_t)p->expect_continue;
}

static size_t take_body(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    struct mc_http_request *r = c->h1_request;
    const uint8_t *data;
    size_t data_bytes, taken = mc_h1_body(&c->h1, bytes, count, &data, &data_bytes);
    c->continue_due = 0;
    if (c->h1.state == MC_H1_ERROR)
        bad(c, c->h1.status, c->h1.detail);
    else if (mc_request_add_body(r, data, data_bytes) < 0)
        bad(c, 413, "the body is larger than the server takes");
    else if (c->h1.state == MC_H1_DONE)
        mc_request_dispatch(r);
    return taken;
}

size_t mc_h1_input(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    while (taken < count && mc_h1_wants_input(c)) {
        if (!c->h1_request && begin(c) < 0)
            break;
        if (c->h1.state == MC_H1_HEAD) {
            taken += mc_h1_head(&c->h1, bytes + taken, count - taken, c->server->fields);
            if (c->h1.state == MC_H1_READY)
                head_done(c);
            else if (c->h1.state == MC_H1_ERROR)
                bad(c, c->h1.status, c->h1.detail);
        } else {
            taken += take_body(c, bytes + taken, count - taken);
        }
    }
    return taken;
}

/* ---- output --------------------------------------------------------------------------------- */

static size_t copy_part(uint8_t *to, size_t room, const void *from, size_t count, size_t *sent)
{
    size_t bytes = count - *sent < room ? count - *sent : room;
    if (bytes)
        memcpy(to, (const uint8_t *)from + *sent, bytes);
    *sent += bytes;
    return bytes;
}

/* One pull from a stream; what it serialised, 0 when nothing can be had now. */
static size_t fill_chunk(struct mc_http_request *r, uint8_t *to, size_t room)
{
    size_t overhead = r->stream_chunked ? CHUNK_OVERHEAD_BYTES : 0;
    size_t head = r->stream_chunked ? CHUNK_HEAD_BYTES : 0;
    if (r->stream_waiting || r->stream_ended || room < overhead + CHUNK_MIN_BYTES)
        return 0;
    size_t most = room - overhead < 0xffff ? room - overhead : 0xffff;
    long got = mc_http_stream_pull(r, to + head, most);
    if (got == 0) {
        r->stream_waiting = 1;
        return 0;
    }
    if (got < 0) {
        r->stream_ended = 1;
        if (!r->stream_chunked)
            return 0;
        memcpy(to, "0\r\n\r\n", 5);
        return 5;
    }
    r->bytes_out += (uint64_t)got;
    if (r->stream_chunked) {
        static const char hex[] = "0123456789abcdef";
        for (unsigned i = 0; i < 4; i++)
            to[i] = (uint8_t)hex[((size_t)got >> (12 - 4 * i)) & 15];
        memcpy(to + 4, "\r\n", 2);
        memcpy(to + head + got, "\r\n", 2);
        return head + (size_t)got + 2;
    }
    return (size_t)got;
}

static size_t fill_body(struct mc_http_request *r, uint8_t *to, size_t room)
{
    size_t n = 0, piece;
    if (r->no_body)
        return 0;
    if (r->streaming) {
        while ((piece = fill_chunk(r, to + n, room - n)) > 0)
            n += piece;
        return n;
    }
    n = copy_part(to, room, r->out_body, r->out_body_bytes, &r->out_body_sent);
    r->bytes_out += n;
    return n;
}

static int is_answer_out(const struct mc_http_request *r)
{
    if (r->out_head_sent < r->out_head_bytes)
        return 0;
    if (r->no_body)
        return 1;
    return r->streaming ? r->stream_ended : r->out_body_sent == r->out_body_bytes;
}

size_t mc_h1_fill(struct mc_http_conn *c, uint8_t *to, size_t room)
{
    struct mc_http_request *r = c->h1_request;
    size_t n = 0;
    if (c->canned) {
        n = strlen(c->canned);
        memcpy(to, c->canned, n);
        c->canned = NULL;
        mc_conn_finish(c, c->server->str.limit);
        return n;
    }
    if (c->continue_due) {
        c->continue_due = 0;
        n = sizeof continue_text - 1;
        memcpy(to, continue_text, n);
    }
    if (!r || r->phase != MC_REQ_ANSWERED)
        return n;
    n += copy_part(to + n, room - n, r->out_head, r->out_head_bytes, &r->out_head_sent);
    n += fill_body(r, to + n, room - n);
    if (n)
        r->progress_ms = uv_now(c->server->loop);
    if (is_answer_out(r)) {
        uint32_t reason =
            c->h1.state == MC_H1_ERROR ? c->server->str.protocol_error : c->server->str.done;
        if (r->close)
            mc_conn_finish(c, reason);
        mc_request_sent(r);
        c->h1_request = NULL;
    }
    return n;
}
