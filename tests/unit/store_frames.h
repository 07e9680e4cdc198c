/* store_frames.h: synthetic frames like those of a busy server, for the tests and benches of the
 * store.
 *
 * Slabs (one of 262,144 slots under a collector), arenas, heap, counters, routes that appear while
 * the run goes on, histograms, connections with requests, collections, gaps. Same seed, same run.
 */
#ifndef MC_TEST_STORE_FRAMES_H
#define MC_TEST_STORE_FRAMES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tracer/buf.h"
#include "tracer/frame.h"

struct gen_options {
    uint64_t seed;
    uint32_t lisp_slots; /* of the collected slab; 0: none */
    uint32_t conn_slots; /* of the slab of connections */
    uint32_t requests;   /* a frame, about */
    uint32_t extra_gauges;
    uint32_t wide_slots; /* of a slab that is all taken in one frame and all free in the next */
    int random_order;    /* the collected slab allocates anywhere */
    int event_clock_ns;
};

#ifndef GEN_CONNS
#define GEN_CONNS 64u
#endif
#define GEN_ROUTES 12u

struct gen {
    struct gen_options opts;
    uint64_t random;
    int64_t ts;
    uint64_t frame_no;
    struct mc_schema schema;
    int64_t *values;
    uint32_t value_room;
    struct mc_map maps[16];
    uint8_t *touched; /* of the collected slab: changed in this frame */
    struct mc_buf changes, buckets, events, gaps;
    uint32_t lisp_next, lisp_used, lisp_garbage_from;
    uint64_t next_conn;
    uint64_t conn[GEN_CONNS]; /* open connections, 0 none */
    uint32_t stream[GEN_CONNS];
    uint32_t slab_map, lisp_map, wide_map, string_method, string_app, string_gc;
    uint32_t routes[GEN_ROUTES], route_strings[GEN_ROUTES], route_count;
    struct mc_frame frame;
};

static uint64_t gen_random(struct gen *g)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random;
}

static uint32_t gen_below(struct gen *g, uint32_t n)
{
    return n ? (uint32_t)(gen_random(g) >> 11) % n : 0;
}

static uint32_t gen_string(struct gen *g, const char *text)
{
    uint32_t id = g->schema.string_count;
    mc_schema_add_string(&g->schema, text, strlen(text));
    return id;
}

static uint32_t gen_source(struct gen *g, int kind, const char *name, uint32_t slots,
                           uint32_t flags)
{
    char copy[64], unit[] = "";
    snprintf(copy, sizeof copy, "%s", name);
    struct mc_state_name states[2] = {{'p', "pair"}, {'s', "string"}};
    struct mc_source s = {.kind = kind,
                          .name = copy,
                          .unit = unit,
                          .slot_count = slots,
                          .slot_bytes = slots ? 64 : 0,
                          .capacity_bytes = 1 << 20,
                          .flags = flags,
                          .states = states,
                          .state_count = slots > 10000 ? 2 : 0};
    uint32_t i = g->schema.source_count;
    mc_schema_add_source(&g->schema, &s);
    const struct mc_source *made = &g->schema.sources[i];
    if (g->schema.value_count > g->value_room) {
        g->value_room = g->schema.value_count * 2;
        g->values = realloc(g->values, g->value_room * sizeof *g->values);
    }
    memset(g->values + made->value_idx, 0, made->value_count * sizeof *g->values);
    if (made->map_idx != UINT32_MAX) {
        struct mc_map *m = &g->maps[made->map_idx];
        *m = (struct mc_map){.source_idx = i, .slot_count = slots, .states = malloc(slots + 1)};
        memset(m->states, '.', slots + 1);
        if (flags & MC_SOURCE_HAS_OWNERS) {
            m->owners = calloc(slots + 1, sizeof *m->owners);
            m->conns = calloc(slots + 1, sizeof *m->conns);
        }
    }
    return i;
}

