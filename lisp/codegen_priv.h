/* codegen_priv.h: a procedure that is being made of instructions.
 *
 * Owns:  nothing: all buffers lie in the current arena.
 * Never: returns after an error; scm_syntax leaves through the compiler's jump.
 */
#ifndef SCM_CODEGEN_PRIV_H
#define SCM_CODEGEN_PRIV_H

#include "lisp/compile_priv.h"

struct loop {
    struct loop *up;
    const struct var *var;
    uint32_t start; /* op index */
    uint32_t base;  /* slot of its first variable */
    uint32_t count;
};

/* One procedure being made. All buffers lie in the arena. */
struct fn {
    struct compiler *c;
    struct fn *up;
    struct lambda *lambda;
    struct loop *loops;
    uint32_t *ops, op_count, op_room;
    scm_value *consts;
    uint32_t const_count, const_room;
    struct scm_line *lines;
    uint32_t line_count, line_room;
    struct var **captures;
    uint32_t capture_count, capture_room;
    uint32_t max_depth;
    uint32_t last_at, barrier; /* the last instruction; none before barrier may be changed */
    uint32_t file;
};

/* Append an instruction, its operand of 24 bits in it; returns its index. */
uint32_t scm_emit(struct fn *f, enum scm_op op, int64_t operand);
/* A further word of the last instruction. */
void scm_emit_word(struct fn *f, uint32_t w);
/* Push the accumulator, which the last instruction may do by itself. depth: slots in use before. */
void scm_emit_push(struct fn *f, uint32_t depth);
/* A jump whose target comes later, and that target: here. */
uint32_t scm_emit_jump(struct fn *f, enum scm_op op);
void scm_emit_land(struct fn *f, uint32_t at);
/* How many words the instruction at an index has. */
uint32_t scm_emit_words(const struct fn *f, uint32_t at);
/* The index of a constant, which is shared with an equal one of late. */
uint32_t scm_emit_constant(struct fn *f, scm_value v);
/* The frame needs so many slots. */
void scm_emit_depth(struct fn *f, uint32_t depth);
/* What comes next stems from here. */
void scm_emit_line(struct fn *f, scm_pos pos);
/* Room for one more item in an array of the procedure's; the array, old or new. */
void *scm_emit_grown(struct fn *f, void *old, uint32_t count, uint32_t *room, size_t each);
/* More than two captures lie outside the closure's cell: have their instructions look there. */
void scm_emit_far(struct fn *f);
/* The procedure as a CODE cell. */
scm_value scm_emit_code(struct fn *f);

#endif
