/* http_h2.c: HTTP/2 on a connection, with nghttp2 for the frames.
 *
 * nghttp2 1.52 bounds rapid reset, CONTINUATION and SETTINGS. What it doesn't bound (PING while the
 * peer reads, empty DATA, PRIORITY, WINDOW_UPDATE, unknown frames, resets that we are provoked
 * into) is paid from a budget: a token bucket per connection, refilled by time and by answers that
 * went out. When it is empty the connection ends with ENHANCE_YOUR_CALM.
 */
#include <string.h>
#include <strings.h>

#include "server/http_priv.h"
#include "tracer/error.h"

#define TOKENS_AT_START 2000
#define TOKENS_PER_SECOND 1000
#define TOKENS_MOST 4000
#define TOKENS_PER_ANSWER 4
#define TOKENS_PER_DATA_FRAME 2 /* sent: the peer answers these with WINDOW_UPDATE */
#define TOKENS_RESET_COST 10    /* of a stream that the peer made us reset */
#define WINDOW_STREAM_BYTES 262144
#define WINDOW_CONN_BYTES 1048576
#define DISCARD_BYTES (16u << 20) /* of bodies that are not wanted, per connection */
#define DATA_FRAME_BYTES 16384u

/* ---- the budget ----------------------------------------------------------------------------- */

static void tokens_add(struct mc_http_conn *c, int32_t count)
{
    if (c->h2_tokens >= 0 && c->h2_tokens < TOKENS_MOST)
        c->h2_tokens += count;
}

static void tokens_pay(struct mc_http_conn *c, int32_t count)
{
    uint64_t now_ms = uv_now(c->server->loop);
    if (c->h2_tokens < 0)
        return; /* it is over already */
    if (c->h2_tokens < count && now_ms > c->h2_tokens_ms) {
        uint64_t earned = (now_ms - c->h2_tokens_ms) * TOKENS_PER_SECOND / 1000;
        c->h2_tokens += (int32_t)(earned < TOKENS_AT_START ? earned : TOKENS_AT_START);
        c->h2_tokens_ms = now_ms;
    }
    c->h2_tokens -= count;
    if (c->h2_tokens < 0) {
        mc_conn_error(c, 0, "a flood of control frames");
        c->close_reason = c->server->str.limit;
        mc_h2_goaway(c, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *hd, void *arg)
{
    (void)h2;
    if (hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION)
        return 0;
    if (hd->type == NGHTTP2_DATA && (hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM)))
        return 0;
    tokens_pay(arg, 1);
    return 0;
}

/* nghttp2 tells of frames of unknown types only by this way. Their payload is dropped. */
static int unpack_extension(nghttp2_session *h2, void **payload, const nghttp2_frame_hd *hd,
                            void *arg)
{
    (void)h2;
    (void)hd;
    *payload = NULL;
    tokens_pay(arg, 1);
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------- */

static ssize_t read_shed_body(nghttp2_session *h2, int32_t stream_id, uint8_t *buf, size_t room,
                              uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)h2;
    (void)stream_id;
    (void)arg;
    const char *rest = source->ptr;
    size_t bytes = strlen(rest) < room ? strlen(rest) : room;
    memcpy(buf, rest, bytes);
    source->ptr = (void *)(uintptr_t)(rest + bytes);
    if (!rest[bytes])
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

#define NV(name, value)                                                                            \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1,             \
            sizeof(value) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE        \
    }

/* There is no arena for this request: a 503 that needs none. */
static void shed(struct mc_http_conn *c, int32_t stream_id)
{
    static const nghttp2_nv headers[] = {NV(":status", "503"), NV("retry-after", "1"),
                                         NV("content-type", "application/json"),
                                         NV("content-length", "83")};
    nghttp2_data_provider body = {.source.ptr = (void *)(uintptr_t)mc_shed_body,
                                  .read_callback = read_shed_body};
    mc_request_shed(c->server, c->id, (uint32_t)stream_id);
    if (nghttp2_submit_response(c->h2, stream_id, headers, 4, &body) < 0)
        mc_conn_close(c, c->server->str.limit);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct mc_http_request *r = mc_request_new(arg, (uint32_t)frame->hd.stream_id);
    if (r)
        nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, r);
    return 0;
}

