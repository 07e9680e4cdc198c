// @ts-check
// frames.js: the page's one animation frame loop: what is drawn in which frame.
// Owns: the jobs that share frames (turns.js), and how often each comes.
// A frame changes one place of the screen: a browser without a graphics card draws the box around all
// that changed anew, and a number in each corner would be the whole window.

import { byId, visible } from './dom.js';
import { statusOf } from './status.js';
import { spent } from './stream.js';
import { reducedMotion, theme } from './theme.js';
import { Turns } from './turns.js';
import { findWarnings } from './warnings.js';

const FADE_MS = 90;
/** Nobody reads numbers that change sixty times a second: the slots do that. */
const NUMBERS_MS = 160;
const UNSEEN_MS = 1000;
const SCRIPT_KEPT = 4096;

/** Milliseconds of script per drawn frame, what its events took among them, newest over oldest; read by the bench. */
export const script = { ms: new Float32Array(SCRIPT_KEPT), count: 0 };

/** @typedef {import('./state.js').State} State */
/** @typedef {(nowMs: number) => void} Draw */
/** @typedef {(nowMs: number) => boolean | void} DrawSome true: there is more to draw, in another turn */

/**
 * @param {State} state @param {State} other the run beside
 * @param {any} views what main.js made
 * @param {{follow: Draw}} second
 * @param {() => boolean} isSeeking whether another moment is on its way: what is shown is not drawn anew for that
 */
export function createFrames(state, other, views, second, isSeeking) {
  /** @type {import('./warnings.js').Warning[]} */
  let warnings = [];
  let warnedFor = -1;
  let asked = false;

  /** Draw once in the next animation frame, however often it is asked for. */
  function schedule() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  }

  /** The parts with numbers and lists. */
  const parts = /** @type {[string, DrawSome][]} */ ([
    ['pools', (nowMs) => views.pools.draw(nowMs)],
    ['compare', () => views.compare.draw()],
    ['vitals', () => views.vitals.draw(state)],
    ['memory', () => views.memory.draw()],
    ['traffic', () => views.traffic.draw()],
    ['connections', () => views.connections.draw()],
    ['metrics', () => views.traffic.drawMetrics()],
  ]).map(([id, show]) => ({ root: byId(id), show, key: '', ms: 0, more: false }));
  for (const { root } of parts) visible.watch(root);

  /** What all parts are made of. @param {number} nowMs */
  const partsKey = (nowMs) => `${state.version.doc} ${state.version.run} ${state.version.place} ${state.version.events} ${state.version.pick} ${other.version.doc} ${other.version.run} ${visible.version} ${Math.floor(nowMs / 1000)}`;

  /** Draw as much of a part as fits into a turn. @param {typeof parts[number]} part @param {number} nowMs */
  function drawPart(part, nowMs) {
    if (!part.more) {
      part.key = partsKey(nowMs);
      part.ms = nowMs;
    }
    part.more = part.show(nowMs) === true;
  }

  /** @param {typeof parts[number]} part @param {number} nowMs */
  function drawWhole(part, nowMs) {
    while (part.more) drawPart(part, nowMs); // what was begun is of another moment
    do drawPart(part, nowMs); while (part.more);
  }

  /** @param {typeof parts[number]} part @param {number} nowMs */
  function isPartDue(part, nowMs) {
    if (isSeeking()) return false;
    if (part.more) return true;
    if (part.key === partsKey(nowMs)) return false;
    return part.key === '' || state.mode === 'pause' || nowMs - part.ms >= (visible.is(part.root) ? NUMBERS_MS : UNSEEN_MS);
  }

  /** A job for what says something of the link, too, which changes by itself. @param {string} place @param {() => void} show */
  function edge(place, show) {
    let seen = '';
    const key = (/** @type {number} */ nowMs) => `${state.version.doc} ${state.version.run} ${state.version.runs} ${state.version.place} ${state.version.overview} ${Math.floor(nowMs / NUMBERS_MS)}`;
    let drawnMs = -NUMBERS_MS;
    return {
      place: () => place,
      due: (/** @type {number} */ nowMs) => (state.mode === 'pause' || nowMs - drawnMs >= NUMBERS_MS) && key(nowMs) !== seen,
      run: (/** @type {number} */ nowMs) => {
        seen = key(nowMs);
        drawnMs = nowMs;
        show();
      },
    };
  }

  const maps = mapsJob(state, other, views);
  const header = edge('top', () => views.header.draw(state, statusOf(state, performance.now()), warnings));
  const transport = edge('bottom', () => {
    views.transport.draw();
    views.timeline.placeCursor();
  });

  /** What shares frames. @type {import('./turns.js').Job[]} */
  const jobs = [
    maps,
    { due: () => state.batch !== null || state.waiting.length > 0, run: () => state.takeWaiting() },
    { due: () => views.timeline.isBehind(), run: () => views.timeline.prepare() },
    header,
    transport,
    { place: () => 'bottom', due: () => views.timeline.hasMoved(), run: () => views.timeline.placeCursor() },
    { place: () => 'bottom', due: () => views.timeline.isStale(), run: () => views.timeline.draw() },
    ...parts.map((part) => ({
      place: () => (visible.is(part.root) ? part.root.id : undefined),
      due: (/** @type {number} */ nowMs) => isPartDue(part, nowMs),
      run: (/** @type {number} */ nowMs) => drawPart(part, nowMs),
    })),
    { place: () => 'charts', due: (nowMs) => views.charts.due(nowMs), run: (nowMs) => views.charts.draw(nowMs) },
    { place: () => 'side', due: (nowMs) => views.inspector.due(warnings, nowMs), run: (nowMs) => views.inspector.draw(warnings, nowMs) },
  ];
  const turns = new Turns(jobs);
  let shownFrames = '';

  /** After a seek all parts change in one frame: whatever is read belongs to the moment shown. @param {number} nowMs */
  function drawMoment(nowMs) {
    const frames = `${state.frames} ${other.frames}`;
    if (state.mode !== 'pause' || shownFrames === frames) return;
    shownFrames = frames;
    header.run(nowMs);
    transport.run(nowMs);
    maps.run(nowMs);
    for (const part of parts) drawWhole(part, nowMs);
  }

  /** A run's first lanes are what a person waits for: they have no turn to wait for. */
  function drawAwaited() {
    if (!views.timeline.isAwaited()) return;
    views.timeline.prepare();
    views.timeline.draw(true);
  }

  /** @param {number} nowMs */
  function draw(nowMs) {
    asked = false;
    const begin = performance.now() - spent.ms;
    spent.ms = 0;
    if (warnedFor !== state.version.doc) {
      warnings = state.doc ? findWarnings(state.doc, state.history, state.gaps) : [];
      warnedFor = state.version.doc;
    }
    second.follow(nowMs);
    views.markers.draw();
    drawMoment(nowMs);
    drawAwaited();
    const again = turns.take(nowMs, begin, state.mode === 'pause') || maps.isShining();
    script.ms[script.count % SCRIPT_KEPT] = performance.now() - begin;
    script.count += 1;
    if (again) schedule();
  }

  // Parts that change less often than frames come are drawn with one of these.
  setInterval(schedule, NUMBERS_MS);

  return {
    schedule,
    /** What is to be looked at now; borrowed. */
    warnings: () => warnings,
    /** All parts are to be drawn anew. */
    forget() {
      for (const part of parts) part.key = '';
      maps.forget();
      schedule();
    },
    /** All parts now, also those that are off the screen where that is forced. */
    drawAll() {
      const nowMs = performance.now();
      for (const part of parts) drawWhole(part, nowMs);
      views.pools.paint();
      views.timeline.draw(true);
      views.charts.drawAll();
    },
  };
}

