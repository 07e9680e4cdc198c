// @ts-check
// lanes_view.js: the timeline's lanes as pixels: for each column the lowest and highest value of the
// parts that it covers, below them a shade. One putImageData, whatever the number of parts.

import { colours } from './theme.js';

const SHADE = 77;
const LEAST_LINE_PX = 1.5;
/** empty at the upper edge of a lane, and at both */
const PAD_PX = 2;

/** A colour of the style sheet as the bytes of a pixel. @param {string} css "#rrggbb" @param {number} alpha */
function pixel(css, alpha) {
  const value = Number.parseInt(css.slice(1), 16);
  return ((alpha << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

export class LanesImage {
  constructor() {
    this.canvas = document.createElement('canvas');
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext('2d'));
    /** @type {ImageData | null} */
    this.image = null;
    this.words = new Uint32Array(0);
    this.low = new Float64Array(0);
    this.high = new Float64Array(0);
    this.laneRows = 0;
    this.ratio = 1;
  }

  /** Begin anew: device pixels. @param {number} width @param {number} laneCount @param {number} lanePx CSS pixels @param {number} ratio */
  begin(width, laneCount, lanePx, ratio) {
    this.ratio = ratio;
    this.laneRows = Math.round(lanePx * ratio);
    const height = Math.max(1, this.laneRows * laneCount);
    if (this.canvas.width !== width || this.canvas.height !== height || !this.image) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.image = this.context.createImageData(width, height);
      this.words = new Uint32Array(this.image.data.buffer);
      this.low = new Float64Array(width);
      this.high = new Float64Array(width);
    } else {
      this.words.fill(0);
    }
  }

  /** Fill columns of a lane, as `low` and `high` say. @param {number} index @param {number} top the value at its upper edge @param {string} colour @param {number} begin @param {number} end columns */
  paint(index, top, colour, begin, end) {
    const { words, laneRows, ratio, low, high } = this;
    const width = this.canvas.width;
    const base = index * laneRows + laneRows - Math.round(PAD_PX * ratio);
    const room = laneRows - 2 * PAD_PX * ratio;
    const scale = room / (top || 1);
    const line = pixel(colour, 255);
    const shade = pixel(colour, SHADE);
    for (let x = begin; x < end; x += 1) {
      if (Number.isNaN(high[x])) continue;
      const tall = Math.min(room, high[x] * scale);
      const y = Math.round(base - tall);
      const stop = y + Math.max(Math.round(LEAST_LINE_PX * ratio), Math.round(tall - Math.min(room, low[x] * scale)));
      for (let at = y; at < stop; at += 1) words[at * width + x] = line;
      for (let at = stop; at < base; at += 1) words[at * width + x] = shade;
    }
  }

  /** A line below each lane. @param {number} laneCount */
  rule(laneCount) {
    const colour = pixel(colours.line, 255);
    const width = this.canvas.width;
    const thick = Math.max(1, Math.round(this.ratio));
    for (let i = 1; i <= laneCount; i += 1) {
      const begin = (i * this.laneRows - thick) * width;
      this.words.fill(colour, begin, begin + thick * width);
    }
  }

  end() {
    if (this.image) this.context.putImageData(this.image, 0, 0);
  }
}
