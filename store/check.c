/* check.c: is a trace whole? SQLite's own check, then every row, part and frame. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/check_priv.h"
#include "store/plain.h"
#include "store/reader_priv.h"
#include "store/trace_format.h"
#include "tracer/error.h"

struct check {
    struct mc_reader *reader;
    mc_check_fn fn;
    void *arg;
    int64_t finding_count;
    int64_t row_count, rows_done;
};

static void find(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void find(struct check *c, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->finding_count++;
    if (c->fn)
        c->fn(c->arg, line, 0);
}

static void progress(struct check *c)
{
    c->rows_done++;
    if (c->fn && c->row_count > 0) {
        int64_t percent = 20 + c->rows_done * 80 / c->row_count;
        c->fn(c->arg, NULL, percent > 100 ? 100 : (int)percent);
    }
}

static int check_sqlite(struct check *c)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(c->reader->db, "PRAGMA integrity_check(20)", &stmt), step;
    if (rc < 0) {
        find(c, "SQLite can't check the file: %s", sqlite3_errmsg(c->reader->db));
        return rc == MC_ENOMEM ? rc : 0;
    }
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text && strcmp(text, "ok") != 0)
            find(c, "SQLite: %s", text);
    }
    if (step != SQLITE_DONE)
        find(c, "SQLite's check stopped: %s", sqlite3_errmsg(c->reader->db));
    sqlite3_finalize(stmt);
    if (c->fn)
        c->fn(c->arg, NULL, 20);
    return 0;
}

static int count_rows(struct check *c, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(c->reader->db, sql, &stmt);
    if (rc < 0)
        return rc;
    int step = sqlite3_step(stmt);
    *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return mc_file_error(c->reader->db, step);
}

/* The version in the file's head, which is under no checksum, against its tables, which are known
 * by heart. */
static int check_version(struct check *c)
{
    int64_t said = 0;
    int version = 0;
    int rc = count_rows(c, "PRAGMA user_version", &said);
    if (rc == 0)
        rc = mc_file_check_tables(c->reader->db, &version);
    if (rc == 0 &&
        version != (said > MC_TRACE_VERSION_PLAIN ? MC_TRACE_VERSION : MC_TRACE_VERSION_PLAIN))
        find(c, "the file says that it is of version %d, and has the tables of version %d",
             (int)said, version);
    return rc;
}

static void tell_plain(struct check *c, enum mc_plain_kind kind, const struct mc_plain_row *row)
{
    static const char *const states[] = {"whole", "damaged", "not there"};
    if (row->row == MC_PLAIN_WHOLE && row->copy == MC_PLAIN_WHOLE)
        return;
    find(c, "run %lld: table %s, row %lld at %.3f s is %s, its copy is %s: %s",
         (long long)row->run_id, mc_plain_tables[kind].name, (long long)row->row_id,
         (double)row->ts / 1e9, states[row->row], states[row->copy],
         row->row == MC_PLAIN_WHOLE    ? "the row is read"
         : row->copy == MC_PLAIN_WHOLE ? "the copy is read"
                                       : "it is left out");
}

static int check_table(struct check *c, enum mc_plain_kind kind)
{
    const struct mc_plain_range all = MC_PLAIN_ALL;
    struct mc_plain_walk *w;
    const struct mc_plain_row *row;
    int rc = mc_plain_walk_open(c->reader->db, kind, &all, &w);
    if (rc < 0)
        return rc;
    while ((rc = mc_plain_walk_step(w, &row)) == 0)
        tell_plain(c, kind, row);
    if (rc == MC_END && mc_plain_walk_is_cut(w))
        find(c, "table %s or its copies can't be read to the end", mc_plain_tables[kind].name);
    mc_plain_walk_close(w);
    return rc == MC_END ? 0 : rc;
}

