/* target.h: which of the published programs is the one to record. */
#ifndef MC_TARGET_H
#define MC_TARGET_H

#include <sys/types.h>

#include "tracer/sampler.h"

struct mc_target {
    const char *name;      /* the newest living program of this name; or */
    const char *left;      /* with name: path of one that has ended, where none lives; NULL none */
    pid_t pid;             /* the program with this process id, also one that has ended; or */
    pid_t child;           /* a process that this one has started, or one that descends from it */
    const char *mark;      /* with child: "NAME=VALUE" in the environment of all its descendants */
    int64_t since_wall_ns; /* with child: nothing that was published before */
    const char *passed_over; /* path of a segment that is done with; NULL none */
};

/* Find it among the segments of the default directory. 0 with *out filled, MC_ENOENT, or another
 * negative code. With child, a living program comes before one that has ended. */
int mc_target_find(const struct mc_target *target, struct mc_program *out);
/* The segment file of a process in the default directory, whatever is in it: its path into `out`. 0
 * or MC_ENOENT. */
int mc_target_file(pid_t pid, char *out, size_t out_bytes);

#endif
