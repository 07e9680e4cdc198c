/* ratio.c: exact numbers that may have a fraction; see number_priv.h. */
#include <math.h>

#include "lisp/nat.h"
#include "lisp/number_priv.h"
#include "lisp/op.h"

scm_value scm_ratio_numerator(scm_value exact)
{
    return scm_is_ratio(exact) ? scm_cell(exact)->a : exact;
}

scm_value scm_ratio_denominator(scm_value exact)
{
    return scm_is_ratio(exact) ? scm_cell(exact)->b : scm_fixnum(1);
}

/* The cell of a fraction that is reduced already. */
static scm_value fraction(struct scm_vm *vm, scm_value num, scm_value den)
{
    if (den == scm_fixnum(1))
        return num;
    scm_push_root(vm, &num);
    scm_push_root(vm, &den);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_RATIO);
    scm_pop_root(vm, 2);
    if (!cell)
        return SCM_FAILED;
    cell->a = num;
    cell->b = den;
    return scm_from_cell(cell);
}

/* num / den without the factor `common`, den made positive. */
static scm_value reduced(struct scm_vm *vm, scm_value num, scm_value den, scm_value common)
{
    scm_value v = SCM_FAILED;
    scm_push_root(vm, &num);
    scm_push_root(vm, &den);
    scm_push_root(vm, &common);
    if (scm_int_sign(den) < 0)
        common = scm_int_negate(vm, common);
    if (common != SCM_FAILED && scm_int_divide(vm, num, common, 0, &num, NULL) == 0 &&
        scm_int_divide(vm, den, common, 0, &den, NULL) == 0)
        v = fraction(vm, num, den);
    scm_pop_root(vm, 3);
    return v;
}

scm_value scm_ratio_make(struct scm_vm *vm, scm_value num, scm_value den)
{
    scm_push_root(vm, &num);
    scm_push_root(vm, &den);
    scm_value common = scm_int_gcd(vm, num, den);
    scm_value v = common == SCM_FAILED ? common : reduced(vm, num, den, common);
    scm_pop_root(vm, 2);
    return v;
}

/* The numerators of a and b over the product of their denominators: a.num * b.den and so on. */
static int cross(struct scm_vm *vm, scm_value a, scm_value b, scm_value *x, scm_value *y)
{
    *x = scm_int_mul(vm, scm_ratio_numerator(a), scm_ratio_denominator(b));
    if (*x == SCM_FAILED)
        return -1;
    *y = scm_int_mul(vm, scm_ratio_numerator(b), scm_ratio_denominator(a));
    return *y == SCM_FAILED ? -1 : 0;
}

/* Both are reduced: common factors are between one's numerator and the other's denominator only. */
static scm_value product(struct scm_vm *vm, scm_value a, scm_value b)
{
    scm_value x = SCM_FALSE, y = SCM_FALSE, v = SCM_FAILED;
    scm_push_root(vm, &a);
    scm_push_root(vm, &b);
    scm_push_root(vm, &x);
    scm_push_root(vm, &y);
    x = scm_ratio_make(vm, scm_ratio_numerator(a), scm_ratio_denominator(b));
    if (x != SCM_FAILED)
        y = scm_ratio_make(vm, scm_ratio_numerator(b), scm_ratio_denominator(a));
    if (x != SCM_FAILED && y != SCM_FAILED) {
        a = scm_int_mul(vm, scm_ratio_numerator(x), scm_ratio_numerator(y));
        b = a == SCM_FAILED ? a
                            : scm_int_mul(vm, scm_ratio_denominator(x), scm_ratio_denominator(y));
        v = b == SCM_FAILED ? b : fraction(vm, a, b);
    }
    scm_pop_root(vm, 4);
    return v;
}

scm_value scm_ratio_arith(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    scm_value x = SCM_FALSE, y = SCM_FALSE, v = SCM_FAILED;
    if (scm_is_exact_integer(a) && scm_is_exact_integer(b))
        return op == SCM_OP_ADD   ? scm_int_add(vm, a, b)
               : op == SCM_OP_SUB ? scm_int_sub(vm, a, b)
                                  : scm_int_mul(vm, a, b);
    if (op == SCM_OP_MUL)
        return product(vm, a, b);
    scm_push_root(vm, &a);
    scm_push_root(vm, &b);
    scm_push_root(vm, &x);
    scm_push_root(vm, &y);
    if (cross(vm, a, b, &x, &y) == 0)
        x = op == SCM_OP_ADD ? scm_int_add(vm, x, y) : scm_int_sub(vm, x, y);
    else
        x = SCM_FAILED;
    if (x != SCM_FAILED) {
        y = scm_int_mul(vm, scm_ratio_denominator(a), scm_ratio_denominator(b));
        v = y == SCM_FAILED ? y : scm_ratio_make(vm, x, y);
    }
    scm_pop_root(vm, 4);
    return v;
}

