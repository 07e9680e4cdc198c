/* player.c: which frame of a recorded run is due when, and what is sent of those passed over.
 *
 * Owns:  a cursor, the remembered document, the run's marks, what merged frames leave behind.
 * Time:  frame k is due at start + (ts - base) / speed, always counted from the start, so that
 *        lateness never adds up. Only a player that has waited for a run still being written moves
 *        its start: the frames come in bursts of about a second, and are to be shown evenly.
 *
 * The frame that is held is the one that the cursor stands on: read, not yet sent. Merging steps
 * over held frames that are due; their events and gaps are put aside and go out with the frame that
 * is sent. A step too far is taken back by a seek, which is why a step is only tried when the
 * following frame is likely to be due.
 *
 * The rate is bounded by tokens, one per sent frame. A run whose own rate is at most half of what a
 * screen shows may save up tokens, so that a late caller still gets every frame of a short delay;
 * whatever the speed, no second has more than rate_max frames in it. What is due meanwhile is
 * merged bit by bit, not all of it when a token is there.
 */
#include "replay/player.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/marks_priv.h"
#include "tracer/error.h"

#define SECOND_NS 1000000000
#define SEND_RATE 60
#define MERGE_NS (SECOND_NS / SEND_RATE) /* how often what is due is merged meanwhile */
#define CALL_FRAMES 256            /* read in one call, so that the caller's loop goes round */
#define FOLLOW_NS (SECOND_NS / 10) /* how often a run that is being written is asked for more */
#define REFRESH_NS (SECOND_NS / 2) /* how often its marks and its end are asked for */

enum stage { STAGE_BEGIN, STAGE_PLAY, STAGE_ENDED };

struct mc_player {
    struct mc_reader *reader; /* borrowed */
    struct mc_cursor *cursor; /* owned */
    struct mc_doc *doc;       /* owned */
    struct mc_run_info info;  /* owned */
    struct mc_player_options opts;
    enum stage stage;

    const struct mc_frame *held; /* borrowed from the cursor; NULL: none */
    int absorbed;                /* what happened in the held frame is among the merged already */
    int no_more;                 /* nothing to play was behind the held frame */
    int cut;                     /* the end was reached because of opts.to */
    int64_t start_ns, base_ts;   /* base_ts is due at start_ns */
    int starved;                 /* waiting for the run's writer */
    int sent_any;
    int64_t sent_ts; /* of the last frame that was sent, or that the client had */
    double tokens, token_rate, token_max;
    int64_t tokens_ns;

    struct mc_event *events; /* owned; of merged frames, at most event_max */
    size_t event_count;
    uint64_t left_out;   /* events of merged frames that had no room */
    struct mc_gap *gaps; /* owned; of merged frames */
    size_t gap_count;

    struct mc_marks marks;
    int64_t refresh_ns; /* when marks and info were last read */
};

static int backward(const struct mc_player *p)
{
    return p->opts.speed < 0;
}

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t due_ns(const struct mc_player *p, int64_t ts)
{
    int64_t span;
    if (p->opts.speed == 0 || __builtin_sub_overflow(ts, p->base_ts, &span))
        return p->start_ns;
    double wait = (double)span / p->opts.speed;
    if (wait > 4e18)
        return INT64_MAX;
    if (wait < -4e18)
        return p->start_ns;
    return p->start_ns + (int64_t)wait;
}

/* Whether the frame that follows one at `ts` is likely to be due. */
static int next_likely_due(const struct mc_player *p, int64_t ts, int64_t now_ns)
{
    int64_t next;
    if (__builtin_add_overflow(ts, backward(p) ? -p->info.interval_ns : p->info.interval_ns, &next))
        return 0;
    return due_ns(p, next) <= now_ns;
}

/* About how many frames are due, the held one included. */
static double frames_due(const struct mc_player *p, int64_t now_ns)
{
    if (p->opts.speed == 0)
        return INFINITY;
    double late_ns = (double)(now_ns - due_ns(p, p->held->ts));
    return 1 + floor(late_ns * fabs(p->opts.speed) / (double)p->info.interval_ns);
}

