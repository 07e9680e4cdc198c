/* numbers.c: the values of a kind's sources as columns, in and out. */
#include "store/numbers.h"

#include <stdlib.h>

#include "store/pack.h"
#include "store/trace_format.h"
#include "tracer/error.h"

#define TERM_COUNT 6

/* A field that is a sum of others of its source, up to a constant: terms are 1 + field to add,
 * -(1 + field) to subtract, 0 the end. No term is itself such a field. Part of the format. */
static const struct relation {
    int kind;
    uint32_t field_idx;
    int8_t terms[TERM_COUNT];
} relations[] = {
    {MC_KIND_SLAB, 0, {3, -4}},                        /* used = allocs - frees */
    {MC_KIND_CONNECTIONS, 0, {7, -8}},                 /* open = accepted - closed */
    {MC_KIND_CONNECTIONS, 5, {7, -8, -2, -3, -4, -5}}, /* other = open - the named states */
    {MC_KIND_OWNER, 0, {2, -3}},                       /* open = accepted - closed */
};

static const struct relation *relation_of(int kind, uint32_t field_idx)
{
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
        if (relations[i].kind == kind && relations[i].field_idx == field_idx)
            return &relations[i];
    }
    return NULL;
}

/* Whether a relation holds over all frames; *constant is what is left over. */
static int relation_holds(const struct relation *r, const int64_t *source, uint32_t room,
                          uint32_t first, uint32_t frame_count, int64_t *constant)
{
    for (uint32_t f = first; f < frame_count; f++) {
        int64_t rest = source[(size_t)r->field_idx * room + f];
        if (rest == MC_VALUE_NONE)
            return 0;
        for (int t = 0; t < TERM_COUNT && r->terms[t]; t++) {
            int field = abs(r->terms[t]) - 1;
            int64_t v = source[(size_t)field * room + f];
            if (v == MC_VALUE_NONE)
                return 0;
            rest = r->terms[t] > 0 ? mc_wrap_sub(rest, v) : mc_wrap_add(rest, v);
        }
        if (f == first)
            *constant = rest;
        else if (rest != *constant)
            return 0;
    }
    return 1;
}

/* ---- owners and routes -----------------------------------------------------------------------
 *
 * Each response counts for its route and for its connection's owner: the first owner's counts are
 * those of all routes, less those of the other owners. A source that is not there yet counts 0. */

/* The field of a route that counts what this field of an owner counts; -1: none. */
static int route_field(int kind, uint32_t field_idx)
{
    static const struct {
        uint32_t owner, route;
    } same[] = {
        {MC_FIELD(OWNER, REQUESTS), MC_FIELD(ROUTE, REQUESTS)},
        {MC_FIELD(OWNER, CLIENT_ERRORS), MC_FIELD(ROUTE, CLIENT_ERRORS)},
        {MC_FIELD(OWNER, SERVER_ERRORS), MC_FIELD(ROUTE, SERVER_ERRORS)},
        {MC_FIELD(OWNER, BYTES_IN), MC_FIELD(ROUTE, BYTES_IN)},
        {MC_FIELD(OWNER, BYTES_OUT), MC_FIELD(ROUTE, BYTES_OUT)},
    };
    for (size_t i = 0; kind == MC_KIND_OWNER && i < sizeof same / sizeof same[0]; i++) {
        if (same[i].owner == field_idx)
            return (int)same[i].route;
    }
    return -1;
}

/* Add a source's field to sum[0..frame_count), or take it off; 0 when a number is missing. */
static int add_cells(const struct mc_cells *c, const struct mc_source *source, uint32_t field_idx,
                     int sign, int64_t *sum)
{
    const int64_t *v = c->values + (size_t)(source->value_idx + field_idx) * c->room;
    for (uint32_t f = c->source_first[source->source_idx]; f < c->frame_count; f++) {
        if (v[f] == MC_VALUE_NONE)
            return 0;
        sum[f] = sign > 0 ? mc_wrap_add(sum[f], v[f]) : mc_wrap_sub(sum[f], v[f]);
    }
    return 1;
}

