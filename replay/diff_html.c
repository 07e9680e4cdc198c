/* diff_html.c: a comparison as one HTML file: no script, no other file, nothing from the network.
 *
 * Never: puts a text of a trace into the page unescaped.
 */
#include <math.h>
#include <string.h>

#include "replay/diff_priv.h"

#define OVERLAYS 24u
#define ROWS_OPEN 12u
#define KEY(class)                                                                                 \
    "<svg class=\"key\" width=\"10\" height=\"10\"><rect class=\"" class "\" width=\"10\" "        \
                                                                         "height=\"10\"/></svg>"
#define WIDTH 560.0
#define HEIGHT 120.0
#define MAP_COLUMNS 128u
#define MAP_ROWS 64u

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>memcam diff</title>\n<style>\n"
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--page:#f6f8fa;--card:#fff;"
    "--rule:#d8dee4;--a:#0969da;--b:#bc4c00;--both:#8c959f;--worse:#b3261e;--better:#1a7f37}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--page:#0d1117;"
    "--card:#161b22;--rule:#30363d;--a:#58a6ff;--b:#f0883e;--both:#6e7681;--worse:#ff7b72;"
    "--better:#56d364}}\n"
    "body{font:14px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--page)}\n"
    "main{max-width:1180px;margin:0 auto;padding:2em 1.5em 4em}\n"
    "h1{font-size:1.45em;line-height:1.3;margin:0 0 .2em}h2{font-size:1.1em;margin:2.2em 0 .6em}\n"
    "a{color:var(--a);text-decoration:none}a:hover{text-decoration:underline}\n"
    ".soft{color:var(--soft)}.card{background:var(--card);border:1px solid var(--rule);"
    "border-radius:8px;padding:.8em 1.1em;margin:1em 0;overflow-x:auto}.card p{margin:.35em 0}\n"
    "ul{list-style:none;padding:0;margin:.4em 0}.leak{border-left:4px solid var(--worse)}\n"
    "table{border-collapse:collapse;width:100%;font-size:13px}\n"
    "td,th{padding:.32em .7em;border-bottom:1px solid var(--rule);text-align:left;"
    "vertical-align:top}th{color:var(--soft);font-weight:500}tr:last-child td{border-bottom:0}\n"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".worse{color:var(--worse);font-weight:600}.better{color:var(--better);font-weight:600}\n"
    ".a{stroke:var(--a)}.b{stroke:var(--b)}.fa{fill:var(--a)}.fb{fill:var(--b)}"
    ".fc{fill:var(--both)}\n"
    "path{fill:none;stroke-width:1.4;stroke-linecap:round}svg{display:block}svg.key{display:inline;"
    "margin-right:.4em}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(500px,1fr));gap:1em}\n"
    "figure{margin:0}.grid .card{margin:0}figcaption{margin-bottom:.4em}"
    ".over{width:100%;height:auto}figure:target{outline:2px solid var(--a)}\n"
    "text{font:11px system-ui,sans-serif;fill:var(--soft)}summary{cursor:pointer;margin:.6em 0}\n"
    "</style></head><body><main>\n";

static void add_bytes(struct mc_buf *out, const void *text, size_t count)
{
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        switch (at[i]) {
        case '<':
            mc_buf_add_str(out, "&lt;");
            break;
        case '>':
            mc_buf_add_str(out, "&gt;");
            break;
        case '&':
            mc_buf_add_str(out, "&amp;");
            break;
        case '"':
            mc_buf_add_str(out, "&quot;");
            break;
        case '\'':
            mc_buf_add_str(out, "&#39;");
            break;
        default:
            mc_buf_add_char(out, at[i]);
        }
    }
}

static void add_text(struct mc_buf *out, const char *text)
{
    add_bytes(out, text, text ? strlen(text) : 0);
}

