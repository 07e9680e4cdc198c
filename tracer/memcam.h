/* memcam.h: the public C API: publish a program's memory pools and connection events to memcam.
 *
 * Owns:    nothing of the host's. All that is published lives in one shared-memory segment.
 * Threads: every call but mc_tracer_open and mc_tracer_close may come from any thread. Events go
 *          into a ring that belongs to the calling thread. No call is async-signal-safe.
 * Cost:    events, slot changes, counters, gauges, histograms, arenas and heap updates take no
 *          lock, make no system call and allocate nothing. open, register, intern of a new
 *          string and close do.
 * Never:   blocks, logs, aborts or fails the host. Every call takes a NULL object and does
 *          nothing; what can't be kept is dropped and counted. After fork() the child's calls do
 *          nothing: it opens a tracer of its own.
 */
#ifndef MEMCAM_H
#define MEMCAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MC_API __attribute__((visibility("default")))
#else
#define MC_API
#endif

#define MC_VERSION_MAJOR 0
#define MC_VERSION_MINOR 1

struct mc_tracer;
struct mc_slab;
struct mc_arena;
struct mc_heap;
struct mc_counter;
struct mc_gauge;
struct mc_histogram;

/* ---- the tracer ---------------------------------------------------------------------------- */

/* What mc_tracer_open may be told. Set struct_bytes to sizeof(struct mc_options); a field left 0
 * (or NULL) takes its default. Strings are copied. */
struct mc_options {
    size_t struct_bytes;
    const char *build;     /* the program's version or build id; default "" */
    const char *label;     /* what the run is called; default: the tracer's name */
    const char *dir;       /* where the segment goes; default: $MEMCAM_DIR, else
                              $XDG_RUNTIME_DIR/memcam, else /dev/shm/memcam-UID */
    size_t segment_bytes;  /* room for everything, reserved address space; default 64 MiB.
                              Memory is taken as sources are registered */
    uint32_t thread_count; /* event rings: threads that send events at the same time;
                              default 8. A thread past that has its events dropped, counted */
    uint32_t ring_events;  /* events a ring holds, rounded up to a power of two; default 8192;
                              an event takes 64 bytes */
    uint32_t string_count; /* distinct routes, owners, reasons; default 4096. Past that a string
                              becomes "(other)" and is counted */
    uint32_t peer_count;   /* distinct peer addresses (without their port); default 4096 */
};

/* Open a tracer: create the segment (mode 0600) under the user's runtime directory and publish
 * it as `name` ([A-Za-z0-9._-], 1 to 63 bytes). opts may be NULL. Returns NULL when it can't, with
 * errno set; the host may go on with NULL. Dead segments of the same name, but for the newest, are
 * removed. May block on the file system. */
MC_API struct mc_tracer *mc_tracer_open(const char *name, const struct mc_options *opts);

/* Mark the run as ended and free the tracer with all its sources; an attached recorder still reads
 * what is left. No other thread may be inside a memcam call of this tracer, or make one later. */
MC_API void mc_tracer_close(struct mc_tracer *t);

/* Say "my main loop goes round". A program that calls this at least every 100 ms, and then stops,
 * is shown as standing still. A program that never calls it is judged by the kernel's view alone
 * (stopped, or in uninterruptible sleep). */
MC_API void mc_tracer_beat(struct mc_tracer *t);

/* The id of a string for the calls below that take ids; the same id for the same bytes. 0 is the
 * empty string. A string longer than 255 bytes is cut. Looking up a known string is lock-free (a
 * hash and a compare); a new one takes a lock. MC_STRING_OTHER when the table is full. */
MC_API uint32_t mc_string_id(struct mc_tracer *t, const char *text);
#define MC_STRING_OTHER 1u

/* How many strings have an id, and (room may be NULL) how many can have one. 0 for no tracer. */
MC_API uint32_t mc_tracer_strings(const struct mc_tracer *t, uint32_t *room);

/* Events and strings that were dropped or became "(other)" since the start. */
MC_API uint64_t mc_tracer_dropped(const struct mc_tracer *t);

/* ---- slabs: N slots of a fixed size -------------------------------------------------------- */

/* A slot's state is one letter, shown as it is. These have a fixed meaning; any other printable
 * ASCII but '"' and '\\' is the program's own, named with mc_slab_state_name. */
enum mc_slot_state {
    MC_SLOT_FREE = '.',
    MC_SLOT_ACTIVE = 'A',
    MC_SLOT_IDLE = 'I',
    MC_SLOT_CLOSING = 'C',
    MC_SLOT_CONNECTING = 'N'
};

enum mc_slab_flags {
    MC_SLAB_STATES_ONLY = 1, /* no owner and no holder per slot: 1 byte a slot instead of 11 */
    MC_SLAB_ONE_THREAD = 2   /* only one thread ever changes slots: no atomic read-modify-write */
};

/* Register a slab of slot_count slots of slot_bytes each, all free. The name is unique among the
 * tracer's sources (1 to 63 bytes of printable ASCII without '"' and '\\'). NULL when the segment
 * is full, the name is taken or an argument is 0. */
MC_API struct mc_slab *mc_slab_register(struct mc_tracer *t, const char *name, size_t slot_bytes,
                                        uint32_t slot_count);
MC_API struct mc_slab *mc_slab_register_flags(struct mc_tracer *t, const char *name,
                                              size_t slot_bytes, uint32_t slot_count,
                                              unsigned flags);

