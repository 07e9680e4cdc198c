/* cmd_export.c: `memcam export`: a run, or a span of it, for other programs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/export.h"
#include "server/command.h"
#include "tracer/error.h"

/* Where the bytes go. */
struct output {
    const char *name;
    int fd;
    int errno_value; /* why it can't be written any more; 0 */
    long long written_bytes;
    int shows_progress; /* stderr is a terminal, and the bytes go elsewhere */
    int is_shown;       /* a line of progress stands there */
};

static int on_bytes(void *arg, const void *bytes, size_t count)
{
    struct output *o = arg;
    for (const char *at = bytes; count > 0;) {
        ssize_t wrote = write(o->fd, at, count);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            o->errno_value = errno;
            return MC_EIO;
        }
        at += wrote;
        count -= (size_t)wrote;
        o->written_bytes += wrote;
    }
    return 0;
}

static void on_progress(void *arg, int percent)
{
    struct output *o = arg;
    if (!o->shows_progress)
        return;
    fprintf(stderr, "\r\x1b[Kexporting: %d %%", percent);
    o->is_shown = 1;
}

static void progress_clear(struct output *o)
{
    if (o->is_shown)
        fputs("\r\x1b[K", stderr);
    o->is_shown = 0;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

/* A bit for each table of a comma list, or 0 with a line said. */
static unsigned tables_parse(const char *text)
{
    unsigned tables = 0;
    for (const char *at = text;; at++) {
        size_t bytes = strcspn(at, ",");
        int table = 0;
        const char *name;
        while ((name = mc_export_table_name(table)) != NULL &&
               (strlen(name) != bytes || memcmp(name, at, bytes) != 0))
            table++;
        if (name == NULL) {
            mc_say("export: no table '%.*s': give one of gap, mark, event, gc_event, slot_change, "
                   "pool_sample, arena_sample, heap_sample, metric_sample, process_sample",
                   (int)bytes, at);
            return 0;
        }
        tables |= 1u << table;
        at += bytes;
        if (*at == '\0')
            return tables;
    }
}

/* Fill the options from the settings. 0, or MC_EINVAL with a line said. */
static int options_read(const struct mc_settings *s, struct mc_export_options *opts)
{
    int format = 0;
    while (strcmp(mc_export_format_name(format), s->format) != 0)
        format++;
    opts->format = (enum mc_export_format)format;
    opts->from = s->from;
    opts->to = s->to;
    if (s->from >= s->to) {
        mc_say("export: --from is not before --to: give a span that begins before it ends");
        return MC_EINVAL;
    }
    int has_tables = format == MC_EXPORT_CSV || format == MC_EXPORT_JSONL;
    if (s->table != NULL && !has_tables) {
        mc_say("export: --table goes with --format csv and jsonl only: leave it out");
        return MC_EINVAL;
    }
    opts->tables = format == MC_EXPORT_CSV ? 1u << MC_EXPORT_POOL_SAMPLE : MC_EXPORT_ALL_TABLES;
    if (s->table != NULL)
        opts->tables = tables_parse(s->table);
    if (opts->tables == 0)
        return MC_EINVAL;
    if (format == MC_EXPORT_CSV && (opts->tables & (opts->tables - 1)) != 0) {
        mc_say("export: csv holds one table, not '%s': export each by itself, or use jsonl",
               s->table);
        return MC_EINVAL;
    }
    return 0;
}

/* The run that is asked for, or the newest; 0 with a line said. */
static int64_t run_find(struct mc_reader *reader, const char *path, int64_t wanted)
{
    struct mc_run_info *runs;
    size_t count;
    int rc = mc_reader_runs(reader, &runs, &count);
    if (rc != 0) {
        mc_say("export: %s: %s", path, mc_strerror(rc));
        return 0;
    }
    int64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted == 0 || runs[i].run_id == wanted)
            found = runs[i].run_id;
        mc_run_info_fini(&runs[i]);
    }
    free(runs);
    if (count == 0)
        mc_say("export: %s holds no run yet: record one first", path);
    else if (found == 0)
        mc_say("export: %s has no run %lld: memcam runs %s lists them", path, (long long)wanted,
               path);
    return found;
}

