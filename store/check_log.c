/* check_log.c: whether the log beside a trace that nobody records to is whole.
 *
 * SQLite takes the log up to the first frame whose checksum is wrong, and forgets the rest without
 * a word. That is right for what a kill leaves, half a frame at the end; where whole frames of the
 * same log follow, what was committed has been damaged.
 *
 * Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log. A head of 32 bytes (magic,
 *         version, page size, sequence, two salts, two sums), then frames of 24 bytes (page, size
 *         of the file after a commit or 0, the salts, two sums) and a page each. Big end first.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/check_priv.h"
#include "store/trace_format.h"

#define LOG_HEAD_BYTES 32
#define FRAME_HEAD_BYTES 24
#define FRAME_BYTES (FRAME_HEAD_BYTES + MC_TRACE_PAGE_BYTES)
#define LOG_MAGIC 0x377f0682u /* the last bit: sums over words of big end first */

static uint32_t big32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Go on with the sums over so many bytes, a multiple of 8. */
static void add_sums(uint32_t sums[2], const uint8_t *bytes, size_t count, int is_big)
{
    for (size_t i = 0; i < count; i += 8) {
        uint32_t a = big32(bytes + i), b = big32(bytes + i + 4);
        sums[0] += (is_big ? a : __builtin_bswap32(a)) + sums[1];
        sums[1] += (is_big ? b : __builtin_bswap32(b)) + sums[0];
    }
}

static int has_sums(const uint8_t *at, const uint32_t sums[2])
{
    return big32(at) == sums[0] && big32(at + 4) == sums[1];
}

static void count_frames(int fd, const uint8_t head[LOG_HEAD_BYTES], uint32_t sums[2],
                         struct mc_log_count *out)
{
    uint8_t frame[FRAME_BYTES];
    int is_big = big32(head) & 1, is_whole = 1;
    for (off_t at = LOG_HEAD_BYTES; pread(fd, frame, sizeof frame, at) == (ssize_t)sizeof frame;
         at += FRAME_BYTES) {
        int is_ours = memcmp(frame + 8, head + 16, 8) == 0;
        if (is_whole) {
            add_sums(sums, frame, 8, is_big);
            add_sums(sums, frame + FRAME_HEAD_BYTES, MC_TRACE_PAGE_BYTES, is_big);
            is_whole = is_ours && has_sums(frame + 16, sums);
        }
        /* Behind the last frame of this log may stand those of the one before it. */
        int64_t count = (at - LOG_HEAD_BYTES) / FRAME_BYTES + 1;
        if (is_ours && big32(frame + 4))
            out->committed = count;
        if (is_whole)
            out->whole = count;
    }
}

void mc_log_count(const char *log_path, struct mc_log_count *out)
{
    uint8_t head[LOG_HEAD_BYTES];
    struct stat st;
    *out = (struct mc_log_count){0, 0};
    int fd = open(log_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= LOG_HEAD_BYTES + FRAME_BYTES &&
        pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head) {
        uint32_t sums[2] = {0, 0};
        add_sums(sums, head, 24, big32(head) & 1);
        if ((big32(head) & ~1u) == LOG_MAGIC && has_sums(head + 24, sums))
            count_frames(fd, head, sums, out);
        else
            out->committed = (st.st_size - LOG_HEAD_BYTES) / FRAME_BYTES;
    }
    close(fd);
}
