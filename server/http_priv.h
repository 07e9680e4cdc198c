/* http_priv.h: what the files of the HTTP server share. See http.h for the contract above it.
 *
 * One connection's bytes go: read callback -> (http_tls) -> http_h1 or http_h2 -> a request
 * (http_request) -> handler -> http_respond -> http_h1 or http_h2 -> (http_tls) -> write.
 * http_conn.c drives this; http_server.c listens, sweeps the timeouts and closes.
 */
#ifndef MC_HTTP_PRIV_H
#define MC_HTTP_PRIV_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "server/http.h"
#include "server/http_h1_parse.h"
#include "tracer/memcam.h"

#define MC_BUFFER_BYTES 16384u
#define MC_OUT_BYTES 65536u                 /* serialised at a time, at most */
#define MC_OUT_STARVED_BYTES 4096u          /* the same when tcp_buffers are short */
#define MC_OUT_ROOM (MC_OUT_BYTES + 20480u) /* and room for one more frame behind */
#define MC_OUT_BUFFERS 6u                   /* of tcp_buffers that an unsent rest may take */
#define MC_UNSENT_BYTES 131072              /* in the kernel's queue of a socket, about */
#define MC_OVERFLOW_MAP_BYTES 262144u       /* malloc would keep what is freed of such sizes */
#define MC_H2_SMALL_BYTES 1024u             /* nghttp2's objects that come from lists */
#define MC_SWEEP_MS 100u
#define MC_LINGER_MS 1000u
#define MC_DRAIN_MS 2000u
#define MC_SHED_SPARES 32u
#define MC_CONN_MAGIC 0x6d63636eu
#define MC_REQUEST_MAGIC 0x6d637271u

/* ---- http_pool.c: a slab of equal slots, published to the tracer --------------------------- */

struct mc_pool {
    uint8_t *base; /* owned: mapped, touched when used */
    size_t slot_bytes;
    uint32_t count, free_count;
    uint32_t *free_idx;   /* owned: a stack, lowest index on top at first */
    struct mc_slab *slab; /* borrowed */
    uint32_t owner, name; /* mc_string_ids */
};

/* 0 or MC_ENOMEM. name: of the source in the trace. */
int mc_pool_init(struct mc_pool *p, struct mc_tracer *t, const char *owner, const char *name,
                 size_t slot_bytes, uint32_t count);
void mc_pool_fini(struct mc_pool *p);
/* A slot, its content undefined; NULL when empty (counted as overflow). */
void *mc_pool_take(struct mc_pool *p, int state, uint64_t conn_id);
void mc_pool_give(struct mc_pool *p, void *slot);
void mc_pool_set(struct mc_pool *p, void *slot, int state, uint64_t conn_id);

/* ---- requests ------------------------------------------------------------------------------ */

struct mc_http_conn;

enum mc_request_phase {
    MC_REQ_RECEIVING, /* head or body not complete */
    MC_REQ_HANDLED,   /* the handler has it; not answered yet */
    MC_REQ_ANSWERED,  /* the answer is known and being sent */
    MC_REQ_SENT       /* all of it is serialised; waits for the socket */
};

struct mc_overflow_block { /* what did not fit into the arena: malloc or a mapping, chained */
    struct mc_overflow_block *next;
    size_t bytes; /* with this head; from MC_OVERFLOW_MAP_BYTES on it is a mapping */
};

struct mc_http_request { /* stands at the start of its arena */
    uint32_t magic;
    enum mc_request_phase phase;
    struct mc_http_conn *conn;           /* borrowed */
    struct mc_http_request *prev, *next; /* the connection's requests, or its list of sent ones */
    uint32_t stream_id;
    uint32_t arena_used_bytes, arena_room_bytes;
    size_t overflow_bytes;
    struct mc_overflow_block *overflow; /* owned */
    /* What was asked; all in the arena. */
    const char *method, *path, *query, *authority, *target;
    struct mc_http_header *headers;
    uint32_t header_count, header_room;
    size_t header_bytes; /* names and values, as HPACK counts them */
    uint8_t *body;
    size_t body_bytes, body_room;
    uint64_t body_due; /* Content-Length, UINT64_MAX unknown */
    uint8_t body_is_malloc, is_head, has_authority, too_large, shed, end_received;
    uint8_t traced; /* the request event is out */
    uint8_t close;  /* HTTP/1.1: the connection ends with this answer */
    uint8_t http10;
    uint32_t method_id, route;
    uint64_t started_ns;
    uint64_t progress_ms; /* loop time of the last byte in or out */
    uint64_t begun_ms;
    /* The answer. */
    int status;
    const char *out_head; /* HTTP/1.1: status line and headers */
    size_t out_head_bytes, out_head_sent;
    const uint8_t *out_body;
    size_t out_body_bytes, out_body_sent;
    uint64_t bytes_out;
    uint8_t no_body; /* HEAD, 204, 304 */
    uint8_t streaming, stream_chunked, stream_waiting, stream_ended, stream_closed, stream_cut;
    struct mc_http_stream_ops ops;
    void *ops_arg;
    void (*gone)(void *arg);
    void *gone_arg;
};

