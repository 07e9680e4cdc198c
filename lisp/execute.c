/* execute.c: the machine's loop.
 *
 * A frame is closure, fp and pc of the caller, and above them the arguments, at fp. A call fills
 * the frame first, whether the callee is compiled or not; a tail call moves its arguments down to
 * the frame that is there. So one path enters procedures and one leaves them. Registers are in C
 * locals and are written back (SYNC) before anything that may allocate or fail.
 */
#include "lisp/execute_priv.h"
#include "lisp/op.h"

uint32_t scm_halt_ops[1] = {SCM_OP_HALT};

static inline scm_value tag_pc(const uint32_t *pc)
{
    return (scm_value)(uintptr_t)pc << 1 | 1;
}

static inline uint32_t *untag_pc(scm_value v)
{
    return (uint32_t *)(uintptr_t)(v >> 1);
}

/* Arguments past the fixed ones become a list; they are on top of the stack. */
static scm_value *collect_rest(struct scm_vm *vm, scm_value *sp, int extra)
{
    scm_value list = SCM_NIL;
    for (; extra > 0; extra--) {
        vm->sp = sp; /* what is left of them is still there to be marked */
        list = scm_cons(vm, sp[-1], list);
        sp--;
    }
    *sp++ = list;
    return sp;
}

static scm_value param_value(const struct scm_vm *vm, scm_value param)
{
    for (scm_value at = vm->params; scm_is_pair(at); at = scm_cell(at)->b) {
        if (scm_cell(scm_cell(at)->a)->a == param)
            return scm_cell(scm_cell(at)->a)->b;
    }
    return scm_cell(param)->a;
}

static scm_value make_closure(struct scm_vm *vm, const struct scm_code *code)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_CLOSURE);
    scm_value v = scm_from_cell(cell);
    cell->a = (scm_value)(uintptr_t)code;
    if (code->free_count > 2) {
        vm->acc = v;
        scm_value *far = scm_payload(vm, code->free_count * sizeof *far);
        if (!far)
            scm_no_memory(vm, code->free_count * sizeof *far);
        for (uint32_t i = 0; i < code->free_count; i++)
            far[i] = SCM_FALSE;
        cell->b = (scm_value)(uintptr_t)far;
    } else {
        cell->b = cell->c = SCM_FALSE;
    }
    cell->small = code->free_count;
    return v;
}

static inline scm_value *captured(struct scm_cell *closure)
{
    return closure->small <= 2 ? &closure->b : scm_ptr(closure->b);
}

#define SYNC()                                                                                     \
    (vm->sp = sp, vm->fp = fp, vm->pc = pc, vm->closure = scm_from_cell(cl), vm->acc = acc)
#define NEXT()                                                                                     \
    do {                                                                                           \
        w = *pc++;                                                                                 \
        goto *labels[w & 255];                                                                     \
    } while (0)
#define A (w >> 8)
#define SA ((int32_t)w >> 8)
#define K(i) (consts[i])
#define BOTH_FIXNUM(x, y) ((x) & (y)&1)

