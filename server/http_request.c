/* http_request.c: a request's life: its arena, its parts, and what the trace is told of it.
 *
 * Owns: the arena slot that the request itself stands in, and what did not fit into it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/http_priv.h"
#include "tracer/error.h"

/* ---- the arena ------------------------------------------------------------------------------ */

static void *overflow_alloc(struct mc_http_request *r, size_t bytes)
{
    struct mc_http_server *s = r->conn->server;
    struct mc_overflow_block *block;
    bytes += sizeof *block;
    mc_arena_overflow(s->arena_source);
    if (bytes < MC_OVERFLOW_MAP_BYTES) {
        block = malloc(bytes);
    } else {
        block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        block = block == MAP_FAILED ? NULL : block;
    }
    if (!block)
        return NULL;
    block->next = r->overflow;
    block->bytes = bytes;
    r->overflow = block;
    r->overflow_bytes += bytes;
    return block + 1;
}

static void overflow_free(struct mc_http_request *r)
{
    for (struct mc_overflow_block *block = r->overflow, *next; block; block = next) {
        next = block->next;
        if (block->bytes < MC_OVERFLOW_MAP_BYTES)
            free(block);
        else
            munmap(block, block->bytes);
    }
}

static void *arena_take(struct mc_http_request *r, size_t bytes, size_t align)
{
    size_t at = ((size_t)r->arena_used_bytes + align - 1) & ~(align - 1);
    if (bytes > r->arena_room_bytes || at > r->arena_room_bytes - bytes)
        return bytes > SIZE_MAX / 2 ? NULL : overflow_alloc(r, bytes);
    r->conn->server->arena_bytes_in_use += at + bytes - r->arena_used_bytes;
    r->arena_used_bytes = (uint32_t)(at + bytes);
    return (uint8_t *)r + at;
}

void *mc_http_alloc(struct mc_http_request *r, size_t bytes)
{
    return arena_take(r, bytes, 16);
}

char *mc_request_copy(struct mc_http_request *r, const void *bytes, size_t count)
{
    char *copy = arena_take(r, count + 1, 1);
    if (copy) {
        memcpy(copy, bytes, count);
        copy[count] = 0;
    }
    return copy;
}

char *mc_request_copy_pair(struct mc_http_request *r, const void *name, size_t name_bytes,
                           const void *value, size_t value_bytes)
{
    char *copy = arena_take(r, name_bytes + value_bytes + 2, 1);
    if (copy) {
        memcpy(copy, name, name_bytes);
        copy[name_bytes] = 0;
        memcpy(copy + name_bytes + 1, value, value_bytes);
        copy[name_bytes + 1 + value_bytes] = 0;
    }
    return copy;
}

void mc_request_shed(struct mc_http_server *s, uint64_t conn_id, uint32_t stream_id)
{
    struct mc_response e = {.route = s->str.shed, .status = 503};
    mc_counter_add(s->shed_count, 1);
    mc_counter_add(s->responses_5xx, 1);
    mc_event_response(s->o.tracer, conn_id, stream_id, &e);
}

/* ---- beginning ------------------------------------------------------------------------------ */

