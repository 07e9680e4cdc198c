/* gc.c: mark and sweep.
 *
 * Marks are bytes beside the heap, and so are the letters: a sweep reads two byte arrays eight at a
 * time and touches a cell only when it owns memory outside. The mark stack has an entry for each
 * cell; a cell is pushed once at most, so it cannot overflow.
 */
#include <stdlib.h>
#include <time.h>

#include "lisp/port_priv.h"

struct marker {
    struct scm_vm *vm;
    uint32_t *top;
};

/* Mark a value's cell; whether it is one that was not marked and may have children. */
static inline int mark(struct marker *m, scm_value v, uint32_t *idx)
{
    if (!scm_is_cell(v) || v == 0)
        return 0;
    *idx = (uint32_t)(scm_cell(v) - m->vm->cells);
    if (m->vm->marks[*idx])
        return 0;
    m->vm->marks[*idx] = 1;
    return m->vm->letters[*idx] != SCM_T_FLONUM && m->vm->letters[*idx] != SCM_T_BIGNUM;
}

static inline void push(struct marker *m, scm_value v)
{
    uint32_t idx;
    if (!mark(m, v, &idx))
        return;
    __builtin_prefetch(&m->vm->cells[idx]);
    *m->top++ = idx;
}

static void push_all(struct marker *m, const scm_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        push(m, values[i]);
}

static void mark_code(struct marker *m, const struct scm_code *code)
{
    push_all(m, code->consts, code->const_count);
    push(m, code->name);
}

static void mark_closure(struct marker *m, const struct scm_cell *cell)
{
    const struct scm_code *code = scm_ptr(cell->a);
    push(m, code->cell);
    if (cell->small <= 2)
        push_all(m, &cell->b, cell->small);
    else
        push_all(m, scm_ptr(cell->b), cell->small);
}

static void mark_cont(struct marker *m, const struct scm_cont *cont)
{
    push(m, cont->closure);
    push(m, cont->handlers);
    push(m, cont->params);
    push(m, cont->winders);
    push_all(m, cont->slots, cont->slot_count);
}

static void mark_children(struct marker *m, const struct scm_cell *cell)
{
    switch (cell->type) {
    case SCM_T_PAIR:
    case SCM_T_GLOBAL:
    case SCM_T_PARAM:
    case SCM_T_RTD:
    case SCM_T_RATIO:
        push(m, cell->b);
        push(m, cell->a);
        break;
    case SCM_T_ERROR:
        push(m, cell->c);
        push(m, cell->b);
        push(m, cell->a);
        break;
    case SCM_T_BOX:
    case SCM_T_PROMISE:
    case SCM_T_ALIAS:
    case SCM_T_MACRO:
        push(m, cell->a);
        break;
    case SCM_T_VECTOR:
    case SCM_T_RECORD:
    case SCM_T_CASE:
    case SCM_T_VALUES:
        push_all(m, scm_ptr(cell->a), cell->aux);
        break;
    case SCM_T_CLOSURE:
        mark_closure(m, cell);
        break;
    case SCM_T_CODE:
        mark_code(m, scm_ptr(cell->a));
        break;
    case SCM_T_CONT:
        if (cell->a)
            mark_cont(m, scm_ptr(cell->a));
        break;
    default:
        break;
    }
}

/* A list is followed by its cdrs: its cells lie one behind the other, more often than not. */
static void drain(struct marker *m)
{
    while (m->top != m->vm->mark_stack) {
        uint32_t idx = *--m->top;
        const struct scm_cell *cell = &m->vm->cells[idx];
        while (cell->type == SCM_T_PAIR) {
            push(m, cell->a);
            if (!mark(m, cell->b, &idx))
                break;
            cell = &m->vm->cells[idx];
        }
        if (cell->type != SCM_T_PAIR)
            mark_children(m, cell);
    }
}

static void mark_roots(struct marker *m)
{
    struct scm_vm *vm = m->vm;
    for (struct scm_env *env = vm->envs; env; env = env->next) {
        push_all(m, env->keys, env->room);
        push_all(m, env->values, env->room);
        push(m, env->name);
        push(m, env->exports);
        drain(m);
    }
    const scm_value registers[] = {
        vm->closure,      vm->acc,           vm->handlers, vm->params,        vm->winders,
        vm->pending,      vm->oom_error,     vm->escape_k, vm->escape_values, vm->lib_list,
        vm->raise_global, vm->rewind_global, vm->out_port, vm->in_port,       vm->err_port,
    };
    push_all(m, registers, sizeof registers / sizeof *registers);
    for (uint32_t i = 0; i < vm->root_count; i++)
        push(m, *vm->roots[i]);
    for (uint32_t i = 0; i < vm->ref_count; i++)
        push(m, vm->refs[i].value);
    drain(m);
    push_all(m, vm->stack, (size_t)(vm->sp - vm->stack));
    drain(m);
}

