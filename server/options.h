/* options.h: the options of all commands: one table, one struct of settings.
 *
 * Owns:    nothing; texts in the settings are borrowed from argv and from the table.
 */
#ifndef MC_OPTIONS_H
#define MC_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct mc_command;

enum mc_command_bit {
    MC_FOR_SERVE = 1,
    MC_FOR_RECORD = 2,
    MC_FOR_REPLAY = 4,
    MC_FOR_QUERY = 8,
    MC_FOR_RUNS = 16,
    MC_FOR_CHECK = 32,
    MC_FOR_LS = 64,
    MC_FOR_REPL = 128,
    MC_FOR_EXPORT = 512,
    MC_FOR_DIFF = 1024,
};

#define MC_HOSTS_MAX 16
#define MC_ARGS_MAX 256 /* a shell that expands *.db */

struct mc_settings {
    const struct mc_command *command;
    char listen[96], dash[96]; /* "127.0.0.1:8080", "[::1]:0" */
    const char *store, *cert, *key, *token_file, *label, *name, *format, *output, *table;
    const char *hosts[MC_HOSTS_MAX + 1]; /* NULL-terminated */
    int64_t interval_ns, keep_ns, idle_timeout_ns, handler_timeout_ns, wait_ns;
    int64_t max_bytes, body_max_bytes;
    int64_t max_connections, max_requests, streams, pid, limit, ready_fd;
    int64_t tls, event_clock_ns;
    int64_t run_id, from, to; /* ts; run_id 0: the newest */
    const char *mark, *mark_a, *mark_b, *align, *min_effect, *fail_on;
    const char *from_text, *to_text, *from_a_text, *to_a_text, *from_b_text, *to_b_text;
    int64_t exact, all, untrusted;
    int64_t split_at;        /* diff: 1 + how many arguments came before --vs; 0: no --vs */
    char *args[MC_ARGS_MAX]; /* what is not an option */
    int arg_count;
    int given_count; /* all of it as it was given, for a child that reads the same */
    char **given;
    char **program; /* record: behind `--`, NULL-terminated; NULL: none */
};

/* Read a command's arguments (argv[0] is the first behind its name). 0; MC_END when --help was
 * asked for and printed; MC_EINVAL with one line on stderr. */
int mc_settings_parse(const struct mc_command *command, int argc, char **argv,
                      struct mc_settings *out);

/* `memcam NAME --help`. */
void mc_settings_help(const struct mc_command *command);

/* "64M", "1GiB", "1.5G", "4096" (powers of 1024), "unlimited" (INT64_MAX). 0 or MC_EINVAL. */
int mc_size_parse(const char *text, int64_t *bytes);
/* "100ms", "24h", "1.5s", "forever" (INT64_MAX); a number needs its unit: ns us ms s m h d. */
int mc_duration_parse(const char *text, int64_t *ns);
/* A moment of a run, as ns since it began: "90s", "1m30s", "1500000000", "begin" (INT64_MIN), "end"
 * (INT64_MAX). 0 or MC_EINVAL. */
int mc_moment_parse(const char *text, int64_t *ts);
/* "127.0.0.1:8080", "[::1]:0", "localhost:80", or a port alone, as "IP:PORT". 0 or MC_EINVAL. */
int mc_address_parse(const char *text, char *out, size_t out_bytes);
/* Whether such an address is on the loopback. */
int mc_address_is_loopback(const char *address);

#endif
