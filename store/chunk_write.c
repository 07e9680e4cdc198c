/* chunk_write.c: frames into the parts of a row. The format stands in trace_format.h. */
#include <stdlib.h>

#include "store/chunk_priv.h"
#include "tracer/error.h"

/* Numbers of so many frames are packed small: not those of tail rows, which come each second. */
#define LONG_FRAMES 100u

#define RAW_KEPT_BYTES (2u << 20) /* a full slice of events has half of it */

uint64_t mc_chunk_sum(int64_t run_id, int64_t first_ts, int64_t last_ts, int64_t frame_count,
                      int64_t codec, const void *head, size_t head_bytes, const void *summary,
                      size_t summary_bytes)
{
    const int64_t numbers[] = {run_id, first_ts, last_ts, frame_count, codec};
    uint8_t bytes[sizeof numbers];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((uint64_t)numbers[i / 8] >> 8 * (i % 8));
    uint64_t sum = mc_sum64(bytes, sizeof bytes, MC_SUM_SEED);
    sum = mc_sum64(head, head_bytes, sum);
    return mc_sum64(summary, summary_bytes, sum);
}

int mc_chunk_writer_init(struct mc_chunk_writer *w, uint32_t room, struct mc_packer *packer)
{
    memset(w, 0, sizeof *w);
    mc_follow_init(&w->follow);
    w->room = room;
    w->packer = packer;
    w->ts = malloc(room * sizeof *w->ts);
    if (!w->ts || mc_event_writer_init(&w->events) < 0) {
        mc_chunk_writer_fini(w);
        return MC_ENOMEM;
    }
    return 0;
}

void mc_chunk_writer_fini(struct mc_chunk_writer *w)
{
    free(w->ts);
    free(w->cells);
    free(w->source_first);
    for (uint32_t i = 0; i < w->map_room; i++) {
        for (int c = 0; c < MC_MAP_COLUMN_COUNT; c++)
            mc_buf_fini(&w->maps[i].column[c]);
    }
    free(w->maps);
    mc_buf_fini(&w->gaps);
    mc_follow_fini(&w->follow);
    mc_event_writer_fini(&w->events);
    mc_event_index_fini(&w->index);
    mc_buf_fini(&w->raw);
    mc_buf_fini(&w->slices);
    mc_buf_fini(&w->legs);
    memset(w, 0, sizeof *w);
}

void mc_chunk_writer_begin(struct mc_chunk_writer *w, const struct mc_schema *schema,
                           int64_t prev_ts, uint32_t flags)
{
    w->schema = schema;
    w->prev_ts = prev_ts;
    w->flags = flags;
    w->keyed_map_count = flags & MC_HEAD_GOES_ON ? w->map_count : 0;
    w->frame_count = w->source_count = w->string_count = w->value_count = 0;
    w->map_count = w->gap_count = w->slice_count = 0;
    w->event_count = w->roll_cost = w->leg_cost = 0;
    w->leg_count = 1;
    w->is_burst = 0;
    w->leg_first[0] = 0;
    mc_buf_forget(&w->legs);
    mc_buf_forget(&w->gaps);
    mc_buf_forget(&w->slices);
    mc_follow_begin(&w->follow);
    for (int i = 0; i < MC_EV_COLUMN_COUNT; i++)
        mc_buf_forget(&w->events.column[i]);
    mc_event_writer_begin(&w->events, 0);
    mc_event_index_begin(&w->index);
}

int mc_chunk_writer_slice_full(const struct mc_chunk_writer *w)
{
    return w->is_burst || w->events.event_count >= MC_SLICE_EVENTS;
}

int mc_chunk_writer_full(const struct mc_chunk_writer *w, uint32_t value_count)
{
    return w->frame_count > 0 &&
           (w->frame_count == w->room || w->roll_cost >= MC_MAX_ROLL ||
            w->slice_count + 1 + (mc_chunk_writer_slice_full(w) != 0) >= MC_SLICE_COUNT ||
            (uint64_t)(w->frame_count + 1) * value_count > MC_MAX_CELLS);
}

/* ---- a frame -------------------------------------------------------------------------------- */

