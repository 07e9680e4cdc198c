/* test_store_sql.c: the SQL tables against plain tables of the same rows, and what a query may not.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "tests/unit/store_sql.h"
#include "tracer/error.h"

enum { FRAMES = 330 };

static void run_plain(const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(plain, sql, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, error);
        CHECK(0);
    }
    sqlite3_free(error);
}

static void insert(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    run_plain(sql);
    sqlite3_free(sql);
}

static void put_frame(const struct mc_frame *f)
{
    const struct mc_schema *schema = f->schema;
    for (uint32_t i = 0; i < schema->source_count; i++) {
        const struct mc_source *s = &schema->sources[i];
        const int64_t *v = f->values + s->value_idx;
        if (s->kind == MC_KIND_SLAB)
            insert("INSERT INTO pool_sample VALUES (1,%lld,%Q,%lld,%lld,%u,%lld,%lld,%lld,%lld)",
                   f->ts, s->name, v[0], s->slot_count - v[0], s->slot_count, v[1], v[2], v[3],
                   v[4]);
        if (s->kind == MC_KIND_GAUGE || s->kind == MC_KIND_COUNTER)
            insert("INSERT INTO metric_sample VALUES (1,%lld,%Q,%lld)", f->ts, s->name, v[0]);
        for (uint32_t k = 0; k < s->value_count && s->kind == MC_KIND_HISTOGRAM; k++) {
            char value[32] = "NULL";
            if (v[k] != MC_VALUE_NONE)
                snprintf(value, sizeof value, "%lld", (long long)v[k]);
            insert("INSERT INTO metric_sample VALUES (1,%lld,'%q.%q',%s)", f->ts, s->name,
                   mc_kind_field_name(s->kind, k), value);
        }
    }
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        const char *owner = mc_schema_string(schema, c->owner);
        char conn[32] = "NULL";
        if (c->conn_id)
            snprintf(conn, sizeof conn, "%lld", (long long)c->conn_id);
        insert("INSERT INTO slot_change VALUES (1,%lld,%Q,%u,'%c','%c',%Q,%s)", f->ts,
               schema->sources[f->maps[c->map_idx].source_idx].name, c->slot_idx, c->old_state,
               c->state, owner[0] ? owner : NULL, conn);
    }
    for (size_t i = 0; i < f->event_count; i++) {
        const struct mc_event *e = &f->events[i];
        if (e->type == MC_EVENT_GC)
            insert("INSERT INTO gc_event VALUES (1,%lld,%lld,'lisp',%Q,%lld,%lld)", e->ts,
                   e->dur_ns, mc_schema_string(schema, e->detail), e->bytes_in, e->bytes_out);
        else
            insert("INSERT INTO event VALUES (1,%lld,%Q,%lld,%u)", e->ts, mc_event_name(e->type),
                   e->conn_id, e->stream_id);
    }
}

static const struct gen_options few = {
    .seed = 5, .lisp_slots = 600, .conn_slots = 120, .requests = 10, .extra_gauges = 5};

static void make_both(void)
{
    trace_write(&few, FRAMES, 100, 10, 0);
    CHECK_INT(sqlite3_open(":memory:", &plain), SQLITE_OK);
    run_plain("CREATE TABLE pool_sample(run_id,ts,pool,used,free,capacity,high_water,allocs,frees,"
              "overflow);"
              "CREATE TABLE metric_sample(run_id,ts,metric,value);"
              "CREATE TABLE slot_change(run_id,ts,pool,slot,old_state,new_state,owner,conn_id);"
              "CREATE TABLE gc_event(run_id,ts,dur,heap,kind,before_bytes,after_bytes);"
              "CREATE TABLE event(run_id,ts,type,conn_id,stream_id);BEGIN");
    struct gen g;
    gen_init(&g, &few);
    for (int i = 0; i < FRAMES; i++)
        put_frame(gen_next(&g));
    gen_fini(&g);
    run_plain("COMMIT");
    run_plain("CREATE INDEX of_slot ON slot_change(pool, slot, ts)");
}

/* ---- the same answers ----------------------------------------------------------------------- */

static const char *pick(const char *const *from, size_t count)
{
    return from[(size_t)rand() % count];
}
#define PICK(list) pick(list, sizeof list / sizeof list[0])

