/* bench_http.c: a small server on server/http.h, to be measured and to be tested against.
 *
 * Usage: bench_http PORT [tls] [notrace] [name=value ...]
 *        names: conns, requests, buffers, arena, streams, body, headers, idle_ms, token, address,
 *        allow, cert, key
 * Prints "ready SCHEME ADDRESS" and serves until SIGTERM or SIGINT.
 *
 *   /          13 bytes                    /echo    the body back
 *   /big       ?bytes=N, default 10 MiB    /slow    ?ms=N, answered later
 *   /stream    ?ms=N&bytes=N&count=N, an event stream
 *   /never     not answered until the peer leaves
 *   /headers   what was asked, as text     /stats   live counts of this handler, as JSON
 *   /alloc     ?bytes=N from the arena     /bad     an answer that the server must refuse to send
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http.h"

static struct {
    uv_loop_t *loop;
    struct mc_tracer *tracer;
    struct mc_http_server *server;
    uint32_t route_hello, route_echo, route_big, route_slow, route_stream, route_other;
    uint8_t *big;
    size_t big_bytes;
    int streams_open, streams_opened, delayed, gone;
} b;

static const char hello[] = "Hello, World\n";
static const struct mc_http_header text[] = {{"content-type", "text/plain"}};

static long number(struct mc_http_request *r, const char *name, long otherwise)
{
    const char *value = mc_http_query_get(r, name);
    return value ? strtol(value, NULL, 10) : otherwise;
}

/* ---- an answer that comes later, or never ---------------------------------------------------- */

