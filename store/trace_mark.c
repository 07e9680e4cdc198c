/* trace_mark.c: a mark in a file that nobody records to: lock, insert, unlock. */
#include <string.h>

#include "store/file.h"
#include "store/trace.h"
#include "tracer/error.h"

static int run_exists(sqlite3 *db, int64_t run_id)
{
    sqlite3_stmt *stmt = NULL;
    int code = mc_file_prepare(db, "SELECT 1 FROM run WHERE run_id = ?1", &stmt);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, run_id);
    int rc = sqlite3_step(stmt);
    code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? MC_ENORUN : mc_file_error(db, rc);
    sqlite3_finalize(stmt);
    return code;
}

static int insert(sqlite3 *db, int64_t run_id, struct mc_mark *mark)
{
    sqlite3_stmt *stmt = NULL;
    int code = mc_file_prepare(
        db, "INSERT INTO mark (run_id, ts, dur, label, author) VALUES (?1, ?2, ?3, ?4, ?5)", &stmt);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, run_id);
    sqlite3_bind_int64(stmt, 2, mark->ts);
    sqlite3_bind_int64(stmt, 3, mark->dur_ns);
    sqlite3_bind_text(stmt, 4, mark->label, (int)strnlen(mark->label, sizeof mark->label),
                      SQLITE_STATIC);
    sqlite3_bind_text(stmt, 5, mark->author, (int)strnlen(mark->author, sizeof mark->author),
                      SQLITE_STATIC);
    code = mc_file_error(db, sqlite3_step(stmt));
    sqlite3_finalize(stmt);
    if (!code)
        mark->mark_id = sqlite3_last_insert_rowid(db);
    return code;
}

int mc_trace_mark(const char *path, int64_t run_id, struct mc_mark *mark, char *why,
                  size_t why_bytes)
{
    struct mc_file_lock lock = {0};
    sqlite3 *db = NULL;
    int code = mc_file_probe(path, why, why_bytes);
    if (code)
        return code == MC_END ? mc_file_why(MC_ENOENT, why, why_bytes, "%s: no trace there", path)
                              : code;
    code = mc_file_lock(path, &lock);
    if (code)
        return mc_file_why(code, why, why_bytes,
                           code == MC_EBUSY ? "%s: a recorder writes to it; mark the run there"
                                            : "%s: it can't be locked for writing",
                           path);
    code = mc_file_open(path, &db, why, why_bytes);
    if (code)
        goto unlock;
    code = run_exists(db, run_id);
    if (!code)
        code = insert(db, run_id, mark);
    if (code == MC_ENORUN)
        mc_file_why(code, why, why_bytes, "%s: it has no run %lld", path, (long long)run_id);
    else if (code)
        mc_file_why(code, why, why_bytes, "%s: the mark can't be written: %s", path,
                    mc_strerror(code));
    sqlite3_close(db);
unlock:
    mc_file_unlock(&lock);
    return code;
}
