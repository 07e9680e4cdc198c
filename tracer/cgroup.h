/* cgroup.h: memory use, limit and pressure of a process's control group, version 1 or 2. */
#ifndef MC_CGROUP_H
#define MC_CGROUP_H

#include "tracer/procfs.h"

/* Find the group of p->pid and open its files; what is not there stays MC_VALUE_NONE. */
void mc_cgroup_open(struct mc_procfs *p);
/* Read CGROUP_USED and the pressures into p->values. */
void mc_cgroup_read(struct mc_procfs *p);
/* Read the lowest limit from the group up to the top into p->cgroup_limit. */
void mc_cgroup_read_limit(struct mc_procfs *p);

#endif
