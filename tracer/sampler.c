/* sampler.c: one sample of a traced program: a frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/buf.h"
#include "tracer/error.h"
#include "tracer/pub_priv.h"
#include "tracer/sampler_priv.h"
#include "tracer/text.h"

#define SECOND_NS INT64_C(1000000000)
#define GAPS_MAX 64u

/* ---- opening --------------------------------------------------------------------------------- */

static char *clean_dup(const char *text)
{
    char clean[512];
    mc_text_clean(clean, sizeof clean, text, strlen(text));
    return strdup(clean);
}

/* The recording's options, and what else is good to know of the program, as a JSON object. */
static char *make_config(const struct mc_sampler *s, int64_t interval_ns)
{
    const char *executable = s->attach.head.program;
    struct mc_buf b = {0};
    mc_buf_printf(&b, "{\"interval_ms\":%lld,\"event_clock\":\"%s\",\"executable\":",
                  (long long)(interval_ns / 1000000), s->is_event_clock_ns ? "ns" : "us");
    mc_buf_add_json(&b, executable, strlen(executable));
    mc_buf_add(&b, "}", 2);
    if (b.failed)
        mc_buf_fini(&b);
    return (char *)b.bytes;
}

static int fill_info(struct mc_sampler *s, int64_t interval_ns)
{
    const struct mc_segment_head *head = &s->attach.head;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    s->info.label = clean_dup(head->label);
    s->info.host = clean_dup(host);
    s->info.program = clean_dup(head->name);
    s->info.build = clean_dup(head->build);
    s->info.config = make_config(s, interval_ns);
    s->info.pid = head->pid;
    s->info.start_wall_ns = head->start_wall_ns;
    s->info.interval_ns = interval_ns;
    s->info.live = 1;
    return s->info.label && s->info.host && s->info.program && s->info.build && s->info.config
               ? 0
               : MC_ENOMEM;
}

static int add_own_sources(struct mc_sampler *s)
{
    static const int kinds[] = {MC_KIND_PROCESS, MC_KIND_CONNECTIONS, MC_KIND_RECORDER};
    int code = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !code; i++) {
        struct mc_source like = {.kind = kinds[i],
                                 .name = (char *)(uintptr_t)mc_kind_name(kinds[i])};
        code = mc_schema_add_source(&s->schema, &like);
    }
    return code;
}

/* All that can only fail for want of memory. */
static int init_parts(struct mc_sampler *s, int64_t interval_ns)
{
    int code = mc_schema_init(&s->schema);
    if (!code)
        code = add_own_sources(s);
    if (!code)
        code = fill_info(s, interval_ns);
    if (!code)
        code = mc_ring_reader_init(&s->rings, s->attach.head.thread_count);
    if (!code)
        code = mc_slot_reader_init(&s->slots);
    if (!code)
        code = mc_connections_init(&s->connections);
    if (!code)
        code = mc_traffic_init(&s->traffic, &s->schema, &s->windows);
    return code;
}

int mc_sampler_open(const char *path, const struct mc_sampler_options *opts,
                    struct mc_sampler **out, char *why, size_t why_bytes)
{
    int64_t interval_ns = opts && opts->interval_ns > 0 ? opts->interval_ns : SECOND_NS / 10;
    struct mc_sampler *s = calloc(1, sizeof *s);
    int code = s ? mc_attach_open(&s->attach, path) : MC_ENOMEM;
    if (code) {
        if (why && why_bytes)
            snprintf(why, why_bytes, "%s", s ? s->attach.why : mc_strerror(code));
        free(s);
        return code;
    }
    s->is_event_clock_ns = opts && opts->event_clock_ns;
    mc_windows_init(&s->windows, (uint32_t)((SECOND_NS + interval_ns / 2) / interval_ns));
    mc_procfs_open(&s->procfs, s->attach.head.pid, s->attach.head.process_start);
    mc_clock_line_init(&s->line, &s->attach.head);
    code = init_parts(s, interval_ns);
    if (code) {
        if (why && why_bytes)
            snprintf(why, why_bytes, "%s: %s", path, mc_strerror(code));
        mc_sampler_close(s);
        return code;
    }
    s->was_dead_at_open = !mc_procfs_alive(&s->procfs, mc_pub_clock_mono());
    *out = s;
    return 0;
}

