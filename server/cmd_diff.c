/* cmd_diff.c: `memcam diff`: two sides of recorded runs, compared. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/diff.h"
#include "server/command.h"
#include "server/diff_span.h"
#include "tracer/error.h"
#include "tracer/grow.h"
#include "tracer/text.h"

#define MAPS_MAX 8

/* One side: its runs, and how they are asked for. */
struct side {
    struct mc_run_measures *runs; /* owned, each too */
    size_t count;
    uint32_t room;
    struct mc_diff_span span;
};

struct comparison {
    const struct mc_settings *settings;
    struct side sides[2];
    enum mc_align align;
    double min_effect_pct;
    struct mc_diff_condition conditions[MC_DIFF_CONDITIONS_MAX];
    size_t condition_count;
    int status; /* what went wrong; MC_EXIT_DONE */
    int tells_progress;
    const char *reading; /* the file being read */
};

/* ---- the runs of a side
 * --------------------------------------------------------------------------- */

static void tell_progress(void *arg, int percent)
{
    const struct comparison *c = arg;
    fprintf(stderr, "\r%.60s %3d %%", c->reading, percent);
    if (percent >= 99)
        fputs("\r\033[K", stderr);
}

static int measure_run(struct comparison *c, struct mc_reader *r, const char *path, int64_t run_id,
                       struct side *side)
{
    struct mc_run_measures *more = mc_grown(side->runs, side->count, &side->room, sizeof *more);
    if (!more)
        return MC_ENOMEM;
    side->runs = more;
    struct mc_measure_options opts = {.run_id = run_id,
                                      .exact = (int)c->settings->exact,
                                      .intervals = 1,
                                      .progress = c->tells_progress ? tell_progress : NULL,
                                      .arg = c};
    char why[256] = "";
    c->reading = path;
    int rc = mc_diff_span_find(r, run_id, &side->span, &opts.from, &opts.to, why, sizeof why);
    if (rc == MC_EINVAL && why[0])
        mc_say("diff: %s: run %lld %s", path, (long long)run_id, why);
    if (rc)
        return rc;
    struct mc_run_measures *made = &side->runs[side->count];
    rc = mc_run_measure(r, &opts, made);
    if (c->tells_progress)
        fputs("\r\033[K", stderr);
    if (rc == MC_END) {
        mc_say("diff: %s: run %lld has no frames%s", path, (long long)run_id,
               opts.from != INT64_MIN || opts.to != INT64_MAX ? " in this span" : "");
        return MC_EINVAL;
    }
    if (rc)
        return rc;
    made->path = malloc(strlen(path) + 1);
    if (made->path)
        mc_text_clean(made->path, strlen(path) + 1, path, strlen(path));
    side->count++;
    return made->path ? 0 : MC_ENOMEM;
}

/* The runs that are meant: one by number, "all", or the newest (which = NULL). */
static int measure_file(struct comparison *c, const char *path, const char *which,
                        struct side *side)
{
    struct mc_reader *r;
    struct mc_run_info *infos = NULL;
    size_t count = 0, measured = 0;
    char why[512] = "";
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        mc_say("diff: %s: is a folder; name its traces, like '%s/*.db'", path, path);
        c->status = MC_EXIT_FAILED;
        return MC_EINVAL;
    }
    int rc = mc_reader_open(path, &r, why, sizeof why);
    if (rc) {
        mc_say("diff: %s%s%s", why[0] ? why : path, why[0] ? "" : ": ",
               why[0] ? "" : mc_strerror(rc));
        c->status = MC_EXIT_FAILED;
        return rc;
    }
    rc = mc_reader_runs(r, &infos, &count);
    int64_t number = which && strcmp(which, "all") != 0 ? strtoll(which, NULL, 10) : 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (which ? number && infos[i].run_id != number : i + 1 < count)
            continue;
        rc = measure_run(c, r, path, infos[i].run_id, side);
        measured++;
    }
    for (size_t i = 0; i < count; i++)
        mc_run_info_fini(&infos[i]);
    free(infos);
    mc_reader_close(r);
    if (rc == 0 && !measured) {
        mc_say("diff: %s: %s%s; memcam runs %s lists them", path,
               which ? "there is no run " : "there are no runs in it", which ? which : "", path);
        rc = MC_EINVAL;
    } else if (rc && rc != MC_EINVAL) {
        mc_say("diff: %s: %s", path, mc_strerror(rc));
    }
    if (rc)
        c->status = MC_EXIT_FAILED;
    return rc;
}

