/* diff_text.c: a comparison as a page of text, and numbers as people read them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"

#define ROWS_SHOWN 24u
#define RUNS_SHOWN 6u

/* ---- numbers and names
 * ---------------------------------------------------------------------------- */

static void add_scaled(struct mc_buf *out, double value, double step, const char *const *units,
                       size_t unit_count)
{
    size_t i = 0;
    while (i + 1 < unit_count && fabs(value) >= step) {
        value /= step;
        i++;
    }
    mc_buf_printf(out, fabs(value) >= 100 || value == floor(value) ? "%.0f %s" : "%.3g %s", value,
                  units[i]);
}

void mc_diff_number(struct mc_buf *out, double value, const char *unit)
{
    static const char *const bytes[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    static const char *const bytes_h[] = {"B/h", "KiB/h", "MiB/h", "GiB/h", "TiB/h"};
    static const char *const times[] = {"ns", "us", "ms", "s"};
    if (isnan(value))
        mc_buf_add_str(out, "-");
    else if (strcmp(unit, "bytes") == 0)
        add_scaled(out, value, 1024, bytes, 5);
    else if (strcmp(unit, "bytes/h") == 0)
        add_scaled(out, value, 1024, bytes_h, 5);
    else if (strcmp(unit, "ns") == 0)
        add_scaled(out, value, 1000, times, 4);
    else if (fabs(value) >= 1e15)
        mc_buf_printf(out, "%.3e%s%s", value, unit[0] ? " " : "", unit);
    else
        mc_buf_printf(out, value == floor(value) || fabs(value) >= 1000 ? "%.0f%s%s" : "%.4g%s%s",
                      value, unit[0] && unit[0] != '/' ? " " : "", unit);
}

void mc_diff_time(struct mc_buf *out, int64_t ns)
{
    double s = (double)ns / 1e9;
    if (s < 600)
        mc_buf_printf(out, "%.1f s", s);
    else
        mc_buf_printf(out, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60) % 60, (int)s % 60);
}

void mc_diff_run_name(const struct mc_run_measures *m, struct mc_buf *out)
{
    mc_buf_printf(out, "%s run %lld", m->path ? m->path : "?", (long long)m->info.run_id);
}

void mc_diff_row_name(const struct mc_diff_row *row, struct mc_buf *out)
{
    const char *key = row->like->key, *name = strchr(key, '/') + 1, *what = strrchr(key, '/') + 1;
    int name_bytes = (int)(what - name) - 1;
    int is_one = strncmp(key, "process/", 8) == 0 || strncmp(key, "connections/", 12) == 0;
    if (is_one)
        mc_buf_printf(out, "%.*s %s %s", (int)(name - key) - 1, key, what, row->like->stat);
    else
        mc_buf_printf(out, "%.*s %s %s", name_bytes, name, what, row->like->stat);
}

void mc_diff_pct(double pct, struct mc_buf *out)
{
    if (isinf(pct))
        mc_buf_add_str(out, pct > 0 ? "new" : "gone");
    else if (fabs(pct) >= 1000)
        mc_buf_printf(out, "%+.0f %%", pct);
    else
        mc_buf_printf(out, "%+.1f %%", pct);
}

/* "GET /b latency p50 is worse, 5 ms to 10 ms (+100 %)" */
static void add_finding(const struct mc_diff_row *row, struct mc_buf *out)
{
    mc_diff_row_name(row, out);
    mc_buf_printf(out, " is %s, ", mc_verdict_name(row->verdict));
    mc_diff_number(out, row->a, row->like->unit);
    mc_buf_add_str(out, " to ");
    mc_diff_number(out, row->b, row->like->unit);
    if (!isinf(row->pct)) {
        mc_buf_add_str(out, " (");
        mc_diff_pct(row->pct, out);
        mc_buf_add_char(out, ')');
    }
}

