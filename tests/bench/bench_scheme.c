/* bench_scheme.c: the Scheme's speed: CPU seconds, median of three; peers beside it when installed.
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

#define FIB "(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib 30)"
#define LOOP "(let loop ((i 0)) (if (< i 10000000) (loop (+ i 1)) i))"
#define CONS "(let loop ((i 0) (l '())) (if (< i 10000000) (loop (+ i 1) (cons i '())) l))"

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

static void report(const char *name, double *three, const char *unit)
{
    qsort(three, 3, sizeof *three, by_size);
    printf("%s\t%.4f\t%s\n", name, three[1], unit);
    fflush(stdout);
}

static void bench_text(const char *name, struct mc_tracer *tracer, const char *text)
{
    struct scm_options opts = {.tracer = tracer};
    struct scm_error err;
    double three[3];
    for (int i = 0; i < 3; i++) {
        struct scm_vm *vm = scm_vm_new(tracer && i ? NULL : &opts);
        if (tracer && i) { /* a tracer takes each name once: run again in the first machine */
            scm_vm_free(vm);
            three[i] = three[0];
            continue;
        }
        double start = cpu_seconds(RUSAGE_SELF);
        if (scm_eval_text(vm, "bench", text, strlen(text), NULL, &err))
            fprintf(stderr, "%s: %s\n", name, err.message);
        three[i] = cpu_seconds(RUSAGE_SELF) - start;
        scm_vm_free(vm);
    }
    report(name, three, "s");
}

static void bench_start(void)
{
    double three[3];
    for (int i = 0; i < 3; i++) {
        double start = cpu_seconds(RUSAGE_SELF);
        scm_vm_free(scm_vm_new(NULL));
        three[i] = (cpu_seconds(RUSAGE_SELF) - start) * 1000;
    }
    report("scheme_start", three, "ms");
}

/* The longest pause while a list of a million pairs is alive and garbage is made. */
static void bench_pause(void)
{
    static const char text[] =
        "(define live (make-list 1000000 0))"
        "(let loop ((i 0)) (if (< i 5000000) (begin (cons i i) (loop (+ i 1)))))";
    struct scm_options opts = {.cell_count = 2097152};
    struct scm_error err;
    double three[3];
    for (int i = 0; i < 3; i++) {
        struct scm_vm *vm = scm_vm_new(&opts);
        if (scm_eval_text(vm, "bench", text, sizeof text - 1, NULL, &err))
            fprintf(stderr, "pause: %s\n", err.message);
        three[i] = (double)vm->gc_max_ns / 1e6;
        scm_vm_free(vm);
    }
    report("scheme_gc_pause_1m_live", three, "ms");
}

static void bench_peer(const char *name, const char *program, const char *option, const char *text)
{
    double three[3];
    for (int i = 0; i < 3; i++) {
        double start = cpu_seconds(RUSAGE_CHILDREN);
        pid_t child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
                _exit(127);
            execlp(program, program, option, text, (char *)NULL);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0)
            return; /* not installed */
        three[i] = cpu_seconds(RUSAGE_CHILDREN) - start;
    }
    report(name, three, "s");
}

int main(void)
{
    bench_start();
    bench_text("scheme_fib_30", NULL, FIB);
    bench_text("scheme_loop_1e7", NULL, LOOP);
    bench_text("scheme_cons_1e7", NULL, CONS);
    char dir[] = "/tmp/memcam-bench-XXXXXX";
    if (mkdtemp(dir)) {
        struct mc_options opts = {.struct_bytes = sizeof opts, .dir = dir};
        struct mc_tracer *tracer = mc_tracer_open("bench-scheme", &opts);
        if (tracer)
            bench_text("scheme_cons_1e7_traced", tracer, CONS);
        mc_tracer_close(tracer);
        char command[100];
        snprintf(command, sizeof command, "rm -rf %s", dir);
        if (system(command) != 0)
            fprintf(stderr, "%s was left behind\n", dir);
    }
    bench_pause();
    bench_peer("python3_fib_30", "python3", "-c", "f=lambda n: n if n<2 else f(n-1)+f(n-2)\nf(30)");
    bench_peer("python3_loop_1e7", "python3", "-c", "i=0\nwhile i<10000000: i+=1");
    bench_peer("python3_cons_1e7", "python3", "-c", "i=0\nwhile i<10000000:\n l=[i]\n i+=1");
    bench_peer("guile_fib_30", "guile", "-c", FIB);
    bench_peer("guile_loop_1e7", "guile", "-c", LOOP);
    bench_peer("guile_cons_1e7", "guile", "-c", CONS);
    bench_peer("lua_fib_30", "lua5.4", "-e",
               "local function f(n) if n<2 then return n end return f(n-1)+f(n-2) end f(30)");
    return 0;
}
