/* frame.h: what one tick of a run is: the schema, the values, the slot maps, the events.
 *
 * A frame is made by the sampler from a live program and by the store's cursor from a trace; the
 * two are equal, field for field, for the same run and tick. All above the tracer know a program
 * only as frames.
 *
 * Threads: a frame and all that it points to belong to its maker and stay valid until the maker's
 *          next call.
 */
#ifndef MC_FRAME_H
#define MC_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* A value that could not be read: null in JSON, NULL in SQL. */
#define MC_VALUE_NONE INT64_MIN

/* ---- values: every source is a row of int64 numbers, named by its kind ---------------------- */

/* Kinds. The first six are registered by the program; the others are made by the sampler:
 * ROUTE, one per method and route seen in response events ("GET /item/:id"); OWNER, one per owner
 * seen in accept events; one PROCESS, CONNECTIONS and RECORDER per run.
 * Percentiles are over the last second (the ten newest ticks at 100 ms); max is over the same.
 * X(kind, NAME, "table-friendly name") */
#define MC_KINDS(X)                                                                                \
    X(SLAB, "slab")                                                                                \
    X(ARENA, "arena")                                                                              \
    X(HEAP, "heap")                                                                                \
    X(COUNTER, "counter")                                                                          \
    X(GAUGE, "gauge")                                                                              \
    X(HISTOGRAM, "histogram")                                                                      \
    X(PROCESS, "process")                                                                          \
    X(CONNECTIONS, "connections")                                                                  \
    X(ROUTE, "route")                                                                              \
    X(OWNER, "owner")                                                                              \
    X(RECORDER, "recorder")

enum mc_kind {
#define X(id, text) MC_KIND_##id,
    MC_KINDS(X)
#undef X
        MC_KIND_COUNT
};

/* The fields of each kind, in the order of its values. These names are the members of the document
 * and the columns of SQL. X(KIND, FIELD, "name") */
