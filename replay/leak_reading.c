/* leak_reading.c: the run read once more, for what its growing levels do request by request.
 *
 * Owns: what each connection serves while it is read. Memory: by the number of routes, levels and
 * slots, not by the length of the run.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/leak_priv.h"
#include "tracer/error.h"

#define READ_MOST_NS (INT64_C(1800) * 1000000000)
#define KNOWN 1024u  /* places for pairs of method and route; a power of 2 */
#define CONNS 16384u /* places for connections */
#define HASH UINT64_C(0x9E3779B97F4A7C15)
#define YOUNG_NS INT64_C(10000000000) /* a slot may be a request's that is still being answered */
#define NO_ROUTE MC_LEAK_ROUTES

struct serving {
    uint64_t conn_id, frame;
    uint32_t route;
};

struct reading {
    const struct mc_leak_routes *routes;
    const struct mc_schema *schema; /* of the frame at hand */
    struct {
        uint64_t key; /* 0: empty */
        uint32_t route;
    } known[KNOWN];
    struct serving serving[CONNS];
    uint64_t frame;
    uint32_t ended[MC_LEAK_ROUTES];
    int32_t open[MC_LEAK_ROUTES];
    struct mc_leak_level *levels;
    size_t level_count;
};

void mc_leak_routes_find(const struct mc_run_scan *s, struct mc_leak_routes *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < s->schema.source_count && out->count < MC_LEAK_ROUTES; i++)
        if (s->schema.sources[i].kind == MC_KIND_ROUTE)
            out->of[out->count++] = &s->schema.sources[i];
}

/* ---- trails -------------------------------------------------------------------------------------
 */

static int trail_init(struct mc_leak_trail *t)
{
    t->stride = 1;
    t->points = malloc(MC_LEAK_POINTS * sizeof *t->points);
    t->ended = malloc(MC_LEAK_POINTS * MC_LEAK_ROUTES * sizeof *t->ended);
    t->open = malloc(MC_LEAK_POINTS * MC_LEAK_ROUTES * sizeof *t->open);
    return t->points && t->ended && t->open ? 0 : MC_ENOMEM;
}

/* Keep every second point. */
static void thin_out(struct mc_leak_trail *t)
{
    size_t row = MC_LEAK_ROUTES, kept = 0;
    for (size_t i = 0; i < t->count; i += 2) {
        int is_broken = t->points[i].is_broken || (i && t->points[i - 1].is_broken);
        t->points[kept] = t->points[i];
        t->points[kept].is_broken = is_broken;
        memcpy(t->ended + kept * row, t->ended + i * row, row * sizeof *t->ended);
        memcpy(t->open + kept * row, t->open + i * row, row * sizeof *t->open);
        kept++;
    }
    t->count = kept;
    t->stride *= 2;
}

static void trail_add(struct mc_leak_trail *t, const struct reading *r, int64_t ts, double level)
{
    if (t->skip++ % t->stride)
        return;
    if (t->count == MC_LEAK_POINTS)
        thin_out(t);
    t->points[t->count] = (struct mc_leak_point){ts, level, t->is_broken};
    memcpy(t->ended + t->count * MC_LEAK_ROUTES, r->ended, sizeof r->ended);
    memcpy(t->open + t->count * MC_LEAK_ROUTES, r->open, sizeof r->open);
    t->count++;
    t->is_broken = 0;
}

/* ---- events -------------------------------------------------------------------------------------
 */

static int is_name(const char *name, const char *method, const char *route)
{
    size_t n = strlen(method);
    if (!n || !*route)
        return strcmp(name, n ? method : route) == 0;
    return strncmp(name, method, n) == 0 && name[n] == ' ' && strcmp(name + n + 1, route) == 0;
}

static uint32_t find_route(const struct reading *r, const char *method, const char *route)
{
    uint32_t other = NO_ROUTE;
    for (uint32_t i = 0; i < r->routes->count; i++) {
        if (is_name(r->routes->of[i]->name, method, route))
            return i;
        if (strcmp(r->routes->of[i]->name, "(other)") == 0)
            other = i;
    }
    return other;
}

static uint32_t route_of_event(struct reading *r, const struct mc_event *e)
{
    uint64_t key = ((uint64_t)e->method << 32 | e->detail) + 1;
    uint32_t place = (uint32_t)(key * HASH >> 54);
    if (r->known[place].key != key) {
        r->known[place].key = key;
        r->known[place].route = find_route(r, mc_schema_string(r->schema, e->method),
                                           mc_schema_string(r->schema, e->detail));
    }
    return r->known[place].route;
}

static void serve(struct reading *r, uint64_t conn_id, uint32_t route)
{
    struct serving *s = &r->serving[conn_id * HASH >> 50];
    int is_mixed = s->conn_id == conn_id && s->frame == r->frame && s->route != route;
    *s = (struct serving){conn_id, r->frame, is_mixed ? NO_ROUTE : route};
}

