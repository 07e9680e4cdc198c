/* test_scm_api.c: embedding: values, primitives, roots, foreign objects, requests, re-entrance. */
#include "tests/unit/scm_check.h"

static struct scm_vm *vm;
static int fini_count;

static void count_fini(void *object)
{
    (void)object;
    fini_count++;
}

static scm_value prim_sum(struct scm_vm *v, int argc, const scm_value *argv, void *arg)
{
    int64_t sum = *(int *)arg;
    for (int i = 0; i < argc; i++) {
        if (!scm_is_integer(argv[i]))
            return scm_fail(v, "sum: argument %d is no integer", i + 1);
        sum += scm_integer_get(argv[i]);
    }
    return scm_integer(sum);
}

/* Calls back into Scheme; its own failure is the callee's. */
static scm_value prim_call_twice(struct scm_vm *v, int argc, const scm_value *argv, void *arg)
{
    struct scm_error err;
    scm_value a = SCM_FALSE, b = SCM_FALSE;
    (void)argc;
    (void)arg;
    scm_push_root(v, &a);
    if (scm_call(v, argv[0], 0, NULL, &a, &err) || scm_call(v, argv[0], 0, NULL, &b, &err)) {
        scm_pop_root(v, 1);
        return scm_fail(v, "call-twice: %s", err.message);
    }
    scm_pop_root(v, 1);
    return scm_cons(v, a, b);
}

static void test_primitives(void)
{
    static int base = 100;
    CHECK_INT(scm_define_prim(vm, "(my lib)", "sum", prim_sum, 1, 3, &base), 0);
    CHECK_INT(scm_define_prim(vm, "(my lib)", "call-twice", prim_call_twice, 1, 1, NULL), 0);
    CHECK(scm_define_prim(vm, "nonsense", "x", prim_sum, 1, 3, &base) < 0);
    CHECK_RUN(vm, "(import (my lib)) (sum 1 2)", "103");
    CHECK_RUN(vm, "(sum)", "error t:1:1 sum: expected 1 to 3 arguments, got 0");
    CHECK_RUN(vm, "(sum 1 'x)", "error t:1:1 sum: argument 2 is no integer");
    CHECK_RUN(vm, "(guard (e (#t (error-object-message e))) (sum \"\"))",
              "\"sum: argument 1 is no integer\"");
    CHECK_RUN(vm, "(apply sum '(1 2 3))", "106");
    CHECK_RUN(vm, "(map sum '(1 2))", "(101 102)");
}

static void test_reentrance(void)
{
    CHECK_RUN(vm, "(define n 0) (call-twice (lambda () (set! n (+ n 1)) n))", "(1 . 2)");
    CHECK_RUN(vm, "(call-twice (lambda () (car 1)))",
              "error t:1:1 call-twice: car: expected a pair, got 1");
    CHECK_RUN(vm, "(call/cc (lambda (k) (call-twice (lambda () (k 'left)))))", "left");
    CHECK_RUN(vm,
              "(let ((out '())) (call/cc (lambda (k) (dynamic-wind (lambda () #f) "
              "(lambda () (call-twice (lambda () (k 1)))) (lambda () (set! out 'ran))))) out)",
              "ran");
    CHECK_RUN(vm,
              "(define (down n) (if (= n 0) 'end (car (call-twice (lambda () (if (= n 3) 'leaf "
              "(down (- n 1)))))))) (down 8)",
              "leaf");
    CHECK_RUN(vm,
              "(define saved #f) (call-twice (lambda () (call/cc (lambda (k) (set! saved k) 1))))",
              "(1 . 1)");
    CHECK(strncmp(run(vm, "(saved 2)"), "error", 5) == 0); /* its C frame is gone */
    CHECK_RUN(vm, "(+ 1 1)", "2");
}

