// @ts-check
// state.js: all that the page knows: the run, the document, slot maps, series, events, and where
// the person is in it.
// Owns: every buffer of the page; each has a bound. Views read it and never change it.

import { Connections } from './connections.js';
import { groupFindings } from './findings.js';
import { History, Recent } from './history.js';
import { pagesOf, takePages } from './letters.js';
import { observe, seed } from './observe.js';
import { mergePatch, ownValue } from './patch.js';
import { PoolMap } from './pool_map.js';

export const HISTORY_ROWS = 3000;
/** so long, and so many moments of an overview, are put into the charts at a time; and at most */
const SEED_SLICE_MS = 2;
const SEED_SLICE = 4;
const SEED_ROWS_MOST = 2000;
export const HISTORY_SPAN_NS = 300e9;
const HISTORY_COLUMNS = 400;
/** moments further apart are not one minute of a chart: someone went from one to the other */
export const HOLE_NS = 2e9;
const EVENTS_KEPT = 2000;
const BATCHES_WAITING = 40;
const EVENTS_A_TURN = 100;
const CONNS_KEPT = 2000;
export const GCS_KEPT = 200;
const MARKS_KEPT = 2000;
const GAPS_KEPT = 20000;
const MAX_SLOTS = 1 << 24;
const ARENAS_KEPT = 400;
/** a delta of more than this, as at high speeds, changes so much that lighting it up tells nothing */
const FLASH_NS = 1.5e9;
export const HEAT_SECONDS = 120;
export const HEAT_ROWS = 42;

/** @typedef {'live' | 'play' | 'pause'} Mode */
/** @typedef {{mark_id: number, ts: number, dur: number, label: string, author: string}} Mark */
/** @typedef {{ts: number, dur: number, reason: string, lost: number}} Gap */
/** @typedef {{run: string, align: import('./align.js').AlignKind, label: string, offset_ns: number}} Compare label: of the mark; offset_ns: B's moment less A's, when the alignment is a moment */

export class State {
  constructor() {
    /** @type {any[] | null} as /api/runs gives them; null before the first answer */
    this.runs = null;
    /** @type {string | null} which of them is shown */
    this.runKey = null;
    /** @type {any} the run event */
    this.run = null;
    /** @type {any} the document at `ts` */
    this.doc = null;
    /** @type {Map<string, PoolMap>} */
    this.maps = new Map();
    this.history = new History(HISTORY_ROWS, HISTORY_COLUMNS);
    /** where the next history is put together, before it takes the place of the one above */
    this.spare = new History(HISTORY_ROWS, HISTORY_COLUMNS);
    /** @type {Recent<any>} */
    this.events = new Recent(EVENTS_KEPT);
    /** @type {Recent<any>} */
    this.gcs = new Recent(GCS_KEPT);
    /** @type {Recent<any>} responses that say how much of an arena their request used */
    this.arenas = new Recent(ARENAS_KEPT);
    /** @type {Map<string, number>} bytes that the collections seen have freed, by heap */
    this.freed = new Map();
    this.conns = new Connections(CONNS_KEPT);
    /** responses by second and by power of √2 of their duration: heat[(second % N) * HEAT_ROWS + row] */
    this.heat = new Uint16Array(HEAT_SECONDS * HEAT_ROWS);
    this.heatSeconds = HEAT_SECONDS;
    this.heatTo = -1;
    this.eventsUnshown = 0;
    /** @type {string[]} batches of events as they came, not looked at yet */
    this.waiting = [];
    /** @type {{events: any[], more?: number} | null} the batch that is looked at, and how far */
    this.batch = null;
    this.batchAt = 0;
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Gap[]} */
    this.gaps = [];
    /** which gaps are in a list, so that one more is not compared with each @type {{gaps: Gap[] | null, keys: Set<string>}} */
    this.gapKeys = { gaps: null, keys: new Set() };
    /** up to where the recording was asked for gaps, for which it reads all of itself; -1: not yet */
    this.gapsTo = -1;
    /** @type {any} overview of the timeline's span */
    this.overview = null;
    /** @type {import('./findings.js').Finding[]} what went wrong in the whole run, as far as it was asked for */
    this.findings = [];
    /** the same, what is alike in one row @type {import('./findings.js').Group[]} */
    this.findingRows = [];
    /** @type {Mode} */
    this.mode = 'pause';
    /** @type {number | 'max'} */
    this.speed = 1;
    /** @type {'connecting' | 'open' | 'lost' | 'closed'} */
    this.link = 'connecting';
    /** @type {{ts: number, exit: string | null} | null} */
    this.ended = null;
    /** no answer came to the last question about the runs, while nothing streams */
    this.away = false;
    /** @type {number | null} the moment asked for, which may lie where nothing was recorded */
    this.aim = null;
    /** other windows have all the streams that a browser has: moments come twice a second */
    this.isShared = false;
    this.endTs = 0;
    this.lastFrameMs = 0;
    this.frames = 0;
    /** @type {[number, number] | null} timeline's span; null is the whole run */
    this.view = null;
    /** @type {[number, number] | null} selected time */
    this.selected = null;
    /** What is looked at, from the outer to the inner: a slot of a pool, its connection, a request of that; or a route; or a mark. @type {{pool?: string, slot?: number, conn?: number, stream?: number, route?: string, mark?: number}} */
    this.pick = {};
    this.filter = '';
    this.tab = 'warnings';
    /** @type {Compare | null} the run beside this one, if any */
    this.compare = null;
    /** @type {any[] | null} rows about what is picked */
    this.pickRows = null;
    this.pickNote = '';
    /** @type {{pool: string, slot: number}[]} the slots that the connection looked at holds */
    this.held = [];
    /** bumped at each change of what it counts, for views that draw only what is new */
    this.version = { doc: 0, run: 0, runs: 0, events: 0, marks: 0, overview: 0, place: 0, pick: 0 };
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  /** Call `fn` after every change, many times a frame perhaps. @param {() => void} fn */
  subscribe(fn) {
    this.listeners.add(fn);
  }

