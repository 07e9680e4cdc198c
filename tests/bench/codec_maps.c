/* codec_maps.c: slot changes the plain ways: runs of the slots that differ, lists of positions. */
#include "tests/bench/codec.h"

/* What each changed slot holds now: the same for every way to say which ones they are. */
static void put_states(const struct codec_chunk *c, struct mc_buf *raw)
{
    uint64_t last_conn = 0;
    uint32_t count = c->change_starts[c->frame_count];
    for (uint32_t i = 0; i < count; i++)
        mc_put_byte(raw, codec_change_list(c)[i].state);
    for (uint32_t i = 0; i < count; i++) {
        const struct mc_slot_change *k = &codec_change_list(c)[i];
        if (!c->after.maps[k->map_idx].map.owners)
            continue;
        mc_put_varint(raw, k->owner);
        mc_put_zigzag(raw, (int64_t)(k->conn_id - last_conn));
        last_conn = k->conn_id;
    }
}

static void put_keys(const struct codec_chunk *c, struct mc_buf *raw)
{
    for (uint32_t i = 0; i < c->before.count; i++)
        mc_map_put_key(&c->before.maps[i], raw);
}

/* For each frame and map the runs of (gap, length) where the XOR with the last one is not 0. */
static void put_xor_runs(const struct codec_chunk *c, struct mc_buf *raw)
{
    for (uint32_t f = 0; f < c->frame_count; f++) {
        uint32_t map_idx = 0, end = 0;
        const struct mc_slot_change *k = codec_change_list(c);
        for (uint32_t i = c->change_starts[f]; i < c->change_starts[f + 1];) {
            uint32_t length = 1;
            while (i + length < c->change_starts[f + 1] && k[i + length].map_idx == k[i].map_idx &&
                   k[i + length].slot_idx == k[i].slot_idx + length)
                length++;
            if (k[i].map_idx != map_idx) {
                mc_put_byte(raw, 0);
                map_idx = k[i].map_idx;
                end = 0;
            }
            mc_put_varint(raw, k[i].slot_idx - end + 1);
            mc_put_varint(raw, length);
            end = k[i].slot_idx + length;
            i += length;
        }
        mc_put_byte(raw, 0);
    }
}

/* As in a roaring bitmap: blocks of 65,536 slots, in each the low halves of those that differ; past
 * 4,096 of them a bitmap. */
static void put_positions(const struct codec_chunk *c, struct mc_buf *raw)
{
    for (uint32_t f = 0; f < c->frame_count; f++) {
        const struct mc_slot_change *k = codec_change_list(c);
        uint32_t i = c->change_starts[f], stop = c->change_starts[f + 1];
        while (i < stop) {
            uint32_t end = i;
            while (end < stop && k[end].map_idx == k[i].map_idx &&
                   k[end].slot_idx >> 16 == k[i].slot_idx >> 16)
                end++;
            mc_put_varint(raw, k[i].map_idx + 1);
            mc_put_varint(raw, k[i].slot_idx >> 16);
            mc_put_varint(raw, end - i);
            if (end - i > 4096) {
                static uint8_t bitmap[8192];
                memset(bitmap, 0, sizeof bitmap);
                for (uint32_t n = i; n < end; n++)
                    bitmap[(k[n].slot_idx & 65535) / 8] |= (uint8_t)(1 << k[n].slot_idx % 8);
                mc_buf_add(raw, bitmap, sizeof bitmap);
            } else {
                for (uint32_t n = i; n < end; n++) {
                    mc_put_byte(raw, (uint8_t)k[n].slot_idx);
                    mc_put_byte(raw, (uint8_t)(k[n].slot_idx >> 8));
                }
            }
            i = end;
        }
        mc_put_byte(raw, 0);
    }
}

void codec_maps(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    struct mc_buf raw = {0};
    put_keys(c, &raw);
    put_states(c, &raw);
    put_xor_runs(c, &raw);
    codec_add(b, CODEC_CHANGES, "XOR runs, zstd-3", (double)codec_zstd(b, &raw), 0);
    raw.count = 0;
    put_keys(c, &raw);
    put_states(c, &raw);
    put_positions(c, &raw);
    codec_add(b, CODEC_CHANGES, "positions as in a roaring bitmap, zstd-3",
              (double)codec_zstd(b, &raw), 0);
    mc_buf_fini(&raw);
}
