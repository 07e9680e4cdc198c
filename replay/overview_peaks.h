/* overview_peaks.h: how fast totals grew at most, per slice of a span: of a mean over a minute, a
 * burst of a second says nothing. */
#ifndef MC_OVERVIEW_PEAKS_H
#define MC_OVERVIEW_PEAKS_H

#include "store/trace.h"

/* Whether a field of a kind is a total that timelines show as a rate. */
int mc_is_peak_field(int kind, uint32_t field_idx);

/* For `bucket_count` equal slices of [from, to): the most that each value grew per second, over
 * about a second that ended in the slice; MC_VALUE_NONE where there is no such. peaks is the
 * caller's, value-major. A total that fell has begun anew. 0 or a negative code. Reads every frame.
 */
int mc_overview_peaks(struct mc_reader *r, int64_t run_id, int64_t from, int64_t to,
                      const uint32_t *value_idx, uint32_t value_count, uint32_t bucket_count,
                      int64_t *peaks);

#endif
