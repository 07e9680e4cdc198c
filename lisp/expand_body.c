/* expand_body.c: bodies, with their definitions, and the top level. */
#include "lisp/compile_priv.h"

/* ---- bodies --------------------------------------------------------------------------------- */

/* Definitions of a body, in order. An expression between them is the init of a nameless one. */
struct body_item {
    struct body_item *next;
    struct var *var;
    scm_value form; /* of the value; SCM_ABSENT: (define x) */
    scm_pos pos;
};

struct body {
    struct compiler *c;
    struct scope *scope;
    struct body_item *first, **last;
    uint32_t count;
};

static void body_add(struct body *b, struct var *var, scm_value form, scm_pos pos)
{
    struct body_item *item = scm_ast(b->c, sizeof *item);
    *item = (struct body_item){NULL, var, form, pos};
    *b->last = item;
    b->last = &item->next;
    b->count++;
}

/* (define name value), (define (name . formals) body ...), curried too: the name and the value. */
static scm_value define_parts(struct compiler *c, scm_value form, scm_value *value)
{
    if (scm_form_length(c, form) < 2)
        scm_syntax(c, form,
                   "define: (define name value) or (define (name parameter ...) body ...)");
    scm_value target = scm_car(scm_cdr(form)), rest = scm_cdr(scm_cdr(form));
    while (scm_is_pair(target)) {
        if (rest == SCM_NIL)
            scm_syntax(c, form, "define: the procedure has no body");
        scm_value lambda =
            scm_cons(c->vm, scm_core_id(c, "lambda"), scm_cons(c->vm, scm_cdr(target), rest));
        if (scm_is_pair(lambda) && scm_pos_of(form)) {
            scm_cell(lambda)->flags = SCM_POSITIONED;
            scm_cell(lambda)->aux = scm_cell(form)->aux;
            scm_cell(lambda)->c = scm_cell(form)->c;
        }
        rest = scm_cons(c->vm, lambda, SCM_NIL);
        target = scm_car(target);
    }
    if (!scm_is_identifier(target) || (scm_is_pair(rest) && scm_cdr(rest) != SCM_NIL))
        scm_syntax(c, form,
                   "define: (define name value) or (define (name parameter ...) body ...)");
    *value = rest == SCM_NIL ? SCM_ABSENT : scm_car(rest);
    return target;
}

/* Take one form of a body. 1: it was an expression. */
static int body_form(struct body *b, scm_value form, scm_pos pos, scm_value *spliced)
{
    struct compiler *c = b->c;
    *spliced = SCM_NIL;
    while (scm_is_pair(form) && scm_is_identifier(scm_car(form))) {
        pos = scm_pos_or(form, pos);
        c->pos = pos;
        struct ref ref = scm_resolve(c, scm_car(form), b->scope);
        if (ref.kind == REF_MACRO) {
            scm_check_depth(c);
            form = scm_expand_macro(c, ref.value, form, b->scope);
            continue;
        }
        enum special_form sf =
            ref.kind == REF_SPECIAL ? (enum special_form)(ref.value >> 8) : SF_NONE;
        if (sf == SF_BEGIN && scm_cdr(form) != SCM_NIL) {
            *spliced = scm_cdr(form);
            return 0;
        }
        if (sf == SF_DEFINE) {
            scm_value value, id = define_parts(c, form, &value);
            scm_check_fresh(c, b->scope, id, form);
            struct var *var = scm_bind_var(c, b->scope, id);
            var->is_letrec = 1;
            body_add(b, var, value, pos);
            return 0;
        }
        if (sf == SF_DEFINE_SYNTAX) {
            if (scm_form_length(c, form) != 3)
                scm_syntax(c, form, "define-syntax: (define-syntax name rules)");
            scm_value macro = scm_make_macro(c, scm_car(scm_cdr(scm_cdr(form))), b->scope);
            scm_bind_meaning(c, b->scope, scm_car(scm_cdr(form)), macro);
            return 0;
        }
        scm_value forms = scm_definition_forms(c, sf, form, b->scope);
        if (forms == SCM_ABSENT)
            break;
        *spliced = forms;
        return 0;
    }
    body_add(b, NULL, form, pos);
    return 1;
}

static struct node *body_letrec(struct body *b, struct node *body, uint32_t count, scm_pos pos)
{
    struct compiler *c = b->c;
    struct node *n = scm_node(c, N_LETREC, pos);
    n->vars = scm_ast(c, count * sizeof *n->vars);
    n->items = scm_ast(c, count * sizeof *n->items);
    n->a = body;
    struct body_item *item = b->first;
    for (; n->count < count; item = item->next, n->count++) {
        n->vars[n->count] = item->var;
        n->items[n->count] = item->form == SCM_ABSENT
                                 ? scm_constant(c, SCM_VOID, item->pos)
                                 : scm_expand(c, item->form, b->scope, item->pos);
        if (item->var)
            scm_name_lambda(n->items[n->count], item->var->name);
    }
    return n;
}

