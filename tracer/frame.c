/* frame.c: the tables of kinds, fields and events; the schema; histogram buckets; run info. */
#include "tracer/frame.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/grow.h"
#include "tracer/text.h"

#define SOURCE_MAX 65535u
#define STRING_MAX (1u << 20)
#define STRING_BYTES_MAX 255u

static const char *const kind_names[MC_KIND_COUNT] = {
#define X(id, text) text,
    MC_KINDS(X)
#undef X
};

static const char *const field_names[MC_F_COUNT] = {
#define X(kind, field, text) text,
    MC_FIELDS(X)
#undef X
};

static const unsigned kind_first[MC_KIND_COUNT + 1] = {
#define X(id, text) MC_FIRST_##id,
    MC_KINDS(X)
#undef X
        MC_F_COUNT,
};

static const char *const event_names[MC_EVENT_COUNT] = {
#define X(id, text) text,
    MC_EVENTS(X)
#undef X
};

uint32_t mc_kind_field_count(int kind)
{
    if (kind < 0 || kind >= MC_KIND_COUNT)
        return 0;
    return kind_first[kind + 1] - kind_first[kind];
}

const char *mc_kind_field_name(int kind, uint32_t field_idx)
{
    return field_idx < mc_kind_field_count(kind) ? field_names[kind_first[kind] + field_idx] : NULL;
}

const char *mc_kind_name(int kind)
{
    return kind >= 0 && kind < MC_KIND_COUNT ? kind_names[kind] : NULL;
}

const char *mc_event_name(int type)
{
    return type >= 0 && type < MC_EVENT_COUNT ? event_names[type] : NULL;
}

/* ---- buckets: values below 16 apart, then 16 to each power of two, as in HdrHistogram ---------
 */

uint32_t mc_bucket_of(uint64_t value)
{
    if (value < 16)
        return (uint32_t)value;
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(value);
    uint32_t idx = (exponent - 3) * 16 + (uint32_t)((value >> (exponent - 4)) & 15);
    return idx < MC_BUCKET_COUNT ? idx : MC_BUCKET_COUNT - 1;
}

uint64_t mc_bucket_top(uint32_t bucket_idx)
{
    if (bucket_idx < 16)
        return bucket_idx;
    if (bucket_idx >= MC_BUCKET_COUNT)
        bucket_idx = MC_BUCKET_COUNT - 1;
    uint32_t exponent = bucket_idx / 16 + 3;
    uint64_t step = UINT64_C(1) << (exponent - 4);
    return (UINT64_C(1) << exponent) + (bucket_idx % 16 + 1) * step - 1;
}

/* ---- schema ---------------------------------------------------------------------------------- */

/* A clean copy of at most `most` bytes, or NULL. */
static char *clean_copy(const char *text, size_t text_bytes, size_t most)
{
    char *copy = malloc(most + 1);
    if (!copy)
        return NULL;
    size_t count = mc_text_clean(copy, most + 1, text, text_bytes);
    char *exact = realloc(copy, count + 1);
    return exact ? exact : copy;
}

int mc_schema_init(struct mc_schema *s)
{
    memset(s, 0, sizeof *s);
    int code = mc_schema_add_string(s, "", 0);
    if (!code)
        code = mc_schema_add_string(s, "(other)", 7);
    if (code)
        mc_schema_fini(s);
    return code;
}

void mc_schema_fini(struct mc_schema *s)
{
    for (uint32_t i = 0; i < s->source_count; i++) {
        free(s->sources[i].name);
        free(s->sources[i].unit);
        free(s->sources[i].states);
    }
    for (uint32_t i = 0; i < s->string_count; i++)
        free(s->strings[i]);
    free(s->sources);
    free(s->strings);
    memset(s, 0, sizeof *s);
}

int mc_schema_add_string(struct mc_schema *s, const char *text, size_t text_bytes)
{
    if (s->string_count >= STRING_MAX)
        return MC_ELIMIT;
    char **strings = mc_grown(s->strings, s->string_count, &s->string_room, sizeof *strings);
    if (!strings)
        return MC_ENOMEM;
    s->strings = strings;
    char *copy = clean_copy(text, text_bytes, STRING_BYTES_MAX);
    if (!copy)
        return MC_ENOMEM;
    s->strings[s->string_count++] = copy;
    return 0;
}

