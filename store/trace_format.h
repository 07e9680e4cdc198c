/* trace_format.h: the layout of a trace file, version 5: tables, rows, parts, columns.
 *
 * Owns:   every number and name that is written to a file. A change here brings a new
 *         MC_TRACE_VERSION, a golden file in tests/golden and code that still reads the old one.
 *         Version 2 has MC_PART_FOLLOWS in place of MC_PART_BUCKETS, and two more column modes.
 *         Version 3 has the plain tables' checksums and row_copy. A file of an older version that
 *         is written to becomes one of the newest: its plain rows get both, the rest stays.
 *         Version 4 has MC_PART_LEGS and MC_PART_EVENT_INDEX.
 *         Version 5 has keys in the slices of events of tail rows.
 * Format: a SQLite database, application_id MC_TRACE_APP_ID, user_version MC_TRACE_VERSION,
 *         page_size 4096, auto_vacuum incremental, WAL. All integers in blobs are LEB128 varints;
 *         "z" is a zigzag varint, "le64" eight bytes, little end first.
 *
 * Tables that any sqlite3 reads as they are: run, source, mark, gap (see MC_TRACE_DDL), the "plain"
 * ones.
 *   checksum   of kind, run_id, ts, row_id (le64; see row_copy), le64 0, then the row's body
 *
 * row_copy     a copy of each row of a plain table, read when the row is damaged or gone
 *   kind       enum mc_plain_kind; ts, row_id: 0, 0 (run), 0, source_id (source), ts, rowid
 *   checksum   the row's; body: for each column but checksum, in order: 0 (NULL), or 1 and
 *              z number, or 2, byte count, bytes (a text)
 *
 * schema_step  one row for each growth of a run's schema (struct mc_schema), in order of step
 *   from_ts    the first frame that knows it; checksum: of run_id, step, from_ts (le64), then body
 *   body       source_count, string_count before this step; then n sources, each: kind, slot_count,
 *              slot_bytes, capacity_bytes, flags, name, unit, n states of (letter, name);
 *              then n strings. A text is its length and its bytes. At the end, only when letters
 *              of earlier sources were named since: n times source_idx, n states of (letter, name)
 *              Step -1 - n is a copy of step n under its own checksum, read when n is damaged;
 *              files of before there were copies have none.
 *
 * tail         about a second of frames that are not sealed yet; its parts stand in `body` one
 *              after the other. flags of its head tell whether it goes on from the tail before it.
 * chunk        up to chunk_frames sealed frames; its parts are rows of `part` with
 *              part_id = chunk_id * 256 + part number
 *   checksum   of run_id, first_ts, last_ts, frame_count, codec (le64 each), head, summary
 *   head       frame_count, z first_ts, z last_ts, z prev_ts (the newest frame before this row;
 *              first_ts itself when there is none), flags, source_count, string_count, value_count,
 *              map_count (all four as of the last frame), event_count, n parts of:
 *              part number, stored_bytes, raw_bytes, le64 checksum of the stored bytes; then for
 * each part from MC_PART_LEGS on: its first frame summary    (chunks) zstd of: raw length (a varint
 * before the zstd), then for each value: z min, max - min, mean - min, z last - min; a value that
 * was never there: z INT64_MIN
 *
 * A checksum is XXH64 with seed MC_SUM_SEED. codec MC_CODEC_ZSTD: each part is one zstd frame of
 * its raw bytes; MC_CODEC_RAW: raw bytes as they are (tails may use either).
 *
 * Raw bytes of the parts:
 *
 * MC_PART_FRAMES   a column (below) of the frames' ts; n gaps of: frame, z ts - frame's ts, z dur,
 *                  lost, reason
 * MC_PART_MAPS     n maps of: source_idx, first frame, slot_count, has_owners, has_key, then byte
 *                  counts of six columns: key, runs, states, owners, conns, extra; then the
 *                  columns, map by map. See maps.h.
 * MC_PART_LEGS + n the maps from a later frame of the chunk on, up to the next such part: the same,
 *                  with a key of each map, so that going there begins here.
 * MC_PART_BUCKETS  (version 1) what each frame counted: byte counts of four columns, then these:
 *                  adds a frame; z source steps; z bucket steps, from 0 at each new source; counts
 * MC_PART_FOLLOWS  the same, less what follows from the events. See follow.h.
 * MC_PART_EVENT_INDEX   (chunks with events) what they are about. See event_index.h.
 * MC_PART_NUMBERS + kind   the values of the sources of that kind: n sources of (source_idx step,
 *                  first frame), then for each field, for each source, a column head; then the
 *                  planes of the columns in the same order. See column.h.
 * MC_PART_EVENTS + slice   events of consecutive frames; each slice decodes by itself: one of a
 *                  tail row has what it must know of earlier ones as its key. See events.h.
 */
#ifndef MC_TRACE_FORMAT_H
#define MC_TRACE_FORMAT_H

#include <stdint.h>

#define MC_TRACE_APP_ID 0x4d43414d /* "MCAM" */
#define MC_TRACE_VERSION 5
#define MC_TRACE_VERSION_PLAIN 2  /* the newest without checksums of plain rows */
#define MC_TRACE_VERSION_OLDEST 1 /* that is still read */
#define MC_TRACE_PAGE_BYTES 4096

enum mc_codec { MC_CODEC_RAW = 0, MC_CODEC_ZSTD = 1 };
#define MC_SUM_SEED UINT64_C(0x6d656d63616d0001)

