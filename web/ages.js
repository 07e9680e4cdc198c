// @ts-check
// ages.js: the slots of a slab by type and by how long they have been what they are.

import { FREE } from './pool_map.js';

export const AGE_EDGES_NS = [1e9, 10e9, 60e9];
export const AGE_NAMES = ['under 1 s', '1–10 s', '10–60 s', 'over 60 s', 'not known'];

/**
 * How many slots of each letter have which age. Of a slot that has not changed since the page looks
 * at this stretch of the run, that is not known.
 * @param {import('./pool_map.js').PoolMap} map @param {number} ts
 * @returns {Map<string, number[]>} by letter, most slots first
 */
export function ages(map, ts) {
  const table = new Uint32Array(128 * AGE_NAMES.length);
  const { states, since, slotCount } = map;
  for (let slot = 0; slot < slotCount; slot += 1) {
    const letter = states[slot];
    if (letter === FREE) continue;
    const age = ts - since[slot];
    const part = age < AGE_EDGES_NS[0] ? 0 : age < AGE_EDGES_NS[1] ? 1 : age < AGE_EDGES_NS[2] ? 2 : age >= AGE_EDGES_NS[2] ? 3 : 4;
    table[letter * AGE_NAMES.length + part] += 1;
  }
  /** @type {[string, number[]][]} */
  const rows = [];
  for (let letter = 0; letter < 128; letter += 1) {
    const row = [...table.subarray(letter * AGE_NAMES.length, (letter + 1) * AGE_NAMES.length)];
    if (row.some((n) => n > 0)) rows.push([String.fromCharCode(letter), row]);
  }
  const sum = (/** @type {number[]} */ row) => row.reduce((a, b) => a + b, 0);
  return new Map(rows.sort((a, b) => sum(b[1]) - sum(a[1])));
}
