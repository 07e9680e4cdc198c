/* leak_fit.c: what each request of a route leaves of a level, out of how both go along moment by
 * moment.
 *
 * Routes that are asked for at steady rates rise together with each other and with time. But from
 * one frame, or one collection, to the next there is one request more of this or of that, and what
 * is left goes with the ones that leave something. So what each step has brought is regressed on
 * the step's requests of each route and on its time (what comes by itself). Of a pool that is the
 * slots taken in that step and never given back: its garbage and what is held for a while are no
 * part of it. What a request holds only until it is answered is told by the requests that are open
 * at a step's ends; that levels and events are not read at the same instant, by the step's
 * neighbours. A route is named when the low end of its part is above a half: where the steps tell
 * nothing apart, no part is sure.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/leak_priv.h"
#include "replay/least_squares.h"
#include "tracer/error.h"

#define SHARE_LEAST 0.5
/* A part above the whole means that something else takes away what this brings: what is dropped at
 * collections that are not known as such looks so. */
#define SHARE_MOST 1.5
#define AWAY_MOST 0.5
#define SURE_Z 3.3 /* one in 2,000 */
#define FREE_LEAST 8u
#define LAGS 10u /* frames that a disturbance goes on */
#define ROWS_A_COLUMN 10u

/* How much a design tells of a step: what is left out of a smaller one is taken to be none. */
enum design { STEPS_ONLY, WITH_OPEN, WITH_NEIGHBOURS, DESIGNS };

struct steps {
    size_t count;
    size_t *at; /* owned; of the trail's points: the step's end */
    size_t routes[MC_LEAK_ROUTES], route_count;
};

static double step_ended(const struct mc_leak_trail *t, size_t at, size_t route)
{
    const uint32_t *to = t->ended + at * MC_LEAK_ROUTES + route;
    return (double)(*to - to[-(ptrdiff_t)MC_LEAK_ROUTES]);
}

static double step_opened(const struct mc_leak_trail *t, size_t at, size_t route)
{
    const int32_t *to = t->open + at * MC_LEAK_ROUTES + route;
    return (double)(*to - to[-(ptrdiff_t)MC_LEAK_ROUTES]);
}

/* The steps that have neighbours on both sides and nothing missing, and the routes in them. */
static int find_steps(const struct mc_leak_trail *t, size_t route_count, struct steps *s)
{
    *s = (struct steps){.at = malloc((t->count + 1) * sizeof *s->at)};
    if (!s->at)
        return MC_ENOMEM;
    for (size_t i = 2; i + 1 < t->count; i++)
        if (!t->points[i - 1].is_broken && !t->points[i].is_broken && !t->points[i + 1].is_broken)
            s->at[s->count++] = i;
    for (size_t r = 0; r < route_count; r++) {
        double sum = 0;
        for (size_t i = 0; i < s->count; i++)
            sum += step_ended(t, s->at[i], r);
        if (sum > 0)
            s->routes[s->route_count++] = r;
    }
    return 0;
}

/* One column of the design into column `c` of x, unless nothing happens in it. Returns the next. */
struct columns {
    double *x;
    size_t count, room;
};

static void add_column(const struct steps *s, struct columns *c, const double *values)
{
    int is_any = 0;
    for (size_t i = 0; i < s->count; i++)
        is_any |= values[i] != 0;
    if (!is_any)
        return;
    for (size_t i = 0; i < s->count; i++)
        c->x[i * c->room + c->count] = values[i];
    c->count++;
}

