/* chunk_read.c: frames out of the parts of a row. The format stands in trace_format.h; every byte
 * is hostile, also behind a right checksum: all counts are bounded before anything is allocated.
 */
#include <stdlib.h>

#include "store/chunk.h"
#include "tracer/error.h"

/* ---- the head ------------------------------------------------------------------------------- */

static int parse_parts(struct mc_chunk_head *info, struct mc_span *s)
{
    uint64_t raw_bytes = 0, stored_bytes = 0;
    int64_t last = -1;
    for (uint32_t i = 0; i < info->part_count; i++) {
        struct mc_chunk_part *p = &info->parts[i];
        uint64_t number = mc_take_varint(s);
        p->stored_bytes = mc_take_varint(s);
        p->raw_bytes = mc_take_varint(s);
        const uint8_t *sum = mc_span_take(s, 8);
        if (!sum || number >= MC_PART_COUNT || (int64_t)number <= last ||
            p->stored_bytes > MC_MAX_RAW_BYTES || p->raw_bytes > MC_MAX_RAW_BYTES)
            return MC_ECORRUPT;
        p->checksum = mc_load_u64(sum);
        p->number = (uint32_t)number;
        last = (int64_t)number;
        raw_bytes += p->raw_bytes;
        stored_bytes += p->stored_bytes;
    }
    return raw_bytes > MC_MAX_RAW_BYTES * 2 || stored_bytes > MC_MAX_RAW_BYTES * 2 ? MC_ECORRUPT
                                                                                   : 0;
}

/* Where the legs of the maps begin. */
static int parse_legs(struct mc_chunk_head *info, struct mc_span *s)
{
    info->leg_count = 1;
    info->leg_first[0] = 0;
    for (uint32_t i = 0; i < info->part_count; i++) {
        uint32_t number = info->parts[i].number;
        if (number < MC_PART_LEGS || number >= MC_PART_EVENTS)
            continue;
        uint64_t first = mc_take_varint(s);
        if (number != MC_PART_LEGS + info->leg_count - 1 || info->leg_count == MC_LEG_COUNT ||
            first <= info->leg_first[info->leg_count - 1] || first >= info->frame_count)
            return MC_ECORRUPT;
        info->leg_first[info->leg_count++] = (uint32_t)first;
    }
    return s->failed || s->at != s->end ? MC_ECORRUPT : 0;
}

int mc_chunk_head_parse(struct mc_chunk_head *info, uint64_t checksum, const void *head,
                        size_t head_bytes, const void *summary, size_t summary_bytes)
{
    if (mc_chunk_sum(info->run_id, info->first_ts, info->last_ts, info->frame_count, info->codec,
                     head, head_bytes, summary, summary_bytes) != checksum)
        return MC_ECORRUPT;
    struct mc_span s = {head, (const uint8_t *)head + head_bytes, 0};
    uint64_t frame_count = mc_take_varint(&s);
    int64_t first_ts = mc_take_zigzag(&s), last_ts = mc_take_zigzag(&s);
    info->prev_ts = mc_take_zigzag(&s);
    uint64_t n[7];
    for (size_t i = 0; i < 7; i++)
        n[i] = mc_take_varint(&s);
    if (s.failed || frame_count != info->frame_count || first_ts != info->first_ts ||
        last_ts != info->last_ts || frame_count < 1 || frame_count > MC_MAX_FRAMES ||
        info->prev_ts > first_ts || last_ts < first_ts || n[0] > (MC_HEAD_GOES_ON | MC_HEAD_HOLE) ||
        n[1] > 65535 || n[2] > (1u << 20) || n[3] > MC_MAX_VALUES || n[4] > n[1] ||
        n[5] > MC_MAX_RAW_BYTES || n[6] > MC_PART_COUNT || info->codec > MC_CODEC_ZSTD ||
        (frame_count > 1 && frame_count * n[3] > MC_MAX_CELLS))
        return MC_ECORRUPT;
    info->flags = (uint32_t)n[0];
    info->source_count = (uint32_t)n[1];
    info->string_count = (uint32_t)n[2];
    info->value_count = (uint32_t)n[3];
    info->map_count = (uint32_t)n[4];
    info->event_count = n[5];
    info->part_count = (uint32_t)n[6];
    int rc = parse_parts(info, &s);
    return rc < 0 ? rc : parse_legs(info, &s);
}

