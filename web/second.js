// @ts-check
// second.js: keeps a second run (B) in step with the one that is shown (A): whatever A's player does,
// B shows its newest frame at or before the moment that belongs to A's (align.js).
// Owns: B's stream and the frames that came before their time. While A plays, B's stream runs a
// little ahead and its frames wait until A is there; while A stands, B's document is asked for.
// Never: holds more than QUEUE_MOST frames, or has more than a stream and a question open: of the six
// connections that a browser gives an HTTP/1.1 server the two runs take two, three at times.

import { inB, curveOf } from './align.js';
import { getOfRun } from './api.js';
import { askHistory } from './context_asks.js';
import { openCounted } from './share.js';
import { askRunEvent, paceOf } from './stream.js';

const QUEUE_MOST = 400;
const QUEUE_LOW = 50;
/** how far ahead of A the stream of B runs, in time as it passes for who looks, once it has begun */
const LEAD_MS = 300;
/** a stream that has been heard of for a shorter time may be late; one that is silent for so long is given up */
const SETTLE_MS = 1200;
const SILENT_MS = 10000;
const LATENCY_MOST_MS = 5000;
const ASK_EVERY_MS = 100;
/** so long after there was no stream to be had another is tried */
const STREAMLESS_MS = 500;
const BACKOFF_MS = [250, 500, 1000, 2000, 4000];
const CURVE_PX = 4000;
const EVENT_PAGES = 10;
const EVENTS_A_PAGE = 5000;
/** a jump in time so far that what was before it is no longer of use */
const FAR_NS = 5e9;

/** @typedef {import('./state.js').State} State */
/** @typedef {{ts: number, data: any, whole: boolean}} Waiting a keyframe, or a delta */

/** When a run's first request came; undefined: none among its first events. @param {any} run @returns {Promise<number | undefined>} */
async function firstRequest(run) {
  let from = 0;
  for (let page = 0; page < EVENT_PAGES; page += 1) {
    const { events, truncated } = await getOfRun(run.run, 'events', { from, limit: EVENTS_A_PAGE });
    const found = events.find((/** @type {any} */ event) => event.type === 'request');
    if (found || !truncated) return found?.ts;
    from = events.at(-1).ts + 1;
  }
  return undefined;
}

export class Second {
  /** @param {State} first A's @param {State} state B's @param {(message: string) => void} say */
  constructor(first, state, say) {
    this.first = first;
    this.state = state;
    this.say = say;
    /** @type {import('./align.js').Alignment} */
    this.alignment = { offset_ns: 0, curve: null };
    this.close = () => {};
    /** @type {{speed: number, openedMs: number, heardMs: number, ended: boolean, shown: boolean} | null} shown: deltas to come stand on its frames */
    this.stream = null;
    /** @type {Waiting[]} */
    this.queue = [];
    this.asking = false;
    this.askedMs = 0;
    this.askedAim = NaN;
    /** from asking for a stream to its first frame */
    this.latencyMs = 0;
    this.attempt = 0;
    this.retryMs = 0;
    this.seededFor = NaN;
    /** bumped when another run or alignment is chosen: answers of before are dropped */
    this.turn = 0;
    this.aligned = false;
    /** settles when the alignment is known @type {Promise<void>} */
    this.aligning = Promise.resolve();
    /** @type {string | null} A when B was chosen */
    this.besideRun = null;
    this.hidden = false;
    /** @type {() => void} called when a frame should be drawn though nothing of A changed */
    this.wake = () => {};
  }

  /** Stand beside A what `first.compare` says, or nothing. */
  choose() {
    const { first, state } = this;
    this.turn += 1;
    this.rest();
    this.aligned = false;
    this.askedAim = NaN;
    this.seededFor = NaN;
    this.besideRun = first.runKey;
    if (first.compare?.run === first.runKey) first.setPlace({ compare: null });
    const wanted = first.compare;
    if (!wanted) {
      state.openRun(null);
      return;
    }
    state.setRuns(first.runs ?? []);
    if (state.runKey !== wanted.run) {
      state.openRun(wanted.run);
      state.setPlace({ link: 'connecting' });
      this.askRun(wanted.run);
    }
    this.aligning = this.align(wanted);
  }

