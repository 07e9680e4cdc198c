/* test_api_hub.c: the live hub: shared blocks, joins, resumes, slow watchers, the end. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "server/hub.h"
#include "tracer/error.h"

#define SLOTS 3000u
#define TICK_NS INT64_C(100000000)

/* ---- a run that is made up, one tick at a time ------------------------------------------------
 */

static struct mc_schema schema;
static int64_t values[64];
static uint8_t states[SLOTS];
static struct mc_map map = {.slot_count = SLOTS, .states = states};
static struct mc_frame frame;
static struct mc_slot_change change;
static struct mc_hub *hub;
static struct mc_doc *replay_doc; /* what a replay from the run's start would have sent */

static void run_begin(void)
{
    struct mc_source slab = {.kind = MC_KIND_SLAB, .name = "pool", .slot_count = SLOTS};
    struct mc_source gauge = {.kind = MC_KIND_GAUGE, .name = "gauge"};
    struct mc_run_info info = {.run_id = 1, .interval_ns = TICK_NS};
    char *empty = strdup("x");
    info.label = info.host = info.program = info.build = info.config = empty;
    CHECK_INT(mc_schema_init(&schema), 0);
    CHECK_INT(mc_schema_add_source(&schema, &slab), 0);
    CHECK_INT(mc_schema_add_source(&schema, &gauge), 0);
    memset(states, '.', sizeof states);
    memset(values, 0, sizeof values);
    frame =
        (struct mc_frame){.schema = &schema, .values = values, .maps = &map, .changes = &change};
    CHECK_INT(mc_hub_new(&hub), 0);
    CHECK_INT(mc_hub_begin(hub, &info), 0);
    free(empty);
}

static void run_free(void)
{
    mc_hub_free(hub);
    mc_schema_fini(&schema);
}

/* The next frame: one slot changes, the gauge counts. */
static void tick(void)
{
    uint32_t slot = (uint32_t)(frame.ts / TICK_NS * 7919 % SLOTS);
    uint8_t state = states[slot] == '.' ? 'A' : '.';
    change = (struct mc_slot_change){.slot_idx = slot, .old_state = states[slot], .state = state};
    states[slot] = state;
    frame.change_count = 1;
    frame.ts += TICK_NS;
    values[schema.sources[1].value_idx]++;
    mc_hub_frame(hub, &frame);
}

/* Every slot changes: a large delta. */
static void tick_all(void)
{
    struct mc_slot_change *changes = calloc(SLOTS, sizeof *changes);
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint8_t state = (uint8_t)('a' + (i * 31 + (uint32_t)(frame.ts / TICK_NS)) % 26);
        changes[i] = (struct mc_slot_change){.slot_idx = i, .old_state = states[i], .state = state};
        states[i] = state;
    }
    frame.changes = changes;
    frame.change_count = SLOTS;
    frame.ts += TICK_NS;
    mc_hub_frame(hub, &frame);
    frame.changes = &change;
    free(changes);
}

/* ---- a client that keeps all it got -----------------------------------------------------------
 */

struct client {
    struct mc_watcher watcher;
    struct mc_buf got;
    int wakes, ended, blocks;
};

static void client_wake(struct mc_watcher *w)
{
    ((struct client *)w)->wakes++;
}

static void client_read(struct client *c)
{
    struct mc_block *b;
    int got;
    while ((got = mc_hub_next(&c->watcher, &b)) == 1) {
        mc_buf_add(&c->got, b->bytes, b->count);
        c->blocks++;
        mc_block_unref(b);
    }
    c->ended = got < 0;
}

static void client_free(struct client *c)
{
    mc_hub_leave(&c->watcher);
    mc_buf_fini(&c->got);
}

static size_t count_of(const struct client *c, const char *text)
{
    size_t n = 0, bytes = strlen(text);
    for (size_t i = 0; i + bytes <= c->got.count; i++)
        n += memcmp(c->got.bytes + i, text, bytes) == 0;
    return n;
}

static void newest_document_is(struct client *c)
{
    struct mc_buf document = {0};
    CHECK_INT(mc_hub_document(hub, 0, &document), 0);
    const char data[] = "data: ";
    size_t at = c->got.count - 2 - document.count;
    CHECK(c->got.count > document.count + 8);
    CHECK(memcmp(c->got.bytes + at - 6, data, 6) == 0);
    CHECK(memcmp(c->got.bytes + at, document.bytes, document.count) == 0);
    mc_buf_fini(&document);
}

/* ---- cases ------------------------------------------------------------------------------------
 */