/* http_request.c. A new request from the arenas, linked to c; NULL when there is none (shed). */
struct mc_http_request *mc_request_new(struct mc_http_conn *c, uint32_t stream_id);
/* A request is answered 503 without a slot of its own: count it, and tell the trace, with the route
 * "(shed)", so that it is an error to whoever looks at routes and servers. */
void mc_request_shed(struct mc_http_server *s, uint64_t conn_id, uint32_t stream_id);
/* Copy a header; both NUL-terminated by us. 0, or -1: no memory. */
int mc_request_add_header(struct mc_http_request *r, const uint8_t *name, size_t name_bytes,
                          const uint8_t *value, size_t value_bytes);
char *mc_request_copy(struct mc_http_request *r, const void *bytes, size_t count);
/* A name and, one byte behind it, its value; both NUL-terminated. */
char *mc_request_copy_pair(struct mc_http_request *r, const void *name, size_t name_bytes,
                           const void *value, size_t value_bytes);
/* Make room for a body of body_due bytes (UINT64_MAX: grow as it comes), then add pieces. -1 when
 * it passes body_max_bytes or memory. */
int mc_request_add_body(struct mc_http_request *r, const uint8_t *bytes, size_t count);
/* The head is complete: target, doors, limits. 0 go on; 1 it has been answered. */
int mc_request_begin(struct mc_http_request *r);
/* The body too: call the handler, unless it was answered before. */
void mc_request_dispatch(struct mc_http_request *r);
/* Tell the trace of the request, once; by the first answer, or when the handler returns. */
void mc_request_trace(struct mc_http_request *r);
/* All of the answer is serialised: to the connection's sent list. */
void mc_request_sent(struct mc_http_request *r);
/* End it and free its arena. finished: the answer went out whole. reason: a mc_string_id. */
void mc_request_end(struct mc_http_request *r, int finished, uint32_t reason);

/* http_target.c. Split and decode an origin-form or absolute-form target into path, query (and
 * authority). 0, or the status to answer with *detail. */
int mc_target_parse(struct mc_http_request *r, const char *target, const char **detail);

/* http_doors.c. 0, or the status to answer; 303 has the location in *detail. */
int mc_doors_check(struct mc_http_request *r, const char **detail);
int mc_doors_bind_allowed(const struct sockaddr *address, const struct mc_http_options *o);
/* Whether an address without port and brackets is of this machine alone. */
int mc_doors_is_loopback(const char *host);
int mc_doors_host_allowed(const struct mc_http_options *o, const char *bound_host,
                          const char *authority);

/* http_respond.c */
const char *mc_status_text(int status);
/* Is it a hop-by-hop or framing header, which only the server sets? */
int mc_http_is_own_header(const char *name);
/* Pull from a stream: what its `read` says; END when the server is closing. */
long mc_http_stream_pull(struct mc_http_request *r, uint8_t *buf, size_t room);
/* The head and the (small) body of a 503 that needs no memory. Static. */
extern const char mc_shed_body[];
extern const char mc_shed_h1[];
/* What a plain HTTP/1.1 request gets on a port that refuses clear text. Static. */
extern const char mc_clear_text_h1[];

/* ---- connections --------------------------------------------------------------------------- */

enum mc_proto { MC_PROTO_DETECT, MC_PROTO_H1, MC_PROTO_H2, MC_PROTO_DRAIN };

