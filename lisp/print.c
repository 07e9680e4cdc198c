/* print.c: values as text: write, display, write-simple, and write-shared's labels.
 *
 * The work list lies on the machine's stack. Labels are given to what lies on a cycle or, when
 * asked for, to all that is reached twice; a structure of up to a few pairs is tried without first.
 */
#include <stdlib.h>

#include "lisp/number_priv.h"

enum step { STEP_VALUE, STEP_TAIL, STEP_ITEM, STEP_CLOSE, STEP_LEAVE };

struct label {
    scm_value v;
    int64_t id; /* -1: reached once; -2: needs a label; from 0: has this one */
    int on_path;
};

struct printer {
    struct scm_vm *vm;
    struct mc_buf *out;
    int display;
    struct label *labels; /* owned: open addressing, or NULL */
    size_t label_count, label_room;
    int64_t next_id;
};

static struct label *label_find(struct printer *p, scm_value v)
{
    size_t at = (size_t)((v >> 5) * 0x9e3779b97f4a7c15ull >> 20) & (p->label_room - 1);
    while (p->labels[at].v && p->labels[at].v != v)
        at = (at + 1) & (p->label_room - 1);
    return &p->labels[at];
}

static int label_grow(struct printer *p)
{
    struct label *old = p->labels;
    size_t old_room = p->label_room;
    p->label_room = old_room ? old_room * 2 : 256;
    p->labels = calloc(p->label_room, sizeof *p->labels);
    if (!p->labels) {
        p->labels = old;
        p->label_room = old_room;
        return -1;
    }
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].v)
            *label_find(p, old[i].v) = old[i];
    }
    free(old);
    return 0;
}

static int has_parts(scm_value v)
{
    return scm_is_pair(v) || (scm_is_vector(v) && scm_count(v) > 0);
}

/* Walk everything; mark what is reached again: on the way to itself, or at all when `shared`. */
static int find_labels(struct printer *p, scm_value v, int shared)
{
    scm_value *base = p->vm->sp;
    *p->vm->sp++ = v;
    while (p->vm->sp > base) {
        v = *--p->vm->sp;
        if (v == SCM_ABSENT) { /* the one below is left */
            v = *--p->vm->sp;
            label_find(p, v)->on_path = 0;
            continue;
        }
        if (!has_parts(v))
            continue;
        if ((p->label_count + 1) * 2 > p->label_room && label_grow(p))
            break;
        struct label *l = label_find(p, v);
        if (l->v) {
            if (shared || l->on_path)
                l->id = -2;
            continue;
        }
        *l = (struct label){v, -1, 1};
        p->label_count++;
        size_t count = scm_is_pair(v) ? 2 : scm_count(v);
        if (scm_stack_room(p->vm, count + 16))
            break;
        *p->vm->sp++ = v;
        *p->vm->sp++ = SCM_ABSENT;
        if (scm_is_pair(v)) {
            *p->vm->sp++ = scm_cell(v)->b;
            *p->vm->sp++ = scm_cell(v)->a;
        } else {
            for (size_t i = count; i-- > 0;)
                *p->vm->sp++ = scm_items(v)[i];
        }
    }
    p->vm->sp = base;
    return 0;
}

/* Could it be circular, or is it small? A bounded walk that needs no table. */
static int surely_a_tree(struct scm_vm *vm, scm_value v)
{
    scm_value *base = vm->sp;
    int budget = 2000;
    *vm->sp++ = v;
    while (vm->sp > base && budget > 0) {
        v = *--vm->sp;
        if (scm_is_pair(v)) {
            *vm->sp++ = scm_cell(v)->b;
            *vm->sp++ = scm_cell(v)->a;
            budget--;
        } else if (scm_is_vector(v)) {
            budget -= (int)(scm_count(v) > 2000 ? 2000 : scm_count(v)) + 1;
            for (size_t i = scm_count(v); i-- > 0 && budget > 0;)
                *vm->sp++ = scm_items(v)[i];
        }
    }
    vm->sp = base;
    return budget > 0;
}

