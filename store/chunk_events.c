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

static int load_slice(struct mc_chunk *c, uint32_t number, int *found)
{
    c->slice_number = UINT32_MAX;
    int rc = mc_chunk_load_part(c, MC_PART_EVENTS + number, &c->slice.raw, found);
    if (rc == 0 && *found)
        rc = mc_event_slice_open(&c->slice, c->info.frame_count);
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

uint64_t mc_chunk_events_left_out(const struct mc_chunk *c, uint32_t frame_idx)
{
    const struct mc_event_slice *s = &c->slice;
    return is_in_slice(c, frame_idx) ? mc_event_slice_left_out(s, frame_idx - s->first_frame) : 0;
}

int mc_chunk_events(struct mc_chunk *c, uint32_t frame_idx, uint32_t types,
                    const struct mc_event **events, size_t *count)
{
    *events = NULL;
    *count = 0;
    if (!c->info.event_count)
        return 0;
    struct mc_event_slice *s = &c->slice;
    if (!is_in_slice(c, frame_idx)) {
        uint32_t n = c->slice_number + 1; /* going forwards it is the next one */
        int found, rc = 0;
        if (c->slice_number == UINT32_MAX || frame_idx != s->first_frame + s->frame_count ||
            n >= slice_count(c))
            rc = find_slice(c, frame_idx, &n);
        if (rc == 0 && n != c->slice_number)
            rc = load_slice(c, n, &found);
        if (rc < 0)
            return rc;
        if (!is_in_slice(c, frame_idx))
            return 0; /* no events in the frames outside of the slices */
    }
    if (!(s->types & types))
        return 0;
    c->slices_decoded += !mc_event_slice_is_begun(s);
    int rc =
        mc_event_slice_frame(s, frame_idx - s->first_frame, c->info.string_count, events, count);
    if (rc < 0)
        c->slice_number = UINT32_MAX;
    return rc;
}
