/* op.h: the machine's instructions.
 *
 * Format: words of 32 bits, the operation in the low 8, operand A in the high 24 (signed for jumps,
 *         which count from the word behind the instruction, and for small integers). `more` words
 *         follow. The accumulator takes each result; PUSH moves it to the stack.
 */
#ifndef SCM_OP_H
#define SCM_OP_H

#include <stdint.h>

#define SCM_OPS(X)                                                                                 \
    X(NONE)                                                                                        \
    X(HALT)                                                                                        \
    X(CONST)         /* A constant */                                                              \
    X(INT)           /* A value */                                                                 \
    X(LOCAL)         /* A slot */                                                                  \
    X(LOCAL_CHECKED) /* A slot, more: constant with the name */                                    \
    X(FREE)          /* A 0 or 1: captured value inside the closure cell */                        \
    X(FREE_FAR)      /* A index into the closure's array */                                        \
    X(UNBOX)         /* A constant with the name */                                                \
    X(SET_LOCAL)     /* A slot */                                                                  \
    X(SET_BOX_LOCAL) /* A slot that holds the box */                                               \
    X(SET_BOX_FREE)  /* A index of the box */                                                      \
    X(SET_BOX_FAR)                                                                                 \
    X(MAKE_BOX) /* A slot whose value goes into a box */                                           \
    X(GLOBAL)   /* A constant with the global */                                                   \
    X(SET_GLOBAL)                                                                                  \
    X(DEFINE_GLOBAL)                                                                               \
    X(PUSH)                                                                                        \
    X(CONST_PUSH)                                                                                  \
    X(INT_PUSH)                                                                                    \
    X(LOCAL_PUSH)                                                                                  \
    X(POP) /* A slots */                                                                           \
    X(JUMP)                                                                                        \
    X(JUMP_FALSE)                                                                                  \
    X(JUMP_TRUE)                                                                                   \
    X(LOOP) /* A jump (from behind); more: slots to move << 16 | slot they move to */              \
    X(FRAME)                                                                                       \
    X(CALL) /* A arguments */                                                                      \
    X(TAIL_CALL)                                                                                   \
    X(CALL_GLOBAL) /* A arguments, more: constant with the global */                               \
    X(TAIL_CALL_GLOBAL)                                                                            \
    X(CALL_PRIM)                                                                                   \
    X(RETURN)                                                                                      \
    X(CLOSURE) /* A constant with the code; more: a word for each capture */                       \
    X(PATCH)   /* A slot with a closure; more: captured index << 16 | slot of the value */         \
    X(CAR)                                                                                         \
    X(CDR)                                                                                         \
    X(CADR)                                                                                        \
    X(CDDR)                                                                                        \
    X(CONS)                                                                                        \
    X(NOT)                                                                                         \
    X(NULLP)                                                                                       \
    X(PAIRP)                                                                                       \
    X(EQ)                                                                                          \
    X(ADD)                                                                                         \
    X(SUB)                                                                                         \
    X(MUL)                                                                                         \
    X(ADD_INT) /* A value */                                                                       \
    X(LT)                                                                                          \
    X(GT)                                                                                          \
    X(LE)                                                                                          \
    X(GE)                                                                                          \
    X(NUM_EQ)                                                                                      \
    X(ZEROP)                                                                                       \
    X(VECTOR_REF)                                                                                  \
    X(VECTOR_SET)                                                                                  \
    X(STRING_REF)                                                                                  \
    X(JUMP_NOT_NULL)                                                                               \
    X(JUMP_NOT_PAIR)                                                                               \
    X(JUMP_NOT_EQ)                                                                                 \
    X(JUMP_NOT_LT)                                                                                 \
    X(JUMP_NOT_GT)                                                                                 \
    X(JUMP_NOT_LE)                                                                                 \
    X(JUMP_NOT_GE)                                                                                 \
    X(JUMP_NOT_NUM_EQ)                                                                             \
    X(JUMP_NOT_LT_INT) /* A jump, more: value */                                                   \
    X(JUMP_NOT_GT_INT)                                                                             \
    X(JUMP_NOT_LE_INT)                                                                             \
    X(JUMP_NOT_GE_INT)                                                                             \
    X(JUMP_NOT_NUM_EQ_INT)

enum scm_op {
#define X(id) SCM_OP_##id,
    SCM_OPS(X)
#undef X
        SCM_OP_COUNT
};

/* A capture word of CLOSURE: where the value is taken from. */
#define SCM_CAPTURE_FREE 0x80000000u  /* else a slot */
#define SCM_CAPTURE_LATER 0x40000000u /* not yet made: PATCH brings it */

#endif
