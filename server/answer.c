/* answer.c: see answer.h. */
#include "server/answer.h"

#include <stdio.h>
#include <string.h>

#include "server/params.h"
#include "server/sse_zstd.h"
#include "tracer/error.h"

void mc_answer_made(struct mc_http_request *r, int status, const char *type, const void *body,
                    size_t body_bytes, int squeezed)
{
    struct mc_http_header headers[4];
    size_t count = 0;
    headers[count++] = (struct mc_http_header){"content-type", type};
    headers[count++] = (struct mc_http_header){"cache-control", "no-store"};
    headers[count++] = (struct mc_http_header){"vary", "accept-encoding"};
    if (squeezed)
        headers[count++] = (struct mc_http_header){"content-encoding", "zstd"};
    mc_http_respond(r, status, headers, count, body, body_bytes);
}

void mc_answer(struct mc_http_request *r, int status, const char *type, const void *body,
               size_t body_bytes)
{
    struct mc_buf small = {0};
    if (body_bytes >= MC_ANSWER_ZSTD_MIN &&
        mc_param_accepts(mc_http_header(r, "accept-encoding"), "zstd") &&
        mc_squeeze_all(body, body_bytes, 1, &small) == 0)
        mc_answer_made(r, status, type, small.bytes, small.count, 1);
    else
        mc_answer_made(r, status, type, body, body_bytes, 0);
    mc_buf_fini(&small);
}

void mc_answer_json(struct mc_http_request *r, int status, const struct mc_buf *body)
{
    if (body->failed)
        mc_answer_error(r, 503, "out of memory", "try again later");
    else
        mc_answer(r, status, "application/json", body->bytes, body->count);
}

void mc_answer_error(struct mc_http_request *r, int status, const char *error, const char *detail)
{
    struct mc_http_header headers[3];
    size_t count = 0;
    struct mc_buf body = {0};
    mc_buf_add_str(&body, "{\"error\":");
    mc_buf_add_json(&body, error, strlen(error));
    mc_buf_add_str(&body, ",\"detail\":");
    mc_buf_add_json(&body, detail, strlen(detail));
    mc_buf_add_str(&body, "}\n");
    headers[count++] = (struct mc_http_header){"content-type", "application/json"};
    headers[count++] = (struct mc_http_header){"cache-control", "no-store"};
    if (status == 503)
        headers[count++] = (struct mc_http_header){"retry-after", "1"};
    mc_http_respond(r, status, headers, count, body.bytes, body.count);
    mc_buf_fini(&body);
}

void mc_answer_not_allowed(struct mc_http_request *r, const char *allow)
{
    struct mc_http_header headers[2];
    size_t count = 0;
    static const char body[] = "{\"error\":\"method not allowed\",\"detail\":\"see Allow\"}\n";
    headers[count++] = (struct mc_http_header){"content-type", "application/json"};
    headers[count++] = (struct mc_http_header){"allow", allow};
    mc_http_respond_static(r, 405, headers, count, body, sizeof body - 1);
}

int mc_answer_status(int code)
{
    switch (code) {
    case MC_ENORUN:
    case MC_ENOENT:
        return 404;
    case MC_EINVAL:
    case MC_ESQL:
    case MC_EDENIED:
    case MC_ELIMIT:
        return 400;
    case MC_EPERM:
        return 403;
    case MC_EBUSY:
        return 409;
    case MC_ENOSPC:
        return 507;
    case MC_ENOMEM:
        return 503;
    default:
        return 500;
    }
}

int mc_ask_i64(struct mc_http_request *r, const char *name, int64_t min, int64_t max, int64_t *out)
{
    char detail[160];
    const char *text = mc_http_query_get(r, name);
    if (!text)
        return 0;
    int code = mc_param_i64(text, min, max, out);
    if (code == 0)
        return 1;
    if (min == INT64_MIN)
        snprintf(detail, sizeof detail, "%s: \"%.40s\" is no integer", name, text);
    else
        snprintf(detail, sizeof detail, "%s: \"%.40s\" is no integer from %lld to %lld", name, text,
                 (long long)min, (long long)max);
    mc_answer_error(r, 400, "bad parameter", detail);
    return code;
}
