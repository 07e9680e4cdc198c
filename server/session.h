/* session.h: a recording from start to end: the trace, the dashboard, the program, the signals.
 * What `memcam serve` and `memcam record` have in common.
 */
#ifndef MC_SESSION_H
#define MC_SESSION_H

#include "server/options.h"

struct mc_session_options {
    const struct mc_settings *settings; /* store, dash, and one of: name, pid, program */
    char **program; /* started and recorded, with what it starts itself; NULL: name or pid says */
    int serves_app; /* the program is our own app host: it says on descriptor 3 when it is ready */
};

/* Run it; returns the exit status. Leaves no process behind that it has started, but when it is
 * killed itself: then the program goes on. */
int mc_session_run(const struct mc_session_options *opts);

#endif
