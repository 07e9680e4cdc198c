/* bench_tracer.c: what tracing costs the program, and a sample the recorder.
 *
 * Prints lines of name, value and unit, with tabs between. CPU time of the calling thread; the
 * median of several rounds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/tracer_fixture.h"

#define ROUNDS 9
#define CALLS 200000u

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct subject {
    struct mc_tracer *tracer;
    struct mc_slab *alone, *shared, *states, *states_shared;
    struct mc_counter *counter;
    struct mc_histogram *histogram;
    uint32_t get, route;
};
typedef void (*bench_fn)(const struct subject *s, uint32_t i);

static volatile uint64_t sink;

static void do_rdtsc(const struct subject *s, uint32_t i)
{
    (void)s, (void)i;
#if defined(__x86_64__)
    sink = __builtin_ia32_rdtsc();
#endif
}

static void do_clock(const struct subject *s, uint32_t i)
{
    struct timespec t;
    (void)s, (void)i;
    clock_gettime(CLOCK_MONOTONIC, &t);
    sink = (uint64_t)t.tv_nsec;
}

static void do_nothing(const struct subject *s, uint32_t i)
{
    (void)s;
    sink = i;
}

static void do_request(const struct subject *s, uint32_t i)
{
    mc_event_request(s->tracer, i, 1, s->get, s->route);
}

static void do_response(const struct subject *s, uint32_t i)
{
    struct mc_response r = {.method = s->get, .route = s->route, .status = 200, .bytes_out = i};
    mc_event_response(s->tracer, i, 1, &r);
}

static void do_accept(const struct subject *s, uint32_t i)
{
    mc_event_accept(s->tracer, i, "10.0.0.7:51234");
}

static void do_string(const struct subject *s, uint32_t i)
{
    (void)i;
    sink = mc_string_id(s->tracer, "/item/:id");
}

static void do_slot_alone(const struct subject *s, uint32_t i)
{
    mc_slot_set(s->alone, i & 255, i & 256 ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 2, i);
}

static void do_slot_shared(const struct subject *s, uint32_t i)
{
    mc_slot_set(s->shared, i & 255, i & 256 ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 2, i);
}

static void do_state_alone(const struct subject *s, uint32_t i)
{
    mc_slot_set(s->states, i & 4095, i & 4096 ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 0, 0);
}

static void do_state_shared(const struct subject *s, uint32_t i)
{
    mc_slot_set(s->states_shared, i & 4095, i & 4096 ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 0, 0);
}

static void do_counter(const struct subject *s, uint32_t i)
{
    mc_counter_add(s->counter, i);
}

static void do_histogram(const struct subject *s, uint32_t i)
{
    mc_histogram_record(s->histogram, i);
}

/* ns per call, the loop's own cost included: it is that of "empty call". */
static double measure(bench_fn fn, const struct subject *s)
{
    double rounds[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double before = cpu_ns();
        for (uint32_t i = 0; i < CALLS; i++)
            fn(s, i);
        rounds[r] = (cpu_ns() - before) / CALLS;
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], by_value);
    return rounds[ROUNDS / 2];
}

struct worker {
    const struct subject *subject;
    double ns;
};

static void *send_events(void *arg)
{
    struct worker *w = arg;
    w->ns = measure(do_response, w->subject);
    return NULL;
}

static void say(const char *name, double value, const char *unit)
{
    printf("%s\t%.2f\t%s\n", name, value, unit);
}