void mc_diff_headline(const struct mc_diff *d, struct mc_buf *out)
{
    size_t told = 0;
    mc_buf_add_str(out, d->is_different ? "different" : "no difference found");
    for (size_t i = 0; i < d->leak_count && !told; i++) {
        const struct mc_diff_leak *l = &d->leaks[i];
        if (l->side != 1 || !l->is_new)
            continue;
        const char *name = strchr(l->leak->source, '/') + 1;
        mc_buf_printf(out, ": side B leaks: %s", name);
        if (l->leak->route)
            mc_buf_printf(out, ", with %s", l->leak->route);
        else if (l->suspect)
            mc_buf_printf(out, ", with %.*s", l->suspect_bytes, l->suspect);
        told++;
    }
    if (d->row_count && d->rows[0].verdict <= MC_VERDICT_BETTER) {
        mc_buf_add_str(out, told ? "; " : ": ");
        add_finding(&d->rows[0], out);
        told++;
    }
}

void mc_diff_counts(const struct mc_diff *d, struct mc_buf *out)
{
    mc_buf_printf(out, "%zu worse, %zu better, %zu same, %zu cannot tell",
                  d->counts[MC_VERDICT_WORSE], d->counts[MC_VERDICT_BETTER],
                  d->counts[MC_VERDICT_SAME], d->counts[MC_VERDICT_CANNOT_TELL]);
    if (d->changed_count)
        mc_buf_printf(out, " (%zu of them changed, but neither way is worse)", d->changed_count);
}

void mc_diff_basis(const struct mc_diff *d, struct mc_buf *out)
{
    if (d->is_test)
        mc_buf_printf(
            out,
            "Test: permutation of %zu and %zu runs, one number a run; false discoveries held "
            "to %.0f %%\n(half of it Benjamini-Hochberg, half Westfall-Young, which tells "
            "a single measure of many);\neffects from %g %% on.",
            d->sides[0].run_count, d->sides[1].run_count, 100 * MC_DIFF_RATE, d->min_effect_pct);
    else
        mc_buf_printf(
            out,
            "This is no test: %zu and %zu runs, and it takes %u a side. What follows are "
            "effects from %g %% on\n(times: from %g %% on), with block-bootstrap intervals of "
            "the noise within the runs; how much runs differ\nby themselves is not known. "
            "A verdict of worse or better needs intervals that are clear of each other.",
            d->sides[0].run_count, d->sides[1].run_count, MC_DIFF_TEST_RUNS, d->min_effect_pct,
            fmax(d->min_effect_pct, MC_DIFF_TIME_PCT));
}

static void add_hours(double hours, struct mc_buf *out)
{
    if (hours < 1)
        mc_buf_printf(out, "%.0f min", ceil(60 * hours));
    else if (hours < 72)
        mc_buf_printf(out, "%.3g h", hours);
    else
        mc_buf_printf(out, "%.0f days", hours / 24);
}

/* Which route, and how that is known. */
static void add_route(const struct mc_leak *leak, struct mc_buf *out)
{
    if (leak->route_by == MC_LEAK_BY_HOLDERS)
        mc_buf_printf(out, "; %.0f %% of the slots kept are held for %s, ", 100 * leak->route_share,
                      leak->route);
    else
        mc_buf_printf(out, "; %.0f %% of it goes with %s, ", 100 * fmin(1, leak->route_share),
                      leak->route);
    mc_diff_number(out, leak->route_per_request, leak->unit);
    mc_buf_add_str(out, " a request");
    if (leak->route_by == MC_LEAK_BY_STEPS)
        mc_buf_printf(out, " (at least %.0f %%, by what each request leaves)",
                      100 * fmin(1, leak->route_share_low));
}

