/* bench_store.c: what a trace costs: bytes, encoding, seeking, decoding, SQL; beside plain SQLite
 * rows and JSON with zstd a row. Output: name, value, unit. */
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include "store/chunk.h"
#include "tests/unit/store_trace.h"

enum { FRAMES = 6000 };

static double clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *name, double value, const char *unit)
{
    printf("%s\t%.4g\t%s\n", name, value, unit);
}

static const struct gen_options load = {
    .seed = 1, .lisp_slots = 262144, .conn_slots = 2056, .requests = 200, .extra_gauges = 30};

struct totals {
    uint64_t values, changes, events, frames, json_bytes, json_packed, buckets;
};

/* The frame as JSON, maps as strings: what an obvious recorder would write. */
static void put_json(const struct mc_frame *f, struct mc_buf *json)
{
    json->count = 0;
    mc_buf_printf(json, "{\"ts\":%lld,\"values\":[", (long long)f->ts);
    for (uint32_t v = 0; v < f->schema->value_count; v++)
        mc_buf_printf(json, "%s%lld", v ? "," : "", (long long)f->values[v]);
    mc_buf_add_str(json, "],\"maps\":[");
    for (uint32_t m = 0; m < f->schema->map_count; m++)
        mc_buf_add_json(json, (const char *)f->maps[m].states, f->maps[m].slot_count);
    mc_buf_add_str(json, "],\"events\":[");
    for (size_t i = 0; i < f->event_count; i++)
        mc_buf_printf(json, "{\"ts\":%lld,\"type\":\"%s\",\"conn\":%llu,\"dur\":%llu},",
                      (long long)f->events[i].ts, mc_event_name(f->events[i].type),
                      (unsigned long long)f->events[i].conn_id,
                      (unsigned long long)f->events[i].dur_ns);
    mc_buf_add_str(json, "]}\n");
}

static void record(struct totals *t)
{
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    static double us[FRAMES];
    struct mc_buf json = {0};
    size_t room = ZSTD_compressBound(1 << 20);
    char *packed = malloc(room);
    trace_remove();
    if (mc_writer_open(trace_path, NULL, &w, NULL, 0) < 0 || mc_writer_begin(w, &info, &run_id) < 0)
        exit(1);
    struct gen g;
    gen_init(&g, &load);
    double writing = 0, cpu_all = 0;
    for (int i = 0; i < FRAMES; i++) {
        const struct mc_frame *f = gen_next(&g);
        double before = clock_of(CLOCK_THREAD_CPUTIME_ID);
        mc_writer_frame(w, f);
        us[i] = (clock_of(CLOCK_THREAD_CPUTIME_ID) - before) * 1e6;
        writing += us[i];
        t->values += f->schema->value_count;
        t->changes += f->change_count;
        t->events += f->event_count;
        t->buckets += f->bucket_count;
        t->frames++;
        if (i % 100 == 0) {
            put_json(f, &json);
            t->json_bytes += json.count;
            t->json_packed += ZSTD_compress(packed, room, json.bytes, json.count, 3);
        }
        if (i % 10 == 9) {
            double process = clock_of(CLOCK_PROCESS_CPUTIME_ID);
            mc_writer_flush(w);
            cpu_all += clock_of(CLOCK_PROCESS_CPUTIME_ID) - process;
        }
    }
    mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    gen_fini(&g);
    mc_buf_fini(&json);
    free(packed);
    qsort(us, FRAMES, sizeof us[0], by_double);
    print("store/writer_frame p50", us[FRAMES / 2], "us");
    print("store/writer_frame p99", us[FRAMES * 99 / 100], "us");
    print("store/thread encode and commit", cpu_all * 1e6 / FRAMES, "us CPU per frame");
    print("store/recorder share at 10 Hz", (cpu_all + writing / 1e6) / FRAMES * 10 * 100,
          "% of a core");
}

static int64_t part_bytes(sqlite3 *db, int first, int last)
{
    sqlite3_stmt *stmt;
    sqlite3_prepare_v2(db, "SELECT sum(length(body)) FROM part WHERE part_id%256 BETWEEN ?1 AND ?2",
                       -1, &stmt, NULL);
    sqlite3_bind_int(stmt, 1, first);
    sqlite3_bind_int(stmt, 2, last);
    sqlite3_step(stmt);
    int64_t bytes = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return bytes;
}