int mc_summary_read(struct mc_packer *p, const void *summary, size_t summary_bytes,
                    uint32_t value_count, struct mc_value_summary *out)
{
    struct mc_span s = {summary, (const uint8_t *)summary + summary_bytes, 0};
    uint64_t raw_bytes = mc_take_varint(&s);
    if (s.failed || raw_bytes > (uint64_t)value_count * 40)
        return MC_ECORRUPT;
    struct mc_buf raw = {0};
    int rc = mc_unpack(p, s.at, (size_t)(s.end - s.at), raw_bytes, &raw);
    struct mc_span r = mc_span_of(&raw);
    for (uint32_t v = 0; rc == 0 && v < value_count; v++) {
        int64_t min = mc_take_zigzag(&r);
        out[v] = (struct mc_value_summary){min, min, min, min};
        if (min == MC_VALUE_NONE)
            continue;
        out[v].max = (int64_t)((uint64_t)min + mc_take_varint(&r));
        out[v].mean = (int64_t)((uint64_t)min + mc_take_varint(&r));
        out[v].last = mc_wrap_add(min, mc_take_zigzag(&r));
        rc = r.failed ? MC_ECORRUPT : 0;
    }
    mc_buf_fini(&raw);
    return rc;
}

/* ---- parts ---------------------------------------------------------------------------------- */

/* Fetch, verify and unpack a part. *found is 0 when the row has none; raw is replaced. */
static int load_part(struct mc_chunk *c, uint32_t number, struct mc_buf *raw, int *found)
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
    int found, rc = load_part(c, MC_PART_FRAMES, &raw, &found);
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

int mc_chunk_numbers(struct mc_chunk *c, int kind)
{
    if (c->numbers[kind].field_count)
        return 0;
    struct mc_buf raw = {0};
    int found, rc = kind == MC_KIND_OWNER ? mc_chunk_numbers(c, MC_KIND_ROUTE) : 0;
    if (rc == 0)
        rc = load_part(c, MC_PART_NUMBERS + (uint32_t)kind, &raw, &found);
    if (rc == 0 && found)
        rc = mc_numbers_parse(&c->numbers[kind], kind, c->schema, c->info.frame_count, &raw);
    mc_buf_fini(&raw);
    /* Exactly the sources that the head counts, or a frame would have values from nowhere. */
    uint32_t want = 0, have = c->numbers[kind].source_count;
    for (uint32_t s = 0; s < c->info.source_count; s++)
        want += c->schema->sources[s].kind == kind;
    if (rc == 0 && (want != have || (have && c->numbers[kind].sources[have - 1].source_idx >=
                                                 c->info.source_count))) {
        mc_numbers_fini(&c->numbers[kind]);
        rc = MC_ECORRUPT;
    }
    if (rc == 0 && kind == MC_KIND_OWNER)
        c->numbers[kind].routes = &c->numbers[MC_KIND_ROUTE];
    return rc;
}