scm_value scm_ratio_divide(struct scm_vm *vm, scm_value a, scm_value b)
{
    scm_value x = SCM_FALSE, y = SCM_FALSE, v = SCM_FAILED;
    scm_push_root(vm, &a);
    scm_push_root(vm, &b);
    scm_push_root(vm, &x);
    scm_push_root(vm, &y);
    if (cross(vm, a, b, &x, &y) == 0)
        v = scm_ratio_make(vm, x, y);
    scm_pop_root(vm, 4);
    return v;
}

int scm_ratio_compare(struct scm_vm *vm, scm_value a, scm_value b, int *order)
{
    scm_value x = a, y = b;
    int code = 0;
    if (scm_is_ratio(a) || scm_is_ratio(b)) {
        scm_push_root(vm, &a);
        scm_push_root(vm, &b);
        scm_push_root(vm, &x);
        code = cross(vm, a, b, &x, &y);
        scm_pop_root(vm, 3);
    }
    if (code == 0)
        *order = scm_int_compare(x, y);
    return code;
}

/* The nearest integer to a / b, the even one of two: from the floor, by the rest against b / 2. */
static scm_value nearest(struct scm_vm *vm, scm_value num, scm_value den)
{
    scm_value q = SCM_FALSE, rest = SCM_FALSE;
    scm_push_root(vm, &den);
    scm_push_root(vm, &q);
    scm_push_root(vm, &rest);
    if (scm_int_divide(vm, num, den, 1, &q, &rest) ||
        (rest = scm_int_add(vm, rest, rest)) == SCM_FAILED) {
        q = SCM_FAILED;
    } else {
        int order = scm_int_compare(rest, den);
        if (order > 0 || (order == 0 && scm_int_is_odd(q)))
            q = scm_int_add(vm, q, scm_fixnum(1));
    }
    scm_pop_root(vm, 3);
    return q;
}

scm_value scm_ratio_round(struct scm_vm *vm, scm_value exact, enum scm_rounding how)
{
    if (!scm_is_ratio(exact))
        return exact;
    scm_value num = scm_cell(exact)->a, den = scm_cell(exact)->b, q;
    scm_push_root(vm, &exact);
    if (how == SCM_ROUND)
        q = nearest(vm, num, den);
    else if (scm_int_divide(vm, num, den, how != SCM_TRUNCATE, &q, NULL))
        q = SCM_FAILED;
    else if (how == SCM_CEILING)
        q = scm_int_add(vm, q, scm_fixnum(1));
    scm_pop_root(vm, 1);
    return q;
}

scm_value scm_ratio_from_double(struct scm_vm *vm, double x)
{
    if (x == floor(x))
        return scm_int_from_double(vm, x);
    int exponent;
    double part = ldexp(frexp(x, &exponent), 53);
    scm_value num = scm_fixnum((int64_t)part); /* x = num * 2^(exponent - 53), a negative power */
    scm_value den = scm_int_shift(vm, scm_fixnum(1), (size_t)(53 - exponent));
    return den == SCM_FAILED ? den : scm_ratio_make(vm, num, den);
}

double scm_ratio_to_double(scm_value exact)
{
    return scm_is_ratio(exact) ? scm_int_quotient_to_double(scm_cell(exact)->a, scm_cell(exact)->b)
                               : scm_int_to_double(exact);
}

static scm_value int_power(struct scm_vm *vm, scm_value base, uint64_t exponent)
{
    scm_value result = scm_fixnum(1);
    scm_push_root(vm, &base);
    scm_push_root(vm, &result);
    for (; exponent > 0 && result != SCM_FAILED; exponent >>= 1) {
        if (exponent & 1)
            result = scm_int_mul(vm, result, base);
        if (exponent > 1 && result != SCM_FAILED &&
            (base = scm_int_mul(vm, base, base)) == SCM_FAILED)
            result = SCM_FAILED;
    }
    scm_pop_root(vm, 2);
    return result;
}

scm_value scm_ratio_power(struct scm_vm *vm, scm_value base, uint64_t exponent)
{
    scm_value num = SCM_FALSE;
    if (!scm_is_ratio(base))
        return int_power(vm, base, exponent);
    scm_push_root(vm, &base);
    scm_push_root(vm, &num);
    num = int_power(vm, scm_cell(base)->a, exponent);
    scm_value den = num == SCM_FAILED ? num : int_power(vm, scm_cell(base)->b, exponent);
    scm_pop_root(vm, 2);
    return den == SCM_FAILED ? den : fraction(vm, num, den);
}
