/* test_store_crash.c: killed writers, second writers, foreign files, flipped bits, full disks. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/store_trace.h"
#include "tracer/error.h"

static void print_finding(void *arg, const char *finding, int percent)
{
    (void)arg;
    (void)percent;
    if (finding)
        fprintf(stderr, "check: %s\n", finding);
}

static int64_t findings(void)
{
    int64_t count = -1;
    CHECK_INT(mc_trace_check(trace_path, print_finding, NULL, &count), 0);
    return count;
}

/* The frames of run 1 are those of the generator, from the first on; returns how many. */
static int count_prefix(const struct gen_options *opts)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    int n = 0;
    if (mc_reader_open(trace_path, &r, NULL, 0) < 0)
        return -1;
    if (mc_cursor_open(r, 1, &c) == 0) {
        struct gen g;
        gen_init(&g, opts);
        const struct mc_frame *got;
        while (mc_cursor_next(c, &got) == 0) {
            const char *what = frames_differ(gen_next(&g), got);
            if (what) {
                fprintf(stderr, "frame %d: %s\n", n, what);
                n = -1;
                break;
            }
            n++;
        }
        gen_fini(&g);
        mc_cursor_close(c);
    }
    mc_reader_close(r);
    return n;
}

/* A child that records as fast as it can until it is killed; a byte comes out of *first_commit when
 * its first frames are in the file. */
static pid_t start_child(int *first_commit)
{
    int ends[2];
    fflush(NULL);
    CHECK_INT(pipe(ends), 0);
    pid_t pid = fork();
    close(ends[pid != 0]);
    *first_commit = ends[0];
    if (pid != 0)
        return pid;
    struct mc_writer_options wo = {.chunk_frames = 40};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    if (mc_writer_open(trace_path, &wo, &w, NULL, 0) < 0 || mc_writer_begin(w, &info, &run_id) < 0)
        _exit(1);
    struct gen g;
    gen_init(&g, &trace_busy);
    for (int i = 0;; i++) {
        mc_writer_frame(w, gen_next(&g));
        if (i % 10 == 9)
            mc_writer_flush(w);
        if (i == 9 && write(ends[1], "", 1) != 1)
            _exit(1);
    }
}

static void kill_at_random_moments(void)
{
    const char *wanted = getenv("MEMCAM_CRASHES");
    int rounds = wanted ? atoi(wanted) : 25, with_frames = 0;
    srand(4711);
    for (int i = 0; i < rounds && !check_failures; i++) {
        check_progress(i, rounds);
        trace_remove();
        int first_commit;
        char byte;
        pid_t pid = start_child(&first_commit);
        /* Every other time not before there are frames: on a busy machine that takes a while. */
        if (i % 2)
            CHECK_INT(read(first_commit, &byte, 1), 1);
        usleep(1000 + (useconds_t)(rand() % (i % 2 ? 400000 : 200000)));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        close(first_commit);
        CHECK(WIFSIGNALED(status));
        struct stat st;
        if (stat(trace_path, &st) < 0 || st.st_size == 0)
            continue; /* killed before there was a file */
        CHECK_INT(findings(), 0);
        int before = count_prefix(&trace_busy);
        CHECK(before >= 0);
        with_frames += before > 0;
        /* The next writer mends what is left, and loses nothing of it. */
        struct mc_writer *w;
        CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
        mc_writer_close(w);
        CHECK_INT(findings(), 0);
        CHECK_INT(count_prefix(&trace_busy), before);
    }
    check_progress(rounds, rounds);
    CHECK(rounds < 10 || with_frames > 3);
}

/* A bit of the log that a killed writer left: nothing wrong is read, and what is lost is found. */
static void flipped_log(void)
{
    trace_remove();
    int first_commit;
    char byte, log[300];
    pid_t pid = start_child(&first_commit);
    CHECK_INT(read(first_commit, &byte, 1), 1);
    usleep(100000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(first_commit);
    snprintf(log, sizeof log, "%s-wal", trace_path);
    int whole = count_prefix(&trace_busy), fd = open(log, O_RDWR), hurt = 0;
    struct stat st;
    CHECK(whole > 0 && fd >= 0 && fstat(fd, &st) == 0);
    CHECK_INT(findings(), 0);
    srand(5);
    for (int i = 0; i < 40 && !check_failures; i++) {
        off_t at = rand() % st.st_size;
        CHECK(pread(fd, &byte, 1, at) == 1);
        char flipped = (char)(byte ^ 1 << rand() % 8);
        CHECK(pwrite(fd, &flipped, 1, at) == 1);
        int left = count_prefix(&trace_busy);
        int64_t found = -1;
        CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &found), 0);
        CHECK(left == whole || found > 0);
        hurt += left != whole;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
    CHECK(hurt > 0);
    CHECK_INT(findings(), 0);
}

