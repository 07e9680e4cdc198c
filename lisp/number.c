/* number.c: numbers as text, and as doubles. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/number_priv.h"
#include "lisp/op.h"

#define EXPONENT_MAX 200000 /* of a decimal that is to be exact: more has too many bits */

double scm_to_double(scm_value number)
{
    if (scm_is_fixnum(number))
        return (double)scm_fixnum_get(number);
    return scm_is_flonum(number) ? scm_flonum_get(number) : scm_ratio_to_double(number);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static int are_digits(const char *at, const char *end, int radix)
{
    if (at == end)
        return 0;
    for (; at < end; at++)
        if (digit_of(*at) >= radix)
            return 0;
    return 1;
}

/* An integer with or without a sign; SCM_ABSENT when it is none. */
static scm_value parse_integer(struct scm_vm *vm, const char *at, const char *end, int radix)
{
    int is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!are_digits(at, end, radix))
        return SCM_ABSENT;
    if (end - at > 11) /* eleven digits fit 62 bits in any radix */
        return scm_int_parse(vm, at, (size_t)(end - at), radix, is_negative);
    int64_t n = 0;
    for (; at < end; at++)
        n = n * radix + digit_of(*at);
    return scm_fixnum(is_negative ? -n : n);
}

/* A decimal's parts: its digits without the point, and the power of ten that they are counted in.
 */
struct decimal {
    struct mc_buf digits;
    int is_negative;
    long exponent;
};

/* 0 when it is no decimal. */
static int decimal_take(const char *at, const char *end, struct decimal *out)
{
    int after_point = -1;
    if (at < end && (*at == '+' || *at == '-'))
        out->is_negative = *at++ == '-';
    for (; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
        if (*at == '.' && after_point >= 0)
            return 0;
        if (*at == '.' || after_point >= 0)
            after_point++;
        if (*at != '.')
            mc_buf_add_char(&out->digits, *at);
    }
    if (out->digits.count == 0)
        return 0;
    if (at < end) {
        if ((*at | 0x20) != 'e')
            return 0;
        at++;
        int is_down = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (!are_digits(at, end, 10))
            return 0;
        for (; at < end; at++)
            out->exponent =
                out->exponent < 100000000 ? out->exponent * 10 + (*at - '0') : out->exponent;
        if (is_down)
            out->exponent = -out->exponent;
    }
    out->exponent -= after_point > 0 ? after_point : 0;
    return 1;
}

static scm_value decimal_exact(struct scm_vm *vm, const struct decimal *d)
{
    if (labs(d->exponent) > EXPONENT_MAX)
        return scm_fail_kind(vm, "limit", "an exact number of more than %u bits", SCM_INTEGER_BITS);
    scm_value v =
        scm_int_parse(vm, (const char *)d->digits.bytes, d->digits.count, 10, d->is_negative);
    if (v == SCM_FAILED || d->exponent == 0)
        return v;
    scm_push_root(vm, &v);
    scm_value power = scm_ratio_power(vm, scm_fixnum(10), (uint64_t)labs(d->exponent));
    if (power == SCM_FAILED)
        v = power;
    else
        v = d->exponent > 0 ? scm_int_mul(vm, v, power) : scm_ratio_make(vm, v, power);
    scm_pop_root(vm, 1);
    return v;
}

static scm_value decimal_inexact(struct scm_vm *vm, struct decimal *d)
{
    char exponent[24];
    snprintf(exponent, sizeof exponent, "e%ld", d->exponent);
    mc_buf_add(&d->digits, exponent, strlen(exponent) + 1);
    if (d->digits.failed)
        return scm_no_memory(vm, d->digits.count);
    double x = strtod((const char *)d->digits.bytes, NULL);
    return scm_flonum(vm, d->is_negative ? -x : x);
}

/* A decimal; SCM_ABSENT when it is none. */
static scm_value parse_decimal(struct scm_vm *vm, const char *at, const char *end, int is_exact)
{
    struct decimal d = {0};
    scm_value v = SCM_ABSENT;
    if (decimal_take(at, end, &d))
        v = is_exact ? decimal_exact(vm, &d) : decimal_inexact(vm, &d);
    mc_buf_fini(&d.digits);
    return v;
}

