/* prim_math.c: rounding, exactness, roots, powers, transcendental functions. */
#include <math.h>

#include "lisp/number_priv.h"
#include "lisp/op.h"
#include "lisp/prim_priv.h"

static double round_even(double x)
{
    return nearbyint(x); /* the default rounding mode is to even */
}
static scm_value rounded(struct scm_vm *vm, const char *who, scm_value v, double (*f)(double),
                         enum scm_rounding how)
{
    if (!scm_is_number(v))
        return scm_wrong(vm, who, "a number", v);
    return scm_is_flonum(v) ? scm_flonum(vm, f(scm_flonum_get(v))) : scm_ratio_round(vm, v, how);
}
#define X(name, text, f, how)                                                                      \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return rounded(vm, text, argv[0], f, how);                                                 \
    }
X(p_floor, "floor", floor, SCM_FLOOR)
X(p_ceiling, "ceiling", ceil, SCM_CEILING)
X(p_truncate, "truncate", trunc, SCM_TRUNCATE)
X(p_round, "round", round_even, SCM_ROUND)
#undef X

static scm_value map_real(struct scm_vm *vm, const char *who, scm_value v, double (*f)(double))
{
    if (!scm_is_number(v))
        return scm_wrong(vm, who, "a number", v);
    return scm_flonum(vm, f(scm_to_double(v)));
}
#define X(name, text, f)                                                                           \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return map_real(vm, text, argv[0], f);                                                     \
    }
X(p_sin, "sin", sin)
X(p_cos, "cos", cos)
X(p_tan, "tan", tan)
X(p_asin, "asin", asin)
X(p_acos, "acos", acos)
#undef X

/* exp 0 and log 1 are exact in an exact argument, as the standard allows */
SCM_PRIM(p_exp)
{
    return argv[0] == scm_fixnum(0) ? scm_fixnum(1) : map_real(vm, "exp", argv[0], exp);
}
/* Exact integers may be past the range of doubles; their logarithms are not. */
static double log_of(scm_value v)
{
    return scm_is_bignum(v) && scm_int_sign(v) > 0 ? scm_int_log(v) : log(scm_to_double(v));
}
SCM_PRIM(p_log)
{
    if (!scm_is_number(argv[0]) || (argc > 1 && !scm_is_number(argv[1])))
        return scm_wrong(vm, "log", "a number", scm_is_number(argv[0]) ? argv[1] : argv[0]);
    if (argv[0] == scm_fixnum(0))
        return scm_fail(vm, "log: there is no logarithm of exact 0");
    if (argc > 1)
        return scm_flonum(vm, log_of(argv[0]) / log_of(argv[1]));
    return argv[0] == scm_fixnum(1) ? scm_fixnum(0) : scm_flonum(vm, log_of(argv[0]));
}
SCM_PRIM(p_atan)
{
    if (!scm_is_number(argv[0]) || (argc > 1 && !scm_is_number(argv[1])))
        return scm_wrong(vm, "atan", "a number", scm_is_number(argv[0]) ? argv[1] : argv[0]);
    double x = scm_to_double(argv[0]);
    return scm_flonum(vm, argc > 1 ? atan2(x, scm_to_double(argv[1])) : atan(x));
}

/* The exact root of an exact number that is a square; SCM_ABSENT when it is none. */
static scm_value exact_root(struct scm_vm *vm, scm_value n)
{
    scm_value root = SCM_FALSE, den = SCM_FALSE, v = SCM_ABSENT;
    if (scm_is_ratio(n)) {
        scm_push_root(vm, &n);
        scm_push_root(vm, &root);
        root = exact_root(vm, scm_ratio_numerator(n));
        if (root != SCM_ABSENT && root != SCM_FAILED)
            den = exact_root(vm, scm_ratio_denominator(n));
        scm_pop_root(vm, 2);
        if (root == SCM_ABSENT || root == SCM_FAILED)
            return root;
        return den == SCM_ABSENT || den == SCM_FAILED ? den : scm_ratio_divide(vm, root, den);
    }
    scm_push_root(vm, &n);
    scm_push_root(vm, &root);
    root = scm_int_root(vm, n);
    if (root != SCM_FAILED)
        v = scm_int_mul(vm, root, root);
    if (root == SCM_FAILED || v == SCM_FAILED)
        v = SCM_FAILED;
    else
        v = scm_int_compare(v, n) == 0 ? root : SCM_ABSENT;
    scm_pop_root(vm, 2);
    return v;
}
SCM_PRIM(p_sqrt)
{
    if (!scm_is_number(argv[0]))
        return scm_wrong(vm, "sqrt", "a number", argv[0]);
    if (scm_to_double(argv[0]) < 0)
        return scm_fail(vm, "sqrt: the root of a negative number is complex, which this Scheme "
                            "does not have");
    scm_value root = scm_is_exact(argv[0]) ? exact_root(vm, argv[0]) : SCM_ABSENT;
    return root == SCM_ABSENT ? scm_flonum(vm, sqrt(scm_to_double(argv[0]))) : root;
}
SCM_PRIM(p_exact_integer_sqrt)
{
    if (!scm_is_exact_integer(argv[0]) || scm_int_sign(argv[0]) < 0)
        return scm_wrong(vm, "exact-integer-sqrt", "an exact integer from 0", argv[0]);
    scm_value both[2] = {scm_int_root(vm, argv[0]), SCM_FALSE}, v = SCM_FAILED;
    scm_push_root(vm, &both[0]);
    scm_push_root(vm, &both[1]);
    if (both[0] != SCM_FAILED)
        both[1] = scm_int_mul(vm, both[0], both[0]);
    if (both[0] != SCM_FAILED && both[1] != SCM_FAILED)
        both[1] = scm_int_sub(vm, argv[0], both[1]);
    if (both[0] != SCM_FAILED && both[1] != SCM_FAILED)
        v = scm_make_values(vm, 2, both);
    scm_pop_root(vm, 2);
    return v;
}

