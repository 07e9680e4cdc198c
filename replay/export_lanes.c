/* export_lanes.c: lanes taken, found by connection, given back. */
#include "replay/export_lanes.h"

#include <stdlib.h>

#include "tracer/error.h"
#include "tracer/grow.h"

#define TABLE_ROOM (2 * MC_LANES_MAX) /* a power of two */
#define NONE UINT32_MAX

int mc_lanes_init(struct mc_lanes *l)
{
    *l = (struct mc_lanes){.first_free = NONE};
    l->table = calloc(TABLE_ROOM, sizeof *l->table);
    return l->table ? 0 : MC_ENOMEM;
}

void mc_lanes_fini(struct mc_lanes *l)
{
    free(l->lanes);
    free(l->table);
    *l = (struct mc_lanes){.first_free = NONE};
}

static uint32_t home_of(uint64_t conn_id)
{
    return (uint32_t)(conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (TABLE_ROOM - 1);
}

/* The place of a connection in the table, or where it would go. */
static uint32_t place_of(const struct mc_lanes *l, uint64_t conn_id)
{
    uint32_t at = home_of(conn_id);
    while (l->table[at] && l->lanes[l->table[at] - 1].conn_id != conn_id)
        at = (at + 1) & (TABLE_ROOM - 1);
    return at;
}

struct mc_lane *mc_lanes_find(struct mc_lanes *l, uint64_t conn_id)
{
    uint32_t lane = l->table[place_of(l, conn_id)];
    return lane ? &l->lanes[lane - 1] : NULL;
}

/* A lane that was never used; NONE: too many, or no memory. */
static uint32_t add_lane(struct mc_lanes *l)
{
    if (l->count == MC_LANES_MAX)
        return NONE;
    struct mc_lane *lanes = mc_grown(l->lanes, l->count, &l->room, sizeof *lanes);
    if (!lanes)
        return NONE;
    l->lanes = lanes;
    l->lanes[l->count] = (struct mc_lane){.end_ts = INT64_MIN, .next_free = NONE};
    return l->count++;
}

struct mc_lane *mc_lanes_take(struct mc_lanes *l, uint64_t conn_id, int64_t begin_ts)
{
    uint32_t *link = &l->first_free;
    while (*link != NONE && l->lanes[*link].end_ts > begin_ts)
        link = &l->lanes[*link].next_free;
    uint32_t idx = *link;
    if (idx != NONE)
        *link = l->lanes[idx].next_free;
    else
        idx = add_lane(l);
    if (idx == NONE)
        return NULL;
    struct mc_lane *lane = &l->lanes[idx];
    l->table[place_of(l, conn_id)] = idx + 1;
    *lane = (struct mc_lane){.conn_id = conn_id, .end_ts = begin_ts, .next_free = NONE};
    return lane;
}

void mc_lanes_give(struct mc_lanes *l, struct mc_lane *lane)
{
    uint32_t hole = place_of(l, lane->conn_id);
    /* Knuth 6.4, algorithm R: what would not be found across the hole moves into it. */
    for (uint32_t at = (hole + 1) & (TABLE_ROOM - 1); l->table[at];
         at = (at + 1) & (TABLE_ROOM - 1)) {
        uint32_t home = home_of(l->lanes[l->table[at] - 1].conn_id);
        if (((at - home) & (TABLE_ROOM - 1)) >= ((at - hole) & (TABLE_ROOM - 1))) {
            l->table[hole] = l->table[at];
            hole = at;
        }
    }
    l->table[hole] = 0;
    lane->conn_id = 0;
    lane->next_free = l->first_free;
    l->first_free = (uint32_t)(lane - l->lanes);
}

uint32_t mc_lanes_share(struct mc_lanes *l, int64_t *begin_ts, int64_t end_ts)
{
    uint32_t idx = 0;
    while (idx < l->count && l->lanes[idx].end_ts > *begin_ts)
        idx++;
    if (idx == l->count) {
        idx = add_lane(l);
        if (idx == NONE && l->count) {
            idx = l->count - 1;
            *begin_ts = l->lanes[idx].end_ts < end_ts ? l->lanes[idx].end_ts : end_ts;
        }
    }
    if (idx != NONE)
        l->lanes[idx].end_ts = end_ts;
    return idx;
}
