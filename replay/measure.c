/* measure.c: what was scanned of a run, as its measures.
 *
 * Each measure is one number for the run, and where the run has bins for it also a series over
 * time and the interval that the series' own noise leaves (stats.h). A statistic of single frames
 * (p99) takes its interval from the same statistic of the bins, moved to where the number is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/measure_priv.h"
#include "tracer/error.h"

/* Requests of all routes: per bin, since `from`, in all, and when the first one was. */
static void count_requests(struct mc_maker *m)
{
    const struct mc_run_scan *s = m->scan;
    double sum = 0;
    for (uint32_t i = 0; i < s->bin_count; i++)
        m->requests[i] = NAN;
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        if (source->kind != MC_KIND_ROUTE)
            continue;
        mc_maker_growth_series(m, source->value_idx + MC_FIELD(ROUTE, REQUESTS), m->requests, 1);
        m->out->request_count += mc_maker_growth(m, source->value_idx + MC_FIELD(ROUTE, REQUESTS));
    }
    m->out->first_request_ts = INT64_MAX;
    for (uint32_t i = 0; i < s->bin_count; i++) {
        sum += isnan(m->requests[i]) ? 0 : m->requests[i];
        m->out->requests[i] = (float)sum;
        if (sum > 0 && m->out->first_request_ts == INT64_MAX)
            m->out->first_request_ts = mc_scan_bin_ts(s, i);
    }
}

static int copy_pools(const struct mc_run_scan *s, struct mc_run_measures *out)
{
    out->pools = calloc(s->schema.map_count + 1u, sizeof *out->pools);
    if (!out->pools)
        return MC_ENOMEM;
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        if (source->kind != MC_KIND_SLAB)
            continue;
        struct mc_measured_pool *pool = &out->pools[out->pool_count];
        pool->name = strdup(source->name);
        if (!pool->name)
            return MC_ENOMEM;
        pool->slot_count = source->slot_count;
        pool->slot_bytes = source->slot_bytes;
        out->pool_count++;
    }
    return 0;
}

static int make_measures(const struct mc_run_scan *s, const struct mc_measure_options *opts,
                         struct mc_run_measures *out)
{
    struct mc_maker m = {.scan = s, .opts = opts, .out = out};
    size_t n = s->bin_count;
    double *arrays = malloc((3 * n + MC_SCAN_COLLECTIONS) * sizeof *arrays);
    out->requests = malloc((n + 1) * sizeof *out->requests);
    if (!arrays || !out->requests) {
        free(arrays);
        return MC_ENOMEM;
    }
    m.series = arrays;
    m.work = arrays + n;
    m.requests = arrays + 2 * n;
    m.collected = arrays + 3 * n;
    out->bin_count = s->bin_count;
    count_requests(&m);
    for (uint32_t i = 0; i < s->schema.source_count && !m.failed; i++) {
        m.source = &s->schema.sources[i];
        mc_maker_source(&m);
    }
    free(arrays);
    return m.failed ? MC_ENOMEM : 0;
}

int mc_run_measure(struct mc_reader *r, const struct mc_measure_options *opts,
                   struct mc_run_measures *out)
{
    struct mc_run_scan scan;
    struct mc_run_measures made = {0};
    int rc = mc_run_scan(r, opts, &scan);
    if (rc)
        return rc;
    rc = mc_reader_run(r, opts->run_id, &made.info);
    if (rc == 0)
        rc = mc_reader_span(r, opts->run_id, &made.run_first, &made.run_last);
    made.from = scan.from;
    made.to = scan.to;
    made.is_exact = scan.is_exact;
    made.frame_count = scan.frame_count;
    made.gap_count = scan.gap_count;
    made.gap_ns = scan.gap_ns;
    made.lost_count = scan.lost_count;
    made.damaged_count = scan.damaged_count;
    made.silent_ns = scan.silent_ns;
    double late_ns = mc_bucket_quantile(scan.late_buckets, 0.9);
    made.late_ns = isnan(late_ns) ? 0 : (int64_t)late_ns;
    made.sampled_event_part = fmin(1, (double)scan.event_ns / (double)(scan.to - scan.from));
    if (rc == 0)
        rc = make_measures(&scan, opts, &made);
    if (rc == 0)
        rc = copy_pools(&scan, &made);
    if (rc == 0)
        rc = mc_leak_find(&scan, r, opts, &made.leaks, &made.leak_count);
    mc_run_scan_fini(&scan);
    if (rc) {
        mc_run_measures_fini(&made);
        return rc;
    }
    *out = made;
    return 0;
}

void mc_run_measures_fini(struct mc_run_measures *m)
{
    for (size_t i = 0; i < m->measure_count; i++) {
        free(m->measures[i].key);
        free(m->measures[i].series);
    }
    for (size_t i = 0; i < m->pool_count; i++)
        free(m->pools[i].name);
    for (size_t i = 0; i < m->leak_count; i++)
        mc_leak_fini(&m->leaks[i]);
    mc_run_info_fini(&m->info);
    free(m->path);
    free(m->measures);
    free(m->pools);
    free(m->leaks);
    free(m->requests);
    memset(m, 0, sizeof *m);
}

/* ---- the first request
 * --------------------------------------------------------------------------- */

static int64_t requests_of(const struct mc_frame *f)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < f->schema->source_count; i++) {
        const struct mc_source *source = &f->schema->sources[i];
        int64_t value = f->values[source->value_idx];
        if (source->kind == MC_KIND_ROUTE && value != MC_VALUE_NONE)
            sum += value;
    }
    return sum;
}

int mc_run_first_request(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to, int64_t *ts)
{
    struct mc_cursor *cursor;
    const struct mc_frame *f;
    int rc = mc_cursor_open(r, run_id, &cursor);
    if (rc)
        return rc;
    mc_cursor_leave_out(cursor, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
    rc = mc_cursor_seek(cursor, from, &f);
    int64_t before = rc == 0 && f->ts < from ? requests_of(f) : 0;
    while (rc == 0 && (f->ts < from || requests_of(f) <= before)) {
        rc = mc_cursor_next(cursor, &f);
        if (rc == 0 && f->ts >= to)
            rc = MC_END;
    }
    if (rc == 0)
        *ts = f->ts;
    mc_cursor_close(cursor);
    return rc;
}
