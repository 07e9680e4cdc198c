/* writer_thread.c: the thread that owns a writer's file: commits once a second, seals, retains. */
#include "store/writer_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tracer/error.h"

#define RETAIN_EVERY_NS INT64_C(1000000000)
#define HOUSE_NS INT64_C(20000000) /* of keeping house, before frames that are due come first */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void mc_writer_enqueue(struct mc_writer *w, struct mc_queued_frame *q)
{
    if (!w->first && !w->first_mark)
        w->oldest_ns = clock_ns(CLOCK_MONOTONIC);
    *w->last = q;
    w->last = &q->next;
    w->queued_bytes += q->bytes;
    /* A second's worth is enough to be woken early; else the timer does it. */
    if (w->queued_bytes > MC_QUEUE_BYTES / 4)
        pthread_cond_signal(&w->wake);
}

void mc_writer_enqueue_mark(struct mc_writer *w, struct mc_queued_mark *m)
{
    if (!w->first && !w->first_mark)
        w->oldest_ns = clock_ns(CLOCK_MONOTONIC);
    *w->last_mark = m;
    w->last_mark = &m->next;
}

static void free_frames(struct mc_queued_frame *q)
{
    while (q) {
        struct mc_queued_frame *next = q->next;
        free(q);
        q = next;
    }
}

static void free_marks(struct mc_queued_mark *m)
{
    while (m) {
        struct mc_queued_mark *next = m->next;
        free(m);
        m = next;
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

/* What the caller is shown; under the mutex. */
static void tell_trouble(struct mc_writer *w)
{
    const struct mc_sink *s = &w->sink;
    if (!s->trouble)
        w->trouble[0] = 0;
    else
        snprintf(w->trouble, sizeof w->trouble, "%s: %s: %llu frames dropped since %.1f s", s->path,
                 s->misplaced              ? s->misplaced
                 : s->trouble == MC_ENOSPC ? "disk full"
                                           : mc_strerror(s->trouble),
                 (unsigned long long)s->lost.lost, (double)s->lost.ts / 1e9);
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct mc_sink *s = arg;
    if (pages * (int64_t)MC_TRACE_PAGE_BYTES >= s->room.log_bytes)
        s->checkpoint_due = 1;
    return SQLITE_OK;
}

/* A command, or frames a second old, or many; under the mutex. Otherwise *due_ns is when there will
 * be. */
static int is_due(const struct mc_writer *w, int64_t *due_ns)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    int waits = w->first || w->first_mark;
    *due_ns = waits ? w->oldest_ns + MC_COMMIT_NS : now + RETAIN_EVERY_NS;
    return w->command || w->queued_bytes > MC_QUEUE_BYTES / 4 || (waits && now >= *due_ns);
}

static int has_work(struct mc_writer *w)
{
    int64_t due_ns;
    pthread_mutex_lock(&w->mutex);
    int due = is_due(w, &due_ns);
    pthread_mutex_unlock(&w->mutex);
    return due;
}

/* On a full disk the reserve is given back for as long as this takes: what goes has to be written
 * to the log first. It is not for frames: see `commit`. From then on reserve and log are small. */
static void keep_house(struct mc_writer *w)
{
    struct mc_sink *s = &w->sink;
    if (s->misplaced)
        return;
    if (s->trouble == MC_ENOSPC) {
        mc_file_ballast(&s->lock, 0);
        s->room.log_bytes = MC_LOG_BYTES_MIN;
        if (s->room.ballast_bytes > MC_BALLAST_BYTES_MIN)
            s->room.ballast_bytes = MC_BALLAST_BYTES_MIN;
        mc_sink_checkpoint(s); /* the file may have to grow for it: before anything else does */
    }
    if (s->has_orphans && s->trouble != MC_ENOSPC)
        mc_sink_seal_orphans(s);
    int64_t begun = clock_ns(CLOCK_MONOTONIC);
    /* While a reader holds the log nothing can be given back: what is dropped only makes the log
     * longer. */
    int rc = !mc_sink_log_is_held(s);
    for (int i = 0; rc > 0 && i < 256; i++) {
        rc = mc_sink_retain(s, clock_ns(CLOCK_REALTIME));
        if (s->checkpoint_due || s->trouble == MC_ENOSPC)
            mc_sink_checkpoint(s);
        if (clock_ns(CLOCK_MONOTONIC) - begun > HOUSE_NS && has_work(w))
            break;
    }
    mc_file_ballast(&s->lock, s->room.ballast_bytes);
}

static void commit(struct mc_writer *w, struct mc_queued_frame *frames,
                   struct mc_queued_mark *marks, const struct mc_gap *behind)
{
    struct mc_sink *s = &w->sink;
    if (behind->reason[0])
        mc_sink_lost(s, behind);
    if (!s->run_id || (!frames && !marks && !s->lost.reason[0]))
        return;
    int misplaced = mc_sink_look(s);
    if (misplaced)
        mc_sink_drop(s, frames, misplaced);
    else if (mc_sink_log_is_held(s))
        mc_sink_drop(s, frames, MC_EBUSY);
    else if (s->trouble == MC_ENOSPC && !s->lock.ballast_bytes)
        mc_sink_drop(s, frames, MC_ENOSPC);
    else
        mc_sink_commit(s, frames, marks);
    if (s->checkpoint_due && !misplaced)
        mc_sink_checkpoint(s);
}

/* ---- commands ------------------------------------------------------------------------------- */

static int obey(struct mc_writer *w, enum mc_command command)
{
    struct mc_sink *s = &w->sink;
    switch (command) {
    case MC_COMMAND_BEGIN:
        return mc_sink_begin(s, w->command_run_id, w->command_info);
    case MC_COMMAND_RESUME:
        return mc_sink_resume(s, w->command_info, &w->command_run_id, &w->command_last_ts);
    case MC_COMMAND_FLUSH:
        return s->trouble;
    case MC_COMMAND_END:
        return mc_sink_end(s, w->command_exit);
    default:
        return 0;
    }
}

/* Wait until there is something to do; under the mutex. */
static void wait_for_work(struct mc_writer *w)
{
    int64_t due_ns;
    while (!is_due(w, &due_ns)) {
        struct timespec at = {due_ns / 1000000000, due_ns % 1000000000};
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &at) != 0 && !w->first && !w->first_mark)
            return; /* nothing came: still keep house */
    }
}