void mc_diff_leak_line(const struct mc_diff *d, const struct mc_diff_leak *l, struct mc_buf *out)
{
    const struct mc_leak *leak = l->leak;
    char unit_h[16];
    const char *first = strchr(leak->source, '/') + 1;
    snprintf(unit_h, sizeof unit_h, "%s/h", leak->unit);
    mc_buf_printf(out, "side %c: %s only grows: ", l->side ? 'B' : 'A', first);
    mc_diff_number(out, leak->per_hour, unit_h);
    mc_buf_add_str(out, " (");
    mc_diff_number(out, leak->per_hour_low, unit_h);
    mc_buf_add_str(out, " to ");
    mc_diff_number(out, leak->per_hour_high, unit_h);
    mc_buf_add_char(out, ')');
    if (!isnan(leak->per_1000_requests)) {
        mc_buf_add_str(out, ", ");
        mc_diff_number(out, leak->per_1000_requests, leak->unit);
        mc_buf_add_str(out, " per 1,000 requests");
    }
    if (!isnan(leak->full_in_hours)) {
        mc_buf_add_str(out, ", full in ");
        add_hours(leak->full_in_hours, out);
    }
    if (leak->route) {
        add_route(leak, out);
    } else if (l->suspect)
        mc_buf_printf(out, "; only side %c serves %.*s, all other routes leave nothing on side %c",
                      l->side ? 'B' : 'A', l->suspect_bytes, l->suspect, l->side ? 'A' : 'B');
    else if (!isnan(leak->per_1000_requests))
        mc_buf_add_str(out, "; which route it goes with can't be told");
    if (d->sides[l->side].run_count > 1)
        mc_buf_printf(out, " (%zu of %zu runs)", l->runs, d->sides[l->side].run_count);
    if (l->is_new)
        mc_buf_printf(out, "; side %c does not", l->side ? 'A' : 'B');
}

/* ---- the page
 * -------------------------------------------------------------------------------------- */

static void add_side(const struct mc_diff *d, size_t side, struct mc_buf *out)
{
    for (size_t i = 0; i < d->sides[side].run_count; i++) {
        const struct mc_run_measures *m = &d->sides[side].runs[i];
        if (i == RUNS_SHOWN) {
            mc_buf_printf(out, "  %c  and %zu more\n", side ? 'B' : 'A',
                          d->sides[side].run_count - i);
            return;
        }
        mc_buf_printf(out, "  %c  ", side ? 'B' : 'A');
        mc_diff_run_name(m, out);
        if (m->info.label && m->info.label[0])
            mc_buf_printf(out, " \"%s\"", m->info.label);
        if (m->info.build && m->info.build[0])
            mc_buf_printf(out, ", build %s", m->info.build);
        mc_buf_add_str(out, ", ");
        mc_diff_time(out, m->from);
        mc_buf_add_str(out, " to ");
        mc_diff_time(out, m->to);
        mc_buf_printf(out, ", %llu frames, %.0f requests\n", (unsigned long long)m->frame_count,
                      m->request_count);
    }
}

/* Columns of a row, each its own text. */
enum { COLUMNS = 8 };
static void fill_columns(const struct mc_diff_row *row, struct mc_buf cells[COLUMNS])
{
    const char *unit = row->like->unit;
    mc_diff_row_name(row, &cells[0]);
    mc_diff_number(&cells[1], row->a, unit);
    mc_diff_number(&cells[2], row->b, unit);
    if (row->delta > 0)
        mc_buf_add_char(&cells[3], '+');
    mc_diff_number(&cells[3], row->delta, unit);
    mc_diff_pct(row->pct, &cells[4]);
    if (row->has_interval) {
        mc_diff_number(&cells[5], row->low, unit);
        mc_buf_add_str(&cells[5], " .. ");
        mc_diff_number(&cells[5], row->high, unit);
    } else {
        mc_buf_add_char(&cells[5], '-');
    }
    mc_buf_add_str(&cells[6], mc_verdict_name(row->verdict));
    if (row->verdict == MC_VERDICT_CANNOT_TELL && row->changed)
        mc_buf_add_str(&cells[6], " (changed)");
    if (row->verdict == MC_VERDICT_CANNOT_TELL && !row->changed)
        mc_buf_add_str(&cells[7], row->why);
    else if (row->at_a != INT64_MIN && row->changed) {
        mc_buf_add_str(&cells[7], "A ");
        mc_diff_time(&cells[7], row->at_a);
        mc_buf_add_str(&cells[7], ", B ");
        mc_diff_time(&cells[7], row->at_b);
        if (row->since_b != INT64_MIN) {
            mc_buf_add_str(&cells[7], "; since B ");
            mc_diff_time(&cells[7], row->since_b);
        }
    }
}

