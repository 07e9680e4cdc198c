/* least_squares.h: linear fits, and how sure their coefficients are.
 *
 * Threads: no state but the caller's.
 */
#ifndef MC_LEAST_SQUARES_H
#define MC_LEAST_SQUARES_H

#include <stddef.h>

/* Non-negative least squares, y about X b, by cyclic coordinate descent: x is row_count rows of
 * column_count. The result is the caller's b[column_count]. Allocates; 0 or MC_ENOMEM. */
int mc_nonnegative_fit(const double *x, const double *y, size_t row_count, size_t column_count,
                       double *b);

/* Least squares, y about X b, with the variance of each coefficient: the largest of the classical
 * one, the one of errors that differ from row to row (HC3, MacKinnon and White 1985) and the one of
 * errors that go on over `lag_count` rows (Newey and West 1987). b and variance are the caller's,
 * column_count each. Allocates. 0; MC_EINVAL where the columns can't be told apart, or there are
 * not more rows than columns; MC_ENOMEM. */
int mc_robust_fit(const double *x, const double *y, size_t row_count, size_t column_count,
                  size_t lag_count, double *b, double *variance);

#endif
