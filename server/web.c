/* web.c: GET / and /assets/…: the page, from the program itself. */
#include "server/web.h"

#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/params.h"

static const struct mc_web_asset *find(const char *name)
{
    for (size_t i = 0; i < mc_web_asset_count; i++)
        if (strcmp(mc_web_assets[i].name, name) == 0)
            return &mc_web_assets[i];
    return NULL;
}

/* Does If-None-Match name this tag? Weak comparison (RFC 9110, 13.1.2); tags hold no commas. */
static int etag_matches(const char *list, const char *etag)
{
    size_t etag_bytes = strlen(etag);
    for (const char *at = list ? list : ""; *at;) {
        at += strspn(at, " \t,");
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        size_t bytes = strcspn(at, " \t,");
        if ((bytes == 1 && *at == '*') ||
            (bytes == etag_bytes && strncmp(at, etag, etag_bytes) == 0))
            return 1;
        at += bytes;
    }
    return 0;
}

static void answer_asset(struct mc_http_request *r, const char *name)
{
    struct mc_http_header headers[5];
    size_t count = 0;
    const struct mc_web_asset *asset = find(name);
    if (!asset) {
        mc_answer_error(r, 404, "not found", "the page has no such file");
        return;
    }
    const uint8_t *bytes = asset->bytes, *end = asset->bytes_end;
    headers[count++] = (struct mc_http_header){"content-type", asset->type};
    headers[count++] = (struct mc_http_header){"cache-control", "no-cache"};
    headers[count++] = (struct mc_http_header){"etag", asset->etag};
    headers[count++] = (struct mc_http_header){"vary", "accept-encoding"};
    if (etag_matches(mc_http_header(r, "if-none-match"), asset->etag)) {
        mc_http_respond_static(r, 304, headers, count, NULL, 0);
        return;
    }
    if (mc_param_accepts(mc_http_header(r, "accept-encoding"), "gzip")) {
        headers[count++] = (struct mc_http_header){"content-encoding", "gzip"};
        bytes = asset->gzip;
        end = asset->gzip_end;
    }
    mc_http_respond_static(r, 200, headers, count, bytes, (size_t)(end - bytes));
}

void mc_api_page(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    (void)d;
    (void)run;
    answer_asset(r, "index.html");
}

void mc_api_asset(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    (void)d;
    (void)run;
    answer_asset(r, mc_http_path(r) + sizeof "/assets/" - 1);
}
