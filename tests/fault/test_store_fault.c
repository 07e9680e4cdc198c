/* test_store_fault.c: the 1st, 2nd, 3rd… allocation or file operation fails, while a run is
 * recorded and read. Each time: a code from the table, nothing leaked, and the file is good
 * afterwards.
 */
#include <malloc.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/unit/store_trace.h"
#include "tracer/error.h"

/* ---- allocations ---------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL_MALLOC 0 /* the sanitizer owns malloc */
static atomic_long malloc_left, live_blocks;
#else
#define CAN_FAIL_MALLOC 1
static atomic_long malloc_left, live_blocks; /* left: until one fails; 0: none will */

/* For the libraries too, though the build hides symbols. */
#define FOR_ALL __attribute__((visibility("default")))

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void __libc_free(void *block);

static int must_fail(void)
{
    long left = atomic_load(&malloc_left);
    return left > 0 && atomic_fetch_sub(&malloc_left, 1) == 1;
}

FOR_ALL void *malloc(size_t bytes)
{
    void *block = must_fail() ? NULL : __libc_malloc(bytes);
    atomic_fetch_add(&live_blocks, block != NULL);
    return block;
}

FOR_ALL void *calloc(size_t count, size_t bytes)
{
    void *block = must_fail() ? NULL : __libc_calloc(count, bytes);
    atomic_fetch_add(&live_blocks, block != NULL);
    return block;
}

FOR_ALL void *realloc(void *old, size_t bytes)
{
    void *block = must_fail() ? NULL : __libc_realloc(old, bytes);
    atomic_fetch_add(&live_blocks, !old && block);
    return block;
}

FOR_ALL void free(void *block)
{
    atomic_fetch_sub(&live_blocks, block != NULL);
    __libc_free(block);
}
#endif

/* ---- file operations ------------------------------------------------------------------------ */

static atomic_long io_left;
static int io_code; /* what the failing operation returns */
#define TABLES 4
static const sqlite3_io_methods *real_tables[TABLES]; /* files of a kind share one */
static sqlite3_io_methods tables[TABLES];
static const sqlite3_io_methods *real_methods; /* any: what is replaced is the same in all */
static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;

static int io_fails(void)
{
    long left = atomic_load(&io_left);
    return left > 0 && atomic_fetch_sub(&io_left, 1) == 1;
}

static int shim_read(sqlite3_file *f, void *to, int count, sqlite3_int64 at)
{
    return io_fails() ? SQLITE_IOERR_READ : real_methods->xRead(f, to, count, at);
}

static int shim_write(sqlite3_file *f, const void *from, int count, sqlite3_int64 at)
{
    return io_fails() ? io_code : real_methods->xWrite(f, from, count, at);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    return io_fails() ? SQLITE_IOERR_FSYNC : real_methods->xSync(f, flags);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 bytes)
{
    return io_fails() ? SQLITE_IOERR_TRUNCATE : real_methods->xTruncate(f, bytes);
}

/* A copy of the table of methods with a few replaced. */
static const sqlite3_io_methods *shim_of(const sqlite3_io_methods *real)
{
    for (int i = 0; i < TABLES; i++) {
        if (!real_tables[i]) {
            real_tables[i] = real_methods = real;
            tables[i] = *real;
            tables[i].xRead = shim_read;
            tables[i].xWrite = shim_write;
            tables[i].xSync = shim_sync;
            tables[i].xTruncate = shim_truncate;
        }
        if (real_tables[i] == real)
            return &tables[i];
    }
    abort();
}

static int shim_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)self;
    if (io_fails())
        return SQLITE_CANTOPEN;
    int rc = real_vfs->xOpen(real_vfs, name, f, flags, out);
    if (rc == SQLITE_OK && f->pMethods)
        f->pMethods = shim_of(f->pMethods);
    return rc;
}

static void use_shim(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "shim";
    vfs.xOpen = shim_open;
    sqlite3_vfs_register(&vfs, 1);
}

/* The generator's own allocations are not what is tested. */
static const struct mc_frame *next_frame(struct gen *g)
{
    long left = atomic_exchange(&malloc_left, 0);
    const struct mc_frame *f = gen_next(g);
    atomic_store(&malloc_left, left);
    return f;
}

/* ---- the scenario --------------------------------------------------------------------------- */

static int known(int code)
{
    return code >= 0 || strcmp(mc_strerror(code), "unknown error") != 0;
}

static int ignore_row(void *arg, const struct mc_query_row *row)
{
    (void)arg;
    (void)row;
    return 0;
}

