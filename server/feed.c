/* feed.c: play a run: what is due on the loop, what is late on a worker, a piece ahead of the
 * socket.
 */
#include "server/feed.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/dashboard_priv.h"
#include "tracer/error.h"

#define TRIM_FEEDS 16

/* Text, and what the player said with it. */
struct piece {
    struct mc_buf text; /* owned */
    int code;
    int64_t wake_in_ns; /* 0 or less: more is due at once */
    int64_t ts;         /* the last frame in it, or before it */
};

/* Who has the player. */
enum turn {
    TURN_LOOP,  /* the loop: no work is under way, or it came too late */
    TURN_AHEAD, /* whoever takes it first: a worker that is asked for, or the loop */
    TURN_WORKER /* a worker, until `worked` */
};

struct mc_feed {
    struct mc_dashboard *dashboard; /* referenced */
    struct mc_trace_file *file;     /* borrowed */
    struct mc_reader *reader;       /* borrowed from file */
    struct mc_player *player;       /* owned */
    uv_timer_t timer;
    uv_work_t work;
    void (*wake)(void *arg);
    void *arg;
    struct piece piece; /* handed out */
    struct piece ahead; /* the next one: the worker's while it has the turn */
    atomic_int turn;    /* enum turn */
    int goes_ahead;     /* pieces may be made on workers */
    int is_asked;       /* work is queued, or runs: `worked` comes */
    int has_ahead;      /* `ahead` is made */
    uint64_t slice_ns;  /* what this slice has taken of the loop so far */
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

/* Nobody uses the player any more. */
static void release(struct mc_feed *f)
{
    f->dashboard->feed_count--;
    mc_player_close(f->player);
    mc_traces_give(f->file, f->reader);
    mc_buf_fini(&f->piece.text);
    mc_buf_fini(&f->ahead.text);
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

void mc_feed_close(struct mc_feed *f)
{
    if (!f || f->closed)
        return;
    f->closed = 1;
    uv_timer_stop(&f->timer);
    if (!f->is_asked)
        release(f);
}

int mc_feed_open(struct mc_dashboard *d, struct mc_trace_file *file,
                 const struct mc_player_options *opts, int is_packed, void (*wake)(void *arg),
                 void *arg, struct mc_feed **out)
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
    f->goes_ahead = is_packed || opts->coalesce;
    f->piece.ts = INT64_MIN;
    f->work.data = f;
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

/* ---- pieces --------------------------------------------------------------------------------- */

/* Make a piece of about room_bytes, in no more than budget_ns where nothing comes of it. */
static void make(struct mc_feed *f, struct piece *p, size_t room_bytes, uint64_t budget_ns)
{
    uint64_t start = uv_hrtime();
    int64_t now, wake = 0;
    p->text.count = 0;
    do {
        now = (int64_t)uv_hrtime();
        p->code = mc_player_next(f->player, now, room_bytes, &p->text, &wake);
    } while (!p->code && !p->text.count && wake <= now && uv_hrtime() - start < budget_ns);
    if (!p->code && p->text.failed)
        p->code = MC_ENOMEM;
    p->wake_in_ns = wake - now;
    p->ts = mc_player_ts(f->player);
}

/* On a worker. */
static void work(uv_work_t *req)
{
    struct mc_feed *f = req->data;
    int ahead = TURN_AHEAD;
    if (atomic_compare_exchange_strong(&f->turn, &ahead, TURN_WORKER))
        make(f, &f->ahead, MC_FEED_AHEAD_BYTES, MC_FEED_SLICE_NS);
}

/* A new turn of the loop. */
static void wake(struct mc_feed *f)
{
    f->slice_ns = 0;
    f->slice_bytes = 0;
    f->wake(f->arg);
}

static void worked(uv_work_t *req, int status)
{
    struct mc_feed *f = req->data;
    (void)status; /* it is never cancelled */
    f->is_asked = 0;
    f->has_ahead = atomic_load(&f->turn) == TURN_WORKER;
    atomic_store(&f->turn, TURN_LOOP);
    if (f->closed)
        release(f);
    else
        wake(f);
}

/* Have the next piece made while this one is sent. Returns whether `worked` will come. */
static int ask_ahead(struct mc_feed *f)
{
    if (f->is_asked)
        return 1;
    atomic_store(&f->turn, TURN_AHEAD);
    f->is_asked = uv_queue_work(f->dashboard->loop, &f->work, work, worked) == 0;
    if (!f->is_asked)
        atomic_store(&f->turn, TURN_LOOP);
    return f->is_asked;
}

static void on_timer(uv_timer_t *timer)
{
    wake(timer->data);
}

static void wake_in(struct mc_feed *f, int64_t in_ns)
{
    uint64_t ms = in_ns <= 0 ? 0 : (uint64_t)(in_ns + 999999) / 1000000;
    uv_timer_start(&f->timer, on_timer, ms < 3600000 ? ms : 3600000, 0);
}

/* Have a new piece: the one that was made ahead, or one made here. 0: a worker is at it. */
static int take_piece(struct mc_feed *f)
{
    int ahead = TURN_AHEAD;
    if (f->has_ahead) {
        struct piece sent = f->piece;
        f->piece = f->ahead;
        f->ahead = sent;
        f->has_ahead = 0;
        return 1;
    }
    /* A worker that is late, the pool may be busy, finds its turn gone. */
    if (f->is_asked && !atomic_compare_exchange_strong(&f->turn, &ahead, TURN_LOOP) &&
        ahead == TURN_WORKER)
        return 0;
    uint64_t start = uv_hrtime();
    make(f, &f->piece, MC_FEED_PIECE_BYTES, MC_FEED_SLICE_NS - f->slice_ns);
    f->slice_ns += uv_hrtime() - start;
    return 1;
}

int mc_feed_next(struct mc_feed *f, const uint8_t **bytes, size_t *count)
{
    if (f->over)
        return -1;
    if (f->slice_ns >= MC_FEED_SLICE_NS || f->slice_bytes >= MC_FEED_SLICE_BYTES) {
        wake_in(f, 0);
        return 0;
    }
    if (!take_piece(f))
        return 0;
    struct piece *p = &f->piece;
    f->over =
        p->code != 0; /* an error ends the stream: its client comes again, behind the last id */
    int comes = f->goes_ahead && !f->over && p->wake_in_ns <= 0 && ask_ahead(f);
    if (p->text.count && !p->text.failed) {
        f->slice_bytes += p->text.count;
        *bytes = p->text.bytes;
        *count = p->text.count;
        return 1;
    }
    if (f->over)
        return -1;
    if (!comes)
        wake_in(f, p->wake_in_ns);
    return 0;
}

int64_t mc_feed_ts(const struct mc_feed *f)
{
    return f->piece.ts;
}
