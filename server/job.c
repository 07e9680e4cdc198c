/* job.c: requests on the thread pool. */
#include "server/job.h"

#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/params.h"
#include "server/sse_zstd.h"
#include "tracer/error.h"

#define AGAIN_MS 100

static void job_gone(void *arg)
{
    struct mc_job *job = arg;
    job->req = NULL;
    atomic_store(&job->gone, 1);
}

struct mc_job *mc_job_new(struct mc_dashboard *d, struct mc_http_request *req,
                          struct mc_trace_file *file, mc_job_fn run, int is_query)
{
    if (d->job_count >= MC_JOBS_MAX || (is_query && d->query_count >= MC_JOB_QUERIES_MAX)) {
        mc_answer_error(req, 503, "busy", "too many requests are being worked on; try again");
        return NULL;
    }
    struct mc_job *job = calloc(1, sizeof *job);
    if (!job) {
        mc_answer_error(req, 503, "out of memory", "try again later");
        return NULL;
    }
    job->dashboard = d;
    job->req = req;
    job->file = file;
    job->run = run;
    job->is_query = is_query;
    job->accepts_zstd = mc_param_accepts(mc_http_header(req, "accept-encoding"), "zstd");
    job->status = 200;
    job->to = INT64_MAX;
    job->live_last = INT64_MIN;
    job->wait_ts = INT64_MIN;
    return job;
}

int mc_job_text(struct mc_job *job, const char *text)
{
    job->text = strdup(text);
    return job->text ? 0 : MC_ENOMEM;
}

void mc_job_free(struct mc_job *job)
{
    mc_buf_fini(&job->body);
    free(job->text);
    free(job);
}

/* On a worker. */
static void job_work(uv_work_t *work)
{
    struct mc_job *job = work->data;
    job->try_again = 0;
    if (atomic_load(&job->gone)) {
        job->code = MC_ELIMIT;
        return;
    }
    if (!job->reader)
        job->code = mc_reader_open(job->file->path, &job->reader, job->detail, sizeof job->detail);
    if (job->reader)
        job->code = job->run(job);
    if (job->code || job->try_again || !job->accepts_zstd || job->body.failed ||
        job->body.count < MC_ANSWER_ZSTD_MIN)
        return;
    struct mc_buf small = {0};
    if (mc_squeeze_all(job->body.bytes, job->body.count, 1, &small)) {
        mc_buf_fini(&small);
        return;
    }
    mc_buf_fini(&job->body);
    job->body = small;
    job->squeezed = 1;
}

static void job_answer(struct mc_job *job)
{
    if (!job->code && job->body.failed)
        job->code = MC_ENOMEM;
    if (job->code) {
        const char *error = job->code == MC_ESQL      ? "the query is wrong"
                            : job->code == MC_EDENIED ? "the query is not allowed"
                                                      : mc_strerror(job->code);
        int status = mc_answer_status(job->code);
        mc_answer_error(job->req, job->is_soft && status == 400 ? 200 : status, error,
                        job->detail[0]           ? job->detail
                        : job->code == MC_ENORUN ? "see /api/runs for the runs there are"
                                                 : mc_strerror(job->code));
    } else {
        mc_answer_made(job->req, job->status, "application/json", job->body.bytes, job->body.count,
                       job->squeezed);
    }
}

static void job_closed(uv_handle_t *handle)
{
    struct mc_job *job = handle->data;
    struct mc_dashboard *d = job->dashboard;
    mc_job_free(job);
    mc_dashboard_unref(d);
}

static void job_finish(struct mc_job *job)
{
    struct mc_dashboard *d = job->dashboard;
    if (!job->code && job->then && !d->closing)
        job->code = job->then(job);
    d->job_count--;
    d->query_count -= job->is_query ? 1 : 0;
    if (job->code && job->code != MC_ESQL && job->code != MC_EDENIED && job->code != MC_ENORUN &&
        job->code != MC_ELIMIT && job->code != MC_EINVAL) {
        mc_reader_close(job->reader); /* what failed in it may fail again */
        job->reader = NULL;
    }
    mc_traces_give(job->file, job->reader);
    job->reader = NULL;
    if (job->req)
        job_answer(job);
    uv_close((uv_handle_t *)&job->again, job_closed);
}

static void job_queue(struct mc_job *job);

static void job_again(uv_timer_t *timer)
{
    job_queue(timer->data);
}

static void job_worked(uv_work_t *work, int status)
{
    struct mc_job *job = work->data;
    if (status == UV_ECANCELED)
        job->code = MC_EIO;
    if (!status && job->try_again && job->tries_left-- > 0 && job->req && !job->dashboard->closing)
        uv_timer_start(&job->again, job_again, AGAIN_MS, 0);
    else
        job_finish(job);
}

static void job_queue(struct mc_job *job)
{
    if (uv_queue_work(job->dashboard->loop, &job->work, job_work, job_worked)) {
        job->code = MC_ENOMEM;
        job_finish(job);
    }
}

void mc_job_start(struct mc_job *job)
{
    struct mc_dashboard *d = job->dashboard;
    d->job_count++;
    d->query_count += job->is_query ? 1 : 0;
    mc_dashboard_ref(d);
    job->reader = mc_traces_take(job->file);
    job->work.data = job;
    uv_timer_init(d->loop, &job->again);
    job->again.data = job;
    mc_http_on_gone(job->req, job_gone, job);
    job_queue(job);
}
