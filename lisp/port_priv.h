/* port_priv.h: what reading and writing share of a port.
 *
 * A port's bytes are a buffer: what is still to be read, or what was written. An output file is
 * flushed at each line and at 4 KB; an input file is read 4 KB at a time.
 */
#ifndef SCM_PORT_PRIV_H
#define SCM_PORT_PRIV_H

#include "lisp/prim_priv.h"

#define SCM_PORT_FILE_CHUNK 4096 /* bytes */

struct scm_port {
    int input, binary, open, is_string;
    int fold_case;
    struct mc_buf text; /* what was written, or what is read from */
    size_t at;          /* next byte to read */
    int fd;             /* -1: none */
    int at_end;
    uint32_t line, column;
};
/* A port of file `fd`, or of a string or bytevector when that is -1; SCM_FALSE without memory. */
scm_value scm_make_port(struct scm_vm *vm, int input, int binary, int fd);
/* Flush, close and free it; its cell is gone. */
void scm_port_drop(struct scm_port *port);
/* The port in a value that is one; borrowed. */
struct scm_port *scm_port_of(scm_value v);
/*
 * The port that argument idx names, or the current one; it is open, for input or for output, and
 * textual (binary 0), binary (1) or either (-1). Borrowed; NULL with a condition raised for `who`.
 */
struct scm_port *scm_port_pick(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                               int idx, int input, int binary);
/* Write what an output file's port holds, and forget it. 0, or -1 when not all could be written. */
int scm_port_flush(struct scm_port *port);

#endif
