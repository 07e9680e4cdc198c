/* procfs.c: state, memory and CPU of a process, its descriptors, its cgroup.
 *
 * Cost, measured on a process of 60 MB: stat 2.7 us, status 6.1, descriptors 1.1, cgroup 0.5,
 * pressure 1.3. smaps_rollup took 27, but it walks the page tables, so that it grows with the
 * process, and holds the process's memory lock meanwhile: it is read once a second at most, and
 * never more than 1 % of the time.
 */
#include "tracer/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tracer/cgroup.h"
#include "tracer/pub_priv.h"

#define SLOW_EVERY_NS INT64_C(1000000000)

static int open_proc(int64_t pid, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Read a small file from its start. The number of bytes, 0 when it can't be read. */
static size_t read_text(int fd, char *text, size_t text_bytes)
{
    ssize_t got = fd < 0 ? -1 : pread(fd, text, text_bytes - 1, 0);
    text[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

/* The number behind "Key:" in kB, as bytes. */
static int64_t bytes_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoll(at + strlen(key), NULL, 10) * 1024 : MC_VALUE_NONE;
}

void mc_procfs_open(struct mc_procfs *p, int64_t pid, uint64_t process_start)
{
    memset(p, 0, sizeof *p);
    p->pid = pid;
    p->stat_fd = p->status_fd = p->cgroup_used_fd = p->pressure_fd = -1;
    p->pss = p->fds = p->cgroup_limit = MC_VALUE_NONE;
    for (size_t i = 0; i < sizeof p->values / sizeof p->values[0]; i++)
        p->values[i] = MC_VALUE_NONE;
    p->self_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    p->stat_fd = open_proc(pid, "stat");
    /* Checked after the file is open: from here on it can't become another process's. */
    if (p->stat_fd >= 0 && mc_pub_process_start(pid) != process_start) {
        close(p->stat_fd);
        p->stat_fd = -1;
    }
    if (p->stat_fd < 0)
        return;
    p->status_fd = open_proc(pid, "status");
    mc_cgroup_open(p);
}

void mc_procfs_close(struct mc_procfs *p)
{
    int fds[] = {p->stat_fd, p->status_fd, p->self_fd, p->cgroup_used_fd, p->pressure_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    p->stat_fd = p->status_fd = p->self_fd = p->cgroup_used_fd = p->pressure_fd = -1;
}

/* Fields of /proc/PID/stat by their number in proc(5), from 3 on. */
static int parse_stat(const char *text, char *state, long long *field, int field_count)
{
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || at[1] != ' ')
        return -1;
    *state = at[2];
    at += 3;
    for (int i = 4; i < field_count; i++) {
        char *end;
        field[i] = strtoll(at, &end, 10);
        if (end == at)
            return -1;
        at = end;
    }
    return 0;
}

static void note_stops(struct mc_procfs *p, char state, int64_t mono_ns)
{
    if (state != 'T' && state != 't' && state != 'D')
        p->seen_stopped_ns = 0;
    else if (!p->seen_stopped_ns)
        p->seen_stopped_ns = mono_ns;
    p->values[MC_FIELD(PROCESS, STALLED)] = p->seen_stopped_ns ? mono_ns - p->seen_stopped_ns : 0;
}

int mc_procfs_alive(struct mc_procfs *p, int64_t mono_ns)
{
    char text[1024], state;
    long long field[23] = {0};
    if (!read_text(p->stat_fd, text, sizeof text) || parse_stat(text, &state, field, 23) != 0)
        return 0;
    /* A main thread that has ended is a Z too, but others go on then. */
    if ((state == 'Z' || state == 'X') && field[20] <= 1)
        return 0;
    int64_t tick_ns = INT64_C(1000000000) / sysconf(_SC_CLK_TCK);
    p->values[MC_FIELD(PROCESS, STATE)] = state;
    p->values[MC_FIELD(PROCESS, MINOR_FAULTS)] = field[10];
    p->values[MC_FIELD(PROCESS, MAJOR_FAULTS)] = field[12];
    p->values[MC_FIELD(PROCESS, CPU_USER)] = field[14] * tick_ns;
    p->values[MC_FIELD(PROCESS, CPU_SYSTEM)] = field[15] * tick_ns;
    p->values[MC_FIELD(PROCESS, THREADS)] = field[20];
    note_stops(p, state, mono_ns);
    return 1;
}

/* Proportional share of memory. Its cost grows with the process, and so does the pause after. */
static void read_pss(struct mc_procfs *p, int64_t mono_ns)
{
    char text[2048];
    int64_t before = mc_pub_clock_mono();
    int fd = open_proc(p->pid, "smaps_rollup");
    p->pss = read_text(fd, text, sizeof text) ? bytes_after(text, "\nPss:") : MC_VALUE_NONE;
    if (fd >= 0)
        close(fd);
    int64_t pause_ns = (mc_pub_clock_mono() - before) * 100;
    p->next_pss_ns = mono_ns + (pause_ns > SLOW_EVERY_NS ? pause_ns : SLOW_EVERY_NS);
}

/* Since Linux 6.2 the directory's size is the number of descriptors; before, they are listed. */
static void read_fds(struct mc_procfs *p, int is_slow_turn)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%lld/fd", (long long)p->pid);
    if (stat(path, &st) == 0 && st.st_size > 0) {
        p->fds = st.st_size;
        return;
    }
    DIR *d = is_slow_turn ? opendir(path) : NULL;
    if (!d)
        return;
    p->fds = 0;
    for (struct dirent *entry; (entry = readdir(d));)
        p->fds += entry->d_name[0] != '.';
    closedir(d);
}

void mc_procfs_read(struct mc_procfs *p, int64_t mono_ns)
{
    char text[4096];
    int64_t *v = p->values;
    int is_slow_turn = mono_ns >= p->next_slow_ns;
    if (read_text(p->status_fd, text, sizeof text)) {
        v[MC_FIELD(PROCESS, RSS)] = bytes_after(text, "\nVmRSS:");
        v[MC_FIELD(PROCESS, ANON)] = bytes_after(text, "\nRssAnon:");
        v[MC_FIELD(PROCESS, FILE)] = bytes_after(text, "\nRssFile:");
        v[MC_FIELD(PROCESS, SHMEM)] = bytes_after(text, "\nRssShmem:");
    }
    if (mono_ns >= p->next_pss_ns)
        read_pss(p, mono_ns);
    read_fds(p, is_slow_turn);
    if (is_slow_turn) {
        mc_cgroup_read_limit(p);
        p->next_slow_ns = mono_ns + SLOW_EVERY_NS;
    }
    v[MC_FIELD(PROCESS, PSS)] = p->pss;
    v[MC_FIELD(PROCESS, FDS)] = p->fds;
    v[MC_FIELD(PROCESS, CGROUP_LIMIT)] = p->cgroup_limit;
    mc_cgroup_read(p);
}

int64_t mc_procfs_own_rss(const struct mc_procfs *p)
{
    char text[128];
    long long total, resident;
    if (!read_text(p->self_fd, text, sizeof text) ||
        sscanf(text, "%lld %lld", &total, &resident) != 2)
        return MC_VALUE_NONE;
    return resident * sysconf(_SC_PAGESIZE);
}