/* A new recorder takes the run up; its sampler has met sources and strings in another order. */
/* A recorder that died before its first frame: the run is gone on with as if it had just begun. */
static void resume_before_first_frame(void)
{
    struct mc_writer *w;
    struct mc_run_info info = gen_info(), *runs;
    struct mc_reader *r;
    struct mc_gap *gaps;
    size_t count;
    int64_t run_id = 0, last_ts = 0, first_ts, end_ts;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    mc_writer_close(w);
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_resume(w, &info, &run_id, &last_ts), 0);
    CHECK_INT(run_id, 1);
    CHECK_INT(last_ts, INT64_MIN);
    struct gen g;
    gen_init(&g, &trace_busy);
    int64_t want_first_ts = gen_next(&g)->ts;
    for (int i = 0; i < 60; i++, gen_next(&g))
        CHECK_INT(mc_writer_frame(w, &g.frame), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    CHECK_INT(findings(), 0);
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_reader_runs(r, &runs, &count), 0);
    CHECK_INT(count, 1);
    CHECK_STR(runs[0].exit, "exit 0");
    mc_run_info_fini(&runs[0]);
    free(runs);
    CHECK_INT(mc_reader_span(r, 1, &first_ts, &end_ts), 0);
    CHECK_INT(first_ts, want_first_ts);
    CHECK_INT(mc_reader_gaps(r, 1, INT64_MIN, first_ts, &gaps, &count), 0);
    CHECK_INT(count, 0);
    free(gaps);
    mc_reader_close(r);
    gen_fini(&g);
}

static void resume_after_kill(void)
{
    trace_write(&trace_busy, 95, 40, 10, 0); /* the run has no exit */
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    struct mc_reader *r;
    struct mc_run_info *runs;
    size_t count;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_reader_runs(r, &runs, &count), 0);
    info.start_wall_ns = runs[0].start_wall_ns;
    mc_run_info_fini(&runs[0]);
    free(runs);
    int64_t run_id = 0, last_ts = 0, first_ts, end_ts;
    CHECK_INT(mc_reader_span(r, 1, &first_ts, &end_ts), 0);
    struct mc_writer_options wo = {.chunk_frames = 40};
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    struct mc_run_info other = info;
    other.pid = 1;
    CHECK_INT(mc_writer_resume(w, &other, &run_id, &last_ts), MC_ENORUN);
    CHECK_INT(mc_writer_resume(w, &info, &run_id, &last_ts), 0);
    CHECK_INT(run_id, 1);
    CHECK_INT(last_ts, end_ts);
    struct gen_options opts = trace_busy;
    opts.seed = 99;
    struct gen g;
    gen_init(&g, &opts);
    g.ts = last_ts + 3000000000;
    gen_string(&g, "a string that the file has not");
    gen_source(&g, MC_KIND_GAUGE, "before the rest", 0, 0);
    for (int i = 0; i < 60; i++)
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    CHECK_INT(findings(), 0);
    /* The last frame, by name. */
    struct mc_cursor *c;
    const struct mc_frame *f, *last = &g.frame;
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    CHECK_INT(mc_cursor_seek(c, INT64_MAX, &f), 0);
    CHECK_INT(f->ts, last->ts);
    CHECK_INT(f->event_count, last->event_count);
    for (uint32_t i = 0; i < last->schema->source_count; i++) {
        const struct mc_source *want = &last->schema->sources[i];
        const struct mc_source *got = mc_schema_find(f->schema, want->kind, want->name);
        CHECK(got != NULL);
        if (!got)
            continue;
        CHECK(memcmp(f->values + got->value_idx, last->values + want->value_idx,
                     want->value_count * sizeof *f->values) == 0);
        if (want->map_idx != UINT32_MAX)
            CHECK(memcmp(f->maps[got->map_idx].states, last->maps[want->map_idx].states,
                         want->slot_count) == 0);
    }
    for (size_t i = 0; i < f->event_count; i++)
        CHECK_STR(mc_schema_string(f->schema, f->events[i].detail),
                  mc_schema_string(last->schema, last->events[i].detail));
    mc_cursor_close(c);
    mc_reader_close(r);
    gen_fini(&g);
}

