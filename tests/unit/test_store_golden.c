/* test_store_golden.c: traces of every format version stay readable: tests/golden/vN.db has what
 * vN.txt says. `test_store_golden --make N` made them.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "store/pack.h"
#include "store/trace_format.h"
#include "tests/unit/store_trace.h"

static const struct gen_options gentle = {
    .seed = 42, .lisp_slots = 600, .conn_slots = 40, .requests = 3, .extra_gauges = 2};

static uint64_t sum_of(const void *bytes, size_t count, uint64_t seed)
{
    return mc_sum64(count ? bytes : "", count, seed);
}

/* A frame as a line: what can be read at a glance, and sums of the rest. */
static void dump_frame(const struct mc_frame *f, struct mc_buf *out)
{
    uint64_t values = sum_of(f->values, f->schema->value_count * sizeof *f->values, 0);
    uint64_t maps = 0, names = 0, changes = 0, events = 0, buckets = 0;
    for (uint32_t i = 0; i < f->schema->source_count; i++) {
        const struct mc_source *s = &f->schema->sources[i];
        names = sum_of(s->name, strlen(s->name), names + (uint64_t)s->kind);
    }
    for (uint32_t i = 0; i < f->schema->string_count; i++)
        names = sum_of(f->schema->strings[i], strlen(f->schema->strings[i]), names);
    for (uint32_t i = 0; i < f->schema->map_count; i++) {
        const struct mc_map *m = &f->maps[i];
        maps = sum_of(m->states, m->slot_count, maps);
        if (m->owners) {
            maps = sum_of(m->owners, m->slot_count * sizeof *m->owners, maps);
            maps = sum_of(m->conns, m->slot_count * sizeof *m->conns, maps);
        }
    }
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        const uint64_t fields[] = {c->map_idx, c->slot_idx, c->old_state,
                                   c->state,   c->owner,    c->conn_id};
        changes = sum_of(fields, sizeof fields, changes);
    }
    for (size_t i = 0; i < f->event_count; i++)
        events = sum_of(&f->events[i], sizeof f->events[i], events);
    for (size_t i = 0; i < f->bucket_count; i++) {
        const uint64_t fields[] = {f->buckets[i].source_idx, f->buckets[i].bucket_idx,
                                   f->buckets[i].count};
        buckets = sum_of(fields, sizeof fields, buckets);
    }
    mc_buf_printf(out,
                  "ts %lld values %u %016llx names %u %u %016llx maps %016llx changes %zu %016llx "
                  "events %zu %016llx buckets %zu %016llx",
                  (long long)f->ts, f->schema->value_count, (unsigned long long)values,
                  f->schema->source_count, f->schema->string_count, (unsigned long long)names,
                  (unsigned long long)maps, f->change_count, (unsigned long long)changes,
                  f->event_count, (unsigned long long)events, f->bucket_count,
                  (unsigned long long)buckets);
    for (size_t i = 0; i < f->gap_count; i++)
        mc_buf_printf(out, " gap %lld %lld %llu %s", (long long)f->gaps[i].ts,
                      (long long)f->gaps[i].dur_ns, (unsigned long long)f->gaps[i].lost,
                      f->gaps[i].reason);
    mc_buf_add_char(out, '\n');
}

static void dump(const char *path, struct mc_buf *out)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    char why[256] = "";
    CHECK_INT(mc_reader_open(path, &r, why, sizeof why), 0);
    CHECK_STR(why, "");
    if (why[0])
        return;
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    while (mc_cursor_next(c, &f) == 0)
        dump_frame(f, out);
    mc_cursor_close(c);
    struct mc_mark *marks;
    size_t count = 0;
    CHECK_INT(mc_reader_marks(r, 1, INT64_MIN, INT64_MAX, &marks, &count), 0);
    for (size_t i = 0; i < count; i++)
        mc_buf_printf(out, "mark %lld %lld %lld %s %s\n", (long long)marks[i].mark_id,
                      (long long)marks[i].ts, (long long)marks[i].dur_ns, marks[i].label,
                      marks[i].author);
    free(marks);
    mc_reader_close(r);
    mc_buf_add_char(out, 0);
}

