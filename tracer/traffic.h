/* traffic.h: what routes and owners did: the ROUTE and OWNER sources, made from events.
 *
 * Bounded: past MC_ROUTES_MAX routes or MC_OWNERS_MAX owners the rest count under "(other)".
 */
#ifndef MC_TRAFFIC_H
#define MC_TRAFFIC_H

#include "tracer/connections.h"
#include "tracer/window.h"

#define MC_ROUTES_MAX 1024u
#define MC_OWNERS_MAX 256u
#define MC_ROUTE_TABLE 4096u

/* A route or an owner. */
struct mc_traffic_one {
    uint32_t source_idx;
    int kind;
    int64_t open, accepted, closed; /* owners */
    int64_t requests, client_errors, server_errors, bytes_in, bytes_out;
    struct mc_window *window; /* borrowed */
};

struct mc_traffic {
    struct mc_schema *schema;   /* borrowed */
    struct mc_windows *windows; /* borrowed */
    struct mc_traffic_one *all; /* owned */
    uint32_t count, room, route_count, owner_count;
    struct {
        uint64_t key;       /* kind, method, route or owner; 0 empty */
        uint32_t idx;       /* in all */
    } * table;              /* owned; MC_ROUTE_TABLE places */
    int64_t window_from_ts; /* responses before it are too old for percentiles */
    int failed;             /* memory was short: some events were not counted */
};

/* 0 or MC_ENOMEM. */
int mc_traffic_init(struct mc_traffic *t, struct mc_schema *schema, struct mc_windows *windows);
void mc_traffic_fini(struct mc_traffic *t);
/* Count an event; may add sources to the schema. */
void mc_traffic_event(struct mc_traffic *t, const struct mc_event *event,
                      const struct mc_connection_effect *effect);
/* Write the values of all ROUTE and OWNER sources into a frame's values. */
void mc_traffic_values(const struct mc_traffic *t, int64_t *values);

#endif
