/* test_api_params.c: numbers of a query string, runs of a path, encodings of a header. */
#include "tests/unit/check.h"

#include "server/params.h"

static void integers(void)
{
    static const char *const wrong[] = {"",    " 1", "1 ",  "+1",  "0x1", "1.0",
                                        "1e3", "-",  "--1", "abc", "1,",  "9223372036854775808"};
    int64_t value = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(mc_param_i64(wrong[i], INT64_MIN, INT64_MAX, &value) < 0);
    CHECK_INT(value, 77);
    CHECK_INT(mc_param_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value), 0);
    CHECK_INT(value, INT64_MIN);
    CHECK_INT(mc_param_i64("007", 0, 10, &value), 0);
    CHECK_INT(value, 7);
    CHECK(mc_param_i64("11", 0, 10, &value) < 0);
    CHECK(mc_param_i64("-1", 0, 10, &value) < 0);
    uint64_t big = 0;
    CHECK_INT(mc_param_u64("18446744073709551615", &big), 0);
    CHECK(big == UINT64_MAX);
    CHECK(mc_param_u64("18446744073709551616", &big) < 0);
    CHECK(mc_param_u64("-1", &big) < 0);
}

static void speeds(void)
{
    static const char *const wrong[] = {"",     "0",     "0.0",    "-0.00", "nan",  "inf",  "-inf",
                                        "1e",   "1e400", "1e-400", "0e5",   "e3",   "1e+",  "1-2",
                                        "0x10", "+1",    " 1",     "1 ",    "-",    "1..2", "-0",
                                        "MAX",  "1,5",   ".5",     "max ",  "-max", "1-"};
    double speed = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (mc_param_speed(wrong[i], &speed) == 0)
            fprintf(stderr, "speed \"%s\" was taken\n", wrong[i]);
        CHECK(speed >= 7 && speed <= 7);
    }
    CHECK_INT(mc_param_speed("max", &speed), 0);
    CHECK(speed >= 0 && speed <= 0);
    CHECK_INT(mc_param_speed("-0.5", &speed), 0);
    CHECK(speed >= -0.5 && speed <= -0.5);
    CHECK_INT(mc_param_speed("0.1", &speed), 0);
    CHECK_INT(mc_param_speed("-1000", &speed), 0);
    CHECK_INT(mc_param_speed("0.001", &speed), 0);
    CHECK(speed > 0 && speed < 0.002);
    CHECK_INT(mc_param_speed("1e-3", &speed), 0);
    CHECK(speed > 0 && speed < 0.002);
    CHECK_INT(mc_param_speed("-1E+6", &speed), 0);
    CHECK(speed >= -1e6 && speed <= -1e6);
    CHECK_INT(mc_param_speed("250000", &speed), 0);
    CHECK(speed >= 250000 && speed <= 250000);
}

static void runs(void)
{
    static const char *const wrong[] = {"",
                                        "0",
                                        "x",
                                        "1.",
                                        ".1",
                                        "0.1",
                                        "1.0",
                                        "1.1.1",
                                        "-1",
                                        "1.-1",
                                        "9999999999999999999999999999999999999999999999999999999"};
    size_t file_idx = 9;
    int64_t run_id = 9;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(mc_param_run(wrong[i], strlen(wrong[i]), &file_idx, &run_id) < 0);
    CHECK_INT(mc_param_run("12", 2, &file_idx, &run_id), 0);
    CHECK_INT(file_idx, 0);
    CHECK_INT(run_id, 12);
    CHECK_INT(mc_param_run("3.4/state", 3, &file_idx, &run_id), 0);
    CHECK_INT(file_idx, 2);
    CHECK_INT(run_id, 4);
}

static void encodings(void)
{
    CHECK(!mc_param_accepts(NULL, "zstd"));
    CHECK(!mc_param_accepts("", "zstd"));
    CHECK(!mc_param_accepts("gzip, deflate, br", "zstd"));
    CHECK(mc_param_accepts("gzip, deflate, br, zstd", "zstd"));
    CHECK(mc_param_accepts("ZSTD", "zstd"));
    CHECK(mc_param_accepts("zstd;q=0.001, gzip", "zstd"));
    CHECK(!mc_param_accepts("zstd;q=0, gzip", "zstd"));
    CHECK(!mc_param_accepts("gzip;q=1, zstd ; q=0.0", "zstd"));
    CHECK(mc_param_accepts("gzip;q=0, zstd", "zstd"));
    CHECK(!mc_param_accepts("gzip;q=0, zstd", "gzip"));
    CHECK(!mc_param_accepts("zstdx, xzstd", "zstd"));
    CHECK(!mc_param_accepts("*", "zstd"));
}

static void json_types(void)
{
    CHECK(mc_param_is_json("application/json"));
    CHECK(mc_param_is_json("Application/JSON; charset=utf-8"));
    CHECK(!mc_param_is_json(NULL));
    CHECK(!mc_param_is_json("text/plain"));
    CHECK(!mc_param_is_json("application/jsonx"));
    CHECK(!mc_param_is_json("application/x-www-form-urlencoded"));
}

int main(void)
{
    RUN(integers);
    RUN(speeds);
    RUN(runs);
    RUN(encodings);
    RUN(json_types);
    return CHECK_DONE();
}
