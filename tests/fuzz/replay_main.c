/* replay_main.c: main() for a fuzz target without libFuzzer: replays its corpus as a test.
 *
 * Usage: fuzz_x PATH... (files, or folders of files). Each input is given as it is, cut short at
 * some places, and with single bytes changed, the same ones in every run. Fails when there is no
 * input at all: a corpus that went missing must not pass.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define CUTS 48u
#define FLIPS 160u
#define FILE_BYTES_MAX (16u << 20)
#define SECONDS_MAX 45 /* for the changed inputs; those of the corpus are always all run */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned long inputs, runs;
static time_t started;

/* Give the target a copy in a block of just its size, so that ASan sees the first byte too far. */
static void run(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return;
    if (bytes)
        memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
    runs++;
}

static void run_changed(uint8_t *data, size_t bytes)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x10};
    for (unsigned i = 0; i < CUTS && i < bytes && time(NULL) - started < SECONDS_MAX; i++)
        run(data, bytes * i / CUTS);
    for (unsigned i = 0; i < FLIPS && bytes && time(NULL) - started < SECONDS_MAX; i++) {
        size_t at = bytes <= FLIPS ? i % bytes : (size_t)((double)bytes * i / FLIPS);
        data[at] ^= masks[i % sizeof masks];
        run(data, bytes);
        data[at] ^= masks[i % sizeof masks];
    }
}

static int run_file(const char *path, int changed)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(FILE_BYTES_MAX);
    if (!f || !data) {
        perror(path);
        exit(1);
    }
    size_t bytes = fread(data, 1, FILE_BYTES_MAX, f);
    fclose(f);
    if (changed) {
        run_changed(data, bytes);
    } else {
        inputs++;
        run(data, bytes);
    }
    free(data);
    return 0;
}

static void run_path(const char *path, int changed)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path, changed);
        return;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_file(file, changed);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    run(NULL, 0);
    for (int i = 1; i < argc; i++)
        run_path(argv[i], 0);
    started = time(NULL);
    for (int i = 1; i < argc; i++)
        run_path(argv[i], 1);
    printf("%lu inputs, %lu runs\n", inputs, runs);
    if (!inputs)
        fprintf(stderr, "no corpus: give files, or folders that hold some\n");
    return inputs ? 0 : 1;
}