static int parse_special(const char *at, size_t count, double *out)
{
    if (count != 6)
        return 0;
    if (strncasecmp(at, "+inf.0", 6) == 0)
        *out = INFINITY;
    else if (strncasecmp(at, "-inf.0", 6) == 0)
        *out = -INFINITY;
    else if (strncasecmp(at, "+nan.0", 6) == 0 || strncasecmp(at, "-nan.0", 6) == 0)
        *out = NAN;
    else
        return 0;
    return 1;
}

/* a/b; SCM_ABSENT when it is none. */
static scm_value parse_fraction(struct scm_vm *vm, const char *at, const char *end, int radix,
                                const char **why)
{
    const char *slash = memchr(at, '/', (size_t)(end - at));
    if (!slash || !are_digits(slash + 1, end, radix))
        return SCM_ABSENT;
    scm_value num = parse_integer(vm, at, slash, radix);
    if (num == SCM_ABSENT || num == SCM_FAILED)
        return num;
    scm_push_root(vm, &num);
    scm_value den = parse_integer(vm, slash + 1, end, radix);
    scm_pop_root(vm, 1);
    if (den == scm_fixnum(0)) {
        *why = "a fraction with denominator 0";
        return SCM_FAILED;
    }
    return den == SCM_FAILED ? den : scm_ratio_make(vm, num, den);
}

static int parse_prefixes(const char **at, const char *end, int *radix, char *exactness)
{
    while (end - *at >= 2 && **at == '#') {
        switch ((*at)[1] | 0x20) {
        case 'x':
            *radix = 16;
            break;
        case 'o':
            *radix = 8;
            break;
        case 'b':
            *radix = 2;
            break;
        case 'd':
            *radix = 10;
            break;
        case 'e':
        case 'i':
            *exactness = (char)((*at)[1] | 0x20);
            break;
        default:
            return 0;
        }
        *at += 2;
    }
    return *at < end;
}

/* The number of this text in the exactness that it is written in; SCM_ABSENT when it is none. */
static scm_value parse_real(struct scm_vm *vm, const char *at, const char *end, int radix,
                            char exactness, const char **why)
{
    double x;
    scm_value v = parse_integer(vm, at, end, radix);
    if (v == SCM_ABSENT)
        v = parse_fraction(vm, at, end, radix, why);
    if (v != SCM_ABSENT)
        return v != SCM_FAILED && exactness == 'i' ? scm_flonum(vm, scm_to_double(v)) : v;
    if (parse_special(at, (size_t)(end - at), &x)) {
        if (exactness != 'e')
            return scm_flonum(vm, x);
        *why = "not finite, so never exact";
        return SCM_FAILED;
    }
    return radix == 10 ? parse_decimal(vm, at, end, exactness == 'e') : SCM_ABSENT;
}

int scm_number_parse(struct scm_vm *vm, const char *text, size_t text_bytes, int radix,
                     scm_value *out, const char **why)
{
    const char *at = text, *end = text + text_bytes;
    char exactness = 0;
    if (text_bytes == 0 || !parse_prefixes(&at, end, &radix, &exactness))
        return 0;
    const char *trouble = "past the limits of exact numbers";
    scm_value v = parse_real(vm, at, end, radix, exactness, &trouble);
    if (v == SCM_FAILED)
        *why = trouble;
    if (v == SCM_FAILED || v == SCM_ABSENT)
        return v == SCM_FAILED ? -1 : 0;
    *out = v;
    return 1;
}

/* The shortest of 15, 16 or 17 digits that reads back as the same number; exponents without a plus
 * or zeros before them. */
static void print_real(double x, struct mc_buf *out)
{
    char text[40];
    if (isnan(x) || isinf(x)) {
        mc_buf_add_str(out, isnan(x) ? "+nan.0" : x > 0 ? "+inf.0" : "-inf.0");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    char *e = strchr(text, 'e');
    mc_buf_add(out, text, e ? (size_t)(e - text) : strlen(text));
    if (e)
        mc_buf_printf(out, "e%d", atoi(e + 1));
    else if (!strchr(text, '.'))
        mc_buf_add_str(out, ".0");
}

void scm_number_print(scm_value v, int radix, struct mc_buf *out)
{
    if (scm_is_flonum(v)) {
        print_real(scm_flonum_get(v), out);
        return;
    }
    scm_int_print(scm_ratio_numerator(v), radix, out);
    if (scm_is_ratio(v)) {
        mc_buf_add_char(out, '/');
        scm_int_print(scm_ratio_denominator(v), radix, out);
    }
}
