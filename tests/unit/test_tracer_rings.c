/* test_tracer_rings.c: event rings: order, loss, threads that come and go, strings under load. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"
#include "tracer/segment.h"

static void send_response(struct mc_tracer *t, uint64_t conn_id, uint64_t number)
{
    struct mc_response r = {
        .status = 200, .bytes_in = number, .bytes_out = number * 3, .dur_ns = 700};
    mc_event_response(t, conn_id, (uint32_t)number, &r);
}

static void what_is_overwritten_is_counted(void)
{
    struct fixture f;
    struct mc_options opts = {.ring_events = 50}; /* becomes 64; 63 are certain */
    const struct mc_frame *frame;
    CHECK(fixture_open(&f, &opts) == 0);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->gap_count, 0);
    for (uint64_t i = 1; i <= 1000; i++)
        send_response(f.tracer, 1, i);
    CHECK_INT(mc_sampler_drain(f.sampler), 100);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 63);
    CHECK_INT(frame->events[62].bytes_in, 1000);
    CHECK_INT(frame->gap_count, 1);
    CHECK_STR(frame->gaps[0].reason, "events lost");
    CHECK_INT(frame->gaps[0].lost, 937);
    CHECK_INT(fixture_value(frame, MC_KIND_RECORDER, NULL, MC_FIELD(RECORDER, LOST)), 937);
    CHECK_INT(fixture_value(frame, MC_KIND_RECORDER, NULL, MC_FIELD(RECORDER, EVENTS)), 63);
    /* With a drain in time nothing is lost, and the gap is not told twice. */
    for (uint64_t i = 1; i <= 1000; i++) {
        send_response(f.tracer, 1, i);
        if (i % 40 == 0)
            CHECK(mc_sampler_drain(f.sampler) < 100);
    }
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 1000);
    CHECK_INT(frame->gap_count, 0);
    fixture_close(&f);
}

static void a_late_recorder_reads_what_is_held(void)
{
    struct fixture f;
    struct mc_options opts = {.ring_events = 64};
    struct mc_sampler *late;
    const struct mc_frame *frame;
    CHECK(fixture_open(&f, &opts) == 0);
    for (uint64_t i = 1; i <= 30; i++)
        send_response(f.tracer, 1, i);
    usleep(2000);
    CHECK_INT(mc_sampler_open(f.path, NULL, &late, NULL, 0), 0);
    int64_t now = mc_sampler_now(late);
    CHECK_INT(mc_sampler_tick(late, 0, &frame), 0);
    CHECK_INT(frame->event_count, 30);
    CHECK(frame->event_count && frame->events[29].ts < now - 1000000);
    CHECK(frame->event_count && frame->events[0].ts > 0);
    CHECK_INT(fixture_value(frame, MC_KIND_CONNECTIONS, NULL, MC_FIELD(CONNECTIONS, OPEN)), 1);
    mc_sampler_close(late);
    fixture_close(&f);
}

/* Percentiles are of the last second: what was counted before a recorder came is not in them. */
static void a_late_recorder_shows_no_old_percentiles(void)
{
    struct fixture f;
    struct mc_sampler *late;
    const struct mc_frame *frame;
    CHECK(fixture_open(&f, NULL) == 0);
    struct mc_histogram *h = mc_histogram_register(f.tracer, "h", "ns");
    mc_histogram_record(h, 1000);
    send_response(f.tracer, 1, 1);
    usleep(2050000);
    CHECK_INT(mc_sampler_open(f.path, NULL, &late, NULL, 0), 0);
    CHECK_INT(mc_sampler_tick(late, 0, &frame), 0);
    CHECK_INT(frame->bucket_count, 0);
    CHECK_INT(fixture_value(frame, MC_KIND_HISTOGRAM, "h", MC_FIELD(HISTOGRAM, COUNT)), 1);
    CHECK(fixture_value(frame, MC_KIND_HISTOGRAM, "h", MC_FIELD(HISTOGRAM, P50)) == MC_VALUE_NONE);
    CHECK_INT(fixture_value(frame, MC_KIND_ROUTE, NULL, MC_FIELD(ROUTE, REQUESTS)), 1);
    CHECK(fixture_value(frame, MC_KIND_ROUTE, NULL, MC_FIELD(ROUTE, P50)) == MC_VALUE_NONE);
    mc_histogram_record(h, 5);
    send_response(f.tracer, 1, 2);
    CHECK_INT(mc_sampler_tick(late, 0, &frame), 0);
    CHECK_INT(frame->bucket_count, 2);
    CHECK_INT(fixture_value(frame, MC_KIND_HISTOGRAM, "h", MC_FIELD(HISTOGRAM, P99)), 5);
    mc_sampler_close(late);
    fixture_close(&f);
}

