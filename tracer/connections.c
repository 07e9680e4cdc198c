/* connections.c: open connections by id, with state and owner. */
#include "tracer/connections.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/memcam.h"

static uint32_t hash_of(uint64_t conn_id)
{
    return (uint32_t)((conn_id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

int mc_connections_init(struct mc_connections *c)
{
    memset(c, 0, sizeof *c);
    c->mask = 1023;
    c->table = calloc(c->mask + 1, sizeof *c->table);
    c->closed = calloc(MC_CONNECTIONS_CLOSED_MEMORY, sizeof *c->closed);
    if (!c->table || !c->closed) {
        mc_connections_fini(c);
        return MC_ENOMEM;
    }
    return 0;
}

void mc_connections_fini(struct mc_connections *c)
{
    free(c->table);
    free(c->closed);
    memset(c, 0, sizeof *c);
}

static struct mc_connection *find(struct mc_connections *c, uint64_t conn_id)
{
    for (uint32_t i = hash_of(conn_id);; i++) {
        struct mc_connection *at = &c->table[i & c->mask];
        if (at->conn_id == conn_id)
            return at;
        if (at->conn_id == 0)
            return NULL;
    }
}

/* Put an entry where its hash leads; there is room. */
static struct mc_connection *place(struct mc_connections *c, const struct mc_connection *entry)
{
    uint32_t i = hash_of(entry->conn_id);
    while (c->table[i & c->mask].conn_id)
        i++;
    c->table[i & c->mask] = *entry;
    return &c->table[i & c->mask];
}

static int grow(struct mc_connections *c)
{
    struct mc_connection *old = c->table;
    uint32_t old_mask = c->mask;
    struct mc_connection *table = calloc((size_t)(old_mask + 1) * 2, sizeof *table);
    if (!table)
        return MC_ENOMEM;
    c->table = table;
    c->mask = old_mask * 2 + 1;
    for (uint32_t i = 0; i <= old_mask; i++) {
        if (old[i].conn_id)
            place(c, &old[i]);
    }
    free(old);
    return 0;
}

static int64_t *counter_of(struct mc_connections *c, uint8_t state)
{
    switch (state) {
    case MC_SLOT_ACTIVE:
        return &c->active;
    case MC_SLOT_IDLE:
        return &c->idle;
    case MC_SLOT_CLOSING:
        return &c->closing;
    case MC_SLOT_CONNECTING:
        return &c->connecting;
    default:
        return &c->other;
    }
}

static void set_state(struct mc_connections *c, struct mc_connection *one, uint8_t state)
{
    --*counter_of(c, one->state);
    one->state = state;
    ++*counter_of(c, state);
}

/* A new entry, or NULL when the table has reached its bound. */
static struct mc_connection *add(struct mc_connections *c, uint64_t conn_id, uint32_t owner)
{
    if (c->count >= MC_CONNECTIONS_MAX || ((c->count + 1) * 2 > c->mask + 1 && grow(c) != 0))
        return NULL;
    struct mc_connection entry = {.conn_id = conn_id, .owner = owner, .state = MC_SLOT_ACTIVE};
    c->count++;
    c->active++;
    return place(c, &entry);
}

/* Take an entry out and move back those behind it that would not be found over the hole. */
static void take_out(struct mc_connections *c, struct mc_connection *one)
{
    uint32_t hole = (uint32_t)(one - c->table);
    --*counter_of(c, one->state);
    c->count--;
    for (uint32_t i = hole + 1;; i++) {
        struct mc_connection *next = &c->table[i & c->mask];
        if (!next->conn_id)
            break;
        uint32_t away = (i - hash_of(next->conn_id)) & c->mask;
        uint32_t back = (i - hole) & c->mask;
        if (away >= back) {
            c->table[hole & c->mask] = *next;
            hole = i & c->mask;
        }
    }
    c->table[hole & c->mask].conn_id = 0;
}

static uint64_t *closed_place(struct mc_connections *c, uint64_t conn_id)
{
    return &c->closed[hash_of(conn_id) % MC_CONNECTIONS_CLOSED_MEMORY];
}

static struct mc_connection_effect accepted(struct mc_connections *c, struct mc_connection *one,
                                            const struct mc_event *event)
{
    struct mc_connection_effect effect = {.owner = event->owner};
    c->accepted++;
    if (*closed_place(c, event->conn_id) == event->conn_id)
        *closed_place(c, event->conn_id) = 0;
    if (one && one->owner) { /* accepted twice: the first owner keeps it */
        effect.owner = one->owner;
    } else if (one) {
        one->owner = event->owner;
        effect.opened = 1;
    } else {
        effect.opened = add(c, event->conn_id, event->owner) != NULL;
    }
    return effect;
}

/* Whether an event of a connection that is not known says that there is one. */
static int reveals(const struct mc_event *event)
{
    return event->type == MC_EVENT_TLS || event->type == MC_EVENT_STREAM_OPEN ||
           event->type == MC_EVENT_REQUEST || event->type == MC_EVENT_RESPONSE ||
           event->type == MC_EVENT_STATE;
}

/* Requests in flight make a connection active and the last response makes it idle, unless the
 * program says so itself. */
static void follow(struct mc_connections *c, struct mc_connection *one,
                   const struct mc_event *event)
{
    if (event->type == MC_EVENT_STATE) {
        one->tells_state = 1;
        set_state(c, one, event->state);
    } else if (event->type == MC_EVENT_REQUEST) {
        one->in_flight++;
        if (!one->tells_state)
            set_state(c, one, MC_SLOT_ACTIVE);
    } else if (event->type == MC_EVENT_RESPONSE) {
        if (one->in_flight)
            one->in_flight--;
        if (!one->tells_state && !one->in_flight)
            set_state(c, one, MC_SLOT_IDLE);
    }
}

struct mc_connection_effect mc_connections_event(struct mc_connections *c,
                                                 const struct mc_event *event)
{
    struct mc_connection_effect effect = {0};
    c->errors += event->type == MC_EVENT_ERROR;
    c->overflows += event->type == MC_EVENT_OVERFLOW;
    c->closes += event->type == MC_EVENT_CLOSE;
    if (event->conn_id == 0 || event->type == MC_EVENT_GC) {
        c->accepted += event->type == MC_EVENT_ACCEPT;
        return effect;
    }
    struct mc_connection *one = find(c, event->conn_id);
    if (event->type == MC_EVENT_ACCEPT)
        return accepted(c, one, event);
    if (!one && reveals(event) && *closed_place(c, event->conn_id) != event->conn_id)
        one = add(c, event->conn_id, 0);
    if (event->type == MC_EVENT_CLOSE)
        *closed_place(c, event->conn_id) = event->conn_id;
    if (!one)
        return effect;
    effect.owner = one->owner;
    if (event->type == MC_EVENT_CLOSE) {
        effect.closed = 1;
        take_out(c, one);
    } else {
        follow(c, one, event);
    }
    return effect;
}

void mc_connections_values(const struct mc_connections *c, int64_t *values)
{
    values[MC_FIELD(CONNECTIONS, OPEN)] = c->count;
    values[MC_FIELD(CONNECTIONS, ACTIVE)] = c->active;
    values[MC_FIELD(CONNECTIONS, IDLE)] = c->idle;
    values[MC_FIELD(CONNECTIONS, CLOSING)] = c->closing;
    values[MC_FIELD(CONNECTIONS, CONNECTING)] = c->connecting;
    values[MC_FIELD(CONNECTIONS, OTHER)] = c->other;
    values[MC_FIELD(CONNECTIONS, ACCEPTED)] = c->accepted;
    values[MC_FIELD(CONNECTIONS, CLOSED)] = c->closes;
    values[MC_FIELD(CONNECTIONS, ERRORS)] = c->errors;
    values[MC_FIELD(CONNECTIONS, OVERFLOWS)] = c->overflows;
}
