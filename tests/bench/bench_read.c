/* bench_read.c: what reading a recording costs: state and frames decoded both ways, every frame as
 * a stream, the document at random moments of a freshly opened file, overviews of all values.
 * Usage: bench_read FILE [RUN [WHAT]]; one WHAT of those below, else all. CPU time of this thread.
 * Prints name, value and unit, tab-separated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replay/overview_peaks.h"
#include "replay/player.h"
#include "store/trace.h"
#include "tracer/error.h"

static const char *path;
static int64_t run_id = 1, first_ts, last_ts;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_reader(struct mc_reader **r)
{
    char why[256] = "";
    int rc = mc_reader_open(path, r, why, sizeof why);
    if (rc < 0)
        fprintf(stderr, "bench_read: %s: %s\n", path, why);
    return rc;
}

static void print(const char *what, double used, uint64_t frames)
{
    printf("read/%s\t%.0f\ttimes real time\n", what, (double)(last_ts - first_ts) / 1e9 / used);
    printf("read/%s: CPU\t%.1f\tus per frame\n", what, used * 1e6 / (double)frames);
}

/* All frames through a cursor. */
static int decode(const char *what, unsigned left_out, int backward)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    uint64_t frames = 0;
    if (open_reader(&r) < 0)
        return 1;
    int rc = mc_cursor_open(r, run_id, &c);
    if (rc == 0) {
        mc_cursor_leave_out(c, left_out);
        double start = cpu_s();
        rc = mc_cursor_seek(c, backward ? INT64_MAX : INT64_MIN, &f);
        while (rc == 0) {
            frames++;
            rc = backward ? mc_cursor_prev(c, &f) : mc_cursor_next(c, &f);
        }
        print(what, cpu_s() - start, frames);
        mc_cursor_close(c);
    }
    mc_reader_close(r);
    return rc != MC_END;
}

