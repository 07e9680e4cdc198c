/* loop_stats.c: what an event loop does, as gauges. */
#include "server/loop_stats.h"

#include "tracer/memcam.h"

static void on_prepare(uv_prepare_t *handle)
{
    struct mc_loop_stats *s = handle->data;
    s->turn_count++;
}

void mc_loop_stats_start(struct mc_loop_stats *s, uv_loop_t *loop, struct mc_tracer *tracer)
{
    *s = (struct mc_loop_stats){.loop = loop};
    s->turns = mc_counter_register(tracer, "loop_turns", "count");
    s->busy = mc_gauge_register(tracer, "loop_busy", "%");
    s->handles = mc_gauge_register(tracer, "loop_handles", "count");
    s->queued = mc_gauge_register(tracer, "loop_queued", "count");
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    uv_prepare_init(loop, &s->prepare);
    s->prepare.data = s;
    uv_prepare_start(&s->prepare, on_prepare);
    s->told_ns = uv_hrtime();
}

void mc_loop_stats_tell(struct mc_loop_stats *s)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t idle_ns = uv_metrics_idle_time(s->loop);
    uint64_t elapsed_ns = now_ns - s->told_ns;
    if (elapsed_ns > 0) {
        uint64_t idle = idle_ns - s->idle_ns;
        uint64_t busy = idle < elapsed_ns ? elapsed_ns - idle : 0;
        mc_gauge_set(s->busy, (int64_t)((busy * 100 + elapsed_ns / 2) / elapsed_ns));
    }
    mc_counter_add(s->turns, s->turn_count);
    mc_gauge_set(s->handles, (int64_t)s->loop->active_handles);
    mc_gauge_set(s->queued, (int64_t)s->loop->active_reqs.count);
    s->turn_count = 0;
    s->idle_ns = idle_ns;
    s->told_ns = now_ns;
}

void mc_loop_stats_stop(struct mc_loop_stats *s)
{
    uv_close((uv_handle_t *)&s->prepare, NULL);
}