/* Append what was made into `part`, escaped, and empty it. */
static void take_text(struct mc_buf *out, struct mc_buf *part)
{
    out->failed |= part->failed;
    add_bytes(out, part->bytes, part->count);
    part->count = 0;
}

/* "A 2.3 s, B 2.4 s; since B 2.1 s" */
static void add_moment(const struct mc_diff_row *row, struct mc_buf *out)
{
    if (row->at_a == INT64_MIN)
        return;
    mc_buf_add_str(out, "A ");
    mc_diff_time(out, row->at_a);
    mc_buf_add_str(out, ", B ");
    mc_diff_time(out, row->at_b);
    if (row->since_b == INT64_MIN)
        return;
    mc_buf_add_str(out, "; since B ");
    mc_diff_time(out, row->since_b);
}

/* ---- overlays
 * -------------------------------------------------------------------------------------- */

struct axes {
    double most, least, seconds;
};

static void widen(struct axes *axes, const float *series, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(series[i]))
            continue;
        axes->most = fmax(axes->most, (double)series[i]);
        axes->least = fmin(axes->least, (double)series[i]);
    }
}

static void add_line(struct mc_buf *out, const struct axes *axes, const char *class,
                     const struct mc_run_measures *m, const float *series)
{
    double width = (double)(m->to - m->from) / 1e9 / axes->seconds * WIDTH / m->bin_count;
    int pen = 0;
    mc_buf_printf(out, "<path class=\"%s\" d=\"", class);
    for (uint32_t i = 0; i < m->bin_count; i++) {
        if (isnan(series[i])) {
            pen = 0; /* a gap stays a gap */
            continue;
        }
        double y = HEIGHT - 18 -
                   ((double)series[i] - axes->least) / (axes->most - axes->least) * (HEIGHT - 34);
        mc_buf_printf(out, pen ? "L%.1f %.1f" : "M%.1f %.1fh0", width * (i + 0.5), y);
        pen = 1;
    }
    mc_buf_add_str(out, "\"/>");
}

static void add_cross(struct mc_buf *out, const struct axes *axes, const char *class,
                      const struct mc_run_measures *m, int64_t ts)
{
    double x = (double)(ts - m->from) / 1e9 / axes->seconds * WIDTH;
    mc_buf_printf(out, "<path class=\"%s\" stroke-dasharray=\"2 3\" d=\"M%.1f 14V%.1f\"/>", class,
                  x, HEIGHT - 16);
}

static void add_overlay(const struct mc_diff *d, const struct mc_diff_row *row, size_t idx,
                        struct mc_buf *out)
{
    const struct mc_run_measures *a = &d->sides[0].runs[0], *b = &d->sides[1].runs[0];
    struct axes axes = {-INFINITY, INFINITY,
                        fmax((double)(a->to - a->from), (double)(b->to - b->from)) / 1e9};
    struct mc_buf part = {0};
    widen(&axes, row->a_series, a->bin_count);
    widen(&axes, row->b_series, b->bin_count);
    if (!(axes.most >= axes.least))
        return;
    if (axes.least > 0 && axes.least < axes.most * 0.8)
        axes.least = 0;
    if (axes.most - axes.least <= 0)
        axes.most = axes.least + 1;
    mc_buf_printf(out, "<figure class=\"card\" id=\"m%zu\"><figcaption>", idx);
    mc_diff_row_name(row, &part);
    take_text(out, &part);
    mc_buf_printf(out, " <a href=\"#r%zu\">&#8593;</a> <span class=\"soft\">", idx);
    add_moment(row, out);
    mc_buf_printf(out,
                  "</span></figcaption><svg class=\"over\" "
                  "viewBox=\"0 0 %.0f %.0f\" role=\"img\">",
                  WIDTH, HEIGHT);
    add_line(out, &axes, "a", a, row->a_series);
    add_line(out, &axes, "b", b, row->b_series);
    if (row->at_a != INT64_MIN) {
        add_cross(out, &axes, "a", a, row->at_a);
        add_cross(out, &axes, "b", b, row->at_b);
    }
    mc_diff_number(&part, axes.most, row->like->unit);
    mc_buf_add_str(out, "<text x=\"4\" y=\"12\">");
    take_text(out, &part);
    mc_diff_number(&part, axes.least, row->like->unit);
    mc_buf_printf(out, "</text><text x=\"4\" y=\"%.0f\">", HEIGHT - 2);
    take_text(out, &part);
    mc_diff_time(&part, (int64_t)(axes.seconds * 1e9));
    mc_buf_printf(out, "</text><text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">", WIDTH - 4,
                  HEIGHT - 2);
    take_text(out, &part);
    mc_buf_add_str(out, "</text></svg></figure>\n");
    mc_buf_fini(&part);
}

