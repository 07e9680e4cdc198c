/* expand.c: forms to a tree: the core forms. */
#include <stdarg.h>
#include <stdio.h>

#include "lisp/compile_priv.h"

#define C_STACK_LIMIT ((size_t)1 << 20)

/* ---- services ------------------------------------------------------------------------------- */

void *scm_ast(struct compiler *c, size_t count_bytes)
{
    void *at = scm_temp(c->vm, count_bytes);
    if (!at)
        scm_syntax(c, SCM_FALSE, "out of memory while compiling");
    return memset(at, 0, count_bytes);
}

struct node *scm_node(struct compiler *c, enum node_kind kind, scm_pos pos)
{
    struct node *n = scm_ast(c, sizeof *n);
    n->kind = kind;
    n->pos = pos;
    return n;
}

scm_pos scm_pos_of(scm_value pair)
{
    if (!scm_is_pair(pair) || !(scm_cell(pair)->flags & SCM_POSITIONED))
        return 0;
    return (scm_pos)scm_cell(pair)->aux << 32 | (uint32_t)scm_cell(pair)->c;
}

scm_pos scm_pos_car(scm_value pair)
{
    if (!scm_is_pair(pair) || !(scm_cell(pair)->flags & SCM_POSITIONED))
        return 0;
    return (scm_pos)scm_cell(pair)->aux << 32 | scm_cell(pair)->c >> 32;
}

void scm_syntax(struct compiler *c, scm_value form, const char *format, ...)
{
    char where[320], message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    scm_pos pos = scm_pos_of(form);
    scm_where(c->vm, pos ? pos : c->pos, where, sizeof where);
    int memory = strncmp(message, "out of memory", 13) == 0;
    c->code = scm_error_set(c->err, memory ? MC_ENOMEM : MC_EFORMAT, memory ? "memory" : "syntax",
                            where, "%s", message);
    longjmp(c->jump, 1);
}

void scm_check_depth(struct compiler *c)
{
    /* The frame's own address: a variable's may lie elsewhere under a sanitizer. */
    if ((size_t)(c->stack_top - (char *)__builtin_frame_address(0)) > C_STACK_LIMIT)
        scm_syntax(c, SCM_FALSE, "the program is nested too deeply here");
    if (c->vm->out_of_cells)
        scm_syntax(c, SCM_FALSE, "out of memory: all %u cells are in use", c->vm->cell_count);
}

void scm_step(struct compiler *c)
{
    if (++c->step_count > 100000000)
        scm_syntax(c, SCM_FALSE, "this form is circular, or too large to compile");
}

scm_value scm_list_of(struct compiler *c, int count, ...)
{
    scm_value items[16], list = SCM_NIL;
    va_list args;
    va_start(args, count);
    for (int i = 0; i < count; i++)
        items[i] = va_arg(args, scm_value);
    va_end(args);
    while (count-- > 0)
        list = scm_cons(c->vm, items[count], list);
    return list;
}

int64_t scm_form_length(struct compiler *c, scm_value form)
{
    int64_t count = scm_list_length(form);
    if (count < 0)
        scm_syntax(c, form, "this form is not a list: a dot or a cycle stands in it");
    return count;
}

/* ---- core forms ----------------------------------------------------------------------------- */

scm_pos scm_pos_or(scm_value form, scm_pos pos)
{
    scm_pos own = scm_pos_of(form);
    return own ? own : pos;
}

struct node *scm_constant(struct compiler *c, scm_value v, scm_pos pos)
{
    struct node *n = scm_node(c, N_CONST, pos);
    n->value = v;
    return n;
}

/* expand the car of `at`, with its own place */
static struct node *expand_car(struct compiler *c, scm_value at, struct scope *scope, scm_pos pos)
{
    scm_pos own = scm_pos_car(at);
    return scm_expand(c, scm_car(at), scope, own ? own : pos);
}

struct node *scm_expand_seq(struct compiler *c, scm_value forms, struct scope *scope, scm_pos pos)
{
    int64_t count = scm_form_length(c, forms);
    if (count == 0)
        return scm_constant(c, SCM_VOID, pos);
    if (count == 1)
        return expand_car(c, forms, scope, pos);
    struct node *n = scm_node(c, N_SEQ, pos);
    n->items = scm_ast(c, (size_t)count * sizeof *n->items);
    for (; forms != SCM_NIL; forms = scm_cdr(forms))
        n->items[n->count++] = expand_car(c, forms, scope, pos);
    return n;
}

static struct node *expand_reference(struct compiler *c, scm_value id, struct scope *scope,
                                     scm_pos pos)
{
    struct ref ref = scm_resolve(c, id, scope);
    struct node *n;
    switch (ref.kind) {
    case REF_VAR:
        n = scm_node(c, N_LOCAL, pos);
        n->var = ref.var;
        return n;
    case REF_MACRO:
    case REF_SPECIAL: {
        size_t count;
        c->pos = pos;
        const char *text = scm_text(scm_plain(id), &count);
        scm_syntax(c, SCM_FALSE, "%.*s is syntax and has no value", (int)count, text);
    }
    case REF_UNBOUND:
        ref.value = scm_global_for(c->vm, ref.env, ref.id);
        break;
    default:
        break;
    }
    n = scm_node(c, N_GLOBAL, pos);
    n->value = ref.value;
    return n;
}

