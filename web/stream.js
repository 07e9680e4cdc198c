// @ts-check
// stream.js: event streams, as a worker reads them (stream_worker.js); nobody else knows of either.

import { runUrl } from './api.js';

/** at such speeds a document is of seconds, and nobody reads its events */
const FAST = 25;

/** How many documents a second, and events in each, are enough at a speed. @param {number | 'max'} speed */
export const paceOf = (speed) => (speed === 'max' || Math.abs(speed) >= FAST ? { rate: 20, events: 200 } : {});

/** @typedef {'run' | 'keyframe' | 'delta' | 'events' | 'mark' | 'gap' | 'end'} StreamEvent */
/** @typedef {{take: (name: StreamEvent, data: any) => void, told: {opened: () => void, lost: () => void}}} Reader */

/** Milliseconds that taking events took since who counts them last set this to 0. */
export const spent = { ms: 0 };

/** Those that are open. @type {Map<number, Reader>} */
const readers = new Map();
let opened = 0;
/** @type {Worker | null} */
let worker = null;

/** The worker that reads for all streams. */
function startWorker() {
  worker = new Worker(new URL('./stream_worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = hear;
  worker.onerror = () => { // it could not be had, or broke: the next stream asks for another
    worker?.terminate();
    worker = null;
    for (const id of readers.keys()) lose(id);
  };
  return worker;
}

/** @param {number} id */
function lose(id) {
  const reader = readers.get(id);
  readers.delete(id);
  reader?.told.lost();
}

/** @param {MessageEvent} message */
function hear(message) {
  const begin = performance.now();
  const { id, is, name, data } = message.data;
  const reader = readers.get(id);
  if (!reader) return;
  if (is === 'opened') {
    reader.told.opened();
  } else if (is === 'lost') {
    lose(id);
  } else {
    if (name === 'end') readers.delete(id);
    reader.take(name, data);
    worker?.postMessage({ id, taken: 1 });
  }
  spent.ms += performance.now() - begin;
}

if (globalThis.Worker) startWorker(); // its files come with the page's

/**
 * Open a stream. `end` closes it; so does the first error, and `lost` is told: to try again is for the
 * caller, who knows what was seen last.
 * @param {string} url
 * @param {Reader['take']} take `events` come as text, to be read when there is time for it
 * @param {Reader['told']} told
 * @returns {() => void} close it; after that neither function is called
 */
export function openStream(url, take, told) {
  const id = opened += 1;
  readers.set(id, { take, told });
  (worker ?? startWorker()).postMessage({ id, url });
  return () => {
    if (readers.delete(id)) worker?.postMessage({ id });
  };
}

/** A run's `run` event alone: as of its end, when all its sources are known. @param {string} run @param {number} endTs @param {(data: any) => void} take */
export function askRunEvent(run, endTs, take) {
  const close = openStream(runUrl(run, 'stream', { speed: 1, from: endTs, events: 0 }), (name, data) => {
    if (name !== 'run') return;
    close();
    take(data);
  }, { opened: () => {}, lost: () => {} });
}

/** Why there is no frame at a moment: a damaged chunk is known to who reads it. @param {string} run @param {number} at @param {(gap: any) => void} take */
export function askGaps(run, at, take) {
  const close = openStream(runUrl(run, 'stream', { speed: 1000, from: at, events: 0 }), (name, data) => {
    if (name === 'gap') take(data);
    if (name === 'gap' || name === 'delta') close();
  }, { opened: () => {}, lost: () => {} });
}
