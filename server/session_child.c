/* session_child.c: the program that a session starts: spawned, told to end, waited for.
 *
 * It stays in our process group, so that it has the terminal. It does not die with us: a recorder
 * that is killed leaves the program running.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/command.h"
#include "server/session_priv.h"
#include "tracer/error.h"

#define APP_KILL_MS 5000 /* our own app has so long to close its connections */
#define READY_FD 3

extern char **environ;

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
    struct session *s = process->data;
    s->child_pid = 0;
    s->child_exit = signal != 0 ? -1 : (int)status;
    if (signal != 0)
        snprintf(s->child_end, sizeof(s->child_end), "signal %d", signal);
    else
        snprintf(s->child_end, sizeof(s->child_end), "exit %d", (int)status);
    mc_session_child_ended(s);
}

static void on_ready_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct session *s = handle->data;
    (void)suggested;
    buf->base = s->ready + s->ready_bytes;
    buf->len = sizeof(s->ready) - 1 - s->ready_bytes;
}

static void on_ready_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct session *s = stream->data;
    (void)buf;
    if (count < 0) {
        uv_read_stop(stream);
        return;
    }
    s->ready_bytes += (size_t)count;
    s->ready[s->ready_bytes] = '\0';
    char *line_end = strchr(s->ready, '\n');
    if (line_end == NULL)
        return;
    *line_end = '\0';
    uv_read_stop(stream);
    s->is_ready = 1;
    mc_session_ready(s);
}

/* The environment with our mark in it; owned array, borrowed strings. */
static char **environment_make(const struct session *s)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **copy = calloc(count + 2, sizeof(*copy));
    if (copy == NULL)
        return NULL;
    memcpy(copy, environ, count * sizeof(*copy));
    copy[count] = (char *)(uintptr_t)s->mark;
    return copy;
}

int mc_session_child_start(struct session *s)
{
    snprintf(s->mark, sizeof(s->mark), "MEMCAM_RECORDER=%ld-%lld", (long)getpid(),
             (long long)s->look_since_ns);
    char **environment = environment_make(s);
    if (environment == NULL)
        return MC_ENOMEM;
    uv_stdio_container_t stdio[READY_FD + 1] = {
        {.flags = UV_INHERIT_FD, .data.fd = 0},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t spawn = {
        .exit_cb = on_exit_of_child,
        .file = s->opts->serves_app ? "/proc/self/exe" : s->opts->program[0],
        .args = s->opts->program,
        .env = environment,
        .stdio_count = READY_FD,
        .stdio = stdio,
    };
    if (s->opts->serves_app) {
        uv_pipe_init(&s->loop, &s->ready_pipe, 0);
        s->ready_pipe.data = s;
        s->has_ready_pipe = 1;
        stdio[READY_FD].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        stdio[READY_FD].data.stream = (uv_stream_t *)&s->ready_pipe;
        spawn.stdio_count = READY_FD + 1;
    }
    s->child.data = s;
    s->has_child_handle = 1;
    int rc = uv_spawn(&s->loop, &s->child, &spawn);
    free(environment);
    if (rc != 0) {
        mc_say("%s: %s; give a program that can be run", s->opts->program[0], uv_strerror(rc));
        return mc_error_from_errno(-rc);
    }
    s->child_pid = s->child.pid;
    if (s->has_ready_pipe)
        uv_read_start((uv_stream_t *)&s->ready_pipe, on_ready_alloc, on_ready_read);
    return 0;
}

static void on_kill_timer(uv_timer_t *timer)
{
    struct session *s = timer->data;
    if (s->child_pid == 0)
        return;
    mc_say("the app (pid %d) does not end: killing it", (int)s->child_pid);
    uv_process_kill(&s->child, SIGKILL);
}

void mc_session_child_stop(struct session *s)
{
    if (s->child_pid == 0)
        return;
    if (s->kill_timer.data != NULL) { /* asked before */
        uv_process_kill(&s->child, SIGKILL);
        return;
    }
    uv_timer_init(&s->loop, &s->kill_timer);
    s->kill_timer.data = s;
    uv_process_kill(&s->child, SIGTERM);
    uv_process_kill(&s->child, SIGCONT); /* a stopped one could not end */
    if (s->opts->serves_app)
        uv_timer_start(&s->kill_timer, on_kill_timer, APP_KILL_MS, 0);
}

void mc_session_child_close(struct session *s)
{
    if (s->has_ready_pipe)
        uv_close((uv_handle_t *)&s->ready_pipe, NULL);
    if (s->has_child_handle)
        uv_close((uv_handle_t *)&s->child, NULL);
    if (s->kill_timer.data != NULL)
        uv_close((uv_handle_t *)&s->kill_timer, NULL);
    s->has_ready_pipe = s->has_child_handle = 0;
    s->kill_timer.data = NULL;
}
