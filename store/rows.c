/* rows.c: chunks and tails of a trace file: found and opened. */
#include <stdlib.h>

#include "store/reader_priv.h"
#include "tracer/error.h"

int mc_row_is_damage(int code)
{
    return code == MC_ECORRUPT || code == MC_ELIMIT || code == MC_EINVAL;
}

static int find(struct mc_reader *r, enum mc_statement which, int64_t run_id, int64_t ts,
                struct mc_row_ref *out)
{
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, which, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, run_id);
    sqlite3_bind_int64(stmt, 2, ts);
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW) {
        *out = (struct mc_row_ref){
            which == MC_STMT_NEXT_TAIL || which == MC_STMT_PREV_TAIL,
            sqlite3_column_int64(stmt, 0),
            run_id,
            sqlite3_column_int64(stmt, 1),
            sqlite3_column_int64(stmt, 2),
            sqlite3_column_int64(stmt, 3),
        };
    }
    sqlite3_reset(stmt);
    return step == SQLITE_ROW ? 0 : step == SQLITE_DONE ? MC_END : mc_file_error(r->db, step);
}

/* The nearer of the next chunk and the next tail. Most tails are newer than all chunks; one that a
 * full disk kept from being sealed stands between them. */
static int find_nearer(struct mc_reader *r, int is_back, int64_t run_id, int64_t ts,
                       struct mc_row_ref *out)
{
    struct mc_row_ref chunk, tail;
    int rc = mc_reader_begin(r);
    if (rc < 0)
        return rc;
    rc = find(r, is_back ? MC_STMT_PREV_CHUNK : MC_STMT_NEXT_CHUNK, run_id, ts, &chunk);
    int tail_rc =
        rc < 0 ? rc : find(r, is_back ? MC_STMT_PREV_TAIL : MC_STMT_NEXT_TAIL, run_id, ts, &tail);
    mc_reader_end(r);
    if (tail_rc < 0 || (rc == MC_END && tail_rc == MC_END))
        return tail_rc;
    if (rc == 0 && tail_rc == 0)
        *out = (tail.last_ts < chunk.last_ts) != is_back ? tail : chunk;
    else
        *out = rc == 0 ? chunk : tail;
    return 0;
}

int mc_row_next(struct mc_reader *r, int64_t run_id, int64_t ts, struct mc_row_ref *out)
{
    return find_nearer(r, 0, run_id, ts, out);
}

int mc_row_prev(struct mc_reader *r, int64_t run_id, int64_t ts, struct mc_row_ref *out)
{
    return find_nearer(r, 1, run_id, ts, out);
}

/* ---- one row -------------------------------------------------------------------------------- */

static int fetch_chunk_part(void *arg, const struct mc_chunk_part *part, uint64_t offset,
                            const uint8_t **bytes)
{
    (void)offset;
    struct mc_row *row = arg;
    struct mc_reader *r = row->reader;
    sqlite3_stmt *stmt;
    int rc = mc_reader_stmt(r, MC_STMT_PART, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, row->ref.row_id * MC_PART_COUNT + part->number);
    int step = sqlite3_step(stmt);
    r->part.count = 0;
    r->counts.parts++;
    if (step == SQLITE_ROW) {
        size_t count = (size_t)sqlite3_column_bytes(stmt, 0);
        if (count == part->stored_bytes)
            mc_buf_add(&r->part, sqlite3_column_blob(stmt, 0), count);
        else
            rc = MC_ECORRUPT;
    } else {
        rc = step == SQLITE_DONE ? MC_ECORRUPT : mc_file_error(r->db, step);
    }
    sqlite3_reset(stmt);
    if (rc == 0 && r->part.failed) {
        r->part.failed = 0;
        rc = MC_ENOMEM;
    }
    *bytes = r->part.bytes ? r->part.bytes : (const uint8_t *)"";
    return rc;
}

static int fetch_tail_part(void *arg, const struct mc_chunk_part *part, uint64_t offset,
                           const uint8_t **bytes)
{
    struct mc_row *row = arg;
    if (offset > row->body.count || part->stored_bytes > row->body.count - offset)
        return MC_ECORRUPT;
    *bytes = row->body.bytes + offset;
    return 0;
}

/* Read the row's columns: the head into *head, a tail's body, a chunk's summary. */
static int read_row(struct mc_reader *r, const struct mc_row_ref *ref, struct mc_chunk_head *head,
                    struct mc_buf *body, struct mc_value_summary **summary)
{
    sqlite3_stmt *stmt;
    if (r->stop && r->stop(r->stop_arg))
        return MC_EDENIED;
    int rc = mc_reader_stmt(r, ref->is_tail ? MC_STMT_TAIL : MC_STMT_CHUNK, &stmt);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, ref->row_id);
    int step = sqlite3_step(stmt);
    if (step != SQLITE_ROW) {
        sqlite3_reset(stmt);
        return step == SQLITE_DONE ? MC_END : mc_file_error(r->db, step);
    }
    memset(head, 0, sizeof *head);
    head->run_id = sqlite3_column_int64(stmt, 0);
    head->first_ts = sqlite3_column_int64(stmt, 1);
    head->last_ts = sqlite3_column_int64(stmt, 2);
    int64_t frame_count = sqlite3_column_int64(stmt, 3), codec = sqlite3_column_int64(stmt, 4);
    uint64_t checksum = (uint64_t)sqlite3_column_int64(stmt, 5);
    const void *blob = sqlite3_column_blob(stmt, 6), *more = sqlite3_column_blob(stmt, 7);
    size_t blob_bytes = (size_t)sqlite3_column_bytes(stmt, 6);
    size_t more_bytes = (size_t)sqlite3_column_bytes(stmt, 7);
    head->frame_count = (uint32_t)frame_count;
    head->codec = (uint32_t)codec;
    if (frame_count < 1 || frame_count > MC_MAX_FRAMES || codec < 0 || codec > MC_CODEC_ZSTD ||
        head->run_id != ref->run_id)
        rc = MC_ECORRUPT;
    if (rc == 0)
        rc = mc_chunk_head_parse(head, checksum, blob, blob_bytes, ref->is_tail ? NULL : more,
                                 ref->is_tail ? 0 : more_bytes);
    if (rc == 0 && ref->is_tail && body) {
        body->count = 0;
        mc_buf_add(body, more, more_bytes);
        rc = body->failed ? MC_ENOMEM : 0;
    }
    if (rc == 0 && !ref->is_tail && summary) {
        *summary = malloc((head->value_count + 1) * sizeof **summary);
        rc = *summary ? mc_summary_read(r->packer, more, more_bytes, head->value_count, *summary)
                      : MC_ENOMEM;
        if (rc < 0) {
            free(*summary);
            *summary = NULL;
        }
    }
    sqlite3_reset(stmt);
    return rc;
}

