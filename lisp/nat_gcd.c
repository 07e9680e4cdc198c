/* nat_gcd.c: the greatest common divisor, by Lehmer's method (Knuth, The Art of Computer
 * Programming 2, 4.5.2, algorithm L): Euclid's steps are tried on the leading 62 bits of both
 * numbers, some thirty bits' worth at a time, and done on all limbs at once.
 */
#include <string.h>

#include "lisp/nat.h"

#define LEAD_BITS 62

/* What many steps of Euclid's make of x and y: a * x + b * y, and c * x + d * y. */
struct steps {
    int64_t a, b, c, d;
};

/* LEAD_BITS of a number from bit `from` on. */
static int64_t lead(const uint64_t *limbs, size_t count, size_t from)
{
    size_t at = from / 64, shift = from % 64;
    uint64_t low = at < count ? limbs[at] >> shift : 0;
    uint64_t high = shift && at + 1 < count ? limbs[at + 1] << (64 - shift) : 0;
    return (int64_t)((low | high) & (((uint64_t)1 << LEAD_BITS) - 1));
}

/* As many steps as the leading bits tell for sure; b is 0 when there is none. */
static struct steps steps_find(int64_t x, int64_t y)
{
    struct steps s = {1, 0, 0, 1};
    while (y + s.c != 0 && y + s.d != 0) {
        int64_t q = (x + s.a) / (y + s.c), rest;
        if (q != (x + s.b) / (y + s.d))
            break;
        s = (struct steps){s.c, s.d, s.a - q * s.c, s.b - q * s.d};
        rest = x - q * y;
        x = y;
        y = rest;
    }
    return s;
}

/* Both sums at once, in place; `count` limbs of each. */
static void steps_apply(const struct steps *s, uint64_t *x, uint64_t *y, size_t count)
{
    __int128 more = 0, less = 0;
    for (size_t i = 0; i < count; i++) {
        more += (__int128)x[i] * s->a + (__int128)y[i] * s->b;
        less += (__int128)x[i] * s->c + (__int128)y[i] * s->d;
        x[i] = (uint64_t)more;
        y[i] = (uint64_t)less;
        more >>= 64;
        less >>= 64;
    }
}

static uint64_t gcd_small(uint64_t x, uint64_t y)
{
    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

static void swap(uint64_t **x, size_t *x_count, uint64_t **y, size_t *y_count)
{
    uint64_t *limbs = *x;
    size_t count = *x_count;
    *x = *y;
    *x_count = *y_count;
    *y = limbs;
    *y_count = count;
}

size_t scm_nat_gcd(uint64_t *a, size_t a_count, uint64_t *b, size_t b_count, uint64_t *work)
{
    uint64_t *x = a, *y = b;
    if (scm_nat_compare(a, a_count, b, b_count) < 0)
        swap(&x, &a_count, &y, &b_count);
    size_t x_count = a_count, y_count = b_count;
    while (y_count > 0 && x_count > 1) {
        size_t from = scm_nat_bits(x, x_count) - LEAD_BITS;
        struct steps s = steps_find(lead(x, x_count, from), lead(y, y_count, from));
        if (s.b == 0) {
            scm_nat_divide(work, x, x_count, y, y_count);
            x_count = scm_nat_trim(x, y_count);
            swap(&x, &x_count, &y, &y_count);
        } else {
            memset(y + y_count, 0, (x_count - y_count) * sizeof *y);
            steps_apply(&s, x, y, x_count);
            y_count = scm_nat_trim(y, x_count);
            x_count = scm_nat_trim(x, x_count);
        }
    }
    if (y_count > 0)
        x[0] = gcd_small(x[0], y[0]);
    if (x != a)
        memcpy(a, x, x_count * sizeof *a);
    return x_count;
}
