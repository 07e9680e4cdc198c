/* test_store_fault.c: the 1st, 2nd, 3rd… allocation or file operation fails, while a run is
 * recorded, taken up again, kept small, checked, read and marked. Each time: a code from the table,
 * nothing leaked, and the file is good afterwards.
 *
 * Of thousands of operations each step goes further by a part of what lies behind it: a fourth, or
 * one part in MEMCAM_FAULT_PARTS.
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

/* ---- the scenarios -------------------------------------------------------------------------- */

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

static void give_frames(struct mc_writer *w, struct gen *g, int count)
{
    for (int i = 0; i < count; i++) {
        mc_writer_frame(w, next_frame(g)); /* one that fails counts as lost; the next may pass */
        if (i % 4 == 3)
            mc_writer_flush(w);
    }
}

/* The same in all rounds. */
static struct mc_run_info run_info(void)
{
    static int64_t start_wall_ns;
    struct mc_run_info info = gen_info();
    if (!start_wall_ns)
        start_wall_ns = info.start_wall_ns;
    info.start_wall_ns = start_wall_ns;
    return info;
}

static int begin_run(const struct mc_writer_options *wo, struct mc_writer **w)
{
    struct mc_run_info info = run_info();
    int64_t run_id;
    char why[256] = "";
    int rc = mc_writer_open(trace_path, wo, w, why, sizeof why);
    if (rc < 0)
        return rc;
    rc = mc_writer_begin(*w, &info, &run_id);
    if (rc < 0)
        mc_writer_close(*w);
    return rc;
}

#define SOME_FRAMES 20
#define UNENDED_FRAMES 14

static int write_some(struct gen *g)
{
    const struct mc_writer_options wo = {.chunk_frames = 8};
    struct mc_writer *w;
    int rc = begin_run(&wo, &w);
    if (rc < 0)
        return rc;
    give_frames(w, g, SOME_FRAMES);
    mc_writer_mark(w, 5, 0, "here", "me", NULL);
    rc = mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    return rc;
}

static int write_unended(struct gen *g)
{
    const struct mc_writer_options wo = {.chunk_frames = 8};
    struct mc_writer *w;
    int rc = begin_run(&wo, &w);
    if (rc < 0)
        return rc;
    give_frames(w, g, UNENDED_FRAMES);
    mc_writer_close(w);
    return 0;
}

static int resume_it(struct gen *g)
{
    const struct mc_writer_options wo = {.chunk_frames = 8};
    struct mc_run_info info = run_info();
    struct mc_writer *w;
    int64_t run_id, last_ts;
    char why[256] = "";
    int rc = mc_writer_open(trace_path, &wo, &w, why, sizeof why);
    if (rc < 0)
        return rc;
    rc = mc_writer_resume(w, &info, &run_id, &last_ts);
    if (rc == 0) {
        give_frames(w, g, 12);
        rc = mc_writer_end(w, "exit 0");
    }
    mc_writer_close(w);
    return rc;
}

/* Old chunks, old marks and gaps, and a run that has nothing left, go while frames come. */
static int retain(struct gen *g)
{
    const struct mc_writer_options wo = {
        .chunk_frames = 8, .keep_ns = INT64_C(1500000000), .max_bytes = 1 << 20};
    struct mc_writer *w;
    int rc = begin_run(&wo, &w);
    if (rc < 0)
        return rc;
    mc_writer_mark(w, 5, 0, "early", "me", NULL);
    give_frames(w, g, 60);
    rc = mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    return rc;
}

static int check_it(struct gen *g)
{
    (void)g;
    int64_t findings;
    return mc_trace_check(trace_path, NULL, NULL, &findings);
}

static int ask(struct mc_reader *r)
{
    static const char *const questions[] = {
        "SELECT pool, count(*), max(used) FROM pool_sample GROUP BY pool",
        "SELECT * FROM run, source, mark WHERE run.run_id=source.run_id",
        "SELECT * FROM gap ORDER BY ts",
        "SELECT * FROM conn",
        "SELECT * FROM slot_state(1,'tcp_buffers',1000000000)",
        "SELECT * FROM summary ORDER BY ts",
    };
    char why[256] = "";
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof questions / sizeof questions[0]; i++)
        rc = mc_reader_query(r, questions[i], NULL, ignore_row, NULL, NULL, why, sizeof why);
    return rc;
}

static int list_all(struct mc_reader *r)
{
    struct mc_run_info *runs;
    struct mc_mark *marks;
    struct mc_gap *gaps;
    size_t count;
    int rc = mc_reader_runs(r, &runs, &count);
    if (rc == 0) {
        while (count)
            mc_run_info_fini(&runs[--count]);
        free(runs);
        rc = mc_reader_marks(r, 1, 0, INT64_MAX, &marks, &count);
    }
    if (rc == 0) {
        free(marks);
        rc = mc_reader_gaps(r, 1, 0, INT64_MAX, &gaps, &count);
    }
    if (rc == 0)
        free(gaps);
    uint32_t value = 0;
    int64_t min[3], max[3];
    return rc < 0 ? rc : mc_reader_envelope(r, 1, 0, INT64_C(2000000000), &value, 1, 3, min, max);
}

static int walk(struct mc_reader *r)
{
    struct mc_cursor *c;
    const struct mc_frame *f;
    int rc = mc_cursor_open(r, 1, &c);
    if (rc < 0)
        return rc;
    do {
        rc = mc_cursor_next(c, &f);
    } while (rc == 0);
    while (rc > 0 && (rc = mc_cursor_prev(c, &f)) == 0)
        ;
    mc_cursor_close(c);
    return rc < 0 ? rc : 0;
}

