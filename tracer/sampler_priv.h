/* sampler_priv.h: the sampler's object, for the files that make a frame together. */
#ifndef MC_SAMPLER_PRIV_H
#define MC_SAMPLER_PRIV_H

#include "tracer/attach.h"
#include "tracer/clock_line.h"
#include "tracer/connections.h"
#include "tracer/procfs.h"
#include "tracer/ring_reader.h"
#include "tracer/sampler.h"
#include "tracer/slot_map.h"
#include "tracer/traffic.h"
#include "tracer/window.h"

/* A program that is younger at our first tick is recorded from its start: what its rings have lost
 * is a gap, and what its histograms hold has just been counted. */
#define MC_SAMPLER_FROM_START_NS INT64_C(2000000000)

/* A source that the program registered. */
struct mc_sampled_source {
    int kind;
    uint32_t source_idx;   /* in the schema */
    uint32_t map_idx;      /* slabs */
    uint64_t names_off;    /* slabs */
    uint32_t names_read;   /* slabs: state names read so far */
    uint64_t changes_seen; /* slabs, histograms: the word that changes with the content */
    int has_changes_seen;
    int64_t high_water;       /* slabs: the highest that was ever shown */
    uint64_t buckets_off;     /* histograms */
    uint64_t *buckets;        /* owned; histograms: newest copy */
    uint64_t count, sum;      /* histograms */
    struct mc_window *window; /* borrowed; histograms */
};

struct mc_sampler {
    struct mc_attach attach;
    struct mc_clock_line line;
    struct mc_run_info info;
    struct mc_schema schema;
    struct mc_ring_reader rings;
    struct mc_slot_reader slots;
    struct mc_procfs procfs;
    struct mc_windows windows;
    struct mc_connections connections;
    struct mc_traffic traffic;
    struct mc_string_ids names, peers;

    struct mc_sampled_source *sources; /* owned; by the segment's index */
    uint32_t source_count, source_room;
    uint64_t slots_known;     /* of all maps together */
    struct mc_slot_map *maps; /* owned */
    uint32_t map_count, map_room;

    int is_event_clock_ns;
    int reads_all;        /* the program is dead: what is shown now stays */
    int64_t tick_ns;      /* CLOCK_MONOTONIC at the newest tick's begin */
    int64_t slow_told_ns; /* when a map was last said to be slow; 0 never */
    int has_ticked, was_dead_at_open;
    int failed_code; /* of the first tick or drain that failed */
    int64_t last_ts;
    uint64_t beat_ticks; /* newest seen */
    int64_t beat_ns;
    uint64_t dropped_seen;
    int64_t tick_cost_ns, events_sent, events_lost;

    /* What the frame points to; owned. */
    struct mc_frame frame;
    int64_t *values;
    size_t value_room;
    struct mc_map *frame_maps;
    size_t frame_map_room;
    struct mc_event *events;
    size_t event_room, event_count;
    struct {
        uint64_t ticks;
        size_t idx;
    } * keys, *keys_spare; /* for sorting events */
    size_t key_room;
    struct mc_gap *gaps;
    size_t gap_count, gap_room;
    char why[320];
};

/* sampler_schema.c: take in strings and sources that the newest live words count. 0, MC_ECORRUPT
 * or MC_ENOMEM, with a line in s->attach.why. */
int mc_sampler_read_strings(struct mc_sampler *s);
int mc_sampler_read_sources(struct mc_sampler *s);
void mc_sampler_free_sources(struct mc_sampler *s);

/* sampler_events.c: make s->events of the pending records up to `ts` (all of them when is_last),
 * in order, and let connections and traffic take them in. 0 or MC_ENOMEM. */
int mc_sampler_make_events(struct mc_sampler *s, int64_t ts, int is_last);
/* The ts of the newest pending record or beat; -1 without one. */
int64_t mc_sampler_newest_sign(const struct mc_sampler *s);

/* sampler_values.c: read changed maps and histograms; then fill s->values. 0 or a negative code. */
int mc_sampler_read_maps(struct mc_sampler *s);
int mc_sampler_read_histograms(struct mc_sampler *s);
int mc_sampler_make_values(struct mc_sampler *s, int64_t ts, int64_t late_ns);

#endif
