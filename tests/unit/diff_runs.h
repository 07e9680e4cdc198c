/* diff_runs.h: synthetic runs of a small server, written through the real store, with changes to
 * inject: a smaller pool, a slower route, a leak, more garbage, gaps.
 *
 * Its noise is autocorrelated, as that of real servers is. Same seed, same run.
 */
#ifndef MC_TEST_DIFF_RUNS_H
#define MC_TEST_DIFF_RUNS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "replay/stats.h"
#include "store/trace.h"
#include "tracer/error.h"

struct sim_options {
    uint64_t seed;
    int frames;
    uint32_t slots;       /* of pool "buffers"; 0: 100 */
    double slower;        /* factor on the latency of GET /b; 0: 1 */
    double leak_slots;    /* of pool "cells", for each request of GET /b */
    double garbage_bytes; /* of heap "lisp" a request; 0: 4,000 */
    double server_errors; /* part of GET /a's */
    int gap_at;           /* frames missing from there on, 50 of them, and told; 0: none */
    int64_t interval_ns;  /* 0: 100 ms */
    const char *prefix;   /* before the sources' names; NULL: none */
    const char *build;
    const char *exit; /* NULL: "exit 0"; "": unfinished */
    int mark_at;      /* a mark "here" at this frame; 0: none */
    int quiet_frames; /* without requests at the begin */
    int is_steady;    /* both routes at steady rates, each request with its events */
    int close_every;  /* a connection of 2 s closes every so many frames; 0: none does */
    const char *close_reason;
};

enum { SIM_CELLS = 20000 };

struct sim {
    const struct sim_options *o;
    uint64_t random;
    struct mc_schema schema;
    int64_t values[256];
    struct mc_map maps[2];
    uint8_t states[2][SIM_CELLS];
    struct mc_buf changes, buckets, events;
    uint32_t buffers, cells, heap, process, connections, a, b;
    uint32_t get, paths[2], reason; /* string ids */
    double level, burst, cells_leaked, heap_used;
    int64_t ts;
};

static double sim_noise(struct sim *s)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += mc_random_unit(&s->random);
    return sum;
}

static uint32_t sim_source(struct sim *s, int kind, const char *name, uint32_t slots)
{
    char text[64], unit[] = "";
    snprintf(text, sizeof text, "%s%s", s->o->prefix ? s->o->prefix : "", name);
    struct mc_source like = {.kind = kind,
                             .name = text,
                             .unit = unit,
                             .slot_count = slots,
                             .slot_bytes = slots ? 64 : 0,
                             .capacity_bytes = kind == MC_KIND_HEAP ? 8 << 20 : 0};
    uint32_t idx = s->schema.source_count;
    mc_schema_add_source(&s->schema, &like);
    return s->schema.sources[idx].value_idx;
}

static void sim_use(struct sim *s, uint32_t map_idx, uint32_t value, double wanted)
{
    struct mc_map *m = &s->maps[map_idx];
    int64_t *v = &s->values[value], most = m->slot_count;
    int64_t used = wanted < 0 ? 0 : (int64_t)wanted;
    if (used > most) {
        v[MC_FIELD(SLAB, OVERFLOW)] += used - most;
        used = most;
    }
    int64_t was = v[MC_FIELD(SLAB, USED)];
    for (int64_t i = was < used ? was : used; i < (was < used ? used : was); i++) {
        uint8_t state = i < used ? 'A' : '.';
        struct mc_slot_change c = {map_idx, (uint32_t)i, m->states[i], state, 0, 0};
        mc_buf_add(&s->changes, &c, sizeof c);
        m->states[i] = state;
    }
    v[MC_FIELD(SLAB, ALLOCS)] += used > was ? used - was : 0;
    v[MC_FIELD(SLAB, FREES)] += used < was ? was - used : 0;
    v[MC_FIELD(SLAB, USED)] = used;
    if (used > v[MC_FIELD(SLAB, HIGH_WATER)])
        v[MC_FIELD(SLAB, HIGH_WATER)] = used;
}

