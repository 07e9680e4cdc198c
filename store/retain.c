/* retain.c: what a trace file may hold: its age, its size, its log, and the disk's last space.
 *
 * Every step is short (a chunk, or a few freed pages), so that the thread is back at the queue in
 * milliseconds.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "store/writer_priv.h"
#include "tracer/error.h"

#define VACUUM_PAGES "64"

static int64_t file_bytes(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;
    if (snprintf(name, sizeof name, "%s%s", path, suffix) >= (int)sizeof name)
        return 0;
    return stat(name, &st) == 0 ? st.st_size : 0;
}

int64_t mc_sink_wal_bytes(const struct mc_sink *s)
{
    return file_bytes(s->path, "-wal");
}

/* Delete a chunk, or a tail row, with all that belongs to it. */
static int drop_oldest(struct mc_sink *s, const char *sql_id, int is_tail)
{
    int64_t id;
    int rc = mc_sink_number(s->db, sql_id, NULL, 0, 0, &id);
    if (rc < 0 || !id)
        return rc;
    const struct mc_bind binds[] = {MC_INT(id), MC_INT(id * MC_PART_COUNT),
                                    MC_INT(id * MC_PART_COUNT + MC_PART_COUNT - 1)};
    rc = mc_file_exec(s->db, "BEGIN IMMEDIATE");
    if (rc == 0 && is_tail)
        rc = mc_sink_run(s->db, "DELETE FROM tail WHERE tail_id=?1", binds, 1);
    if (rc == 0 && !is_tail)
        rc = mc_sink_run(s->db, "DELETE FROM chunk WHERE chunk_id=?1", binds, 1);
    if (rc == 0 && !is_tail)
        rc =
            mc_sink_run(s->db, "DELETE FROM part WHERE part_id BETWEEN ?2 AND ?3 AND ?1", binds, 3);
    if (rc == 0)
        rc = mc_file_exec(s->db, "COMMIT");
    if (rc < 0 && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc < 0 ? rc : 1;
}

/* Runs that have ended and hold nothing any more. */
static int drop_empty_runs(struct mc_sink *s)
{
    const struct mc_bind binds[] = {MC_INT(s->run_id)};
    int64_t run_id;
    int rc = mc_sink_number(s->db,
                            "SELECT run_id FROM run WHERE run_id<>?1 AND exit NOT NULL "
                            "AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.run_id=run.run_id) "
                            "AND NOT EXISTS (SELECT 1 FROM tail WHERE tail.run_id=run.run_id) "
                            "AND run_id<(SELECT max(run_id) FROM run) LIMIT 1",
                            binds, 1, 0, &run_id);
    if (rc < 0 || !run_id)
        return rc;
    static const char *const tables[] = {"run", "source", "schema_step", "mark", "gap"};
    const struct mc_bind id[] = {MC_INT(run_id)};
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE run_id=?1", tables[i]);
        rc = mc_sink_run(s->db, sql, id, 1);
    }
    return rc < 0 ? rc : 1;
}

/* Marks and gaps before the first frame that a run still has. */
static int drop_old_notes(struct mc_sink *s)
{
    int rc = mc_sink_run(s->db,
                         "DELETE FROM gap WHERE rowid IN (SELECT gap.rowid FROM gap WHERE "
                         "ts+dur < (SELECT min(first_ts) FROM chunk WHERE chunk.run_id=gap.run_id) "
                         "LIMIT 200)",
                         NULL, 0);
    if (rc == 0)
        rc = mc_sink_run(s->db,
                         "DELETE FROM mark WHERE rowid IN (SELECT mark.rowid FROM mark WHERE ts+dur"
                         " < (SELECT min(first_ts) FROM chunk WHERE chunk.run_id=mark.run_id) "
                         "LIMIT 200)",
                         NULL, 0);
    return rc;
}

/* Whether the oldest chunk is past its age. */
static int too_old(struct mc_sink *s, int64_t now_wall_ns, int *out)
{
    *out = 0;
    if (s->opts.keep_ns == INT64_MAX)
        return 0;
    int64_t newest;
    int rc = mc_sink_number(s->db,
                            "SELECT start_wall_ns + last_ts FROM chunk JOIN run USING (run_id) "
                            "ORDER BY chunk_id LIMIT 1",
                            NULL, 0, INT64_MAX, &newest);
    *out = rc == 0 && newest < now_wall_ns - s->opts.keep_ns;
    return rc;
}

static int page_count(struct mc_sink *s, int64_t *pages, int64_t *free_pages)
{
    int rc = mc_sink_number(s->db, "PRAGMA page_count", NULL, 0, 0, pages);
    if (rc == 0)
        rc = mc_sink_number(s->db, "PRAGMA freelist_count", NULL, 0, 0, free_pages);
    return rc;
}

static int exec_rows(struct mc_sink *s, const char *sql)
{
    return mc_file_error(s->db, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

int mc_sink_retain(struct mc_sink *s, int64_t now_wall_ns)
{
    int64_t pages = 0, free_pages = 0;
    int old, rc = page_count(s, &pages, &free_pages);
    if (rc == 0)
        rc = too_old(s, now_wall_ns, &old);
    if (rc < 0)
        return rc;
    int64_t wal = mc_sink_wal_bytes(s);
    int64_t used = (pages - free_pages) * MC_TRACE_PAGE_BYTES + wal;
    int large = s->opts.max_bytes != INT64_MAX && used > s->opts.max_bytes;
    if (old || large) {
        rc = drop_oldest(s, "SELECT min(chunk_id) FROM chunk", 0);
        if (rc == 0 && large && s->has_orphans)
            rc = drop_oldest(s, "SELECT min(tail_id) FROM tail", 1);
        if (rc)
            return rc;
    }
    /* Space beyond a small stock for the next chunks goes back to the file system. */
    int64_t stock =
        s->opts.max_bytes == INT64_MAX ? 256 : s->opts.max_bytes / MC_TRACE_PAGE_BYTES / 64;
    if (free_pages > (stock < 256 ? stock : 256))
        rc = exec_rows(s, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
    if (rc < 0)
        return rc;
    if (free_pages > (stock < 256 ? stock : 256) + 64)
        return 1;
    rc = drop_empty_runs(s);
    return rc ? rc : drop_old_notes(s);
}
