/* sql_extension.c: the entry point of memcam_sql.so, for `.load` in a stock sqlite3 shell. */
#define MC_SQL_EXTENSION_MAIN
#include "store/sql_priv.h"
#include "tracer/error.h"

#ifdef MC_SQL_EXTENSION
SQLITE_EXTENSION_INIT1
#endif

__attribute__((visibility("default"))) int sqlite3_memcamsql_init(sqlite3 *db, char **error,
                                                                  const sqlite3_api_routines *api);

int sqlite3_memcamsql_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
#ifdef MC_SQL_EXTENSION
    SQLITE_EXTENSION_INIT2(api);
#else
    (void)api;
#endif
    struct mc_reader *r;
    int rc = mc_reader_attach(db, &r);
    if (rc == 0) {
        rc = mc_sql_register(db, r, 1);
        if (rc < 0) {
            *error = sqlite3_mprintf("memcam_sql: %s: %s", mc_strerror(rc), sqlite3_errmsg(db));
            mc_reader_close(r);
        }
    }
    return rc < 0 ? SQLITE_ERROR : SQLITE_OK;
}
