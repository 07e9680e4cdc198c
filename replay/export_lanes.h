/* export_lanes.h: tracks for slices that may overlap: on each lane they only follow one another.
 *
 * A connection takes a lane for itself and gives it back when it closes; a request that does not
 * fit behind the last one on its connection's lane goes to a lane that requests share. So there are
 * as many lanes as there were things at a time, not as there were connections.
 */
#ifndef MC_EXPORT_LANES_H
#define MC_EXPORT_LANES_H

#include <stddef.h>
#include <stdint.h>

/* Most lanes of a sort; memory stays within a megabyte however many connections there are. */
#define MC_LANES_MAX 8192u

struct mc_lane {
    uint64_t conn_id; /* who has it; 0 no one */
    int64_t end_ts;   /* of the newest slice, or the connection's begin; INT64_MIN before */
    uint32_t next_free;
};

struct mc_lanes {
    struct mc_lane *lanes; /* owned */
    uint32_t count, room;
    uint32_t *table;     /* owned; hash of conn_id -> lane + 1, 0 none; twice MC_LANES_MAX places */
    uint32_t first_free; /* UINT32_MAX none */
};

int mc_lanes_init(struct mc_lanes *l);
void mc_lanes_fini(struct mc_lanes *l);

/* The lane of a connection, or NULL, as for connection 0. Lanes are valid until the next call that
 * takes one. */
struct mc_lane *mc_lanes_find(struct mc_lanes *l, uint64_t conn_id);
/* Give a connection that has none a lane on which nothing ends after begin_ts. NULL: no lane is
 * left, or no memory. conn_id is not 0. */
struct mc_lane *mc_lanes_take(struct mc_lanes *l, uint64_t conn_id, int64_t begin_ts);
/* The connection has gone; its lane is for others. */
void mc_lanes_give(struct mc_lanes *l, struct mc_lane *lane);
/* A shared lane for a slice from begin_ts to end_ts, which must be given in the order of their
 * ends. When there are too many at a time the last one is taken, and *begin_ts moved behind what is
 * on it. UINT32_MAX: no memory. */
uint32_t mc_lanes_share(struct mc_lanes *l, int64_t *begin_ts, int64_t end_ts);

#endif
