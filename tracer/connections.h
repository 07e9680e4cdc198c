/* connections.h: the table of open connections, kept from events.
 *
 * Bounded: past MC_CONNECTIONS_MAX open ones the rest are counted as accepted, but not tracked.
 */
#ifndef MC_CONNECTIONS_H
#define MC_CONNECTIONS_H

#include "tracer/frame.h"

#define MC_CONNECTIONS_MAX 65536u
#define MC_CONNECTIONS_CLOSED_MEMORY 8192u

struct mc_connection {
    uint64_t conn_id; /* 0: an empty place */
    uint32_t owner;   /* string id */
    uint32_t in_flight;
    uint8_t state;
    uint8_t tells_state; /* the program sends state events: nothing is concluded from requests */
};

struct mc_connections {
    struct mc_connection *table; /* owned; open addressing, at most half full */
    uint32_t mask, count;
    uint64_t *closed; /* owned; ids closed of late, so that a straggler does not revive one */
    int64_t accepted, closes, errors, overflows;
    int64_t active, idle, closing, connecting, other;
};

/* What an event meant for its connection's owner. */
struct mc_connection_effect {
    uint32_t owner; /* string id, 0 none */
    int opened, closed;
};

/* 0 or MC_ENOMEM. */
int mc_connections_init(struct mc_connections *c);
void mc_connections_fini(struct mc_connections *c);
/* Take in an event of the run, in order. A connection that is first seen through another event
 * than its accept is added too: the recorder came late. */
struct mc_connection_effect mc_connections_event(struct mc_connections *c,
                                                 const struct mc_event *event);
/* Write the values of the CONNECTIONS source. */
void mc_connections_values(const struct mc_connections *c, int64_t *values);

#endif
