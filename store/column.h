/* column.h: one column of numbers: the smallest of a few transforms, then byte planes.
 *
 * Format: a head: a mode byte, then by its bits
 *           MC_COLUMN_NULLS    n runs of varints, alternately present and missing frames; a missing
 *                              number repeats the one before it (the first present one at the
 * start) MC_COLUMN_BUCKETS  the numbers are bucket indices; the value is mc_bucket_top of each
 *           CONST   z value                               LINEAR  z constant, and the field's
 * relation DELTA   z first, width                        DELTA2  z first, z first step, width and,
 * apart from the head, `width` byte planes, low bytes first, of the zigzag differences (count - 1
 * of them for DELTA, count - 2 for DELTA2).
 */
#ifndef MC_COLUMN_H
#define MC_COLUMN_H

#include "tracer/buf.h"

enum mc_column_mode {
    MC_COLUMN_CONST = 0,
    MC_COLUMN_DELTA = 1,
    MC_COLUMN_DELTA2 = 2,
    MC_COLUMN_LINEAR = 3,
    MC_COLUMN_TRANSFORM = 3, /* the mask of the four above */
    MC_COLUMN_NULLS = 4,
    MC_COLUMN_BUCKETS = 8
};

/* A column's head, parsed. */
struct mc_column {
    uint8_t mode;
    uint32_t width;
    uint32_t count;
    int64_t first, step; /* CONST, LINEAR: first is the value or the constant */
    struct mc_span nulls;
    uint32_t null_runs;
    const uint8_t *planes; /* borrowed; set by the caller */
};

/* Append the head and the planes of values[0..count), count at least 1. Overwrites values. */
void mc_column_put(int64_t *values, uint32_t count, struct mc_buf *head, struct mc_buf *planes);
/* Append the head of a column that follows from others of its source. */
void mc_column_put_linear(int64_t constant, struct mc_buf *head);

/* Parse a head; out->planes is left NULL. MC_ECORRUPT. */
int mc_column_parse(struct mc_span *head, uint32_t count, struct mc_column *out);
/* How many bytes its planes take. */
uint64_t mc_column_plane_bytes(const struct mc_column *c);
/* Decode into values[0..count) (not for LINEAR). MC_ECORRUPT. */
int mc_column_get(const struct mc_column *c, int64_t *values);

#endif
