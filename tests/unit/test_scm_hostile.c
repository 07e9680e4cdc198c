/* test_scm_hostile.c: no source text crashes, hangs or wears out the VM. */
#include "tests/unit/scm_check.h"

static struct scm_vm *vm;

static char *repeated(const char *head, const char *part, int count, const char *tail)
{
    size_t h = strlen(head), p = strlen(part), t = strlen(tail);
    char *text = malloc(h + p * (size_t)count + t + 1), *at = text;
    memcpy(at, head, h);
    at += h;
    for (int i = 0; i < count; i++, at += p)
        memcpy(at, part, p);
    memcpy(at, tail, t + 1);
    return text;
}

static const char *run_repeated(const char *head, const char *part, int count, const char *tail)
{
    char *text = repeated(head, part, count, tail);
    const char *shown = run(vm, text);
    free(text);
    return shown;
}

static void test_nesting(void)
{
    CHECK(strncmp(run_repeated("", "(", 100000, ""), "read t:1:", 9) == 0);
    char *deep = repeated("'", "(", 50000, "");
    char *both = repeated(deep, ")", 50000, "");
    CHECK(strncmp(run(vm, both), "((((", 4) == 0);
    free(both);
    free(deep);
    CHECK(strncmp(run_repeated("", "(+ 1 ", 100000, ""), "read", 4) == 0);
    deep = repeated("", "(+ 1 ", 30000, "1");
    both = repeated(deep, ")", 30000, "");
    CHECK(strncmp(run(vm, both), "syntax", 6) == 0);
    free(both);
    free(deep);
    run_repeated("", "'", 100000, "x");
    CHECK(strncmp(run_repeated("", "#(", 100000, ""), "read", 4) == 0);
    CHECK(strncmp(run_repeated("", "#;", 100000, ""), "read", 4) == 0);
    CHECK(strncmp(run_repeated("(quasiquote ", "(a ", 30000, ""), "read", 4) == 0);
    CHECK_RUN(vm, "(+ 1 1)", "2");
}

static void test_long(void)
{
    CHECK_RUN(vm, "(define s #f)", "#<unspecified>");
    char *text = repeated("(string-length \"", "x", 5000000, "\")");
    CHECK_RUN(vm, text, "5000000");
    free(text);
    CHECK_RUN(vm, "(equal? (make-string 100 #\\a) (make-string 100 #\\a))", "#t");
    text = repeated("(begin ", "(define x 1) ", 3000, "x)");
    CHECK_RUN(vm, text, "1");
    free(text);
    text = repeated("(+ ", "1 ", 50000, ")");
    CHECK_RUN(vm, text, "50000");
    free(text);
}

static void test_circular_source(void)
{
    static const char *const texts[] = {
        "#0=(#0#)",
        "#0=(a . #0#)",
        "(let #0=((a 1) . #0#) a)",
        "(define-syntax m (syntax-rules () #0=((_ . #0#) 1)))",
        "(define-syntax m (syntax-rules () ((_ . #0=(a . #0#)) 1)))",
        "`#0=(1 ,2 . #0#)",
        "(lambda #0=(a . #0#) 1)",
        "(cond #0=(#t . #0#))",
        "#0=#0#",
        "(quote #0=(1 #0# . #0#))",
        "(define-syntax n (syntax-rules () ((_ x) 'x))) (n #0=(b . #0#))",
        "(define-syntax l (syntax-rules () ((_ x ...) (l x ... x ...)))) (l 1)",
        "(define-syntax k (syntax-rules () ((_ x) (k (x x))))) (k 1)",
        "(define-syntax j (syntax-rules () ((_) (begin (j) (j))))) (j)",
        "(let loop ((x 1)) (loop (list x x)))",
        "(define q (list 1)) (set-cdr! q q) (length q)",
        "(define q (list 1)) (set-cdr! q q) (list-copy q)",
        "(map car q)",
        "(apply + q)",
        "(eval q)",
    };
    scm_set_deadline(vm, 2000000000);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        run(vm, texts[i]);
    scm_set_deadline(vm, 0);
    CHECK_RUN(vm, "(+ 1 1)", "2");
}

static uint32_t random_state = 12345;
static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void test_random_bytes(void)
{
    char text[200];
    for (int round = 0; round < 20000; round++) {
        size_t count = next_random() % sizeof text;
        for (size_t i = 0; i < count; i++)
            text[i] = (char)next_random();
        scm_eval_text(vm, "r", text, count, NULL, &scm_check_err);
    }
    CHECK_RUN(vm, "(+ 1 1)", "2");
}

static void test_random_tokens(void)
{
    static const char *const tokens[] = {
        "(",
        ")",
        "(",
        ")",
        "'",
        "`",
        ",",
        ",@",
        "#(",
        ".",
        "...",
        "_",
        "=>",
        "else",
        "lambda",
        "define",
        "let",
        "let*",
        "letrec",
        "if",
        "cond",
        "case",
        "do",
        "set!",
        "begin",
        "x",
        "y",
        "f",
        "1",
        "2.5",
        "\"s\"",
        "#\\a",
        "#t",
        "define-syntax",
        "syntax-rules",
        "()",
        "car",
        "cons",
        "+",
        "call/cc",
        "values",
        "let-values",
        "guard",
        "raise",
        "quasiquote",
        "unquote",
        "define-record-type",
        "case-lambda",
        "dynamic-wind",
        "#;",
        "#0=",
        "#0#",
        "parameterize",
        "apply",
        "map",
        "list",
        "import",
        "define-library",
        "export",
        "begin",
        "delay",
        "force",
    };
    char text[2000];
    scm_set_deadline(vm, 100000000);
    for (int round = 0; round < 20000; round++) {
        size_t at = 0, count = 5 + next_random() % 40;
        text[at++] = '(';
        for (size_t i = 0; i < count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s ",
                                   tokens[next_random() % (sizeof tokens / sizeof *tokens)]);
        for (int i = 0; i < 8; i++)
            text[at++] = ')';
        scm_eval_text(vm, "r", text, at, NULL, &scm_check_err);
    }
    scm_set_deadline(vm, 0);
    CHECK_RUN(vm, "2", "2"); /* the words themselves may have been redefined */
}

int main(void)
{
    vm = scm_vm_new(NULL);
    RUN(test_nesting);
    RUN(test_long);
    RUN(test_circular_source);
    RUN(test_random_bytes);
    RUN(test_random_tokens);
    scm_vm_free(vm);
    return CHECK_DONE();
}
