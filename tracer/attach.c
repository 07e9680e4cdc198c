/* attach.c: opens a segment's file, checks its head, and reads spans of it. */
#include "tracer/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/error.h"

/* Times past this, some 146 years, are none: sums of two still fit. */
#define TIME_MAX (INT64_MAX / 2)

int mc_attach_fail(struct mc_attach *a, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(a->why, sizeof a->why, format, args);
    va_end(args);
    return code;
}

int mc_attach_read(struct mc_attach *a, uint64_t off, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(a->fd, (uint8_t *)to + done, bytes - done, (off_t)(off + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mc_attach_fail(a, MC_ECORRUPT, "%.200s: cannot be read: %s", a->path,
                                  strerror(errno));
        if (got == 0)
            return mc_attach_fail(
                a, MC_ECORRUPT, "%.160s: the segment was cut off at byte %llu; restart the program",
                a->path, (unsigned long long)(off + done));
        done += (size_t)got;
    }
    return 0;
}

/* Every text of the head ends within its array. */
static void end_texts(struct mc_segment_head *h)
{
    h->name[sizeof h->name - 1] = 0;
    h->label[sizeof h->label - 1] = 0;
    h->build[sizeof h->build - 1] = 0;
    h->program[sizeof h->program - 1] = 0;
}

static int check_head(struct mc_attach *a, uint64_t file_bytes)
{
    struct mc_segment_head *h = &a->head;
    if (memcmp(h->magic, MC_SEGMENT_MAGIC, sizeof h->magic) != 0)
        return mc_attach_fail(a, MC_EFORMAT, "%.160s: not a memcam segment; `memcam ls` lists them",
                              a->path);
    if (h->version != MC_SEGMENT_VERSION)
        return mc_attach_fail(a, MC_EFORMAT,
                              "%.120s: segment version %u, but this memcam reads %u; build the "
                              "program and memcam from one release",
                              a->path, h->version, MC_SEGMENT_VERSION);
    int is_sane = h->pid > 0 && h->clock <= MC_CLOCK_TSC && h->start_mono_ns >= 0 &&
                  h->start_mono_ns < TIME_MAX && h->start_wall_ns >= 0 &&
                  h->start_wall_ns < TIME_MAX;
    if (!is_sane || mc_segment_layout(h, &a->layout) != 0)
        return mc_attach_fail(
            a, MC_ECORRUPT, "%.160s: the segment's head is damaged; restart the program", a->path);
    if (file_bytes < h->segment_bytes)
        return mc_attach_fail(a, MC_ECORRUPT,
                              "%.140s: cut off: %llu of %llu bytes; restart the program", a->path,
                              (unsigned long long)file_bytes, (unsigned long long)h->segment_bytes);
    return 0;
}

int mc_attach_open(struct mc_attach *a, const char *path)
{
    struct stat st;
    memset(a, 0, sizeof *a);
    snprintf(a->path, sizeof a->path, "%s", path);
    a->is_new = 1;
    a->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (a->fd < 0 || fstat(a->fd, &st) != 0) {
        int code = mc_error_from_errno(errno);
        mc_attach_fail(a, code, "%.160s: cannot be opened: %s; `memcam ls` lists what runs",
                       a->path, strerror(errno));
        if (a->fd >= 0)
            close(a->fd);
        return code;
    }
    int code;
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)MC_SEGMENT_PAGE)
        code = mc_attach_fail(a, MC_EFORMAT, "%.160s: not a memcam segment; `memcam ls` lists them",
                              a->path);
    else
        code = mc_attach_read(a, 0, &a->head, sizeof a->head);
    if (!code)
        code = check_head(a, (uint64_t)st.st_size);
    if (!code)
        code = mc_attach_refresh(a, 0);
    if (code)
        mc_attach_close(a);
    else
        end_texts(&a->head);
    return code;
}

void mc_attach_close(struct mc_attach *a)
{
    close(a->fd);
    a->fd = -1;
    free(a->hot);
    a->hot = NULL;
}

int mc_attach_refresh(struct mc_attach *a, uint32_t source_count)
{
    size_t bytes = a->layout.cells_off + (size_t)source_count * sizeof(struct mc_segment_cell);
    if (bytes > a->hot_room) {
        size_t room = (bytes + bytes / 2 + MC_SEGMENT_PAGE) / MC_SEGMENT_PAGE * MC_SEGMENT_PAGE;
        uint8_t *hot = aligned_alloc(MC_SEGMENT_PAGE, room);
        if (!hot)
            return mc_attach_fail(a, MC_ENOMEM, "out of memory");
        free(a->hot);
        a->hot = hot;
        a->hot_room = room;
    }
    int code = mc_attach_read(a, 0, a->hot, bytes);
    if (code)
        return code;
    const struct mc_segment_head *now = (const struct mc_segment_head *)a->hot;
    if (memcmp(now->magic, a->head.magic, offsetof(struct mc_segment_head, name)) != 0)
        return mc_attach_fail(a, MC_ECORRUPT,
                              "%.160s: the segment was overwritten; restart the program", a->path);
    memcpy(&a->live, a->hot + MC_SEGMENT_LIVE_OFF, sizeof a->live);
    return 0;
}

const struct mc_segment_ring *mc_attach_rings(const struct mc_attach *a)
{
    return (const struct mc_segment_ring *)(a->hot + MC_SEGMENT_RINGS_CONTROL_OFF);
}

const struct mc_segment_cell *mc_attach_cell(const struct mc_attach *a, uint32_t source_idx)
{
    return (const struct mc_segment_cell *)(a->hot + a->layout.cells_off) + source_idx;
}
