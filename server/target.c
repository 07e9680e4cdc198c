/* target.c: see target.h. */
#include "server/target.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/error.h"

#define ANCESTORS_MAX 64
#define ENVIRON_BYTES_MAX (256 * 1024)

/* The parent's pid from /proc/PID/stat; 0 when it can't be told. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t count = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[count > 0 ? count : 0] = '\0';
    const char *behind_name = strrchr(text, ')'); /* the name may hold anything */
    int parent = 0;
    if (behind_name == NULL || sscanf(behind_name, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static int has_mark(pid_t pid, const char *mark)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? malloc(ENVIRON_BYTES_MAX + 1) : NULL;
    size_t count = 0;
    for (ssize_t got = 1; text != NULL && got > 0 && count < ENVIRON_BYTES_MAX;) {
        got = read(fd, text + count, ENVIRON_BYTES_MAX - count);
        count += got > 0 ? (size_t)got : 0;
    }
    int found = 0;
    if (text != NULL) {
        text[count] = '\0';
        for (size_t at = 0; !found && at < count; at += strlen(text + at) + 1)
            found = strcmp(text + at, mark) == 0;
    }
    free(text);
    if (fd >= 0)
        close(fd);
    return found;
}

static int descends_from(pid_t pid, pid_t ancestor)
{
    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        if (pid == ancestor)
            return 1;
        pid = parent_of(pid);
    }
    return 0;
}

static int fits(const struct mc_target *t, const struct mc_program *p)
{
    if (t->passed_over != NULL && strcmp(t->passed_over, p->path) == 0)
        return 0;
    if (t->name != NULL)
        return strcmp(p->name, t->name) == 0 &&
               (p->alive || (t->left != NULL && strcmp(t->left, p->path) == 0));
    if (t->pid != 0)
        return p->pid == t->pid;
    if (p->start_wall_ns < t->since_wall_ns)
        return 0;
    if (p->pid == t->child)
        return 1;
    return p->alive && (descends_from((pid_t)p->pid, t->child) ||
                        (t->mark != NULL && has_mark((pid_t)p->pid, t->mark)));
}

int mc_target_find(const struct mc_target *target, struct mc_program *out)
{
    struct mc_program *programs = NULL;
    size_t count = 0;
    int rc = mc_program_list(NULL, &programs, &count);
    if (rc != 0)
        return rc;
    const struct mc_program *best = NULL; /* the list has the newest first */
    for (size_t i = 0; i < count; i++)
        if (fits(target, &programs[i]) && (best == NULL || (programs[i].alive && !best->alive)))
            best = &programs[i];
    if (best != NULL)
        *out = *best;
    free(programs);
    return best != NULL ? 0 : MC_ENOENT;
}

int mc_target_file(pid_t pid, char *out, size_t out_bytes)
{
    char dir[256], pattern[sizeof(dir) + 32];
    glob_t found;
    if (mc_segment_dir(dir, sizeof(dir)) != 0)
        return MC_ENOENT;
    snprintf(pattern, sizeof(pattern), "%s/*.%d.seg", dir, (int)pid);
    int rc = glob(pattern, 0, NULL, &found);
    if (rc != 0)
        return MC_ENOENT;
    snprintf(out, out_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return 0;
}
