/* test_store_flips.c: one flipped bit in a trace, anywhere, many times over: whatever can still be
 * read of it, by any way of reading, is what was there before; and what can't be is told.
 *
 * MEMCAM_FLIPS: how many; MEMCAM_FLIPS_SEED: which.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "replay/export.h"
#include "replay/player.h"
#include "store/pack.h"
#include "tests/unit/store_trace.h"
#include "tracer/error.h"

static const struct gen_options gentle = {
    .seed = 42, .lisp_slots = 600, .conn_slots = 40, .requests = 3, .extra_gauges = 2};

/* ---- lines ---------------------------------------------------------------------------------- */

/* What a way of reading gives: lines, in any order. */
struct lines {
    struct mc_buf text, at; /* at: size_t, where each begins in the text; sorted in the end */
    int rc;
};

static const char *line_of(const struct lines *l, size_t i)
{
    return (const char *)l->text.bytes + ((const size_t *)l->at.bytes)[i];
}

static size_t line_count(const struct lines *l)
{
    return l->at.count / sizeof(size_t);
}

static void line_begin(struct lines *l)
{
    mc_buf_add(&l->at, &l->text.count, sizeof l->text.count);
}

static void line_end(struct lines *l)
{
    mc_buf_add_char(&l->text, 0);
}

static const char *sort_text;
static int by_text(const void *a, const void *b)
{
    return strcmp(sort_text + *(const size_t *)a, sort_text + *(const size_t *)b);
}

static void lines_sort(struct lines *l)
{
    sort_text = (const char *)l->text.bytes;
    if (l->at.count)
        qsort(l->at.bytes, line_count(l), sizeof(size_t), by_text);
}

static void lines_fini(struct lines *l)
{
    mc_buf_fini(&l->text);
    mc_buf_fini(&l->at);
}

/* The first line of `got` that `want` has not as often; NULL: there is none. *missing: lines that
 * only `want` has. */
static const char *find_strange(const struct lines *got, const struct lines *want, size_t *missing)
{
    size_t g = 0, w = 0;
    *missing = 0;
    while (g < line_count(got)) {
        int cmp = w < line_count(want) ? strcmp(line_of(got, g), line_of(want, w)) : -1;
        if (cmp < 0)
            return line_of(got, g);
        g += cmp == 0;
        w++;
        *missing += cmp > 0;
    }
    *missing += line_count(want) - w;
    return NULL;
}

/* ---- ways of reading ------------------------------------------------------------------------ */

static int add_row(void *arg, const struct mc_query_row *row)
{
    struct lines *l = arg;
    line_begin(l);
    for (int i = 0; i < row->column_count; i++) {
        mc_buf_add_str(&l->text, row->text[i] ? row->text[i] : "NULL");
        mc_buf_add_char(&l->text, '|');
    }
    line_end(l);
    return 0;
}

static void read_sql(struct mc_reader *r, const char *sql, struct lines *out)
{
    char why[256];
    out->rc = mc_reader_query(r, sql, NULL, add_row, out, NULL, why, sizeof why);
}

static uint64_t sum_of(const void *bytes, size_t count, uint64_t seed)
{
    return mc_sum64(count ? bytes : "", count, seed);
}

/* A frame as two lines: what it is, and how it came to be so, which is another thing behind a
 * hole. */
