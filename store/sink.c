/* sink.c: a writer's thread's work: frames become tail rows, once a second, durably.
 *
 * A tail row that could not be committed is lost, and so is its place in the open chunk: the chunk
 * is given up, its earlier tail rows are sealed from the file later, and the next frame begins a
 * new one with a key. This way the file never holds a row that builds on one that is not there.
 */
#include <stdlib.h>

#include "store/plain.h"
#include "store/schema_step.h"
#include "store/writer_priv.h"
#include "tracer/error.h"

int mc_sink_init(struct mc_sink *s, sqlite3 *db, const struct mc_writer_options *opts)
{
    s->db = db;
    s->opts = *opts;
    mc_room_divide(&s->room, opts);
    s->last_ts = s->committed_ts = s->seen_ts = INT64_MIN;
    int rc = mc_packer_new(&s->packer);
    if (rc == 0)
        rc = mc_schema_init(&s->schema);
    if (rc == 0)
        rc = mc_chunk_writer_init(&s->tail, MC_TAIL_FRAMES, s->packer);
    if (rc == 0)
        rc = mc_chunk_writer_init(&s->chunk, (uint32_t)opts->chunk_frames, s->packer);
    s->chunk.has_index = 1;
    s->tail.along = &s->chunk;
    if (rc == 0)
        rc = mc_sink_number(db, "SELECT max(tail_id) FROM tail", NULL, 0, 0, &s->next_tail_id);
    if (rc == 0)
        rc = mc_sink_number(db, "SELECT max(chunk_id) FROM chunk", NULL, 0, 0, &s->next_chunk_id);
    s->next_tail_id++;
    s->next_chunk_id++;
    return rc;
}

void mc_sink_fini(struct mc_sink *s)
{
    mc_chunk_writer_fini(&s->tail);
    mc_chunk_writer_fini(&s->chunk);
    mc_map_ops_fini(&s->ops);
    mc_remap_fini(&s->remap);
    mc_maps_fini(&s->maps);
    mc_schema_fini(&s->schema);
    mc_packer_free(s->packer);
    mc_file_close(s->db);
    mc_file_unlock(&s->lock);
    free(s->path);
}

void mc_sink_reset(struct mc_sink *s)
{
    mc_schema_fini(&s->schema);
    mc_maps_fini(&s->maps);
    mc_remap_fini(&s->remap);
    s->chunk_open = s->tail_goes_on = s->hole = s->resync = s->resumed = 0;
    s->open_bytes = 0;
    s->tail.frame_count = 0;
    s->stored_sources = s->stored_states = 0;
    s->stored_strings = 2; /* those that every schema has */
    s->last_ts = s->committed_ts = s->seen_ts = INT64_MIN;
    s->step_count = 0;
    s->run_id = 0;
    memset(&s->lost, 0, sizeof s->lost);
}

/* ---- statements ----------------------------------------------------------------------------- */

static int bind_all(sqlite3_stmt *stmt, const struct mc_bind *binds, int bind_count)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < bind_count; i++) {
        const struct mc_bind *b = &binds[i];
        if (b->type == SQLITE_INTEGER)
            rc = sqlite3_bind_int64(stmt, i + 1, b->number);
        else if (b->type == SQLITE_TEXT)
            rc = sqlite3_bind_text64(stmt, i + 1, b->bytes, b->byte_count, SQLITE_STATIC,
                                     SQLITE_UTF8);
        else if (b->type == SQLITE_BLOB)
            rc = sqlite3_bind_blob64(stmt, i + 1, b->byte_count ? b->bytes : "", b->byte_count,
                                     SQLITE_STATIC);
    }
    return rc;
}

