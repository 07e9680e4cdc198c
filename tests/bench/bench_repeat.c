/* bench_repeat.c: makes a long trace of a short one: the frames of a recorded run over and over, as
 * fast as they can be written. Totals go on where they were, as do the maps.
 * Usage: bench_repeat FILE SECONDS RECORDED [RUN]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/run_scan_priv.h"
#include "store/trace.h"
#include "tracer/error.h"

#define TICK_NS INT64_C(100000000)

/* What a value has grown by in the rounds before. */
struct total {
    uint32_t value_idx;
    int64_t first, newest, base;
};

struct repeat {
    struct mc_cursor *cursor;
    struct mc_schema schema; /* borrowed arrays: the run's whole */
    struct mc_writer *writer;
    int64_t ts, first_ts;
    struct total *totals; /* owned; in pairs that grow alike */
    size_t total_count;
    struct mc_map *maps; /* owned; as the newest frame left them */
    int64_t *values;     /* owned */
    struct mc_buf changes, events, gaps;
};

/* Pairs of totals of which one less the other is a number of its own: used = allocs - frees. */
static const struct {
    int kind;
    uint32_t fields[2];
} pairs[] = {
    {MC_KIND_SLAB, {MC_FIELD(SLAB, ALLOCS), MC_FIELD(SLAB, FREES)}},
    {MC_KIND_CONNECTIONS, {MC_FIELD(CONNECTIONS, ACCEPTED), MC_FIELD(CONNECTIONS, CLOSED)}},
    {MC_KIND_OWNER, {MC_FIELD(OWNER, ACCEPTED), MC_FIELD(OWNER, CLOSED)}},
};
static void fail(const char *what, int rc)
{
    fprintf(stderr, "bench_repeat: %s: %s\n", what, mc_strerror(rc));
    exit(3);
}

static void add_total(struct repeat *x, uint32_t value_idx)
{
    x->totals[x->total_count++] = (struct total){value_idx, 0, 0, 0};
}

static int is_paired(int kind, uint32_t field)
{
    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
        if (pairs[p].kind == kind && (pairs[p].fields[0] == field || pairs[p].fields[1] == field))
            return 1;
    }
    return 0;
}

/* The totals of the schema: pairs first. Returns how many of them stand in pairs. */
static size_t list_totals(struct repeat *x)
{
    x->totals = calloc(x->schema.value_count + 1, sizeof *x->totals);
    if (!x->totals)
        fail("totals", MC_ENOMEM);
    for (uint32_t s = 0; s < x->schema.source_count; s++) {
        for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
            if (pairs[p].kind != x->schema.sources[s].kind)
                continue;
            for (int i = 0; i < 2; i++)
                add_total(x, x->schema.sources[s].value_idx + pairs[p].fields[i]);
        }
    }
    size_t paired = x->total_count;
    for (uint32_t s = 0; s < x->schema.source_count; s++) {
        const struct mc_source *source = &x->schema.sources[s];
        for (uint32_t field = 0; field < source->value_count; field++) {
            if (mc_field_counts_up(source->kind, field) && !is_paired(source->kind, field))
                add_total(x, source->value_idx + field);
        }
    }
    return paired;
}

/* A round is over: what it grew by is in the next one's numbers from the start. */
static void end_round(struct repeat *x, size_t paired)
{
    for (size_t i = 0; i < x->total_count; i++) {
        struct total *t = &x->totals[i];
        int64_t grown = t->newest - t->first;
        if (i < paired) {
            struct total *other = &x->totals[i ^ 1];
            int64_t others = other->newest - other->first;
            grown = others > grown ? others : grown;
        }
        t->base += grown > 0 ? grown : 0;
    }
}

static void take_values(struct repeat *x, const struct mc_frame *f, int is_first)
{
    memcpy(x->values, f->values, x->schema.value_count * sizeof *x->values);
    for (size_t i = 0; i < x->total_count; i++) {
        struct total *t = &x->totals[i];
        if (f->values[t->value_idx] == MC_VALUE_NONE)
            continue;
        t->newest = f->values[t->value_idx];
        if (is_first)
            t->first = t->newest;
        x->values[t->value_idx] = t->newest + t->base;
    }
}

/* From the maps of the last round's end to those of this round's begin. */
static void join_maps(struct repeat *x, const struct mc_frame *f)
{
    for (uint32_t m = 0; m < x->schema.map_count; m++) {
        const struct mc_map *to = &f->maps[m];
        struct mc_map *at = &x->maps[m];
        for (uint32_t i = 0; i < to->slot_count; i++) {
            uint16_t owner = to->owners ? to->owners[i] : 0;
            uint64_t conn = to->conns ? to->conns[i] : 0;
            if (at->states[i] == to->states[i] && (!at->owners || at->owners[i] == owner) &&
                (!at->conns || at->conns[i] == conn))
                continue;
            const struct mc_slot_change c = {m, i, at->states[i], to->states[i], owner, conn};
            mc_buf_add(&x->changes, &c, sizeof c);
        }
    }
}

