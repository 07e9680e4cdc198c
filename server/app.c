/* app.c: from a request to the handler's answer: now, later, or as a stream. */
#include "server/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app_priv.h"
#include "server/command.h"
#include "tracer/error.h"

#define STREAM_AHEAD_BYTES (256 * 1024) /* of chunks that the peer has not yet taken */

static void answer(struct mc_app *app, struct mc_http_request *req, scm_value response);

/* ---- making it ------------------------------------------------------------------------------- */

struct mc_app *mc_app_new(const struct mc_app_options *opts)
{
    struct mc_app *app = calloc(1, sizeof(*app));
    struct scm_error err;
    if (app == NULL)
        return NULL;
    app->opts = *opts;
    app->router = mc_router_new();
    app->vm = scm_vm_new(&(struct scm_options){.tracer = opts->tracer});
    if (app->router != NULL && app->vm != NULL && mc_app_library_define(app, &err) == 0)
        return app;
    mc_app_free(app);
    return NULL;
}

void mc_app_free(struct mc_app *app)
{
    if (app == NULL)
        return;
    scm_vm_free(app->vm);
    mc_router_free(app->router);
    mc_buf_fini(&app->text);
    mc_buf_fini(&app->copy);
    free(app);
}

int mc_app_load(struct mc_app *app, const char *path, struct scm_error *err)
{
    int rc = scm_load_file(app->vm, path, err);
    int64_t budget_ns = app->opts.handler_timeout_ns;
    scm_set_deadline(app->vm, budget_ns == INT64_MAX ? 0 : (uint64_t)budget_ns);
    return rc;
}

struct scm_vm *mc_app_vm(const struct mc_app *app)
{
    return app->vm;
}