void mc_sampler_close(struct mc_sampler *s)
{
    if (!s)
        return;
    mc_sampler_free_sources(s);
    mc_traffic_fini(&s->traffic);
    mc_connections_fini(&s->connections);
    mc_windows_fini(&s->windows);
    mc_procfs_close(&s->procfs);
    mc_slot_reader_fini(&s->slots);
    mc_ring_reader_fini(&s->rings);
    mc_run_info_fini(&s->info);
    mc_schema_fini(&s->schema);
    mc_attach_close(&s->attach);
    free(s->values);
    free(s->frame_maps);
    free(s->events);
    free(s->keys);
    free(s->keys_spare);
    free(s->gaps);
    free(s);
}

const struct mc_run_info *mc_sampler_info(const struct mc_sampler *s)
{
    return &s->info;
}

int64_t mc_sampler_now(const struct mc_sampler *s)
{
    int64_t now = mc_pub_clock_mono() - s->line.start_mono_ns;
    return now > 0 ? now : 0;
}

const char *mc_sampler_why(const struct mc_sampler *s)
{
    return s->why;
}

/* ---- ticks ----------------------------------------------------------------------------------- */

/* Keep the line that says what is wrong, and stay failed: what has once made no sense, or was only
 * half taken in for want of memory, is not gone on with. */
static int failed(struct mc_sampler *s, int code)
{
    snprintf(s->why, sizeof s->why, "%s", s->attach.why);
    s->failed_code = code;
    return code;
}

int mc_sampler_drain(struct mc_sampler *s)
{
    if (s->failed_code)
        return s->failed_code;
    int percent = mc_ring_reader_drain(&s->rings, &s->attach);
    return percent < 0 ? failed(s, percent) : percent;
}

int mc_sampler_gap(struct mc_sampler *s, const struct mc_gap *gap)
{
    if (s->gap_count >= GAPS_MAX)
        return MC_ELIMIT;
    if (s->gap_count == s->gap_room) {
        struct mc_gap *gaps = realloc(s->gaps, GAPS_MAX * sizeof *gaps);
        if (!gaps)
            return MC_ENOMEM;
        s->gaps = gaps;
        s->gap_room = GAPS_MAX;
    }
    s->gaps[s->gap_count] = *gap;
    s->gaps[s->gap_count++].reason[sizeof gap->reason - 1] = 0;
    return 0;
}

/* What is missing since the last frame: overwritten before it was read, or sent by threads that
 * had no ring. */
static void note_lost_events(struct mc_sampler *s, int64_t ts)
{
    uint64_t dropped = s->attach.live.events_dropped, lost = s->rings.lost;
    if (dropped > s->dropped_seen && (s->has_ticked || ts < MC_SAMPLER_FROM_START_NS))
        lost += dropped - s->dropped_seen;
    if (!s->has_ticked && ts < MC_SAMPLER_FROM_START_NS)
        lost += s->rings.unheld;
    s->dropped_seen = dropped;
    s->rings.lost = s->rings.unheld = 0;
    if (!lost || lost > INT64_MAX / 2)
        return;
    int64_t from = s->has_ticked ? s->last_ts : 0;
    struct mc_gap gap = {.ts = from, .dur_ns = ts - from, .lost = lost, .reason = "events lost"};
    s->events_lost += (int64_t)lost;
    mc_sampler_gap(s, &gap);
}

static void note_beat(struct mc_sampler *s)
{
    uint64_t ticks = s->attach.live.beat_ticks;
    if (ticks && ticks != s->beat_ticks) {
        s->beat_ticks = ticks;
        s->beat_ns = mc_clock_line_ns(&s->line, ticks);
    }
}

/* A program that was dead when we came is shown as of its last sign of life, not as of now. */
static int64_t last_moment(const struct mc_sampler *s, int64_t now)
{
    int64_t sign = mc_sampler_newest_sign(s);
    struct stat st;
    if (sign < 0 && fstat(s->attach.fd, &st) == 0)
        sign = (int64_t)st.st_ctim.tv_sec * SECOND_NS + st.st_ctim.tv_nsec -
               s->attach.head.start_wall_ns;
    return sign < 0 ? 0 : sign > now ? now : sign;
}

