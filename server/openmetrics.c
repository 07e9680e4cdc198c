/* openmetrics.c: the families that a frame's values become, and their text.
 *
 * Format: OpenMetrics 1.0. A family is a field of a kind; its sources are told apart by one label.
 *         Cumulative fields are counters; ns and us become seconds; percentiles are quantiles of a
 *         summary over the last second. A value that is not known has no sample, a family without
 *         samples is left out.
 */
#include "server/openmetrics.h"

#include <string.h>

enum family_type { GAUGE, COUNTER, SUMMARY, SUMMARY_COUNT, SUMMARY_SUM };

/* How a field's numbers are written: as they are, or in seconds. */
enum scale { PLAIN, FROM_NS, FROM_US };

/* Entries of one family follow one another. */
static const struct family {
    int kind;
    unsigned field_idx;
    const char *name; /* without "memcam_" and suffixes */
    enum family_type type;
    const char *unit; /* "" or the name's last part */
    enum scale scale;
    const char *quantile; /* of a summary */
} families[] = {
#define F(kind, field) MC_KIND_##kind, MC_FIELD(kind, field)
    {F(SLAB, USED), "slab_used", GAUGE, "", PLAIN, NULL},
    {F(SLAB, HIGH_WATER), "slab_high_water", GAUGE, "", PLAIN, NULL},
    {F(SLAB, ALLOCS), "slab_allocs", COUNTER, "", PLAIN, NULL},
    {F(SLAB, FREES), "slab_frees", COUNTER, "", PLAIN, NULL},
    {F(SLAB, OVERFLOW), "slab_overflow", COUNTER, "", PLAIN, NULL},
    {F(ARENA, USED), "arena_used_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(ARENA, HIGH_WATER), "arena_high_water_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(ARENA, OVERFLOW), "arena_overflow", COUNTER, "", PLAIN, NULL},
    {F(ARENA, RESETS), "arena_resets", COUNTER, "", PLAIN, NULL},
    {F(HEAP, USED), "heap_used_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(HEAP, PEAK), "heap_peak_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(HEAP, THRESHOLD), "heap_threshold_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(HEAP, GC_COUNT), "heap_gc_count", COUNTER, "", PLAIN, NULL},
    {F(COUNTER, VALUE), "counter", COUNTER, "", PLAIN, NULL},
    {F(GAUGE, VALUE), "gauge", GAUGE, "", PLAIN, NULL},
    {F(HISTOGRAM, P50), "histogram", SUMMARY, "", PLAIN, "0.5"},
    {F(HISTOGRAM, P95), "histogram", SUMMARY, "", PLAIN, "0.95"},
    {F(HISTOGRAM, P99), "histogram", SUMMARY, "", PLAIN, "0.99"},
    {F(HISTOGRAM, P9999), "histogram", SUMMARY, "", PLAIN, "0.9999"},
    {F(HISTOGRAM, COUNT), "histogram", SUMMARY_COUNT, "", PLAIN, NULL},
    {F(HISTOGRAM, SUM), "histogram", SUMMARY_SUM, "", PLAIN, NULL},
    {F(HISTOGRAM, MAX), "histogram_max", GAUGE, "", PLAIN, NULL},
    {F(PROCESS, STALLED), "process_stalled_seconds", GAUGE, "seconds", FROM_NS, NULL},
    {F(PROCESS, RSS), "process_rss_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, PSS), "process_pss_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, ANON), "process_anon_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, FILE), "process_file_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, SHMEM), "process_shmem_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, MINOR_FAULTS), "process_minor_faults", COUNTER, "", PLAIN, NULL},
    {F(PROCESS, MAJOR_FAULTS), "process_major_faults", COUNTER, "", PLAIN, NULL},
    {F(PROCESS, CPU_USER), "process_cpu_user_seconds", COUNTER, "seconds", FROM_NS, NULL},
    {F(PROCESS, CPU_SYSTEM), "process_cpu_system_seconds", COUNTER, "seconds", FROM_NS, NULL},
    {F(PROCESS, FDS), "process_fd_count", GAUGE, "", PLAIN, NULL},
    {F(PROCESS, THREADS), "process_thread_count", GAUGE, "", PLAIN, NULL},
    {F(PROCESS, CGROUP_USED), "process_cgroup_used_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, CGROUP_LIMIT), "process_cgroup_limit_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(PROCESS, PRESSURE_SOME), "process_pressure_some_seconds", COUNTER, "seconds", FROM_US, NULL},
    {F(PROCESS, PRESSURE_FULL), "process_pressure_full_seconds", COUNTER, "seconds", FROM_US, NULL},
    {F(CONNECTIONS, OPEN), "connections_open", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, ACTIVE), "connections_active", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, IDLE), "connections_idle", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, CLOSING), "connections_closing", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, CONNECTING), "connections_connecting", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, OTHER), "connections_other", GAUGE, "", PLAIN, NULL},
    {F(CONNECTIONS, ACCEPTED), "connections_accepted", COUNTER, "", PLAIN, NULL},
    {F(CONNECTIONS, CLOSED), "connections_closed", COUNTER, "", PLAIN, NULL},
    {F(CONNECTIONS, ERRORS), "connections_errors", COUNTER, "", PLAIN, NULL},
    {F(CONNECTIONS, OVERFLOWS), "connections_overflows", COUNTER, "", PLAIN, NULL},
    {F(ROUTE, REQUESTS), "route_requests", COUNTER, "", PLAIN, NULL},
    {F(ROUTE, CLIENT_ERRORS), "route_client_errors", COUNTER, "", PLAIN, NULL},
    {F(ROUTE, SERVER_ERRORS), "route_server_errors", COUNTER, "", PLAIN, NULL},
    {F(ROUTE, BYTES_IN), "route_in_bytes", COUNTER, "bytes", PLAIN, NULL},
    {F(ROUTE, BYTES_OUT), "route_out_bytes", COUNTER, "bytes", PLAIN, NULL},
    {F(ROUTE, P50), "route_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.5"},
    {F(ROUTE, P95), "route_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.95"},
    {F(ROUTE, P99), "route_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.99"},
    {F(ROUTE, MAX), "route_duration_max_seconds", GAUGE, "seconds", FROM_NS, NULL},
    {F(OWNER, OPEN), "server_open", GAUGE, "", PLAIN, NULL},
    {F(OWNER, ACCEPTED), "server_accepted", COUNTER, "", PLAIN, NULL},
    {F(OWNER, CLOSED), "server_closed", COUNTER, "", PLAIN, NULL},
    {F(OWNER, REQUESTS), "server_requests", COUNTER, "", PLAIN, NULL},
    {F(OWNER, CLIENT_ERRORS), "server_client_errors", COUNTER, "", PLAIN, NULL},
    {F(OWNER, SERVER_ERRORS), "server_server_errors", COUNTER, "", PLAIN, NULL},
    {F(OWNER, BYTES_IN), "server_in_bytes", COUNTER, "bytes", PLAIN, NULL},
    {F(OWNER, BYTES_OUT), "server_out_bytes", COUNTER, "bytes", PLAIN, NULL},
    {F(OWNER, P50), "server_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.5"},
    {F(OWNER, P95), "server_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.95"},
    {F(OWNER, P99), "server_duration_seconds", SUMMARY, "seconds", FROM_NS, "0.99"},
    {F(OWNER, MAX), "server_duration_max_seconds", GAUGE, "seconds", FROM_NS, NULL},
    {F(RECORDER, CPU), "recorder_cpu_seconds", COUNTER, "seconds", FROM_NS, NULL},
    {F(RECORDER, RSS), "recorder_rss_bytes", GAUGE, "bytes", PLAIN, NULL},
    {F(RECORDER, TICK), "recorder_tick_seconds", GAUGE, "seconds", FROM_NS, NULL},
    {F(RECORDER, LATE), "recorder_late_seconds", GAUGE, "seconds", FROM_NS, NULL},
    {F(RECORDER, EVENTS), "recorder_events", COUNTER, "", PLAIN, NULL},
    {F(RECORDER, LOST), "recorder_events_lost", COUNTER, "", PLAIN, NULL},
