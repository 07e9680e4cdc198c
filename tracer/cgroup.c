/* cgroup.c: finds a process's memory control group and reads it. */
#include "tracer/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the kernel's "no limit" begins in version 1: it prints PAGE_COUNTER_MAX. */
#define V1_NO_LIMIT (INT64_C(1) << 60)

static size_t read_fd(int fd, char *text, size_t text_bytes)
{
    ssize_t got = fd < 0 ? -1 : pread(fd, text, text_bytes - 1, 0);
    text[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

static int open_in(const char *dir, const char *file)
{
    char path[640];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Whether a comma list holds a word. */
static int has_word(const char *list, const char *word)
{
    size_t bytes = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += bytes) {
        if ((at == list || at[-1] == ',') && (at[bytes] == ',' || at[bytes] == 0))
            return 1;
    }
    return 0;
}

/* The path of the process's memory group in /proc/PID/cgroup: version 1's if there is one. */
static int group_of(int64_t pid, char *group, size_t group_bytes, int *is_v1)
{
    char path[64], line[1024];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%lld/cgroup", (long long)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at)
            continue;
        *at++ = 0;
        int v1 = has_word(controllers + 1, "memory"), v2 = controllers[1] == 0;
        if (strlen(at) < group_bytes && (v1 || (v2 && !found))) {
            snprintf(group, group_bytes, "%s", at);
            *is_v1 = v1;
            found = 1;
            if (v1)
                break;
        }
    }
    fclose(f);
    return found;
}

/* Where that hierarchy is mounted, and which of its groups is the mount's root. */
static int mount_of(int is_v1, char *top, size_t top_bytes, char *root, size_t root_bytes)
{
    char line[2048], found_root[512], point[512], type[64], options[512];
    int found = 0;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return 0;
    while (!found && fgets(line, sizeof line, f)) {
        char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %*s %511s %511s", found_root, point) != 2 ||
            sscanf(tail, " - %63s %*s %511s", type, options) != 2)
            continue;
        found = is_v1 ? strcmp(type, "cgroup") == 0 && has_word(options, "memory")
                      : strcmp(type, "cgroup2") == 0;
        if (found && (strlen(point) >= top_bytes || strlen(found_root) >= root_bytes))
            found = 0;
    }
    fclose(f);
    if (found) {
        memcpy(top, point, strlen(point) + 1);
        memcpy(root, found_root, strlen(found_root) + 1);
    }
    return found;
}

void mc_cgroup_open(struct mc_procfs *p)
{
    char group[256], root[256];
    if (group_of(p->pid, group, sizeof group, &p->cgroup_v1) &&
        mount_of(p->cgroup_v1, p->cgroup_top, sizeof p->cgroup_top, root, sizeof root)) {
        const char *used_file = p->cgroup_v1 ? "memory.usage_in_bytes" : "memory.current";
        size_t root_bytes = strcmp(root, "/") == 0 ? 0 : strlen(root);
        const char *below = strncmp(group, root, root_bytes) == 0 ? group + root_bytes : "";
        snprintf(p->cgroup_dir, sizeof p->cgroup_dir, "%s%s", p->cgroup_top,
                 strcmp(below, "/") == 0 ? "" : below);
        p->cgroup_used_fd = open_in(p->cgroup_dir, used_file);
        if (p->cgroup_used_fd < 0) { /* a container sees only its own part of the tree */
            snprintf(p->cgroup_dir, sizeof p->cgroup_dir, "%s", p->cgroup_top);
            p->cgroup_used_fd = open_in(p->cgroup_dir, used_file);
        }
        if (!p->cgroup_v1)
            p->pressure_fd = open_in(p->cgroup_dir, "memory.pressure");
    }
    if (p->pressure_fd < 0)
        p->pressure_fd = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
}

/* The "total=" of the line that begins with `word`, in us. */
static int64_t pressure_total(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    at = at ? strstr(at, "total=") : NULL;
    return at ? strtoll(at + 6, NULL, 10) : MC_VALUE_NONE;
}

void mc_cgroup_read(struct mc_procfs *p)
{
    char text[512];
    int64_t *v = p->values;
    if (p->cgroup_used_fd >= 0)
        v[MC_FIELD(PROCESS, CGROUP_USED)] =
            read_fd(p->cgroup_used_fd, text, sizeof text) ? strtoll(text, NULL, 10) : MC_VALUE_NONE;
    if (p->pressure_fd >= 0) {
        read_fd(p->pressure_fd, text, sizeof text);
        v[MC_FIELD(PROCESS, PRESSURE_SOME)] = pressure_total(text, "some");
        v[MC_FIELD(PROCESS, PRESSURE_FULL)] = pressure_total(text, "full");
    }
}

void mc_cgroup_read_limit(struct mc_procfs *p)
{
    char dir[512], text[64];
    size_t top_bytes = strlen(p->cgroup_top);
    const char *file = p->cgroup_v1 ? "memory.limit_in_bytes" : "memory.max";
    p->cgroup_limit = MC_VALUE_NONE;
    if (p->cgroup_used_fd < 0)
        return;
    memcpy(dir, p->cgroup_dir, sizeof dir);
    for (;;) {
        int fd = open_in(dir, file);
        size_t got = read_fd(fd, text, sizeof text);
        if (fd >= 0)
            close(fd);
        int64_t limit = got && strncmp(text, "max", 3) != 0 ? strtoll(text, NULL, 10) : V1_NO_LIMIT;
        if (limit < V1_NO_LIMIT && (p->cgroup_limit == MC_VALUE_NONE || limit < p->cgroup_limit))
            p->cgroup_limit = limit;
        char *slash = strrchr(dir, '/');
        if (strlen(dir) <= top_bytes || !slash)
            return;
        *slash = 0;
    }
}
