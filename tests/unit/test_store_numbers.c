/* test_store_numbers.c: columns that take every transform, and owners that follow from routes. */
#include "store/numbers.h"

#include <stdlib.h>

#include "tests/unit/check.h"
#include "tracer/error.h"

enum { FRAMES = 50, ROUTES = 3, OWNERS = 2 };

static struct mc_schema schema;
static int64_t values[64][FRAMES];
static uint32_t source_first[8];

static int64_t *cell(uint32_t source_idx, uint32_t field_idx, int frame)
{
    return &values[schema.sources[source_idx].value_idx + field_idx][frame];
}

/* Three routes, the last from frame 20 on, and two owners, the second from frame 10 on, that share
 * their responses; what was counted before the first frame differs. */
static void make(unsigned seed, int noise)
{
    CHECK_INT(mc_schema_init(&schema), 0);
    memset(values, 0x55, sizeof values); /* frames before a source's first are not written */
    for (int i = 0; i < ROUTES + OWNERS; i++) {
        struct mc_source like = {.kind = i < ROUTES ? MC_KIND_ROUTE : MC_KIND_OWNER, .name = "x"};
        CHECK_INT(mc_schema_add_source(&schema, &like), 0);
        source_first[i] = i == 2 ? 20 : i == 4 ? 10 : 0;
    }
    int64_t counts[ROUTES + OWNERS][5] = {{1, 2, 3, 4, 5}, {70, 7, 7, 7, 7}, {0}, {9, 9, 9, 9, 9}};
    srand(seed);
    for (int f = 0; f < FRAMES; f++) {
        for (int k = 0; k < 5; k++) {
            for (int r = 0; r < ROUTES; r++) {
                if ((uint32_t)f < source_first[r])
                    continue;
                int64_t more = rand() % 1000;
                counts[r][k] += more;
                counts[ROUTES + (f >= 10 && rand() % 2)][k] += more + (noise && rand() % 9 == 0);
            }
        }
        for (uint32_t s = 0; s < ROUTES + OWNERS; s++) {
            const uint32_t first_field = s < ROUTES ? 0 : MC_FIELD(OWNER, REQUESTS);
            for (uint32_t i = 0; i < schema.sources[s].value_count; i++) {
                int is_count = i >= first_field && i < first_field + 5;
                *cell(s, i, f) = is_count ? counts[s][i - first_field] : (int64_t)i * f * 1000;
            }
        }
    }
}

static size_t round_trip(unsigned seed, int noise)
{
    make(seed, noise);
    const struct mc_cells cells = {&schema,   ROUTES + OWNERS, source_first,
                                   values[0], FRAMES,          FRAMES};
    struct mc_buf raw = {0};
    struct mc_numbers routes, owners;
    int64_t got[FRAMES], scratch[FRAMES];
    CHECK_INT(mc_numbers_put(&cells, MC_KIND_ROUTE, &raw), 0);
    CHECK_INT(mc_numbers_parse(&routes, MC_KIND_ROUTE, &schema, FRAMES, &raw), 0);
    CHECK_INT(mc_numbers_put(&cells, MC_KIND_OWNER, &raw), 0);
    size_t owner_bytes = raw.count;
    CHECK_INT(mc_numbers_parse(&owners, MC_KIND_OWNER, &schema, FRAMES, &raw), 0);
    owners.routes = &routes;
    for (uint32_t s = 0; s < ROUTES + OWNERS; s++) {
        const struct mc_numbers *n = s < ROUTES ? &routes : &owners;
        for (uint32_t i = 0; i < n->field_count; i++) {
            CHECK_INT(mc_numbers_get(n, s < ROUTES ? s : s - ROUTES, i, got, scratch), 0);
            for (int f = 0; f < FRAMES; f++) {
                int64_t one = 0;
                uint32_t at = s < ROUTES ? s : s - ROUTES;
                CHECK_INT(mc_numbers_at(n, at, i, (uint32_t)f, &one), 0);
                CHECK_INT(one, got[f]);
                CHECK_INT(got[f], (uint32_t)f < source_first[s] ? MC_VALUE_NONE : *cell(s, i, f));
            }
        }
    }
    mc_numbers_fini(&routes);
    mc_numbers_fini(&owners);
    mc_schema_fini(&schema);
    return owner_bytes;
}

static void owners_follow_from_routes(void)
{
    size_t exact = round_trip(1, 0), noisy = round_trip(1, 1);
    CHECK(exact < noisy);
    round_trip(2, 0);
    round_trip(3, 1);
}

/* One column through every shape. */
static void check_column(const int64_t *want, uint32_t count)
{
    int64_t copy[600], scratch[1200], got[600];
    struct mc_buf head = {0}, planes = {0};
    struct mc_column c;
    memcpy(copy, want, count * sizeof *copy);
    mc_column_put(copy, count, scratch, &head, &planes);
    struct mc_span s = {head.bytes, head.bytes + head.count, 0};
    CHECK_INT(mc_column_parse(&s, count, &c), 0);
    CHECK_INT((int64_t)mc_column_plane_bytes(&c), (int64_t)planes.count);
    c.planes = planes.bytes;
    CHECK_INT(mc_column_get(&c, got), 0);
    for (uint32_t i = 0; i < count; i++) {
        int64_t one = 0;
        CHECK_INT(mc_column_at(&c, i, &one), 0);
        CHECK_INT(one, got[i]);
    }
    CHECK(memcmp(got, want, count * sizeof *got) == 0);
    mc_buf_fini(&head);
    mc_buf_fini(&planes);
}

static void columns(void)
{
    int64_t v[600] = {0};
    srand(7);
    for (int round = 0; round < 400; round++) {
        uint32_t count = (uint32_t)(1 + rand() % 600);
        int64_t unit = round % 3 ? (int64_t)1 << rand() % 40 : 4096, at = rand();
        int kind = round % 8;
        for (uint32_t i = 0; i < count; i++) {
            at += unit * (rand() % 9);
            int64_t noise = unit * (rand() % 100);
            v[i] = kind == 0   ? noise
                   : kind == 1 ? 77 + noise + (int64_t)i * unit * 13
                   : kind == 2 ? at
                   : kind == 3 ? (rand() % 5 ? at : MC_VALUE_NONE)
                   : kind == 4 ? (int64_t)((uint64_t)rand() << 33 ^ (uint64_t)rand() << 60)
                   : kind == 5 ? (rand() % 2 ? INT64_MAX : INT64_MIN + 1)
                   : kind == 6 ? (int64_t)mc_bucket_top((uint32_t)(rand() % 400))
                               : (int64_t)i * i * unit;
        }
        check_column(v, count);
    }
}

int main(void)
{
    RUN(owners_follow_from_routes);
    RUN(columns);
    return CHECK_DONE();
}
