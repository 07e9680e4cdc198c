/* sql_rows_priv.h: the state of an iterator behind a virtual table. */
#ifndef MC_SQL_ROWS_PRIV_H
#define MC_SQL_ROWS_PRIV_H

#include "store/sql_priv.h"

/* Events can stand in a frame this much behind their own time, or behind a frame that was missed.
 */
#define MC_SQL_LATE_NS INT64_C(2000000000)

/* A source (or one field of it, in metric_sample) with its decoded columns. */
struct mc_sql_entry {
    const struct mc_source *source; /* borrowed from the run's schema */
    uint32_t number;                /* within the numbers part */
    uint32_t first_frame;
    int field;                                 /* -1: all */
    int name_bytes;                            /* of the source's name */
    const int64_t *values[MC_SQL_COLUMNS_MAX]; /* by column; NULL where it was not asked for */
};

/* The figures of one value over a second. */
struct mc_sql_sum {
    int64_t min, max, last;
    double sum;
    uint32_t count;
};

struct mc_sql_rows {
    struct mc_reader *reader;         /* borrowed */
    const struct mc_sql_table *table; /* borrowed */
    int64_t run_id;
    struct mc_run_schema *schema; /* borrowed */
    struct mc_sql_filter filter;
    struct mc_sql_span asked; /* ts of the rows; those of frames are in the filter */
    char *source;             /* owned; the filter's */
    int64_t ts, frame;        /* of the row it stands on, and of that row's frame */
    uint64_t place;           /* of the row in its frame */

    /* the rows of the file, in order or against it */
    int begun;
    struct mc_row_ref ref; /* the newest one that was found */
    int64_t seen_ts;       /* of the last frame given, once has_seen */
    int has_seen;
    struct mc_row *row;               /* owned; NULL: none loaded */
    struct mc_value_summary *summary; /* owned; of the row, when there are bounds */
    uint32_t summary_count;
    uint32_t frame_begin, frame_end, frame_idx; /* frames left, and the one it stands on */

    /* samples */
    struct mc_sql_entry *entries; /* owned */
    uint32_t entry_count, entry_room, entry;
    int64_t *cells; /* owned */
    size_t cell_room;
    /* events */
    const struct mc_event *events; /* borrowed from the row */
    size_t event_count, event_idx;
    uint32_t event_types; /* that are wanted */
    struct mc_buf window; /* struct mc_sql_event, those before window_at given */
    size_t window_at;
    const struct mc_event *event; /* borrowed from the row or the window */
    /* slots */
    struct mc_cursor *cursor;         /* owned */
    const struct mc_frame *map_frame; /* borrowed from the cursor */
    size_t slot_at;
    uint32_t slot_map;
    int slot_begun;
    struct mc_sql_lifetimes *lifetimes; /* owned */
    struct mc_sql_conns *conns;         /* owned */
    /* summaries */
    struct mc_sql_sum *sums, *done; /* sums owned: two of sum_count; done: the second half */
    uint32_t sum_count, sum_at, sums_due;
    int64_t sum_second, done_second;
    int sums_over;
    /* holes */
    struct mc_buf holes;
    size_t hole_at;
    struct mc_gap hole;
};

/* From a slot's allocation, at the row's ts, to its end. */
struct mc_sql_life {
    const char *pool; /* borrowed from the run's schema */
    uint32_t slot_idx;
    int64_t end_ts; /* MC_VALUE_NONE: held to the end of the run */
    uint64_t conn_id;
    uint16_t owner;
};

/* A connection, as its events tell of it. */
struct mc_sql_conn {
    uint64_t conn_id;
    int64_t ts, close_ts; /* of accept and close; MC_VALUE_NONE: not in the trace */
    int64_t first_ts, last_ts;
    uint64_t requests, errors, bytes_in, bytes_out;
    uint32_t peer, port, owner, reason; /* string ids, and a number; those of accept and close */
};

/* An event that waits until no earlier one can come. */
struct mc_sql_event {
    struct mc_event event;
    int64_t frame;
    uint64_t place;
};

int mc_sql_is_event(const struct mc_sql_table *t);
/* Load the next row of the file that touches the span. 0, MC_END, or a code. */
int mc_sql_load_row(struct mc_sql_rows *s);
/* The next frame of the loaded row, in frame_idx. 0, or MC_END. */
int mc_sql_next_frame(struct mc_sql_rows *s);

int mc_sql_load_samples(struct mc_sql_rows *s);
int mc_sql_next_sample(struct mc_sql_rows *s);
/* Whether the summary of the row leaves anything for the bounds to find. */
int mc_sql_may_match(const struct mc_sql_rows *s, const struct mc_chunk_head *head);
/* Of any type, static: "unknown" of one that is none. */
const char *mc_sql_event_name(int type);
/* What the bounds say of the events' own time goes into the filter. */
void mc_sql_narrow_events(struct mc_sql_rows *s);
/* Whether the index of the loaded row's events leaves anything for the bounds to find: *out. 0, or
 * a code that is no damage: a row whose index is damaged is read. */
int mc_sql_events_may_match(struct mc_sql_rows *s, int *out);
void mc_sql_begin_events(struct mc_sql_rows *s);
int mc_sql_next_event(struct mc_sql_rows *s);
/* The next frame of the span, in map_frame. 0, MC_END, or a code. */
int mc_sql_next_map_frame(struct mc_sql_rows *s);
int mc_sql_next_change(struct mc_sql_rows *s);
int mc_sql_next_state(struct mc_sql_rows *s);
int mc_sql_begin_lifetimes(struct mc_sql_rows *s);
int mc_sql_next_lifetime(struct mc_sql_rows *s);
/* What the row says; borrowed until the next one. */
const struct mc_sql_life *mc_sql_life(const struct mc_sql_rows *s);
void mc_sql_lifetimes_free(struct mc_sql_lifetimes *lifetimes);
int mc_sql_begin_conns(struct mc_sql_rows *s);
int mc_sql_next_conn(struct mc_sql_rows *s);
/* What the row says; borrowed until the next one. */
const struct mc_sql_conn *mc_sql_conn(const struct mc_sql_rows *s);
void mc_sql_conns_free(struct mc_sql_conns *conns);
int mc_sql_next_summary(struct mc_sql_rows *s);

#endif
