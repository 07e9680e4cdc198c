/* reader.c: a trace file open for reading; the schemas of its runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reader_priv.h"
#include "store/schema_step.h"
#include "tracer/error.h"
#include "tracer/grow.h"

static const char *const statements[MC_STMT_COUNT] = {
    [MC_STMT_NEXT_CHUNK] = "SELECT chunk_id, first_ts, last_ts, frame_count FROM main.chunk "
                           "WHERE run_id=?1 AND last_ts>?2 ORDER BY last_ts LIMIT 1",
    [MC_STMT_NEXT_TAIL] = "SELECT tail_id, first_ts, last_ts, frame_count FROM main.tail "
                          "WHERE run_id=?1 AND last_ts>?2 ORDER BY last_ts LIMIT 1",
    [MC_STMT_PREV_CHUNK] = "SELECT chunk_id, first_ts, last_ts, frame_count FROM main.chunk "
                           "WHERE run_id=?1 AND last_ts<?2 ORDER BY last_ts DESC LIMIT 1",
    [MC_STMT_PREV_TAIL] = "SELECT tail_id, first_ts, last_ts, frame_count FROM main.tail "
                          "WHERE run_id=?1 AND last_ts<?2 ORDER BY last_ts DESC LIMIT 1",
    [MC_STMT_CHUNK_BEFORE] = "SELECT chunk_id, first_ts, last_ts, frame_count, run_id "
                             "FROM main.chunk WHERE chunk_id<?1 ORDER BY chunk_id DESC LIMIT 1",
    [MC_STMT_CHUNK] = "SELECT run_id, first_ts, last_ts, frame_count, codec, checksum, head, "
                      "summary FROM main.chunk WHERE chunk_id=?1",
    [MC_STMT_TAIL] = "SELECT run_id, first_ts, last_ts, frame_count, codec, checksum, head, body "
                     "FROM main.tail WHERE tail_id=?1",
    [MC_STMT_PART] = "SELECT body FROM main.part WHERE part_id=?1",
    [MC_STMT_STEPS] = "SELECT step, from_ts, checksum, body FROM main.schema_step "
                      "WHERE run_id=?1 AND step>=?2 ORDER BY step",
    [MC_STMT_BEGIN] = "BEGIN",
    [MC_STMT_COMMIT] = "COMMIT",
    [MC_STMT_VERSION] = "PRAGMA main.data_version",
    [MC_STMT_STEP] = "SELECT step, from_ts, checksum, body FROM main.schema_step "
                     "WHERE run_id=?1 AND step=?2",
};

int mc_reader_stmt(struct mc_reader *r, enum mc_statement which, sqlite3_stmt **out)
{
    if (!r->stmts[which]) {
        int rc = mc_file_prepare(r->db, statements[which], &r->stmts[which]);
        if (rc < 0)
            return rc;
    }
    sqlite3_reset(r->stmts[which]);
    *out = r->stmts[which];
    return 0;
}

void mc_reader_idle(struct mc_reader *r)
{
    for (int i = 0; i < MC_STMT_COUNT; i++) {
        sqlite3_finalize(r->stmts[i]);
        r->stmts[i] = NULL;
    }
}

static int run_statement(struct mc_reader *r, enum mc_statement which)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, which, &stmt);
    if (rc < 0)
        return rc;
    int step = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return mc_file_error(r->db, step);
}

int mc_reader_begin(struct mc_reader *r)
{
    sqlite3_stmt *end; /* can be had now: without memory later, it would never end */
    int rc = r->owns_db && !r->begun ? mc_reader_stmt(r, MC_STMT_COMMIT, &end) : 0;
    if (rc == 0 && r->owns_db && !r->begun)
        rc = run_statement(r, MC_STMT_BEGIN);
    r->begun += rc == 0;
    return rc;
}

void mc_reader_end(struct mc_reader *r)
{
    if (--r->begun == 0 && r->owns_db)
        run_statement(r, MC_STMT_COMMIT);
}

/* ---- open and close ------------------------------------------------------------------------- */

