/* number_priv.h: exact integers of any size and exact fractions.
 *
 * Format:  an exact integer is a fixnum, or a BIGNUM cell when it does not fit one: limbs, their
 *          bytes (a, b), its sign (small: 1 negative), their count (aux). An exact fraction is a
 *          RATIO cell: numerator, denominator (a, b), both exact integers, without common factor,
 *          the denominator above 1. So equal numbers look equal.
 * Never:   takes longer than some tenths of a second for one operation: integers have at most
 *          SCM_INTEGER_BITS bits; more is a condition of kind "limit".
 *
 * All that return a value fail with SCM_FAILED; arguments need not be rooted.
 */
#ifndef SCM_NUMBER_PRIV_H
#define SCM_NUMBER_PRIV_H

#include "lisp/scm_priv.h"

#define SCM_INTEGER_BITS (1u << 19) /* 157,826 decimal digits */

static inline int scm_is_bignum(scm_value v)
{
    return scm_is(v, SCM_T_BIGNUM);
}
static inline int scm_is_exact_integer(scm_value v)
{
    return scm_is_fixnum(v) || scm_is_bignum(v);
}
static inline int scm_is_ratio(scm_value v)
{
    return scm_is(v, SCM_T_RATIO);
}
static inline int scm_is_flonum(scm_value v)
{
    return scm_is(v, SCM_T_FLONUM);
}
static inline int scm_is_exact(scm_value v)
{
    return scm_is_exact_integer(v) || scm_is_ratio(v);
}
static inline int scm_is_number(scm_value v)
{
    return scm_is_exact(v) || scm_is_flonum(v);
}

/* ---- integer.c: exact integers --------------------------------------------------------------- */

int scm_int_sign(scm_value v); /* -1, 0, 1 */
int scm_int_is_odd(scm_value v);
size_t scm_int_bits(scm_value v); /* of its magnitude */
int scm_int_compare(scm_value a, scm_value b);
scm_value scm_int_add(struct scm_vm *vm, scm_value a, scm_value b);
scm_value scm_int_sub(struct scm_vm *vm, scm_value a, scm_value b);
scm_value scm_int_mul(struct scm_vm *vm, scm_value a, scm_value b);
scm_value scm_int_negate(struct scm_vm *vm, scm_value v);
/* Divide, towards zero or (is_floor) downwards; b is not 0. Quotient and rest go where they are
 * wanted (NULL: not). 0, or -1 with vm->pending. */
int scm_int_divide(struct scm_vm *vm, scm_value a, scm_value b, int is_floor, scm_value *quotient,
                   scm_value *rest);
scm_value scm_int_gcd(struct scm_vm *vm, scm_value a, scm_value b); /* not negative */
/* v * 2^bits */
scm_value scm_int_shift(struct scm_vm *vm, scm_value v, size_t bits);
/* The root of n >= 0, rounded down. */
scm_value scm_int_root(struct scm_vm *vm, scm_value n);
/* Of a finite flonum without a fraction. */
scm_value scm_int_from_double(struct scm_vm *vm, double x);
double scm_int_to_double(scm_value v);
double scm_int_log(scm_value v); /* of v > 0, which may be past the range of doubles */
double scm_int_quotient_to_double(scm_value num, scm_value den); /* the nearest; neither is 0 */
/* Digits in `radix`, all of them valid and at least one. */
scm_value scm_int_parse(struct scm_vm *vm, const char *digits, size_t count, int radix,
                        int is_negative);
void scm_int_print(scm_value v, int radix, struct mc_buf *out);

/* ---- ratio.c: integers and fractions --------------------------------------------------------- */

scm_value scm_ratio_numerator(scm_value exact);
scm_value scm_ratio_denominator(scm_value exact);
/* num / den, reduced: an integer when it is one; den is not 0. */
scm_value scm_ratio_make(struct scm_vm *vm, scm_value num, scm_value den);
/* op: SCM_OP_ADD, SCM_OP_SUB, SCM_OP_MUL, on exact numbers. */
scm_value scm_ratio_arith(struct scm_vm *vm, int op, scm_value a, scm_value b);
scm_value scm_ratio_divide(struct scm_vm *vm, scm_value a, scm_value b); /* b is not 0 */
/* *order: -1, 0, 1. 0, or -1 with vm->pending. */
int scm_ratio_compare(struct scm_vm *vm, scm_value a, scm_value b, int *order);
enum scm_rounding { SCM_FLOOR, SCM_CEILING, SCM_TRUNCATE, SCM_ROUND };
scm_value scm_ratio_round(struct scm_vm *vm, scm_value exact, enum scm_rounding how);
scm_value scm_ratio_from_double(struct scm_vm *vm, double x); /* finite */
double scm_ratio_to_double(scm_value exact);                  /* the nearest; any exact number */
/* base ^ exponent, exponent >= 0 */
scm_value scm_ratio_power(struct scm_vm *vm, scm_value base, uint64_t exponent);

/* number.c: any number as a double. */
double scm_to_double(scm_value number);

#endif
