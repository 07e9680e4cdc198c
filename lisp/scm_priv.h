/* scm_priv.h: what the files of lisp/ share: the cell, the machine, the compiled code.
 *
 * Format:  a value is 64 bits: fixnum n<<2|1, cell pointer (low three bits 0), character cp<<8|2,
 *          special constants with low three bits 110. A cell is 32 bytes: a header (its type is
 *          the letter that the tracer shows) and three words.
 * Never:   moves a cell or the machine's stack: pointers into both stay good.
 */
#ifndef SCM_PRIV_H
#define SCM_PRIV_H

#include <setjmp.h>
#include <string.h>

#include "lisp/scm.h"
#include "tracer/buf.h"
#include "tracer/error.h"

#define SCM_LIKELY(x) __builtin_expect(!!(x), 1)
#define SCM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Free cells are poisoned under ASan. */
#if defined(__SANITIZE_ADDRESS__)
#define SCM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCM_ASAN 1
#endif
#endif
#ifdef SCM_ASAN
#include <sanitizer/asan_interface.h>
#define SCM_POISON(at, count_bytes) ASAN_POISON_MEMORY_REGION(at, count_bytes)
#define SCM_UNPOISON(at, count_bytes) ASAN_UNPOISON_MEMORY_REGION(at, count_bytes)
#else
#define SCM_POISON(at, count_bytes) ((void)(at))
#define SCM_UNPOISON(at, count_bytes) ((void)(at))
#endif

/* ---- values ------------------------------------------------------------------------------ */

#define SCM_UNBOUND ((scm_value)0x2e)   /* a global without a value */
#define SCM_UNDEFINED ((scm_value)0x36) /* a letrec variable before its definition */
#define SCM_FAILED ((scm_value)0x3e)    /* a primitive failed: vm->pending is the condition */
#define SCM_ABSENT ((scm_value)0x46)    /* no such thing; never seen by programs */
#define SCM_DEFAULT ((scm_value)0x4e)   /* an optional argument not given */

#define SCM_FIXNUM_MAX (((int64_t)1 << 61) - 1)
#define SCM_FIXNUM_MIN (-((int64_t)1 << 61))

/* The types, their letters and their names in the tracer's legend. */
#define SCM_TYPES(X)                                                                               \
    X(PAIR, 'p', "pair")                                                                           \
    X(FLONUM, 'f', "flonum")                                                                       \
    X(BIGNUM, 'z', "big integer")                                                                  \
    X(RATIO, 'j', "fraction")                                                                      \
    X(STRING, 's', "string")                                                                       \
    X(SYMBOL, 'y', "symbol")                                                                       \
    X(VECTOR, 'v', "vector")                                                                       \
    X(BYTEVECTOR, 'b', "bytevector")                                                               \
    X(CLOSURE, 'c', "closure")                                                                     \
    X(CASE, 'l', "case-lambda")                                                                    \
    X(PRIM, 'o', "primitive")                                                                      \
    X(CONT, 'k', "continuation")                                                                   \
    X(PARAM, 'q', "parameter")                                                                     \
    X(BOX, 'x', "box")                                                                             \
    X(GLOBAL, 'g', "global")                                                                       \
    X(CODE, 'd', "code")                                                                           \
    X(MACRO, 'm', "macro")                                                                         \
    X(ALIAS, 'a', "identifier")                                                                    \
    X(ERROR, 'e', "condition")                                                                     \
    X(RECORD, 'r', "record")                                                                       \
    X(RTD, 't', "record type")                                                                     \
    X(PORT, 'i', "port")                                                                           \
    X(FOREIGN, 'w', "foreign object")                                                              \
    X(PROMISE, 'h', "promise")                                                                     \
    X(VALUES, 'u', "multiple values")                                                              \
    X(ENV, 'n', "environment")

enum scm_type {
#define X(id, letter, name) SCM_T_##id = letter,
    SCM_TYPES(X)
#undef X
};
#define SCM_T_FREE '.'

/* Flags of a cell. */
#define SCM_POSITIONED 1u /* from the reader; a pair's aux is the file, c the positions */
#define SCM_TAIL_CALLED                                                                            \
    4u /* a global of the core whose procedure must be called in tail position */
#define SCM_ESCAPE_ONLY 2u /* a continuation that can only be left for, and holds no stack */

struct scm_cell {
    uint8_t type;
    uint8_t flags;
    uint16_t small;
    uint32_t aux;
    scm_value a, b, c;
};

