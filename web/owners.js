// @ts-check
// owners.js: who holds the slots of a slab, and in which state.

import { FREE } from './pool_map.js';

/** @typedef {{letter: string, total: number, counts: number[]}} OwnerRow counts: by state, in the order asked for; the last is every other */

/**
 * @param {import('./pool_map.js').PoolMap} map
 * @param {string} letters the states to count each on its own
 * @returns {OwnerRow[]} most slots first; without those that own none; letter "." is no owner
 */
export function ownerTable(map, letters) {
  const { states, owners, slotCount } = map;
  if (!owners) return [];
  const width = letters.length + 1;
  const place = new Uint8Array(128).fill(letters.length);
  for (let i = 0; i < letters.length; i += 1) place[letters.charCodeAt(i)] = i;
  const table = new Uint32Array(128 * width);
  for (let slot = 0; slot < slotCount; slot += 1) {
    if (states[slot] === FREE) continue;
    table[owners[slot] * width + place[states[slot]]] += 1;
  }
  const out = [];
  for (let owner = 0; owner < 128; owner += 1) {
    const counts = [...table.subarray(owner * width, (owner + 1) * width)];
    const total = counts.reduce((a, b) => a + b, 0);
    if (total > 0) out.push({ letter: String.fromCharCode(owner), total, counts });
  }
  return out.sort((a, b) => b.total - a.total || (a.letter < b.letter ? -1 : 1));
}
