/* env.c: environments (identifier to meaning), libraries, files that positions name. */
#include <stdio.h>
#include <stdlib.h>

#include "lisp/scm_priv.h"

struct scm_env *scm_env_new(struct scm_vm *vm, scm_value name)
{
    struct scm_env *env = calloc(1, sizeof *env);
    if (!env)
        return NULL;
    env->name = name;
    env->exports = SCM_NIL;
    env->next = vm->envs;
    vm->envs = env;
    return env;
}

static uint32_t slot_for(const struct scm_env *env, scm_value id)
{
    uint32_t at = (uint32_t)(id >> 5) * 2654435761u & (env->room - 1);
    while (env->keys[at] && env->keys[at] != id)
        at = (at + 1) & (env->room - 1);
    return at;
}

scm_value scm_env_get(const struct scm_env *env, scm_value id)
{
    if (env->room == 0)
        return SCM_ABSENT;
    uint32_t at = slot_for(env, id);
    return env->keys[at] ? env->values[at] : SCM_ABSENT;
}

static int grow(struct scm_env *env)
{
    struct scm_env bigger = {.room = env->room ? env->room * 2 : 64};
    bigger.keys = calloc(bigger.room, sizeof *bigger.keys);
    bigger.values = calloc(bigger.room, sizeof *bigger.values);
    if (!bigger.keys || !bigger.values) {
        free(bigger.keys);
        free(bigger.values);
        return MC_ENOMEM;
    }
    for (uint32_t i = 0; i < env->room; i++) {
        if (!env->keys[i])
            continue;
        uint32_t at = slot_for(&bigger, env->keys[i]);
        bigger.keys[at] = env->keys[i];
        bigger.values[at] = env->values[i];
    }
    free(env->keys);
    free(env->values);
    env->keys = bigger.keys;
    env->values = bigger.values;
    env->room = bigger.room;
    return 0;
}

void scm_env_put(struct scm_vm *vm, struct scm_env *env, scm_value id, scm_value binding)
{
    if ((env->count + 1) * 2 > env->room && grow(env)) {
        scm_no_memory(vm, env->room * 32);
        return;
    }
    uint32_t at = slot_for(env, id);
    if (!env->keys[at]) {
        env->keys[at] = id;
        env->count++;
    }
    env->values[at] = binding;
}

void scm_env_clear(struct scm_env *env)
{
    memset(env->keys, 0, env->room * sizeof *env->keys);
    memset(env->values, 0, env->room * sizeof *env->values);
    env->count = 0;
    env->defined_count = 0;
}

static scm_value plain_symbol(scm_value id)
{
    while (scm_is(id, SCM_T_ALIAS))
        id = scm_cell(id)->a;
    return id;
}

static scm_value new_global(struct scm_vm *vm, scm_value id)
{
    struct scm_cell *cell = scm_alloc(vm, SCM_T_GLOBAL);
    if (!cell)
        return SCM_FALSE;
    cell->a = SCM_UNBOUND;
    cell->b = plain_symbol(id);
    cell->c = 0;
    return scm_from_cell(cell);
}

/* The global that a reference means: made, without a value, when there is none. */
scm_value scm_global_for(struct scm_vm *vm, struct scm_env *env, scm_value id)
{
    scm_value g = scm_env_get(env, id);
    if (scm_is(g, SCM_T_GLOBAL))
        return g;
    g = new_global(vm, id);
    if (scm_is(g, SCM_T_GLOBAL)) {
        scm_cell(g)->c = (scm_value)(uintptr_t)env;
        scm_env_put(vm, env, id, g);
    }
    return g;
}

/* The global for a definition: one that was imported stays as it is for others. */
scm_value scm_global_define(struct scm_vm *vm, struct scm_env *env, scm_value id)
{
    scm_value g = scm_env_get(env, id);
    env->defined_count++;
    if (scm_is(g, SCM_T_GLOBAL) && scm_cell(g)->c == (scm_value)(uintptr_t)env)
        return g;
    g = new_global(vm, id);
    if (!scm_is(g, SCM_T_GLOBAL))
        return g;
    scm_cell(g)->c = (scm_value)(uintptr_t)env;
    scm_env_put(vm, env, id, g);
    scm_value symbol = plain_symbol(id);
    if (symbol != id && scm_env_get(env, symbol) == SCM_ABSENT)
        scm_env_put(vm, env, symbol, g);
    return g;
}

struct scm_env *scm_library_find(struct scm_vm *vm, scm_value name)
{
    for (scm_value at = vm->lib_list; scm_is_pair(at); at = scm_cdr(at)) {
        if (scm_equal(vm, scm_car(scm_car(at)), name))
            return scm_ptr(scm_cell(scm_cdr(scm_car(at)))->a);
    }
    return NULL;
}

struct scm_env *scm_library_make(struct scm_vm *vm, scm_value name)
{
    struct scm_env *env = NULL;
    int gc_off = vm->gc_off++;
    struct scm_cell *cell = scm_alloc(vm, SCM_T_ENV);
    if (cell)
        env = scm_env_new(vm, name);
    if (env) {
        cell->a = (scm_value)(uintptr_t)env;
        scm_value entry = scm_cons(vm, name, scm_from_cell(cell));
        vm->lib_list = scm_cons(vm, entry, vm->lib_list);
    }
    vm->gc_off = gc_off;
    return env;
}

scm_value scm_core(struct scm_vm *vm, const char *name)
{
    return scm_env_get(vm->core, scm_symbol(vm, name));
}

/* ---- files ---------------------------------------------------------------------------------- */

uint32_t scm_file_id(struct scm_vm *vm, const char *name)
{
    for (uint32_t i = 0; i < vm->file_count; i++) {
        if (strcmp(vm->files[i], name) == 0)
            return i + 1;
    }
    if (vm->file_count == vm->file_room) {
        uint32_t room = vm->file_room ? vm->file_room * 2 : 16;
        char **more = room <= 65536 ? realloc(vm->files, room * sizeof *more) : NULL;
        if (!more)
            return 0;
        vm->files = more;
        vm->file_room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return 0;
    vm->files[vm->file_count++] = copy;
    return vm->file_count;
}

void scm_where(struct scm_vm *vm, scm_pos pos, char *buf, size_t buf_bytes)
{
    uint32_t file = (uint32_t)(pos >> 32), line = (uint32_t)pos >> 12, column = pos & 4095;
    buf[0] = 0;
    if (line && file && file <= vm->file_count)
        snprintf(buf, buf_bytes, "%s:%u:%u", vm->files[file - 1], line, column);
}
