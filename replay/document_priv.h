/* document_priv.h: the parts that a document is written with: names, legend, and what was sent
 * last. */
#ifndef MC_DOCUMENT_PRIV_H
#define MC_DOCUMENT_PRIV_H

#include "replay/event_json_priv.h"
#include "replay/stream.h"

/* ---- names: the JSON keys of a schema's sources ---------------------------------------------- */

/* The sections of a document, in its order but for the legend. X(NAME, "key") */
#define MC_SECTIONS(X)                                                                             \
    X(POOLS, "pools")                                                                              \
    X(ARENAS, "arenas")                                                                            \
    X(HEAPS, "heaps")                                                                              \
    X(METRICS, "metrics")                                                                          \
    X(PROCESS, "process")                                                                          \
    X(CONNECTIONS, "connections")                                                                  \
    X(SERVERS, "servers")                                                                          \
    X(ROUTES, "routes")                                                                            \
    X(RECORDER, "recorder")

enum mc_section {
#define X(id, text) MC_SECTION_##id,
    MC_SECTIONS(X)
#undef X
        MC_SECTION_COUNT
};

/* A source as the document knows it: its key, and where its values and map are. */
struct mc_name {
    char *key; /* owned; "\"tcp_buffers\":", unique within its section */
    uint32_t key_bytes;
    uint32_t next_suffix; /* what the next source of the same name gets behind it */
    int kind, section;
    uint32_t value_idx, value_count;
    uint32_t map_idx, slot_count;
    uint32_t flags;
    uint64_t capacity_bytes;
};

struct mc_names {
    struct mc_name *names; /* owned; by source_idx */
    uint32_t count, room;
    uint32_t *table; /* owned; hash of section and key -> source_idx + 1, 0 free */
    uint32_t table_room;
    struct mc_name_list {
        uint32_t *idx; /* owned; source_idx, rising */
        uint32_t count, room;
    } sections[MC_SECTION_COUNT];
};

/* Name the sources of `schema` that are not named yet. A name that its section already has gets
 * " (2)", " (3)" … behind it. 0, or MC_ENOMEM: those before the failed one are named. */
int mc_names_grow(struct mc_names *n, const struct mc_schema *schema);
/* Whether the sources that both know are the same ones: false for the schema of another run. */
int mc_names_match(const struct mc_names *n, const struct mc_schema *schema);
void mc_names_fini(struct mc_names *n);

/* ---- legend: which owners hold slots, and the letters they are shown by ---------------------- */

#define MC_LETTER_COUNT 62u

struct mc_legend {
    uint32_t *uses; /* owned; slots by owner id */
    uint32_t use_count;
    int stale;             /* an id came into use or went out of it since the last write */
    uint32_t string_count; /* of the schema at the last write */
    struct mc_buf texts[MC_LETTER_COUNT]; /* JSON of what was written for each letter; empty: not */
};

/* The letter that owner `id` is shown by; '.' for 0, none. */
char mc_owner_letter(uint32_t id);
/* Make room to count owners up to any id, so that the calls below can't fail. */
int mc_legend_init(struct mc_legend *l);
void mc_legend_fini(struct mc_legend *l);
/* These slots came into view; are no longer in view. */
void mc_legend_add(struct mc_legend *l, const uint16_t *owners, size_t slot_count);
void mc_legend_drop(struct mc_legend *l, const uint16_t *owners, size_t slot_count);
/* Append the members of the legend that differ from those written last ("\"b\":\"app\","; null for
 * a letter that is no longer used). */
void mc_legend_write(struct mc_legend *l, const struct mc_schema *schema, struct mc_buf *out);

/* ---- the remembered document ----------------------------------------------------------------- */

/* A slab's map as it was sent. */
struct mc_doc_map {
    uint8_t *states;  /* owned */
    uint16_t *owners; /* owned; NULL where the source keeps none */
};

struct mc_doc {
    int sent; /* the fields below are what the client has */
    struct mc_names names;
    struct mc_legend legend;
    uint32_t source_count; /* of the frame that was sent: names may know more after a step back */
    int64_t *values;       /* owned */
    uint32_t value_room;
    struct mc_doc_map *maps; /* owned */
    uint32_t map_room;
    uint32_t run_source_count, run_state_count; /* what the last `run` event told; stream.c's */
    struct mc_event_texts texts;                /* stream.c's, too */
};

/* What is being written, from what to what. */
struct mc_doc_job {
    struct mc_doc *doc;
    const struct mc_frame *frame;
    struct mc_buf *out;
    int whole;          /* a keyframe: objects are written also when they are empty */
    uint32_t was_count; /* sources in the remembered document; 0 for a keyframe */
    int is_numbers;     /* no pages, nor owners */
};

/* Append the document, or what differs; states and owners of the frame are remembered with it, its
 * values are not. Fails by out->failed alone. */
void mc_doc_write(const struct mc_doc_job *job);

#endif
