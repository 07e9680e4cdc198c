/* reader_priv.h: the rows of a trace file, and what a reader keeps of them.
 *
 * Threads: as a reader's. All functions leave no read transaction open, unless they say so.
 */
#ifndef MC_READER_PRIV_H
#define MC_READER_PRIV_H

#include "store/chunk.h"
#include "store/file.h"
#include "store/trace.h"

/* What a run's schema was, from a ts on. */
struct mc_schema_mark {
    int64_t from_ts;
    uint32_t source_count, string_count, value_count, map_count;
};

/* The sources as they were up to mark_count marks, before the next step named more letters: their
 * own counts of states, all else of it borrowed from the schema. */
struct mc_schema_past {
    uint32_t mark_count;
    uint32_t source_count;
    struct mc_source *sources; /* owned */
};

/* A run's schema as far as the reader has read it. */
struct mc_run_schema {
    int64_t run_id;
    struct mc_schema schema;
    struct mc_schema_mark *marks; /* owned; by from_ts */
    uint32_t mark_count, mark_room;
    struct mc_schema_past *pasts; /* owned; by mark_count */
    uint32_t past_count;
    uint32_t mended; /* steps that were damaged, and read from their copies */
    int damaged;     /* a step could not be read: what follows is not known */
};

enum mc_statement {
    MC_STMT_NEXT_CHUNK,
    MC_STMT_NEXT_TAIL,
    MC_STMT_PREV_CHUNK,
    MC_STMT_PREV_TAIL,
    MC_STMT_CHUNK_BEFORE,
    MC_STMT_CHUNK,
    MC_STMT_TAIL,
    MC_STMT_PART,
    MC_STMT_STEPS,
    MC_STMT_STEP,
    MC_STMT_VERSION,
    MC_STMT_BEGIN,
    MC_STMT_COMMIT,
    MC_STMT_COUNT
};

/* What reading has cost: for tests, that what is pushed down is not decoded. */
struct mc_read_counts {
    uint64_t rows;    /* chunks and tails opened */
    uint64_t parts;   /* fetched */
    uint64_t columns; /* of numbers, decoded for SQL */
    uint64_t pruned;  /* chunks that their summary ruled out */
    uint64_t slices;  /* of events, decoded */
};

/* A set of chunks, as numbers: holes.c. */
struct mc_seen {
    uint64_t *keys; /* owned; a hash table, 0: free */
    uint32_t count, room;
};

struct mc_reader {
    sqlite3 *db; /* owned when owns_db */
    int owns_db;
    sqlite3 *query_db;                  /* owned; opened by the first query */
    char *path;                         /* owned; NULL for an attached one */
    struct mc_packer *packer;           /* owned */
    sqlite3_stmt *stmts[MC_STMT_COUNT]; /* owned */
    struct mc_run_schema **runs;        /* owned */
    uint32_t run_count, run_room;
    struct mc_buf run_ids;   /* int64_t; those of the file when it was of... */
    int64_t run_ids_version; /* ...this data_version; 0: not read yet */
    struct mc_schema view;   /* what mc_reader_schema lends out: arrays borrowed from a run's */
    struct mc_seen whole;    /* chunks whose parts are as their checksums say */
    struct mc_buf part;      /* the bytes of the part fetched last */
    struct mc_event_slice spare_slice; /* memory for a row's events */
    struct mc_buf spare_maps_raw;      /* for the bytes of a leg of its maps */
    struct mc_maps spare_maps;         /* for a cursor's: those of spare_maps_run */
    int64_t spare_maps_run;            /* a reader that waits keeps no more than these: */
#define MC_SPARE_SLOTS (1u << 19)
#define MC_SPARE_RAW_BYTES (1u << 20)
    int (*stop)(void *); /* asked before each row: not 0 ends what is being read; or NULL */
    void *stop_arg;      /* borrowed */
    struct mc_read_counts counts;
    uint32_t begun; /* read transactions, one in another */
};

/* Open `path` read-only and defensively, and check that it is a trace. */
int mc_reader_open_db(const char *path, sqlite3 **out, char *why, size_t why_bytes);
/* A reader on a connection that someone else owns. */
int mc_reader_attach(sqlite3 *db, struct mc_reader **out);

/* Give up the prepared statements; the next call makes them again. */
void mc_reader_idle(struct mc_reader *r);

/* The prepared statement, reset. */
int mc_reader_stmt(struct mc_reader *r, enum mc_statement which, sqlite3_stmt **out);
/* Begin and end a read transaction: what is read in between is one state of the file, which no
 * statement has to lock anew. Nested calls and connections inside a statement of someone else's are
 * fine. */
int mc_reader_begin(struct mc_reader *r);
void mc_reader_end(struct mc_reader *r);

/* The numbers of the file's runs, rising; borrowed until the next call. */
int mc_reader_run_ids(struct mc_reader *r, const int64_t **ids, size_t *count);
/* 0, MC_ENORUN, or another code. */
int mc_reader_has_run(struct mc_reader *r, int64_t run_id);

/* The run's schema, brought up to date with the file. MC_ENORUN when the file has none. Borrowed;
 * stays at its place until the reader is closed, though its arrays may move when it grows. */
