/* expand_derived.c: the forms that are made of simpler ones. */
#include "lisp/expand_priv.h"

/* ---- let and its family --------------------------------------------------------------------- */

/* Check ((name value) ...) and give its length. */
static uint32_t check_bindings(struct compiler *c, scm_value form, scm_value bindings)
{
    int64_t count = scm_list_length(bindings);
    if (count < 0 || count > 4000)
        scm_syntax(c, form, "the bindings are a list of (name value)");
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        if (scm_list_length(one) != 2 || !scm_is_identifier(scm_car(one)))
            scm_syntax(c, scm_is_pair(one) ? one : form, "a binding is (name value)");
    }
    return (uint32_t)count;
}

static struct node *plain_let(struct compiler *c, scm_value form, struct scope *up, scm_pos pos)
{
    scm_value bindings = scm_car(scm_cdr(form));
    uint32_t count = check_bindings(c, form, bindings);
    struct node *n = scm_node(c, N_LET, pos);
    struct scope *scope = scm_scope(c, up, up->lambda);
    n->vars = scm_ast(c, (count + 1) * sizeof *n->vars);
    n->items = scm_ast(c, (count + 1) * sizeof *n->items);
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at), id = scm_car(one);
        scm_pos own = scm_pos_car(scm_cdr(one));
        n->items[n->count] = scm_expand(c, scm_car(scm_cdr(one)), up, own ? own : pos);
        scm_name_lambda(n->items[n->count], id);
        scm_check_fresh(c, scope, id, form);
        n->vars[n->count++] = scm_bind_var(c, scope, id);
    }
    n->a = scm_expand_body(c, scm_cdr(scm_cdr(form)), scope, pos);
    return count ? n : n->a;
}

/* (let name ((var init) ...) body ...): the name is seen by the body, not by the inits. */
static struct node *named_let(struct compiler *c, scm_value form, struct scope *up, scm_pos pos)
{
    scm_value name = scm_car(scm_cdr(form)), bindings = scm_car(scm_cdr(scm_cdr(form)));
    uint32_t count = check_bindings(c, form, bindings);
    scm_value formals = SCM_NIL;
    struct node *call = scm_node(c, N_CALL, pos), *n = scm_node(c, N_LETREC, pos);
    call->items = scm_ast(c, (count + 1) * sizeof *call->items);
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        scm_pos own = scm_pos_car(scm_cdr(one));
        formals = CONS(scm_car(one), formals);
        call->items[call->count++] = scm_expand(c, scm_car(scm_cdr(one)), up, own ? own : pos);
    }
    struct scope *scope = scm_scope(c, up, up->lambda);
    n->vars = scm_ast(c, sizeof *n->vars);
    n->items = scm_ast(c, sizeof *n->items);
    n->count = 1;
    n->vars[0] = scm_bind_var(c, scope, name);
    n->vars[0]->is_letrec = 1;
    n->items[0] = scm_node(c, N_LAMBDA, pos);
    n->items[0]->lambda = scm_expand_lambda(c, scm_list_reverse(formals),
                                            scm_cdr(scm_cdr(scm_cdr(form))), scope, name, pos);
    call->a = scm_node(c, N_LOCAL, pos);
    call->a->var = n->vars[0];
    n->a = call;
    return n;
}

static struct node *expand_let(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    int64_t count = scm_form_length(c, form);
    if (count >= 4 && scm_is_identifier(scm_car(scm_cdr(form))))
        return named_let(c, form, scope, pos);
    if (count < 3)
        scm_syntax(c, form, "let: (let ((name value) ...) body ...)");
    return plain_let(c, form, scope, pos);
}