struct delayed {
    uv_timer_t timer;
    struct mc_http_request *request; /* NULL: it has gone */
};

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_gone(void *arg)
{
    struct delayed *d = arg;
    b.gone++;
    b.delayed--;
    d->request = NULL;
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

static void on_due(uv_timer_t *timer)
{
    struct delayed *d = timer->data;
    b.delayed--;
    mc_http_respond(d->request, 200, text, 1, "later\n", 6);
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void delay(struct mc_http_request *r, long ms)
{
    struct delayed *d = calloc(1, sizeof *d);
    if (!d) {
        mc_http_respond_error(r, 500, NULL, "out of memory");
        return;
    }
    uv_timer_init(b.loop, &d->timer);
    d->timer.data = d;
    d->request = r;
    b.delayed++;
    mc_http_on_gone(r, on_gone, d);
    if (ms >= 0)
        uv_timer_start(&d->timer, on_due, (uint64_t)ms, 0);
}

/* ---- a stream -------------------------------------------------------------------------------- */

struct stream {
    uv_timer_t timer;
    struct mc_http_request *request;
    long event_bytes, left, at; /* left < 0: no end */
    int due;                    /* events that may be sent now */
    int endless;                /* always something to send */
};

static long stream_read(void *arg, uint8_t *buf, size_t room)
{
    struct stream *s = arg;
    size_t n = 0;
    while (n < room && (s->due > 0 || s->endless)) {
        if (s->left == 0)
            return n ? (long)n : MC_HTTP_STREAM_END;
        size_t bytes = (size_t)(s->event_bytes - s->at) < room - n
                           ? (size_t)(s->event_bytes - s->at)
                           : room - n;
        memset(buf + n, 'x', bytes);
        if (s->at == 0)
            memcpy(buf + n, "data: ", bytes < 6 ? bytes : 6);
        s->at += (long)bytes;
        n += bytes;
        if (s->at == s->event_bytes) {
            if (bytes >= 2)
                memcpy(buf + n - 2, "\n\n", 2);
            s->at = 0;
            s->due--;
            s->left -= s->left > 0;
        }
    }
    return n == 0 && s->left == 0 ? MC_HTTP_STREAM_END : (long)n;
}

static void stream_closed(void *arg)
{
    struct stream *s = arg;
    b.streams_open--;
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void on_stream_tick(uv_timer_t *timer)
{
    struct stream *s = timer->data;
    s->due = 1; /* what was not read in time is dropped */
    mc_http_stream_resume(s->request);
}

static void stream(struct mc_http_request *r)
{
    static const struct mc_http_header headers[] = {{"content-type", "text/event-stream"},
                                                    {"cache-control", "no-store"}};
    static const struct mc_http_stream_ops ops = {stream_read, stream_closed};
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        mc_http_respond_error(r, 500, NULL, "out of memory");
        return;
    }
    long ms = number(r, "ms", 100);
    s->event_bytes = number(r, "bytes", 100);
    s->left = number(r, "count", -1);
    s->request = r;
    s->due = 1;
    s->endless = ms == 0;
    s->timer.data = s;
    uv_timer_init(b.loop, &s->timer);
    if (ms > 0)
        uv_timer_start(&s->timer, on_stream_tick, (uint64_t)ms, (uint64_t)ms);
    b.streams_open++;
    b.streams_opened++;
    mc_http_respond_stream(r, 200, headers, 2, &ops, s);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void echo(struct mc_http_request *r)
{
    size_t body_bytes;
    const uint8_t *body = mc_http_body(r, &body_bytes);
    mc_http_respond(r, 200, text, 1, body, body_bytes);
}

static void big(struct mc_http_request *r)
{
    long bytes = number(r, "bytes", 10 << 20);
    if (bytes < 0 || (size_t)bytes > b.big_bytes)
        mc_http_respond_error(r, 400, NULL, "bytes: from 0 to 67108864");
    else
        mc_http_respond_static(r, 200, text, 1, b.big, (size_t)bytes);
}

static void headers(struct mc_http_request *r)
{
    struct mc_buf out = {0};
    const char *names[] = {"host", "x-test", "user-agent", "content-length"};
    mc_buf_printf(&out, "method %s\npath %s\nquery %s\nq %s\n", mc_http_method(r), mc_http_path(r),
                  mc_http_query(r), mc_http_query_get(r, "q") ? mc_http_query_get(r, "q") : "-");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = mc_http_header(r, names[i]);
        mc_buf_printf(&out, "%s: %s\n", names[i], value ? value : "-");
    }
    mc_http_respond(r, 200, text, 1, out.bytes, out.count);
    mc_buf_fini(&out);
}

static void stats(struct mc_http_request *r)
{
    char json[160];
    int n = snprintf(json, sizeof json,
                     "{\"streams_open\":%d,\"streams_opened\":%d,\"delayed\":%d,\"gone\":%d}",
                     b.streams_open, b.streams_opened, b.delayed, b.gone);
    mc_http_respond(r, 200, text, 1, json, (size_t)n);
}

static void alloc(struct mc_http_request *r)
{
    size_t bytes = (size_t)number(r, "bytes", 1000);
    void *memory = bytes <= (64u << 20) ? mc_http_alloc(r, bytes) : NULL;
    if (memory)
        memset(memory, 1, bytes);
    mc_http_respond(r, memory ? 200 : 500, text, 1, "ok\n", 3);
}

static void bad(struct mc_http_request *r)
{
    const struct mc_http_header wrong[] = {{"x-split", "a\r\nset-cookie: b"}};
    mc_http_respond(r, 200, wrong, 1, "never\n", 6);
}

static void handle(struct mc_http_request *r, void *arg)
{
    const char *path = mc_http_path(r);
    (void)arg;
    if (path[1] == 0) {
        mc_http_set_route(r, b.route_hello);
        mc_http_respond_static(r, 200, text, 1, hello, sizeof hello - 1);
        return;
    }
    static const struct {
        const char *path;
        void (*run)(struct mc_http_request *r);
        const uint32_t *route;
    } routes[] = {
        {"/echo", echo, &b.route_echo},       {"/big", big, &b.route_big},
        {"/stream", stream, &b.route_stream}, {"/headers", headers, &b.route_other},
        {"/stats", stats, &b.route_other},    {"/alloc", alloc, &b.route_other},
        {"/bad", bad, &b.route_other},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(path, routes[i].path) == 0) {
            mc_http_set_route(r, *routes[i].route);
            routes[i].run(r);
            return;
        }
    if (strcmp(path, "/slow") == 0 || strcmp(path, "/never") == 0) {
        mc_http_set_route(r, b.route_slow);
        delay(r, path[1] == 's' ? number(r, "ms", 100) : -1);
        return;
    }
    mc_http_respond_error(r, 404, NULL, "no such route");
}

/* ---- the program ----------------------------------------------------------------------------- */

static uv_signal_t on_term, on_int;

static void on_signal(uv_signal_t *handle, int number_)
{
    (void)handle;
    (void)number_;
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
    mc_http_server_close(b.server, NULL, NULL);
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_http PORT [tls] [notrace] [name=value ...]\n");
    exit(2);
}

static int set_option(struct mc_http_options *o, char *word, const char **allow)
{
    char *value = strchr(word, '=');
    if (!value)
        return -1;
    *value++ = 0;
    const struct {
        const char *name;
        uint32_t *at;
    } numbers[] = {
        {"conns", &o->max_connections},   {"requests", &o->max_requests},
        {"buffers", &o->buffer_count},    {"arena", &o->arena_bytes},
        {"body", &o->body_max_bytes},     {"streams", &o->streams_per_connection},
        {"idle_ms", &o->idle_timeout_ms}, {"headers", &o->header_max_bytes},
    };
    const struct {
        const char *name;
        const char **at;
    } strings[] = {{"token", &o->token},
                   {"address", &o->address},
                   {"allow", &allow[0]},
                   {"cert", &o->cert_file},
                   {"key", &o->key_file}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(word, numbers[i].name) == 0) {
            *numbers[i].at = (uint32_t)strtoul(value, NULL, 10);
            return 0;
        }
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strcmp(word, strings[i].name) == 0) {
            *strings[i].at = value;
            return 0;
        }
    return -1;
}

static int serve(struct mc_http_options *o)
{
    char why[256];
    uv_loop_t loop;
    uv_loop_init(&loop);
    b.loop = &loop;
    int rc = mc_http_server_open(&loop, o, &b.server, why, sizeof why);
    if (rc < 0) {
        fprintf(stderr, "bench_http: %s\n", why);
        uv_loop_close(&loop);
        return 3;
    }
    uv_signal_init(&loop, &on_term);
    uv_signal_init(&loop, &on_int);
    uv_signal_start(&on_term, on_signal, SIGTERM);
    uv_signal_start(&on_int, on_signal, SIGINT);
    printf("ready %s %s\n", mc_http_server_scheme(b.server), mc_http_server_address(b.server));
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&loop);
    return rc < 0 ? 3 : 0;
}

