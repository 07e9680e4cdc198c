/* test_store_plans.c: what SQL pushes down into a trace: the plan in words, what is then not read,
 * and that answers stay those of plain tables, whatever is asked.
 */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "tests/unit/store_sql.h"

/* ---- a trace of four runs: other sources in each, a hole, one not ended ---------------------- */

static void write_run(uint64_t seed, const struct gen_options *opts, int count, int end)
{
    struct mc_writer_options wo = {.chunk_frames = 40};
    struct mc_writer *w;
    struct mc_run_info info = gen_info();
    struct gen g;
    int64_t run_id;
    info.start_wall_ns += (int64_t)seed;
    CHECK_INT(mc_writer_open(trace_path, &wo, &w, NULL, 0), 0);
    CHECK_INT(mc_writer_begin(w, &info, &run_id), 0);
    gen_init(&g, opts);
    for (int i = 0; i < count; i++) {
        const struct mc_frame *f = gen_next(&g);
        if (seed == 3 && i > 50 && i < 60)
            continue;
        CHECK_INT(mc_writer_frame(w, f), 0);
        if (i % 10 == 9)
            CHECK_INT(mc_writer_flush(w), 0);
    }
    if (end)
        CHECK_INT(mc_writer_end(w, "exit 0"), 0);
    mc_writer_close(w);
    gen_fini(&g);
}

static void write_runs(void)
{
    trace_remove();
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct gen_options opts = {.seed = seed,
                                   .lisp_slots = seed == 2 ? 0 : 200,
                                   .conn_slots = 40,
                                   .requests = 4,
                                   .extra_gauges = (uint32_t)seed};
        write_run(seed, &opts, 80 + 20 * (int)seed, seed != 4);
    }
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void plans(void)
{
    static const struct {
        const char *sql, *plan;
        int sorts;
    } cases[] = {
        {"SELECT used FROM pool_sample WHERE run_id=1 AND ts>5 AND ts<=9 AND pool='x' ORDER BY ts",
         "run_id=? AND ts>? AND ts<=? AND pool=? ORDER BY ts READS run_id, ts, pool, used", 0},
        {"SELECT used FROM pool_sample WHERE run_id=1 ORDER BY ts DESC LIMIT 3",
         "run_id=? ORDER BY ts DESC LIMIT ? READS", 0},
        {"SELECT max(ts) FROM event", "ORDER BY ts DESC READS ts", 0},
        {"SELECT ts FROM event ORDER BY ts LIMIT 3", "ORDER BY ts LIMIT ? READS ts", 0},
        {"SELECT ts FROM event ORDER BY ts LIMIT 3 OFFSET 2", "ORDER BY ts READS ts", 0},
        {"SELECT ts FROM slot_change ORDER BY run_id DESC, ts DESC",
         "ORDER BY run_id DESC, ts DESC READS run_id, ts", 0},
        {"SELECT pool, sum(used) FROM pool_sample GROUP BY pool", "ORDER BY pool READS", 0},
        {"SELECT ts FROM pool_sample WHERE run_id=1 ORDER BY pool DESC, ts",
         "run_id=? ORDER BY pool DESC, ts READS", 0},
        {"SELECT ts FROM pool_sample WHERE used>5 AND free BETWEEN 1 AND 9",
         "used>? AND free>=? AND free<=? READS ts, used, free", 0},
        {"SELECT count(*) FROM metric_sample WHERE metric='requests' AND value=7",
         "metric=? AND value=? READS metric, value", 0},
        {"SELECT ts FROM pool_sample WHERE pool='X' COLLATE NOCASE LIMIT 1", ":READS ts, pool", 0},
        {"SELECT ts FROM pool_sample WHERE pool LIKE 'x%' LIMIT 1", ":READS ts, pool", 0},
        {"SELECT ts FROM pool_sample ORDER BY used", ":READS ts, used", 1},
        {"SELECT ts FROM summary ORDER BY ts DESC", ":READS ts", 1},
        {"SELECT * FROM request WHERE run_id=1 AND ts>=5 AND ts<9",
         "type=? AND run_id=? AND begin_ts>=? AND begin_ts<? READS", 0},
        {"SELECT ts FROM event WHERE conn_id=7 AND run_id=1 ORDER BY ts LIMIT 2",
         "conn_id=? AND run_id=? ORDER BY ts LIMIT ? READS", 0},
        {"SELECT slot FROM slot_state(1,'tcp_buffers',5)", "run_id=? AND pool=? AND ts=? READS", 0},
    };
    struct mc_reader *r;
    struct mc_buf a = {0};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[400];
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", cases[i].sql);
        sql_ask(r, sql, &a);
        int found = strstr((char *)a.bytes, cases[i].plan) != NULL;
        int sorts = strstr((char *)a.bytes, "B-TREE") != NULL;
        if (!found || sorts != cases[i].sorts)
            fprintf(stderr, "%s\n%s\n", cases[i].sql, (char *)a.bytes);
        CHECK(found);
        CHECK_INT(sorts, cases[i].sorts);
    }
    mc_buf_fini(&a);
    mc_reader_close(r);
}

