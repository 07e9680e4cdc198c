// @ts-check
// context.js: what went before a moment: the minutes of the charts, and what rates are counted from.

import { getOfRun } from './api.js';
import { overviewSeries, RATE_SPAN_NS } from './observe.js';
import { HISTORY_SPAN_NS } from './state.js';

const SEED_PX = 600;

/**
 * @param {import('./state.js').State} state whose run event is known
 * @param {number} to @param {boolean} still whether nothing comes after that rates could be counted from
 * @returns {Promise<[any, any]>} the overview up to that moment and the document a second before; null where it can't be had
 */
export async function askHistory(state, to, still) {
  const run = /** @type {string} */ (state.runKey);
  const from = Math.max(0, to - HISTORY_SPAN_NS);
  const series = overviewSeries(state.run.sources, 'charts').join(',');
  const settled = await Promise.allSettled([
    to > from ? getOfRun(run, 'overview', { from, to, px: SEED_PX, series }) : Promise.resolve(null),
    still && to > 0 ? getOfRun(run, 'state', { ts: to - RATE_SPAN_NS }) : Promise.resolve(null),
  ]);
  return /** @type {[any, any]} */ (settled.map((s) => (s.status === 'fulfilled' ? s.value : null)));
}
