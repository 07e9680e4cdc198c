/* test_player.c: playing a recorded run, on a clock that the test turns by hand. */
#include "replay/player.h"

#include <math.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "tests/unit/frames.h"
#include "tests/unit/json.h"
#include "tracer/error.h"

#define TICK 100000000ll
#define SECOND 1000000000ll
enum { FRAMES = 240, ROOM = 1 << 20 };

/* ---- a run to play --------------------------------------------------------------------------- */

static char path[128];
static struct mc_schema schema;
static struct mc_frame *frames[FRAMES];
static size_t total_events, total_gaps;
static const int64_t mark_ts[] = {
    0, 5, 1 * SECOND, 1 * SECOND + 1, 7 * SECOND + 77, 23 * SECOND + TICK * 9 + 5};
enum { MARKS = sizeof mark_ts / sizeof *mark_ts };

/* Change some slots of both maps and say so in the frame's changes. */
static void change_slots(struct mc_frame *f)
{
    struct mc_slot_change *changes = calloc(64, sizeof *changes);
    size_t count = 0;
    for (uint32_t m = 0; m < f->schema->map_count; m++) {
        const struct mc_map *map = &f->maps[m];
        for (uint32_t slot = (uint32_t)frames_random(200); slot < map->slot_count && count < 64;
             slot += 1 + (uint32_t)frames_random(200)) {
            uint8_t state = (uint8_t) ".AI"[frames_random(3)];
            if (state == map->states[slot])
                continue;
            uint16_t owner = map->owners && state != '.' ? (uint16_t)(2 + frames_random(2)) : 0;
            uint64_t conn = map->owners && state != '.' ? 1 + frames_random(1000) : 0;
            changes[count++] =
                (struct mc_slot_change){m, slot, map->states[slot], state, owner, conn};
            map->states[slot] = state;
            if (map->owners) {
                map->owners[slot] = owner;
                map->conns[slot] = conn;
            }
        }
    }
    f->changes = changes;
    f->change_count = count;
}

static void add_events(struct mc_frame *f, size_t count)
{
    struct mc_event *events = calloc(count + 1, sizeof *events);
    for (size_t i = 0; i < count; i++)
        events[i] = (struct mc_event){.ts = f->ts - (int64_t)(count - i) * 1000,
                                      .type = MC_EVENT_STREAM_OPEN,
                                      .conn_id = 1 + frames_random(50),
                                      .stream_id = (uint32_t)(1 + total_events + i)};
    f->events = events;
    f->event_count = count;
    total_events += count;
}

static void make_frames(void)
{
    mc_schema_init(&schema);
    schema.sources = calloc(64, sizeof *schema.sources);
    schema.source_room = 64;
    mc_schema_add_string(&schema, "app", 3);
    mc_schema_add_string(&schema, "dashboard", 9);
    frames_add_source(&schema, MC_KIND_SLAB, "bufs", 1500, MC_SOURCE_HAS_OWNERS);
    frames_add_source(&schema, MC_KIND_SLAB, "cells", 3000, 0);
    frames_add_source(&schema, MC_KIND_GAUGE, "load", 0, 0);
    for (int i = 0; i < FRAMES; i++) {
        if (i == 100)
            frames_add_source(&schema, MC_KIND_COUNTER, "late comer", 0, 0);
        struct mc_frame *f = frames_new(&schema, i ? frames[i - 1] : NULL, i * TICK);
        for (uint32_t s = 0; s < schema.source_count; s++) {
            for (uint32_t v = 0; v < schema.sources[s].value_count; v++) {
                if (frames_random(3) == 0)
                    *frames_value(f, s, v) = (int64_t)frames_random(1000);
            }
        }
        *frames_value(f, 2, 0) = i % 7 ? i : MC_VALUE_NONE;
        change_slots(f);
        add_events(f, i % 5 == 0 ? 7 : 0);
        if (i % 40 == 30) {
            struct mc_gap *gap = calloc(1, sizeof *gap);
            *gap = (struct mc_gap){.ts = f->ts - TICK, .dur_ns = 5, .lost = 3};
            strcpy(gap->reason, "events lost");
            f->gaps = gap;
            f->gap_count = 1;
            total_gaps++;
        }
        frames[i] = f;
    }
}

