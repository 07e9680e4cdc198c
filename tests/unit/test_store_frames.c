/* test_store_frames.c: frames into a trace and out again, field for field. */
#include <sqlite3.h>
#include <stdlib.h>

#include "store/pack.h"
#include "store/trace_format.h"
#include "tests/unit/store_trace.h"
#include "tracer/error.h"

/* The cursor makes the frames that the generator made, in order. */
static void check_forward(const struct gen_options *opts, int count)
{
    struct mc_reader *r;
    char why[256] = "";
    CHECK_INT(mc_reader_open(trace_path, &r, why, sizeof why), 0);
    struct mc_cursor *c;
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    struct gen g;
    gen_init(&g, opts);
    int differ = 0;
    for (int i = 0; i < count && !differ; i++) {
        const struct mc_frame *got = NULL, *want = gen_next(&g);
        CHECK_INT(mc_cursor_next(c, &got), 0);
        const char *what = got ? frames_differ(want, got) : "no frame";
        if (what) {
            printf("frame %d: %s\n", i, what);
            differ = 1;
        }
    }
    CHECK(!differ);
    const struct mc_frame *more;
    CHECK_INT(mc_cursor_next(c, &more), MC_END);
    mc_cursor_close(c);
    mc_reader_close(r);
    gen_fini(&g);
}

static void round_trip_of_tails(void)
{
    trace_write(&trace_busy, 95, 600, 10, 0);
    check_forward(&trace_busy, 95);
}

/* The map of the slab that comes with frame 30 begins with the first frame of a row. */
static void round_trip_of_a_late_map(void)
{
    trace_write(&trace_busy, 40, 600, 29, 0);
    check_forward(&trace_busy, 40);
}

static void round_trip_of_chunks(void)
{
    trace_write(&trace_busy, 300, 50, 7, 1);
    check_forward(&trace_busy, 300);
}

static void round_trip_in_one_batch(void)
{
    trace_write(&trace_busy, 200, 60, 0, 1);
    check_forward(&trace_busy, 200);
}

static void round_trip_with_ns_and_random_order(void)
{
    struct gen_options opts = trace_busy;
    opts.random_order = opts.event_clock_ns = 1;
    opts.seed = 7;
    trace_write(&opts, 150, 40, 10, 1);
    check_forward(&opts, 150);
}

static int64_t count_legs(void)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db,
                                 "SELECT count(*) FROM part WHERE part_id%256 BETWEEN ?1 AND ?2",
                                 -1, &stmt, NULL),
              SQLITE_OK);
    sqlite3_bind_int(stmt, 1, MC_PART_LEGS);
    sqlite3_bind_int(stmt, 2, MC_PART_EVENTS - 1);
    CHECK_INT(sqlite3_step(stmt), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

static void round_trip_of_legs(void)
{
    trace_write(&trace_wide, 260, 200, 10, 1);
    CHECK(count_legs() >= 2);
    check_forward(&trace_wide, 260);
    int64_t findings = -1;
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
    CHECK_INT(findings, 0);
}

/* Seeks and steps, forwards and backwards, against the frames themselves. */
static void seek_and_step_in(const struct gen_options *opts, int chunk_frames)
{
    enum { COUNT = 260 };
    trace_write(opts, COUNT, chunk_frames, 10, 0);
    struct mc_reader *r;
    struct mc_cursor *c;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    int64_t first, last;
    CHECK_INT(mc_reader_span(r, 1, &first, &last), 0);
    struct gen g;
    gen_init(&g, opts);
    /* One pass of the generator; at each frame, come to it by seek, by prev and by next. */
    int bad = 0;
    for (int i = 0; i < COUNT && !bad; i++) {
        const struct mc_frame *want = gen_next(&g), *got;
        if (i == 0)
            CHECK_INT(first, want->ts);
        if (i % 13 && i != COUNT - 1)
            continue;
        CHECK_INT(mc_cursor_seek(c, want->ts + 17, &got), 0);
        bad |= frames_differ(want, got) != NULL;
        if (mc_cursor_next(c, &got) == 0) {
            CHECK_INT(mc_cursor_prev(c, &got), 0);
            bad |= frames_differ(want, got) != NULL;
        } else {
            CHECK_INT(got->ts, last);
        }
        if (i > 0) {
            CHECK_INT(mc_cursor_prev(c, &got), 0);
            CHECK(got->ts < want->ts);
            CHECK_INT(mc_cursor_next(c, &got), 0);
            bad |= frames_differ(want, got) != NULL;
        }
        if (bad)
            printf("frame %d: %s\n", i, frames_differ(want, got));
    }
    CHECK(!bad);
    const struct mc_frame *got;
    CHECK_INT(mc_cursor_seek(c, INT64_MIN, &got), 0);
    CHECK_INT(got->ts, first);
    CHECK_INT(mc_cursor_prev(c, &got), MC_END);
    CHECK_INT(mc_cursor_next(c, &got), 0);
    CHECK_INT(mc_cursor_seek(c, INT64_MAX, &got), 0);
    CHECK_INT(got->ts, last);
    /* All the way back. */
    int steps = 1;
    while (mc_cursor_prev(c, &got) == 0)
        steps++;
    CHECK_INT(steps, COUNT);
    mc_cursor_close(c);
    mc_reader_close(r);
    gen_fini(&g);
}

static void seek_and_step(void)
{
    seek_and_step_in(&trace_busy, 100);
}

static void seek_and_step_over_legs(void)
{
    seek_and_step_in(&trace_wide, 200);
}

/* The maps of a frame and their changes, as one number. */
static uint64_t sum_of(const struct mc_frame *f)
{
    uint64_t sum = (uint64_t)f->ts;
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        uint64_t fields[] = {c->map_idx, c->slot_idx, c->old_state, c->state, c->owner, c->conn_id};
        sum = mc_sum64(fields, sizeof fields, sum);
    }
    for (uint32_t i = 0; i < f->schema->map_count; i++) {
        const struct mc_map *m = &f->maps[i];
        sum = mc_sum64(m->states, m->slot_count, sum);
        if (m->owners) {
            sum = mc_sum64(m->owners, m->slot_count * sizeof *m->owners, sum);
            sum = mc_sum64(m->conns, m->slot_count * sizeof *m->conns, sum);
        }
    }
    return sum;
}

