/* test_http_parser.c: the HTTP/1.1 parser: what it takes, what it refuses, split at every byte. */
#include <stdlib.h>

#include "server/http_h1_parse.h"
#include "tests/unit/check.h"

struct result {
    int status;  /* 0: a request; 100: more bytes are wanted; else the error */
    size_t used; /* bytes that the request took */
    char method[32], target[64], body[256];
    int keep_alive, expect, version_minor;
    uint32_t field_count;
    char field[64]; /* "name=value" of the last */
};

static void take_body(struct mc_h1 *p, const uint8_t *bytes, size_t end, size_t step, size_t *at,
                      struct result *out)
{
    size_t body_bytes = strlen(out->body);
    while (*at < end && p->state != MC_H1_DONE && p->state != MC_H1_ERROR) {
        const uint8_t *data;
        size_t data_bytes, count = end - *at < step ? end - *at : step;
        *at += mc_h1_body(p, bytes + *at, count, &data, &data_bytes);
        if (body_bytes + data_bytes < sizeof out->body) {
            memcpy(out->body + body_bytes, data, data_bytes);
            body_bytes += data_bytes;
        }
    }
}

/* Parse `count` bytes that come in two parts, and within each in steps. Each part is copied to a
 * block of its own size, so that ASan sees a read past it. */
static struct result parse(const char *text, size_t count, size_t split, size_t step, uint32_t room)
{
    struct result out = {0};
    struct mc_h1 p;
    struct mc_h1_field fields[MC_H1_FIELDS_MAX];
    char *head = malloc(room);
    mc_h1_init(&p, head, room);
    for (size_t start = 0; start < count;) {
        size_t end = start < split && split < count ? split : count, at = 0, part = end - start;
        uint8_t *bytes = malloc(part);
        memcpy(bytes, text + start, part);
        while (at < part && p.state == MC_H1_HEAD)
            at += mc_h1_head(&p, bytes + at, part - at < step ? part - at : step, fields);
        if (p.state == MC_H1_READY) {
            snprintf(out.method, sizeof out.method, "%s", p.method);
            snprintf(out.target, sizeof out.target, "%s", p.target);
            out.field_count = p.field_count;
            if (p.field_count)
                snprintf(out.field, sizeof out.field, "%s=%s", fields[p.field_count - 1].name,
                         fields[p.field_count - 1].value);
            mc_h1_body_begin(&p);
        }
        if (p.state != MC_H1_HEAD)
            take_body(&p, bytes, part, step, &at, &out);
        out.used += at;
        free(bytes);
        start = end;
        if (p.state == MC_H1_DONE || p.state == MC_H1_ERROR)
            break;
    }
    out.keep_alive = p.keep_alive;
    out.expect = p.expect_continue;
    out.version_minor = p.version_minor;
    out.status = p.state == MC_H1_DONE ? 0 : p.state == MC_H1_ERROR ? p.status : 100;
    CHECK(p.state != MC_H1_ERROR || p.detail);
    free(head);
    return out;
}

struct input {
    const char *text;
    int status;
    const char *body; /* of a good one */
};

#define HOST "Host: h\r\n"
static const struct input inputs[] = {
    /* What is good. */
    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0, ""},
    {"GET / HTTP/1.0\r\n\r\n", 0, ""},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0, ""},
    {"M-SEARCH * HTTP/1.1\r\nHost:h\r\n\r\n", 0, ""},
    {"GET http://h/x?y HTTP/1.1\r\nHost: \t h \t \r\n\r\n", 0, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 0, "hello"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 0, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0,
     "hello"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
     "a;x=\"y\"\r\n0123456789\r\n01\r\nA\r\n000\r\nTrailer: t\r\nB: c\r\n\r\n",
     0, "0123456789A"},
    {"GET / HTTP/1.1\r\n" HOST "X-Empty:\r\n\r\n", 0, ""},
    {"GET / HTTP/1.1\r\n" HOST "X-High: \xc3\xa9\r\n\r\n", 0, ""},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 0, "x"},
    /* Not complete. */
    {"GET / HTTP/1.1\r\nHost: h\r\n", 100, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell", 100, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n", 100, NULL},
    /* The request line. */
    {" GET / HTTP/1.1\r\n", 400, NULL},
    {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, NULL},
    {"GET /\r\n\r\n", 400, NULL},
    {"GET\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\nHost: h\n\n", 400, NULL},
    {"GET / HTTP/1.1\rHost: h\r\r", 400, NULL},
    {"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET / http/1.1\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400, NULL},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, NULL},
    {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505, NULL},
    {"\x80\x81\x82\x83", 400, NULL},
    {"{\"json\":true}", 400, NULL},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400, NULL},
    {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400, NULL},
    /* Fields. */
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X\t: y\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "noColon\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n folded\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n folded: first\r\n" HOST "\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X: a\nb: c\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "X\x80: a\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Expect: magic\r\n\r\n", 417, NULL},
    /* Smuggling: framing that two readers could read in two ways. */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400,
     NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 501, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 501, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\x0b"
     "chunked\r\n\r\n",
     400, NULL},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400,
     NULL},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL},
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    {CHUNKED "\r\n", 400, NULL},
    {CHUNKED "g\r\n", 400, NULL},
    {CHUNKED " 5\r\nhello\r\n", 400, NULL},
    {CHUNKED "5 \r\nhello\r\n", 400, NULL},
    {CHUNKED "0x5\r\nhello\r\n", 400, NULL},
    {CHUNKED "-5\r\nhello\r\n", 400, NULL},
    {CHUNKED "+5\r\nhello\r\n", 400, NULL},
    {CHUNKED "5\nhello\n", 400, NULL},
    {CHUNKED "5\r\nhelloX\r\n", 400, NULL},
    {CHUNKED "5\r\nhello\n0\r\n\r\n", 400, NULL},
    {CHUNKED "5\r\nhello\rX", 400, NULL},
    {CHUNKED "5;a\nb\r\nhello\r\n", 400, NULL},
    {CHUNKED "ffffffffffffffff\r\n", 400, NULL},
    {CHUNKED "0\r\nbad trailer\x01: x\r\n\r\n", 400, NULL},
    {CHUNKED "0\r\n folded\r\n\r\n", 400, NULL},
    {CHUNKED "0\r\n\rX", 400, NULL},
};

