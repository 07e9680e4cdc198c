/* execute_priv.h: what the machine's loop leaves to others; for execute.c alone.
 *
 * Whoever calls one that may allocate or fail has written the registers back (SYNC in execute.c).
 */
#ifndef SCM_EXECUTE_PRIV_H
#define SCM_EXECUTE_PRIV_H

#include "lisp/scm_priv.h"

static inline struct scm_code *scm_code_of(const struct scm_cell *closure)
{
    return scm_ptr(closure->a);
}

/* Fail for a call of `proc` with `got` arguments; `most` below 0 is no bound. SCM_FAILED. */
scm_value scm_wrong_args(struct scm_vm *vm, scm_value proc, int least, int most, int got);

/* Fail for a variable that has no value (yet). SCM_FAILED. */
scm_value scm_unbound(struct scm_vm *vm, scm_value global);
scm_value scm_too_early(struct scm_vm *vm, scm_value name);

/* Once in a while: is it time to stop? 0 to go on, -1 with vm->pending, -2 to end the run. */
int scm_tick(struct scm_vm *vm);

/* The stack is full: -1 with vm->pending and some more room for handlers, -2 to end the run. */
int scm_stack_overflow(struct scm_vm *vm);

/* The clause of a case-lambda that takes n arguments, or SCM_FALSE. */
scm_value scm_choose_clause(scm_value clauses, int n);

#endif
