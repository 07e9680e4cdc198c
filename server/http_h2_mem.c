/* http_h2_mem.c: memory for nghttp2's objects.
 *
 * Small ones (streams, frames that wait) come and go with each request: they come from free lists,
 * for with hundreds of streams open at once malloc's own caches overflow (6 % of a request's
 * instructions by callgrind, 8 connections of 32 streams). A session's frame buffer, 16 KB of which
 * the first page is used, is a mapping: malloc would give it the memory that TLS has just used and
 * given back, all of it touched (38 KB per idle connection; with this 28 KB).
 *
 * Owns:   free lists of each size up to MC_H2_SMALL_BYTES, one set per server.
 * Format: 16 bytes before each object: its size class, and for a mapping its size.
 * Never:  gives back while any is in use: what was in use at once is kept until no session is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/http_priv.h"
#include "server/poison.h"
#include "tracer/error.h"

#define STEP_BYTES 64u
#define CLASSES (MC_H2_SMALL_BYTES / STEP_BYTES)
#define BLOCK_BYTES 16384u
#define MAP_BYTES 16384u /* objects from that size on are mappings */

union head {
    struct {
        uint32_t class;     /* of class x STEP_BYTES, this head included; 0: none, it is malloc's */
        uint32_t map_bytes; /* 0: no mapping */
        uint64_t bytes;     /* in all, this head included */
    } used;
    union head *next; /* in a free list */
    uint8_t align[16];
};

struct block {
    struct block *next;
    uint64_t align;
    uint8_t bytes[BLOCK_BYTES - 16];
};

struct mc_h2_mem {
    nghttp2_mem calls;
    union head *free[CLASSES + 1]; /* by class */
    struct block *blocks;          /* owned; the first one has room behind `used` */
    size_t used_bytes;
    uint64_t in_use_count; /* objects of the blocks */
    uint64_t in_use_bytes; /* of all objects */
};

/* A piece of the newest block; NULL: no memory. What is left of an older one is lost. */
static union head *carve(struct mc_h2_mem *m, size_t bytes)
{
    if (!m->blocks || m->used_bytes + bytes > sizeof m->blocks->bytes) {
        struct block *b = malloc(sizeof *b);
        if (!b)
            return NULL;
        b->next = m->blocks;
        m->blocks = b;
        m->used_bytes = 0;
    }
    union head *piece = (union head *)(void *)(m->blocks->bytes + m->used_bytes);
    m->used_bytes += bytes;
    return piece;
}

static void *take(size_t bytes, void *arg)
{
    struct mc_h2_mem *m = arg;
    uint32_t class = 0, map_bytes = 0;
    union head *h;
    if (!MC_ASAN && bytes <= MC_H2_SMALL_BYTES - sizeof *h) { /* ASan is to see each object */
        class = (uint32_t)((bytes + sizeof *h + STEP_BYTES - 1) / STEP_BYTES);
        h = m->free[class];
        if (h)
            m->free[class] = h->next;
        else
            h = carve(m, class * STEP_BYTES);
    } else if (!MC_ASAN && bytes >= MAP_BYTES && bytes < UINT32_MAX - sizeof *h) {
        map_bytes = (uint32_t)(bytes + sizeof *h);
        h = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        h = h == MAP_FAILED ? NULL : h;
    } else {
        h = bytes < SIZE_MAX / 2 ? malloc(bytes + sizeof *h) : NULL;
    }
    if (!h)
        return NULL;
    h->used.class = class;
    h->used.map_bytes = map_bytes;
    h->used.bytes = class ? class * STEP_BYTES : bytes + sizeof *h;
    m->in_use_bytes += h->used.bytes;
    m->in_use_count += class != 0;
    return h + 1;
}

/* No object is in use: all blocks but one go. */
static void forget(struct mc_h2_mem *m)
{
    memset(m->free, 0, sizeof m->free);
    m->used_bytes = 0;
    while (m->blocks->next) {
        struct block *b = m->blocks;
        m->blocks = b->next;
        free(b);
    }
}

static void give(void *object, void *arg)
{
    struct mc_h2_mem *m = arg;
    if (!object)
        return;
    union head *h = (union head *)object - 1;
    uint32_t class = h->used.class;
    m->in_use_bytes -= h->used.bytes;
    if (class == 0) {
        if (h->used.map_bytes)
            munmap(h, h->used.map_bytes);
        else
            free(h);
        return;
    }
    h->next = m->free[class];
    m->free[class] = h;
    if (--m->in_use_count == 0)
        forget(m);
}

static void *take_zeroed(size_t count, size_t bytes, void *arg)
{
    void *object = count == 0 || bytes <= SIZE_MAX / 2 / count ? take(count * bytes, arg) : NULL;
    return object ? memset(object, 0, count * bytes) : NULL;
}

static void *resize(void *object, size_t bytes, void *arg)
{
    struct mc_h2_mem *m = arg;
    if (!object)
        return take(bytes, arg);
    union head *h = (union head *)object - 1;
    int is_mapped = h->used.map_bytes != 0;
    if (h->used.class == 0 && !is_mapped) {
        h = bytes < SIZE_MAX / 2 ? realloc(h, bytes + sizeof *h) : NULL;
        if (!h)
            return NULL;
        m->in_use_bytes += bytes + sizeof *h - h->used.bytes;
        h->used.bytes = bytes + sizeof *h;
        return h + 1;
    }
    size_t room = (is_mapped ? h->used.map_bytes : h->used.class * STEP_BYTES) - sizeof *h;
    if (bytes <= room)
        return object;
    void *moved = take(bytes, arg);
    if (!moved)
        return NULL;
    memcpy(moved, object, room);
    give(object, arg);
    return moved;
}

int mc_h2_mem_new(struct mc_h2_mem **out)
{
    struct mc_h2_mem *m = calloc(1, sizeof *m);
    if (!m)
        return MC_ENOMEM;
    m->calls = (nghttp2_mem){m, take, give, take_zeroed, resize};
    *out = m;
    return 0;
}

void mc_h2_mem_free(struct mc_h2_mem *m)
{
    while (m && m->blocks) {
        struct block *b = m->blocks;
        m->blocks = b->next;
        free(b);
    }
    free(m);
}

uint64_t mc_h2_mem_bytes(const struct mc_h2_mem *m)
{
    return m ? m->in_use_bytes : 0;
}

nghttp2_mem *mc_h2_mem_calls(struct mc_h2_mem *m)
{
    return &m->calls;
}