static void *run(void *arg)
{
    struct mc_writer *w = arg;
    struct mc_sink *s = &w->sink;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        wait_for_work(w);
        enum mc_command command = w->command;
        struct mc_queued_frame *frames = w->first;
        struct mc_queued_mark *marks = w->first_mark;
        struct mc_gap behind = w->behind;
        w->first = NULL;
        w->last = &w->first;
        w->first_mark = NULL;
        w->last_mark = &w->first_mark;
        w->queued_bytes = 0;
        memset(&w->behind, 0, sizeof w->behind);
        pthread_mutex_unlock(&w->mutex);

        commit(w, frames, marks, &behind);
        free_frames(frames);
        free_marks(marks);
        int rc = obey(w, command);

        pthread_mutex_lock(&w->mutex);
        if (s->resync) {
            w->sink_resync = 1;
            s->resync = 0;
        }
        tell_trouble(w);
        if (command) {
            w->command = MC_COMMAND_NONE;
            w->command_rc = rc;
            pthread_cond_broadcast(&w->done);
        }
        if (command == MC_COMMAND_STOP)
            break;
        pthread_mutex_unlock(&w->mutex);
        keep_house(w);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int mc_writer_command(struct mc_writer *w, enum mc_command command, const struct mc_run_info *info,
                      const char *exit)
{
    pthread_mutex_lock(&w->mutex);
    w->command_info = info;
    w->command_exit = exit;
    w->command = command;
    pthread_cond_signal(&w->wake);
    while (w->command)
        pthread_cond_wait(&w->done, &w->mutex);
    int rc = w->command_rc;
    pthread_mutex_unlock(&w->mutex);
    return rc;
}

int mc_writer_thread_start(struct mc_writer *w)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, &attr);
    pthread_cond_init(&w->done, &attr);
    pthread_condattr_destroy(&attr);
    sqlite3_wal_hook(w->sink.db, on_wal, &w->sink);
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return MC_ENOMEM;
    w->has_thread = 1;
    return 0;
}

void mc_writer_thread_stop(struct mc_writer *w)
{
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    free_frames(w->first);
    free_marks(w->first_mark);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->mutex);
}
