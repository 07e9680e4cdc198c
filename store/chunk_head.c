/* chunk_head.c: what a row says of itself: its head and its summary. Every byte is hostile, also
 * behind a right checksum.
 */
#include "store/chunk.h"
#include "tracer/error.h"

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
