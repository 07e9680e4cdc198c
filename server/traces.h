/* traces.h: the trace files that the dashboard shows, each with a few readers to lend.
 *
 * Threads: the loop's. A reader that is lent may be used by one worker until it is given back.
 */
#ifndef MC_TRACES_H
#define MC_TRACES_H

#include "store/trace.h"

#define MC_TRACE_IDLE_READERS 2

struct mc_trace_file {
    char *path;                                    /* owned */
    const char *name;                              /* borrowed from path: its last part */
    struct mc_reader *idle[MC_TRACE_IDLE_READERS]; /* owned */
    unsigned idle_count;
};

struct mc_traces {
    struct mc_trace_file *files; /* owned */
    size_t count;
};

/* Open each file once. Codes and `why` as mc_reader_open. */
int mc_traces_open(struct mc_traces *t, const char *const *paths, size_t path_count, char *why,
                   size_t why_bytes);
void mc_traces_close(struct mc_traces *t);

/* A reader that is idle, or NULL: then the borrower opens file->path itself. */
struct mc_reader *mc_traces_take(struct mc_trace_file *file);
/* Give a reader back (NULL is nothing); it is closed when enough are idle. */
void mc_traces_give(struct mc_trace_file *file, struct mc_reader *reader);
/* A reader, idle or new. Codes as mc_reader_open. */
int mc_traces_borrow(struct mc_trace_file *file, struct mc_reader **out);

/* The name of a run in URLs: "1", or "2.1" for the second file. Returns its length. */
int mc_traces_run_name(size_t file_idx, int64_t run_id, char *name, size_t name_bytes);

#endif
