/* segment.h: the layout of the shared-memory segment between a traced program and the recorder.
 *
 * Owns:    the format; the program's side (pub_*.c) writes it, attach.c and its neighbours read it.
 * Threads: one word, one writer rule: see each part below. All live words are read and written
 *          with the __atomic builtins; on x86-64 every one of these is a plain move.
 * Format:  little-endian, native alignment. Everything is zero until written.
 *
 *   offset                 bytes                what
 *   0                      1,024                head: constant once the magic stands (written last)
 *   1,024                  3,072                live words: counts, beat, drops
 *   4,096                  64 x thread_count    ring controls: head counter of each event ring
 *   cells_off              64 x source_room     cells: eight live words of each source
 *   sources_off            256 x source_room    descriptors of sources, constant once counted
 *   names_off              256 x string_room    strings: a length byte and up to 255 bytes
 *   peers_off              256 x peer_room      peer addresses, the same form
 *   rings_off              64 x ring_events x thread_count   event records
 *   pool_off               to segment_bytes     slot maps, state names, histogram buckets
 *
 *   All parts but the first three start on a page. The offsets follow from the counts in the head
 *   (mc_segment_layout), so that a reader has no offset of these to distrust.
 *
 *   A slab's part of the pool, each at an offset that its descriptor gives, 64-byte aligned:
 *     states  slot_count x 1     letters; never 0: a new slab is all '.'
 *     owners  slot_count x 2     string ids     (not with MC_SLAB_STATES_ONLY)
 *     conns   slot_count x 8     connection ids (not with MC_SLAB_STATES_ONLY)
 *     names   64 x 32            state names: the letter, then up to 30 bytes and a NUL
 *   A histogram's: 656 x 8 bytes of bucket counts.
 *
 *   An event ring is written by one thread at a time. Record i goes to place i mod ring_events;
 *   then the head becomes i + 1. A reader copies records, reads the head again, and keeps those
 *   with i > head - ring_events: what it kept was not being overwritten. For this to hold, every
 *   store of the writer is a release and every load of the reader an acquire.
 */
#ifndef MC_SEGMENT_H
#define MC_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#define MC_SEGMENT_MAGIC "mcseg\r\n\032"
#define MC_SEGMENT_VERSION 1u
#define MC_SEGMENT_SUFFIX ".seg"

#define MC_SEGMENT_PAGE 4096u
#define MC_SEGMENT_SOURCE_ROOM 4096u
#define MC_SEGMENT_THREADS_MAX 1024u
#define MC_SEGMENT_RING_MIN 16u
#define MC_SEGMENT_RING_MAX (1u << 20)
#define MC_SEGMENT_STRINGS_MAX 65535u /* ids fit in the 16 bits of a slot's owner */
#define MC_SEGMENT_SLOTS_MAX (1u << 28)
#define MC_SEGMENT_STATE_NAMES 64u
#define MC_SEGMENT_STRING_BYTES 256u
#define MC_SEGMENT_BUCKETS 656u

/* What event ticks are. */
enum mc_segment_clock { MC_CLOCK_MONOTONIC = 0, MC_CLOCK_TSC = 1 };

struct mc_segment_head {
    char magic[8];
    uint32_t version;
    uint32_t clock; /* enum mc_segment_clock */
    uint64_t segment_bytes;
    uint64_t instance; /* random */
    int64_t pid;
    uint64_t process_start; /* field 22 of /proc/PID/stat: tells a pid from its reuse */
    int64_t start_wall_ns;
    int64_t start_mono_ns;
    uint64_t start_ticks; /* read together with start_mono_ns */
    uint32_t thread_count;
    uint32_t ring_events; /* a power of two */
    uint32_t source_room;
    uint32_t string_room;
    uint32_t peer_room;
    uint32_t reserved;
    char name[64], label[256], build[256], program[256]; /* NUL-terminated */
    char padding[96];
};

struct mc_segment_live {
    uint32_t source_count; /* released after the descriptor is whole; so are the next two */
    uint32_t string_count;
    uint32_t peer_count;
    uint32_t ended;
    uint64_t padding1[6];
    uint64_t beat_ticks; /* newest mc_tracer_beat; 0: never */
    uint64_t padding2[7];
    uint64_t events_dropped; /* by threads without a ring */
    uint64_t strings_other;  /* strings that became "(other)" */
    uint64_t slots_ignored;  /* slot changes with a wrong index or state */
    uint64_t padding3[5];
};

struct mc_segment_ring {
    uint64_t head; /* events ever written here */
    uint64_t padding[7];
};