static size_t items_bytes(const struct scm_cell *cell)
{
    return cell->aux <= 2 ? 0 : cell->aux * sizeof(scm_value);
}

static void drop_code(struct scm_vm *vm, struct scm_code *code)
{
    free(code->ops);
    free(code->consts);
    free(code->lines);
    scm_payload_free(vm, code, code->payload_bytes);
}

void scm_cell_drop(struct scm_vm *vm, struct scm_cell *cell)
{
    switch (cell->type) {
    case SCM_T_STRING: {
        struct scm_text *text = scm_ptr(cell->a);
        if (text)
            scm_payload_free(vm, text, sizeof *text + text->room_bytes);
        break;
    }
    case SCM_T_SYMBOL:
    case SCM_T_BYTEVECTOR:
    case SCM_T_BIGNUM:
        scm_payload_free(vm, scm_ptr(cell->a), cell->b);
        break;
    case SCM_T_VECTOR:
    case SCM_T_RECORD:
    case SCM_T_CASE:
    case SCM_T_VALUES:
        if (cell->aux > 2)
            scm_payload_free(vm, scm_ptr(cell->a), items_bytes(cell));
        break;
    case SCM_T_CLOSURE:
        if (cell->small > 2)
            scm_payload_free(vm, scm_ptr(cell->b), cell->small * sizeof(scm_value));
        break;
    case SCM_T_CODE:
        drop_code(vm, scm_ptr(cell->a));
        break;
    case SCM_T_CONT: {
        struct scm_cont *cont = scm_ptr(cell->a);
        if (cont)
            scm_payload_free(vm, cont, sizeof *cont + cont->slot_count * sizeof(scm_value));
        break;
    }
    case SCM_T_PRIM: {
        struct scm_prim *prim = scm_ptr(cell->a);
        free(prim->name);
        free(prim);
        break;
    }
    case SCM_T_PORT:
        scm_port_drop(scm_ptr(cell->a));
        break;
    case SCM_T_FOREIGN:
        if (cell->c && cell->b)
            ((void (*)(void *))(uintptr_t)cell->c)(scm_ptr(cell->b));
        break;
    default:
        break;
    }
}

static void sweep_symbols(struct scm_vm *vm)
{
    for (uint32_t i = 0; i < vm->symbol_room; i++) {
        scm_value s = vm->symbols[i];
        if (s && s != SCM_ABSENT && !vm->marks[scm_cell(s) - vm->cells])
            vm->symbols[i] = SCM_ABSENT;
    }
}

static uint32_t sweep(struct scm_vm *vm)
{
    static const uint64_t all_free = 0x2e2e2e2e2e2e2e2eull, all_marked = 0x0101010101010101ull;
    uint32_t used = 0;
    for (uint32_t i = 0; i < vm->cell_count; i++) {
        uint64_t letters, marks;
        if ((i & 7) == 0 && i + 8 <= vm->cell_count) {
            memcpy(&letters, vm->letters + i, 8);
            memcpy(&marks, vm->marks + i, 8);
            if (letters == all_free || marks == all_marked) {
                used += letters == all_free ? 0 : 8;
                i += 7;
                continue;
            }
        }
        if (vm->marks[i]) {
            used++;
        } else if (vm->letters[i] != SCM_T_FREE) {
            scm_cell_drop(vm, &vm->cells[i]);
            vm->letters[i] = SCM_T_FREE;
            SCM_POISON(&vm->cells[i], sizeof *vm->cells);
            if (vm->slab)
                mc_slot_set(vm->slab, i, SCM_T_FREE, 0, 0);
        }
    }
    return used;
}

static void set_threshold(struct scm_vm *vm)
{
    uint32_t limit = vm->cell_count - vm->reserve_count;
    uint32_t next = vm->used_count < vm->cell_count / 4 ? vm->cell_count / 2 : vm->used_count * 2;
    vm->threshold_count = next < limit ? next : limit;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void scm_collect(struct scm_vm *vm)
{
    uint64_t start = now_ns();
    size_t before = vm->used_count * sizeof *vm->cells + vm->payload_bytes;
    struct marker m = {vm, vm->mark_stack};
    mark_roots(&m);
    sweep_symbols(vm);
    vm->used_count = sweep(vm);
    memset(vm->marks, 0, vm->cell_count);
    vm->scan_idx = 0;
    vm->bump = vm->bump_end = NULL;
    set_threshold(vm);
    uint64_t took = now_ns() - start;
    vm->gc_count++;
    vm->gc_total_ns += took;
    if (took > vm->gc_max_ns)
        vm->gc_max_ns = took;
    mc_heap_collected(vm->heap, "mark-sweep", took, before,
                      vm->used_count * sizeof *vm->cells + vm->payload_bytes);
    scm_heap_publish(vm);
}