/* Whether the first owner's field is a constant off the total; `sum` is scratch. */
static int total_holds(const struct mc_cells *c, const struct mc_source *owner, uint32_t field_idx,
                       int64_t *sum, int64_t *constant)
{
    int of_route = route_field(owner->kind, field_idx), route_count = 0;
    if (of_route < 0)
        return 0;
    memset(sum, 0, c->frame_count * sizeof *sum);
    for (uint32_t s = 0; s < c->source_count; s++) {
        const struct mc_source *other = &c->schema->sources[s];
        int good = 1;
        if (other->kind == MC_KIND_ROUTE)
            good = add_cells(c, other, (uint32_t)of_route, 1, sum);
        else if (other->kind == MC_KIND_OWNER && s < owner->source_idx)
            good = 0; /* this is not the first one */
        else if (other->kind == MC_KIND_OWNER && s > owner->source_idx)
            good = add_cells(c, other, field_idx, -1, sum);
        if (!good)
            return 0;
        route_count += other->kind == MC_KIND_ROUTE;
    }
    uint32_t first = c->source_first[owner->source_idx];
    if (!route_count || !add_cells(c, owner, field_idx, -1, sum))
        return 0;
    for (uint32_t f = first; f < c->frame_count; f++) {
        if (sum[f] != sum[first])
            return 0;
    }
    *constant = mc_wrap_sub(0, sum[first]);
    return 1;
}

static int get_total(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, int64_t *values,
                     int64_t *scratch)
{
    int of_route = route_field(n->kind, field_idx);
    uint32_t first = n->sources[i].first_frame;
    if (of_route < 0 || i || !n->routes)
        return MC_ECORRUPT;
    for (uint32_t f = first; f < n->frame_count; f++)
        values[f] = n->columns[(size_t)field_idx * n->source_count].first;
    const struct mc_numbers *const parts[] = {n->routes, n};
    const uint32_t fields[] = {(uint32_t)of_route, field_idx};
    for (int p = 0; p < 2; p++) {
        for (uint32_t k = (uint32_t)p; k < parts[p]->source_count; k++) {
            uint32_t from = parts[p]->sources[k].first_frame;
            int rc = mc_column_get(
                &parts[p]->columns[(size_t)fields[p] * parts[p]->source_count + k], scratch + from);
            if (rc < 0)
                return rc;
            for (uint32_t f = from > first ? from : first; f < n->frame_count; f++)
                values[f] =
                    p ? mc_wrap_sub(values[f], scratch[f]) : mc_wrap_add(values[f], scratch[f]);
        }
    }
    return 0;
}

static void put_field(const struct mc_cells *c, const struct mc_source *source, uint32_t field_idx,
                      int64_t *scratch, struct mc_buf *head, struct mc_buf *planes)
{
    uint32_t first = c->source_first[source->source_idx];
    const int64_t *values = c->values + (size_t)source->value_idx * c->room;
    const struct relation *r = relation_of(source->kind, field_idx);
    int64_t constant = 0;
    if (r && relation_holds(r, values, c->room, first, c->frame_count, &constant)) {
        mc_column_put_linear(constant, 0, head);
        return;
    }
    if (total_holds(c, source, field_idx, scratch, &constant)) {
        mc_column_put_linear(constant, MC_COLUMN_TOTAL, head);
        return;
    }
    memcpy(scratch, values + (size_t)field_idx * c->room + first,
           (c->frame_count - first) * sizeof *scratch);
    mc_column_put(scratch, c->frame_count - first, scratch + c->frame_count, head, planes);
}

