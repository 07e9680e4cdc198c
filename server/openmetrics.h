/* openmetrics.h: a frame as OpenMetrics 1.0 text. */
#ifndef MC_OPENMETRICS_H
#define MC_OPENMETRICS_H

#include "tracer/buf.h"
#include "tracer/frame.h"

#define MC_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Append the whole exposition, with its "# EOF". info and frame are NULL when no run is live. */
void mc_openmetrics(const struct mc_run_info *info, const struct mc_frame *frame,
                    struct mc_buf *out);

#endif
