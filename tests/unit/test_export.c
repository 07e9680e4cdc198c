/* test_export.c: what exports write of synthetic runs, judged by SQL and by parsers of their own.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "replay/export.h"
#include "replay/export_lanes.h"
#include "tests/unit/json.h"
#include "tests/unit/store_trace.h"
#include "tracer/error.h"

#define FRAMES 300
#define CHUNK_FRAMES 100

static const struct gen_options mixed = {
    .seed = 7, .lisp_slots = 2000, .conn_slots = 100, .requests = 20, .extra_gauges = 3};

/* What the generator made, counted as it was made. */
struct made {
    int64_t events, collections, responses, changes, gaps, pools, metrics;
};

static struct mc_reader *reader;

static struct made write_mixed(void)
{
    struct mc_writer_options wo = {.chunk_frames = CHUNK_FRAMES};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id = 0, mark_id;
    struct made made = {0};
    trace_remove();
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct gen g;
    gen_init(&g, &mixed);
    for (int i = 0; i < FRAMES; i++) {
        const struct mc_frame *f = gen_next(&g);
        CHECK_INT(mc_writer_frame(w, f), 0);
        if (i == 50)
            CHECK_INT(mc_writer_mark(w, f->ts, 0, "a, \"b\"", "me", &mark_id), 0);
        made.changes += (int64_t)f->change_count;
        made.gaps += (int64_t)f->gap_count;
        for (size_t k = 0; k < f->event_count; k++) {
            made.events += f->events[k].type != MC_EVENT_GC;
            made.collections += f->events[k].type == MC_EVENT_GC;
            made.responses += f->events[k].type == MC_EVENT_RESPONSE;
        }
        for (uint32_t k = 0; k < f->schema->source_count; k++) {
            int kind = f->schema->sources[k].kind;
            made.pools += kind == MC_KIND_SLAB;
            made.metrics += kind == MC_KIND_COUNTER || kind == MC_KIND_GAUGE ? 1
                            : kind == MC_KIND_HISTOGRAM                      ? 7
                                                                             : 0;
        }
    }
    CHECK_INT(mc_writer_mark(w, 200000000, 5, "first", "", &mark_id), 0);
    CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    gen_fini(&g);
    CHECK_INT(mc_reader_open(trace_path, &reader, NULL, 0), 0);
    return made;
}

static void done(void)
{
    mc_reader_close(reader);
    trace_remove();
}

/* ---- an export into memory ------------------------------------------------------------------ */

static int keep(void *arg, const void *bytes, size_t count)
{
    mc_buf_add(arg, bytes, count);
    return 0;
}

static char *export_text(enum mc_export_format format, unsigned tables, int64_t from, int64_t to)
{
    struct mc_buf text = {0};
    struct mc_export_options opts = {.format = format,
                                     .run_id = 1,
                                     .from = from,
                                     .to = to,
                                     .tables = tables,
                                     .write = keep,
                                     .arg = &text};
    CHECK_INT(mc_export(reader, &opts), 0);
    mc_buf_add_char(&text, 0);
    return (char *)text.bytes;
}

static char *export_all(enum mc_export_format format)
{
    return export_text(format, MC_EXPORT_ALL_TABLES, INT64_MIN, INT64_MAX);
}

/* ---- CSV is what SQL says ------------------------------------------------------------------- */

static void add_csv(struct mc_buf *out, const char *text)
{
    int quoted = strpbrk(text, ",\"\r\n") != NULL;
    mc_buf_add_str(out, quoted ? "\"" : "");
    for (; *text; text++)
        mc_buf_printf(out, *text == '"' ? "\"\"" : "%c", *text);
    mc_buf_add_str(out, quoted ? "\"" : "");
}

static int sql_row(void *arg, const struct mc_query_row *row)
{
    struct mc_buf *out = arg;
    for (int i = 0; i < row->column_count; i++) {
        mc_buf_add_str(out, i ? "," : "");
        add_csv(out, row->text[i] ? row->text[i] : "");
    }
    mc_buf_add_char(out, '\n');
    return 0;
}

static char *sql_text(const char *table, int64_t from, int64_t to)
{
    char sql[200];
    struct mc_buf text = {0};
    struct mc_query_limits limits = {0};
    int truncated;
    char why[256] = "";
    snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE run_id=1 AND ts>=%lld AND ts<%lld%s", table,
             (long long)from, (long long)to,
             strcmp(table, "mark") == 0 || strcmp(table, "gap") == 0 ? " ORDER BY ts" : "");
    CHECK_INT(mc_reader_query(reader, sql, &limits, sql_row, &text, &truncated, why, sizeof why),
              0);
    CHECK_STR(why, "");
    mc_buf_add_char(&text, 0);
    return (char *)text.bytes;
}

