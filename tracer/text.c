/* text.c: hostile bytes made into text. */
#include "tracer/text.h"

#include <string.h>

static int is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t mc_utf8_char_bytes(const uint8_t *at, size_t room_bytes)
{
    if (room_bytes == 0)
        return 0;
    uint8_t c = at[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        return room_bytes >= 2 && is_tail(at[1]) ? 2 : 0;
    if ((c & 0xf0) == 0xe0) {
        if (room_bytes < 3 || !is_tail(at[1]) || !is_tail(at[2]))
            return 0;
        if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f))
            return 0;
        return 3;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        if (room_bytes < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3]))
            return 0;
        if ((c == 0xf0 && at[1] < 0x90) || (c == 0xf4 && at[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

size_t mc_text_clean(char *to, size_t to_bytes, const char *text, size_t text_bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strnlen(text, text_bytes), count = 0;
    while (left) {
        size_t bytes = mc_utf8_char_bytes(at, left);
        /* C0, DEL and C1 controls say nothing on a page or in a terminal but mischief. */
        int bad = bytes == 0 || at[0] < 0x20 || at[0] == 0x7f ||
                  (bytes == 2 && at[0] == 0xc2 && at[1] < 0xa0);
        size_t from = bytes ? bytes : 1, wanted = bad ? 1 : from;
        if (count + wanted >= to_bytes)
            break;
        if (bad)
            to[count] = '?';
        else
            memcpy(to + count, at, wanted);
        count += wanted;
        at += from;
        left -= from;
    }
    to[count] = '\0';
    return count;
}
