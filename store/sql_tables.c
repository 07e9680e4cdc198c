/* sql_tables.c: what the virtual tables look like, and the views over them. */
#include "store/sql_priv.h"

#define RUN_AND_TS                                                                                 \
    {"run_id", "INTEGER", MC_SQL_RUN, 0},                                                          \
    {                                                                                              \
        "ts", "INTEGER", MC_SQL_TS, 0                                                              \
    }
#define SOURCE(name)                                                                               \
    {                                                                                              \
        name, "TEXT", MC_SQL_SOURCE, 0                                                             \
    }
#define FIELD(name, kind, field)                                                                   \
    {                                                                                              \
        name, "INTEGER", MC_SQL_FIELD, MC_FIELD(kind, field)                                       \
    }
#define OTHER(name, type, number)                                                                  \
    {                                                                                              \
        name, type, MC_SQL_OTHER, number                                                           \
    }

const struct mc_sql_table mc_sql_tables[] = {
    {"pool_sample",
     MC_SQL_SAMPLES,
     MC_KIND_SLAB,
     {RUN_AND_TS,
      SOURCE("pool"),
      FIELD("used", SLAB, USED),
      {"free", "INTEGER", MC_SQL_FREE, MC_FIELD(SLAB, USED)},
      {"capacity", "INTEGER", MC_SQL_SLOTS, 0},
      FIELD("high_water", SLAB, HIGH_WATER),
      FIELD("allocs", SLAB, ALLOCS),
      FIELD("frees", SLAB, FREES),
      FIELD("overflow", SLAB, OVERFLOW)}},
    {"arena_sample",
     MC_SQL_SAMPLES,
     MC_KIND_ARENA,
     {RUN_AND_TS,
      SOURCE("arena"),
      FIELD("used_bytes", ARENA, USED),
      {"capacity_bytes", "INTEGER", MC_SQL_CAPACITY, 0},
      FIELD("high_water_bytes", ARENA, HIGH_WATER),
      FIELD("overflow", ARENA, OVERFLOW)}},
    {"heap_sample",
     MC_SQL_SAMPLES,
     MC_KIND_HEAP,
     {RUN_AND_TS,
      SOURCE("heap"),
      FIELD("used_bytes", HEAP, USED),
      {"capacity_bytes", "INTEGER", MC_SQL_CAPACITY, 0},
      FIELD("peak_bytes", HEAP, PEAK),
      FIELD("threshold_bytes", HEAP, THRESHOLD),
      FIELD("gc_count", HEAP, GC_COUNT)}},
    {"process_sample",
     MC_SQL_SAMPLES,
     MC_KIND_PROCESS,
     {RUN_AND_TS, FIELD("rss_bytes", PROCESS, RSS), FIELD("pss_bytes", PROCESS, PSS),
      FIELD("anon_bytes", PROCESS, ANON), FIELD("file_bytes", PROCESS, FILE),
      FIELD("shmem_bytes", PROCESS, SHMEM), FIELD("minor_faults", PROCESS, MINOR_FAULTS),
      FIELD("major_faults", PROCESS, MAJOR_FAULTS), FIELD("cpu_user_ns", PROCESS, CPU_USER),
      FIELD("cpu_system_ns", PROCESS, CPU_SYSTEM), FIELD("fd_count", PROCESS, FDS)}},
    {"metric_sample",
     MC_SQL_METRICS,
     -1,
     {RUN_AND_TS, SOURCE("metric"), OTHER("value", "INTEGER", 0)}},
    {"gc_event",
     MC_SQL_GCS,
     -1,
     {RUN_AND_TS, OTHER("dur", "INTEGER", 0), OTHER("heap", "TEXT", 1), OTHER("kind", "TEXT", 2),
      OTHER("before_bytes", "INTEGER", 3), OTHER("after_bytes", "INTEGER", 4)}},
    {"event",
     MC_SQL_EVENTS,
     -1,
     {RUN_AND_TS, SOURCE("type"), OTHER("conn_id", "INTEGER", MC_SQL_EVENT_CONN),
      OTHER("stream_id", "INTEGER", 2), OTHER("dur", "INTEGER", 3), OTHER("status", "INTEGER", 4),
      OTHER("bytes_in", "INTEGER", 5), OTHER("bytes_out", "INTEGER", 6), OTHER("detail", "TEXT", 7),
      OTHER("owner HIDDEN", "TEXT", 8), OTHER("begin_ts HIDDEN", "INTEGER", MC_SQL_EVENT_BEGIN)}},
    {"slot_change",
     MC_SQL_CHANGES,
     MC_KIND_SLAB,
     {RUN_AND_TS, SOURCE("pool"), OTHER("slot", "INTEGER", 0), OTHER("old_state", "TEXT", 1),
      OTHER("new_state", "TEXT", 2), OTHER("owner", "TEXT", 3), OTHER("conn_id", "INTEGER", 4)}},
    {"slot_lifetime",
     MC_SQL_LIFETIMES,
     MC_KIND_SLAB,
     {RUN_AND_TS, OTHER("dur", "INTEGER", 0), SOURCE("pool"), OTHER("slot", "INTEGER", 1),
      OTHER("owner", "TEXT", 2), OTHER("conn_id", "INTEGER", 3)}},
    /* A connection from accept to close; requests and errors in between. */
    {"conn",
     MC_SQL_CONNS,
     -1,
     {{"run_id", "INTEGER", MC_SQL_RUN, 0},
      OTHER("conn_id", "INTEGER", 0),
      OTHER("ts", "INTEGER", 1),
      OTHER("dur", "INTEGER", 2),
      OTHER("peer", "TEXT", 3),
      OTHER("owner", "TEXT", 4),
      OTHER("requests", "INTEGER", 5),
      OTHER("errors", "INTEGER", 6),
      OTHER("bytes_in", "INTEGER", 7),
      OTHER("bytes_out", "INTEGER", 8),
      OTHER("first_ts", "INTEGER", 9),
      OTHER("last_ts", "INTEGER", 10),
      OTHER("reason", "TEXT", 11)}},
    {"slot_state",
     MC_SQL_STATES,
     MC_KIND_SLAB,
     {OTHER("slot", "INTEGER", 0),
      OTHER("state", "TEXT", 1),
      OTHER("owner", "TEXT", 2),
      OTHER("conn_id", "INTEGER", 3),
      {"run_id HIDDEN", "INTEGER", MC_SQL_RUN, 0},
      {"pool HIDDEN", "TEXT", MC_SQL_SOURCE, 0},
      {"ts HIDDEN", "INTEGER", MC_SQL_TS, 0}}},
    {"summary",
     MC_SQL_SUMMARIES,
     -1,
     {RUN_AND_TS, SOURCE("source"), OTHER("field", "TEXT", 0), OTHER("min", "INTEGER", 1),
      OTHER("max", "INTEGER", 2), OTHER("mean", "REAL", 3), OTHER("last", "INTEGER", 4),
      OTHER("kind HIDDEN", "TEXT", 5)}},
    {"damaged_span",
     MC_SQL_HOLES,
     -1,
     {RUN_AND_TS, OTHER("dur", "INTEGER", 0), OTHER("reason", "TEXT", 1),
      OTHER("lost", "INTEGER", 2)}},
};
const size_t mc_sql_table_count = sizeof mc_sql_tables / sizeof mc_sql_tables[0];

