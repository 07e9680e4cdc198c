// @ts-check
// player.js: what play, pause, seek, step and live do: which stream is open, what is asked for.
// Pausing closes the stream, seeking opens another: the server keeps no session.

import { ApiError, getOfRun, getRuns, postMark, postMarkChange, postMarkRemoval, runUrl } from './api.js';
import { Context } from './context.js';
import { findFindings } from './findings.js';
import { chosenRun, OVERVIEW_PX } from './first_asks.js';
import { findJump, JUMP_KINDS } from './jump.js';
import { Overviews } from './overviews.js';
import { openShared } from './share.js';
import { askGaps, askRunEvent, openStream, paceOf } from './stream.js';

const BACKOFF_MS = [250, 500, 1000, 2000, 4000];
const STEP_WAIT_MS = 20000;
/** steps that wait for those before: a few, or a key that was held would go on after it is let go */
const STEPS_AHEAD = 2;
/** a page that nobody sees for so long gives its stream back */
const HIDE_MS = 2000;
/** away for longer, the newest state is worth more than all that came in between */
const AWAY_MS = 10000;
/** a recording that begins later in its run than this has lost its begin */
const FRESH_NS = 5e9;
/** @typedef {import('./state.js').State} State */

export class Player {
  /** @param {State} state @param {(message: string) => void} say what went wrong, for a person */
  constructor(state, say) {
    this.state = state;
    this.say = say;
    this.close = () => {};
    this.attempt = 0;
    /** bumped by every command, so that late answers of an earlier one are dropped */
    this.turn = 0;
    /** @type {Promise<void> | null} until what is asked for is shown */
    this.asking = null;
    /** @type {number | null} the newest ts that is yet to be asked for */
    this.wanted = null;
    /** @type {Promise<void> | null} until the steps that were asked for are done */
    this.stepping = null;
    this.stepsWanted = 0;
    /** @type {{run: string | null, aim: number, shown: number} | null} the last jump and the frame that showed it */
    this.jumped = null;
    this.overviews = new Overviews(state, say);
    this.context = new Context(state, () => this.overviews.asked);
    this.followLive = false;
    this.hidden = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hideTimer = undefined;
    /** @type {{mode: 'live' | 'play', ms: number} | null} what was given back while nobody saw the page */
    this.resting = null;
  }

  /** Begin: find the run of the link, or the live one, or the newest. @param {import('./url.js').Place} place */
  async start(place) {
    await this.refreshRuns();
    const { runs } = this.state;
    if (!runs || runs.length === 0) return;
    const run = chosenRun(runs, place);
    if (place.run && run.run !== place.run) this.say(`Run ${place.run} of the link is not here; this is run ${run.run}.`);
    await this.openRun(run.run, run.run === place.run ? place : {});
  }

  /** Ask for the list of runs; true when there was an answer. */
  async refreshRuns() {
    try {
      this.state.setRuns(await getRuns());
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.say('This dashboard wants a token: open the address that the program printed.');
      return false;
    }
  }

  /** @param {string} runKey @param {import('./url.js').Place} [place] */
  async openRun(runKey, place = {}) {
    const { state } = this;
    this.close();
    state.openRun(runKey);
    state.setPlace({ view: place.view ?? null, selected: place.selected ?? null, speed: place.speed ?? 1 });
    this.context.drop();
    this.overviews.begin();
    this.attempt = 0;
    if (place.ts === undefined && state.entry?.live) return this.goLive();
    const ts = this.within(place.ts);
    if (place.playing) return this.playFrom(ts);
    return this.pauseAt(ts);
  }

  /** A link's moment; where the recording has not got it, the nearest that it has. @param {number | undefined} ts */
  within(ts) {
    const { first_ts: first = 0, end_ts: end, live } = this.state.entry ?? {};
    if (ts === undefined) return first;
    if (ts < first - this.state.intervalNs) {
      this.say(first > FRESH_NS ? 'The moment of the link is no longer kept: this is the oldest that is.' : 'The recording begins after the moment of the link.');
      return first;
    }
    if (end === undefined || live || ts <= end + this.state.intervalNs) return ts;
    this.say('The run ended before the moment of the link: this is its end.');
    return end;
  }

  goLive() {
    if (!this.state.entry?.live) return;
    this.followLive = true;
    if (this.state.speed !== 1) this.state.setPlace({ speed: 1 });
    this.open('live', {});
  }

  /** @param {number} ts */
  playFrom(ts) {
    this.followLive = false;
    this.open('play', this.query(ts));
  }