static int64_t *gen_values(struct gen *g, uint32_t source_idx)
{
    return g->values + g->schema.sources[source_idx].value_idx;
}

static void gen_init(struct gen *g, const struct gen_options *opts)
{
    memset(g, 0, sizeof *g);
    g->opts = *opts;
    g->random = opts->seed * UINT64_C(0x9E3779B97F4A7C15) + 88172645463325252u;
    mc_schema_init(&g->schema);
    g->string_method = gen_string(g, "GET");
    g->string_app = gen_string(g, "app");
    g->string_gc = gen_string(g, "mark-sweep");
    gen_source(g, MC_KIND_SLAB, "tcp_buffers", opts->conn_slots, MC_SOURCE_HAS_OWNERS);
    g->slab_map = 0;
    g->lisp_map = UINT32_MAX;
    if (opts->lisp_slots) {
        gen_source(g, MC_KIND_SLAB, "lval", opts->lisp_slots, 0);
        g->lisp_map = 1;
        g->touched = calloc(opts->lisp_slots, 1);
    }
    if (opts->wide_slots) {
        gen_source(g, MC_KIND_SLAB, "wide", opts->wide_slots, 0);
        g->wide_map = g->schema.map_count - 1;
    }
    gen_source(g, MC_KIND_ARENA, "scratch", 0, 0);
    gen_source(g, MC_KIND_HEAP, "lisp", 0, 0);
    gen_source(g, MC_KIND_COUNTER, "requests", 0, 0);
    gen_source(g, MC_KIND_HISTOGRAM, "latency", 0, 0);
    gen_source(g, MC_KIND_PROCESS, "process", 0, 0);
    gen_source(g, MC_KIND_CONNECTIONS, "connections", 0, 0);
    gen_source(g, MC_KIND_OWNER, "app", 0, 0);
    gen_source(g, MC_KIND_RECORDER, "recorder", 0, 0);
    for (uint32_t i = 0; i < opts->extra_gauges; i++) {
        char name[32];
        snprintf(name, sizeof name, "gauge_%u", i);
        gen_source(g, MC_KIND_GAUGE, name, 0, 0);
    }
}

static inline void gen_fini(struct gen *g)
{
    for (uint32_t i = 0; i < g->schema.map_count; i++) {
        free(g->maps[i].states);
        free(g->maps[i].owners);
        free(g->maps[i].conns);
    }
    mc_schema_fini(&g->schema);
    free(g->values);
    free(g->touched);
    mc_buf_fini(&g->changes);
    mc_buf_fini(&g->buckets);
    mc_buf_fini(&g->events);
    mc_buf_fini(&g->gaps);
}

static void gen_change(struct gen *g, uint32_t map_idx, uint32_t slot, uint8_t state,
                       uint16_t owner, uint64_t conn)
{
    struct mc_map *m = &g->maps[map_idx];
    struct mc_slot_change c = {map_idx, slot, m->states[slot], state, owner, conn};
    mc_buf_add(&g->changes, &c, sizeof c);
    m->states[slot] = state;
    if (m->owners) {
        m->owners[slot] = owner;
        m->conns[slot] = conn;
    }
}

/* The slab of connections: a few slots change hands or state. */
static void gen_slab(struct gen *g)
{
    const struct mc_map *m = &g->maps[g->slab_map];
    int64_t *v = gen_values(g, m->source_idx);
    uint32_t step = m->slot_count / 40 + 1;
    for (uint32_t slot = gen_below(g, step); slot < m->slot_count; slot += 1 + gen_below(g, step)) {
        uint8_t was = m->states[slot];
        uint64_t conn = m->conns[slot];
        uint32_t dice = gen_below(g, 10);
        if (was == '.' && dice < 7) {
            gen_change(g, g->slab_map, slot, 'A', (uint16_t)g->string_app, g->next_conn);
            v[0]++;
            v[2]++;
        } else if (was != '.' && dice < 3) {
            gen_change(g, g->slab_map, slot, '.', 0, 0);
            v[0]--;
            v[3]++;
        } else if (was != '.') {
            gen_change(g, g->slab_map, slot, was == 'A' ? 'I' : 'A', (uint16_t)g->string_app,
                       dice == 9 ? conn + 1 : conn);
        }
    }
    if (v[0] > v[1])
        v[1] = v[0];
}

