/* sql_functions.c: SQLite's functions whose cost is the product of two lengths, made to cost a sum.
 *
 * A limit on time is looked at between steps of a query, and one call is one step: with two texts
 * of a megabyte each, SQLite's instr, replace and trim run for minutes. These find with memmem,
 * which is linear, and bound the set of trim. Their answers are SQLite's.
 */
#include <stdint.h>
#include <string.h>

#include "store/sql_priv.h"

#define TRIM_SET_BYTES_MAX 256

/* A text or blob argument that is not SQL's NULL; NULL when there is no memory. */
static const char *bytes_of(sqlite3_value *value, int as_blob, size_t *count)
{
    const char *at = as_blob ? sqlite3_value_blob(value) : (const void *)sqlite3_value_text(value);
    *count = (size_t)sqlite3_value_bytes(value);
    return at ? at : as_blob && *count == 0 ? "" : NULL;
}

static int is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* instr(X,Y): where Y first stands in X, in characters from 1, in bytes when both are blobs. */
static void find_in(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    size_t whole_bytes, part_bytes;
    int blobs =
        sqlite3_value_type(argv[0]) == SQLITE_BLOB && sqlite3_value_type(argv[1]) == SQLITE_BLOB;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
        return;
    const char *whole = bytes_of(argv[0], blobs, &whole_bytes);
    const char *part = bytes_of(argv[1], blobs, &part_bytes);
    if (!whole || !part) {
        sqlite3_result_error_nomem(context);
        return;
    }
    /* A text is found where a character begins; that of valid UTF-8 is never found elsewhere. */
    const char *at = part_bytes ? memmem(whole, whole_bytes, part, part_bytes) : whole;
    while (at && at != whole && !blobs && is_continuation(*at))
        at = memmem(at + 1, whole_bytes - (size_t)(at + 1 - whole), part, part_bytes);
    sqlite3_int64 place = at != NULL;
    for (const char *c = whole; at && c < at; c++)
        place += blobs || !is_continuation(c[1]);
    sqlite3_result_int64(context, place);
}

/* replace(X,Y,Z): X with each Y become Z. */
static void replace_in(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    size_t whole_bytes, part_bytes, by_bytes;
    for (int i = 0; i < 3; i++) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            return;
    }
    const char *whole = bytes_of(argv[0], 0, &whole_bytes);
    const char *part = bytes_of(argv[1], 0, &part_bytes);
    const char *by = bytes_of(argv[2], 0, &by_bytes);
    if (!whole || !part || !by) {
        sqlite3_result_error_nomem(context);
        return;
    }
    if (part_bytes == 0 || part[0] == 0) {
        sqlite3_result_value(context, argv[0]);
        return;
    }
    size_t most =
        (size_t)sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
    struct mc_buf out = {0};
    const char *end = whole + whole_bytes, *hit;
    while ((hit = memmem(whole, (size_t)(end - whole), part, part_bytes)) && out.count <= most) {
        mc_buf_add(&out, whole, (size_t)(hit - whole));
        mc_buf_add(&out, by, by_bytes);
        whole = hit + part_bytes;
    }
    mc_buf_add(&out, whole, (size_t)(end - whole));
    if (out.failed)
        sqlite3_result_error_nomem(context);
    else if (out.count > most)
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_text(context, out.count ? (const char *)out.bytes : "", (int)out.count,
                            SQLITE_TRANSIENT);
    mc_buf_fini(&out);
}

static size_t character_bytes(const char *at, const char *end)
{
    size_t count = 1;
    while (at + count < end && is_continuation(at[count]))
        count++;
    return count;
}

/* Whether the character [at, at + count) is one of the set's. */
static int set_has(const char *set, size_t set_bytes, const char *at, size_t count)
{
    for (size_t i = 0; i < set_bytes;) {
        size_t n = character_bytes(set + i, set + set_bytes);
        if (n == count && memcmp(set + i, at, n) == 0)
            return 1;
        i += n;
    }
    return 0;
}

/* trim(X,Y), ltrim, rtrim: X without characters of Y (blanks) at its ends. User data: the ends, a
 * bit for the left and one for the right. */
static void trim(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    size_t count, set_bytes = 1;
    int ends = (int)(intptr_t)sqlite3_user_data(context);
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
        (argc == 2 && sqlite3_value_type(argv[1]) == SQLITE_NULL))
        return;
    const char *at = bytes_of(argv[0], 0, &count);
    const char *set = argc == 2 ? bytes_of(argv[1], 0, &set_bytes) : " ";
    if (!at || !set) {
        sqlite3_result_error_nomem(context);
        return;
    }
    if (set_bytes > TRIM_SET_BYTES_MAX) {
        sqlite3_result_error_toobig(context);
        return;
    }
    const char *end = at + count;
    while (ends & 1 && at < end) {
        size_t n = character_bytes(at, end);
        if (!set_has(set, set_bytes, at, n))
            break;
        at += n;
    }
    while (ends & 2 && at < end) {
        const char *last = end - 1;
        while (last > at && is_continuation(*last))
            last--;
        if (!set_has(set, set_bytes, last, (size_t)(end - last)))
            break;
        end = last;
    }
    sqlite3_result_text(context, at, (int)(end - at), SQLITE_TRANSIENT);
}

int mc_sql_bound_functions(sqlite3 *db)
{
    static const struct {
        const char *name;
        int argc;
        intptr_t ends;
        void (*run)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        {"instr", 2, 0, find_in}, {"replace", 3, 0, replace_in}, {"trim", 1, 3, trim},
        {"trim", 2, 3, trim},     {"ltrim", 1, 1, trim},         {"ltrim", 2, 1, trim},
        {"rtrim", 1, 2, trim},    {"rtrim", 2, 2, trim},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++)
        rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].argc,
                                        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                        (void *)functions[i].ends, functions[i].run, NULL, NULL,
                                        NULL);
    return mc_file_error(db, rc);
}
