/* document_write.c: the text of a document, or of the merge patch to it from the one before.
 *
 * Format: the document's members and their order stand at the head of stream.c.
 *
 * One pass writes both. A value that is not known has no member, so a keyframe is the patch from
 * the document in which nothing is known, but for two things: it has the objects that are empty,
 * and a source that is new brings its constants. Each object is opened at once and taken back when
 * nothing came into it.
 */
#include "replay/document_priv.h"

#include <string.h>

#define PAGE_SLOTS 1024u

struct member {
    const char *key;
    size_t key_bytes;
};
#define MEMBER(text)                                                                               \
    {                                                                                              \
        "\"" text "\":", sizeof("\"" text "\":") - 1                                               \
    }

static const struct member field_members[MC_F_COUNT] = {
#define X(kind, field, text) MEMBER(text),
    MC_FIELDS(X)
#undef X
};
static const unsigned kind_first[MC_KIND_COUNT] = {
#define X(id, text) MC_FIRST_##id,
    MC_KINDS(X)
#undef X
};
static const struct member section_members[MC_SECTION_COUNT] = {
#define X(id, text) MEMBER(text),
    MC_SECTIONS(X)
#undef X
};
static const struct member free_member = MEMBER("free"), capacity_member = MEMBER("capacity"),
                           capacity_bytes_member = MEMBER("capacity_bytes"),
                           pages_member = MEMBER("pages"), owners_member = MEMBER("owners"),
                           by_state_member = MEMBER("by_state"),
                           by_owner_member = MEMBER("by_owner");

/* ---- JSON objects: each member ends with a comma, and the last one becomes the brace --------- */

/* Begin an object; returns where it begins. */
static size_t open_object(struct mc_buf *out, const char *key, size_t key_bytes)
{
    size_t start = out->count;
    mc_buf_add(out, key, key_bytes);
    mc_buf_add_char(out, '{');
    return start;
}

/* End the object that began at `start`; take it back when it is empty and need not be there. */
static void close_object(struct mc_buf *out, size_t start, int keep_empty)
{
    if (out->failed)
        return;
    uint8_t *last = &out->bytes[out->count - 1];
    if (*last == ',') {
        *last = '}';
    } else if (keep_empty) {
        mc_buf_add_char(out, '}');
    } else {
        out->count = start;
        return;
    }
    mc_buf_add_char(out, ',');
}

/* One number that was `was` and is `is`; nothing when it is the same. */
static void write_number(struct mc_buf *out, const struct member *member, int64_t was, int64_t is)
{
    if (was == is)
        return;
    mc_buf_add(out, member->key, member->key_bytes);
    if (is == MC_VALUE_NONE)
        mc_buf_add_str(out, "null");
    else
        mc_buf_add_i64(out, is);
    mc_buf_add_char(out, ',');
}

static int64_t value_at(const int64_t *values, uint32_t idx)
{
    return values ? values[idx] : MC_VALUE_NONE;
}

/* Fields [first, end) of a source. Both rows may be NULL: nothing known. */
static void write_fields(struct mc_buf *out, int kind, uint32_t first, uint32_t end,
                         const int64_t *was, const int64_t *is)
{
    for (uint32_t f = first; f < end; f++)
        write_number(out, &field_members[kind_first[kind] + f], value_at(was, f), value_at(is, f));
}

/* ---- slot maps ------------------------------------------------------------------------------- */

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* States as the document shows them: what is no state letter is '?'. */
static sixteen shown_states(sixteen v)
{
    sixteen good = (sixteen)((v > ' ') & (v < 0x7f) & (v != '"') & (v != '\\'));
    return (v & good) | ('?' & ~good);
}

static void write_states(struct mc_buf *out, const uint8_t *states, size_t count)
{
    uint8_t *to = mc_buf_reserve(out, count);
    if (!to)
        return;
    sixteen v = {0};
    size_t i = 0;
    for (; i + sizeof v <= count; i += sizeof v) {
        memcpy(&v, states + i, sizeof v);
        v = shown_states(v);
        memcpy(to + i, &v, sizeof v);
    }
    memcpy(&v, states + i, count - i);
    v = shown_states(v);
    memcpy(to + i, &v, count - i);
    out->count += count;
}

