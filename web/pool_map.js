// @ts-check
// pool_map.js: the slots of one slab as bytes: state, owner, how fresh the last change is.
// Format: a page is 1,024 letters, one a slot; '.' is free, or owned by none.

import { packPages } from './letters.js';

export const PAGE_SLOTS = 1024;
export const FREE = 46;
/** A slot that changed begins at this level and fades to 0. */
export const FLASH_LEVELS = 6;

/** @param {string | Uint8Array} letters @returns {Uint8Array} */
const bytesOf = (letters) => (typeof letters === 'string' ? packPages({ 0: letters }).bytes : letters);

const lanes = [0, 1, 2, 3].map(() => new Uint32Array(128));

/** How often each value below 128 occurs. Four counters a value, or each step would wait for the one before. @param {Uint8Array} bytes @param {Uint32Array} out */
export function countBytes(bytes, out) {
  const [a, b, c, d] = lanes;
  for (const lane of lanes) lane.fill(0);
  let i = 0;
  for (; i + 3 < bytes.length; i += 4) {
    a[bytes[i]] += 1;
    b[bytes[i + 1]] += 1;
    c[bytes[i + 2]] += 1;
    d[bytes[i + 3]] += 1;
  }
  for (; i < bytes.length; i += 1) a[bytes[i]] += 1;
  for (let value = 0; value < 128; value += 1) out[value] = a[value] + b[value] + c[value] + d[value];
}

export class PoolMap {
  /** @param {number} slotCount */
  constructor(slotCount) {
    this.slotCount = slotCount;
    this.pageCount = Math.ceil(slotCount / PAGE_SLOTS);
    this.states = new Uint8Array(slotCount).fill(FREE);
    /** @type {Uint8Array | null} owner letters, when the slab keeps owners */
    this.owners = null;
    this.flash = new Uint8Array(slotCount);
    /** ts at which the page saw the slot change; NaN: not since the page looks. Of pages that are not known, nothing. */
    this.since = new Float64Array(slotCount).fill(NaN);
    this.known = new Uint8Array(this.pageCount).fill(1);
    /** 1: the page has cells to paint anew; 2: it also has cells that still fade */
    this.dirty = new Uint8Array(this.pageCount).fill(1);
    this.fading = new Uint8Array(this.pageCount);
    this.anyFading = false;
    /** how often a page's letters changed, for who compares */
    this.changes = new Uint32Array(this.pageCount);
    /** slots by letter, unless they are to be counted anew */
    this.counted = new Uint32Array(128);
    this.uncounted = true;
  }

  /** All pages as a document has them. @returns {Record<string, string>} */
  get pages() {
    const decoder = new TextDecoder('latin1');
    return Object.fromEntries(Array.from({ length: this.pageCount }, (_, page) => [page, decoder.decode(this.states.subarray(page * PAGE_SLOTS, (page + 1) * PAGE_SLOTS))]));
  }

  /** How many slots have each letter; to be read, not kept. */
  get counts() {
    if (this.uncounted) countBytes(this.states, this.counted);
    this.uncounted = false;
    return this.counted;
  }

  /**
   * Take a page's letters. Letters behind the slab's end are ignored, missing ones change nothing.
   * @param {number} page
   * @param {string | Uint8Array} letters
   * @param {number} ts
   * @param {boolean} flash whether changed slots light up; without, it is no longer known since when
   *   the page's slots are what they are
   * @returns {number} how many slots changed; without flash, how many were taken
   */
  applyPage(page, letters, ts, flash) {
    if (!(page >= 0 && page < this.pageCount)) return 0;
    const begin = page * PAGE_SLOTS;
    const bytes = bytesOf(letters).subarray(0, Math.min(this.slotCount - begin, PAGE_SLOTS));
    let changed = bytes.length;
    if (flash) {
      changed = this.light(page, bytes, ts);
      if (changed === 0) return 0;
      this.fading[page] = 1;
      this.anyFading = true;
    } else {
      this.states.set(bytes, begin);
      this.uncounted = true;
      if (this.fading[page] > 0) this.flash.fill(0, begin, begin + PAGE_SLOTS);
      this.fading[page] = 0;
      this.known[page] = 0;
    }
    this.dirty[page] = 1;
    this.changes[page] += 1;
    return changed;
  }

  /** Take letters and light what changed. @param {number} page @param {Uint8Array} letters @param {number} ts @returns {number} how many */
  light(page, letters, ts) {
    const { states, flash, since, counted } = this;
    const begin = page * PAGE_SLOTS;
    if (this.known[page] === 0) since.fill(NaN, begin, begin + PAGE_SLOTS);
    this.known[page] = 1;
    let changed = 0;
    for (let i = 0, slot = begin; i < letters.length; i += 1, slot += 1) {
      const letter = letters[i];
      if (letter === states[slot]) continue;
      counted[states[slot]] -= 1;
      counted[letter] += 1;
      states[slot] = letter;
      flash[slot] = FLASH_LEVELS;
      since[slot] = ts;
      changed += 1;
    }
    return changed;
  }

  /** When the page saw the slot change; NaN: not since it looks. @param {number} slot */
  sinceOf(slot) {
    return this.known[Math.floor(slot / PAGE_SLOTS)] > 0 ? this.since[slot] : NaN;
  }

  /** @param {number} page @param {string | Uint8Array} letters */
  applyOwners(page, letters) {
    if (!(page >= 0 && page < this.pageCount)) return;
    this.owners ??= new Uint8Array(this.slotCount).fill(FREE);
    const begin = page * PAGE_SLOTS;
    this.owners.set(bytesOf(letters).subarray(0, Math.min(this.slotCount - begin, PAGE_SLOTS)), begin);
    this.dirty[page] = 1;
  }

  /** Fade every lit slot by one level and mark its page for painting. */
  fade() {
    if (!this.anyFading) return;
    let any = false;
    for (let page = 0; page < this.pageCount; page += 1) {
      if (this.fading[page] === 0) continue;
      const end = Math.min((page + 1) * PAGE_SLOTS, this.slotCount);
      let left = 0;
      for (let slot = page * PAGE_SLOTS; slot < end; slot += 1) {
        if (this.flash[slot] > 0) left |= this.flash[slot] -= 1;
      }
      this.dirty[page] = 1;
      if (left === 0) this.fading[page] = 0;
      else any = true;
    }
    this.anyFading = any;
  }

  /** Let nothing shine any more. */
  darken() {
    if (!this.anyFading) return;
    for (let page = 0; page < this.pageCount; page += 1) {
      if (this.fading[page] === 0) continue;
      this.flash.fill(0, page * PAGE_SLOTS, (page + 1) * PAGE_SLOTS);
      this.fading[page] = 0;
      this.dirty[page] = 1;
    }
    this.anyFading = false;
  }

  /** Mark all of it for painting. */
  touch() {
    this.dirty.fill(1);
  }
}