/* ---- maps
 * ------------------------------------------------------------------------------------------- */

/* What most of a cell's used slots are: 1 A only, 2 B only, 3 both, 0 none used. */
static int cell_of(const struct mc_diff_map *map, uint32_t first, uint32_t count)
{
    uint32_t seen[4] = {0};
    for (uint32_t i = first; i < first + count && i < map->slot_count; i++)
        seen[map->slots[i] & 3]++;
    int most = seen[1] >= seen[2] ? 1 : 2;
    if (seen[3] >= seen[most])
        most = 3;
    return seen[most] ? most : 0;
}

static void add_map(struct mc_buf *out, const struct mc_diff_map *map)
{
    static const char *const classes[] = {"", "fa", "fb", "fc"};
    uint32_t cells = MAP_COLUMNS * MAP_ROWS, per_cell = (map->slot_count + cells - 1) / cells;
    uint32_t rows = (map->slot_count + per_cell * MAP_COLUMNS - 1) / (per_cell * MAP_COLUMNS);
    uint64_t seen[4] = {0};
    for (uint32_t i = 0; i < map->slot_count; i++)
        seen[map->slots[i] & 3]++;
    mc_buf_add_str(out, "<figure class=\"card\"><figcaption><strong>");
    add_text(out, map->name);
    mc_buf_add_str(out, "</strong>: A at ");
    mc_diff_time(out, map->at_a);
    mc_buf_add_str(out, ", B at ");
    mc_diff_time(out, map->at_b);
    mc_buf_printf(out,
                  ": %llu slots used by A only, %llu by B only, %llu by both, %llu by none (a cell "
                  "is %u slot%s)</figcaption>",
                  (unsigned long long)seen[1], (unsigned long long)seen[2],
                  (unsigned long long)seen[3], (unsigned long long)seen[0], per_cell,
                  per_cell > 1 ? "s" : "");
    mc_buf_printf(out,
                  "<svg width=\"%u\" height=\"%u\" shape-rendering=\"crispEdges\" role=\"img\">",
                  MAP_COLUMNS * 6, rows * 6);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < MAP_COLUMNS;) {
            uint32_t end = column + 1, at = (row * MAP_COLUMNS + column) * per_cell;
            int cell = cell_of(map, at, per_cell);
            while (end < MAP_COLUMNS &&
                   cell_of(map, (row * MAP_COLUMNS + end) * per_cell, per_cell) == cell)
                end++;
            if (cell)
                mc_buf_printf(out,
                              "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"5\"/>",
                              classes[cell], column * 6, row * 6, (end - column) * 6 - 1);
            column = end;
        }
    }
    mc_buf_add_str(out, "</svg></figure>\n");
}

/* ---- the page
 * --------------------------------------------------------------------------------------- */

static void add_cell(struct mc_buf *out, struct mc_buf *part)
{
    mc_buf_add_str(out, "<td class=\"n\">");
    take_text(out, part);
    mc_buf_add_str(out, "</td>");
}

static int has_overlay(const struct mc_diff_row *row, size_t idx)
{
    return idx < OVERLAYS && row->a_series && row->b_series;
}

