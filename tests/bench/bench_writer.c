/* bench_writer.c: what a writer takes of the process that records: of a tick, while a chunk is
 * sealed or retention drops one, and of memory, over hours. Output: name, value, unit.
 *
 * Usage: bench_writer [HOURS]: of frames at 10 Hz (1), as fast as they can be had.
 */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/store_trace.h"

#define HOUR_FRAMES 36000
#define CHUNK_FRAMES 600

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *name, double value, const char *unit)
{
    printf("%s\t%.4g\t%s\n", name, value, unit);
}

/* Of this process, in pages; what the C library keeps for later given back before. */
static double resident_mb(void)
{
    long total = 0, resident = 0;
    malloc_trim(0);
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld %ld", &total, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static struct mc_writer *begin(int64_t max_bytes, int64_t keep_ns)
{
    const struct mc_writer_options wo = {
        .chunk_frames = CHUNK_FRAMES, .max_bytes = max_bytes, .keep_ns = keep_ns};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    char why[256] = "";
    trace_remove();
    if (mc_writer_open(trace_path, &wo, &w, why, sizeof why) < 0 ||
        mc_writer_begin(w, &info, &run_id) < 0) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    return w;
}

static void print_calls(const char *when, int64_t *took, size_t count)
{
    static const struct {
        const char *name;
        double part;
    } ranks[] = {{"median", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"most", 1}};
    qsort(took, count, sizeof *took, by_number);
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        char name[100];
        snprintf(name, sizeof name, "mc_writer_frame, %s, %s", when, ranks[i].name);
        print(name, (double)took[(size_t)((double)(count - 1) * ranks[i].part)] / 1e3, "us");
    }
}

/* Frames at 100 Hz, ten times as often as by default: what the call takes of a tick by the clock,
 * with the thread's commits, seals and retention beside it. */
static void take_of_ticks(const struct gen_options *load)
{
    enum { FRAMES = 3000 };
    static int64_t took[FRAMES], cpu[FRAMES];
    struct mc_writer *w = begin(4 << 20, 600000000000);
    struct gen g;
    gen_init(&g, load);
    int64_t due = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < FRAMES; i++) {
        const struct mc_frame *f = gen_next(&g);
        due += 10000000;
        struct timespec at = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        int64_t begun = clock_ns(CLOCK_MONOTONIC), begun_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        mc_writer_frame(w, f);
        cpu[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_cpu;
        took[i] = clock_ns(CLOCK_MONOTONIC) - begun;
    }
    mc_writer_close(w);
    gen_fini(&g);
    print_calls("by the clock", took, FRAMES);
    print_calls("CPU", cpu, FRAMES);
}

/* Hours of frames; size is kept, so that retention works all the time. */
static void take_of_memory(const struct gen_options *load, double hours)
{
    struct gen g;
    gen_init(&g, load);
    for (int i = 0; i < 50; i++)
        gen_next(&g);
    double before = resident_mb(), most = 0, first_tenth = 0;
    struct mc_writer *w = begin(16 << 20, INT64_MAX);
    int frames = (int)(hours * HOUR_FRAMES);
    for (int i = 0; i < frames; i++) {
        mc_writer_frame(w, gen_next(&g));
        if (i % 10 == 9)
            mc_writer_flush(w);
        if (i % 100 == 50) {
            double now = resident_mb();
            most = now > most ? now : most;
            if (i < frames / 10)
                first_tenth = most;
        }
    }
    print("hours recorded", hours, "h");
    print("memory of the writer, most in the first tenth", first_tenth - before, "MB");
    print("memory of the writer, most", most - before, "MB");
    print("memory of the writer, in the end", resident_mb() - before, "MB");
    print("trouble", mc_writer_trouble(w) != NULL, "");
    mc_writer_close(w);
    gen_fini(&g);
}

int main(int argc, char **argv)
{
    static const struct gen_options load = {
        .seed = 1, .lisp_slots = 262144, .conn_slots = 2056, .requests = 200, .extra_gauges = 30};
    trace_name("writer");
    take_of_ticks(&load);
    take_of_memory(&load, argc > 1 ? atof(argv[1]) : 1);
    trace_remove();
    return 0;
}