int main(int argc, char **argv)
{
    char address[64];
    const char *allow[2] = {NULL, NULL};
    int traced = 1;
    struct mc_http_options o = {.name = "bench", .address = address, .handler = handle};
    if (argc < 2 || snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]) >= 64)
        usage();
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "tls") == 0)
            o.tls = 1;
        else if (strcmp(argv[i], "notrace") == 0)
            traced = 0;
        else if (set_option(&o, argv[i], allow) < 0)
            usage();
    }
    o.host_allow = allow;
    signal(SIGPIPE, SIG_IGN);
    if (traced)
        b.tracer = mc_tracer_open("bench_http", NULL);
    o.tracer = b.tracer;
    b.route_hello = mc_string_id(b.tracer, "/");
    b.route_echo = mc_string_id(b.tracer, "/echo");
    b.route_big = mc_string_id(b.tracer, "/big");
    b.route_slow = mc_string_id(b.tracer, "/slow");
    b.route_stream = mc_string_id(b.tracer, "/stream");
    b.route_other = mc_string_id(b.tracer, "/other");
    b.big_bytes = 64u << 20;
    b.big = calloc(1, b.big_bytes);
    int rc = b.big ? serve(&o) : 3;
    free(b.big);
    mc_tracer_close(b.tracer);
    return rc;
}
