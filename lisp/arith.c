/* arith.c: arithmetic and comparison on any two numbers, for the machine and the primitives. */
#include <math.h>

#include "lisp/number_priv.h"
#include "lisp/op.h"

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

static scm_value exact_arith(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    if (scm_is_fixnum(a) && scm_is_fixnum(b)) {
        int64_t x = scm_fixnum_get(a), y = scm_fixnum_get(b), r = 0;
        int overflow = op == SCM_OP_ADD   ? __builtin_add_overflow(x, y, &r)
                       : op == SCM_OP_SUB ? __builtin_sub_overflow(x, y, &r)
                                          : __builtin_mul_overflow(x, y, &r);
        if (!overflow && r <= SCM_FIXNUM_MAX && r >= SCM_FIXNUM_MIN)
            return scm_fixnum(r);
    }
    return scm_ratio_arith(vm, op, a, b);
}

scm_value scm_arith(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    if (!scm_is_number(a) || !scm_is_number(b))
        return scm_wrong(vm, op_name(op), "a number", scm_is_number(a) ? b : a);
    if (scm_is_exact(a) && scm_is_exact(b))
        return exact_arith(vm, op, a, b);
    double x = scm_to_double(a), y = scm_to_double(b);
    return scm_flonum(vm, op == SCM_OP_ADD ? x + y : op == SCM_OP_SUB ? x - y : x * y);
}

/* An exact number against a flonum, without rounding it. *order -2: not ordered. */
static int compare_mixed(struct scm_vm *vm, scm_value exact, double x, int *order)
{
    if (isnan(x) || isinf(x)) {
        *order = isnan(x) ? -2 : x > 0 ? -1 : 1;
        return 0;
    }
    if (scm_is_fixnum(exact) && fabs(scm_to_double(exact)) < 9007199254740992.0) {
        double n = scm_to_double(exact);
        *order = n < x ? -1 : n > x;
        return 0;
    }
    scm_push_root(vm, &exact);
    scm_value other = scm_ratio_from_double(vm, x);
    scm_pop_root(vm, 1);
    return other == SCM_FAILED ? -1 : scm_ratio_compare(vm, exact, other, order);
}

static int compare(struct scm_vm *vm, scm_value a, scm_value b, int *order)
{
    if (scm_is_fixnum(a) && scm_is_fixnum(b)) {
        int64_t x = scm_fixnum_get(a), y = scm_fixnum_get(b);
        *order = x < y ? -1 : x > y;
        return 0;
    }
    if (scm_is_flonum(a) && scm_is_flonum(b)) {
        double x = scm_flonum_get(a), y = scm_flonum_get(b);
        *order = isnan(x) || isnan(y) ? -2 : x < y ? -1 : x > y;
        return 0;
    }
    if (scm_is_exact(a) && scm_is_exact(b))
        return scm_ratio_compare(vm, a, b, order);
    if (scm_is_exact(a))
        return compare_mixed(vm, a, scm_flonum_get(b), order);
    int code = compare_mixed(vm, b, scm_flonum_get(a), order);
    if (code == 0 && *order != -2)
        *order = -*order;
    return code;
}

scm_value scm_compare(struct scm_vm *vm, int op, scm_value a, scm_value b)
{
    int order;
    if (!scm_is_number(a) || !scm_is_number(b))
        return scm_wrong(vm, op_name(op), "a number", scm_is_number(a) ? b : a);
    if (compare(vm, a, b, &order))
        return SCM_FAILED;
    if (order == -2)
        return SCM_FALSE;
    switch (op) {
    case SCM_OP_LT:
        return scm_bool(order < 0);
    case SCM_OP_GT:
        return scm_bool(order > 0);
    case SCM_OP_LE:
        return scm_bool(order <= 0);
    case SCM_OP_GE:
        return scm_bool(order >= 0);
    default:
        return scm_bool(order == 0);
    }
}
