/* sampler_values.c: cells, maps and histograms of the segment into a frame's values. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tracer/error.h"
#include "tracer/memcam.h"
#include "tracer/sampler_priv.h"

/* A program that beats is standing still when nothing has been heard for this long. */
#define STALL_AFTER_NS INT64_C(300000000)

static int64_t as_value(uint64_t word)
{
    return word > INT64_MAX ? INT64_MAX : (int64_t)word;
}

/* The word that differs after every change, and whether it does. */
static int has_changed(struct mc_sampled_source *one, uint64_t word)
{
    if (one->has_changes_seen && one->changes_seen == word)
        return 0;
    one->has_changes_seen = 1;
    one->changes_seen = word;
    return 1;
}

/* The cells were read before the maps: a change in between is seen again at the next tick. */
int mc_sampler_read_maps(struct mc_sampler *s)
{
    s->slots.change_count = 0;
    int code = 0;
    for (uint32_t i = 0; i < s->source_count && !code; i++) {
        struct mc_sampled_source *one = &s->sources[i];
        const struct mc_segment_cell *cell = mc_attach_cell(&s->attach, i);
        if (one->kind == MC_KIND_SLAB &&
            has_changed(one, cell->slab.allocs + cell->slab.frees + cell->slab.moves))
            code = mc_slot_map_read(&s->maps[one->map_idx], one->map_idx, &s->slots, &s->attach);
    }
    if (code || s->slots.change_count == 0)
        return code;
    /* Owners may be strings that are newer than those we know. */
    code = mc_attach_read(&s->attach, MC_SEGMENT_LIVE_OFF, &s->attach.live, sizeof s->attach.live);
    if (!code)
        code = mc_sampler_read_strings(s);
    for (size_t from = 0; from < s->slots.change_count && !code;) {
        uint32_t map_idx = s->slots.changes[from].map_idx;
        size_t end = from;
        while (end < s->slots.change_count && s->slots.changes[end].map_idx == map_idx)
            end++;
        mc_slot_map_name_owners(&s->maps[map_idx], &s->slots, from, end, &s->names);
        from = end;
    }
    return code;
}

/* What each bucket gained goes into the window, but not what it held before we came. A bucket that
 * has shrunk was scribbled on. */
static int read_histogram(struct mc_sampler *s, struct mc_sampled_source *one, uint64_t word)
{
    uint64_t buckets[MC_SEGMENT_BUCKETS];
    int code = mc_attach_read(&s->attach, one->buckets_off, buckets, sizeof buckets);
    if (code)
        return code;
    int is_old = !s->has_ticked && !s->was_dead_at_open && s->line.to_ns > MC_SAMPLER_FROM_START_NS;
    one->count = 0;
    for (uint32_t b = 0; b < MC_SEGMENT_BUCKETS; b++) {
        buckets[b] &= INT64_MAX >> 10;
        if (buckets[b] > one->buckets[b] && !is_old)
            mc_window_add(one->window, b, buckets[b] - one->buckets[b]);
        one->count += buckets[b];
    }
    memcpy(one->buckets, buckets, sizeof buckets);
    one->sum = word > one->count ? word - one->count : 0;
    return 0;
}

int mc_sampler_read_histograms(struct mc_sampler *s)
{
    int code = 0;
    for (uint32_t i = 0; i < s->source_count && !code; i++) {
        struct mc_sampled_source *one = &s->sources[i];
        uint64_t word = mc_attach_cell(&s->attach, i)->histogram.sum_and_count;
        if (one->kind == MC_KIND_HISTOGRAM && has_changed(one, word))
            code = read_histogram(s, one, word);
    }
    return code;
}

/* `used` comes from the map itself, so that number and picture always agree. */
static void slab_values(struct mc_sampler *s, struct mc_sampled_source *one,
                        const struct mc_segment_cell *cell, int64_t *v)
{
    const struct mc_slot_map *m = &s->maps[one->map_idx];
    int64_t high_water = as_value(cell->slab.high_water);
    if (high_water > m->map.slot_count)
        high_water = m->map.slot_count;
    if (high_water < m->used_count)
        high_water = m->used_count;
    if (high_water > one->high_water)
        one->high_water = high_water;
    v[MC_FIELD(SLAB, USED)] = m->used_count;
    v[MC_FIELD(SLAB, HIGH_WATER)] = one->high_water;
    v[MC_FIELD(SLAB, ALLOCS)] = as_value(cell->slab.allocs);
    v[MC_FIELD(SLAB, FREES)] = as_value(cell->slab.frees);
    v[MC_FIELD(SLAB, OVERFLOW)] = as_value(cell->slab.overflow);
}

