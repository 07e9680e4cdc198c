/* test_diff.c: runs with a known change, written through the store, compared; and alike ones. */
#include "replay/diff.h"

#include "tests/unit/check.h"
#include "tests/unit/diff_runs.h"
#include "tests/unit/json.h"

static char folder[64];

static char *path_of(const char *name)
{
    static char path[4][128];
    static int next;
    char *to = path[next++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

struct compared {
    struct mc_run_measures runs[2][8];
    size_t counts[2];
    struct mc_diff diff;
    int rc;
};

static int measure(const char *path, int64_t run_id, int exact, struct mc_run_measures *out)
{
    struct mc_reader *r;
    int rc = mc_reader_open(path, &r, NULL, 0);
    if (rc)
        return rc;
    struct mc_measure_options o = {
        .run_id = run_id, .from = INT64_MIN, .to = INT64_MAX, .exact = exact, .intervals = 1};
    rc = mc_run_measure(r, &o, out);
    mc_reader_close(r);
    if (rc == 0)
        out->path = strdup(path);
    return rc;
}

static void compare_aligned(struct compared *c, enum mc_align align)
{
    struct mc_diff_side a = {c->runs[0], c->counts[0]}, b = {c->runs[1], c->counts[1]};
    c->rc = mc_diff_make(&a, &b, &(struct mc_diff_options){align, MC_DIFF_EFFECT_PCT}, &c->diff);
}

/* Write `count` runs a side with other seeds and compare them. */
static void compare(struct compared *c, const struct sim_options *a, const struct sim_options *b,
                    size_t count)
{
    static int number;
    memset(c, 0, sizeof *c);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++) {
            struct sim_options o = side ? *b : *a;
            char name[32];
            snprintf(name, sizeof name, "t%d.db", number++);
            o.seed = (uint64_t)number * 13;
            CHECK_INT(sim_run(path_of(name), &o), 0);
            CHECK_INT(measure(path_of(name), 1, 0, &c->runs[side][i]), 0);
            c->counts[side]++;
        }
    }
    compare_aligned(c, MC_ALIGN_CLOCK);
    CHECK_INT(c->rc, 0);
}

static void fini(struct compared *c)
{
    if (c->rc == 0)
        mc_diff_fini(&c->diff);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < c->counts[side]; i++)
            mc_run_measures_fini(&c->runs[side][i]);
}

static const struct mc_diff_row *row(const struct mc_diff *d, const char *key, const char *stat)
{
    for (size_t i = 0; i < d->row_count; i++)
        if (strcmp(d->rows[i].like->key, key) == 0 && strcmp(d->rows[i].like->stat, stat) == 0)
            return &d->rows[i];
    fprintf(stderr, "there is no measure %s %s\n", key, stat);
    check_failures++;
    return &d->rows[0];
}

static int has_note(const struct mc_diff *d, const char *part)
{
    for (size_t i = 0; i < d->note_count; i++)
        if (strstr(d->notes[i], part))
            return 1;
    return 0;
}

static char *text_of(const struct mc_diff *d)
{
    struct mc_buf b = {0};
    mc_diff_text(d, 1, &b);
    mc_buf_add_char(&b, 0);
    return (char *)b.bytes;
}

/* ---- one pair
 * -------------------------------------------------------------------------------------- */

static const struct sim_options plain = {.frames = 1200};

static void alike_pairs(void)
{
    for (int i = 0; i < 6; i++) {
        struct compared c;
        compare(&c, &plain, &plain, 1);
        CHECK(!c.diff.is_test);
        CHECK_INT(c.diff.counts[MC_VERDICT_WORSE] + c.diff.counts[MC_VERDICT_BETTER], 0);
        CHECK_INT(c.diff.leak_count, 0);
        CHECK(!c.diff.is_different);
        char *text = text_of(&c.diff);
        CHECK(strncmp(text, "no difference found", 19) == 0);
        CHECK(strstr(text, "This is no test") != NULL);
        free(text);
        fini(&c);
    }
}

