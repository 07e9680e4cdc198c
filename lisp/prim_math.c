/* prim_math.c: rounding, exactness, roots, powers, transcendental functions. */
#include <math.h>

#include "lisp/op.h"
#include "lisp/scm_priv.h"

static int is_number(scm_value v)
{
    return scm_is_fixnum(v) || scm_is(v, SCM_T_FLONUM);
}
static double as_double(scm_value v)
{
    return scm_is_fixnum(v) ? (double)scm_fixnum_get(v) : scm_flonum_get(v);
}

static double round_even(double x)
{
    return nearbyint(x); /* the default rounding mode is to even */
}
static scm_value map_real(struct scm_vm *vm, const char *who, scm_value v, double (*f)(double),
                          int keeps_exact)
{
    if (!is_number(v))
        return scm_wrong(vm, who, "a number", v);
    if (keeps_exact && scm_is_fixnum(v))
        return v;
    return scm_flonum(vm, f(as_double(v)));
}
#define X(name, text, f, keeps)                                                                    \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return map_real(vm, text, argv[0], f, keeps);                                              \
    }
X(p_floor, "floor", floor, 1)
X(p_ceiling, "ceiling", ceil, 1)
X(p_truncate, "truncate", trunc, 1)
X(p_round, "round", round_even, 1)
X(p_sin, "sin", sin, 0)
X(p_cos, "cos", cos, 0)
X(p_tan, "tan", tan, 0)
X(p_asin, "asin", asin, 0)
X(p_acos, "acos", acos, 0)
#undef X

/* exp 0 and log 1 are exact in an exact argument, as the standard allows */
SCM_PRIM(p_exp)
{
    return argv[0] == scm_fixnum(0) ? scm_fixnum(1) : map_real(vm, "exp", argv[0], exp, 0);
}
SCM_PRIM(p_log)
{
    if (!is_number(argv[0]) || (argc > 1 && !is_number(argv[1])))
        return scm_wrong(vm, "log", "a number", is_number(argv[0]) ? argv[1] : argv[0]);
    if (argv[0] == scm_fixnum(0))
        return scm_fail(vm, "log: there is no logarithm of exact 0");
    if (argc > 1)
        return scm_flonum(vm, log(as_double(argv[0])) / log(as_double(argv[1])));
    return argv[0] == scm_fixnum(1) ? scm_fixnum(0) : scm_flonum(vm, log(as_double(argv[0])));
}
SCM_PRIM(p_atan)
{
    if (!is_number(argv[0]) || (argc > 1 && !is_number(argv[1])))
        return scm_wrong(vm, "atan", "a number", is_number(argv[0]) ? argv[1] : argv[0]);
    double x = as_double(argv[0]);
    return scm_flonum(vm, argc > 1 ? atan2(x, as_double(argv[1])) : atan(x));
}

static int64_t integer_root(int64_t n)
{
    int64_t r = (int64_t)sqrt((double)n);
    while (r > 0 && r > n / r)
        r--;
    while ((r + 1) <= n / (r + 1))
        r++;
    return r;
}
SCM_PRIM(p_sqrt)
{
    if (!is_number(argv[0]))
        return scm_wrong(vm, "sqrt", "a number", argv[0]);
    if (as_double(argv[0]) < 0)
        return scm_fail(vm, "sqrt: the root of a negative number is complex, which this Scheme "
                            "does not have");
    if (scm_is_fixnum(argv[0])) {
        int64_t n = scm_fixnum_get(argv[0]), r = integer_root(n);
        if (r * r == n)
            return scm_fixnum(r);
    }
    return scm_flonum(vm, sqrt(as_double(argv[0])));
}
SCM_PRIM(p_exact_integer_sqrt)
{
    if (!scm_is_fixnum(argv[0]) || scm_fixnum_get(argv[0]) < 0)
        return scm_wrong(vm, "exact-integer-sqrt", "an exact integer from 0", argv[0]);
    int64_t n = scm_fixnum_get(argv[0]), r = integer_root(n);
    scm_value both[2] = {scm_fixnum(r), scm_fixnum(n - r * r)};
    return scm_make_values(vm, 2, both);
}

