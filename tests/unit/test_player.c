/* test_player.c: playing a recorded run, on a clock that the test turns by hand. */
#include "tests/unit/player_run.h"

static void every_frame_is_sent_when_it_is_due(void)
{
    static const double speeds[] = {1e-5, 0.1, 0.5, 1, 2, 5.5, -1e-5, -0.1, -1, -3};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        struct play p;
        struct mc_player_options opts = options(speeds[i]);
        opts.coalesce = i % 2;
        opts.from = 12 * SECOND;
        start(&p, path, &opts);
        int64_t begin_ns = p.now, due;
        int sent = 0;
        for (int k = 120; k >= 0 && k<FRAMES; k += speeds[i]> 0 ? 1 : -1, sent++) {
            due = begin_ns + (int64_t)((double)(k * TICK - opts.from) / speeds[i]);
            CHECK(p.now - due <= 1 && due - p.now <= 1);
            p.now -= 1000; /* too early: nothing comes, and the time to come again stays */
            size_t before = p.text.count;
            if (k != 120) {
                CHECK_INT(call(&p, ROOM), 0);
                CHECK_INT(p.text.count, before);
            }
            CHECK_INT(p.now, due - (k == 120 ? 1000 : 0));
            int code = call(&p, ROOM);
            CHECK_INT(mc_player_ts(p.player), k * TICK);
            CHECK_INT(code, k == 0 || k == FRAMES - 1 ? MC_END : 0);
            if (k == 120)
                begin_ns -= 1000; /* it began when it was first called */
        }
        CHECK_INT(sent, speeds[i] > 0 ? FRAMES - 120 : 121);
        stop(&p);
    }
}

static void between_frames_the_first_comes_at_once_and_the_next_when_due(void)
{
    struct play p;
    struct mc_player_options opts = options(2);
    opts.from = 1 * SECOND + TICK / 4;
    start(&p, path, &opts);
    int64_t begin_ns = p.now;
    CHECK_INT(mc_player_ts(p.player), INT64_MIN);
    CHECK_INT(call(&p, ROOM), 0);
    CHECK_INT(mc_player_ts(p.player), 1 * SECOND);
    CHECK_INT(p.now, begin_ns + TICK * 3 / 8);
    stop(&p);
}

static void outside_of_the_run_it_begins_at_its_edge(void)
{
    static const struct {
        double speed;
        int64_t from, first, next;
    } cases[] = {{1, -5 * SECOND, 0, TICK}, {-1, 99 * SECOND, (FRAMES - 1) * TICK, TICK}};
    for (int i = 0; i < 2; i++) {
        struct play p;
        struct mc_player_options opts = options(cases[i].speed);
        opts.from = cases[i].from;
        start(&p, path, &opts);
        int64_t begin_ns = p.now;
        CHECK_INT(call(&p, ROOM), 0);
        CHECK_INT(mc_player_ts(p.player), cases[i].first);
        CHECK_INT(p.now, begin_ns + cases[i].next);
        stop(&p);
    }
}

