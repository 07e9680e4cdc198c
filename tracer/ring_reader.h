/* ring_reader.h: new records out of a segment's event rings.
 *
 * Threads: one per object.
 */
#ifndef MC_RING_READER_H
#define MC_RING_READER_H

#include "tracer/attach.h"

/* Raw records wait here between drains and the tick; past that they are lost, and counted. */
#define MC_RING_PENDING_MAX (1u << 19)

struct mc_ring_reader {
    uint64_t *tails;                  /* owned; per ring: the next record to read */
    struct mc_segment_event *pending; /* owned */
    size_t count, room;
    uint64_t lost;   /* records overwritten before they were read, since the last take */
    uint64_t unheld; /* records that were gone before the first read */
    int has_begun;
};

/* 0 or MC_ENOMEM. */
int mc_ring_reader_init(struct mc_ring_reader *r, uint32_t thread_count);
void mc_ring_reader_fini(struct mc_ring_reader *r);
/* Copy what is new in all rings to r->pending. Returns how full the fullest ring was in percent,
 * at most 100; or MC_ECORRUPT, MC_ENOMEM with a line in a->why. */
int mc_ring_reader_drain(struct mc_ring_reader *r, struct mc_attach *a);
/* Drop the first `count` records of pending. */
void mc_ring_reader_drop(struct mc_ring_reader *r, size_t count);

#endif
