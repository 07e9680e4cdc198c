/* slot_map.h: the sampler's copies of slabs' maps, and what has changed in them.
 *
 * Threads: one per object.
 */
#ifndef MC_SLOT_MAP_H
#define MC_SLOT_MAP_H

#include "tracer/attach.h"
#include "tracer/frame.h"
#include "tracer/map_pace.h"

/* Segment string ids to schema string ids. */
struct mc_string_ids {
    uint32_t *ids; /* owned */
    uint32_t count, room;
};
static inline uint32_t mc_string_ids_get(const struct mc_string_ids *s, uint32_t segment_id)
{
    return segment_id < s->count ? s->ids[segment_id] : 1; /* "(other)" */
}

struct mc_slot_map {
    struct mc_map map;    /* as frames show it; its arrays are owned */
    uint16_t *raw_owners; /* owned: as in the segment; NULL like map.owners */
    uint32_t used_count;
    uint64_t states_off, owners_off, conns_off;
    struct mc_map_pace pace;
    int has_pace;            /* it was read once */
    int is_behind;           /* it has changed, and was not read at the newest tick */
    int64_t current_ts;      /* of the newest frame in which it was as the program had it */
    int64_t net_count;       /* allocs - frees as of then */
    uint32_t age_source_idx; /* the gauge that tells how old it is; UINT32_MAX: never was slow */
};

/* Scratch that all maps share, and the list of changes. */
struct mc_slot_reader {
    uint8_t *states; /* owned; one part of a map */
    uint16_t *owners;
    uint64_t *conns;
    struct mc_slot_change *changes; /* owned */
    size_t change_count, change_room;
};

/* A map of d->slot_count free slots. 0 or MC_ENOMEM. */
int mc_slot_map_init(struct mc_slot_map *m, const struct mc_segment_source *d, uint32_t source_idx);
void mc_slot_map_fini(struct mc_slot_map *m);
int mc_slot_reader_init(struct mc_slot_reader *r);
void mc_slot_reader_fini(struct mc_slot_reader *r);
/* Read the map and append its changes to r->changes, with raw owner ids; mc_slot_map_name_owners
 * follows. 0, MC_ECORRUPT, MC_ENOMEM. */
int mc_slot_map_read(struct mc_slot_map *m, uint32_t map_idx, struct mc_slot_reader *r,
                     struct mc_attach *a);
/* Turn the raw owner ids of the changes from `first_change` on into the schema's, there and in the
 * map. */
void mc_slot_map_name_owners(struct mc_slot_map *m, struct mc_slot_reader *r, size_t first_change,
                             size_t end_change, const struct mc_string_ids *names);

#endif