#define MC_FIELDS(X)                                                                               \
    X(SLAB, USED, "used")                                                                          \
    X(SLAB, HIGH_WATER, "high_water")                                                              \
    X(SLAB, ALLOCS, "allocs")                                                                      \
    X(SLAB, FREES, "frees")                                                                        \
    X(SLAB, OVERFLOW, "overflow")                                                                  \
    X(ARENA, USED, "used_bytes")                                                                   \
    X(ARENA, HIGH_WATER, "high_water_bytes")                                                       \
    X(ARENA, OVERFLOW, "overflow")                                                                 \
    X(ARENA, RESETS, "resets")                                                                     \
    X(HEAP, USED, "used_bytes")                                                                    \
    X(HEAP, PEAK, "peak_bytes")                                                                    \
    X(HEAP, THRESHOLD, "threshold_bytes")                                                          \
    X(HEAP, GC_COUNT, "gc_count")                                                                  \
    X(COUNTER, VALUE, "value")                                                                     \
    X(GAUGE, VALUE, "value")                                                                       \
    X(HISTOGRAM, COUNT, "count")                                                                   \
    X(HISTOGRAM, SUM, "sum")                                                                       \
    X(HISTOGRAM, P50, "p50")                                                                       \
    X(HISTOGRAM, P95, "p95")                                                                       \
    X(HISTOGRAM, P99, "p99")                                                                       \
    X(HISTOGRAM, P9999, "p9999")                                                                   \
    X(HISTOGRAM, MAX, "max")                                                                       \
    X(PROCESS, STATE, "state")                                                                     \
    X(PROCESS, STALLED, "stalled_ns")                                                              \
    X(PROCESS, RSS, "rss_bytes")                                                                   \
    X(PROCESS, PSS, "pss_bytes")                                                                   \
    X(PROCESS, ANON, "anon_bytes")                                                                 \
    X(PROCESS, FILE, "file_bytes")                                                                 \
    X(PROCESS, SHMEM, "shmem_bytes")                                                               \
    X(PROCESS, MINOR_FAULTS, "minor_faults")                                                       \
    X(PROCESS, MAJOR_FAULTS, "major_faults")                                                       \
    X(PROCESS, CPU_USER, "cpu_user_ns")                                                            \
    X(PROCESS, CPU_SYSTEM, "cpu_system_ns")                                                        \
    X(PROCESS, FDS, "fd_count")                                                                    \
    X(PROCESS, THREADS, "thread_count")                                                            \
    X(PROCESS, CGROUP_USED, "cgroup_used_bytes")                                                   \
    X(PROCESS, CGROUP_LIMIT, "cgroup_limit_bytes")                                                 \
    X(PROCESS, PRESSURE_SOME, "pressure_some_us")                                                  \
    X(PROCESS, PRESSURE_FULL, "pressure_full_us")                                                  \
    X(CONNECTIONS, OPEN, "open")                                                                   \
    X(CONNECTIONS, ACTIVE, "active")                                                               \
    X(CONNECTIONS, IDLE, "idle")                                                                   \
    X(CONNECTIONS, CLOSING, "closing")                                                             \
    X(CONNECTIONS, CONNECTING, "connecting")                                                       \
    X(CONNECTIONS, OTHER, "other")                                                                 \
    X(CONNECTIONS, ACCEPTED, "accepted")                                                           \
    X(CONNECTIONS, CLOSED, "closed")                                                               \
    X(CONNECTIONS, ERRORS, "errors")                                                               \
    X(CONNECTIONS, OVERFLOWS, "overflows")                                                         \
    X(ROUTE, REQUESTS, "requests")                                                                 \
    X(ROUTE, CLIENT_ERRORS, "client_errors")                                                       \
    X(ROUTE, SERVER_ERRORS, "server_errors")                                                       \
    X(ROUTE, BYTES_IN, "bytes_in")                                                                 \
    X(ROUTE, BYTES_OUT, "bytes_out")                                                               \
    X(ROUTE, P50, "p50_ns")                                                                        \
    X(ROUTE, P95, "p95_ns")                                                                        \
    X(ROUTE, P99, "p99_ns")                                                                        \
    X(ROUTE, MAX, "max_ns")                                                                        \
    X(OWNER, OPEN, "open")                                                                         \
    X(OWNER, ACCEPTED, "accepted")                                                                 \
    X(OWNER, CLOSED, "closed")                                                                     \
    X(OWNER, REQUESTS, "requests")                                                                 \
    X(OWNER, CLIENT_ERRORS, "client_errors")                                                       \
    X(OWNER, SERVER_ERRORS, "server_errors")                                                       \
    X(OWNER, BYTES_IN, "bytes_in")                                                                 \
    X(OWNER, BYTES_OUT, "bytes_out")                                                               \
    X(OWNER, P50, "p50_ns")                                                                        \
    X(OWNER, P95, "p95_ns")                                                                        \
    X(OWNER, P99, "p99_ns")                                                                        \
    X(OWNER, MAX, "max_ns")                                                                        \
    X(RECORDER, CPU, "cpu_ns")                                                                     \
    X(RECORDER, RSS, "rss_bytes")                                                                  \
    X(RECORDER, TICK, "tick_ns")                                                                   \
    X(RECORDER, LATE, "late_ns")                                                                   \
    X(RECORDER, EVENTS, "events")                                                                  \
    X(RECORDER, LOST, "events_lost")

/* MC_FIELD(SLAB, USED): the field's place within the values of a source of that kind. */
enum mc_field_id {
#define X(kind, field, text) MC_F_##kind##_##field,
    MC_FIELDS(X)
#undef X
        MC_F_COUNT
};
enum mc_field_first {
    MC_FIRST_SLAB = MC_F_SLAB_USED,
    MC_FIRST_ARENA = MC_F_ARENA_USED,
    MC_FIRST_HEAP = MC_F_HEAP_USED,
    MC_FIRST_COUNTER = MC_F_COUNTER_VALUE,
    MC_FIRST_GAUGE = MC_F_GAUGE_VALUE,
    MC_FIRST_HISTOGRAM = MC_F_HISTOGRAM_COUNT,
    MC_FIRST_PROCESS = MC_F_PROCESS_STATE,
    MC_FIRST_CONNECTIONS = MC_F_CONNECTIONS_OPEN,
    MC_FIRST_ROUTE = MC_F_ROUTE_REQUESTS,
    MC_FIRST_OWNER = MC_F_OWNER_OPEN,
    MC_FIRST_RECORDER = MC_F_RECORDER_CPU
};
#define MC_FIELD(kind, field) (MC_F_##kind##_##field - MC_FIRST_##kind)

