/* hub.c: the live run: groups, their blocks, and who watches. */
#include "server/hub.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

#define TS_REMEMBERED 512u

struct mc_hub_group {
    struct mc_hub *hub; /* borrowed; NULL: its run is over and another has begun */
    struct mc_stream_options options;
    struct mc_doc *doc; /* owned: what the blocks lead to */
    int64_t doc_ts;     /* the frame that doc stands at; INT64_MIN: none */
    int64_t idle_since; /* the ts since which nobody watches */
    struct mc_watcher *watchers;
    size_t watcher_count;
    struct mc_watcher *waking; /* the one to wake next, while all are woken */
    /* Blocks first_seq … end_seq - 1, in a ring. */
    struct mc_block **ring; /* owned */
    uint64_t first_seq, end_seq;
    uint64_t end_off;
    size_t kept_bytes;
    struct mc_block *key; /* owned: the keyframe of frame doc_ts, once asked for */
    int ended;
};

struct mc_hub {
    struct mc_run_info info; /* owned, while live */
    int live;
    struct mc_frame_copy newest;
    struct mc_hub_group *groups[MC_HUB_GROUPS]; /* owned */
    size_t group_count;
    size_t watcher_count;
    struct mc_mark *tick_marks; /* owned: those of the newest frame */
    size_t tick_mark_count;
    struct mc_mark marks[MC_HUB_MARKS]; /* the newest, oldest first */
    size_t mark_count, unsent_marks;    /* the last unsent_marks of them wait for the next tick */
    int64_t seen[TS_REMEMBERED];        /* ts of the newest frames, a ring */
    uint64_t seen_count;
    int64_t first_ts;
    struct mc_buf text; /* owned: where a block's text is made */
};

/* ---- blocks -----------------------------------------------------------------------------------
 */

void mc_block_unref(struct mc_block *b)
{
    if (b && --b->refs == 0)
        free(b);
}

static struct mc_block *block_new(const struct mc_buf *text, int64_t ts, int64_t prev_ts)
{
    struct mc_block *b = text->failed ? NULL : malloc(sizeof *b + text->count);
    if (!b)
        return NULL;
    *b = (struct mc_block){.refs = 1, .ts = ts, .prev_ts = prev_ts, .count = text->count};
    memcpy(b->bytes, text->bytes, text->count);
    return b;
}

static struct mc_block **slot(struct mc_hub_group *g, uint64_t seq)
{
    return &g->ring[seq % MC_HUB_KEEP_BLOCKS];
}

static void drop_oldest(struct mc_hub_group *g)
{
    struct mc_block **oldest = slot(g, g->first_seq++);
    g->kept_bytes -= (*oldest)->count;
    mc_block_unref(*oldest);
    *oldest = NULL;
}

static void drop_all(struct mc_hub_group *g)
{
    while (g->first_seq < g->end_seq)
        drop_oldest(g);
    mc_block_unref(g->key);
    g->key = NULL;
}

/* Append a block (taken), and let go of what is too old or too much. */
static void append(struct mc_hub_group *g, struct mc_block *b, size_t bytes_max)
{
    if (g->end_seq - g->first_seq == MC_HUB_KEEP_BLOCKS)
        drop_oldest(g);
    g->end_off += b->count;
    b->end_off = g->end_off;
    g->kept_bytes += b->count;
    *slot(g, g->end_seq++) = b;
    while (g->first_seq + 1 < g->end_seq &&
           (g->kept_bytes > bytes_max || (*slot(g, g->first_seq))->ts < b->ts - MC_HUB_KEEP_NS))
        drop_oldest(g);
}

/* ---- groups -----------------------------------------------------------------------------------
 */

static void group_free(struct mc_hub_group *g)
{
    drop_all(g);
    free(g->ring);
    mc_doc_free(g->doc);
    free(g);
}

static struct mc_hub_group *group_new(struct mc_hub *hub, uint32_t event_max)
{
    struct mc_hub_group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->ring = calloc(MC_HUB_KEEP_BLOCKS, sizeof *g->ring);
    if (!g->ring || mc_doc_new(&g->doc)) {
        free(g->ring);
        free(g);
        return NULL;
    }
    g->hub = hub;
    g->options.event_max = event_max;
    g->doc_ts = INT64_MIN;
    return g;
}

/* Free the groups that nobody has watched for a while, or all of them; a group of a run that is
 * over lives on for its watchers. */
