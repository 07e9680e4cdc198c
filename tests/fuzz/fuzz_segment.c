/* fuzz_segment.c: libFuzzer target: any bytes as a segment.
 *
 * The input is a list of patches on a small good segment, so that the fuzzer does not spend its
 * life on the magic: each is an offset (4 bytes), a length (1 byte) and that many bytes. A first
 * byte of 0 means instead that the rest is the whole file; an even one that the damage comes after
 * a first look.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tracer_fixture.h"
#include "tracer/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define SEGMENT_BYTES (2u << 20)

static uint8_t *good; /* a segment with something of every kind */

static void fill(struct mc_tracer *t)
{
    struct mc_slab *slab = mc_slab_register(t, "bufs", 100, 100);
    struct mc_histogram *histogram = mc_histogram_register(t, "latency", "ns");
    struct mc_heap *heap = mc_heap_register(t, "heap", 1 << 20);
    uint32_t owner = mc_string_id(t, "app");
    mc_slab_state_name(slab, 'x', "something");
    mc_slab_register_flags(t, "cells", 16, 500, MC_SLAB_STATES_ONLY);
    mc_arena_register(t, "arena", 1000);
    mc_counter_register(t, "counter", "count");
    mc_gauge_register(t, "gauge", "count");
    mc_heap_collected(heap, "minor", 1000, 10, 5);
    for (uint32_t i = 0; i < 20; i++) {
        struct mc_response r = {owner, owner, 200, 1, 2, i * 1000, 4};
        mc_slot_set(slab, i, MC_SLOT_ACTIVE, owner, i);
        mc_histogram_record(histogram, i * i);
        mc_event_accept_on(t, i + 1, owner, "10.0.0.1:1");
        mc_event_response(t, i + 1, 1, &r);
    }
}

static void make_good(void)
{
    struct fixture f;
    struct mc_options opts = {.segment_bytes = SEGMENT_BYTES,
                              .thread_count = 2,
                              .ring_events = 64,
                              .string_count = 20,
                              .peer_count = 20};
    good = malloc(SEGMENT_BYTES);
    if (!good || fixture_open(&f, &opts) != 0)
        abort();
    fill(f.tracer);
    int fd = open(f.path, O_RDONLY);
    if (read(fd, good, SEGMENT_BYTES) != (ssize_t)SEGMENT_BYTES)
        abort();
    close(fd);
    fixture_close(&f);
}

/* Overwrite parts of the segment behind `fd` as the input says; or, with is_undo, write back what
 * the good one has there. */
static void patch(int fd, const uint8_t *data, size_t bytes, int is_undo)
{
    while (bytes > 5) {
        uint32_t at;
        memcpy(&at, data, 4);
        at %= SEGMENT_BYTES - 256;
        size_t count = data[4];
        data += 5;
        bytes -= 5;
        count = count < bytes ? count : bytes;
        if (pwrite(fd, is_undo ? good + at : data, count, at) < 0)
            abort();
        data += count;
        bytes -= count;
    }
}

static int new_file(const void *content, size_t bytes)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    if (fd < 0 || (bytes && write(fd, content, bytes) != (ssize_t)bytes))
        abort();
    return fd;
}

/* Look three times; with late damage, the first look is at the good segment. */
static void look(int fd, const uint8_t *late_damage, size_t bytes)
{
    char path[64];
    struct mc_sampler *s;
    const struct mc_frame *frame;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (mc_sampler_open(path, NULL, &s, NULL, 0) != 0)
        return;
    mc_sampler_tick(s, 0, &frame);
    if (late_damage)
        patch(fd, late_damage, bytes, 0);
    mc_sampler_drain(s);
    mc_sampler_tick(s, 0, &frame);
    mc_sampler_tick(s, 0, &frame);
    mc_sampler_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int good_fd = -1;
    if (!good) {
        make_good();
        good_fd = new_file(good, SEGMENT_BYTES);
    }
    if (bytes == 0)
        return 0;
    if (data[0] == 0) {
        int fd = new_file(data + 1, bytes - 1);
        look(fd, NULL, 0);
        close(fd);
        return 0;
    }
    int is_late = !(data[0] & 1);
    if (!is_late)
        patch(good_fd, data + 1, bytes - 1, 0);
    look(good_fd, is_late ? data + 1 : NULL, bytes - 1);
    patch(good_fd, data + 1, bytes - 1, 1);
    return 0;
}
