/* http_target.c: the request target: path and query, percent-decoding, query parameters.
 *
 * Format: RFC 3986. A path that decodes to a NUL, or has a broken escape, is refused; in a query
 *         what can't be decoded stays as it is.
 */
#include <string.h>
#include <strings.h>

#include "server/http_priv.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%xy" stands for; -1 when it is none, or a NUL. */
static int escape_value(const char *at, const char *end)
{
    if (end - at < 3)
        return -1;
    int high = hex_digit(at[1]), low = hex_digit(at[2]);
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high * 16 + low;
}

static int is_target_text(const char *target)
{
    for (const char *c = target; *c; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '#' || *c == '\\')
            return 0;
    return 1;
}

/* Cut "http://host" off an absolute-form target; the authority goes to the request. */
static const char *cut_authority(struct mc_http_request *r, const char *target)
{
    const char *host = NULL;
    if (strncasecmp(target, "http://", 7) == 0)
        host = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        host = target + 8;
    if (!host)
        return target;
    size_t host_bytes = strcspn(host, "/?");
    r->authority = mc_request_copy(r, host, host_bytes);
    r->has_authority = 1;
    if (!r->authority || host_bytes == 0 || memchr(host, '@', host_bytes))
        return NULL;
    return host[host_bytes] == '/' ? host + host_bytes : host[host_bytes] ? NULL : "/";
}

int mc_target_parse(struct mc_http_request *r, const char *target, const char **detail)
{
    if (!is_target_text(target)) {
        *detail = "the target has a character that must be escaped";
        return 400;
    }
    if (strcmp(target, "*") == 0 && strcmp(r->method, "OPTIONS") == 0) {
        r->path = "*";
        return 0;
    }
    target = cut_authority(r, target);
    if (!target || target[0] != '/') {
        *detail = "the target is no path";
        return 400;
    }
    const char *question = strchr(target, '?');
    const char *end = question ? question : target + strlen(target);
    if (question)
        r->query = mc_request_copy(r, question + 1, strlen(question + 1));
    char *path = mc_request_copy(r, target, (size_t)(end - target));
    if (!path || !r->query) {
        *detail = "out of memory";
        return 503;
    }
    char *to = path;
    for (const char *c = target; c < end; c++) {
        if (*c != '%') {
            *to++ = *c;
            continue;
        }
        int value = escape_value(c, end);
        if (value < 0) {
            *detail = "a wrong escape in the path";
            return 400;
        }
        *to++ = (char)value;
        c += 2;
    }
    *to = 0;
    r->path = path;
    return 0;
}

/* Decode a piece of a query into `to` (at most as long as the piece); returns its end. */
static char *decode_query(char *to, const char *from, const char *end)
{
    for (; from < end; from++) {
        int value = *from == '%' ? escape_value(from, end) : -1;
        if (value >= 0) {
            *to++ = (char)value;
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = 0;
    return to;
}

const char *mc_http_query_get(struct mc_http_request *r, const char *name)
{
    size_t query_bytes = strlen(r->query);
    char *scratch = NULL;
    for (const char *at = r->query, *next; *at; at = next) {
        const char *end = at + strcspn(at, "&");
        next = *end ? end + 1 : end;
        const char *equals = memchr(at, '=', (size_t)(end - at));
        const char *name_end = equals ? equals : end;
        if (!scratch && !(scratch = mc_http_alloc(r, query_bytes + 1)))
            return NULL;
        decode_query(scratch, at, name_end);
        if (strcmp(scratch, name) != 0)
            continue;
        decode_query(scratch, equals ? equals + 1 : end, end);
        return scratch;
    }
    return NULL;
}
