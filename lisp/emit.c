/* emit.c: the instructions of one procedure, as they are made: see codegen_priv.h. */
#include <stdlib.h>

#include "lisp/codegen_priv.h"

void *scm_emit_grown(struct fn *f, void *old, uint32_t count, uint32_t *room, size_t each)
{
    if (count < *room)
        return old;
    uint32_t bigger = *room ? *room * 2 : 32;
    void *fresh = scm_ast(f->c, bigger * each);
    if (count)
        memcpy(fresh, old, count * each);
    *room = bigger;
    return fresh;
}

void scm_emit_word(struct fn *f, uint32_t w)
{
    f->ops = scm_emit_grown(f, f->ops, f->op_count, &f->op_room, sizeof *f->ops);
    f->ops[f->op_count++] = w;
}

uint32_t scm_emit(struct fn *f, enum scm_op op, int64_t operand)
{
    if (operand > 0x7fffff || operand < -0x800000)
        scm_syntax(f->c, SCM_FALSE, "a procedure is too large to compile");
    f->last_at = f->op_count;
    scm_emit_word(f, (uint32_t)op | (uint32_t)operand << 8);
    return f->last_at;
}

void scm_emit_depth(struct fn *f, uint32_t depth)
{
    if (depth > f->max_depth)
        f->max_depth = depth;
    if (depth > 60000)
        scm_syntax(f->c, SCM_FALSE, "a procedure with more than 60000 variables");
}

void scm_emit_line(struct fn *f, scm_pos pos)
{
    uint32_t at = (uint32_t)pos;
    if (!at || (uint32_t)(pos >> 32) != f->file)
        return;
    if (f->line_count && f->lines[f->line_count - 1].line_column == at)
        return;
    f->lines = scm_emit_grown(f, f->lines, f->line_count, &f->line_room, sizeof *f->lines);
    f->lines[f->line_count++] = (struct scm_line){f->op_count, at};
}

uint32_t scm_emit_constant(struct fn *f, scm_value v)
{
    for (uint32_t i = f->const_count; i-- > 0 && i + 32 > f->const_count;) {
        if (f->consts[i] == v)
            return i;
    }
    f->consts = scm_emit_grown(f, f->consts, f->const_count, &f->const_room, sizeof *f->consts);
    f->consts[f->const_count] = v;
    return f->const_count++;
}

/* A jump whose target comes later. */
uint32_t scm_emit_jump(struct fn *f, enum scm_op op)
{
    return scm_emit(f, op, 0);
}

static void land_words(struct fn *f, uint32_t at, uint32_t more)
{
    int64_t distance = (int64_t)f->op_count - (int64_t)at - 1 - (int64_t)more;
    if (distance > 0x7fffff)
        scm_syntax(f->c, SCM_FALSE, "a procedure is too large to compile");
    f->ops[at] = (f->ops[at] & 255) | (uint32_t)distance << 8;
    f->barrier = f->op_count;
}

static int has_more_word(enum scm_op op)
{
    return op >= SCM_OP_JUMP_NOT_LT_INT && op <= SCM_OP_JUMP_NOT_NUM_EQ_INT;
}

void scm_emit_land(struct fn *f, uint32_t at)
{
    land_words(f, at, has_more_word((enum scm_op)(f->ops[at] & 255)) ? 1 : 0);
}

void scm_emit_push(struct fn *f, uint32_t depth)
{
    scm_emit_depth(f, depth + 1);
    if (f->last_at >= f->barrier && f->op_count) {
        uint32_t *last = &f->ops[f->last_at];
        enum scm_op op = (enum scm_op)(*last & 255), fused = SCM_OP_NONE;
        if (op == SCM_OP_LOCAL)
            fused = SCM_OP_LOCAL_PUSH;
        else if (op == SCM_OP_CONST)
            fused = SCM_OP_CONST_PUSH;
        else if (op == SCM_OP_INT)
            fused = SCM_OP_INT_PUSH;
        if (fused != SCM_OP_NONE) {
            *last = (*last & ~255u) | (uint32_t)fused;
            return;
        }
    }
    scm_emit(f, SCM_OP_PUSH, 0);
}

scm_value scm_emit_code(struct fn *f)
{
    struct scm_vm *vm = f->c->vm;
    struct scm_cell *cell = scm_alloc(vm, SCM_T_CODE);
    struct scm_code *code = scm_payload(vm, sizeof *code);
    if (!cell || !code)
        scm_syntax(f->c, SCM_FALSE, "out of memory while compiling");
    memset(code, 0, sizeof *code);
    code->cell = scm_from_cell(cell);
    code->payload_bytes = sizeof *code;
    cell->a = (scm_value)(uintptr_t)code;
    code->ops = malloc(f->op_count * sizeof *code->ops);
    code->consts = malloc(f->const_count * sizeof *code->consts + 1);
    code->lines = malloc(f->line_count * sizeof *code->lines + 1);
    if (!code->ops || !code->consts || !code->lines)
        scm_syntax(f->c, SCM_FALSE, "out of memory while compiling");
    memcpy(code->ops, f->ops, f->op_count * sizeof *code->ops);
    if (f->const_count)
        memcpy(code->consts, f->consts, f->const_count * sizeof *code->consts);
    if (f->line_count)
        memcpy(code->lines, f->lines, f->line_count * sizeof *code->lines);
    code->op_count = f->op_count;
    code->const_count = f->const_count;
    code->line_count = f->line_count;
    code->name = f->lambda->name;
    code->file = f->file;
    code->frame_slots = f->max_depth + 8;
    code->min_args = (uint16_t)(f->lambda->param_count - (uint32_t)f->lambda->rest);
    code->rest = (uint8_t)f->lambda->rest;
    code->free_count = (uint16_t)f->capture_count;
    code->system = (uint8_t)vm->system_code;
    return code->cell;
}

uint32_t scm_emit_words(const struct fn *f, uint32_t at)
{
    enum scm_op op = (enum scm_op)(f->ops[at] & 255);
    switch (op) {
    case SCM_OP_LOCAL_CHECKED:
    case SCM_OP_LOOP:
    case SCM_OP_CALL_GLOBAL:
    case SCM_OP_TAIL_CALL_GLOBAL:
    case SCM_OP_CALL_PRIM:
    case SCM_OP_PATCH:
        return 2;
    case SCM_OP_CLOSURE: {
        struct scm_code *code = scm_ptr(scm_cell(f->consts[f->ops[at] >> 8])->a);
        return 1u + code->free_count;
    }
    default:
        return has_more_word(op) ? 2 : 1;
    }
}

/* More than two captures lie outside the closure's cell. */
void scm_emit_far(struct fn *f)
{
    for (uint32_t at = 0; at < f->op_count; at += scm_emit_words(f, at)) {
        enum scm_op op = (enum scm_op)(f->ops[at] & 255);
        if (op == SCM_OP_FREE)
            f->ops[at] = (f->ops[at] & ~255u) | SCM_OP_FREE_FAR;
        else if (op == SCM_OP_SET_BOX_FREE)
            f->ops[at] = (f->ops[at] & ~255u) | SCM_OP_SET_BOX_FAR;
    }
}
