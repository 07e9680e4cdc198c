/* tracer_fixture.h: a tracer in a directory of its own, with a sampler on its segment. */
#ifndef MC_TEST_TRACER_FIXTURE_H
#define MC_TEST_TRACER_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/error.h"
#include "tracer/memcam.h"
#include "tracer/sampler.h"

struct fixture {
    char dir[64];
    char path[600]; /* of the segment */
    struct mc_tracer *tracer;
    struct mc_sampler *sampler;
};

/* The path of the newest segment in dir; "" when there is none. */
static inline void fixture_find(const char *dir, char *path, size_t path_bytes)
{
    struct mc_program *list = NULL;
    size_t count = 0;
    path[0] = 0;
    if (mc_program_list(dir, &list, &count) == 0 && count)
        snprintf(path, path_bytes, "%s", list[0].path);
    free(list);
}

static inline int fixture_open(struct fixture *f, const struct mc_options *given)
{
    struct mc_options opts = {0};
    char why[256] = "";
    if (given)
        opts = *given;
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/memcam-test-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    opts.struct_bytes = sizeof opts;
    opts.dir = f->dir;
    f->tracer = mc_tracer_open("test", &opts);
    if (!f->tracer) {
        perror("mc_tracer_open");
        return -1;
    }
    fixture_find(f->dir, f->path, sizeof f->path);
    int code = mc_sampler_open(f->path, NULL, &f->sampler, why, sizeof why);
    if (code)
        fprintf(stderr, "mc_sampler_open: %d %s\n", code, why);
    return code;
}

static inline void fixture_remove_dir(const char *path)
{
    char file[900];
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static inline void fixture_close(struct fixture *f)
{
    mc_sampler_close(f->sampler);
    mc_tracer_close(f->tracer);
    fixture_remove_dir(f->dir);
}

/* A value of the frame by kind, name (NULL: the kind's first) and field; -1 without such a source,
 * which no test expects. */
static inline int64_t fixture_value(const struct mc_frame *frame, int kind, const char *name,
                                    unsigned field)
{
    const struct mc_source *source = frame ? mc_schema_find(frame->schema, kind, name) : NULL;
    return source ? frame->values[source->value_idx + field] : -1;
}

#endif
