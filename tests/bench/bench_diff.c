/* bench_diff.c: two traces of 24 hours, of which one leaks: measured by their summaries, and frame
 * by frame. */
#include <sys/resource.h>

#include "replay/diff.h"
#include "tests/unit/diff_runs.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const char *const *paths, int exact)
{
    struct mc_run_measures m[2] = {0};
    struct mc_diff d;
    int rc = 0;
    double start = cpu_seconds();
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct mc_measure_options o = {
            .run_id = 1, .from = INT64_MIN, .to = INT64_MAX, .exact = exact, .intervals = 1};
        struct mc_reader *r;
        rc = mc_reader_open(paths[i], &r, NULL, 0);
        if (rc)
            break;
        rc = mc_run_measure(r, &o, &m[i]);
        mc_reader_close(r);
    }
    if (rc == 0)
        rc = mc_diff_make(&(struct mc_diff_side){&m[0], 1}, &(struct mc_diff_side){&m[1], 1},
                          &(struct mc_diff_options){MC_ALIGN_CLOCK, MC_DIFF_EFFECT_PCT}, &d);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const char *how = exact ? "every frame" : "summaries";
    printf("diff of two traces of 24 h, %s: CPU\t%.2f\ts\n", how, cpu_seconds() - start);
    printf("diff of two traces of 24 h, %s: memory at most\t%ld\tMB\n", how,
           usage.ru_maxrss / 1024);
    if (rc == 0) {
        printf("diff of two traces of 24 h, %s: leaks found\t%zu\t\n", how, d.leak_count);
        mc_diff_fini(&d);
    }
    mc_run_measures_fini(&m[0]);
    mc_run_measures_fini(&m[1]);
    return rc;
}

int main(void)
{
    char folder[] = "/tmp/memcam-bench-XXXXXX", a[64], b[64];
    if (!mkdtemp(folder))
        return 1;
    snprintf(a, sizeof a, "%s/a.db", folder);
    snprintf(b, sizeof b, "%s/b.db", folder);
    struct sim_options o = {.frames = 864000, .seed = 1};
    int rc = sim_run(a, &o);
    o.seed = 2;
    o.leak_slots = 0.002; /* some 14,000 in all */
    if (rc == 0)
        rc = sim_run(b, &o);
    const char *const paths[2] = {a, b};
    if (rc == 0)
        rc = compare(paths, 0);
    if (rc == 0)
        rc = compare(paths, 1);
    unlink(a);
    unlink(b);
    rmdir(folder);
    return rc != 0;
}