/* Queries over random spans, sources, orders and limits. */
static void generated_queries(void)
{
    static const char *const tables[] = {"pool_sample", "pool_sample", "metric_sample",
                                         "slot_change", "event",       "gc_event"};
    static const char *const ops[] = {"<", "<=", ">", ">=", "="};
    static const char *const tails[] = {"", " LIMIT 7", " LIMIT 5 OFFSET 11"};
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    srand(11);
    int64_t last = (int64_t)FRAMES * 100000000;
    for (int i = 0; i < 400 && check_failures < 5; i++) {
        const char *table = PICK(tables);
        char where[400], sql[900];
        int64_t a = (int64_t)((double)rand() / RAND_MAX * (double)last * 1.1) - last / 20;
        snprintf(where, sizeof where, "ts%s%lld", PICK(ops), (long long)a);
        size_t n = strlen(where);
        if (rand() % 2)
            n += (size_t)snprintf(where + n, sizeof where - n, " AND ts<%lld",
                                  (long long)(a + last / 7));
        if (rand() % 2)
            n +=
                (size_t)snprintf(where + n, sizeof where - n, " AND run_id=%d", rand() % 8 ? 1 : 2);
        int pools = strcmp(table, "pool_sample") == 0 || strcmp(table, "slot_change") == 0;
        if (pools && rand() % 2)
            snprintf(where + n, sizeof where - n, " AND pool='%s'",
                     rand() % 3   ? "tcp_buffers"
                     : rand() % 2 ? "late"
                                  : "nobody");
        if (strcmp(table, "pool_sample") == 0 && rand() % 3 == 0)
            snprintf(sql, sizeof sql,
                     "SELECT pool, count(*), sum(used), min(free), max(allocs), avg(frees) FROM %s "
                     "WHERE %s GROUP BY pool ORDER BY pool",
                     table, where);
        else if (rand() % 3 == 0)
            snprintf(sql, sizeof sql, "SELECT count(*), min(ts), max(ts), sum(ts) FROM %s WHERE %s",
                     table, where);
        else
            snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE %s ORDER BY run_id%s, ts%s, %s%s",
                     strcmp(table, "pool_sample") == 0     ? "run_id, ts, pool, used, free"
                     : strcmp(table, "metric_sample") == 0 ? "run_id, ts, metric, value"
                     : strcmp(table, "slot_change") == 0   ? "*"
                     : strcmp(table, "event") == 0         ? "ts, type, conn_id, stream_id"
                                                           : "*",
                     table, where, "", rand() % 3 ? "" : " DESC",
                     strcmp(table, "metric_sample") == 0 ? "metric"
                     : strcmp(table, "event") == 0       ? "type, conn_id, stream_id"
                     : strcmp(table, "gc_event") == 0    ? "dur"
                     : strcmp(table, "slot_change") == 0 ? "pool, slot"
                                                         : "pool",
                     PICK(tails));
        sql_same(r, sql);
    }
    sql_same(r,
             "SELECT ts, count(*) FROM pool_sample WHERE run_id=1 GROUP BY ts ORDER BY ts LIMIT 3");
    sql_same(r, "SELECT a.ts, b.value FROM pool_sample a JOIN metric_sample b ON a.ts=b.ts AND "
                "a.run_id=b.run_id WHERE a.pool='late' AND b.metric='gauge_1' ORDER BY a.ts");
    mc_reader_close(r);
}

