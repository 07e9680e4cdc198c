/* pub_priv.h: the program's side of the segment: private objects behind memcam.h.
 *
 * Never: takes a position, a count or a capacity from the segment. Those live here, in private
 *        memory, so that a scribbled segment can't make the host write out of bounds.
 */
#ifndef MC_PUB_PRIV_H
#define MC_PUB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "tracer/memcam.h"
#include "tracer/segment.h"

/* A live word of the segment: store, and add from one thread or from many. */
#define MC_PUT(at, value) __atomic_store_n((at), (value), __ATOMIC_RELEASE)
#define MC_PEEK(at) __atomic_load_n((at), __ATOMIC_RELAXED)
#define MC_ADD_ALONE(at, more) MC_PUT((at), MC_PEEK(at) + (more))
#define MC_ADD_SHARED(at, more) __atomic_fetch_add((at), (more), __ATOMIC_RELEASE)

/* Raised in the child of a fork: objects made before it carry the old number and do nothing. */
extern _Atomic unsigned mc_pub_generation;

static inline int mc_pub_is_ours(unsigned generation)
{
    return generation == atomic_load_explicit(&mc_pub_generation, memory_order_relaxed);
}

/* A thread's event ring. Its memory is never given back, only reused by a later tracer: a thread
 * that exits while its tracer is closed still touches `claimed`. */
struct mc_pub_ring {
    struct mc_segment_ring *control; /* borrowed: the segment */
    struct mc_segment_event *events; /* borrowed: the segment */
    uint64_t head;                   /* the claiming thread's */
    uint64_t mask;
    atomic_int claimed;
} __attribute__((aligned(64)));

struct mc_pub_rings {
    struct mc_pub_rings *next; /* in the list of spare ones */
    uint32_t room;
    struct mc_pub_ring ring[];
};

/* A string that has an id; never changes once it is in the table. */
struct mc_pub_string {
    uint64_t hash;
    uint32_t string_id;
    uint32_t text_bytes;
    char text[];
};

/* One table of strings: names, or peers. */
struct mc_pub_strings {
    pthread_mutex_t lock; /* for new strings */
    uint64_t seed;
    uint32_t room, count;                   /* ids; the count is kept under the lock */
    uint32_t committed;                     /* ids whose memory in the segment has been taken */
    uint32_t slot_mask;                     /* slots - 1 */
    atomic_uint is_full;                    /* no more ids: look-ups that miss stay lock-free */
    _Atomic(struct mc_pub_string *) *slots; /* owned, each too */
    uint8_t *entries;                       /* borrowed: the segment */
    uint64_t entries_off;
    uint32_t *published_count; /* borrowed: the segment */
};

struct mc_pub_source {
    struct mc_pub_source *next; /* in the tracer's list */
    char name[64];
};

struct mc_tracer {
    unsigned generation;
    uint32_t clock;
    uint64_t serial; /* never used twice in a process */
    uint8_t *base;   /* owned: the mapping */
    size_t segment_bytes;
    struct mc_segment_live *live; /* borrowed: in the mapping */
    uint32_t thread_count;
    struct mc_pub_rings *rings; /* owned */
    pthread_key_t ring_key;
    int fd;
    atomic_ullong dropped; /* events and strings */

    pthread_mutex_t lock; /* guards the rest */
    struct mc_segment_layout layout;
    uint64_t pool_next;
    uint32_t source_count;
    struct mc_pub_source *sources; /* owned: every registered object */
    struct mc_pub_strings names, peers;
    char dir[480], name[64];
};

struct mc_slab {
    struct mc_pub_source source;
    unsigned generation;
    uint32_t slot_count;
    uint32_t flags;
    struct mc_segment_cell *cell;
    uint8_t *states;
    uint16_t *owners; /* NULL with MC_SLAB_STATES_ONLY */
    uint64_t *conns;
    uint8_t *names;
    uint32_t name_count; /* under the tracer's lock */
    struct mc_tracer *tracer;
};

/* arena, heap, counter, gauge and histogram all look like this. */
struct mc_pub_plain {
    struct mc_pub_source source;
    unsigned generation;
    uint32_t source_idx;
    struct mc_segment_cell *cell;
    uint64_t *buckets; /* histograms */
    struct mc_tracer *tracer;
};
struct mc_arena {
    struct mc_pub_plain plain;
};
struct mc_heap {
    struct mc_pub_plain plain;
};
struct mc_counter {
    struct mc_pub_plain plain;
};
struct mc_gauge {
    struct mc_pub_plain plain;
};
struct mc_histogram {
    struct mc_pub_plain plain;
};

/* pub_dir.c: the directory of segments. */

/* Write the directory for segments into buf: `dir` if not NULL, else the default. Returns 0 or -1
 * with errno. */
int mc_pub_dir_choose(const char *dir, char *buf, size_t buf_bytes);
/* Create it where missing (0700), and check that it is ours alone to write. 0 or -1 with errno. */
int mc_pub_dir_make(const char *dir);
/* Remove the dead segments of `name` but for the newest. */
void mc_pub_dir_sweep(const char *dir, const char *name);
/* When a process started, in the kernel's ticks; 0 when there is none. */
uint64_t mc_pub_process_start(int64_t pid);

/* pub_clock.c: time. */

/* MC_CLOCK_TSC where it counts evenly on all cores, else MC_CLOCK_MONOTONIC. */
uint32_t mc_pub_clock_choose(void);
/* Read both clocks as near to each other as can be. */
void mc_pub_clock_pair(uint32_t clock, uint64_t *ticks, int64_t *mono_ns);
int64_t mc_pub_clock_mono(void);

static inline uint64_t mc_pub_clock_ticks(uint32_t clock)
{
#if defined(__x86_64__)
    if (clock == MC_CLOCK_TSC)
        return __builtin_ia32_rdtsc();
#endif
    (void)clock;
    return (uint64_t)mc_pub_clock_mono();
}

/* pub_string.c */

/* 0 or -1 with errno. */
int mc_pub_strings_init(struct mc_pub_strings *s, uint32_t room, uint64_t seed, uint8_t *entries,
                        uint64_t entries_off, uint32_t *published_count, int fd);
void mc_pub_strings_fini(struct mc_pub_strings *s);
/* The id of text[0..text_bytes), or MC_STRING_OTHER, counted. */
uint32_t mc_pub_strings_id(struct mc_tracer *t, struct mc_pub_strings *s, const char *text,
                           size_t text_bytes);

/* pub_event.c */

/* Rings for a new tracer, with the key that gives them back at thread exit. 0 or -1 with errno. */
int mc_pub_rings_open(struct mc_tracer *t, uint32_t ring_events);
void mc_pub_rings_close(struct mc_tracer *t);
/* A collection's event. */
void mc_pub_event_gc(struct mc_tracer *t, uint32_t source_idx, const char *kind, uint64_t dur_ns,
                     uint64_t before_bytes, uint64_t after_bytes);

#endif
