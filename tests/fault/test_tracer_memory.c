/* test_tracer_memory.c: the 1st, 2nd, 3rd… allocation of the sampler, and of a tracer, fails.
 *
 * Takes the place of libc's allocator, and so can't run under a sanitizer that does the same.
 */
#include <errno.h>

#include "tests/unit/check.h"
#include "tests/unit/tracer_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

int main(void)
{
    return 77;
}

#else

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *old);

static long until_failure = -1; /* allocations that still succeed; -1: all */
static long held;               /* blocks not freed */

static int fails(void)
{
    if (until_failure > 0)
        until_failure--;
    else if (until_failure == 0)
        return errno = ENOMEM, 1;
    return 0;
}

static void *counted(void *block)
{
    held += block != NULL;
    return block;
}

/* libc's own calls come here too. */
#pragma GCC visibility push(default)

void *malloc(size_t bytes)
{
    return fails() ? NULL : counted(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(__libc_calloc(count, bytes));
}

void *realloc(void *old, size_t bytes)
{
    if (fails())
        return NULL;
    held += old == NULL;
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, bytes));
}

void free(void *old)
{
    held -= old != NULL;
    __libc_free(old);
}

#pragma GCC visibility pop

static void use(struct mc_tracer *t)
{
    struct mc_slab *slab = mc_slab_register(t, "bufs", 100, 3000);
    struct mc_histogram *histogram = mc_histogram_register(t, "latency", "ns");
    uint32_t owner = mc_string_id(t, "app");
    mc_slab_state_name(slab, 'x', "something");
    mc_counter_add(mc_counter_register(t, "counter", "count"), 10);
    for (uint32_t i = 0; i < 900; i++) {
        struct mc_response r = {owner, owner, 200, 1, 2, i * 1000, 4};
        char peer[24];
        snprintf(peer, sizeof peer, "10.0.0.%u:1", i % 250);
        mc_slot_set(slab, i * 3, MC_SLOT_ACTIVE, owner, i);
        mc_histogram_record(histogram, i * i);
        mc_event_accept_on(t, i + 1, owner, peer);
        mc_event_response(t, i + 1, 1, &r);
    }
}

static void the_sampler_says_so(void)
{
    struct fixture f;
    int went_well = 0;
    CHECK(fixture_open(&f, NULL) == 0);
    use(f.tracer);
    for (long n = 0; n < 3000 && !went_well; n++) {
        struct mc_sampler *s = NULL;
        const struct mc_frame *frame;
        char why[256] = "";
        long held_before = held;
        until_failure = n;
        int code = mc_sampler_open(f.path, NULL, &s, why, sizeof why);
        CHECK(code == 0 || (code == MC_ENOMEM && *why));
        if (!code) {
            code = mc_sampler_tick(s, 0, &frame);
            CHECK(code == 0 || (code == MC_ENOMEM && *mc_sampler_why(s)));
            int again = mc_sampler_tick(s, 0, &frame);
            CHECK(code ? again == code : again == 0 || again == MC_ENOMEM);
            went_well = !code && !again && until_failure > 0;
        }
        mc_sampler_close(s);
        until_failure = -1;
        CHECK_INT(held, held_before);
    }
    CHECK(went_well);
    fixture_close(&f);
}

/* The program goes on with what there is, or without a tracer. */
static void the_program_does_not_notice(void)
{
    char dir[] = "/tmp/memcam-test-XXXXXX";
    struct mc_options opts = {.struct_bytes = sizeof opts, .dir = dir};
    int went_well = 0;
    CHECK(mkdtemp(dir) != NULL);
    mc_tracer_close(mc_tracer_open("first", &opts)); /* its rings are kept for the next */
    for (long n = 0; n < 3000 && !went_well; n++) {
        long held_before = held;
        until_failure = n;
        struct mc_tracer *t = mc_tracer_open("x", &opts);
        CHECK(t || errno == ENOMEM);
        use(t);
        went_well = t && mc_tracer_dropped(t) == 0 && until_failure > 0;
        mc_tracer_close(t);
        until_failure = -1;
        CHECK_INT(held, held_before);
    }
    CHECK(went_well);
    fixture_remove_dir(dir);
}

int main(void)
{
    RUN(the_sampler_says_so);
    RUN(the_program_does_not_notice);
    return CHECK_DONE();
}

#endif
