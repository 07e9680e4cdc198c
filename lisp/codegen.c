/* codegen.c: the tree to instructions.
 *
 * Each expression leaves its value in the accumulator. Variables of a frame have slots counted from
 * its first argument; what is pushed meanwhile lies above, so the depth is known at every point.
 * Variables that are assigned live in boxes: closures copy what they capture, and continuations
 * copy the stack.
 */
#include "lisp/codegen_priv.h"

static void gen(struct fn *f, struct node *n, uint32_t depth, int tail);

static void finish(struct fn *f, int tail)
{
    if (tail)
        scm_emit(f, SCM_OP_RETURN, 0);
}

/* ---- variables ------------------------------------------------------------------------------ */

static int is_own(struct fn *f, const struct var *var)
{
    return scm_owner(var->owner) == f->lambda;
}

static uint32_t capture_index(struct fn *f, struct var *var)
{
    for (uint32_t i = 0; i < f->capture_count; i++) {
        if (f->captures[i] == var)
            return i;
    }
    if (f->capture_count >= 60000)
        scm_syntax(f->c, SCM_FALSE, "a procedure that uses more than 60000 outer variables");
    f->captures =
        scm_emit_grown(f, f->captures, f->capture_count, &f->capture_room, sizeof *f->captures);
    f->captures[f->capture_count] = var;
    return f->capture_count++;
}

/* Whether captures lie in the cell or outside is known when all are: FREE is made FREE_FAR then. */
static void load(struct fn *f, struct var *var, scm_pos pos)
{
    if (is_own(f, var)) {
        if (var->checked && !var->boxed) {
            scm_emit_line(f, pos);
            scm_emit(f, SCM_OP_LOCAL_CHECKED, var->slot);
            scm_emit_word(f, scm_emit_constant(f, var->name));
        } else {
            scm_emit(f, SCM_OP_LOCAL, var->slot);
        }
    } else {
        scm_emit(f, SCM_OP_FREE, capture_index(f, var));
    }
    if (var->boxed) {
        scm_emit_line(f, pos);
        scm_emit(f, SCM_OP_UNBOX, scm_emit_constant(f, var->name));
    }
}

static void store(struct fn *f, struct var *var)
{
    if (!is_own(f, var))
        scm_emit(f, SCM_OP_SET_BOX_FREE, capture_index(f, var));
    else
        scm_emit(f, var->boxed ? SCM_OP_SET_BOX_LOCAL : SCM_OP_SET_LOCAL, var->slot);
}

static void bind(struct fn *f, struct var *var, uint32_t slot)
{
    var->slot = (int32_t)slot;
    var->boxed = var->assigned;
    (void)f;
}

static void box_if_needed(struct fn *f, const struct var *var)
{
    if (var->boxed)
        scm_emit(f, SCM_OP_MAKE_BOX, var->slot);
}

/* ---- procedures ----------------------------------------------------------------------------- */

static scm_value generate(struct compiler *c, struct lambda *lambda, struct fn *up,
                          struct var ***captures)
{
    struct fn f = {.c = c, .up = up, .lambda = lambda};
    scm_check_depth(c);
    f.file = (uint32_t)(lambda->pos >> 32);
    for (uint32_t i = 0; i < lambda->param_count; i++) {
        bind(&f, lambda->params[i], i);
        box_if_needed(&f, lambda->params[i]);
    }
    scm_emit_depth(&f, lambda->param_count);
    gen(&f, lambda->body, lambda->param_count, 1);
    if (f.capture_count > 2)
        scm_emit_far(&f);
    *captures = f.captures;
    return scm_emit_code(&f);
}

