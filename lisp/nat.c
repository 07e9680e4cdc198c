/* nat.c: see nat.h. Schoolbook methods: integers are bounded (number_priv.h), so that the longest
 * of these operations takes some tenths of a second.
 *
 * Division is Knuth's algorithm D (The Art of Computer Programming 2, 4.3.1); by one limb, it
 * multiplies by a reciprocal (Möller and Granlund, "Improved division by invariant integers").
 */
#include "lisp/nat.h"

#include <math.h>
#include <string.h>

typedef unsigned __int128 u128;

size_t scm_nat_trim(const uint64_t *a, size_t count)
{
    while (count > 0 && a[count - 1] == 0)
        count--;
    return count;
}

size_t scm_nat_bits(const uint64_t *a, size_t count)
{
    return count == 0 ? 0 : count * 64 - (size_t)__builtin_clzll(a[count - 1]);
}

int scm_nat_compare(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count)
{
    if (a_count != b_count)
        return a_count < b_count ? -1 : 1;
    for (size_t i = a_count; i-- > 0;)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

size_t scm_nat_add(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count)
{
    u128 carry = 0;
    for (size_t i = 0; i < a_count; i++) {
        carry += (u128)a[i] + (i < b_count ? b[i] : 0);
        out[i] = (uint64_t)carry;
        carry >>= 64;
    }
    out[a_count] = (uint64_t)carry;
    return scm_nat_trim(out, a_count + 1);
}

size_t scm_nat_sub(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < a_count; i++) {
        u128 difference = (u128)a[i] - (i < b_count ? b[i] : 0) - borrow;
        out[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return scm_nat_trim(out, a_count);
}

/* out[0..count] += a * factor; returns the carry above. */
static uint64_t add_product(uint64_t *out, const uint64_t *a, size_t count, uint64_t factor)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < count; i++) {
        u128 sum = (u128)a[i] * factor + out[i] + carry;
        out[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry;
}

size_t scm_nat_mul(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count)
{
    memset(out, 0, (a_count + b_count) * sizeof *out);
    for (size_t i = 0; i < b_count; i++)
        out[i + a_count] = add_product(out + i, a, a_count, b[i]);
    return scm_nat_trim(out, a_count + b_count);
}

size_t scm_nat_mul_small(uint64_t *a, size_t count, uint64_t factor, uint64_t more)
{
    for (size_t i = 0; i < count; i++) {
        u128 product = (u128)a[i] * factor + more;
        a[i] = (uint64_t)product;
        more = (uint64_t)(product >> 64);
    }
    a[count] = more;
    return scm_nat_trim(a, count + 1);
}

/* floor((2^128 - 1) / divisor) - 2^64, of a divisor whose top bit is set. */
static uint64_t reciprocal(uint64_t divisor)
{
    return (uint64_t)((((u128)~divisor << 64) | UINT64_MAX) / divisor);
}

/* high:low / divisor, with high < divisor. */
static inline uint64_t divide_step(uint64_t high, uint64_t low, uint64_t divisor, uint64_t inverse,
                                   uint64_t *rest)
{
    u128 q = (u128)inverse * high + (((u128)high << 64) | low);
    uint64_t quotient = (uint64_t)(q >> 64) + 1, r = low - quotient * divisor;
    if (r > (uint64_t)q) {
        quotient--;
        r += divisor;
    }
    if (__builtin_expect(r >= divisor, 0)) {
        quotient++;
        r -= divisor;
    }
    *rest = r;
    return quotient;
}

uint64_t scm_nat_div_small(uint64_t *a, size_t count, uint64_t divisor)
{
    int shift = __builtin_clzll(divisor);
    uint64_t d = divisor << shift, inverse = reciprocal(d), rest = 0;
    for (size_t i = count; i-- > 0;) {
        /* the rest is below the divisor: shifted, it makes room for the next limb's top bits */
        uint64_t high = shift ? rest << shift | a[i] >> (64 - shift) : rest;
        a[i] = divide_step(high, a[i] << shift, d, inverse, &rest);
        rest >>= shift;
    }
    return rest;
}

static void shift_up(uint64_t *a, size_t count, int shift)
{
    for (size_t i = count; shift && i-- > 0;)
        a[i] = a[i] << shift | (i > 0 ? a[i - 1] >> (64 - shift) : 0);
}

static void shift_down(uint64_t *a, size_t count, int shift)
{
    for (size_t i = 0; shift && i < count; i++)
        a[i] = a[i] >> shift | (i + 1 < count ? a[i + 1] << (64 - shift) : 0);
}

/* The next limb of the quotient: at most two too large, by the two top limbs of b (step D3). */
static uint64_t guess(const uint64_t *a, size_t at, const uint64_t *b, size_t b_count)
{
    u128 top = (u128)a[at] << 64 | a[at - 1];
    u128 q = a[at] >= b[b_count - 1] ? UINT64_MAX : top / b[b_count - 1];
    u128 rest = top - q * b[b_count - 1];
    while (rest >> 64 == 0 && q * b[b_count - 2] > (rest << 64 | a[at - 2])) {
        q--;
        rest += b[b_count - 1];
    }
    return (uint64_t)q;
}

/* a[0..count] -= b * factor; returns what is missing above. */
static uint64_t sub_product(uint64_t *a, const uint64_t *b, size_t count, uint64_t factor)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < count; i++) {
        u128 product = (u128)b[i] * factor + borrow;
        borrow = (uint64_t)(product >> 64) + (a[i] < (uint64_t)product);
        a[i] -= (uint64_t)product;
    }
    return borrow;
}

