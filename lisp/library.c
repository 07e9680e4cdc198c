/* library.c: define-library, import, cond-expand's features, include. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lisp/compile_priv.h"

/* ---- import --------------------------------------------------------------------------------- */

static const char *symbol_text(scm_value v, char *buf, size_t buf_bytes)
{
    size_t count = 0;
    v = scm_plain(v);
    const char *text = scm_is_symbol(v) ? scm_text(v, &count) : "";
    snprintf(buf, buf_bytes, "%.*s", (int)count, text);
    return buf;
}

/* A library's file stands beside the program: (a b c) is a/b/c.sld. */
static int load_library(struct compiler *c, scm_value name)
{
    char path[PATH_MAX], part[256];
    size_t used = (size_t)snprintf(path, sizeof path, "%s", c->vm->load_dir ? c->vm->load_dir : "");
    for (scm_value at = name; scm_is_pair(at); at = scm_cdr(at)) {
        scm_value v = scm_plain(scm_car(at));
        if (scm_is_fixnum(v))
            snprintf(part, sizeof part, "%lld", (long long)scm_fixnum_get(v));
        else
            symbol_text(v, part, sizeof part);
        if (!*part || strchr(part, '/') || part[0] == '.' || used + strlen(part) + 8 > sizeof path)
            return 0;
        used +=
            (size_t)snprintf(path + used, sizeof path - used, "%s%s", at == name ? "" : "/", part);
    }
    snprintf(path + used, sizeof path - used, ".sld");
    if (access(path, R_OK) != 0)
        return 0;
    int gc_off = c->vm->gc_off;
    c->vm->gc_off = 0;
    int code = scm_run_file(c->vm, c->vm->user, path, c->err);
    c->vm->gc_off = gc_off;
    if (code) {
        c->code = code;
        longjmp(c->jump, 1);
    }
    return 1;
}

static struct scm_env *find_library(struct compiler *c, scm_value name)
{
    name = scm_strip(c, name);
    struct scm_env *lib = scm_library_find(c->vm, name);
    if (!lib && load_library(c, name))
        lib = scm_library_find(c->vm, name);
    if (!lib) {
        struct mc_buf text = {0};
        char shown[200];
        scm_print(c->vm, name, 0, &text);
        snprintf(shown, sizeof shown, "%.*s", (int)(text.count < 190 ? text.count : 190),
                 text.bytes ? (const char *)text.bytes : "");
        mc_buf_fini(&text);
        scm_syntax(c, SCM_FALSE, "import: there is no library %s", shown);
    }
    return lib;
}

/* An import set as an association list of name to meaning. */
static scm_value all_of(struct compiler *c, const struct scm_env *lib)
{
    scm_value set = SCM_NIL;
    if (lib->exports == SCM_TRUE) {
        for (uint32_t i = 0; i < lib->room; i++) {
            if (lib->keys[i])
                set = scm_cons(c->vm, scm_cons(c->vm, lib->keys[i], lib->values[i]), set);
        }
        return set;
    }
    for (scm_value at = lib->exports; scm_is_pair(at); at = scm_cdr(at)) {
        scm_value meaning = scm_env_get(lib, scm_cdr(scm_car(at)));
        if (meaning != SCM_ABSENT)
            set = scm_cons(c->vm, scm_cons(c->vm, scm_car(scm_car(at)), meaning), set);
    }
    return set;
}

static scm_value find_in_set(struct compiler *c, scm_value set, scm_value name)
{
    char text[200];
    for (; scm_is_pair(set); set = scm_cdr(set)) {
        if (scm_car(scm_car(set)) == name)
            return scm_car(set);
    }
    scm_syntax(c, SCM_FALSE, "import: %s is not in the library", symbol_text(name, text, 200));
}

static int in_list(scm_value list, scm_value name)
{
    for (; scm_is_pair(list); list = scm_cdr(list)) {
        if (scm_plain(scm_car(list)) == name)
            return 1;
    }
    return 0;
}