const char *const mc_sql_views[] = {
    /* In place of the plain tables: main.run and so on are as stored, damaged or not. */
    "CREATE TEMP VIEW run AS SELECT * FROM whole_run",
    "CREATE TEMP VIEW source AS SELECT * FROM whole_source",
    "CREATE TEMP VIEW mark AS SELECT * FROM whole_mark",

    /* What damaged rows leave out is a gap like any other. */
    "CREATE TEMP VIEW gap AS SELECT run_id, ts, dur, reason, lost FROM whole_gap "
    "UNION ALL SELECT run_id, ts, dur, reason, lost FROM damaged_span",

    /* A request, from its arrival to the end of its response. */
    "CREATE TEMP VIEW request AS SELECT run_id, begin_ts AS ts, dur, conn_id, stream_id, "
    "detail AS route, status, bytes_in, bytes_out FROM event WHERE type='response'",

    /* When each pool came to its highest mark. */
    "CREATE TEMP VIEW pool_high_water AS SELECT run_id, min(ts) AS ts, pool, high_water, capacity, "
    "round(100.0*high_water/nullif(capacity,0),1) AS percent, overflow FROM ("
    "SELECT run_id, ts, pool, high_water, capacity, "
    "max(high_water) OVER (PARTITION BY run_id, pool) AS top, "
    "max(overflow) OVER (PARTITION BY run_id, pool) AS overflow FROM pool_sample) "
    "WHERE high_water=top GROUP BY run_id, pool",

    /* Pools whose lowest fill of the last quarter is above that of the first. */
    "CREATE TEMP VIEW leak_suspect AS SELECT run_id, pool, used_first, used_last, "
    "used_last-used_first AS growth, capacity, round(100.0*(used_last-used_first)/"
    "nullif(capacity,0),1) AS percent FROM (SELECT p.run_id AS run_id, pool, capacity, "
    "min(CASE WHEN ts<first_ts+(last_ts-first_ts)/4 THEN used END) AS used_first, "
    "min(CASE WHEN ts>last_ts-(last_ts-first_ts)/4 THEN used END) AS used_last "
    "FROM pool_sample AS p JOIN (SELECT run_id AS id, min(ts) AS first_ts, max(ts) AS last_ts "
    "FROM pool_sample GROUP BY run_id) ON p.run_id=id GROUP BY p.run_id, pool) "
    "WHERE used_last>used_first ORDER BY percent DESC",

    /* Spans in which the program's main loop did not go round. */
    "CREATE TEMP VIEW stall AS SELECT run_id, min(ts-stalled_ns) AS ts, max(stalled_ns) AS dur "
    "FROM (SELECT run_id, ts, stalled_ns, sum(fresh) OVER (PARTITION BY run_id ORDER BY ts) AS n "
    "FROM (SELECT run_id, ts, max AS stalled_ns, max<coalesce(lag(max) OVER (PARTITION BY run_id "
    "ORDER BY ts),0) OR coalesce(lag(max) OVER (PARTITION BY run_id ORDER BY ts),0)=0 AS fresh "
    "FROM summary WHERE source='process' AND field='stalled_ns')) "
    "WHERE stalled_ns>0 GROUP BY run_id, n",
};
const size_t mc_sql_view_count = sizeof mc_sql_views / sizeof mc_sql_views[0];
