// @ts-check
// slot_map_view.js: paints a slab's slots into a canvas: a tile a slot, from one pixel to a letter's
// size; only pages that changed are painted, and one putImageData shows them.

import { FLASH_LEVELS, FREE, PAGE_SLOTS } from './pool_map.js';
import { paletteTable } from './palette.js';
import { layoutCells } from './layout.js';
import { theme } from './theme.js';

const LETTER_CELL_PX = 11;
const GAP_CELL_PX = 4;
const NEVER = 0xffff;
/** letters that stand for owners, in the order in which a run meets its owners */
export const OWNER_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** bumped when any map's cells are laid out anew, for what stands over them */
export const layouts = { version: 0 };

/** @typedef {import('./pool_map.js').PoolMap} PoolMap */

export class SlotMapView {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false, desynchronized: false }));
    this.cell = 0;
    this.cols = 0;
    this.rows = 0;
    /** @type {ImageData | null} */
    this.image = null;
    this.words = new Uint32Array(0);
    /** @type {Map<number, Uint32Array>} by (level << 7 | letter) */
    this.tiles = new Map();
    /** what each cell of a tile was painted with; NEVER: nothing */
    this.painted = new Uint16Array(0);
    this.table = new Uint32Array(0);
    this.tableKey = '';
    /** @type {PoolMap | null} */
    this.map = null;
    /** whether a slot has its owner's colour and letter rather than its state's */
    this.byOwner = false;
  }

  /** @param {PoolMap} map @param {number} widthPx @param {number} maxHeightPx @param {number} maxCellPx device pixels */
  layout(map, widthPx, maxHeightPx, maxCellPx) {
    const { cell, cols, rows } = layoutCells(map.slotCount, widthPx, maxHeightPx, maxCellPx);
    if (cell === this.cell && cols === this.cols && rows === this.rows && map === this.map) return;
    if (cell !== this.cell) this.tiles.clear();
    this.cell = cell;
    this.cols = cols;
    this.rows = rows;
    this.map = map;
    layouts.version += 1;
    Object.assign(this.canvas.dataset, { cell, cols });
    this.canvas.width = cols * cell;
    this.canvas.height = rows * cell;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.style.width = `${(cols * cell) / ratio}px`;
    this.canvas.style.height = `${(rows * cell) / ratio}px`;
    this.image = this.context.createImageData(cols * cell, rows * cell);
    this.words = new Uint32Array(this.image.data.buffer);
    this.painted = new Uint16Array(map.slotCount);
    this.clear();
  }

  /** @param {string} letters that the slab names itself */
  setPalette(letters) {
    const key = `${theme.name} ${letters} ${this.byOwner}`;
    if (key === this.tableKey) return;
    this.tableKey = key;
    this.table = paletteTable(this.byOwner ? OWNER_LETTERS : letters, theme.name);
    this.tiles.clear();
    this.clear();
  }

  /** Nothing is painted any more. */
  clear() {
    this.words.fill(gapColour());
    this.painted.fill(NEVER);
    this.map?.touch();
  }

  /** Paint what changed. @returns {number} how many slots were painted */
  paint() {
    const { map, image } = this;
    if (!map || !image) return 0;
    let painted = 0;
    let first = map.slotCount;
    let end = 0;
    for (let page = 0; page < map.pageCount; page += 1) {
      if (map.dirty[page] === 0) continue;
      map.dirty[page] = 0;
      const begin = page * PAGE_SLOTS;
      const stop = Math.min(begin + PAGE_SLOTS, map.slotCount);
      if (this.cell === 1) this.paintPixels(map, begin, stop);
      else this.paintTiles(map, begin, stop);
      painted += stop - begin;
      if (begin < first) first = begin;
      if (stop > end) end = stop;
    }
    if (painted > 0) {
      const top = Math.floor(first / this.cols) * this.cell;
      const bottom = Math.ceil(end / this.cols) * this.cell;
      this.context.putImageData(image, 0, 0, 0, top, image.width, bottom - top);
    }
    return painted;
  }

  /** @param {PoolMap} map */
  letters(map) {
    return this.byOwner && map.owners ? map.owners : map.states;
  }

  /** @param {PoolMap} map @param {number} begin @param {number} end */
  paintPixels(map, begin, end) {
    const { words, table } = this;
    const { flash } = map;
    const states = this.letters(map);
    for (let slot = begin; slot < end; slot += 1) words[slot] = table[(flash[slot] << 7) | states[slot]];
  }

  /** @param {PoolMap} map @param {number} begin @param {number} end */
  paintTiles(map, begin, end) {
    const { words, cell, cols, painted } = this;
    const { flash } = map;
    const states = this.letters(map);
    const stride = cols * cell;
    let col = begin % cols;
    let at = Math.floor(begin / cols) * cell * stride + col * cell;
    for (let slot = begin; slot < end; slot += 1) {
      const key = (flash[slot] << 7) | states[slot];
      if (painted[slot] !== key) {
        painted[slot] = key;
        const tile = this.tiles.get(key) ?? this.makeTile(key);
        for (let y = 0, to = at, from = 0; y < cell; y += 1, to += stride, from += cell) {
          for (let x = 0; x < cell; x += 1) words[to + x] = tile[from + x];
        }
      }
      col += 1;
      at += cell;
      if (col === cols) {
        col = 0;
        at += stride * (cell - 1);
      }
    }
  }

  /** The pixels of a cell: its colour, a gap at two sides, and where there is room, the letter. @param {number} key */
  makeTile(key) {
    const { cell } = this;
    const tile = new Uint32Array(cell * cell).fill(this.table[key]);
    const letter = key & 127;
    if (cell >= LETTER_CELL_PX && letter !== FREE) drawLetter(tile, cell, String.fromCharCode(letter), this.table[key]);
    if (cell >= GAP_CELL_PX) {
      const gap = gapColour();
      for (let i = 0; i < cell; i += 1) {
        tile[i * cell + cell - 1] = gap;
        tile[(cell - 1) * cell + i] = gap;
      }
    }
    if (this.tiles.size > 128 * (FLASH_LEVELS + 1)) this.tiles.clear();
    this.tiles.set(key, tile);
    return tile;
  }

  /** The middle of a slot on the screen. @param {number} slot @returns {{x: number, y: number}} */
  pointOf(slot) {
    const box = this.canvas.getBoundingClientRect();
    return { x: box.left + (((slot % this.cols) + 0.5) / this.cols) * box.width, y: box.top + ((Math.floor(slot / this.cols) + 0.5) / this.rows) * box.height };
  }

  /** The slot under a point. @param {number} clientX @param {number} clientY @returns {number} -1: none */
  slotAt(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const col = Math.floor(((clientX - box.left) / box.width) * this.cols);
    const row = Math.floor(((clientY - box.top) / box.height) * this.rows);
    if (col < 0 || row < 0 || col >= this.cols || row >= this.rows) return -1;
    const slot = row * this.cols + col;
    return this.map && slot < this.map.slotCount ? slot : -1;
  }
}

/** What shows between cells and behind the last one: the card. */
function gapColour() {
  return theme.name === 'dark' ? 0xff1d1814 : 0xffffffff;
}

/** @param {Uint32Array} tile @param {number} cell @param {string} letter @param {number} colour */
function drawLetter(tile, cell, letter, colour) {
  const canvas = document.createElement('canvas');
  canvas.width = cell;
  canvas.height = cell;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  const [r, g, b] = [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  context.fillStyle = `rgb(${r} ${g} ${b})`;
  context.fillRect(0, 0, cell, cell);
  context.fillStyle = r * 0.299 + g * 0.587 + b * 0.114 > 120 ? 'rgb(0 0 0 / 80%)' : 'rgb(255 255 255 / 90%)';
  context.font = `600 ${Math.floor(cell * 0.72)}px system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(letter, (cell - 1) / 2, cell / 2);
  tile.set(new Uint32Array(context.getImageData(0, 0, cell, cell).data.buffer));
}
