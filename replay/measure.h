/* measure.h: a run as numbers: each source's levels and rates, routes, collections, connections,
 * the process, and what only grows.
 *
 * Threads: one thread per call. Memory does not grow with the length of the run.
 */
#ifndef MC_MEASURE_H
#define MC_MEASURE_H

#include "replay/leak.h"
#include "replay/stats.h"
#include "store/trace.h"

/* From when on the recording is measured by summaries unless `exact` is set. */
#define MC_MEASURE_EXACT_NS (INT64_C(2) * 3600 * 1000000000)

struct mc_measure_options {
    int64_t run_id;
    int64_t from, to; /* frames with from <= ts < to; INT64_MIN, INT64_MAX: all */
    int exact;        /* read every frame, also of a long run */
    int intervals;    /* make bootstrap intervals */
    void (*progress)(void *arg, int percent); /* NULL: none; not 0 from stop: MC_EGONE */
    int (*stop)(void *arg);                   /* NULL: never */
    void *arg;
};

/* One number of a run. */
struct mc_measure {
    char *key;             /* owned; "slab/tcp_buffers/used": kind/source/what */
    const char *stat;      /* static; "mean", "p99", … */
    char unit[16];         /* "bytes", "ns", "/s", "%", "/h", "" */
    int direction;         /* 1: more is worse; -1: less is worse; 0: neither */
    int is_time;           /* depends on the machine's speed of the day */
    double value;          /* NAN: not known */
    double whole;          /* what 100 % of a difference is; 0: side A's value */
    double grain;          /* what sampling, or a machine that stalls, can make of it by itself */
    int is_part_of_closes; /* a run that has none of it, but closes, has 0 of it */
    int has_interval;      /* also 1 for a series that never moves: low = high */
    struct mc_interval interval;
    float *series; /* owned; of bin_count points, NAN where there is nothing; NULL: none */
};

/* What a pool is, for what can't be compared. */
struct mc_measured_pool {
    char *name; /* owned */
    uint32_t slot_count;
    uint64_t slot_bytes;
};

struct mc_run_measures {
    char *path; /* owned; set by the caller */
    struct mc_run_info info;
    int64_t from, to;            /* first frame measured, and one past the last */
    int64_t run_first, run_last; /* what the file holds of the run */
    int is_exact;
    uint64_t frame_count;
    uint64_t gap_count, lost_count, damaged_count;
    int64_t gap_ns;
    int64_t silent_ns;         /* between frames further apart than 5 intervals, no gap told */
    int64_t late_ns;           /* one in ten of the recorder's ticks came later than that */
    double sampled_event_part; /* part of the span whose events were looked at */
    double request_count, close_count; /* closes: of the part whose events were looked at */
    int64_t first_request_ts;          /* INT64_MAX: none */
    uint32_t bin_count;
    float *requests;             /* owned; per bin: requests since `from` */
    struct mc_measure *measures; /* owned */
    size_t measure_count;
    uint32_t measure_room;
    struct mc_measured_pool *pools; /* owned */
    size_t pool_count;
    struct mc_leak *leaks; /* owned */
    size_t leak_count;
};

/* Measure a run. 0 with *out filled (mc_run_measures_fini), MC_ENORUN, MC_END for a span without
 * frames, MC_EGONE when stopped, or what reading can say. */
int mc_run_measure(struct mc_reader *r, const struct mc_measure_options *opts,
                   struct mc_run_measures *out);
void mc_run_measures_fini(struct mc_run_measures *m);

/* The first frame of the span by which a request had been answered. MC_END: there is none. */
int mc_run_first_request(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                         int64_t *ts);

#endif
