/* chunk_read.c: frames out of the parts of a row: their times, gaps, maps and bucket counts. The
 * format stands in trace_format.h; every byte is hostile, also behind a right checksum: all counts
 * are bounded before anything is allocated.
 */
#include <stdlib.h>

#include "store/chunk_priv.h"
#include "tracer/error.h"

int mc_chunk_load_part(struct mc_chunk *c, uint32_t number, struct mc_buf *raw, int *found)
{
    uint64_t offset = 0;
    *found = 0;
    for (uint32_t i = 0; i < c->info.part_count; i++) {
        const struct mc_chunk_part *p = &c->info.parts[i];
        if (p->number != number) {
            offset += p->stored_bytes;
            continue;
        }
        const uint8_t *bytes;
        int rc = c->fetch(c->fetch_arg, p, offset, &bytes);
        if (rc == 0 && mc_sum64(bytes, p->stored_bytes, MC_SUM_SEED) != p->checksum)
            rc = MC_ECORRUPT;
        c->is_damaged |= rc == MC_ECORRUPT;
        if (rc < 0)
            return rc;
        *found = 1;
        if (c->info.codec == MC_CODEC_ZSTD)
            return mc_unpack(c->packer, bytes, p->stored_bytes, p->raw_bytes, raw);
        if (p->stored_bytes != p->raw_bytes)
            return MC_ECORRUPT;
        raw->count = 0;
        mc_buf_add(raw, bytes, p->raw_bytes);
        return raw->failed ? MC_ENOMEM : 0;
    }
    return 0;
}

static int read_gaps(struct mc_chunk *c, struct mc_span *s)
{
    uint64_t count = mc_take_varint(s);
    if (s->failed || count > (uint64_t)(s->end - s->at) / 5)
        return MC_ECORRUPT;
    c->gaps = calloc(count + 1, sizeof *c->gaps);
    c->gap_starts = calloc(c->info.frame_count + 1, sizeof *c->gap_starts);
    if (!c->gaps || !c->gap_starts)
        return MC_ENOMEM;
    uint64_t frame = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t of = mc_take_varint(s);
        int64_t ts = mc_take_zigzag(s);
        struct mc_gap *g = &c->gaps[i];
        g->dur_ns = mc_take_zigzag(s);
        g->lost = mc_take_varint(s);
        uint64_t text_bytes = mc_take_varint(s);
        const uint8_t *text = mc_span_take(s, text_bytes);
        if (s->failed || !text || of < frame || of >= c->info.frame_count ||
            text_bytes >= sizeof g->reason)
            return MC_ECORRUPT;
        g->ts = mc_wrap_add(c->ts[of], ts);
        memcpy(g->reason, text, text_bytes);
        while (frame < of)
            c->gap_starts[++frame] = (uint32_t)i;
    }
    while (frame < c->info.frame_count)
        c->gap_starts[++frame] = (uint32_t)count;
    return s->at == s->end ? 0 : MC_ECORRUPT;
}

static int read_frames(struct mc_chunk *c, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw);
    struct mc_column column;
    int rc = mc_column_parse(&s, c->info.frame_count, &column);
    if (rc < 0)
        return rc;
    struct mc_span planes = mc_take_span(&s, mc_column_plane_bytes(&column));
    if (planes.failed)
        return MC_ECORRUPT;
    column.planes = planes.at;
    c->ts = malloc(c->info.frame_count * sizeof *c->ts);
    if (!c->ts)
        return MC_ENOMEM;
    rc = mc_column_get(&column, c->ts);
    for (uint32_t f = 1; rc == 0 && f < c->info.frame_count; f++) {
        if (c->ts[f] <= c->ts[f - 1])
            rc = MC_ECORRUPT;
    }
    if (rc == 0 &&
        (c->ts[0] != c->info.first_ts || c->ts[c->info.frame_count - 1] != c->info.last_ts))
        rc = MC_ECORRUPT;
    return rc < 0 ? rc : read_gaps(c, &s);
}