  /** What to ask for to play from a moment on. @param {number} from */
  query(from) {
    const { speed } = this.state;
    return { from, speed, ...paceOf(speed) };
  }

  play() {
    const { state } = this;
    const atEnd = !state.entry?.live && state.ts >= state.endTs && !(typeof state.speed === 'number' && state.speed < 0);
    this.playFrom(atEnd ? state.entry?.first_ts ?? 0 : state.ts);
  }

  pause() {
    this.turn += 1;
    this.close();
    this.followLive = false;
    this.state.setPlace({ mode: 'pause', link: 'open' });
  }

  toggle() {
    if (this.state.mode === 'pause') this.play();
    else this.pause();
  }

  /** @param {number | 'max'} speed */
  setSpeed(speed) {
    this.state.setPlace({ speed });
    if (this.state.mode === 'play') this.playFrom(this.state.ts);
    else if (this.state.mode === 'live') this.playFrom(this.state.ts);
  }

  /**
   * @param {'live' | 'play'} mode
   * @param {Record<string, string | number | undefined>} query
   */
  open(mode, query) {
    const { state } = this;
    const run = state.runKey;
    if (run === null) return;
    this.turn += 1;
    const turn = this.turn;
    this.close();
    this.resting = null;
    state.aim = null;
    state.setPlace({ mode, link: 'connecting', ended: null, isShared: false });
    state.lastFrameMs = performance.now();
    this.close = openShared(run, query, (name, data) => this.take(name, data), {
      opened: () => {
        this.attempt = 0;
        state.setPlace({ link: 'open' });
        this.context.fill();
      },
      lost: () => {
        state.setPlace({ link: 'lost' });
        this.reconnect(turn, mode);
      },
      shares: (isShared) => {
        state.setPlace({ isShared });
        if (isShared && !state.run) this.askRunEvent();
      },
    }, () => ({ ts: state.endTs, exit: state.entry?.exit ?? null }));
    if (this.hidden) this.hide(true);
  }

  /** Whether nobody sees the page: then it holds no stream, of which a browser has six for a server. @param {boolean} hidden */
  hide(hidden) {
    this.hidden = hidden;
    clearTimeout(this.hideTimer);
    if (hidden) this.hideTimer = setTimeout(() => this.rest(), HIDE_MS);
    else this.wake();
  }

  rest() {
    const { mode } = this.state;
    if (mode === 'pause' || this.resting) return;
    this.turn += 1;
    this.close();
    this.close = () => {};
    this.resting = { mode, ms: performance.now() };
  }

  /** Seen again: go on where it rested, live with what came since, or, after long, anew. */
  async wake() {
    const { resting, state } = this;
    if (!resting || state.mode !== resting.mode) return;
    if (resting.mode === 'play') {
      this.playFrom(state.ts);
      return;
    }
    const back = await this.refreshRuns();
    if (this.hidden || this.resting !== resting || state.mode !== 'live') return;
    if (back && state.entry && !state.entry.live) {
      this.resting = null;
      this.ended(state.entry.end_ts, state.entry.exit ?? null);
    } else if (performance.now() - resting.ms < AWAY_MS && state.doc) {
      this.open('live', { last_event_id: state.ts });
    } else {
      state.forgetEvents();
      this.context.drop();
      this.open('live', {});
    }
  }

  /** Try until the server answers, then go on behind the last frame. @param {number} turn @param {'live' | 'play'} mode */
  reconnect(turn, mode) {
    const wait = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    this.attempt += 1;
    setTimeout(async () => {
      if (turn !== this.turn) return;
      const back = await this.refreshRuns();
      if (turn !== this.turn) return;
      const { state } = this;
      if (!back) {
        this.reconnect(turn, mode);
      } else if (!state.entry) {
        await this.start({});
      } else if (mode === 'live' && !state.entry.live) {
        this.ended(state.entry.end_ts, state.entry.exit ?? null);
      } else {
        const last = state.doc ? state.ts : undefined;
        if (mode === 'live') this.open('live', { last_event_id: last });
        else this.open('play', this.query(state.ts));
      }
    }, wait);
  }

  /** @param {import('./stream.js').StreamEvent} name @param {any} data */
  take(name, data) {
    const { state } = this;
    switch (name) {
      case 'run': this.takeRun(data); this.context.fill(); break;
      case 'keyframe':
        if (state.mode === 'live' && state.frames > 0) this.context.marksSoon();
        state.keyframe(data, state.frames > 0 && state.mode !== 'live');
        break;
      case 'delta': state.delta(data); break;
      case 'events': state.bringEvents(data); break;
      case 'mark': if (data.removed) state.removeMark(data.mark_id); else state.addMark(data); break;
      case 'gap': state.addGap(data); break;
      case 'end': this.ended(data.ts, data.exit); break;
      default:
    }
  }

