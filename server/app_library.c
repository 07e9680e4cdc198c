/* app_library.c: the procedures of (memcam http). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app_priv.h"
#include "server/command.h"
#include "tracer/error.h"
#include "tracer/text.h"

#define LIBRARY "(memcam http)"
#define NAME_BYTES 128
#define INTERVAL_MS_MAX 3600000
#define SCRATCH_KEPT_BYTES (256 * 1024)

const char mc_app_request_type[] = "request", mc_app_tag_type[] = "response";

/* ---- helpers --------------------------------------------------------------------------------- */

static int is_name(scm_value v)
{
    return scm_is_string(v) || scm_is_symbol(v);
}

/* Copy a string's or symbol's text; 0 when it is neither, too long, or holds a NUL. */
static int text_copy(scm_value v, char *to, size_t to_bytes)
{
    if (!is_name(v))
        return 0;
    size_t bytes;
    const char *text = scm_text(v, &bytes);
    if (bytes >= to_bytes || memchr(text, '\0', bytes) != NULL)
        return 0;
    memcpy(to, text, bytes);
    to[bytes] = '\0';
    return 1;
}

static int is_utf8(const uint8_t *bytes, size_t count)
{
    for (size_t step, at = 0; at < count; at += step) {
        step = bytes[at] < 0x80 ? 1 : mc_utf8_char_bytes(bytes + at, count - at);
        if (step == 0)
            return 0;
    }
    return 1;
}

/* Text from outside as a Scheme string: what is not UTF-8 becomes U+FFFD. */
static scm_value string_from(struct mc_app *app, const char *text, size_t bytes)
{
    if (is_utf8((const uint8_t *)text, bytes))
        return scm_string(app->vm, text, bytes);
    struct mc_buf *clean = mc_app_scratch(&app->text);
    for (size_t step, done = 0; done < bytes; done += step) {
        step = mc_utf8_char_bytes((const uint8_t *)text + done, bytes - done);
        if (step == 0)
            mc_buf_add(clean, "\xef\xbf\xbd", 3);
        else
            mc_buf_add(clean, text + done, step);
        step += step == 0;
    }
    return clean->failed ? scm_fail(app->vm, "out of memory")
                         : scm_string(app->vm, (const char *)clean->bytes, clean->count);
}

/* A token of RFC 9110, section 5.6.2. */
static int is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL)
            return 0;
    return text[0] != '\0';
}

struct mc_buf *mc_app_scratch(struct mc_buf *b)
{
    if (b->room > SCRATCH_KEPT_BYTES || b->failed)
        mc_buf_fini(b);
    b->count = 0;
    return b;
}

