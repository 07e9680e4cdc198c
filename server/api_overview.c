/* api_overview.c: GET /api/runs/{run}/overview: min and max per pixel of every value, for
 * timelines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/overview_peaks.h"
#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "tracer/error.h"

#define PX_MAX 10000
#define CELLS_MAX (2u << 20) /* values times pixels: 32 MB of numbers */

/* One value of one source. */
struct series {
    const struct mc_source *source; /* borrowed from the schema */
    uint32_t field_idx;
};

/* Does the list go on with "kind/source/field", and then a comma or its end? The length, or 0.
 * Names may hold '/' and ',', so that a list is read by comparing, not by splitting. */
static size_t names_series(const char *list, const struct series *s)
{
    const char *parts[] = {mc_kind_name(s->source->kind), "/", s->source->name, "/",
                           mc_kind_field_name(s->source->kind, s->field_idx)};
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t bytes = strlen(parts[i]);
        if (strncmp(list + count, parts[i], bytes) != 0)
            return 0;
        count += bytes;
    }
    return list[count] == 0 || list[count] == ',' ? count : 0;
}

/* The same for "kind" and the field behind a star, which stands for every source: of the run's
 * whole length, so that a page need not know the sources that come later. */
static size_t names_all(const char *list, const struct series *s)
{
    char item[128];
    int bytes = snprintf(item, sizeof item, "%s/*/%s", mc_kind_name(s->source->kind),
                         mc_kind_field_name(s->source->kind, s->field_idx));
    if (bytes < 0 || strncmp(list, item, (size_t)bytes) != 0)
        return 0;
    return list[bytes] == 0 || list[bytes] == ',' ? (size_t)bytes : 0;
}

/* Append every series that a star at the head of the list stands for; its length, or 0. */
static size_t choose_all(const char *list, const struct series *all, size_t count,
                         struct series *chosen, size_t *chosen_count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t named = names_all(list, &all[i]);
        if (!named)
            continue;
        bytes = named;
        if (*chosen_count < count)
            chosen[(*chosen_count)++] = all[i];
    }
    return bytes;
}

/* A star for a kind that the run has none of is no mistake: skip it. */
static size_t skip_star(const char *list)
{
    size_t item = strcspn(list, ",");
    for (int kind = 0; kind < MC_KIND_COUNT; kind++) {
        for (uint32_t f = 0; f < mc_kind_field_count(kind); f++) {
            char name[128];
            snprintf(name, sizeof name, "%s/*/%s", mc_kind_name(kind), mc_kind_field_name(kind, f));
            if (strlen(name) == item && strncmp(list, name, item) == 0)
                return item;
        }
    }
    return 0;
}

/* Keep of all[count] those that the list names, in its order. Returns how many, or a negative
 * code. */
static int64_t choose(struct mc_job *job, const struct series *all, size_t count,
                      struct series *chosen)
{
    const char *list = job->text;
    size_t chosen_count = 0;
    while (*list) {
        size_t best = 0, best_idx = 0, star = choose_all(list, all, count, chosen, &chosen_count);
        if (!star)
            star = skip_star(list);
        if (star) {
            list += star;
            list += *list == ',';
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            size_t bytes = names_series(list, &all[i]);
            if (bytes > best) {
                best = bytes;
                best_idx = i;
            }
        }
        if (!best || chosen_count == count) {
            snprintf(job->detail, sizeof job->detail,
                     best ? "series: more than there are"
                          : "series: \"%.100s\" is no kind/source/field of this run",
                     list);
            return MC_EINVAL;
        }
        chosen[chosen_count++] = all[best_idx];
        list += best;
        list += *list == ',';
    }
    return (int64_t)chosen_count;
}

static void add_numbers(struct mc_buf *out, const char *name, const int64_t *values, size_t count)
{
    mc_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            mc_buf_add_char(out, ',');
        if (values[i] == MC_VALUE_NONE)
            mc_buf_add_str(out, "null");
        else
            mc_buf_add_i64(out, values[i]);
    }
    mc_buf_add_char(out, ']');
}