/* Time comes first, then the routes; then what is only there to take disturbances away. */
static void make_design(const struct mc_leak_trail *t, const struct steps *s, enum design design,
                        struct columns *c, double *column)
{
    for (size_t i = 0; i < s->count; i++)
        column[i] = (double)(t->points[s->at[i]].ts - t->points[s->at[i] - 1].ts) / 1e9;
    add_column(s, c, column);
    for (size_t r = 0; r < s->route_count; r++) {
        for (size_t i = 0; i < s->count; i++)
            column[i] = step_ended(t, s->at[i], s->routes[r]);
        add_column(s, c, column);
    }
    for (size_t r = 0; r < s->route_count && design >= WITH_OPEN; r++) {
        for (size_t i = 0; i < s->count; i++)
            column[i] = step_opened(t, s->at[i], s->routes[r]);
        add_column(s, c, column);
    }
    for (size_t r = 0; r < s->route_count && design >= WITH_NEIGHBOURS; r++) {
        for (int side = -1; side <= 1; side += 2) {
            for (size_t i = 0; i < s->count; i++)
                column[i] = step_ended(t, s->at[i] + (size_t)side, s->routes[r]) -
                            step_ended(t, s->at[i], s->routes[r]);
            add_column(s, c, column);
        }
    }
}

/* Close the gaps that unused columns leave in the rows. */
static void pack(struct columns *c, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        memmove(c->x + i * c->count, c->x + i * c->room, c->count * sizeof *c->x);
}

static double sum_of(const double *x, size_t rows, size_t columns, size_t column)
{
    double sum = 0;
    for (size_t i = 0; i < rows; i++)
        sum += x[i * columns + column];
    return sum;
}

/* The route that a fit names, out of its coefficients. */
static size_t judge(const struct steps *s, const struct columns *c, const double *y,
                    const double *b, const double *variance, struct mc_leak_share *out)
{
    double grown = sum_of(y, s->count, 1, 0), best = 0;
    double z = mc_student(SURE_Z, (double)(s->count - c->count));
    size_t named = MC_LEAK_ROUTES;
    if (grown <= 0)
        return named;
    double seconds = sum_of(c->x, s->count, c->count, 0) / grown;
    if (b[0] * seconds + z * sqrt(variance[0]) * seconds < -AWAY_MOST)
        return named;
    for (size_t r = 0; r < s->route_count; r++) {
        double per = sum_of(c->x, s->count, c->count, r + 1) / grown;
        double share = b[r + 1] * per, reach = z * sqrt(variance[r + 1]) * per;
        if (share <= best)
            continue;
        best = share;
        *out = (struct mc_leak_share){share, share - reach, share + reach, b[r + 1]};
        named = out->low >= SHARE_LEAST && share <= SHARE_MOST ? s->routes[r] : MC_LEAK_ROUTES;
    }
    return named;
}

static int try_design(const struct mc_leak_trail *t, const struct steps *s, enum design design,
                      size_t *route, struct mc_leak_share *share)
{
    size_t most = 1 + 4 * s->route_count;
    double *all = malloc((s->count * (most + 2) + 2 * most) * sizeof *all);
    if (!all)
        return MC_ENOMEM;
    struct columns c = {.x = all, .room = most};
    double *y = all + s->count * most, *column = y + s->count, *b = column + s->count;
    make_design(t, s, design, &c, column);
    pack(&c, s->count);
    for (size_t i = 0; i < s->count; i++)
        y[i] = t->points[s->at[i]].level - t->points[s->at[i] - 1].level;
    int rc = MC_EINVAL;
    size_t needed = c.count + FREE_LEAST;
    if (design == WITH_NEIGHBOURS && needed < ROWS_A_COLUMN * c.count)
        needed = ROWS_A_COLUMN * c.count;
    if (s->count >= needed)
        rc = mc_robust_fit(c.x, y, s->count, c.count, s->count >= 8 * LAGS ? LAGS : 0, b, b + most);
    if (rc == 0)
        *route = judge(s, &c, y, b, b + most, share);
    free(all);
    return rc;
}

int mc_leak_trail_route(const struct mc_leak_trail *t, size_t route_count, size_t *route,
                        struct mc_leak_share *share)
{
    struct steps s;
    *route = MC_LEAK_ROUTES;
    if (find_steps(t, route_count, &s))
        return MC_ENOMEM;
    /* The fullest design that there are steps enough for. */
    int rc = s.route_count ? MC_EINVAL : 0;
    for (int design = DESIGNS; rc == MC_EINVAL && design-- > 0;)
        rc = try_design(t, &s, (enum design)design, route, share);
    free(s.at);
    return rc == MC_EINVAL ? 0 : rc;
}
