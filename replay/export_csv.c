/* export_csv.c: one table as CSV.
 *
 * Format: RFC 4180, but that a line ends with LF, as `memcam query --format csv` does. A line of
 *         column names, then the rows; NULL is an empty field.
 */
#include <string.h>

#include "replay/export_priv.h"
#include "tracer/error.h"

static void add_field(struct mc_buf *out, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        mc_buf_add_str(out, text);
        return;
    }
    mc_buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            mc_buf_add_char(out, '"');
        mc_buf_add_char(out, *text);
    }
    mc_buf_add_char(out, '"');
}

static int add_row(struct mc_export *x, const struct mc_export_row *row)
{
    for (unsigned i = 0; i < row->cell_count; i++) {
        const struct mc_export_cell *cell = &row->cells[i];
        if (i)
            mc_buf_add_char(&x->out, ',');
        if (cell->type == MC_CELL_NUMBER)
            mc_buf_add_i64(&x->out, cell->number);
        else if (cell->type == MC_CELL_TEXT)
            add_field(&x->out, cell->text);
    }
    mc_buf_add_char(&x->out, '\n');
    return mc_export_step(x);
}

int mc_export_csv(struct mc_export *x)
{
    int table = 0;
    while (table < MC_EXPORT_TABLE_COUNT && x->opts->tables != 1u << table)
        table++;
    if (table == MC_EXPORT_TABLE_COUNT)
        return MC_EINVAL;
    size_t name_bytes;
    const char *name;
    for (unsigned i = 0;
         (name = mc_export_column_name((enum mc_export_table)table, i, &name_bytes)); i++) {
        if (i)
            mc_buf_add_char(&x->out, ',');
        mc_buf_add(&x->out, name, name_bytes);
    }
    mc_buf_add_char(&x->out, '\n');
    return mc_export_rows(x, add_row);
}