/* Name a state letter of this slab for legends ("pair"). At most 64 per slab, 31 bytes each. */
MC_API void mc_slab_state_name(struct mc_slab *s, char state, const char *name);

/* Slot `slot_idx` is now `state`, held by `owner` (a mc_string_id, 0 none) for connection conn_id
 * (0 none). Keeps used count, high-water mark, allocs (free to other) and frees (other to free).
 * An index out of range is ignored and counted. */
MC_API void mc_slot_set(struct mc_slab *s, uint32_t slot_idx, int state, uint32_t owner,
                        uint64_t conn_id);

/* An allocation found the slab empty. */
MC_API void mc_slab_overflow(struct mc_slab *s);

/* ---- arenas -------------------------------------------------------------------------------- */

MC_API struct mc_arena *mc_arena_register(struct mc_tracer *t, const char *name,
                                          size_t capacity_bytes);
/* The arena now has used_bytes in use; keeps the high-water mark. One writer at a time. */
MC_API void mc_arena_set(struct mc_arena *a, size_t used_bytes);
/* The arena was emptied; counts a reset. */
MC_API void mc_arena_reset(struct mc_arena *a);
/* An allocation did not fit and fell back to the general allocator. */
MC_API void mc_arena_overflow(struct mc_arena *a);

/* ---- garbage-collected heaps --------------------------------------------------------------- */

MC_API struct mc_heap *mc_heap_register(struct mc_tracer *t, const char *name,
                                        size_t capacity_bytes);
/* used_bytes in use; a collection is due at threshold_bytes. Keeps the peak. One writer. */
MC_API void mc_heap_set(struct mc_heap *h, size_t used_bytes, size_t threshold_bytes);
/* A collection of `kind` ("mark-sweep", "minor") that has just ended: its duration in ns, bytes in
 * use before and after. Counted, and sent as an event. */
MC_API void mc_heap_collected(struct mc_heap *h, const char *kind, uint64_t dur_ns,
                              size_t before_bytes, size_t after_bytes);

/* ---- named numbers ------------------------------------------------------------------------- */

/* unit: "bytes", "ns", "count", … shown beside the number; at most 15 bytes. */
MC_API struct mc_counter *mc_counter_register(struct mc_tracer *t, const char *name,
                                              const char *unit);
MC_API void mc_counter_add(struct mc_counter *c, uint64_t count);

MC_API struct mc_gauge *mc_gauge_register(struct mc_tracer *t, const char *name, const char *unit);
MC_API void mc_gauge_set(struct mc_gauge *g, int64_t value);

/* Log-linear buckets, 16 to a power of two (at most 6.25 % wide), as HdrHistogram lays them out,
 * for values 0 to 2^44; larger ones count in the last bucket. */
MC_API struct mc_histogram *mc_histogram_register(struct mc_tracer *t, const char *name,
                                                  const char *unit);
MC_API void mc_histogram_record(struct mc_histogram *h, uint64_t value);

/* ---- connection and request events --------------------------------------------------------- */

/* conn_id: the program's own, not 0, unique within the run (a counter will do). stream_id: of the
 * request within its connection; 0 where there is but one. Every event takes its time when the
 * call is made. Strings are interned as by mc_string_id; payloads are never recorded. */

/* A connection was accepted. peer: "10.0.0.7:51234", "[::1]:51234" or any text; the port is kept
 * apart, so that the table of peers holds addresses. */
MC_API void mc_event_accept(struct mc_tracer *t, uint64_t conn_id, const char *peer);
/* The same, on a named server or listener: `owner` is a mc_string_id. */
MC_API void mc_event_accept_on(struct mc_tracer *t, uint64_t conn_id, uint32_t owner,
                               const char *peer);
/* The TLS handshake is done; detail: "TLSv1.3 h2". */
MC_API void mc_event_tls(struct mc_tracer *t, uint64_t conn_id, const char *detail,
                         uint64_t dur_ns);
MC_API void mc_event_stream_open(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id);
/* A request has been understood: method and route are mc_string_ids ("GET", "/item/:id"). */
MC_API void mc_event_request(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                             uint32_t method, uint32_t route);

struct mc_response {
    uint32_t method;              /* mc_string_id */
    uint32_t route;               /* mc_string_id */
    uint16_t status;              /* 200, 503, … */
    uint64_t bytes_in, bytes_out; /* of the bodies */
    uint64_t dur_ns;              /* from request to the response's end; 0: not timed */
    uint32_t arena_high_water_bytes;
};
/* The response has been sent, or given up (status 0). */
MC_API void mc_event_response(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                              const struct mc_response *r);
/* reason: a mc_string_id ("done", "reset", "refused"). */
MC_API void mc_event_stream_close(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                                  uint32_t reason);
/* The connection is now active, idle, closing, …: one of the slot letters. */
MC_API void mc_event_state(struct mc_tracer *t, uint64_t conn_id, int state);
/* A pool was empty when this connection needed it; pool: a mc_string_id. */
MC_API void mc_event_overflow(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                              uint32_t pool);
MC_API void mc_event_error(struct mc_tracer *t, uint64_t conn_id, uint32_t stream_id,
                           const char *reason);
/* The connection is gone; reason: a mc_string_id; bytes over its whole life. */
MC_API void mc_event_close(struct mc_tracer *t, uint64_t conn_id, uint32_t reason,
                           uint64_t bytes_in, uint64_t bytes_out);

#ifdef __cplusplus
}
#endif
#endif
