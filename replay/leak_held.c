/* leak_held.c: for which route the slots that a pool does not get back were taken.
 *
 * A slot says which connection holds it, and the connection's requests say for which route it was
 * taken. Of a route that leaks a larger part of the slots taken stays than of the others.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/leak_priv.h"
#include "tracer/error.h"
#include "tracer/memcam.h"

#define NOT_TAKEN INT64_MAX
#define KEPT_LEAST 5
#define SHARE_LEAST 0.5
#define KNOWN_LEAST                                                                                \
    0.2            /* of the kept slots; the others' connections served several routes at once */
#define SURE_Z 3.3 /* one in 2,000 */

int mc_leak_held_init(struct mc_leak_held *h, const struct mc_map *map, int is_collected)
{
    h->slots = malloc((map->slot_count + 1) * sizeof *h->slots);
    if (!h->slots)
        return MC_ENOMEM;
    h->slot_count = map->slot_count;
    h->has_holders = map->conns != NULL;
    h->is_collected = is_collected;
    for (uint32_t i = 0; i < map->slot_count; i++)
        h->slots[i] =
            (struct mc_leak_slot){map->conns ? map->conns[i] : 0, NOT_TAKEN, MC_LEAK_ROUTES};
    return 0;
}

void mc_leak_held_frame(struct mc_leak_held *h, const struct mc_frame *f, uint32_t map_idx,
                        mc_leak_route_fn route_of, const void *arg)
{
    for (size_t i = 0; i < f->change_count; i++) {
        const struct mc_slot_change *c = &f->changes[i];
        if (c->map_idx != map_idx || c->slot_idx >= h->slot_count)
            continue;
        struct mc_leak_slot *slot = &h->slots[c->slot_idx];
        int is_other = c->old_state == MC_SLOT_FREE || c->conn_id != slot->conn_id ||
                       (h->is_collected && c->state != c->old_state);
        slot->conn_id = c->conn_id;
        if (c->state == MC_SLOT_FREE) {
            slot->since = NOT_TAKEN;
            continue;
        }
        if (!is_other)
            continue;
        slot->since = f->ts;
        slot->route = h->has_holders
                          ? route_of(arg, c->conn_id, mc_schema_string(f->schema, c->owner))
                          : MC_LEAK_ROUTES;
        h->taken[slot->route]++;
    }
}

/* The first point of a trail that is not before a moment; its count when there is none. */
static size_t point_at(const struct mc_leak_trail *t, int64_t ts)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (t->points[mid].ts < ts)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void mc_leak_held_end(struct mc_leak_held *h, int64_t until, struct mc_leak_trail *t)
{
    t->count = point_at(t, until);
    for (size_t i = 0; i < t->count; i++)
        t->points[i].level = 0;
    for (uint32_t i = 0; i < h->slot_count; i++) {
        size_t at = point_at(t, h->slots[i].since);
        if (h->slots[i].since >= until)
            continue;
        h->kept[h->slots[i].route]++;
        if (at < t->count)
            t->points[at].level++;
    }
    for (size_t i = 1; i < t->count; i++)
        t->points[i].level += t->points[i - 1].level;
}

/* The low end of a part's interval (Wilson 1927). */
static double part_low(double part, double of)
{
    double p = part / of, zz = SURE_Z * SURE_Z;
    return (p + zz / (2 * of) - SURE_Z * sqrt(p * (1 - p) / of + zz / (4 * of * of))) /
           (1 + zz / of);
}

/* Whether more of these are kept than of those, by the test of two proportions. */
static int is_kept_more(double kept, double taken, double others_kept, double others_taken)
{
    if (others_taken <= 0)
        return 1;
    double all = (kept + others_kept) / (taken + others_taken);
    double spread = sqrt(all * (1 - all) * (1 / taken + 1 / others_taken));
    return kept / taken - others_kept / others_taken > SURE_Z * spread;
}

size_t mc_leak_held_route(const struct mc_leak_held *h, double *share)
{
    double kept = 0, taken = 0, unknown = (double)h->kept[MC_LEAK_ROUTES];
    size_t best = 0;
    for (size_t i = 0; i < MC_LEAK_ROUTES; i++) {
        kept += (double)h->kept[i];
        taken += (double)h->taken[i];
        if (h->kept[i] > h->kept[best])
            best = i;
    }
    double of_best = (double)h->kept[best], of_best_taken = (double)h->taken[best];
    if (of_best < KEPT_LEAST || kept < KNOWN_LEAST * (kept + unknown) ||
        part_low(of_best, kept) < SHARE_LEAST ||
        !is_kept_more(of_best, of_best_taken, kept - of_best, taken - of_best_taken))
        return MC_LEAK_ROUTES;
    *share = of_best / kept;
    return best;
}