int mc_numbers_put(const struct mc_cells *c, int kind, struct mc_buf *raw)
{
    uint32_t source_count = 0, last = 0;
    for (uint32_t s = 0; s < c->source_count; s++)
        source_count += c->schema->sources[s].kind == kind;
    if (!source_count)
        return 0;
    int64_t *scratch = malloc(3 * (size_t)c->frame_count * sizeof *scratch);
    if (!scratch)
        return MC_ENOMEM;
    mc_put_varint(raw, source_count);
    for (uint32_t s = 0; s < c->source_count; s++) {
        if (c->schema->sources[s].kind != kind)
            continue;
        mc_put_varint(raw, s - last);
        mc_put_varint(raw, c->source_first[s]);
        last = s;
    }
    struct mc_buf planes = {0};
    uint32_t field_count = mc_kind_field_count(kind);
    for (uint32_t field = 0; field < field_count; field++) {
        for (uint32_t s = 0; s < c->source_count; s++) {
            if (c->schema->sources[s].kind == kind)
                put_field(c, &c->schema->sources[s], field, scratch, raw, &planes);
        }
    }
    mc_buf_add(raw, planes.bytes, planes.count);
    int failed = raw->failed || planes.failed;
    mc_buf_fini(&planes);
    free(scratch);
    return failed ? MC_ENOMEM : 0;
}

static int parse_sources(struct mc_numbers *n, const struct mc_schema *schema, struct mc_span *s)
{
    uint64_t source_idx = 0;
    for (uint32_t i = 0; i < n->source_count; i++) {
        uint64_t step = mc_take_varint(s), first = mc_take_varint(s);
        source_idx += step;
        if (s->failed || (i && !step) || step > UINT32_MAX || source_idx >= schema->source_count ||
            schema->sources[source_idx].kind != n->kind || first >= n->frame_count)
            return MC_ECORRUPT;
        n->sources[i] = (struct mc_number_source){(uint32_t)source_idx, (uint32_t)first};
    }
    return 0;
}

static int parse_columns(struct mc_numbers *n, struct mc_span *s)
{
    uint64_t plane_bytes = 0;
    for (uint32_t i = 0; i < n->source_count * n->field_count; i++) {
        struct mc_column *c = &n->columns[i];
        uint32_t first = n->sources[i % n->source_count].first_frame;
        if (mc_column_parse(s, n->frame_count - first, c) < 0)
            return MC_ECORRUPT;
        if (c->mode == MC_COLUMN_LINEAR && !relation_of(n->kind, i / n->source_count))
            return MC_ECORRUPT;
        plane_bytes += mc_column_plane_bytes(c);
    }
    if (plane_bytes != (uint64_t)(s->end - s->at))
        return MC_ECORRUPT;
    for (uint32_t i = 0; i < n->source_count * n->field_count; i++) {
        n->columns[i].planes = s->at;
        s->at += mc_column_plane_bytes(&n->columns[i]);
    }
    return 0;
}

int mc_numbers_parse(struct mc_numbers *out, int kind, const struct mc_schema *schema,
                     uint32_t frame_count, struct mc_buf *raw)
{
    struct mc_numbers n = {.kind = kind, .frame_count = frame_count, .raw = *raw};
    memset(raw, 0, sizeof *raw);
    struct mc_span s = mc_span_of(&n.raw);
    uint64_t source_count = mc_take_varint(&s);
    n.field_count = mc_kind_field_count(kind);
    int rc = MC_ECORRUPT;
    /* A column's head takes at least 2 bytes, so the part's length bounds the count. */
    if (s.failed || !source_count || !n.field_count || source_count > schema->source_count ||
        source_count * n.field_count * 2 > n.raw.count)
        goto fail;
    n.source_count = (uint32_t)source_count;
    n.sources = malloc(n.source_count * sizeof *n.sources);
    n.columns = malloc((size_t)n.source_count * n.field_count * sizeof *n.columns);
    if (!n.sources || !n.columns) {
        rc = MC_ENOMEM;
        goto fail;
    }
    rc = parse_sources(&n, schema, &s);
    if (rc == 0)
        rc = parse_columns(&n, &s);
    if (rc == 0) {
        *out = n;
        return 0;
    }
fail:
    mc_numbers_fini(&n);
    return rc;
}

void mc_numbers_fini(struct mc_numbers *n)
{
    free(n->sources);
    free(n->columns);
    mc_buf_fini(&n->raw);
    memset(n, 0, sizeof *n);
}

