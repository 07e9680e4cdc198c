/* openmetrics.c: a frame as the text of /metrics.
 *
 * Format: OpenMetrics 1.0, in the families of replay/metrics.h. A value that is not known has no
 *         sample, a family without samples is left out.
 */
#include "server/openmetrics.h"

#include <stdlib.h>

#include "replay/metrics.h"

/* The samples of mc_metrics[first … end), which are one family. */
static void add_family(struct mc_buf *out, const struct mc_frame *frame, const uint8_t *twins,
                       size_t first, size_t end)
{
    int headed = 0;
    for (uint32_t i = 0; i < frame->schema->source_count; i++) {
        const struct mc_source *source = &frame->schema->sources[i];
        if (source->kind != mc_metrics[first].kind)
            continue;
        for (size_t j = first; j < end; j++) {
            int64_t value = frame->values[source->value_idx + mc_metrics[j].field_idx];
            if (value == MC_VALUE_NONE)
                continue;
            if (!headed++)
                mc_metric_add_family(out, &mc_metrics[j]);
            mc_metric_add_name(out, &mc_metrics[j], source, twins[i]);
            mc_metric_add_value(out, value, mc_metrics[j].scale);
            mc_buf_add_char(out, '\n');
        }
    }
}

static void add_capacity(struct mc_buf *out, const struct mc_frame *frame, const uint8_t *twins,
                         int kind)
{
    int headed = 0;
    for (uint32_t i = 0; i < frame->schema->source_count; i++) {
        const struct mc_source *source = &frame->schema->sources[i];
        if (source->kind != kind)
            continue;
        if (!headed++)
            mc_metric_add_capacity_head(out, kind);
        mc_metric_add_capacity(out, source, twins[i]);
        mc_buf_add_char(out, '\n');
    }
}

static void add_process_state(struct mc_buf *out, const struct mc_frame *frame)
{
    const struct mc_source *process = mc_schema_find(frame->schema, MC_KIND_PROCESS, NULL);
    int64_t state =
        process ? frame->values[process->value_idx + MC_FIELD(PROCESS, STATE)] : MC_VALUE_NONE;
    if (state == MC_VALUE_NONE)
        return;
    mc_metric_add_state_head(out);
    for (const char *letter = MC_METRIC_STATES; *letter; letter++) {
        mc_metric_add_state(out, *letter, state);
        mc_buf_add_char(out, '\n');
    }
}

static void add_frame(struct mc_buf *out, const struct mc_frame *frame)
{
    uint8_t *twins;
    if (mc_metric_twins(frame->schema, &twins) != 0) {
        out->failed = 1;
        return;
    }
    mc_metric_add_head(out, "ts_seconds", "gauge", "seconds");
    mc_buf_add_str(out, "memcam_ts_seconds");
    mc_metric_add_value(out, frame->ts, MC_METRIC_FROM_NS);
    mc_buf_add_char(out, '\n');
    add_capacity(out, frame, twins, MC_KIND_SLAB);
    add_capacity(out, frame, twins, MC_KIND_ARENA);
    add_capacity(out, frame, twins, MC_KIND_HEAP);
    add_process_state(out, frame);
    for (size_t first = 0, end; first < mc_metric_count; first = end) {
        end = mc_metric_family_end(first);
        add_family(out, frame, twins, first, end);
    }
    free(twins);
}

void mc_openmetrics(const struct mc_run_info *info, const struct mc_frame *frame,
                    struct mc_buf *out)
{
    mc_buf_printf(out, "# TYPE memcam_recording gauge\nmemcam_recording %d\n", info != NULL);
    if (info) {
        mc_metric_add_run_head(out);
        mc_metric_add_run(out, info);
        mc_buf_add_char(out, '\n');
    }
    if (frame)
        add_frame(out, frame);
    mc_buf_add_str(out, "# EOF\n");
}
