/* app_router.c: a tree of segments. A node is met at most once in a search, so that a search costs
 * at most the size of the tree, whatever the path.
 */
#include "server/app_router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

#define DEPTH_MAX 64

struct node {
    char *literal;          /* owned; NULL in the root, in :name and in * */
    struct node **literals; /* owned, each too */
    size_t literal_count;
    struct node *param, *tail; /* owned */
    struct mc_route **routes;  /* owned, each too: one per method */
    size_t route_count;
};

struct mc_router {
    struct node root;
};

/* ---- building -------------------------------------------------------------------------------- */

static void route_free(struct mc_route *route)
{
    for (uint32_t i = 0; i < route->param_count; i++)
        free(route->params[i]);
    free(route->method);
    free(route->pattern);
    free(route);
}

static void node_free(struct node *n, int is_root)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->literal_count; i++)
        node_free(n->literals[i], 0);
    node_free(n->param, 0);
    node_free(n->tail, 0);
    for (size_t i = 0; i < n->route_count; i++)
        route_free(n->routes[i]);
    free(n->literals);
    free(n->routes);
    free(n->literal);
    if (!is_root)
        free(n);
}

struct mc_router *mc_router_new(void)
{
    return calloc(1, sizeof(struct mc_router));
}

void mc_router_free(struct mc_router *r)
{
    if (r == NULL)
        return;
    node_free(&r->root, 1);
    free(r);
}

/* The child of `n` for one segment of a pattern, made when there is none. NULL: no memory. */
static struct node *child_take(struct node *n, const char *segment, size_t bytes)
{
    struct node **place = segment[0] == ':' && bytes > 1 ? &n->param
                          : segment[0] == '*'            ? &n->tail
                                                         : NULL;
    if (place != NULL) {
        if (*place == NULL)
            *place = calloc(1, sizeof(struct node));
        return *place;
    }
    for (size_t i = 0; i < n->literal_count; i++)
        if (strlen(n->literals[i]->literal) == bytes &&
            memcmp(n->literals[i]->literal, segment, bytes) == 0)
            return n->literals[i];
    struct node **more = realloc(n->literals, (n->literal_count + 1) * sizeof(struct node *));
    if (more == NULL)
        return NULL;
    n->literals = more;
    struct node *child = calloc(1, sizeof(*child));
    if (child == NULL)
        return NULL;
    child->literal = strndup(segment, bytes);
    if (child->literal == NULL) {
        free(child);
        return NULL;
    }
    n->literals[n->literal_count++] = child;
    return child;
}

static const char *pattern_fault(const char *pattern)
{
    size_t depth = 0, params = 0;
    if (pattern[0] != '/')
        return "a pattern begins with /";
    for (const char *at = pattern; *at == '/'; depth++) {
        const char *segment = ++at;
        at += strcspn(at, "/");
        params += *segment == ':' || *segment == '*';
        if (*segment == ':' && at == segment + 1)
            return "a : needs a name";
        if (*segment == '*' && *at == '/')
            return "a * can only stand last";
    }
    if (params > MC_ROUTE_PARAMS_MAX)
        return "more than 16 parameters";
    return depth > DEPTH_MAX ? "more than 64 segments" : NULL;
}

static struct mc_route *route_new(const char *method, const char *pattern)
{
    struct mc_route *route = calloc(1, sizeof(*route));
    if (route == NULL)
        return NULL;
    route->method = strdup(method);
    route->pattern = strdup(pattern);
    int ok = route->method != NULL && route->pattern != NULL;
    for (const char *at = pattern; ok && *at == '/';) {
        const char *segment = ++at;
        at += strcspn(at, "/");
        size_t bytes = (size_t)(at - segment);
        if (*segment != ':' && *segment != '*')
            continue;
        int has_name = bytes > 1;
        route->params[route->param_count] = strndup(segment + has_name, bytes - (size_t)has_name);
        ok = route->params[route->param_count] != NULL;
        route->param_count += (uint32_t)ok;
    }
    if (ok)
        return route;
    route_free(route);
    return NULL;
}

