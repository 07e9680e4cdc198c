/* fuzz_chunk.c: everything that is decoded from a row of a trace, behind its checksums.
 *
 * Input: a byte that chooses: 0 the parts of a chunk, 1 a head, 2 a summary, 3 a schema step, 4 the
 * copy of a plain row (a byte for its kind, then its body).
 * Parts: a byte of frames, then any number of (part number, two bytes of length, raw bytes), for
 * the schema of a small synthetic run.
 */
#include <stdint.h>
#include <stdlib.h>

#include "store/chunk.h"
#include "store/plain_priv.h"
#include "store/schema_step.h"
#include "tests/unit/store_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count);

static const struct gen_options tiny = {
    .seed = 1, .lisp_slots = 600, .conn_slots = 64, .requests = 3};
static struct gen gen;
static struct mc_packer *packer;

static void start(void)
{
    if (packer)
        return;
    gen_init(&gen, &tiny);
    for (int i = 0; i < 40; i++)
        gen_next(&gen);
    if (mc_packer_new(&packer) < 0)
        abort();
}

static int fetch(void *arg, const struct mc_chunk_part *part, uint64_t offset,
                 const uint8_t **bytes)
{
    (void)part;
    *bytes = (const uint8_t *)arg + offset;
    return 0;
}

static void roll_maps(struct mc_chunk *c)
{
    struct mc_maps maps = {0};
    struct mc_buf scratch = {0}, changes = {0}, undo = {0};
    struct mc_maps_roll roll = {.maps = &maps, .scratch = &scratch};
    int rc = 0;
    for (uint32_t f = 0; rc == 0 && f < c->info.frame_count; f++) {
        changes.count = undo.count = 0;
        roll.changes = f % 2 ? &changes : NULL;
        roll.undo = f % 3 ? &undo : NULL;
        rc = mc_chunk_maps(c, f);
        if (rc < 0)
            break;
        roll.readers = c->maps.readers;
        roll.reader_count = c->maps.count;
        rc = mc_maps_begin(c->maps.readers, c->maps.count, c->schema, f, &maps);
        if (rc == 0)
            rc = mc_maps_step(&roll, f);
    }
    if (undo.count)
        mc_maps_take_back(&maps, undo.bytes, undo.count);
    mc_maps_fini(&maps);
    mc_buf_fini(&scratch);
    mc_buf_fini(&changes);
    mc_buf_fini(&undo);
}

/* A leg that is where the reader wants it begins as many frames after the last. */
static void add_leg(struct mc_chunk_head *head, uint8_t number)
{
    uint32_t first = head->leg_first[head->leg_count - 1] + 5;
    if (number == MC_PART_LEGS + head->leg_count - 1 && first < head->frame_count)
        head->leg_first[head->leg_count++] = first;
}

static void read_parts(const uint8_t *data, size_t count)
{
    struct mc_chunk_head *head = calloc(1, sizeof *head);
    struct mc_buf body = {0};
    if (!head || count < 1)
        goto out;
    head->frame_count = data[0] ? data[0] : 1;
    head->codec = MC_CODEC_RAW;
    head->source_count = gen.schema.source_count;
    head->string_count = gen.schema.string_count;
    head->value_count = gen.schema.value_count;
    head->map_count = gen.schema.map_count;
    head->event_count = head->leg_count = 1;
    int64_t last = -1;
    for (size_t at = 1; at + 3 <= count && data[at] > last;) {
        size_t n = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        n = n < count - at - 3 ? n : count - at - 3;
        struct mc_chunk_part *p = &head->parts[head->part_count++];
        *p = (struct mc_chunk_part){data[at], n, n, mc_sum64(data + at + 3, n, MC_SUM_SEED)};
        mc_buf_add(&body, data + at + 3, n);
        if (data[at] >= MC_PART_LEGS && data[at] < MC_PART_LEGS + MC_LEG_COUNT - 1)
            add_leg(head, data[at]);
        last = data[at];
        at += 3 + n;
    }
    mc_buf_reserve(&body, 1);
    /* The first and last ts are part of the row: take them as the frames part has them. */
    struct mc_span s = {body.bytes, body.bytes + body.count, 0};
    struct mc_column column;
    if (head->part_count && head->parts[0].number == MC_PART_FRAMES &&
        mc_column_parse(&s, head->frame_count, &column) == 0) {
        struct mc_span planes = mc_take_span(&s, mc_column_plane_bytes(&column));
        int64_t ts[256] = {0};
        column.planes = planes.at;
        if (!planes.failed && mc_column_get(&column, ts) == 0) {
            head->first_ts = ts[0];
            head->last_ts = ts[head->frame_count - 1];
        }
    }
    struct mc_chunk c;
    if (mc_chunk_open(&c, head, &gen.schema, packer, fetch, body.bytes) == 0) {
        mc_chunk_cells(&c);
        int counts = mc_chunk_buckets(&c) == 0;
        roll_maps(&c);
        for (uint32_t f = 0; f < head->frame_count; f++) {
            const struct mc_event *events;
            const struct mc_bucket_add *adds;
            size_t n, add_count;
            mc_chunk_gaps(&c, f, &n);
            if (mc_chunk_events(&c, f, MC_EVENT_TYPES_ALL, &events, &n) == 0 && counts)
                mc_chunk_frame_buckets(&c, f, events, n, &adds, &add_count);
        }
        mc_chunk_fini(&c);
    }
out:
    mc_buf_fini(&body);
    free(head);
}

static void read_head(const uint8_t *data, size_t count)
{
    struct mc_chunk_head *head = calloc(1, sizeof *head);
    struct mc_span s = {data, data + count, 0};
    if (!head)
        return;
    head->run_id = 1;
    head->frame_count = (uint32_t)mc_take_varint(&s);
    head->first_ts = mc_take_zigzag(&s);
    head->last_ts = mc_take_zigzag(&s);
    uint64_t sum =
        mc_chunk_sum(1, head->first_ts, head->last_ts, head->frame_count, 0, data, count, NULL, 0);
    mc_chunk_head_parse(head, sum, data, count, NULL, 0);
    free(head);
}

static void read_plain(const uint8_t *data, size_t count)
{
    if (!count)
        return;
    enum mc_plain_kind kind = data[0] % MC_PLAIN_COUNT;
    struct mc_buf body = {0};
    struct mc_plain_row row;
    mc_buf_add(&body, data + 1, count - 1);
    size_t texts = 0;
    if (mc_plain_get(kind, &body, &row) == 0) {
        for (int i = 0; i < mc_plain_tables[kind].column_count; i++)
            texts += row.values[i].text_bytes;
    }
    if (texts > count)
        abort();
    mc_buf_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count)
{
    start();
    if (!count)
        return 0;
    if (data[0] % 5 == 0) {
        read_parts(data + 1, count - 1);
    } else if (data[0] % 5 == 1) {
        read_head(data + 1, count - 1);
    } else if (data[0] % 5 == 2) {
        struct mc_value_summary out[64];
        mc_summary_read(packer, data + 1, count - 1, 64, out);
    } else if (data[0] % 5 == 4) {
        read_plain(data + 1, count - 1);
    } else {
        struct mc_schema schema;
        if (mc_schema_init(&schema) == 0) {
            mc_schema_step_get(&schema, data + 1, count - 1);
            mc_schema_fini(&schema);
        }
    }
    return 0;
}
