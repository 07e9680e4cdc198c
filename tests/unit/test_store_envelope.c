/* test_store_envelope.c: the least and the most of values over slices, against the frames; and that
 * little is decoded for it. */
#include "store/reader_priv.h"
#include "tests/unit/store_trace.h"
#include "tracer/error.h"

enum { FRAMES = 1000, CHUNK_FRAMES = 120, SLICES_MOST = 700 };

static const struct gen_options load = {
    .seed = 11, .lisp_slots = 600, .conn_slots = 40, .requests = 8, .extra_gauges = 6};

static int64_t *all; /* of FRAMES frames: values, as many to each as the run has in the end */
static int64_t all_ts[FRAMES];
static uint32_t value_count;

/* A run of which gauges can't be read now and then, one of them not for minutes. It ends in tails.
 */
static void make(struct mc_writer **w)
{
    const struct mc_writer_options wo = {.chunk_frames = CHUNK_FRAMES};
    struct mc_run_info info = gen_info();
    int64_t run_id;
    struct gen g;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(*w, &info, &run_id), 0);
    gen_init(&g, &load);
    all = malloc(FRAMES * 4096 * sizeof *all);
    for (int i = 0; i < FRAMES; i++) {
        struct mc_frame f = *gen_next(&g);
        int64_t *values = all + i * 4096;
        value_count = f.schema->value_count;
        memcpy(values, f.values, value_count * sizeof *values);
        for (uint32_t s = 0, n = 0; s < f.schema->source_count; s++) {
            const struct mc_source *source = &f.schema->sources[s];
            if (source->kind != MC_KIND_GAUGE || ++n > 3)
                continue;
            int64_t *v = &values[source->value_idx];
            *v = n == 1 && i % 37 < 5 ? MC_VALUE_NONE : n == 2 && i / 200 % 2 ? MC_VALUE_NONE : *v;
            *v = n == 3 ? (i % 500 < 130 ? MC_VALUE_NONE : 7) : *v;
        }
        for (uint32_t v = value_count; v < 4096; v++)
            values[v] = MC_VALUE_NONE;
        f.values = values;
        all_ts[i] = f.ts;
        CHECK_INT(mc_writer_frame(*w, &f), 0);
        if (i % 20 == 19)
            CHECK_INT(mc_writer_flush(*w), 0);
    }
    CHECK_INT(mc_writer_flush(*w), 0);
    gen_fini(&g);
}

static void want_slices(int64_t from, int64_t to, uint32_t slices, int64_t *min, int64_t *max)
{
    for (size_t i = 0; i < (size_t)value_count * slices; i++)
        min[i] = max[i] = MC_VALUE_NONE;
    for (int i = 0; i < FRAMES; i++) {
        if (all_ts[i] < from || all_ts[i] >= to)
            continue;
        uint64_t at_ns = (uint64_t)all_ts[i] - (uint64_t)from,
                 span_ns = (uint64_t)to - (uint64_t)from;
        size_t slice = (size_t)((unsigned __int128)at_ns * slices / span_ns);
        for (uint32_t v = 0; v < value_count; v++) {
            int64_t value = all[(size_t)i * 4096 + v];
            size_t at = v * slices + slice;
            if (value == MC_VALUE_NONE)
                continue;
            min[at] = min[at] == MC_VALUE_NONE || value < min[at] ? value : min[at];
            max[at] = max[at] == MC_VALUE_NONE || value > max[at] ? value : max[at];
        }
    }
}

