/* run_scan.c: read a run once, frame by frame or by the summaries of its chunks.
 *
 * A first look at the summaries gives each value's least and largest, so that its histogram has
 * levels where the values are: exact for a range of up to 512, else to a five hundredth of it.
 */
#include "replay/run_scan_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

#define SAMPLED_SPANS 24
#define SAMPLED_SPAN_NS INT64_C(10000000000)

/* The fields that count up for ever. */
static const struct {
    int kind;
    uint32_t field;
} counting_up[] = {
    {MC_KIND_SLAB, MC_FIELD(SLAB, ALLOCS)},
    {MC_KIND_SLAB, MC_FIELD(SLAB, FREES)},
    {MC_KIND_SLAB, MC_FIELD(SLAB, OVERFLOW)},
    {MC_KIND_ARENA, MC_FIELD(ARENA, OVERFLOW)},
    {MC_KIND_ARENA, MC_FIELD(ARENA, RESETS)},
    {MC_KIND_HEAP, MC_FIELD(HEAP, GC_COUNT)},
    {MC_KIND_COUNTER, MC_FIELD(COUNTER, VALUE)},
    {MC_KIND_HISTOGRAM, MC_FIELD(HISTOGRAM, COUNT)},
    {MC_KIND_HISTOGRAM, MC_FIELD(HISTOGRAM, SUM)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, MINOR_FAULTS)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, MAJOR_FAULTS)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, CPU_USER)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, CPU_SYSTEM)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, PRESSURE_SOME)},
    {MC_KIND_PROCESS, MC_FIELD(PROCESS, PRESSURE_FULL)},
    {MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, ACCEPTED)},
    {MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, CLOSED)},
    {MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, ERRORS)},
    {MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, OVERFLOWS)},
    {MC_KIND_ROUTE, MC_FIELD(ROUTE, REQUESTS)},
    {MC_KIND_ROUTE, MC_FIELD(ROUTE, CLIENT_ERRORS)},
    {MC_KIND_ROUTE, MC_FIELD(ROUTE, SERVER_ERRORS)},
    {MC_KIND_ROUTE, MC_FIELD(ROUTE, BYTES_IN)},
    {MC_KIND_ROUTE, MC_FIELD(ROUTE, BYTES_OUT)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, ACCEPTED)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, CLOSED)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, REQUESTS)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, CLIENT_ERRORS)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, SERVER_ERRORS)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, BYTES_IN)},
    {MC_KIND_OWNER, MC_FIELD(OWNER, BYTES_OUT)},
};

int mc_field_counts_up(int kind, uint32_t field)
{
    for (size_t i = 0; i < sizeof counting_up / sizeof counting_up[0]; i++)
        if (counting_up[i].kind == kind && counting_up[i].field == field)
            return 1;
    return 0;
}

int64_t mc_scan_bin_ts(const struct mc_run_scan *s, uint32_t bin)
{
    double width = (double)(s->to - s->from) / s->bin_count;
    return s->from + (int64_t)(width * ((double)bin + 0.5));
}

uint32_t mc_scan_segment(const struct mc_run_scan *s, int64_t ts)
{
    double part = (double)(ts - s->from) / (double)(s->to - s->from);
    uint32_t segment = part > 0 ? (uint32_t)(part * MC_SCAN_SEGMENTS) : 0;
    return segment < MC_SCAN_SEGMENTS ? segment : MC_SCAN_SEGMENTS - 1;
}

const struct mc_scan_bin *mc_scan_bins(const struct mc_run_scan *s, uint32_t value_idx)
{
    return s->bins + (size_t)value_idx * s->bin_count;
}

uint32_t mc_scan_bin_at(const struct mc_run_scan *s, int64_t ts)
{
    double part = (double)(ts - s->from) / (double)(s->to - s->from);
    uint32_t bin = part > 0 ? (uint32_t)(part * s->bin_count) : 0;
    return bin < s->bin_count ? bin : s->bin_count - 1;
}

/* ---- values ------------------------------------------------------------------------------------
 */

static void count_more(uint32_t *count, uint64_t more)
{
    *count = more < UINT32_MAX - *count ? *count + (uint32_t)more : UINT32_MAX;
}

