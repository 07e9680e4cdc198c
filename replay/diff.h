/* diff.h: two sides of one or more runs: what differs, by how much, since when, and whether that is
 * more than noise.
 *
 * With 5 or more runs a side each measure is tested (stats.h); with fewer nothing is: effects are
 * shown with the intervals that the runs' own noise leaves, and only what is clear of them by far
 * gets a verdict.
 * Threads: one thread per object.
 */
#ifndef MC_DIFF_H
#define MC_DIFF_H

#include "replay/measure.h"
#include "tracer/buf.h"

#define MC_DIFF_TEST_RUNS 5u
#define MC_DIFF_RATE 0.05 /* of false discoveries: what both ways of telling together may give */
#define MC_DIFF_RATE_BH 0.025
#define MC_DIFF_RATE_FAMILY 0.025
#define MC_DIFF_EFFECT_PCT 5.0
#define MC_DIFF_TIME_PCT 25.0 /* without a test, the least effect of measures that are times */

enum mc_verdict { MC_VERDICT_WORSE, MC_VERDICT_BETTER, MC_VERDICT_CANNOT_TELL, MC_VERDICT_SAME };
/* "worse", "better", "cannot tell", "same". Static. */
const char *mc_verdict_name(enum mc_verdict verdict);

enum mc_align {
    MC_ALIGN_CLOCK,         /* by the time since the span began */
    MC_ALIGN_FIRST_REQUEST, /* the span begins with the first request */
    MC_ALIGN_REQUESTS,      /* by how many requests had been served */
    MC_ALIGN_MARK           /* the span begins at a mark */
};
/* "clock", "first-request", "requests", "mark". Static. */
const char *mc_align_name(enum mc_align align);

struct mc_diff_row {
    const struct mc_measure *like; /* borrowed from a run: key, stat, unit, direction */
    double a, b, delta;            /* means over the runs of a side */
    double whole;                  /* what 100 % is; 0: side A has nothing */
    double pct;                    /* delta of the whole; INFINITY where that is 0 */
    int has_interval;              /* 95 %, of delta */
    double low, high;
    int is_tested;
    double p, adjusted_p, family_p; /* permutation.h */
    enum mc_verdict verdict;
    int changed;                      /* clearly different, also where neither way is worse */
    const char *why;                  /* static: what keeps it from a verdict; "" */
    const float *a_series, *b_series; /* borrowed; of the sides' first runs; may be NULL */
    int64_t at_a, at_b;               /* ts of the largest difference; INT64_MIN: no moment */
    int64_t since_a, since_b;         /* from when on it differs; INT64_MIN: not known */
};

struct mc_diff_side {
    const struct mc_run_measures *runs; /* borrowed */
    size_t run_count;
};

struct mc_diff_leak {
    const struct mc_leak *leak; /* borrowed */
    size_t side, run_idx;       /* the side's run that it was found in */
    size_t runs;                /* of the side: it was found in so many */
    int is_new;                 /* the other side has none in that place */
    const char *suspect;        /* borrowed; the one route that only this side serves, or NULL */
    int suspect_bytes;          /* its length */
};

struct mc_diff {
    struct mc_diff_side sides[2];
    enum mc_align align;
    double min_effect_pct;
    int is_test;
    struct mc_diff_row *rows; /* owned; ranked: what is worse first */
    size_t row_count;
    size_t counts[4]; /* of rows by verdict */
    size_t changed_count;
    struct mc_diff_leak *leaks; /* owned */
    size_t leak_count;
    char **notes; /* owned, each too, one line each: first what was set up otherwise on side B,
                     then what limits the answer */
    size_t note_count, setup_count;
    uint32_t note_room;
    int is_different; /* something is worse or better, or leaks on side B only */
};

struct mc_diff_options {
    enum mc_align align;
    double min_effect_pct; /* at least so much of the whole, to be worse or better */
};

/* Compare. Both sides stay the caller's and must outlive *out. 0; MC_EINVAL when the sides share no
 * source: there is nothing to compare; MC_ENOMEM. */
int mc_diff_make(const struct mc_diff_side *a, const struct mc_diff_side *b,
                 const struct mc_diff_options *opts, struct mc_diff *out);
void mc_diff_fini(struct mc_diff *d);
/* Add a note; printf's. */
void mc_diff_note(struct mc_diff *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The place on side 1 of what is at a ts of side 0's first run, by the alignment; INT64_MIN where
 * that run has nothing. part: where in the shared span, 0 to 1. */
int64_t mc_diff_place(const struct mc_diff *d, size_t side, double part);

/* ---- conditions for CI: 'p99>5%,leak' ---- */

struct mc_diff_condition {
    char text[160]; /* as given */
    char stat[128]; /* a measure's statistic, or a part of its key or name */
    int is_leak, is_worse;
    double pct;
    int is_known;            /* there is a measure that it is about */
    int outcome;             /* 1 it holds, 0 it does not, -1 can't be told */
    const char *stat_reason; /* key of the measure that decided; borrowed; NULL none */
};
#define MC_DIFF_CONDITIONS_MAX 16u
/* Parse a comma list. The number of conditions, or MC_EINVAL with one line in `why`. */
int mc_diff_conditions(const char *text, struct mc_diff_condition *out, char *why,
                       size_t why_bytes);
/* Fill in each outcome. Returns 1 when any holds. */
int mc_diff_conditions_check(const struct mc_diff *d, struct mc_diff_condition *c, size_t count);

/* ---- reports ---- */

/* A page of text: the verdict first, then the ranked table, leaks, notes. all: also what is the
 * same. */
void mc_diff_text(const struct mc_diff *d, int all, struct mc_buf *out);
/* JSON; the schema stands at the head of diff_json.c. */
void mc_diff_json(const struct mc_diff *d, const struct mc_diff_condition *conditions,
                  size_t condition_count, struct mc_buf *out);
/* A pool's slots at the moment to look at: bit 0 where side A uses the slot, bit 1 where B does. */
struct mc_diff_map {
    char *name;     /* owned */
    uint8_t *slots; /* owned */
    uint32_t slot_count;
    int64_t at_a, at_b;
};
/* The maps of up to `room` pools that both first runs have with as many slots, those that differ
 * most in their measures first; files are read by the runs' paths. Returns how many, or a negative
 * code. Free each with mc_diff_map_fini. */
int mc_diff_maps(const struct mc_diff *d, struct mc_diff_map *out, size_t room);
void mc_diff_map_fini(struct mc_diff_map *map);
/* One HTML file that needs nothing else: the page of text with the series laid over each other and
 * the maps' differences. */
void mc_diff_html(const struct mc_diff *d, const struct mc_diff_condition *conditions,
                  size_t condition_count, const struct mc_diff_map *maps, size_t map_count,
                  struct mc_buf *out);
/* A number with its unit, as people read it: "1.5 MiB", "230 us". */
void mc_diff_number(struct mc_buf *out, double value, const char *unit);
/* ts as "12.3 s" or "1:02:03". */
void mc_diff_time(struct mc_buf *out, int64_t ns);

#endif
