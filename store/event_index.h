/* event_index.h: what a chunk's events are about, so that a query need not decode them to learn
 * that they are not what it asks for: when the earliest request began, and which connections there
 * are.
 *
 * Format: MC_PART_EVENT_INDEX: z first frame's ts - the earliest begin of an event; run_count, then
 *         so many runs of connection ids in order, each: ids left out since the last run's end,
 *         length - 1. It may tell of connections that there are not, and leaves none out.
 */
#ifndef MC_EVENT_INDEX_H
#define MC_EVENT_INDEX_H

#include "tracer/buf.h"
#include "tracer/frame.h"

/* When what an event tells of began: a request at its arrival, all else at once. No duration goes
 * back before time. */
static inline int64_t mc_event_begin_ts(const struct mc_event *e)
{
    if (e->type != MC_EVENT_RESPONSE)
        return e->ts;
    return e->dur_ns > (uint64_t)e->ts - (uint64_t)INT64_MIN
               ? INT64_MIN
               : (int64_t)((uint64_t)e->ts - e->dur_ns);
}

/* ---- writing ---- */

#define MC_INDEX_RECENT 256u /* a power of two */

struct mc_event_index_maker {
    int64_t earliest_ts;
    uint64_t low_conn, high_conn;
    struct mc_conn_word *words;       /* owned; a table of the connections seen, 64 ids to a word */
    uint32_t word_count, last;        /* words in use; where the last event's was */
    int is_rough;                     /* too many: only low_conn and high_conn are right */
    uint64_t recent[MC_INDEX_RECENT]; /* connections that are in the table; by their low bits */
};

void mc_event_index_fini(struct mc_event_index_maker *m);
void mc_event_index_begin(struct mc_event_index_maker *m);
/* 0, or MC_ENOMEM. */
int mc_event_index_add(struct mc_event_index_maker *m, const struct mc_event *events, size_t count);
/* Append the part's bytes; there has been an event. first_ts: of the chunk's first frame. */
int mc_event_index_end(struct mc_event_index_maker *m, int64_t first_ts, struct mc_buf *raw);

/* ---- reading ---- */

struct mc_conn_run {
    uint64_t first, last;
};
struct mc_event_index {
    int64_t earliest_ts;
    struct mc_conn_run *runs; /* owned */
    uint32_t run_count;
};

/* MC_ECORRUPT, MC_ENOMEM: nothing is left to free. */
int mc_event_index_parse(struct mc_event_index *out, int64_t first_ts, const struct mc_buf *raw);
void mc_event_index_free(struct mc_event_index *index);
/* Whether there may be a connection whose id, as a signed number, is within [min, max]. */
int mc_event_index_has(const struct mc_event_index *index, int64_t min, int64_t max);

#endif