  /** @param {NonNullable<State['compare']>} wanted */
  async align(wanted) {
    const { turn } = this;
    /** @type {import('./align.js').Alignment} */
    let alignment = { offset_ns: wanted.offset_ns, curve: null };
    try {
      if (wanted.align !== 'moment') alignment = await this.findAlignment(wanted);
    } catch (error) {
      if (turn === this.turn) this.say(`${error instanceof Error ? error.message : error}: aligned by the time since each began.`);
      alignment = { offset_ns: 0, curve: null };
    }
    if (turn !== this.turn) return;
    this.alignment = alignment;
    this.aligned = true;
    this.wake();
  }

  /** What the run has: its sources, marks and gaps. @param {string} run */
  askRun(run) {
    const { state } = this;
    askRunEvent(run, state.endTs, (data) => {
      if (state.runKey === run) state.setRun(data);
    });
    for (const [what, take] of /** @type {[string, (answer: any) => void][]} */ ([
      ['marks', (a) => a.marks.forEach((/** @type {any} */ m) => state.addMark(m))], ['gaps', (a) => state.addGaps(a.gaps)],
    ])) getOfRun(run, what, {}).then((answer) => { if (state.runKey === run) take(answer); }, () => {});
  }

  /** @param {NonNullable<State['compare']>} wanted @returns {Promise<import('./align.js').Alignment>} */
  async findAlignment(wanted) {
    const { first, state } = this;
    const both = /** @type {[any, any]} */ ([first.entry, state.entry]);
    if (both.some((run) => !run)) throw new Error('One of the runs is not here');
    if (wanted.align === 'mark') {
      const [a, b] = await Promise.all(both.map(async (run) => (await getOfRun(run.run, 'marks', {})).marks.find((/** @type {any} */ m) => m.label === wanted.label)));
      if (!a || !b) throw new Error(`Run ${a ? both[1].run : both[0].run} has no mark “${wanted.label}”`);
      return { offset_ns: b.ts - a.ts, curve: null };
    }
    if (wanted.align === 'first') {
      const [a, b] = await Promise.all(both.map((run) => firstRequest(run)));
      if (typeof a !== 'number' || typeof b !== 'number') throw new Error(`Run ${typeof a === 'number' ? both[1].run : both[0].run} has no request`);
      return { offset_ns: b - a, curve: null };
    }
    if (wanted.align === 'requests') {
      const of = (/** @type {string} */ kind) => getOfRun(wanted.run, 'overview', { from: 0, to: Math.max(1, both[1].end_ts), px: CURVE_PX, series: `${kind}/*/requests` });
      const curve = curveOf(await of('owner')) ?? curveOf(await of('route'));
      if (!curve) throw new Error(`Run ${wanted.run} counts no requests`);
      return { offset_ns: 0, curve };
    }
    return { offset_ns: 0, curve: null };
  }

  /** Close what is open; follow() opens it again. */
  rest() {
    this.close();
    this.close = () => {};
    this.stream = null;
    this.queue = [];
  }

  /** A page that nobody sees holds no second stream. @param {boolean} hidden */
  hide(hidden) {
    this.hidden = hidden;
    if (hidden) this.rest();
    else this.askedAim = NaN;
  }

  /** The moment of B that belongs to what is shown of A, which B may not have: NaN before A's first frame. */
  get aim() {
    return this.aligned && this.first.doc ? inB(this.alignment, this.first.ts, this.first.doc) : NaN;
  }

  /** Where that moment lies. @returns {'unknown' | 'before' | 'within' | 'gap' | 'after'} */
  get place() {
    const { aim, state } = this;
    const run = state.entry;
    if (!run || Number.isNaN(aim)) return 'unknown';
    if (aim < (run.first_ts ?? 0)) return 'before';
    if (aim > Math.max(state.endTs, run.end_ts ?? 0) + state.intervalNs) return 'after';
    const stands = this.first.mode === 'pause' && !this.asking && state.doc !== null && this.askedAim === Math.round(aim);
    const hole = stands && aim - state.ts > state.intervalNs * 3;
    return hole || state.gaps.some((gap) => gap.ts <= aim && aim <= gap.ts + gap.dur) ? 'gap' : 'within';
  }

  /** The span of B that belongs to one of A, for what is drawn over it; null: none. @param {[number, number]} span @returns {[number, number] | null} */
  span(span) {
    const { first, state, alignment } = this;
    if (!first.compare || !this.aligned || !state.doc || !first.doc) return null;
    if (!alignment.curve) return [span[0] + alignment.offset_ns, span[1] + alignment.offset_ns];
    const from = Math.max(0, state.ts - (span[1] - span[0]));
    return [from, Math.max(state.ts, from + 1)];
  }

