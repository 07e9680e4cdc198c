/* test_api_openmetrics.c: a frame as OpenMetrics: escaping, types, what is unknown. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "server/openmetrics.h"

static struct mc_schema schema;
static int64_t values[1024];

static void add(int kind, const char *name, uint32_t slots)
{
    struct mc_source like = {.kind = kind, .name = (char *)(uintptr_t)name, .unit = NULL};
    like.slot_count = slots;
    like.capacity_bytes = 4096;
    CHECK_INT(mc_schema_add_source(&schema, &like), 0);
}

static char *expose(void)
{
    struct mc_run_info info = {.run_id = 3, .pid = 42, .label = "a \"b\"\\c", .host = "h"};
    struct mc_frame frame = {.ts = 1500000000, .schema = &schema, .values = values};
    struct mc_buf out = {0};
    mc_openmetrics(&info, &frame, &out);
    mc_buf_add_char(&out, 0);
    return (char *)out.bytes;
}

static void has(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fprintf(stderr, "no line: %s\n", line);
    CHECK(at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n');
}

static void a_frame_is_exposed(void)
{
    mc_schema_init(&schema);
    add(MC_KIND_SLAB, "tcp_buffers", 400);
    add(MC_KIND_SLAB, "o\"d\\d", 8);
    add(MC_KIND_HISTOGRAM, "latency", 0);
    add(MC_KIND_PROCESS, "process", 0);
    add(MC_KIND_ROUTE, "GET /hello", 0);
    for (uint32_t i = 0; i < schema.value_count; i++)
        values[i] = i + 1;
    const struct mc_source *process = mc_schema_find(&schema, MC_KIND_PROCESS, NULL);
    const struct mc_source *route = mc_schema_find(&schema, MC_KIND_ROUTE, NULL);
    values[process->value_idx + MC_FIELD(PROCESS, STATE)] = 'S';
    values[process->value_idx + MC_FIELD(PROCESS, CPU_USER)] = 1234567890123;
    values[process->value_idx + MC_FIELD(PROCESS, PSS)] = MC_VALUE_NONE;
    values[route->value_idx + MC_FIELD(ROUTE, P50)] = 1500;
    char *text = expose();
    has(text, "# TYPE memcam_slab_used gauge");
    has(text, "memcam_slab_used{pool=\"tcp_buffers\"} 1");
    has(text, "memcam_slab_used{pool=\"o\\\"d\\\\d\"} 6");
    has(text, "memcam_slab_capacity{pool=\"tcp_buffers\"} 400");
    has(text, "# TYPE memcam_slab_allocs counter");
    has(text, "memcam_slab_allocs_total{pool=\"tcp_buffers\"} 3");
    has(text, "# TYPE memcam_histogram summary");
    has(text, "memcam_histogram_count{name=\"latency\"} 11");
    has(text, "memcam_histogram{name=\"latency\",quantile=\"0.5\"} 13");
    has(text, "memcam_process_state{memcam_process_state=\"S\"} 1");
    has(text, "memcam_process_state{memcam_process_state=\"R\"} 0");
    has(text, "# UNIT memcam_process_cpu_user_seconds seconds");
    has(text, "memcam_process_cpu_user_seconds_total 1234.567890123");
    CHECK(!strstr(text, "memcam_process_pss_bytes"));
    has(text, "memcam_route_duration_seconds{route=\"GET /hello\",quantile=\"0.5\"} 0.000001500");
    has(text, "memcam_run_info{run_id=\"3\",pid=\"42\",label=\"a \\\"b\\\"\\\\c\",host=\"h\","
              "program=\"\",build=\"\"} 1");
    CHECK(strlen(text) > 6 && strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
    free(text);
    mc_schema_fini(&schema);
}

/* A family's lines stand together, its TYPE is said once and first. */
static void families_stand_together(void)
{
    char names[256][96];
    int count = 0;
    mc_schema_init(&schema);
    for (int kind = 0; kind < MC_KIND_COUNT; kind++) {
        add(kind, "one", 4);
        add(kind, "two", 4);
    }
    for (uint32_t i = 0; i < schema.value_count; i++)
        values[i] = i;
    char *text = expose();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            snprintf(names[count], sizeof names[0], "%.*s", (int)strcspn(line + 7, " "), line + 7);
            for (int i = 0; i < count; i++)
                CHECK(strcmp(names[i], names[count]) != 0);
            count++;
        } else if (*line != '#') {
            CHECK(count && strncmp(line, names[count - 1], strlen(names[count - 1])) == 0);
        }
    }
    CHECK(count > 70);
    free(text);
    mc_schema_fini(&schema);
}

static void twins_are_told_apart(void)
{
    mc_schema_init(&schema);
    add(MC_KIND_SLAB, "same", 400);
    add(MC_KIND_ARENA, "same", 0);
    add(MC_KIND_SLAB, "same", 8);
    for (uint32_t i = 0; i < schema.value_count; i++)
        values[i] = i + 1;
    char *text = expose();
    has(text, "memcam_slab_used{pool=\"same\"} 1");
    has(text, "memcam_slab_used{pool=\"same\",source_id=\"2\"} 10");
    has(text, "memcam_slab_capacity{pool=\"same\",source_id=\"2\"} 8");
    has(text, "memcam_arena_used_bytes{arena=\"same\"} 6");
    free(text);
    mc_schema_fini(&schema);
}

static void nothing_live(void)
{
    struct mc_buf out = {0};
    mc_openmetrics(NULL, NULL, &out);
    mc_buf_add_char(&out, 0);
    CHECK_STR((char *)out.bytes, "# TYPE memcam_recording gauge\nmemcam_recording 0\n# EOF\n");
    mc_buf_fini(&out);
}

int main(void)
{
    RUN(a_frame_is_exposed);
    RUN(families_stand_together);
    RUN(twins_are_told_apart);
    RUN(nothing_live);
    return CHECK_DONE();
}
