/* app_router.h: which handler answers a method and a path.
 *
 * A pattern is segments: literal text, `:name` (one segment that is not empty), and last of all `*`
 * or `*name` (whatever is left, also nothing). Literal comes before :name, :name before *. Knows
 * nothing of Scheme or HTTP.
 */
#ifndef MC_APP_ROUTER_H
#define MC_APP_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#define MC_ROUTE_PARAMS_MAX 16

struct mc_router;

struct mc_route {
    char *method, *pattern;            /* owned */
    char *params[MC_ROUTE_PARAMS_MAX]; /* owned names, in the order of the path; "*" for a bare * */
    uint32_t param_count;
    uint32_t handler;  /* the caller's */
    uint32_t trace_id; /* the caller's: the name of the route in the trace */
    char where[320];   /* the caller's: where the route was made, "app.scm:12:7" */
};

struct mc_route_match {
    const struct mc_route *route;            /* borrowed from the router */
    const char *values[MC_ROUTE_PARAMS_MAX]; /* into the path */
    size_t value_bytes[MC_ROUTE_PARAMS_MAX];
};

struct mc_router *mc_router_new(void); /* NULL: no memory */
void mc_router_free(struct mc_router *r);

/* Add a route, or find the one of the same method and pattern shape. handler and trace_id are the
 * caller's to set. 0; MC_EINVAL with `why` for a pattern that can't be; MC_ENOMEM. */
int mc_router_add(struct mc_router *r, const char *method, const char *pattern,
                  struct mc_route **out, const char **why);

/* 0 with *match; MC_ENOENT: no such path; MC_EDENIED: the path has other methods, and `allow` gets
 * them ("GET, HEAD, POST"). HEAD finds GET's route where it has none of its own. */
int mc_router_find(const struct mc_router *r, const char *method, const char *path,
                   struct mc_route_match *match, char *allow, size_t allow_bytes);

#endif
