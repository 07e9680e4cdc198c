/* prim_number.c: exact and inexact numbers: predicates, arithmetic, division, text. */
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
static int is_whole(scm_value v)
{
    if (scm_is_fixnum(v))
        return 1;
    return scm_is(v, SCM_T_FLONUM) && isfinite(scm_flonum_get(v)) &&
           floor(scm_flonum_get(v)) == scm_flonum_get(v);
}

static scm_value fold(struct scm_vm *vm, int op, int argc, const scm_value *argv, scm_value unit)
{
    scm_value sum = unit;
    scm_push_root(vm, &sum);
    for (int i = 0; i < argc && sum != SCM_FAILED; i++)
        sum = scm_arith(vm, op, sum, argv[i]);
    scm_pop_root(vm, 1);
    return sum;
}
SCM_PRIM(p_add)
{
    return fold(vm, SCM_OP_ADD, argc, argv, scm_fixnum(0));
}
SCM_PRIM(p_mul)
{
    return fold(vm, SCM_OP_MUL, argc, argv, scm_fixnum(1));
}
SCM_PRIM(p_sub)
{
    if (argc == 1)
        return scm_is(argv[0], SCM_T_FLONUM) ? scm_flonum(vm, -scm_flonum_get(argv[0]))
                                             : scm_arith(vm, SCM_OP_SUB, scm_fixnum(0), argv[0]);
    return fold(vm, SCM_OP_SUB, argc - 1, argv + 1, argv[0]);
}
static scm_value divide(struct scm_vm *vm, scm_value a, scm_value b)
{
    if (!is_number(a) || !is_number(b))
        return scm_wrong(vm, "/", "a number", is_number(a) ? b : a);
    if (b == scm_fixnum(0))
        return scm_fail(vm, "/: division by zero");
    if (scm_is_fixnum(a) && scm_is_fixnum(b) && scm_fixnum_get(a) % scm_fixnum_get(b) == 0) {
        int64_t q = scm_fixnum_get(a) / scm_fixnum_get(b);
        if (q <= SCM_FIXNUM_MAX)
            return scm_fixnum(q);
    }
    return scm_flonum(vm, as_double(a) / as_double(b));
}
SCM_PRIM(p_div)
{
    scm_value v = argc == 1 ? scm_fixnum(1) : argv[0];
    scm_push_root(vm, &v);
    for (int i = argc == 1 ? 0 : 1; i < argc && v != SCM_FAILED; i++)
        v = divide(vm, v, argv[i]);
    scm_pop_root(vm, 1);
    return v;
}

static scm_value ordered(struct scm_vm *vm, int op, int argc, const scm_value *argv)
{
    scm_value result = SCM_TRUE;
    if (argc == 1)
        return scm_compare(vm, op, argv[0], argv[0]) == SCM_FAILED ? SCM_FAILED : SCM_TRUE;
    for (int i = 0; i + 1 < argc; i++) {
        scm_value one = scm_compare(vm, op, argv[i], argv[i + 1]);
        if (one == SCM_FAILED)
            return one;
        if (one == SCM_FALSE)
            result = SCM_FALSE;
    }
    return result;
}
#define X(name, op)                                                                                \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return ordered(vm, op, argc, argv);                                                        \
    }
X(p_lt, SCM_OP_LT)
X(p_gt, SCM_OP_GT)
X(p_le, SCM_OP_LE)
X(p_ge, SCM_OP_GE)
X(p_num_eq, SCM_OP_NUM_EQ)
#undef X

/* ---- predicates ----------------------------------------------------------------------------- */

