// @ts-check
// overviews.js: when the timeline, and what went wrong in the run, are asked for: for another run, and
// while a live one goes on.

import { ApiError, getOfRun } from './api.js';
import { findFindings } from './findings.js';
import { coarseQuery, FINDING_SERIES, isLong, OVERVIEW_PX, overviewQuery, wholeRun } from './first_asks.js';
import { PEAK_PARTS_NS, PEAK_SERIES } from './timeline.js';

const EVERY_NS = 2e9;
const FINDINGS_EVERY_NS = 4e9;

/** @typedef {import('./state.js').State} State */

export class Overviews {
  /** @param {State} state @param {(message: string) => void} say what went wrong, for a person */
  constructor(state, say) {
    this.state = state;
    this.say = say;
    this.trouble = '';
    /** @type {{run: string, overview: any} | null} what was looked through for what went wrong */
    this.searched = null;
    this.askedFor = '';
    this.findingsFor = '';
    this.gapsFor = 0;
    this.knownSources = 0;
    this.additions = 0;
    /** done when the newest question has been answered, or could not be */
    this.asked = Promise.resolve();
  }

  /** How often a live run is looked through: the longer it is, the longer its parts on the screen; the page draws what came since. @param {number} least ns @returns {number} ns */
  every(least) {
    let every = least;
    while (every < this.state.endTs / OVERVIEW_PX) every *= 2;
    return every;
  }

  /** Another run is shown: ask for its timeline. */
  begin() {
    this.askedFor = '';
    this.findingsFor = '';
    this.knownSources = 0;
    this.additions = 0;
    this.keep();
  }

  /** How often sources have come since the run was opened: not those that the page learns of first, which the server knew when it was asked. */
  moreSources() {
    const count = this.state.run?.sources.length ?? 0;
    if (count > this.knownSources && this.knownSources > 0) this.additions += 1;
    if (count > 0) this.knownSources = count;
    return this.additions;
  }

  /** Ask for what is due, called now and then. */
  keep() {
    const { state } = this;
    if (!state.entry) return;
    const { live } = state.entry;
    const key = `${state.runKey} ${this.moreSources()} ${live && !state.view ? Math.floor(state.endTs / this.every(EVERY_NS)) : ''}`;
    const wrongKey = `${state.runKey} ${live} ${Math.floor(state.endTs / this.every(FINDINGS_EVERY_NS))}`;
    const isNew = wrongKey !== this.findingsFor;
    // One question for both, where the timeline shows the whole run.
    if (key !== this.askedFor || (isNew && !state.view)) this.asked = this.refresh(isNew);
    if (isNew && state.view) this.refreshFindings();
    if (!isNew && this.gapsFor !== state.gaps.length) this.findAgain();
    this.askedFor = key;
    this.findingsFor = wrongKey;
    this.gapsFor = state.gaps.length;
  }

  /** Ask for the timeline's span anew; of the whole run also what is looked through for what went wrong. @param {boolean} [withFindings] */
  async refresh(withFindings = false) {
    const { state } = this;
    const run = state.runKey;
    if (!run || state.link === 'lost') return;
    const isWhole = state.view === null;
    const span = state.view ?? wholeRun(state.endTs);
    try {
      if (!state.overview && isLong(span)) {
        const coarse = await getOfRun(run, 'overview', coarseQuery(span));
        if (run !== state.runKey) return;
        if (!state.overview) state.setOverview(coarse);
      }
      const overview = await getOfRun(run, 'overview', overviewQuery(span, withFindings && isWhole));
      if (run !== state.runKey) return;
      state.setOverview(overview);
      if (overview) this.refreshPeaks(run, overview);
      if (!overview || !withFindings || !isWhole) return;
      this.searched = { run, overview };
      this.findAgain();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof ApiError && error.status > 0 && message !== this.trouble) this.say(`The timeline could not be had: ${message}`);
      this.trouble = message;
    }
  }

  /** How fast requests came at most within each part of the timeline: each frame is read for that, so it is asked when the rest is there. @param {string} run @param {any} overview */
  async refreshPeaks(run, overview) {
    const { from, to, px, series } = overview;
    if ((to - from) / px < PEAK_PARTS_NS) return;
    try {
      const answer = await getOfRun(run, 'overview', { from, to, px, series: PEAK_SERIES.join(','), peaks: 1 });
      if (this.state.overview !== overview) return;
      for (const { kind, source, field, peak } of answer.series) {
        const shown = series.find((/** @type {any} */ s) => s.kind === kind && s.source === source && s.field === field);
        if (shown) shown.peak = peak;
      }
      this.state.setOverview({ ...overview });
    } catch {
      // The means stand.
    }
  }

  /** What went wrong in the whole run, for the list of warnings. */
  async refreshFindings() {
    const { state } = this;
    const run = state.runKey;
    if (!run || state.link === 'lost') return;
    try {
      const overview = await this.findingSeries(run, ...wholeRun(state.endTs));
      this.searched = { run, overview };
      this.findAgain();
    } catch {
      // The next question may be answered.
    }
  }

  /** The same with gaps that have become known since. */
  findAgain() {
    const { state, searched } = this;
    if (searched && searched.run === state.runKey) state.setFindings(findFindings(searched.overview, state.gaps));
  }

  /** @param {string} run @param {number} from @param {number} to */
  findingSeries(run, from, to) {
    return getOfRun(run, 'overview', { from, to, px: OVERVIEW_PX, series: FINDING_SERIES.join(',') });
  }
}