static void keep_maps(struct repeat *x, const struct mc_frame *f)
{
    if (!x->maps)
        x->maps = calloc(x->schema.map_count + 1, sizeof *x->maps);
    for (uint32_t m = 0; x->maps && m < x->schema.map_count; m++) {
        const struct mc_map *from = &f->maps[m];
        struct mc_map *to = &x->maps[m];
        size_t n = from->slot_count;
        if (!to->states) {
            to->states = malloc(n + 1);
            to->owners = from->owners ? malloc((n + 1) * sizeof *to->owners) : NULL;
            to->conns = from->conns ? malloc((n + 1) * sizeof *to->conns) : NULL;
        }
        if (!to->states || (from->owners && (!to->owners || !to->conns)))
            fail("maps", MC_ENOMEM);
        memcpy(to->states, from->states, n);
        if (to->owners) {
            memcpy(to->owners, from->owners, n * sizeof *to->owners);
            memcpy(to->conns, from->conns, n * sizeof *to->conns);
        }
    }
    if (!x->maps)
        fail("maps", MC_ENOMEM);
}

/* One frame, moved to where the long run is. */
static void put_frame(struct repeat *x, const struct mc_frame *from, int joins, int is_first)
{
    struct mc_frame f = *from;
    int64_t shift = x->ts - from->ts;
    x->changes.count = x->events.count = x->gaps.count = 0;
    take_values(x, from, is_first);
    mc_buf_add(&x->events, from->events, from->event_count * sizeof *from->events);
    mc_buf_add(&x->gaps, from->gaps, from->gap_count * sizeof *from->gaps);
    struct mc_event *events = (struct mc_event *)(void *)x->events.bytes;
    for (size_t i = 0; i < f.event_count; i++)
        events[i].ts += shift;
    struct mc_gap *gaps = (struct mc_gap *)(void *)x->gaps.bytes;
    for (size_t i = 0; i < f.gap_count; i++)
        gaps[i].ts += shift;
    if (joins) {
        join_maps(x, from);
        f.changes = (const struct mc_slot_change *)(const void *)x->changes.bytes;
        f.change_count = x->changes.count / sizeof *f.changes;
    }
    f.ts = x->ts;
    f.schema = &x->schema;
    f.values = x->values;
    f.events = events;
    f.gaps = gaps;
    if (x->changes.failed || x->events.failed || x->gaps.failed)
        fail("frame", MC_ENOMEM);
    int rc = mc_writer_frame(x->writer, &f);
    if (rc)
        fail("mc_writer_frame", rc);
}

/* The first frame that has all sources. */
static int64_t whole_from(struct repeat *x)
{
    const struct mc_frame *f;
    int rc = mc_cursor_seek(x->cursor, INT64_MIN, &f);
    while (rc == 0 && f->schema->source_count < x->schema.source_count)
        rc = mc_cursor_next(x->cursor, &f);
    if (rc)
        fail("the recorded run", rc);
    return f->ts;
}

static void run_rounds(struct repeat *x, int64_t end_ts)
{
    size_t paired = list_totals(x);
    int64_t frames = 0;
    for (int64_t round = 0; x->ts < end_ts; round++) {
        const struct mc_frame *f;
        int rc = mc_cursor_seek(x->cursor, x->first_ts, &f);
        int64_t last_ts = rc == 0 ? f->ts - TICK_NS : 0;
        for (int is_first = 1; rc == 0 && x->ts < end_ts; is_first = 0) {
            x->ts += f->ts - last_ts;
            last_ts = f->ts;
            put_frame(x, f, is_first && round, is_first);
            if (++frames % 10 == 0 && mc_writer_flush(x->writer) < 0)
                fail("mc_writer_flush", MC_EIO);
            if (x->ts + TICK_NS < end_ts)
                keep_maps(x, f);
            rc = mc_cursor_next(x->cursor, &f);
        }
        if (rc && rc != MC_END)
            fail("the recorded run", rc);
        end_round(x, paired);
        fprintf(stderr, "bench_repeat: %.0f of %.0f s\n", (double)x->ts / 1e9,
                (double)end_ts / 1e9);
    }
}

int main(int argc, char **argv)
{
    static struct repeat x;
    static const struct mc_writer_options keep_all = {.keep_ns = INT64_MAX, .max_bytes = INT64_MAX};
    struct mc_reader *r, *of_schema; /* which lends what it said last */
    struct mc_run_info info;
    char why[256] = "";
    const struct mc_schema *schema;
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: bench_repeat FILE SECONDS RECORDED [RUN]\n");
        return 2;
    }
    int64_t run_id = argc > 4 ? atoll(argv[4]) : 1, new_id;
    int rc = mc_reader_open(argv[3], &r, why, sizeof why);
    if (rc == 0)
        rc = mc_reader_run(r, run_id, &info);
    if (rc == 0)
        rc = mc_cursor_open(r, run_id, &x.cursor);
    if (rc == 0)
        rc = mc_reader_open(argv[3], &of_schema, why, sizeof why);
    if (rc == 0)
        rc = mc_reader_schema(of_schema, run_id, INT64_MAX, &schema);
    if (rc == 0)
        rc = mc_writer_open(argv[1], &keep_all, &x.writer, why, sizeof why);
    if (rc == 0)
        rc = mc_writer_begin(x.writer, &info, &new_id);
    if (rc)
        fail(why[0] ? why : "open", rc);
    x.schema = *schema;
    x.values = malloc((x.schema.value_count + 1) * sizeof *x.values);
    x.first_ts = whole_from(&x);
    run_rounds(&x, (int64_t)(atof(argv[2]) * 1e9));
    mc_writer_end(x.writer, "exit 0");
    mc_writer_close(x.writer);
    mc_cursor_close(x.cursor);
    mc_reader_close(of_schema);
    mc_reader_close(r);
    return 0;
}