int mc_reader_attach(sqlite3 *db, struct mc_reader **out)
{
    struct mc_reader *r = calloc(1, sizeof *r);
    if (!r)
        return MC_ENOMEM;
    r->db = db;
    int rc = mc_packer_new(&r->packer);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

/* The file's own word on what it is. */
static int check_ours(sqlite3 *db, const char *path, char *why, size_t why_bytes)
{
    sqlite3_stmt *stmt;
    int64_t numbers[2] = {0, 0};
    static const char *const pragmas[2] = {"PRAGMA application_id", "PRAGMA user_version"};
    for (int i = 0; i < 2; i++) {
        int rc = mc_file_prepare(db, pragmas[i], &stmt);
        if (rc == 0) {
            int step = sqlite3_step(stmt);
            numbers[i] = sqlite3_column_int64(stmt, 0);
            sqlite3_finalize(stmt);
            rc = mc_file_error(db, step);
        }
        if (rc < 0)
            return mc_file_why(rc, why, why_bytes, "%s: %s", path,
                               rc == MC_EFORMAT ? "is not a memcam trace; name a trace file"
                                                : sqlite3_errmsg(db));
    }
    if (numbers[0] != MC_TRACE_APP_ID)
        return mc_file_why(MC_EFORMAT, why, why_bytes,
                           "%s: is not a memcam trace; name a trace file", path);
    if (numbers[1] < MC_TRACE_VERSION_OLDEST || numbers[1] > MC_TRACE_VERSION)
        return mc_file_why(MC_EFORMAT, why, why_bytes,
                           "%s: is a trace of version %lld, this memcam knows versions %d to %d",
                           path, (long long)numbers[1], MC_TRACE_VERSION_OLDEST, MC_TRACE_VERSION);
    int rc = mc_file_check_tables(db, NULL);
    if (rc < 0)
        return mc_file_why(rc, why, why_bytes, "%s: %s", path,
                           rc == MC_EFORMAT ? "its tables are not those of a trace; name another"
                                            : sqlite3_errmsg(db));
    return 0;
}

/* A file URI: '?', '#' and '%' of the path escaped. */
static char *uri_of(const char *path, const char *query)
{
    struct mc_buf b = {0};
    mc_buf_add_str(&b, "file:");
    for (const char *at = path; *at; at++) {
        if (*at == '?' || *at == '#' || *at == '%')
            mc_buf_printf(&b, "%%%02x", (unsigned char)*at);
        else
            mc_buf_add_char(&b, *at);
    }
    mc_buf_add_str(&b, query);
    mc_buf_add_char(&b, 0);
    if (b.failed)
        mc_buf_fini(&b);
    return (char *)b.bytes;
}

int mc_reader_open_db(const char *path, sqlite3 **out, char *why, size_t why_bytes)
{
    struct stat st;
    if (access(path, R_OK) < 0 || stat(path, &st) < 0) {
        int code = mc_error_from_errno(errno);
        return mc_file_why(code, why, why_bytes, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) /* a pipe would be waited for */
        return mc_file_why(MC_EFORMAT, why, why_bytes, "%s: is not a file; name a trace file",
                           path);
    /* A directory that can't be written has no room for the shared memory of a WAL file; then the
     * file can't be being written either, and is taken as it is. */
    static const char *const queries[2] = {"?mode=ro", "?mode=ro&immutable=1"};
    int rc = MC_EIO;
    for (int i = 0; i < 2; i++) {
        char *uri = uri_of(path, queries[i]);
        sqlite3 *db = NULL;
        if (!uri)
            return MC_ENOMEM;
        rc = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                             NULL);
        free(uri);
        rc = mc_file_error(db, rc);
        if (rc == 0) {
            sqlite3_busy_timeout(db, 1000);
            sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
            sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
            sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
            sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
            rc = mc_file_exec(db, "PRAGMA cell_size_check=1; PRAGMA mmap_size=0;"
                                  "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4000");
        }
        if (rc == 0)
            rc = check_ours(db, path, why, why_bytes);
        if (rc == 0) {
            *out = db;
            return 0;
        }
        int cant_open = (sqlite3_errcode(db) & 0xff) == SQLITE_CANTOPEN;
        sqlite3_close(db);
        if (!cant_open)
            break;
    }
    return rc;
}

int mc_reader_open(const char *path, struct mc_reader **out, char *why, size_t why_bytes)
{
    sqlite3 *db;
    int rc = mc_reader_open_db(path, &db, why, why_bytes);
    if (rc < 0) {
        if (rc == MC_ENOMEM)
            mc_file_why(rc, why, why_bytes, "%s: out of memory", path);
        return rc;
    }
    struct mc_reader *r;
    rc = mc_reader_attach(db, &r);
    if (rc < 0) {
        sqlite3_close(db);
        return mc_file_why(rc, why, why_bytes, "%s: out of memory", path);
    }
    r->owns_db = 1;
    r->path = strdup(path);
    if (!r->path) {
        mc_reader_close(r);
        return mc_file_why(MC_ENOMEM, why, why_bytes, "%s: out of memory", path);
    }
    *out = r;
    return 0;
}

void mc_reader_close(struct mc_reader *r)
{
    if (!r)
        return;
    /* The tables of the query connection read through this reader. */
    sqlite3_close(r->query_db);
    mc_reader_idle(r);
    for (uint32_t i = 0; i < r->run_count; i++) {
        mc_schema_fini(&r->runs[i]->schema);
        for (uint32_t n = 0; n < r->runs[i]->past_count; n++)
            free(r->runs[i]->pasts[n].sources);
        free(r->runs[i]->pasts);
        free(r->runs[i]->marks);
        free(r->runs[i]);
    }
    free(r->runs);
    mc_buf_fini(&r->run_ids);
    free(r->whole.keys);
    mc_buf_fini(&r->part);
    mc_event_slice_fini(&r->spare_slice);
    mc_buf_fini(&r->spare_maps_raw);
    mc_maps_fini(&r->spare_maps);
    mc_packer_free(r->packer);
    if (r->owns_db)
        sqlite3_close(r->db);
    free(r->path);
    free(r);
}

/* ---- schema --------------------------------------------------------------------------------- */

static struct mc_run_schema *known_run(struct mc_reader *r, int64_t run_id)
{
    for (uint32_t i = 0; i < r->run_count; i++) {
        if (r->runs[i]->run_id == run_id)
            return r->runs[i];
    }
    return NULL;
}

static int add_run(struct mc_reader *r, int64_t run_id, struct mc_run_schema **out)
{
    struct mc_run_schema **runs = mc_grown(r->runs, r->run_count, &r->run_room, sizeof *runs);
    if (!runs)
        return MC_ENOMEM;
    r->runs = runs;
    struct mc_run_schema *s = calloc(1, sizeof *s);
    if (!s || mc_schema_init(&s->schema) < 0) {
        free(s);
        return MC_ENOMEM;
    }
    s->run_id = run_id;
    *out = r->runs[r->run_count++] = s;
    return 0;
}

static int add_mark(struct mc_run_schema *s, int64_t from_ts)
{
    struct mc_schema_mark *marks = mc_grown(s->marks, s->mark_count, &s->mark_room, sizeof *marks);
    if (!marks)
        return MC_ENOMEM;
    s->marks = marks;
    s->marks[s->mark_count++] =
        (struct mc_schema_mark){from_ts, s->schema.source_count, s->schema.string_count,
                                s->schema.value_count, s->schema.map_count};
    return 0;
}

static struct mc_source *copy_sources(const struct mc_schema *s)
{
    struct mc_source *sources = malloc((s->source_count + 1) * sizeof *sources);
    if (sources && s->source_count)
        memcpy(sources, s->sources, s->source_count * sizeof *sources);
    return sources;
}

/* Keep `before` when the step just read has named letters of its sources; takes it. */
static int add_past(struct mc_run_schema *s, struct mc_source *before, uint32_t source_count)
{
    int grew = 0;
    for (uint32_t i = 0; i < source_count; i++)
        grew |= s->schema.sources[i].state_count > before[i].state_count;
    struct mc_schema_past *pasts = s->pasts;
    if (grew)
        pasts = realloc(s->pasts, (s->past_count + 1) * sizeof *pasts);
    if (!grew || !pasts) {
        free(before);
        return grew ? MC_ENOMEM : 0;
    }
    s->pasts = pasts;
    pasts[s->past_count++] = (struct mc_schema_past){s->mark_count, source_count, before};
    /* The lists of letters may have moved; they only grow. */
    for (uint32_t p = 0; p < s->past_count; p++) {
        for (uint32_t i = 0; i < pasts[p].source_count; i++)
            pasts[p].sources[i].states = s->schema.sources[i].states;
    }
    return 0;
}

/* Read a step's body into the schema. */
static int take_body(struct mc_run_schema *s, const void *body, size_t body_bytes)
{
    uint32_t source_count = s->schema.source_count;
    struct mc_source *before = copy_sources(&s->schema);
    if (!before)
        return MC_ENOMEM;
    int rc = mc_schema_step_get(&s->schema, body, body_bytes);
    int kept = add_past(s, before, source_count);
    return rc < 0 ? rc : kept;
}

/* Take the step in the row that the statement stands on; `number` is the step or its copy's. A
 * schema of NULL: only check it. */
static int take_step(struct mc_run_schema *s, int64_t run_id, sqlite3_stmt *stmt, int64_t number)
{
    int64_t from_ts = sqlite3_column_int64(stmt, 1);
    const void *body = sqlite3_column_blob(stmt, 3);
    size_t body_bytes = (size_t)sqlite3_column_bytes(stmt, 3);
    if (sqlite3_column_int64(stmt, 0) != number ||
        mc_schema_step_sum(run_id, number, from_ts, body, body_bytes) !=
            (uint64_t)sqlite3_column_int64(stmt, 2))
        return MC_ECORRUPT;
    int rc = s ? take_body(s, body, body_bytes) : 0;
    return rc == 0 && s ? add_mark(s, from_ts) : rc;
}

/* Read the copy of a step into the schema, or check it. MC_END: there is none. */
static int read_copy(struct mc_reader *r, int64_t run_id, uint32_t step, struct mc_run_schema *s)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, MC_STMT_STEP, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, run_id);
    sqlite3_bind_int64(stmt, 2, -1 - (int64_t)step);
    int found = sqlite3_step(stmt);
    if (found == SQLITE_ROW)
        rc = take_step(s, run_id, stmt, -1 - (int64_t)step);
    else
        rc = found == SQLITE_DONE ? MC_END : mc_file_error(r->db, found);
    sqlite3_reset(stmt);
    return rc;
}