int mc_numbers_same(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, int64_t *value)
{
    const struct mc_column *c = &n->columns[(size_t)field_idx * n->source_count + i];
    if (c->mode != MC_COLUMN_CONST)
        return 0;
    *value = c->first;
    return 1;
}

int mc_numbers_get(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, int64_t *values,
                   int64_t *scratch)
{
    const struct mc_column *c = &n->columns[(size_t)field_idx * n->source_count + i];
    uint32_t first = n->sources[i].first_frame;
    for (uint32_t f = 0; f < first; f++)
        values[f] = MC_VALUE_NONE;
    if (c->mode == (MC_COLUMN_LINEAR | MC_COLUMN_TOTAL))
        return get_total(n, i, field_idx, values, scratch);
    if (c->mode != MC_COLUMN_LINEAR)
        return mc_column_get(c, values + first);
    const struct relation *r = relation_of(n->kind, field_idx);
    for (int t = 0; t < TERM_COUNT && r->terms[t]; t++) {
        uint32_t term = (uint32_t)abs(r->terms[t]) - 1;
        uint64_t sign = r->terms[t] > 0 ? 1 : UINT64_MAX;
        int64_t *to = t ? scratch : values;
        int rc = mc_column_get(&n->columns[(size_t)term * n->source_count + i], to + first);
        if (rc < 0)
            return rc;
        const int64_t *before = t ? values : NULL;
        for (uint32_t f = first; f < n->frame_count; f++)
            values[f] = (int64_t)((before ? (uint64_t)before[f] : (uint64_t)c->first) +
                                  sign * (uint64_t)to[f]);
    }
    return 0;
}

/* As get_total, of one frame. */
static int total_at(const struct mc_numbers *n, uint32_t field_idx, uint32_t frame_idx,
                    int64_t *value)
{
    int of_route = route_field(n->kind, field_idx);
    if (of_route < 0 || !n->routes)
        return MC_ECORRUPT;
    int64_t sum = n->columns[(size_t)field_idx * n->source_count].first;
    const struct mc_numbers *const parts[] = {n->routes, n};
    const uint32_t fields[] = {(uint32_t)of_route, field_idx};
    for (int p = 0; p < 2; p++) {
        for (uint32_t k = (uint32_t)p; k < parts[p]->source_count; k++) {
            uint32_t from = parts[p]->sources[k].first_frame;
            int64_t one;
            if (frame_idx < from)
                continue;
            int rc =
                mc_column_at(&parts[p]->columns[(size_t)fields[p] * parts[p]->source_count + k],
                             frame_idx - from, &one);
            if (rc < 0)
                return rc;
            sum = p ? mc_wrap_sub(sum, one) : mc_wrap_add(sum, one);
        }
    }
    *value = sum;
    return 0;
}

int mc_numbers_at(const struct mc_numbers *n, uint32_t i, uint32_t field_idx, uint32_t frame_idx,
                  int64_t *value)
{
    const struct mc_column *c = &n->columns[(size_t)field_idx * n->source_count + i];
    uint32_t first = n->sources[i].first_frame;
    if (frame_idx < first) {
        *value = MC_VALUE_NONE;
        return 0;
    }
    if (c->mode == (MC_COLUMN_LINEAR | MC_COLUMN_TOTAL))
        return i ? MC_ECORRUPT : total_at(n, field_idx, frame_idx, value);
    if (c->mode != MC_COLUMN_LINEAR)
        return mc_column_at(c, frame_idx - first, value);
    const struct relation *r = relation_of(n->kind, field_idx);
    int64_t sum = c->first;
    for (int t = 0; t < TERM_COUNT && r->terms[t]; t++) {
        uint32_t term = (uint32_t)abs(r->terms[t]) - 1;
        int64_t one;
        int rc =
            mc_column_at(&n->columns[(size_t)term * n->source_count + i], frame_idx - first, &one);
        if (rc < 0)
            return rc;
        sum = r->terms[t] > 0 ? mc_wrap_add(sum, one) : mc_wrap_sub(sum, one);
    }
    *value = sum;
    return 0;
}
