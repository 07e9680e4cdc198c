/* run_scan.c: read a run once, frame by frame or by the summaries of its chunks. */
#include "replay/run_scan_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

#define SAMPLED_SPANS 24
#define SAMPLED_SPAN_NS INT64_C(10000000000)

/* ---- frames -------------------------------------------------------------------------------------
 */

static void pass_time(struct mc_run_scan *s, int64_t first_ts, int64_t last_ts, int is_told)
{
    if (s->last_ts != INT64_MIN && !is_told && first_ts - s->last_ts > 5 * s->interval_ns)
        s->silent_ns += first_ts - s->last_ts;
    s->last_ts = last_ts;
}

/* What could not be read before a frame: only the frame tells. */
static void add_damage(struct mc_run_scan *s, const struct mc_frame *f)
{
    for (size_t i = 0; i < f->gap_count; i++) {
        if (strcmp(f->gaps[i].reason, "damaged") != 0)
            continue;
        int64_t from = f->gaps[i].ts > s->from ? f->gaps[i].ts : s->from;
        int64_t to = f->gaps[i].ts + f->gaps[i].dur_ns;
        s->damaged_count++;
        s->gap_count++;
        s->gap_ns += to > from ? to - from : 0;
    }
}

/* Take in a frame's numbers, and with `whole` its buckets and events too. */
static int add_frame(struct mc_run_scan *s, const struct mc_frame *f, int whole)
{
    uint32_t bin = mc_scan_bin_at(s, f->ts), n = f->schema->value_count;
    n = n < s->schema.value_count ? n : s->schema.value_count;
    for (uint32_t i = 0; i < n; i++) {
        int64_t value = f->values[i];
        if (value != MC_VALUE_NONE)
            mc_scan_add_value(s, i, bin,
                              &(struct mc_scan_spread){value, value, value, (double)value, 1});
    }
    s->frame_count++;
    add_damage(s, f);
    pass_time(s, f->ts, f->ts, f->gap_count > 0);
    return whole ? mc_scan_add_events(s, f) : 0;
}

/* Read the frames of [from, to) one by one. */
static int scan_frames(struct mc_run_scan *s, struct mc_reader *r,
                       const struct mc_measure_options *opts, int64_t from, int64_t to,
                       int with_values)
{
    struct mc_cursor *cursor;
    const struct mc_frame *f;
    int rc = mc_cursor_open(r, opts->run_id, &cursor), percent = -1;
    if (rc)
        return rc;
    rc = mc_cursor_seek(cursor, from, &f);
    uint64_t seen = 0;
    while (rc == 0 && f->ts < to) {
        if (f->ts >= from && with_values)
            rc = add_frame(s, f, 1);
        else if (f->ts >= from)
            rc = mc_scan_add_events(s, f);
        int now = (int)(100.0 * (double)(f->ts - s->from) / (double)(s->to - s->from));
        if (opts->progress && with_values && now != percent)
            opts->progress(opts->arg, percent = now);
        if (rc == 0 && ++seen % 64 == 0 && opts->stop && opts->stop(opts->arg))
            rc = MC_EGONE;
        if (rc == 0)
            rc = mc_cursor_next(cursor, &f);
    }
    mc_cursor_close(cursor);
    return rc == MC_END ? 0 : rc;
}

/* ---- summaries ----------------------------------------------------------------------------------
 */

struct summary_scan {
    struct mc_run_scan *scan;
    struct mc_reader *reader;
    const struct mc_measure_options *opts;
};

