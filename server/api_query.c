/* api_query.c: POST /api/query: SQL over a trace, bounded. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/dashboard_priv.h"
#include "server/job.h"
#include "server/json_read.h"
#include "tracer/error.h"

#define ROWS_DEFAULT 1000

struct answer {
    struct mc_buf *out;
    int64_t rows;
    int cut; /* the answer grew too large */
};

/* SQLite's text of a number, where it is one of JSON too ("Inf" is not). */
static int is_json_number(const char *text)
{
    return text[strspn(text, "0123456789+-.eE")] == 0 &&
           ((text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && text[1] != 0));
}

static int add_row(void *arg, const struct mc_query_row *row)
{
    struct answer *a = arg;
    if (a->out->count > MC_JOB_BODY_MAX) {
        a->cut = 1;
        return 1;
    }
    if (row->type && a->rows++)
        mc_buf_add_char(a->out, ',');
    mc_buf_add_str(a->out, row->type ? "[" : "{\"columns\":[");
    for (int i = 0; i < row->column_count; i++) {
        const char *text = row->text[i];
        int number = row->type && (row->type[i] == SQLITE_INTEGER || row->type[i] == SQLITE_FLOAT);
        if (i)
            mc_buf_add_char(a->out, ',');
        if (!text)
            mc_buf_add_str(a->out, "null");
        else if (number && is_json_number(text))
            mc_buf_add_str(a->out, text);
        else
            mc_buf_add_json(a->out, text, strlen(text));
    }
    mc_buf_add_str(a->out, row->type ? "]" : "],\"rows\":[");
    return a->out->failed;
}

static int query_work(struct mc_job *job)
{
    struct mc_query_limits limits = {.rows = job->limit,
                                     .time_ms = MC_STRANGER_TIME_MS,
                                     .memory_bytes = MC_STRANGER_MEMORY_BYTES,
                                     .gone = &job->gone};
    struct answer a = {.out = &job->body};
    int truncated = 0;
    uint64_t start = uv_hrtime();
    int code = mc_reader_query(job->reader, job->text, &limits, add_row, &a, &truncated,
                               job->detail, sizeof job->detail);
    if (a.cut)
        code = 0;
    if (code)
        return code;
    if (!job->body.count) /* a statement without columns */
        mc_buf_add_str(&job->body, "{\"columns\":[],\"rows\":[");
    mc_buf_printf(&job->body, "],\"truncated\":%s,\"ms\":%.1f}",
                  truncated || a.cut ? "true" : "false", (double)(uv_hrtime() - start) / 1e6);
    return 0;
}

static struct mc_trace_file *find_file(struct mc_dashboard *d, const struct mc_json_field *name)
{
    if (name->type == MC_JSON_ABSENT || name->type == MC_JSON_NULL)
        return d->traces.count ? &d->traces.files[0] : NULL;
    for (size_t i = 0; i < d->traces.count && name->type == MC_JSON_STRING; i++)
        if (strcmp(d->traces.files[i].name, name->text) == 0)
            return &d->traces.files[i];
    return NULL;
}

void mc_api_query(struct mc_dashboard *d, struct mc_http_request *r, const struct mc_asked_run *run)
{
    struct mc_json_field fields[] = {
        {.name = "sql"}, {.name = "limit"}, {.name = "file"}, {.name = "soft"}};
    char why[160];
    size_t body_bytes;
    const uint8_t *body = mc_http_body(r, &body_bytes);
    char *room = mc_http_alloc(r, body_bytes + 1);
    (void)run;
    if (!room) {
        mc_answer_error(r, 503, "out of memory", "try again later");
        return;
    }
    if (mc_json_read(body, body_bytes, fields, 4, room, why, sizeof why)) {
        mc_answer_error(r, 400, "bad body", why);
        return;
    }
    int64_t limit = ROWS_DEFAULT;
    if (fields[1].type != MC_JSON_ABSENT && fields[1].type != MC_JSON_NULL)
        limit = fields[1].type == MC_JSON_INTEGER ? fields[1].integer : 0;
    struct mc_trace_file *file = find_file(d, &fields[2]);
    if (fields[0].type != MC_JSON_STRING) {
        mc_answer_error(r, 400, "bad query", "sql: a text is needed");
    } else if (limit < 1 || limit > MC_STRANGER_ROWS) {
        mc_answer_error(r, 400, "bad query", "limit: an integer from 1 to 100000");
    } else if (!file) {
        mc_answer_error(r, 400, "bad query", "file: no such trace is open; see /api/runs");
    } else {
        struct mc_job *job = mc_job_new(d, r, file, query_work, 1);
        if (!job)
            return;
        job->limit = limit;
        job->is_soft = fields[3].type == MC_JSON_BOOL && fields[3].integer == 1;
        if (mc_job_text(job, fields[0].text)) {
            mc_answer_error(r, 503, "out of memory", "try again later");
            mc_job_free(job);
            return;
        }
        mc_job_start(job);
    }
}