  /** The run's sources are known: the timeline can be asked for. @param {any} data */
  takeRun(data) {
    this.state.setRun(data);
    this.overviews.keep();
  }

  /** The stream came to the run's end. @param {number} ts @param {string | null} exit */
  ended(ts, exit) {
    const { state } = this;
    const wasLive = state.mode === 'live';
    this.turn += 1;
    this.close();
    state.endTs = Math.max(state.endTs, ts ?? 0);
    state.setPlace({ mode: 'pause', link: 'open', ended: wasLive || !state.entry?.live ? { ts, exit } : null });
    this.refreshRuns();
  }

  /** Called now and then: a live run that came while the person watched the last one's end. */
  async poll() {
    const { state } = this;
    if (state.link === 'lost') return;
    const away = !(await this.refreshRuns()) && state.mode === 'pause';
    if (away !== state.away) state.setPlace({ away });
    if (!state.runs || state.runs.length === 0) return;
    if (!state.runKey) {
      await this.start({});
    } else if (this.followLive && state.mode === 'pause' && state.ended) {
      const next = state.runs.find((r) => r.live && r.run !== state.runKey);
      if (next) {
        this.say(`The run ended; run ${next.run} has begun and is shown.`);
        await this.openRun(next.run);
      }
    }
  }

  /** Stop at a moment and show it. @param {number} ts */
  async pauseAt(ts) {
    const { state } = this;
    if (state.runKey === null) return;
    this.close();
    this.turn += 1;
    this.followLive = false;
    const aim = Math.max(0, Math.round(ts));
    state.aim = aim;
    state.setPlace({ mode: 'pause', link: state.doc ? 'open' : 'connecting', ended: null });
    if (!state.run) this.askRunEvent();
    this.wanted = aim;
    this.asking ??= this.showWanted().finally(() => { this.asking = null; });
    await this.asking;
  }

  /** Show what is wanted, until nothing newer is: one answer under way at a time. */
  async showWanted() {
    while (this.wanted !== null && this.state.mode === 'pause') {
      const aim = this.wanted;
      this.wanted = null;
      await this.showState(aim);
    }
  }

