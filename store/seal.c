/* seal.c: tail rows become chunks: at once from the encoder that ran along, or later from the file.
 */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "store/writer_priv.h"
#include "tracer/error.h"

int mc_sink_put_chunk(struct mc_sink *s, struct mc_chunk_writer *w, int64_t run_id,
                      int64_t first_tail_id, int64_t last_tail_id)
{
    struct mc_chunk_row row;
    int rc = mc_chunk_writer_end(w, run_id, 1, &row);
    if (rc < 0)
        return rc;
    int64_t chunk_id = s->next_chunk_id;
    const struct mc_chunk_head *h = &row.info;
    const struct mc_bind binds[] = {
        MC_INT(chunk_id),     MC_INT(run_id),         MC_INT(h->first_ts),
        MC_INT(h->last_ts),   MC_INT(h->frame_count), MC_INT(h->codec),
        MC_INT(row.checksum), MC_BLOB(&row.head),     MC_BLOB(&row.summary),
    };
    rc = mc_sink_run(s->db, "INSERT INTO chunk VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)", binds, 9);
    const uint8_t *at = row.body.bytes;
    for (uint32_t i = 0; rc == 0 && i < h->part_count; i++) {
        const struct mc_bind part[] = {MC_INT(chunk_id * MC_PART_COUNT + h->parts[i].number),
                                       {SQLITE_BLOB, 0, at, h->parts[i].stored_bytes}};
        rc = mc_sink_run(s->db, "INSERT INTO part VALUES (?1,?2)", part, 2);
        at += h->parts[i].stored_bytes;
    }
    const struct mc_bind tails[] = {MC_INT(run_id), MC_INT(first_tail_id), MC_INT(last_tail_id)};
    if (rc == 0)
        rc = mc_sink_run(s->db, "DELETE FROM tail WHERE run_id=?1 AND tail_id BETWEEN ?2 AND ?3",
                         tails, 3);
    mc_chunk_row_fini(&row);
    if (rc == 0)
        s->next_chunk_id++;
    return rc;
}

/* ---- from the file -------------------------------------------------------------------------- */

/* Tail rows on their way into chunks. */
struct sealing {
    struct mc_sink *sink;
    struct mc_reader *reader;
    int64_t run_id, first_tail_id, last_tail_id;
    struct mc_chunk_writer chunk;
    struct mc_maps from, to; /* as decoded, as encoded */
    struct mc_map_ops ops;
    struct mc_buf scratch, changes;
};

static int end_chunk(struct sealing *s)
{
    if (!s->chunk.frame_count)
        return 0;
    struct mc_sink *sink = s->sink;
    int rc = mc_file_begin(sink->db);
    if (rc == 0)
        rc = mc_sink_put_chunk(sink, &s->chunk, s->run_id, s->first_tail_id, s->last_tail_id);
    rc = mc_file_end(sink->db, rc);
    s->chunk.frame_count = 0;
    return rc;
}

static int add_new_maps(struct sealing *s, const struct mc_schema *schema)
{
    while (s->to.count < s->from.count) {
        const struct mc_map_state *m = &s->from.maps[s->to.count];
        int rc = mc_maps_add(&s->to, &schema->sources[m->map.source_idx]);
        if (rc < 0)
            return rc;
        struct mc_map_state *t = &s->to.maps[s->to.count - 1];
        uint32_t n = m->map.slot_count;
        memcpy(t->map.states, m->map.states, n);
        if (t->map.owners) {
            memcpy(t->map.owners, m->map.owners, n * sizeof *t->map.owners);
            memcpy(t->map.conns, m->map.conns, n * sizeof *t->map.conns);
        }
        mc_map_recount(t);
        t->last_conn = m->last_conn;
    }
    return 0;
}

static int add_map_changes(struct sealing *s)
{
    const struct mc_slot_change *c = (const void *)s->changes.bytes;
    size_t count = s->changes.count / sizeof *c;
    int rc = 0;
    for (size_t i = 0, end; rc == 0 && i < count; i = end) {
        end = mc_changes_end(c, count, i);
        rc = mc_map_ops_make(&s->ops, &s->to.maps[c[i].map_idx], c + i, end - i);
        if (rc == 0)
            rc = mc_chunk_writer_ops(&s->chunk, c[i].map_idx, &s->ops, end - i);
    }
    return rc;
}

static int add_tail_frame(struct sealing *s, struct mc_row *tail, uint32_t f,
                          struct mc_map_reader *readers, const struct mc_run_schema *schema,
                          int64_t *values)
{
    struct mc_chunk *c = &tail->chunk;
    struct mc_schema view;
    mc_run_schema_view(schema, c->ts[f], &view);
    struct mc_frame frame = {.ts = c->ts[f], .schema = &view, .values = values};
    const struct mc_maps_roll roll = {.readers = readers,
                                      .reader_count = c->maps.count,
                                      .maps = &s->from,
                                      .scratch = &s->scratch,
                                      .changes = &s->changes};
    s->changes.count = 0;
    int rc = mc_maps_begin(readers, c->maps.count, &schema->schema, f, &s->from);
    if (rc == 0)
        rc = add_new_maps(s, &schema->schema);
    if (rc == 0)
        rc = mc_chunk_writer_frame_begin(&s->chunk, &s->to);
    if (rc == 0)
        rc = mc_maps_step(&roll, f);
    if (rc == 0)
        rc = add_map_changes(s);
    if (rc == 0)
        rc = mc_chunk_events(c, f, MC_EVENT_TYPES_ALL, &frame.events, &frame.event_count);
    if (rc < 0)
        return rc;
    for (uint32_t v = 0; v < view.value_count; v++)
        values[v] =
            v < c->info.value_count ? c->cells[(size_t)v * c->info.frame_count + f] : MC_VALUE_NONE;
    frame.gaps = mc_chunk_gaps(c, f, &frame.gap_count);
    rc = mc_chunk_frame_buckets(c, f, frame.events, frame.event_count, &frame.buckets,
                                &frame.bucket_count);
    if (rc < 0)
        return rc;
    return mc_chunk_writer_frame_end(&s->chunk, &frame);
}