static void add_frame(const struct mc_frame *f, struct lines *out)
{
    const struct mc_schema *s = f->schema;
    uint64_t names = 0, maps = 0, events = 0, buckets = 0, changes = 0;
    for (uint32_t i = 0; i < s->source_count; i++)
        names = sum_of(s->sources[i].name, strlen(s->sources[i].name), names);
    for (uint32_t i = 0; i < s->string_count; i++)
        names = sum_of(s->strings[i], strlen(s->strings[i]), names);
    for (uint32_t i = 0; i < s->map_count; i++) {
        const struct mc_map *m = &f->maps[i];
        maps = sum_of(m->states, m->slot_count, maps);
        if (m->owners) {
            maps = sum_of(m->owners, m->slot_count * sizeof *m->owners, maps);
            maps = sum_of(m->conns, m->slot_count * sizeof *m->conns, maps);
        }
    }
    for (size_t i = 0; i < f->event_count; i++)
        events = sum_of(&f->events[i], sizeof f->events[i], events);
    for (size_t i = 0; i < f->bucket_count; i++) {
        const uint64_t b[] = {f->buckets[i].source_idx, f->buckets[i].bucket_idx,
                              f->buckets[i].count};
        buckets = sum_of(b, sizeof b, buckets);
    }
    int behind_hole = 0;
    for (size_t i = 0; i < f->gap_count; i++)
        behind_hole |= strcmp(f->gaps[i].reason, "damaged") == 0;
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        const uint64_t n[] = {c->map_idx, c->slot_idx, c->old_state,
                              c->state,   c->owner,    c->conn_id};
        changes = sum_of(n, sizeof n, changes);
    }
    line_begin(out);
    mc_buf_printf(&out->text, "%lld %llx %llx %llx %llx %llx", (long long)f->ts,
                  (unsigned long long)sum_of(f->values, s->value_count * sizeof *f->values, 0),
                  (unsigned long long)names, (unsigned long long)maps, (unsigned long long)events,
                  (unsigned long long)buckets);
    line_end(out);
    if (!behind_hole) {
        line_begin(out);
        mc_buf_printf(&out->text, "%lld changes %llx gaps %zu", (long long)f->ts,
                      (unsigned long long)changes, f->gap_count);
        line_end(out);
    }
}

static void read_frames(struct mc_reader *r, const char *way, struct lines *out)
{
    int is_back = strcmp(way, "back") == 0;
    for (int64_t run_id = 1; run_id <= 2 && out->rc >= 0; run_id++) {
        struct mc_cursor *c;
        const struct mc_frame *f;
        out->rc = mc_cursor_open(r, run_id, &c);
        if (out->rc < 0)
            return;
        int rc = is_back ? mc_cursor_seek(c, INT64_MAX, &f) : mc_cursor_next(c, &f);
        while (rc == 0) {
            if (!is_back || f->gap_count == 0)
                add_frame(f, out);
            rc = is_back ? mc_cursor_prev(c, &f) : mc_cursor_next(c, &f);
        }
        out->rc = rc;
        mc_cursor_close(c);
    }
}

static void read_runs(struct mc_reader *r, const char *way, struct lines *out)
{
    (void)way;
    struct mc_run_info *runs;
    size_t count;
    out->rc = mc_reader_runs(r, &runs, &count);
    for (size_t i = 0; out->rc == 0 && i < count; i++) {
        line_begin(out);
        mc_buf_printf(
            &out->text, "%lld %s %s %lld %s %s %lld %lld %s %lld %s", (long long)runs[i].run_id,
            runs[i].label, runs[i].host, (long long)runs[i].pid, runs[i].program, runs[i].build,
            (long long)runs[i].start_wall_ns, (long long)runs[i].end_ts,
            runs[i].exit ? runs[i].exit : "NULL", (long long)runs[i].interval_ns, runs[i].config);
        line_end(out);
        mc_run_info_fini(&runs[i]);
    }
    if (out->rc == 0)
        free(runs);
}

static void read_marks(struct mc_reader *r, const char *way, struct lines *out)
{
    (void)way;
    struct mc_mark *marks;
    size_t count;
    for (int64_t run_id = 1; run_id <= 2; run_id++) {
        out->rc = mc_reader_marks(r, run_id, INT64_MIN, INT64_MAX, &marks, &count);
        if (out->rc < 0)
            return;
        for (size_t i = 0; i < count; i++) {
            line_begin(out);
            mc_buf_printf(&out->text, "%lld %lld %lld %lld %s %s", (long long)run_id,
                          (long long)marks[i].mark_id, (long long)marks[i].ts,
                          (long long)marks[i].dur_ns, marks[i].label, marks[i].author);
            line_end(out);
        }
        free(marks);
    }
}

/* Every value's envelope; of a slice that has lost frames it may be smaller. */
static void read_envelope(struct mc_reader *r, const char *way, struct lines *out)
{
    (void)way;
    enum { SLICES = 7, VALUES = 8 };
    uint32_t values[VALUES];
    int64_t min[SLICES * VALUES], max[SLICES * VALUES];
    for (uint32_t i = 0; i < VALUES; i++)
        values[i] = i;
    out->rc = mc_reader_envelope(r, 1, 0, INT64_C(6000000000), values, VALUES, SLICES, min, max);
    for (int i = 0; out->rc == 0 && i < SLICES * VALUES; i++) {
        line_begin(out);
        mc_buf_printf(&out->text, "%d %lld %lld", i, (long long)min[i], (long long)max[i]);
        line_end(out);
    }
}

