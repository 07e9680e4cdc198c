/* test_tracer_api.c: the program's calls, seen through the sampler. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"

static void sources_show_what_was_set(void)
{
    struct fixture f;
    CHECK(fixture_open(&f, NULL) == 0);
    struct mc_slab *slab = mc_slab_register(f.tracer, "bufs", 16384, 400);
    struct mc_arena *arena = mc_arena_register(f.tracer, "scratch", 1 << 20);
    struct mc_heap *heap = mc_heap_register(f.tracer, "lisp", 1 << 22);
    struct mc_counter *counter = mc_counter_register(f.tracer, "requests", "count");
    struct mc_gauge *gauge = mc_gauge_register(f.tracer, "depth", "count");
    uint32_t owner = mc_string_id(f.tracer, "app");
    CHECK(slab && arena && heap && counter && gauge);
    CHECK_INT(owner, 2);
    CHECK(mc_slab_register(f.tracer, "bufs", 1, 1) == NULL); /* taken */
    mc_slot_set(slab, 7, MC_SLOT_ACTIVE, owner, 99);
    mc_slot_set(slab, 8, MC_SLOT_ACTIVE, owner, 100);
    mc_slot_set(slab, 8, MC_SLOT_IDLE, 0, 100);
    mc_slot_set(slab, 9, MC_SLOT_ACTIVE, 0, 0);
    mc_slot_set(slab, 9, MC_SLOT_FREE, 0, 0);
    mc_slot_set(slab, 400, MC_SLOT_ACTIVE, 0, 0); /* out of range */
    mc_slot_set(slab, 0, '"', 0, 0);
    mc_slab_overflow(slab);
    mc_arena_set(arena, 1000);
    mc_arena_set(arena, 10);
    mc_arena_overflow(arena);
    mc_heap_set(heap, 5000, 9000);
    mc_heap_collected(heap, "mark-sweep", 123456, 5000, 700);
    mc_counter_add(counter, 41);
    mc_counter_add(counter, 1);
    mc_gauge_set(gauge, -5);
    const struct mc_frame *frame;
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(fixture_value(frame, MC_KIND_SLAB, "bufs", MC_FIELD(SLAB, USED)), 2);
    CHECK_INT(fixture_value(frame, MC_KIND_SLAB, "bufs", MC_FIELD(SLAB, HIGH_WATER)), 3);
    CHECK_INT(fixture_value(frame, MC_KIND_SLAB, "bufs", MC_FIELD(SLAB, ALLOCS)), 3);
    CHECK_INT(fixture_value(frame, MC_KIND_SLAB, "bufs", MC_FIELD(SLAB, FREES)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_SLAB, "bufs", MC_FIELD(SLAB, OVERFLOW)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_ARENA, "scratch", MC_FIELD(ARENA, USED)), 10);
    CHECK_INT(fixture_value(frame, MC_KIND_ARENA, "scratch", MC_FIELD(ARENA, HIGH_WATER)), 1000);
    CHECK_INT(fixture_value(frame, MC_KIND_ARENA, "scratch", MC_FIELD(ARENA, OVERFLOW)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_HEAP, "lisp", MC_FIELD(HEAP, USED)), 700);
    CHECK_INT(fixture_value(frame, MC_KIND_HEAP, "lisp", MC_FIELD(HEAP, PEAK)), 5000);
    CHECK_INT(fixture_value(frame, MC_KIND_HEAP, "lisp", MC_FIELD(HEAP, GC_COUNT)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_COUNTER, "requests", 0), 42);
    CHECK_INT(fixture_value(frame, MC_KIND_GAUGE, "depth", 0), -5);
    CHECK_INT(frame->change_count, 2);
    const struct mc_map *map = &frame->maps[0];
    CHECK_INT(map->states[7], 'A');
    CHECK_INT(map->states[8], 'I');
    CHECK_INT(map->states[9], '.');
    CHECK_INT(map->states[399], '.');
    CHECK_STR(mc_schema_string(frame->schema, map->owners[7]), "app");
    CHECK_INT(map->owners[8], 0);
    CHECK_INT(map->conns[7], 99);
    CHECK_INT(frame->event_count, 1);
    CHECK_INT(frame->events[0].type, MC_EVENT_GC);
    CHECK_INT(frame->events[0].dur_ns, 123000);
    CHECK_STR(frame->schema->sources[frame->events[0].owner].name, "lisp");
    /* Nothing has changed: the next frame says so. */
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->change_count, 0);
    CHECK_INT(frame->event_count, 0);
    /* A reset empties and counts; a late state name is found. */
    mc_arena_reset(arena);
    mc_slab_state_name(slab, 'p', "pair");
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(fixture_value(frame, MC_KIND_ARENA, "scratch", MC_FIELD(ARENA, USED)), 0);
    CHECK_INT(fixture_value(frame, MC_KIND_ARENA, "scratch", MC_FIELD(ARENA, RESETS)), 1);
    const struct mc_source *source = mc_schema_find(frame->schema, MC_KIND_SLAB, "bufs");
    CHECK_INT(source->state_count, 1);
    CHECK_STR(source->states[0].name, "pair");
    fixture_close(&f);
}

