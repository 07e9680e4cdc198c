/* compile_priv.h: what expander and code generator share: the tree and the scopes.
 *
 * Owns:  nothing: all of it lies in the current arena until the top-level form is done, during
 *        which nothing is collected. Only the scopes of whole environments live on.
 * Never: returns after a syntax error: scm_syntax leaves through the compiler's jump.
 */
#ifndef SCM_COMPILE_PRIV_H
#define SCM_COMPILE_PRIV_H

#include "lisp/op.h"
#include "lisp/scm_priv.h"

struct var {
    scm_value name; /* symbol */
    struct lambda *owner;
    int32_t slot;
    uint8_t assigned, captured, boxed;
    uint8_t checked; /* may be read before its definition */
    uint8_t is_letrec;
};

struct binding {
    struct binding *next;
    scm_value id;      /* symbol or ALIAS */
    struct var *var;   /* or NULL */
    scm_value meaning; /* MACRO cell or special form, when var is NULL */
};

struct scope {
    struct scope *up; /* NULL: the scope of an environment */
    struct scm_env *env;
    struct binding *bindings;
    struct lambda *lambda;
};

struct lambda {
    struct lambda *inlined_into; /* a loop lives in its surroundings */
    struct var **params;         /* the rest parameter last */
    uint32_t param_count;
    int rest;
    struct node *body;
    scm_value name;
    scm_pos pos;
};

enum node_kind {
    N_CONST,
    N_LOCAL,
    N_SET_LOCAL,
    N_GLOBAL,
    N_SET_GLOBAL,
    N_DEFINE,
    N_IF,
    N_LAMBDA,
    N_CASE_LAMBDA, /* items: lambdas */
    N_SEQ,         /* items */
    N_OR,          /* items */
    N_CALL,        /* a items */
    N_LET,         /* vars items a */
    N_LETREC,      /* vars items a; in order */
    N_LOOP,        /* lambda with params and body; items: first values; var: its name */
};

struct node {
    enum node_kind kind;
    uint32_t count;
    scm_pos pos;
    scm_value value; /* constant or global */
    struct var *var;
    struct node *a, *b, *c;
    struct node **items;
    struct var **vars;
    struct lambda *lambda;
};

struct compiler {
    struct scm_vm *vm;
    struct scm_env *env;
    struct scm_error *err;
    int code;
    jmp_buf jump;
    char *stack_top;
    scm_pos pos; /* of the innermost form with a place */
    scm_value top_form;
    uint32_t expansion_count;
    uint32_t step_count;
};

/* What an identifier means. */
enum ref_kind { REF_VAR, REF_MACRO, REF_SPECIAL, REF_GLOBAL, REF_UNBOUND };
struct ref {
    enum ref_kind kind;
    struct var *var;
    scm_value value;     /* macro, special form or global */
    struct scm_env *env; /* where an unbound one would be made */
    scm_value id;        /* the identifier found, or the plain symbol */
};

enum special_form {
    SF_NONE,
    SF_QUOTE,
    SF_QUASIQUOTE,
    SF_UNQUOTE,
    SF_UNQUOTE_SPLICING,
    SF_LAMBDA,
    SF_DEFINE,
    SF_SET,
    SF_IF,
    SF_BEGIN,
    SF_LET,
    SF_LET_STAR,
    SF_LETREC,
    SF_LETREC_STAR,
    SF_COND,
    SF_CASE,
    SF_AND,
    SF_OR,
    SF_WHEN,
    SF_UNLESS,
    SF_DO,
    SF_CASE_LAMBDA,
    SF_LET_VALUES,
    SF_LET_STAR_VALUES,
    SF_DEFINE_VALUES,
    SF_DEFINE_RECORD,
    SF_DEFINE_SYNTAX,
    SF_LET_SYNTAX,
    SF_LETREC_SYNTAX,
    SF_SYNTAX_RULES,
    SF_SYNTAX_ERROR,
    SF_COND_EXPAND,
    SF_INCLUDE,
    SF_INCLUDE_CI,
    SF_IMPORT,
    SF_DEFINE_LIBRARY,
    SF_ELSE,
    SF_ARROW,
    SF_ELLIPSIS,
    SF_UNDERSCORE,
    SF_EXPORT,
    SF_INCLUDE_DECLARATIONS,
    SF_COUNT
};

