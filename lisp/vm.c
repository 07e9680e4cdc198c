/* vm.c: runs of the machine from C, and conditions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/op.h"
#include "lisp/scm_priv.h"

/* ---- where the machine stands --------------------------------------------------------------- */

static scm_pos pos_of_pc(const struct scm_code *code, const uint32_t *pc)
{
    uint32_t at = (uint32_t)(pc - code->ops), low = 0, high = code->line_count;
    while (low < high) { /* the last entry before pc */
        uint32_t middle = (low + high) / 2;
        if (code->lines[middle].op_idx < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? (scm_pos)code->file << 32 | code->lines[low - 1].line_column : 0;
}

/* The place of the innermost call that is not of the prelude. */
void scm_locate(struct scm_vm *vm, char *buf, size_t buf_bytes)
{
    const scm_value *fp = vm->fp;
    const uint32_t *pc = vm->pc;
    const struct scm_run *run = vm->run;
    scm_value closure = vm->closure;
    buf[0] = 0;
    for (int depth = 0; depth < 100000 && pc; depth++) {
        if (pc == scm_halt_ops) {
            if (!run)
                return;
            fp = run->outer_fp;
            pc = run->outer_pc;
            closure = run->base[0];
            run = run->up;
            continue;
        }
        if (!scm_is(closure, SCM_T_CLOSURE))
            return;
        const struct scm_code *code = scm_ptr(scm_cell(closure)->a);
        scm_pos pos = pos_of_pc(code, pc);
        if (pos && !code->system) {
            scm_where(vm, pos, buf, buf_bytes);
            return;
        }
        if (fp < vm->stack + 3)
            return;
        closure = fp[-3];
        pc = (const uint32_t *)(uintptr_t)(fp[-1] >> 1);
        fp = vm->stack + scm_fixnum_get(fp[-2]);
    }
}

void scm_here(struct scm_vm *vm, char *buf, size_t buf_bytes)
{
    scm_locate(vm, buf, buf_bytes);
}

/* ---- conditions ----------------------------------------------------------------------------- */

/* A condition with the machine's place. Arguments are protected; gives SCM_FALSE when not even
 * the reserve has a cell left. */
scm_value scm_make_error(struct scm_vm *vm, const char *kind, scm_value message,
                         scm_value irritants)
{
    char where[320];
    int gc_off = vm->gc_off++;
    scm_locate(vm, where, sizeof where);
    scm_value place = scm_string(vm, where, strlen(where));
    scm_value details = scm_cons(vm, scm_symbol(vm, kind), place);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_ERROR);
    if (cell) {
        cell->a = message;
        cell->b = irritants;
        cell->c = details;
    }
    vm->gc_off = gc_off;
    return cell ? scm_from_cell(cell) : SCM_FALSE;
}

static scm_value fail_with(struct scm_vm *vm, const char *kind, const char *format, va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    int gc_off = vm->gc_off++;
    scm_value message = scm_string(vm, text, strlen(text));
    vm->pending = scm_make_error(vm, kind, message, SCM_NIL);
    vm->gc_off = gc_off;
    return SCM_FAILED;
}

scm_value scm_fail(struct scm_vm *vm, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_with(vm, "error", format, args);
    va_end(args);
    return SCM_FAILED;
}

scm_value scm_fail_kind(struct scm_vm *vm, const char *kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_with(vm, kind, format, args);
    va_end(args);
    return SCM_FAILED;
}

void scm_throw(struct scm_vm *vm)
{
    longjmp(vm->run->jump, 1);
}

/* A value as an error message shows it: the beginning, on one line. */
static void shown(struct scm_vm *vm, scm_value v, char *buf, size_t buf_bytes)
{
    struct mc_buf text = {0};
    scm_print(vm, v, 0, &text);
    size_t count = text.count < buf_bytes - 4 ? text.count : buf_bytes - 4;
    while (count < text.count && count > 0 && (text.bytes[count] & 0xc0) == 0x80)
        count--;
    if (count)
        memcpy(buf, text.bytes, count);
    memcpy(buf + count, text.count > count ? "..." : "", text.count > count ? 4 : 1);
    for (char *c = buf; *c; c++)
        *c = (char)(*c == '\n' ? ' ' : *c);
    mc_buf_fini(&text);
}

/* The place is written into the condition's own string, which has room for any. */
void scm_out_of_cells(struct scm_vm *vm)
{
    char where[320];
    if (!scm_is(vm->oom_error, SCM_T_ERROR))
        return;
    scm_locate(vm, where, sizeof where);
    scm_value place = scm_cdr(scm_cell(vm->oom_error)->c);
    size_t count = strlen(where);
    memcpy(scm_text_of(place)->bytes, where, count);
    scm_cell(place)->b = count;
    scm_cell(place)->c = scm_utf8_count(where, count);
    scm_text_of(place)->at_char = scm_text_of(place)->at_byte = 0;
    vm->pending = vm->oom_error;
}

scm_value scm_wrong(struct scm_vm *vm, const char *who, const char *expected, scm_value got)
{
    char text[160];
    shown(vm, got, text, sizeof text);
    return scm_fail(vm, "%s: expected %s, got %s", who, expected, text);
}

scm_value scm_wrong_index(struct scm_vm *vm, const char *who, scm_value idx, size_t count)
{
    char text[160];
    shown(vm, idx, text, sizeof text);
    if (!scm_is_fixnum(idx))
        return scm_fail(vm, "%s: expected an index, got %s", who, text);
    return scm_fail(vm, "%s: index %s is out of range, the length is %zu", who, text, count);
}

const char *scm_procedure_name(scm_value proc)
{
    static _Thread_local char name[128];
    size_t count;
    if (scm_is(proc, SCM_T_PRIM))
        return ((struct scm_prim *)scm_ptr(scm_cell(proc)->a))->name;
    if (scm_is(proc, SCM_T_CASE) && scm_count(proc))
        proc = scm_items(proc)[0];
    if (scm_is(proc, SCM_T_CLOSURE)) {
        scm_value symbol = ((struct scm_code *)scm_ptr(scm_cell(proc)->a))->name;
        if (scm_is_symbol(symbol)) {
            const char *text = scm_text(symbol, &count);
            snprintf(name, sizeof name, "%.*s", (int)(count < 120 ? count : 120), text);
            return name;
        }
    }
    return scm_is(proc, SCM_T_PARAM) ? "parameter" : "procedure";
}

static void text_into(scm_value v, char *buf, size_t buf_bytes)
{
    size_t count = 0;
    const char *text = scm_is_string(v) || scm_is_symbol(v) ? scm_text(v, &count) : "";
    snprintf(buf, buf_bytes, "%.*s", (int)(count < buf_bytes ? count : buf_bytes - 1), text);
}

/* The message with its irritants, as one line. */
static void message_into(struct scm_vm *vm, scm_value condition, char *buf, size_t buf_bytes)
{
    struct mc_buf text = {0};
    const struct scm_cell *cell = scm_cell(condition);
    scm_print(vm, cell->a, 1, &text);
    for (scm_value at = cell->b; scm_is_pair(at) && text.count < buf_bytes; at = scm_cdr(at)) {
        mc_buf_add_char(&text, ' ');
        scm_print(vm, scm_car(at), 0, &text);
    }
    mc_buf_add_char(&text, 0);
    snprintf(buf, buf_bytes, "%s", text.failed ? "out of memory" : (const char *)text.bytes);
    for (char *c = buf; *c; c++)
        *c = (char)(*c == '\n' ? ' ' : *c);
    mc_buf_fini(&text);
}

static int code_of_kind(const char *kind)
{
    static const struct {
        const char *kind;
        int code;
    } codes[] = {{"syntax", MC_EFORMAT},
                 {"read", MC_EFORMAT},
                 {"file", MC_EIO},
                 {"limit", MC_ELIMIT},
                 {"memory", MC_ENOMEM}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(kind, codes[i].kind) == 0)
            return codes[i].code;
    }
    return MC_EINVAL;
}

