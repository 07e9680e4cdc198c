/* retain.c: what a trace file may hold: its age and its size.
 *
 * Every step is short (a chunk, or a few freed pages), so that the thread is back at the queue in
 * milliseconds.
 */
#include <stdio.h>

#include "store/plain.h"
#include "store/reader_priv.h"
#include "store/writer_priv.h"
#include "tracer/error.h"

#define VACUUM_PAGES "16"
#define STOCK_PAGES 256

/* Delete a chunk with all that belongs to it. Returns 1: something went. */
static int drop_chunk(struct mc_sink *s, int64_t id)
{
    const struct mc_bind binds[] = {MC_INT(id), MC_INT(id * MC_PART_COUNT),
                                    MC_INT(id * MC_PART_COUNT + MC_PART_COUNT - 1)};
    int rc = mc_file_begin(s->db);
    if (rc == 0)
        rc = mc_sink_run(s->db, "DELETE FROM chunk WHERE chunk_id=?1", binds, 1);
    if (rc == 0)
        rc =
            mc_sink_run(s->db, "DELETE FROM part WHERE part_id BETWEEN ?2 AND ?3 AND ?1", binds, 3);
    rc = mc_file_end(s->db, rc);
    return rc < 0 ? rc : 1;
}

/* ---- tail rows ------------------------------------------------------------------------------ */

/* Tail rows build on those before them: those from a key on go together, as their chunk would. */
struct tail_group {
    int64_t run_id, first_id, last_id, first_ts, last_ts;
};

/* Add rows to the group, which has its first, until one that does not go on from them. */
static int fill_group(struct mc_reader *r, struct tail_group *g, int64_t before_id)
{
    for (int64_t at = g->last_ts;;) {
        struct mc_row_ref ref;
        struct mc_chunk_head head;
        int rc = mc_row_next(r, g->run_id, at, &ref);
        if (rc)
            return rc == MC_END ? 0 : rc;
        if (!ref.is_tail || ref.row_id >= before_id)
            return 0;
        rc = mc_row_head(r, &ref, &head, NULL);
        if (rc == 0 && !(head.flags & MC_HEAD_GOES_ON))
            return 0;
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        at = ref.last_ts;
        g->last_id = ref.row_id > g->last_id ? ref.row_id : g->last_id;
        if (rc == 0)
            g->last_ts = ref.last_ts; /* what a damaged row says of itself may be wrong */
    }
}

/* The group of the oldest tail row, of a run or of all (run_id 0), that is not of the open chunk.
 * 0 or MC_END. */
static int oldest_tails(struct mc_sink *s, int64_t run_id, struct tail_group *g)
{
    sqlite3_stmt *stmt;
    struct mc_reader *r;
    int64_t before_id = s->chunk_open ? s->first_tail_id : INT64_MAX;
    int rc =
        mc_file_statement(s->db,
                          "SELECT run_id, tail_id, first_ts, last_ts FROM tail WHERE tail_id<?1 "
                          "AND (?2=0 OR run_id=?2) ORDER BY tail_id LIMIT 1",
                          &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, before_id);
    sqlite3_bind_int64(stmt, 2, run_id);
    int step = sqlite3_step(stmt);
    *g = (struct tail_group){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                             sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
                             sqlite3_column_int64(stmt, 3)};
    int rc_of_step = mc_file_error(s->db, step);
    mc_file_keep(stmt);
    if (step != SQLITE_ROW)
        return step == SQLITE_DONE ? MC_END : rc_of_step;
    rc = mc_reader_attach(s->db, &r);
    if (rc < 0)
        return rc;
    rc = fill_group(r, g, before_id);
    mc_reader_close(r);
    return rc;
}

static int drop_tails(struct mc_sink *s, const struct tail_group *g)
{
    const struct mc_bind binds[] = {MC_INT(g->run_id), MC_INT(g->first_id), MC_INT(g->last_id)};
    int rc = mc_file_begin(s->db);
    if (rc == 0)
        rc = mc_sink_run(s->db, "DELETE FROM tail WHERE run_id=?1 AND tail_id BETWEEN ?2 AND ?3",
                         binds, 3);
    rc = mc_file_end(s->db, rc);
    return rc < 0 ? rc : 1;
}

/* ---- size and age --------------------------------------------------------------------------- */

/* Drop the oldest chunk; when there is none, the oldest tail rows that are not of the open chunk.
 */
