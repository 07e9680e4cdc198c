/* nat.h: natural numbers as arrays of 64-bit limbs, the least first.
 *
 * Never: allocates; the caller gives the room. Counts are without leading zero limbs where it says
 *        "trimmed"; zero has none.
 */
#ifndef SCM_NAT_H
#define SCM_NAT_H

#include <stddef.h>
#include <stdint.h>

size_t scm_nat_trim(const uint64_t *a, size_t count);
size_t scm_nat_bits(const uint64_t *a, size_t count); /* trimmed */

/* <0, 0, >0; trimmed. */
int scm_nat_compare(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count);

/* out has room for a_count + 1 limbs, a_count >= b_count; may be a or b. Returns its trimmed count.
 */
size_t scm_nat_add(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count);
/* a - b, where a >= b; out has room for a_count limbs; may be a or b. */
size_t scm_nat_sub(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count);
/* out has room for a_count + b_count limbs; is neither a nor b. */
size_t scm_nat_mul(uint64_t *out, const uint64_t *a, size_t a_count, const uint64_t *b,
                   size_t b_count);
/* a = a * factor + more; a has room for one limb more. */
size_t scm_nat_mul_small(uint64_t *a, size_t count, uint64_t factor, uint64_t more);
/* a = a / divisor; the rest is returned. The divisor is not 0. */
uint64_t scm_nat_div_small(uint64_t *a, size_t count, uint64_t divisor);
/* a / b, trimmed, a_count >= b_count >= 1: the quotient (a_count - b_count + 1 limbs) and the rest,
 * which takes the place of a's low b_count limbs. `a` has a limb of room above, `b` is used as work
 * space and left as it was. */
void scm_nat_divide(uint64_t *quotient, uint64_t *a, size_t a_count, uint64_t *b, size_t b_count);
/* The greatest common divisor comes into a; its trimmed count. a and b, trimmed, have room for one
 * limb more than the longer of them, work for two more; b is used up. */
size_t scm_nat_gcd(uint64_t *a, size_t a_count, uint64_t *b, size_t b_count, uint64_t *work);
/* out has room for count + bits / 64 + 1 limbs; may be a for the right shift. */
size_t scm_nat_shift_left(uint64_t *out, const uint64_t *a, size_t count, size_t bits);
size_t scm_nat_shift_right(uint64_t *out, const uint64_t *a, size_t count, size_t bits);

/* The nearest double, ties to even, of a * 2^exponent; `is_more`: a is cut, there is more below. */
double scm_nat_to_double(const uint64_t *a, size_t count, int64_t exponent, int is_more);

#endif
