/* pub_tracer.c: opening and closing a tracer: the segment's file, its mapping, its head. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tracer/pub_priv.h"

_Atomic unsigned mc_pub_generation = 1;

static void after_fork_in_child(void)
{
    atomic_fetch_add(&mc_pub_generation, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

static int name_is_good(const char *name)
{
    size_t bytes = name ? strnlen(name, 64) : 0;
    if (bytes == 0 || bytes > 63)
        return 0;
    for (size_t i = 0; i < bytes; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return 0;
    }
    return 1;
}

/* The caller's options with the defaults filled in. An older caller's struct may be shorter. */
static struct mc_options complete(const struct mc_options *given)
{
    struct mc_options opts = {0};
    if (given) {
        size_t bytes = given->struct_bytes;
        if (bytes == 0 || bytes > sizeof opts)
            bytes = sizeof opts;
        memcpy(&opts, given, bytes);
    }
    if (opts.thread_count == 0)
        opts.thread_count = 8;
    if (opts.thread_count > MC_SEGMENT_THREADS_MAX)
        opts.thread_count = MC_SEGMENT_THREADS_MAX;
    if (opts.ring_events == 0)
        opts.ring_events = 8192;
    uint32_t rounded = MC_SEGMENT_RING_MIN;
    while (rounded < opts.ring_events && rounded < MC_SEGMENT_RING_MAX)
        rounded *= 2;
    opts.ring_events = rounded;
    opts.string_count = opts.string_count == 0 ? 4096 : opts.string_count;
    opts.peer_count = opts.peer_count == 0 ? 4096 : opts.peer_count;
    /* Two ids are taken: "" and "(other)". */
    if (opts.string_count > MC_SEGMENT_STRINGS_MAX - 2)
        opts.string_count = MC_SEGMENT_STRINGS_MAX - 2;
    if (opts.peer_count > MC_SEGMENT_STRINGS_MAX - 2)
        opts.peer_count = MC_SEGMENT_STRINGS_MAX - 2;
    return opts;
}

static void set_text(char *to, size_t to_bytes, const char *text)
{
    size_t bytes = text ? strnlen(text, to_bytes - 1) : 0;
    memcpy(to, text ? text : "", bytes);
    to[bytes] = 0;
}

static void fill_head(struct mc_segment_head *head, const char *name, const struct mc_options *opts)
{
    struct timespec wall;
    memset(head, 0, sizeof *head);
    head->version = MC_SEGMENT_VERSION;
    head->clock = mc_pub_clock_choose();
    if (getrandom(&head->instance, sizeof head->instance, GRND_NONBLOCK) !=
        (ssize_t)sizeof head->instance)
        head->instance = (uint64_t)mc_pub_clock_mono() * UINT64_C(0x9e3779b97f4a7c15);
    head->pid = getpid();
    head->process_start = mc_pub_process_start(head->pid);
    head->thread_count = opts->thread_count;
    head->ring_events = opts->ring_events;
    head->source_room = MC_SEGMENT_SOURCE_ROOM;
    head->string_room = opts->string_count + 2;
    head->peer_room = opts->peer_count + 2;
    set_text(head->name, sizeof head->name, name);
    set_text(head->label, sizeof head->label, opts->label && *opts->label ? opts->label : name);
    set_text(head->build, sizeof head->build, opts->build);
    if (readlink("/proc/self/exe", head->program, sizeof head->program - 1) < 0)
        head->program[0] = 0;
    clock_gettime(CLOCK_REALTIME, &wall);
    head->start_wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    mc_pub_clock_pair(head->clock, &head->start_ticks, &head->start_mono_ns);
}

/* How large the segment is to be, and where its parts are. 0 or -1 with errno. */
static int plan(struct mc_segment_head *head, const struct mc_options *opts,
                struct mc_segment_layout *layout)
{
    head->segment_bytes = UINT64_C(1) << 40;
    if (mc_segment_layout(head, layout) != 0) {
        errno = EINVAL;
        return -1;
    }
    uint64_t wanted = opts->segment_bytes ? opts->segment_bytes : UINT64_C(64) << 20;
    /* Many or large rings with no word on the size: the sources still get their room. */
    if (!opts->segment_bytes && wanted < layout->pool_off + (UINT64_C(32) << 20))
        wanted = layout->pool_off + (UINT64_C(32) << 20);
    head->segment_bytes = wanted / MC_SEGMENT_PAGE * MC_SEGMENT_PAGE;
    if (mc_segment_layout(head, layout) != 0) {
        errno = ENOSPC;
        return -1;
    }
    return 0;
}

/* Create NAME.PID.seg, or NAME.PID-2.seg … when this process has more of that name; writes its
 * path. The descriptor, or -1 with errno. */
