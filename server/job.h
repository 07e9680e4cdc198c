/* job.h: a request whose answer takes reading: done on the thread pool, with a reader of its own,
 * so that the loop, and with it the live stream, goes on.
 *
 * Threads: mc_job_start and the answer on the loop; `work` on a worker.
 */
#ifndef MC_JOB_H
#define MC_JOB_H

#include <stdatomic.h>
#include <uv.h>

#include "server/traces.h"
#include "tracer/buf.h"

struct mc_dashboard;
struct mc_http_request;

#define MC_JOBS_MAX 16       /* at a time, waiting ones too; past it 503 */
#define MC_JOB_QUERIES_MAX 4 /* of them SQL, which may take a second and 64 MB each */
#define MC_JOB_BODY_MAX (64u << 20)

struct mc_job;
/* Fill job->body, and leave job->status; or return a negative code, with job->detail where there is
 * more to say than the code does. */
typedef int (*mc_job_fn)(struct mc_job *job);

struct mc_job {
    uv_work_t work;
    uv_timer_t again;
    struct mc_dashboard *dashboard; /* borrowed */
    struct mc_http_request *req;    /* borrowed; NULL: its client has gone */
    atomic_int gone;                /* the same, for the worker: nobody waits for the answer */
    struct mc_trace_file *file;     /* borrowed; the worker uses its path only */
    struct mc_reader *reader;       /* borrowed from the file, or opened by the worker */
    mc_job_fn run;
    mc_job_fn then; /* on the loop, when `run` has succeeded, before the answer; or NULL */
    int is_query, accepts_zstd, squeezed, code;
    int is_soft; /* query: a wrong or stopped one is answered with 200 */
    /* What is asked. */
    int64_t run_id, from, to, limit;
    uint64_t conn_id;
    int64_t live_first, live_last; /* the live run's span; live_last INT64_MIN: not the live run */
    int64_t wait_ts;    /* state: the store must have reached this frame; INT64_MIN: whatever */
    int is_numbers;     /* state: without the slot maps */
    int is_peaks;       /* overview: how fast totals grew at most, too */
    int tries_left;     /* how often the worker may ask to be called again */
    int try_again;      /* set by the worker */
    size_t fresh_count; /* marks: those in `text` that the file may not have */
    struct mc_trace_file *other_file; /* diff: side b's; borrowed, only its path is used */
    int64_t other_run_id, other_from, other_to;
    char *text; /* owned: the SQL, the series, a label, fresh marks */
    /* What is answered. */
    int status;
    struct mc_buf body; /* owned */
    char detail[512];
};

/* A job for this request, or NULL: then the request has been answered (503). */
struct mc_job *mc_job_new(struct mc_dashboard *d, struct mc_http_request *req,
                          struct mc_trace_file *file, mc_job_fn run, int is_query);
/* Keep a copy of a text in the job. 0, or MC_ENOMEM. */
int mc_job_text(struct mc_job *job, const char *text);
/* Do it, answer, and free it. */
void mc_job_start(struct mc_job *job);
/* Free one that is not started. */
void mc_job_free(struct mc_job *job);

#endif