  /** How the diff is to be asked so that it compares what stands beside each other. @returns {Record<string, string>} */
  diffSpan() {
    const { first, state } = this;
    if (!first.compare) return {};
    if (first.compare.align === 'requests') return { align: 'requests' };
    const offset = first.compare.align === 'moment' || !this.aligned ? 0 : this.alignment.offset_ns;
    if (first.selected && offset + first.selected[1] > 0) {
      const [from, to] = first.selected.map(Math.round);
      return { from_a: String(from), to_a: String(to), from_b: String(Math.max(0, from + offset)), to_b: String(to + offset) };
    }
    if (offset === 0 || !state.entry) return {};
    const from = Math.max(first.entry.first_ts ?? 0, (state.entry.first_ts ?? 0) - offset);
    if (from >= first.endTs || from + offset >= state.endTs) return {};
    return { from_a: String(Math.round(from)), from_b: String(Math.round(from + offset)) };
  }

  /** Called once an animation frame: bring B to where A is. @param {number} nowMs */
  follow(nowMs) {
    const { first, state } = this;
    if (first.compare && this.besideRun !== first.runKey) this.choose();
    if (!first.compare || !this.aligned || this.hidden || !state.entry) return;
    if (state.runs !== first.runs) state.setRuns(first.runs ?? []);
    const { aim } = this;
    if (Number.isNaN(aim)) return;
    const run = state.entry;
    const end = Math.max(state.endTs, run.end_ts ?? 0);
    const at = Math.round(Math.max(run.first_ts ?? 0, Math.min(aim, end)));
    if (Number.isNaN(this.seededFor) && state.run && state.history.length > 0) this.seed();
    if (state.mode !== first.mode) state.setPlace({ mode: first.mode });
    if (first.mode === 'pause' || this.alignment.curve || first.speed === 'max') {
      if (this.stream) this.rest();
      this.ask(at, nowMs, first.mode === 'pause');
      return;
    }
    this.play(at, first.mode === 'live' ? 1 : first.speed, nowMs, end);
  }

  /** @param {number} at @param {number} speed @param {number} nowMs @param {number} end B's */
  play(at, speed, nowMs, end) {
    const leadNs = (LEAD_MS + this.latencyMs) * 1e6 * speed;
    if (this.stream && this.isAstray(at, speed, leadNs, nowMs)) this.rest();
    if (!this.stream) {
      if (nowMs < this.retryMs) return;
      this.ask(at, nowMs, true);
      const from = Math.max(this.state.entry.first_ts ?? 0, Math.min(at + leadNs, end));
      this.open({ from, speed }, speed, nowMs);
    }
    this.release(at, speed > 0);
    if (this.stream && this.stream.ended && this.queue.length < QUEUE_LOW && !this.atTheEnd(speed)) {
      const last = this.queue.at(-1)?.ts ?? this.state.ts;
      this.open(speed > 0 ? { last_event_id: last, speed } : { from: last, speed }, speed, nowMs, true);
    }
  }

  /** Whether B's stream brings what is of no use at this moment. @param {number} at @param {number} speed @param {number} leadNs @param {number} nowMs */
  isAstray(at, speed, leadNs, nowMs) {
    const stream = /** @type {NonNullable<Second['stream']>} */ (this.stream);
    if (stream.speed !== speed) return true;
    const tolerance = Math.abs(leadNs) * 3 + this.state.intervalNs * 3;
    const head = this.queue[0];
    if (head && Math.abs(head.ts - at) > tolerance) return true;
    const young = Number.isNaN(stream.heardMs) ? nowMs - stream.openedMs < SILENT_MS : nowMs - stream.heardMs < SETTLE_MS;
    if (young || this.atTheEnd(speed)) return false;
    return !head && Math.abs(at - this.state.ts) > tolerance && !this.state.gaps.some((gap) => gap.ts <= at && at <= gap.ts + gap.dur + this.state.intervalNs);
  }

  /** @param {number} speed */
  atTheEnd(speed) {
    const { state } = this;
    return speed > 0 ? !state.entry.live && state.ts >= (state.entry.end_ts ?? 0) : state.ts <= (state.entry.first_ts ?? 0);
  }

