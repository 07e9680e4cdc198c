/* test_document.c: keyframes and merge patches against an independent JSON parser and RFC 7396. */
#include "replay/document_priv.h"
#include "tests/unit/check.h"
#include "tests/unit/frames.h"
#include "tests/unit/json.h"
#include "tracer/error.h"

/* ---- the judge is judged first --------------------------------------------------------------- */

static void merges_as_rfc_7396_says(void)
{
    static const char *const cases[][3] = {
        /* RFC 7396, appendix A: original, patch, result */
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json *target = json_parse(cases[i][0], strlen(cases[i][0]));
        struct json *patch = json_parse(cases[i][1], strlen(cases[i][1]));
        struct json *want = json_parse(cases[i][2], strlen(cases[i][2]));
        CHECK(target && patch && want);
        if (target && patch)
            target = json_merge(target, patch);
        CHECK(json_equal(target, want));
        json_free(target);
        json_free(patch);
        json_free(want);
    }
}

static void parser_refuses_what_is_not_json(void)
{
    static const char *const bad[] = {"",         "{",           "{\"a\":1,}", "{\"a\":1,\"a\":2}",
                                      "\"\x01\"", "\"\\x\"",     "\"\xff\"",   "\"\xed\xa0\x80\"",
                                      "01",       "[1] 2",       "nul",        "{\"a\" 1}",
                                      "\"a",      "\"\\ud800\"", "[1,]",       "{a:1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(json_parse(bad[i], strlen(bad[i])) == NULL);
    static const char good[] = "\"a\\u00e9\\ud83d\\ude00\\n\"";
    struct json *j = json_parse(good, strlen(good));
    CHECK_STR(j ? j->text : NULL, "a\xc3\xa9\xf0\x9f\x98\x80\n");
    json_free(j);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static char *text_of(struct mc_buf *b)
{
    mc_buf_add_char(b, '\0');
    CHECK(!b->failed);
    return (char *)b->bytes;
}

static struct json *keyframe_json(struct mc_doc *d, const struct mc_frame *f)
{
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_keyframe(d, f, &b), 0);
    struct json *j = json_parse(b.bytes, b.count);
    CHECK(j != NULL);
    mc_buf_fini(&b);
    return j;
}

static struct json *fresh_json(const struct mc_frame *f)
{
    struct mc_doc *d;
    CHECK_INT(mc_doc_new(&d), 0);
    struct json *j = keyframe_json(d, f);
    mc_doc_free(d);
    return j;
}

/* ---- the exact text -------------------------------------------------------------------------- */

static void one_of_each(struct mc_schema *s)
{
    mc_schema_init(s);
    mc_schema_add_string(s, "app", 3);
    mc_schema_add_string(s, "dashboard", 9);
    frames_add_source(s, MC_KIND_SLAB, "bufs", 5, MC_SOURCE_HAS_OWNERS);
    frames_add_source(s, MC_KIND_SLAB, "cells", 3, 0);
    frames_add_source(s, MC_KIND_ARENA, "scratch", 0, 0);
    frames_add_source(s, MC_KIND_HEAP, "lisp", 0, 0);
    frames_add_source(s, MC_KIND_COUNTER, "hits", 0, 0);
    frames_add_source(s, MC_KIND_GAUGE, "hits", 0, 0);
    frames_add_source(s, MC_KIND_HISTOGRAM, "latency", 0, 0);
    frames_add_source(s, MC_KIND_PROCESS, "process", 0, 0);
    frames_add_source(s, MC_KIND_CONNECTIONS, "connections", 0, 0);
    frames_add_source(s, MC_KIND_ROUTE, "GET /", 0, 0);
    frames_add_source(s, MC_KIND_OWNER, "app", 0, 0);
    frames_add_source(s, MC_KIND_RECORDER, "recorder", 0, 0);
}

static void keyframe_has_the_documented_text(void)
{
    struct mc_schema s;
    one_of_each(&s);
    struct mc_frame *f = frames_new(&s, NULL, 1234);
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    for (uint32_t i = 0; i < s.value_count; i++)
        values[i] = i;
    *frames_value(f, 7, MC_FIELD(PROCESS, STATE)) = 'S';
    *frames_value(f, 7, MC_FIELD(PROCESS, PSS)) = MC_VALUE_NONE;
    *frames_value(f, 6, MC_FIELD(HISTOGRAM, P50)) = MC_VALUE_NONE;
    memcpy(f->maps[0].states, "AI.CN", 5);
    memcpy(f->maps[0].owners, (uint16_t[]){2, 3, 0, 64, 1}, 5 * sizeof(uint16_t));
    memcpy(f->maps[1].states, "p\"\x07", 3);
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_doc_keyframe(d, f, &b), 0);
    CHECK_STR(
        text_of(&b),
        "{\"ts\":1234,\"pools\":{\"bufs\":{\"used\":0,\"free\":5,\"capacity\":5,\"high_water\":1,"
        "\"allocs\":2,\"frees\":3,\"overflow\":4,\"pages\":{\"0\":\"AI.CN\"},\"owners\":{\"0\":"
        "\"ab.a9\"}},\"cells\":{\"used\":5,\"free\":-2,\"capacity\":3,\"high_water\":6,\"allocs\":"
        "7,"
        "\"frees\":8,\"overflow\":9,\"pages\":{\"0\":\"p??\"}}},"
        "\"owners\":{\"a\":\"app, (other)\",\"b\":\"dashboard\",\"9\":\"(other)\"},"
        "\"arenas\":{\"scratch\":{\"used_bytes\":10,\"capacity_bytes\":1048576,\"high_water_"
        "bytes\":"
        "11,\"overflow\":12,\"resets\":13}},\"heaps\":{\"lisp\":{\"used_bytes\":14,"
        "\"capacity_bytes\":1048576,\"peak_bytes\":15,\"threshold_bytes\":16,\"gc_count\":17}},"
        "\"metrics\":{\"hits\":{\"value\":18},\"hits "
        "(2)\":{\"value\":19},\"latency\":{\"count\":20,"
        "\"sum\":21,\"p95\":23,\"p99\":24,\"p9999\":25,\"max\":26}},\"process\":{\"state\":\"S\","
        "\"stalled_ns\":28,\"rss_bytes\":29,\"anon_bytes\":31,\"file_bytes\":32,\"shmem_bytes\":33,"
        "\"minor_faults\":34,\"major_faults\":35,\"cpu_user_ns\":36,\"cpu_system_ns\":37,"
        "\"fd_count\":38,\"thread_count\":39,\"cgroup_used_bytes\":40,\"cgroup_limit_bytes\":41,"
        "\"pressure_some_us\":42,\"pressure_full_us\":43},\"connections\":{\"open\":44,\"by_"
        "state\":"
        "{\"active\":45,\"idle\":46,\"closing\":47,\"connecting\":48,\"other\":49},\"by_owner\":{"
        "\"app\":63},\"accepted\":50,\"closed\":51,\"errors\":52,\"overflows\":53},\"servers\":{"
        "\"app\":{\"open\":63,\"accepted\":64,\"closed\":65,\"requests\":66,\"client_errors\":67,"
        "\"server_errors\":68,\"bytes_in\":69,\"bytes_out\":70,\"p50_ns\":71,\"p95_ns\":72,"
        "\"p99_ns\":73,\"max_ns\":74}},\"routes\":{\"GET /\":{\"requests\":54,\"client_errors\":55,"
        "\"server_errors\":56,\"bytes_in\":57,\"bytes_out\":58,\"p50_ns\":59,\"p95_ns\":60,"
        "\"p99_ns\":61,\"max_ns\":62}},\"recorder\":{\"cpu_ns\":75,\"rss_bytes\":76,\"tick_ns\":77,"
        "\"late_ns\":78,\"events\":79,\"events_lost\":80}}");
    struct mc_frame *g = frames_new(&s, f, 1334);
    memcpy(g->maps[0].owners, (uint16_t[]){2, 0, 0, 0, 1}, 5 * sizeof(uint16_t));
    *frames_value(g, 0, MC_FIELD(SLAB, USED)) = 2;
    *frames_value(g, 7, MC_FIELD(PROCESS, STATE)) = 'T';
    *frames_value(g, 7, MC_FIELD(PROCESS, RSS)) = MC_VALUE_NONE;
    *frames_value(g, 10, MC_FIELD(OWNER, OPEN)) = 4;
    *frames_value(g, 8, MC_FIELD(CONNECTIONS, IDLE)) = 4;
    b.count = 0;
    CHECK_INT(mc_doc_delta(d, g, &b), 0);
    CHECK_STR(
        text_of(&b),
        "{\"ts\":1334,\"pools\":{\"bufs\":{\"used\":2,\"free\":3,\"owners\":{\"0\":\"a...9\"}}"
        "},\"owners\":{\"a\":\"app\",\"b\":null},\"process\":{\"state\":\"T\",\"rss_bytes\":"
        "null},\"connections\":{\"by_state\":{\"idle\":4},\"by_owner\":{\"app\":4}},"
        "\"servers\":{\"app\":{\"open\":4}}}");
    g->ts = 1434;
    b.count = 0;
    CHECK_INT(mc_doc_delta(d, g, &b), 0);
    CHECK_STR(text_of(&b), "{\"ts\":1434}");
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    frames_free(g);
    mc_schema_fini(&s);
}