/* An exact base to an exact integer. */
static scm_value exact_power(struct scm_vm *vm, scm_value base, scm_value exponent)
{
    int is_below = scm_int_sign(exponent) < 0;
    if (is_below && base == scm_fixnum(0))
        return scm_fail(vm, "expt: division by zero");
    if (base == scm_fixnum(0) || base == scm_fixnum(1))
        return exponent == scm_fixnum(0) ? scm_fixnum(1) : base;
    if (base == scm_fixnum(-1))
        return scm_fixnum(scm_int_is_odd(exponent) ? -1 : 1);
    if (scm_is_bignum(exponent))
        return scm_fail_kind(vm, "limit", "an exact integer of more than %u bits",
                             SCM_INTEGER_BITS);
    int64_t n = scm_fixnum_get(exponent);
    scm_value power = scm_ratio_power(vm, base, (uint64_t)(n < 0 ? -n : n));
    return is_below && power != SCM_FAILED ? scm_ratio_divide(vm, scm_fixnum(1), power) : power;
}
SCM_PRIM(p_expt)
{
    if (!scm_is_number(argv[0]) || !scm_is_number(argv[1]))
        return scm_wrong(vm, "expt", "a number", scm_is_number(argv[0]) ? argv[1] : argv[0]);
    if (scm_is_exact(argv[0]) && scm_is_exact_integer(argv[1]))
        return exact_power(vm, argv[0], argv[1]);
    if (argv[1] == scm_fixnum(0))
        return scm_fixnum(1);
    double x = scm_to_double(argv[0]), y = scm_to_double(argv[1]);
    if (x < 0 && isfinite(y) && y != floor(y))
        return scm_fail(vm, "expt: the power is complex, which this Scheme does not have");
    if (argv[0] == scm_fixnum(0) && y < 0)
        return scm_fail(vm, "expt: division by zero");
    return scm_flonum(vm, pow(x, y));
}
SCM_PRIM(p_square)
{
    return scm_arith(vm, SCM_OP_MUL, argv[0], argv[0]);
}

SCM_PRIM(p_exact)
{
    if (!scm_is_number(argv[0]))
        return scm_wrong(vm, "exact", "a number", argv[0]);
    if (scm_is_exact(argv[0]))
        return argv[0];
    double x = scm_flonum_get(argv[0]);
    return isfinite(x) ? scm_ratio_from_double(vm, x)
                       : scm_wrong(vm, "exact", "a finite number", argv[0]);
}
SCM_PRIM(p_inexact)
{
    if (!scm_is_number(argv[0]))
        return scm_wrong(vm, "inexact", "a number", argv[0]);
    return scm_is_flonum(argv[0]) ? argv[0] : scm_flonum(vm, scm_to_double(argv[0]));
}

static scm_value fraction_part(struct scm_vm *vm, const char *who, scm_value v,
                               scm_value (*part)(scm_value exact))
{
    if (!scm_is_number(v) || (scm_is_flonum(v) && !isfinite(scm_flonum_get(v))))
        return scm_wrong(vm, who, "a rational number", v);
    if (scm_is_exact(v))
        return part(v);
    scm_value exact = scm_ratio_from_double(vm, scm_flonum_get(v));
    return exact == SCM_FAILED ? exact : scm_flonum(vm, scm_to_double(part(exact)));
}
SCM_PRIM(p_numerator)
{
    return fraction_part(vm, "numerator", argv[0], scm_ratio_numerator);
}
SCM_PRIM(p_denominator)
{
    return fraction_part(vm, "denominator", argv[0], scm_ratio_denominator);
}

const struct scm_prim_def scm_prims_math[] = {
    {"floor", p_floor, 1, 1, 0, 0},
    {"ceiling", p_ceiling, 1, 1, 0, 0},
    {"truncate", p_truncate, 1, 1, 0, 0},
    {"round", p_round, 1, 1, 0, 0},
    {"sin", p_sin, 1, 1, 0, 0},
    {"cos", p_cos, 1, 1, 0, 0},
    {"tan", p_tan, 1, 1, 0, 0},
    {"asin", p_asin, 1, 1, 0, 0},
    {"acos", p_acos, 1, 1, 0, 0},
    {"atan", p_atan, 1, 2, 0, 0},
    {"exp", p_exp, 1, 1, 0, 0},
    {"log", p_log, 1, 2, 0, 0},
    {"sqrt", p_sqrt, 1, 1, 0, 0},
    {"exact-integer-sqrt", p_exact_integer_sqrt, 1, 1, 0, 0},
    {"expt", p_expt, 2, 2, 0, 0},
    {"square", p_square, 1, 1, 0, 0},
    {"exact", p_exact, 1, 1, 0, 0},
    {"inexact", p_inexact, 1, 1, 0, 0},
    {"inexact->exact", p_exact, 1, 1, 0, 0},
    {"exact->inexact", p_inexact, 1, 1, 0, 0},
    {"numerator", p_numerator, 1, 1, 0, 0},
    {"denominator", p_denominator, 1, 1, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
