/* test_http_doors.c: who may come in, and how targets and queries are read. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "server/http_priv.h"
#include "tests/unit/check.h"

static struct mc_http_server server;
static struct mc_http_conn conn;
static _Alignas(16) uint8_t arena[8192];

/* A request as the protocols make it. headers: name, value, …, NULL. */
static struct mc_http_request *make(const char *method, const char *target,
                                    const char *const *headers)
{
    struct mc_http_request *r = (struct mc_http_request *)(void *)arena;
    memset(arena, 0, sizeof arena);
    conn.server = &server;
    r->conn = &conn;
    r->arena_room_bytes = sizeof arena;
    r->arena_used_bytes = sizeof *r;
    r->method = method;
    r->is_head = strcmp(method, "HEAD") == 0;
    r->path = r->query = r->authority = "";
    for (; headers && headers[0]; headers += 2)
        mc_request_add_header(r, (const uint8_t *)headers[0], strlen(headers[0]),
                              (const uint8_t *)headers[1], strlen(headers[1]));
    const char *detail = NULL;
    CHECK_INT(mc_target_parse(r, target, &detail), 0);
    return r;
}

static int check(const char *method, const char *target, const char *const *headers)
{
    const char *detail = NULL;
    int status = mc_doors_check(make(method, target, headers), &detail);
    CHECK(status == 0 || detail);
    return status;
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

static void reset(const char *host)
{
    memset(&server, 0, sizeof server);
    snprintf(server.host, sizeof server.host, "%s", host);
}

static int bind_allowed(const char *text, int tls, const char *token)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct mc_http_options o = {.tls = tls, .token = token};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return mc_doors_bind_allowed((struct sockaddr *)&v4, &o);
    CHECK_INT(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return mc_doors_bind_allowed((struct sockaddr *)&v6, &o);
}

static void test_bind_rule(void)
{
    CHECK(bind_allowed("127.0.0.1", 0, NULL));
    CHECK(bind_allowed("127.8.9.1", 0, NULL));
    CHECK(bind_allowed("::1", 0, NULL));
    CHECK(bind_allowed("::ffff:127.0.0.1", 0, NULL));
    CHECK(!bind_allowed("0.0.0.0", 0, NULL));
    CHECK(!bind_allowed("0.0.0.0", 1, NULL));
    CHECK(!bind_allowed("0.0.0.0", 0, "token"));
    CHECK(!bind_allowed("0.0.0.0", 1, ""));
    CHECK(bind_allowed("0.0.0.0", 1, "token"));
    CHECK(!bind_allowed("::", 0, NULL));
    CHECK(!bind_allowed("::ffff:10.0.0.1", 0, NULL));
    CHECK(!bind_allowed("10.0.0.1", 0, NULL));
    CHECK(bind_allowed("fe80::1", 1, "token"));
}

static void test_host_list(void)
{
    static const char *const names[] = {"app.example", "other.example", NULL};
    struct mc_http_options none = {0}, some = {.host_allow = names};
    static const struct {
        const char *authority, *bound;
        int none, some;
    } cases[] = {
        {"localhost", "127.0.0.1", 1, 1},
        {"LOCALHOST:8080", "127.0.0.1", 1, 1},
        {"127.0.0.1:8080", "127.0.0.1", 1, 1},
        {"127.0.0.2", "127.0.0.1", 1, 1},
        {"[::1]:8080", "127.0.0.1", 1, 1},
        {"[::1]", "::1", 1, 1},
        {"app.example", "127.0.0.1", 0, 1},
        {"APP.example:1", "127.0.0.1", 0, 1},
        {"app.example.", "127.0.0.1", 0, 0},
        {"evil.example", "127.0.0.1", 0, 0},
        {"localhost.evil.example", "127.0.0.1", 0, 0},
        {"127.0.0.1.evil.example", "127.0.0.1", 0, 0},
        {"127.0.0.1@evil.example", "127.0.0.1", 0, 0},
        {"localhost:80x", "127.0.0.1", 0, 0},
        {"localhost:80:80", "127.0.0.1", 0, 0},
        {"", "127.0.0.1", 0, 0},
        {":80", "127.0.0.1", 0, 0},
        {"[::1", "127.0.0.1", 0, 0},
        {"[::1]x", "127.0.0.1", 0, 0},
        {"::1", "127.0.0.1", 0, 0},
        {"10.0.0.7", "127.0.0.1", 0, 0},
        {"10.0.0.7:80", "10.0.0.7", 1, 1},
        {"10.0.0.7", "0.0.0.0", 1, 1},
        {"[fe80::1]:80", "::", 1, 1},
        {"evil.example", "0.0.0.0", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int got = mc_doors_host_allowed(&none, cases[i].bound, cases[i].authority);
        int got_some = mc_doors_host_allowed(&some, cases[i].bound, cases[i].authority);
        if (got != cases[i].none || got_some != cases[i].some)
            fprintf(stderr, "  case %zu: %s\n", i, cases[i].authority);
        CHECK_INT(got, cases[i].none);
        CHECK_INT(got_some, cases[i].some);
    }
}

static void test_host_header(void)
{
    reset("127.0.0.1");
    CHECK_INT(check("GET", "/", HEADERS("host", "127.0.0.1:7070")), 0);
    CHECK_INT(check("GET", "/", HEADERS("host", "rebound.example:7070")), 421);
    CHECK_INT(check("GET", "/", NULL), 421);
    /* The target's authority counts, not the header. */
    CHECK_INT(check("GET", "http://rebound.example/", HEADERS("host", "localhost")), 421);
    CHECK_INT(check("GET", "http://localhost/", HEADERS("host", "rebound.example")), 0);
}

#define LOCAL "host", "localhost:7070"
static void test_other_sites(void)
{
    reset("127.0.0.1");
    CHECK_INT(check("GET", "/api/runs", HEADERS(LOCAL, "sec-fetch-site", "same-origin")), 0);
    CHECK_INT(check("GET", "/api/runs", HEADERS(LOCAL, "sec-fetch-site", "none")), 0);
    CHECK_INT(check("GET", "/api/runs", HEADERS(LOCAL, "sec-fetch-site", "cross-site")), 403);
    CHECK_INT(check("GET", "/api/runs", HEADERS(LOCAL, "sec-fetch-site", "same-site")), 403);
    CHECK_INT(check("GET", "/api/runs", HEADERS(LOCAL, "sec-fetch-site", "new-word")), 403);
    CHECK_INT(check("GET", "/",
                    HEADERS(LOCAL, "sec-fetch-site", "cross-site", "sec-fetch-mode", "navigate")),
              0);
    CHECK_INT(check("GET", "/?x=1",
                    HEADERS(LOCAL, "sec-fetch-site", "cross-site", "sec-fetch-mode", "navigate")),
              0);
    CHECK_INT(check("GET", "/",
                    HEADERS(LOCAL, "sec-fetch-site", "cross-site", "sec-fetch-mode", "no-cors")),
              403);
    CHECK_INT(check("GET", "/api/runs",
                    HEADERS(LOCAL, "sec-fetch-site", "cross-site", "sec-fetch-mode", "navigate")),
              403);
    CHECK_INT(check("POST", "/",
                    HEADERS(LOCAL, "sec-fetch-site", "cross-site", "sec-fetch-mode", "navigate")),
              403);
    server.o.cross_site_allow = 1;
    CHECK_INT(
        check("POST", "/",
              HEADERS(LOCAL, "sec-fetch-site", "cross-site", "origin", "https://other.example")),
        0);
}

static void test_origin(void)
{
    reset("127.0.0.1");
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL)), 0);
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL, "origin", "http://localhost:7070")), 0);
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL, "origin", "http://localhost:8080")), 403);
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL, "origin", "http://127.0.0.1:7070")), 403);
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL, "origin", "https://localhost:7070")), 403);
    CHECK_INT(check("POST", "/x", HEADERS(LOCAL, "origin", "null")), 403);
    CHECK_INT(check("DELETE", "/x", HEADERS(LOCAL, "origin", "https://evil.example")), 403);
    CHECK_INT(check("GET", "/x", HEADERS(LOCAL, "origin", "https://evil.example")), 0);
    CHECK_INT(check("HEAD", "/x", HEADERS(LOCAL, "origin", "https://evil.example")), 0);
}