static scm_value renamed(struct compiler *c, scm_value name, scm_value renames)
{
    for (; scm_is_pair(renames); renames = scm_cdr(renames)) {
        scm_value one = scm_car(renames);
        if (scm_list_length(one) != 2)
            scm_syntax(c, renames, "import: (rename set (name new-name) ...)");
        if (scm_plain(scm_car(one)) == name)
            return scm_plain(scm_car(scm_cdr(one)));
    }
    return name;
}

static scm_value prefixed(struct compiler *c, scm_value prefix, scm_value name)
{
    char text[512], head[200], tail[200];
    snprintf(text, sizeof text, "%s%s", symbol_text(prefix, head, sizeof head),
             symbol_text(name, tail, sizeof tail));
    return scm_symbol(c->vm, text);
}

static int word_is(scm_value v, const char *word)
{
    size_t count;
    v = scm_plain(v);
    if (!scm_is_symbol(v))
        return 0;
    const char *text = scm_text(v, &count);
    return count == strlen(word) && memcmp(text, word, count) == 0;
}

static scm_value import_set(struct compiler *c, scm_value spec)
{
    static const char *const words[] = {"only", "except", "prefix", "rename"};
    int which = 0;
    scm_check_depth(c);
    if (scm_list_length(spec) < 1)
        scm_syntax(c, spec,
                   "import: a set is a library's name or (only set name ...) and the like");
    while (which < 4 && !word_is(scm_car(spec), words[which]))
        which++;
    if (which == 4 || scm_list_length(spec) < 2 || !scm_is_pair(scm_car(scm_cdr(spec))))
        return all_of(c, find_library(c, spec));
    scm_value set = import_set(c, scm_car(scm_cdr(spec))), args = scm_cdr(scm_cdr(spec));
    scm_value out = SCM_NIL;
    if (which == 2 && scm_list_length(args) != 1)
        scm_syntax(c, spec, "import: (prefix set name)");
    for (scm_value at = args; which != 2 && scm_is_pair(at); at = scm_cdr(at)) {
        scm_value name =
            which == 3 && scm_is_pair(scm_car(at)) ? scm_car(scm_car(at)) : scm_car(at);
        scm_value entry = find_in_set(c, set, scm_plain(name));
        if (which == 0)
            out = scm_cons(c->vm, entry, out);
    }
    if (which == 0)
        return out;
    for (; scm_is_pair(set); set = scm_cdr(set)) {
        scm_value name = scm_car(scm_car(set));
        if (which == 1 && in_list(args, name))
            continue;
        if (which == 2)
            name = prefixed(c, scm_car(args), name);
        else if (which == 3)
            name = renamed(c, name, args);
        out = scm_cons(c->vm, scm_cons(c->vm, name, scm_cdr(scm_car(set))), out);
    }
    return out;
}

void scm_import(struct compiler *c, struct scm_env *env, scm_value sets)
{
    struct scm_vm *vm = c->vm;
    scm_form_length(c, sets);
    scm_value all = SCM_NIL;
    for (scm_value at = sets; at != SCM_NIL; at = scm_cdr(at))
        all = scm_cons(vm, import_set(c, scm_car(at)), all);
    /* a program that begins with import has what it imports, and nothing else */
    if (env == vm->user && env->defined_count == 0) {
        scm_env_clear(env);
        scm_env_put(vm, env, scm_symbol(vm, "import"), scm_special(SF_IMPORT));
        scm_env_put(vm, env, scm_symbol(vm, "define-library"), scm_special(SF_DEFINE_LIBRARY));
        env->defined_count = 1;
    }
    for (; scm_is_pair(all); all = scm_cdr(all)) {
        for (scm_value set = scm_car(all); scm_is_pair(set); set = scm_cdr(set))
            scm_env_put(vm, env, scm_car(scm_car(set)), scm_cdr(scm_car(set)));
    }
}

/* ---- features ------------------------------------------------------------------------------- */