/* Any walk meets the same frames: all the way back, then to and fro. The 29th brings a new map. */
static void walk_back_in(const struct gen_options *opts, int chunk_frames)
{
    enum { COUNT = 260 };
    static uint64_t sums[COUNT];
    trace_write(opts, COUNT, chunk_frames, 10, 0);
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(mc_cursor_next(c, &f), 0);
        sums[i] = sum_of(f);
    }
    int bad = 0, at = COUNT - 1;
    while (at > 0) {
        CHECK_INT(mc_cursor_prev(c, &f), 0);
        bad += sum_of(f) != sums[--at];
    }
    CHECK_INT(bad, 0);
    srand(5);
    for (int i = 0; i < 900; i++) {
        int back = at == COUNT - 1 || (at > 0 && rand() % (i / 100 % 2 ? 4 : 2));
        CHECK_INT(back ? mc_cursor_prev(c, &f) : mc_cursor_next(c, &f), 0);
        at += back ? -1 : 1;
        bad += sum_of(f) != sums[at];
    }
    CHECK_INT(bad, 0);
    mc_cursor_close(c);
    mc_reader_close(r);
}

static void walk_back(void)
{
    walk_back_in(&trace_busy, 100);
}

static void walk_back_over_legs(void)
{
    walk_back_in(&trace_wide, 200);
}

/* Going back through tails that are sealed under the cursor misses no frame. */
static void walk_back_live(void)
{
    trace_remove();
    struct mc_writer_options wo = {.chunk_frames = 60};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    struct gen g;
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    gen_init(&g, &trace_busy);
    for (int i = 0; i < 50; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 10 == 9)
            CHECK_INT(mc_writer_flush(w), 0);
    }
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_cursor_open(r, run_id, &c), 0);
    CHECK_INT(mc_cursor_seek(c, INT64_MAX, &f), 0);
    for (int i = 0; i < 30; i++)
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
    CHECK_INT(mc_writer_flush(w), 0);
    int steps = 1;
    while (mc_cursor_prev(c, &f) == 0)
        steps++;
    CHECK_INT(steps, 50);
    mc_cursor_close(c);
    mc_reader_close(r);
    mc_writer_close(w);
    gen_fini(&g);
}