/* ---- what is read -----------------------------------------------------------------------------
 */

static struct mc_read_counts cost_of(const char *sql)
{
    struct mc_reader *r;
    struct mc_buf a = {0};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    sql_ask(r, sql, &a);
    struct mc_read_counts counts = r->counts;
    mc_buf_fini(&a);
    mc_reader_close(r);
    return counts;
}

/* Run 1 is 100 frames: chunks of 40, 40 and 20. A chunk that is opened costs its frames' part. */
static void what_is_read(void)
{
    struct mc_read_counts all = cost_of("SELECT used, allocs FROM pool_sample WHERE run_id=1");
    CHECK_INT(all.rows, 3);
    CHECK_INT(all.parts, 6);
    CHECK_INT(all.columns, 3 * 3 * 2); /* of three pools */
    struct mc_read_counts one =
        cost_of("SELECT used FROM pool_sample WHERE run_id=1 AND pool='tcp_buffers'");
    CHECK_INT(one.columns, 3);
    CHECK_INT(cost_of("SELECT count(*) FROM pool_sample WHERE run_id=1").columns, 0);
    CHECK_INT(cost_of("SELECT used FROM pool_sample WHERE run_id=1 AND ts<3000000000").rows, 1);
    CHECK_INT(cost_of("SELECT used FROM pool_sample WHERE run_id=1 AND ts>'9e9'").rows, 1);
    CHECK_INT(cost_of("SELECT used FROM pool_sample WHERE run_id=7").rows, 0);
    CHECK_INT(cost_of("SELECT used FROM pool_sample WHERE ts>NULL").rows, 0);
    CHECK_INT(cost_of("SELECT max(ts) FROM pool_sample WHERE run_id=1").rows, 1);
    CHECK_INT(cost_of("SELECT max(ts) FROM event WHERE run_id=1").rows, 1);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=1 ORDER BY ts DESC LIMIT 2").rows, 1);
    CHECK_INT(cost_of("SELECT used FROM pool_sample WHERE run_id=1 LIMIT 5").rows, 1);
    uint64_t slices = cost_of("SELECT type FROM event WHERE run_id=1").slices;
    CHECK(slices >= 3);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=1 AND type='none'").slices, 0);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=1 AND type='gc'").slices, 0);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=1 AND type='response'").slices, slices);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=2 AND type IN ('tls','close')").slices,
              cost_of("SELECT * FROM event WHERE run_id=2").slices);
    CHECK_INT(cost_of("SELECT * FROM gc_event WHERE run_id=2").slices, 0); /* it has no heap */
    CHECK(cost_of("SELECT * FROM gc_event WHERE run_id=1").slices > 0);
    CHECK_INT(cost_of("SELECT s.name, count(c.conn_id) FROM source AS s JOIN conn AS c ON "
                      "c.run_id=s.run_id WHERE s.run_id=1 GROUP BY 1")
                  .slices,
              slices); /* once, and not for each source */
    /* Of requests, chunks whose events end before the window or all begin behind it; of a
     * connection, chunks that it has no events in. */
    struct mc_read_counts early = cost_of("SELECT * FROM request WHERE run_id=1 AND ts<1500000000");
    struct mc_read_counts newest =
        cost_of("SELECT * FROM request WHERE run_id=1 AND ts>9000000000");
    CHECK(early.pruned >= 1);
    CHECK(early.slices < slices);
    CHECK(newest.slices < slices);
    struct mc_read_counts conn = cost_of("SELECT * FROM event WHERE run_id=1 AND conn_id=(SELECT "
                                         "max(conn_id) FROM event WHERE run_id=1)");
    CHECK(conn.pruned >= 1);
    CHECK_INT(cost_of("SELECT * FROM event WHERE run_id=1 AND conn_id=-5").slices, 0);
    struct mc_read_counts none = cost_of("SELECT ts FROM pool_sample WHERE used>1e6");
    CHECK(none.rows <= 4); /* the tails of the run that has not ended: they have no summary */
    CHECK(none.pruned >= 10);
    struct mc_read_counts late =
        cost_of("SELECT ts FROM pool_sample WHERE run_id=1 AND allocs>=(SELECT max(allocs) FROM "
                "pool_sample WHERE run_id=1)");
    CHECK_INT(late.rows, 3 + 1);
    CHECK_INT(late.pruned, 2);
}

