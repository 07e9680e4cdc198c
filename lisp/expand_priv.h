/* expand_priv.h: short names for forms that are written in C. Macros want the compiler as c. */
#ifndef SCM_EXPAND_PRIV_H
#define SCM_EXPAND_PRIV_H

#include "lisp/compile_priv.h"

#define LIST1(a) scm_list_of(c, 1, a)
#define LIST2(a, b) scm_list_of(c, 2, a, b)
#define LIST3(a, b, d) scm_list_of(c, 3, a, b, d)
#define LIST4(a, b, d, e) scm_list_of(c, 4, a, b, d, e)
#define CONS(a, b) scm_cons(c->vm, a, b)
#define ID(name) scm_core_id(c, name)

/* (quote v) */
static inline scm_value quoted(struct compiler *c, scm_value v)
{
    return LIST2(ID("quote"), v);
}

/* The expression that makes what a quasiquoted datum, `depth` quasiquotes deep, stands for. */
scm_value scm_quasiquote(struct compiler *c, scm_value x, int depth, struct scope *scope);

#endif