static void gen_lambda(struct fn *f, struct lambda *lambda, uint32_t depth)
{
    struct var **captures;
    (void)depth;
    scm_value cell = generate(f->c, lambda, f, &captures);
    struct scm_code *code = scm_ptr(scm_cell(cell)->a);
    uint32_t at = scm_emit_constant(f, cell);
    /* capturing may add to this procedure's own captures, so find the words first */
    uint32_t *words = scm_ast(f->c, (code->free_count + 1u) * sizeof *words);
    for (uint32_t i = 0; i < code->free_count; i++) {
        struct var *var = captures[i];
        words[i] = is_own(f, var) ? (uint32_t)var->slot : SCM_CAPTURE_FREE | capture_index(f, var);
        if (is_own(f, var) && var->checked == 2) /* a sibling that is not made yet */
            words[i] |= SCM_CAPTURE_LATER;
    }
    scm_emit(f, SCM_OP_CLOSURE, at);
    for (uint32_t i = 0; i < code->free_count; i++)
        scm_emit_word(f, words[i]);
}

/* ---- let, letrec, loops --------------------------------------------------------------------- */

static void pop(struct fn *f, uint32_t count, int tail)
{
    if (!tail && count)
        scm_emit(f, SCM_OP_POP, count);
}

static void gen_let(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        scm_emit_push(f, depth + i);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        bind(f, n->vars[i], depth + i);
        box_if_needed(f, n->vars[i]);
    }
    gen(f, n->a, depth + n->count, tail);
    pop(f, n->count, tail);
}

static int is_simple(const struct node *n, uint32_t i)
{
    return n->vars[i] && n->items[i]->kind == N_LAMBDA && !n->vars[i]->assigned;
}

/* The closures of a letrec: made in order, then what they have of each other is patched in. */
static uint32_t gen_closures(struct fn *f, struct node *n, uint32_t depth)
{
    uint32_t first = depth;
    for (uint32_t i = 0; i < n->count; i++) {
        if (is_simple(n, i)) {
            bind(f, n->vars[i], depth++);
            n->vars[i]->checked = 2;
        }
    }
    uint32_t slot = first, *made = scm_ast(f->c, (n->count + 1) * sizeof *made);
    for (uint32_t i = 0; i < n->count; i++) {
        if (!is_simple(n, i))
            continue;
        made[i] = f->op_count;
        scm_emit_line(f, n->items[i]->pos);
        gen_lambda(f, n->items[i]->lambda, slot);
        made[i] = f->last_at;
        scm_emit_push(f, slot);
        n->vars[i]->checked = 0;
        slot++;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        if (!is_simple(n, i))
            continue;
        uint32_t at = made[i], count = scm_emit_words(f, at) - 1;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t w = f->ops[at + 1 + k];
            if (!(w & SCM_CAPTURE_LATER) || (w & SCM_CAPTURE_FREE))
                continue;
            scm_emit(f, SCM_OP_PATCH, n->vars[i]->slot);
            scm_emit_word(f, k << 16 | (w & 0xffff));
        }
    }
    return slot;
}

static void gen_letrec(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    uint32_t start = depth;
    for (uint32_t i = 0; i < n->count; i++) {
        struct var *var = n->vars[i];
        if (!var || is_simple(n, i))
            continue;
        bind(f, var, depth);
        var->boxed = var->captured || var->assigned;
        var->checked = 1;
        scm_emit(f, SCM_OP_CONST, scm_emit_constant(f, SCM_UNDEFINED));
        scm_emit_push(f, depth++);
        box_if_needed(f, var);
    }
    depth = gen_closures(f, n, depth);
    for (uint32_t i = 0; i < n->count; i++) {
        if (is_simple(n, i))
            continue;
        gen(f, n->items[i], depth, 0);
        if (n->vars[i])
            store(f, n->vars[i]);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->vars[i])
            n->vars[i]->checked = 0;
    }
    gen(f, n->a, depth, tail);
    pop(f, depth - start, tail);
}

static void gen_loop(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    struct loop loop = {f->loops, n->var, 0, depth, n->count};
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        scm_emit_push(f, depth + i);
    }
    loop.start = f->barrier = f->op_count;
    for (uint32_t i = 0; i < n->count; i++) {
        bind(f, n->lambda->params[i], depth + i);
        box_if_needed(f, n->lambda->params[i]);
    }
    f->loops = &loop;
    gen(f, n->lambda->body, depth + n->count, tail);
    f->loops = loop.up;
    pop(f, n->count, tail);
}

