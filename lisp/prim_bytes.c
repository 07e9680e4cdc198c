/* prim_bytes.c: bytevectors. */
#include "lisp/prim_priv.h"

static int check(struct scm_vm *vm, const char *who, scm_value v)
{
    if (scm_is_bytevector(v))
        return 0;
    scm_wrong(vm, who, "a bytevector", v);
    return -1;
}
static int check_byte(struct scm_vm *vm, const char *who, scm_value v)
{
    if (scm_is_fixnum(v) && scm_fixnum_get(v) >= 0 && scm_fixnum_get(v) < 256)
        return 0;
    scm_wrong(vm, who, "a byte", v);
    return -1;
}
static uint8_t *bytes_of(scm_value v)
{
    return scm_ptr(scm_cell(v)->a);
}
static size_t count_of(scm_value v)
{
    return (size_t)scm_cell(v)->b;
}

SCM_PRIM(p_bytevectorp)
{
    return scm_bool(scm_is_bytevector(argv[0]));
}
SCM_PRIM(p_make)
{
    int64_t count = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    if (count < 0)
        return scm_wrong(vm, "make-bytevector", "a length", argv[0]);
    if (argc > 1 && check_byte(vm, "make-bytevector", argv[1]))
        return SCM_FAILED;
    scm_value v = scm_make_bytes(vm, (size_t)count);
    if (scm_is_bytevector(v))
        memset(bytes_of(v), argc > 1 ? (int)scm_fixnum_get(argv[1]) : 0, (size_t)count);
    return v;
}
SCM_PRIM(p_bytevector)
{
    for (int i = 0; i < argc; i++) {
        if (check_byte(vm, "bytevector", argv[i]))
            return SCM_FAILED;
    }
    scm_value v = scm_make_bytes(vm, (size_t)argc);
    for (int i = 0; scm_is_bytevector(v) && i < argc; i++)
        bytes_of(v)[i] = (uint8_t)scm_fixnum_get(argv[i]);
    return v;
}
SCM_PRIM(p_length)
{
    return check(vm, "bytevector-length", argv[0]) ? SCM_FAILED
                                                   : scm_fixnum((int64_t)count_of(argv[0]));
}
static int check_index(struct scm_vm *vm, const char *who, const scm_value *argv)
{
    if (check(vm, who, argv[0]))
        return -1;
    if (scm_is_fixnum(argv[1]) && (uint64_t)scm_fixnum_get(argv[1]) < count_of(argv[0]))
        return 0;
    scm_wrong_index(vm, who, argv[1], count_of(argv[0]));
    return -1;
}
SCM_PRIM(p_ref)
{
    if (check_index(vm, "bytevector-u8-ref", argv))
        return SCM_FAILED;
    return scm_fixnum(bytes_of(argv[0])[scm_fixnum_get(argv[1])]);
}
SCM_PRIM(p_set)
{
    if (check_index(vm, "bytevector-u8-set!", argv) ||
        check_byte(vm, "bytevector-u8-set!", argv[2]))
        return SCM_FAILED;
    bytes_of(argv[0])[scm_fixnum_get(argv[1])] = (uint8_t)scm_fixnum_get(argv[2]);
    return SCM_VOID;
}
SCM_PRIM(p_copy)
{
    size_t from, to;
    if (check(vm, "bytevector-copy", argv[0]) ||
        scm_range(vm, "bytevector-copy", argc - 1, argv + 1, count_of(argv[0]), &from, &to))
        return SCM_FAILED;
    scm_value v = scm_make_bytes(vm, to - from);
    if (scm_is_bytevector(v))
        memcpy(bytes_of(v), bytes_of(argv[0]) + from, to - from);
    return v;
}
SCM_PRIM(p_copy_to)
{
    size_t from, to;
    if (check(vm, "bytevector-copy!", argv[0]) || check(vm, "bytevector-copy!", argv[2]))
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[1]) || (uint64_t)scm_fixnum_get(argv[1]) > count_of(argv[0]))
        return scm_wrong_index(vm, "bytevector-copy!", argv[1], count_of(argv[0]));
    if (scm_range(vm, "bytevector-copy!", argc - 3, argv + 3, count_of(argv[2]), &from, &to))
        return SCM_FAILED;
    size_t at = (size_t)scm_fixnum_get(argv[1]);
    if (to - from > count_of(argv[0]) - at)
        return scm_fail(vm, "bytevector-copy!: %zu bytes do not fit from index %zu of %zu",
                        to - from, at, count_of(argv[0]));
    memmove(bytes_of(argv[0]) + at, bytes_of(argv[2]) + from, to - from);
    return SCM_VOID;
}
SCM_PRIM(p_append)
{
    size_t total = 0, at = 0;
    for (int i = 0; i < argc; i++) {
        if (check(vm, "bytevector-append", argv[i]))
            return SCM_FAILED;
        total += count_of(argv[i]);
    }
    scm_value v = scm_make_bytes(vm, total);
    for (int i = 0; scm_is_bytevector(v) && i < argc; i++) {
        memcpy(bytes_of(v) + at, bytes_of(argv[i]), count_of(argv[i]));
        at += count_of(argv[i]);
    }
    return v;
}

const struct scm_prim_def scm_prims_bytes[] = {
    {"bytevector?", p_bytevectorp, 1, 1, 0, 0},   {"make-bytevector", p_make, 1, 2, 0, 0},
    {"bytevector", p_bytevector, 0, -1, 0, 0},    {"bytevector-length", p_length, 1, 1, 0, 0},
    {"bytevector-u8-ref", p_ref, 2, 2, 0, 0},     {"bytevector-u8-set!", p_set, 3, 3, 0, 0},
    {"bytevector-copy", p_copy, 1, 3, 0, 0},      {"bytevector-copy!", p_copy_to, 3, 5, 0, 0},
    {"bytevector-append", p_append, 0, -1, 0, 0}, {NULL, NULL, 0, 0, 0, 0},
};