struct node *scm_expand_body(struct compiler *c, scm_value forms, struct scope *up, scm_pos pos)
{
    struct body b = {c, scm_scope(c, up, up->lambda), NULL, NULL, 0};
    scm_value pending[64];
    int depth = 0, is_expression = 0;
    uint32_t definitions = 0;
    b.last = &b.first;
    scm_form_length(c, forms);
    pending[0] = forms;
    while (depth >= 0) {
        if (pending[depth] == SCM_NIL) {
            depth--;
            continue;
        }
        scm_value at = pending[depth], spliced;
        pending[depth] = scm_cdr(at);
        scm_pos own = scm_pos_car(at);
        is_expression = body_form(&b, scm_car(at), own ? own : pos, &spliced);
        if (!is_expression && spliced == SCM_NIL)
            definitions = b.count;
        if (spliced != SCM_NIL) {
            scm_form_length(c, spliced);
            if (pending[depth] == SCM_NIL)
                depth--;
            if (++depth == 64)
                scm_syntax(c, scm_car(at), "begin nested deeper than 63");
            pending[depth] = spliced;
        }
    }
    if (!is_expression || b.count == 0)
        scm_syntax(c, forms, "a body without an expression at its end");
    struct body_item *item = b.first;
    for (uint32_t i = 0; i < definitions; i++)
        item = item->next;
    struct node *inits = definitions ? body_letrec(&b, NULL, definitions, pos) : NULL;
    struct node *seq = scm_node(c, N_SEQ, pos);
    seq->items = scm_ast(c, (b.count - definitions) * sizeof *seq->items);
    for (; item; item = item->next)
        seq->items[seq->count++] = scm_expand(c, item->form, b.scope, item->pos);
    if (seq->count == 1)
        seq = seq->items[0];
    if (!inits)
        return seq;
    inits->a = seq;
    return inits;
}

/* ---- top level ------------------------------------------------------------------------------ */

static struct node *toplevel_define(struct compiler *c, scm_value form, struct scope *scope,
                                    scm_pos pos)
{
    scm_value value, id = define_parts(c, form, &value);
    struct node *n = scm_node(c, N_DEFINE, pos);
    n->value = scm_global_define(c->vm, scope->env, id);
    n->a = value == SCM_ABSENT ? scm_constant(c, SCM_VOID, pos) : scm_expand(c, value, scope, pos);
    scm_name_lambda(n->a, id);
    return n;
}

static struct node *toplevel_seq(struct compiler *c, scm_value forms, struct scope *scope,
                                 scm_pos pos)
{
    struct node *n = scm_node(c, N_SEQ, pos);
    n->items = scm_ast(c, (size_t)scm_form_length(c, forms) * sizeof *n->items + 1);
    for (; forms != SCM_NIL; forms = scm_cdr(forms)) {
        scm_pos own = scm_pos_car(forms);
        n->items[n->count++] = scm_expand_toplevel(c, scm_car(forms), scope, own ? own : pos);
    }
    return n->count ? n : scm_constant(c, SCM_VOID, pos);
}

static struct node *toplevel_syntax(struct compiler *c, scm_value form, struct scope *scope,
                                    scm_pos pos)
{
    if (scm_form_length(c, form) != 3 || !scm_is_identifier(scm_car(scm_cdr(form))))
        scm_syntax(c, form, "define-syntax: (define-syntax name rules)");
    scm_value id = scm_car(scm_cdr(form));
    scm_value macro = scm_make_macro(c, scm_car(scm_cdr(scm_cdr(form))), scope);
    scm_env_put(c->vm, scope->env, id, macro);
    if (scm_plain(id) != id && scm_env_get(scope->env, scm_plain(id)) == SCM_ABSENT)
        scm_env_put(c->vm, scope->env, scm_plain(id), macro);
    scope->env->defined_count++;
    return scm_constant(c, SCM_VOID, pos);
}

struct node *scm_expand_toplevel(struct compiler *c, scm_value form, struct scope *scope,
                                 scm_pos pos)
{
    while (scm_is_pair(form) && scm_is_identifier(scm_car(form))) {
        scm_check_depth(c);
        pos = scm_pos_or(form, pos);
        c->pos = pos;
        struct ref ref = scm_resolve(c, scm_car(form), scope);
        if (ref.kind == REF_MACRO) {
            form = scm_expand_macro(c, ref.value, form, scope);
            continue;
        }
        if (ref.kind != REF_SPECIAL)
            break;
        enum special_form sf = (enum special_form)(ref.value >> 8);
        switch (sf) {
        case SF_BEGIN:
            return toplevel_seq(c, scm_cdr(form), scope, pos);
        case SF_DEFINE:
            return toplevel_define(c, form, scope, pos);
        case SF_DEFINE_SYNTAX:
            return toplevel_syntax(c, form, scope, pos);
        case SF_IMPORT:
            scm_import(c, scope->env, scm_cdr(form));
            return scm_constant(c, SCM_VOID, pos);
        case SF_DEFINE_LIBRARY:
            scm_define_library(c, form);
            return scm_constant(c, SCM_VOID, pos);
        default:
            break;
        }
        scm_value forms = scm_definition_forms(c, sf, form, scope);
        if (forms == SCM_ABSENT)
            break;
        return toplevel_seq(c, forms, scope, pos);
    }
    return scm_expand(c, form, scope, pos);
}
