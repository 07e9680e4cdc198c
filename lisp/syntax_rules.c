/* syntax_rules.c: pattern matching and templates of syntax-rules.
 *
 * Hygiene is by renaming: each identifier that a template brings becomes an ALIAS that remembers
 * the scope of the macro's definition. Binding forms bind the alias itself; a reference that finds
 * no binding of the alias goes on with the name below it, in the remembered scope.
 */
#include "lisp/compile_priv.h"

/* What a pattern variable matched: one form, or for each ellipsis a row. */
struct match {
    scm_value form;
    struct match *items;
    size_t count;
};

struct pattern_var {
    struct pattern_var *next;
    scm_value id;
    int depth;
    struct match *match;
};

struct rename {
    struct rename *next;
    scm_value id, alias;
};

struct expansion {
    struct compiler *c;
    scm_value literals, ellipsis;
    struct scope *home, *use;
    struct pattern_var *vars;
    struct rename *renames;
};

/* A macro is (literals ellipsis . rules), with the scope of its definition in b. */
scm_value scm_make_macro(struct compiler *c, scm_value spec, struct scope *scope)
{
    if (scm_is_identifier(spec)) { /* (define-syntax a b): another name for b */
        struct ref ref = scm_resolve(c, spec, scope);
        if (ref.kind == REF_MACRO || ref.kind == REF_SPECIAL)
            return ref.value;
    }
    if (!scm_is_pair(spec) || !scm_is_identifier(scm_car(spec)) ||
        scm_form_of(c, scm_car(spec), scope) != SF_SYNTAX_RULES)
        scm_syntax(c, spec,
                   "a macro is made by (syntax-rules (literal ...) (pattern template) ...)");
    scm_value rest = scm_cdr(spec), ellipsis = scm_core_id(c, "...");
    if (scm_is_pair(rest) && scm_is_identifier(scm_car(rest))) {
        ellipsis = scm_car(rest);
        rest = scm_cdr(rest);
    }
    if (!scm_is_pair(rest) || scm_list_length(scm_car(rest)) < 0)
        scm_syntax(c, spec, "syntax-rules: a list of literals is missing");
    for (scm_value at = scm_car(rest); at != SCM_NIL; at = scm_cdr(at)) {
        if (!scm_is_identifier(scm_car(at)))
            scm_syntax(c, spec, "syntax-rules: a literal is an identifier");
    }
    if (scm_list_length(scm_cdr(rest)) < 0)
        scm_syntax(c, spec, "syntax-rules: the rules are not a list");
    for (scm_value at = scm_cdr(rest); at != SCM_NIL; at = scm_cdr(at)) {
        if (scm_list_length(scm_car(at)) != 2 || !scm_is_pair(scm_car(scm_car(at))))
            scm_syntax(c, at, "syntax-rules: a rule is ((_ pattern ...) template)");
    }
    struct scm_cell *cell = scm_alloc(c->vm, SCM_T_MACRO);
    if (!cell)
        scm_syntax(c, spec, "out of memory");
    cell->a = scm_cons(c->vm, scm_car(rest), scm_cons(c->vm, ellipsis, scm_cdr(rest)));
    cell->b = (scm_value)(uintptr_t)scope;
    cell->c = 0;
    return scm_from_cell(cell);
}

static int is_ellipsis(struct expansion *x, scm_value v)
{
    if (!scm_is_identifier(v))
        return 0;
    if (v == x->ellipsis)
        return 1;
    /* the default one is `...` by meaning */
    return scm_form_of(x->c, x->ellipsis, x->home) == SF_ELLIPSIS &&
           scm_form_of(x->c, v, x->home) == SF_ELLIPSIS;
}

static int is_literal(struct expansion *x, scm_value id)
{
    for (scm_value at = x->literals; at != SCM_NIL; at = scm_cdr(at)) {
        if (scm_car(at) == id)
            return 1;
    }
    return 0;
}

static int is_underscore(struct expansion *x, scm_value id)
{
    return scm_form_of(x->c, id, x->home) == SF_UNDERSCORE;
}

/* Declare the variables of a pattern, each with an empty match of its depth. */
static void declare(struct expansion *x, scm_value pattern, int depth)
{
    scm_check_depth(x->c);
    while (scm_is_pair(pattern)) {
        scm_step(x->c);
        scm_value next = scm_cdr(pattern);
        int many = scm_is_pair(next) && is_ellipsis(x, scm_car(next));
        declare(x, scm_car(pattern), depth + many);
        pattern = many ? scm_cdr(next) : next;
    }
    if (scm_is_vector(pattern)) {
        for (uint32_t i = 0; i < scm_count(pattern); i++) {
            if (is_ellipsis(x, scm_items(pattern)[i]))
                continue;
            int many = i + 1 < scm_count(pattern) && is_ellipsis(x, scm_items(pattern)[i + 1]);
            declare(x, scm_items(pattern)[i], depth + many);
        }
    } else if (scm_is_identifier(pattern) && !is_literal(x, pattern) &&
               !is_underscore(x, pattern)) {
        struct pattern_var *var = scm_ast(x->c, sizeof *var);
        *var = (struct pattern_var){x->vars, pattern, depth, scm_ast(x->c, sizeof *var->match)};
        x->vars = var;
    }
}