static int check_plain(struct check *c)
{
    int version;
    int rc = mc_file_check_tables(c->reader->db, &version);
    if (rc < 0 || version <= MC_TRACE_VERSION_PLAIN)
        return rc;
    rc = mc_reader_begin(c->reader); /* a row and its copy are of one moment */
    for (enum mc_plain_kind kind = 0; rc == 0 && kind < MC_PLAIN_COUNT; kind++)
        rc = check_table(c, kind);
    mc_reader_end(c->reader);
    return rc;
}

/* Everything in a row decodes, and the maps roll through all its frames. */
static int decode_row(struct mc_row *row, struct mc_maps *maps)
{
    struct mc_chunk *chunk = &row->chunk;
    int rc = mc_chunk_cells(chunk);
    if (rc == 0)
        rc = mc_chunk_buckets(chunk);
    if (rc == 0)
        rc = mc_chunk_maps(chunk);
    if (rc < 0)
        return rc;
    if (!(chunk->info.flags & MC_HEAD_GOES_ON))
        mc_maps_fini(maps);
    uint32_t count = chunk->maps.count;
    struct mc_map_reader *readers = malloc((count + 1) * sizeof *readers);
    if (!readers)
        return MC_ENOMEM;
    if (count)
        memcpy(readers, chunk->maps.readers, count * sizeof *readers);
    struct mc_buf scratch = {0};
    const struct mc_maps_roll roll = {
        .readers = readers, .reader_count = count, .maps = maps, .scratch = &scratch};
    uint64_t event_count = 0;
    for (uint32_t f = 0; rc == 0 && f < chunk->info.frame_count; f++) {
        const struct mc_event *events;
        const struct mc_bucket_add *adds;
        size_t n = 0, add_count;
        rc = mc_maps_begin(readers, count, chunk->schema, f, maps);
        if (rc == 0)
            rc = mc_maps_step(&roll, f);
        if (rc == 0)
            rc = mc_row_events(row, f, MC_EVENT_TYPES_ALL, &events, &n);
        if (rc == 0)
            rc = mc_chunk_frame_buckets(chunk, f, events, n, &adds, &add_count);
        event_count += n;
    }
    free(readers);
    mc_buf_fini(&scratch);
    return rc == 0 && event_count != chunk->info.event_count ? MC_ECORRUPT : rc;
}

static int check_summary(struct check *c, const struct mc_row_ref *ref)
{
    struct mc_chunk_head *head = malloc(sizeof *head);
    struct mc_value_summary *summary = NULL;
    int rc = head ? mc_row_head(c->reader, ref, head, &summary) : MC_ENOMEM;
    free(summary);
    free(head);
    return rc;
}

static int tell_damaged(struct check *c, const struct mc_row_ref *ref)
{
    int64_t from, to;
    int rc = mc_row_span(c->reader, ref, &from, &to);
    if (rc == 0)
        find(c, "run %lld: %s %lld is damaged: %.3f s to %.3f s", (long long)ref->run_id,
             ref->is_tail ? "tail" : "chunk", (long long)ref->row_id, (double)from / 1e9,
             (double)to / 1e9);
    return rc;
}

