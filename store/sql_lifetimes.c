/* sql_lifetimes.c: slot_lifetime: each slot from its allocation to the frame that finds it free.
 *
 * One walk over the changes, in the order of time, with the slots that are held in a table beside
 * it: a row comes when its slot is freed, and those of slots that are held to the end come last.
 * What a window function would sort, some five million rows of a busy heap's minute, is never made.
 */
#include <stdlib.h>
#include <string.h>

#include "store/sql_rows_priv.h"
#include "tracer/error.h"

#define NOT_HELD INT64_MIN

struct mc_sql_held {
    int64_t ts; /* of its allocation; NOT_HELD: free, or held since before the span */
    uint64_t conn_id;
    uint16_t owner;
};

/* The slots of each map; slots NULL until the first of them changes. */
struct held_map {
    struct mc_sql_held *slots; /* owned */
    uint32_t slot_count;
    const char *pool; /* borrowed from the run's schema */
};

struct mc_sql_lifetimes {
    struct held_map *maps; /* owned */
    uint32_t map_count;
    size_t held_count;        /* slots of which a row will come */
    uint32_t map_at, slot_at; /* when over: the next slot to look at */
    int over;                 /* the changes are */
    struct mc_sql_life row;
};

void mc_sql_lifetimes_free(struct mc_sql_lifetimes *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->map_count; i++)
        free(l->maps[i].slots);
    free(l->maps);
    free(l);
}

int mc_sql_begin_lifetimes(struct mc_sql_rows *s)
{
    mc_sql_lifetimes_free(s->lifetimes);
    s->lifetimes = calloc(1, sizeof *s->lifetimes);
    return s->lifetimes ? 0 : MC_ENOMEM;
}

const struct mc_sql_life *mc_sql_life(const struct mc_sql_rows *s)
{
    return &s->lifetimes->row;
}

/* The slot that a change is about; NULL: no memory. */
static struct mc_sql_held *held_of(struct mc_sql_lifetimes *l, const struct mc_frame *f,
                                   const struct mc_slot_change *c)
{
    if (c->map_idx >= l->map_count) {
        struct held_map *more = realloc(l->maps, (c->map_idx + 1) * sizeof *more);
        if (!more)
            return NULL;
        memset(more + l->map_count, 0, (c->map_idx + 1 - l->map_count) * sizeof *more);
        l->maps = more;
        l->map_count = c->map_idx + 1;
    }
    struct held_map *map = &l->maps[c->map_idx];
    const struct mc_map *of = &f->maps[c->map_idx];
    if (!map->slots) {
        map->slots = malloc(of->slot_count * sizeof *map->slots);
        if (!map->slots)
            return NULL;
        map->slot_count = of->slot_count;
        map->pool = f->schema->sources[of->source_idx].name;
        for (uint32_t i = 0; i < map->slot_count; i++)
            map->slots[i].ts = NOT_HELD;
    }
    return &map->slots[c->slot_idx];
}

/* The row of a slot that was held up to end_ts. */
static void end_life(struct mc_sql_rows *s, uint32_t map_idx, uint32_t slot_idx, int64_t end_ts)
{
    struct mc_sql_lifetimes *l = s->lifetimes;
    struct mc_sql_held *held = &l->maps[map_idx].slots[slot_idx];
    l->row = (struct mc_sql_life){.pool = l->maps[map_idx].pool,
                                  .slot_idx = slot_idx,
                                  .end_ts = end_ts,
                                  .conn_id = held->conn_id,
                                  .owner = held->owner};
    s->ts = s->frame = held->ts;
    s->place = map_idx + ((uint64_t)slot_idx << 32);
    held->ts = NOT_HELD;
    l->held_count--;
}

/* Take a change in. 1: it ends a life, whose row this is now; 0, or a code. */
static int take_change(struct mc_sql_rows *s, const struct mc_slot_change *c)
{
    const struct mc_frame *f = s->map_frame;
    int was_free = c->old_state == '.', is_free = c->state == '.';
    if (was_free == is_free ||
        (s->source && strcmp(s->source, f->schema->sources[f->maps[c->map_idx].source_idx].name)))
        return 0;
    struct mc_sql_held *held = held_of(s->lifetimes, f, c);
    if (!held)
        return MC_ENOMEM;
    int ends = held->ts != NOT_HELD;
    if (ends)
        end_life(s, c->map_idx, c->slot_idx, f->ts);
    if (was_free && f->ts <= s->asked.max) {
        *held = (struct mc_sql_held){f->ts, c->conn_id, c->owner};
        s->lifetimes->held_count++;
    }
    return ends;
}

/* The next of the slots that are held to the end. */
static int next_held(struct mc_sql_rows *s)
{
    struct mc_sql_lifetimes *l = s->lifetimes;
    for (; l->map_at < l->map_count; l->map_at++, l->slot_at = 0) {
        const struct held_map *map = &l->maps[l->map_at];
        for (; map->slots && l->slot_at < map->slot_count; l->slot_at++) {
            if (map->slots[l->slot_at].ts != NOT_HELD) {
                end_life(s, l->map_at, l->slot_at++, MC_VALUE_NONE);
                return 0;
            }
        }
    }
    return MC_END;
}

int mc_sql_next_lifetime(struct mc_sql_rows *s)
{
    while (!s->lifetimes->over) {
        while (s->map_frame && s->slot_at < s->map_frame->change_count) {
            int rc = take_change(s, &s->map_frame->changes[s->slot_at++]);
            if (rc)
                return rc < 0 ? rc : 0;
        }
        /* Behind the span there is only the end of what began in it to be found. */
        int is_behind = s->map_frame && s->map_frame->ts >= s->asked.max;
        int rc = is_behind && !s->lifetimes->held_count ? MC_END : mc_sql_next_map_frame(s);
        if (rc < 0)
            return rc;
        s->lifetimes->over = rc == MC_END;
        s->slot_at = 0;
    }
    return next_held(s);
}
