/* compile.c: one top-level form, from datum to closure.
 *
 * Nothing is collected meanwhile: trees in the arena hold values. Garbage of earlier forms is
 * collected first when little room is left.
 */
#include "lisp/compile_priv.h"

static struct lambda *whole_form(struct compiler *c, scm_value form, scm_pos pos)
{
    struct scope *scope = scm_env_scope(c, c->env);
    struct lambda *lambda = scm_ast(c, sizeof *lambda), *outer = scope->lambda;
    lambda->name = SCM_FALSE;
    lambda->pos = scm_pos_of(form) ? scm_pos_of(form) : pos;
    scope->lambda = lambda;
    lambda->body = scm_expand_toplevel(c, form, scope, lambda->pos);
    scope->lambda = outer;
    scm_analyze(c, lambda->body, lambda);
    return lambda;
}

int scm_compile(struct scm_vm *vm, struct scm_env *env, scm_value form, scm_pos pos,
                scm_value *closure, struct scm_error *err)
{
    struct compiler c = {.vm = vm,
                         .env = env,
                         .err = err,
                         .stack_top = __builtin_frame_address(0),
                         .pos = pos,
                         .top_form = form};
    struct scm_arena_mark mark = scm_arena_mark(vm);
    uint32_t root_count = vm->root_count;
    if (vm->used_count > vm->cell_count / 2 && !vm->gc_off) {
        scm_push_root(vm, &form);
        scm_collect(vm);
        scm_pop_root(vm, 1);
    }
    int gc_off = vm->gc_off++;
    if (setjmp(c.jump) == 0) {
        scm_value code = scm_generate(&c, whole_form(&c, form, pos));
        struct scm_cell *cell = scm_alloc(vm, SCM_T_CLOSURE);
        if (!cell)
            scm_syntax(&c, form, "out of memory: all %u cells are in use", vm->cell_count);
        cell->a = scm_cell(code)->a;
        *closure = scm_from_cell(cell);
    }
    vm->gc_off = gc_off;
    vm->root_count = root_count;
    scm_arena_release(vm, mark);
    return c.code;
}
