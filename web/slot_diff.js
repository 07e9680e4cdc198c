// @ts-check
// slot_diff.js: two maps of one slab laid over each other: slots used only in A, only in B, in both.

import { FREE, PAGE_SLOTS, PoolMap } from './pool_map.js';

export const ONLY_A = 'A'.charCodeAt(0);
export const ONLY_B = 'B'.charCodeAt(0);
export const BOTH = '='.charCodeAt(0);

export class SlotDiff {
  /** @param {PoolMap} a @param {PoolMap} b */
  constructor(a, b) {
    this.a = a;
    this.b = b;
    /** letters ONLY_A, ONLY_B, BOTH and FREE; a slab of another size is as if its missing slots were free */
    this.map = new PoolMap(Math.max(a.slotCount, b.slotCount));
    this.seenA = new Float64Array(this.map.pageCount).fill(-1);
    this.seenB = new Float64Array(this.map.pageCount).fill(-1);
  }

  /** Compare the pages that changed on either side since the last time. @returns {number} how many were */
  update() {
    const { a, b, map } = this;
    let compared = 0;
    for (let page = 0; page < map.pageCount; page += 1) {
      const ofA = page < a.pageCount ? a.changes[page] : 0;
      const ofB = page < b.pageCount ? b.changes[page] : 0;
      if (ofA === this.seenA[page] && ofB === this.seenB[page]) continue;
      this.seenA[page] = ofA;
      this.seenB[page] = ofB;
      this.comparePage(page);
      compared += 1;
    }
    return compared;
  }

  /** @param {number} page */
  comparePage(page) {
    const { map } = this;
    const ofA = this.a.states;
    const ofB = this.b.states;
    const end = Math.min((page + 1) * PAGE_SLOTS, map.slotCount);
    for (let slot = page * PAGE_SLOTS; slot < end; slot += 1) {
      const inA = slot < ofA.length && ofA[slot] !== FREE;
      const inB = slot < ofB.length && ofB[slot] !== FREE;
      const letter = inA ? (inB ? BOTH : ONLY_A) : inB ? ONLY_B : FREE;
      if (letter === map.states[slot]) continue;
      map.states[slot] = letter;
      map.dirty[page] = 1;
      map.uncounted = true;
    }
  }
}