/* Room for the values of `frame`; new sources begin here. */
static int grow(struct mc_chunk_writer *w, uint32_t source_count, uint32_t value_count)
{
    if (source_count > w->source_room) {
        uint32_t room = w->source_room ? w->source_room : 64;
        while (room < source_count)
            room *= 2;
        uint32_t *first = realloc(w->source_first, room * sizeof *first);
        if (!first)
            return MC_ENOMEM;
        w->source_first = first;
        w->source_room = room;
    }
    if (value_count > w->cell_room) {
        uint64_t room = value_count + 64u;
        int64_t *cells = realloc(w->cells, room * w->room * sizeof *cells);
        if (!cells)
            return MC_ENOMEM;
        w->cells = cells;
        w->cell_room = room;
    }
    while (w->source_count < source_count)
        w->source_first[w->source_count++] = w->frame_count;
    w->value_count = value_count;
    return 0;
}

static void put_gaps(struct mc_chunk_writer *w, const struct mc_frame *frame)
{
    for (size_t i = 0; i < frame->gap_count; i++) {
        const struct mc_gap *g = &frame->gaps[i];
        mc_put_varint(&w->gaps, w->frame_count);
        mc_put_zigzag(&w->gaps, mc_wrap_sub(g->ts, frame->ts));
        mc_put_zigzag(&w->gaps, g->dur_ns);
        mc_put_varint(&w->gaps, g->lost);
        mc_put_text(&w->gaps, g->reason);
        w->gap_count++;
    }
}

int mc_chunk_put_part(struct mc_packer *packer, mc_pack_fn pack, uint32_t number,
                      const struct mc_buf *raw, struct mc_buf *to, struct mc_chunk_part *part)
{
    size_t at = to->count;
    int rc = raw->failed ? MC_ENOMEM : pack(packer, raw->bytes, raw->count, to);
    if (rc < 0)
        return rc;
    *part = (struct mc_chunk_part){number, to->count - at, raw->count,
                                   mc_sum64(to->bytes + at, to->count - at, MC_SUM_SEED)};
    return 0;
}

struct mc_buf *mc_chunk_raw(struct mc_chunk_writer *w)
{
    mc_buf_forget(&w->raw);
    return &w->raw;
}

void mc_chunk_raw_trim(struct mc_chunk_writer *w)
{
    if (w->raw.room > RAW_KEPT_BYTES)
        mc_buf_fini(&w->raw);
}

int mc_chunk_end_slice(struct mc_chunk_writer *w)
{
    struct mc_buf *raw = mc_chunk_raw(w);
    int rc = mc_event_writer_end(&w->events, raw);
    if (rc == 0)
        rc = mc_chunk_put_part(w->packer, mc_pack, MC_PART_EVENTS + w->slice_count, raw, &w->slices,
                               &w->slice_parts[w->slice_count]);
    mc_chunk_raw_trim(w);
    w->slice_count++;
    w->is_burst = 0;
    mc_event_writer_begin(&w->events, w->frame_count);
    return rc;
}

int mc_chunk_writer_frame_end(struct mc_chunk_writer *w, const struct mc_frame *frame)
{
    uint32_t f = w->frame_count;
    int rc = grow(w, frame->schema->source_count, frame->schema->value_count);
    if (rc < 0)
        return rc;
    w->ts[f] = frame->ts;
    for (uint32_t v = 0; v < w->value_count; v++)
        w->cells[(size_t)v * w->room + f] = frame->values[v];
    put_gaps(w, frame);
    if (!w->along) {
        rc = mc_follow_put(&w->follow, f, frame);
        if (rc == 0 && w->has_index)
            rc = mc_event_index_add(&w->index, frame->events, frame->event_count);
        if (rc < 0)
            return rc;
        mc_event_writer_frame(&w->events, frame->events, frame->event_count);
        w->is_burst =
            frame->event_count >= MC_SLICE_BURST_EVENTS && w->slice_count < MC_SLICE_BURSTS;
    }
    w->event_count += frame->event_count;
    w->string_count = frame->schema->string_count;
    w->frame_count++;
    return 0;
}

/* ---- the row -------------------------------------------------------------------------------- */

