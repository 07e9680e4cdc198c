/* dashboard.h: the dashboard's HTTP API: the page, the runs, the streams, live and replayed.
 *
 * Owns:    an HTTP server, the live hub, a reader per trace file and per replay stream.
 * Threads: all on the loop's thread.
 */
#ifndef MC_DASHBOARD_H
#define MC_DASHBOARD_H

#include "server/http.h"
#include "store/trace.h"
#include "tracer/frame.h"

struct mc_dashboard;

struct mc_dashboard_options {
    struct mc_http_options http; /* address, TLS, doors; handler and arg are the dashboard's own */
    const char *const *trace_paths; /* files to show; with a writer, its file is the first */
    size_t trace_count;
    struct mc_writer *writer; /* borrowed: the recorder's, takes marks; NULL when only replaying */
};

/* Bind and serve. Codes and `why` as mc_http_server_open and mc_reader_open; a file that can't be
 * opened fails it. */
int mc_dashboard_open(uv_loop_t *loop, const struct mc_dashboard_options *opts,
                      struct mc_dashboard **out, char *why, size_t why_bytes);
/* "http://127.0.0.1:7070". Borrowed. */
const char *mc_dashboard_url(const struct mc_dashboard *d);

/* A live run begins (info with its run_id, copied), ticks, ends. Frames are borrowed for the call.
 * A run that ends stays in the list as a recorded one; another may begin. */
int mc_dashboard_run_begin(struct mc_dashboard *d, const struct mc_run_info *info);
void mc_dashboard_frame(struct mc_dashboard *d, const struct mc_frame *frame);
void mc_dashboard_run_end(struct mc_dashboard *d, int64_t end_ts, const char *exit);

/* Streams get `end` where a run is live, all is closed; then done (may be NULL) is called. */
void mc_dashboard_close(struct mc_dashboard *d, void (*done)(void *arg), void *arg);

#endif
