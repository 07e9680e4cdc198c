/* diff_span.h: which part of a run is compared: between times, from a mark on, or over its span.
 *
 * Threads: none of its own; reads with the caller's reader.
 */
#ifndef MC_DIFF_SPAN_H
#define MC_DIFF_SPAN_H

#include <stddef.h>

#include "store/trace.h"

/* What was asked; each text NULL when it was not. */
struct mc_diff_span {
    const char *from, *to;  /* borrowed; a time since the run, or its mark, began ("90s"), or the
                               label  of a mark, also "label+5s", "label-5s" */
    const char *mark;       /* borrowed; the span is that of the first mark of this label, or begins
                               there when that has no length */
    int from_first_request; /* what comes before the first request of the span is left out */
};

/* Fill in the frames that are meant: *from <= ts < *to. 0; MC_EINVAL with one line in `why` when
 * the run has no such mark, no request, or the span is none; or a negative code of the store. */
int mc_diff_span_find(struct mc_reader *r, int64_t run_id, const struct mc_diff_span *span,
                      int64_t *from, int64_t *to, char *why, size_t why_bytes);
/* Whether both ends are times, in the wrong order. */
int mc_diff_span_is_none(const struct mc_diff_span *span);

#endif
