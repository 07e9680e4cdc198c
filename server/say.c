/* say.c: what the program tells its user on stderr, a line at a time. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/command.h"
#include "tracer/error.h"

#define LINE_BYTES 2048

void mc_say(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    char line[LINE_BYTES * 4 + 16] = "memcam: ";
    size_t count = strlen(line);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f)
            count += (size_t)snprintf(line + count, 5, "\\x%02x", c);
        else
            line[count++] = *at;
    }
    line[count++] = '\n';
    /* One write, so that lines of the recorder and of the app do not mix. */
    for (size_t done = 0; done < count;) {
        ssize_t wrote = write(STDERR_FILENO, line + done, count - done);
        if (wrote < 0 && errno != EINTR)
            return;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* What to do about a failure whose line does not say it. */
static const char *advice(int code)
{
    switch (code) {
    case MC_EFORMAT:
    case MC_EIO:
        return "; name a trace that memcam recorded";
    case MC_ENOENT:
        return "; name a file that is there";
    case MC_EPERM:
        return "; ask its owner, or name another";
    case MC_ECORRUPT:
        return "; memcam check tells where";
    case MC_ESQL:
        return "; memcam query --help tells of the tables";
    case MC_ENOMEM:
        return "; free some memory, and try again";
    default:
        return "";
    }
}

void mc_say_failure(const char *where, int code, const char *why)
{
    if (why[0] == '\0')
        why = mc_strerror(code);
    const char *what_to_do = strchr(why, ';') != NULL ? "" : advice(code);
    if (strstr(why, where) != NULL)
        mc_say("%s%s", why, what_to_do);
    else
        mc_say("%s: %s%s", where, why, what_to_do);
}

void mc_shell_word(const char *word, char *out, size_t out_bytes)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./:,@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        snprintf(out, out_bytes, "%s", word);
        return;
    }
    size_t count = 0;
    if (out_bytes > 2)
        out[count++] = '\'';
    for (; *word != '\0' && count + 6 < out_bytes; word++) {
        if (*word == '\'')
            count += (size_t)snprintf(out + count, out_bytes - count, "'\\''");
        else
            out[count++] = *word;
    }
    snprintf(out + count, out_bytes - count, "'");
}

int mc_stdout_finish(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return MC_EXIT_DONE;
    mc_say("stdout: %s; what was printed is not complete", strerror(errno));
    return MC_EXIT_FAILED;
}
