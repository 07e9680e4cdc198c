/* lttng_tp.h: the tracepoint that bench_lttng.c sends: five fields like a response event's. Empty
 * where LTTng-UST is not installed. */
#if __has_include(<lttng/tracepoint.h>)

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER memcam_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tests/bench/lttng_tp.h"

#if !defined(MC_BENCH_LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define MC_BENCH_LTTNG_TP_H

#include <lttng/tracepoint.h>
#include <stdint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT(
    memcam_bench, response,
    LTTNG_UST_TP_ARGS(uint64_t, conn_id, uint32_t, stream_id, uint32_t, status,
                      uint64_t, bytes_out, uint64_t, dur_ns),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, conn_id, conn_id)
        lttng_ust_field_integer(uint32_t, stream_id, stream_id)
        lttng_ust_field_integer(uint32_t, status, status)
        lttng_ust_field_integer(uint64_t, bytes_out, bytes_out)
        lttng_ust_field_integer(uint64_t, dur_ns, dur_ns)))
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>

#endif
