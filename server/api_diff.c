/* api_diff.c: GET /api/diff?a=&b=: two runs compared, as JSON (replay/diff_json.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff.h"
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/diff_span.h"
#include "server/job.h"
#include "server/params.h"
#include "tracer/error.h"

#define LABEL_BYTES 256u /* as in struct mc_mark */

static int measure(struct mc_job *job, struct mc_reader *reader, const struct mc_trace_file *file,
                   const struct mc_measure_options *opts, struct mc_run_measures *out)
{
    int code = mc_run_measure(reader, opts, out);
    if (code == MC_END) {
        snprintf(job->detail, sizeof job->detail, "run %lld of %s has no frames in this span",
                 (long long)opts->run_id, file->name);
        return MC_EINVAL;
    }
    if (code)
        return code;
    out->path = strdup(file->name);
    return out->path ? 0 : MC_ENOMEM;
}

static int compare(struct mc_job *job, const struct mc_run_measures *a,
                   const struct mc_run_measures *b)
{
    struct mc_diff_options opts = {(enum mc_align)job->conn_id, (double)job->limit};
    struct mc_diff diff;
    int code =
        mc_diff_make(&(struct mc_diff_side){a, 1}, &(struct mc_diff_side){b, 1}, &opts, &diff);
    if (code == MC_EINVAL)
        snprintf(job->detail, sizeof job->detail,
                 "the two runs share no source: there is nothing to compare");
    if (code)
        return code;
    mc_diff_json(&diff, NULL, 0, &job->body);
    mc_diff_fini(&diff);
    return 0;
}

/* The span of a side: between the times that were asked for, in the mark's when there is one. */
static int find_span(struct mc_job *job, struct mc_reader *reader, const struct mc_trace_file *file,
                     const char *mark, struct mc_measure_options *opts)
{
    struct mc_diff_span span = {.mark = mark[0] ? mark : NULL,
                                .from_first_request = job->conn_id == MC_ALIGN_FIRST_REQUEST};
    int64_t from, to, begin = 0;
    char why[256] = "";
    int code = mc_diff_span_find(reader, opts->run_id, &span, &from, &to, why, sizeof why);
    if (code == MC_EINVAL && why[0])
        snprintf(job->detail, sizeof job->detail, "run %lld of %s %s", (long long)opts->run_id,
                 file->name, why);
    if (code)
        return code;
    if (mark[0])
        begin = from;
    if (opts->from == INT64_MIN || begin + opts->from < from)
        opts->from = from;
    else
        opts->from += begin;
    opts->to = opts->to == INT64_MAX ? to : begin + opts->to;
    return 0;
}

/* On a worker: job->reader is side a's; side b's is opened here. */
static int diff_work(struct mc_job *job)
{
    struct mc_measure_options opts = {
        .run_id = job->run_id, .from = job->from, .to = job->to, .intervals = 1};
    struct mc_run_measures a = {0}, b = {0};
    struct mc_reader *other = NULL;
    const char *mark_a = job->text, *mark_b = strchr(job->text, 0) + 1;
    int code = mc_reader_open(job->other_file->path, &other, job->detail, sizeof job->detail);
    if (!code)
        code = find_span(job, job->reader, job->file, mark_a, &opts);
    if (!code)
        code = measure(job, job->reader, job->file, &opts, &a);
    opts.run_id = job->other_run_id;
    opts.from = job->other_from;
    opts.to = job->other_to;
    if (!code)
        code = find_span(job, other, job->other_file, mark_b, &opts);
    if (!code)
        code = measure(job, other, job->other_file, &opts, &b);
    if (!code)
        code = compare(job, &a, &b);
    mc_run_measures_fini(&a);
    mc_run_measures_fini(&b);
    mc_reader_close(other);
    return code;
}