static void empty_run_has_all_sections(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    struct mc_frame *f = frames_new(&s, NULL, 0);
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_doc_delta(d, f, &b), MC_EINVAL);
    CHECK_INT(mc_doc_keyframe(d, f, &b), 0);
    CHECK_STR(text_of(&b),
              "{\"ts\":0,\"pools\":{},\"owners\":{},\"arenas\":{},\"heaps\":{},\"metrics\":{},"
              "\"process\":{},\"connections\":{\"by_state\":{},\"by_owner\":{}},\"servers\":{},"
              "\"routes\":{},\"recorder\":{}}");
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    mc_schema_fini(&s);
}

static void equal_names_are_told_apart(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    static const char *const names[] = {"x", "x", "x (2)", "x", "x (2)", "x (3)"};
    static const char *const keys[] = {"x",     "x (2)",     "x (2) (2)",
                                       "x (3)", "x (2) (3)", "x (3) (2)"};
    for (size_t i = 0; i < 6; i++)
        frames_add_source(&s, i % 2 ? MC_KIND_GAUGE : MC_KIND_COUNTER, names[i], 0, 0);
    frames_add_source(&s, MC_KIND_ARENA, "x", 0, 0);
    struct mc_frame *f = frames_new(&s, NULL, 5);
    for (uint32_t i = 0; i < 6; i++)
        *frames_value(f, i, 0) = i;
    struct json *j = fresh_json(f);
    for (int i = 0; i < 6; i++) {
        const struct json *value = json_get(j, "metrics", keys[i], "value", NULL);
        CHECK(value && atoi(value->text) == i);
    }
    CHECK(json_get(j, "arenas", "x", NULL) != NULL);
    json_free(j);
    frames_free(f);
    mc_schema_fini(&s);
}

