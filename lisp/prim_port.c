/* prim_port.c: ports: strings, bytevectors, files; reading and writing.
 *
 * A port's bytes are a buffer: what is still to be read, or what was written. An output file is
 * flushed at each line and at 4 KB; an input file is read 4 KB at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "lisp/scm_priv.h"

#define FILE_CHUNK 4096

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

static int flush(struct scm_port *port)
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
            flush(port);
        if (port->fd > 2)
            close(port->fd);
    }
    mc_buf_fini(&port->text);
    free(port);
}

static struct scm_port *port_of(scm_value v)
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

/* The port that argument idx names, or the current one. NULL with a condition. */
static struct scm_port *pick(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                             int idx, int input, int binary)
{
    scm_value v = idx < argc ? argv[idx] : current(vm, input ? vm->in_port : vm->out_port);
    const char *want = input ? (binary ? "a binary input port" : "a textual input port")
                             : (binary ? "a binary output port" : "a textual output port");
    if (!scm_is(v, SCM_T_PORT) || port_of(v)->input != input ||
        (binary >= 0 && port_of(v)->binary != binary)) {
        scm_wrong(vm, who, want, v);
        return NULL;
    }
    if (!port_of(v)->open) {
        scm_fail(vm, "%s: the port is closed", who);
        return NULL;
    }
    return port_of(v);
}

/* ---- writing -------------------------------------------------------------------------------- */