static void all_get_the_same_bytes_as_a_replay(void)
{
    struct client early = {.watcher.wake = client_wake}, late = {.watcher.wake = client_wake};
    struct mc_buf replay = {0};
    struct mc_stream_options options = {.event_max = 1000};
    size_t late_off = 0;
    run_begin();
    CHECK_INT(mc_doc_new(&replay_doc), 0);
    CHECK_INT(mc_hub_watch(hub, &early.watcher, 1000, INT64_MIN), 0);
    client_read(&early);
    CHECK_INT(early.got.count, 0);
    for (int i = 0; i < 50; i++) {
        tick();
        CHECK_INT(mc_stream_frame(replay_doc, &options, mc_hub_run(hub), &frame, NULL, 0, &replay),
                  0);
        client_read(&early);
        if (i == 20) {
            CHECK_INT(mc_hub_watch(hub, &late.watcher, 1000, INT64_MIN), 0);
            client_read(&late);
            newest_document_is(&late);
            late_off = early.got.count;
            late.got.count = 0;
        }
        if (i > 20)
            client_read(&late);
    }
    CHECK_INT(early.wakes, 50);
    CHECK_INT(early.got.count, replay.count);
    CHECK(early.got.count == replay.count &&
          memcmp(early.got.bytes, replay.bytes, replay.count) == 0);
    CHECK_INT(late.got.count, early.got.count - late_off);
    CHECK(memcmp(late.got.bytes, early.got.bytes + late_off, late.got.count) == 0);
    client_free(&early);
    client_free(&late);
    mc_doc_free(replay_doc);
    mc_buf_fini(&replay);
    run_free();
}

static void a_resume_has_no_hole_and_no_repeat(void)
{
    struct client whole = {.watcher.wake = client_wake};
    run_begin();
    tick();
    CHECK_INT(mc_hub_watch(hub, &whole.watcher, 5, INT64_MIN), 0);
    client_read(&whole);
    size_t off[20];
    int64_t ts[20];
    for (int i = 0; i < 20; i++) {
        off[i] = whole.got.count;
        ts[i] = frame.ts;
        tick();
        client_read(&whole);
    }
    for (int i = 0; i < 20; i++) {
        struct client back = {.watcher.wake = client_wake};
        CHECK_INT(mc_hub_watch(hub, &back.watcher, 5, ts[i]), 0);
        client_read(&back);
        CHECK_INT(back.got.count, whole.got.count - off[i]);
        CHECK(memcmp(back.got.bytes, whole.got.bytes + off[i], back.got.count) == 0);
        client_free(&back);
    }
    struct client odd = {.watcher.wake = client_wake};
    CHECK_INT(mc_hub_watch(hub, &odd.watcher, 5, ts[5] + 1), MC_END); /* no such frame: the store */
    CHECK_INT(mc_hub_catch_up(&odd.watcher, ts[5] + 1), 0);
    client_read(&odd);
    CHECK_INT(odd.got.count, 0);
    CHECK_INT(mc_hub_catch_up(&odd.watcher, ts[6]), 1);
    client_read(&odd);
    CHECK_INT(odd.got.count, whole.got.count - off[6]);
    client_free(&odd);
    struct client future = {.watcher.wake = client_wake};
    CHECK_INT(mc_hub_watch(hub, &future.watcher, 5, INT64_MAX), 0);
    client_read(&future);
    newest_document_is(&future);
    client_free(&future);
    client_free(&whole);
    run_free();
}

static void catching_up_meets_new_blocks(void)
{
    struct client c = {.watcher.wake = client_wake};
    run_begin();
    for (int i = 0; i < 10; i++)
        tick(); /* nobody watches: no blocks */
    CHECK_INT(mc_hub_watch(hub, &c.watcher, 1000, frame.ts - 5 * TICK_NS), MC_END);
    int64_t joined = frame.ts;
    for (int i = 0; i < 10; i++)
        tick();
    CHECK_INT(mc_hub_catch_up(&c.watcher, joined - TICK_NS), 0);
    CHECK_INT(mc_hub_catch_up(&c.watcher, joined), 1);
    client_read(&c);
    CHECK_INT(c.blocks, 10);
    CHECK_INT(count_of(&c, "event: keyframe"), 0);
    CHECK_INT(count_of(&c, "event: delta"), 10);
    client_free(&c);
    struct client now = {.watcher.wake = client_wake};
    CHECK_INT(mc_hub_watch(hub, &now.watcher, 7, frame.ts),
              0); /* has the newest: nothing to send */
    client_read(&now);
    CHECK_INT(now.got.count, 0);
    tick();
    client_read(&now);
    CHECK_INT(count_of(&now, "event: delta"), 1);
    client_free(&now);
    run_free();
}