static int raw_frames(struct mc_chunk_writer *w, struct mc_buf *raw)
{
    struct mc_buf planes = {0};
    int64_t *ts = malloc(3 * (size_t)w->frame_count * sizeof *ts);
    if (!ts)
        return MC_ENOMEM;
    memcpy(ts, w->ts, w->frame_count * sizeof *ts);
    mc_column_put(ts, w->frame_count, ts + w->frame_count, raw, &planes);
    mc_buf_add(raw, planes.bytes, planes.count);
    mc_put_varint(raw, w->gap_count);
    mc_buf_add(raw, w->gaps.bytes, w->gaps.count);
    int failed = raw->failed || planes.failed || w->gaps.failed;
    free(ts);
    mc_buf_fini(&planes);
    return failed ? MC_ENOMEM : 0;
}

static int raw_follows(struct mc_chunk_writer *w, struct mc_buf *raw)
{
    return w->along ? mc_follow_end_mark(&w->along->follow, raw) : mc_follow_end(&w->follow, raw);
}

/* The only slice of a row that goes along. */
static int raw_events(struct mc_chunk_writer *w, struct mc_buf *raw)
{
    return mc_event_writer_end_mark(&w->along->events, raw);
}

static int raw_event_index(struct mc_chunk_writer *w, struct mc_buf *raw)
{
    return mc_event_index_end(&w->index, w->ts[0], raw);
}

static struct mc_value_summary summarize(const int64_t *v, uint32_t count)
{
    struct mc_value_summary s = {MC_VALUE_NONE, MC_VALUE_NONE, MC_VALUE_NONE, MC_VALUE_NONE};
    __int128 sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (v[i] == MC_VALUE_NONE)
            continue;
        if (!n || v[i] < s.min)
            s.min = v[i];
        if (!n || v[i] > s.max)
            s.max = v[i];
        sum += v[i];
        s.last = v[i];
        n++;
    }
    if (n)
        s.mean = (int64_t)(sum / n);
    return s;
}

static int put_summary(struct mc_chunk_writer *w, struct mc_buf *out)
{
    struct mc_buf raw = {0};
    for (uint32_t s = 0; s < w->source_count; s++) {
        const struct mc_source *source = &w->schema->sources[s];
        uint32_t first = w->source_first[s];
        for (uint32_t i = 0; i < source->value_count; i++) {
            const int64_t *v = w->cells + (size_t)(source->value_idx + i) * w->room + first;
            struct mc_value_summary sum = summarize(v, w->frame_count - first);
            mc_put_zigzag(&raw, sum.min);
            if (sum.min == MC_VALUE_NONE)
                continue;
            mc_put_varint(&raw, (uint64_t)sum.max - (uint64_t)sum.min);
            mc_put_varint(&raw, (uint64_t)sum.mean - (uint64_t)sum.min);
            mc_put_zigzag(&raw, mc_wrap_sub(sum.last, sum.min));
        }
    }
    mc_put_varint(out, raw.count);
    int rc = raw.failed ? MC_ENOMEM : mc_pack(w->packer, raw.bytes, raw.count, out);
    mc_buf_fini(&raw);
    return rc;
}

static void put_head(const struct mc_chunk_head *h, struct mc_buf *out)
{
    mc_put_varint(out, h->frame_count);
    mc_put_zigzag(out, h->first_ts);
    mc_put_zigzag(out, h->last_ts);
    mc_put_zigzag(out, h->prev_ts);
    const uint64_t numbers[] = {h->flags,     h->source_count, h->string_count, h->value_count,
                                h->map_count, h->event_count,  h->part_count};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        mc_put_varint(out, numbers[i]);
    for (uint32_t i = 0; i < h->part_count; i++) {
        mc_put_varint(out, h->parts[i].number);
        mc_put_varint(out, h->parts[i].stored_bytes);
        mc_put_varint(out, h->parts[i].raw_bytes);
        mc_put_u64(out, h->parts[i].checksum);
    }
    for (uint32_t i = 1; i < h->leg_count; i++)
        mc_put_varint(out, h->leg_first[i]);
}

typedef int (*raw_fn)(struct mc_chunk_writer *w, struct mc_buf *raw);