  /** @param {(keyof State['version'])[]} parts */
  changed(...parts) {
    for (const part of parts) this.version[part] += 1;
    for (const fn of this.listeners) fn();
  }

  /** The entry of the run that is shown. */
  get entry() {
    return this.runs?.find((run) => run.run === this.runKey) ?? null;
  }

  get ts() {
    return this.doc?.ts ?? 0;
  }

  /** The gap in which the moment asked for lies, when no frame shows it. */
  get gapShown() {
    const { aim } = this;
    if (this.mode !== 'pause' || aim === null || !this.doc || aim - this.doc.ts < this.intervalNs * 2) return null;
    return this.gaps.find((gap) => gap.ts <= aim && aim <= gap.ts + gap.dur) ?? null;
  }

  get isLiveRun() {
    return Boolean(this.entry?.live) && !this.ended;
  }

  /** The time from one frame to the next, as the run was recorded. */
  get intervalNs() {
    return this.run?.interval_ns ?? this.entry?.interval_ns ?? 1e8;
  }

  /** @param {any[]} runs */
  setRuns(runs) {
    this.runs = runs;
    const entry = this.entry;
    if (entry) this.endTs = Math.max(this.endTs, entry.end_ts ?? 0);
    this.changed('runs');
  }

  /** Show another run: nothing of the last one stays. @param {string | null} runKey null: none */
  openRun(runKey) {
    this.runKey = runKey;
    this.run = null;
    this.doc = null;
    this.maps.clear();
    this.history = new History(HISTORY_ROWS, HISTORY_COLUMNS);
    this.spare = new History(HISTORY_ROWS, HISTORY_COLUMNS);
    this.forgetEvents();
    this.marks = [];
    this.gaps = [];
    this.gapsTo = -1;
    this.freed.clear();
    this.overview = null;
    this.findings = [];
    this.findingRows = [];
    this.held = [];
    this.ended = null;
    this.view = null;
    this.selected = null;
    this.pickRows = null;
    this.endTs = this.entry?.end_ts ?? 0;
    this.changed('run', 'doc', 'events', 'marks', 'overview', 'place', 'pick');
  }

