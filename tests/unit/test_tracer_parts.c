/* test_tracer_parts.c: the sampler's parts: buckets and windows, the clock's line, connections. */
#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"
#include "tracer/clock_line.h"
#include "tracer/connections.h"
#include "tracer/pub_priv.h"
#include "tracer/traffic.h"
#include "tracer/window.h"

/* The program's side and the recorder's side must agree on buckets. */
static void histograms_agree_on_buckets(void)
{
    struct fixture f;
    const struct mc_frame *frame = NULL;
    CHECK(fixture_open(&f, NULL) == 0);
    struct mc_histogram *h = mc_histogram_register(f.tracer, "h", "ns");
    uint64_t values[260];
    size_t count = 0;
    for (uint64_t v = 0; v < 40; v++)
        values[count++] = v;
    for (unsigned bit = 5; bit < 48; bit++) {
        for (int d = -2; d <= 2; d++)
            values[count++] = (UINT64_C(1) << bit) + (uint64_t)(int64_t)d;
    }
    for (size_t i = 0; i < count; i++) {
        mc_histogram_record(h, values[i]);
        CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0);
        CHECK_INT(frame->bucket_count, 1);
        if (frame->bucket_count == 1) {
            uint32_t bucket = frame->buckets[0].bucket_idx;
            CHECK_INT(bucket, mc_bucket_of(values[i]));
            CHECK_INT(frame->buckets[0].count, 1);
            CHECK(bucket == MC_BUCKET_COUNT - 1 || mc_bucket_top(bucket) >= values[i]);
            CHECK(bucket == MC_BUCKET_COUNT - 1 ||
                  mc_bucket_top(bucket) - values[i] <= values[i] / 16);
        }
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    CHECK_INT(fixture_value(frame, MC_KIND_HISTOGRAM, "h", MC_FIELD(HISTOGRAM, COUNT)), count);
    CHECK_INT(fixture_value(frame, MC_KIND_HISTOGRAM, "h", MC_FIELD(HISTOGRAM, SUM)), sum);
    fixture_close(&f);
}

static void percentiles_slide(void)
{
    struct mc_windows w;
    mc_windows_init(&w, 10);
    struct mc_window *one = mc_windows_new(&w, 7);
    CHECK_INT(mc_windows_tick(&w), 0);
    CHECK(one->p50 == MC_VALUE_NONE && one->max == MC_VALUE_NONE);
    for (uint32_t b = 0; b < 100; b++) /* values 1 to 100 of which the first 16 are exact */
        mc_window_add(one, b, 1);
    CHECK_INT(mc_windows_tick(&w), 0);
    CHECK_INT(w.add_count, 100);
    CHECK_INT(w.adds[3].source_idx, 7);
    CHECK_INT(one->p50, (long long)mc_bucket_top(49));
    CHECK_INT(one->p95, (long long)mc_bucket_top(94));
    CHECK_INT(one->p99, (long long)mc_bucket_top(98));
    CHECK_INT(one->p9999, (long long)mc_bucket_top(99));
    CHECK_INT(one->max, (long long)mc_bucket_top(99));
    mc_window_add(one, 5, 1000);
    CHECK_INT(mc_windows_tick(&w), 0);
    CHECK_INT(one->p50, 5);
    for (int i = 0; i < 8; i++)
        CHECK_INT(mc_windows_tick(&w), 0);
    CHECK_INT(one->max, (long long)mc_bucket_top(99)); /* ten ticks: still in */
    CHECK_INT(mc_windows_tick(&w), 0);
    CHECK_INT(one->max, 5);
    CHECK_INT(one->total, 1000);
    CHECK_INT(mc_windows_tick(&w), 0);
    CHECK(one->p50 == MC_VALUE_NONE && one->total == 0);
    CHECK_INT(w.add_count, 0);
    mc_windows_fini(&w);
}

static void ticks_become_ns(void)
{
    struct mc_segment_head head = {.clock = mc_pub_clock_choose()};
    struct mc_clock_line line;
    uint64_t ticks[50];
    int64_t ns[50];
    mc_pub_clock_pair(head.clock, &head.start_ticks, &head.start_mono_ns);
    for (int i = 0; i < 50; i++) {
        usleep(200);
        mc_pub_clock_pair(head.clock, &ticks[i], &ns[i]);
        ns[i] -= head.start_mono_ns;
    }
    mc_clock_line_init(&line, &head);
    int64_t end = mc_clock_line_advance(&line);
    CHECK(end >= ns[49]);
    for (int i = 0; i < 50; i++) {
        int64_t off = mc_clock_line_ns(&line, ticks[i]) - ns[i];
        CHECK(off > -5000 && off < 5000);
        CHECK(i == 0 || mc_clock_line_ns(&line, ticks[i]) > mc_clock_line_ns(&line, ticks[i - 1]));
    }
    CHECK_INT(mc_clock_line_ns(&line, 0), 0);
    CHECK_INT(mc_clock_line_ns(&line, UINT64_MAX), end);
    CHECK(mc_clock_line_advance(&line) > end);
    /* A segment from before the machine was started: only the counter's speed is known. */
    head.start_mono_ns = INT64_MAX / 2;
    mc_clock_line_init(&line, &head);
    int64_t off = mc_clock_line_ns(&line, ticks[49]) - ns[49];
    CHECK(off > -ns[49] / 20 - 1000 && off < ns[49] / 20 + 1000);
}

static struct mc_connection_effect tell(struct mc_connections *c, int type, uint64_t conn_id,
                                        int state)
{
    struct mc_event e = {.type = (uint8_t)type,
                         .conn_id = conn_id,
                         .state = (uint8_t)state,
                         .owner = type == MC_EVENT_ACCEPT ? 2 : 0};
    return mc_connections_event(c, &e);
}

