/* marks_priv.h: the marks of a run, handed out as time passes them, forward or backward. */
#ifndef MC_MARKS_PRIV_H
#define MC_MARKS_PRIV_H

#include "store/trace.h"

struct mc_marks {
    int backward;
    int started;
    int64_t passed_ts;     /* marks up to here (backward: down to here) have been handed out */
    struct mc_mark *marks; /* owned; all of the run, by ts */
    size_t count;
    struct mc_mark *late; /* owned; made meanwhile at a time that has passed already */
    size_t late_count;
    int64_t id_max;
};

/* Read the run's marks, again and again for one that is being written. Those that are new, at a
 * time already passed, are handed out with the next ones. */
int mc_marks_load(struct mc_marks *m, struct mc_reader *r, int64_t run_id);
/* Begin: only what is behind passed_ts (backward: before it) will be handed out. */
void mc_marks_start(struct mc_marks *m, int backward, int64_t passed_ts);
/* Time is now `ts`: the marks since the last call are in *out, in the order in which time passes
 * them; malloc'd, the caller frees it; NULL when there are none. 0 or MC_ENOMEM. */
int mc_marks_take(struct mc_marks *m, int64_t ts, struct mc_mark **out, size_t *count);
void mc_marks_fini(struct mc_marks *m);

#endif