static int is_peaked(const struct mc_job *job, const struct series *s)
{
    return job->is_peaks && mc_is_peak_field(s->source->kind, s->field_idx);
}

static int add_series(struct mc_job *job, const struct series *series, size_t count,
                      const int64_t *min, const int64_t *max, const int64_t *peaks)
{
    size_t px = (size_t)job->limit;
    for (size_t i = 0; i < count; i++) {
        const struct mc_source *source = series[i].source;
        mc_buf_printf(&job->body, "%s{\"kind\":\"%s\",\"source\":", i ? "," : "",
                      mc_kind_name(source->kind));
        mc_buf_add_json(&job->body, source->name, strlen(source->name));
        mc_buf_printf(&job->body, ",\"field\":\"%s\"",
                      mc_kind_field_name(source->kind, series[i].field_idx));
        if (source->kind == MC_KIND_SLAB)
            mc_buf_printf(&job->body, ",\"capacity\":%u", source->slot_count);
        else if (source->capacity_bytes)
            mc_buf_printf(&job->body, ",\"capacity\":%llu",
                          (unsigned long long)source->capacity_bytes);
        add_numbers(&job->body, "min", min + i * px, px);
        add_numbers(&job->body, "max", max + i * px, px);
        if (is_peaked(job, &series[i])) {
            add_numbers(&job->body, "peak", peaks, px);
            peaks += px;
        }
        mc_buf_add_char(&job->body, '}');
        if (job->body.count > MC_JOB_BODY_MAX) {
            snprintf(job->detail, sizeof job->detail, "ask for fewer series or pixels");
            return MC_ELIMIT;
        }
    }
    return 0;
}

/* All series of the schema; *out is malloc'd. */
static int list_series(const struct mc_schema *schema, struct series **out, size_t *count)
{
    struct series *all = malloc((schema->value_count + 1) * sizeof *all);
    size_t n = 0;
    if (!all)
        return MC_ENOMEM;
    for (uint32_t i = 0; i < schema->source_count; i++)
        for (uint32_t j = 0; j < schema->sources[i].value_count; j++)
            all[n++] = (struct series){&schema->sources[i], j};
    *out = all;
    *count = n;
    return 0;
}

/* The peaks of those of series[count] that have such, one after the other; *out is malloc'd. */
static int read_peaks(struct mc_job *job, const struct series *series, size_t count, int64_t **out)
{
    size_t px = (size_t)job->limit;
    uint32_t n = 0, *value_idx = malloc((count + 1) * sizeof *value_idx);
    for (size_t i = 0; value_idx && i < count; i++)
        if (is_peaked(job, &series[i]))
            value_idx[n++] = series[i].source->value_idx + series[i].field_idx;
    int64_t *peaks = malloc((n * px + 1) * sizeof *peaks);
    int code = value_idx && peaks ? 0 : MC_ENOMEM;
    if (!code && n)
        code = mc_overview_peaks(job->reader, job->run_id, job->from, job->to, value_idx, n,
                                 (uint32_t)px, peaks);
    free(value_idx);
    if (code)
        free(peaks);
    else
        *out = peaks;
    return code;
}

static int envelope(struct mc_job *job, const struct series *series, size_t count)
{
    size_t px = (size_t)job->limit, cells = count * px;
    if (cells > CELLS_MAX) {
        snprintf(job->detail, sizeof job->detail,
                 "%zu series of %zu pixels are too many: ask for fewer", count, px);
        return MC_ELIMIT;
    }
    int64_t *min = malloc((cells + 1) * 2 * sizeof *min), *max = min + cells;
    uint32_t *value_idx = malloc((count + 1) * sizeof *value_idx);
    int code = min && value_idx ? 0 : MC_ENOMEM;
    for (size_t i = 0; i < count && !code; i++)
        value_idx[i] = series[i].source->value_idx + series[i].field_idx;
    if (!code && count)
        code = mc_reader_envelope(job->reader, job->run_id, job->from, job->to, value_idx,
                                  (uint32_t)count, (uint32_t)px, min, max);
    int64_t *peaks = NULL;
    if (!code)
        code = read_peaks(job, series, count, &peaks);
    if (!code)
        code = add_series(job, series, count, min, max, peaks);
    free(peaks);
    free(value_idx);
    free(min);
    return code;
}

