/* library_names.c: the special forms by name; what the standard libraries export. */
#include "lisp/compile_priv.h"

/* ---- the special forms, by name ------------------------------------------------------------- */

static const struct {
    const char *name;
    enum special_form form;
} specials[] = {
    {"quote", SF_QUOTE},
    {"quasiquote", SF_QUASIQUOTE},
    {"unquote", SF_UNQUOTE},
    {"unquote-splicing", SF_UNQUOTE_SPLICING},
    {"lambda", SF_LAMBDA},
    {"define", SF_DEFINE},
    {"set!", SF_SET},
    {"if", SF_IF},
    {"begin", SF_BEGIN},
    {"let", SF_LET},
    {"let*", SF_LET_STAR},
    {"letrec", SF_LETREC},
    {"letrec*", SF_LETREC_STAR},
    {"cond", SF_COND},
    {"case", SF_CASE},
    {"and", SF_AND},
    {"or", SF_OR},
    {"when", SF_WHEN},
    {"unless", SF_UNLESS},
    {"do", SF_DO},
    {"case-lambda", SF_CASE_LAMBDA},
    {"let-values", SF_LET_VALUES},
    {"let*-values", SF_LET_STAR_VALUES},
    {"define-values", SF_DEFINE_VALUES},
    {"define-record-type", SF_DEFINE_RECORD},
    {"define-syntax", SF_DEFINE_SYNTAX},
    {"let-syntax", SF_LET_SYNTAX},
    {"letrec-syntax", SF_LETREC_SYNTAX},
    {"syntax-rules", SF_SYNTAX_RULES},
    {"syntax-error", SF_SYNTAX_ERROR},
    {"cond-expand", SF_COND_EXPAND},
    {"include", SF_INCLUDE},
    {"include-ci", SF_INCLUDE_CI},
    {"import", SF_IMPORT},
    {"define-library", SF_DEFINE_LIBRARY},
    {"else", SF_ELSE},
    {"=>", SF_ARROW},
    {"...", SF_ELLIPSIS},
    {"_", SF_UNDERSCORE},
    {"export", SF_EXPORT},
    {"include-library-declarations", SF_INCLUDE_DECLARATIONS},
};

/* R7RS appendix A, and what we add. A name that the core lacks is left out; lisp/README.md lists
 * those. */
static const char *const libraries[][3] = {
    {"scheme", "base",
     "* + - ... / < <= = => > >= _ abs and append apply assoc assq assv begin binary-port? "
     "boolean=? "
     "boolean? bytevector bytevector-append bytevector-copy bytevector-copy! bytevector-length "
     "bytevector-u8-ref bytevector-u8-set! bytevector? caar cadr call-with-current-continuation "
     "call-with-port call-with-values call/cc car case cdar cddr cdr ceiling char->integer "
     "char-ready? char<=? char<? char=? char>=? char>? char? close-input-port close-output-port "
     "close-port complex? cond cond-expand cons current-error-port current-input-port "
     "current-output-port define define-record-type define-syntax define-values denominator do "
     "dynamic-wind else eof-object eof-object? eq? equal? eqv? error error-object-irritants "
     "error-object-message error-object? even? exact exact-integer-sqrt exact-integer? exact? expt "
     "features file-error? floor floor-quotient floor-remainder floor/ flush-output-port for-each "
     "gcd get-output-bytevector get-output-string guard if include include-ci inexact inexact? "
     "input-port-open? input-port? integer->char integer? lambda lcm length let let* let*-values "
     "let-syntax let-values letrec letrec* letrec-syntax list list->string list->vector list-copy "
     "list-ref list-set! list-tail list? make-bytevector make-list make-parameter make-string "
     "make-vector map max member memq memv min modulo negative? newline not null? number->string "
     "number? numerator odd? open-input-bytevector open-input-string open-output-bytevector "
     "open-output-string or output-port-open? output-port? pair? parameterize peek-char peek-u8 "
     "port? positive? procedure? quasiquote quote quotient raise raise-continuable rational? "
     "rationalize "
     "read-bytevector read-bytevector! read-char read-error? read-line read-string read-u8 real? "
     "remainder reverse round set! set-car! set-cdr! square string string->list string->number "
     "string->symbol string->utf8 string->vector string-append string-copy string-copy! "
     "string-fill! string-for-each string-length string-map string-ref string-set! string<=? "
     "string<? string=? string>=? string>? string? substring symbol->string symbol=? symbol? "
     "syntax-error syntax-rules textual-port? truncate truncate-quotient truncate-remainder "
     "truncate/ u8-ready? unless unquote unquote-splicing utf8->string values vector "
     "vector->list vector->string vector-append vector-copy vector-copy! vector-fill! "
     "vector-for-each vector-length vector-map vector-ref vector-set! vector? when "
     "with-exception-handler write-bytevector write-char write-string write-u8 zero?"},
    {"scheme", "case-lambda", "case-lambda"},
    {"scheme", "char",
     "char-alphabetic? char-ci<=? char-ci<? char-ci=? char-ci>=? char-ci>? char-downcase "
     "char-foldcase char-lower-case? char-numeric? char-upcase char-upper-case? "
     "char-whitespace? digit-value string-ci<=? string-ci<? string-ci=? string-ci>=? "
     "string-ci>? string-downcase string-foldcase string-upcase"},
    {"scheme", "cxr",
     "caaar caadr cadar caddr cdaar cdadr cddar cdddr caaaar caaadr caadar caaddr cadaar "
     "cadadr caddar cadddr cdaaar cdaadr cdadar cdaddr cddaar cddadr cdddar cddddr"},
    {"scheme", "eval", "environment eval"},
    {"scheme", "file",
     "call-with-input-file call-with-output-file delete-file file-exists? "
     "open-binary-input-file open-binary-output-file open-input-file open-output-file "
     "with-input-from-file with-output-to-file"},
    {"scheme", "inexact", "acos asin atan cos exp finite? infinite? log nan? sin sqrt tan"},
    {"scheme", "lazy", "delay delay-force force make-promise promise?"},
    {"scheme", "load", "load"},
    {"scheme", "process-context",
     "command-line emergency-exit exit get-environment-variable "
     "get-environment-variables"},
    {"scheme", "read", "read"},
    {"scheme", "repl", "interaction-environment"},
    {"scheme", "time", "current-jiffy current-second jiffies-per-second"},
    {"scheme", "write", "display write write-shared write-simple"},
    {"memcam", "extra",
     "cons* append! reverse! iota filter fold delete string-index string-contains assert "
     "list-index string-join string-split last-pair void sort exact->inexact inexact->exact "
     "receive vector-grow gc 1+ -1+ reduce fold-right any every string-prefix? string-suffix? "
     "string-trim condition-where condition-kind hash-table? make-hash-table hash-table-ref "
     "hash-table-ref/default hash-table-set! hash-table-delete! hash-table-count "
     "hash-table-keys hash-table-values hash-table-contains? hash-table-update! "
     "hash-table-update!/default hash-table->alist hash-table-clear!"},
};

