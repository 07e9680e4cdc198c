/* trace.h: a trace file: frames into it, and out of it again.
 *
 * Format:  one SQLite file; the whole layout stands at the top of trace_format.h.
 * Threads: a writer is used from one thread and does its file work on a thread of its own; a
 *          reader, and the cursors it opens, from one thread at a time. Any number of readers, in
 *          any process, work while a writer writes.
 * Never:   a reader never writes to, checkpoints or locks out the file. Every byte of it is
 * hostile.
 */
#ifndef MC_TRACE_H
#define MC_TRACE_H

#include <stdatomic.h>

#include "tracer/buf.h"
#include "tracer/frame.h"

/* ---- writing -------------------------------------------------------------------------------- */

struct mc_writer;

struct mc_writer_options {
    int64_t keep_ns;      /* drop what is older; default 24 h; INT64_MAX: for ever */
    int64_t max_bytes;    /* the file with its WAL; default 1 GiB; INT64_MAX: no bound */
    int64_t chunk_frames; /* frames to a sealed chunk; default 600, 60 s at 10 Hz */
};

/* Open `path` for writing, creating it. Fails with MC_EFORMAT (a file that is not ours: it is left
 * as it is), MC_EBUSY (another recorder writes to it), MC_EPERM, MC_ENOSPC, MC_EIO, MC_ENOMEM;
 * `why` (may be NULL) gets one line: what, where, what to do. What a killed writer left behind is
 * mended here: its runs get an exit "recorder stopped" unless it is adopted (mc_writer_resume). */
int mc_writer_open(const char *path, const struct mc_writer_options *opts, struct mc_writer **out,
                   char *why, size_t why_bytes);

/* Begin a run; *run_id is its number in this file. Copies info. One run at a time. */
int mc_writer_begin(struct mc_writer *w, const struct mc_run_info *info, int64_t *run_id);

/* Go on with the newest run of the same host, pid and start_wall_ns, recorded by a recorder that
 * died; *last_ts is its newest frame in the file, INT64_MIN when it died before the first.
 * MC_ENORUN when there is no such run, or all of its frames have been dropped. */
int mc_writer_resume(struct mc_writer *w, const struct mc_run_info *info, int64_t *run_id,
                     int64_t *last_ts);

/* Add a frame (ts above all before). Encodes into memory only: never waits for the file, and
 * copies what it keeps. About once a second what has come is committed by the writer's thread as a
 * tail row; every chunk_frames it is sealed. Returns 0, MC_EINVAL for a ts that does not rise, or
 * MC_ENOMEM. Trouble with the file is not an error here: frames that can't be kept are counted and
 * become a gap in the file when it can be written again; mc_writer_trouble tells. */
int mc_writer_frame(struct mc_writer *w, const struct mc_frame *frame);

/* Marks may come at any ts of the run, also late. author: "" for the recorder itself.
 * *mark_id is its rowid. Committed with the next second. */
int mc_writer_mark(struct mc_writer *w, int64_t ts, int64_t dur_ns, const char *label,
                   const char *author, int64_t *mark_id);

/* Change, or remove, a mark of the run that is being recorded, with the next second. A mark that is
 * not there is no error. MC_EINVAL, MC_ENOMEM. */
int mc_writer_mark_set(struct mc_writer *w, int64_t mark_id, int64_t ts, int64_t dur_ns,
                       const char *label);
int mc_writer_mark_remove(struct mc_writer *w, int64_t mark_id);

/* Have all frames so far in the file, durable, before this returns. Blocks. */
int mc_writer_flush(struct mc_writer *w);

/* End the run: `exit` as in mc_run_info ("exit 0", "signal 9", "gone"). Blocks like flush. */
int mc_writer_end(struct mc_writer *w, const char *exit);

/* One line on what is wrong with the file now ("disk full: 120 frames dropped since …"), or NULL.
 */
const char *mc_writer_trouble(struct mc_writer *w);

/* Flush and free. A run that has not ended keeps exit NULL and can be resumed. */
void mc_writer_close(struct mc_writer *w);

/* ---- reading -------------------------------------------------------------------------------- */

struct mc_reader;
struct mc_cursor;

