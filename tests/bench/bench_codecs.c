/* bench_codecs.c: what a recorded run costs in our encoding and in others, on the same frames.
 *
 * Usage: bench_codecs FILE [RUN [FRAMES]]: the run (default 1) of a trace, or its first frames.
 * Output: name, value, unit.
 * The candidates are the files codec_*.c. Retention, marks and SQLite's pages are not counted
 * ("store/file" in bench_store.c has them); a chunk's head and summary are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/trace.h"
#include "tests/bench/codec.h"

#define TOO_FEW 1000 /* events or slot changes: a figure for each would tell nothing */

static const char ours[] = "memcam";

void codec_add(struct codec_bench *b, enum codec_what what, const char *name, double bytes,
               double seconds)
{
    uint32_t i = 0;
    while (i < b->sum_count && (b->sums[i].what != what || b->sums[i].name != name))
        i++;
    if (i == sizeof b->sums / sizeof b->sums[0])
        return;
    if (i == b->sum_count)
        b->sums[b->sum_count++] = (struct codec_sum){what, name, 0, 0};
    b->sums[i].bytes += bytes;
    b->sums[i].seconds += seconds;
}

size_t codec_zstd(struct codec_bench *b, const struct mc_buf *raw)
{
    struct mc_buf packed = {0};
    if (raw->count)
        mc_pack(b->packer, raw->bytes, raw->count, &packed);
    size_t count = packed.count;
    mc_buf_fini(&packed);
    return count;
}

static const char *part_name(uint32_t number)
{
    static char name[40];
    if (number >= MC_PART_EVENTS)
        return "events";
    if (number >= MC_PART_NUMBERS) {
        snprintf(name, sizeof name, "numbers of %s", mc_kind_name((int)number - MC_PART_NUMBERS));
        return name;
    }
    return number == MC_PART_MAPS          ? "maps"
           : number == MC_PART_FOLLOWS     ? "buckets"
           : number == MC_PART_EVENT_INDEX ? "event index"
                                           : "frames";
}

/* Bytes of our parts over the run, by number. */
static double part_bytes[MC_PART_COUNT];

static void take_ours(struct codec_bench *b)
{
    struct codec_chunk *c = &b->chunk;
    struct mc_chunk_row row;
    struct mc_buf raw = {0};
    double began = codec_clock();
    if (mc_chunk_writer_end(&c->writer, 1, 1, &row) < 0)
        exit(1);
    c->encode_seconds += codec_clock() - began;
    const uint8_t *at = row.body.bytes;
    double heads = (double)(row.head.count + row.summary.count);
    codec_add(b, CODEC_ROWS, ours, heads, c->encode_seconds);
    codec_add(b, CODEC_ROWS, "memcam, without events", heads, 0);
    for (uint32_t i = 0; i < row.info.part_count; i++) {
        const struct mc_chunk_part *p = &row.info.parts[i];
        if (mc_unpack(b->packer, at, p->stored_bytes, p->raw_bytes, &raw) < 0)
            exit(1);
        double stored = (double)p->stored_bytes;
        uint32_t n = codec_is_maps(p->number)     ? MC_PART_MAPS
                     : p->number < MC_PART_EVENTS ? p->number
                                                  : MC_PART_EVENTS;
        part_bytes[n] += stored;
        codec_add(b, CODEC_ROWS, ours, stored, 0);
        if (n < MC_PART_EVENTS)
            codec_add(b, CODEC_ROWS, "memcam, without events", stored, 0);
        if (n != MC_PART_FOLLOWS && n != MC_PART_EVENT_INDEX)
            codec_add(b,
                      n == MC_PART_MAPS     ? CODEC_CHANGES
                      : n >= MC_PART_EVENTS ? CODEC_EVENTS
                                            : CODEC_VALUES,
                      ours, stored, 0);
        codec_range(b, p->number, &raw);
        at += p->stored_bytes;
    }
    mc_buf_fini(&raw);
    mc_chunk_row_fini(&row);
}

