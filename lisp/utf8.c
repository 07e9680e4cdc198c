/* utf8.c: characters in strings. */
#include "lisp/scm_priv.h"

size_t scm_utf8_count(const char *text, size_t text_bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < text_bytes; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

int scm_utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

int scm_utf8_get(const char *text, size_t text_bytes, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text[0];
    int want = first < 0x80   ? 1
               : first < 0xc2 ? 0
               : first < 0xe0 ? 2
               : first < 0xf0 ? 3
               : first < 0xf5 ? 4
                              : 0;
    *cp = 0xfffd;
    if (want == 0 || (size_t)want > text_bytes)
        return 1;
    uint32_t value = want == 1 ? first : first & (0x7fu >> want);
    for (int i = 1; i < want; i++) {
        uint8_t next = (uint8_t)text[i];
        if ((next & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (next & 0x3f);
    }
    if (value < least[want] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 1;
    *cp = value;
    return want;
}

int scm_utf8_valid(const char *text, size_t text_bytes)
{
    size_t at = 0;
    uint32_t cp;
    while (at < text_bytes) {
        if ((uint8_t)text[at] < 0x80) {
            at++;
            continue;
        }
        int took = scm_utf8_get(text + at, text_bytes - at, &cp);
        if (took == 1)
            return 0;
        at += (size_t)took;
    }
    return 1;
}

static size_t walk(const char *bytes, size_t at_byte, size_t chars)
{
    while (chars-- > 0) {
        at_byte++;
        while (((uint8_t)bytes[at_byte] & 0xc0) == 0x80)
            at_byte++;
    }
    return at_byte;
}

size_t scm_text_offset(scm_value string, size_t char_idx)
{
    const struct scm_cell *cell = scm_cell(string);
    struct scm_text *text = scm_text_of(string);
    if (cell->b == cell->c)
        return char_idx;
    if (char_idx >= cell->c)
        return (size_t)cell->b;
    size_t from_char = 0, from_byte = 0;
    if (text->at_char <= char_idx) {
        from_char = text->at_char;
        from_byte = text->at_byte;
    }
    text->at_byte = (uint32_t)walk(text->bytes, from_byte, char_idx - from_char);
    text->at_char = (uint32_t)char_idx;
    return text->at_byte;
}
