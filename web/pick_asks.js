// @ts-check
// pick_asks.js: what the recording is asked about the thing that is looked at: a slot's history, a
// connection's events and the slots it holds, a route's slowest requests. A late answer is dropped.

import { getOfRun, postQuery, sqlText } from './api.js';
import { windows } from './jump.js';

const SLOT_CHANGES = 50;
const CONN_EVENTS = 1000;
const ROUTE_SPAN_NS = 60e9;
const ROUTE_REQUESTS = 20;
/** larger slabs are heaps of cells: no connection holds one */
const HOLDER_SLOTS = 65536;
const HELD_ROWS = 400;
/** so far about the moment a connection's events are looked for, the nearest first */
const CONN_REACHES_NS = [1e9, 10e9, 60e9, 600e9, 3600e9];

/** @typedef {import('./state.js').State} State */

/** @param {unknown} error */
const because = (error) => (error instanceof Error ? error.message : String(error));

/** Ask what is to be known of what is looked at now. @param {State} state */
export function askPick(state) {
  const { entry, runKey, pick } = state;
  if (!entry || runKey === null) return;
  const isCurrent = () => state.pick === pick && state.runKey === runKey;
  if (pick.conn !== undefined) {
    connEvents(state, runKey, pick.conn, isCurrent);
    askHeld(state, pick.conn, isCurrent);
  } else if (pick.pool !== undefined && pick.slot !== undefined) {
    slotHistory(state, entry, pick.pool, pick.slot, isCurrent);
  } else if (pick.route !== undefined) {
    slowest(state, entry, pick.route).then((list) => {
      if (isCurrent()) state.setPickRows(list, '');
    }, (error) => {
      if (isCurrent()) state.setPickRows(null, `Its slowest requests could not be had: ${because(error)}`);
    });
  }
}

/**
 * A slot's newest changes, shown as they come: first those of the last second, then further back.
 * @param {State} state @param {any} entry @param {string} pool @param {number} slot @param {() => boolean} isCurrent
 */
async function slotHistory(state, entry, pool, slot, isCurrent) {
  /** @type {any[]} */
  const rows = [];
  const at = Math.round(state.ts);
  try {
    for (const [to, from] of windows(at + 1, -1, at)) {
      const sql = `SELECT ts, old_state, new_state, owner, conn_id FROM slot_change WHERE run_id = ${Number(entry.run_id)} AND pool = ${sqlText(pool)} AND slot = ${Number(slot)} AND ts < ${to} AND ts >= ${from} ORDER BY ts DESC LIMIT ${SLOT_CHANGES}`;
      rows.push(...(await postQuery(sql, SLOT_CHANGES, entry.file)).rows);
      if (!isCurrent()) return;
      if (rows.length > 0 || from === 0) state.setPickRows(rows.slice(0, SLOT_CHANGES), '');
      if (rows.length >= SLOT_CHANGES) return;
    }
  } catch (error) {
    const note = `${rows.length > 0 ? 'What was before' : 'The slot’s history'} could not be had: ${because(error)}`;
    if (isCurrent()) state.setPickRows(rows.length > 0 ? rows : null, note);
  }
}

/**
 * A connection's events, shown as they come: those about the moment first, then as far as its begin
 * and end, or as a long look goes.
 * @param {State} state @param {string} run @param {number} conn @param {() => boolean} isCurrent
 */
async function connEvents(state, run, conn, isCurrent) {
  const { ts } = state;
  for (const reach of CONN_REACHES_NS) {
    const [from, to] = [Math.max(0, ts - reach), Math.min(ts + reach, Math.max(ts, state.endTs))];
    try {
      const { events, truncated } = await getOfRun(run, 'events', { conn, from, to: to + 1, limit: CONN_EVENTS });
      if (!isCurrent()) return;
      const has = (/** @type {string} */ type) => events.some((/** @type {any} */ event) => event.type === type);
      const isAll = (from === 0 || has('accept')) && (to >= state.endTs || has('close'));
      if (events.length > 0 || reach === CONN_REACHES_NS[CONN_REACHES_NS.length - 1]) state.setPickRows(events, '');
      if (isAll || truncated) return;
    } catch (error) {
      if (isCurrent() && !state.pickRows) state.setPickRows(null, `Its events could not be had: ${because(error)}`);
      return;
    }
  }
}

/** The slots that a connection holds at the moment shown, pool by pool. @param {State} state @param {number} conn @param {() => boolean} isCurrent */
async function askHeld(state, conn, isCurrent) {
  const at = Math.round(state.ts);
  /** @type {{pool: string, slot: number}[]} */
  const held = [];
  for (const source of state.run?.sources ?? []) {
    if (source.kind !== 'slab' || source.slot_count > HOLDER_SLOTS || !state.maps.get(source.name)?.owners) continue;
    const sql = `SELECT slot FROM slot_state(${Number(state.entry.run_id)}, ${sqlText(source.name)}, ${at}) WHERE conn_id = ${Number(conn)} LIMIT ${HELD_ROWS}`;
    const answer = await postQuery(sql, HELD_ROWS, state.entry.file).catch(() => null);
    if (!isCurrent()) return;
    for (const [slot] of answer?.rows ?? []) held.push({ pool: source.name, slot: Number(slot) });
    state.setHeld([...held]);
  }
}

/** @param {State} state @param {any} entry @param {string} route */
async function slowest(state, entry, route) {
  const sql = `SELECT ts, dur, status, conn_id, stream_id FROM request WHERE run_id = ${Number(entry.run_id)} AND ts > ${Math.max(0, Math.round(state.ts - ROUTE_SPAN_NS))} AND ts <= ${Math.round(state.ts)} AND route = ${sqlText(route)} ORDER BY dur DESC LIMIT ${ROUTE_REQUESTS}`;
  return (await postQuery(sql, ROUTE_REQUESTS, entry.file)).rows;
}
