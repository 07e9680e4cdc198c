/* test_tracer_buf.c: buffers, JSON strings, varints, clean text, buckets, the schema. */
#include "tests/unit/check.h"
#include "tracer/buf.h"
#include "tracer/error.h"
#include "tracer/frame.h"
#include "tracer/text.h"

#include <stdio.h>
#include <stdlib.h>

static void check_json(const char *text, size_t text_bytes, const char *want)
{
    struct mc_buf b = {0};
    mc_buf_add_json(&b, text, text_bytes);
    mc_buf_add_char(&b, '\0');
    CHECK_STR((char *)b.bytes, want);
    mc_buf_fini(&b);
}

static void json_strings(void)
{
    check_json("plain", 5, "\"plain\"");
    check_json("a\"b\\c\n\t\x01", 8, "\"a\\\"b\\\\c\\n\\t\\u0001\"");
    check_json("</script>", 9, "\"\\u003c/script>\"");
    check_json("\xe2\x80\xa8\xc3\xa9", 5, "\"\\u2028\xc3\xa9\"");
    check_json("\xff\xc0\xaf\xed\xa0\x80", 6,
               "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_json("cut \xf0\x9f\x98", 7, "\"cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void numbers_in_text(void)
{
    struct mc_buf b = {0};
    mc_buf_add_i64(&b, INT64_MIN);
    mc_buf_add_char(&b, ' ');
    mc_buf_add_u64(&b, UINT64_MAX);
    mc_buf_printf(&b, " %d%c", 0, '\0');
    CHECK_STR((char *)b.bytes, "-9223372036854775808 18446744073709551615 0");
    mc_buf_fini(&b);
}

/* As printf writes them, of every length and at its ends. */
static void numbers_of_every_length(void)
{
    uint64_t power = 1;
    for (int digits = 0; digits < 20; digits++, power *= 10) {
        for (uint64_t factor = 1; factor < 10; factor++) {
            for (int off = -2; off <= 2; off++) {
                uint64_t value = power * factor + (uint64_t)(int64_t)off;
                char want[32];
                uint8_t got[32];
                snprintf(want, sizeof want, "%llu", (unsigned long long)value);
                *mc_write_digits(got, value) = 0;
                CHECK_STR((char *)got, want);
                snprintf(want, sizeof want, "%08u", (unsigned)(value % 100000000));
                *mc_write_eight(got, (uint32_t)(value % 100000000)) = 0;
                CHECK_STR((char *)got, want);
            }
        }
    }
}

static void varints(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    struct mc_buf b = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        mc_buf_add_varint(&b, values[i]);
        mc_buf_add_zigzag(&b, (int64_t)values[i]);
    }
    struct mc_span s = {b.bytes, b.bytes + b.count, 0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        CHECK(mc_span_varint(&s) == values[i]);
        CHECK(mc_span_zigzag(&s) == (int64_t)values[i]);
    }
    CHECK(!s.failed && s.at == s.end);
    CHECK_INT(mc_span_varint(&s), 0);
    CHECK(s.failed);
    static const uint8_t endless[11] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff};
    struct mc_span hostile = {endless, endless + sizeof endless, 0};
    mc_span_varint(&hostile);
    CHECK(hostile.failed);
    mc_buf_fini(&b);
}

static void clean_text(void)
{
    char to[8];
    CHECK_INT(mc_text_clean(to, sizeof to, "a\x1b[b\xff", 5), 5);
    CHECK_STR(to, "a?[b?");
    CHECK_INT(mc_text_clean(to, sizeof to, "123456\xc3\xa9", 8), 6);
    CHECK_STR(to, "123456");
    CHECK_INT(mc_text_clean(to, sizeof to, "ab\0cd", 5), 2);
}

static void buckets(void)
{
    for (uint64_t v = 0; v < 100000; v++) {
        uint32_t idx = mc_bucket_of(v);
        CHECK(mc_bucket_top(idx) >= v);
        CHECK(idx == 0 || mc_bucket_top(idx - 1) < v);
    }
    CHECK_INT(mc_bucket_of((UINT64_C(1) << 44) - 1), MC_BUCKET_COUNT - 1);
    CHECK_INT(mc_bucket_of(UINT64_MAX), MC_BUCKET_COUNT - 1);
}

static void schema(void)
{
    struct mc_schema s;
    CHECK_INT(mc_schema_init(&s), 0);
    struct mc_source like = {.kind = MC_KIND_SLAB, .name = "bufs", .slot_count = 4};
    CHECK_INT(mc_schema_add_source(&s, &like), 0);
    like.kind = MC_KIND_HEAP;
    like.name = "he\x07p";
    CHECK_INT(mc_schema_add_source(&s, &like), 0);
    like.kind = 99;
    CHECK_INT(mc_schema_add_source(&s, &like), MC_EINVAL);
    CHECK_INT(s.sources[1].value_idx, mc_kind_field_count(MC_KIND_SLAB));
    CHECK_INT(s.sources[0].map_idx, 0);
    CHECK_STR(s.sources[1].name, "he?p");
    CHECK(mc_schema_find(&s, MC_KIND_HEAP, "he?p") == &s.sources[1]);
    CHECK_STR(mc_schema_string(&s, 1), "(other)");
    CHECK_STR(mc_schema_string(&s, 77), "(other)");
    mc_schema_fini(&s);
    CHECK_STR(mc_kind_field_name(MC_KIND_ROUTE, MC_FIELD(ROUTE, P50)), "p50_ns");
    CHECK(!mc_kind_field_name(MC_KIND_GAUGE, 1));
    CHECK_STR(mc_strerror(MC_ENORUN), "no such run");
}

int main(void)
{
    RUN(json_strings);
    RUN(numbers_in_text);
    RUN(numbers_of_every_length);
    RUN(varints);
    RUN(clean_text);
    RUN(buckets);
    RUN(schema);
    return CHECK_DONE();
}
