/* main.c: the program: a table of commands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/command.h"
#include "tracer/error.h"

static const struct mc_command *const commands[] = {
    &mc_command_serve, &mc_command_record, &mc_command_replay, &mc_command_query,
    &mc_command_runs,  &mc_command_check,  &mc_command_diff,   &mc_command_export,
    &mc_command_ls,    &mc_command_repl,   &mc_command_app,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
    fputs("memcam " MC_VERSION ": a dashcam for a server's memory\n\n"
          "usage: memcam COMMAND [OPTION…] [ARGUMENT…]\n\ncommands:\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmemcam COMMAND --help tells more of each. Exit status: 0 done, 1 the answer is \"no\" "
          "or\n\"different\", 2 wrong usage or a script with an error, 3 it could not be done.\n",
          out);
}

/* A trace must never be opened as descriptor 2, where error lines go. */
static void descriptors_fill(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    descriptors_fill();
    if (argc < 2) {
        mc_say("a command is missing: memcam COMMAND; see memcam --help");
        return MC_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return mc_stdout_finish();
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("memcam " MC_VERSION);
        return mc_stdout_finish();
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i]->name) != 0)
            continue;
        struct mc_settings settings;
        int rc = mc_settings_parse(commands[i], argc - 2, argv + 2, &settings);
        if (rc == MC_END)
            return mc_stdout_finish();
        return rc != 0 ? MC_EXIT_USAGE : commands[i]->run(&settings);
    }
    mc_say("unknown command '%s'; memcam --help lists them", argv[1]);
    return MC_EXIT_USAGE;
}
