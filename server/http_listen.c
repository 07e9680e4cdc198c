/* http_listen.c: an address as text, the bind rule, and a listening socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http_priv.h"
#include "tracer/error.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "127.0.0.1:80", "[::1]:80", "localhost:80". 0 or -1. */
static int parse(const char *text, char *host, size_t host_bytes, union address *out,
                 socklen_t *out_bytes)
{
    const char *colon = strrchr(text, ':'), *start = text, *end = colon;
    char *rest;
    if (!colon || colon == text || colon[1] < '0' || colon[1] > '9')
        return -1;
    unsigned long port = strtoul(colon + 1, &rest, 10);
    if (*rest || port > 65535)
        return -1;
    if (text[0] == '[') {
        start++;
        end--;
        if (*end != ']')
            return -1;
    }
    if (end <= start || (size_t)(end - start) >= host_bytes)
        return -1;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    if (strcmp(host, "localhost") == 0)
        snprintf(host, host_bytes, "127.0.0.1");
    memset(out, 0, sizeof *out);
    if (text[0] != '[' && inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        *out_bytes = sizeof out->v4;
        return 0;
    }
    if (text[0] == '[' && inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *out_bytes = sizeof out->v6;
        return 0;
    }
    return -1;
}

static int explain(const char *text, int error, char *why, size_t why_bytes)
{
    switch (error) {
    case EADDRINUSE:
        snprintf(why, why_bytes,
                 "%s: the port is in use by another program; stop it, or take another port "
                 "(port 0 takes a free one)",
                 text);
        return MC_EADDR;
    case EACCES:
        snprintf(why, why_bytes,
                 "%s: no permission for this port; take one above 1023, or run with "
                 "CAP_NET_BIND_SERVICE",
                 text);
        return MC_EPERM;
    case EADDRNOTAVAIL:
        snprintf(why, why_bytes,
                 "%s: not an address of this machine; take 127.0.0.1, or one that `ip addr` shows",
                 text);
        return MC_EADDR;
    default:
        snprintf(why, why_bytes, "%s: can't listen: %s; try another address", text,
                 strerror(error));
        return MC_EADDR;
    }
}

int mc_listen_open(const struct mc_http_options *o, char *host, size_t host_bytes, char *address,
                   size_t address_bytes, char *why, size_t why_bytes)
{
    union address a;
    socklen_t a_bytes;
    const int on = 1;
    if (!o->address || parse(o->address, host, host_bytes, &a, &a_bytes) < 0) {
        snprintf(why, why_bytes,
                 "%s: not an address to listen on; write it as 127.0.0.1:8080 or [::1]:8080",
                 o->address ? o->address : "(none)");
        return MC_EINVAL;
    }
    if (!mc_doors_bind_allowed(&a.any, o)) {
        snprintf(why, why_bytes,
                 "%s: others could reach this address; set both TLS and a token, or listen on "
                 "127.0.0.1",
                 o->address);
        return MC_EDENIED;
    }
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return explain(o->address, errno, why, why_bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, &a.any, a_bytes) < 0 || listen(fd, 511) < 0 ||
        getsockname(fd, &a.any, &a_bytes) < 0) {
        int code = explain(o->address, errno, why, why_bytes);
        close(fd);
        return code;
    }
    unsigned port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    snprintf(address, address_bytes, a.any.sa_family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
    return fd;
}

int mc_http_address_check(const struct mc_http_options *o, char *why, size_t why_bytes)
{
    char host[128], address[160];
    int fd = mc_listen_open(o, host, sizeof host, address, sizeof address, why, why_bytes);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}