static void check_input(const struct input *in, struct result got, size_t split)
{
    if (got.status == in->status && (!in->body || strcmp(got.body, in->body) == 0))
        return;
    CHECK_INT(got.status, in->status);
    if (in->body)
        CHECK_STR(got.body, in->body);
    fprintf(stderr, "  split at %zu of: %s\n", split, in->text);
}

static void test_table_split_at_every_byte(void)
{
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        const struct input *in = &inputs[i];
        size_t count = strlen(in->text);
        for (size_t split = 1; split <= count; split++)
            check_input(in, parse(in->text, count, split, count, 4096), split);
        check_input(in, parse(in->text, count, count, 1, 4096), 0);
    }
}

static void test_nul_bytes(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    for (size_t split = 1; split < sizeof text; split++)
        CHECK_INT(parse(text, sizeof text - 1, split, 100, 4096).status, 400);
    CHECK_INT(parse("GET /\0 HTTP/1.1\r\n", 18, 18, 18, 4096).status, 400);
}

static void test_parts(void)
{
    static const char text[] = "PUT /a%20b?c=d HTTP/1.1\r\nhOsT: example:80\r\n"
                               "X-Some-Thing:  spaced out \t\r\n\r\nGET /next";
    struct result got = parse(text, sizeof text - 1, 20, 7, 4096);
    CHECK_INT(got.status, 0);
    CHECK_STR(got.method, "PUT");
    CHECK_STR(got.target, "/a%20b?c=d");
    CHECK_INT(got.field_count, 2);
    CHECK_STR(got.field, "x-some-thing=spaced out");
    CHECK_INT(got.used, sizeof text - 1 - strlen("GET /next")); /* the next request is left */
}

static void test_keep_alive(void)
{
    static const struct {
        const char *text;
        int keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, CLOSE , bar\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, keep-alive\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", 1},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_INT(parse(cases[i].text, strlen(cases[i].text), 9, 5, 4096).keep_alive,
                  cases[i].keep_alive);
}

static void test_limits(void)
{
    char text[20000] = "GET /";
    memset(text + 5, 'a', 15000);
    CHECK_INT(parse(text, 15005, 1000, 100, 16384).status, 414);
    CHECK_INT(parse(text, 15005, 1000, 100, 512).status, 414);
    strcpy(text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    size_t start = strlen(text);
    memset(text + start, 'a', 19000 - start);
    CHECK_INT(parse(text, 19000, 1000, 100, 16384).status, 431);
    strcpy(text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        strcat(text, "X: y\r\n");
    strcat(text, "\r\n");
    CHECK_INT(parse(text, strlen(text), 1000, 100, 16384).status, 431);
    strcpy(text, CHUNKED "0\r\n");
    for (int i = 0; i < 1000; i++)
        strcat(text, "X: yyyyy\r\n");
    CHECK_INT(parse(text, strlen(text), 1000, 100, 16384).status, 431);
}

static void test_head_that_just_fits(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    CHECK_INT(parse(text, sizeof text - 1, 5, 3, sizeof text - 1).status, 0);
    CHECK_INT(parse(text, sizeof text - 1, 5, 3, sizeof text - 2).status, 431);
}

/* Whatever comes: the same answer whole and in single bytes, and no read outside. */
static void test_noise(void)
{
    static const char alphabet[] = "GETPOS /:HTTP/1.1\r\n\r\n\r\nHost: x0;aF chunked";
    unsigned seed = 12345;
    for (int round = 0; round < 20000; round++) {
        char text[120];
        size_t count = 0;
        if (round % 2)
            count = (size_t)snprintf(
                text, sizeof text, "%s",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (count < sizeof text) {
            seed = seed * 1103515245u + 12345u;
            text[count++] = (seed >> 20) % 50 == 0 ? (char)(seed >> 8)
                                                   : alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        struct result whole = parse(text, count, count, count, 100);
        struct result bytes = parse(text, count, count, 1, 100);
        CHECK_INT(whole.status, bytes.status);
        CHECK_INT(whole.used, bytes.used);
    }
}

int main(void)
{
    RUN(test_table_split_at_every_byte);
    RUN(test_nul_bytes);
    RUN(test_parts);
    RUN(test_keep_alive);
    RUN(test_limits);
    RUN(test_head_that_just_fits);
    RUN(test_noise);
    return CHECK_DONE();
}
