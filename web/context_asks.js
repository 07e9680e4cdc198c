// @ts-check
// context_asks.js: what had happened just before a moment: events, collections, latencies.

import { getOfRun, postQuery } from './api.js';
import { GCS_KEPT, HEAT_ROWS, HEAT_SECONDS, heatEdge, HISTORY_SPAN_NS } from './state.js';

/** the first question about latencies looks at so much time */
const HEAT_SLICE_NS = 1e9;
/** an answer that took less may be asked for twice the time */
const HEAT_QUICK_MS = 100;
const HEAT_QUESTIONS = 40;
const CONTEXT_NS = 60e9;
const CONTEXT_EVENTS = 5000;

/** @typedef {import('./state.js').State} State */

/** The collections of the minutes before, oldest first, as events. @param {State} state @param {number} to */
export async function collectionsBefore(state, to) {
  const { entry } = state;
  const sql = `SELECT ts, dur, heap, kind, before_bytes, after_bytes FROM gc_event WHERE run_id = ${Number(entry.run_id)} AND ts >= ${Math.round(Math.max(0, to - HISTORY_SPAN_NS))} AND ts <= ${Math.round(to)} ORDER BY ts DESC LIMIT ${GCS_KEPT}`;
  const { rows } = await postQuery(sql, GCS_KEPT, entry.file);
  return rows.reverse().map((/** @type {any[]} */ [ts, dur, heap, detail, before, after]) => ({ type: 'gc', ts, dur, heap, detail, before_bytes: before, after_bytes: after }));
}

/**
 * How many responses took how long in the two minutes before; slice by slice, the newest first:
 * where there were very many, a slice is shorter.
 * @param {State} state @param {number} to @param {() => boolean} isCurrent
 */
export async function fillHeat(state, to, isCurrent) {
  const { entry } = state;
  if (!entry) return;
  let cases = '';
  for (let row = 1; row < HEAT_ROWS; row += 1) cases += ` WHEN dur < ${Math.round(heatEdge(row))} THEN ${row - 1}`;
  const least = Math.max(0, to - HEAT_SECONDS * 1e9);
  let slice = HEAT_SLICE_NS;
  for (let end = to, asked = 0; end > least && asked < HEAT_QUESTIONS; asked += 1) {
    const begin = Math.max(least, end - slice);
    const sql = `SELECT ts / 1000000000, CASE${cases} ELSE ${HEAT_ROWS - 1} END AS row, count(*) FROM event WHERE run_id = ${Number(entry.run_id)} AND type = 'response' AND dur > 0 AND ts >= ${Math.round(begin)} AND ts < ${Math.round(end)} GROUP BY 1, 2`;
    const answer = await postQuery(sql, HEAT_ROWS * (HEAT_SECONDS + 1), entry.file).catch(() => null);
    if (!isCurrent()) return;
    if (answer) {
      state.seedHeat(answer.rows);
      end = begin;
      if (answer.ms < HEAT_QUICK_MS) slice *= 2;
      else if (answer.ms > 3 * HEAT_QUICK_MS) slice = Math.max(HEAT_SLICE_NS, slice / 2);
    } else {
      slice /= 4;
      if (slice < 2.5e8) return; // what is missing stays dark
    }
  }
}

/** The events just before a moment: fewer seconds where there are too many. @param {string} run @param {number} to */
export async function newestEvents(run, to) {
  let span = CONTEXT_NS;
  for (let turn = 0; ; turn += 1) {
    const from = Math.max(0, to - span);
    const answer = await getOfRun(run, 'events', { from, to, limit: CONTEXT_EVENTS });
    if (!answer.truncated || turn === 2) return answer;
    span *= Math.max(0.01, Math.min(0.8, (0.8 * (answer.events.at(-1).ts - from)) / (to - from)));
  }
}
