/* export.h: a recorded run, or a span of it, as CSV, JSON lines, OpenMetrics or a Perfetto trace.
 *
 * The bytes go out through a callback as they are made: memory stays flat however long the run.
 * Threads: one thread; it reads through the reader that it is given. No event loop, no clock.
 */
#ifndef MC_EXPORT_H
#define MC_EXPORT_H

#include "store/trace.h"

/* X(NAME, "name") */
#define MC_EXPORT_FORMATS(X)                                                                       \
    X(CSV, "csv")                                                                                  \
    X(JSONL, "jsonl")                                                                              \
    X(OPENMETRICS, "openmetrics")                                                                  \
    X(PERFETTO, "perfetto")

enum mc_export_format {
#define X(id, text) MC_EXPORT_##id,
    MC_EXPORT_FORMATS(X)
#undef X
        MC_EXPORT_FORMAT_COUNT
};

/* The tables that csv and jsonl write, with the columns that they have in SQL, and in this order
 * where rows are of one time. X(NAME, "name", "columns") */
#define MC_EXPORT_TABLES(X)                                                                        \
    X(GAP, "gap", "run_id,ts,dur,reason,lost")                                                     \
    X(MARK, "mark", "run_id,ts,dur,label,author")                                                  \
    X(EVENT, "event", "run_id,ts,type,conn_id,stream_id,dur,status,bytes_in,bytes_out,detail")     \
    X(GC_EVENT, "gc_event", "run_id,ts,dur,heap,kind,before_bytes,after_bytes")                    \
    X(SLOT_CHANGE, "slot_change", "run_id,ts,pool,slot,old_state,new_state,owner,conn_id")         \
    X(POOL_SAMPLE, "pool_sample",                                                                  \
      "run_id,ts,pool,used,free,capacity,high_water,allocs,frees,overflow")                        \
    X(ARENA_SAMPLE, "arena_sample",                                                                \
      "run_id,ts,arena,used_bytes,capacity_bytes,high_water_bytes,overflow")                       \
    X(HEAP_SAMPLE, "heap_sample",                                                                  \
      "run_id,ts,heap,used_bytes,capacity_bytes,peak_bytes,threshold_bytes,gc_count")              \
    X(METRIC_SAMPLE, "metric_sample", "run_id,ts,metric,value")                                    \
    X(PROCESS_SAMPLE, "process_sample",                                                            \
      "run_id,ts,rss_bytes,pss_bytes,anon_bytes,file_bytes,shmem_bytes,minor_faults,"              \
      "major_faults,cpu_user_ns,cpu_system_ns,fd_count")

enum mc_export_table {
#define X(id, text, columns) MC_EXPORT_##id,
    MC_EXPORT_TABLES(X)
#undef X
        MC_EXPORT_TABLE_COUNT
};
#define MC_EXPORT_ALL_TABLES ((1u << MC_EXPORT_TABLE_COUNT) - 1)

/* "csv", …, "gap", …; NULL out of range. Static. */
const char *mc_export_format_name(int format);
const char *mc_export_table_name(int table);

/* Take `count` bytes. A non-zero return stops the export, which returns it. */
typedef int (*mc_export_write_fn)(void *arg, const void *bytes, size_t count);
/* How far it is; called when the number has changed. */
typedef void (*mc_export_progress_fn)(void *arg, int percent);

struct mc_export_options {
    enum mc_export_format format;
    int64_t run_id;
    int64_t from, to; /* from <= ts < to; INT64_MIN and INT64_MAX: all of it */
    unsigned tables;  /* csv, jsonl: 1 << MC_EXPORT_…; csv takes one. The others ignore it */
    mc_export_write_fn write;
    mc_export_progress_fn progress; /* may be NULL */
    void *arg;                      /* of both */
};

/* Export. A run that is being recorded is exported up to the frame that is its newest now. What is
 * damaged is passed over, and told as a gap (OpenMetrics: has no samples). Gaps that reach into the
 * span are told too. 0, the write callback's code, MC_ENORUN, MC_EINVAL for options that make no
 * sense, MC_EIO, MC_ENOMEM. */
int mc_export(struct mc_reader *r, const struct mc_export_options *opts);

#endif
