// @ts-check
// context.js: what came before the moment that is shown: charts, events, connections, latencies,
// collections; asked for once a moment, after it has been painted, one question after the other.
// Another moment drops what is still asked: the server stops working on it.

import { getOfRun } from './api.js';
import { connectionsBefore } from './conn_asks.js';
import { askHistory, collectionsBefore, fillHeat, newestEvents } from './context_asks.js';
import { HOLE_NS } from './state.js';

/** who seeks on within this time wants no more than the moment itself */
const STILL_MS = 150;
/** what the recorder has seen is in the file after a second */
const IN_FILE_MS = 2000;
/** a gap of a live run that is older is in the file */
const LATE_NS = 30e9;

/** @typedef {import('./state.js').State} State */

export class Context {
  /** @param {State} state @param {() => Promise<void>} timeline done when the timeline that was asked for is there, which a person looks at first */
  constructor(state, timeline) {
    this.state = state;
    this.timeline = timeline;
    this.filled = false;
    this.asked = new AbortController();
    /** the run whose gaps are asked for */
    this.gapsOf = '';
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.marksTimer = undefined;
  }

  /** Another moment is on its way: what came before this one is of no use. */
  drop() {
    clearTimeout(this.timer);
    this.asked.abort();
    this.asked = new AbortController();
    this.filled = false;
  }

  /** The moment is there; ask when it stays for a while. */
  fillSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fill(), STILL_MS);
  }

  /** Ask for what came before it, unless that was done; when the run is not known yet, a little later. */
  fill() {
    const { state } = this;
    if (this.filled || (!state.run && state.mode === 'pause')) return;
    if (!state.run || !state.doc) {
      if (state.mode !== 'pause') this.fillSoon();
      return;
    }
    this.filled = true;
    this.ask(/** @type {string} */ (state.runKey), this.asked.signal);
  }

  /** @param {string} run @param {AbortSignal} signal */
  async ask(run, signal) {
    const { state } = this;
    const isCurrent = () => run === state.runKey && !signal.aborted;
    // Paused, all that came before is asked for; else what came before the first that the stream brought.
    const to = state.mode !== 'pause' && state.events.length > 0 ? state.events.newest(state.events.length - 1).ts : state.ts;
    const questions = [
      // Marks and gaps are few, and stand on the timeline that a person looks at first.
      () => this.fillMarks(run, signal),
      () => this.fillCharts(isCurrent, signal),
      async () => {
        const events = await newestEvents(run, to, signal);
        if (isCurrent() && state.events.length === 0) state.takeEvents({ events }, false);
      },
      async () => {
        const list = await collectionsBefore(state, to, signal);
        if (isCurrent()) state.seedCollections(list);
      },
      async () => {
        const known = await connectionsBefore(state, to, signal);
        if (isCurrent()) state.seedConnections(known.open, known.events);
      },
      () => fillHeat(state, to, signal, isCurrent),
    ];
    for (const question of questions) {
      if (!isCurrent()) return;
      await question().catch(() => {}); // what is missing is not shown
    }
  }

  /** A live stream that sends its whole state again has left something out, perhaps a gap or a mark: ask, once they are in the file. */
  marksSoon() {
    this.marksTimer ??= setTimeout(() => {
      this.marksTimer = undefined;
      if (this.state.runKey) this.fillMarks(this.state.runKey, this.asked.signal).catch(() => {});
    }, IN_FILE_MS);
  }

  /** @param {string} run @param {AbortSignal} signal */
  async fillMarks(run, signal) {
    const { state } = this;
    const { marks } = await getOfRun(run, 'marks', {}, signal);
    if (run !== state.runKey) return;
    for (const mark of marks) state.addMark(mark);
    this.fillGaps(run).catch(() => {});
  }

  /** The gaps that can have come since the last answer. They are the run's, and all of the recording is read for them: another moment does not drop the question. @param {string} run */
  async fillGaps(run) {
    const { state } = this;
    if (this.gapsOf === run || state.gapsTo === Infinity) return;
    const to = state.entry?.live ? Math.max(0, state.endTs - LATE_NS) : Infinity;
    this.gapsOf = run;
    try {
      await this.timeline();
      const { gaps } = await getOfRun(run, 'gaps', state.gapsTo < 0 ? {} : { from: state.gapsTo });
      if (run !== state.runKey) return;
      state.addGaps(gaps);
      state.gapsTo = to;
    } finally {
      this.gapsOf = '';
    }
  }

  /** The minutes before the newest moments that the page has seen without a hole. @param {() => boolean} isCurrent @param {AbortSignal} signal */
  async fillCharts(isCurrent, signal) {
    const { state } = this;
    const begin = () => (state.history.length > 0 ? state.history.ts[state.history.at(state.history.tailIndex(HOLE_NS))] : state.ts);
    const to = begin();
    const [overview, docBefore] = await askHistory(state, to, state.mode === 'pause', signal);
    if (isCurrent() && state.history.length > 0 && begin() >= to) await state.seedHistory(overview, docBefore, isCurrent);
  }
}