static void csv_is_what_sql_says(void)
{
    write_mixed();
    for (int span = 0; span < 2; span++) {
        int64_t from = span ? 4000000000 : INT64_MIN, to = span ? 17000000000 : INT64_MAX;
        for (int table = 0; table < MC_EXPORT_TABLE_COUNT; table++) {
            char *got = export_text(MC_EXPORT_CSV, 1u << table, from, to);
            char *want = sql_text(mc_export_table_name(table), from, to);
            if (strcmp(got, want) != 0) {
                size_t at = 0, line = 0;
                for (; got[at] == want[at]; at++)
                    line = got[at] == '\n' ? at + 1 : line;
                fprintf(stderr, "%s: %.100s\n  not: %.100s\n", mc_export_table_name(table),
                        got + line, want + line);
            }
            CHECK(strcmp(got, want) == 0);
            free(got);
            free(want);
        }
    }
    done();
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static const char *member(const struct json *object, const char *key)
{
    size_t i = object ? json_index(object, key) : SIZE_MAX;
    return object && i < object->count && object->items[i]->text ? object->items[i]->text : "";
}

static void json_lines_are_all_tables_by_time(void)
{
    struct made made = write_mixed();
    int64_t counts[MC_EXPORT_TABLE_COUNT] = {0}, last_ts = INT64_MIN;
    char *text = export_all(MC_EXPORT_JSONL);
    int wrong_order = 0, wrong_form = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        struct json *j = json_parse(line, strlen(line));
        CHECK(j && j->type == JSON_OBJECT);
        if (!j)
            break;
        wrong_form += strcmp(j->keys[0], "table") != 0 || strcmp(j->keys[1], "run_id") != 0 ||
                      strcmp(j->keys[2], "ts") != 0;
        int table = 0;
        while (table < MC_EXPORT_TABLE_COUNT &&
               strcmp(mc_export_table_name(table), member(j, "table")) != 0)
            table++;
        CHECK(table < MC_EXPORT_TABLE_COUNT);
        counts[table % MC_EXPORT_TABLE_COUNT]++;
        int64_t ts = atoll(member(j, "ts"));
        wrong_order += ts < last_ts;
        last_ts = ts;
        if (table == MC_EXPORT_MARK && ts > 200000000)
            CHECK_STR(member(j, "label"), "a, \"b\"");
        json_free(j);
    }
    CHECK_INT(wrong_order, 0);
    CHECK_INT(wrong_form, 0);
    CHECK_INT(counts[MC_EXPORT_EVENT], made.events);
    CHECK_INT(counts[MC_EXPORT_GC_EVENT], made.collections);
    CHECK_INT(counts[MC_EXPORT_SLOT_CHANGE], made.changes);
    CHECK_INT(counts[MC_EXPORT_GAP], made.gaps);
    CHECK_INT(counts[MC_EXPORT_MARK], 2);
    CHECK_INT(counts[MC_EXPORT_POOL_SAMPLE], made.pools);
    CHECK_INT(counts[MC_EXPORT_METRIC_SAMPLE], made.metrics);
    CHECK_INT(counts[MC_EXPORT_PROCESS_SAMPLE], FRAMES);
    CHECK(made.collections > 0 && made.gaps > 0);
    free(text);
    done();
}

/* ---- OpenMetrics ---------------------------------------------------------------------------- */

struct metric_seen {
    char name[160]; /* with labels, but for the quantile */
    char last[400]; /* the sample's whole name, of the newest line */
    double ts;
};

/* "memcam_x_total{a=\"b\",quantile=\"0.5\"}" without suffix and quantile: the metric. */
static void metric_of(char *line)
{
    char *quantile = strstr(line, "quantile=");
    if (quantile)
        strcpy(quantile, "}");
}

