/* writer.c: the caller's half of a writer: frames and marks into a queue, commands to the thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/schema_step.h"
#include "store/writer_thread.h"
#include "tracer/error.h"

#define DEFAULT_KEEP_NS (INT64_C(86400) * 1000000000)
#define DEFAULT_MAX_BYTES (INT64_C(1) << 30)
#define DEFAULT_CHUNK_FRAMES 600

/* ---- open and close ------------------------------------------------------------------------- */

static void fill_options(struct mc_writer_options *to, const struct mc_writer_options *from)
{
    struct mc_writer_options opts = {0};
    if (from)
        opts = *from;
    to->keep_ns = opts.keep_ns > 0 ? opts.keep_ns : DEFAULT_KEEP_NS;
    to->max_bytes = opts.max_bytes > 0 ? opts.max_bytes : DEFAULT_MAX_BYTES;
    to->chunk_frames = opts.chunk_frames > 0 ? opts.chunk_frames : DEFAULT_CHUNK_FRAMES;
    if (to->chunk_frames > MC_MAX_FRAMES)
        to->chunk_frames = MC_MAX_FRAMES;
}

static int open_file(struct mc_writer *w, const char *path, const struct mc_writer_options *opts,
                     char *why, size_t why_bytes)
{
    int rc = mc_file_probe(path, why, why_bytes);
    if (rc < 0)
        return rc;
    rc = mc_file_lock(path, &w->sink.lock);
    if (rc == MC_EBUSY)
        return mc_file_why(rc, why, why_bytes,
                           "%s: another recorder writes to it; stop that one or name another file",
                           path);
    if (rc < 0)
        return mc_file_why(rc, why, why_bytes,
                           "%s: can't be locked for writing: %s-lock: %s; name a file in a folder "
                           "that is there and that you may write to",
                           path, path, strerror(errno));
    sqlite3 *db;
    rc = mc_file_open(path, &db, why, why_bytes);
    if (rc < 0) {
        mc_file_unlock(&w->sink.lock);
        return rc;
    }
    w->sink.path = mc_file_resolve(path);
    rc = w->sink.path ? mc_sink_init(&w->sink, db, opts) : MC_ENOMEM;
    if (rc == 0)
        rc = mc_sink_number(db, "SELECT max(run_id) FROM run", NULL, 0, 0, &w->next_run_id);
    if (rc == 0)
        rc = mc_sink_number(db, "SELECT max(rowid) FROM mark", NULL, 0, 0, &w->next_mark_id);
    /* A killed recorder's runs; the one that is taken up again loses this exit. */
    if (rc == 0)
        rc = mc_sink_stop_runs(db);
    if (rc == 0)
        mc_sink_note_size(&w->sink);
    w->next_run_id++;
    w->next_mark_id++;
    w->sink.has_orphans = 1;
    if (rc < 0) {
        mc_file_why(rc, why, why_bytes, "%s: can't be written: %s", path, sqlite3_errmsg(db));
        w->sink.db = db;
        mc_sink_fini(&w->sink);
    }
    return rc;
}

int mc_writer_open(const char *path, const struct mc_writer_options *opts, struct mc_writer **out,
                   char *why, size_t why_bytes)
{
    struct mc_writer *w = calloc(1, sizeof *w);
    if (!w)
        return mc_file_why(MC_ENOMEM, why, why_bytes, "%s: out of memory", path);
    struct mc_writer_options filled;
    fill_options(&filled, opts);
    int rc = open_file(w, path, &filled, why, why_bytes);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->last = &w->first;
    w->last_mark = &w->first_mark;
    w->frame_ts = INT64_MIN;
    rc = mc_writer_thread_start(w);
    if (rc < 0) {
        mc_sink_fini(&w->sink);
        free(w);
        return mc_file_why(rc, why, why_bytes, "%s: no thread could be started: %s", path,
                           strerror(errno));
    }
    *out = w;
    return 0;
}

void mc_writer_close(struct mc_writer *w)
{
    if (!w)
        return;
    mc_writer_command(w, MC_COMMAND_FLUSH, NULL, NULL);
    mc_writer_command(w, MC_COMMAND_STOP, NULL, NULL);
    mc_writer_thread_stop(w);
    mc_sink_fini(&w->sink);
    free(w);
}

/* ---- the run -------------------------------------------------------------------------------- */

static void forget_run(struct mc_writer *w)
{
    w->run_id = 0;
    w->frame_ts = INT64_MIN;
    w->source_count = w->map_count = w->state_count = 0;
    w->string_count = 0;
    w->resync = 1;
}

