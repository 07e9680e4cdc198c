/* error.c: texts of the error codes, and codes for errno values. */
#include "tracer/error.h"

#include <errno.h>

const char *mc_strerror(int code)
{
    switch (code) {
    case 0:
        return "ok";
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        MC_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

int mc_error_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return 0;
    case ENOMEM:
        return MC_ENOMEM;
    case EINVAL:
        return MC_EINVAL;
    case ENOENT:
    case ENOTDIR:
        return MC_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return MC_EPERM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return MC_ENOSPC;
    case EBUSY:
    case EAGAIN:
        return MC_EBUSY;
    case ESRCH:
        return MC_EGONE;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
        return MC_EADDR;
    default:
        return MC_EIO;
    }
}