/* The collected slab: takes the free slots in order; every so often most are freed at once. */
static int gen_lisp(struct gen *g)
{
    if (g->lisp_map == UINT32_MAX)
        return 0;
    const struct mc_map *m = &g->maps[g->lisp_map];
    int64_t *v = gen_values(g, m->source_idx);
    uint32_t n = m->slot_count, wanted = n / 70 + gen_below(g, n / 70 + 1);
    if (g->lisp_used + wanted > n - n / 16) {
        for (uint32_t i = 0; i < n; i++) {
            if (m->states[i] != '.' && gen_below(g, 20)) {
                gen_change(g, g->lisp_map, i, '.', 0, 0);
                g->lisp_used--;
                v[3]++;
            }
        }
        g->lisp_next = 0;
        v[0] = g->lisp_used;
        return 1;
    }
    static const char letters[] = "pppppppsspn";
    if (g->opts.random_order) {
        memset(g->touched, 0, n);
        for (uint32_t i = 0; i < wanted; i++)
            g->touched[gen_below(g, n)] = 1;
        g->lisp_next = 0;
    }
    uint32_t made = 0;
    for (uint32_t i = g->lisp_next; made < wanted && i < n; i++) {
        if (m->states[i] != '.' || (g->opts.random_order && !g->touched[i]))
            continue;
        gen_change(g, g->lisp_map, i, (uint8_t)letters[(made + gen_below(g, 3)) % 11], 0, 0);
        g->lisp_next = i + 1;
        made++;
    }
    g->lisp_used += made;
    v[2] += made;
    v[0] = g->lisp_used;
    if (v[0] > v[1])
        v[1] = v[0];
    return 0;
}

static void gen_event(struct gen *g, struct mc_event *e, int64_t ts)
{
    e->ts = g->opts.event_clock_ns ? ts : ts / 1000 * 1000;
    if (!g->opts.event_clock_ns)
        e->dur_ns = e->dur_ns / 1000 * 1000;
    mc_buf_add(&g->events, e, sizeof *e);
}

static void gen_count(struct gen *g, uint32_t source_idx, uint64_t value, uint64_t *counts)
{
    (void)g;
    (void)source_idx;
    counts[mc_bucket_of(value)]++;
}

static void gen_put_buckets(struct gen *g, uint32_t source_idx, const uint64_t *counts)
{
    for (uint32_t b = 0; b < MC_BUCKET_COUNT; b++) {
        struct mc_bucket_add add = {source_idx, b, counts[b]};
        if (counts[b])
            mc_buf_add(&g->buckets, &add, sizeof add);
    }
}