#define COMPARE(name, cmp)                                                                         \
    op_##name:                                                                                     \
    {                                                                                              \
        scm_value x = *--sp;                                                                       \
        if (SCM_LIKELY(BOTH_FIXNUM(x, acc))) {                                                     \
            acc = (int64_t)x cmp(int64_t) acc ? SCM_TRUE : SCM_FALSE;                              \
            NEXT();                                                                                \
        }                                                                                          \
        SYNC();                                                                                    \
        acc = scm_compare(vm, SCM_OP_##name, x, acc);                                              \
        if (SCM_UNLIKELY(acc == SCM_FAILED))                                                       \
            goto raise;                                                                            \
        NEXT();                                                                                    \
    }                                                                                              \
    op_JUMP_NOT_##name:                                                                            \
    {                                                                                              \
        scm_value x = *--sp;                                                                       \
        if (SCM_LIKELY(BOTH_FIXNUM(x, acc))) {                                                     \
            if (!((int64_t)x cmp(int64_t) acc))                                                    \
                pc += SA;                                                                          \
            NEXT();                                                                                \
        }                                                                                          \
        SYNC();                                                                                    \
        acc = scm_compare(vm, SCM_OP_##name, x, acc);                                              \
        if (SCM_UNLIKELY(acc == SCM_FAILED))                                                       \
            goto raise;                                                                            \
        if (acc == SCM_FALSE)                                                                      \
            pc += SA;                                                                              \
        NEXT();                                                                                    \
    }                                                                                              \
    op_JUMP_NOT_##name##_INT:                                                                      \
    {                                                                                              \
        scm_value y = scm_fixnum((int32_t)*pc++);                                                  \
        if (SCM_LIKELY(scm_is_fixnum(acc))) {                                                      \
            if (!((int64_t)acc cmp(int64_t) y))                                                    \
                pc += SA;                                                                          \
            NEXT();                                                                                \
        }                                                                                          \
        SYNC();                                                                                    \
        acc = scm_compare(vm, SCM_OP_##name, acc, y);                                              \
        if (SCM_UNLIKELY(acc == SCM_FAILED))                                                       \
            goto raise;                                                                            \
        if (acc == SCM_FALSE)                                                                      \
            pc += SA;                                                                              \
        NEXT();                                                                                    \
    }

#define ARITH_SLOW(name, x, y)                                                                     \
    do {                                                                                           \
        SYNC();                                                                                    \
        acc = scm_arith(vm, SCM_OP_##name, x, y);                                                  \
        if (SCM_UNLIKELY(acc == SCM_FAILED))                                                       \
            goto raise;                                                                            \
        NEXT();                                                                                    \
    } while (0)

#define PART(name, text, word_of)                                                                  \
    op_##name : if (SCM_LIKELY(scm_is_pair_fast(acc)))                                             \
    {                                                                                              \
        acc = scm_cell(acc)->word_of;                                                              \
        NEXT();                                                                                    \
    }                                                                                              \
    SYNC();                                                                                        \
    scm_wrong(vm, text, "a pair", acc);                                                            \
    goto raise;

static inline int scm_is_pair_fast(scm_value v)
{
    return (v & 7) == 0 && scm_cell(v)->type == SCM_T_PAIR;
}

enum scm_outcome scm_execute(struct scm_vm *vm, int argc, int raising)
{
    static const void *const labels[] = {
#define X(id) &&op_##id,
        /* cppcheck-suppress syntaxError ; labels as values */
        SCM_OPS(X)
#undef X
    };
    scm_value *sp = vm->sp, *fp = vm->fp, acc = vm->acc;
    struct scm_cell *cl = scm_cell(vm->closure);
    uint32_t *pc = vm->pc, w;
    const scm_value *consts = scm_is(vm->closure, SCM_T_CLOSURE) ? scm_code_of(cl)->consts : NULL;
    int n = argc, failed;

    if (raising)
        goto raise;
    goto call;

op_NONE:
op_HALT:
    vm->sp = sp;
    vm->acc = acc;
    return SCM_DONE;

    /* ---- constants and variables ---- */
op_CONST:
    acc = K(A);
    NEXT();
op_INT:
    acc = scm_fixnum(SA);
    NEXT();
op_LOCAL:
    acc = fp[A];
    NEXT();
op_LOCAL_CHECKED:
    acc = fp[A];
    if (SCM_UNLIKELY(acc == SCM_UNDEFINED)) {
        SYNC();
        scm_too_early(vm, K(*pc));
        goto raise;
    }
    pc++;
    NEXT();
op_FREE:
    acc = (&cl->b)[A];
    NEXT();
op_FREE_FAR:
    acc = ((scm_value *)scm_ptr(cl->b))[A];
    NEXT();
op_UNBOX:
    acc = scm_cell(acc)->a;
    if (SCM_UNLIKELY(acc == SCM_UNDEFINED)) {
        SYNC();
        scm_too_early(vm, K(A));
        goto raise;
    }
    NEXT();
op_SET_LOCAL:
    fp[A] = acc;
    acc = SCM_VOID;
    NEXT();
op_SET_BOX_LOCAL:
    scm_cell(fp[A])->a = acc;
    acc = SCM_VOID;
    NEXT();
op_SET_BOX_FREE:
    scm_cell((&cl->b)[A])->a = acc;
    acc = SCM_VOID;
    NEXT();
op_SET_BOX_FAR:
    scm_cell(((scm_value *)scm_ptr(cl->b))[A])->a = acc;
    acc = SCM_VOID;
    NEXT();
op_MAKE_BOX : {
    SYNC();
    struct scm_cell *box = scm_alloc(vm, SCM_T_BOX);
    box->a = fp[A];
    fp[A] = scm_from_cell(box);
    NEXT();
}
op_GLOBAL:
    acc = scm_cell(K(A))->a;
    if (SCM_UNLIKELY(acc == SCM_UNBOUND)) {
        SYNC();
        scm_unbound(vm, K(A));
        goto raise;
    }
    NEXT();
op_SET_GLOBAL:
    if (SCM_UNLIKELY(scm_cell(K(A))->a == SCM_UNBOUND)) {
        SYNC();
        scm_unbound(vm, K(A));
        goto raise;
    }
    scm_cell(K(A))->a = acc;
    acc = SCM_VOID;
    NEXT();
op_DEFINE_GLOBAL:
    scm_cell(K(A))->a = acc;
    acc = SCM_VOID;
    NEXT();

    /* ---- the stack ---- */
op_PUSH:
    *sp++ = acc;
    NEXT();
op_CONST_PUSH:
    *sp++ = K(A);
    NEXT();
op_INT_PUSH:
    *sp++ = scm_fixnum(SA);
    NEXT();
op_LOCAL_PUSH:
    *sp++ = fp[A];
    NEXT();
op_POP:
    sp -= A;
    NEXT();

    /* ---- jumps ---- */
op_JUMP:
    pc += SA;
    NEXT();
op_JUMP_FALSE:
    if (acc == SCM_FALSE)
        pc += SA;
    NEXT();
op_JUMP_TRUE:
    if (acc != SCM_FALSE)
        pc += SA;
    NEXT();
op_LOOP : {
    uint32_t moves = *pc >> 16, base = *pc & 0xffff;
    scm_value *from = sp - moves, *to = fp + base;
    if (moves == 1)
        *to = *from;
    else
        memmove(to, from, moves * sizeof *to);
    sp = to + moves;
    pc++;
    if (SCM_UNLIKELY(--vm->fuel < 0)) {
        SYNC();
        failed = scm_tick(vm);
        if (failed)
            goto stopped;
    }
    pc += SA;
    NEXT();
}

    /* ---- calls ---- */
op_FRAME:
    sp[0] = sp[1] = sp[2] = SCM_FALSE;
    sp += 3;
    NEXT();
op_CALL_GLOBAL:
    acc = scm_cell(K(*pc))->a;
    if (SCM_UNLIKELY(acc == SCM_UNBOUND)) {
        SYNC();
        scm_unbound(vm, K(*pc));
        goto raise;
    }
    pc++;
op_CALL:
    n = (int)A;
    sp[-n - 3] = scm_from_cell(cl);
    sp[-n - 2] = scm_fixnum(fp - vm->stack);
    sp[-n - 1] = tag_pc(pc);
    goto call;
op_TAIL_CALL_GLOBAL:
    acc = scm_cell(K(*pc))->a;
    if (SCM_UNLIKELY(acc == SCM_UNBOUND)) {
        SYNC();
        scm_unbound(vm, K(*pc));
        goto raise;
    }
    pc++;
op_TAIL_CALL:
    n = (int)A;
    memmove(fp, sp - n, (size_t)n * sizeof *sp);
    sp = fp + n;
call:
    if (SCM_UNLIKELY(!scm_is(acc, SCM_T_CLOSURE)))
        goto call_other;
call_closure : {
    struct scm_cell *callee = scm_cell(acc);
    const struct scm_code *code = scm_code_of(callee);
    if (SCM_UNLIKELY(n != code->min_args || code->rest)) {
        if (n < code->min_args || !code->rest) {
            SYNC();
            scm_wrong_args(vm, acc, code->min_args, code->rest ? -1 : code->min_args, n);
            goto raise;
        }
        SYNC();
        sp = collect_rest(vm, sp, n - code->min_args);
        n = code->min_args + 1;
    }
    fp = sp - n;
    cl = callee;
    pc = code->ops;
    consts = code->consts;
    if (SCM_UNLIKELY(sp + code->frame_slots > vm->stack_end)) {
        SYNC();
        failed = scm_stack_overflow(vm);
        goto stopped;
    }
    if (SCM_UNLIKELY(--vm->fuel < 0)) {
        SYNC();
        failed = scm_tick(vm);
        if (failed)
            goto stopped;
    }
    NEXT();
}
op_RETURN:
leave:
    sp = fp - 3;
    cl = scm_cell(sp[0]);
    fp = vm->stack + scm_fixnum_get(sp[1]);
    pc = untag_pc(sp[2]);
    if (SCM_UNLIKELY(*pc == SCM_OP_HALT))
        goto op_HALT;
    consts = scm_code_of(cl)->consts;
    NEXT();
op_CALL_PRIM : {
    const struct scm_prim *prim = scm_ptr(scm_cell(scm_cell(K(*pc++))->a)->a);
    n = (int)A;
    SYNC();
    if (SCM_UNLIKELY(n < prim->min_args || (n > prim->max_args && prim->max_args >= 0))) {
        scm_wrong_args(vm, scm_cell(K(pc[-1]))->a, prim->min_args, prim->max_args, n);
        goto raise;
    }
    acc = prim->fn(vm, n, sp - n, prim->arg);
    if (SCM_UNLIKELY(acc == SCM_FAILED))
        goto raise;
    sp -= n;
    NEXT();
}

not_procedure:
    scm_wrong(vm, "call", "a procedure", acc);
    goto raise;

call_other:
    SYNC();
    if (!scm_is_cell(acc))
        goto not_procedure;
    switch (scm_cell(acc)->type) {
    case SCM_T_PRIM:
        goto call_primitive;
    case SCM_T_CASE: {
        scm_value clause = scm_choose_clause(acc, n);
        if (clause == SCM_FALSE) {
            scm_fail(vm, "%s: no clause takes %d argument%s", scm_procedure_name(acc), n,
                     n == 1 ? "" : "s");
            goto raise;
        }
        acc = clause;
        goto call_closure;
    }
    case SCM_T_PARAM:
        if (n != 0) {
            scm_wrong_args(vm, acc, 0, 0, n);
            goto raise;
        }
        acc = param_value(vm, acc);
        fp = sp;
        goto leave;
    case SCM_T_CONT: {
        scm_value k = acc, v = n == 1 ? sp[-1] : scm_make_values(vm, n, sp - n);
        if (vm->winders != ((struct scm_cont *)scm_ptr(scm_cell(k)->a))->winders) {
            sp -= n;
            *sp++ = k;
            *sp++ = v;
            n = 2;
            acc = scm_cell(vm->rewind_global)->a;
            goto call;
        }
        vm->escape_k = k;
        vm->escape_values = v;
        goto unwind;
    }
    default:
        goto not_procedure;
    }

call_primitive : {
    const struct scm_prim *prim = scm_ptr(scm_cell(acc)->a);
    if (n < prim->min_args || (n > prim->max_args && prim->max_args >= 0)) {
        scm_wrong_args(vm, acc, prim->min_args, prim->max_args, n);
        goto raise;
    }
    switch ((enum scm_special)prim->special) {
    case SCM_SP_NONE:
        acc = prim->fn(vm, n, sp - n, prim->arg);
        if (SCM_UNLIKELY(vm->escape_k != SCM_FALSE))
            goto unwind;
        if (SCM_UNLIKELY(acc == SCM_FAILED))
            goto raise;
        fp = sp - n;
        goto leave;
    case SCM_SP_APPLY: {
        scm_value list = sp[-1];
        acc = sp[-n];
        memmove(sp - n, sp - n + 1, (size_t)(n - 2) * sizeof *sp);
        vm->sp = sp - 2;
        int more = scm_apply_spread(vm, list);
        if (more < 0) {
            sp = vm->sp;
            goto raise;
        }
        sp = vm->sp;
        n = n - 2 + more;
        goto call;
    }
    case SCM_SP_APPLY_VALUES: {
        scm_value v = sp[-1];
        acc = sp[-2];
        sp -= 2;
        n = 1;
        if (scm_is(v, SCM_T_VALUES)) {
            n = (int)scm_count(v);
            vm->sp = sp;
            if (scm_stack_room(vm, (size_t)n + 64)) {
                scm_fail_kind(vm, "limit", "apply: too many values");
                goto raise;
            }
            memcpy(sp, scm_items(v), (size_t)n * sizeof *sp);
            sp += n;
        } else {
            *sp++ = v;
        }
        goto call;
    }
    case SCM_SP_CALLCC:
    case SCM_SP_CALLEC: {
        scm_value f = sp[-1];
        sp[-1] = scm_capture(vm, sp - 4, prim->special == SCM_SP_CALLEC);
        acc = f;
        goto call;
    }
    case SCM_SP_THROW:
        vm->escape_k = sp[-2];
        vm->escape_values = sp[-1];
        goto unwind;
    case SCM_SP_ABORT:
        vm->pending = sp[-1];
        return SCM_ABORTED;
    }
}

unwind:
    switch (scm_reinstate(vm, vm->escape_k)) {
    case 0:
        sp = vm->sp;
        fp = vm->fp;
        pc = vm->pc;
        cl = scm_cell(vm->closure);
        acc = vm->escape_values;
        vm->escape_k = vm->escape_values = SCM_FALSE;
        if (*pc == SCM_OP_HALT)
            goto op_HALT;
        consts = scm_code_of(cl)->consts;
        NEXT();
    case 1:
        return SCM_ESCAPING;
    default:
        vm->escape_k = vm->escape_values = SCM_FALSE;
        goto raise;
    }

stopped:
    if (failed == -2)
        return SCM_ABORTED;
raise: /* call the prelude's %raise from here */
    acc = vm->pending;
    vm->pending = SCM_FALSE;
    if (!vm->raise_global || scm_cell(vm->raise_global)->a == SCM_UNBOUND) {
        vm->pending = acc;
        return SCM_ABORTED;
    }
    sp[0] = scm_from_cell(cl);
    sp[1] = scm_fixnum(fp - vm->stack);
    sp[2] = tag_pc(pc);
    sp[3] = acc;
    sp += 4;
    n = 1;
    acc = scm_cell(vm->raise_global)->a;
    goto call;

    /* ---- closures ---- */
op_CLOSURE : {
    SYNC();
    const struct scm_code *code = scm_ptr(scm_cell(K(A))->a);
    acc = make_closure(vm, code);
    scm_value *to = captured(scm_cell(acc));
    for (uint32_t i = 0; i < code->free_count; i++) {
        uint32_t from = *pc++;
        if (from & SCM_CAPTURE_FREE)
            to[i] = captured(cl)[from & 0xffffff];
        else if (!(from & SCM_CAPTURE_LATER))
            to[i] = fp[from];
    }
    NEXT();
}
op_PATCH : {
    uint32_t where = *pc++;
    captured(scm_cell(fp[A]))[where >> 16] = fp[where & 0xffff];
    NEXT();
}

    /* ---- pairs ---- */
    PART(CAR, "car", a)
    PART(CDR, "cdr", b)
op_CADR:
    if (scm_is_pair_fast(acc) && scm_is_pair_fast(scm_cell(acc)->b)) {
        acc = scm_cell(scm_cell(acc)->b)->a;
        NEXT();
    }
    SYNC();
    scm_wrong(vm, "cadr", "a list of two or more", acc);
    goto raise;
op_CDDR:
    if (scm_is_pair_fast(acc) && scm_is_pair_fast(scm_cell(acc)->b)) {
        acc = scm_cell(scm_cell(acc)->b)->b;
        NEXT();
    }
    SYNC();
    scm_wrong(vm, "cddr", "a list of two or more", acc);
    goto raise;
op_CONS : {
    if (SCM_UNLIKELY(vm->bump == vm->bump_end))
        SYNC();
    struct scm_cell *cell = scm_alloc(vm, SCM_T_PAIR);
    cell->a = *--sp;
    cell->b = acc;
    acc = scm_from_cell(cell);
    NEXT();
}
op_NOT:
    acc = acc == SCM_FALSE ? SCM_TRUE : SCM_FALSE;
    NEXT();
op_NULLP:
    acc = acc == SCM_NIL ? SCM_TRUE : SCM_FALSE;
    NEXT();
op_PAIRP:
    acc = scm_is_pair_fast(acc) ? SCM_TRUE : SCM_FALSE;
    NEXT();
op_EQ:
    acc = *--sp == acc ? SCM_TRUE : SCM_FALSE;
    NEXT();
op_JUMP_NOT_NULL:
    if (acc != SCM_NIL)
        pc += SA;
    NEXT();
op_JUMP_NOT_PAIR:
    if (!scm_is_pair_fast(acc))
        pc += SA;
    NEXT();
op_JUMP_NOT_EQ:
    if (*--sp != acc)
        pc += SA;
    NEXT();

    /* ---- numbers: fixnums here, the rest in arith.c ---- */
op_ADD : {
    scm_value x = *--sp;
    int64_t sum;
    if (SCM_LIKELY(BOTH_FIXNUM(x, acc)) &&
        !__builtin_add_overflow((int64_t)x, (int64_t)(acc - 1), &sum)) {
        acc = (scm_value)sum;
        NEXT();
    }
    ARITH_SLOW(ADD, x, acc);
}
op_SUB : {
    scm_value x = *--sp;
    int64_t difference;
    if (SCM_LIKELY(BOTH_FIXNUM(x, acc)) &&
        !__builtin_sub_overflow((int64_t)x, (int64_t)(acc - 1), &difference)) {
        acc = (scm_value)difference;
        NEXT();
    }
    ARITH_SLOW(SUB, x, acc);
}
op_MUL : {
    scm_value x = *--sp;
    int64_t product;
    if (SCM_LIKELY(BOTH_FIXNUM(x, acc)) &&
        !__builtin_mul_overflow((int64_t)(x - 1), scm_fixnum_get(acc), &product)) {
        acc = (scm_value)product + 1;
        NEXT();
    }
    ARITH_SLOW(MUL, x, acc);
}
op_ADD_INT : {
    int64_t sum;
    if (SCM_LIKELY(scm_is_fixnum(acc)) &&
        !__builtin_add_overflow((int64_t)acc, (int64_t)SA * 4, &sum)) {
        acc = (scm_value)sum;
        NEXT();
    }
    if (SA < 0)
        ARITH_SLOW(SUB, acc, scm_fixnum(-(int64_t)SA));
    ARITH_SLOW(ADD, acc, scm_fixnum(SA));
}
op_ZEROP:
    if (SCM_LIKELY(scm_is_fixnum(acc))) {
        acc = acc == scm_fixnum(0) ? SCM_TRUE : SCM_FALSE;
        NEXT();
    }
    SYNC();
    acc = scm_compare(vm, SCM_OP_NUM_EQ, acc, scm_fixnum(0));
    if (acc == SCM_FAILED)
        goto raise;
    NEXT();
    COMPARE(LT, <)
    COMPARE(GT, >)
    COMPARE(LE, <=)
    COMPARE(GE, >=)
    COMPARE(NUM_EQ, ==)

    /* ---- vectors and strings ---- */
op_VECTOR_REF : {
    scm_value v = *--sp;
    if (SCM_LIKELY(scm_is(v, SCM_T_VECTOR) && scm_is_fixnum(acc) &&
                   (uint64_t)scm_fixnum_get(acc) < scm_count(v))) {
        acc = scm_items(v)[scm_fixnum_get(acc)];
        NEXT();
    }
    SYNC();
    if (scm_is(v, SCM_T_VECTOR))
        scm_wrong_index(vm, "vector-ref", acc, scm_count(v));
    else
        scm_wrong(vm, "vector-ref", "a vector", v);
    goto raise;
}
op_VECTOR_SET : {
    scm_value idx = sp[-1], v = sp[-2];
    sp -= 2;
    if (SCM_LIKELY(scm_is(v, SCM_T_VECTOR) && scm_is_fixnum(idx) &&
                   (uint64_t)scm_fixnum_get(idx) < scm_count(v))) {
        scm_items(v)[scm_fixnum_get(idx)] = acc;
        acc = SCM_VOID;
        NEXT();
    }
    SYNC();
    if (scm_is(v, SCM_T_VECTOR))
        scm_wrong_index(vm, "vector-set!", idx, scm_count(v));
    else
        scm_wrong(vm, "vector-set!", "a vector", v);
    goto raise;
}
op_STRING_REF : {
    scm_value s = *--sp;
    if (SCM_LIKELY(scm_is(s, SCM_T_STRING) && scm_is_fixnum(acc) &&
                   (uint64_t)scm_fixnum_get(acc) < scm_cell(s)->c)) {
        uint32_t cp;
        size_t at = scm_text_offset(s, (size_t)scm_fixnum_get(acc));
        scm_utf8_get(scm_text_of(s)->bytes + at, (size_t)scm_cell(s)->b - at, &cp);
        acc = scm_char(cp);
        NEXT();
    }
    SYNC();
    if (scm_is(s, SCM_T_STRING))
        scm_wrong_index(vm, "string-ref", acc, (size_t)scm_cell(s)->c);
    else
        scm_wrong(vm, "string-ref", "a string", s);
    goto raise;
}
}
