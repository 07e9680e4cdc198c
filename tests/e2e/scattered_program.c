/* scattered_program.c: a traced heap whose free list is in random order: every change is somewhere
 * else. Usage: scattered_program [SECONDS [CHANGES]]: CHANGES (1200) slots every 100 ms.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memcam.h"

#define SLOTS 262144

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 60;
    int changes = argc > 2 ? atoi(argv[2]) : 1200;
    static uint8_t used[SLOTS];
    uint32_t random_state = 12345;
    struct mc_tracer *t = mc_tracer_open("scattered", NULL);
    struct mc_slab *heap = mc_slab_register_flags(t, "heap", 16, SLOTS, MC_SLAB_STATES_ONLY);
    for (uint32_t i = 0; i < SLOTS; i += 2) {
        used[i] = 1;
        mc_slot_set(heap, i, MC_SLOT_ACTIVE, 0, 0);
    }
    for (int tick = 0; tick < seconds * 10; tick++) {
        for (int i = 0; i < changes; i++) {
            uint32_t slot = next_random(&random_state) % SLOTS;
            used[slot] ^= 1;
            mc_slot_set(heap, slot, used[slot] ? MC_SLOT_ACTIVE : MC_SLOT_FREE, 0, 0);
        }
        struct timespec rest = {0, 100000000};
        nanosleep(&rest, NULL);
    }
    mc_tracer_close(t);
    return 0;
}
