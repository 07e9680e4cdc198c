/* mark_check.c: is what was posted a mark of the run? */
#include "server/mark_check.h"

const char *mc_label_wrong(const struct mc_json_field *label)
{
    if (label->type != MC_JSON_STRING || label->text_bytes == 0)
        return "label: a text is needed";
    if (label->text_bytes > MC_LABEL_BYTES_MAX)
        return "label: at most 255 bytes";
    for (size_t i = 0; i < label->text_bytes; i++)
        if ((unsigned char)label->text[i] < 0x20 || label->text[i] == 0x7F)
            return "label: no control characters";
    return NULL;
}

const char *mc_mark_wrong(const struct mc_json_field *ts, const struct mc_json_field *dur,
                          const struct mc_json_field *label, int64_t last_ts)
{
    if (ts->type != MC_JSON_INTEGER)
        return "ts: an integer is needed, ns since the run began";
    if (ts->integer < 0 || ts->integer > last_ts)
        return "ts: it is outside of the run";
    if (dur->type != MC_JSON_ABSENT && (dur->type != MC_JSON_INTEGER || dur->integer < 0))
        return "dur: an integer of 0 or more is needed, in ns";
    if (dur->integer > last_ts - ts->integer)
        return "dur: the mark would end behind the run";
    return mc_label_wrong(label);
}
