/* cmd_serve.c: `memcam serve`: a Scheme web app, recorded, with the dashboard.
 *
 * This process records and serves the dashboard; the app runs in a child of its own (`memcam app`,
 * cmd_app.c), so that one that hangs, stops or is killed leaves the other as it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/command.h"
#include "server/session.h"

static int run(const struct mc_settings *s)
{
    struct stat st;
    if (stat(s->args[0], &st) != 0 || S_ISDIR(st.st_mode) || access(s->args[0], R_OK) != 0) {
        mc_say("serve: %s: cannot be read; give a Scheme file", s->args[0]);
        return MC_EXIT_FAILED;
    }
    /* The child reads our own arguments, by the same table. */
    char **argv = calloc((size_t)s->given_count + 5, sizeof(*argv));
    if (argv == NULL) {
        mc_say("serve: out of memory");
        return MC_EXIT_FAILED;
    }
    static char program[] = "memcam", app[] = "app", ready[] = "--ready-fd", descriptor[] = "3";
    char *head[] = {program, app, ready, descriptor};
    memcpy(argv, head, sizeof(head));
    memcpy(argv + 4, s->given, (size_t)s->given_count * sizeof(*argv));
    struct mc_session_options options = {.settings = s, .program = argv, .serves_app = 1};
    int status = mc_session_run(&options);
    free(argv);
    return status;
}

const struct mc_command mc_command_serve = {
    .name = "serve",
    .bit = MC_FOR_SERVE,
    .arguments = "APP.scm [OPTION…]",
    .summary = "run a Scheme web app, recorded, with the dashboard",
    .details =
        "When both are ready, stdout has a line each: app URL and dashboard URL. Ctrl-C ends "
        "both;\n"
        "the trace stays and can be replayed. The app goes on when its recorder is killed:\n"
        "memcam record --name attaches a new one. An address that is not loopback needs --tls, "
        "and\n"
        "demands a token: the one in --token-file, else in STORE.token.\n\n"
        "Exit status: 0 ended as asked, 2 the script has an error, 3 it could not start or the "
        "app\n"
        "crashed.\n\n"
        "examples:\n"
        "  memcam serve app.scm\n"
        "  memcam serve app.scm --listen 127.0.0.1:0 --dash 127.0.0.1:0 --store /tmp/run.db\n"
        "  memcam serve app.scm --listen 0.0.0.0:8443 --tls --cert c.pem --key k.pem --host "
        "example.org\n",
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