static int add_part(struct mc_chunk_writer *w, uint32_t number, raw_fn fn, struct mc_chunk_row *row)
{
    struct mc_buf *raw = mc_chunk_raw(w);
    mc_pack_fn pack = mc_pack;
    int rc;
    if (fn) {
        rc = fn(w, raw);
    } else {
        if (w->frame_count >= LONG_FRAMES)
            pack = mc_pack_small;
        struct mc_cells cells = {w->schema, w->source_count, w->source_first,
                                 w->cells,  w->room,         w->frame_count};
        rc = mc_numbers_put(&cells, (int)(number - MC_PART_NUMBERS), raw);
    }
    if (rc == 0 && raw->count) {
        rc = mc_chunk_put_part(w->packer, pack, number, raw, &row->body,
                               &row->info.parts[row->info.part_count]);
        row->info.part_count += rc == 0;
    }
    mc_chunk_raw_trim(w);
    return rc;
}

/* Parts that were packed before: what stands in `packed` from a byte on. */
static void add_packed(struct mc_chunk_row *row, const struct mc_buf *packed, size_t from_byte,
                       const struct mc_chunk_part *parts, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        row->info.parts[row->info.part_count++] = parts[i];
        bytes += parts[i].stored_bytes;
    }
    if (!packed->failed)
        mc_buf_add(&row->body, packed->bytes + from_byte, bytes);
}

static int add_parts(struct mc_chunk_writer *w, struct mc_chunk_row *row)
{
    int rc = add_part(w, MC_PART_FRAMES, raw_frames, row);
    if (rc == 0 && w->map_count)
        rc = mc_chunk_end_leg(w);
    if (rc == 0 && w->map_count)
        add_packed(row, &w->legs, 0, w->leg_parts, 1);
    if (rc == 0)
        rc = add_part(w, MC_PART_FOLLOWS, raw_follows, row);
    if (rc == 0 && w->has_index && w->event_count)
        rc = add_part(w, MC_PART_EVENT_INDEX, raw_event_index, row);
    for (uint32_t kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++)
        rc = add_part(w, MC_PART_NUMBERS + kind, NULL, row);
    if (rc == 0 && !w->along && w->event_count && w->events.frame_count)
        rc = mc_chunk_end_slice(w);
    if (rc < 0)
        return rc;
    if (w->leg_count > 1)
        add_packed(row, &w->legs, w->leg_parts[0].stored_bytes, w->leg_parts + 1, w->leg_count - 1);
    add_packed(row, &w->slices, 0, w->slice_parts, w->slice_count);
    if (w->along && w->event_count)
        rc = add_part(w, MC_PART_EVENTS, raw_events, row);
    if (rc < 0)
        return rc;
    return row->body.failed || w->slices.failed || w->legs.failed ? MC_ENOMEM : 0;
}

int mc_chunk_writer_end(struct mc_chunk_writer *w, int64_t run_id, int with_summary,
                        struct mc_chunk_row *row)
{
    memset(row, 0, sizeof *row);
    struct mc_chunk_head *h = &row->info;
    int rc = add_parts(w, row);
    h->run_id = run_id;
    h->first_ts = w->ts[0];
    h->last_ts = w->ts[w->frame_count - 1];
    h->prev_ts = w->prev_ts == INT64_MIN ? h->first_ts : w->prev_ts;
    h->frame_count = w->frame_count;
    h->codec = MC_CODEC_ZSTD;
    h->flags = w->flags;
    h->source_count = w->source_count;
    h->string_count = w->string_count;
    h->value_count = w->value_count;
    h->map_count = w->map_count;
    h->leg_count = w->leg_count;
    memcpy(h->leg_first, w->leg_first, sizeof h->leg_first);
    h->event_count = w->event_count;
    if (rc == 0 && with_summary)
        rc = put_summary(w, &row->summary);
    put_head(h, &row->head);
    if (rc < 0 || row->head.failed || row->summary.failed) {
        mc_chunk_row_fini(row);
        return rc < 0 ? rc : MC_ENOMEM;
    }
    row->checksum =
        mc_chunk_sum(run_id, h->first_ts, h->last_ts, h->frame_count, h->codec, row->head.bytes,
                     row->head.count, row->summary.bytes, row->summary.count);
    return 0;
}

void mc_chunk_row_fini(struct mc_chunk_row *row)
{
    mc_buf_fini(&row->head);
    mc_buf_fini(&row->summary);
    mc_buf_fini(&row->body);
}