int scm_feature_holds(struct compiler *c, scm_value requirement, struct scope *scope)
{
    static const char *const features[] = {"r7rs",         "exact-closed", "ratios",
                                           "full-unicode", "memcam",       "posix",
                                           "unix",         "linux",        "else"};
    scm_check_depth(c);
    if (scm_is_identifier(requirement)) {
        for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
            if (word_is(requirement, features[i]))
                return 1;
        }
        return 0;
    }
    int64_t count = scm_list_length(requirement);
    if (count < 1)
        scm_syntax(c, requirement,
                   "cond-expand: a requirement is a feature, (library name), "
                   "(and ...), (or ...) or (not ...)");
    scm_value head = scm_car(requirement), at = scm_cdr(requirement);
    if (word_is(head, "library") && count == 2)
        return scm_library_find(c->vm, scm_strip(c, scm_car(at))) != NULL;
    if (word_is(head, "not") && count == 2)
        return !scm_feature_holds(c, scm_car(at), scope);
    int is_and = word_is(head, "and");
    if (!is_and && !word_is(head, "or"))
        scm_syntax(c, requirement, "cond-expand: unknown requirement");
    for (; at != SCM_NIL; at = scm_cdr(at)) {
        if (scm_feature_holds(c, scm_car(at), scope) != is_and)
            return !is_and;
    }
    return is_and;
}

/* ---- include -------------------------------------------------------------------------------- */

static scm_value include_one(struct compiler *c, scm_value form, scm_value name, int fold_case)
{
    char path[PATH_MAX], *text;
    size_t count, text_bytes;
    struct scm_reader reader;
    if (!scm_is_string(name))
        scm_syntax(c, form, "include: (include \"file\" ...)");
    const char *given = scm_text(name, &count);
    snprintf(path, sizeof path, "%s%.*s",
             count && given[0] != '/' && c->vm->load_dir ? c->vm->load_dir : "", (int)count, given);
    int code = scm_slurp(path, &text, &text_bytes);
    if (code)
        scm_syntax(c, form, "include: cannot read %.200s: %s", path, mc_strerror(code));
    scm_reader_init(&reader, c->vm, path, text, text_bytes, c->err);
    reader.fold_case = fold_case;
    scm_value forms = SCM_NIL, v;
    while ((code = scm_read(&reader, &v, NULL)) == 0 && v != SCM_EOF)
        forms = scm_cons(c->vm, v, forms);
    free(text);
    if (code) {
        c->code = code;
        longjmp(c->jump, 1);
    }
    return scm_list_reverse(forms);
}

scm_value scm_include_forms(struct compiler *c, scm_value form, int fold_case)
{
    scm_value forms = SCM_NIL;
    if (++c->expansion_count > 1000000)
        scm_syntax(c, form, "include: files that include each other without end");
    scm_form_length(c, form);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at)) {
        scm_value some = include_one(c, form, scm_car(at), fold_case);
        for (; scm_is_pair(some); some = scm_cdr(some))
            forms = scm_cons(c->vm, scm_car(some), forms);
    }
    return scm_list_reverse(forms);
}

/* ---- define-library ------------------------------------------------------------------------- */

struct library {
    struct compiler *c;
    struct scm_env *env;
    scm_value exports;
};

static void library_export(struct library *l, scm_value specs)
{
    struct scm_vm *vm = l->c->vm;
    for (; scm_is_pair(specs); specs = scm_cdr(specs)) {
        scm_value spec = scm_car(specs), inner = spec, outer = spec;
        if (scm_list_length(spec) == 3 && word_is(scm_car(spec), "rename")) {
            inner = scm_car(scm_cdr(spec));
            outer = scm_car(scm_cdr(scm_cdr(spec)));
        } else if (!scm_is_identifier(spec)) {
            scm_syntax(l->c, specs, "export: a name, or (rename inner outer)");
        }
        scm_value entry = scm_cons(vm, scm_plain(outer), scm_plain(inner));
        l->exports = scm_cons(vm, entry, l->exports);
    }
}

