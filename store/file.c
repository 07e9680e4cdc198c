/* file.c: the trace file as a SQLite database: is it ours, make it, lock it, its errors. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/plain.h"
#include "store/trace_format.h"
#include "tracer/error.h"

int mc_file_error(sqlite3 *db, int rc)
{
    (void)db;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return MC_ENOMEM;
    case SQLITE_FULL:
        return MC_ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MC_EBUSY;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return MC_EPERM;
    case SQLITE_NOTADB:
        return MC_EFORMAT;
    case SQLITE_CORRUPT:
        return MC_ECORRUPT;
    case SQLITE_TOOBIG:
        return MC_ELIMIT;
    default:
        return MC_EIO;
    }
}

int mc_file_why(int code, char *why, size_t why_bytes, const char *format, ...)
{
    if (why && why_bytes) {
        va_list args;
        va_start(args, format);
        vsnprintf(why, why_bytes, format, args);
        va_end(args);
    }
    return code;
}

char *mc_file_resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    return resolved ? resolved : strdup(path);
}

int mc_file_probe(const char *path, char *why, size_t why_bytes)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        if (errno == ENOENT && lstat(path, &st) == 0)
            return mc_file_why(MC_ENOENT, why, why_bytes,
                               "%s: is a link to a file that is not there; name another file",
                               path);
        if (errno == ENOENT)
            return MC_END;
        return mc_file_why(mc_error_from_errno(errno), why, why_bytes, "%s: %s", path,
                           strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return mc_file_why(MC_EFORMAT, why, why_bytes, "%s: is not a file; name a trace file",
                           path);
    if (st.st_size == 0)
        return MC_END;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mc_file_why(mc_error_from_errno(errno), why, why_bytes, "%s: %s", path,
                           strerror(errno));
    /* Closing this descriptor would drop SQLite's locks that this process may hold on the file;
     * SQLite holds none of its own in WAL mode but the shared one, and takes it again at need. */
    uint8_t head[100];
    ssize_t got = pread(fd, head, sizeof head, 0);
    close(fd);
    if (got < 0)
        return mc_file_why(MC_EIO, why, why_bytes, "%s: %s", path, strerror(errno));
    uint32_t app_id = 0, version = 0;
    if (got == (ssize_t)sizeof head) {
        for (int i = 0; i < 4; i++) {
            version = version << 8 | head[60 + i];
            app_id = app_id << 8 | head[68 + i];
        }
    }
    if (got < (ssize_t)sizeof head || memcmp(head, "SQLite format 3", 16) != 0 ||
        app_id != MC_TRACE_APP_ID)
        return mc_file_why(MC_EFORMAT, why, why_bytes,
                           "%s: is not a memcam trace; it was left as it is, name another file",
                           path);
    if (version < MC_TRACE_VERSION_OLDEST || version > MC_TRACE_VERSION)
        return mc_file_why(MC_EFORMAT, why, why_bytes,
                           "%s: is a trace of version %u, this memcam knows versions %d to %d",
                           path, version, MC_TRACE_VERSION_OLDEST, MC_TRACE_VERSION);
    return 0;
}