#undef F
};

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

void mc_openmetrics_label(struct mc_buf *out, const char *text)
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

static void add_head(struct mc_buf *out, const char *name, const char *type, const char *unit)
{
    mc_buf_printf(out, "# TYPE memcam_%s %s\n", name, type);
    if (*unit)
        mc_buf_printf(out, "# UNIT memcam_%s %s\n", name, unit);
}

static void add_value(struct mc_buf *out, int64_t value, enum scale scale)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t parts = scale == FROM_NS ? 1000000000 : 1000000;
    mc_buf_add_char(out, ' ');
    if (value < 0)
        mc_buf_add_char(out, '-');
    mc_buf_add_u64(out, scale == PLAIN ? size : size / parts);
    if (scale != PLAIN)
        mc_buf_printf(out, ".%0*llu", scale == FROM_NS ? 9 : 6, (unsigned long long)(size % parts));
    mc_buf_add_char(out, '\n');
}

static void add_sample(struct mc_buf *out, const struct family *f, const struct mc_source *source,
                       int64_t value)
{
    static const char *const suffixes[] = {"", "_total", "", "_count", "_sum"};
    const char *label = label_of(f->kind);
    mc_buf_printf(out, "memcam_%s%s", f->name, suffixes[f->type]);
    if (label || f->quantile) {
        mc_buf_add_char(out, '{');
        if (label) {
            mc_buf_printf(out, "%s=", label);
            mc_openmetrics_label(out, source->name);
        }
        if (f->quantile)
            mc_buf_printf(out, "%squantile=\"%s\"", label ? "," : "", f->quantile);
        mc_buf_add_char(out, '}');
    }
    add_value(out, value, f->scale);
}