void scm_check_fresh(struct compiler *c, struct scope *scope, scm_value id, scm_value form)
{
    size_t count;
    if (!scm_is_identifier(id))
        scm_syntax(c, form, "a variable must be an identifier");
    for (struct binding *b = scope->bindings; b; b = b->next) {
        if (b->id == id) {
            const char *text = scm_text(scm_plain(id), &count);
            scm_syntax(c, form, "%.*s is bound twice here", (int)count, text);
        }
    }
}

struct lambda *scm_expand_lambda(struct compiler *c, scm_value formals, scm_value body,
                                 struct scope *up, scm_value name, scm_pos pos)
{
    struct lambda *lambda = scm_ast(c, sizeof *lambda);
    struct scope *scope = scm_scope(c, up, lambda);
    scm_value at = formals;
    uint32_t count = 0;
    for (; scm_is_pair(at); at = scm_cdr(at)) {
        if (++count > 4000)
            scm_syntax(c, formals, "more than 4000 parameters");
    }
    lambda->params = scm_ast(c, (count + 1) * sizeof *lambda->params);
    lambda->name = scm_plain(name);
    lambda->pos = pos;
    for (at = formals; scm_is_pair(at); at = scm_cdr(at)) {
        scm_check_fresh(c, scope, scm_car(at), formals);
        lambda->params[lambda->param_count++] = scm_bind_var(c, scope, scm_car(at));
    }
    if (at != SCM_NIL) {
        scm_check_fresh(c, scope, at, formals);
        lambda->params[lambda->param_count++] = scm_bind_var(c, scope, at);
        lambda->rest = 1;
    }
    if (!scm_is_pair(body))
        scm_syntax(c, formals, "a procedure without a body");
    lambda->body = scm_expand_body(c, body, scope, pos);
    return lambda;
}

static struct node *expand_lambda_form(struct compiler *c, scm_value form, struct scope *scope,
                                       scm_pos pos)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "lambda: (lambda (parameter ...) body ...)");
    struct node *n = scm_node(c, N_LAMBDA, pos);
    n->lambda =
        scm_expand_lambda(c, scm_car(scm_cdr(form)), scm_cdr(scm_cdr(form)), scope, SCM_FALSE, pos);
    return n;
}

void scm_name_lambda(struct node *n, scm_value name)
{
    if (n->kind == N_LAMBDA && n->lambda->name == SCM_FALSE)
        n->lambda->name = scm_plain(name);
    if (n->kind == N_CASE_LAMBDA) {
        for (uint32_t i = 0; i < n->count; i++)
            scm_name_lambda(n->items[i], name);
    }
}

static struct node *expand_set(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    if (scm_form_length(c, form) != 3 || !scm_is_identifier(scm_car(scm_cdr(form))))
        scm_syntax(c, form, "set!: (set! variable expression)");
    scm_value id = scm_car(scm_cdr(form));
    struct ref ref = scm_resolve(c, id, scope);
    struct node *n;
    if (ref.kind == REF_VAR) {
        n = scm_node(c, N_SET_LOCAL, pos);
        n->var = ref.var;
        ref.var->assigned = 1;
    } else if (ref.kind == REF_GLOBAL || ref.kind == REF_UNBOUND) {
        n = scm_node(c, N_SET_GLOBAL, pos);
        n->value = scm_global_for(c->vm, ref.env, ref.id);
        struct scm_env *home = scm_ptr(scm_cell(n->value)->c);
        if (home && home != c->env && ref.env == c->env) {
            size_t count;
            const char *text = scm_text(scm_plain(id), &count);
            scm_syntax(c, form, "set!: %.*s is imported; define it first to have your own",
                       (int)count, text);
        }
    } else {
        scm_syntax(c, form, "set!: this name is syntax");
    }
    n->a = expand_car(c, scm_cdr(scm_cdr(form)), scope, pos);
    scm_name_lambda(n->a, id);
    return n;
}

static struct node *expand_if(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    int64_t count = scm_form_length(c, form);
    if (count != 3 && count != 4)
        scm_syntax(c, form, "if: (if test then else)");
    struct node *n = scm_node(c, N_IF, pos);
    scm_value at = scm_cdr(form);
    n->a = expand_car(c, at, scope, pos);
    at = scm_cdr(at);
    n->b = expand_car(c, at, scope, pos);
    at = scm_cdr(at);
    n->c = at == SCM_NIL ? scm_constant(c, SCM_VOID, pos) : expand_car(c, at, scope, pos);
    return n;
}