/* What a, b and c are:
 * PAIR car, cdr, positions (own low 32 bits, the car's high) · FLONUM the bits · BIGNUM, RATIO see
 * number_priv.h · STRING payload, bytes, characters · SYMBOL payload, bytes, hash · VECTOR items,
 * (inline items) with aux the count · BYTEVECTOR bytes, count · CLOSURE code, one or two captured
 * values, or a pointer to more (small: the count) · CASE items of closures like VECTOR · PRIM
 * struct scm_prim · CONT struct scm_cont · PARAM value, converter · BOX value · GLOBAL value, name,
 * home environment with aux the inline operation · CODE struct scm_code · MACRO rules, scope ·
 * ALIAS name, scope · ERROR message, irritants, (kind . where) · RECORD items like VECTOR, the type
 * first · RTD name, field names · PORT struct scm_port · FOREIGN type, object, fini · PROMISE a box
 * of (done . value) · VALUES items like VECTOR · ENV struct scm_env */

static inline int scm_is_cell(scm_value v)
{
    return (v & 7) == 0;
}

static inline struct scm_cell *scm_cell(scm_value v)
{
    return (struct scm_cell *)(uintptr_t)v;
}

static inline int scm_is(scm_value v, enum scm_type type)
{
    return scm_is_cell(v) && scm_cell(v)->type == (uint8_t)type;
}

static inline scm_value scm_from_cell(const struct scm_cell *cell)
{
    return (scm_value)(uintptr_t)cell;
}

static inline int scm_is_fixnum(scm_value v)
{
    return (v & 1) != 0;
}

static inline int64_t scm_fixnum_get(scm_value v)
{
    return (int64_t)v >> 2;
}

static inline scm_value scm_fixnum(int64_t n)
{
    return ((scm_value)n << 2) | 1;
}

static inline int scm_is_char(scm_value v)
{
    return (v & 7) == 2;
}

static inline scm_value scm_char(uint32_t cp)
{
    return ((scm_value)cp << 8) | 2;
}

static inline uint32_t scm_char_get(scm_value v)
{
    return (uint32_t)(v >> 8);
}

static inline scm_value scm_bool(int truth)
{
    return truth ? SCM_TRUE : SCM_FALSE;
}

static inline scm_value *scm_items(scm_value v) /* of VECTOR, RECORD, CASE, VALUES */
{
    return (scm_value *)(uintptr_t)scm_cell(v)->a;
}

static inline uint32_t scm_count(scm_value v)
{
    return scm_cell(v)->aux;
}

static inline void *scm_ptr(scm_value word)
{
    return (void *)(uintptr_t)word;
}

static inline double scm_flonum_get(scm_value v)
{
    double x;
    memcpy(&x, &scm_cell(v)->a, sizeof x);
    return x;
}

/* ---- strings ------------------------------------------------------------------------------ */

/* A string's bytes, with the last place that was looked up, so that walking text that is not ASCII
 * by index is not quadratic. */
struct scm_text {
    size_t room_bytes;
    uint32_t at_char, at_byte;
    char bytes[];
};

static inline struct scm_text *scm_text_of(scm_value v)
{
    return scm_ptr(scm_cell(v)->a);
}

/* ---- compiled code ------------------------------------------------------------------------ */

typedef uint64_t scm_pos; /* file << 32 | line << 12 | column; 0: not known */

struct scm_line {
    uint32_t op_idx;
    uint32_t line_column;
};

struct scm_code {
    scm_value cell;         /* the cell that owns this */
    uint32_t *ops;          /* owned */
    scm_value *consts;      /* owned */
    struct scm_line *lines; /* owned; by op_idx */
    scm_value name;         /* symbol, or SCM_FALSE */
    uint32_t op_count, const_count, line_count;
    uint32_t file;
    uint32_t frame_slots; /* the most stack it uses above its arguments */
    uint16_t min_args;
    uint16_t free_count;
    uint8_t rest;   /* takes more arguments as a list */
    uint8_t system; /* of the prelude: not where an error is shown */
    size_t payload_bytes;
};

struct scm_prim {
    scm_prim_fn fn;
    void *arg;
    char *name; /* owned */
    int min_args, max_args;
    int special; /* enum scm_special: done by the machine itself */
};

/* Procedures that the machine does itself, since they call in tail position. */
enum scm_special {
    SCM_SP_NONE,
    SCM_SP_APPLY,
    SCM_SP_APPLY_VALUES, /* (%apply-values proc values) */
    SCM_SP_CALLCC,
    SCM_SP_CALLEC,
    SCM_SP_THROW, /* (%throw k values): without rewinding */
    SCM_SP_ABORT, /* (%abort condition): end this run */
};

struct scm_run;
struct scope;

