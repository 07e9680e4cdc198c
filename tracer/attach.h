/* attach.h: an open segment, read with pread into private copies.
 *
 * Threads: one per object.
 * Never:   maps the file. A mapping of a file that someone truncates ends in SIGBUS, and a handler
 *          for that would be the whole process's business; pread just comes back short. Measured:
 *          4 KB in 0.4 us, 256 KB in 10 us; and maps that have not changed are not read.
 */
#ifndef MC_ATTACH_H
#define MC_ATTACH_H

#include "tracer/segment.h"

struct mc_attach {
    int fd;                      /* owned */
    int is_new;                  /* nothing has been read since open */
    struct mc_segment_head head; /* checked; its texts may hold anything, but end with NUL */
    struct mc_segment_layout layout;
    struct mc_segment_live live; /* newest copy */
    /* The first part of the file up to the last known cell: head, live words, ring controls,
     * cells. Owned. */
    uint8_t *hot;
    size_t hot_room;
    char path[512];
    char why[256]; /* one line, after an error */
};

/* Open and check the head. 0; MC_ENOENT, MC_EPERM, MC_EFORMAT, MC_ECORRUPT, MC_ENOMEM, MC_EIO with
 * a line in a->why, and nothing to close. */
int mc_attach_open(struct mc_attach *a, const char *path);
void mc_attach_close(struct mc_attach *a);

/* Copy a span of the segment. 0, or MC_ECORRUPT with a line in a->why: the file is shorter. */
int mc_attach_read(struct mc_attach *a, uint64_t off, void *to, size_t bytes);

/* Read head, live words, ring controls, and the cells of source_count sources, and check that the
 * head is still the one from open. 0, MC_ECORRUPT or MC_ENOMEM, with a line in a->why. */
int mc_attach_refresh(struct mc_attach *a, uint32_t source_count);

/* The newest copies. */
const struct mc_segment_ring *mc_attach_rings(const struct mc_attach *a);
const struct mc_segment_cell *mc_attach_cell(const struct mc_attach *a, uint32_t source_idx);

/* Set the line of an error and return its code. */
int mc_attach_fail(struct mc_attach *a, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
