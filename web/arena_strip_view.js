// @ts-check
// arena_strip_view.js: a bar per request, newest at the right: how much of an arena it used.

import { el, fitCanvas, setText, visible } from './dom.js';
import { bytes, count, duration } from './format.js';
import { colours, theme } from './theme.js';

const BAR_PX = 4;
const HEIGHT = 40;

/** @typedef {import('./state.js').State} State */

/** @param {State} state @param {{pickConn: (id: number) => void, tip: (text: string | null, x?: number, y?: number) => void}} actions */
export function createArenaStrip(state, actions) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'strip', role: 'img', 'aria-label': 'Arena bytes of each of the last requests; the table of events has the same' }));
  const note = el('span', { class: 'dim' });
  const root = el('div', { class: 'arena', id: 'arena-strip', hidden: true }, el('div', { class: 'card-head' }, el('h4', {}, 'Per request'), note), canvas);
  visible.watch(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  let width = 0;
  new ResizeObserver(([entry]) => { width = Math.floor(entry.contentRect.width); }).observe(root);
  const room = () => Math.max(1, Math.floor(width / BAR_PX));
  const eventAt = (/** @type {MouseEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    const index = Math.floor((box.right - event.clientX) / BAR_PX);
    return index >= 0 && index < Math.min(room(), state.arenas.length) ? state.arenas.newest(index) : null;
  };
  canvas.addEventListener('pointermove', (event) => {
    const it = eventAt(event);
    actions.tip(it ? `${it.method ?? ''} ${it.route ?? ''} → ${it.status} · arena ${bytes(it.arena_bytes)} · ${duration(it.dur)} · connection ${it.conn_id}` : null, event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerleave', () => actions.tip(null));
  canvas.addEventListener('click', (event) => {
    const it = eventAt(event);
    if (it?.conn_id) actions.pickConn(it.conn_id);
  });
  let seen = '';
  return {
    root,
    draw() {
      root.hidden = state.arenas.length === 0;
      const key = `${state.version.events} ${width} ${theme.version}`;
      if (root.hidden || width === 0 || key === seen || !visible.is(canvas)) return;
      seen = key;
      const shown = Math.min(room(), state.arenas.length);
      let most = 1;
      for (let i = 0; i < shown; i += 1) most = Math.max(most, state.arenas.newest(i).arena_bytes);
      setText(note, `the last ${count(shown)}, tallest ${bytes(most)}`);
      fitCanvas(canvas, width, HEIGHT);
      const ratio = window.devicePixelRatio || 1;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, HEIGHT);
      for (let i = 0; i < shown; i += 1) {
        const event = state.arenas.newest(i);
        const tall = Math.max(2, (event.arena_bytes / most) * (HEIGHT - 2));
        context.fillStyle = event.status >= 500 ? colours.bad : event.status >= 400 ? colours.warn : colours.c2;
        context.fillRect(width - (i + 1) * BAR_PX, HEIGHT - tall, BAR_PX - 1, tall);
      }
    },
  };
}