static void gen_requests(struct gen *g, int collected)
{
    int64_t *owner = gen_values(g, mc_schema_find(&g->schema, MC_KIND_OWNER, NULL)->source_idx);
    int64_t *conns =
        gen_values(g, mc_schema_find(&g->schema, MC_KIND_CONNECTIONS, NULL)->source_idx);
    uint32_t count = g->opts.requests ? g->opts.requests / 2 + gen_below(g, g->opts.requests) : 0;
    int64_t at = g->ts - 99000000, step = count ? 98000000 / (count + 1) : 1;
    uint64_t counts[MC_BUCKET_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = gen_below(g, GEN_CONNS), r = gen_below(g, g->route_count);
        at += step / 2 + (int64_t)gen_below(g, (uint32_t)step);
        if (at > g->ts - 1000000)
            at = g->ts - 1000000;
        if (!g->conn[c]) {
            g->conn[c] = ++g->next_conn;
            g->stream[c] = 1;
            struct mc_event e = {.type = MC_EVENT_ACCEPT,
                                 .conn_id = g->conn[c],
                                 .detail = g->string_app,
                                 .owner = g->string_app,
                                 .port = 40000 + gen_below(g, 20000)};
            gen_event(g, &e, at);
            owner[MC_FIELD(OWNER, ACCEPTED)]++;
            owner[MC_FIELD(OWNER, OPEN)]++;
            conns[MC_FIELD(CONNECTIONS, ACCEPTED)]++;
            conns[MC_FIELD(CONNECTIONS, OPEN)]++;
        }
        int64_t dur = 100000 + (int64_t)gen_below(g, 900000);
        struct mc_event e = {.type = MC_EVENT_REQUEST,
                             .conn_id = g->conn[c],
                             .stream_id = g->stream[c],
                             .method = g->string_method,
                             .detail = g->route_strings[r]};
        gen_event(g, &e, at);
        e.type = MC_EVENT_RESPONSE;
        e.status = gen_below(g, 100) ? 200 : 503;
        e.bytes_out = 13 + r * 100 + (r % 3 ? 0 : gen_below(g, 1000));
        e.dur_ns = (uint64_t)dur;
        e.arena_bytes = 4096 + r * 64;
        gen_event(g, &e, at + dur);
        at += dur > step ? 0 : dur;
        g->stream[c] += 2;
        gen_count(g, 0, (uint64_t)dur, counts);
        int64_t *route = gen_values(g, g->routes[r]);
        route[MC_FIELD(ROUTE, REQUESTS)]++;
        route[MC_FIELD(ROUTE, BYTES_OUT)] += (int64_t)e.bytes_out;
        route[MC_FIELD(ROUTE, P50)] = (int64_t)mc_bucket_top(mc_bucket_of((uint64_t)dur));
        owner[MC_FIELD(OWNER, REQUESTS)]++;
        if (!gen_below(g, 200)) {
            struct mc_event close = {.type = MC_EVENT_CLOSE,
                                     .conn_id = g->conn[c],
                                     .detail = 2 + gen_below(g, 2),
                                     .bytes_out = e.bytes_out};
            gen_event(g, &close, at + dur);
            g->conn[c] = 0;
            owner[MC_FIELD(OWNER, CLOSED)]++;
            owner[MC_FIELD(OWNER, OPEN)]--;
            conns[MC_FIELD(CONNECTIONS, CLOSED)]++;
            conns[MC_FIELD(CONNECTIONS, OPEN)]--;
        }
    }
    const struct mc_source *latency = mc_schema_find(&g->schema, MC_KIND_HISTOGRAM, NULL);
    gen_put_buckets(g, latency->source_idx, counts);
    gen_values(g, latency->source_idx)[0] += count;
    gen_values(g, latency->source_idx)[2] = count ? (int64_t)mc_bucket_top(300) : MC_VALUE_NONE;
    if (collected) {
        const struct mc_source *heap = mc_schema_find(&g->schema, MC_KIND_HEAP, NULL);
        struct mc_event e = {.type = MC_EVENT_GC,
                             .owner = heap->source_idx,
                             .detail = g->string_gc,
                             .bytes_in = 9000000,
                             .bytes_out = 700000,
                             .dur_ns = 1234000};
        gen_event(g, &e, g->ts - 1000);
        gen_values(g, heap->source_idx)[MC_FIELD(HEAP, GC_COUNT)]++;
    }
}

