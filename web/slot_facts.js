// @ts-check
// slot_facts.js: what the recording knows of a slot at a moment: since when it is what it is, which
// connection holds it, and what that connection does. Asked by SQL and /events; answers are kept, boundedly.

import { getOfRun, postQuery, sqlText } from './api.js';
import { duration } from './format.js';

const KEPT = 200;
const LOOK_BACK_NS = 600e9;
const CONN_EVENTS = 1000;

/** @typedef {{since: number, owner: string, conn: number, request: string, peer: string}} SlotFacts since is NaN where no change is recorded */

/**
 * What a connection's events, oldest first, say it does at `ts`: its peer and the request it is in.
 * @param {any[]} events @param {number} ts
 */
export function connDoes(events, ts) {
  let peer = '';
  let begun = 0;
  let doing = '';
  for (const event of events) {
    if (event.ts > ts && event.type !== 'response') break;
    const route = [event.method, event.route].filter(Boolean).join(' ');
    if (event.type === 'accept') peer = event.peer ?? '';
    else if (event.type === 'request') {
      begun = event.ts;
      doing = `in ${route}`;
    } else if (event.type === 'response') {
      const start = event.ts - (event.dur ?? 0);
      if (start <= ts && event.ts > ts) return { peer, request: `in ${route} for ${duration(ts - start)}` };
      if (event.ts > ts) break;
      if (event.ts >= begun) doing = `last ${route} → ${event.status}`;
    } else if (event.type === 'close') doing = 'closed';
  }
  return { peer, request: doing };
}

export class SlotFactsCache {
  constructor() {
    /** @type {Map<string, SlotFacts | null>} null: asked, not answered yet */
    this.kept = new Map();
  }

  /**
   * What is known; asks when it is not, and calls `done` when the answer is there.
   * @param {import('./state.js').State} state @param {string} pool @param {number} slot @param {() => void} done
   * @returns {SlotFacts | null}
   */
  get(state, pool, slot, done) {
    const { entry, runKey } = state;
    if (!entry || !runKey) return null;
    // Live, an answer is good for as long as the slot stays what it is, or a second.
    const at = state.mode === 'pause' ? state.ts : `${Math.floor(state.ts / 1e9)}s`;
    const key = JSON.stringify([runKey, pool, slot, at]);
    const found = this.kept.get(key);
    if (found !== undefined) return found;
    if (this.kept.size >= KEPT) this.kept.delete(/** @type {string} */ (this.kept.keys().next().value));
    this.kept.set(key, null);
    this.ask(entry, runKey, pool, slot, state.ts).then((facts) => {
      this.kept.set(key, facts);
      done();
    }, () => {
      // Perhaps it can be had a moment later; the key stays, so that a hover is no stream of questions.
      setTimeout(() => this.kept.delete(key), 2000);
    });
    return null;
  }

  /** @param {any} entry @param {string} runKey @param {string} pool @param {number} slot @param {number} ts @returns {Promise<SlotFacts>} */
  async ask(entry, runKey, pool, slot, ts) {
    const sql = `SELECT ts, owner, conn_id FROM slot_change WHERE run_id = ${Number(entry.run_id)} AND pool = ${sqlText(pool)} AND slot = ${slot} AND ts <= ${Math.round(ts)} AND ts > ${Math.max(0, Math.round(ts - LOOK_BACK_NS))} ORDER BY ts DESC LIMIT 1`;
    const { rows } = await postQuery(sql, 1, entry.file);
    if (rows.length === 0) return { since: NaN, owner: '', conn: 0, request: '', peer: '' };
    const [since, owner, conn] = rows[0];
    const facts = { since: Number(since), owner: owner ?? '', conn: Number(conn ?? 0), request: '', peer: '' };
    if (facts.conn) {
      const { events } = await getOfRun(runKey, 'events', { conn: facts.conn, from: ts - 60e9, to: ts + 10e9, limit: CONN_EVENTS });
      Object.assign(facts, connDoes(events, ts));
    }
    return facts;
  }
}
