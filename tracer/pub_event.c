/* pub_event.c: per-thread event rings, and the calls that write events into them.
 *
 * Threads: a ring is claimed by a thread's first event with one compare-and-swap, and given back
 *          when the thread exits. Between the two it has one writer, which waits for nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/frame.h"
#include "tracer/pub_priv.h"

/* A ring outgrows the cache, and the recorder has read what it holds: its lines are asked for this
 * many events ahead. */
#define PREFETCH_EVENTS 6

/* The ring that this thread used last. A serial is never used twice, so one left from a closed
 * tracer is never taken for another's. */
static __thread struct {
    uint64_t serial;
    struct mc_pub_ring *ring;
} newest __attribute__((tls_model("initial-exec")));

/* Rings of closed tracers. The lock is only ever tried: the child of a fork may find it held by a
 * thread that it does not have. */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mc_pub_rings *spare;

static void give_back(void *arg)
{
    struct mc_pub_ring *ring = arg;
    newest.serial = 0; /* a destructor that runs later may send an event: it claims again */
    atomic_store_explicit(&ring->claimed, 0, memory_order_release);
}

/* Rings that no tracer uses any more, or new ones; NULL when memory is short. */
static struct mc_pub_rings *take_rings(uint32_t count)
{
    struct mc_pub_rings **at = &spare, *rings = NULL;
    if (pthread_mutex_trylock(&spare_lock) == 0) {
        while (*at && (*at)->room < count)
            at = &(*at)->next;
        rings = *at;
        if (rings)
            *at = rings->next;
        pthread_mutex_unlock(&spare_lock);
    }
    if (!rings) {
        size_t bytes = sizeof *rings + count * sizeof rings->ring[0];
        rings = aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (rings)
            rings->room = count;
    }
    return rings;
}

int mc_pub_rings_open(struct mc_tracer *t, uint32_t ring_events)
{
    int failed = pthread_key_create(&t->ring_key, give_back);
    if (failed) {
        errno = failed;
        return -1;
    }
    t->rings = take_rings(t->thread_count);
    if (!t->rings) {
        pthread_key_delete(t->ring_key);
        errno = ENOMEM;
        return -1;
    }
    struct mc_segment_event *events = (struct mc_segment_event *)(t->base + t->layout.rings_off);
    struct mc_segment_ring *controls =
        (struct mc_segment_ring *)(t->base + MC_SEGMENT_RINGS_CONTROL_OFF);
    for (uint32_t i = 0; i < t->thread_count; i++) {
        struct mc_pub_ring *ring = &t->rings->ring[i];
        ring->control = &controls[i];
        ring->events = events + (size_t)i * ring_events;
        ring->head = 0;
        ring->mask = ring_events - 1;
        atomic_store_explicit(&ring->claimed, 0, memory_order_release);
    }
    return 0;
}

void mc_pub_rings_close(struct mc_tracer *t)
{
    pthread_key_delete(t->ring_key);
    if (pthread_mutex_trylock(&spare_lock) == 0) {
        t->rings->next = spare;
        spare = t->rings;
        pthread_mutex_unlock(&spare_lock);
    }
    t->rings = NULL;
}

/* This thread's ring, claimed now if it has none yet; NULL when all are taken. */
static struct mc_pub_ring *claim(struct mc_tracer *t)
{
    struct mc_pub_ring *ring = pthread_getspecific(t->ring_key);
    for (uint32_t i = 0; !ring && i < t->thread_count; i++) {
        int unclaimed = 0;
        struct mc_pub_ring *one = &t->rings->ring[i];
        if (atomic_load_explicit(&one->claimed, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&one->claimed, &unclaimed, 1,
                                                    memory_order_acquire, memory_order_relaxed)) {
            if (pthread_setspecific(t->ring_key, one) != 0)
                atomic_store_explicit(&one->claimed, 0, memory_order_release);
            else
                ring = one;
        }
    }
    if (ring) {
        newest.serial = t->serial;
        newest.ring = ring;
    }
    return ring;
}

static __attribute__((noinline)) struct mc_pub_ring *other_ring(struct mc_tracer *t)
{
    struct mc_pub_ring *ring = claim(t);
    if (!ring) {
        atomic_fetch_add_explicit(&t->dropped, 1, memory_order_relaxed);
        MC_ADD_SHARED(&t->live->events_dropped, 1);
    }
    return ring;
}

/* What an event holds besides its time; the words of struct mc_segment_event. */
struct words {
    uint64_t type_state_status_stream, conn_id, name_port_detail, bytes_in, bytes_out, dur_ns,
        arena_bytes;
};

static inline uint64_t pack1(int type, int state, uint16_t status, uint32_t stream_id)
{
    return (uint64_t)(uint8_t)type | (uint64_t)(uint8_t)state << 8 | (uint64_t)status << 16 |
           (uint64_t)stream_id << 32;
}

static inline uint64_t pack2(uint32_t name, uint32_t port, uint32_t detail)
{
    return (uint64_t)(name > UINT16_MAX ? MC_STRING_OTHER : name) |
           (uint64_t)(port & UINT16_MAX) << 16 | (uint64_t)detail << 32;
}