static void sweep_groups(struct mc_hub *hub, int64_t ts, int all)
{
    size_t kept = 0;
    for (size_t i = 0; i < hub->group_count; i++) {
        struct mc_hub_group *g = hub->groups[i];
        if (g->watcher_count == 0 && (all || ts - g->idle_since > MC_HUB_LINGER_NS)) {
            group_free(g);
        } else if (all) {
            hub->watcher_count -= g->watcher_count;
            g->hub = NULL;
        } else {
            hub->groups[kept++] = g;
        }
    }
    hub->group_count = kept;
}

static struct mc_hub_group *group_for(struct mc_hub *hub, uint32_t event_max, int *code)
{
    for (size_t i = 0; i < hub->group_count; i++)
        if (hub->groups[i]->options.event_max == event_max)
            return hub->groups[i];
    for (size_t i = 0; i < hub->group_count && hub->group_count == MC_HUB_GROUPS; i++) {
        if (hub->groups[i]->watcher_count)
            continue;
        group_free(hub->groups[i]);
        hub->groups[i] = hub->groups[--hub->group_count];
    }
    *code = MC_ELIMIT;
    if (hub->group_count == MC_HUB_GROUPS)
        return NULL;
    struct mc_hub_group *g = group_new(hub, event_max);
    *code = MC_ENOMEM;
    if (g)
        hub->groups[hub->group_count++] = g;
    return g;
}

/* The newest frame's text from `doc`: a keyframe when doc is empty, else a delta. */
static struct mc_block *make_block(struct mc_hub_group *g, struct mc_doc *doc, int64_t prev_ts)
{
    struct mc_hub *hub = g->hub;
    mc_buf_fini(&hub->text);
    hub->text = (struct mc_buf){0};
    if (mc_stream_frame(doc, &g->options, &hub->info, &hub->newest.frame, hub->tick_marks,
                        hub->tick_mark_count, &hub->text))
        return NULL;
    return block_new(&hub->text, hub->newest.frame.ts, prev_ts);
}

/* The keyframe of the newest frame, made once a tick. It also puts a group that stood still on its
 * feet: its document is then that of the newest frame. Borrowed; NULL without memory. */
static struct mc_block *keyframe(struct mc_hub_group *g)
{
    int64_t ts = g->hub->newest.frame.ts;
    struct mc_doc *doc;
    if (g->key && g->key->ts == ts)
        return g->key;
    mc_block_unref(g->key);
    g->key = NULL;
    if (mc_doc_new(&doc))
        return NULL;
    g->key = make_block(g, doc, INT64_MIN);
    if (g->key && g->doc_ts != ts) {
        struct mc_doc *old = g->doc;
        while (g->first_seq < g->end_seq)
            drop_oldest(g);
        g->doc = doc;
        g->doc_ts = ts;
        doc = old;
    }
    mc_doc_free(doc);
    return g->key;
}

static void wake_all(struct mc_hub_group *g)
{
    for (struct mc_watcher *w = g->watchers; w; w = g->waking) {
        g->waking = w->next;
        w->wake(w);
    }
}

/* ---- the run ----------------------------------------------------------------------------------
 */

int mc_hub_new(struct mc_hub **out)
{
    struct mc_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return MC_ENOMEM;
    if (mc_frame_copy_init(&hub->newest)) {
        free(hub);
        return MC_ENOMEM;
    }
    hub->first_ts = INT64_MIN;
    *out = hub;
    return 0;
}

static void forget_run(struct mc_hub *hub)
{
    sweep_groups(hub, 0, 1);
    mc_frame_copy_fini(&hub->newest);
    mc_run_info_fini(&hub->info);
    memset(&hub->info, 0, sizeof hub->info);
    free(hub->tick_marks);
    hub->tick_marks = NULL;
    hub->tick_mark_count = hub->mark_count = hub->unsent_marks = 0;
    hub->seen_count = 0;
    hub->first_ts = INT64_MIN;
    hub->live = 0;
}

void mc_hub_free(struct mc_hub *hub)
{
    if (!hub)
        return;
    forget_run(hub);
    mc_buf_fini(&hub->text);
    free(hub);
}

const struct mc_run_info *mc_hub_run(const struct mc_hub *hub)
{
    return hub->live ? &hub->info : NULL;
}

const struct mc_frame *mc_hub_newest(const struct mc_hub *hub)
{
    return hub->live && hub->newest.valid ? &hub->newest.frame : NULL;
}

int64_t mc_hub_first_ts(const struct mc_hub *hub)
{
    return hub->first_ts;
}

int64_t mc_hub_ts_before(const struct mc_hub *hub, int64_t ts)
{
    uint64_t oldest = hub->seen_count > TS_REMEMBERED ? hub->seen_count - TS_REMEMBERED : 0;
    for (uint64_t i = hub->seen_count; i > oldest; i--)
        if (hub->seen[(i - 1) % TS_REMEMBERED] <= ts)
            return hub->seen[(i - 1) % TS_REMEMBERED];
    return INT64_MIN;
}