/* What an uncaught object says to C. */
int scm_error_fill(struct scm_vm *vm, scm_value condition, struct scm_error *err)
{
    struct scm_error ignored;
    if (!err)
        err = &ignored;
    memset(err, 0, sizeof *err);
    if (!scm_is(condition, SCM_T_ERROR)) {
        char text[400];
        if (condition == SCM_FALSE && vm->cell_count - vm->used_count < 8)
            return scm_error_set(err, MC_ENOMEM, "memory", "", "out of memory: no cell is left");
        shown(vm, condition, text, sizeof text);
        snprintf(err->message, sizeof err->message, "uncaught raise of %s", text);
        snprintf(err->kind, sizeof err->kind, "raise");
        scm_locate(vm, err->where, sizeof err->where);
        return MC_EINVAL;
    }
    scm_value details = scm_cell(condition)->c;
    message_into(vm, condition, err->message, sizeof err->message);
    text_into(scm_car(details), err->kind, sizeof err->kind);
    text_into(scm_cdr(details), err->where, sizeof err->where);
    if (strcmp(err->kind, "exit") == 0) {
        scm_value status = scm_car(scm_cell(condition)->b);
        vm->exit_status = scm_is_fixnum(status) ? (int)(scm_fixnum_get(status) & 255) : 0;
    }
    return code_of_kind(err->kind);
}