/* What a connection serves in this frame, or has served last; an owner may be a route by name. */
static uint32_t route_of_holder(const void *arg, uint64_t conn_id, const char *owner)
{
    const struct reading *r = arg;
    const struct serving *s = &r->serving[conn_id * HASH >> 50];
    if (conn_id)
        return s->conn_id == conn_id ? s->route : NO_ROUTE;
    for (uint32_t i = 0; i < r->routes->count; i++) {
        const char *name = r->routes->of[i]->name, *path = strchr(name, ' ');
        if (strcmp(owner, name) == 0 || (path && strcmp(owner, path + 1) == 0))
            return i;
    }
    return NO_ROUTE;
}

/* A heap's own level says something after a collection only. */
static int is_by_collections(const struct mc_leak_level *l)
{
    return !l->pool && l->source->kind == MC_KIND_HEAP && l->floors.heap_source != UINT32_MAX;
}

static void add_event(struct reading *r, const struct mc_event *e)
{
    if (e->type == MC_EVENT_REQUEST || e->type == MC_EVENT_RESPONSE) {
        uint32_t route = route_of_event(r, e);
        serve(r, e->conn_id, route);
        if (route == NO_ROUTE)
            return;
        r->open[route] += e->type == MC_EVENT_REQUEST ? 1 : -1;
        r->ended[route] += e->type == MC_EVENT_RESPONSE;
    } else if (e->type == MC_EVENT_GC) {
        for (size_t i = 0; i < r->level_count; i++) {
            struct mc_leak_level *l = &r->levels[i];
            if (l->floors.heap_source != e->owner)
                continue;
            l->collected_ts = e->ts;
            /* Which slots were free within a frame can't be seen. */
            if (is_by_collections(l))
                trail_add(&l->trail, r, e->ts, (double)e->bytes_out);
            else
                l->trail.is_broken = 1;
        }
    }
}

static void add_frame(struct reading *r, const struct mc_frame *f)
{
    r->schema = f->schema;
    r->frame++;
    for (size_t i = 0; i < r->level_count; i++)
        r->levels[i].trail.is_broken |= f->gap_count > 0;
    for (size_t i = 0; i < f->event_count; i++)
        add_event(r, &f->events[i]);
    for (size_t i = 0; i < r->level_count; i++) {
        struct mc_leak_level *l = &r->levels[i];
        int64_t value =
            l->value_idx < f->schema->value_count ? f->values[l->value_idx] : MC_VALUE_NONE;
        if (!is_by_collections(l) && value != MC_VALUE_NONE)
            trail_add(&l->trail, r, f->ts, (double)value);
        if (l->held.slots)
            mc_leak_held_frame(&l->held, f, l->pool->map_idx, route_of_holder, r);
    }
}

/* ---- the reading --------------------------------------------------------------------------------
 */

static int init_levels(struct reading *r, const struct mc_frame *first)
{
    int rc = 0;
    for (size_t i = 0; i < r->level_count && rc == 0; i++) {
        struct mc_leak_level *l = &r->levels[i];
        l->collected_ts = INT64_MIN;
        rc = trail_init(&l->trail);
        if (rc == 0 && l->pool && l->pool->map_idx < first->schema->map_count)
            rc = mc_leak_held_init(&l->held, &first->maps[l->pool->map_idx],
                                   l->floors.heap_source != UINT32_MAX);
    }
    return rc;
}

static int read_frames(struct reading *r, struct mc_cursor *cursor, int64_t from, int64_t to,
                       const struct mc_measure_options *opts)
{
    const struct mc_frame *f;
    int64_t last = from;
    int rc = mc_cursor_seek(cursor, from, &f);
    if (rc == 0)
        rc = init_levels(r, f);
    while (rc == 0 && f->ts < to) {
        if (f->ts > from)
            add_frame(r, f);
        last = f->ts;
        if (r->frame % 64 == 0 && opts->stop && opts->stop(opts->arg))
            return MC_EGONE;
        rc = mc_cursor_next(cursor, &f);
    }
    for (size_t i = 0; i < r->level_count; i++) {
        struct mc_leak_level *l = &r->levels[i];
        int64_t until = l->floors.heap_source != UINT32_MAX ? l->collected_ts : last - YOUNG_NS;
        if (l->held.slots)
            mc_leak_held_end(&l->held, until, &l->trail);
    }
    return rc == MC_END ? 0 : rc;
}

int mc_leak_read(const struct mc_run_scan *s, struct mc_reader *r,
                 const struct mc_measure_options *opts, const struct mc_leak_routes *routes,
                 struct mc_leak_level *levels, size_t level_count)
{
    struct mc_cursor *cursor;
    struct reading *reading = calloc(1, sizeof *reading);
    if (!reading)
        return MC_ENOMEM;
    reading->routes = routes;
    reading->levels = levels;
    reading->level_count = level_count;
    int64_t from = s->to - s->from > READ_MOST_NS ? s->to - READ_MOST_NS : s->from;
    int rc = mc_cursor_open(r, opts->run_id, &cursor);
    if (rc == 0) {
        rc = read_frames(reading, cursor, from, s->to, opts);
        mc_cursor_close(cursor);
    }
    free(reading);
    return rc;
}

void mc_leak_level_fini(struct mc_leak_level *level)
{
    free(level->trail.points);
    free(level->trail.ended);
    free(level->trail.open);
    free(level->held.slots);
}
