/* diff_moment.c: where in time two runs differ, and since when. */
#include <math.h>

#include "replay/diff_priv.h"

#define GRID 120u

/* The bin of a run at a place of the shared span. */
static uint32_t bin_at_part(const struct mc_diff *d, size_t side, double part)
{
    const struct mc_run_measures *m = &d->sides[side].runs[0], *o = &d->sides[1 - side].runs[0];
    uint32_t n = m->bin_count;
    if (d->align == MC_ALIGN_REQUESTS && m->request_count > 0 && o->request_count > 0) {
        double wanted = part * fmin(m->request_count, o->request_count);
        uint32_t bin = 0;
        while (bin + 1 < n && (double)m->requests[bin] < wanted)
            bin++;
        return bin;
    }
    double shared = fmin((double)(m->to - m->from), (double)(o->to - o->from));
    uint32_t bin = (uint32_t)(part * shared / (double)(m->to - m->from) * n);
    return bin < n ? bin : n - 1;
}

int64_t mc_diff_place(const struct mc_diff *d, size_t side, double part)
{
    const struct mc_run_measures *m = &d->sides[side].runs[0];
    double width = (double)(m->to - m->from) / m->bin_count;
    return m->from + (int64_t)(width * (bin_at_part(d, side, part) + 0.5));
}

void mc_diff_find_moment(const struct mc_diff *d, struct mc_diff_row *row)
{
    double differs[GRID], most = 0;
    size_t best = SIZE_MAX, since = GRID, against = 0;
    if (!row->a_series || !row->b_series || row->delta == 0)
        return;
    double sign = row->delta > 0 ? 1 : -1;
    for (size_t i = 0; i < GRID; i++) {
        double part = ((double)i + 0.5) / GRID;
        differs[i] = sign * ((double)row->b_series[bin_at_part(d, 1, part)] -
                             (double)row->a_series[bin_at_part(d, 0, part)]);
        if (differs[i] > most) {
            most = differs[i];
            best = i;
        }
    }
    if (best == SIZE_MAX)
        return;
    row->at_a = mc_diff_place(d, 0, ((double)best + 0.5) / GRID);
    row->at_b = mc_diff_place(d, 1, ((double)best + 0.5) / GRID);
    /* Back from the end, as long as nearly all differ by a good part of the whole difference. */
    for (size_t i = GRID; i-- > 0;) {
        if (isnan(differs[i]))
            continue;
        against += differs[i] < fabs(row->delta) / 4;
        if (against > 1 + (GRID - i) / 10)
            break;
        if (differs[i] >= fabs(row->delta) / 4)
            since = i;
    }
    if (since >= GRID / 20 && since + GRID / 20 < GRID) {
        row->since_a = mc_diff_place(d, 0, ((double)since + 0.5) / GRID);
        row->since_b = mc_diff_place(d, 1, ((double)since + 0.5) / GRID);
    }
}
