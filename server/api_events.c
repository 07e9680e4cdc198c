/* api_events.c: GET /api/runs/{run}/events, /marks and /gaps; POST /marks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/stream.h"
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "server/params.h"
#include "tracer/error.h"

#define EVENTS_MAX 100000

/* A run that the hub has and the file has not yet is empty, not unknown. */
static int known(const struct mc_job *job, int code)
{
    return code == MC_END || (code == MC_ENORUN && job->live_last != INT64_MIN) ? 0 : code;
}

/* Does the run exist? 0, or MC_ENORUN. */
static int check_run(struct mc_job *job)
{
    int64_t first, last;
    return known(job, mc_reader_span(job->reader, job->run_id, &first, &last));
}

/* The job of a request with from= and to=, or NULL: answered. */
static struct mc_job *span_job(struct mc_dashboard *d, struct mc_http_request *r,
                               const struct mc_asked_run *run, mc_job_fn work)
{
    int64_t from = INT64_MIN, to = INT64_MAX;
    if (mc_ask_i64(r, "from", INT64_MIN, INT64_MAX, &from) < 0 ||
        mc_ask_i64(r, "to", INT64_MIN, INT64_MAX, &to) < 0)
        return NULL;
    struct mc_job *job = mc_job_new(d, r, run->file, work, 0);
    if (!job)
        return NULL;
    job->run_id = run->run_id;
    job->from = from;
    job->to = to;
    job->live_last = run->is_live ? 0 : INT64_MIN;
    return job;
}

/* ---- events -----------------------------------------------------------------------------------
 */

struct event_list {
    struct mc_buf *out;
    const atomic_int *gone;
    int64_t left;
    int any, truncated;
};

static int add_event(void *arg, const struct mc_schema *schema, const struct mc_event *event)
{
    struct event_list *list = arg;
    if (list->left-- == 0 || list->out->count > MC_JOB_BODY_MAX || atomic_load(list->gone)) {
        list->truncated = 1;
        return 1;
    }
    if (list->any)
        mc_buf_add_char(list->out, ',');
    list->any = 1;
    mc_event_json(schema, event, list->out);
    return 0;
}

static int events_work(struct mc_job *job)
{
    struct event_list list = {.out = &job->body, .gone = &job->gone, .left = job->limit};
    int code = check_run(job);
    if (code)
        return code;
    mc_buf_add_str(&job->body, "{\"events\":[");
    code = mc_reader_events(job->reader, job->run_id, job->from, job->to, job->conn_id, add_event,
                            &list);
    mc_buf_printf(&job->body, "],\"truncated\":%s}", list.truncated ? "true" : "false");
    return list.truncated ? 0 : known(job, code);
}

void mc_api_events(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run)
{
    int64_t limit = 1000;
    uint64_t conn_id = 0;
    const char *conn = mc_http_query_get(r, "conn");
    if (conn && mc_param_u64(conn, &conn_id)) {
        mc_answer_error(r, 400, "bad parameter", "conn: it is a connection's id, an integer");
        return;
    }
    if (mc_ask_i64(r, "limit", 1, EVENTS_MAX, &limit) < 0)
        return;
    struct mc_job *job = span_job(d, r, run, events_work);
    if (!job)
        return;
    job->limit = limit;
    job->conn_id = conn_id;
    mc_job_start(job);
}

/* ---- gaps -------------------------------------------------------------------------------------
 */

static int gaps_work(struct mc_job *job)
{
    struct mc_gap *gaps = NULL;
    size_t count = 0;
    int code = check_run(job);
    if (!code)
        code =
            known(job, mc_reader_gaps(job->reader, job->run_id, job->from, job->to, &gaps, &count));
    if (code)
        return code;
    mc_buf_add_str(&job->body, "{\"gaps\":[");
    for (size_t i = 0; i < count; i++) {
        mc_buf_printf(&job->body, "%s{\"ts\":%lld,\"dur\":%lld,\"reason\":", i ? "," : "",
                      (long long)gaps[i].ts, (long long)gaps[i].dur_ns);
        mc_buf_add_json(&job->body, gaps[i].reason, strnlen(gaps[i].reason, sizeof gaps[i].reason));
        mc_buf_printf(&job->body, ",\"lost\":%llu}", (unsigned long long)gaps[i].lost);
    }
    mc_buf_add_str(&job->body, "]}");
    free(gaps);
    return 0;
}

void mc_api_gaps(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    struct mc_job *job = span_job(d, r, run, gaps_work);
    if (job)
        mc_job_start(job);
}