static void gen_again(struct fn *f, struct node *n, const struct loop *loop, uint32_t depth)
{
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        scm_emit_push(f, depth + i);
    }
    scm_emit_line(f, n->pos);
    scm_emit(f, SCM_OP_LOOP, (int64_t)loop->start - (int64_t)f->op_count - 2);
    scm_emit_word(f, loop->count << 16 | loop->base);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static int inline_arity(enum scm_op op)
{
    switch (op) {
    case SCM_OP_CAR:
    case SCM_OP_CDR:
    case SCM_OP_CADR:
    case SCM_OP_CDDR:
    case SCM_OP_NOT:
    case SCM_OP_NULLP:
    case SCM_OP_PAIRP:
    case SCM_OP_ZEROP:
        return 1;
    case SCM_OP_VECTOR_SET:
        return 3;
    default:
        return 2;
    }
}

/* The global of the core that a call names, or NULL: nobody can give it another value. */
static struct scm_cell *core_global(struct fn *f, const struct node *call)
{
    if (call->kind != N_CALL || call->a->kind != N_GLOBAL)
        return NULL;
    struct scm_cell *g = scm_cell(call->a->value);
    return g->c == (scm_value)(uintptr_t)f->c->vm->core ? g : NULL;
}

static enum scm_op inline_op(struct fn *f, const struct node *call)
{
    struct scm_cell *g = core_global(f, call);
    if (!g || !g->aux || (int)call->count != inline_arity((enum scm_op)g->aux))
        return SCM_OP_NONE;
    return (enum scm_op)g->aux;
}

static int small_int(const struct node *n)
{
    return n->kind == N_CONST && scm_is_fixnum(n->value) && scm_fixnum_get(n->value) < 0x700000 &&
           scm_fixnum_get(n->value) > -0x700000;
}

static void gen_operands(struct fn *f, struct node *n, uint32_t depth)
{
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        if (i + 1 < n->count)
            scm_emit_push(f, depth + i);
    }
}

static void gen_inline(struct fn *f, struct node *n, enum scm_op op, uint32_t depth)
{
    if ((op == SCM_OP_ADD || op == SCM_OP_SUB) && small_int(n->items[1])) {
        int64_t k = scm_fixnum_get(n->items[1]->value);
        gen(f, n->items[0], depth, 0);
        scm_emit_line(f, n->pos);
        scm_emit(f, SCM_OP_ADD_INT, op == SCM_OP_ADD ? k : -k);
        return;
    }
    if (op == SCM_OP_ADD && small_int(n->items[0])) {
        gen(f, n->items[1], depth, 0);
        scm_emit_line(f, n->pos);
        scm_emit(f, SCM_OP_ADD_INT, scm_fixnum_get(n->items[0]->value));
        return;
    }
    gen_operands(f, n, depth);
    scm_emit_line(f, n->pos);
    scm_emit(f, op, 0);
}

static void gen_args(struct fn *f, struct node *n, uint32_t depth)
{
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        scm_emit_push(f, depth + i);
    }
}

static int is_plain_prim(const struct scm_cell *g)
{
    return g && scm_is(g->a, SCM_T_PRIM) &&
           ((struct scm_prim *)scm_ptr(scm_cell(g->a)->a))->special == SCM_SP_NONE;
}

/* A procedure of the prelude is not called as a tail call, but for those that must be: nothing can
 * tell, and an error that it raises finds the place of this call. */
static int keeps_frame(struct fn *f, const struct node *n)
{
    struct scm_cell *g = core_global(f, n);
    return g && !f->c->vm->system_code && scm_is(g->a, SCM_T_CLOSURE) &&
           !(g->flags & SCM_TAIL_CALLED);
}