static void bench_calls(const struct subject *s)
{
    static const struct {
        const char *name;
        bench_fn fn;
    } list[] = {
        {"floor: empty call", do_nothing},
        {"floor: rdtsc", do_rdtsc},
        {"floor: clock_gettime", do_clock},
        {"event, request", do_request},
        {"event, response", do_response},
        {"event, accept with its peer", do_accept},
        {"string id of a known string", do_string},
        {"slot change, one thread", do_slot_alone},
        {"slot change, any thread", do_slot_shared},
        {"slot change, states only, one thread", do_state_alone},
        {"slot change, states only, any thread", do_state_shared},
        {"counter", do_counter},
        {"histogram", do_histogram},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        say(list[i].name, measure(list[i].fn, s), "ns");
    struct worker workers[2] = {{s, 0}, {s, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, send_events, &workers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    say("event, response, two threads at once", (workers[0].ns + workers[1].ns) / 2, "ns");
}

/* ---- the sampler ------------------------------------------------------------------------------
 */

struct pools {
    struct mc_slab *handles, *buffers, *arenas, *heap;
    struct mc_gauge *gauges[189];
};

static void busy(const struct subject *s, const struct pools *p, uint32_t seed)
{
    for (uint32_t i = 0; i < 1078; i++) { /* 10,778 events a second */
        struct mc_response r = {.method = s->get,
                                .route = s->route,
                                .status = 200,
                                .dur_ns = 1000 * (i % 700),
                                .bytes_out = i};
        mc_event_response(s->tracer, 1 + i % 400, 1, &r);
    }
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t at = seed * 40503u + i * 7919u;
        mc_slot_set(p->handles, at % 2056, seed & 1 ? 'A' : '.', 2, at);
        mc_slot_set(p->buffers, at % 400, seed & 1 ? 'A' : 'I', 2, at);
        mc_slot_set(p->arenas, at % 64, seed & 1 ? 'A' : '.', 2, at);
        mc_gauge_set(p->gauges[i % 189], at);
    }
    for (uint32_t i = 0; i < 5000; i++)
        mc_slot_set(p->heap, (seed * 5000 + i) % 262144, seed / 52 & 1 ? '.' : 'p', 0, 0);
}

static void tick_rounds(struct mc_sampler *sampler, const struct subject *s, const struct pools *p,
                        const char *name)
{
    enum { TICKS = 301 };
    static double us[TICKS];
    const struct mc_frame *frame;
    for (int i = 0; i < TICKS; i++) {
        if (p)
            busy(s, p, (uint32_t)i);
        double before = cpu_ns();
        mc_sampler_tick(sampler, 0, &frame);
        us[i] = (cpu_ns() - before) / 1e3;
        usleep(1000);
    }
    qsort(us, TICKS, sizeof us[0], by_value);
    char line[96];
    snprintf(line, sizeof line, "sampler tick, %s, median", name);
    say(line, us[TICKS / 2], "us");
    snprintf(line, sizeof line, "sampler tick, %s, p99", name);
    say(line, us[TICKS * 99 / 100], "us");
}

static void bench_sampler(void)
{
    struct fixture f;
    struct pools p;
    struct subject s = {0};
    if (fixture_open(&f, NULL) != 0)
        exit(1);
    s.tracer = f.tracer;
    s.get = mc_string_id(f.tracer, "GET");
    s.route = mc_string_id(f.tracer, "/item/:id");
    p.handles = mc_slab_register(f.tracer, "handles", 512, 2056);
    p.buffers = mc_slab_register(f.tracer, "tcp_buffers", 16384, 400);
    p.arenas = mc_slab_register(f.tracer, "arenas", 65536, 64);
    p.heap = mc_slab_register_flags(f.tracer, "lval", 16, 262144,
                                    MC_SLAB_STATES_ONLY | MC_SLAB_ONE_THREAD);
    for (int i = 0; i < 189; i++) {
        char name[32];
        snprintf(name, sizeof name, "gauge %d", i);
        p.gauges[i] = mc_gauge_register(f.tracer, name, "count");
    }
    tick_rounds(f.sampler, &s, NULL, "idle");
    tick_rounds(f.sampler, &s, &p, "busy");
    fixture_close(&f);
}

int main(void)
{
    struct fixture f;
    if (fixture_open(&f, NULL) != 0)
        return 1;
    struct subject s = {.tracer = f.tracer};
    s.get = mc_string_id(f.tracer, "GET");
    s.route = mc_string_id(f.tracer, "/item/:id");
    s.alone = mc_slab_register_flags(f.tracer, "alone", 64, 256, MC_SLAB_ONE_THREAD);
    s.shared = mc_slab_register(f.tracer, "shared", 64, 256);
    s.states = mc_slab_register_flags(f.tracer, "states", 16, 4096,
                                      MC_SLAB_STATES_ONLY | MC_SLAB_ONE_THREAD);
    s.states_shared =
        mc_slab_register_flags(f.tracer, "states shared", 16, 4096, MC_SLAB_STATES_ONLY);
    s.counter = mc_counter_register(f.tracer, "counter", "count");
    s.histogram = mc_histogram_register(f.tracer, "histogram", "ns");
    bench_calls(&s);
    fixture_close(&f);
    bench_sampler();
    return 0;
}
