// @ts-check
// spark_view.js: a small chart without axes: the lowest and highest value of each pixel, filled.

import { visible, widthOf } from './dom.js';
import { colours } from './theme.js';

const MIN_SPAN_NS = 10e9;
const low = new Float64Array(4096);
const high = new Float64Array(4096);

/**
 * @typedef {object} SparkOptions
 * @property {string} series
 * @property {string} colour a name of theme.js
 * @property {number} [height] CSS pixels
 * @property {number} [spanNs]
 * @property {number} [top] the value at the upper edge; absent: the highest shown
 */

/** @param {HTMLCanvasElement} canvas @param {SparkOptions} options */
export function createSpark(canvas, options) {
  const { series, colour, height = 28, spanNs = 60e9 } = options;
  canvas.setAttribute('aria-hidden', 'true');
  canvas.style.height = `${height}px`;
  visible.watch(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  let width = 0;
  // Asking an element for its size in the middle of a frame would lay the page out again.
  new ResizeObserver(([entry]) => { width = entry.contentRect.width; }).observe(canvas);
  return {
    /** @param {import('./history.js').History} history @param {number} to @param {number} [top] */
    draw(history, to, top = options.top) {
      if (!visible.is(canvas)) return;
      width = widthOf(width, canvas);
      if (width === 0) return;
      fitCanvasHeight(canvas, width, height);
      const parts = Math.min(low.length, canvas.width);
      const lows = low.subarray(0, parts);
      const highs = high.subarray(0, parts);
      // A run that is shorter than the span fills the width.
      history.envelope(series, to - Math.min(spanNs, Math.max(MIN_SPAN_NS, to)), to + 1, lows, highs);
      let highest = top ?? 0;
      if (top === undefined) for (let i = 0; i < parts; i += 1) if (highs[i] > highest) highest = highs[i];
      paint(context, canvas, lows, highs, highest || 1, colours[colour]);
    },
  };
}

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function fitCanvasHeight(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) {
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} canvas
 * @param {Float64Array} lows @param {Float64Array} highs @param {number} top @param {string} colour
 */
function paint(context, canvas, lows, highs, top, colour) {
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const scale = (height - 2) / top;
  context.beginPath();
  let last = -1;
  let open = false;
  for (let i = 0; i < lows.length; i += 1) {
    if (Number.isNaN(highs[i])) continue;
    const y = height - 1 - Math.min(top, highs[i]) * scale;
    if (!open) context.moveTo(i, y);
    else context.lineTo(i, y);
    if (highs[i] !== lows[i]) context.lineTo(i, height - 1 - Math.min(top, lows[i]) * scale);
    open = true;
    last = i;
  }
  if (!open) return;
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1, window.devicePixelRatio || 1);
  context.stroke();
  const first = highs.findIndex((v) => !Number.isNaN(v));
  context.lineTo(last, height);
  context.lineTo(first, height);
  context.globalAlpha = 0.16;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}