/* 20,000 sources of one name: naming them must not take the square of that. */
static void many_equal_names_are_quick(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    for (int i = 0; i < 20000; i++)
        frames_add_source(&s, MC_KIND_GAUGE, "g", 0, 0);
    struct mc_names n = {0};
    CHECK_INT(mc_names_grow(&n, &s), 0);
    CHECK_INT(n.count, 20000);
    CHECK(memcmp(n.names[19999].key, "\"g (20000)\":", 12) == 0);
    mc_names_fini(&n);
    mc_schema_fini(&s);
}

static void frames_that_are_not_whole_are_refused(void)
{
    struct mc_schema s;
    one_of_each(&s);
    struct mc_frame *f = frames_new(&s, NULL, 1), *g = frames_new(&s, NULL, 2);
    struct mc_map *map = &((struct mc_map *)(uintptr_t)g->maps)[0];
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_doc_keyframe(d, f, &b), 0);
    map->slot_count--;
    CHECK_INT(mc_doc_delta(d, g, &b), MC_EINVAL);
    map->slot_count++;
    uint16_t *owners = map->owners;
    map->owners = NULL;
    CHECK_INT(mc_doc_delta(d, g, &b), MC_EINVAL);
    map->owners = owners;
    CHECK_INT(mc_doc_delta(d, g, &b), 0);
    struct mc_schema other;
    mc_schema_init(&other);
    frames_add_source(&other, MC_KIND_ARENA, "elsewhere", 0, 0);
    struct mc_frame *h = frames_new(&other, NULL, 3);
    CHECK_INT(mc_doc_delta(d, h, &b), MC_EINVAL);
    CHECK_INT(mc_doc_keyframe(d, h, &b), 0);
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    frames_free(g);
    frames_free(h);
    mc_schema_fini(&s);
    mc_schema_fini(&other);
}

/* ---- patches, thousands of them -------------------------------------------------------------- */

static const char *const hostile[] = {
    "plain",
    "with \"quotes\"",
    "</script><script>alert(1)</script>",
    "back\\slash",
    "\xff\xfe",
    "line\nbreak",
    "\xe2\x80\xa8",
    "",
    "__proto__",
    "\xf0\x9f\x98\x80",
    "tab\tand\x01",
    "caf\xc3\xa9",
};

/* One to three new sources, and maybe strings. */
static void grow(struct mc_schema *s)
{
    for (uint64_t n = 1 + frames_random(3); n > 0; n--) {
        int kind = (int)frames_random(MC_KIND_COUNT);
        uint32_t slots = kind == MC_KIND_SLAB ? 1 + (uint32_t)frames_random(2600) : 0;
        frames_add_source(s, kind, hostile[frames_random(sizeof hostile / sizeof *hostile)], slots,
                          frames_random(2) ? MC_SOURCE_HAS_OWNERS : 0);
    }
    for (uint64_t n = frames_random(40); n > 0; n--) {
        const char *text = hostile[frames_random(sizeof hostile / sizeof *hostile)];
        mc_schema_add_string(s, text, strlen(text));
    }
}

