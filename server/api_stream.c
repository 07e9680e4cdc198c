/* api_stream.c: GET /api/runs/{run}/stream: live from the hub, recorded from a player, and from the
 * one over into the other. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/feed.h"
#include "server/params.h"
#include "server/sse.h"
#include "tracer/error.h"

/* How long a client of the live stream may wait for the store to bring it up to where the hub's
 * blocks begin. The store is about a second behind. */
#define CATCH_UP_NS UINT64_C(5000000000)

struct stream {
    struct mc_sse sse;
    struct mc_watcher watcher; /* live */
    struct mc_block *block;    /* owned reference: being sent */
    struct mc_feed *feed;      /* owned: recorded, or catching up */
    uint64_t waiting_since;    /* catching up without progress; 0: not */
    int opened;                /* the answer has begun: `closed` will come */
};

static void stream_free(struct stream *s)
{
    mc_hub_leave(&s->watcher);
    mc_block_unref(s->block);
    mc_feed_close(s->feed);
    free(s);
}

static int next_block(struct stream *s, const uint8_t **bytes, size_t *count)
{
    mc_block_unref(s->block);
    s->block = NULL;
    int got = mc_hub_next(&s->watcher, &s->block);
    if (got == 1) {
        *bytes = s->block->bytes;
        *count = s->block->count;
    }
    return got;
}

/* A live client behind the hub's blocks: the store's text, until the blocks go on from there. */
static int next_catching_up(struct stream *s, const uint8_t **bytes, size_t *count)
{
    if (mc_hub_catch_up(&s->watcher, mc_feed_ts(s->feed))) {
        mc_feed_close(s->feed);
        s->feed = NULL;
        return next_block(s, bytes, count);
    }
    int got = mc_feed_next(s->feed, bytes, count);
    if (got == 1) {
        s->waiting_since = 0;
    } else if (got == 0 && s->waiting_since == 0) {
        s->waiting_since = uv_hrtime();
    } else if (got == 0 && uv_hrtime() - s->waiting_since > CATCH_UP_NS) {
        mc_hub_skip(&s->watcher);
        mc_feed_close(s->feed);
        s->feed = NULL;
        return next_block(s, bytes, count);
    }
    return got;
}

static int stream_next(void *arg, const uint8_t **bytes, size_t *count)
{
    struct stream *s = arg;
    if (s->watcher.group && s->feed)
        return next_catching_up(s, bytes, count);
    if (s->feed)
        return mc_feed_next(s->feed, bytes, count);
    return next_block(s, bytes, count);
}

static void stream_closed(void *arg)
{
    stream_free(arg);
}

static void watcher_wake(struct mc_watcher *w)
{
    struct stream *s = (struct stream *)(void *)((char *)w - offsetof(struct stream, watcher));
    if (s->opened)
        mc_sse_wake(&s->sse);
}

static void feed_wake(void *arg)
{
    struct stream *s = arg;
    if (s->opened)
        mc_sse_wake(&s->sse);
}

/* ---- what is asked ----------------------------------------------------------------------------
 */

struct asked {
    struct mc_player_options play;
    int64_t last_id; /* INT64_MIN: none */
    int has_from, has_to, has_speed;
};

/* 0, or a negative code: then the request has been answered. */
static int ask_last_id(struct mc_http_request *r, struct asked *asked)
{
    const char *header = mc_http_header(r, "last-event-id");
    if (!header || !*header) /* an empty one is none (WHATWG HTML 9.2.4) */
        return mc_ask_i64(r, "last_event_id", INT64_MIN + 1, INT64_MAX, &asked->last_id) < 0;
    if (mc_param_i64(header, INT64_MIN + 1, INT64_MAX, &asked->last_id) == 0)
        return 0;
    mc_answer_error(r, 400, "bad parameter", "last-event-id: it is the ts of an event, an integer");
    return MC_EINVAL;
}

