/* test_store_keep.c: what a trace may hold: its size, its age, its log under a reader that stays.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#include "store/writer_priv.h"
#include "tests/unit/store_trace.h"
#include "tracer/error.h"

static int64_t bytes_of(const char *suffix)
{
    char name[300];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", trace_path, suffix);
    return stat(name, &st) == 0 ? st.st_size : 0;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void size_is_kept(void)
{
    const int64_t limit = 2 << 20;
    struct mc_writer_options wo = {.chunk_frames = 60, .max_bytes = limit};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id, worst = 0;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen_options opts = trace_busy;
    opts.random_order = 1; /* large changes */
    struct gen g;
    gen_init(&g, &opts);
    for (int i = 0; i < 2000; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 == 9) {
            mc_writer_flush(w);
            int64_t now = bytes_of("") + bytes_of("-wal");
            worst = now > worst ? now : worst;
        }
    }
    CHECK(mc_writer_trouble(w) == NULL);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    printf("     at most %lld of %lld bytes\n", (long long)worst, (long long)limit);
    CHECK(worst < limit + limit / 20);
    CHECK(worst > limit / 2);
    struct mc_reader *r;
    int64_t first, last, findings = -1;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_reader_span(r, run_id, &first, &last), 0);
    CHECK_INT(last, g.ts);
    CHECK(first > 20000000000); /* the oldest went */
    mc_reader_close(r);
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
    CHECK_INT(findings, 0);
    gen_fini(&g);
}

/* How much time of a run the file holds. */
static int64_t held_ns(int64_t run_id)
{
    struct mc_reader *r;
    int64_t first = 0, last = 0;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    if (mc_reader_span(r, run_id, &first, &last) != 0)
        first = last = 0;
    mc_reader_close(r);
    return last - first;
}

/* House is kept once a flush is through. */
static void wait_for_house(struct mc_writer *w)
{
    for (int i = 0; i < 20; i++) {
        mc_writer_flush(w);
        usleep(10000);
    }
}

/* The run that is recorded is cut by its own clock, whatever the wall clock says. */
static void age_is_kept(void)
{
    const int64_t keep = 60000000000, second = 1000000000;
    struct mc_writer_options wo = {.keep_ns = keep};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id, least = INT64_MAX, most = 0;
    info.start_wall_ns = 0; /* the clock was set since */
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen g;
    gen_init(&g, &trace_busy);
    for (int i = 0; i < 1100; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 != 9)
            continue;
        mc_writer_flush(w);
        if (i < 650)
            continue;
        mc_writer_flush(w); /* house has been kept in between */
        int64_t held = held_ns(run_id);
        least = held < least ? held : least;
        most = held > most ? held : most;
    }
    printf("     from %.1f to %.1f of %.1f s\n", (double)least / 1e9, (double)most / 1e9,
           (double)keep / 1e9);
    CHECK(least >= keep - keep / 20);
    CHECK(most <= keep + keep / 20);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    /* Of a run that has ended the wall clock tells; another run goes on. */
    wo.keep_ns = 3600 * second;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    info = gen_info();
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    wait_for_house(w);
    CHECK_INT(held_ns(1), 0);
    mc_writer_close(w);
    gen_fini(&g);
}

/* A bound that is nearly too small for what comes, and a reader that stays: neither takes the file
 * past its bound, nor away what it holds. */
static void small_size_is_kept(int with_reader)
{
    const int64_t limit = 1 << 20;
    struct mc_writer_options wo = {.max_bytes = limit};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id, worst = 0, least_ns = INT64_MAX;
    sqlite3 *db = NULL;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen_options opts = trace_busy;
    opts.random_order = 1;
    struct gen g;
    gen_init(&g, &opts);
    for (int i = 0; i < 1600; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 != 9)
            continue;
        mc_writer_flush(w);
        int64_t now = bytes_of("") + bytes_of("-wal") + bytes_of("-shm") + bytes_of("-lock");
        worst = now > worst ? now : worst;
        if (with_reader && i == 1199) {
            CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
            CHECK_INT(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM tail", NULL, NULL, NULL),
                      SQLITE_OK);
        }
        if (i > 1199 && held_ns(run_id) < least_ns)
            least_ns = held_ns(run_id);
    }
    printf("     at most %lld of %lld bytes, at least %.1f s\n", (long long)worst, (long long)limit,
           (double)least_ns / 1e9);
    CHECK(worst < limit + limit / 20);
    CHECK(worst > limit / 2);
    CHECK(least_ns > 10000000000);
    CHECK_INT(mc_writer_trouble(w) != NULL, with_reader);
    sqlite3_close(db);
    wait_for_house(w);
    for (int i = 0; i < 20; i++)
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
    mc_writer_flush(w);
    CHECK(mc_writer_trouble(w) == NULL);
    mc_writer_close(w);
    gen_fini(&g);
}

static inline void small_sizes_are_kept(void)
{
    small_size_is_kept(0);
    small_size_is_kept(1);
}

/* A reader that holds a transaction open keeps the log from being reset; it must not grow without
 * bound, and recording goes on when the reader is gone. */