static void summaries_and_slot_states(void)
{
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    sql_same_as(r,
                "SELECT ts, min, max, round(mean,6), last FROM summary WHERE "
                "source='tcp_buffers' AND field='used' ORDER BY ts",
                "SELECT second, min(used), max(used), round(avg(used),6), max(last) FROM (SELECT "
                "used, ts/1000000000*1000000000 AS second, last_value(used) OVER (PARTITION BY "
                "ts/1000000000 ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED "
                "FOLLOWING) AS last FROM pool_sample WHERE pool='tcp_buffers') "
                "GROUP BY second ORDER BY second");
    /* A map at a moment is what the changes up to then come to. */
    size_t bytes = sql_same_as(r,
                               "SELECT slot, state, owner, conn_id FROM "
                               "slot_state(1,'tcp_buffers',12345000000) WHERE state<>'.'",
                               "SELECT slot, new_state, owner, conn_id FROM slot_change c WHERE "
                               "pool='tcp_buffers' AND ts=(SELECT max(ts) FROM slot_change d WHERE "
                               "d.pool='tcp_buffers' AND d.slot=c.slot AND d.ts<=12345000000) AND "
                               "new_state<>'.' ORDER BY slot");
    CHECK(bytes > 100);
    /* A slot's life is what lies between the changes to it; one in a span is one that began there.
     */
    for (int spans = 0; spans < 2; spans++) {
        char ours[300], theirs[500];
        const char *span =
            spans ? "AND ts BETWEEN 3000000000 AND 9000000000 AND pool='tcp_buffers'" : "";
        snprintf(ours, sizeof ours,
                 "SELECT ts, dur, pool, slot, owner, conn_id FROM slot_lifetime WHERE run_id=1 %s "
                 "ORDER BY pool, slot, ts",
                 span);
        snprintf(theirs, sizeof theirs,
                 "SELECT ts, next_ts-ts, pool, slot, owner, conn_id FROM (SELECT *, lead(ts) OVER "
                 "(PARTITION BY pool, slot ORDER BY ts) AS next_ts FROM slot_change WHERE "
                 "(old_state='.')<>(new_state='.')) WHERE old_state='.' %s ORDER BY pool, slot, ts",
                 span);
        CHECK(sql_same_as(r, ours, theirs) > 100);
    }
    struct mc_buf a = {0};
    static const char *const views[] = {"conn",
                                        "request",
                                        "pool_high_water",
                                        "slot_lifetime",
                                        "leak_suspect",
                                        "stall",
                                        "gap",
                                        "mark",
                                        "run",
                                        "source",
                                        "heap_sample",
                                        "arena_sample",
                                        "process_sample",
                                        "damaged_span"};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT * FROM %s LIMIT 3", views[i]);
        sql_ask(r, sql, &a);
    }
    mc_buf_fini(&a);
    mc_reader_close(r);
}

/* ---- what a query may not ------------------------------------------------------------------- */

static void refused(void)
{
    static const struct {
        const char *sql;
        int code;
    } cases[] = {
        {"SELECT nothing FROM pool_sample", MC_ESQL},
        {"SELEC 1", MC_ESQL},
        {"", MC_ESQL},
        {"-- only a comment", MC_ESQL},
        {"SELECT 1; SELECT 2", MC_ESQL},
        {"DELETE FROM run", MC_EDENIED},
        {"INSERT INTO mark VALUES (1,1,1,'a','b')", MC_EDENIED},
        {"CREATE TABLE x(a)", MC_EDENIED},
        {"CREATE TEMP TABLE x(a)", MC_EDENIED},
        {"ATTACH '/tmp/elsewhere.db' AS e", MC_EDENIED},
        {"PRAGMA journal_mode=DELETE", MC_EDENIED},
        {"PRAGMA query_only=0", MC_EDENIED},
        {"VACUUM INTO '/tmp/elsewhere.db'", MC_EDENIED},
        {"BEGIN", MC_EDENIED},
        {"SELECT load_extension('x')", MC_EDENIED},
        {"SELECT printf('%.*c', 900000000, 'x')", MC_EDENIED},
        {"SELECT randomblob(1000000000)", MC_EDENIED},
        {"SELECT * FROM pragma_database_list", MC_EDENIED},
        {"SELECT slot FROM slot_state", MC_ESQL},
        {"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
         MC_ELIMIT},
        {"WITH RECURSIVE c(x) AS (SELECT 'aaaaaaaa' UNION ALL SELECT x||x FROM c LIMIT 40) "
         "SELECT max(length(x)) FROM c",
         MC_ELIMIT},
        {"SELECT group_concat(a.ts||b.ts||c.ts) FROM pool_sample a, pool_sample b, pool_sample c",
         MC_ELIMIT},
    };
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    struct mc_query_limits limits = {.rows = 100, .time_ms = 300, .memory_bytes = 16 << 20};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mc_buf out = {0};
        char why[256] = "";
        int rc =
            mc_reader_query(r, cases[i].sql, &limits, sql_add_row, &out, NULL, why, sizeof why);
        if (rc != cases[i].code)
            fprintf(stderr, "%s: %s: %s\n", cases[i].sql, mc_strerror(rc), why);
        CHECK_INT(rc, cases[i].code);
        CHECK(why[0] && !strchr(why, '\n'));
        mc_buf_fini(&out);
    }
    CHECK(access("/tmp/elsewhere.db", F_OK) < 0);
    /* And the next one works. */
    struct mc_buf out = {0};
    int truncated = 0;
    CHECK_INT(mc_reader_query(r, "SELECT ts, x'00ff', NULL, 1.5 FROM pool_sample", &limits,
                              sql_add_row, &out, &truncated, NULL, 0),
              0);
    CHECK_INT(truncated, 1);
    mc_buf_add_char(&out, 0);
    CHECK(strstr((char *)out.bytes, "|00ff|NULL|1.5\n") != NULL);
    mc_buf_fini(&out);
    mc_reader_close(r);
}