static void measures_are_right(void)
{
    struct compared c;
    compare(&c, &plain, &plain, 1);
    const struct mc_diff_row *used = row(&c.diff, "slab/buffers/used", "mean");
    CHECK(used->a > 44 && used->a < 55);
    CHECK(row(&c.diff, "slab/buffers/used", "p50")->a > 44);
    CHECK(row(&c.diff, "slab/buffers/used", "p99")->a > 65);
    CHECK(row(&c.diff, "slab/buffers/used", "p99")->a <=
          row(&c.diff, "slab/buffers/used", "max")->a);
    CHECK(row(&c.diff, "slab/buffers/used", "time above 95 %")->a <
          row(&c.diff, "slab/buffers/used", "time above 80 %")->a);
    double rate = row(&c.diff, "route/GET /a/requests", "rate")->a;
    CHECK(rate > 180 && rate < 215);
    double p50 = row(&c.diff, "route/GET /a/latency", "p50")->a;
    CHECK(p50 > 1.7e6 && p50 < 2.3e6);
    double garbage = row(&c.diff, "heap/lisp/allocated per request", "mean")->a;
    CHECK(garbage > 3800 && garbage < 4400);
    CHECK(row(&c.diff, "heap/lisp/pause", "p50")->a > 0.7e6);
    double cpu = row(&c.diff, "process/process/cpu per request", "mean")->a;
    CHECK(cpu > 99000 && cpu < 101000);
    CHECK(row(&c.diff, "process/process/fd_count", "mean")->a == 12);
    CHECK(row(&c.diff, "route/GET /a/bytes out per request", "mean")->a == 1000);
    fini(&c);
}

static void smaller_pool(void)
{
    struct compared c;
    struct sim_options small = plain;
    small.slots = 48;
    small.build = "2";
    compare(&c, &plain, &small, 1);
    CHECK(c.diff.is_different);
    CHECK_INT(row(&c.diff, "slab/buffers/overflow", "rate")->verdict, MC_VERDICT_WORSE);
    CHECK_INT(row(&c.diff, "slab/buffers/used", "time above 80 %")->verdict, MC_VERDICT_WORSE);
    CHECK_INT(row(&c.diff, "route/GET /a/latency", "p50")->verdict == MC_VERDICT_WORSE, 0);
    CHECK(has_note(&c.diff, "pool buffers has 48 slots, side A 100"));
    CHECK(has_note(&c.diff, "build: A 1, B 2"));
    fini(&c);
}

static void slower_route(void)
{
    struct compared c;
    struct sim_options slow = plain;
    slow.slower = 2;
    compare(&c, &plain, &slow, 1);
    const struct mc_diff_row *p50 = row(&c.diff, "route/GET /b/latency", "p50");
    CHECK_INT(p50->verdict, MC_VERDICT_WORSE);
    CHECK(p50->pct > 80 && p50->pct < 120);
    CHECK(p50->low < p50->delta && p50->delta < p50->high && p50->low > 0);
    CHECK(p50->at_a != INT64_MIN && p50->at_b != INT64_MIN);
    CHECK_INT(row(&c.diff, "route/GET /a/latency", "p50")->verdict == MC_VERDICT_WORSE, 0);
    mc_diff_fini(&c.diff);
    compare_aligned(&c, MC_ALIGN_REQUESTS);
    CHECK_INT(c.rc, 0);
    fini(&c);
    compare(&c, &slow, &plain, 1);
    CHECK_INT(row(&c.diff, "route/GET /b/latency", "p50")->verdict, MC_VERDICT_BETTER);
    CHECK(c.diff.is_different);
    fini(&c);
}

static void more_garbage(void)
{
    struct compared c;
    struct sim_options more = plain;
    more.garbage_bytes = 7000;
    compare(&c, &plain, &more, 1);
    CHECK_INT(row(&c.diff, "heap/lisp/allocated per request", "mean")->verdict, MC_VERDICT_WORSE);
    CHECK_INT(row(&c.diff, "heap/lisp/gc_count", "rate")->verdict, MC_VERDICT_WORSE);
    CHECK_INT(c.diff.leak_count, 0);
    fini(&c);
}