  forgetEvents() {
    this.events.clear();
    this.gcs.clear();
    this.arenas.clear();
    this.conns.clear();
    this.heat.fill(0);
    this.heatTo = -1;
    this.eventsUnshown = 0;
    this.waiting = [];
    this.batch = null;
  }

  /** @param {any} run the run event */
  setRun(run) {
    this.run = run;
    this.changed('run');
  }

  /** @param {string} kind @param {string} name */
  source(kind, name) {
    return this.run?.sources.find((/** @type {any} */ s) => s.kind === kind && s.name === name) ?? null;
  }

  /** The whole document. @param {any} doc @param {boolean} flash */
  keyframe(doc, flash = false) {
    const before = this.doc;
    const pages = takePages(doc.pools);
    this.doc = doc;
    for (const name of this.maps.keys()) if (!ownValue(doc.pools, name)) this.maps.delete(name);
    this.takePools(doc.pools ?? {}, pages, flash);
    if (before && doc.ts <= before.ts) this.history.truncate(doc.ts);
    this.arrived();
  }

  /** A change of it. @param {any} patch */
  delta(patch) {
    if (!this.doc) return;
    const backwards = patch.ts <= this.doc.ts;
    const span_ns = Math.abs(patch.ts - this.doc.ts);
    const pages = takePages(patch.pools);
    this.doc = mergePatch(this.doc, patch);
    if (patch.pools) this.takePools(patch.pools, pages, span_ns < FLASH_NS);
    if (backwards) this.history.truncate(patch.ts);
    this.arrived();
  }

  arrived() {
    observe(this.doc, this.history, this.freed);
    this.endTs = Math.max(this.endTs, this.doc.ts);
    this.lastFrameMs = performance.now();
    this.frames += 1;
    this.changed('doc');
  }