static inline void send(struct mc_tracer *t, struct words w)
{
    struct mc_pub_ring *ring = newest.ring;
    if (newest.serial != t->serial && !(ring = other_ring(t)))
        return;
    uint64_t *to = (uint64_t *)&ring->events[ring->head & ring->mask];
    MC_PUT(to + 0, mc_pub_clock_ticks(t->clock));
    MC_PUT(to + 1, w.type_state_status_stream);
    MC_PUT(to + 2, w.conn_id);
    MC_PUT(to + 3, w.name_port_detail);
    MC_PUT(to + 4, w.bytes_in);
    MC_PUT(to + 5, w.bytes_out);
    MC_PUT(to + 6, w.dur_ns);
    MC_PUT(to + 7, w.arena_bytes);
    ring->head++;
    __builtin_prefetch(&ring->events[(ring->head + PREFETCH_EVENTS) & ring->mask], 1, 3);
    MC_PUT(&ring->control->head, ring->head);
}

static inline int is_usable(const struct mc_tracer *t)
{
    return t && mc_pub_is_ours(t->generation);
}

/* Cut a port off "10.0.0.7:51234" or "[::1]:51234"; the address is text[*from..*from + *bytes).
 * Any other text, a bare IPv6 address too, is an address without a port. */
static uint32_t split_peer(const char *text, size_t *from, size_t *bytes)
{
    size_t end = strnlen(text, MC_SEGMENT_STRING_BYTES + 8), colon = end;
    uint32_t port = 0;
    *from = 0;
    *bytes = end;
    while (colon > 0 && text[colon - 1] >= '0' && text[colon - 1] <= '9')
        colon--;
    if (colon == 0 || colon == end || end - colon > 5 || text[--colon] != ':' || colon == 0)
        return 0;
    int in_brackets = text[0] == '[' && text[colon - 1] == ']';
    if (!in_brackets && memchr(text, ':', colon))
        return 0;
    for (size_t i = colon + 1; i < end; i++)
        port = port * 10 + (uint32_t)(text[i] - '0');
    if (port > UINT16_MAX)
        return 0;
    *from = (size_t)in_brackets;
    *bytes = colon - (in_brackets ? 2 : 0);
    return port;
}

void mc_event_accept_on(struct mc_tracer *t, uint64_t conn_id, uint32_t owner, const char *peer)
{
    if (!is_usable(t))
        return;
    uint32_t port = 0, peer_id = 0;
    if (peer) {
        size_t from, bytes;
        port = split_peer(peer, &from, &bytes);
        peer_id = mc_pub_strings_id(t, &t->peers, peer + from, bytes);
    }
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_ACCEPT, 0, 0, 0),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(owner, port, peer_id)});
}

void mc_event_accept(struct mc_tracer *t, uint64_t conn_id, const char *peer)
{
    mc_event_accept_on(t, conn_id, 0, peer);
}

void mc_event_tls(struct mc_tracer *t, uint64_t conn_id, const char *detail, uint64_t dur_ns)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_TLS, 0, 0, 0),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(0, 0, mc_string_id(t, detail)),
                           .dur_ns = dur_ns});
}

void mc_event_stream_open(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_STREAM_OPEN, 0, 0, stream_id),
                           .conn_id = conn_id});
}

void mc_event_request(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id, uint32_t method,
                      uint32_t route)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_REQUEST, 0, 0, stream_id),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(method, 0, route)});
}

void mc_event_response(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                       const struct mc_response *r)
{
    if (!is_usable(t) || !r)
        return;
    send(t, (struct words){.type_state_status_stream =
                               pack1(MC_EVENT_RESPONSE, 0, r->status, stream_id),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(r->method, 0, r->route),
                           .bytes_in = r->bytes_in,
                           .bytes_out = r->bytes_out,
                           .dur_ns = r->dur_ns,
                           .arena_bytes = r->arena_high_water_bytes});
}

void mc_event_stream_close(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                           uint32_t reason)
{
    if (!is_usable(t))
        return;
    send(t,
         (struct words){.type_state_status_stream = pack1(MC_EVENT_STREAM_CLOSE, 0, 0, stream_id),
                        .conn_id = conn_id,
                        .name_port_detail = pack2(0, 0, reason)});
}

void mc_event_state(struct mc_tracer *t, uint64_t conn_id, int state)
{
    if (!is_usable(t) || !mc_segment_state_ok(state))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_STATE, state, 0, 0),
                           .conn_id = conn_id});
}

void mc_event_overflow(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id, uint32_t pool)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_OVERFLOW, 0, 0, stream_id),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(0, 0, pool)});
}

void mc_event_error(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id, const char *reason)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_ERROR, 0, 0, stream_id),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(0, 0, mc_string_id(t, reason))});
}

void mc_event_close(struct mc_tracer *t, uint64_t conn_id, uint32_t reason, uint64_t bytes_in,
                    uint64_t bytes_out)
{
    if (!is_usable(t))
        return;
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_CLOSE, 0, 0, 0),
                           .conn_id = conn_id,
                           .name_port_detail = pack2(0, 0, reason),
                           .bytes_in = bytes_in,
                           .bytes_out = bytes_out});
}

void mc_pub_event_gc(struct mc_tracer *t, uint32_t source_idx, const char *kind, uint64_t dur_ns,
                     uint64_t before_bytes, uint64_t after_bytes)
{
    send(t, (struct words){.type_state_status_stream = pack1(MC_EVENT_GC, 0, 0, 0),
                           .name_port_detail = pack2(source_idx, 0, mc_string_id(t, kind)),
                           .bytes_in = before_bytes,
                           .bytes_out = after_bytes,
                           .dur_ns = dur_ns});
}
