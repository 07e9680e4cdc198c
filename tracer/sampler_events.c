/* sampler_events.c: raw records into a frame's events: in order, on the run's clock, cleaned. */
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"
#include "tracer/sampler_priv.h"

/* Room for the keys and events of `count` records. 0 or MC_ENOMEM. */
static int make_room(struct mc_sampler *s, size_t count)
{
    if (count > s->key_room) {
        size_t room = count + count / 2 + 256;
        void *keys = realloc(s->keys, room * sizeof *s->keys);
        if (keys)
            s->keys = keys;
        void *spare = realloc(s->keys_spare, room * sizeof *s->keys);
        if (spare)
            s->keys_spare = spare;
        if (!keys || !spare)
            return MC_ENOMEM;
        s->key_room = room;
    }
    if (count > s->event_room) {
        size_t room = count + count / 2 + 256;
        struct mc_event *events = realloc(s->events, room * sizeof *events);
        if (!events)
            return MC_ENOMEM;
        s->events = events;
        s->event_room = room;
    }
    return 0;
}

/* Sort s->keys[0..count) by ticks; equal ones stay in place. Each ring's records come in order, so
 * this merges natural runs: one ring costs one look. */
static void sort_keys(struct mc_sampler *s, size_t count)
{
    for (;;) {
        size_t at = 0, run_count = 0;
        while (at < count) {
            size_t middle = at + 1, end;
            while (middle < count && s->keys[middle - 1].ticks <= s->keys[middle].ticks)
                middle++;
            end = middle < count ? middle + 1 : middle;
            while (end < count && s->keys[end - 1].ticks <= s->keys[end].ticks)
                end++;
            if (at == 0 && middle == count)
                return;
            size_t left = at, right = middle;
            while (at < end) {
                int from_left =
                    right >= end || (left < middle && s->keys[left].ticks <= s->keys[right].ticks);
                s->keys_spare[at++] = from_left ? s->keys[left++] : s->keys[right++];
            }
            run_count++;
        }
        void *sorted = s->keys_spare;
        s->keys_spare = s->keys;
        s->keys = sorted;
        if (run_count <= 1)
            return;
    }
}

static uint64_t bounded(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : value;
}

static uint64_t duration(const struct mc_sampler *s, uint64_t dur_ns)
{
    dur_ns = bounded(dur_ns);
    if (s->is_event_clock_ns)
        return dur_ns;
    return dur_ns && dur_ns < 1000 ? 1000 : dur_ns / 1000 * 1000; /* 0 stays "not timed" */
}

/* Fill in what an event of this type carries; all else stays 0. Returns 0 for a record that makes
 * no sense. */
static int translate(const struct mc_sampler *s, const struct mc_segment_event *raw,
                     struct mc_event *e)
{
    e->type = raw->type;
    e->conn_id = raw->conn_id;
    e->stream_id = raw->stream_id;
    switch (raw->type) {
    case MC_EVENT_ACCEPT:
        e->owner = mc_string_ids_get(&s->names, raw->name);
        e->detail = mc_string_ids_get(&s->peers, raw->detail);
        e->port = raw->port;
        return 1;
    case MC_EVENT_TLS:
        e->dur_ns = duration(s, raw->dur_ns);
        e->detail = mc_string_ids_get(&s->names, raw->detail);
        return 1;
    case MC_EVENT_STREAM_OPEN:
        return 1;
    case MC_EVENT_RESPONSE:
        e->status = raw->status;
        e->bytes_in = bounded(raw->bytes_in);
        e->bytes_out = bounded(raw->bytes_out);
        e->dur_ns = duration(s, raw->dur_ns);
        e->arena_bytes = raw->arena_bytes;
        /* fall through */
    case MC_EVENT_REQUEST:
        e->method = mc_string_ids_get(&s->names, raw->name);
        e->detail = mc_string_ids_get(&s->names, raw->detail);
        return 1;
    case MC_EVENT_STATE:
        e->state = raw->state;
        return mc_segment_state_ok(raw->state);
    case MC_EVENT_CLOSE:
        e->bytes_in = bounded(raw->bytes_in);
        e->bytes_out = bounded(raw->bytes_out);
        /* fall through */
    case MC_EVENT_STREAM_CLOSE:
    case MC_EVENT_OVERFLOW:
    case MC_EVENT_ERROR:
        e->detail = mc_string_ids_get(&s->names, raw->detail);
        return 1;
    case MC_EVENT_GC:
        if (raw->name >= s->source_count || s->sources[raw->name].kind != MC_KIND_HEAP)
            return 0;
        e->owner = s->sources[raw->name].source_idx;
        e->detail = mc_string_ids_get(&s->names, raw->detail);
        e->bytes_in = bounded(raw->bytes_in);
        e->bytes_out = bounded(raw->bytes_out);
        e->dur_ns = duration(s, raw->dur_ns);
        return 1;
    default:
        return 0;
    }
}

/* An event's time lies behind the last frame and not behind this one: a record that was published
 * late, or one with a wild time, is moved to the nearer end. */
static int64_t event_ts(const struct mc_sampler *s, uint64_t ticks, int64_t ts)
{
    int64_t step = s->is_event_clock_ns ? 1 : 1000;
    int64_t at = mc_clock_line_ns(&s->line, ticks);
    at -= at % step;
    if (s->has_ticked && at <= s->last_ts)
        at = s->last_ts + step;
    return at > ts ? ts : at;
}

/* Make keys of the records with ticks up to the line's end (of all when is_last); their number. */
static size_t due_records(struct mc_sampler *s, int is_last)
{
    size_t due = 0;
    for (size_t i = 0; i < s->rings.count; i++) {
        uint64_t ticks = s->rings.pending[i].ticks;
        if (is_last || ticks <= s->line.to_ticks) {
            s->keys[due].ticks = ticks;
            s->keys[due++].idx = i;
        }
    }
    return due;
}

/* What is not due stays for the next frame. */
static void keep_the_rest(struct mc_sampler *s, int is_last)
{
    struct mc_segment_event *pending = s->rings.pending;
    size_t kept = 0;
    for (size_t i = 0; i < s->rings.count && !is_last; i++) {
        if (pending[i].ticks > s->line.to_ticks)
            pending[kept++] = pending[i];
    }
    s->rings.count = kept;
}

int mc_sampler_make_events(struct mc_sampler *s, int64_t ts, int is_last)
{
    s->event_count = 0;
    if (make_room(s, s->rings.count) != 0)
        return mc_attach_fail(&s->attach, MC_ENOMEM, "out of memory");
    size_t due = due_records(s, is_last);
    if (due)
        sort_keys(s, due);
    for (size_t i = 0; i < due; i++) {
        struct mc_event e = {0};
        if (!translate(s, &s->rings.pending[s->keys[i].idx], &e)) {
            s->rings.lost++;
            continue;
        }
        e.ts = event_ts(s, s->keys[i].ticks, ts);
        struct mc_connection_effect effect = mc_connections_event(&s->connections, &e);
        mc_traffic_event(&s->traffic, &e, &effect);
        s->events[s->event_count++] = e;
    }
    keep_the_rest(s, is_last);
    return 0;
}

int64_t mc_sampler_newest_sign(const struct mc_sampler *s)
{
    int64_t newest = s->beat_ticks ? s->beat_ns : -1;
    for (size_t i = 0; i < s->rings.count; i++) {
        int64_t at = mc_clock_line_ns(&s->line, s->rings.pending[i].ticks);
        newest = at > newest ? at : newest;
    }
    return newest;
}
