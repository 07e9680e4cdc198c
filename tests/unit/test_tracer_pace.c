/* test_tracer_pace.c: a map that changes all over is read less often, says so, and catches up. */
#include <stdlib.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"
#include "tracer/map_pace.h"

#define SECOND INT64_C(1000000000)

/* Ten ticks a second for `seconds`, each reading costs `cost`; how many bytes that came to. */
static uint64_t run_pace(struct mc_map_pace *p, int64_t *now_ns, int seconds, uint64_t cost,
                         int *reads)
{
    uint64_t bytes = 0;
    for (int i = 0; i < seconds * 10; i++) {
        *now_ns += SECOND / 10;
        if (!mc_map_pace_due(p, *now_ns))
            continue;
        mc_map_pace_pay(p, *now_ns, cost);
        bytes += cost;
        *reads += 1;
    }
    return bytes;
}

static void bytes_are_bounded(void)
{
    static const uint64_t costs[] = {100, 819, 900, 3000, 60000, 1000000};
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        struct mc_map_pace p;
        int64_t now_ns = 77;
        int reads = 0;
        mc_map_pace_init(&p, now_ns);
        uint64_t bytes = run_pace(&p, &now_ns, 600, costs[i], &reads);
        CHECK(bytes <= MC_PACE_CREDIT_BYTES + 600 * MC_PACE_BYTES_PER_S + costs[i]);
        CHECK(reads > 0);
        if (costs[i] * 10 <= MC_PACE_BYTES_PER_S)
            CHECK_INT(reads, 6000);
        else
            CHECK(p.is_slow || bytes * 2 >= MC_PACE_CREDIT_BYTES);
    }
}

static void recovers(void)
{
    struct mc_map_pace p;
    int64_t now_ns = 0;
    int reads = 0;
    mc_map_pace_init(&p, now_ns);
    run_pace(&p, &now_ns, 60, 30000, &reads);
    CHECK(p.is_slow);
    reads = 0;
    run_pace(&p, &now_ns, 60, 10, &reads);
    CHECK(!p.is_slow);
    reads = 0;
    run_pace(&p, &now_ns, 10, 10, &reads);
    CHECK_INT(reads, 100);
}

static void cost_counts_runs(void)
{
    uint8_t states[100];
    struct mc_map map = {.slot_count = 100, .states = states};
    struct mc_slot_change changes[50];
    memset(states, MC_SLOT_ACTIVE, sizeof states);
    /* Every second slot allocated, the others were used: the lowest free ones, one run. */
    for (uint32_t i = 0; i < 50; i++)
        changes[i] = (struct mc_slot_change){
            .slot_idx = i * 2, .old_state = MC_SLOT_FREE, .state = MC_SLOT_ACTIVE};
    CHECK_INT((int64_t)mc_map_pace_cost(&map, changes, 50), 1);
    /* Free ones are left between: a run each. */
    for (uint32_t i = 0; i < 50; i++)
        states[i * 2 + 1] = MC_SLOT_FREE;
    CHECK_INT((int64_t)mc_map_pace_cost(&map, changes, 50), 50 * 5 / 4);
    CHECK_INT((int64_t)mc_map_pace_cost(&map, changes, 0), 0);
}

enum { SLOTS = 200000, TICKS = 24 };

/* A free list in random order, with changes enough for the credit to be used up at once. */
static void scattered_map(void)
{
    struct fixture x;
    CHECK_INT(fixture_open(&x, NULL), 0);
    struct mc_slab *slab =
        mc_slab_register_flags(x.tracer, "cells", 16, SLOTS, MC_SLAB_STATES_ONLY);
    static uint8_t used[SLOTS];
    const struct mc_frame *frame = NULL;
    int told = 0, was_behind = 0;
    srand(5);
    memset(used, 0, sizeof used);
    for (int t = 0; t < TICKS; t++) {
        for (int i = 0; i < 30000; i++) {
            uint32_t slot = (uint32_t)(rand() % SLOTS);
            used[slot] = !used[slot];
            mc_slot_set(slab, slot, used[slot] ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 0, 0);
        }
        CHECK_INT(mc_sampler_tick(x.sampler, 0, &frame), 0);
        int64_t count = 0, shown = 0;
        const struct mc_source *s = mc_schema_find(frame->schema, MC_KIND_SLAB, "cells");
        const struct mc_map *map = &frame->maps[s->map_idx];
        for (uint32_t i = 0; i < SLOTS; i++) {
            count += used[i];
            shown += map->states[i] != MC_SLOT_FREE;
        }
        const struct mc_source *age =
            mc_schema_find(frame->schema, MC_KIND_GAUGE, "cells: map behind");
        int is_behind = age && frame->values[age->value_idx] > 0;
        /* The number is the program's at every tick; the picture too, unless it says otherwise. */
        CHECK_INT(frame->values[s->value_idx + MC_FIELD(SLAB, USED)], count);
        if (!is_behind)
            CHECK_INT(shown, count);
        else
            CHECK_INT(frame->change_count, 0);
        for (size_t i = 0; i < frame->gap_count; i++)
            told += strcmp(frame->gaps[i].reason, "slots read less often") == 0;
        was_behind += is_behind;
    }
    CHECK(was_behind > 0);
    CHECK_INT(told, 1);
    /* What it is at its end is shown. */
    mc_tracer_close(x.tracer);
    x.tracer = NULL;
    CHECK_INT(mc_sampler_tick(x.sampler, 0, &frame), MC_END);
    const struct mc_source *s = mc_schema_find(frame->schema, MC_KIND_SLAB, "cells");
    for (uint32_t i = 0; i < SLOTS; i++) {
        if ((frame->maps[s->map_idx].states[i] != MC_SLOT_FREE) != used[i]) {
            CHECK(!"the last frame shows the last state");
            break;
        }
    }
    fixture_close(&x);
}

int main(void)
{
    RUN(bytes_are_bounded);
    RUN(recovers);
    RUN(cost_counts_runs);
    RUN(scattered_map);
    return CHECK_DONE();
}
