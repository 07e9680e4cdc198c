/* runs.c: which runs and marks a trace holds, and from when to when. */
#include <stdlib.h>

#include "store/plain.h"
#include "store/reader_priv.h"
#include "tracer/error.h"
#include "tracer/text.h"

/* ---- runs ----------------------------------------------------------------------------------- */

static int copy_text(const struct mc_plain_value *v, char **out)
{
    *out = malloc(v->text_bytes + 1);
    if (!*out)
        return MC_ENOMEM;
    mc_text_clean(*out, v->text_bytes + 1, v->text ? v->text : "", v->text_bytes);
    return 0;
}

static int read_run(const struct mc_plain_value v[MC_PLAIN_COLUMNS_MAX], struct mc_run_info *info)
{
    memset(info, 0, sizeof *info);
    info->run_id = v[0].number;
    info->pid = v[3].number;
    info->start_wall_ns = v[6].number;
    info->end_ts = v[7].number;
    info->interval_ns = v[9].number;
    if (copy_text(&v[1], &info->label) < 0 || copy_text(&v[2], &info->host) < 0 ||
        copy_text(&v[4], &info->program) < 0 || copy_text(&v[5], &info->build) < 0 ||
        copy_text(&v[10], &info->config) < 0 ||
        (v[8].type != SQLITE_NULL && copy_text(&v[8], &info->exit) < 0)) {
        mc_run_info_fini(info);
        return MC_ENOMEM;
    }
    return 0;
}

/* Read all runs; *runs and *count hold what was read also after an error. */
static int read_runs(struct mc_reader *r, struct mc_run_info **runs, size_t *count)
{
    struct mc_plain_walk *walk;
    const struct mc_plain_row *row;
    const struct mc_plain_range all = MC_PLAIN_ALL;
    int rc = mc_plain_walk_open(r->db, MC_PLAIN_RUN, &all, &walk);
    if (rc < 0)
        return rc;
    while ((rc = mc_plain_walk_next(walk, &row)) == 0) {
        struct mc_run_info *more = realloc(*runs, (*count + 1) * sizeof **runs);
        rc = MC_ENOMEM;
        if (!more)
            break;
        *runs = more;
        rc = read_run(row->values, &more[*count]);
        if (rc < 0)
            break;
        ++*count;
    }
    mc_plain_walk_close(walk);
    return rc == MC_END ? 0 : rc;
}

int mc_reader_runs(struct mc_reader *r, struct mc_run_info **out, size_t *count)
{
    struct mc_run_info *runs = NULL;
    size_t n = 0;
    int rc = read_runs(r, &runs, &n);
    if (rc < 0) {
        while (n)
            mc_run_info_fini(&runs[--n]);
        free(runs);
        return rc;
    }
    /* One writer at a time, one run of a writer at a time: the newest that has not ended. */
    if (n && !runs[n - 1].exit && r->path)
        runs[n - 1].live = mc_file_is_locked(r->path);
    *out = runs ? runs : malloc(1);
    *count = n;
    return *out ? 0 : MC_ENOMEM;
}

int mc_reader_run(struct mc_reader *r, int64_t run_id, struct mc_run_info *out)
{
    struct mc_run_info *runs;
    size_t count;
    int rc = mc_reader_runs(r, &runs, &count);
    if (rc < 0)
        return rc;
    rc = MC_ENORUN;
    for (size_t i = 0; i < count; i++) {
        if (rc == MC_ENORUN && runs[i].run_id == run_id) {
            *out = runs[i];
            rc = 0;
        } else {
            mc_run_info_fini(&runs[i]);
        }
    }
    free(runs);
    return rc;
}

static int list_run_ids(struct mc_reader *r)
{
    struct mc_plain_walk *walk;
    const struct mc_plain_row *row;
    const struct mc_plain_range all = MC_PLAIN_ALL;
    int rc = mc_plain_walk_open(r->db, MC_PLAIN_RUN, &all, &walk);
    if (rc < 0)
        return rc;
    r->run_ids.count = 0;
    while ((rc = mc_plain_walk_next(walk, &row)) == 0)
        mc_buf_add(&r->run_ids, &row->run_id, sizeof row->run_id);
    mc_plain_walk_close(walk);
    if (rc == MC_END && r->run_ids.failed) {
        r->run_ids.failed = 0;
        rc = MC_ENOMEM;
    }
    return rc == MC_END ? 0 : rc;
}

int mc_reader_run_ids(struct mc_reader *r, const int64_t **ids, size_t *count)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, MC_STMT_VERSION, &stmt);
    if (rc < 0)
        return rc;
    int step = sqlite3_step(stmt);
    int64_t version = step == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    rc = mc_file_error(r->db, step);
    if (rc == 0 && (version != r->run_ids_version || !version)) {
        r->run_ids_version = 0;
        rc = list_run_ids(r);
        r->run_ids_version = rc < 0 ? 0 : version;
    }
    if (rc < 0)
        return rc;
    *ids = (const int64_t *)r->run_ids.bytes;
    *count = r->run_ids.count / sizeof **ids;
    return 0;
}

int mc_reader_has_run(struct mc_reader *r, int64_t run_id)
{
    const int64_t *ids;
    size_t count;
    int rc = mc_reader_run_ids(r, &ids, &count);
    if (rc < 0)
        return rc;
    while (count && *ids != run_id) {
        ids++;
        count--;
    }
    return count ? 0 : MC_ENORUN;
}

int mc_reader_span(struct mc_reader *r, int64_t run_id, int64_t *first_ts, int64_t *last_ts)
{
    struct mc_chunk_head first, last;
    int rc = mc_reader_has_run(r, run_id);
    if (rc == 0)
        rc = mc_row_good_head(r, run_id, INT64_MIN, 0, &first);
    if (rc == 0)
        rc = mc_row_good_head(r, run_id, INT64_MAX, 1, &last);
    if (rc)
        return rc;
    *first_ts = first.first_ts;
    *last_ts = last.last_ts;
    return 0;
}

/* ---- marks ---------------------------------------------------------------------------------- */

static void copy_bounded(char *to, size_t room, const struct mc_plain_value *v)
{
    mc_text_clean(to, room, v->text ? v->text : "", v->text_bytes);
}

int mc_reader_marks(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                    struct mc_mark **out, size_t *count)
{
    struct mc_plain_walk *walk;
    const struct mc_plain_row *row;
    const struct mc_plain_range range = {run_id, run_id, from, to - (to > INT64_MIN)};
    int rc = mc_plain_walk_open(r->db, MC_PLAIN_MARK, &range, &walk);
    if (rc < 0)
        return rc;
    struct mc_buf marks = {0};
    while ((rc = mc_plain_walk_next(walk, &row)) == 0) {
        struct mc_mark m = {row->row_id, row->ts, row->values[2].number, {0}, {0}};
        copy_bounded(m.label, sizeof m.label, &row->values[3]);
        copy_bounded(m.author, sizeof m.author, &row->values[4]);
        if (m.ts < to)
            mc_buf_add(&marks, &m, sizeof m);
    }
    mc_plain_walk_close(walk);
    if (rc == MC_END)
        rc = mc_buf_reserve(&marks, 1) ? 0 : MC_ENOMEM;
    if (rc < 0) {
        mc_buf_fini(&marks);
        return rc;
    }
    *out = (struct mc_mark *)marks.bytes;
    *count = marks.count / sizeof **out;
    return 0;
}
