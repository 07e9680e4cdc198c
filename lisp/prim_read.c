/* prim_read.c: reading from ports. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lisp/port_priv.h"

/* Have at least `want` unread bytes, or all there are. */
static size_t fill(struct scm_port *port, size_t want)
{
    while (port->fd >= 0 && !port->at_end && port->text.count - port->at < want) {
        if (port->at > 0) {
            memmove(port->text.bytes, port->text.bytes + port->at, port->text.count - port->at);
            port->text.count -= port->at;
            port->at = 0;
        }
        uint8_t *to = mc_buf_reserve(&port->text, SCM_PORT_FILE_CHUNK);
        ssize_t count = to ? read(port->fd, to, SCM_PORT_FILE_CHUNK) : -1;
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
    struct scm_port *port = scm_port_pick(vm, "read-char", argc, argv, 0, 1, 0);
    return port ? next_char(port, 1) : SCM_FAILED;
}
SCM_PRIM(p_peek_char)
{
    struct scm_port *port = scm_port_pick(vm, "peek-char", argc, argv, 0, 1, 0);
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
    return is_ready(scm_port_pick(vm, "char-ready?", argc, argv, 0, 1, 0));
}
SCM_PRIM(p_u8_ready)
{
    return is_ready(scm_port_pick(vm, "u8-ready?", argc, argv, 0, 1, 1));
}
SCM_PRIM(p_read_line)
{
    struct scm_port *port = scm_port_pick(vm, "read-line", argc, argv, 0, 1, 0);
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
    struct scm_port *port = scm_port_pick(vm, "read-string", argc, argv, 1, 1, 0);
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
    return next_byte(scm_port_pick(vm, "read-u8", argc, argv, 0, 1, 1), 1);
}
SCM_PRIM(p_peek_u8)
{
    return next_byte(scm_port_pick(vm, "peek-u8", argc, argv, 0, 1, 1), 0);
}
SCM_PRIM(p_read_bytevector)
{
    struct scm_port *port = scm_port_pick(vm, "read-bytevector", argc, argv, 1, 1, 1);
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
    struct scm_port *port = scm_port_pick(vm, "read-bytevector!", argc, argv, 1, 1, 1);
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
    struct scm_port *port = scm_port_pick(vm, "read", argc, argv, 0, 1, 0);
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

const struct scm_prim_def scm_prims_read[] = {
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
    {NULL, NULL, 0, 0, 0, 0},
};