static void take_chunk(struct codec_bench *b)
{
    struct codec_chunk *c = &b->chunk;
    if (!c->frame_count)
        return;
    b->frames += c->frame_count;
    b->values += (uint64_t)c->frame_count * (c->schema->value_count + 1); /* and its time */
    b->changes += c->change_starts[c->frame_count];
    b->events += c->event_starts[c->frame_count];
    take_ours(b);
    codec_ftdc(b);
    codec_gorilla(b);
    codec_maps(b);
    codec_event_columns(b);
    codec_json(b);
    codec_table(b);
    codec_chunk_next(c);
}

static double number_of(const struct codec_bench *b, enum codec_what what)
{
    const uint64_t numbers[] = {b->values, b->changes, b->events, b->frames};
    return (double)(numbers[what] ? numbers[what] : 1);
}

static double bytes_of(const struct codec_bench *b, enum codec_what what, const char *name)
{
    for (uint32_t i = 0; i < b->sum_count; i++) {
        if (b->sums[i].what == what && strcmp(b->sums[i].name, name) == 0)
            return b->sums[i].bytes;
    }
    return 0;
}

/* How far it is and what has come out so far, as a line on stderr. */
static void tell_progress(const struct codec_bench *b, double seconds, double of_seconds)
{
    static const char *const whats[] = {"value", "change", "event"};
    static const char *const peers[] = {"FTDC, 300 samples, zlib",
                                        "an adaptive range coder on the store's columns",
                                        "an adaptive range coder on the store's columns"};
    fprintf(stderr, "bench_codecs: %.0f of %.0f s", seconds, of_seconds);
    for (int what = CODEC_VALUES; what <= CODEC_EVENTS; what++) {
        double n = number_of(b, (enum codec_what)what);
        fprintf(stderr, ", a %s %.4f (%s %.4f)", whats[what],
                bytes_of(b, (enum codec_what)what, ours) / n,
                what == CODEC_VALUES ? "FTDC" : "range",
                bytes_of(b, (enum codec_what)what, peers[what]) / n);
    }
    fputc('\n', stderr);
}

static void print(const char *name, double value, const char *unit)
{
    printf("codecs/%s\t%.4g\t%s\n", name, value, unit);
}

static void print_ratio(const struct codec_bench *b, enum codec_what what, const char *what_name,
                        const char *peer)
{
    char name[120];
    double theirs = bytes_of(b, what, peer);
    snprintf(name, sizeof name, "%s: memcam / %s", what_name, peer);
    if (theirs > 0 && number_of(b, what) >= TOO_FEW)
        print(name, bytes_of(b, what, ours) / theirs, "times");
}

