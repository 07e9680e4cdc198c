/* test_store_events.c: slices of events, read frame by frame in whatever order. */
#include "store/events.h"
#include "tests/unit/check.h"
#include "tracer/error.h"

#include <stdlib.h>

enum { FRAMES = 60, FIRST = 7, STRINGS = 40 };

/* What was written. */
static struct mc_event *events[FRAMES];
static size_t counts[FRAMES];
static uint64_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

/* An event with what its type has, so that it is not written raw. */
static struct mc_event some_event(int64_t ts)
{
    struct mc_event e = {.ts = ts, .conn_id = 1 + below(50)};
    switch (below(4)) {
    case 0:
        e.type = MC_EVENT_STATE;
        e.state = (uint8_t)('A' + below(26));
        break;
    case 1:
        e.type = MC_EVENT_REQUEST;
        e.stream_id = 1 + 2 * below(9);
        e.method = below(3);
        e.detail = below(STRINGS);
        break;
    case 2:
        e.type = MC_EVENT_RESPONSE;
        e.stream_id = 1 + 2 * below(9);
        e.method = below(3);
        e.detail = below(STRINGS);
        e.status = 200;
        e.bytes_out = below(100000);
        e.dur_ns = 1000 * (uint64_t)below(100000);
        break;
    default:
        e.type = MC_EVENT_CLOSE;
        e.detail = below(STRINGS);
        e.bytes_in = below(1000);
    }
    return e;
}

/* Frames of which some have no event, and one has very many. */
static void write_slice(struct mc_buf *raw)
{
    struct mc_event_writer w = {0};
    CHECK_INT(mc_event_writer_init(&w), 0);
    mc_event_writer_begin(&w, FIRST);
    int64_t ts = 0;
    for (size_t f = 0; f < FRAMES; f++) {
        counts[f] = f == 20 ? 5000 : below(5) ? below(400) : 0;
        events[f] = calloc(counts[f] + 1, sizeof *events[f]);
        for (size_t i = 0; i < counts[f]; i++)
            events[f][i] = some_event(ts += 1000 * (int64_t)below(500));
        mc_event_writer_frame(&w, events[f], counts[f]);
    }
    raw->count = 0;
    CHECK_INT(mc_event_writer_end(&w, raw), 0);
    mc_event_writer_fini(&w);
}

static void check_frame(struct mc_event_slice *s, uint32_t f)
{
    const struct mc_event *got;
    size_t count;
    size_t asked = s->event_max && counts[f] > s->event_max ? s->event_max : counts[f];
    CHECK_INT(mc_event_slice_frame(s, f, STRINGS, &got, &count), 0);
    CHECK_INT(count, asked);
    CHECK_INT(mc_event_slice_left_out(s, f), counts[f] - asked);
    CHECK(count == asked && (!count || memcmp(got, events[f], count * sizeof *got) == 0));
}

static void forget(void)
{
    for (size_t f = 0; f < FRAMES; f++)
        free(events[f]);
}

static void frames_come_in_order(uint32_t event_max)
{
    struct mc_event_slice s = {0};
    for (seed = 1; seed < 4; seed++) {
        write_slice(&s.raw);
        s.event_max = event_max;
        CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
        CHECK_INT(s.first_frame, FIRST);
        CHECK_INT(s.frame_count, FRAMES);
        CHECK(!mc_event_slice_is_begun(&s));
        for (uint32_t f = 0; f < FRAMES; f++)
            check_frame(&s, f);
        CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
        for (uint32_t f = FRAMES; f-- > 0;)
            check_frame(&s, f);
        CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
        for (int i = 0; i < 300; i++)
            check_frame(&s, below(FRAMES));
        for (uint32_t f = 1; f < FRAMES; f++) { /* a step back now and then, as merging does */
            check_frame(&s, f);
            check_frame(&s, f - 1);
        }
        mc_event_slice_trim(&s);
        forget();
    }
    mc_event_slice_fini(&s);
}

static void frames_come_in_any_order(void)
{
    frames_come_in_order(0);
}

/* Of each frame the first ones only. */
static void frames_are_bounded(void)
{
    frames_come_in_order(1);
    frames_come_in_order(100);
}

/* Going forward holds on to a few frames' events only, going back to no more than there are. */
static void memory_is_bounded(void)
{
    struct mc_event_slice s = {0};
    write_slice(&s.raw);
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
    for (uint32_t f = 0; f < 20; f++)
        check_frame(&s, f);
    CHECK(s.event_room <= 1024);
    check_frame(&s, 20);
    CHECK(s.event_room <= 8192);
    mc_event_slice_trim(&s);
    CHECK(s.event_room <= 2048);
    s.event_max = 1000;
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
    for (uint32_t f = 0; f < FRAMES; f++)
        check_frame(&s, f);
    CHECK(s.event_room <= 2048);
    mc_event_slice_fini(&s);
    forget();
}

static void damage_is_told(void)
{
    struct mc_event_slice s = {0};
    const struct mc_event *got;
    size_t count;
    write_slice(&s.raw);
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES - 1), MC_ECORRUPT); /* frames past the end */
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
    /* A string that the row does not know. */
    CHECK_INT(mc_event_slice_frame(&s, FRAMES - 1, 3, &got, &count), MC_ECORRUPT);
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), 0);
    check_frame(&s, FRAMES - 1);
    s.raw.count--;
    CHECK_INT(mc_event_slice_open(&s, FIRST + FRAMES), MC_ECORRUPT);
    mc_event_slice_fini(&s);
    forget();
}

