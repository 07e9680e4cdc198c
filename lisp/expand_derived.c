/* expand_derived.c: the forms that are made of simpler ones, and the forms that define. */
#include "lisp/compile_priv.h"

#define LIST1(a) scm_list_of(c, 1, a)
#define LIST2(a, b) scm_list_of(c, 2, a, b)
#define LIST3(a, b, d) scm_list_of(c, 3, a, b, d)
#define LIST4(a, b, d, e) scm_list_of(c, 4, a, b, d, e)
#define CONS(a, b) scm_cons(c->vm, a, b)
#define ID(name) scm_core_id(c, name)

static scm_value quoted(struct compiler *c, scm_value v)
{
    return LIST2(ID("quote"), v);
}

static struct node *constant(struct compiler *c, scm_value v, scm_pos pos)
{
    struct node *n = scm_node(c, N_CONST, pos);
    n->value = v;
    return n;
}

/* ---- quasiquote ----------------------------------------------------------------------------- */

static scm_value quasi(struct compiler *c, scm_value x, int depth, struct scope *scope);

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
            tail = quasi(c, x, depth, scope);
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
            scm_value inner = quasi(c, scm_car(scm_cdr(item)), depth - 1, scope);
            run = CONS(LIST3(ID("list"), quoted(c, scm_car(item)), inner), run);
        } else {
            run = CONS(quasi(c, item, depth, scope), run);
        }
    }
    if (tail == SCM_ABSENT && x != SCM_NIL)
        tail = quasi(c, x, depth, scope);
    if (parts == SCM_NIL && tail == SCM_ABSENT)
        return CONS(ID("list"), scm_list_reverse(run));
    if (parts == SCM_NIL)
        return CONS(ID("cons*"), scm_list_reverse(CONS(tail, run)));
    if (run != SCM_NIL)
        parts = CONS(CONS(ID("list"), scm_list_reverse(run)), parts);
    parts = CONS(tail == SCM_ABSENT ? quoted(c, SCM_NIL) : tail, parts);
    return CONS(ID("append"), scm_list_reverse(parts));
}

static scm_value quasi(struct compiler *c, scm_value x, int depth, struct scope *scope)
{
    scm_check_depth(c);
    if (is_form(c, x, SF_UNQUOTE, scope)) {
        if (depth == 1)
            return scm_car(scm_cdr(x));
        return LIST3(ID("list"), quoted(c, scm_car(x)),
                     quasi(c, scm_car(scm_cdr(x)), depth - 1, scope));
    }
    if (is_form(c, x, SF_QUASIQUOTE, scope))
        return LIST3(ID("list"), quoted(c, scm_car(x)),
                     quasi(c, scm_car(scm_cdr(x)), depth + 1, scope));
    if ((!scm_is_pair(x) && !scm_is_vector(x)) || !has_unquote(c, x, scope))
        return quoted(c, x);
    if (scm_is_pair(x))
        return quasi_list(c, x, depth, scope);
    scm_value list = SCM_NIL;
    for (uint32_t i = scm_count(x); i-- > 0;)
        list = CONS(scm_items(x)[i], list);
    return LIST2(ID("list->vector"), quasi_list(c, list, depth, scope));
}

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

static void check_unique(struct compiler *c, struct scope *scope, scm_value id, scm_value form)
{
    size_t count;
    for (struct binding *b = scope->bindings; b; b = b->next) {
        if (b->id == id) {
            const char *text = scm_text(scm_plain(id), &count);
            scm_syntax(c, form, "%.*s is bound twice here", (int)count, text);
        }
    }
}

static void name_init(struct node *init, scm_value id)
{
    if (init->kind == N_LAMBDA && init->lambda->name == SCM_FALSE)
        init->lambda->name = scm_plain(id);
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
        name_init(n->items[n->count], id);
        check_unique(c, scope, id, form);
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
        name_init(n->items[0], scm_car(one));
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
        check_unique(c, scope, scm_car(scm_car(at)), form);
        n->vars[n->count] = scm_bind_var(c, scope, scm_car(scm_car(at)));
        n->vars[n->count++]->is_letrec = 1;
    }
    for (scm_value at = bindings; at != SCM_NIL; at = scm_cdr(at), i++) {
        scm_value one = scm_car(at);
        scm_pos own = scm_pos_car(scm_cdr(one));
        n->items[i] = scm_expand(c, scm_car(scm_cdr(one)), scope, own ? own : pos);
        name_init(n->items[i], scm_car(one));
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
        return constant(c, SCM_TRUE, pos);
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
        n->c = constant(c, SCM_FALSE, pos);
        *hole = n;
        hole = &n->b;
    }
}