/* "FILE", "FILE:3", "FILE:all": cut off the run when the whole is no file. */
static const char *split_run(char *text)
{
    char *colon = strrchr(text, ':');
    if (access(text, F_OK) == 0 || !colon || !colon[1])
        return NULL;
    if (strcmp(colon + 1, "all") != 0 && strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return NULL;
    *colon = 0;
    return colon + 1;
}

/* One argument of a side: a file, or a pattern that the shell has not expanded. */
static int add_argument(struct comparison *c, const char *text, struct side *side)
{
    char *copy = strdup(text);
    if (!copy)
        return MC_ENOMEM;
    const char *which = split_run(copy);
    glob_t found;
    int rc = 0;
    if (access(copy, F_OK) == 0 || !strpbrk(copy, "*?[")) {
        rc = measure_file(c, copy, which, side);
    } else if (glob(copy, 0, NULL, &found) == 0) {
        for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
            rc = measure_file(c, found.gl_pathv[i], which, side);
        globfree(&found);
    } else {
        mc_say("diff: %s: no such file", copy);
        c->status = MC_EXIT_FAILED;
        rc = MC_ENOENT;
    }
    free(copy);
    return rc;
}

/* ---- settings
 * --------------------------------------------------------------------------------------- */

static int parse_settings(struct comparison *c)
{
    const struct mc_settings *s = c->settings;
    static const char *const aligns[] = {"clock", "first-request", "requests", "mark"};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(s->align, aligns[i]) == 0)
            c->align = (enum mc_align)i;
    for (int i = 0; i < 2; i++) {
        const char *from = i ? s->from_b_text : s->from_a_text;
        const char *to = i ? s->to_b_text : s->to_a_text, *mark = i ? s->mark_b : s->mark_a;
        c->sides[i].span =
            (struct mc_diff_span){from ? from : s->from_text, to ? to : s->to_text,
                                  mark ? mark : s->mark, c->align == MC_ALIGN_FIRST_REQUEST};
        if (c->align == MC_ALIGN_MARK && !c->sides[i].span.mark) {
            mc_say("diff: --align mark needs --mark LABEL, or --mark-a and --mark-b");
            return MC_EINVAL;
        }
        if (mc_diff_span_is_none(&c->sides[i].span)) {
            mc_say("diff: side %c: --from must be before --to", i ? 'B' : 'A');
            return MC_EINVAL;
        }
    }
    if (c->sides[0].span.mark && c->sides[1].span.mark && c->align == MC_ALIGN_CLOCK)
        c->align = MC_ALIGN_MARK;
    char *end;
    c->min_effect_pct = strtod(s->min_effect, &end);
    if (end == s->min_effect || (*end && strcmp(end, "%") != 0) || !(c->min_effect_pct >= 0) ||
        c->min_effect_pct > 1e6) {
        mc_say("diff: --min-effect '%s': give a percentage, like 5", s->min_effect);
        return MC_EINVAL;
    }
    if (s->fail_on) {
        char why[256];
        int count = mc_diff_conditions(s->fail_on, c->conditions, why, sizeof why);
        if (count < 0) {
            mc_say("diff: --fail-on %s", why);
            return MC_EINVAL;
        }
        c->condition_count = (size_t)count;
    }
    /* Without --vs it is two arguments, one a side. */
    if (s->split_at == 0 ? s->arg_count != 2 : s->split_at < 2 || s->split_at > s->arg_count) {
        mc_say("diff: two sides are needed: memcam diff A B, or memcam diff A… --vs B…");
        return MC_EINVAL;
    }
    return 0;
}

/* ---- the report
 * -------------------------------------------------------------------------------------- */

static int write_report(const struct comparison *c, const struct mc_buf *text)
{
    const char *path = c->settings->output;
    FILE *file = path ? fopen(path, "w") : stdout;
    if (!file) {
        mc_say("diff: %s: %s", path, strerror(errno));
        return MC_EXIT_FAILED;
    }
    fwrite(text->bytes, 1, text->count, file);
    if (!path)
        return mc_stdout_finish();
    int failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        mc_say("diff: %s: %s", path, strerror(errno));
        return MC_EXIT_FAILED;
    }
    return MC_EXIT_DONE;
}

static void add_conditions(const struct comparison *c, struct mc_buf *out)
{
    static const char *const outcomes[] = {"cannot tell", "no", "holds"};
    for (size_t i = 0; i < c->condition_count; i++) {
        const struct mc_diff_condition *one = &c->conditions[i];
        mc_buf_printf(out, "%s%s: %s%s%s%s\n", i ? "  " : "\nfail on:\n  ", one->text,
                      outcomes[one->outcome + 1], one->stat_reason ? " (" : "",
                      one->stat_reason ? one->stat_reason : "", one->stat_reason ? ")" : "");
    }
}