static int create_file(const char *dir, const char *name, char *path, size_t path_bytes)
{
    for (int number = 1; number < 100; number++) {
        char more[8] = "";
        if (number > 1)
            snprintf(more, sizeof more, "-%d", number);
        int wanted = snprintf(path, path_bytes, "%s/%s.%ld%s%s", dir, name, (long)getpid(), more,
                              MC_SEGMENT_SUFFIX);
        if (wanted < 0 || (size_t)wanted >= path_bytes) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Size the file, take memory for what is there from the start, and map it. NULL with errno. */
static uint8_t *map_file(int fd, const struct mc_segment_head *head,
                         const struct mc_segment_layout *layout)
{
    if (fchmod(fd, 0600) != 0 || ftruncate(fd, (off_t)head->segment_bytes) != 0)
        return NULL;
    int failed = posix_fallocate(fd, 0, (off_t)layout->cells_off);
    if (!failed)
        failed = posix_fallocate(fd, (off_t)layout->rings_off,
                                 (off_t)(layout->pool_off - layout->rings_off));
    if (failed) {
        errno = failed;
        return NULL;
    }
    void *base =
        mmap(NULL, head->segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}

/* String tables and rings on the fresh mapping. 0 or -1 with errno. */
static int open_tables(struct mc_tracer *t, const struct mc_segment_head *head)
{
    if (mc_pub_strings_init(&t->names, head->string_room, head->instance,
                            t->base + t->layout.names_off, t->layout.names_off,
                            &t->live->string_count, t->fd) != 0)
        return -1;
    if (mc_pub_strings_init(&t->peers, head->peer_room, head->instance,
                            t->base + t->layout.peers_off, t->layout.peers_off,
                            &t->live->peer_count, t->fd) == 0) {
        if (mc_pub_rings_open(t, head->ring_events) == 0)
            return 0;
        mc_pub_strings_fini(&t->peers);
    }
    mc_pub_strings_fini(&t->names);
    return -1;
}

/* Make the object around a file that has been created. NULL with errno. */
static struct mc_tracer *start(int fd, struct mc_segment_head *head,
                               const struct mc_segment_layout *layout, const char *dir)
{
    static _Atomic uint64_t serials = 1;
    struct mc_tracer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->generation = atomic_load(&mc_pub_generation);
    t->clock = head->clock;
    t->serial = atomic_fetch_add(&serials, 1);
    t->fd = fd;
    t->layout = *layout;
    t->segment_bytes = head->segment_bytes;
    t->thread_count = head->thread_count;
    t->pool_next = layout->pool_off;
    set_text(t->dir, sizeof t->dir, dir);
    set_text(t->name, sizeof t->name, head->name);
    t->base = map_file(fd, head, layout);
    if (!t->base)
        goto free_tracer;
    t->live = (struct mc_segment_live *)(t->base + MC_SEGMENT_LIVE_OFF);
    if (open_tables(t, head) != 0)
        goto unmap;
    pthread_mutex_init(&t->lock, NULL);
    memcpy(t->base, head, sizeof *head);
    uint64_t magic;
    memcpy(&magic, MC_SEGMENT_MAGIC, sizeof magic);
    MC_PUT((uint64_t *)t->base, magic);
    return t;
unmap:
    munmap(t->base, t->segment_bytes);
free_tracer:
    free(t);
    return NULL;
}

struct mc_tracer *mc_tracer_open(const char *name, const struct mc_options *opts_or_null)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct mc_segment_head head;
    struct mc_segment_layout layout;
    char dir[480], path[640];
    pthread_once(&once, watch_forks);
    struct mc_options opts = complete(opts_or_null);
    if (!name_is_good(name)) {
        errno = EINVAL;
        return NULL;
    }
    fill_head(&head, name, &opts);
    if (plan(&head, &opts, &layout) != 0 || mc_pub_dir_choose(opts.dir, dir, sizeof dir) != 0 ||
        mc_pub_dir_make(dir) != 0)
        return NULL;
    mc_pub_dir_sweep(dir, name);
    int fd = create_file(dir, name, path, sizeof path);
    if (fd < 0)
        return NULL;
    struct mc_tracer *t = start(fd, &head, &layout, dir);
    if (!t) {
        int saved = errno;
        unlink(path);
        close(fd);
        errno = saved;
    }
    return t;
}

/* The file stays, as the newest dead one of its name, so that a recorder may come late. */
void mc_tracer_close(struct mc_tracer *t)
{
    if (!t)
        return;
    int is_ours = mc_pub_is_ours(t->generation);
    if (is_ours) {
        MC_PUT(&t->live->ended, 1);
        fchmod(t->fd, 0600); /* moves its ctime: it is the newest of the dead */
    }
    mc_pub_rings_close(t);
    mc_pub_strings_fini(&t->peers);
    mc_pub_strings_fini(&t->names);
    while (t->sources) {
        struct mc_pub_source *source = t->sources;
        t->sources = source->next;
        free(source);
    }
    munmap(t->base, t->segment_bytes);
    close(t->fd);
    if (is_ours)
        mc_pub_dir_sweep(t->dir, t->name);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void mc_tracer_beat(struct mc_tracer *t)
{
    if (t && mc_pub_is_ours(t->generation))
        MC_PUT(&t->live->beat_ticks, mc_pub_clock_ticks(t->clock));
}

uint32_t mc_tracer_strings(const struct mc_tracer *t, uint32_t *room)
{
    if (room)
        *room = t ? t->names.room : 0;
    return t ? __atomic_load_n(t->names.published_count, __ATOMIC_ACQUIRE) : 0;
}

uint64_t mc_tracer_dropped(const struct mc_tracer *t)
{
    return t ? atomic_load_explicit(&t->dropped, memory_order_relaxed) : 0;
}
