/* row_walk.c: the good rows of a span in order, and what is missing between them.
 *
 * A damaged row says little that can be trusted: where it stands follows from the good rows around
 * it, each of which knows the newest frame before it.
 */
#include <string.h>

#include "store/pack.h"
#include "store/reader_priv.h"
#include "tracer/error.h"

/* ---- where a row stands -------------------------------------------------------------------- */

int mc_row_good_head(struct mc_reader *r, int64_t run_id, int64_t ts, int is_back,
                     struct mc_chunk_head *head)
{
    for (;;) {
        struct mc_row_ref ref;
        int rc = is_back ? mc_row_prev(r, run_id, ts, &ref) : mc_row_next(r, run_id, ts, &ref);
        if (rc)
            return rc;
        rc = mc_row_head(r, &ref, head, NULL);
        if (rc == MC_END)
            continue; /* sealed or dropped meanwhile: look again */
        if (rc == 0 || !mc_row_is_damage(rc))
            return rc;
        ts = ref.last_ts;
    }
}

/* The newest frame before the first good row behind `ts`: as that row says, or without one the
 * run's own row. INT64_MIN: not known. */
static int newest_before_next(struct mc_reader *r, int64_t run_id, int64_t ts, int64_t *out)
{
    struct mc_chunk_head head;
    int rc = mc_row_good_head(r, run_id, ts, 0, &head);
    if (rc == MC_END)
        return mc_reader_end_of_run(r, run_id, out);
    *out = head.prev_ts;
    return rc;
}

int mc_row_span(struct mc_reader *r, const struct mc_row_ref *ref, int64_t *first, int64_t *last)
{
    struct mc_chunk_head head;
    int64_t from = ref->first_ts, to = INT64_MIN;
    int rc = mc_row_head(r, ref, &head, NULL);
    if (rc >= 0) {
        *first = ref->first_ts;
        *last = ref->last_ts;
        return 0;
    }
    if (mc_row_is_damage(rc))
        rc = newest_before_next(r, ref->run_id, ref->last_ts, &to);
    if (rc < 0)
        return rc;
    if (to == ref->last_ts) {
        /* It stands where it should, but may not begin where it says. */
        rc = mc_row_good_head(r, ref->run_id, to, 1, &head);
        from = rc == 0 ? head.last_ts : mc_wrap_add(to, -MC_ROW_NS_MAX);
        if (rc == MC_END && from < 0 && ref->first_ts >= 0)
            from = 0;
    } else {
        rc = newest_before_next(r, ref->run_id, from, &to);
        to = to == INT64_MIN ? ref->last_ts : to;
    }
    if (rc < 0)
        return rc;
    *first = from;
    *last = to > from ? to : from;
    return 0;
}

/* ---- the walk ------------------------------------------------------------------------------- */

void mc_row_walk_init(struct mc_row_walk *w, struct mc_reader *r, int64_t run_id, int64_t from,
                      int64_t to)
{
    memset(w, 0, sizeof *w);
    w->reader = r;
    w->run_id = run_id;
    w->from = from;
    w->to = to;
    w->last_ts = from == INT64_MIN ? INT64_MIN : from - 1;
    w->seen_ts = INT64_MIN;
}

static int add_hole(struct mc_row_walk *w, const struct mc_row_ref *ref)
{
    struct mc_gap *g = &w->hole;
    int64_t from, to;
    int rc = mc_row_span(w->reader, ref, &from, &to);
    if (rc < 0)
        return rc;
    if (w->seen_ts != INT64_MIN && from < w->seen_ts && to > w->seen_ts)
        from = w->seen_ts;
    if (!g->reason[0]) {
        strcpy(g->reason, "damaged");
        g->ts = from;
    }
    if (to > g->ts + g->dur_ns)
        g->dur_ns = to - g->ts;
    if (ref->frame_count > 0 && ref->frame_count <= MC_MAX_FRAMES)
        g->lost += (uint64_t)ref->frame_count;
    return 0;
}

/* Rows that are not even there any more show by the frame that should be before this one. */
static void check_hole(struct mc_row_walk *w, const struct mc_chunk_head *h)
{
    struct mc_gap *g = &w->hole;
    if (w->seen_ts != INT64_MIN && h->prev_ts > w->seen_ts && h->prev_ts < h->first_ts &&
        !g->reason[0]) {
        strcpy(g->reason, "damaged");
        g->ts = w->seen_ts;
        g->dur_ns = h->prev_ts - w->seen_ts;
    }
    if (g->reason[0] && g->ts + g->dur_ns > h->first_ts)
        g->dur_ns = h->first_ts > g->ts ? h->first_ts - g->ts : 0;
    w->seen_ts = h->last_ts;
}