struct mc_http_request *mc_request_new(struct mc_http_conn *c, uint32_t stream_id)
{
    struct mc_http_server *s = c->server;
    struct mc_http_request *r = mc_pool_take(&s->arenas, MC_SLOT_ACTIVE, c->id);
    if (!r) {
        mc_conn_overflow(c, stream_id, &s->arenas);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->magic = MC_REQUEST_MAGIC;
    r->conn = c;
    r->stream_id = stream_id;
    r->arena_room_bytes = s->o.arena_bytes;
    r->arena_used_bytes = sizeof *r;
    s->arena_bytes_in_use += sizeof *r;
    r->method = r->path = r->query = r->authority = r->target = "";
    r->method_id = MC_STRING_OTHER;
    r->route = s->str.unrouted;
    r->body_due = UINT64_MAX;
    r->shed = c->starved;
    r->begun_ms = r->progress_ms = uv_now(s->loop);
    r->next = c->requests;
    if (r->next)
        r->next->prev = r;
    c->requests = r;
    c->request_count++;
    mc_conn_set_state(c, MC_SLOT_ACTIVE);
    mc_event_stream_open(s->o.tracer, c->id, stream_id);
    return r;
}

int mc_request_add_header(struct mc_http_request *r, const uint8_t *name, size_t name_bytes,
                          const uint8_t *value, size_t value_bytes)
{
    if (r->header_count == r->header_room) {
        uint32_t room = r->header_room ? r->header_room * 2 : 16;
        struct mc_http_header *headers = mc_http_alloc(r, room * sizeof *headers);
        if (!headers)
            return -1;
        if (r->header_count)
            memcpy(headers, r->headers, r->header_count * sizeof *headers);
        r->headers = headers;
        r->header_room = room;
    }
    char *copy = mc_request_copy_pair(r, name, name_bytes, value, value_bytes);
    if (!copy)
        return -1;
    r->headers[r->header_count++] = (struct mc_http_header){copy, copy + name_bytes + 1};
    return 0;
}

/* ---- the body ------------------------------------------------------------------------------- */

static int body_grow(struct mc_http_request *r, size_t need)
{
    uint32_t max = r->conn->server->o.body_max_bytes;
    size_t room = r->body_room ? r->body_room * 2 : 4096;
    if (r->body_room == 0 && r->body_due != UINT64_MAX && r->body_due > room)
        room = r->body_due < 65536 ? (size_t)r->body_due : 65536;
    while (room < need)
        room *= 2;
    if (room > max)
        room = max;
    size_t left = r->arena_room_bytes - r->arena_used_bytes;
    if (!r->body_is_malloc &&
        room + 1024 < left) { /* the arena, while it has room for the answer */
        uint8_t *body = arena_take(r, room, 16);
        if (r->body_bytes)
            memcpy(body, r->body, r->body_bytes);
        r->body = body;
        r->body_room = room;
        return 0;
    }
    uint8_t *body = realloc(r->body_is_malloc ? r->body : NULL, room);
    mc_arena_overflow(r->conn->server->arena_source);
    if (!body)
        return -1;
    if (!r->body_is_malloc && r->body_bytes)
        memcpy(body, r->body, r->body_bytes);
    r->body_is_malloc = 1;
    r->body = body;
    r->body_room = room;
    return 0;
}

int mc_request_add_body(struct mc_http_request *r, const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    if (count > r->conn->server->o.body_max_bytes - r->body_bytes)
        return -1;
    if (r->body_bytes + count > r->body_room && body_grow(r, r->body_bytes + count) < 0)
        return -1;
    memcpy(r->body + r->body_bytes, bytes, count);
    r->body_bytes += count;
    r->progress_ms = uv_now(r->conn->server->loop);
    return 0;
}

/* ---- going on ------------------------------------------------------------------------------- */

void mc_request_trace(struct mc_http_request *r)
{
    struct mc_http_server *s = r->conn->server;
    if (r->traced)
        return;
    r->traced = 1;
    mc_counter_add(s->requests, 1);
    mc_event_request(s->o.tracer, r->conn->id, r->stream_id, r->method_id, r->route);
}

/* Only methods that we know are interned: a peer that invents names fills no table. */
static uint32_t method_id(const struct mc_http_server *s, const char *method)
{
    const struct {
        const char *name;
        uint32_t id;
    } known[] = {{"GET", s->str.GET},        {"POST", s->str.POST},     {"HEAD", s->str.HEAD},
                 {"PUT", s->str.PUT},        {"DELETE", s->str.DELETE}, {"PATCH", s->str.PATCH},
                 {"OPTIONS", s->str.OPTIONS}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i].name) == 0)
            return known[i].id;
    return MC_STRING_OTHER;
}

static int refuse(struct mc_http_request *r, int status, const char *detail)
{
    if (status == 503)
        mc_counter_add(r->conn->server->shed_count, 1);
    mc_http_respond_error(r, status, NULL, detail);
    return 1;
}

static int doors(struct mc_http_request *r)
{
    const char *detail = NULL;
    int status = mc_doors_check(r, &detail);
    if (status == 0)
        return 0;
    if (status == 303) {
        const struct mc_http_header headers[] = {
            {"location", "/"}, {"set-cookie", detail}, {"cache-control", "no-store"}};
        mc_http_respond(r, 303, headers, 3, NULL, 0);
        return 1;
    }
    return refuse(r, status, detail);
}

int mc_request_begin(struct mc_http_request *r)
{
    struct mc_http_server *s = r->conn->server;
    const char *detail = NULL;
    r->started_ns = uv_hrtime();
    r->method_id = method_id(s, r->method);
    r->is_head = strcmp(r->method, "HEAD") == 0;
    if (r->too_large)
        return refuse(r, 431, "the headers are larger than the server takes");
    if (strcmp(r->method, "CONNECT") == 0)
        return refuse(r, 501, "CONNECT is not done here");
    int status = mc_target_parse(r, r->target, &detail);
    if (status)
        return refuse(r, status, detail);
    if (doors(r))
        return 1;
    if (r->shed)
        return refuse(r, 503, "the server is short of memory; try again");
    if (r->body_due != UINT64_MAX && r->body_due > s->o.body_max_bytes)
        return refuse(r, 413, "the body is larger than the server takes");
    return 0;
}

