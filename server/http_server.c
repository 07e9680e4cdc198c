/* http_server.c: a server from open to close: its pools, its listener, its sweep, its end.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http_priv.h"
#include "tracer/error.h"

/* ---- accepting ------------------------------------------------------------------------------ */

void mc_server_peer(const uv_tcp_t *tcp, char *to, size_t to_bytes)
{
    struct sockaddr_storage a;
    int a_bytes = sizeof a;
    char host[INET6_ADDRSTRLEN] = "?";
    memset(&a, 0, sizeof a);
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&a, &a_bytes) < 0) {
        snprintf(to, to_bytes, "?");
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
        uv_ip6_name(v6, host, sizeof host);
        snprintf(to, to_bytes, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
        uv_ip4_name(v4, host, sizeof host);
        snprintf(to, to_bytes, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    }
}

/* Where TLS must come, a connection has ten seconds for it; else it may be silent. */
static int first_state(const struct mc_http_server *s)
{
    return s->o.require_tls ? MC_SLOT_CONNECTING : MC_SLOT_IDLE;
}

/* The kernel would queue up to 4 MB for a peer that does not read (measured on loopback). */
static void bound_unsent(const uv_tcp_t *tcp)
{
    const int most_bytes = MC_UNSENT_BYTES;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most_bytes, sizeof most_bytes);
}

static void accept_into(struct mc_http_server *s, struct mc_http_conn *c, uint64_t id)
{
    char peer[64];
    memset(c, 0, sizeof *c);
    c->magic = MC_CONN_MAGIC;
    c->server = s;
    c->id = id;
    c->state = first_state(s);
    c->accepted_ms = c->last_ms = c->read_ms = uv_now(s->loop);
    uv_tcp_init(s->loop, &c->tcp);
    c->tcp.data = c;
    s->open_handles++;
    c->next = s->open;
    if (c->next)
        c->next->prev = c;
    s->open = c;
    int accepted = uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) == 0;
    mc_server_peer(&c->tcp, peer, sizeof peer);
    mc_event_accept_on(s->o.tracer, id, s->owner, peer);
    if (!accepted) {
        mc_conn_close(c, s->str.reset);
        return;
    }
    bound_unsent(&c->tcp);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60);
    mc_conn_accepted(c);
}

void mc_server_accept(struct mc_http_server *s)
{
    uint64_t id = mc_conn_next_id();
    struct mc_http_conn *c = mc_pool_take(&s->conns, first_state(s), id);
    if (c)
        accept_into(s, c, id);
    else if (mc_shed_accept(s) < 0)
        s->accept_waits = 1; /* until a spare is free; the backlog holds it */
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct mc_http_server *s = listener->data;
    if (status == 0 && !s->closing)
        mc_server_accept(s);
}

