/* app_priv.h: what the files of the app host share.
 *
 * A response is a list that begins with a tag, a foreign value that programs can't make:
 *   (plain status body . headers)   (later ms . response)   (stream status ms proc . headers)
 * so that it lives in the collected heap, and may be kept and given again.
 */
#ifndef MC_APP_PRIV_H
#define MC_APP_PRIV_H

#include "server/app.h"
#include "server/app_json.h"
#include "server/app_router.h"

#define APP_HEADERS_MAX 64

enum app_answer_kind { APP_NO_ANSWER, APP_PLAIN, APP_LATER, APP_STREAM };

struct mc_app {
    struct mc_app_options opts;
    struct scm_vm *vm;        /* owned */
    struct mc_router *router; /* owned */
    struct mc_json_makers json;
    uint32_t tags[4];     /* refs, by kind */
    uint32_t json_header; /* ref: (content-type . "application/json") */
    /* Scratch of the procedures: the app's, because a procedure that finds no memory in Scheme is
     * left by a jump, and could not free its own. */
    struct mc_buf text, copy; /* owned */
};

/* Empty a scratch buffer for use; what has grown large is given back. */
struct mc_buf *mc_app_scratch(struct mc_buf *b);

/* A request while its handler runs: what a request value in Scheme stands for. */
struct app_request {
    struct mc_http_request *http;
    const struct mc_route_match *match;
};
extern const char mc_app_request_type[], mc_app_tag_type[];

/* The kind of a response; APP_NO_ANSWER for any other value. */
enum app_answer_kind mc_app_answer_kind(scm_value v);

/* Walk an association list of headers. With `req`, *out gets up to APP_HEADERS_MAX of them, in the
 * request's memory. Returns their number; or -1 with *why (static) when it is not such a list.
 * `has_type` is set when there is a content-type. */
int mc_app_headers_read(scm_value list, struct mc_http_request *req, struct mc_http_header *out,
                        int *has_type, const char **why);

/* Define (memcam http) in the app's VM. 0 or a negative code. */
int mc_app_library_define(struct mc_app *app, struct scm_error *err);

#endif
