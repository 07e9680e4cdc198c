/* api.c: what scm.h promises to C. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lisp/number_priv.h"
#include "lisp/op.h"
#include "lisp/port_priv.h"

#define MAX_SOURCE_BYTES ((size_t)256 << 20)

int scm_error_set(struct scm_error *err, int code, const char *kind, const char *where,
                  const char *format, ...)
{
    va_list args;
    if (!err)
        return code;
    memset(err, 0, sizeof *err);
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    snprintf(err->kind, sizeof err->kind, "%s", kind);
    snprintf(err->where, sizeof err->where, "%s", where);
    return code;
}

/* ---- the VM --------------------------------------------------------------------------------- */

static scm_value make_prim(struct scm_vm *vm, const struct scm_prim_def *def, void *arg)
{
    struct scm_prim *prim = calloc(1, sizeof *prim); /* owned by the cell */
    char *name = strdup(def->name);
    struct scm_cell *cell = prim && name ? scm_alloc(vm, SCM_T_PRIM) : NULL;
    if (!prim || !name || !cell) {
        free(prim);
        free(name);
        return SCM_FALSE;
    }
    *prim = (struct scm_prim){def->fn, arg, NULL, def->min_args, def->max_args, def->special};
    prim->name = name;
    cell->a = (scm_value)(uintptr_t)prim;
    return scm_from_cell(cell);
}

static int define_in(struct scm_vm *vm, struct scm_env *env, const struct scm_prim_def *def,
                     void *arg)
{
    int gc_off = vm->gc_off++;
    scm_value prim = make_prim(vm, def, arg);
    scm_value global = scm_global_define(vm, env, scm_symbol(vm, def->name));
    vm->gc_off = gc_off;
    if (prim == SCM_FALSE || !scm_is(global, SCM_T_GLOBAL))
        return MC_ENOMEM;
    scm_cell(global)->a = prim;
    scm_cell(global)->aux = (uint32_t)def->inline_op;
    return 0;
}

static int define_all(struct scm_vm *vm)
{
    static const struct scm_prim_def *const tables[] = {
#define X(name) scm_prims_##name,
        SCM_PRIM_TABLES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct scm_prim_def *def = tables[i]; def->name; def++) {
            int code = define_in(vm, vm->core, def, NULL);
            if (code)
                return code;
        }
    }
    return 0;
}

static scm_value port_param(struct scm_vm *vm, const char *name, int input, int fd)
{
    scm_value port = scm_make_port(vm, input, 0, fd);
    struct scm_cell *cell = scm_alloc(vm, SCM_T_PARAM);
    scm_value global = scm_global_define(vm, vm->core, scm_symbol(vm, name));
    if (!cell || !scm_is(port, SCM_T_PORT) || !scm_is(global, SCM_T_GLOBAL))
        return SCM_FALSE;
    cell->a = port;
    cell->b = SCM_FALSE;
    scm_cell(global)->a = scm_from_cell(cell);
    return scm_from_cell(cell);
}

static int boot(struct scm_vm *vm)
{
    struct scm_error err;
    int code = scm_library_init(vm);
    if (!code)
        code = define_all(vm);
    if (code)
        return code;
    vm->in_port = port_param(vm, "current-input-port", 1, 0);
    vm->out_port = port_param(vm, "current-output-port", 0, 1);
    vm->err_port = port_param(vm, "current-error-port", 0, 2);
    scm_fail_kind(vm, "memory", "out of memory: all %u cells are in use", vm->cell_count);
    vm->oom_error = vm->pending;
    scm_cell(scm_cell(vm->oom_error)->c)->b = scm_make_text(vm, 320, 0);
    scm_out_of_cells(vm);
    vm->pending = SCM_FALSE;
    vm->raise_global = scm_global_define(vm, vm->core, scm_symbol(vm, "%raise-hook"));
    vm->rewind_global = scm_global_define(vm, vm->core, scm_symbol(vm, "%rewind-throw"));
    vm->system_code = 1;
    code = scm_run_text(vm, vm->core, "prelude", scm_prelude, strlen(scm_prelude), NULL, &err);
    vm->system_code = 0;
    if (code) {
        fprintf(stderr, "scheme prelude: %s: %s\n", err.where, err.message);
        return code;
    }
    static const char *const tail_called[] = {
        "call/cc", "call-with-current-continuation", "call-with-values", "eval", "force", "%leave"};
    for (size_t i = 0; i < sizeof tail_called / sizeof *tail_called; i++)
        scm_cell(scm_core(vm, tail_called[i]))->flags |= SCM_TAIL_CALLED;
    return scm_library_init(vm);
}

