/* codec_events.c: events the plain ways: a struct each, and a column for each field. */
#include "tests/bench/codec.h"

/* 40 bytes: what a tracer's ring might hold. */
static void put_struct(const struct mc_event *e, struct mc_buf *raw)
{
    mc_put_u64(raw, (uint64_t)e->ts);
    mc_put_u64(raw, e->conn_id << 16 | (e->stream_id & 0xffff));
    mc_put_u64(raw, e->dur_ns);
    mc_put_u64(raw, e->bytes_out << 24 | (e->arena_bytes & 0xffffff));
    mc_put_u64(raw, (uint64_t)e->type << 56 | (uint64_t)e->state << 48 | (uint64_t)e->status << 32 |
                        (uint64_t)(e->method & 0xffff) << 16 | (e->detail & 0xffff));
}

#define PLAIN_COLUMNS 13

static void put_columns(const struct codec_chunk *c, struct mc_buf *raw)
{
    uint32_t count = c->event_starts[c->frame_count];
    for (int column = 0; column < PLAIN_COLUMNS; column++) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < count; i++) {
            const struct mc_event *e = &codec_event_list(c)[i];
            const uint64_t fields[PLAIN_COLUMNS] = {(uint64_t)e->ts / 1000,
                                                    e->type,
                                                    e->conn_id,
                                                    e->stream_id,
                                                    e->status,
                                                    e->method,
                                                    e->detail,
                                                    e->owner,
                                                    e->port,
                                                    e->bytes_in,
                                                    e->bytes_out,
                                                    e->dur_ns / 1000,
                                                    e->arena_bytes};
            /* What rises or repeats as differences, small sets as they are. */
            if (column == 0 || column == 2 || column == 3)
                mc_put_zigzag(raw, (int64_t)(fields[column] - last));
            else
                mc_put_varint(raw, fields[column]);
            last = fields[column];
        }
    }
}

void codec_event_columns(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    struct mc_buf raw = {0};
    for (uint32_t i = 0; i < c->event_starts[c->frame_count]; i++)
        put_struct(&codec_event_list(c)[i], &raw);
    codec_add(b, CODEC_EVENTS, "40-byte struct, zstd-3", (double)codec_zstd(b, &raw), 0);
    raw.count = 0;
    put_columns(c, &raw);
    codec_add(b, CODEC_EVENTS, "plain columns, zstd-3", (double)codec_zstd(b, &raw), 0);
    mc_buf_fini(&raw);
}
