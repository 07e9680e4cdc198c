/* app_stats.h: what an app's process holds besides its pools, as a traced program's gauges: memory
 * of OpenSSL, nghttp2 and libuv, the kernel's view of its address space, the tracer's table of
 * strings, and the Scheme machine's work. */
#ifndef MC_APP_STATS_H
#define MC_APP_STATS_H

#include <stdint.h>

struct mc_counter;
struct mc_gauge;
struct mc_http_server;
struct mc_tracer;
struct scm_vm;

struct mc_app_stats {
    const struct mc_http_server *server; /* borrowed */
    const struct scm_vm *vm;             /* borrowed */
    const struct mc_tracer *tracer;      /* borrowed */
    int statm_fd;                        /* owned; -1: none */
    uint64_t told_steps;
    struct mc_counter *steps;
    struct mc_gauge *ssl, *nghttp2, *uv, *address_space, *strings; /* NULL: no room in the tracer */
};

/* Count what OpenSSL and libuv allocate from now on. Before the first call of either; one that was
 * called before is not counted, and has no gauge. */
void mc_app_stats_count(void);
/* Register with the tracer (NULL: nothing is told). */
void mc_app_stats_start(struct mc_app_stats *s, struct mc_tracer *tracer,
                        const struct mc_http_server *server, const struct scm_vm *vm);
/* Tell how it is now: some stores and one read of /proc. On the loop. */
void mc_app_stats_tell(struct mc_app_stats *s);
void mc_app_stats_stop(struct mc_app_stats *s);

#endif
