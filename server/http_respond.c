/* http_respond.c: answers: whole, static, error and stream, for both versions of HTTP.
 *
 * HTTP/1.1 gets its head as text here; for HTTP/2 the headers go to nghttp2. Either lies in the
 * request's arena until the answer is out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_priv.h"
#include "tracer/error.h"

const char mc_shed_body[] =
    "{\"error\":\"Service Unavailable\",\"detail\":\"the server is short of "
    "memory; try again\"}";
const char mc_shed_h1[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
                          "content-type: application/json\r\nconnection: close\r\n"
                          "content-length: 83\r\n\r\n"
                          "{\"error\":\"Service Unavailable\",\"detail\":\"the server is short of "
                          "memory; try again\"}";

const char mc_clear_text_h1[] =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
    "content-length: 69\r\n\r\n"
    "{\"error\":\"Bad Request\",\"detail\":\"this port speaks TLS: use https://\"}";

const char *mc_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";
}

/* ---- headers -------------------------------------------------------------------------------- */

/* Hop-by-hop and framing headers are the server's own. */
int mc_http_is_own_header(const char *name)
{
    static const char *const own[] = {
        "connection", "content-length", "keep-alive",        "proxy-connection",
        "te",         "trailer",        "transfer-encoding", "upgrade"};
    char first = (char)(name[0] | 0x20);
    if (first != 'c' && first != 'k' && first != 'p' && first != 't' && first != 'u')
        return 0;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i][0] == first && strcasecmp(name, own[i]) == 0)
            return 1;
    return 0;
}

static int is_header_valid(const struct mc_http_header *h)
{
    if (!h->name || !h->value || !h->name[0] || h->name[mc_h1_token_span(h->name)])
        return 0;
    for (const char *c = h->value; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return 0; /* a CR or LF would let a value write headers */
    return 1;
}

static int has_header(const struct mc_http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if ((headers[i].name[0] | 0x20) == name[0] && strcasecmp(headers[i].name, name) == 0)
            return 1;
    return 0;
}

/* Put what goes with every answer behind the headers that this one was given, in the arena; what
 * it sets itself is its own. NULL: no memory. */
static const struct mc_http_header *with_always(struct mc_http_request *r,
                                                const struct mc_http_header *headers, size_t *count)
{
    const struct mc_http_options *o = &r->conn->server->o;
    size_t given = *count, n = given;
    if (o->always_count == 0)
        return headers;
    struct mc_http_header *all = mc_http_alloc(r, (given + o->always_count) * sizeof *all);
    if (!all)
        return NULL;
    if (given)
        memcpy(all, headers, given * sizeof *all);
    for (size_t i = 0; i < o->always_count; i++)
        if (!has_header(headers, given, o->always[i].name))
            all[n++] = o->always[i];
    *count = n;
    return all;
}

static char *append(char *to, const char *text, size_t count)
{
    memcpy(to, text, count);
    return to + count;
}

static char *append_decimal(char *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return append(to, digits + at, sizeof digits - at);
}

/* The status line and headers of HTTP/1.1 into the arena. */
static int make_head(struct mc_http_request *r, const struct mc_http_header *headers, size_t count)
{
    const char *text = mc_status_text(r->status);
    size_t room = 160 + strlen(text);
    for (size_t i = 0; i < count; i++)
        room += strlen(headers[i].name) + strlen(headers[i].value) + 4;
    char *head = mc_http_alloc(r, room), *to = head;
    if (!head)
        return MC_ENOMEM;
    to = append(to, "HTTP/1.1 ", 9);
    to = append_decimal(to, (uint64_t)r->status);
    *to++ = ' ';
    to = append(to, text, strlen(text));
    to = append(to, "\r\n", 2);
    for (size_t i = 0; i < count; i++) {
        if (mc_http_is_own_header(headers[i].name))
            continue;
        to = append(to, headers[i].name, strlen(headers[i].name));
        to = append(to, ": ", 2);
        to = append(to, headers[i].value, strlen(headers[i].value));
        to = append(to, "\r\n", 2);
    }
    if (r->streaming && r->stream_chunked) {
        to = append(to, "transfer-encoding: chunked\r\n", 28);
    } else if (!r->streaming && r->status != 204 && r->status != 304) {
        to = append(to, "content-length: ", 16);
        to = append_decimal(to, r->out_body_bytes);
        to = append(to, "\r\n", 2);
    }
    if (r->close)
        to = append(to, "connection: close\r\n", 19);
    else if (r->http10)
        to = append(to, "connection: keep-alive\r\n", 24);
    to = append(to, "\r\n", 2);
    r->out_head = head;
    r->out_head_bytes = (size_t)(to - head);
    return 0;
}

/* ---- the one way to an answer --------------------------------------------------------------- */

static int begin_answer(struct mc_http_request *r, int status, const struct mc_http_header *headers,
                        size_t count)
{
    if (!r || r->magic != MC_REQUEST_MAGIC || r->phase >= MC_REQ_ANSWERED)
        return MC_EBUSY;
    if (status < 200 || status > 599)
        return MC_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!is_header_valid(&headers[i]))
            return MC_EINVAL;
    r->status = status;
    r->no_body = r->is_head || status == 204 || status == 304;
    return 0;
}

