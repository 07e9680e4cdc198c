/* params.c: strict readers of the numbers in a query string and of two headers. */
#include "server/params.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tracer/error.h"

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int mc_param_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = text + (*text == '-');
    if (!is_digit(*digits) || digits[strspn(digits, "0123456789")])
        return MC_EINVAL;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < min || value > max)
        return MC_EINVAL;
    *out = value;
    return 0;
}

int mc_param_u64(const char *text, uint64_t *out)
{
    if (!is_digit(*text) || text[strspn(text, "0123456789")])
        return MC_EINVAL;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno)
        return MC_EINVAL;
    *out = value;
    return 0;
}

int mc_param_speed(const char *text, double *out)
{
    if (strcmp(text, "max") == 0) {
        *out = 0;
        return 0;
    }
    const char *digits = text + (*text == '-');
    char *end;
    if (!is_digit(*digits) || digits[strspn(digits, "0123456789.eE+-")] || strlen(digits) > 32)
        return MC_EINVAL;
    double speed = strtod(text, &end);
    if (*end || !(fabs(speed) > 0) || !isfinite(speed))
        return MC_EINVAL;
    *out = speed;
    return 0;
}

int mc_param_run(const char *text, size_t text_bytes, size_t *file_idx, int64_t *run_id)
{
    char copy[48];
    int64_t file = 1, run;
    if (text_bytes >= sizeof copy)
        return MC_EINVAL;
    memcpy(copy, text, text_bytes);
    copy[text_bytes] = 0;
    char *point = strchr(copy, '.');
    if (point) {
        *point = 0;
        if (mc_param_i64(copy, 1, 1 << 20, &file))
            return MC_EINVAL;
    }
    if (mc_param_i64(point ? point + 1 : copy, 1, INT64_MAX, &run))
        return MC_EINVAL;
    *file_idx = (size_t)file - 1;
    *run_id = run;
    return 0;
}

/* The weight behind a coding's name, up to `end`: ";q=0.5". 1 when there is none. */
static double weight(const char *at, const char *end)
{
    while (at < end) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == ';'))
            at++;
        if (end - at > 2 && (*at | 0x20) == 'q' && at[1] == '=')
            return is_digit(at[2]) ? strtod(at + 2, NULL) : 0;
        while (at < end && *at != ';')
            at++;
    }
    return 1;
}

int mc_param_accepts(const char *accept_encoding, const char *coding)
{
    size_t coding_bytes = strlen(coding);
    const char *at = accept_encoding ? accept_encoding : "";
    while (*at) {
        at += strspn(at, " \t,");
        const char *end = at + strcspn(at, ",");
        size_t name_bytes = strcspn(at, " \t,;");
        if (name_bytes == coding_bytes && strncasecmp(at, coding, coding_bytes) == 0)
            return weight(at + name_bytes, end) > 0;
        at = end;
    }
    return 0;
}

int mc_param_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    if (!content_type || strncasecmp(content_type, json, sizeof json - 1) != 0)
        return 0;
    char next = content_type[sizeof json - 1];
    return next == 0 || next == ';' || next == ' ' || next == '\t';
}
