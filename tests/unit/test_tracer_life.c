/* test_tracer_life.c: programs that fork, stop, end and die; directories and files of segments. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"

static void null_objects_do_nothing(void)
{
    struct mc_response r = {0};
    CHECK_INT(mc_string_id(NULL, "x"), 0);
    CHECK_INT(mc_tracer_dropped(NULL), 0);
    mc_tracer_beat(NULL);
    mc_tracer_close(NULL);
    CHECK(mc_slab_register(NULL, "x", 1, 1) == NULL);
    CHECK(mc_slab_register_flags(NULL, "x", 1, 1, 0) == NULL);
    mc_slab_state_name(NULL, 'x', "x");
    mc_slot_set(NULL, 0, 'A', 0, 0);
    mc_slab_overflow(NULL);
    CHECK(mc_arena_register(NULL, "x", 1) == NULL);
    mc_arena_set(NULL, 1);
    mc_arena_reset(NULL);
    mc_arena_overflow(NULL);
    CHECK(mc_heap_register(NULL, "x", 1) == NULL);
    mc_heap_set(NULL, 1, 1);
    mc_heap_collected(NULL, "x", 1, 1, 1);
    CHECK(mc_counter_register(NULL, "x", "y") == NULL);
    mc_counter_add(NULL, 1);
    CHECK(mc_gauge_register(NULL, "x", "y") == NULL);
    mc_gauge_set(NULL, 1);
    CHECK(mc_histogram_register(NULL, "x", "y") == NULL);
    mc_histogram_record(NULL, 1);
    mc_event_accept(NULL, 1, "x");
    mc_event_accept_on(NULL, 1, 1, "x");
    mc_event_tls(NULL, 1, "x", 1);
    mc_event_stream_open(NULL, 1, 1);
    mc_event_request(NULL, 1, 1, 1, 1);
    mc_event_response(NULL, 1, 1, &r);
    mc_event_stream_close(NULL, 1, 1, 1);
    mc_event_state(NULL, 1, 'A');
    mc_event_overflow(NULL, 1, 1, 1);
    mc_event_error(NULL, 1, 1, "x");
    mc_event_close(NULL, 1, 1, 1, 1);
}

static void bad_names_and_sizes_are_refused(void)
{
    struct fixture f;
    static const char *const names[] = {"", "a/b", "a b", "..%", NULL};
    for (int i = 0; names[i]; i++)
        CHECK(mc_tracer_open(names[i], NULL) == NULL && errno == EINVAL);
    CHECK(mc_tracer_open(NULL, NULL) == NULL);
    CHECK(mc_tracer_open("0123456789012345678901234567890123456789012345678901234567890123",
                         NULL) == NULL);
    struct mc_options small = {
        .struct_bytes = sizeof small, .segment_bytes = 100000, .dir = "/tmp/memcam-test-none"};
    CHECK(mc_tracer_open("x", &small) == NULL && errno == ENOSPC);
    struct mc_options no_dir = {.struct_bytes = sizeof no_dir, .dir = "/nonexistent/deep/dir"};
    CHECK(mc_tracer_open("x", &no_dir) == NULL && errno == ENOENT);
    CHECK(fixture_open(&f, NULL) == 0);
    CHECK(mc_slab_register(f.tracer, "x", 0, 1) == NULL);
    CHECK(mc_slab_register(f.tracer, "x", 1, 0) == NULL);
    CHECK(mc_slab_register(f.tracer, "", 1, 1) == NULL);
    CHECK(mc_slab_register(f.tracer, NULL, 1, 1) == NULL);
    CHECK(mc_slab_register(f.tracer, "quo\"te", 1, 1) == NULL);
    CHECK(mc_slab_register(f.tracer, "new\nline", 1, 1) == NULL);
    CHECK(mc_slab_register(f.tracer, "huge", 1, 200000000) == NULL && errno == ENOSPC);
    CHECK(mc_arena_register(f.tracer, "x", 0) == NULL);
    CHECK(mc_gauge_register(f.tracer, "x", "a unit that is too long") == NULL);
    CHECK(mc_gauge_register(f.tracer, "x", NULL) != NULL); /* nothing above took the name */
    CHECK(mc_counter_register(f.tracer, "x", "count") == NULL && errno == EEXIST);
    fixture_close(&f);
}