int mc_reader_run_schema(struct mc_reader *r, int64_t run_id, struct mc_run_schema **out);
/* Whether the copy of a schema step is whole: 0, MC_ECORRUPT, MC_END when the file has none. */
int mc_reader_step_copy_check(struct mc_reader *r, int64_t run_id, uint32_t step);
/* `view` becomes the schema as of a frame: arrays borrowed from the run's. */
void mc_run_schema_view(const struct mc_run_schema *s, int64_t ts, struct mc_schema *view);

/* Where a row stands, as its columns say; what they say may be wrong when it is damaged. */
struct mc_row_ref {
    int is_tail;
    int64_t row_id, run_id, first_ts, last_ts, frame_count;
};

/* The row, chunk or tail, with the smallest last_ts above `ts`, or the largest below `ts`. MC_END
 * when there is none. */
int mc_row_next(struct mc_reader *r, int64_t run_id, int64_t ts, struct mc_row_ref *out);
int mc_row_prev(struct mc_reader *r, int64_t run_id, int64_t ts, struct mc_row_ref *out);

/* A row that is being read. */
struct mc_row {
    struct mc_row_ref ref;
    struct mc_reader *reader;           /* borrowed */
    const struct mc_run_schema *schema; /* borrowed from the reader; as of opening or newer */
    struct mc_chunk chunk;
    struct mc_buf body;               /* tails: all parts */
    struct mc_value_summary *summary; /* owned; chunks, when asked for */
};
/* Open: parse the head and load the frames part. MC_ECORRUPT: damaged; MC_END: no longer there
 * (sealed or dropped meanwhile); MC_EIO, MC_ENOMEM. */
int mc_row_open(struct mc_reader *r, const struct mc_row_ref *ref, int with_summary,
                struct mc_row **out);
void mc_row_close(struct mc_row *row);
/* Only the head; `summary` (value_count of them, malloc'd) when not NULL and the row has one. */
int mc_row_head(struct mc_reader *r, const struct mc_row_ref *ref, struct mc_chunk_head *head,
                struct mc_value_summary **summary);

/* Only the head, with every part's checksum looked at: of a chunk once for each reader. Codes as of
 * mc_row_open. */
int mc_row_sums(struct mc_reader *r, const struct mc_row_ref *ref, struct mc_chunk_head *head);
/* Look again at chunks that were found whole: one that is damaged has been met since. */
void mc_reader_forget_whole(struct mc_reader *r);
/* Look at the checksums of the parts that a head tells of. */
int mc_row_parts_check(struct mc_reader *r, const struct mc_row_ref *ref,
                       const struct mc_chunk_head *head);

/* The head of the nearest row before (after) `ts` whose head is good. 0, MC_END, or a code. */
int mc_row_good_head(struct mc_reader *r, int64_t run_id, int64_t ts, int is_back,
                     struct mc_chunk_head *head);
/* Where the frames of a damaged row stand. As its columns say, when the damage is in its parts; or
 * else what the good rows around it leave, as far as its end (or, when that is wrong, its begin) is
 * right; without one before it, from MC_ROW_NS_MAX before its end on. */
#define MC_ROW_NS_MAX INT64_C(60000000000) /* a chunk's, unless its frames are far apart */
int mc_row_span(struct mc_reader *r, const struct mc_row_ref *ref, int64_t *first, int64_t *last);

/* The events of a frame; perhaps none, where it has none of `types`. A part that can't be read is
 * MC_ECORRUPT, or MC_END when its row has gone.
 */
int mc_row_events(struct mc_row *row, uint32_t frame_idx, uint32_t types,
                  const struct mc_event **events, size_t *count);

/* Walk the rows of a run that touch [from, to), in order; damaged ones are told as holes. */
struct mc_row_walk {
    struct mc_reader *reader;
    int64_t run_id, from, to;
    int64_t last_ts;    /* of the newest row passed */
    int64_t seen_ts;    /* of the newest good row, from before the span on; INT64_MIN */
    int looked_before;  /* for that one */
    int at_end;         /* the run has no more rows */
    int sums_only;      /* check sums, open nothing: `out` may be NULL */
    struct mc_gap hole; /* damaged rows before the row just given; reason[0] 0: none */
};
void mc_row_walk_init(struct mc_row_walk *w, struct mc_reader *r, int64_t run_id, int64_t from,
                      int64_t to);
/* The next good row, opened; MC_END at the end (hole may be set then too). */
int mc_row_walk_next(struct mc_row_walk *w, struct mc_row **out);
/* Append a gap that touches [from, to). 0 or MC_ENOMEM. */
int mc_gap_add(struct mc_buf *out, const struct mc_gap *g, int64_t from, int64_t to);
/* Where the run's own row says that its frames end; INT64_MIN when it can't be read. 0 or a code.
 */
int mc_reader_end_of_run(struct mc_reader *r, int64_t run_id, int64_t *out);
/* The holes that damaged rows leave in [from, to), as struct mc_gap appended to `out`. Reads the
 * bytes of every chunk of the span that this reader has not found whole before. */
int mc_reader_holes(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                    struct mc_buf *out);
/* Whether code means "this row is damaged" rather than "the file can't be read now". */
int mc_row_is_damage(int code);

#endif
