// @ts-check
// jump.js: to the next or last mark, warning, event, overflow or collection, from the moment shown.

import { postQuery } from './api.js';

/** The windows that are looked through, nearest first: a day of events is never read for one. */
const WINDOWS_NS = [1e9, 10e9, 60e9, 600e9, 3600e9, 6 * 3600e9];

/** @typedef {'mark' | 'warning' | 'event' | 'overflow' | 'collection'} JumpKind */
/** @type {[JumpKind, string][]} */
export const JUMP_KINDS = [['mark', 'mark or gap'], ['warning', 'warning'], ['event', 'event'], ['overflow', 'overflow'], ['collection', 'collection']];

/**
 * The windows to look through, one after the other, up to the run's begin or end.
 * @param {number} ts @param {1 | -1} direction @param {number} end the run's
 * @returns {[number, number][]} each from (not included) to (included), or the other way round
 */
export function windows(ts, direction, end) {
  /** @type {[number, number][]} */
  const out = [];
  let at = ts;
  for (let i = 0; ; i += 1) {
    const size = WINDOWS_NS[Math.min(i, WINDOWS_NS.length - 1)];
    const next = direction > 0 ? Math.min(end, at + size) : Math.max(0, at - size);
    if (next === at) return out;
    out.push([at, next]);
    at = next;
  }
}

/** The next of some moments, or the last. @param {number[]} moments in order @param {number} ts @param {1 | -1} direction @param {number} slack going back, what is nearer than this is where one is */
export function nextOf(moments, ts, direction, slack) {
  return direction > 0 ? moments.find((at) => at > ts) : moments.findLast((at) => at < ts - slack);
}

/** The rows to look among, as SQL. @param {JumpKind} kind @param {number} runId @param {number | undefined} conn only this connection's */
function source(kind, runId, conn) {
  if (kind === 'collection') return `gc_event WHERE run_id = ${runId}`;
  const only = conn === undefined ? '' : ` AND conn_id = ${Number(conn)}`;
  return `event WHERE run_id = ${runId}${kind === 'overflow' ? " AND type = 'overflow'" : only}`;
}

/**
 * @param {import('./state.js').State} state @param {JumpKind} kind @param {1 | -1} direction
 * @param {number | null} last the moment of the last jump, when the frame that it showed still stands
 * @returns {Promise<number | undefined>} the moment; undefined where there is none
 */
export async function findJump(state, kind, direction, last) {
  const { intervalNs, entry } = state;
  const ts = last ?? state.ts;
  // Going back, what this frame shows is where one is.
  const slack = last === null ? intervalNs : 0;
  if (kind === 'mark') return nextOf([...state.marks.map((m) => m.ts), ...state.gaps.map((g) => g.ts)].sort((a, b) => a - b), ts, direction, slack);
  if (kind === 'warning') return nextOf(state.findings.map((f) => f.ts).sort((a, b) => a - b), ts, direction, slack);
  if (!entry) return undefined;
  const from = source(kind, Number(entry.run_id), kind === 'event' ? state.pick.conn : undefined);
  // All that one frame shows is one stop, however many events that are.
  for (const [a, b] of windows(Math.max(0, Math.round(direction > 0 ? Math.max(ts, state.ts) : ts - intervalNs)), direction, state.endTs)) {
    const where = direction > 0 ? `ts > ${a} AND ts <= ${b}` : `ts < ${a} AND ts >= ${b}`;
    const { rows } = await postQuery(`SELECT ${direction > 0 ? 'min' : 'max'}(ts) FROM ${from} AND ${where}`, 1, entry.file);
    if (typeof rows[0]?.[0] === 'number') return rows[0][0];
  }
  return undefined;
}
