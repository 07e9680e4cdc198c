/* test_scm_errors.c: what goes wrong is told with its place, and the VM goes on. */
#include "tests/unit/scm_check.h"

static struct scm_vm *vm;

static void test_places(void)
{
    CHECK_RUN(vm, "(car 5)", "error t:1:1 car: expected a pair, got 5");
    CHECK_RUN(vm, "(define (f x)\n  (+ 1 (vector-ref x 3)))\n(f (vector 1))",
              "error t:2:8 vector-ref: index 3 is out of range, the length is 1");
    CHECK_RUN(vm, "(list 1\n   nowhere)", "error t:2:4 unbound variable: nowhere");
    CHECK_RUN(vm, "(define (g a b) a)\n  (g 1)", "error t:2:3 g: expected 2 arguments, got 1");
    CHECK_RUN(vm, "(define (h)\n (map car '(1)))\n(+ 1 (h))",
              "error t:2:2 car: expected a pair, got 1");
    CHECK_RUN(vm, "(error \"bad thing:\" 1 \"x\")", "error t:1:1 bad thing: 1 \"x\"");
    CHECK_RUN(vm, "(raise 'oops)", "raise t:1:1 uncaught raise of oops");
    CHECK_RUN(vm, "(\"no\" 1)", "error t:1:1 call: expected a procedure, got \"no\"");
    CHECK_RUN(vm, "(set! unknown 1)", "error t:1:1 unbound variable: unknown");
    CHECK_RUN(vm, "(letrec ((a (lambda () b)) (b (a))) b)",
              "error t:1:24 b: used before its definition");
    CHECK_RUN(vm, "(+ 1 1)", "2");
}

static void test_syntax_errors(void)
{
    CHECK_RUN(vm, "(if)", "syntax t:1:1 if: (if test then else)");
    CHECK_RUN(vm, "\n (let ((x)) x)", "syntax t:2:8 a binding is (name value)");
    CHECK_RUN(vm, "(lambda (x x) x)", "syntax t:1:9 x is bound twice here");
    CHECK_RUN(vm, "()", "syntax t:1:1 () is no expression; the empty list is '()");
    CHECK_RUN(vm, "(display 1 . 2)",
              "syntax t:1:1 this form is not a list: a dot or a cycle stands in it");
    CHECK_RUN(vm, "(list if)", "syntax t:1:7 if is syntax and has no value");
    CHECK_RUN(vm, "(import (no such lib))",
              "syntax t:1:1 import: there is no library (no such lib)");
    CHECK_RUN(vm, "(define-syntax m (syntax-rules () ((_ a) a))) (m)",
              "syntax t:1:47 no rule of this macro matches");
    CHECK_RUN(vm, "(let () (define x 1))", "syntax t:1:9 a body without an expression at its end");
    CHECK_RUN(vm, "(syntax-error \"say\" 1 x)", "syntax t:1:1 say 1 x");
    CHECK_RUN(vm, "(set! car 1)",
              "syntax t:1:1 set!: car is imported; define it first to have your own");
}

static void test_read_errors(void)
{
    CHECK_RUN(vm, "(a\n (b c)", "read t:1:1 the ( that opens here is never closed");
    CHECK_RUN(vm, "x\n  )", "error t:1:1 unbound variable: x");
    CHECK_RUN(vm, "\n  )", "read t:2:3 there is no ( for this )");
    CHECK_RUN(vm, " \"abc", "read t:1:2 the string that begins here has no end: \" is missing");
    CHECK_RUN(vm, "#| x", "read t:1:1 the comment #| that begins here has no |#");
    CHECK_RUN(vm, "'", "read t:1:1 the quote that stands here is never followed by a datum");
    CHECK_RUN(vm, "(1 . )", "read t:1:6 a datum is missing after the dot");
    CHECK_RUN(vm, "(1 . 2 3)", "read t:1:8 one datum only may follow the dot");
    CHECK_RUN(vm, "#\\nonsense", "read t:1:1 unknown character name #\\nonsense");
    CHECK_RUN(vm, "#u8(256)", "read t:1:5 a bytevector holds integers from 0 to 255");
    CHECK_RUN(vm, "(f \"a\xff\")", "read t:1:4 a string with bytes that are not UTF-8");
    CHECK_RUN(vm, "#e1e999999999", "read t:1:1 #e1e999999999 is past the limits of exact numbers");
    CHECK_RUN(vm, "(1 2/0)", "read t:1:4 2/0 is a fraction with denominator 0");
    CHECK_RUN(vm, "'#0#", "read t:1:2 #0# stands before #0=");
    CHECK_RUN(vm, "[1]", "read t:1:1 [ is reserved; use parentheses");
}

