/* test_scm_suites.c: every suite in tests/scheme passes. */
#include <glob.h>

#include "tests/unit/scm_check.h"

int main(void)
{
    glob_t found;
    CHECK_INT(glob("tests/scheme/test_*.scm", 0, NULL, &found), 0);
    CHECK(found.gl_pathc >= 4);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct scm_vm *vm = scm_vm_new(NULL);
        CHECK(scm_load_file(vm, found.gl_pathv[i], &scm_check_err) < 0);
        CHECK_STR(scm_check_err.kind, "exit");
        CHECK_INT(scm_exit_status(vm), 0);
        if (strcmp(scm_check_err.kind, "exit") != 0)
            fprintf(stderr, "%s: %s\n", scm_check_err.where, scm_check_err.message);
        scm_vm_free(vm);
    }
    globfree(&found);
    return CHECK_DONE();
}
