/* cmd_record.c: `memcam record`: record a program that publishes itself with memcam.h. */
#include <stddef.h>

#include "server/command.h"
#include "server/session.h"

static int run(const struct mc_settings *s)
{
    int has_program = s->program != NULL && s->program[0] != NULL;
    if (has_program + (s->name != NULL) + (s->pid != 0) != 1) {
        mc_say("record: say what to record, one of: --name NAME, --pid PID, -- PROGRAM ARG…; "
               "memcam ls lists what runs");
        return MC_EXIT_USAGE;
    }
    struct mc_session_options options = {.settings = s, .program = has_program ? s->program : NULL};
    return mc_session_run(&options);
}

const struct mc_command mc_command_record = {
    .name = "record",
    .bit = MC_FOR_RECORD,
    .arguments = "[OPTION…] --name NAME | --pid PID | -- PROGRAM ARG…",
    .summary = "record a traced program, with the dashboard",
    .details =
        "With -- the program is started, and it or a child of it is recorded to its end. With "
        "--pid\n"
        "a running program is, or what one that has ended left behind. With --name the newest\n"
        "program of that name is, and again whenever it is started. A recorder that takes over "
        "from\n"
        "one that was killed goes on with the same run. Ctrl-C ends the recording, and with -- "
        "the\n"
        "program (SIGTERM; a second Ctrl-C kills it).\n\n"
        "Exit status: 0 when something was recorded, whatever the program's own exit status (it "
        "is\n"
        "in the trace), 3 when nothing could be.\n\n"
        "examples:\n"
        "  memcam record -- ./imgserver --port 9000\n"
        "  memcam record --name imgserver --store /var/tmp/img.db --keep 7d --max-bytes 4GiB\n"
        "  memcam record --pid 4711 --dash 127.0.0.1:0\n",
    .args_min = 0,
    .args_max = 0,
    .run = run,
};
