/* leak_floors.c: the floors of a level.
 *
 * A collected heap rises with garbage and falls at a collection, which tells what it has left. A
 * pool that its objects come from is known by rising and falling when the heap does. It is seen
 * only some time after a collection, with new garbage in it: its floors are the least values over
 * some collections each. All else has a floor for each of up to 60 stretches of time.
 */
#include "replay/leak_priv.h"

#include <math.h>
#include <string.h>

#define BINS_A_WINDOW 4u /* at least, of those by time */
#define COLLECTIONS_A_WINDOW 3u
#define WINDOWS_LEAST 8u
#define COLLECTIONS_TOLD 2
#define SPAN_LEAST_NS INT64_C(30000000000) /* by time: shorter ones are all beginning */
#define TOGETHER 0.8 /* correlation of a pool with a heap that it is part of */

/* Where windows begin, and behind the last one where that ends, in bins. */
struct windows {
    uint32_t count, begins[MC_SCAN_BINS + 1];
};

static void by_time(const struct mc_run_scan *s, struct windows *w)
{
    uint32_t n = s->to - s->from >= SPAN_LEAST_NS ? s->bin_count / BINS_A_WINDOW : 0;
    w->count = n < MC_FLOORS_MAX ? n : MC_FLOORS_MAX;
    for (uint32_t i = 0; i <= w->count; i++)
        w->begins[i] = w->count ? i * s->bin_count / w->count : 0;
}

static uint32_t gc_value(const struct mc_run_scan *s, uint32_t heap)
{
    return s->schema.sources[s->heaps[heap].source_idx].value_idx + MC_FIELD(HEAP, GC_COUNT);
}

/* A window for some collections, each from the bin of the first one on. */
static void by_collections(const struct mc_run_scan *s, uint32_t heap, struct windows *w)
{
    const struct mc_scan_bin *bins = mc_scan_bins(s, gc_value(s, heap));
    int64_t last = s->values[gc_value(s, heap)].first;
    uint32_t found = 0;
    for (uint32_t i = 0; i < s->bin_count; i++) {
        if (!bins[i].count)
            continue;
        if (bins[i].last > last)
            w->begins[found++] = i;
        last = bins[i].last;
    }
    w->begins[found] = s->bin_count;
    uint32_t wanted = found / COLLECTIONS_A_WINDOW;
    wanted = wanted < WINDOWS_LEAST ? WINDOWS_LEAST : wanted;
    wanted = wanted < MC_FLOORS_MAX ? wanted : MC_FLOORS_MAX;
    w->count = found < wanted ? found : wanted;
    for (uint32_t i = 0; found && i <= w->count; i++)
        w->begins[i] = w->begins[i * found / w->count];
}

static double correlation(const double *x, const double *y, size_t count)
{
    double mx = mc_mean(x, count), my = mc_mean(y, count), xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* How much both rise and fall between the same moments: Kendall's tau b. */
static double concordance(const double *x, const double *y, size_t count)
{
    double alike = 0, x_moves = 0, y_moves = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            int dx = (x[j] > x[i]) - (x[j] < x[i]), dy = (y[j] > y[i]) - (y[j] < y[i]);
            alike += dx * dy;
            x_moves += dx != 0;
            y_moves += dy != 0;
        }
    }
    return x_moves > 0 && y_moves > 0 ? alike / sqrt(x_moves * y_moves) : 0;
}

/* How a pool goes with a heap: the correlation of their steps from bin to bin, in which collections
 * stand out; before there are any, whether both rise together. */
static double together(const struct mc_run_scan *s, uint32_t pool_idx, uint32_t heap_idx,
                       int has_collected)
{
    const struct mc_scan_bin *x = mc_scan_bins(s, pool_idx), *y = mc_scan_bins(s, heap_idx);
    double pool[MC_SCAN_BINS], heap[MC_SCAN_BINS];
    size_t n = 0;
    for (uint32_t i = 0; i < s->bin_count; i++) {
        if (!x[i].count || !y[i].count)
            continue;
        pool[n] = (double)x[i].last;
        heap[n++] = (double)y[i].last;
    }
    if (!has_collected || !n)
        return concordance(pool, heap, n);
    for (size_t i = n; i-- > 1;) {
        pool[i] -= pool[i - 1];
        heap[i] -= heap[i - 1];
    }
    return correlation(pool + 1, heap + 1, n - 1);
}