int mc_chunk_cells(struct mc_chunk *c)
{
    if (c->cells)
        return 0;
    uint32_t frames = c->info.frame_count;
    int64_t *cells = malloc(((uint64_t)c->info.value_count * frames + 1) * sizeof *cells);
    int64_t *scratch = malloc(frames * sizeof *scratch);
    int rc = cells && scratch ? 0 : MC_ENOMEM;
    for (int kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++) {
        rc = mc_chunk_numbers(c, kind);
        const struct mc_numbers *n = &c->numbers[kind];
        for (uint32_t i = 0; rc == 0 && i < n->source_count; i++) {
            uint32_t value = c->schema->sources[n->sources[i].source_idx].value_idx;
            for (uint32_t f = 0; rc == 0 && f < n->field_count; f++)
                rc = mc_numbers_get(n, i, f, cells + (size_t)(value + f) * frames, scratch);
        }
    }
    free(scratch);
    if (rc < 0)
        free(cells);
    else
        c->cells = cells;
    return rc;
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
    int rc = load_part(c, leg ? MC_PART_LEGS + leg - 1 : MC_PART_MAPS, &c->maps_raw, &found);
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
    int rc = load_part(c, MC_PART_FOLLOWS, &raw, &c->has_follow);
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
    int found, rc = load_part(c, MC_PART_BUCKETS, &raw, &found);
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

int mc_chunk_event_index(struct mc_chunk *c, struct mc_event_index *out)
{
    struct mc_buf raw = {0};
    int found, rc = load_part(c, MC_PART_EVENT_INDEX, &raw, &found);
    if (rc == 0)
        rc = found ? mc_event_index_parse(out, c->ts[0], &raw) : MC_END;
    mc_buf_fini(&raw);
    return rc;
}

/* ---- events --------------------------------------------------------------------------------- */

static int load_slice(struct mc_chunk *c, uint32_t number, int *found)
{
    c->slice_number = UINT32_MAX;
    int rc = load_part(c, MC_PART_EVENTS + number, &c->slice.raw, found);
    if (rc == 0 && *found)
        rc = mc_event_slice_open(&c->slice, c->info.frame_count);
    if (rc == 0 && *found) {
        c->slice_number = number;
        c->slice_first[number] = c->slice.first_frame;
        c->slice_first[number + 1] = c->slice.first_frame + c->slice.frame_count;
    }
    return rc;
}

/* The first frame of a slice, from the part's own head. */
static int find_slice_first(struct mc_chunk *c, uint32_t number)
{
    if (c->slice_first[number] != UINT32_MAX)
        return 0;
    struct mc_buf raw = {0};
    int found, rc = load_part(c, MC_PART_EVENTS + number, &raw, &found);
    struct mc_span s = mc_span_of(&raw);
    uint64_t first = rc == 0 && found ? mc_take_varint(&s) : 0;
    if (rc == 0 && (!found || s.failed || first >= c->info.frame_count))
        rc = MC_ECORRUPT;
    if (rc == 0)
        c->slice_first[number] = (uint32_t)first;
    mc_buf_fini(&raw);
    return rc;
}

static uint32_t slice_count(const struct mc_chunk *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->info.part_count; i++)
        count += c->info.parts[i].number >= MC_PART_EVENTS;
    return count;
}

/* The slice that a frame's events are in, if it has any: the last one that begins at or before it.
 * Slices are not decoded for that, and only a few are looked at. */
static int find_slice(struct mc_chunk *c, uint32_t frame_idx, uint32_t *number)
{
    uint32_t low = 0, high = slice_count(c);
    if (high > MC_SLICE_COUNT)
        return MC_ECORRUPT;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        int rc = find_slice_first(c, middle);
        if (rc < 0)
            return rc;
        if (c->slice_first[middle] <= frame_idx)
            low = middle;
        else
            high = middle;
    }
    *number = low;
    return 0;
}

static int is_in_slice(const struct mc_chunk *c, uint32_t frame_idx)
{
    return c->slice_number != UINT32_MAX && frame_idx >= c->slice.first_frame &&
           frame_idx < c->slice.first_frame + c->slice.frame_count;
}

int mc_chunk_events(struct mc_chunk *c, uint32_t frame_idx, uint32_t types,
                    const struct mc_event **events, size_t *count)
{
    *events = NULL;
    *count = 0;
    if (!c->info.event_count)
        return 0;
    struct mc_event_slice *s = &c->slice;
    if (!is_in_slice(c, frame_idx)) {
        uint32_t n = c->slice_number + 1; /* going forwards it is the next one */
        int found, rc = 0;
        if (c->slice_number == UINT32_MAX || frame_idx != s->first_frame + s->frame_count ||
            n >= slice_count(c))
            rc = find_slice(c, frame_idx, &n);
        if (rc == 0 && n != c->slice_number)
            rc = load_slice(c, n, &found);
        if (rc < 0)
            return rc;
        if (!is_in_slice(c, frame_idx))
            return 0; /* no events in the frames outside of the slices */
    }
    if (!(s->types & types))
        return 0;
    c->slices_decoded += !mc_event_slice_is_begun(s);
    int rc =
        mc_event_slice_frame(s, frame_idx - s->first_frame, c->info.string_count, events, count);
    if (rc < 0)
        c->slice_number = UINT32_MAX;
    return rc;
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