/* Rows of a run that is being written are there, tails and chunks alike. */
static void while_it_is_written(void)
{
    trace_remove();
    struct mc_writer_options wo = {.chunk_frames = 30};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    int64_t run_id;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    struct gen g;
    gen_init(&g, &few);
    for (int i = 1; i <= 100; i++) {
        CHECK_INT(mc_writer_frame(w, gen_next(&g)), 0);
        if (i % 20)
            continue;
        CHECK_INT(mc_writer_flush(w), 0);
        struct mc_buf out = {0};
        char want[32];
        CHECK_INT(mc_reader_query(r, "SELECT count(*) FROM pool_sample WHERE pool='lval'", NULL,
                                  sql_add_row, &out, NULL, NULL, 0),
                  0);
        mc_buf_add_char(&out, 0);
        snprintf(want, sizeof want, "%d\n", i);
        CHECK_STR((char *)out.bytes, want);
        mc_buf_fini(&out);
    }
    mc_reader_close(r);
    mc_writer_close(w);
    gen_fini(&g);
}

/* Marks by the writer and afterwards. */
static void marks(void)
{
    trace_write(&few, FRAMES, 100, 10, 1);
    int64_t id = 0;
    CHECK_INT(mc_trace_mark(trace_path, 1, 5000000000, 7, "here", "me", &id), 0);
    CHECK(id > 0);
    CHECK_INT(mc_trace_mark(trace_path, 9, 0, 0, "x", "me", NULL), MC_ENORUN);
    CHECK_INT(mc_trace_mark("/nowhere.db", 1, 0, 0, "x", "me", NULL), MC_ENOENT);
    int64_t other = 0;
    CHECK_INT(mc_trace_mark(trace_path, 1, 6000000000, 7, "gone soon", "me", &other), 0);
    CHECK_INT(mc_trace_mark_remove(trace_path, 2, other), MC_END);
    CHECK_INT(mc_trace_mark_remove(trace_path, 1, other), 0);
    CHECK_INT(mc_trace_mark_remove(trace_path, 1, other), MC_END);
    CHECK_INT(mc_trace_mark_set(trace_path, 1, other, 1, 0, "x"), MC_END);
    CHECK_INT(mc_trace_mark_set(trace_path, 1, id, 1, 0, NULL), MC_EINVAL);
    CHECK_INT(mc_trace_mark_set(trace_path, 1, id, 1, -1, "x"), MC_EINVAL);
    CHECK_INT(mc_trace_mark_set("/nowhere.db", 1, id, 1, 0, "x"), MC_ENOENT);
    CHECK_INT(mc_trace_mark_set(trace_path, 1, id, 4000000000, 0, "there"), 0);
    CHECK_INT(mc_trace_mark_set(trace_path, 1, id, 5000000000, 7, "here"), 0);
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    struct mc_mark *marks;
    size_t count;
    CHECK_INT(mc_reader_marks(r, 1, 0, INT64_MAX, &marks, &count), 0);
    CHECK_INT(count, 1);
    CHECK_STR(marks[0].label, "here");
    CHECK_STR(marks[0].author, "me");
    CHECK_INT(marks[0].ts, 5000000000);
    CHECK_INT(marks[0].dur_ns, 7);
    free(marks);
    mc_reader_close(r);
}

/* The stock shell, with the extension. */
static void extension_in_the_shell(void)
{
    const char *build = getenv("MEMCAM_BUILD");
    char command[900], line[200] = "";
    if (!build || strstr(build, "asan") || strstr(build, "tsan"))
        return; /* a sanitized library does not load into a plain program */
    snprintf(command, sizeof command,
             "sqlite3 %s -cmd '.load %s/memcam_sql.so' "
             "'SELECT count(*), count(DISTINCT pool) FROM pool_sample'",
             trace_path, build);
    FILE *p = popen(command, "r");
    CHECK(p && fgets(line, sizeof line, p));
    CHECK_INT(pclose(p), 0);
    char want[64];
    snprintf(want, sizeof want, "%d|3\n", 2 * FRAMES + FRAMES - 29);
    CHECK_STR(line, want);
}

int main(void)
{
    trace_name("sql");
    make_both();
    RUN(generated_queries);
    RUN(summaries_and_slot_states);
    RUN(refused);
    RUN(while_it_is_written);
    RUN(marks);
    RUN(extension_in_the_shell);
    sqlite3_close(plain);
    trace_remove();
    return CHECK_DONE();
}
