/* dashboard.c: the dashboard's server: open, close, the live run, and which path goes where. */
#include "server/dashboard.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/params.h"
#include "tracer/error.h"

/* How long live clients may take to read their `end` before the server closes. */
#define DRAIN_MS 300

static const struct route {
    const char *method, *path; /* a part with ':' stands for any */
    mc_api_fn answer;
} routes[] = {
    {"GET", "/", mc_api_page},
    {"GET", "/assets/:name", mc_api_asset},
    {"GET", "/healthz", mc_api_health},
    {"GET", "/metrics", mc_api_metrics},
    {"GET", "/api/runs", mc_api_runs},
    {"GET", "/api/diff", mc_api_diff},
    {"POST", "/api/query", mc_api_query},
    {"GET", "/api/runs/:run/stream", mc_api_stream},
    {"GET", "/api/runs/:run/state", mc_api_state},
    {"GET", "/api/runs/:run/overview", mc_api_overview},
    {"GET", "/api/runs/:run/events", mc_api_events},
    {"GET", "/api/runs/:run/marks", mc_api_marks},
    {"POST", "/api/runs/:run/marks", mc_api_mark_add},
    {"POST", "/api/runs/:run/marks/:mark", mc_api_mark_set},
    {"POST", "/api/runs/:run/marks/:mark/delete", mc_api_mark_remove},
    {"GET", "/api/runs/:run/gaps", mc_api_gaps},
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

/* ---- routing ----------------------------------------------------------------------------------
 */

/* Does `path` fit `pattern`? *run is what stands for ":run". */
static int path_fits(const char *pattern, const char *path, const char **run, size_t *run_bytes)
{
    for (;;) {
        size_t wanted = strcspn(pattern, "/"), part = strcspn(path, "/");
        if (*pattern == ':') {
            if (part == 0)
                return 0;
            if (strncmp(pattern, ":run", wanted) == 0) {
                *run = path;
                *run_bytes = part;
            }
        } else if (wanted != part || strncmp(pattern, path, part) != 0) {
            return 0;
        }
        if (pattern[wanted] == 0 || path[part] == 0)
            return pattern[wanted] == path[part];
        pattern += wanted + 1;
        path += part + 1;
    }
}

/* The run that a URL names; answers 404 and returns 0 when it can't be one. */
static int find_run(struct mc_dashboard *d, struct mc_http_request *r, const char *name,
                    size_t name_bytes, struct mc_asked_run *run)
{
    size_t file_idx;
    int64_t run_id;
    if (mc_param_run(name, name_bytes, &file_idx, &run_id) || file_idx >= d->traces.count) {
        mc_answer_error(r, 404, "no such run", "see /api/runs for the runs there are");
        return 0;
    }
    const struct mc_run_info *live = mc_hub_run(d->hub);
    run->file_idx = file_idx;
    run->file = &d->traces.files[file_idx];
    run->run_id = run_id;
    run->is_live = live && file_idx == 0 && live->run_id == run_id;
    return 1;
}

static void answer_route(struct mc_dashboard *d, struct mc_http_request *r, size_t route_idx,
                         const char *name, size_t name_bytes)
{
    const struct route *route = &routes[route_idx];
    struct mc_asked_run run;
    if (d->route_ids)
        mc_http_set_route(r, d->route_ids[route_idx]);
    if (strcmp(route->method, "POST") == 0 &&
        !mc_param_is_json(mc_http_header(r, "content-type"))) {
        mc_answer_error(r, 415, "unsupported media type", "send content-type: application/json");
        return;
    }
    if (!name)
        route->answer(d, r, NULL);
    else if (find_run(d, r, name, name_bytes, &run))
        route->answer(d, r, &run);
}

static void handle(struct mc_http_request *r, void *arg)
{
    struct mc_dashboard *d = arg;
    const char *method = mc_http_method(r), *path = mc_http_path(r);
    const char *asked = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const char *name = NULL;
    size_t name_bytes = 0;
    int get = 0, post = 0;
    if (d->closing) {
        mc_answer_error(r, 503, "closing", "the dashboard is being closed");
        return;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_fits(routes[i].path, path, &name, &name_bytes))
            continue;
        if (strcmp(routes[i].method, asked) == 0) {
            answer_route(d, r, i, name, name_bytes);
            return;
        }
        if (routes[i].method[0] == 'G')
            get = 1;
        else
            post = 1;
    }
    if (get || post)
        mc_answer_not_allowed(r, get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : "POST");
    else
        mc_answer_error(r, 404, "not found", "no such path here");
}

