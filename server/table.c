/* table.c: see table.h. Text may come from a stranger's trace: an aligned table shows control
 * characters escaped, so that none reaches the terminal. */
#include "server/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/buf.h"
#include "tracer/error.h"
#include "tracer/text.h"

#define TABLE_ROWS 1000
#define COLUMN_WIDTH_MAX 120

enum table_format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON, FORMAT_JSONL };

struct cell {
    char *text; /* owned */
    enum mc_table_type type;
};

struct mc_table {
    enum table_format format;
    int column_count;
    char **names;       /* owned, each too */
    size_t *widths;     /* owned; in characters */
    struct cell *cells; /* owned: TABLE_ROWS rows */
    size_t row_count;   /* held in cells */
    size_t printed_count;
    int is_laid_out; /* widths are final, the head is printed */
    struct mc_buf line;
};

static size_t character_count(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* The text as a terminal may have it. NULL: no memory. */
static char *text_escape(const char *text)
{
    struct mc_buf out = {0};
    size_t left = strlen(text);
    for (const uint8_t *at = (const uint8_t *)text; left > 0;) {
        size_t bytes = mc_utf8_char_bytes(at, left);
        int is_c1 = bytes == 2 && at[0] == 0xc2 && at[1] < 0xa0;
        if (bytes == 0 || is_c1 || *at < 0x20 || *at == 0x7f) {
            mc_buf_printf(&out, "\\x%02x", *at);
            bytes = 1;
        } else {
            mc_buf_add(&out, at, bytes);
        }
        at += bytes;
        left -= bytes;
    }
    mc_buf_add_char(&out, '\0');
    if (!out.failed)
        return (char *)out.bytes;
    mc_buf_fini(&out);
    return NULL;
}

struct mc_table *mc_table_begin(const char *format, int column_count, const char *const *names)
{
    struct mc_table *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    size_t columns = (size_t)column_count;
    t->format = strcmp(format, "csv") == 0     ? FORMAT_CSV
                : strcmp(format, "json") == 0  ? FORMAT_JSON
                : strcmp(format, "jsonl") == 0 ? FORMAT_JSONL
                                               : FORMAT_TABLE;
    t->column_count = column_count;
    t->names = calloc(columns + 1, sizeof(*t->names));
    t->widths = calloc(columns + 1, sizeof(*t->widths));
    if (t->format == FORMAT_TABLE)
        t->cells = calloc(columns * TABLE_ROWS + 1, sizeof(*t->cells));
    int ok =
        t->names != NULL && t->widths != NULL && (t->cells != NULL || t->format != FORMAT_TABLE);
    for (int i = 0; ok && i < column_count; i++) {
        t->names[i] = t->format == FORMAT_TABLE ? text_escape(names[i]) : strdup(names[i]);
        ok = t->names[i] != NULL;
        t->widths[i] = ok ? character_count(t->names[i]) : 0;
    }
    if (!ok) {
        t->format = FORMAT_CSV; /* nothing is printed at its end */
        mc_table_end(t);
        return NULL;
    }
    if (t->format == FORMAT_CSV)
        mc_table_row(t, (const char *const *)t->names, NULL);
    return t;
}

static void add_padded(struct mc_buf *out, const char *text, size_t width, int to_right,
                       int is_last)
{
    size_t count = character_count(text);
    size_t blanks = count < width ? width - count : 0;
    for (size_t i = 0; to_right && i < blanks; i++)
        mc_buf_add_char(out, ' ');
    mc_buf_add_str(out, text);
    for (size_t i = 0; !to_right && !is_last && i < blanks; i++)
        mc_buf_add_char(out, ' ');
    mc_buf_add_str(out, is_last ? "\n" : "  ");
}

static void line_print(struct mc_table *t)
{
    fwrite(t->line.bytes, 1, t->line.count, stdout);
    t->line.count = 0;
}

static void aligned_row(struct mc_table *t, const struct cell *cells)
{
    for (int i = 0; i < t->column_count; i++)
        add_padded(&t->line, cells[i].text, t->widths[i],
                   cells[i].type == MC_TABLE_INTEGER || cells[i].type == MC_TABLE_REAL,
                   i + 1 == t->column_count);
    line_print(t);
}

/* Fix the widths by what is held, print the head and what is held. */
static void lay_out(struct mc_table *t)
{
    for (int i = 0; i < t->column_count; i++) {
        int to_right = t->row_count > 0 &&
                       (t->cells[i].type == MC_TABLE_INTEGER || t->cells[i].type == MC_TABLE_REAL);
        add_padded(&t->line, t->names[i], t->widths[i], to_right, i + 1 == t->column_count);
    }
    for (int i = 0; i < t->column_count; i++) {
        for (size_t k = 0; k < t->widths[i]; k++)
            mc_buf_add_char(&t->line, '-');
        mc_buf_add_str(&t->line, i + 1 == t->column_count ? "\n" : "  ");
    }
    line_print(t);
    size_t columns = (size_t)t->column_count;
    for (size_t row = 0; row < t->row_count; row++) {
        aligned_row(t, &t->cells[row * columns]);
        for (size_t i = 0; i < columns; i++) {
            free(t->cells[row * columns + i].text);
            t->cells[row * columns + i].text = NULL;
        }
    }
    t->row_count = 0;
    t->is_laid_out = 1;
}

static int aligned_add(struct mc_table *t, const char *const *text, const enum mc_table_type *types)
{
    size_t columns = (size_t)t->column_count;
    if (!t->is_laid_out && t->row_count == TABLE_ROWS)
        lay_out(t);
    struct cell *cells = &t->cells[t->row_count * columns];
    for (size_t i = 0; i < columns; i++) {
        cells[i].type = types[i];
        cells[i].text = text_escape(text[i] != NULL ? text[i] : "NULL");
        if (cells[i].text == NULL)
            return MC_ENOMEM;
        size_t width = character_count(cells[i].text);
        if (!t->is_laid_out && width > t->widths[i])
            t->widths[i] = width < COLUMN_WIDTH_MAX ? width : COLUMN_WIDTH_MAX;
    }
    if (!t->is_laid_out) {
        t->row_count++;
        return 0;
    }
    aligned_row(t, cells);
    for (size_t i = 0; i < columns; i++) {
        free(cells[i].text);
        cells[i].text = NULL;
    }
    return 0;
}

/* RFC 4180, but that a line ends with LF. */
static void csv_row(struct mc_table *t, const char *const *text)
{
    for (int i = 0; i < t->column_count; i++) {
        const char *value = text[i] != NULL ? text[i] : "";
        if (i > 0)
            mc_buf_add_char(&t->line, ',');
        if (value[strcspn(value, ",\"\r\n")] == '\0') {
            mc_buf_add_str(&t->line, value);
            continue;
        }
        mc_buf_add_char(&t->line, '"');
        for (; *value != '\0'; value++) {
            if (*value == '"')
                mc_buf_add_char(&t->line, '"');
            mc_buf_add_char(&t->line, *value);
        }
        mc_buf_add_char(&t->line, '"');
    }
    mc_buf_add_char(&t->line, '\n');
}

static int is_json_number(const char *text)
{
    return text[strspn(text, "+-.0123456789eE")] == '\0';
}

static void json_row(struct mc_table *t, const char *const *text, const enum mc_table_type *types)
{
    if (t->format == FORMAT_JSON)
        mc_buf_add_str(&t->line, t->printed_count == 0 ? "[" : ",\n ");
    mc_buf_add_char(&t->line, '{');
    for (int i = 0; i < t->column_count; i++) {
        if (i > 0)
            mc_buf_add_char(&t->line, ',');
        mc_buf_add_json(&t->line, t->names[i], strlen(t->names[i]));
        mc_buf_add_char(&t->line, ':');
        if (text[i] == NULL || types[i] == MC_TABLE_NULL)
            mc_buf_add_str(&t->line, "null");
        else if (types[i] == MC_TABLE_TEXT)
            mc_buf_add_json(&t->line, text[i], strlen(text[i]));
        else if (types[i] == MC_TABLE_BOOLEAN)
            mc_buf_add_str(&t->line, text[i]);
        else /* SQLite's Inf is no JSON */
            mc_buf_add_str(&t->line, is_json_number(text[i]) ? text[i] : "null");
    }
    mc_buf_add_str(&t->line, t->format == FORMAT_JSON ? "}" : "}\n");
}

int mc_table_row(struct mc_table *t, const char *const *text, const enum mc_table_type *types)
{
    if (t->format == FORMAT_TABLE)
        return aligned_add(t, text, types);
    if (t->format == FORMAT_CSV)
        csv_row(t, text);
    else
        json_row(t, text, types);
    if (t->line.failed)
        return MC_ENOMEM;
    t->printed_count++;
    line_print(t);
    return 0;
}

void mc_table_end(struct mc_table *t)
{
    if (t == NULL)
        return;
    if (t->format == FORMAT_TABLE && !t->is_laid_out)
        lay_out(t);
    if (t->format == FORMAT_JSON)
        fputs(t->printed_count == 0 ? "[]\n" : "]\n", stdout);
    for (size_t i = 0; t->cells != NULL && i < (size_t)t->column_count * TABLE_ROWS; i++)
        free(t->cells[i].text);
    free(t->cells);
    for (int i = 0; t->names != NULL && i < t->column_count; i++)
        free(t->names[i]);
    free(t->names);
    free(t->widths);
    mc_buf_fini(&t->line);
    free(t);
}