static int ask(struct mc_http_request *r, struct asked *asked)
{
    int64_t coalesce = 1, rate = 0, events = 1000;
    *asked = (struct asked){.last_id = INT64_MIN};
    asked->play = (struct mc_player_options){.from = INT64_MIN, .to = INT64_MAX, .speed = 1};
    asked->has_from = mc_ask_i64(r, "from", INT64_MIN, INT64_MAX, &asked->play.from);
    if (asked->has_from < 0)
        return MC_EINVAL;
    asked->has_to = mc_ask_i64(r, "to", INT64_MIN, INT64_MAX, &asked->play.to);
    if (asked->has_to < 0 || mc_ask_i64(r, "coalesce", 0, 1, &coalesce) < 0 ||
        mc_ask_i64(r, "rate", 1, 60, &rate) < 0 ||
        mc_ask_i64(r, "events", 0, 1000000, &events) < 0 || ask_last_id(r, asked))
        return MC_EINVAL;
    const char *speed = mc_http_query_get(r, "speed");
    asked->has_speed = speed != NULL;
    if (speed && mc_param_speed(speed, &asked->play.speed)) {
        mc_answer_error(r, 400, "bad parameter",
                        "speed: a number above 0, negative for backwards, or max");
        return MC_EINVAL;
    }
    if (asked->has_from && asked->has_to && asked->play.speed >= 0 &&
        asked->play.from > asked->play.to) {
        mc_answer_error(r, 400, "bad parameter", "from: it lies behind to");
        return MC_EINVAL;
    }
    asked->play.coalesce = (int)coalesce;
    asked->play.rate_max = (int)rate;
    asked->play.event_max = (uint32_t)events;
    return 0;
}

/* Where a replay begins when that was not said, and whether it waits at the end. 0 or a code. */
static int complete(const struct mc_asked_run *run, struct asked *asked)
{
    struct mc_reader *reader;
    struct mc_run_info info = {0};
    int64_t first = 0, last = 0;
    int code = mc_traces_borrow(run->file, &reader);
    if (code)
        return code;
    code = mc_reader_run(reader, run->run_id, &info);
    int live = run->is_live || (info.live && !info.exit);
    mc_run_info_fini(&info);
    if (!code)
        code = mc_reader_span(reader, run->run_id, &first, &last);
    if (code == MC_END || (code == MC_ENORUN && run->is_live))
        code = 0; /* it has no frame yet */
    mc_traces_give(run->file, reader);
    struct mc_player_options *play = &asked->play;
    play->run_id = run->run_id;
    play->follow = live && play->speed >= 0 && !asked->has_to;
    int plain = !asked->has_from && !asked->has_to && !asked->has_speed;
    if (asked->last_id != INT64_MIN) {
        play->from = asked->last_id;
        play->resume = 1;
    } else if (!asked->has_from) {
        play->from = play->speed < 0 || (live && plain) ? last : first;
    }
    return code;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static void begin(struct stream *s, struct mc_http_request *r)
{
    static const struct mc_sse_source source = {stream_next, stream_closed};
    s->opened = 1;
    if (mc_sse_open(&s->sse, r, &source, s))
        stream_free(s);
}

static void refuse(struct stream *s, struct mc_http_request *r, int code)
{
    const char *detail = code == MC_ENORUN   ? "see /api/runs for the runs there are"
                         : code == MC_ELIMIT ? "too many recorded runs are played; try again"
                                             : "the stream can't be opened now";
    mc_answer_error(r, code == MC_ELIMIT ? 503 : mc_answer_status(code), mc_strerror(code), detail);
    stream_free(s);
}

void mc_api_stream(struct mc_dashboard *d, struct mc_http_request *r,
                   const struct mc_asked_run *run)
{
    struct asked asked;
    if (ask(r, &asked))
        return;
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        return;
    }
    s->watcher.wake = watcher_wake;
    int code = MC_ENORUN;
    if (run->is_live && !asked.has_from && !asked.has_to && !asked.has_speed) {
        code = mc_hub_watch(d->hub, &s->watcher, asked.play.event_max, asked.last_id);
        if (code == 0) {
            begin(s, r);
            return;
        }
        if (code == MC_END) { /* from the store first, all of it, as fast as it can be read */
            asked.play.speed = 0;
            asked.play.coalesce = 0;
        }
    }
    int failed = complete(run, &asked);
    if (!failed)
        failed = mc_feed_open(d, run->file, &asked.play, mc_sse_packs(r), feed_wake, s, &s->feed);
    if (failed && code == MC_END) { /* not in the store (yet): a keyframe will do */
        mc_hub_skip(&s->watcher);
        failed = 0;
    }
    if (failed)
        refuse(s, r, failed);
    else
        begin(s, r);
}