static scm_value exact_power(struct scm_vm *vm, scm_value base, int64_t exponent)
{
    scm_value result = scm_fixnum(1);
    while (exponent > 0) {
        if (exponent & 1)
            result = scm_arith(vm, SCM_OP_MUL, result, base);
        exponent >>= 1;
        if (result == SCM_FAILED || exponent == 0)
            return result;
        base = scm_arith(vm, SCM_OP_MUL, base, base);
        if (base == SCM_FAILED)
            return base;
    }
    return result;
}
SCM_PRIM(p_expt)
{
    if (!is_number(argv[0]) || !is_number(argv[1]))
        return scm_wrong(vm, "expt", "a number", is_number(argv[0]) ? argv[1] : argv[0]);
    if (scm_is_fixnum(argv[0]) && scm_is_fixnum(argv[1]) && scm_fixnum_get(argv[1]) >= 0) {
        int64_t base = scm_fixnum_get(argv[0]);
        if (base == 0 || base == 1)
            return argv[1] == scm_fixnum(0) ? scm_fixnum(1) : argv[0];
        if (base == -1)
            return scm_fixnum(scm_fixnum_get(argv[1]) & 1 ? -1 : 1);
        return exact_power(vm, argv[0], scm_fixnum_get(argv[1]));
    }
    if (argv[0] == scm_fixnum(0) && as_double(argv[1]) < 0)
        return scm_fail(vm, "expt: division by zero");
    double r = pow(as_double(argv[0]), as_double(argv[1]));
    if (scm_is_fixnum(argv[0]) && scm_is_fixnum(argv[1]) && (r == 1 || r == -1))
        return scm_fixnum((int64_t)r);
    return scm_flonum(vm, r);
}
SCM_PRIM(p_square)
{
    return scm_arith(vm, SCM_OP_MUL, argv[0], argv[0]);
}

SCM_PRIM(p_exact)
{
    if (!is_number(argv[0]))
        return scm_wrong(vm, "exact", "a number", argv[0]);
    if (scm_is_fixnum(argv[0]))
        return argv[0];
    double x = scm_flonum_get(argv[0]);
    if (x != floor(x) || !(fabs(x) < 2305843009213693952.0))
        return scm_wrong(vm, "exact", "a whole number of at most 62 bits", argv[0]);
    return scm_fixnum((int64_t)x);
}
SCM_PRIM(p_inexact)
{
    if (!is_number(argv[0]))
        return scm_wrong(vm, "inexact", "a number", argv[0]);
    return scm_is_fixnum(argv[0]) ? scm_flonum(vm, as_double(argv[0])) : argv[0];
}

/* A flonum as a fraction: halves are exact in binary, so doubling ends. */
static scm_value fraction_part(struct scm_vm *vm, const char *who, scm_value v, int numerator)
{
    if (!is_number(v) || !isfinite(as_double(v)))
        return scm_wrong(vm, who, "a rational number", v);
    if (scm_is_fixnum(v))
        return numerator ? v : scm_fixnum(1);
    double x = scm_flonum_get(v), d = 1;
    while (x != floor(x)) {
        x *= 2;
        d *= 2;
    }
    return scm_flonum(vm, numerator ? x : d);
}
SCM_PRIM(p_numerator)
{
    return fraction_part(vm, "numerator", argv[0], 1);
}
SCM_PRIM(p_denominator)
{
    return fraction_part(vm, "denominator", argv[0], 0);
}

/* The simplest fraction between lo and hi, both positive, by the Stern-Brocot tree. */
static double simplest(double lo, double hi)
{
    double p0 = 0, q0 = 1, p1 = 1, q1 = 0;
    for (int i = 0; i < 64; i++) {
        double whole = floor(lo);
        double p = whole * p1 + p0, q = whole * q1 + q0;
        if (whole == lo)
            return p / q;
        if (whole + 1 <= hi)
            return (p + p1) / (q + q1);
        p0 = p1;
        q0 = q1;
        p1 = p;
        q1 = q;
        double next = 1 / (hi - whole);
        hi = 1 / (lo - whole);
        lo = next;
    }
    return p1 / q1;
}
SCM_PRIM(p_rationalize)
{
    if (!is_number(argv[0]) || !is_number(argv[1]))
        return scm_wrong(vm, "rationalize", "a number", is_number(argv[0]) ? argv[1] : argv[0]);
    double x = as_double(argv[0]), d = fabs(as_double(argv[1]));
    double lo = x - d, hi = x + d, r;
    if (isnan(lo) || isnan(hi) || isinf(x))
        r = isinf(d) && isinf(x) ? NAN : x + d - d;
    else if (lo <= 0 && hi >= 0)
        r = 0;
    else
        r = lo > 0 ? simplest(lo, hi) : -simplest(-hi, -lo);
    int exact = scm_is_fixnum(argv[0]) && scm_is_fixnum(argv[1]) && r == floor(r);
    return exact ? scm_fixnum((int64_t)r) : scm_flonum(vm, r);
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
    {"rationalize", p_rationalize, 2, 2, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