void mc_request_dispatch(struct mc_http_request *r)
{
    struct mc_http_server *s = r->conn->server;
    if (r->phase != MC_REQ_RECEIVING)
        return;
    r->phase = MC_REQ_HANDLED;
    if (r->body_bytes) /* else it began just now */
        r->started_ns = uv_hrtime();
    mc_arena_set(s->arena_source, (size_t)s->arena_bytes_in_use);
    s->o.handler(r, s->o.arg);
    /* A delayed answer is traced as a request now; the others were, when they answered. */
    if (r->phase == MC_REQ_HANDLED)
        mc_request_trace(r);
}

/* ---- ending --------------------------------------------------------------------------------- */

static void unlink_request(struct mc_http_request *r)
{
    struct mc_http_conn *c = r->conn;
    if (r->next)
        r->next->prev = r->prev;
    else if (c->sent_last == r)
        c->sent_last = r->prev;
    if (r->prev)
        r->prev->next = r->next;
    else if (c->requests == r)
        c->requests = r->next;
    else
        c->sent = r->next;
    r->prev = r->next = NULL;
}

void mc_request_sent(struct mc_http_request *r)
{
    struct mc_http_conn *c = r->conn;
    unlink_request(r);
    r->phase = MC_REQ_SENT;
    r->prev = c->sent_last;
    if (r->prev)
        r->prev->next = r;
    else
        c->sent = r;
    c->sent_last = r;
    c->request_count--;
}

static void trace_end(struct mc_http_request *r, int finished, uint32_t reason)
{
    struct mc_http_server *s = r->conn->server;
    if (r->traced) {
        struct mc_response e = {
            .method = r->method_id,
            .route = r->route,
            .status = (uint16_t)(finished ? r->status : 0),
            .bytes_in = r->body_bytes,
            .bytes_out = r->bytes_out,
            .dur_ns = r->started_ns ? (finished ? s->sent_ns : uv_hrtime()) - r->started_ns : 0,
            .arena_high_water_bytes = r->arena_used_bytes + (uint32_t)r->overflow_bytes,
        };
        mc_event_response(s->o.tracer, r->conn->id, r->stream_id, &e);
        if (finished && !r->streaming)
            mc_histogram_record(s->latency, e.dur_ns);
    }
    mc_event_stream_close(s->o.tracer, r->conn->id, r->stream_id, reason);
}

void mc_request_end(struct mc_http_request *r, int finished, uint32_t reason)
{
    struct mc_http_conn *c = r->conn;
    struct mc_http_server *s = c->server;
    if (r->phase != MC_REQ_SENT)
        c->request_count--;
    unlink_request(r);
    if (r->streaming && !r->stream_closed) {
        r->stream_closed = 1;
        if (r->ops.closed)
            r->ops.closed(r->ops_arg);
    } else if (r->phase == MC_REQ_HANDLED && r->gone) {
        r->gone(r->gone_arg);
    }
    trace_end(r, finished, reason);
    overflow_free(r);
    if (r->body_is_malloc)
        free(r->body);
    if (c->h1_request == r)
        c->h1_request = NULL;
    s->arena_bytes_in_use -= r->arena_used_bytes;
    r->magic = 0;
    c->last_ms = uv_now(s->loop);
    mc_pool_give(&s->arenas, r);
    if (s->arenas.free_count == s->arenas.count) {
        mc_arena_set(s->arena_source, 0);
        mc_arena_reset(s->arena_source);
    }
}

/* ---- what a handler asks -------------------------------------------------------------------- */

const char *mc_http_method(const struct mc_http_request *r)
{
    return r->method;
}

const char *mc_http_path(const struct mc_http_request *r)
{
    return r->path;
}

const char *mc_http_query(const struct mc_http_request *r)
{
    return r->query;
}

const char *mc_http_header(const struct mc_http_request *r, const char *name)
{
    if (r->has_authority && strcmp(name, "host") == 0)
        return r->authority;
    for (uint32_t i = 0; i < r->header_count; i++)
        if (r->headers[i].name[0] == name[0] && strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

const uint8_t *mc_http_body(const struct mc_http_request *r, size_t *body_bytes)
{
    *body_bytes = r->body_bytes;
    return r->body ? r->body : (const uint8_t *)"";
}

uint64_t mc_http_conn_id(const struct mc_http_request *r)
{
    return r->conn->id;
}

uint32_t mc_http_stream_id(const struct mc_http_request *r)
{
    return r->stream_id;
}

void mc_http_set_route(struct mc_http_request *r, uint32_t route)
{
    r->route = route;
}

void mc_http_on_gone(struct mc_http_request *r, void (*gone)(void *arg), void *arg)
{
    r->gone = gone;
    r->gone_arg = arg;
}