static void library_run(struct library *l, scm_value forms)
{
    struct scm_vm *vm = l->c->vm;
    for (; scm_is_pair(forms); forms = scm_cdr(forms)) {
        scm_value closure, out;
        int code = scm_compile(vm, l->env, scm_car(forms), scm_pos_car(forms), &closure, l->c->err);
        if (!code) {
            int gc_off = vm->gc_off;
            scm_push_root(vm, &l->exports);
            vm->gc_off = 0;
            code = scm_run_call(vm, closure, 0, NULL, &out, l->c->err);
            vm->gc_off = gc_off;
            scm_pop_root(vm, 1);
        }
        if (code) {
            l->c->code = code;
            longjmp(l->c->jump, 1);
        }
    }
}

static void library_declarations(struct library *l, scm_value at)
{
    struct compiler *c = l->c;
    scm_check_depth(c);
    for (; scm_is_pair(at); at = scm_cdr(at)) {
        scm_value one = scm_car(at);
        if (scm_list_length(one) < 1)
            scm_syntax(c, at,
                       "define-library: a declaration is (export ...), (import ...), "
                       "(begin ...), (include ...) or (cond-expand ...)");
        scm_value head = scm_car(one);
        if (word_is(head, "export"))
            library_export(l, scm_cdr(one));
        else if (word_is(head, "import"))
            scm_import(c, l->env, scm_cdr(one));
        else if (word_is(head, "begin"))
            library_run(l, scm_cdr(one));
        else if (word_is(head, "include") || word_is(head, "include-ci"))
            library_run(l, scm_include_forms(c, one, word_is(head, "include-ci")));
        else if (word_is(head, "include-library-declarations"))
            library_declarations(l, scm_include_forms(c, one, 0));
        else if (word_is(head, "cond-expand")) {
            for (scm_value clause = scm_cdr(one); scm_is_pair(clause); clause = scm_cdr(clause)) {
                if (scm_is_pair(scm_car(clause)) &&
                    scm_feature_holds(c, scm_car(scm_car(clause)), NULL)) {
                    library_declarations(l, scm_cdr(scm_car(clause)));
                    break;
                }
            }
        } else {
            scm_syntax(c, one, "define-library: unknown declaration");
        }
    }
}

void scm_define_library(struct compiler *c, scm_value form)
{
    if (form != c->top_form)
        scm_syntax(c, form, "define-library stands at the top level, by itself");
    if (scm_form_length(c, form) < 2 || scm_list_length(scm_car(scm_cdr(form))) < 1)
        scm_syntax(c, form, "define-library: (define-library (name ...) declaration ...)");
    struct library l = {c, scm_env_new(c->vm, scm_car(scm_cdr(form))), SCM_NIL};
    if (!l.env)
        scm_syntax(c, form, "out of memory while compiling");
    /* imports come first wherever they stand */
    for (scm_value at = scm_cdr(scm_cdr(form)); scm_is_pair(at); at = scm_cdr(at)) {
        if (scm_is_pair(scm_car(at)) && word_is(scm_car(scm_car(at)), "import"))
            scm_import(c, l.env, scm_cdr(scm_car(at)));
    }
    scm_push_root(c->vm, &c->top_form);
    library_declarations(&l, scm_cdr(scm_cdr(form)));
    scm_pop_root(c->vm, 1);
    for (scm_value at = l.exports; scm_is_pair(at); at = scm_cdr(at)) {
        char text[200];
        if (scm_env_get(l.env, scm_cdr(scm_car(at))) == SCM_ABSENT)
            scm_syntax(c, form, "define-library: %s is exported but not defined",
                       symbol_text(scm_cdr(scm_car(at)), text, sizeof text));
    }
    struct scm_env *made = scm_library_make(c->vm, scm_car(scm_cdr(form)));
    if (!made)
        scm_syntax(c, form, "out of memory while compiling");
    made->exports = SCM_TRUE;
    for (scm_value at = l.exports; scm_is_pair(at); at = scm_cdr(at))
        scm_env_put(c->vm, made, scm_car(scm_car(at)), scm_env_get(l.env, scm_cdr(scm_car(at))));
}