static inline void log_is_bounded_under_a_reader(void)
{
    struct mc_writer_options wo = {.chunk_frames = 60};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id, worst = 0;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen_options opts = trace_busy;
    opts.lisp_slots = 1000;
    opts.requests = 400;
    struct gen g;
    gen_init(&g, &opts);
    mc_writer_frame(w, gen_next(&g));
    mc_writer_flush(w);
    sqlite3 *db;
    CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM tail", NULL, NULL, NULL), SQLITE_OK);
    int troubled = 0;
    for (int i = 0; i < 6000 && !troubled; i++) {
        mc_writer_frame(w, gen_next(&g));
        mc_writer_flush(w);
        int64_t now = bytes_of("-wal");
        worst = now > worst ? now : worst;
        troubled = mc_writer_trouble(w) != NULL;
    }
    printf("     the log came to %lld bytes\n", (long long)worst);
    CHECK(troubled);
    CHECK(worst < 64 << 20);
    sqlite3_close(db);
    for (int i = 0; i < 40; i++) {
        mc_writer_frame(w, gen_next(&g));
        if (i % 10 == 9)
            mc_writer_flush(w);
    }
    CHECK(mc_writer_trouble(w) == NULL);
    CHECK(bytes_of("-wal") < 16 << 20);
    mc_writer_close(w);
    gen_fini(&g);
}

/* A file that is far too large shrinks in steps. Returns the longest one's CPU, ns. */
static inline int64_t shrink_in_steps(void)
{
    const struct mc_writer_options large = {.max_bytes = INT64_MAX}, tight = {.max_bytes = 1 << 20,
                                                                              .keep_ns = INT64_MAX,
                                                                              .chunk_frames = 600};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &large, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen_options opts = trace_busy;
    opts.requests = 400;
    struct gen g;
    gen_init(&g, &opts);
    for (int i = 0; i < 1300; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 == 9)
            mc_writer_flush(w);
    }
    mc_writer_close(w);
    gen_fini(&g);
    struct mc_sink sink = {0};
    sqlite3 *db = NULL;
    int64_t before = bytes_of(""), worst = 0;
    int rc, steps = 0;
    CHECK_INT(mc_file_open(trace_path, &db, NULL, 0), 0);
    sink.path = strdup(trace_path);
    CHECK_INT(mc_sink_init(&sink, db, &tight), 0);
    do {
        int64_t begun = cpu_ns();
        rc = mc_sink_retain(&sink, 0);
        int64_t took = cpu_ns() - begun;
        worst = took > worst ? took : worst;
        mc_sink_checkpoint(&sink);
    } while (rc > 0 && ++steps < 10000);
    CHECK_INT(rc, 0);
    mc_sink_fini(&sink);
    printf("     from %lld to %lld bytes in %d steps, of %.1f ms at most\n", (long long)before,
           (long long)bytes_of(""), steps, (double)worst / 1e6);
    CHECK(bytes_of("") <= tight.max_bytes);
    return worst;
}

/* None keeps the writer's thread from its queue for long; an interrupt may fall into one. */
static inline void steps_are_short(void)
{
    int64_t worst = shrink_in_steps();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    for (int again = 0; again < 2 && worst >= 5000000; again++)
        worst = shrink_in_steps();
    CHECK(worst < 5000000);
#endif
    (void)worst;
}

/* On a full disk tail rows can't be sealed. They go by age and by size as chunks do, with all that
 * build on them: what is left is whole after each step. */
static void tails_go_with_what_builds_on_them(int by_size)
{
    trace_write(&trace_busy, 150, 600, 10, 0); /* the chunk is open: 15 rows */
    const struct mc_writer_options wo = {.chunk_frames = 600,
                                         .keep_ns = by_size ? INT64_MAX : 1000000000,
                                         .max_bytes = by_size ? 1 << 20 : INT64_MAX};
    struct mc_sink sink = {.trouble = MC_ENOSPC, .has_orphans = 1};
    sqlite3 *db = NULL;
    int64_t left = -1, findings = -1;
    int steps = 0, rc;
    CHECK_INT(mc_file_open(trace_path, &db, NULL, 0), 0);
    sink.path = strdup(trace_path);
    CHECK_INT(mc_sink_init(&sink, db, &wo), 0);
    if (by_size)
        sink.room.file_bytes = 100000;
    do {
        rc = mc_sink_retain(&sink, (time(NULL) + 3600) * INT64_C(1000000000));
        CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
        CHECK_INT(findings, 0);
    } while (rc > 0 && ++steps < 1000 && !check_failures);
    CHECK_INT(rc, 0);
    CHECK_INT(mc_sink_number(db, "SELECT count(*) FROM tail", NULL, 0, -1, &left), 0);
    CHECK_INT(left, 0);
    mc_sink_fini(&sink);
}

static void tails_go_together(void)
{
    tails_go_with_what_builds_on_them(0);
    tails_go_with_what_builds_on_them(1);
}

int main(void)
{
    trace_name("keep");
    RUN(tails_go_together);
    RUN(size_is_kept);
    RUN(age_is_kept);
#ifndef __SANITIZE_THREAD__ /* the same threads, for longer than there is time */
    RUN(small_sizes_are_kept);
    RUN(steps_are_short);
    RUN(log_is_bounded_under_a_reader);
#endif
    trace_remove();
    return CHECK_DONE();
}