/* ---- open, close ------------------------------------------------------------------------------
 */

void mc_dashboard_ref(struct mc_dashboard *d)
{
    d->refs++;
}

void mc_dashboard_unref(struct mc_dashboard *d)
{
    if (--d->refs)
        return;
    void (*done)(void *arg) = d->done;
    void *arg = d->done_arg;
    mc_hub_free(d->hub);
    mc_traces_close(&d->traces);
    free(d->route_ids);
    free(d);
    if (done)
        done(arg);
}

/* Route names in the trace, interned once. */
static int name_routes(struct mc_dashboard *d, struct mc_tracer *tracer)
{
    if (!tracer)
        return 0;
    d->route_ids = calloc(ROUTE_COUNT, sizeof *d->route_ids);
    if (!d->route_ids)
        return MC_ENOMEM;
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        d->route_ids[i] = mc_string_id(tracer, routes[i].path);
    return 0;
}

int mc_dashboard_open(uv_loop_t *loop, const struct mc_dashboard_options *opts,
                      struct mc_dashboard **out, char *why, size_t why_bytes)
{
    struct mc_http_options http = opts->http;
    struct mc_dashboard *d = calloc(1, sizeof *d);
    if (!d)
        return MC_ENOMEM;
    /* Blocks and compressors of a hundred KB and more come and go with clients. glibc would learn
     * to keep such sizes in its heap, which then never shrinks: 200 clients coming and going left
     * 47 MB and rising, with this 22 MB and flat. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    d->loop = loop;
    d->writer = opts->writer;
    d->refs = 1;
    int code = mc_hub_new(&d->hub);
    if (!code)
        code = name_routes(d, http.tracer);
    if (code) {
        snprintf(why, why_bytes, "dashboard: %s", mc_strerror(code));
        goto free_parts;
    }
    code = mc_traces_open(&d->traces, opts->trace_paths, opts->trace_count, why, why_bytes);
    if (code)
        goto free_parts;
    http.handler = handle;
    http.arg = d;
    http.always = mc_http_dashboard_headers(&http.always_count);
    code = mc_http_server_open(loop, &http, &d->http, why, why_bytes);
    if (code)
        goto close_traces;
    snprintf(d->url, sizeof d->url, "%s://%s", mc_http_server_scheme(d->http),
             mc_http_server_address(d->http));
    *out = d;
    return 0;
close_traces:
    mc_traces_close(&d->traces);
free_parts:
    mc_hub_free(d->hub);
    free(d->route_ids);
    free(d);
    return code;
}

const char *mc_dashboard_url(const struct mc_dashboard *d)
{
    return d->url;
}

static void http_closed(void *arg)
{
    mc_dashboard_unref(arg);
}

static void drained(uv_handle_t *handle)
{
    struct mc_dashboard *d = handle->data;
    mc_http_server_close(d->http, http_closed, d);
}

static void drain_tick(uv_timer_t *timer)
{
    struct mc_dashboard *d = timer->data;
    if (mc_hub_watchers(d->hub) == 0 || --d->drain_left == 0)
        uv_close((uv_handle_t *)timer, drained);
}

void mc_dashboard_close(struct mc_dashboard *d, void (*done)(void *arg), void *arg)
{
    d->closing = 1;
    d->done = done;
    d->done_arg = arg;
    const struct mc_frame *newest = mc_hub_newest(d->hub);
    mc_hub_end(d->hub, newest ? newest->ts : 0, NULL);
    uv_timer_init(d->loop, &d->drain);
    d->drain.data = d;
    d->drain_left = DRAIN_MS / 10;
    uv_timer_start(&d->drain, drain_tick, 0, 10);
}

/* ---- the live run -----------------------------------------------------------------------------
 */

int mc_dashboard_run_begin(struct mc_dashboard *d, const struct mc_run_info *info)
{
    return mc_hub_begin(d->hub, info);
}

void mc_dashboard_frame(struct mc_dashboard *d, const struct mc_frame *frame)
{
    mc_hub_frame(d->hub, frame);
}

void mc_dashboard_run_end(struct mc_dashboard *d, int64_t end_ts, const char *exit)
{
    mc_hub_end(d->hub, end_ts, exit);
}
