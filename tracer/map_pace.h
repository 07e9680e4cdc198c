/* map_pace.h: how often a slot map is read, so that the bytes a second it comes to are bounded.
 *
 * A map costs its changes, and those in few runs cost next to nothing: an allocator that takes the
 * lowest free slot is read at every tick. One whose free list is in random order changes all over
 * the map. Each map has a credit that fills at MC_PACE_BYTES_PER_S; a reading is paid from it. When
 * it is used up the map is slow: read at most once a second, and only out of debt, until half of
 * the credit is there again.
 */
#ifndef MC_MAP_PACE_H
#define MC_MAP_PACE_H

#include "tracer/frame.h"

#define MC_PACE_BYTES_PER_S 8192
#define MC_PACE_CREDIT_BYTES (INT64_C(256) << 10)

struct mc_map_pace {
    int64_t credit_bytes;
    int64_t filled_ns, read_ns; /* CLOCK_MONOTONIC: when it was filled up to, when it was read */
    int is_slow;
};

/* A full credit. */
void mc_map_pace_init(struct mc_map_pace *p, int64_t now_ns);
/* Whether a map that has changed is to be read now. */
int mc_map_pace_due(struct mc_map_pace *p, int64_t now_ns);
/* It was read, which cost about so many bytes. Returns 1 when it becomes slow with this. */
int mc_map_pace_pay(struct mc_map_pace *p, int64_t now_ns, uint64_t bytes);

/* About what the changes of a map will take in a trace; `map` is as it is after them, and they are
 * in order of slots. */
uint64_t mc_map_pace_cost(const struct mc_map *map, const struct mc_slot_change *changes,
                          size_t count);

#endif