static int check_run(struct check *c, int64_t run_id)
{
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(c->reader, run_id, &schema);
    if (rc < 0)
        return rc;
    if (schema->damaged)
        find(c, "run %lld: the schema is damaged after step %u", (long long)run_id,
             schema->mark_count);
    if (schema->mended)
        find(c, "run %lld: %u steps of the schema are damaged; their copies are read",
             (long long)run_id, schema->mended);
    for (uint32_t i = 0; i < schema->mark_count; i++) {
        if (mc_reader_step_copy_check(c->reader, run_id, i) == MC_ECORRUPT)
            find(c, "run %lld: the copy of schema step %u is damaged", (long long)run_id, i);
    }
    int64_t at = INT64_MIN, seen = INT64_MIN;
    struct mc_maps maps = {0};
    for (;;) {
        struct mc_row_ref ref;
        struct mc_row *row = NULL;
        rc = mc_row_next(c->reader, run_id, at, &ref);
        if (rc)
            break;
        rc = mc_row_open(c->reader, &ref, 0, &row);
        if (rc == MC_END)
            continue;
        at = ref.last_ts;
        if (rc == 0 && !ref.is_tail)
            rc = check_summary(c, &ref);
        if (rc == 0) {
            const struct mc_chunk_head *h = &row->chunk.info;
            if (seen != INT64_MIN && h->prev_ts != seen)
                find(c, "run %lld: rows are missing between %.3f s and %.3f s", (long long)run_id,
                     (double)seen / 1e9, (double)h->first_ts / 1e9);
            seen = h->last_ts;
            rc = decode_row(row, &maps);
        }
        mc_row_close(row);
        if (rc == MC_END)
            continue;
        if (rc < 0 && !mc_row_is_damage(rc))
            break;
        if (rc < 0) {
            rc = tell_damaged(c, &ref);
            seen = INT64_MIN;
        }
        if (rc < 0)
            break;
        progress(c);
    }
    mc_maps_fini(&maps);
    return rc == MC_END ? 0 : rc;
}

static int check_runs(struct check *c)
{
    struct mc_run_info *runs;
    size_t count;
    int64_t strays = 0;
    int rc = mc_reader_runs(c->reader, &runs, &count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0)
            rc = check_run(c, runs[i].run_id);
        mc_run_info_fini(&runs[i]);
    }
    free(runs);
    if (rc == 0)
        rc = count_rows(c,
                        "SELECT (SELECT count(*) FROM main.chunk WHERE run_id NOT IN "
                        "(SELECT run_id FROM main.run)) + (SELECT count(*) FROM main.tail "
                        "WHERE run_id NOT IN (SELECT run_id FROM main.run))",
                        &strays);
    if (rc == 0 && strays)
        find(c, "%lld rows belong to no run", (long long)strays);
    return rc;
}

/* What a killed recorder left in the log, as it was committed. */
static int check_log(struct check *c, const char *path)
{
    char *real = mc_file_resolve(path), name[4096];
    if (!real)
        return MC_ENOMEM;
    struct mc_log_count log = {0, 0};
    if (!mc_file_is_locked(path) && snprintf(name, sizeof name, "%s-wal", real) < (int)sizeof name)
        mc_log_count(name, &log);
    free(real);
    if (log.whole < log.committed)
        find(c,
             "the log %s-wal is damaged after %lld of %lld pages: what was recorded since, the "
             "newest, is lost",
             path, (long long)log.whole, (long long)log.committed);
    return 0;
}

int mc_trace_check(const char *path, mc_check_fn fn, void *arg, int64_t *finding_count)
{
    struct check c = {.fn = fn, .arg = arg};
    char why[512] = "";
    int rc = mc_reader_open(path, &c.reader, why, sizeof why);
    if (rc == MC_ECORRUPT) {
        find(&c, "%s",
             why[0] ? why : "the file is damaged at its beginning; nothing of it can be read");
        *finding_count = c.finding_count;
        return 0;
    }
    if (rc < 0)
        return rc;
    rc = check_log(&c, path);
    if (rc == 0)
        rc = check_sqlite(&c);
    if (rc == 0)
        rc = check_version(&c);
    if (rc == 0)
        rc = check_plain(&c);
    if (rc == 0)
        rc = count_rows(&c,
                        "SELECT (SELECT count(*) FROM main.chunk) + "
                        "(SELECT count(*) FROM main.tail)",
                        &c.row_count);
    if (rc == 0)
        rc = check_runs(&c);
    if (mc_row_is_damage(rc) && rc < 0) {
        find(&c, "the file can't be read further: %s", sqlite3_errmsg(c.reader->db));
        rc = 0;
    }
    mc_reader_close(c.reader);
    if (rc < 0)
        return rc;
    if (fn)
        fn(arg, NULL, 100);
    *finding_count = c.finding_count;
    return 0;
}