static void test_token(void)
{
    const char *detail = NULL;
    reset("127.0.0.1");
    server.o.token = "s3cret";
    CHECK_INT(check("GET", "/", HEADERS(LOCAL)), 401);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "authorization", "Bearer s3cret")), 0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "authorization", "bearer  s3cret")), 0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "authorization", "Bearer s3cre")), 401);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "authorization", "Bearer s3cretx")), 401);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "authorization", "Basic s3cret")), 401);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "memcam_token=s3cret")), 0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "a=b; memcam_token=s3cret; c=d")), 0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "memcam_token=old; memcam_token=s3cret")),
              0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "a=b", "cookie", "memcam_token=s3cret")),
              0);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "xmemcam_token=s3cret")), 401);
    CHECK_INT(check("GET", "/", HEADERS(LOCAL, "cookie", "memcam_token=S3CRET")), 401);
    CHECK_INT(check("GET", "/api?token=s3cret", HEADERS(LOCAL)), 401);
    CHECK_INT(check("POST", "/?token=s3cret", HEADERS(LOCAL)), 401);
    CHECK_INT(check("GET", "/?token=wrong", HEADERS(LOCAL)), 401);
    CHECK_INT(mc_doors_check(make("GET", "/?token=s3cret", HEADERS(LOCAL)), &detail), 303);
    CHECK_STR(detail, "memcam_token=s3cret; HttpOnly; SameSite=Strict; Path=/");
    conn.ssl = (SSL *)(void *)arena; /* only asked whether it is there */
    CHECK_INT(mc_doors_check(make("GET", "/?a=b&token=s3cret", HEADERS(LOCAL)), &detail), 303);
    CHECK_STR(detail, "memcam_token=s3cret; HttpOnly; SameSite=Strict; Path=/; Secure");
    conn.ssl = NULL;
}

