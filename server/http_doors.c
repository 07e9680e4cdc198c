/* http_doors.c: who may come in: bind rule, Host, Sec-Fetch-Site, Origin, token.
 *
 * The Host allow-list stops DNS rebinding (a stranger's name that resolves to this machine), the
 * fetch metadata and Origin checks stop other sites' pages, the token stops other users.
 */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http_priv.h"

#define COOKIE_NAME "memcam_token"

static int is_loopback_v4(const struct in_addr *a)
{
    return (ntohl(a->s_addr) >> 24) == 127;
}

static int is_loopback_v6(const struct in6_addr *a)
{
    if (IN6_IS_ADDR_V4MAPPED(a))
        return a->s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(a);
}

int mc_doors_bind_allowed(const struct sockaddr *address, const struct mc_http_options *o)
{
    int loopback = address->sa_family == AF_INET
                       ? is_loopback_v4(&((const struct sockaddr_in *)address)->sin_addr)
                       : is_loopback_v6(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return loopback || ((o->tls || o->require_tls) && o->token && o->token[0]);
}

/* Split "host", "host:port", "[v6]" or "[v6]:port": the host without port and brackets. 0, or -1
 * when it is none of these. */
static int authority_host(const char *authority, char *host, size_t host_room)
{
    const char *start = authority, *end, *rest;
    if (authority[0] == '[') {
        start = authority + 1;
        end = strchr(start, ']');
        if (!end)
            return -1;
        rest = end + 1;
    } else {
        end = start + strcspn(start, ":");
        rest = end;
    }
    if (*rest == ':' && rest[1 + strspn(rest + 1, "0123456789")] != 0)
        return -1;
    if ((*rest && *rest != ':') || end == start || (size_t)(end - start) >= host_room)
        return -1;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    return 0;
}

/* An address, not a name, cannot be rebound. -1 not an address, 0 not loopback, 1 loopback. */
static int literal_kind(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return is_loopback_v4(&v4);
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return is_loopback_v6(&v6);
    return -1;
}

int mc_doors_is_loopback(const char *host)
{
    return literal_kind(host) == 1;
}

int mc_doors_host_allowed(const struct mc_http_options *o, const char *bound_host,
                          const char *authority)
{
    char host[256];
    if (authority_host(authority, host, sizeof host) < 0)
        return 0;
    if (strcasecmp(host, "localhost") == 0 || strcasecmp(host, bound_host) == 0)
        return 1;
    int literal = literal_kind(host);
    int bound_to_all = strcmp(bound_host, "0.0.0.0") == 0 || strcmp(bound_host, "::") == 0;
    if (literal == 1 || (literal == 0 && bound_to_all))
        return 1;
    for (const char *const *name = o->host_allow; name && *name; name++)
        if (strcasecmp(host, *name) == 0)
            return 1;
    return 0;
}

static const char *request_authority(const struct mc_http_request *r)
{
    if (r->has_authority)
        return r->authority;
    const char *host = mc_http_header(r, "host");
    return host ? host : "";
}

/* ---- other sites ---------------------------------------------------------------------------- */

static int fetch_site_allowed(const struct mc_http_request *r)
{
    const char *site = mc_http_header(r, "sec-fetch-site");
    if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
        return 1;
    const char *mode = mc_http_header(r, "sec-fetch-mode");
    return strcmp(r->method, "GET") == 0 && strcmp(r->path, "/") == 0 && mode &&
           strcmp(mode, "navigate") == 0;
}

static int origin_allowed(const struct mc_http_request *r)
{
    if (strcmp(r->method, "GET") == 0 || r->is_head)
        return 1;
    const char *origin = mc_http_header(r, "origin");
    if (!origin)
        return 1;
    const char *scheme = r->conn->ssl ? "https://" : "http://";
    size_t scheme_bytes = strlen(scheme);
    return strncasecmp(origin, scheme, scheme_bytes) == 0 &&
           strcasecmp(origin + scheme_bytes, request_authority(r)) == 0;
}

/* ---- token ---------------------------------------------------------------------------------- */

static int token_equal(const char *want, const char *got, size_t got_bytes)
{
    size_t want_bytes = strlen(want);
    return got_bytes == want_bytes && CRYPTO_memcmp(want, got, want_bytes) == 0;
}

/* Any of the cookies of our name: another port of this host may have set one too. */
static int cookie_matches(const char *want, const char *cookies)
{
    int found = 0;
    for (const char *at = cookies; *at;) {
        at += strspn(at, "; ");
        size_t bytes = strcspn(at, ";");
        size_t name_bytes = sizeof COOKIE_NAME; /* with the '=' */
        if (bytes >= name_bytes && memcmp(at, COOKIE_NAME "=", name_bytes) == 0)
            found |= token_equal(want, at + name_bytes, bytes - name_bytes);
        at += bytes;
    }
    return found;
}

static int token_presented(const struct mc_http_request *r, const char *want)
{
    const char *authorization = mc_http_header(r, "authorization");
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0) {
        const char *got = authorization + 7 + strspn(authorization + 7, " ");
        if (token_equal(want, got, strlen(got)))
            return 1;
    }
    for (uint32_t i = 0; i < r->header_count; i++) /* HTTP/2 may split cookies over fields */
        if (strcmp(r->headers[i].name, "cookie") == 0 && cookie_matches(want, r->headers[i].value))
            return 1;
    return 0;
}