/* Requests of one route in this frame; returns how many. */
static int sim_route(struct sim *s, uint32_t value, uint32_t source_idx, double rate, double ns)
{
    uint64_t counts[MC_BUCKET_COUNT] = {0};
    int count = (int)(rate * (1 + 0.2 * sim_noise(s)) + 0.5);
    count = count < 0 ? 0 : count;
    int64_t *v = &s->values[value];
    for (int i = 0; i < count; i++)
        counts[mc_bucket_of((uint64_t)(ns * exp(0.3 * sim_noise(s) + 0.1 * s->burst)))]++;
    for (int i = 0; i < count && s->o->is_steady; i++) {
        struct mc_event e = {.ts = s->ts - 50000000,
                             .type = MC_EVENT_REQUEST,
                             .conn_id = 1,
                             .method = s->get,
                             .detail = s->paths[value == s->b]};
        mc_buf_add(&s->events, &e, sizeof e);
        e.type = MC_EVENT_RESPONSE;
        e.status = 200;
        mc_buf_add(&s->events, &e, sizeof e);
    }
    v[MC_FIELD(ROUTE, REQUESTS)] += count;
    v[MC_FIELD(ROUTE, BYTES_OUT)] += 1000 * count;
    v[MC_FIELD(ROUTE, P50)] = v[MC_FIELD(ROUTE, P95)] = v[MC_FIELD(ROUTE, P99)] =
        v[MC_FIELD(ROUTE, MAX)] = count ? (int64_t)ns : MC_VALUE_NONE;
    for (uint32_t i = 0; i < MC_BUCKET_COUNT; i++) {
        struct mc_bucket_add add = {source_idx, i, counts[i]};
        if (counts[i])
            mc_buf_add(&s->buckets, &add, sizeof add);
    }
    return count;
}

static void sim_collect(struct sim *s, double garbage)
{
    double floor_bytes = 1e6 + s->cells_leaked * 64;
    s->heap_used = fmax(s->heap_used, floor_bytes) + garbage;
    int64_t *v = &s->values[s->heap];
    if (s->heap_used > floor_bytes + 2e6) {
        struct mc_event e = {.ts = s->ts - 1000,
                             .type = MC_EVENT_GC,
                             .owner = 2, /* the heap's source */
                             .dur_ns = (uint64_t)(1e6 * exp(0.2 * sim_noise(s))) / 1000 * 1000,
                             .bytes_in = (uint64_t)s->heap_used,
                             .bytes_out = (uint64_t)floor_bytes};
        mc_buf_add(&s->events, &e, sizeof e);
        v[MC_FIELD(HEAP, GC_COUNT)]++;
        s->heap_used = floor_bytes;
    }
    v[MC_FIELD(HEAP, USED)] = (int64_t)s->heap_used;
}

/* A connection that lived 2 s, and one more that begins. */
static void sim_close(struct sim *s, int frame)
{
    uint64_t number = (uint64_t)(frame / s->o->close_every);
    struct mc_event e = {.ts = s->ts - 40000000, .type = MC_EVENT_ACCEPT, .conn_id = number + 100};
    mc_buf_add(&s->events, &e, sizeof e);
    if (number * (uint64_t)s->o->close_every < 20)
        return;
    e.type = MC_EVENT_CLOSE;
    e.conn_id -= 20 / (uint64_t)s->o->close_every;
    e.detail = frame % 3 ? 0 : s->reason;
    mc_buf_add(&s->events, &e, sizeof e);
}

static void sim_frame(struct sim *s, int frame, struct mc_frame *out)
{
    const struct sim_options *o = s->o;
    s->changes.count = s->buckets.count = s->events.count = 0;
    s->level = 0.9 * s->level + sqrt(1 - 0.81) * sim_noise(s);
    s->burst = 0.8 * s->burst + 0.6 * sim_noise(s);
    s->ts += o->interval_ns ? o->interval_ns : 100000000;
    int a = 0, b = 0;
    if (frame >= o->quiet_frames) {
        a = sim_route(s, s->a, 5, 20, 2e6);
        b = sim_route(s, s->b, 6, 8 + (o->is_steady ? 0 : 6 * sin(frame / 23.0)),
                      5e6 * (o->slower > 0 ? o->slower : 1));
    }
    if (o->close_every && frame % o->close_every == 0)
        sim_close(s, frame);
    s->values[s->a + MC_FIELD(ROUTE, SERVER_ERRORS)] += (int64_t)(a * o->server_errors + 0.5);
    s->cells_leaked += o->leak_slots * b;
    sim_use(s, 0, s->buffers, 50 + 12 * s->level);
    sim_use(s, 1, s->cells, 3000 + s->cells_leaked + (o->is_steady ? 0 : 200 * fabs(s->burst)));
    sim_collect(s, (a + b) * (o->garbage_bytes > 0 ? o->garbage_bytes : 4000));
    int64_t *p = &s->values[s->process];
    p[MC_FIELD(PROCESS, STATE)] = 'S';
    p[MC_FIELD(PROCESS, ANON)] = 50000000 + (int64_t)(1000000 * s->level);
    p[MC_FIELD(PROCESS, RSS)] = p[MC_FIELD(PROCESS, ANON)] + 4000000;
    p[MC_FIELD(PROCESS, CPU_USER)] += (a + b) * 100000;
    p[MC_FIELD(PROCESS, FDS)] = 12;
    s->values[s->connections + MC_FIELD(CONNECTIONS, OPEN)] = 5;
    *out = (struct mc_frame){.ts = s->ts,
                             .schema = &s->schema,
                             .values = s->values,
                             .maps = s->maps,
                             .changes = (const void *)s->changes.bytes,
                             .change_count = s->changes.count / sizeof *out->changes,
                             .buckets = (const void *)s->buckets.bytes,
                             .bucket_count = s->buckets.count / sizeof *out->buckets,
                             .events = (const void *)s->events.bytes,
                             .event_count = s->events.count / sizeof *out->events};
}