#define THREADS 4
#define PER_THREAD 60000u

static atomic_int running;

static void *send_many(void *arg)
{
    struct mc_tracer *t = arg;
    static atomic_ullong conn_ids = 1;
    uint64_t conn_id = atomic_fetch_add(&conn_ids, 1);
    for (uint64_t i = 1; i <= PER_THREAD; i++) {
        char text[32];
        snprintf(text, sizeof text, "route %llu", (unsigned long long)(i % 300));
        if (i % 50 == 0)
            mc_event_error(t, conn_id, (uint32_t)i, text);
        else
            send_response(t, conn_id, i);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Every event is whole and in order, and those that are not there were counted. */
static void threads_write_while_one_reads(void)
{
    struct fixture f;
    struct mc_options opts = {.ring_events = 1024, .thread_count = THREADS};
    const struct mc_frame *frame;
    pthread_t threads[THREADS];
    uint64_t seen = 0, lost = 0, newest[64] = {0};
    int64_t newest_ts = 0;
    int wrong = 0, is_last = 0;
    CHECK(fixture_open(&f, &opts) == 0);
    mc_sampler_tick(f.sampler, 0, &frame);
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, send_many, f.tracer);
    while (!is_last) {
        is_last = atomic_load(&running) == 0;
        CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
        for (size_t i = 0; i < frame->event_count; i++) {
            const struct mc_event *e = &frame->events[i];
            wrong += e->ts < newest_ts || e->ts > frame->ts;
            newest_ts = e->ts;
            if (e->conn_id == 0 || e->conn_id > THREADS) {
                wrong++;
                continue;
            }
            wrong += e->stream_id <= newest[e->conn_id];
            newest[e->conn_id] = e->stream_id;
            if (e->type == MC_EVENT_ERROR) {
                char text[32];
                snprintf(text, sizeof text, "route %u", e->stream_id % 300);
                wrong += strcmp(mc_schema_string(frame->schema, e->detail), text) != 0;
            } else {
                wrong += e->type != MC_EVENT_RESPONSE || e->bytes_in != e->stream_id ||
                         e->bytes_out != e->bytes_in * 3;
            }
        }
        seen += frame->event_count;
        for (size_t i = 0; i < frame->gap_count; i++)
            lost += frame->gaps[i].lost;
        usleep(200);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(wrong, 0);
    CHECK_INT(seen + lost, THREADS * PER_THREAD);
    CHECK(seen > THREADS * 1000);
    fixture_close(&f);
}

static void *send_one(void *arg)
{
    mc_event_state(arg, 9, MC_SLOT_IDLE);
    return NULL;
}

static pthread_barrier_t barrier;

static void *send_and_wait(void *arg)
{
    mc_event_state(arg, 9, MC_SLOT_ACTIVE);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void rings_are_given_back(void)
{
    struct fixture f;
    struct mc_options opts = {.thread_count = 2};
    const struct mc_frame *frame;
    pthread_t thread;
    CHECK(fixture_open(&f, &opts) == 0);
    for (int i = 0; i < 20; i++) { /* one after another: each finds a ring */
        CHECK(pthread_create(&thread, NULL, send_one, f.tracer) == 0);
        pthread_join(thread, NULL);
    }
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 20);
    CHECK_INT(mc_tracer_dropped(f.tracer), 0);
    /* Three at the same time: the third one's events are dropped and counted. */
    mc_event_state(f.tracer, 9, MC_SLOT_IDLE);
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&thread, NULL, send_and_wait, f.tracer) == 0);
    pthread_barrier_wait(&barrier);
    pthread_t third;
    CHECK(pthread_create(&third, NULL, send_one, f.tracer) == 0);
    pthread_join(third, NULL);
    CHECK_INT(mc_tracer_dropped(f.tracer), 1);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 2);
    CHECK_INT(frame->gap_count, 1);
    CHECK_INT(frame->gap_count ? frame->gaps[0].lost : 0, 1);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
    fixture_close(&f);
}

/* A thread that outlives one tracer sends to the next with the ring of the next. */
static void a_thread_serves_two_tracers(void)
{
    struct fixture f, g;
    const struct mc_frame *frame;
    CHECK(fixture_open(&f, NULL) == 0);
    CHECK(fixture_open(&g, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        mc_event_state(f.tracer, 1, MC_SLOT_IDLE);
        mc_event_state(g.tracer, 2, MC_SLOT_IDLE);
    }
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 10);
    CHECK_INT(frame->event_count ? frame->events[9].conn_id : 0, 1);
    fixture_close(&f);
    mc_event_state(g.tracer, 2, MC_SLOT_IDLE);
    CHECK_INT(mc_sampler_tick(g.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 11);
    fixture_close(&g);
    CHECK(fixture_open(&f, NULL) == 0);
    mc_event_state(f.tracer, 3, MC_SLOT_IDLE);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 1);
    fixture_close(&f);
}

