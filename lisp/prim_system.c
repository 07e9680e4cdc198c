/* prim_system.c: time, process, files by name, evaluation. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lisp/compile_priv.h"
#include "lisp/prim_priv.h"

extern char **environ;

SCM_PRIM(p_current_second)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return scm_flonum(vm, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
}
SCM_PRIM(p_current_jiffy)
{
    return scm_fixnum((int64_t)scm_now_ns());
}
SCM_PRIM(p_jiffies_per_second)
{
    return scm_fixnum(1000000000);
}
SCM_PRIM(p_command_line)
{
    return scm_cons(vm, scm_string(vm, "memcam", 6), SCM_NIL);
}

/* A string as a C string in the arena; NULL with a condition for another thing or a NUL in it. */
static char *c_text(struct scm_vm *vm, const char *who, scm_value v)
{
    size_t count;
    if (!scm_is_string(v)) {
        scm_wrong(vm, who, "a string", v);
        return NULL;
    }
    const char *text = scm_text(v, &count);
    if (memchr(text, 0, count)) {
        scm_wrong(vm, who, "a string without the character NUL", v);
        return NULL;
    }
    char *copy = scm_temp(vm, count + 1);
    if (!copy) {
        scm_no_memory(vm, count);
        return NULL;
    }
    memcpy(copy, text, count);
    copy[count] = 0;
    return copy;
}
SCM_PRIM(p_getenv)
{
    struct scm_arena_mark mark = scm_arena_mark(vm);
    char *name = c_text(vm, "get-environment-variable", argv[0]);
    if (!name)
        return SCM_FAILED;
    const char *value = getenv(name);
    scm_arena_release(vm, mark);
    return value ? scm_string(vm, value, strlen(value)) : SCM_FALSE;
}
SCM_PRIM(p_getenvs)
{
    scm_value list = SCM_NIL, name = SCM_FALSE, value = SCM_FALSE;
    scm_push_root(vm, &list);
    scm_push_root(vm, &name);
    scm_push_root(vm, &value);
    for (char **at = environ; *at; at++) {
        size_t count = strcspn(*at, "=");
        name = scm_string(vm, *at, count);
        value = scm_string(vm, *at + count + 1, (*at)[count] ? strlen(*at + count + 1) : 0);
        scm_value entry = scm_cons(vm, name, value);
        list = scm_cons(vm, entry, list);
    }
    scm_pop_root(vm, 3);
    return list;
}
SCM_PRIM(p_file_exists)
{
    struct scm_arena_mark mark = scm_arena_mark(vm);
    char *path = c_text(vm, "file-exists?", argv[0]);
    if (!path)
        return SCM_FAILED;
    int there = access(path, F_OK) == 0;
    scm_arena_release(vm, mark);
    return scm_bool(there);
}
SCM_PRIM(p_delete_file)
{
    struct scm_arena_mark mark = scm_arena_mark(vm);
    char *path = c_text(vm, "delete-file", argv[0]);
    if (!path)
        return SCM_FAILED;
    int failed = unlink(path);
    scm_value v =
        failed ? scm_fail_kind(vm, "file", "delete-file: cannot delete %.300s", path) : SCM_VOID;
    scm_arena_release(vm, mark);
    return v;
}
SCM_PRIM(p_features)
{
    static const char *const names[] = {"r7rs",  "exact-closed", "ratios", "full-unicode",
                                        "posix", "unix",         "linux",  "memcam"};
    scm_value list = SCM_NIL;
    scm_push_root(vm, &list);
    for (size_t i = sizeof names / sizeof *names; i-- > 0;)
        list = scm_cons(vm, scm_symbol(vm, names[i]), list);
    scm_pop_root(vm, 1);
    return list;
}
SCM_PRIM(p_gc)
{
    scm_collect(vm);
    return scm_fixnum(vm->used_count);
}

/* ---- evaluation ----------------------------------------------------------------------------- */