static struct node *expand_let_star(struct compiler *c, scm_value form, struct scope *scope,
                                    scm_pos pos)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "let*: (let* ((name value) ...) body ...)");
    scm_value bindings = scm_car(scm_cdr(form)), body = scm_cdr(scm_cdr(form));
    check_bindings(c, form, bindings);
    struct node *first = NULL, **hole = &first;
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        scm_pos own = scm_pos_car(scm_cdr(one));
        struct node *n = scm_node(c, N_LET, pos);
        struct scope *inner = scm_scope(c, scope, scope->lambda);
        n->vars = scm_ast(c, sizeof *n->vars);
        n->items = scm_ast(c, sizeof *n->items);
        n->items[0] = scm_expand(c, scm_car(scm_cdr(one)), scope, own ? own : pos);
        scm_name_lambda(n->items[0], scm_car(one));
        n->vars[0] = scm_bind_var(c, inner, scm_car(one));
        n->count = 1;
        scope = inner;
        *hole = n;
        hole = &n->a;
    }
    *hole = scm_expand_body(c, body, scope, pos);
    return first;
}

static struct node *expand_letrec(struct compiler *c, scm_value form, struct scope *up, scm_pos pos)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "letrec: (letrec ((name value) ...) body ...)");
    scm_value bindings = scm_car(scm_cdr(form));
    uint32_t count = check_bindings(c, form, bindings), i = 0;
    struct node *n = scm_node(c, N_LETREC, pos);
    struct scope *scope = scm_scope(c, up, up->lambda);
    n->vars = scm_ast(c, (count + 1) * sizeof *n->vars);
    n->items = scm_ast(c, (count + 1) * sizeof *n->items);
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at)) {
        scm_check_fresh(c, scope, scm_car(scm_car(at)), form);
        n->vars[n->count] = scm_bind_var(c, scope, scm_car(scm_car(at)));
        n->vars[n->count++]->is_letrec = 1;
    }
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at), i++) {
        scm_value one = scm_car(at);
        scm_pos own = scm_pos_car(scm_cdr(one));
        n->items[i] = scm_expand(c, scm_car(scm_cdr(one)), scope, own ? own : pos);
        scm_name_lambda(n->items[i], scm_car(one));
    }
    n->a = scm_expand_body(c, scm_cdr(scm_cdr(form)), scope, pos);
    return count ? n : n->a;
}

/* let-values and let*-values: calls of call-with-values, one within the other; the former binds
 * temporaries first. */
static scm_value let_values(struct compiler *c, scm_value form, int star, struct scope *scope)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "let-values: (let-values (((name ...) expression) ...) body ...)");
    scm_value bindings = scm_car(scm_cdr(form)), renames = SCM_NIL;
    int64_t count = scm_form_length(c, bindings), i = 0;
    scm_value *formals = scm_ast(c, ((size_t)count + 1) * sizeof *formals);
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at), i++) {
        if (scm_list_length(scm_car(at)) != 2)
            scm_syntax(c, form, "let-values: a binding is ((name ...) expression)");
        scm_value names = scm_car(scm_car(at)), temps = SCM_NIL;
        formals[i] = names;
        if (star)
            continue;
        for (; scm_is_pair(names); names = scm_cdr(names)) {
            scm_value temp = scm_alias(c, scm_plain(scm_car(names)), scope);
            renames = CONS(LIST2(scm_car(names), temp), renames);
            temps = CONS(temp, temps);
        }
        scm_value tail = SCM_NIL;
        if (names != SCM_NIL) {
            tail = scm_alias(c, scm_plain(names), scope);
            renames = CONS(LIST2(names, tail), renames);
        }
        while (scm_is_pair(temps)) {
            scm_value next = scm_cdr(temps);
            scm_cell(temps)->b = tail;
            tail = temps;
            temps = next;
        }
        formals[i] = tail;
    }
    scm_value body = CONS(ID("let"), CONS(star ? SCM_NIL : renames, scm_cdr(scm_cdr(form))));
    scm_value reversed = SCM_NIL;
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at))
        reversed = CONS(scm_car(at), reversed);
    for (scm_value at = reversed; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value producer = LIST3(ID("lambda"), SCM_NIL, scm_car(scm_cdr(scm_car(at))));
        body = LIST3(ID("call-with-values"), producer, LIST3(ID("lambda"), formals[--i], body));
    }
    return body;
}

/* ---- conditionals --------------------------------------------------------------------------- */

