/* prim_priv.h: primitives: how one is written, and their tables. */
#ifndef SCM_PRIM_PRIV_H
#define SCM_PRIM_PRIV_H

#include "lisp/scm_priv.h"

/* One table a file: scm_prims_list in prim_list.c. */
struct scm_prim_def {
    const char *name;
    scm_prim_fn fn;
    int min_args, max_args;
    int inline_op; /* 0, or enum scm_op */
    int special;
};
#define SCM_PRIM_TABLES(X)                                                                         \
    X(list)                                                                                        \
    X(number)                                                                                      \
    X(math)                                                                                        \
    X(char)                                                                                        \
    X(string)                                                                                      \
    X(vector)                                                                                      \
    X(bytes)                                                                                       \
    X(port)                                                                                        \
    X(read)                                                                                        \
    X(write)                                                                                       \
    X(control)                                                                                     \
    X(system)
#define X(name) extern const struct scm_prim_def scm_prims_##name[];
SCM_PRIM_TABLES(X)
#undef X

extern const char scm_prelude[];

/* prim_string.c: optional start and end in argv[0] and argv[1]; 0, or -1 with a condition. */
int scm_range(struct scm_vm *vm, const char *who, int argc, const scm_value *argv, size_t count,
              size_t *from, size_t *to);
/* prim_char.c */
uint32_t scm_char_case(uint32_t cp, int up);
int scm_char_is_letter(uint32_t cp);

#define SCM_PRIM(fn_name)                                                                          \
    static scm_value fn_name(                                                                      \
        struct scm_vm *vm __attribute__((unused)), int argc __attribute__((unused)),               \
        const scm_value *argv __attribute__((unused)), void *arg __attribute__((unused)))

/* The comparisons of a type: which of less (1), equal (2) and more (4) they hold for; without case.
 */
#define SCM_COMPARISONS(X, type)                                                                   \
    X(p_eq, type "=?", 2, 0)                                                                       \
    X(p_lt, type "<?", 1, 0)                                                                       \
    X(p_gt, type ">?", 4, 0)                                                                       \
    X(p_le, type "<=?", 3, 0)                                                                      \
    X(p_ge, type ">=?", 6, 0)                                                                      \
    X(p_ci_eq, type "-ci=?", 2, 1)                                                                 \
    X(p_ci_lt, type "-ci<?", 1, 1)                                                                 \
    X(p_ci_gt, type "-ci>?", 4, 1)                                                                 \
    X(p_ci_le, type "-ci<=?", 3, 1)                                                                \
    X(p_ci_ge, type "-ci>=?", 6, 1)

#endif