static int gen_by_ts(const void *a, const void *b)
{
    const struct mc_event *x = a, *y = b;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static void gen_numbers(struct gen *g)
{
    for (uint32_t i = 0; i < g->schema.source_count; i++) {
        const struct mc_source *s = &g->schema.sources[i];
        int64_t *v = gen_values(g, i);
        if (s->kind == MC_KIND_ARENA) {
            v[0] = gen_below(g, 100000);
            v[1] = v[0] > v[1] ? v[0] : v[1];
        } else if (s->kind == MC_KIND_COUNTER) {
            v[0] += gen_below(g, 300);
        } else if (s->kind == MC_KIND_GAUGE) {
            v[0] += (int64_t)gen_below(g, 21) - 10;
        } else if (s->kind == MC_KIND_PROCESS) {
            v[0] = 'S';
            v[2] = (50 << 20) + (int64_t)(g->frame_no / 16) * 4096;
            v[3] = g->frame_no % 10 ? v[3] : v[2] - 4096;
            v[10] += 3000000 + gen_below(g, 1000000);
            v[13] = g->frame_no % 50 == 7 ? MC_VALUE_NONE : 12 + gen_below(g, 3);
            v[16] = MC_VALUE_NONE;
        } else if (s->kind == MC_KIND_RECORDER) {
            v[0] += 150000 + gen_below(g, 20000);
            v[2] = 140000 + gen_below(g, 9000);
            v[3] = gen_below(g, 90000);
        }
    }
}

/* The next frame; valid until the next call. */
static const struct mc_frame *gen_next(struct gen *g)
{
    g->ts += 100000000 + (int64_t)gen_below(g, 40000) - 20000;
    g->frame_no++;
    g->changes.count = g->buckets.count = g->events.count = g->gaps.count = 0;
    if (g->route_count < GEN_ROUTES && (g->route_count == 0 || !gen_below(g, 40))) {
        char name[32];
        snprintf(name, sizeof name, "/route/%u", g->route_count);
        g->route_strings[g->route_count] = gen_string(g, name);
        snprintf(name, sizeof name, "GET /route/%u", g->route_count);
        g->routes[g->route_count++] = gen_source(g, MC_KIND_ROUTE, name, 0, 0);
    }
    if (g->frame_no == 30) /* a slab that is registered late */
        gen_source(g, MC_KIND_SLAB, "late", 100, 0);
    if (g->opts.conn_slots)
        gen_slab(g);
    int collected = gen_lisp(g);
    for (uint32_t i = 0; i < g->opts.wide_slots; i++)
        gen_change(g, g->wide_map, i, g->frame_no % 2 ? (uint8_t)('A' + i / 100 % 3) : '.', 0, 0);
    if (g->frame_no > 30 && !gen_below(g, 5)) {
        uint32_t map_idx = g->schema.map_count - 1, slot = gen_below(g, 100);
        gen_change(g, map_idx, slot, g->maps[map_idx].states[slot] == '.' ? 'A' : '.', 0, 0);
    }
    gen_requests(g, collected);
    if (g->events.count)
        qsort(g->events.bytes, g->events.count / sizeof(struct mc_event), sizeof(struct mc_event),
              gen_by_ts);
    gen_numbers(g);
    if (!gen_below(g, 50)) {
        struct mc_gap gap = {g->ts - 5000, 4000, 17, "events lost"};
        mc_buf_add(&g->gaps, &gap, sizeof gap);
    }
    struct mc_frame *f = &g->frame;
    f->ts = g->ts;
    f->schema = &g->schema;
    f->values = g->values;
    f->maps = g->maps;
    f->changes = (const void *)g->changes.bytes;
    f->change_count = g->changes.count / sizeof *f->changes;
    f->buckets = (const void *)g->buckets.bytes;
    f->bucket_count = g->buckets.count / sizeof *f->buckets;
    f->events = (const void *)g->events.bytes;
    f->event_count = g->events.count / sizeof *f->events;
    f->gaps = (const void *)g->gaps.bytes;
    f->gap_count = g->gaps.count / sizeof *f->gaps;
    return f;
}

/* What differs between two frames, or NULL. */
static inline const char *frames_differ(const struct mc_frame *a, const struct mc_frame *b)
{
    if (a->ts != b->ts)
        return "ts";
    const struct mc_schema *s = a->schema, *t = b->schema;
    if (s->source_count != t->source_count || s->string_count != t->string_count ||
        s->value_count != t->value_count || s->map_count != t->map_count)
        return "schema counts";
    for (uint32_t i = 0; i < s->source_count; i++) {
        const struct mc_source *x = &s->sources[i], *y = &t->sources[i];
        if (x->kind != y->kind || strcmp(x->name, y->name) || strcmp(x->unit, y->unit) ||
            x->slot_count != y->slot_count || x->slot_bytes != y->slot_bytes ||
            x->capacity_bytes != y->capacity_bytes || x->flags != y->flags ||
            x->value_idx != y->value_idx || x->map_idx != y->map_idx ||
            x->state_count != y->state_count ||
            (x->state_count && (x->states[0].letter != y->states[0].letter ||
                                strcmp(x->states[0].name, y->states[0].name))))
            return "a source";
    }
    for (uint32_t i = 0; i < s->string_count; i++) {
        if (strcmp(s->strings[i], t->strings[i]))
            return "a string";
    }
    if (memcmp(a->values, b->values, s->value_count * sizeof *a->values))
        return "values";
    for (uint32_t i = 0; i < s->map_count; i++) {
        const struct mc_map *m = &a->maps[i], *n = &b->maps[i];
        if (m->source_idx != n->source_idx || m->slot_count != n->slot_count ||
            !m->owners != !n->owners || memcmp(m->states, n->states, m->slot_count))
            return "map states";
        if (m->owners && (memcmp(m->owners, n->owners, m->slot_count * sizeof *m->owners) ||
                          memcmp(m->conns, n->conns, m->slot_count * sizeof *m->conns)))
            return "map owners";
    }
    if (a->change_count != b->change_count)
        return "change count";
    for (size_t i = 0; i < a->change_count; i++) {
        const struct mc_slot_change *c = &a->changes[i], *d = &b->changes[i];
        if (c->map_idx != d->map_idx || c->slot_idx != d->slot_idx ||
            c->old_state != d->old_state || c->state != d->state || c->owner != d->owner ||
            c->conn_id != d->conn_id)
            return "a change";
    }
    if (a->bucket_count != b->bucket_count ||
        (a->bucket_count && memcmp(a->buckets, b->buckets, a->bucket_count * sizeof *a->buckets)))
        return "buckets";
    if (a->event_count != b->event_count)
        return "event count";
    for (size_t i = 0; i < a->event_count; i++) {
        const struct mc_event *e = &a->events[i], *f = &b->events[i];
        if (e->ts != f->ts || e->type != f->type || e->state != f->state ||
            e->status != f->status || e->stream_id != f->stream_id || e->conn_id != f->conn_id ||
            e->method != f->method || e->detail != f->detail || e->owner != f->owner ||
            e->port != f->port || e->bytes_in != f->bytes_in || e->bytes_out != f->bytes_out ||
            e->dur_ns != f->dur_ns || e->arena_bytes != f->arena_bytes)
            return "an event";
    }
    if (a->gap_count != b->gap_count)
        return "gap count";
    for (size_t i = 0; i < a->gap_count; i++) {
        if (a->gaps[i].ts != b->gaps[i].ts || a->gaps[i].dur_ns != b->gaps[i].dur_ns ||
            a->gaps[i].lost != b->gaps[i].lost || strcmp(a->gaps[i].reason, b->gaps[i].reason))
            return "a gap";
    }
    return NULL;
}

/* An info for tests; strings are static, not to be freed. */
static inline struct mc_run_info gen_info(void)
{
    /* Now, or the traces would be too old to be kept. */
    static char label[] = "test", host[] = "here", program[] = "prog", build[] = "1",
                config[] = "{}";
    return (struct mc_run_info){.label = label,
                                .host = host,
                                .program = program,
                                .build = build,
                                .config = config,
                                .pid = 4711,
                                .start_wall_ns = (int64_t)time(NULL) * 1000000000,
                                .interval_ns = 100000000};
}

#endif
