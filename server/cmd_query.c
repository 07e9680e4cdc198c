/* cmd_query.c: `memcam query`: one SQL statement over a trace. */
#include <stdio.h>

#include "server/command.h"
#include "server/table.h"
#include "store/trace.h"
#include "tracer/error.h"

#define COLUMNS_MAX 2000 /* SQLite's own bound */

/* The types of struct mc_query_row are SQLite's: 1 integer, 2 float, 3 text, 4 blob, 5 null. */
static const enum mc_table_type types_of_sql[] = {MC_TABLE_TEXT, MC_TABLE_INTEGER, MC_TABLE_REAL,
                                                  MC_TABLE_TEXT, MC_TABLE_TEXT,    MC_TABLE_NULL};

struct answer {
    const char *format;
    struct mc_table *table;
    int rc; /* why the query was stopped from here */
};

static int add_row(void *arg, const struct mc_query_row *row)
{
    struct answer *a = arg;
    if (row->type == NULL) {
        a->table = mc_table_begin(a->format, row->column_count, row->text);
        a->rc = a->table != NULL ? 0 : MC_ENOMEM;
        return a->rc;
    }
    enum mc_table_type types[COLUMNS_MAX];
    for (int i = 0; i < row->column_count && i < COLUMNS_MAX; i++)
        types[i] =
            row->type[i] >= 1 && row->type[i] <= 5 ? types_of_sql[row->type[i]] : MC_TABLE_TEXT;
    a->rc = mc_table_row(a->table, row->text, types);
    if (a->rc == 0 && ferror(stdout))
        a->rc = MC_EIO;
    return a->rc;
}

static int run(const struct mc_settings *s)
{
    const char *path = s->args[0];
    struct mc_reader *reader;
    char why[512] = "";
    int rc = mc_reader_open(path, &reader, why, sizeof(why));
    if (rc != 0) {
        mc_say_failure(path, rc, why);
        return MC_EXIT_FAILED;
    }
    struct answer answer = {.format = s->format};
    struct mc_query_limits limits = {.rows = s->limit};
    if (s->untrusted)
        limits = (struct mc_query_limits){
            .rows = s->limit > 0 && s->limit < MC_STRANGER_ROWS ? s->limit : MC_STRANGER_ROWS,
            .time_ms = MC_STRANGER_TIME_MS,
            .memory_bytes = MC_STRANGER_MEMORY_BYTES};
    int truncated = 0;
    rc = mc_reader_query(reader, s->args[1], &limits, add_row, &answer, &truncated, why,
                         sizeof(why));
    mc_table_end(answer.table);
    mc_reader_close(reader);
    if (answer.rc == MC_EIO)
        return mc_stdout_finish();
    if (rc == 0 && answer.rc != 0)
        rc = answer.rc;
    if (rc != 0) {
        fflush(stdout);
        mc_say_failure(path, rc, why);
        return MC_EXIT_FAILED;
    }
    if (truncated)
        mc_say("query: there are more rows than --limit %lld", (long long)limits.rows);
    return mc_stdout_finish();
}

const struct mc_command mc_command_query = {
    .name = "query",
    .bit = MC_FOR_QUERY,
    .arguments = "FILE SQL [--format table|csv|json|jsonl] [--limit N] [--untrusted]",
    .summary = "ask a trace in SQL",
    .details =
        "FILE is a trace, also one that is being recorded. SQL is one statement that only reads.\n"
        "A table's columns are as wide as its first 1,000 rows need; csv has a line of names, "
        "json\n"
        "is an array of objects and jsonl an object a line. With --untrusted a statement or trace\n"
        "from a stranger is bounded as over HTTP: 1 s, 64 MiB, 100,000 rows. Times (ts, dur)\n"
        "are nanoseconds since the run began.\n\n"
        "examples:\n"
        "  memcam query memcam.db 'SELECT * FROM run'\n"
        "  memcam query memcam.db 'SELECT ts / 1e9 AS s, reason, lost FROM gap' --format csv\n"
        "\n"
        "Five questions, each a statement that works on any trace (the third and fourth want a "
        "mark):\n"
        "\n"
        "which pool ran out first?\n"
        "  SELECT pool, min(ts) / 1e9 AS s FROM pool_sample\n"
        "  WHERE free = 0 OR overflow > 0 GROUP BY run_id, pool ORDER BY s\n"
        "\n"
        "who held the slots at that moment?\n"
        "  SELECT s.state, s.owner, count(*) AS slots, count(DISTINCT s.conn_id) AS connections\n"
        "  FROM (SELECT run_id, pool, ts FROM pool_sample WHERE free = 0 OR overflow > 0\n"
        "        ORDER BY run_id, ts LIMIT 1) AS m\n"
        "  JOIN slot_state(m.run_id, m.pool, m.ts) AS s\n"
        "  WHERE s.state <> '.' GROUP BY s.state, s.owner ORDER BY slots DESC\n"
        "\n"
        "which connections were open across the incident?\n"
        "  SELECT c.conn_id, c.peer, c.ts / 1e9 AS opened_s, c.dur / 1e9 AS seconds, c.requests\n"
        "  FROM mark AS m JOIN conn AS c ON c.run_id = m.run_id\n"
        "  WHERE m.label = 'incident' AND coalesce(c.ts, c.first_ts) <= m.ts\n"
        "    AND (c.dur IS NULL OR c.ts + c.dur > m.ts + m.dur) ORDER BY c.ts\n"
        "\n"
        "which route's p99 moved?\n"
        "  SELECT r.route, percentile(r.dur, 99) FILTER (WHERE r.ts < m.ts) / 1e6 AS before_ms,\n"
        "    percentile(r.dur, 99) FILTER (WHERE r.ts >= m.ts) / 1e6 AS after_ms\n"
        "  FROM mark AS m JOIN request AS r ON r.run_id = m.run_id\n"
        "    AND r.ts BETWEEN m.ts - 10e9 AND m.ts + 10e9\n"
        "  WHERE m.label = 'incident' AND r.status = 200\n"
        "  GROUP BY r.route ORDER BY after_ms / before_ms DESC\n"
        "\n"
        "which pool only ever grows?\n"
        "  SELECT pool, used_first, used_last, growth, percent FROM leak_suspect\n",
    .args_min = 2,
    .args_max = 2,
    .run = run,
};