static void a_child_is_not_its_parent(void)
{
    struct fixture f;
    const struct mc_frame *frame;
    CHECK(fixture_open(&f, NULL) == 0);
    struct mc_slab *slab = mc_slab_register(f.tracer, "bufs", 10, 10);
    struct mc_counter *counter = mc_counter_register(f.tracer, "counter", "count");
    mc_event_state(f.tracer, 1, MC_SLOT_IDLE);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        mc_slot_set(slab, 1, MC_SLOT_ACTIVE, 0, 0);
        mc_counter_add(counter, 5);
        mc_event_state(f.tracer, 2, MC_SLOT_IDLE);
        mc_tracer_beat(f.tracer);
        int fine =
            mc_gauge_register(f.tracer, "gauge", "") == NULL && mc_string_id(f.tracer, "new") == 0;
        struct mc_options opts = {.struct_bytes = sizeof opts, .dir = f.dir};
        struct mc_tracer *own = mc_tracer_open("child", &opts);
        mc_event_state(own, 3, MC_SLOT_IDLE);
        fine = fine && own && mc_tracer_dropped(own) == 0;
        mc_tracer_close(own);
        mc_tracer_close(f.tracer);
        _exit(fine ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
    mc_event_state(f.tracer, 1, MC_SLOT_ACTIVE);
    CHECK_INT(mc_sampler_tick(f.sampler, 0, &frame), 0); /* and no end */
    CHECK_INT(frame->event_count, 2);
    CHECK_INT(frame->change_count, 0);
    CHECK_INT(fixture_value(frame, MC_KIND_COUNTER, "counter", 0), 0);
    struct mc_program *list;
    size_t count;
    CHECK_INT(mc_program_list(f.dir, &list, &count), 0);
    CHECK_INT(count, 2);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(list[i].alive, strcmp(list[i].name, "test") == 0);
    free(list);
    fixture_close(&f);
}

/* A child that publishes, and writes a byte to the pipe when it has; it then does as `how` says. */
static pid_t start_program(const char *dir, int how, int *pipe_fd)
{
    int fds[2];
    if (pipe(fds) != 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid)
        return close(fds[1]), *pipe_fd = fds[0], pid;
    struct mc_options opts = {
        .struct_bytes = sizeof opts, .dir = dir, .build = "b1", .label = "a label"};
    struct mc_tracer *t = mc_tracer_open("prog", &opts);
    for (uint64_t i = 1; i <= 500; i++)
        mc_event_state(t, i, MC_SLOT_IDLE);
    if (write(fds[1], "x", 1) != 1)
        _exit(1);
    if (how == 'c')
        mc_tracer_close(t);
    for (uint64_t i = 501;; i++) {
        if (how == 'l') {
            mc_tracer_beat(t);
            mc_event_state(t, i % 1000 + 1, MC_SLOT_IDLE);
        }
        usleep(1000);
    }
}

static struct mc_sampler *attach(const char *dir)
{
    char path[600], why[256] = "";
    struct mc_sampler *s = NULL;
    fixture_find(dir, path, sizeof path);
    if (mc_sampler_open(path, NULL, &s, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    return s;
}

static void wait_ready(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        fprintf(stderr, "no program\n");
    close(fd);
}

static void a_killed_program_is_read_to_the_end(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX";
    int fd, status;
    const struct mc_frame *frame;
    CHECK(mkdtemp(dir) != NULL);
    pid_t pid = start_program(dir, 'p', &fd);
    wait_ready(fd);
    struct mc_sampler *s = attach(dir);
    const struct mc_run_info *info = mc_sampler_info(s);
    CHECK_STR(info->label, "a label");
    CHECK_STR(info->build, "b1");
    CHECK_INT(info->pid, pid);
    CHECK_STR(info->program, "prog");
    CHECK(strstr(info->config, "/test_tracer_life\"}") != NULL);
    kill(pid, SIGKILL);
    usleep(20000); /* a zombie now: gone, for all that a recorder can want of it */
    CHECK_INT(mc_sampler_tick(s, 0, &frame), MC_END);
    CHECK_INT(frame->event_count, 500);
    mc_sampler_close(s);
    waitpid(pid, &status, 0);
    /* Someone who comes even later still reads it, as of its last moment. */
    usleep(30000);
    s = attach(dir);
    int64_t now = mc_sampler_now(s);
    CHECK_INT(mc_sampler_tick(s, 0, &frame), MC_END);
    CHECK_INT(frame->event_count, 500);
    CHECK(frame->ts >= 0 && frame->ts < now - 30000000);
    CHECK(frame->event_count && frame->events[499].ts <= frame->ts);
    mc_sampler_close(s);
    fixture_remove_dir(dir);
}

static void a_closed_tracer_ends_the_run(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX";
    int fd, status;
    const struct mc_frame *frame;
    CHECK(mkdtemp(dir) != NULL);
    pid_t pid = start_program(dir, 'c', &fd);
    wait_ready(fd);
    usleep(50000);
    struct mc_sampler *s = attach(dir);
    CHECK_INT(mc_sampler_tick(s, 0, &frame), MC_END);
    CHECK_INT(frame->event_count, 500);
    mc_sampler_close(s);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    fixture_remove_dir(dir);
}

static int64_t stalled_after(struct mc_sampler *s, int ticks)
{
    const struct mc_frame *frame = NULL;
    for (int i = 0; i < ticks; i++) {
        usleep(50000);
        if (mc_sampler_tick(s, 0, &frame) != 0)
            return -1;
    }
    return fixture_value(frame, MC_KIND_PROCESS, NULL, MC_FIELD(PROCESS, STALLED));
}

static void a_stopped_program_stands_still(void)
{
    for (int beats = 0; beats < 2; beats++) {
        char dir[] = "/tmp/memcam-test-XXXXXX";
        int fd, status;
        const struct mc_frame *frame;
        CHECK(mkdtemp(dir) != NULL);
        pid_t pid = start_program(dir, beats ? 'l' : 'p', &fd);
        wait_ready(fd);
        struct mc_sampler *s = attach(dir);
        CHECK_INT(stalled_after(s, 3), 0);
        kill(pid, SIGSTOP);
        int64_t stalled = stalled_after(s, 12);
        CHECK(stalled > 450000000 && stalled < 3000000000);
        CHECK_INT(mc_sampler_tick(s, 0, &frame), 0);
        CHECK_INT(fixture_value(frame, MC_KIND_PROCESS, NULL, MC_FIELD(PROCESS, STATE)), 'T');
        kill(pid, SIGCONT);
        CHECK_INT(stalled_after(s, 2), 0);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        mc_sampler_close(s);
        fixture_remove_dir(dir);
    }
}

/* A program that ends leaves one segment; of the dead ones only the newest stays. */
static void dead_segments_are_swept(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX", other[128];
    struct mc_program *list;
    size_t count;
    int fd, status;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(other, sizeof other, "%s/prog.x.1.seg", dir); /* not of that name */
    fd = open(other, O_CREAT | O_WRONLY, 0600);
    close(fd);
    for (int i = 0; i < 4; i++) {
        pid_t pid = start_program(dir, 'p', &fd);
        wait_ready(fd);
        CHECK_INT(mc_program_list(dir, &list, &count), 0);
        CHECK_INT(count, i ? 2 : 1);
        CHECK(count && list[0].alive && list[0].pid == pid);
        CHECK(count < 2 || !list[1].alive);
        free(list);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    CHECK(access(other, F_OK) == 0);
    fixture_remove_dir(dir);
    CHECK_INT(mc_program_list(dir, &list, &count), 0); /* no directory: an empty list */
    CHECK_INT(count, 0);
    free(list);
}

static void directories_of_others_are_refused(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX", sub[64];
    struct stat st;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(sub, sizeof sub, "%s/made", dir);
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = sub};
    struct mc_tracer *t = mc_tracer_open("x", &opts);
    CHECK(t != NULL);
    CHECK(stat(sub, &st) == 0 && (st.st_mode & 0777) == 0700);
    char path[600];
    fixture_find(sub, path, sizeof path);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    mc_tracer_close(t);
    chmod(sub, 0777);
    CHECK(mc_tracer_open("x", &opts) == NULL && errno == EACCES);
    if (geteuid() == 0) {
        CHECK(chmod(sub, 0700) == 0 && chown(sub, 1234, 1234) == 0);
        CHECK(mc_tracer_open("x", &opts) == NULL && errno == EACCES);
    }
    fixture_remove_dir(sub);
    fixture_remove_dir(dir);
}

static void the_environment_says_where(void)
{
    char buf[600], want[64];
    setenv("MEMCAM_DIR", "/somewhere", 1);
    CHECK_INT(mc_segment_dir(buf, sizeof buf), 0);
    CHECK_STR(buf, "/somewhere");
    unsetenv("MEMCAM_DIR");
    setenv("XDG_RUNTIME_DIR", "/tmp", 1);
    CHECK_INT(mc_segment_dir(buf, sizeof buf), 0);
    CHECK_STR(buf, "/tmp/memcam");
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    CHECK_INT(mc_segment_dir(buf, sizeof buf), 0);
    snprintf(want, sizeof want, "/dev/shm/memcam-%u", geteuid());
    CHECK_STR(buf, want);
    unsetenv("XDG_RUNTIME_DIR");
    CHECK_INT(mc_segment_dir(buf, 5), MC_ENOENT);
}

/* A full file system is an error when something is registered, and never a SIGBUS later. Needs a
 * small tmpfs, so that it runs as root only. */
static void full_file_system(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX", command[128];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(command, sizeof command, "mount -t tmpfs -o size=2m,mode=700 tmpfs %s 2>&1", dir);
    if (geteuid() != 0 || system(command) != 0) {
        printf("skip full_file_system: cannot mount\n");
        rmdir(dir);
        return;
    }
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = dir};
    CHECK(mc_tracer_open("x", &opts) == NULL && errno == ENOSPC);
    opts.ring_events = 1024;
    struct mc_tracer *t = mc_tracer_open("x", &opts);
    CHECK(t != NULL);
    CHECK(mc_slab_register(t, "big", 100, 1000000) == NULL && errno == ENOSPC);
    struct mc_slab *slab = mc_slab_register(t, "small", 100, 1000);
    CHECK(slab != NULL);
    char text[32];
    for (unsigned i = 0; i < 20000; i++) { /* fill it with what is left */
        snprintf(text, sizeof text, "string %u", i);
        mc_string_id(t, text);
        mc_event_accept(t, i + 1, text);
        mc_slot_set(slab, i % 1000, 'A', i, i);
    }
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(text, sizeof text, "histogram %u", i);
        mc_histogram_record(mc_histogram_register(t, text, "ns"), i);
    }
    CHECK(mc_histogram_register(t, "one more", "ns") == NULL && errno == ENOSPC);
    mc_tracer_close(t);
    snprintf(command, sizeof command, "umount %s", dir);
    CHECK_INT(system(command), 0);
    rmdir(dir);
}

int main(void)
{
    RUN(null_objects_do_nothing);
    RUN(bad_names_and_sizes_are_refused);
    RUN(a_child_is_not_its_parent);
    RUN(a_killed_program_is_read_to_the_end);
    RUN(a_closed_tracer_ends_the_run);
    RUN(a_stopped_program_stands_still);
    RUN(dead_segments_are_swept);
    RUN(directories_of_others_are_refused);
    RUN(the_environment_says_where);
    RUN(full_file_system);
    return CHECK_DONE();
}
