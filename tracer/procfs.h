/* procfs.h: what the kernel knows of a process, read from outside.
 *
 * Threads: one per object. Files under /proc stay open: an open one belongs to that process alone,
 *          even after its pid has gone to another.
 */
#ifndef MC_PROCFS_H
#define MC_PROCFS_H

#include "tracer/frame.h"

struct mc_procfs {
    int64_t pid;
    int stat_fd, status_fd, self_fd;       /* owned; -1: not there */
    int cgroup_used_fd, pressure_fd;       /* owned; -1: not there */
    char cgroup_dir[512], cgroup_top[256]; /* for the limit: this directory up to that */
    int cgroup_v1;
    int64_t cgroup_limit;
    int64_t seen_stopped_ns;           /* since when in state T, t or D; 0: is not */
    int64_t next_pss_ns, next_slow_ns; /* when the costly ones are read again */
    int64_t pss, fds;
    int64_t values[MC_F_PROCESS_PRESSURE_FULL - MC_F_PROCESS_STATE + 1];
};

/* Look at process `pid` if it is the one that started at process_start. Never fails: what can't be
 * read is MC_VALUE_NONE. */
void mc_procfs_open(struct mc_procfs *p, int64_t pid, uint64_t process_start);
void mc_procfs_close(struct mc_procfs *p);
/* Read state, faults, CPU time and thread count. 1: it runs; 0: it is gone, or a zombie. */
int mc_procfs_alive(struct mc_procfs *p, int64_t mono_ns);
/* Read the rest into p->values. STALLED is how long it has been seen stopped, or in
 * uninterruptible sleep. */
void mc_procfs_read(struct mc_procfs *p, int64_t mono_ns);
/* The resident bytes of this process itself. */
int64_t mc_procfs_own_rss(const struct mc_procfs *p);

#endif