static struct pattern_var *find_var(struct expansion *x, scm_value id)
{
    for (struct pattern_var *v = x->vars; v; v = v->next) {
        if (v->id == id)
            return v;
    }
    return NULL;
}

static int match(struct expansion *x, scm_value pattern, scm_value form);

static size_t proper_part(struct compiler *c, scm_value form)
{
    size_t count = 0;
    for (; scm_is_pair(form); form = scm_cdr(form), count++)
        scm_step(c);
    return count;
}

/* Run `count` forms through one pattern and hang each variable's matches into a row. */
static int match_row(struct expansion *x, scm_value pattern, size_t count,
                     scm_value (*next)(void *), void *state)
{
    struct pattern_var *outer = x->vars;
    x->vars = NULL;
    declare(x, pattern, 0);
    struct pattern_var *inner = x->vars;
    for (struct pattern_var *v = inner; v; v = v->next) {
        struct pattern_var *target = NULL;
        for (struct pattern_var *o = outer; o && !target; o = o->next)
            target = o->id == v->id ? o : NULL;
        if (target) {
            target->match->items = scm_ast(x->c, (count + 1) * sizeof(struct match));
            target->match->count = count;
        }
    }
    int ok = 1;
    for (size_t i = 0; ok && i < count; i++) {
        for (struct pattern_var *v = inner; v; v = v->next)
            *v->match = (struct match){0};
        ok = match(x, pattern, next(state));
        for (struct pattern_var *v = inner; ok && v; v = v->next) {
            for (struct pattern_var *o = outer; o; o = o->next) {
                if (o->id == v->id) {
                    o->match->items[i] = *v->match;
                    break;
                }
            }
        }
    }
    x->vars = outer;
    return ok;
}

static scm_value next_of_list(void *state)
{
    scm_value *at = state, v = scm_car(*at);
    *at = scm_cdr(*at);
    return v;
}

static scm_value next_of_vector(void *state)
{
    scm_value **at = state;
    return *(*at)++;
}

static int match_list(struct expansion *x, scm_value pattern, scm_value form)
{
    while (scm_is_pair(pattern)) {
        scm_value next = scm_cdr(pattern);
        if (scm_is_pair(next) && is_ellipsis(x, scm_car(next))) {
            size_t after = proper_part(x->c, scm_cdr(next)), there = proper_part(x->c, form);
            if (there < after)
                return 0;
            scm_value at = form;
            if (!match_row(x, scm_car(pattern), there - after, next_of_list, &at))
                return 0;
            form = at;
            pattern = scm_cdr(next);
            continue;
        }
        if (!scm_is_pair(form) || !match(x, scm_car(pattern), scm_car(form)))
            return 0;
        form = scm_cdr(form);
        pattern = next;
    }
    return match(x, pattern, form);
}

static int match_vector(struct expansion *x, scm_value pattern, scm_value form)
{
    if (!scm_is_vector(form))
        return 0;
    uint32_t count = scm_count(pattern), there = scm_count(form);
    scm_value *p = scm_items(pattern), *at = scm_items(form), *end = at + there;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && is_ellipsis(x, p[i + 1])) {
            uint32_t after = count - i - 2;
            if ((uint32_t)(end - at) < after)
                return 0;
            if (!match_row(x, p[i], (size_t)(end - at) - after, next_of_vector, &at))
                return 0;
            i++;
            continue;
        }
        if (at == end || !match(x, p[i], *at++))
            return 0;
    }
    return at == end;
}

static int match(struct expansion *x, scm_value pattern, scm_value form)
{
    scm_check_depth(x->c);
    if (scm_is_identifier(pattern)) {
        if (is_literal(x, pattern))
            return scm_is_identifier(form) &&
                   scm_same_identifier(x->c, pattern, x->home, form, x->use);
        struct pattern_var *var = find_var(x, pattern);
        if (var)
            var->match->form = form;
        return 1;
    }
    if (scm_is_pair(pattern))
        return match_list(x, pattern, form);
    if (scm_is_vector(pattern))
        return match_vector(x, pattern, form);
    return scm_equal(x->c->vm, pattern, form);
}

/* ---- templates ------------------------------------------------------------------------------ */

static scm_value fill(struct expansion *x, scm_value template, int escaped);

static scm_value renamed(struct expansion *x, scm_value id)
{
    for (struct rename *r = x->renames; r; r = r->next) {
        if (r->id == id)
            return r->alias;
    }
    struct rename *r = scm_ast(x->c, sizeof *r);
    *r = (struct rename){x->renames, id, scm_alias(x->c, id, x->home)};
    x->renames = r;
    return r->alias;
}

/* Does the template use variables that have rows? Narrow each of them in turn. */
static int uses(struct expansion *x, scm_value template, const struct pattern_var *var)
{
    scm_check_depth(x->c);
    while (scm_is_pair(template)) {
        scm_step(x->c);
        if (uses(x, scm_car(template), var))
            return 1;
        template = scm_cdr(template);
    }
    if (scm_is_vector(template)) {
        for (uint32_t i = 0; i < scm_count(template); i++) {
            if (uses(x, scm_items(template)[i], var))
                return 1;
        }
    }
    return template == var->id;
}

