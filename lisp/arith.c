/* arith.c: arithmetic and comparison on any two numbers, for the machine and the primitives. */
#include <math.h>

#include "lisp/op.h"
#include "lisp/scm_priv.h"

static const char *op_name(int op)
{
    switch (op) {
    case SCM_OP_ADD:
        return "+";
    case SCM_OP_SUB:
        return "-";
    case SCM_OP_MUL:
        return "*";
    case SCM_OP_LT:
        return "<";
    case SCM_OP_GT:
        return ">";
    case SCM_OP_LE:
        return "<=";
    case SCM_OP_GE:
        return ">=";
    default:
        return "=";
    }
}

static int is_number(scm_value v)
{
    return scm_is_fixnum(v) || scm_is(v, SCM_T_FLONUM);
}

static double as_double(scm_value v)
{
    return scm_is_fixnum(v) ? (double)scm_fixnum_get(v) : scm_flonum_get(v);
}

static scm_value exact_arith(struct scm_vm *vm, int op, int64_t x, int64_t y)
{
    int64_t r = 0;
    int overflow = op == SCM_OP_ADD   ? __builtin_add_overflow(x, y, &r)
                   : op == SCM_OP_SUB ? __builtin_sub_overflow(x, y, &r)
                                      : __builtin_mul_overflow(x, y, &r);
    if (overflow || r > SCM_FIXNUM_MAX || r < SCM_FIXNUM_MIN)
        return scm_fail(vm,
                        "%s: the exact result does not fit 62 bits; use (inexact n) for larger "
                        "numbers",
                        op_name(op));
    return scm_fixnum(r);
}

scm_value scm_arith(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    if (!is_number(a) || !is_number(b))
        return scm_wrong(vm, op_name(op), "a number", is_number(a) ? b : a);
    if (scm_is_fixnum(a) && scm_is_fixnum(b))
        return exact_arith(vm, op, scm_fixnum_get(a), scm_fixnum_get(b));
    double x = as_double(a), y = as_double(b);
    return scm_flonum(vm, op == SCM_OP_ADD ? x + y : op == SCM_OP_SUB ? x - y : x * y);
}

/* An integer against a flonum, without rounding the integer. -2: not ordered. */
static int compare_mixed(int64_t n, double x)
{
    if (isnan(x))
        return -2;
    if (x >= 9223372036854775808.0)
        return -1;
    if (x < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)x;
    if (n != whole)
        return n < whole ? -1 : 1;
    double rest = x - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int order(scm_value a, scm_value b)
{
    if (scm_is_fixnum(a) && scm_is_fixnum(b)) {
        int64_t x = scm_fixnum_get(a), y = scm_fixnum_get(b);
        return x < y ? -1 : x > y;
    }
    if (scm_is_fixnum(a))
        return compare_mixed(scm_fixnum_get(a), scm_flonum_get(b));
    if (scm_is_fixnum(b)) {
        int o = compare_mixed(scm_fixnum_get(b), scm_flonum_get(a));
        return o == -2 ? -2 : -o;
    }
    double x = scm_flonum_get(a), y = scm_flonum_get(b);
    return isnan(x) || isnan(y) ? -2 : x < y ? -1 : x > y;
}

scm_value scm_compare(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    if (!is_number(a) || !is_number(b))
        return scm_wrong(vm, op_name(op), "a number", is_number(a) ? b : a);
    int o = order(a, b);
    if (o == -2)
        return SCM_FALSE;
    switch (op) {
    case SCM_OP_LT:
        return scm_bool(o < 0);
    case SCM_OP_GT:
        return scm_bool(o > 0);
    case SCM_OP_LE:
        return scm_bool(o <= 0);
    case SCM_OP_GE:
        return scm_bool(o >= 0);
    default:
        return scm_bool(o == 0);
    }
}