static struct node *expand_and(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    if (scm_form_length(c, form) == 1)
        return scm_constant(c, SCM_TRUE, pos);
    struct node *first = NULL, **hole = &first;
    for (scm_value at = scm_cdr(form);; at = scm_cdr(at)) {
        scm_pos own = scm_pos_car(at);
        struct node *one = scm_expand(c, scm_car(at), scope, own ? own : pos);
        if (scm_cdr(at) == SCM_NIL) {
            *hole = one;
            return first;
        }
        struct node *n = scm_node(c, N_IF, pos);
        n->a = one;
        n->c = scm_constant(c, SCM_FALSE, pos);
        *hole = n;
        hole = &n->b;
    }
}

static struct node *expand_or(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    int64_t count = scm_form_length(c, form) - 1;
    if (count == 0)
        return scm_constant(c, SCM_FALSE, pos);
    struct node *n = scm_node(c, N_OR, pos);
    n->items = scm_ast(c, (size_t)count * sizeof *n->items);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at)) {
        scm_pos own = scm_pos_car(at);
        n->items[n->count++] = scm_expand(c, scm_car(at), scope, own ? own : pos);
    }
    return count == 1 ? n->items[0] : n;
}

static struct node *expand_when(struct compiler *c, scm_value form, struct scope *scope, int unless,
                                scm_pos pos)
{
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, "%s: (%s test expression ...)", unless ? "unless" : "when",
                   unless ? "unless" : "when");
    struct node *n = scm_node(c, N_IF, pos);
    scm_pos own = scm_pos_car(scm_cdr(form));
    n->a = scm_expand(c, scm_car(scm_cdr(form)), scope, own ? own : pos);
    struct node *body = scm_expand_seq(c, scm_cdr(scm_cdr(form)), scope, pos);
    struct node *nothing = scm_constant(c, SCM_VOID, pos);
    n->b = unless ? nothing : body;
    n->c = unless ? body : nothing;
    return n;
}

/* One clause of cond: fills *n; returns the hole for what follows, or NULL after an else. */
static struct node **cond_clause(struct compiler *c, scm_value clause, int last,
                                 struct scope *scope, struct node **hole, scm_pos pos)
{
    if (scm_list_length(clause) < 1)
        scm_syntax(c, clause, "cond: a clause is (test expression ...)");
    scm_pos own = scm_pos_of(clause), test_pos = scm_pos_car(clause);
    scm_value body = scm_cdr(clause);
    pos = own ? own : pos;
    if (scm_form_of(c, scm_car(clause), scope) == SF_ELSE) {
        if (!last || body == SCM_NIL)
            scm_syntax(c, clause, "cond: else stands in the last clause, with an expression");
        *hole = scm_expand_seq(c, body, scope, pos);
        return NULL;
    }
    struct node *test = scm_expand(c, scm_car(clause), scope, test_pos ? test_pos : pos);
    if (body == SCM_NIL) {
        struct node *n = scm_node(c, N_OR, pos);
        n->items = scm_ast(c, 2 * sizeof *n->items);
        n->items[0] = test;
        n->count = 2;
        *hole = n;
        return &n->items[1];
    }
    struct node *branch = scm_node(c, N_IF, pos);
    *hole = branch;
    branch->a = test;
    if (scm_form_of(c, scm_car(body), scope) != SF_ARROW) {
        branch->b = scm_expand_seq(c, body, scope, pos);
        return &branch->c;
    }
    if (scm_list_length(body) != 2)
        scm_syntax(c, clause, "cond: (test => procedure)");
    /* (let ((t test)) (if t (procedure t) ...)) */
    struct node *let = scm_node(c, N_LET, pos), *call = scm_node(c, N_CALL, pos);
    let->vars = scm_ast(c, sizeof *let->vars);
    let->items = scm_ast(c, sizeof *let->items);
    struct scope *inner = scm_scope(c, scope, scope->lambda);
    let->vars[0] = scm_bind_var(c, inner, ID("t"));
    let->items[0] = test;
    let->count = 1;
    let->a = branch;
    branch->a = scm_node(c, N_LOCAL, pos);
    branch->a->var = let->vars[0];
    call->a = scm_expand(c, scm_car(scm_cdr(body)), scope, pos);
    call->items = scm_ast(c, sizeof *call->items);
    call->items[0] = scm_node(c, N_LOCAL, pos);
    call->items[0]->var = let->vars[0];
    call->count = 1;
    branch->b = call;
    *hole = let;
    return &branch->c;
}