static void leak_names_route(void)
{
    struct compared c;
    struct sim_options leaky = plain;
    leaky.frames = 3000;
    leaky.leak_slots = 0.3;
    compare(&c, &plain, &leaky, 1);
    CHECK(c.diff.is_different);
    const struct mc_leak *cells = NULL;
    for (size_t i = 0; i < c.diff.leak_count; i++) {
        CHECK_INT(c.diff.leaks[i].side, 1);
        CHECK(c.diff.leaks[i].is_new);
        if (strcmp(c.diff.leaks[i].leak->source, "slab/cells/used") == 0)
            cells = c.diff.leaks[i].leak;
    }
    CHECK(cells != NULL);
    if (cells) {
        CHECK_STR(cells->route, "GET /b");
        CHECK(cells->route_per_request > 0.2 && cells->route_per_request < 0.4);
        double per_hour = 0.3 * 80 * 3600; /* 8 requests a frame, 10 frames a second */
        CHECK(cells->per_hour > 0.9 * per_hour && cells->per_hour < 1.1 * per_hour);
        CHECK(cells->per_hour_low <= cells->per_hour && cells->per_hour <= cells->per_hour_high);
        CHECK(cells->full_in_hours > 0 && cells->full_in_hours < 1);
    }
    fini(&c);
}

/* Both routes at steady rates: what is taken and kept goes with the one that leaks. */
static void steady_leak_names_route(void)
{
    struct mc_run_measures m;
    struct sim_options leaky = {.frames = 1500, .seed = 3, .is_steady = 1, .leak_slots = 1};
    CHECK_INT(sim_run(path_of("steady.db"), &leaky), 0);
    CHECK_INT(measure(path_of("steady.db"), 1, 0, &m), 0);
    CHECK(m.leak_count > 0);
    for (size_t i = 0; i < m.leak_count; i++) {
        if (strcmp(m.leaks[i].source, "slab/cells/used") != 0)
            continue;
        CHECK_STR(m.leaks[i].route ? m.leaks[i].route : "", "GET /b");
        CHECK_INT(m.leaks[i].route_by, MC_LEAK_BY_STEPS);
        CHECK(m.leaks[i].route_share_low > 0.9 && m.leaks[i].route_share_low <= 1);
        CHECK(fabs(m.leaks[i].route_per_request - 1) < 0.05);
    }
    mc_run_measures_fini(&m);
}

/* A reason for which only one side's connections close, and their life. */
static void closes(void)
{
    struct compared c;
    struct sim_options a = {.frames = 3000, .close_every = 2}, b = a;
    b.close_reason = "reset";
    compare(&c, &a, &b, 1);
    const struct mc_diff_row *reset =
        row(&c.diff, "connections/connections/closed: reset", "share");
    CHECK(reset->a == 0 && reset->b > 30 && reset->b < 37);
    CHECK(reset->has_interval && reset->low > 20 && reset->high < 40);
    CHECK(reset->changed && reset->verdict == MC_VERDICT_CANNOT_TELL); /* neither way is worse */
    const struct mc_diff_row *life = row(&c.diff, "connections/connections/life", "p50");
    CHECK(life->has_interval && fabs(life->a - 2e9) < 0.2e9);
    CHECK_INT(life->verdict, MC_VERDICT_SAME);
    fini(&c);
}

/* An hour of a clean run, and one that warms up and then stays: nothing leaks. */
static void clean_soak(void)
{
    struct mc_run_measures m;
    struct sim_options soak = {.frames = 36000, .seed = 99};
    CHECK_INT(sim_run(path_of("soak.db"), &soak), 0);
    CHECK_INT(measure(path_of("soak.db"), 1, 0, &m), 0);
    CHECK_INT(m.leak_count, 0);
    CHECK(m.is_exact);
    mc_run_measures_fini(&m);
}

/* ---- sets of runs
 * ---------------------------------------------------------------------------------- */

