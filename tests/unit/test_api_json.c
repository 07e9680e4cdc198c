/* test_api_json.c: the strict reader of flat JSON objects. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "server/json_read.h"
#include "tracer/error.h"

static char why[160];
static char room[4096];

static int read_into(const char *text, size_t bytes, struct mc_json_field *fields)
{
    why[0] = 0;
    return mc_json_read((const uint8_t *)text, bytes, fields, 3, room, why, sizeof why);
}

#define FIELDS                                                                                     \
    {                                                                                              \
        {.name = "a"}, {.name = "b"},                                                              \
        {                                                                                          \
            .name = "c"                                                                            \
        }                                                                                          \
    }

static void values_are_read(void)
{
    struct mc_json_field f[3] = FIELDS;
    const char text[] = " { \"a\" : -12 , \"b\":\"x\\u00e9\\n\\ud83d\\ude00\\/\", \"c\":null}\r\n";
    CHECK_INT(read_into(text, sizeof text - 1, f), 0);
    CHECK_INT(f[0].type, MC_JSON_INTEGER);
    CHECK_INT(f[0].integer, -12);
    CHECK_INT(f[1].type, MC_JSON_STRING);
    CHECK_STR(f[1].text, "x\xC3\xA9\n\xF0\x9F\x98\x80/");
    CHECK_INT(f[1].text_bytes, 9);
    CHECK_INT(f[2].type, MC_JSON_NULL);
    CHECK_INT(read_into("{}", 2, f), 0);
    CHECK_INT(f[0].type, MC_JSON_ABSENT);
    CHECK_INT(read_into("{\"a\":true,\"b\":false}", 20, f), 0);
    CHECK_INT(f[0].integer, 1);
    CHECK_INT(f[1].integer, 0);
}

static void numbers_are_told_apart(void)
{
    static const struct {
        const char *text;
        int type;
        long long integer;
    } cases[] = {
        {"0", MC_JSON_INTEGER, 0},
        {"-0", MC_JSON_INTEGER, 0},
        {"9223372036854775807", MC_JSON_INTEGER, INT64_MAX},
        {"9223372036854775808", MC_JSON_NUMBER, 0},
        {"1.0", MC_JSON_NUMBER, 0},
        {"1e3", MC_JSON_NUMBER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mc_json_field f[3] = FIELDS;
        char text[64];
        int bytes = snprintf(text, sizeof text, "{\"a\":%s}", cases[i].text);
        CHECK_INT(read_into(text, (size_t)bytes, f), 0);
        CHECK_INT(f[0].type, cases[i].type);
        if (cases[i].type == MC_JSON_INTEGER)
            CHECK_INT(f[0].integer, cases[i].integer);
    }
}

static void wrong_texts_are_refused(void)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}x",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":nul}",
        "{\"a\":NaN}",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":1,\"a\":2}",
        "{\"d\":1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":\"x}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\xC0\x80\"}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"\xF5\x80\x80\x80\"}",
        "{\"a\":\"\xE2\x82\"}",
        "{\"a\":\"\\",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":11111111111111111111111111111111111111111111111111111111111111111}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mc_json_field f[3] = FIELDS;
        int code = read_into(cases[i], strlen(cases[i]), f);
        if (code != MC_EINVAL || !why[0])
            fprintf(stderr, "case %zu: %s\n", i, cases[i]);
        CHECK_INT(code, MC_EINVAL);
        CHECK(why[0]);
    }
    struct mc_json_field f[3] = FIELDS;
    CHECK_INT(read_into("{\"a\":\"\0\"}", 9, f), MC_EINVAL);
}

/* Every prefix of a good text is refused without reading past it (ASan looks). */
static void prefixes_are_refused(void)
{
    const char text[] = "{\"a\":\"\\ud83d\\ude00 \xE2\x82\xAC\",\"b\":-1.5e-3,\"c\":false}";
    for (size_t bytes = 0; bytes < sizeof text - 1; bytes++) {
        struct mc_json_field f[3] = FIELDS;
        char *exact = malloc(bytes ? bytes : 1);
        memcpy(exact, text, bytes);
        CHECK_INT(read_into(exact, bytes, f), MC_EINVAL);
        free(exact);
    }
    struct mc_json_field f[3] = FIELDS;
    CHECK_INT(read_into(text, sizeof text - 1, f), 0);
}

int main(void)
{
    RUN(values_are_read);
    RUN(numbers_are_told_apart);
    RUN(wrong_texts_are_refused);
    RUN(prefixes_are_refused);
    return CHECK_DONE();
}
