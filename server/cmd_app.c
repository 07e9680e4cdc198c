/* cmd_app.c: `memcam app`: the app's own process, as `memcam serve` starts it.
 *
 * When it listens it writes "app URL" to the descriptor of --ready-fd and closes that. From then on
 * it needs its parent no more.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server/app.h"
#include "server/app_stats.h"
#include "server/command.h"
#include "server/loop_stats.h"
#include "server/token.h"
#include "tracer/error.h"

#define BEAT_MS 50
#define TELL_BEATS 5      /* the loop's figures, over a quarter of a second */
#define RING_EVENTS 65536 /* a busy second of events; the recorder drains many times a second */

struct host {
    uv_loop_t loop;
    uv_signal_t sigint, sigterm;
    uv_timer_t beat;
    struct mc_loop_stats stats;
    struct mc_app_stats held;
    unsigned beat_count;
    struct mc_tracer *tracer;
    struct mc_app *app;
    struct mc_http_server *server;
    char token[MC_TOKEN_BYTES];
};

/* "tests/demo/app.scm" is called "app"; what a tracer's name can't hold becomes '-'. */
static void name_make(const char *path, char name[64])
{
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t count = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);
    if (count > 63)
        count = 63;
    for (size_t i = 0; i < count; i++)
        name[i] = isalnum((unsigned char)base[i]) || strchr("._-", base[i]) != NULL ? base[i] : '-';
    name[count] = '\0';
    if (count == 0)
        strcpy(name, "app");
}

static void on_beat(uv_timer_t *timer)
{
    struct host *h = timer->data;
    mc_tracer_beat(h->tracer);
    if (h->beat_count++ % TELL_BEATS == 0) {
        mc_loop_stats_tell(&h->stats);
        mc_app_stats_tell(&h->held);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct host *h = handle->data;
    (void)number;
    uv_close((uv_handle_t *)&h->sigint, NULL);
    uv_close((uv_handle_t *)&h->sigterm, NULL);
    uv_close((uv_handle_t *)&h->beat, NULL);
    mc_loop_stats_stop(&h->stats);
    mc_app_stats_stop(&h->held);
    mc_http_server_close(h->server, NULL, NULL);
}

static struct mc_http_options http_options(const struct host *h, const struct mc_settings *s)
{
    struct mc_http_options options = {
        .name = "app",
        .address = s->listen,
        .tracer = h->tracer,
        .tls = (int)s->tls,
        .cert_file = s->cert,
        .key_file = s->key,
        .max_connections = (uint32_t)s->max_connections,
        .max_requests = (uint32_t)s->max_requests,
        .streams_per_connection = (uint32_t)s->streams,
        .body_max_bytes = (uint32_t)s->body_max_bytes,
        .idle_timeout_ms = (uint32_t)(s->idle_timeout_ns / 1000000),
        .host_allow = s->hosts,
        .token = h->token[0] != '\0' ? h->token : NULL,
        .handler = mc_app_handle,
        .arg = h->app,
    };
    options.always = mc_http_app_headers(&options.always_count);
    return options;
}

/* Before there is anything to record: an address that is taken leaves no run. 0, or told. */
static int address_check(const struct host *h, const struct mc_settings *s)
{
    struct mc_http_options options = http_options(h, s);
    char why[512] = "";
    int rc = mc_http_address_check(&options, why, sizeof(why));
    if (rc != 0)
        mc_say_failure(s->listen, rc, why);
    return rc;
}

static int listen_start(struct host *h, const struct mc_settings *s)
{
    struct mc_http_options options = http_options(h, s);
    char why[512] = "";
    int rc = mc_http_server_open(&h->loop, &options, &h->server, why, sizeof(why));
    if (rc != 0)
        mc_say_failure(s->listen, rc, why);
    return rc;
}

static void ready_tell(const struct host *h, const struct mc_settings *s)
{
    char line[160];
    int bytes = snprintf(line, sizeof(line), "app %s://%s\n", mc_http_server_scheme(h->server),
                         mc_http_server_address(h->server));
    int fd = s->ready_fd != 0 ? (int)s->ready_fd : STDOUT_FILENO;
    /* A parent that is gone does not matter: the app serves. */
    if (write(fd, line, (size_t)bytes) != bytes)
        mc_say("app: could not tell that it is ready");
    if (fd != STDOUT_FILENO)
        close(fd);
}

static void handles_start(struct host *h)
{
    mc_loop_stats_start(&h->stats, &h->loop, h->tracer);
    mc_app_stats_start(&h->held, h->tracer, h->server, mc_app_vm(h->app));
    uv_timer_init(&h->loop, &h->beat);
    uv_signal_init(&h->loop, &h->sigint);
    uv_signal_init(&h->loop, &h->sigterm);
    h->beat.data = h->sigint.data = h->sigterm.data = h;
    uv_timer_start(&h->beat, on_beat, 0, BEAT_MS);
    uv_signal_start(&h->sigint, on_signal, SIGINT);
    uv_signal_start(&h->sigterm, on_signal, SIGTERM);
}

/* Make all of it; an enum mc_exit, told on stderr. */
static int host_start(struct host *h, const struct mc_settings *s, const char *name)
{
    struct mc_app_options options = {.loop = &h->loop,
                                     .tracer = h->tracer,
                                     .name = name,
                                     .handler_timeout_ns = s->handler_timeout_ns};
    h->app = mc_app_new(&options);
    if (h->app == NULL) {
        mc_say("app: out of memory");
        return MC_EXIT_FAILED;
    }
    struct scm_error err;
    if (mc_app_load(h->app, s->args[0], &err) != 0) {
        if (strcmp(err.kind, "exit") == 0)
            return mc_app_exit_status(h->app);
        mc_say("%s: %s", err.where[0] != '\0' ? err.where : s->args[0], err.message);
        return MC_EXIT_USAGE;
    }
    if (listen_start(h, s) != 0)
        return MC_EXIT_FAILED;
    handles_start(h);
    ready_tell(h, s);
    return MC_EXIT_DONE;
}

static int run(const struct mc_settings *s)
{
    char name[64];
    name_make(s->args[0], name);
    prctl(PR_SET_NAME, "memcam-app"); /* it was started as /proc/self/exe */
    signal(SIGPIPE, SIG_IGN);
    mc_app_stats_count();
    struct host h = {0};
    if (mc_token_load(s, h.token) != 0 || address_check(&h, s) != 0)
        return MC_EXIT_FAILED;
    struct mc_options tracing = {.struct_bytes = sizeof(tracing),
                                 .build = MC_VERSION,
                                 .label = s->label,
                                 .thread_count = 2,
                                 .ring_events = RING_EVENTS};
    h.tracer = mc_tracer_open(name, &tracing);
    if (h.tracer == NULL) {
        mc_say(
            "app: the tracer cannot open (%m): set MEMCAM_DIR to a directory that you can write");
        return MC_EXIT_FAILED;
    }
    int status = MC_EXIT_FAILED;
    if (uv_loop_init(&h.loop) == 0) {
        status = host_start(&h, s, name);
        uv_run(&h.loop, UV_RUN_DEFAULT);
        mc_app_free(h.app);
        uv_loop_close(&h.loop);
    }
    mc_tracer_close(h.tracer);
    return status;
}

const struct mc_command mc_command_app = {
    .name = "app",
    .bit = MC_FOR_SERVE,
    .arguments = "APP.scm [OPTION…]",
    .summary = "the app's process of memcam serve",
    .details = "",
    .args_min = 1,
    .args_max = 1,
    .hidden = 1,
    .run = run,
};