int mc_writer_begin(struct mc_writer *w, const struct mc_run_info *info, int64_t *run_id)
{
    if (w->run_id)
        return MC_EINVAL;
    forget_run(w);
    w->command_run_id = w->next_run_id;
    int rc = mc_writer_command(w, MC_COMMAND_BEGIN, info, NULL);
    if (rc < 0)
        return rc;
    w->run_id = *run_id = w->next_run_id++;
    return 0;
}

int mc_writer_resume(struct mc_writer *w, const struct mc_run_info *info, int64_t *run_id,
                     int64_t *last_ts)
{
    if (w->run_id)
        return MC_EINVAL;
    forget_run(w);
    int rc = mc_writer_command(w, MC_COMMAND_RESUME, info, NULL);
    if (rc < 0)
        return rc;
    w->run_id = *run_id = w->command_run_id;
    w->frame_ts = *last_ts = w->command_last_ts;
    return 0;
}

int mc_writer_end(struct mc_writer *w, const char *exit)
{
    if (!w->run_id)
        return MC_EINVAL;
    int rc = mc_writer_command(w, MC_COMMAND_END, NULL, exit);
    forget_run(w);
    return rc;
}

int mc_writer_flush(struct mc_writer *w)
{
    return mc_writer_command(w, MC_COMMAND_FLUSH, NULL, NULL);
}

const char *mc_writer_trouble(struct mc_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    memcpy(w->trouble_copy, w->trouble, sizeof w->trouble_copy);
    pthread_mutex_unlock(&w->mutex);
    return w->trouble_copy[0] ? w->trouble_copy : NULL;
}

/* ---- frames --------------------------------------------------------------------------------- */

#define TS_MAX (INT64_MAX / 4) /* 73 years */

static int frame_ok(const struct mc_writer *w, const struct mc_frame *f)
{
    if (!w->run_id || f->ts <= w->frame_ts || f->ts > TS_MAX || f->ts < -TS_MAX ||
        f->schema->value_count > MC_MAX_VALUES || f->schema->source_count < w->source_count ||
        f->schema->map_count < w->map_count)
        return 0;
    for (size_t i = 0; i < f->event_count; i++) {
        if (f->events[i].ts > TS_MAX || f->events[i].ts < -TS_MAX)
            return 0;
    }
    return 1;
}

static size_t rounded(size_t count)
{
    return (count + 15) & ~(size_t)15;
}

/* The bytes of the maps that begin with this frame. */
static size_t map_bytes(const struct mc_frame *f, uint32_t first)
{
    size_t total = 0;
    for (uint32_t i = first; i < f->schema->map_count; i++) {
        size_t n = f->maps[i].slot_count;
        total += rounded(sizeof f->maps[i]) + rounded(n);
        if (f->maps[i].owners)
            total += rounded(n * sizeof *f->maps[i].owners) + rounded(n * sizeof *f->maps[i].conns);
    }
    return total;
}

static void *carve(uint8_t **at, const void *from, size_t bytes)
{
    void *to = *at;
    if (bytes && from)
        memcpy(to, from, bytes);
    *at += rounded(bytes);
    return to;
}

/* Copy the new maps, as they were before the frame: states as its changes tell. */
static void copy_maps(struct mc_queued_frame *q, const struct mc_frame *f, uint32_t first,
                      uint8_t **at)
{
    q->new_map_count = f->schema->map_count - first;
    q->new_maps = (struct mc_map *)*at;
    *at += rounded(q->new_map_count * sizeof *q->new_maps);
    for (uint32_t i = 0; i < q->new_map_count; i++) {
        const struct mc_map *from = &f->maps[first + i];
        struct mc_map *to = &q->new_maps[i];
        size_t n = from->slot_count;
        *to = *from;
        to->states = carve(at, from->states, n);
        if (from->owners) {
            to->owners = carve(at, from->owners, n * sizeof *from->owners);
            to->conns = carve(at, from->conns, n * sizeof *from->conns);
        }
    }
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        if (c->map_idx >= first && c->map_idx - first < q->new_map_count &&
            c->slot_idx < q->new_maps[c->map_idx - first].slot_count)
            q->new_maps[c->map_idx - first].states[c->slot_idx] = c->old_state;
    }
}

