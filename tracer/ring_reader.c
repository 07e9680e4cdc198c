/* ring_reader.c: copies event records, then looks again which of them it may keep. */
#include "tracer/ring_reader.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

/* No thread writes as many between two looks: a head that says so was scribbled on. */
#define LEAP_MAX (UINT64_C(1) << 36)

int mc_ring_reader_init(struct mc_ring_reader *r, uint32_t thread_count)
{
    memset(r, 0, sizeof *r);
    r->tails = calloc(thread_count, sizeof *r->tails);
    return r->tails ? 0 : MC_ENOMEM;
}

void mc_ring_reader_fini(struct mc_ring_reader *r)
{
    free(r->tails);
    free(r->pending);
    memset(r, 0, sizeof *r);
}

void mc_ring_reader_drop(struct mc_ring_reader *r, size_t count)
{
    r->count -= count;
    memmove(r->pending, r->pending + count, r->count * sizeof *r->pending);
}

/* Make room for `more` records, or for as many of them as may wait. Their number. */
static size_t make_room(struct mc_ring_reader *r, size_t more)
{
    if (more > MC_RING_PENDING_MAX - r->count)
        more = MC_RING_PENDING_MAX - r->count;
    size_t room = r->room ? r->room : 1024;
    while (room < r->count + more)
        room *= 2;
    if (room != r->room) {
        struct mc_segment_event *pending = realloc(r->pending, room * sizeof *pending);
        if (!pending)
            return r->room - r->count < more ? r->room - r->count : more;
        r->pending = pending;
        r->room = room;
    }
    return more;
}

/* Copy records [from, from + count) of a ring behind pending, without counting them yet. */
static int copy_records(struct mc_ring_reader *r, struct mc_attach *a, uint32_t ring_idx,
                        uint64_t from, size_t count)
{
    uint64_t ring_events = a->head.ring_events;
    uint64_t ring_off = a->layout.rings_off + (uint64_t)ring_idx * ring_events * 64;
    struct mc_segment_event *to = r->pending + r->count;
    while (count) {
        uint64_t place = from & (ring_events - 1);
        size_t run = count < ring_events - place ? count : (size_t)(ring_events - place);
        int code = mc_attach_read(a, ring_off + place * 64, to, run * sizeof *to);
        if (code)
            return code;
        to += run;
        from += run;
        count -= run;
    }
    return 0;
}

static int read_head(struct mc_attach *a, uint32_t ring_idx, uint64_t *head)
{
    return mc_attach_read(a, MC_SEGMENT_RINGS_CONTROL_OFF + (uint64_t)ring_idx * 64, head,
                          sizeof *head);
}

/* Records that are gone: before the first read nobody was there to miss them. */
static void count_lost(struct mc_ring_reader *r, uint64_t count)
{
    if (r->has_begun)
        r->lost += count;
    else
        r->unheld += count;
}

/* Read one ring, whose head was last seen at `head`. */
static int drain_ring(struct mc_ring_reader *r, struct mc_attach *a, uint32_t ring_idx,
                      uint64_t head)
{
    uint64_t tail = r->tails[ring_idx], ring_events = a->head.ring_events, head_after;
    uint64_t first = head - tail >= ring_events ? head - ring_events + 1 : tail;
    size_t count = (size_t)(head - first), kept = make_room(r, count);
    if (kept < count) { /* the newest are kept */
        r->lost += count - kept;
        first += count - kept;
        tail += count - kept;
    }
    int code = copy_records(r, a, ring_idx, first, kept);
    if (!code)
        code = read_head(a, ring_idx, &head_after);
    if (code)
        return code;
    if (head_after < head || head_after - head > LEAP_MAX)
        return mc_attach_fail(a, MC_ECORRUPT,
                              "%.140s: event ring %u is damaged; restart the program", a->path,
                              ring_idx);
    /* Record i is whole if nobody had begun to write record i + ring_events. */
    uint64_t whole = head_after >= ring_events ? head_after - ring_events + 1 : 0;
    if (whole > first) {
        size_t torn = whole - first < kept ? (size_t)(whole - first) : kept;
        memmove(r->pending + r->count, r->pending + r->count + torn,
                (kept - torn) * sizeof *r->pending);
        kept -= torn;
        first += torn;
    }
    count_lost(r, first - tail);
    r->count += kept;
    r->tails[ring_idx] = head;
    return 0;
}

int mc_ring_reader_drain(struct mc_ring_reader *r, struct mc_attach *a)
{
    uint64_t fullest = 0;
    struct mc_segment_ring controls[64];
    for (uint32_t at = 0; at < a->head.thread_count; at += 64) {
        uint32_t count = a->head.thread_count - at < 64 ? a->head.thread_count - at : 64;
        int code = mc_attach_read(a, MC_SEGMENT_RINGS_CONTROL_OFF + (uint64_t)at * 64, controls,
                                  count * sizeof controls[0]);
        for (uint32_t i = 0; i < count && !code; i++) {
            uint64_t head = controls[i].head, tail = r->tails[at + i];
            if (head == tail)
                continue;
            if (head < tail || (r->has_begun && head - tail > LEAP_MAX))
                code = mc_attach_fail(a, MC_ECORRUPT,
                                      "%.140s: event ring %u is damaged; restart the program",
                                      a->path, at + i);
            else if (head - tail > fullest)
                fullest = head - tail;
            if (!code)
                code = drain_ring(r, a, at + i, head);
        }
        if (code)
            return code;
    }
    r->has_begun = 1;
    uint64_t percent = fullest * 100 / a->head.ring_events;
    return percent > 100 ? 100 : (int)percent;
}