static void events_carry_their_fields(void)
{
    struct fixture f;
    CHECK(fixture_open(&f, NULL) == 0);
    uint32_t get = mc_string_id(f.tracer, "GET"), item = mc_string_id(f.tracer, "/item/:id");
    uint32_t owner = mc_string_id(f.tracer, "app"), done = mc_string_id(f.tracer, "done");
    struct mc_response response = {get, item, 503, 10, 2000, 1500999, 4096};
    mc_event_accept_on(f.tracer, 5, owner, "10.0.0.7:51234");
    mc_event_tls(f.tracer, 5, "TLSv1.3 h2", 900000);
    mc_event_stream_open(f.tracer, 5, 1);
    mc_event_request(f.tracer, 5, 1, get, item);
    mc_event_response(f.tracer, 5, 1, &response);
    mc_event_stream_close(f.tracer, 5, 1, done);
    mc_event_state(f.tracer, 5, MC_SLOT_CLOSING);
    mc_event_overflow(f.tracer, 5, 3, mc_string_id(f.tracer, "bufs"));
    mc_event_error(f.tracer, 5, 3, "reset by peer");
    mc_event_accept(f.tracer, 6, "[2001:db8::1]:443");
    const struct mc_frame *frame;
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 10);
    const struct mc_event *e = frame->events;
    for (size_t i = 0; i < frame->event_count; i++) {
        CHECK(e[i].ts <= frame->ts && e[i].ts >= 0 && e[i].ts % 1000 == 0);
        CHECK(i == 0 || e[i].ts >= e[i - 1].ts);
    }
    CHECK_INT(e[0].type, MC_EVENT_ACCEPT);
    CHECK_STR(mc_schema_string(frame->schema, e[0].detail), "10.0.0.7");
    CHECK_STR(mc_schema_string(frame->schema, e[0].owner), "app");
    CHECK_INT(e[0].port, 51234);
    CHECK_STR(mc_schema_string(frame->schema, e[1].detail), "TLSv1.3 h2");
    CHECK_INT(e[1].dur_ns, 900000);
    CHECK_STR(mc_schema_string(frame->schema, e[3].method), "GET");
    CHECK_STR(mc_schema_string(frame->schema, e[3].detail), "/item/:id");
    CHECK_INT(e[4].status, 503);
    CHECK_INT(e[4].bytes_in, 10);
    CHECK_INT(e[4].bytes_out, 2000);
    CHECK_INT(e[4].dur_ns, 1500000);
    CHECK_INT(e[4].arena_bytes, 4096);
    CHECK_STR(mc_schema_string(frame->schema, e[5].detail), "done");
    CHECK_INT(e[6].state, 'C');
    CHECK_STR(mc_schema_string(frame->schema, e[8].detail), "reset by peer");
    CHECK_STR(mc_schema_string(frame->schema, e[9].detail), "2001:db8::1");
    CHECK_INT(e[9].port, 443);
    CHECK_INT(fixture_value(frame, MC_KIND_CONNECTIONS, NULL, MC_FIELD(CONNECTIONS, OPEN)), 2);
    CHECK_INT(fixture_value(frame, MC_KIND_CONNECTIONS, NULL, MC_FIELD(CONNECTIONS, CLOSING)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_ROUTE, "GET /item/:id", MC_FIELD(ROUTE, REQUESTS)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_ROUTE, "GET /item/:id", MC_FIELD(ROUTE, SERVER_ERRORS)),
              1);
    CHECK_INT(fixture_value(frame, MC_KIND_ROUTE, "GET /item/:id", MC_FIELD(ROUTE, P99)),
              (long long)mc_bucket_top(mc_bucket_of(1500000)));
    CHECK_INT(fixture_value(frame, MC_KIND_OWNER, "app", MC_FIELD(OWNER, OPEN)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_OWNER, "app", MC_FIELD(OWNER, REQUESTS)), 1);
    mc_event_close(f.tracer, 5, done, 1, 2);
    mc_event_stream_close(f.tracer, 5, 3, done); /* a straggler revives nothing */
    mc_event_state(f.tracer, 5, MC_SLOT_ACTIVE);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(fixture_value(frame, MC_KIND_CONNECTIONS, NULL, MC_FIELD(CONNECTIONS, OPEN)), 1);
    CHECK_INT(fixture_value(frame, MC_KIND_OWNER, "app", MC_FIELD(OWNER, OPEN)), 0);
    CHECK_INT(fixture_value(frame, MC_KIND_OWNER, "app", MC_FIELD(OWNER, CLOSED)), 1);
    fixture_close(&f);
}

int main(void)
{
    RUN(sources_show_what_was_set);
    RUN(events_carry_their_fields);
    return CHECK_DONE();
}
