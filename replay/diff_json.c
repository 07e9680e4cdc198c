/* diff_json.c: a comparison as JSON.
 *
 * Format: one object. A number that is not known is null; times are ns since the run began.
 *   verdict         "different" or "same": as the exit status says
 *   headline        the answer in one line
 *   is_test         false: fewer than 5 runs a side, no verdict here is a test
 *   basis           the same in words
 *   min_effect_pct, false_discovery_rate, align
 *   counts          {worse, better, same, cannot_tell, changed}
 *   a, b            {runs: [{file, run_id, label, program, build, host, config, start_wall_ns,
 *                   interval_ns, exit, live, from, to, frames, requests, exact, gap_ns, gaps,
 *                   events_lost, damaged}]}
 *   measures        ranked, each {measure: "slab/tcp_buffers/used", stat, unit, direction
 *                   (1: more is worse, -1: less is, 0: neither), a, b, delta, pct (null: side A
 *                   has nothing to take it of), low, high (95 % of delta), of tested ones p,
 *                   adjusted_p (Benjamini and Hochberg), family_p (Westfall and Young), verdict
 *                   ("worse", "better", "same", "cannot tell"), changed, why, at: {a, b} (the
 *                   moment to look at), since: {a, b}}
 *   leaks           each {side, source, unit, per_hour, per_hour_low, per_hour_high,
 *                   per_1000_requests, floor_first, floor_last, capacity, full_in_hours, since,
 *                   route, route_by ("holders": of the slots kept; "steps", "floors": regression
 *                   of the growth, leak.h), route_share, route_share_low, route_share_high (by
 *                   steps: surely), route_per_request, suspect (the one route that only this side
 *                   serves, when none was found), runs, is_new, text}
 *   conditions      of --fail-on, each {condition, outcome: "holds", "no", "cannot tell", measure}
 *   notes           texts: what was set up otherwise (pools, interval, build), and what limits
 *                   the answer
 *   setup           how many of the notes are about the setup; they come first
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/diff_priv.h"

static void add_text(struct mc_buf *out, const char *name, const char *text)
{
    mc_buf_printf(out, "\"%s\":", name);
    if (text)
        mc_buf_add_json(out, text, strlen(text));
    else
        mc_buf_add_str(out, "null");
    mc_buf_add_char(out, ',');
}

static void add_number(struct mc_buf *out, const char *name, double value)
{
    if (isfinite(value))
        mc_buf_printf(out, "\"%s\":%.10g,", name, value);
    else
        mc_buf_printf(out, "\"%s\":null,", name);
}

static void add_ts(struct mc_buf *out, const char *name, int64_t ts)
{
    if (ts == INT64_MIN)
        mc_buf_printf(out, "\"%s\":null,", name);
    else
        mc_buf_printf(out, "\"%s\":%lld,", name, (long long)ts);
}

static void add_flag(struct mc_buf *out, const char *name, int value)
{
    mc_buf_printf(out, "\"%s\":%s,", name, value ? "true" : "false");
}

/* The comma behind the last member becomes the bracket. */
static void close_with(struct mc_buf *out, char bracket)
{
    if (!out->failed && out->count && out->bytes[out->count - 1] == ',')
        out->bytes[out->count - 1] = (uint8_t)bracket;
    else
        mc_buf_add_char(out, bracket);
}

static void add_run(struct mc_buf *out, const struct mc_run_measures *m)
{
    mc_buf_add_char(out, '{');
    add_text(out, "file", m->path);
    add_ts(out, "run_id", m->info.run_id);
    add_text(out, "label", m->info.label);
    add_text(out, "program", m->info.program);
    add_text(out, "build", m->info.build);
    add_text(out, "host", m->info.host);
    add_text(out, "config", m->info.config);
    add_ts(out, "start_wall_ns", m->info.start_wall_ns);
    add_ts(out, "interval_ns", m->info.interval_ns);
    add_text(out, "exit", m->info.exit);
    add_flag(out, "live", m->info.live);
    add_ts(out, "from", m->from);
    add_ts(out, "to", m->to);
    add_number(out, "frames", (double)m->frame_count);
    add_number(out, "requests", m->request_count);
    add_flag(out, "exact", m->is_exact);
    add_ts(out, "gap_ns", m->gap_ns);
    add_number(out, "gaps", (double)m->gap_count);
    add_number(out, "events_lost", (double)m->lost_count);
    add_number(out, "damaged", (double)m->damaged_count);
    close_with(out, '}');
}

