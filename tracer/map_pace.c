/* map_pace.c: how often a slot map is read. */
#include "tracer/map_pace.h"

#include <string.h>

#include "tracer/memcam.h"

#define SECOND_NS INT64_C(1000000000)

void mc_map_pace_init(struct mc_map_pace *p, int64_t now_ns)
{
    *p = (struct mc_map_pace){MC_PACE_CREDIT_BYTES, now_ns, now_ns, 0};
}

int mc_map_pace_due(struct mc_map_pace *p, int64_t now_ns)
{
    int64_t passed_us = (now_ns - p->filled_ns) / 1000;
    if (passed_us > 0) {
        int64_t most_us = (MC_PACE_CREDIT_BYTES - p->credit_bytes) * 1000000 / MC_PACE_BYTES_PER_S;
        p->credit_bytes = passed_us > most_us
                              ? MC_PACE_CREDIT_BYTES
                              : p->credit_bytes + passed_us * MC_PACE_BYTES_PER_S / 1000000;
        p->filled_ns = now_ns;
    }
    if (p->credit_bytes >= MC_PACE_CREDIT_BYTES / 2)
        p->is_slow = 0;
    return !p->is_slow || (p->credit_bytes >= 0 && now_ns - p->read_ns >= SECOND_NS);
}

int mc_map_pace_pay(struct mc_map_pace *p, int64_t now_ns, uint64_t bytes)
{
    int was_slow = p->is_slow;
    p->credit_bytes -= (int64_t)bytes;
    p->read_ns = now_ns;
    p->is_slow |= p->credit_bytes < 0;
    return p->is_slow && !was_slow;
}

static int holds_used(const uint8_t *states, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (states[i] != MC_SLOT_FREE)
            return 1;
    }
    return 0;
}

uint64_t mc_map_pace_cost(const struct mc_map *map, const struct mc_slot_change *changes,
                          size_t count)
{
    /* A run goes on over slots that could not have changed so: used ones for those allocated, free
     * ones for the others. */
    int is_apart[2] = {1, 1};
    uint64_t run_count = 0, letter_count = 0, holder_count = 0;
    uint32_t end = 0;
    uint8_t letter = MC_SLOT_FREE;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = changes[i].slot_idx, between = slot - end;
        int was_used = changes[i].old_state != MC_SLOT_FREE;
        if (between && !is_apart[0])
            is_apart[0] = memchr(map->states + end, MC_SLOT_FREE, between) != NULL;
        if (between && !is_apart[1])
            is_apart[1] = holds_used(map->states + end, between);
        run_count += (uint64_t)is_apart[was_used];
        is_apart[was_used] = 0;
        end = slot + 1;
        if (changes[i].state != MC_SLOT_FREE) {
            letter_count += changes[i].state != letter;
            letter = changes[i].state;
        }
        holder_count += changes[i].conn_id != 0;
    }
    /* Measured by bench_codecs on a heap in random order and on the demo: 1.2 bytes a run. Letters
     * mostly come in patterns, which cost little: the bound is loose where they do not. */
    return run_count * 5 / 4 + letter_count / 16 + holder_count * 2;
}