int mc_file_exec(sqlite3 *db, const char *sql)
{
    return mc_file_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int mc_file_begin(sqlite3 *db)
{
    return mc_file_exec(db, "BEGIN IMMEDIATE");
}

int mc_file_end(sqlite3 *db, int rc)
{
    if (rc == 0)
        rc = mc_file_exec(db, "COMMIT");
    if (rc < 0 && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

int mc_file_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return mc_file_error(db, sqlite3_prepare_v2(db, sql, -1, out, NULL));
}

int mc_file_statement(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    sqlite3_stmt *stmt = NULL;
    while ((stmt = sqlite3_next_stmt(db, stmt)) != NULL) {
        if (strcmp(sqlite3_sql(stmt), sql) == 0 && !sqlite3_stmt_busy(stmt)) {
            *out = stmt;
            return 0;
        }
    }
    return mc_file_error(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

void mc_file_keep(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

void mc_file_close(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    while (db && (stmt = sqlite3_next_stmt(db, NULL)) != NULL)
        sqlite3_finalize(stmt);
    sqlite3_close(db);
}

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

static int make_tables(const char *path)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = mc_file_error(NULL, sqlite3_open_v2(path, &db, flags, NULL));
    if (rc == 0)
        rc = mc_file_exec(
            db,
            "PRAGMA page_size=" TEXT_OF(
                MC_TRACE_PAGE_BYTES) ";"
                                     "PRAGMA auto_vacuum=INCREMENTAL;"
                                     "PRAGMA application_id=" TEXT_OF(
                                         MC_TRACE_APP_ID) ";"
                                                          "PRAGMA user_version=" TEXT_OF(
                                                              MC_TRACE_VERSION) ";"
                                                                                "BEGIN"
                                                                                ";" MC_TRACE_DDL
                                                                                "COMMIT;"
                                                                                "PRAGMA "
                                                                                "journal_mode=WAL");
    int closed = mc_file_error(NULL, sqlite3_close(db));
    return rc < 0 ? rc : closed;
}

/* What is written from now on is of the newest version. */
static int set_version(sqlite3 *db)
{
    int64_t version = 0;
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(db, "PRAGMA user_version", &stmt);
    if (rc < 0)
        return rc;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return version == MC_TRACE_VERSION
               ? 0
               : mc_file_exec(db, "PRAGMA user_version=" TEXT_OF(MC_TRACE_VERSION));
}

/* Give a file of before there were checksums of plain rows what it lacks. */
static int add_sums(sqlite3 *db)
{
    int rc = mc_file_begin(db);
    for (enum mc_plain_kind kind = 0; rc == 0 && kind < MC_PLAIN_COUNT; kind++) {
        char sql[128];
        snprintf(sql, sizeof sql, "ALTER TABLE %s ADD COLUMN %s", mc_plain_tables[kind].name,
                 MC_TRACE_SUM_COLUMN);
        rc = mc_file_exec(db, sql);
    }
    if (rc == 0)
        rc = mc_file_exec(db, MC_TRACE_COPIES);
    if (rc == 0)
        rc = mc_plain_seal_all(db);
    if (rc == 0)
        rc = set_version(db);
    return mc_file_end(db, rc);
}

/* Make the directory entry of `path` durable. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(name);
}

/* A trace comes into being under another name and then takes its own, so that no kill leaves half
 * of one. The caller has the lock, and `path` is not there or empty. */
static int create(const char *path)
{
    static const char *const suffixes[] = {"-new", "-new-journal", "-new-wal", "-new-shm"};
    size_t room = strlen(path) + sizeof "-new-journal";
    char *name = malloc(room);
    if (!name)
        return MC_ENOMEM;
    for (int i = 3; i >= 0; i--) {
        snprintf(name, room, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    int rc = make_tables(name);
    if (rc == 0 && rename(name, path) < 0)
        rc = mc_error_from_errno(errno);
    if (rc < 0)
        unlink(name);
    else
        sync_directory(path);
    free(name);
    return rc;
}

int mc_file_open(const char *path, sqlite3 **out, char *why, size_t why_bytes)
{
    int fresh = mc_file_probe(path, why, why_bytes);
    if (fresh < 0)
        return fresh;
    char *real = mc_file_resolve(path);
    if (!real)
        return MC_ENOMEM;
    int rc = fresh == MC_END ? create(real) : 0;
    free(real);
    if (rc < 0)
        return mc_file_why(rc, why, why_bytes, "%s: can't be made: %s", path, mc_strerror(rc));
    sqlite3 *db = NULL;
    rc = mc_file_error(
        NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (rc < 0) {
        int code = rc == MC_EIO && db ? mc_error_from_errno(sqlite3_system_errno(db)) : rc;
        mc_file_why(code, why, why_bytes, "%s: can't be opened for writing: %s", path,
                    db ? sqlite3_errmsg(db) : "out of memory");
        mc_file_close(db);
        return code;
    }
    if (sqlite3_db_readonly(db, "main") == 1) {
        mc_file_close(db);
        return mc_file_why(MC_EPERM, why, why_bytes,
                           "%s: may only be read; ask its owner, or name another file", path);
    }
    sqlite3_busy_timeout(db, 2000);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == 0)
        /* What is deleted is not overwritten with zeros page by page, as Debian's SQLite would:
         * that is four times the work (2 MiB: 13 ms, not 3). */
        rc = mc_file_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                              "PRAGMA cell_size_check=1; PRAGMA trusted_schema=0;"
                              "PRAGMA cache_size=-2000; PRAGMA temp_store=MEMORY;"
                              "PRAGMA secure_delete=FAST");
    int version = 0;
    if (rc == 0)
        rc = mc_file_check_tables(db, &version);
    if (rc == 0)
        rc = version < MC_TRACE_VERSION ? add_sums(db) : mc_plain_mend(db);
    if (rc == 0)
        rc = set_version(db);
    if (rc < 0) {
        mc_file_why(
            rc, why, why_bytes, "%s: can't be opened for writing: %s", path,
            rc == MC_EFORMAT ? "its tables are not those of a trace"
            : (sqlite3_errcode(db) & 0xff) == SQLITE_CANTOPEN
                ? "one of the files -wal and -shm beside it can't be opened; ask their owner"
                : sqlite3_errmsg(db));
        mc_file_close(db);
        return rc;
    }
    *out = db;
    return 0;
}

/* Whether the DDL holds this statement, exactly. */
static int ddl_has(const char *ddl, const char *sql)
{
    size_t n = strlen(sql);
    for (const char *at = strstr(ddl, sql); at; at = strstr(at + 1, sql)) {
        if (at[n] == ';' && (at == ddl || at[-1] == ';'))
            return 1;
    }
    return 0;
}

/* Whether the statements that made the tables are those of a DDL, each once. */
static int made_by(sqlite3 *db, const char *ddl, int *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(db,
                             "SELECT sql FROM main.sqlite_schema WHERE sql NOT NULL "
                             "AND name NOT LIKE 'sqlite_stat%'",
                             &stmt);
    if (rc < 0)
        return rc;
    int known = 0, foreign = 0, step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(stmt, 0);
        if (sql && ddl_has(ddl, sql))
            known++;
        else
            foreign++;
    }
    rc = mc_file_error(db, step);
    sqlite3_finalize(stmt);
    if (rc < 0)
        return rc;
    int want = 0;
    for (const char *at = ddl; *at; at++)
        want += *at == ';';
    *out = known == want && !foreign;
    return 0;
}

int mc_file_check_tables(sqlite3 *db, int *version)
{
    static const struct {
        const char *ddl;
        int version;
    } known[] = {{MC_TRACE_DDL, MC_TRACE_VERSION}, {MC_TRACE_DDL_OLD, MC_TRACE_VERSION_PLAIN}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int is_this;
        int rc = made_by(db, known[i].ddl, &is_this);
        if (rc < 0)
            return rc;
        if (is_this) {
            if (version)
                *version = known[i].version;
            return 0;
        }
    }
    return MC_EFORMAT;
}

/* ---- the lock ------------------------------------------------------------------------------- */

static char *lock_path(const char *path)
{
    char *resolved = mc_file_resolve(path);
    size_t n = resolved ? strlen(resolved) : 0;
    char *name = resolved ? realloc(resolved, n + sizeof "-lock") : NULL;
    if (name)
        memcpy(name + n, "-lock", sizeof "-lock");
    else
        free(resolved);
    return name;
}

int mc_file_lock(const char *path, struct mc_file_lock *out)
{
    char *name = lock_path(path);
    if (!name)
        return MC_ENOMEM;
    for (;;) {
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            int code = mc_error_from_errno(errno);
            free(name);
            return code;
        }
        /* An open file description's lock: not dropped when another descriptor of the same file is
         * closed in this process, and gone with the process however that ends. */
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat ours, theirs;
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
            int code = errno == EAGAIN || errno == EACCES ? MC_EBUSY : mc_error_from_errno(errno);
            close(fd);
            free(name);
            return code;
        }
        /* The last holder may have unlinked it between our open and our lock. */
        if (fstat(fd, &ours) == 0 && stat(name, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
            ours.st_dev == theirs.st_dev) {
            *out = (struct mc_file_lock){fd, 0, name};
            return 0;
        }
        close(fd);
    }
}

void mc_file_unlock(struct mc_file_lock *lock)
{
    if (!lock->path)
        return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    lock->path = NULL;
}

void mc_file_ballast(struct mc_file_lock *lock, int64_t wanted_bytes)
{
    if (wanted_bytes == lock->ballast_bytes)
        return;
    int64_t least = wanted_bytes < MC_BALLAST_BYTES_MIN ? wanted_bytes : MC_BALLAST_BYTES_MIN;
    for (; wanted_bytes > 0 && wanted_bytes >= least; wanted_bytes -= MC_BALLAST_BYTES_MIN / 3) {
        if (posix_fallocate(lock->fd, 0, wanted_bytes) == 0) {
            lock->ballast_bytes = wanted_bytes;
            return;
        }
    }
    lock->ballast_bytes = 0;
    if (ftruncate(lock->fd, 0) < 0)
        return; /* shrinking needs no space; nothing to be done if it fails */
}

int mc_file_is_locked(const char *path)
{
    char *name = lock_path(path);
    int fd = name ? open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0 && name)
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(name);
    if (fd < 0)
        return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}
