/* expand.c: forms to a tree: identifiers, core forms, bodies, the top level. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* ---- identifiers ---------------------------------------------------------------------------- */

struct scope *scm_scope(struct compiler *c, struct scope *up, struct lambda *lambda)
{
    struct scope *s = scm_ast(c, sizeof *s);
    *s = (struct scope){up, up->env, NULL, lambda};
    return s;
}

struct scope *scm_env_scope(struct compiler *c, struct scm_env *env)
{
    if (!env->scope) {
        struct scope *s = calloc(1, sizeof *s);
        if (!s)
            scm_syntax(c, SCM_FALSE, "out of memory while compiling");
        s->env = env;
        env->scope = s;
    }
    return env->scope;
}

struct var *scm_bind_var(struct compiler *c, struct scope *scope, scm_value id)
{
    if (!scm_is_identifier(id))
        scm_syntax(c, id, "a variable must be an identifier");
    struct var *var = scm_ast(c, sizeof *var);
    var->name = scm_plain(id);
    var->owner = scope->lambda;
    struct binding *b = scm_ast(c, sizeof *b);
    *b = (struct binding){scope->bindings, id, var, SCM_ABSENT};
    scope->bindings = b;
    return var;
}

void scm_bind_meaning(struct compiler *c, struct scope *scope, scm_value id, scm_value meaning)
{
    struct binding *b = scm_ast(c, sizeof *b);
    *b = (struct binding){scope->bindings, id, NULL, meaning};
    scope->bindings = b;
}

static struct ref ref_of_meaning(scm_value v, struct scm_env *env, scm_value id)
{
    enum ref_kind kind = scm_is_special(v)        ? REF_SPECIAL
                         : scm_is(v, SCM_T_MACRO) ? REF_MACRO
                                                  : REF_GLOBAL;
    return (struct ref){kind, NULL, v, env, id};
}

struct ref scm_resolve(struct compiler *c, scm_value id, struct scope *scope)
{
    (void)c;
    for (;;) {
        for (; scope->up; scope = scope->up) {
            for (struct binding *b = scope->bindings; b; b = b->next) {
                if (b->id != id)
                    continue;
                if (b->var)
                    return (struct ref){REF_VAR, b->var, SCM_ABSENT, scope->env, id};
                return ref_of_meaning(b->meaning, scope->env, id);
            }
        }
        scm_value v = scm_env_get(scope->env, id);
        if (v != SCM_ABSENT)
            return ref_of_meaning(v, scope->env, id);
        if (!scm_is(id, SCM_T_ALIAS))
            return (struct ref){REF_UNBOUND, NULL, SCM_ABSENT, scope->env, id};
        scope = scm_ptr(scm_cell(id)->b);
        id = scm_cell(id)->a;
    }
}

int scm_same_identifier(struct compiler *c, scm_value a, struct scope *in_a, scm_value b,
                        struct scope *in_b)
{
    struct ref x = scm_resolve(c, a, in_a), y = scm_resolve(c, b, in_b);
    if (x.kind != y.kind) /* a global that is only named so far is as good as none */
        return (x.kind == REF_GLOBAL || x.kind == REF_UNBOUND) &&
               (y.kind == REF_GLOBAL || y.kind == REF_UNBOUND) && scm_plain(a) == scm_plain(b) &&
               (x.kind == REF_UNBOUND || scm_cell(x.value)->a == SCM_UNBOUND) &&
               (y.kind == REF_UNBOUND || scm_cell(y.value)->a == SCM_UNBOUND);
    if (x.kind == REF_VAR)
        return x.var == y.var;
    return x.kind == REF_UNBOUND ? x.id == y.id : x.value == y.value;
}

scm_value scm_alias(struct compiler *c, scm_value name, struct scope *scope)
{
    struct scm_cell *cell = scm_alloc(c->vm, SCM_T_ALIAS);
    if (!cell)
        scm_syntax(c, SCM_FALSE, "out of memory: all %u cells are in use", c->vm->cell_count);
    cell->a = name;
    cell->b = (scm_value)(uintptr_t)scope;
    return scm_from_cell(cell);
}

scm_value scm_core_id(struct compiler *c, const char *name)
{
    return scm_alias(c, scm_symbol(c->vm, name), scm_env_scope(c, c->vm->core));
}

scm_value scm_plain(scm_value id)
{
    while (scm_is(id, SCM_T_ALIAS))
        id = scm_cell(id)->a;
    return id;
}

/* What the reader made has no alias in it; only templates bring them, into pairs of their own. */
static int from_reader(scm_value v)
{
    return (scm_is_pair(v) || scm_is_vector(v)) && (scm_cell(v)->flags & SCM_POSITIONED);
}