/* The samples of families[first … end), which are one family. */
static void add_family(struct mc_buf *out, const struct mc_frame *frame, size_t first, size_t end)
{
    static const char *const types[] = {"gauge", "counter", "summary", "summary", "summary"};
    int headed = 0;
    for (uint32_t i = 0; i < frame->schema->source_count; i++) {
        const struct mc_source *source = &frame->schema->sources[i];
        if (source->kind != families[first].kind)
            continue;
        for (size_t j = first; j < end; j++) {
            int64_t value = frame->values[source->value_idx + families[j].field_idx];
            if (value == MC_VALUE_NONE)
                continue;
            if (!headed++)
                add_head(out, families[j].name, types[families[j].type], families[j].unit);
            add_sample(out, &families[j], source, value);
        }
    }
}

/* What is not a value but of the schema: how large things are. */
static void add_capacity(struct mc_buf *out, const struct mc_frame *frame, int kind,
                         const char *name, const char *unit)
{
    int headed = 0;
    for (uint32_t i = 0; i < frame->schema->source_count; i++) {
        const struct mc_source *source = &frame->schema->sources[i];
        if (source->kind != kind)
            continue;
        if (!headed++)
            add_head(out, name, "gauge", unit);
        mc_buf_printf(out, "memcam_%s{%s=", name, label_of(kind));
        mc_openmetrics_label(out, source->name);
        mc_buf_add_str(out, "} ");
        mc_buf_add_u64(out, kind == MC_KIND_SLAB ? source->slot_count : source->capacity_bytes);
        mc_buf_add_char(out, '\n');
    }
}

/* The process's state, a letter, as a state set: the one that it is in has 1. */
static void add_process_state(struct mc_buf *out, const struct mc_frame *frame)
{
    static const char letters[] = "RSDTtZXIW";
    const struct mc_source *process = mc_schema_find(frame->schema, MC_KIND_PROCESS, NULL);
    int64_t state =
        process ? frame->values[process->value_idx + MC_FIELD(PROCESS, STATE)] : MC_VALUE_NONE;
    if (state == MC_VALUE_NONE)
        return;
    mc_buf_add_str(out, "# TYPE memcam_process_state stateset\n");
    for (const char *letter = letters; *letter; letter++)
        mc_buf_printf(out, "memcam_process_state{memcam_process_state=\"%c\"} %d\n", *letter,
                      *letter == state);
}

static void add_run(struct mc_buf *out, const struct mc_run_info *info)
{
    const char *names[] = {"label", "host", "program", "build"};
    const char *texts[] = {info->label, info->host, info->program, info->build};
    mc_buf_add_str(out, "# TYPE memcam_run info\nmemcam_run_info{");
    mc_buf_printf(out, "run_id=\"%lld\",pid=\"%lld\"", (long long)info->run_id,
                  (long long)info->pid);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mc_buf_printf(out, ",%s=", names[i]);
        mc_openmetrics_label(out, texts[i] ? texts[i] : "");
    }
    mc_buf_add_str(out, "} 1\n");
}

void mc_openmetrics(const struct mc_run_info *info, const struct mc_frame *frame,
                    struct mc_buf *out)
{
    size_t count = sizeof families / sizeof families[0];
    mc_buf_printf(out, "# TYPE memcam_recording gauge\nmemcam_recording %d\n", info != NULL);
    if (info)
        add_run(out, info);
    if (frame) {
        add_head(out, "ts_seconds", "gauge", "seconds");
        mc_buf_add_str(out, "memcam_ts_seconds");
        add_value(out, frame->ts, FROM_NS);
        add_capacity(out, frame, MC_KIND_SLAB, "slab_capacity", "");
        add_capacity(out, frame, MC_KIND_ARENA, "arena_capacity_bytes", "bytes");
        add_capacity(out, frame, MC_KIND_HEAP, "heap_capacity_bytes", "bytes");
        add_process_state(out, frame);
    }
    for (size_t first = 0, end; frame && first < count; first = end) {
        for (end = first + 1; end < count && strcmp(families[end].name, families[first].name) == 0;)
            end++;
        add_family(out, frame, first, end);
    }
    mc_buf_add_str(out, "# EOF\n");
}