size_t mc_hub_watchers(const struct mc_hub *hub)
{
    return hub->watcher_count;
}

int mc_hub_begin(struct mc_hub *hub, const struct mc_run_info *info)
{
    if (hub->live)
        mc_hub_end(hub, hub->newest.valid ? hub->newest.frame.ts : 0, NULL);
    forget_run(hub);
    int code = mc_frame_copy_init(&hub->newest);
    if (!code)
        code = mc_run_info_copy(&hub->info, info);
    hub->live = code == 0;
    return code;
}

/* Take the waiting marks as those of this tick; without memory they wait for the next. */
static void take_marks(struct mc_hub *hub)
{
    free(hub->tick_marks);
    hub->tick_marks = NULL;
    hub->tick_mark_count = 0;
    if (!hub->unsent_marks)
        return;
    hub->tick_marks = malloc(hub->unsent_marks * sizeof *hub->tick_marks);
    if (!hub->tick_marks)
        return;
    memcpy(hub->tick_marks, &hub->marks[hub->mark_count - hub->unsent_marks],
           hub->unsent_marks * sizeof *hub->tick_marks);
    hub->tick_mark_count = hub->unsent_marks;
    hub->unsent_marks = 0;
}

static void tick_group(struct mc_hub_group *g, int64_t prev_ts)
{
    struct mc_hub *hub = g->hub;
    struct mc_block *b = NULL;
    if (g->doc_ts != INT64_MIN && g->doc_ts == prev_ts)
        b = make_block(g, g->doc, prev_ts);
    if (b) {
        g->doc_ts = b->ts;
        append(g, b, MC_HUB_KEEP_BYTES / hub->group_count);
        return;
    }
    /* The first frame of those who came before it, or no memory: all go on with a keyframe. */
    g->doc_ts = INT64_MIN;
    drop_all(g);
    for (struct mc_watcher *w = g->watchers; w; w = w->next)
        w->wants_keyframe = !w->waits;
    keyframe(g);
}

void mc_hub_frame(struct mc_hub *hub, const struct mc_frame *frame)
{
    if (!hub->live)
        return;
    int64_t prev_ts = hub->newest.valid ? hub->newest.frame.ts : INT64_MIN;
    take_marks(hub);
    if (mc_frame_copy_take(&hub->newest, frame))
        return; /* the next one is copied whole, and all go on with its keyframe */
    hub->info.end_ts = frame->ts;
    if (hub->first_ts == INT64_MIN)
        hub->first_ts = frame->ts;
    hub->seen[hub->seen_count++ % TS_REMEMBERED] = frame->ts;
    sweep_groups(hub, frame->ts, 0);
    for (size_t i = 0; i < hub->group_count; i++)
        tick_group(hub->groups[i], prev_ts);
    for (size_t i = 0; i < hub->group_count; i++)
        wake_all(hub->groups[i]);
}

void mc_hub_end(struct mc_hub *hub, int64_t end_ts, const char *exit)
{
    if (!hub->live)
        return;
    hub->live = 0;
    for (size_t i = 0; i < hub->group_count; i++) {
        struct mc_hub_group *g = hub->groups[i];
        mc_buf_fini(&hub->text);
        hub->text = (struct mc_buf){0};
        mc_stream_end(end_ts, exit, &hub->text);
        struct mc_block *b = block_new(&hub->text, end_ts, g->doc_ts);
        if (b)
            append(g, b, MC_HUB_KEEP_BYTES);
        g->ended = 1;
    }
    for (size_t i = 0; i < hub->group_count; i++)
        wake_all(hub->groups[i]);
}

void mc_hub_mark(struct mc_hub *hub, const struct mc_mark *mark)
{
    if (hub->mark_count == MC_HUB_MARKS) {
        memmove(hub->marks, hub->marks + 1, (MC_HUB_MARKS - 1) * sizeof hub->marks[0]);
        hub->mark_count--;
    }
    hub->marks[hub->mark_count++] = *mark;
    if (hub->unsent_marks < hub->mark_count)
        hub->unsent_marks++;
}

void mc_hub_mark_edit(struct mc_hub *hub, const struct mc_mark *mark)
{
    for (size_t i = 0; i < hub->mark_count; i++) {
        if (hub->marks[i].mark_id != mark->mark_id)
            continue;
        if (i >= hub->mark_count - hub->unsent_marks)
            hub->unsent_marks--;
        hub->mark_count--;
        memmove(&hub->marks[i], &hub->marks[i + 1], (hub->mark_count - i) * sizeof hub->marks[0]);
        break;
    }
    mc_hub_mark(hub, mark);
}