SCM_PRIM(p_numberp)
{
    return scm_bool(is_number(argv[0]));
}
SCM_PRIM(p_integerp)
{
    return scm_bool(is_whole(argv[0]));
}
SCM_PRIM(p_rationalp)
{
    return scm_bool(scm_is_fixnum(argv[0]) ||
                    (scm_is(argv[0], SCM_T_FLONUM) && isfinite(scm_flonum_get(argv[0]))));
}
SCM_PRIM(p_exactp)
{
    return is_number(argv[0]) ? scm_bool(scm_is_fixnum(argv[0]))
                              : scm_wrong(vm, "exact?", "a number", argv[0]);
}
SCM_PRIM(p_inexactp)
{
    return is_number(argv[0]) ? scm_bool(!scm_is_fixnum(argv[0]))
                              : scm_wrong(vm, "inexact?", "a number", argv[0]);
}
SCM_PRIM(p_exact_integerp)
{
    return scm_bool(scm_is_fixnum(argv[0]));
}
static scm_value sign_is(struct scm_vm *vm, const char *who, int op, scm_value v)
{
    if (!is_number(v))
        return scm_wrong(vm, who, "a number", v);
    return scm_compare(vm, op, v, scm_fixnum(0));
}
SCM_PRIM(p_zerop)
{
    return sign_is(vm, "zero?", SCM_OP_NUM_EQ, argv[0]);
}
SCM_PRIM(p_positivep)
{
    return sign_is(vm, "positive?", SCM_OP_GT, argv[0]);
}
SCM_PRIM(p_negativep)
{
    return sign_is(vm, "negative?", SCM_OP_LT, argv[0]);
}
static scm_value parity(struct scm_vm *vm, const char *who, scm_value v, int odd)
{
    if (!is_whole(v))
        return scm_wrong(vm, who, "an integer", v);
    int is_odd =
        scm_is_fixnum(v) ? (int)(scm_fixnum_get(v) & 1) : fmod(fabs(scm_flonum_get(v)), 2) == 1;
    return scm_bool(is_odd == odd);
}
SCM_PRIM(p_oddp)
{
    return parity(vm, "odd?", argv[0], 1);
}
SCM_PRIM(p_evenp)
{
    return parity(vm, "even?", argv[0], 0);
}
static scm_value class_is(struct scm_vm *vm, const char *who, scm_value v, int want)
{
    if (!is_number(v))
        return scm_wrong(vm, who, "a number", v);
    double x = as_double(v);
    return scm_bool(want == 0 ? isfinite(x) : want == 1 ? isinf(x) != 0 : isnan(x));
}
SCM_PRIM(p_finitep)
{
    return class_is(vm, "finite?", argv[0], 0);
}
SCM_PRIM(p_infinitep)
{
    return class_is(vm, "infinite?", argv[0], 1);
}
SCM_PRIM(p_nanp)
{
    return class_is(vm, "nan?", argv[0], 2);
}

/* ---- maximum, minimum, absolute value ------------------------------------------------------- */

static scm_value extreme(struct scm_vm *vm, const char *who, int op, int argc,
                         const scm_value *argv)
{
    scm_value best = argv[0];
    int inexact = 0;
    for (int i = 0; i < argc; i++) {
        if (!is_number(argv[i]))
            return scm_wrong(vm, who, "a number", argv[i]);
        inexact |= !scm_is_fixnum(argv[i]);
        if (scm_compare(vm, op, argv[i], best) == SCM_TRUE || isnan(as_double(argv[i])))
            best = argv[i];
    }
    return inexact && scm_is_fixnum(best) ? scm_flonum(vm, as_double(best)) : best;
}
SCM_PRIM(p_max)
{
    return extreme(vm, "max", SCM_OP_GT, argc, argv);
}
SCM_PRIM(p_min)
{
    return extreme(vm, "min", SCM_OP_LT, argc, argv);
}
SCM_PRIM(p_abs)
{
    if (!is_number(argv[0]))
        return scm_wrong(vm, "abs", "a number", argv[0]);
    if (!scm_is_fixnum(argv[0]))
        return scm_flonum(vm, fabs(scm_flonum_get(argv[0])));
    return scm_fixnum_get(argv[0]) < 0 ? scm_arith(vm, SCM_OP_SUB, scm_fixnum(0), argv[0])
                                       : argv[0];
}

/* ---- integer division ----------------------------------------------------------------------- */