static int set_pseudo(struct mc_http_request *r, const uint8_t *name, const uint8_t *value,
                      size_t value_bytes)
{
    const char *copy = mc_request_copy(r, value, value_bytes);
    if (!copy)
        return -1;
    if (name[1] == 'm') {
        r->method = copy;
    } else if (name[1] == 'p') {
        r->target = copy;
    } else if (name[1] == 'a') {
        r->authority = copy;
        r->has_authority = 1;
    }
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *arg)
{
    struct mc_http_conn *c = arg;
    struct mc_http_request *r = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)flags;
    if (!r || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    r->header_bytes += name_bytes + value_bytes + 32;
    if (r->header_bytes > c->server->o.header_max_bytes || r->header_count >= MC_H1_FIELDS_MAX) {
        r->too_large = 1;
        return 0;
    }
    int rc = name[0] == ':' ? set_pseudo(r, name, value, value_bytes)
                            : mc_request_add_header(r, name, name_bytes, value, value_bytes);
    return rc < 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static void set_body_due(struct mc_http_request *r)
{
    const char *length = mc_http_header(r, "content-length"); /* checked by nghttp2 */
    if (!length)
        return;
    r->body_due = 0;
    for (; *length >= '0' && *length <= '9' && r->body_due < UINT64_MAX / 100; length++)
        r->body_due = r->body_due * 10 + (uint64_t)(*length - '0');
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct mc_http_conn *c = arg;
    uint8_t type = frame->hd.type;
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA)
        return 0;
    struct mc_http_request *r = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    int is_request = type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (!r) {
        if (is_request)
            shed(c, frame->hd.stream_id);
        return 0;
    }
    if (is_request) {
        set_body_due(r);
        if (mc_request_begin(r))
            return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        mc_request_dispatch(r);
    return 0;
}

/* More of a request that has been answered. A client that is told off while it still sends (413)
 * gets to read that when it has finished; one that does not finish is cut off. */
static void discard(struct mc_http_conn *c, int32_t stream_id, size_t count)
{
    c->h2_discarded_bytes += count;
    if (c->h2_discarded_bytes > DISCARD_BYTES)
        nghttp2_submit_rst_stream(c->h2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream_id,
                         const uint8_t *bytes, size_t count, void *arg)
{
    struct mc_http_request *r = nghttp2_session_get_stream_user_data(h2, stream_id);
    (void)flags;
    if (!r) {
        discard(arg, stream_id, count);
        return 0;
    }
    if (r->phase == MC_REQ_RECEIVING && mc_request_add_body(r, bytes, count) < 0)
        mc_http_respond_error(r, 413, NULL, "the body is larger than the server takes");
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code, void *arg)
{
    struct mc_http_conn *c = arg;
    struct mc_http_request *r = nghttp2_session_get_stream_user_data(h2, stream_id);
    const struct mc_http_strings *str = &c->server->str;
    if (r)
        mc_request_end(r, 0, error_code == NGHTTP2_REFUSED_STREAM ? str->refused : str->reset);
    return 0;
}

static int on_invalid_frame(nghttp2_session *h2, const nghttp2_frame *frame, int code, void *arg)
{
    (void)h2;
    mc_conn_error(arg, (uint32_t)frame->hd.stream_id, nghttp2_strerror(code));
    return 0;
}

/* ---- answers -------------------------------------------------------------------------------- */

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct mc_http_conn *c = arg;
    int32_t stream_id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
        tokens_pay(c, TOKENS_RESET_COST);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    tokens_add(c, TOKENS_PER_DATA_FRAME);
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct mc_http_request *r = nghttp2_session_get_stream_user_data(h2, stream_id);
    if (r) {
        nghttp2_session_set_stream_user_data(h2, stream_id, NULL);
        mc_request_sent(r);
    }
    tokens_add(c, TOKENS_PER_ANSWER);
    return 0;
}

static ssize_t data_frame_bytes(nghttp2_session *h2, uint8_t type, int32_t stream_id,
                                int32_t conn_window, int32_t stream_window, uint32_t max_frame,
                                void *arg)
{
    struct mc_http_conn *c = arg;
    uint32_t most =
        c->server->buffers.free_count < MC_OUT_BUFFERS ? MC_OUT_STARVED_BYTES : DATA_FRAME_BYTES;
    (void)h2;
    (void)type;
    (void)stream_id;
    if (most > max_frame)
        most = max_frame;
    int32_t window = conn_window < stream_window ? conn_window : stream_window;
    return window < (int32_t)most ? window : (ssize_t)most;
}

static ssize_t read_body(nghttp2_session *h2, int32_t stream_id, uint8_t *buf, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct mc_http_request *r = source->ptr;
    (void)h2;
    (void)stream_id;
    (void)arg;
    r->progress_ms = uv_now(r->conn->server->loop);
    if (!r->streaming) {
        size_t left = r->out_body_bytes - r->out_body_sent, bytes = left < room ? left : room;
        memcpy(buf, r->out_body + r->out_body_sent, bytes);
        r->out_body_sent += bytes;
        r->bytes_out += bytes;
        if (bytes == left)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)bytes;
    }
    long got = mc_http_stream_pull(r, buf, room);
    if (got == 0) {
        r->stream_waiting = 1;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (got < 0) {
        r->stream_ended = 1;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
    }
    r->bytes_out += (uint64_t)got;
    return (ssize_t)got;
}

static nghttp2_nv nv_of(const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_bytes,
                        value_bytes, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* A header of the caller's, copied, its name in lower case. */
static int add_nv(struct mc_http_request *r, nghttp2_nv *nv, const char *name, const char *value)
{
    size_t name_bytes = strlen(name), value_bytes = strlen(value);
    char *own = mc_request_copy_pair(r, name, name_bytes, value, value_bytes);
    if (!own)
        return MC_ENOMEM;
    for (char *c = own; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    *nv = nv_of(own, name_bytes, own + name_bytes + 1, value_bytes);
    return 0;
}

static void decimal(char *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    memcpy(to, digits + at, sizeof digits - at);
    to[sizeof digits - at] = 0;
}

int mc_h2_submit(struct mc_http_request *r, const struct mc_http_header *headers,
                 size_t given_count, size_t count)
{
    struct mc_http_conn *c = r->conn;
    nghttp2_nv *nv = mc_http_alloc(r, (count + 2) * sizeof *nv);
    char number[24];
    size_t n = 0;
    if (!nv)
        return MC_ENOMEM;
    decimal(number, (uint64_t)r->status);
    int rc = add_nv(r, &nv[n++], ":status", number);
    for (size_t i = 0; i < given_count && rc == 0; i++)
        if (!mc_http_is_own_header(headers[i].name))
            rc = add_nv(r, &nv[n++], headers[i].name, headers[i].value);
    for (size_t i = given_count; i < count; i++)
        nv[n++] = nv_of(headers[i].name, strlen(headers[i].name), headers[i].value,
                        strlen(headers[i].value));
    if (rc == 0 && !r->streaming && r->status != 204 && r->status != 304) {
        decimal(number, r->out_body_bytes);
        rc = add_nv(r, &nv[n++], "content-length", number);
    }
    if (rc < 0)
        return rc;
    int bodiless = r->no_body || (!r->streaming && r->out_body_bytes == 0);
    nghttp2_data_provider body = {.source.ptr = r, .read_callback = read_body};
    rc = nghttp2_submit_response(c->h2, (int32_t)r->stream_id, nv, n, bodiless ? NULL : &body);
    return rc < 0 ? MC_EPROTO : 0;
}

void mc_h2_resume(struct mc_http_request *r)
{
    nghttp2_session_resume_data(r->conn->h2, (int32_t)r->stream_id);
}

/* ---- the connection ------------------------------------------------------------------------- */

void mc_h2_goaway(struct mc_http_conn *c, uint32_t error_code)
{
    if (error_code == NGHTTP2_NO_ERROR) /* what was taken is still answered */
        nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(c->h2), error_code, NULL, 0);
    else
        nghttp2_session_terminate_session(c->h2, error_code);
}

int mc_h2_is_over(const struct mc_http_conn *c)
{
    return !nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2);
}

void mc_h2_input(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    ssize_t taken = nghttp2_session_mem_recv(c->h2, bytes, count);
    if (taken >= 0)
        return;
    mc_conn_error(c, 0, nghttp2_strerror((int)taken));
    mc_conn_close(c, taken == NGHTTP2_ERR_FLOODED ? c->server->str.limit
                                                  : c->server->str.protocol_error);
}

size_t mc_h2_fill(struct mc_http_conn *c, uint8_t *to, size_t limit)
{
    size_t n = 0;
    while (n < limit) {
        const uint8_t *data;
        ssize_t bytes = nghttp2_session_mem_send(c->h2, &data);
        if (bytes < 0 || (size_t)bytes > limit - n + MC_OUT_ROOM - MC_OUT_BYTES) {
            mc_conn_close(c, c->server->str.limit);
            break;
        }
        if (bytes == 0)
            break;
        memcpy(to + n, data, (size_t)bytes);
        n += (size_t)bytes;
    }
    return n;
}

int mc_h2_open(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->o.streams_per_connection},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->o.header_max_bytes},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_STREAM_BYTES},
    };
    if (nghttp2_session_server_new3(&c->h2, s->h2_callbacks, c, s->h2_options,
                                    mc_h2_mem_calls(s->h2_mem)) < 0) {
        c->h2 = NULL;
        return MC_ENOMEM;
    }
    c->h2_tokens = TOKENS_AT_START;
    c->h2_tokens_ms = uv_now(s->loop);
    c->proto = MC_PROTO_H2;
    if (nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 3) < 0 ||
        nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, WINDOW_CONN_BYTES) < 0)
        return MC_ENOMEM;
    return 0;
}

void mc_h2_close(struct mc_http_conn *c)
{
    nghttp2_session_del(c->h2);
    c->h2 = NULL;
}

int mc_h2_init(struct mc_http_server *s)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) < 0)
        return MC_ENOMEM;
    s->h2_callbacks = cb;
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_data_source_read_length_callback(cb, data_frame_bytes);
    nghttp2_session_callbacks_set_unpack_extension_callback(cb, unpack_extension);
    if (nghttp2_option_new(&s->h2_options) < 0 || mc_h2_mem_new(&s->h2_mem) < 0)
        return MC_ENOMEM;
    nghttp2_option_set_no_closed_streams(s->h2_options, 1);
    for (unsigned type = 0x0a; type <= 0xff; type++)
        nghttp2_option_set_user_recv_extension_type(s->h2_options, (uint8_t)type);
    nghttp2_option_set_server_fallback_rfc7540_priorities(s->h2_options, 1);
    return 0;
}

void mc_h2_fini(struct mc_http_server *s)
{
    nghttp2_session_callbacks_del(s->h2_callbacks);
    nghttp2_option_del(s->h2_options);
    mc_h2_mem_free(s->h2_mem);
}