static void add_html(const struct comparison *c, struct mc_diff *d, struct mc_buf *out)
{
    struct mc_diff_map maps[MAPS_MAX];
    int count = mc_diff_maps(d, maps, MAPS_MAX);
    if (count < 0)
        mc_diff_note(d, "slot maps could not be read: %s", mc_strerror(count));
    mc_diff_html(d, c->conditions, c->condition_count, maps, count < 0 ? 0 : (size_t)count, out);
    while (count > 0)
        mc_diff_map_fini(&maps[--count]);
}

static int report(struct comparison *c, struct mc_diff *d)
{
    struct mc_buf out = {0};
    int fails = mc_diff_conditions_check(d, c->conditions, c->condition_count);
    for (size_t i = 0; i < c->condition_count; i++) {
        if (c->conditions[i].is_known)
            continue;
        mc_say("diff: --fail-on '%s': both sides have no such measure; --all lists those there are",
               c->conditions[i].text);
        return MC_EXIT_FAILED;
    }
    if (strcmp(c->settings->format, "json") == 0) {
        mc_diff_json(d, c->conditions, c->condition_count, &out);
    } else if (strcmp(c->settings->format, "html") == 0) {
        add_html(c, d, &out);
    } else {
        mc_diff_text(d, (int)c->settings->all, &out);
        add_conditions(c, &out);
    }
    int status = out.failed ? MC_EXIT_FAILED : write_report(c, &out);
    if (out.failed)
        mc_say("diff: out of memory");
    mc_buf_fini(&out);
    if (status != MC_EXIT_DONE)
        return status;
    return (c->condition_count ? fails : d->is_different) ? MC_EXIT_NO : MC_EXIT_DONE;
}

static int run(const struct mc_settings *s)
{
    struct comparison c = {.settings = s, .tells_progress = isatty(STDERR_FILENO)};
    struct mc_diff diff;
    if (parse_settings(&c) != 0)
        return MC_EXIT_USAGE;
    int rc = 0, split = s->split_at ? (int)s->split_at - 1 : 1;
    for (int i = 0; rc == 0 && i < s->arg_count; i++)
        rc = add_argument(&c, s->args[i], &c.sides[i >= split]);
    if (rc == 0) {
        struct mc_diff_side a = {c.sides[0].runs, c.sides[0].count};
        struct mc_diff_side b = {c.sides[1].runs, c.sides[1].count};
        rc = mc_diff_make(&a, &b, &(struct mc_diff_options){c.align, c.min_effect_pct}, &diff);
        if (rc == MC_EINVAL)
            mc_say("diff: the two sides share no source: there is nothing to compare");
        else if (rc)
            mc_say("diff: %s", mc_strerror(rc));
    } else if (c.status == MC_EXIT_DONE) {
        mc_say("diff: %s", mc_strerror(rc));
    }
    int status = MC_EXIT_FAILED;
    if (rc == 0) {
        status = report(&c, &diff);
        mc_diff_fini(&diff);
    }
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < c.sides[i].count; k++)
            mc_run_measures_fini(&c.sides[i].runs[k]);
        free(c.sides[i].runs);
    }
    return status;
}

const struct mc_command mc_command_diff = {
    .name = "diff",
    .bit = MC_FOR_DIFF,
    .arguments = "FILE[:RUN] FILE[:RUN] | FILE[:RUN]… --vs FILE[:RUN]… [OPTION…]",
    .summary = "compare two runs, or two sets of runs",
    .details =
        "FILE is a trace, or a pattern in quotes ('before/*.db'); RUN is a number, or all; without "
        "it the\n"
        "newest run. The first side is A. WHEN is a time (90s, 1m30s), or a mark's label "
        "(incident,\n"
        "incident-10s). With 5 or more runs a side each measure is tested; with "
        "fewer\n"
        "nothing is, and the report says so. A condition of --fail-on is STATISTIC>PERCENT% "
        "(p99>5%), also\n"
        "of some measures only (latency p99>5%), or leak, or worse; it holds when a measure is "
        "worse by more.\n"
        "Exit status: 0 no difference (with --fail-on: no condition holds), 1 different (a "
        "condition holds),\n"
        "2 usage, 3 it could not be compared.\n\n"
        "examples:\n"
        "  memcam diff before.db after.db\n"
        "  memcam diff memcam.db:3 memcam.db:7 --from 30s\n"
        "  memcam diff memcam.db memcam.db --to-a incident --from-b incident\n"
        "  memcam diff 'before/*.db' --vs 'after/*.db' --fail-on 'p99>5%,leak'\n"
        "  memcam diff before.db after.db --format html --output diff.html\n",
    .args_min = 1,
    .args_max = MC_ARGS_MAX - 1,
    .run = run,
};