/* How many values a source of this kind has; 0 for a kind out of range. */
uint32_t mc_kind_field_count(int kind);
/* The name of field `field_idx` of a kind ("used"); NULL out of range. Static. */
const char *mc_kind_field_name(int kind, uint32_t field_idx);
/* "slab", …; NULL out of range. Static. */
const char *mc_kind_name(int kind);

/* ---- schema: what the values mean; only ever grows during a run ----------------------------- */

struct mc_state_name {
    char letter;
    char name[32];
};

struct mc_source {
    uint32_t source_idx; /* its place in the schema; the SQL source_id */
    int kind;            /* enum mc_kind */
    char *name;          /* owned by the schema; valid UTF-8, no control characters */
    char *unit;          /* owned by the schema; "" where the kind says it */
    uint32_t slot_count; /* slabs; else 0 */
    uint64_t slot_bytes; /* slabs; else 0 */
    uint64_t capacity_bytes;
    uint32_t flags;       /* MC_SOURCE_HAS_OWNERS: slabs that keep owner and holder per slot */
    uint32_t value_idx;   /* its first value in a frame's values */
    uint32_t value_count; /* = mc_kind_field_count(kind) */
    uint32_t map_idx;     /* slabs: its map in a frame's maps; else UINT32_MAX */
    struct mc_state_name *states; /* owned; slabs: letters that the program named */
    uint32_t state_count;
};
#define MC_SOURCE_HAS_OWNERS 1u

/* Sources and strings known so far. Source i has source_idx i; string id i is strings[i]; string 0
 * is "" and string 1 "(other)". */
struct mc_schema {
    struct mc_source *sources; /* owned */
    uint32_t source_count, source_room;
    char **strings; /* owned, each too; valid UTF-8, no control characters, at most 255 bytes */
    uint32_t string_count, string_room;
    uint32_t value_count; /* of all sources together */
    uint32_t map_count;
};

/* Make an empty schema with strings 0 and 1. Returns 0 or MC_ENOMEM. */
int mc_schema_init(struct mc_schema *s);
void mc_schema_fini(struct mc_schema *s);
/* Append a source; copies name, unit and states from `like`, and sets source_idx, value_idx,
 * value_count and map_idx itself. Text is made valid UTF-8 without control characters, here and
 * below (bad bytes become '?'). Returns 0, MC_ENOMEM, MC_EINVAL for a bad kind, or MC_ELIMIT past
 * 65,535 sources. */
int mc_schema_add_source(struct mc_schema *s, const struct mc_source *like);
/* Append a string; its id is string_count before the call. 0, MC_ENOMEM, or MC_ELIMIT past 2^20. */
int mc_schema_add_string(struct mc_schema *s, const char *text, size_t text_bytes);
/* The text of an id; "(other)" for one out of range. Borrowed. */
const char *mc_schema_string(const struct mc_schema *s, uint32_t id);
/* The source that a value of a frame belongs to; the schema has one at least. */
const struct mc_source *mc_schema_source_of_value(const struct mc_schema *s, uint32_t value_idx);
/* The first source of that kind and name, or NULL. name NULL: the first of the kind. */
const struct mc_source *mc_schema_find(const struct mc_schema *s, int kind, const char *name);

/* ---- the frame ------------------------------------------------------------------------------ */

/* A slab's whole map. owners and conns are NULL where the source lacks MC_SOURCE_HAS_OWNERS. */
struct mc_map {
    uint32_t source_idx;
    uint32_t slot_count;
    uint8_t *states;  /* letters, printable ASCII without '"' and '\\'; MC_SLOT_FREE is '.' */
    uint16_t *owners; /* string ids, 0 none */
    uint64_t *conns;  /* conn ids, 0 none */
};

/* A slot whose state, owner or holder differs from the last frame. Ordered by map, then slot. */
struct mc_slot_change {
    uint32_t map_idx;
    uint32_t slot_idx;
    uint8_t old_state, state;
    uint16_t owner;
    uint64_t conn_id;
};