static scm_value put(struct scm_vm *vm, const char *who, struct scm_port *port, const void *bytes,
                     size_t count)
{
    if (port->text.count + count > vm->payload_limit_bytes)
        return scm_no_memory(vm, count);
    mc_buf_add(&port->text, bytes, count);
    if (port->text.failed)
        return scm_no_memory(vm, count);
    int at_line = port->fd >= 0 && count && memrchr(bytes, '\n', count);
    if (port->fd >= 0 && (at_line || port->text.count >= FILE_CHUNK) && flush(port))
        return scm_fail_kind(vm, "file", "%s: the file cannot be written", who);
    return SCM_VOID;
}
static scm_value print(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                       int display, int simple)
{
    struct scm_port *port = pick(vm, who, argc, argv, 1, 0, 0);
    struct mc_buf text = {0};
    if (!port)
        return SCM_FAILED;
    if (port->is_string) { /* straight into its buffer */
        scm_print_to(vm, argv[0], display, simple, &port->text);
        return port->text.failed ? scm_no_memory(vm, port->text.count) : SCM_VOID;
    }
    scm_print_to(vm, argv[0], display, simple, &text);
    scm_value v = put(vm, who, port, text.bytes, text.count);
    mc_buf_fini(&text);
    return v;
}
SCM_PRIM(p_write)
{
    return print(vm, "write", argc, argv, 0, 0);
}
SCM_PRIM(p_display)
{
    return print(vm, "display", argc, argv, 1, 0);
}
SCM_PRIM(p_write_shared)
{
    return print(vm, "write-shared", argc, argv, 0, 2);
}
SCM_PRIM(p_write_simple)
{
    return print(vm, "write-simple", argc, argv, 0, 1);
}
SCM_PRIM(p_newline)
{
    struct scm_port *port = pick(vm, "newline", argc, argv, 0, 0, 0);
    return port ? put(vm, "newline", port, "\n", 1) : SCM_FAILED;
}
SCM_PRIM(p_write_char)
{
    struct scm_port *port = pick(vm, "write-char", argc, argv, 1, 0, 0);
    char utf8[4];
    if (!port)
        return SCM_FAILED;
    if (!scm_is_char(argv[0]))
        return scm_wrong(vm, "write-char", "a character", argv[0]);
    return put(vm, "write-char", port, utf8, (size_t)scm_utf8_put(utf8, scm_char_get(argv[0])));
}
SCM_PRIM(p_write_string)
{
    struct scm_port *port = pick(vm, "write-string", argc, argv, 1, 0, 0);
    size_t from, to;
    if (!port)
        return SCM_FAILED;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "write-string", "a string", argv[0]);
    if (scm_range(vm, "write-string", argc - 2, argv + 2, (size_t)scm_cell(argv[0])->c, &from, &to))
        return SCM_FAILED;
    size_t start = scm_text_offset(argv[0], from), end = scm_text_offset(argv[0], to);
    return put(vm, "write-string", port, scm_text_of(argv[0])->bytes + start, end - start);
}
SCM_PRIM(p_write_u8)
{
    struct scm_port *port = pick(vm, "write-u8", argc, argv, 1, 0, 1);
    if (!port)
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[0]) || (uint64_t)scm_fixnum_get(argv[0]) > 255)
        return scm_wrong(vm, "write-u8", "a byte", argv[0]);
    uint8_t byte = (uint8_t)scm_fixnum_get(argv[0]);
    return put(vm, "write-u8", port, &byte, 1);
}
SCM_PRIM(p_write_bytevector)
{
    struct scm_port *port = pick(vm, "write-bytevector", argc, argv, 1, 0, 1);
    size_t from, to, count;
    if (!port)
        return SCM_FAILED;
    if (!scm_is_bytevector(argv[0]))
        return scm_wrong(vm, "write-bytevector", "a bytevector", argv[0]);
    const uint8_t *bytes = scm_bytes(argv[0], &count);
    if (scm_range(vm, "write-bytevector", argc - 2, argv + 2, count, &from, &to))
        return SCM_FAILED;
    return put(vm, "write-bytevector", port, bytes + from, to - from);
}
SCM_PRIM(p_flush)
{
    struct scm_port *port = pick(vm, "flush-output-port", argc, argv, 0, 0, -1);
    if (!port)
        return SCM_FAILED;
    if (port->fd >= 0 && flush(port))
        return scm_fail_kind(vm, "file", "flush-output-port: the file cannot be written");
    return SCM_VOID;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Have at least `want` unread bytes, or all there are. */
static size_t fill(struct scm_port *port, size_t want)
{
    while (port->fd >= 0 && !port->at_end && port->text.count - port->at < want) {
        if (port->at > 0) {
            memmove(port->text.bytes, port->text.bytes + port->at, port->text.count - port->at);
            port->text.count -= port->at;
            port->at = 0;
        }
        uint8_t *to = mc_buf_reserve(&port->text, FILE_CHUNK);
        ssize_t count = to ? read(port->fd, to, FILE_CHUNK) : -1;
        if (count < 0 && to && errno == EINTR)
            continue;
        if (count <= 0)
            port->at_end = 1;
        else
            port->text.count += (size_t)count;
    }
    return port->text.count - port->at;
}
static scm_value next_char(struct scm_port *port, int take)
{
    uint32_t cp;
    size_t there = fill(port, 4);
    if (there == 0)
        return SCM_EOF;
    int width = scm_utf8_get((const char *)port->text.bytes + port->at, there, &cp);
    if (take)
        port->at += (size_t)width;
    return scm_char(cp);
}
SCM_PRIM(p_read_char)
{
    struct scm_port *port = pick(vm, "read-char", argc, argv, 0, 1, 0);
    return port ? next_char(port, 1) : SCM_FAILED;
}
SCM_PRIM(p_peek_char)
{
    struct scm_port *port = pick(vm, "peek-char", argc, argv, 0, 1, 0);
    return port ? next_char(port, 0) : SCM_FAILED;
}
static scm_value is_ready(struct scm_port *port)
{
    if (!port)
        return SCM_FAILED;
    struct pollfd p = {.fd = port->fd, .events = POLLIN};
    return scm_bool(port->fd < 0 || port->at < port->text.count || port->at_end ||
                    poll(&p, 1, 0) > 0);
}
SCM_PRIM(p_char_ready)
{
    return is_ready(pick(vm, "char-ready?", argc, argv, 0, 1, 0));
}
SCM_PRIM(p_u8_ready)
{
    return is_ready(pick(vm, "u8-ready?", argc, argv, 0, 1, 1));
}
SCM_PRIM(p_read_line)
{
    struct scm_port *port = pick(vm, "read-line", argc, argv, 0, 1, 0);
    if (!port)
        return SCM_FAILED;
    size_t there = fill(port, 1), want = 1;
    if (there == 0)
        return SCM_EOF;
    const uint8_t *end;
    while (!(end = memchr(port->text.bytes + port->at, '\n', there)) && there >= want) {
        want = there + 1;
        there = fill(port, want);
    }
    const char *start = (const char *)port->text.bytes + port->at;
    size_t count = end ? (size_t)((const char *)end - start) : there;
    port->at += count + (end != NULL);
    if (end && count && start[count - 1] == '\r')
        count--;
    return scm_string(vm, start, count);
}
SCM_PRIM(p_read_string)
{
    struct scm_port *port = pick(vm, "read-string", argc, argv, 1, 1, 0);
    int64_t want = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    if (!port)
        return SCM_FAILED;
    if (want < 0)
        return scm_wrong(vm, "read-string", "a count", argv[0]);
    if (want == 0)
        return scm_string(vm, "", 0);
    if (want > (int64_t)vm->payload_limit_bytes / 4)
        want = (int64_t)vm->payload_limit_bytes / 4;
    size_t there = fill(port, (size_t)want * (port->fd >= 0 ? 4 : 1)), end = 0;
    if (there == 0)
        return SCM_EOF;
    const char *start = (const char *)port->text.bytes + port->at;
    for (; want > 0 && end < there; want--) {
        uint32_t cp;
        end += (size_t)scm_utf8_get(start + end, there - end, &cp);
    }
    port->at += end;
    return scm_string(vm, start, end);
}
static scm_value next_byte(struct scm_port *port, size_t take)
{
    if (!port)
        return SCM_FAILED;
    if (fill(port, 1) == 0)
        return SCM_EOF;
    uint8_t byte = port->text.bytes[port->at];
    port->at += take;
    return scm_fixnum(byte);
}
SCM_PRIM(p_read_u8)
{
    return next_byte(pick(vm, "read-u8", argc, argv, 0, 1, 1), 1);
}
SCM_PRIM(p_peek_u8)
{
    return next_byte(pick(vm, "peek-u8", argc, argv, 0, 1, 1), 0);
}
SCM_PRIM(p_read_bytevector)
{
    struct scm_port *port = pick(vm, "read-bytevector", argc, argv, 1, 1, 1);
    int64_t want = scm_is_fixnum(argv[0]) ? scm_fixnum_get(argv[0]) : -1;
    if (!port)
        return SCM_FAILED;
    if (want < 0)
        return scm_wrong(vm, "read-bytevector", "a count", argv[0]);
    size_t there = fill(port, (size_t)want);
    if (there == 0 && want > 0)
        return SCM_EOF;
    size_t count = there < (size_t)want ? there : (size_t)want;
    scm_value v = scm_bytevector(vm, port->text.bytes + port->at, count);
    port->at += count;
    return v;
}
SCM_PRIM(p_read_bytevector_into)
{
    struct scm_port *port = pick(vm, "read-bytevector!", argc, argv, 1, 1, 1);
    size_t from, to;
    if (!port)
        return SCM_FAILED;
    if (!scm_is_bytevector(argv[0]))
        return scm_wrong(vm, "read-bytevector!", "a bytevector", argv[0]);
    if (scm_range(vm, "read-bytevector!", argc - 2, argv + 2, (size_t)scm_cell(argv[0])->b, &from,
                  &to))
        return SCM_FAILED;
    size_t there = fill(port, to - from);
    if (there == 0 && to > from)
        return SCM_EOF;
    size_t count = there < to - from ? there : to - from;
    if (count)
        memcpy((uint8_t *)scm_ptr(scm_cell(argv[0])->a) + from, port->text.bytes + port->at, count);
    port->at += count;
    return scm_fixnum((int64_t)count);
}

/* The next datum. A file or pipe is read to its end first: data may span any number of chunks. */
SCM_PRIM(p_read)
{
    struct scm_port *port = pick(vm, "read", argc, argv, 0, 1, 0);
    struct scm_reader reader;
    struct scm_error err;
    scm_value v;
    if (!port)
        return SCM_FAILED;
    size_t there = fill(port, vm->payload_limit_bytes);
    const char *start = there ? (const char *)port->text.bytes + port->at : "";
    scm_reader_init(&reader, vm, "port", start, there, &err);
    reader.fold_case = port->fold_case;
    reader.line = port->line;
    reader.column = port->column;
    int code = scm_read(&reader, &v, NULL);
    port->at += (size_t)(reader.at - start);
    port->fold_case = reader.fold_case;
    port->line = reader.line;
    port->column = reader.column;
    if (code)
        return scm_fail_kind(vm, "read", "read: %s (%s)", err.message, err.where);
    return v;
}

/* ---- opening and closing -------------------------------------------------------------------- */

SCM_PRIM(p_open_input_string)
{
    size_t count;
    if (!scm_is_string(argv[0]))
        return scm_wrong(vm, "open-input-string", "a string", argv[0]);
    scm_value v = scm_make_port(vm, 1, 0, -1);
    const char *text = scm_text(argv[0], &count);
    mc_buf_add(&port_of(v)->text, text, count);
    return port_of(v)->text.failed ? scm_no_memory(vm, count) : v;
}
SCM_PRIM(p_open_input_bytevector)
{
    size_t count;
    if (!scm_is_bytevector(argv[0]))
        return scm_wrong(vm, "open-input-bytevector", "a bytevector", argv[0]);
    scm_value v = scm_make_port(vm, 1, 1, -1);
    const uint8_t *bytes = scm_bytes(argv[0], &count);
    mc_buf_add(&port_of(v)->text, bytes, count);
    return port_of(v)->text.failed ? scm_no_memory(vm, count) : v;
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
    if (!scm_is(v, SCM_T_PORT) || port_of(v)->input || !port_of(v)->is_string ||
        port_of(v)->binary != binary)
        return scm_wrong(vm, who, binary ? "a bytevector output port" : "a string output port", v);
    const struct mc_buf *text = &port_of(v)->text;
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
    if (!scm_is(v, SCM_T_PORT) || (need_input >= 0 && port_of(v)->input != need_input))
        return scm_wrong(vm, who, "a port", v);
    struct scm_port *port = port_of(v);
    if (!port->open)
        return SCM_VOID;
    int failed = port->fd >= 0 && !port->input && flush(port);
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
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && port_of(argv[0])->input);
}
SCM_PRIM(p_output_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && !port_of(argv[0])->input);
}
SCM_PRIM(p_textual_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && !port_of(argv[0])->binary);
}
SCM_PRIM(p_binary_portp)
{
    return scm_bool(scm_is(argv[0], SCM_T_PORT) && port_of(argv[0])->binary);
}
SCM_PRIM(p_input_open)
{
    if (!scm_is(argv[0], SCM_T_PORT) || !port_of(argv[0])->input)
        return scm_wrong(vm, "input-port-open?", "an input port", argv[0]);
    return scm_bool(port_of(argv[0])->open);
}
SCM_PRIM(p_output_open)
{
    if (!scm_is(argv[0], SCM_T_PORT) || port_of(argv[0])->input)
        return scm_wrong(vm, "output-port-open?", "an output port", argv[0]);
    return scm_bool(port_of(argv[0])->open);
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
    {"write", p_write, 1, 2, 0, 0},
    {"display", p_display, 1, 2, 0, 0},
    {"write-shared", p_write_shared, 1, 2, 0, 0},
    {"write-simple", p_write_simple, 1, 2, 0, 0},
    {"newline", p_newline, 0, 1, 0, 0},
    {"write-char", p_write_char, 1, 2, 0, 0},
    {"write-string", p_write_string, 1, 4, 0, 0},
    {"write-u8", p_write_u8, 1, 2, 0, 0},
    {"write-bytevector", p_write_bytevector, 1, 4, 0, 0},
    {"flush-output-port", p_flush, 0, 1, 0, 0},
    {"read-char", p_read_char, 0, 1, 0, 0},
    {"peek-char", p_peek_char, 0, 1, 0, 0},
    {"char-ready?", p_char_ready, 0, 1, 0, 0},
    {"u8-ready?", p_u8_ready, 0, 1, 0, 0},
    {"read-line", p_read_line, 0, 1, 0, 0},
    {"read-string", p_read_string, 1, 2, 0, 0},
    {"read-u8", p_read_u8, 0, 1, 0, 0},
    {"peek-u8", p_peek_u8, 0, 1, 0, 0},
    {"read-bytevector", p_read_bytevector, 1, 2, 0, 0},
    {"read-bytevector!", p_read_bytevector_into, 1, 4, 0, 0},
    {"read", p_read, 0, 1, 0, 0},
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
