// @ts-check
// stream.js: one event stream, the only place that knows EventSource.

import { runUrl } from './api.js';

const NAMES = /** @type {const} */ (['run', 'keyframe', 'delta', 'events', 'mark', 'gap', 'end']);

/** @typedef {typeof NAMES[number]} StreamEvent */

/** Milliseconds that taking events took since who counts them last set this to 0. */
export const spent = { ms: 0 };

/**
 * Open a stream. `end` closes it, or the browser would ask for it again; so does the first error,
 * and `lost` is told: to try again is for the caller, who knows what was seen last.
 * @param {string} url
 * @param {(name: StreamEvent, data: any) => void} take `events` come as text, to be read when there is time for it
 * @param {{opened: () => void, lost: () => void}} told
 * @returns {() => void} close it; after that neither function is called
 */
export function openStream(url, take, told) {
  const source = new EventSource(url);
  let open = true;
  const close = () => {
    open = false;
    source.close();
  };
  source.onopen = () => {
    if (open) told.opened();
  };
  source.onerror = () => {
    if (!open) return;
    close();
    told.lost();
  };
  for (const name of NAMES) {
    source.addEventListener(name, (message) => {
      if (!open) return;
      const begin = performance.now();
      if (name === 'end') close();
      take(name, name === 'events' ? message.data : JSON.parse(message.data));
      spent.ms += performance.now() - begin;
    });
  }
  return close;
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
