/* prim_list.c: pairs, lists, equality, symbols, booleans. */
#include "lisp/op.h"
#include "lisp/prim_priv.h"

SCM_PRIM(p_cons)
{
    return scm_cons(vm, argv[0], argv[1]);
}

/* car, cdr and their compositions: arg's text is the path, as in "ad" for cadr. */
static scm_value path(struct scm_vm *vm, const scm_value *argv, const char *name)
{
    scm_value v = argv[0];
    for (size_t i = strlen(name) - 1; i-- > 1;) {
        if (!scm_is_pair(v))
            return scm_wrong(vm, name, "a pair", argv[0]);
        v = name[i] == 'a' ? scm_cell(v)->a : scm_cell(v)->b;
    }
    return v;
}

/* Not laid out by clang-format, which does it anew each time. */
/* clang-format off */
#define PATHS(X)                                                                                   \
    X(car) X(cdr) X(caar) X(cadr) X(cdar) X(cddr)                                                  \
    X(caaar) X(caadr) X(cadar) X(caddr) X(cdaar) X(cdadr) X(cddar) X(cdddr)                        \
    X(caaaar) X(caaadr) X(caadar) X(caaddr) X(cadaar) X(cadadr) X(caddar) X(cadddr)                \
    X(cdaaar) X(cdaadr) X(cdadar) X(cdaddr) X(cddaar) X(cddadr) X(cdddar) X(cddddr)