static int has_alias(struct compiler *c, scm_value v)
{
    scm_check_depth(c);
    for (; scm_is_pair(v) && !from_reader(v); v = scm_cdr(v)) {
        scm_step(c);
        if (has_alias(c, scm_car(v)))
            return 1;
    }
    if (scm_is_vector(v) && !from_reader(v)) {
        for (uint32_t i = 0; i < scm_count(v); i++) {
            if (has_alias(c, scm_items(v)[i]))
                return 1;
        }
    }
    return scm_is(v, SCM_T_ALIAS);
}

static scm_value strip(struct compiler *c, scm_value v)
{
    scm_check_depth(c);
    if (from_reader(v))
        return v;
    if (scm_is_pair(v)) {
        scm_value done = SCM_NIL;
        for (; scm_is_pair(v) && !from_reader(v); v = scm_cdr(v))
            done = scm_cons(c->vm, strip(c, scm_car(v)), done);
        scm_value tail = strip(c, v);
        while (scm_is_pair(done)) {
            scm_value next = scm_cdr(done);
            scm_cell(done)->b = tail;
            tail = done;
            done = next;
        }
        return tail;
    }
    if (scm_is_vector(v)) {
        scm_value copy = scm_make_vector(c->vm, scm_count(v), SCM_FALSE);
        for (uint32_t i = 0; scm_is_vector(copy) && i < scm_count(v); i++)
            scm_items(copy)[i] = strip(c, scm_items(v)[i]);
        return copy;
    }
    return scm_plain(v);
}

scm_value scm_strip(struct compiler *c, scm_value datum)
{
    if (c->expansion_count == 0)
        return datum;
    return has_alias(c, datum) ? strip(c, datum) : datum;
}

enum special_form scm_form_of(struct compiler *c, scm_value id, struct scope *scope)
{
    if (!scm_is_identifier(id))
        return SF_NONE;
    struct ref ref = scm_resolve(c, id, scope);
    return ref.kind == REF_SPECIAL ? (enum special_form)(ref.value >> 8) : SF_NONE;
}

/* ---- core forms ----------------------------------------------------------------------------- */

static scm_pos pos_or(scm_value form, scm_pos pos)
{
    scm_pos own = scm_pos_of(form);
    return own ? own : pos;
}

static struct node *constant(struct compiler *c, scm_value v, scm_pos pos)
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
        return constant(c, SCM_VOID, pos);
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

static void check_fresh(struct compiler *c, struct scope *scope, scm_value id, scm_value form)
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
        check_fresh(c, scope, scm_car(at), formals);
        lambda->params[lambda->param_count++] = scm_bind_var(c, scope, scm_car(at));
    }
    if (at != SCM_NIL) {
        check_fresh(c, scope, at, formals);
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

static void name_lambda(struct node *n, scm_value name)
{
    if (n->kind == N_LAMBDA && n->lambda->name == SCM_FALSE)
        n->lambda->name = scm_plain(name);
    if (n->kind == N_CASE_LAMBDA) {
        for (uint32_t i = 0; i < n->count; i++)
            name_lambda(n->items[i], name);
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
    name_lambda(n->a, id);
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
    n->c = at == SCM_NIL ? constant(c, SCM_VOID, pos) : expand_car(c, at, scope, pos);
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
        return constant(c, scm_strip(c, scm_car(scm_cdr(form))), pos);
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
            return constant(c, form, pos);
        pos = pos_or(form, pos);
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
        pos = pos_or(form, pos);
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
            check_fresh(c, b->scope, id, form);
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
                                 ? constant(c, SCM_VOID, item->pos)
                                 : scm_expand(c, item->form, b->scope, item->pos);
        if (item->var)
            name_lambda(n->items[n->count], item->var->name);
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
    n->a = value == SCM_ABSENT ? constant(c, SCM_VOID, pos) : scm_expand(c, value, scope, pos);
    name_lambda(n->a, id);
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
    return n->count ? n : constant(c, SCM_VOID, pos);
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
    return constant(c, SCM_VOID, pos);
}

struct node *scm_expand_toplevel(struct compiler *c, scm_value form, struct scope *scope,
                                 scm_pos pos)
{
    while (scm_is_pair(form) && scm_is_identifier(scm_car(form))) {
        scm_check_depth(c);
        pos = pos_or(form, pos);
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
            return constant(c, SCM_VOID, pos);
        case SF_DEFINE_LIBRARY:
            scm_define_library(c, form);
            return constant(c, SCM_VOID, pos);
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