void mc_server_conn_freed(struct mc_http_server *s)
{
    if (s->accept_waits && !s->closing) {
        s->accept_waits = 0;
        mc_server_accept(s);
    }
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void run_marked(struct mc_http_server *s)
{
    while (s->dirty) {
        struct mc_http_conn *c = s->dirty;
        s->dirty = c->dirty_next;
        c->dirty = 0;
        c->dirty_next = NULL;
        mc_conn_run(c);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    run_marked(handle->data);
}

static void on_check(uv_check_t *handle)
{
    run_marked(handle->data);
}

static void on_sweep(uv_timer_t *timer)
{
    struct mc_http_server *s = timer->data;
    uint64_t now_ms = uv_now(s->loop);
    int drained = s->closing && now_ms - s->closing_ms > MC_DRAIN_MS;
    for (struct mc_http_conn *c = s->open, *next; c; c = next) {
        next = c->next;
        if (drained)
            mc_conn_close(c, s->str.shutdown);
        else
            mc_conn_sweep(c, now_ms);
    }
    mc_shed_sweep(s, now_ms);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void server_free(struct mc_http_server *s)
{
    mc_h2_fini(s);
    mc_tls_fini(s);
    mc_pool_fini(&s->arenas);
    mc_pool_fini(&s->buffers);
    mc_pool_fini(&s->conns);
    free(s->shed);
    free(s->fields);
    free(s->plain_out);
    free(s->plain_in);
    free(s->read_scratch);
    for (char **host = s->hosts; host && *host; host++)
        free(*host);
    free(s->hosts);
    free(s->token);
    free(s->name);
    free(s);
}

static void on_tool_closed(uv_handle_t *handle)
{
    mc_server_handle_closed(handle->data);
}

/* The sweep and the flushes go last: connections that drain still need them. */
static void close_tools(struct mc_http_server *s)
{
    s->sweeping = 0;
    uv_close((uv_handle_t *)&s->sweep, on_tool_closed);
    uv_close((uv_handle_t *)&s->prepare, on_tool_closed);
    uv_close((uv_handle_t *)&s->check, on_tool_closed);
}

void mc_server_handle_closed(struct mc_http_server *s)
{
    s->open_handles--;
    if (s->closing && s->sweeping && s->open_handles == 3)
        close_tools(s);
    if (s->open_handles > 0)
        return;
    void (*done)(void *arg) = s->done;
    void *arg = s->done_arg;
    server_free(s);
    if (done)
        done(arg);
}

/* What is being answered may finish; streams end here, delayed answers are given up. */
static void close_conn(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    if (c->closing || c->lingering)
        return;
    for (struct mc_http_request *r = c->requests, *next; r; r = next) {
        next = r->next;
        if (r->streaming) {
            r->stream_cut = r->stream_waiting = 1;
            mc_http_stream_resume(r);
        } else if (r->phase == MC_REQ_HANDLED) {
            void (*gone)(void *arg) = r->gone;
            if (gone)
                gone(r->gone_arg);
            r->gone = NULL;
            mc_http_respond_error(r, 503, NULL, "the server is shutting down");
        }
    }
    if (c->h2)
        mc_h2_goaway(c, NGHTTP2_NO_ERROR);
    if (c->h2)
        mc_conn_mark(c);
    else if (c->requests)
        c->requests->close = 1;
    else if (c->writing)
        mc_conn_finish(c, s->str.shutdown);
    else
        mc_conn_close(c, s->str.shutdown);
}

void mc_http_server_close(struct mc_http_server *s, void (*done)(void *arg), void *arg)
{
    if (!s || s->closing)
        return;
    s->closing = 1;
    s->closing_ms = uv_now(s->loop);
    s->done = done;
    s->done_arg = arg;
    uv_close((uv_handle_t *)&s->listener, on_tool_closed);
    mc_shed_close_all(s);
    for (struct mc_http_conn *c = s->open, *next; c; c = next) {
        next = c->next;
        close_conn(c);
    }
}

/* ---- opening -------------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t most, uint32_t otherwise)
{
    return value == 0 ? otherwise : value < most ? value : most;
}

static void set_defaults(struct mc_http_options *o)
{
    o->tls = o->tls || o->require_tls;
    o->max_connections = or_default(o->max_connections, 1u << 20, 1024);
    o->max_requests = or_default(o->max_requests, 1u << 20, 256);
    uint32_t buffers = o->max_connections < 1024 ? o->max_connections * 2 : 2048;
    o->buffer_count = or_default(o->buffer_count, 1u << 20, buffers);
    o->arena_bytes = or_default(o->arena_bytes, 1u << 28, 65536);
    if (o->arena_bytes < 2 * sizeof(struct mc_http_request))
        o->arena_bytes = 2 * sizeof(struct mc_http_request);
    o->streams_per_connection = or_default(o->streams_per_connection, 1u << 20, 100);
    o->body_max_bytes = or_default(o->body_max_bytes, 1u << 30, 1u << 20);
    o->header_max_bytes = or_default(o->header_max_bytes, 1u << 20, 16384);
    o->idle_timeout_ms = or_default(o->idle_timeout_ms, 1u << 30, 60000);
}

/* The strings of the options are ours from here on. */
static int copy_strings(struct mc_http_server *s)
{
    size_t count = 0;
    while (s->o.host_allow && s->o.host_allow[count])
        count++;
    s->hosts = calloc(count + 1, sizeof *s->hosts);
    s->name = strdup(s->o.name ? s->o.name : "http");
    if (!s->hosts || !s->name)
        return MC_ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!(s->hosts[i] = strdup(s->o.host_allow[i])))
            return MC_ENOMEM;
    if (s->o.token && s->o.token[0] && !(s->token = strdup(s->o.token)))
        return MC_ENOMEM;
    s->o.name = s->name;
    s->o.token = s->token;
    s->o.host_allow = (const char *const *)s->hosts;
    return 0;
}

/* A name of the trace, or "server_name" when another server of the program has taken it. */
#define REGISTER(to, call, plain, ...)                                                             \
    do {                                                                                           \
        char own_name[64];                                                                         \
        snprintf(own_name, sizeof own_name, "%s_%s", s->name, plain);                              \
        (to) = call(s->o.tracer, plain, __VA_ARGS__);                                              \
        if (!(to))                                                                                 \
            (to) = call(s->o.tracer, own_name, __VA_ARGS__);                                       \
    } while (0)

static int open_pools(struct mc_http_server *s)
{
    struct mc_tracer *t = s->o.tracer;
    size_t arenas_bytes = (size_t)s->o.arena_bytes * s->o.max_requests;
    s->read_scratch = malloc(MC_OUT_BYTES);
    s->plain_in = malloc(MC_BUFFER_BYTES);
    s->plain_out = malloc(MC_OUT_ROOM);
    s->fields = calloc(MC_H1_FIELDS_MAX, sizeof *s->fields);
    s->shed = calloc(MC_SHED_SPARES, sizeof *s->shed);
    if (!s->read_scratch || !s->plain_in || !s->plain_out || !s->fields || !s->shed)
        return MC_ENOMEM;
    s->owner = mc_string_id(t, s->name);
#define X(field, text) s->str.field = mc_string_id(t, text);
    MC_HTTP_STRINGS(X)
#undef X
    if (mc_pool_init(&s->conns, t, s->name, "handles", sizeof(struct mc_http_conn),
                     s->o.max_connections) < 0 ||
        mc_pool_init(&s->buffers, t, s->name, "tcp_buffers", MC_BUFFER_BYTES, s->o.buffer_count) <
            0 ||
        mc_pool_init(&s->arenas, t, s->name, "request_arenas", s->o.arena_bytes,
                     s->o.max_requests) < 0)
        return MC_ENOMEM;
    REGISTER(s->arena_source, mc_arena_register, "request_arena_bytes", arenas_bytes);
    REGISTER(s->requests, mc_counter_register, "requests", "count");
    REGISTER(s->responses_5xx, mc_counter_register, "responses_5xx", "count");
    REGISTER(s->shed_count, mc_counter_register, "shed", "count");
    REGISTER(s->bytes_in, mc_counter_register, "bytes_in", "bytes");
    REGISTER(s->bytes_out, mc_counter_register, "bytes_out", "bytes");
    REGISTER(s->latency, mc_histogram_register, "latency", "ns");
    return mc_h2_init(s);
}

static int start(struct mc_http_server *s, int fd)
{
    uv_tcp_init(s->loop, &s->listener);
    uv_timer_init(s->loop, &s->sweep);
    uv_prepare_init(s->loop, &s->prepare);
    uv_check_init(s->loop, &s->check);
    s->listener.data = s->sweep.data = s->prepare.data = s->check.data = s;
    s->open_handles = 4;
    s->sweeping = 1;
    uv_timer_start(&s->sweep, on_sweep, MC_SWEEP_MS, MC_SWEEP_MS);
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    int rc = uv_tcp_open(&s->listener, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&s->listener, 511, on_connection);
    return rc < 0 ? MC_EADDR : 0;
}

static int is_token_text(const char *token)
{
    for (const char *c = token; c && *c; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\";,\\", *c))
            return 0;
    return 1;
}

int mc_http_server_open(uv_loop_t *loop, const struct mc_http_options *opts,
                        struct mc_http_server **out, char *why, size_t why_bytes)
{
    int fd = -1, rc = MC_ENOMEM;
    if (!is_token_text(opts->token)) {
        snprintf(why, why_bytes,
                 "the token has a space, quote, comma, semicolon or control "
                 "character; take letters and digits");
        return MC_EINVAL;
    }
    struct mc_http_server *s = calloc(1, sizeof *s);
    if (!s)
        goto no_memory;
    s->o = *opts;
    s->loop = loop;
    set_defaults(&s->o);
    if ((rc = copy_strings(s)) < 0)
        goto no_memory;
    fd = mc_listen_open(&s->o, s->host, sizeof s->host, s->address, sizeof s->address, why,
                        why_bytes);
    if ((rc = fd) < 0)
        goto free_server;
    s->o.require_tls |= !mc_doors_is_loopback(s->host);
    if ((s->o.tls || s->o.cert_file || s->o.key_file) && (rc = mc_tls_init(s, why, why_bytes)) < 0)
        goto close_socket;
    if ((rc = open_pools(s)) < 0) {
        snprintf(why, why_bytes,
                 "out of memory for %u connections and %u requests; set lower "
                 "limits",
                 s->o.max_connections, s->o.max_requests);
        goto close_socket;
    }
    if ((rc = start(s, fd)) < 0) { /* libuv frees asynchronously: leave by the ordinary way */
        snprintf(why, why_bytes, "%s: can't listen; try another address", s->address);
        mc_http_server_close(s, NULL, NULL);
        return rc;
    }
    *out = s;
    return 0;
close_socket:
    close(fd);
free_server:
    server_free(s);
    return rc;
no_memory:
    snprintf(why, why_bytes, "out of memory for a server");
    if (s)
        server_free(s);
    return rc;
}

const char *mc_http_server_address(const struct mc_http_server *s)
{
    return s->address;
}

uint64_t mc_http_server_h2_bytes(const struct mc_http_server *s)
{
    return mc_h2_mem_bytes(s->h2_mem);
}

const char *mc_http_server_scheme(const struct mc_http_server *s)
{
    return s->o.tls ? "https" : "http";
}
