/* answer.h: the dashboard's whole answers, and its 400s. */
#ifndef MC_ANSWER_H
#define MC_ANSWER_H

#include "server/http.h"

/* Answer with a whole body of that type, never cached; squeezed where it is large and the client
 * takes zstd. */
void mc_answer(struct mc_http_request *r, int status, const char *type, const void *body,
               size_t body_bytes);
/* The same with a body that is zstd already where `squeezed` says so. */
void mc_answer_made(struct mc_http_request *r, int status, const char *type, const void *body,
                    size_t body_bytes, int squeezed);
void mc_answer_json(struct mc_http_request *r, int status, const struct mc_buf *body);
/* {"error":…,"detail":…}; a 503 gets Retry-After. */
void mc_answer_error(struct mc_http_request *r, int status, const char *error, const char *detail);
/* 405, with what is allowed: "GET, HEAD". */
void mc_answer_not_allowed(struct mc_http_request *r, const char *allow);

/* The HTTP status that an error code of the store stands for. */
int mc_answer_status(int code);

/* A query parameter that must be an integer: 1 and *out, 0 when it is absent, or a negative code:
 * then the request has been answered with 400. */
int mc_ask_i64(struct mc_http_request *r, const char *name, int64_t min, int64_t max, int64_t *out);

#define MC_ANSWER_ZSTD_MIN 1024 /* bodies below that go as they are */

#endif