/* Open for reading, defensively (DESIGN.md, security defaults). MC_ENOENT, MC_EPERM, MC_EFORMAT,
 * MC_ECORRUPT, …; `why` as above. */
int mc_reader_open(const char *path, struct mc_reader **out, char *why, size_t why_bytes);
void mc_reader_close(struct mc_reader *r);

/* The runs, oldest first. *out is malloc'd; free each with mc_run_info_fini, then *out. */
int mc_reader_runs(struct mc_reader *r, struct mc_run_info **out, size_t *count);
/* One of them; the caller frees it with mc_run_info_fini. 0, MC_ENORUN, or a code. */
int mc_reader_run(struct mc_reader *r, int64_t run_id, struct mc_run_info *out);

/* The first and newest ts of a run that the file still holds. MC_ENORUN; MC_END for an empty run.
 */
int mc_reader_span(struct mc_reader *r, int64_t run_id, int64_t *first_ts, int64_t *last_ts);

/* Walk a run's frames. A cursor on a run that is being written sees new frames as they are
 * committed: after MC_END a later call of next may succeed. */
int mc_cursor_open(struct mc_reader *r, int64_t run_id, struct mc_cursor **out);
void mc_cursor_close(struct mc_cursor *c);
/* Leave out of the frames what the caller does not look at, which need not be decoded then: their
 * slot changes (the maps are there), their bucket counts, their events with the bucket counts. */
enum mc_cursor_parts { MC_CURSOR_CHANGES = 1, MC_CURSOR_EVENTS = 2, MC_CURSOR_BUCKETS = 4 };
void mc_cursor_leave_out(struct mc_cursor *c, unsigned parts);
/* Let each frame have at most so many events, its first ones (0: all, the default), and no bucket
 * counts. The others need not be decoded either. Before the first frame. */
void mc_cursor_bound_events(struct mc_cursor *c, uint32_t event_max);
/* How many events the frame that it stands on has beyond those. */
uint64_t mc_cursor_events_left_out(const struct mc_cursor *c);
/* Stand on the newest frame with frame.ts <= ts (the run's first when ts is before it), with its
 * events and changes like any other. 0, MC_END for a run without frames, or a negative code. */
int mc_cursor_seek(struct mc_cursor *c, int64_t ts, const struct mc_frame **out);
/* The following (preceding) frame. A damaged chunk is skipped: the frame after it carries a gap
 * "damaged" over its span, and its changes are those against the frame before the gap. */
int mc_cursor_next(struct mc_cursor *c, const struct mc_frame **out);
int mc_cursor_prev(struct mc_cursor *c, const struct mc_frame **out);

struct mc_mark {
    int64_t mark_id, ts, dur_ns;
    char label[256], author[64];
};
/* Marks with from <= ts < to, by ts. *out is malloc'd, the caller frees it. */
int mc_reader_marks(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                    struct mc_mark **out, size_t *count);
/* Gaps that touch [from, to), by ts, from both the recorder and damaged chunks. Same ownership. */
int mc_reader_gaps(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                   struct mc_gap **out, size_t *count);

/* Call `fn` for each event with from <= ts < to, in order, only conn_id's where it is not 0. A
 * non-zero return stops and is returned. The schema is valid during the call. */
typedef int (*mc_event_fn)(void *arg, const struct mc_schema *schema, const struct mc_event *event);
int mc_reader_events(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                     uint64_t conn_id, mc_event_fn fn, void *arg);

/* For `bucket_count` equal slices of [from, to): the min and max of one value (index into
 * frame.values) in each; MC_VALUE_NONE in both where there is no frame. Whole chunks are answered
 * from their summaries. min and max are the caller's, bucket_count each. Ranges for several values
 * at once: value_idx[value_count], results value-major. */
int mc_reader_envelope(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                       const uint32_t *value_idx, uint32_t value_count, uint32_t bucket_count,
                       int64_t *min, int64_t *max);

/* What the file holds of a span of frames, about a minute each: for each value its min, max, mean
 * and last, MC_VALUE_NONE in min where it was never there. values NULL: no summary of this span can
 * be used (it is not sealed yet, or reaches past [from, to)); its frames are to be read. */
