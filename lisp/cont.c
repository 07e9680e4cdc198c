/* cont.c: continuations: the stack of this run, copied out and back. */
#include <time.h>

#include "lisp/op.h"
#include "lisp/scm_priv.h"

uint64_t scm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `frame` is the frame of the call that captures: its three slots say how to go on. */
scm_value scm_capture(struct scm_vm *vm, scm_value *frame, int escape_only)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_CONT);
    size_t count = escape_only ? 0 : (size_t)(frame - vm->run->base);
    cell->a = 0;
    vm->acc = scm_from_cell(cell);
    struct scm_cont *k = scm_payload(vm, sizeof *k + count * sizeof *k->slots);
    if (!k)
        return scm_no_memory(vm, count * sizeof *k->slots);
    k->slot_count = count;
    k->base_idx = (size_t)((escape_only ? frame : vm->run->base) - vm->stack);
    k->run_id = vm->run->id;
    k->closure = frame[0];
    k->fp_idx = (size_t)scm_fixnum_get(frame[1]);
    k->pc = (uint32_t *)(uintptr_t)(frame[2] >> 1);
    k->handlers = vm->handlers;
    k->params = vm->params;
    k->winders = vm->winders;
    if (count)
        memcpy(k->slots, vm->run->base, count * sizeof *k->slots);
    cell->a = (scm_value)(uintptr_t)k;
    cell->flags = escape_only ? SCM_ESCAPE_ONLY : 0;
    return scm_from_cell(cell);
}

int scm_reinstate(struct scm_vm *vm, scm_value v)
{
    const struct scm_cont *k = scm_ptr(scm_cell(v)->a);
    int escape_only = (scm_cell(v)->flags & SCM_ESCAPE_ONLY) != 0;
    if (k->run_id != vm->run->id) {
        for (const struct scm_run *r = vm->run->up; r; r = r->up) {
            if (r->id == k->run_id)
                return 1;
        }
        /* its run has ended: it may go on in this one when it lies at the same place */
        if (escape_only || k->base_idx != (size_t)(vm->run->base - vm->stack)) {
            scm_fail(vm, "continuation: the call from C that it belongs to has returned");
            return -1;
        }
    }
    if (escape_only && vm->stack + k->base_idx > vm->sp) {
        scm_fail(vm, "continuation: its place on the stack is gone");
        return -1;
    }
    scm_value *base = vm->stack + k->base_idx;
    if (base + k->slot_count > vm->stack_soft) {
        scm_fail_kind(vm, "limit", "continuation: the stack is too deep");
        return -1;
    }
    if (k->slot_count)
        memcpy(base, k->slots, k->slot_count * sizeof *base);
    vm->sp = base + k->slot_count;
    vm->fp = vm->stack + k->fp_idx;
    vm->pc = k->pc;
    vm->closure = k->closure;
    vm->handlers = k->handlers;
    vm->params = k->params;
    vm->winders = k->winders;
    vm->stack_end = vm->stack_soft;
    return 0;
}

int scm_apply_spread(struct scm_vm *vm, scm_value list)
{
    int64_t count = scm_list_length(list);
    if (count < 0) {
        scm_wrong(vm, "apply", "a list as its last argument", list);
        return -1;
    }
    if (count > 1 << 20 || scm_stack_room(vm, (size_t)count + 64)) {
        scm_fail_kind(vm, "limit", "apply: %lld arguments are too many", (long long)count);
        return -1;
    }
    for (; scm_is_pair(list); list = scm_cdr(list))
        *vm->sp++ = scm_car(list);
    return (int)count;
}
