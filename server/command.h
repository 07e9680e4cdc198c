/* command.h: what a command of the program is; main.c holds the table of them. */
#ifndef MC_COMMAND_H
#define MC_COMMAND_H

#include "server/options.h"

enum mc_exit {
    MC_EXIT_DONE = 0,
    MC_EXIT_NO = 1,     /* the answer is "no", or "different" */
    MC_EXIT_USAGE = 2,  /* also a script with an error in it */
    MC_EXIT_FAILED = 3, /* could not */
};

struct mc_command {
    const char *name;
    unsigned bit;          /* its bit in the table of options */
    const char *arguments; /* behind the name in the usage line */
    const char *summary;   /* one line for `memcam --help` */
    const char *details;   /* what `memcam NAME --help` tells beside the options, and examples */
    int args_min, args_max;
    int hidden;
    int (*run)(const struct mc_settings *settings); /* returns an enum mc_exit */
};

extern const struct mc_command mc_command_serve, mc_command_record, mc_command_replay,
    mc_command_query, mc_command_runs, mc_command_check, mc_command_ls, mc_command_repl,
    mc_command_app, mc_command_export, mc_command_diff;

/* One line on stderr, "memcam: " before it, whatever bytes the arguments hold: control characters
 * come out escaped. An error says what, where, and what to do. */
void mc_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The line for a call that failed: `why` where the callee has filled it, the code's text where not;
 * and `where` (a file, an address) before it unless it stands there already. */
void mc_say_failure(const char *where, int code, const char *why);

/* Write `word` as a shell takes it, in quotes where it needs them; cut when it does not fit. */
void mc_shell_word(const char *word, char *out, size_t out_bytes);

/* Flush stdout. MC_EXIT_DONE, or MC_EXIT_FAILED when what was printed did not get through. */
int mc_stdout_finish(void);

#endif