struct mc_span_value {
    int64_t min, max, mean, last;
};
struct mc_span_summary {
    int64_t first_ts, last_ts;
    uint32_t frame_count, value_count;
    const struct mc_span_value *values;
};
/* Call `fn` for each span that touches [from, to), in order; damaged ones are passed over. A
 * non-zero return stops and is returned. `fn` may read with the same reader. */
typedef int (*mc_summary_fn)(void *arg, const struct mc_span_summary *span);
int mc_reader_summaries(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                        mc_summary_fn fn, void *arg);

/* Call `fn` for each frame with from <= ts < to, in order, with some of its numbers: value_idx are
 * indices into frame.values, rising or not; MC_VALUE_NONE where the frame does not know the source.
 * Decodes nothing else, one chunk at a time; damaged chunks are passed over. A non-zero return
 * stops and is returned. `fn` must not call the reader. */
typedef int (*mc_values_fn)(void *arg, int64_t ts, const int64_t *values);
int mc_reader_values(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                     const uint32_t *value_idx, uint32_t value_count, mc_values_fn fn, void *arg);

/* The schema of a run as of ts (INT64_MAX: all of it). Borrowed until the next call on `r`. */
int mc_reader_schema(struct mc_reader *r, int64_t run_id, int64_t ts, const struct mc_schema **out);

/* Check the whole file: SQLite's own integrity, every chunk's checksum and decoding, order of
 * frames. `fn` gets one line per finding, which names the chunk and its time span, and progress
 * with finding NULL and percent. *finding_count is the total. 0 when the check could be done. */
typedef void (*mc_check_fn)(void *arg, const char *finding, int percent);
int mc_trace_check(const char *path, mc_check_fn fn, void *arg, int64_t *finding_count);

/* Put a mark into a run of a file that nobody records to. MC_EBUSY while a writer has the file
 * (use mc_writer_mark there), MC_ENORUN, and what mc_writer_open can say. mark_id may be NULL. */
int mc_trace_mark(const char *path, int64_t run_id, int64_t ts, int64_t dur_ns, const char *label,
                  const char *author, int64_t *mark_id);
/* Change, or remove, a mark of such a run. As mc_trace_mark; MC_END when there is no such mark. */
int mc_trace_mark_set(const char *path, int64_t run_id, int64_t mark_id, int64_t ts, int64_t dur_ns,
                      const char *label);
int mc_trace_mark_remove(const char *path, int64_t run_id, int64_t mark_id);

/* ---- SQL ------------------------------------------------------------------------------------- */

/* A query that is kept waiting by others on a busy machine has this much longer by the clock. */
#define MC_QUERY_WALL_TIMES 5

struct mc_query_limits {
    int64_t rows;         /* 0: no bound */
    int64_t time_ms;      /* of the calling thread's CPU; 0: no bound */
    int64_t memory_bytes; /* 0: no bound */
    const atomic_int
        *gone; /* borrowed; NULL, or what another thread sets when nobody waits any more */
};
/* What a stranger's query may take. A call that is under way at the end of its time is not cut
 * short, but no single one takes long: texts are bounded too, to 256 KiB. */
#define MC_STRANGER_ROWS 100000
#define MC_STRANGER_TIME_MS 1000
#define MC_STRANGER_MEMORY_BYTES (64 << 20)
/* Called once with the column names (types NULL), then for each row. text[i] NULL is SQL NULL;
 * type[i] is SQLITE_INTEGER and so on. A non-zero return stops the query. */
struct mc_query_row {
    int column_count;
    const char *const *text; /* UTF-8; a blob comes as hexadecimal */
    const int *type;         /* NULL: these are the column names */
};
typedef int (*mc_query_fn)(void *arg, const struct mc_query_row *row);
/* Run one read-only statement over the tables of DESIGN.md. 0; MC_ESQL, MC_EDENIED, MC_ELIMIT with
 * the reason in `why`. *truncated: the row limit cut the answer. */
int mc_reader_query(struct mc_reader *r, const char *sql, const struct mc_query_limits *limits,
                    mc_query_fn fn, void *arg, int *truncated, char *why, size_t why_bytes);

#endif
