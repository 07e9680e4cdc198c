/* loop_stats.h: what an event loop does, as a traced program's gauges: how busy it is, how often it
 * turns, how many handles it has, how many requests of its own are under way. */
#ifndef MC_LOOP_STATS_H
#define MC_LOOP_STATS_H

#include <stdint.h>
#include <uv.h>

struct mc_tracer;
struct mc_counter;
struct mc_gauge;

struct mc_loop_stats {
    uv_loop_t *loop;      /* borrowed */
    uv_prepare_t prepare; /* counts turns */
    uint64_t turn_count;  /* not told yet */
    uint64_t idle_ns;     /* as libuv had counted at the last telling */
    uint64_t told_ns;     /* uv_hrtime of it */
    struct mc_counter *turns;
    struct mc_gauge *busy, *handles, *queued; /* NULL where the tracer has no room */
};

/* Register with the tracer (NULL: nothing is told) and begin to count. Before the loop runs.
 * Keeps `s` until mc_loop_stats_stop and one more turn of the loop. */
void mc_loop_stats_start(struct mc_loop_stats *s, uv_loop_t *loop, struct mc_tracer *tracer);
/* Tell what happened since the last time: a few stores, no system call but a clock. On the loop. */
void mc_loop_stats_tell(struct mc_loop_stats *s);
void mc_loop_stats_stop(struct mc_loop_stats *s);

#endif
