// @ts-check
// conn_asks.js: which connections were open at a moment, and what they had done just before. Asked as
// three short questions; where an answer takes too long, the others still stand.

import { postQuery, sqlText } from './api.js';
import { windows } from './jump.js';

const HOLDER_SLOTS = 65536;
const ROWS = 2000;
const BACK_NS = 120e9;
const ENOUGH_RESPONSES = 1000;
/** no further back is looked when it has taken so long */
const LONG_MS = 2000;

/**
 * @param {import('./state.js').State} state @param {number} to @param {AbortSignal} signal
 * @returns {Promise<{open: {conn: number, owner: string, state: string}[], events: any[]}>} events oldest first
 */
export async function connectionsBefore(state, to, signal) {
  const [open, ends, responses] = await Promise.all([holders(state, to, signal), endsOfConnections(state, to, signal), newestResponses(state, to, signal)]);
  return { open, events: [...ends, ...responses].sort((a, b) => a.ts - b.ts) };
}

/** @param {import('./state.js').State} state @param {string} sql @param {AbortSignal} signal @returns {Promise<any[][]>} */
const ask = (state, sql, signal) => postQuery(`${sql} LIMIT ${ROWS}`, ROWS, state.entry.file, signal).then((answer) => answer.rows, () => []);

/** Who holds slots of the slab that tells most connections. @param {import('./state.js').State} state @param {number} to @param {AbortSignal} signal */
async function holders(state, to, signal) {
  /** @type {Map<number, {conn: number, owner: string, state: string}>} */
  let best = new Map();
  for (const source of state.run?.sources ?? []) {
    if (source.kind !== 'slab' || source.slot_count > HOLDER_SLOTS || !state.maps.get(source.name)?.owners) continue;
    const rows = await ask(state, `SELECT conn_id, owner, state FROM slot_state(${Number(state.entry.run_id)}, ${sqlText(source.name)}, ${Math.round(to)}) WHERE conn_id > 0`, signal);
    const found = new Map(rows.map(([conn, owner, letter]) => [Number(conn), { conn: Number(conn), owner: String(owner ?? ''), state: String(letter) }]));
    if (found.size > best.size) best = found;
  }
  return [...best.values()];
}

/**
 * The newest rows before a moment, window by window, until there are enough or it took too long.
 * @param {import('./state.js').State} state @param {string} columns @param {string} where @param {number} to @param {number} enough @param {AbortSignal} signal
 */
async function newest(state, columns, where, to, enough, signal) {
  /** @type {any[][]} */
  const rows = [];
  const at = Math.round(to);
  const begin = performance.now();
  for (const [before, from] of windows(at + 1, -1, at)) {
    rows.push(...await ask(state, `SELECT ${columns} FROM event WHERE run_id = ${Number(state.entry.run_id)} AND ${where} AND ts < ${before} AND ts >= ${from} ORDER BY ts DESC`, signal));
    if (rows.length >= enough || to - from >= BACK_NS || performance.now() - begin > LONG_MS || signal.aborted) break;
  }
  return rows;
}

/** @param {import('./state.js').State} state @param {number} to @param {AbortSignal} signal */
async function endsOfConnections(state, to, signal) {
  const rows = await newest(state, 'ts, type, conn_id, bytes_in, bytes_out, detail', "type IN ('accept', 'close')", to, ROWS, signal);
  return rows.map(([ts, type, conn, bytesIn, bytesOut, detail]) => ({ ts, type, conn_id: conn, bytes_in: bytesIn, bytes_out: bytesOut, [type === 'accept' ? 'peer' : 'detail']: detail ?? '' }));
}

/** Those that were answered; the ones turned away have no duration. @param {import('./state.js').State} state @param {number} to @param {AbortSignal} signal */
async function newestResponses(state, to, signal) {
  const rows = await newest(state, 'ts, conn_id, stream_id, dur, status, bytes_in, bytes_out, detail', "type = 'response' AND dur > 0", to, ENOUGH_RESPONSES, signal);
  return rows.map(([ts, conn, stream, dur, status, bytesIn, bytesOut, detail]) => {
    const [method, ...route] = String(detail ?? '').split(' ');
    return { ts, type: 'response', conn_id: conn, stream_id: stream, dur, status, bytes_in: bytesIn, bytes_out: bytesOut, method, route: route.join(' ') };
  });
}
