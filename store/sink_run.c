/* sink_run.c: a run begins, is taken up again, and ends. */
#include "store/plain.h"
#include "store/reader_priv.h"
#include "store/schema_step.h"
#include "store/writer_priv.h"
#include "tracer/error.h"

int mc_sink_begin(struct mc_sink *s, int64_t run_id, const struct mc_run_info *info)
{
    mc_sink_reset(s);
    int rc = mc_schema_init(&s->schema);
    if (rc < 0)
        return rc;
    const struct mc_bind binds[] = {
        MC_INT(run_id),
        MC_TEXT(info->label),
        MC_TEXT(info->host),
        MC_INT(info->pid),
        MC_TEXT(info->program),
        MC_TEXT(info->build),
        MC_INT(info->start_wall_ns),
        MC_INT(info->interval_ns),
        MC_TEXT(info->config),
    };
    rc = mc_file_begin(s->db);
    if (rc == 0)
        rc = mc_sink_run(s->db,
                         "INSERT INTO run (run_id, label, host, pid, program, build, "
                         "start_wall_ns, end_ts, interval_ns, config) "
                         "VALUES (?1,?2,?3,?4,?5,?6,?7,0,?8,?9)",
                         binds, 9);
    if (rc == 0)
        rc = mc_plain_seal(s->db, MC_PLAIN_RUN, run_id, 0);
    rc = mc_file_end(s->db, rc);
    if (rc < 0)
        return rc;
    s->run_id = run_id;
    s->start_wall_ns = info->start_wall_ns;
    return 0;
}

/* Within the caller's transaction. */
static int set_exit(sqlite3 *db, int64_t run_id, const char *exit)
{
    const struct mc_bind binds[] = {MC_INT(run_id), MC_TEXT(exit)};
    int rc = mc_sink_run(db, "UPDATE run SET exit=?2 WHERE run_id=?1", binds, 2);
    return rc < 0 ? rc : mc_plain_seal(db, MC_PLAIN_RUN, run_id, 0);
}

int mc_sink_stop_runs(sqlite3 *db)
{
    int64_t run_id = 0;
    int rc = mc_file_begin(db);
    while (rc == 0) {
        rc = mc_sink_number(db, "SELECT run_id FROM run WHERE exit IS NULL LIMIT 1", NULL, 0,
                            INT64_MIN, &run_id);
        if (rc < 0 || run_id == INT64_MIN)
            break;
        rc = set_exit(db, run_id, "recorder stopped");
    }
    return mc_file_end(db, rc);
}

/* Whether the run ended before its first frame; those of another may all have been dropped since.
 */
static int never_had_frames(struct mc_sink *s, int64_t run_id)
{
    const struct mc_bind binds[] = {MC_INT(run_id)};
    int64_t end_ts;
    int rc = mc_sink_number(s->db, "SELECT end_ts FROM run WHERE run_id=?1", binds, 1, INT64_MAX,
                            &end_ts);
    return rc < 0 ? rc : end_ts == 0;
}

/* Take the run's schema as the file has it, and where its frames end: INT64_MIN when it never had
 * any. */
static int load_run(struct mc_sink *s, int64_t run_id)
{
    struct mc_reader *r;
    int rc = mc_reader_attach(s->db, &r);
    if (rc < 0)
        return rc;
    struct mc_run_schema *schema;
    struct mc_row_ref last;
    rc = mc_reader_run_schema(r, run_id, &schema);
    if (rc == 0 && schema->damaged)
        rc = MC_ENORUN; /* what was lost can't be gone on with: a new run begins */
    if (rc == 0)
        rc = mc_row_prev(r, run_id, INT64_MAX, &last);
    if (rc == 0) {
        s->schema = schema->schema;
        s->step_count = schema->mark_count;
        memset(&schema->schema, 0, sizeof schema->schema);
        s->stored_sources = s->schema.source_count;
        s->stored_strings = s->schema.string_count;
        s->stored_states = mc_schema_state_count(&s->schema, s->schema.source_count);
        s->last_ts = s->committed_ts = s->seen_ts = last.last_ts;
    }
    mc_reader_close(r);
    if (rc != MC_END)
        return rc;
    rc = never_had_frames(s, run_id);
    if (rc > 0)
        return mc_schema_init(&s->schema);
    return rc < 0 ? rc : MC_ENORUN;
}

int mc_sink_resume(struct mc_sink *s, const struct mc_run_info *info, int64_t *run_id,
                   int64_t *last_ts)
{
    const struct mc_bind binds[] = {MC_TEXT(info->host), MC_INT(info->pid),
                                    MC_INT(info->start_wall_ns)};
    int64_t id;
    int rc = mc_sink_number(s->db,
                            "SELECT run_id FROM run WHERE host=?1 AND pid=?2 AND start_wall_ns=?3 "
                            "AND (exit IS NULL OR exit='recorder stopped') "
                            "ORDER BY run_id DESC LIMIT 1",
                            binds, 3, 0, &id);
    if (rc < 0 || !id)
        return rc < 0 ? rc : MC_ENORUN;
    mc_sink_reset(s);
    rc = load_run(s, id);
    if (rc == 0)
        rc = mc_file_begin(s->db);
    if (rc == 0)
        rc = mc_file_end(s->db, set_exit(s->db, id, NULL));
    if (rc < 0) {
        mc_sink_reset(s);
        return rc;
    }
    s->run_id = id;
    s->start_wall_ns = info->start_wall_ns;
    s->resumed = s->hole = s->last_ts != INT64_MIN;
    *run_id = id;
    *last_ts = s->last_ts;
    return 0;
}

/* With the gap of frames that could not be kept, if that is the last that happened. */
static int end_run(struct mc_sink *s, const char *exit, int seal)
{
    int rc = mc_file_begin(s->db);
    if (rc == 0 && seal)
        rc = mc_sink_put_chunk(s, &s->chunk, s->run_id, s->first_tail_id, s->next_tail_id - 1);
    if (rc == 0 && s->lost.reason[0])
        rc = mc_sink_put_gap(s, &s->lost);
    if (rc == 0)
        rc = set_exit(s->db, s->run_id, exit);
    return mc_file_end(s->db, rc);
}

int mc_sink_end(struct mc_sink *s, const char *exit)
{
    if (!s->run_id)
        return MC_EINVAL;
    int seal = s->chunk_open && s->chunk.frame_count && s->committed_ts == s->last_ts;
    int rc = mc_sink_look(s);
    if (rc == 0 && s->trouble == MC_ENOSPC) {
        mc_file_ballast(&s->lock, 0); /* what is told of the end is small, and the last */
        mc_sink_checkpoint(s);
    }
    if (rc == 0)
        rc = end_run(s, exit, seal);
    if (rc < 0 && seal && !s->misplaced) {
        s->has_orphans = 1;
        rc = end_run(s, exit, 0);
    }
    const struct mc_gap lost = s->lost;
    mc_sink_reset(s);
    if (s->trouble)
        s->lost = lost; /* for what is said of it; the next run forgets it */
    return rc;
}
