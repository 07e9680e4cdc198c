/* http_h1_parse.h: read HTTP/1.x requests from bytes that arrive in any pieces. Strict RFC 9112.
 *
 * Owns:   nothing: the head goes into memory that the caller hands over, bodies are passed through.
 * Never:  allocates, looks back at input it has taken, or accepts what two readers could read in
 *         two ways (request smuggling): bare CR or LF, obs-fold, space before a colon, NUL,
 *         Content-Length beside Transfer-Encoding, two lengths, chunk sizes but plain hex.
 */
#ifndef MC_HTTP_H1_PARSE_H
#define MC_HTTP_H1_PARSE_H

#include <stddef.h>
#include <stdint.h>

#define MC_H1_FIELDS_MAX 128u
#define MC_H1_LINE_MAX 8192u /* of the request line: 414 past it */

struct mc_h1_field {
    char *name, *value; /* borrowed: in the head; the name in lower case */
};

enum mc_h1_state {
    MC_H1_HEAD,       /* in the request line or the fields */
    MC_H1_READY,      /* the head is complete and parsed; mc_h1_body_begin goes on */
    MC_H1_BODY,       /* Content-Length bytes */
    MC_H1_CHUNK_SIZE, /* in a chunk's size line */
    MC_H1_CHUNK_EXT,
    MC_H1_CHUNK_SIZE_LF,
    MC_H1_CHUNK_DATA,
    MC_H1_CHUNK_DATA_CR,
    MC_H1_CHUNK_DATA_LF,
    MC_H1_TRAILER, /* at the start of a trailer line */
    MC_H1_TRAILER_LINE,
    MC_H1_TRAILER_LF,
    MC_H1_END_LF,
    MC_H1_DONE, /* body and all */
    MC_H1_ERROR /* status and detail say what to answer; the connection can't go on */
};

struct mc_h1 {
    enum mc_h1_state state;
    char *head; /* borrowed */
    uint32_t head_room_bytes, head_bytes;
    uint32_t line_start; /* of the line that is being read */
    uint32_t first_line_bytes;
    uint8_t skipped_lines;
    uint8_t last; /* the byte before */
    /* The parsed head. */
    char *method, *target;
    int version_minor;
    struct mc_h1_field *fields; /* borrowed: the caller's array of MC_H1_FIELDS_MAX */
    uint32_t field_count;
    int has_length, chunked, keep_alive, expect_continue;
    uint64_t length; /* Content-Length, or what is left of the chunk */
    uint32_t digits, trailer_bytes, ext_bytes;
    /* MC_H1_ERROR. */
    int status;
    const char *detail; /* static */
};

/* Be ready for a request. head: room for a whole head. */
void mc_h1_init(struct mc_h1 *p, char *head, uint32_t head_room_bytes);

/* Take bytes of the head, at most `count`, and return how many. Goes to MC_H1_READY or MC_H1_ERROR;
 * `fields` must hold MC_H1_FIELDS_MAX, is filled when READY, and is not needed afterwards. */
size_t mc_h1_head(struct mc_h1 *p, const uint8_t *bytes, size_t count, struct mc_h1_field *fields);

/* After READY: MC_H1_DONE when there is no body, else the first state of the body. */
void mc_h1_body_begin(struct mc_h1 *p);

/* Take bytes of the body, return how many. *data, *data_bytes: a piece of the content among them
 * (0 bytes when there is none). Call until all is taken, DONE or ERROR. */
size_t mc_h1_body(struct mc_h1 *p, const uint8_t *bytes, size_t count, const uint8_t **data,
                  size_t *data_bytes);

/* How many bytes at the start of a text may stand in a token (RFC 9110 section 5.6.2). */
size_t mc_h1_token_span(const char *text);

#endif
