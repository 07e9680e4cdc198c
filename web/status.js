// @ts-check
// status.js: the one word for what the page shows now, and the sentence behind it.

import { clock, duration } from './format.js';

export const STALE_AFTER_MS = 1000;

/**
 * @typedef {object} Status
 * @property {'loading' | 'empty' | 'lost' | 'ended' | 'stalled' | 'gap' | 'stale' | 'live' | 'playing' | 'paused'} id
 * @property {string} word
 * @property {string} text a sentence for the banner; empty where nothing is wrong
 */

/** Whether the program itself stood still at that moment. @param {any} doc */
export function standsStill(doc) {
  const process = doc?.process;
  return Boolean(process && (process.stalled_ns > 0 || process.state === 'T' || process.state === 't'));
}

/**
 * @param {import('./state.js').State} state
 * @param {number} nowMs performance.now()
 * @returns {Status}
 */
export function statusOf(state, nowMs) {
  const late = nowMs - state.lastFrameMs;
  if (state.link === 'lost' || (state.away && !state.ended)) {
    return { id: 'lost', word: 'connection lost', text: 'Connection lost. What you see is the last that arrived; the page reconnects by itself.' };
  }
  if (!state.doc) {
    if (state.runs && state.runs.length === 0) return { id: 'empty', word: 'no runs', text: 'Nothing is recorded yet. Start a program with “memcam serve APP.scm” or “memcam record -- PROGRAM”, and it appears here by itself.' };
    return { id: 'loading', word: 'loading', text: late > 3000 ? 'Waiting for the first frame…' : '' };
  }
  if (state.ended && state.mode !== 'play') {
    const next = state.away ? `What served this page has ended too; “memcam replay ${state.entry?.file ?? 'FILE'}” shows the run again.` : 'All of it can be replayed below.';
    return { id: 'ended', word: 'ended', text: `The run has ended${state.ended.exit ? `: ${state.ended.exit}` : ''}. ${next}` };
  }
  if (state.mode === 'live' && late > STALE_AFTER_MS) {
    return { id: 'stale', word: 'stale', text: `No frame for ${duration(Math.floor(late / 1000) * 1e9)}: the recorder is late or the network is slow.` };
  }
  const gap = state.gapShown;
  if (gap) {
    const why = gap.reason === 'damaged' ? 'A part of the recording is damaged here' : `Nothing was recorded here (${gap.reason})`;
    return { id: 'gap', word: gap.reason === 'damaged' ? 'damaged' : 'gap', text: `${why}, for ${duration(gap.dur)}. What you see is the last frame before it, at ${clock(state.ts)}.` };
  }
  if (standsStill(state.doc)) {
    const stalled = state.doc.process.stalled_ns;
    return { id: 'stalled', word: 'stands still', text: `The program stands still${stalled > 0 ? ` for ${duration(stalled)}` : ''}${/t/i.test(state.doc.process.state ?? '') ? ' (stopped by a signal)' : ''}; the recorder goes on.` };
  }
  const few = state.isShared ? 'Other windows have all the streams that this browser gives to one server: here moments come twice a second, until one of those is closed or paused.' : '';
  if (state.mode === 'live') return { id: 'live', word: 'live', text: few };
  if (state.mode === 'play') return { id: 'playing', word: 'replay', text: few };
  return { id: 'paused', word: 'paused', text: '' };
}
