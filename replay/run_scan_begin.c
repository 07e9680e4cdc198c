/* run_scan_begin.c: a scan before its first frame: the span, the schema, room for what comes. */
#include "replay/run_scan_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

static int copy_schema(struct mc_reader *r, int64_t run_id, struct mc_schema *out)
{
    const struct mc_schema *schema;
    int rc = mc_reader_schema(r, run_id, INT64_MAX, &schema);
    if (rc == 0)
        rc = mc_schema_init(out);
    for (uint32_t i = 0; rc == 0 && i < schema->source_count; i++)
        rc = mc_schema_add_source(out, &schema->sources[i]);
    return rc;
}

/* Levels between what the summaries say are a value's least and largest. */
static int init_levels(struct mc_run_scan *s, struct mc_reader *r, int64_t run_id)
{
    uint32_t n = s->schema.value_count;
    int64_t *min = malloc(2 * (n + 1) * sizeof *min), *max = min + n;
    uint32_t *idx = malloc((n + 1) * sizeof *idx);
    int rc = min && idx ? 0 : MC_ENOMEM;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        idx[i] = i;
    if (rc == 0 && n)
        rc = mc_reader_envelope(r, run_id, s->from, s->to, idx, n, 1, min, max);
    for (uint32_t i = 0; i < s->schema.source_count && rc == 0; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        double capacity = source->kind == MC_KIND_SLAB ? (double)source->slot_count
                          : source->kind == MC_KIND_ARENA || source->kind == MC_KIND_HEAP
                              ? (double)source->capacity_bytes
                              : 0;
        for (uint32_t f = 0; f < source->value_count && rc == 0; f++) {
            struct mc_scan_value *v = &s->values[source->value_idx + f];
            v->above_80_from = v->above_95_from = INT64_MAX;
            v->starts_at_zero = source->kind != MC_KIND_PROCESS && source->kind != MC_KIND_RECORDER;
            if (capacity > 0 && capacity < 9e18 && f == 0) { /* `used` comes first in all three */
                v->above_80_from = (int64_t)(capacity * 0.80) + 1;
                v->above_95_from = (int64_t)(capacity * 0.95) + 1;
            }
            if (mc_field_counts_up(source->kind, f))
                continue;
            v->least = min[source->value_idx + f];
            v->largest = max[source->value_idx + f];
            v->levels = calloc(MC_SCAN_SEGMENTS * MC_SCAN_LEVELS, sizeof *v->levels);
            rc = v->levels ? 0 : MC_ENOMEM;
        }
    }
    free(idx);
    free(min);
    return rc;
}

static int init_arrays(struct mc_run_scan *s)
{
    uint32_t n = s->schema.value_count, heaps = 0;
    s->bins = calloc((size_t)n * s->bin_count + 1, sizeof *s->bins);
    s->values = calloc((size_t)n + 1, sizeof *s->values);
    s->buckets = calloc((size_t)s->schema.source_count + 1, sizeof(uint32_t *));
    s->collections = calloc(MC_SCAN_COLLECTIONS, sizeof *s->collections);
    s->lives = calloc(MC_SCAN_LIVES, sizeof *s->lives);
    s->life_buckets = calloc(MC_SCAN_SEGMENTS * MC_BUCKET_COUNT, sizeof *s->life_buckets);
    s->reasons = calloc(MC_SCAN_REASONS, sizeof *s->reasons);
    s->late_buckets = calloc(MC_BUCKET_COUNT, sizeof *s->late_buckets);
    for (uint32_t i = 0; i < s->schema.source_count; i++)
        heaps += s->schema.sources[i].kind == MC_KIND_HEAP;
    s->heaps = calloc(heaps + 1, sizeof *s->heaps);
    if (!s->bins || !s->values || !s->buckets || !s->collections || !s->lives || !s->life_buckets ||
        !s->reasons || !s->late_buckets || !s->heaps)
        return MC_ENOMEM;
    for (uint32_t i = 0; i < s->schema.source_count; i++)
        if (s->schema.sources[i].kind == MC_KIND_HEAP)
            s->heaps[s->heap_count++].source_idx = i;
    return 0;
}

static int add_gaps(struct mc_run_scan *s, struct mc_reader *r, int64_t run_id)
{
    struct mc_gap *gaps;
    size_t count;
    int rc = mc_reader_gaps(r, run_id, s->from, s->to, &gaps, &count);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        s->gap_count++;
        if (strcmp(gaps[i].reason, "events lost") == 0)
            s->lost_count += gaps[i].lost;
        else if (gaps[i].dur_ns > 0)
            s->gap_ns += gaps[i].dur_ns;
        /* Each tick that was missed would have come at the gap's end. */
        int is_late = strcmp(gaps[i].reason, "recorder late") == 0 && s->interval_ns > 0;
        for (int64_t late = gaps[i].dur_ns; is_late && late > 0; late -= s->interval_ns)
            s->late_buckets[mc_bucket_of((uint64_t)late)]++;
    }
    free(gaps);
    return 0;
}

/* The part of the run that is asked for and that there is. */
static int find_span(struct mc_run_scan *s, struct mc_reader *r,
                     const struct mc_measure_options *opts)
{
    int64_t first, last;
    int rc = mc_reader_span(r, opts->run_id, &first, &last);
    if (rc)
        return rc;
    s->from = opts->from > first ? opts->from : first;
    s->to = opts->to <= last ? opts->to : last + 1;
    if (s->from >= s->to)
        return MC_END;
    double frames = s->interval_ns > 0 ? (double)(s->to - s->from) / (double)s->interval_ns : 1;
    s->bin_count = frames >= MC_SCAN_BINS ? MC_SCAN_BINS : frames < 1 ? 1 : (uint32_t)frames;
    s->is_exact = opts->exact || s->to - s->from <= MC_MEASURE_EXACT_NS;
    return 0;
}

static int find_interval(struct mc_reader *r, int64_t run_id, int64_t *interval_ns)
{
    struct mc_run_info info;
    int rc = mc_reader_run(r, run_id, &info);
    if (rc)
        return rc;
    *interval_ns = info.interval_ns;
    mc_run_info_fini(&info);
    return 0;
}

int mc_scan_begin(struct mc_run_scan *s, struct mc_reader *r, const struct mc_measure_options *opts)
{
    int rc = find_interval(r, opts->run_id, &s->interval_ns);
    if (rc == 0)
        rc = find_span(s, r, opts);
    if (rc == 0)
        rc = copy_schema(r, opts->run_id, &s->schema);
    if (rc == 0)
        rc = init_arrays(s);
    if (rc == 0)
        rc = init_levels(s, r, opts->run_id);
    if (rc == 0)
        rc = add_gaps(s, r, opts->run_id);
    return rc;
}