/* ---- slices from a mark --------------------------------------------------------------------- */

static void check_marked(const struct mc_event_writer *w, uint32_t from, uint32_t end)
{
    struct mc_event_slice s = {0};
    const struct mc_event *got;
    size_t count;
    CHECK_INT(mc_event_writer_end_mark(w, &s.raw), 0);
    CHECK_INT(mc_event_slice_open(&s, end - from), 0);
    CHECK_INT(s.first_frame, 0);
    CHECK_INT(s.frame_count, end - from);
    for (uint32_t f = 0; f < end - from; f++) {
        CHECK_INT(mc_event_slice_frame(&s, f, STRINGS, &got, &count), 0);
        CHECK_INT(count, counts[from + f]);
        CHECK(count == counts[from + f] &&
              (!count || memcmp(got, events[from + f], count * sizeof *got) == 0));
    }
    mc_event_slice_fini(&s);
}

/* Of a slice that is cut by marks, each piece reads alone, and the whole is as without them. */
static void write_marked(uint32_t conn_count)
{
    struct mc_event_writer marked = {0}, plain = {0};
    struct mc_buf raws[2] = {{0}, {0}};
    uint32_t from = 0;
    int64_t ts = 0;
    CHECK_INT(mc_event_writer_init(&marked), 0);
    CHECK_INT(mc_event_writer_init(&plain), 0);
    mc_event_writer_begin(&marked, 0);
    mc_event_writer_begin(&plain, 0);
    mc_event_writer_set_mark(&marked);
    for (uint32_t f = 0; f < FRAMES; f++) {
        counts[f] = below(4) ? below(conn_count < 1000 ? 100 : 4000) : 0;
        events[f] = calloc(counts[f] + 1, sizeof *events[f]);
        for (size_t i = 0; i < counts[f]; i++) {
            events[f][i] = some_event(ts += 1000 * (int64_t)below(500));
            events[f][i].conn_id = 1 + below(conn_count);
        }
        mc_event_writer_frame(&marked, events[f], counts[f]);
        mc_event_writer_frame(&plain, events[f], counts[f]);
        if (below(3))
            continue;
        check_marked(&marked, from, f + 1);
        mc_event_writer_set_mark(&marked);
        from = f + 1;
    }
    CHECK_INT(mc_event_writer_end(&marked, &raws[0]), 0);
    CHECK_INT(mc_event_writer_end(&plain, &raws[1]), 0);
    CHECK_INT(raws[0].count, raws[1].count);
    CHECK(memcmp(raws[0].bytes, raws[1].bytes, raws[0].count) == 0);
    mc_buf_fini(&raws[0]);
    mc_buf_fini(&raws[1]);
    mc_event_writer_fini(&marked);
    mc_event_writer_fini(&plain);
    forget();
}

static void marked_slices_stand_alone(void)
{
    for (seed = 1; seed < 6; seed++) {
        write_marked(5);
        write_marked(300);
    }
    write_marked(40000); /* more than the model holds: it forgets all of them now and then */
}

/* Whatever a key says, there is an answer. */
static void damaged_keys_are_told(void)
{
    struct mc_event_writer w = {0};
    struct mc_event_slice s = {0};
    struct mc_buf whole = {0};
    const struct mc_event *got;
    size_t count;
    int told = 0;
    CHECK_INT(mc_event_writer_init(&w), 0);
    mc_event_writer_begin(&w, 0);
    for (seed = 3, count = 0; count < 2; count++) {
        counts[count] = 300;
        events[count] = calloc(300, sizeof *events[count]);
        for (size_t i = 0; i < 300; i++)
            events[count][i] = some_event((int64_t)(count * 300 + i) * 1000);
        mc_event_writer_set_mark(&w);
        mc_event_writer_frame(&w, events[count], 300);
        free(events[count]);
    }
    CHECK_INT(mc_event_writer_end_mark(&w, &whole), 0);
    for (size_t i = 0; i < whole.count && i < 1500; i++) {
        for (int bit = 0; bit < 8; bit++) {
            s.raw.count = 0;
            mc_buf_add(&s.raw, whole.bytes, whole.count);
            s.raw.bytes[i] ^= (uint8_t)(1 << bit);
            int rc = mc_event_slice_open(&s, 1);
            if (rc == 0)
                rc = mc_event_slice_frame(&s, 0, STRINGS, &got, &count);
            CHECK(rc == 0 || rc == MC_ECORRUPT);
            told += rc != 0;
        }
    }
    CHECK(told > 1000);
    mc_buf_fini(&whole);
    mc_event_slice_fini(&s);
    mc_event_writer_fini(&w);
}

int main(void)
{
    RUN(frames_come_in_any_order);
    RUN(frames_are_bounded);
    RUN(memory_is_bounded);
    RUN(damage_is_told);
    RUN(marked_slices_stand_alone);
    RUN(damaged_keys_are_told);
    return CHECK_DONE();
}