#define X(name)                                                                                    \
    SCM_PRIM(p_##name)                                                                             \
    {                                                                                              \
        return path(vm, argv, #name);                                                              \
    }
PATHS(X)
#undef X
/* clang-format on */

SCM_PRIM(p_set_car)
{
    if (!scm_is_pair(argv[0]))
        return scm_wrong(vm, "set-car!", "a pair", argv[0]);
    scm_cell(argv[0])->a = argv[1];
    return SCM_VOID;
}
SCM_PRIM(p_set_cdr)
{
    if (!scm_is_pair(argv[0]))
        return scm_wrong(vm, "set-cdr!", "a pair", argv[0]);
    scm_cell(argv[0])->b = argv[1];
    return SCM_VOID;
}

SCM_PRIM(p_list)
{
    scm_value list = SCM_NIL;
    while (argc-- > 0)
        list = scm_cons(vm, argv[argc], list);
    return list;
}
SCM_PRIM(p_cons_star)
{
    scm_value list = argv[--argc];
    while (argc-- > 0)
        list = scm_cons(vm, argv[argc], list);
    return list;
}

/* Put the items of `from` (checked to be a proper list) in front of `tail`. */
static scm_value copy_onto(struct scm_vm *vm, scm_value from, scm_value tail)
{
    scm_value head = SCM_NIL, last = SCM_NIL;
    if (!scm_is_pair(from))
        return tail;
    scm_push_root(vm, &head);
    scm_push_root(vm, &tail);
    for (; scm_is_pair(from); from = scm_cell(from)->b) {
        scm_value pair = scm_cons(vm, scm_cell(from)->a, SCM_NIL);
        if (!scm_is_pair(pair))
            break;
        if (head == SCM_NIL)
            head = pair;
        else
            scm_cell(last)->b = pair;
        last = pair;
    }
    if (scm_is_pair(last))
        scm_cell(last)->b = tail;
    scm_pop_root(vm, 2);
    return head;
}

SCM_PRIM(p_append)
{
    if (argc == 0)
        return SCM_NIL;
    scm_value list = argv[argc - 1];
    for (int i = argc - 1; i-- > 0;) {
        if (scm_list_length(argv[i]) < 0)
            return scm_wrong(vm, "append", "a list", argv[i]);
        list = copy_onto(vm, argv[i], list);
    }
    return list;
}
SCM_PRIM(p_append_in_place)
{
    scm_value list = SCM_NIL;
    for (int i = argc; i-- > 0;) {
        if (i < argc - 1 && scm_list_length(argv[i]) < 0)
            return scm_wrong(vm, "append!", "a list", argv[i]);
        if (i == argc - 1) {
            list = argv[i];
        } else if (scm_is_pair(argv[i])) {
            scm_value last = argv[i];
            while (scm_is_pair(scm_cell(last)->b))
                last = scm_cell(last)->b;
            scm_cell(last)->b = list;
            list = argv[i];
        }
    }
    return list;
}
SCM_PRIM(p_reverse)
{
    scm_value list = SCM_NIL;
    if (scm_list_length(argv[0]) < 0)
        return scm_wrong(vm, "reverse", "a list", argv[0]);
    for (scm_value at = argv[0]; scm_is_pair(at); at = scm_cell(at)->b)
        list = scm_cons(vm, scm_cell(at)->a, list);
    return list;
}
SCM_PRIM(p_reverse_in_place)
{
    if (scm_list_length(argv[0]) < 0)
        return scm_wrong(vm, "reverse!", "a list", argv[0]);
    return scm_list_reverse(argv[0]);
}
SCM_PRIM(p_length)
{
    int64_t count = scm_list_length(argv[0]);
    scm_work(vm, count < 0 ? vm->cell_count : (size_t)count);
    return count < 0 ? scm_wrong(vm, "length", "a list", argv[0]) : scm_fixnum(count);
}
SCM_PRIM(p_listp)
{
    int64_t count = scm_list_length(argv[0]);
    scm_work(vm, count < 0 ? vm->cell_count : (size_t)count);
    return scm_bool(count >= 0);
}

static scm_value tail_of(struct scm_vm *vm, const char *who, const scm_value *argv)
{
    scm_value at = argv[0];
    if (!scm_is_fixnum(argv[1]) || scm_fixnum_get(argv[1]) < 0)
        return scm_wrong(vm, who, "an index", argv[1]);
    int64_t idx = scm_fixnum_get(argv[1]), k = idx;
    /* no list is longer than there are cells; a circle would be gone round for ever */
    for (; k > 0 && idx <= vm->cell_count && scm_is_pair(at); k--)
        at = scm_cell(at)->b;
    if (k > 0)
        return scm_fail(vm, "%s: index %lld is past the end of the list", who, (long long)idx);
    scm_work(vm, (size_t)idx);
    return at;
}
SCM_PRIM(p_list_tail)
{
    return tail_of(vm, "list-tail", argv);
}
SCM_PRIM(p_list_ref)
{
    scm_value at = tail_of(vm, "list-ref", argv);
    if (at == SCM_FAILED || scm_is_pair(at))
        return at == SCM_FAILED ? at : scm_cell(at)->a;
    return scm_fail(vm, "list-ref: index %lld is past the end of the list",
                    (long long)scm_fixnum_get(argv[1]));
}
SCM_PRIM(p_list_set)
{
    scm_value at = tail_of(vm, "list-set!", argv);
    if (at == SCM_FAILED)
        return at;
    if (!scm_is_pair(at))
        return scm_fail(vm, "list-set!: index %lld is past the end of the list",
                        (long long)scm_fixnum_get(argv[1]));
    scm_cell(at)->a = argv[2];
    return SCM_VOID;
}
SCM_PRIM(p_list_copy)
{
    int64_t count = 0;
    scm_value at = argv[0];
    for (; scm_is_pair(at) && count <= vm->cell_count; at = scm_cell(at)->b)
        count++;
    if (scm_is_pair(at))
        return scm_wrong(vm, "list-copy", "a list without a cycle", argv[0]);
    return copy_onto(vm, argv[0], at);
}
SCM_PRIM(p_make_list)
{
    scm_value list = SCM_NIL;
    if (!scm_is_fixnum(argv[0]) || scm_fixnum_get(argv[0]) < 0)
        return scm_wrong(vm, "make-list", "a count", argv[0]);
    for (int64_t k = scm_fixnum_get(argv[0]); k > 0; k--)
        list = scm_cons(vm, argc > 1 ? argv[1] : SCM_FALSE, list);
    return list;
}
SCM_PRIM(p_last_pair)
{
    scm_value at = argv[0];
    if (!scm_is_pair(at))
        return scm_wrong(vm, "last-pair", "a pair", at);
    for (int64_t k = 0; scm_is_pair(scm_cell(at)->b); at = scm_cell(at)->b) {
        if (k++ > vm->cell_count)
            return scm_wrong(vm, "last-pair", "a list without a cycle", argv[0]);
    }
    return at;
}

/* memq, memv, member; assq, assv, assoc */
enum sameness { BY_EQ, BY_EQV, BY_EQUAL };
static int same(struct scm_vm *vm, enum sameness how, scm_value a, scm_value b)
{
    return a == b || (how == BY_EQV ? scm_eqv(a, b) : how == BY_EQUAL ? scm_equal(vm, a, b) : 0);
}
/* Comparing with equal? may take long for each. */
static scm_value too_late(struct scm_vm *vm, const char *who)
{
    return scm_fail_kind(vm, "limit", "%s: the call ran longer than its limit", who);
}
static scm_value member_by(struct scm_vm *vm, const char *who, enum sameness how,
                           const scm_value *argv)
{
    scm_value at = argv[1];
    uint32_t steps = 0;
    for (; scm_is_pair(at); at = scm_cell(at)->b) {
        if (same(vm, how, argv[0], scm_cell(at)->a))
            return at;
        if (++steps > vm->cell_count)
            break; /* round a cycle */
        if (scm_is_late(vm))
            return too_late(vm, who);
    }
    scm_work(vm, steps);
    return at == SCM_NIL ? SCM_FALSE : scm_wrong(vm, who, "a list", argv[1]);
}
static scm_value assoc_by(struct scm_vm *vm, const char *who, enum sameness how,
                          const scm_value *argv)
{
    scm_value at = argv[1];
    uint32_t steps = 0;
    for (; scm_is_pair(at); at = scm_cell(at)->b) {
        scm_value entry = scm_cell(at)->a;
        if (!scm_is_pair(entry))
            return scm_wrong(vm, who, "a list of pairs", argv[1]);
        if (same(vm, how, argv[0], scm_cell(entry)->a))
            return entry;
        if (++steps > vm->cell_count)
            break;
        if (scm_is_late(vm))
            return too_late(vm, who);
    }
    scm_work(vm, steps);
    return at == SCM_NIL ? SCM_FALSE : scm_wrong(vm, who, "a list of pairs", argv[1]);
}
SCM_PRIM(p_memq)
{
    return member_by(vm, "memq", BY_EQ, argv);
}
SCM_PRIM(p_memv)
{
    return member_by(vm, "memv", BY_EQV, argv);
}
SCM_PRIM(p_member)
{
    return member_by(vm, "member", BY_EQUAL, argv);
}
SCM_PRIM(p_assq)
{
    return assoc_by(vm, "assq", BY_EQ, argv);
}
SCM_PRIM(p_assv)
{
    return assoc_by(vm, "assv", BY_EQV, argv);
}
SCM_PRIM(p_assoc)
{
    return assoc_by(vm, "assoc", BY_EQUAL, argv);
}

SCM_PRIM(p_eq)
{
    return scm_bool(argv[0] == argv[1]);
}
SCM_PRIM(p_eqv)
{
    return scm_bool(scm_eqv(argv[0], argv[1]));
}
SCM_PRIM(p_equal)
{
    return scm_bool(scm_equal(vm, argv[0], argv[1]));
}
SCM_PRIM(p_not)
{
    return scm_bool(argv[0] == SCM_FALSE);
}
SCM_PRIM(p_nullp)
{
    return scm_bool(argv[0] == SCM_NIL);
}
SCM_PRIM(p_pairp)
{
    return scm_bool(scm_is_pair(argv[0]));
}
SCM_PRIM(p_booleanp)
{
    return scm_bool(argv[0] == SCM_TRUE || argv[0] == SCM_FALSE);
}
SCM_PRIM(p_symbolp)
{
    return scm_bool(scm_is_symbol(argv[0]));
}
static scm_value all_same(struct scm_vm *vm, int argc, const scm_value *argv, int symbols)
{
    int result = 1;
    for (int i = 0; i < argc; i++) {
        if (symbols && !scm_is_symbol(argv[i]))
            return scm_wrong(vm, "symbol=?", "a symbol", argv[i]);
        if (!symbols && argv[i] != SCM_TRUE && argv[i] != SCM_FALSE)
            return scm_wrong(vm, "boolean=?", "a boolean", argv[i]);
        result &= argv[i] == argv[0];
    }
    return scm_bool(result);
}
SCM_PRIM(p_boolean_eq)
{
    return all_same(vm, argc, argv, 0);
}
SCM_PRIM(p_symbol_eq)
{
    return all_same(vm, argc, argv, 1);
}
SCM_PRIM(p_symbol_to_string)
{
    size_t count;
    if (!scm_is_symbol(argv[0]))
        return scm_wrong(vm, "symbol->string", "a symbol", argv[0]);
    const char *text = scm_text(argv[0], &count);
    return scm_string(vm, text, count);
}
SCM_PRIM(p_string_to_symbol)
{
    size_t count;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "string->symbol", "a string", argv[0]);
    const char *text = scm_text(argv[0], &count);
    return scm_intern(vm, text, count);
}

const struct scm_prim_def scm_prims_list[] = {
    {"cons", p_cons, 2, 2, SCM_OP_CONS, 0},
    {"car", p_car, 1, 1, SCM_OP_CAR, 0},
    {"cdr", p_cdr, 1, 1, SCM_OP_CDR, 0},
    {"cadr", p_cadr, 1, 1, SCM_OP_CADR, 0},
    {"cddr", p_cddr, 1, 1, SCM_OP_CDDR, 0},
#define X(name) {#name, p_##name, 1, 1, 0, 0},
    X(caar) X(cdar) X(caaar) X(caadr) X(cadar) X(caddr) X(cdaar) X(cdadr) X(cddar) X(cdddr)
        X(caaaar) X(caaadr) X(caadar) X(caaddr) X(cadaar) X(cadadr) X(caddar) X(cadddr) X(cdaaar)
            X(cdaadr) X(cdadar) X(cdaddr) X(cddaar) X(cddadr) X(cdddar) X(cddddr)
#undef X
                {"set-car!", p_set_car, 2, 2, 0, 0},
    {"set-cdr!", p_set_cdr, 2, 2, 0, 0},
    {"list", p_list, 0, -1, 0, 0},
    {"cons*", p_cons_star, 1, -1, 0, 0},
    {"append", p_append, 0, -1, 0, 0},
    {"append!", p_append_in_place, 0, -1, 0, 0},
    {"reverse", p_reverse, 1, 1, 0, 0},
    {"reverse!", p_reverse_in_place, 1, 1, 0, 0},
    {"length", p_length, 1, 1, 0, 0},
    {"list?", p_listp, 1, 1, 0, 0},
    {"list-tail", p_list_tail, 2, 2, 0, 0},
    {"list-ref", p_list_ref, 2, 2, 0, 0},
    {"list-set!", p_list_set, 3, 3, 0, 0},
    {"list-copy", p_list_copy, 1, 1, 0, 0},
    {"make-list", p_make_list, 1, 2, 0, 0},
    {"last-pair", p_last_pair, 1, 1, 0, 0},
    {"memq", p_memq, 2, 2, 0, 0},
    {"memv", p_memv, 2, 2, 0, 0},
    {"%member", p_member, 2, 2, 0, 0},
    {"assq", p_assq, 2, 2, 0, 0},
    {"assv", p_assv, 2, 2, 0, 0},
    {"%assoc", p_assoc, 2, 2, 0, 0},
    {"eq?", p_eq, 2, 2, SCM_OP_EQ, 0},
    {"eqv?", p_eqv, 2, 2, 0, 0},
    {"equal?", p_equal, 2, 2, 0, 0},
    {"not", p_not, 1, 1, SCM_OP_NOT, 0},
    {"null?", p_nullp, 1, 1, SCM_OP_NULLP, 0},
    {"pair?", p_pairp, 1, 1, SCM_OP_PAIRP, 0},
    {"boolean?", p_booleanp, 1, 1, 0, 0},
    {"boolean=?", p_boolean_eq, 2, -1, 0, 0},
    {"symbol?", p_symbolp, 1, 1, 0, 0},
    {"symbol=?", p_symbol_eq, 2, -1, 0, 0},
    {"symbol->string", p_symbol_to_string, 1, 1, 0, 0},
    {"string->symbol", p_string_to_symbol, 1, 1, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
