/* test_stream.c: the text of the event stream, and of events, runs, marks and gaps. */
#include "replay/event_json_priv.h"
#include "replay/stream.h"
#include "tests/unit/check.h"
#include "tests/unit/frames.h"
#include "tests/unit/json.h"
#include "tracer/error.h"

static const char strings_of_x[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

static char *text_of(struct mc_buf *b)
{
    mc_buf_add_char(b, '\0');
    CHECK(!b->failed);
    return (char *)b->bytes;
}

static struct mc_run_info some_info(void)
{
    return (struct mc_run_info){.run_id = 3,
                                .label = (char *)(uintptr_t) "a \"run\"",
                                .host = (char *)(uintptr_t) "h",
                                .program = (char *)(uintptr_t) "p",
                                .build = (char *)(uintptr_t) "",
                                .pid = 42,
                                .start_wall_ns = 1700000000000000000,
                                .end_ts = 900,
                                .interval_ns = 100000000,
                                .live = 1};
}

/* ---- single facts ---------------------------------------------------------------------------- */

static void events_have_the_documented_members(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    static const char *const strings[] = {"10.0.0.7", "app", "GET", "/x/:id", "why"};
    for (size_t i = 0; i < 5; i++)
        mc_schema_add_string(&s, strings[i], strlen(strings[i]));
    frames_add_source(&s, MC_KIND_HEAP, "lisp", 0, 0);
    static const struct {
        struct mc_event event;
        const char *json;
    } cases[] = {
        {{.type = MC_EVENT_ACCEPT, .ts = 1, .conn_id = 5, .detail = 2, .port = 51234, .owner = 3},
         "{\"ts\":1,\"type\":\"accept\",\"conn_id\":5,\"peer\":\"10.0.0.7:51234\",\"owner\":"
         "\"app\"}"},
        {{.type = MC_EVENT_ACCEPT, .ts = 1, .conn_id = UINT64_MAX, .detail = 2},
         "{\"ts\":1,\"type\":\"accept\",\"conn_id\":18446744073709551615,\"peer\":\"10.0.0.7\","
         "\"owner\":\"\"}"},
        {{.type = MC_EVENT_TLS, .ts = 2, .conn_id = 5, .detail = 6, .dur_ns = 7000},
         "{\"ts\":2,\"type\":\"tls\",\"conn_id\":5,\"detail\":\"why\",\"dur\":7000}"},
        {{.type = MC_EVENT_STREAM_OPEN, .ts = 3, .conn_id = 5, .stream_id = 9},
         "{\"ts\":3,\"type\":\"stream_open\",\"conn_id\":5,\"stream_id\":9}"},
        {{.type = MC_EVENT_REQUEST, .conn_id = 5, .stream_id = 9, .method = 4, .detail = 5},
         "{\"ts\":0,\"type\":\"request\",\"conn_id\":5,\"stream_id\":9,\"method\":\"GET\","
         "\"route\":\"/x/:id\"}"},
        {{.type = MC_EVENT_RESPONSE,
          .conn_id = 5,
          .stream_id = 9,
          .method = 4,
          .detail = 5,
          .status = 503,
          .bytes_in = 1,
          .bytes_out = 2,
          .dur_ns = 3,
          .arena_bytes = 4},
         "{\"ts\":0,\"type\":\"response\",\"conn_id\":5,\"stream_id\":9,\"method\":\"GET\","
         "\"route\":\"/x/:id\",\"status\":503,\"bytes_in\":1,\"bytes_out\":2,\"dur\":3,"
         "\"arena_bytes\":4}"},
        {{.type = MC_EVENT_STREAM_CLOSE, .conn_id = 5, .stream_id = 9, .detail = 6},
         "{\"ts\":0,\"type\":\"stream_close\",\"conn_id\":5,\"stream_id\":9,\"detail\":\"why\"}"},
        {{.type = MC_EVENT_STATE, .conn_id = 5, .state = '"'},
         "{\"ts\":0,\"type\":\"state\",\"conn_id\":5,\"state\":\"\\\"\"}"},
        {{.type = MC_EVENT_STATE, .conn_id = 5, .state = 0xff},
         "{\"ts\":0,\"type\":\"state\",\"conn_id\":5,\"state\":\"\xef\xbf\xbd\"}"},
        {{.type = MC_EVENT_OVERFLOW, .conn_id = 5, .stream_id = 9, .detail = 999},
         "{\"ts\":0,\"type\":\"overflow\",\"conn_id\":5,\"stream_id\":9,\"detail\":\"(other)\"}"},
        {{.type = MC_EVENT_ERROR, .conn_id = 5, .detail = 6},
         "{\"ts\":0,\"type\":\"error\",\"conn_id\":5,\"stream_id\":0,\"detail\":\"why\"}"},
        {{.type = MC_EVENT_CLOSE, .conn_id = 5, .detail = 6, .bytes_in = 8, .bytes_out = 9},
         "{\"ts\":0,\"type\":\"close\",\"conn_id\":5,\"detail\":\"why\",\"bytes_in\":8,"
         "\"bytes_out\":9}"},
        {{.type = MC_EVENT_GC,
          .ts = 4,
          .owner = 0,
          .detail = 6,
          .bytes_in = 8,
          .bytes_out = 9,
          .dur_ns = 10},
         "{\"ts\":4,\"type\":\"gc\",\"heap\":\"lisp\",\"detail\":\"why\",\"before_bytes\":8,"
         "\"after_bytes\":9,\"dur\":10}"},
        {{.type = MC_EVENT_GC, .owner = 7},
         "{\"ts\":0,\"type\":\"gc\",\"heap\":\"\",\"detail\":\"\",\"before_bytes\":0,"
         "\"after_bytes\":0,\"dur\":0}"},
        {{.type = 200}, "{\"ts\":0,\"type\":\"unknown\",\"conn_id\":0}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mc_buf b = {0};
        mc_event_json(&s, &cases[i].event, &b);
        struct json *j = json_parse(b.bytes, b.count);
        CHECK(j != NULL);
        json_free(j);
        CHECK_STR(text_of(&b), cases[i].json);
        mc_buf_fini(&b);
    }
    mc_schema_fini(&s);
}

/* Whatever stood in the table before, an event's JSON is what it is without one. */
static void a_table_of_texts_changes_nothing(void)
{
    static struct mc_event_texts texts;
    struct mc_schema s;
    char name[256];
    mc_schema_init(&s);
    for (int i = 0; i < 700; i++) { /* places are shared; long ones, and ones to be escaped */
        int length = snprintf(name, sizeof name, "%s%d%.*s", i % 3 ? "/r\xc3\xa9\"" : "/r<", i,
                              i % 5 ? 0 : i % 230, strings_of_x);
        mc_schema_add_string(&s, name, (size_t)length);
    }
    struct mc_buf with = {0}, without = {0};
    int64_t ts = -250000000;
    for (uint32_t i = 0; i < 6000; i++, ts += i % 7     ? 1000
                                              : i % 100 ? 99999000
                                                        : INT64_C(1) << 50) {
        struct mc_event e = {.type = (uint8_t)(i % MC_EVENT_COUNT),
                             .ts = ts,
                             .conn_id = i,
                             .method = 2 + i % 5,
                             .detail = i * 37 % 750,
                             .owner = i % 11,
                             .port = i % 2 ? i : 0,
                             .bytes_out = i};
        if (i % 1000 == 999)
            s.string_count = i % 2000 == 999 ? 300 : 702; /* a step back, where fewer are known */
        with.count = without.count = 0;
        mc_event_json_add(&texts, &s, &e, &with);
        mc_event_json(&s, &e, &without);
        CHECK_STR(text_of(&with), text_of(&without));
    }
    s.string_count = 702;
    mc_buf_fini(&with);
    mc_buf_fini(&without);
    mc_schema_fini(&s);
}

static void runs_marks_gaps_and_ends(void)
{
    struct mc_run_info info = some_info();
    struct mc_buf b = {0};
    mc_run_json(&info, &b);
    CHECK_STR(text_of(&b), "{\"run_id\":3,\"label\":\"a \\\"run\\\"\",\"host\":\"h\",\"pid\":42,"
                           "\"program\":\"p\",\"build\":\"\",\"start_wall_ns\":1700000000000000000,"
                           "\"interval_ns\":100000000,\"live\":true,\"end_ts\":900,\"exit\":null}");
    struct mc_mark mark = {.mark_id = 1, .ts = -5, .dur_ns = 6, .label = "x\ndata: y</script>"};
    memset(mark.author, 'a', sizeof mark.author); /* not terminated */
    b.count = 0;
    CHECK_INT(mc_stream_mark(&mark, &b), 0);
    char want[256];
    snprintf(want, sizeof want,
             "event: mark\ndata: {\"mark_id\":1,\"ts\":-5,\"dur\":6,\"label\":\"x\\ndata: "
             "y\\u003c/script>\",\"author\":\"%.64s\"}\n\n",
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    CHECK_STR(text_of(&b), want);
    b.count = 0;
    CHECK_INT(mc_stream_end(77, "signal 9", &b), 0);
    CHECK_INT(mc_stream_end(78, NULL, &b), 0);
    CHECK_STR(text_of(&b), "event: end\ndata: {\"ts\":77,\"exit\":\"signal 9\"}\n\n"
                           "event: end\ndata: {\"ts\":78,\"exit\":null}\n\n");
    mc_buf_fini(&b);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void a_frame_becomes_its_events_in_order(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    frames_add_source(&s, MC_KIND_SLAB, "bufs", 2, 0);
    s.sources[0].states = malloc(sizeof *s.sources[0].states);
    s.sources[0].states[0] = (struct mc_state_name){'p', "pair"};
    s.sources[0].state_count = 1;
    struct mc_frame *f = frames_new(&s, NULL, 100);
    struct mc_event *events = calloc(3, sizeof *events);
    for (int i = 0; i < 3; i++)
        events[i] = (struct mc_event){.ts = 90 + i, .type = MC_EVENT_STREAM_OPEN, .conn_id = 1};
    f->events = events;
    f->event_count = 3;
    struct mc_gap *gap = calloc(1, sizeof *gap);
    *gap = (struct mc_gap){.ts = 10, .dur_ns = 20, .lost = 30, .reason = "events lost"};
    f->gaps = gap;
    f->gap_count = 1;
    struct mc_mark mark = {.mark_id = 1, .ts = 95, .label = "m"};
    struct mc_run_info info = some_info();
    struct mc_stream_options opts = {.event_max = 2, .event_left_out = 5};
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, &mark, 1, &b), 0);
    CHECK_STR(
        text_of(&b),
        "event: run\ndata: {\"run_id\":3,\"label\":\"a \\\"run\\\"\",\"host\":\"h\",\"pid\":42,"
        "\"program\":\"p\",\"build\":\"\",\"start_wall_ns\":1700000000000000000,\"interval_ns\":"
        "100000000,\"sources\":[{\"source_id\":0,\"kind\":\"slab\",\"name\":\"bufs\",\"unit\":\"\","
        "\"slot_count\":2,\"slot_bytes\":64,\"capacity_bytes\":1048576,\"states\":{\"p\":\"pair\"}"
        "}]}\n\n"
        "event: gap\ndata: {\"ts\":10,\"dur\":20,\"reason\":\"events lost\",\"lost\":30}\n\n"
        "event: mark\ndata: {\"mark_id\":1,\"ts\":95,\"dur\":0,\"label\":\"m\",\"author\":\"\"}\n\n"
        "event: events\ndata: {\"ts\":100,\"events\":["
        "{\"ts\":90,\"type\":\"stream_open\",\"conn_id\":1,\"stream_id\":0},"
        "{\"ts\":91,\"type\":\"stream_open\",\"conn_id\":1,\"stream_id\":0}],\"more\":6}\n\n"
        "event: keyframe\nid: 100\ndata: {\"ts\":100,\"pools\":{\"bufs\":{\"capacity\":2,\"pages\":"
        "{\"0\":\"..\"}}},\"owners\":{},\"arenas\":{},\"heaps\":{},\"metrics\":{},\"process\":{},"
        "\"connections\":{\"by_state\":{},\"by_owner\":{}},\"servers\":{},\"routes\":{},"
        "\"recorder\":{}}\n\n");
    f->ts = 200;
    f->gap_count = 0;
    opts = (struct mc_stream_options){0};
    b.count = 0;
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
    CHECK_STR(text_of(&b), "event: delta\nid: 200\ndata: {\"ts\":200}\n\n");
    opts.event_max = 3;
    f->events = events + 2;
    f->event_count = 1;
    b.count = 0;
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
    CHECK_STR(text_of(&b), "event: events\ndata: {\"ts\":200,\"events\":[{\"ts\":92,\"type\":"
                           "\"stream_open\",\"conn_id\":1,\"stream_id\":0}]}\n\n"
                           "event: delta\nid: 200\ndata: {\"ts\":200}\n\n");
    f->events = events;
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    mc_schema_fini(&s);
}

/* How often `name` is an event of the text. */
static int count_events(struct mc_buf *b, const char *name)
{
    char line[64];
    int count = 0;
    snprintf(line, sizeof line, "event: %s\n", name);
    for (const char *at = text_of(b); (at = strstr(at, line)); at++)
        count++;
    return count;
}

static void run_comes_again_when_sources_or_states_came(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    s.sources = calloc(8, sizeof *s.sources);
    s.source_room = 8;
    frames_add_source(&s, MC_KIND_SLAB, "a", 2, 0);
    struct mc_frame *one = frames_new(&s, NULL, 1);
    frames_add_source(&s, MC_KIND_GAUGE, "b", 0, 0);
    struct mc_frame *two = frames_new(&s, NULL, 2), *three = frames_new(&s, NULL, 3);
    struct mc_run_info info = some_info();
    struct mc_stream_options opts = {0};
    static const struct {
        int frame, reset, run, keyframe;
    } steps[] = {{1, 0, 1, 1}, {1, 0, 0, 0}, {2, 0, 1, 0}, {1, 0, 0, 0},
                 {2, 0, 0, 0}, {3, 0, 1, 0}, {3, 1, 1, 1}, {2, 0, 0, 0}};
    struct mc_doc *d;
    CHECK_INT(mc_doc_new(&d), 0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct mc_frame *f = steps[i].frame == 1 ? one : steps[i].frame == 2 ? two : three;
        struct mc_buf b = {0};
        if (steps[i].frame == 3 && !s.sources[0].states) {
            s.sources[0].states = calloc(1, sizeof *s.sources[0].states);
            s.sources[0].states[0].letter = 'p';
            s.sources[0].state_count = 1;
        }
        if (steps[i].reset)
            mc_doc_reset(d);
        CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
        CHECK_INT(count_events(&b, "run"), steps[i].run);
        CHECK_INT(count_events(&b, "keyframe"), steps[i].keyframe);
        CHECK_INT(count_events(&b, "delta"), !steps[i].keyframe);
        mc_buf_fini(&b);
    }
    mc_doc_free(d);
    frames_free(one);
    frames_free(two);
    frames_free(three);
    mc_schema_fini(&s);
}

/* A frame that can't be written leaves no half event, and the stream goes on with a keyframe. */
static void a_bad_frame_leaves_nothing(void)
{
    struct mc_schema s;
    mc_schema_init(&s);
    frames_add_source(&s, MC_KIND_SLAB, "a", 2, 0);
    struct mc_frame *f = frames_new(&s, NULL, 1);
    struct mc_run_info info = some_info();
    struct mc_stream_options opts = {0};
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
    size_t before = b.count;
    struct mc_map *map = (struct mc_map *)(uintptr_t)f->maps;
    map->slot_count = 3;
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), MC_EINVAL);
    CHECK_INT(b.count, before);
    map->slot_count = 2;
    b.count = 0;
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
    CHECK_INT(count_events(&b, "keyframe"), 1);
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    mc_schema_fini(&s);
}

