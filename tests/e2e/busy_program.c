/* busy_program.c: a traced program for tests: pools, a heap and connections that never rest.
 * Usage: busy_program [SECONDS]: ends with 0 after that (300), or at SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memcam.h"

#define BUFFERS 400
#define CELLS 20000

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void rest(void)
{
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 300;
    struct mc_tracer *t = mc_tracer_open("busy", NULL);
    struct mc_slab *buffers = mc_slab_register(t, "buffers", 16384, BUFFERS);
    struct mc_slab *cells = mc_slab_register_flags(t, "cells", 16, CELLS, MC_SLAB_STATES_ONLY);
    struct mc_arena *arena = mc_arena_register(t, "scratch", 1 << 20);
    struct mc_heap *heap = mc_heap_register(t, "heap", 16 * CELLS);
    struct mc_counter *requests = mc_counter_register(t, "requests", "count");
    struct mc_gauge *depth = mc_gauge_register(t, "depth", "count");
    struct mc_histogram *latency = mc_histogram_register(t, "latency", "ns");
    uint32_t owner = mc_string_id(t, "front"), get = mc_string_id(t, "GET");
    uint32_t routes[3] = {mc_string_id(t, "/a"), mc_string_id(t, "/b/:id"), mc_string_id(t, "/c")};
    uint32_t done = mc_string_id(t, "done");
    mc_slab_state_name(cells, 'p', "pair");
    signal(SIGTERM, stop);
    srand(1);
    uint64_t conn_id = 0;
    size_t used = 0;
    for (int ms = 0; !stopped && ms < seconds * 1000; ms++) {
        conn_id++;
        uint32_t slot = (uint32_t)rand() % BUFFERS, route = routes[rand() % 3];
        mc_event_accept_on(t, conn_id, owner, "10.0.0.7:51234");
        mc_slot_set(buffers, slot, MC_SLOT_ACTIVE, owner, conn_id);
        mc_event_request(t, conn_id, 1, get, route);
        struct mc_response response = {
            .method = get, .route = route, .status = 200, .bytes_out = 99};
        response.dur_ns = (uint64_t)(rand() % 1000000);
        mc_histogram_record(latency, response.dur_ns);
        mc_event_response(t, conn_id, 1, &response);
        mc_slot_set(buffers, (uint32_t)rand() % BUFFERS, MC_SLOT_FREE, 0, 0);
        mc_event_close(t, conn_id, done, 10, 99);
        for (int i = 0; i < 5; i++)
            mc_slot_set(cells, (uint32_t)rand() % CELLS, rand() % 2 ? 'p' : MC_SLOT_FREE, 0, 0);
        used += 64;
        if (ms % 500 == 499) {
            mc_heap_collected(heap, "mark-sweep", 12345, used, used / 2);
            used /= 2;
            mc_arena_reset(arena);
        }
        mc_heap_set(heap, used, 65536);
        mc_arena_set(arena, (size_t)(ms % 500) * 100);
        mc_counter_add(requests, 1);
        mc_gauge_set(depth, rand() % 50 - 25);
        mc_tracer_beat(t);
        rest();
    }
    mc_tracer_close(t);
    return 0;
}