static void write_owner_letters(struct mc_buf *out, const uint16_t *owners, size_t count)
{
    uint8_t *to = mc_buf_reserve(out, count);
    if (!to)
        return;
    uint16_t last = 0;
    uint8_t letter = '.';
    for (size_t i = 0; i < count; i++) {
        if (owners[i] != last) {
            last = owners[i];
            letter = (uint8_t)mc_owner_letter(last);
        }
        to[i] = letter;
    }
    out->count += count;
}

static void open_page(struct mc_buf *out, size_t page_idx)
{
    mc_buf_add_char(out, '"');
    mc_buf_add_u64(out, page_idx);
    mc_buf_add(out, "\":\"", 3);
}

/* The pages that changed, or all of a new slab; the remembered map becomes the frame's. */
static void write_pages(const struct mc_doc_job *job, const struct mc_map *map,
                        struct mc_doc_map *was, int fresh)
{
    struct mc_buf *out = job->out;
    size_t start = open_object(out, pages_member.key, pages_member.key_bytes);
    for (size_t slot = 0; slot < map->slot_count; slot += PAGE_SLOTS) {
        size_t count = map->slot_count - slot < PAGE_SLOTS ? map->slot_count - slot : PAGE_SLOTS;
        if (!fresh && memcmp(was->states + slot, map->states + slot, count) == 0)
            continue;
        memcpy(was->states + slot, map->states + slot, count);
        open_page(out, slot / PAGE_SLOTS);
        write_states(out, map->states + slot, count);
        mc_buf_add(out, "\",", 2);
    }
    close_object(out, start, fresh);
}

/* The same for owners, which the legend counts. */
static void write_owner_pages(const struct mc_doc_job *job, const struct mc_map *map,
                              struct mc_doc_map *was, int fresh)
{
    struct mc_buf *out = job->out;
    size_t start = open_object(out, owners_member.key, owners_member.key_bytes);
    for (size_t slot = 0; slot < map->slot_count; slot += PAGE_SLOTS) {
        size_t count = map->slot_count - slot < PAGE_SLOTS ? map->slot_count - slot : PAGE_SLOTS;
        uint16_t *old = was->owners + slot;
        const uint16_t *new = map->owners + slot;
        if (!fresh) {
            if (memcmp(old, new, count * sizeof *new) == 0)
                continue;
            mc_legend_drop(&job->doc->legend, old, count);
        }
        mc_legend_add(&job->doc->legend, new, count);
        memcpy(old, new, count * sizeof *new);
        open_page(out, slot / PAGE_SLOTS);
        write_owner_letters(out, new, count);
        mc_buf_add(out, "\",", 2);
    }
    close_object(out, start, fresh);
}

/* Whether a slab's map is as it was sent. */
static int same_map(const struct mc_map *map, const struct mc_doc_map *was)
{
    return memcmp(was->states, map->states, map->slot_count) == 0 &&
           (!was->owners ||
            memcmp(was->owners, map->owners, map->slot_count * sizeof *map->owners) == 0);
}

/* ---- sources --------------------------------------------------------------------------------- */

/* slots - used, when it is known and fits. */
static int64_t free_slots(const struct mc_name *name, const int64_t *values)
{
    int64_t used = value_at(values, MC_FIELD(SLAB, USED)), left;
    if (used == MC_VALUE_NONE || __builtin_sub_overflow((int64_t)name->slot_count, used, &left))
        return MC_VALUE_NONE;
    return left;
}

static void write_slab(const struct mc_doc_job *job, const struct mc_name *name, const int64_t *was,
                       const int64_t *is)
{
    struct mc_buf *out = job->out;
    const struct mc_map *map = &job->frame->maps[name->map_idx];
    struct mc_doc_map *doc_map = &job->doc->maps[name->map_idx];
    write_fields(out, MC_KIND_SLAB, 0, 1, was, is);
    write_number(out, &free_member, free_slots(name, was), free_slots(name, is));
    if (!was)
        write_number(out, &capacity_member, MC_VALUE_NONE, name->slot_count);
    write_fields(out, MC_KIND_SLAB, 1, name->value_count, was, is);
    if (job->is_numbers)
        return;
    write_pages(job, map, doc_map, !was);
    if (doc_map->owners)
        write_owner_pages(job, map, doc_map, !was);
}