enum division { FLOOR_Q, FLOOR_R, TRUNCATE_Q, TRUNCATE_R };
static scm_value int_divide(struct scm_vm *vm, const char *who, enum division what,
                            const scm_value *argv)
{
    if (!is_whole(argv[0]) || !is_whole(argv[1]))
        return scm_wrong(vm, who, "an integer", is_whole(argv[0]) ? argv[1] : argv[0]);
    if (as_double(argv[1]) == 0)
        return scm_fail(vm, "%s: division by zero", who);
    if (!scm_is_fixnum(argv[0]) || !scm_is_fixnum(argv[1])) {
        double a = as_double(argv[0]), b = as_double(argv[1]);
        double q = what <= FLOOR_R ? floor(a / b) : trunc(a / b);
        double r = fmod(a, b);
        if (what == FLOOR_R && r != 0 && (r < 0) != (b < 0))
            r += b;
        return scm_flonum(vm, what == FLOOR_Q || what == TRUNCATE_Q ? q : r);
    }
    int64_t a = scm_fixnum_get(argv[0]), b = scm_fixnum_get(argv[1]), q = a / b, r = a % b;
    if (what <= FLOOR_R && r != 0 && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    if (q > SCM_FIXNUM_MAX)
        return scm_fail(vm, "%s: the exact result does not fit 62 bits", who);
    return scm_fixnum(what == FLOOR_Q || what == TRUNCATE_Q ? q : r);
}
#define X(name, text, what)                                                                        \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return int_divide(vm, text, what, argv);                                                   \
    }
X(p_quotient, "quotient", TRUNCATE_Q)
X(p_remainder, "remainder", TRUNCATE_R)
X(p_modulo, "modulo", FLOOR_R)
X(p_floor_quotient, "floor-quotient", FLOOR_Q)
#undef X
static scm_value both(struct scm_vm *vm, const char *who, enum division q, enum division r,
                      const scm_value *argv)
{
    scm_value pair[2] = {int_divide(vm, who, q, argv), SCM_FALSE};
    if (pair[0] == SCM_FAILED)
        return SCM_FAILED;
    scm_push_root(vm, &pair[0]);
    scm_push_root(vm, &pair[1]);
    pair[1] = int_divide(vm, who, r, argv);
    scm_value v = scm_make_values(vm, 2, pair);
    scm_pop_root(vm, 2);
    return v;
}
SCM_PRIM(p_floor_both)
{
    return both(vm, "floor/", FLOOR_Q, FLOOR_R, argv);
}
SCM_PRIM(p_truncate_both)
{
    return both(vm, "truncate/", TRUNCATE_Q, TRUNCATE_R, argv);
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}
SCM_PRIM(p_gcd)
{
    int64_t g = 0;
    int inexact = 0;
    for (int i = 0; i < argc; i++) {
        if (!is_whole(argv[i]) || fabs(as_double(argv[i])) > 2305843009213693951.0)
            return scm_wrong(vm, "gcd", "an integer", argv[i]);
        inexact |= !scm_is_fixnum(argv[i]);
        g = gcd(g, scm_is_fixnum(argv[i]) ? scm_fixnum_get(argv[i]) : (int64_t)as_double(argv[i]));
    }
    return inexact ? scm_flonum(vm, (double)g) : scm_fixnum(g);
}
SCM_PRIM(p_lcm)
{
    int64_t m = 1;
    int inexact = 0;
    for (int i = 0; i < argc; i++) {
        if (!is_whole(argv[i]) || fabs(as_double(argv[i])) > 2305843009213693951.0)
            return scm_wrong(vm, "lcm", "an integer", argv[i]);
        inexact |= !scm_is_fixnum(argv[i]);
        int64_t n = scm_is_fixnum(argv[i]) ? scm_fixnum_get(argv[i]) : (int64_t)as_double(argv[i]);
        if (n == 0)
            return scm_fixnum(0);
        if (__builtin_mul_overflow(m / gcd(m, n), n < 0 ? -n : n, &m) || m > SCM_FIXNUM_MAX)
            return scm_fail(vm, "lcm: the exact result does not fit 62 bits");
    }
    return inexact ? scm_flonum(vm, (double)m) : scm_fixnum(m);
}

/* ---- text ----------------------------------------------------------------------------------- */

