/* measure_sources.c: which measures each kind of source has. */
#include <math.h>
#include <string.h>

#include "replay/measure_priv.h"

static int unit_direction(const char *unit)
{
    static const char *const costs[] = {"ns", "us", "ms", "s", "seconds", "bytes", "B", "KB", "MB"};
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
        if (strcmp(unit, costs[i]) == 0)
            return 1;
    return 0;
}

/* ---- collections and connections ----------------------------------------------------------------
 */

/* What a heap allocated for each request: what its level rose by, and what collections took off. */
static void add_allocated(struct mc_maker *m, const struct mc_scan_heap *heap)
{
    const struct mc_run_scan *s = m->scan;
    double requests = m->out->request_count;
    uint32_t used = m->source->value_idx + MC_FIELD(HEAP, USED);
    if (requests <= 0 || !s->values[used].count)
        return;
    /* The collections that were looked at stand for all that the heap counted. */
    double all = mc_maker_growth(m, m->source->value_idx + MC_FIELD(HEAP, GC_COUNT));
    double factor = heap->count && all > (double)heap->count ? all / (double)heap->count : 1;
    double rose = (double)s->values[used].last - (double)s->values[used].first;
    mc_maker_growth_series(m, used, m->series, 0);
    for (size_t i = 0; i < s->collection_count; i++) {
        const struct mc_scan_collection *c = &s->collections[i];
        if (c->source_idx == heap->source_idx && c->before_bytes > c->after_bytes)
            m->series[mc_scan_bin_at(s, c->frame_ts)] +=
                factor * s->collection_stride * (double)(c->before_bytes - c->after_bytes);
    }
    memcpy(m->work, m->requests, s->bin_count * sizeof *m->work);
    double value = fmax(0, rose + factor * heap->freed_bytes) / requests;
    mc_maker_finish_ratio(m, mc_maker_add(m, "mean", "bytes", 1, value, "allocated per request"),
                          1);
}

static void add_heap(struct mc_maker *m)
{
    const struct mc_run_scan *s = m->scan;
    const struct mc_scan_heap *heap = s->heaps;
    while (heap->source_idx != m->source->source_idx)
        heap++;
    if (!heap->count) {
        add_allocated(m, heap);
        return;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < s->bin_count; i++)
        m->series[i] = m->work[i] = NAN;
    for (size_t i = 0; i < s->collection_count; i++) {
        const struct mc_scan_collection *c = &s->collections[i];
        if (c->source_idx != heap->source_idx || c->ts < s->from || c->ts >= s->to)
            continue;
        m->collected[n++] = (double)c->dur_ns;
        uint32_t bin = mc_scan_bin_at(s, c->ts);
        m->series[bin] = fmax((double)c->dur_ns, isnan(m->series[bin]) ? 0 : m->series[bin]);
    }
    static const double quantiles[] = {0.5, 0.99, 1};
    static const char *const stats[] = {"p50", "p99", "max"};
    for (int i = 0; i < 3; i++) {
        double value =
            i < 2 ? mc_bucket_quantile(heap->pauses, quantiles[i]) : (double)heap->dur_max_ns;
        struct mc_measure *made = mc_maker_add(m, stats[i], "ns", 1, value, "pause");
        mc_maker_keep_series(m, made);
        if (i < 2)
            mc_maker_interval(m, made, m->collected, n, i ? MC_STATISTIC_P99 : MC_STATISTIC_P50);
    }
    struct mc_measure *share = mc_maker_add(
        m, "mean", "%", 1, 100 * heap->dur_ns / (double)s->event_ns, "time in collections");
    for (size_t i = 0; i < n; i++)
        m->collected[i] *= 100 * (double)heap->count / (double)s->event_ns;
    mc_maker_interval(m, share, m->collected, n, MC_STATISTIC_MEAN);
    add_allocated(m, heap);
}

/* How many in a hundred closes were for that reason. Where only parts of the run's events are read,
 * a bin without a close may be one that was not looked at. */
static void add_close_reason(struct mc_maker *m, const struct mc_scan_reason *reason)
{
    const struct mc_run_scan *s = m->scan;
    double share = 100 * (double)reason->count / (double)s->close_count;
    struct mc_measure *made = mc_maker_add(m, "share", "%", 0, share, "closed: %s",
                                           reason->text[0] ? reason->text : "no reason");
    for (uint32_t i = 0; i < s->bin_count; i++) {
        int is_known = s->is_exact || s->close_bins[i];
        m->series[i] = is_known ? (double)reason->bins[i] : NAN;
        m->work[i] = is_known ? (double)s->close_bins[i] : NAN;
    }
    if (made) {
        made->whole = 100;
        made->is_part_of_closes = 1;
    }
    mc_maker_finish_ratio(m, made, 100);
}

static void add_connections(struct mc_maker *m)
{
    const struct mc_run_scan *s = m->scan;
    mc_maker_level(m, MC_FIELD(CONNECTIONS, OPEN), "", 0);
    mc_maker_level(m, MC_FIELD(CONNECTIONS, ACTIVE), "", 0);
    mc_maker_level(m, MC_FIELD(CONNECTIONS, IDLE), "", 0);
    mc_maker_level(m, MC_FIELD(CONNECTIONS, CLOSING), "", 0);
    mc_maker_rate(m, MC_FIELD(CONNECTIONS, ACCEPTED), "/s", 1, 0);
    mc_maker_rate(m, MC_FIELD(CONNECTIONS, ERRORS), "/min", 60, 1);
    mc_maker_rate(m, MC_FIELD(CONNECTIONS, OVERFLOWS), "/min", 60, 1);
    for (size_t i = 0; i < s->reason_count; i++)
        add_close_reason(m, &s->reasons[i]);
    m->out->close_count = (double)s->close_count;
    mc_maker_histogram(
        m, &(struct mc_maker_histogram){.counts = s->life_buckets, .what = "life", .unit = "ns"});
}