int mc_chunk_open(struct mc_chunk *c, const struct mc_chunk_head *info,
                  const struct mc_schema *schema, struct mc_packer *packer, mc_part_fn fetch,
                  void *fetch_arg)
{
    memset(c, 0, sizeof *c);
    c->info = *info;
    c->schema = schema;
    c->packer = packer;
    c->fetch = fetch;
    c->fetch_arg = fetch_arg;
    c->slice_number = c->leg_idx = UINT32_MAX;
    mc_follow_init(&c->follow);
    for (size_t i = 0; i < sizeof c->slice_first / sizeof c->slice_first[0]; i++)
        c->slice_first[i] = UINT32_MAX;
    /* What the head counts must be what the schema has at that point. */
    uint64_t values = 0, maps = 0;
    if (info->source_count > schema->source_count || info->string_count > schema->string_count)
        return MC_ECORRUPT;
    for (uint32_t s = 0; s < info->source_count; s++) {
        values += schema->sources[s].value_count;
        maps += schema->sources[s].map_idx != UINT32_MAX;
    }
    if (values != info->value_count || maps != info->map_count)
        return MC_ECORRUPT;
    struct mc_buf raw = {0};
    int found, rc = mc_chunk_load_part(c, MC_PART_FRAMES, &raw, &found);
    if (rc == 0)
        rc = found ? read_frames(c, &raw) : MC_ECORRUPT;
    mc_buf_fini(&raw);
    if (rc < 0)
        mc_chunk_fini(c);
    return rc;
}

void mc_chunk_fini(struct mc_chunk *c)
{
    free(c->ts);
    free(c->gaps);
    free(c->gap_starts);
    for (int k = 0; k < MC_KIND_COUNT; k++)
        mc_numbers_fini(&c->numbers[k]);
    free(c->cells);
    mc_buf_fini(&c->maps_raw);
    mc_maps_part_fini(&c->maps);
    free(c->buckets);
    free(c->bucket_starts);
    mc_follow_fini(&c->follow);
    mc_event_slice_fini(&c->slice);
    memset(c, 0, sizeof *c);
}

uint32_t mc_chunk_leg_at(const struct mc_chunk *c, uint32_t frame_idx)
{
    uint32_t leg = c->info.leg_count - 1;
    while (leg && c->info.leg_first[leg] > frame_idx)
        leg--;
    return leg;
}

int mc_chunk_maps(struct mc_chunk *c, uint32_t frame_idx)
{
    uint32_t leg = mc_chunk_leg_at(c, frame_idx);
    if (c->leg_idx == leg)
        return 0;
    int is_last = leg + 1 == c->info.leg_count, found;
    c->leg_idx = UINT32_MAX;
    mc_maps_part_fini(&c->maps);
    int rc =
        mc_chunk_load_part(c, leg ? MC_PART_LEGS + leg - 1 : MC_PART_MAPS, &c->maps_raw, &found);
    if (rc == 0 && found != (c->info.map_count > 0))
        rc = MC_ECORRUPT;
    if (rc == 0 && found)
        rc = mc_maps_part_parse(&c->maps, c->schema, c->info.map_count, c->info.leg_first[leg],
                                is_last ? c->info.frame_count : c->info.leg_first[leg + 1],
                                &c->maps_raw);
    if (rc == 0 && is_last && c->maps.count != c->info.map_count)
        rc = MC_ECORRUPT;
    for (uint32_t i = 0; rc == 0 && i < c->maps.count; i++) {
        if (!c->maps.readers[i].has_key && (leg || !(c->info.flags & MC_HEAD_GOES_ON)))
            rc = MC_ECORRUPT;
    }
    if (rc < 0)
        mc_maps_part_fini(&c->maps);
    else
        c->leg_idx = leg;
    return rc;
}

