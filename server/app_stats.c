/* app_stats.c: what an app's process holds besides its pools.
 *
 * Threads: the allocators may be called from any; the rest is for the loop's.
 */
#include "server/app_stats.h"

#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "lisp/scm.h"
#include "server/http.h"
#include "tracer/memcam.h"

/* Bytes in use as malloc has them, its rounding included. */
static atomic_llong ssl_bytes, uv_bytes;
static int counts_ssl, counts_uv;

static void *counted(atomic_llong *sum, void *object)
{
    if (object)
        atomic_fetch_add_explicit(sum, (long long)malloc_usable_size(object), memory_order_relaxed);
    return object;
}

static void uncount(atomic_llong *sum, void *object)
{
    if (object)
        atomic_fetch_sub_explicit(sum, (long long)malloc_usable_size(object), memory_order_relaxed);
}

/* What realloc could not move is as it was. */
static void *counted_realloc(atomic_llong *sum, void *object, size_t bytes)
{
    long long before = object ? (long long)malloc_usable_size(object) : 0;
    void *moved = realloc(object, bytes);
    if (moved || bytes == 0)
        atomic_fetch_sub_explicit(sum, before, memory_order_relaxed);
    return counted(sum, moved);
}

static void *ssl_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return counted(&ssl_bytes, malloc(bytes));
}

static void *ssl_realloc(void *object, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return counted_realloc(&ssl_bytes, object, bytes);
}

static void ssl_free(void *object, const char *file, int line)
{
    (void)file;
    (void)line;
    uncount(&ssl_bytes, object);
    free(object);
}

static void *uv_malloc(size_t bytes)
{
    return counted(&uv_bytes, malloc(bytes));
}

static void *uv_realloc(void *object, size_t bytes)
{
    return counted_realloc(&uv_bytes, object, bytes);
}

static void *uv_calloc(size_t count, size_t bytes)
{
    return counted(&uv_bytes, calloc(count, bytes));
}

static void uv_free(void *object)
{
    uncount(&uv_bytes, object);
    free(object);
}

void mc_app_stats_count(void)
{
    counts_ssl = CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
    counts_uv = uv_replace_allocator(uv_malloc, uv_realloc, uv_calloc, uv_free) == 0;
}

void mc_app_stats_start(struct mc_app_stats *s, struct mc_tracer *tracer,
                        const struct mc_http_server *server, const struct scm_vm *vm)
{
    *s = (struct mc_app_stats){.server = server, .vm = vm, .tracer = tracer};
    s->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (counts_ssl)
        s->ssl = mc_gauge_register(tracer, "ssl_bytes", "bytes");
    s->nghttp2 = mc_gauge_register(tracer, "nghttp2_bytes", "bytes");
    if (counts_uv)
        s->uv = mc_gauge_register(tracer, "libuv_bytes", "bytes");
    s->address_space = mc_gauge_register(tracer, "virtual_bytes", "bytes");
    s->strings = mc_gauge_register(tracer, "strings", "count");
    s->steps = mc_counter_register(tracer, "scheme_steps", "count");
    struct mc_gauge *room = mc_gauge_register(tracer, "strings_room", "count");
    uint32_t string_room;
    mc_tracer_strings(tracer, &string_room);
    mc_gauge_set(room, string_room);
}

/* The first number of statm, in pages; -1 where it can't be read. */
static int64_t address_space_bytes(int fd)
{
    char text[128];
    ssize_t bytes = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    if (bytes <= 0)
        return -1;
    text[bytes] = '\0';
    return (int64_t)strtoll(text, NULL, 10) * sysconf(_SC_PAGESIZE);
}

void mc_app_stats_tell(struct mc_app_stats *s)
{
    int64_t space = address_space_bytes(s->statm_fd);
    mc_gauge_set(s->ssl, atomic_load_explicit(&ssl_bytes, memory_order_relaxed));
    mc_gauge_set(s->nghttp2, (int64_t)mc_http_server_h2_bytes(s->server));
    mc_gauge_set(s->uv, atomic_load_explicit(&uv_bytes, memory_order_relaxed));
    if (space >= 0)
        mc_gauge_set(s->address_space, space);
    mc_gauge_set(s->strings, mc_tracer_strings(s->tracer, NULL));
    uint64_t steps = scm_step_count(s->vm);
    mc_counter_add(s->steps, steps - s->told_steps);
    s->told_steps = steps;
}

void mc_app_stats_stop(struct mc_app_stats *s)
{
    if (s->statm_fd >= 0)
        close(s->statm_fd);
    s->statm_fd = -1;
}
