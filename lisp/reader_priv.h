/* reader_priv.h: what the two halves of the reader share. */
#ifndef SCM_READER_PRIV_H
#define SCM_READER_PRIV_H

#include "lisp/scm_priv.h"

struct fixup {
    scm_value where; /* pair or vector; reachable from a frame */
    uint32_t idx;    /* 0 car, 1 cdr; of a vector: item + 2 */
    uint32_t label;
};

struct reading {
    struct scm_reader *r;
    scm_value *base;
    scm_value *labels;    /* owned: number, value */
    struct fixup *fixups; /* owned */
    size_t label_count, label_room, fixup_count, fixup_room;
    int incomplete;
};

/* ---- characters ---- */
uint32_t scm_reader_place(const struct scm_reader *r); /* line << 12 | column of the next one */
int scm_reader_advance(struct scm_reader *r);          /* take it; there must be one */
int scm_reader_peek(const struct scm_reader *r);       /* -1 at the end */
int scm_is_delimiter(int c);
void scm_fold_ascii(char *text, size_t count);

/* ---- failing: fill the reader's error and return the code ---- */
int scm_reader_fail(struct scm_reader *r, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int scm_reader_no_memory(struct scm_reader *r);

/* ---- tokens: 0 or a negative code ---- */
int scm_skip_blank(struct reading *g);
int scm_read_string(struct reading *g, scm_value *out);
/* What stands up to a delimiter, bars within it taken literally. */
int scm_read_token(struct reading *g, struct mc_buf *out, int *had_bars);
int scm_read_atom(struct reading *g, scm_value *out); /* a number or a symbol */
int scm_read_char(struct reading *g, scm_value *out);

#endif