int mc_router_add(struct mc_router *r, const char *method, const char *pattern,
                  struct mc_route **out, const char **why)
{
    *why = pattern_fault(pattern);
    if (*why != NULL)
        return MC_EINVAL;
    struct node *n = &r->root;
    for (const char *at = pattern; *at == '/';) {
        const char *segment = ++at;
        at += strcspn(at, "/");
        n = child_take(n, segment, (size_t)(at - segment));
        if (n == NULL)
            return MC_ENOMEM;
    }
    struct mc_route *route = route_new(method, pattern);
    if (route == NULL)
        return MC_ENOMEM;
    for (size_t i = 0; i < n->route_count; i++) {
        if (strcmp(n->routes[i]->method, method) != 0)
            continue;
        /* The names may differ: the new ones move into the object that matches may point to. */
        struct mc_route old = *n->routes[i];
        *n->routes[i] = *route;
        n->routes[i]->handler = old.handler;
        n->routes[i]->trace_id = old.trace_id;
        *route = old;
        route_free(route);
        *out = n->routes[i];
        return 0;
    }
    struct mc_route **more = realloc(n->routes, (n->route_count + 1) * sizeof(struct mc_route *));
    if (more == NULL) {
        route_free(route);
        return MC_ENOMEM;
    }
    n->routes = more;
    n->routes[n->route_count++] = route;
    *out = route;
    return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

struct search {
    const char *method;
    struct mc_route_match *match;
    uint32_t value_count;
    char *allow;
    size_t allow_bytes;
    int has_path; /* a node of this path has routes, of other methods */
};

static void allow_add(struct search *s, const char *method)
{
    size_t used = strlen(s->allow);
    const char *at = s->allow;
    size_t bytes = strlen(method);
    while ((at = strstr(at, method)) != NULL) { /* a whole word of the list? */
        if ((at == s->allow || at[-1] == ' ') && (at[bytes] == ',' || at[bytes] == '\0'))
            return;
        at += bytes;
    }
    snprintf(s->allow + used, s->allow_bytes - used, "%s%s", used > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        allow_add(s, "HEAD");
}

static int node_take(struct search *s, const struct node *n)
{
    const struct mc_route *by_get = NULL;
    for (size_t i = 0; i < n->route_count; i++) {
        if (strcmp(n->routes[i]->method, s->method) == 0) {
            s->match->route = n->routes[i];
            return 1;
        }
        if (strcmp(n->routes[i]->method, "GET") == 0)
            by_get = n->routes[i];
    }
    if (by_get != NULL && strcmp(s->method, "HEAD") == 0) {
        s->match->route = by_get;
        return 1;
    }
    for (size_t i = 0; i < n->route_count; i++)
        allow_add(s, n->routes[i]->method);
    s->has_path |= n->route_count > 0;
    return 0;
}

static void value_push(struct search *s, const char *at, size_t bytes)
{
    s->match->values[s->value_count] = at;
    s->match->value_bytes[s->value_count] = bytes;
    s->value_count++;
}

/* `at` stands on the '/' before a segment, or at the path's end. As deep as the deepest pattern. */
static int search_node(struct search *s, const struct node *n, const char *at)
{
    if (*at != '/')
        return *at == '\0' && node_take(s, n);
    const char *segment = at + 1;
    size_t bytes = strcspn(segment, "/");
    for (size_t i = 0; i < n->literal_count; i++)
        if (strlen(n->literals[i]->literal) == bytes &&
            memcmp(n->literals[i]->literal, segment, bytes) == 0 &&
            search_node(s, n->literals[i], segment + bytes))
            return 1;
    if (n->param != NULL && bytes > 0) {
        value_push(s, segment, bytes);
        if (search_node(s, n->param, segment + bytes))
            return 1;
        s->value_count--;
    }
    if (n->tail != NULL) {
        value_push(s, segment, strlen(segment));
        if (node_take(s, n->tail))
            return 1;
        s->value_count--;
    }
    return 0;
}

int mc_router_find(const struct mc_router *r, const char *method, const char *path,
                   struct mc_route_match *match, char *allow, size_t allow_bytes)
{
    struct search s = {
        .method = method, .match = match, .allow = allow, .allow_bytes = allow_bytes};
    allow[0] = '\0';
    if (path[0] == '/' && search_node(&s, &r->root, path))
        return 0;
    return s.has_path ? MC_EDENIED : MC_ENOENT;
}