void scm_nat_divide(uint64_t *quotient, uint64_t *a, size_t a_count, uint64_t *b, size_t b_count)
{
    if (b_count == 1) {
        uint64_t rest = scm_nat_div_small(a, a_count, b[0]);
        memcpy(quotient, a, a_count * sizeof *a);
        a[0] = rest;
        return;
    }
    int shift = __builtin_clzll(b[b_count - 1]);
    a[a_count] = 0;
    shift_up(a, a_count + 1, shift);
    shift_up(b, b_count, shift);
    for (size_t i = a_count - b_count + 1; i-- > 0;) {
        uint64_t q = guess(a, i + b_count, b, b_count);
        uint64_t missing = sub_product(a + i, b, b_count, q), top = a[i + b_count];
        a[i + b_count] = top - missing;
        if (top < missing) { /* one too large: give one b back (step D6) */
            q--;
            uint64_t carry = add_product(a + i, b, b_count, 1);
            a[i + b_count] += carry;
        }
        quotient[i] = q;
    }
    shift_down(a, b_count, shift);
    shift_down(b, b_count, shift);
}

size_t scm_nat_shift_left(uint64_t *out, const uint64_t *a, size_t count, size_t bits)
{
    size_t limbs = bits / 64;
    memmove(out + limbs, a, count * sizeof *a);
    memset(out, 0, limbs * sizeof *out);
    out[limbs + count] = 0;
    shift_up(out + limbs, count + 1, (int)(bits % 64));
    return scm_nat_trim(out, limbs + count + 1);
}

size_t scm_nat_shift_right(uint64_t *out, const uint64_t *a, size_t count, size_t bits)
{
    size_t limbs = bits / 64;
    if (limbs >= count)
        return 0;
    memmove(out, a + limbs, (count - limbs) * sizeof *a);
    shift_down(out, count - limbs, (int)(bits % 64));
    return scm_nat_trim(out, count - limbs);
}

/* A long double holds 64 bits: the low one stands for all that was cut, so that the one rounding,
 * to a double of any size, is right. */
double scm_nat_to_double(const uint64_t *a, size_t count, int64_t exponent, int is_more)
{
    if (count == 0)
        return 0;
    int shift = __builtin_clzll(a[count - 1]);
    uint64_t top = a[count - 1] << shift, below = count > 1 ? a[count - 2] : 0;
    if (shift && count > 1)
        top |= below >> (64 - shift);
    int is_cut = is_more || (count > 1 && (below << shift) != 0);
    for (size_t i = 0; !is_cut && i + 2 < count; i++)
        is_cut = a[i] != 0;
    int64_t e = exponent + (int64_t)(count - 1) * 64 - shift;
    return (double)ldexpl((long double)(top | (uint64_t)is_cut), e > 5000    ? 5000
                                                                 : e < -5000 ? -5000
                                                                             : (int)e);
}
