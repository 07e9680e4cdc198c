/* schema_step.c: how a run's schema grew, in and out of rows. */
#include "store/schema_step.h"

#include <stdlib.h>

#include "store/chunk.h"
#include "tracer/error.h"

uint32_t mc_schema_state_count(const struct mc_schema *s, uint32_t source_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < source_count && i < s->source_count; i++)
        count += s->sources[i].state_count;
    return count;
}

static void put_states(const struct mc_source *source, struct mc_buf *out)
{
    mc_put_varint(out, source->state_count);
    for (uint32_t n = 0; n < source->state_count; n++) {
        mc_put_byte(out, (uint8_t)source->states[n].letter);
        mc_put_text(out, source->states[n].name);
    }
}

/* The letters of sources that were known before; nothing when none was named since. */
static void put_named(const struct mc_schema *s, uint32_t source_count, uint32_t state_count,
                      struct mc_buf *out)
{
    if (mc_schema_state_count(s, source_count) <= state_count)
        return;
    uint32_t named = 0;
    for (uint32_t i = 0; i < source_count; i++)
        named += s->sources[i].state_count > 0;
    mc_put_varint(out, named);
    for (uint32_t i = 0; i < source_count; i++) {
        if (s->sources[i].state_count > 0) {
            mc_put_varint(out, i);
            put_states(&s->sources[i], out);
        }
    }
}

void mc_schema_step_put(const struct mc_schema *s, uint32_t source_count, uint32_t string_count,
                        uint32_t state_count, struct mc_buf *out)
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
        put_states(source, out);
    }
    mc_put_varint(out, s->string_count - string_count);
    for (uint32_t i = string_count; i < s->string_count; i++)
        mc_put_text(out, s->strings[i]);
    put_named(s, source_count, state_count, out);
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

#define STATE_ROOM 256

static int take_states(struct mc_span *s, struct mc_state_name states[STATE_ROOM], uint32_t *count)
{
    char text[TEXT_ROOM];
    uint64_t state_count = mc_take_varint(s);
    if (s->failed || state_count > STATE_ROOM)
        return MC_ECORRUPT;
    for (uint64_t i = 0; i < state_count; i++) {
        states[i].letter = (char)mc_take_byte(s);
        take_text(s, text);
        if (s->failed || strlen(text) >= sizeof states[i].name)
            return MC_ECORRUPT;
        memset(states[i].name, 0, sizeof states[i].name);
        memcpy(states[i].name, text, strlen(text));
    }
    *count = (uint32_t)state_count;
    return 0;
}

int mc_schema_name_states(struct mc_source *source, const struct mc_state_name *states,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = 0;
        while (n < source->state_count && source->states[n].letter != states[i].letter)
            n++;
        if (n < source->state_count)
            continue;
        struct mc_state_name *grown = realloc(source->states, (n + 1) * sizeof *grown);
        if (!grown)
            return MC_ENOMEM;
        source->states = grown;
        grown[source->state_count++] = states[i];
    }
    return 0;
}

/* Letters that were named after their source was known; a step of old has no such part. */
static int take_named(struct mc_schema *schema, uint32_t source_count, struct mc_span *s)
{
    struct mc_state_name states[STATE_ROOM];
    uint64_t named = s->failed || s->at == s->end ? 0 : mc_take_varint(s);
    for (uint64_t i = 0; i < named; i++) {
        uint32_t count;
        uint64_t source_idx = mc_take_varint(s);
        int rc =
            s->failed || source_idx >= source_count ? MC_ECORRUPT : take_states(s, states, &count);
        if (rc == 0)
            rc = mc_schema_name_states(&schema->sources[source_idx], states, count);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int take_source(struct mc_schema *schema, struct mc_span *s)
{
    char name[TEXT_ROOM], unit[TEXT_ROOM];
    struct mc_state_name states[STATE_ROOM];
    struct mc_source source = {.name = name, .unit = unit, .states = states};
    uint64_t kind = mc_take_varint(s), slot_count = mc_take_varint(s);
    source.slot_bytes = mc_take_varint(s);
    source.capacity_bytes = mc_take_varint(s);
    uint64_t flags = mc_take_varint(s);
    take_text(s, name);
    take_text(s, unit);
    if (s->failed || kind >= MC_KIND_COUNT || slot_count > MC_MAX_SLOTS || flags > UINT32_MAX)
        return MC_ECORRUPT;
    int rc = take_states(s, states, &source.state_count);
    if (rc < 0)
        return rc;
    source.kind = (int)kind;
    source.slot_count = (uint32_t)slot_count;
    source.flags = (uint32_t)flags;
    if (schema->value_count + mc_kind_field_count(source.kind) > MC_MAX_VALUES)
        return MC_ECORRUPT;
    return mc_schema_add_source(schema, &source);
}

int mc_schema_step_get(struct mc_schema *schema, const void *body, size_t body_bytes)
{
    struct mc_span s = {body, (const uint8_t *)body + body_bytes, 0};
    if (mc_take_varint(&s) != schema->source_count || mc_take_varint(&s) != schema->string_count)
        return MC_ECORRUPT;
    uint32_t known_count = schema->source_count;
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
    int rc = take_named(schema, known_count, &s);
    if (rc < 0)
        return rc;
    return s.failed || s.at != s.end ? MC_ECORRUPT : 0;
}

uint64_t mc_schema_step_sum(int64_t run_id, int64_t step, int64_t from_ts, const void *body,
                            size_t body_bytes)
{
    return mc_chunk_sum(run_id, step, from_ts, 0, 0, body, body_bytes, NULL, 0);
}
