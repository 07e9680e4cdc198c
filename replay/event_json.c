/* event_json.c: connection events as JSON: most of what a stream of a busy program consists of.
 *
 * Room for a whole event is made once, and its members are written through a pointer. The few
 * strings that nearly all events name, escaped once, are kept in a small table.
 */
#include "replay/event_json_priv.h"

#include <string.h>

/* No event is longer: at most three strings of 255 bytes, six bytes for each when it is escaped,
 * and what stands around them. */
#define EVENT_BYTES_MAX (512u + 3u * (255u * 6u + 2u))

/* Where the next member goes, with room for all of the event. */
struct pen {
    struct mc_event_texts *texts;   /* borrowed; or NULL */
    const struct mc_schema *schema; /* borrowed */
    struct mc_buf *out;
    uint8_t *at;
};

#define PEN_INLINE static inline __attribute__((always_inline))

/* Inline, so that the length of a literal is known. */
PEN_INLINE void put(struct pen *p, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(p->at, text, bytes);
    p->at += bytes;
}

PEN_INLINE void put_u64(struct pen *p, const char *member, uint64_t value)
{
    put(p, member);
    p->at = mc_write_digits(p->at, value);
}

/* Through the buffer, which has room for it. */
static void put_json(struct pen *p, const char *text, size_t text_bytes)
{
    p->out->count = (size_t)(p->at - p->out->bytes);
    mc_buf_add_json(p->out, text, text_bytes);
    p->at = p->out->bytes + p->out->count;
}

/* A string of the schema, by the table where that has or can hold it. */
static void put_string(struct pen *p, uint32_t id)
{
    struct mc_event_text *kept =
        p->texts && id < p->schema->string_count ? &p->texts->texts[id % MC_EVENT_TEXTS] : NULL;
    if (kept && kept->bytes && kept->id == id) {
        memcpy(p->at, kept->json, sizeof kept->json);
        p->at += kept->bytes;
        return;
    }
    const char *text = mc_schema_string(p->schema, id);
    const uint8_t *from = p->at;
    put_json(p, text, strlen(text));
    size_t bytes = (size_t)(p->at - from);
    if (!kept || bytes > sizeof kept->json)
        return;
    kept->id = id;
    kept->bytes = (uint8_t)bytes;
    memcpy(kept->json, from, bytes);
}

PEN_INLINE void put_text(struct pen *p, const char *member, uint32_t id)
{
    put(p, member);
    put_string(p, id);
}

/* The peer as the program gave it: the address, and its port where it had one. */
static void put_peer(struct pen *p, const struct mc_event *event)
{
    put_text(p, ",\"peer\":", event->detail);
    if (event->port == 0)
        return;
    p->at--; /* the closing quote */
    put_u64(p, ":", event->port);
    put(p, "\"");
}

static void put_gc(struct pen *p, const struct mc_event *event)
{
    int known = event->owner < p->schema->source_count;
    const char *heap = known ? p->schema->sources[event->owner].name : "";
    put(p, ",\"heap\":");
    put_json(p, heap, strlen(heap));
    put_text(p, ",\"detail\":", event->detail);
    put_u64(p, ",\"before_bytes\":", event->bytes_in);
    put_u64(p, ",\"after_bytes\":", event->bytes_out);
    put_u64(p, ",\"dur\":", event->dur_ns);
}

static void put_response(struct pen *p, const struct mc_event *event)
{
    put_u64(p, ",\"status\":", event->status);
    put_u64(p, ",\"bytes_in\":", event->bytes_in);
    put_u64(p, ",\"bytes_out\":", event->bytes_out);
    put_u64(p, ",\"dur\":", event->dur_ns);
    put_u64(p, ",\"arena_bytes\":", event->arena_bytes);
}

