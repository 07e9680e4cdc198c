/* test_leak.c: which route a level grows with: setups that can't be told apart stay so, others are
 * named rightly.
 */
#include "replay/leak_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/least_squares.h"
#include "replay/stats.h"
#include "tests/unit/check.h"
#include "tracer/error.h"
#include "tracer/memcam.h"

enum { STEPS = 1200, TRIALS = 200 };

static uint64_t seed = 7;

static double noise(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += mc_random_unit(&seed);
    return sum;
}

/* Knuth 1969. */
static int poisson(double mean)
{
    double left = exp(-mean), p = mc_random_unit(&seed);
    int n = 0;
    for (; p > left; n++)
        p *= mc_random_unit(&seed);
    return n;
}

/* How two routes and a level go along: frame by frame, 10 a second. */
struct setup {
    double rates[2];       /* requests a frame */
    int is_paced;          /* as a load generator with a fixed rate asks: one more or one fewer */
    int is_paired;         /* each request of route 0 is followed by one of route 1 */
    double leaves[2];      /* a request */
    double by_time;        /* a frame, on an average */
    double held;           /* slots while a request is open */
    double noise, goes_on; /* of what a step brings besides; its lag-1 correlation */
    int is_sawtooth;       /* grows with route 0's garbage, and falls back to what is left */
};

static int requests_in_frame(const struct setup *s, int route, int *carry)
{
    if (!s->is_paced)
        return poisson(s->rates[route]);
    /* What is late comes with the next frame. */
    int due = (int)s->rates[route] + *carry, late = due > 0 && mc_random_unit(&seed) < 0.1;
    *carry = late;
    return due - late;
}

static void make_trail(const struct setup *s, struct mc_leak_trail *t)
{
    double level = 100, drift = 0, garbage = 0;
    int carry[2] = {0}, open = 0;
    memset(t->ended, 0, STEPS * MC_LEAK_ROUTES * sizeof *t->ended);
    memset(t->open, 0, STEPS * MC_LEAK_ROUTES * sizeof *t->open);
    t->count = STEPS;
    for (size_t i = 0; i < STEPS; i++) {
        size_t at = i * MC_LEAK_ROUTES;
        for (size_t r = 0; r < 2; r++) {
            int n = requests_in_frame(s, (int)r, &carry[r]);
            if (r == 1 && s->is_paired)
                n = (int)(t->ended[at] - (i ? t->ended[at - MC_LEAK_ROUTES] : 0));
            t->ended[at + r] = (i ? t->ended[at + r - MC_LEAK_ROUTES] : 0) + (uint32_t)n;
            level += s->leaves[r] * n;
            garbage += r == 0 ? 60.0 * n : 0;
        }
        open = poisson(1);
        t->open[at] = open;
        drift = s->goes_on * drift + sqrt(1 - s->goes_on * s->goes_on) * noise();
        level += s->noise * drift + poisson(s->by_time);
        if (garbage > 5000)
            garbage = 0;
        t->points[i] =
            (struct mc_leak_point){(int64_t)(i + 1) * 100000000,
                                   level + s->held * open + (s->is_sawtooth ? garbage : 0), 0};
    }
}

/* How many of TRIALS name route 0, and how many the other. */
static void count_named(const struct setup *s, int named[2])
{
    struct mc_leak_trail t = {.points = malloc(STEPS * sizeof *t.points),
                              .ended = malloc(STEPS * MC_LEAK_ROUTES * sizeof *t.ended),
                              .open = malloc(STEPS * MC_LEAK_ROUTES * sizeof *t.open)};
    named[0] = named[1] = 0;
    for (int i = 0; i < TRIALS; i++) {
        struct mc_leak_share share;
        size_t route;
        make_trail(s, &t);
        CHECK_INT(mc_leak_trail_route(&t, 2, &route, &share), 0);
        if (route < 2)
            named[route]++;
    }
    free(t.points);
    free(t.ended);
    free(t.open);
}