static void marks_of_the_past_stay_there(void)
{
    static const struct {
        double speed;
        int64_t from;
        int marks;
    } cases[] = {{0, 0, 6},           {0, 1 * SECOND, 4},      {0, 1 * SECOND + 5, 4},
                 {0, 12 * SECOND, 1}, {-1000, 12 * SECOND, 5}, {-1000, 1 * SECOND, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(cases[i].speed);
        opts.from = cases[i].from;
        start(&p, path, &opts);
        play_all(&p);
        tally(&p, &t);
        CHECK_INT(t.marks, cases[i].marks);
        stop(&p);
    }
}

static void max_gives_the_bytes_of_speed_1(void)
{
    struct play one, max, again;
    struct mc_player_options opts = options(1);
    start(&one, path, &opts);
    play_all(&one);
    opts.speed = 0;
    start(&max, path, &opts);
    play_all(&max);
    CHECK(one.calls > FRAMES - 2);
    CHECK(max.calls < FRAMES / 2);
    CHECK(one.text.count == max.text.count &&
          memcmp(one.text.bytes, max.text.bytes, max.text.count) == 0);
    /* With room for a byte each call brings one frame. */
    start(&again, path, &opts);
    while (call(&again, 1) == 0 && again.calls < 1000)
        ;
    CHECK_INT(again.calls, FRAMES + 1);
    CHECK(again.text.count == max.text.count &&
          memcmp(again.text.bytes, max.text.bytes, max.text.count) == 0);
    struct tally t;
    tally(&max, &t);
    CHECK_INT(t.runs, 2);
    CHECK_INT(t.keyframes, 1);
    CHECK_INT(t.deltas, FRAMES - 1);
    CHECK_INT(t.gaps, total_gaps);
    CHECK_INT(t.marks, MARKS);
    CHECK_INT(t.events, total_events);
    CHECK_INT(t.more, 0);
    CHECK_INT(t.ends, 1);
    CHECK_STR(t.end, "{\"ts\":23900000000,\"exit\":\"exit 0\"}");
    stop(&one);
    stop(&max);
    stop(&again);
}

static void backward_gives_the_same_documents(void)
{
    static const double speeds[] = {-1, -1000, -40, -1e30};
    for (int i = 0; i < 4; i++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(speeds[i]);
        opts.from = INT64_MAX;
        opts.coalesce = i > 0;
        start(&p, path, &opts);
        play_all(&p);
        tally(&p, &t);
        CHECK_INT(t.keyframes, 1);
        CHECK_INT(t.ids[0], (FRAMES - 1) * TICK);
        CHECK_INT(t.ids[t.id_count - 1], 0);
        for (size_t k = 1; k < t.id_count; k++)
            CHECK(t.ids[k] < t.ids[k - 1]);
        CHECK_INT(t.gaps, total_gaps);
        CHECK_INT(t.events + t.more, total_events);
        CHECK_INT(t.marks, MARKS);
        for (int k = 1; k < MARKS; k++)
            CHECK(t.marks_ts[k] <= t.marks_ts[k - 1]);
        CHECK_STR(t.end, "{\"ts\":0,\"exit\":null}");
        if (i == 0)
            CHECK_INT(t.id_count, FRAMES);
        stop(&p);
    }
}

/* Whatever the speed, at most `most` frames in any second, and no gap, mark or event is lost. */
static void check_rate(int rate_max, size_t most)
{
    static const double speeds[] = {3, 5.9, 6.1, 20, 100, 1000, 1e6, 1e31, 0};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(speeds[i]);
        static int64_t sent_at[4 * FRAMES];
        size_t sent = 0;
        opts.coalesce = 1;
        opts.rate_max = rate_max;
        opts.event_max = 10;
        start(&p, path, &opts);
        for (int code = 0; code == 0 && p.calls < 100000;) {
            size_t before = p.text.count;
            int64_t at = p.now;
            code = call(&p, ROOM);
            p.now += speeds[i] == 0 ? 100000 : 0; /* reading takes its time */
            for (size_t k = before; k + 5 < p.text.count; k++) {
                if (memcmp(p.text.bytes + k, "\nid: ", 5) == 0)
                    sent_at[sent++] = at;
            }
        }
        mc_buf_add_char(&p.text, '\0');
        p.text.count--;
        for (size_t k = most; k < sent; k++)
            CHECK(sent_at[k] - sent_at[k - most] >= SECOND - 1000);
        tally(&p, &t);
        CHECK_INT(t.id_count, sent);
        CHECK_INT(t.ids[0], 0);
        CHECK_INT(t.ids[sent - 1], (FRAMES - 1) * TICK);
        CHECK_INT(t.gaps, total_gaps);
        CHECK_INT(t.marks, MARKS);
        CHECK_INT(t.events + t.more, total_events);
        CHECK(speeds[i] < 30 || t.more > 0 || speeds[i] == 0);
        if (speeds[i] != 0 && speeds[i] * 10 <= (double)most) {
            CHECK_INT(sent, FRAMES);
        } else if (speeds[i] != 0) {
            double most_sent = (double)(FRAMES - 1) / 10 / speeds[i] * (double)most;
            CHECK(sent >= (size_t)(most_sent * 2 / 3) && sent <= (size_t)most_sent + 3);
        }
        stop(&p);
    }
}

static void merging_bounds_the_rate_and_loses_no_facts(void)
{
    check_rate(0, 60);
    check_rate(60, 60);
    check_rate(31, 31);
    check_rate(20, 20);
    check_rate(2, 2);
    check_rate(1, 1);
}

/* Where frames are missing the following one is due much later than expected: the step that was
 * tried is taken back, and nothing is told twice. */