/* The run that a parameter names; answers and returns 0 when there is none. */
static int ask_run(struct mc_dashboard *d, struct mc_http_request *r, const char *name,
                   struct mc_trace_file **file, int64_t *run_id)
{
    const char *text = mc_http_query_get(r, name);
    size_t file_idx;
    if (!text) {
        mc_answer_error(r, 400, "bad parameter",
                        "a and b are needed: names of runs, as in /api/runs");
        return 0;
    }
    if (mc_param_run(text, strlen(text), &file_idx, run_id) || file_idx >= d->traces.count) {
        mc_answer_error(r, 404, "no such run", "see /api/runs for the runs there are");
        return 0;
    }
    *file = &d->traces.files[file_idx];
    return 1;
}

static int ask_align(struct mc_http_request *r, enum mc_align *align)
{
    const char *text = mc_http_query_get(r, "align");
    *align = MC_ALIGN_CLOCK;
    for (int i = MC_ALIGN_CLOCK; text && i <= MC_ALIGN_MARK; i++) {
        *align = (enum mc_align)i;
        if (strcmp(text, mc_align_name(*align)) == 0)
            return 1;
    }
    if (!text)
        return 1;
    mc_answer_error(r, 400, "bad parameter", "align: clock, first-request, requests or mark");
    return 0;
}

/* The labels of both sides' marks, one behind the other in job->text. */
static int ask_marks(struct mc_http_request *r, enum mc_align *align, char text[2 * LABEL_BYTES],
                     size_t *bytes)
{
    const char *both = mc_http_query_get(r, "mark");
    size_t marks = 0;
    *bytes = 0;
    for (int i = 0; i < 2; i++) {
        const char *mark = mc_http_query_get(r, i ? "mark_b" : "mark_a");
        mark = mark ? mark : both ? both : "";
        if (strlen(mark) >= LABEL_BYTES) {
            mc_answer_error(r, 400, "bad parameter", "a mark's label is at most 255 bytes long");
            return 0;
        }
        strcpy(text + *bytes, mark);
        *bytes += strlen(mark) + 1;
        marks += mark[0] != 0;
    }
    if (*align == MC_ALIGN_MARK && marks < 2) {
        mc_answer_error(r, 400, "bad parameter", "align=mark needs mark, or mark_a and mark_b");
        return 0;
    }
    if (*align == MC_ALIGN_CLOCK && marks == 2)
        *align = MC_ALIGN_MARK;
    return 1;
}

void mc_api_diff(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    struct mc_trace_file *a, *b;
    int64_t a_run, b_run, from_a = INT64_MIN, to_a = INT64_MAX, from_b = INT64_MIN,
                          to_b = INT64_MAX, min_effect = (int64_t)MC_DIFF_EFFECT_PCT;
    enum mc_align align;
    char marks[2 * LABEL_BYTES];
    size_t marks_bytes;
    (void)run;
    if (!ask_run(d, r, "a", &a, &a_run) || !ask_run(d, r, "b", &b, &b_run) ||
        !ask_align(r, &align) || !ask_marks(r, &align, marks, &marks_bytes) ||
        mc_ask_i64(r, "from_a", INT64_MIN, INT64_MAX, &from_a) < 0 ||
        mc_ask_i64(r, "to_a", INT64_MIN, INT64_MAX, &to_a) < 0 ||
        mc_ask_i64(r, "from_b", INT64_MIN, INT64_MAX, &from_b) < 0 ||
        mc_ask_i64(r, "to_b", INT64_MIN, INT64_MAX, &to_b) < 0 ||
        mc_ask_i64(r, "min_effect", 0, 1000000, &min_effect) < 0)
        return;
    if (from_a >= to_a || from_b >= to_b) {
        mc_answer_error(r, 400, "bad parameter", "from must be before to");
        return;
    }
    struct mc_job *job = mc_job_new(d, r, a, diff_work, 1);
    if (!job)
        return;
    job->text = malloc(marks_bytes);
    if (!job->text) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        mc_job_free(job);
        return;
    }
    memcpy(job->text, marks, marks_bytes);
    job->run_id = a_run;
    job->from = from_a;
    job->to = to_a;
    job->other_file = b;
    job->other_run_id = b_run;
    job->other_from = from_b;
    job->other_to = to_b;
    job->limit = min_effect;
    job->conn_id = (uint64_t)align;
    mc_job_start(job);
}
