/* session.c: see session.h. A session looks for its program, records a run, learns how it ended,
 * and either looks again or closes.
 */
#include "server/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/command.h"
#include "server/session_priv.h"
#include "tracer/error.h"

#define MS INT64_C(1000000)
#define LOOK_FAST_MS 10 /* a program that has just been started may be short-lived */
#define LOOK_FAST_NS (2000 * MS)
#define LOOK_MS 100
#define ENDING_MS 2000 /* a process that has closed its tracer may take so long to end */
#define APP_WAIT_NS (10000 * MS)
#define LOADING_NS (5000 * MS)

static void look_start(struct session *s);

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void handle_close(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void pidfd_close(struct session *s)
{
    if (s->pidfd < 0)
        return;
    uv_close((uv_handle_t *)&s->pidfd_poll, NULL);
    close(s->pidfd);
    s->pidfd = -1;
}

static void session_close(struct session *s)
{
    if (s->phase == SESSION_CLOSING)
        return;
    s->phase = SESSION_CLOSING;
    int has_begun = !s->opts->serves_app || s->is_ready;
    if (s->frame_count > 0 && has_begun) {
        char program[1024], store[1024];
        mc_shell_word(program_invocation_name, program, sizeof(program));
        mc_shell_word(s->settings->store, store, sizeof(store));
        const char *trouble = s->writer != NULL ? mc_writer_trouble(s->writer) : NULL;
        if (trouble == NULL)
            mc_say("recorded %lld frames; replay them with: %s replay %s",
                   (long long)s->frame_count, program, store);
        else {
            mc_say("recorded %lld frames, not all of them into the trace: %s",
                   (long long)s->frame_count, trouble);
            if (s->status == MC_EXIT_DONE)
                s->status = MC_EXIT_FAILED;
        }
    }
    mc_dashboard_close(s->dashboard, NULL, NULL);
    handle_close((uv_handle_t *)&s->look_timer);
    handle_close((uv_handle_t *)&s->second_timer);
    handle_close((uv_handle_t *)&s->sigint);
    handle_close((uv_handle_t *)&s->sigterm);
    pidfd_close(s);
    mc_session_child_close(s);
}

/* The status of a session that ends because there is nothing more to record. */
static void session_done(struct session *s)
{
    if (s->opts->serves_app && !s->is_stopping && s->child_exit != 0) {
        s->status = !s->is_ready && s->child_exit == MC_EXIT_USAGE ? MC_EXIT_USAGE : MC_EXIT_FAILED;
        int has_told_why = !s->is_ready && s->child_exit > 0 && s->child_exit <= MC_EXIT_FAILED;
        if (!has_told_why)
            mc_say("the app has ended: %s", s->child_end);
    } else if (s->frame_count == 0 && s->status == MC_EXIT_DONE && !s->opts->serves_app) {
        s->status = MC_EXIT_FAILED;
        if (s->opts->program != NULL)
            mc_say("%s ended (%s) without publishing anything: link it with libmemcam and call "
                   "mc_tracer_open, and let it write to the folder of $MEMCAM_DIR",
                   s->opts->program[0], s->child_end);
        else
            mc_say("nothing was recorded; memcam ls lists what can be");
    }
    session_close(s);
}

static void run_over(struct session *s, const char *exit)
{
    uv_timer_stop(&s->look_timer);
    s->frame_count += mc_recorder_close(s->recorder, exit);
    s->recorder = NULL;
    s->target.passed_over = s->program.path;
    pidfd_close(s);
    int looks_again = s->target.name != NULL || s->child_pid != 0;
    if (s->is_stopping && s->child_pid == 0)
        looks_again = 0;
    if (!looks_again) {
        session_done(s);
        return;
    }
    if (s->target.name != NULL)
        mc_say("%s (pid %lld) has ended: %s; waiting for its next start", s->program.name,
               (long long)s->program.pid, exit);
    look_start(s);
}

/* ---- how the program ended ------------------------------------------------------------------- */

static int is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

static void on_ending_timer(uv_timer_t *timer)
{
    struct session *s = timer->data;
    const char *end = mc_session_how_ended(s);
    int has_only_closed = strcmp(end, "gone") == 0 && is_alive((pid_t)s->program.pid);
    run_over(s, has_only_closed ? "closed" : end);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
    struct session *s = poll->data;
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    if (s->recorder != NULL)
        run_over(s, mc_session_how_ended(s));
}

static void pidfd_watch(struct session *s)
{
    s->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)s->program.pid, 0);
    if (s->pidfd < 0)
        return; /* the sampler notices, too */
    if (uv_poll_init(&s->loop, &s->pidfd_poll, s->pidfd) != 0) {
        close(s->pidfd);
        s->pidfd = -1;
        return;
    }
    s->pidfd_poll.data = s;
    uv_poll_start(&s->pidfd_poll, UV_READABLE, on_pidfd);
}

