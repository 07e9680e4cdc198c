/* http.h: an HTTP server on libuv: HTTP/1.1, HTTP/2 with prior knowledge and under TLS, one port.
 *
 * Owns:    its listener, connections, and the slabs they come from. With a tracer, all of it is
 *          published: slabs `handles` (connections), `tcp_buffers`, `request_arenas`, and the
 *          connection events.
 * Threads: all on the loop's thread.
 * Never:   allocates per connection or per request from outside its slabs once it listens, but
 *          for what OpenSSL and nghttp2 take; an empty slab answers 503 with Retry-After.
 */
#ifndef MC_HTTP_H
#define MC_HTTP_H

#include <uv.h>

#include "tracer/buf.h"
#include "tracer/memcam.h"

struct mc_http_server;
struct mc_http_request;

struct mc_http_header {
    const char *name; /* lower-case; hop-by-hop and content-length are the server's own */
    const char *value;
};

typedef void (*mc_http_handler_fn)(struct mc_http_request *req, void *arg);

struct mc_http_options {
    const char *name;         /* the owner of its connections in the trace: "app", "dashboard" */
    const char *address;      /* "127.0.0.1:8080", "[::1]:0"; port 0 takes a free one */
    struct mc_tracer *tracer; /* borrowed; NULL: not traced */
    int tls; /* its URL is https; 0: TLS is spoken all the same, to the first who begins with it */
    const char *cert_file, *key_file; /* PEM; both NULL: self-signed, and says so on stderr */
    int require_tls;          /* refuse clear text; so does each address that others can reach */
    uint32_t max_connections; /* default 1024: slots of `handles` */
    uint32_t max_requests;    /* default 256: slots of `request_arenas` */
    uint32_t buffer_count;    /* default 2 per 1 connection, at most 2048: slots of `tcp_buffers` */
    uint32_t arena_bytes;     /* default 64 KiB per request; past it malloc, counted as overflow */
    uint32_t streams_per_connection; /* default 100 */
    uint32_t body_max_bytes;         /* default 1 MiB: 413 past it */
    uint32_t header_max_bytes;       /* default 16 KiB: 431 past it */
    uint32_t idle_timeout_ms;        /* default 60,000; half of a request also times out */
    /* Doors. host_allow: extra Host names (without port) beside the bound address, localhost and
     * loopback literals; NULL-terminated; requests with another Host get 421. */
    const char *const *host_allow;
    int cross_site_allow; /* app port: do not reject cross-site Sec-Fetch-Site / Origin */
    const char *token;    /* demand this token (Authorization: Bearer, or the cookie); NULL: none */
    /* Go with every answer that does not set them itself. Borrowed, as long as the server. */
    const struct mc_http_header *always;
    size_t always_count;
    mc_http_handler_fn handler; /* called when a request is complete, body included */
    void *arg;
};

/* Whether the address can be listened on now, for what has to be known before a server can be made.
 * 0, or what mc_http_server_open would say of it. */
int mc_http_address_check(const struct mc_http_options *opts, char *why, size_t why_bytes);

/* Bind and listen. A non-loopback address without both TLS and token is refused (MC_EDENIED).
 * `why` gets one line. */
int mc_http_server_open(uv_loop_t *loop, const struct mc_http_options *opts,
                        struct mc_http_server **out, char *why, size_t why_bytes);
/* The address it listens on, with the real port: "127.0.0.1:8080"; and the scheme. Borrowed. */
const char *mc_http_server_address(const struct mc_http_server *s);
const char *mc_http_server_scheme(const struct mc_http_server *s);
/* What nghttp2 holds for its connections. */
uint64_t mc_http_server_h2_bytes(const struct mc_http_server *s);
/* Stop: no new connections, GOAWAY, streams get `closed`; `done` (may be NULL) when all is freed.
 */
void mc_http_server_close(struct mc_http_server *s, void (*done)(void *arg), void *arg);

/* ---- a request: all borrowed until it is answered ------------------------------------------- */

const char *mc_http_method(const struct mc_http_request *r);
const char *mc_http_path(const struct mc_http_request *r);  /* decoded, without the query */
const char *mc_http_query(const struct mc_http_request *r); /* raw, "" when there is none */
/* A query parameter, decoded into the request's arena; NULL when absent. */
const char *mc_http_query_get(struct mc_http_request *r, const char *name);
/* A header by lower-case name; NULL when absent. */
const char *mc_http_header(const struct mc_http_request *r, const char *name);
const uint8_t *mc_http_body(const struct mc_http_request *r, size_t *body_bytes);
uint64_t mc_http_conn_id(const struct mc_http_request *r);
uint32_t mc_http_stream_id(const struct mc_http_request *r);
/* Memory that lives as long as the request; NULL only when malloc fails too. */
void *mc_http_alloc(struct mc_http_request *r, size_t bytes);
/* Name the route for the trace ("/item/:id"); a mc_string_id. Unset: "(unrouted)". */
void mc_http_set_route(struct mc_http_request *r, uint32_t route);

/* ---- answers: exactly one per request, now or later ------------------------------------------ */

/* Answer with a whole body. headers and body are copied. */
int mc_http_respond(struct mc_http_request *r, int status, const struct mc_http_header *headers,
                    size_t header_count, const void *body, size_t body_bytes);
/* The same with a body that outlives the server (embedded files): not copied. */
int mc_http_respond_static(struct mc_http_request *r, int status,
                           const struct mc_http_header *headers, size_t header_count,
                           const void *body, size_t body_bytes);
/* {"error":"…","detail":"…"} as JSON. */
int mc_http_respond_error(struct mc_http_request *r, int status, const char *error,
                          const char *detail);

/* Answer with a stream that the server pulls from (a deferring data provider). `read` fills up to
 * room_bytes and returns how many, 0 when there is nothing now (then mc_http_stream_resume brings
 * the next call), or MC_HTTP_STREAM_END. `closed` is called exactly once, whatever ends it: end,
 * reset, disconnect, shutdown; the request is gone after it. When the peer does not read, `read` is
 * not called: that is the back-pressure. */
#define MC_HTTP_STREAM_END (-1)
struct mc_http_stream_ops {
    long (*read)(void *arg, uint8_t *buf, size_t room_bytes);
    void (*closed)(void *arg);
};
int mc_http_respond_stream(struct mc_http_request *r, int status,
                           const struct mc_http_header *headers, size_t header_count,
                           const struct mc_http_stream_ops *ops, void *arg);
void mc_http_stream_resume(struct mc_http_request *r);

/* The headers that keep a page to itself, for `always`. Static. The dashboard's: a CSP that lets in
 * only what it needs, nosniff, no referrer, no cross-origin use. An app's: a CSP that keeps to its
 * own origin and out of frames, and nosniff. */
const struct mc_http_header *mc_http_dashboard_headers(size_t *count);
const struct mc_http_header *mc_http_app_headers(size_t *count);

/* Be told when a request whose answer is delayed goes away before it was answered (its peer left):
 * then it must not be answered any more. Whoever delays an answer asks for this: the request's
 * memory goes with its peer, or with the server (which answers 503 itself when it closes). */
void mc_http_on_gone(struct mc_http_request *r, void (*gone)(void *arg), void *arg);

#endif
