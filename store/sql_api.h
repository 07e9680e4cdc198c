/* sql_api.h: SQLite, linked in the program, or handed in by the host of the loadable extension.
 *
 * The store's objects are compiled twice: plain, and with MC_SQL_EXTENSION for memcam_sql.so, where
 * every sqlite3_ call goes through the host's table, so that two copies of SQLite never meet on one
 * connection.
 */
#ifndef MC_SQL_API_H
#define MC_SQL_API_H

#ifdef MC_SQL_EXTENSION
#include <sqlite3ext.h>
extern const sqlite3_api_routines *sqlite3_api;
#else
#include <sqlite3.h>
#endif

#endif