/* The members of a source. `was` is NULL for one that is new. */
static void write_source(const struct mc_doc_job *job, const struct mc_name *name,
                         const int64_t *was, const int64_t *is)
{
    struct mc_buf *out = job->out;
    if (name->kind == MC_KIND_SLAB) {
        write_slab(job, name, was, is);
    } else if (name->kind == MC_KIND_ARENA || name->kind == MC_KIND_HEAP) {
        write_fields(out, name->kind, 0, 1, was, is);
        if (!was) {
            mc_buf_add(out, capacity_bytes_member.key, capacity_bytes_member.key_bytes);
            mc_buf_add_u64(out, name->capacity_bytes);
            mc_buf_add_char(out, ',');
        }
        write_fields(out, name->kind, 1, name->value_count, was, is);
    } else {
        write_fields(out, name->kind, 0, name->value_count, was, is);
    }
}

/* The rows of a source before and now; NULL where it is not in that frame. */
static const int64_t *row_before(const struct mc_doc_job *job, uint32_t source_idx)
{
    return source_idx < job->was_count
               ? job->doc->values + job->doc->names.names[source_idx].value_idx
               : NULL;
}

static const int64_t *row_now(const struct mc_doc_job *job, uint32_t source_idx)
{
    return source_idx < job->frame->schema->source_count
               ? job->frame->values + job->doc->names.names[source_idx].value_idx
               : NULL;
}

static void write_named_source(const struct mc_doc_job *job, uint32_t source_idx)
{
    const struct mc_name *name = &job->doc->names.names[source_idx];
    const int64_t *was = row_before(job, source_idx), *is = row_now(job, source_idx);
    struct mc_buf *out = job->out;
    if (is && was) {
        if (memcmp(was, is, name->value_count * sizeof *is) == 0 &&
            (name->kind != MC_KIND_SLAB ||
             same_map(&job->frame->maps[name->map_idx], &job->doc->maps[name->map_idx])))
            return;
    } else if (was) {
        mc_buf_add(out, name->key, name->key_bytes);
        mc_buf_add_str(out, "null,");
        return;
    } else if (!is) {
        return;
    }
    size_t start = open_object(out, name->key, name->key_bytes);
    write_source(job, name, was, is);
    close_object(out, start, !was);
}

/* A section whose members are sources. */
static void write_section(const struct mc_doc_job *job, enum mc_section section)
{
    const struct mc_name_list *list = &job->doc->names.sections[section];
    const struct member *member = &section_members[section];
    size_t start = open_object(job->out, member->key, member->key_bytes);
    for (uint32_t i = 0; i < list->count; i++)
        write_named_source(job, list->idx[i]);
    close_object(job->out, start, job->whole);
}

/* ---- sections of one source ------------------------------------------------------------------ */

/* The rows of a section's one source (the first, should there be more), NULL where it has none. */
static void only_rows(const struct mc_doc_job *job, enum mc_section section, const int64_t **was,
                      const int64_t **is)
{
    const struct mc_name_list *list = &job->doc->names.sections[section];
    *was = list->count ? row_before(job, list->idx[0]) : NULL;
    *is = list->count ? row_now(job, list->idx[0]) : NULL;
}

static void write_recorder(const struct mc_doc_job *job)
{
    const struct member *member = &section_members[MC_SECTION_RECORDER];
    const int64_t *was, *is;
    only_rows(job, MC_SECTION_RECORDER, &was, &is);
    size_t start = open_object(job->out, member->key, member->key_bytes);
    write_fields(job->out, MC_KIND_RECORDER, 0, mc_kind_field_count(MC_KIND_RECORDER), was, is);
    close_object(job->out, start, job->whole);
}

