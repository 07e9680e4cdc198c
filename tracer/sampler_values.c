/* sampler_values.c: cells, maps and histograms of the segment into a frame's values. */
#include <stdio.h>
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

/* A map that becomes slow says so: with a gauge of how far it is behind, and with a gap that takes
 * no time, at most one a minute. */
static int tell_slow(struct mc_sampler *s, struct mc_slot_map *m)
{
    if (m->age_source_idx == UINT32_MAX) {
        char name[300];
        snprintf(name, sizeof name, "%.250s: map behind",
                 s->schema.sources[m->map.source_idx].name);
        struct mc_source like = {.kind = MC_KIND_GAUGE, .name = name, .unit = "ns"};
        uint32_t source_idx = s->schema.source_count;
        int code = mc_schema_add_source(&s->schema, &like);
        if (code == MC_ENOMEM)
            return mc_attach_fail(&s->attach, code, "out of memory");
        m->age_source_idx = code ? UINT32_MAX : source_idx;
    }
    if (s->slow_told_ns && s->tick_ns - s->slow_told_ns < 60 * INT64_C(1000000000))
        return 0;
    s->slow_told_ns = s->tick_ns;
    const struct mc_gap gap = {.ts = s->last_ts, .reason = "slots read less often"};
    mc_sampler_gap(s, &gap);
    return 0;
}

static int read_map(struct mc_sampler *s, struct mc_sampled_source *one, uint64_t word)
{
    struct mc_slot_map *m = &s->maps[one->map_idx];
    size_t first = s->slots.change_count;
    m->is_behind = 0;
    if (one->has_changes_seen && one->changes_seen == word)
        return 0;
    if (m->has_pace && !s->reads_all && !s->attach.live.ended &&
        !mc_map_pace_due(&m->pace, s->tick_ns)) {
        m->is_behind = 1;
        return 0;
    }
    one->has_changes_seen = 1;
    one->changes_seen = word;
    int code = mc_slot_map_read(m, one->map_idx, &s->slots, &s->attach);
    if (code)
        return code;
    if (!m->has_pace) { /* what the program had when we came is not held against it */
        m->has_pace = 1;
        mc_map_pace_init(&m->pace, s->tick_ns);
        return 0;
    }
    uint64_t cost =
        mc_map_pace_cost(&m->map, s->slots.changes + first, s->slots.change_count - first);
    return mc_map_pace_pay(&m->pace, s->tick_ns, cost) ? tell_slow(s, m) : 0;
}

/* The cells were read before the maps: a change in between is seen again at the next tick. */
int mc_sampler_read_maps(struct mc_sampler *s)
{
    s->slots.change_count = 0;
    int code = 0;
    for (uint32_t i = 0; i < s->source_count && !code; i++) {
        struct mc_sampled_source *one = &s->sources[i];
        const struct mc_segment_cell *cell = mc_attach_cell(&s->attach, i);
        if (one->kind == MC_KIND_SLAB)
            code = read_map(s, one, cell->slab.allocs + cell->slab.frees + cell->slab.moves);
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

/* `used` comes from the map itself, so that number and picture agree; while the map is behind, the
 * program's counts tell how far it has moved since. */
static int64_t used_of(struct mc_slot_map *m, const struct mc_segment_cell *cell)
{
    int64_t net = (int64_t)(cell->slab.allocs - cell->slab.frees);
    if (!m->is_behind)
        m->net_count = net;
    int64_t used = (int64_t)((uint64_t)m->used_count + (uint64_t)net - (uint64_t)m->net_count);
    return used < 0 ? 0 : used > m->map.slot_count ? m->map.slot_count : used;
}

static void slab_values(struct mc_sampler *s, struct mc_sampled_source *one,
                        const struct mc_segment_cell *cell, int64_t ts, int64_t *v)
{
    struct mc_slot_map *m = &s->maps[one->map_idx];
    int64_t used = used_of(m, cell);
    if (!m->is_behind)
        m->current_ts = ts;
    if (m->age_source_idx != UINT32_MAX)
        s->values[s->schema.sources[m->age_source_idx].value_idx] = ts - m->current_ts;
    int64_t high_water = as_value(cell->slab.high_water);
    if (high_water > m->map.slot_count)
        high_water = m->map.slot_count;
    if (high_water < used)
        high_water = used;
    if (high_water > one->high_water)
        one->high_water = high_water;
    v[MC_FIELD(SLAB, USED)] = used;
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

static void source_values(struct mc_sampler *s, uint32_t idx, int64_t ts)
{
    struct mc_sampled_source *one = &s->sources[idx];
    const struct mc_segment_cell *cell = mc_attach_cell(&s->attach, idx);
    int64_t *v = s->values + s->schema.sources[one->source_idx].value_idx;
    switch (one->kind) {
    case MC_KIND_SLAB:
        slab_values(s, one, cell, ts, v);
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

/* The recorder's own times are kept no finer than they tell something: noise would be a third of
 * the bytes of an idle program's trace. */
static int64_t rounded(int64_t ns, int64_t unit_ns)
{
    return ns < 0 ? 0 : ns - ns % unit_ns;
}

static void recorder_values(struct mc_sampler *s, int64_t late_ns, int64_t *v)
{
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    v[MC_FIELD(RECORDER, CPU)] = rounded((int64_t)cpu.tv_sec * 1000000000 + cpu.tv_nsec, 10000);
    v[MC_FIELD(RECORDER, RSS)] = mc_procfs_own_rss(&s->procfs);
    v[MC_FIELD(RECORDER, TICK)] = rounded(s->tick_cost_ns, 1000);
    v[MC_FIELD(RECORDER, LATE)] = rounded(late_ns, 10000);
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
        source_values(s, i, ts);
    process_values(s, ts, values_of(s, MC_KIND_PROCESS));
    mc_connections_values(&s->connections, values_of(s, MC_KIND_CONNECTIONS));
    mc_traffic_values(&s->traffic, s->values);
    recorder_values(s, late_ns, values_of(s, MC_KIND_RECORDER));
    return 0;
}
