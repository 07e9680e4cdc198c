/* session_priv.h: a session's state, for session.c and session_child.c. */
#ifndef MC_SESSION_PRIV_H
#define MC_SESSION_PRIV_H

#include <uv.h>

#include "server/dashboard.h"
#include "server/recorder.h"
#include "server/session.h"
#include "server/target.h"
#include "server/token.h"

enum session_phase {
    SESSION_LOOKING, /* for the program's segment */
    SESSION_RECORDING,
    SESSION_ENDED_RUN, /* the tracer is closed: how does the process end? */
    SESSION_CLOSING,
};

struct session {
    const struct mc_settings *settings;
    const struct mc_session_options *opts;
    uv_loop_t loop;
    enum session_phase phase;
    struct mc_writer *writer;       /* owned */
    struct mc_dashboard *dashboard; /* owned */
    struct mc_recorder *recorder;   /* owned; NULL but while a run lasts */
    struct mc_target target;
    struct mc_program program; /* the one that is, or was last, recorded */
    uv_timer_t look_timer;     /* looks for the program; waits for how it ended */
    uv_timer_t second_timer;   /* trouble with the file */
    uv_signal_t sigint, sigterm;
    uv_poll_t pidfd_poll; /* a program that is not our child */
    int pidfd;            /* -1 none */
    char program_end[32]; /* how it ended, once asked */
    char left_path[sizeof(((struct mc_program *)0)->path)];
    int64_t look_since_ns;
    int64_t run_count, frame_count;
    char trouble_text[256]; /* told last; "" none */
    int is_stopping;        /* a signal asked for the end */
    int status;             /* the exit status */
    char config[1024];
    char token[MC_TOKEN_BYTES];

    /* The child, session_child.c. */
    uv_process_t child;
    uv_pipe_t ready_pipe;
    uv_timer_t kill_timer;
    pid_t child_pid; /* 0: none, or it has ended */
    int has_child_handle, has_ready_pipe;
    char mark[64];   /* in the child's environment */
    char ready[160]; /* what the app has said on its pipe */
    size_t ready_bytes;
    int is_ready, has_told_loading;
    int child_exit;     /* its exit status, once it has ended; -1 when a signal ended it */
    char child_end[32]; /* "exit 0", "signal 9" */
};

/* Start the program; 0 or a negative code, told on stderr. */
int mc_session_child_start(struct session *s);
/* Ask it to end; the second time, make it. */
void mc_session_child_stop(struct session *s);
void mc_session_child_close(struct session *s);

/* How the program ended that is not our child: "exit 0", "signal 9", or "gone" where the kernel
 * does not tell. Valid until it is asked again. */
const char *mc_session_how_ended(struct session *s);
/* Take the newest program of the target's name as the target although it has ended, unless the
 * trace has its run to the end already. */
void mc_session_left_find(struct session *s);

/* What session_child.c tells: the app is ready; the child has ended. */
void mc_session_ready(struct session *s);
void mc_session_child_ended(struct session *s);

#endif
