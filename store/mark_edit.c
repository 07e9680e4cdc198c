/* mark_edit.c: marks changed and removed, by the writer's thread or in a file nobody records to. */
#include <stdlib.h>
#include <string.h>

#include "store/plain.h"
#include "store/trace.h"
#include "store/writer_priv.h"
#include "store/writer_thread.h"
#include "tracer/error.h"

int mc_sink_edit_mark(sqlite3 *db, int64_t run_id, const struct mc_queued_mark *m)
{
    const struct mc_bind binds[] = {MC_INT(m->mark_id), MC_INT(run_id), MC_INT(m->ts),
                                    MC_INT(m->dur_ns), MC_TEXT(m->label)};
    int rc = mc_plain_forget(db, MC_PLAIN_MARK, run_id, m->mark_id);
    if (rc == 0 && m->what == MC_MARK_REMOVE)
        return mc_sink_run(db, "DELETE FROM mark WHERE rowid=?1 AND run_id=?2", binds, 2);
    if (rc == 0)
        rc = mc_sink_run(db, "UPDATE mark SET ts=?3, dur=?4, label=?5 WHERE rowid=?1 AND run_id=?2",
                         binds, 5);
    return rc < 0 ? rc : mc_plain_seal(db, MC_PLAIN_MARK, run_id, m->mark_id);
}

static int queue_edit(struct mc_writer *w, enum mc_mark_what what, int64_t mark_id, int64_t ts,
                      int64_t dur_ns, const char *label)
{
    if (!w->run_id || !label || dur_ns < 0)
        return MC_EINVAL;
    size_t label_bytes = strlen(label) + 1;
    struct mc_queued_mark *m = malloc(sizeof *m + label_bytes);
    if (!m)
        return MC_ENOMEM;
    *m = (struct mc_queued_mark){
        .what = what,
        .mark_id = mark_id,
        .ts = ts,
        .dur_ns = dur_ns,
        .label = memcpy(m + 1, label, label_bytes),
    };
    pthread_mutex_lock(&w->mutex);
    mc_writer_enqueue_mark(w, m);
    pthread_mutex_unlock(&w->mutex);
    return 0;
}

int mc_writer_mark_set(struct mc_writer *w, int64_t mark_id, int64_t ts, int64_t dur_ns,
                       const char *label)
{
    return queue_edit(w, MC_MARK_SET, mark_id, ts, dur_ns, label);
}

int mc_writer_mark_remove(struct mc_writer *w, int64_t mark_id)
{
    return queue_edit(w, MC_MARK_REMOVE, mark_id, 0, 0, "");
}

/* What is done to a file that nobody records to: a new mark, whose id it sets, or an edit. */
static int change(sqlite3 *db, int64_t run_id, struct mc_queued_mark *m)
{
    const struct mc_bind binds[] = {MC_INT(run_id),    MC_INT(m->mark_id), MC_INT(m->ts),
                                    MC_INT(m->dur_ns), MC_TEXT(m->label),  MC_TEXT(m->author)};
    int is_new = m->what == MC_MARK_NEW;
    int64_t found;
    int rc = mc_sink_number(db,
                            is_new ? "SELECT 1 FROM run WHERE run_id=?1"
                                   : "SELECT 1 FROM mark WHERE run_id=?1 AND rowid=?2",
                            binds, is_new ? 1 : 2, 0, &found);
    if (rc < 0 || !found)
        return rc < 0 ? rc : is_new ? MC_ENORUN : MC_END;
    if (!is_new)
        return mc_sink_edit_mark(db, run_id, m);
    rc = mc_sink_run(db, "INSERT INTO mark VALUES (?1,?3,?4,?5,?6,0)", binds, 6);
    m->mark_id = sqlite3_last_insert_rowid(db);
    return rc < 0 ? rc : mc_plain_seal(db, MC_PLAIN_MARK, run_id, m->mark_id);
}

static int change_file(const char *path, int64_t run_id, struct mc_queued_mark *m)
{
    int rc = mc_file_probe(path, NULL, 0);
    if (rc)
        return rc == MC_END ? MC_ENOENT : rc;
    struct mc_file_lock lock = {0};
    rc = mc_file_lock(path, &lock);
    if (rc < 0)
        return rc;
    sqlite3 *db;
    rc = mc_file_open(path, &db, NULL, 0);
    if (rc == 0) {
        rc = mc_file_begin(db);
        if (rc == 0)
            rc = change(db, run_id, m);
        rc = mc_file_end(db, rc);
        mc_file_close(db);
    }
    mc_file_unlock(&lock);
    return rc;
}

int mc_trace_mark(const char *path, int64_t run_id, int64_t ts, int64_t dur_ns, const char *label,
                  const char *author, int64_t *mark_id)
{
    if (!label || dur_ns < 0)
        return MC_EINVAL;
    struct mc_queued_mark m = {.what = MC_MARK_NEW,
                               .ts = ts,
                               .dur_ns = dur_ns,
                               .label = label,
                               .author = author ? author : ""};
    int rc = change_file(path, run_id, &m);
    if (rc == 0 && mark_id)
        *mark_id = m.mark_id;
    return rc;
}

int mc_trace_mark_set(const char *path, int64_t run_id, int64_t mark_id, int64_t ts, int64_t dur_ns,
                      const char *label)
{
    if (!label || dur_ns < 0)
        return MC_EINVAL;
    struct mc_queued_mark m = {
        .what = MC_MARK_SET, .mark_id = mark_id, .ts = ts, .dur_ns = dur_ns, .label = label};
    return change_file(path, run_id, &m);
}

int mc_trace_mark_remove(const char *path, int64_t run_id, int64_t mark_id)
{
    struct mc_queued_mark m = {.what = MC_MARK_REMOVE, .mark_id = mark_id};
    return change_file(path, run_id, &m);
}
