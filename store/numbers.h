/* numbers.h: the values of all sources of one kind over the frames of a chunk.
 *
 * Format: MC_PART_NUMBERS of trace_format.h. Columns that follow exactly from others of the same
 *         source (used = allocs - frees) are stored as the constant between them; so are the
 *         first owner's counts of what routes count too, where together they are the same.
 */
#ifndef MC_NUMBERS_H
#define MC_NUMBERS_H

#include "store/column.h"
#include "tracer/frame.h"

/* The cells of a chunk that is being made: value-major, `room` frames to a value. */
struct mc_cells {
    const struct mc_schema *schema; /* borrowed */
    uint32_t source_count;          /* of schema's that the chunk knows */
    const uint32_t *source_first;   /* borrowed: the first frame of each source */
    const int64_t *values;          /* borrowed */
    uint32_t room, frame_count;
};

/* Append the raw part of one kind; nothing when there are no such sources. 0 or MC_ENOMEM. */
int mc_numbers_put(const struct mc_cells *cells, int kind, struct mc_buf *raw);

struct mc_number_source {
    uint32_t source_idx, first_frame;
};

/* A part, parsed; columns decode one by one. */
struct mc_numbers {
    int kind;
    uint32_t frame_count, source_count, field_count;
    struct mc_number_source *sources; /* owned */
    struct mc_column *columns;        /* owned; field-major */
    struct mc_buf raw;                /* owned */
    const struct mc_numbers *routes;  /* borrowed; of an owner's part: the routes' */
};

/* Parse `raw`, which is taken (and emptied). MC_ECORRUPT, MC_ENOMEM: nothing is left to free. */
int mc_numbers_parse(struct mc_numbers *n, int kind, const struct mc_schema *schema,
                     uint32_t frame_count, struct mc_buf *raw);
void mc_numbers_fini(struct mc_numbers *n);
/* Whether that field is one number in all frames from the source's first on, which is *value. */
int mc_numbers_same(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, int64_t *value);
/* Decode one field of the i-th source of the part into values[0..frame_count); frames before the
 * source's first are MC_VALUE_NONE. `scratch` has frame_count places too. */
int mc_numbers_get(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, int64_t *values,
                   int64_t *scratch);
/* The same of one frame only. */
int mc_numbers_at(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, uint32_t frame_idx,
                  int64_t *value);

#endif
