/* writer_priv.h: the two halves of a writer: the caller's, and the thread that owns the file.
 *
 * The caller copies each frame into a queue and goes on; the thread takes what has come about once
 * a second, encodes it as a tail row, commits, and seals when enough has come.
 */
#ifndef MC_WRITER_PRIV_H
#define MC_WRITER_PRIV_H

#include <pthread.h>
#include <string.h>

#include "store/chunk.h"
#include "store/file.h"
#include "store/resume.h"
#include "store/trace.h"

#define MC_QUEUE_BYTES (16u << 20) /* frames that wait for the file; past it they are dropped */
#define MC_TAIL_FRAMES 64u         /* frames to a tail row */
#define MC_COMMIT_NS INT64_C(1000000000)
#define MC_LOG_STOP_BYTES (INT64_C(48) << 20) /* a reader holds the log: write no more */
#define MC_LOG_BYTES_MIN (64 << 10)           /* below it there is no checkpoint */
#define MC_LOG_WAIT_MS 100                    /* for the readers of a log that has grown */
#define MC_BUSY_MS 2000                       /* for someone else's lock on the file */
#define MC_CHUNK_NS INT64_C(60000000000)      /* a chunk that spans so much is sealed... */
#define MC_CHUNK_FRAMES_MIN 60u               /* ...when it has as many frames */

/* A frame on its way to the file: one allocation, arrays behind it. frame.schema and frame.maps are
 * not used. */
struct mc_queued_frame {
    struct mc_queued_frame *next;
    size_t bytes;
    struct mc_frame frame;
    uint8_t *step; /* how the schema grows with this frame, as in a schema_step's body; or NULL */
    size_t step_bytes;
    struct mc_map *new_maps; /* maps that begin here, as they are before the frame */
    uint32_t new_map_count;
    int is_first; /* of a run, or after frames that were dropped: schema and maps are whole */
    int step_taken, maps_taken; /* the sink's: by its schema, by its maps */
};

enum mc_command {
    MC_COMMAND_NONE,
    MC_COMMAND_BEGIN,
    MC_COMMAND_RESUME,
    MC_COMMAND_FLUSH,
    MC_COMMAND_END,
    MC_COMMAND_STOP
};

enum mc_mark_what { MC_MARK_NEW, MC_MARK_SET, MC_MARK_REMOVE };
struct mc_queued_mark {
    struct mc_queued_mark *next;
    enum mc_mark_what what;
    int64_t mark_id, ts, dur_ns;
    const char *label, *author; /* borrowed; of one in the queue, they stand behind it */
};

/* The bound on a trace, divided: room.c. */
struct mc_room {
    int64_t file_bytes;    /* FILE itself; INT64_MAX: no bound */
    int64_t log_bytes;     /* a checkpoint is due past it */
    int64_t seal_bytes;    /* tail rows that are as much together are sealed */
    int64_t total_bytes;   /* all files, while a reader holds the log: write no more */
    int64_t ballast_bytes; /* held in reserve for a full disk */
    int64_t chunk_ns;      /* what a chunk may span */
};
void mc_room_divide(struct mc_room *room, const struct mc_writer_options *opts);

/* The thread's half: nobody else touches it while the thread runs. */
struct mc_sink {
    sqlite3 *db; /* owned */
    struct mc_file_lock lock;
    char *path; /* owned */
    struct mc_writer_options opts;
    struct mc_room room;
    struct mc_packer *packer; /* owned */
    int64_t run_id;           /* 0: none */
    int64_t start_wall_ns;
    struct mc_schema schema;
    uint32_t stored_sources, stored_strings, stored_states; /* that schema_step rows tell of */
    int64_t step_count;                                     /* schema_step rows of the run */
    struct mc_maps maps;                                    /* after the newest frame */
    struct mc_map_ops ops;
    struct mc_chunk_writer tail, chunk;
    int chunk_open;   /* the chunk has all frames of the tail rows since its key */
    int tail_goes_on; /* the next tail row goes on from the last one */
    int hole;         /* frames are missing before the next one */
    int resync;       /* schema or maps are not whole: the caller must send all of them */
    int resumed;      /* frames go through remap */
    struct mc_remap remap;
    int has_orphans;      /* there may be tail rows without an open chunk */
    int64_t last_ts;      /* newest frame that was taken; INT64_MIN */
    int64_t committed_ts; /* newest frame in the file */
    int64_t seen_ts;      /* newest frame that came, kept or not */
    int64_t first_tail_id, next_tail_id, next_chunk_id;
    int64_t open_bytes; /* tail rows of the open chunk, as stored */
    struct mc_gap lost; /* frames dropped since the last commit; reason[0] 0: none */
    int trouble;        /* the code of the last commit, 0 when it went well */
    int checkpoint_due; /* the log has grown past its mark */
    int64_t file_bytes; /* of FILE, when all of the log was last in it */
    const char
        *misplaced; /* what is wrong with FILE, if mc_sink_look has found something; or NULL */
};