static int drop_oldest(struct mc_sink *s)
{
    int64_t id;
    struct tail_group tails;
    int rc = mc_sink_number(s->db, "SELECT min(chunk_id) FROM chunk", NULL, 0, 0, &id);
    if (rc < 0 || id)
        return rc < 0 ? rc : drop_chunk(s, id);
    rc = oldest_tails(s, 0, &tails);
    return rc ? (rc == MC_END ? 0 : rc) : drop_tails(s, &tails);
}

/* The ts of a run before which a row is too old. ?1, ?2: the run that is recorded, which is as old
 * as its newest frame says, also when that could not be kept, as the wall clock may have been set
 * since it began; ?3: of other runs, the wall clock's. */
#define TOO_OLD "CASE run_id WHEN ?1 THEN ?2 ELSE ?3-start_wall_ns END"

/* Drop the tail rows whose middle is past their age, of one run. */
static int drop_aged_tails(struct mc_sink *s, const struct mc_bind age[3])
{
    struct mc_bind binds[] = {age[0], age[1], age[2],
                              MC_INT(s->chunk_open ? s->first_tail_id : INT64_MAX)};
    int64_t run_id, too_old;
    struct tail_group g;
    int rc = mc_sink_number(s->db,
                            "SELECT run_id FROM run JOIN tail USING (run_id) "
                            "WHERE tail.last_ts < " TOO_OLD " AND tail_id < ?4 LIMIT 1",
                            binds, 4, 0, &run_id);
    if (rc < 0 || !run_id)
        return rc;
    binds[3] = MC_INT(run_id);
    rc =
        mc_sink_number(s->db, "SELECT " TOO_OLD " FROM run WHERE run_id=?4", binds, 4, 0, &too_old);
    if (rc == 0)
        rc = oldest_tails(s, run_id, &g);
    if (rc == 0 && g.last_ts < too_old + (g.last_ts - g.first_ts) / 2)
        return drop_tails(s, &g);
    return rc == MC_END ? 0 : rc;
}

/* Drop a chunk, or tail rows, past their age. */
static int drop_aged(struct mc_sink *s, int64_t now_wall_ns)
{
    if (s->opts.keep_ns == INT64_MAX)
        return 0;
    int64_t id, newest = s->seen_ts > 0 ? s->seen_ts : 0;
    const struct mc_bind binds[] = {MC_INT(s->run_id), MC_INT(newest - s->opts.keep_ns),
                                    MC_INT(now_wall_ns - s->opts.keep_ns), MC_INT(MC_CHUNK_NS)};
    int rc = mc_sink_number(s->db,
                            "SELECT chunk_id FROM run JOIN chunk USING (run_id) WHERE "
                            "chunk.last_ts < " TOO_OLD " + (chunk.last_ts-first_ts)/2 "
                            "AND chunk.last_ts < " TOO_OLD " + ?4 LIMIT 1",
                            binds, 4, 0, &id);
    if (rc < 0 || id)
        return rc < 0 ? rc : drop_chunk(s, id);
    /* Those that can be sealed wait until they are. */
    return s->has_orphans && s->trouble != MC_ENOSPC ? 0 : drop_aged_tails(s, binds);
}

#define NOTES "200" /* marks, or gaps, that go in a step */

/* Some of a run's marks or gaps, with their copies. Returns 1: some went. */
static int drop_notes(struct mc_sink *s, int64_t run_id, enum mc_plain_kind kind)
{
    const struct mc_bind binds[] = {MC_INT(run_id), MC_INT(kind)};
    static const char copies[] =
        "DELETE FROM row_copy WHERE kind=?2 AND run_id=?1 AND (ts, row_id) "
        "IN (SELECT ts, row_id FROM row_copy WHERE kind=?2 AND run_id=?1 "
        "ORDER BY ts, row_id LIMIT " NOTES ")";
    char rows[256];
    snprintf(rows, sizeof rows,
             "DELETE FROM %s WHERE run_id=?1 AND rowid IN (SELECT row_id FROM row_copy "
             "WHERE kind=?2 AND run_id=?1 ORDER BY ts, row_id LIMIT " NOTES ")",
             mc_plain_tables[kind].name);
    int rc = mc_file_begin(s->db);
    if (rc == 0)
        rc = mc_sink_run(s->db, rows, binds, 2);
    if (rc == 0)
        rc = mc_sink_run(s->db, copies, binds, 2);
    int gone = sqlite3_changes(s->db);
    rc = mc_file_end(s->db, rc);
    return rc < 0 ? rc : gone > 0;
}

