/* sql_scan.c: the rows of all runs that a query wants, in the order it wants.
 *
 * A scan is a list of passes, each one run, of which perhaps one source only; the passes come one
 * after the other, or, when the order is by ts alone, merged. What a pass has decoded is kept for
 * the next start: joins start scans by the thousand.
 */
#include <stdlib.h>
#include <string.h>

#include "store/sql_priv.h"
#include "tracer/error.h"

struct pass {
    int64_t run_id;
    const char *source; /* borrowed from names, or from the filter; NULL: all */
};

/* A run that is being walked. */
struct lane {
    int64_t run_id;
    struct mc_sql_rows *rows; /* owned; NULL: at its end */
    int fresh;                /* started, and not yet stepped */
};

struct mc_sql_scan {
    struct mc_reader *reader;         /* borrowed */
    const struct mc_sql_table *table; /* borrowed */
    struct mc_sql_filter filter;
    char *source;        /* owned; the filter's */
    struct mc_buf runs;  /* int64_t */
    struct mc_buf names; /* char *, owned */
    struct mc_buf passes;
    size_t pass_at;
    struct lane *lanes; /* owned; one, or when merging one for each run */
    size_t lane_count;
    int64_t left; /* rows that may still be given */
};

int mc_sql_filter_copy(struct mc_sql_filter *to, char **source, const struct mc_sql_filter *from)
{
    char *copy = from->source ? strdup(from->source) : NULL;
    if (from->source && !copy)
        return MC_ENOMEM;
    free(*source);
    *source = copy;
    *to = *from;
    to->source = copy;
    return 0;
}

int mc_sql_runs(struct mc_reader *r, const struct mc_sql_span *run_ids, struct mc_buf *out)
{
    const int64_t *ids;
    size_t count;
    int rc = mc_reader_run_ids(r, &ids, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (ids[i] >= run_ids->min && ids[i] <= run_ids->max)
            mc_buf_add(out, &ids[i], sizeof ids[i]);
    }
    return out->failed ? MC_ENOMEM : rc;
}

int mc_sql_scan_new(struct mc_reader *r, const struct mc_sql_table *table, struct mc_sql_scan **out)
{
    struct mc_sql_scan *s = calloc(1, sizeof *s);
    if (!s)
        return MC_ENOMEM;
    s->reader = r;
    s->table = table;
    *out = s;
    return 0;
}

static void drop_names(struct mc_sql_scan *s)
{
    for (size_t i = 0; i < s->names.count / sizeof(char *); i++)
        free(((char **)s->names.bytes)[i]);
    s->names.count = 0;
}

static void drop_lanes(struct mc_sql_scan *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        mc_sql_rows_close(s->lanes[i].rows);
    free(s->lanes);
    s->lanes = NULL;
    s->lane_count = 0;
}

void mc_sql_scan_free(struct mc_sql_scan *s)
{
    if (!s)
        return;
    drop_lanes(s);
    drop_names(s);
    mc_buf_fini(&s->names);
    mc_buf_fini(&s->runs);
    mc_buf_fini(&s->passes);
    free(s->source);
    free(s);
}

/* ---- passes -----------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all runs' sources, each once, in order. */
static int list_names(struct mc_sql_scan *s)
{
    for (size_t i = 0; i < s->runs.count / sizeof(int64_t); i++) {
        struct mc_run_schema *schema;
        int rc = mc_reader_run_schema(s->reader, ((int64_t *)s->runs.bytes)[i], &schema);
        if (rc == 0)
            rc = mc_sql_source_names(s->table, &schema->schema, &s->names);
        if (rc < 0)
            return rc;
    }
    char **names = (char **)s->names.bytes;
    size_t count = s->names.count / sizeof *names, kept = 0;
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        if (kept && strcmp(names[kept - 1], names[i]) == 0)
            free(names[i]);
        else
            names[kept++] = names[i];
    }
    s->names.count = kept * sizeof *names;
    return 0;
}

static void add_pass(struct mc_sql_scan *s, size_t run_at, const char *source)
{
    size_t run_count = s->runs.count / sizeof(int64_t);
    struct pass p = {
        ((const int64_t *)s->runs.bytes)[s->filter.run_desc ? run_count - 1 - run_at : run_at],
        source};
    mc_buf_add(&s->passes, &p, sizeof p);
}

static const char *name_at(const struct mc_sql_scan *s, size_t i)
{
    size_t count = s->names.count / sizeof(char *);
    return ((char *const *)s->names.bytes)[s->filter.source_desc ? count - 1 - i : i];
}

