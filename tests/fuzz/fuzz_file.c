/* fuzz_file.c: a whole trace file: opened, checked, walked, asked in SQL, exported.
 *
 * Input: the bytes of a SQLite file. Its application id and version are put right, so that what is
 * behind them is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay/export.h"
#include "store/trace.h"
#include "store/trace_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count);

static char path[64];

static void remove_file(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (int i = 0; i < 4; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static int put_file(const uint8_t *data, size_t count)
{
    static const uint8_t app_id[4] = {0x4d, 0x43, 0x41, 0x4d};
    static const uint8_t version[4] = {0, 0, 0, MC_TRACE_VERSION};
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/mc_fuzz_file_%d.db", (int)getpid());
        atexit(remove_file);
    }
    FILE *f = fopen(path, "w");
    if (!f)
        return -1;
    fwrite(data, 1, count, f);
    if (count >= 100) {
        fseek(f, 60, SEEK_SET);
        fwrite(version, 1, sizeof version, f);
        fseek(f, 68, SEEK_SET);
        fwrite(app_id, 1, sizeof app_id, f);
    }
    return fclose(f);
}

static int ignore_row(void *arg, const struct mc_query_row *row)
{
    (void)arg;
    (void)row;
    return 0;
}

static int ignore_bytes(void *arg, const void *bytes, size_t count)
{
    (void)arg;
    (void)bytes;
    (void)count;
    return 0;
}

static void walk(struct mc_reader *r, int64_t run_id)
{
    struct mc_cursor *c;
    const struct mc_frame *f;
    if (mc_cursor_open(r, run_id, &c) < 0)
        return;
    for (int i = 0; i < 500 && mc_cursor_next(c, &f) == 0; i++)
        ;
    for (int i = 0; i < 500 && mc_cursor_prev(c, &f) == 0; i++)
        ;
    mc_cursor_seek(c, 1000000000, &f);
    mc_cursor_close(c);
    struct mc_export_options opts = {.run_id = run_id,
                                     .format = MC_EXPORT_JSONL,
                                     .from = INT64_MIN,
                                     .to = INT64_MAX,
                                     .tables = MC_EXPORT_ALL_TABLES,
                                     .write = ignore_bytes};
    mc_export(r, &opts);
}

static void ask(struct mc_reader *r)
{
    static const char *const questions[] = {
        "SELECT * FROM pool_sample", "SELECT * FROM event",   "SELECT * FROM slot_change",
        "SELECT * FROM summary",     "SELECT * FROM gap",     "SELECT * FROM mark, run, source",
        "SELECT * FROM conn",        "SELECT * FROM gc_event"};
    struct mc_query_limits limits = {.rows = 2000, .time_ms = 200, .memory_bytes = 64 << 20};
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        mc_reader_query(r, questions[i], &limits, ignore_row, NULL, NULL, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count)
{
    struct mc_reader *r;
    int64_t findings;
    if (put_file(data, count) != 0)
        return 0;
    mc_trace_check(path, NULL, NULL, &findings);
    if (mc_reader_open(path, &r, NULL, 0) == 0) {
        walk(r, 1);
        ask(r);
        mc_reader_close(r);
    }
    remove_file();
    return 0;
}