static struct mc_buf read_file(const char *name)
{
    struct mc_buf b = {0};
    int fd = open(name, O_RDONLY);
    uint8_t bytes[4096];
    ssize_t got;
    while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0)
        mc_buf_add(&b, bytes, (size_t)got);
    if (fd >= 0)
        close(fd);
    return b;
}

static void write_file(const char *name, const void *bytes, size_t count)
{
    FILE *f = fopen(name, "wb");
    CHECK(f && fwrite(bytes, 1, count, f) == count);
    if (f)
        fclose(f);
}

/* A trace with sealed chunks, of which one has two legs of maps, and, at its end, tail rows. */
static void make(const char *version)
{
    char name[100];
    trace_write(&trace_wide, 130, 100, 10, 0);
    CHECK_INT(mc_trace_mark(trace_path, 1, 2000000000, 500, "the incident", "somebody", NULL), 0);
    struct mc_buf file = read_file(trace_path), text = {0};
    dump(trace_path, &text);
    snprintf(name, sizeof name, "tests/golden/v%s.db", version);
    write_file(name, file.bytes, file.count);
    snprintf(name, sizeof name, "tests/golden/v%s.txt", version);
    write_file(name, text.bytes, text.count - 1);
    mc_buf_fini(&file);
    mc_buf_fini(&text);
}

static void check_version(int version)
{
    char name[100];
    snprintf(name, sizeof name, "tests/golden/v%d.db", version);
    struct mc_buf file = read_file(name), text = {0};
    CHECK(file.count > 0);
    trace_remove(); /* a copy: reading leaves files beside a trace */
    write_file(trace_path, file.bytes, file.count);
    dump(trace_path, &text);
    snprintf(name, sizeof name, "tests/golden/v%d.txt", version);
    struct mc_buf want = read_file(name);
    mc_buf_add_char(&want, 0);
    CHECK_STR((const char *)text.bytes, (const char *)want.bytes);
    int64_t findings = -1;
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
    CHECK_INT(findings, 0);
    mc_buf_fini(&file);
    mc_buf_fini(&text);
    mc_buf_fini(&want);
}

static void version_1(void)
{
    check_version(1);
}

static void version_2(void)
{
    check_version(2);
}

static void version_3(void)
{
    check_version(3);
}

static void version_4(void)
{
    check_version(4);
}

static void version_5(void)
{
    check_version(5);
}

/* A file of an older version that is recorded into holds what it held, and says that it is newer.
 */
static void goes_on(const char *file_name, const char *text_name)
{
    struct mc_buf file = read_file(file_name), text = {0};
    struct mc_run_info info = gen_info();
    struct mc_writer *w;
    struct gen g;
    int64_t run_id = 0;
    trace_remove();
    write_file(trace_path, file.bytes, file.count);
    const struct mc_writer_options opts = {.keep_ns = INT64_MAX};
    CHECK_INT(mc_writer_open(trace_path, &opts, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    gen_init(&g, &gentle);
    for (int i = 0; i < 20; i++)
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    gen_fini(&g);
    CHECK_INT(run_id, 2);
    dump(trace_path, &text);
    struct mc_buf want = read_file(text_name);
    mc_buf_add_char(&want, 0);
    CHECK_STR((const char *)text.bytes, (const char *)want.bytes);
    mc_buf_fini(&file);
    file = read_file(trace_path);
    CHECK(file.count > 64);
    CHECK_INT(file.count > 64 ? file.bytes[63] : 0, MC_TRACE_VERSION);
    int64_t findings = -1;
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
    CHECK_INT(findings, 0);
    mc_buf_fini(&file);
    mc_buf_fini(&text);
    mc_buf_fini(&want);
}

static void older_versions_go_on(void)
{
    goes_on("tests/golden/v1.db", "tests/golden/v1.txt");
    goes_on("tests/golden/v2.db", "tests/golden/v2.txt");
    goes_on("tests/golden/v3.db", "tests/golden/v3.txt");
    goes_on("tests/golden/v4.db", "tests/golden/v4.txt");
}

int main(int argc, char **argv)
{
    trace_name("golden");
    if (argc == 3 && strcmp(argv[1], "--make") == 0) {
        make(argv[2]);
    } else {
        RUN(version_1);
        RUN(version_2);
        RUN(version_3);
        RUN(version_4);
        RUN(version_5);
        RUN(older_versions_go_on);
    }
    trace_remove();
    return CHECK_DONE();
}
