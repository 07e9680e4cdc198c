/* schema_step.h: how a run's schema grew, as rows. Format: schema_step in trace_format.h. */
#ifndef MC_SCHEMA_STEP_H
#define MC_SCHEMA_STEP_H

#include "tracer/buf.h"
#include "tracer/frame.h"

/* How many letters the first source_count sources have named. */
uint32_t mc_schema_state_count(const struct mc_schema *s, uint32_t source_count);
/* Give the source those of the names whose letters it has none for. 0 or MC_ENOMEM. */
int mc_schema_name_states(struct mc_source *source, const struct mc_state_name *states,
                          uint32_t count);
/* Append the body of the step from (source_count, string_count), where state_count letters were
 * named, to all that `s` has. */
void mc_schema_step_put(const struct mc_schema *s, uint32_t source_count, uint32_t string_count,
                        uint32_t state_count, struct mc_buf *out);
/* Append a body's sources and strings to `s`. MC_ECORRUPT when it does not follow on, MC_ENOMEM. */
int mc_schema_step_get(struct mc_schema *s, const void *body, size_t body_bytes);
uint64_t mc_schema_step_sum(int64_t run_id, int64_t step, int64_t from_ts, const void *body,
                            size_t body_bytes);

#endif