static void steady_rates_are_told_apart(void)
{
    struct setup s = {.rates = {2, 12}, .is_paced = 1, .leaves = {9, 0}, .noise = 1};
    int named[2];
    count_named(&s, named);
    CHECK(named[0] >= TRIALS * 95 / 100);
    CHECK_INT(named[1], 0);
    s = (struct setup){.rates = {2, 12}, .leaves = {9, 0}, .noise = 20, .held = 5};
    count_named(&s, named);
    CHECK(named[0] >= TRIALS * 80 / 100);
    CHECK_INT(named[1], 0);
    s = (struct setup){.rates = {10, 1}, .leaves = {0, 4}, .noise = 3, .goes_on = 0.9};
    count_named(&s, named);
    CHECK(named[1] >= TRIALS * 80 / 100);
    CHECK_INT(named[0], 0);
}

/* What no data tell apart is not named: two routes that always come together, rates that never
 * change, noise that drowns it. */
static void others_are_not(void)
{
    static const struct setup setups[] = {
        {.rates = {2, 2}, .is_paired = 1, .leaves = {5, 0}, .noise = 1},
        {.rates = {2, 2}, .is_paired = 1, .leaves = {0, 5}, .noise = 1},
        {.rates = {2, 12}, .is_paced = 1, .leaves = {0.2, 0}, .noise = 60},
        {.rates = {2, 12}, .leaves = {4, 2 / 3.0}, .by_time = 4, .noise = 1}, /* none has half */
    };
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
        int named[2];
        count_named(&setups[i], named);
        if (named[0] + named[1] > TRIALS / 100) {
            fprintf(stderr, "setup %zu: %d and %d named\n", i, named[0], named[1]);
            check_failures++;
        }
    }
}

/* What grows by itself, however the requests come, is no route's. */
static void time_is_no_route(void)
{
    static const struct setup setups[] = {
        {.rates = {2, 12}, .by_time = 3},
        {.rates = {2, 12}, .by_time = 3, .is_paced = 1},
        {.rates = {2, 12}, .by_time = 0.1, .noise = 5, .goes_on = 0.99, .is_paced = 1},
        {.rates = {2, 12}, .by_time = 3, .is_sawtooth = 1},
        {.rates = {2, 12}, .by_time = 100, .is_sawtooth = 1},
    };
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
        int named[2];
        count_named(&setups[i], named);
        if (named[0] + named[1] > TRIALS / 100) {
            fprintf(stderr, "setup %zu: %d and %d named\n", i, named[0], named[1]);
            check_failures++;
        }
    }
}

/* ---- holders ------------------------------------------------------------------------------------
 */

enum { SLOTS = 400 };

static uint32_t route_of(const void *arg, uint64_t conn_id, const char *owner)
{
    (void)arg;
    (void)owner;
    return conn_id ? (uint32_t)(conn_id % 3) : MC_LEAK_ROUTES;
}

struct pool {
    struct mc_leak_held held;
    struct mc_schema schema;
    uint8_t states[SLOTS];
    int64_t ts;
};

static void pool_init(struct pool *p)
{
    static uint64_t conns[SLOTS];
    struct mc_map map = {.slot_count = SLOTS, .states = p->states, .conns = conns};
    memset(p, 0, sizeof *p);
    memset(p->states, MC_SLOT_FREE, sizeof p->states);
    mc_schema_init(&p->schema);
    CHECK_INT(mc_leak_held_init(&p->held, &map, 0), 0);
}

/* A frame in which one slot changes. */
static void pool_set(struct pool *p, uint32_t slot, uint8_t state, uint64_t conn_id)
{
    struct mc_slot_change c = {0, slot, p->states[slot], state, 0, conn_id};
    struct mc_frame f = {
        .ts = p->ts += 100000000, .schema = &p->schema, .changes = &c, .change_count = 1};
    p->states[slot] = state;
    mc_leak_held_frame(&p->held, &f, 0, route_of, NULL);
}