static void second_writer_is_refused(void)
{
    trace_remove();
    struct mc_writer *w, *second;
    char why[256] = "";
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_open(trace_path, NULL, &second, why, sizeof why), MC_EBUSY);
    CHECK(strstr(why, "another recorder") != NULL);
    CHECK_INT(mc_trace_mark(trace_path, 1, 0, 0, "x", "me", NULL), MC_EBUSY);
    mc_writer_close(w);
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
    mc_writer_close(w);
}

static void put_file(const char *content)
{
    FILE *f = fopen(trace_path, "w");
    fputs(content, f);
    fclose(f);
}

static void foreign_files_are_left_alone(void)
{
    static const char text[] = "this is somebody's diary, longer than the hundred bytes that the "
                               "head of a SQLite database takes, so that it is looked at in full";
    struct mc_writer *w;
    struct mc_reader *r;
    char why[256] = "", back[256] = "";
    trace_remove();
    CHECK_INT(mc_reader_open(trace_path, &r, why, sizeof why), MC_ENOENT);
    put_file(text);
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, why, sizeof why), MC_EFORMAT);
    CHECK(strstr(why, trace_path) != NULL);
    CHECK_INT(mc_reader_open(trace_path, &r, why, sizeof why), MC_EFORMAT);
    FILE *f = fopen(trace_path, "r");
    CHECK(fread(back, 1, sizeof back - 1, f) == sizeof text - 1);
    fclose(f);
    CHECK_STR(back, text);
    trace_remove();
    char command[600];
    snprintf(command, sizeof command,
             "sqlite3 %s 'CREATE TABLE chunk(a); INSERT INTO chunk VALUES(1)'", trace_path);
    CHECK_INT(system(command), 0);
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, why, sizeof why), MC_EFORMAT);
    CHECK_INT(mc_reader_open(trace_path, &r, why, sizeof why), MC_EFORMAT);
    CHECK_INT(mc_writer_open("/tmp", NULL, &w, why, sizeof why), MC_EFORMAT);
    CHECK_INT(mc_writer_open("/nowhere/at/all.db", NULL, &w, why, sizeof why), MC_ENOENT);
}

/* ---- flipped bits --------------------------------------------------------------------------- */

/* Every frame that still comes out is one that went in; nothing crashes. */
static void read_flipped(int64_t *wrong, int64_t *frames)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    if (mc_reader_open(trace_path, &r, NULL, 0) < 0)
        return;
    if (mc_cursor_open(r, 1, &c) == 0) {
        struct gen g;
        gen_init(&g, &trace_busy);
        const struct mc_frame *got, *want = gen_next(&g);
        while (mc_cursor_next(c, &got) == 0) {
            int hole = 0;
            for (size_t i = 0; i < got->gap_count; i++)
                hole |= strcmp(got->gaps[i].reason, "damaged") == 0;
            while (want->ts < got->ts && g.frame_no < 400)
                want = gen_next(&g);
            ++*frames;
            /* Behind a hole, changes are told against the frame before it, and there is a gap more.
             */
            struct mc_frame cut = *got, whole = *want;
            if (hole) {
                cut.changes = whole.changes = NULL;
                cut.change_count = whole.change_count = 0;
                cut.gap_count = whole.gap_count = 0;
            }
            const char *what = frames_differ(&whole, &cut);
            if (what) {
                fprintf(stderr, "%s at %lld\n", what, (long long)got->ts);
                ++*wrong;
                break;
            }
        }
        gen_fini(&g);
        mc_cursor_close(c);
    }
    mc_reader_close(r);
}

