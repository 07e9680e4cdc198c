/* event_json_priv.h: the JSON of many events of one run. */
#ifndef MC_EVENT_JSON_PRIV_H
#define MC_EVENT_JSON_PRIV_H

#include "replay/stream.h"

#define MC_EVENT_TEXTS 256u
#define MC_EVENT_TS_SPAN 100000000u

/* What many events have in common, as JSON. All zero is empty. */
struct mc_event_texts {
    /* The first digits of ts: ts / MC_EVENT_TS_SPAN, from which ts_first counts. */
    uint64_t ts_first;
    uint8_t ts_bytes; /* 0: none */
    char ts_digits[15];
    /* Strings of the run's schema, by string id, whose place is id % MC_EVENT_TEXTS: the last one
     * that stood there. Longer ones are not kept. */
    struct mc_event_text {
        uint32_t id;
        uint8_t bytes; /* of json; 0: none */
        char json[59];
    } texts[MC_EVENT_TEXTS];
};

/* mc_event_json with a table, which holds strings of this schema's run only. */
void mc_event_json_add(struct mc_event_texts *texts, const struct mc_schema *schema,
                       const struct mc_event *event, struct mc_buf *out);
/* The next event is of another run. */
void mc_event_texts_forget(struct mc_event_texts *texts);

#endif
