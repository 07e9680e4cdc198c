/* run_scan_values.c: a run's numbers, folded into bins of time and histograms.
 *
 * A first look at the summaries has given each value's least and largest, so that its histogram has
 * levels where the values are: exact for a range of up to 512, else to a five hundredth of it.
 */
#include "replay/run_scan_priv.h"

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

void mc_scan_count_more(uint32_t *count, uint64_t more)
{
    *count = more < UINT32_MAX - *count ? *count + (uint32_t)more : UINT32_MAX;
}

static void add_level(struct mc_scan_value *v, uint32_t segment, int64_t value, uint32_t weight)
{
    double range = (double)v->largest - (double)v->least;
    double part = range > 0 ? ((double)value - (double)v->least) / range : 0;
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    uint32_t level = (uint32_t)(part * (MC_SCAN_LEVELS - 1) + 0.5);
    mc_scan_count_more(&v->levels[segment * MC_SCAN_LEVELS + level], weight);
}

/* The part of such values that is at `from` or above, as if they were spread evenly. */
static uint64_t part_above(const struct mc_scan_spread *p, int64_t from)
{
    if (p->max < from)
        return 0;
    if (p->min >= from || p->max == p->min)
        return p->count;
    return (uint64_t)((double)p->count * ((double)p->max - (double)from) /
                      ((double)p->max - (double)p->min));
}

void mc_scan_add_value(struct mc_run_scan *s, uint32_t value_idx, uint32_t bin,
                       const struct mc_scan_spread *p)
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
