/* bench_document.c: what a keyframe, an idle delta and a busy delta cost with all pools.
 *
 * CPU time of this thread, median over rounds. Prints name, value and unit, tab-separated.
 */
#include <stdio.h>
#include <time.h>

#include "replay/stream.h"
#include "tests/unit/frames.h"

enum { ROUNDS = 301 };

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

/* The pools of a demo app: its heap of 262,144 cells, connections, buffers, 40 other sources. */
static void make_schema(struct mc_schema *s)
{
    static const struct {
        const char *name;
        uint32_t slots, flags;
    } slabs[] = {{"lval", 262144, 0},
                 {"connections", 2056, MC_SOURCE_HAS_OWNERS},
                 {"tcp_buffers", 400, MC_SOURCE_HAS_OWNERS},
                 {"arenas", 64, MC_SOURCE_HAS_OWNERS}};
    mc_schema_init(s);
    for (int i = 0; i < 4; i++)
        mc_schema_add_string(s, i % 2 ? "app" : "dashboard", 3);
    for (int i = 0; i < 4; i++)
        frames_add_source(s, MC_KIND_SLAB, slabs[i].name, slabs[i].slots, slabs[i].flags);
    for (int i = 0; i < 40; i++)
        frames_add_source(s, MC_KIND_ARENA + i % (MC_KIND_COUNT - 1), "source", 0, 0);
}

static void fill(struct mc_frame *f)
{
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    for (uint32_t i = 0; i < f->schema->value_count; i++)
        values[i] = (int64_t)frames_random(1u << 30);
    for (uint32_t m = 0; m < f->schema->map_count; m++) {
        for (uint32_t i = 0; i < f->maps[m].slot_count; i++) {
            f->maps[m].states[i] = (uint8_t) ".AIpns"[frames_random(6)];
            if (f->maps[m].owners)
                f->maps[m].owners[i] = (uint16_t)frames_random(6);
        }
    }
}

/* 300 values and 500 slots on 100 pages are different in a busy tick. */
static void disturb(struct mc_frame *f)
{
    int64_t *values = (int64_t *)(uintptr_t)f->values;
    for (int i = 0; i < 300; i++)
        values[frames_random(f->schema->value_count)]++;
    for (int i = 0; i < 500; i++)
        f->maps[0].states[frames_random(102400)] ^= 1;
}

int main(void)
{
    struct mc_schema s;
    make_schema(&s);
    struct mc_frame *f = frames_new(&s, NULL, 1), *g = frames_new(&s, NULL, 2);
    fill(f);
    fill(g);
    struct mc_doc *d;
    struct mc_buf b = {0};
    static double keyframe[ROUNDS], idle[ROUNDS], busy[ROUNDS];
    if (mc_doc_new(&d) != 0)
        return 1;
    size_t keyframe_bytes = 0, busy_bytes = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = cpu_us();
        b.count = 0;
        if (mc_doc_keyframe(d, f, &b) != 0)
            return 1;
        keyframe[i] = cpu_us() - start;
        keyframe_bytes = b.count;
    }
    for (int i = 0; i < ROUNDS; i++) {
        double start = cpu_us();
        b.count = 0;
        f->ts++;
        if (mc_doc_delta(d, f, &b) != 0)
            return 1;
        idle[i] = cpu_us() - start;
        disturb(f);
        start = cpu_us();
        b.count = 0;
        if (mc_doc_delta(d, f, &b) != 0)
            return 1;
        busy[i] = cpu_us() - start;
        busy_bytes = b.count;
    }
    printf("document keyframe\t%.1f\tus\n", median(keyframe, ROUNDS));
    printf("document keyframe size\t%zu\tbytes\n", keyframe_bytes);
    printf("document idle delta\t%.1f\tus\n", median(idle, ROUNDS));
    printf("document busy delta\t%.1f\tus\n", median(busy, ROUNDS));
    printf("document busy delta size\t%zu\tbytes\n", busy_bytes);
    mc_buf_fini(&b);
    mc_doc_free(d);
    frames_free(f);
    frames_free(g);
    mc_schema_fini(&s);
    return 0;
}