struct scm_vm *scm_vm_new(const struct scm_options *opts)
{
    struct scm_vm *vm = calloc(1, sizeof *vm);
    if (!vm)
        return NULL;
    vm->closure = vm->acc = vm->pending = vm->escape_k = vm->escape_values = SCM_FALSE;
    vm->oom_error = SCM_FALSE;
    vm->handlers = vm->params = vm->winders = vm->lib_list = SCM_NIL;
    vm->in_port = vm->out_port = vm->err_port = SCM_FALSE;
    vm->fuel = vm->fuel_given = 4096;
    if (scm_heap_init(vm, opts)) {
        scm_vm_free(vm);
        return NULL;
    }
    /* nothing is collected until the well-known values are all in place */
    vm->gc_off = 1;
    int code = boot(vm);
    vm->gc_off = 0;
    vm->gc_stress = opts ? opts->gc_stress : 0;
    if (code) {
        scm_vm_free(vm);
        return NULL;
    }
    scm_collect(vm);
    vm->gc_count = vm->gc_max_ns = vm->gc_total_ns = 0;
    return vm;
}

void scm_vm_free(struct scm_vm *vm)
{
    if (!vm)
        return;
    scm_heap_fini(vm);
    while (vm->envs) {
        struct scm_env *env = vm->envs;
        vm->envs = env->next;
        free(env->keys);
        free(env->values);
        free(env->scope);
        free(env);
    }
    for (uint32_t i = 0; i < vm->file_count; i++)
        free(vm->files[i]);
    free(vm->files);
    free(vm->symbols);
    free(vm->roots);
    free(vm->refs);
    free(vm->load_dir);
    free(vm);
}

int scm_exit_status(const struct scm_vm *vm)
{
    return vm->exit_status;
}

/* ---- running text --------------------------------------------------------------------------- */

int scm_slurp(const char *path, char **text, size_t *text_bytes)
{
    FILE *file = fopen(path, "rb");
    struct mc_buf buf = {0};
    if (!file)
        return mc_error_from_errno(errno);
    for (;;) {
        uint8_t *to = mc_buf_reserve(&buf, 65536);
        size_t count = to ? fread(to, 1, 65536, file) : 0;
        buf.count += count;
        if (count == 0 || buf.count > MAX_SOURCE_BYTES)
            break;
    }
    int code = buf.failed ? MC_ENOMEM : ferror(file) ? MC_EIO : 0;
    if (!code && buf.count > MAX_SOURCE_BYTES)
        code = MC_ELIMIT;
    fclose(file);
    if (code) {
        mc_buf_fini(&buf);
        return code;
    }
    *text = (char *)buf.bytes;
    *text_bytes = buf.count;
    return 0;
}

int scm_run_text(struct scm_vm *vm, struct scm_env *env, const char *name, const char *text,
                 size_t text_bytes, scm_value *out, struct scm_error *err)
{
    struct scm_reader reader;
    scm_value form = SCM_FALSE, closure = SCM_FALSE, result = SCM_VOID;
    int code = 0;
    scm_push_root(vm, &form);
    scm_push_root(vm, &closure);
    scm_push_root(vm, &result);
    scm_reader_init(&reader, vm, name, text, text_bytes, err);
    while (!code) {
        code = scm_read(&reader, &form, NULL);
        if (code || form == SCM_EOF)
            break;
        code = scm_compile(vm, env, form, reader.datum_pos, &closure, err);
        if (!code)
            code = scm_run_call(vm, closure, 0, NULL, &result, err);
    }
    scm_pop_root(vm, 3);
    if (!code && out)
        *out = result;
    return code;
}

int scm_eval_text(struct scm_vm *vm, const char *name, const char *text, size_t text_bytes,
                  scm_value *out, struct scm_error *err)
{
    return scm_run_text(vm, vm->user, name, text, text_bytes, out, err);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
}