static int add_bytes(void *arg, const void *bytes, size_t count)
{
    mc_buf_add(arg, bytes, count);
    return 0;
}

/* Append a text's lines. */
static void add_text(struct mc_buf *text, struct lines *out)
{
    mc_buf_add_char(text, 0);
    for (char *at = (char *)text->bytes, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end)
            break;
        *end = 0;
        line_begin(out);
        mc_buf_add_str(&out->text, at);
        line_end(out);
    }
}

static void read_export(struct mc_reader *r, const char *way, struct lines *out)
{
    struct mc_buf text = {0};
    struct mc_export_options opts = {.run_id = 1,
                                     .from = INT64_MIN,
                                     .to = INT64_MAX,
                                     .tables = MC_EXPORT_ALL_TABLES,
                                     .write = add_bytes,
                                     .arg = &text};
    for (int i = 0; i < MC_EXPORT_FORMAT_COUNT; i++) {
        if (strcmp(mc_export_format_name(i), way) == 0)
            opts.format = (enum mc_export_format)i;
    }
    if (opts.format == MC_EXPORT_CSV)
        opts.tables = 1u << MC_EXPORT_POOL_SAMPLE;
    out->rc = mc_export(r, &opts);
    add_text(&text, out);
    mc_buf_fini(&text);
}

/* The stream: documents and patches. */
static void read_stream(struct mc_reader *r, const char *way, struct lines *out)
{
    (void)way;
    struct mc_player_options opts = {.run_id = 1, .from = INT64_MIN, .to = INT64_MAX};
    struct mc_player *p;
    struct mc_buf text = {0};
    int64_t wake_ns;
    out->rc = mc_player_open(r, &opts, &p);
    if (out->rc < 0)
        return;
    while (out->rc == 0)
        out->rc = mc_player_next(p, 1, 1 << 20, &text, &wake_ns);
    mc_player_close(p);
    add_text(&text, out);
    mc_buf_fini(&text);
}

/* Of those that are strict, each line of a damaged file is one of the whole file; of the others, a
 * difference must be told. */
static const struct way {
    void (*read)(struct mc_reader *r, const char *what, struct lines *out);
    const char *what;
    int is_strict;
} ways[] = {
    {read_runs, "", 1},
    {read_marks, "", 1},
    {read_frames, "on", 1},
    {read_frames, "back", 1},
    {read_sql, "SELECT * FROM run", 1},
    {read_sql, "SELECT * FROM source", 1},
    {read_sql, "SELECT * FROM mark", 1},
    {read_sql, "SELECT * FROM gap WHERE reason<>'damaged'", 1},
    {read_sql, "SELECT * FROM pool_sample", 1},
    {read_sql, "SELECT * FROM arena_sample", 1},
    {read_sql, "SELECT * FROM heap_sample", 1},
    {read_sql, "SELECT * FROM metric_sample", 1},
    {read_sql, "SELECT * FROM process_sample", 1},
    {read_sql, "SELECT * FROM gc_event", 1},
    {read_sql, "SELECT *, owner FROM event", 1},
    {read_sql,
     "SELECT run_id, ts, used FROM pool_sample WHERE run_id=1 AND ts>2000000000 "
     "AND ts<=4000000000 AND pool='tcp_buffers' ORDER BY ts DESC",
     1},
    {read_sql, "SELECT * FROM request", 1},
    {read_sql, "SELECT * FROM slot_change", 0},
    {read_sql, "SELECT * FROM slot_state(1,'tcp_buffers',4000000000)", 0},
    {read_sql, "SELECT * FROM summary", 0},
    {read_sql, "SELECT * FROM conn", 0},
    {read_sql, "SELECT * FROM pool_high_water", 0},
    {read_sql, "SELECT * FROM slot_lifetime", 0},
    {read_sql, "SELECT * FROM leak_suspect", 0},
    {read_sql, "SELECT * FROM stall", 0},
    {read_sql, "SELECT run_id, count(*) FROM pool_sample GROUP BY run_id", 0},
    {read_envelope, "", 0},
    {read_export, "csv", 1},
    {read_export, "jsonl", 0},
    {read_export, "openmetrics", 0},
    {read_export, "perfetto", 0},
    {read_stream, "", 0},
};
#define WAY_COUNT (sizeof ways / sizeof ways[0])