static void add_side(struct mc_buf *out, const char *name, const struct mc_diff_side *side)
{
    mc_buf_printf(out, "\"%s\":{\"runs\":[", name);
    for (size_t i = 0; i < side->run_count; i++) {
        add_run(out, &side->runs[i]);
        mc_buf_add_char(out, ',');
    }
    close_with(out, ']');
    mc_buf_add_str(out, "},");
}

static void add_moment(struct mc_buf *out, const char *name, int64_t a, int64_t b)
{
    mc_buf_printf(out, "\"%s\":", name);
    if (a == INT64_MIN || b == INT64_MIN)
        mc_buf_add_str(out, "null,");
    else
        mc_buf_printf(out, "{\"a\":%lld,\"b\":%lld},", (long long)a, (long long)b);
}

static void add_row(struct mc_buf *out, const struct mc_diff_row *row)
{
    mc_buf_add_char(out, '{');
    add_text(out, "measure", row->like->key);
    add_text(out, "stat", row->like->stat);
    add_text(out, "unit", row->like->unit);
    add_number(out, "direction", row->like->direction);
    add_number(out, "a", row->a);
    add_number(out, "b", row->b);
    add_number(out, "delta", row->delta);
    add_number(out, "pct", row->pct);
    add_number(out, "low", row->has_interval ? row->low : NAN);
    add_number(out, "high", row->has_interval ? row->high : NAN);
    if (row->is_tested) {
        add_number(out, "p", row->p);
        add_number(out, "adjusted_p", row->adjusted_p);
        add_number(out, "family_p", row->family_p);
    }
    add_text(out, "verdict", mc_verdict_name(row->verdict));
    add_flag(out, "changed", row->changed);
    add_text(out, "why", row->why[0] ? row->why : NULL);
    add_moment(out, "at", row->at_a, row->at_b);
    add_moment(out, "since", row->since_a, row->since_b);
    close_with(out, '}');
}

static void add_leak(struct mc_buf *out, const struct mc_diff *d, const struct mc_diff_leak *l)
{
    const struct mc_leak *leak = l->leak;
    struct mc_buf text = {0};
    mc_buf_add_char(out, '{');
    add_text(out, "side", l->side ? "b" : "a");
    add_text(out, "source", leak->source);
    add_text(out, "unit", leak->unit);
    add_number(out, "per_hour", leak->per_hour);
    add_number(out, "per_hour_low", leak->per_hour_low);
    add_number(out, "per_hour_high", leak->per_hour_high);
    add_number(out, "per_1000_requests", leak->per_1000_requests);
    add_number(out, "floor_first", leak->floor_first);
    add_number(out, "floor_last", leak->floor_last);
    add_number(out, "capacity", leak->capacity > 0 ? leak->capacity : NAN);
    add_number(out, "full_in_hours", leak->full_in_hours);
    add_ts(out, "since", leak->since_ts);
    add_text(out, "route", leak->route);
    add_text(out, "route_by", leak->route ? mc_leak_evidence_name(leak->route_by) : NULL);
    add_number(out, "route_share", leak->route ? leak->route_share : NAN);
    add_number(out, "route_share_low", leak->route ? leak->route_share_low : NAN);
    add_number(out, "route_share_high", leak->route ? leak->route_share_high : NAN);
    add_number(out, "route_per_request", leak->route ? leak->route_per_request : NAN);
    char suspect[256];
    snprintf(suspect, sizeof suspect, "%.*s", l->suspect_bytes, l->suspect ? l->suspect : "");
    add_text(out, "suspect", l->suspect ? suspect : NULL);
    add_number(out, "runs", (double)l->runs);
    add_flag(out, "is_new", l->is_new);
    mc_diff_leak_line(d, l, &text);
    mc_buf_add_str(out, "\"text\":");
    mc_buf_add_json(out, text.bytes ? (const char *)text.bytes : "", text.count);
    mc_buf_add_char(out, '}');
    mc_buf_fini(&text);
}

