/* export.c: the span of an export, the walk through it, and the way out.
 *
 * Every event of a frame lies behind the frame before it (the sampler sees to that), so that frames
 * in order give events in order; marks and gaps are read first and put between.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/export_priv.h"
#include "tracer/error.h"

#define OUT_BYTES (64u << 10)

const char *mc_export_format_name(int format)
{
    static const char *const names[] = {
#define X(id, text) text,
        MC_EXPORT_FORMATS(X)
#undef X
    };
    return format >= 0 && format < MC_EXPORT_FORMAT_COUNT ? names[format] : NULL;
}

const char *mc_export_table_name(int table)
{
    static const char *const names[] = {
#define X(id, text, columns) text,
        MC_EXPORT_TABLES(X)
#undef X
    };
    return table >= 0 && table < MC_EXPORT_TABLE_COUNT ? names[table] : NULL;
}

/* ---- the way out ---------------------------------------------------------------------------- */

static int hand_on(struct mc_export *x)
{
    if (x->out.failed)
        return MC_ENOMEM;
    int rc = x->out.count ? x->opts->write(x->opts->arg, x->out.bytes, x->out.count) : 0;
    x->out.count = 0;
    return rc;
}

int mc_export_step(struct mc_export *x)
{
    return x->out.failed || x->out.count >= OUT_BYTES ? hand_on(x) : 0;
}

void mc_export_progress(struct mc_export *x, int64_t ts, uint32_t pass_idx, uint32_t pass_count)
{
    if (!x->opts->progress || x->last_ts == INT64_MIN)
        return;
    double span = (double)x->to - (double)x->begin_ts;
    double part = span > 0 ? ((double)ts - (double)x->begin_ts) / span : 0;
    int percent = (int)((pass_idx + part) * 100 / pass_count);
    if (percent <= x->percent || percent > 100)
        return;
    x->percent = percent;
    x->opts->progress(x->opts->arg, percent);
}

/* ---- the walk ------------------------------------------------------------------------------- */

struct walk {
    struct mc_export *x;
    const struct mc_export_visit *visit;
    struct mc_gap *gaps;   /* owned */
    struct mc_mark *marks; /* owned */
    size_t gap_count, gap_at, mark_count, mark_at;
};

/* The gaps and marks up to `ts`, in order. */
static int tell_until(struct walk *w, int64_t ts)
{
    for (;;) {
        const struct mc_gap *gap = w->gap_at < w->gap_count ? &w->gaps[w->gap_at] : NULL;
        const struct mc_mark *mark = w->mark_at < w->mark_count ? &w->marks[w->mark_at] : NULL;
        int rc;
        if (gap && gap->ts <= ts && (!mark || gap->ts <= mark->ts)) {
            w->gap_at++;
            rc = w->visit->gap(w->visit->arg, gap);
        } else if (mark && mark->ts <= ts) {
            w->mark_at++;
            rc = w->visit->mark(w->visit->arg, mark);
        } else {
            return 0;
        }
        if (rc)
            return rc;
    }
}

/* A damaged chunk whose head is whole is found only when it is read: the frame behind it brings the
 * gap then. */
static int tell_damage(struct walk *w, const struct mc_gap *gap)
{
    if (!w->visit->gap || strcmp(gap->reason, "damaged") != 0)
        return 0;
    for (size_t i = 0; i < w->gap_count; i++) {
        if (w->gaps[i].ts == gap->ts && strcmp(w->gaps[i].reason, gap->reason) == 0)
            return 0;
    }
    int rc = tell_until(w, gap->ts);
    return rc ? rc : w->visit->gap(w->visit->arg, gap);
}

/* Nothing could be read from after_ts on, where the run has frames. */
static int tell_damaged_end(struct walk *w, int64_t after_ts)
{
    struct mc_export *x = w->x;
    struct mc_gap gap = {.ts = after_ts, .reason = "damaged"};
    int64_t end_ts = x->to - 1 < x->last_ts ? x->to - 1 : x->last_ts;
    if (after_ts == INT64_MIN)
        gap.ts = x->begin_ts;
    if (gap.ts >= end_ts)
        return 0;
    for (size_t i = 0; i < w->gap_count; i++) {
        if (w->gaps[i].ts >= gap.ts && strcmp(w->gaps[i].reason, gap.reason) == 0)
            return 0;
    }
    gap.dur_ns = end_ts - gap.ts;
    return tell_damage(w, &gap);
}

static int on_event(void *arg, const struct mc_schema *schema, const struct mc_event *event)
{
    struct walk *w = arg;
    mc_export_progress(w->x, event->ts, 0, 1);
    int rc = tell_until(w, event->ts);
    return rc ? rc : w->visit->event(w->visit->arg, schema, event);
}

