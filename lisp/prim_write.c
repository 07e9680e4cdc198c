/* prim_write.c: writing to ports. */
#include "lisp/port_priv.h"

static scm_value put(struct scm_vm *vm, const char *who, struct scm_port *port, const void *bytes,
                     size_t count)
{
    if (port->text.count + count > vm->payload_limit_bytes)
        return scm_no_memory(vm, count);
    mc_buf_add(&port->text, bytes, count);
    if (port->text.failed)
        return scm_no_memory(vm, count);
    int at_line = port->fd >= 0 && count && memrchr(bytes, '\n', count);
    if (port->fd >= 0 && (at_line || port->text.count >= SCM_PORT_FILE_CHUNK) &&
        scm_port_flush(port))
        return scm_fail_kind(vm, "file", "%s: the file cannot be written", who);
    return SCM_VOID;
}
static scm_value print(struct scm_vm *vm, const char *who, int argc, const scm_value *argv,
                       int display, int simple)
{
    struct scm_port *port = scm_port_pick(vm, who, argc, argv, 1, 0, 0);
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
    struct scm_port *port = scm_port_pick(vm, "newline", argc, argv, 0, 0, 0);
    return port ? put(vm, "newline", port, "\n", 1) : SCM_FAILED;
}
SCM_PRIM(p_write_char)
{
    struct scm_port *port = scm_port_pick(vm, "write-char", argc, argv, 1, 0, 0);
    char utf8[4];
    if (!port)
        return SCM_FAILED;
    if (!scm_is_char(argv[0]))
        return scm_wrong(vm, "write-char", "a character", argv[0]);
    return put(vm, "write-char", port, utf8, (size_t)scm_utf8_put(utf8, scm_char_get(argv[0])));
}
SCM_PRIM(p_write_string)
{
    struct scm_port *port = scm_port_pick(vm, "write-string", argc, argv, 1, 0, 0);
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
    struct scm_port *port = scm_port_pick(vm, "write-u8", argc, argv, 1, 0, 1);
    if (!port)
        return SCM_FAILED;
    if (!scm_is_fixnum(argv[0]) || (uint64_t)scm_fixnum_get(argv[0]) > 255)
        return scm_wrong(vm, "write-u8", "a byte", argv[0]);
    uint8_t byte = (uint8_t)scm_fixnum_get(argv[0]);
    return put(vm, "write-u8", port, &byte, 1);
}
SCM_PRIM(p_write_bytevector)
{
    struct scm_port *port = scm_port_pick(vm, "write-bytevector", argc, argv, 1, 0, 1);
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
    struct scm_port *port = scm_port_pick(vm, "flush-output-port", argc, argv, 0, 0, -1);
    if (!port)
        return SCM_FAILED;
    if (port->fd >= 0 && scm_port_flush(port))
        return scm_fail_kind(vm, "file", "flush-output-port: the file cannot be written");
    return SCM_VOID;
}

const struct scm_prim_def scm_prims_write[] = {
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
    {NULL, NULL, 0, 0, 0, 0},
};
