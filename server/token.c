/* token.c: see token.h. */
#include "server/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/command.h"
#include "tracer/error.h"

#define RANDOM_BYTES 32
#define TOKEN_BYTES_MIN 16

static int token_make(const char *path, char token[MC_TOKEN_BYTES])
{
    uint8_t random[RANDOM_BYTES];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return MC_EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(token + 2 * i, 3, "%02x", random[i]);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? MC_EBUSY : mc_error_from_errno(errno);
    char line[MC_TOKEN_BYTES + 1];
    int bytes = snprintf(line, sizeof(line), "%s\n", token);
    int ok = write(fd, line, (size_t)bytes) == bytes;
    ok &= close(fd) == 0;
    if (ok)
        return 0;
    unlink(path);
    return MC_EIO;
}

static int token_read(int fd, const char *path, char token[MC_TOKEN_BYTES])
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        mc_say("token file %s: not a regular file; give another --token-file", path);
        return MC_EINVAL;
    }
    if ((st.st_mode & 077) != 0) {
        mc_say("token file %s: others may read it; chmod 600 %s", path, path);
        return MC_EDENIED;
    }
    char text[MC_TOKEN_BYTES + 2];
    ssize_t count = read(fd, text, sizeof(text) - 1);
    text[count > 0 ? count : 0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\";,\\", text[i]) != NULL)
            bytes = 0;
    if (bytes < TOKEN_BYTES_MIN || bytes >= MC_TOKEN_BYTES) {
        mc_say("token file %s: want one line of %d to %d letters and digits; remove it to have one "
               "made",
               path, TOKEN_BYTES_MIN, MC_TOKEN_BYTES - 1);
        return MC_EINVAL;
    }
    memcpy(token, text, bytes + 1);
    return 0;
}

int mc_token_load(const struct mc_settings *s, char token[MC_TOKEN_BYTES])
{
    char made_up[512];
    const char *path = s->token_file;
    token[0] = '\0';
    if (path == NULL) {
        int is_open = (s->listen[0] != '\0' && !mc_address_is_loopback(s->listen)) ||
                      (s->dash[0] != '\0' && !mc_address_is_loopback(s->dash));
        if (!s->tls || !is_open)
            return 0;
        snprintf(made_up, sizeof(made_up), "%s.token", s->store != NULL ? s->store : "memcam");
        path = made_up;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int rc = token_make(path, token);
        if (rc == 0) {
            mc_say(
                "made a token in %s; open the dashboard with ?token= and that behind its address",
                path);
            return 0;
        }
        if (rc != MC_EBUSY) { /* busy: another process has just made it */
            mc_say("token file %s: %s; give another --token-file", path, mc_strerror(rc));
            return rc;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        int rc = mc_error_from_errno(errno);
        mc_say("token file %s: %s; give another --token-file", path, mc_strerror(rc));
        return rc;
    }
    int rc = token_read(fd, path, token);
    close(fd);
    if (rc == 0 && s->ready_fd == 0)
        mc_say("the token is in %s; open the dashboard with ?token= and that behind its address",
               path);
    return rc;
}
