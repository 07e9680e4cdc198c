/* stream.h: frames as the document, and as the events of the stream.
 *
 * Live and replay both go through here, so that the same frames give the same bytes.
 * The document's shape stands in stream.c's head and in README.md of this folder.
 * Threads: one thread per mc_doc. No I/O.
 */
#ifndef MC_STREAM_H
#define MC_STREAM_H

#include "store/trace.h"
#include "tracer/buf.h"
#include "tracer/frame.h"

/* The last state that was sent: a copy of a frame's values and maps. */
struct mc_doc;

int mc_doc_new(struct mc_doc **out);
void mc_doc_free(struct mc_doc *d);

/* Append the whole document of `frame` as JSON to `out`, and remember it as sent. */
int mc_doc_keyframe(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out);

/* The same document without its slot maps: `pages` and `owners` are absent from the pools, and the
 * legend is empty. No delta can follow it. */
int mc_doc_numbers(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out);

/* Append the JSON Merge Patch (RFC 7396) that turns the remembered document into that of `frame`,
 * and remember that. Applying it gives exactly what mc_doc_keyframe would give. The frame may be an
 * earlier one. MC_EINVAL before the first keyframe, or for a frame of another run. */
int mc_doc_delta(struct mc_doc *d, const struct mc_frame *frame, struct mc_buf *out);

/* Forget what was sent: the next event of mc_stream_frame is a keyframe. */
void mc_doc_reset(struct mc_doc *d);

struct mc_stream_options {
    uint32_t event_max; /* events of a frame that its `events` batch holds at most; the rest is told
                           as a count, and can be had from /events. 0: no batches */
    uint64_t event_left_out; /* events of merged frames that are not in the frame's any more: they
                                count in `more` */
};

/* Append the stream's events for one frame, as text/event-stream (WHATWG HTML 9.2), in this order:
 * `run` when the stream begins (also after reset) or the schema's sources or state names grew,
 * `gap` for each gap, `mark` for each of `marks`, `events` when there are any, then `keyframe`
 * (after reset) or `delta`. Only the last one, keyframe or delta, has an `id:` line, the frame's
 * ts, so that a resume never repeats or skips a part of a frame. To resume behind a frame that the
 * client has, write that frame into a buffer that is thrown away. Returns 0; or MC_ENOMEM, or
 * MC_EINVAL for a frame whose maps are not those of its schema: nothing is appended then. */
int mc_stream_frame(struct mc_doc *d, const struct mc_stream_options *opts,
                    const struct mc_run_info *info, const struct mc_frame *frame,
                    const struct mc_mark *marks, size_t mark_count, struct mc_buf *out);

/* The single events, where they are needed apart. */
int mc_stream_mark(const struct mc_mark *mark, struct mc_buf *out);
/* `end`: the run is over (exit as in mc_run_info; NULL while it lives: the span asked for is). */
int mc_stream_end(int64_t ts, const char *exit, struct mc_buf *out);

/* The JSON of one event, as in an `events` batch, /events and exports. */
void mc_event_json(const struct mc_schema *schema, const struct mc_event *event,
                   struct mc_buf *out);
/* The JSON of a mark and of a gap, as in the stream, /marks and /gaps. */
void mc_mark_json(const struct mc_mark *mark, struct mc_buf *out);
void mc_gap_json(const struct mc_gap *gap, struct mc_buf *out);
/* The JSON of one run, as in /api/runs, `memcam runs --format json`; its first member is run_id. */
void mc_run_json(const struct mc_run_info *info, struct mc_buf *out);

#endif
