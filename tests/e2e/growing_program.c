/* growing_program.c: names letters and registers a slab while it is watched. */
#include <memcam.h>
#include <unistd.h>

int main(void)
{
    struct mc_tracer *t = mc_tracer_open("growing", NULL);
    struct mc_slab *first = mc_slab_register(t, "first", 64, 16), *second = NULL;
    for (uint32_t i = 0; i < 50; i++) {
        mc_slot_set(first, i % 16, i % 3 ? 'Q' : 'Z', 0, 0);
        if (i == 20)
            mc_slab_state_name(first, 'Q', "quick");
        if (i == 30)
            mc_slab_state_name(first, 'Z', "zany");
        if (i == 40) {
            second = mc_slab_register(t, "second", 32, 8);
            mc_slab_state_name(second, 'K', "kilo");
            mc_slot_set(second, 1, 'K', 0, 0);
        }
        usleep(100000);
    }
    mc_tracer_close(t);
    return 0;
}