static struct mc_queued_frame *copy_frame(struct mc_writer *w, const struct mc_frame *f)
{
    struct mc_buf step = {0};
    const struct mc_schema *s = f->schema;
    if (s->source_count > w->source_count || s->string_count > w->string_count || w->resync ||
        mc_schema_state_count(s, s->source_count) > w->state_count)
        mc_schema_step_put(s, w->source_count, w->string_count ? w->string_count : 2,
                           w->state_count, &step);
    size_t bytes = rounded(sizeof(struct mc_queued_frame)) + rounded(step.count) +
                   rounded(s->value_count * sizeof *f->values) +
                   rounded(f->change_count * sizeof *f->changes) +
                   rounded(f->bucket_count * sizeof *f->buckets) +
                   rounded(f->event_count * sizeof *f->events) +
                   rounded(f->gap_count * sizeof *f->gaps) + map_bytes(f, w->map_count) + 16;
    uint8_t *at = step.failed ? NULL : malloc(bytes);
    if (!at) {
        mc_buf_fini(&step);
        return NULL;
    }
    struct mc_queued_frame *q = (struct mc_queued_frame *)at;
    memset(q, 0, sizeof *q);
    at += rounded(sizeof *q);
    q->bytes = bytes;
    q->frame = *f;
    q->frame.schema = NULL;
    q->frame.maps = NULL;
    q->frame.values = carve(&at, f->values, s->value_count * sizeof *f->values);
    q->frame.changes = carve(&at, f->changes, f->change_count * sizeof *f->changes);
    q->frame.buckets = carve(&at, f->buckets, f->bucket_count * sizeof *f->buckets);
    q->frame.events = carve(&at, f->events, f->event_count * sizeof *f->events);
    q->frame.gaps = carve(&at, f->gaps, f->gap_count * sizeof *f->gaps);
    if (step.count) {
        q->step = carve(&at, step.bytes, step.count);
        q->step_bytes = step.count;
    }
    copy_maps(q, f, w->map_count, &at);
    q->is_first = w->resync;
    mc_buf_fini(&step);
    return q;
}

/* The queue has no room: count the frame; the next one that fits carries everything. */
static void drop_frame(struct mc_writer *w, int64_t ts)
{
    struct mc_gap *g = &w->behind;
    if (!g->reason[0]) {
        strcpy(g->reason, "store behind");
        g->ts = ts;
    }
    g->dur_ns = ts - g->ts;
    g->lost++;
}

static void ask_resync(struct mc_writer *w)
{
    w->resync = 1;
    w->source_count = w->string_count = w->map_count = w->state_count = 0;
}

int mc_writer_frame(struct mc_writer *w, const struct mc_frame *f)
{
    pthread_mutex_lock(&w->mutex);
    int must_resync = w->sink_resync;
    w->sink_resync = 0;
    pthread_mutex_unlock(&w->mutex);
    if (must_resync)
        ask_resync(w);
    if (!frame_ok(w, f))
        return MC_EINVAL;
    struct mc_queued_frame *q = copy_frame(w, f);
    if (!q) {
        pthread_mutex_lock(&w->mutex);
        drop_frame(w, f->ts);
        pthread_mutex_unlock(&w->mutex);
        ask_resync(w);
        return MC_ENOMEM;
    }
    w->frame_ts = f->ts;
    pthread_mutex_lock(&w->mutex);
    int fits = w->queued_bytes + q->bytes <= MC_QUEUE_BYTES || !w->first;
    if (fits)
        mc_writer_enqueue(w, q);
    else
        drop_frame(w, f->ts);
    pthread_mutex_unlock(&w->mutex);
    if (!fits) {
        free(q);
        ask_resync(w);
        return 0;
    }
    w->source_count = f->schema->source_count;
    w->string_count = f->schema->string_count;
    w->map_count = f->schema->map_count;
    w->state_count = mc_schema_state_count(f->schema, f->schema->source_count);
    w->resync = 0;
    return 0;
}

int mc_writer_mark(struct mc_writer *w, int64_t ts, int64_t dur_ns, const char *label,
                   const char *author, int64_t *mark_id)
{
    if (!w->run_id || !label || dur_ns < 0)
        return MC_EINVAL;
    size_t label_bytes = strlen(label) + 1, author_bytes = author ? strlen(author) + 1 : 1;
    struct mc_queued_mark *m = malloc(sizeof *m + label_bytes + author_bytes);
    if (!m)
        return MC_ENOMEM;
    m->next = NULL;
    m->what = MC_MARK_NEW;
    m->ts = ts;
    m->dur_ns = dur_ns;
    char *texts = (char *)(m + 1);
    m->label = memcpy(texts, label, label_bytes);
    m->author = memcpy(texts + label_bytes, author ? author : "", author_bytes);
    m->mark_id = w->next_mark_id++;
    if (mark_id)
        *mark_id = m->mark_id;
    pthread_mutex_lock(&w->mutex);
    mc_writer_enqueue_mark(w, m);
    pthread_mutex_unlock(&w->mutex);
    return 0;
}