static int read_it(struct gen *g)
{
    (void)g;
    struct mc_reader *r;
    char why[256] = "";
    int rc = mc_reader_open(trace_path, &r, why, sizeof why);
    if (rc < 0)
        return rc;
    rc = walk(r);
    if (rc == 0)
        rc = list_all(r);
    if (rc == 0)
        rc = ask(r);
    mc_reader_close(r);
    return rc;
}

static int mark_it(struct gen *g)
{
    (void)g;
    int64_t mark_id;
    int rc = mc_trace_mark(trace_path, 1, 700, 1, "later", "me", &mark_id);
    if (rc == 0)
        rc = mc_trace_mark_set(trace_path, 1, mark_id, 800, 2, "moved");
    if (rc == 0)
        rc = mc_trace_mark_remove(trace_path, 1, mark_id);
    return rc;
}

struct scenario {
    const char *name;
    int (*prepare)(struct gen *g); /* what the file holds before; or NULL: there is none */
    int frames;                    /* that it has then */
    int (*run)(struct gen *g);
};
static const struct scenario scenarios[] = {
    {"record", NULL, 0, write_some},
    {"resume", write_unended, UNENDED_FRAMES, resume_it},
    {"retain", NULL, 0, retain},
    {"check", write_some, SOME_FRAMES, check_it},
    {"read", write_some, SOME_FRAMES, read_it},
    {"mark", write_some, SOME_FRAMES, mark_it},
};

/* What `prepare` of a scenario wrote: the file of each round begins so. */
static struct mc_buf prepared;

static void prepare(const struct scenario *sc)
{
    struct gen g;
    trace_remove();
    prepared.count = 0;
    if (!sc->prepare)
        return;
    gen_init(&g, &small);
    CHECK_INT(sc->prepare(&g), 0);
    gen_fini(&g);
    FILE *f = fopen(trace_path, "r");
    CHECK(f != NULL);
    for (int byte; f && (byte = getc(f)) != EOF;)
        mc_buf_add_char(&prepared, (char)byte);
    if (f)
        fclose(f);
}

static void put_prepared(void)
{
    trace_remove();
    if (!prepared.count)
        return;
    FILE *f = fopen(trace_path, "w");
    CHECK(f && fwrite(prepared.bytes, 1, prepared.count, f) == prepared.count);
    if (f)
        fclose(f);
}

static void tell(void *arg, const char *line, int percent)
{
    (void)arg;
    (void)percent;
    if (line)
        fprintf(stderr, "check: %s\n", line);
}

static void check_whole(long n)
{
    int64_t count = 0;
    if (access(trace_path, F_OK) < 0)
        return;
    int rc = mc_trace_check(trace_path, tell, NULL, &count);
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
static struct round run_round(const struct scenario *sc, atomic_long *left, long n)
{
    struct gen g;
    put_prepared();
    sqlite3_shutdown();
    long before = atomic_load(&live_blocks);
    use_shim();
    gen_init(&g, &small);
    for (int i = 0; i < sc->frames; i++)
        gen_next(&g);
    atomic_store(left, n);
    int rc = sc->run(&g);
    struct round round = {.rest = atomic_load(left), .failed = rc < 0};
    atomic_store(left, 0);
    if (!known(rc))
        fprintf(stderr, "%s, failure %ld: the code %d is in no table\n", sc->name, n, rc);
    CHECK(known(rc));
    sqlite3_shutdown();
    gen_fini(&g);
    round.leaked = atomic_load(&live_blocks) - before;
    use_shim();
    check_whole(n);
    return round;
}

/* Let the n-th operation of a scenario fail, for n from 1 until none is left to fail. */
static void fail_each(const struct scenario *sc, atomic_long *left, const char *what)
{
    const char *wanted = getenv("MEMCAM_FAULT_PARTS");
    long parts = wanted ? atol(wanted) : 4, rounds = 0, failed = 0;
    prepare(sc);
    for (long n = 1; n < 200000 && check_failures < 5; n += 1 + n / parts, rounds++) {
        struct round round = run_round(sc, left, n);
        /* Now and then the C library keeps a block of a thread that has ended: a leak of ours is
         * there each time. */
        for (int again = 0; again < 3 && round.leaked; again++)
            round.leaked = run_round(sc, left, n).leaked;
        if (round.leaked)
            fprintf(stderr, "%s, %s %ld: %ld blocks leaked\n", sc->name, what, n, round.leaked);
        CHECK_INT(round.leaked, 0);
        failed += round.failed;
        if (round.rest > 0) {
            printf("     %s, %s: %ld rounds, %ld with an error, up to operation %ld\n", sc->name,
                   what, rounds, failed, n - round.rest);
            CHECK(rounds > 5);
            CHECK(!round.failed); /* nothing did */
            return;
        }
    }
}

static void fail_all(atomic_long *left, const char *what)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        fail_each(&scenarios[i], left, what);
}

static void allocations_fail(void)
{
#if CAN_FAIL_MALLOC
    fail_all(&malloc_left, "malloc");
#endif
}

static void operations_fail_with_io_errors(void)
{
    io_code = SQLITE_IOERR_WRITE;
    fail_all(&io_left, "I/O error");
}

static void operations_fail_with_a_full_disk(void)
{
    io_code = SQLITE_FULL;
    fail_all(&io_left, "disk full");
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); /* what fails is what SQLite is told, not the disk */
    trace_name("fault");
    RUN(allocations_fail);
    RUN(operations_fail_with_io_errors);
    RUN(operations_fail_with_a_full_disk);
    trace_remove();
    mc_buf_fini(&prepared);
    return CHECK_DONE();
}