const char *mc_schema_string(const struct mc_schema *s, uint32_t id)
{
    return id < s->string_count ? s->strings[id] : "(other)";
}

const struct mc_source *mc_schema_source_of_value(const struct mc_schema *s, uint32_t value_idx)
{
    uint32_t low = 0, high = s->source_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->sources[middle].value_idx <= value_idx)
            low = middle;
        else
            high = middle;
    }
    return &s->sources[low];
}

/* Copy the named states, cleaned; 0 or MC_ENOMEM. */
static int copy_states(struct mc_source *to, const struct mc_source *like)
{
    to->states = NULL;
    to->state_count = 0;
    if (like->state_count == 0)
        return 0;
    to->states = calloc(like->state_count, sizeof *to->states);
    if (!to->states)
        return MC_ENOMEM;
    to->state_count = like->state_count;
    for (uint32_t i = 0; i < like->state_count; i++) {
        to->states[i].letter = like->states[i].letter;
        mc_text_clean(to->states[i].name, sizeof to->states[i].name, like->states[i].name,
                      sizeof like->states[i].name);
    }
    return 0;
}

int mc_schema_add_source(struct mc_schema *s, const struct mc_source *like)
{
    if (like->kind < 0 || like->kind >= MC_KIND_COUNT)
        return MC_EINVAL;
    if (s->source_count >= SOURCE_MAX)
        return MC_ELIMIT;
    struct mc_source *sources =
        mc_grown(s->sources, s->source_count, &s->source_room, sizeof *sources);
    if (!sources)
        return MC_ENOMEM;
    s->sources = sources;
    struct mc_source *to = &s->sources[s->source_count];
    *to = *like;
    to->name = clean_copy(like->name, strlen(like->name), STRING_BYTES_MAX);
    to->unit = clean_copy(like->unit ? like->unit : "", like->unit ? strlen(like->unit) : 0,
                          STRING_BYTES_MAX);
    if (!to->name || !to->unit || copy_states(to, like) != 0) {
        free(to->name);
        free(to->unit);
        return MC_ENOMEM;
    }
    to->source_idx = s->source_count;
    to->value_idx = s->value_count;
    to->value_count = mc_kind_field_count(to->kind);
    to->map_idx = to->kind == MC_KIND_SLAB ? s->map_count++ : UINT32_MAX;
    s->value_count += to->value_count;
    s->source_count++;
    return 0;
}

const struct mc_source *mc_schema_find(const struct mc_schema *s, int kind, const char *name)
{
    for (uint32_t i = 0; i < s->source_count; i++) {
        const struct mc_source *source = &s->sources[i];
        if (source->kind == kind && (!name || strcmp(source->name, name) == 0))
            return source;
    }
    return NULL;
}

/* ---- run info -------------------------------------------------------------------------------- */

/* Copy one text of a run; NULL stays NULL. Sets *failed when memory is short. */
static char *copy_text(const char *text, int *failed)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    if (!copy)
        *failed = 1;
    return copy;
}

int mc_run_info_copy(struct mc_run_info *to, const struct mc_run_info *from)
{
    int failed = 0;
    struct mc_run_info copy = *from;
    copy.label = copy_text(from->label, &failed);
    copy.host = copy_text(from->host, &failed);
    copy.program = copy_text(from->program, &failed);
    copy.build = copy_text(from->build, &failed);
    copy.config = copy_text(from->config, &failed);
    copy.exit = copy_text(from->exit, &failed);
    if (failed) {
        mc_run_info_fini(&copy);
        return MC_ENOMEM;
    }
    *to = copy;
    return 0;
}

void mc_run_info_fini(struct mc_run_info *info)
{
    free(info->label);
    free(info->host);
    free(info->program);
    free(info->build);
    free(info->config);
    free(info->exit);
    memset(info, 0, sizeof *info);
}
