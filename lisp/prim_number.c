/* prim_number.c: exact and inexact numbers: predicates, arithmetic, division, text. */
#include <math.h>

#include "lisp/number_priv.h"
#include "lisp/op.h"
#include "lisp/prim_priv.h"

static int is_whole(scm_value v)
{
    if (scm_is_exact_integer(v))
        return 1;
    return scm_is_flonum(v) && isfinite(scm_flonum_get(v)) &&
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
        return scm_is_flonum(argv[0]) ? scm_flonum(vm, -scm_flonum_get(argv[0]))
                                      : scm_arith(vm, SCM_OP_SUB, scm_fixnum(0), argv[0]);
    return fold(vm, SCM_OP_SUB, argc - 1, argv + 1, argv[0]);
}
static scm_value divide(struct scm_vm *vm, scm_value a, scm_value b)
{
    if (!scm_is_number(a) || !scm_is_number(b))
        return scm_wrong(vm, "/", "a number", scm_is_number(a) ? b : a);
    if (b == scm_fixnum(0))
        return scm_fail(vm, "/: division by zero");
    if (scm_is_exact(a) && scm_is_exact(b))
        return scm_ratio_divide(vm, a, b);
    return scm_flonum(vm, scm_to_double(a) / scm_to_double(b));
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
    return scm_bool(scm_is_number(argv[0]));
}
SCM_PRIM(p_integerp)
{
    return scm_bool(is_whole(argv[0]));
}
SCM_PRIM(p_rationalp)
{
    return scm_bool(scm_is_exact(argv[0]) ||
                    (scm_is_flonum(argv[0]) && isfinite(scm_flonum_get(argv[0]))));
}
SCM_PRIM(p_exactp)
{
    return scm_is_number(argv[0]) ? scm_bool(scm_is_exact(argv[0]))
                                  : scm_wrong(vm, "exact?", "a number", argv[0]);
}
SCM_PRIM(p_inexactp)
{
    return scm_is_number(argv[0]) ? scm_bool(scm_is_flonum(argv[0]))
                                  : scm_wrong(vm, "inexact?", "a number", argv[0]);
}
SCM_PRIM(p_exact_integerp)
{
    return scm_bool(scm_is_exact_integer(argv[0]));
}
SCM_PRIM(p_exact_rationalp)
{
    return scm_bool(scm_is_exact(argv[0]));
}
static scm_value sign_is(struct scm_vm *vm, const char *who, int op, scm_value v)
{
    if (!scm_is_number(v))
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
    int is_odd = scm_is_flonum(v) ? fmod(fabs(scm_flonum_get(v)), 2) == 1 : scm_int_is_odd(v);
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
    if (!scm_is_number(v))
        return scm_wrong(vm, who, "a number", v);
    if (!scm_is_flonum(v))
        return scm_bool(want == 0);
    double x = scm_flonum_get(v);
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
        if (!scm_is_number(argv[i]))
            return scm_wrong(vm, who, "a number", argv[i]);
        inexact |= scm_is_flonum(argv[i]);
        scm_value is_better = scm_compare(vm, op, argv[i], best);
        if (is_better == SCM_FAILED)
            return is_better;
        if (is_better == SCM_TRUE || (scm_is_flonum(argv[i]) && isnan(scm_flonum_get(argv[i]))))
            best = argv[i];
    }
    return inexact && !scm_is_flonum(best) ? scm_flonum(vm, scm_to_double(best)) : best;
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
    if (!scm_is_number(argv[0]))
        return scm_wrong(vm, "abs", "a number", argv[0]);
    if (scm_is_flonum(argv[0]))
        return scm_flonum(vm, fabs(scm_flonum_get(argv[0])));
    return scm_int_sign(scm_ratio_numerator(argv[0])) < 0
               ? scm_arith(vm, SCM_OP_SUB, scm_fixnum(0), argv[0])
               : argv[0];
}

/* ---- integer division ----------------------------------------------------------------------- */

enum division { FLOOR_Q, FLOOR_R, TRUNCATE_Q, TRUNCATE_R };
static scm_value flonum_divide(struct scm_vm *vm, enum division what, double a, double b)
{
    double r = fmod(a, b), q = (a - r) / b; /* a - r is a multiple of b */
    if (what <= FLOOR_R && r != 0 && (r < 0) != (b < 0)) {
        r += b;
        q -= 1;
    }
    return scm_flonum(vm, what == FLOOR_Q || what == TRUNCATE_Q ? trunc(q + copysign(0.25, q)) : r);
}

