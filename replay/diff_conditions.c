/* diff_conditions.c: --fail-on: 'p99>5%,leak'. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "tracer/error.h"

static int parse_one(const char *text, struct mc_diff_condition *c, char *why, size_t why_bytes)
{
    size_t n = strlen(text), name = strcspn(text, ">");
    *c = (struct mc_diff_condition){.is_known = 1};
    if (n >= sizeof c->text || name == 0 || name >= sizeof c->stat)
        goto wrong;
    memcpy(c->text, text, n + 1);
    memcpy(c->stat, text, name);
    while (name && c->stat[name - 1] == ' ')
        c->stat[--name] = 0;
    if (!strchr(text, '>')) {
        c->is_leak = strcmp(c->stat, "leak") == 0;
        c->is_worse = strcmp(c->stat, "worse") == 0;
        if (c->is_leak || c->is_worse)
            return 0;
        goto wrong;
    }
    char *end;
    const char *number = strchr(text, '>') + 1;
    c->pct = strtod(number, &end);
    end += strspn(end, " ");
    end += *end == '%';
    if (end != number && !*end && isfinite(c->pct) && c->pct >= 0 && name)
        return 0;
wrong:
    snprintf(why, why_bytes,
             "'%.40s' is no condition: give STATISTIC>PERCENT%% (p99>5%%), leak or worse", text);
    return MC_EINVAL;
}

int mc_diff_conditions(const char *text, struct mc_diff_condition *out, char *why, size_t why_bytes)
{
    char one[192];
    int count = 0;
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n >= sizeof one || (unsigned)count == MC_DIFF_CONDITIONS_MAX) {
            snprintf(why, why_bytes, "too long, or more than %u conditions",
                     MC_DIFF_CONDITIONS_MAX);
            return MC_EINVAL;
        }
        while (n && *text == ' ') {
            text++;
            n--;
        }
        memcpy(one, text, n);
        while (n && one[n - 1] == ' ')
            n--;
        one[n] = 0;
        if (parse_one(one, &out[count], why, why_bytes) != 0)
            return MC_EINVAL;
        count++;
        text += strcspn(text, ",");
        if (*text == ',' && !*++text)
            return parse_one("", &out[0], why, why_bytes);
    }
    if (count)
        return count;
    snprintf(why, why_bytes, "is empty: give STATISTIC>PERCENT%% (p99>5%%), leak or worse");
    return MC_EINVAL;
}

/* A row that this condition is about: its statistic, or part of its name or key, or all of these
 * ("latency p99", "GET /a latency p99"); capitals don't matter. */
static int is_about(const struct mc_diff_condition *c, const struct mc_diff_row *row)
{
    struct mc_buf name = {0};
    if (strcasecmp(c->stat, row->like->stat) == 0)
        return 1;
    mc_diff_row_name(row, &name);
    mc_buf_add_char(&name, 0);
    int found = strcasestr(row->like->key, c->stat) != NULL ||
                (!name.failed && strcasestr((const char *)name.bytes, c->stat) != NULL);
    mc_buf_fini(&name);
    return found;
}

static void check_rows(const struct mc_diff *d, struct mc_diff_condition *c)
{
    c->is_known = 0;
    for (size_t i = 0; i < d->row_count && c->outcome <= 0; i++) {
        const struct mc_diff_row *row = &d->rows[i];
        int is_bad = row->like->direction * row->delta > 0 && fabs(row->pct) > c->pct;
        if (!is_about(c, row))
            continue;
        c->is_known = 1;
        if (!is_bad)
            continue;
        if (row->verdict == MC_VERDICT_WORSE) {
            c->outcome = 1;
            c->stat_reason = row->like->key;
        } else if (row->verdict == MC_VERDICT_CANNOT_TELL && !c->outcome) {
            c->outcome = -1;
            c->stat_reason = row->like->key;
        }
    }
}

int mc_diff_conditions_check(const struct mc_diff *d, struct mc_diff_condition *c, size_t count)
{
    int any = 0;
    for (size_t i = 0; i < count; i++) {
        c[i].outcome = 0;
        c[i].is_known = 1;
        if (c[i].is_worse) {
            c[i].outcome = d->counts[MC_VERDICT_WORSE] > 0;
        } else if (c[i].is_leak) {
            for (size_t k = 0; k < d->leak_count; k++) {
                if (d->leaks[k].side == 1 && d->leaks[k].is_new) {
                    c[i].outcome = 1;
                    c[i].stat_reason = d->leaks[k].leak->source;
                }
            }
        } else {
            check_rows(d, &c[i]);
        }
        any |= c[i].outcome > 0;
    }
    return any;
}