SCM_PRIM(p_number_to_string)
{
    int64_t radix = argc > 1 && scm_is_fixnum(argv[1]) ? scm_fixnum_get(argv[1]) : 10;
    struct mc_buf text = {0};
    if (!is_number(argv[0]))
        return scm_wrong(vm, "number->string", "a number", argv[0]);
    if (radix < 2 || radix > 36)
        return scm_wrong(vm, "number->string", "a radix from 2 to 36", argv[1]);
    scm_number_print(argv[0], (int)radix, &text);
    scm_value v = scm_string(vm, (const char *)text.bytes, text.count);
    mc_buf_fini(&text);
    return v;
}
SCM_PRIM(p_string_to_number)
{
    int64_t radix = argc > 1 && scm_is_fixnum(argv[1]) ? scm_fixnum_get(argv[1]) : 10;
    const char *why = NULL;
    size_t count;
    scm_value v;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string->number", "a string", argv[0]);
    if (radix < 2 || radix > 36)
        return scm_wrong(vm, "string->number", "a radix from 2 to 36", argv[1]);
    const char *text = scm_text(argv[0], &count);
    return scm_number_parse(vm, text, count, (int)radix, &v, &why) > 0 ? v : SCM_FALSE;
}

const struct scm_prim_def scm_prims_number[] = {
    {"+", p_add, 0, -1, SCM_OP_ADD, 0},
    {"-", p_sub, 1, -1, SCM_OP_SUB, 0},
    {"*", p_mul, 0, -1, SCM_OP_MUL, 0},
    {"/", p_div, 1, -1, 0, 0},
    {"<", p_lt, 1, -1, SCM_OP_LT, 0},
    {">", p_gt, 1, -1, SCM_OP_GT, 0},
    {"<=", p_le, 1, -1, SCM_OP_LE, 0},
    {">=", p_ge, 1, -1, SCM_OP_GE, 0},
    {"=", p_num_eq, 1, -1, SCM_OP_NUM_EQ, 0},
    {"number?", p_numberp, 1, 1, 0, 0},
    {"complex?", p_numberp, 1, 1, 0, 0},
    {"real?", p_numberp, 1, 1, 0, 0},
    {"rational?", p_rationalp, 1, 1, 0, 0},
    {"integer?", p_integerp, 1, 1, 0, 0},
    {"exact?", p_exactp, 1, 1, 0, 0},
    {"inexact?", p_inexactp, 1, 1, 0, 0},
    {"exact-integer?", p_exact_integerp, 1, 1, 0, 0},
    {"zero?", p_zerop, 1, 1, SCM_OP_ZEROP, 0},
    {"positive?", p_positivep, 1, 1, 0, 0},
    {"negative?", p_negativep, 1, 1, 0, 0},
    {"odd?", p_oddp, 1, 1, 0, 0},
    {"even?", p_evenp, 1, 1, 0, 0},
    {"finite?", p_finitep, 1, 1, 0, 0},
    {"infinite?", p_infinitep, 1, 1, 0, 0},
    {"nan?", p_nanp, 1, 1, 0, 0},
    {"max", p_max, 1, -1, 0, 0},
    {"min", p_min, 1, -1, 0, 0},
    {"abs", p_abs, 1, 1, 0, 0},
    {"quotient", p_quotient, 2, 2, 0, 0},
    {"remainder", p_remainder, 2, 2, 0, 0},
    {"modulo", p_modulo, 2, 2, 0, 0},
    {"truncate-quotient", p_quotient, 2, 2, 0, 0},
    {"truncate-remainder", p_remainder, 2, 2, 0, 0},
    {"floor-remainder", p_modulo, 2, 2, 0, 0},
    {"floor-quotient", p_floor_quotient, 2, 2, 0, 0},
    {"floor/", p_floor_both, 2, 2, 0, 0},
    {"truncate/", p_truncate_both, 2, 2, 0, 0},
    {"gcd", p_gcd, 0, -1, 0, 0},
    {"lcm", p_lcm, 0, -1, 0, 0},
    {"number->string", p_number_to_string, 1, 2, 0, 0},
    {"string->number", p_string_to_number, 1, 2, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