/* Returns how many rows were opened. */
static uint64_t check_span(struct mc_reader *r, int64_t from, int64_t to, uint32_t slices)
{
    size_t cells = (size_t)value_count * slices;
    int64_t *got = malloc(2 * cells * sizeof *got), *want = malloc(2 * cells * sizeof *want);
    uint32_t *value_idx = malloc(value_count * sizeof *value_idx);
    for (uint32_t v = 0; v < value_count; v++)
        value_idx[v] = v;
    uint64_t rows = r->counts.rows;
    CHECK_INT(mc_reader_envelope(r, 1, from, to, value_idx, value_count, slices, got, got + cells),
              0);
    want_slices(from, to, slices, want, want + cells);
    for (size_t i = 0; i < 2 * cells; i++) {
        if (got[i] == want[i])
            continue;
        fprintf(stderr, "%u slices of [%lld, %lld), value %zu, slice %zu: %lld, not %lld\n", slices,
                (long long)from, (long long)to, i % cells / slices, i % slices, (long long)got[i],
                (long long)want[i]);
        CHECK(!"as the frames have it");
        break;
    }
    free(value_idx);
    free(want);
    free(got);
    return r->counts.rows - rows;
}

static void as_the_frames_have_it(void)
{
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    const uint32_t slices[] = {1, 2, 3, 7, 8, 9, 40, 120, 333, SLICES_MOST};
    int64_t first = all_ts[0], end = all_ts[FRAMES - 1] + 1;
    srand(3);
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        check_span(r, first, end, slices[i]);
        check_span(r, 0, 2 * end, slices[i]);
        check_span(r, -end, end, slices[i]);
        for (int n = 0; n < 5; n++) {
            int64_t from = first + rand() % (end - first), to = from + 1 + rand() % (end - from);
            check_span(r, from, to, slices[i]);
            check_span(r, all_ts[rand() % FRAMES], all_ts[FRAMES - 1], slices[i]);
        }
    }
    check_span(r, INT64_MIN, INT64_MAX, 3);
    mc_reader_close(r);
}

/* Of a whole run only what edges go through is opened, and the tails. */
static void summaries_answer(void)
{
    struct mc_reader *r;
    const uint32_t none[1] = {0};
    int64_t min[1], max[1], first = all_ts[0], end = all_ts[FRAMES - 1] + 1;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    uint64_t tails = check_span(r, first, end, 1);
    CHECK(tails > 0 && tails < FRAMES / CHUNK_FRAMES * 3);
    CHECK(check_span(r, first, end, 3) <= tails + 2);
    CHECK_INT(mc_reader_envelope(r, 1, end, first, none, 1, 1, min, max), MC_EINVAL);
    CHECK_INT(mc_reader_envelope(r, 1, first, end, none, 1, 0, min, max), MC_EINVAL);
    CHECK_INT(mc_reader_envelope(r, 2, first, end, none, 1, 1, min, max), MC_ENORUN);
    CHECK_INT(mc_reader_envelope(r, 1, end, end + 5, none, 1, 1, min, max), 0);
    CHECK_INT(min[0], MC_VALUE_NONE);
    CHECK_INT(max[0], MC_VALUE_NONE);
    mc_reader_close(r);
}

/* Each frame's numbers, of a cursor that goes there from anywhere and of one that walks. */
static void a_frame_alone(void)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    srand(4);
    for (int n = 0; n < 300; n++) {
        int i = rand() % FRAMES;
        CHECK_INT(mc_cursor_open(r, 1, &c), 0);
        for (int step = 0; step < 3 && i + step < FRAMES; step++) {
            int rc = step ? mc_cursor_next(c, &f) : mc_cursor_seek(c, all_ts[i], &f);
            CHECK_INT(rc, 0);
            CHECK_INT(f->ts, all_ts[i + step]);
            CHECK(memcmp(f->values, all + (size_t)(i + step) * 4096,
                         f->schema->value_count * sizeof *f->values) == 0);
        }
        mc_cursor_close(c);
    }
    mc_reader_close(r);
}

int main(void)
{
    struct mc_writer *w;
    trace_name("envelope");
    make(&w);
    RUN(as_the_frames_have_it);
    RUN(summaries_answer);
    RUN(a_frame_alone);
    mc_writer_close(w);
    free(all);
    trace_remove();
    return CHECK_DONE();
}
