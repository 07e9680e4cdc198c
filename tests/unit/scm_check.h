/* scm_check.h: what the Scheme's unit tests share: run text, compare what it prints or how it
 * fails. */
#ifndef SCM_CHECK_H
#define SCM_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "lisp/scm.h"
#include "tests/unit/check.h"
#include "tracer/buf.h"
#include "tracer/error.h"

static struct scm_error scm_check_err;

/* The value of the last form as `write` shows it, or "kind where message". Static. */
__attribute__((unused)) static const char *run(struct scm_vm *vm, const char *text)
{
    static char shown[2048];
    struct mc_buf buf = {0};
    scm_value v;
    int code = scm_eval_text(vm, "t", text, strlen(text), &v, &scm_check_err);
    if (code) {
        snprintf(shown, sizeof shown, "%s %s %s", scm_check_err.kind, scm_check_err.where,
                 scm_check_err.message);
        return shown;
    }
    scm_print(vm, v, 0, &buf);
    snprintf(shown, sizeof shown, "%.*s", (int)buf.count, (const char *)buf.bytes);
    mc_buf_fini(&buf);
    return shown;
}

#define CHECK_RUN(vm, text, want) CHECK_STR(run(vm, text), want)

#endif