enum app_answer_kind mc_app_answer_kind(scm_value v)
{
    const enum app_answer_kind *kind =
        scm_is_pair(v) ? scm_foreign_get(scm_car(v), mc_app_tag_type) : NULL;
    return kind != NULL ? *kind : APP_NO_ANSWER;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* Headers that belong to the connection, which is the server's. */
static int is_of_connection(const char *name)
{
    static const char *const names[] = {
        "connection",        "content-length",   "keep-alive", "upgrade",
        "transfer-encoding", "proxy-connection", "te",         "trailer"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

/* A header's value as text in `to`; NULL when it can't be one. */
static const char *header_value(scm_value v, char *number, size_t number_bytes, size_t *bytes)
{
    const char *text = number;
    if (scm_is_integer(v))
        *bytes = (size_t)snprintf(number, number_bytes, "%lld", (long long)scm_integer_get(v));
    else if (is_name(v))
        text = scm_text(v, bytes);
    else
        return NULL;
    for (size_t i = 0; i < *bytes; i++)
        if ((unsigned char)text[i] < 0x20 ? text[i] != '\t' : text[i] == 0x7f)
            return NULL; /* a line break would begin another header */
    return text;
}

/* Copy a header into the request's memory; 0 when there is none. */
static int header_keep(struct mc_http_request *req, const char *name, const char *value,
                       size_t value_bytes, struct mc_http_header *out)
{
    size_t name_bytes = strlen(name) + 1;
    char *memory = mc_http_alloc(req, name_bytes + value_bytes + 1);
    if (memory == NULL)
        return 0;
    memcpy(memory, name, name_bytes);
    memcpy(memory + name_bytes, value, value_bytes);
    memory[name_bytes + value_bytes] = '\0';
    *out = (struct mc_http_header){.name = memory, .value = memory + name_bytes};
    return 1;
}

int mc_app_headers_read(scm_value list, struct mc_http_request *req, struct mc_http_header *out,
                        int *has_type, const char **why)
{
    int count = 0;
    *has_type = 0;
    for (int seen = 0; scm_is_pair(list); list = scm_cdr(list), seen++) {
        char name[NAME_BYTES], number[24];
        size_t bytes;
        scm_value header = scm_car(list);
        *why = "headers are a list of (name . value)";
        if (!scm_is_pair(header) || !text_copy(scm_car(header), name, sizeof(name)))
            return -1;
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        *why = "a header's name has letters, digits and -";
        if (!is_token(name))
            return -1;
        *why = "a header's value is a string or a number, without control characters";
        const char *value = header_value(scm_cdr(header), number, sizeof(number), &bytes);
        if (value == NULL)
            return -1;
        *why = "more than 64 headers";
        if (seen >= APP_HEADERS_MAX)
            return -1;
        *has_type |= strcmp(name, "content-type") == 0;
        if (req != NULL && !is_of_connection(name))
            count += header_keep(req, name, value, bytes, &out[count]);
    }
    *why = "headers are a list of (name . value)";
    return list == SCM_NIL ? count : -1;
}

/* ---- responses ------------------------------------------------------------------------------- */

static scm_value tagged(struct mc_app *app, enum app_answer_kind kind, scm_value rest)
{
    return scm_cons(app->vm, scm_ref_get(app->vm, app->tags[kind]), rest);
}

static int is_status(scm_value v)
{
    return scm_is_integer(v) && scm_integer_get(v) >= 200 && scm_integer_get(v) <= 599;
}

static scm_value plain(struct mc_app *app, scm_value status, scm_value body, scm_value headers)
{
    return tagged(app, APP_PLAIN, scm_cons(app->vm, status, scm_cons(app->vm, body, headers)));
}

static scm_value prim_respond(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    const char *why;
    int has_type;
    scm_value body = argc > 1 ? argv[1] : SCM_FALSE;
    scm_value headers = argc > 2 ? argv[2] : SCM_NIL;
    if (!is_status(argv[0]))
        return scm_fail(vm, "respond: the status is a number from 200 to 599");
    if (!scm_is_string(body) && !scm_is_bytevector(body) && body != SCM_FALSE)
        return scm_fail(vm, "respond: the body is a string or a bytevector");
    if (mc_app_headers_read(headers, NULL, NULL, &has_type, &why) < 0)
        return scm_fail(vm, "respond: %s", why);
    return plain(arg, argv[0], body, headers);
}

/* Fail with what can't be written, and why. */
static scm_value json_failure(struct mc_app *app, const char *who, scm_value culprit,
                              const char *why)
{
    struct mc_buf *text = mc_app_scratch(&app->text);
    if (culprit == SCM_VOID)
        return scm_fail(app->vm, "%s: the value %s", who, why);
    scm_print(app->vm, culprit, 0, text);
    mc_buf_add_char(text, '\0');
    return scm_fail(app->vm, "%s: %.200s %s", who, text->failed ? "a value" : (char *)text->bytes,
                    why);
}

static scm_value prim_respond_json(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    struct mc_app *app = arg;
    const char *why;
    int has_type;
    scm_value headers = argc > 2 ? argv[2] : SCM_NIL, culprit = SCM_VOID;
    if (!is_status(argv[0]))
        return scm_fail(vm, "respond-json: the status is a number from 200 to 599");
    if (mc_app_headers_read(headers, NULL, NULL, &has_type, &why) < 0)
        return scm_fail(vm, "respond-json: %s", why);
    struct mc_buf *text = mc_app_scratch(&app->text);
    if (mc_json_write(argv[1], text, &why, &culprit) != 0)
        return json_failure(app, "respond-json", culprit, why);
    scm_value body = scm_string(vm, (const char *)text->bytes, text->count);
    scm_push_root(vm, &body);
    scm_push_root(vm, &headers);
    if (!has_type)
        headers = scm_cons(vm, scm_ref_get(vm, app->json_header), headers);
    scm_value response = plain(app, argv[0], body, headers);
    scm_pop_root(vm, 2);
    return response;
}

static int is_interval(scm_value v)
{
    return scm_is_integer(v) && scm_integer_get(v) >= 0 && scm_integer_get(v) <= INTERVAL_MS_MAX;
}

static scm_value prim_respond_after(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    (void)argc;
    if (!is_interval(argv[0]))
        return scm_fail(vm, "respond-after: the time is 0 to %d ms", INTERVAL_MS_MAX);
    enum app_answer_kind kind = mc_app_answer_kind(argv[1]);
    if (kind != APP_PLAIN && kind != APP_STREAM)
        return scm_fail(vm, "respond-after: wants a response, as respond makes it");
    return tagged(arg, APP_LATER, scm_cons(vm, argv[0], argv[1]));
}

static scm_value prim_respond_stream(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    const char *why;
    int has_type;
    scm_value headers = argc > 3 ? argv[3] : SCM_NIL;
    if (!is_status(argv[0]))
        return scm_fail(vm, "respond-stream: the status is a number from 200 to 599");
    if (!is_interval(argv[1]))
        return scm_fail(vm, "respond-stream: the interval is 0 to %d ms", INTERVAL_MS_MAX);
    if (!scm_is_procedure(argv[2]))
        return scm_fail(vm, "respond-stream: wants a procedure that makes the chunks");
    if (mc_app_headers_read(headers, NULL, NULL, &has_type, &why) < 0)
        return scm_fail(vm, "respond-stream: %s", why);
    scm_value rest = scm_cons(vm, argv[1], scm_cons(vm, argv[2], headers));
    return tagged(arg, APP_STREAM, scm_cons(vm, argv[0], rest));
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct app_request *request_get(scm_value v)
{
    return scm_foreign_get(v, mc_app_request_type);
}

#define WANTS_REQUEST(who)                                                                         \
    const struct app_request *req = request_get(argv[0]);                                          \
    (void)argc;                                                                                    \
    (void)arg;                                                                                     \
    if (req == NULL)                                                                               \
    return scm_fail(vm, who ": wants a request whose handler still runs")

static scm_value prim_method(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-method");
    const char *method = mc_http_method(req->http);
    return scm_string(vm, method, strlen(method));
}

static scm_value prim_path(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-path");
    const char *path = mc_http_path(req->http);
    return string_from(arg, path, strlen(path));
}

static scm_value prim_header(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-header");
    char name[NAME_BYTES];
    if (!text_copy(argv[1], name, sizeof(name)))
        return scm_fail(vm, "request-header: the name is a string or a symbol");
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    const char *value = mc_http_header(req->http, name);
    return value != NULL ? string_from(arg, value, strlen(value)) : SCM_FALSE;
}

static scm_value prim_param(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-param");
    char name[NAME_BYTES];
    if (!text_copy(argv[1], name, sizeof(name)))
        return scm_fail(vm, "request-param: the name is a string or a symbol");
    const struct mc_route *route = req->match->route;
    for (uint32_t i = 0; i < route->param_count; i++)
        if (strcmp(route->params[i], name) == 0)
            return string_from(arg, req->match->values[i], req->match->value_bytes[i]);
    return SCM_FALSE;
}

static scm_value prim_query(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-query");
    char name[NAME_BYTES];
    if (argc == 1) {
        const char *query = mc_http_query(req->http);
        return string_from(arg, query, strlen(query));
    }
    if (!text_copy(argv[1], name, sizeof(name)))
        return scm_fail(vm, "request-query: the name is a string or a symbol");
    const char *value = mc_http_query_get(req->http, name);
    return value != NULL ? string_from(arg, value, strlen(value)) : SCM_FALSE;
}

static scm_value prim_body(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-body");
    size_t count;
    const uint8_t *bytes = mc_http_body(req->http, &count);
    if (count == 0)
        return scm_string(vm, "", 0);
    return is_utf8(bytes, count) ? scm_string(vm, (const char *)bytes, count)
                                 : scm_bytevector(vm, bytes, count);
}

static scm_value prim_body_bytes(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    WANTS_REQUEST("request-body-bytes");
    size_t count;
    const uint8_t *bytes = mc_http_body(req->http, &count);
    return scm_bytevector(vm, count > 0 ? bytes : (const uint8_t *)"", count);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static scm_value prim_route(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    struct mc_app *app = arg;
    char method[32], pattern[512];
    (void)argc;
    if (!text_copy(argv[0], method, sizeof(method)) || !is_token(method))
        return scm_fail(vm, "route: the method is a symbol like 'GET");
    for (char *c = method; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    if (!text_copy(argv[1], pattern, sizeof(pattern)))
        return scm_fail(vm, "route: the pattern is a string like \"/item/:id\"");
    if (!scm_is_procedure(argv[2]))
        return scm_fail(vm, "route: the handler of %s %s is not a procedure", method, pattern);
    struct mc_route *route;
    const char *why;
    int rc = mc_router_add(app->router, method, pattern, &route, &why);
    if (rc != 0)
        return scm_fail(vm, "route: %s: %s", pattern, why != NULL ? why : mc_strerror(rc));
    if (route->handler != 0)
        scm_unref(vm, route->handler - 1);
    route->handler = scm_ref(vm, argv[2]) + 1; /* 0: none yet */
    scm_here(vm, route->where, sizeof(route->where));
    route->trace_id = mc_string_id(app->opts.tracer, pattern);
    return SCM_VOID;
}

static scm_value prim_log(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    struct mc_app *app = arg;
    struct mc_buf *line = mc_app_scratch(&app->text);
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            mc_buf_add_char(line, ' ');
        scm_print(vm, argv[i], 1, line);
    }
    mc_buf_add_char(line, '\0');
    if (!line->failed)
        mc_say("%s: %s", app->opts.name, (const char *)line->bytes);
    return SCM_VOID;
}

static scm_value prim_json_parse(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    struct mc_app *app = arg;
    size_t bytes;
    (void)argc;
    if (!scm_is_string(argv[0]))
        return scm_fail(vm, "json-parse: wants a string");
    const char *text = scm_text(argv[0], &bytes); /* borrowed until something is allocated */
    struct mc_buf *copy = mc_app_scratch(&app->copy);
    mc_buf_add(copy, text, bytes);
    mc_buf_add_char(copy, '\0');
    if (copy->failed)
        return scm_fail(vm, "json-parse: out of memory");
    return mc_json_parse(vm, &app->json, (const char *)copy->bytes, bytes,
                         mc_app_scratch(&app->text));
}

static scm_value prim_json_write(struct scm_vm *vm, int argc, const scm_value *argv, void *arg)
{
    struct mc_app *app = arg;
    struct mc_buf *text = mc_app_scratch(&app->text);
    const char *why;
    scm_value culprit = SCM_VOID;
    (void)argc;
    if (mc_json_write(argv[0], text, &why, &culprit) != 0)
        return json_failure(app, "json-write", culprit, why);
    return scm_string(vm, (const char *)text->bytes, text->count);
}

static const struct {
    const char *name;
    scm_prim_fn fn;
    int min_args, max_args;
} procedures[] = {
    {"route", prim_route, 3, 3},
    {"respond", prim_respond, 1, 3},
    {"respond-json", prim_respond_json, 2, 3},
    {"respond-after", prim_respond_after, 2, 2},
    {"respond-stream", prim_respond_stream, 3, 4},
    {"request-method", prim_method, 1, 1},
    {"request-path", prim_path, 1, 1},
    {"request-header", prim_header, 2, 2},
    {"request-param", prim_param, 2, 2},
    {"request-query", prim_query, 1, 2},
    {"request-body", prim_body, 1, 1},
    {"request-body-bytes", prim_body_bytes, 1, 1},
    {"json-parse", prim_json_parse, 1, 1},
    {"json-write", prim_json_write, 1, 1},
    {"log", prim_log, 0, -1},
};

int mc_app_library_define(struct mc_app *app, struct scm_error *err)
{
    static enum app_answer_kind kinds[] = {APP_NO_ANSWER, APP_PLAIN, APP_LATER, APP_STREAM};
    struct scm_vm *vm = app->vm;
    for (size_t i = 0; i < sizeof(procedures) / sizeof(procedures[0]); i++) {
        int rc = scm_define_prim(vm, LIBRARY, procedures[i].name, procedures[i].fn,
                                 procedures[i].min_args, procedures[i].max_args, app);
        if (rc != 0)
            return rc;
    }
    for (int kind = APP_PLAIN; kind <= APP_STREAM; kind++)
        app->tags[kind] = scm_ref(vm, scm_foreign(vm, mc_app_tag_type, &kinds[kind], NULL));
    scm_value name = scm_symbol(vm, "content-type");
    scm_push_root(vm, &name);
    scm_value type = scm_string(vm, "application/json", strlen("application/json"));
    app->json_header = scm_ref(vm, scm_cons(vm, name, type));
    scm_pop_root(vm, 1);
    return mc_json_makers_init(vm, &app->json, err);
}