/* ---- leaves --------------------------------------------------------------------------------- */

static const char *char_name(uint32_t cp)
{
    static const struct {
        uint32_t cp;
        const char *name;
    } names[] = {{0, "null"},    {7, "alarm"},   {8, "backspace"}, {9, "tab"},     {10, "newline"},
                 {13, "return"}, {27, "escape"}, {32, "space"},    {127, "delete"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].cp == cp)
            return names[i].name;
    }
    return NULL;
}

static void print_char(struct mc_buf *out, uint32_t cp, int display)
{
    char utf8[4];
    if (!display) {
        mc_buf_add_str(out, "#\\");
        if (char_name(cp)) {
            mc_buf_add_str(out, char_name(cp));
            return;
        }
        if (cp < 32) {
            mc_buf_printf(out, "x%x", cp);
            return;
        }
    }
    size_t count = (size_t)scm_utf8_put(utf8, cp);
    mc_buf_add(out, utf8, count);
}

static void print_quoted(struct mc_buf *out, const char *text, size_t count, char quote)
{
    mc_buf_add_char(out, quote);
    for (size_t i = 0; i < count; i++) {
        char c = text[i];
        if (c == quote || c == '\\') {
            mc_buf_add_char(out, '\\');
            mc_buf_add_char(out, c);
        } else if (c == '\n') {
            mc_buf_add_str(out, "\\n");
        } else if (c == '\t') {
            mc_buf_add_str(out, "\\t");
        } else if (c == '\r') {
            mc_buf_add_str(out, "\\r");
        } else if ((uint8_t)c < 32 || c == 127) {
            mc_buf_printf(out, "\\x%x;", (unsigned)(uint8_t)c);
        } else {
            mc_buf_add_char(out, c);
        }
    }
    mc_buf_add_char(out, quote);
}

/* Would the reader take this text as a symbol without bars? */
static int plain_symbol(struct scm_vm *vm, const char *text, size_t count)
{
    scm_value number;
    const char *why = NULL;
    if (count == 0 || (count == 1 && text[0] == '.') || text[0] == '#')
        return 0;
    for (size_t i = 0; i < count; i++) {
        if ((uint8_t)text[i] <= 32 || text[i] == 127 || strchr("()\";'`,|\\", text[i]))
            return 0;
    }
    if (!strchr("0123456789+-.", text[0]))
        return 1;
    int gc_off = vm->gc_off++;
    int is_number = scm_number_parse(vm, text, count, 10, &number, &why);
    vm->gc_off = gc_off;
    return !is_number && !why;
}

static void print_symbol(struct printer *p, scm_value v)
{
    const char *text = scm_ptr(scm_cell(v)->a);
    size_t count = (size_t)scm_cell(v)->b;
    if (p->display || plain_symbol(p->vm, text, count))
        mc_buf_add(p->out, text, count);
    else
        print_quoted(p->out, text, count, '|');
}

static void print_constant(struct mc_buf *out, scm_value v)
{
    const char *text = v == SCM_FALSE       ? "#f"
                       : v == SCM_TRUE      ? "#t"
                       : v == SCM_NIL       ? "()"
                       : v == SCM_EOF       ? "#<eof>"
                       : v == SCM_VOID      ? "#<unspecified>"
                       : v == SCM_UNDEFINED ? "#<undefined>"
                                            : "#<constant>";
    mc_buf_add_str(out, text);
}

static void print_named(struct printer *p, const char *what, scm_value name)
{
    size_t count;
    mc_buf_printf(p->out, "#<%s", what);
    if (scm_is_symbol(name)) {
        const char *text = scm_text(name, &count);
        mc_buf_add_char(p->out, ' ');
        mc_buf_add(p->out, text, count);
    }
    mc_buf_add_char(p->out, '>');
}

