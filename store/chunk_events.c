/* chunk_events.c: the events of a row's frames, a slice at a time, and what they are about. */
#include "store/chunk_priv.h"
#include "tracer/error.h"

int mc_chunk_event_index(struct mc_chunk *c, struct mc_event_index *out)
{
    struct mc_buf raw = {0};
    int found, rc = mc_chunk_load_part(c, MC_PART_EVENT_INDEX, &raw, &found);
    if (rc == 0)
        rc = found ? mc_event_index_parse(out, c->ts[0], &raw) : MC_END;
    mc_buf_fini(&raw);
    return rc;
}

static int load_slice(struct mc_chunk *c, uint32_t number, uint32_t types, int *found)
{
    struct mc_buf raw = {0};
    c->slice_number = UINT32_MAX;
    int rc = mc_chunk_load_part(c, MC_PART_EVENTS + number, &raw, found);
    if (rc == 0 && *found)
        rc = mc_event_slice_read(&c->slice, &raw, c->info.frame_count, types);
    mc_buf_fini(&raw);
    c->slices_decoded += rc == 0 && *found && c->slice.is_decoded;
    if (rc == 0 && *found && c->slice.is_decoded && c->slice.starts[c->slice.frame_count] &&
        c->slice.top_string >= c->info.string_count) {
        mc_event_slice_fini(&c->slice);
        rc = MC_ECORRUPT;
    }
    if (rc == 0 && *found) {
        c->slice_number = number;
        c->slice_first[number] = c->slice.first_frame;
        c->slice_first[number + 1] = c->slice.first_frame + c->slice.frame_count;
    }
    return rc;
}

/* The first frame of a slice, from the part's own head. */
static int find_slice_first(struct mc_chunk *c, uint32_t number)
{
    if (c->slice_first[number] != UINT32_MAX)
        return 0;
    struct mc_buf raw = {0};
    int found, rc = mc_chunk_load_part(c, MC_PART_EVENTS + number, &raw, &found);
    struct mc_span s = mc_span_of(&raw);
    uint64_t first = rc == 0 && found ? mc_take_varint(&s) : 0;
    if (rc == 0 && (!found || s.failed || first >= c->info.frame_count))
        rc = MC_ECORRUPT;
    if (rc == 0)
        c->slice_first[number] = (uint32_t)first;
    mc_buf_fini(&raw);
    return rc;
}

static uint32_t slice_count(const struct mc_chunk *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->info.part_count; i++)
        count += c->info.parts[i].number >= MC_PART_EVENTS;
    return count;
}

/* The slice that a frame's events are in, if it has any: the last one that begins at or before it.
 * Slices are not decoded for that, and only a few are looked at. */
static int find_slice(struct mc_chunk *c, uint32_t frame_idx, uint32_t *number)
{
    uint32_t low = 0, high = slice_count(c);
    if (high > MC_SLICE_COUNT)
        return MC_ECORRUPT;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        int rc = find_slice_first(c, middle);
        if (rc < 0)
            return rc;
        if (c->slice_first[middle] <= frame_idx)
            low = middle;
        else
            high = middle;
    }
    *number = low;
    return 0;
}

static int is_in_slice(const struct mc_chunk *c, uint32_t frame_idx)
{
    return c->slice_number != UINT32_MAX && frame_idx >= c->slice.first_frame &&
           frame_idx < c->slice.first_frame + c->slice.frame_count;
}

int mc_chunk_events(struct mc_chunk *c, uint32_t frame_idx, uint32_t types,
                    const struct mc_event **events, size_t *count)
{
    *events = NULL;
    *count = 0;
    if (!c->info.event_count)
        return 0;
    const struct mc_event_slice *s = &c->slice;
    int is_in = is_in_slice(c, frame_idx);
    if (!is_in || (!s->is_decoded && s->types & types)) {
        /* Going forwards it is the next one. */
        uint32_t n = is_in ? c->slice_number : c->slice_number + 1;
        int found, rc = 0;
        if (!is_in && (c->slice_number == UINT32_MAX ||
                       frame_idx != s->first_frame + s->frame_count || n >= slice_count(c)))
            rc = find_slice(c, frame_idx, &n);
        if (rc == 0 && (is_in || n != c->slice_number))
            rc = load_slice(c, n, types, &found);
        if (rc < 0)
            return rc;
        if (!is_in_slice(c, frame_idx))
            return 0; /* no events in the frames outside of the slices */
    }
    if (!s->is_decoded)
        return 0;
    uint32_t f = frame_idx - s->first_frame;
    *events = s->events + s->starts[f];
    *count = s->starts[f + 1] - s->starts[f];
    return 0;
}
