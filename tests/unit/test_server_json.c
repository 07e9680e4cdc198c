/* test_server_json.c: Scheme values as JSON and back, garbage included. */
#include <stdlib.h>

#include "lisp/scm.h"
#include "server/app_json.h"
#include "tests/unit/check.h"
#include "tracer/error.h"

static struct scm_vm *vm;
static struct mc_json_makers makers;
static char text[4096];

/* Evaluate an expression and write its value; the text, or "!" and why not. */
static const char *written(const char *expression)
{
    struct scm_error err;
    scm_value v = SCM_VOID, culprit = SCM_VOID;
    struct mc_buf out = {0};
    const char *why = "";
    if (scm_eval_text(vm, "test", expression, strlen(expression), &v, &err) != 0) {
        snprintf(text, sizeof(text), "! %s", err.message);
        return text;
    }
    if (mc_json_write(v, &out, &why, &culprit) != 0)
        snprintf(text, sizeof(text), "! %s", why);
    else
        snprintf(text, sizeof(text), "%.*s", (int)out.count, (const char *)out.bytes);
    mc_buf_fini(&out);
    return text;
}

static struct mc_buf scratch;

static scm_value prim_parse(struct scm_vm *v, int argc, const scm_value *argv, void *arg)
{
    static char copy[70000];
    size_t bytes;
    (void)argc;
    (void)arg;
    const char *given = scm_text(argv[0], &bytes);
    if (bytes >= sizeof(copy))
        return scm_fail(v, "too long for this test");
    memcpy(copy, given, bytes);
    return mc_json_parse(v, &makers, copy, bytes, &scratch);
}

/* Parse a text and write it again; "!" and the message when it can't be parsed. */
static const char *round_trip(const char *json)
{
    struct scm_error err;
    scm_value parse, given, v = SCM_VOID, culprit;
    struct mc_buf out = {0};
    const char *why;
    if (scm_eval_text(vm, "test", "(import (test)) parse", 21, &parse, &err) != 0) {
        snprintf(text, sizeof(text), "! %s", err.message);
        return text;
    }
    scm_push_root(vm, &parse);
    given = scm_string(vm, json, strlen(json));
    scm_push_root(vm, &given);
    if (scm_call(vm, parse, 1, &given, &v, &err) != 0)
        snprintf(text, sizeof(text), "! %s", err.message);
    else if (mc_json_write(v, &out, &why, &culprit) != 0)
        snprintf(text, sizeof(text), "! %s", why);
    else
        snprintf(text, sizeof(text), "%.*s", (int)out.count, (const char *)out.bytes);
    scm_pop_root(vm, 2);
    mc_buf_fini(&out);
    return text;
}

static void test_atoms(void)
{
    CHECK_STR(written("42"), "42");
    CHECK_STR(written("-7"), "-7");
    CHECK_STR(written("2.5"), "2.5");
    CHECK_STR(written("0.1"), "0.1");
    CHECK_STR(written("1e300"), "1e+300");
    CHECK_STR(written("#t"), "true");
    CHECK_STR(written("#f"), "false");
    CHECK_STR(written("'null"), "null");
    CHECK_STR(written("'name"), "\"name\"");
    CHECK_STR(written("\"a\\\"b\\\\\\n\""), "\"a\\\"b\\\\\\n\"");
    CHECK_STR(written("(/ 1. 0.)"), "null");
    CHECK(written("car")[0] == '!');
    CHECK(written("#\\a")[0] == '!');
    CHECK(written("(list 1 (list car))")[0] == '!');
}

static void test_containers(void)
{
    CHECK_STR(written("'()"), "[]");
    CHECK_STR(written("(vector)"), "[]");
    CHECK_STR(written("'(1 2 3)"), "[1,2,3]");
    CHECK_STR(written("'#(1 #(2) (3))"), "[1,[2],[3]]");
    CHECK_STR(written("'((a . 1) (\"b\" . (2 3)) (c . ()))"), "{\"a\":1,\"b\":[2,3],\"c\":[]}");
    CHECK_STR(written("'((a (b . 1)))"), "{\"a\":{\"b\":1}}");
    CHECK(written("'((a . 1) 5)")[0] == '!');
    CHECK(written("'(1 2 . 3)")[0] == '!');
    CHECK(written("'((1 . 2))")[0] == '!');
}

