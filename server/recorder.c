/* recorder.c: see recorder.h.
 *
 * The schedule is absolute: tick n is due at start + n * interval on CLOCK_MONOTONIC, by a timerfd,
 * so that nothing adds up. When the loop comes late, the missed ticks are told as a gap. Between
 * ticks the rings are drained, the more often the faster they fill.
 */
#include "server/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "server/command.h"
#include "tracer/error.h"
#include "tracer/sampler.h"

#define DRAIN_MS_MAX 26 /* three between ticks of 100 ms: a tick drains too */
#define DRAIN_MS_MIN 2
#define DRAIN_FILL_PCT 30 /* how full a ring may be when it is drained */

struct mc_recorder {
    struct mc_recorder_options opts;
    struct mc_sampler *sampler; /* owned */
    struct mc_run_info info;    /* owned: the sampler's, with label, config and run_id */
    int64_t begin_ns;           /* tick n is due at begin_ns + n * interval */
    int64_t tick_count;         /* ticks that were due so far */
    int64_t frame_count;
    int64_t last_ts;   /* of the newest frame */
    int64_t resume_ts; /* events up to here are in the trace already */
    int timer_fd;
    uv_poll_t tick_poll;
    uv_timer_t drain_timer;
    uint64_t drain_ms;
    int open_handle_count; /* of the two above: r is freed by the last close callback */
    int has_stopped, has_complained;
};

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void sampling_end(struct mc_recorder *r, int code)
{
    if (r->has_stopped)
        return;
    r->has_stopped = 1;
    uv_poll_stop(&r->tick_poll);
    uv_timer_stop(&r->drain_timer);
    if (code == MC_ECORRUPT)
        mc_say("%s (pid %lld): %s", r->info.program, (long long)r->info.pid,
               mc_sampler_why(r->sampler));
}

/* Leave out the events that an earlier recorder has stored: the rings still hold them. */
static void skip_known_events(const struct mc_recorder *r, struct mc_frame *frame)
{
    while (frame->event_count > 0 && frame->events->ts <= r->resume_ts) {
        frame->events++;
        frame->event_count--;
    }
}

/* Sample once. 0, MC_END, or MC_ECORRUPT. */
static int sample(struct mc_recorder *r, int64_t late_ns)
{
    const struct mc_frame *sampled;
    int rc = mc_sampler_tick(r->sampler, late_ns, &sampled);
    if (rc != 0 && rc != MC_END)
        return rc;
    struct mc_frame frame = *sampled;
    skip_known_events(r, &frame);
    int kept = mc_writer_frame(r->opts.writer, &frame);
    if (kept != 0 && !r->has_complained) {
        mc_say("a frame at %lld ns could not be kept: %s", (long long)frame.ts, mc_strerror(kept));
        r->has_complained = 1;
    }
    mc_dashboard_frame(r->opts.dashboard, &frame);
    r->frame_count++;
    r->last_ts = frame.ts;
    return rc;
}

static void tell_missed(struct mc_recorder *r, int64_t missed_count)
{
    struct mc_gap gap = {.ts = r->last_ts,
                         .dur_ns = mc_sampler_now(r->sampler) - r->last_ts,
                         .lost = (uint64_t)missed_count};
    snprintf(gap.reason, sizeof(gap.reason), "recorder late");
    mc_sampler_gap(r->sampler, &gap);
}

/* Drain, and aim the next time at DRAIN_FILL_PCT. */
static void on_drain(uv_timer_t *timer)
{
    struct mc_recorder *r = timer->data;
    int fill_pct = mc_sampler_drain(r->sampler);
    uint64_t next_ms = r->drain_ms * 2;
    if (fill_pct > 0 && r->drain_ms * DRAIN_FILL_PCT / (uint64_t)fill_pct < next_ms)
        next_ms = r->drain_ms * DRAIN_FILL_PCT / (uint64_t)fill_pct;
    r->drain_ms = next_ms < DRAIN_MS_MIN   ? DRAIN_MS_MIN
                  : next_ms > DRAIN_MS_MAX ? DRAIN_MS_MAX
                                           : next_ms;
    uv_timer_start(timer, on_drain, r->drain_ms, 0);
}

static void on_tick(uv_poll_t *poll, int status, int events)
{
    struct mc_recorder *r = poll->data;
    uint64_t expired = 0;
    (void)status;
    (void)events;
    if (read(r->timer_fd, &expired, sizeof(expired)) != sizeof(expired) || expired == 0)
        return;
    r->tick_count += (int64_t)expired;
    int64_t due_ns = r->begin_ns + (r->tick_count - 1) * r->opts.interval_ns;
    if (expired > 1 && r->frame_count > 0)
        tell_missed(r, (int64_t)expired - 1);
    int rc = sample(r, now_ns() - due_ns);
    if (rc == 0) {
        uv_timer_start(&r->drain_timer, on_drain, r->drain_ms, 0);
        return;
    }
    sampling_end(r, rc);
    r->opts.stopped(r->opts.arg, rc);
}