/* What a histogram, route or owner counted since the last frame, one per bucket that grew;
 * ordered by source, then bucket. Buckets are those of mc_histogram_record. */
struct mc_bucket_add {
    uint32_t source_idx;
    uint32_t bucket_idx;
    uint64_t count;
};
#define MC_BUCKET_COUNT 656u
/* The bucket of a value, and the largest value of a bucket (what percentiles report). */
uint32_t mc_bucket_of(uint64_t value);
uint64_t mc_bucket_top(uint32_t bucket_idx);

/* X(NAME, "text") */
#define MC_EVENTS(X)                                                                               \
    X(ACCEPT, "accept")                                                                            \
    X(TLS, "tls")                                                                                  \
    X(STREAM_OPEN, "stream_open")                                                                  \
    X(REQUEST, "request")                                                                          \
    X(RESPONSE, "response")                                                                        \
    X(STREAM_CLOSE, "stream_close")                                                                \
    X(STATE, "state")                                                                              \
    X(OVERFLOW, "overflow")                                                                        \
    X(ERROR, "error")                                                                              \
    X(CLOSE, "close")                                                                              \
    X(GC, "gc")

enum mc_event_type {
#define X(id, text) MC_EVENT_##id,
    MC_EVENTS(X)
#undef X
        MC_EVENT_COUNT
};
/* "accept", …; NULL out of range. Static. */
const char *mc_event_name(int type);

/* One event. ts is quantised to whole microseconds (the default) by the sampler, once. Fields that
 * a type does not use are 0. Within a frame, ordered by ts; every ts is at most the frame's. */
struct mc_event {
    int64_t ts;
    uint8_t type;    /* enum mc_event_type */
    uint8_t state;   /* state: the letter */
    uint16_t status; /* response */
    uint32_t stream_id;
    uint64_t conn_id;
    uint32_t method;      /* request, response: string id */
    uint32_t detail;      /* string id: accept peer address · tls protocol · request, response
                             route · stream_close, error, close reason · overflow pool · gc kind */
    uint32_t owner;       /* accept: string id · gc: source_idx of the heap */
    uint32_t port;        /* accept: the peer's port; 0 none */
    uint64_t bytes_in;    /* response, close · gc: bytes before */
    uint64_t bytes_out;   /* response, close · gc: bytes after */
    uint64_t dur_ns;      /* tls, response, gc; whole microseconds like ts */
    uint32_t arena_bytes; /* response: the request arena's high-water mark */
    uint32_t reserved;    /* 0 */
};

/* Something that is missing from the recording. Reasons: "events lost" (a ring was overwritten
 * before it was read; lost = how many), "recorder late" (ticks missed), "recorder away" (between
 * two recorders of one program), "disk full", "store behind", "damaged". */
struct mc_gap {
    int64_t ts; /* where it begins */
    int64_t dur_ns;
    uint64_t lost;   /* events, or frames, by reason */
    char reason[24]; /* NUL-terminated */
};

struct mc_frame {
    int64_t ts; /* ns since the run began; strictly rising within a run */
    const struct mc_schema *schema;
    const int64_t *values;     /* schema->value_count of them */
    const struct mc_map *maps; /* schema->map_count of them: the state after this frame */
    const struct mc_slot_change *changes;
    const struct mc_bucket_add *buckets;
    const struct mc_event *events;
    const struct mc_gap *gaps;
    size_t change_count, bucket_count, event_count, gap_count;
};

/* ---- the run -------------------------------------------------------------------------------- */

/* Owned strings; mc_run_info_fini frees them. */
struct mc_run_info {
    int64_t run_id; /* within its file, from 1 */
    char *label, *host, *program, *build,
        *config; /* config: a JSON object, the recording's options */
    int64_t pid;
    int64_t start_wall_ns; /* Unix time at ts 0 */
    int64_t end_ts;        /* newest frame */
    char *exit; /* NULL while it runs; "exit 0", "signal 9", "gone", "recorder stopped", … */
    int64_t interval_ns;
    int live; /* being recorded now, by a living recorder */
};
int mc_run_info_copy(struct mc_run_info *to, const struct mc_run_info *from);
void mc_run_info_fini(struct mc_run_info *info);

#endif