static void weigh(const struct totals *t)
{
    sqlite3 *db;
    struct stat st;
    if (sqlite3_open(trace_path, &db) != SQLITE_OK || stat(trace_path, &st) < 0)
        exit(1);
    double frames = (double)t->frames;
    double numbers = (double)part_bytes(db, MC_PART_NUMBERS, MC_PART_NUMBERS + MC_KIND_COUNT - 1);
    double events = (double)part_bytes(db, MC_PART_EVENTS, MC_PART_COUNT - 1);
    double maps = (double)part_bytes(db, MC_PART_MAPS, MC_PART_MAPS) +
                  (double)part_bytes(db, MC_PART_LEGS, MC_PART_EVENTS - 1);
    print("store/numbers", numbers / (double)t->values, "bytes per value");
    print("store/events", events / (double)t->events, "bytes per event");
    print("store/maps", maps / frames, "bytes per frame");
    print("store/maps per change", maps / (double)t->changes, "bytes per change");
    print("store/buckets", (double)part_bytes(db, MC_PART_FOLLOWS, MC_PART_FOLLOWS) / frames,
          "bytes per frame");
    print("store/file", (double)st.st_size / frames, "bytes per frame");
    double samples = (double)((FRAMES + 99) / 100);
    print("peer/JSON", (double)t->json_bytes / samples, "bytes per frame");
    print("peer/JSON + zstd-3 a row", (double)t->json_packed / samples, "bytes per frame");
    print("store/JSON over file", (double)t->json_bytes / samples / ((double)st.st_size / frames),
          "times");
    sqlite3_close(db);
}

static void seek_and_decode(void)
{
    enum { SEEKS = 300 };
    static double ms[SEEKS];
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    int64_t first, last;
    if (mc_reader_open(trace_path, &r, NULL, 0) < 0 || mc_cursor_open(r, 1, &c) < 0 ||
        mc_reader_span(r, 1, &first, &last) < 0)
        exit(1);
    srand(3);
    for (int i = 0; i < SEEKS; i++) {
        int64_t ts = first + (int64_t)((double)rand() / RAND_MAX * (double)(last - first));
        double before = clock_of(CLOCK_THREAD_CPUTIME_ID);
        mc_cursor_seek(c, ts, &f);
        ms[i] = (clock_of(CLOCK_THREAD_CPUTIME_ID) - before) * 1e3;
    }
    qsort(ms, SEEKS, sizeof ms[0], by_double);
    print("store/seek p50", ms[SEEKS / 2], "ms");
    print("store/seek p99", ms[SEEKS * 99 / 100], "ms");
    mc_cursor_seek(c, INT64_MIN, &f);
    double before = clock_of(CLOCK_THREAD_CPUTIME_ID);
    int n = 0;
    while (mc_cursor_next(c, &f) == 0)
        n++;
    double seconds = clock_of(CLOCK_THREAD_CPUTIME_ID) - before;
    print("store/decode forward", (double)n / 10 / seconds, "x real time");
    mc_cursor_leave_out(c, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
    mc_cursor_seek(c, INT64_MIN, &f);
    before = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (n = 0; mc_cursor_next(c, &f) == 0;)
        n++;
    seconds = clock_of(CLOCK_THREAD_CPUTIME_ID) - before;
    print("store/decode of state alone", (double)n / 10 / seconds, "x real time");
    mc_cursor_leave_out(c, 0);
    before = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (n = 0; n < 1000 && mc_cursor_prev(c, &f) == 0;)
        n++;
    seconds = clock_of(CLOCK_THREAD_CPUTIME_ID) - before;
    print("store/decode backward", (double)n / 10 / seconds, "x real time");
    mc_cursor_close(c);
    mc_reader_close(r);
}

/* ---- SQL: 720,000 rows beside the same rows in a plain, indexed table --------------------------
 */

static int ignore_row(void *arg, const struct mc_query_row *row)
{
    (void)arg;
    (void)row;
    return 0;
}

static double time_query(struct mc_reader *r, const char *sql)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double before = clock_of(CLOCK_THREAD_CPUTIME_ID);
        char why[200];
        if (mc_reader_query(r, sql, NULL, ignore_row, NULL, NULL, why, sizeof why) < 0) {
            fprintf(stderr, "%s: %s\n", sql, why);
            exit(1);
        }
        double t = clock_of(CLOCK_THREAD_CPUTIME_ID) - before;
        best = t < best ? t : best;
    }
    return best * 1e3;
}

static double time_plain(sqlite3 *db, const char *sql)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double before = clock_of(CLOCK_THREAD_CPUTIME_ID);
        sqlite3_stmt *stmt;
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
            exit(1);
        while (sqlite3_step(stmt) == SQLITE_ROW)
            ;
        sqlite3_finalize(stmt);
        double t = clock_of(CLOCK_THREAD_CPUTIME_ID) - before;
        best = t < best ? t : best;
    }
    return best * 1e3;
}