static struct node *expand_cond(struct compiler *c, scm_value form, struct scope *scope,
                                scm_pos pos)
{
    struct node *first = NULL, **hole = &first;
    if (scm_form_length(c, form) < 2)
        scm_syntax(c, form, "cond: (cond (test expression ...) ...)");
    for (scm_value at = scm_cdr(form); at != SCM_NIL && hole; at = scm_cdr(at))
        hole = cond_clause(c, scm_car(at), scm_cdr(at) == SCM_NIL, scope, hole, pos);
    if (hole)
        *hole = scm_constant(c, SCM_VOID, pos);
    return first;
}

/* The test of a case clause: eqv? for one datum, memv for more. */
static scm_value case_test(struct compiler *c, scm_value key, scm_value data)
{
    data = scm_strip(c, data);
    if (scm_list_length(data) == 1) {
        scm_value one = scm_car(data);
        int plain = !scm_is_cell(one) || scm_is_symbol(one);
        return LIST3(ID(plain ? "eq?" : "eqv?"), key, quoted(c, one));
    }
    return LIST3(ID("memv"), key, quoted(c, data));
}

static scm_value expand_case(struct compiler *c, scm_value form, struct scope *scope)
{
    if (scm_form_length(c, form) < 2)
        scm_syntax(c, form, "case: (case key ((datum ...) expression ...) ...)");
    scm_value key = ID("key"), clauses = SCM_NIL;
    for (scm_value at = scm_cdr(scm_cdr(form)); at != SCM_NIL; at = scm_cdr(at)) {
        scm_value clause = scm_car(at);
        if (scm_list_length(clause) < 2)
            scm_syntax(c, clause, "case: a clause is ((datum ...) expression ...)");
        scm_value body = scm_cdr(clause), test;
        int is_else = scm_form_of(c, scm_car(clause), scope) == SF_ELSE;
        if (is_else && scm_cdr(at) != SCM_NIL)
            scm_syntax(c, clause, "case: else stands in the last clause");
        if (!is_else && scm_list_length(scm_car(clause)) < 0)
            scm_syntax(c, clause, "case: a clause begins with a list of data");
        if (scm_form_of(c, scm_car(body), scope) == SF_ARROW) {
            if (scm_list_length(body) != 2)
                scm_syntax(c, clause, "case: ((datum ...) => procedure)");
            body = LIST1(LIST2(scm_car(scm_cdr(body)), key));
        }
        test = is_else ? ID("else") : case_test(c, key, scm_car(clause));
        clauses = CONS(CONS(test, body), clauses);
    }
    scm_value cond = clauses == SCM_NIL ? key : CONS(ID("cond"), scm_list_reverse(clauses));
    return LIST3(ID("let"), LIST1(LIST2(key, scm_car(scm_cdr(form)))), cond);
}

/* ---- do, case-lambda ------------------------------------------------------------------------ */

