/* metrics.c: the table of families, and the text of heads, names and numbers. */
#include "replay/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

const struct mc_metric mc_metrics[] = {
#define F(kind, field) MC_KIND_##kind, MC_FIELD(kind, field)
    {F(SLAB, USED), "slab_used", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(SLAB, HIGH_WATER), "slab_high_water", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(SLAB, ALLOCS), "slab_allocs", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(SLAB, FREES), "slab_frees", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(SLAB, OVERFLOW), "slab_overflow", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(ARENA, USED), "arena_used_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(ARENA, HIGH_WATER), "arena_high_water_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN,
     NULL},
    {F(ARENA, OVERFLOW), "arena_overflow", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(ARENA, RESETS), "arena_resets", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(HEAP, USED), "heap_used_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(HEAP, PEAK), "heap_peak_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(HEAP, THRESHOLD), "heap_threshold_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(HEAP, GC_COUNT), "heap_gc_count", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(COUNTER, VALUE), "counter", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(GAUGE, VALUE), "gauge", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(HISTOGRAM, P50), "histogram", MC_METRIC_SUMMARY, "", MC_METRIC_PLAIN, "0.5"},
    {F(HISTOGRAM, P95), "histogram", MC_METRIC_SUMMARY, "", MC_METRIC_PLAIN, "0.95"},
    {F(HISTOGRAM, P99), "histogram", MC_METRIC_SUMMARY, "", MC_METRIC_PLAIN, "0.99"},
    {F(HISTOGRAM, P9999), "histogram", MC_METRIC_SUMMARY, "", MC_METRIC_PLAIN, "0.9999"},
    {F(HISTOGRAM, COUNT), "histogram", MC_METRIC_SUMMARY_COUNT, "", MC_METRIC_PLAIN, NULL},
    {F(HISTOGRAM, SUM), "histogram", MC_METRIC_SUMMARY_SUM, "", MC_METRIC_PLAIN, NULL},
    {F(HISTOGRAM, MAX), "histogram_max", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, STALLED), "process_stalled_seconds", MC_METRIC_GAUGE, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(PROCESS, RSS), "process_rss_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, PSS), "process_pss_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, ANON), "process_anon_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, FILE), "process_file_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, SHMEM), "process_shmem_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, MINOR_FAULTS), "process_minor_faults", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN,
     NULL},
    {F(PROCESS, MAJOR_FAULTS), "process_major_faults", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN,
     NULL},
    {F(PROCESS, CPU_USER), "process_cpu_user_seconds", MC_METRIC_COUNTER, "seconds",
     MC_METRIC_FROM_NS, NULL},
    {F(PROCESS, CPU_SYSTEM), "process_cpu_system_seconds", MC_METRIC_COUNTER, "seconds",
     MC_METRIC_FROM_NS, NULL},
    {F(PROCESS, FDS), "process_fd_count", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, THREADS), "process_thread_count", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(PROCESS, CGROUP_USED), "process_cgroup_used_bytes", MC_METRIC_GAUGE, "bytes",
     MC_METRIC_PLAIN, NULL},
    {F(PROCESS, CGROUP_LIMIT), "process_cgroup_limit_bytes", MC_METRIC_GAUGE, "bytes",
     MC_METRIC_PLAIN, NULL},
    {F(PROCESS, PRESSURE_SOME), "process_pressure_some_seconds", MC_METRIC_COUNTER, "seconds",
     MC_METRIC_FROM_US, NULL},
    {F(PROCESS, PRESSURE_FULL), "process_pressure_full_seconds", MC_METRIC_COUNTER, "seconds",
     MC_METRIC_FROM_US, NULL},
    {F(CONNECTIONS, OPEN), "connections_open", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, ACTIVE), "connections_active", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, IDLE), "connections_idle", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, CLOSING), "connections_closing", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, CONNECTING), "connections_connecting", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN,
     NULL},
    {F(CONNECTIONS, OTHER), "connections_other", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, ACCEPTED), "connections_accepted", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN,
     NULL},
    {F(CONNECTIONS, CLOSED), "connections_closed", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, ERRORS), "connections_errors", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(CONNECTIONS, OVERFLOWS), "connections_overflows", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN,
     NULL},
    {F(ROUTE, REQUESTS), "route_requests", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(ROUTE, CLIENT_ERRORS), "route_client_errors", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(ROUTE, SERVER_ERRORS), "route_server_errors", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(ROUTE, BYTES_IN), "route_in_bytes", MC_METRIC_COUNTER, "bytes", MC_METRIC_PLAIN, NULL},
    {F(ROUTE, BYTES_OUT), "route_out_bytes", MC_METRIC_COUNTER, "bytes", MC_METRIC_PLAIN, NULL},
    {F(ROUTE, P50), "route_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.5"},
    {F(ROUTE, P95), "route_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.95"},
    {F(ROUTE, P99), "route_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.99"},
    {F(ROUTE, MAX), "route_duration_max_seconds", MC_METRIC_GAUGE, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(OWNER, OPEN), "server_open", MC_METRIC_GAUGE, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, ACCEPTED), "server_accepted", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, CLOSED), "server_closed", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, REQUESTS), "server_requests", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, CLIENT_ERRORS), "server_client_errors", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, SERVER_ERRORS), "server_server_errors", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(OWNER, BYTES_IN), "server_in_bytes", MC_METRIC_COUNTER, "bytes", MC_METRIC_PLAIN, NULL},
    {F(OWNER, BYTES_OUT), "server_out_bytes", MC_METRIC_COUNTER, "bytes", MC_METRIC_PLAIN, NULL},
    {F(OWNER, P50), "server_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.5"},
    {F(OWNER, P95), "server_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.95"},
    {F(OWNER, P99), "server_duration_seconds", MC_METRIC_SUMMARY, "seconds", MC_METRIC_FROM_NS,
     "0.99"},
    {F(OWNER, MAX), "server_duration_max_seconds", MC_METRIC_GAUGE, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(RECORDER, CPU), "recorder_cpu_seconds", MC_METRIC_COUNTER, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(RECORDER, RSS), "recorder_rss_bytes", MC_METRIC_GAUGE, "bytes", MC_METRIC_PLAIN, NULL},
    {F(RECORDER, TICK), "recorder_tick_seconds", MC_METRIC_GAUGE, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(RECORDER, LATE), "recorder_late_seconds", MC_METRIC_GAUGE, "seconds", MC_METRIC_FROM_NS,
     NULL},
    {F(RECORDER, EVENTS), "recorder_events", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
    {F(RECORDER, LOST), "recorder_events_lost", MC_METRIC_COUNTER, "", MC_METRIC_PLAIN, NULL},
#undef F
};
const size_t mc_metric_count = sizeof mc_metrics / sizeof mc_metrics[0];

