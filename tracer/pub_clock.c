/* pub_clock.c: which clock events take their time from, and reading it beside CLOCK_MONOTONIC. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tracer/pub_priv.h"

int64_t mc_pub_clock_mono(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The CPU says that its counter never stops or changes speed (invariant TSC), and the kernel,
 * which watches it, has not found otherwise. */
uint32_t mc_pub_clock_choose(void)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) || !(edx & (1u << 8)))
        return MC_CLOCK_MONOTONIC;
    char text[16] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return MC_CLOCK_MONOTONIC;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got == 4 && memcmp(text, "tsc\n", 4) == 0)
        return MC_CLOCK_TSC;
#endif
    return MC_CLOCK_MONOTONIC;
}

/* Of a few tries, keep the one that took the shortest: no interrupt came between its readings. */
void mc_pub_clock_pair(uint32_t clock, uint64_t *ticks, int64_t *mono_ns)
{
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t before = mc_pub_clock_ticks(clock);
        int64_t mono = mc_pub_clock_mono();
        uint64_t after = mc_pub_clock_ticks(clock);
        if (after - before < shortest) {
            shortest = after - before;
            *ticks = before + (after - before) / 2;
            *mono_ns = mono;
        }
    }
}
