/* test_tracer_quiet.c: publishing takes no lock, makes no system call and allocates nothing.
 *
 * A child whose kernel kills it at any system call but its exit makes each call of memcam.h that a
 * running program makes, often enough that rings wrap; malloc and pthread_mutex_lock are counted.
 */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"

#define ROUNDS 50000

enum { QUIET = 0, ALLOCATED = 1, LOCKED = 2, NOT_READY = 3 };

/* ---- what is counted ------------------------------------------------------------------------- */

static volatile long allocations, locks;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *at, size_t bytes);

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *at, size_t bytes)
{
    allocations++;
    return __libc_realloc(at, bytes);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    locks++;
    return real(mutex);
}
#define COUNTS 1
#else
#define COUNTS 0 /* the sanitizers have their own */
#endif

/* From here on the kernel kills this process at any system call but exit_group. */
static int forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* ---- a program ------------------------------------------------------------------------------- */

struct program {
    struct mc_tracer *tracer;
    struct mc_slab *shared, *alone, *states;
    struct mc_arena *arena;
    struct mc_heap *heap;
    struct mc_counter *counter;
    struct mc_gauge *gauge;
    struct mc_histogram *histogram;
};

static void register_all(struct program *p, struct mc_tracer *t)
{
    p->tracer = t;
    p->shared = mc_slab_register(t, "shared", 64, 100);
    p->alone = mc_slab_register_flags(t, "alone", 64, 100, MC_SLAB_ONE_THREAD);
    p->states = mc_slab_register_flags(t, "states", 16, 100000, MC_SLAB_STATES_ONLY);
    p->arena = mc_arena_register(t, "arena", 1 << 20);
    p->heap = mc_heap_register(t, "heap", 1 << 20);
    p->counter = mc_counter_register(t, "counter", "count");
    p->gauge = mc_gauge_register(t, "gauge", "count");
    p->histogram = mc_histogram_register(t, "histogram", "ns");
}

/* Each call that a running program makes; strings are the same each time. */
static void publish(const struct program *p, uint32_t i)
{
    struct mc_tracer *t = p->tracer;
    uint32_t name = mc_string_id(t, "GET");
    struct mc_response r = {.method = name, .route = name, .status = 200, .dur_ns = i};
    char state = i & 64 ? MC_SLOT_ACTIVE : MC_SLOT_FREE;
    mc_tracer_beat(t);
    mc_slot_set(p->shared, i % 101, state, name, i); /* 100 is out of range */
    mc_slot_set(p->alone, i % 100, state, name, i);
    mc_slot_set(p->states, i * 7919u % 100000, i % 97 ? state : '\n', 0, 0);
    mc_slab_overflow(p->shared);
    mc_arena_set(p->arena, i);
    mc_arena_overflow(p->arena);
    mc_arena_reset(p->arena);
    mc_heap_set(p->heap, i, 2 * i);
    mc_heap_collected(p->heap, "mark-sweep", 1000, i, i / 2);
    mc_counter_add(p->counter, i);
    mc_gauge_set(p->gauge, -(int64_t)i);
    mc_histogram_record(p->histogram, i);
    mc_event_accept(t, i + 1, "10.0.0.7:51234");
    mc_event_accept_on(t, i + 1, name, "[::1]:51234");
    mc_event_tls(t, i + 1, "TLSv1.3 h2", i);
    mc_event_stream_open(t, i + 1, 1);
    mc_event_request(t, i + 1, 1, name, name);
    mc_event_response(t, i + 1, 1, &r);
    mc_event_stream_close(t, i + 1, 1, name);
    mc_event_state(t, i + 1, MC_SLOT_IDLE);
    mc_event_overflow(t, i + 1, 1, name);
    mc_event_error(t, i + 1, 1, "reset");
    mc_event_close(t, i + 1, name, i, i);
}

/* In a child: publish without system calls; with new_string, also something that needs one. */
static int publish_in_child(const struct mc_options *opts, int new_string)
{
    pid_t child = fork();
    if (child == 0) {
        struct program p = {0};
        register_all(&p, mc_tracer_open("quiet", opts));
        publish(&p, 0); /* the strings are known, and the thread has its ring */
        if (!p.tracer || !p.histogram || forbid_system_calls() != 0)
            _exit(NOT_READY);
        long allocations_before = allocations, locks_before = locks;
        for (uint32_t i = 0; i < ROUNDS; i++)
            publish(&p, i);
        int seen = allocations != allocations_before ? ALLOCATED
                   : locks != locks_before           ? LOCKED
                                                     : QUIET;
        for (uint32_t i = 0; new_string && i < 2000; i++) {
            char text[32];
            snprintf(text, sizeof text, "string %u", i);
            mc_string_id(p.tracer, text);
        }
        syscall(SYS_exit_group, seen); /* the sanitizers' _exit would do more */
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static void test_publishing_is_quiet(void)
{
    struct fixture f;
    CHECK_INT(fixture_open(&f, NULL), 0);
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = f.dir, .ring_events = 1024};
    int status = publish_in_child(&opts, 0);
    CHECK(WIFEXITED(status)); /* else SIGSYS: a system call was made */
    CHECK_INT(WEXITSTATUS(status), QUIET);
    fixture_close(&f);
}

/* The traps work: what may make a system call, lock and allocate is caught at it. */
static void test_the_traps_work(void)
{
    struct fixture f;
    CHECK_INT(fixture_open(&f, NULL), 0);
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = f.dir};
    int status = publish_in_child(&opts, 1);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGSYS);
    if (COUNTS) {
        long allocations_before = allocations, locks_before = locks;
        CHECK(mc_string_id(f.tracer, "a new string") > 1);
        CHECK(allocations > allocations_before);
        CHECK(locks > locks_before);
    }
    fixture_close(&f);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
    return 77; /* its runtime makes system calls of its own */
#endif
    RUN(test_publishing_is_quiet);
    RUN(test_the_traps_work);
    return CHECK_DONE();
}