static void sets_of_runs(void)
{
    struct compared c;
    struct sim_options a = {.frames = 400}, slow = a;
    compare(&c, &a, &a, 5);
    CHECK(c.diff.is_test);
    CHECK_INT(c.diff.counts[MC_VERDICT_WORSE], 0);
    char *text = text_of(&c.diff);
    CHECK(strstr(text, "Benjamini-Hochberg") != NULL);
    CHECK(strstr(text, "This is no test") == NULL);
    free(text);
    fini(&c);
    slow.slower = 1.5;
    slow.garbage_bytes = 6000;
    compare(&c, &a, &slow, 5);
    const struct mc_diff_row *p99 = row(&c.diff, "route/GET /b/latency", "p99");
    CHECK_INT(p99->verdict, MC_VERDICT_WORSE);
    CHECK(p99->is_tested && p99->p < 0.01 && p99->adjusted_p <= 0.05);
    CHECK_INT(row(&c.diff, "heap/lisp/allocated per request", "mean")->verdict, MC_VERDICT_WORSE);
    CHECK_INT(row(&c.diff, "route/GET /a/latency", "p99")->verdict == MC_VERDICT_WORSE, 0);
    fini(&c);
}

/* One measure alone is told with five runs a side. */
static void one_change_alone(void)
{
    struct compared c;
    struct sim_options a = {.frames = 400}, failing = a;
    failing.server_errors = 0.1;
    compare(&c, &a, &failing, 5);
    const struct mc_diff_row *errors = row(&c.diff, "route/GET /a/server errors", "mean");
    CHECK_INT(errors->verdict, MC_VERDICT_WORSE);
    CHECK(errors->adjusted_p > MC_DIFF_RATE_BH && errors->family_p <= MC_DIFF_RATE_FAMILY);
    CHECK_INT(c.diff.counts[MC_VERDICT_WORSE], 1);
    CHECK(errors == &c.diff.rows[0]);
    fini(&c);
}

/* What is all beginning: a frame, and a second without a collection. */
static void brief_runs(void)
{
    static const int frames[] = {1, 2, 15, 60};
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct compared c;
        struct sim_options brief = {.frames = frames[i]};
        compare(&c, &brief, &brief, 1);
        CHECK(!c.diff.is_different);
        CHECK_INT(c.diff.leak_count, 0);
        fini(&c);
    }
}

/* ---- what can't be compared, conditions, reports
 * ------------------------------------------------- */

static void bad_runs(void)
{
    struct compared c;
    struct sim_options other = plain;
    other.prefix = "x ";
    memset(&c, 0, sizeof c);
    CHECK_INT(sim_run(path_of("p.db"), &plain), 0);
    CHECK_INT(sim_run(path_of("x.db"), &other), 0);
    CHECK_INT(measure(path_of("p.db"), 1, 0, &c.runs[0][0]), 0);
    CHECK_INT(measure(path_of("x.db"), 1, 0, &c.runs[1][0]), 0);
    c.counts[0] = c.counts[1] = 1;
    compare_aligned(&c, MC_ALIGN_CLOCK);
    CHECK_INT(c.rc, MC_EINVAL);
    fini(&c);
    CHECK_INT(measure(path_of("p.db"), 7, 0, &c.runs[0][0]), MC_ENORUN);

    struct sim_options holed = plain;
    holed.gap_at = 300;
    holed.interval_ns = 200000000;
    holed.exit = "";
    compare(&c, &plain, &holed, 1);
    CHECK(has_note(&c.diff, "are gaps"));
    CHECK(has_note(&c.diff, "every 200 ms"));
    CHECK(has_note(&c.diff, "unfinished"));
    fini(&c);
}

