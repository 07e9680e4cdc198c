// @ts-check
// pool_map.js: the slots of one slab as bytes: state, owner, how fresh the last change is.
// Format: a page is a string of 1,024 letters, one a slot; '.' is free, or owned by none.

export const PAGE_SLOTS = 1024;
export const FREE = 46;
/** A slot that changed begins at this level and fades to 0. */
export const FLASH_LEVELS = 6;

export class PoolMap {
  /** @param {number} slotCount */
  constructor(slotCount) {
    this.slotCount = slotCount;
    this.pageCount = Math.ceil(slotCount / PAGE_SLOTS);
    this.states = new Uint8Array(slotCount).fill(FREE);
    /** @type {Uint8Array | null} owner letters, when the slab keeps owners */
    this.owners = null;
    this.flash = new Uint8Array(slotCount);
    /** ts at which the page saw the slot change; NaN: not since the page looks */
    this.since = new Float64Array(slotCount).fill(NaN);
    /** 1: the page has cells to paint anew; 2: it also has cells that still fade */
    this.dirty = new Uint8Array(this.pageCount).fill(1);
    this.fading = new Uint8Array(this.pageCount);
    this.anyFading = false;
    /** how often a page's letters changed, for who compares */
    this.changes = new Uint32Array(this.pageCount);
    this.counts = new Uint32Array(128);
    this.counts[FREE] = slotCount;
  }

  /**
   * Take a page's letters. Letters behind the slab's end are ignored, missing ones change nothing.
   * @param {number} page
   * @param {string} letters
   * @param {number} ts
   * @param {boolean} flash whether changed slots light up
   * @returns {number} how many slots changed
   */
  applyPage(page, letters, ts, flash) {
    if (!(page >= 0 && page < this.pageCount)) return 0;
    const begin = page * PAGE_SLOTS;
    const count = Math.min(letters.length, this.slotCount - begin, PAGE_SLOTS);
    const { states, counts } = this;
    let changed = 0;
    for (let i = 0; i < count; i += 1) {
      const letter = letters.charCodeAt(i) & 127;
      const slot = begin + i;
      const old = states[slot];
      if (letter === old) continue;
      states[slot] = letter;
      counts[old] -= 1;
      counts[letter] += 1;
      changed += 1;
      if (flash) {
        this.flash[slot] = FLASH_LEVELS;
        this.since[slot] = ts;
      } else {
        this.flash[slot] = 0;
        this.since[slot] = NaN;
      }
    }
    if (changed > 0) {
      this.dirty[page] = 1;
      this.changes[page] += 1;
      if (flash) {
        this.fading[page] = 1;
        this.anyFading = true;
      }
    }
    return changed;
  }

  /** @param {number} page @param {string} letters */
  applyOwners(page, letters) {
    if (!(page >= 0 && page < this.pageCount)) return;
    this.owners ??= new Uint8Array(this.slotCount).fill(FREE);
    const begin = page * PAGE_SLOTS;
    const count = Math.min(letters.length, this.slotCount - begin, PAGE_SLOTS);
    for (let i = 0; i < count; i += 1) this.owners[begin + i] = letters.charCodeAt(i) & 127;
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

  /** Mark all of it for painting. */
  touch() {
    this.dirty.fill(1);
  }
}