static void add_level(struct mc_scan_value *v, uint32_t segment, int64_t value, uint32_t weight)
{
    double range = (double)v->largest - (double)v->least;
    double part = range > 0 ? ((double)value - (double)v->least) / range : 0;
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    uint32_t level = (uint32_t)(part * (MC_SCAN_LEVELS - 1) + 0.5);
    count_more(&v->levels[segment * MC_SCAN_LEVELS + level], weight);
}

/* `count` values between min and max, with that mean; the newest is `last`. */
struct spread {
    int64_t min, max, last;
    double mean;
    uint32_t count;
};

/* The part of such values that is at `from` or above, as if they were spread evenly. */
static uint64_t part_above(const struct spread *p, int64_t from)
{
    if (p->max < from)
        return 0;
    if (p->min >= from || p->max == p->min)
        return p->count;
    return (uint64_t)((double)p->count * ((double)p->max - (double)from) /
                      ((double)p->max - (double)p->min));
}

static void add_value(struct mc_run_scan *s, uint32_t value_idx, uint32_t bin,
                      const struct spread *p)
{
    uint32_t segment = bin * MC_SCAN_SEGMENTS / s->bin_count;
    struct mc_scan_value *v = &s->values[value_idx];
    struct mc_scan_bin *b = &s->bins[(size_t)value_idx * s->bin_count + bin];
    if (!v->count) {
        v->first = v->starts_at_zero && s->frame_count ? 0 : !v->levels ? p->min : p->last;
        v->min = p->min;
        v->max = p->max;
    }
    if (!b->count) {
        b->min = p->min;
        b->max = p->max;
    }
    v->count += p->count;
    v->sum += p->mean * p->count;
    v->min = p->min < v->min ? p->min : v->min;
    v->max = p->max > v->max ? p->max : v->max;
    v->last = p->last;
    v->above_80 += part_above(p, v->above_80_from);
    v->above_95 += part_above(p, v->above_95_from);
    b->count += p->count;
    b->sum += p->mean * p->count;
    b->min = p->min < b->min ? p->min : b->min;
    b->max = p->max > b->max ? p->max : b->max;
    b->last = p->last;
    if (v->levels)
        add_level(v, segment, (int64_t)p->mean, p->count);
}

/* ---- events -------------------------------------------------------------------------------------
 */

static struct mc_scan_heap *heap_of(struct mc_run_scan *s, uint32_t source_idx)
{
    for (size_t i = 0; i < s->heap_count; i++)
        if (s->heaps[i].source_idx == source_idx)
            return &s->heaps[i];
    return NULL;
}

static void add_collection(struct mc_run_scan *s, const struct mc_event *e)
{
    struct mc_scan_heap *heap = heap_of(s, e->owner);
    if (!heap)
        return;
    heap->count++;
    heap->dur_ns += (double)e->dur_ns;
    heap->dur_max_ns = e->dur_ns > heap->dur_max_ns ? e->dur_ns : heap->dur_max_ns;
    heap->freed_bytes += e->bytes_in > e->bytes_out ? (double)(e->bytes_in - e->bytes_out) : 0;
    heap->pauses[mc_bucket_of(e->dur_ns)]++;
    if (s->collection_skip++ % s->collection_stride)
        return;
    if (s->collection_count == MC_SCAN_COLLECTIONS) {
        for (size_t i = 0; i < MC_SCAN_COLLECTIONS / 2; i++)
            s->collections[i] = s->collections[2 * i];
        s->collection_count = MC_SCAN_COLLECTIONS / 2;
        s->collection_stride *= 2;
    }
    s->collections[s->collection_count++] = (struct mc_scan_collection){
        e->ts, s->frame_ts, e->owner, e->dur_ns, e->bytes_in, e->bytes_out};
}

static void add_close(struct mc_run_scan *s, const struct mc_schema *schema,
                      const struct mc_event *e)
{
    const char *text = mc_schema_string(schema, e->detail);
    size_t i = 0, n = strlen(text);
    char reason[sizeof s->reasons[0].text] = "";
    memcpy(reason, text, n < sizeof reason ? n : sizeof reason - 1);
    s->close_count++;
    while (i < s->reason_count && strcmp(s->reasons[i].text, reason) != 0)
        i++;
    if (i == MC_SCAN_REASONS)
        i = MC_SCAN_REASONS - 1; /* the last one stands for the rest */
    if (i == s->reason_count) {
        s->reason_count++;
        strcpy(s->reasons[i].text, i == MC_SCAN_REASONS - 1 ? "(other)" : reason);
    }
    s->reasons[i].count++;
    size_t place = (size_t)(e->conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 50);
    if (s->lives[place].conn_id == e->conn_id && e->conn_id && e->ts >= s->lives[place].ts)
        s->life_buckets[mc_bucket_of((uint64_t)(e->ts - s->lives[place].ts))]++;
}