struct mc_http_conn {
    uv_tcp_t tcp; /* .data: this */
    uv_write_t write_req;
    uv_shutdown_t shutdown_req;
    uint32_t magic;
    struct mc_http_server *server; /* borrowed */
    struct mc_http_conn *prev, *next, *dirty_next;
    uint64_t id;
    enum mc_proto proto;
    int state; /* the slot's letter */
    uint8_t dirty, running, reading, writing, peer_eof, closing, finish, starved, lingering, doomed;
    uint32_t doom_reason;
    uint32_t close_reason; /* why finish was set */
    /* In: rbuf from tcp_buffers, or the server's scratch while starved. */
    uint8_t *rbuf, *in;
    uint32_t in_pos, in_end;
    /* Out: what the socket did not take. */
    uint8_t *out[MC_OUT_BUFFERS];
    uint32_t out_count;
    uint8_t *out_spill;                       /* owned: malloc, when tcp_buffers were empty */
    struct mc_http_request *requests;         /* owned: not yet sent */
    struct mc_http_request *sent, *sent_last; /* owned: wait for the socket, in order */
    uint32_t request_count;
    uint64_t bytes_in, bytes_out;
    uint64_t last_ms, read_ms, accepted_ms, linger_ms;
    /* TLS */
    SSL *ssl; /* owned */
    uint8_t tls_ready, tls_failed;
    uint64_t tls_started_ns;
    /* HTTP/1.1 */
    struct mc_h1 h1;
    struct mc_http_request *h1_request; /* borrowed: in requests */
    const char *canned;                 /* static: sent instead of an answer, then the end */
    uint32_t h1_count;
    uint8_t continue_due;
    /* HTTP/2 */
    nghttp2_session *h2; /* owned */
    int32_t h2_tokens;
    uint64_t h2_tokens_ms, h2_discarded_bytes;
};

struct mc_shed_conn { /* a connection that gets no handle: read once, refused, closed */
    uv_tcp_t tcp;
    struct mc_http_server *server;
    uint64_t conn_id;
    uint64_t since_ms;
    uv_shutdown_t shutdown_req;
    uint8_t used, closing, answered;
};

/* String ids, cached. X(field, "text") */
#define MC_HTTP_STRINGS(X)                                                                         \
    X(shed, "(shed)")                                                                              \
    X(unrouted, "(unrouted)")                                                                      \
    X(done, "done")                                                                                \
    X(reset, "reset")                                                                              \
    X(refused, "refused")                                                                          \
    X(gone, "connection closed")                                                                   \
    X(timeout, "timeout")                                                                          \
    X(peer_closed, "peer closed")                                                                  \
    X(idle_timeout, "idle timeout")                                                                \
    X(protocol_error, "protocol error")                                                            \
    X(shutdown, "shutdown")                                                                        \
    X(limit, "limit")                                                                              \
    X(tls_failed, "TLS failed")                                                                    \
    X(GET, "GET")                                                                                  \
    X(HEAD, "HEAD")                                                                                \
    X(POST, "POST")                                                                                \
    X(PUT, "PUT")                                                                                  \
    X(DELETE, "DELETE")                                                                            \
    X(PATCH, "PATCH")                                                                              \
    X(OPTIONS, "OPTIONS")

struct mc_http_strings {
#define X(field, text) uint32_t field;
    MC_HTTP_STRINGS(X)
#undef X
};

struct mc_h2_mem;

struct mc_http_server {
    struct mc_http_options o; /* defaults filled in; strings owned by `strings` */
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_prepare_t prepare;
    uv_check_t check;
    uint32_t open_handles; /* of libuv, until the end */
    uint8_t closing, sweeping, listening;
    uint8_t accept_waits;
    uint64_t closing_ms;
    void (*done)(void *arg);
    void *done_arg;
    char address[80];            /* "127.0.0.1:8080" */
    char host[64];               /* as it was bound: "127.0.0.1", "::1" */
    char *name, *token, **hosts; /* owned: copies of the options */
    struct mc_pool conns, buffers, arenas;
    struct mc_http_conn *open, *dirty; /* lists */
    struct mc_shed_conn *shed;         /* owned: MC_SHED_SPARES */
    uint64_t arena_bytes_in_use;
    uint64_t sent_ns;                        /* uv_hrtime when the answers that end now went out */
    SSL_CTX *ssl_ctx;                        /* owned; NULL until it is needed */
    nghttp2_session_callbacks *h2_callbacks; /* owned */
    nghttp2_option *h2_options;              /* owned */
    struct mc_h2_mem *h2_mem;                /* owned */
    /* Scratch, used within one call of the loop. */
    uint8_t *read_scratch; /* MC_OUT_BYTES: reads while starved, or to be dropped */
    uint8_t *plain_in;     /* MC_BUFFER_BYTES: out of TLS */
    uint8_t *plain_out;    /* MC_OUT_ROOM: serialised */
    uint8_t *cipher_out;   /* MC_OUT_ROOM and records' overhead */
    size_t cipher_out_bytes, cipher_out_room;
    struct mc_h1_field *fields; /* MC_H1_FIELDS_MAX */
    /* The trace. */
    uint32_t owner;
    struct mc_http_strings str;
    struct mc_arena *arena_source;
    struct mc_counter *requests, *responses_5xx, *shed_count, *bytes_in, *bytes_out;
    struct mc_histogram *latency;
};

