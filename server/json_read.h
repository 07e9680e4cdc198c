/* json_read.h: read a request's JSON body: one flat object with known members, strictly.
 *
 * Never: recurses, allocates, or accepts what RFC 8259 does not; nested values, unknown and
 *        repeated members are errors.
 */
#ifndef MC_JSON_READ_H
#define MC_JSON_READ_H

#include <stddef.h>
#include <stdint.h>

enum mc_json_type {
    MC_JSON_ABSENT, /* the member was not there */
    MC_JSON_NULL,
    MC_JSON_BOOL,    /* integer is 0 or 1 */
    MC_JSON_INTEGER, /* integer */
    MC_JSON_NUMBER,  /* a number that is no 64-bit integer */
    MC_JSON_STRING   /* text, valid UTF-8 without NUL */
};

struct mc_json_field {
    const char *name; /* in: the member's name */
    enum mc_json_type type;
    int64_t integer;
    const char *text; /* borrowed from `room`; NUL-terminated */
    size_t text_bytes;
};

/* Read `bytes` into fields[field_count]. `room` takes the decoded strings: at least count + 1
 * bytes. Returns 0 or MC_EINVAL with one line in `why`. */
int mc_json_read(const uint8_t *bytes, size_t count, struct mc_json_field *fields,
                 size_t field_count, char *room, char *why, size_t why_bytes);

#endif
