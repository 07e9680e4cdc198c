/* measure_priv.h: measures in the making. */
#ifndef MC_MEASURE_PRIV_H
#define MC_MEASURE_PRIV_H

#include "replay/run_scan_priv.h"

#define MC_MAKER_SEED UINT64_C(0x6d656d63616d)

struct mc_maker {
    const struct mc_run_scan *scan;
    const struct mc_measure_options *opts;
    struct mc_run_measures *out;
    const struct mc_source *source; /* the one being measured */
    double *series;                 /* bin_count: the measure's series, NAN for none */
    double *work;                   /* bin_count */
    double *requests;               /* bin_count: per bin, NAN for none recorded */
    double *collected;              /* MC_SCAN_COLLECTIONS */
    int failed;
};

/* A new measure "kind/source/what" with that value. NULL when memory is short. */
struct mc_measure *mc_maker_add(struct mc_maker *m, const char *stat, const char *unit,
                                int direction, double value, const char *what, ...)
    __attribute__((format(printf, 6, 7)));
/* Keep m->series with the measure (NULL: nothing). */
void mc_maker_keep_series(struct mc_maker *m, struct mc_measure *measure);
/* The interval of a measure by a series that stands for its noise. */
void mc_maker_interval(struct mc_maker *m, struct mc_measure *measure, const double *series,
                       size_t count, enum mc_statistic statistic);
/* Both of these, by m->series. */
void mc_maker_finish(struct mc_maker *m, struct mc_measure *measure, enum mc_statistic statistic);

/* What a time may be by itself, without any difference between the programs, by how late the
 * recorder's ticks came. ns. */
double mc_maker_time_grain(const struct mc_maker *m, const char *stat);

/* A value's bins into m->series. */
enum mc_bin_part { MC_BIN_MEAN, MC_BIN_MAX };
void mc_maker_series_of(struct mc_maker *m, uint32_t value_idx, enum mc_bin_part part);
/* The histograms of all segments together. */
void mc_maker_sum_segments(const uint32_t *counts, size_t bin_count, uint64_t *sum);
/* A quantile's interval. A level may stay at one value, in most frames or all: then the interval
 * has no width; what sampling does to it is its grain. */
void mc_maker_put_interval(struct mc_maker *m, struct mc_measure *measure, double low, double high);
/* A quantile that lies on a steep part of its distribution is another one in the next run, however
 * alike the runs are: its interval reaches over the ranks beside it, a tenth of all about the
 * median, half of what is above it at the tail. */
double mc_maker_rank_beside(double q, int side);

/* The measures of a field of m->source: of a level, of one that counts up, of one for each of
 * another, of the histogram. */
void mc_maker_level(struct mc_maker *m, uint32_t field, const char *unit, int direction);
void mc_maker_rate(struct mc_maker *m, uint32_t field, const char *unit, double factor,
                   int direction);
void mc_maker_ratio(struct mc_maker *m, uint32_t field, uint32_t per_field, double factor,
                    const char *unit, int direction, const char *what);
void mc_maker_quantiles(struct mc_maker *m, const char *what, const char *unit, int direction);

/* The quantiles of a histogram of which there is one for each segment. */
struct mc_maker_histogram {
    const uint32_t *counts; /* by segment: MC_BUCKET_COUNT */
    const char *what, *unit;
    int direction;
    const uint32_t *fields; /* of m->source, the series of p50, p95, p99 and max; NULL: there are
                               none, and p50 and p99 alone are measured */
};
void mc_maker_histogram(struct mc_maker *m, const struct mc_maker_histogram *h);

/* How much a value that counts up grew in the span. */
double mc_maker_growth(const struct mc_maker *m, uint32_t value_idx);
/* Into `to`: growth in each bin since the last bin that has anything; NAN for an empty one. `to`
 * is added to where `more` is set. */
void mc_maker_growth_series(const struct mc_maker *m, uint32_t value_idx, double *to, int more);
/* Scale m->series; a bin after empty ones holds what grew meanwhile too. */
void mc_maker_per_second(struct mc_maker *m, double factor);
/* A measure that is a ratio of sums, factor * m->series over m->work. Its series is the bins'
 * ratios; its interval is that of what each bin adds to the ratio (Cochran 1977, 6.3), as bins of
 * few requests count for little. */
void mc_maker_finish_ratio(struct mc_maker *m, struct mc_measure *measure, double factor);

/* measure_sources.c: all measures of m->source. */
void mc_maker_source(struct mc_maker *m);

#endif