/* Each tick a slot is taken for one of three routes, and given back at once unless it is kept. */
static size_t held_route(int keep_every_of_1, int keep_any_every, double *share)
{
    struct pool p;
    struct mc_leak_trail t = {0};
    pool_init(&p);
    uint32_t next = 0;
    for (uint64_t i = 1; i <= 900; i++) {
        int is_kept = (i % 3 == 1 && keep_every_of_1 && i % (3 * (uint64_t)keep_every_of_1) == 1) ||
                      (keep_any_every && i % (uint64_t)keep_any_every == 0);
        pool_set(&p, next, 'A', i);
        if (is_kept)
            next++;
        else
            pool_set(&p, next, MC_SLOT_FREE, 0);
    }
    mc_leak_held_end(&p.held, INT64_MAX, &t);
    size_t route = mc_leak_held_route(&p.held, share);
    free(p.held.slots);
    mc_schema_fini(&p.schema);
    return route;
}

static void holders_name_the_route(void)
{
    double share = 0;
    CHECK_INT(held_route(4, 0, &share), 1);
    CHECK(share > 0.99);
    CHECK_INT(held_route(4, 50, &share), 1); /* some are kept for any route */
    CHECK(share > 0.6 && share < 0.95);
    CHECK_INT(held_route(0, 7, &share), MC_LEAK_ROUTES);
    CHECK_INT(held_route(100, 0, &share), MC_LEAK_ROUTES); /* too few to say */
}

/* What is taken, given back and taken again counts from the last time on. */
static void trail_of_kept_slots(void)
{
    struct pool p;
    struct mc_leak_point points[8];
    struct mc_leak_trail t = {.count = 8, .points = points};
    for (int i = 0; i < 8; i++)
        points[i] = (struct mc_leak_point){(i + 1) * INT64_C(100000000), 0, 0};
    pool_init(&p);
    pool_set(&p, 3, 'A', 1);
    pool_set(&p, 4, 'A', 2);
    pool_set(&p, 3, MC_SLOT_FREE, 0);
    pool_set(&p, 3, 'A', 4);
    pool_set(&p, 4, 'B', 2); /* the same holder */
    pool_set(&p, 5, 'A', 7);
    pool_set(&p, 5, 'A', 8); /* another one */
    pool_set(&p, 6, 'A', 9);
    mc_leak_held_end(&p.held, 800000000, &t);
    CHECK_INT(t.count, 7);
    static const double taken[] = {0, 1, 1, 2, 2, 2, 3};
    for (int i = 0; i < 7; i++)
        CHECK(points[i].level == taken[i]);
    free(p.held.slots);
    mc_schema_fini(&p.schema);
}

/* ---- fits ---------------------------------------------------------------------------------------
 */

static void robust_fit(void)
{
    double x[80 * 2], y[80], b[2], variance[2];
    int covered = 0;
    for (int trial = 0; trial < 2000; trial++) {
        for (int i = 0; i < 80; i++) {
            x[2 * i] = 1;
            x[2 * i + 1] = poisson(3);
            y[i] = 2 + 0.5 * x[2 * i + 1] + (1 + x[2 * i + 1]) * noise(); /* unequal errors */
        }
        CHECK_INT(mc_robust_fit(x, y, 80, 2, 0, b, variance), 0);
        covered += fabs(b[1] - 0.5) < 1.96 * sqrt(variance[1]);
    }
    CHECK(covered >= 2000 * 93 / 100);
    for (int i = 0; i < 80; i++)
        x[2 * i + 1] = 3;
    CHECK_INT(mc_robust_fit(x, y, 80, 2, 0, b, variance), MC_EINVAL);
    CHECK_INT(mc_robust_fit(x, y, 2, 2, 0, b, variance), MC_EINVAL);
}

int main(void)
{
    RUN(steady_rates_are_told_apart);
    RUN(others_are_not);
    RUN(time_is_no_route);
    RUN(holders_name_the_route);
    RUN(trail_of_kept_slots);
    RUN(robust_fit);
    return CHECK_DONE();
}