struct mc_writer {
    pthread_t thread;
    int has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done; /* to the thread; from it */
    /* Under the mutex. */
    struct mc_queued_frame *first, **last;
    struct mc_queued_mark *first_mark, **last_mark;
    size_t queued_bytes;
    int64_t oldest_ns; /* when the first frame or mark of the queue came; CLOCK_MONOTONIC */
    enum mc_command command;
    const struct mc_run_info *command_info; /* borrowed from the waiting caller */
    const char *command_exit;
    int command_rc;
    int64_t command_run_id, command_last_ts;
    struct mc_gap behind; /* frames that the queue had no room for */
    char trouble[256];
    int sink_resync; /* the thread needs schema and maps in full */
    /* The caller's alone. */
    int64_t run_id, frame_ts;
    uint32_t source_count, string_count, map_count; /* that the thread has been told of */
    uint32_t state_count;
    int64_t next_run_id, next_mark_id;
    int resync; /* the next frame carries its maps in full */
    char trouble_copy[256];
    struct mc_sink sink;
};

/* sink.c, sink_run.c: frames into rows. */
int mc_sink_init(struct mc_sink *s, sqlite3 *db, const struct mc_writer_options *opts);
void mc_sink_fini(struct mc_sink *s);
/* Runs that no recorder ended have stopped. */
int mc_sink_stop_runs(sqlite3 *db);
/* Forget the run: the next frame starts anew. */
void mc_sink_reset(struct mc_sink *s);
int mc_sink_begin(struct mc_sink *s, int64_t run_id, const struct mc_run_info *info);
int mc_sink_end(struct mc_sink *s, const char *exit);
/* Commit frames and marks; both lists stay the caller's. What can't be kept is counted. */
void mc_sink_commit(struct mc_sink *s, struct mc_queued_frame *frames,
                    const struct mc_queued_mark *marks);
/* Keep none of these frames, because of `code`: count them and follow what they change. */
void mc_sink_drop(struct mc_sink *s, struct mc_queued_frame *frames, int code);
/* Go on with the newest run of the same program, as mc_writer_resume. */
int mc_sink_resume(struct mc_sink *s, const struct mc_run_info *info, int64_t *run_id,
                   int64_t *last_ts);
/* Tell of a gap in the file; inside the caller's transaction. */
int mc_sink_put_gap(struct mc_sink *s, const struct mc_gap *g);
/* Count frames that never reached the sink. */
void mc_sink_lost(struct mc_sink *s, const struct mc_gap *gap);

/* mark_edit.c: change or remove a mark, as m->what says; inside the caller's transaction. */
int mc_sink_edit_mark(sqlite3 *db, int64_t run_id, const struct mc_queued_mark *m);

/* seal.c: chunks. */
/* Insert a finished chunk and delete its tail rows; inside the caller's transaction. */
int mc_sink_put_chunk(struct mc_sink *s, struct mc_chunk_writer *w, int64_t run_id,
                      int64_t first_tail_id, int64_t last_tail_id);
/* Seal the tail rows that no open chunk has: what a killed writer, or one with a full disk, left.
 */
int mc_sink_seal_orphans(struct mc_sink *s);

/* retain.c: age, size, the WAL, the full disk. One short step; returns whether more is due. */
int mc_sink_retain(struct mc_sink *s, int64_t now_wall_ns);

/* place.c: whether FILE is what it was. 0; MC_ENOENT, MC_ECORRUPT: write nothing to it. */
int mc_sink_look(struct mc_sink *s);
/* All of the log is in FILE, which is as long as it is to be. */
void mc_sink_note_size(struct mc_sink *s);

/* room.c: the log. */
int64_t mc_sink_log_bytes(const struct mc_sink *s);
/* Move the log into the file, and give its space back where it has grown. The one connection that
 * writes is the one that checkpoints: see README.md. */
void mc_sink_checkpoint(struct mc_sink *s);
/* Whether a reader has held the log open until it grew past its bound. */
int mc_sink_log_is_held(struct mc_sink *s);

/* Run one statement with up to 12 int64s or blobs bound; used by sink and seal. */
struct mc_bind {
    int type; /* SQLITE_INTEGER, SQLITE_TEXT, SQLITE_BLOB, SQLITE_NULL */
    int64_t number;
    const void *bytes;
    size_t byte_count;
};
#define MC_INT(v) ((struct mc_bind){SQLITE_INTEGER, (int64_t)(v), NULL, 0})
#define MC_TEXT(t) ((struct mc_bind){(t) ? SQLITE_TEXT : SQLITE_NULL, 0, (t), (t) ? strlen(t) : 0})
#define MC_BLOB(b) ((struct mc_bind){SQLITE_BLOB, 0, (b)->bytes, (b)->count})
int mc_sink_run(sqlite3 *db, const char *sql, const struct mc_bind *binds, int bind_count);
/* The first column of the first row, or `otherwise`. */
int mc_sink_number(sqlite3 *db, const char *sql, const struct mc_bind *binds, int bind_count,
                   int64_t otherwise, int64_t *out);

#endif
