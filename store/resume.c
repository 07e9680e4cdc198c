/* resume.c: frames of a new sampler in the order of the file that they go on in. */
#include "store/resume.h"

#include <stdlib.h>
#include <string.h>

#include "store/schema_step.h"
#include "tracer/error.h"

void mc_remap_fini(struct mc_remap *r)
{
    if (r->has_live)
        mc_schema_fini(&r->live);
    free(r->source_to);
    free(r->string_to);
    mc_buf_fini(&r->values);
    mc_buf_fini(&r->changes);
    mc_buf_fini(&r->buckets);
    mc_buf_fini(&r->events);
    memset(r, 0, sizeof *r);
}

static int is_taken(const struct mc_remap *r, uint32_t source_idx)
{
    for (uint32_t i = 0; i < r->source_count; i++) {
        if (r->source_to[i] == source_idx)
            return 1;
    }
    return 0;
}

/* The file's source that this live one is, or MC_NO_SOURCE. */
static uint32_t find_source(const struct mc_remap *r, const struct mc_schema *schema,
                            const struct mc_source *live)
{
    for (uint32_t i = 0; i < schema->source_count; i++) {
        const struct mc_source *s = &schema->sources[i];
        if (s->kind == live->kind && s->slot_count == live->slot_count && s->flags == live->flags &&
            strcmp(s->name, live->name) == 0 && !is_taken(r, i))
            return i;
    }
    return MC_NO_SOURCE;
}

static int map_sources(struct mc_remap *r, struct mc_schema *schema)
{
    uint32_t count = r->live.source_count;
    uint32_t *to = realloc(r->source_to, (count + 1) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    r->source_to = to;
    for (uint32_t i = r->source_count; i < count; i++) {
        const struct mc_source *live = &r->live.sources[i];
        /* Mostly at the same place; a search only where it is not. */
        uint32_t found = i < schema->source_count && !is_taken(r, i) &&
                                 schema->sources[i].kind == live->kind &&
                                 schema->sources[i].slot_count == live->slot_count &&
                                 schema->sources[i].flags == live->flags &&
                                 strcmp(schema->sources[i].name, live->name) == 0
                             ? i
                             : find_source(r, schema, live);
        if (found == MC_NO_SOURCE) {
            found = schema->source_count;
            int rc = mc_schema_add_source(schema, live);
            if (rc < 0)
                return rc;
        }
        r->source_to[i] = found;
        r->source_count = i + 1;
    }
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct mc_source *live = &r->live.sources[i];
        rc = mc_schema_name_states(&schema->sources[r->source_to[i]], live->states,
                                   live->state_count);
    }
    return rc;
}