static void gen_call(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    for (const struct loop *l = f->loops; l && n->a->kind == N_LOCAL; l = l->up) {
        if (l->var == n->a->var) {
            gen_again(f, n, l, depth);
            return;
        }
    }
    enum scm_op op = inline_op(f, n);
    if (op != SCM_OP_NONE) {
        gen_inline(f, n, op, depth);
        finish(f, tail);
        return;
    }
    if (is_plain_prim(core_global(f, n))) {
        gen_args(f, n, depth);
        scm_emit_line(f, n->pos);
        scm_emit(f, SCM_OP_CALL_PRIM, n->count);
        scm_emit_word(f, scm_emit_constant(f, n->a->value));
        finish(f, tail);
        return;
    }
    int must_return = tail && keeps_frame(f, n);
    if (!tail || must_return) {
        scm_emit(f, SCM_OP_FRAME, 0);
        depth += 3;
    }
    scm_emit_depth(f, depth);
    gen_args(f, n, depth);
    if (must_return) {
        scm_emit_line(f, n->pos);
        scm_emit(f, SCM_OP_CALL_GLOBAL, n->count);
        scm_emit_word(f, scm_emit_constant(f, n->a->value));
        scm_emit(f, SCM_OP_RETURN, 0);
        return;
    }
    if (n->a->kind == N_GLOBAL) {
        scm_emit_line(f, n->pos);
        scm_emit(f, tail ? SCM_OP_TAIL_CALL_GLOBAL : SCM_OP_CALL_GLOBAL, n->count);
        scm_emit_word(f, scm_emit_constant(f, n->a->value));
        return;
    }
    gen(f, n->a, depth + n->count, 0);
    scm_emit_line(f, n->pos);
    scm_emit(f, tail ? SCM_OP_TAIL_CALL : SCM_OP_CALL, n->count);
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* Emit a test; returns the jump that is taken when it fails. */
static uint32_t gen_test(struct fn *f, struct node *n, uint32_t depth)
{
    static const uint8_t fused[SCM_OP_COUNT] = {
        [SCM_OP_NULLP] = SCM_OP_JUMP_NOT_NULL, [SCM_OP_PAIRP] = SCM_OP_JUMP_NOT_PAIR,
        [SCM_OP_EQ] = SCM_OP_JUMP_NOT_EQ,      [SCM_OP_LT] = SCM_OP_JUMP_NOT_LT,
        [SCM_OP_GT] = SCM_OP_JUMP_NOT_GT,      [SCM_OP_LE] = SCM_OP_JUMP_NOT_LE,
        [SCM_OP_GE] = SCM_OP_JUMP_NOT_GE,      [SCM_OP_NUM_EQ] = SCM_OP_JUMP_NOT_NUM_EQ,
    };
    enum scm_op op = n->kind == N_CALL ? inline_op(f, n) : SCM_OP_NONE;
    if (op == SCM_OP_NOT) {
        gen(f, n->items[0], depth, 0);
        return scm_emit_jump(f, SCM_OP_JUMP_TRUE);
    }
    if (op >= SCM_OP_LT && op <= SCM_OP_NUM_EQ && small_int(n->items[1])) {
        gen(f, n->items[0], depth, 0);
        scm_emit_line(f, n->pos);
        uint32_t at =
            scm_emit_jump(f, (enum scm_op)(SCM_OP_JUMP_NOT_LT_INT + (int)(op - SCM_OP_LT)));
        scm_emit_word(f, (uint32_t)(int32_t)scm_fixnum_get(n->items[1]->value));
        return at;
    }
    if (op == SCM_OP_ZEROP) {
        gen(f, n->items[0], depth, 0);
        scm_emit_line(f, n->pos);
        uint32_t at = scm_emit_jump(f, SCM_OP_JUMP_NOT_NUM_EQ_INT);
        scm_emit_word(f, 0);
        return at;
    }
    if (op != SCM_OP_NONE && fused[op]) {
        gen_operands(f, n, depth);
        scm_emit_line(f, n->pos);
        return scm_emit_jump(f, (enum scm_op)fused[op]);
    }
    gen(f, n, depth, 0);
    return scm_emit_jump(f, SCM_OP_JUMP_FALSE);
}

static void gen_if(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    if (n->a->kind == N_CONST) {
        gen(f, n->a->value == SCM_FALSE ? n->c : n->b, depth, tail);
        return;
    }
    uint32_t otherwise = gen_test(f, n->a, depth), end = 0;
    gen(f, n->b, depth, tail);
    if (!tail)
        end = scm_emit_jump(f, SCM_OP_JUMP);
    scm_emit_land(f, otherwise);
    gen(f, n->c, depth, tail);
    if (!tail)
        scm_emit_land(f, end);
}

static void gen_or(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    uint32_t *ends = scm_ast(f->c, n->count * sizeof *ends);
    for (uint32_t i = 0; i + 1 < n->count; i++) {
        gen(f, n->items[i], depth, 0);
        ends[i] = scm_emit_jump(f, tail ? SCM_OP_JUMP_FALSE : SCM_OP_JUMP_TRUE);
        if (tail) {
            scm_emit(f, SCM_OP_RETURN, 0);
            scm_emit_land(f, ends[i]);
        }
    }
    gen(f, n->items[n->count - 1], depth, tail);
    for (uint32_t i = 0; !tail && i + 1 < n->count; i++)
        scm_emit_land(f, ends[i]);
}

static void gen_const(struct fn *f, scm_value v)
{
    if (scm_is_fixnum(v) && scm_fixnum_get(v) < 0x700000 && scm_fixnum_get(v) > -0x700000)
        scm_emit(f, SCM_OP_INT, scm_fixnum_get(v));
    else
        scm_emit(f, SCM_OP_CONST, scm_emit_constant(f, v));
}

static void gen_case_lambda(struct fn *f, struct node *n, uint32_t depth)
{
    for (uint32_t i = 0; i < n->count; i++) {
        gen(f, n->items[i], depth + i, 0);
        scm_emit_push(f, depth + i);
    }
    scm_emit(f, SCM_OP_CALL_PRIM, n->count);
    scm_emit_word(f, scm_emit_constant(f, scm_core(f->c->vm, "%case-lambda")));
}

static void gen(struct fn *f, struct node *n, uint32_t depth, int tail)
{
    scm_check_depth(f->c);
    scm_emit_depth(f, depth);
    switch (n->kind) {
    case N_CONST:
        gen_const(f, n->value);
        break;
    case N_LOCAL:
        load(f, n->var, n->pos);
        break;
    case N_SET_LOCAL:
        gen(f, n->a, depth, 0);
        store(f, n->var);
        break;
    case N_GLOBAL:
        scm_emit_line(f, n->pos);
        scm_emit(f, SCM_OP_GLOBAL, scm_emit_constant(f, n->value));
        break;
    case N_SET_GLOBAL:
    case N_DEFINE:
        gen(f, n->a, depth, 0);
        scm_emit_line(f, n->pos);
        scm_emit(f, n->kind == N_DEFINE ? SCM_OP_DEFINE_GLOBAL : SCM_OP_SET_GLOBAL,
                 scm_emit_constant(f, n->value));
        break;
    case N_LAMBDA:
        gen_lambda(f, n->lambda, depth);
        break;
    case N_CASE_LAMBDA:
        gen_case_lambda(f, n, depth);
        break;
    case N_SEQ:
        for (uint32_t i = 0; i + 1 < n->count; i++)
            gen(f, n->items[i], depth, 0);
        gen(f, n->items[n->count - 1], depth, tail);
        return;
    case N_IF:
        gen_if(f, n, depth, tail);
        return;
    case N_OR:
        gen_or(f, n, depth, tail);
        return;
    case N_CALL:
        gen_call(f, n, depth, tail);
        return;
    case N_LET:
        gen_let(f, n, depth, tail);
        return;
    case N_LETREC:
        gen_letrec(f, n, depth, tail);
        return;
    case N_LOOP:
        gen_loop(f, n, depth, tail);
        return;
    }
    finish(f, tail);
}

scm_value scm_generate(struct compiler *c, struct lambda *lambda)
{
    struct var **captures;
    return generate(c, lambda, NULL, &captures);
}
