/* codec.h: encodings beside ours, measured on the frames of a recorded trace.
 *
 * bench_codecs reads a run a minute at a time; each candidate is one function of one file, which
 * encodes that minute and adds up what it took. Only sizes count: nothing here is decoded.
 */
#ifndef MC_BENCH_CODEC_H
#define MC_BENCH_CODEC_H

#include <time.h>

#include "store/chunk.h"

#define CODEC_FRAMES 600u /* a chunk, as the store seals it */

/* A candidate that takes each frame for itself takes one in so many and counts it as all of them:
 * an hour of the demo is 53 million events, and as rows they would take the most of that time. */
#define CODEC_FRAMES_TO_ONE 10u

/* The frames of a chunk, in the open. */
struct codec_chunk {
    const struct mc_schema *schema; /* borrowed; as of the last frame */
    uint32_t frame_count;
    int64_t ts[CODEC_FRAMES];
    int64_t *values; /* owned; value-major, CODEC_FRAMES to a value; MC_VALUE_NONE before it was */
    uint32_t value_room;
    struct mc_maps before, after;  /* maps before the first frame, and after the last */
    struct mc_buf changes, events; /* struct mc_slot_change, struct mc_event */
    uint32_t change_starts[CODEC_FRAMES + 1], event_starts[CODEC_FRAMES + 1];
    struct mc_chunk_writer writer; /* the same frames, as the store encodes them */
    struct mc_map_ops ops;
    double encode_seconds; /* CPU time that `writer` took */
};

/* What is encoded; a figure is bytes by the number of these. */
enum codec_what { CODEC_VALUES, CODEC_CHANGES, CODEC_EVENTS, CODEC_ROWS, CODEC_WHAT_COUNT };

struct codec_sum {
    enum codec_what what;
    const char *name;
    double bytes, seconds;
};

struct codec_bench {
    struct codec_chunk chunk;
    struct mc_packer *packer;
    uint64_t values, changes, events, frames;
    double field_bytes[MC_KIND_COUNT][32]; /* of numbers, by the range coder */
    struct codec_sum sums[64];
    uint32_t sum_count;
};

static inline double codec_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Add to a candidate's sum. `name` is a constant: sums are told apart by it. */
void codec_add(struct codec_bench *b, enum codec_what what, const char *name, double bytes,
               double seconds);
/* How many bytes zstd-3, as the store sets it up, makes of these. */
size_t codec_zstd(struct codec_bench *b, const struct mc_buf *raw);
/* One value of the chunk over its frames. */
static inline const int64_t *codec_values(const struct codec_chunk *c, uint32_t value_idx)
{
    return c->values + (size_t)value_idx * CODEC_FRAMES;
}
static inline const struct mc_event *codec_event_list(const struct codec_chunk *c)
{
    return (const struct mc_event *)(const void *)c->events.bytes;
}
static inline const struct mc_slot_change *codec_change_list(const struct codec_chunk *c)
{
    return (const struct mc_slot_change *)(const void *)c->changes.bytes;
}

/* codec_load.c: take a frame in. 0 or a code. */
int codec_chunk_add(struct codec_chunk *c, const struct mc_frame *frame);
void codec_chunk_next(struct codec_chunk *c);
void codec_chunk_fini(struct codec_chunk *c);

/* The candidates. */
void codec_json(struct codec_bench *b);          /* a JSON line a frame, zstd-3 each */
void codec_ftdc(struct codec_bench *b);          /* MongoDB's full-time diagnostic data capture */
void codec_gorilla(struct codec_bench *b);       /* Facebook's in-memory time series */
void codec_maps(struct codec_bench *b);          /* XOR runs, lists of positions */
void codec_event_columns(struct codec_bench *b); /* a struct an event, plain columns */
void codec_table_begin(struct codec_bench *b);   /* plain SQLite tables */
void codec_table(struct codec_bench *b);
void codec_table_end(struct codec_bench *b);
/* Whether a part has slot maps: of its first leg or of a later one. */
static inline int codec_is_maps(uint32_t part_number)
{
    return part_number == MC_PART_MAPS ||
           (part_number >= MC_PART_LEGS && part_number < MC_PART_EVENTS);
}

/* codec_range.c: the store's own parts, an adaptive range coder in place of zstd. */
void codec_range(struct codec_bench *b, uint32_t part_number, const struct mc_buf *raw);

#endif
