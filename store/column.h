/* column.h: one column of numbers: the smallest of a few transforms, then byte planes.
 *
 * Format: a head: a mode byte, then by its bits, in this order
 *   MC_COLUMN_NULLS    n runs, byte count and the runs as varints, alternately present and missing
 *                      frames; a missing number repeats the one before it (the first present one at
 *                      the start)
 *   MC_COLUMN_DIVIDED  a divisor of at least 2: what the planes hold is to be multiplied by it
 *   MC_COLUMN_BUCKETS  the numbers are bucket indices; the value is mc_bucket_top of each
 *   then, by the transform:
 *   CONST   z value                               LINEAR  z constant, and the field's relation;
 *                                                 with MC_COLUMN_TOTAL the sum over routes
 *   DELTA   z first, width                        DELTA2  z first, z first step, width
 *   DELTA and MC_COLUMN_LINE: z base, z step, width: differences from the line base + i * step
 *
 *         and, apart from the head, `width` byte planes, low bytes first, of the zigzag differences
 *         (count - 1 of them for DELTA, count - 2 for DELTA2, count for LINE).
 *         DIVIDED and LINE: since version 2.
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
    MC_COLUMN_BUCKETS = 8,
    MC_COLUMN_DIVIDED = 16,
    MC_COLUMN_LINE = 32,
    MC_COLUMN_TOTAL = 64,
    MC_COLUMN_MODES = 127 /* all bits that may be set */
};

/* A column's head, parsed. */
struct mc_column {
    uint8_t mode;
    uint32_t width;
    uint32_t count;
    int64_t first, step; /* CONST, LINEAR: first is the value or the constant */
    uint64_t divisor;
    struct mc_span nulls;
    uint32_t null_runs;
    const uint8_t *planes; /* borrowed; set by the caller */
};

/* Append the head and the planes of values[0..count), count at least 1. Overwrites values; scratch
 * has 2 * count places. */
void mc_column_put(int64_t *values, uint32_t count, int64_t *scratch, struct mc_buf *head,
                   struct mc_buf *planes);
/* Append the head of a column that follows from others; mode is 0 or MC_COLUMN_TOTAL. */
void mc_column_put_linear(int64_t constant, uint8_t mode, struct mc_buf *head);

/* Parse a head; out->planes is left NULL. MC_ECORRUPT. */
int mc_column_parse(struct mc_span *head, uint32_t count, struct mc_column *out);
/* How many bytes its planes take. */
uint64_t mc_column_plane_bytes(const struct mc_column *c);
/* Decode into values[0..count) (not for LINEAR). MC_ECORRUPT. */
int mc_column_get(const struct mc_column *c, int64_t *values);
/* Decode only the number at place `i`, below count (not for LINEAR). MC_ECORRUPT. */
int mc_column_at(const struct mc_column *c, uint32_t i, int64_t *value);

#endif