static void change_values(struct mc_frame *f)
{
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    for (uint32_t i = 0; i < f->schema->value_count; i++) {
        switch (frames_random(12)) {
        case 0:
            values[i] = MC_VALUE_NONE;
            break;
        case 1:
            values[i] = (int64_t)frames_random(0);
            break;
        case 2:
        case 3:
            values[i] = (int64_t)frames_random(100);
            break;
        default:
            break;
        }
    }
    for (uint32_t i = 0; i < f->schema->source_count; i++) {
        if (f->schema->sources[i].kind == MC_KIND_PROCESS && frames_random(2))
            *frames_value(f, i, MC_FIELD(PROCESS, STATE)) = "RSDZ"[frames_random(4)];
    }
}

static void change_maps(struct mc_frame *f)
{
    for (uint32_t m = 0; m < f->schema->map_count; m++) {
        const struct mc_map *map = &f->maps[m];
        for (uint64_t n = frames_random(4) ? 0 : frames_random(60); n > 0; n--) {
            uint64_t slot = frames_random(map->slot_count);
            map->states[slot] = (uint8_t)(' ' + frames_random(96));
            if (map->owners)
                map->owners[slot] =
                    (uint16_t)(frames_random(8)
                                   ? frames_random(f->schema->string_count)
                                   : frames_random(65536) % (f->schema->string_count + 200));
        }
        if (map->owners && frames_random(40) == 0)
            memset(map->owners, 0, map->slot_count * sizeof *map->owners);
    }
}

static void apply_and_compare(struct json **have, struct mc_doc *d, const struct mc_frame *f)
{
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_delta(d, f, &b), 0);
    struct json *patch = json_parse(b.bytes, b.count), *want = fresh_json(f);
    CHECK(patch != NULL);
    CHECK(json_get(patch, "ts", NULL) != NULL);
    if (patch)
        *have = json_merge(*have, patch);
    CHECK(json_equal(*have, want));
    json_free(patch);
    json_free(want);
    mc_buf_fini(&b);
}

/* The patch from `was` to `is` depends on these two frames alone. */
static void check_deterministic(struct mc_doc *d, const struct mc_frame *was,
                                const struct mc_frame *is)
{
    struct mc_doc *e;
    struct mc_buf b = {0}, c = {0};
    CHECK_INT(mc_doc_new(&e), 0);
    CHECK_INT(mc_doc_keyframe(e, was, &c), 0);
    c.count = 0;
    CHECK_INT(mc_doc_delta(e, is, &c), 0);
    CHECK_INT(mc_doc_delta(d, is, &b), 0);
    CHECK(b.count == c.count && memcmp(b.bytes, c.bytes, b.count) == 0);
    mc_buf_fini(&b);
    mc_buf_fini(&c);
    mc_doc_free(e);
}

static void deltas_give_the_keyframe_whatever_the_way(void)
{
    enum { FRAMES = 120, STEPS = 2500 };
    static struct mc_frame *frames[FRAMES];
    struct mc_schema s;
    mc_schema_init(&s);
    /* Sources and strings move when the schema grows, and the frames borrow them: room first. */
    s.sources = calloc(1024, sizeof *s.sources);
    s.source_room = 1024;
    s.strings = realloc(s.strings, 8192 * sizeof *s.strings);
    s.string_room = 8192;
    for (int i = 0; i < FRAMES; i++) {
        if (frames_random(3) == 0)
            grow(&s);
        frames[i] = frames_new(&s, i ? frames[i - 1] : NULL, 1000 * i);
        change_values(frames[i]);
        change_maps(frames[i]);
    }
    CHECK(s.source_count < 1024 && s.string_count < 8192);
    struct mc_doc *d;
    CHECK_INT(mc_doc_new(&d), 0);
    int at = 0;
    struct json *have = keyframe_json(d, frames[0]);
    for (int step = 0; step < STEPS && check_failures < 10; step++) {
        int was = at;
        uint64_t way = frames_random(10);
        if (way < 6)
            at = (at + 1) % FRAMES;
        else if (way < 9)
            at = at ? at - 1 : 0;
        else
            at = (int)frames_random(FRAMES);
        if (step % 16 == 0) {
            check_deterministic(d, frames[was], frames[at]);
            json_free(have);
            have = keyframe_json(d, frames[at]);
        } else {
            apply_and_compare(&have, d, frames[at]);
        }
    }
    json_free(have);
    mc_doc_free(d);
    for (int i = 0; i < FRAMES; i++)
        frames_free(frames[i]);
    mc_schema_fini(&s);
}

int main(void)
{
    RUN(merges_as_rfc_7396_says);
    RUN(parser_refuses_what_is_not_json);
    RUN(keyframe_has_the_documented_text);
    RUN(empty_run_has_all_sections);
    RUN(equal_names_are_told_apart);
    RUN(many_equal_names_are_quick);
    RUN(frames_that_are_not_whole_are_refused);
    RUN(deltas_give_the_keyframe_whatever_the_way);
    return CHECK_DONE();
}
