// @ts-check
// heat_view.js: latency of responses over two minutes: a column a second, a row half a doubling.

import { byId, el, setText, visible } from './dom.js';
import { clock, count, duration } from './format.js';
import { heatEdge, HEAT_ROWS } from './state.js';
import { theme } from './theme.js';

const LABELS_NS = [10e9, 1e9, 100e6, 10e6, 1e6, 100e3, 10e3];
const TIMES_BACK_S = [120, 90, 60, 30, 0];

/** @param {State} state @param {any} actions @typedef {import('./state.js').State} State */
export function createHeatView(state, actions) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'heat', role: 'img', 'aria-label': 'How many responses took how long, over the last two minutes' }));
  canvas.width = state.heatSeconds;
  canvas.height = HEAT_ROWS;
  const labels = LABELS_NS.map((ns) => {
    const label = el('span', {}, duration(ns));
    label.style.bottom = `${((2 * Math.log2(ns / heatEdge(0))) / HEAT_ROWS) * 100}%`;
    return label;
  });
  const times = TIMES_BACK_S.map(() => el('span'));
  byId('heat').append(
    el('div', { class: 'card-head' }, el('h3', {}, 'Latency over time'), el('span', { class: 'dim' }, 'responses of the last two minutes; brighter is more · click to go there')),
    el('div', { class: 'heat-box' }, el('div', { class: 'heat-axis', 'aria-hidden': 'true' }, ...labels), canvas, el('div', { class: 'heat-times', 'aria-hidden': 'true' }, ...times)));
  visible.watch(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(state.heatSeconds, HEAT_ROWS);
  const words = new Uint32Array(image.data.buffer);
  const newest = () => Math.max(state.heatTo, Math.floor(state.ts / 1e9));
  /** @param {number} second @param {number} row */
  const hitsAt = (second, row) => (second >= 0 && second <= state.heatTo && second > state.heatTo - state.heatSeconds ? state.heat[(second % state.heatSeconds) * HEAT_ROWS + row] : 0);
  /** @param {MouseEvent} event */
  function cellAt(event) {
    const box = canvas.getBoundingClientRect();
    const part = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
    const row = HEAT_ROWS - 1 - Math.floor(Math.max(0, Math.min(0.9999, (event.clientY - box.top) / box.height)) * HEAT_ROWS);
    return { second: newest() - state.heatSeconds + 1 + Math.floor(part * state.heatSeconds), row };
  }
  canvas.addEventListener('pointermove', (event) => {
    const { second, row } = cellAt(event);
    actions.tip(second < 0 ? null : `${clock(second * 1e9).replace(/\.000$/, '')} · ${duration(heatEdge(row))} to ${duration(heatEdge(row + 1))}: ${count(hitsAt(second, row))} responses`, event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerleave', () => actions.tip(null));
  canvas.addEventListener('click', (event) => actions.seek(Math.max(0, cellAt(event).second * 1e9)));
  let seen = '';

  return () => {
    const key = `${state.version.events} ${theme.version} ${Math.floor(state.ts / 1e9)}`;
    if (key === seen || !visible.is(canvas)) return;
    seen = key;
    const dark = theme.name === 'dark';
    const now = newest();
    let most = 1;
    for (const hits of state.heat) if (hits > most) most = hits;
    for (let x = 0; x < state.heatSeconds; x += 1) {
      const second = now - state.heatSeconds + 1 + x;
      for (let row = 0; row < HEAT_ROWS; row += 1) words[(HEAT_ROWS - 1 - row) * state.heatSeconds + x] = heatColour(hitsAt(second, row), most, dark);
    }
    context.putImageData(image, 0, 0);
    times.forEach((node, i) => setText(node, now - TIMES_BACK_S[i] < 0 ? '' : clock((now - TIMES_BACK_S[i]) * 1e9).replace(/\.000$/, '')));
  };
}

/** @param {number} hits @param {number} most @param {boolean} dark */
function heatColour(hits, most, dark) {
  if (hits === 0) return 0;
  const part = 0.25 + (0.75 * Math.log2(1 + hits)) / Math.log2(1 + most);
  const [r, g, b] = dark ? [255 * part, 90 + 130 * part * part, 60 + 60 * (1 - part)] : [200 - 120 * part, 120 - 100 * part, 40 + 20 * part];
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}
