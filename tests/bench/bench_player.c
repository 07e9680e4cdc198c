/* bench_player.c: how fast a recorded run is played: every frame, and merged, backward too.
 *
 * Records five minutes of busy frames with a heap of 262,144 slots, then plays them on a clock that
 * jumps to each wake-up. CPU time of this thread. Prints name, value and unit, tab-separated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "replay/player.h"
#include "tests/unit/frames.h"

#define TICK 100000000ll
enum { FRAMES = 3000, CHANGES = 60, EVENTS = 100 };

static char path[64];

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_sources(struct mc_schema *s)
{
    static const struct {
        const char *name;
        uint32_t slots, flags;
    } slabs[] = {{"lval", 262144, 0},
                 {"connections", 2056, MC_SOURCE_HAS_OWNERS},
                 {"tcp_buffers", 400, MC_SOURCE_HAS_OWNERS}};
    mc_schema_init(s);
    mc_schema_add_string(s, "app", 3);
    for (int i = 0; i < 3; i++)
        frames_add_source(s, MC_KIND_SLAB, slabs[i].name, slabs[i].slots, slabs[i].flags);
    for (int i = 0; i < 24; i++)
        frames_add_source(s, i % 2 ? MC_KIND_GAUGE : MC_KIND_COUNTER, "number", 0, 0);
}

/* Let `f` become the next tick: a stretch of the heap is taken, a few connections change. */
static void turn(struct mc_frame *f, int tick, struct mc_slot_change *changes,
                 struct mc_event *events)
{
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    f->ts = tick * TICK;
    for (uint32_t i = 0; i < f->schema->value_count; i++)
        values[i] = tick == 0 ? 0 : values[i] + (int64_t)frames_random(8);
    f->changes = changes;
    f->change_count = 0;
    for (uint32_t m = 0; m < 2; m++) {
        const struct mc_map *map = &f->maps[m];
        uint32_t slot = (uint32_t)frames_random(map->slot_count - 2 * CHANGES);
        for (int i = 0; i < CHANGES; i++, slot += 1 + (uint32_t)frames_random(2)) {
            uint8_t state = map->states[slot] == '.' ? 'A' : '.';
            uint16_t owner = map->owners && state == 'A' ? 2 : 0;
            uint64_t conn = owner ? 1 + frames_random(9999) : 0;
            changes[f->change_count++] =
                (struct mc_slot_change){m, slot, map->states[slot], state, owner, conn};
            map->states[slot] = state;
            if (map->owners) {
                map->owners[slot] = owner;
                map->conns[slot] = conn;
            }
        }
    }
    f->events = events;
    f->event_count = EVENTS;
    for (int i = 0; i < EVENTS; i++)
        events[i] = (struct mc_event){.ts = f->ts - (EVENTS - i) * 900000ll,
                                      .type = MC_EVENT_RESPONSE,
                                      .conn_id = 1 + frames_random(200),
                                      .stream_id = (uint32_t)(tick * EVENTS + i),
                                      .status = 200,
                                      .bytes_out = 40 + frames_random(9),
                                      .dur_ns = 1000 * frames_random(90)};
}

static int record(void)
{
    static struct mc_slot_change changes[2 * CHANGES];
    static struct mc_event events[EVENTS];
    struct mc_schema s;
    struct mc_writer *w;
    struct mc_writer_options opts = {
        .keep_ns = INT64_MAX, .max_bytes = INT64_MAX, .chunk_frames = 600};
    struct mc_run_info info = {.label = (char *)(uintptr_t) "bench",
                               .host = (char *)(uintptr_t) "",
                               .program = (char *)(uintptr_t) "",
                               .build = (char *)(uintptr_t) "",
                               .config = (char *)(uintptr_t) "{}",
                               .interval_ns = TICK};
    int64_t run_id;
    char why[256];
    add_sources(&s);
    struct mc_frame *f = frames_new(&s, NULL, 0);
    if (mc_writer_open(path, &opts, &w, why, sizeof why) != 0 ||
        mc_writer_begin(w, &info, &run_id) != 0)
        return 1;
    int code = 0;
    for (int i = 0; i < FRAMES && !code; i++) {
        turn(f, i, changes, events);
        code = mc_writer_frame(w, f);
        if (i % 200 == 199)
            code |= mc_writer_flush(w);
    }
    code |= mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    f->events = NULL;
    frames_free(f);
    mc_schema_fini(&s);
    return code;
}

/* Play all of it; prints how many times real time, by CPU. */
static int play(const char *name, double speed, int coalesce)
{
    struct mc_reader *r;
    struct mc_player *p;
    struct mc_player_options opts = {.run_id = 1,
                                     .from = speed < 0 ? INT64_MAX : 0,
                                     .to = INT64_MAX,
                                     .speed = speed,
                                     .coalesce = coalesce,
                                     .event_max = 1000};
    struct mc_buf out = {0};
    size_t bytes = 0;
    int64_t now = 0, wake = 0;
    if (mc_reader_open(path, &r, NULL, 0) != 0 || mc_player_open(r, &opts, &p) != 0)
        return 1;
    double start = cpu_s();
    int code;
    do {
        out.count = 0;
        code = mc_player_next(p, now, 256 << 10, &out, &wake);
        bytes += out.count;
        now = wake > now ? wake : now + 1000000;
    } while (code == 0);
    double used = cpu_s() - start;
    printf("player, %s\t%.0f\ttimes real time\n", name, FRAMES / 10.0 / used);
    printf("player, %s: bytes\t%zu\tbytes\n", name, bytes);
    mc_player_close(p);
    mc_reader_close(r);
    mc_buf_fini(&out);
    return code < 0;
}

int main(void)
{
    char side[80];
    snprintf(path, sizeof path, "/tmp/memcam-bench-player-%d.db", (int)getpid());
    int failed = record() || play("every frame at max", 0, 0) || play("merged at 1000", 1000, 1) ||
                 play("merged at max", 0, 1) || play("backward, every frame", -1000, 0);
    unlink(path);
    for (int i = 0; i < 2; i++) {
        snprintf(side, sizeof side, "%s-%s", path, i ? "wal" : "shm");
        unlink(side);
    }
    return failed;
}
