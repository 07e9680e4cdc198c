/* table.h: rows of text as an aligned table, CSV, JSON or JSON lines on stdout.
 *
 * Owns:    copies of the first rows of an aligned table, until their widths are known.
 * Never:   holds more than TABLE_ROWS rows: later ones are printed as they come, in those widths.
 */
#ifndef MC_TABLE_H
#define MC_TABLE_H

enum mc_table_type {
    MC_TABLE_TEXT,
    MC_TABLE_INTEGER,
    MC_TABLE_REAL,
    MC_TABLE_BOOLEAN, /* text "true" or "false" */
    MC_TABLE_NULL,
};

struct mc_table;

/* format: "table", "csv", "json" (an array of objects) or "jsonl". Column names are copied. NULL:
 * no memory. */
struct mc_table *mc_table_begin(const char *format, int column_count, const char *const *names);
/* One row. text[i] NULL is NULL; types[i] says how JSON shows it, and to which side it goes. 0 or
 * MC_ENOMEM. */
int mc_table_row(struct mc_table *t, const char *const *text, const enum mc_table_type *types);
/* Print what is left and free. NULL does nothing. */
void mc_table_end(struct mc_table *t);

#endif