/* The kernel's state letter; none when it is no letter. */
static int64_t process_letter(const int64_t *values)
{
    int64_t state = value_at(values, MC_FIELD(PROCESS, STATE));
    return (state >= 'A' && state <= 'Z') || (state >= 'a' && state <= 'z') ? state : MC_VALUE_NONE;
}

static void write_process(const struct mc_doc_job *job)
{
    struct mc_buf *out = job->out;
    const struct member *member = &section_members[MC_SECTION_PROCESS];
    const int64_t *was, *is;
    only_rows(job, MC_SECTION_PROCESS, &was, &is);
    size_t start = open_object(out, member->key, member->key_bytes);
    int64_t letter = process_letter(is);
    if (letter != process_letter(was)) {
        const struct member *state = &field_members[MC_F_PROCESS_STATE];
        mc_buf_add(out, state->key, state->key_bytes);
        if (letter == MC_VALUE_NONE)
            mc_buf_add_str(out, "null,");
        else
            mc_buf_add(out, (const char[]){'"', (char)letter, '"', ','}, 4);
    }
    write_fields(out, MC_KIND_PROCESS, MC_FIELD(PROCESS, STATE) + 1,
                 mc_kind_field_count(MC_KIND_PROCESS), was, is);
    close_object(out, start, job->whole);
}

/* Open connections by owner: a field of each owner's source. */
static void write_by_owner(const struct mc_doc_job *job)
{
    const struct mc_name_list *owners = &job->doc->names.sections[MC_SECTION_SERVERS];
    size_t start = open_object(job->out, by_owner_member.key, by_owner_member.key_bytes);
    for (uint32_t i = 0; i < owners->count; i++) {
        const struct mc_name *name = &job->doc->names.names[owners->idx[i]];
        struct member member = {name->key, name->key_bytes};
        const int64_t *was = row_before(job, owners->idx[i]), *is = row_now(job, owners->idx[i]);
        write_number(job->out, &member, value_at(was, MC_FIELD(OWNER, OPEN)),
                     value_at(is, MC_FIELD(OWNER, OPEN)));
    }
    close_object(job->out, start, job->whole);
}

static void write_connections(const struct mc_doc_job *job)
{
    struct mc_buf *out = job->out;
    const struct member *member = &section_members[MC_SECTION_CONNECTIONS];
    const int64_t *was, *is;
    only_rows(job, MC_SECTION_CONNECTIONS, &was, &is);
    size_t start = open_object(out, member->key, member->key_bytes);
    write_fields(out, MC_KIND_CONNECTIONS, 0, MC_FIELD(CONNECTIONS, ACTIVE), was, is);
    size_t states = open_object(out, by_state_member.key, by_state_member.key_bytes);
    write_fields(out, MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, ACTIVE),
                 MC_FIELD(CONNECTIONS, ACCEPTED), was, is);
    close_object(out, states, job->whole);
    write_by_owner(job);
    write_fields(out, MC_KIND_CONNECTIONS, MC_FIELD(CONNECTIONS, ACCEPTED),
                 mc_kind_field_count(MC_KIND_CONNECTIONS), was, is);
    close_object(out, start, job->whole);
}

/* ---- the document ---------------------------------------------------------------------------- */

void mc_doc_write(const struct mc_doc_job *job)
{
    struct mc_buf *out = job->out;
    size_t start = open_object(out, NULL, 0);
    mc_buf_add_str(out, "\"ts\":");
    mc_buf_add_i64(out, job->frame->ts);
    mc_buf_add_char(out, ',');
    write_section(job, MC_SECTION_POOLS);
    size_t legend = open_object(out, owners_member.key, owners_member.key_bytes);
    mc_legend_write(&job->doc->legend, job->frame->schema, out);
    close_object(out, legend, job->whole);
    write_section(job, MC_SECTION_ARENAS);
    write_section(job, MC_SECTION_HEAPS);
    write_section(job, MC_SECTION_METRICS);
    write_process(job);
    write_connections(job);
    write_section(job, MC_SECTION_SERVERS);
    write_section(job, MC_SECTION_ROUTES);
    write_recorder(job);
    close_object(out, start, 1);
    if (!out->failed)
        out->count--; /* the comma */
}