static void add_process(struct mc_maker *m)
{
    static const uint32_t bytes[] = {MC_FIELD(PROCESS, RSS), MC_FIELD(PROCESS, PSS),
                                     MC_FIELD(PROCESS, ANON)};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        mc_maker_level(m, bytes[i], "bytes", 1);
    mc_maker_level(m, MC_FIELD(PROCESS, FDS), "", 1);
    mc_maker_level(m, MC_FIELD(PROCESS, THREADS), "", 1);
    mc_maker_rate(m, MC_FIELD(PROCESS, MAJOR_FAULTS), "/s", 1, 1);
    mc_maker_rate(m, MC_FIELD(PROCESS, PRESSURE_SOME), "us/s", 1, 1);
    uint32_t user = m->source->value_idx + MC_FIELD(PROCESS, CPU_USER),
             system = m->source->value_idx + MC_FIELD(PROCESS, CPU_SYSTEM);
    double used = mc_maker_growth(m, user) + mc_maker_growth(m, system);
    if (!m->scan->values[user].count)
        return;
    mc_maker_growth_series(m, user, m->series, 0);
    mc_maker_growth_series(m, system, m->series, 1);
    mc_maker_per_second(m, 100e-9);
    mc_maker_finish(
        m,
        mc_maker_add(m, "mean", "%", 1, 100 * used / (double)(m->scan->to - m->scan->from), "cpu"),
        MC_STATISTIC_MEAN);
    if (m->out->request_count <= 0)
        return;
    mc_maker_growth_series(m, user, m->series, 0);
    mc_maker_growth_series(m, system, m->series, 1);
    memcpy(m->work, m->requests, m->scan->bin_count * sizeof *m->work);
    double value = used / m->out->request_count;
    mc_maker_finish_ratio(m, mc_maker_add(m, "mean", "ns", 1, value, "cpu per request"), 1);
}

static void add_route(struct mc_maker *m)
{
    mc_maker_rate(m, MC_FIELD(ROUTE, REQUESTS), "/s", 1, 0);
    mc_maker_ratio(m, MC_FIELD(ROUTE, SERVER_ERRORS), MC_FIELD(ROUTE, REQUESTS), 100, "%", 1,
                   "server errors");
    mc_maker_ratio(m, MC_FIELD(ROUTE, CLIENT_ERRORS), MC_FIELD(ROUTE, REQUESTS), 100, "%", 0,
                   "client errors");
    mc_maker_ratio(m, MC_FIELD(ROUTE, BYTES_IN), MC_FIELD(ROUTE, REQUESTS), 1, "bytes", 0,
                   "bytes in per request");
    mc_maker_ratio(m, MC_FIELD(ROUTE, BYTES_OUT), MC_FIELD(ROUTE, REQUESTS), 1, "bytes", 1,
                   "bytes out per request");
    mc_maker_quantiles(m, "latency", "ns", 1);
}

void mc_maker_source(struct mc_maker *m)
{
    const char *unit = m->source->unit[0] ? m->source->unit : "";
    switch (m->source->kind) {
    case MC_KIND_SLAB:
        mc_maker_level(m, MC_FIELD(SLAB, USED), "slots", 1);
        mc_maker_rate(m, MC_FIELD(SLAB, ALLOCS), "/s", 1, 0);
        mc_maker_rate(m, MC_FIELD(SLAB, OVERFLOW), "/min", 60, 1);
        break;
    case MC_KIND_ARENA:
        mc_maker_level(m, MC_FIELD(ARENA, USED), "bytes", 1);
        mc_maker_rate(m, MC_FIELD(ARENA, OVERFLOW), "/min", 60, 1);
        break;
    case MC_KIND_HEAP:
        mc_maker_level(m, MC_FIELD(HEAP, USED), "bytes", 1);
        mc_maker_rate(m, MC_FIELD(HEAP, GC_COUNT), "/min", 60, 1);
        add_heap(m);
        break;
    case MC_KIND_COUNTER:
        mc_maker_rate(m, MC_FIELD(COUNTER, VALUE), "/s", 1, 0);
        break;
    case MC_KIND_GAUGE:
        mc_maker_level(m, MC_FIELD(GAUGE, VALUE), unit, unit_direction(unit));
        break;
    case MC_KIND_HISTOGRAM:
        mc_maker_rate(m, MC_FIELD(HISTOGRAM, COUNT), "/s", 1, 0);
        mc_maker_quantiles(m, "value", unit, unit_direction(unit));
        break;
    case MC_KIND_PROCESS:
        add_process(m);
        break;
    case MC_KIND_CONNECTIONS:
        add_connections(m);
        break;
    case MC_KIND_ROUTE:
        add_route(m);
        break;
    case MC_KIND_OWNER:
        mc_maker_level(m, MC_FIELD(OWNER, OPEN), "", 0);
        mc_maker_rate(m, MC_FIELD(OWNER, ACCEPTED), "/s", 1, 0);
        break;
    default:
        break;
    }
}