/* ---- runs ----------------------------------------------------------------------------------- */

struct saved {
    scm_value closure, acc, handlers, winders, params;
    scm_value *sp, *fp;
    uint32_t *pc;
};

static struct saved save(struct scm_vm *vm)
{
    return (struct saved){vm->closure, vm->acc, vm->handlers, vm->winders,
                          vm->params,  vm->sp,  vm->fp,       vm->pc};
}

static void restore(struct scm_vm *vm, const struct saved *s)
{
    vm->closure = s->closure;
    vm->acc = s->acc;
    vm->handlers = s->handlers;
    vm->winders = s->winders;
    vm->params = s->params;
    vm->sp = s->sp;
    vm->fp = s->fp;
    vm->pc = s->pc;
    if (vm->sp < vm->stack_soft)
        vm->stack_end = vm->stack_soft;
}

/* Handlers of outer runs do not see what is raised in this one: it reaches C first. */
static void enter(struct scm_vm *vm, struct scm_run *run, const struct saved *outer, scm_value proc,
                  int argc, const scm_value *argv)
{
    run->up = vm->run;
    run->id = ++vm->run_ids;
    run->base = vm->sp;
    run->root_count = vm->root_count;
    run->gc_off = vm->gc_off;
    run->mark = scm_arena_mark(vm);
    run->outer_fp = outer->fp;
    run->outer_pc = outer->pc;
    vm->run = run;
    vm->sp[0] = vm->closure;
    vm->sp[1] = scm_fixnum(vm->fp - vm->stack);
    vm->sp[2] = (scm_value)(uintptr_t)scm_halt_ops << 1 | 1;
    /* kept for the end of the run; a collection finds them here */
    vm->sp[3] = outer->acc;
    vm->sp[4] = outer->handlers;
    vm->sp[5] = outer->winders;
    vm->sp[6] = outer->params;
    vm->sp += 7;
    vm->sp[0] = vm->closure;
    vm->sp[1] = scm_fixnum(vm->fp - vm->stack);
    vm->sp[2] = (scm_value)(uintptr_t)scm_halt_ops << 1 | 1;
    vm->sp += 3;
    if (argc)
        memcpy(vm->sp, argv, (size_t)argc * sizeof *argv);
    vm->sp += argc;
    vm->acc = proc;
    vm->handlers = SCM_NIL;
}

int scm_is_late(const struct scm_vm *vm)
{
    return vm->fuel < 0 && vm->deadline_ns && scm_now_ns() >= vm->deadline_ns;
}

/* Execute, coming back here as often as a primitive leaves by scm_throw. Apart from its caller so
 * that no local of it lives across the jump. */
static enum scm_outcome execute_guarded(struct scm_vm *vm, struct scm_run *run, int argc)
{
    if (setjmp(run->jump) == 0)
        return scm_execute(vm, argc, 0);
    vm->root_count = run->root_count;
    vm->gc_off = run->gc_off;
    scm_arena_release(vm, run->mark);
    return scm_execute(vm, 0, 1);
}

int scm_run_call(struct scm_vm *vm, scm_value proc, int argc, const scm_value *argv, scm_value *out,
                 struct scm_error *err)
{
    struct scm_run run;
    struct saved outer = save(vm);
    int code = 0;
    if (scm_stack_room(vm, (size_t)argc + 64))
        return scm_error_set(err, MC_ELIMIT, "limit", "", "recursion too deep through C");
    if (!vm->run && vm->deadline_budget_ns) {
        vm->deadline_ns = scm_now_ns() + vm->deadline_budget_ns;
        vm->deadline_hit = 0;
    }
    enter(vm, &run, &outer, proc, argc, argv);
    enum scm_outcome outcome = execute_guarded(vm, &run, argc);
    scm_value result = vm->acc;
    if (outcome == SCM_ABORTED)
        code = scm_error_fill(vm, vm->pending, err);
    if (outcome == SCM_ESCAPING)
        code = scm_error_set(err, MC_EGONE, "escape", "", "a continuation left this call");
    vm->pending = SCM_FALSE;
    vm->run = run.up;
    restore(vm, &outer);
    if (outcome == SCM_DONE && out)
        *out = result;
    return code;
}

uint64_t scm_step_count(const struct scm_vm *vm)
{
    return (uint64_t)(vm->fuel_given - vm->fuel);
}
