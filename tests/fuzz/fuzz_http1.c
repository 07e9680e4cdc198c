/* fuzz_http1.c: libFuzzer target: any bytes as HTTP/1.1 requests.
 *
 * The first byte says where the input is cut in two. The same bytes are parsed in two parts and one
 * by one: both must see the same requests, and no read may leave a part (each has its own block).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_h1_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define HEAD_ROOM_BYTES 2048u

struct summary {
    uint64_t hash; /* of all that was understood */
    uint32_t requests;
    enum mc_h1_state state;
    int status;
};

static void mix(struct summary *s, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < count; i++)
        s->hash = (s->hash ^ bytes[i]) * 0x100000001b3u;
}

static void mix_head(struct summary *s, const struct mc_h1 *p, const struct mc_h1_field *fields)
{
    mix(s, p->method, strlen(p->method) + 1);
    mix(s, p->target, strlen(p->target) + 1);
    for (uint32_t i = 0; i < p->field_count; i++) {
        mix(s, fields[i].name, strlen(fields[i].name) + 1);
        mix(s, fields[i].value, strlen(fields[i].value) + 1);
    }
}

/* Feed one part, `step` bytes at a time. */
static void feed(struct mc_h1 *p, struct summary *s, const uint8_t *part, size_t count, size_t step)
{
    struct mc_h1_field fields[MC_H1_FIELDS_MAX];
    size_t at = 0;
    while (at < count && p->state != MC_H1_ERROR) {
        size_t most = count - at < step ? count - at : step;
        if (p->state == MC_H1_HEAD) {
            at += mc_h1_head(p, part + at, most, fields);
        } else {
            const uint8_t *content;
            size_t content_bytes;
            at += mc_h1_body(p, part + at, most, &content, &content_bytes);
            mix(s, content, content_bytes);
        }
        if (p->state == MC_H1_READY) {
            mix_head(s, p, fields);
            mc_h1_body_begin(p);
        }
        if (p->state == MC_H1_DONE) {
            s->requests++;
            mc_h1_init(p, p->head, HEAD_ROOM_BYTES);
        }
    }
}

static struct summary parse(const uint8_t *data, size_t count, size_t cut, size_t step)
{
    struct summary s = {0};
    struct mc_h1 p;
    mc_h1_init(&p, malloc(HEAD_ROOM_BYTES), HEAD_ROOM_BYTES);
    for (size_t start = 0, end = cut; start < count; start = end, end = count) {
        if (end == start)
            continue;
        uint8_t *part = malloc(end - start);
        memcpy(part, data + start, end - start);
        feed(&p, &s, part, end - start, step);
        free(part);
    }
    s.state = p.state;
    s.status = p.status;
    free(p.head);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return 0;
    size_t count = bytes - 1, cut = data[0] < count ? data[0] : count;
    struct summary parts = parse(data + 1, count, cut, count);
    struct summary single = parse(data + 1, count, cut, 1);
    if (parts.hash != single.hash || parts.requests != single.requests ||
        parts.state != single.state || parts.status != single.status) {
        fprintf(stderr, "fuzz_http1: whole and byte by byte differ\n");
        abort();
    }
    return 0;
}