static void add_row(const struct mc_diff_row *row, size_t idx, struct mc_buf *out)
{
    const char *unit = row->like->unit;
    struct mc_buf part = {0};
    mc_buf_printf(out, "<tr id=\"r%zu\"><td>", idx);
    if (has_overlay(row, idx))
        mc_buf_printf(out, "<a href=\"#m%zu\">", idx);
    mc_diff_row_name(row, &part);
    take_text(out, &part);
    mc_buf_add_str(out, has_overlay(row, idx) ? "</a></td>" : "</td>");
    mc_diff_number(&part, row->a, unit);
    add_cell(out, &part);
    mc_diff_number(&part, row->b, unit);
    add_cell(out, &part);
    mc_diff_number(&part, row->delta, unit);
    add_cell(out, &part);
    mc_diff_pct(row->pct, &part);
    add_cell(out, &part);
    if (row->has_interval) {
        mc_diff_number(&part, row->low, unit);
        mc_buf_add_str(&part, " .. ");
        mc_diff_number(&part, row->high, unit);
    }
    add_cell(out, &part);
    mc_buf_printf(out, "<td class=\"%s\">%s%s%s</td><td>",
                  row->verdict <= MC_VERDICT_BETTER ? mc_verdict_name(row->verdict) : "",
                  mc_verdict_name(row->verdict), row->why[0] ? ": " : "", row->why);
    if (row->changed)
        add_moment(row, out);
    mc_buf_add_str(out, "</td></tr>\n");
    mc_buf_fini(&part);
}

static void add_sides(const struct mc_diff *d, struct mc_buf *out)
{
    struct mc_buf part = {0};
    mc_buf_add_str(out, "<ul>");
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < d->sides[s].run_count; i++) {
            const struct mc_run_measures *m = &d->sides[s].runs[i];
            mc_buf_printf(out,
                          "<li><svg class=\"key\" width=\"10\" height=\"10\"><rect class=\"f%c\" "
                          "width=\"10\" height=\"10\"/></svg> %c: ",
                          s ? 'b' : 'a', s ? 'B' : 'A');
            mc_diff_run_name(m, &part);
            mc_buf_printf(&part, " \"%s\", build %s, ", m->info.label ? m->info.label : "",
                          m->info.build && m->info.build[0] ? m->info.build : "(none)");
            mc_diff_time(&part, m->from);
            mc_buf_add_str(&part, " to ");
            mc_diff_time(&part, m->to);
            mc_buf_printf(&part, ", %llu frames, %.0f requests", (unsigned long long)m->frame_count,
                          m->request_count);
            take_text(out, &part);
            mc_buf_add_str(out, "</li>\n");
        }
    }
    mc_buf_add_str(out, "</ul>\n");
    mc_buf_fini(&part);
}

static void add_title(struct mc_buf *out, const char *title, size_t count)
{
    if (count)
        mc_buf_printf(out, "<h2>%s</h2>\n", title);
}

/* Lines of text in a card. */
static void add_notes(const struct mc_diff *d, const char *title, size_t from, size_t to,
                      struct mc_buf *out)
{
    if (from == to)
        return;
    mc_buf_printf(out, "<h2>%s</h2>\n<div class=\"card\">\n", title);
    for (size_t i = from; i < to; i++) {
        mc_buf_add_str(out, "<p>");
        add_text(out, d->notes[i]);
        mc_buf_add_str(out, "</p>\n");
    }
    mc_buf_add_str(out, "</div>\n");
}