  /** @param {number} aim */
  async showState(aim) {
    const { state, turn } = this;
    const run = /** @type {string} */ (state.runKey);
    try {
      const doc = await getOfRun(run, 'state', { ts: aim });
      if (run === state.runKey && state.mode === 'pause') {
        state.setPlace({ link: 'open' });
        state.keyframe(doc, state.doc !== null && Math.abs(doc.ts - state.ts) < 5e8);
        if (turn === this.turn) this.context.fillSoon();
        if (aim - doc.ts > state.intervalNs * 2 && aim <= state.endTs && !state.gapShown) askGaps(run, aim, (gap) => { if (run === state.runKey) state.addGap(gap); });
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) {
        state.setPlace({ link: 'lost' });
        setTimeout(() => {
          if (turn === this.turn) this.pauseAt(aim);
        }, 1000);
      } else {
        this.say(`No state at that moment: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** The run event alone, when no stream brings it. */
  askRunEvent() {
    const run = /** @type {string} */ (this.state.runKey);
    askRunEvent(run, this.state.endTs, (data) => {
      if (run !== this.state.runKey) return;
      this.takeRun(data);
      this.context.fillSoon();
    });
  }

  /** Go to a moment; what plays goes on from there. @param {number} ts @returns {Promise<void>} when, paused, it is shown */
  async seek(ts) {
    const { state } = this;
    const aim = Math.max(state.entry?.first_ts ?? 0, Math.min(ts, state.endTs));
    state.forgetEvents();
    this.context.drop();
    if (state.mode === 'play') this.playFrom(aim);
    else await this.pauseAt(aim);
  }

  /** One frame back or on. @param {1 | -1} direction @returns {Promise<void>} when it is shown, or could not be */
  async step(direction) {
    const { state } = this;
    if (!state.doc) return;
    if (state.mode !== 'pause') this.pause();
    if (direction < 0) {
      await this.pauseAt(Math.max(state.entry?.first_ts ?? 0, state.ts - 1));
      return;
    }
    this.stepsWanted = Math.min(this.stepsWanted + 1, STEPS_AHEAD);
    this.stepping ??= this.stepOn().finally(() => { this.stepping = null; });
    await this.stepping;
  }

  /** As many frames on as are wanted, from the moment that was asked for last; until another command comes. */
  async stepOn() {
    while (this.stepsWanted > 0) {
      this.stepsWanted -= 1;
      if (this.asking) await this.asking;
      if (this.state.mode !== 'pause') break;
      this.turn += 1;
      const { turn } = this;
      this.close();
      await new Promise((resolve) => { this.nextFrame(() => resolve(undefined)); });
      if (turn !== this.turn) break;
    }
    this.stepsWanted = 0;
  }

  /** The frame behind the one shown, from a stream that is closed behind it. @param {() => void} done */
  nextFrame(done) {
    const { state } = this;
    const shut = () => {
      clearTimeout(timer);
      close();
      done();
    };
    const failed = () => {
      this.say('The next frame could not be had.');
      shut();
    };
    const timer = setTimeout(failed, STEP_WAIT_MS);
    const close = openStream(
      runUrl(/** @type {string} */ (state.runKey), 'stream', { last_event_id: state.ts, speed: 1000, coalesce: 0 }),
      (name, data) => {
        if (name === 'run') return;
        if (name === 'keyframe' && data.ts <= state.ts) return;
        if (name !== 'end') this.take(name, data);
        if (name === 'delta' || name === 'keyframe' || name === 'end') shut();
      },
      { opened: () => {}, lost: failed },
    );
    this.close = shut;
  }

  /** @param {string} label @param {number} ts @param {number} dur */
  async mark(label, ts, dur) {
    const { state } = this;
    const run = /** @type {string} */ (state.runKey);
    try {
      const { mark_id } = await postMark(run, { ts: Math.round(ts), dur: Math.round(dur), label });
      state.addMark({ mark_id, ts, dur, label, author: '' });
    } catch (error) {
      this.say(`The mark was not made: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {import('./state.js').Mark} mark @param {{label?: string, ts?: number, dur?: number}} change */
  async changeMark(mark, change) {
    const { state } = this;
    try {
      await postMarkChange(/** @type {string} */ (state.runKey), mark.mark_id, change);
      state.addMark({ ...mark, ...change });
    } catch (error) {
      this.say(`The mark was not changed: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {import('./state.js').Mark} mark */
  async removeMark(mark) {
    const { state } = this;
    try {
      await postMarkRemoval(/** @type {string} */ (state.runKey), mark.mark_id);
      state.removeMark(mark.mark_id);
    } catch (error) {
      this.say(`The mark was not removed: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** To the next or last of something. @param {import('./jump.js').JumpKind} kind @param {1 | -1} direction */
  async jump(kind, direction) {
    const { state } = this;
    const run = state.runKey;
    const what = JUMP_KINDS.find(([id]) => id === kind)?.[1] ?? kind;
    const last = this.jumped?.shown === state.ts && this.jumped.run === run ? this.jumped.aim : null;
    try {
      const aim = await findJump(state, kind, direction, last);
      if (run !== state.runKey) return;
      if (aim === undefined) {
        this.say(`No ${what} ${direction > 0 ? 'after' : 'before'} this moment.`);
        return;
      }
      const finding = kind === 'warning' ? state.findings.find((f) => f.ts === aim) : undefined;
      if (finding) await this.seekFinding(finding);
      else if (kind === 'mark') await this.seek(aim);
      else await this.seekShowing(aim);
      this.jumped = { run, aim, shown: state.ts };
    } catch (error) {
      this.say(`The next ${what} could not be found: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Go where something began: its part of the overview may be a minute long, so look into that. @param {import('./findings.js').Finding} finding */
  async seekFinding(finding) {
    const { state } = this;
    const run = /** @type {string} */ (state.runKey);
    let { ts } = finding;
    const partNs = Math.max(1e9, state.endTs) / OVERVIEW_PX;
    if (finding.kind !== 'growth' && finding.kind !== 'gap' && partNs > state.intervalNs) {
      const near = await this.overviews.findingSeries(run, Math.max(0, ts - partNs), ts + 2 * partNs).catch(() => null);
      ts = (near && findFindings(near, []).find((f) => f.kind === finding.kind && f.name === finding.name)?.ts) ?? ts;
    }
    if (run === state.runKey) await this.seekShowing(ts);
  }

  /** Go to the first frame that shows what happened at a moment; what plays goes on from there. @param {number} ts */
  async seekShowing(ts) {
    const { state } = this;
    const turn = this.turn;
    await this.seek(ts + state.intervalNs);
    // Where frames were late, the one asked for may still be the one before.
    if (state.mode === 'pause' && this.turn === turn + 1 && state.ts < ts) await this.step(1);
  }
}