static int schedule_start(struct mc_recorder *r)
{
    r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (r->timer_fd < 0)
        return MC_ELIMIT;
    r->begin_ns = now_ns() + 1;
    int64_t step_ns = r->opts.interval_ns;
    struct itimerspec spec = {
        .it_value = {.tv_sec = r->begin_ns / 1000000000, .tv_nsec = r->begin_ns % 1000000000},
        .it_interval = {.tv_sec = step_ns / 1000000000, .tv_nsec = step_ns % 1000000000},
    };
    if (timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0 ||
        uv_poll_init(r->opts.loop, &r->tick_poll, r->timer_fd) != 0) {
        close(r->timer_fd);
        return MC_ELIMIT;
    }
    uv_timer_init(r->opts.loop, &r->drain_timer);
    r->open_handle_count = 2;
    r->tick_poll.data = r->drain_timer.data = r;
    r->drain_ms = DRAIN_MS_MAX;
    uv_poll_start(&r->tick_poll, UV_READABLE, on_tick);
    uv_timer_start(&r->drain_timer, on_drain, r->drain_ms, 0);
    return 0;
}

static int text_replace(char **text, const char *by)
{
    char *copy = strdup(by);
    if (copy == NULL)
        return MC_ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

/* Begin the run in the trace, or take it up again. */
static int run_begin(struct mc_recorder *r)
{
    int rc = mc_writer_resume(r->opts.writer, &r->info, &r->info.run_id, &r->resume_ts);
    if (rc != 0) {
        r->resume_ts = INT64_MIN;
        return mc_writer_begin(r->opts.writer, &r->info, &r->info.run_id);
    }
    if (r->resume_ts == INT64_MIN) /* its recorder died before the first frame */
        return 0;
    struct mc_gap gap = {.ts = r->resume_ts, .dur_ns = mc_sampler_now(r->sampler) - r->resume_ts};
    snprintf(gap.reason, sizeof(gap.reason), "recorder away");
    mc_say("going on with run %lld, after %.1f s without a recorder", (long long)r->info.run_id,
           (double)gap.dur_ns / 1e9);
    return mc_sampler_gap(r->sampler, &gap);
}

int mc_recorder_open(const char *segment_path, const struct mc_recorder_options *opts,
                     struct mc_recorder **out, char *why, size_t why_bytes)
{
    struct mc_recorder *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        snprintf(why, why_bytes, "%s: out of memory", segment_path);
        return MC_ENOMEM;
    }
    r->opts = *opts;
    struct mc_sampler_options sampling = {.interval_ns = opts->interval_ns,
                                          .event_clock_ns = opts->event_clock_ns};
    int rc = mc_sampler_open(segment_path, &sampling, &r->sampler, why, why_bytes);
    if (rc != 0)
        goto free_recorder;
    snprintf(why, why_bytes, "%s: the run could not begin", segment_path);
    rc = mc_run_info_copy(&r->info, mc_sampler_info(r->sampler));
    if (rc != 0)
        goto close_sampler;
    if (opts->label != NULL)
        rc = text_replace(&r->info.label, opts->label);
    if (rc == 0 && opts->config != NULL)
        rc = text_replace(&r->info.config, opts->config);
    if (rc == 0)
        rc = run_begin(r);
    if (rc == 0)
        rc = mc_dashboard_run_begin(opts->dashboard, &r->info);
    if (rc == 0)
        rc = schedule_start(r);
    if (rc != 0)
        goto fini_info;
    r->opts.label = r->opts.config = NULL; /* the caller's; info has copies */
    *out = r;
    return 0;
fini_info:
    snprintf(why, why_bytes, "%s: the run could not begin: %s", segment_path, mc_strerror(rc));
    mc_run_info_fini(&r->info);
close_sampler:
    mc_sampler_close(r->sampler);
free_recorder:
    free(r);
    return rc;
}

const struct mc_run_info *mc_recorder_info(const struct mc_recorder *r)
{
    return &r->info;
}

static void on_closed(uv_handle_t *handle)
{
    struct mc_recorder *r = handle->data;
    if (--r->open_handle_count == 0)
        free(r);
}

int64_t mc_recorder_close(struct mc_recorder *r, const char *exit)
{
    if (!r->has_stopped)
        sampling_end(r, sample(r, 0));
    int rc = mc_writer_end(r->opts.writer, exit);
    if (rc != 0)
        mc_say("run %lld could not be ended in the trace: %s", (long long)r->info.run_id,
               mc_strerror(rc));
    mc_dashboard_run_end(r->opts.dashboard, r->last_ts, exit);
    mc_sampler_close(r->sampler);
    mc_run_info_fini(&r->info);
    uv_close((uv_handle_t *)&r->tick_poll, on_closed);
    uv_close((uv_handle_t *)&r->drain_timer, on_closed);
    close(r->timer_fd);
    return r->frame_count;
}