static void print_bytes(struct mc_buf *out, scm_value v)
{
    size_t count;
    const uint8_t *bytes = scm_bytes(v, &count);
    mc_buf_add_str(out, "#u8(");
    for (size_t i = 0; i < count; i++)
        mc_buf_printf(out, i ? " %u" : "%u", (unsigned)bytes[i]);
    mc_buf_add_char(out, ')');
}

static void print_object(struct printer *p, scm_value v)
{
    const struct scm_cell *cell = scm_cell(v);
    switch (cell->type) {
    case SCM_T_CLOSURE:
        print_named(p, "procedure", ((struct scm_code *)scm_ptr(cell->a))->name);
        break;
    case SCM_T_PRIM:
        mc_buf_printf(p->out, "#<procedure %s>", ((struct scm_prim *)scm_ptr(cell->a))->name);
        break;
    case SCM_T_CASE:
    case SCM_T_CONT:
    case SCM_T_PARAM:
        mc_buf_add_str(p->out, cell->type == SCM_T_CONT ? "#<continuation>" : "#<procedure>");
        break;
    case SCM_T_ERROR: {
        mc_buf_add_str(p->out, "#<condition ");
        scm_value message = cell->a;
        if (scm_is_string(message))
            mc_buf_add(p->out, scm_text_of(message)->bytes, (size_t)scm_cell(message)->b);
        mc_buf_add_char(p->out, '>');
        break;
    }
    case SCM_T_RECORD:
        print_named(p, "record", scm_cell(scm_items(v)[0])->a);
        break;
    case SCM_T_RTD:
        print_named(p, "record-type", cell->a);
        break;
    case SCM_T_ALIAS:
        while (scm_is(v, SCM_T_ALIAS))
            v = scm_cell(v)->a;
        print_symbol(p, v);
        break;
    default:
        mc_buf_printf(p->out, "#<%s>", scm_type_name(v));
        break;
    }
}

static void print_leaf(struct printer *p, scm_value v)
{
    if (scm_is_number(v))
        scm_number_print(v, 10, p->out);
    else if (scm_is_char(v))
        print_char(p->out, scm_char_get(v), p->display);
    else if (!scm_is_cell(v))
        print_constant(p->out, v);
    else if (scm_is_string(v) && p->display)
        mc_buf_add(p->out, scm_text_of(v)->bytes, (size_t)scm_cell(v)->b);
    else if (scm_is_string(v))
        print_quoted(p->out, scm_text_of(v)->bytes, (size_t)scm_cell(v)->b, '"');
    else if (scm_is_symbol(v))
        print_symbol(p, v);
    else if (scm_is_bytevector(v))
        print_bytes(p->out, v);
    else if (scm_is_vector(v))
        mc_buf_add_str(p->out, "#()");
    else
        print_object(p, v);
}

/* ---- structures ----------------------------------------------------------------------------- */

/* Prints #n# or #n= as needed; 1 when that was all. */
static int print_label(struct printer *p, scm_value v)
{
    if (!p->labels)
        return 0;
    struct label *l = label_find(p, v);
    if (!l->v || l->id == -1)
        return 0;
    if (l->id >= 0) {
        mc_buf_printf(p->out, "#%lld#", (long long)l->id);
        return 1;
    }
    l->id = p->next_id++;
    mc_buf_printf(p->out, "#%lld=", (long long)l->id);
    return 0;
}

static int is_labelled(struct printer *p, scm_value v)
{
    return p->labels && label_find(p, v)->v && label_find(p, v)->id != -1;
}