/* All frames as a stream. */
static int play(const char *what, double speed)
{
    struct mc_reader *r;
    struct mc_player *p;
    struct mc_player_options opts = {.run_id = run_id,
                                     .from = speed < 0 ? INT64_MAX : INT64_MIN,
                                     .to = INT64_MAX,
                                     .speed = speed,
                                     .event_max = 1000};
    struct mc_buf out = {0};
    size_t bytes = 0;
    uint64_t frames = 0;
    int64_t now = 0, wake = 0;
    if (open_reader(&r) < 0)
        return 1;
    int rc = mc_player_open(r, &opts, &p);
    if (rc == 0) {
        double start = cpu_s();
        while (rc == 0) {
            out.count = 0;
            rc = mc_player_next(p, now, 1, &out, &wake);
            bytes += out.count;
            frames += out.count > 0;
            now = wake > now ? wake : now + 1000000;
        }
        print(what, cpu_s() - start, frames);
        printf("read/%s: bytes\t%zu\tbytes\n", what, bytes);
        mc_player_close(p);
    }
    mc_reader_close(r);
    mc_buf_fini(&out);
    return rc != MC_END;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The document at random moments: each with a cursor, or with a reader, of its own. */
static int seek(const char *what, int open_each)
{
    enum { SEEKS = 200 };
    static double ms[SEEKS];
    struct mc_reader *r = NULL;
    uint64_t seed = 1;
    int rc = 0;
    for (int i = 0; rc == 0 && i < SEEKS; i++) {
        struct mc_cursor *c;
        struct mc_doc *doc;
        const struct mc_frame *f;
        struct mc_buf out = {0};
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t ts = first_ts + (int64_t)((seed >> 16) % (uint64_t)(last_ts - first_ts + 1));
        double start = cpu_s();
        if (!r && open_reader(&r) < 0)
            return 1;
        if (mc_doc_new(&doc) != 0 || mc_cursor_open(r, run_id, &c) != 0)
            return 1;
        mc_cursor_leave_out(c, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
        rc = mc_cursor_seek(c, ts, &f);
        if (rc == 0)
            rc = mc_doc_keyframe(doc, f, &out);
        mc_cursor_close(c);
        mc_doc_free(doc);
        mc_buf_fini(&out);
        if (open_each) {
            mc_reader_close(r);
            r = NULL;
        }
        ms[i] = (cpu_s() - start) * 1e3;
    }
    mc_reader_close(r);
    qsort(ms, SEEKS, sizeof ms[0], by_double);
    printf("read/%s p50\t%.2f\tms\nread/%s p99\t%.2f\tms\n", what, ms[SEEKS / 2], what,
           ms[SEEKS * 99 / 100]);
    return rc;
}

/* ---- overviews ------------------------------------------------------------------------------ */

/* The envelope of all values over the last `seconds` (0: the whole run) in so many slices; or the
 * peaks of those that have such. */
static int overview(const char *what, double seconds, uint32_t px, int is_peaks)
{
    struct mc_reader *r;
    const struct mc_schema *schema;
    if (open_reader(&r) < 0 || mc_reader_schema(r, run_id, INT64_MAX, &schema) < 0)
        return 1;
    uint32_t count = 0, *value_idx = malloc((schema->value_count + 1) * sizeof *value_idx);
    for (uint32_t s = 0; s < schema->source_count; s++) {
        const struct mc_source *source = &schema->sources[s];
        for (uint32_t i = 0; i < source->value_count; i++) {
            if (!is_peaks || mc_is_peak_field(source->kind, i))
                value_idx[count++] = source->value_idx + i;
        }
    }
    int64_t *cells = malloc((2 * (size_t)count * px + 1) * sizeof *cells);
    int64_t from = seconds > 0 ? last_ts + 1 - (int64_t)(seconds * 1e9) : first_ts;
    double start = cpu_s();
    int rc = is_peaks ? mc_overview_peaks(r, run_id, from, last_ts + 1, value_idx, count, px, cells)
                      : mc_reader_envelope(r, run_id, from, last_ts + 1, value_idx, count, px,
                                           cells, cells + (size_t)count * px);
    printf("read/%s, %u values\t%.2f\tms\n", what, count, (cpu_s() - start) * 1e3);
    free(cells);
    free(value_idx);
    mc_reader_close(r);
    return rc;
}

int main(int argc, char **argv)
{
    struct mc_reader *r;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: bench_read FILE [RUN [WHAT]]\n");
        return 2;
    }
    path = argv[1];
    run_id = argc > 2 ? atoll(argv[2]) : 1;
    const char *only = argc > 3 ? argv[3] : NULL;
    if (open_reader(&r) < 0 || mc_reader_span(r, run_id, &first_ts, &last_ts) != 0)
        return 3;
    mc_reader_close(r);
    static const struct {
        const char *name;
        unsigned left_out;
        int backward;
        double speed;
        int open_each;
        enum { DECODE, PLAY, SEEK, OVERVIEW, PEAKS } how;
        double seconds;
        uint32_t px;
    } all[] = {
        {"state", MC_CURSOR_CHANGES | MC_CURSOR_EVENTS, 0, 0, 0, DECODE, 0, 0},
        {"state backward", MC_CURSOR_CHANGES | MC_CURSOR_EVENTS, 1, 0, 0, DECODE, 0, 0},
        {"frames", 0, 0, 0, 0, DECODE, 0, 0},
        {"frames backward", 0, 1, 0, 0, DECODE, 0, 0},
        {"stream", 0, 0, 0, 0, PLAY, 0, 0},
        {"stream backward", 0, 1, -1000, 0, PLAY, 0, 0},
        {"seek", 0, 0, 0, 0, SEEK, 0, 0},
        {"open and seek", 0, 0, 0, 1, SEEK, 0, 0},
        {"overview, 400 px", 0, 0, 0, 0, OVERVIEW, 0, 400},
        {"overview, 1200 px", 0, 0, 0, 0, OVERVIEW, 0, 1200},
        {"overview, 4000 px", 0, 0, 0, 0, OVERVIEW, 0, 4000},
        {"overview of an hour, 1200 px", 0, 0, 0, 0, OVERVIEW, 3600, 1200},
        {"overview of 5 minutes, 1200 px", 0, 0, 0, 0, OVERVIEW, 300, 1200},
        {"peaks, 1200 px", 0, 0, 0, 0, PEAKS, 0, 1200},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (only && strcmp(only, all[i].name) != 0)
            continue;
        if (all[i].how == DECODE)
            failed |= decode(all[i].name, all[i].left_out, all[i].backward);
        else if (all[i].how == PLAY)
            failed |= play(all[i].name, all[i].speed);
        else if (all[i].how == SEEK)
            failed |= seek(all[i].name, all[i].open_each);
        else
            failed |= overview(all[i].name, all[i].seconds, all[i].px, all[i].how == PEAKS);
    }
    return failed;
}
