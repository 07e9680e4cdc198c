/* prim_port.c: ports: strings, bytevectors, files; opening and closing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lisp/port_priv.h"

scm_value scm_make_port(struct scm_vm *vm, int input, int binary, int fd)
{
    struct scm_port *port = calloc(1, sizeof *port);
    if (!port)
        return scm_no_memory(vm, sizeof *port);
    *port = (struct scm_port){.input = input, .binary = binary, .open = 1, .fd = fd};
    port->is_string = fd < 0;
    port->line = port->column = 1;
    struct scm_cell *cell = scm_alloc(vm, SCM_T_PORT);
    if (!cell) {
        free(port);
        return SCM_FALSE;
    }
    cell->a = (scm_value)(uintptr_t)port;
    return scm_from_cell(cell);
}

int scm_port_flush(struct scm_port *port)
{
    size_t at = 0;
    while (at < port->text.count) {
        ssize_t count = write(port->fd, port->text.bytes + at, port->text.count - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        at += (size_t)count;
    }
    int short_by = at < port->text.count;
    port->text.count = 0;
    return short_by ? -1 : 0;
}

void scm_port_drop(struct scm_port *port)
{
    if (port->open && port->fd >= 0) {
        if (!port->input)
            scm_port_flush(port);
        if (port->fd > 2)
            close(port->fd);
    }
    mc_buf_fini(&port->text);
    free(port);
}

struct scm_port *scm_port_of(scm_value v)
{
    return scm_ptr(scm_cell(v)->a);
}

static scm_value current(struct scm_vm *vm, scm_value param)
{
    for (scm_value at = vm->params; scm_is_pair(at); at = scm_cdr(at)) {
        if (scm_car(scm_car(at)) == param)
            return scm_cdr(scm_car(at));
    }
    return scm_cell(param)->a;
}

struct scm_port *scm_port_pick(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                               int idx, int input, int binary)
{
    scm_value v = idx < argc ? argv[idx] : current(vm, input ? vm->in_port : vm->out_port);
    const char *want = input ? (binary ? "a binary input port" : "a textual input port")
                             : (binary ? "a binary output port" : "a textual output port");
    if (!scm_is(v, SCM_T_PORT) || scm_port_of(v)->input != input ||
        (binary >= 0 && scm_port_of(v)->binary != binary)) {
        scm_wrong(vm, who, want, v);
        return NULL;
    }
    if (!scm_port_of(v)->open) {
        scm_fail(vm, "%s: the port is closed", who);
        return NULL;
    }
    return scm_port_of(v);
}

/* ---- opening and closing -------------------------------------------------------------------- */

SCM_PRIM(p_open_input_string)
{
    size_t count;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "open-input-string", "a string", argv[0]);
    scm_value v = scm_make_port(vm, 1, 0, -1);
    const char *text = scm_text(argv[0], &count);
    mc_buf_add(&scm_port_of(v)->text, text, count);
    return scm_port_of(v)->text.failed ? scm_no_memory(vm, count) : v;
}
SCM_PRIM(p_open_input_bytevector)
{
    size_t count;
    if (!scm_is_bytevector(argv[0]))
        return scm_wrong(vm, "open-input-bytevector", "a bytevector", argv[0]);
    scm_value v = scm_make_port(vm, 1, 1, -1);
    const uint8_t *bytes = scm_bytes(argv[0], &count);
    mc_buf_add(&scm_port_of(v)->text, bytes, count);
    return scm_port_of(v)->text.failed ? scm_no_memory(vm, count) : v;
}
SCM_PRIM(p_open_output_string)
{
    return scm_make_port(vm, 0, 0, -1);
}
SCM_PRIM(p_open_output_bytevector)
{
    return scm_make_port(vm, 0, 1, -1);
}
static scm_value written(struct scm_vm *vm, const char *who, scm_value v, int binary)
{
    if (!scm_is(v, SCM_T_PORT) || scm_port_of(v)->input || !scm_port_of(v)->is_string ||
        scm_port_of(v)->binary != binary)
        return scm_wrong(vm, who, binary ? "a bytevector output port" : "a string output port", v);
    const struct mc_buf *text = &scm_port_of(v)->text;
    return binary ? scm_bytevector(vm, text->bytes, text->count)
                  : scm_string(vm, text->count ? (const char *)text->bytes : "", text->count);
}
SCM_PRIM(p_get_output_string)
{
    return written(vm, "get-output-string", argv[0], 0);
}
SCM_PRIM(p_get_output_bytevector)
{
    return written(vm, "get-output-bytevector", argv[0], 1);
}
/* (%open path input? binary?) */
SCM_PRIM(p_open)
{
    char path[4096];
    size_t count;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "open", "a file's name", argv[0]);
    const char *text = scm_text(argv[0], &count);
    if (count >= sizeof path || memchr(text, 0, count))
        return scm_wrong(vm, "open", "a file's name", argv[0]);
    memcpy(path, text, count);
    path[count] = 0;
    int input = argv[1] != SCM_FALSE;
    int fd = open(path, (input ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC) | O_CLOEXEC, 0666);
    if (fd < 0)
        return scm_fail_kind(vm, "file", "cannot open %.300s: %s", path,
                             mc_strerror(mc_error_from_errno(errno)));
    return scm_make_port(vm, input, argv[2] != SCM_FALSE, fd);
}
static scm_value close_port(struct scm_vm *vm, const char *who, scm_value v, int need_input)
{
    if (!scm_is(v, SCM_T_PORT) || (need_input >= 0 && scm_port_of(v)->input != need_input))
        return scm_wrong(vm, who, "a port", v);
    struct scm_port *port = scm_port_of(v);
    if (!port->open)
        return SCM_VOID;
    int failed = port->fd >= 0 && !port->input && scm_port_flush(port);
    if (port->fd > 2)
        close(port->fd);
    port->open = 0;
    return failed ? scm_fail_kind(vm, "file", "%s: the file cannot be written", who) : SCM_VOID;
}
SCM_PRIM(p_close)
{
    return close_port(vm, "close-port", argv[0], -1);
}
SCM_PRIM(p_close_input)
{
    return close_port(vm, "close-input-port", argv[0], 1);
}
SCM_PRIM(p_close_output)
{
    return close_port(vm, "close-output-port", argv[0], 0);
}