int mc_reader_step_copy_check(struct mc_reader *r, int64_t run_id, uint32_t step)
{
    return read_copy(r, run_id, step, NULL);
}

static int read_steps(struct mc_reader *r, struct mc_run_schema *s)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, MC_STMT_STEPS, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, s->run_id);
    sqlite3_bind_int64(stmt, 2, s->mark_count);
    int step = SQLITE_DONE;
    while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(stmt, 0);
        rc = number > s->mark_count ? MC_ECORRUPT : 0;
        if (rc == 0 && number == s->mark_count)
            rc = take_step(s, s->run_id, stmt, number);
        /* This step is damaged, or those before it have gone: their copies stand in. */
        while (rc == MC_ECORRUPT && number >= s->mark_count) {
            if (read_copy(r, s->run_id, s->mark_count, s) != 0)
                break;
            s->mended++;
            rc = number < s->mark_count ? 0 : MC_ECORRUPT;
        }
    }
    if (rc == 0)
        rc = mc_file_error(r->db, step);
    sqlite3_reset(stmt);
    /* What was read so far stays good; rows that need more than that count as damaged. */
    if (rc == MC_ECORRUPT) {
        s->damaged = 1;
        rc = 0;
    }
    return rc;
}

int mc_reader_run_schema(struct mc_reader *r, int64_t run_id, struct mc_run_schema **out)
{
    struct mc_run_schema *s = known_run(r, run_id);
    if (!s) {
        int rc = mc_reader_has_run(r, run_id);
        if (rc == 0)
            rc = add_run(r, run_id, &s);
        if (rc < 0)
            return rc;
    }
    if (!s->damaged) {
        int rc = read_steps(r, s);
        if (rc < 0)
            return rc;
    }
    *out = s;
    return 0;
}

void mc_run_schema_view(const struct mc_run_schema *s, int64_t ts, struct mc_schema *view)
{
    *view = s->schema;
    uint32_t n = s->mark_count;
    while (n && s->marks[n - 1].from_ts > ts)
        n--;
    static const struct mc_schema_mark none = {0, 0, 2, 0, 0};
    const struct mc_schema_mark *m = n ? &s->marks[n - 1] : &none;
    for (uint32_t p = 0; p < s->past_count && view->sources == s->schema.sources; p++) {
        if (n <= s->pasts[p].mark_count)
            view->sources = s->pasts[p].sources;
    }
    view->source_count = m->source_count;
    view->string_count = m->string_count;
    view->value_count = m->value_count;
    view->map_count = m->map_count;
}

int mc_reader_schema(struct mc_reader *r, int64_t run_id, int64_t ts, const struct mc_schema **out)
{
    struct mc_run_schema *s;
    int rc = mc_reader_run_schema(r, run_id, &s);
    if (rc < 0)
        return rc;
    mc_run_schema_view(s, ts, &r->view);
    *out = &r->view;
    return 0;
}
