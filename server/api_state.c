/* api_state.c: GET /api/runs/{run}/state: the document at a moment, or its numbers alone. */
#include <stdio.h>

#include "replay/stream.h"
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "tracer/error.h"

/* On a worker: the frame at job->to; of the live run, wait until the file has it. */
static int state_work(struct mc_job *job)
{
    struct mc_cursor *cursor = NULL;
    const struct mc_frame *frame;
    struct mc_doc *doc = NULL;
    int code = mc_cursor_open(job->reader, job->run_id, &cursor);
    if (!code) {
        mc_cursor_leave_out(cursor, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
        code = mc_cursor_seek(cursor, job->to, &frame);
    }
    if (job->wait_ts != INT64_MIN && (code || frame->ts < job->wait_ts) && job->tries_left > 0) {
        job->try_again = 1;
        goto close_cursor;
    }
    if (code == MC_END) {
        snprintf(job->detail, sizeof job->detail, "the run has no frame yet");
        code = MC_ENORUN;
    }
    if (!code)
        code = mc_doc_new(&doc);
    if (!code)
        code = job->is_numbers ? mc_doc_numbers(doc, frame, &job->body)
                               : mc_doc_keyframe(doc, frame, &job->body);
    mc_doc_free(doc);
close_cursor:
    mc_cursor_close(cursor);
    return code;
}

void mc_api_state(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    int64_t ts = INT64_MAX, wait_ts = INT64_MIN, maps = 1;
    if (mc_ask_i64(r, "ts", INT64_MIN, INT64_MAX, &ts) < 0 ||
        mc_ask_i64(r, "maps", 0, 1, &maps) < 0)
        return;
    const struct mc_frame *newest = run->is_live ? mc_hub_newest(d->hub) : NULL;
    if (newest && ts >= newest->ts) {
        struct mc_buf body = {0};
        int code = mc_hub_document(d->hub, !maps, &body);
        if (code)
            mc_answer_error(r, mc_answer_status(code), mc_strerror(code), "try again");
        else
            mc_answer_json(r, 200, &body);
        mc_buf_fini(&body);
        return;
    }
    if (newest)
        wait_ts = mc_hub_ts_before(d->hub, ts);
    struct mc_job *job = mc_job_new(d, r, run->file, state_work, 0);
    if (!job)
        return;
    job->run_id = run->run_id;
    job->to = ts;
    job->is_numbers = !maps;
    job->wait_ts = wait_ts;
    job->tries_left = wait_ts == INT64_MIN ? 0 : 30;
    mc_job_start(job);
}
