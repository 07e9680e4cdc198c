/* sql_conns.c: rows of connections, each made of all its events in one walk over the run.
 *
 * Grouping events by connection in SQL sorts all of them, which took three quarters of a minute for
 * an hour of a busy server. What a scan has gathered serves it again: a join starts it anew for
 * each row of another table.
 *
 * Owns:  the connections, in SQLite's memory, so that a query's limit holds for them.
 */
#include <stdlib.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

#define FIRST_ROOM 1024u /* a power of two */

struct mc_sql_conns {
    struct mc_sql_conn *conns; /* owned */
    uint32_t count, room;
    uint32_t *table; /* owned; conn + 1 by the hash of its id, twice as many places as room */
    uint32_t at;     /* the next one to be given */
    int gathered;
};

void mc_sql_conns_free(struct mc_sql_conns *c)
{
    if (!c)
        return;
    sqlite3_free(c->conns);
    sqlite3_free(c->table);
    free(c);
}

int mc_sql_begin_conns(struct mc_sql_rows *s)
{
    if (!s->conns)
        s->conns = calloc(1, sizeof *s->conns);
    if (!s->conns)
        return MC_ENOMEM;
    s->conns->at = 0;
    if (!s->conns->gathered)
        s->conns->count = s->conns->room = 0; /* of a walk that failed */
    return 0;
}

/* ---- gathering --------------------------------------------------------------------------------
 */

static uint32_t *place_of(const struct mc_sql_conns *c, uint64_t conn_id)
{
    uint32_t mask = c->room * 2 - 1;
    uint32_t h = (uint32_t)(conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
    while (c->table[h] && c->conns[c->table[h] - 1].conn_id != conn_id)
        h = (h + 1) & mask;
    return &c->table[h];
}

static int grow(struct mc_sql_rows *s)
{
    struct mc_sql_conns *c = s->conns;
    /* Between two rows of the file, the query's limits are looked at here. */
    if (s->reader->stop && s->reader->stop(s->reader->stop_arg))
        return MC_ELIMIT;
    uint32_t room = c->room ? c->room * 2 : FIRST_ROOM;
    if (room > UINT32_MAX / 4)
        return MC_ELIMIT;
    void *conns = sqlite3_realloc64(c->conns, (uint64_t)room * sizeof *c->conns);
    if (!conns)
        return MC_ENOMEM;
    c->conns = conns;
    void *table = sqlite3_realloc64(c->table, (uint64_t)room * 2 * sizeof *c->table);
    if (!table)
        return MC_ENOMEM;
    c->table = table;
    c->room = room;
    memset(c->table, 0, (size_t)room * 2 * sizeof *c->table);
    for (uint32_t i = 0; i < c->count; i++)
        *place_of(c, c->conns[i].conn_id) = i + 1;
    return 0;
}

static int conn_of(struct mc_sql_rows *s, const struct mc_event *e, struct mc_sql_conn **out)
{
    struct mc_sql_conns *c = s->conns;
    if (c->count == c->room) {
        int rc = grow(s);
        if (rc < 0)
            return rc;
    }
    uint32_t *place = place_of(c, e->conn_id);
    if (!*place) {
        c->conns[c->count] = (struct mc_sql_conn){.conn_id = e->conn_id,
                                                  .ts = MC_VALUE_NONE,
                                                  .close_ts = MC_VALUE_NONE,
                                                  .first_ts = e->ts,
                                                  .last_ts = e->ts};
        *place = ++c->count;
    }
    *out = &c->conns[*place - 1];
    return 0;
}

static void take_event(struct mc_sql_conn *c, const struct mc_event *e)
{
    c->first_ts = e->ts < c->first_ts ? e->ts : c->first_ts;
    c->last_ts = e->ts > c->last_ts ? e->ts : c->last_ts;
    if (e->type == MC_EVENT_ACCEPT) {
        if (c->ts == MC_VALUE_NONE || e->ts < c->ts) {
            c->ts = e->ts;
            c->peer = e->detail;
            c->port = e->port;
            c->owner = e->owner;
        }
    } else if (e->type == MC_EVENT_CLOSE) {
        if (c->close_ts == MC_VALUE_NONE || e->ts > c->close_ts) {
            c->close_ts = e->ts;
            c->reason = e->detail;
        }
    } else if (e->type == MC_EVENT_RESPONSE) {
        c->requests++;
        c->errors += e->status >= 500;
        c->bytes_in += e->bytes_in;
        c->bytes_out += e->bytes_out;
    } else if (e->type == MC_EVENT_ERROR) {
        c->errors++;
    }
}

static int by_id(const void *a, const void *b)
{
    int64_t x = (int64_t)((const struct mc_sql_conn *)a)->conn_id;
    int64_t y = (int64_t)((const struct mc_sql_conn *)b)->conn_id;
    return x < y ? -1 : x > y;
}

static int gather(struct mc_sql_rows *s)
{
    int rc;
    while ((rc = mc_sql_next_event(s)) == 0) {
        struct mc_sql_conn *conn;
        if (!s->event->conn_id)
            continue;
        rc = conn_of(s, s->event, &conn);
        if (rc < 0)
            return rc;
        take_event(conn, s->event);
    }
    if (rc != MC_END)
        return rc;
    struct mc_sql_conns *c = s->conns;
    if (c->count)
        qsort(c->conns, c->count, sizeof *c->conns, by_id);
    c->gathered = 1;
    return 0;
}

int mc_sql_next_conn(struct mc_sql_rows *s)
{
    struct mc_sql_conns *c = s->conns;
    int rc = c->gathered ? 0 : gather(s);
    if (rc < 0)
        return rc;
    if (c->at == c->count)
        return MC_END;
    s->ts = s->frame = c->conns[c->at].first_ts;
    s->place = ++c->at;
    return 0;
}

const struct mc_sql_conn *mc_sql_conn(const struct mc_sql_rows *s)
{
    return &s->conns->conns[s->conns->at - 1];
}
