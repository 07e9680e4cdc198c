/* params.h: numbers from a query string, and what a request's headers say about encodings.
 *
 * All of it is the client's: anything that is not exactly right is MC_EINVAL.
 */
#ifndef MC_PARAMS_H
#define MC_PARAMS_H

#include <stddef.h>
#include <stdint.h>

/* A decimal integer, whole text, min to max. *out is written only on success. */
int mc_param_i64(const char *text, int64_t min, int64_t max, int64_t *out);
int mc_param_u64(const char *text, uint64_t *out);
/* "max" (0), or a finite number other than 0 as in JSON ("-0.5", "1e3"), of at most 32 characters.
 */
int mc_param_speed(const char *text, double *out);
/* "3" or "2.3": the file's place, from 0, and the run within it. */
int mc_param_run(const char *text, size_t text_bytes, size_t *file_idx, int64_t *run_id);
/* Does this Accept-Encoding (NULL: none) take `coding`, named, with a weight above 0? */
int mc_param_accepts(const char *accept_encoding, const char *coding);
/* Is this Content-Type (NULL: none) JSON, whatever its parameters? */
int mc_param_is_json(const char *content_type);

#endif
