/* bench_live.c: the traced program that the browser's bench watches live: a heap of 262,144 slots
 * of which 5,000 a tick are taken, 60 gauges, 2,000 connections with requests. Usage: bench_live
 * until SIGTERM
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tracer/memcam.h"

enum { CELLS = 262144, CONNS = 2000, GAUGES = 60, TAKEN = 500, ASKED = 40 };

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void ask(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id)
{
    struct mc_response response = {.method = mc_string_id(t, "GET"),
                                   .route = mc_string_id(t, "/item/:id"),
                                   .status = 200,
                                   .bytes_out = 99};
    response.dur_ns = 1000 + (uint64_t)(rand() % 1000000);
    mc_event_request(t, conn_id, stream_id, response.method, response.route);
    mc_event_response(t, conn_id, stream_id, &response);
}

int main(void)
{
    struct mc_tracer *t = mc_tracer_open("bench_live", NULL);
    struct mc_slab *cells = mc_slab_register_flags(t, "lval", 32, CELLS, MC_SLAB_STATES_ONLY);
    struct mc_slab *conns = mc_slab_register(t, "connections", 256, CONNS + 56);
    struct mc_heap *heap = mc_heap_register(t, "lisp", 32ull * CELLS);
    struct mc_gauge *gauges[GAUGES];
    uint32_t owner = mc_string_id(t, "app"), next = 0;
    for (int i = 0; i < GAUGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "gauge_%d", i);
        gauges[i] = mc_gauge_register(t, name, "count");
    }
    for (uint32_t i = 0; i < CONNS; i++) {
        mc_event_accept_on(t, i + 1, owner, "10.0.0.7:51234");
        mc_slot_set(conns, i, MC_SLOT_IDLE, owner, i + 1);
    }
    signal(SIGTERM, stop);
    for (uint32_t turn = 1; !stopped; turn++) {
        for (int i = 0; i < TAKEN && next < CELLS; i++)
            mc_slot_set(cells, next++, (uint8_t) "pps"[rand() % 3], 0, 0);
        if (next == CELLS) {
            for (next = 0; next < CELLS; next++)
                mc_slot_set(cells, next, MC_SLOT_FREE, 0, 0);
            mc_heap_collected(heap, "mark-sweep", 5000000, 32ull * CELLS, 0);
            next = 0;
        }
        mc_heap_set(heap, 32ull * next, 24ull * CELLS);
        for (uint32_t i = 0; i < ASKED; i++) {
            uint32_t slot = (uint32_t)rand() % CONNS;
            mc_slot_set(conns, slot, rand() % 2 ? MC_SLOT_ACTIVE : MC_SLOT_IDLE, owner, slot + 1);
            ask(t, slot + 1, turn * 2 + 1);
        }
        for (int i = 0; i < GAUGES; i++)
            mc_gauge_set(gauges[i], rand() % 1000);
        mc_tracer_beat(t);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    mc_tracer_close(t);
    return 0;
}
