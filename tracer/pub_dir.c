/* pub_dir.c: the directory that segments live in, and the removal of dead ones. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/pub_priv.h"

static int is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int mc_pub_dir_choose(const char *dir, char *buf, size_t buf_bytes)
{
    const char *from_env = getenv("MEMCAM_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");
    int wanted;
    if (dir && *dir)
        wanted = snprintf(buf, buf_bytes, "%s", dir);
    else if (from_env && *from_env)
        wanted = snprintf(buf, buf_bytes, "%s", from_env);
    else if (runtime && runtime[0] == '/' && is_directory(runtime))
        wanted = snprintf(buf, buf_bytes, "%s/memcam", runtime);
    else
        wanted = snprintf(buf, buf_bytes, "/dev/shm/memcam-%lu", (unsigned long)geteuid());
    if (wanted < 0 || (size_t)wanted >= buf_bytes) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

/* Another user who can write to the directory could swap files under us: such a one is refused. */
int mc_pub_dir_make(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return -1;
    if (lstat(dir, &st) != 0)
        return -1;
    if (S_ISLNK(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) && stat(dir, &st) != 0)
        return -1;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    if (st.st_uid != geteuid() || (st.st_mode & 022)) {
        errno = EACCES;
        return -1;
    }
    return 0;
}

uint64_t mc_pub_process_start(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return 0;
    text[got] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* The pid in NAME.PID.seg or NAME.PID-N.seg, or 0 when the file is not of that name. */
static int64_t pid_of_file(const char *file, const char *name)
{
    size_t name_bytes = strlen(name);
    if (strncmp(file, name, name_bytes) != 0 || file[name_bytes] != '.' ||
        !isdigit((unsigned char)file[name_bytes + 1]))
        return 0;
    char *end;
    long long pid = strtoll(file + name_bytes + 1, &end, 10);
    if (*end == '-')
        strtol(end + 1, &end, 10);
    return strcmp(end, MC_SEGMENT_SUFFIX) == 0 && pid > 0 ? pid : 0;
}

/* Whether the segment's program is gone, or has closed its tracer. */
static int is_dead(const char *path, int64_t pid)
{
    union {
        struct mc_segment_head head;
        uint8_t bytes[MC_SEGMENT_LIVE_OFF + sizeof(struct mc_segment_live)];
    } seen;
    struct mc_segment_live live;
    uint64_t started = mc_pub_process_start(pid);
    if (!started)
        return 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, seen.bytes, sizeof seen.bytes);
    close(fd);
    if (got != (ssize_t)sizeof seen.bytes ||
        memcmp(seen.head.magic, MC_SEGMENT_MAGIC, sizeof seen.head.magic) != 0)
        return 0;
    memcpy(&live, seen.bytes + MC_SEGMENT_LIVE_OFF, sizeof live);
    return seen.head.process_start != started || live.ended;
}

void mc_pub_dir_sweep(const char *dir, const char *name)
{
    char path[768], newest[768] = "";
    struct timespec newest_time = {0};
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        int64_t pid = pid_of_file(entry->d_name, name);
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (!pid || lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || !is_dead(path, pid))
            continue;
        int is_newer =
            st.st_ctim.tv_sec > newest_time.tv_sec ||
            (st.st_ctim.tv_sec == newest_time.tv_sec && st.st_ctim.tv_nsec > newest_time.tv_nsec);
        if (!*newest || is_newer) {
            if (*newest)
                unlink(newest);
            memcpy(newest, path, sizeof newest);
            newest_time = st.st_ctim;
        } else {
            unlink(path);
        }
    }
    closedir(d);
}