static void test_limits(void)
{
    CHECK_RUN(vm, "(define (f) (+ 1 (f))) (guard (e (#t (condition-kind e))) (f))", "limit");
    CHECK(strncmp(run(vm, "(f)"), "limit t:1:18 recursion too deep", 31) == 0);
    CHECK(strncmp(run(vm, "(let loop ((l '())) (loop (cons 1 l)))"),
                  "memory t:1:21 out of memory: all 262144 cells are in use", 56) == 0);
    CHECK_RUN(vm, "(length (vector->list (make-vector 1000 0)))", "1000");
    CHECK(strncmp(run(vm, "(make-string 4000000000 #\\a)"), "memory", 6) == 0);
    CHECK(strncmp(run(vm, "(make-bytevector 99999999999999)"), "memory", 6) == 0);
    CHECK(strncmp(run(vm, "(let loop ((s \"x\")) (loop (string-append s s)))"), "memory", 6) == 0);
    CHECK_RUN(vm, "(string-length (make-string 100000 #\\a))", "100000");
}

static void test_deadline(void)
{
    scm_set_deadline(vm, 20000000);
    CHECK(strncmp(run(vm, "(let loop () (loop))"), "limit t:1:14 the call ran longer", 32) == 0);
    CHECK_RUN(vm, "(guard (e (#t (condition-kind e))) (let loop () (loop)))", "limit");
    /* a program that catches the limit again and again is ended all the same */
    CHECK(strncmp(
              run(vm, "(define (again) (guard (e (#t #f)) (let loop () (loop))) (again)) (again)"),
              "limit", 5) == 0);
    scm_set_deadline(vm, 0);
    CHECK_RUN(vm, "(let loop ((i 0)) (if (< i 1000000) (loop (+ i 1)) i))", "1000000");
}

static void test_exit(void)
{
    CHECK_RUN(vm, "(dynamic-wind (lambda () #f) (lambda () (exit 7)) (lambda () (set! done 1)))",
              "exit t:1:41 exit 7");
    CHECK_INT(scm_exit_status(vm), 7);
    run(vm, "(guard (e (#t 1)) (exit #f))");
    CHECK_STR(scm_check_err.kind, "exit");
    CHECK_INT(scm_exit_status(vm), 1);
    run(vm, "(exit)");
    CHECK_INT(scm_exit_status(vm), 0);
}

static void test_files(void)
{
    CHECK_INT(scm_load_file(vm, "/no/such/file.scm", &scm_check_err), MC_ENOENT);
    CHECK_STR(scm_check_err.kind, "file");
    CHECK_STR(scm_check_err.where, "/no/such/file.scm");
    CHECK_INT(scm_load_file(vm, "/", NULL) < 0, 1);
}

int main(void)
{
    vm = scm_vm_new(NULL);
    run(vm, "(define done 0)");
    RUN(test_places);
    RUN(test_syntax_errors);
    RUN(test_read_errors);
    RUN(test_limits);
    RUN(test_deadline);
    RUN(test_exit);
    RUN(test_files);
    scm_vm_free(vm);
    return CHECK_DONE();
}
