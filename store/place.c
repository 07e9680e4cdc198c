/* place.c: whether a trace that is recorded into is still the file of that name, and as long as it
 * was.
 *
 * SQLite goes on writing into a file that was moved or removed, while the log beside it keeps the
 * old name: what is in the log would belong to no file any more, or to another that came there.
 */
#include <sys/stat.h>

#include "store/writer_priv.h"
#include "tracer/error.h"

void mc_sink_note_size(struct mc_sink *s)
{
    struct stat st;
    s->file_bytes = stat(s->path, &st) == 0 ? st.st_size : 0;
}

static int has_moved(struct mc_sink *s)
{
    int moved = 0;
    return sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

int mc_sink_look(struct mc_sink *s)
{
    struct stat st;
    if (has_moved(s)) {
        /* The file has what the log holds: it is whole, wherever it is. */
        if (!s->misplaced)
            sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        s->misplaced = "was moved, replaced or removed by another program (put it back, or begin "
                       "a new recording)";
        return MC_ENOENT;
    }
    if (stat(s->path, &st) == 0 && st.st_size < s->file_bytes) {
        s->misplaced = "was cut short by another program (begin a new recording into another file)";
        return MC_ECORRUPT;
    }
    s->misplaced = NULL;
    return 0;
}
