/* names.c: a unique JSON key for each source of a schema, and the sources of each section. */
#include "replay/document_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/grow.h"

static const int kind_section[MC_KIND_COUNT] = {
    [MC_KIND_SLAB] = MC_SECTION_POOLS,        [MC_KIND_ARENA] = MC_SECTION_ARENAS,
    [MC_KIND_HEAP] = MC_SECTION_HEAPS,        [MC_KIND_COUNTER] = MC_SECTION_METRICS,
    [MC_KIND_GAUGE] = MC_SECTION_METRICS,     [MC_KIND_HISTOGRAM] = MC_SECTION_METRICS,
    [MC_KIND_PROCESS] = MC_SECTION_PROCESS,   [MC_KIND_CONNECTIONS] = MC_SECTION_CONNECTIONS,
    [MC_KIND_ROUTE] = MC_SECTION_ROUTES,      [MC_KIND_OWNER] = MC_SECTION_SERVERS,
    [MC_KIND_RECORDER] = MC_SECTION_RECORDER,
};

/* FNV-1a over the section and the key. */
static uint32_t hash_of(int section, const uint8_t *key, size_t key_bytes)
{
    uint32_t hash = (2166136261u ^ (uint32_t)section) * 16777619u;
    for (size_t i = 0; i < key_bytes; i++)
        hash = (hash ^ key[i]) * 16777619u;
    return hash;
}

/* The place in the table where this key is, or where it would go. */
static uint32_t *slot_of(const struct mc_names *n, int section, const uint8_t *key,
                         size_t key_bytes)
{
    uint32_t mask = n->table_room - 1;
    for (uint32_t at = hash_of(section, key, key_bytes) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &n->table[at];
        if (*slot == 0)
            return slot;
        const struct mc_name *name = &n->names[*slot - 1];
        if (name->section == section && name->key_bytes == key_bytes &&
            memcmp(name->key, key, key_bytes) == 0)
            return slot;
    }
}

/* Make room for one more name, its place in the table and in its section's list. */
static int reserve(struct mc_names *n, struct mc_name_list *list)
{
    struct mc_name *names = mc_grown(n->names, n->count, &n->room, sizeof *names);
    if (!names)
        return MC_ENOMEM;
    n->names = names;
    uint32_t *idx = mc_grown(list->idx, list->count, &list->room, sizeof *idx);
    if (!idx)
        return MC_ENOMEM;
    list->idx = idx;
    if ((n->count + 1) * 2 > n->table_room) {
        uint32_t room = n->table_room ? n->table_room * 2 : 256;
        uint32_t *table = calloc(room, sizeof *table);
        if (!table)
            return MC_ENOMEM;
        free(n->table);
        n->table = table;
        n->table_room = room;
        for (uint32_t i = 0; i < n->count; i++) {
            const struct mc_name *name = &n->names[i];
            *slot_of(n, name->section, (const uint8_t *)name->key, name->key_bytes) = i + 1;
        }
    }
    return 0;
}

/* Write the key of `text` with " (suffix)" behind it where suffix is not 0. */
static void write_key(struct mc_buf *key, const char *text, uint32_t suffix)
{
    key->count = 0;
    mc_buf_add_json(key, text, strlen(text));
    if (suffix && !key->failed) {
        key->count--; /* the closing quote */
        mc_buf_printf(key, " (%u)\"", suffix);
    }
    mc_buf_add_char(key, ':');
}

static int add_name(struct mc_names *n, const struct mc_source *source, struct mc_buf *key)
{
    int section = kind_section[source->kind];
    struct mc_name_list *list = &n->sections[section];
    int code = reserve(n, list);
    if (code)
        return code;
    write_key(key, source->name, 0);
    if (key->failed)
        return MC_ENOMEM;
    uint32_t *slot = slot_of(n, section, key->bytes, key->count);
    if (*slot) {
        struct mc_name *first = &n->names[*slot - 1];
        while (*slot) {
            write_key(key, source->name, first->next_suffix++);
            if (key->failed)
                return MC_ENOMEM;
            slot = slot_of(n, section, key->bytes, key->count);
        }
    }
    struct mc_name *name = &n->names[n->count];
    *name = (struct mc_name){.key = malloc(key->count),
                             .key_bytes = (uint32_t)key->count,
                             .next_suffix = 2,
                             .kind = source->kind,
                             .section = section,
                             .value_idx = source->value_idx,
                             .value_count = source->value_count,
                             .map_idx = source->map_idx,
                             .slot_count = source->slot_count,
                             .flags = source->flags,
                             .capacity_bytes = source->capacity_bytes};
    if (!name->key)
        return MC_ENOMEM;
    memcpy(name->key, key->bytes, key->count);
    list->idx[list->count++] = n->count++;
    *slot = n->count;
    return 0;
}

int mc_names_grow(struct mc_names *n, const struct mc_schema *schema)
{
    if (n->count >= schema->source_count)
        return 0;
    struct mc_buf key = {0};
    int code = 0;
    while (!code && n->count < schema->source_count)
        code = add_name(n, &schema->sources[n->count], &key);
    mc_buf_fini(&key);
    return code;
}

int mc_names_match(const struct mc_names *n, const struct mc_schema *schema)
{
    uint32_t both = n->count < schema->source_count ? n->count : schema->source_count;
    for (uint32_t i = 0; i < both; i++) {
        const struct mc_name *name = &n->names[i];
        const struct mc_source *source = &schema->sources[i];
        if (name->kind != source->kind || name->value_idx != source->value_idx ||
            name->map_idx != source->map_idx || name->slot_count != source->slot_count ||
            name->flags != source->flags)
            return 0;
    }
    return 1;
}

void mc_names_fini(struct mc_names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        free(n->names[i].key);
    for (int i = 0; i < MC_SECTION_COUNT; i++)
        free(n->sections[i].idx);
    free(n->names);
    free(n->table);
    memset(n, 0, sizeof *n);
}
