/* bench_trace.c: makes the trace that the browser's bench replays: a heap of 262,144 slots under a
 * collector, 2,056 slots of connections, 60 gauges, 2,000 connections with requests at 10 Hz.
 * Usage: bench_trace FILE SECONDS
 */
#define GEN_CONNS 2000u
#include "store/trace.h"
#include "tests/unit/store_frames.h"

int main(int argc, char **argv)
{
    static const struct gen_options load = {
        .seed = 4, .lisp_slots = 262144, .conn_slots = 2056, .requests = 200, .extra_gauges = 60};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    char why[256] = "";
    if (argc != 3) {
        fprintf(stderr, "usage: bench_trace FILE SECONDS\n");
        return 2;
    }
    if (mc_writer_open(argv[1], NULL, &w, why, sizeof why) < 0 ||
        mc_writer_begin(w, &info, &run_id) < 0) {
        fprintf(stderr, "bench_trace: %s: %s\n", argv[1], why);
        return 3;
    }
    struct gen g;
    gen_init(&g, &load);
    int rc = 0;
    for (int frame = 1; frame <= atoi(argv[2]) * 10 && rc == 0; frame++) {
        rc = mc_writer_frame(w, gen_next(&g));
        if (rc == 0 && frame % 10 == 0)
            rc = mc_writer_flush(w);
    }
    mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    gen_fini(&g);
    return rc ? 3 : 0;
}
