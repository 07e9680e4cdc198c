/* bench_scheme.c: the Scheme's speed: CPU seconds, median of three rounds, in which its peers (Lua,
 * Guile, Python, where installed; without their start) take turns with it.
 *
 * Output: name<TAB>value<TAB>unit, a line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lisp/scm_priv.h"

#define ROUNDS 3

/* What is measured, in each language; guile gets the Scheme, compiled before it is run. */
static const struct program {
    const char *name, *scheme, *lua, *python;
} programs[] = {
    {"fib_30", "(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib 30)",
     "local function f(n) if n<2 then return n end return f(n-1)+f(n-2) end f(30)",
     "f=lambda n: n if n<2 else f(n-1)+f(n-2)\nf(30)"},
    {"loop_1e7", "(let loop ((i 0)) (if (< i 10000000) (loop (+ i 1)) i))",
     "local i=0 while i<10000000 do i=i+1 end", "def f():\n i=0\n while i<10000000: i+=1\nf()"},
    {"cons_1e7", "(let loop ((i 0) (l '())) (if (< i 10000000) (loop (+ i 1) (cons i '())) l))",
     "local l local i=0 while i<10000000 do l={i,nil} i=i+1 end",
     "def f():\n i=0\n while i<10000000:\n  l=[i]\n  i+=1\nf()"},
};
#define PROGRAMS (sizeof programs / sizeof *programs)

enum language { LUA, GUILE, PYTHON };
static const struct peer {
    const char *name, *command, *option;
    enum language language;
    const char *jit; /* GUILE_JIT_THRESHOLD, or NULL */
} peers[] = {
    {"lua", "lua5.4", "-e", LUA, NULL},
    {"guile", "guile", "-c", GUILE, NULL},
    {"guile_no_jit", "guile", "-c", GUILE, "-1"},
    {"python3", "python3", "-c", PYTHON, NULL},
};
#define PEERS (sizeof peers / sizeof *peers)

static double cpu_seconds(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *rounds)
{
    qsort(rounds, ROUNDS, sizeof *rounds, by_size);
    return rounds[ROUNDS / 2];
}

static void report(const char *name, double value, const char *unit)
{
    printf("%s\t%.4f\t%s\n", name, value, unit);
    fflush(stdout);
}

/* CPU seconds of a text in a machine of its own, without the machine's start. */
static double run_ours(const char *text, struct mc_tracer *tracer)
{
    struct scm_options opts = {.tracer = tracer};
    struct scm_error err;
    struct scm_vm *vm = scm_vm_new(&opts);
    double start = cpu_seconds(RUSAGE_SELF);
    if (scm_eval_text(vm, "bench", text, strlen(text), NULL, &err))
        fprintf(stderr, "%s: %s\n", text, err.message);
    double took = cpu_seconds(RUSAGE_SELF) - start;
    scm_vm_free(vm);
    return took;
}

/* CPU seconds of a peer's process; below 0 when it is not installed. */
static double run_peer(const struct peer *peer, const char *text)
{
    double start = cpu_seconds(RUSAGE_CHILDREN);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(127);
        if (peer->jit)
            setenv("GUILE_JIT_THRESHOLD", peer->jit, 1);
        execlp(peer->command, peer->command, peer->option, text, (char *)NULL);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return -1;
    return cpu_seconds(RUSAGE_CHILDREN) - start;
}

/* The program for a peer, or (NULL) one that does nothing, which tells what its start costs. */
static const char *text_for(const struct peer *peer, const struct program *program, char *buf,
                            size_t buf_bytes)
{
    switch (peer->language) {
    case LUA:
        return program ? program->lua : "";
    case PYTHON:
        return program ? program->python : "";
    default:
        snprintf(buf, buf_bytes,
                 "(use-modules (system base compile))"
                 "(compile '(begin %s) #:to 'value #:env (current-module))",
                 program ? program->scheme : "1");
        return buf;
    }
}

/* Ours and the peers' in turn, so that a machine that slows down slows all of them. */
static void bench_program(const struct program *program)
{
    double ours[ROUNDS], theirs[PEERS][ROUNDS], took;
    char name[80], full[512], empty[512];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = run_ours(program->scheme, NULL);
        for (size_t p = 0; p < PEERS; p++) {
            took = run_peer(&peers[p], text_for(&peers[p], program, full, sizeof full));
            theirs[p][i] =
                took < 0
                    ? -1
                    : took - run_peer(&peers[p], text_for(&peers[p], NULL, empty, sizeof empty));
        }
    }
    double least = median(ours);
    snprintf(name, sizeof name, "scheme_%s", program->name);
    report(name, least, "s");
    for (size_t p = 0; p < PEERS; p++) {
        took = median(theirs[p]);
        if (took < 0)
            continue; /* not installed */
        snprintf(name, sizeof name, "%s_%s", peers[p].name, program->name);
        report(name, took, "s");
        snprintf(name, sizeof name, "%s_%s_against_scheme", peers[p].name, program->name);
        report(name, took / least, "x");
    }
}

/* Making pairs while a tracer is told of each. */
static void bench_traced(void)
{
    char dir[] = "/tmp/memcam-bench-XXXXXX", command[100];
    if (!mkdtemp(dir))
        return;
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = dir};
    struct mc_tracer *tracer = mc_tracer_open("bench-scheme", &opts);
    if (tracer)
        report("scheme_cons_1e7_traced", run_ours(programs[2].scheme, tracer), "s");
    mc_tracer_close(tracer);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        fprintf(stderr, "%s was left behind\n", dir);
}

static void bench_start(void)
{
    double rounds[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = cpu_seconds(RUSAGE_SELF);
        scm_vm_free(scm_vm_new(NULL));
        rounds[i] = (cpu_seconds(RUSAGE_SELF) - start) * 1000;
    }
    report("scheme_start", median(rounds), "ms");
}

/* CPU of one collection while so much is alive, median of COLLECTIONS: what the pause is on a
 * machine that has the time. */
static void bench_pause(const char *name, const char *text)
{
    enum { COLLECTIONS = 15 };
    struct scm_options opts = {.cell_count = 2097152};
    struct scm_error err;
    double ms[COLLECTIONS];
    struct scm_vm *vm = scm_vm_new(&opts);
    if (scm_eval_text(vm, "bench", text, strlen(text), NULL, &err))
        fprintf(stderr, "pause: %s\n", err.message);
    for (int i = 0; i < COLLECTIONS; i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        scm_collect(vm);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        ms[i] =
            (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
    }
    qsort(ms, COLLECTIONS, sizeof *ms, by_size);
    report(name, ms[COLLECTIONS / 2], "ms");
    scm_vm_free(vm);
}

int main(void)
{
    bench_start();
    for (size_t i = 0; i < PROGRAMS; i++)
        bench_program(&programs[i]);
    bench_traced();
    bench_pause("scheme_gc_pause_1m_live", "(define live (make-list 1000000 0))");
    bench_pause("scheme_gc_pause_tree",
                "(define (tree d) (if (= d 0) '() (cons (tree (- d 1)) (tree (- d 1)))))"
                "(define live (cons (tree 19) (tree 18)))");
    return 0;
}