static void add_event(struct mc_run_scan *s, const struct mc_schema *schema,
                      const struct mc_event *e)
{
    if (e->ts <= s->from) /* with the first frame, of the time before it */
        return;
    if (e->type == MC_EVENT_GC) {
        add_collection(s, e);
    } else if (e->type == MC_EVENT_CLOSE) {
        add_close(s, schema, e);
    } else if (e->type == MC_EVENT_ACCEPT) {
        size_t place = (size_t)(e->conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 50);
        s->lives[place].conn_id = e->conn_id;
        s->lives[place].ts = e->ts;
    }
}

static int add_buckets(struct mc_run_scan *s, const struct mc_frame *f)
{
    uint32_t segment = mc_scan_segment(s, f->ts);
    for (size_t i = 0; i < f->bucket_count; i++) {
        const struct mc_bucket_add *add = &f->buckets[i];
        if (add->source_idx >= s->schema.source_count || add->bucket_idx >= MC_BUCKET_COUNT)
            continue;
        uint32_t **counts = &s->buckets[add->source_idx];
        if (!*counts)
            *counts = calloc(MC_SCAN_SEGMENTS * MC_BUCKET_COUNT, sizeof **counts);
        if (!*counts)
            return MC_ENOMEM;
        count_more(*counts + segment * MC_BUCKET_COUNT + add->bucket_idx, add->count);
    }
    return 0;
}

static int add_events(struct mc_run_scan *s, const struct mc_frame *f)
{
    s->frame_ts = f->ts;
    for (size_t i = 0; i < f->event_count; i++)
        add_event(s, f->schema, &f->events[i]);
    return add_buckets(s, f);
}

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
            add_value(s, i, bin, &(struct spread){value, value, value, (double)value, 1});
    }
    s->frame_count++;
    add_damage(s, f);
    pass_time(s, f->ts, f->ts, f->gap_count > 0);
    return whole ? add_events(s, f) : 0;
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
            rc = add_events(s, f);
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
        struct spread p = {v->min, v->max, v->last == MC_VALUE_NONE ? v->max : v->last,
                           (double)v->mean, row->frame_count};
        add_value(s, i, bin, &p);
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

/* ---- begin and end ------------------------------------------------------------------------------
 */

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
    s->life_buckets = calloc(MC_BUCKET_COUNT, sizeof *s->life_buckets);
    s->late_buckets = calloc(MC_BUCKET_COUNT, sizeof *s->late_buckets);
    for (uint32_t i = 0; i < s->schema.source_count; i++)
        heaps += s->schema.sources[i].kind == MC_KIND_HEAP;
    s->heaps = calloc(heaps + 1, sizeof *s->heaps);
    if (!s->bins || !s->values || !s->buckets || !s->collections || !s->lives || !s->life_buckets ||
        !s->late_buckets || !s->heaps)
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
    struct mc_run_info *infos;
    size_t count;
    int rc = mc_reader_runs(r, &infos, &count);
    if (rc)
        return rc;
    rc = MC_ENORUN;
    for (size_t i = 0; i < count; i++) {
        if (infos[i].run_id == run_id) {
            *interval_ns = infos[i].interval_ns;
            rc = 0;
        }
        mc_run_info_fini(&infos[i]);
    }
    free(infos);
    return rc;
}

int mc_run_scan(struct mc_reader *r, const struct mc_measure_options *opts, struct mc_run_scan *out)
{
    struct mc_run_scan s = {.last_ts = INT64_MIN, .collection_stride = 1};
    int rc = find_interval(r, opts->run_id, &s.interval_ns);
    if (rc == 0)
        rc = find_span(&s, r, opts);
    if (rc == 0)
        rc = copy_schema(r, opts->run_id, &s.schema);
    if (rc == 0)
        rc = init_arrays(&s);
    if (rc == 0)
        rc = init_levels(&s, r, opts->run_id);
    if (rc == 0)
        rc = add_gaps(&s, r, opts->run_id);
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
    free(s->late_buckets);
    memset(s, 0, sizeof *s);
}