/* A run, and what is left of it. */
static int drop_run(struct mc_sink *s, int64_t run_id)
{
    int rc = mc_file_begin(s->db);
    static const char *const tables[] = {"run", "source", "schema_step", "mark", "gap"};
    const struct mc_bind id[] = {MC_INT(run_id)};
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE run_id=?1", tables[i]);
        rc = mc_sink_run(s->db, sql, id, 1);
    }
    for (enum mc_plain_kind kind = 0; rc == 0 && kind < MC_PLAIN_COUNT; kind++) {
        const struct mc_bind copies[] = {MC_INT(run_id), MC_INT(kind)};
        rc = mc_sink_run(s->db, "DELETE FROM row_copy WHERE kind=?2 AND run_id=?1", copies, 2);
    }
    rc = mc_file_end(s->db, rc);
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
    rc = drop_notes(s, run_id, MC_PLAIN_GAP);
    if (rc == 0)
        rc = drop_notes(s, run_id, MC_PLAIN_MARK);
    return rc ? rc : drop_run(s, run_id);
}

/* Marks and gaps before the first frame that a run still has; then copies before it that have no
 * row any more. */
static int drop_old_notes(struct mc_sink *s)
{
#define FIRST_FRAMES                                                                               \
    "(SELECT run_id AS id, (SELECT first_ts FROM chunk WHERE chunk.run_id=run.run_id "             \
    "ORDER BY last_ts LIMIT 1) AS first FROM run)"
#define DROP_ROWS(table)                                                                           \
    "DELETE FROM " table " WHERE rowid IN (SELECT " table ".rowid FROM " FIRST_FRAMES              \
    " JOIN " table " ON " table ".run_id=id AND ts<first WHERE ts+dur<first LIMIT " NOTES ")"
#define DROP_COPIES(table, kind)                                                                   \
    "DELETE FROM row_copy WHERE kind=" kind                                                        \
    " AND (run_id, ts, row_id) IN (SELECT c.run_id, c.ts, "                                        \
    "c.row_id FROM " FIRST_FRAMES " JOIN row_copy AS c ON c.kind=" kind " AND c.run_id=id AND "    \
    "c.ts<first WHERE NOT EXISTS (SELECT 1 FROM " table " AS t WHERE t.rowid=c.row_id))"
    _Static_assert(MC_PLAIN_MARK == 2 && MC_PLAIN_GAP == 3, "as below");
    static const char *const deletes[][2] = {
        {DROP_ROWS("gap"), DROP_COPIES("gap", "3")},
        {DROP_ROWS("mark"), DROP_COPIES("mark", "2")},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof deletes / sizeof deletes[0]; i++) {
        rc = mc_file_begin(s->db);
        if (rc == 0)
            rc = mc_sink_run(s->db, deletes[i][0], NULL, 0);
        if (rc == 0 && sqlite3_changes(s->db) > 0)
            rc = mc_sink_run(s->db, deletes[i][1], NULL, 0);
        rc = mc_file_end(s->db, rc);
    }
    return rc;
}

static int page_count(struct mc_sink *s, int64_t *pages, int64_t *free_pages)
{
    int rc = mc_sink_number(s->db, "PRAGMA page_count", NULL, 0, 0, pages);
    if (rc == 0)
        rc = mc_sink_number(s->db, "PRAGMA freelist_count", NULL, 0, 0, free_pages);
    return rc;
}

/* Give free pages back to the file system. */
static int give_back(struct mc_sink *s)
{
    int rc = mc_file_exec(s->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
    return rc < 0 ? rc : 1;
}

int mc_sink_retain(struct mc_sink *s, int64_t now_wall_ns)
{
    int64_t pages, free_pages, most = s->room.file_bytes / MC_TRACE_PAGE_BYTES;
    int rc = drop_aged(s, now_wall_ns);
    if (rc == 0)
        rc = page_count(s, &pages, &free_pages);
    if (rc == 0 && pages - free_pages > most)
        rc = drop_oldest(s);
    if (rc)
        return rc;
    /* What is free beyond a small stock for the next chunks is given back. */
    int64_t stock = most / 64 < STOCK_PAGES ? most / 64 : STOCK_PAGES;
    if (free_pages > stock || (free_pages && pages > most))
        return give_back(s);
    rc = drop_empty_runs(s);
    return rc ? rc : drop_old_notes(s);
}