int mc_row_head(struct mc_reader *r, const struct mc_row_ref *ref, struct mc_chunk_head *head,
                struct mc_value_summary **summary)
{
    if (summary)
        *summary = NULL;
    return read_row(r, ref, head, NULL, summary);
}

int mc_row_parts_check(struct mc_reader *r, const struct mc_row_ref *ref,
                       const struct mc_chunk_head *head)
{
    struct mc_row row = {.ref = *ref, .reader = r};
    struct mc_chunk_head again;
    int rc = ref->is_tail ? read_row(r, ref, &again, &row.body, NULL) : 0;
    uint64_t offset = 0;
    for (uint32_t i = 0; rc == 0 && i < head->part_count; i++) {
        const struct mc_chunk_part *p = &head->parts[i];
        const uint8_t *bytes = NULL;
        rc = (ref->is_tail ? fetch_tail_part : fetch_chunk_part)(&row, p, offset, &bytes);
        if (rc == 0 && mc_sum64(bytes, p->stored_bytes, MC_SUM_SEED) != p->checksum)
            rc = MC_ECORRUPT;
        offset += p->stored_bytes;
    }
    mc_buf_fini(&row.body);
    /* A part that is missing may have gone with its row. */
    if (rc == MC_ECORRUPT && read_row(r, ref, &again, NULL, NULL) == MC_END)
        rc = MC_END;
    return rc;
}

int mc_row_open(struct mc_reader *r, const struct mc_row_ref *ref, int with_summary,
                struct mc_row **out)
{
    struct mc_run_schema *schema;
    int rc = mc_reader_run_schema(r, ref->run_id, &schema);
    if (rc < 0)
        return rc;
    struct mc_row *row = calloc(1, sizeof *row);
    struct mc_chunk_head *head = malloc(sizeof *head);
    if (!row || !head) {
        rc = MC_ENOMEM;
        goto free_row;
    }
    row->ref = *ref;
    row->reader = r;
    row->schema = schema;
    rc = read_row(r, ref, head, &row->body, with_summary ? &row->summary : NULL);
    if (rc == 0)
        rc = mc_chunk_open(&row->chunk, head, &schema->schema, r->packer,
                           ref->is_tail ? fetch_tail_part : fetch_chunk_part, row);
    if (rc == 0) {
        free(head);
        row->chunk.slice = r->spare_slice;
        memset(&r->spare_slice, 0, sizeof r->spare_slice);
        row->chunk.maps_raw = r->spare_maps_raw;
        memset(&r->spare_maps_raw, 0, sizeof r->spare_maps_raw);
        r->counts.rows++;
        *out = row;
        return 0;
    }
    /* A part that is missing may have gone with its row. */
    struct mc_chunk_head again;
    if (rc == MC_ECORRUPT && !ref->is_tail && read_row(r, ref, &again, NULL, NULL) == MC_END)
        rc = MC_END;
    if (mc_row_is_damage(rc))
        mc_reader_forget_whole(r);
free_row:
    free(head);
    if (row) {
        mc_buf_fini(&row->body);
        free(row->summary);
        free(row);
    }
    return rc;
}

void mc_row_close(struct mc_row *row)
{
    if (!row)
        return;
    if (row->chunk.is_damaged)
        mc_reader_forget_whole(row->reader);
    /* The next row's events go where this one's were. */
    if (!row->reader->spare_slice.reader) {
        mc_event_slice_fini(&row->reader->spare_slice);
        row->reader->spare_slice = row->chunk.slice;
        mc_event_slice_trim(&row->reader->spare_slice);
        memset(&row->chunk.slice, 0, sizeof row->chunk.slice);
    }
    if (!row->reader->spare_maps_raw.bytes && row->chunk.maps_raw.room <= MC_SPARE_RAW_BYTES) {
        row->reader->spare_maps_raw = row->chunk.maps_raw;
        memset(&row->chunk.maps_raw, 0, sizeof row->chunk.maps_raw);
    }
    mc_chunk_fini(&row->chunk);
    mc_buf_fini(&row->body);
    free(row->summary);
    free(row);
}

int mc_row_events(struct mc_row *row, uint32_t frame_idx, uint32_t types,
                  const struct mc_event **events, size_t *count)
{
    uint64_t decoded = row->chunk.slices_decoded;
    int rc = mc_chunk_events(&row->chunk, frame_idx, types, events, count);
    row->reader->counts.slices += row->chunk.slices_decoded - decoded;
    struct mc_chunk_head head;
    if (rc == MC_ECORRUPT && read_row(row->reader, &row->ref, &head, NULL, NULL) == MC_END)
        rc = MC_END;
    return rc;
}