static void openmetrics_stand_together(void)
{
    write_mixed();
    char *text = export_all(MC_EXPORT_OPENMETRICS);
    size_t bytes = strlen(text);
    CHECK(bytes > 6 && strcmp(text + bytes - 6, "# EOF\n") == 0);
    static struct metric_seen seen[400];
    size_t seen_count = 0;
    char families[120][80];
    size_t family_count = 0;
    int64_t used_count = 0, doubled = 0, torn = 0, back = 0, strange = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char family[80] = "", name[200] = "", rest[400] = "";
        if (sscanf(line, "# TYPE %79s", family) == 1) {
            for (size_t i = 0; i < family_count; i++)
                doubled += strcmp(families[i], family) == 0;
            strcpy(families[family_count++ % 120], family);
        }
        if (*line == '#')
            continue;
        const char *current = families[(family_count + 119) % 120];
        strange += strncmp(line, current, strlen(current)) != 0;
        char *close = strrchr(line, '}'), *number = close ? close + 1 : strchr(line, ' ');
        double value, ts;
        strange += !number || sscanf(number, " %lf %lf", &value, &ts) != 2;
        snprintf(rest, sizeof rest, "%.*s", number ? (int)(number - line) : 0, line);
        used_count += strncmp(rest, "memcam_slab_used{", 17) == 0;
        snprintf(name, sizeof name, "%.199s", rest);
        metric_of(name);
        if (strstr(name, "process_state"))
            strcpy(name, "state");
        /* count and sum are of the same metric as the quantiles; they have no other labels */
        struct metric_seen *newest = seen_count ? &seen[seen_count - 1] : NULL;
        if (newest && strcmp(newest->name, name) == 0) {
            back += strcmp(newest->last, rest) == 0 && ts <= newest->ts;
        } else if (!strstr(name, "_histogram")) {
            for (size_t i = 0; i < seen_count; i++)
                torn += strcmp(seen[i].name, name) == 0;
            newest = &seen[seen_count++ % 400];
            snprintf(newest->name, sizeof newest->name, "%.159s", name);
        } else {
            continue;
        }
        snprintf(newest->last, sizeof newest->last, "%.399s", rest);
        newest->ts = ts;
    }
    CHECK_INT(doubled, 0);
    CHECK_INT(torn, 0);
    CHECK_INT(back, 0);
    CHECK_INT(strange, 0);
    CHECK(family_count > 40 && seen_count > 60);
    CHECK_INT(used_count, 2 * FRAMES + FRAMES - 29); /* the third pool comes with frame 30 */
    free(text);
    done();
}

/* ---- Perfetto ------------------------------------------------------------------------------- */

struct track {
    int64_t pid, tid;
    double end; /* of the newest slice: they come by their ends */
    int open;
};

static struct track *track_of(struct track *tracks, int64_t pid, int64_t tid)
{
    struct track *t = tracks;
    while (t->pid && (t->pid != pid || t->tid != tid))
        t++;
    t->pid = pid;
    t->tid = tid;
    return t;
}

