/* traces.c: the open trace files and their readers. */
#include "server/traces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

int mc_traces_open(struct mc_traces *t, const char *const *paths, size_t path_count, char *why,
                   size_t why_bytes)
{
    int code = MC_ENOMEM;
    t->count = 0;
    t->files = calloc(path_count ? path_count : 1, sizeof *t->files);
    if (!t->files)
        goto fail;
    for (size_t i = 0; i < path_count; i++) {
        struct mc_trace_file *file = &t->files[i];
        file->path = strdup(paths[i]);
        t->count = i + 1;
        if (!file->path)
            goto fail;
        const char *slash = strrchr(file->path, '/');
        file->name = slash ? slash + 1 : file->path;
        code = mc_reader_open(file->path, &file->idle[0], why, why_bytes);
        if (code) {
            mc_traces_close(t);
            return code;
        }
        file->idle_count = 1;
        code = MC_ENOMEM;
    }
    return 0;
fail:
    snprintf(why, why_bytes, "%s", mc_strerror(code));
    mc_traces_close(t);
    return code;
}

void mc_traces_close(struct mc_traces *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct mc_trace_file *file = &t->files[i];
        while (file->idle_count)
            mc_reader_close(file->idle[--file->idle_count]);
        free(file->path);
    }
    free(t->files);
    t->files = NULL;
    t->count = 0;
}

struct mc_reader *mc_traces_take(struct mc_trace_file *file)
{
    return file->idle_count ? file->idle[--file->idle_count] : NULL;
}

void mc_traces_give(struct mc_trace_file *file, struct mc_reader *reader)
{
    if (!reader)
        return;
    if (file->idle_count < MC_TRACE_IDLE_READERS)
        file->idle[file->idle_count++] = reader;
    else
        mc_reader_close(reader);
}

int mc_traces_borrow(struct mc_trace_file *file, struct mc_reader **out)
{
    struct mc_reader *idle = mc_traces_take(file);
    if (!idle)
        return mc_reader_open(file->path, out, NULL, 0);
    *out = idle;
    return 0;
}

int mc_traces_run_name(size_t file_idx, int64_t run_id, char *name, size_t name_bytes)
{
    if (file_idx == 0)
        return snprintf(name, name_bytes, "%lld", (long long)run_id);
    return snprintf(name, name_bytes, "%zu.%lld", file_idx + 1, (long long)run_id);
}