/* Make library `(family name)` of those of the words that the core has. 0 or MC_ENOMEM. */
static int add_library(struct scm_vm *vm, const char *const library[3])
{
    const char *words = library[2];
    scm_value list = scm_cons(vm, scm_symbol(vm, library[1]), SCM_NIL);
    list = scm_cons(vm, scm_symbol(vm, library[0]), list);
    struct scm_env *env = scm_library_make(vm, list);
    if (!env)
        return MC_ENOMEM;
    env->exports = SCM_TRUE;
    while (*words) {
        size_t count = strcspn(words, " ");
        scm_value symbol = scm_intern(vm, words, count);
        scm_value meaning = scm_env_get(vm->core, symbol);
        if (meaning != SCM_ABSENT)
            scm_env_put(vm, env, symbol, meaning);
        words += count;
        words += strspn(words, " ");
    }
    return 0;
}

static void copy_env(struct scm_vm *vm, struct scm_env *to, const struct scm_env *from)
{
    for (uint32_t i = 0; i < from->room; i++) {
        if (from->keys[i])
            scm_env_put(vm, to, from->keys[i], from->values[i]);
    }
}

/* After the prelude: make the libraries, and the user's environment with all of them in it. */
static int make_libraries(struct scm_vm *vm)
{
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        int code = add_library(vm, libraries[i]);
        if (code)
            return code;
        scm_value newest = scm_cdr(scm_car(vm->lib_list));
        copy_env(vm, vm->user, scm_ptr(scm_cell(newest)->a));
    }
    scm_value import = scm_symbol(vm, "import"), library = scm_symbol(vm, "define-library");
    scm_env_put(vm, vm->user, import, scm_special(SF_IMPORT));
    scm_env_put(vm, vm->user, library, scm_special(SF_DEFINE_LIBRARY));
    vm->user->defined_count = 0;
    return 0;
}

int scm_library_init(struct scm_vm *vm)
{
    if (!vm->core) {
        vm->core = scm_env_new(vm, SCM_FALSE);
        vm->user = scm_env_new(vm, SCM_FALSE);
        if (!vm->core || !vm->user)
            return MC_ENOMEM;
        for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
            scm_env_put(vm, vm->core, scm_symbol(vm, specials[i].name),
                        scm_special(specials[i].form));
        return 0;
    }
    return make_libraries(vm);
}
