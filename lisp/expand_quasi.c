/* expand_quasi.c: quasiquote as calls of cons, append and list->vector. */
#include "lisp/expand_priv.h"

static int is_form(struct compiler *c, scm_value x, enum special_form sf, struct scope *scope)
{
    return scm_is_pair(x) && scm_is_pair(scm_cdr(x)) && scm_cdr(scm_cdr(x)) == SCM_NIL &&
           scm_form_of(c, scm_car(x), scope) == sf;
}

static int has_unquote(struct compiler *c, scm_value x, struct scope *scope)
{
    scm_check_depth(c);
    while (scm_is_pair(x)) {
        scm_step(c);
        enum special_form sf = scm_form_of(c, scm_car(x), scope);
        if (sf == SF_UNQUOTE || sf == SF_UNQUOTE_SPLICING || sf == SF_QUASIQUOTE)
            return 1;
        if (has_unquote(c, scm_car(x), scope))
            return 1;
        x = scm_cdr(x);
    }
    if (scm_is_vector(x)) {
        for (uint32_t i = 0; i < scm_count(x); i++) {
            if (has_unquote(c, scm_items(x)[i], scope))
                return 1;
        }
    }
    return 0;
}

/* (append (list a b) spliced (list c) tail), leaving out what is empty */
static scm_value quasi_list(struct compiler *c, scm_value x, int depth, struct scope *scope)
{
    scm_value parts = SCM_NIL, run = SCM_NIL, tail = SCM_ABSENT;
    for (; scm_is_pair(x); x = scm_cdr(x)) {
        if (is_form(c, x, SF_UNQUOTE, scope) || is_form(c, x, SF_QUASIQUOTE, scope)) {
            tail = scm_quasiquote(c, x, depth, scope);
            x = SCM_NIL;
            break;
        }
        scm_value item = scm_car(x);
        if (depth == 1 && is_form(c, item, SF_UNQUOTE_SPLICING, scope)) {
            if (run != SCM_NIL)
                parts = CONS(CONS(ID("list"), scm_list_reverse(run)), parts);
            run = SCM_NIL;
            parts = CONS(scm_car(scm_cdr(item)), parts);
        } else if (is_form(c, item, SF_UNQUOTE_SPLICING, scope)) {
            scm_value inner = scm_quasiquote(c, scm_car(scm_cdr(item)), depth - 1, scope);
            run = CONS(LIST3(ID("list"), quoted(c, scm_car(item)), inner), run);
        } else {
            run = CONS(scm_quasiquote(c, item, depth, scope), run);
        }
    }
    if (tail == SCM_ABSENT && x != SCM_NIL)
        tail = scm_quasiquote(c, x, depth, scope);
    if (parts == SCM_NIL && tail == SCM_ABSENT)
        return CONS(ID("list"), scm_list_reverse(run));
    if (parts == SCM_NIL)
        return CONS(ID("cons*"), scm_list_reverse(CONS(tail, run)));
    if (run != SCM_NIL)
        parts = CONS(CONS(ID("list"), scm_list_reverse(run)), parts);
    parts = CONS(tail == SCM_ABSENT ? quoted(c, SCM_NIL) : tail, parts);
    return CONS(ID("append"), scm_list_reverse(parts));
}

scm_value scm_quasiquote(struct compiler *c, scm_value x, int depth, struct scope *scope)
{
    scm_check_depth(c);
    if (is_form(c, x, SF_UNQUOTE, scope)) {
        if (depth == 1)
            return scm_car(scm_cdr(x));
        return LIST3(ID("list"), quoted(c, scm_car(x)),
                     scm_quasiquote(c, scm_car(scm_cdr(x)), depth - 1, scope));
    }
    if (is_form(c, x, SF_QUASIQUOTE, scope))
        return LIST3(ID("list"), quoted(c, scm_car(x)),
                     scm_quasiquote(c, scm_car(scm_cdr(x)), depth + 1, scope));
    if ((!scm_is_pair(x) && !scm_is_vector(x)) || !has_unquote(c, x, scope))
        return quoted(c, x);
    if (scm_is_pair(x))
        return quasi_list(c, x, depth, scope);
    scm_value list = SCM_NIL;
    for (uint32_t i = scm_count(x); i-- > 0;)
        list = CONS(scm_items(x)[i], list);
    return LIST2(ID("list->vector"), quasi_list(c, list, depth, scope));
}