static void add_head(const struct mc_diff *d, struct mc_buf *out)
{
    struct mc_buf part = {0};
    mc_buf_printf(out, "<h1%s>", d->counts[MC_VERDICT_WORSE] ? " class=\"worse\"" : "");
    mc_diff_headline(d, &part);
    take_text(out, &part);
    mc_buf_add_str(out, "</h1>\n<p>");
    mc_diff_counts(d, &part);
    take_text(out, &part);
    mc_buf_add_str(out, "</p>\n<div class=\"card\">");
    add_sides(d, out);
    mc_buf_add_str(out, "<p class=\"soft\">");
    mc_diff_basis(d, &part);
    take_text(out, &part);
    mc_buf_add_str(out, "</p></div>\n");
    for (size_t i = 0; i < d->leak_count; i++) {
        mc_diff_leak_line(d, &d->leaks[i], &part);
        mc_buf_add_str(out, "<div class=\"card leak\">leak: ");
        take_text(out, &part);
        mc_buf_add_str(out, "</div>\n");
    }
    mc_buf_fini(&part);
}

static void add_conditions(const struct mc_diff_condition *conditions, size_t count,
                           struct mc_buf *out)
{
    static const char *const outcomes[] = {"cannot tell", "no", "holds"};
    add_title(out, "Fail on", count);
    for (size_t i = 0; i < count; i++) {
        mc_buf_printf(out, "<p%s>", conditions[i].outcome > 0 ? " class=\"worse\"" : "");
        add_text(out, conditions[i].text);
        mc_buf_printf(out, ": %s</p>\n", outcomes[conditions[i].outcome + 1]);
    }
}

static void add_rows(const struct mc_diff *d, size_t from, size_t to, struct mc_buf *out)
{
    mc_buf_add_str(out, "<div class=\"card\"><table><tr><th>measure</th><th class=\"n\">A</th>"
                        "<th class=\"n\">B</th><th class=\"n\">delta</th><th class=\"n\">%</th>"
                        "<th class=\"n\">95 % interval of delta</th><th>verdict</th>"
                        "<th>look at</th></tr>\n");
    for (size_t i = from; i < to; i++)
        add_row(&d->rows[i], i, out);
    mc_buf_add_str(out, "</table></div>\n");
}

/* What differs, then the rest folded away. */
static void add_measures(const struct mc_diff *d, struct mc_buf *out)
{
    size_t shown = d->counts[MC_VERDICT_WORSE] + d->counts[MC_VERDICT_BETTER] + d->changed_count;
    shown = shown > ROWS_OPEN ? shown : ROWS_OPEN;
    shown = shown < d->row_count ? shown : d->row_count;
    mc_buf_add_str(out, "<h2>Measures</h2>\n");
    add_rows(d, 0, shown, out);
    if (shown == d->row_count)
        return;
    mc_buf_printf(out, "<details><summary>%zu more measures (%zu are the same)</summary>\n",
                  d->row_count - shown, d->counts[MC_VERDICT_SAME]);
    add_rows(d, shown, d->row_count, out);
    mc_buf_add_str(out, "</details>\n");
}

void mc_diff_html(const struct mc_diff *d, const struct mc_diff_condition *conditions,
                  size_t condition_count, const struct mc_diff_map *maps, size_t map_count,
                  struct mc_buf *out)
{
    mc_buf_add_str(out, page_head);
    add_head(d, out);
    add_notes(d, "Set up otherwise", 0, d->setup_count, out);
    add_conditions(conditions, condition_count, out);
    add_measures(d, out);
    mc_buf_add_str(out, "<h2>Over time</h2>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < d->row_count && i < OVERLAYS; i++)
        if (has_overlay(&d->rows[i], i))
            add_overlay(d, &d->rows[i], i, out);
    mc_buf_add_str(out, "</div>\n");
    add_title(out, "Slots", map_count);
    if (map_count)
        mc_buf_add_str(out, "<p class=\"soft\">" KEY("fa") "used by A only &#160; " KEY(
                                "fb") "by B only &#160; " KEY("fc") "by both</p>\n");
    for (size_t i = 0; i < map_count; i++)
        add_map(out, &maps[i]);
    add_notes(d, "Notes", d->setup_count, d->note_count, out);
    mc_buf_add_str(out, "</main></body></html>\n");
}