/* ((lambda (x ...) body) v ...) is a let. */
static struct node *direct_call(struct compiler *c, struct node *call)
{
    struct lambda *lambda = call->a->lambda;
    if (lambda->rest || lambda->param_count != call->count)
        return call;
    struct node *n = scm_node(c, N_LET, call->pos);
    n->vars = lambda->params;
    n->items = call->items;
    n->count = call->count;
    n->a = lambda->body;
    n->lambda = lambda; /* its variables now belong to the surroundings */
    return n;
}

static struct node *expand_call(struct compiler *c, scm_value form, struct scope *scope,
                                scm_pos pos)
{
    int64_t count = scm_form_length(c, form) - 1;
    if (count > 60000)
        scm_syntax(c, form, "a call with more than 60000 arguments");
    struct node *n = scm_node(c, N_CALL, pos);
    n->a = expand_car(c, form, scope, pos);
    n->items = scm_ast(c, (size_t)count * sizeof *n->items + 1);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at))
        n->items[n->count++] = expand_car(c, at, scope, pos);
    return n->a->kind == N_LAMBDA ? direct_call(c, n) : n;
}

static struct node *expand_let_syntax(struct compiler *c, scm_value form, struct scope *up,
                                      int recursive, scm_pos pos)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "let-syntax: (let-syntax ((name rules) ...) body ...)");
    struct scope *scope = scm_scope(c, up, up->lambda);
    scm_value at = scm_car(scm_cdr(form));
    scm_form_length(c, at);
    for (; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        if (scm_list_length(one) != 2 || !scm_is_identifier(scm_car(one)))
            scm_syntax(c, form, "let-syntax: (let-syntax ((name rules) ...) body ...)");
        scm_value macro = scm_make_macro(c, scm_car(scm_cdr(one)), recursive ? scope : up);
        scm_bind_meaning(c, scope, scm_car(one), macro);
    }
    return scm_expand_body(c, scm_cdr(scm_cdr(form)), scope, pos);
}

static struct node *expand_special(struct compiler *c, enum special_form sf, scm_value form,
                                   struct scope *scope, scm_pos pos)
{
    switch (sf) {
    case SF_QUOTE:
        if (scm_form_length(c, form) != 2)
            scm_syntax(c, form, "quote: (quote datum)");
        return scm_constant(c, scm_strip(c, scm_car(scm_cdr(form))), pos);
    case SF_LAMBDA:
        return expand_lambda_form(c, form, scope, pos);
    case SF_SET:
        return expand_set(c, form, scope, pos);
    case SF_IF:
        return expand_if(c, form, scope, pos);
    case SF_BEGIN:
        return scm_expand_seq(c, scm_cdr(form), scope, pos);
    case SF_LET_SYNTAX:
    case SF_LETREC_SYNTAX:
        return expand_let_syntax(c, form, scope, sf == SF_LETREC_SYNTAX, pos);
    case SF_SYNTAX_ERROR: {
        struct mc_buf text = {0};
        char message[300];
        for (scm_value at = scm_cdr(form); scm_is_pair(at); at = scm_cdr(at)) {
            if (text.count)
                mc_buf_add_char(&text, ' ');
            scm_print_to(c->vm, scm_strip(c, scm_car(at)), scm_is_string(scm_car(at)), 0, &text);
        }
        snprintf(message, sizeof message, "%.*s", (int)(text.count < 290 ? text.count : 290),
                 (const char *)text.bytes);
        mc_buf_fini(&text);
        scm_syntax(c, form, "%s", message);
    }
    case SF_DEFINE:
    case SF_DEFINE_VALUES:
    case SF_DEFINE_RECORD:
    case SF_DEFINE_SYNTAX:
        scm_syntax(c, form, "a definition stands where an expression is needed");
    case SF_IMPORT:
    case SF_DEFINE_LIBRARY:
        scm_syntax(c, form, "import and define-library belong at the top level");
    default:
        return scm_expand_derived(c, sf, form, scope, pos);
    }
}

struct node *scm_expand(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    for (;;) {
        scm_check_depth(c);
        if (scm_is_identifier(form))
            return expand_reference(c, form, scope, pos);
        if (form == SCM_NIL) {
            c->pos = pos;
            scm_syntax(c, SCM_FALSE, "() is no expression; the empty list is '()");
        }
        if (!scm_is_pair(form))
            return scm_constant(c, form, pos);
        pos = scm_pos_or(form, pos);
        c->pos = pos;
        if (!scm_is_identifier(scm_car(form)))
            return expand_call(c, form, scope, pos);
        struct ref ref = scm_resolve(c, scm_car(form), scope);
        if (ref.kind == REF_SPECIAL)
            return expand_special(c, (enum special_form)(ref.value >> 8), form, scope, pos);
        if (ref.kind != REF_MACRO)
            return expand_call(c, form, scope, pos);
        form = scm_expand_macro(c, ref.value, form, scope);
    }
}
