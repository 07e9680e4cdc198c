/* integer.c: exact integers: fixnums, and past 62 bits magnitude and sign in a BIGNUM cell.
 *
 * A result is computed in the arena for temporaries and becomes a cell in the end: nothing is
 * allocated in the heap while the operands' limbs are in use.
 */
#include <math.h>
#include <stdlib.h>

#include "lisp/nat.h"
#include "lisp/number_priv.h"

#define LIMBS_MAX (SCM_INTEGER_BITS / 64)

/* An integer's magnitude and sign, wherever it lies. */
struct view {
    const uint64_t *limbs; /* borrowed; trimmed */
    size_t count;
    int is_negative;
    uint64_t own; /* the limb of a fixnum */
};

static void view_init(struct view *view, scm_value v)
{
    if (scm_is_fixnum(v)) {
        int64_t n = scm_fixnum_get(v);
        view->is_negative = n < 0;
        view->own = n < 0 ? -(uint64_t)n : (uint64_t)n;
        view->limbs = &view->own;
        view->count = n != 0;
    } else {
        view->is_negative = scm_cell(v)->small;
        view->limbs = scm_ptr(scm_cell(v)->a);
        view->count = scm_cell(v)->aux;
    }
}

static scm_value too_large(struct scm_vm *vm)
{
    return scm_fail_kind(vm, "limit", "an exact integer of more than %u bits", SCM_INTEGER_BITS);
}

/* The integer of these limbs, which do not lie in the heap. */
static scm_value make(struct scm_vm *vm, const uint64_t *limbs, size_t count, int is_negative)
{
    count = scm_nat_trim(limbs, count);
    if (count == 0)
        return scm_fixnum(0);
    if (count == 1 && limbs[0] <= (uint64_t)SCM_FIXNUM_MAX)
        return scm_fixnum(is_negative ? -(int64_t)limbs[0] : (int64_t)limbs[0]);
    if (count == 1 && is_negative && limbs[0] == (uint64_t)SCM_FIXNUM_MAX + 1)
        return scm_fixnum(SCM_FIXNUM_MIN);
    if (scm_nat_bits(limbs, count) > SCM_INTEGER_BITS)
        return too_large(vm);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_BIGNUM);
    if (!cell)
        return SCM_FAILED;
    cell->a = cell->b = 0;
    scm_value v = scm_from_cell(cell);
    scm_push_root(vm, &v);
    uint64_t *own = scm_payload(vm, count * sizeof *own);
    scm_pop_root(vm, 1);
    if (!own) {
        scm_no_memory(vm, count * sizeof *own);
        return SCM_FAILED;
    }
    memcpy(own, limbs, count * sizeof *own);
    cell->a = (scm_value)(uintptr_t)own;
    cell->b = count * sizeof *own;
    cell->aux = (uint32_t)count;
    cell->small = is_negative != 0;
    return v;
}

/* Room for limbs until the arena is released; NULL with vm->pending. */
static uint64_t *temp_limbs(struct scm_vm *vm, size_t count)
{
    uint64_t *limbs = scm_temp(vm, count * sizeof *limbs);
    if (!limbs)
        scm_no_memory(vm, count * sizeof *limbs);
    return limbs;
}

/* ---- looking --------------------------------------------------------------------------------- */

int scm_int_sign(scm_value v)
{
    if (scm_is_fixnum(v))
        return scm_fixnum_get(v) < 0 ? -1 : scm_fixnum_get(v) > 0;
    return scm_cell(v)->small ? -1 : 1;
}

int scm_int_is_odd(scm_value v)
{
    struct view view;
    view_init(&view, v);
    return view.count > 0 && (view.limbs[0] & 1);
}

size_t scm_int_bits(scm_value v)
{
    struct view view;
    view_init(&view, v);
    return scm_nat_bits(view.limbs, view.count);
}

