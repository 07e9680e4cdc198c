// @ts-check
// share.js: streams, as many as a browser's windows may have together. Over HTTP/1.1 a browser gives a
// server six connections, whatever the number of its windows, and a stream keeps one: windows that
// are one too many ask for the state instead, twice a second, until another gives its stream back.
// Never: leaves less than two of the six to the questions of all windows.
// The count is kept by Web Locks, which a window that closes or crashes gives back.

import { getOfRun, runUrl } from './api.js';
import { openStream } from './stream.js';

const STREAMS_MOST = 4;
const ASK_EVERY_MS = 500;
/** no newer moment in so much time, live: it is for the caller to find out why */
const STILL_MS = 2500;
/** "max" is not faster than this for who asks for moments */
const FASTEST = 1000;

/** @typedef {Record<string, string | number | undefined>} Query */
/** @typedef {{opened: () => void, lost: () => void, shares: (isShared: boolean) => void}} Told shares: whether moments come twice a second only */
/** @typedef {(name: import('./stream.js').StreamEvent, data: any) => void} Take */

/** Over HTTP/2 all share one connection. */
function isMultiplexed() {
  const [entry] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'));
  return /^h[23]/.test(entry?.nextHopProtocol ?? '');
}

/** @param {string} name @returns {Promise<(() => void) | null>} how to give the lock back; null: another window has it */
function lockOf(name) {
  return new Promise((resolve) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) resolve(null);
      return lock ? new Promise((done) => { resolve(() => done(undefined)); }) : undefined;
    }).catch(() => resolve(() => {})); // where there are no locks windows do not know of each other
  });
}

/** Whether streams have to be counted, and can be. */
const isCounted = () => Boolean(globalThis.navigator?.locks) && !isMultiplexed();

/** One of the streams that there may be. @returns {Promise<(() => void) | null>} how to give it back; null: all are taken */
async function claim() {
  for (let i = 0; i < STREAMS_MOST; i += 1) {
    const release = await lockOf(`memcam stream ${i}`);
    if (release) return release;
  }
  return null;
}

/**
 * Open a run's stream, when there is one to be had.
 * @param {string} run @param {Query} query of the stream @param {Take} take
 * @param {{opened: () => void, lost: () => void}} told @param {() => void} none called when all streams are taken
 * @returns {() => void} close it; after that nothing is called
 */
export function openCounted(run, query, take, told, none) {
  if (!isCounted()) return openClaimed(run, query, take, told, () => {});
  let close = () => {};
  let isOpen = true;
  claim().then((given) => {
    if (!isOpen) given?.();
    else if (given) close = openClaimed(run, query, take, told, given);
    else none();
  });
  return () => {
    isOpen = false;
    close();
  };
}

/** @param {string} run @param {Query} query @param {Take} take @param {{opened: () => void, lost: () => void}} told @param {() => void} release */
function openClaimed(run, query, take, told, release) {
  const close = openStream(runUrl(run, 'stream', query), (name, data) => {
    if (name === 'end') release();
    take(name, data);
  }, {
    opened: told.opened,
    lost: () => {
      release();
      told.lost();
    },
  });
  return () => {
    close();
    release();
  };
}

/**
 * The same, or what stands in for it: keyframes of the moments that a stream would show.
 * @param {string} run @param {Query} query @param {Take} take @param {Told} told
 * @param {() => {ts: number, exit: string | null}} end of the run, as far as it is known
 * @returns {() => void} close it; after that nothing is called
 */
export function openShared(run, query, take, told, end) {
  let close = openCounted(run, query, take, told, () => {
    close = standIn(run, query, take, told, end, (instead) => { close = instead; });
  });
  return () => close();
}

/**
 * Ask for the state twice a second until there is a stream.
 * @param {string} run @param {Query} query @param {Take} take @param {Told} told
 * @param {() => {ts: number, exit: string | null}} end @param {(close: () => void) => void} became a stream, which is closed so
 */
function standIn(run, query, take, told, end, became) {
  const isLive = query.from === undefined;
  const speed = query.speed === 'max' ? FASTEST : Number(query.speed ?? 1);
  const beginMs = performance.now();
  let asks = true;
  let lastTs = NaN;
  let movedMs = beginMs;
  told.shares(true);
  let timer = setTimeout(turn);
  const stop = () => {
    asks = false;
    clearTimeout(timer);
  };
  return stop;

  async function turn() {
    const given = await claim();
    if (!asks) {
      given?.();
    } else if (given) {
      stop();
      told.shares(false);
      became(openClaimed(run, isLive ? {} : { ...query, from: Number.isNaN(lastTs) ? query.from : lastTs }, take, told, given));
    } else {
      await look();
      if (asks) timer = setTimeout(turn, ASK_EVERY_MS);
    }
  }

  /** Show the moment whose time has come. */
  async function look() {
    const at = Number(query.from) + (performance.now() - beginMs) * 1e6 * speed;
    let doc;
    try {
      doc = await getOfRun(run, 'state', isLive ? {} : { ts: Math.max(0, Math.min(at, end().ts)) });
    } catch {
      lose();
      return;
    }
    if (!asks) return;
    if (Number.isNaN(lastTs)) told.opened();
    if (doc.ts !== lastTs) {
      lastTs = doc.ts;
      movedMs = performance.now();
      take('keyframe', doc);
    } else if (isLive && performance.now() - movedMs > STILL_MS) {
      lose();
    }
    if (!asks || isLive || (speed > 0 ? at < end().ts : at > 0)) return;
    stop();
    take('end', { ts: doc.ts, exit: end().exit });
  }

  function lose() {
    if (!asks) return;
    stop();
    told.lost();
  }
}
