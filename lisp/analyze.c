/* analyze.c: what the tree must tell before code is made of it: which local procedures are mere
 * loops, and which variables live in closures.
 *
 * A procedure bound by a named let (or a letrec of one) that is only ever called in tail position
 * of its own body becomes a loop in the frame of its surroundings: no closure, no call.
 */
#include "lisp/compile_priv.h"

struct lambda *scm_owner(struct lambda *lambda)
{
    while (lambda->inlined_into)
        lambda = lambda->inlined_into;
    return lambda;
}

static int only_tail_calls(struct compiler *c, struct node *n, const struct var *var,
                           uint32_t arg_count, int tail);

static int none_in_items(struct compiler *c, struct node *n, const struct var *var, uint32_t args)
{
    for (uint32_t i = 0; i < n->count; i++) {
        if (!only_tail_calls(c, n->items[i], var, args, 0))
            return 0;
    }
    return 1;
}

/* Is each use of var a call with arg_count arguments, in tail position when `tail`? */
static int only_tail_calls(struct compiler *c, struct node *n, const struct var *var,
                           uint32_t arg_count, int tail)
{
    scm_check_depth(c);
    switch (n->kind) {
    case N_CONST:
    case N_GLOBAL:
        return 1;
    case N_LOCAL:
        return n->var != var;
    case N_SET_LOCAL:
    case N_SET_GLOBAL:
    case N_DEFINE:
        return only_tail_calls(c, n->a, var, arg_count, 0);
    case N_IF:
        return only_tail_calls(c, n->a, var, arg_count, 0) &&
               only_tail_calls(c, n->b, var, arg_count, tail) &&
               only_tail_calls(c, n->c, var, arg_count, tail);
    case N_LAMBDA:
        return only_tail_calls(c, n->lambda->body, var, arg_count, 0);
    case N_SEQ:
    case N_OR:
        for (uint32_t i = 0; i < n->count; i++) {
            if (!only_tail_calls(c, n->items[i], var, arg_count, tail && i + 1 == n->count))
                return 0;
        }
        return 1;
    case N_CALL:
        if (n->a->kind == N_LOCAL && n->a->var == var)
            return tail && n->count == arg_count && none_in_items(c, n, var, arg_count);
        return only_tail_calls(c, n->a, var, arg_count, 0) && none_in_items(c, n, var, arg_count);
    case N_CASE_LAMBDA:
        return none_in_items(c, n, var, arg_count);
    case N_LET:
    case N_LETREC:
        return none_in_items(c, n, var, arg_count) &&
               only_tail_calls(c, n->a, var, arg_count, tail);
    case N_LOOP:
        return none_in_items(c, n, var, arg_count) &&
               only_tail_calls(c, n->lambda->body, var, arg_count, tail);
    }
    return 0;
}

static void try_loop(struct compiler *c, struct node *n)
{
    if (n->count != 1 || !n->vars[0] || n->vars[0]->assigned || n->items[0]->kind != N_LAMBDA)
        return;
    struct node *call = n->a;
    struct lambda *lambda = n->items[0]->lambda;
    if (call->kind != N_CALL || call->a->kind != N_LOCAL || call->a->var != n->vars[0] ||
        lambda->rest || lambda->param_count != call->count ||
        !none_in_items(c, call, n->vars[0], call->count) ||
        !only_tail_calls(c, lambda->body, n->vars[0], call->count, 1))
        return;
    n->kind = N_LOOP;
    n->var = n->vars[0];
    n->lambda = lambda;
    n->items = call->items;
    n->count = call->count;
}

static void find_loops(struct compiler *c, struct node *n)
{
    scm_check_depth(c);
    if (n->a)
        find_loops(c, n->a);
    if (n->b)
        find_loops(c, n->b);
    if (n->c)
        find_loops(c, n->c);
    for (uint32_t i = 0; i < n->count; i++)
        find_loops(c, n->items[i]);
    if (n->kind == N_LAMBDA)
        find_loops(c, n->lambda->body);
    if (n->kind == N_LETREC)
        try_loop(c, n);
}

static void find_captures(struct compiler *c, struct node *n, struct lambda *here)
{
    scm_check_depth(c);
    switch (n->kind) {
    case N_SET_LOCAL:
    case N_LOCAL:
        if (scm_owner(n->var->owner) != scm_owner(here))
            n->var->captured = 1;
        break;
    case N_LAMBDA:
        find_captures(c, n->lambda->body, n->lambda);
        break;
    case N_LET:
        if (n->lambda)
            n->lambda->inlined_into = here;
        break;
    case N_LOOP:
        n->lambda->inlined_into = here;
        find_captures(c, n->lambda->body, here);
        break;
    default:
        break;
    }
    if (n->a && n->kind != N_LOOP)
        find_captures(c, n->a, here);
    if (n->b)
        find_captures(c, n->b, here);
    if (n->c)
        find_captures(c, n->c, here);
    for (uint32_t i = 0; i < n->count; i++)
        find_captures(c, n->items[i], here);
}

void scm_analyze(struct compiler *c, struct node *node, struct lambda *lambda)
{
    find_loops(c, node);
    find_captures(c, node, lambda);
}
