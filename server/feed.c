/* feed.c: play a run on the loop, a slice at a time. */
#include "server/feed.h"

#include <malloc.h>
#include <stdlib.h>

#include "server/dashboard_priv.h"
#include "tracer/error.h"

#define TRIM_FEEDS 16

struct mc_feed {
    struct mc_dashboard *dashboard; /* referenced */
    struct mc_trace_file *file;     /* borrowed */
    struct mc_reader *reader;       /* borrowed from file */
    struct mc_player *player;       /* owned */
    uv_timer_t timer;
    void (*wake)(void *arg);
    void *arg;
    struct mc_buf text; /* owned: the piece */
    uint64_t slice_ns;  /* what this slice has taken so far */
    size_t slice_bytes;
    int over, closed;
};

/* Many players at once leave a heap full of small holes, 1 MB for each: after 200 of them 200 MB
 * stayed. When most have gone, give the holes back. */
static void give_back_memory(struct mc_dashboard *d)
{
    if (d->feed_peak < TRIM_FEEDS || d->feed_count > d->feed_peak / 4)
        return;
    d->feed_peak = d->feed_count;
    malloc_trim(1 << 20);
}

static void on_closed(uv_handle_t *handle)
{
    struct mc_feed *f = handle->data;
    struct mc_dashboard *d = f->dashboard;
    free(f);
    give_back_memory(d);
    mc_dashboard_unref(d);
}

void mc_feed_close(struct mc_feed *f)
{
    if (!f || f->closed)
        return;
    f->closed = 1;
    f->dashboard->feed_count--;
    mc_player_close(f->player);
    mc_traces_give(f->file, f->reader);
    mc_buf_fini(&f->text);
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

int mc_feed_open(struct mc_dashboard *d, struct mc_trace_file *file,
                 const struct mc_player_options *opts, void (*wake)(void *arg), void *arg,
                 struct mc_feed **out)
{
    if (d->feed_count >= MC_FEEDS_MAX)
        return MC_ELIMIT;
    struct mc_feed *f = calloc(1, sizeof *f);
    if (!f)
        return MC_ENOMEM;
    f->file = file;
    int code = mc_traces_borrow(file, &f->reader);
    if (code)
        goto free_feed;
    code = mc_player_open(f->reader, opts, &f->player);
    if (code)
        goto give_reader;
    f->dashboard = d;
    mc_dashboard_ref(d);
    if (++d->feed_count > d->feed_peak)
        d->feed_peak = d->feed_count;
    f->wake = wake;
    f->arg = arg;
    uv_timer_init(d->loop, &f->timer);
    f->timer.data = f;
    *out = f;
    return 0;
give_reader:
    mc_traces_give(file, f->reader);
free_feed:
    free(f);
    return code;
}

static void on_timer(uv_timer_t *timer)
{
    struct mc_feed *f = timer->data;
    f->slice_ns = 0;
    f->slice_bytes = 0;
    f->wake(f->arg);
}

static void wake_in(struct mc_feed *f, int64_t in_ns)
{
    uint64_t ms = in_ns <= 0 ? 0 : (uint64_t)(in_ns + 999999) / 1000000;
    uv_timer_start(&f->timer, on_timer, ms < 3600000 ? ms : 3600000, 0);
}

int mc_feed_next(struct mc_feed *f, const uint8_t **bytes, size_t *count)
{
    if (f->over)
        return -1;
    f->text.count = 0;
    if (f->slice_ns >= MC_FEED_SLICE_NS || f->slice_bytes >= MC_FEED_SLICE_BYTES) {
        wake_in(f, 0);
        return 0;
    }
    int64_t now = 0, wake = 0;
    int code = 0;
    while (!code && !f->text.count && wake <= now && f->slice_ns < MC_FEED_SLICE_NS) {
        now = (int64_t)uv_hrtime();
        code = mc_player_next(f->player, now, MC_FEED_PIECE_BYTES, &f->text, &wake);
        f->slice_ns += uv_hrtime() - (uint64_t)now;
    }
    f->slice_bytes += f->text.count;
    if (code || f->text.failed)
        f->over = 1; /* an error ends the stream: its client connects again, behind the last id */
    if (f->text.count && !f->text.failed) {
        *bytes = f->text.bytes;
        *count = f->text.count;
        return 1;
    }
    if (f->over)
        return -1;
    wake_in(f, wake - now);
    return 0;
}

int64_t mc_feed_ts(const struct mc_feed *f)
{
    return mc_player_ts(f->player);
}
