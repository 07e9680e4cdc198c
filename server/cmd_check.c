/* cmd_check.c: `memcam check`: is a trace whole? */
#include <stdio.h>
#include <unistd.h>

#include "server/command.h"
#include "store/trace.h"
#include "tracer/error.h"

struct check {
    int shows_progress; /* stderr is a terminal */
    int percent;        /* shown last; -1 none */
};

static void on_check(void *arg, const char *finding, int percent)
{
    struct check *c = arg;
    if (c->percent >= 0 && finding != NULL) {
        fputs("\r\x1b[K", stderr);
        c->percent = -1;
    }
    if (finding != NULL) {
        puts(finding);
        fflush(stdout);
    } else if (c->shows_progress && percent != c->percent) {
        fprintf(stderr, "\r\x1b[Kchecking: %d %%", percent);
        c->percent = percent;
    }
}

static int run(const struct mc_settings *s)
{
    const char *path = s->args[0];
    if (access(path, R_OK) != 0) {
        struct mc_reader *reader;
        char why[512] = "";
        int rc = mc_reader_open(path, &reader, why, sizeof(why));
        mc_say_failure(path, rc, why);
        if (rc == 0)
            mc_reader_close(reader);
        return MC_EXIT_FAILED;
    }
    struct check check = {.shows_progress = isatty(STDERR_FILENO), .percent = -1};
    int64_t finding_count = 0;
    int rc = mc_trace_check(path, on_check, &check, &finding_count);
    if (check.percent >= 0)
        fputs("\r\x1b[K", stderr);
    if (rc != 0) {
        mc_say("check: %s: %s; give a file that memcam recorded", path, mc_strerror(rc));
        return MC_EXIT_FAILED;
    }
    if (finding_count == 0)
        printf("%s: no findings\n", path);
    else
        printf("%s: %lld finding%s; replay and SQL pass over what is damaged\n", path,
               (long long)finding_count, finding_count == 1 ? "" : "s");
    int status = mc_stdout_finish();
    return status == MC_EXIT_DONE && finding_count > 0 ? MC_EXIT_NO : status;
}

const struct mc_command mc_command_check = {
    .name = "check",
    .bit = MC_FOR_CHECK,
    .arguments = "FILE",
    .summary = "look for damage in a trace",
    .details = "Reads the whole file and prints a line for each finding: which chunk, which time.\n"
               "Exit status 0: none, 1: there are findings, 3: it could not be checked.\n\n"
               "examples:\n"
               "  memcam check memcam.db\n",
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