size_t mc_hub_marks(const struct mc_hub *hub, const struct mc_mark **marks)
{
    *marks = hub->marks;
    return hub->live ? hub->mark_count : 0;
}

int mc_hub_document(struct mc_hub *hub, int is_numbers, struct mc_buf *out)
{
    struct mc_doc *doc;
    if (!mc_hub_newest(hub))
        return MC_END;
    int code = mc_doc_new(&doc);
    if (code)
        return code;
    code = is_numbers ? mc_doc_numbers(doc, &hub->newest.frame, out)
                      : mc_doc_keyframe(doc, &hub->newest.frame, out);
    mc_doc_free(doc);
    return code;
}

/* ---- watchers ---------------------------------------------------------------------------------
 */

int mc_hub_watch(struct mc_hub *hub, struct mc_watcher *w, uint32_t event_max, int64_t after)
{
    int code = MC_ENORUN;
    struct mc_hub_group *g = hub->live ? group_for(hub, event_max, &code) : NULL;
    if (!g)
        return code;
    w->group = g;
    w->prev = NULL;
    w->next = g->watchers;
    if (w->next)
        w->next->prev = w;
    g->watchers = w;
    g->watcher_count++;
    hub->watcher_count++;
    w->lag_bytes = MC_HUB_LAG_BYTES;
    w->wants_keyframe = w->waits = 0;
    if (after == INT64_MIN || (hub->newest.valid && after > hub->newest.frame.ts)) {
        w->wants_keyframe = 1;
        return 0;
    }
    if (mc_hub_catch_up(w, after))
        return 0;
    w->waits = 1;
    if (hub->newest.valid)
        keyframe(g); /* from here on there are blocks to catch up with */
    return mc_hub_catch_up(w, after) ? 0 : MC_END;
}

int mc_hub_catch_up(struct mc_watcher *w, int64_t ts)
{
    struct mc_hub_group *g = w->group;
    uint64_t low = g->first_seq, high = g->end_seq;
    if (ts == INT64_MIN)
        return 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if ((*slot(g, middle))->prev_ts < ts)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < g->end_seq ? (*slot(g, low))->prev_ts != ts : g->doc_ts != ts || !g->hub)
        return 0;
    w->seq = low;
    w->waits = 0;
    w->lag_bytes = MC_HUB_LAG_BYTES;
    if (low < g->end_seq)
        w->lag_bytes += g->end_off - (*slot(g, low))->end_off;
    return 1;
}

void mc_hub_skip(struct mc_watcher *w)
{
    w->waits = 0;
    w->wants_keyframe = 1;
}

/* The keyframe of the newest frame, behind which come the blocks after it (or the run's end). */
static int next_keyframe(struct mc_watcher *w, struct mc_block **out)
{
    struct mc_hub_group *g = w->group;
    struct mc_block *key = g->hub && g->hub->newest.valid ? keyframe(g) : NULL;
    if (!key && !g->ended)
        return 0;
    w->wants_keyframe = 0;
    w->seq = g->ended && g->end_seq > g->first_seq ? g->end_seq - 1 : g->end_seq;
    w->lag_bytes = MC_HUB_LAG_BYTES;
    if (!key)
        return mc_hub_next(w, out);
    key->refs++;
    *out = key;
    return 1;
}

int mc_hub_next(struct mc_watcher *w, struct mc_block **out)
{
    struct mc_hub_group *g = w->group;
    if (w->waits)
        return 0;
    if (w->wants_keyframe)
        return next_keyframe(w, out);
    if (w->seq == g->end_seq) {
        w->lag_bytes = MC_HUB_LAG_BYTES;
        return g->ended ? -1 : 0;
    }
    if (w->seq < g->first_seq || g->end_off - (*slot(g, w->seq))->end_off > w->lag_bytes) {
        w->wants_keyframe = 1;
        return next_keyframe(w, out);
    }
    *out = *slot(g, w->seq++);
    (*out)->refs++;
    return 1;
}

void mc_hub_leave(struct mc_watcher *w)
{
    struct mc_hub_group *g = w->group;
    if (!g)
        return;
    w->group = NULL;
    if (g->waking == w)
        g->waking = w->next;
    if (w->prev)
        w->prev->next = w->next;
    else
        g->watchers = w->next;
    if (w->next)
        w->next->prev = w->prev;
    g->watcher_count--;
    if (g->hub) {
        g->hub->watcher_count--;
        g->idle_since = g->hub->newest.valid ? g->hub->newest.frame.ts : 0;
    } else if (g->watcher_count == 0) {
        group_free(g);
    }
}