/* Fill in the span that was not said. */
static int complete_span(struct mc_job *job)
{
    int64_t first = 0, last = 0;
    int code = mc_reader_span(job->reader, job->run_id, &first, &last);
    if (code && (code != MC_ENORUN || job->live_last == INT64_MIN) && code != MC_END)
        return code;
    if (job->from == INT64_MIN)
        job->from = first;
    if (job->to == INT64_MAX)
        job->to = last + 1;
    if (job->to <= job->from && code == 0) {
        snprintf(job->detail, sizeof job->detail, "from must be before to");
        return MC_EINVAL;
    }
    return code;
}

static int overview_work(struct mc_job *job)
{
    struct mc_schema schema = {0};
    const struct mc_schema *borrowed = NULL;
    struct series *all = NULL, *chosen = NULL;
    size_t count = 0;
    int code = complete_span(job);
    int empty = code == MC_END || code == MC_ENORUN;
    if (code && (!empty || (code == MC_ENORUN && job->live_last == INT64_MIN)))
        return code;
    mc_buf_printf(&job->body, "{\"from\":%lld,\"to\":%lld,\"px\":%lld,\"series\":[",
                  (long long)job->from, (long long)job->to, (long long)job->limit);
    code = empty ? 0 : mc_reader_schema(job->reader, job->run_id, INT64_MAX, &borrowed);
    if (!code && borrowed) /* the envelope's call may move the reader's own */
        code = mc_schema_follow(&schema, borrowed);
    if (!code)
        code = list_series(&schema, &all, &count);
    if (!code && job->text && !empty) {
        chosen = malloc((count + 1) * sizeof *chosen);
        int64_t kept = chosen ? choose(job, all, count, chosen) : MC_ENOMEM;
        code = kept < 0 ? (int)kept : 0;
        count = kept < 0 ? 0 : (size_t)kept;
    }
    if (!code)
        code = envelope(job, chosen ? chosen : all, count);
    mc_buf_add_str(&job->body, "]}");
    free(chosen);
    free(all);
    mc_schema_fini(&schema);
    return code;
}

void mc_api_overview(struct mc_dashboard *d, struct mc_http_request *r,
                     const struct mc_asked_run *run)
{
    int64_t from = INT64_MIN, to = INT64_MAX, px = 600, peaks = 0;
    if (mc_ask_i64(r, "from", INT64_MIN, INT64_MAX, &from) < 0 ||
        mc_ask_i64(r, "to", INT64_MIN, INT64_MAX, &to) < 0 ||
        mc_ask_i64(r, "px", 1, PX_MAX, &px) < 0 || mc_ask_i64(r, "peaks", 0, 1, &peaks) < 0)
        return;
    if (from >= to) {
        mc_answer_error(r, 400, "bad parameter", "from must be before to");
        return;
    }
    const char *series = mc_http_query_get(r, "series");
    struct mc_job *job = mc_job_new(d, r, run->file, overview_work, 0);
    if (!job)
        return;
    if (series && mc_job_text(job, series)) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        mc_job_free(job);
        return;
    }
    job->run_id = run->run_id;
    job->from = from;
    job->to = to;
    job->limit = px;
    job->is_peaks = peaks != 0;
    job->live_last = run->is_live ? 0 : INT64_MIN;
    mc_job_start(job);
}