static void full_string_tables_say_other(void)
{
    struct fixture f;
    struct mc_options opts = {.string_count = 20, .peer_count = 10};
    const struct mc_frame *frame;
    char text[300], peer[40];
    CHECK(fixture_open(&f, &opts) == 0);
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "string %u", i);
        CHECK_INT(mc_string_id(f.tracer, text), i + 2);
        CHECK_INT(mc_string_id(f.tracer, text), i + 2);
    }
    CHECK_INT(mc_string_id(f.tracer, "one too many"), MC_STRING_OTHER);
    CHECK_INT(mc_string_id(f.tracer, "string 19"), 21);
    CHECK_INT(mc_string_id(f.tracer, ""), 0);
    CHECK_INT(mc_tracer_dropped(f.tracer), 1);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(peer, sizeof peer, "10.0.0.%u:%u", i, 1000 + i);
        mc_event_accept(f.tracer, i + 1, peer);
    }
    CHECK_INT(mc_tracer_dropped(f.tracer), 3);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, 12);
    CHECK_STR(mc_schema_string(frame->schema, frame->events[9].detail), "10.0.0.9");
    CHECK_STR(mc_schema_string(frame->schema, frame->events[10].detail), "(other)");
    CHECK_INT(frame->events[11].port, 1011);
    fixture_close(&f);
}

static void peers_are_taken_apart(void)
{
    static const struct {
        const char *peer, *address;
        unsigned port;
    } cases[] = {
        {"10.0.0.7:51234", "10.0.0.7", 51234},
        {"[::1]:80", "::1", 80},
        {"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535},
        {"example.org:443", "example.org", 443},
        {"2001:db8::1", "2001:db8::1", 0},
        {"2001:db8::1:80", "2001:db8::1:80", 0},
        {"10.0.0.7:65536", "10.0.0.7:65536", 0},
        {"10.0.0.7:123456", "10.0.0.7:123456", 0},
        {"10.0.0.7:", "10.0.0.7:", 0},
        {":80", ":80", 0},
        {"80", "80", 0},
        {"", "", 0},
        {"unix:/run/x.sock", "unix:/run/x.sock", 0},
        {"[::1]", "[::1]", 0},
        {"bad\x01\xff text", "bad?? text", 0},
    };
    struct fixture f;
    const struct mc_frame *frame;
    size_t count = sizeof cases / sizeof cases[0];
    CHECK(fixture_open(&f, NULL) == 0);
    for (size_t i = 0; i < count; i++)
        mc_event_accept(f.tracer, i + 1, cases[i].peer);
    mc_event_accept(f.tracer, 100, NULL);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_INT(frame->event_count, count + 1);
    for (size_t i = 0; i < count && i < frame->event_count; i++) {
        CHECK_STR(mc_schema_string(frame->schema, frame->events[i].detail), cases[i].address);
        CHECK_INT(frame->events[i].port, cases[i].port);
    }
    fixture_close(&f);
}

static void long_strings_are_cut(void)
{
    struct fixture f;
    char text[400];
    const struct mc_frame *frame;
    memset(text, 'x', sizeof text);
    text[399] = 0;
    CHECK(fixture_open(&f, NULL) == 0);
    uint32_t string_id = mc_string_id(f.tracer, text);
    text[300] = 0;
    CHECK_INT(mc_string_id(f.tracer, text), string_id);
    text[255] = 0;
    CHECK_INT(mc_string_id(f.tracer, text), string_id);
    text[254] = 0;
    CHECK(mc_string_id(f.tracer, text) != string_id);
    mc_event_error(f.tracer, 1, 0, text);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
    CHECK_STR(mc_schema_string(frame->schema, frame->events[0].detail), text);
    fixture_close(&f);
}

int main(void)
{
    RUN(what_is_overwritten_is_counted);
    RUN(a_late_recorder_reads_what_is_held);
    RUN(a_late_recorder_shows_no_old_percentiles);
    RUN(threads_write_while_one_reads);
    RUN(rings_are_given_back);
    RUN(a_thread_serves_two_tracers);
    RUN(full_string_tables_say_other);
    RUN(peers_are_taken_apart);
    RUN(long_strings_are_cut);
    return CHECK_DONE();
}