/* A cursor follows a run that is being written, through tails that are sealed under it. */
static void follow_live(void)
{
    trace_remove();
    struct mc_writer_options wo = {.chunk_frames = 30};
    struct mc_writer *w;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    struct mc_run_info info = gen_info();
    int64_t run_id;
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct mc_reader *r;
    struct mc_cursor *c;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_cursor_open(r, run_id, &c), 0);
    struct gen g, again;
    gen_init(&g, &trace_busy);
    gen_init(&again, &trace_busy);
    const struct mc_frame *got;
    CHECK_INT(mc_cursor_next(c, &got), MC_END);
    int read = 0, bad = 0;
    for (int i = 0; i < 120; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 7 == 6)
            CHECK_INT(mc_writer_flush(w), 0);
        if (i % 14 == 13) {
            while (!bad && mc_cursor_next(c, &got) == 0) {
                bad |= frames_differ(gen_next(&again), got) != NULL;
                read++;
            }
        }
    }
    CHECK(!bad);
    CHECK_INT(read, 112);
    struct mc_run_info *runs;
    size_t count;
    CHECK_INT(mc_reader_runs(r, &runs, &count), 0);
    CHECK_INT(count, 1);
    CHECK_INT(runs[0].live, 1);
    CHECK(runs[0].exit == NULL);
    CHECK_STR(runs[0].label, "test");
    mc_run_info_fini(&runs[0]);
    free(runs);
    mc_writer_close(w);
    CHECK_INT(mc_reader_runs(r, &runs, &count), 0);
    CHECK_INT(runs[0].live, 0);
    mc_run_info_fini(&runs[0]);
    free(runs);
    mc_cursor_close(c);
    mc_reader_close(r);
    gen_fini(&g);
    gen_fini(&again);
}

/* Frames that are wrong are refused; the ones after them are kept. */
/* The first events of a frame, and how many it has more: not so many is what is asked for, and the
 * frames are the same both ways, in tails and in chunks, and where a frame of very many events has
 * a slice of its own. */
static void bounded_events_in(int chunk_frames)
{
    enum { COUNT = 120, MOST = 300 };
    static const struct gen_options bursts = {.seed = 8, .conn_slots = 100, .requests = 3000};
    trace_write(&bursts, COUNT, chunk_frames, 10, 0);
    struct mc_reader *r;
    struct mc_cursor *all, *some;
    const struct mc_frame *want, *got;
    size_t largest = 0;
    int steps = 0;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK_INT(mc_cursor_open(r, 1, &all), 0);
    CHECK_INT(mc_cursor_open(r, 1, &some), 0);
    mc_cursor_bound_events(some, MOST);
    for (int back = 0; back < 2; back++) {
        while ((back ? mc_cursor_prev(all, &want) : mc_cursor_next(all, &want)) == 0) {
            CHECK_INT(back ? mc_cursor_prev(some, &got) : mc_cursor_next(some, &got), 0);
            size_t asked = want->event_count < MOST ? want->event_count : MOST;
            CHECK_INT(got->ts, want->ts);
            CHECK_INT(got->event_count, asked);
            CHECK_INT(mc_cursor_events_left_out(some), want->event_count - asked);
            CHECK(memcmp(got->events, want->events, asked * sizeof *got->events) == 0);
            CHECK(sum_of(got) == sum_of(want));
            largest = want->event_count > largest ? want->event_count : largest;
            steps++;
        }
    }
    CHECK_INT(steps, 2 * COUNT - 1);
    CHECK(largest > 8192);
    mc_cursor_close(all);
    mc_cursor_close(some);
    mc_reader_close(r);
}

static void bounded_events(void)
{
    bounded_events_in(50);
    bounded_events_in(1000);
}

static void refuse_bad_frames(void)
{
    trace_remove();
    struct mc_writer *w;
    CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
    struct gen g;
    gen_init(&g, &trace_busy);
    struct mc_frame f = *gen_next(&g);
    CHECK_INT(mc_writer_frame(w, &f), MC_EINVAL); /* no run */
    struct mc_run_info info = gen_info();
    int64_t run_id;
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), MC_EINVAL);
    CHECK_INT(mc_writer_frame(w, &f), 0);
    CHECK_INT(mc_writer_frame(w, &f), MC_EINVAL); /* the same ts */
    f.ts = INT64_MAX;
    CHECK_INT(mc_writer_frame(w, &f), MC_EINVAL);
    CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), MC_EINVAL);
    mc_writer_close(w);
    check_forward(&trace_busy, 2);
    gen_fini(&g);
}

int main(void)
{
    trace_name("frames");
    RUN(round_trip_of_tails);
    RUN(round_trip_of_a_late_map);
    RUN(round_trip_of_chunks);
    RUN(round_trip_in_one_batch);
    RUN(round_trip_with_ns_and_random_order);
    RUN(round_trip_of_legs);
    RUN(seek_and_step);
    RUN(seek_and_step_over_legs);
    RUN(walk_back);
    RUN(walk_back_over_legs);
    RUN(walk_back_live);
    RUN(follow_live);
    RUN(bounded_events);
    RUN(refuse_bad_frames);
    trace_remove();
    return CHECK_DONE();
}