int mc_app_exit_status(const struct mc_app *app)
{
    return scm_exit_status(app->vm);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* One line on stderr for an error in Scheme code. */
static void error_log(const struct mc_app *app, const struct scm_error *err, const char *method,
                      const char *path)
{
    mc_say("%s: %s (%s %s)", err->where[0] != '\0' ? err->where : app->opts.name, err->message,
           method, path);
}

/* A limit of time or memory is trouble that passes: 503. Anything else is a bug: 500. */
static void answer_error(struct mc_app *app, struct mc_http_request *req,
                         const struct scm_error *err)
{
    error_log(app, err, mc_http_method(req), mc_http_path(req));
    int is_limit = strcmp(err->kind, "limit") == 0, is_memory = strcmp(err->kind, "memory") == 0;
    if (!is_limit && !is_memory) {
        mc_http_respond_error(req, 500, "internal error", err->message);
        return;
    }
    struct mc_http_header headers[] = {{"content-type", "application/json"}, {"retry-after", "1"}};
    struct mc_buf body = {0};
    mc_buf_add_str(&body, "{\"error\":");
    mc_buf_add_str(&body, is_memory ? "\"out of memory\"" : "\"handler stopped\"");
    mc_buf_add_str(&body, ",\"detail\":");
    mc_buf_add_json(&body, err->message, strlen(err->message));
    mc_buf_add_char(&body, '}');
    mc_http_respond(req, 503, headers, 2, body.bytes, body.failed ? 0 : body.count);
    mc_buf_fini(&body);
}

static void answer_no_method(struct mc_http_request *req, const char *allow)
{
    struct mc_http_header headers[] = {{"content-type", "application/json"}, {"allow", allow}};
    struct mc_buf body = {0};
    char detail[512];
    snprintf(detail, sizeof(detail), "%s here: %s", mc_http_method(req), allow);
    mc_buf_add_str(&body, "{\"error\":\"method not allowed\",\"detail\":");
    mc_buf_add_json(&body, detail, strlen(detail));
    mc_buf_add_char(&body, '}');
    mc_http_respond(req, 405, headers, 2, body.bytes, body.failed ? 0 : body.count);
    mc_buf_fini(&body);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The bytes of a body or chunk: 0 when it is none. */
static int body_bytes(scm_value v, const void **bytes, size_t *count)
{
    if (scm_is_string(v)) {
        *bytes = scm_text(v, count);
    } else if (scm_is_bytevector(v)) {
        *bytes = scm_bytes(v, count);
    } else {
        *bytes = "";
        *count = 0;
        return v == SCM_FALSE;
    }
    return 1;
}

/* Read the headers of a response and give it a type when it has none; -1 when someone broke them.
 */
static int headers_make(scm_value list, scm_value body, struct mc_http_request *req,
                        struct mc_http_header headers[APP_HEADERS_MAX + 1])
{
    const char *why;
    int has_type;
    int count = mc_app_headers_read(list, req, headers, &has_type, &why);
    if (count >= 0 && !has_type && body != SCM_FALSE)
        headers[count++] = (struct mc_http_header){
            "content-type",
            scm_is_bytevector(body) ? "application/octet-stream" : "text/plain; charset=utf-8"};
    return count;
}

/* Take a response apart, behind its tag: `count` elements and what follows them. 0 for one that the
 * program has changed: a response is a list like any other. The first is a number. */
static int response_parts(scm_value response, scm_value *parts, int count, scm_value *rest)
{
    scm_value at = scm_cdr(response);
    for (int i = 0; i < count; i++) {
        if (!scm_is_pair(at))
            return 0;
        parts[i] = scm_car(at);
        at = scm_cdr(at);
    }
    *rest = at;
    return scm_is_integer(parts[0]) && scm_integer_get(parts[0]) >= 0 &&
           scm_integer_get(parts[0]) <= INT32_MAX;
}

static void answer_changed(struct mc_http_request *req)
{
    mc_http_respond_error(req, 500, "internal error", "the response was changed after respond");
}

static void answer_plain(struct mc_http_request *req, scm_value response)
{
    scm_value parts[2], list; /* status, body; headers */
    struct mc_http_header headers[APP_HEADERS_MAX + 1];
    const void *bytes;
    size_t count;
    int header_count =
        response_parts(response, parts, 2, &list) ? headers_make(list, parts[1], req, headers) : -1;
    if (header_count < 0 || !body_bytes(parts[1], &bytes, &count)) {
        answer_changed(req);
        return;
    }
    int status = (int)scm_integer_get(parts[0]);
    if (status == 204 || status == 205 || status == 304)
        count = 0;
    mc_http_respond(req, status, headers, (size_t)header_count, bytes, count);
}

/* ---- later ----------------------------------------------------------------------------------- */

struct later {
    uv_timer_t timer;
    struct mc_app *app;
    struct mc_http_request *req;
    uint32_t response; /* ref */
};

static void later_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void later_gone(void *arg)
{
    struct later *l = arg;
    if (uv_is_closing((uv_handle_t *)&l->timer))
        return;
    scm_unref(l->app->vm, l->response);
    uv_close((uv_handle_t *)&l->timer, later_free);
}

static void on_later(uv_timer_t *timer)
{
    struct later *l = timer->data;
    struct mc_http_request *req = l->req;
    scm_value response = scm_ref_get(l->app->vm, l->response);
    scm_push_root(l->app->vm, &response);
    mc_http_on_gone(req, NULL, NULL);
    later_gone(l);
    answer(l->app, req, response);
    scm_pop_root(l->app->vm, 1);
}

static void answer_later(struct mc_app *app, struct mc_http_request *req, scm_value response)
{
    scm_value ms, later;
    if (!response_parts(response, &ms, 1, &later)) {
        answer_changed(req);
        return;
    }
    struct later *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        mc_http_respond_error(req, 503, "out of memory", "no room for an answer that waits");
        return;
    }
    *l = (struct later){.app = app, .req = req, .response = scm_ref(app->vm, later)};
    uv_timer_init(app->opts.loop, &l->timer);
    l->timer.data = l;
    uv_timer_start(&l->timer, on_later, (uint64_t)scm_integer_get(ms), 0);
    mc_http_on_gone(req, later_gone, l);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct stream {
    uv_timer_t timer;
    struct mc_app *app;
    struct mc_http_request *req;
    uint32_t proc;       /* ref */
    int64_t idx;         /* of the next chunk */
    struct mc_buf ahead; /* chunks, from `taken` on */
    size_t taken;
    int has_ended;
    char method[16], path[128]; /* for the log: the request may be gone first */
};

static long stream_read(void *arg, uint8_t *buf, size_t room_bytes)
{
    struct stream *s = arg;
    size_t count = s->ahead.count - s->taken;
    if (count == 0)
        return s->has_ended ? MC_HTTP_STREAM_END : 0;
    if (count > room_bytes)
        count = room_bytes;
    memcpy(buf, s->ahead.bytes + s->taken, count);
    s->taken += count;
    if (s->taken == s->ahead.count)
        s->ahead.count = s->taken = 0;
    return (long)count;
}

static void stream_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void stream_closed(void *arg)
{
    struct stream *s = arg;
    scm_unref(s->app->vm, s->proc);
    mc_buf_fini(&s->ahead);
    uv_close((uv_handle_t *)&s->timer, stream_free);
}

/* Add the next chunk, or note that there is none. */
static void stream_step(struct stream *s)
{
    struct scm_vm *vm = s->app->vm;
    struct scm_error err;
    scm_value chunk = SCM_FALSE, idx = scm_integer(s->idx++);
    const void *bytes;
    size_t count = 0;
    scm_request_begin(vm, mc_http_conn_id(s->req));
    int rc = scm_call(vm, scm_ref_get(vm, s->proc), 1, &idx, &chunk, &err);
    if (rc != 0) {
        error_log(s->app, &err, s->method, s->path);
    } else if (!body_bytes(chunk, &bytes, &count)) {
        mc_say("%s: a stream's chunk is a string, a bytevector or #f (%s %s)", s->app->opts.name,
               s->method, s->path);
        rc = MC_EINVAL;
    }
    if (s->taken > 0 && count > 0) { /* what has been taken makes room */
        memmove(s->ahead.bytes, s->ahead.bytes + s->taken, s->ahead.count - s->taken);
        s->ahead.count -= s->taken;
        s->taken = 0;
    }
    if (count > 0)
        mc_buf_add(&s->ahead, bytes, count);
    scm_request_end(vm);
    s->has_ended = rc != 0 || chunk == SCM_FALSE || s->ahead.failed;
}

static void on_stream_timer(uv_timer_t *timer)
{
    struct stream *s = timer->data;
    /* A peer that does not read: wait for it, rather than keep chunks for it. */
    if (s->ahead.count - s->taken < STREAM_AHEAD_BYTES)
        stream_step(s);
    if (s->has_ended)
        uv_timer_stop(timer);
    mc_http_stream_resume(s->req);
}

static void answer_stream(struct mc_app *app, struct mc_http_request *req, scm_value response)
{
    static const struct mc_http_stream_ops ops = {.read = stream_read, .closed = stream_closed};
    scm_value parts[3], list; /* status, interval, procedure; headers */
    struct mc_http_header headers[APP_HEADERS_MAX + 1];
    int header_count =
        response_parts(response, parts, 3, &list) ? headers_make(list, SCM_TRUE, req, headers) : -1;
    if (header_count < 0 || !scm_is_integer(parts[1])) {
        answer_changed(req);
        return;
    }
    int status = (int)scm_integer_get(parts[0]);
    uint64_t interval_ms = (uint64_t)scm_integer_get(parts[1]);
    struct stream *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        mc_http_respond_error(req, 503, "out of memory", "no room for a stream");
        return;
    }
    s->app = app;
    s->req = req;
    s->proc = scm_ref(app->vm, parts[2]);
    snprintf(s->method, sizeof(s->method), "%s", mc_http_method(req));
    snprintf(s->path, sizeof(s->path), "%s", mc_http_path(req));
    uv_timer_init(app->opts.loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_stream_timer, 0, interval_ms > 0 ? interval_ms : 1);
    int rc = mc_http_respond_stream(req, status, headers, (size_t)header_count, &ops, s);
    if (rc != 0)
        mc_say("%s: a stream could not begin: %s", app->opts.name, mc_strerror(rc));
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Answer a request with a response value: now, later, or as a stream. */
static void answer(struct mc_app *app, struct mc_http_request *req, scm_value response)
{
    switch (mc_app_answer_kind(response)) {
    case APP_PLAIN:
        answer_plain(req, response);
        break;
    case APP_LATER:
        answer_later(app, req, response);
        break;
    case APP_STREAM:
        answer_stream(app, req, response);
        break;
    case APP_NO_ANSWER:
        answer_changed(req);
        break;
    }
}

/* The handler gave something else: an error of the route, whose place is all that is known. */
static void answer_nothing(struct mc_app *app, struct mc_http_request *req,
                           const struct mc_route *route, scm_value given)
{
    struct mc_buf shown = {0};
    struct scm_error err = {.kind = "error"};
    scm_print(app->vm, given, 0, &shown);
    mc_buf_add_char(&shown, '\0');
    snprintf(err.message, sizeof(err.message),
             "the handler gave %.200s, not a response: end it with (respond status body)",
             shown.failed ? "something" : (const char *)shown.bytes);
    memcpy(err.where, route->where, sizeof(route->where));
    mc_buf_fini(&shown);
    answer_error(app, req, &err);
}

void mc_app_handle(struct mc_http_request *http, void *arg)
{
    struct mc_app *app = arg;
    struct mc_route_match match;
    char allow[256];
    int rc = mc_router_find(app->router, mc_http_method(http), mc_http_path(http), &match, allow,
                            sizeof(allow));
    if (rc == MC_EDENIED) {
        answer_no_method(http, allow);
        return;
    }
    if (rc != 0) {
        mc_http_respond_error(http, 404, "not found", mc_http_path(http));
        return;
    }
    mc_http_set_route(http, match.route->trace_id);
    struct app_request request = {.http = http, .match = &match};
    struct scm_vm *vm = app->vm;
    struct scm_error err;
    scm_request_begin(vm, mc_http_conn_id(http));
    scm_value value = scm_foreign(vm, mc_app_request_type, &request, NULL), response = SCM_VOID;
    if (scm_foreign_get(value, mc_app_request_type) == NULL) {
        mc_http_respond_error(http, 503, "out of memory", "all cells of the heap are in use");
        scm_request_end(vm);
        return;
    }
    scm_push_root(vm, &value);
    scm_push_root(vm, &response);
    rc = scm_call(vm, scm_ref_get(vm, match.route->handler - 1), 1, &value, &response, &err);
    scm_foreign_clear(value);
    if (rc != 0 && err.where[0] == '\0') /* not even called: its arguments are wrong */
        memcpy(err.where, match.route->where, sizeof(err.where));
    if (rc != 0)
        answer_error(app, http, &err);
    else if (mc_app_answer_kind(response) == APP_NO_ANSWER)
        answer_nothing(app, http, match.route, response);
    else
        answer(app, http, response);
    scm_pop_root(vm, 2);
    scm_request_end(vm);
}