/* Fill the template once for each item of the rows it uses; push results in front of `done`. */
static scm_value fill_row(struct expansion *x, scm_value template, int depth, scm_value done)
{
    struct pattern_var *outer = x->vars, *narrowed = NULL;
    size_t count = 0;
    int rows = 0;
    if (depth == 0)
        return scm_cons(x->c->vm, fill(x, template, 0), done);
    for (struct pattern_var *v = outer; v; v = v->next) {
        if (!uses(x, template, v))
            continue;
        struct pattern_var *copy = scm_ast(x->c, sizeof *copy);
        *copy = *v;
        copy->next = narrowed;
        narrowed = copy;
        if (v->depth > 0) {
            if (rows && v->match->count != count)
                scm_syntax(x->c, template, "syntax-rules: rows of different length in a template");
            count = v->match->count;
            rows = 1;
        }
    }
    if (!rows)
        scm_syntax(x->c, template,
                   "syntax-rules: ... behind a template without a repeated variable");
    for (size_t i = 0; i < count; i++) {
        x->vars = NULL;
        for (struct pattern_var *v = narrowed; v; v = v->next) {
            struct pattern_var *one = scm_ast(x->c, sizeof *one);
            *one = *v;
            one->next = x->vars;
            if (v->depth > 0) {
                one->depth--;
                one->match = &v->match->items[i];
            }
            x->vars = one;
        }
        done = fill_row(x, template, depth - 1, done);
    }
    x->vars = outer;
    return done;
}

static scm_value fill_list(struct expansion *x, scm_value template, int escaped)
{
    scm_value done = SCM_NIL;
    while (scm_is_pair(template)) {
        scm_value item = scm_car(template);
        int depth = 0;
        scm_step(x->c);
        if (x->c->vm->out_of_cells)
            scm_check_depth(x->c);
        template = scm_cdr(template);
        while (!escaped && scm_is_pair(template) && is_ellipsis(x, scm_car(template))) {
            depth++;
            template = scm_cdr(template);
        }
        if (depth)
            done = fill_row(x, item, depth, done);
        else
            done = scm_cons(x->c->vm, fill(x, item, escaped), done);
    }
    scm_value tail = template == SCM_NIL ? SCM_NIL : fill(x, template, escaped);
    while (scm_is_pair(done)) {
        scm_value next = scm_cdr(done);
        scm_cell(done)->b = tail;
        tail = done;
        done = next;
    }
    return tail;
}

static scm_value fill_vector(struct expansion *x, scm_value template, int escaped)
{
    scm_value list = SCM_NIL;
    for (uint32_t i = scm_count(template); i-- > 0;)
        list = scm_cons(x->c->vm, scm_items(template)[i], list);
    list = fill_list(x, list, escaped);
    int64_t count = scm_list_length(list);
    scm_value v = scm_make_vector(x->c->vm, (size_t)count, SCM_FALSE);
    if (scm_is_vector(v)) {
        for (uint32_t i = 0; i < scm_count(v); i++, list = scm_cdr(list))
            scm_items(v)[i] = scm_car(list);
    }
    return v;
}

static scm_value fill(struct expansion *x, scm_value template, int escaped)
{
    scm_check_depth(x->c);
    if (scm_is_identifier(template)) {
        struct pattern_var *var = find_var(x, template);
        if (!var)
            return renamed(x, template);
        if (var->depth > 0)
            scm_syntax(x->c, template, "syntax-rules: a repeated variable without ... behind it");
        return var->match->form;
    }
    if (scm_is_pair(template)) {
        scm_value rest = scm_cdr(template);
        if (!escaped && is_ellipsis(x, scm_car(template)) && scm_is_pair(rest) &&
            scm_cdr(rest) == SCM_NIL)
            return fill(x, scm_car(rest), 1);
        return fill_list(x, template, escaped);
    }
    if (scm_is_vector(template))
        return fill_vector(x, template, escaped);
    return template;
}

scm_value scm_expand_macro(struct compiler *c, scm_value macro, scm_value form, struct scope *scope)
{
    scm_value spec = scm_cell(macro)->a;
    struct expansion x = {.c = c,
                          .literals = scm_car(spec),
                          .ellipsis = scm_car(scm_cdr(spec)),
                          .home = scm_ptr(scm_cell(macro)->b),
                          .use = scope};
    if (++c->expansion_count > 1000000)
        scm_syntax(c, form, "more than a million macro expansions in one form");
    for (scm_value at = scm_cdr(scm_cdr(spec)); at != SCM_NIL; at = scm_cdr(at)) {
        scm_value rule = scm_car(at), pattern = scm_cdr(scm_car(rule));
        x.vars = NULL;
        declare(&x, pattern, 0);
        if (!match_list(&x, pattern, scm_cdr(form)))
            continue;
        return fill(&x, scm_car(scm_cdr(rule)), 0);
    }
    scm_syntax(c, form, "no rule of this macro matches");
}