int mc_sink_number(sqlite3 *db, const char *sql, const struct mc_bind *binds, int bind_count,
                   int64_t otherwise, int64_t *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_file_statement(db, sql, &stmt);
    if (rc < 0)
        return rc;
    int step = bind_all(stmt, binds, bind_count);
    if (step == SQLITE_OK)
        step = sqlite3_step(stmt);
    int64_t number = otherwise;
    if (step == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(stmt, 0);
    rc = mc_file_error(db, step);
    mc_file_keep(stmt);
    if (rc == 0 && out)
        *out = number;
    return rc;
}

int mc_sink_run(sqlite3 *db, const char *sql, const struct mc_bind *binds, int bind_count)
{
    return mc_sink_number(db, sql, binds, bind_count, 0, NULL);
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Take the schema as the frame has it. One that failed half-way fails again when the frame is
 * passed, which asks for a resync: it must not count as taken. */
static int take_step(struct mc_sink *s, struct mc_queued_frame *q)
{
    if (!q->step || q->step_taken)
        return 0;
    int rc = 0;
    if (s->resumed) {
        rc = mc_remap_step(&s->remap, &s->schema, q->step, q->step_bytes, q->is_first);
    } else {
        if (q->is_first) {
            mc_schema_fini(&s->schema);
            rc = mc_schema_init(&s->schema);
        }
        if (rc == 0)
            rc = mc_schema_step_get(&s->schema, q->step, q->step_bytes);
    }
    q->step_taken = rc == 0;
    return rc;
}

static int put_source(struct mc_sink *s, const struct mc_source *source)
{
    const struct mc_bind binds[] = {
        MC_INT(s->run_id),
        MC_INT(source->source_idx),
        MC_TEXT(mc_kind_name(source->kind)),
        MC_TEXT(source->name),
        MC_TEXT(source->unit),
        MC_INT(source->slot_count),
        MC_INT(source->slot_bytes),
        MC_INT(source->capacity_bytes),
    };
    int rc = mc_sink_run(s->db, "INSERT INTO source VALUES (?1,?2,?3,?4,?5,?6,?7,?8,0)", binds, 8);
    return rc < 0 ? rc : mc_plain_seal(s->db, MC_PLAIN_SOURCE, s->run_id, source->source_idx);
}

/* What the file does not know of the schema becomes a row, valid from this frame on. */
static int put_step(struct mc_sink *s, int64_t from_ts)
{
    uint32_t states = mc_schema_state_count(&s->schema, s->schema.source_count);
    if (s->schema.source_count <= s->stored_sources &&
        s->schema.string_count <= s->stored_strings && states <= s->stored_states)
        return 0;
    struct mc_buf body = {0};
    mc_schema_step_put(&s->schema, s->stored_sources, s->stored_strings, s->stored_states, &body);
    int rc = body.failed ? MC_ENOMEM : 0;
    /* Without a step nothing behind it can be read, so there is a copy. */
    const int64_t steps[] = {s->step_count, -1 - s->step_count};
    for (int i = 0; rc == 0 && i < 2; i++) {
        uint64_t sum = mc_schema_step_sum(s->run_id, steps[i], from_ts, body.bytes, body.count);
        const struct mc_bind binds[] = {MC_INT(s->run_id), MC_INT(steps[i]), MC_INT(from_ts),
                                        MC_INT(sum), MC_BLOB(&body)};
        rc = mc_sink_run(s->db, "INSERT INTO schema_step VALUES (?1,?2,?3,?4,?5)", binds, 5);
    }
    mc_buf_fini(&body);
    for (uint32_t i = s->stored_sources; rc == 0 && i < s->schema.source_count; i++)
        rc = put_source(s, &s->schema.sources[i]);
    s->stored_sources = s->schema.source_count;
    s->stored_strings = s->schema.string_count;
    s->stored_states = states;
    s->step_count++;
    return rc;
}

/* Set a map as it was before the frame. */
static void set_map(const struct mc_sink *s, struct mc_map_state *m, const struct mc_map *from)
{
    uint32_t n = from->slot_count;
    memcpy(m->map.states, from->states, n);
    for (uint32_t i = 0; m->map.owners && from->owners && i < n; i++) {
        m->map.owners[i] =
            s->resumed ? mc_remap_owner(&s->remap, from->owners[i]) : from->owners[i];
        m->map.conns[i] = from->conns[i];
    }
    mc_map_recount(m);
}

/* Maps that begin with this frame, as they were before it. In a resumed run a new recorder's map
 * may be one that the file knows. */
static int take_maps(struct mc_sink *s, struct mc_queued_frame *q)
{
    if (q->maps_taken)
        return 0;
    if (q->is_first)
        mc_maps_fini(&s->maps);
    for (uint32_t i = 0; i < s->schema.source_count; i++) {
        const struct mc_source *source = &s->schema.sources[i];
        int rc = source->map_idx == s->maps.count ? mc_maps_add(&s->maps, source) : 0;
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < q->new_map_count; i++) {
        const struct mc_map *from = &q->new_maps[i];
        uint32_t source = from->source_idx;
        if (s->resumed)
            source = mc_remap_source(&s->remap, source);
        if (source >= s->schema.source_count ||
            s->schema.sources[source].map_idx >= s->maps.count ||
            s->schema.sources[source].slot_count != from->slot_count)
            return MC_EINVAL;
        set_map(s, &s->maps.maps[s->schema.sources[source].map_idx], from);
    }
    q->maps_taken = 1;
    return 0;
}

/* A map of the file that a frame other than the first takes over needs a key. */
static int takes_over(const struct mc_sink *s, const struct mc_queued_frame *q)
{
    if (!s->resumed || q->maps_taken)
        return 0;
    for (uint32_t i = 0; i < q->new_map_count; i++) {
        uint32_t source = mc_remap_source(&s->remap, q->new_maps[i].source_idx);
        if (source < s->schema.source_count && s->schema.sources[source].map_idx < s->maps.count)
            return 1;
    }
    return 0;
}

static int put_tail(struct mc_sink *s)
{
    struct mc_chunk_row row;
    int rc = mc_chunk_writer_end(&s->tail, s->run_id, 0, &row);
    if (rc < 0)
        return rc;
    if (!(s->tail.flags & MC_HEAD_GOES_ON))
        s->first_tail_id = s->next_tail_id;
    int64_t stored_bytes = (int64_t)(row.head.count + row.body.count);
    s->open_bytes = s->tail.flags & MC_HEAD_GOES_ON ? s->open_bytes + stored_bytes : stored_bytes;
    const struct mc_bind binds[] = {
        MC_INT(s->next_tail_id),      MC_INT(s->run_id),
        MC_INT(row.info.first_ts),    MC_INT(row.info.last_ts),
        MC_INT(row.info.frame_count), MC_INT(row.info.codec),
        MC_INT(row.checksum),         MC_BLOB(&row.head),
        MC_BLOB(&row.body),
    };
    rc = mc_sink_run(s->db, "INSERT INTO tail VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)", binds, 9);
    mc_chunk_row_fini(&row);
    if (rc < 0)
        return rc;
    s->next_tail_id++;
    s->tail_goes_on = 1;
    s->tail.frame_count = 0;
    return 0;
}

/* Whether the open chunk has come to its end: in frames, in time, in bytes. */
static int chunk_is_full(const struct mc_sink *s, int64_t next_ts)
{
    const struct mc_chunk_writer *w = &s->chunk;
    if (mc_chunk_writer_full(w, s->schema.value_count) || s->open_bytes >= s->room.seal_bytes)
        return 1;
    return w->frame_count && next_ts - w->ts[0] >= s->room.chunk_ns &&
           (w->frame_count >= MC_CHUNK_FRAMES_MIN || s->room.chunk_ns < MC_CHUNK_NS);
}

/* Put the rows that must end before this frame into the file. */
static int end_rows(struct mc_sink *s, const struct mc_queued_frame *q)
{
    int rc = 0;
    /* A chunk takes whole tail rows, so the tail ends with it. */
    if (s->chunk_open && (q->is_first || takes_over(s, q) || chunk_is_full(s, q->frame.ts))) {
        if (s->tail.frame_count)
            rc = put_tail(s);
        if (rc == 0)
            rc = mc_sink_put_chunk(s, &s->chunk, s->run_id, s->first_tail_id, s->next_tail_id - 1);
        s->chunk_open = s->tail_goes_on = 0;
        s->open_bytes = 0;
    }
    if (rc == 0 && s->tail.frame_count &&
        (mc_chunk_writer_full(&s->tail, s->schema.value_count) ||
         mc_chunk_writer_slice_full(&s->chunk)))
        rc = put_tail(s);
    return rc;
}

/* The changes of a frame, map by map, into tail and chunk, and into the sink's own maps. */
static int add_changes(struct mc_sink *s, const struct mc_frame *f)
{
    int rc = mc_chunk_writer_frame_begin(&s->chunk, &s->maps);
    if (rc == 0)
        rc = mc_chunk_writer_frame_begin(&s->tail, &s->maps);
    for (size_t i = 0, end; rc == 0 && i < f->change_count; i = end) {
        uint32_t map_idx = f->changes[i].map_idx;
        end = mc_changes_end(f->changes, f->change_count, i);
        rc = mc_map_ops_make(&s->ops, &s->maps.maps[map_idx], f->changes + i, end - i);
        if (rc == 0)
            rc = mc_chunk_writer_ops(&s->tail, map_idx, &s->ops, end - i);
        if (rc == 0)
            rc = mc_chunk_writer_ops(&s->chunk, map_idx, &s->ops, end - i);
    }
    return rc;
}

static int add_frame(struct mc_sink *s, struct mc_queued_frame *q)
{
    struct mc_frame frame = q->frame;
    frame.schema = &s->schema;
    int rc = take_step(s, q);
    if (rc == 0)
        rc = end_rows(s, q);
    if (rc == 0)
        rc = put_step(s, frame.ts);
    if (rc == 0)
        rc = take_maps(s, q);
    if (rc == 0 && s->resumed)
        rc = mc_remap_frame(&s->remap, &s->schema, &frame);
    if (rc < 0)
        return rc;
    s->hole |= q->is_first && s->last_ts != INT64_MIN;
    uint32_t hole = s->hole ? MC_HEAD_HOLE : 0;
    if (!s->chunk_open) {
        mc_chunk_writer_begin(&s->chunk, &s->schema, s->last_ts, hole);
        s->chunk_open = 1;
        s->tail_goes_on = 0;
    }
    if (!s->tail.frame_count)
        mc_chunk_writer_begin(&s->tail, &s->schema, s->last_ts,
                              s->tail_goes_on ? MC_HEAD_GOES_ON : hole);
    s->hole = 0;
    /* A bug in the caller must not break the file. */
    if (!mc_maps_fit(&s->maps, frame.changes, frame.change_count))
        frame.change_count = 0;
    rc = add_changes(s, &frame);
    if (rc == 0)
        rc = mc_chunk_writer_frame_end(&s->chunk, &frame);
    if (rc == 0)
        rc = mc_chunk_writer_frame_end(&s->tail, &frame);
    s->last_ts = frame.ts;
    return rc;
}

/* A frame that is not kept still moves schema and maps on. */
static int pass_frame(struct mc_sink *s, struct mc_queued_frame *q)
{
    int rc = take_step(s, q);
    if (rc == 0)
        rc = take_maps(s, q);
    struct mc_frame frame = q->frame;
    if (rc == 0 && s->resumed)
        rc = mc_remap_frame(&s->remap, &s->schema, &frame);
    if (rc < 0 || !mc_maps_fit(&s->maps, frame.changes, frame.change_count))
        return rc;
    for (size_t i = 0; i < frame.change_count; i++) {
        const struct mc_slot_change *c = &frame.changes[i];
        mc_map_set(&s->maps.maps[c->map_idx], c->slot_idx, c->state, c->owner, c->conn_id);
    }
    return 0;
}

/* ---- commit --------------------------------------------------------------------------------- */

int mc_sink_put_gap(struct mc_sink *s, const struct mc_gap *g)
{
    const struct mc_bind binds[] = {MC_INT(s->run_id), MC_INT(g->ts), MC_INT(g->dur_ns),
                                    MC_TEXT(g->reason), MC_INT(g->lost)};
    int rc = mc_sink_run(s->db, "INSERT INTO gap VALUES (?1,?2,?3,?4,?5,0)", binds, 5);
    return rc < 0 ? rc
                  : mc_plain_seal(s->db, MC_PLAIN_GAP, s->run_id, sqlite3_last_insert_rowid(s->db));
}

static int put_marks(struct mc_sink *s, const struct mc_queued_mark *marks)
{
    int rc = 0;
    for (const struct mc_queued_mark *m = marks; rc == 0 && m; m = m->next) {
        if (m->what != MC_MARK_NEW) {
            rc = mc_sink_edit_mark(s->db, s->run_id, m);
            continue;
        }
        const struct mc_bind binds[] = {MC_INT(m->mark_id), MC_INT(s->run_id), MC_INT(m->ts),
                                        MC_INT(m->dur_ns),  MC_TEXT(m->label), MC_TEXT(m->author)};
        rc = mc_sink_run(s->db,
                         "INSERT INTO mark (rowid, run_id, ts, dur, label, author) "
                         "VALUES (?1,?2,?3,?4,?5,?6)",
                         binds, 6);
        if (rc == 0)
            rc = mc_plain_seal(s->db, MC_PLAIN_MARK, s->run_id, m->mark_id);
    }
    return rc;
}

static int commit_all(struct mc_sink *s, struct mc_queued_frame *frames,
                      const struct mc_queued_mark *marks)
{
    int rc = mc_file_begin(s->db);
    if (rc == 0 && s->lost.reason[0])
        rc = mc_sink_put_gap(s, &s->lost);
    for (struct mc_queued_frame *q = frames; rc == 0 && q; q = q->next) {
        for (size_t i = 0; rc == 0 && i < q->frame.gap_count; i++)
            rc = mc_sink_put_gap(s, &q->frame.gaps[i]);
        if (rc == 0)
            rc = add_frame(s, q);
    }
    if (rc == 0 && s->tail.frame_count)
        rc = put_tail(s);
    if (rc == 0)
        rc = put_marks(s, marks);
    if (rc == 0 && frames && s->run_id) {
        const struct mc_bind binds[] = {MC_INT(s->run_id), MC_INT(s->last_ts)};
        rc = mc_sink_run(s->db, "UPDATE run SET end_ts=?2 WHERE run_id=?1", binds, 2);
        if (rc == 0)
            rc = mc_plain_seal(s->db, MC_PLAIN_RUN, s->run_id, 0);
    }
    return mc_file_end(s->db, rc);
}

void mc_sink_lost(struct mc_sink *s, const struct mc_gap *gap)
{
    if (!s->lost.reason[0])
        s->lost = *gap;
    else
        s->lost.lost += gap->lost;
    if (gap->ts + gap->dur_ns > s->lost.ts + s->lost.dur_ns)
        s->lost.dur_ns = gap->ts + gap->dur_ns - s->lost.ts;
}

void mc_sink_drop(struct mc_sink *s, struct mc_queued_frame *frames, int code)
{
    s->trouble = code;
    struct mc_gap gap = {0};
    strcpy(gap.reason, code == MC_ENOSPC ? "disk full" : "store behind");
    int rc = 0;
    for (struct mc_queued_frame *q = frames; q; q = q->next) {
        if (!gap.lost++)
            gap.ts = q->frame.ts;
        gap.dur_ns = q->frame.ts - gap.ts;
        s->seen_ts = q->frame.ts;
        rc = rc < 0 ? rc : pass_frame(s, q);
    }
    if (gap.lost)
        mc_sink_lost(s, &gap);
    s->resync |= rc < 0;
    s->has_orphans |= s->chunk_open;
    s->chunk_open = s->tail_goes_on = 0;
    s->open_bytes = 0;
    s->tail.frame_count = 0;
    s->hole = 1;
    s->last_ts = s->committed_ts;
}

void mc_sink_commit(struct mc_sink *s, struct mc_queued_frame *frames,
                    const struct mc_queued_mark *marks)
{
    int64_t step_count = s->step_count, tail_id = s->next_tail_id, chunk_id = s->next_chunk_id;
    uint32_t sources = s->stored_sources, strings = s->stored_strings, states = s->stored_states;
    int rc = commit_all(s, frames, marks);
    s->trouble = rc;
    if (rc == 0) {
        memset(&s->lost, 0, sizeof s->lost);
        s->committed_ts = s->seen_ts = s->last_ts;
        return;
    }
    s->step_count = step_count;
    s->next_tail_id = tail_id;
    s->next_chunk_id = chunk_id;
    s->stored_sources = sources;
    s->stored_strings = strings;
    s->stored_states = states;
    s->has_orphans = 1; /* a chunk that this commit had sealed is tail rows again */
    mc_sink_drop(s, frames, rc);
}