static scm_value expand_do(struct compiler *c, scm_value form)
{
    static const char usage[] = "do: (do ((name init step) ...) (test expression ...) body ...)";
    if (scm_form_length(c, form) < 3)
        scm_syntax(c, form, usage);
    scm_value specs = scm_car(scm_cdr(form)), exit = scm_car(scm_cdr(scm_cdr(form)));
    scm_value body = scm_cdr(scm_cdr(scm_cdr(form))), loop = ID("loop");
    scm_value bindings = SCM_NIL, steps = SCM_NIL;
    if (scm_list_length(specs) < 0 || scm_list_length(exit) < 1)
        scm_syntax(c, form, usage);
    for (scm_value at = specs; at != SCM_NIL; at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        int64_t count = scm_list_length(one);
        if (count != 2 && count != 3)
            scm_syntax(c, form, usage);
        bindings = CONS(LIST2(scm_car(one), scm_car(scm_cdr(one))), bindings);
        steps = CONS(count == 3 ? scm_car(scm_cdr(scm_cdr(one))) : scm_car(one), steps);
    }
    scm_value again = CONS(loop, scm_list_reverse(steps)), next = LIST1(again);
    if (body != SCM_NIL) {
        scm_value reversed = LIST1(again);
        scm_value items = SCM_NIL;
        for (; body != SCM_NIL; body = scm_cdr(body))
            items = CONS(scm_car(body), items);
        for (; items != SCM_NIL; items = scm_cdr(items))
            reversed = CONS(scm_car(items), reversed);
        next = reversed;
    }
    scm_value done =
        scm_cdr(exit) == SCM_NIL ? LIST2(ID("if"), SCM_FALSE) : CONS(ID("begin"), scm_cdr(exit));
    if (scm_cdr(exit) == SCM_NIL)
        done = LIST3(ID("if"), SCM_FALSE, SCM_FALSE);
    return LIST4(ID("let"), loop, scm_list_reverse(bindings),
                 LIST4(ID("if"), scm_car(exit), done, CONS(ID("begin"), next)));
}

static struct node *expand_case_lambda(struct compiler *c, scm_value form, struct scope *scope,
                                       scm_pos pos)
{
    int64_t count = scm_form_length(c, form) - 1;
    struct node *n = scm_node(c, N_CASE_LAMBDA, pos);
    n->items = scm_ast(c, (size_t)count * sizeof *n->items + 1);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at)) {
        if (scm_list_length(scm_car(at)) < 2)
            scm_syntax(c, form, "case-lambda: a clause is (formals body ...)");
        struct node *one = scm_node(c, N_LAMBDA, pos);
        one->lambda =
            scm_expand_lambda(c, scm_car(scm_car(at)), scm_cdr(scm_car(at)), scope, SCM_FALSE, pos);
        n->items[n->count++] = one;
    }
    return n;
}

/* ---- the way in ----------------------------------------------------------------------------- */

struct node *scm_expand_derived(struct compiler *c, enum special_form sf, scm_value form,
                                struct scope *scope, scm_pos pos)
{
    switch (sf) {
    case SF_QUASIQUOTE:
        if (scm_form_length(c, form) != 2)
            scm_syntax(c, form, "quasiquote: (quasiquote datum)");
        return scm_expand(c, scm_quasiquote(c, scm_car(scm_cdr(form)), 1, scope), scope, pos);
    case SF_LET:
        return expand_let(c, form, scope, pos);
    case SF_LET_STAR:
        return expand_let_star(c, form, scope, pos);
    case SF_LETREC:
    case SF_LETREC_STAR:
        return expand_letrec(c, form, scope, pos);
    case SF_COND:
        return expand_cond(c, form, scope, pos);
    case SF_CASE:
        return scm_expand(c, expand_case(c, form, scope), scope, pos);
    case SF_AND:
        return expand_and(c, form, scope, pos);
    case SF_OR:
        return expand_or(c, form, scope, pos);
    case SF_WHEN:
    case SF_UNLESS:
        return expand_when(c, form, scope, sf == SF_UNLESS, pos);
    case SF_DO:
        return scm_expand(c, expand_do(c, form), scope, pos);
    case SF_CASE_LAMBDA:
        return expand_case_lambda(c, form, scope, pos);
    case SF_LET_VALUES:
    case SF_LET_STAR_VALUES:
        return scm_expand(c, let_values(c, form, sf == SF_LET_STAR_VALUES, scope), scope, pos);
    case SF_COND_EXPAND:
    case SF_INCLUDE:
    case SF_INCLUDE_CI:
        return scm_expand_seq(c, scm_definition_forms(c, sf, form, scope), scope, pos);
    default:
        scm_syntax(c, form, "this word of the syntax stands where it has no meaning");
    }
}