/* A special form as the value of an identifier. */
static inline scm_value scm_special(enum special_form form)
{
    return (scm_value)form << 8 | 0x5e;
}
static inline int scm_is_special(scm_value v)
{
    return (v & 0xff) == 0x5e;
}

void *scm_ast(struct compiler *c, size_t count_bytes); /* zeroed; never NULL */
struct node *scm_node(struct compiler *c, enum node_kind kind, scm_pos pos);
void scm_syntax(struct compiler *c, scm_value form, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void scm_check_depth(struct compiler *c);
/* One step of a walk over a form that may be circular: ends walks that would not. */
void scm_step(struct compiler *c);
scm_pos scm_pos_of(scm_value pair);
scm_pos scm_pos_car(scm_value pair);

/* identifiers.c */
static inline int scm_is_identifier(scm_value v)
{
    return scm_is(v, SCM_T_SYMBOL) || scm_is(v, SCM_T_ALIAS);
}
struct ref scm_resolve(struct compiler *c, scm_value id, struct scope *scope);
int scm_same_identifier(struct compiler *c, scm_value a, struct scope *in_a, scm_value b,
                        struct scope *in_b);
scm_value scm_alias(struct compiler *c, scm_value name, struct scope *scope);
scm_value scm_core_id(struct compiler *c, const char *name);
scm_value scm_plain(scm_value id);                        /* the symbol below all aliases */
scm_value scm_strip(struct compiler *c, scm_value datum); /* a datum without aliases */
enum special_form scm_form_of(struct compiler *c, scm_value id, struct scope *scope);
struct scope *scm_scope(struct compiler *c, struct scope *up, struct lambda *lambda);
struct var *scm_bind_var(struct compiler *c, struct scope *scope, scm_value id);
void scm_bind_meaning(struct compiler *c, struct scope *scope, scm_value id, scm_value meaning);
struct scope *scm_env_scope(struct compiler *c, struct scm_env *env);

/* lists: syntax errors where they are not lists */
scm_value scm_list_of(struct compiler *c, int count, ...);
int64_t scm_form_length(struct compiler *c, scm_value form);

/* syntax_rules.c */
scm_value scm_make_macro(struct compiler *c, scm_value spec, struct scope *scope);
scm_value scm_expand_macro(struct compiler *c, scm_value macro, scm_value form,
                           struct scope *scope);

/* expand.c */
struct node *scm_expand(struct compiler *c, scm_value form, struct scope *scope, scm_pos pos);
struct node *scm_expand_seq(struct compiler *c, scm_value forms, struct scope *scope, scm_pos pos);
struct lambda *scm_expand_lambda(struct compiler *c, scm_value formals, scm_value body,
                                 struct scope *scope, scm_value name, scm_pos pos);
struct node *scm_constant(struct compiler *c, scm_value v, scm_pos pos);
scm_pos scm_pos_or(scm_value form, scm_pos pos); /* the form's own place, if it has one */
/* A syntax error when `id` is bound in this very scope. */
void scm_check_fresh(struct compiler *c, struct scope *scope, scm_value id, scm_value form);
/* Name a lambda that has no name after what it is bound to; other nodes are left alone. */
void scm_name_lambda(struct node *n, scm_value name);

/* expand_body.c */
struct node *scm_expand_body(struct compiler *c, scm_value forms, struct scope *up, scm_pos pos);
struct node *scm_expand_toplevel(struct compiler *c, scm_value form, struct scope *scope,
                                 scm_pos pos);

/* expand_derived.c: forms rewritten to simpler ones */
struct node *scm_expand_derived(struct compiler *c, enum special_form sf, scm_value form,
                                struct scope *scope, scm_pos pos);
/* expand_define.c: (define …) and others of a definition form, as a list of forms; SCM_ABSENT when
 * it is none. */
scm_value scm_definition_forms(struct compiler *c, enum special_form sf, scm_value form,
                               struct scope *scope);

/* library.c */
void scm_import(struct compiler *c, struct scm_env *env, scm_value sets);
void scm_define_library(struct compiler *c, scm_value form);
int scm_feature_holds(struct compiler *c, scm_value requirement, struct scope *scope);
scm_value scm_include_forms(struct compiler *c, scm_value form, int fold_case);

/* analyze.c */
void scm_analyze(struct compiler *c, struct node *node, struct lambda *lambda);
struct lambda *scm_owner(struct lambda *lambda);

/* codegen.c */
scm_value scm_generate(struct compiler *c, struct lambda *lambda);

#endif