size_t mc_metric_family_end(size_t first)
{
    size_t end = first + 1;
    while (end < mc_metric_count && strcmp(mc_metrics[end].name, mc_metrics[first].name) == 0)
        end++;
    return end;
}

/* The label that tells the sources of a kind apart; NULL where there is but one. */
static const char *label_of(int kind)
{
    switch (kind) {
    case MC_KIND_SLAB:
        return "pool";
    case MC_KIND_ARENA:
        return "arena";
    case MC_KIND_HEAP:
        return "heap";
    case MC_KIND_COUNTER:
    case MC_KIND_GAUGE:
    case MC_KIND_HISTOGRAM:
        return "name";
    case MC_KIND_ROUTE:
        return "route";
    case MC_KIND_OWNER:
        return "server";
    default:
        return NULL;
    }
}

void mc_metric_add_label(struct mc_buf *out, const char *text)
{
    mc_buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '\n') {
            mc_buf_add_str(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\')
            mc_buf_add_char(out, '\\');
        mc_buf_add_char(out, *text);
    }
    mc_buf_add_char(out, '"');
}

void mc_metric_add_head(struct mc_buf *out, const char *name, const char *type, const char *unit)
{
    mc_buf_printf(out, "# TYPE memcam_%s %s\n", name, type);
    if (*unit)
        mc_buf_printf(out, "# UNIT memcam_%s %s\n", name, unit);
}

void mc_metric_add_family(struct mc_buf *out, const struct mc_metric *metric)
{
    static const char *const types[] = {"gauge", "counter", "summary", "summary", "summary"};
    mc_metric_add_head(out, metric->name, types[metric->type], metric->unit);
}

void mc_metric_add_value(struct mc_buf *out, int64_t value, enum mc_metric_scale scale)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t parts = scale == MC_METRIC_FROM_NS ? 1000000000 : 1000000;
    mc_buf_add_char(out, ' ');
    if (value < 0)
        mc_buf_add_char(out, '-');
    mc_buf_add_u64(out, scale == MC_METRIC_PLAIN ? size : size / parts);
    if (scale != MC_METRIC_PLAIN)
        mc_buf_printf(out, ".%0*llu", scale == MC_METRIC_FROM_NS ? 9 : 6,
                      (unsigned long long)(size % parts));
}