/* ---- the output ----------------------------------------------------------------------------- */

/* 0, or an exit status with a line said. */
static int output_open(struct output *o, const char *name, const char *trace_path)
{
    *o = (struct output){.name = name, .fd = STDOUT_FILENO};
    if (strcmp(name, "-") == 0) {
        o->name = "stdout";
    } else {
        struct stat trace, file;
        if (stat(trace_path, &trace) == 0 && stat(name, &file) == 0 &&
            trace.st_dev == file.st_dev && trace.st_ino == file.st_ino) {
            mc_say("export: --output %s is the trace itself: give another file", name);
            return MC_EXIT_USAGE;
        }
        o->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (o->fd < 0) {
            mc_say("export: %s: %s: give a file that can be written", name, strerror(errno));
            return MC_EXIT_FAILED;
        }
    }
    o->shows_progress = isatty(STDERR_FILENO) && !isatty(o->fd);
    return 0;
}

static void output_close(struct output *o)
{
    if (o->fd != STDOUT_FILENO && close(o->fd) != 0 && o->errno_value == 0)
        o->errno_value = errno;
}

/* The exit status, with a line said where it went wrong. A reader that has seen enough and closed
 * the pipe is no error. */
static int finish(const struct output *o, const char *path, int rc)
{
    if (o->errno_value == EPIPE)
        return MC_EXIT_DONE;
    if (o->errno_value != 0) {
        mc_say("export: %s: %s: it holds only the first %lld bytes of the export; make room or "
               "give another --output",
               o->name, strerror(o->errno_value), o->written_bytes);
        return MC_EXIT_FAILED;
    }
    if (rc != 0) {
        mc_say("export: %s: %s; what was written to %s is not complete", path, mc_strerror(rc),
               o->name);
        return MC_EXIT_FAILED;
    }
    return MC_EXIT_DONE;
}

static int run(const struct mc_settings *s)
{
    const char *path = s->args[0];
    struct mc_export_options opts = {.write = on_bytes, .progress = on_progress};
    if (options_read(s, &opts) != 0)
        return MC_EXIT_USAGE;
    struct mc_reader *reader;
    char why[512] = "";
    int rc = mc_reader_open(path, &reader, why, sizeof(why));
    if (rc != 0) {
        mc_say("%s", why[0] != '\0' ? why : mc_strerror(rc));
        return MC_EXIT_FAILED;
    }
    struct output output;
    opts.run_id = run_find(reader, path, s->run_id);
    int status = opts.run_id == 0 ? MC_EXIT_FAILED : output_open(&output, s->output, path);
    if (status == 0) {
        opts.arg = &output;
        signal(SIGPIPE, SIG_IGN);
        rc = mc_export(reader, &opts);
        progress_clear(&output);
        output_close(&output);
        status = finish(&output, path, rc);
    }
    mc_reader_close(reader);
    return status;
}

const struct mc_command mc_command_export = {
    .name = "export",
    .bit = MC_FOR_EXPORT,
    .arguments = "FILE [--run N] [--from T] [--to T] [--format F] [--output FILE] [--table TABLE]",
    .summary = "a run, or a span of it, for other programs",
    .details =
        "FILE is a trace, also one that is being recorded.\n"
        "  csv          one table as memcam query has it, pool_sample when none is named\n"
        "  jsonl        a JSON object a line, \"table\" first, all tables by time\n"
        "  openmetrics  numbers with their times, as Prometheus takes them in:\n"
        "               promtool tsdb create-blocks-from openmetrics FILE\n"
        "  perfetto     counters, connections, requests and collections for ui.perfetto.dev\n"
        "Tables: gap mark event gc_event slot_change pool_sample arena_sample heap_sample\n"
        "metric_sample process_sample. Damaged parts of a trace are passed over, and are gaps.\n\n"
        "examples:\n"
        "  memcam export memcam.db --format csv --table event --output events.csv\n"
        "  memcam export memcam.db --from 1m30s --to 2m --table pool_sample,gc_event\n"
        "  memcam export memcam.db --format openmetrics --output run.om\n"
        "  memcam export memcam.db --format perfetto --output run.json\n",
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