static void histogram_values(const struct mc_sampled_source *one, int64_t *v)
{
    v[MC_FIELD(HISTOGRAM, COUNT)] = as_value(one->count);
    v[MC_FIELD(HISTOGRAM, SUM)] = as_value(one->sum);
    v[MC_FIELD(HISTOGRAM, P50)] = one->window->p50;
    v[MC_FIELD(HISTOGRAM, P95)] = one->window->p95;
    v[MC_FIELD(HISTOGRAM, P99)] = one->window->p99;
    v[MC_FIELD(HISTOGRAM, P9999)] = one->window->p9999;
    v[MC_FIELD(HISTOGRAM, MAX)] = one->window->max;
}

static void source_values(struct mc_sampler *s, uint32_t idx)
{
    struct mc_sampled_source *one = &s->sources[idx];
    const struct mc_segment_cell *cell = mc_attach_cell(&s->attach, idx);
    int64_t *v = s->values + s->schema.sources[one->source_idx].value_idx;
    switch (one->kind) {
    case MC_KIND_SLAB:
        slab_values(s, one, cell, v);
        break;
    case MC_KIND_ARENA:
        v[MC_FIELD(ARENA, USED)] = as_value(cell->arena.used_bytes);
        v[MC_FIELD(ARENA, HIGH_WATER)] = as_value(cell->arena.high_water_bytes);
        v[MC_FIELD(ARENA, OVERFLOW)] = as_value(cell->arena.overflow);
        v[MC_FIELD(ARENA, RESETS)] = as_value(cell->arena.resets);
        break;
    case MC_KIND_HEAP:
        v[MC_FIELD(HEAP, USED)] = as_value(cell->heap.used_bytes);
        v[MC_FIELD(HEAP, PEAK)] = as_value(cell->heap.peak_bytes);
        v[MC_FIELD(HEAP, THRESHOLD)] = as_value(cell->heap.threshold_bytes);
        v[MC_FIELD(HEAP, GC_COUNT)] = as_value(cell->heap.gc_count);
        break;
    case MC_KIND_COUNTER:
        v[0] = as_value(cell->number.value);
        break;
    case MC_KIND_GAUGE: /* its lowest value would read as "none" */
        v[0] = (int64_t)cell->number.value == MC_VALUE_NONE ? INT64_MIN + 1
                                                            : (int64_t)cell->number.value;
        break;
    default:
        histogram_values(one, v);
        break;
    }
}

static void process_values(struct mc_sampler *s, int64_t ts, int64_t *v)
{
    memcpy(v, s->procfs.values, sizeof s->procfs.values);
    int64_t *stalled = &v[MC_FIELD(PROCESS, STALLED)];
    if (*stalled == MC_VALUE_NONE)
        *stalled = 0;
    int64_t silent = s->beat_ticks ? ts - s->beat_ns : 0;
    if (silent > STALL_AFTER_NS && silent > *stalled && !s->attach.live.ended)
        *stalled = silent;
}

/* The recorder's own times are kept in whole microseconds: what is finer is noise, and would be a
 * third of the bytes of an idle program's trace. */
static int64_t whole_us(int64_t ns)
{
    return ns < 0 ? 0 : ns - ns % 1000;
}

static void recorder_values(struct mc_sampler *s, int64_t late_ns, int64_t *v)
{
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    v[MC_FIELD(RECORDER, CPU)] = whole_us((int64_t)cpu.tv_sec * 1000000000 + cpu.tv_nsec);
    v[MC_FIELD(RECORDER, RSS)] = mc_procfs_own_rss(&s->procfs);
    v[MC_FIELD(RECORDER, TICK)] = whole_us(s->tick_cost_ns);
    v[MC_FIELD(RECORDER, LATE)] = whole_us(late_ns);
    v[MC_FIELD(RECORDER, EVENTS)] = s->events_sent;
    v[MC_FIELD(RECORDER, LOST)] = s->events_lost;
}

static int64_t *values_of(struct mc_sampler *s, int kind)
{
    return s->values + mc_schema_find(&s->schema, kind, NULL)->value_idx;
}

int mc_sampler_make_values(struct mc_sampler *s, int64_t ts, int64_t late_ns)
{
    size_t count = s->schema.value_count;
    if (count > s->value_room) {
        int64_t *values = realloc(s->values, count * 2 * sizeof *values);
        if (!values)
            return mc_attach_fail(&s->attach, MC_ENOMEM, "out of memory");
        s->values = values;
        s->value_room = count * 2;
    }
    for (uint32_t i = 0; i < s->source_count; i++)
        source_values(s, i);
    process_values(s, ts, values_of(s, MC_KIND_PROCESS));
    mc_connections_values(&s->connections, values_of(s, MC_KIND_CONNECTIONS));
    mc_traffic_values(&s->traffic, s->values);
    recorder_values(s, late_ns, values_of(s, MC_KIND_RECORDER));
    return 0;
}
