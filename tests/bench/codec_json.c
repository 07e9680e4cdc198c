/* codec_json.c: each frame as a line of JSON, packed by itself with zstd-3: the obvious recorder.
 *
 * Maps are bitmaps of the used slots in hexadecimal; those with holders also a letter a slot.
 */
#include "tests/bench/codec.h"

static void put_values(const struct codec_chunk *c, uint32_t f, struct mc_buf *json)
{
    mc_buf_printf(json, "\"ts\":%lld,\"values\":{", (long long)c->ts[f]);
    for (uint32_t s = 0; s < c->schema->source_count; s++) {
        const struct mc_source *source = &c->schema->sources[s];
        mc_buf_add_str(json, s ? "," : "");
        mc_buf_add_json(json, source->name, strlen(source->name));
        for (uint32_t i = 0; i < source->value_count; i++) {
            mc_buf_printf(json, "%s\"%s\":", i ? "," : ":{", mc_kind_field_name(source->kind, i));
            mc_buf_add_i64(json, codec_values(c, source->value_idx + i)[f]);
        }
        mc_buf_add_char(json, '}');
    }
    mc_buf_add_char(json, '}');
}

static void put_maps(const struct mc_maps *maps, struct mc_buf *json)
{
    mc_buf_add_str(json, "\"maps\":[");
    for (uint32_t i = 0; i < maps->count; i++) {
        const struct mc_map_state *m = &maps->maps[i];
        mc_buf_add_str(json, i ? ",\"" : "\"");
        for (uint32_t slot = 0; slot < m->map.slot_count; slot += 4)
            mc_buf_add_char(json, "0123456789abcdef"[m->used[slot / 64] >> slot % 64 & 15]);
        mc_buf_add_char(json, '"');
        if (m->map.owners) {
            mc_buf_add_char(json, ',');
            mc_buf_add_json(json, (const char *)m->map.states, m->map.slot_count);
        }
    }
    mc_buf_add_char(json, ']');
}

static void put_events(const struct codec_chunk *c, uint32_t f, struct mc_buf *json)
{
    mc_buf_add_str(json, "\"events\":[");
    for (uint32_t i = c->event_starts[f]; i < c->event_starts[f + 1]; i++) {
        const struct mc_event *e = &codec_event_list(c)[i];
        mc_buf_printf(json, "%s{\"ts\":%lld,\"type\":\"%s\",\"conn\":%llu",
                      i > c->event_starts[f] ? "," : "", (long long)e->ts, mc_event_name(e->type),
                      (unsigned long long)e->conn_id);
        const struct {
            const char *name;
            uint64_t value;
        } fields[] = {{"stream", e->stream_id},  {"status", e->status},
                      {"bytes_in", e->bytes_in}, {"bytes_out", e->bytes_out},
                      {"dur", e->dur_ns},        {"arena_bytes", e->arena_bytes},
                      {"owner", e->owner},       {"port", e->port}};
        for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++) {
            if (fields[k].value)
                mc_buf_printf(json, ",\"%s\":%llu", fields[k].name,
                              (unsigned long long)fields[k].value);
        }
        const uint32_t texts[] = {e->method, e->detail};
        for (int k = 0; k < 2; k++) {
            const char *text = mc_schema_string(c->schema, texts[k]);
            if (!texts[k])
                continue;
            mc_buf_add_str(json, k ? ",\"detail\":" : ",\"method\":");
            mc_buf_add_json(json, text, strlen(text));
        }
        mc_buf_add_char(json, '}');
    }
    mc_buf_add_char(json, ']');
}

/* The changes of a frame, applied. */
static void move_on(const struct codec_chunk *c, uint32_t f, struct mc_maps *maps)
{
    for (uint32_t i = c->change_starts[f]; i < c->change_starts[f + 1]; i++) {
        const struct mc_slot_change *k = &codec_change_list(c)[i];
        mc_map_set(&maps->maps[k->map_idx], k->slot_idx, k->state, k->owner, k->conn_id);
    }
}

static const char *const plain[] = {"JSON", "JSON, maps as hex bitmaps", "JSON", "JSON"};
static const char packed[] = "JSON + zstd-3 a row";

/* What so many frames like this one take. */
static void add(struct codec_bench *b, enum codec_what what, const char *name, size_t bytes)
{
    codec_add(b, what, name, (double)(bytes * CODEC_FRAMES_TO_ONE), 0);
}

static void weigh(struct codec_bench *b, enum codec_what what, const struct mc_buf *json)
{
    add(b, what, plain[what], json->count);
    add(b, what, packed, codec_zstd(b, json));
}

void codec_json(struct codec_bench *b)
{
    const struct codec_chunk *c = &b->chunk;
    struct mc_maps maps = {0};
    struct mc_buf json = {0}, row = {0};
    if (mc_maps_copy(&maps, &c->before) < 0)
        return;
    for (uint32_t f = 0; f < c->frame_count; f++) {
        move_on(c, f, &maps);
        if (f % CODEC_FRAMES_TO_ONE)
            continue;
        json.count = row.count = 0;
        put_values(c, f, &json);
        weigh(b, CODEC_VALUES, &json);
        mc_buf_add(&row, json.bytes, json.count);
        json.count = 0;
        put_maps(&maps, &json);
        weigh(b, CODEC_CHANGES, &json);
        mc_buf_add(&row, json.bytes, json.count);
        add(b, CODEC_ROWS, "JSON with hex bitmaps, without events", row.count);
        add(b, CODEC_ROWS, "JSON with hex bitmaps, without events, + zstd-3 a row",
            codec_zstd(b, &row));
        json.count = 0;
        put_events(c, f, &json);
        weigh(b, CODEC_EVENTS, &json);
        mc_buf_add(&row, json.bytes, json.count);
        weigh(b, CODEC_ROWS, &row);
    }
    mc_maps_fini(&maps);
    mc_buf_fini(&json);
    mc_buf_fini(&row);
}