struct scm_cont {
    size_t slot_count;
    size_t base_idx; /* where in the stack they belong */
    uint64_t run_id;
    size_t fp_idx;
    scm_value closure, handlers, params, winders;
    uint32_t *pc;
    scm_value slots[];
};

/* ---- environments and libraries ----------------------------------------------------------- */

/* Identifier to GLOBAL, MACRO or special-form constant. Open addressing. */
struct scm_env {
    scm_value *keys, *values; /* owned */
    uint32_t count, room;
    scm_value name;    /* list, or SCM_FALSE */
    scm_value exports; /* association list: outer name to inner */
    int is_core;
    int defined_count;    /* definitions made here, not imports */
    struct scope *scope;  /* owned: where its top-level forms are expanded */
    struct scm_env *next; /* of vm->envs */
};

/* ---- arenas ------------------------------------------------------------------------------- */

struct scm_arena {
    char *bytes; /* owned */
    size_t used, room, high_water;
    struct scm_spill *spills; /* owned: what did not fit */
    size_t spilled_bytes;
    struct mc_arena *traced;
};

struct scm_arena_mark {
    size_t used;
    struct scm_spill *spills;
};

/* ---- the machine -------------------------------------------------------------------------- */

/* One activation of the machine from C. */
struct scm_run {
    jmp_buf jump;
    struct scm_run *up;
    uint64_t id;
    scm_value *base; /* of the stack at entry */
    uint32_t root_count;
    int gc_off;
    struct scm_arena_mark mark;
    scm_value *outer_fp; /* the machine's registers before it; its closure lies at base */
    uint32_t *outer_pc;
};

struct scm_root_ref {
    scm_value value;
    uint32_t next_free;
};

struct scm_vm {
    /* the allocator's hot part */
    struct scm_cell *bump, *bump_end;
    uint8_t *letters; /* owned: each cell's type, '.' when free */
    struct mc_slab *slab;
    struct scm_cell *cells; /* owned */

    /* the machine's registers, when it is not running */
    scm_value *stack, *stack_end, *stack_soft, *stack_hard, *sp, *fp; /* stack owned */
    uint32_t *pc;
    scm_value closure, acc;
    int64_t fuel;       /* calls and jumps until the next look at the clock */
    int64_t fuel_given; /* in all: less what is left, the calls and jumps that were made */
    scm_value handlers, params, winders;
    scm_value pending;   /* the condition of SCM_FAILED */
    scm_value oom_error; /* made in time: when cells are short there is none for one */
    scm_value escape_k, escape_values; /* a continuation on its way out through C */
    struct scm_run *run;
    uint64_t run_ids;

    /* heap */
    uint8_t *marks;       /* owned */
    uint32_t *mark_stack; /* owned: cell_count entries */
    uint32_t cell_count, reserve_count, used_count, threshold_count, scan_idx;
    int gc_off, gc_stress, out_of_cells;
    size_t payload_bytes, payload_threshold_bytes, payload_limit_bytes;
    struct mc_heap *heap;
    struct mc_tracer *tracer;
    uint64_t gc_count, gc_max_ns, gc_total_ns;

    /* symbols: a weak table */
    scm_value *symbols; /* owned */
    uint32_t symbol_count, symbol_room;

    /* roots */
    scm_value **roots; /* owned */
    uint32_t root_count, root_room;
    struct scm_root_ref *refs; /* owned */
    uint32_t ref_count, ref_room, ref_free;

    /* files that positions speak of */
    char **files; /* owned */
    uint32_t file_count, file_room;

    struct scm_arena scratch, request;
    int in_request;
    struct mc_buf *free_buf;

    /* libraries */
    struct scm_env *envs; /* owned: all of them */
    struct scm_env *core, *user;
    struct scm_env *load_env; /* where `load` and `eval` put definitions by default */
    scm_value lib_list;       /* association list: name to ENV cell */

    /* well-known globals of the prelude, as cells */
    scm_value raise_global, rewind_global;

    uint64_t deadline_budget_ns, deadline_ns;
    int deadline_hit;
    int exit_status;
    int load_depth;
    char *load_dir; /* owned */
    scm_value out_port, in_port, err_port;
    int system_code; /* compiling the prelude */
    char *c_stack;   /* where the C stack was when the run began */
};

/* heap.c */
struct scm_cell *scm_alloc_slow(struct scm_vm *vm, uint8_t type);
int scm_heap_init(struct scm_vm *vm, const struct scm_options *opts);
void scm_heap_fini(struct scm_vm *vm);
/* Accounted memory outside the cells. NULL past the limit: the caller fails with
 * scm_no_memory. May collect. */
