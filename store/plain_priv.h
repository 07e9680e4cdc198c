/* plain_priv.h: a plain row as bytes. Format: row_copy in trace_format.h. */
#ifndef MC_PLAIN_PRIV_H
#define MC_PLAIN_PRIV_H

#include "store/plain.h"

/* Append the columns from first_column on of the row that the statement stands on. */
void mc_plain_put(sqlite3_stmt *stmt, int first_column, int column_count, struct mc_buf *out);
/* The values in `body`, from which they borrow. MC_ECORRUPT. */
int mc_plain_get(enum mc_plain_kind kind, const struct mc_buf *body, struct mc_plain_row *row);
/* The checksum of a row's key and its body. */
uint64_t mc_plain_sum(enum mc_plain_kind kind, const struct mc_plain_row *row, const void *body,
                      size_t body_bytes);
/* Write the names of the table's columns, each with a comma before it; their length. */
size_t mc_plain_columns(enum mc_plain_kind kind, char *sql, size_t sql_bytes);

#endif
