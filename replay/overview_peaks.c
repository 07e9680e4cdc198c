/* overview_peaks.c: a walk over the frames with those of the last second at hand. */
#include <stdlib.h>
#include <string.h>

#include "replay/overview_peaks.h"
#include "tracer/error.h"

#define SPAN_NS INT64_C(1000000000)
/* Frames of a second and more, at 10 a second; of faster ones, the newest. */
enum { KEPT = 64 };

struct walk {
    int64_t from, to;
    uint32_t value_count, bucket_count;
    int64_t *peaks;  /* borrowed */
    int64_t *values; /* owned: KEPT rows of value_count, a ring */
    int64_t ts[KEPT];
    uint32_t first, count; /* of the ring */
};

int mc_is_peak_field(int kind, uint32_t field_idx)
{
    return kind == MC_KIND_OWNER &&
           (field_idx == MC_FIELD(OWNER, REQUESTS) || field_idx == MC_FIELD(OWNER, CLIENT_ERRORS) ||
            field_idx == MC_FIELD(OWNER, SERVER_ERRORS));
}

/* The newest kept frame that is a second older, or the oldest there is of less. */
static uint32_t forget_older(struct walk *w, int64_t ts)
{
    while (w->count > 1 && ts - w->ts[(w->first + 1) % KEPT] >= SPAN_NS) {
        w->first = (w->first + 1) % KEPT;
        w->count--;
    }
    return w->first;
}

static void raise_peaks(struct walk *w, int64_t ts, const int64_t *values)
{
    uint32_t row = forget_older(w, ts);
    int64_t span = ts - w->ts[row];
    if (ts < w->from || span < SPAN_NS * 9 / 10)
        return;
    uint32_t bucket = (uint32_t)((unsigned __int128)(uint64_t)(ts - w->from) * w->bucket_count /
                                 (uint64_t)(w->to - w->from));
    for (uint32_t v = 0; v < w->value_count; v++) {
        int64_t before = w->values[row * w->value_count + v];
        int64_t *peak = &w->peaks[(size_t)v * w->bucket_count + bucket];
        if (before == MC_VALUE_NONE || values[v] == MC_VALUE_NONE || values[v] < before)
            continue;
        int64_t grown =
            (int64_t)((double)(values[v] - before) * (double)SPAN_NS / (double)span + 0.5);
        if (*peak == MC_VALUE_NONE || grown > *peak)
            *peak = grown;
    }
}

static int take_frame(void *arg, int64_t ts, const int64_t *values)
{
    struct walk *w = arg;
    if (w->count)
        raise_peaks(w, ts, values);
    if (w->count == KEPT) {
        w->first = (w->first + 1) % KEPT;
        w->count--;
    }
    uint32_t row = (w->first + w->count++) % KEPT;
    w->ts[row] = ts;
    memcpy(w->values + row * w->value_count, values, w->value_count * sizeof *values);
    return 0;
}

int mc_overview_peaks(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                      const uint32_t *value_idx, uint32_t value_count, uint32_t bucket_count,
                      int64_t *peaks)
{
    struct walk w = {.from = from,
                     .to = to,
                     .value_count = value_count,
                     .bucket_count = bucket_count,
                     .peaks = peaks,
                     .values = malloc((size_t)KEPT * value_count * sizeof *w.values + 1)};
    if (!w.values)
        return MC_ENOMEM;
    for (size_t i = 0; i < (size_t)value_count * bucket_count; i++)
        peaks[i] = MC_VALUE_NONE;
    int64_t begin = from > INT64_MIN + 2 * SPAN_NS ? from - 2 * SPAN_NS : from;
    int rc = mc_reader_values(r, run_id, begin, to, value_idx, value_count, take_frame, &w);
    free(w.values);
    return rc;
}
