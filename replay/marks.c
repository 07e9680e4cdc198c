/* marks.c: the marks of a run, handed out as time passes them, forward or backward. */
#include "replay/marks_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

/* How many marks are before `ts` (or_at: before or at it). */
static size_t count_before(const struct mc_marks *m, int64_t ts, int or_at)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->marks[mid].ts < ts || (or_at && m->marks[mid].ts == ts))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int has_passed(const struct mc_marks *m, int64_t ts)
{
    return m->started && (m->backward ? ts >= m->passed_ts : ts <= m->passed_ts);
}

int mc_marks_load(struct mc_marks *m, struct mc_reader *r, int64_t run_id)
{
    struct mc_mark *marks;
    size_t count, late_count = 0;
    int code = mc_reader_marks(r, run_id, INT64_MIN, INT64_MAX, &marks, &count);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++)
        late_count += marks[i].mark_id > m->id_max && has_passed(m, marks[i].ts);
    if (late_count) {
        struct mc_mark *late = realloc(m->late, (m->late_count + late_count) * sizeof *late);
        if (!late) {
            free(marks);
            return MC_ENOMEM;
        }
        m->late = late;
        for (size_t i = 0; i < count; i++) {
            if (marks[i].mark_id > m->id_max && has_passed(m, marks[i].ts))
                late[m->late_count++] = marks[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (marks[i].mark_id > m->id_max)
            m->id_max = marks[i].mark_id;
    }
    free(m->marks);
    m->marks = marks;
    m->count = count;
    return 0;
}

void mc_marks_start(struct mc_marks *m, int backward, int64_t passed_ts)
{
    m->backward = backward;
    m->passed_ts = passed_ts;
    m->started = 1;
}

int mc_marks_take(struct mc_marks *m, int64_t ts, struct mc_mark **out, size_t *count)
{
    size_t from, to;
    if (m->backward) {
        from = count_before(m, ts, 0);
        to = count_before(m, m->passed_ts, 0);
    } else {
        from = count_before(m, m->passed_ts, 1);
        to = count_before(m, ts, 1);
    }
    size_t taken = m->late_count + (to > from ? to - from : 0);
    struct mc_mark *marks = NULL;
    if (taken) {
        marks = malloc(taken * sizeof *marks);
        if (!marks)
            return MC_ENOMEM;
        if (m->late_count)
            memcpy(marks, m->late, m->late_count * sizeof *marks);
        for (size_t i = m->late_count; i < taken; i++)
            marks[i] = m->backward ? m->marks[--to] : m->marks[from++];
    }
    m->late_count = 0;
    m->passed_ts = ts;
    *out = marks;
    *count = taken;
    return 0;
}

void mc_marks_fini(struct mc_marks *m)
{
    free(m->marks);
    free(m->late);
    memset(m, 0, sizeof *m);
}
