/* test_tracer_hostile.c: segments that are cut off, zeroed or filled with noise, also while they
 * are being read: one line, never a crash.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"
#include "tracer/segment.h"

#define SEGMENT_BYTES (2u << 20)

static uint64_t random_state = 1;

static uint64_t random_next(void) /* splitmix64 */
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A tracer with something of every kind in it. */
static int open_full(struct fixture *f)
{
    struct mc_options opts = {.segment_bytes = SEGMENT_BYTES,
                              .thread_count = 2,
                              .ring_events = 64,
                              .string_count = 20,
                              .peer_count = 20};
    int code = fixture_open(f, &opts);
    if (code)
        return code;
    struct mc_slab *slab = mc_slab_register(f->tracer, "bufs", 100, 3000);
    struct mc_slab *states =
        mc_slab_register_flags(f->tracer, "cells", 16, 70000, MC_SLAB_STATES_ONLY);
    struct mc_histogram *histogram = mc_histogram_register(f->tracer, "latency", "ns");
    struct mc_heap *heap = mc_heap_register(f->tracer, "heap", 1 << 20);
    uint32_t owner = mc_string_id(f->tracer, "app");
    mc_arena_set(mc_arena_register(f->tracer, "arena", 1000), 10);
    mc_counter_add(mc_counter_register(f->tracer, "counter", "count"), 10);
    mc_gauge_set(mc_gauge_register(f->tracer, "gauge", "count"), 10);
    mc_heap_collected(heap, "minor", 1000, 10, 5);
    mc_slab_state_name(slab, 'x', "something");
    for (uint32_t i = 0; i < 200; i++) {
        struct mc_response r = {owner, owner, 200, 1, 2, i * 1000, 4};
        mc_slot_set(slab, i * 7, MC_SLOT_ACTIVE, owner, i);
        mc_slot_set(states, i * 31, 'p', 0, 0);
        mc_histogram_record(histogram, i * i);
        mc_event_accept_on(f->tracer, i + 1, owner, "10.0.0.1:1");
        mc_event_response(f->tracer, i + 1, 1, &r);
    }
    return 0;
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        return NULL;
    uint8_t *content = malloc((size_t)st.st_size);
    ssize_t got = content ? read(fd, content, (size_t)st.st_size) : -1;
    close(fd);
    *bytes = (size_t)got;
    return got > 0 ? content : NULL;
}

static void write_file(const char *path, const void *content, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, content, bytes) != (ssize_t)bytes)
        perror(path);
    close(fd);
}

/* All that a frame promises, whatever the segment held. */
static int frame_is_sound(const struct mc_frame *frame)
{
    const struct mc_schema *schema = frame->schema;
    for (uint32_t m = 0; m < schema->map_count; m++) {
        for (uint32_t i = 0; i < frame->maps[m].slot_count; i++) {
            if (!mc_segment_state_ok(frame->maps[m].states[i]))
                return 0;
        }
    }
    for (size_t i = 0; i < frame->change_count; i++) {
        const struct mc_slot_change *c = &frame->changes[i];
        if (c->map_idx >= schema->map_count || c->slot_idx >= frame->maps[c->map_idx].slot_count ||
            c->owner >= schema->string_count)
            return 0;
    }
    for (size_t i = 0; i < frame->event_count; i++) {
        const struct mc_event *e = &frame->events[i];
        if (e->type >= MC_EVENT_COUNT || e->ts < 0 || e->ts > frame->ts ||
            (i && e->ts < frame->events[i - 1].ts) || e->detail >= schema->string_count ||
            e->method >= schema->string_count || e->bytes_in > INT64_MAX)
            return 0;
    }
    for (size_t i = 0; i < frame->bucket_count; i++) {
        if (frame->buckets[i].bucket_idx >= MC_BUCKET_COUNT ||
            frame->buckets[i].source_idx >= schema->source_count)
            return 0;
    }
    return 1;
}

/* Open and sample; the number of frames that came, -1 when something was not as it should be. */
static int sample(const char *path)
{
    struct mc_sampler *s = NULL;
    const struct mc_frame *frame;
    char why[256] = "";
    int frames = 0;
    int64_t ts = -1;
    int code = mc_sampler_open(path, NULL, &s, why, sizeof why);
    if (code)
        return *why && !strchr(why, '\n') ? 0 : -1;
    for (int i = 0; i < 3; i++) {
        mc_sampler_drain(s);
        code = mc_sampler_tick(s, 0, &frame);
        if (code < 0) {
            const char *line = mc_sampler_why(s);
            frames = *line && !strchr(line, '\n') ? frames : -1;
            break;
        }
        if (!frame_is_sound(frame) || frame->ts <= ts) {
            frames = -1;
            break;
        }
        ts = frame->ts;
        frames++;
    }
    mc_sampler_close(s);
    return frames;
}

static void cut_off_anywhere(void)
{
    struct fixture f;
    size_t bytes;
    char copy[700];
    CHECK(open_full(&f) == 0);
    snprintf(copy, sizeof copy, "%s/copy.seg", f.dir);
    uint8_t *content = read_file(f.path, &bytes);
    CHECK(content && bytes == SEGMENT_BYTES);
    write_file(copy, content, bytes);
    CHECK_INT(sample(copy), 3);
    for (size_t keep = 0; keep < bytes; keep += keep < 8192 ? 129 : 60001) {
        write_file(copy, content, keep);
        CHECK_INT(sample(copy), 0);
    }
    free(content);
    fixture_close(&f);
}