static void test_deep_and_circular(void)
{
    CHECK(written("(let loop ((i 0) (v '())) (if (= i 90) v (loop (+ i 1) (list v))))")[0] == '[');
    CHECK(written("(let loop ((i 0) (v '())) (if (= i 100000) v (loop (+ i 1) (list v))))")[0] ==
          '!');
    CHECK(written("(let ((l (list 1 2))) (set-cdr! (cdr l) l) l)")[0] == '!');
    CHECK(written("(let ((l (list (cons 'a 1)))) (set-cdr! l l) l)")[0] == '!');
    CHECK(written("(let ((v (vector 1))) (vector-set! v 0 v) v)")[0] == '!');
}

static void test_parse(void)
{
    static const char *const same[] = {
        "1",
        "-2.5",
        "\"\"",
        "true",
        "null",
        "[]",
        "[1,[2,[3,{\"a\":[]}]],\"x\"]",
        "{\"a\":1,\"b\":{\"c\":[true,false,null]}}",
        "[[\"a\",1],[\"b\",2]]",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        CHECK_STR(round_trip(same[i]), same[i]);
    CHECK_STR(round_trip(" [ 1 , 2 ]\r\n"), "[1,2]");
    CHECK_STR(round_trip("\"\\u00e9\\n\\ud83d\\ude00\""), "\"\xc3\xa9\\n\xf0\x9f\x98\x80\"");
    CHECK_STR(round_trip("\"\\ud83d!\""), "\"\xef\xbf\xbd!\"");
    CHECK_STR(round_trip("1e2"), "100");
    CHECK_STR(round_trip("123456789012345678901234567890"), "123456789012345678901234567890");
}

static void test_parse_garbage(void)
{
    static const char *const bad[] = {"",        " ",
                                      "[",       "]",
                                      "[1,]",    "{\"a\":1,}",
                                      "{\"a\"}", "{a:1}",
                                      "nul",     "tru",
                                      "01",      "1.",
                                      ".5",      "-",
                                      "1e",      "+1",
                                      "\"",      "\"\\\"",
                                      "\"\\q\"", "\"\\u12\"",
                                      "\"\n\"",  "[1 2]",
                                      "1 2",     "{\"a\":}",
                                      "[,1]",    "{\"a\":1 \"b\":2}",
                                      "0x10",    "Infinity"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(strncmp(round_trip(bad[i]), "! json-parse: line ", 19) == 0);
    static char deep[60001];
    memset(deep, '[', 60000);
    CHECK(strncmp(round_trip(deep), "! json-parse: line 1", 20) == 0);
    CHECK_STR(round_trip("[1,\n  x]"), "! json-parse: line 2, column 3: not a JSON value");
}

/* Random bytes of JSON's own alphabet: nothing but a value or a message may come. */
static void test_parse_random(void)
{
    static const char alphabet[] = "[]{}\",:0123-.eEtrufalsn\\ \n";
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char json[40];
        size_t bytes = (size_t)(rand_r(&seed) % 39);
        for (size_t i = 0; i < bytes; i++)
            json[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        json[bytes] = '\0';
        const char *got = round_trip(json);
        CHECK(got[0] != '!' || strncmp(got, "! json-parse: ", 14) == 0);
    }
}

static void run_all(int gc_stress)
{
    struct scm_error err = {.message = ""};
    static const char imports[] = "(import (scheme base))";
    scm_value v;
    vm = scm_vm_new(&(struct scm_options){.cell_count = 200000, .gc_stress = gc_stress});
    CHECK(vm != NULL);
    CHECK_INT(scm_define_prim(vm, "(test)", "parse", prim_parse, 1, 1, NULL), 0);
    CHECK_INT(mc_json_makers_init(vm, &makers, &err), 0);
    CHECK_INT(scm_eval_text(vm, "test", imports, sizeof(imports) - 1, &v, &err), 0);
    CHECK_STR(err.message, "");
    RUN(test_atoms);
    RUN(test_containers);
    RUN(test_parse);
    if (!gc_stress) {
        RUN(test_deep_and_circular);
        RUN(test_parse_garbage);
        RUN(test_parse_random);
    }
    scm_vm_free(vm);
}

int main(void)
{
    run_all(0);
    run_all(1);
    mc_buf_fini(&scratch);
    return CHECK_DONE();
}