/* Whatever a name holds, each data line is one line of JSON that no page can break out of. */
static void hostile_names_stay_on_their_line(void)
{
    static const char *const names[] = {"\"}\n\nevent: end\ndata: {}",
                                        "</script>",
                                        "\r\r",
                                        "\xc3",
                                        "\xe2\x80\xa9",
                                        "\\",
                                        "\x7f\x1b[2J",
                                        "\xff\xfe\xfd"};
    struct mc_schema s;
    mc_schema_init(&s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        frames_add_source(&s, MC_KIND_GAUGE, names[i], 0, 0);
        /* Past the schema's own cleaning, as if that were not there. */
        free(s.sources[i].name);
        s.sources[i].name = strdup(names[i]);
    }
    struct mc_frame *f = frames_new(&s, NULL, 1);
    struct mc_run_info info = some_info();
    info.label = info.host = info.program = info.build = (char *)(uintptr_t)names[0];
    struct mc_stream_options opts = {0};
    struct mc_doc *d;
    struct mc_buf b = {0};
    CHECK_INT(mc_doc_new(&d), 0);
    CHECK_INT(mc_stream_frame(d, &opts, &info, f, NULL, 0, &b), 0);
    char *save, *text = text_of(&b);
    CHECK(strchr(text, '\r') == NULL && strstr(text, "</") == NULL);
    CHECK(strstr(text, "\xe2\x80\xa9") == NULL);
    int lines = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "data: ", 6) != 0) {
            CHECK(strncmp(line, "event: ", 7) == 0 || strncmp(line, "id: ", 4) == 0);
            continue;
        }
        struct json *j = json_parse(line + 6, strlen(line + 6));
        CHECK(j && j->type == JSON_OBJECT);
        json_free(j);
        lines++;
    }
    CHECK_INT(lines, 2);
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    mc_schema_fini(&s);
}

int main(void)
{
    RUN(events_have_the_documented_members);
    RUN(a_table_of_texts_changes_nothing);
    RUN(runs_marks_gaps_and_ends);
    RUN(a_frame_becomes_its_events_in_order);
    RUN(run_comes_again_when_sources_or_states_came);
    RUN(a_bad_frame_leaves_nothing);
    RUN(hostile_names_stay_on_their_line);
    return CHECK_DONE();
}
