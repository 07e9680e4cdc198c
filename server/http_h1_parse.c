/* http_h1_parse.c: read HTTP/1.x requests from bytes that arrive in any pieces.
 *
 * The head is copied byte by byte until its blank line, then parsed in place; so a head that
 * arrives in a hundred pieces takes the same way as one that arrives whole. Errors are found as
 * early as the bytes allow, so that garbage without a line end doesn't have to reach a limit.
 */
#include "server/http_h1_parse.h"

#include <string.h>
#include <strings.h>

static const uint8_t token_chars[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

size_t mc_h1_token_span(const char *text)
{
    size_t bytes = 0;
    while (token_chars[(uint8_t)text[bytes]])
        bytes++;
    return bytes;
}

void mc_h1_init(struct mc_h1 *p, char *head, uint32_t head_room_bytes)
{
    memset(p, 0, sizeof *p);
    p->head = head;
    p->head_room_bytes = head_room_bytes;
}

static int fail(struct mc_h1 *p, int status, const char *detail)
{
    p->state = MC_H1_ERROR;
    p->status = status;
    p->detail = detail;
    return -1;
}

/* ---- fields --------------------------------------------------------------------------------- */

static int parse_length(struct mc_h1 *p, const char *value)
{
    uint64_t length = 0;
    uint32_t digits = 0;
    for (const char *c = value; *c; c++, digits++) {
        if (*c < '0' || *c > '9' || digits >= 18)
            return fail(p, 400, "Content-Length is not a number");
        length = length * 10 + (uint64_t)(*c - '0');
    }
    if (digits == 0)
        return fail(p, 400, "Content-Length is not a number");
    if (p->has_length)
        return fail(p, 400, "more than one Content-Length");
    p->has_length = 1;
    p->length = length;
    return 0;
}

/* Walk a comma list: the next element, trimmed, or NULL. *at moves on. */
static const char *list_next(const char **at, size_t *element_bytes)
{
    const char *c = *at;
    while (*c == ',' || *c == ' ' || *c == '\t')
        c++;
    if (!*c)
        return NULL;
    const char *start = c;
    while (*c && *c != ',')
        c++;
    *at = c;
    while (c > start && (c[-1] == ' ' || c[-1] == '\t'))
        c--;
    *element_bytes = (size_t)(c - start);
    return start;
}

static void parse_connection(struct mc_h1 *p, const char *value)
{
    const char *element;
    size_t bytes;
    while ((element = list_next(&value, &bytes))) {
        if (bytes == 5 && strncasecmp(element, "close", 5) == 0)
            p->keep_alive = -1;
        else if (bytes == 10 && strncasecmp(element, "keep-alive", 10) == 0 && p->keep_alive == 0)
            p->keep_alive = 1;
    }
}

static int parse_transfer_encoding(struct mc_h1 *p, const char *value)
{
    if (p->chunked)
        return fail(p, 400, "more than one Transfer-Encoding");
    if (p->version_minor == 0)
        return fail(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (strcasecmp(value, "chunked") != 0)
        return fail(p, 501, "the only Transfer-Encoding that is understood is chunked");
    p->chunked = 1;
    return 0;
}

/* What the framing and the connection depend on. host_count counts Host fields. */
static int parse_known(struct mc_h1 *p, const struct mc_h1_field *f, int *host_count)
{
    const char *name = f->name, *value = f->value;
    switch (name[0]) {
    case 'c':
        if (strcmp(name, "content-length") == 0)
            return parse_length(p, value);
        if (strcmp(name, "connection") == 0)
            parse_connection(p, value);
        return 0;
    case 't':
        return strcmp(name, "transfer-encoding") == 0 ? parse_transfer_encoding(p, value) : 0;
    case 'h':
        if (strcmp(name, "host") == 0 && ++*host_count > 1)
            return fail(p, 400, "more than one Host");
        return 0;
    case 'e':
        if (strcmp(name, "expect") != 0)
            return 0;
        if (strcasecmp(value, "100-continue") != 0)
            return fail(p, 417, "the only Expect that is understood is 100-continue");
        p->expect_continue = p->version_minor > 0;
        return 0;
    default:
        return 0;
    }
}

/* Parse one field line, NUL-terminated, CRLF removed. */
static int parse_field(struct mc_h1 *p, char *line, size_t line_bytes)
{
    if (line[0] == ' ' || line[0] == '\t')
        return fail(p, 400, "a folded header line");
    size_t name_bytes = 0;
    while (token_chars[(uint8_t)line[name_bytes]]) {
        if (line[name_bytes] >= 'A' && line[name_bytes] <= 'Z')
            line[name_bytes] = (char)(line[name_bytes] | 0x20);
        name_bytes++;
    }
    if (name_bytes == 0 || line[name_bytes] != ':')
        return fail(p, 400, "a header line without a name and a colon");
    if (p->field_count == MC_H1_FIELDS_MAX)
        return fail(p, 431, "too many header lines");
    char *value = line + name_bytes + 1, *end = line + line_bytes;
    line[name_bytes] = 0;
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    for (const char *c = value; c < end; c++)
        if (((uint8_t)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return fail(p, 400, "a control character in a header");
    p->fields[p->field_count].name = line;
    p->fields[p->field_count].value = value;
    p->field_count++;
    return 0;
}

/* ---- the head ------------------------------------------------------------------------------- */

static int parse_request_line(struct mc_h1 *p, char *line, size_t line_bytes)
{
    char *end = line + line_bytes, *c = line + mc_h1_token_span(line);
    if (c == line || *c != ' ')
        return fail(p, 400, "the request line does not begin with a method and a space");
    *c++ = 0;
    p->method = line;
    p->target = c;
    while (c < end && (uint8_t)*c > 0x20 && (uint8_t)*c < 0x7f)
        c++;
    if (c == p->target || *c != ' ')
        return fail(p, 400, "the request line has no target, or a wrong character in it");
    *c++ = 0;
    if (end - c != 8 || memcmp(c, "HTTP/", 5) != 0 || c[5] < '0' || c[5] > '9' || c[6] != '.' ||
        c[7] < '0' || c[7] > '9')
        return fail(p, 400, "the request line does not end with a version");
    if (c[5] != '1')
        return fail(p, 505, "HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here");
    p->version_minor = c[7] - '0';
    return 0;
}

static int parse_head(struct mc_h1 *p)
{
    char *at = p->head, *end = p->head + p->head_bytes - 2; /* without the blank line */
    int host_count = 0;
    for (int first = 1; at < end; first = 0) {
        char *eol = memchr(at, '\r', (size_t)(end - at)); /* every line ends in CRLF: scanned */
        size_t line_bytes = (size_t)(eol - at);
        *eol = 0;
        if ((first ? parse_request_line(p, at, line_bytes) : parse_field(p, at, line_bytes)) < 0)
            return -1;
        if (!first && parse_known(p, &p->fields[p->field_count - 1], &host_count) < 0)
            return -1;
        at = eol + 2;
    }
    if (p->has_length && p->chunked)
        return fail(p, 400, "Content-Length beside Transfer-Encoding");
    if (p->version_minor > 0 && host_count == 0)
        return fail(p, 400, "no Host header");
    p->keep_alive = p->version_minor > 0 ? p->keep_alive >= 0 : p->keep_alive > 0;
    return 0;
}

/* A line of the head has ended (its LF is the last byte). */
static int end_line(struct mc_h1 *p)
{
    uint32_t line_bytes = p->head_bytes - p->line_start - 2;
    if (p->first_line_bytes == 0) {
        if (line_bytes == 0) { /* RFC 9112 section 2.2: ignore an empty line before the request */
            if (p->skipped_lines++ >= 4)
                return fail(p, 400, "empty lines where a request should be");
            p->head_bytes = 0;
            return 0;
        }
        p->first_line_bytes = line_bytes;
    } else if (line_bytes == 0) {
        if (parse_head(p) < 0)
            return -1;
        p->state = MC_H1_READY;
        return 0;
    }
    p->line_start = p->head_bytes;
    return 0;
}

static int full(struct mc_h1 *p)
{
    if (p->first_line_bytes)
        return fail(p, 431, "the headers are larger than the server takes");
    return fail(p, 414, "the request line is longer than the server takes");
}

/* In the first line before any target: only a method can be there. Catches garbage at once. */
static int check_first(struct mc_h1 *p, uint8_t byte)
{
    if (p->head_bytes == 33 && !memchr(p->head, ' ', 33))
        return fail(p, 400, "the request line does not begin with a method and a space");
    if (p->head_bytes == 1 && byte != '\r' && !token_chars[byte])
        return fail(p, 400, "the request line does not begin with a method and a space");
    if (p->head_bytes > MC_H1_LINE_MAX)
        return full(p);
    return 0;
}

static int take_head_byte(struct mc_h1 *p, uint8_t byte)
{
    if (p->head_bytes == p->head_room_bytes)
        return full(p);
    p->head[p->head_bytes++] = (char)byte;
    if (p->last == '\r') {
        p->last = byte;
        if (byte != '\n')
            return fail(p, 400, "a bare carriage return");
        return end_line(p);
    }
    p->last = byte;
    if (byte == '\n')
        return fail(p, 400, "a line that ends in a bare line feed");
    if (byte == 0)
        return fail(p, 400, "a NUL byte");
    return p->first_line_bytes ? 0 : check_first(p, byte);
}

/* How many of the bytes are plain text of a field line, to be copied as they are. */
static size_t plain_run(const struct mc_h1 *p, const uint8_t *bytes, size_t count)
{
    if (!p->first_line_bytes || p->last == '\r')
        return 0;
    const uint8_t *cr = memchr(bytes, '\r', count);
    size_t run = cr ? (size_t)(cr - bytes) : count;
    size_t room = p->head_room_bytes - p->head_bytes;
    if (run > room)
        run = room;
    if (run && (memchr(bytes, '\n', run) || memchr(bytes, 0, run)))
        return 0; /* byte by byte finds which it is */
    return run;
}

size_t mc_h1_head(struct mc_h1 *p, const uint8_t *bytes, size_t count, struct mc_h1_field *fields)
{
    size_t taken = 0;
    p->fields = fields;
    while (taken < count && p->state == MC_H1_HEAD) {
        size_t run = plain_run(p, bytes + taken, count - taken);
        if (run) {
            memcpy(p->head + p->head_bytes, bytes + taken, run);
            p->head_bytes += (uint32_t)run;
            p->last = bytes[taken + run - 1];
            taken += run;
        } else if (take_head_byte(p, bytes[taken++]) < 0) {
            break;
        }
    }
    return taken;
}

/* ---- the body ------------------------------------------------------------------------------- */

void mc_h1_body_begin(struct mc_h1 *p)
{
    if (p->chunked)
        p->state = MC_H1_CHUNK_SIZE;
    else
        p->state = p->has_length && p->length > 0 ? MC_H1_BODY : MC_H1_DONE;
    if (p->chunked)
        p->length = 0;
    p->digits = p->trailer_bytes = p->ext_bytes = 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum mc_h1_state chunk_size_byte(struct mc_h1 *p, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++p->digits > 15) {
            fail(p, 400, "a chunk size with too many digits");
            return MC_H1_ERROR;
        }
        p->length = p->length * 16 + (uint64_t)digit;
        return MC_H1_CHUNK_SIZE;
    }
    if (p->digits && c == '\r')
        return MC_H1_CHUNK_SIZE_LF;
    if (p->digits && c == ';')
        return MC_H1_CHUNK_EXT;
    fail(p, 400, "a chunk size that is not hexadecimal");
    return MC_H1_ERROR;
}

/* Text of a chunk extension or a trailer: ignored, bounded, checked. */
static enum mc_h1_state skip_byte(struct mc_h1 *p, uint8_t c, uint32_t *used, uint32_t max,
                                  enum mc_h1_state at_cr)
{
    if (c == '\r')
        return at_cr;
    if (++*used > max)
        fail(p, 431, "chunk extensions or trailers are larger than the server takes");
    else if ((c < 0x20 && c != '\t') || c == 0x7f)
        fail(p, 400, "a control character in a chunk extension or a trailer");
    return p->state;
}

static enum mc_h1_state expect_byte(struct mc_h1 *p, uint8_t c, uint8_t want, enum mc_h1_state next)
{
    if (c == want)
        return next;
    fail(p, 400, "a chunk that does not end where its size says, or a bare CR or LF");
    return MC_H1_ERROR;
}

/* One byte of the chunked coding around the data; the state that follows. */
static enum mc_h1_state framing_byte(struct mc_h1 *p, uint8_t c)
{
    switch (p->state) {
    case MC_H1_CHUNK_SIZE:
        return chunk_size_byte(p, c);
    case MC_H1_CHUNK_EXT:
        return skip_byte(p, c, &p->ext_bytes, 1024, MC_H1_CHUNK_SIZE_LF);
    case MC_H1_CHUNK_SIZE_LF:
        return expect_byte(p, c, '\n', p->length ? MC_H1_CHUNK_DATA : MC_H1_TRAILER);
    case MC_H1_CHUNK_DATA_CR:
        return expect_byte(p, c, '\r', MC_H1_CHUNK_DATA_LF);
    case MC_H1_CHUNK_DATA_LF:
        p->digits = 0;
        return expect_byte(p, c, '\n', MC_H1_CHUNK_SIZE);
    case MC_H1_TRAILER:
        if (c == '\r')
            return MC_H1_END_LF;
        if (!token_chars[c]) {
            fail(p, 400, "a trailer line without a name");
            return MC_H1_ERROR;
        }
        p->trailer_bytes++;
        return MC_H1_TRAILER_LINE;
    case MC_H1_TRAILER_LINE:
        return skip_byte(p, c, &p->trailer_bytes, 4096, MC_H1_TRAILER_LF);
    case MC_H1_TRAILER_LF:
        return expect_byte(p, c, '\n', MC_H1_TRAILER);
    case MC_H1_END_LF:
        return expect_byte(p, c, '\n', MC_H1_DONE);
    default:
        return p->state;
    }
}

size_t mc_h1_body(struct mc_h1 *p, const uint8_t *bytes, size_t count, const uint8_t **data,
                  size_t *data_bytes)
{
    size_t taken = 0;
    *data = bytes;
    *data_bytes = 0;
    while (taken < count && p->state != MC_H1_DONE && p->state != MC_H1_ERROR) {
        if (p->state == MC_H1_BODY || p->state == MC_H1_CHUNK_DATA) {
            size_t run = count - taken;
            if (run > p->length)
                run = (size_t)p->length;
            *data = bytes + taken;
            *data_bytes = run;
            p->length -= run;
            if (p->length == 0)
                p->state = p->state == MC_H1_BODY ? MC_H1_DONE : MC_H1_CHUNK_DATA_CR;
            return taken + run;
        }
        enum mc_h1_state next = framing_byte(p, bytes[taken++]);
        if (p->state != MC_H1_ERROR)
            p->state = next;
    }
    return taken;
}