static int add_tail(struct sealing *s, struct mc_row *tail)
{
    struct mc_chunk *c = &tail->chunk;
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(s->reader, s->run_id, &schema);
    if (rc == 0)
        rc = mc_chunk_cells(c);
    if (rc == 0)
        rc = c->info.leg_count > 1 ? MC_ECORRUPT : mc_chunk_maps(c, 0);
    if (rc == 0)
        rc = mc_chunk_buckets(c);
    if (rc < 0)
        return rc;
    int goes_on = c->info.flags & MC_HEAD_GOES_ON;
    if (!goes_on || !s->chunk.frame_count) {
        rc = goes_on ? MC_ECORRUPT : end_chunk(s); /* what it goes on from is not there */
        if (rc < 0)
            return rc;
        mc_maps_fini(&s->from);
        mc_maps_fini(&s->to);
        mc_chunk_writer_begin(&s->chunk, &schema->schema,
                              c->info.prev_ts == c->info.first_ts ? INT64_MIN : c->info.prev_ts,
                              c->info.flags);
        s->first_tail_id = tail->ref.row_id;
    }
    if (c->info.frame_count > s->chunk.room - s->chunk.frame_count)
        return MC_ECORRUPT; /* the writer would have begun a new chunk before it */
    struct mc_map_reader *readers = malloc((c->maps.count + 1) * sizeof *readers);
    int64_t *values = malloc((schema->schema.value_count + 1u) * sizeof *values);
    rc = readers && values ? 0 : MC_ENOMEM;
    if (rc == 0 && c->maps.count)
        memcpy(readers, c->maps.readers, c->maps.count * sizeof *readers);
    for (uint32_t f = 0; rc == 0 && f < c->info.frame_count; f++)
        rc = add_tail_frame(s, tail, f, readers, schema, values);
    free(readers);
    free(values);
    s->last_tail_id = tail->ref.row_id;
    return rc;
}

/* Leave a damaged tail row, and what builds on it, where they are: readers tell of them. */
static int seal_run(struct sealing *s, int64_t before_tail_id)
{
    int64_t ts = INT64_MIN;
    for (;;) {
        struct mc_row_ref ref;
        struct mc_row *row;
        int rc = mc_row_next(s->reader, s->run_id, ts, &ref);
        if (rc)
            return rc == MC_END ? end_chunk(s) : rc;
        ts = ref.last_ts;
        if (!ref.is_tail)
            continue;
        if (before_tail_id && ref.row_id >= before_tail_id)
            return end_chunk(s);
        rc = mc_row_open(s->reader, &ref, 0, &row);
        if (rc == 0) {
            rc = add_tail(s, row);
            mc_row_close(row);
        }
        if (rc < 0 && !mc_row_is_damage(rc))
            return rc;
        if (rc)
            s->chunk.frame_count = 0;
    }
}

static int list_runs(sqlite3 *db, struct mc_buf *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_prepare(db, "SELECT DISTINCT run_id FROM tail", &stmt), step;
    if (rc < 0)
        return rc;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t run_id = sqlite3_column_int64(stmt, 0);
        mc_buf_add(out, &run_id, sizeof run_id);
    }
    sqlite3_finalize(stmt);
    return out->failed ? MC_ENOMEM : mc_file_error(db, step);
}

int mc_sink_seal_orphans(struct mc_sink *sink)
{
    struct sealing s = {.sink = sink};
    struct mc_buf runs = {0};
    int rc = mc_reader_attach(sink->db, &s.reader);
    if (rc < 0)
        return rc;
    rc = mc_chunk_writer_init(&s.chunk, (uint32_t)sink->opts.chunk_frames, sink->packer);
    s.chunk.has_index = 1;
    if (rc == 0)
        rc = list_runs(sink->db, &runs);
    const int64_t *run_ids = (const int64_t *)runs.bytes;
    for (size_t i = 0; rc == 0 && i < runs.count / sizeof *run_ids; i++) {
        s.run_id = run_ids[i];
        s.chunk.frame_count = 0;
        rc = seal_run(&s, sink->chunk_open && s.run_id == sink->run_id ? sink->first_tail_id : 0);
    }
    mc_buf_fini(&runs);
    mc_chunk_writer_fini(&s.chunk);
    mc_maps_fini(&s.from);
    mc_maps_fini(&s.to);
    mc_map_ops_fini(&s.ops);
    mc_buf_fini(&s.scratch);
    mc_buf_fini(&s.changes);
    mc_reader_close(s.reader);
    if (rc == 0)
        sink->has_orphans = 0;
    return rc;
}