static int read_buckets(struct mc_chunk *c, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw), column[4];
    uint64_t sizes[4], total = 0;
    for (int i = 0; i < 4; i++)
        sizes[i] = mc_take_varint(&s);
    for (int i = 0; i < 4; i++)
        column[i] = mc_take_span(&s, sizes[i]);
    if (s.failed || s.at != s.end)
        return MC_ECORRUPT;
    /* Each add has at least a byte in every column. */
    c->buckets = malloc((sizes[3] + 1) * sizeof *c->buckets);
    if (!c->buckets)
        return MC_ENOMEM;
    for (uint32_t f = 0; f < c->info.frame_count; f++) {
        uint64_t count = mc_take_varint(&column[0]);
        int64_t source_idx = 0, bucket_idx = 0;
        if (count > sizes[3] - total)
            return MC_ECORRUPT;
        for (uint64_t i = 0; i < count; i++) {
            int64_t step = mc_take_zigzag(&column[1]);
            if (step)
                bucket_idx = 0;
            source_idx = mc_wrap_add(source_idx, step);
            bucket_idx = mc_wrap_add(bucket_idx, mc_take_zigzag(&column[2]));
            if (source_idx < 0 || source_idx >= c->info.source_count || bucket_idx < 0 ||
                bucket_idx >= MC_BUCKET_COUNT)
                return MC_ECORRUPT;
            c->buckets[total++] = (struct mc_bucket_add){(uint32_t)source_idx, (uint32_t)bucket_idx,
                                                         mc_take_varint(&column[3])};
        }
        c->bucket_starts[f + 1] = (uint32_t)total;
    }
    return column[0].failed || column[1].failed || column[2].failed || column[3].failed
               ? MC_ECORRUPT
               : 0;
}

static int load_follows(struct mc_chunk *c)
{
    struct mc_buf raw = {0};
    mc_follow_fini(&c->follow);
    mc_follow_init(&c->follow);
    int rc = mc_chunk_load_part(c, MC_PART_FOLLOWS, &raw, &c->has_follow);
    if (rc == 0 && c->has_follow)
        rc =
            mc_follow_parse(&c->follow, c->schema, c->info.source_count, c->info.frame_count, &raw);
    mc_buf_fini(&raw);
    return rc;
}

int mc_chunk_buckets(struct mc_chunk *c)
{
    if (c->buckets_loaded)
        return 0;
    struct mc_buf raw = {0};
    int found, rc = mc_chunk_load_part(c, MC_PART_BUCKETS, &raw, &found);
    free(c->bucket_starts);
    free(c->buckets);
    c->buckets = NULL;
    c->bucket_starts = calloc(c->info.frame_count + 1u, sizeof *c->bucket_starts);
    if (rc == 0 && !c->bucket_starts)
        rc = MC_ENOMEM;
    if (rc == 0 && found)
        rc = read_buckets(c, &raw);
    if (rc == 0)
        rc = load_follows(c);
    if (rc == 0 && found && c->has_follow)
        rc = MC_ECORRUPT;
    mc_buf_fini(&raw);
    c->buckets_loaded = rc == 0;
    return rc;
}

int mc_chunk_frame_buckets(struct mc_chunk *c, uint32_t frame_idx, const struct mc_event *events,
                           size_t event_count, const struct mc_bucket_add **adds, size_t *add_count)
{
    if (c->has_follow)
        return mc_follow_get(&c->follow, c->schema, frame_idx, c->ts[frame_idx], events,
                             event_count, adds, add_count);
    *adds = c->buckets ? c->buckets + c->bucket_starts[frame_idx] : NULL;
    *add_count = c->bucket_starts[frame_idx + 1] - c->bucket_starts[frame_idx];
    return 0;
}

uint32_t mc_chunk_frame_at(const struct mc_chunk *c, int64_t ts)
{
    uint32_t low = 0, high = c->info.frame_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (c->ts[middle] <= ts)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const struct mc_gap *mc_chunk_gaps(const struct mc_chunk *c, uint32_t frame_idx, size_t *count)
{
    *count = c->gap_starts[frame_idx + 1] - c->gap_starts[frame_idx];
    return c->gaps + c->gap_starts[frame_idx];
}
