/* prim_control.c: procedures, dynamic state, conditions, promises, parameters: what the prelude
 * builds the rest of section 6.10 on.
 */
#include <stdlib.h>

#include "lisp/prim_priv.h"

SCM_PRIM(p_procedurep)
{
    return scm_bool(scm_is_procedure(argv[0]));
}
SCM_PRIM(p_case_lambda)
{
    scm_value v = scm_make_items(vm, SCM_T_CASE, (size_t)argc, SCM_FALSE);
    if (scm_is(v, SCM_T_CASE) && argc)
        memcpy(scm_items(v), argv, (size_t)argc * sizeof *argv);
    return v;
}
SCM_PRIM(p_values)
{
    return argc == 1 ? argv[0] : scm_make_values(vm, argc, argv);
}
SCM_PRIM(p_void)
{
    return SCM_VOID;
}

/* The machine does these itself. */
SCM_PRIM(p_special)
{
    return scm_fail(vm, "this procedure cannot be called from C");
}

SCM_PRIM(p_handlers)
{
    return vm->handlers;
}
SCM_PRIM(p_set_handlers)
{
    vm->handlers = argv[0];
    return SCM_VOID;
}
SCM_PRIM(p_params)
{
    return vm->params;
}
SCM_PRIM(p_set_params)
{
    vm->params = argv[0];
    return SCM_VOID;
}
SCM_PRIM(p_winders)
{
    return vm->winders;
}
SCM_PRIM(p_set_winders)
{
    vm->winders = argv[0];
    return SCM_VOID;
}
/* what dynamic-wind had set up outside of this run of the machine */
SCM_PRIM(p_base_winders)
{
    return vm->run->base[5];
}
SCM_PRIM(p_cont_winders)
{
    return ((struct scm_cont *)scm_ptr(scm_cell(argv[0])->a))->winders;
}

/* ---- conditions ----------------------------------------------------------------------------- */

SCM_PRIM(p_make_condition)
{
    size_t count;
    char kind[32] = "error";
    const char *text = scm_text(argv[0], &count);
    if (count < sizeof kind) {
        memcpy(kind, text, count);
        kind[count] = 0;
    }
    return scm_make_error(vm, kind, argv[1], argv[2]);
}
SCM_PRIM(p_error_objectp)
{
    return scm_bool(scm_is(argv[0], SCM_T_ERROR));
}
static scm_value part(struct scm_vm *vm, const char *who, scm_value v, int which)
{
    if (!scm_is(v, SCM_T_ERROR))
        return scm_wrong(vm, who, "a condition", v);
    const struct scm_cell *cell = scm_cell(v);
    return which == 0   ? cell->a
           : which == 1 ? cell->b
           : which == 2 ? scm_car(cell->c)
                        : scm_cdr(cell->c);
}
SCM_PRIM(p_message)
{
    return part(vm, "error-object-message", argv[0], 0);
}
SCM_PRIM(p_irritants)
{
    return part(vm, "error-object-irritants", argv[0], 1);
}
SCM_PRIM(p_kind)
{
    return part(vm, "condition-kind", argv[0], 2);
}
SCM_PRIM(p_where)
{
    return part(vm, "condition-where", argv[0], 3);
}

/* ---- parameters and promises ---------------------------------------------------------------- */

SCM_PRIM(p_make_param)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_PARAM);
    cell->a = argv[0];
    cell->b = argv[1];
    return scm_from_cell(cell);
}
SCM_PRIM(p_param_converter)
{
    if (!scm_is(argv[0], SCM_T_PARAM))
        return scm_wrong(vm, "parameterize", "a parameter", argv[0]);
    return scm_cell(argv[0])->b;
}

/* A promise is a cell with a box, which promises that became one share: (done . value). */
SCM_PRIM(p_make_promise)
{
    scm_value state = scm_cons(vm, argv[0], argv[1]);
    scm_push_root(vm, &state);
    scm_value box = scm_box(vm, state);
    scm_pop_root(vm, 1);
    scm_push_root(vm, &box);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_PROMISE);
    scm_pop_root(vm, 1);
    cell->a = box;
    return scm_from_cell(cell);
}
SCM_PRIM(p_promisep)
{
    return scm_bool(scm_is(argv[0], SCM_T_PROMISE));
}
SCM_PRIM(p_promise_state)
{
    return scm_cell(scm_cell(argv[0])->a)->a;
}
SCM_PRIM(p_promise_adopt) /* (%promise-adopt! promise other): share its state from now on */
{
    scm_value state = scm_cell(scm_cell(argv[1])->a)->a;
    scm_cell(scm_cell(argv[0])->a)->a = state;
    scm_cell(argv[1])->a = scm_cell(argv[0])->a;
    return SCM_VOID;
}

const struct scm_prim_def scm_prims_control[] = {
    {"procedure?", p_procedurep, 1, 1, 0, 0},
    {"%case-lambda", p_case_lambda, 0, -1, 0, 0},
    {"values", p_values, 0, -1, 0, 0},
    {"void", p_void, 0, -1, 0, 0},
    {"apply", p_special, 2, -1, 0, SCM_SP_APPLY},
    {"%apply-values", p_special, 2, 2, 0, SCM_SP_APPLY_VALUES},
    {"%call/cc", p_special, 1, 1, 0, SCM_SP_CALLCC},
    {"%call/ec", p_special, 1, 1, 0, SCM_SP_CALLEC},
    {"%throw", p_special, 2, 2, 0, SCM_SP_THROW},
    {"%abort", p_special, 1, 1, 0, SCM_SP_ABORT},
    {"%handlers", p_handlers, 0, 0, 0, 0},
    {"%set-handlers!", p_set_handlers, 1, 1, 0, 0},
    {"%params", p_params, 0, 0, 0, 0},
    {"%set-params!", p_set_params, 1, 1, 0, 0},
    {"%winders", p_winders, 0, 0, 0, 0},
    {"%set-winders!", p_set_winders, 1, 1, 0, 0},
    {"%base-winders", p_base_winders, 0, 0, 0, 0},
    {"%cont-winders", p_cont_winders, 1, 1, 0, 0},
    {"%make-condition", p_make_condition, 3, 3, 0, 0},
    {"error-object?", p_error_objectp, 1, 1, 0, 0},
    {"error-object-message", p_message, 1, 1, 0, 0},
    {"error-object-irritants", p_irritants, 1, 1, 0, 0},
    {"condition-kind", p_kind, 1, 1, 0, 0},
    {"condition-where", p_where, 1, 1, 0, 0},
    {"%make-param", p_make_param, 2, 2, 0, 0},
    {"%param-converter", p_param_converter, 1, 1, 0, 0},
    {"%make-promise", p_make_promise, 2, 2, 0, 0},
    {"promise?", p_promisep, 1, 1, 0, 0},
    {"%promise-state", p_promise_state, 1, 1, 0, 0},
    {"%promise-adopt!", p_promise_adopt, 2, 2, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
