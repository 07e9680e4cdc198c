/* least_squares.c: linear fits; each method names its source in least_squares.h. */
#include "replay/least_squares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

/* What a column has of its own, of its square, after those before it are taken out: less than this
 * is rounding. */
#define OWN_LEAST 1e-10
#define LEVERAGE_MOST 0.999

/* ---- non-negative least squares -----------------------------------------------------------------
 */

int mc_nonnegative_fit(const double *x, const double *y, size_t row_count, size_t column_count,
                       double *b)
{
    double *left = malloc((row_count + 1) * sizeof *left);
    if (!left)
        return MC_ENOMEM;
    memcpy(left, y, row_count * sizeof *left);
    memset(b, 0, column_count * sizeof *b);
    for (int round = 0; round < 400; round++) {
        double moved = 0;
        for (size_t c = 0; c < column_count; c++) {
            double dot = 0, norm = 0;
            for (size_t r = 0; r < row_count; r++) {
                double v = x[r * column_count + c];
                dot += v * left[r];
                norm += v * v;
            }
            if (norm <= 0)
                continue;
            double next = b[c] + dot / norm;
            double step = (next > 0 ? next : 0) - b[c];
            for (size_t r = 0; step != 0 && r < row_count; r++)
                left[r] -= step * x[r * column_count + c];
            b[c] += step;
            moved += fabs(step) * sqrt(norm);
        }
        if (moved < 1e-9 * (1 + fabs(y[0])))
            break;
    }
    free(left);
    return 0;
}

/* ---- with variances -----------------------------------------------------------------------------
 */

/* A symmetric matrix's inverse in its place, by Gauss and Jordan without pivots: the matrix is one
 * of products of columns, each of length 1. 0 where a column is made of others. */
static int invert(double *a, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double own = a[k * n + k];
        if (own < OWN_LEAST)
            return 0;
        a[k * n + k] = 1;
        for (size_t c = 0; c < n; c++)
            a[k * n + c] /= own;
        for (size_t r = 0; r < n; r++) {
            double factor = a[r * n + k];
            if (r == k || factor == 0)
                continue;
            a[r * n + k] = 0;
            for (size_t c = 0; c < n; c++)
                a[r * n + c] -= factor * a[k * n + c];
        }
    }
    return 1;
}

struct fit {
    size_t rows, columns;
    double *x;       /* with columns of length 1 */
    double *length;  /* of the columns as they were */
    double *inverse; /* of the columns' products */
    double *left;    /* what the fit leaves of y */
    double *pull;    /* how much of the coefficient at hand is a row's */
    double *leverage;
};

static int fit_init(struct fit *f, const double *x, size_t rows, size_t columns)
{
    *f = (struct fit){.rows = rows, .columns = columns};
    double *all = calloc(rows * columns + columns + columns * columns + 3 * rows, sizeof *all);
    if (!all)
        return MC_ENOMEM;
    f->x = all;
    f->length = f->x + rows * columns;
    f->inverse = f->length + columns;
    f->left = f->inverse + columns * columns;
    f->pull = f->left + rows;
    f->leverage = f->pull + rows;
    for (size_t i = 0; i < rows * columns; i++)
        f->length[i % columns] += x[i] * x[i];
    for (size_t c = 0; c < columns; c++)
        f->length[c] = sqrt(f->length[c]);
    for (size_t i = 0; i < rows * columns; i++)
        f->x[i] = f->length[i % columns] > 0 ? x[i] / f->length[i % columns] : 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < columns; i++)
            for (size_t k = 0; k < columns; k++)
                f->inverse[i * columns + k] += f->x[r * columns + i] * f->x[r * columns + k];
    return 0;
}

static void solve(struct fit *f, const double *y, double *b)
{
    size_t n = f->columns;
    for (size_t c = 0; c < n; c++) {
        b[c] = 0;
        for (size_t r = 0; r < f->rows; r++) {
            double pull = 0;
            for (size_t k = 0; k < n; k++)
                pull += f->inverse[c * n + k] * f->x[r * n + k];
            b[c] += pull * y[r];
            f->leverage[r] += pull * f->x[r * n + c];
        }
    }
    for (size_t r = 0; r < f->rows; r++) {
        f->left[r] = y[r];
        for (size_t k = 0; k < n; k++)
            f->left[r] -= b[k] * f->x[r * n + k];
    }
}

/* The variance of coefficient c, of columns of length 1. */
static double variance_of(struct fit *f, size_t c, size_t lag_count)
{
    size_t n = f->columns;
    double squares = 0, apart = 0, along = 0;
    for (size_t r = 0; r < f->rows; r++) {
        double pull = 0, rest = 1 - fmin(f->leverage[r], LEVERAGE_MOST);
        for (size_t k = 0; k < n; k++)
            pull += f->inverse[c * n + k] * f->x[r * n + k];
        f->pull[r] = pull * f->left[r] / rest;
        squares += f->left[r] * f->left[r];
        apart += f->pull[r] * f->pull[r];
    }
    for (size_t lag = 1; lag <= lag_count; lag++) {
        double taper = 1 - (double)lag / (double)(lag_count + 1), sum = 0;
        for (size_t r = lag; r < f->rows; r++)
            sum += f->pull[r] * f->pull[r - lag];
        along += 2 * taper * sum;
    }
    double classical = squares / (double)(f->rows - n) * f->inverse[c * n + c];
    return fmax(classical, apart + fmax(0, along));
}

int mc_robust_fit(const double *x, const double *y, size_t row_count, size_t column_count,
                  size_t lag_count, double *b, double *variance)
{
    struct fit f;
    if (row_count <= column_count || !column_count)
        return MC_EINVAL;
    if (fit_init(&f, x, row_count, column_count))
        return MC_ENOMEM;
    if (!invert(f.inverse, column_count)) {
        free(f.x);
        return MC_EINVAL;
    }
    solve(&f, y, b);
    for (size_t c = 0; c < column_count; c++) {
        variance[c] = variance_of(&f, c, lag_count) / (f.length[c] * f.length[c]);
        b[c] /= f.length[c];
    }
    free(f.x);
    return 0;
}