static scm_value int_divide(struct scm_vm *vm, const char *who, enum division what,
                            const scm_value *argv)
{
    if (!is_whole(argv[0]) || !is_whole(argv[1]))
        return scm_wrong(vm, who, "an integer", is_whole(argv[0]) ? argv[1] : argv[0]);
    if (scm_to_double(argv[1]) == 0)
        return scm_fail(vm, "%s: division by zero", who);
    if (scm_is_flonum(argv[0]) || scm_is_flonum(argv[1]))
        return flonum_divide(vm, what, scm_to_double(argv[0]), scm_to_double(argv[1]));
    int wants_quotient = what == FLOOR_Q || what == TRUNCATE_Q, is_floor = what <= FLOOR_R;
    if (scm_is_bignum(argv[0]) || scm_is_bignum(argv[1]) || argv[0] == scm_fixnum(SCM_FIXNUM_MIN)) {
        scm_value v;
        return scm_int_divide(vm, argv[0], argv[1], is_floor, wants_quotient ? &v : NULL,
                              wants_quotient ? NULL : &v)
                   ? SCM_FAILED
                   : v;
    }
    int64_t a = scm_fixnum_get(argv[0]), b = scm_fixnum_get(argv[1]), q = a / b, r = a % b;
    if (is_floor && r != 0 && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    return scm_fixnum(wants_quotient ? q : r);
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
    scm_value v = pair[1] == SCM_FAILED ? pair[1] : scm_make_values(vm, 2, pair);
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

/* The exact integer of a whole number, noting whether it was inexact. */
static scm_value whole_exact(struct scm_vm *vm, const char *who, scm_value v, int *inexact)
{
    if (!is_whole(v))
        return scm_wrong(vm, who, "an integer", v);
    *inexact |= scm_is_flonum(v);
    return scm_is_flonum(v) ? scm_int_from_double(vm, scm_flonum_get(v)) : v;
}

/* a * b / gcd(a, b), not negative. */
static scm_value lcm(struct scm_vm *vm, scm_value a, scm_value b)
{
    scm_value common = scm_int_gcd(vm, a, b);
    if (common == SCM_FAILED || common == scm_fixnum(0))
        return common;
    scm_push_root(vm, &b);
    if (scm_int_divide(vm, a, common, 0, &a, NULL) || (a = scm_int_mul(vm, a, b)) == SCM_FAILED)
        a = SCM_FAILED;
    else if (scm_int_sign(a) < 0)
        a = scm_int_negate(vm, a);
    scm_pop_root(vm, 1);
    return a;
}

static scm_value fold_whole(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                            scm_value unit,
                            scm_value (*op)(struct scm_vm *vm, scm_value a, scm_value b))
{
    int inexact = 0;
    scm_value v = unit, next = SCM_FALSE;
    scm_push_root(vm, &v);
    scm_push_root(vm, &next);
    for (int i = 0; i < argc && v != SCM_FAILED; i++) {
        next = whole_exact(vm, who, argv[i], &inexact);
        v = next == SCM_FAILED ? next : op(vm, v, next);
    }
    scm_pop_root(vm, 2);
    return inexact && v != SCM_FAILED ? scm_flonum(vm, scm_to_double(v)) : v;
}
SCM_PRIM(p_gcd)
{
    return fold_whole(vm, "gcd", argc, argv, scm_fixnum(0), scm_int_gcd);
}
SCM_PRIM(p_lcm)
{
    return fold_whole(vm, "lcm", argc, argv, scm_fixnum(1), lcm);
}

/* ---- text ----------------------------------------------------------------------------------- */

/* A flonum in another radix than ten: only without a fraction, as the exact integer and ".0". */
static scm_value radix_text(struct scm_vm *vm, double x, int radix)
{
    struct mc_buf text = {0};
    if (!isfinite(x) || x != floor(x))
        return scm_fail(vm, "number->string: an inexact number with a fraction has radix 10 only");
    scm_value whole = scm_int_from_double(vm, x);
    scm_number_print(whole, radix, &text);
    mc_buf_add_str(&text, ".0");
    scm_value v = scm_string(vm, (const char *)text.bytes, text.count);
    mc_buf_fini(&text);
    return v;
}
SCM_PRIM(p_number_to_string)
{
    int64_t radix = argc > 1 && scm_is_fixnum(argv[1]) ? scm_fixnum_get(argv[1]) : 10;
    struct mc_buf text = {0};
    if (!scm_is_number(argv[0]))
        return scm_wrong(vm, "number->string", "a number", argv[0]);
    if (radix < 2 || radix > 36)
        return scm_wrong(vm, "number->string", "a radix from 2 to 36", argv[1]);
    if (scm_is_flonum(argv[0]) && radix != 10)
        return radix_text(vm, scm_flonum_get(argv[0]), (int)radix);
    scm_number_print(argv[0], (int)radix, &text);
    scm_value v = text.failed ? scm_no_memory(vm, text.count)
                              : scm_string(vm, (const char *)text.bytes, text.count);
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
    {"exact-rational?", p_exact_rationalp, 1, 1, 0, 0},
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