static void a_slow_watcher_gets_the_newest_state(void)
{
    struct client slow = {.watcher.wake = client_wake}, quick = {.watcher.wake = client_wake};
    run_begin();
    CHECK_INT(mc_hub_watch(hub, &slow.watcher, 1000, INT64_MIN), 0);
    CHECK_INT(mc_hub_watch(hub, &quick.watcher, 1000, INT64_MIN), 0);
    tick();
    client_read(&slow);
    slow.got.count = 0;
    for (int i = 0; i < 250; i++) {
        tick_all();
        client_read(&quick);
    }
    CHECK_INT(count_of(&quick, "event: keyframe"), 1);
    CHECK_INT(count_of(&quick, "event: delta"), 249);
    client_read(&slow);
    CHECK_INT(count_of(&slow, "event: keyframe"), 1);
    CHECK_INT(count_of(&slow, "event: delta"), 0);
    newest_document_is(&slow);
    tick();
    client_read(&slow);
    CHECK_INT(count_of(&slow, "event: delta"), 1);
    client_free(&slow);
    client_free(&quick);
    run_free();
}

static void the_end_reaches_all(void)
{
    struct client c = {.watcher.wake = client_wake}, behind = {.watcher.wake = client_wake};
    run_begin();
    tick();
    CHECK_INT(mc_hub_watch(hub, &c.watcher, 1000, INT64_MIN), 0);
    CHECK_INT(mc_hub_watch(hub, &behind.watcher, 1000, INT64_MIN), 0);
    client_read(&c);
    tick();
    mc_hub_end(hub, frame.ts, "exit 0");
    client_read(&c);
    client_read(&behind);
    CHECK(c.ended && behind.ended);
    CHECK_INT(count_of(&c, "\"exit\":\"exit 0\""), 1);
    CHECK_INT(count_of(&behind, "event: keyframe"), 1);
    CHECK_INT(count_of(&behind, "event: end"), 1);
    CHECK_INT(mc_hub_watchers(hub), 2);
    struct client late = {.watcher.wake = client_wake};
    CHECK_INT(mc_hub_watch(hub, &late.watcher, 1000, INT64_MIN), MC_ENORUN);
    struct mc_run_info next = {.run_id = 2, .interval_ns = TICK_NS};
    next.label = next.host = next.program = next.build = next.config = (char[]){"y"};
    CHECK_INT(mc_hub_begin(hub, &next), 0);
    CHECK_INT(mc_hub_watchers(hub), 0);
    client_read(&c);
    CHECK(c.ended);
    client_free(&c);
    client_free(&behind);
    run_free();
}

static void groups_are_few_and_go(void)
{
    struct client c[MC_HUB_GROUPS + 1];
    memset(c, 0, sizeof c);
    run_begin();
    tick();
    for (uint32_t i = 0; i < MC_HUB_GROUPS; i++) {
        c[i].watcher.wake = client_wake;
        CHECK_INT(mc_hub_watch(hub, &c[i].watcher, i, INT64_MIN), 0);
        client_read(&c[i]);
    }
    CHECK_INT(mc_hub_watch(hub, &c[MC_HUB_GROUPS].watcher, 99, INT64_MIN), MC_ELIMIT);
    client_free(&c[0]);
    c[0] = (struct client){.watcher.wake = client_wake};
    CHECK_INT(mc_hub_watch(hub, &c[0].watcher, 99, INT64_MIN), 0);
    for (uint32_t i = 0; i < MC_HUB_GROUPS; i++)
        client_free(&c[i]);
    for (int i = 0; i < 200; i++)
        tick();
    run_free();
}

static void marks_go_with_the_next_tick(void)
{
    struct client c = {.watcher.wake = client_wake};
    const struct mc_mark *marks;
    struct mc_mark mark = {.mark_id = 5, .ts = TICK_NS, .label = "here", .author = "me"};
    run_begin();
    tick();
    CHECK_INT(mc_hub_watch(hub, &c.watcher, 1000, INT64_MIN), 0);
    client_read(&c);
    mc_hub_mark(hub, &mark);
    client_read(&c);
    CHECK_INT(count_of(&c, "event: mark"), 0);
    tick();
    tick();
    client_read(&c);
    CHECK_INT(count_of(&c, "event: mark"), 1);
    CHECK_INT(mc_hub_marks(hub, &marks), 1);
    CHECK_STR(marks[0].label, "here");
    client_free(&c);
    run_free();
}

int main(void)
{
    RUN(all_get_the_same_bytes_as_a_replay);
    RUN(a_resume_has_no_hole_and_no_repeat);
    RUN(catching_up_meets_new_blocks);
    RUN(a_slow_watcher_gets_the_newest_state);
    RUN(the_end_reaches_all);
    RUN(groups_are_few_and_go);
    RUN(marks_go_with_the_next_tick);
    return CHECK_DONE();
}
