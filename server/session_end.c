/* session_end.c: programs that are not our children: how one ended, and one that ended before its
 * recorder came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "server/session_priv.h"
#include "store/trace.h"
#include "tracer/sampler.h"

/* ---- how it ended ---------------------------------------------------------------------------- */

/* What Linux 6.15 and later tell of a process that has been reaped, as long as a pidfd is held. */
struct pidfd_info {
    uint64_t mask, cgroup_id;
    uint32_t ids[11];
    int32_t exit_code;
};
#define PIDFD_INFO_HAS_EXIT (UINT64_C(1) << 3)
#define PIDFD_GET_EXIT_INFO _IOWR(0xFF, 11, struct pidfd_info)

static int status_of_reaped(int pidfd, int *wait_status)
{
    struct pidfd_info info = {.mask = PIDFD_INFO_HAS_EXIT};
    if (pidfd < 0 || ioctl(pidfd, PIDFD_GET_EXIT_INFO, &info) != 0 ||
        (info.mask & PIDFD_INFO_HAS_EXIT) == 0)
        return -1;
    *wait_status = info.exit_code;
    return 0;
}

/* Until its parent reaps it, /proc/PID/stat has the status as its last field. */
static int status_of_zombie(int64_t pid, int *wait_status)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    FILE *f = fopen(path, "re");
    size_t count = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[count] = '\0';
    const char *behind_name = strrchr(text, ')'); /* the name may hold anything */
    const char *last = strrchr(text, ' ');
    if (behind_name == NULL || strncmp(behind_name, ") Z ", 4) != 0 || last < behind_name)
        return -1;
    *wait_status = atoi(last + 1);
    return 0;
}

const char *mc_session_how_ended(struct session *s)
{
    int status;
    if (status_of_reaped(s->pidfd, &status) != 0 &&
        status_of_zombie(s->program.pid, &status) != 0 &&
        status_of_reaped(s->pidfd, &status) != 0) /* reaped between the two */
        return "gone";
    if (WIFSIGNALED(status))
        snprintf(s->program_end, sizeof(s->program_end), "signal %d", WTERMSIG(status));
    else
        snprintf(s->program_end, sizeof(s->program_end), "exit %d", WEXITSTATUS(status));
    return s->program_end;
}

/* ---- one that has ended already -------------------------------------------------------------- */

/* Whether the trace has the program's run to its end. */
static int is_recorded(const char *store, const struct mc_program *p)
{
    struct mc_reader *reader;
    struct mc_run_info *runs = NULL;
    size_t count = 0;
    if (mc_reader_open(store, &reader, NULL, 0) != 0)
        return 0;
    int found = 0;
    if (mc_reader_runs(reader, &runs, &count) == 0) {
        for (size_t i = 0; i < count; i++) {
            found |= runs[i].pid == p->pid && runs[i].start_wall_ns == p->start_wall_ns &&
                     runs[i].exit != NULL && strcmp(runs[i].exit, "recorder stopped") != 0;
            mc_run_info_fini(&runs[i]);
        }
        free(runs);
    }
    mc_reader_close(reader);
    return found;
}

void mc_session_left_find(struct session *s)
{
    struct mc_program *programs = NULL;
    size_t count = 0;
    if (mc_program_list(NULL, &programs, &count) != 0)
        return;
    size_t i = 0; /* the list has the newest first */
    while (i < count && strcmp(programs[i].name, s->target.name) != 0)
        i++;
    if (i < count && !programs[i].alive && !is_recorded(s->settings->store, &programs[i])) {
        snprintf(s->left_path, sizeof(s->left_path), "%s", programs[i].path);
        s->target.left = s->left_path;
    }
    free(programs);
}
