/* prim_vector.c: vectors. */
#include <stdio.h>

#include "lisp/op.h"
#include "lisp/prim_priv.h"

static int check(struct scm_vm *vm, const char *who, scm_value v)
{
    if (scm_is_vector(v))
        return 0;
    scm_wrong(vm, who, "a vector", v);
    return -1;
}

SCM_PRIM(p_vectorp)
{
    return scm_bool(scm_is_vector(argv[0]));
}
SCM_PRIM(p_make)
{
    int64_t count = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    if (count < 0)
        return scm_wrong(vm, "make-vector", "a length", argv[0]);
    return scm_make_vector(vm, (size_t)count, argc > 1 ? argv[1] : SCM_FALSE);
}
SCM_PRIM(p_vector)
{
    scm_value v = scm_make_vector(vm, (size_t)argc, SCM_FALSE);
    if (scm_is_vector(v) && argc)
        memcpy(scm_items(v), argv, (size_t)argc * sizeof *argv);
    return v;
}
SCM_PRIM(p_length)
{
    return check(vm, "vector-length", argv[0]) ? SCM_FAILED : scm_fixnum(scm_count(argv[0]));
}
SCM_PRIM(p_ref)
{
    if (check(vm, "vector-ref", argv[0]))
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) >= scm_count(argv[0]))
        return scm_wrong_index(vm, "vector-ref", argv[1], scm_count(argv[0]));
    return scm_items(argv[0])[scm_fixnum_get(argv[1])];
}
SCM_PRIM(p_set)
{
    if (check(vm, "vector-set!", argv[0]))
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) >= scm_count(argv[0]))
        return scm_wrong_index(vm, "vector-set!", argv[1], scm_count(argv[0]));
    scm_items(argv[0])[scm_fixnum_get(argv[1])] = argv[2];
    return SCM_VOID;
}
SCM_PRIM(p_to_list)
{
    size_t from, to;
    scm_value list = SCM_NIL;
    if (check(vm, "vector->list", argv[0]) ||
        scm_range(vm, "vector->list", argc - 1, argv + 1, scm_count(argv[0]), &from, &to))
        return SCM_FAILED;
    while (to-- > from)
        list = scm_cons(vm, scm_items(argv[0])[to], list);
    return list;
}
SCM_PRIM(p_from_list)
{
    int64_t count = scm_list_length(argv[0]);
    if (count < 0)
        return scm_wrong(vm, "list->vector", "a list", argv[0]);
    scm_value v = scm_make_vector(vm, (size_t)count, SCM_FALSE), at = argv[0];
    for (int64_t i = 0; scm_is_vector(v) && i < count; i++, at = scm_cdr(at))
        scm_items(v)[i] = scm_car(at);
    return v;
}
SCM_PRIM(p_fill)
{
    size_t from, to;
    if (check(vm, "vector-fill!", argv[0]) ||
        scm_range(vm, "vector-fill!", argc - 2, argv + 2, scm_count(argv[0]), &from, &to))
        return SCM_FAILED;
    for (; from < to; from++)
        scm_items(argv[0])[from] = argv[1];
    return SCM_VOID;
}
SCM_PRIM(p_copy)
{
    size_t from, to;
    if (check(vm, "vector-copy", argv[0]) ||
        scm_range(vm, "vector-copy", argc - 1, argv + 1, scm_count(argv[0]), &from, &to))
        return SCM_FAILED;
    scm_value v = scm_make_vector(vm, to - from, SCM_FALSE);
    if (scm_is_vector(v))
        memcpy(scm_items(v), scm_items(argv[0]) + from, (to - from) * sizeof v);
    return v;
}
SCM_PRIM(p_copy_to)
{
    size_t from, to;
    if (check(vm, "vector-copy!", argv[0]) || check(vm, "vector-copy!", argv[2]))
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) > scm_count(argv[0]))
        return scm_wrong_index(vm, "vector-copy!", argv[1], scm_count(argv[0]));
    if (scm_range(vm, "vector-copy!", argc - 3, argv + 3, scm_count(argv[2]), &from, &to))
        return SCM_FAILED;
    size_t at = (size_t)scm_fixnum_get(argv[1]);
    if (to - from > scm_count(argv[0]) - at)
        return scm_fail(vm, "vector-copy!: %zu items do not fit from index %zu of %u", to - from,
                        at, scm_count(argv[0]));
    memmove(scm_items(argv[0]) + at, scm_items(argv[2]) + from, (to - from) * sizeof *argv);
    return SCM_VOID;
}
SCM_PRIM(p_append)
{
    size_t total = 0, at = 0;
    for (int i = 0; i < argc; i++) {
        if (check(vm, "vector-append", argv[i]))
            return SCM_FAILED;
        total += scm_count(argv[i]);
    }
    scm_value v = scm_make_vector(vm, total, SCM_FALSE);
    for (int i = 0; scm_is_vector(v) && i < argc; i++) {
        memcpy(scm_items(v) + at, scm_items(argv[i]), scm_count(argv[i]) * sizeof v);
        at += scm_count(argv[i]);
    }
    return v;
}

