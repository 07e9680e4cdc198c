/* api_marks.c: GET and POST /api/runs/{run}/marks. Changing one: api_mark_edit.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/stream.h"
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "server/json_read.h"
#include "server/mark_check.h"
#include "tracer/error.h"

#define AUTHOR "dashboard"

/* ---- reading ----------------------------------------------------------------------------------
 */

static void add_mark(struct mc_buf *out, const struct mc_mark *mark, int first)
{
    mc_buf_printf(out, "%s{\"mark_id\":%lld,\"ts\":%lld,\"dur\":%lld,\"label\":", first ? "" : ",",
                  (long long)mark->mark_id, (long long)mark->ts, (long long)mark->dur_ns);
    mc_buf_add_json(out, mark->label, strnlen(mark->label, sizeof mark->label));
    mc_buf_add_str(out, ",\"author\":");
    mc_buf_add_json(out, mark->author, strnlen(mark->author, sizeof mark->author));
    mc_buf_add_char(out, '}');
}

static int by_ts(const void *a, const void *b)
{
    const struct mc_mark *left = a, *right = b;
    if (left->ts != right->ts)
        return left->ts < right->ts ? -1 : 1;
    return left->mark_id < right->mark_id ? -1 : left->mark_id > right->mark_id;
}

/* The file's marks with those of the hub that the file does not have yet. *marks is malloc'd and
 * may move. */
static int merge_fresh(const struct mc_job *job, struct mc_mark **marks, size_t *count)
{
    const struct mc_mark *fresh = (const struct mc_mark *)(const void *)job->text;
    size_t fresh_count = job->fresh_count, have = *count;
    struct mc_mark *all = realloc(*marks, (have + fresh_count + 1) * sizeof *all);
    if (!all)
        return MC_ENOMEM;
    *marks = all;
    for (size_t i = 0; i < fresh_count; i++) {
        size_t same = 0;
        while (same < have && all[same].mark_id != fresh[i].mark_id)
            same++;
        if (same < have) /* the file may still have it as it was */
            all[same] = all[--have];
    }
    *count = have;
    for (size_t i = 0; i < fresh_count; i++)
        if (fresh[i].dur_ns >= 0 && fresh[i].ts >= job->from && fresh[i].ts < job->to)
            all[(*count)++] = fresh[i];
    qsort(all, *count, sizeof *all, by_ts);
    return 0;
}

static int marks_work(struct mc_job *job)
{
    struct mc_mark *marks = NULL;
    size_t count = 0;
    int64_t first, last;
    int live = job->live_last != INT64_MIN;
    int code = mc_reader_span(job->reader, job->run_id, &first, &last);
    if (!code || code == MC_END)
        code = mc_reader_marks(job->reader, job->run_id, job->from, job->to, &marks, &count);
    if (code == MC_ENORUN && live)
        code = 0; /* the file does not have the run yet */
    if (!code && job->fresh_count)
        code = merge_fresh(job, &marks, &count);
    mc_buf_add_str(&job->body, "{\"marks\":[");
    for (size_t i = 0; i < count; i++)
        add_mark(&job->body, &marks[i], i == 0);
    mc_buf_add_str(&job->body, "]}");
    free(marks);
    return code;
}

void mc_api_marks(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    int64_t from = INT64_MIN, to = INT64_MAX;
    const struct mc_mark *fresh = NULL;
    if (mc_ask_i64(r, "from", INT64_MIN, INT64_MAX, &from) < 0 ||
        mc_ask_i64(r, "to", INT64_MIN, INT64_MAX, &to) < 0)
        return;
    struct mc_job *job = mc_job_new(d, r, run->file, marks_work, 0);
    if (!job)
        return;
    job->run_id = run->run_id;
    job->from = from;
    job->to = to;
    job->live_last = run->is_live ? 0 : INT64_MIN;
    size_t count = run->is_live ? mc_hub_marks(d->hub, &fresh) : 0;
    if (count)
        job->text = malloc(count * sizeof *fresh);
    if (job->text) {
        memcpy(job->text, fresh, count * sizeof *fresh);
        job->fresh_count = count;
    }
    mc_job_start(job);
}

/* ---- making -----------------------------------------------------------------------------------
 */

static void answer_made(struct mc_http_request *r, int64_t mark_id)
{
    struct mc_buf body = {0};
    mc_buf_printf(&body, "{\"mark_id\":%lld}\n", (long long)mark_id);
    mc_answer_json(r, 201, &body);
    mc_buf_fini(&body);
}

/* On a worker: a mark in a run that nobody records any more. */
static int add_work(struct mc_job *job)
{
    int64_t first, last, mark_id = 0;
    int code = mc_reader_span(job->reader, job->run_id, &first, &last);
    if (code == MC_END)
        code = MC_ENORUN;
    if (code)
        return code;
    if (job->from < first || job->from > last || job->to > last - job->from) {
        snprintf(job->detail, sizeof job->detail, "the mark is outside of the run");
        return MC_EINVAL;
    }
    code = mc_trace_mark(job->file->path, job->run_id, job->from, job->to, job->text, AUTHOR,
                         &mark_id);
    if (code == MC_EBUSY)
        snprintf(job->detail, sizeof job->detail,
                 "a recorder writes to this file: make the mark in its dashboard");
    if (code)
        return code;
    job->status = 201;
    mc_buf_printf(&job->body, "{\"mark_id\":%lld}\n", (long long)mark_id);
    return 0;
}

static void add_live(struct mc_dashboard *d, struct mc_http_request *r, int64_t ts, int64_t dur_ns,
                     const char *label)
{
    struct mc_mark mark = {.ts = ts, .dur_ns = dur_ns, .author = AUTHOR};
    int code = mc_writer_mark(d->writer, ts, dur_ns, label, AUTHOR, &mark.mark_id);
    if (code) {
        mc_answer_error(r, mc_answer_status(code), mc_strerror(code), "the mark was not made");
        return;
    }
    snprintf(mark.label, sizeof mark.label, "%s", label);
    mc_hub_mark(d->hub, &mark);
    answer_made(r, mark.mark_id);
}

void mc_api_mark_add(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run)
{
    struct mc_json_field fields[] = {{.name = "ts"}, {.name = "dur"}, {.name = "label"}};
    char why[160];
    size_t body_bytes;
    const uint8_t *body = mc_http_body(r, &body_bytes);
    char *room = mc_http_alloc(r, body_bytes + 1);
    if (!room) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        return;
    }
    if (mc_json_read(body, body_bytes, fields, 3, room, why, sizeof why)) {
        mc_answer_error(r, 400, "bad body", why);
        return;
    }
    const struct mc_frame *newest = mc_hub_newest(d->hub);
    int live = run->is_live && d->writer && newest;
    const char *wrong =
        mc_mark_wrong(&fields[0], &fields[1], &fields[2], live ? newest->ts : INT64_MAX);
    if (wrong) {
        mc_answer_error(r, 400, "bad mark", wrong);
        return;
    }
    if (live) {
        add_live(d, r, fields[0].integer, fields[1].integer, fields[2].text);
        return;
    }
    struct mc_job *job = mc_job_new(d, r, run->file, add_work, 0);
    if (!job)
        return;
    job->run_id = run->run_id;
    job->from = fields[0].integer;
    job->to = fields[1].integer;
    if (mc_job_text(job, fields[2].text)) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        mc_job_free(job);
        return;
    }
    mc_job_start(job);
}