static void sim_init(struct sim *s, const struct sim_options *o)
{
    memset(s, 0, sizeof *s);
    s->o = o;
    s->random = o->seed * 77 + 5;
    mc_schema_init(&s->schema);
    uint32_t slots = o->slots ? o->slots : 100;
    s->buffers = sim_source(s, MC_KIND_SLAB, "buffers", slots);
    s->cells = sim_source(s, MC_KIND_SLAB, "cells", SIM_CELLS);
    s->heap = sim_source(s, MC_KIND_HEAP, "lisp", 0);
    s->process = sim_source(s, MC_KIND_PROCESS, "process", 0);
    s->connections = sim_source(s, MC_KIND_CONNECTIONS, "connections", 0);
    s->a = sim_source(s, MC_KIND_ROUTE, "GET /a", 0);
    s->b = sim_source(s, MC_KIND_ROUTE, "GET /b", 0);
    s->get = s->schema.string_count;
    mc_schema_add_string(&s->schema, "GET", 3);
    for (size_t i = 0; i < 2; i++) {
        s->paths[i] = s->schema.string_count;
        mc_schema_add_string(&s->schema, i ? "/b" : "/a", 2);
    }
    s->reason = o->close_reason ? s->schema.string_count : 0;
    if (o->close_reason)
        mc_schema_add_string(&s->schema, o->close_reason, strlen(o->close_reason));
    memset(s->states, '.', sizeof s->states);
    s->maps[0] = (struct mc_map){.source_idx = 0, .slot_count = slots, .states = s->states[0]};
    s->maps[1] = (struct mc_map){.source_idx = 1, .slot_count = SIM_CELLS, .states = s->states[1]};
    for (size_t i = 0; i < 256; i++)
        s->values[i] = 0;
}

/* Append one run to the trace at `path`; 0 or a code. */
static int sim_run(const char *path, const struct sim_options *o)
{
    static struct sim s;
    struct mc_writer_options opts = {.keep_ns = INT64_MAX, .max_bytes = INT64_MAX};
    struct mc_writer *w;
    char label[] = "sim", host[] = "here", program[] = "server", config[] = "{}", build[32];
    snprintf(build, sizeof build, "%s", o->build ? o->build : "1");
    struct mc_run_info info = {.label = label,
                               .host = host,
                               .program = program,
                               .build = build,
                               .config = config,
                               .pid = 1,
                               .start_wall_ns = (int64_t)time(NULL) * 1000000000,
                               .interval_ns = o->interval_ns ? o->interval_ns : 100000000};
    int64_t run_id, mark_id;
    int rc = mc_writer_open(path, &opts, &w, NULL, 0);
    if (rc)
        return rc;
    sim_init(&s, o);
    rc = mc_writer_begin(w, &info, &run_id);
    for (int i = 0; rc == 0 && i < o->frames; i++) {
        struct mc_frame f;
        sim_frame(&s, i, &f);
        struct mc_gap gap = {f.ts, 0, 50, "recorder late"};
        if (o->gap_at && i == o->gap_at) {
            s.ts += 50 * info.interval_ns;
            gap.dur_ns = s.ts - gap.ts;
            f.ts = s.ts;
            f.gaps = &gap;
            f.gap_count = 1;
        }
        rc = mc_writer_frame(w, &f);
        if (rc == 0 && o->mark_at && i == o->mark_at)
            rc = mc_writer_mark(w, f.ts, 0, "here", "", &mark_id);
        if (rc == 0 && i % 2000 == 1999)
            rc = mc_writer_flush(w);
    }
    if (rc == 0 && !(o->exit && !o->exit[0]))
        rc = mc_writer_end(w, o->exit ? o->exit : "exit 0");
    mc_writer_close(w);
    mc_buf_fini(&s.changes);
    mc_buf_fini(&s.buckets);
    mc_buf_fini(&s.events);
    mc_schema_fini(&s.schema);
    return rc;
}

#endif
