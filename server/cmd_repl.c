/* cmd_repl.c: `memcam repl`: the Scheme at a prompt, or a file of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lisp/scm.h"
#include "server/app.h"
#include "server/command.h"
#include "tracer/buf.h"
#include "tracer/error.h"

static void say_error(const struct scm_error *err)
{
    if (err->where[0] != '\0')
        mc_say("%s: %s", err->where, err->message);
    else
        mc_say("%s", err->message);
}

/* How many parentheses are open after `text`, as far as strings, characters and comments allow to
 * tell without reading it; a string or block comment that is open counts as one. */
static int open_count(const char *text, size_t bytes)
{
    int depth = 0, comments = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i], next = i + 1 < bytes ? text[i + 1] : '\0';
        if (c == '#' && next == '|') {
            comments++;
            i++;
        } else if (comments > 0) {
            if (c == '|' && next == '#') {
                comments--;
                i++;
            }
        } else if (c == ';') {
            while (i < bytes && text[i] != '\n')
                i++;
        } else if (c == '#' && next == '\\') {
            i += 2;
        } else if (c == '"' || c == '|') {
            for (i++; i < bytes && text[i] != c; i++)
                i += text[i] == '\\';
            if (i >= bytes)
                return depth + 1;
        } else if (c == '(' || c == '[') {
            depth++;
        } else if (c == ')' || c == ']') {
            depth--;
        }
    }
    return depth + comments;
}

enum outcome { FINE, FAILED, LEFT }; /* LEFT: by (exit …) */

/* Evaluate what has been typed and print its value. */
static enum outcome evaluate(struct scm_vm *vm, const struct mc_buf *text)
{
    struct scm_error err;
    scm_value value = SCM_VOID;
    int rc = scm_eval_text(vm, "repl", (const char *)text->bytes, text->count, &value, &err);
    if (rc != 0) {
        fflush(stdout);
        if (strcmp(err.kind, "exit") == 0)
            return LEFT;
        say_error(&err);
        return FAILED;
    }
    if (value == SCM_VOID)
        return FINE;
    struct mc_buf out = {0};
    scm_push_root(vm, &value);
    scm_print(vm, value, 0, &out);
    scm_pop_root(vm, 1);
    fwrite(out.bytes, 1, out.count, stdout);
    putchar('\n');
    mc_buf_fini(&out);
    return FINE;
}

static int is_blank(const struct mc_buf *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (strchr(" \t\r\n", b->bytes[i]) == NULL)
            return 0;
    return 1;
}

/* Read and evaluate until the input ends. A person's errors are part of the talk; a script's, piped
 * in, decide the exit status. */
static int talk(struct scm_vm *vm)
{
    /* A prompt is no program that begins with import, and would see nothing else from then on: it
     * begins with a definition. */
    static const char begin[] = "(define memcam-version \"" MC_VERSION "\")";
    struct scm_error err;
    if (scm_eval_text(vm, "repl", begin, sizeof(begin) - 1, NULL, &err) != 0)
        say_error(&err);
    int is_person = isatty(STDIN_FILENO);
    int status = MC_EXIT_DONE;
    struct mc_buf text = {0};
    char *line = NULL;
    size_t line_room = 0;
    for (;;) {
        if (is_person) {
            fputs(text.count == 0 ? "> " : ". ", stdout);
            fflush(stdout);
        }
        ssize_t got = getline(&line, &line_room, stdin);
        if (got > 0)
            mc_buf_add(&text, line, (size_t)got);
        if (got > 0 && open_count((const char *)text.bytes, text.count) > 0)
            continue;
        enum outcome outcome = is_blank(&text) ? FINE : evaluate(vm, &text);
        text.count = 0;
        if (outcome == FAILED && !is_person)
            status = MC_EXIT_FAILED;
        if (outcome == LEFT)
            status = scm_exit_status(vm);
        if (got <= 0 || outcome == LEFT)
            break;
    }
    if (is_person)
        putchar('\n');
    free(line);
    mc_buf_fini(&text);
    return status;
}

static int run(const struct mc_settings *s)
{
    /* An app without a server, so that an app's script can be tried. */
    struct mc_app *app = mc_app_new(&(struct mc_app_options){.name = "repl"});
    if (app == NULL) {
        mc_say("repl: out of memory");
        return MC_EXIT_FAILED;
    }
    struct scm_vm *vm = mc_app_vm(app);
    int status = MC_EXIT_DONE;
    struct scm_error err;
    if (s->arg_count == 0) {
        status = talk(vm);
    } else if (scm_load_file(vm, s->args[0], &err) != 0) {
        fflush(stdout);
        status = strcmp(err.kind, "exit") == 0 ? scm_exit_status(vm) : MC_EXIT_FAILED;
        if (strcmp(err.kind, "exit") != 0)
            say_error(&err);
    }
    mc_app_free(app);
    int printed = mc_stdout_finish();
    return status != MC_EXIT_DONE ? status : printed;
}

const struct mc_command mc_command_repl = {
    .name = "repl",
    .bit = MC_FOR_REPL,
    .arguments = "[FILE]",
    .summary = "the Scheme, at a prompt",
    .details =
        "With FILE, runs it. Without, reads from the terminal (an expression may take many lines)\n"
        "or from a pipe, and prints the value of each. Exit status: what (exit N) says, else 0, "
        "or\n"
        "3 after an error in FILE or in piped input.\n\n"
        "examples:\n"
        "  memcam repl\n"
        "  memcam repl test.scm\n"
        "  echo '(display (* 6 7))' | memcam repl\n",
    .args_min = 0,
    .args_max = 1,
    .run = run,
};