void *scm_payload(struct scm_vm *vm, size_t count_bytes);
void scm_payload_free(struct scm_vm *vm, void *payload, size_t count_bytes);
/* Leave the primitive with a "memory" condition; inside a run this does not return. */
scm_value scm_no_memory(struct scm_vm *vm, size_t wanted_bytes);
/* Make "all cells are in use" the pending condition. Takes no cell. */
void scm_out_of_cells(struct scm_vm *vm);
void scm_heap_publish(struct scm_vm *vm);
void *scm_temp(struct scm_vm *vm, size_t count_bytes); /* in the current arena; NULL: no memory */
struct scm_arena *scm_arena_now(struct scm_vm *vm);
struct scm_arena_mark scm_arena_mark(struct scm_vm *vm);
void scm_arena_release(struct scm_vm *vm, struct scm_arena_mark mark);
int scm_arena_init(struct scm_arena *arena, struct mc_tracer *tracer, const char *name,
                   size_t room_bytes);
void scm_arena_fini(struct scm_arena *arena);
/* Set room for `more` pushes onto the machine's stack by C; 0, or -1 at the limit. */
int scm_stack_room(struct scm_vm *vm, size_t more);

/* gc.c */
void scm_collect(struct scm_vm *vm);
void scm_cell_drop(struct scm_vm *vm, struct scm_cell *cell);

static inline struct scm_cell *scm_alloc(struct scm_vm *vm, uint8_t type)
{
    struct scm_cell *cell = vm->bump;
    if (SCM_UNLIKELY(cell == vm->bump_end))
        return scm_alloc_slow(vm, type);
    vm->bump = cell + 1;
    SCM_UNPOISON(cell, sizeof *cell);
    vm->used_count++;
    size_t idx = (size_t)(cell - vm->cells);
    vm->letters[idx] = type;
    if (vm->slab)
        mc_slot_set(vm->slab, (uint32_t)idx, type, 0, 0);
    memcpy(cell, &(uint64_t){type}, 8);
    return cell;
}

/* values.c */
scm_value scm_flonum(struct scm_vm *vm, double x);
scm_value scm_intern(struct scm_vm *vm, const char *name, size_t name_bytes);
scm_value scm_make_items(struct scm_vm *vm, enum scm_type type, size_t count, scm_value fill);
scm_value scm_make_vector(struct scm_vm *vm, size_t count, scm_value fill);
scm_value scm_make_bytes(struct scm_vm *vm, size_t count); /* not filled */
/* A string of text_bytes bytes, not yet filled; char_count SIZE_MAX: count after filling. */
scm_value scm_make_text(struct scm_vm *vm, size_t text_bytes, size_t char_count);
scm_value scm_box(struct scm_vm *vm, scm_value v);
scm_value scm_list_reverse(scm_value list); /* in place */
int64_t scm_list_length(scm_value list);    /* -1: not a proper list */
scm_value scm_make_values(struct scm_vm *vm, int count, const scm_value *values);
int scm_eqv(scm_value a, scm_value b);
int scm_equal(struct scm_vm *vm, scm_value a, scm_value b);
const char *scm_type_name(scm_value v);
/* UTF-8 */
size_t scm_utf8_count(const char *text, size_t text_bytes);
int scm_utf8_put(char *out, uint32_t cp);
int scm_utf8_get(const char *text, size_t text_bytes, uint32_t *cp); /* bytes taken, at least 1 */
int scm_utf8_valid(const char *text, size_t text_bytes);
size_t scm_text_offset(scm_value string, size_t char_idx);

/* number.c: > 0 a number in *out; 0 it is none; < 0 it is one that can't be: *why, or vm->pending.
 */
int scm_number_parse(struct scm_vm *vm, const char *text, size_t text_bytes, int radix,
                     scm_value *out, const char **why);
void scm_number_print(scm_value v, int radix, struct mc_buf *out);

/* print.c */
void scm_print_to(struct scm_vm *vm, scm_value v, int display, int simple, struct mc_buf *out);

/* reader.c */
struct scm_reader {
    struct scm_vm *vm;
    const char *text, *end, *at;
    uint32_t file, line, column;
    int fold_case;
    uint64_t datum_pos; /* scm_pos of the last datum */
    struct scm_error *err;
};
void scm_reader_init(struct scm_reader *r, struct scm_vm *vm, const char *name, const char *text,
                     size_t text_bytes, struct scm_error *err);
/* The next datum; SCM_EOF at the end. 0, MC_EFORMAT (err), MC_ENOMEM (err). The error's kind is
 * "read"; *incomplete (may be NULL) tells that more text could complete it. */
