/* test_scm_gc.c: collection: nothing in use is lost, everything else comes back. */
#include "lisp/scm_priv.h"
#include "tests/unit/scm_check.h"

static int suite(struct scm_vm *vm, const char *path)
{
    int code = scm_load_file(vm, path, &scm_check_err);
    if (strcmp(scm_check_err.kind, "exit") != 0)
        fprintf(stderr, "%s: %s: %s\n", path, scm_check_err.where, scm_check_err.message);
    return code && strcmp(scm_check_err.kind, "exit") == 0 ? scm_exit_status(vm) : 99;
}

/* The suites of the language with a collection at every allocation. */
static void test_stress(void)
{
    static const char *const paths[] = {"tests/scheme/test_base.scm", "tests/scheme/test_text.scm",
                                        "tests/scheme/test_syntax.scm",
                                        "tests/scheme/test_numbers.scm"};
    struct scm_options opts = {.gc_stress = 1, .cell_count = 32768};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct scm_vm *vm = scm_vm_new(&opts);
        CHECK_INT(suite(vm, paths[i]), 0);
        scm_vm_free(vm);
    }
}

static void test_comes_back(void)
{
    struct scm_vm *vm = scm_vm_new(NULL);
    run(vm, "(define (work n) (let loop ((i 0) (l '())) (if (< i n) (loop (+ i 1) (cons "
            "(number->string i) "
            "(if (= 0 (modulo i 100)) '() l))) (length l))))");
    run(vm, "(work 1000)");
    scm_collect(vm);
    uint32_t cells = vm->used_count;
    size_t bytes = vm->payload_bytes;
    for (int i = 0; i < 20; i++)
        CHECK_RUN(vm, "(work 50000)", "100");
    scm_collect(vm);
    CHECK(vm->gc_count > 5);
    CHECK(vm->used_count < cells + 200);
    CHECK(vm->payload_bytes < bytes + 20000);
    scm_vm_free(vm);
}

static void test_symbols_are_weak(void)
{
    struct scm_vm *vm = scm_vm_new(NULL);
    run(vm, "(define kept (string->symbol \"kept-symbol\"))");
    run(vm, "(let loop ((i 0)) (if (< i 500000) (begin (string->symbol (number->string i)) (loop "
            "(+ i 1)))))");
    CHECK_RUN(vm, "(eq? kept (string->symbol \"kept-symbol\"))", "#t");
    scm_collect(vm);
    CHECK(vm->used_count < 40000);
    CHECK(vm->symbol_room <= 1u << 20);
    scm_vm_free(vm);
}

static void test_free_cells_in_order(void)
{
    struct scm_vm *vm = scm_vm_new(NULL);
    scm_collect(vm);
    scm_value last = 0;
    for (int i = 0; i < 1000; i++) {
        scm_value v = scm_cons(vm, SCM_NIL, SCM_NIL);
        CHECK(v > last);
        last = v;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < vm->cell_count; i++)
        used += vm->letters[i] != '.';
    CHECK_INT(used, vm->used_count);
    scm_vm_free(vm);
}

static void test_exhaustion(void)
{
    struct scm_vm *vm = scm_vm_new(NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_RUN(vm, "(guard (e (#t (condition-kind e))) (let loop ((l '())) (loop (cons l l))))",
                  "memory");
        CHECK_RUN(vm, "(guard (e (#t (condition-kind e))) (make-list 500000 1))", "memory");
        CHECK_RUN(vm,
                  "(guard (e (#t (condition-kind e))) (let loop ((l '())) (loop (cons (make-vector "
                  "10000 0) l))))",
                  "memory");
    }
    run(vm,
        "(define hoard '()) (guard (e (#t 1)) (let loop () (set! hoard (cons 1 hoard)) (loop)))");
    run(vm, "(+ 1 1)"); /* little is left, but the VM answers */
    CHECK(strncmp(run(vm, "(make-list 100000 1)"), "memory", 6) == 0);
    run(vm, "(set! hoard '())");
    CHECK_RUN(vm, "(length (make-list 100000 1))", "100000");
    scm_vm_free(vm);
}

static void test_start_and_end(void)
{
    for (int i = 0; i < 30; i++)
        scm_vm_free(scm_vm_new(NULL));
}

int main(void)
{
    RUN(test_stress);
    RUN(test_comes_back);
    RUN(test_symbols_are_weak);
    RUN(test_free_cells_in_order);
    RUN(test_exhaustion);
    RUN(test_start_and_end);
    return CHECK_DONE();
}
