/* export_openmetrics.c: a run's numbers as OpenMetrics text, with the time of each sample.
 *
 * Format: OpenMetrics 1.0, in the families of /metrics (replay/metrics.h). Every sample has its
 *         time, in Unix seconds: what takes histories in asks for it.
 *
 * The points of a metric must stand together, by time, and the metrics of a family together. So the
 * run is read once for each metric; a pass decodes that metric's numbers only, one chunk at a time
 * (mc_reader_values), which keeps memory flat and costs little more than what it writes.
 */
#include <stdlib.h>

#include "replay/export_priv.h"
#include "replay/metrics.h"
#include "tracer/error.h"

#define FIELDS_MAX 8 /* of a family */

/* What the numbers of a pass become. */
enum shape { SHAPE_FIELDS, SHAPE_CAPACITY, SHAPE_STATE, SHAPE_RUN };

struct exposition {
    struct mc_export *x;
    uint8_t *twins; /* owned; by source */
    uint32_t source_count;
    uint32_t pass_idx, pass_count;
    /* the pass */
    enum shape shape;
    struct mc_buf head; /* of the family; emptied when it is written */
    uint32_t field_count;
    uint32_t value_idx[FIELDS_MAX];
    enum mc_metric_scale scales[FIELDS_MAX];
    struct mc_buf names[FIELDS_MAX]; /* of the samples, with their labels */
};

/* A blank, the time, and the line's end. */
static void add_time(struct mc_export *x, int64_t ts)
{
    /* Unsigned: the sum of two wild numbers must not overflow. */
    uint64_t wall_ns = (uint64_t)x->info.start_wall_ns + (uint64_t)ts;
    mc_metric_add_value(&x->out, (int64_t)wall_ns, MC_METRIC_FROM_NS);
    mc_buf_add_char(&x->out, '\n');
}

static void add_states(struct mc_export *x, int64_t ts, int64_t state)
{
    for (const char *letter = MC_METRIC_STATES; *letter; letter++) {
        mc_metric_add_state(&x->out, *letter, state);
        add_time(x, ts);
    }
}

static int on_values(void *arg, int64_t ts, const int64_t *values)
{
    struct exposition *e = arg;
    struct mc_export *x = e->x;
    for (uint32_t i = 0; i < e->field_count; i++) {
        if (e->shape != SHAPE_RUN && values[i] == MC_VALUE_NONE)
            continue;
        mc_buf_add(&x->out, e->head.bytes, e->head.count);
        e->head.count = 0;
        if (e->shape == SHAPE_STATE) {
            add_states(x, ts, values[i]);
            continue;
        }
        mc_buf_add(&x->out, e->names[i].bytes, e->names[i].count);
        if (e->shape == SHAPE_FIELDS)
            mc_metric_add_value(&x->out, values[i], e->scales[i]);
        add_time(x, ts);
    }
    mc_export_progress(x, ts, e->pass_idx, e->pass_count);
    return mc_export_step(x);
}

/* Read the run for the metric that has been set up. */
static int pass(struct exposition *e)
{
    struct mc_export *x = e->x;
    int failed = e->head.failed;
    for (uint32_t i = 0; i < e->field_count; i++)
        failed |= e->names[i].failed;
    if (failed)
        return MC_ENOMEM;
    uint32_t value_count = e->shape == SHAPE_RUN ? 0 : e->field_count;
    int rc = mc_reader_values(x->reader, x->info.run_id, x->from, x->to, e->value_idx, value_count,
                              on_values, e);
    e->pass_idx++;
    return rc;
}

static void set_up(struct exposition *e, enum shape shape, uint32_t field_count)
{
    e->shape = shape;
    e->field_count = field_count;
    for (uint32_t i = 0; i < FIELDS_MAX; i++)
        e->names[i].count = 0;
}

/* Families that are of the run and of the schema. -------------------------------------------- */

static int expose_run(struct exposition *e)
{
    set_up(e, SHAPE_RUN, 1);
    mc_metric_add_run_head(&e->head);
    mc_metric_add_run(&e->names[0], &e->x->info);
    return pass(e);
}

