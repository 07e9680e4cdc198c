/* permutation.h: which of many measures differ between two sets of runs: permutation tests, and
 * what keeps many of them at once honest.
 *
 * Runs are compared by one number each, because samples within a run are autocorrelated: tests that
 * take them for independent find a difference between two runs of one program in 65 % of measures
 * at a lag-1 correlation of 0.9.
 * Threads: no state but the caller's. The same data give the same answer.
 */
#ifndef MC_PERMUTATION_H
#define MC_PERMUTATION_H

#include <stddef.h>
#include <stdint.h>

/* What all tests see: one number per measure and run, the runs of side A first. */
struct mc_permutation {
    const double *values; /* borrowed; measure_count rows of a_count + b_count; NAN: none */
    const double *least;  /* borrowed; per measure, a smaller difference of means is none */
    size_t measure_count, a_count, b_count;
    uint64_t seed;
};

/* Relabel whole runs, all measures together (Fisher 1935): every labelling where there are at most
 * 20,000, else the true one and 9,999 drawn (Phipson and Smyth 2010: p is never 0). Fill in for
 * each measure:
 *
 * p: two-sided, how often the difference of means is as large as it is.
 *
 * family_p: how often any measure stands out by as much as this one does: step-down maxT of
 *   Westfall and Young 1993 (algorithm 4.1; Ge, Dudoit and Speed 2003). Calling the measures with
 *   family_p <= r different calls any alike one different in at most r of comparisons, whatever the
 *   correlations among measures. It can be as small as p, however many measures there are: a single
 *   measure can be told. What stands out is the difference of means over its standard deviation
 *   within sides, with the least effect added to that as Tusher, Tibshirani and Chu 2001 add s0: or
 *   counters that took two values by chance would top everything.
 *
 * 0 or MC_ENOMEM. With an empty side all are 1. */
int mc_permutation_test(const struct mc_permutation *in, double *p, double *family_p);
/* The smallest p with so many runs. */
double mc_permutation_least_p(size_t a_count, size_t b_count);

/* Benjamini and Hochberg 1995: adjusted[i] <= rate for those i that may be called different with a
 * rate of false discoveries of at most `rate`. 0 or MC_ENOMEM. */
int mc_false_discovery(const double *p, size_t count, double *adjusted);

#endif