/* ---- records: a vector whose first item is the type ------------------------------------------ */

SCM_PRIM(p_make_rtd)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_RTD);
    cell->a = argv[0];
    cell->b = argv[1];
    return scm_from_cell(cell);
}
SCM_PRIM(p_record)
{
    if (!scm_is(argv[0], SCM_T_RTD))
        return scm_wrong(vm, "record constructor", "a record type", argv[0]);
    scm_value v = scm_make_items(vm, SCM_T_RECORD, (size_t)argc, SCM_FALSE);
    if (scm_is(v, SCM_T_RECORD))
        memcpy(scm_items(v), argv, (size_t)argc * sizeof *argv);
    return v;
}
static int is_of(scm_value v, scm_value rtd)
{
    return scm_is(v, SCM_T_RECORD) && scm_items(v)[0] == rtd;
}
SCM_PRIM(p_recordp)
{
    return scm_bool(is_of(argv[0], argv[1]));
}
static scm_value not_of(struct scm_vm *vm, scm_value who, scm_value rtd, scm_value got)
{
    char name[100], expected[120];
    size_t count = 0;
    const char *text = scm_is_symbol(who) ? scm_text(who, &count) : "";
    snprintf(name, sizeof name, "%.*s", (int)(count < 90 ? count : 90), text);
    text = scm_is(rtd, SCM_T_RTD) ? scm_text(scm_cell(rtd)->a, &count) : "";
    snprintf(expected, sizeof expected, "a record %.*s", (int)(count < 90 ? count : 90), text);
    return scm_wrong(vm, name, expected, got);
}
SCM_PRIM(p_record_ref)
{
    int64_t idx = scm_fixnum_get(argv[2]);
    if (!is_of(argv[0], argv[1]) || idx >= (int64_t)scm_count(argv[0]))
        return not_of(vm, argv[3], argv[1], argv[0]);
    return scm_items(argv[0])[idx];
}
SCM_PRIM(p_record_set)
{
    int64_t idx = scm_fixnum_get(argv[2]);
    if (!is_of(argv[0], argv[1]) || idx >= (int64_t)scm_count(argv[0]))
        return not_of(vm, argv[4], argv[1], argv[0]);
    scm_items(argv[0])[idx] = argv[3];
    return SCM_VOID;
}

const struct scm_prim_def scm_prims_vector[] = {
    {"vector?", p_vectorp, 1, 1, 0, 0},
    {"make-vector", p_make, 1, 2, 0, 0},
    {"vector", p_vector, 0, -1, 0, 0},
    {"vector-length", p_length, 1, 1, 0, 0},
    {"vector-ref", p_ref, 2, 2, SCM_OP_VECTOR_REF, 0},
    {"vector-set!", p_set, 3, 3, SCM_OP_VECTOR_SET, 0},
    {"vector->list", p_to_list, 1, 3, 0, 0},
    {"list->vector", p_from_list, 1, 1, 0, 0},
    {"vector-fill!", p_fill, 2, 4, 0, 0},
    {"vector-copy", p_copy, 1, 3, 0, 0},
    {"vector-copy!", p_copy_to, 3, 5, 0, 0},
    {"vector-append", p_append, 0, -1, 0, 0},
    {"%make-rtd", p_make_rtd, 2, 2, 0, 0},
    {"%record", p_record, 1, -1, 0, 0},
    {"%record?", p_recordp, 2, 2, 0, 0},
    {"%record-ref", p_record_ref, 4, 4, 0, 0},
    {"%record-set!", p_record_set, 5, 5, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
