/* api_mark_edit.c: POST /api/runs/{run}/marks/{mark} and …/{mark}/delete.
 *
 * A worker finds the mark in the file, unless the hub has it, and changes a file that nobody
 * records to. In the live run's file only the writer writes: it is told on the loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "server/mark_check.h"
#include "server/params.h"
#include "tracer/error.h"

/* What is asked, and the mark it is asked of; in job->text. */
struct edit {
    struct mc_mark mark; /* as it is, where `known`; then as it is to be */
    int known, remove, live;
    int64_t ts, dur_ns; /* -1: as it is */
    char label[256];    /* empty: as it is */
};

static struct edit *edit_of(struct mc_job *job)
{
    return (struct edit *)(void *)job->text;
}

static int find_in_file(struct mc_job *job, struct edit *e)
{
    struct mc_mark *marks;
    size_t count;
    int code = mc_reader_marks(job->reader, job->run_id, INT64_MIN, INT64_MAX, &marks, &count);
    if (code)
        return code;
    for (size_t i = 0; i < count && !e->known; i++) {
        if (marks[i].mark_id != e->mark.mark_id)
            continue;
        e->mark = marks[i];
        e->known = 1;
    }
    free(marks);
    return 0;
}

/* Make e->mark what it is to be. */
static int apply(struct mc_job *job, struct edit *e)
{
    if (e->ts >= 0)
        e->mark.ts = e->ts;
    if (e->dur_ns >= 0)
        e->mark.dur_ns = e->dur_ns;
    if (e->label[0])
        snprintf(e->mark.label, sizeof e->mark.label, "%s", e->label);
    if (e->ts < 0 && e->dur_ns < 0)
        return 0;
    int64_t first = 0, last = job->live_last;
    int code = e->live ? 0 : mc_reader_span(job->reader, job->run_id, &first, &last);
    if (code)
        return code == MC_END ? MC_ENORUN : code;
    if (e->mark.ts >= first && e->mark.ts <= last && e->mark.dur_ns <= last - e->mark.ts)
        return 0;
    snprintf(job->detail, sizeof job->detail, "the mark would be outside of the run");
    return MC_EINVAL;
}

static int edit_work(struct mc_job *job)
{
    struct edit *e = edit_of(job);
    int code = e->known ? 0 : find_in_file(job, e);
    if (!code && !e->known) {
        snprintf(job->detail, sizeof job->detail, "no such mark: see /api/runs/{run}/marks");
        return MC_ENORUN;
    }
    if (!code)
        code = apply(job, e);
    if (!code && !e->live)
        code = e->remove ? mc_trace_mark_remove(job->file->path, job->run_id, e->mark.mark_id)
                         : mc_trace_mark_set(job->file->path, job->run_id, e->mark.mark_id,
                                             e->mark.ts, e->mark.dur_ns, e->mark.label);
    if (code == MC_EBUSY)
        snprintf(job->detail, sizeof job->detail,
                 "a recorder writes to this file: change the mark in its dashboard");
    if (code)
        return code;
    mc_buf_printf(&job->body, "{\"mark_id\":%lld}\n", (long long)e->mark.mark_id);
    return 0;
}

/* On the loop. */
static int edit_live(struct mc_job *job)
{
    struct edit *e = edit_of(job);
    struct mc_dashboard *d = job->dashboard;
    const struct mc_run_info *now = mc_hub_run(d->hub);
    if (!now || now->run_id != job->run_id) {
        snprintf(job->detail, sizeof job->detail, "the run has just ended: try again");
        return MC_EBUSY;
    }
    int code = e->remove ? mc_writer_mark_remove(d->writer, e->mark.mark_id)
                         : mc_writer_mark_set(d->writer, e->mark.mark_id, e->mark.ts,
                                              e->mark.dur_ns, e->mark.label);
    if (code)
        return code;
    if (e->remove)
        e->mark.dur_ns = -1;
    mc_hub_mark_edit(d->hub, &e->mark);
    return 0;
}