static void on_recorder_stopped(void *arg, int code)
{
    struct session *s = arg;
    if (code != MC_END) {
        s->status = MC_EXIT_FAILED;
        run_over(s, "segment damaged");
        return;
    }
    if (s->opts->program != NULL && s->child_pid == 0 && s->program.pid == s->child.pid) {
        run_over(s, s->child_end);
        return;
    }
    s->phase = SESSION_ENDED_RUN;
    uv_timer_start(&s->look_timer, on_ending_timer,
                   is_alive((pid_t)s->program.pid) || s->child_pid != 0 ? ENDING_MS : 0, 0);
}

void mc_session_child_ended(struct session *s)
{
    if (s->phase == SESSION_CLOSING)
        return;
    if (s->recorder != NULL) {
        int is_other = s->program.pid != s->child.pid;
        if (is_other && s->phase == SESSION_RECORDING && is_alive((pid_t)s->program.pid)) {
            mc_say("%s has ended (%s); its child %s (pid %lld) goes on", s->opts->program[0],
                   s->child_end, s->program.name, (long long)s->program.pid);
            return;
        }
        run_over(s, s->child_end);
        return;
    }
    look_start(s); /* a last time: it may have ended before it was seen */
}

/* ---- finding the program --------------------------------------------------------------------- */

static int attach(struct session *s)
{
    const struct mc_settings *o = s->settings;
    struct mc_recorder_options options = {
        .loop = &s->loop,
        .writer = s->writer,
        .dashboard = s->dashboard,
        .interval_ns = o->interval_ns,
        .event_clock_ns = (int)o->event_clock_ns,
        .label = o->label,
        .config = s->config,
        .stopped = on_recorder_stopped,
        .arg = s,
    };
    char why[640] = "";
    int rc = mc_recorder_open(s->program.path, &options, &s->recorder, why, sizeof(why));
    if (rc != 0) {
        mc_say_failure(s->program.path, rc, why);
        return rc;
    }
    s->run_count++;
    s->target.left = NULL;
    s->phase = SESSION_RECORDING;
    uv_timer_stop(&s->look_timer);
    if (s->program.pid != s->child.pid)
        pidfd_watch(s);
    if (!s->opts->serves_app)
        mc_say("recording %s (pid %lld) into %s as run %lld", s->program.name,
               (long long)s->program.pid, o->store,
               (long long)mc_recorder_info(s->recorder)->run_id);
    mc_session_ready(s);
    return 0;
}

/* There is no such program to record; or there is, but what it publishes can't be read. */
static void tell_no_pid(pid_t pid)
{
    char path[512], why[640] = "";
    struct mc_sampler *sampler;
    struct mc_sampler_options sampling = {.interval_ns = 100 * MS};
    int rc = mc_target_file(pid, path, sizeof(path));
    if (rc == 0)
        rc = mc_sampler_open(path, &sampling, &sampler, why, sizeof(why));
    if (rc == 0)
        mc_sampler_close(sampler);
    if (why[0] != '\0')
        mc_say_failure(path, rc, why);
    else
        mc_say("record: no program with pid %d publishes its memory; memcam ls lists those that do",
               (int)pid);
}

/* The program was not found this time. */
static void look_failed(struct session *s)
{
    if (s->target.pid != 0) {
        tell_no_pid(s->target.pid);
        s->status = MC_EXIT_FAILED;
        session_close(s);
        return;
    }
    if (s->opts->program == NULL)
        return;
    if (s->child_pid == 0) {
        session_done(s);
        return;
    }
    int64_t wait_ns = s->opts->serves_app ? APP_WAIT_NS : s->settings->wait_ns;
    if (s->run_count > 0 || s->is_stopping ||
        clock_ns(CLOCK_MONOTONIC) - s->look_since_ns < wait_ns)
        return;
    mc_say("%s (pid %d) has opened no tracer in %.1f s: link it with libmemcam and call "
           "mc_tracer_open, see memcam.h, or give it longer with --wait; ending it",
           s->opts->program[0], (int)s->child_pid, (double)wait_ns / 1e9);
    s->status = MC_EXIT_FAILED;
    s->is_stopping = 1;
    mc_session_child_stop(s);
}

