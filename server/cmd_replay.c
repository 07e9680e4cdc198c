/* cmd_replay.c: `memcam replay`: recorded runs in the dashboard, without a recorder. */
#include <signal.h>
#include <stdio.h>

#include "server/command.h"
#include "server/dashboard.h"
#include "server/token.h"
#include "tracer/error.h"

struct replay {
    uv_loop_t loop;
    uv_signal_t sigint, sigterm;
    struct mc_dashboard *dashboard;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct replay *r = handle->data;
    (void)number;
    mc_dashboard_close(r->dashboard, NULL, NULL);
    uv_close((uv_handle_t *)&r->sigint, NULL);
    uv_close((uv_handle_t *)&r->sigterm, NULL);
}

static int run(const struct mc_settings *s)
{
    char token[MC_TOKEN_BYTES];
    if (mc_token_load(s, token) != 0)
        return MC_EXIT_FAILED;
    struct replay r;
    if (uv_loop_init(&r.loop) != 0) {
        mc_say("replay: out of memory");
        return MC_EXIT_FAILED;
    }
    signal(SIGPIPE, SIG_IGN);
    struct mc_dashboard_options options = {
        .http = {.name = "dashboard",
                 .address = s->dash,
                 .tls = (int)s->tls,
                 .cert_file = s->cert,
                 .key_file = s->key,
                 .host_allow = s->hosts,
                 .token = token[0] != '\0' ? token : NULL},
        .trace_paths = (const char *const *)s->args,
        .trace_count = (size_t)s->arg_count,
    };
    char why[512] = "";
    int status = MC_EXIT_FAILED;
    int rc = mc_dashboard_open(&r.loop, &options, &r.dashboard, why, sizeof(why));
    if (rc != 0) {
        mc_say_failure(s->arg_count == 1 ? s->args[0] : "replay", rc, why);
    } else {
        uv_signal_init(&r.loop, &r.sigint);
        uv_signal_init(&r.loop, &r.sigterm);
        r.sigint.data = r.sigterm.data = &r;
        uv_signal_start(&r.sigint, on_signal, SIGINT);
        uv_signal_start(&r.sigterm, on_signal, SIGTERM);
        printf("dashboard %s\n", mc_dashboard_url(r.dashboard));
        status = mc_stdout_finish();
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    return status;
}

const struct mc_command mc_command_replay = {
    .name = "replay",
    .bit = MC_FOR_REPLAY,
    .arguments = "FILE… [OPTION…]",
    .summary = "show recorded runs in the dashboard",
    .details =
        "FILE is a trace, also one that is being recorded. The page plays, pauses, steps and\n"
        "seeks; any other client reads /api/runs/1/stream. Ctrl-C ends it.\n\n"
        "examples:\n"
        "  memcam replay memcam.db\n"
        "  memcam replay before.db after.db --dash 127.0.0.1:0\n",
    .args_min = 1,
    .args_max = MC_ARGS_MAX - 1,
    .run = run,
};
