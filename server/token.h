/* token.h: the token that a request must bring, kept in a file that only the user can read. */
#ifndef MC_TOKEN_H
#define MC_TOKEN_H

#include "server/options.h"

#define MC_TOKEN_BYTES 129

/* Fill `token` with the one to demand, or with "" when none is: the one in --token-file, else,
 * where an address is not loopback and TLS is on, the one in STORE.token. A file that does not
 * exist is made (mode 0600, 256 random bits) and told of on stderr. 0, or a negative code with one
 * line on stderr: also for a file that others can read. */
int mc_token_load(const struct mc_settings *settings, char token[MC_TOKEN_BYTES]);

#endif
