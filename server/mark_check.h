/* mark_check.h: is what was posted a mark of the run? */
#ifndef MC_MARK_CHECK_H
#define MC_MARK_CHECK_H

#include "server/json_read.h"

#define MC_LABEL_BYTES_MAX 255

/* NULL, or what is wrong with a label: text without control characters, 1 to 255 bytes. */
const char *mc_label_wrong(const struct mc_json_field *label);
/* NULL, or what is wrong, against a run that ends at `last_ts`. `dur` may be absent. */
const char *mc_mark_wrong(const struct mc_json_field *ts, const struct mc_json_field *dur,
                          const struct mc_json_field *label, int64_t last_ts);

#endif
