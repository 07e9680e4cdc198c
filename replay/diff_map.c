/* diff_map.c: slot maps of both sides at the moment to look at, laid over each other. */
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "tracer/error.h"

/* When to look at a pool: where its measures differ most, else where the first row does. */
static void find_moment(const struct mc_diff *d, const char *pool, int64_t at[2], size_t *rank)
{
    size_t n = strlen(pool), fallback = d->row_count;
    *rank = d->row_count;
    for (size_t i = 0; i < d->row_count; i++) {
        const struct mc_diff_row *row = &d->rows[i];
        if (row->at_a == INT64_MIN)
            continue;
        if (fallback == d->row_count)
            fallback = i;
        if (strncmp(row->like->key, "slab/", 5) == 0 && strncmp(row->like->key + 5, pool, n) == 0 &&
            row->like->key[5 + n] == '/') {
            at[0] = row->at_a;
            at[1] = row->at_b;
            *rank = i;
            return;
        }
    }
    for (size_t s = 0; s < 2; s++)
        at[s] = mc_diff_place(d, s, 0.5);
    if (fallback < d->row_count) {
        at[0] = d->rows[fallback].at_a;
        at[1] = d->rows[fallback].at_b;
    }
}

/* Or `bit` into each slot that the run uses at `ts`. */
static int add_slots(const struct mc_run_measures *m, int64_t ts, uint8_t bit,
                     struct mc_diff_map *map)
{
    struct mc_reader *r;
    struct mc_cursor *cursor = NULL;
    const struct mc_frame *f;
    int rc = mc_reader_open(m->path, &r, NULL, 0);
    if (rc)
        return rc;
    rc = mc_cursor_open(r, m->info.run_id, &cursor);
    if (rc == 0) {
        mc_cursor_leave_out(cursor, MC_CURSOR_CHANGES | MC_CURSOR_EVENTS);
        rc = mc_cursor_seek(cursor, ts, &f);
    }
    for (uint32_t i = 0; rc == 0 && i < f->schema->map_count; i++) {
        const struct mc_map *from = &f->maps[i];
        if (strcmp(f->schema->sources[from->source_idx].name, map->name) != 0 ||
            from->slot_count != map->slot_count)
            continue;
        for (uint32_t k = 0; k < from->slot_count; k++)
            map->slots[k] |= from->states[k] != '.' ? bit : 0;
        break;
    }
    mc_cursor_close(cursor);
    mc_reader_close(r);
    return rc;
}

struct ranked {
    const struct mc_measured_pool *pool;
    int64_t at[2];
    size_t rank;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int has_pool(const struct mc_run_measures *m, const struct mc_measured_pool *pool)
{
    for (size_t i = 0; i < m->pool_count; i++)
        if (strcmp(m->pools[i].name, pool->name) == 0)
            return m->pools[i].slot_count == pool->slot_count;
    return 0;
}

static int make_map(const struct mc_diff *d, const struct ranked *from, struct mc_diff_map *out)
{
    struct mc_diff_map map = {.name = strdup(from->pool->name),
                              .slots = calloc(from->pool->slot_count + 1u, 1),
                              .slot_count = from->pool->slot_count,
                              .at_a = from->at[0],
                              .at_b = from->at[1]};
    int rc = map.name && map.slots ? 0 : MC_ENOMEM;
    for (size_t s = 0; rc == 0 && s < 2; s++)
        rc = add_slots(&d->sides[s].runs[0], from->at[s], s ? 2 : 1, &map);
    if (rc)
        mc_diff_map_fini(&map);
    else
        *out = map;
    return rc;
}

int mc_diff_maps(const struct mc_diff *d, struct mc_diff_map *out, size_t room)
{
    const struct mc_run_measures *a = &d->sides[0].runs[0], *b = &d->sides[1].runs[0];
    struct ranked *ranked = malloc((a->pool_count + 1) * sizeof *ranked);
    size_t count = 0, made = 0;
    int rc = 0;
    if (!ranked)
        return MC_ENOMEM;
    for (size_t i = 0; i < a->pool_count; i++) {
        if (!has_pool(b, &a->pools[i]) || !a->pools[i].slot_count)
            continue;
        ranked[count].pool = &a->pools[i];
        find_moment(d, a->pools[i].name, ranked[count].at, &ranked[count].rank);
        count++;
    }
    qsort(ranked, count, sizeof *ranked, by_rank);
    for (size_t i = 0; i < count && made < room && rc == 0; i++) {
        rc = make_map(d, &ranked[i], &out[made]);
        made += rc == 0;
    }
    free(ranked);
    if (rc == 0)
        return (int)made;
    while (made)
        mc_diff_map_fini(&out[--made]);
    return rc;
}

void mc_diff_map_fini(struct mc_diff_map *map)
{
    free(map->name);
    free(map->slots);
}