static void connections_are_followed(void)
{
    struct mc_connections c;
    CHECK_INT(mc_connections_init(&c), 0);
    CHECK_INT(tell(&c, MC_EVENT_ACCEPT, 1, 0).opened, 1);
    CHECK_INT(c.active, 1);
    tell(&c, MC_EVENT_REQUEST, 1, 0);
    tell(&c, MC_EVENT_REQUEST, 1, 0);
    tell(&c, MC_EVENT_RESPONSE, 1, 0);
    CHECK_INT(c.active, 1); /* one is still in flight */
    tell(&c, MC_EVENT_RESPONSE, 1, 0);
    CHECK_INT(c.idle, 1);
    tell(&c, MC_EVENT_STATE, 1, 'C');
    tell(&c, MC_EVENT_REQUEST, 1, 0);
    CHECK_INT(c.closing, 1); /* the program said so */
    tell(&c, MC_EVENT_STATE, 1, 'z');
    CHECK_INT(c.other, 1);
    CHECK_INT(tell(&c, MC_EVENT_ACCEPT, 1, 0).opened, 0); /* twice */
    struct mc_connection_effect effect = tell(&c, MC_EVENT_CLOSE, 1, 0);
    CHECK_INT(effect.closed, 1);
    CHECK_INT(effect.owner, 2);
    CHECK_INT(tell(&c, MC_EVENT_CLOSE, 1, 0).closed, 0);
    tell(&c, MC_EVENT_RESPONSE, 1, 0); /* a straggler */
    CHECK_INT(c.count, 0);
    tell(&c, MC_EVENT_ERROR, 55, 0); /* not known, and no sign that it is open */
    tell(&c, MC_EVENT_OVERFLOW, 55, 0);
    CHECK_INT(c.count, 0);
    tell(&c, MC_EVENT_REQUEST, 55, 0);
    CHECK_INT(c.count, 1);
    CHECK_INT(c.errors + c.overflows, 2);
    CHECK_INT(tell(&c, MC_EVENT_ACCEPT, 55, 0).opened, 1); /* its accept comes late */
    CHECK_INT(c.count, 1);
    tell(&c, MC_EVENT_ACCEPT, 1, 0); /* a number used again */
    CHECK_INT(c.count, 2);
    mc_connections_fini(&c);
}

/* Opens and closes in random order, against a plain list. */
static void the_table_is_bounded(void)
{
    struct mc_connections c;
    static uint8_t is_open[3000];
    uint32_t open = 0, seed = 12345;
    CHECK_INT(mc_connections_init(&c), 0);
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t at = (seed >> 8) % 3000;
        uint64_t conn_id = (uint64_t)at * 4096 + 1; /* bad for a lazy hash */
        int opened = tell(&c, is_open[at] ? MC_EVENT_CLOSE : MC_EVENT_ACCEPT, conn_id, 0).opened;
        CHECK_INT(opened, !is_open[at]);
        open += is_open[at] ? UINT32_MAX : 1;
        is_open[at] = !is_open[at];
        if (c.count != open)
            break;
    }
    CHECK_INT(c.count, open);
    CHECK_INT(c.active, open);
    for (uint64_t i = 1; i <= MC_CONNECTIONS_MAX + 1000; i++)
        tell(&c, MC_EVENT_ACCEPT, i << 32, 0);
    CHECK_INT(c.count, MC_CONNECTIONS_MAX);
    for (uint64_t i = 1; i <= MC_CONNECTIONS_MAX + 1000; i++)
        tell(&c, MC_EVENT_CLOSE, i << 32, 0);
    CHECK_INT(c.count, open);
    mc_connections_fini(&c);
}

static void routes_are_bounded(void)
{
    struct mc_schema schema;
    struct mc_windows windows;
    struct mc_traffic t;
    CHECK_INT(mc_schema_init(&schema), 0);
    mc_windows_init(&windows, 10);
    CHECK_INT(mc_traffic_init(&t, &schema, &windows), 0);
    for (unsigned i = 0; i < 3000; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "/%u", i);
        mc_schema_add_string(&schema, text, (size_t)bytes);
        struct mc_event e = {
            .type = MC_EVENT_RESPONSE, .method = 0, .detail = i + 2, .status = 404};
        struct mc_connection_effect effect = {.owner = i % 400 + 2};
        mc_traffic_event(&t, &e, &effect);
    }
    CHECK_INT(t.route_count, MC_ROUTES_MAX);
    CHECK_INT(t.owner_count, MC_OWNERS_MAX);
    int64_t *values = calloc(schema.value_count, sizeof *values), routes = 0, owners = 0;
    mc_traffic_values(&t, values);
    for (uint32_t i = 0; i < schema.source_count; i++) {
        const struct mc_source *s = &schema.sources[i];
        if (s->kind == MC_KIND_ROUTE)
            routes += values[s->value_idx + MC_FIELD(ROUTE, CLIENT_ERRORS)];
        else
            owners += values[s->value_idx + MC_FIELD(OWNER, REQUESTS)];
    }
    CHECK_INT(routes, 3000); /* none is forgotten: the rest is under "(other)" */
    CHECK_INT(owners, 3000);
    const struct mc_source *other = mc_schema_find(&schema, MC_KIND_ROUTE, "(other)");
    CHECK(other && values[other->value_idx] == 3000 - MC_ROUTES_MAX + 1);
    free(values);
    mc_traffic_fini(&t);
    mc_windows_fini(&windows);
    mc_schema_fini(&schema);
}

int main(void)
{
    RUN(histograms_agree_on_buckets);
    RUN(percentiles_slide);
    RUN(ticks_become_ns);
    RUN(connections_are_followed);
    RUN(the_table_is_bounded);
    RUN(routes_are_bounded);
    return CHECK_DONE();
}