static void test_security_headers(void)
{
    size_t count = 0;
    const struct mc_http_header *headers = mc_http_dashboard_headers(&count);
    CHECK_INT(count, 4);
    CHECK_STR(headers[0].name, "content-security-policy");
    CHECK(strstr(headers[0].value, "default-src 'none'"));
    CHECK(strstr(headers[0].value, "frame-ancestors 'none'"));
}

static int target_status(const char *method, const char *target)
{
    const char *detail = NULL;
    struct mc_http_request *r = make(method, "/", NULL);
    return mc_target_parse(r, target, &detail);
}

static void test_targets(void)
{
    struct mc_http_request *r = make("GET", "/a%20b/%C3%A9+?q=%31&x=a+b%2B&empty&=no&q=2", NULL);
    CHECK_STR(mc_http_path(r), "/a b/\xc3\xa9+");
    CHECK_STR(mc_http_query(r), "q=%31&x=a+b%2B&empty&=no&q=2");
    CHECK_STR(mc_http_query_get(r, "q"), "1");
    CHECK_STR(mc_http_query_get(r, "x"), "a b+");
    CHECK_STR(mc_http_query_get(r, "empty"), "");
    CHECK(!mc_http_query_get(r, "nope"));
    CHECK_STR(mc_http_query(make("GET", "/", NULL)), "");
    CHECK_STR(mc_http_path(make("GET", "http://h", NULL)), "/");
    CHECK_STR(mc_http_path(make("OPTIONS", "*", NULL)), "*");
    r = make("GET", "/?a=%zz%4&b=%00", NULL);
    CHECK_STR(mc_http_query_get(r, "a"), "%zz%4");
    CHECK_STR(mc_http_query_get(r, "b"), "%00");
    static const char *const wrong[] = {"",      "x",    "*",           "/%",          "/%4",
                                        "/%zz",  "/%00", "/a#b",        "ftp://h/",    "http:///",
                                        "/a\\b", "/a b", "http://u@h/", "http://h?x=y"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (target_status("GET", wrong[i]) != 400)
            fprintf(stderr, "  target %s\n", wrong[i]);
        CHECK_INT(target_status("GET", wrong[i]), 400);
    }
}

int main(void)
{
    RUN(test_bind_rule);
    RUN(test_host_list);
    RUN(test_host_header);
    RUN(test_other_sites);
    RUN(test_origin);
    RUN(test_token);
    RUN(test_security_headers);
    RUN(test_targets);
    return CHECK_DONE();
}
