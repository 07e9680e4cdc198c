/* frame_copy.h: a frame that outlives its maker's next call: the newest one of the live run.
 *
 * Slot maps are kept current from each frame's changes, so that a tick costs what changed.
 */
#ifndef MC_FRAME_COPY_H
#define MC_FRAME_COPY_H

#include "tracer/frame.h"

/* Bring `mine`, an earlier copy of `from` or an empty schema, up to it. 0, MC_ENOMEM or MC_ELIMIT.
 */
int mc_schema_follow(struct mc_schema *mine, const struct mc_schema *from);

struct mc_frame_copy {
    struct mc_frame frame; /* what others read; its pointers are into what follows, all owned */
    int valid;             /* a frame has been copied, whole */
    struct mc_schema schema;
    int64_t *values;
    struct mc_map *maps;
    struct mc_event *events;
    struct mc_gap *gaps;
    size_t value_room, map_count, event_room, gap_room;
};

/* Make an empty copy. 0 or MC_ENOMEM. */
int mc_frame_copy_init(struct mc_frame_copy *c);
void mc_frame_copy_fini(struct mc_frame_copy *c);
/* Take over `frame`, the next of the same run. Changes and buckets are not kept. 0, or MC_ENOMEM:
 * then the copy is not valid until a later call succeeds. */
int mc_frame_copy_take(struct mc_frame_copy *c, const struct mc_frame *frame);

#endif
