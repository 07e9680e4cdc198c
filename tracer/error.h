/* error.h: the one table of error codes, and their texts.
 *
 * A function that can fail returns 0 or one of these negative codes. The exit status of a command
 * follows from the code's class: usage 2, everything else 3.
 */
#ifndef MC_ERROR_H
#define MC_ERROR_H

#define MC_ERRORS(X)                                                                               \
    X(MC_ENOMEM, -1, "out of memory")                                                              \
    X(MC_EINVAL, -2, "invalid argument")                                                           \
    X(MC_EIO, -3, "input or output failed")                                                        \
    X(MC_ENOENT, -4, "no such file")                                                               \
    X(MC_EPERM, -5, "permission denied")                                                           \
    X(MC_ENOSPC, -6, "no space left on the device")                                                \
    X(MC_EBUSY, -7, "already in use")                                                              \
    X(MC_EFORMAT, -8, "not a memcam file, or of another version")                                  \
    X(MC_ECORRUPT, -9, "damaged")                                                                  \
    X(MC_ELIMIT, -10, "a limit was reached")                                                       \
    X(MC_EGONE, -11, "the program is gone")                                                        \
    X(MC_ENORUN, -12, "no such run")                                                               \
    X(MC_ESQL, -13, "the query is wrong")                                                          \
    X(MC_EDENIED, -14, "not allowed")                                                              \
    X(MC_EADDR, -15, "address not usable")                                                         \
    X(MC_EPROTO, -16, "protocol error")

enum mc_error {
#define X(name, value, text) name = value,
    MC_ERRORS(X)
#undef X
};

/* Returned by iterators, not an error: there is nothing more. */
#define MC_END 1

/* The text of a code; "ok" for 0 and "unknown error" for one that is not in the table. Static. */
const char *mc_strerror(int code);

/* The code that stands for an errno value. */
int mc_error_from_errno(int errno_value);

#endif
