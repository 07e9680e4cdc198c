/* diff_span.c: times and marks' labels as spans of a run. */
#include "server/diff_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/measure.h"
#include "server/options.h"
#include "tracer/error.h"

struct marks {
    struct mc_mark *all; /* owned */
    size_t count;
};

/* The first mark whose label is the first `bytes` of the text. */
static const struct mc_mark *mark_named(const struct marks *m, const char *text, size_t bytes)
{
    for (size_t i = 0; i < m->count; i++)
        if (strlen(m->all[i].label) == bytes && memcmp(m->all[i].label, text, bytes) == 0)
            return &m->all[i];
    return NULL;
}

/* What a text means: a time after `begin`, or a mark, or so long before or after one. */
static int find_end(const struct marks *m, const char *text, int64_t begin, int64_t *ts)
{
    int64_t ns;
    const struct mc_mark *mark = mark_named(m, text, strlen(text));
    if (mark) {
        *ts = mark->ts;
        return 0;
    }
    if (mc_moment_parse(text, &ns) == 0) {
        *ts = ns == INT64_MIN || ns == INT64_MAX ? ns : begin + ns;
        return 0;
    }
    const char *sign = text + strlen(text);
    while (sign > text && *sign != '+' && *sign != '-')
        sign--;
    mark = sign > text ? mark_named(m, text, (size_t)(sign - text)) : NULL;
    if (!mark || mc_duration_parse(sign + 1, &ns) != 0)
        return MC_EINVAL;
    *ts = mark->ts + (*sign == '+' ? ns : -ns);
    return 0;
}

static int no_mark(const char *label, char *why, size_t why_bytes)
{
    snprintf(why, why_bytes,
             "has no mark '%.80s'; 'SELECT ts, label FROM mark' lists those there are", label);
    return MC_EINVAL;
}

static int find_ends(const struct marks *m, const struct mc_diff_span *span, int64_t *from,
                     int64_t *to, char *why, size_t why_bytes)
{
    int64_t begin = 0;
    if (span->mark) {
        const struct mc_mark *mark = mark_named(m, span->mark, strlen(span->mark));
        if (!mark)
            return no_mark(span->mark, why, why_bytes);
        begin = *from = mark->ts;
        if (mark->dur_ns > 0)
            *to = mark->ts + mark->dur_ns;
    }
    if (span->from && find_end(m, span->from, begin, from) != 0)
        return no_mark(span->from, why, why_bytes);
    if (span->to && find_end(m, span->to, begin, to) != 0)
        return no_mark(span->to, why, why_bytes);
    if (*from < *to)
        return 0;
    snprintf(why, why_bytes, "has nothing in this span: it begins at %.3f s and ends at %.3f s",
             (double)*from / 1e9, (double)*to / 1e9);
    return MC_EINVAL;
}

int mc_diff_span_find(struct mc_reader *r, int64_t run_id, const struct mc_diff_span *span,
                      int64_t *from, int64_t *to, char *why, size_t why_bytes)
{
    struct marks m;
    *from = INT64_MIN;
    *to = INT64_MAX;
    int rc = mc_reader_marks(r, run_id, INT64_MIN, INT64_MAX, &m.all, &m.count);
    if (rc)
        return rc;
    rc = find_ends(&m, span, from, to, why, why_bytes);
    free(m.all);
    if (rc || !span->from_first_request)
        return rc;
    int64_t first;
    rc = mc_run_first_request(r, run_id, *from, *to, &first);
    if (rc == 0)
        *from = first;
    if (rc != MC_END)
        return rc;
    snprintf(why, why_bytes, "has no request in this span: use another alignment");
    return MC_EINVAL;
}

int mc_diff_span_is_none(const struct mc_diff_span *span)
{
    int64_t from, to;
    return span->from && span->to && mc_moment_parse(span->from, &from) == 0 &&
           mc_moment_parse(span->to, &to) == 0 && from >= to;
}
