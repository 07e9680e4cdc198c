/* diff_html.c: a comparison as one HTML file: no script, no other file, nothing from the network.
 *
 * Never: puts a text of a trace into the page unescaped.
 */
#include <math.h>
#include <string.h>

#include "replay/diff_priv.h"

#define OVERLAYS 40u
#define WIDTH 560.0
#define HEIGHT 120.0
#define MAP_COLUMNS 128u
#define MAP_ROWS 64u

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>memcam diff</title>\n<style>\n"
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;"
    "color:#1b1f24;background:#fff}\n"
    "h1{font-size:1.3em}h2{font-size:1.05em;margin-top:2em}\n"
    "table{border-collapse:collapse;width:100%;font-size:13px}\n"
    "td,th{padding:.25em .6em;border-bottom:1px solid #d8dee4;text-align:left;"
    "vertical-align:top}\n"
    "td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".worse{color:#b3261e;font-weight:600}.better{color:#1a7f37;font-weight:600}\n"
    ".a{stroke:#0969da}.b{stroke:#bc4c00}.fa{fill:#0969da}.fb{fill:#bc4c00}.fc{fill:#8c959f}\n"
    "path{fill:none;stroke-width:1.3}svg{display:block;background:#f6f8fa}figure{margin:1em 0}\n"
    "text{font:11px system-ui,sans-serif;fill:#57606a}\n"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "svg{background:#161b22}td,th{border-color:#30363d}.a{stroke:#58a6ff}.b{stroke:#f0883e}"
    ".fa{fill:#58a6ff}.fb{fill:#f0883e}a{color:#58a6ff}.worse{color:#ff7b72}"
    ".better{color:#56d364}}\n"
    "</style></head><body>\n";

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
        double y = HEIGHT - 8 -
                   ((double)series[i] - axes->least) / (axes->most - axes->least) * (HEIGHT - 24);
        mc_buf_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', width * (i + 0.5), y);
        pen = 1;
    }
    mc_buf_add_str(out, "\"/>");
}

static void add_cross(struct mc_buf *out, const struct axes *axes, const char *class,
                      const struct mc_run_measures *m, int64_t ts)
{
    double x = (double)(ts - m->from) / 1e9 / axes->seconds * WIDTH;
    mc_buf_printf(out, "<path class=\"%s\" stroke-dasharray=\"2 3\" d=\"M%.1f 14V%.1f\"/>", class,
                  x, HEIGHT);
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
    mc_buf_printf(out, "<figure id=\"m%zu\"><figcaption>", idx);
    mc_diff_row_name(row, &part);
    take_text(out, &part);
    mc_buf_printf(
        out,
        "</figcaption><svg width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
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
    mc_buf_add_str(out, "<figure><figcaption>");
    add_text(out, map->name);
    mc_buf_add_str(out, ": A at ");
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
    mc_buf_add_str(out, "<tr><td>");
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
    if (row->at_a != INT64_MIN && row->changed) {
        mc_buf_add_str(out, "A ");
        mc_diff_time(out, row->at_a);
        mc_buf_add_str(out, ", B ");
        mc_diff_time(out, row->at_b);
    }
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
            mc_buf_printf(
                out,
                "<li><svg width=\"10\" height=\"10\" style=\"display:inline\"><rect class=\"f%c\" "
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

static void add_list(struct mc_buf *out, const char *title, size_t count)
{
    if (count)
        mc_buf_printf(out, "<h2>%s</h2>\n", title);
}

void mc_diff_html(const struct mc_diff *d, const struct mc_diff_condition *conditions,
                  size_t condition_count, const struct mc_diff_map *maps, size_t map_count,
                  struct mc_buf *out)
{
    static const char *const outcomes[] = {"cannot tell", "no", "holds"};
    struct mc_buf part = {0};
    mc_buf_add_str(out, page_head);
    mc_buf_add_str(out, "<h1>");
    mc_diff_headline(d, &part);
    take_text(out, &part);
    mc_buf_add_str(out, "</h1>\n");
    add_sides(d, out);
    mc_buf_add_str(out, "<p>");
    mc_diff_basis(d, &part);
    take_text(out, &part);
    mc_buf_add_str(out, "</p>\n");
    add_list(out, "Leaks", d->leak_count);
    for (size_t i = 0; i < d->leak_count; i++) {
        mc_diff_leak_line(d, &d->leaks[i], &part);
        mc_buf_add_str(out, "<p>");
        take_text(out, &part);
        mc_buf_add_str(out, "</p>\n");
    }
    add_list(out, "Conditions", condition_count);
    for (size_t i = 0; i < condition_count; i++) {
        mc_buf_add_str(out, "<p>");
        add_text(out, conditions[i].text);
        mc_buf_printf(out, ": %s</p>\n", outcomes[conditions[i].outcome + 1]);
    }
    mc_buf_add_str(out, "<h2>Measures</h2>\n<table><tr><th>measure</th><th>A</th><th>B</th>"
                        "<th>delta</th><th>%</th><th>interval of delta (95 %)</th><th>verdict</th>"
                        "<th>look at</th></tr>\n");
    for (size_t i = 0; i < d->row_count; i++)
        add_row(&d->rows[i], i, out);
    mc_buf_add_str(out, "</table>\n<h2>Over time</h2>\n");
    for (size_t i = 0; i < d->row_count && i < OVERLAYS; i++)
        if (has_overlay(&d->rows[i], i))
            add_overlay(d, &d->rows[i], i, out);
    add_list(out, "Slots", map_count);
    for (size_t i = 0; i < map_count; i++)
        add_map(out, &maps[i]);
    add_list(out, "Notes", d->note_count);
    for (size_t i = 0; i < d->note_count; i++) {
        mc_buf_add_str(out, "<p>");
        add_text(out, d->notes[i]);
        mc_buf_add_str(out, "</p>\n");
    }
    mc_buf_add_str(out, "</body></html>\n");
    mc_buf_fini(&part);
}
