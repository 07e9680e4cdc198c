/* scm.h: the Scheme, for C that embeds it.
 *
 * Owns:    one heap of cells (the slab `lval`), a scratch arena, the compiled code.
 * Threads: one thread per VM; VMs share nothing.
 * Never:   aborts on bad programs: every failure of Scheme code is a condition, and reaches C as
 *          struct scm_error. No input chooses the depth of C recursion.
 *
 * Rooting: a value that C holds across a call which may allocate is rooted with scm_push_root, or
 *          kept with scm_ref. Arguments of a primitive are rooted by the VM during the call.
 */
#ifndef SCM_H
#define SCM_H

#include <stddef.h>
#include <stdint.h>

#include "tracer/memcam.h"

struct mc_buf;
struct scm_vm;
typedef uint64_t scm_value; /* immediate, or a cell */

struct scm_options {
    struct mc_tracer *tracer; /* borrowed; NULL: not traced */
    uint32_t cell_count;      /* slots of `lval`; default 262,144 */
    size_t scratch_bytes;     /* default 1 MiB */
    int gc_stress;            /* collect at every allocation (tests) */
    size_t payload_bytes;     /* limit of strings, vectors … outside the cells; default 256 MiB */
};

struct scm_error {
    char message[512]; /* "car: expected a pair, got 5" */
    char where[320];   /* "app.scm:12:7"; "" when not known */
    char kind[32];     /* "syntax", "read", "error", "file", "limit", "memory", "raise", "exit" */
};

struct scm_vm *scm_vm_new(const struct scm_options *opts); /* NULL: no memory */
void scm_vm_free(struct scm_vm *vm);

/* Read, compile and run a file, or text (`name` stands for the file in positions). 0, or a
 * negative code of tracer/error.h with *err filled. The VM stays usable after an error. */
int scm_load_file(struct scm_vm *vm, const char *path, struct scm_error *err);
int scm_eval_text(struct scm_vm *vm, const char *name, const char *text, size_t text_bytes,
                  scm_value *out, struct scm_error *err);

/* The status that (exit …) asked for, after a call failed with kind "exit". */
int scm_exit_status(const struct scm_vm *vm);

/* Call a procedure. Re-entrant from primitives. */
int scm_call(struct scm_vm *vm, scm_value proc, int argc, const scm_value *argv, scm_value *out,
             struct scm_error *err);

/* Stop a call that runs longer: checked every few thousand instructions. 0: no bound. */
void scm_set_deadline(struct scm_vm *vm, uint64_t budget_ns);

/* Calls and jumps that the machine has made since it began, and as much for longer primitives. */
uint64_t scm_step_count(const struct scm_vm *vm);

/* A primitive: returns its value, or scm_fail(...). argv is borrowed for the call. */
typedef scm_value (*scm_prim_fn)(struct scm_vm *vm, int argc, const scm_value *argv, void *arg);
/* Define it in library `library` ("(memcam http)"), made when new. max_args -1: any number. */
int scm_define_prim(struct scm_vm *vm, const char *library, const char *name, scm_prim_fn fn,
                    int min_args, int max_args, void *arg);
/* Raise an error condition from a primitive: `return scm_fail(vm, "respond: …")`. */
scm_value scm_fail(struct scm_vm *vm, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The place of the call that runs now, for a primitive that notes it: "app.scm:12:7", or "". */
void scm_here(struct scm_vm *vm, char *buf, size_t buf_bytes);

/* Run one request's evaluation in an arena of its own: temporaries (argument vectors, string
 * building, printing) go there and are dropped at end; its high-water mark comes back. Nest never.
 */
void scm_request_begin(struct scm_vm *vm, uint64_t conn_id);
size_t scm_request_end(struct scm_vm *vm);

/* ---- values ---------------------------------------------------------------------------------- */

#define SCM_FALSE ((scm_value)0x06)
#define SCM_TRUE ((scm_value)0x0e)
#define SCM_NIL ((scm_value)0x16)
#define SCM_VOID ((scm_value)0x1e)
#define SCM_EOF ((scm_value)0x26)

int scm_is_pair(scm_value v);
int scm_is_string(scm_value v);
int scm_is_symbol(scm_value v);
int scm_is_bytevector(scm_value v);
int scm_is_vector(scm_value v);
int scm_is_integer(scm_value v); /* exact, within 62 bits */
int scm_is_real(scm_value v);    /* any number */
int scm_is_procedure(scm_value v);

scm_value scm_car(scm_value pair);
scm_value scm_cdr(scm_value pair);
scm_value scm_cons(struct scm_vm *vm, scm_value car, scm_value cdr);
scm_value scm_integer(int64_t n); /* within 62 bits */
int64_t scm_integer_get(scm_value v);
/* Exact integers of any size as decimal digits: append them (0 when v is no exact integer), and
 * make one of at most 400 digits, with or without a minus. */
int scm_integer_text(scm_value v, struct mc_buf *out);
scm_value scm_integer_parse(struct scm_vm *vm, const char *text, size_t text_bytes);
double scm_real_get(scm_value v); /* the nearest, of any number */
scm_value scm_real(struct scm_vm *vm, double x);
scm_value scm_string(struct scm_vm *vm, const char *text, size_t text_bytes); /* UTF-8; copies */
scm_value scm_bytevector(struct scm_vm *vm, const uint8_t *bytes, size_t count);
scm_value scm_symbol(struct scm_vm *vm, const char *name);
/* Borrowed until the next allocation; UTF-8, not NUL-terminated. Works on strings and symbols. */
const char *scm_text(scm_value v, size_t *text_bytes);
const uint8_t *scm_bytes(scm_value bytevector, size_t *count);
size_t scm_vector_length(scm_value v);
scm_value scm_vector_get(scm_value v, size_t idx);

/* A C object inside a Scheme value; `type` is compared by address. `fini` (may be NULL) is called
 * when it is collected. scm_foreign_get gives NULL for another type or after scm_foreign_clear. */
scm_value scm_foreign(struct scm_vm *vm, const char *type, void *object, void (*fini)(void *));
void *scm_foreign_get(scm_value v, const char *type);
void scm_foreign_clear(scm_value v);

/* Append the value as `write` (or `display`) shows it; cycles are shown with datum labels. */
void scm_print(struct scm_vm *vm, scm_value v, int display, struct mc_buf *out);

/* Roots: a stack for C frames, and counted handles for what lives long. */
void scm_push_root(struct scm_vm *vm, scm_value *slot);
void scm_pop_root(struct scm_vm *vm, int count);
uint32_t scm_ref(struct scm_vm *vm, scm_value v);
scm_value scm_ref_get(struct scm_vm *vm, uint32_t ref);
void scm_unref(struct scm_vm *vm, uint32_t ref);

#endif
