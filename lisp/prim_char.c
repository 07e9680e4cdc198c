/* prim_char.c: characters. Case and classes go by the C library's Unicode tables (C.UTF-8). */
#include <locale.h>
#include <wctype.h>

#include "lisp/prim_priv.h"

static int class_of(uint32_t cp, const char *class)
{
    static locale_t unicode;
    if (cp < 128) {
        switch (class[0]) {
        case 'a': /* alpha */
            return (cp | 32) >= 'a' && (cp | 32) <= 'z';
        case 'u': /* upper */
            return cp >= 'A' && cp <= 'Z';
        case 'l': /* lower */
            return cp >= 'a' && cp <= 'z';
        default: /* space */
            return cp == ' ' || (cp >= 9 && cp <= 13);
        }
    }
    if (!unicode)
        unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!unicode)
        return 0;
    if (class[0] == 's' && cp == 0xa0)
        return 1;
    return iswctype_l((wint_t)cp, wctype_l(class, unicode), unicode) != 0;
}

uint32_t scm_char_case(uint32_t cp, int up)
{
    static locale_t unicode;
    if (cp < 128) {
        if (up && cp >= 'a' && cp <= 'z')
            return cp - 32;
        return !up && cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    }
    if (!unicode)
        unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!unicode)
        return cp;
    return (uint32_t)(up ? towupper_l((wint_t)cp, unicode) : towlower_l((wint_t)cp, unicode));
}

/* Decimal digits of the scripts that have them in a row of ten. */
static int digit_of(uint32_t cp)
{
    static const uint32_t zeros[] = {0x30,  0x660, 0x6f0,  0x7c0,  0x966,  0x9e6, 0xa66,
                                     0xae6, 0xb66, 0xbe6,  0xc66,  0xce6,  0xd66, 0xe50,
                                     0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0xff10};
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        if (cp >= zeros[i] && cp < zeros[i] + 10)
            return (int)(cp - zeros[i]);
    }
    return -1;
}

SCM_PRIM(p_charp)
{
    return scm_bool(scm_is_char(argv[0]));
}
SCM_PRIM(p_char_to_integer)
{
    return scm_is_char(argv[0]) ? scm_fixnum(scm_char_get(argv[0]))
                                : scm_wrong(vm, "char->integer", "a character", argv[0]);
}
SCM_PRIM(p_integer_to_char)
{
    int64_t n = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    if (n < 0 || n > 0x10ffff || (n >= 0xd800 && n < 0xe000))
        return scm_wrong(vm, "integer->char", "the number of a character", argv[0]);
    return scm_char((uint32_t)n);
}

/* how: the sign wanted, in bits: 1 less, 2 equal, 4 greater */
static scm_value compare(struct scm_vm *vm, const char *who, int how, int fold, int argc,
                         const scm_value *argv)
{
    int result = 1;
    for (int i = 0; i < argc; i++) {
        if (!scm_is_char(argv[i]))
            return scm_wrong(vm, who, "a character", argv[i]);
        if (i == 0)
            continue;
        uint32_t a = scm_char_get(argv[i - 1]), b = scm_char_get(argv[i]);
        if (fold) {
            a = scm_char_case(scm_char_case(a, 1), 0);
            b = scm_char_case(scm_char_case(b, 1), 0);
        }
        result &= (how & (a < b ? 1 : a == b ? 2 : 4)) != 0;
    }
    return scm_bool(result);
}
#define X(name, text, how, fold)                                                                   \
    SCM_PRIM(name)                                                                                 \
    {                                                                                              \
        return compare(vm, text, how, fold, argc, argv);                                           \
    }
SCM_COMPARISONS(X, "char")
#undef X

static scm_value class_is(struct scm_vm *vm, const char *who, const char *class, scm_value v)
{
    if (!scm_is_char(v))
        return scm_wrong(vm, who, "a character", v);
    return scm_bool(class_of(scm_char_get(v), class));
}
int scm_char_is_letter(uint32_t cp)
{
    return class_of(cp, "alpha");
}
SCM_PRIM(p_alphabetic)
{
    return class_is(vm, "char-alphabetic?", "alpha", argv[0]);
}
SCM_PRIM(p_whitespace)
{
    return class_is(vm, "char-whitespace?", "space", argv[0]);
}
SCM_PRIM(p_upper)
{
    return class_is(vm, "char-upper-case?", "upper", argv[0]);
}
SCM_PRIM(p_lower)
{
    return class_is(vm, "char-lower-case?", "lower", argv[0]);
}
SCM_PRIM(p_numeric)
{
    if (!scm_is_char(argv[0]))
        return scm_wrong(vm, "char-numeric?", "a character", argv[0]);
    return scm_bool(digit_of(scm_char_get(argv[0])) >= 0);
}
SCM_PRIM(p_digit_value)
{
    if (!scm_is_char(argv[0]))
        return scm_wrong(vm, "digit-value", "a character", argv[0]);
    int d = digit_of(scm_char_get(argv[0]));
    return d < 0 ? SCM_FALSE : scm_fixnum(d);
}
static scm_value recase(struct scm_vm *vm, const char *who, scm_value v, int up)
{
    return scm_is_char(v) ? scm_char(scm_char_case(scm_char_get(v), up))
                          : scm_wrong(vm, who, "a character", v);
}
SCM_PRIM(p_upcase)
{
    return recase(vm, "char-upcase", argv[0], 1);
}
SCM_PRIM(p_downcase)
{
    return recase(vm, "char-downcase", argv[0], 0);
}
SCM_PRIM(p_foldcase)
{
    return recase(vm, "char-foldcase", argv[0], 0);
}

const struct scm_prim_def scm_prims_char[] = {
    {"char?", p_charp, 1, 1, 0, 0},
    {"char->integer", p_char_to_integer, 1, 1, 0, 0},
    {"integer->char", p_integer_to_char, 1, 1, 0, 0},
#define X(name, text, how, fold) {text, name, 1, -1, 0, 0},
    SCM_COMPARISONS(X, "char")
#undef X
        {"char-alphabetic?", p_alphabetic, 1, 1, 0, 0},
    {"char-whitespace?", p_whitespace, 1, 1, 0, 0},
    {"char-upper-case?", p_upper, 1, 1, 0, 0},
    {"char-lower-case?", p_lower, 1, 1, 0, 0},
    {"char-numeric?", p_numeric, 1, 1, 0, 0},
    {"digit-value", p_digit_value, 1, 1, 0, 0},
    {"char-upcase", p_upcase, 1, 1, 0, 0},
    {"char-downcase", p_downcase, 1, 1, 0, 0},
    {"char-foldcase", p_foldcase, 1, 1, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