static void add_condition(struct mc_buf *out, const struct mc_diff_condition *c)
{
    mc_buf_add_char(out, '{');
    add_text(out, "condition", c->text);
    add_text(out, "outcome", c->outcome > 0 ? "holds" : c->outcome < 0 ? "cannot tell" : "no");
    add_text(out, "measure", c->stat_reason);
    close_with(out, '}');
}

static void add_head(const struct mc_diff *d, struct mc_buf *out)
{
    struct mc_buf basis = {0};
    mc_diff_basis(d, &basis);
    for (size_t i = 0; i < basis.count; i++)
        if (basis.bytes[i] == '\n')
            basis.bytes[i] = ' ';
    add_text(out, "verdict", d->is_different ? "different" : "same");
    struct mc_buf headline = {0};
    mc_diff_headline(d, &headline);
    mc_buf_add_str(out, "\"headline\":");
    mc_buf_add_json(out, headline.bytes ? (const char *)headline.bytes : "", headline.count);
    mc_buf_add_char(out, ',');
    mc_buf_fini(&headline);
    add_flag(out, "is_test", d->is_test);
    mc_buf_add_str(out, "\"basis\":");
    mc_buf_add_json(out, basis.bytes ? (const char *)basis.bytes : "", basis.count);
    mc_buf_add_char(out, ',');
    mc_buf_fini(&basis);
    add_number(out, "min_effect_pct", d->min_effect_pct);
    add_number(out, "false_discovery_rate", MC_DIFF_RATE);
    add_text(out, "align", mc_align_name(d->align));
    mc_buf_printf(out,
                  "\"counts\":{\"worse\":%zu,\"better\":%zu,\"same\":%zu,\"cannot_tell\":%zu,"
                  "\"changed\":%zu},",
                  d->counts[MC_VERDICT_WORSE], d->counts[MC_VERDICT_BETTER],
                  d->counts[MC_VERDICT_SAME], d->counts[MC_VERDICT_CANNOT_TELL], d->changed_count);
}

void mc_diff_json(const struct mc_diff *d, const struct mc_diff_condition *conditions,
                  size_t condition_count, struct mc_buf *out)
{
    mc_buf_add_char(out, '{');
    add_head(d, out);
    add_side(out, "a", &d->sides[0]);
    add_side(out, "b", &d->sides[1]);
    mc_buf_add_str(out, "\"measures\":[");
    for (size_t i = 0; i < d->row_count; i++) {
        add_row(out, &d->rows[i]);
        mc_buf_add_char(out, ',');
    }
    close_with(out, ']');
    mc_buf_add_str(out, ",\"leaks\":[");
    for (size_t i = 0; i < d->leak_count; i++) {
        add_leak(out, d, &d->leaks[i]);
        mc_buf_add_char(out, ',');
    }
    close_with(out, ']');
    mc_buf_add_str(out, ",\"conditions\":[");
    for (size_t i = 0; i < condition_count; i++) {
        add_condition(out, &conditions[i]);
        mc_buf_add_char(out, ',');
    }
    close_with(out, ']');
    mc_buf_add_str(out, ",\"notes\":[");
    for (size_t i = 0; i < d->note_count; i++) {
        mc_buf_add_json(out, d->notes[i], strlen(d->notes[i]));
        mc_buf_add_char(out, ',');
    }
    close_with(out, ']');
    mc_buf_printf(out, ",\"setup\":%zu}\n", d->setup_count);
}