enum mc_part {
    MC_PART_FRAMES = 0,
    MC_PART_MAPS = 1,
    MC_PART_BUCKETS = 2, /* version 1 */
    MC_PART_FOLLOWS = 3,
    MC_PART_EVENT_INDEX = 4, /* from version 4 on */
    MC_PART_NUMBERS = 16,
    MC_PART_LEGS = 32, /* from version 4 on */
    MC_PART_EVENTS = 64,
    MC_PART_COUNT = 256
};

enum mc_head_flags {
    MC_HEAD_GOES_ON = 1, /* a tail whose maps start as the tail before it ends */
    MC_HEAD_HOLE = 2     /* frames are missing before it: its first changes do not follow on */
};

/* Bounds that writers keep and readers insist on, before any allocation. */
#define MC_MAX_FRAMES 6000u              /* frames in a chunk */
#define MC_MAX_CELLS (UINT64_C(1) << 21) /* frames * values in a chunk of more than one frame */
#define MC_MAX_RAW_BYTES (UINT64_C(64) << 20) /* of a part, and of a chunk's parts together */
#define MC_MAX_SLOTS (1u << 24)               /* of one map, and of a run's maps together */
#define MC_SLICE_EVENTS 65536u                /* events in a slice before the next begins */
#define MC_MAX_EVENTS (1u << 20)              /* in a slice: a single frame may pass the above */
#define MC_SLICE_COUNT 128u                   /* slices to a chunk */
/* A frame of so many ends its slice, too, as long as few slices are there: who reads only the first
 * ones of its events need not decode the others, on which the next frame's would be built. */
#define MC_SLICE_BURST_EVENTS 8192u
#define MC_SLICE_BURSTS 32u
/* A chunk is sealed early when going through its slot maps costs this much: a run of changes counts
 * 1, and so do four changes (7 ns each, bench_store.c: half a chunk is a seek). */
#define MC_MAX_ROLL (UINT64_C(1) << 20)
#define MC_LEG_ROLL (UINT64_C(3) << 16)
#define MC_LEG_FRAMES 64u /* no fewer frames: a tail row, which has no more, has one leg */
#define MC_LEG_COUNT 16u  /* to a chunk, the first one included */
#define MC_MAX_VALUES (UINT64_C(1) << 20) /* of a frame */

/* `sum` is the plain tables' last column. */
#define MC_TRACE_TABLES(sum)                                                                       \
    "CREATE TABLE run (run_id INTEGER PRIMARY KEY, label TEXT, host TEXT, pid INTEGER, "           \
    "program TEXT, build TEXT, start_wall_ns INTEGER, end_ts INTEGER, exit TEXT, "                 \
    "interval_ns INTEGER, config TEXT" sum ");"                                                    \
    "CREATE TABLE source (run_id INTEGER, source_id INTEGER, kind TEXT, name TEXT, unit TEXT, "    \
    "slot_count INTEGER, slot_bytes INTEGER, capacity_bytes INTEGER" sum ", "                      \
    "PRIMARY KEY (run_id, source_id)) WITHOUT ROWID;"                                              \
    "CREATE TABLE mark (run_id INTEGER, ts INTEGER, dur INTEGER, label TEXT, author TEXT" sum ");" \
    "CREATE INDEX mark_ts ON mark (run_id, ts);"                                                   \
    "CREATE TABLE gap (run_id INTEGER, ts INTEGER, dur INTEGER, reason TEXT, lost INTEGER" sum     \
    ");"                                                                                           \
    "CREATE INDEX gap_ts ON gap (run_id, ts);"                                                     \
    "CREATE TABLE schema_step (run_id INTEGER, step INTEGER, from_ts INTEGER, checksum INTEGER, "  \
    "body BLOB, PRIMARY KEY (run_id, step)) WITHOUT ROWID;"                                        \
    "CREATE TABLE tail (tail_id INTEGER PRIMARY KEY, run_id INTEGER, first_ts INTEGER, "           \
    "last_ts INTEGER, frame_count INTEGER, codec INTEGER, checksum INTEGER, head BLOB, "           \
    "body BLOB);"                                                                                  \
    "CREATE INDEX tail_ts ON tail (run_id, last_ts);"                                              \
    "CREATE TABLE chunk (chunk_id INTEGER PRIMARY KEY, run_id INTEGER, first_ts INTEGER, "         \
    "last_ts INTEGER, frame_count INTEGER, codec INTEGER, checksum INTEGER, head BLOB, "           \
    "summary BLOB);"                                                                               \
    "CREATE INDEX chunk_ts ON chunk (run_id, last_ts);"                                            \
    "CREATE TABLE part (part_id INTEGER PRIMARY KEY, body BLOB);"
#define MC_TRACE_SUM_COLUMN "checksum INTEGER"
#define MC_TRACE_SUM ", " MC_TRACE_SUM_COLUMN
#define MC_TRACE_COPIES                                                                            \
    "CREATE TABLE row_copy (kind INTEGER, run_id INTEGER, ts INTEGER, row_id INTEGER, "            \
    "checksum INTEGER, body BLOB, PRIMARY KEY (kind, run_id, ts, row_id)) WITHOUT ROWID;"

#define MC_TRACE_DDL MC_TRACE_TABLES(MC_TRACE_SUM) MC_TRACE_COPIES
#define MC_TRACE_DDL_OLD MC_TRACE_TABLES("") /* of versions 1 and 2 */

#endif