static struct mc_run_info run_info(void)
{
    return (struct mc_run_info){.label = (char *)(uintptr_t) "test",
                                .host = (char *)(uintptr_t) "here",
                                .program = (char *)(uintptr_t) "prog",
                                .build = (char *)(uintptr_t) "1",
                                .config = (char *)(uintptr_t) "{}",
                                .pid = 1234567,
                                .start_wall_ns = 1700000000 * SECOND,
                                .interval_ns = TICK};
}

static void remove_trace(const char *name)
{
    char side[160];
    unlink(name);
    snprintf(side, sizeof side, "%s-wal", name);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", name);
    unlink(side);
}

/* The slots of `f` that are not as in `last`. */
static struct mc_slot_change *changes_since(const struct mc_frame *f, const struct mc_frame *last,
                                            size_t *count)
{
    struct mc_slot_change *changes = calloc(8192, sizeof *changes);
    *count = 0;
    for (uint32_t m = 0; m < f->schema->map_count; m++) {
        const struct mc_map *is = &f->maps[m], *was = &last->maps[m];
        for (uint32_t i = 0; i < is->slot_count; i++) {
            uint16_t owner = is->owners ? is->owners[i] : 0;
            uint64_t conn = is->conns ? is->conns[i] : 0;
            if (is->states[i] != was->states[i] || (is->owners && owner != was->owners[i]) ||
                (is->conns && conn != was->conns[i]))
                changes[(*count)++] =
                    (struct mc_slot_change){m, i, was->states[i], is->states[i], owner, conn};
        }
    }
    return changes;
}

/* Record the frames into `name`, but for those of [hole, hole_end). */
static void record(const char *name, int hole, int hole_end)
{
    struct mc_writer *w = NULL;
    struct mc_writer_options opts = {
        .keep_ns = INT64_MAX, .max_bytes = INT64_MAX, .chunk_frames = 50};
    struct mc_run_info info = run_info();
    char why[256] = "";
    int64_t run_id = 0, mark_id;
    remove_trace(name);
    CHECK_INT(mc_writer_open(name, &opts, &w, why, sizeof why), 0);
    CHECK_STR(why, "");
    if (!w)
        return;
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    CHECK_INT(run_id, 1);
    for (int i = 0; i < FRAMES; i++) {
        struct mc_frame frame = *frames[i];
        if (i >= hole && i < hole_end)
            continue;
        if (hole && i == hole_end)
            frame.changes = changes_since(&frame, frames[hole - 1], &frame.change_count);
        CHECK_INT(mc_writer_frame(w, &frame), 0);
        if (frame.changes != frames[i]->changes)
            free((void *)(uintptr_t)frame.changes);
    }
    for (size_t i = 0; i < MARKS; i++)
        CHECK_INT(mc_writer_mark(w, mark_ts[i], 0, "m", "", &mark_id), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
}

/* ---- playing --------------------------------------------------------------------------------- */

struct play {
    struct mc_reader *reader;
    struct mc_player *player;
    struct mc_buf text; /* all that was sent */
    int64_t now;
    int calls;
};

static struct mc_player_options options(double speed)
{
    return (struct mc_player_options){
        .run_id = 1, .to = INT64_MAX, .speed = speed, .event_max = 1000};
}

static void start(struct play *p, const char *trace, const struct mc_player_options *opts)
{
    char why[256] = "";
    memset(p, 0, sizeof *p);
    p->now = 12345 * SECOND;
    CHECK_INT(mc_reader_open(trace, &p->reader, why, sizeof why), 0);
    CHECK_STR(why, "");
    CHECK_INT(mc_player_open(p->reader, opts, &p->player), 0);
}

static void stop(struct play *p)
{
    mc_player_close(p->player);
    mc_reader_close(p->reader);
    mc_buf_fini(&p->text);
}

/* Call once at the time it is, then go to the time that the player asked for. */
static int call(struct play *p, size_t room)
{
    int64_t wake = 0;
    int code = mc_player_next(p->player, p->now, room, &p->text, &wake);
    CHECK(code == 0 || code == MC_END);
    if (wake > p->now)
        p->now = wake;
    p->calls++;
    return code;
}

static void play_all(struct play *p)
{
    while (call(p, ROOM) == 0 && p->calls < 100000)
        ;
    CHECK(p->calls < 100000);
    mc_buf_add_char(&p->text, '\0');
    p->text.count--;
}

/* The next event at *at: its name, id (INT64_MIN: none) and data; 0 at the end. */
static int next_event(const char **at, char *name, int64_t *id, const char **data, size_t *bytes)
{
    if (!**at)
        return 0;
    *id = INT64_MIN;
    *data = "";
    *bytes = 0;
    name[0] = 0;
    while (**at && **at != '\n') {
        const char *end = strchrnul(*at, '\n');
        if (strncmp(*at, "event: ", 7) == 0)
            snprintf(name, 32, "%.*s", (int)(end - *at - 7), *at + 7);
        else if (strncmp(*at, "id: ", 4) == 0)
            *id = strtoll(*at + 4, NULL, 10);
        else if (strncmp(*at, "data: ", 6) == 0)
            *data = *at + 6, *bytes = (size_t)(end - *at - 6);
        else
            CHECK_STR(*at, "a line of an event");
        *at = end + (*end != 0);
    }
    *at += **at == '\n';
    return 1;
}

/* What a stream held, and whether its patches gave the documents of the frames. */
struct tally {
    int runs, keyframes, deltas, marks, gaps, ends, batches;
    size_t events, more;
    int64_t ids[FRAMES + 8];
    size_t id_count;
    int64_t marks_ts[MARKS + 8];
    char end[128];
};

static void check_document(const struct json *have, int64_t ts)
{
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK(ts % TICK == 0 && ts >= 0 && ts / TICK < FRAMES);
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_doc_keyframe(d, frames[ts / TICK], &b), 0);
    struct json *want = json_parse(b.bytes, b.count);
    CHECK(json_equal(have, want));
    json_free(want);
    mc_doc_free(d);
    mc_buf_fini(&b);
}

