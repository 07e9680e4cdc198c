// @ts-check
// save_view.js: an image of this moment as a PNG file: what is wrong, the slot maps with their numbers, the timeline.

import { el } from './dom.js';
import { bytes, clock, countExact, duration, percent, rate, wallTime } from './format.js';
import { poolOrder } from './pool_view.js';
import { colours } from './theme.js';

const MARGIN = 16;
const LINE = 22;
const WARNINGS_MOST = 6;
/** larger canvases are refused */
const MOST_PX = 16384;

/** What is drawn from above to below: lines of text and pictures. @typedef {{text: string, colour?: string} | {picture: HTMLCanvasElement, at?: number}} Part a picture with `at` gets a line there, from 0 to 1 of its width */

/**
 * @param {import('./state.js').State} state
 * @param {import('./warnings.js').Warning[]} warnings
 * @returns {Part[]}
 */
function partsOf(state, warnings) {
  const run = state.run ?? state.entry;
  const last = (/** @type {string} */ series) => state.history.last(series);
  const { doc } = state;
  /** @type {Part[]} */
  const out = [
    { text: `${run?.label || run?.program || ''} on ${run?.host ?? ''} at ${clock(state.ts)} (${wallTime((run?.start_wall_ns ?? 0) + state.ts)})` },
    { text: `${rate(last('req'))} requests /s · ${rate(last('e5'))} server errors /s · p99 ${duration(last('p99'))} · ${countExact(doc.connections?.open)} connections · RSS ${bytes(doc.process?.rss_bytes)}`, colour: colours.dim },
    ...warnings.slice(0, WARNINGS_MOST).map(({ level, text }) => ({ text: `${level === 'critical' ? '■' : '▲'} ${text}`, colour: level === 'critical' ? colours.bad : colours.warn })),
    { text: '' },
  ];
  for (const name of poolOrder(doc, '')) {
    const pool = doc.pools[name];
    const map = canvasOf(`canvas[data-map="${CSS.escape(name)}"]`);
    if (map) out.push({ text: `${name}  ${countExact(pool.used)} / ${countExact(pool.capacity)}  ${percent(pool.used, pool.capacity)}  high water ${countExact(pool.high_water)}  overflow ${countExact(pool.overflow)}` }, { picture: map });
  }
  const lanes = canvasOf('canvas.timeline');
  const cursor = /** @type {HTMLElement | null} */ (document.querySelector('.cursor:not([hidden])'));
  if (lanes) out.push({ picture: lanes, at: cursor ? (cursor.getBoundingClientRect().left - lanes.getBoundingClientRect().left) / lanes.clientWidth : undefined });
  return out;
}

/** @param {string} selector @returns {HTMLCanvasElement | null} one with something on it */
function canvasOf(selector) {
  const canvas = /** @type {HTMLCanvasElement | null} */ (document.querySelector(selector));
  return canvas && canvas.width > 1 ? canvas : null;
}

/** @param {import('./state.js').State} state @param {import('./warnings.js').Warning[]} warnings */
export function saveImage(state, warnings) {
  if (!state.doc) return;
  const ratio = window.devicePixelRatio || 1;
  const parts = partsOf(state, warnings);
  const size = (/** @type {Part} */ part) => ('picture' in part ? part.picture.height + MARGIN * ratio : LINE * ratio);
  const margin = MARGIN * ratio;
  const out = /** @type {HTMLCanvasElement} */ (el('canvas'));
  out.width = Math.min(MOST_PX, Math.max(640 * ratio, ...parts.map((part) => ('picture' in part ? part.picture.width : 0))) + 2 * margin);
  out.height = Math.min(MOST_PX, parts.reduce((sum, part) => sum + size(part), 2 * margin));
  const context = /** @type {CanvasRenderingContext2D} */ (out.getContext('2d'));
  context.fillStyle = colours.bg;
  context.fillRect(0, 0, out.width, out.height);
  context.font = `${13 * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'top';
  let y = margin;
  for (const part of parts) {
    if ('picture' in part) {
      context.drawImage(part.picture, margin, y);
      context.fillStyle = colours.accent;
      if (part.at !== undefined) context.fillRect(margin + part.at * part.picture.width, y, 2 * ratio, part.picture.height);
    } else {
      context.fillStyle = part.colour ?? colours.text;
      context.fillText(part.text, margin, y, out.width - 2 * margin);
    }
    y += size(part);
  }
  out.toBlob((blob) => {
    if (!blob) return;
    const url = URL.createObjectURL(blob);
    el('a', { href: url, download: `memcam-${clock(state.ts).replaceAll(':', '-')}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
}