static void on_look(uv_timer_t *timer)
{
    struct session *s = timer->data;
    if (s->phase != SESSION_LOOKING) {
        uv_timer_stop(timer); /* an attached recorder isn't woken for nothing */
        return;
    }
    int is_fast =
        s->opts->program != NULL && clock_ns(CLOCK_MONOTONIC) - s->look_since_ns < LOOK_FAST_NS;
    uv_timer_set_repeat(timer, is_fast ? LOOK_FAST_MS : LOOK_MS);
    struct mc_program found;
    if (mc_target_find(&s->target, &found) != 0) {
        look_failed(s);
        return;
    }
    s->program = found;
    s->target.passed_over = NULL;
    if (attach(s) == 0)
        return;
    s->target.passed_over = s->program.path;
    if (s->target.pid != 0 || s->opts->program != NULL) {
        s->status = MC_EXIT_FAILED;
        s->is_stopping = 1;
        if (s->child_pid != 0)
            mc_session_child_stop(s);
        else
            session_close(s);
    }
}

static void look_start(struct session *s)
{
    s->phase = SESSION_LOOKING;
    uv_timer_start(&s->look_timer, on_look, 0, LOOK_FAST_MS);
}

/* ---- the beginning --------------------------------------------------------------------------- */

void mc_session_ready(struct session *s)
{
    if (!s->opts->serves_app || !s->is_ready || s->recorder == NULL || s->run_count != 1)
        return;
    printf("%s\ndashboard %s\n", s->ready, mc_dashboard_url(s->dashboard));
    fflush(stdout);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct session *s = handle->data;
    (void)number;
    if (s->phase == SESSION_CLOSING)
        return;
    s->is_stopping = 1;
    if (s->child_pid != 0)
        mc_session_child_stop(s);
    else if (s->recorder != NULL && s->opts->program != NULL && is_alive((pid_t)s->program.pid))
        kill((pid_t)s->program.pid, SIGTERM); /* it was left behind by the child that we started */
    else if (s->recorder != NULL)
        run_over(s, "recorder stopped");
    else
        session_done(s);
}

/* A script that does not come to its end: say so once, or all is silent. */
static void tell_loading(struct session *s)
{
    if (!s->opts->serves_app || s->is_ready || s->is_stopping || s->child_pid == 0 ||
        s->has_told_loading || clock_ns(CLOCK_MONOTONIC) - s->look_since_ns < LOADING_NS)
        return;
    s->has_told_loading = 1;
    mc_say("%s is still being loaded after %d s, and serves nothing yet; its memory is at %s, "
           "Ctrl-C ends it",
           s->settings->args[0], (int)(LOADING_NS / 1000000000), mc_dashboard_url(s->dashboard));
}

static void on_second(uv_timer_t *timer)
{
    struct session *s = timer->data;
    tell_loading(s);
    const char *trouble = mc_writer_trouble(s->writer);
    if (trouble == NULL)
        trouble = "";
    /* "t.db: disk full: 120 frames dropped": told again only when it is another trouble. */
    const char *count = strrchr(trouble, ':');
    if (strncmp(s->trouble_text, trouble, count ? (size_t)(count - trouble) : 1) == 0)
        return;
    if (trouble[0] != '\0')
        mc_say("%s; recording goes on", trouble);
    else if (s->trouble_text[0] != '\0')
        mc_say("%s: can be written again", s->settings->store);
    snprintf(s->trouble_text, sizeof(s->trouble_text), "%s", trouble);
}

static int store_open(struct session *s)
{
    const struct mc_settings *o = s->settings;
    struct mc_writer_options options = {.keep_ns = o->keep_ns, .max_bytes = o->max_bytes};
    char why[512] = "";
    int rc = mc_writer_open(o->store, &options, &s->writer, why, sizeof(why));
    if (rc != 0)
        mc_say_failure(o->store, rc, why);
    snprintf(s->config, sizeof(s->config),
             "{\"interval_ns\":%lld,\"event_clock\":\"%s\",\"keep_ns\":%lld,\"max_bytes\":%lld}",
             (long long)o->interval_ns, o->event_clock_ns ? "ns" : "us", (long long)o->keep_ns,
             (long long)o->max_bytes);
    return rc;
}

