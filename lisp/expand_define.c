/* expand_define.c: the forms that come to definitions: values, records, cond-expand, include. */
#include "lisp/expand_priv.h"

static scm_value define_values(struct compiler *c, scm_value form, struct scope *scope)
{
    if (scm_form_length(c, form) != 3)
        scm_syntax(c, form, "define-values: (define-values (name ...) expression)");
    scm_value forms = SCM_NIL, sets = SCM_NIL, temps = SCM_NIL, tail = SCM_NIL;
    scm_value names = scm_car(scm_cdr(form));
    for (; scm_is_pair(names); names = scm_cdr(names)) {
        scm_value temp = scm_alias(c, scm_plain(scm_car(names)), scope);
        forms = CONS(LIST2(ID("define"), scm_car(names)), forms);
        sets = CONS(LIST3(ID("set!"), scm_car(names), temp), sets);
        temps = CONS(temp, temps);
    }
    if (names != SCM_NIL) {
        tail = scm_alias(c, scm_plain(names), scope);
        forms = CONS(LIST2(ID("define"), names), forms);
        sets = CONS(LIST3(ID("set!"), names, tail), sets);
    }
    while (scm_is_pair(temps)) {
        scm_value next = scm_cdr(temps);
        scm_cell(temps)->b = tail;
        tail = temps;
        temps = next;
    }
    if (sets == SCM_NIL)
        sets = LIST1(SCM_FALSE);
    scm_value producer = LIST3(ID("lambda"), SCM_NIL, scm_car(scm_cdr(scm_cdr(form))));
    scm_value consumer = CONS(ID("lambda"), CONS(tail, sets));
    scm_value call = LIST3(ID("call-with-values"), producer, consumer);
    /* as a definition, so that definitions may follow it */
    scm_value last = LIST3(ID("define"), scm_alias(c, scm_symbol(c->vm, "values"), scope), call);
    return scm_list_reverse(CONS(last, forms));
}

/* The place of a field's name in the list of fields, from 1; 0 when it is none. */
static int64_t field_index(scm_value fields, scm_value name)
{
    int64_t idx = 1;
    for (; scm_is_pair(fields); fields = scm_cdr(fields), idx++) {
        scm_value field = scm_car(fields);
        if ((scm_is_pair(field) ? scm_car(field) : field) == name)
            return idx;
    }
    return 0;
}

static void record_field(struct compiler *c, scm_value form, scm_value type, scm_value field,
                         int64_t idx, scm_value *forms)
{
    int64_t count = scm_is_identifier(field) ? 1 : scm_list_length(field);
    if (count < 1 || count > 3)
        scm_syntax(c, form, "define-record-type: a field is (name accessor modifier)");
    if (count == 1)
        return;
    scm_value r = ID("record"), v = ID("value"), at = scm_fixnum(idx);
    scm_value name = scm_car(scm_cdr(field));
    *forms =
        CONS(LIST3(ID("define"), LIST2(name, r),
                   scm_list_of(c, 5, ID("%record-ref"), r, type, at, quoted(c, scm_plain(name)))),
             *forms);
    if (count == 2)
        return;
    name = scm_car(scm_cdr(scm_cdr(field)));
    *forms = CONS(
        LIST3(ID("define"), LIST3(name, r, v),
              scm_list_of(c, 6, ID("%record-set!"), r, type, at, v, quoted(c, scm_plain(name)))),
        *forms);
}