static void a_hole_in_the_run_is_waited_out(void)
{
    static const double speeds[] = {1, 13, 20, 21, 35, 50, 700, -20};
    char holed[160];
    size_t missing_events = 0, missing_gaps = 0;
    snprintf(holed, sizeof holed, "%s-hole", path);
    record(holed, 61, 130);
    for (int i = 61; i < 130; i++) {
        missing_events += frames[i]->event_count;
        missing_gaps += frames[i]->gap_count;
    }
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(speeds[i]);
        opts.coalesce = 1;
        opts.from = speeds[i] < 0 ? INT64_MAX : 0;
        start(&p, holed, &opts);
        int64_t begin_ns = p.now;
        for (int code = 0; code == 0 && p.calls < 1000000;) {
            int64_t before = p.now;
            code = call(&p, ROOM);
            if (p.now > before + 1000000) /* it is asked more often than it wants to be */
                p.now = before + 1000000;
        }
        mc_buf_add_char(&p.text, '\0');
        p.text.count--;
        tally(&p, &t);
        CHECK_INT(t.events + t.more, total_events - missing_events);
        CHECK_INT(t.gaps, total_gaps - missing_gaps);
        CHECK_INT(t.marks, MARKS);
        double want_ns = (FRAMES - 1) * TICK / fabs(speeds[i]);
        CHECK(fabs((double)(p.now - begin_ns) - want_ns) < 0.02e9);
        stop(&p);
    }
    remove_trace(holed);
}

static void a_late_caller_gets_the_newest_state(void)
{
    for (int coalesce = 0; coalesce < 2; coalesce++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(1);
        opts.coalesce = coalesce;
        start(&p, path, &opts);
        int64_t begin_ns = p.now;
        CHECK_INT(call(&p, ROOM), 0);
        p.now = begin_ns + 2 * SECOND + 1; /* a short delay: every frame still comes */
        CHECK_INT(call(&p, ROOM), 0);
        CHECK_INT(mc_player_ts(p.player), 2 * SECOND);
        p.now = begin_ns + 15 * SECOND + 5; /* a long one */
        CHECK_INT(call(&p, ROOM), 0);
        CHECK_INT(mc_player_ts(p.player), 15 * SECOND);
        CHECK_INT(p.now, begin_ns + 15 * SECOND + TICK);
        mc_buf_add_char(&p.text, '\0');
        p.text.count--;
        tally(&p, &t);
        CHECK_INT(t.id_count, coalesce ? 22 : 151);
        CHECK_INT(t.events, 7 * 31);
        CHECK_INT(t.gaps, 4);
        CHECK_INT(t.marks, 5);
        stop(&p);
    }
}

static void a_resumed_stream_goes_on_without_a_hole_or_a_repeat(void)
{
    struct play whole;
    struct mc_player_options opts = options(0);
    start(&whole, path, &opts);
    play_all(&whole);
    static const int cuts[] = {0, 1, 49, 50, 99, 100, 170, FRAMES - 2};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct play first, second;
        opts = options(0);
        opts.to = cuts[i] * TICK;
        start(&first, path, &opts);
        play_all(&first);
        char *end = strstr((char *)first.text.bytes, "event: end");
        CHECK(end && strstr(end, "\"exit\":null"));
        size_t head = end ? (size_t)(end - (char *)first.text.bytes) : 0;
        opts.to = INT64_MAX;
        opts.from = cuts[i] * TICK;
        opts.resume = 1;
        start(&second, path, &opts);
        play_all(&second);
        CHECK_INT(head + second.text.count, whole.text.count);
        CHECK(memcmp(whole.text.bytes, first.text.bytes, head) == 0);
        CHECK(memcmp(whole.text.bytes + head, second.text.bytes, second.text.count) == 0);
        stop(&first);
        stop(&second);
    }
    /* A ts that no frame has: the client's document is not known, so it gets one. */
    struct play p;
    struct tally t;
    opts = options(0);
    opts.from = 5 * SECOND + 1;
    opts.resume = 1;
    start(&p, path, &opts);
    play_all(&p);
    tally(&p, &t);
    CHECK_INT(t.keyframes, 1);
    CHECK_INT(t.ids[0], 5 * SECOND);
    stop(&p);
    stop(&whole);
}