static int list_passes(struct mc_sql_scan *s)
{
    size_t run_count = s->runs.count / sizeof(int64_t);
    int by_source = s->filter.order == MC_SQL_BY_SOURCE, by_both = 0;
    s->passes.count = s->pass_at = 0;
    drop_names(s);
    if (!s->filter.source && (by_source || s->filter.order == MC_SQL_BY_RUN_SOURCE)) {
        int rc = list_names(s);
        if (rc < 0)
            return rc;
        by_both = !by_source;
    } else {
        by_source = 0;
    }
    size_t name_count = s->names.count / sizeof(char *);
    for (size_t n = 0; by_source && n < name_count; n++) {
        for (size_t i = 0; i < run_count; i++)
            add_pass(s, i, name_at(s, n));
    }
    for (size_t i = 0; !by_source && i < run_count; i++) {
        for (size_t n = 0; by_both && n < name_count; n++)
            add_pass(s, i, name_at(s, n));
        if (!by_both)
            add_pass(s, i, s->filter.source);
    }
    return s->passes.failed ? MC_ENOMEM : 0;
}

/* Have a lane walk a pass. */
static int start_lane(struct mc_sql_scan *s, struct lane *lane, const struct pass *pass)
{
    struct mc_sql_filter f = s->filter;
    f.source = pass->source;
    lane->fresh = 1;
    if (lane->rows && lane->run_id == pass->run_id)
        return mc_sql_rows_restart(lane->rows, &f);
    mc_sql_rows_close(lane->rows);
    lane->rows = NULL;
    lane->run_id = pass->run_id;
    return mc_sql_rows_open(s->reader, s->table, pass->run_id, &f, &lane->rows);
}

static int make_lanes(struct mc_sql_scan *s, size_t count)
{
    if (count == s->lane_count)
        return 0;
    drop_lanes(s);
    s->lanes = calloc(count + 1, sizeof *s->lanes);
    if (!s->lanes)
        return MC_ENOMEM;
    s->lane_count = count;
    return 0;
}

int mc_sql_scan_start(struct mc_sql_scan *s, const struct mc_sql_filter *filter)
{
    int rc = mc_sql_filter_copy(&s->filter, &s->source, filter);
    if (rc < 0)
        return rc;
    s->left = 0;
    s->runs.count = s->passes.count = 0;
    if (filter->ts.min > filter->ts.max || filter->run_id.min > filter->run_id.max)
        return 0;
    rc = mc_sql_runs(s->reader, &filter->run_id, &s->runs);
    if (rc == 0)
        rc = list_passes(s);
    size_t pass_count = s->passes.count / sizeof(struct pass);
    int merges = filter->order == MC_SQL_BY_TS && pass_count > 1;
    if (rc == 0)
        rc = make_lanes(s, merges ? pass_count : 1);
    for (size_t i = 0; rc == 0 && merges && i < pass_count; i++) {
        rc = start_lane(s, &s->lanes[i], &((const struct pass *)s->passes.bytes)[i]);
        s->pass_at++;
    }
    if (rc == 0 && pass_count)
        s->left = filter->row_limit;
    return rc;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

/* The lanes' rows, the earliest (or the latest) first. */
static int next_merged(struct mc_sql_scan *s, struct mc_sql_rows **out)
{
    struct lane *best = NULL;
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (lane->rows && lane->fresh) {
            int rc = mc_sql_rows_next(lane->rows);
            if (rc < 0)
                return rc;
            if (rc == MC_END) {
                mc_sql_rows_close(lane->rows);
                lane->rows = NULL;
            }
            lane->fresh = 0;
        }
        if (!lane->rows)
            continue;
        int64_t ts = mc_sql_rows_ts(lane->rows), than = best ? mc_sql_rows_ts(best->rows) : 0;
        if (!best || (s->filter.ts_desc ? ts > than : ts < than))
            best = lane;
    }
    if (!best)
        return MC_END;
    best->fresh = 1; /* to be stepped before it is looked at again */
    *out = best->rows;
    return 0;
}

static int next_row(struct mc_sql_scan *s, struct mc_sql_rows **out)
{
    size_t pass_count = s->passes.count / sizeof(struct pass);
    if (s->lane_count > 1)
        return next_merged(s, out);
    struct lane *lane = s->lanes;
    for (;;) {
        if (s->pass_at > 0 && lane->rows) {
            int rc = mc_sql_rows_next(lane->rows);
            *out = lane->rows;
            if (rc <= 0)
                return rc;
        }
        if (s->pass_at == pass_count)
            return MC_END;
        int rc = start_lane(s, lane, &((const struct pass *)s->passes.bytes)[s->pass_at++]);
        if (rc < 0)
            return rc;
    }
}

int mc_sql_scan_next(struct mc_sql_scan *s, struct mc_sql_rows **out)
{
    if (s->left == 0)
        return MC_END;
    s->left--;
    return next_row(s, out);
}
