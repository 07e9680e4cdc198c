/* file.h: the trace file as a SQLite database: is it ours, make it, lock it, its errors. */
#ifndef MC_FILE_H
#define MC_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "store/sql_api.h"

/* The MC_ code of a SQLite result code (extended or not) on `db`. 0 for OK, ROW and DONE. */
int mc_file_error(sqlite3 *db, int rc);

/* Write one line into why[0..why_bytes) (why may be NULL) and return code. */
int mc_file_why(int code, char *why, size_t why_bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The path with its links followed, as SQLite names the log beside it; `path` itself where there is
 * no file yet. malloc'd; NULL: no memory. */
char *mc_file_resolve(const char *path);

/* Look at the first bytes of `path`. 0: a trace; MC_END: there is no file, or an empty one;
 * MC_EFORMAT, MC_EPERM, MC_EIO with `why`. Opens nothing that SQLite has locks on. */
int mc_file_probe(const char *path, char *why, size_t why_bytes);

/* Open read-write, creating the tables in a new file. The caller holds the lock. A file of an older
 * version is of this one from now on; damaged plain rows are mended. */
int mc_file_open(const char *path, sqlite3 **out, char *why, size_t why_bytes);

/* Run statements that return nothing. */
int mc_file_exec(sqlite3 *db, const char *sql);
/* Begin a transaction that writes; end it: commit when rc is 0, else roll back. Returns rc, or what
 * the commit says. */
int mc_file_begin(sqlite3 *db);
int mc_file_end(sqlite3 *db, int rc);
/* Prepare; *out is finalized by the caller. */
int mc_file_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
/* The statement of this text that was used before, or a new one, for what a writer does each
 * second: to parse it takes ten times what to run it does. mc_file_keep puts it back, mc_file_close
 * finalizes. */
int mc_file_statement(sqlite3 *db, const char *sql, sqlite3_stmt **out);
void mc_file_keep(sqlite3_stmt *stmt);
void mc_file_close(sqlite3 *db);

/* The tables and indices of `db` are exactly those of a version (and what ANALYZE leaves): nothing
 * else is there whose triggers, views, checks or expressions could run. MC_EFORMAT otherwise.
 * *version (may be NULL): the newest one that has these tables. */
int mc_file_check_tables(sqlite3 *db, int *version);

/* The lock that makes a writer the only one: an advisory lock on PATH-lock, which dies with the
 * process. The file also holds space in reserve for a full disk. */
#define MC_BALLAST_BYTES (512 << 10)     /* at most */
#define MC_BALLAST_BYTES_MIN (192 << 10) /* less can't take what the log may hold */
struct mc_file_lock {
    int fd;
    int64_t ballast_bytes;
    char *path; /* owned */
};
/* MC_EBUSY: another process, or another writer in this one, has it. */
int mc_file_lock(const char *path, struct mc_file_lock *out);
void mc_file_unlock(struct mc_file_lock *lock);
/* Hold so many bytes in reserve, or somewhat fewer where there is no more room; 0 gives them back
 * to the file system. */
void mc_file_ballast(struct mc_file_lock *lock, int64_t wanted_bytes);
/* Whether some writer has the lock. */
int mc_file_is_locked(const char *path);

#endif
