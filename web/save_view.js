// @ts-check
// save_view.js: an image of the slot maps at this moment, with names and numbers, as a PNG file.

import { el } from './dom.js';
import { clock, countExact, percent, wallTime } from './format.js';
import { entries } from './observe.js';
import { colours } from './theme.js';

const MARGIN = 16;
const LINE = 22;

/** @param {import('./state.js').State} state */
export function saveImage(state) {
  if (!state.doc) return;
  const ratio = window.devicePixelRatio || 1;
  const maps = entries(state.doc.pools).map(([name, pool]) => {
    const canvas = /** @type {HTMLCanvasElement | null} */ (document.querySelector(`canvas[data-map="${CSS.escape(name)}"]`));
    return { canvas, text: `${name}  ${countExact(pool.used)} / ${countExact(pool.capacity)}  ${percent(pool.used, pool.capacity)}  high water ${countExact(pool.high_water)}  overflow ${countExact(pool.overflow)}` };
  });
  const shown = maps.filter((m) => m.canvas && m.canvas.width > 1);
  const width = Math.max(640 * ratio, ...shown.map((m) => m.canvas?.width ?? 0)) + 2 * MARGIN * ratio;
  const height = shown.reduce((sum, m) => sum + (m.canvas?.height ?? 0) + (LINE + MARGIN) * ratio, (LINE + 2 * MARGIN) * ratio);
  const out = /** @type {HTMLCanvasElement} */ (el('canvas'));
  out.width = Math.min(16384, width);
  out.height = Math.min(16384, height);
  const context = /** @type {CanvasRenderingContext2D} */ (out.getContext('2d'));
  context.fillStyle = colours.bg;
  context.fillRect(0, 0, out.width, out.height);
  context.font = `${13 * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'top';
  context.fillStyle = colours.text;
  const run = state.run ?? state.entry;
  let y = MARGIN * ratio;
  context.fillText(`${run?.label || run?.program || ''} on ${run?.host ?? ''} at ${clock(state.ts)} (${wallTime((run?.start_wall_ns ?? 0) + state.ts)})`, MARGIN * ratio, y);
  y += (LINE + MARGIN) * ratio;
  for (const { canvas, text } of shown) {
    context.fillStyle = colours.text;
    context.fillText(text, MARGIN * ratio, y);
    y += LINE * ratio;
    if (canvas) context.drawImage(canvas, MARGIN * ratio, y);
    y += (canvas?.height ?? 0) + MARGIN * ratio;
  }
  out.toBlob((blob) => {
    if (!blob) return;
    const url = URL.createObjectURL(blob);
    el('a', { href: url, download: `memcam-${clock(state.ts).replaceAll(':', '-')}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
}