static const struct gen_options small = {
    .seed = 3, .lisp_slots = 500, .conn_slots = 60, .requests = 4, .extra_gauges = 2};

static int write_some(struct gen *g)
{
    struct mc_writer_options wo = {.chunk_frames = 8};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    char why[256] = "";
    int rc = mc_writer_open(trace_path, &wo, &w, why, sizeof why);
    if (rc < 0)
        return rc;
    rc = mc_writer_begin(w, &info, &run_id);
    for (int i = 0; rc == 0 && i < 20; i++) {
        const struct mc_frame *f = next_frame(g);
        if (mc_writer_frame(w, f) < 0) /* this one is counted as lost; the next may pass */
            rc = 0;
        if (i % 4 == 3)
            mc_writer_flush(w);
    }
    if (rc == 0) {
        mc_writer_mark(w, 5, 0, "here", "me", NULL);
        rc = mc_writer_end(w, "exit 0");
    }
    mc_writer_close(w);
    return rc;
}

static int read_some(void)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    char why[256] = "";
    int rc = mc_reader_open(trace_path, &r, why, sizeof why);
    if (rc < 0)
        return rc;
    rc = mc_cursor_open(r, 1, &c);
    if (rc == 0) {
        do {
            rc = mc_cursor_next(c, &f);
        } while (rc == 0);
        while (rc > 0 && (rc = mc_cursor_prev(c, &f)) == 0)
            ;
        mc_cursor_close(c);
    }
    if (rc > 0)
        rc = mc_reader_query(r, "SELECT pool, count(*), max(used) FROM pool_sample GROUP BY pool",
                             NULL, ignore_row, NULL, NULL, why, sizeof why);
    mc_reader_close(r);
    return rc < 0 ? rc : 0;
}

static void check_whole(long n)
{
    int64_t count = 0;
    if (access(trace_path, F_OK) < 0)
        return;
    int rc = mc_trace_check(trace_path, NULL, NULL, &count);
    if (rc != 0 || count != 0)
        fprintf(stderr, "after failure %ld: %s, %lld findings\n", n, mc_strerror(rc),
                (long long)count);
    CHECK_INT(rc, 0);
    CHECK_INT(count, 0);
}

struct round {
    long rest, leaked; /* operations that were still allowed; blocks that were not freed */
    int failed;
};

/* The scenario with its n-th operation failing. */
static struct round run_round(atomic_long *left, long n)
{
    struct gen g;
    trace_remove();
    sqlite3_shutdown();
    long before = atomic_load(&live_blocks);
    use_shim();
    gen_init(&g, &small);
    atomic_store(left, n);
    int rc = write_some(&g);
    int read = rc == 0 ? read_some() : 0;
    struct round round = {.rest = atomic_load(left), .failed = rc < 0 || read < 0};
    atomic_store(left, 0);
    CHECK(known(rc));
    CHECK(known(read));
    sqlite3_shutdown();
    gen_fini(&g);
    round.leaked = atomic_load(&live_blocks) - before;
    use_shim();
    check_whole(n);
    return round;
}

/* Let the n-th operation fail, for n from 1 until none is left to fail. */
static void fail_each(atomic_long *left, const char *what)
{
    long rounds = 0, failed = 0;
    for (long n = 1; n < 20000 && check_failures < 5; n += 1 + n / 12, rounds++) {
        struct round round = run_round(left, n);
        /* Now and then the C library keeps a block of a thread that has ended: a leak of ours is
         * there each time. */
        for (int again = 0; again < 3 && round.leaked; again++)
            round.leaked = run_round(left, n).leaked;
        if (round.leaked)
            fprintf(stderr, "%s %ld: %ld blocks leaked\n", what, n, round.leaked);
        CHECK_INT(round.leaked, 0);
        failed += round.failed;
        if (round.rest > 0) {
            printf("     %s: %ld rounds, %ld with an error, up to operation %ld\n", what, rounds,
                   failed, n - round.rest);
            CHECK(rounds > 30);
            return;
        }
    }
}

static void allocations_fail(void)
{
#if CAN_FAIL_MALLOC
    fail_each(&malloc_left, "malloc");
#endif
}

static void writes_fail_with_io_errors(void)
{
    io_code = SQLITE_IOERR_WRITE;
    fail_each(&io_left, "I/O error");
}

static void writes_fail_with_a_full_disk(void)
{
    io_code = SQLITE_FULL;
    fail_each(&io_left, "disk full");
}

int main(void)
{
    trace_name("fault");
    RUN(allocations_fail);
    RUN(writes_fail_with_io_errors);
    RUN(writes_fail_with_a_full_disk);
    trace_remove();
    return CHECK_DONE();
}