static scm_value record_constructor(struct compiler *c, scm_value form, scm_value type,
                                    scm_value spec, scm_value fields)
{
    if (scm_is_identifier(spec)) { /* takes all fields */
        scm_value names = SCM_NIL;
        for (scm_value at = fields; scm_is_pair(at); at = scm_cdr(at))
            names = CONS(scm_is_pair(scm_car(at)) ? scm_car(scm_car(at)) : scm_car(at), names);
        spec = CONS(spec, scm_list_reverse(names));
    }
    if (scm_list_length(spec) < 1)
        scm_syntax(c, form, "define-record-type: the constructor is (name field ...)");
    scm_value call = SCM_NIL;
    for (scm_value at = fields; scm_is_pair(at); at = scm_cdr(at)) {
        scm_value name = scm_is_pair(scm_car(at)) ? scm_car(scm_car(at)) : scm_car(at);
        int given = 0;
        for (scm_value p = scm_cdr(spec); scm_is_pair(p); p = scm_cdr(p))
            given |= scm_car(p) == name;
        call = CONS(given ? name : SCM_FALSE, call);
    }
    for (scm_value p = scm_cdr(spec); scm_is_pair(p); p = scm_cdr(p)) {
        if (!field_index(fields, scm_car(p)))
            scm_syntax(c, form, "define-record-type: the constructor names a field that is none");
    }
    return LIST3(ID("define"), spec, CONS(ID("%record"), CONS(type, scm_list_reverse(call))));
}

static scm_value define_record(struct compiler *c, scm_value form)
{
    if (scm_form_length(c, form) < 4)
        scm_syntax(c, form,
                   "define-record-type: (define-record-type name (constructor field ...) "
                   "predicate (field accessor modifier) ...)");
    scm_value name = scm_car(scm_cdr(form)), at = scm_cdr(scm_cdr(form)), names = SCM_NIL;
    scm_value spec = scm_car(at), predicate = scm_car(scm_cdr(at)), fields = scm_cdr(scm_cdr(at));
    if (scm_is_pair(name))
        name = scm_car(name);
    for (scm_value f = fields; scm_is_pair(f); f = scm_cdr(f))
        names =
            CONS(scm_strip(c, scm_is_pair(scm_car(f)) ? scm_car(scm_car(f)) : scm_car(f)), names);
    scm_value rtd =
        LIST3(ID("%make-rtd"), quoted(c, scm_plain(name)), quoted(c, scm_list_reverse(names)));
    scm_value forms = LIST1(LIST3(ID("define"), name, rtd));
    if (spec != SCM_FALSE)
        forms = CONS(record_constructor(c, form, name, spec, fields), forms);
    if (predicate != SCM_FALSE) {
        scm_value v = ID("value");
        forms =
            CONS(LIST3(ID("define"), LIST2(predicate, v), LIST3(ID("%record?"), v, name)), forms);
    }
    int64_t idx = 1;
    for (scm_value f = fields; scm_is_pair(f); f = scm_cdr(f), idx++)
        record_field(c, form, name, scm_car(f), idx, &forms);
    return scm_list_reverse(forms);
}

static scm_value cond_expand(struct compiler *c, scm_value form, struct scope *scope)
{
    scm_form_length(c, form);
    for (scm_value at = scm_cdr(form); at != SCM_NIL; at = scm_cdr(at)) {
        scm_value clause = scm_car(at);
        if (scm_list_length(clause) < 1)
            scm_syntax(c, form, "cond-expand: a clause is (requirement form ...)");
        if (scm_feature_holds(c, scm_car(clause), scope))
            return scm_cdr(clause);
    }
    return SCM_NIL;
}

scm_value scm_definition_forms(struct compiler *c, enum special_form sf, scm_value form,
                               struct scope *scope)
{
    scm_value forms = SCM_ABSENT;
    if (sf == SF_DEFINE_VALUES)
        forms = define_values(c, form, scope);
    else if (sf == SF_DEFINE_RECORD)
        forms = define_record(c, form);
    else if (sf == SF_COND_EXPAND)
        forms = cond_expand(c, form, scope);
    else if (sf == SF_INCLUDE || sf == SF_INCLUDE_CI)
        forms = scm_include_forms(c, form, sf == SF_INCLUDE_CI);
    if (forms == SCM_NIL)
        forms = LIST1(LIST3(ID("if"), SCM_FALSE, SCM_FALSE));
    return forms;
}