/** The slots: as often as they change or fade, at most in every second frame. @param {State} state @param {State} other @param {any} views */
function mapsJob(state, other, views) {
  let seen = '';
  let fadedMs = 0;
  let paintedMs = 0;
  const key = () => `${state.version.doc} ${state.version.run} ${state.version.place} ${other.version.doc} ${other.version.run} ${visible.version} ${theme.version}`;
  const isShining = () => {
    for (const map of state.maps.values()) if (map.anyFading) return true;
    for (const map of other.maps.values()) if (map.anyFading) return true;
    return false;
  };

  /** Let changed slots fade a level. */
  function fade() {
    for (const map of [...state.maps.values(), ...other.maps.values()]) {
      if (reducedMotion.matches) map.darken();
      else map.fade();
    }
  }

  return {
    often: true,
    place: () => 'pools',
    isShining,
    forget: () => { seen = ''; },
    /** A window that was made larger tells nobody. @param {number} nowMs */
    due: (nowMs) => nowMs - paintedMs >= NUMBERS_MS || key() !== seen || (nowMs - fadedMs >= FADE_MS && isShining()),
    /** @param {number} nowMs */
    run(nowMs) {
      seen = key();
      paintedMs = nowMs;
      if (nowMs - fadedMs >= FADE_MS) {
        fade();
        fadedMs = nowMs;
      }
      views.pools.paint();
      views.zoom.paint();
      views.compare.paint();
    },
  };
}