static void count_mark(struct tally *t, const struct json *j)
{
    const struct json *ts = json_get(j, "ts", NULL);
    if (ts && t->marks < MARKS + 8)
        t->marks_ts[t->marks] = strtoll(ts->text, NULL, 10);
    t->marks++;
}

static void tally(const struct play *p, struct tally *t)
{
    const char *at = (const char *)p->text.bytes, *data;
    char name[32];
    int64_t id;
    size_t bytes;
    struct json *have = NULL;
    memset(t, 0, sizeof *t);
    while (at && next_event(&at, name, &id, &data, &bytes)) {
        CHECK_INT(t->ends, 0);
        struct json *j = json_parse(data, bytes);
        CHECK(j != NULL);
        if (!j)
            break;
        t->runs += !strcmp(name, "run");
        t->gaps += !strcmp(name, "gap");
        if (!strcmp(name, "mark"))
            count_mark(t, j);
        if (!strcmp(name, "end")) {
            t->ends++;
            snprintf(t->end, sizeof t->end, "%.*s", (int)bytes, data);
        }
        if (!strcmp(name, "events")) {
            const struct json *more = json_get(j, "more", NULL);
            t->batches++;
            t->events += json_get(j, "events", NULL)->count;
            t->more += more ? (size_t)atoll(more->text) : 0;
        }
        if (id != INT64_MIN) {
            t->keyframes += !strcmp(name, "keyframe");
            t->deltas += !strcmp(name, "delta");
            if (have || !strcmp(name, "keyframe")) {
                have = json_merge(have, j);
                check_document(have, id);
            }
            if (t->id_count < FRAMES + 8)
                t->ids[t->id_count++] = id;
        } else {
            CHECK(strcmp(name, "keyframe") != 0 && strcmp(name, "delta") != 0);
        }
        json_free(j);
    }
    json_free(have);
}

/* ---- the cases ------------------------------------------------------------------------------- */

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
