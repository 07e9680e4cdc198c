/* programs.c: lists the published programs of a directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/attach.h"
#include "tracer/error.h"
#include "tracer/grow.h"
#include "tracer/pub_priv.h"
#include "tracer/sampler.h"
#include "tracer/text.h"

#define PROGRAMS_MAX 4096u

int mc_segment_dir(char *buf, size_t buf_bytes)
{
    return mc_pub_dir_choose(NULL, buf, buf_bytes) == 0 ? 0 : MC_ENOENT;
}

/* Fill in *p from the segment at p->path. 0, or a negative code when it is none. */
static int look_at(struct mc_program *p)
{
    struct mc_attach a;
    int code = mc_attach_open(&a, p->path);
    if (code)
        return code;
    mc_text_clean(p->name, sizeof p->name, a.head.name, sizeof a.head.name);
    p->pid = a.head.pid;
    p->start_wall_ns = a.head.start_wall_ns;
    uint64_t started = mc_pub_process_start(p->pid);
    p->alive = started != 0 && started == a.head.process_start && !a.live.ended;
    mc_attach_close(&a);
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct mc_program *x = a, *y = b;
    if (x->start_wall_ns != y->start_wall_ns)
        return x->start_wall_ns < y->start_wall_ns ? 1 : -1;
    return strcmp(x->path, y->path);
}

static int is_segment_name(const char *file)
{
    size_t bytes = strlen(file), suffix = sizeof MC_SEGMENT_SUFFIX - 1;
    return bytes > suffix && strcmp(file + bytes - suffix, MC_SEGMENT_SUFFIX) == 0;
}

int mc_program_list(const char *dir, struct mc_program **out, size_t *count)
{
    char chosen[480];
    struct mc_program *list = NULL;
    size_t used = 0;
    uint32_t room = 0;
    if (mc_pub_dir_choose(dir, chosen, sizeof chosen) != 0)
        return MC_EINVAL;
    DIR *d = opendir(chosen);
    int code = d || errno == ENOENT ? 0 : mc_error_from_errno(errno);
    for (struct dirent *entry; d && !code && used < PROGRAMS_MAX && (entry = readdir(d));) {
        if (!is_segment_name(entry->d_name))
            continue;
        struct mc_program *moved = mc_grown(list, used, &room, sizeof *moved);
        if (!moved) {
            code = MC_ENOMEM;
            break;
        }
        list = moved;
        struct mc_program *p = &list[used];
        memset(p, 0, sizeof *p);
        int wanted = snprintf(p->path, sizeof p->path, "%s/%s", chosen, entry->d_name);
        if (wanted > 0 && (size_t)wanted < sizeof p->path && look_at(p) == 0)
            used++;
    }
    if (d)
        closedir(d);
    if (code) {
        free(list);
        return code;
    }
    if (used)
        qsort(list, used, sizeof *list, newest_first);
    *out = list;
    *count = used;
    return 0;
}