int scm_run_file(struct scm_vm *vm, struct scm_env *env, const char *path, struct scm_error *err)
{
    char *text, *outer = vm->load_dir;
    size_t text_bytes;
    if (vm->load_depth >= 64)
        return scm_error_set(err, MC_ELIMIT, "limit", path,
                             "files that load each other too deeply");
    int code = scm_slurp(path, &text, &text_bytes);
    if (code)
        return scm_error_set(err, code, "file", path, "cannot read %.300s: %s", path,
                             mc_strerror(code));
    vm->load_dir = folder_of(path);
    vm->load_depth++;
    code = scm_run_text(vm, env, path, text ? text : "", text_bytes, NULL, err);
    vm->load_depth--;
    free(vm->load_dir);
    vm->load_dir = outer;
    free(text);
    return code;
}

int scm_load_file(struct scm_vm *vm, const char *path, struct scm_error *err)
{
    return scm_run_file(vm, vm->user, path, err);
}

int scm_call(struct scm_vm *vm, scm_value proc, int argc, const scm_value *argv, scm_value *out,
             struct scm_error *err)
{
    return scm_run_call(vm, proc, argc, argv, out, err);
}

void scm_set_deadline(struct scm_vm *vm, uint64_t budget_ns)
{
    vm->deadline_budget_ns = budget_ns;
    vm->deadline_ns = budget_ns ? scm_now_ns() + budget_ns : 0;
    vm->deadline_hit = 0;
}

/* ---- primitives of others ------------------------------------------------------------------- */

int scm_define_prim(struct scm_vm *vm, const char *library, const char *name, scm_prim_fn fn,
                    int min_args, int max_args, void *arg)
{
    struct scm_reader reader;
    struct scm_error err;
    struct scm_prim_def def = {name, fn, min_args, max_args, 0, 0};
    scm_value list = SCM_FALSE;
    int gc_off = vm->gc_off++;
    scm_reader_init(&reader, vm, "library", library, strlen(library), &err);
    int code = scm_read(&reader, &list, NULL);
    if (!code && !scm_is_pair(list))
        code = MC_EINVAL;
    struct scm_env *env = code ? NULL : scm_library_find(vm, list);
    if (!code && !env) {
        env = scm_library_make(vm, list);
        if (env)
            env->exports = SCM_TRUE;
        else
            code = MC_ENOMEM;
    }
    if (!code)
        code = define_in(vm, env, &def, arg);
    vm->gc_off = gc_off;
    return code;
}

/* ---- requests ------------------------------------------------------------------------------- */

void scm_request_begin(struct scm_vm *vm, uint64_t conn_id)
{
    (void)conn_id;
    vm->in_request = 1;
    vm->request.used = 0;
    vm->request.high_water = 0;
    mc_arena_set(vm->request.traced, 0);
    scm_heap_publish(vm);
}

size_t scm_request_end(struct scm_vm *vm)
{
    scm_arena_release(vm, (struct scm_arena_mark){0, NULL});
    mc_arena_reset(vm->request.traced);
    vm->in_request = 0;
    scm_heap_publish(vm);
    return vm->request.high_water;
}

/* ---- roots ---------------------------------------------------------------------------------- */

/* Without memory for the root stack, collection stops: nothing is freed that may be in use. */
void scm_push_root(struct scm_vm *vm, scm_value *slot)
{
    if (vm->root_count == vm->root_room) {
        uint32_t room = vm->root_room ? vm->root_room * 2 : 64;
        scm_value **more = realloc(vm->roots, room * sizeof *more);
        if (!more)
            abort(); /* some 500 bytes: the process has no future */
        vm->roots = more;
        vm->root_room = room;
    }
    vm->roots[vm->root_count++] = slot;
}

void scm_pop_root(struct scm_vm *vm, int count)
{
    vm->root_count -= (uint32_t)count;
}

uint32_t scm_ref(struct scm_vm *vm, scm_value v)
{
    if (!vm->ref_free) {
        if (vm->ref_count == vm->ref_room) {
            uint32_t room = vm->ref_room ? vm->ref_room * 2 : 64;
            struct scm_root_ref *more = realloc(vm->refs, room * sizeof *more);
            if (!more)
                abort();
            vm->refs = more;
            vm->ref_room = room;
        }
        vm->refs[vm->ref_count++].next_free = 0;
        vm->ref_free = vm->ref_count;
    }
    uint32_t ref = vm->ref_free;
    vm->ref_free = vm->refs[ref - 1].next_free;
    vm->refs[ref - 1] = (struct scm_root_ref){v, 0};
    return ref;
}

scm_value scm_ref_get(struct scm_vm *vm, uint32_t ref)
{
    return ref && ref <= vm->ref_count ? vm->refs[ref - 1].value : SCM_FALSE;
}