/* No good row is before this one, though there was a frame. When the chunk made before it is
 * damaged, that was its place; or else the row before has been dropped by its age. */
static int check_first(struct mc_row_walk *w, const struct mc_row_ref *ref, int64_t prev_ts)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(w->reader, MC_STMT_CHUNK_BEFORE, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, ref->is_tail ? INT64_MAX : ref->row_id);
    int step = sqlite3_step(stmt);
    const struct mc_row_ref stray = {
        0,
        sqlite3_column_int64(stmt, 0),
        sqlite3_column_int64(stmt, 4),
        sqlite3_column_int64(stmt, 1),
        sqlite3_column_int64(stmt, 2),
        sqlite3_column_int64(stmt, 3),
    };
    sqlite3_reset(stmt);
    if (step != SQLITE_ROW)
        return step == SQLITE_DONE ? 0 : mc_file_error(w->reader->db, step);
    struct mc_chunk_head head;
    rc = mc_row_head(w->reader, &stray, &head, NULL);
    if (!mc_row_is_damage(rc))
        return rc < 0 ? rc : 0;
    strcpy(w->hole.reason, "damaged");
    w->hole.ts = stray.first_ts < prev_ts ? stray.first_ts : prev_ts;
    w->hole.dur_ns = prev_ts - w->hole.ts;
    return 0;
}

/* The row is a good one: what is missing before it? */
static int pass_good(struct mc_row_walk *w, const struct mc_row_ref *ref,
                     const struct mc_chunk_head *h)
{
    int rc = 0;
    if (w->seen_ts == INT64_MIN && h->prev_ts < h->first_ts && !w->hole.reason[0])
        rc = check_first(w, ref, h->prev_ts);
    check_hole(w, h);
    return rc;
}

/* Open the row, or check its sums only, or its head when it is behind the span. MC_END: it has
 * gone. */
static int open_or_check(struct mc_row_walk *w, const struct mc_row_ref *ref, int is_behind,
                         struct mc_row **out)
{
    if (!w->sums_only && !is_behind) {
        struct mc_row *row;
        int rc = mc_row_open(w->reader, ref, 0, &row);
        if (rc)
            return rc;
        rc = pass_good(w, ref, &row->chunk.info);
        if (rc < 0)
            mc_row_close(row);
        else
            *out = row;
        return rc;
    }
    struct mc_chunk_head head;
    int rc =
        is_behind ? mc_row_head(w->reader, ref, &head, NULL) : mc_row_sums(w->reader, ref, &head);
    return rc == 0 ? pass_good(w, ref, &head) : rc;
}

/* The newest good row before the span, which the first one in it should follow. */
static int look_before(struct mc_row_walk *w)
{
    struct mc_chunk_head head;
    int rc = mc_row_good_head(w->reader, w->run_id, w->from, 1, &head);
    if (rc == 0)
        w->seen_ts = head.last_ts;
    w->looked_before = 1;
    return rc == MC_END ? 0 : rc;
}

int mc_row_walk_next(struct mc_row_walk *w, struct mc_row **out)
{
    memset(&w->hole, 0, sizeof w->hole);
    int rc = 0;
    if (!w->looked_before && w->seen_ts == INT64_MIN && w->from != INT64_MIN)
        rc = look_before(w);
    if (rc < 0)
        return rc;
    for (;;) {
        struct mc_row_ref ref;
        if (w->seen_ts != INT64_MIN && w->seen_ts >= w->to)
            return MC_END;
        rc = mc_row_next(w->reader, w->run_id, w->last_ts, &ref);
        if (rc) {
            w->at_end = rc == MC_END;
            return rc;
        }
        /* What it says of itself counts when its head is good: a damaged one may be of the span. */
        int is_behind =
            ref.first_ts >= w->to && ref.last_ts >= w->to && ref.first_ts <= ref.last_ts;
        rc = open_or_check(w, &ref, is_behind, out);
        if (rc == MC_END)
            continue; /* sealed or dropped meanwhile: look again */
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        w->last_ts = ref.last_ts;
        if (rc == 0)
            return is_behind ? MC_END : 0;
        rc = add_hole(w, &ref);
        if (rc < 0)
            return rc;
    }
}