static const char *quote_prefix(struct printer *p, scm_value v)
{
    static const char *const names[] = {"quote",   "'", "quasiquote",       "`",
                                        "unquote", ",", "unquote-splicing", ",@"};
    scm_value head = scm_car(v), rest = scm_cdr(v);
    size_t count;
    if (!scm_is_symbol(head) || !scm_is_pair(rest) || scm_cdr(rest) != SCM_NIL ||
        is_labelled(p, rest))
        return NULL;
    const char *text = scm_text(head, &count);
    for (size_t i = 0; i < 8; i += 2) {
        if (strlen(names[i]) == count && memcmp(names[i], text, count) == 0)
            return names[i + 1];
    }
    return NULL;
}

static void push_step(struct printer *p, enum step step, scm_value v, uint32_t idx)
{
    *p->vm->sp++ = v;
    *p->vm->sp++ = scm_fixnum((int64_t)step << 32 | idx);
}

static void step_value(struct printer *p, scm_value v)
{
    if (!has_parts(v)) {
        print_leaf(p, v);
        return;
    }
    if (print_label(p, v))
        return;
    if (scm_is_vector(v)) {
        mc_buf_add_str(p->out, "#(");
        push_step(p, STEP_ITEM, v, 0);
        return;
    }
    const char *prefix = quote_prefix(p, v);
    if (prefix) {
        mc_buf_add_str(p->out, prefix);
        push_step(p, STEP_VALUE, scm_car(scm_cdr(v)), 0);
        return;
    }
    mc_buf_add_char(p->out, '(');
    push_step(p, STEP_TAIL, scm_cdr(v), 0);
    push_step(p, STEP_VALUE, scm_car(v), 0);
}

static void step_tail(struct printer *p, scm_value v)
{
    if (v == SCM_NIL) {
        mc_buf_add_char(p->out, ')');
    } else if (scm_is_pair(v) && !is_labelled(p, v)) {
        mc_buf_add_char(p->out, ' ');
        push_step(p, STEP_TAIL, scm_cdr(v), 0);
        push_step(p, STEP_VALUE, scm_car(v), 0);
    } else {
        mc_buf_add_str(p->out, " . ");
        push_step(p, STEP_CLOSE, SCM_NIL, 0);
        push_step(p, STEP_VALUE, v, 0);
    }
}

static void step_item(struct printer *p, scm_value v, uint32_t idx)
{
    if (idx >= scm_count(v)) {
        mc_buf_add_char(p->out, ')');
        return;
    }
    if (idx)
        mc_buf_add_char(p->out, ' ');
    push_step(p, STEP_ITEM, v, idx + 1);
    push_step(p, STEP_VALUE, scm_items(v)[idx], 0);
}

static void print_steps(struct printer *p, scm_value v)
{
    scm_value *base = p->vm->sp;
    push_step(p, STEP_VALUE, v, 0);
    while (p->vm->sp > base) {
        uint64_t code = (uint64_t)scm_fixnum_get(*--p->vm->sp);
        v = *--p->vm->sp;
        if (scm_stack_room(p->vm, 16) || p->out->failed) {
            mc_buf_add_str(p->out, "...");
            break;
        }
        switch ((enum step)(code >> 32)) {
        case STEP_VALUE:
            step_value(p, v);
            break;
        case STEP_TAIL:
            step_tail(p, v);
            break;
        case STEP_ITEM:
            step_item(p, v, (uint32_t)code);
            break;
        default:
            mc_buf_add_char(p->out, ')');
            break;
        }
    }
    p->vm->sp = base;
}

/* simple: 0 labels for cycles, 1 no labels, 2 labels for all that is shared */
void scm_print_to(struct scm_vm *vm, scm_value v, int display, int simple, struct mc_buf *out)
{
    struct printer p = {vm, out, display, NULL, 0, 0, 0};
    if (has_parts(v) && simple != 1 && (simple == 2 || !surely_a_tree(vm, v))) {
        if (label_grow(&p) == 0)
            find_labels(&p, v, simple == 2);
    }
    print_steps(&p, v);
    free(p.labels);
}

void scm_print(struct scm_vm *vm, scm_value v, int display, struct mc_buf *out)
{
    scm_print_to(vm, v, display, 0, out);
}