/* The frame's ts: whole microseconds like the events', above the last one's. */
static int64_t frame_ts(const struct mc_sampler *s, int64_t now)
{
    int64_t step = s->is_event_clock_ns ? 1 : 1000;
    int64_t ts = now - now % step;
    if (s->has_ticked)
        ts = ts > s->last_ts ? ts : s->last_ts + step;
    return ts;
}

/* Read all that the segment has: records first, then the counts of the strings and sources that
 * they may name, then maps. */
static int read_segment(struct mc_sampler *s)
{
    int code = mc_ring_reader_drain(&s->rings, &s->attach);
    code = code < 0 ? code : mc_attach_refresh(&s->attach, s->source_count);
    if (!code)
        code = mc_sampler_read_strings(s);
    if (!code)
        code = mc_sampler_read_sources(s);
    if (!code)
        code = mc_sampler_read_maps(s);
    if (!code)
        code = mc_sampler_read_histograms(s);
    return code;
}

static int show_maps(struct mc_sampler *s)
{
    if (s->map_count > s->frame_map_room) {
        struct mc_map *maps = realloc(s->frame_maps, s->map_room * sizeof *maps);
        if (!maps)
            return mc_attach_fail(&s->attach, MC_ENOMEM, "out of memory");
        s->frame_maps = maps;
        s->frame_map_room = s->map_room;
    }
    for (uint32_t i = 0; i < s->map_count; i++)
        s->frame_maps[i] = s->maps[i].map;
    return 0;
}

static void show(struct mc_sampler *s, int64_t ts)
{
    s->frame = (struct mc_frame){.ts = ts,
                                 .schema = &s->schema,
                                 .values = s->values,
                                 .maps = s->frame_maps,
                                 .changes = s->slots.changes,
                                 .change_count = s->slots.change_count,
                                 .buckets = s->windows.adds,
                                 .bucket_count = s->windows.add_count,
                                 .events = s->events,
                                 .event_count = s->event_count,
                                 .gaps = s->gaps,
                                 .gap_count = s->gap_count};
}

/* Everything of the frame behind the reading. */
static int make_frame(struct mc_sampler *s, int64_t ts, int64_t late_ns, int is_last)
{
    s->traffic.window_from_ts = s->was_dead_at_open ? INT64_MIN : ts - SECOND_NS;
    int code = mc_sampler_make_events(s, ts, is_last);
    if (code)
        return code;
    note_lost_events(s, ts);
    s->events_sent += (int64_t)s->event_count;
    if (mc_windows_tick(&s->windows) != 0 || s->traffic.failed)
        return mc_attach_fail(&s->attach, MC_ENOMEM, "out of memory");
    code = show_maps(s);
    if (!code)
        code = mc_sampler_make_values(s, ts, late_ns);
    if (!code)
        show(s, ts);
    return code;
}

int mc_sampler_tick(struct mc_sampler *s, int64_t late_ns, const struct mc_frame **out)
{
    if (s->failed_code)
        return s->failed_code;
    int64_t began_ns = mc_pub_clock_mono();
    if (s->frame.gap_count) { /* those were shown with the last frame */
        s->gap_count -= s->frame.gap_count;
        memmove(s->gaps, s->gaps + s->frame.gap_count, s->gap_count * sizeof *s->gaps);
        s->frame.gap_count = 0;
    }
    int64_t now = mc_clock_line_advance(&s->line);
    /* Life is asked for first: all that a dead program wrote is there to be read. */
    int is_alive = mc_procfs_alive(&s->procfs, began_ns);
    s->reads_all = !is_alive;
    s->tick_ns = began_ns;
    int code = read_segment(s);
    if (code)
        return failed(s, code);
    note_beat(s);
    if (s->was_dead_at_open)
        now = last_moment(s, now);
    int is_last = !is_alive || s->attach.live.ended;
    int64_t ts = frame_ts(s, now);
    if (is_alive)
        mc_procfs_read(&s->procfs, began_ns);
    code = make_frame(s, ts, late_ns, is_last);
    if (code)
        return failed(s, code);
    s->last_ts = ts;
    s->has_ticked = 1;
    s->tick_cost_ns = mc_pub_clock_mono() - began_ns;
    *out = &s->frame;
    return is_last ? MC_END : 0;
}
