/* text.h: hostile bytes made into text. */
#ifndef MC_TEXT_H
#define MC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at `at` (1 to 4), or 0 where room_bytes holds no valid one: RFC
 * 3629, so no surrogates, no overlong forms, nothing past U+10FFFF. */
size_t mc_utf8_char_bytes(const uint8_t *at, size_t room_bytes);

/* Copy at most to_bytes - 1 bytes of text as valid UTF-8 without control characters (bad bytes
 * become '?'), never cutting a character, and end it with NUL. Stops at a NUL in `text`. Returns
 * the length. to_bytes is at least 1. */
size_t mc_text_clean(char *to, size_t to_bytes, const char *text, size_t text_bytes);

#endif