static struct mc_http_options dashboard_http(const struct session *s)
{
    const struct mc_settings *o = s->settings;
    return (struct mc_http_options){
        .name = "dashboard",
        .address = o->dash,
        .tls = (int)o->tls,
        .cert_file = o->cert,
        .key_file = o->key,
        .host_allow = o->hosts,
        .token = s->token[0] != '\0' ? s->token : NULL,
    };
}

/* Before the store is made: an address that is taken leaves no file. 0, or told. */
static int dashboard_check(const struct session *s)
{
    struct mc_http_options options = dashboard_http(s);
    char why[512] = "";
    int rc = mc_http_address_check(&options, why, sizeof(why));
    if (rc != 0)
        mc_say_failure(s->settings->dash, rc, why);
    return rc;
}

static int dashboard_open(struct session *s)
{
    const struct mc_settings *o = s->settings;
    struct mc_dashboard_options options = {
        .http = dashboard_http(s),
        .trace_paths = &o->store,
        .trace_count = 1,
        .writer = s->writer,
    };
    char why[512] = "";
    int rc = mc_dashboard_open(&s->loop, &options, &s->dashboard, why, sizeof(why));
    if (rc != 0)
        mc_say_failure(o->dash, rc, why);
    return rc;
}

static void handles_start(struct session *s)
{
    uv_timer_init(&s->loop, &s->look_timer);
    uv_timer_init(&s->loop, &s->second_timer);
    uv_signal_init(&s->loop, &s->sigint);
    uv_signal_init(&s->loop, &s->sigterm);
    s->look_timer.data = s->second_timer.data = s->sigint.data = s->sigterm.data = s;
    uv_timer_start(&s->second_timer, on_second, 1000, 1000);
    uv_signal_start(&s->sigint, on_signal, SIGINT);
    uv_signal_start(&s->sigterm, on_signal, SIGTERM);
}

static void target_choose(struct session *s)
{
    const struct mc_settings *o = s->settings;
    s->look_since_ns = clock_ns(CLOCK_MONOTONIC);
    s->target.since_wall_ns = clock_ns(CLOCK_REALTIME);
    s->target.mark = s->mark;
    if (s->opts->program == NULL) {
        s->target.name = o->name;
        s->target.pid = (pid_t)o->pid;
        return;
    }
    if (mc_session_child_start(s) == 0) {
        s->target.child = s->child_pid;
        return;
    }
    s->status = MC_EXIT_FAILED;
    session_close(s);
}

static void session_begin(struct session *s)
{
    handles_start(s);
    target_choose(s);
    if (s->phase == SESSION_CLOSING)
        return;
    if (!s->opts->serves_app) {
        printf("dashboard %s\n", mc_dashboard_url(s->dashboard));
        fflush(stdout);
    }
    struct mc_program found;
    if (s->target.name != NULL)
        mc_session_left_find(s);
    if (s->target.name != NULL && mc_target_find(&s->target, &found) != 0)
        mc_say("record: waiting for a program named %s; memcam ls lists those that run",
               s->target.name);
    look_start(s);
}

int mc_session_run(const struct mc_session_options *opts)
{
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL || uv_loop_init(&s->loop) != 0) {
        mc_say("out of memory");
        free(s);
        return MC_EXIT_FAILED;
    }
    signal(SIGPIPE, SIG_IGN);
    s->opts = opts;
    s->settings = opts->settings;
    s->pidfd = -1;
    s->status = MC_EXIT_FAILED;
    if (mc_token_load(s->settings, s->token) != 0 || dashboard_check(s) != 0 || store_open(s) != 0)
        goto close_loop;
    if (dashboard_open(s) != 0)
        goto close_writer;
    s->status = MC_EXIT_DONE;
    session_begin(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
close_writer:
    mc_writer_close(s->writer);
close_loop:
    uv_run(&s->loop, UV_RUN_DEFAULT); /* what a failed open has left to be closed */
    uv_loop_close(&s->loop);
    int status = s->status;
    free(s);
    return status;
}