  /** @param {Record<string, number>} query @param {number} speed @param {number} nowMs @param {boolean} [keep] the frames that wait */
  open(query, speed, nowMs, keep = false) {
    const waiting = this.queue;
    this.rest();
    if (keep) this.queue = waiting;
    const stream = { speed, openedMs: nowMs, heardMs: NaN, ended: false, shown: keep };
    this.stream = stream;
    this.close = openCounted(/** @type {string} */ (this.state.runKey), { ...query, ...paceOf(speed), events: 0 }, (name, data) => this.take(stream, name, data), {
      opened: () => {
        this.attempt = 0;
        this.state.setPlace({ link: 'open' });
      },
      lost: () => this.lost(),
    }, () => { // other windows have them all: until then B is asked for
      this.rest();
      this.askedAim = NaN;
      this.retryMs = performance.now() + STREAMLESS_MS;
    });
  }

  lost() {
    this.rest();
    const wait = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    this.attempt += 1;
    this.retryMs = performance.now() + wait;
    this.askedAim = NaN;
    this.state.setPlace({ link: 'lost' });
    setTimeout(() => this.wake(), wait);
  }

  /** @param {NonNullable<Second['stream']>} stream @param {import('./stream.js').StreamEvent} name @param {any} data */
  take(stream, name, data) {
    const { state } = this;
    switch (name) {
      case 'run': state.setRun(data); break;
      case 'keyframe':
      case 'delta':
        if (Number.isNaN(stream.heardMs)) this.heard(stream);
        this.queue.push({ ts: data.ts, data, whole: name === 'keyframe' });
        if (this.queue.length >= QUEUE_MOST) {
          this.close();
          stream.ended = true;
        }
        break;
      case 'mark': if (data.removed) state.removeMark(data.mark_id); else state.addMark(data); break;
      case 'gap': state.addGap(data); break;
      case 'end': stream.ended = true; break;
      default:
    }
  }

  /** The first frame of a stream: the next one knows how long that takes. @param {NonNullable<Second['stream']>} stream */
  heard(stream) {
    stream.heardMs = performance.now();
    this.latencyMs = Math.min(LATENCY_MOST_MS, stream.heardMs - stream.openedMs);
  }

  /** Show the frames whose time has come. @param {number} at @param {boolean} forward */
  release(at, forward) {
    const { state, queue } = this;
    let count = 0;
    while (count < queue.length && (forward ? queue[count].ts <= at : !state.doc || state.ts > at)) {
      const frame = queue[count];
      if (frame.whole) state.keyframe(frame.data, false);
      else state.delta(frame.data);
      count += 1;
    }
    if (count === 0) return;
    queue.splice(0, count);
    if (this.stream) this.stream.shown = true;
  }

  /**
   * Ask for the document at a moment and show it.
   * @param {number} at @param {number} nowMs @param {boolean} soon whether it is not one of many
   */
  async ask(at, nowMs, soon) {
    const { state } = this;
    if (this.asking || at === this.askedAim || nowMs < this.retryMs) return;
    if (!soon && nowMs - this.askedMs < ASK_EVERY_MS) {
      setTimeout(() => this.wake(), ASK_EVERY_MS);
      return;
    }
    this.asking = true;
    this.askedMs = nowMs;
    this.askedAim = at;
    const run = /** @type {string} */ (state.runKey);
    const { turn } = this;
    try {
      const doc = await getOfRun(run, 'state', { ts: at });
      this.attempt = 0;
      if (turn === this.turn && run === state.runKey && !this.stream?.shown) {
        state.setPlace({ link: 'open' });
        const far = Math.abs(doc.ts - state.ts) > FAR_NS;
        if (far) {
          state.history.clear();
          this.seededFor = NaN;
        }
        if (doc.ts !== state.ts || !state.doc) state.keyframe(doc, state.doc !== null && !far);
      }
    } catch (error) {
      if (run === state.runKey && turn === this.turn) this.lost();
    } finally {
      this.asking = false;
      this.wake();
    }
  }

  /** The minutes before the first moment that is known, for the charts. */
  async seed() {
    const { state, turn } = this;
    const ts = state.history.ts[state.history.at(0)];
    this.seededFor = ts;
    const [overview, docBefore] = await askHistory(state, ts, true);
    const isCurrent = () => turn === this.turn && state.history.length > 0 && state.history.ts[state.history.at(0)] === ts;
    if (isCurrent()) state.seedHistory(overview, docBefore, isCurrent);
  }
}
