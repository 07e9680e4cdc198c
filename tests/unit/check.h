/* check.h: what a unit test needs: CHECK, and a list of cases that main runs.
 *
 * A failed CHECK prints where and what, and the program goes on to exit 1 at the end.
 */
#ifndef MC_TEST_CHECK_H
#define MC_TEST_CHECK_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
        }                                                                                          \
    } while (0)

/* Compare integers and show both. */
#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        long long check_got = (long long)(got), check_want = (long long)(want);                    \
        if (check_got != check_want) {                                                             \
            check_failures++;                                                                      \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, check_got,  \
                    check_want);                                                                   \
        }                                                                                          \
    } while (0)

#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        const char *check_got = (got), *check_want = (want);                                       \
        if (!check_got || strcmp(check_got, check_want) != 0) {                                    \
            check_failures++;                                                                      \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,         \
                    check_got ? check_got : "(null)", check_want);                                 \
        }                                                                                          \
    } while (0)

/* On a terminal, how far a long case is; call it before each of its rounds and after the last. */
static inline void check_progress(int done, int rounds)
{
    if (rounds < 500 || !isatty(STDERR_FILENO) || (done % (rounds / 100) && done < rounds))
        return;
    fprintf(stderr, done < rounds ? "\r%d of %d" : "\r\033[K", done, rounds);
}

/* Run a case and say how it went; end main with `return CHECK_DONE();` */
#define RUN(test)                                                                                  \
    do {                                                                                           \
        int check_before = check_failures;                                                         \
        test();                                                                                    \
        printf("%s %s\n", check_failures == check_before ? "ok  " : "FAIL", #test);                \
    } while (0)
#define CHECK_DONE() (printf("%d failed checks\n", check_failures), check_failures ? 1 : 0)

#endif
