/* traffic.c: counts and latencies per route and per owner. */
#include "tracer/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/grow.h"

int mc_traffic_init(struct mc_traffic *t, struct mc_schema *schema, struct mc_windows *windows)
{
    memset(t, 0, sizeof *t);
    t->schema = schema;
    t->windows = windows;
    t->table = calloc(MC_ROUTE_TABLE, sizeof *t->table);
    return t->table ? 0 : MC_ENOMEM;
}

void mc_traffic_fini(struct mc_traffic *t)
{
    free(t->all);
    free(t->table);
    memset(t, 0, sizeof *t);
}

/* Add a source with its window. Its place in `all`, or -1 when memory is short. */
static int64_t add(struct mc_traffic *t, int kind, const char *name)
{
    struct mc_traffic_one *all = mc_grown(t->all, t->count, &t->room, sizeof *all);
    if (!all)
        return -1;
    t->all = all;
    struct mc_source like = {.kind = kind, .name = (char *)(uintptr_t)name};
    uint32_t source_idx = t->schema->source_count;
    struct mc_window *window = mc_windows_new(t->windows, source_idx);
    if (!window || mc_schema_add_source(t->schema, &like) != 0)
        return -1;
    t->all[t->count] =
        (struct mc_traffic_one){.source_idx = source_idx, .kind = kind, .window = window};
    return t->count++;
}

static uint64_t key_of(int kind, uint32_t method, uint32_t detail)
{
    return (uint64_t)(unsigned)kind << 48 | (uint64_t)(method & 0xfffff) << 24 |
           (detail & 0xfffff) | UINT64_C(1) << 63;
}

/* The source of a method and route, or of an owner (method 0), made at its first sight. */
static struct mc_traffic_one *look_up(struct mc_traffic *t, int kind, uint32_t method,
                                      uint32_t detail)
{
    uint64_t key = key_of(kind, method, detail);
    uint32_t i = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % MC_ROUTE_TABLE;
    while (t->table[i].key && t->table[i].key != key)
        i = (i + 1) % MC_ROUTE_TABLE;
    if (t->table[i].key)
        return &t->all[t->table[i].idx];
    uint32_t *known = kind == MC_KIND_ROUTE ? &t->route_count : &t->owner_count;
    uint32_t most = kind == MC_KIND_ROUTE ? MC_ROUTES_MAX : MC_OWNERS_MAX;
    char name[520];
    if (*known + 1 >= most && !(method == 0 && detail == 1))
        return look_up(t, kind, 0, 1);
    const char *first = mc_schema_string(t->schema, method);
    const char *second = mc_schema_string(t->schema, detail);
    snprintf(name, sizeof name, "%s%s%s", first, *first && *second ? " " : "", second);
    int64_t idx = add(t, kind, *name ? name : "(none)");
    if (idx < 0) {
        t->failed = 1;
        return NULL;
    }
    ++*known;
    t->table[i].key = key;
    t->table[i].idx = (uint32_t)idx;
    return &t->all[idx];
}

static void count_response(const struct mc_traffic *t, struct mc_traffic_one *one,
                           const struct mc_event *event)
{
    if (!one)
        return;
    one->requests++;
    one->client_errors += event->status >= 400 && event->status < 500;
    one->server_errors += event->status >= 500;
    one->bytes_in = (int64_t)((uint64_t)one->bytes_in + event->bytes_in);
    one->bytes_out = (int64_t)((uint64_t)one->bytes_out + event->bytes_out);
    /* One given up, or one that was not timed, says nothing about the time that the route takes. */
    if (event->status && event->dur_ns && event->ts >= t->window_from_ts)
        mc_window_add(one->window, mc_bucket_of(event->dur_ns), 1);
}

void mc_traffic_event(struct mc_traffic *t, const struct mc_event *event,
                      const struct mc_connection_effect *effect)
{
    if (event->type == MC_EVENT_RESPONSE)
        count_response(t, look_up(t, MC_KIND_ROUTE, event->method, event->detail), event);
    if (!effect->owner)
        return;
    struct mc_traffic_one *owner = NULL;
    if (event->type == MC_EVENT_RESPONSE || event->type == MC_EVENT_CLOSE ||
        event->type == MC_EVENT_ACCEPT)
        owner = look_up(t, MC_KIND_OWNER, 0, effect->owner);
    if (!owner)
        return;
    owner->open += effect->opened - effect->closed;
    owner->accepted += event->type == MC_EVENT_ACCEPT;
    owner->closed += event->type == MC_EVENT_CLOSE;
    if (event->type == MC_EVENT_RESPONSE)
        count_response(t, owner, event);
}

static void route_values(const struct mc_traffic_one *one, int64_t *v)
{
    v[MC_FIELD(ROUTE, REQUESTS)] = one->requests;
    v[MC_FIELD(ROUTE, CLIENT_ERRORS)] = one->client_errors;
    v[MC_FIELD(ROUTE, SERVER_ERRORS)] = one->server_errors;
    v[MC_FIELD(ROUTE, BYTES_IN)] = one->bytes_in;
    v[MC_FIELD(ROUTE, BYTES_OUT)] = one->bytes_out;
    v[MC_FIELD(ROUTE, P50)] = one->window->p50;
    v[MC_FIELD(ROUTE, P95)] = one->window->p95;
    v[MC_FIELD(ROUTE, P99)] = one->window->p99;
    v[MC_FIELD(ROUTE, MAX)] = one->window->max;
}

static void owner_values(const struct mc_traffic_one *one, int64_t *v)
{
    v[MC_FIELD(OWNER, OPEN)] = one->open;
    v[MC_FIELD(OWNER, ACCEPTED)] = one->accepted;
    v[MC_FIELD(OWNER, CLOSED)] = one->closed;
    v[MC_FIELD(OWNER, REQUESTS)] = one->requests;
    v[MC_FIELD(OWNER, CLIENT_ERRORS)] = one->client_errors;
    v[MC_FIELD(OWNER, SERVER_ERRORS)] = one->server_errors;
    v[MC_FIELD(OWNER, BYTES_IN)] = one->bytes_in;
    v[MC_FIELD(OWNER, BYTES_OUT)] = one->bytes_out;
    v[MC_FIELD(OWNER, P50)] = one->window->p50;
    v[MC_FIELD(OWNER, P95)] = one->window->p95;
    v[MC_FIELD(OWNER, P99)] = one->window->p99;
    v[MC_FIELD(OWNER, MAX)] = one->window->max;
}

void mc_traffic_values(const struct mc_traffic *t, int64_t *values)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct mc_traffic_one *one = &t->all[i];
        int64_t *v = values + t->schema->sources[one->source_idx].value_idx;
        if (one->kind == MC_KIND_ROUTE)
            route_values(one, v);
        else
            owner_values(one, v);
    }
}