static int swap_token(struct mc_http_request *r, const char *want, const char **detail)
{
    if (strcmp(r->method, "GET") != 0 || strcmp(r->path, "/") != 0)
        return 0;
    const char *got = mc_http_query_get(r, "token");
    if (!got || !token_equal(want, got, strlen(got)))
        return 0;
    size_t room = strlen(want) + 96;
    char *cookie = mc_http_alloc(r, room);
    if (!cookie)
        return 0;
    snprintf(cookie, room, COOKIE_NAME "=%s; HttpOnly; SameSite=Strict; Path=/%s", want,
             r->conn->ssl ? "; Secure" : "");
    *detail = cookie;
    return 303;
}

int mc_doors_check(struct mc_http_request *r, const char **detail)
{
    const struct mc_http_server *s = r->conn->server;
    const char *authority = request_authority(r);
    if ((authority[0] || !r->http10) && !mc_doors_host_allowed(&s->o, s->host, authority)) {
        *detail = "this server does not answer for that Host; allow the name when starting it";
        return 421;
    }
    if (!s->o.cross_site_allow && !fetch_site_allowed(r)) {
        *detail = "requests from other sites are refused";
        return 403;
    }
    if (!s->o.cross_site_allow && !origin_allowed(r)) {
        *detail = "the Origin is not this server";
        return 403;
    }
    if (!s->o.token)
        return 0;
    if (swap_token(r, s->o.token, detail) == 303)
        return 303;
    if (token_presented(r, s->o.token))
        return 0;
    *detail = "a token is needed: open /?token=... once, or send Authorization: Bearer";
    return 401;
}

/* ---- what goes with every answer ------------------------------------------------------------ */

const struct mc_http_header *mc_http_app_headers(size_t *count)
{
    static const struct mc_http_header headers[] = {
        {"content-security-policy",
         "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
        {"x-content-type-options", "nosniff"},
    };
    *count = sizeof headers / sizeof headers[0];
    return headers;
}

const struct mc_http_header *mc_http_dashboard_headers(size_t *count)
{
    static const struct mc_http_header headers[] = {
        {"content-security-policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'"},
        {"x-content-type-options", "nosniff"},
        {"referrer-policy", "no-referrer"},
        {"cross-origin-resource-policy", "same-origin"},
    };
    *count = sizeof headers / sizeof headers[0];
    return headers;
}