/* What an event of this type has behind its conn_id. */
static void put_members(struct pen *p, const struct mc_event *event)
{
    switch (event->type) {
    case MC_EVENT_ACCEPT:
        put_peer(p, event);
        put_text(p, ",\"owner\":", event->owner);
        break;
    case MC_EVENT_TLS:
        put_text(p, ",\"detail\":", event->detail);
        put_u64(p, ",\"dur\":", event->dur_ns);
        break;
    case MC_EVENT_STREAM_OPEN:
        put_u64(p, ",\"stream_id\":", event->stream_id);
        break;
    case MC_EVENT_REQUEST:
    case MC_EVENT_RESPONSE:
        put_u64(p, ",\"stream_id\":", event->stream_id);
        put_text(p, ",\"method\":", event->method);
        put_text(p, ",\"route\":", event->detail);
        if (event->type == MC_EVENT_RESPONSE)
            put_response(p, event);
        break;
    case MC_EVENT_STREAM_CLOSE:
    case MC_EVENT_OVERFLOW:
    case MC_EVENT_ERROR:
        put_u64(p, ",\"stream_id\":", event->stream_id);
        put_text(p, ",\"detail\":", event->detail);
        break;
    case MC_EVENT_STATE:
        put(p, ",\"state\":");
        put_json(p, (const char *)&event->state, 1);
        break;
    case MC_EVENT_CLOSE:
        put_text(p, ",\"detail\":", event->detail);
        put_u64(p, ",\"bytes_in\":", event->bytes_in);
        put_u64(p, ",\"bytes_out\":", event->bytes_out);
        break;
    default:
        break;
    }
}

/* The events of a frame have the first digits of their ts in common. */
PEN_INLINE void put_ts(struct pen *p, int64_t ts)
{
    struct mc_event_texts *t = p->texts;
    uint64_t value = (uint64_t)ts;
    put(p, "{\"ts\":");
    if (ts < 0) {
        put(p, "-");
        value = 0 - value;
    }
    if (!t || value < MC_EVENT_TS_SPAN) {
        p->at = mc_write_digits(p->at, value);
        return;
    }
    if (!t->ts_bytes || value - t->ts_first >= MC_EVENT_TS_SPAN) {
        uint8_t digits[MC_DIGITS_MAX];
        uint64_t high = value / MC_EVENT_TS_SPAN;
        t->ts_first = high * MC_EVENT_TS_SPAN;
        t->ts_bytes = (uint8_t)(mc_write_digits(digits, high) - digits);
        memcpy(t->ts_digits, digits, sizeof t->ts_digits);
    }
    memcpy(p->at, t->ts_digits, sizeof t->ts_digits);
    p->at = mc_write_eight(p->at + t->ts_bytes, (uint32_t)(value - t->ts_first));
}

/* The members that every type but gc has behind ts. */
static const struct {
    char text[40];
    uint32_t bytes;
} heads[] = {
#define HEAD(name)                                                                                 \
    {                                                                                              \
        ",\"type\":\"" name "\",\"conn_id\":", sizeof(",\"type\":\"" name "\",\"conn_id\":") - 1   \
    }
#define X(id, name) HEAD(name),
    MC_EVENTS(X) HEAD("unknown"),
#undef X
#undef HEAD
};

void mc_event_json_add(struct mc_event_texts *texts, const struct mc_schema *schema,
                       const struct mc_event *event, struct mc_buf *out)
{
    struct pen p = {texts, schema, out, mc_buf_reserve(out, EVENT_BYTES_MAX)};
    if (!p.at)
        return;
    put_ts(&p, event->ts);
    if (event->type == MC_EVENT_GC) {
        put(&p, ",\"type\":\"gc\"");
        put_gc(&p, event);
    } else {
        int type = event->type < MC_EVENT_COUNT ? event->type : MC_EVENT_COUNT;
        memcpy(p.at, heads[type].text, sizeof heads[type].text);
        p.at = mc_write_digits(p.at + heads[type].bytes, event->conn_id);
        put_members(&p, event);
    }
    put(&p, "}");
    out->count = (size_t)(p.at - out->bytes);
}

void mc_event_json(const struct mc_schema *schema, const struct mc_event *event, struct mc_buf *out)
{
    mc_event_json_add(NULL, schema, event, out);
}

void mc_event_texts_forget(struct mc_event_texts *texts)
{
    for (size_t i = 0; i < MC_EVENT_TEXTS; i++)
        texts->texts[i].bytes = 0;
}