static void print_all(const struct codec_bench *b)
{
    static const char *const whats[] = {"values", "changes", "events", "frames"};
    static const char *const units[] = {"bytes per value", "bytes per change", "bytes per event",
                                        "bytes per frame"};
    print("frames", (double)b->frames, "");
    print("values per frame", (double)b->values / (double)b->frames, "");
    print("slot changes per frame", (double)b->changes / (double)b->frames, "");
    print("events per frame", (double)b->events / (double)b->frames, "");
    for (int what = 0; what < CODEC_WHAT_COUNT; what++) {
        if (number_of(b, (enum codec_what)what) < TOO_FEW)
            continue;
        for (uint32_t i = 0; i < b->sum_count; i++) {
            char name[120];
            if ((int)b->sums[i].what != what)
                continue;
            snprintf(name, sizeof name, "%s: %s", whats[what], b->sums[i].name);
            print(name, b->sums[i].bytes / number_of(b, (enum codec_what)what), units[what]);
        }
    }
    for (uint32_t n = 0; n < MC_PART_COUNT; n++) {
        char name[120];
        snprintf(name, sizeof name, "memcam's %s", part_name(n));
        if (part_bytes[n] > 0)
            print(name, part_bytes[n] / (double)b->frames, "bytes per frame");
    }
    for (int kind = 0; kind < MC_KIND_COUNT; kind++) {
        for (uint32_t i = 0; i < mc_kind_field_count(kind); i++) {
            char name[120];
            snprintf(name, sizeof name, "a range coder's %s.%s", mc_kind_name(kind),
                     mc_kind_field_name(kind, i));
            if (b->field_bytes[kind][i] >= 0.05 * (double)b->frames)
                print(name, b->field_bytes[kind][i] / (double)b->frames, "bytes per frame");
        }
    }
    static const char range[] = "an adaptive range coder on the store's columns";
    print_ratio(b, CODEC_VALUES, "values", "FTDC, 300 samples, zlib");
    print_ratio(b, CODEC_VALUES, "values", "FTDC, 600 samples, zstd-3");
    print_ratio(b, CODEC_VALUES, "values", range);
    print_ratio(b, CODEC_CHANGES, "changes", range);
    print_ratio(b, CODEC_EVENTS, "events", range);
    print("frames: JSON with hex bitmaps / memcam, without events",
          bytes_of(b, CODEC_ROWS, "JSON with hex bitmaps, without events") /
              bytes_of(b, CODEC_ROWS, "memcam, without events"),
          "times");
    print("frames: JSON / memcam", bytes_of(b, CODEC_ROWS, "JSON") / bytes_of(b, CODEC_ROWS, ours),
          "times");
    for (uint32_t i = 0; i < b->sum_count; i++) {
        char name[120];
        snprintf(name, sizeof name, "encoding: %s", b->sums[i].name);
        if (b->sums[i].seconds > 0 && b->sums[i].what != CODEC_EVENTS &&
            b->sums[i].what != CODEC_CHANGES)
            print(name, b->sums[i].seconds * 1e6 / (double)b->frames, "us CPU per frame");
    }
}

int main(int argc, char **argv)
{
    static struct codec_bench b;
    struct mc_reader *r;
    struct mc_cursor *cursor;
    const struct mc_frame *f;
    char why[200] = "";
    int64_t run_id = argc > 2 ? strtoll(argv[2], NULL, 10) : 1;
    uint64_t most = argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_codecs FILE [RUN [FRAMES]]\n");
        return 2;
    }
    if (mc_packer_new(&b.packer) < 0 ||
        mc_chunk_writer_init(&b.chunk.writer, CODEC_FRAMES, b.packer) < 0 ||
        mc_reader_open(argv[1], &r, why, sizeof why) < 0 ||
        mc_cursor_open(r, run_id, &cursor) < 0) {
        fprintf(stderr, "bench_codecs: %s: %s\n", argv[1], why);
        return 1;
    }
    int64_t first_ts = 0, last_ts = 0;
    if (mc_reader_span(r, run_id, &first_ts, &last_ts) < 0)
        return 1;
    b.chunk.writer.has_index = 1;
    codec_table_begin(&b);
    int rc = mc_cursor_seek(cursor, INT64_MIN, &f);
    for (; rc == 0 && b.frames + b.chunk.frame_count < most; rc = mc_cursor_next(cursor, &f)) {
        if (codec_chunk_add(&b.chunk, f) < 0)
            return 1;
        /* The schema is the frame's, which ends with the next call. */
        if (mc_chunk_writer_full(&b.chunk.writer, f->schema->value_count)) {
            double at = (double)(f->ts - first_ts) / 1e9;
            take_chunk(&b);
            tell_progress(&b, at, (double)(last_ts - first_ts) / 1e9);
        }
    }
    take_chunk(&b);
    codec_table_end(&b);
    print_all(&b);
    codec_chunk_fini(&b.chunk);
    mc_packer_free(b.packer);
    mc_cursor_close(cursor);
    mc_reader_close(r);
    return 0;
}
