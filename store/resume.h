/* resume.h: a run taken up by a new recorder: its schema's order is not that of the file's.
 *
 * The new sampler meets sources and strings in its own order. Frames are translated into the
 * file's: known ones are found by kind and name, new ones appended, and what the new sampler does
 * not know (yet) is MC_VALUE_NONE.
 */
#ifndef MC_RESUME_H
#define MC_RESUME_H

#include "tracer/buf.h"
#include "tracer/frame.h"

#define MC_NO_SOURCE UINT32_MAX

struct mc_remap {
    struct mc_schema live; /* the sampler's */
    int has_live;
    uint32_t *source_to;                 /* owned; by live source: the file's */
    uint32_t *string_to;                 /* owned; by live string: the file's */
    uint32_t source_count, string_count; /* mapped */
    struct mc_buf values, changes, buckets, events;
};

void mc_remap_fini(struct mc_remap *r);
/* The live schema grows by a step; `schema`, the file's, grows by what it lacks. `is_first`: the
 * step is the whole live schema. 0, MC_ENOMEM, MC_ECORRUPT. */
int mc_remap_step(struct mc_remap *r, struct mc_schema *schema, const void *step, size_t step_bytes,
                  int is_first);
/* The file's source for a live one. */
uint32_t mc_remap_source(const struct mc_remap *r, uint32_t live_source_idx);
/* The file's owner id for a live one; (other) where it does not fit. */
uint16_t mc_remap_owner(const struct mc_remap *r, uint16_t owner);
/* Translate values, changes, buckets and events of `frame` in place: arrays are r's afterwards. */
int mc_remap_frame(struct mc_remap *r, const struct mc_schema *schema, struct mc_frame *frame);

#endif