static struct node *expand_or(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos)
{
    int64_t count = scm_form_length(c, form) - 1;
    if (count == 0)
        return constant(c, SCM_FALSE, pos);
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
    struct node *nothing = constant(c, SCM_VOID, pos);
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
        *hole = constant(c, SCM_VOID, pos);
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

/* ---- definition forms ----------------------------------------------------------------------- */

static scm_value define_values(struct compiler *c, scm_value form, struct scope *scope)
{
    if (scm_form_length(c, form) != 3)
        scm_syntax(c, form, "define-values: (define-values (name ...) expression)");
    scm_value forms = SCM_NIL, sets = SCM_NIL, temps = SCM_NIL, tail = SCM_NIL;
    scm_value names = scm_car(scm_cdr(form));
    for (; scm_is_pair(names); names = scm_cdr(names)) {
        scm_value temp = scm_alias(c, scm_plain(scm_car(names)), scope);
        forms = CONS(LIST2(ID("define"), scm_car(names)), forms);
        sets = CONS(LIST3(ID("set!"), scm_car(names), temp), sets);
        temps = CONS(temp, temps);
    }
    if (names != SCM_NIL) {
        tail = scm_alias(c, scm_plain(names), scope);
        forms = CONS(LIST2(ID("define"), names), forms);
        sets = CONS(LIST3(ID("set!"), names, tail), sets);
    }
    while (scm_is_pair(temps)) {
        scm_value next = scm_cdr(temps);
        scm_cell(temps)->b = tail;
        tail = temps;
        temps = next;
    }
    if (sets == SCM_NIL)
        sets = LIST1(SCM_FALSE);
    scm_value producer = LIST3(ID("lambda"), SCM_NIL, scm_car(scm_cdr(scm_cdr(form))));
    scm_value consumer = CONS(ID("lambda"), CONS(tail, sets));
    scm_value call = LIST3(ID("call-with-values"), producer, consumer);
    /* as a definition, so that definitions may follow it */
    scm_value last = LIST3(ID("define"), scm_alias(c, scm_symbol(c->vm, "values"), scope), call);
    return scm_list_reverse(CONS(last, forms));
}

/* The place of a field's name in the list of fields, from 1; 0 when it is none. */
static int64_t field_index(scm_value fields, scm_value name)
{
    int64_t idx = 1;
    for (; scm_is_pair(fields); fields = scm_cdr(fields), idx++) {
        scm_value field = scm_car(fields);
        if ((scm_is_pair(field) ? scm_car(field) : field) == name)
            return idx;
    }
    return 0;
}

static void record_field(struct compiler *c, scm_value form, scm_value type, scm_value field,
                         int64_t idx, scm_value *forms)
{
    int64_t count = scm_is_identifier(field) ? 1 : scm_list_length(field);
    if (count < 1 || count > 3)
        scm_syntax(c, form, "define-record-type: a field is (name accessor modifier)");
    if (count == 1)
        return;
    scm_value r = ID("record"), v = ID("value"), at = scm_fixnum(idx);
    scm_value name = scm_car(scm_cdr(field));
    *forms =
        CONS(LIST3(ID("define"), LIST2(name, r),
                   scm_list_of(c, 5, ID("%record-ref"), r, type, at, quoted(c, scm_plain(name)))),
             *forms);
    if (count == 2)
        return;
    name = scm_car(scm_cdr(scm_cdr(field)));
    *forms = CONS(
        LIST3(ID("define"), LIST3(name, r, v),
              scm_list_of(c, 6, ID("%record-set!"), r, type, at, v, quoted(c, scm_plain(name)))),
        *forms);
}

static scm_value record_constructor(struct compiler *c, scm_value form, scm_value type,
                                    scm_value spec, scm_value fields)
{
    if (scm_is_identifier(spec)) { /* takes all fields */
        scm_value names = SCM_NIL;
        for (scm_value at = fields; scm_is_pair(at); at = scm_cdr(at))
            names = CONS(scm_is_pair(scm_car(at)) ? scm_car(scm_car(at)) : scm_car(at), names);
        spec = CONS(spec, scm_list_reverse(names));
    }
    if (scm_list_length(spec) < 1)
        scm_syntax(c, form, "define-record-type: the constructor is (name field ...)");
    scm_value call = SCM_NIL;
    for (scm_value at = fields; scm_is_pair(at); at = scm_cdr(at)) {
        scm_value name = scm_is_pair(scm_car(at)) ? scm_car(scm_car(at)) : scm_car(at);
        int given = 0;
        for (scm_value p = scm_cdr(spec); scm_is_pair(p); p = scm_cdr(p))
            given |= scm_car(p) == name;
        call = CONS(given ? name : SCM_FALSE, call);
    }
    for (scm_value p = scm_cdr(spec); scm_is_pair(p); p = scm_cdr(p)) {
        if (!field_index(fields, scm_car(p)))
            scm_syntax(c, form, "define-record-type: the constructor names a field that is none");
    }
    return LIST3(ID("define"), spec, CONS(ID("%record"), CONS(type, scm_list_reverse(call))));
}

static scm_value define_record(struct compiler *c, scm_value form)
{
    if (scm_form_length(c, form) < 4)
        scm_syntax(c, form,
                   "define-record-type: (define-record-type name (constructor field ...) "
                   "predicate (field accessor modifier) ...)");
    scm_value name = scm_car(scm_cdr(form)), at = scm_cdr(scm_cdr(form)), names = SCM_NIL;
    scm_value spec = scm_car(at), predicate = scm_car(scm_cdr(at)), fields = scm_cdr(scm_cdr(at));
    if (scm_is_pair(name))
        name = scm_car(name);
    for (scm_value f = fields; scm_is_pair(f); f = scm_cdr(f))
        names =
            CONS(scm_strip(c, scm_is_pair(scm_car(f)) ? scm_car(scm_car(f)) : scm_car(f)), names);
    scm_value rtd =
        LIST3(ID("%make-rtd"), quoted(c, scm_plain(name)), quoted(c, scm_list_reverse(names)));
    scm_value forms = LIST1(LIST3(ID("define"), name, rtd));
    if (spec != SCM_FALSE)
        forms = CONS(record_constructor(c, form, name, spec, fields), forms);
    if (predicate != SCM_FALSE) {
        scm_value v = ID("value");
        forms =
            CONS(LIST3(ID("define"), LIST2(predicate, v), LIST3(ID("%record?"), v, name)), forms);
    }
    int64_t idx = 1;
    for (scm_value f = fields; scm_is_pair(f); f = scm_cdr(f), idx++)
        record_field(c, form, name, scm_car(f), idx, &forms);
    return scm_list_reverse(forms);
}

static scm_value cond_expand(struct compiler *c, scm_value form, struct scope *scope)
{
    scm_form_length(c, form);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at)) {
        scm_value clause = scm_car(at);
        if (scm_list_length(clause) < 1)
            scm_syntax(c, form, "cond-expand: a clause is (requirement form ...)");
        if (scm_feature_holds(c, scm_car(clause), scope))
            return scm_cdr(clause);
    }
    return SCM_NIL;
}

scm_value scm_definition_forms(struct compiler *c, enum special_form sf, scm_value form,
                               struct scope *scope)
{
    scm_value forms = SCM_ABSENT;
    if (sf == SF_DEFINE_VALUES)
        forms = define_values(c, form, scope);
    else if (sf == SF_DEFINE_RECORD)
        forms = define_record(c, form);
    else if (sf == SF_COND_EXPAND)
        forms = cond_expand(c, form, scope);
    else if (sf == SF_INCLUDE || sf == SF_INCLUDE_CI)
        forms = scm_include_forms(c, form, sf == SF_INCLUDE_CI);
    if (forms == SCM_NIL)
        forms = LIST1(LIST3(ID("if"), SCM_FALSE, SCM_FALSE));
    return forms;
}

/* ---- the way in ----------------------------------------------------------------------------- */

struct node *scm_expand_derived(struct compiler *c, enum special_form sf, scm_value form,
                                struct scope *scope, scm_pos pos)
{
    switch (sf) {
    case SF_QUASIQUOTE:
        if (scm_form_length(c, form) != 2)
            scm_syntax(c, form, "quasiquote: (quasiquote datum)");
        return scm_expand(c, quasi(c, scm_car(scm_cdr(form)), 1, scope), scope, pos);
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
