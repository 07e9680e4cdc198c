/* imgserver.c: a small make-believe image server that publishes its memory with memcam.
 *
 * Two threads serve requests from a slab of buffers and an arena each. It includes nothing of
 * memcam but the installed header. Usage: imgserver SECONDS
 */
#include <memcam.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BUFFERS 400
#define BUFFER_BYTES 16384
#define ARENA_BYTES (1u << 20)

struct server {
    struct mc_tracer *tracer;
    struct mc_slab *buffers;
    struct mc_counter *requests;
    struct mc_histogram *latency;
    uint32_t owner, get, routes[2], done;
    atomic_int buffer_taken[BUFFERS];
    atomic_ullong next_conn_id;
    double ends_at;
};

struct worker {
    struct server *server;
    struct mc_arena *arena;
    unsigned seed;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* A free buffer for this connection, or -1. */
static int take_buffer(struct server *s, uint64_t conn_id)
{
    for (int i = 0; i < BUFFERS; i++) {
        int unused = 0;
        if (atomic_compare_exchange_strong(&s->buffer_taken[i], &unused, 1)) {
            mc_slot_set(s->buffers, (uint32_t)i, MC_SLOT_ACTIVE, s->owner, conn_id);
            return i;
        }
    }
    mc_slab_overflow(s->buffers);
    return -1;
}

static void give_buffer(struct server *s, int buffer)
{
    mc_slot_set(s->buffers, (uint32_t)buffer, MC_SLOT_FREE, 0, 0);
    atomic_store(&s->buffer_taken[buffer], 0);
}

static void serve_request(struct worker *w, uint64_t conn_id, uint32_t stream_id)
{
    struct server *s = w->server;
    unsigned kind = (unsigned)rand_r(&w->seed) % 2;
    size_t used = 1000 + (size_t)rand_r(&w->seed) % 60000;
    double began = now();
    mc_event_request(s->tracer, conn_id, stream_id, s->get, s->routes[kind]);
    mc_arena_set(w->arena, used);
    sleep_us(kind ? 3000 : 300);
    mc_arena_reset(w->arena);
    struct mc_response r = {.method = s->get, .route = s->routes[kind], .status = 200};
    r.bytes_out = used;
    r.dur_ns = (uint64_t)((now() - began) * 1e9);
    r.arena_high_water_bytes = (uint32_t)used;
    mc_event_response(s->tracer, conn_id, stream_id, &r);
    mc_counter_add(s->requests, 1);
    mc_histogram_record(s->latency, r.dur_ns);
}

static void *serve(void *arg)
{
    struct worker *w = arg;
    struct server *s = w->server;
    while (now() < s->ends_at) {
        uint64_t conn_id = atomic_fetch_add(&s->next_conn_id, 1) + 1;
        char peer[32];
        snprintf(peer, sizeof peer, "10.0.0.%u:%u", (unsigned)(conn_id % 200), 40000u);
        mc_event_accept_on(s->tracer, conn_id, s->owner, peer);
        int buffer = take_buffer(s, conn_id);
        for (uint32_t i = 0; i < 5 && buffer >= 0; i++)
            serve_request(w, conn_id, i * 2 + 1);
        if (buffer >= 0)
            give_buffer(s, buffer);
        mc_event_close(s->tracer, conn_id, s->done, 100, 5000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct server s;
    pthread_t threads[2];
    struct worker workers[2] = {{&s, NULL, 1}, {&s, NULL, 2}};
    s.ends_at = now() + (argc > 1 ? atof(argv[1]) : 5);
    s.tracer = mc_tracer_open("imgserver", NULL);
    s.buffers = mc_slab_register(s.tracer, "tcp_buffers", BUFFER_BYTES, BUFFERS);
    s.requests = mc_counter_register(s.tracer, "requests", "count");
    s.latency = mc_histogram_register(s.tracer, "latency", "ns");
    s.owner = mc_string_id(s.tracer, "images");
    s.get = mc_string_id(s.tracer, "GET");
    s.routes[0] = mc_string_id(s.tracer, "/thumb/:id");
    s.routes[1] = mc_string_id(s.tracer, "/image/:id");
    s.done = mc_string_id(s.tracer, "done");
    workers[0].arena = mc_arena_register(s.tracer, "arena 0", ARENA_BYTES);
    workers[1].arena = mc_arena_register(s.tracer, "arena 1", ARENA_BYTES);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, serve, &workers[i]);
    while (now() < s.ends_at) {
        mc_tracer_beat(s.tracer);
        sleep_us(50000);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%llu connections, %llu dropped\n", (unsigned long long)s.next_conn_id,
           (unsigned long long)mc_tracer_dropped(s.tracer));
    mc_tracer_close(s.tracer);
    return 0;
}