/* Zeroes or noise over a part of a good segment, and over all of it. */
static void scribbled_anywhere(void)
{
    struct fixture f;
    size_t bytes;
    char copy[700];
    int with_frames = 0;
    CHECK(open_full(&f) == 0);
    snprintf(copy, sizeof copy, "%s/copy.seg", f.dir);
    uint8_t *content = read_file(f.path, &bytes);
    uint8_t *work = malloc(bytes);
    for (unsigned round = 0; round < 400; round++) {
        size_t part = round % 3 == 0 ? 8 : round % 3 == 1 ? 256 : 8192;
        size_t at = random_next() % (round % 2 ? bytes : 1100000) / 8 * 8;
        memcpy(work, content, bytes);
        for (size_t i = at; i < bytes && i < at + part; i++)
            work[i] = round % 5 == 0 ? 0 : (uint8_t)random_next();
        write_file(copy, work, bytes);
        int frames = sample(copy);
        CHECK(frames >= 0);
        with_frames += frames > 0;
    }
    CHECK(with_frames > 100); /* or nothing was tested but the head */
    /* Noise behind a good head, and in every word that counts something. */
    for (unsigned round = 0; round < 60; round++) {
        memcpy(work, content, bytes);
        for (size_t i = 1024; i < bytes; i += 8) {
            uint64_t noise = random_next();
            if (round < 10 || noise % (round * 40) == 0)
                memcpy(work + i, &noise, 8);
        }
        write_file(copy, work, bytes);
        CHECK(sample(copy) >= 0);
    }
    memset(work, 0, bytes);
    write_file(copy, work, bytes);
    CHECK_INT(sample(copy), 0);
    free(work);
    free(content);
    fixture_close(&f);
}

struct vandal {
    const char *path;
    unsigned how;
    atomic_int stop;
};

static void *spoil(void *arg)
{
    struct vandal *v = arg;
    int fd = open(v->path, O_RDWR);
    uint8_t noise[4096];
    while (fd >= 0 && !atomic_load(&v->stop)) {
        off_t at = (off_t)(random_next() % SEGMENT_BYTES / 4096 * 4096);
        if (v->how == 0) {
            if (ftruncate(fd, at) != 0 || ftruncate(fd, SEGMENT_BYTES) != 0)
                break;
        } else {
            for (size_t i = 0; i < sizeof noise; i++)
                noise[i] = v->how == 1 ? 0 : (uint8_t)random_next();
            if (pwrite(fd, noise, sizeof noise, at < 4096 ? 4096 : at) < 0)
                break;
        }
        usleep(50);
    }
    close(fd);
    return NULL;
}

static void spoiled_while_being_read(void)
{
    for (unsigned how = 0; how < 3; how++) {
        struct fixture f;
        size_t bytes;
        char copy[700];
        CHECK(open_full(&f) == 0);
        snprintf(copy, sizeof copy, "%s/copy.seg", f.dir);
        uint8_t *content = read_file(f.path, &bytes);
        for (int round = 0; round < 15; round++) {
            struct vandal v = {.path = copy, .how = how};
            struct mc_sampler *s;
            const struct mc_frame *frame;
            pthread_t thread;
            write_file(copy, content, bytes);
            CHECK_INT(mc_sampler_open(copy, NULL, &s, NULL, 0), 0);
            pthread_create(&thread, NULL, spoil, &v);
            for (int i = 0; i < 200; i++) {
                int code = mc_sampler_tick(s, 0, &frame);
                CHECK(code >= 0 ? frame_is_sound(frame) : *mc_sampler_why(s) != 0);
                if (code < 0)
                    break;
            }
            atomic_store(&v.stop, 1);
            pthread_join(thread, NULL);
            mc_sampler_close(s);
        }
        free(content);
        fixture_close(&f);
    }
}

/* The other way round: a scribbled segment does the program no harm. */
static void the_program_goes_on_over_noise(void)
{
    struct fixture f;
    CHECK(open_full(&f) == 0);
    struct mc_slab *slab = mc_slab_register(f.tracer, "late", 10, 500);
    struct mc_histogram *histogram = mc_histogram_register(f.tracer, "late2", "ns");
    int fd = open(f.path, O_RDWR);
    uint8_t *mapped = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED);
    for (size_t i = 0; i < SEGMENT_BYTES; i++)
        mapped[i] = (uint8_t)random_next();
    for (uint32_t i = 0; i < 10000; i++) {
        mc_slot_set(slab, i % 500, i % 3 ? 'A' : '.', i, i);
        mc_histogram_record(histogram, i);
        mc_event_accept(f.tracer, i, "10.0.0.9:99");
        mc_tracer_beat(f.tracer);
    }
    char name[32];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "string %u", i);
        mc_string_id(f.tracer, name);
        mc_gauge_set(mc_gauge_register(f.tracer, name, "x"), 1);
    }
    munmap(mapped, SEGMENT_BYTES);
    close(fd);
    fixture_close(&f);
}

int main(void)
{
    RUN(cut_off_anywhere);
    RUN(scribbled_anywhere);
    RUN(spoiled_while_being_read);
    RUN(the_program_goes_on_over_noise);
    return CHECK_DONE();
}