/* What tells a source apart from others of its kind. */
static int by_label(const void *a, const void *b)
{
    const struct mc_source *x = *(const struct mc_source *const *)a;
    const struct mc_source *y = *(const struct mc_source *const *)b;
    int order = x->kind - y->kind;
    if (order == 0 && label_of(x->kind))
        order = strcmp(x->name, y->name);
    if (order == 0)
        order = x->source_idx < y->source_idx ? -1 : 1;
    return order;
}

int mc_metric_twins(const struct mc_schema *schema, uint8_t **out)
{
    size_t count = schema->source_count;
    const struct mc_source **sorted = malloc((count + 1) * sizeof *sorted);
    uint8_t *twins = calloc(count + 1, 1);
    if (!sorted || !twins) {
        free(sorted);
        free(twins);
        return MC_ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = &schema->sources[i];
    qsort(sorted, count, sizeof *sorted, by_label);
    for (size_t i = 1; i < count; i++) {
        const struct mc_source *a = sorted[i - 1], *b = sorted[i];
        twins[b->source_idx] =
            a->kind == b->kind && (!label_of(a->kind) || strcmp(a->name, b->name) == 0);
    }
    free(sorted);
    *out = twins;
    return 0;
}

/* {pool="tcp_buffers",source_id="7",quantile="0.5"}: those that there are. */
static void add_labels(struct mc_buf *out, const struct mc_source *source, int is_twin,
                       const char *quantile)
{
    const char *label = label_of(source->kind);
    char before = '{';
    if (label) {
        mc_buf_printf(out, "%c%s=", before, label);
        mc_metric_add_label(out, source->name);
        before = ',';
    }
    if (is_twin) {
        mc_buf_printf(out, "%csource_id=\"%u\"", before, source->source_idx);
        before = ',';
    }
    if (quantile) {
        mc_buf_printf(out, "%cquantile=\"%s\"", before, quantile);
        before = ',';
    }
    if (before == ',')
        mc_buf_add_char(out, '}');
}

void mc_metric_add_name(struct mc_buf *out, const struct mc_metric *metric,
                        const struct mc_source *source, int is_twin)
{
    static const char *const suffixes[] = {"", "_total", "", "_count", "_sum"};
    mc_buf_printf(out, "memcam_%s%s", metric->name, suffixes[metric->type]);
    add_labels(out, source, is_twin, metric->quantile);
}

const char *mc_metric_capacity_name(int kind)
{
    switch (kind) {
    case MC_KIND_SLAB:
        return "slab_capacity";
    case MC_KIND_ARENA:
        return "arena_capacity_bytes";
    case MC_KIND_HEAP:
        return "heap_capacity_bytes";
    default:
        return NULL;
    }
}

void mc_metric_add_capacity_head(struct mc_buf *out, int kind)
{
    mc_metric_add_head(out, mc_metric_capacity_name(kind), "gauge",
                       kind == MC_KIND_SLAB ? "" : "bytes");
}

void mc_metric_add_capacity(struct mc_buf *out, const struct mc_source *source, int is_twin)
{
    mc_buf_printf(out, "memcam_%s", mc_metric_capacity_name(source->kind));
    add_labels(out, source, is_twin, NULL);
    mc_buf_add_char(out, ' ');
    mc_buf_add_u64(out, source->kind == MC_KIND_SLAB ? source->slot_count : source->capacity_bytes);
}

void mc_metric_add_state_head(struct mc_buf *out)
{
    mc_metric_add_head(out, "process_state", "stateset", "");
}

void mc_metric_add_state(struct mc_buf *out, char letter, int64_t state)
{
    mc_buf_printf(out, "memcam_process_state{memcam_process_state=\"%c\"} %d", letter,
                  letter == state);
}

void mc_metric_add_run_head(struct mc_buf *out)
{
    mc_metric_add_head(out, "run", "info", "");
}

void mc_metric_add_run(struct mc_buf *out, const struct mc_run_info *info)
{
    const char *names[] = {"label", "host", "program", "build"};
    const char *texts[] = {info->label, info->host, info->program, info->build};
    mc_buf_printf(out, "memcam_run_info{run_id=\"%lld\",pid=\"%lld\"", (long long)info->run_id,
                  (long long)info->pid);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mc_buf_printf(out, ",%s=", names[i]);
        mc_metric_add_label(out, texts[i] ? texts[i] : "");
    }
    mc_buf_add_str(out, "} 1");
}
