/* summaries.c: the summaries of a run's chunks, without decoding what they sum up. */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "tracer/error.h"

static int tell_row(struct mc_reader *r, const struct mc_row_ref *ref, int is_within,
                    mc_summary_fn fn, void *arg)
{
    struct mc_chunk_head *head = malloc(sizeof *head);
    struct mc_value_summary *summary = NULL;
    struct mc_span_summary span = {ref->first_ts, ref->last_ts, (uint32_t)ref->frame_count, 0,
                                   NULL};
    int rc = head ? mc_row_head(r, ref, head, is_within ? &summary : NULL) : MC_ENOMEM;
    if (rc == 0 && summary) {
        _Static_assert(sizeof *summary == sizeof *span.values, "one layout");
        span.frame_count = head->frame_count;
        span.value_count = head->value_count;
        span.values = (const struct mc_span_value *)summary;
    }
    if (rc == 0)
        rc = fn(arg, &span);
    else if (mc_row_is_damage(rc))
        rc = 0;
    free(summary);
    free(head);
    return rc;
}

int mc_reader_summaries(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                        mc_summary_fn fn, void *arg)
{
    int64_t at = from == INT64_MIN ? from : from - 1;
    for (;;) {
        struct mc_row_ref ref;
        int rc = mc_row_next(r, run_id, at, &ref);
        if (rc)
            return rc == MC_END ? 0 : rc;
        if (ref.first_ts >= to && ref.last_ts >= ref.first_ts)
            return 0;
        int is_within = !ref.is_tail && ref.first_ts >= from && ref.last_ts < to;
        rc = tell_row(r, &ref, is_within, fn, arg);
        if (rc == MC_END)
            continue; /* sealed or dropped meanwhile: look again */
        if (rc)
            return rc;
        at = ref.last_ts;
    }
}