/* A source at a time: its schema is lent anew for each, as a pass may move it. */
static int lend_source(struct exposition *e, uint32_t source_idx, const struct mc_source **out)
{
    const struct mc_schema *schema;
    int rc = mc_reader_schema(e->x->reader, e->x->info.run_id, INT64_MAX, &schema);
    if (rc == 0 && source_idx >= schema->source_count)
        rc = MC_ECORRUPT;
    if (rc == 0)
        *out = &schema->sources[source_idx];
    return rc;
}

static int expose_capacity(struct exposition *e, int kind)
{
    e->head.count = 0;
    mc_metric_add_capacity_head(&e->head, kind);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < e->source_count; i++) {
        const struct mc_source *source;
        rc = lend_source(e, i, &source);
        if (rc || source->kind != kind)
            continue;
        set_up(e, SHAPE_CAPACITY, 1);
        e->value_idx[0] = source->value_idx;
        mc_metric_add_capacity(&e->names[0], source, e->twins[i]);
        rc = pass(e);
    }
    return rc;
}

static int expose_state(struct exposition *e)
{
    const struct mc_source *source = NULL;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < e->source_count; i++) {
        rc = lend_source(e, i, &source);
        if (rc || source->kind != MC_KIND_PROCESS)
            continue;
        set_up(e, SHAPE_STATE, 1);
        e->head.count = 0;
        mc_metric_add_state_head(&e->head);
        e->value_idx[0] = source->value_idx + MC_FIELD(PROCESS, STATE);
        return pass(e);
    }
    return rc;
}

/* Families of the table ---------------------------------------------------------------------- */

static int expose_family(struct exposition *e, size_t first, size_t end)
{
    e->head.count = 0;
    mc_metric_add_family(&e->head, &mc_metrics[first]);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < e->source_count; i++) {
        const struct mc_source *source;
        rc = lend_source(e, i, &source);
        if (rc || source->kind != mc_metrics[first].kind)
            continue;
        set_up(e, SHAPE_FIELDS, (uint32_t)(end - first));
        for (uint32_t f = 0; f < e->field_count; f++) {
            const struct mc_metric *metric = &mc_metrics[first + f];
            e->value_idx[f] = source->value_idx + metric->field_idx;
            e->scales[f] = metric->scale;
            mc_metric_add_name(&e->names[f], metric, source, e->twins[i]);
        }
        rc = pass(e);
    }
    return rc;
}

/* How often the run will be read. */
static uint32_t count_passes(const struct mc_schema *schema)
{
    uint32_t of_kind[MC_KIND_COUNT] = {0}, count = 1;
    for (uint32_t i = 0; i < schema->source_count; i++)
        of_kind[schema->sources[i].kind]++;
    for (size_t first = 0; first < mc_metric_count; first = mc_metric_family_end(first))
        count += of_kind[mc_metrics[first].kind];
    count += of_kind[MC_KIND_SLAB] + of_kind[MC_KIND_ARENA] + of_kind[MC_KIND_HEAP];
    return count + (of_kind[MC_KIND_PROCESS] != 0);
}

static int expose_all(struct exposition *e)
{
    static const int sized[] = {MC_KIND_SLAB, MC_KIND_ARENA, MC_KIND_HEAP};
    int rc = expose_run(e);
    for (size_t i = 0; rc == 0 && i < sizeof sized / sizeof sized[0]; i++)
        rc = expose_capacity(e, sized[i]);
    if (rc == 0)
        rc = expose_state(e);
    for (size_t first = 0, end; rc == 0 && first < mc_metric_count; first = end) {
        end = mc_metric_family_end(first);
        rc = end - first <= FIELDS_MAX ? expose_family(e, first, end) : MC_ELIMIT;
    }
    return rc;
}

int mc_export_openmetrics(struct mc_export *x)
{
    struct exposition e = {.x = x};
    const struct mc_schema *schema;
    int rc = mc_reader_schema(x->reader, x->info.run_id, INT64_MAX, &schema);
    if (rc == 0) {
        e.source_count = schema->source_count;
        e.pass_count = count_passes(schema);
        rc = mc_metric_twins(schema, &e.twins);
    }
    if (rc == 0 && x->last_ts != INT64_MIN)
        rc = expose_all(&e);
    if (rc == 0)
        mc_buf_add_str(&x->out, "# EOF\n");
    free(e.twins);
    mc_buf_fini(&e.head);
    for (uint32_t i = 0; i < FIELDS_MAX; i++)
        mc_buf_fini(&e.names[i]);
    return rc;
}
