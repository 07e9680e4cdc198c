/* test_http_trace.c: what the trace sees of the HTTP server: slots, counts and events, by its own
 * recording. Server and clients run in one thread, the loop is turned by hand. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/http.h"
#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"

static struct fixture fix;
static uv_loop_t loop;
static struct mc_http_server *server;
static struct mc_http_request *held; /* a request that is not answered yet */
static int gone, closed;
static char text[65536]; /* all events so far, a line each */
static const struct mc_frame *frame;

/* ---- a server and its clients --------------------------------------------------------------- */

static void on_gone(void *arg)
{
    (void)arg;
    gone++;
    held = NULL;
}

static void handle(struct mc_http_request *r, void *arg)
{
    (void)arg;
    if (strcmp(mc_http_path(r), "/hold") == 0) {
        held = r;
        mc_http_set_route(r, mc_string_id(fix.tracer, "/hold"));
        mc_http_on_gone(r, on_gone, NULL);
    } else if (strcmp(mc_http_path(r), "/") == 0) {
        mc_http_set_route(r, mc_string_id(fix.tracer, "/"));
        mc_http_respond(r, 200, NULL, 0, "hello", 5);
    } else {
        mc_http_respond_error(r, 404, NULL, "no such route");
    }
}

static void on_done(void *arg)
{
    (void)arg;
    closed = 1;
}

static void start(uint32_t connections, uint32_t requests)
{
    char why[256] = "";
    struct mc_http_options o = {.name = "app", .address = "127.0.0.1:0", .tracer = NULL};
    memset(text, 0, sizeof text);
    gone = closed = 0;
    held = NULL;
    CHECK_INT(fixture_open(&fix, NULL), 0);
    o.tracer = fix.tracer;
    o.max_connections = connections;
    o.max_requests = requests;
    o.handler = handle;
    uv_loop_init(&loop);
    CHECK_INT(mc_http_server_open(&loop, &o, &server, why, sizeof why), 0);
    CHECK_STR(why, "");
}

static void turn(uint64_t ms)
{
    for (uint64_t end = uv_hrtime() + ms * 1000000; uv_hrtime() < end;) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(200);
    }
}

