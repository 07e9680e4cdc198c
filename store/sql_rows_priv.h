/* sql_rows_priv.h: the state of an iterator behind a virtual table. */
#ifndef MC_SQL_ROWS_PRIV_H
#define MC_SQL_ROWS_PRIV_H

#include "store/sql_priv.h"

/* Events can stand in a frame this much behind their own time. */
#define MC_SQL_LATE_NS INT64_C(2000000000)
#define MC_SQL_FIELDS_MAX 32

/* A source (or one field of it, in metric_sample) with its decoded columns. */
struct mc_sql_entry {
    const struct mc_source *source; /* borrowed from the row's schema */
    uint32_t number;                /* within the numbers part */
    uint32_t first_frame;
    int field; /* -1: all */
    char name[1100];
    const int64_t *values[MC_SQL_FIELDS_MAX]; /* by field; NULL where it was not asked for */
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
    struct mc_sql_filter filter;
    struct mc_buf runs; /* int64_t run ids */
    size_t run_at;
    int64_t run_id; /* 0: between runs */
    int64_t ts;     /* of the row it stands on */
    struct mc_row_walk walk;
    struct mc_row *row; /* owned; NULL: none loaded */
    uint32_t frame_idx, frame_end;
    /* samples */
    struct mc_sql_entry *entries; /* owned */
    uint32_t entry_count, entry_room, entry;
    int64_t *cells; /* owned */
    size_t cell_room;
    /* events */
    const struct mc_event *events; /* borrowed from the row */
    size_t event_count, event_idx;
    struct mc_event event;
    /* slots */
    struct mc_cursor *cursor;     /* owned */
    const struct mc_frame *frame; /* borrowed from the cursor */
    size_t slot_at;
    uint32_t slot_map;
    int slot_begun;
    /* summaries */
    struct mc_sql_sum *sums, *done; /* sums owned: two of sum_count; done: the second half */
    uint32_t sum_count, sum_at, sums_due;
    int64_t sum_second, done_second;
    /* holes */
    struct mc_buf holes;
    size_t hole_at;
    struct mc_gap hole;
};

int mc_sql_next_change(struct mc_sql_rows *s);
int mc_sql_next_state(struct mc_sql_rows *s);
int mc_sql_next_summary(struct mc_sql_rows *s, int (*load_row)(struct mc_sql_rows *));

#endif
