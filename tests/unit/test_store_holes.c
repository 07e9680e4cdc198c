/* test_store_holes.c: a damaged chunk is a gap where its frames were, whatever in it is damaged,
 * and however small the window that is asked for.
 */
#include <sqlite3.h>

#include "tests/unit/store_trace.h"
#include "tracer/error.h"

#define CHUNK_FRAMES 20
#define FRAMES 105 /* five chunks, and half of one that is not sealed */
#define TICK_NS INT64_C(100000000)

static const struct gen_options gentle = {
    .seed = 7, .lisp_slots = 100, .conn_slots = 20, .requests = 2, .extra_gauges = 1};

static sqlite3 *db; /* a connection that damages */

static void damage(const char *sql)
{
    char *why = NULL;
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, &why), SQLITE_OK);
    if (why)
        fprintf(stderr, "%s: %s\n", sql, why);
    sqlite3_free(why);
}

static int64_t number(const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t n = -1;
    CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

/* Whether a gap "damaged" of some length touches the window. */
static int shows_gap(struct mc_reader *r, int64_t from, int64_t to)
{
    struct mc_gap *gaps;
    size_t count;
    int shown = 0;
    CHECK_INT(mc_reader_gaps(r, 1, from, to, &gaps, &count), 0);
    for (size_t i = 0; i < count; i++)
        shown |= strcmp(gaps[i].reason, "damaged") == 0 && gaps[i].dur_ns > 0;
    free(gaps);
    return shown;
}

/* Windows of five frames, from end to end: those that touch [first, last] show a gap, those a frame
 * away from it do not. */
static void check_windows(int64_t first, int64_t last, const char *what)
{
    struct mc_reader *r;
    int64_t findings = 0;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    for (int64_t at = 0; at < FRAMES * TICK_NS; at += 5 * TICK_NS) {
        int64_t to = at + 5 * TICK_NS;
        int must = at <= last && to > first, may = at <= last + TICK_NS && to > first - TICK_NS;
        int shown = shows_gap(r, at, to);
        if (shown < must || shown > may)
            fprintf(stderr, "%s: from %.1f s to %.1f s: %s\n", what, (double)at / 1e9,
                    (double)to / 1e9, shown ? "a gap that is none" : "no gap");
        CHECK(shown >= must && shown <= may);
    }
    CHECK(shows_gap(r, INT64_MIN, INT64_MAX));
    mc_reader_close(r);
    CHECK_INT(mc_trace_check(trace_path, NULL, NULL, &findings), 0);
    CHECK(findings > 0);
}

static void open_trace(void)
{
    trace_write(&gentle, FRAMES, CHUNK_FRAMES, 5, 0);
    CHECK_INT(sqlite3_open(trace_path, &db), SQLITE_OK);
    CHECK_INT(number("SELECT count(*) FROM chunk"), FRAMES / CHUNK_FRAMES);
}

/* One bit after the other of each column of a chunk: the first one's, one's between, the last's. */
static void columns_flipped(void)
{
    static const char *const columns[] = {"first_ts",    "last_ts",  "run_id",
                                          "frame_count", "checksum", "codec"};
    open_trace();
    for (int chunk = 1; chunk <= 5; chunk += chunk == 1 ? 1 : 3) {
        char sql[300], what[100];
        snprintf(sql, sizeof sql, "SELECT first_ts FROM chunk WHERE chunk_id=%d", chunk);
        int64_t first = number(sql);
        snprintf(sql, sizeof sql, "SELECT last_ts FROM chunk WHERE chunk_id=%d", chunk);
        int64_t last = number(sql);
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
            for (int bit = 0; bit < 63 && check_failures < 20; bit += bit < 28 ? 9 : 3) {
                snprintf(sql, sizeof sql,
                         "UPDATE chunk SET %s=(%s|(1<<%d))-(%s&(1<<%d)) WHERE chunk_id=%d",
                         columns[i], columns[i], bit, columns[i], bit, chunk);
                snprintf(what, sizeof what, "chunk %d, bit %d of %s", chunk, bit, columns[i]);
                damage(sql);
                check_windows(first, last, what);
                damage(sql); /* and back */
            }
        }
    }
    struct mc_reader *r;
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK(!shows_gap(r, INT64_MIN, INT64_MAX));
    mc_reader_close(r);
    sqlite3_close(db);
}

/* What the flips of a column can't do. */
static void rows_gone_or_changed(void)
{
    static const char *const changes[] = {
        "DELETE FROM chunk WHERE chunk_id=2",
        "DELETE FROM part WHERE part_id=2*256",
        "UPDATE chunk SET head=zeroblob(length(head)) WHERE chunk_id=2",
        "UPDATE chunk SET summary=NULL WHERE chunk_id=2",
        "UPDATE chunk SET first_ts=NULL WHERE chunk_id=2",
        "UPDATE chunk SET last_ts=-1 WHERE chunk_id=2",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        open_trace();
        int64_t first = number("SELECT first_ts FROM chunk WHERE chunk_id=2");
        int64_t last = number("SELECT last_ts FROM chunk WHERE chunk_id=2");
        damage(changes[i]);
        check_windows(first, last, changes[i]);
        sqlite3_close(db);
    }
}

/* A chunk that is damaged while a reader is open, which has found it whole before: once the reader
 * has met the damage, it tells of it. */
static void damaged_under_a_reader(void)
{
    struct mc_reader *r;
    struct mc_cursor *c;
    const struct mc_frame *f;
    int frames = 0;
    open_trace();
    CHECK_INT(mc_reader_open(trace_path, &r, NULL, 0), 0);
    CHECK(!shows_gap(r, INT64_MIN, INT64_MAX));
    damage("UPDATE part SET body=zeroblob(length(body)) WHERE part_id/256=3 AND part_id%256<>0");
    CHECK_INT(mc_cursor_open(r, 1, &c), 0);
    while (mc_cursor_next(c, &f) == 0)
        frames++;
    mc_cursor_close(c);
    CHECK_INT(frames, FRAMES - CHUNK_FRAMES);
    CHECK(shows_gap(r, INT64_MIN, INT64_MAX));
    mc_reader_close(r);
    sqlite3_close(db);
}

int main(void)
{
    trace_name("holes");
    RUN(rows_gone_or_changed);
    RUN(damaged_under_a_reader);
    RUN(columns_flipped);
    trace_remove();
    return CHECK_DONE();
}
