/* test_server_options.c: sizes, times, addresses, and what the table makes of them. */
#include "server/command.h"
#include "tests/unit/check.h"
#include "tracer/error.h"

static int64_t size_of(const char *text)
{
    int64_t bytes = -1;
    return mc_size_parse(text, &bytes) == 0 ? bytes : -1;
}

static int64_t time_of(const char *text)
{
    int64_t ns = -1;
    return mc_duration_parse(text, &ns) == 0 ? ns : -1;
}

static int64_t moment_of(const char *text)
{
    int64_t ts;
    return mc_moment_parse(text, &ts) == 0 ? ts : -1;
}

static const char *address_of(const char *text)
{
    static char out[96];
    return mc_address_parse(text, out, sizeof(out)) == 0 ? out : "refused";
}

static void test_sizes(void)
{
    CHECK_INT(size_of("0"), 0);
    CHECK_INT(size_of("4096"), 4096);
    CHECK_INT(size_of("64M"), 64 << 20);
    CHECK_INT(size_of("1GiB"), 1 << 30);
    CHECK_INT(size_of("1.5k"), 1536);
    CHECK_INT(size_of("2TB"), INT64_C(2) << 40);
    CHECK_INT(size_of("unlimited"), INT64_MAX);
    const char *wrong[] = {"",     "M",   "-1",  "+1",    " 1",           "1 M", "1X",
                           "0x10", "inf", "nan", "1e400", "99999999999T", "1MM", ".5M"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_INT(size_of(wrong[i]), -1);
}

static void test_times(void)
{
    CHECK_INT(time_of("100ms"), 100000000);
    CHECK_INT(time_of("24h"), INT64_C(86400000000000));
    CHECK_INT(time_of("1.5s"), 1500000000);
    CHECK_INT(time_of("2m"), INT64_C(120000000000));
    CHECK_INT(time_of("7d"), INT64_C(604800000000000));
    CHECK_INT(time_of("10us"), 10000);
    CHECK_INT(time_of("forever"), INT64_MAX);
    const char *wrong[] = {"", "100", "ms", "-1s", "1 s", "1y", "1e30d", "1s2"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_INT(time_of(wrong[i]), -1);
}

static void test_moments(void)
{
    CHECK_INT(moment_of("90s"), INT64_C(90000000000));
    CHECK_INT(moment_of("1m30s"), INT64_C(90000000000));
    CHECK_INT(moment_of("1h0m0.5s"), INT64_C(3600500000000));
    CHECK_INT(moment_of("1500000000"), 1500000000);
    CHECK_INT(moment_of("9007199254740993"), INT64_C(9007199254740993)); /* no double in between */
    CHECK_INT(moment_of("0"), 0);
    CHECK_INT(moment_of("begin"), INT64_MIN);
    CHECK_INT(moment_of("end"), INT64_MAX);
    const char *wrong[] = {"",
                           "s",
                           "-1",
                           "1m30",
                           "1.5",
                           "1m 30s",
                           "1x2s",
                           "forever",
                           "1e9s",
                           "begin1",
                           "99999999999999999999",
                           "200000d200000d"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_INT(moment_of(wrong[i]), -1);
}

static void test_addresses(void)
{
    CHECK_STR(address_of("127.0.0.1:8080"), "127.0.0.1:8080");
    CHECK_STR(address_of("localhost:80"), "127.0.0.1:80");
    CHECK_STR(address_of("0"), "127.0.0.1:0");
    CHECK_STR(address_of(":9"), "127.0.0.1:9");
    CHECK_STR(address_of("[::1]:7070"), "[::1]:7070");
    const char *wrong[] = {
        "",       "x",     "1.2.3:80", "127.0.0.1",      "127.0.0.1:",   "127.0.0.1:65536",
        "::1:80", "[::1]", "[x]:1",    "example.org:80", "127.0.0.1:8o", "127.0.0.1:000080"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_STR(address_of(wrong[i]), "refused");
    CHECK(mc_address_is_loopback("127.9.9.9:1") && mc_address_is_loopback("[::1]:1"));
    CHECK(!mc_address_is_loopback("0.0.0.0:1") && !mc_address_is_loopback("[::]:1"));
}

static void test_settings(void)
{
    struct mc_settings s;
    char args[][24] = {"a.scm",  "--keep=2h", "--tls",       "--host", "b.org",
                       "--host", "c.org",     "--max-bytes", "2G"};
    char *argv[9];
    for (int i = 0; i < 9; i++)
        argv[i] = args[i];
    CHECK_INT(mc_settings_parse(&mc_command_serve, 9, argv, &s), 0);
    CHECK_INT(s.arg_count, 1);
    CHECK_STR(s.args[0], "a.scm");
    CHECK_INT(s.keep_ns, INT64_C(7200000000000));
    CHECK_INT(s.max_bytes, INT64_C(2) << 30);
    CHECK_INT(s.interval_ns, 100000000);
    CHECK_STR(s.listen, "127.0.0.1:8080");
    CHECK_STR(s.hosts[0], "b.org");
    CHECK_STR(s.hosts[1], "c.org");
    CHECK(s.hosts[2] == NULL && s.tls == 1 && s.event_clock_ns == 0);
    CHECK_INT(s.given_count, 9);

    char program[][16] = {"--label", "x", "--", "prog", "--name"};
    char *more[] = {program[0], program[1], program[2], program[3], program[4], NULL};
    CHECK_INT(mc_settings_parse(&mc_command_record, 5, more, &s), 0);
    CHECK_STR(s.label, "x");
    CHECK_STR(s.program[0], "prog");
    CHECK_STR(s.program[1], "--name");
    CHECK(s.program[2] == NULL && s.name == NULL);
}

int main(void)
{
    RUN(test_sizes);
    RUN(test_times);
    RUN(test_moments);
    RUN(test_addresses);
    RUN(test_settings);
    return CHECK_DONE();
}