/* The {mark} of a path; 0 when it can't be one. */
static int64_t asked_mark(const char *path)
{
    const char *at = strstr(path, "/marks/");
    int64_t mark_id;
    char text[24];
    size_t bytes = at ? strcspn(at + 7, "/") : 0;
    if (bytes == 0 || bytes >= sizeof text)
        return 0;
    memcpy(text, at + 7, bytes);
    text[bytes] = 0;
    char *end;
    mark_id = strtoll(text, &end, 10);
    return *end || text[0] < '1' || text[0] > '9' ? 0 : mark_id;
}

/* Look the mark up among those of the hub. 0 when it is known to be gone. */
static int find_in_hub(const struct mc_dashboard *d, struct edit *e)
{
    const struct mc_mark *fresh;
    size_t count = mc_hub_marks(d->hub, &fresh);
    for (size_t i = 0; i < count; i++) {
        if (fresh[i].mark_id != e->mark.mark_id)
            continue;
        e->mark = fresh[i];
        e->known = 1;
        return fresh[i].dur_ns >= 0;
    }
    return 1;
}

static void start_edit(struct mc_dashboard *d, struct mc_http_request *r,
                       const struct mc_asked_run *run, const struct edit *asked)
{
    struct edit *e = malloc(sizeof *e);
    const struct mc_frame *newest = mc_hub_newest(d->hub);
    struct mc_job *job = e ? mc_job_new(d, r, run->file, edit_work, 0) : NULL;
    if (!job) {
        if (!e)
            mc_answer_error(r, 503, "out of memory", "try again later");
        free(e);
        return;
    }
    *e = *asked;
    e->mark.mark_id = asked_mark(mc_http_path(r));
    e->live = run->is_live && d->writer && newest;
    job->text = (char *)e;
    job->run_id = run->run_id;
    if (e->mark.mark_id == 0 || (e->live && !find_in_hub(d, e))) {
        mc_answer_error(r, 404, "no such mark", "see /api/runs/{run}/marks");
        mc_job_free(job);
        return;
    }
    if (e->live) {
        job->live_last = newest->ts;
        job->then = edit_live;
    }
    mc_job_start(job);
}

/* Read a body's fields; answers and returns 0 when it is wrong. */
static int read_body(struct mc_http_request *r, struct mc_json_field *fields, size_t count)
{
    char why[160];
    size_t bytes;
    const uint8_t *body = mc_http_body(r, &bytes);
    char *room = mc_http_alloc(r, bytes + 1);
    if (!room) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        return 0;
    }
    if (mc_json_read(body, bytes, fields, count, room, why, sizeof why)) {
        mc_answer_error(r, 400, "bad body", why);
        return 0;
    }
    return 1;
}

/* A time of the body into *out; -1 when it is absent. 0 when it is no time. */
static int read_time(const struct mc_json_field *field, int64_t *out)
{
    *out = field->type == MC_JSON_ABSENT ? -1 : field->integer;
    return field->type == MC_JSON_ABSENT || (field->type == MC_JSON_INTEGER && field->integer >= 0);
}

void mc_api_mark_set(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run)
{
    struct mc_json_field fields[] = {{.name = "ts"}, {.name = "dur"}, {.name = "label"}};
    struct edit e = {0};
    if (!read_body(r, fields, 3))
        return;
    const char *wrong = fields[2].type == MC_JSON_ABSENT ? NULL : mc_label_wrong(&fields[2]);
    if (!read_time(&fields[0], &e.ts))
        wrong = "ts: an integer of 0 or more is needed, ns since the run began";
    else if (!read_time(&fields[1], &e.dur_ns))
        wrong = "dur: an integer of 0 or more is needed, in ns";
    else if (e.ts < 0 && e.dur_ns < 0 && fields[2].type == MC_JSON_ABSENT)
        wrong = "nothing to change: give label, ts or dur";
    if (wrong) {
        mc_answer_error(r, 400, "bad mark", wrong);
        return;
    }
    if (fields[2].type == MC_JSON_STRING)
        memcpy(e.label, fields[2].text, fields[2].text_bytes + 1);
    start_edit(d, r, run, &e);
}

void mc_api_mark_remove(struct mc_dashboard *d, struct mc_http_request *r,
                        const struct mc_asked_run *run)
{
    const struct edit e = {.remove = 1, .ts = -1, .dur_ns = -1};
    struct mc_json_field none[1] = {{.name = ""}};
    if (read_body(r, none, 0))
        start_edit(d, r, run, &e);
}
