/* reader_priv.h: what the reader's two files share: lex.c makes atoms, reader.c puts them together.
 */
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

static inline int scm_lex_advance(struct scm_reader *r)
{
    char c = *r->at++;
    if (c == '\n') {
        r->line++;
        r->column = 1;
    } else if (((uint8_t)c & 0xc0) != 0x80) {
        r->column++;
    }
    return (uint8_t)c;
}

static inline int scm_lex_peek(const struct scm_reader *r)
{
    return r->at < r->end ? (uint8_t)*r->at : -1;
}

static inline int scm_lex_is_delimiter(int c)
{
    return c == -1 || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '(' ||
           c == ')' || c == '"' || c == ';' || c == '\'' || c == '`' || c == ',';
}

/* Where the reader stands: line << 12 | column. */
uint32_t scm_lex_place(const struct scm_reader *r);
/* Fill the reader's error with a message about that place; MC_EFORMAT. */
int scm_lex_fail(struct scm_reader *r, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed allocation; MC_ENOMEM. */
int scm_lex_no_memory(struct scm_reader *r);
/* Pass over blanks and comments, but for datum comments. */
int scm_lex_blank(struct reading *g);
/* A token up to a delimiter, bars within it taken literally. */
int scm_lex_token(struct reading *g, struct mc_buf *out, int *had_bars);
/* ASCII letters to lower case. */
void scm_lex_fold(char *text, size_t count);
/* A string, a #\\ character, a number or symbol: 0 with *out, or a negative code. */
int scm_lex_string(struct reading *g, scm_value *out);
int scm_lex_char(struct reading *g, scm_value *out);
int scm_lex_atom(struct reading *g, scm_value *out);

#endif