static void init_tokens(struct mc_player *p)
{
    double rate = fabs(p->opts.speed) * SECOND_NS / (double)p->info.interval_ns;
    double most = p->opts.rate_max > 0 ? p->opts.rate_max : SEND_RATE;
    int slow = p->opts.speed != 0 && most >= 2 && rate <= most / 2;
    p->token_rate = slow ? most / 2 : most;
    p->token_max = slow ? most / 2 : 1;
    p->tokens = p->token_max;
}

static void refill_tokens(struct mc_player *p, int64_t now_ns)
{
    if (now_ns <= p->tokens_ns)
        return;
    p->tokens += (double)(now_ns - p->tokens_ns) * p->token_rate / SECOND_NS;
    if (p->tokens > p->token_max)
        p->tokens = p->token_max;
    p->tokens_ns = now_ns;
}

/* When to go on: with a token, or sooner if more can be merged until then. */
static int64_t token_due_ns(const struct mc_player *p, int64_t now_ns)
{
    int64_t wait_ns = 1 + (int64_t)((1 - p->tokens) * SECOND_NS / p->token_rate);
    return now_ns + (wait_ns > MERGE_NS && !p->no_more ? MERGE_NS : wait_ns);
}

/* ---- the run --------------------------------------------------------------------------------- */

static int load_info(struct mc_player *p)
{
    struct mc_run_info info;
    int code = mc_reader_run(p->reader, p->opts.run_id, &info);
    if (code)
        return code;
    mc_run_info_fini(&p->info);
    p->info = info;
    if (p->info.interval_ns <= 0)
        p->info.interval_ns = SECOND_NS / 10;
    return 0;
}

