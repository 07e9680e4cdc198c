/* stream.c: the stream of a run as text/event-stream (WHATWG HTML, 9.2): one event per fact.
 *
 * Format of an event: "event: NAME\n" ("id: TS\n" for keyframe and delta) "data: JSON\n\n", the
 * JSON on one line. Events of a frame, in this order:
 *
 *   run       what the document means: the run, its sources; when the stream begins, and when
 *             sources or state names came
 *   gap       {"ts","dur","reason","lost"}, one each
 *   mark      {"mark_id","ts","dur","label","author"}, one each; live, the same mark_id again when
 *             it was changed, and with "removed":true and dur -1 when it was removed
 *   events    {"ts":FRAME_TS,"events":[...],"more":N}; `more` when N of them are left out
 *   keyframe  the document, or
 *   delta     its JSON Merge Patch (RFC 7396) against the document before; always has "ts"
 *   end       {"ts","exit"}, the last of a stream
 *
 * Format of the document: members in this order, sources of a section in the schema's order. A
 * member whose value is not known is absent; the objects are there also when empty. Of two sources
 * of one section with the same name the later gets " (2)" behind it.
 *
 *   ts
 *   pools        slabs: used free capacity high_water allocs frees overflow
 *                pages {"0": 1,024 state letters, the last one shorter}
 *                owners {"0": 1,024 owner letters}, for slabs that keep owners
 *   owners       the legend of the owner letters in use: {"b":"app"}; names that share a letter
 *                are joined by ", "
 *   arenas       used_bytes capacity_bytes high_water_bytes overflow resets
 *   heaps        used_bytes capacity_bytes peak_bytes threshold_bytes gc_count
 *   metrics      counters and gauges: value; histograms: count sum p50 p95 p99 p9999 max
 *   process      the fields of PROCESS in tracer/frame.h; state is a letter
 *   connections  open by_state{...} by_owner{owner: open} accepted closed errors overflows
 *   servers      by owner: the fields of OWNER
 *   routes       by method and route: the fields of ROUTE
 *   recorder     the fields of RECORDER
 *
 * The bytes depend on nothing but the frames: live and replay write the same ones.
 */
#include "replay/document_priv.h"

#include <string.h>

#include "tracer/error.h"

static void begin_event(struct mc_buf *out, const char *name)
{
    mc_buf_add_str(out, "event: ");
    mc_buf_add_str(out, name);
    mc_buf_add_char(out, '\n');
}

static void begin_data(struct mc_buf *out)
{
    mc_buf_add_str(out, "data: ");
}

static void end_event(struct mc_buf *out)
{
    mc_buf_add(out, "\n\n", 2);
}

/* A member with a text, or null. */
static void add_text(struct mc_buf *out, const char *member, const char *text)
{
    mc_buf_add_str(out, member);
    if (text)
        mc_buf_add_json(out, text, strlen(text));
    else
        mc_buf_add_str(out, "null");
}

/* A member, of at most 31 bytes with what stands before it, and its number. Inline, so that the
 * length of a literal is known: most of a stream's bytes are these. */
#define MEMBER_INLINE static inline __attribute__((always_inline))

MEMBER_INLINE void add_number(struct mc_buf *out, const char *member, int negative, uint64_t value)
{
    uint8_t *at = mc_buf_reserve(out, 32 + MC_DIGITS_MAX);
    if (!at)
        return;
    size_t bytes = strlen(member);
    memcpy(at, member, bytes);
    if (negative)
        at[bytes++] = '-';
    out->count = (size_t)(mc_write_digits(at + bytes, value) - out->bytes);
}

MEMBER_INLINE void add_u64(struct mc_buf *out, const char *member, uint64_t value)
{
    add_number(out, member, 0, value);
}

