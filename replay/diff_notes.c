/* diff_notes.c: what limits an answer: unfinished, damaged or holed runs, other intervals, other
 * pools, other builds. Said in words, so that no number stands for more than it is.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"

#define BUSY_NS 5000000

static void note_run(struct mc_diff *d, const struct mc_run_measures *m)
{
    struct mc_buf name = {0};
    mc_diff_run_name(m, &name);
    mc_buf_add_char(&name, 0);
    const char *who = name.failed ? "a run" : (const char *)name.bytes;
    if (!m->info.exit)
        mc_diff_note(d, "%s: %s", who,
                     m->info.live ? "is still being recorded: it is compared as far as it goes"
                                  : "is unfinished: the recorder stopped before the run's end");
    if (m->damaged_count)
        mc_diff_note(d, "%s: %llu damaged parts were passed over (memcam check %s tells which)",
                     who, (unsigned long long)m->damaged_count, m->path);
    if (m->gap_ns > 0)
        mc_diff_note(d, "%s: %.1f s of %.1f s are gaps; nothing is filled in for them", who,
                     (double)m->gap_ns / 1e9, (double)(m->to - m->from) / 1e9);
    if (m->lost_count)
        mc_diff_note(d,
                     "%s: %llu events were lost; routes, collections and connections count "
                     "without them",
                     who, (unsigned long long)m->lost_count);
    if (m->silent_ns > 0)
        mc_diff_note(d,
                     "%s: %.1f s without frames that no gap explains: the machine slept or its "
                     "clock jumped",
                     who, (double)m->silent_ns / 1e9);
    if (m->late_ns >= BUSY_NS)
        mc_diff_note(d,
                     "%s: the machine was busy: one sample in ten came more than %.0f ms late, and "
                     "the program will have waited as long",
                     who, (double)m->late_ns / 1e6);
    if (!m->is_exact)
        mc_diff_note(d,
                     "%s: measured by its minutes' summaries; p50 and p99 are of minutes' means, "
                     "and latencies, pauses and closes of %.1f %% of the span (--exact reads "
                     "every frame)",
                     who, 100 * m->sampled_event_part);
    if (m->bin_count < 8)
        mc_diff_note(d, "%s: only %llu frames: too short for intervals", who,
                     (unsigned long long)m->frame_count);
    mc_buf_fini(&name);
}

static const struct mc_measured_pool *pool_named(const struct mc_run_measures *m, const char *name)
{
    for (size_t i = 0; i < m->pool_count; i++)
        if (strcmp(m->pools[i].name, name) == 0)
            return &m->pools[i];
    return NULL;
}

/* How a run was set up otherwise than the one named `than`. */
static void note_setup(struct mc_diff *d, const char *who, const struct mc_run_measures *m,
                       const char *than, const struct mc_run_measures *first)
{
    if (m->info.interval_ns != first->info.interval_ns)
        mc_diff_note(d,
                     "%s: sampled every %g ms, %s every %g ms: max, p99 and times above a level "
                     "see other things",
                     who, (double)m->info.interval_ns / 1e6, than,
                     (double)first->info.interval_ns / 1e6);
    for (size_t i = 0; i < first->pool_count; i++) {
        const struct mc_measured_pool *a = &first->pools[i], *b = pool_named(m, a->name);
        if (b && b->slot_count != a->slot_count)
            mc_diff_note(d,
                         "%s: pool %s has %u slots, %s %u: their maps can't be laid over each "
                         "other",
                         who, a->name, b->slot_count, than, a->slot_count);
        if (b && b->slot_bytes != a->slot_bytes)
            mc_diff_note(d, "%s: pool %s has slots of %llu bytes, %s of %llu", who, a->name,
                         (unsigned long long)b->slot_bytes, than,
                         (unsigned long long)a->slot_bytes);
    }
}

/* Runs of a side that are not set up like its first one. */
static void note_mixed(struct mc_diff *d, size_t side)
{
    for (size_t i = 1; i < d->sides[side].run_count; i++) {
        struct mc_buf name = {0};
        mc_diff_run_name(&d->sides[side].runs[i], &name);
        mc_buf_add_char(&name, 0);
        note_setup(d, name.failed ? "a run" : (const char *)name.bytes, &d->sides[side].runs[i],
                   side ? "side B's first run" : "side A's first run", &d->sides[side].runs[0]);
        mc_buf_fini(&name);
    }
}

static int source_bytes(const char *key)
{
    const char *last = strrchr(key, '/');
    return (int)(last - key);
}

static int has_source(const struct mc_diff_side *side, const char *key, int bytes)
{
    for (size_t i = 0; i < side->run_count; i++)
        for (size_t k = 0; k < side->runs[i].measure_count; k++)
            if (source_bytes(side->runs[i].measures[k].key) == bytes &&
                memcmp(side->runs[i].measures[k].key, key, (size_t)bytes) == 0)
                return 1;
    return 0;
}

/* Sources that only this side has, in one line. */
static void note_only(struct mc_diff *d, size_t side)
{
    struct mc_buf list = {0};
    size_t count = 0;
    const char *last = "";
    int last_bytes = 0;
    const struct mc_run_measures *m = &d->sides[side].runs[0];
    for (size_t k = 0; k < m->measure_count; k++) {
        const char *key = m->measures[k].key;
        int bytes = source_bytes(key);
        if (bytes == last_bytes && memcmp(key, last, (size_t)bytes) == 0)
            continue;
        last = key;
        last_bytes = bytes;
        if (has_source(&d->sides[1 - side], key, bytes))
            continue;
        if (count++ < 8)
            mc_buf_printf(&list, "%s%.*s", count > 1 ? ", " : "", bytes, key);
    }
    if (count > 8)
        mc_buf_printf(&list, " and %zu more", count - 8);
    mc_buf_add_char(&list, 0);
    if (count && !list.failed)
        mc_diff_note(d, "only side %c has: %s", side ? 'B' : 'A', (const char *)list.bytes);
    mc_buf_fini(&list);
}

static void note_text(struct mc_diff *d, const char *what, const char *a, const char *b)
{
    a = a ? a : "";
    b = b ? b : "";
    if (strcmp(a, b) != 0)
        mc_diff_note(d, "%s: A %s, B %s", what, a[0] ? a : "(none)", b[0] ? b : "(none)");
}

void mc_diff_notes(struct mc_diff *d)
{
    const struct mc_run_measures *first = &d->sides[0].runs[0], *other = &d->sides[1].runs[0];
    note_text(d, "program", first->info.program, other->info.program);
    note_text(d, "build", first->info.build, other->info.build);
    note_text(d, "host", first->info.host, other->info.host);
    note_text(d, "recording", first->info.config, other->info.config);
    note_setup(d, "side B", other, "side A", first);
    d->setup_count = d->note_count;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < d->sides[s].run_count; i++)
            note_run(d, &d->sides[s].runs[i]);
        note_mixed(d, s);
    }
    note_only(d, 0);
    note_only(d, 1);
    double a = (double)(first->to - first->from), b = (double)(other->to - other->from);
    if (a > 2 * b || b > 2 * a)
        mc_diff_note(d,
                     "the spans are %.1f s and %.1f s long: a max of the longer one has seen more",
                     a / 1e9, b / 1e9);
}
