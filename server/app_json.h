/* app_json.h: Scheme values as JSON (RFC 8259), and back.
 *
 * object: a list of pairs that begin with a symbol or a string    array: another list, or a vector
 * string: a string, or a symbol but null    null: the symbol null    numbers, #t, #f as they are
 * Back: arrays become vectors, objects lists of (string . value), so that what was parsed can be
 * written again; {} is read as () and written as [].
 */
#ifndef MC_APP_JSON_H
#define MC_APP_JSON_H

#include "lisp/scm.h"
#include "tracer/buf.h"

#define MC_JSON_DEPTH_MAX 100
#define MC_JSON_BYTES_MAX (64u << 20)

/* Append `value` as JSON. 0, or a negative code with *why (static) and, for a value that has no
 * JSON, *culprit. Allocates nothing in Scheme. */
int mc_json_write(scm_value value, struct mc_buf *out, const char **why, scm_value *culprit);

struct mc_json_makers {
    uint32_t list, vector; /* refs: procedures that turn a reversed list into a list, a vector */
};
int mc_json_makers_init(struct scm_vm *vm, struct mc_json_makers *out, struct scm_error *err);

/* Parse a whole text. Returns its value, or scm_fail's. `text` must stay as it is: a copy, where it
 * comes from a Scheme string. `scratch` is the caller's, and holds no use afterwards. */
scm_value mc_json_parse(struct scm_vm *vm, const struct mc_json_makers *makers, const char *text,
                        size_t text_bytes, struct mc_buf *scratch);

#endif
