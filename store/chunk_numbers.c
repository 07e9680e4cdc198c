/* chunk_numbers.c: the numbers of a row's frames: by column, by frame, or all of them. */
#include <stdlib.h>

#include "store/chunk_priv.h"
#include "tracer/error.h"

int mc_chunk_numbers(struct mc_chunk *c, int kind)
{
    if (c->numbers[kind].field_count)
        return 0;
    struct mc_buf raw = {0};
    int found, rc = kind == MC_KIND_OWNER ? mc_chunk_numbers(c, MC_KIND_ROUTE) : 0;
    if (rc == 0)
        rc = mc_chunk_load_part(c, MC_PART_NUMBERS + (uint32_t)kind, &raw, &found);
    if (rc == 0 && found)
        rc = mc_numbers_parse(&c->numbers[kind], kind, c->schema, c->info.frame_count, &raw);
    mc_buf_fini(&raw);
    /* Exactly the sources that the head counts, or a frame would have values from nowhere. */
    uint32_t want = 0, have = c->numbers[kind].source_count;
    for (uint32_t s = 0; s < c->info.source_count; s++)
        want += c->schema->sources[s].kind == kind;
    if (rc == 0 && (want != have || (have && c->numbers[kind].sources[have - 1].source_idx >=
                                                 c->info.source_count))) {
        mc_numbers_fini(&c->numbers[kind]);
        rc = MC_ECORRUPT;
    }
    if (rc == 0 && kind == MC_KIND_OWNER)
        c->numbers[kind].routes = &c->numbers[MC_KIND_ROUTE];
    return rc;
}

int mc_chunk_cells(struct mc_chunk *c)
{
    if (c->cells)
        return 0;
    uint32_t frames = c->info.frame_count;
    int64_t *cells = malloc(((uint64_t)c->info.value_count * frames + 1) * sizeof *cells);
    int64_t *scratch = malloc(frames * sizeof *scratch);
    int rc = cells && scratch ? 0 : MC_ENOMEM;
    for (int kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++) {
        rc = mc_chunk_numbers(c, kind);
        const struct mc_numbers *n = &c->numbers[kind];
        for (uint32_t i = 0; rc == 0 && i < n->source_count; i++) {
            uint32_t value = c->schema->sources[n->sources[i].source_idx].value_idx;
            for (uint32_t f = 0; rc == 0 && f < n->field_count; f++)
                rc = mc_numbers_get(n, i, f, cells + (size_t)(value + f) * frames, scratch);
        }
    }
    free(scratch);
    if (rc < 0)
        free(cells);
    else
        c->cells = cells;
    return rc;
}

static int one_frame(struct mc_chunk *c, uint32_t frame_idx, int64_t *values)
{
    int rc = 0;
    for (int kind = 0; rc == 0 && kind < MC_KIND_COUNT; kind++) {
        rc = mc_chunk_numbers(c, kind);
        const struct mc_numbers *n = &c->numbers[kind];
        for (uint32_t i = 0; rc == 0 && i < n->source_count; i++) {
            int64_t *to = values + c->schema->sources[n->sources[i].source_idx].value_idx;
            for (uint32_t f = 0; rc == 0 && f < n->field_count; f++)
                rc = mc_numbers_at(n, i, f, frame_idx, &to[f]);
        }
    }
    return rc;
}

int mc_chunk_frame_numbers(struct mc_chunk *c, uint32_t frame_idx, int64_t *values)
{
    if (!c->cells && !c->is_frame_had) {
        c->is_frame_had = 1;
        return one_frame(c, frame_idx, values);
    }
    int rc = mc_chunk_cells(c);
    if (rc < 0)
        return rc;
    for (uint32_t v = 0; v < c->info.value_count; v++)
        values[v] = c->cells[(size_t)v * c->info.frame_count + frame_idx];
    return 0;
}

int mc_chunk_column(struct mc_chunk *c, uint32_t value_idx, const struct mc_numbers **numbers,
                    uint32_t *source, uint32_t *field_idx)
{
    const struct mc_source *wanted = mc_schema_source_of_value(c->schema, value_idx);
    const struct mc_numbers *n = &c->numbers[wanted->kind];
    int rc = mc_chunk_numbers(c, wanted->kind);
    if (rc < 0)
        return rc;
    /* They stand in the order of the schema. */
    uint32_t low = 0, high = n->source_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (n->sources[middle].source_idx <= wanted->source_idx)
            low = middle;
        else
            high = middle;
    }
    if (!n->source_count || n->sources[low].source_idx != wanted->source_idx)
        return MC_ECORRUPT;
    *numbers = n;
    *source = low;
    *field_idx = value_idx - wanted->value_idx;
    return 0;
}

int mc_chunk_value(struct mc_chunk *c, uint32_t value_idx, int64_t *values, int64_t *scratch)
{
    const struct mc_numbers *n;
    uint32_t source, field_idx;
    int rc = mc_chunk_column(c, value_idx, &n, &source, &field_idx);
    return rc < 0 ? rc : mc_numbers_get(n, source, field_idx, values, scratch);
}
