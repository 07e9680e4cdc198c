/* legend.c: the letters that slots' owners are shown by, and which of them are in use. */
#include "replay/document_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

#define OWNER_COUNT 65536u /* a slot's owner is 16 bits */

static const char alphabet[MC_LETTER_COUNT + 1] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* String ids 0 and 1 are the schema's own, so that 2, the program's first string, is 'a'; 1,
 * "(other)", comes round to '9'. */
char mc_owner_letter(uint32_t id)
{
    return id ? alphabet[(id + MC_LETTER_COUNT - 2) % MC_LETTER_COUNT] : '.';
}

int mc_legend_init(struct mc_legend *l)
{
    memset(l, 0, sizeof *l);
    l->uses = calloc(OWNER_COUNT, sizeof *l->uses);
    return l->uses ? 0 : MC_ENOMEM;
}

void mc_legend_fini(struct mc_legend *l)
{
    for (uint32_t i = 0; i < MC_LETTER_COUNT; i++)
        mc_buf_fini(&l->texts[i]);
    free(l->uses);
    memset(l, 0, sizeof *l);
}

/* How many slots from slot_idx on have the same owner: maps are mostly long runs. */
static size_t run_from(const uint16_t *owners, size_t slot_idx, size_t slot_count)
{
    size_t end = slot_idx + 1;
    while (end < slot_count && owners[end] == owners[slot_idx])
        end++;
    return end - slot_idx;
}

void mc_legend_add(struct mc_legend *l, const uint16_t *owners, size_t slot_count)
{
    for (size_t i = 0; i < slot_count;) {
        size_t run = run_from(owners, i, slot_count);
        uint16_t id = owners[i];
        l->stale |= l->uses[id] == 0;
        l->uses[id] += (uint32_t)run;
        if (id >= l->use_count)
            l->use_count = id + 1u;
        i += run;
    }
}

void mc_legend_drop(struct mc_legend *l, const uint16_t *owners, size_t slot_count)
{
    for (size_t i = 0; i < slot_count;) {
        size_t run = run_from(owners, i, slot_count);
        uint16_t id = owners[i];
        l->uses[id] -= (uint32_t)run;
        l->stale |= l->uses[id] == 0;
        i += run;
    }
}

/* The names that share a letter, as a JSON string; nothing when none is in use. */
static void write_names(const struct mc_legend *l, const struct mc_schema *schema,
                        uint32_t letter_idx, struct mc_buf *joined, struct mc_buf *out)
{
    uint32_t first = (letter_idx + 2) % MC_LETTER_COUNT;
    joined->count = 0;
    int any = 0;
    for (uint32_t id = first ? first : MC_LETTER_COUNT; id < l->use_count; id += MC_LETTER_COUNT) {
        if (!l->uses[id])
            continue;
        if (any)
            mc_buf_add_str(joined, ", ");
        mc_buf_add_str(joined, mc_schema_string(schema, id));
        any = 1;
    }
    out->count = 0;
    if (any)
        mc_buf_add_json(out, joined->count ? (const char *)joined->bytes : "", joined->count);
    out->failed |= joined->failed;
}

void mc_legend_write(struct mc_legend *l, const struct mc_schema *schema, struct mc_buf *out)
{
    if (!l->stale && l->string_count == schema->string_count)
        return;
    struct mc_buf joined = {0}, text = {0};
    for (uint32_t i = 0; i < MC_LETTER_COUNT; i++) {
        write_names(l, schema, i, &joined, &text);
        struct mc_buf *was = &l->texts[i];
        if (text.count == was->count &&
            (text.count == 0 || memcmp(text.bytes, was->bytes, text.count) == 0))
            continue;
        mc_buf_add_char(out, '"');
        mc_buf_add_char(out, alphabet[i]);
        mc_buf_add_str(out, "\":");
        if (text.count)
            mc_buf_add(out, text.bytes, text.count);
        else
            mc_buf_add_str(out, "null");
        mc_buf_add_char(out, ',');
        was->count = 0;
        mc_buf_add(was, text.bytes, text.count);
        out->failed |= was->failed;
    }
    out->failed |= text.failed;
    mc_buf_fini(&joined);
    mc_buf_fini(&text);
    l->stale = 0;
    l->string_count = schema->string_count;
}