static int add_summary(void *arg, const struct mc_span_summary *row)
{
    struct summary_scan *a = arg;
    struct mc_run_scan *s = a->scan;
    if (a->opts->stop && a->opts->stop(a->opts->arg))
        return MC_EGONE;
    if (!row->values) {
        int64_t from = row->first_ts > s->from ? row->first_ts : s->from;
        int64_t to = row->last_ts < s->to - 1 ? row->last_ts + 1 : s->to;
        if (from >= to)
            return 0;
        s->event_ns += to - from;
        return scan_frames(s, a->reader, a->opts, from, to, 1);
    }
    uint32_t bin = mc_scan_bin_at(s, row->first_ts + (row->last_ts - row->first_ts) / 2);
    for (uint32_t i = 0; i < row->value_count && i < s->schema.value_count; i++) {
        const struct mc_span_value *v = &row->values[i];
        if (v->min == MC_VALUE_NONE)
            continue;
        struct mc_scan_spread p = {v->min, v->max, v->last == MC_VALUE_NONE ? v->max : v->last,
                                   (double)v->mean, row->frame_count};
        mc_scan_add_value(s, i, bin, &p);
    }
    s->frame_count += row->frame_count;
    pass_time(s, row->first_ts, row->last_ts, 1);
    return 0;
}

static int scan_summaries(struct mc_run_scan *s, struct mc_reader *r,
                          const struct mc_measure_options *opts)
{
    struct summary_scan a = {s, r, opts};
    int rc = mc_reader_summaries(r, opts->run_id, s->from, s->to, add_summary, &a);
    /* Latencies, pauses and closes are in no summary: spans spread evenly stand for the run. */
    int64_t step = (s->to - s->from) / SAMPLED_SPANS;
    for (int i = 0; rc == 0 && i < SAMPLED_SPANS; i++) {
        int64_t from = s->from + step * i + (step - SAMPLED_SPAN_NS) / 2;
        rc = scan_frames(s, r, opts, from, from + SAMPLED_SPAN_NS, 0);
        s->event_ns += SAMPLED_SPAN_NS;
    }
    return rc;
}

/* The ticks that did come, out of the histogram of their lateness. */
static void count_late(struct mc_run_scan *s)
{
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        if (s->schema.sources[i].kind != MC_KIND_RECORDER)
            continue;
        const struct mc_scan_value *v =
            &s->values[s->schema.sources[i].value_idx + MC_FIELD(RECORDER, LATE)];
        double step = ((double)v->largest - (double)v->least) / (MC_SCAN_LEVELS - 1);
        for (uint32_t k = 0; v->levels && k < MC_SCAN_SEGMENTS * MC_SCAN_LEVELS; k++) {
            double late = (double)v->least + step * (k % MC_SCAN_LEVELS);
            if (v->levels[k])
                s->late_buckets[mc_bucket_of(late > 0 ? (uint64_t)late : 0)] += v->levels[k];
        }
    }
}

/* ---- the run ------------------------------------------------------------------------------------
 */

int mc_run_scan(struct mc_reader *r, const struct mc_measure_options *opts, struct mc_run_scan *out)
{
    struct mc_run_scan s = {.last_ts = INT64_MIN, .collection_stride = 1};
    int rc = mc_scan_begin(&s, r, opts);
    if (rc == 0)
        rc = s.is_exact ? scan_frames(&s, r, opts, s.from, s.to, 1) : scan_summaries(&s, r, opts);
    if (s.is_exact)
        s.event_ns = s.to - s.from;
    if (rc == 0 && !s.frame_count)
        rc = MC_END;
    if (rc == 0)
        count_late(&s);
    if (rc) {
        mc_run_scan_fini(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void mc_run_scan_fini(struct mc_run_scan *s)
{
    for (uint32_t i = 0; s->values && i < s->schema.value_count; i++)
        free(s->values[i].levels);
    for (uint32_t i = 0; s->buckets && i < s->schema.source_count; i++)
        free(s->buckets[i]);
    mc_schema_fini(&s->schema);
    free(s->bins);
    free(s->values);
    free(s->buckets);
    free(s->collections);
    free(s->heaps);
    free(s->lives);
    free(s->life_buckets);
    free(s->reasons);
    free(s->late_buckets);
    memset(s, 0, sizeof *s);
}