int scm_int_compare(scm_value a, scm_value b)
{
    struct view x, y;
    view_init(&x, a);
    view_init(&y, b);
    if (x.is_negative != y.is_negative)
        return x.is_negative ? -1 : 1;
    int order = scm_nat_compare(x.limbs, x.count, y.limbs, y.count);
    return x.is_negative ? -order : order;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* a + b, b's sign turned when `is_minus`. */
static scm_value sum(struct scm_vm *vm, scm_value a, scm_value b, int is_minus)
{
    struct view x, y;
    view_init(&x, a);
    view_init(&y, b);
    y.is_negative ^= is_minus;
    int order = scm_nat_compare(x.limbs, x.count, y.limbs, y.count);
    const struct view *more = order >= 0 ? &x : &y, *less = order >= 0 ? &y : &x;
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint64_t *out = temp_limbs(vm, more->count + 1);
    if (!out)
        return SCM_FAILED;
    size_t count = x.is_negative == y.is_negative
                       ? scm_nat_add(out, more->limbs, more->count, less->limbs, less->count)
                       : scm_nat_sub(out, more->limbs, more->count, less->limbs, less->count);
    scm_value v = make(vm, out, count, more->is_negative);
    scm_arena_release(vm, mark);
    return v;
}

scm_value scm_int_add(struct scm_vm *vm, scm_value a, scm_value b)
{
    return sum(vm, a, b, 0);
}

scm_value scm_int_sub(struct scm_vm *vm, scm_value a, scm_value b)
{
    return sum(vm, a, b, 1);
}

scm_value scm_int_negate(struct scm_vm *vm, scm_value v)
{
    return sum(vm, scm_fixnum(0), v, 1);
}

scm_value scm_int_mul(struct scm_vm *vm, scm_value a, scm_value b)
{
    struct view x, y;
    view_init(&x, a);
    view_init(&y, b);
    if (x.count + y.count > LIMBS_MAX + 1)
        return too_large(vm);
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint64_t *out = temp_limbs(vm, x.count + y.count + 1);
    if (!out)
        return SCM_FAILED;
    size_t count = scm_nat_mul(out, x.limbs, x.count, y.limbs, y.count);
    scm_work(vm, x.count * y.count);
    scm_value v = make(vm, out, count, x.is_negative ^ y.is_negative);
    scm_arena_release(vm, mark);
    return v;
}

/* Working copies for a division, the quotient behind them. */
struct division {
    uint64_t *rest, *divisor, *quotient;
    size_t rest_count, divisor_count, quotient_count;
};

static int divide(struct scm_vm *vm, const struct view *x, const struct view *y, struct division *d)
{
    size_t room = (x->count > y->count ? x->count : y->count) + 2;
    d->rest = temp_limbs(vm, 3 * room);
    if (!d->rest)
        return -1;
    d->divisor = d->rest + room;
    d->quotient = d->divisor + room;
    memcpy(d->rest, x->limbs, x->count * sizeof *d->rest);
    memcpy(d->divisor, y->limbs, y->count * sizeof *d->rest);
    d->rest_count = x->count;
    d->divisor_count = y->count;
    d->quotient_count = 0;
    if (scm_nat_compare(x->limbs, x->count, y->limbs, y->count) < 0)
        return 0;
    scm_nat_divide(d->quotient, d->rest, x->count, d->divisor, y->count);
    d->rest_count = scm_nat_trim(d->rest, y->count);
    d->quotient_count = scm_nat_trim(d->quotient, x->count - y->count + 1);
    scm_work(vm, (x->count - y->count + 1) * y->count);
    return 0;
}

int scm_int_divide(struct scm_vm *vm, scm_value a, scm_value b, int is_floor, scm_value *quotient,
                   scm_value *rest)
{
    struct view x, y;
    struct division d;
    scm_value q = SCM_FALSE, r = SCM_FALSE;
    view_init(&x, a);
    view_init(&y, b);
    struct scm_arena_mark mark = scm_arena_mark(vm);
    if (divide(vm, &x, &y, &d)) {
        scm_arena_release(vm, mark);
        return -1;
    }
    int is_below = x.is_negative != y.is_negative;
    if (is_floor && is_below && d.rest_count > 0) { /* one further down */
        static const uint64_t one = 1;
        if (d.quotient_count > 0)
            d.quotient_count = scm_nat_add(d.quotient, d.quotient, d.quotient_count, &one, 1);
        else
            d.quotient[d.quotient_count++] = 1;
        d.rest_count = scm_nat_sub(d.rest, d.divisor, d.divisor_count, d.rest, d.rest_count);
        x.is_negative = y.is_negative;
    }
    scm_push_root(vm, &q);
    if (quotient)
        q = make(vm, d.quotient, d.quotient_count, is_below);
    if (rest && q != SCM_FAILED)
        r = make(vm, d.rest, d.rest_count, x.is_negative);
    scm_pop_root(vm, 1);
    scm_arena_release(vm, mark);
    if (q == SCM_FAILED || r == SCM_FAILED)
        return -1;
    if (quotient)
        *quotient = q;
    if (rest)
        *rest = r;
    return 0;
}

scm_value scm_int_shift(struct scm_vm *vm, scm_value v, size_t bits)
{
    struct view x;
    view_init(&x, v);
    if (bits > SCM_INTEGER_BITS)
        return x.count ? too_large(vm) : v;
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint64_t *out = temp_limbs(vm, x.count + bits / 64 + 2);
    if (!out)
        return SCM_FAILED;
    size_t count = scm_nat_shift_left(out, x.limbs, x.count, bits);
    scm_value shifted = make(vm, out, count, x.is_negative);
    scm_arena_release(vm, mark);
    return shifted;
}

static int64_t small_gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

scm_value scm_int_gcd(struct scm_vm *vm, scm_value a, scm_value b)
{
    struct view x, y;
    scm_value least = scm_fixnum(SCM_FIXNUM_MIN);
    if (scm_is_fixnum(a) && scm_is_fixnum(b) && a != least && b != least)
        return scm_fixnum(small_gcd(scm_fixnum_get(a), scm_fixnum_get(b)));
    view_init(&x, a);
    view_init(&y, b);
    size_t room = (x.count > y.count ? x.count : y.count) + 2;
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint64_t *out = temp_limbs(vm, 3 * room);
    if (!out)
        return SCM_FAILED;
    memcpy(out, x.limbs, x.count * sizeof *out);
    memcpy(out + room, y.limbs, y.count * sizeof *out);
    size_t count = scm_nat_gcd(out, x.count, out + room, y.count, out + 2 * room);
    scm_work(vm, x.count * y.count * 8);
    scm_value v = make(vm, out, count, 0);
    scm_arena_release(vm, mark);
    return v;
}

/* A number not below the root of n: by doubles, or from the root of n's upper half of bits, which
 * gives half of the root's. Depth: a call for each halving of at most SCM_INTEGER_BITS. */
static scm_value root_above(struct scm_vm *vm, scm_value n)
{
    size_t bits = scm_int_bits(n), cut = bits / 4;
    if (bits < 1000)
        return scm_int_from_double(vm, ceil(sqrt(scm_int_to_double(n)) * (1 + 1e-15)) + 1);
    scm_push_root(vm, &n);
    scm_value top = scm_int_shift(vm, scm_fixnum(1), 2 * cut);
    if (top == SCM_FAILED || scm_int_divide(vm, n, top, 0, &top, NULL))
        top = SCM_FAILED;
    scm_pop_root(vm, 1);
    scm_value root = top == SCM_FAILED ? top : scm_int_root(vm, top);
    root = root == SCM_FAILED ? root : scm_int_add(vm, root, scm_fixnum(1));
    return root == SCM_FAILED ? root : scm_int_shift(vm, root, cut);
}

/* One step of Newton's method: (root + n / root) / 2. */
static scm_value root_step(struct scm_vm *vm, scm_value n, scm_value root)
{
    scm_value next = SCM_FALSE;
    scm_push_root(vm, &root);
    if (scm_int_divide(vm, n, root, 0, &next, NULL) ||
        (next = scm_int_add(vm, next, root)) == SCM_FAILED ||
        scm_int_divide(vm, next, scm_fixnum(2), 0, &next, NULL))
        next = SCM_FAILED;
    scm_pop_root(vm, 1);
    return next;
}

/* From above, the steps go down until they reach the root. */
scm_value scm_int_root(struct scm_vm *vm, scm_value n)
{
    if (n == scm_fixnum(0))
        return n;
    scm_push_root(vm, &n);
    scm_value root = root_above(vm, n);
    scm_push_root(vm, &root);
    while (root != SCM_FAILED) {
        scm_value next = root_step(vm, n, root);
        if (next != SCM_FAILED && scm_int_compare(next, root) >= 0)
            break;
        root = next;
    }
    scm_pop_root(vm, 2);
    return root;
}

/* ---- doubles and texts ----------------------------------------------------------------------- */

scm_value scm_int_from_double(struct scm_vm *vm, double x)
{
    if (fabs(x) < 2305843009213693952.0)
        return scm_fixnum((int64_t)x);
    int exponent;
    double part = frexp(fabs(x), &exponent);
    uint64_t limbs[1024 / 64 + 2] = {(uint64_t)ldexp(part, 64)};
    size_t count = scm_nat_shift_left(limbs, limbs, 1, (size_t)exponent);
    count = scm_nat_shift_right(limbs, limbs, count, 64);
    return make(vm, limbs, count, x < 0);
}

double scm_int_to_double(scm_value v)
{
    struct view view;
    view_init(&view, v);
    double x = scm_nat_to_double(view.limbs, view.count, 0, 0);
    return view.is_negative ? -x : x;
}

double scm_int_log(scm_value v)
{
    struct view view;
    view_init(&view, v);
    int64_t bits = (int64_t)scm_nat_bits(view.limbs, view.count);
    return log(scm_nat_to_double(view.limbs, view.count, -bits, 0)) + (double)bits * log(2);
}

double scm_int_quotient_to_double(scm_value num, scm_value den)
{
    struct view x, y;
    view_init(&x, num);
    view_init(&y, den);
    int64_t up =
        66 + (int64_t)scm_nat_bits(y.limbs, y.count) - (int64_t)scm_nat_bits(x.limbs, x.count);
    size_t room = x.count + y.count + (size_t)llabs(up) / 64 + 3;
    uint64_t *a = malloc(3 * room * sizeof *a);
    if (!a)
        return NAN;
    uint64_t *b = a + room, *quotient = b + room;
    size_t a_count = scm_nat_shift_left(a, x.limbs, x.count, up > 0 ? (size_t)up : 0);
    size_t b_count = scm_nat_shift_left(b, y.limbs, y.count, up < 0 ? (size_t)-up : 0);
    scm_nat_divide(quotient, a, a_count, b, b_count);
    size_t count = scm_nat_trim(quotient, a_count - b_count + 1);
    double q = scm_nat_to_double(quotient, count, -up, scm_nat_trim(a, b_count) > 0);
    free(a);
    return x.is_negative ? -q : q;
}

/* As many digits as a limb takes: their count, and radix to that power. */
static int digits_per_limb(int radix, uint64_t *power)
{
    int count = 0;
    for (*power = 1; *power <= UINT64_MAX / (uint64_t)radix; count++)
        *power *= (uint64_t)radix;
    return count;
}

static uint64_t digit_of(char c)
{
    return (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

scm_value scm_int_parse(struct scm_vm *vm, const char *digits, size_t count, int radix,
                        int is_negative)
{
    uint64_t power;
    int at_once = digits_per_limb(radix, &power);
    size_t room = count / (size_t)at_once + 2, limbs = 0;
    while (count > 0 && *digits == '0')
        digits++, count--;
    if (count > SCM_INTEGER_BITS)
        return too_large(vm);
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint64_t *out = temp_limbs(vm, room);
    if (!out)
        return SCM_FAILED;
    for (size_t at = 0; at < count;) {
        uint64_t part = 0, factor = 1;
        for (int i = 0; i < at_once && at < count; i++, at++) {
            part = part * (uint64_t)radix + digit_of(digits[at]);
            factor *= (uint64_t)radix;
        }
        limbs = scm_nat_mul_small(out, limbs, factor, part);
        scm_work(vm, limbs);
    }
    scm_value v = make(vm, out, limbs, is_negative);
    scm_arena_release(vm, mark);
    return v;
}

void scm_int_print(scm_value v, int radix, struct mc_buf *out)
{
    struct view view;
    uint64_t power;
    int at_once = digits_per_limb(radix, &power), bits = 31 - __builtin_clz((unsigned)radix);
    view_init(&view, v);
    size_t count = view.count, room = count * 64 / (size_t)bits + (size_t)at_once + 2, at = room;
    uint64_t *left = malloc((count + 1) * sizeof *left);
    char *text = malloc(room);
    if (left && text) {
        memcpy(left, view.limbs, count * sizeof *left);
        do {
            uint64_t part = scm_nat_div_small(left, count, power);
            count = scm_nat_trim(left, count);
            for (int i = 0; i < at_once && (count > 0 || part > 0); i++, part /= (uint64_t)radix)
                text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[part % (uint64_t)radix];
        } while (count > 0);
        if (at == room)
            text[--at] = '0';
        if (view.is_negative)
            text[--at] = '-';
        mc_buf_add(out, text + at, room - at);
    } else {
        out->failed = 1;
    }
    free(left);
    free(text);
}
