/* number.c: numbers as text. Exact integers have 62 bits; there are no exact fractions. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/scm_priv.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

struct parsed {
    int is_exact;
    int64_t n;
    double x;
};

/* Digits of an integer; 0 when it is none, -1 when it has more than 62 bits (x has it then). */
static int parse_integer(const char *at, const char *end, int radix, struct parsed *out)
{
    int negative = *at == '-', fits = 1;
    if (*at == '-' || *at == '+')
        at++;
    if (at == end)
        return 0;
    int64_t n = 0;
    double x = 0;
    for (; at < end; at++) {
        int d = digit_of(*at);
        if (d >= radix)
            return 0;
        x = x * radix + d;
        if (fits && n <= (SCM_FIXNUM_MAX - d) / radix)
            n = n * radix + d;
        else
            fits = 0;
    }
    out->n = negative ? -n : n;
    out->x = negative ? -x : x;
    out->is_exact = fits;
    return fits ? 1 : -1;
}

/* A decimal as strtod takes it, but nothing else that strtod takes (hex, nan(...), spaces). */
static int parse_decimal(const char *at, const char *end, double *out)
{
    char copy[400];
    size_t count = (size_t)(end - at);
    int digits = 0, exponent = 0;
    if (count >= sizeof copy)
        return 0;
    for (size_t i = 0; i < count; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9') {
            digits += !exponent;
        } else if ((c == 'e' || c == 'E') && digits && !exponent) {
            exponent = 1;
            if (i + 1 < count && (at[i + 1] == '+' || at[i + 1] == '-'))
                i++;
            if (i + 1 == count)
                return 0;
        } else if (!(c == '.' && !exponent) && !(i == 0 && (c == '+' || c == '-'))) {
            return 0;
        }
    }
    if (!digits)
        return 0;
    memcpy(copy, at, count);
    copy[count] = 0;
    char *stop;
    *out = strtod(copy, &stop);
    return stop == copy + count;
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

/* a/b: exact only when it divides. */
static int parse_fraction(const char *at, const char *end, int radix, struct parsed *out,
                          const char **why)
{
    const char *slash = memchr(at, '/', (size_t)(end - at));
    struct parsed under;
    if (!slash || slash == at || slash + 1 == end || slash[1] == '-' || slash[1] == '+')
        return 0;
    if (!parse_integer(at, slash, radix, out) || !parse_integer(slash + 1, end, radix, &under))
        return 0;
    if (under.x == 0) {
        *why = "a fraction with denominator 0";
        return -1;
    }
    if (out->is_exact && under.is_exact && out->n % under.n == 0) {
        out->n /= under.n;
        out->x = (double)out->n;
        return 1;
    }
    out->x /= under.x;
    out->is_exact = -1;
    return 1;
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

static int finish(struct scm_vm *vm, struct parsed *p, char exactness, scm_value *out,
                  const char **why)
{
    if (exactness == 'i') {
        *out = scm_flonum(vm, p->is_exact > 0 ? (double)p->n : p->x);
        return 1;
    }
    if (p->is_exact > 0) {
        *out = scm_fixnum(p->n);
        return 1;
    }
    if (exactness == 'e' && p->x == floor(p->x) && fabs(p->x) < 2305843009213693952.0) {
        *out = scm_fixnum((int64_t)p->x);
        return 1;
    }
    *why = p->is_exact < 0 || exactness == 'e'
               ? "an exact fraction; this Scheme has exact integers only"
               : "an integer of more than 62 bits; write it with a decimal point";
    return -1;
}

int scm_number_parse(struct scm_vm *vm, const char *text, size_t text_bytes, int radix,
                     scm_value *out, const char **why)
{
    const char *at = text, *end = text + text_bytes;
    char exactness = 0;
    struct parsed p = {0, 0, 0};
    if (text_bytes == 0 || !parse_prefixes(&at, end, &radix, &exactness))
        return 0;
    int got = parse_integer(at, end, radix, &p);
    if (got)
        return finish(vm, &p, exactness, out, why);
    got = parse_fraction(at, end, radix, &p, why);
    if (got)
        return got < 0 ? -1 : finish(vm, &p, exactness, out, why);
    if (!parse_special(at, (size_t)(end - at), &p.x) &&
        (radix != 10 || !parse_decimal(at, end, &p.x)))
        return 0;
    if (exactness == 'e')
        return finish(vm, &p, 'e', out, why);
    *out = scm_flonum(vm, p.x);
    return 1;
}

static void print_integer(int64_t n, int radix, struct mc_buf *out)
{
    char digits[80];
    size_t at = sizeof digits;
    uint64_t left = n < 0 ? (uint64_t)-n : (uint64_t)n;
    do {
        digits[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[left % (uint64_t)radix];
        left /= (uint64_t)radix;
    } while (left);
    if (n < 0)
        digits[--at] = '-';
    mc_buf_add(out, digits + at, sizeof digits - at);
}

/* The shortest of 15, 16 or 17 digits that reads back as the same number. */
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
    mc_buf_add_str(out, text);
    if (!strpbrk(text, ".e"))
        mc_buf_add_str(out, ".0");
}

void scm_number_print(scm_value v, int radix, struct mc_buf *out)
{
    if (scm_is_fixnum(v)) {
        print_integer(scm_fixnum_get(v), radix, out);
        return;
    }
    double x = scm_flonum_get(v);
    if (radix != 10 && x == floor(x) && fabs(x) < 9007199254740992.0) {
        print_integer((int64_t)x, radix, out);
        mc_buf_add_str(out, ".0");
        return;
    }
    print_real(x, out);
}
