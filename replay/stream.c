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

static void add_u64(struct mc_buf *out, const char *member, uint64_t value)
{
    mc_buf_add_str(out, member);
    mc_buf_add_u64(out, value);
}

static void add_i64(struct mc_buf *out, const char *member, int64_t value)
{
    mc_buf_add_str(out, member);
    mc_buf_add_i64(out, value);
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

static void add_events(struct mc_doc *d, struct mc_buf *out, const struct mc_stream_options *opts,
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
        mc_event_json_add(&d->texts, frame->schema, &frame->events[i], out);
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
    if (!d->sent)
        mc_event_texts_forget(&d->texts);
    add_events(d, out, opts, frame);
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
