/* metrics.h: values as OpenMetrics: which families there are, and how their samples are written.
 *
 * Shared by the live exposition (/metrics) and by exports, so that both use the same names.
 * Format: OpenMetrics 1.0. A family is a field of a kind; its sources are told apart by one label.
 *         Cumulative fields are counters; ns and us become seconds; percentiles are quantiles of a
 *         summary over the last second.
 */
#ifndef MC_METRICS_H
#define MC_METRICS_H

#include "tracer/buf.h"
#include "tracer/frame.h"

enum mc_metric_type {
    MC_METRIC_GAUGE,
    MC_METRIC_COUNTER,
    MC_METRIC_SUMMARY,
    MC_METRIC_SUMMARY_COUNT,
    MC_METRIC_SUMMARY_SUM
};

/* How a field's numbers are written: as they are, or in seconds. */
enum mc_metric_scale { MC_METRIC_PLAIN, MC_METRIC_FROM_NS, MC_METRIC_FROM_US };

struct mc_metric {
    int kind;
    unsigned field_idx;
    const char *name; /* without "memcam_" and suffixes */
    enum mc_metric_type type;
    const char *unit; /* "" or the name's last part */
    enum mc_metric_scale scale;
    const char *quantile; /* of a summary; else NULL */
};
/* Entries of one family follow one another. */
extern const struct mc_metric mc_metrics[];
extern const size_t mc_metric_count;

/* One past the last entry of the family that begins at `first`. */
size_t mc_metric_family_end(size_t first);
/* "# TYPE" and "# UNIT" of a family; name as above, type "gauge" or another of the format's. */
void mc_metric_add_head(struct mc_buf *out, const char *name, const char *type, const char *unit);
/* The same for the family of an entry. */
void mc_metric_add_family(struct mc_buf *out, const struct mc_metric *metric);
/* Which sources are twins: would have the name and labels of one before them. *out, by source_idx,
 * is malloc'd. 0 or MC_ENOMEM. */
int mc_metric_twins(const struct mc_schema *schema, uint8_t **out);
/* A sample's name with its labels; a twin gets its source_id as one more. */
void mc_metric_add_name(struct mc_buf *out, const struct mc_metric *metric,
                        const struct mc_source *source, int is_twin);
/* A blank and the number. */
void mc_metric_add_value(struct mc_buf *out, int64_t value, enum mc_metric_scale scale);
/* A label's value with its quotes, escaped. */
void mc_metric_add_label(struct mc_buf *out, const char *text);

/* How large the sources of a kind are (slots of slabs, bytes of arenas and heaps): a family that is
 * of the schema, not of the values. NULL for a kind that has none. */
const char *mc_metric_capacity_name(int kind);
void mc_metric_add_capacity_head(struct mc_buf *out, int kind);
/* A sample without its line end. */
void mc_metric_add_capacity(struct mc_buf *out, const struct mc_source *source, int is_twin);

/* The process's state, a letter, as a state set: one sample each, the one that it is in has 1. */
#define MC_METRIC_STATES "RSDTtZXIW"
void mc_metric_add_state_head(struct mc_buf *out);
/* The sample of one letter of MC_METRIC_STATES, without its line end. */
void mc_metric_add_state(struct mc_buf *out, char letter, int64_t state);

/* The info family of a run: its head, and its sample without its line end. */
void mc_metric_add_run_head(struct mc_buf *out);
void mc_metric_add_run(struct mc_buf *out, const struct mc_run_info *info);

#endif