static void conditions(void)
{
    struct mc_diff_condition list[MC_DIFF_CONDITIONS_MAX];
    struct compared c;
    struct sim_options slow = plain;
    char why[256];
    slow.slower = 2;
    static const char *const wrong[] = {"",        "p99",     "p99>",     "p99>x%",
                                        ">5%",     "p99>-1%", "p99>5%%x", "leek",
                                        "p99>5%%", "leak,",   ",leak",    "leak,,worse"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_INT(mc_diff_conditions(wrong[i], list, why, sizeof why), MC_EINVAL);
    CHECK_INT(
        mc_diff_conditions("p50>5%, leak,latency p50>500%,worse,GET /a>10", list, why, sizeof why),
        5);
    compare(&c, &plain, &slow, 1);
    CHECK(mc_diff_conditions_check(&c.diff, list, 5));
    CHECK_INT(list[0].outcome, 1);
    CHECK_INT(list[1].outcome, 0);
    CHECK_INT(list[2].outcome, 0);
    CHECK_INT(list[3].outcome, 1);
    CHECK(list[4].outcome <= 0);
    fini(&c);
}

static void reports(void)
{
    struct compared c;
    struct sim_options slow = plain, names = plain;
    names.prefix = slow.prefix = "<b>&\"";
    slow.slower = 3;
    compare(&c, &names, &slow, 1);
    struct mc_buf json = {0}, html = {0};
    mc_diff_json(&c.diff, NULL, 0, &json);
    mc_buf_add_char(&json, 0);
    struct json *parsed = json_parse(json.bytes, json.count - 1);
    CHECK(parsed != NULL);
    json_free(parsed);
    struct mc_diff_map maps[4];
    int count = mc_diff_maps(&c.diff, maps, 4);
    CHECK_INT(count, 2);
    mc_diff_html(&c.diff, NULL, 0, maps, count > 0 ? (size_t)count : 0, &html);
    mc_buf_add_char(&html, 0);
    CHECK(strstr((const char *)html.bytes, "<b>") == NULL);
    CHECK(strstr((const char *)html.bytes, "&lt;b&gt;&amp;&quot;buffers") != NULL);
    CHECK(strstr((const char *)html.bytes, "<svg") != NULL);
    CHECK(strstr((const char *)html.bytes, "slots used by A only") != NULL);
    CHECK(strstr((const char *)html.bytes, "http://") == NULL);
    while (count > 0)
        mc_diff_map_fini(&maps[--count]);
    mc_buf_fini(&json);
    mc_buf_fini(&html);
    fini(&c);
}

/* Three hours: by summaries and frame by frame it is about the same. */
static void summaries(void)
{
    struct mc_run_measures quick, exact;
    struct sim_options three = {.frames = 36000, .interval_ns = 300000000, .seed = 5};
    CHECK_INT(sim_run(path_of("three.db"), &three), 0);
    CHECK_INT(measure(path_of("three.db"), 1, 0, &quick), 0);
    CHECK_INT(measure(path_of("three.db"), 1, 1, &exact), 0);
    CHECK(!quick.is_exact && exact.is_exact);
    CHECK_INT(quick.frame_count, exact.frame_count);
    CHECK_INT(quick.measure_count, exact.measure_count);
    for (size_t i = 0; i < quick.measure_count && i < exact.measure_count; i++) {
        const struct mc_measure *q = &quick.measures[i], *e = &exact.measures[i];
        CHECK_STR(q->key, e->key);
        int is_close = strcmp(e->stat, "mean") == 0 || strcmp(e->stat, "rate") == 0;
        if (is_close && fabs(q->value - e->value) > 0.05 * fabs(e->value) + 1e-9) {
            fprintf(stderr, "%s %s: %g by summaries, %g exactly\n", q->key, q->stat, q->value,
                    e->value);
            check_failures++;
        }
    }
    mc_run_measures_fini(&quick);
    mc_run_measures_fini(&exact);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/memcam-diff-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    RUN(alike_pairs);
    RUN(measures_are_right);
    RUN(smaller_pool);
    RUN(slower_route);
    RUN(more_garbage);
    RUN(leak_names_route);
    RUN(steady_leak_names_route);
    RUN(closes);
    RUN(clean_soak);
    RUN(sets_of_runs);
    RUN(one_change_alone);
    RUN(brief_runs);
    RUN(bad_runs);
    RUN(conditions);
    RUN(reports);
    RUN(summaries);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    return CHECK_DONE();
}
