/* room.c: how the bound on a trace is divided between its file, its log and the reserve; and the
 * log's checkpoints.
 *
 * A user sees four files: FILE, -wal, -shm and -lock. Together they stay below max_bytes. Of that
 * the log gets what it may grow to between two checkpoints, with three of the largest commits (one
 * that seals writes the chunk while its tail rows are still there); the file gets the rest.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "store/writer_priv.h"
#include "tracer/error.h"

#define SHM_BYTES (32 << 10) /* SQLite's index of a log of up to 4,096 pages */
#define KEEP_PARTS 20        /* a chunk is the unit in which age is kept: 5 % of it */

static int64_t clamp(int64_t number, int64_t low, int64_t high)
{
    return number < low ? low : number > high ? high : number;
}

void mc_room_divide(struct mc_room *room, const struct mc_writer_options *opts)
{
    int64_t max = opts->max_bytes;
    room->chunk_ns = clamp(opts->keep_ns / KEEP_PARTS, MC_COMMIT_NS, MC_CHUNK_NS);
    room->log_bytes = clamp(max / 32, MC_LOG_BYTES_MIN, 1 << 20);
    room->seal_bytes = clamp(max / 32, 32 << 10, 2 << 20);
    room->ballast_bytes = clamp(max / 16, 64 << 10, MC_BALLAST_BYTES);
    room->file_bytes = room->total_bytes = INT64_MAX;
    if (max == INT64_MAX)
        return;
    room->file_bytes =
        max - room->log_bytes - 3 * room->seal_bytes - room->ballast_bytes - SHM_BYTES;
    room->total_bytes = max + max / 25 - 3 * room->seal_bytes; /* one more commit may come */
}

static int64_t file_bytes(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;
    if (snprintf(name, sizeof name, "%s%s", path, suffix) >= (int)sizeof name)
        return 0;
    return stat(name, &st) == 0 ? st.st_size : 0;
}

int64_t mc_sink_log_bytes(const struct mc_sink *s)
{
    return file_bytes(s->path, "-wal");
}

static int64_t all_bytes(const struct mc_sink *s)
{
    return file_bytes(s->path, "") + file_bytes(s->path, "-wal") + file_bytes(s->path, "-shm") +
           file_bytes(s->path, "-lock");
}

/* The log is longer than what one commit past its mark makes it. */
static int log_is_long(const struct mc_sink *s)
{
    return mc_sink_log_bytes(s) > s->room.log_bytes + s->room.seal_bytes;
}

void mc_sink_checkpoint(struct mc_sink *s)
{
    int in_log = 0, moved = 0;
    s->checkpoint_due = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (rc != SQLITE_OK || in_log != moved)
        return;
    mc_sink_note_size(s);
    if (!log_is_long(s) && s->trouble != MC_ENOSPC)
        return;
    /* All of it is in the file: give its space back, on a full disk to the reserve. Short readers
     * are waited for only when many of them, one after the other, have kept it from being begun
     * anew. */
    sqlite3_busy_timeout(s->db, mc_sink_log_bytes(s) > 4 * s->room.log_bytes ? MC_LOG_WAIT_MS : 0);
    sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(s->db, MC_BUSY_MS);
}

int mc_sink_log_is_held(struct mc_sink *s)
{
    if (!log_is_long(s) ||
        (mc_sink_log_bytes(s) < MC_LOG_STOP_BYTES && all_bytes(s) < s->room.total_bytes))
        return 0;
    mc_sink_checkpoint(s);
    return log_is_long(s);
}