static void spans_end_where_they_were_asked_to(void)
{
    static const struct {
        double speed;
        int64_t from, to, first, last;
    } cases[] = {
        {0, -100, INT64_MAX, 0, FRAMES - 1},
        {0, 30 * TICK, 40 * TICK + 5, 30, 40},
        {0, 30 * TICK + 99, 30 * TICK + 99, 30, 30},
        {0, 1000 * SECOND, INT64_MAX, FRAMES - 1, FRAMES - 1},
        {0, 50 * TICK, 30 * TICK, -1, -1},
        {0, -100, -50, -1, -1},
        {-1000, 50 * TICK, 30 * TICK, 50, 30},
        {-1000, 50 * TICK + 7, INT64_MAX, 50, 0},
        {-1000, 50 * TICK, 60 * TICK, -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct play p;
        struct tally t;
        struct mc_player_options opts = options(cases[i].speed);
        opts.from = cases[i].from;
        opts.to = cases[i].to;
        start(&p, path, &opts);
        play_all(&p);
        tally(&p, &t);
        CHECK_INT(t.ends, 1);
        if (cases[i].first < 0) {
            CHECK_INT(t.id_count, 0);
        } else {
            CHECK_INT(t.ids[0], cases[i].first * TICK);
            CHECK_INT(t.ids[t.id_count - 1], cases[i].last * TICK);
            CHECK_INT(t.id_count, labs(cases[i].last - cases[i].first) + 1);
        }
        int64_t wake;
        CHECK_INT(mc_player_next(p.player, p.now, ROOM, &p.text, &wake), MC_END);
        stop(&p);
    }
}

static void a_run_that_is_being_written_is_followed(void)
{
    char live[160];
    struct mc_writer *w = NULL;
    struct mc_writer_options wopts = {
        .keep_ns = INT64_MAX, .max_bytes = INT64_MAX, .chunk_frames = 50};
    struct mc_run_info info = run_info();
    int64_t run_id, mark_id;
    snprintf(live, sizeof live, "%s-live", path);
    remove_trace(live);
    CHECK_INT(mc_writer_open(live, &wopts, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    int next = 0;
    for (; next < 20; next++)
        mc_writer_frame(w, frames[next]);
    CHECK_INT(mc_writer_flush(w), 0);
    struct play p;
    struct tally t;
    struct mc_player_options opts = options(1);
    opts.follow = opts.coalesce = 1;
    start(&p, live, &opts);
    for (int i = 0; i < 60; i++)
        CHECK_INT(call(&p, ROOM), 0);
    CHECK_INT(mc_player_ts(p.player), 19 * TICK);
    /* More comes, in a burst, with a mark ahead and one behind. */
    for (; next < 30; next++)
        mc_writer_frame(w, frames[next]);
    mc_writer_mark(w, 5 * TICK, 0, "behind", "x", &mark_id);
    mc_writer_mark(w, 25 * TICK, 0, "ahead", "x", &mark_id);
    CHECK_INT(mc_writer_flush(w), 0);
    int64_t burst_ns = p.now, at;
    do {
        at = p.now;
        CHECK_INT(call(&p, ROOM), 0);
    } while (mc_player_ts(p.player) < 29 * TICK && p.calls < 1000);
    CHECK_INT(mc_player_ts(p.player), 29 * TICK);
    CHECK_INT(at - burst_ns, 9 * TICK); /* evenly, not at once */
    CHECK_INT(mc_writer_end(w, "exit 7"), 0);
    mc_writer_close(w);
    play_all(&p);
    tally(&p, &t);
    CHECK_INT(t.keyframes, 1);
    CHECK_INT(t.ids[t.id_count - 1], 29 * TICK);
    CHECK_INT(t.marks, 2);
    CHECK_STR(t.end, "{\"ts\":2900000000,\"exit\":\"exit 7\"}");
    stop(&p);
    remove_trace(live);
}

static void bad_options_are_refused(void)
{
    static const double bad[] = {INFINITY, -INFINITY, NAN};
    struct mc_reader *r = NULL;
    struct mc_player *player = NULL;
    CHECK_INT(mc_reader_open(path, &r, NULL, 0), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mc_player_options opts = options(bad[i]);
        CHECK_INT(mc_player_open(r, &opts, &player), MC_EINVAL);
    }
    struct mc_player_options opts = options(1);
    opts.run_id = 99;
    CHECK_INT(mc_player_open(r, &opts, &player), MC_ENORUN);
    CHECK(player == NULL);
    mc_player_close(NULL);
    mc_reader_close(r);
}

int main(void)
{
    make_frames();
    snprintf(path, sizeof path, "/tmp/memcam-test-player-%d.db", (int)getpid());
    record(path, 0, 0);
    if (check_failures)
        return CHECK_DONE();
    RUN(every_frame_is_sent_when_it_is_due);
    RUN(between_frames_the_first_comes_at_once_and_the_next_when_due);
    RUN(outside_of_the_run_it_begins_at_its_edge);
    RUN(marks_of_the_past_stay_there);
    RUN(max_gives_the_bytes_of_speed_1);
    RUN(backward_gives_the_same_documents);
    RUN(merging_bounds_the_rate_and_loses_no_facts);
    RUN(a_hole_in_the_run_is_waited_out);
    RUN(a_late_caller_gets_the_newest_state);
    RUN(a_resumed_stream_goes_on_without_a_hole_or_a_repeat);
    RUN(spans_end_where_they_were_asked_to);
    RUN(a_run_that_is_being_written_is_followed);
    RUN(bad_options_are_refused);
    remove_trace(path);
    for (int i = 0; i < FRAMES; i++) {
        free((void *)(uintptr_t)frames[i]->changes);
        frames_free(frames[i]);
    }
    mc_schema_fini(&schema);
    return CHECK_DONE();
}