MEMBER_INLINE void add_i64(struct mc_buf *out, const char *member, int64_t value)
{
    add_number(out, member, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void add_run_members(struct mc_buf *out, const struct mc_run_info *info)
{
    add_i64(out, "{\"run_id\":", info->run_id);
    add_text(out, ",\"label\":", info->label);
    add_text(out, ",\"host\":", info->host);
    add_i64(out, ",\"pid\":", info->pid);
    add_text(out, ",\"program\":", info->program);
    add_text(out, ",\"build\":", info->build);
    add_i64(out, ",\"start_wall_ns\":", info->start_wall_ns);
    add_i64(out, ",\"interval_ns\":", info->interval_ns);
}

void mc_run_json(const struct mc_run_info *info, struct mc_buf *out)
{
    add_run_members(out, info);
    mc_buf_add_str(out, info->live ? ",\"live\":true" : ",\"live\":false");
    add_i64(out, ",\"end_ts\":", info->end_ts);
    add_text(out, ",\"exit\":", info->exit);
    mc_buf_add_char(out, '}');
}

static void add_source(struct mc_buf *out, const struct mc_source *source)
{
    add_u64(out, "{\"source_id\":", source->source_idx);
    add_text(out, ",\"kind\":", mc_kind_name(source->kind));
    add_text(out, ",\"name\":", source->name);
    add_text(out, ",\"unit\":", source->unit);
    add_u64(out, ",\"slot_count\":", source->slot_count);
    add_u64(out, ",\"slot_bytes\":", source->slot_bytes);
    add_u64(out, ",\"capacity_bytes\":", source->capacity_bytes);
    mc_buf_add_str(out, ",\"states\":{");
    for (uint32_t i = 0; i < source->state_count; i++) {
        const struct mc_state_name *state = &source->states[i];
        if (i)
            mc_buf_add_char(out, ',');
        mc_buf_add_json(out, &state->letter, 1);
        mc_buf_add_char(out, ':');
        mc_buf_add_json(out, state->name, strnlen(state->name, sizeof state->name));
    }
    mc_buf_add_str(out, "}}");
}

static void add_run(struct mc_buf *out, const struct mc_run_info *info,
                    const struct mc_schema *schema)
{
    begin_event(out, "run");
    begin_data(out);
    add_run_members(out, info);
    mc_buf_add_str(out, ",\"sources\":[");
    for (uint32_t i = 0; i < schema->source_count; i++) {
        if (i)
            mc_buf_add_char(out, ',');
        add_source(out, &schema->sources[i]);
    }
    mc_buf_add_str(out, "]}");
    end_event(out);
}

/* Tell of the run when it is new to the client or has grown. */
static void add_run_if_grown(struct mc_doc *d, struct mc_buf *out, const struct mc_run_info *info,
                             const struct mc_schema *schema)
{
    uint32_t states = 0;
    for (uint32_t i = 0; i < schema->source_count; i++)
        states += schema->sources[i].state_count;
    if (d->sent && schema->source_count <= d->run_source_count && states <= d->run_state_count)
        return;
    add_run(out, info, schema);
    d->run_source_count = schema->source_count;
    d->run_state_count = states;
}

/* ---- marks, gaps, the end -------------------------------------------------------------------- */

int mc_stream_mark(const struct mc_mark *mark, struct mc_buf *out)
{
    begin_event(out, "mark");
    begin_data(out);
    mc_mark_json(mark, out);
    end_event(out);
    return out->failed ? MC_ENOMEM : 0;
}

void mc_mark_json(const struct mc_mark *mark, struct mc_buf *out)
{
    add_i64(out, "{\"mark_id\":", mark->mark_id);
    add_i64(out, ",\"ts\":", mark->ts);
    add_i64(out, ",\"dur\":", mark->dur_ns);
    mc_buf_add_str(out, ",\"label\":");
    mc_buf_add_json(out, mark->label, strnlen(mark->label, sizeof mark->label));
    mc_buf_add_str(out, ",\"author\":");
    mc_buf_add_json(out, mark->author, strnlen(mark->author, sizeof mark->author));
    if (mark->dur_ns < 0)
        mc_buf_add_str(out, ",\"removed\":true");
    mc_buf_add_char(out, '}');
}

void mc_gap_json(const struct mc_gap *gap, struct mc_buf *out)
{
    add_i64(out, "{\"ts\":", gap->ts);
    add_i64(out, ",\"dur\":", gap->dur_ns);
    mc_buf_add_str(out, ",\"reason\":");
    mc_buf_add_json(out, gap->reason, strnlen(gap->reason, sizeof gap->reason));
    add_u64(out, ",\"lost\":", gap->lost);
    mc_buf_add_char(out, '}');
}

static void add_gap(struct mc_buf *out, const struct mc_gap *gap)
{
    begin_event(out, "gap");
    begin_data(out);
    mc_gap_json(gap, out);
    end_event(out);
}

int mc_stream_end(int64_t ts, const char *exit, struct mc_buf *out)
{
    begin_event(out, "end");
    begin_data(out);
    add_i64(out, "{\"ts\":", ts);
    add_text(out, ",\"exit\":", exit);
    mc_buf_add_char(out, '}');
    end_event(out);
    return out->failed ? MC_ENOMEM : 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void add_string(struct mc_buf *out, const char *member, const struct mc_schema *schema,
                       uint32_t id)
{
    add_text(out, member, mc_schema_string(schema, id));
}

/* The peer as the program gave it: the address, and its port where it had one. */
static void add_peer(struct mc_buf *out, const struct mc_schema *schema,
                     const struct mc_event *event)
{
    add_string(out, ",\"peer\":", schema, event->detail);
    if (event->port == 0 || out->failed)
        return;
    out->count--; /* the closing quote */
    mc_buf_add_char(out, ':');
    mc_buf_add_u64(out, event->port);
    mc_buf_add_char(out, '"');
}

static void add_gc(struct mc_buf *out, const struct mc_schema *schema, const struct mc_event *event)
{
    int known = event->owner < schema->source_count;
    add_text(out, ",\"heap\":", known ? schema->sources[event->owner].name : "");
    add_string(out, ",\"detail\":", schema, event->detail);
    add_u64(out, ",\"before_bytes\":", event->bytes_in);
    add_u64(out, ",\"after_bytes\":", event->bytes_out);
    add_u64(out, ",\"dur\":", event->dur_ns);
}

static void add_response(struct mc_buf *out, const struct mc_event *event)
{
    add_u64(out, ",\"status\":", event->status);
    add_u64(out, ",\"bytes_in\":", event->bytes_in);
    add_u64(out, ",\"bytes_out\":", event->bytes_out);
    add_u64(out, ",\"dur\":", event->dur_ns);
    add_u64(out, ",\"arena_bytes\":", event->arena_bytes);
}

/* What an event of this type has behind its conn_id. */
static void add_event_members(struct mc_buf *out, const struct mc_schema *schema,
                              const struct mc_event *event)
{
    switch (event->type) {
    case MC_EVENT_ACCEPT:
        add_peer(out, schema, event);
        add_string(out, ",\"owner\":", schema, event->owner);
        break;
    case MC_EVENT_TLS:
        add_string(out, ",\"detail\":", schema, event->detail);
        add_u64(out, ",\"dur\":", event->dur_ns);
        break;
    case MC_EVENT_STREAM_OPEN:
        add_u64(out, ",\"stream_id\":", event->stream_id);
        break;
    case MC_EVENT_REQUEST:
    case MC_EVENT_RESPONSE:
        add_u64(out, ",\"stream_id\":", event->stream_id);
        add_string(out, ",\"method\":", schema, event->method);
        add_string(out, ",\"route\":", schema, event->detail);
        if (event->type == MC_EVENT_RESPONSE)
            add_response(out, event);
        break;
    case MC_EVENT_STREAM_CLOSE:
    case MC_EVENT_OVERFLOW:
    case MC_EVENT_ERROR:
        add_u64(out, ",\"stream_id\":", event->stream_id);
        add_string(out, ",\"detail\":", schema, event->detail);
        break;
    case MC_EVENT_STATE:
        mc_buf_add_str(out, ",\"state\":");
        mc_buf_add_json(out, (const char *)&event->state, 1);
        break;
    case MC_EVENT_CLOSE:
        add_string(out, ",\"detail\":", schema, event->detail);
        add_u64(out, ",\"bytes_in\":", event->bytes_in);
        add_u64(out, ",\"bytes_out\":", event->bytes_out);
        break;
    default:
        break;
    }
}

void mc_event_json(const struct mc_schema *schema, const struct mc_event *event, struct mc_buf *out)
{
#define MEMBER(text) ",\"type\":\"" text "\""
    static const struct {
        const char *text;
        size_t bytes;
    } types[] = {
#define X(id, text) {MEMBER(text), sizeof(MEMBER(text)) - 1},
        MC_EVENTS(X) X(COUNT, "unknown")
#undef X
    };
#undef MEMBER
    int type = event->type < MC_EVENT_COUNT ? event->type : MC_EVENT_COUNT;
    add_i64(out, "{\"ts\":", event->ts);
    mc_buf_add(out, types[type].text, types[type].bytes);
    if (type == MC_EVENT_GC) {
        add_gc(out, schema, event);
    } else {
        add_u64(out, ",\"conn_id\":", event->conn_id);
        add_event_members(out, schema, event);
    }
    mc_buf_add_char(out, '}');
}

static void add_events(struct mc_buf *out, const struct mc_stream_options *opts,
                       const struct mc_frame *frame)
{
    size_t count = frame->event_count < opts->event_max ? frame->event_count : opts->event_max;
    uint64_t more = opts->event_left_out + (frame->event_count - count);
    if (opts->event_max == 0 || count + more == 0)
        return;
    begin_event(out, "events");
    begin_data(out);
    add_i64(out, "{\"ts\":", frame->ts);
    mc_buf_add_str(out, ",\"events\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            mc_buf_add_char(out, ',');
        mc_event_json(frame->schema, &frame->events[i], out);
    }
    mc_buf_add_char(out, ']');
    if (more)
        add_u64(out, ",\"more\":", more);
    mc_buf_add_char(out, '}');
    end_event(out);
}

/* ---- a frame --------------------------------------------------------------------------------- */

int mc_stream_frame(struct mc_doc *d, const struct mc_stream_options *opts,
                    const struct mc_run_info *info, const struct mc_frame *frame,
                    const struct mc_mark *marks, size_t mark_count, struct mc_buf *out)
{
    size_t start = out->count;
    add_run_if_grown(d, out, info, frame->schema);
    for (size_t i = 0; i < frame->gap_count; i++)
        add_gap(out, &frame->gaps[i]);
    for (size_t i = 0; i < mark_count; i++)
        mc_stream_mark(&marks[i], out);
    add_events(out, opts, frame);
    begin_event(out, d->sent ? "delta" : "keyframe");
    add_i64(out, "id: ", frame->ts);
    mc_buf_add_char(out, '\n');
    begin_data(out);
    int code = d->sent ? mc_doc_delta(d, frame, out) : mc_doc_keyframe(d, frame, out);
    end_event(out);
    if (!code && out->failed)
        code = MC_ENOMEM;
    if (code) {
        out->count = start;
        mc_doc_reset(d);
    }
    return code;
}
