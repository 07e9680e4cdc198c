/* pub_source.h: the steps of a registration, for pub_source.c and pub_slab.c.
 *
 * Threads: begin takes the tracer's lock and end leaves it held; the caller unlocks.
 */
#ifndef MC_PUB_SOURCE_H
#define MC_PUB_SOURCE_H

#include "tracer/pub_priv.h"

/* Check the names and take the tracer's lock. 0 with the lock held, or -1 with errno without. */
int mc_pub_source_begin(struct mc_tracer *t, const char *name, const char *unit);
/* Take bytes of the segment's pool, 64-byte aligned. Their offset, or 0 with errno. */
uint64_t mc_pub_source_pool(struct mc_tracer *t, uint64_t bytes);
/* Publish the descriptor (gets name and unit) and put the object into the tracer's list. The
 * source's cell, or NULL with errno. */
struct mc_segment_cell *mc_pub_source_end(struct mc_tracer *t, struct mc_pub_source *source,
                                          const char *name, const char *unit,
                                          struct mc_segment_source *descriptor);

#endif