static scm_value env_cell(struct scm_vm *vm, struct scm_env *env)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_ENV);
    cell->a = (scm_value)(uintptr_t)env;
    return scm_from_cell(cell);
}
SCM_PRIM(p_interaction_environment)
{
    return env_cell(vm, vm->user);
}
/* What went wrong in the compiler, as a condition with the compiler's place. */
static scm_value compile_failed(struct scm_vm *vm, const struct scm_error *err)
{
    scm_fail_kind(vm, err->kind, "%s", err->message);
    if (err->where[0] && scm_is(vm->pending, SCM_T_ERROR)) {
        scm_value condition = vm->pending;
        scm_push_root(vm, &condition);
        scm_value where = scm_string(vm, err->where, strlen(err->where));
        scm_cell(scm_cell(condition)->c)->b = where;
        scm_pop_root(vm, 1);
        vm->pending = condition;
    }
    return SCM_FAILED;
}
/* (%compile datum environment): a closure of no arguments */
SCM_PRIM(p_compile)
{
    struct scm_error err;
    scm_value closure;
    if (!scm_is(argv[1], SCM_T_ENV))
        return scm_wrong(vm, "eval", "an environment", argv[1]);
    int code = scm_compile(vm, scm_ptr(scm_cell(argv[1])->a), argv[0], 0, &closure, &err);
    return code ? compile_failed(vm, &err) : closure;
}
/* (%environment list-of-import-sets) */
SCM_PRIM(p_environment)
{
    struct scm_error err;
    scm_value closure;
    struct scm_env *env = scm_env_new(vm, SCM_FALSE);
    if (!env)
        return scm_no_memory(vm, sizeof *env);
    scm_env_put(vm, env, scm_symbol(vm, "import"), scm_special(SF_IMPORT));
    env->defined_count = 1;
    scm_value form = scm_cons(vm, scm_symbol(vm, "import"), argv[0]);
    int code = scm_compile(vm, env, form, 0, &closure, &err);
    return code ? compile_failed(vm, &err) : env_cell(vm, env);
}
/* (%read-file path): the list of its data */
SCM_PRIM(p_read_file)
{
    struct scm_arena_mark mark = scm_arena_mark(vm);
    struct scm_reader reader;
    struct scm_error err;
    char *path = c_text(vm, "load", argv[0]), *text;
    size_t count;
    scm_value list = SCM_NIL, v;
    if (!path)
        return SCM_FAILED;
    int code = scm_slurp(path, &text, &count);
    if (code)
        return scm_fail_kind(vm, "file", "load: cannot read %.300s: %s", path, mc_strerror(code));
    scm_reader_init(&reader, vm, path, text, count, &err);
    int gc_off = vm->gc_off++; /* the text must be freed: no way out of here but this one */
    while ((code = scm_read(&reader, &v, NULL)) == 0 && v != SCM_EOF)
        list = scm_cons(vm, v, list);
    vm->gc_off = gc_off;
    free(text);
    scm_arena_release(vm, mark);
    return code ? compile_failed(vm, &err) : scm_list_reverse(list);
}

const struct scm_prim_def scm_prims_system[] = {
    {"current-second", p_current_second, 0, 0, 0, 0},
    {"current-jiffy", p_current_jiffy, 0, 0, 0, 0},
    {"jiffies-per-second", p_jiffies_per_second, 0, 0, 0, 0},
    {"command-line", p_command_line, 0, 0, 0, 0},
    {"get-environment-variable", p_getenv, 1, 1, 0, 0},
    {"get-environment-variables", p_getenvs, 0, 0, 0, 0},
    {"file-exists?", p_file_exists, 1, 1, 0, 0},
    {"delete-file", p_delete_file, 1, 1, 0, 0},
    {"features", p_features, 0, 0, 0, 0},
    {"gc", p_gc, 0, 0, 0, 0},
    {"interaction-environment", p_interaction_environment, 0, 0, 0, 0},
    {"%compile", p_compile, 2, 2, 0, 0},
    {"%environment", p_environment, 1, 1, 0, 0},
    {"%read-file", p_read_file, 1, 1, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
