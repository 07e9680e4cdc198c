/* export_jsonl.c: rows of all tables as JSON objects, one a line, in the order of time.
 *
 * Format: {"table":"pool_sample","run_id":1,"ts":…,…}: the table's name, then its columns; NULL is
 *         null. Lines end with LF.
 */
#include <string.h>

#include "replay/export_priv.h"
#include "tracer/error.h"

static int add_row(struct mc_export *x, const struct mc_export_row *row)
{
    struct mc_buf *out = &x->out;
    mc_buf_add_str(out, "{\"table\":\"");
    mc_buf_add_str(out, mc_export_table_name((int)row->table));
    mc_buf_add_char(out, '"');
    for (unsigned i = 0; i < row->cell_count; i++) {
        const struct mc_export_cell *cell = &row->cells[i];
        size_t name_bytes;
        const char *name = mc_export_column_name(row->table, i, &name_bytes);
        mc_buf_add_str(out, ",\"");
        mc_buf_add(out, name, name_bytes);
        mc_buf_add_str(out, "\":");
        if (cell->type == MC_CELL_NUMBER)
            mc_buf_add_i64(out, cell->number);
        else if (cell->type == MC_CELL_TEXT)
            mc_buf_add_json(out, cell->text, strlen(cell->text));
        else
            mc_buf_add_str(out, "null");
    }
    mc_buf_add_str(out, "}\n");
    return mc_export_step(x);
}

int mc_export_jsonl(struct mc_export *x)
{
    return x->opts->tables ? mc_export_rows(x, add_row) : MC_EINVAL;
}
