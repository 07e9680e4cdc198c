/* check_priv.h: the parts of `memcam check` beside check.c. */
#ifndef MC_CHECK_PRIV_H
#define MC_CHECK_PRIV_H

#include <stdint.h>

/* Pages of a log: up to the last commit that stands in it, and those that SQLite takes. */
struct mc_log_count {
    int64_t committed, whole;
};
/* Count them; both are 0 where there is no log. Nobody may be writing to it. */
void mc_log_count(const char *log_path, struct mc_log_count *out);

#endif
