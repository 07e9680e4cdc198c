/* fuzz_api.c: libFuzzer target: any bytes as a JSON body, as a query parameter, as headers.
 *
 * Decoded text must be valid by the reader's own word: it is written out again as JSON and read
 * once more, and both must agree.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/json_read.h"
#include "server/params.h"
#include "tracer/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void fuzz_json(const uint8_t *data, size_t bytes)
{
    struct mc_json_field first[] = {{.name = "a"}, {.name = "sql"}}, again[] = {{.name = "a"}};
    char why[80];
    char *room = malloc(bytes + 1);
    if (room && mc_json_read(data, bytes, first, 2, room, why, sizeof why) == 0 &&
        first[0].type == MC_JSON_STRING) {
        struct mc_buf out = {0};
        mc_buf_add_str(&out, "{\"a\":");
        mc_buf_add_json(&out, first[0].text, first[0].text_bytes);
        mc_buf_add_char(&out, '}');
        char *more = malloc(out.count + 1);
        if (!more || mc_json_read(out.bytes, out.count, again, 1, more, why, sizeof why) ||
            again[0].text_bytes != first[0].text_bytes ||
            memcmp(again[0].text, first[0].text, first[0].text_bytes) != 0)
            abort();
        free(more);
        mc_buf_fini(&out);
    }
    free(room);
}

static void fuzz_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    int64_t i;
    uint64_t u;
    double speed;
    size_t file_idx;
    if (!text)
        return;
    memcpy(text, data, bytes);
    text[bytes] = 0;
    if (mc_param_i64(text, -5, 5, &i) == 0 && (i < -5 || i > 5))
        abort();
    mc_param_u64(text, &u);
    if (mc_param_speed(text, &speed) == 0 &&
        (!isfinite(speed) || (speed == 0) != (strcmp(text, "max") == 0)))
        abort();
    if (mc_param_run(text, strlen(text), &file_idx, &i) == 0 && i < 1)
        abort();
    mc_param_accepts(text, "zstd");
    mc_param_is_json(text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_json(data, bytes);
    fuzz_text(data, bytes);
    return 0;
}
