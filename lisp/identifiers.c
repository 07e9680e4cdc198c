/* identifiers.c: what an identifier means where it stands: scopes, bindings, aliases. */
#include <stdlib.h>

#include "lisp/compile_priv.h"

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