static void test_values(void)
{
    size_t count;
    scm_value s = scm_string(vm, "h\xc3\xa9\xff", 4);
    scm_text(s, &count);
    CHECK_INT(count, 6); /* the stray byte became U+FFFD */
    CHECK_INT(scm_integer_get(scm_integer(-5)), -5);
    CHECK(scm_real_get(scm_real(vm, 1.5)) == 1.5);
    CHECK(scm_is_real(scm_integer(1)) && !scm_is_integer(scm_real(vm, 1)));
    scm_value b = scm_bytevector(vm, (const uint8_t *)"\0\1\2", 3);
    CHECK(scm_is_bytevector(b) && scm_bytes(b, &count)[2] == 2 && count == 3);
    CHECK(scm_symbol(vm, "abc") == scm_symbol(vm, "abc"));
    CHECK(scm_car(SCM_NIL) == SCM_FALSE && scm_cdr(scm_integer(3)) == SCM_FALSE);
    CHECK_INT(scm_vector_length(SCM_FALSE), 0);
    CHECK(scm_vector_get(SCM_NIL, 5) == SCM_FALSE);
}

static void test_foreign(void)
{
    static const char type[] = "thing", other[] = "other";
    int object = 5;
    scm_value v = scm_foreign(vm, type, &object, count_fini);
    uint32_t ref = scm_ref(vm, v);
    run(vm, "(gc)");
    CHECK(scm_foreign_get(scm_ref_get(vm, ref), type) == &object);
    CHECK(scm_foreign_get(v, other) == NULL && scm_foreign_get(SCM_NIL, type) == NULL);
    CHECK_INT(fini_count, 0);
    scm_unref(vm, ref);
    run(vm, "(gc)");
    CHECK_INT(fini_count, 1);
    v = scm_foreign(vm, type, &object, count_fini);
    scm_foreign_clear(v);
    CHECK(scm_foreign_get(v, type) == NULL);
    run(vm, "(gc)");
    CHECK_INT(fini_count, 1);
}

static void test_roots(void)
{
    scm_value list = SCM_NIL;
    scm_push_root(vm, &list);
    for (int i = 0; i < 1000; i++)
        list = scm_cons(vm, scm_string(vm, "abc", 3), list);
    run(vm, "(gc)");
    int count = 0;
    size_t bytes;
    for (scm_value at = list; scm_is_pair(at); at = scm_cdr(at))
        count += scm_is_string(scm_car(at)) && memcmp(scm_text(scm_car(at), &bytes), "abc", 3) == 0;
    CHECK_INT(count, 1000);
    scm_pop_root(vm, 1);
    uint32_t a = scm_ref(vm, scm_integer(1)), b = scm_ref(vm, scm_integer(2));
    CHECK(a != b && a && b);
    scm_unref(vm, a);
    CHECK_INT(scm_ref(vm, scm_integer(3)), a);
    CHECK_INT(scm_integer_get(scm_ref_get(vm, b)), 2);
    CHECK(scm_ref_get(vm, 0) == SCM_FALSE && scm_ref_get(vm, 999999) == SCM_FALSE);
}

static void test_requests(void)
{
    run(vm, "(define (work n) (string-length (string-upcase (make-string n #\\a))))");
    for (int i = 0; i < 3; i++) {
        scm_request_begin(vm, 7);
        CHECK_RUN(vm, "(work 10000)", "10000");
        size_t high = scm_request_end(vm);
        CHECK(high > 20000 && high < 60000);
    }
    scm_request_begin(vm, 8);
    CHECK_RUN(vm, "(work 1000000)", "1000000"); /* more than the arena holds */
    CHECK(scm_request_end(vm) >= 2000000);
    scm_request_begin(vm, 9);
    CHECK(scm_request_end(vm) == 0);
}

static void test_two_machines(void)
{
    struct scm_options opts = {.cell_count = 16384, .scratch_bytes = 4096};
    struct scm_vm *other = scm_vm_new(&opts);
    CHECK(other != NULL);
    CHECK_RUN(other, "(define only-here 5) only-here", "5");
    CHECK(strncmp(run(vm, "only-here"), "error", 5) == 0);
    CHECK(strncmp(run(other, "(let loop ((l '())) (loop (cons 1 l)))"), "memory", 6) == 0);
    CHECK_RUN(other, "only-here", "5");
    scm_vm_free(other);
    scm_vm_free(NULL);
}

int main(void)
{
    vm = scm_vm_new(NULL);
    run(vm, "(define keep 1)"); /* a program of its own: import adds to what is there */
    RUN(test_primitives);
    RUN(test_reentrance);
    RUN(test_values);
    RUN(test_foreign);
    RUN(test_roots);
    RUN(test_requests);
    RUN(test_two_machines);
    scm_vm_free(vm);
    return CHECK_DONE();
}