static int copy_row(void *arg, const struct mc_query_row *row)
{
    sqlite3_stmt *stmt = arg;
    if (!row->type)
        return 0;
    for (int i = 0; i < row->column_count; i++) {
        if (i == 2)
            sqlite3_bind_text(stmt, i + 1, row->text[i], -1, SQLITE_TRANSIENT);
        else
            sqlite3_bind_int64(stmt, i + 1, atoll(row->text[i]));
    }
    sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return 0;
}

static void compare_sql(void)
{
    enum { POOLS = 10, TICKS = 72000 };
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    trace_remove();
    if (mc_writer_open(trace_path, NULL, &w, NULL, 0) < 0 || mc_writer_begin(w, &info, &run_id) < 0)
        exit(1);
    struct gen g;
    gen_init(&g, &(struct gen_options){.seed = 2});
    for (int i = 0; i < POOLS - 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "pool_%d", i);
        gen_source(&g, MC_KIND_SLAB, name, 0, 0);
    }
    for (int i = 0; i < TICKS; i++) {
        for (uint32_t s = 0; s < g.schema.source_count; s++) {
            int64_t *v = gen_values(&g, s);
            if (g.schema.sources[s].kind != MC_KIND_SLAB)
                continue;
            v[2] += gen_below(&g, 30);
            v[3] += gen_below(&g, (uint32_t)(v[0] > 30 ? 31 : v[0] + 1));
            v[0] = v[2] - v[3];
            v[1] = v[0] > v[1] ? v[0] : v[1];
        }
        g.ts += 100000000;
        struct mc_frame f = {.ts = g.ts, .schema = &g.schema, .values = g.values, .maps = g.maps};
        mc_writer_frame(w, &f);
        if (i % 600 == 599)
            mc_writer_flush(w);
    }
    mc_writer_end(w, "exit 0");
    mc_writer_close(w);
    gen_fini(&g);

    struct mc_reader *r;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    char name[300];
    snprintf(name, sizeof name, "%s-plain", trace_path);
    unlink(name);
    if (mc_reader_open(trace_path, &r, NULL, 0) < 0 || sqlite3_open(name, &db) != SQLITE_OK)
        exit(1);
    sqlite3_exec(db,
                 "PRAGMA journal_mode=OFF; PRAGMA cache_size=-4000; CREATE TABLE pool_sample("
                 "run_id,ts,pool,used,free,capacity,high_water,allocs,frees,overflow); BEGIN",
                 NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO pool_sample VALUES (?,?,?,?,?,?,?,?,?,?)", -1, &stmt, NULL);
    mc_reader_query(r, "SELECT * FROM pool_sample", NULL, copy_row, stmt, NULL, NULL, 0);
    sqlite3_finalize(stmt);
    sqlite3_exec(db, "COMMIT; CREATE INDEX i ON pool_sample (run_id, ts)", NULL, NULL, NULL);
    static const char *const queries[][2] = {
        {"scan of a column", "SELECT sum(used) FROM pool_sample"},
        {"group by over three columns",
         "SELECT pool, sum(used), max(allocs), min(frees) FROM pool_sample GROUP BY pool"},
        {"60 s of all pools", "SELECT pool, max(used) FROM pool_sample WHERE run_id=1 AND "
                              "ts>=3000000000000 AND ts<3060000000000 GROUP BY pool"},
    };
    for (size_t i = 0; i < 3; i++) {
        double ours = time_query(r, queries[i][1]), theirs = time_plain(db, queries[i][1]);
        char label[100];
        snprintf(label, sizeof label, "store/sql %s", queries[i][0]);
        print(label, ours, "ms");
        snprintf(label, sizeof label, "peer/plain table, %s", queries[i][0]);
        print(label, theirs, "ms");
        snprintf(label, sizeof label, "store/sql over plain, %s", queries[i][0]);
        print(label, ours / theirs, "times");
    }
    print("store/sql 60 s without push-down",
          time_query(r, "SELECT pool, max(used) FROM pool_sample WHERE run_id=1 AND "
                        "+ts>=3000000000000 AND +ts<3060000000000 GROUP BY pool"),
          "ms");
    struct stat a, b;
    if (stat(trace_path, &a) == 0 && stat(name, &b) == 0) {
        print("store/sql file", (double)a.st_size / 1e6, "MB");
        print("peer/plain table, file", (double)b.st_size / 1e6, "MB");
        print("peer/plain table", (double)b.st_size / (POOLS * TICKS * 5.0), "bytes per value");
    }
    sqlite3_close(db);
    unlink(name);
    mc_reader_close(r);
}

int main(void)
{
    struct totals t = {0};
    trace_name("bench");
    record(&t);
    weigh(&t);
    seek_and_decode();
    compare_sql();
    trace_remove();
    return check_failures != 0;
}
