/* cmd_runs.c: `memcam runs`: what a trace holds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replay/stream.h"
#include "server/command.h"
#include "server/table.h"
#include "store/trace.h"
#include "tracer/error.h"

static void print_json(const struct mc_run_info *runs, size_t count)
{
    struct mc_buf out = {0};
    mc_buf_add_str(&out, "{\"runs\":[");
    for (size_t i = 0; i < count; i++) {
        mc_buf_add_str(&out, i > 0 ? ",\n" : "");
        mc_run_json(&runs[i], &out);
    }
    mc_buf_add_str(&out, "]}\n");
    if (!out.failed)
        fwrite(out.bytes, 1, out.count, stdout);
    mc_buf_fini(&out);
}

static int print_table(const struct mc_run_info *runs, size_t count)
{
    static const char *const names[] = {"run",     "label",   "program", "pid",
                                        "started", "seconds", "exit"};
    static const enum mc_table_type types[] = {MC_TABLE_INTEGER, MC_TABLE_TEXT, MC_TABLE_TEXT,
                                               MC_TABLE_INTEGER, MC_TABLE_TEXT, MC_TABLE_REAL,
                                               MC_TABLE_TEXT};
    struct mc_table *table = mc_table_begin("table", 7, names);
    int rc = table != NULL ? 0 : MC_ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct mc_run_info *r = &runs[i];
        char id[24], pid[24], started[32] = "", seconds[32];
        struct tm local;
        time_t when = (time_t)(r->start_wall_ns / 1000000000);
        snprintf(id, sizeof(id), "%lld", (long long)r->run_id);
        snprintf(pid, sizeof(pid), "%lld", (long long)r->pid);
        if (localtime_r(&when, &local) != NULL)
            strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S", &local);
        snprintf(seconds, sizeof(seconds), "%.1f", (double)r->end_ts / 1e9);
        const char *text[] = {
            id, r->label, r->program, pid, started, seconds, r->live ? "(recording)" : r->exit};
        rc = mc_table_row(table, text, types);
    }
    mc_table_end(table);
    return rc;
}

static int run(const struct mc_settings *s)
{
    struct mc_reader *reader;
    struct mc_run_info *runs = NULL;
    size_t count = 0;
    char why[512] = "";
    int rc = mc_reader_open(s->args[0], &reader, why, sizeof(why));
    if (rc != 0) {
        mc_say_failure(s->args[0], rc, why);
        return MC_EXIT_FAILED;
    }
    rc = mc_reader_runs(reader, &runs, &count);
    if (rc == 0 && s->format[0] == 'j')
        print_json(runs, count);
    else if (rc == 0)
        rc = print_table(runs, count);
    for (size_t i = 0; i < count; i++)
        mc_run_info_fini(&runs[i]);
    free(runs);
    mc_reader_close(reader);
    if (rc != 0) {
        mc_say("runs: %s: %s; try memcam check %s", s->args[0], mc_strerror(rc), s->args[0]);
        return MC_EXIT_FAILED;
    }
    return mc_stdout_finish();
}

const struct mc_command mc_command_runs = {
    .name = "runs",
    .bit = MC_FOR_RUNS,
    .arguments = "FILE [--format table|json]",
    .summary = "list the runs in a trace",
    .details = "A run is one life of a recorded program. json is as the dashboard's /api/runs: an\n"
               "object with an array \"runs\".\n\n"
               "examples:\n"
               "  memcam runs memcam.db\n"
               "  memcam runs memcam.db --format json\n",
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
