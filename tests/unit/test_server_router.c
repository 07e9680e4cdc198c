/* test_server_router.c: which route answers a path. */
#include <stdlib.h>

#include "server/app_router.h"
#include "tests/unit/check.h"
#include "tracer/error.h"

static struct mc_router *router;
static char allow[256];
static struct mc_route_match match;

static int add(const char *method, const char *pattern, uint32_t handler)
{
    struct mc_route *route;
    const char *why;
    int rc = mc_router_add(router, method, pattern, &route, &why);
    if (rc == 0)
        route->handler = handler;
    CHECK((rc == MC_EINVAL) == (why != NULL));
    return rc;
}

/* The handler that answers, or a negative code. */
static int find(const char *method, const char *path)
{
    match = (struct mc_route_match){0};
    int rc = mc_router_find(router, method, path, &match, allow, sizeof(allow));
    return rc == 0 ? (int)match.route->handler : rc;
}

static int value_is(uint32_t idx, const char *name, const char *value)
{
    return idx < match.route->param_count && strcmp(match.route->params[idx], name) == 0 &&
           match.value_bytes[idx] == strlen(value) &&
           memcmp(match.values[idx], value, strlen(value)) == 0;
}

static void test_literals(void)
{
    router = mc_router_new();
    CHECK_INT(add("GET", "/", 1), 0);
    CHECK_INT(add("GET", "/a", 2), 0);
    CHECK_INT(add("GET", "/a/", 3), 0);
    CHECK_INT(add("POST", "/a", 4), 0);
    CHECK_INT(find("GET", "/"), 1);
    CHECK_INT(find("GET", "/a"), 2);
    CHECK_INT(find("GET", "/a/"), 3);
    CHECK_INT(find("POST", "/a"), 4);
    CHECK_INT(find("HEAD", "/a"), 2);
    CHECK_INT(find("GET", "/A"), MC_ENOENT);
    CHECK_INT(find("GET", "/a/b"), MC_ENOENT);
    CHECK_INT(find("GET", ""), MC_ENOENT);
    CHECK_INT(find("OPTIONS", "*"), MC_ENOENT);
    CHECK_INT(find("PUT", "/a"), MC_EDENIED);
    CHECK_STR(allow, "GET, HEAD, POST");
    CHECK_INT(find("GET", "//"), MC_ENOENT);
    mc_router_free(router);
}

static void test_params(void)
{
    router = mc_router_new();
    CHECK_INT(add("GET", "/item/:id", 1), 0);
    CHECK_INT(add("GET", "/item/new", 2), 0);
    CHECK_INT(add("GET", "/item/:item/part/:part", 3), 0);
    CHECK_INT(add("DELETE", "/item/:id", 4), 0);
    CHECK_INT(find("GET", "/item/7"), 1);
    CHECK(value_is(0, "id", "7"));
    CHECK_INT(find("GET", "/item/new"), 2);
    CHECK_INT(find("GET", "/item/"), MC_ENOENT);
    CHECK_INT(find("GET", "/item/a/part/b c"), 3);
    CHECK(value_is(0, "item", "a") && value_is(1, "part", "b c"));
    /* Back out of the literal "new", which leads nowhere. */
    CHECK_INT(find("GET", "/item/new/part/9"), 3);
    CHECK(value_is(0, "item", "new") && value_is(1, "part", "9"));
    /* Another method of a literal's path is answered by the parameter's. */
    CHECK_INT(find("DELETE", "/item/new"), 4);
    CHECK_INT(find("PUT", "/item/new"), MC_EDENIED);
    CHECK_STR(allow, "GET, HEAD, DELETE");
    mc_router_free(router);
}

static void test_tails(void)
{
    router = mc_router_new();
    CHECK_INT(add("GET", "/files/*path", 1), 0);
    CHECK_INT(add("GET", "/files/readme", 2), 0);
    CHECK_INT(add("GET", "/:any", 3), 0);
    CHECK_INT(add("GET", "/*", 4), 0);
    CHECK_INT(find("GET", "/files/a/b"), 1);
    CHECK(value_is(0, "path", "a/b"));
    CHECK_INT(find("GET", "/files/"), 1);
    CHECK(value_is(0, "path", ""));
    CHECK_INT(find("GET", "/files/readme"), 2);
    CHECK_INT(find("GET", "/files/readme/x"), 1);
    CHECK_INT(find("GET", "/files"), 3);
    CHECK_INT(find("GET", "/"), 4);
    CHECK_INT(find("GET", "/x/y"), 4);
    CHECK(value_is(0, "*", "x/y"));
    mc_router_free(router);
}

static void test_refused(void)
{
    router = mc_router_new();
    CHECK_INT(add("GET", "", 1), MC_EINVAL);
    CHECK_INT(add("GET", "a", 1), MC_EINVAL);
    CHECK_INT(add("GET", "/:", 1), MC_EINVAL);
    CHECK_INT(add("GET", "/a/*rest/b", 1), MC_EINVAL);
    CHECK_INT(add("GET", "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p", 1), 0);
    CHECK_INT(add("GET", "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q", 1), MC_EINVAL);
    char deep[200];
    for (size_t i = 0; i < sizeof(deep) - 1; i++)
        deep[i] = i % 2 ? 'a' : '/';
    deep[sizeof(deep) - 1] = '\0';
    CHECK_INT(add("GET", deep, 1), MC_EINVAL);
    /* A deep path is no deeper than the patterns. */
    char *path = malloc(200001);
    memset(path, '/', 200000);
    path[200000] = '\0';
    CHECK_INT(find("GET", path), MC_ENOENT);
    free(path);
    mc_router_free(router);
}

static void test_again(void)
{
    router = mc_router_new();
    CHECK_INT(add("GET", "/a/:x", 1), 0);
    CHECK_INT(add("GET", "/a/:y", 2), 0);
    CHECK_INT(find("GET", "/a/5"), 2);
    CHECK(value_is(0, "y", "5"));
    mc_router_free(router);
}

int main(void)
{
    RUN(test_literals);
    RUN(test_params);
    RUN(test_tails);
    RUN(test_refused);
    RUN(test_again);
    return CHECK_DONE();
}