static struct lines whole[WAY_COUNT];

/* ---- the trace ------------------------------------------------------------------------------ */

/* Two runs, the second one's end not sealed; marks, gaps. */
static void make(void)
{
    struct mc_writer_options wo = {.chunk_frames = 20};
    struct mc_writer *w;
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    for (int run = 1; run <= 2; run++) {
        struct mc_run_info info = gen_info();
        int64_t run_id = 0;
        info.pid += run;
        CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
        struct gen g;
        gen_init(&g, &gentle);
        for (int i = 0; i < 55; i++) {
            CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
            if (i % 20 == 3)
                CHECK_INT(mc_writer_mark(w, g.ts, i, "the incident", "somebody", NULL), 0);
            if (i % 10 == 9)
                CHECK_INT(mc_writer_flush(w), 0);
        }
        if (run == 1)
            CHECK_INT(mc_writer_end(w, "exit 0"), 0);
        gen_fini(&g);
        if (run == 2)
            mc_writer_close(w);
    }
}

static void read_all(struct lines got[WAY_COUNT], int *rc)
{
    struct mc_reader *r;
    *rc = mc_reader_open(trace_path, &r, NULL, 0);
    for (size_t i = 0; i < WAY_COUNT; i++) {
        got[i] = (struct lines){0};
        if (*rc == 0)
            ways[i].read(r, ways[i].what, &got[i]);
        lines_sort(&got[i]);
    }
    if (*rc == 0)
        mc_reader_close(r);
}

static int gap_is_shown(void)
{
    struct mc_reader *r;
    struct lines gaps = {0};
    if (mc_reader_open(trace_path, &r, NULL, 0) < 0)
        return 1;
    read_sql(r, "SELECT * FROM gap WHERE reason='damaged'", &gaps);
    int shown = gaps.rc < 0 || line_count(&gaps) > 0;
    lines_fini(&gaps);
    mc_reader_close(r);
    return shown;
}

/* ---- flips ---------------------------------------------------------------------------------- */

struct counts {
    int wrong, untold, without_gap, hurt, refused;
};

static void judge(off_t at, int bit, struct counts *c)
{
    struct lines got[WAY_COUNT];
    int rc, differs = 0, lacks = 0;
    const char *what = NULL;
    read_all(got, &rc);
    c->refused += rc < 0;
    for (size_t i = 0; rc == 0 && i < WAY_COUNT; i++) {
        size_t missing;
        const char *strange = find_strange(&got[i], &whole[i], &missing);
        if (strange && ways[i].is_strict) {
            fprintf(stderr, "byte %lld bit %d: '%s' gives %.200s\n", (long long)at, bit,
                    ways[i].what, strange);
            c->wrong++;
        }
        if (got[i].rc >= 0 && (strange || missing)) {
            differs = 1;
            lacks |= ways[i].read != read_marks && ways[i].read != read_runs;
            what = what ? what : ways[i].what;
        }
    }
    for (size_t i = 0; i < WAY_COUNT; i++)
        lines_fini(&got[i]);
    c->hurt += differs;
    int64_t findings = 0;
    if (differs && mc_trace_check(trace_path, NULL, NULL, &findings) == 0 && findings == 0) {
        fprintf(stderr, "byte %lld bit %d: '%s' is not what it was, and nothing is found\n",
                (long long)at, bit, what);
        c->untold++;
    }
    if (differs && lacks && !gap_is_shown()) {
        fprintf(stderr, "byte %lld bit %d: '%s' is not what it was, and no gap is shown\n",
                (long long)at, bit, what);
        c->without_gap++;
    }
}

