/* cmd_ls.c: `memcam ls`: the programs of this user that publish their memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/command.h"
#include "server/table.h"
#include "tracer/error.h"
#include "tracer/sampler.h"

static int print(const struct mc_settings *s, const struct mc_program *programs, size_t count)
{
    static const char *const names[] = {"name", "pid", "state", "started", "segment"};
    static const char *const json_names[] = {"name", "pid", "alive", "start_wall_ns", "segment"};
    enum mc_table_type types[] = {MC_TABLE_TEXT, MC_TABLE_INTEGER, MC_TABLE_TEXT, MC_TABLE_TEXT,
                                  MC_TABLE_TEXT};
    int is_json = s->format[0] == 'j';
    if (is_json) {
        types[2] = MC_TABLE_BOOLEAN;
        types[3] = MC_TABLE_INTEGER;
    }
    struct mc_table *table = mc_table_begin(s->format, 5, is_json ? json_names : names);
    int rc = table != NULL ? 0 : MC_ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct mc_program *p = &programs[i];
        char pid[24], started[32] = "";
        struct tm local;
        time_t when = (time_t)(p->start_wall_ns / 1000000000);
        snprintf(pid, sizeof(pid), "%lld", (long long)p->pid);
        if (is_json)
            snprintf(started, sizeof(started), "%lld", (long long)p->start_wall_ns);
        else if (localtime_r(&when, &local) != NULL)
            strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S", &local);
        const char *alive = is_json    ? (p->alive ? "true" : "false")
                            : p->alive ? "running"
                                       : "ended";
        const char *text[] = {p->name, pid, alive, started, p->path};
        rc = mc_table_row(table, text, types);
    }
    mc_table_end(table);
    return rc;
}

static int run(const struct mc_settings *s)
{
    struct mc_program *programs = NULL;
    size_t count = 0;
    int rc = mc_program_list(NULL, &programs, &count);
    if (rc == 0)
        rc = print(s, programs, count);
    free(programs);
    if (rc != 0) {
        char dir[512] = "the directory of segments";
        mc_segment_dir(dir, sizeof(dir));
        mc_say("ls: %s: %s; set MEMCAM_DIR to where the programs publish", dir, mc_strerror(rc));
        return MC_EXIT_FAILED;
    }
    return mc_stdout_finish();
}

const struct mc_command mc_command_ls = {
    .name = "ls",
    .bit = MC_FOR_LS,
    .arguments = "[--format table|json]",
    .summary = "list the programs that can be recorded",
    .details =
        "Lists what is published in $MEMCAM_DIR, else $XDG_RUNTIME_DIR/memcam, else\n"
        "/dev/shm/memcam-UID, newest first. A program that has ended stays there until it is\n"
        "started again: memcam record --pid PID still saves what it left behind.\n\n"
        "examples:\n"
        "  memcam ls\n"
        "  memcam record --name imgserver\n",
    .args_min = 0,
    .args_max = 0,
    .run = run,
};
