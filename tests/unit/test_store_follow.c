/* test_store_follow.c: bucket counts that follow from events, and all that do not quite. */
#include "store/follow.h"

#include <stdlib.h>

#include "store/pack.h"
#include "tests/unit/check.h"
#include "tracer/error.h"

enum { FRAMES = 40, ROUTES = 70, SOURCES = ROUTES + 3 };

static struct mc_schema schema;

/* Routes in sources 0 to 69 ("GET /r0", …), two owners, a histogram. Strings 2: GET, 3: /r0, … */
static void make_schema(void)
{
    CHECK_INT(mc_schema_init(&schema), 0);
    mc_schema_add_string(&schema, "GET", 3);
    for (int i = 0; i < ROUTES; i++) {
        char route[20], name[30];
        int count = snprintf(route, sizeof route, "/r%d", i);
        snprintf(name, sizeof name, "GET %s", route);
        mc_schema_add_string(&schema, route, (size_t)count);
        struct mc_source like = {.kind = MC_KIND_ROUTE, .name = name};
        CHECK_INT(mc_schema_add_source(&schema, &like), 0);
    }
    for (int i = 0; i < 2; i++) {
        struct mc_source like = {.kind = MC_KIND_OWNER, .name = i ? "b" : "a"};
        CHECK_INT(mc_schema_add_source(&schema, &like), 0);
    }
    struct mc_source like = {.kind = MC_KIND_HISTOGRAM, .name = "h"};
    CHECK_INT(mc_schema_add_source(&schema, &like), 0);
}

struct made {
    struct mc_event events[300];
    struct mc_bucket_add adds[SOURCES * 20];
    size_t event_count, add_count;
    int64_t ts;
};

/* A frame whose responses count as the sampler counts them, each owner half of them; `noise` adds
 * to and takes from that. */
static void make_frame(struct made *m, int frame, int noise)
{
    static uint32_t counts[SOURCES][MC_BUCKET_COUNT];
    memset(counts, 0, sizeof counts);
    memset(m, 0, sizeof *m);
    m->ts = (frame + 20) * INT64_C(100000000);
    m->event_count = (size_t)(rand() % 200);
    for (size_t i = 0; i < m->event_count; i++) {
        struct mc_event *e = &m->events[i];
        uint32_t route = (uint32_t)rand() % (frame < 10 ? 5 : ROUTES);
        *e = (struct mc_event){.ts = m->ts - 1 - rand() % 1200000000,
                               .type = MC_EVENT_RESPONSE,
                               .status = rand() % 20 ? 200 : 0,
                               .method = 2,
                               .detail = 3 + route,
                               .dur_ns = (uint64_t)(rand() % 4) * 100000};
        if (!e->status || !e->dur_ns || e->ts < m->ts - 1000000000)
            continue;
        counts[route][mc_bucket_of(e->dur_ns)]++;
        counts[ROUTES + rand() % 2][mc_bucket_of(e->dur_ns)]++;
    }
    for (int i = 0; i < noise; i++)
        counts[rand() % SOURCES][rand() % 300] = (uint32_t)rand() % 3;
    for (uint32_t s = 0; s < SOURCES; s++) {
        for (uint32_t b = 0; b < MC_BUCKET_COUNT; b++) {
            if (counts[s][b] && m->add_count < SOURCES * 20)
                m->adds[m->add_count++] = (struct mc_bucket_add){s, b, counts[s][b]};
        }
    }
}

static size_t round_trip(unsigned seed, int noise, int disorder)
{
    static struct made made[FRAMES];
    struct mc_follow w, r;
    struct mc_buf raw = {0};
    srand(seed);
    mc_follow_init(&w);
    mc_follow_begin(&w);
    for (int f = 0; f < FRAMES; f++) {
        make_frame(&made[f], f, noise);
        if (disorder && f % 7 == 3 && made[f].add_count > 1) {
            made[f].adds[0].count = UINT64_MAX;
            made[f].adds[1].source_idx = SOURCES - 1;
        }
        const struct mc_frame frame = {.ts = made[f].ts,
                                       .schema = &schema,
                                       .events = made[f].events,
                                       .event_count = made[f].event_count,
                                       .buckets = made[f].adds,
                                       .bucket_count = made[f].add_count};
        CHECK_INT(mc_follow_put(&w, (uint32_t)f, &frame), 0);
    }
    CHECK_INT(mc_follow_end(&w, &raw), 0);
    mc_follow_init(&r);
    CHECK_INT(mc_follow_parse(&r, &schema, SOURCES, FRAMES, &raw), 0);
    for (int k = 0; k < FRAMES; k++) {
        int f = k * 7 % FRAMES; /* in any order */
        const struct mc_bucket_add *adds;
        size_t count = 0;
        CHECK_INT(mc_follow_get(&r, &schema, (uint32_t)f, made[f].ts, made[f].events,
                                made[f].event_count, &adds, &count),
                  0);
        CHECK_INT(count, made[f].add_count);
        for (size_t i = 0; i < count && i < made[f].add_count; i++) {
            CHECK_INT(adds[i].source_idx, made[f].adds[i].source_idx);
            CHECK_INT(adds[i].bucket_idx, made[f].adds[i].bucket_idx);
            CHECK(adds[i].count == made[f].adds[i].count);
        }
    }
    size_t count = raw.count;
    mc_follow_fini(&r);
    mc_follow_fini(&w);
    mc_buf_fini(&raw);
    return count;
}

static void follows(void)
{
    make_schema();
    size_t exact = round_trip(1, 0, 0), noisy = round_trip(1, 30, 0);
    CHECK(exact < noisy);
    round_trip(2, 3, 0);
    round_trip(3, 0, 1);
    round_trip(4, 200, 1);
    mc_schema_fini(&schema);
}

static void refuse_nonsense(void)
{
    make_schema();
    for (unsigned seed = 0; seed < 2000; seed++) {
        uint8_t bytes[24];
        struct mc_buf raw = {0};
        struct mc_follow f;
        srand(seed);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(rand() % (i < 8 ? 4 : 12));
        mc_buf_add(&raw, bytes, 8 + seed % 17);
        mc_follow_init(&f);
        if (mc_follow_parse(&f, &schema, SOURCES, 4, &raw) == 0) {
            const struct mc_bucket_add *adds;
            size_t count;
            for (uint32_t i = 0; i < 4; i++)
                mc_follow_get(&f, &schema, i, 0, NULL, 0, &adds, &count);
        }
        mc_follow_fini(&f);
        mc_buf_fini(&raw);
    }
    mc_schema_fini(&schema);
}

int main(void)
{
    RUN(follows);
    RUN(refuse_nonsense);
    return CHECK_DONE();
}