/* ---- the same answers -------------------------------------------------------------------------
 */

static const char *const tables[] = {"pool_sample", "metric_sample", "event",  "slot_change",
                                     "gc_event",    "summary",       "request"};
enum { TABLES = sizeof tables / sizeof tables[0] };

static int copy_row(void *arg, const struct mc_query_row *row)
{
    struct mc_buf *sql = arg;
    static char table[40];
    if (!row->type) {
        snprintf(table, sizeof table, "%s", (char *)sql->bytes);
        return 0;
    }
    sql->count = 0;
    mc_buf_printf(sql, "INSERT INTO %s VALUES (", table);
    for (int i = 0; i < row->column_count; i++) {
        char *value = row->type[i] == SQLITE_TEXT ? sqlite3_mprintf("%Q", row->text[i])
                                                  : sqlite3_mprintf("%s", row->text[i]);
        mc_buf_printf(sql, "%s%s", i ? "," : "", row->type[i] == SQLITE_NULL ? "NULL" : value);
        sqlite3_free(value);
    }
    mc_buf_add_str(sql, ")");
    mc_buf_add_char(sql, 0);
    return sqlite3_exec(plain, (char *)sql->bytes, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static void copy_tables(struct mc_reader *r)
{
    struct mc_buf sql = {0};
    CHECK_INT(sqlite3_open(":memory:", &plain), SQLITE_OK);
    CHECK_INT(
        sqlite3_exec(plain,
                     "CREATE TABLE pool_sample(run_id INTEGER,ts INTEGER,pool TEXT,used "
                     "INTEGER,free INTEGER,capacity INTEGER,high_water INTEGER,allocs "
                     "INTEGER,frees INTEGER,overflow INTEGER);"
                     "CREATE TABLE metric_sample(run_id INTEGER,ts INTEGER,metric TEXT,value "
                     "INTEGER);"
                     "CREATE TABLE event(run_id INTEGER,ts INTEGER,type TEXT,conn_id INTEGER,"
                     "stream_id INTEGER,dur INTEGER,status INTEGER,bytes_in INTEGER,bytes_out "
                     "INTEGER,detail TEXT);"
                     "CREATE TABLE slot_change(run_id INTEGER,ts INTEGER,pool TEXT,slot "
                     "INTEGER,old_state TEXT,new_state TEXT,owner TEXT,conn_id INTEGER);"
                     "CREATE TABLE gc_event(run_id INTEGER,ts INTEGER,dur INTEGER,heap TEXT,"
                     "kind TEXT,before_bytes INTEGER,after_bytes INTEGER);"
                     "CREATE TABLE summary(run_id INTEGER,ts INTEGER,source TEXT,field TEXT,"
                     "min INTEGER,max INTEGER,mean REAL,last INTEGER);"
                     "CREATE TABLE request(run_id INTEGER,ts INTEGER,dur INTEGER,conn_id INTEGER,"
                     "stream_id INTEGER,route TEXT,status INTEGER,bytes_in INTEGER,bytes_out "
                     "INTEGER);BEGIN",
                     NULL, NULL, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < TABLES; i++) {
        char select[80];
        sql.count = 0;
        mc_buf_add_str(&sql, tables[i]);
        mc_buf_add_char(&sql, 0);
        snprintf(select, sizeof select, "SELECT * FROM %s", tables[i]);
        CHECK_INT(mc_reader_query(r, select, NULL, copy_row, &sql, NULL, NULL, 0), 0);
    }
    sqlite3_exec(plain, "COMMIT", NULL, NULL, NULL);
    mc_buf_fini(&sql);
}

static uint32_t roll(uint32_t n)
{
    return (uint32_t)rand() % n;
}

/* A value to compare with: one of the table's, near it, or an odd one. */
static const char *value_of(const char *table, const char *column, char text[160])
{
    static const char *const odd[] = {"NULL",
                                      "-1",
                                      "0",
                                      "'x'",
                                      "''",
                                      "1.5",
                                      "9223372036854775807",
                                      "1e300",
                                      "'5'",
                                      "x'41'",
                                      "3e9",
                                      "'3000000000'",
                                      "-9223372036854775808",
                                      "-1e300"};
    if (roll(6) == 0)
        return odd[roll(sizeof odd / sizeof odd[0])];
    struct mc_buf out = {0};
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT quote(%s) FROM %s LIMIT 1 OFFSET %u", column, table,
             roll(300));
    sql_ask_plain(sql, &out);
    snprintf(text, 160, "%.*s%s", (int)strcspn((char *)out.bytes, "\n"), (char *)out.bytes,
             roll(5) ? "" : "+0.5");
    mc_buf_fini(&out);
    return text[0] ? text : "1";
}

static void add_term(struct mc_buf *sql, const char *table, const char *const columns[4])
{
    static const char *const ops[] = {"<", "<=", ">", ">=", "=", "=", "!=", "IS"};
    char a[160], b[160];
    const char *c = columns[roll(4)];
    switch (roll(6)) {
    case 0:
        mc_buf_printf(sql, "%s BETWEEN %s AND %s", c, value_of(table, c, a), value_of(table, c, b));
        return;
    case 1:
        mc_buf_printf(sql, "%s IN (%s,%s)", c, value_of(table, c, a), value_of(table, c, b));
        return;
    case 2:
        mc_buf_printf(sql, "%s IS %sNULL", c, roll(2) ? "NOT " : "");
        return;
    default:
        mc_buf_printf(sql, "%s %s %s", c, ops[roll(8)], value_of(table, c, a));
    }
}

static void generated(void)
{
    static const char *const columns[TABLES][4] = {
        {"run_id", "ts", "pool", "used"},    {"run_id", "ts", "metric", "value"},
        {"run_id", "ts", "type", "conn_id"}, {"run_id", "ts", "pool", "slot"},
        {"run_id", "ts", "kind", "dur"},     {"run_id", "ts", "source", "max"},
        {"run_id", "ts", "route", "conn_id"}};
    static const char *const orders[] = {"ts", "ts DESC", "run_id, ts DESC", "run_id DESC, ts"};
    struct mc_reader *r;
    struct mc_buf sql = {0};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    copy_tables(r);
    srand(4);
    for (int i = 0; i < 900 && check_failures < 5; i++) {
        size_t t = roll(TABLES);
        const char *order = orders[roll(4)];
        sql.count = 0;
        if (roll(3)) /* ties may come in any order: only what is sorted by is shown */
            mc_buf_printf(&sql, "SELECT run_id, ts FROM %s WHERE ", tables[t]);
        else
            mc_buf_printf(&sql, "SELECT %s, count(*), total(%s), min(ts), max(ts) FROM %s WHERE ",
                          columns[t][2], columns[t][3], tables[t]);
        int grouped = sql.bytes[7] != 'r';
        add_term(&sql, tables[t], columns[t]);
        for (uint32_t n = roll(3); n; n--) {
            mc_buf_add_str(&sql, roll(3) ? " AND " : " OR ");
            add_term(&sql, tables[t], columns[t]);
        }
        if (grouped)
            mc_buf_printf(&sql, " GROUP BY %s ORDER BY %s", columns[t][2], columns[t][2]);
        else
            mc_buf_printf(&sql, " ORDER BY %s%s", order,
                          order[0] == 't' ? ", run_id"
                          : roll(2)       ? " LIMIT 7"
                                          : "");
        mc_buf_add_char(&sql, 0);
        sql_same(r, (char *)sql.bytes);
    }
    /* By ts alone, over all runs; joins that ask for one instant after the other. */
    static const char *const fixed[] = {
        "SELECT ts FROM event ORDER BY ts",
        "SELECT ts FROM pool_sample ORDER BY ts DESC LIMIT 50",
        "SELECT ts FROM slot_change ORDER BY ts LIMIT 9 OFFSET 1000",
        "SELECT DISTINCT ts FROM metric_sample ORDER BY ts DESC LIMIT 5",
        "SELECT count(*), total(b.used) FROM metric_sample a JOIN pool_sample b ON a.ts=b.ts AND "
        "a.run_id=b.run_id WHERE a.metric='gauge_0'",
        "SELECT count(*), total(b.conn_id) FROM pool_sample a JOIN event b ON a.run_id=b.run_id "
        "AND "
        "b.ts BETWEEN a.ts-50000000 AND a.ts WHERE a.pool='tcp_buffers'",
        "SELECT a.pool, count(b.ts) FROM pool_sample a LEFT JOIN gc_event b ON a.run_id=b.run_id "
        "AND b.ts>a.ts GROUP BY a.pool ORDER BY a.pool"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        sql_same(r, fixed[i]);
    mc_buf_fini(&sql);
    sqlite3_close(plain);
    mc_reader_close(r);
}

/* What the events of a connection come to, in one walk, is what grouping them comes to. */
static void connections(void)
{
    static const char *const tails[] = {"", " WHERE run_id=2 AND errors>0", " WHERE reason IS NULL",
                                        " WHERE ts BETWEEN 2000000000 AND 6000000000"};
    struct mc_reader *r;
    struct mc_buf a = {0}, b = {0};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char sql[2000];
        snprintf(sql, sizeof sql, "SELECT * FROM conn%s ORDER BY run_id, conn_id", tails[i]);
        sql_ask(r, sql, &a);
        snprintf(sql, sizeof sql,
                 "SELECT * FROM (SELECT run_id, conn_id, "
                 "min(CASE type WHEN 'accept' THEN ts END) AS ts, "
                 "max(CASE type WHEN 'close' THEN ts END) - "
                 "min(CASE type WHEN 'accept' THEN ts END) AS dur, "
                 "max(CASE type WHEN 'accept' THEN detail END) AS peer, "
                 "max(CASE type WHEN 'accept' THEN owner END) AS owner, "
                 "sum(type='response') AS requests, "
                 "sum(type='error' OR (type='response' AND status>=500)) AS errors, "
                 "sum(CASE type WHEN 'response' THEN bytes_in ELSE 0 END) AS bytes_in, "
                 "sum(CASE type WHEN 'response' THEN bytes_out ELSE 0 END) AS bytes_out, "
                 "min(ts) AS first_ts, max(ts) AS last_ts, "
                 "max(CASE type WHEN 'close' THEN detail END) AS reason "
                 "FROM event WHERE conn_id<>0 GROUP BY run_id, conn_id)%s",
                 tails[i]);
        sql_ask(r, sql, &b);
        CHECK_STR((char *)a.bytes, (char *)b.bytes);
        CHECK(i > 0 || a.count > 1000);
    }
    mc_buf_fini(&a);
    mc_buf_fini(&b);
    mc_reader_close(r);
}

static void percentiles(void)
{
    static const char *const cases[][2] = {
        {"SELECT percentile(column1, 50) FROM (VALUES (3),(1),(NULL),(2))", "2.0\n"},
        {"SELECT percentile(column1, 25) FROM (VALUES (10),(20))", "12.5\n"},
        {"SELECT percentile(column1, 100) FROM (VALUES (10),(2e3))", "2000.0\n"},
        {"SELECT percentile(column1, 99) FROM (VALUES (NULL))", "NULL\n"},
        {"SELECT percentile(1, 99) WHERE 0", "NULL\n"},
    };
    static const char *const wrong[] = {"SELECT percentile(column1, 101) FROM (VALUES (1))",
                                        "SELECT percentile(column1, 'x') FROM (VALUES (1))",
                                        "SELECT percentile(column1, column1) FROM (VALUES (1),(2))",
                                        "SELECT percentile(column1, 5) FROM (VALUES (1),('x'))"};
    struct mc_reader *r;
    struct mc_buf a = {0};
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sql_ask(r, cases[i][0], &a);
        CHECK_STR((char *)a.bytes, cases[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char why[256] = "";
        CHECK(mc_reader_query(r, wrong[i], NULL, sql_add_row, &a, NULL, why, sizeof why) < 0);
        CHECK(strncmp(why, "percentile(value, p):", 21) == 0);
    }
    mc_buf_fini(&a);
    mc_reader_close(r);
}

int main(void)
{
    trace_name("plans");
    write_runs();
    RUN(plans);
    RUN(what_is_read);
    RUN(generated);
    RUN(connections);
    RUN(percentiles);
    trace_remove();
    return CHECK_DONE();
}