static void flipped_bits(void)
{
    const char *wanted = getenv("MEMCAM_FLIPS");
    int rounds = wanted ? atoi(wanted) : 150;
    trace_write(&trace_busy, 200, 40, 10, 0);
    struct stat st;
    CHECK(stat(trace_path, &st) == 0);
    int fd = open(trace_path, O_RDWR);
    srand(1);
    int64_t wrong = 0, frames = 0, silent = 0;
    for (int i = 0; i < rounds; i++) {
        check_progress(i, rounds);
        off_t at = (off_t)(((uint64_t)rand() << 20 ^ (uint64_t)rand()) % (uint64_t)st.st_size);
        uint8_t byte, flipped;
        CHECK(pread(fd, &byte, 1, at) == 1);
        flipped = (uint8_t)(byte ^ 1u << rand() % 8);
        CHECK(pwrite(fd, &flipped, 1, at) == 1);
        int64_t before = frames, count = 0;
        read_flipped(&wrong, &frames);
        /* A check must see what a reader misses. */
        int rc = mc_trace_check(trace_path, NULL, NULL, &count);
        silent += frames - before < 200 && rc == 0 && count == 0;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
    check_progress(rounds, rounds);
    CHECK_INT(wrong, 0);
    CHECK_INT(silent, 0);
    CHECK_INT(findings(), 0);
    printf("     %d flips: %lld of %d frames were still read\n", rounds, (long long)frames,
           rounds * 200);
}

/* A schema step that is gone or changed is read from its copy; without that too, it is told. */
static void damaged_schema_step(void)
{
    static const struct {
        const char *sql;
        int frames, findings;
    } cases[] = {
        {"UPDATE schema_step SET from_ts=from_ts+1 WHERE step=0", 120, 1},
        {"DELETE FROM schema_step WHERE step=0", 120, 1},
        {"UPDATE schema_step SET body=zeroblob(50) WHERE step=-1", 120, 1},
        {"UPDATE schema_step SET checksum=1 WHERE step IN (0, -1)", 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trace_write(&trace_busy, 120, 40, 10, 1);
        char command[600];
        snprintf(command, sizeof command, "sqlite3 %s '%s'", trace_path, cases[i].sql);
        CHECK_INT(system(command), 0);
        CHECK_INT(count_prefix(&trace_busy), cases[i].frames);
        int64_t found = findings();
        CHECK(cases[i].findings < 0 ? found > 0 : found == cases[i].findings);
    }
}

/* ---- a full disk ---------------------------------------------------------------------------- */

/* Files may not grow past a limit, which SQLite sees as a full disk; then they may again. */
static void full_disk(void)
{
    signal(SIGXFSZ, SIG_IGN);
    trace_remove();
    struct mc_writer_options wo = {.chunk_frames = 40};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen g;
    gen_init(&g, &trace_busy);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 400000;
    setrlimit(RLIMIT_FSIZE, &small);
    int troubled = 0;
    for (int i = 0; i < 400; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 == 9)
            mc_writer_flush(w);
        troubled |= mc_writer_trouble(w) != NULL;
    }
    CHECK(troubled);
    setrlimit(RLIMIT_FSIZE, &old);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 == 9)
            mc_writer_flush(w);
    }
    CHECK(mc_writer_trouble(w) == NULL);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    CHECK_INT(findings(), 0);
    struct mc_reader *r;
    struct mc_gap *gaps;
    size_t count;
    uint64_t lost = 0;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_reader_gaps(r, 1, 0, INT64_MAX, &gaps, &count), 0);
    for (size_t i = 0; i < count; i++)
        lost += strcmp(gaps[i].reason, "events lost") ? gaps[i].lost : 0;
    free(gaps);
    CHECK(lost > 0);
    struct mc_cursor *c;
    const struct mc_frame *f;
    uint64_t frames = 0;
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    while (mc_cursor_next(c, &f) == 0)
        frames++;
    CHECK_INT(f->ts, g.ts);
    CHECK_INT(frames + lost, 500);
    mc_cursor_close(c);
    mc_reader_close(r);
    gen_fini(&g);
}

int main(void)
{
    trace_name("crash");
    RUN(kill_at_random_moments);
    RUN(flipped_log);
    RUN(resume_before_first_frame);
    RUN(resume_after_kill);
    RUN(second_writer_is_refused);
    RUN(foreign_files_are_left_alone);
    RUN(flipped_bits);
    RUN(damaged_schema_step);
    RUN(full_disk);
    trace_remove();
    return CHECK_DONE();
}