static void perfetto_slices_follow_one_another(void)
{
    struct made made = write_mixed();
    char *text = export_all(MC_EXPORT_PERFETTO);
    struct json *j = json_parse(text, strlen(text));
    CHECK(j != NULL);
    size_t at = j ? json_index(j, "traceEvents") : 0;
    struct json *events = j ? j->items[at] : NULL;
    static struct track tracks[4000];
    int64_t requests = 0, collections = 0, begun = 0, ended = 0, overlaps = 0, instants = 0,
            counts = 0;
    for (size_t i = 0; events && i < events->count; i++) {
        const struct json *e = events->items[i];
        char phase = *member(e, "ph");
        int64_t pid = atoll(member(e, "pid"));
        struct track *track = track_of(tracks, pid, atoll(member(e, "tid")));
        double ts = atof(member(e, "ts")), dur = atof(member(e, "dur"));
        if (phase == 'X') {
            requests += pid != 1;
            collections += pid == 1;
            overlaps += ts < track->end - 1e-4; /* µs, printed to the ns */
            track->end = ts + dur;
        } else if (phase == 'B') {
            overlaps += track->open++ || ts < track->end - 1e-4;
            track->end = ts;
            begun++;
        } else if (phase == 'E') {
            overlaps += --track->open != 0 || ts < track->end - 1e-4;
            track->end = ts;
            ended++;
        }
        instants += phase == 'i';
        counts += phase == 'C';
    }
    CHECK_INT(overlaps, 0);
    CHECK_INT(requests, made.responses);
    CHECK_INT(collections, made.collections);
    CHECK_INT(begun, ended);
    CHECK(begun > 60);
    CHECK_INT(instants, made.gaps + 2);
    CHECK(counts > FRAMES);
    json_free(j);
    free(text);
    done();
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

struct stingy {
    int left;
};

static int take_some(void *arg, const void *bytes, size_t count)
{
    struct stingy *s = arg;
    (void)bytes;
    (void)count;
    return s->left-- > 0 ? 0 : MC_ENOSPC;
}

static void a_refused_byte_stops_the_export(void)
{
    write_mixed();
    for (int format = 0; format < MC_EXPORT_FORMAT_COUNT; format++) {
        for (int left = 0; left < 3; left++) {
            struct stingy s = {left};
            struct mc_export_options opts = {.format = (enum mc_export_format)format,
                                             .run_id = 1,
                                             .from = INT64_MIN,
                                             .to = INT64_MAX,
                                             .tables = 1u << MC_EXPORT_SLOT_CHANGE,
                                             .write = take_some,
                                             .arg = &s};
            CHECK_INT(mc_export(reader, &opts), MC_ENOSPC);
            CHECK_INT(s.left, -1);
        }
    }
    done();
}

static void wrong_options_are_refused(void)
{
    write_mixed();
    struct mc_buf text = {0};
    struct mc_export_options opts = {.run_id = 9, .to = 1, .write = keep, .arg = &text};
    opts.tables = 1;
    CHECK_INT(mc_export(reader, &opts), MC_ENORUN);
    opts.run_id = 1;
    opts.from = 1;
    CHECK_INT(mc_export(reader, &opts), MC_EINVAL);
    opts.from = 0;
    opts.tables = 3;
    CHECK_INT(mc_export(reader, &opts), MC_EINVAL);
    opts.tables = 0;
    CHECK_INT(mc_export(reader, &opts), MC_EINVAL);
    CHECK_INT(text.count, 0);
    CHECK(mc_export_format_name(-1) == NULL &&
          mc_export_format_name(MC_EXPORT_FORMAT_COUNT) == NULL);
    CHECK(mc_export_table_name(MC_EXPORT_TABLE_COUNT) == NULL);
    done();
}

static void alter(const char *sql)
{
    sqlite3 *db;
    CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t count_lines(const char *text, const char *with)
{
    int64_t count = 0;
    for (; (text = strstr(text, with)) != NULL; text++)
        count++;
    return count;
}

/* Damage the second of three chunks in its head, in a part, and the last one: what is around it is
 * there, and a gap says so. */
static void damage_is_a_gap(void)
{
    static const char *const damages[] = {
        "UPDATE chunk SET head = zeroblob(length(head)) WHERE chunk_id = 2",
        "UPDATE part SET body = zeroblob(length(body)) WHERE part_id / 256 = 2",
        "UPDATE part SET body = zeroblob(length(body)) WHERE part_id / 256 = 3",
    };
    for (size_t i = 0; i < 3; i++) {
        write_mixed();
        mc_reader_close(reader);
        alter(damages[i]);
        CHECK_INT(mc_reader_open(trace_path, &reader, NULL, 0), 0);
        char *text = export_all(MC_EXPORT_JSONL);
        CHECK_INT(count_lines(text, "{\"table\":\"process_sample\""), FRAMES - CHUNK_FRAMES);
        CHECK_INT(count_lines(text, "\"reason\":\"damaged\""), 1);
        free(text);
        text = export_all(MC_EXPORT_OPENMETRICS);
        /* its samples, and its TYPE and UNIT */
        CHECK_INT(count_lines(text, "memcam_process_rss_bytes "), FRAMES - CHUNK_FRAMES + 2);
        CHECK(count_lines(text, "# EOF") == 1);
        free(text);
        text = export_all(MC_EXPORT_PERFETTO);
        struct json *j = json_parse(text, strlen(text));
        CHECK(j != NULL);
        CHECK_INT(count_lines(text, "gap: damaged"), 1);
        json_free(j);
        free(text);
        done();
    }
}

static void an_empty_run_is_exported(void)
{
    trace_write(&mixed, 0, CHUNK_FRAMES, 0, 1);
    CHECK_INT(mc_reader_open(trace_path, &reader, NULL, 0), 0);
    char *text = export_all(MC_EXPORT_JSONL);
    CHECK_STR(text, "");
    free(text);
    text = export_text(MC_EXPORT_CSV, 1u << MC_EXPORT_MARK, INT64_MIN, INT64_MAX);
    CHECK_STR(text, "run_id,ts,dur,label,author\n");
    free(text);
    text = export_all(MC_EXPORT_OPENMETRICS);
    CHECK_STR(text, "# EOF\n");
    free(text);
    text = export_all(MC_EXPORT_PERFETTO);
    struct json *j = json_parse(text, strlen(text));
    CHECK(j != NULL);
    json_free(j);
    free(text);
    done();
}

/* ---- flat memory ---------------------------------------------------------------------------- */

struct sink {
    int64_t bytes;
    int percent, steps_back;
};

static int count_bytes(void *arg, const void *bytes, size_t count)
{
    struct sink *s = arg;
    (void)bytes;
    s->bytes += (int64_t)count;
    return 0;
}

static void on_progress(void *arg, int percent)
{
    struct sink *s = arg;
    s->steps_back += percent <= s->percent;
    s->percent = percent;
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* A run of 40 chunks costs no more memory than its first two. */
static void memory_stays_flat(void)
{
    struct gen_options opts = {.seed = 3, .conn_slots = 200, .requests = 60, .extra_gauges = 20};
    trace_write(&opts, 4000, CHUNK_FRAMES, 1000, 1);
    for (int format = 0; format < MC_EXPORT_FORMAT_COUNT; format++) {
        struct sink sink = {.percent = -1};
        struct mc_export_options eo = {
            .format = (enum mc_export_format)format,
            .run_id = 1,
            .from = INT64_MIN,
            .to = 20000000000,
            .tables = format == MC_EXPORT_CSV ? 1u << MC_EXPORT_SLOT_CHANGE : MC_EXPORT_ALL_TABLES,
            .write = count_bytes,
            .progress = on_progress,
            .arg = &sink};
        CHECK_INT(mc_reader_open(trace_path, &reader, NULL, 0), 0);
        CHECK_INT(mc_export(reader, &eo), 0);
        int64_t first_bytes = sink.bytes;
        long before_kb = peak_kb();
        sink = (struct sink){.percent = -1};
        eo.to = INT64_MAX;
        CHECK_INT(mc_export(reader, &eo), 0);
        CHECK(sink.bytes > 10 * first_bytes);
        CHECK_INT(sink.percent, 100);
        CHECK_INT(sink.steps_back, 0);
#ifndef __SANITIZE_ADDRESS__ /* freed memory is kept there */
        if (peak_kb() - before_kb > 4096)
            fprintf(stderr, "%s: %ld KB more for %lld bytes\n", mc_export_format_name(format),
                    peak_kb() - before_kb, (long long)sink.bytes);
        CHECK(peak_kb() - before_kb <= 4096);
#else
        (void)before_kb;
#endif
        mc_reader_close(reader);
    }
    trace_remove();
}

/* ---- lanes ---------------------------------------------------------------------------------- */

static void lanes_are_found_and_reused(void)
{
    struct mc_lanes l;
    CHECK_INT(mc_lanes_init(&l), 0);
    uint64_t open[64] = {0};
    uint64_t next = 1, seed = 99;
    int64_t ts = 0;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t *conn = &open[seed >> 58];
        ts += 10;
        struct mc_lane *lane = mc_lanes_find(&l, *conn);
        CHECK((lane != NULL) == (*conn != 0));
        if (lane) {
            CHECK(lane->conn_id == *conn);
            lane->end_ts = ts;
            mc_lanes_give(&l, lane);
            *conn = 0;
        } else {
            *conn = next++ * 8192; /* all of one home, but for the hash */
            lane = mc_lanes_take(&l, *conn, ts);
            CHECK(lane && lane->end_ts == ts);
        }
    }
    CHECK(l.count <= 64);
    CHECK(mc_lanes_find(&l, 0) == NULL && mc_lanes_find(&l, 12345) == NULL);
    /* More than there can be: the last ones get none, and shared ones are cut. */
    for (uint64_t i = 0; i < MC_LANES_MAX + 10; i++)
        mc_lanes_take(&l, UINT64_MAX - i, ts);
    CHECK_INT(l.count, MC_LANES_MAX);
    mc_lanes_fini(&l);
    CHECK_INT(mc_lanes_init(&l), 0);
    for (uint32_t i = 0; i < MC_LANES_MAX + 10; i++) {
        int64_t begin = 0;
        uint32_t lane = mc_lanes_share(&l, &begin, 1000 + i);
        CHECK_INT(lane, i < MC_LANES_MAX ? i : MC_LANES_MAX - 1);
        CHECK(begin == 0 || i >= MC_LANES_MAX);
    }
    mc_lanes_fini(&l);
}

int main(void)
{
    trace_name("export");
    RUN(csv_is_what_sql_says);
    RUN(json_lines_are_all_tables_by_time);
    RUN(openmetrics_stand_together);
    RUN(perfetto_slices_follow_one_another);
    RUN(a_refused_byte_stops_the_export);
    RUN(wrong_options_are_refused);
    RUN(damage_is_a_gap);
    RUN(an_empty_run_is_exported);
    RUN(memory_stays_flat);
    RUN(lanes_are_found_and_reused);
    return CHECK_DONE();
}