/* The body is set: hand the answer to the protocol. */
static int submit(struct mc_http_request *r, const struct mc_http_header *headers, size_t count)
{
    struct mc_http_conn *c = r->conn;
    size_t given_count = count;
    int rc;
    headers = with_always(r, headers, &count);
    if (!headers && count)
        return MC_ENOMEM;
    if (c->h2) {
        rc = mc_h2_submit(r, headers, given_count, count);
    } else {
        r->stream_chunked = r->streaming && !r->http10 && !r->no_body;
        r->close |= (r->streaming && r->http10) || c->peer_eof || c->server->closing;
        rc = make_head(r, headers, count);
    }
    if (rc < 0)
        return rc;
    r->phase = MC_REQ_ANSWERED;
    r->gone = NULL;
    r->progress_ms = uv_now(c->server->loop);
    mc_request_trace(r);
    if (r->status >= 500)
        mc_counter_add(c->server->responses_5xx, 1);
    mc_conn_mark(c);
    return 0;
}

static const char internal_error[] = "{\"error\":\"Internal Server Error\"}";
static const struct mc_http_header json_type[] = {{"content-type", "application/json"}};

static int respond(struct mc_http_request *r, int status, const struct mc_http_header *headers,
                   size_t count, const void *body, size_t body_bytes, int copy)
{
    int rc = begin_answer(r, status, headers, count);
    if (rc == MC_EBUSY)
        return rc;
    if (rc == 0 && status == 204)
        body_bytes = 0;
    if (rc == 0 && copy && body_bytes && !r->is_head) {
        void *own = mc_http_alloc(r, body_bytes);
        rc = own ? 0 : MC_ENOMEM;
        if (own)
            body = memcpy(own, body, body_bytes);
    }
    if (rc == 0) {
        r->out_body = body;
        r->out_body_bytes = body_bytes;
        rc = submit(r, headers, count);
    }
    if (rc < 0) { /* every request is answered, even if the answer was wrong */
        r->status = 500;
        r->no_body = r->is_head;
        r->out_body = (const uint8_t *)internal_error;
        r->out_body_bytes = sizeof internal_error - 1;
        if (submit(r, json_type, 1) < 0)
            mc_conn_close(r->conn, r->conn->server->str.limit);
    }
    return rc;
}

int mc_http_respond(struct mc_http_request *r, int status, const struct mc_http_header *headers,
                    size_t header_count, const void *body, size_t body_bytes)
{
    return respond(r, status, headers, header_count, body, body_bytes, 1);
}

int mc_http_respond_static(struct mc_http_request *r, int status,
                           const struct mc_http_header *headers, size_t header_count,
                           const void *body, size_t body_bytes)
{
    return respond(r, status, headers, header_count, body, body_bytes, 0);
}

int mc_http_respond_error(struct mc_http_request *r, int status, const char *error,
                          const char *detail)
{
    static const struct mc_http_header headers[] = {
        {"content-type", "application/json"},
        {"cache-control", "no-store"},
        {"retry-after", "1"},
        {"www-authenticate", "Bearer realm=\"memcam\""},
    };
    struct mc_http_header chosen[3] = {headers[0], headers[1], headers[2]};
    size_t count = status == 503 ? 3 : 2;
    if (status == 401)
        chosen[count++] = headers[3];
    struct mc_buf json = {0};
    if (!error)
        error = mc_status_text(status);
    mc_buf_add_str(&json, "{\"error\":");
    mc_buf_add_json(&json, error, strlen(error));
    if (detail) {
        mc_buf_add_str(&json, ",\"detail\":");
        mc_buf_add_json(&json, detail, strlen(detail));
    }
    mc_buf_add_str(&json, "}");
    size_t bytes = json.failed ? 0 : json.count;
    int rc = mc_http_respond(r, status, chosen, count, json.bytes, bytes);
    mc_buf_fini(&json);
    return rc;
}

/* ---- streams -------------------------------------------------------------------------------- */

int mc_http_respond_stream(struct mc_http_request *r, int status,
                           const struct mc_http_header *headers, size_t header_count,
                           const struct mc_http_stream_ops *ops, void *arg)
{
    int rc = begin_answer(r, status, headers, header_count);
    if (rc == MC_EBUSY)
        return rc;
    if (rc == 0) {
        r->streaming = 1;
        r->ops = *ops;
        r->ops_arg = arg;
        rc = submit(r, headers, header_count);
    }
    if (rc < 0) { /* not taken: `closed` is still called, once, when the 500 has ended */
        r->streaming = 0;
        respond(r, 500, json_type, 1, internal_error, sizeof internal_error - 1, 0);
        if (ops->closed)
            ops->closed(arg);
    }
    return rc;
}

long mc_http_stream_pull(struct mc_http_request *r, uint8_t *buf, size_t room)
{
    if (r->stream_cut)
        return MC_HTTP_STREAM_END;
    long got = r->ops.read(r->ops_arg, buf, room);
    return got > 0 && (size_t)got > room ? MC_HTTP_STREAM_END : got;
}

void mc_http_stream_resume(struct mc_http_request *r)
{
    if (!r->streaming || !r->stream_waiting)
        return;
    r->stream_waiting = 0;
    if (r->conn->h2)
        mc_h2_resume(r);
    mc_conn_mark(r->conn);
}
