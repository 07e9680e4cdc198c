/* api_runs.c: GET /api/runs, and GET /healthz. */
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "tracer/error.h"

static void add_text(struct mc_buf *out, const char *name, const char *text)
{
    mc_buf_printf(out, ",\"%s\":", name);
    if (text)
        mc_buf_add_json(out, text, strlen(text));
    else
        mc_buf_add_str(out, "null");
}

static void add_number(struct mc_buf *out, const char *name, int64_t value)
{
    mc_buf_printf(out, ",\"%s\":", name);
    mc_buf_add_i64(out, value);
}

static void add_run(struct mc_buf *out, const struct mc_trace_file *file, size_t file_idx,
                    const struct mc_run_info *info, int64_t first_ts, int64_t end_ts, int live)
{
    char name[48];
    mc_traces_run_name(file_idx, info->run_id, name, sizeof name);
    mc_buf_printf(out, "%s{\"run\":\"%s\"", out->bytes[out->count - 1] == '[' ? "" : ",", name);
    add_number(out, "run_id", info->run_id);
    add_text(out, "file", file->name);
    add_text(out, "label", info->label);
    add_text(out, "host", info->host);
    add_number(out, "pid", info->pid);
    add_text(out, "program", info->program);
    add_text(out, "build", info->build);
    mc_buf_printf(out, ",\"live\":%s", live ? "true" : "false");
    add_number(out, "start_wall_ns", info->start_wall_ns);
    add_number(out, "first_ts", first_ts);
    add_number(out, "end_ts", end_ts);
    add_text(out, "exit", info->exit);
    add_number(out, "interval_ns", info->interval_ns);
    mc_buf_add_char(out, '}');
}

/* One file's runs; the hub knows more of the live one than the file does yet. */
static int add_file(struct mc_dashboard *d, size_t file_idx, struct mc_buf *out)
{
    struct mc_trace_file *file = &d->traces.files[file_idx];
    const struct mc_run_info *live = file_idx == 0 ? mc_hub_run(d->hub) : NULL;
    const struct mc_frame *newest = mc_hub_newest(d->hub);
    struct mc_run_info *infos = NULL;
    size_t count = 0;
    struct mc_reader *reader;
    int code = mc_traces_borrow(file, &reader);
    if (code)
        return code;
    code = mc_reader_runs(reader, &infos, &count);
    int live_listed = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t first_ts = 0, last_ts = infos[i].end_ts;
        int is_live = live && infos[i].run_id == live->run_id;
        live_listed |= is_live;
        if (mc_reader_span(reader, infos[i].run_id, &first_ts, &last_ts) && is_live && newest)
            first_ts = mc_hub_first_ts(d->hub);
        if (is_live && newest)
            last_ts = newest->ts;
        add_run(out, file, file_idx, &infos[i], first_ts, last_ts,
                is_live || (infos[i].live && !infos[i].exit));
        mc_run_info_fini(&infos[i]);
    }
    free(infos);
    if (live && !live_listed && !code)
        add_run(out, file, file_idx, live, newest ? mc_hub_first_ts(d->hub) : 0,
                newest ? newest->ts : 0, 1);
    if (code)
        mc_reader_close(reader);
    else
        mc_traces_give(file, reader);
    return code;
}

void mc_api_runs(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    struct mc_buf body = {0};
    int code = 0;
    (void)run;
    mc_buf_add_str(&body, "{\"runs\":[");
    for (size_t i = 0; i < d->traces.count && !code && !body.failed; i++)
        code = add_file(d, i, &body);
    mc_buf_add_str(&body, "]}");
    if (code)
        mc_answer_error(r, mc_answer_status(code), mc_strerror(code), "a trace can't be read");
    else
        mc_answer_json(r, 200, &body);
    mc_buf_fini(&body);
}

void mc_api_health(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run)
{
    struct mc_buf body = {0};
    const char *trouble = d->writer ? mc_writer_trouble(d->writer) : NULL;
    (void)run;
    mc_buf_printf(&body, "{\"status\":\"ok\",\"recording\":%s,\"trouble\":",
                  mc_hub_run(d->hub) ? "true" : "false");
    if (trouble)
        mc_buf_add_json(&body, trouble, strlen(trouble));
    else
        mc_buf_add_str(&body, "null");
    mc_buf_add_str(&body, "}\n");
    mc_answer_json(r, 200, &body);
    mc_buf_fini(&body);
}