/* For a run that is being written: see now and then what else is new. */
static int refresh(struct mc_player *p, int64_t now_ns)
{
    if (!p->info.live || now_ns - p->refresh_ns < REFRESH_NS)
        return 0;
    p->refresh_ns = now_ns;
    int code = load_info(p);
    return code ? code : mc_marks_load(&p->marks, p->reader, p->opts.run_id);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Whether a frame is outside of what was asked for. */
static int past_end(const struct mc_player *p, int64_t ts)
{
    if (p->opts.to == INT64_MAX)
        return 0;
    return backward(p) ? ts < p->opts.to : ts > p->opts.to;
}

static int step(struct mc_player *p, const struct mc_frame **out)
{
    return backward(p) ? mc_cursor_prev(p->cursor, out) : mc_cursor_next(p->cursor, out);
}

/* Put aside what happened in the held frame. */
static int absorb(struct mc_player *p)
{
    const struct mc_frame *f = p->held;
    size_t room = p->opts.event_max - p->event_count;
    size_t taken = f->event_count < room ? f->event_count : room;
    if (taken) {
        struct mc_event *events = realloc(p->events, (p->event_count + taken) * sizeof *events);
        if (!events)
            return MC_ENOMEM;
        memcpy(events + p->event_count, f->events, taken * sizeof *events);
        p->events = events;
    }
    if (f->gap_count) {
        struct mc_gap *gaps = realloc(p->gaps, (p->gap_count + f->gap_count) * sizeof *gaps);
        if (!gaps)
            return MC_ENOMEM;
        memcpy(gaps + p->gap_count, f->gaps, f->gap_count * sizeof *gaps);
        p->gaps = gaps;
    }
    p->event_count += taken;
    p->left_out += f->event_count - taken + mc_cursor_events_left_out(p->cursor);
    p->gap_count += f->gap_count;
    p->absorbed = 1;
    return 0;
}

/* Step over held frames as long as the following one is due too. *budget: frames to read. */
static int merge(struct mc_player *p, int64_t now_ns, int *budget)
{
    while (*budget > 0 && !p->no_more && next_likely_due(p, p->held->ts, now_ns)) {
        int64_t held_ts = p->held->ts;
        int code = p->absorbed ? 0 : absorb(p);
        if (code)
            return code;
        const struct mc_frame *next;
        --*budget;
        code = step(p, &next);
        if (code < 0)
            return code;
        if (code == 0 && !past_end(p, next->ts) && due_ns(p, next->ts) <= now_ns) {
            p->held = next;
            p->absorbed = 0;
            continue;
        }
        p->no_more = code == MC_END || past_end(p, next->ts);
        code = mc_cursor_seek(p->cursor, held_ts, &p->held);
        if (code)
            return code < 0 ? code : MC_ECORRUPT;
        break;
    }
    return 0;
}

/* Append the held frame and all that was merged into it. */
static int send(struct mc_player *p, struct mc_buf *out)
{
    struct mc_frame frame = *p->held;
    struct mc_stream_options opts = {.event_max = p->opts.event_max,
                                     .event_left_out = mc_cursor_events_left_out(p->cursor)};
    int code = 0;
    if (!p->absorbed && (p->event_count || p->left_out || p->gap_count))
        code = absorb(p);
    if (code)
        return code;
    if (p->absorbed) {
        frame.events = p->events;
        frame.event_count = p->event_count;
        frame.gaps = p->gaps;
        frame.gap_count = p->gap_count;
        opts.event_left_out = p->left_out;
    }
    struct mc_mark *marks;
    size_t mark_count;
    code = mc_marks_take(&p->marks, frame.ts, &marks, &mark_count);
    if (code)
        return code;
    code = mc_stream_frame(p->doc, &opts, &p->info, &frame, marks, mark_count, out);
    free(marks);
    if (code)
        return code;
    p->sent_any = 1;
    p->sent_ts = frame.ts;
    p->held = NULL;
    p->absorbed = 0;
    p->event_count = p->gap_count = 0;
    p->left_out = 0;
    return 0;
}

/* Let the document be that of `frame`, which the client has. */
static int take_as_sent(struct mc_player *p, const struct mc_frame *frame)
{
    struct mc_buf scratch = {0};
    struct mc_stream_options opts = {0};
    int code = mc_stream_frame(p->doc, &opts, &p->info, frame, NULL, 0, &scratch);
    mc_buf_fini(&scratch);
    p->sent_any = 1;
    p->sent_ts = frame->ts;
    return code;
}

/* The time whose marks have been seen when playing begins at the frame at `ts`. Forward, the marks
 * since the frame before it come with it, and all older ones when there is no frame before it. */
static int64_t marks_seen(const struct mc_player *p, int64_t ts)
{
    int64_t first_ts, last_ts, seen;
    if (backward(p))
        return p->opts.from == INT64_MAX ? INT64_MAX : p->opts.from + 1;
    if (mc_reader_span(p->reader, p->opts.run_id, &first_ts, &last_ts) == 0 && ts > first_ts &&
        !__builtin_sub_overflow(ts, p->info.interval_ns, &seen))
        return seen;
    return INT64_MIN;
}

/* Find the first frame. 0, or MC_END when there is none (yet). */
static int begin(struct mc_player *p, int64_t now_ns)
{
    const struct mc_frame *frame;
    int code = mc_marks_load(&p->marks, p->reader, p->opts.run_id);
    if (!code)
        code = mc_cursor_seek(p->cursor, p->opts.from, &frame);
    if (code)
        return code;
    p->stage = STAGE_PLAY;
    p->start_ns = p->tokens_ns = now_ns;
    p->base_ts = p->opts.from;
    /* Backward, the frame that `from` lies in is shown at once, as it is forward. */
    if (frame->ts > p->opts.from || backward(p))
        p->base_ts = frame->ts;
    init_tokens(p);
    if (p->opts.resume && frame->ts == p->opts.from) {
        mc_marks_start(&p->marks, backward(p), frame->ts);
        return take_as_sent(p, frame);
    }
    mc_marks_start(&p->marks, backward(p), marks_seen(p, frame->ts));
    if (past_end(p, frame->ts)) {
        p->cut = 1;
        return MC_END;
    }
    p->held = frame;
    return 0;
}

/* Hold the next frame. 0, MC_END when there is none to play, or a negative code. */
static int hold_next(struct mc_player *p, int64_t now_ns)
{
    const struct mc_frame *next;
    int code = p->stage == STAGE_BEGIN ? begin(p, now_ns) : 0;
    if (code || p->held || p->cut)
        return code ? code : p->cut ? MC_END : 0;
    code = step(p, &next);
    if (code)
        return code;
    if (past_end(p, next->ts)) {
        p->cut = 1;
        return MC_END;
    }
    p->held = next;
    p->no_more = 0;
    if (p->starved && p->opts.speed != 0 && due_ns(p, next->ts) < now_ns)
        p->start_ns += now_ns - due_ns(p, next->ts);
    p->starved = 0;
    return 0;
}

/* Whether more may still come behind the run's end. */
static int may_follow(const struct mc_player *p)
{
    return p->opts.follow && p->info.live && !p->cut && !backward(p);
}

/* The marks behind the last frame, and `end`. */
static int finish(struct mc_player *p, struct mc_buf *out)
{
    int64_t until = backward(p) && p->opts.to == INT64_MAX ? INT64_MIN : p->opts.to;
    struct mc_mark *marks = NULL;
    size_t count = 0;
    int code = p->cut ? 0 : mc_marks_take(&p->marks, until, &marks, &count);
    for (size_t i = 0; !code && i < count; i++)
        code = mc_stream_mark(&marks[i], out);
    free(marks);
    if (!code)
        code = mc_stream_end(p->sent_any ? p->sent_ts : 0,
                             p->cut || backward(p) ? NULL : p->info.exit, out);
    if (code)
        return code;
    p->stage = STAGE_ENDED;
    return MC_END;
}

/* Nothing more is there now: wait for the writer, or end. */
static int out_of_frames(struct mc_player *p, int64_t now_ns, struct mc_buf *out, int64_t *wake_ns)
{
    if (may_follow(p)) {
        p->starved = 1;
        *wake_ns = now_ns + FOLLOW_NS;
        return 0;
    }
    if (p->info.live && !p->cut) {
        int code = load_info(p);
        if (code)
            return code;
    }
    return finish(p, out);
}

int mc_player_next(struct mc_player *p, int64_t now_ns, size_t room_bytes, struct mc_buf *out,
                   int64_t *wake_ns)
{
    size_t start = out->count;
    int budget = CALL_FRAMES;
    *wake_ns = now_ns;
    if (p->stage == STAGE_ENDED)
        return MC_END;
    int code = refresh(p, now_ns);
    while (!code && budget-- > 0 && out->count - start < room_bytes) {
        code = hold_next(p, now_ns);
        if (code == MC_END)
            return out_of_frames(p, now_ns, out, wake_ns);
        if (code)
            break;
        if (due_ns(p, p->held->ts) > now_ns) {
            *wake_ns = due_ns(p, p->held->ts);
            break;
        }
        if (p->opts.coalesce) {
            refill_tokens(p, now_ns);
            if (p->sent_any && frames_due(p, now_ns) > p->tokens)
                code = merge(p, now_ns, &budget);
            if (code)
                break;
            if (p->tokens < 1) {
                /* At "max" there is always more to read meanwhile. */
                *wake_ns = p->opts.speed == 0 && !p->no_more ? now_ns : token_due_ns(p, now_ns);
                break;
            }
            p->tokens -= 1;
        }
        code = send(p, out);
    }
    return code;
}

int64_t mc_player_ts(const struct mc_player *p)
{
    return p->sent_any ? p->sent_ts : INT64_MIN;
}

int mc_player_open(struct mc_reader *r, const struct mc_player_options *opts,
                   struct mc_player **out)
{
    if (!isfinite(opts->speed))
        return MC_EINVAL;
    struct mc_player *p = calloc(1, sizeof *p);
    if (!p)
        return MC_ENOMEM;
    p->reader = r;
    p->opts = *opts;
    int code = load_info(p);
    if (!code)
        code = mc_doc_new(&p->doc);
    if (!code)
        code = mc_cursor_open(r, opts->run_id, &p->cursor);
    if (code) {
        mc_player_close(p);
        return code;
    }
    /* The document remembers the maps itself. */
    mc_cursor_leave_out(p->cursor, MC_CURSOR_CHANGES | MC_CURSOR_BUCKETS |
                                       (opts->event_max ? 0 : MC_CURSOR_EVENTS));
    mc_cursor_bound_events(p->cursor, opts->event_max);
    *out = p;
    return 0;
}

void mc_player_close(struct mc_player *p)
{
    if (!p)
        return;
    if (p->cursor)
        mc_cursor_close(p->cursor);
    mc_doc_free(p->doc);
    mc_run_info_fini(&p->info);
    free(p->events);
    free(p->gaps);
    mc_marks_fini(&p->marks);
    free(p);
}
