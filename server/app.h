/* app.h: the app host: a web app in Scheme behind the HTTP server. The library (memcam http).
 *
 * Owns:    the VM, the routes, the answers that are waiting for their time.
 * Threads: all on the loop's thread.
 */
#ifndef MC_APP_H
#define MC_APP_H

#include <uv.h>

#include "lisp/scm.h"
#include "server/http.h"

struct mc_app;

struct mc_app_options {
    uv_loop_t *loop;            /* borrowed */
    struct mc_tracer *tracer;   /* borrowed */
    const char *name;           /* before its lines on stderr; borrowed */
    int64_t handler_timeout_ns; /* INT64_MAX: no bound */
};

/* Make the VM and (memcam http). NULL: no memory. */
struct mc_app *mc_app_new(const struct mc_app_options *opts);
void mc_app_free(struct mc_app *app);

/* Run the script, which adds its routes. As scm_load_file. */
int mc_app_load(struct mc_app *app, const char *path, struct scm_error *err);

/* The status that the script's (exit …) asked for, when loading failed with kind "exit". */
int mc_app_exit_status(const struct mc_app *app);

/* The VM with (memcam http) in it; borrowed. */
struct scm_vm *mc_app_vm(const struct mc_app *app);

/* The handler for struct mc_http_options; arg is the app. */
void mc_app_handle(struct mc_http_request *req, void *arg);

#endif