int scm_read(struct scm_reader *r, scm_value *out, int *incomplete);

/* env.c */
struct scm_env *scm_env_new(struct scm_vm *vm, scm_value name);
scm_value scm_env_get(const struct scm_env *env, scm_value id); /* SCM_ABSENT */
void scm_env_put(struct scm_vm *vm, struct scm_env *env, scm_value id, scm_value binding);
void scm_env_clear(struct scm_env *env);
scm_value scm_global_for(struct scm_vm *vm, struct scm_env *env, scm_value id);
scm_value scm_global_define(struct scm_vm *vm, struct scm_env *env, scm_value id);
struct scm_env *scm_library_find(struct scm_vm *vm, scm_value name);
struct scm_env *scm_library_make(struct scm_vm *vm, scm_value name);
int scm_library_init(struct scm_vm *vm);
uint32_t scm_file_id(struct scm_vm *vm, const char *name);
void scm_where(struct scm_vm *vm, scm_pos pos, char *buf, size_t buf_bytes);
scm_value scm_core(struct scm_vm *vm, const char *name); /* the core's binding */

/* compile.c */
/* Compile one top-level form to a closure of no arguments. Definitions go to env. `pos` is its
 * place when the form is no pair that has one; 0 not known. */
int scm_compile(struct scm_vm *vm, struct scm_env *env, scm_value form, scm_pos pos,
                scm_value *closure, struct scm_error *err);

/* vm.c */
scm_value scm_make_error(struct scm_vm *vm, const char *kind, scm_value message,
                         scm_value irritants);
int scm_run_call(struct scm_vm *vm, scm_value proc, int argc, const scm_value *argv, scm_value *out,
                 struct scm_error *err);
scm_value scm_fail_kind(struct scm_vm *vm, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Is the deadline past? For what may take long within one primitive: asks the clock only when
 * scm_work has used up what was left until the next look. */
int scm_is_late(const struct scm_vm *vm);
/* Leave the primitive with vm->pending; only inside a run. */
void scm_throw(struct scm_vm *vm) __attribute__((noreturn));
void scm_locate(struct scm_vm *vm, char *buf, size_t buf_bytes);
int scm_error_fill(struct scm_vm *vm, scm_value condition, struct scm_error *err);
const char *scm_procedure_name(scm_value proc);
/* Fails "car: expected a pair, got 5". */
scm_value scm_wrong(struct scm_vm *vm, const char *who, const char *expected, scm_value got);
scm_value scm_wrong_index(struct scm_vm *vm, const char *who, scm_value idx, size_t count);

/* arith.c: enum scm_op ADD, SUB, MUL and the comparisons, on any numbers. SCM_FAILED with a
 * condition when they can't. */
scm_value scm_arith(struct scm_vm *vm, int op, scm_value a, scm_value b);
scm_value scm_compare(struct scm_vm *vm, int op, scm_value a, scm_value b);

/* So many calls and jumps from now on until the next look at the clock. */
static inline void scm_refuel(struct scm_vm *vm, int64_t fuel)
{
    vm->fuel_given += fuel - vm->fuel;
    vm->fuel = fuel;
}

/* A primitive has done this much (cells walked, words copied): long ones count as so many calls, so
 * that the clock is looked at in time. */
static inline void scm_work(struct scm_vm *vm, size_t steps)
{
    vm->fuel -= (int64_t)(steps / 16);
}

/* execute.c */
enum scm_outcome { SCM_DONE, SCM_ABORTED, SCM_ESCAPING };
/* Call vm->acc with the argc values on top of the stack (a frame lies below them), or go on by
 * raising vm->pending. */
enum scm_outcome scm_execute(struct scm_vm *vm, int argc, int raising);
extern uint32_t scm_halt_ops[1];

/* cont.c */
scm_value scm_capture(struct scm_vm *vm, scm_value *frame, int escape_only);
/* 0 done: registers are set; 1 the machine must leave this run; -1 failed */
int scm_reinstate(struct scm_vm *vm, scm_value k);
int scm_apply_spread(struct scm_vm *vm, scm_value list); /* items pushed, or -1 failed */
uint64_t scm_now_ns(void);

/* api.c */
int scm_error_set(struct scm_error *err, int code, const char *kind, const char *where,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
int scm_run_text(struct scm_vm *vm, struct scm_env *env, const char *name, const char *text,
                 size_t text_bytes, scm_value *out, struct scm_error *err);
int scm_run_file(struct scm_vm *vm, struct scm_env *env, const char *path, struct scm_error *err);
int scm_slurp(const char *path, char **text, size_t *text_bytes);

#endif
