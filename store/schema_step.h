/* schema_step.h: how a run's schema grew, as rows. Format: schema_step in trace_format.h. */
#ifndef MC_SCHEMA_STEP_H
#define MC_SCHEMA_STEP_H

#include "tracer/buf.h"
#include "tracer/frame.h"

/* Append the body of the step from (source_count, string_count) to all that `s` has. */
void mc_schema_step_put(const struct mc_schema *s, uint32_t source_count, uint32_t string_count,
                        struct mc_buf *out);
/* Append a body's sources and strings to `s`. MC_ECORRUPT when it does not follow on, MC_ENOMEM. */
int mc_schema_step_get(struct mc_schema *s, const void *body, size_t body_bytes);
uint64_t mc_schema_step_sum(int64_t run_id, int64_t step, int64_t from_ts, const void *body,
                            size_t body_bytes);

#endif