/* Eight live words of a source. The names say which kind uses a word for what. */
struct mc_segment_cell {
    union {
        uint64_t word[8];
        struct { /* Sum of the first three changes with every slot change. */
            uint64_t allocs, frees, moves, high_water, overflow, state_names;
        } slab;
        struct {
            uint64_t used_bytes, high_water_bytes, overflow, resets;
        } arena;
        struct {
            uint64_t used_bytes, peak_bytes, threshold_bytes, gc_count;
        } heap;
        struct {
            uint64_t value; /* a gauge's is an int64 */
        } number;
        struct {
            uint64_t sum_and_count; /* of value + 1: changes with every sample */
        } histogram;
    };
};

struct mc_segment_source {
    uint32_t kind;  /* enum mc_kind, the first six */
    uint32_t flags; /* enum mc_slab_flags */
    uint32_t slot_count;
    uint32_t reserved;
    uint64_t slot_bytes;
    uint64_t capacity_bytes;
    uint64_t states_off, owners_off, conns_off, names_off; /* slabs; owners and conns may be 0 */
    uint64_t buckets_off;                                  /* histograms */
    char name[64];
    char unit[16];
    char padding[104];
};

/* An event, one cache line. */
struct mc_segment_event {
    uint64_t ticks;
    uint8_t type; /* enum mc_event_type */
    uint8_t state;
    uint16_t status;
    uint32_t stream_id;
    uint64_t conn_id;
    uint16_t name; /* request, response: method · accept: owner · gc: source */
    uint16_t port;
    uint32_t detail; /* accept: a peer; else a string */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t dur_ns;
    uint32_t arena_bytes;
    uint32_t reserved;
};

_Static_assert(sizeof(struct mc_segment_head) == 1024, "segment head");
_Static_assert(sizeof(struct mc_segment_live) == 192, "segment live words");
_Static_assert(sizeof(struct mc_segment_ring) == 64, "segment ring control");
_Static_assert(sizeof(struct mc_segment_cell) == 64, "segment cell");
_Static_assert(sizeof(struct mc_segment_source) == 256, "segment source");
_Static_assert(sizeof(struct mc_segment_event) == 64, "segment event");

#define MC_SEGMENT_LIVE_OFF 1024u
#define MC_SEGMENT_RINGS_CONTROL_OFF 4096u

struct mc_segment_layout {
    uint64_t cells_off, sources_off, names_off, peers_off, rings_off, pool_off;
};

static inline uint64_t mc_segment_page_up(uint64_t bytes)
{
    return (bytes + MC_SEGMENT_PAGE - 1) & ~(uint64_t)(MC_SEGMENT_PAGE - 1);
}

/* Where the parts are, from the counts in the head. Returns 0, or -1 for counts out of range or
 * parts that don't fit into segment_bytes. */
static inline int mc_segment_layout(const struct mc_segment_head *h, struct mc_segment_layout *out)
{
    if (h->thread_count == 0 || h->thread_count > MC_SEGMENT_THREADS_MAX ||
        h->ring_events < MC_SEGMENT_RING_MIN || h->ring_events > MC_SEGMENT_RING_MAX ||
        (h->ring_events & (h->ring_events - 1)) != 0 || h->source_room == 0 ||
        h->source_room > MC_SEGMENT_SOURCE_ROOM || h->string_room < 2 ||
        h->string_room > MC_SEGMENT_STRINGS_MAX || h->peer_room < 2 ||
        h->peer_room > MC_SEGMENT_STRINGS_MAX)
        return -1;
    struct mc_segment_layout l;
    l.cells_off = mc_segment_page_up(MC_SEGMENT_RINGS_CONTROL_OFF +
                                     (uint64_t)h->thread_count * sizeof(struct mc_segment_ring));
    l.sources_off = l.cells_off + mc_segment_page_up((uint64_t)h->source_room * 64);
    l.names_off = l.sources_off + mc_segment_page_up((uint64_t)h->source_room * 256);
    l.peers_off = l.names_off + mc_segment_page_up((uint64_t)h->string_room * 256);
    l.rings_off = l.peers_off + mc_segment_page_up((uint64_t)h->peer_room * 256);
    l.pool_off = l.rings_off + mc_segment_page_up((uint64_t)h->thread_count * h->ring_events * 64);
    if (l.pool_off > h->segment_bytes || h->segment_bytes > (UINT64_C(1) << 40))
        return -1;
    *out = l;
    return 0;
}

/* Whether a byte may be a slot's state: printable ASCII without '"' and '\\'. */
static inline int mc_segment_state_ok(int state)
{
    return state >= 0x20 && state <= 0x7e && state != '"' && state != '\\';
}

#endif
