/* run_scan_priv.h: a run's frames, folded into bins of time, histograms and counts.
 *
 * Threads: one per object. Memory: by the number of values, never by the length of the run.
 */
#ifndef MC_RUN_SCAN_PRIV_H
#define MC_RUN_SCAN_PRIV_H

#include "replay/measure.h"

#define MC_SCAN_BINS 240u         /* of a run; fewer for a run of few frames */
#define MC_SCAN_SEGMENTS 12u      /* of a run: the blocks by which histograms are resampled */
#define MC_SCAN_LEVELS 512u       /* of a value's histogram, between its least and its largest */
#define MC_SCAN_COLLECTIONS 8192u /* kept one by one; past it every second is let go */
#define MC_SCAN_REASONS 32u
#define MC_SCAN_LIVES 16384u /* connections whose accept is remembered */

struct mc_scan_bin {
    double sum;
    int64_t min, max, last;
    uint32_t count; /* 0: nothing was recorded */
};

struct mc_scan_value {
    int64_t least, largest; /* of the histogram's levels */
    int64_t min, max, first, last;
    uint64_t count, above_80, above_95;
    double sum;
    int starts_at_zero; /* one that counts up and comes after the first frame began then */
    int64_t above_80_from, above_95_from; /* a value above it counts; INT64_MAX: no capacity */
    uint32_t *levels;                     /* owned; by segment; NULL: a value that only counts up */
};

struct mc_scan_collection {
    int64_t ts, frame_ts; /* of the frame that it came with */
    uint32_t source_idx;
    uint64_t dur_ns, before_bytes, after_bytes;
};

/* What was collected in one heap. */
struct mc_scan_heap {
    uint32_t source_idx;
    uint64_t count;
    double freed_bytes, dur_ns;
    uint64_t dur_max_ns;
    uint64_t pauses[MC_BUCKET_COUNT];
};

struct mc_scan_reason {
    char text[64];
    uint64_t count;
    uint32_t bins[MC_SCAN_BINS];
};

struct mc_run_scan {
    struct mc_schema schema; /* owned */
    int64_t from, to;        /* first frame, and one past the last */
    uint64_t frame_count;
    int64_t interval_ns, last_ts;
    int64_t frame_ts; /* of the frame whose events are read */
    int64_t silent_ns, gap_ns;
    uint64_t *late_buckets; /* owned; MC_BUCKET_COUNT: how late the recorder's ticks came */
    uint64_t gap_count, lost_count, damaged_count;
    uint32_t bin_count;
    struct mc_scan_bin *bins;     /* owned; value-major */
    struct mc_scan_value *values; /* owned */
    uint32_t **buckets;           /* owned, each too; by source: by segment; NULL: none came */
    struct mc_scan_collection *collections; /* owned */
    size_t collection_count;
    uint32_t collection_stride, collection_skip;
    struct mc_scan_heap *heaps; /* owned */
    size_t heap_count;
    struct mc_scan_reason *reasons; /* owned; room for MC_SCAN_REASONS */
    size_t reason_count;
    uint64_t close_count;
    uint32_t close_bins[MC_SCAN_BINS];
    struct {
        uint64_t conn_id;
        int64_t ts;
    } * lives;              /* owned; MC_SCAN_LIVES places by conn_id */
    uint32_t *life_buckets; /* owned; by segment: MC_BUCKET_COUNT */
    int64_t event_ns;       /* of the span: its events were looked at */
    int is_exact;
};

int mc_run_scan(struct mc_reader *r, const struct mc_measure_options *opts,
                struct mc_run_scan *out);
void mc_run_scan_fini(struct mc_run_scan *s);

/* run_scan_begin.c. All before the first frame; the caller frees by mc_run_scan_fini, after an
 * error too. 0, MC_END for a span without frames, or what the reader says. */
int mc_scan_begin(struct mc_run_scan *s, struct mc_reader *r,
                  const struct mc_measure_options *opts);
/* run_scan_values.c. `count` values between min and max, with that mean; the newest is `last`. */
struct mc_scan_spread {
    int64_t min, max, last;
    double mean;
    uint32_t count;
};
void mc_scan_add_value(struct mc_run_scan *s, uint32_t value_idx, uint32_t bin,
                       const struct mc_scan_spread *p);
/* Add to a count that stays at its most. */
void mc_scan_count_more(uint32_t *count, uint64_t more);
/* run_scan_events.c. A frame's events and bucket counts. 0 or MC_ENOMEM. */
int mc_scan_add_events(struct mc_run_scan *s, const struct mc_frame *f);

/* The segment that a moment falls into. */
uint32_t mc_scan_segment(const struct mc_run_scan *s, int64_t ts);
/* The bin that a moment falls into, the first or last one outside of the span. */
uint32_t mc_scan_bin_at(const struct mc_run_scan *s, int64_t ts);
/* The middle of a bin, ts. */
int64_t mc_scan_bin_ts(const struct mc_run_scan *s, uint32_t bin);
const struct mc_scan_bin *mc_scan_bins(const struct mc_run_scan *s, uint32_t value_idx);
/* Whether a field counts up for ever, so that its rate is what matters. */
int mc_field_counts_up(int kind, uint32_t field);
/* Requests of all routes in the span. */
double mc_scan_requests(const struct mc_run_scan *s);

#endif