static int tell_events(struct walk *w, const struct mc_frame *frame)
{
    struct mc_export *x = w->x;
    for (size_t i = 0; i < frame->event_count; i++) {
        const struct mc_event *e = &frame->events[i];
        if (e->ts < x->from || e->ts >= x->to)
            continue;
        int rc = tell_until(w, e->ts);
        if (rc == 0)
            rc = w->visit->event(w->visit->arg, frame->schema, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int tell_frame(struct walk *w, const struct mc_frame *frame)
{
    struct mc_export *x = w->x;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < frame->gap_count; i++)
        rc = tell_damage(w, &frame->gaps[i]);
    if (rc == 0 && w->visit->event)
        rc = tell_events(w, frame);
    if (rc || frame->ts >= x->to)
        return rc;
    rc = tell_until(w, frame->ts);
    if (rc == 0 && w->visit->frame)
        rc = w->visit->frame(w->visit->arg, frame);
    mc_export_progress(x, frame->ts, 0, 1);
    return rc;
}

static int walk_frames(struct walk *w)
{
    struct mc_export *x = w->x;
    struct mc_cursor *cursor;
    int rc = mc_cursor_open(x->reader, x->info.run_id, &cursor);
    if (rc)
        return rc;
    const struct mc_frame *frame;
    rc = mc_cursor_seek(cursor, x->from, &frame);
    if (rc == 0 && frame->ts < x->from)
        rc = mc_cursor_next(cursor, &frame);
    int64_t newest_ts = INT64_MIN;
    /* The frame behind the span is looked at too: it can have events from before its end. */
    while (rc == 0 && frame->ts <= x->last_ts) {
        newest_ts = frame->ts;
        rc = tell_frame(w, frame);
        if (rc || newest_ts >= x->to)
            break;
        rc = mc_cursor_next(cursor, &frame);
    }
    mc_cursor_close(cursor);
    return rc == MC_END ? tell_damaged_end(w, newest_ts) : rc;
}

int mc_export_walk(struct mc_export *x, const struct mc_export_visit *visit)
{
    struct walk w = {.x = x, .visit = visit};
    int64_t from = x->opts->from, to = x->opts->to;
    int rc = 0;
    if (visit->gap)
        rc = mc_reader_gaps(x->reader, x->info.run_id, from, to, &w.gaps, &w.gap_count);
    if (rc == 0 && visit->mark)
        rc = mc_reader_marks(x->reader, x->info.run_id, from, to, &w.marks, &w.mark_count);
    if (rc == 0 && visit->frame && x->last_ts != INT64_MIN)
        rc = walk_frames(&w);
    else if (rc == 0 && visit->event && x->last_ts != INT64_MIN)
        rc = mc_reader_events(x->reader, x->info.run_id, x->from, x->to, 0, on_event, &w);
    if (rc == 0)
        rc = tell_until(&w, INT64_MAX);
    free(w.gaps);
    free(w.marks);
    return rc;
}

/* ---- an export ------------------------------------------------------------------------------ */

/* Cut the span to the frames that the run has now. */
static int cut_span(struct mc_export *x)
{
    int64_t first_ts, last_ts;
    int rc = mc_reader_span(x->reader, x->info.run_id, &first_ts, &last_ts);
    if (rc)
        return rc == MC_END ? 0 : rc;
    x->last_ts = last_ts;
    x->begin_ts = x->from > first_ts ? x->from : first_ts;
    if (x->to > last_ts && last_ts < INT64_MAX)
        x->to = last_ts + 1;
    return 0;
}

static int export_format(struct mc_export *x)
{
    switch (x->opts->format) {
    case MC_EXPORT_CSV:
        return mc_export_csv(x);
    case MC_EXPORT_JSONL:
        return mc_export_jsonl(x);
    case MC_EXPORT_OPENMETRICS:
        return mc_export_openmetrics(x);
    case MC_EXPORT_PERFETTO:
        return mc_export_perfetto(x);
    default:
        return MC_EINVAL;
    }
}

int mc_export(struct mc_reader *r, const struct mc_export_options *opts)
{
    struct mc_export x = {
        .opts = opts,
        .reader = r,
        .from = opts->from,
        .to = opts->to,
        .last_ts = INT64_MIN,
        .percent = -1,
    };
    if (opts->from >= opts->to)
        return MC_EINVAL;
    int rc = mc_reader_run(r, opts->run_id, &x.info);
    if (rc)
        return rc;
    rc = cut_span(&x);
    if (rc == 0)
        rc = export_format(&x);
    if (rc == 0)
        rc = hand_on(&x);
    if (rc == 0)
        mc_export_progress(&x, x.to, 0, 1);
    mc_buf_fini(&x.out);
    mc_run_info_fini(&x.info);
    return rc;
}