static void flipped_bits(void)
{
    const char *wanted = getenv("MEMCAM_FLIPS"), *seed = getenv("MEMCAM_FLIPS_SEED");
    int rounds = wanted ? atoi(wanted) : 30, rc;
    struct counts c = {0};
    struct stat st;
    make();
    read_all(whole, &rc);
    CHECK_INT(rc, 0);
    for (size_t i = 0; i < WAY_COUNT; i++) {
        CHECK(whole[i].rc >= 0);
        if (whole[i].rc < 0)
            fprintf(stderr, "%s: %s\n", ways[i].what, mc_strerror(whole[i].rc));
    }
    CHECK(stat(trace_path, &st) == 0);
    int fd = open(trace_path, O_RDWR);
    srand(seed ? (unsigned)atoi(seed) : 1);
    for (int i = 0; i < rounds && check_failures < 20; i++) {
        check_progress(i, rounds);
        off_t at = (off_t)(((uint64_t)rand() << 20 ^ (uint64_t)rand()) % (uint64_t)st.st_size);
        int bit = rand() % 8;
        uint8_t byte;
        CHECK(pread(fd, &byte, 1, at) == 1);
        uint8_t flipped = (uint8_t)(byte ^ 1u << bit);
        CHECK(pwrite(fd, &flipped, 1, at) == 1);
        judge(at, bit, &c);
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
    check_progress(rounds, rounds);
    CHECK_INT(c.wrong, 0);
    CHECK_INT(c.untold, 0);
    CHECK_INT(c.without_gap, 0);
    printf("     %d flips of %lld bytes: %d files were refused, %d had less to tell\n", rounds,
           (long long)st.st_size, c.refused, c.hurt);
    for (size_t i = 0; i < WAY_COUNT; i++)
        lines_fini(&whole[i]);
}

/* ---- plain rows ----------------------------------------------------------------------------- */

static int64_t findings(void)
{
    int64_t count = -1;
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &count), 0);
    return count;
}

/* All that the plain tables tell, as text; the exit of a run that was cut off apart. */
static void read_plain(struct lines *out)
{
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    read_sql(r, "SELECT *, 1 FROM source", out);
    read_sql(r, "SELECT *, 2 FROM mark", out);
    read_sql(r, "SELECT *, 3 FROM gap", out);
    read_sql(r, "SELECT run_id, label, host, pid, start_wall_ns, end_ts, config FROM run", out);
    mc_reader_close(r);
    lines_sort(out);
}

/* A plain row that is changed, or gone, is read from its copy, and the next writer mends it; so it
 * does a copy. A row that is damaged like its copy is left out, and told. */
static void damaged_plain_rows(void)
{
    static const struct {
        const char *sql;
        int findings, is_mended;
        size_t missing;
    } cases[] = {
        {"UPDATE run SET label=upper(label)", 2, 1, 0},
        {"UPDATE source SET name=name||0 WHERE source_id=1", 2, 1, 0},
        {"UPDATE mark SET ts=ts+1 WHERE rowid=2", 2, 1, 0},
        {"DELETE FROM mark WHERE rowid=2", 1, 1, 0},
        {"DELETE FROM gap", -1, 1, 0},
        {"UPDATE row_copy SET body=zeroblob(9) WHERE kind=2", -1, 1, 0},
        {"DELETE FROM row_copy WHERE kind=1", -1, 1, 0},
        {"UPDATE mark SET label=9 WHERE rowid=1;UPDATE row_copy SET checksum=1 WHERE kind=2 AND "
         "row_id=1",
         1, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char command[600];
        struct lines whole_rows = {0};
        make();
        read_plain(&whole_rows);
        snprintf(command, sizeof command, "sqlite3 %s '%s'", trace_path, cases[i].sql);
        CHECK_INT(system(command), 0);
        for (int is_mended = 0; is_mended < 2; is_mended++) {
            struct lines got = {0};
            size_t missing = 0;
            read_plain(&got);
            const char *strange = find_strange(&got, &whole_rows, &missing);
            if (strange)
                fprintf(stderr, "%s: %s\n", cases[i].sql, strange);
            CHECK(!strange);
            CHECK_INT(missing, cases[i].missing);
            lines_fini(&got);
            int64_t found = findings();
            CHECK(is_mended && cases[i].is_mended ? found == 0
                  : cases[i].findings < 0         ? found > 0
                                                  : found == cases[i].findings);
            struct mc_writer *w;
            CHECK_INT(mc_writer_open(trace_path, NULL, &w, NULL, 0), 0);
            mc_writer_close(w);
        }
        lines_fini(&whole_rows);
    }
}

int main(void)
{
    trace_name("flips");
    RUN(flipped_bits);
    RUN(damaged_plain_rows);
    trace_remove();
    return CHECK_DONE();
}
