/* execute_slow.c: what the machine's loop does seldom: calls that fail, the look at the clock. */
#include "lisp/execute_priv.h"

#define TICK_FUEL 4096

scm_value scm_wrong_args(struct scm_vm *vm, scm_value proc, int least, int most, int got)
{
    const char *who = scm_procedure_name(proc);
    if (least == most)
        return scm_fail(vm, "%s: expected %d argument%s, got %d", who, least, least == 1 ? "" : "s",
                        got);
    if (most < 0)
        return scm_fail(vm, "%s: expected at least %d argument%s, got %d", who, least,
                        least == 1 ? "" : "s", got);
    return scm_fail(vm, "%s: expected %d to %d arguments, got %d", who, least, most, got);
}

scm_value scm_unbound(struct scm_vm *vm, scm_value global)
{
    size_t count;
    const char *text = scm_text(scm_cell(global)->b, &count);
    return scm_fail(vm, "unbound variable: %.*s", (int)(count < 200 ? count : 200), text);
}

scm_value scm_too_early(struct scm_vm *vm, scm_value name)
{
    size_t count;
    const char *text = scm_text(name, &count);
    return scm_fail(vm, "%.*s: used before its definition", (int)(count < 200 ? count : 200), text);
}

int scm_tick(struct scm_vm *vm)
{
    scm_refuel(vm, TICK_FUEL);
    if (vm->out_of_cells) {
        vm->out_of_cells = 0;
        if (vm->cell_count - vm->used_count <= vm->reserve_count) {
            scm_out_of_cells(vm);
            return -1;
        }
    }
    if (vm->deadline_ns && scm_now_ns() >= vm->deadline_ns) {
        scm_fail_kind(vm, "limit", "the call ran longer than its limit of %llu ms",
                      (unsigned long long)(vm->deadline_budget_ns / 1000000));
        if (vm->deadline_hit++)
            return -2;
        vm->deadline_ns += vm->deadline_budget_ns / 4 + 1000000; /* for handlers */
        return -1;
    }
    return 0;
}

int scm_stack_overflow(struct scm_vm *vm)
{
    scm_fail_kind(vm, "limit", "recursion too deep: the stack has reached its limit of %zu MB",
                  (size_t)(vm->stack_soft - vm->stack) * sizeof(scm_value) >> 20);
    if (vm->stack_end == vm->stack_hard)
        return -2;
    vm->stack_end = vm->stack_hard;
    return -1;
}

scm_value scm_choose_clause(scm_value clauses, int n)
{
    for (uint32_t i = 0; i < scm_count(clauses); i++) {
        scm_value closure = scm_items(clauses)[i];
        const struct scm_code *code = scm_code_of(scm_cell(closure));
        if (n == code->min_args || (code->rest && n > code->min_args))
            return closure;
    }
    return SCM_FALSE;
}