/* http_conn.c */
uint64_t mc_conn_next_id(void);
void mc_conn_accepted(struct mc_http_conn *c);
/* Input, handlers, output, until nothing moves; then close or wait as it should. */
void mc_conn_run(struct mc_http_conn *c);
/* Run it soon: before the loop waits again. */
void mc_conn_mark(struct mc_http_conn *c);
void mc_conn_set_state(struct mc_http_conn *c, int state);
/* Abandon it now: requests are given up. reason: a mc_string_id. */
void mc_conn_close(struct mc_http_conn *c, uint32_t reason);
/* Close it when all output is out. */
void mc_conn_finish(struct mc_http_conn *c, uint32_t reason);
/* Say in the trace that the peer did wrong. reason: one of few static texts. */
void mc_conn_error(struct mc_http_conn *c, uint32_t stream_id, const char *reason);
void mc_conn_sweep(struct mc_http_conn *c, uint64_t now_ms);
void mc_conn_overflow(struct mc_http_conn *c, uint32_t stream_id, const struct mc_pool *p);

/* http_server.c: a libuv handle has been closed. */
void mc_server_handle_closed(struct mc_http_server *s);
void mc_server_conn_freed(struct mc_http_server *s);
void mc_server_accept(struct mc_http_server *s);
/* "10.0.0.7:51234" or "[::1]:51234". */
void mc_server_peer(const uv_tcp_t *tcp, char *to, size_t to_bytes);

/* http_listen.c: a listening socket for "host:port", and what it is bound to. The descriptor, or a
 * negative code with one line in why. */
int mc_listen_open(const struct mc_http_options *o, char *host, size_t host_bytes, char *address,
                   size_t address_bytes, char *why, size_t why_bytes);

/* http_shed.c: refuse a waiting connection without a handle of ours. -1: no spare, try later. */
int mc_shed_accept(struct mc_http_server *s);
void mc_shed_sweep(struct mc_http_server *s, uint64_t now_ms);
void mc_shed_close_all(struct mc_http_server *s);

/* http_h1.c. input: take what can be taken, return how much. fill: serialise up to room bytes. */
size_t mc_h1_input(struct mc_http_conn *c, const uint8_t *bytes, size_t count);
size_t mc_h1_fill(struct mc_http_conn *c, uint8_t *to, size_t room);
int mc_h1_wants_input(const struct mc_http_conn *c);

/* http_h2.c */
int mc_h2_open(struct mc_http_conn *c);
void mc_h2_close(struct mc_http_conn *c);
void mc_h2_input(struct mc_http_conn *c, const uint8_t *bytes, size_t count);
size_t mc_h2_fill(struct mc_http_conn *c, uint8_t *to, size_t limit);
/* Headers from given_count on are the server's `always`: they outlive the answer, not copied. */
int mc_h2_submit(struct mc_http_request *r, const struct mc_http_header *headers,
                 size_t given_count, size_t count);
void mc_h2_resume(struct mc_http_request *r);
void mc_h2_goaway(struct mc_http_conn *c, uint32_t error_code);
int mc_h2_is_over(const struct mc_http_conn *c);
int mc_h2_init(struct mc_http_server *s); /* the server's callbacks and options */
void mc_h2_fini(struct mc_http_server *s);

/* http_h2_mem.c: memory for nghttp2's objects. Freed when no session is left. */
int mc_h2_mem_new(struct mc_h2_mem **out);
void mc_h2_mem_free(struct mc_h2_mem *m);
nghttp2_mem *mc_h2_mem_calls(struct mc_h2_mem *m);
uint64_t mc_h2_mem_bytes(const struct mc_h2_mem *m); /* in use, heads included; 0 for NULL */

/* http_tls.c */
int mc_tls_init(struct mc_http_server *s, char *why, size_t why_bytes);
void mc_tls_fini(struct mc_http_server *s);
int mc_tls_open(struct mc_http_conn *c);
void mc_tls_close(struct mc_http_conn *c);
/* Hand what has come to the protocol. */
void mc_tls_input(struct mc_http_conn *c);
/* Seal bytes into the server's cipher_out. -1: the connection is broken. */
int mc_tls_seal(struct mc_http_conn *c, const uint8_t *bytes, size_t count);
void mc_tls_bye(struct mc_http_conn *c); /* close_notify into cipher_out */

/* http_cert.c: a self-signed P-256 certificate for localhost, in memory. fingerprint: SHA-256. */
int mc_cert_make(X509 **cert, EVP_PKEY **key, char *fingerprint, size_t fingerprint_bytes);

#endif
