/* schema_step.c: how a run's schema grew, in and out of rows. */
#include "store/schema_step.h"

#include <stdlib.h>

#include "store/chunk.h"
#include "tracer/error.h"

void mc_schema_step_put(const struct mc_schema *s, uint32_t source_count, uint32_t string_count,
                        struct mc_buf *out)
{
    mc_put_varint(out, source_count);
    mc_put_varint(out, string_count);
    mc_put_varint(out, s->source_count - source_count);
    for (uint32_t i = source_count; i < s->source_count; i++) {
        const struct mc_source *source = &s->sources[i];
        mc_put_varint(out, (uint64_t)source->kind);
        mc_put_varint(out, source->slot_count);
        mc_put_varint(out, source->slot_bytes);
        mc_put_varint(out, source->capacity_bytes);
        mc_put_varint(out, source->flags);
        mc_put_text(out, source->name);
        mc_put_text(out, source->unit);
        mc_put_varint(out, source->state_count);
        for (uint32_t n = 0; n < source->state_count; n++) {
            mc_put_byte(out, (uint8_t)source->states[n].letter);
            mc_put_text(out, source->states[n].name);
        }
    }
    mc_put_varint(out, s->string_count - string_count);
    for (uint32_t i = string_count; i < s->string_count; i++)
        mc_put_text(out, s->strings[i]);
}

#define TEXT_ROOM 1024 /* a route's source is called by its method and its route */

/* A text of less than TEXT_ROOM bytes. */
static void take_text(struct mc_span *s, char text[TEXT_ROOM])
{
    uint64_t count = mc_take_varint(s);
    const uint8_t *bytes = count < TEXT_ROOM ? mc_span_take(s, count) : NULL;
    text[0] = 0;
    if (!bytes) {
        s->failed = 1;
        return;
    }
    memcpy(text, bytes, count);
    text[count] = 0;
}

static int take_source(struct mc_schema *schema, struct mc_span *s)
{
    char name[TEXT_ROOM], unit[TEXT_ROOM], text[TEXT_ROOM];
    struct mc_state_name states[256];
    struct mc_source source = {.name = name, .unit = unit, .states = states};
    uint64_t kind = mc_take_varint(s), slot_count = mc_take_varint(s);
    source.slot_bytes = mc_take_varint(s);
    source.capacity_bytes = mc_take_varint(s);
    uint64_t flags = mc_take_varint(s);
    take_text(s, name);
    take_text(s, unit);
    uint64_t state_count = mc_take_varint(s);
    if (s->failed || kind >= MC_KIND_COUNT || slot_count > MC_MAX_SLOTS || flags > UINT32_MAX ||
        state_count > 256)
        return MC_ECORRUPT;
    for (uint64_t i = 0; i < state_count; i++) {
        states[i].letter = (char)mc_take_byte(s);
        take_text(s, text);
        if (s->failed || strlen(text) >= sizeof states[i].name)
            return MC_ECORRUPT;
        memset(states[i].name, 0, sizeof states[i].name);
        memcpy(states[i].name, text, strlen(text));
    }
    source.kind = (int)kind;
    source.slot_count = (uint32_t)slot_count;
    source.flags = (uint32_t)flags;
    source.state_count = (uint32_t)state_count;
    if (schema->value_count + mc_kind_field_count(source.kind) > MC_MAX_VALUES)
        return MC_ECORRUPT;
    return mc_schema_add_source(schema, &source);
}

int mc_schema_step_get(struct mc_schema *schema, const void *body, size_t body_bytes)
{
    struct mc_span s = {body, (const uint8_t *)body + body_bytes, 0};
    if (mc_take_varint(&s) != schema->source_count || mc_take_varint(&s) != schema->string_count)
        return MC_ECORRUPT;
    uint64_t source_count = mc_take_varint(&s);
    for (uint64_t i = 0; i < source_count; i++) {
        int rc = s.failed ? MC_ECORRUPT : take_source(schema, &s);
        if (rc < 0)
            return rc == MC_ENOMEM ? rc : MC_ECORRUPT;
    }
    uint64_t string_count = mc_take_varint(&s);
    for (uint64_t i = 0; i < string_count; i++) {
        char text[TEXT_ROOM];
        take_text(&s, text);
        int rc = s.failed ? MC_ECORRUPT : mc_schema_add_string(schema, text, strlen(text));
        if (rc < 0)
            return rc == MC_ENOMEM ? rc : MC_ECORRUPT;
    }
    return s.failed || s.at != s.end ? MC_ECORRUPT : 0;
}

uint64_t mc_schema_step_sum(int64_t run_id, int64_t step, int64_t from_ts, const void *body,
                            size_t body_bytes)
{
    return mc_chunk_sum(run_id, step, from_ts, 0, 0, body, body_bytes, NULL, 0);
}