void scm_unref(struct scm_vm *vm, uint32_t ref)
{
    if (!ref || ref > vm->ref_count)
        return;
    vm->refs[ref - 1] = (struct scm_root_ref){SCM_FALSE, vm->ref_free};
    vm->ref_free = ref;
}

/* ---- values --------------------------------------------------------------------------------- */

int scm_is_pair(scm_value v)
{
    return scm_is(v, SCM_T_PAIR);
}
int scm_is_string(scm_value v)
{
    return scm_is(v, SCM_T_STRING);
}
int scm_is_symbol(scm_value v)
{
    return scm_is(v, SCM_T_SYMBOL);
}
int scm_is_bytevector(scm_value v)
{
    return scm_is(v, SCM_T_BYTEVECTOR);
}
int scm_is_vector(scm_value v)
{
    return scm_is(v, SCM_T_VECTOR);
}
int scm_is_integer(scm_value v)
{
    return scm_is_fixnum(v);
}
int scm_is_real(scm_value v)
{
    return scm_is_number(v);
}
int scm_is_procedure(scm_value v)
{
    if (!scm_is_cell(v))
        return 0;
    switch (scm_cell(v)->type) {
    case SCM_T_CLOSURE:
    case SCM_T_CASE:
    case SCM_T_PRIM:
    case SCM_T_CONT:
    case SCM_T_PARAM:
        return 1;
    default:
        return 0;
    }
}

scm_value scm_car(scm_value pair)
{
    return scm_is_pair(pair) ? scm_cell(pair)->a : SCM_FALSE;
}
scm_value scm_cdr(scm_value pair)
{
    return scm_is_pair(pair) ? scm_cell(pair)->b : SCM_FALSE;
}
int64_t scm_integer_get(scm_value v)
{
    return scm_is_fixnum(v) ? scm_fixnum_get(v) : 0;
}
double scm_real_get(scm_value v)
{
    return scm_is_number(v) ? scm_to_double(v) : 0;
}
int scm_integer_text(scm_value v, struct mc_buf *out)
{
    if (!scm_is_exact_integer(v))
        return 0;
    scm_int_print(v, 10, out);
    return 1;
}
scm_value scm_integer_parse(struct scm_vm *vm, const char *text, size_t text_bytes)
{
    int is_negative = text_bytes > 0 && text[0] == '-';
    return scm_int_parse(vm, text + is_negative, text_bytes - (size_t)is_negative, 10, is_negative);
}
const char *scm_text(scm_value v, size_t *text_bytes)
{
    *text_bytes = 0;
    if (scm_is_string(v)) {
        *text_bytes = (size_t)scm_cell(v)->b;
        return scm_text_of(v)->bytes;
    }
    if (!scm_is_symbol(v))
        return "";
    *text_bytes = (size_t)scm_cell(v)->b;
    return scm_ptr(scm_cell(v)->a);
}
const uint8_t *scm_bytes(scm_value bytevector, size_t *count)
{
    *count = 0;
    if (!scm_is_bytevector(bytevector))
        return (const uint8_t *)"";
    *count = (size_t)scm_cell(bytevector)->b;
    return scm_ptr(scm_cell(bytevector)->a);
}
size_t scm_vector_length(scm_value v)
{
    return scm_is_vector(v) ? scm_count(v) : 0;
}
scm_value scm_vector_get(scm_value v, size_t idx)
{
    return idx < scm_vector_length(v) ? scm_items(v)[idx] : SCM_FALSE;
}

scm_value scm_foreign(struct scm_vm *vm, const char *type, void *object, void (*fini)(void *))
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_FOREIGN);
    if (!cell)
        return SCM_FALSE;
    cell->a = (scm_value)(uintptr_t)type;
    cell->b = (scm_value)(uintptr_t)object;
    cell->c = (scm_value)(uintptr_t)fini;
    return scm_from_cell(cell);
}
void *scm_foreign_get(scm_value v, const char *type)
{
    if (!scm_is(v, SCM_T_FOREIGN) || scm_cell(v)->a != (scm_value)(uintptr_t)type)
        return NULL;
    return scm_ptr(scm_cell(v)->b);
}
void scm_foreign_clear(scm_value v)
{
    if (scm_is(v, SCM_T_FOREIGN))
        scm_cell(v)->b = 0;
}
