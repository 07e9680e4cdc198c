/* dashboard_priv.h: what the dashboard's files share. */
#ifndef MC_DASHBOARD_PRIV_H
#define MC_DASHBOARD_PRIV_H

#include "server/dashboard.h"
#include "server/hub.h"
#include "server/traces.h"

struct mc_dashboard {
    uv_loop_t *loop;             /* borrowed */
    struct mc_http_server *http; /* owned */
    struct mc_writer *writer;    /* borrowed; NULL when only replaying */
    struct mc_traces traces;
    struct mc_hub *hub; /* owned: the live run */
    char url[160];
    uint32_t *route_ids; /* owned: of each entry of the route table, for the trace */
    unsigned job_count, query_count, feed_count, feed_peak;
    unsigned refs; /* the open server, jobs, feeds: freed when it is 0 */
    int closing;
    uv_timer_t drain; /* while closing: live clients are given a moment to take their `end` */
    unsigned drain_left;
    void (*done)(void *arg);
    void *done_arg;
};

/* Held by whatever outlives a request; the last one frees a dashboard that has been closed. */
void mc_dashboard_ref(struct mc_dashboard *d);
void mc_dashboard_unref(struct mc_dashboard *d);

/* A run as a URL names it. */
struct mc_asked_run {
    size_t file_idx;
    struct mc_trace_file *file;
    int64_t run_id;
    int is_live; /* it is the hub's */
};

/* One place to answer: `run` is NULL for paths without one. */
typedef void (*mc_api_fn)(struct mc_dashboard *d, struct mc_http_request *r,
                          const struct mc_asked_run *run);

void mc_api_page(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run);
void mc_api_asset(struct mc_dashboard *d, struct mc_http_request *r,
                  const struct mc_asked_run *run);
void mc_api_health(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run);
void mc_api_metrics(struct mc_dashboard *d, struct mc_http_request *r,
                    const struct mc_asked_run *run);
void mc_api_runs(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run);
void mc_api_diff(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run);
void mc_api_query(struct mc_dashboard *d, struct mc_http_request *r,
                  const struct mc_asked_run *run);
void mc_api_stream(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run);
void mc_api_state(struct mc_dashboard *d, struct mc_http_request *r,
                  const struct mc_asked_run *run);
void mc_api_overview(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run);
void mc_api_events(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run);
void mc_api_marks(struct mc_dashboard *d, struct mc_http_request *r,
                  const struct mc_asked_run *run);
void mc_api_mark_add(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run);
/* POST /api/runs/{run}/marks/{mark}: {"label","ts","dur"}, each optional; and …/{mark}/delete: {}.
 */
void mc_api_mark_set(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run);
void mc_api_mark_remove(struct mc_dashboard *d, struct mc_http_request *r,
                        const struct mc_asked_run *run);
void mc_api_gaps(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run);

#endif
