/* bench_lttng.c: what LTTng-UST takes for an event of five fields, beside bench_tracer.
 *
 * Where liblttng-ust-dev and lttng-tools are installed it records its own events for a moment, in
 * a session, and with a session daemon, of its own. Elsewhere it says so and prints no number.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<lttng/tracepoint.h>)
#define HAVE_LTTNG 1
#endif
#endif

#ifndef HAVE_LTTNG

int main(void)
{
    fprintf(stderr, "bench_lttng: liblttng-ust-dev is not installed: no number\n");
    return 0;
}

#else

#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "tests/bench/lttng_tp.h"

#define ROUNDS 9
#define CALLS 20000u /* to a round; fewer than the buffers hold, so that none is discarded */

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In the traced process: the median of some rounds. */
static int send_events(void)
{
    double rounds[ROUNDS];
    usleep(300000); /* until the daemon has switched the event on */
    if (!lttng_ust_tracepoint_enabled(memcam_bench, response)) {
        fprintf(stderr, "bench_lttng: the event is not switched on: no number\n");
        return 0;
    }
    for (int r = 0; r < ROUNDS; r++) {
        double before = cpu_ns();
        for (uint32_t i = 0; i < CALLS; i++)
            lttng_ust_tracepoint(memcam_bench, response, i, 1, 200, i, i);
        rounds[r] = (cpu_ns() - before) / CALLS;
        usleep(50000); /* the consumer catches up */
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], by_value);
    printf("lttng-ust: event of five fields\t%.2f\tns\n", rounds[ROUNDS / 2]);
    return 0;
}

static const char session_commands[] =
    "lttng-sessiond --daemonize --pidfile=\"$LTTNG_HOME/pid\" >/dev/null 2>&1 && "
    "lttng create memcam-bench --output=\"$LTTNG_HOME/trace\" >/dev/null && "
    "lttng enable-channel -u c --subbuf-size=4M --num-subbuf=8 >/dev/null && "
    "lttng enable-event -u -c c memcam_bench:response >/dev/null && "
    "lttng start >/dev/null && \"$BENCH_LTTNG\" send; lttng destroy memcam-bench >/dev/null; "
    "test -s \"$LTTNG_HOME/pid\" && kill \"$(cat \"$LTTNG_HOME/pid\")\"; "
    "sleep 0.5; rm -rf \"$LTTNG_HOME\"";

int main(int argc, char **argv)
{
    char home[] = "/tmp/memcam-lttng-XXXXXX";
    if (argc > 1 && strcmp(argv[1], "send") == 0)
        return send_events();
    if (system("command -v lttng-sessiond >/dev/null 2>&1") != 0 || !mkdtemp(home)) {
        fprintf(stderr, "bench_lttng: lttng-tools is not installed: no number\n");
        return 0;
    }
    setenv("LTTNG_HOME", home, 1);
    setenv("BENCH_LTTNG", argv[0], 1);
    if (system(session_commands) != 0)
        fprintf(stderr, "bench_lttng: no session could be made: no number\n");
    return 0;
}

#endif