static int map_strings(struct mc_remap *r, struct mc_schema *schema)
{
    uint32_t count = r->live.string_count;
    uint32_t *to = realloc(r->string_to, (count + 1) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    r->string_to = to;
    for (uint32_t i = r->string_count; i < count; i++) {
        const char *text = r->live.strings[i];
        uint32_t found = i;
        if (i >= schema->string_count || strcmp(schema->strings[i], text) != 0) {
            found = 0;
            while (found < schema->string_count && strcmp(schema->strings[found], text) != 0)
                found++;
        }
        if (found == schema->string_count) {
            int rc = mc_schema_add_string(schema, text, strlen(text));
            if (rc < 0)
                return rc;
        }
        r->string_to[i] = found;
        r->string_count = i + 1;
    }
    return 0;
}

int mc_remap_step(struct mc_remap *r, struct mc_schema *schema, const void *step, size_t step_bytes,
                  int is_first)
{
    if (is_first || !r->has_live) {
        if (r->has_live)
            mc_schema_fini(&r->live);
        r->has_live = 0;
        int rc = mc_schema_init(&r->live);
        if (rc < 0)
            return rc;
        r->has_live = 1;
        r->source_count = r->string_count = 0;
    }
    int rc = mc_schema_step_get(&r->live, step, step_bytes);
    if (rc == 0)
        rc = map_sources(r, schema);
    if (rc == 0)
        rc = map_strings(r, schema);
    return rc;
}

uint32_t mc_remap_source(const struct mc_remap *r, uint32_t live_source_idx)
{
    return live_source_idx < r->source_count ? r->source_to[live_source_idx] : MC_NO_SOURCE;
}

static uint32_t string_of(const struct mc_remap *r, uint32_t id)
{
    return id < r->string_count ? r->string_to[id] : 1;
}

uint16_t mc_remap_owner(const struct mc_remap *r, uint16_t owner)
{
    uint32_t id = string_of(r, owner);
    return (uint16_t)(id > UINT16_MAX ? 1 : id);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int remap_values(struct mc_remap *r, const struct mc_schema *schema, struct mc_frame *f)
{
    r->values.count = 0;
    int64_t *to = (void *)mc_buf_reserve(&r->values, (schema->value_count + 1u) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    for (uint32_t v = 0; v < schema->value_count; v++)
        to[v] = MC_VALUE_NONE;
    for (uint32_t i = 0; i < r->source_count; i++) {
        const struct mc_source *from = &r->live.sources[i];
        memcpy(to + schema->sources[r->source_to[i]].value_idx, f->values + from->value_idx,
               from->value_count * sizeof *to);
    }
    f->values = to;
    return 0;
}

static int by_slot(const void *a, const void *b)
{
    const struct mc_slot_change *x = a, *y = b;
    if (x->map_idx != y->map_idx)
        return x->map_idx < y->map_idx ? -1 : 1;
    return x->slot_idx < y->slot_idx ? -1 : x->slot_idx > y->slot_idx;
}

static uint32_t live_map_source(const struct mc_remap *r, uint32_t map_idx)
{
    for (uint32_t i = 0; i < r->live.source_count; i++) {
        if (r->live.sources[i].map_idx == map_idx)
            return i;
    }
    return MC_NO_SOURCE;
}

static int remap_changes(struct mc_remap *r, const struct mc_schema *schema, struct mc_frame *f)
{
    r->changes.count = 0;
    struct mc_slot_change *to =
        (void *)mc_buf_reserve(&r->changes, (f->change_count + 1) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    uint32_t last = UINT32_MAX, map_idx = 0;
    int sorted = 1;
    for (size_t i = 0; i < f->change_count; i++) {
        to[i] = f->changes[i];
        if (to[i].map_idx != last) {
            last = to[i].map_idx;
            uint32_t source = mc_remap_source(r, live_map_source(r, last));
            uint32_t mapped = source == MC_NO_SOURCE ? UINT32_MAX : schema->sources[source].map_idx;
            sorted &= i == 0 || mapped > map_idx;
            map_idx = mapped;
        }
        to[i].map_idx = map_idx;
        to[i].owner = mc_remap_owner(r, to[i].owner);
    }
    if (!sorted)
        qsort(to, f->change_count, sizeof *to, by_slot);
    f->changes = to;
    return 0;
}

static int by_bucket(const void *a, const void *b)
{
    const struct mc_bucket_add *x = a, *y = b;
    if (x->source_idx != y->source_idx)
        return x->source_idx < y->source_idx ? -1 : 1;
    return x->bucket_idx < y->bucket_idx ? -1 : x->bucket_idx > y->bucket_idx;
}

static int remap_buckets(struct mc_remap *r, struct mc_frame *f)
{
    r->buckets.count = 0;
    struct mc_bucket_add *to =
        (void *)mc_buf_reserve(&r->buckets, (f->bucket_count + 1) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < f->bucket_count; i++) {
        uint32_t source = mc_remap_source(r, f->buckets[i].source_idx);
        if (source == MC_NO_SOURCE)
            continue;
        to[count] = f->buckets[i];
        to[count++].source_idx = source;
    }
    qsort(to, count, sizeof *to, by_bucket);
    f->buckets = to;
    f->bucket_count = count;
    return 0;
}

static int remap_events(struct mc_remap *r, struct mc_frame *f)
{
    r->events.count = 0;
    struct mc_event *to = (void *)mc_buf_reserve(&r->events, (f->event_count + 1) * sizeof *to);
    if (!to)
        return MC_ENOMEM;
    for (size_t i = 0; i < f->event_count; i++) {
        to[i] = f->events[i];
        to[i].method = string_of(r, to[i].method);
        to[i].detail = string_of(r, to[i].detail);
        if (to[i].type == MC_EVENT_GC)
            to[i].owner = mc_remap_source(r, to[i].owner);
        else
            to[i].owner = string_of(r, to[i].owner);
    }
    f->events = to;
    return 0;
}

int mc_remap_frame(struct mc_remap *r, const struct mc_schema *schema, struct mc_frame *f)
{
    int rc = remap_values(r, schema, f);
    if (rc == 0)
        rc = remap_changes(r, schema, f);
    if (rc == 0)
        rc = remap_buckets(r, f);
    if (rc == 0)
        rc = remap_events(r, f);
    return rc;
}
