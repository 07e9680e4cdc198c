/* api_metrics.c: GET /metrics: the newest frame of the live run as OpenMetrics. */
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/openmetrics.h"

void mc_api_metrics(struct mc_dashboard *d, struct mc_http_request *r,
                    const struct mc_asked_run *run)
{
    struct mc_buf body = {0};
    (void)run;
    mc_openmetrics(mc_hub_run(d->hub), mc_hub_newest(d->hub), &body);
    if (body.failed)
        mc_answer_error(r, 503, "out of memory", "try again later");
    else
        mc_answer(r, 200, MC_OPENMETRICS_TYPE, body.bytes, body.count);
    mc_buf_fini(&body);
}
