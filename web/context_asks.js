// @ts-check
// context_asks.js: what had happened just before a moment: the minutes of the charts, and what rates
// are counted from; events, collections, latencies.

import { getOfRun, postQuery } from './api.js';
import { chartSeries, RATE_SPAN_NS } from './observe.js';
import { GCS_KEPT, HEAT_ROWS, HEAT_SECONDS, heatEdge, HISTORY_SPAN_NS } from './state.js';

/** the first question about latencies looks at so much time */
const HEAT_SLICE_NS = 1e9;
/** an answer that took less may be asked for twice the time */
const HEAT_QUICK_MS = 100;
const HEAT_QUESTIONS = 40;
/** so far back events are looked for, the nearest first, until there are enough */
const EVENT_REACHES_NS = [0.25e9, 1e9, 5e9, 20e9, 60e9];
const EVENTS_ENOUGH = 400;
const EVENTS_A_QUESTION = 2000;
const SEED_PX = 600;

/** @typedef {import('./state.js').State} State */

/**
 * @param {State} state whose run event is known
 * @param {number} to @param {boolean} still whether nothing comes after that rates could be counted from @param {AbortSignal} [signal]
 * @returns {Promise<[any, any]>} the overview up to that moment and the numbers of a second before; null where it can't be had
 */
export async function askHistory(state, to, still, signal) {
  const run = /** @type {string} */ (state.runKey);
  const from = Math.max(0, to - HISTORY_SPAN_NS);
  const series = chartSeries(state.run.sources).join(',');
  const settled = await Promise.allSettled([
    to > from ? getOfRun(run, 'overview', { from, to, px: SEED_PX, series }, signal) : Promise.resolve(null),
    still && to > 0 ? getOfRun(run, 'state', { ts: to - RATE_SPAN_NS, maps: 0 }, signal) : Promise.resolve(null),
  ]);
  return /** @type {[any, any]} */ (settled.map((s) => (s.status === 'fulfilled' ? s.value : null)));
}

/** The collections of the minutes before, oldest first, as events. @param {State} state @param {number} to @param {AbortSignal} signal */
export async function collectionsBefore(state, to, signal) {
  const { entry } = state;
  const sql = `SELECT ts, dur, heap, kind, before_bytes, after_bytes FROM gc_event WHERE run_id = ${Number(entry.run_id)} AND ts >= ${Math.round(Math.max(0, to - HISTORY_SPAN_NS))} AND ts <= ${Math.round(to)} ORDER BY ts DESC LIMIT ${GCS_KEPT}`;
  const { rows } = await postQuery(sql, GCS_KEPT, entry.file, signal);
  return rows.reverse().map((/** @type {any[]} */ [ts, dur, heap, detail, before, after]) => ({ type: 'gc', ts, dur, heap, detail, before_bytes: before, after_bytes: after }));
}

/**
 * How many responses took how long in the two minutes before; slice by slice, the newest first:
 * where there were very many, a slice is shorter.
 * @param {State} state @param {number} to @param {AbortSignal} signal @param {() => boolean} isCurrent
 */
export async function fillHeat(state, to, signal, isCurrent) {
  const { entry } = state;
  if (!entry) return;
  let cases = '';
  for (let row = 1; row < HEAT_ROWS; row += 1) cases += ` WHEN dur < ${Math.round(heatEdge(row))} THEN ${row - 1}`;
  const least = Math.max(0, to - HEAT_SECONDS * 1e9);
  let slice = HEAT_SLICE_NS;
  for (let end = to, asked = 0; end > least && asked < HEAT_QUESTIONS; asked += 1) {
    const begin = Math.max(least, end - slice);
    const sql = `SELECT ts / 1000000000, CASE${cases} ELSE ${HEAT_ROWS - 1} END AS row, count(*) FROM event WHERE run_id = ${Number(entry.run_id)} AND type = 'response' AND dur > 0 AND ts >= ${Math.round(begin)} AND ts < ${Math.round(end)} GROUP BY 1, 2`;
    const answer = await postQuery(sql, HEAT_ROWS * (HEAT_SECONDS + 1), entry.file, signal).catch(() => null);
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

/**
 * The events just before a moment, oldest first: as far back as there are enough.
 * @param {string} run @param {number} to @param {AbortSignal} signal @returns {Promise<any[]>}
 */
export async function newestEvents(run, to, signal) {
  /** @type {any[]} */
  let events = [];
  let end = to;
  for (const reach of EVENT_REACHES_NS) {
    let from = Math.max(0, to - reach);
    for (let turn = 0; ; turn += 1) {
      const answer = await getOfRun(run, 'events', { from, to: end, limit: EVENTS_A_QUESTION }, signal);
      // Of too many the oldest are sent: then a part of the time that should hold half as many as fit.
      if (answer.truncated && turn < 3) from = end - ((answer.events.at(-1).ts - from) / 2);
      else events = [...answer.events, ...events];
      if (!answer.truncated || turn === 3) break;
    }
    end = from;
    if (events.length >= EVENTS_ENOUGH || from === 0) break;
  }
  return events;
}