/* How many columns a text takes: characters, not bytes. */
static size_t text_width(const struct mc_buf *b)
{
    size_t width = 0;
    for (size_t i = 0; i < b->count; i++)
        width += (b->bytes[i] & 0xc0) != 0x80;
    return width;
}

static void add_table(const struct mc_diff *d, size_t first, size_t count, struct mc_buf *out)
{
    static const char *const heads[COLUMNS] = {
        "measure", "A", "B", "delta", "%", "95 % interval of delta", "verdict", "look at"};
    size_t widths[COLUMNS];
    struct mc_buf(*cells)[COLUMNS] = calloc(count + 1, sizeof *cells);
    if (!cells) {
        out->failed = 1;
        return;
    }
    for (size_t c = 0; c < COLUMNS; c++)
        mc_buf_add_str(&cells[0][c], heads[c]);
    for (size_t i = 0; i < count; i++)
        fill_columns(&d->rows[first + i], cells[i + 1]);
    for (size_t c = 0; c < COLUMNS; c++) {
        widths[c] = 0;
        for (size_t i = 0; i <= count; i++) {
            size_t width = text_width(&cells[i][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t i = 0; i <= count; i++) {
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t pad = widths[c] - text_width(&cells[i][c]);
            int right = c >= 1 && c <= 4;
            for (size_t k = 0; right && k < pad; k++)
                mc_buf_add_char(out, ' ');
            mc_buf_add(out, cells[i][c].bytes, cells[i][c].count);
            for (size_t k = 0; !right && k < pad && c + 1 < COLUMNS; k++)
                mc_buf_add_char(out, ' ');
            mc_buf_add_str(out, c + 1 < COLUMNS ? "  " : "\n");
            mc_buf_fini(&cells[i][c]);
        }
    }
    free(cells);
}

void mc_diff_text(const struct mc_diff *d, int all, struct mc_buf *out)
{
    mc_diff_headline(d, out);
    mc_buf_add_char(out, '\n');
    mc_diff_counts(d, out);
    mc_buf_add_str(out, "\n\n");
    add_side(d, 0, out);
    add_side(d, 1, out);
    mc_buf_add_char(out, '\n');
    mc_diff_basis(d, out);
    mc_buf_add_char(out, '\n');
    for (size_t i = 0; i < d->setup_count; i++)
        mc_buf_printf(out, "%s%s\n", i ? "  " : "\nset up otherwise:\n  ", d->notes[i]);
    for (size_t i = 0; i < d->leak_count; i++) {
        mc_buf_add_str(out, i ? "  " : "\nleaks:\n  ");
        mc_diff_leak_line(d, &d->leaks[i], out);
        mc_buf_add_char(out, '\n');
    }
    size_t shown = d->row_count;
    if (!all) {
        shown -= d->counts[MC_VERDICT_SAME];
        size_t least =
            d->counts[MC_VERDICT_WORSE] + d->counts[MC_VERDICT_BETTER] + d->changed_count;
        size_t most = least > ROWS_SHOWN ? least : ROWS_SHOWN;
        shown = shown > most ? most : shown;
    }
    if (shown) {
        mc_buf_add_char(out, '\n');
        add_table(d, 0, shown, out);
    }
    if (shown < d->row_count)
        mc_buf_printf(out, "%s%zu more measures (%zu are the same): --all shows them\n",
                      shown ? "" : "\n", d->row_count - shown, d->counts[MC_VERDICT_SAME]);
    for (size_t i = d->setup_count; i < d->note_count; i++)
        mc_buf_printf(out, "%s%s\n", i > d->setup_count ? "  " : "\nnotes:\n  ", d->notes[i]);
}