/* How often a heap collected in the span. */
static int64_t collections_of(const struct mc_run_scan *s, uint32_t heap)
{
    const struct mc_scan_value *v = &s->values[gc_value(s, heap)];
    return v->count ? v->last - v->first : 0;
}

/* The heap that a source is, or is part of; heap_count for none. */
static uint32_t heap_of(const struct mc_run_scan *s, const struct mc_source *source,
                        uint32_t value_idx)
{
    uint32_t i = 0;
    for (; i < s->heap_count; i++) {
        const struct mc_source *heap = &s->schema.sources[s->heaps[i].source_idx];
        if (heap == source)
            break;
        if ((source->kind == MC_KIND_SLAB || source->kind == MC_KIND_ARENA) &&
            together(s, value_idx, heap->value_idx + MC_FIELD(HEAP, USED),
                     collections_of(s, i) >= COLLECTIONS_TOLD) >= TOGETHER)
            break;
    }
    return i;
}

const struct mc_source *mc_floors_pool_of(const struct mc_run_scan *s, const struct mc_source *heap)
{
    const struct mc_source *best = NULL;
    double best_together = TOGETHER;
    uint32_t at = 0;
    while (at < s->heap_count && &s->schema.sources[s->heaps[at].source_idx] != heap)
        at++;
    for (uint32_t i = 0; i < s->schema.source_count && at < s->heap_count; i++) {
        const struct mc_source *pool = &s->schema.sources[i];
        if (pool->kind != MC_KIND_SLAB)
            continue;
        double goes = together(s, pool->value_idx + MC_FIELD(SLAB, USED),
                               heap->value_idx + MC_FIELD(HEAP, USED),
                               collections_of(s, at) >= COLLECTIONS_TOLD);
        if (goes < best_together)
            continue;
        best = pool;
        best_together = goes;
    }
    return best;
}

/* Whether a heap is one that collects when it has grown to a threshold. */
static int has_threshold(const struct mc_run_scan *s, uint32_t heap)
{
    const struct mc_source *source = &s->schema.sources[s->heaps[heap].source_idx];
    const struct mc_scan_value *v = &s->values[source->value_idx + MC_FIELD(HEAP, THRESHOLD)];
    return v->count && v->last > 0;
}

/* What the collections of a heap have left, the least of some where there are many. */
static void of_collections(const struct mc_run_scan *s, uint32_t heap, struct mc_floors *out)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < s->collection_count; i++)
        total += s->collections[i].source_idx == s->heaps[heap].source_idx;
    size_t floors = total < MC_FLOORS_MAX ? total : MC_FLOORS_MAX;
    for (size_t i = 0; i < s->collection_count; i++) {
        const struct mc_scan_collection *c = &s->collections[i];
        if (c->source_idx != s->heaps[heap].source_idx)
            continue;
        size_t floor = at++ * floors / total;
        if (floor < out->count && out->low[floor] <= (double)c->after_bytes)
            continue;
        out->count = floor + 1;
        out->ts[floor] = c->ts;
        out->low[floor] = (double)c->after_bytes;
    }
}

/* The least value of each window. */
static void of_windows(const struct mc_run_scan *s, uint32_t value_idx, const struct windows *w,
                       struct mc_floors *out)
{
    const struct mc_scan_bin *bins = mc_scan_bins(s, value_idx);
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t end = w->begins[i + 1], low = end;
        for (uint32_t bin = w->begins[i]; bin < end; bin++)
            if (bins[bin].count && (low == end || bins[bin].min < bins[low].min))
                low = bin;
        if (low == end)
            continue;
        out->ts[out->count] = mc_scan_bin_ts(s, low);
        out->low[out->count++] = (double)bins[low].min;
    }
}

void mc_floors_find(const struct mc_run_scan *s, const struct mc_source *source, uint32_t value_idx,
                    struct mc_floors *out)
{
    struct windows w = {0};
    uint32_t heap = heap_of(s, source, value_idx);
    out->count = 0;
    out->heap_source = UINT32_MAX;
    if (heap < s->heap_count)
        by_collections(s, heap, &w);
    if (heap == s->heap_count || (!w.count && !has_threshold(s, heap)))
        by_time(s, &w);
    else
        out->heap_source = s->heaps[heap].source_idx;
    if (out->heap_source != UINT32_MAX && source->kind == MC_KIND_HEAP)
        of_collections(s, heap, out);
    if (!out->count)
        of_windows(s, value_idx, &w, out);
    for (size_t i = 0; i < out->count; i++)
        out->hours[i] = (double)(out->ts[i] - s->from) / 3600e9;
}
