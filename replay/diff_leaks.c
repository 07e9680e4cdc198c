/* diff_leaks.c: the leaks of both sides, and what the other side says about where one comes from.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/diff_priv.h"
#include "tracer/error.h"

/* A route that the other side served half as often and that has left nothing there is not it. */
#define SERVED_ALIKE 0.5

static struct mc_diff_leak *known_leak(struct mc_diff *d, size_t side, const char *source)
{
    for (size_t i = 0; i < d->leak_count; i++)
        if (d->leaks[i].side == side && strcmp(d->leaks[i].leak->source, source) == 0)
            return &d->leaks[i];
    return NULL;
}

static int is_request_rate(const struct mc_measure *m)
{
    const char *what = strrchr(m->key, '/');
    return strncmp(m->key, "route/", 6) == 0 && strcmp(what, "/requests") == 0 &&
           strcmp(m->stat, "rate") == 0;
}

/* Requests a second of the route with that key, the mean over a side's runs. */
static double served(const struct mc_diff_side *side, const char *key)
{
    double sum = 0;
    for (size_t i = 0; i < side->run_count; i++)
        for (size_t k = 0; k < side->runs[i].measure_count; k++)
            if (is_request_rate(&side->runs[i].measures[k]) &&
                strcmp(side->runs[i].measures[k].key, key) == 0)
                sum += side->runs[i].measures[k].value;
    return sum / (double)side->run_count;
}

/* The one route that only this side serves, or much more than the other: what all others leave is
 * known from there. */
static void suspect_route(const struct mc_diff *d, struct mc_diff_leak *leak)
{
    const struct mc_run_measures *m = &d->sides[leak->side].runs[leak->run_idx];
    const struct mc_measure *only = NULL;
    size_t suspects = 0;
    for (size_t k = 0; k < m->measure_count; k++) {
        const char *key = m->measures[k].key;
        if (!is_request_rate(&m->measures[k]))
            continue;
        double here = served(&d->sides[leak->side], key);
        if (here <= 0 || served(&d->sides[1 - leak->side], key) >= SERVED_ALIKE * here)
            continue;
        only = &m->measures[k];
        suspects++;
    }
    if (suspects == 1) {
        leak->suspect = only->key + strlen("route/");
        leak->suspect_bytes = (int)(strrchr(only->key, '/') - leak->suspect);
    }
}

int mc_diff_collect_leaks(struct mc_diff *d)
{
    size_t most = 1;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < d->sides[s].run_count; i++)
            most += d->sides[s].runs[i].leak_count;
    d->leaks = calloc(most, sizeof *d->leaks);
    if (!d->leaks)
        return MC_ENOMEM;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < d->sides[s].run_count; i++) {
            const struct mc_run_measures *m = &d->sides[s].runs[i];
            for (size_t k = 0; k < m->leak_count; k++) {
                struct mc_diff_leak *known = known_leak(d, s, m->leaks[k].source);
                if (!known) {
                    known = &d->leaks[d->leak_count++];
                    known->side = s;
                }
                /* Of several runs one that names the route. */
                if (!known->runs++ || (!known->leak->route && m->leaks[k].route)) {
                    known->leak = &m->leaks[k];
                    known->run_idx = i;
                }
            }
        }
    }
    for (size_t i = 0; i < d->leak_count; i++) {
        struct mc_diff_leak *leak = &d->leaks[i];
        leak->is_new = !known_leak(d, 1 - leak->side, leak->leak->source);
        if (leak->is_new && !leak->leak->route)
            suspect_route(d, leak);
    }
    return 0;
}
