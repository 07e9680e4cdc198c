/* store_trace.h: a trace file of a test: its name, its making, its removal. */
#ifndef MC_TEST_STORE_TRACE_H
#define MC_TEST_STORE_TRACE_H

#include <unistd.h>

#include "store/trace.h"
#include "tests/unit/check.h"
#include "tests/unit/store_frames.h"

static char trace_path[256];

static void trace_name(const char *what)
{
    const char *dir = getenv("TMPDIR");
    snprintf(trace_path, sizeof trace_path, "%s/mc_%s_%d.db", dir ? dir : "/tmp", what,
             (int)getpid());
}

static inline void trace_remove(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (int i = 0; i < 4; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s%s", trace_path, suffixes[i]);
        unlink(name);
    }
}

static const struct gen_options trace_busy = {
    .seed = 1, .lisp_slots = 20000, .conn_slots = 400, .requests = 40, .extra_gauges = 20};

/* Its chunks have several legs of maps (MC_LEG_ROLL). */
static const struct gen_options trace_wide = {
    .seed = 5, .lisp_slots = 600, .conn_slots = 40, .requests = 3, .wide_slots = 20000};

/* A new trace of one run of `count` frames, flushed every `flush_every` (0: at the end). */
static inline void trace_write(const struct gen_options *opts, int count, int chunk_frames,
                               int flush_every, int end)
{
    struct mc_writer_options wo = {.chunk_frames = chunk_frames};
    struct mc_writer *w;
    char why[256] = "";
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, why, sizeof why), 0);
    struct mc_run_info info = gen_info();
    int64_t run_id = 0;
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen g;
    gen_init(&g, opts);
    for (int i = 0; i < count; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (flush_every && i % flush_every == flush_every - 1)
            CHECK_INT(mc_writer_flush(w), 0);
    }
    if (end)
        CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    gen_fini(&g);
}

#endif