/* ---- predicates ----------------------------------------------------------------------------- */

SCM_PRIM(p_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT));
}
SCM_PRIM(p_input_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && scm_port_of(argv[0])->input);
}
SCM_PRIM(p_output_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && !scm_port_of(argv[0])->input);
}
SCM_PRIM(p_textual_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && !scm_port_of(argv[0])->binary);
}
SCM_PRIM(p_binary_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && scm_port_of(argv[0])->binary);
}
SCM_PRIM(p_input_open)
{
    if (!scm_is(argv[0], SCM_T_PORT) || !scm_port_of(argv[0])->input)
        return scm_wrong(vm, "input-port-open?", "an input port", argv[0]);
    return scm_bool(scm_port_of(argv[0])->open);
}
SCM_PRIM(p_output_open)
{
    if (!scm_is(argv[0], SCM_T_PORT) || scm_port_of(argv[0])->input)
        return scm_wrong(vm, "output-port-open?", "an output port", argv[0]);
    return scm_bool(scm_port_of(argv[0])->open);
}
SCM_PRIM(p_eof_object)
{
    return SCM_EOF;
}
SCM_PRIM(p_eof_objectp)
{
    return scm_bool(argv[0] == SCM_EOF);
}

const struct scm_prim_def scm_prims_port[] = {
    {"open-input-string", p_open_input_string, 1, 1, 0, 0},
    {"open-input-bytevector", p_open_input_bytevector, 1, 1, 0, 0},
    {"open-output-string", p_open_output_string, 0, 0, 0, 0},
    {"open-output-bytevector", p_open_output_bytevector, 0, 0, 0, 0},
    {"get-output-string", p_get_output_string, 1, 1, 0, 0},
    {"get-output-bytevector", p_get_output_bytevector, 1, 1, 0, 0},
    {"%open", p_open, 3, 3, 0, 0},
    {"close-port", p_close, 1, 1, 0, 0},
    {"close-input-port", p_close_input, 1, 1, 0, 0},
    {"close-output-port", p_close_output, 1, 1, 0, 0},
    {"port?", p_portp, 1, 1, 0, 0},
    {"input-port?", p_input_portp, 1, 1, 0, 0},
    {"output-port?", p_output_portp, 1, 1, 0, 0},
    {"textual-port?", p_textual_portp, 1, 1, 0, 0},
    {"binary-port?", p_binary_portp, 1, 1, 0, 0},
    {"input-port-open?", p_input_open, 1, 1, 0, 0},
    {"output-port-open?", p_output_open, 1, 1, 0, 0},
    {"eof-object", p_eof_object, 0, 0, 0, 0},
    {"eof-object?", p_eof_objectp, 1, 1, 0, 0},
    {NULL, NULL, 0, 0, 0, 0},
};