  /** @param {Record<string, any>} pools what changed of them @param {Map<string, import('./letters.js').Pages>} pages their slots @param {boolean} flash */
  takePools(pools, pages, flash) {
    for (const [name, change] of Object.entries(pools)) {
      if (change === null) {
        this.maps.delete(name);
        continue;
      }
      const pool = ownValue(this.doc.pools, name);
      const capacity = pool?.capacity;
      if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_SLOTS) continue;
      let map = this.maps.get(name);
      if (!map || map.slotCount !== capacity) {
        map = new PoolMap(capacity);
        this.maps.set(name, map);
      }
      if (pages.has(name) && !Object.hasOwn(pool, 'pages')) Object.defineProperty(pool, 'pages', { enumerable: true, configurable: true, get: () => this.maps.get(name)?.pages });
      for (const [page, letters] of pagesOf(pages.get(name))) map.applyPage(page, letters, this.doc.ts, flash);
      for (const [page, letters] of pagesOf(change.owners)) map.applyOwners(page, letters);
    }
  }

  /** A batch of events has come; it is looked at when there is time. @param {string} text */
  bringEvents(text) {
    if (this.waiting.length >= BATCHES_WAITING) this.waiting.shift();
    this.waiting.push(text);
    this.changed();
  }

  /** Look at a part of what waits. @returns {boolean} whether more waits */
  takeWaiting() {
    if (!this.batch) {
      const text = this.waiting.shift();
      if (text === undefined) return false;
      this.batch = /** @type {{events: any[], more?: number}} */ (JSON.parse(text));
      this.batchAt = 0;
      return true;
    }
    const { events, more } = this.batch;
    this.takeEvents({ events: events.slice(this.batchAt, this.batchAt + EVENTS_A_TURN), more });
    this.batchAt += EVENTS_A_TURN;
    if (this.batchAt >= events.length) this.batch = null;
    return this.batch !== null || this.waiting.length > 0;
  }

  /** @param {{events: any[], more?: number}} batch @param {boolean} heat whether they are to be counted in the heat map */
  takeEvents(batch, heat = true) {
    for (const event of batch.events) {
      this.events.push(event);
      if (event.type === 'gc') this.takeCollection(event);
      else this.conns.take(event);
      if (event.type !== 'response') continue;
      if (event.arena_bytes > 0) this.arenas.push(event);
      if (heat && event.dur > 0) this.takeHeat(event);
    }
    this.eventsUnshown = batch.more ?? 0;
    this.changed('events');
  }

  /** @param {any} event */
  takeCollection(event) {
    this.gcs.push(event);
    this.freed.set(event.heap, (this.freed.get(event.heap) ?? 0) + Math.max(0, event.before_bytes - event.after_bytes || 0));
  }

  /**
   * The connections that were open when the page began to look, and what they had done before.
   * @param {{conn: number, owner: string, state: string}[]} open @param {any[]} events oldest first
   */
  seedConnections(open, events) {
    const come = [];
    for (let i = this.events.length - 1; i >= 0; i -= 1) come.push(this.events.newest(i));
    const begin = come.find((event) => event.conn_id)?.ts ?? Infinity;
    this.conns.clear();
    for (const known of open) this.conns.know(known.conn, known.owner, known.state);
    for (const event of events) if (event.ts < begin) this.conns.take(event);
    for (const event of come) if (event.type !== 'gc') this.conns.take(event);
    for (const known of open) if (begin === Infinity) this.conns.know(known.conn, known.owner, known.state);
    this.changed('events');
  }

  /** The collections before the first that came by itself. @param {any[]} list oldest first */
  seedCollections(list) {
    const come = [];
    for (let i = this.gcs.length - 1; i >= 0; i -= 1) come.push(this.gcs.newest(i));
    const begin = come[0]?.ts ?? Infinity;
    this.gcs.clear();
    for (const event of list) if (event.ts < begin) this.gcs.push(event);
    for (const event of come) this.gcs.push(event);
    this.changed('events');
  }

  /** @param {any} event */
  takeHeat(event) {
    this.addHeat(Math.floor(event.ts / 1e9), heatRow(event.dur), 1);
  }

  /** @param {number} second @param {number} row @param {number} hits */
  addHeat(second, row, hits) {
    if (second > this.heatTo) {
      const from = Math.max(this.heatTo + 1, second - HEAT_SECONDS + 1);
      for (let s = from; s <= second; s += 1) {
        const begin = (s % HEAT_SECONDS) * HEAT_ROWS;
        this.heat.fill(0, begin, begin + HEAT_ROWS);
      }
      this.heatTo = second;
    } else if (second <= this.heatTo - HEAT_SECONDS || second < 0) {
      return;
    }
    const cell = (second % HEAT_SECONDS) * HEAT_ROWS + row;
    this.heat[cell] = Math.min(65535, this.heat[cell] + hits);
  }

  /** What the recording says of the time before: [second, row, responses]. @param {number[][]} rows */
  seedHeat(rows) {
    for (const [second, row, hits] of rows) if (row >= 0 && row < HEAT_ROWS) this.addHeat(second, row, hits);
    this.changed('events');
  }

  /** @param {Mark} mark */
  addMark(mark) {
    const old = this.marks.findIndex((m) => m.mark_id === mark.mark_id);
    if (old >= 0) this.marks.splice(old, 1);
    if (this.marks.length >= MARKS_KEPT) return;
    this.marks.push(mark);
    this.marks.sort((a, b) => a.ts - b.ts);
    this.changed('marks');
  }

  /** @param {number} id */
  removeMark(id) {
    this.marks = this.marks.filter((m) => m.mark_id !== id);
    this.changed('marks');
  }

  /** @param {Gap} gap */
  addGap(gap) {
    this.addGaps([gap]);
  }

  /** Of more than are kept, the shortest go. @param {Gap[]} list */
  addGaps(list) {
    const key = (/** @type {Gap} */ gap) => `${gap.ts} ${gap.reason}`;
    const known = this.gapKeys.gaps === this.gaps ? this.gapKeys.keys : new Set(this.gaps.map(key));
    const fresh = list.filter((gap) => !known.has(key(gap)));
    if (fresh.length === 0) return;
    const all = [...this.gaps, ...fresh];
    const isTooMany = all.length > GAPS_KEPT;
    this.gaps = (isTooMany ? all.sort((a, b) => b.dur - a.dur).slice(0, GAPS_KEPT) : all).sort((a, b) => a.ts - b.ts);
    for (const gap of fresh) known.add(key(gap));
    this.gapKeys = { gaps: isTooMany ? null : this.gaps, keys: known };
    this.changed('marks');
  }

  /** @param {any} overview */
  setOverview(overview) {
    this.overview = overview;
    this.changed('overview');
  }

  /** The newest moments without a hole among them: [index of the first, its ts]; none begin at no time. @returns {[number, number]} */
  tail() {
    const index = this.history.tailIndex(HOLE_NS);
    return [index, this.history.length > 0 ? this.history.ts[this.history.at(index)] : Infinity];
  }

  /**
   * Put what the overview knows of the minutes before into the charts, a slice at a time, so that
   * frames are drawn in between.
   * @param {any} overview
   * @param {any} docBefore the document a second before the first one seen, if it could be had:
   *   what the rates of a single moment are counted from
   * @param {() => boolean} isCurrent whether it is still wanted
   */
  async seedHistory(overview, docBefore, isCurrent) {
    const [, begin] = this.tail();
    const fresh = this.spare;
    fresh.clear();
    let end = performance.now() + SEED_SLICE_MS;
    for (let row = 0; overview && row < SEED_ROWS_MOST; row += SEED_SLICE) {
      if (seed(overview, this.run?.sources ?? [], fresh, docBefore ? docBefore.ts : begin, [row, row + SEED_SLICE])) break;
      if (performance.now() < end) continue;
      await new Promise((resolve) => { setTimeout(resolve); });
      if (!isCurrent()) return;
      end = performance.now() + SEED_SLICE_MS;
    }
    const [tail, now] = this.tail();
    if (now !== begin || fresh !== this.spare) return;
    const old = this.history;
    if (docBefore && docBefore.ts < begin) observe(docBefore, fresh, this.freed);
    if (old.length - tail === 1 && this.doc?.ts === begin) {
      observe(this.doc, fresh, this.freed);
    } else {
      for (let i = tail; i < old.length; i += 1) {
        fresh.push(old.ts[old.at(i)]);
        for (const [name, column] of old.columns) if (!Number.isNaN(column[old.at(i)])) fresh.set(name, column[old.at(i)]);
      }
    }
    this.history = fresh;
    this.spare = old;
    this.changed('doc');
  }

  /** Change where the person is. @param {Partial<Pick<State, 'mode' | 'speed' | 'link' | 'isShared' | 'away' | 'ended' | 'view' | 'selected' | 'filter' | 'tab' | 'compare'>>} place */
  setPlace(place) {
    Object.assign(this, place);
    this.changed('place');
  }

  /** Show more of one thing. @param {State['pick']} pick */
  setPick(pick) {
    this.pick = pick;
    this.pickRows = null;
    this.pickNote = '';
    this.held = [];
    this.changed('pick', 'place');
  }

  /** @param {import('./findings.js').Finding[]} findings */
  setFindings(findings) {
    this.findings = findings;
    this.findingRows = groupFindings(findings);
    this.changed('overview');
  }

  /** @param {{pool: string, slot: number}[]} held */
  setHeld(held) {
    this.held = held;
    this.changed('pick');
  }

  /** @param {any[] | null} rows @param {string} note */
  setPickRows(rows, note) {
    this.pickRows = rows;
    this.pickNote = note;
    this.changed('pick');
  }
}

/** The duration at which a row of the heat map begins. @param {number} row */
export function heatEdge(row) {
  return 1e4 * 2 ** (row / 2);
}

/** Which row of the heat map a duration belongs to: 10 µs and less is 0, twice that two rows up. @param {number} durNs */
export function heatRow(durNs) {
  return Math.max(0, Math.min(HEAT_ROWS - 1, Math.floor(2 * Math.log2(durNs / 1e4))));
}