static void stop(void)
{
    mc_http_server_close(server, on_done, NULL);
    for (int i = 0; i < 5000 && !closed; i++)
        turn(1);
    CHECK_INT(closed, 1);
    CHECK_INT(uv_run(&loop, UV_RUN_NOWAIT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    fixture_close(&fix);
}

static int dial(void)
{
    const char *address = mc_http_server_address(server);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    turn(5);
    return fd;
}

/* Send, let the server work, and return the status of the answer; 0 when there is none. */
static int ask(int fd, const char *request)
{
    char answer[2048];
    CHECK(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    turn(20);
    ssize_t got = read(fd, answer, sizeof answer - 1);
    if (got < 12)
        return 0;
    answer[got] = 0;
    return atoi(answer + 9);
}

/* ---- the recording --------------------------------------------------------------------------- */

static void note(const struct mc_event *e)
{
    const struct mc_schema *s = frame->schema;
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, sizeof text - at, "%s", mc_event_name(e->type));
    if (e->type == MC_EVENT_ACCEPT)
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", mc_schema_string(s, e->owner));
    if (e->stream_id)
        at += (size_t)snprintf(text + at, sizeof text - at, " %u", e->stream_id);
    if (e->state)
        at += (size_t)snprintf(text + at, sizeof text - at, " %c", e->state);
    if (e->method)
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", mc_schema_string(s, e->method));
    if (e->detail)
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", mc_schema_string(s, e->detail));
    if (e->type == MC_EVENT_RESPONSE)
        at += (size_t)snprintf(text + at, sizeof text - at, " %u in %llu out %llu", e->status,
                               (unsigned long long)e->bytes_in, (unsigned long long)e->bytes_out);
    snprintf(text + at, sizeof text - at, "\n");
}

static void tick(void)
{
    CHECK(mc_sampler_tick(fix.sampler, 0, &frame) >= 0);
    for (size_t i = 0; i < frame->event_count; i++)
        note(&frame->events[i]);
}

static int64_t value(int kind, const char *name, int field, int first)
{
    const struct mc_source *source = mc_schema_find(frame->schema, kind, name);
    CHECK(source);
    return source ? frame->values[source->value_idx + (uint32_t)(field - first)] : -1;
}

static int64_t slab(const char *name, int field)
{
    return value(MC_KIND_SLAB, name, field, MC_FIRST_SLAB);
}

static int64_t counter(const char *name)
{
    return value(MC_KIND_COUNTER, name, MC_F_COUNTER_VALUE, MC_FIRST_COUNTER);
}

static void check_slot(const char *name, uint32_t slot, char state, const char *owner)
{
    const struct mc_source *source = mc_schema_find(frame->schema, MC_KIND_SLAB, name);
    CHECK(source);
    if (!source)
        return;
    const struct mc_map *map = &frame->maps[source->map_idx];
    CHECK_INT(map->states[slot], state);
    CHECK_STR(mc_schema_string(frame->schema, map->owners[slot]), owner);
    CHECK_INT(map->conns[slot] != 0, state != MC_SLOT_FREE);
}

/* ---- the cases ------------------------------------------------------------------------------- */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void test_a_connection(void)
{
    start(8, 4);
    tick();
    CHECK_INT(slab("handles", MC_F_SLAB_USED), 0);
    int fd = dial();
    tick();
    check_slot("handles", 0, MC_SLOT_IDLE, "app");
    CHECK_INT(ask(fd, GET("/")), 200);
    CHECK_INT(ask(fd, "POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
              404);
    tick();
    check_slot("handles", 0, MC_SLOT_ACTIVE, "app");
    check_slot("tcp_buffers", 0, MC_SLOT_ACTIVE, "app");
    turn(350);
    tick();
    check_slot("handles", 0, MC_SLOT_IDLE, "app");
    CHECK_INT(slab("tcp_buffers", MC_F_SLAB_USED), 0);
    CHECK_INT(slab("request_arenas", MC_F_SLAB_USED), 0);
    CHECK_INT(slab("request_arenas", MC_F_SLAB_HIGH_WATER), 1);
    CHECK_INT(slab("request_arenas", MC_F_SLAB_ALLOCS), 2);
    CHECK_INT(counter("requests"), 2);
    CHECK_INT(counter("responses_5xx"), 0);
    CHECK(counter("bytes_in") > 80 && counter("bytes_out") > 80);
    CHECK_INT(value(MC_KIND_ARENA, "request_arena_bytes", MC_F_ARENA_USED, MC_FIRST_ARENA), 0);
    CHECK(value(MC_KIND_ARENA, "request_arena_bytes", MC_F_ARENA_HIGH_WATER, MC_FIRST_ARENA) > 100);
    close(fd);
    turn(20);
    tick();
    CHECK_INT(slab("handles", MC_F_SLAB_USED), 0);
    CHECK_INT(slab("handles", MC_F_SLAB_FREES), 1);
    CHECK_STR(text, "accept app 127.0.0.1\n"
                    "state A\n"
                    "stream_open 1\n"
                    "request 1 GET /\n"
                    "response 1 GET / 200 in 0 out 5\n"
                    "stream_close 1 done\n"
                    "stream_open 2\n"
                    "request 2 POST (unrouted)\n"
                    "response 2 POST (unrouted) 404 in 3 out 46\n"
                    "stream_close 2 done\n"
                    "state I\n"
                    "state C\n"
                    "close peer closed\n");
    stop();
}

static void test_a_peer_that_leaves(void)
{
    start(8, 4);
    int fd = dial();
    CHECK_INT(ask(fd, GET("/hold")), 0);
    tick();
    check_slot("request_arenas", 0, MC_SLOT_ACTIVE, "app");
    CHECK_INT(slab("request_arenas", MC_F_SLAB_USED), 1);
    CHECK(value(MC_KIND_ARENA, "request_arena_bytes", MC_F_ARENA_USED, MC_FIRST_ARENA) > 100);
    close(fd);
    turn(20);
    tick();
    CHECK_INT(gone, 1);
    CHECK_INT(slab("request_arenas", MC_F_SLAB_USED), 0);
    CHECK(strstr(text, "request 1 GET /hold\nstate C\nresponse 1 GET /hold 0 in 0 out 0\n"
                       "stream_close 1 connection closed\nclose peer closed\n"));
    stop();
}

static void test_a_late_answer(void)
{
    start(8, 4);
    int fd = dial();
    CHECK_INT(ask(fd, GET("/hold")), 0);
    CHECK(held);
    if (held)
        mc_http_respond(held, 503, NULL, 0, "later", 5);
    CHECK_INT(ask(fd, GET("/")), 503);
    tick();
    CHECK(strstr(text, "response 1 GET /hold 503 in 0 out 5\n"));
    CHECK_INT(counter("responses_5xx"), 1);
    CHECK_INT(gone, 0);
    close(fd);
    stop();
}

static void test_no_arena_left(void)
{
    start(8, 1);
    int holder = dial(), other = dial();
    CHECK_INT(ask(holder, GET("/hold")), 0);
    CHECK_INT(ask(other, GET("/")), 503);
    tick();
    CHECK_INT(slab("request_arenas", MC_F_SLAB_OVERFLOW), 1);
    CHECK_INT(counter("shed"), 1);
    CHECK(strstr(text, "overflow 1 request_arenas\n"));
    CHECK(strstr(text, "(shed) 503"));
    close(holder);
    turn(20);
    int third = dial();
    CHECK_INT(ask(third, GET("/")), 200);
    close(other);
    close(third);
    stop();
}

static void test_no_handle_left(void)
{
    start(1, 4);
    int first = dial(), second = dial();
    CHECK_INT(ask(second, GET("/")), 503);
    CHECK_INT(ask(first, GET("/")), 200);
    tick();
    CHECK_INT(slab("handles", MC_F_SLAB_OVERFLOW), 1);
    CHECK_INT(counter("shed"), 1);
    CHECK(strstr(text, "overflow handles\n"));
    close(second);
    close(first);
    stop();
}

static void test_a_wrong_request(void)
{
    start(8, 4);
    int fd = dial();
    CHECK_INT(ask(fd, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
    turn(20);
    tick();
    check_slot("handles", 0, MC_SLOT_CLOSING, "app"); /* it lingers until the peer closes */
    CHECK(strstr(text, "error 1 a header line without a name and a colon\n"));
    close(fd);
    turn(20);
    tick();
    CHECK(strstr(text, "close protocol error\n"));
    CHECK_INT(slab("handles", MC_F_SLAB_USED), 0);
    stop();
}

int main(void)
{
    RUN(test_a_connection);
    RUN(test_a_peer_that_leaves);
    RUN(test_a_late_answer);
    RUN(test_no_arena_left);
    RUN(test_no_handle_left);
    RUN(test_a_wrong_request);
    return CHECK_DONE();
}
