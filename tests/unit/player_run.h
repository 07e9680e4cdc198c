/* player_run.h: a recorded run of 240 frames for the tests of the player, a clock that the test
 * turns by hand, and what a stream of it held.
 */
#ifndef MC_TEST_PLAYER_RUN_H
#define MC_TEST_PLAYER_RUN_H

#include <math.h>
#include <unistd.h>

#include "replay/player.h"
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

#endif
